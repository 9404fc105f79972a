// Guided campaigns: what went somewhere new is kept and built upon, uniform runs stay a sample.
#include <catch2/catch.hpp>

#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/prng.h"
#include "sim/host/campaign/campaign.h"
#include "sim/host/campaign/summary.h"

using namespace sim::host;
using namespace sim::host::campaign;

namespace {

constexpr u64 kPoints = 2000;
constexpr u64 kMade = 20;  // choices of a run under its strategy

/// Fails where three certain choices are made otherwise, and shows a feature for each of them: with 20 of 2000 choices a
/// uniform run has all three once in a million.
class Treasure final : public Case {
 public:
  std::string name() const override { return "treasure"; }
  std::string plan_id() const override { return std::string(64, '4'); }
  std::string reproduction(const RunSetup&) const override { return "run treasure --seed 0"; }
  RunReport run(const RunSetup& setup) override {
    RunReport report;
    Schedule schedule;
    if (!setup.overrides.empty() && !parse_schedule(setup.overrides, schedule).empty()) {
      report.verdict = Verdict::Broken;  // the guide wrote what cannot be read
      report.finding = Finding{.property = "overrides", .kind = "setup"};
      return report;
    }
    std::vector<ForcedChoice> choices = schedule.forced;
    if (setup.overrides.empty() || schedule.first.strategy != sim::Strategy::Fair || schedule.then) {
      base::Prng prng(setup.seed, "test.treasure", choices.size());
      for (u64 i = 0; i < kMade; ++i) choices.push_back({sim::ChoiceKind::Tie, "world", prng.below(kPoints), 1});
    }
    u32 found = 0;
    for (const u64 wanted : {u64{11}, u64{700}, u64{1900}}) {
      const bool is_there = std::any_of(choices.begin(), choices.end(),
                                        [wanted](const ForcedChoice& choice) { return choice.ordinal == wanted; });
      if (is_there) report.features.push_back(static_cast<u32>(wanted));
      found += is_there ? 1 : 0;
    }
    if (found == 2) report.features.push_back(4000 + report.features[0] + report.features[1]);
    std::sort(report.features.begin(), report.features.end());
    report.root = {setup.seed, choices.size()};
    if (setup.keep_lists) report.choices = choices;
    if (found == 3) {
      report.verdict = Verdict::Failed;
      report.finding = Finding{.property = "treasure", .kind = "never"};
    }
    return report;
  }
};

struct Folder {
  std::string path = "/tmp/orrery-guide-test-" + std::to_string(getpid());
  Folder() { std::filesystem::remove_all(path); }
  ~Folder() { std::filesystem::remove_all(path); }
};

CampaignSummary run(CampaignOptions options) {
  Treasure treasure;
  Campaign campaign(treasure, {}, options);
  CampaignSummary summary;
  campaign.on_results = [&](Database& database) { summary = summarize(database).at(0); };
  REQUIRE(campaign.run(":memory:") == "");
  return summary;
}

}  // namespace

TEST_CASE("a guided campaign finds what uniform runs do not, and one run in four stays uniform", "[campaign][guide]") {
  const Folder folder;
  CampaignOptions options;
  options.seeds = {.first = 1, .last = 200};
  options.jobs = 1;  // then the order in which runs come back is one
  options.sched = "random";
  CHECK(run(options).failures() == 0);
  options.guided = true;
  options.corpus = folder.path;
  const CampaignSummary guided = run(options);
  REQUIRE(guided.clusters.size() == 1);
  CHECK(guided.clusters[0].property == "treasure");
  CHECK(guided.uniform_runs == 200);
  CHECK(guided.runs > 600);
  CHECK(guided.uniform_failures == 0);  // and only uniform runs are a sample
  CHECK(guided.features >= 6);
  // The corpus is kept, and the next campaign begins with it: other seeds, few of them, and it is there at once.
  REQUIRE_FALSE(std::filesystem::is_empty(folder.path));
  options.seeds = {.first = 5000, .last = 5004};
  CHECK(run(options).failures() > 0);
}

TEST_CASE("dice of a guide are its own and the same each time", "[campaign][guide]") {
  Dice one(7);
  Dice two(7);
  Dice other(8);
  u64 equal = 0;
  for (u32 i = 0; i < 100; ++i) {
    const u64 value = one.next();
    CHECK(value == two.next());
    equal += value == other.next() ? 1 : 0;
  }
  CHECK(equal == 0);
}
