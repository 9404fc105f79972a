// The `orrery` command as a user sees it: output, exit codes, suggestions; and `verify` naming planted leaks.
#include <catch2/catch.hpp>

#include "tests/sim/cli_lab.h"

using namespace cli_lab;

TEST_CASE("run prints the console on stdout and how to reproduce it on stderr", "[sim][cli]") {
  const std::string script = script_file("echo hello\nsleep\nexit 3\n");
  const Finished out = shell(kOrrery + " run " + script + " --seed 7 --digest 2>/dev/null");
  CHECK(out.code == 1);  // its guest ended with a status of its own
  REQUIRE(out.out.starts_with("hello\ndigest "));
  CHECK(out.out.size() == std::string("hello\ndigest ").size() + 32 + 1);
  CHECK(shell(kOrrery + " run " + script + " --seed 7 --digest 2>/dev/null").out == out.out);
  CHECK(shell(kOrrery + " run " + script + " --seed 8 --digest 2>/dev/null").out != out.out);
  const Finished line = shell(kOrrery + " run " + script + " --seed 7 --cores 2 2>&1 >/dev/null");
  CHECK(line.out == "orrery: guest status 3; reproduce with: orrery run " + script + " --seed 7 --cores 2\n");
}

TEST_CASE("piped input of live is a script and its status the guest's", "[sim][cli]") {
  const std::string state = temporary("state");
  const Finished finished = shell("printf 'echo one\\nexit 5\\n' | " + kOrrery + " live --state " + state + " 2>&1");
  CHECK(finished.out == "one\n");
  CHECK(finished.code == 5);
}

TEST_CASE("a stalled world is exit 10 with its threads", "[sim][cli]") {
  const Finished finished = shell("echo hang | " + kOrrery + " run - 2>&1");
  CHECK(finished.code == 10);
  CHECK(contains(finished.out, "stalled at"));
  CHECK(contains(finished.out, "waiting"));
}

TEST_CASE("a stalled world prints the circle of threads that wait for each other", "[sim][cli][simulation.T19]") {
  const Finished finished = shell("echo embrace | " + kOrrery + " run - 2>&1");
  CAPTURE(finished.out);
  CHECK(finished.code == 10);
  const auto at = finished.out.find("  a circle: ");
  REQUIRE(at != std::string::npos);
  const std::string circle = finished.out.substr(at, finished.out.find('\n', at) - at);
  CHECK(contains(circle, " waits for the reply of "));
  CHECK(contains(circle, " waits to send to "));
  CHECK(!contains(shell("echo hang | " + kOrrery + " run - 2>&1").out, "a circle"));
}

TEST_CASE("a boot image that is none is refused with the byte, before anything runs", "[sim][cli][hostile]") {
  const std::string script = script_file("exit 0\n");
  const std::string image = "/tmp/orrery-cli-test-image-" + std::to_string(getpid());
  std::ofstream(image) << std::string(1024, 'x');
  const Finished text = shell(kOrrery + " run " + script + " --image " + image + " 2>&1");
  CHECK(text.code == 8);
  CHECK(contains(text.out, "not a boot image: at byte"));
  std::ofstream(image) << std::string(1024, '\0');
  const Finished empty = shell(kOrrery + " run " + script + " --image " + image + " 2>&1");
  CHECK(empty.code == 8);
  CHECK(contains(empty.out, "no boot/manifest"));
  CHECK(shell(kOrrery + " live --image /nonexistent </dev/null 2>&1").code == 8);
  std::remove(image.c_str());
}

TEST_CASE("a script that cannot be read, or is a directory, is exit 8", "[sim][cli][hostile]") {
  for (const char* path : {"/nonexistent", "/", "/tmp"}) {
    CAPTURE(path);
    const Finished finished = shell(kOrrery + " run " + path + " 2>&1");
    CHECK(finished.code == 8);
    CHECK(finished.out == std::string("orrery: ") + path + ": cannot be read\n");
  }
}

