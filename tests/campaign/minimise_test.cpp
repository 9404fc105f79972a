// The minimiser: a made-up case whose failure needs known items, and scripts of the small guest.
#include <catch2/catch.hpp>

#include <algorithm>
#include <set>

#include "base/prng.h"
#include "sim/host/campaign/campaign.h"
#include "sim/host/campaign/summary.h"
#include "sim/host/machine.h"
#include "sim/host/script_lines.h"
#include "tests/sim/cli_lab.h"

using namespace cli_lab;
using namespace sim::host;
using namespace sim::host::campaign;

namespace {

/// Fails while all of what the seed draws as needed is there: choices, faults and operations.
class Puzzle final : public Case {
 public:
  static constexpr u64 kChoices = 300;
  static constexpr u64 kFaults = 40;
  static constexpr u64 kOperations = 60;
  static constexpr u64 kDelayNeeded = 5000;

  std::string name() const override { return "puzzle"; }
  std::string plan_id() const override { return std::string(64, '1'); }
  std::string reproduction(const RunSetup&) const override { return "run puzzle --seed 0"; }

  struct Needs {
    std::set<u64> choices;
    std::set<u64> faults;
    std::set<u64> operations;
  };
  static Needs needs(u64 seed) {
    base::Prng prng(seed, "test.puzzle", 0);
    Needs needs;
    for (u64 i = 0; i < 1 + seed % 3; ++i) needs.choices.insert(prng.next() % kChoices);
    for (u64 i = 0; i < seed % 4; ++i) needs.faults.insert(prng.next() % kFaults);
    for (u64 i = 0; i < 1 + seed % 5; ++i) needs.operations.insert(prng.next() % kOperations);
    return needs;
  }
  static FiredFault fault(u64 i) { return {"net.class" + std::to_string(i % 4), "lan", i, i, ""}; }
  static std::string operation(u64 i) { return "client a/1 @" + std::to_string(i); }

