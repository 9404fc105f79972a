// sim/host/judge/history.h — what clients asked for and were answered, in the order it happened. A recorder; checker.h
// judges what it holds.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"

namespace sim::host::judge {

/// How an operation ended, as its client knows it.
enum class Ending : u8 {
  Ok,       // it took effect between call and return, once
  Fail,     // it took no effect and never will
  Unknown,  // it may have taken effect, or will at any time later: no answer, or one that does not tell
};
std::string_view name_of(Ending ending);

/// What is asked for. Names and arguments are those of a model (models.h): `write` of a register takes one value.
struct Request {
  std::string client;
  std::string name;
  std::string key;  // operations on different keys are judged apart
  std::vector<std::string> arguments;
  bool durable = true;  // once answered `ok` a crash may not take it back
};

/// Where in the run something happened; for reports only.
struct Moment {
  u64 sequence = 0;
  u64 time_ns = 0;
};

constexpr u64 kNotReturned = ~u64{0};

struct Operation {
  Request request;
  Ending ending = Ending::Unknown;
  std::optional<std::string> result;  // absent: nothing was there, or there is no result
  u64 called = 0;                     // places in the order of the history, from 1
  u64 returned = kNotReturned;        // of an unknown ending too: it may take effect later
  Moment call_moment;
  Moment return_moment;

  bool is_complete() const { return ending == Ending::Ok && returned != kNotReturned; }
};

class History {
 public:
  explicit History(std::string name) : name_(std::move(name)) {}

  /// The client calls; returns the operation's number. Without `end` it stays unknown, as after a crash of the client.
  u64 begin(Request request, Moment moment = {});
  /// Its answer. Not twice for one operation.
  void end(u64 operation, Ending ending, std::optional<std::string> result, Moment moment = {});
  /// The operation is durable, which only its call has shown: to be said before its end.
  void make_durable(u64 operation);
  /// What serves the keys lost its volatile state. With nothing called or answered since the last crash it is the same.
  void crash();
  /// Faults have ended and are repaired: durability is judged by what is read from here on.
  void heal();

  const std::string& name() const { return name_; }
  const std::vector<Operation>& operations() const { return operations_; }
  /// Places of crashes in the order.
  const std::vector<u64>& crashes() const { return crashes_; }
  u64 healed() const { return healed_; }
  /// Operations of `client` (empty: of all) that ended so; with `after_heal` only those called since.
  u64 count(std::string_view client, Ending ending, bool after_heal = false) const;

 private:
  std::string name_;
  std::vector<Operation> operations_;
  std::vector<u64> crashes_;
  u64 order_ = 0;
  u64 healed_ = kNotReturned;
};

/// `12.400s #81203  writer-1  write x "a" → ok`.
std::string describe(const Operation& operation);

}  // namespace sim::host::judge
