// tests/root/processes_test.cpp — what /proc tells of processes, as the kernel knows it, and what its ctl files do to them.
#include <catch2/catch.hpp>

#include <string>

#include "sim/host/contain.h"
#include "sim/host/machine_host.h"
#include "user/image.h"
#include "user/native.h"

namespace {

struct Session {
  sim::Outcome outcome = sim::Outcome::Running;
  bool sound = false;
  std::string output;
};

Session run(const std::string& script, u32 cores = 2) {
  constexpr u64 kRamBytes = u64{64} << 20;
  constexpr u64 kLimitNs = 600'000'000'000;
  Session session;
  sim::host::Machine machine({.seed = 1,
                              .cores = cores,
                              .ram_bytes = kRamBytes,
                              .image = std::string(base::text_of(user::boot_image())),
                              .console = sim::ConsoleKind::Script,
                              .script = script,
                              .entries = user::native_entries()});
  machine.on_output = [&](u32, base::Bytes bytes) { session.output += base::text_of(bytes); };
  REQUIRE(machine.start() == "");
  sim::host::contain(machine.world(), {.report_assertions = false});
  session.outcome = machine.world().run(kLimitNs);
  sim::host::release_containment();
  std::vector<u8> scratch(kRamBytes / 16);
  session.sound = !kernel::check_invariants(machine.world().nodes()[0].kernel(), scratch);
  CHECK(session.outcome == sim::Outcome::Ended);
  CHECK(session.sound);
  return session;
}

}  // namespace

TEST_CASE("the state of a process is that of its thread: servers wait, who asks runs, who has no budget is ready",
          "[user][root][proc]") {
  const Session session =
      run("sleep 1; ps > /tmp/ps; grep -E ' (init|ramfs|timer|pipe|dev|console)$' /tmp/ps | tr -s ' ' | cut -d' ' -f5 "
          "| sort -u\n"
          "cat /proc/self/status | grep -E '^(state|waiting)'\n"
          "sleep 100 & sleep 1; grep -E '^(state|waiting)' /proc/$!/status; kill $!\n"
          "spin & a=$!; spin & b=$!; sleep 1; grep -E '^(state|waiting)' /proc/$a/status; kill $a $b\n"
          "realm make q; realm limit q cpu 1ms/100s; realm run q spin & sleep 1\n"
          "grep -E '^(state|waiting)' /proc/$(cat /realm/child/q/procs)/status; exit 0\n");
  CHECK(session.output ==
        "blocked\nstate running\nwaiting answer\nstate blocked\nwaiting signal\nstate running\nwaiting -\n"
        "state ready\nwaiting budget\n");
}

TEST_CASE("a stopped server answers nobody until it goes on, and then everybody", "[user][root][proc]") {
  const Session session =
      run("mount ramfs /mnt; echo there > /mnt/f; p=$(pidof ramfs | tr ' ' '\\n' | sort -n | tail -n 1)\n"
          "echo stop > /proc/$p/ctl; grep ^state /proc/$p/status; cat /mnt/f & cat /mnt/f & sleep 5\n"
          "echo before; echo start > /proc/$p/ctl; wait; grep ^state /proc/$p/status\n"
          "echo hang > /proc/$p/ctl; grep ^state /proc/$p/status; timeout 3 cat /mnt/f; echo $?\n"
          "echo start > /proc/$p/ctl; cat /mnt/f; exit 0\n");
  CHECK(session.output == "state stopped\nbefore\nthere\nthere\nstate blocked\nstate blocked\n124\nthere\n");
}

TEST_CASE("the file `wait` gives a line for each child that ends, and waits for it", "[user][root][proc]") {
  const Session session = run(
      "cat > /tmp/in <<'E'\n"
      "sleep 2 & head -n 1 /proc/$$/wait > /tmp/w; cut -d' ' -f3,5- /tmp/w; [ $(cut -d' ' -f4 /tmp/w) -gt 1900000 ] && "
      "echo slept\n"
      "crashme 2> /dev/null & head -n 1 /proc/$$/wait | cut -d' ' -f5-\nE\n"
      "fsh /tmp/in; head -n 1 /proc/self/wait; cat /proc/1/wait & sleep 1; kill $!; wait; echo none; exit 0\n");
  CHECK(session.output == "0 0 ''\nslept\n139 'page fault at 0x0'\nnone\n");
}

TEST_CASE("/proc tells of descriptors, capabilities, memory and registers", "[user][root][proc]") {
  const Session session = run(
      "sleep 100 < /etc/passwd & p=$!; sleep 1; cd /; head -n 1 /proc/$p/fd; grep -c -v / /proc/$p/fd\n"
      "sleep 100 < /etc/passwd 5< /etc/hosts & q=$!; sleep 1; grep -c -v / /proc/$q/fd; cut -d' ' -f1 /proc/$q/fd | "
      "grep -c '^5$'\n"
      "grep -E '^(1|2|4|5) ' /proc/$p/caps | cut -d' ' -f1-3; cut -d' ' -f2- /proc/$p/maps\n"
      "wc -l < /proc/$p/regs; head -n 1 /proc/$p/regs; kill $p $q; wait; ls /proc/$p 2>&1 | cut -d: -f3; exit 0\n");
  CHECK(session.output ==
        "/\n3\n4\n1\n1 endpoint -wgp\n2 reply --g-\n4 cnode ----\n5 notification rw--\nrw- arena heap\n"
        "rw- buffer ipc\n32\npc 1\n not found\n");
}

TEST_CASE("ctl faults a process and takes memory from its realm; only root's, and never init", "[user][root][proc]") {
  const Session session =
      run("sleep 100 & echo fault > /proc/$!/ctl; wait $!; echo $?\n"
          "realm make q; realm limit q memory 2M; realm run q sleep 100 & sleep 1; p=$(cat /realm/child/q/procs)\n"
          "echo leak 64K > /proc/$p/ctl && echo leaked; echo leak 4M > /proc/$p/ctl; echo leak x > /proc/$p/ctl\n"
          "realm kill q; echo hang > /proc/1/ctl; echo fault > /proc/1/ctl; exit 0\n");
  CHECK(session.output.find("faulted: fault]\n139\nleaked\necho: write error: out of memory: quota 2M\n"
                            "echo: write error: bad argument: leak x\n") != std::string::npos);
  CHECK(session.output.ends_with("write error: operation not permitted\necho: write error: operation not permitted\n"));
  CAPTURE(session.output);
}

TEST_CASE("the load average follows the work of the last minutes", "[user][root][proc]") {
  const Session session =
      run("cut -d' ' -f1-3 /proc/loadavg; spin & spin & sleep 60; cut -d. -f1 /proc/loadavg; kill $(pidof spin)\n"
          "grep -c '/' /proc/loadavg; sleep 500; cut -d' ' -f1-3 /proc/loadavg; exit 0\n");
  CHECK(session.output == "0.00 0.00 0.00\n1\n1\n0.00 0.06 0.06\n");
}
