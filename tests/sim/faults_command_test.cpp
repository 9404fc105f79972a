// Faults as the command takes and tells them: rules and their mistakes, excuses, headers, recordings.
#include <catch2/catch.hpp>

#include <algorithm>
#include <fstream>
#include <set>

#include "base/points.h"
#include "sim/host/schedule.h"
#include "sim/model/faults/swarm.h"
#include "tests/sim/cli_lab.h"

TEST_CASE("a run whose plan nothing survives is excused, and says why", "[sim][faults][cli][simulation.T40]") {
  using namespace cli_lab;
  const std::string script = script_file("echo one\nsleep\nexit 0\n");
  const std::string run = kOrrery + " run " + script + " --seed 5";
  CHECK(shell(run + " 2>&1").code == 0);
  // Nobody brings the only program back.
  const Finished excused = shell(run + " --fault 'process.kill target=1/root ratio=1/1 from=500ms at-most=1' 2>&1");
  CAPTURE(excused.out);
  CHECK(excused.code == 6);
  CHECK(contains(excused.out, "arm process.kill target=1/root ratio=1/1"));
  CHECK(contains(excused.out, "nobody brings it back, and it is named as a target"));
  CHECK(contains(excused.out, "the run holds, digest "));
  // A failure that does not come from it is none the better for it.
  CHECK(shell(run + " --fault 'cpu.steal ratio=1/2' --until 100ms 2>&1").code == 11);
  const std::string bad = temporary("bad.fsh");
  std::ofstream(bad) << "echo one\nsleep\nexit 3\n";
  CHECK(shell(kOrrery + " run " + bad +
              " --seed 5 --fault 'process.kill target=1/root ratio=1/1 from=900ms at-most=1' "
              "2>&1")
            .code != 6);
  for (const std::string& file : {script, bad}) std::remove(file.c_str());
}

TEST_CASE("the header lists what the seed drew: each class, each point, the schedule",
          "[sim][faults][cli][simulation.T42]") {
  using namespace cli_lab;
  const std::string script = script_file("echo one\n");
  const auto drawn = [&](u64 seed) {
    const Finished made = shell(kOrrery + " run " + script + " --header --swarm '*' --sched mix --seed " +
                                std::to_string(seed) + " 2>&1");
    const auto at = made.out.find("drawn ");
    REQUIRE(at != std::string::npos);
    return made.out.substr(at, made.out.find('\n', at) - at);
  };
  std::set<std::string> lines;
  for (u64 seed = 1; seed <= 8; ++seed) {
    CAPTURE(seed);
    const std::string line = drawn(seed);
    lines.insert(line);
    CHECK(std::count(line.begin(), line.end(), '=') >= 60);
    CHECK(contains(line, "drawn sched="));
    const sim::Swarm swarm = sim::draw_swarm(seed, sim::kAllFaults);
    for (u32 i = 0; i < sim::kFaultClasses; ++i) {
      const sim::FaultClass fault = static_cast<sim::FaultClass>(i);
      CAPTURE(name_of(fault));
      const bool is_off = contains(line, " " + std::string(name_of(fault)) + "=off");
      CHECK(is_off == (swarm.intensity[i] == 0));
    }
    for (const base::Point& point : base::kPoints) CHECK(contains(line, " " + std::string(point.name) + "="));
  }
  CHECK(lines.size() == 8);
  std::remove(script.c_str());
}

