// sim/host/judge/checker.h — whether a history could have come from one correct object that does one thing at a time.
//
// The search is that of Wing and Gong (1993) with memoised states after Lowe (2017): operations are put in an order that
// agrees with real time and with every result; what was tried is remembered by (operations placed, state). Keys are
// judged apart. States tried are counted, never timed: beyond the limit the answer is Unknown, and Unknown is never Ok.
//
// What it costs   states tried ≤ operations × 2^(operations open at once); linear where clients are few.
// Tested by       tests/judge/checker_test.cpp (twin: all orders, tried one by one)
#pragma once
#include "sim/host/judge/models.h"

namespace sim::host::judge {

constexpr u64 kStatesMax = 10'000'000;

struct CheckOptions {
  bool linearizable = true;
  /// A crash may take back what was not acknowledged as durable before it, newest first, even if it was read. Without it
  /// crashes say nothing: what was seen stays.
  bool buffered = false;
  /// What was acknowledged as durable is there after History::heal; reads before that are not judged.
  bool durable = false;
  /// A client sees its own acknowledged writes; and what it read it does not lose again. Models register and kv.
  bool read_your_writes = false;
  bool monotonic_reads = false;
  u64 states_max = kStatesMax;  // a key
};

enum class Judgement : u8 { Ok, Violated, Unknown };

struct Violation {
  std::string judge;  // linearizable durable read-your-writes monotonic-reads
  std::string key;
  std::vector<Operation> window;    // what remains when nothing more can be left out, in order of calls
  Moment moment;                    // of the return that could not be
  std::string client;               // whose that was
  std::vector<std::string> starts;  // states it is wrong from, where more than the model's first was left out before it
  std::string text;                 // for a person, several lines
};

struct Checked {
  Judgement judgement = Judgement::Ok;
  std::vector<Violation> violations;  // at most one a judge and key
  u64 keys = 0;
  u64 keys_unknown = 0;  // some judge spent its states there
  u64 states = 0;        // tried, over all keys
  std::string refused;   // not empty: the model cannot judge this history, and nothing was judged
};

Checked check(const History& history, const Model& model, const CheckOptions& options = {});

// ── The parts, for tests ─────────────────────────────────────────────────────────────────────────────────────
struct Searched {
  Judgement judgement = Judgement::Ok;
  u64 states = 0;
};
/// The search alone over operations of one key, in order of calls. `crashes` are places in their order; empty where
/// nothing may be taken back.
Searched search(const std::vector<Operation>& operations, const std::vector<u64>& crashes, const Model& model,
                u64 states_max);
/// All states that some right order of the operations, each of them complete, ends in; sorted. None when there is no such
/// order, or when the states were spent.
std::vector<std::string> end_states(const std::vector<Operation>& operations, const Model& model, u64 states_max);

}  // namespace sim::host::judge
