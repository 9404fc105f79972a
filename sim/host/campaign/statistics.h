// sim/host/campaign/statistics.h — what the runs so far say about those to come. Only runs chosen by their seed alone
// count: guided ones are no sample.
#pragma once
#include <string>
#include <vector>

#include "base/types.h"

namespace sim::host::campaign {

/// How often kinds (of failures, of features) were seen in `runs` independent runs.
struct Seen {
  u64 runs = 0;
  u64 kinds = 0;
  u64 once = 0;                 // seen in exactly one run
  u64 twice = 0;                // in exactly two
  bool has_many_a_run = false;  // a run shows any number of kinds, not at most one
  void add(u64 runs_of_kind) {
    kinds += 1;
    once += runs_of_kind == 1 ? 1 : 0;
    twice += runs_of_kind == 2 ? 1 : 0;
  }
};

/// The chance that the next run shows a kind that was not seen; where a run shows many, how many new ones it shows. Source: Good (1953), after Turing: once ÷ runs.
double chance_of_new(const Seen& seen);
/// How many kinds were not seen yet, at least. Source: Chao (1984): once²÷(2·twice), or once·(once−1)÷2.
double unseen_kinds(const Seen& seen);
/// How many new kinds `more` runs should show. Source: Shen, Chao and Lin (2003).
double expected_new(const Seen& seen, u64 more);
/// After `runs` runs without a failure, no larger share fails with 95 % confidence: the rule of three, 3 ÷ runs.
double failure_bound(u64 runs);

/// The same as sentences, one each, with what they assume. `kind`: "failure", "feature".
std::vector<std::string> statements_about(const Seen& seen, u64 failures, const std::string& kind);

}  // namespace sim::host::campaign
