// sim/host/campaign/results.h — what a campaign found, in one SQLite file: runs, clusters of failures, hits of properties,
// features and faults. Several campaigns of one model may share a file; files of shards are merged.
//
// Invariants  R1 rows are written in transactions of at most 64 runs or a second: a kill loses no more than that.
//             R2 a run is known by (campaign, seed, overrides); its root is a function of these. Two roots are a broken
//                promise, not a conflict.
//             R3 a declared property without a hit has exactly one row with count 0, at the least seed that declared it;
//                it goes with the first hit. So files of shards merge to what one process would have written.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <set>

#include "sim/host/campaign/database.h"
#include "sim/host/campaign/pool.h"

namespace sim::host::campaign {

/// What one campaign is: the key of its rows.
struct CampaignKey {
  std::string model;  // ids, in hexadecimal
  std::string plan;
  std::string scenario;  // what is given to `orrery run` beside seed and schedule
  std::string options;   // what else changes a run
  std::string build;
  /// Hash of model, plan and options.
  std::string id() const;
};
constexpr std::string_view kBlindOption = " blind";     // before the checks
constexpr std::string_view kChecksOption = " checks=";  // the last of the options; its value goes to the end

/// Arms of runs whose outcome is known before; they are no part of what a campaign says.
constexpr std::string_view kCanaryHolds = "canary-holds";
constexpr std::string_view kCanaryFails = "canary-fails";
constexpr std::string_view kUniform = "uniform";

/// Name of a cluster: a hash of what failed, how and where; no number, address, seed or time.
std::string cluster_id(const Finding& finding);
/// Whether a report belongs into a cluster.
bool is_failure(Verdict verdict);

class Results {
 public:
  explicit Results(const std::string& path);
  ~Results();

  /// Makes the campaign's row. Empty, or why this file cannot hold it: it has results of another model.
  std::string begin(const CampaignKey& key);
  /// Seeds without overrides that are there already.
  std::set<u64> seeds_done() const { return done_; }
  u64 seeds_done_count() const { return done_.size(); }

  /// One run. `arm`: how it was chosen (uniform, canary, a mutation).
  void add(const Done& done, std::string_view arm);
  /// Clusters of this campaign that were not minimised, the most frequent first, with their first runs.
  struct Failing {
    u64 seed = 0;
    std::string overrides;
  };
  std::vector<std::pair<std::string, Failing>> not_minimised();
  /// After shrinking, the fault classes that `failing` of `cluster` needs are part of what failed: with the runs in which
  /// all of them struck it goes to a cluster of its own, which others with equal classes join. Returns the cluster it is
  /// in then; without classes that is `cluster`.
  std::string split(const std::string& cluster, const Failing& failing, const std::vector<std::string>& classes);
  /// The least run of a cluster; one that is known stays.
  void set_minimal(const std::string& cluster, const std::string& overrides, std::string_view state);

  /// Counts of one feature in this shard's runs.
  void set_feature(const std::string& shard, u32 feature, u64 first_seed, u64 runs);
  void each_feature(const std::function<void(u32 feature, u64 first_seed, u64 runs)>& see);

  /// Commits when it is time; to be called often.
  void tick();
  void commit();

  Database& database() { return database_; }
  const std::string& campaign() const { return campaign_; }

 private:
  struct Statements;
  void add_hits(const Done& done);
  void begin_transaction();

  Database database_;
  std::unique_ptr<Statements> statements_;
  std::string campaign_;
  std::set<u64> done_;
  std::map<std::string, u64> never_hit_;  // declared names without a hit, with the seed of their row
  std::set<std::string> hit_;
  u64 open_runs_ = 0;
  u64 open_since_us_ = 0;
  bool is_open_ = false;
};

/// What became of a merge.
struct Merged {
  u64 runs = 0;       // that were new
  std::string error;  // another model, or no results: nothing was changed
  std::string split;  // a key with two roots; nothing was changed
};
/// Adds the rows of the file `from` to `into`.
Merged merge(Results& into, const std::string& from);

}  // namespace sim::host::campaign
