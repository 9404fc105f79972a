// sim/host/campaign/summary.h — what a results file says, read once, for reports as text, JSON, JUnit and HTML.
#pragma once
#include <map>
#include <optional>

#include "sim/host/campaign/results.h"

namespace sim::host::campaign {

struct Minimal;

struct ClusterSummary {
  std::string id;
  std::string property;
  std::string kind;
  std::string role;
  std::string signature;
  std::string state;         // found, minimal, budget-spent
  std::string minimal;       // text of an overrides file that still fails; empty: not minimised
  std::string verdict;       // of the first run
  std::string reproduction;  // a command line
  u64 first_seed = 0;
  u64 runs = 0;
  u64 events = 0;  // of the first run
  u64 virtual_ns = 0;
};

struct CoverageRow {
  std::string form;
  std::string name;
  u64 hits = 0;
  u64 seeds = 0;  // with a hit
  u64 first_seed = 0;
  i64 low = 0;
  i64 high = 0;
};

struct StrategyRow {
  std::string name;  // without knobs
  u64 runs = 0;
  u64 failures = 0;
  u64 clusters = 0;
  u64 events = 0;
  u64 wall_us = 0;
};

struct FaultRow {
  std::string fault_class;
  u64 runs = 0;
  u64 fired = 0;
  u64 withheld = 0;
  u64 lessened = 0;
};

/// A stretch of seeds of about equal length.
struct SeedBand {
  u64 first_seed = 0;
  u64 last_seed = 0;
  u64 runs = 0;
  u64 failures = 0;
  u64 limits = 0;
};

struct CampaignSummary {
  std::string id;
  std::string model;
  std::string plan;
  std::string scenario;
  std::string options;
  std::string build;
  u64 runs = 0;
  u64 uniform_runs = 0;
  u64 uniform_failures = 0;
  u64 canaries = 0;
  u64 features = 0;        // of guided campaigns
  u64 wrong_canaries = 0;  // that came out otherwise than their seed says: the campaign is void
  std::map<std::string, u64> verdicts;
  u64 virtual_ns = 0;
  u64 events = 0;
  u64 wall_us = 0;  // sum of all runs, however many at a time
  u64 first_seed = 0;
  u64 last_seed = 0;
  std::vector<ClusterSummary> clusters;  // most frequent first
  std::vector<CoverageRow> coverage;     // never hit first
  std::vector<StrategyRow> strategies;   // most runs first
  std::vector<FaultRow> faults;
  std::vector<SeedBand> bands;
  std::vector<std::string> statements;  // statistics, one sentence each

  u64 failures() const;
  /// Forms of which `sometimes`: how many were hit, of how many declared.
  u64 declared(std::string_view form) const;
  u64 hit(std::string_view form) const;
};

/// All campaigns of a file, or those with `id`.
std::vector<CampaignSummary> summarize(Database& database, const std::string& id = {});

/// The command line that repeats one run of a campaign named `scenario`, with the planted bug that was active.
std::string reproduction_of(const std::string& scenario, const RunSetup& setup, const std::string& bug = {});

/// What an overrides file says beside its head: lines that a failure needs, and how many only take something away.
struct Needed {
  std::vector<std::string> lines;
  u64 spared = 0;
};
Needed needed_of(const std::string& overrides);
/// What is left of a cluster's first run after minimising, for people; several lines.
std::string minimal_text(const ClusterSummary& cluster);

/// `shrunk 5 failures: median 0 faults, 2 choices, 83 % fewer operations, 3.210 s`; empty where none was shrunk.
std::string medians_text(const std::vector<Minimal>& all);

/// Exit code of a finished campaign: what is worst in it. A `sometimes` without a hit counts from 1000 runs on.
int exit_code(const CampaignSummary& summary);
constexpr u64 kRunsForCoverage = 1000;

std::string text_of(const CampaignSummary& summary);
/// One document, schema orrery.campaign/1, keys sorted.
std::string json_of(const std::vector<CampaignSummary>& summaries);
std::string junit_of(const std::vector<CampaignSummary>& summaries);

/// One page that needs nothing else: styles and pictures are inside, nothing is loaded.
std::string html_of(const std::vector<CampaignSummary>& summaries);
std::string escaped(std::string_view text);  // for HTML and XML

/// "2 d 21 h", "31.204 s": a length of time for people.
std::string length_of(u64 ns);
/// 14 200
std::string grouped(u64 number);

}  // namespace sim::host::campaign
