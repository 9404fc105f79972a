// sim/host/judge/models.h — what correct answers are: sequential objects, one operation at a time.
//
//   model      operations and arguments                                   results
//   register   write V, read, cas OLD NEW                                 read: the value or nothing; cas: true, false
//   kv         put V, get, remove, append V, cas OLD NEW                  get: the value or nothing; cas: true, false
//   counter    add N, read                                                the number; of add optional: the new one
//   set        add X, remove X, contains X, read                          true, false; read: the elements, one a line
//   queue      enqueue X, dequeue, peek                                   the oldest or nothing
//   lock       acquire, try, release                                      try: true, false; release only by the holder
//   file       write OFFSET BYTES, append BYTES, truncate SIZE,           the bytes; append optional: where they went;
//              read OFFSET COUNT, size                                    size: the number
//
// Every model also takes `sync`: no effect, and what came before it is durable once it is answered.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sim/host/judge/history.h"

namespace sim::host::judge {

constexpr u64 kFileBytesMax = u64{1} << 20;

class Model {
 public:
  virtual ~Model() = default;
  /// State before the first operation. A state is bytes; equal states are equal bytes.
  virtual std::string initial() const = 0;
  /// Does `operation` in `state`. False if its result cannot be (the state is then of no use); an operation that is not
  /// complete has no result to hold against.
  virtual bool apply(std::string& state, const Operation& operation) const = 0;
  /// Empty, or why the model cannot judge this operation: an unknown name, a missing argument.
  virtual std::string refuses(const Operation& operation) const = 0;
  /// Changes nothing whatever the state, so a history without it proves no more.
  virtual bool is_read(const Operation& operation) const = 0;
  /// The values an operation is about, if all operations on one of them may be left out together without making a right
  /// history wrong. False: this operation depends on all.
  virtual bool values(const Operation&, std::vector<std::string>&) const { return false; }
};

/// The model of this name, nothing in it; null for an unknown name.
std::unique_ptr<Model> model_named(std::string_view name);
/// "register, kv, counter, …" for a message.
std::string model_names();

/// A model given by functions, as a scenario writes one.
class CallbackModel final : public Model {
 public:
  using Apply = std::function<bool(std::string& state, const Operation& operation)>;
  CallbackModel(std::string initial, Apply apply, std::function<bool(const Operation&)> is_read = {})
      : initial_(std::move(initial)), apply_(std::move(apply)), is_read_(std::move(is_read)) {}
  std::string initial() const override { return initial_; }
  bool apply(std::string& state, const Operation& operation) const override { return apply_(state, operation); }
  std::string refuses(const Operation&) const override { return {}; }
  bool is_read(const Operation& operation) const override { return is_read_ && is_read_(operation); }

 private:
  std::string initial_;
  Apply apply_;
  std::function<bool(const Operation&)> is_read_;
};

}  // namespace sim::host::judge
