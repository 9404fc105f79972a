// tests/root/boot_test.cpp — whole nodes with the programs and the boot image of this build, from boot to halt.
#include <catch2/catch.hpp>

#include <cstdio>
#include <string>
#include <vector>

#include "sim/host/machine_host.h"
#include "user/image.h"
#include "user/native.h"

namespace {

struct Run {
  sim::Outcome outcome = sim::Outcome::Running;
  u32 status = 0;
  u64 now = 0;
  bool tainted = false;
  bool sound = false;  // every invariant of the kernel holds at the end
  std::string output;
  base::Digest root;
  u32 faults = 0;
};

constexpr u64 kLimitNs = 600'000'000'000;

Run boot(u64 seed, u32 cores, const std::string& script, u64 ram_bytes = u64{64} << 20,
         const sim::host::Schedule& schedule = {}) {
  Run run;
  sim::host::Machine machine({.seed = seed,
                              .cores = cores,
                              .ram_bytes = ram_bytes,
                              .image = std::string(base::text_of(user::boot_image())),
                              .console = sim::ConsoleKind::Script,
                              .script = script,
                              .entries = user::native_entries(),
                              .schedule = schedule});
  machine.on_output = [&](u32, base::Bytes bytes) { run.output += base::text_of(bytes); };
  machine.on_event = [&](const base::Event& event) {
    run.faults += static_cast<base::EventKind>(event.kind) == base::EventKind::TrapFault ? 1 : 0;
  };
  REQUIRE(machine.start() == "");
  run.outcome = machine.world().run(kLimitNs);
  run.now = machine.world().now();
  run.status = machine.world().status();
  run.tainted = machine.world().tainted();
  std::vector<u8> scratch(ram_bytes / 16);
  run.sound = !kernel::check_invariants(machine.world().nodes()[0].kernel(), scratch);
  run.root = machine.world().finish();
  return run;
}

}  // namespace

