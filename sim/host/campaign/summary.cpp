// sim/host/campaign/summary.cpp — reading a results file.
#include "sim/host/campaign/summary.h"

#include <algorithm>
#include <set>

#include "sim/host/campaign/statistics.h"
#include "sim/host/machine.h"
#include "sim/host/planted.h"
#include "sim/host/text.h"

namespace sim::host::campaign {
namespace {

constexpr u64 kBands = 60;

const std::set<std::string> kFailures = {"failed", "liveness-failed", "broken", "silent", "stalled"};

std::string family_of(const std::string& strategy) {
  return strategy.empty() ? "none" : strategy.substr(0, strategy.find(':'));
}

void read_runs(Database& database, CampaignSummary& summary) {
  std::map<std::string, StrategyRow> strategies;
  std::map<std::string, std::set<std::string>> clusters;
  std::map<std::string, u64> uniform;  // runs of each cluster among those that were chosen by seed alone
  Statement extremes(database, "SELECT min(seed), max(seed) FROM run WHERE campaign = ?");
  extremes.bind(summary.id);
  if (extremes.step()) {
    summary.first_seed = extremes.number(0);
    summary.last_seed = extremes.number(1);
  }
  const u64 width = (summary.last_seed - summary.first_seed) / kBands + 1;
  Statement runs(
      database,
      "SELECT seed, arm, verdict, events, virtual_ns, wall_us, strategy, cluster FROM run WHERE campaign = ?");
  runs.bind(summary.id);
  while (runs.step()) {
    const u64 seed = runs.number(0);
    const std::string verdict = runs.text(2);
    const std::string arm = runs.text(1);
    const bool failed = kFailures.contains(verdict);
    if (arm == kCanaryHolds || arm == kCanaryFails) {
      summary.canaries += 1;
      if (verdict != (arm == kCanaryHolds ? "held" : "failed")) summary.wrong_canaries += 1;
      continue;
    }
    summary.runs += 1;
    if (arm == kUniform) {
      summary.uniform_runs += 1;
      summary.uniform_failures += failed ? 1 : 0;
      if (failed) uniform[runs.text(7)] += 1;
    }
    summary.verdicts[verdict] += 1;
    summary.events += runs.number(3);
    summary.virtual_ns += runs.number(4);
    summary.wall_us += runs.number(5);
    const std::string family = family_of(runs.text(6));
    StrategyRow& strategy = strategies[family];
    strategy.name = family;
    strategy.runs += 1;
    strategy.failures += failed ? 1 : 0;
    strategy.events += runs.number(3);
    strategy.wall_us += runs.number(5);
    if (failed) clusters[family].insert(runs.text(7));
    const u64 band = (seed - summary.first_seed) / width;
    while (summary.bands.size() <= band) {
      const u64 first = summary.first_seed + summary.bands.size() * width;
      summary.bands.push_back({first, std::min(first + width - 1, summary.last_seed), 0, 0, 0});
    }
    summary.bands[band].runs += 1;
    summary.bands[band].failures += failed ? 1 : 0;
    summary.bands[band].limits += verdict == "limit" ? 1 : 0;
  }
  Seen kinds{.runs = summary.uniform_runs};
  for (const auto& [cluster, count] : uniform) kinds.add(count);
  summary.statements = statements_about(kinds, summary.uniform_failures, "failure");
  for (auto& [family, row] : strategies) {
    row.clusters = clusters[family].size();
    summary.strategies.push_back(row);
  }
  std::stable_sort(summary.strategies.begin(), summary.strategies.end(),
                   [](const StrategyRow& left, const StrategyRow& right) { return left.runs > right.runs; });
}

void read_features(Database& database, CampaignSummary& summary) {
  Statement features(
      database,
      "SELECT runs, count(*) FROM (SELECT sum(runs) runs FROM feature WHERE campaign = ? GROUP BY feature) "
      "GROUP BY runs");
  features.bind(summary.id);
  Seen seen{.runs = summary.uniform_runs, .has_many_a_run = true};
  while (features.step()) {
    const u64 runs = features.number(0);
    const u64 kinds = features.number(1);
    summary.features += kinds;
    if (runs == 0) continue;  // only guided runs showed them
    seen.kinds += kinds;
    if (runs == 1) seen.once = kinds;
    if (runs == 2) seen.twice = kinds;
  }
  if (seen.kinds == 0) return;
  for (std::string& statement : statements_about(seen, 0, "behaviour")) {
    summary.statements.push_back(std::move(statement));
  }
}

void read_clusters(Database& database, CampaignSummary& summary) {
  Statement clusters(database,
                     "SELECT cluster.id, property, kind, role, signature, state, coalesce(minimal, ''), count(*) "
                     "FROM run JOIN cluster ON run.cluster = cluster.id WHERE campaign = ? GROUP BY cluster.id "
                     "ORDER BY count(*) DESC, cluster.id");
  clusters.bind(summary.id);
  // The first seed of a cluster may be of another campaign in the file: its run here is looked up.
  Statement first(
      database,
      "SELECT seed, overrides, verdict, events, virtual_ns, strategy FROM run WHERE campaign = ? AND cluster "
      "= ? ORDER BY overrides <> '', seed LIMIT 1");
  const auto at = summary.options.find(kChecksOption);
  const std::string checks = at == std::string::npos ? "" : summary.options.substr(at + kChecksOption.size());
  const bool blind = std::string_view(summary.options).substr(0, at).ends_with(kBlindOption);
  while (clusters.step()) {
    ClusterSummary cluster{.id = clusters.text(0),
                           .property = clusters.text(1),
                           .kind = clusters.text(2),
                           .role = clusters.text(3),
                           .signature = clusters.text(4),
                           .state = clusters.text(5),
                           .minimal = clusters.text(6),
                           .verdict = {},
                           .reproduction = {},
                           .runs = clusters.number(7)};
    first.bind_all(summary.id, cluster.id);
    if (first.step()) {
      cluster.first_seed = first.number(0);
      cluster.verdict = first.text(2);
      cluster.events = first.number(3);
      cluster.virtual_ns = first.number(4);
      cluster.reproduction = reproduction_of(summary.scenario,
                                             {.seed = cluster.first_seed,
                                              .sched = first.text(5),
                                              .overrides = first.text(1),
                                              .checks = checks,
                                              .blind = blind},
                                             bug_of(summary.model));
    }
    first.reset();
    summary.clusters.push_back(std::move(cluster));
  }
}

void read_coverage(Database& database, CampaignSummary& summary) {
  Statement names(
      database,
      "SELECT name, sum(count), sum(count > 0), min(CASE WHEN count > 0 THEN seed END), min(low), max(high) "
      "FROM hit WHERE campaign = ? GROUP BY name ORDER BY sum(count), name");
  names.bind(summary.id);
  while (names.step()) {
    const std::string name = names.text(0);
    const auto blank = std::min(name.find(' '), name.size());
    summary.coverage.push_back({name.substr(0, blank), name.substr(std::min(blank + 1, name.size())), names.number(1),
                                names.number(2), names.number(3), names.signed_number(4), names.signed_number(5)});
  }
  Statement faults(database,
                   "SELECT class, count(DISTINCT seed), sum(fired), sum(withheld), sum(lessened) FROM fault WHERE "
                   "campaign = ? GROUP BY class ORDER BY sum(fired) DESC, class");
  faults.bind(summary.id);
  while (faults.step()) {
    summary.faults.push_back({faults.text(0), faults.number(1), faults.number(2), faults.number(3), faults.number(4)});
  }
}

}  // namespace

u64 CampaignSummary::failures() const {
  u64 count = 0;
  for (const auto& [verdict, runs_with] : verdicts) count += kFailures.contains(verdict) ? runs_with : 0;
  return count;
}

u64 CampaignSummary::declared(std::string_view form) const {
  return static_cast<u64>(
      std::count_if(coverage.begin(), coverage.end(), [&](const CoverageRow& row) { return row.form == form; }));
}

u64 CampaignSummary::hit(std::string_view form) const {
  return static_cast<u64>(std::count_if(coverage.begin(), coverage.end(),
                                        [&](const CoverageRow& row) { return row.form == form && row.hits > 0; }));
}

std::string reproduction_of(const std::string& scenario, const RunSetup& setup, const std::string& bug) {
  std::string line = (bug.empty() ? "" : "ORRERY_BUG=" + bug + " ") + "orrery run " + scenario + " --seed " +
                     std::to_string(setup.seed) + schedule_flags(setup);
  if (!setup.checks.empty()) line += " --checks " + quote(setup.checks);
  return line;
}

std::vector<CampaignSummary> summarize(Database& database, const std::string& id) {
  std::vector<CampaignSummary> summaries;
  Statement campaigns(
      database,
      "SELECT id, model, plan, scenario, options, build FROM campaign WHERE ?1 = '' OR id = ?1 ORDER BY "
      "scenario, id");
  campaigns.bind(id);
  while (campaigns.step()) {
    CampaignSummary summary;
    summary.id = campaigns.text(0);
    summary.model = campaigns.text(1);
    summary.plan = campaigns.text(2);
    summary.scenario = campaigns.text(3);
    summary.options = campaigns.text(4);
    summary.build = campaigns.text(5);
    read_runs(database, summary);
    read_features(database, summary);
    read_clusters(database, summary);
    read_coverage(database, summary);
    summaries.push_back(std::move(summary));
  }
  return summaries;
}

int exit_code(const CampaignSummary& summary) {
  if (summary.wrong_canaries > 0) return kBelowBar;
  const auto has = [&](const char* verdict) { return summary.verdicts.contains(verdict); };
  if (has("broken")) return kOwnFailure;
  if (has("failed") || has("silent") || has("stalled")) return kPropertyFailed;
  if (has("liveness-failed")) return kLivenessFailed;
  if (summary.runs >= kRunsForCoverage && summary.hit("sometimes") < summary.declared("sometimes")) return kBelowBar;
  return has("limit") ? kLimit : kHeld;
}

}  // namespace sim::host::campaign
