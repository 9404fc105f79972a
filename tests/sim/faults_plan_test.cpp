// What decides about faults: the ledger, phases and healing, and what a seed draws of the catalogue.
#include <catch2/catch.hpp>

#include <algorithm>
#include <set>

#include "sim/model/faults/swarm.h"
#include "tests/rounds.h"
#include "tests/sim/guest.h"
#include "tests/sim/lab.h"

using namespace guest;
using base::EventKind;
using sim::FaultClass;
using sim::Ledger;
using sim::Outcome;

namespace {

constexpr u64 kSecond = 1'000'000'000;

u64 count(const lab::Result& result, EventKind kind) {
  return static_cast<u64>(std::count_if(result.trace.begin(), result.trace.end(), [kind](const base::Event& event) {
    return event.kind == static_cast<u16>(kind);
  }));
}

/// Works for a second, entering the kernel each millisecond.
void worker_root(const u64 (&)[8]) {
  Root root;
  const u64 notification = root.make(ObjectType::Notification);
  for (u32 i = 0; i < 1000; ++i) {
    machine::charge(1'000'000);
    sys::signal(notification);
  }
  print(".");
  halt(0);
}
const machine::NativeEntry kWorker[] = {{"root", worker_root}};

lab::Result run(const std::string& lines, lab::Options options = {}) {
  options.keep_trace = true;
  options.until = 60 * kSecond;
  if (!lines.empty()) options.schedule = lab::faults_of(lines);
  return lab::run(kWorker, options);
}

/// A boot image of one member.
std::string image_of(const std::string& name, const std::string& text) {
  std::string block(512, '\0');
  const auto put = [&block](std::size_t at, const std::string& field) { block.replace(at, field.size(), field); };
  char size[12];
  std::snprintf(size, sizeof size, "%011o", static_cast<unsigned>(text.size()));
  put(0, name);
  put(100, "0000644");
  put(108, "0000000");
  put(116, "0000000");
  put(124, size);
  put(136, "00000000000");
  put(148, "        ");
  put(156, "0");
  put(257, std::string("ustar\00000", 8));
  unsigned sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  char checksum[8];
  std::snprintf(checksum, sizeof checksum, "%06o", sum);
  put(148, std::string(checksum, 7) + " ");
  return block + text + std::string(512 - text.size() % 512, '\0') + std::string(1024, '\0');
}

}  // namespace

// ── The ledger ───────────────────────────────────────────────────────────────────────────────────────────────

TEST_CASE("the last good copy is protected, and the withholding recorded", "[sim][faults][simulation.T39]") {
  lab::Options options;
  options.image = image_of("boot/service/keeper", "program root\n");
  // A service that others can replace dies; with the budget at nothing one that cannot is spared.
  sim::host::ServiceNames services = sim::host::services_of({options.image});
  REQUIRE(services.names == std::vector<std::string>{"keeper", "root"});
  sim::FaultPlan plan;
  const sim::FaultService keeper[] = {{"keeper", true}, {"server", false}};
  plan.services = keeper;
  Ledger ledger(plan);
  ledger.note_entry(1, "anything");
  CHECK(ledger.admit_kill(1, "keeper", 0).withheld);
  CHECK(ledger.admit_kill(1, "keeper", 0).reason == "it holds the only copy of what it serves");
  CHECK(!ledger.admit_kill(1, "server", 0).withheld);
  CHECK(!ledger.admit_kill(1, "stranger", 0).withheld);
  plan.budget.copies_lost = 1;
  Ledger generous(plan);
  generous.note_entry(1, "anything");
  generous.note_entry(2, "anything");
  CHECK(!generous.admit_kill(1, "keeper", 0).withheld);
  generous.killed(1, "keeper", 0);
  CHECK(!generous.admit_kill(1, "keeper", 1).withheld);  // it is lost already
  CHECK(generous.admit_kill(2, "keeper", 1).withheld);

  // In a run: more crashes than the budget allows are events of their own, and do nothing.
  const lab::Result none = run("arm node.crash per-minute=600 down=10s");
  CHECK(none.outcome == Outcome::Ended);
  CHECK(count(none, EventKind::InjectFired) == 0);
  CHECK(count(none, EventKind::InjectWithheld) > 5);
  CHECK(count(none, EventKind::WorldNodeDown) == 1);
  CHECK(none.faults[0] == "node.crash 1 @0 withheld: down=10000000000ns");
}

