// Where the suite runs: without privileges, network and performance counters. ./check runs all of it so
// (tools/unprivileged.sh); here is that this wrapper takes away what it says, and that what is left is enough.
#include <catch2/catch.hpp>

#include "tests/sim/cli_lab.h"
#include "tests/skip.h"

using namespace cli_lab;

namespace {

const std::string kSource = std::string(ORRERY_SOURCE_DIR) + "/";
const std::string kTests = std::string(ORRERY_BUILD_DIR) + "/tests/";
const std::string kWrapper = kSource + "tools/unprivileged.sh ";

}  // namespace

TEST_CASE("the suite needs no privilege, no network and no counters", "[system][suite][simulation.T97]") {
  const Finished inside = shell(kWrapper + "sh -c 'cat /proc/self/status /proc/net/dev; id -u' 2>&1");
  CAPTURE(inside.out);
  REQUIRE(inside.code == 0);
  CHECK(contains(inside.out, "CapEff:\t0000000000000000"));
  CHECK(contains(inside.out, "NoNewPrivs:\t1"));
  if (contains(inside.out, "no network namespaces here")) {
    skip("this host grants no network namespace: that nothing uses the network is not shown");
  } else {
    CHECK(contains(inside.out, "lo:"));
    CHECK(!contains(inside.out, "eth0:"));
  }
  // What the suite is made of holds in there: the core's tests, runs, perturbed runs and campaigns of the command.
  const std::string script = kSource + "tests/determinism/processes.fsh";
  for (const std::string& line :
       {kTests + "base_tests", kTests + "judge_tests", kOrrery + " run " + script,
        kOrrery + " verify " + script + " --quick", kOrrery + " campaign " + script + " --seeds 1..4 --jobs 1 -q"}) {
    CAPTURE(line);
    CHECK(shell(kWrapper + line + " >/dev/null 2>&1").code == 0);
  }
  // A counter or a debugger's grip on another process would show as a symbol.
  const std::string imported = shell("nm -D --undefined-only " + kOrrery).out;
  REQUIRE(contains(imported, " fork"));
  CHECK(!contains(imported, "ptrace"));
  CHECK(!contains(imported, "perf_event_open"));
}

TEST_CASE("what a test leaves out is listed with its reason", "[system][suite][simulation.T97]") {
  const std::string log = temporary("ctest.log");
  std::ofstream(log) << "1/2 Testing: some_tests\n1/2 Test: some_tests\nCommand: \"some_tests\"\nOutput:\n"
                        "SKIPPED: a machine agrees: there is no image for riscv64\n"
                        "All tests passed (7 assertions in 3 test cases)\n<end of output>\nTest Passed.\n"
                        "2/2 Testing: other\n2/2 Test: other\nCommand: \"other\"\nOutput:\n"
                        "test cases:  4 |  3 passed | 1 failed\nTest Failed.\n";
  const std::string count = "python3 " + kSource + "tools/count_tests.py " + log;
  CHECK(shell(count + " 2>/dev/null").out == "6 1\n");
  CHECK(shell(count + " 2>&1 >/dev/null").out == "left out: a machine agrees: there is no image for riscv64\n");
  std::remove(log.c_str());
}
