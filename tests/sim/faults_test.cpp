// Faults: each class has the effect that the catalogue states and leaves one event; what is off is not there; one
// opportunity set otherwise moves no other.
#include <catch2/catch.hpp>

#include <algorithm>
#include <fstream>
#include <set>

#include "tests/sim/faults_lab.h"

using namespace faulty;
using base::EventKind;
using sim::Outcome;

TEST_CASE("every class has its exact effect and leaves one event", "[sim][faults][simulation.T34]") {
  std::set<std::string> seen;
  for (const Case& one : cases()) {
    CAPTURE(one.fault, one.lines);
    seen.insert(one.fault);
    const lab::Result plain = run(one.guest, "");
    const lab::Result struck = run(one.guest, one.lines);
    const bool ends = one.guest.data() != kNetworkGuest;  // there the receiver waits for ever
    REQUIRE(plain.outcome == (ends ? Outcome::Ended : Outcome::Stalled));
    const bool hangs = std::string_view(one.fault) == "process.hang";
    CHECK(struck.outcome == (ends && !hangs ? Outcome::Ended : Outcome::Stalled));
    CHECK(count(struck, EventKind::InjectFired) == 1);
    CHECK(struck.faults.size() == 1);
    CHECK(one.check(plain, struck) == "");
  }
  for (u32 i = 0; i < sim::kFaultClasses; ++i) {
    const std::string name(name_of(static_cast<sim::FaultClass>(i)));
    CAPTURE(name);
    if (!name.starts_with("disk.")) CHECK(seen.contains(name));  // of those: tests/disk/faults_test.cpp
  }
}

TEST_CASE("the page lists the catalogue as it is", "[sim][faults][docs]") {
  std::ifstream page(ORRERY_SOURCE_DIR "/docs/faults.md");
  REQUIRE(page.good());
  std::set<std::string> rows;
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with("| `") && line.find(".") < line.find("` |")) rows.insert(line);
  }
  for (u32 i = 0; i < sim::kFaultClasses; ++i) {
    const sim::FaultInfo& info = info_of(static_cast<sim::FaultClass>(i));
    const std::string row = "| `" + std::string(info.name) + "` | " + std::string(name_of(info.owes)) + " | " +
                            std::string(name_of(info.target)) + " | " +
                            (info.coin == sim::Coin::Minute ? "minute" : "opportunity") + " | " +
                            std::string(info.about) + " |";
    CAPTURE(row);
    CHECK(rows.contains(row));
  }
  CHECK(rows.size() == sim::kFaultClasses);
}

TEST_CASE("all classes off is no fault plan", "[sim][faults][simulation.T35]") {
  for (const auto guest :
       {std::span<const machine::NativeEntry>(kSupervised), std::span<const machine::NativeEntry>(kTimerGuest)}) {
    const lab::Result plain = run(guest, "");
    CHECK(run(guest, "arm * intensity=0").root == plain.root);
    CHECK(run(guest, "arm * intensity=4 at-most=0").root == plain.root);
    CHECK(run(guest, "arm * intensity=4").root != plain.root);
  }
  // A plan that lets nothing happen differs by what it says at the start only.
  const lab::Result idle = run(kWorker, "arm cpu.steal target=9/* intensity=4");
  CHECK(idle.faults.empty());
  CHECK(idle.output == run(kWorker, "").output);
}

TEST_CASE("sparing one opportunity leaves all others as they were", "[sim][faults][simulation.T36]") {
  // A core that stands for a while meets the same opportunities, later.
  const std::string rule = "arm cpu.steal ratio=1/5 time=1us..900us\n";
  const lab::Result all = run(kWorker, rule);
  REQUIRE(all.faults.size() > 10);
  for (const std::size_t spared : {std::size_t{0}, all.faults.size() / 2, all.faults.size() - 1}) {
    std::vector<std::string> wanted = all.faults;
    const std::string point = wanted[spared].substr(0, wanted[spared].find(" fired"));
    CAPTURE(point);
    wanted[spared].replace(wanted[spared].find("fired"), 5, "spared");
    CHECK(run(kWorker, rule + "fault " + point + " spare\n").faults == wanted);
    // Set otherwise, it alone has other arguments.
    const lab::Result changed = run(kWorker, rule + "fault " + point + " fire time=77us\n");
    wanted[spared] = point + " fired: time=77000ns";
    CHECK(changed.faults == wanted);
    CHECK(changed.forced_used == 1);
  }
  // Another class beside it moves nothing either.
  std::vector<std::string> steals;
  for (const std::string& line : run(kWorker, rule + "arm device.busy intensity=4\n").faults) {
    if (line.starts_with("cpu.steal")) steals.push_back(line);
  }
  CHECK(steals == all.faults);
}

