// One run in a process of its own: what comes back when it ends as it should, and when it does not.
#include <catch2/catch.hpp>

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "base/assert.h"
#include "sim/host/campaign/pool.h"
#include "sim/host/campaign/report_bytes.h"
#include "sim/host/campaign/wire.h"
#include "sim/host/machine.h"

using namespace sim::host;
using namespace sim::host::campaign;

namespace {

/// What the seed says happens.
class Trouble final : public Case {
 public:
  enum Seed : u64 { Good, Assertion, Signal, Exit, Forever, Memory, Watchdog };
  std::string name() const override { return "trouble"; }
  std::string plan_id() const override { return std::string(64, '0'); }
  std::string reproduction(const RunSetup&) const override { return "run trouble"; }
  RunReport run(const RunSetup& setup) override {
    switch (setup.seed) {
      case Assertion:
        signal(SIGABRT, SIG_DFL);  // the test program would report it as its own
        ASSERT(setup.seed == Good);
        break;
      case Signal: raise(SIGKILL); break;
      case Exit: _exit(42);
      case Forever:
        for (;;) pause();
      case Memory:
        for (;;) {
          u8* pages = map_memory(1 << 20);
          if (pages != nullptr) std::memset(pages, 1, 1 << 20);
          usleep(1000);
        }
      case Watchdog:
        if (write(STDERR_FILENO, kWords.data(), kWords.size()) < 0) break;
        _exit(kWatchdog);
      default: break;
    }
    RunReport report;
    report.events = setup.seed;
    return report;
  }
  static constexpr std::string_view kWords =
      "orrery: watchdog: thread worker-12 (node 1, id 7) neither charges nor traps; last event #991 at 5 ns\n";
};

RunReport run_isolated(u64 seed, HostLimits limits = {}) {
  Trouble trouble;
  Isolation isolation;
  return isolation.run(trouble, {.seed = seed}, limits).report;
}

/// A report in which nothing has its default.
RunReport full_report() {
  RunReport report;
  report.verdict = Verdict::Stalled;
  report.finding = Finding{"fs.ack", "always", "fxfs", "details", "a b c", 17, 18, 19, true};
  report.root = {1, 2};
  report.events = 3;
  report.virtual_ns = 4;
  report.status = 5;
  report.tainted = true;
  report.strategy = "pct";
  report.drawn = "cores=2";
  report.hits = {{"retry", "sometimes", 6, -7, 8}};
  report.faults = {{"net.loss", "lan", 9, 10, 11}};
  report.features = {12, 13};
  report.choices = {{sim::ChoiceKind::Cut, "1/fsh.1", 14, 15}};
  report.fired = {{"disk.slow", "b0", 16, 17, "factor=2"}};
  report.operations = {"client b/1 @3"};
  report.unused = {"tie world @9 1"};
  report.console = std::string("zero \0 byte", 11);
  return report;
}

}  // namespace

TEST_CASE("a report crosses a pipe whole, and no part of one passes for one", "[campaign][hostile]") {
  const RunReport report = full_report();
  const std::string bytes = bytes_of(report);
  const auto back = report_of(bytes);
  REQUIRE(back);
  CHECK(bytes_of(*back) == bytes);
  CHECK(back->finding->details == "details");
  CHECK(back->finding->held_at == 19);
  CHECK(back->finding->is_liveness);
  CHECK(back->console == report.console);
  CHECK(back->choices[0].actor == "1/fsh.1");
  CHECK(back->hits[0].low == -7);
  CHECK(back->unused == report.unused);
  for (u64 size = 0; size < bytes.size(); ++size) {
    CAPTURE(size);
    REQUIRE_FALSE(report_of(std::string_view(bytes).substr(0, size)));
  }
  CHECK_FALSE(report_of(bytes + "x"));
  RunSetup setup{.seed = 9,
                 .sched = "pct",
                 .overrides = "o",
                 .checks = "c",
                 .record = "r",
                 .until = 5,
                 .events_max = 6,
                 .keep_console = true,
                 .keep_lists = true,
                 .keep_features = true};
  const auto setup_back = setup_of(bytes_of(setup));
  REQUIRE(setup_back);
  CHECK(bytes_of(*setup_back) == bytes_of(setup));
  CHECK(setup_back->keep_features);
}

TEST_CASE("whatever becomes of a run's process is a report", "[campaign][isolate]") {
  const RunReport good = run_isolated(Trouble::Good);
  CHECK(good.verdict == Verdict::Held);
  const RunReport assertion = run_isolated(Trouble::Assertion);
  CHECK(assertion.verdict == Verdict::Broken);
  REQUIRE(assertion.finding);
  CHECK(assertion.finding->kind == "assert");
  CHECK(assertion.finding->property == "setup.seed == Good");
  const RunReport killed = run_isolated(Trouble::Signal);
  CHECK(killed.verdict == Verdict::Broken);
  CHECK(killed.finding->property == "Killed");
  CHECK(run_isolated(Trouble::Exit).finding->property == "ended with code 42");
  const RunReport silent = run_isolated(Trouble::Watchdog);
  CHECK(silent.verdict == Verdict::Silent);
  CHECK(silent.finding->role == "worker");
  CHECK(silent.finding->moment == 991);
  CHECK(silent.finding->time_ns == 5);
}

TEST_CASE("a run that takes too much of the host has no verdict", "[campaign][isolate][simulation.T11]") {
  const RunReport late = run_isolated(Trouble::Forever, {.wall_ms = 150});
  CHECK(late.verdict == Verdict::Limit);
  CHECK(late.finding->property == "more than 150 ms of the host's time");
  const RunReport large = run_isolated(Trouble::Memory, {.wall_ms = 20'000, .memory_bytes = u64{100} << 20});
  CHECK(large.verdict == Verdict::Limit);
  CHECK(large.finding->property == "more than 104857600 bytes of memory");
}

TEST_CASE("every job of a pool is answered once, also when a worker dies", "[campaign][pool]") {
  Trouble trouble;
  Pool pool({&trouble}, 2, {});
  std::vector<u64> answers(40);
  u64 next = 100;
  u64 answered = 0;
  while (answered < answers.size()) {
    while (next < 100 + answers.size() && pool.has_room()) {
      pool.give({.number = next - 100, .setup = {.seed = next}});
      next += 1;
    }
    if (answered == 10) {
      // A worker, not the run in it: what a host out of memory does.
      std::FILE* children = popen(("pgrep -P " + std::to_string(getpid())).c_str(), "r");
      long worker = 0;
      REQUIRE(children != nullptr);
      const int found = fscanf(children, "%ld", &worker);
      pclose(children);
      if (found == 1) kill(static_cast<pid_t>(worker), SIGKILL);
    }
    const auto done = pool.wait(1000);
    if (!done) continue;
    answers[done->job.number] += 1;
    answered += 1;
  }
  CHECK(pool.pending() == 0);
  CHECK(std::count(answers.begin(), answers.end(), 1u) == 40);
}

TEST_CASE("messages are taken whole from a stream, however it is cut", "[campaign][wire]") {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  CHECK(send_message(ends[1], "first"));
  CHECK(send_message(ends[1], ""));
  CHECK(send_message(ends[1], "third"));
  close(ends[1]);
  std::string all;
  while (read_some(ends[0], all)) continue;
  close(ends[0]);
  std::string received;
  std::vector<std::string> messages;
  std::string message;
  for (const char byte : all) {
    received += byte;
    while (take_message(received, message)) messages.push_back(message);
  }
  CHECK(messages == std::vector<std::string>{"first", "", "third"});
  CHECK(received.empty());
}