  RunReport run(const RunSetup& setup) override {
    RunReport report;
    std::set<u64> choices;
    std::set<std::string> lines;
    if (setup.overrides.empty()) {  // under its strategy, which makes all choices
      for (u64 i = 0; i < kChoices; ++i) choices.insert(i);
    }
    std::string_view rest = setup.overrides;
    while (!rest.empty()) {
      const auto end = std::min(rest.find('\n'), rest.size());
      Schedule schedule;
      const std::string line(rest.substr(0, end));
      if (parse_choice(line, schedule).empty() && !schedule.forced.empty() &&
          schedule.forced[0].answer >= kDelayNeeded) {
        choices.insert(schedule.forced[0].ordinal);
      }
      lines.insert(line);
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    bool fails = true;
    const Needs needed = needs(setup.seed);
    for (const u64 i : needed.choices) fails = fails && choices.contains(i);
    for (const u64 i : needed.faults) fails = fails && !lines.contains(spare(fault(i)));
    for (const u64 i : needed.operations) fails = fails && !lines.contains(operation(i) + " spare");
    report.root = {choices.size(), lines.size()};
    for (u64 i = 0; i < 4; ++i) report.faults.push_back({fault(i).fault_class, "lan", kFaults / 4, 0, 0});
    if (setup.keep_lists) {
      for (u64 i = 0; i < kChoices; ++i) report.choices.push_back({sim::ChoiceKind::Delay, "1/a.1", i, 40'000});
      for (u64 i = 0; i < kFaults; ++i) report.fired.push_back(fault(i));
      for (u64 i = 0; i < kOperations; ++i) report.operations.push_back(operation(i));
    }
    report.verdict = fails ? Verdict::Failed : Verdict::Held;
    if (fails) report.finding = Finding{.property = "puzzle", .kind = "always", .role = "a"};
    return report;
  }

 private:
  static std::string spare(const FiredFault& fault) {
    return "fault " + fault.fault_class + " " + fault.target + " @" + std::to_string(fault.opportunity) + " spare";
  }
};

/// Fails in one way with six causes: in seed s, when the fault of class s mod 6 is not spared. One more class strikes always.
class Fleet final : public Case {
 public:
  static constexpr u64 kCauses = 6;
  std::string name() const override { return "fleet"; }
  std::string plan_id() const override { return std::string(64, '6'); }
  std::string reproduction(const RunSetup&) const override { return "run fleet --seed 0"; }
  RunReport run(const RunSetup& setup) override {
    RunReport report;
    const std::string cause = "cause." + std::to_string(setup.seed % kCauses);
    for (const std::string& name : {cause, std::string("noise")}) {
      if (setup.overrides.find("fault " + name + " lan @0 spare") != std::string::npos) continue;
      report.faults.push_back({name, "lan", 1, 0, 0});
      if (setup.keep_lists) report.fired.push_back({name, "lan", 0, 0, ""});
      if (name == cause) report.verdict = Verdict::Failed;
    }
    report.root = {setup.seed, report.faults.size()};
    if (report.verdict == Verdict::Failed) report.finding = Finding{.property = "afloat", .kind = "always"};
    return report;
  }
};

/// Ends its process at 5 ns, unless its third operation is spared.
class Mute final : public Case {
 public:
  std::string name() const override { return "mute"; }
  std::string plan_id() const override { return std::string(64, '3'); }
  std::string reproduction(const RunSetup&) const override { return "run mute --seed 0"; }
  RunReport run(const RunSetup& setup) override {
    constexpr std::string_view kWords =
        "orrery: watchdog: thread a.1 (node 1, id 7) neither charges nor traps; last event #9 at 5 ns\n";
    const bool is_spared = setup.overrides.find("client a/1 @2 spare") != std::string::npos;
    if (setup.until > 5 && !is_spared) {
      if (write(STDERR_FILENO, kWords.data(), kWords.size()) > 0) _exit(kWatchdog);
    }
    RunReport report;
    if (!setup.keep_lists) return report;
    report.choices = {{sim::ChoiceKind::Tie, "world", 1, 2}};
    for (u64 i = 0; i < 7; ++i) report.operations.push_back("client a/1 @" + std::to_string(i));
    return report;
  }
};

/// A case with one outcome.
class Fixed final : public Case {
 public:
  explicit Fixed(Verdict verdict) : verdict_(verdict) {}
  std::string name() const override { return "fixed"; }
  std::string plan_id() const override { return std::string(64, '2'); }
  std::string reproduction(const RunSetup&) const override { return "run fixed --seed 0"; }
  RunReport run(const RunSetup&) override {
    RunReport report;
    report.verdict = verdict_;
    report.root = {runs_++ + 1, 0};
    if (is_failure(verdict_)) report.finding = Finding{.property = "fixed", .kind = "always"};
    return report;
  }

 private:
  Verdict verdict_;
  u64 runs_ = 0;  // each run is in a process of its own: always 0 there
};

}  // namespace

TEST_CASE("what is left of a failing run is exactly what it needs", "[campaign][minimise][property]") {
  Puzzle puzzle;
  Pool pool({&puzzle}, 2, {});
  for (u64 seed = 1; seed <= 6; ++seed) {
    CAPTURE(seed);
    Minimiser minimiser(pool, 0, {.runs_max = 1500, .time_ms = 20'000, .record = {}});
    const Minimal minimal = minimiser.minimise({.seed = seed, .sched = "random"});
    REQUIRE(minimal.error == "");
    CHECK(minimal.is_minimal);
    const Puzzle::Needs needs = Puzzle::needs(seed);
    CHECK(minimal.before.choices == Puzzle::kChoices);
    CHECK(minimal.after.choices == needs.choices.size());
    CHECK(minimal.after.faults == needs.faults.size());
    CHECK(minimal.after.operations == needs.operations.size());
    const Needed lines = needed_of(minimal.overrides);
    CHECK(lines.spared == Puzzle::kFaults + Puzzle::kOperations - needs.faults.size() - needs.operations.size());
    for (const std::string& line : lines.lines) {
      Schedule schedule;
      REQUIRE(parse_choice(line, schedule) == "");
      CHECK(needs.choices.contains(schedule.forced[0].ordinal));
      CHECK(schedule.forced[0].answer == 5000);  // softened as far as it goes
    }
  }
}

TEST_CASE("a spent budget is said, and what it left still fails", "[campaign][minimise]") {
  Puzzle puzzle;
  Pool pool({&puzzle}, 1, {});
  Minimiser minimiser(pool, 0, {.runs_max = 12, .time_ms = 20'000, .record = {}});
  const Minimal minimal = minimiser.minimise({.seed = 3, .sched = "random"});
  REQUIRE(minimal.error == "");
  CHECK_FALSE(minimal.is_minimal);
  CHECK(minimal.runs <= 12 + 3);  // and three to prove the result
  CHECK(puzzle.run({.seed = 3, .overrides = minimal.overrides}).verdict == Verdict::Failed);
}

TEST_CASE("lines of a script are spared by name", "[campaign][minimise]") {
  const std::string script = "one\n\n# remark\ntwo\nthree";
  CHECK(operations_of(script) ==
        std::vector<std::string>{"input console:1 @0", "input console:1 @3", "input console:1 @4"});
  SparedLines spared;
  CHECK(spared.take_all("orrery-overrides 1\ninput  console:1  @3   spare # away\ntie world @1 2\n") ==
        "orrery-overrides 1\n\ntie world @1 2\n");
  CHECK_FALSE(spared.take("input console:1 @x spare"));
  CHECK_FALSE(spared.take("input console:1 @3"));
  CHECK(spared.take("input console:1 @9 spare"));
  std::vector<std::string> unused;
  CHECK(spared.apply(script, unused) == "one\n\n# remark\nthree\n");
  CHECK(unused == std::vector<std::string>{"input console:1 @9 spare"});
}

TEST_CASE("minimise leaves the line of a script that fails, as a recording that replays anywhere",
          "[campaign][minimise][cli][simulation.T68]") {
  const std::string script = script_file("echo a\nwork\necho b\nroll\necho c\n");
  const std::string file = temporary("least.orrery");
  u64 seed = 1;
  while (shell(kOrrery + " run " + script + " --seed " + std::to_string(seed) + " 2>/dev/null").code != 1) ++seed;
  const std::string flags = " --seed " + std::to_string(seed) + " -q --out " + file;
  const Finished finished = shell(kOrrery + " minimise " + script + flags + " 2>&1");
  CHECK(finished.code == 0);
  // The line before it stays: without it the last events are others, and that is another failure.
  CHECK(contains(finished.out, "2 of 5 operations left   1-minimal"));
  CHECK(contains(finished.out, "  script:\n    echo b\n    roll\n  orrery replay "));
  std::remove(script.c_str());
  // The recording needs nothing else: it replays in an empty folder, without any environment.
  const std::string folder = temporary("elsewhere");
  CHECK(shell("mkdir " + folder + " && cp " + file + " " + folder + "/moved.orrery && cd " + folder + " && env -i " +
              kOrrery + " replay moved.orrery >/dev/null 2>&1 && rm moved.orrery && rmdir " + folder)
            .code == 0);
  const Finished again = shell(kOrrery + " minimise " + file + " -q --json --out " + file + ".2 2>/dev/null");
  CHECK(again.code == 0);
  CHECK(contains(again.out, "\"operations\":2}"));
  CHECK(contains(again.out, "\"schema\":\"orrery.minimise/1\""));
  CHECK(shell("cmp " + file + " " + file + ".2").code == 0);
  const std::string fine = script_file("echo a\n");
  const Finished holds = shell(kOrrery + " minimise " + fine + " 2>&1");
  CHECK(holds.code == 11);
  CHECK(contains(holds.out, "does not fail: held"));
  CHECK(shell(kOrrery + " minimise " + fine + " --runs 0 2>&1").code == 2);
  for (const std::string& path : {file, file + ".2", fine}) std::remove(path.c_str());
}

TEST_CASE("a run that died told no lists: those of the moment before are used", "[campaign][minimise]") {
  Mute mute;
  Pool pool({&mute}, 2, {});
  Minimiser minimiser(pool, 0, {});
  const Minimal minimal = minimiser.minimise({.seed = 1, .sched = "random"});
  REQUIRE(minimal.error == "");
  CHECK(minimal.report.verdict == Verdict::Silent);
  CHECK(minimal.is_minimal);
  CHECK(minimal.after.operations == 1);
  CHECK(minimal.after.choices == 0);
}

TEST_CASE("what shrinking left is told as medians", "[campaign][minimise]") {
  CHECK(medians_text({}).empty());
  Minimal refused;
  refused.error = "it holds";
  CHECK(medians_text({refused}).empty());
  std::vector<Minimal> all(3);
  for (u64 i = 0; i < all.size(); ++i) {
    all[i].before.operations = 100;
    all[i].after = {.fault_classes = 1, .faults = i, .operations = 10 * i, .choices = 7 - i};
    all[i].wall_us = 1000 * (i + 1);
  }
  all.push_back(refused);
  CHECK(medians_text(all) == "shrunk 3 failures: median 1 faults, 6 choices, 90 % fewer operations, 0.002 s");
}

TEST_CASE("a campaign whose case declares what is never looked at is refused", "[campaign][refuse]") {
  struct Blind final : Case {
    u64 count = 0;
    std::string name() const override { return "blind"; }
    std::string plan_id() const override { return std::string(64, '5'); }
    std::string reproduction(const RunSetup&) const override { return "run blind --seed 0"; }
    RunReport run(const RunSetup& setup) override {
      RunReport report;
      report.root = {setup.seed, 1};
      report.hits = {{"blind.sees", "always", count}};
      return report;
    }
  };
  CampaignOptions options;
  options.seeds = {.first = 1, .last = 3};
  options.sched = "fair";
  options.must_look = true;
  Blind blind;
  Campaign refused(blind, {}, options);
  CHECK(contains(refused.run(":memory:"), "blind: none of its `always` is reached"));
  CHECK(refused.is_unwatched());
  CHECK(refused.progress().runs == 0);
  blind.count = 1;
  Campaign fine(blind, {}, options);
  CHECK(fine.run(":memory:") == "");
  CHECK(fine.progress().runs == 3);
}

TEST_CASE("a campaign shrinks what it finds, and keeps it with the cluster", "[campaign][minimise]") {
  Puzzle puzzle;
  CampaignOptions options;
  options.seeds = {.first = 1, .last = 3};
  options.jobs = 2;
  options.sched = "random";
  options.minimise = true;
  options.minimise_options.runs_max = 1500;
  Campaign campaign(puzzle, {}, options);
  std::vector<CampaignSummary> summaries;
  campaign.on_results = [&](Database& database) { summaries = summarize(database); };
  REQUIRE(campaign.run(":memory:") == "");
  REQUIRE(summaries.size() == 1);
  REQUIRE(summaries[0].clusters.size() == 1);
  CHECK(summaries[0].clusters[0].state == "minimal");
  CHECK(needed_of(summaries[0].clusters[0].minimal).lines.size() == Puzzle::needs(1).choices.size());
  const std::string html = html_of(summaries);
  CHECK(contains(html, "<b>After shrinking</b>"));
  CHECK(contains(html, "delay 1/a.1 @"));
}

TEST_CASE("one signature with several causes is as many clusters once it is shrunk", "[campaign][minimise]") {
  Fleet fleet;
  CampaignOptions options;
  options.seeds = {.first = 1, .last = 4 * Fleet::kCauses};
  options.jobs = 2;
  options.sched = "fair";
  options.minimise = true;
  Campaign campaign(fleet, {}, options);
  CampaignSummary summary;
  campaign.on_results = [&](Database& database) { summary = summarize(database).at(0); };
  REQUIRE(campaign.run(":memory:") == "");
  CHECK(campaign.progress().clusters.size() == 1);
  REQUIRE(summary.clusters.size() == Fleet::kCauses);
  for (const ClusterSummary& cluster : summary.clusters) {
    CHECK(cluster.runs == 4);
    CHECK(cluster.state == "minimal");
    CHECK(cluster.signature.ends_with(" | faults cause." + std::to_string(cluster.first_seed % Fleet::kCauses)));
  }
}

TEST_CASE("a canary that comes out otherwise than its seed says voids the campaign", "[campaign][simulation.T65]") {
  Fixed good(Verdict::Held);
  Fixed bad(Verdict::Failed);
  const auto run = [&](Case* holds, Case* fails) {
    CampaignOptions options;
    options.seeds = {.first = 1, .last = 130};
    options.sched = "fair";
    Campaign campaign(good, {holds, fails}, options);
    CampaignSummary summary;
    campaign.on_results = [&](Database& database) { summary = summarize(database).at(0); };
    CHECK(campaign.run(":memory:") == "");
    return summary;
  };
  const CampaignSummary sound = run(&good, &bad);
  CHECK(sound.runs == 130);
  CHECK(sound.canaries == 3);
  CHECK(sound.failures() == 0);
  CHECK(sound.clusters.empty());
  CHECK(exit_code(sound) == 0);
  for (const auto& [holds, fails] : {std::pair<Case*, Case*>{&good, &good}, {&bad, &bad}}) {
    const CampaignSummary wrong = run(holds, fails);
    CHECK(wrong.wrong_canaries == 1);
    CHECK(wrong.runs < 130);  // it ended there
    CHECK(exit_code(wrong) == 9);
    CHECK(contains(text_of(wrong), "VOID"));
    CHECK(contains(html_of({wrong}), "Void."));
  }
}