TEST_CASE("one seed and plan give one root, and the kernel's invariants hold under all faults of the machine",
          "[sim][faults][property]") {
  const auto all = [](std::span<const machine::NativeEntry> guest, u64 seed) {
    lab::Options options{.seed = seed, .cores = 2, .until = 60'000 * kMs, .check = true};
    options.console = sim::ConsoleKind::Terminal;
    options.schedule = lab::faults_of(
        "arm cpu.* intensity=4\narm timer.* intensity=4\narm irq.* intensity=4\narm device.* intensity=4\n"
        "arm process.kill target=1/victim ratio=1/8\narm process.pause target=1/victim ratio=1/8\n"
        "arm ipc.spurious-wake ratio=1/9\narm ipc.preempt-long ratio=1/2\narm budget.* intensity=4\narm code.* "
        "intensity=4\n"
        "arm ipc.reply-gone target=1/asker ratio=1/9\narm ipc.revoke-midway target=1/asker ratio=1/9\n");
    return lab::run(guest, options);
  };
  for (u64 seed = 0; seed < 6; ++seed) {
    for (const auto guest :
         {std::span<const machine::NativeEntry>(kSupervised), std::span<const machine::NativeEntry>(kTimerGuest),
          std::span<const machine::NativeEntry>(kWorker)}) {
      CAPTURE(seed, guest[0].name);
      const lab::Result first = all(guest, seed);
      CHECK(first.broken == "");
      CHECK(first.outcome == Outcome::Ended);
      CHECK(all(guest, seed).root == first.root);
    }
  }
}

TEST_CASE("trying again heals nothing, and healing restores exactly what there was",
          "[sim][faults][links][simulation.T37]") {
  lab::Options options{.nodes = 2, .until = 60'000 * kMs};
  options.links = {{"lan", {1, 2}, {.latency_ns = 100'000, .bits_per_second = 2'000'000}}};
  options.keep_trace = true;
  const sim::LinkSettings usual = options.links[0].settings;
  constexpr u64 kHealedNs = 60 * kMs;
  const auto run_with = [&](const std::string& lines) {
    options.schedule = lab::faults_of(lines);
    options.healed_at = kHealedNs;
    const lab::Result struck = lab::run(kNetworkGuest, options);
    options.healed_at = sim::kNever;
    options.until = kHealedNs;
    const lab::Result damaged = lab::run(kNetworkGuest, options);
    options.until = 60'000 * kMs;
    CHECK(struck.links == std::vector{usual});
    CHECK(count(struck, EventKind::InjectHealed) >= 1);
    return std::pair(struck, damaged);
  };
  const auto between = [](const lab::Result& result, u64 from, u64 to) {
    const auto all = deliveries(result);
    return std::count_if(all.begin(), all.end(),
                         [&](const Delivery& one) { return one.time >= from && one.time < to; });
  };
  struct Change {
    const char* what;
    i64 most;  // that pass before it is healed, however often it is tried
  };
  for (const Change& change : {Change{"net.rate rate=10000", 0}, {"net.queue bytes=0", 18}, {"net.mtu mtu=100", 0}}) {
    CAPTURE(change.what);
    const auto [struck, damaged] =
        run_with(std::string("arm ") + change.what + " per-minute=6000 to=20ms at-most=1 length=1h\n");
    CHECK(damaged.links != std::vector{usual});
    CHECK(between(struck, 25 * kMs, kHealedNs) <= change.most);
    CHECK(between(struck, kHealedNs, kHealedNs + 2000 * kMs) >= 38);  // what waited is there within a second
  }
  for (const char* what :
       {"net.partition kind=0 target=1", "net.partition kind=2 target=1", "net.flap period=1h count=1"}) {
    CAPTURE(what);
    const std::string length = std::string_view(what).starts_with("net.flap") ? "" : " length=1h";
    const auto [struck, damaged] =
        run_with(std::string("arm ") + what + length + " per-minute=6000 to=20ms at-most=1\n");
    CHECK(between(struck, 25 * kMs, kHealedNs) == 0);
    CHECK(between(struck, kHealedNs, kHealedNs + 20 * kMs) >= 18);
  }
  // Partitions of both nodes at once: the end of one opens nothing that the other keeps shut.
  options.schedule = lab::faults_of(
      "arm net.partition kind=0 target=1 per-minute=6000 to=20ms at-most=1 length=10ms\n"
      "arm net.partition kind=0 target=2 per-minute=6000 to=20ms at-most=1 length=1h\n");
  CHECK(between(lab::run(kNetworkGuest, options), 25 * kMs, 60 * kMs) == 0);
  // A point keeps its value for the run, whoever asks again; a clock is healed to the nanosecond, and its drift is its own.
  CHECK(run(kPoints, "arm code.tunable target=file.read-bytes ratio=1/1 choice=0").output == "--- 64 64");
  lab::Options clocks{.until = 60'000 * kMs};
  clocks.healed_at = 90 * kMs;
  clocks.schedule = lab::faults_of("budget clock-error=10s\narm clock.* per-minute=1200 to=80ms\n");
  const lab::Result healed = lab::run(kClockGuest, clocks);
  CHECK(healed.faults.size() > 3);
  CHECK(healed.clock_errors == std::vector<i64>{0});
}

TEST_CASE("windows and at-most bound what strikes", "[sim][faults]") {
  const lab::Result some = run(kWorker, "arm cpu.steal ratio=1/1 time=1us from=20ms to=30ms");
  CHECK(some.faults.size() >= 9);
  CHECK(some.faults.size() <= 12);
  CHECK(run(kWorker, "arm cpu.steal ratio=1/1 at-most=3 time=1us").faults.size() == 3);
  // Of two rules for a target the first counts.
  CHECK(run(kWorker, "arm cpu.steal target=1/core0 ratio=1/1 at-most=2\narm cpu.steal ratio=1/1").faults.size() == 2);
}
