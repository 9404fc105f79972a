// tests/root/faults_test.cpp — the system's own programs under faults that they have to mask: what a session prints stays
// the same, whatever strikes the machine under it, and the kernel's invariants hold.
#include <catch2/catch.hpp>

#include <set>
#include <string>
#include <vector>

#include "base/points.h"
#include "sim/host/machine_host.h"
#include "user/image.h"
#include "user/native.h"

namespace {

constexpr u64 kLimitNs = 600'000'000'000;

// What does not tell of times or process numbers.
const std::string kSession =
    "echo hello | wc -c\n"
    "for i in 1 2 3 4 5; do echo line $i >> /tmp/lines; done\n"
    "sort -r /tmp/lines | head -n 2\n"
    "mkdir -p /tmp/d/e; cp /tmp/lines /tmp/d/e; ls -l /tmp/d/e | wc -l\n"
    "x=$(cat /tmp/d/e/lines | grep -c 3); echo \"found $x\"\n"
    "mount ramfs /mnt; echo inside > /mnt/f; cat /mnt/f; unmount /mnt\n"
    "head -c 16 /dev/zero | cksum\n"
    "sleep 1; echo slept\n"
    "yes | head -n 3 | uniq -c\n"
    "f() { local v=$1; [ $v -gt 0 ] && { echo f $v; f $((v-1)); }; return 0; }\n"
    "f 4\n"
    "cat <<END | tr a-z A-Z\nhere $x\nEND\n"
    "for i in 1 2 3 4 5 6 7 8 9 10; do echo $i; done | tee /tmp/n | wc -l; cksum /tmp/n\n"
    "date -u +%Y > /tmp/year; echo done\n";

struct Run {
  sim::Outcome outcome = sim::Outcome::Running;
  std::string output;
  std::set<std::string> points;  // that fired
  bool sound = false;
};

Run run(const std::string& rules, u64 seed, u32 cores = 1, const std::string& script = kSession) {
  Run result;
  sim::host::Schedule schedule;
  REQUIRE(sim::host::parse_schedule("orrery-overrides 1\n" + rules, schedule) == "");
  schedule.on = false;
  sim::host::Machine machine({.seed = seed,
                              .cores = cores,
                              .image = std::string(base::text_of(user::boot_image())),
                              .console = sim::ConsoleKind::Script,
                              .script = script,
                              .entries = user::native_entries(),
                              .schedule = schedule});
  machine.on_output = [&](u32, base::Bytes bytes) { result.output += base::text_of(bytes); };
  machine.on_fault = [&](const sim::InjectRecord& record) {
    const bool is_point = record.fault == sim::FaultClass::CodeNudge || record.fault == sim::FaultClass::CodeTunable;
    if (is_point) result.points.insert(std::string(record.target));
  };
  REQUIRE(machine.start() == "");
  result.outcome = machine.world().run(kLimitNs);
  std::vector<u8> scratch((u64{64} << 20) / 16);
  result.sound = !kernel::check_invariants(machine.world().nodes()[0].kernel(), scratch);
  return result;
}

}  // namespace

TEST_CASE("what the system has to mask is masked: each class alone", "[user][root][faults]") {
  const Run plain = run("", 3);
  REQUIRE(plain.outcome == sim::Outcome::Ended);
  REQUIRE(plain.output.ends_with("done\n"));
  for (u32 i = 0; i < sim::kFaultClasses; ++i) {
    const sim::FaultInfo& info = info_of(static_cast<sim::FaultClass>(i));
    // A session of a second has few minutes: what strikes by the minute does so every half second.
    const bool is_input = info.name.starts_with("console.") && info.name != "console.resize";
    const bool has_target = info.target != sim::TargetKind::Disk;
    if (info.owes != sim::Owes::Mask || is_input || !has_target) continue;
    const std::string rule =
        "arm " + std::string(info.name) + (info.coin == sim::Coin::Minute ? " per-minute=120" : " intensity=3");
    CAPTURE(rule);
    const Run struck = run(rule, 3);
    CHECK(struck.outcome == sim::Outcome::Ended);
    CHECK(struck.output == plain.output);
    CHECK(struck.sound);
  }
}

TEST_CASE("the root manager outlives a kernel that refuses it memory now and then", "[user][root][faults]") {
  // Processes, their threads and private servers: who asked for one is told, and the node goes on.
  const std::string script =
      "for i in 1 2 3 4 5 6 7 8; do lonala -e '(lona.os/stat \"/\")'; mount ramfs /mnt; unmount /mnt; done 2>&1\n"
      "echo still\n";
  u64 refused = 0;
  for (u64 seed = 1; seed <= 8; ++seed) {
    CAPTURE(seed);
    const Run struck = run("arm mem.refuse target=1/root ratio=1/20 from=5ms\n", seed, 1, script);
    CAPTURE(struck.output);
    CHECK(struck.outcome == sim::Outcome::Ended);
    CHECK(struck.output.ends_with("still\n"));
    CHECK(struck.sound);
    if (struck.output.find("out of memory") != std::string::npos) refused += 1;
  }
  CHECK(refused > 0);
}