TEST_CASE("a service is not killed more often than its supervisor bears, and meets no errors while its node boots",
          "[sim][faults]") {
  const sim::FaultService services[] = {{"server", false}};
  sim::FaultPlan plan;
  plan.services = services;
  plan.last_started = "shell";
  Ledger ledger(plan);
  CHECK(!ledger.admit_kill(1, "server", 0).withheld);  // its supervisor is there before it
  CHECK(ledger.admit_error(1, "server").reason == "its node is still booting");
  CHECK(!ledger.admit_error(1, "program").withheld);
  ledger.note_entry(1, "init");
  CHECK(ledger.admit_error(1, "server").withheld);
  ledger.note_entry(1, "shell");
  CHECK(!ledger.admit_error(1, "server").withheld);
  for (u64 i = 0; i < sim::kServiceKillsMax; ++i) {
    REQUIRE(!ledger.admit_kill(1, "server", i * kSecond).withheld);
    ledger.killed(1, "server", i * kSecond);
  }
  CHECK(ledger.admit_kill(1, "server", 59 * kSecond).reason == "its supervisor would give it up");
  CHECK(!ledger.admit_kill(1, "server", 60 * kSecond).withheld);
  ledger.node_started(1);
  CHECK(ledger.admit_error(1, "server").withheld);
}

TEST_CASE("never more nodes are down than the budget says, and a rack is lessened to it", "[sim][faults]") {
  for (u64 seed = 0; seed < rounds(10); ++seed) {
    CAPTURE(seed);
    lab::Options options{.seed = seed, .nodes = 5};
    const lab::Result result = run(
        "budget nodes-down=2\narm node.rack per-minute=300 count=2..4 down=20ms..90ms\narm node.crash per-minute=300 "
        "down=20ms..90ms",
        options);
    std::set<u16> down;
    for (const base::Event& event : result.trace) {
      if (event.kind == static_cast<u16>(EventKind::WorldNodeDown) && event.c == 2) down.insert(event.node);
      if (event.kind == static_cast<u16>(EventKind::WorldNodeUp)) down.erase(event.node);
      if (down.size() > 2) FAIL("more than two nodes are down");
    }
    CHECK(count(result, EventKind::InjectLessened) + count(result, EventKind::InjectWithheld) > 0);
    CHECK(count(result, EventKind::InjectFired) > 0);
  }
}

TEST_CASE("a clock is never more wrong than the budget says", "[sim][faults][property]") {
  for (u64 seed = 0; seed < 10; ++seed) {
    CAPTURE(seed);
    const lab::Result result =
        run("budget clock-error=100ms\narm clock.step per-minute=600\narm clock.skew per-minute=600\n"
            "arm clock.strobe per-minute=300\narm clock.noise per-minute=300",
            {.seed = seed});
    i64 error = 0;
    for (const base::Event& event : result.trace) {
      if (event.kind != static_cast<u16>(EventKind::WorldClockSet)) continue;
      error += static_cast<i64>(event.b);
      // Two that wobble at once may each have been admitted.
      REQUIRE(std::abs(error) <= 300'000'000);
    }
    CHECK(count(result, EventKind::InjectLessened) > 0);
  }
}

// ── Phases ───────────────────────────────────────────────────────────────────────────────────────────────────

TEST_CASE("after healing nothing touches the core", "[sim][faults][simulation.T44]") {
  const std::string lines =
      "budget nodes-down=1 clock-error=1s\narm cpu.* intensity=4\narm timer.* intensity=4\narm irq.* intensity=4\n"
      "arm clock.* per-minute=300\narm node.slow per-minute=300 length=10s\narm irq.storm per-minute=300 length=10s\n"
      "arm node.crash target=2 per-minute=120 down=30s\narm device.busy intensity=4\n";
  for (u64 seed = 0; seed < 5; ++seed) {
    CAPTURE(seed);
    lab::Options options{.seed = seed, .nodes = 2, .healed_at = 700'000'000};
    const lab::Result result = run(lines, options);
    CHECK(result.outcome == Outcome::Ended);
    bool healing = false;
    u64 before = 0;
    for (const base::Event& event : result.trace) {
      const EventKind kind = static_cast<EventKind>(event.kind);
      if (kind == EventKind::WorldPhase && event.a == static_cast<u64>(sim::Phase::Healing)) healing = true;
      const bool strikes = kind == EventKind::InjectFired || kind == EventKind::InjectLessened;
      if (strikes) before += healing ? 0 : 1;
      if (healing && (strikes || kind == EventKind::InjectWithheld)) FAIL("a fault after healing");
      if (kind == EventKind::WorldPhase && event.a == static_cast<u64>(sim::Phase::Liveness)) healing = true;
    }
    CHECK(before > 10);
    CHECK(healing);
    CHECK(count(result, EventKind::InjectHealed) >= 1);
    // Both nodes have the right time, and each has run to its end.
    CHECK(result.clock_errors == std::vector<i64>{0, 0});
    CHECK(result.output == "..");
  }
}