TEST_CASE("faults are read with every mistake named, and written as they are read", "[sim][faults][text]") {
  const auto rule = [](const char* text) {
    sim::host::FaultSetup setup;
    return sim::host::parse_rule(text, setup);
  };
  CHECK(rule("") == "a fault class is needed, as in cpu.steal or net.*");
  CHECK(rule("cpu.stel").starts_with("there is no fault class 'cpu.stel'; there are cpu.steal, cpu.throttle"));
  CHECK(rule("disc.x") == "there is no fault class 'disc.x'; `orrery faults` lists them");
  CHECK(rule("cpu.steal intensity=5") == "intensity=5: allowed is 0 to 4");
  CHECK(rule("cpu.steal intensity") == "'intensity': a knob is written name=value");
  CHECK(rule("cpu.steal ratio=3/2").starts_with("ratio=3/2: allowed is a ratio A/B"));
  CHECK(rule("cpu.steal ratio=3").starts_with("ratio=3: allowed is a ratio A/B"));
  CHECK(rule("cpu.steal per-minute=3") ==
        "cpu.steal has no knob 'per-minute'; it has target, intensity, ratio, from, to, at-most, time");
  CHECK(rule("cpu.offline ratio=1/2") ==
        "cpu.offline has no knob 'ratio'; it has target, intensity, per-minute, from, to, at-most, length");
  CHECK(rule("cpu.offline per-minute=6001") == "per-minute=6001: allowed is 0 to 6000");
  CHECK(rule("cpu.steal time=5us..2us").ends_with("allowed is 1000ns to 10000000ns, or a range of them"));
  CHECK(rule("cpu.steal time=1h").ends_with("allowed is 1000ns to 10000000ns, or a range of them"));
  CHECK(rule("cpu.steal from=x") == "from=x: allowed is a virtual time, as in 10s");
  CHECK(rule("cpu.steal from=2s to=1s") == "from is later than to");
  CHECK(rule("cpu.steal target=").starts_with("target=: allowed is a pattern"));
  const auto line = [](const char* text) {
    sim::host::Schedule schedule;
    return sim::host::parse_schedule(std::string("orrery-overrides 1\n") + text, schedule);
  };
  CHECK(line("fault cpu.steal 1/core0 @3") ==
        "line 2: fault is followed by a class, a target, @ordinal, and spare or fire");
  CHECK(line("fault cpu.steal 1/core0 3 spare") == "line 2: '3': an ordinal is written @118");
  CHECK(line("fault cpu.steal 1/core0 @3 kill") == "line 2: 'kill': allowed is spare or fire");
  CHECK(line("fault cpu.steal 1/core0 @3 fire size=3") == "line 2: cpu.steal has no knob 'size'; it has time");
  CHECK(line("fault irq.double 1/irq1 @3 fire size=3") == "line 2: irq.double has no knob 'size'");
  CHECK(line("budget disks=3") == "line 2: 'disks=3': nodes-down, copies-lost and clock-error can stand here");

  const std::string text =
      "budget copies-lost=2\narm cpu.steal target=1/core* ratio=1/7 from=1000ns at-most=9 time=5000ns..6000ns\n"
      "arm cpu.offline per-minute=30\nfault cpu.steal 1/core0 @3 fire time=5000ns\nfault irq.lost 1/irq1 @0 spare\n";
  sim::host::Schedule schedule;
  REQUIRE(sim::host::parse_schedule("orrery-overrides 1\n" + text, schedule) == "");
  CHECK(sim::host::text_of(schedule.faults) == text);
  sim::host::FaultSetup both;
  REQUIRE(sim::host::parse_rule("cpu.steal:intensity=4,time=5us target=*/core1", both) == "");
  CHECK(sim::host::text_of(both) == "arm cpu.steal target=*/core1 ratio=1/10 time=5000ns\n");
  REQUIRE(sim::host::parse_forced("cpu.steal 1/core0 @3 spare", both) == "");
  REQUIRE(sim::host::parse_forced("cpu.steal 1/core0 @3 fire", both) == "");
  CHECK(sim::host::find_doubled(both).starts_with("set twice: fault cpu.steal 1/core0 @3"));
}

TEST_CASE("a recording and a file of choices carry the faults of their run", "[sim][faults][cli]") {
  using namespace cli_lab;
  const std::string script = script_file("one\ntwo\n");
  const std::string recording = temporary("faults.orrery");
  const std::string choices = temporary("faults.txt");
  const std::string run = kOrrery + " run " + script + " --seed 5 --digest";
  const Finished made =
      shell(run + " --fault 'cpu.steal ratio=1/2' --fault 'irq.* intensity=4' --override 'fault cpu.steal " +
            "1/core0 @1 fire time=9us' --record " + recording + " --choices " + choices + " 2>&1");
  CHECK(made.code == 0);
  CHECK(contains(made.out, "fault cpu.steal 1/core0: "));
  const std::string root = made.out.substr(made.out.find("digest "));
  const Finished again = shell(run + " --overrides " + choices + " 2>/dev/null");
  CHECK(again.out.substr(again.out.find("digest ")) == root);
  CHECK(!contains(shell(run + " 2>/dev/null").out, root));
  const Finished replayed = shell(kOrrery + " replay " + recording + " 2>&1");
  CHECK(replayed.code == 0);
  CHECK(shell(run + " --fault 'cpu.steel' 2>&1").code == 2);
  for (const std::string& file : {script, recording, choices}) std::remove(file.c_str());
}