TEST_CASE("whoever is refused memory is told so, and no session stalls, however often it happens",
          "[user][root][faults]") {
  for (const char* ratio : {"1/4", "1/2", "9/10", "1/1"}) {
    for (u64 seed = 1; seed <= 12; ++seed) {
      CAPTURE(ratio, seed);
      const Run struck = run("arm mem.refuse target=1/root ratio=" + std::string(ratio) + " from=5ms\n", seed);
      CAPTURE(struck.output);
      CHECK(struck.outcome == sim::Outcome::Ended);
      CHECK(struck.output.find("out of memory") != std::string::npos);
      CHECK(struck.output.ends_with("done\n"));
      CHECK(struck.sound);
    }
  }
}

TEST_CASE("what was refused leaves nothing behind", "[user][root][faults]") {
  const std::string work =
      "for i in 1 2 3 4 5 6; do lonala -e '(lona.os/stat \"/\")'; seq 3 | cat; done > /dev/null 2>&1\n";
  const std::string free = "head -n 2 /proc/meminfo | tail -n 1\n";
  for (u64 seed = 1; seed <= 4; ++seed) {
    CAPTURE(seed);
    // Work, refused in part, and the same without refusals: each kind of it has been done once before.
    const Run struck = run("arm mem.refuse target=1/root ratio=1/4 from=3s to=7s\n", seed, 1,
                           work + free + "sleep 8 & sleep 3\n" + work + work + work + "wait\n" + free);
    CAPTURE(struck.output);
    REQUIRE(struck.outcome == sim::Outcome::Ended);
    const std::size_t line = struck.output.find('\n') + 1;
    constexpr u64 kPagesOfWorker = 16;  // one more may have been needed, and stays
    const std::string label = "free_pages ";
    REQUIRE(struck.output.starts_with(label));
    REQUIRE(struck.output.substr(line).starts_with(label));
    const u64 before = std::stoull(struck.output.substr(label.size()));
    const u64 after = std::stoull(struck.output.substr(line + label.size()));
    CHECK(before - after <= kPagesOfWorker);
  }
}

TEST_CASE("whoever finds a capability gone goes on or says so, and nobody waits for what was not closed",
          "[user][root][faults]") {
  for (u64 seed = 1; seed <= 24; ++seed) {
    CAPTURE(seed);
    const Run struck = run("arm ipc.revoke-midway intensity=3\n", seed, 1 + seed % 3);
    CAPTURE(struck.output);
    CHECK(struck.outcome == sim::Outcome::Ended);
    CHECK(struck.sound);
  }
}

TEST_CASE("a lost answer of the root manager costs no program its memory nor its start", "[user][root][faults]") {
  for (u64 seed = 1; seed <= 12; ++seed) {
    for (const char* intensity : {"3", "4"}) {
      CAPTURE(seed, intensity);
      const Run struck = run("arm ipc.reply-gone intensity=" + std::string(intensity) + "\n", seed);
      CAPTURE(struck.output);
      CHECK(struck.outcome == sim::Outcome::Ended);
      CHECK(struck.sound);
      CHECK(struck.output.find("faulted") == std::string::npos);
    }
  }
}

TEST_CASE("every point in the system's code fires within a few runs", "[user][root][faults][simulation.T43]") {
  constexpr u64 kRunsMax = 60;
  std::set<std::string> unhit;
  for (const base::Point& point : base::kPoints) unhit.insert(std::string(point.name));
  u64 seed = 0;
  for (; seed < kRunsMax && !unhit.empty(); ++seed) {
    const Run struck = run("arm code.*\n", seed);
    CAPTURE(seed);
    CHECK(struck.output == run("", seed).output);
    for (const std::string& point : struck.points) unhit.erase(point);
  }
  CAPTURE(seed);
  CHECK(unhit == std::set<std::string>{});
}

TEST_CASE("what the system has to mask is masked: a swarm of classes, on several cores",
          "[user][root][faults][simulation.T38]") {
  for (u64 seed = 0; seed < 40; ++seed) {
    CAPTURE(seed);
    sim::host::FaultSetup setup;
    const std::vector<std::string> allow = {
        "cpu.*",    "timer.*", "irq.*", "device.*", "clock.*", "process.*", "ipc.spurious-wake", "ipc.preempt-long",
        "budget.*", "code.*"};
    REQUIRE(sim::host::add_swarm(seed, allow, {"process.crash-loop", "process.hang"}, setup) == "");
    const Run plain = run("", seed, 2);
    const Run struck = run(text_of(setup), seed, 2);
    REQUIRE(plain.outcome == sim::Outcome::Ended);
    CHECK(struck.outcome == sim::Outcome::Ended);
    // A request that may not be repeated is told so, and the line that made it has another end.
    const bool was_told = struck.output.find("server restarted") != std::string::npos;
    CHECK((was_told || struck.output == plain.output));
    CHECK(struck.output.ends_with("done\n"));
    CHECK(struck.sound);
  }
}