TEST_CASE("nothing strikes in the warm-up", "[sim][faults]") {
  sim::host::Machine machine(
      {.ram_bytes = u64{16} << 20, .entries = kWorker, .schedule = lab::faults_of("arm * intensity=4")});
  u64 struck = 0;
  machine.on_fault = [&](const sim::InjectRecord&) { struck += 1; };
  REQUIRE(machine.start() == "");
  machine.world().set_phase(sim::Phase::Warmup);
  machine.run(200'000'000);
  CHECK(struck == 0);
  machine.world().set_phase(sim::Phase::Safety);
  machine.run(400'000'000);
  CHECK(struck > 0);
}

// ── Swarm ────────────────────────────────────────────────────────────────────────────────────────────────────

TEST_CASE("each class is off in a fifth of the seeds or more, some seeds have none and some one",
          "[sim][faults][swarm][simulation.T41]") {
  constexpr u32 kSeeds = 2000;
  u32 off[sim::kFaultClasses] = {};
  u32 calm = 0;
  u32 single = 0;
  for (u64 seed = 0; seed < kSeeds; ++seed) {
    const sim::Swarm swarm = sim::draw_swarm(seed, sim::kAllFaults);
    u32 on = 0;
    for (u32 i = 0; i < sim::kFaultClasses; ++i) {
      REQUIRE(swarm.intensity[i] <= sim::kIntensityMax);
      off[i] += swarm.intensity[i] == 0 ? 1 : 0;
      on += swarm.intensity[i] != 0 ? 1 : 0;
    }
    calm += swarm.is_calm ? 1 : 0;
    single += swarm.is_single ? 1 : 0;
    if (swarm.is_calm) CHECK(on == 0);
    if (swarm.is_single) CHECK(on == 1);
  }
  for (const u32 times : off) {
    CHECK(times > kSeeds * 2 / 5);
    CHECK(times < kSeeds * 7 / 10);
  }
  CHECK(calm > kSeeds / 32);
  CHECK(calm < kSeeds / 8);
  CHECK(single > kSeeds / 32);
  CHECK(single < kSeeds / 8);
}

TEST_CASE("what is not allowed moves no draw of what is", "[sim][faults][swarm]") {
  constexpr sim::FaultSet kOdd = ~sim::FaultSet{0} / 3;  // 0x5555…
  constexpr sim::FaultSet kSome = sim::kAllFaults & kOdd;
  for (u64 seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    const sim::Swarm all = sim::draw_swarm(seed, sim::kAllFaults);
    const sim::Swarm some = sim::draw_swarm(seed, kSome);
    if (all.is_single) continue;
    for (u32 i = 0; i < sim::kFaultClasses; ++i) {
      CHECK(some.intensity[i] == (has(kSome, static_cast<FaultClass>(i)) ? all.intensity[i] : 0));
    }
  }
  sim::host::FaultSetup setup;
  CHECK(sim::host::add_swarm(1, {"cpu.*", "nett.*"}, {}, setup).starts_with("there is no fault class 'nett.*'"));
  CHECK(sim::host::add_swarm(1, {"cpu.*"}, {"cpu.steal"}, setup) == "");
  for (const auto& rule : setup.rules) CHECK(rule.rule.fault != FaultClass::CpuSteal);
  CHECK(sim::host::text_of_swarm(7, {"cpu.*"}, {"cpu.ipi-late"}).find("cpu.throttle=") != std::string::npos);
}
