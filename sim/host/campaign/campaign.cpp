// sim/host/campaign/campaign.cpp — see campaign.h.
#include "sim/host/campaign/campaign.h"

#include <algorithm>

#include "replay/ids.h"
#include "sim/host/campaign/refuse.h"
#include "sim/host/campaign/wire.h"
#include "sim/host/planted.h"
#include "sim/model/explore/explorer.h"

namespace sim::host::campaign {
namespace {

constexpr u64 kTellUs = 100'000;
constexpr int kWaitMs = 50;
constexpr u64 kPilotSeed = 0;
constexpr u64 kGuidedBit = u64{1} << 63;  // of job numbers; seeds are below
constexpr u64 kKeepFeaturesUs = 5'000'000;
constexpr u32 kHoldsIndex = 1;  // of the pool's cases
constexpr u32 kFailsIndex = 2;

RunReport run_alone(Pool& pool, const RunSetup& setup) {
  pool.give({.number = 0, .setup = setup});
  for (;;) {
    if (std::optional<Done> done = pool.wait(kWaitMs)) return std::move(done->report);
  }
}

}  // namespace

u64 SeedRange::count() const {
  const u64 all = last - first + 1;
  const u64 before = shard - 1;
  return all <= before ? 0 : (all - before - 1) / shards + 1;
}

CampaignKey Campaign::key() const {
  // The reproduction of a run without its seed and schedule is how the case is named on a command line.
  const std::string seed = " --seed 0";
  std::string scenario = case_.reproduction({.seed = 0});
  if (scenario.starts_with("run ")) scenario.erase(0, 4);
  if (const auto at = scenario.find(seed); at != std::string::npos) scenario.erase(at, seed.size());
  std::string options = "sched=" + options_.sched + " until=" + std::to_string(options_.until) +
                        " events-max=" + std::to_string(options_.events_max);
  if (options_.blind) options += kBlindOption;
  if (!options_.checks.empty()) options += std::string(kChecksOption) + options_.checks;
  return {.model = model_text(),
          .plan = case_.plan_id(),
          .scenario = scenario,
          .options = options,
          .build = replay::hex(replay::build_id())};
}

RunSetup Campaign::setup_of(u64 seed) const {
  RunSetup setup{.seed = seed, .checks = options_.checks, .until = options_.until, .events_max = options_.events_max};
  setup.blind = options_.blind;
  setup.keep_features = options_.guided;
  setup.keep_lists = options_.guided;
  StrategyConfig config;
  if (options_.sched.empty() || !parse_strategy(options_.sched, config).empty()) return setup;
  config.strategy = Explorer::in_force(config, seed);
  if ((config.strategy == Strategy::Pct || config.strategy == Strategy::Few) && config.steps == 0) {
    config.steps = steps_;
  }
  setup.sched = text_of(config);
  return setup;
}

/// At most two runs for the whole campaign, the same in every shard: one shows whether anything is looked at, one counts steps in
/// place of a run before each of pct and few. Empty, or why the campaign is refused.
std::string Campaign::make_pilots(Pool& pool) {
  RunSetup setup = setup_of(kPilotSeed);
  setup.sched = name_of(Strategy::Fair);
  if (options_.must_look) {
    if (std::string wrong = refusal(run_alone(pool, setup)); !wrong.empty()) {
      is_unwatched_ = true;
      return case_.name() + ": " + wrong;
    }
  }
  StrategyConfig config;
  if (!parse_strategy(options_.sched, config).empty() || config.steps != 0) return {};
  const bool counts = config.strategy == Strategy::Pct || config.strategy == Strategy::Few ||
                      (config.strategy == Strategy::Mix && (config.weights[static_cast<u32>(Strategy::Pct)] |
                                                            config.weights[static_cast<u32>(Strategy::Few)]) != 0);
  if (!counts) return {};
  setup.sched = name_of(Strategy::Pct);
  StrategyConfig counted;
  if (parse_strategy(run_alone(pool, setup).strategy, counted).empty()) steps_ = counted.steps;
  return {};
}

/// A run of the corpus, or one made from it; false when a uniform one is due.
bool Campaign::feed_guided(Pool& pool) {
  if (!guide_) return false;
  RunSetup setup = setup_of(0);
  std::string arm = "corpus";
  if (!first_.empty()) {
    setup.seed = first_.back().seed;
    setup.overrides = first_.back().overrides;
    first_.pop_back();
  } else if (fed_ % kGuidedOf == 0 || !guide_->propose(setup, arm)) {
    return false;
  }
  setup.sched.clear();
  fed_ += 1;
  const u64 number = kGuidedBit | fed_;
  arms_[number] = arm;
  pool.give({.number = number, .setup = std::move(setup)});
  return true;
}

void Campaign::learn(const Done& done, bool is_uniform) {
  if (!guide_) return;
  guide_->learn(done, is_uniform);
  progress_.features = guide_->features().size();
  feature_totals_.push_back(progress_.features);
  const u64 count = feature_totals_.size();
  progress_.features_fresh = progress_.features - (count > kFreshRuns ? feature_totals_[count - 1 - kFreshRuns] : 0);
}

void Campaign::keep_features(Results& results, bool now) {
  if (!guide_ || (!now && now_us() - features_kept_us_ < kKeepFeaturesUs)) return;
  features_kept_us_ = now_us();
  const std::string shard = std::to_string(options_.seeds.shard) + "/" + std::to_string(options_.seeds.shards);
  for (const u32 feature : guide_->take_changed()) {
    const FeatureCount& count = guide_->features().at(feature);
    results.set_feature(shard, feature, count.first_seed, count.uniform);
  }
}

/// Gives the next seed to the pool; false when there is none.
bool Campaign::feed(Pool& pool, const std::set<u64>& done) {
  if (feed_guided(pool)) return true;
  const u64 count = options_.seeds.count();
  while (next_ < count) {
    const u64 seed = options_.seeds.first + options_.seeds.shard - 1 + next_ * options_.seeds.shards;
    next_ += 1;
    if (done.contains(seed)) {
      progress_.skipped += 1;
      continue;
    }
    fed_ += 1;
    pool.give({.number = seed, .setup = setup_of(seed)});
    if (has_canary(seed) && canaries_.are_there()) {
      pool.give({.number = seed, .which = canary_fails(seed) ? kFailsIndex : kHoldsIndex, .setup = setup_of(seed)});
    }
    return true;
  }
  return false;
}

bool Campaign::is_over() const {
  if (stopped_ || progress_.wrong_canaries > 0 || progress_.clusters.size() >= options_.clusters_max) return true;
  if (options_.until_failure && progress_.failures > 0) return true;
  return options_.time_ms != 0 && now_us() - started_us_ >= options_.time_ms * 1000;
}

void Campaign::tell(const Found* new_cluster) {
  progress_.elapsed_us = now_us() - started_us_;
  if (new_cluster == nullptr && progress_.elapsed_us - told_us_ < kTellUs) return;
  told_us_ = progress_.elapsed_us;
  if (on_progress && !on_progress(progress_, new_cluster)) stopped_ = true;
}

void Campaign::take_canary(Done done, Results& results) {
  const bool should_fail = done.job.which == kFailsIndex;
  done.job.setup.overrides = "canary";  // beside the seed's own run
  results.add(done, should_fail ? kCanaryFails : kCanaryHolds);
  progress_.canaries += 1;
  const Verdict expected = should_fail ? Verdict::Failed : Verdict::Held;
  if (done.report.verdict != expected) progress_.wrong_canaries += 1;
}

/// The first run of each cluster that has not been through this, the most frequent cluster first. What needs faults leaves
/// its cluster with the runs that had these; the others of it are looked at again.
void Campaign::minimise_clusters(Pool& pool, Results& results) {
  std::set<std::pair<std::string, std::pair<u64, std::string>>> tried;
  while (!stopped_) {
    const auto all = results.not_minimised();
    const auto next = std::find_if(all.begin(), all.end(), [&](const auto& one) {
      return tried.insert({one.first, {one.second.seed, one.second.overrides}}).second;
    });
    if (next == all.end()) return;
    const auto& [cluster, failing] = *next;
    RunSetup setup = setup_of(failing.seed);
    if (!failing.overrides.empty()) {
      setup.sched.clear();
      setup.overrides = failing.overrides;
    }
    Minimiser minimiser(pool, 0, options_.minimise_options);
    if (!options_.recordings.empty()) {
      minimiser.name_recording = [this](const Finding& finding) {
        return options_.recordings + "/" + recording_name(finding);
      };
    }
    minimiser.on_progress = [this](u64, const ItemCounts&) {
      tell(nullptr);
      return !stopped_;
    };
    const Minimal minimal = minimiser.minimise(setup);
    if (minimal.error.empty()) {
      const std::string split = results.split(cluster, failing, minimal.fault_classes);
      results.set_minimal(split, minimal.overrides, minimal.is_minimal ? "minimal" : "budget-spent");
    }
    if (minimal.is_split) progress_.splits += 1;
    if (on_minimal) on_minimal(cluster, minimal);
  }
}

void Campaign::take(Done done, Results& results) {
  if (done.job.which != 0) return take_canary(std::move(done), results);
  std::string arm(kUniform);
  if (const auto guided = arms_.find(done.job.number); guided != arms_.end()) {
    arm = guided->second;
    arms_.erase(guided);
  }
  results.add(done, arm);
  learn(done, arm == kUniform);
  progress_.runs += 1;
  progress_.virtual_ns += done.report.virtual_ns;
  if (done.report.verdict == Verdict::Limit) progress_.limits += 1;
  if (!is_failure(done.report.verdict) || !done.report.finding) return;
  progress_.failures += 1;
  const auto [found, is_new] = progress_.clusters.try_emplace(cluster_id(*done.report.finding));
  found->second.runs += 1;
  if (!is_new) return;
  found->second.finding = *done.report.finding;
  found->second.verdict = done.report.verdict;
  found->second.first = done.job.setup;
  tell(&found->second);
}

std::string Campaign::run(const std::string& path) {
  std::vector<Case*> cases = {&case_};
  if (canaries_.are_there()) cases.insert(cases.end(), {canaries_.holds, canaries_.fails});
  Pool pool(std::move(cases), options_.jobs, options_.limits);
  started_us_ = now_us();
  if (std::string wrong = make_pilots(pool); !wrong.empty()) return wrong;
  Results results(path);
  if (std::string wrong = results.begin(key()); !wrong.empty()) return wrong;
  const std::set<u64> done = results.seeds_done();
  if (options_.guided) {
    guide_.emplace(options_.seeds.first, options_.corpus);
    first_ = guide_->load();
    results.each_feature([this](u32 feature, u64 first_seed, u64 runs) {
      guide_->restore(feature, {first_seed, runs, runs});
    });
    features_kept_us_ = now_us();
  }
  bool has_more = true;
  for (;;) {
    while (has_more && !is_over() && pool.has_room()) has_more = feed(pool, done);
    progress_.left = options_.seeds.count() - next_ + pool.pending();
    // When time is up, what runs is dropped: it may be long, and it is run again when the campaign goes on.
    if (pool.pending() == 0 || is_over()) break;
    if (std::optional<Done> one = pool.wait(kWaitMs)) take(std::move(*one), results);
    keep_features(results, false);
    results.tick();
    tell(nullptr);
  }
  keep_features(results, true);
  results.commit();
  tell(nullptr);
  if (options_.minimise && !stopped_ && progress_.wrong_canaries == 0) {
    while (pool.pending() > 0) pool.wait(kWaitMs);
    minimise_clusters(pool, results);
  }
  if (on_results) on_results(results.database());
  return {};
}

}  // namespace sim::host::campaign
