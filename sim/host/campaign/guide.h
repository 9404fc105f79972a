// sim/host/campaign/guide.h — which run is worth making next. Runs that went somewhere new (features: short sequences of
// event kinds by role and magnitude, properties hit) are kept in a corpus; new runs are made from them by changing what was
// different about them. One run in four stays uniform: only those say anything about other seeds.
//
// Invariants  G1 every run it proposes is a seed and overrides, and repeated from these alone.
//             G2 it proposes no run twice.
//             G3 which run comes next depends on what came back first; what a run does, never.
#pragma once
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "sim/host/campaign/pool.h"

namespace sim::host::campaign {

constexpr u32 kGuidedOf = 4;            // of so many runs one is uniform
constexpr u64 kCorpusMax = 4096;        // entries; the one whose features are most common makes place
constexpr u64 kOverrideLinesMax = 256;  // of a proposed run

/// What was new about a run, and what it consisted of.
struct CorpusEntry {
  RunSetup setup;
  std::vector<ForcedChoice> choices;
  std::vector<FiredFault> fired;
  std::vector<u32> fresh;  // features that it was the first to show
};

struct FeatureCount {
  u64 first_seed = 0;
  u64 uniform = 0;  // uniform runs that showed it
  u64 all = 0;
};

/// Draws that belong to no run: which run comes next is part of none.
class Dice {
 public:
  explicit Dice(u64 seed) : seed_(seed) {}
  u64 next() {
    base::D128 digest;
    digest.fold(seed_, ++rolled_);
    return digest.out().high;
  }
  u64 below(u64 bound) { return next() % bound; }
  bool chance(u64 numerator, u64 denominator) { return below(denominator) < numerator; }

 private:
  u64 seed_;
  u64 rolled_ = 0;
};

class Guide {
 public:
  /// `folder` keeps the corpus between campaigns; empty: it is not kept.
  Guide(u64 seed, std::string folder);

  /// Runs of the folder, to be made first. Files that hold none are skipped.
  std::vector<RunSetup> load() const;
  /// A run made from the corpus; false when nothing new came to mind, as while there is nothing in it. `arm` gets how it
  /// was made.
  bool propose(RunSetup& setup, std::string& arm);
  /// What came back. Returns how many of its features were new.
  u64 learn(const Done& done, bool is_uniform);

  const std::map<u32, FeatureCount>& features() const { return features_; }
  /// Features whose counts changed since the last call.
  std::set<u32> take_changed() { return std::exchange(changed_, {}); }
  /// What the last campaign on the same file knew.
  void restore(u32 feature, const FeatureCount& count) { features_[feature] = count; }
  u64 corpus_size() const { return corpus_.size(); }

 private:
  const CorpusEntry& pick();
  RunSetup mutate(std::string& arm);
  u64 rarity(const CorpusEntry& entry) const;
  void save(const CorpusEntry& entry) const;
  std::string lines_of(std::vector<ForcedChoice> choices, const std::string& more) const;
  Strategy any_strategy();

  Dice dice_;
  std::string folder_;
  std::map<u32, FeatureCount> features_;
  std::set<u32> changed_;
  std::vector<CorpusEntry> corpus_;
  std::set<std::pair<u64, std::string>> proposed_;  // seeds and digests of overrides
};

}  // namespace sim::host::campaign