TEST_CASE("a virtual time limit is exit 11", "[sim][cli]") {
  CHECK(shell("printf 'sleep\\nsleep\\n' | " + kOrrery + " run - --until 500ms 2>/dev/null").code == 11);
}

TEST_CASE("a loop without charge is named with its stack within its time", "[sim][cli][watchdog][simulation.T18]") {
  const Finished finished = shell("echo spin | timeout 20 " + kOrrery + " run - 2>&1");
  CHECK(finished.code == 7);
  CHECK(contains(finished.out, "watchdog: thread "));
  CHECK(contains(finished.out, "neither charges nor traps"));
  CHECK(contains(finished.out, "orrery_small("));  // frames of the program's own stack
}

TEST_CASE("every verb has help, an example and exit codes; a wrong flag gets a suggestion",
          "[sim][cli][simulation.T95]") {
  for (const std::string verb : {"live", "run", "replay", "verify", "digest", "recording", "faults", "lint", "boot",
                                 "doctor", "version", "help"}) {
    CAPTURE(verb);
    const Finished help = shell(kOrrery + " " + verb + " --help");
    CHECK(help.code == 0);
    CHECK(help.out.starts_with("orrery " + verb + ": "));
    CHECK(contains(help.out, "usage: orrery " + verb));
    CHECK(contains(help.out, "example: "));
    CHECK(contains(help.out, "exit:    0") == (verb != "live"));
    CHECK(contains(help.out, "exit: "));
    const Finished wrong = shell(kOrrery + " " + verb + " --hepl 2>&1");
    CHECK(wrong.code == 2);
    CHECK(contains(wrong.out, "did you mean '--help'"));
  }
  const Finished verb = shell(kOrrery + " verfy 2>&1");
  CHECK(verb.code == 2);
  CHECK(contains(verb.out, "did you mean 'verify'"));
}

TEST_CASE("absurd sizes are refused with what is allowed", "[sim][cli]") {
  for (const std::string flags :
       {"--cores 0", "--cores 129", "--cores x", "--memory 1M", "--memory 17M", "--memory 99G"}) {
    CAPTURE(flags);
    const Finished finished = shell(kOrrery + " run - " + flags + " 2>&1 </dev/null");
    CHECK(finished.code == 2);
    CHECK(contains(finished.out, "allowed is"));
  }
  CHECK(shell(kOrrery + " run /no/such/script 2>/dev/null").code == 8);
}

TEST_CASE("a seed may be a number or any text", "[sim][cli]") {
  const auto digest = [](const std::string& seed) {
    return shell("echo 'echo x' | " + kOrrery + " run - --digest --seed " + seed + " 2>/dev/null").out;
  };
  CHECK(digest("0x10") == digest("16"));
  CHECK(digest("release-1") == digest("release-1"));
  CHECK(digest("release-1") != digest("release-2"));
}

TEST_CASE("verify finds equal roots under every variant", "[sim][cli][verify]") {
  const std::string script = script_file("echo a\nwork\nsleep\ntime\necho b\n");
  const Finished finished = shell(kOrrery + " verify " + script + " --seeds 1..3");
  CHECK(finished.code == 0);
  CHECK(contains(finished.out, "equal "));
}