TEST_CASE("a node boots its image, runs its manifest and halts by itself, on any number of cores",
          "[user][root][boot]") {
  for (const u32 cores : {1u, 2u, 4u, 8u}) {
    CAPTURE(cores);
    const Run run = boot(1, cores, "");
    CHECK(run.outcome == sim::Outcome::Ended);
    CHECK(run.now < 1'000'000'000);
    CHECK_FALSE(run.tainted);
    CHECK(run.sound);
    CHECK(run.faults == 0);
  }
}

TEST_CASE("two boots with one seed are the same run, event for event", "[user][root][determinism]") {
  for (const u64 seed : {1u, 7u, 4711u}) {
    CAPTURE(seed);
    const Run first = boot(seed, 4, "");
    const Run second = boot(seed, 4, "");
    CHECK(first.root == second.root);
    CHECK(first.now == second.now);
    CHECK(first.output == second.output);
  }
}

TEST_CASE("the smallest and a large memory boot alike", "[user][root][boot]") {
  for (const u64 ram_bytes : {u64{16} << 20, u64{96} << 20, u64{512} << 20}) {
    CAPTURE(ram_bytes);
    const Run run = boot(1, 1, "", ram_bytes);
    CHECK(run.outcome == sim::Outcome::Ended);
    CHECK(run.sound);
    CHECK(run.faults == 0);
  }
}

TEST_CASE("the node ends with the status of the shell on its console, and what it wrote is there",
          "[user][root][boot]") {
  const Run run = boot(1, 2, "echo one | cat\nhead -n 2 /proc/1/status\nexit 7\n");
  CHECK(run.outcome == sim::Outcome::Ended);
  CHECK(run.status == 7);
  CHECK(run.output == "one\npid 1\nppid 0\n");
}

TEST_CASE("processes that ended leave no memory behind", "[user][root][property]") {
  const std::string pipes = "for i in 1 2 3 4 5 6 7 8 9; do echo x | cat > /dev/null; done\n";
  const std::string free = "head -n 2 /proc/meminfo | tail -n 1\n";
  // The first round makes what is kept for the next: a worker more, a larger heap of the manager.
  const std::string warm_up = "head -n 2 /proc/meminfo | tail -n 1 > /dev/null\n";
  const Run run = boot(1, 4, pipes + warm_up + pipes + free + pipes + pipes + free);
  const std::size_t line = run.output.find('\n') + 1;
  REQUIRE(run.output.size() == 2 * line);
  CHECK(run.output.substr(0, line) == run.output.substr(line));
}

TEST_CASE("a root manager interrupted in any of its first calls boots all the same", "[user][root][boot][explore]") {
  // One of them changes its own CSpace, and is repeated in the new one when it was interrupted late.
  for (u64 turn = 5; turn < 9; ++turn) {
    for (const u64 after_ns : {1u, 60u, 120u, 150u, 170u, 180u, 190u}) {
      CAPTURE(turn, after_ns);
      sim::host::Schedule schedule;
      schedule.on = true;
      schedule.forced = {{sim::ChoiceKind::Cut, "1/root.1", turn, after_ns}};
      const Run run = boot(1, 1, "", u64{64} << 20, schedule);
      CHECK(run.outcome == sim::Outcome::Ended);
      CHECK(run.status == 0);
    }
  }
}

TEST_CASE("a shell's script ends under every strategy with the kernel's invariants whole", "[user][root][explore]") {
  const std::string script = "echo hello | wc -c\nspin & sleep 1; kill $!; wait $!\nseq 20 | sort -rn | head -n 1\n";
  for (const char* strategy :
       {"random:cut=1/10,delay=1/100", "sticky", "pct", "perturb:ratio=1/20", "few", "starve", "walk"}) {
    for (u64 seed = 31; seed < 33; ++seed) {
      CAPTURE(strategy, seed);
      sim::host::Schedule schedule;
      schedule.on = true;
      REQUIRE(sim::host::parse_strategy(strategy, schedule.first) == "");
      const Run run = boot(seed, 1 + seed % 2, script, u64{64} << 20, schedule);
      CHECK(run.outcome == sim::Outcome::Ended);
      CHECK(run.sound);
      CHECK(run.output == "6\n20\n");
    }
  }
}

namespace {

/// A boot while which a fault may strike, by the rules given.
struct Struck {
  Run run;
  u32 strikes = 0;
};
const std::string kLooksAtServices = "sleep 1\ncat /proc/supervisor/log\nls /tmp; echo up; uname | cat\n";
Struck boot_struck(const std::string& rules, u64 seed, u32 cores, const std::string& script = kLooksAtServices) {
  sim::host::Schedule schedule;
  REQUIRE(sim::host::parse_schedule("orrery-overrides 1\nbudget copies-lost=4\n" + rules + "\n", schedule) == "");
  schedule.on = false;
  Struck struck;
  sim::host::Machine machine({.seed = seed,
                              .cores = cores,
                              .ram_bytes = u64{64} << 20,
                              .image = std::string(base::text_of(user::boot_image())),
                              .console = sim::ConsoleKind::Script,
                              .script = script,
                              .entries = user::native_entries(),
                              .schedule = schedule});
  machine.on_output = [&](u32, base::Bytes bytes) { struck.run.output += base::text_of(bytes); };
  machine.on_fault = [&](const sim::InjectRecord& record) {
    struck.strikes += record.outcome != sim::InjectRecord::Outcome::Withheld ? 1 : 0;
  };
  REQUIRE(machine.start() == "");
  struck.run.outcome = machine.world().run(kLimitNs);
  struck.run.status = machine.world().status();
  std::vector<u8> scratch((u64{64} << 20) / 16);
  struck.run.sound = !kernel::check_invariants(machine.world().nodes()[0].kernel(), scratch);
  return struck;
}
bool is_up(const Run& run) {
  const bool has_shell = run.output.find("up\n") != std::string::npos;
  return has_shell && (run.output.ends_with("Orrery\n") || run.output.find("server restarted") != std::string::npos);
}

}  // namespace

TEST_CASE("a service that is killed at any moment of the boot is started again, and the node boots",
          "[user][root][init][boot][faults]") {
  // A program is killed where it enters the kernel: up to a hundred times until the shell runs.
  for (const std::string service : {"timer", "pipe", "dev", "console", "tmp"}) {
    u32 struck_while_booting = 0;
    for (u64 entry = 0; entry < 120; entry += entry < 24 ? 1 : 7) {
      for (const u32 cores : {1u, 2u}) {
        CAPTURE(service, entry, cores);
        const Struck struck =
            boot_struck("fault process.kill 1/" + service + " @" + std::to_string(entry) + " fire", 1, cores);
        CAPTURE(struck.run.output);
        REQUIRE(struck.run.outcome == sim::Outcome::Ended);
        CHECK(struck.run.sound);
        // A console that dies once it has read what is typed loses that, and what is written just then may not be repeated;
        // a pipe goes with its server.
        if (service == "console" && entry >= 8) {
          CHECK(struck.run.output.find("no shell") == std::string::npos);
        } else {
          CHECK(is_up(struck.run));
        }
        if (struck.run.output.find(" " + service + " fault note kill\n") != std::string::npos)
          struck_while_booting += 1;
      }
    }
    CAPTURE(service);
    CHECK(struck_while_booting >= 16);
  }
}

TEST_CASE("a process that is killed while it closes its files closes no other holder's", "[user][root][boot][faults]") {
  // What it shares with the shell is counted at the servers. Each of four dies at its own `entry` into the kernel: where
  // one close too many is not the last, four are; and one too few leaves `cat` waiting for the end of its pipe.
  constexpr u32 kProcesses = 4;
  u32 struck_while_closing = 0;
  for (u64 entry = 0; entry < 20; ++entry) {
    for (const u32 cores : {1u, 2u}) {
      CAPTURE(entry, cores);
      std::string rules;
      for (u32 i = 0; i < kProcesses; ++i) {
        rules += "fault process.kill 1/uname @" + std::to_string(i * (entry + 1) + entry) + " fire\n";
      }
      const Struck struck =
          boot_struck(rules, 1, cores, "( uname; uname; uname; uname; echo more ) | cat\necho still\n");
      CAPTURE(struck.run.output);
      CHECK(struck.run.outcome == sim::Outcome::Ended);
      CHECK(struck.run.sound);
      CHECK(struck.run.output.ends_with("more\nstill\n"));
      // It had written its line, so that only closing was left to do.
      const bool was_closing = struck.run.output.find("Orrery\n") != std::string::npos;
      if (was_closing && struck.strikes == kProcesses) struck_while_closing += 1;
    }
  }
  CHECK(struck_while_closing >= 12);  // three files: each before its close and after it
}

TEST_CASE("a process that another ends while it closes its files closes no other holder's",
          "[user][root][boot][explore]") {
  // The note comes about when it exits, so that now and then a server has its request, answered or not.
  const std::string script = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do timeout 0.05 sleep 0.05; done\necho still\n";
  for (u64 seed = 1; seed <= 24; ++seed) {
    CAPTURE(seed);
    sim::host::Schedule schedule;
    schedule.on = true;
    REQUIRE(sim::host::parse_strategy("random:cut=1/10,delay=1/20", schedule.first) == "");
    const Run run = boot(seed, 2, script, u64{64} << 20, schedule);
    CHECK(run.outcome == sim::Outcome::Ended);
    CHECK(run.sound);
    CHECK(run.output == "still\n");
  }
}

TEST_CASE("a boot on which services die again and again comes up", "[user][root][init][boot][faults]") {
  u32 strikes = 0;
  for (u64 seed = 1; seed <= 30; ++seed) {
    CAPTURE(seed);
    const std::string ratio = seed % 3 == 0 ? "1/3" : seed % 3 == 1 ? "1/10" : "1/30";
    std::string rules;
    for (const std::string service : {"timer", "pipe", "dev", "tmp"}) {
      rules += "arm process.kill target=1/" + service + " to=1s ratio=" + ratio + "\n";
    }
    const Struck struck = boot_struck(rules, seed, 1 + seed % 2);
    CAPTURE(struck.run.output);
    REQUIRE(struck.run.outcome == sim::Outcome::Ended);
    CHECK(struck.run.sound);
    CHECK(is_up(struck.run));
    strikes += struck.strikes;
  }
  CHECK(strikes >= 100);
}

TEST_CASE("a node whose boot file server dies while it boots says so and halts", "[user][root][init][boot][faults]") {
  // Nobody can start it again: what it served lay with it.
  for (u64 entry = 0; entry < 60; ++entry) {
    CAPTURE(entry);
    const Struck struck = boot_struck("fault process.kill 1/ramfs @" + std::to_string(entry) + " fire", 1, 1);
    CAPTURE(struck.run.output);
    CHECK(struck.run.outcome == sim::Outcome::Ended);
    CHECK((is_up(struck.run) || struck.run.output.find("no shell on console 0") != std::string::npos ||
           struck.run.output.find("fsh: ls: not found") != std::string::npos));
  }
}
