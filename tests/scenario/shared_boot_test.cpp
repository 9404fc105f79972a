// tests/scenario/shared_boot_test.cpp — one boot for many runs: a fork of a booted process, the whole run in one process and
// the replay of its recording are one run.
#include <catch2/catch.hpp>

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "sim/host/campaign/isolate.h"
#include "sim/host/scenario/recorded.h"
#include "user/image.h"
#include "user/native.h"

using namespace sim::host;
using scenario::ScenarioCase;

namespace {

const std::string kImage(base::text_of(user::boot_image()));

ScenarioCase case_of(const std::string& text) {
  const std::string path = "/tmp/orrery-shared-" + std::to_string(getpid()) + ".lua";
  std::ofstream(path) << text;
  ScenarioCase made(path, user::native_entries(), kImage);
  std::remove(path.c_str());
  for (const std::string& mistake : made.mistakes()) UNSCOPED_INFO(mistake);
  REQUIRE(made.mistakes().empty());
  return made;
}

const std::string kText = R"(
  local s = scenario("shared", { lasts = "100ms", warmup = "200ms", shared_boot = true })
  local a = s:node("a", { cores = range(1, 3), clock = { drift = range(-300, 300) } })
  s:link("lan", { joins = { a, s:node("b") }, jitter = "50us" })
  s:faults { allow = { "process.kill", "cpu.*", "timer.*" }, intensity = 3 }
  s:client("c", a, function(me)
    while me:running() do
      me:write("/home/f" .. me:below(3), me:unique() .. math.random(100))
      me:sleep(range("1ms", "9ms"))
    end
  end, { count = 2 })
  s:at(range("10ms", "50ms"), function(w) w:note("at " .. w:now()) end)
  s:always("no-third", function(w) return w:seed() % 8 ~= 3 or w:phase() == "warmup", "seed " .. w:seed() end)
)";

std::string text_of(const RunReport& report) {
  std::string text = sim::host::text_of(report.root) + " " + std::string(name_of(report.verdict)) + " " +
                     std::to_string(report.events) + " " + std::to_string(report.virtual_ns) + " " + report.strategy +
                     " " + report.drawn;
  if (report.finding) text += " " + report.finding->property + " #" + std::to_string(report.finding->moment);
  for (const Hit& hit : report.hits) text += " " + hit.name + "=" + std::to_string(hit.count);
  for (const FaultTally& tally : report.faults) text += " " + tally.fault_class + "=" + std::to_string(tally.fired);
  return text;
}

}  // namespace

TEST_CASE("a fork of a booted process makes the run that one process makes", "[scenario][shared-boot][campaign]") {
  ScenarioCase made = case_of(kText);
  campaign::Isolation isolation;
  std::set<std::string> roots;
  std::map<char, u32> shapes;
  for (u64 seed = 1; seed <= 24; ++seed) {
    RunSetup setup{.seed = seed, .sched = seed % 3 == 0 ? "random" : seed % 3 == 1 ? "" : "mix"};
    if (seed % 5 == 0) setup.keep_lists = setup.keep_features = true;
    if (seed == 7) setup.events_max = 1000;    // reached in the warm-up
    if (seed == 8) setup.until = 250'000'000;  // and after it
    CAPTURE(seed, setup.sched);
    REQUIRE(!made.boot_key(setup).empty());
    const RunReport alone = made.run(setup);
    const RunReport forked = isolation.run(made, setup, {}).report;
    CHECK(text_of(forked) == text_of(alone));
    CHECK(forked.choices.size() == alone.choices.size());
    CHECK(forked.features == alone.features);
    CHECK(alone.verdict == (seed == 7 || seed == 8 ? Verdict::Limit : seed % 8 == 3 ? Verdict::Failed : Verdict::Held));
    REQUIRE(alone.drawn.starts_with("shape="));
    shapes[alone.drawn[6]] += 1;
    roots.insert(sim::host::text_of(alone.root));
  }
  CHECK(roots.size() == 24);
  CHECK(shapes.size() >= 6);  // of eight, in 24 seeds
}

TEST_CASE("runs of one shape are equal up to where they get their own seeds", "[scenario][shared-boot][determinism]") {
  ScenarioCase made = case_of(kText);
  std::map<std::string, base::Digest> before;  // of the events of a shape's warm-up, by its number
  for (u64 seed = 40; seed < 60; ++seed) {
    CAPTURE(seed);
    base::D128 digest;
    u64 key = 0;
    u64 time = 0;
    made.observer.starting = [&](Machine& machine) {
      machine.on_event = [&, then = machine.on_event](const base::Event& event) {
        if (then) then(event);
        if (key != 0) return;
        if (event.kind == static_cast<u16>(base::EventKind::WorldRekey)) {
          key = event.a;
          time = event.time_ns;
          return;
        }
        digest.fold(event.time_ns);
        digest.fold(u64{event.kind} << 32 | event.thread);
        digest.fold(event.c);
      };
    };
    const RunReport report = made.run({.seed = seed});
    CHECK(key == seed);
    CHECK(time <= 200'000'000);
    const std::string shape = report.drawn.substr(0, report.drawn.find(' '));
    const auto [at, is_new] = before.emplace(shape, digest.out());
    CHECK(at->second == digest.out());
  }
  CHECK(before.size() >= 5);
  CHECK(before.size() < 9);
}

TEST_CASE("a run with a shared boot replays from its recording", "[scenario][shared-boot][replay]") {
  ScenarioCase made = case_of(kText);
  const std::string file = "/tmp/orrery-shared-" + std::to_string(getpid()) + ".orrery";
  const RunSetup setup{.seed = 77, .sched = "random", .record = file};
  CHECK(made.boot_key(setup).empty());
  const RunReport report = made.run(setup);
  const replay::Recording recording = replay::load(file);
  std::remove(file.c_str());
  CHECK(recording.header().seed == 77);
  scenario::Recorded recorded = scenario::case_of(recording, user::native_entries(), kImage);
  REQUIRE(recorded.error == "");
  const scenario::Rerun again = scenario::run_again(recorded, recording);
  CHECK(!again.replayed.divergence);
  CHECK(again.replayed.ended);
  RunSetup plain = setup;
  plain.record.clear();
  CHECK(text_of(made.run(plain)) == text_of(report));
}

TEST_CASE("a boot that fails, or dies, is told by each of its runs", "[scenario][shared-boot][campaign]") {
  ScenarioCase unready = case_of(R"(
    local s = scenario("unready", { lasts = "50ms", warmup = "200ms", shared_boot = true })
    local a = s:node("a")
    s:ready(function(w) return false end))");
  campaign::Isolation isolation;
  for (const u64 seed : {1, 2}) {
    const RunReport forked = isolation.run(unready, {.seed = seed}, {}).report;
    CHECK(text_of(forked) == text_of(unready.run({.seed = seed})));
    REQUIRE(forked.finding);
    CHECK(forked.finding->property == "ready");
  }
  // Its boot ends the process that waits, as a crash of the simulator would.
  struct Dying final : Case {
    std::string name() const override { return "dying"; }
    std::string plan_id() const override { return {}; }
    std::string reproduction(const RunSetup&) const override { return {}; }
    RunReport run(const RunSetup& setup) override {
      RunReport report;
      report.events = setup.seed;
      return report;
    }
    std::string boot_key(const RunSetup&) const override { return "one"; }
    void boot(const RunSetup&) override { _exit(5); }
  } dying;
  for (const u64 seed : {1, 2}) CHECK(isolation.run(dying, {.seed = seed}, {}).report.events == seed);
}