namespace {

/// Each planted leak is named by `verify` in so many rounds of as many; a build without one is clean.
void check_leaks(u32 rounds) {
  const std::string folder = temporary("leaks");  // a directory nobody else writes to, for D10
  shell("mkdir -p " + folder + "; touch " + folder + "/one");
  const std::string script = folder + "/script";
  std::ofstream(script) << "work\necho a\nsleep\nrandom\necho b\n";
  struct Leak {
    std::string name;
    std::string flags;
    std::string variant;
    std::string event;
    std::string operand;
    std::string cause;
  };
  const std::string with = " --with " + kOrrery + "_leaks_other";
  const std::vector<Leak> leaks = {
    {"wall-clock", " --full", "clock", "world.idle-skip", "operands differ: time, b", "clock_gettime was called"},
    {"entropy", "", "fresh", "host.console-out", "only operand b differs", "getrandom was called"},
#if !defined(__SANITIZE_ADDRESS__)  // its allocator takes the place of the one that shuffles
    {"pointer-map", "", "alloc", "host.console-out", "only operand c differs", "order of addresses"},
#endif
    {"salted-hash", "", "fresh", "host.console-out", "only operand c differs", "differs between"},
    {"padding", "", "poison", "host.console-out", "only operand c differs", "uninitialised"},
    {"host-thread", " --full", "load", "host.console-out", "only operand c differs", "pthread_create was called"},
    {"environment", "", "env", "host.console-out", "only operand c differs", "getenv was called"},
    {"address-in-message", "", "fresh", "host.console-out", "only operand c differs", "host address"},
    {"float-mode", with, "with", "host.console-out", "only operand c differs", "floats"},
    {"directory-order", "", "env", "host.console-out", "only operand c differs", "opendir was called"},
#ifdef ORRERY_OTHER_COMPILER
    {"two-draws", with, "with", "host.console-out", "only operand c differs", "evaluation order"},
#endif
    {"leftover", "", "again", "host.console-out", "only operand c differs", "earlier world"},
  };
  for (const Leak& leak : leaks) {
    for (u32 round = 0; round < rounds; ++round) {
      CAPTURE(leak.name, round);
      const Finished finished = shell("cd " + folder + " && ORRERY_LEAK=" + leak.name + " " + kOrrery +
                                      "_leaks verify " + script + leak.flags + " 2>/dev/null");
      CAPTURE(finished.out);
      CHECK(finished.code == 4);
      CHECK(contains(finished.out, "DIVERGED"));
      CHECK(contains(finished.out, "variant " + leak.variant));
      CHECK(contains(finished.out, leak.event));
      CHECK(contains(finished.out, leak.operand));
      CHECK(contains(finished.out, leak.cause));
    }
  }
  const Finished clean =
      shell("cd " + folder + " && " + kOrrery + "_leaks verify " + script + " --full" + with + " 2>/dev/null");
  CAPTURE(clean.out);
  CHECK(clean.code == 0);
}

}  // namespace

TEST_CASE("verify names the first event of each planted leak",
          "[sim][cli][verify][simulation.D1][simulation.D2][simulation.D3][simulation.D4][simulation.D5][simulation.D6]"
          "[simulation.D7][simulation.D8][simulation.D9][simulation.D10][simulation.D11][simulation.D12]") {
  check_leaks(2);
}

// Takes minutes, so it is asked for by its tag: sim_tests "[leaks-ten-times]".
TEST_CASE("verify names the first event of each planted leak ten times of ten", "[.][leaks-ten-times]") {
  check_leaks(10);
}

TEST_CASE("a forbidden call inside a step ends the run with its name", "[sim][cli][guard]") {
  const std::string script = script_file("sleep\n");
  const Finished finished = shell("ORRERY_LEAK=wall-clock " + kOrrery + "_leaks run " + script + " 2>&1");
  CHECK(finished.code == 5);
  CHECK(contains(finished.out, "clock_gettime was called inside a step of the world, after event #"));
}

TEST_CASE("verify runs a recording under every variant", "[sim][cli][verify][simulation.T8]") {
  const std::string script = script_file("work\necho a\nsleep\nrandom\ntime\n");
  const std::string file = temporary("verified.orrery");
  shell(kOrrery + " run " + script + " --seed 9 --cores 3 --record " + file + " 2>/dev/null");
  const Finished finished = shell(kOrrery + " verify " + file + " --full 2>/dev/null");
  CAPTURE(finished.out);
  CHECK(finished.code == 0);
  CHECK(contains(finished.out, "12 variants"));
}
