// sim/host/campaign/minimise.h — from a run that fails to the least that still fails in the same way. The run is made
// explicit: every choice that was not the model's own, every fault that fired, every operation of a client. Rounds of
// delta debugging (Zeller & Hildebrandt, 2002) then take away what is not needed.
//
// Invariants  M1 a candidate counts only if its failure has the same cluster: property, kind, role, last kinds.
//             M2 the result does not depend on how many processes looked for it: among candidates the first one wins.
//             M3 where choices or faults are needed for the failure, no operation goes that would make them needless: what is
//                left shows the cause, not another way to the same status.
//             M4 no overrides are run twice; what is said to be 1-minimal was tried without each single item.
#pragma once
#include <functional>
#include <map>

#include "sim/host/campaign/pool.h"

namespace sim::host::campaign {

struct MinimiseOptions {
  u64 runs_max = 500;
  u64 time_ms = 60'000;  // of the host
  std::string record;    // path of a recording of the result; empty: none, or as `name_recording` says
};

/// `status-3-5e1f.orrery`: what failed, and the first digits of its cluster.
std::string recording_name(const Finding& finding);

/// How many items of each kind there are.
struct ItemCounts {
  u64 fault_classes = 0;
  u64 faults = 0;
  u64 operations = 0;
  u64 choices = 0;
};

struct Minimal {
  std::string error;      // empty, or why there is nothing to minimise
  bool is_split = false;  // equal runs came out differently: determinism is broken
  std::string overrides;  // text of a file that fails in the same way
  std::string recording;  // path of the result; empty: none was asked for
  RunReport report;       // of the last proof
  ItemCounts before;
  ItemCounts after;
  std::vector<std::string> fault_classes;  // of the faults that are left, sorted
  u64 runs = 0;
  u64 wall_us = 0;
  bool is_minimal = false;  // no single item can go; otherwise the budget was spent
};

class Minimiser {
 public:
  /// `pool` makes runs of the case `which` of its cases.
  Minimiser(Pool& pool, u32 which, const MinimiseOptions& options);

  /// Called after each run; false ends the search with what there is.
  std::function<bool(u64 runs, const ItemCounts& left)> on_progress;

  std::function<std::string(const Finding& finding)> name_recording;

  Minimal minimise(const RunSetup& failing);

 private:
  /// What is still there; items are never reordered.
  struct State {
    std::vector<ForcedChoice> choices;
    std::vector<FiredFault> faults;  // kept
    std::vector<std::string> operations;
  };
  using Key = std::pair<u64, u64>;  // digest of overrides
  using MakeCandidate = std::function<State(u64 index)>;

  std::string text_of_state(const State& state) const;
  ItemCounts counts_of(const State& state) const;
  RunReport run_once(RunSetup setup);
  /// Index of the first of `count` candidates that fails in the same way; none when all pass or the budget is spent.
  std::optional<u64> first_failing(u64 count, const MakeCandidate& make);
  /// The same among candidates that fail only with their choices and faults.
  std::optional<u64> first_caused(u64 count, const MakeCandidate& make);
  bool still_fails(const State& state);
  bool read_lists(const RunReport& first);
  void take(Done done);
  bool is_spent();

  bool drop_classes();
  bool keep_prefix();
  template <class Item>
  bool drop_items(std::vector<Item> State::*list);
  bool soften_answers();
  void prove(Minimal& minimal);

  Pool& pool_;
  u32 which_;
  MinimiseOptions options_;
  RunSetup base_;
  std::string cluster_;
  std::string fixed_lines_;  // of the overrides it began with: they stay
  State all_;
  State state_;
  std::map<Key, bool> seen_;  // whether these overrides fail in the same way
  std::vector<Key> keys_;     // of the candidates so far
  u64 runs_ = 0;
  u64 started_us_ = 0;
  bool has_cause_ = false;  // without choices and faults the run does not fail
  bool stopped_ = false;
};

}  // namespace sim::host::campaign
