// sim/host/campaign/campaign.h — one case over many seeds: who runs when, what is kept, when it is enough.
#pragma once
#include <functional>
#include <map>

#include "sim/host/campaign/guide.h"
#include "sim/host/campaign/minimise.h"
#include "sim/host/campaign/results.h"

namespace sim::host::campaign {

/// Seeds `first`…`last`, of which shard i of n runs those with (seed − first) mod n = i − 1.
struct SeedRange {
  u64 first = 1;
  u64 last = 1000;
  u32 shard = 1;
  u32 shards = 1;
  /// How many of them this shard runs.
  u64 count() const;
};

struct CampaignOptions {
  SeedRange seeds;
  u32 jobs = 1;
  u64 time_ms = 0;  // of the host; 0: until all seeds are run
  bool until_failure = false;
  u64 clusters_max = 20;  // a campaign that found as many different failures ends
  std::string sched = "mix";
  bool blind = false;  // nodes boot with one priority for all threads
  std::string checks;
  u64 until = 600'000'000'000;  // virtual ns: a run that is not over then has no verdict
  u64 events_max = 50'000'000;
  HostLimits limits;
  bool must_look = false;  // refuse a case that declares `always`, none of which a fair run reaches
  bool guided = false;     // three runs of four are made from those that went somewhere new
  std::string corpus;      // folder that keeps these; empty: they are not kept
  bool minimise = false;   // each cluster's first run, once all seeds are run
  MinimiseOptions minimise_options;
  std::string recordings;  // folder for what is left of them; empty: no recordings
};

/// Runs whose outcome is known before: if one comes out otherwise, nothing the campaign says can be believed.
struct Canaries {
  Case* holds = nullptr;
  Case* fails = nullptr;
  bool are_there() const { return holds != nullptr && fails != nullptr; }
};
/// Which of a campaign's seeds have a canary beside them, and which kind.
constexpr u64 kCanaryEvery = 64;
constexpr bool has_canary(u64 seed) { return seed % kCanaryEvery == 1; }
constexpr bool canary_fails(u64 seed) { return seed / kCanaryEvery % 2 == 0; }

constexpr u64 kFreshRuns = 1000;

struct Found {
  Finding finding;
  Verdict verdict = Verdict::Failed;
  RunSetup first;  // the run that showed it, in this process
  u64 runs = 0;
};

/// How far a campaign is.
struct Progress {
  u64 runs = 0;     // in this process
  u64 skipped = 0;  // that the file had already
  u64 left = 0;
  u64 elapsed_us = 0;
  u64 virtual_ns = 0;
  u64 failures = 0;
  u64 limits = 0;
  u64 canaries = 0;
  u64 wrong_canaries = 0;
  u64 features = 0;        // guided: seen so far
  u64 features_fresh = 0;  // of them in the last kFreshRuns runs
  u64 splits = 0;          // equal runs that came out differently
  std::map<std::string, Found> clusters;
};

class Campaign {
 public:
  Campaign(Case& which, const Canaries& canaries, const CampaignOptions& options)
      : case_(which), canaries_(canaries), options_(options) {}

  /// Called about ten times a second and at each new cluster; false ends the campaign.
  std::function<bool(const Progress& progress, const Found* new_cluster)> on_progress;

  /// Called for each cluster that was minimised, or could not be.
  std::function<void(const std::string& cluster, const Minimal& minimal)> on_minimal;
  /// Called once when all is written.
  std::function<void(Database& database)> on_results;

  /// Runs into `path`. Empty, or why it cannot (nothing was kept).
  std::string run(const std::string& path);
  /// `run` refused because nothing that the case declares is ever looked at.
  bool is_unwatched() const { return is_unwatched_; }

  /// The key of this campaign's rows.
  CampaignKey key() const;
  /// What makes the run of `seed`: the strategy that --sched draws for it, with the figures of the pilot.
  RunSetup setup_of(u64 seed) const;
  const Progress& progress() const { return progress_; }

 private:
  std::string make_pilots(Pool& pool);
  bool feed(Pool& pool, const std::set<u64>& done);
  bool feed_guided(Pool& pool);
  void learn(const Done& done, bool is_uniform);
  void keep_features(Results& results, bool now);
  void take(Done done, Results& results);
  void take_canary(Done done, Results& results);
  void minimise_clusters(Pool& pool, Results& results);
  bool is_over() const;
  void tell(const Found* new_cluster);

  Case& case_;
  Canaries canaries_;
  CampaignOptions options_;
  Progress progress_;
  u64 steps_ = 0;  // how often a thread gets a core in a fair run; 0: not counted
  u64 next_ = 0;   // index in the shard's seeds
  std::optional<Guide> guide_;
  std::vector<RunSetup> first_;      // of the corpus, last first
  std::map<u64, std::string> arms_;  // of guided runs in the pool
  std::vector<u64> feature_totals_;  // after each run
  u64 fed_ = 0;
  u64 features_kept_us_ = 0;
  u64 started_us_ = 0;
  u64 told_us_ = 0;
  bool stopped_ = false;
  bool is_unwatched_ = false;
};

}  // namespace sim::host::campaign
