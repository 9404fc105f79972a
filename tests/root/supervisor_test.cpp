// tests/root/supervisor_test.cpp — servers that are killed come back, those who use them go on, and /proc/supervisor
// tells of it: sessions on whole nodes.
#include <catch2/catch.hpp>

#include <cstdio>
#include <string>
#include <vector>

#include "sim/host/machine_host.h"
#include "user/image.h"
#include "user/native.h"

namespace {

struct Session {
  sim::Outcome outcome = sim::Outcome::Running;
  u32 status = 0;
  u64 now = 0;
  bool sound = false;
  std::string output;
};

/// The boot image with another text, of at most one block, in a file that is there.
std::string with_file(std::string image, const std::string& name, const std::string& text) {
  constexpr std::size_t kBlock = 512;
  constexpr std::size_t kSizeField = 124;
  constexpr std::size_t kSumField = 148;
  REQUIRE(text.size() <= kBlock);
  for (std::size_t at = 0; at + kBlock <= image.size() && image[at] != 0;) {
    const std::size_t size = std::stoull(image.substr(at + kSizeField, 11), nullptr, 8);
    if (name != image.c_str() + at) {
      at += kBlock + (size + kBlock - 1) / kBlock * kBlock;
      continue;
    }
    REQUIRE((size > 0 && size <= kBlock));
    char octal[16];
    std::snprintf(octal, sizeof octal, "%011zo", text.size());
    image.replace(at + kSizeField, 11, octal);
    image.replace(at + kSumField, 8, 8, ' ');
    u32 sum = 0;
    for (std::size_t i = 0; i < kBlock; ++i) sum += static_cast<u8>(image[at + i]);
    std::snprintf(octal, sizeof octal, "%06o", sum);
    image.replace(at + kSumField, 7, std::string(octal) + '\0');
    image.replace(at + kBlock, kBlock, text + std::string(kBlock - text.size(), '\0'));
    return image;
  }
  FAIL("no such file in the boot image: " << name);
  return image;
}

std::string plain_image() { return std::string(base::text_of(user::boot_image())); }

Session run(const std::string& script, u32 cores = 2, const std::string& image = plain_image()) {
  constexpr u64 kRamBytes = u64{64} << 20;
  constexpr u64 kLimitNs = 600'000'000'000;
  Session session;
  sim::host::Machine machine({.seed = 1,
                              .cores = cores,
                              .ram_bytes = kRamBytes,
                              .image = image,
                              .console = sim::ConsoleKind::Script,
                              .script = script,
                              .entries = user::native_entries()});
  machine.on_output = [&](u32, base::Bytes bytes) { session.output += base::text_of(bytes); };
  REQUIRE(machine.start() == "");
  session.outcome = machine.world().run(kLimitNs);
  session.status = machine.world().status();
  session.now = machine.world().now();
  std::vector<u8> scratch(kRamBytes / 16);
  session.sound = !kernel::check_invariants(machine.world().nodes()[0].kernel(), scratch);
  return session;
}

/// The milliseconds at which the log says `NAME EVENT…`.
std::vector<u64> times_of(const std::string& log, const std::string& what) {
  std::vector<u64> times;
  for (std::size_t at = 0; at < log.size();) {
    const std::size_t end = std::min(log.find('\n', at), log.size());
    const std::string line = log.substr(at, end - at);
    const std::size_t word = line.find(' ');
    if (word != std::string::npos && line.compare(word + 1, what.size(), what) == 0) {
      times.push_back(std::stoull(line.substr(0, word)));
    }
    at = end + 1;
  }
  return times;
}

}  // namespace

TEST_CASE("a server killed five times comes back each time, after twice the delay of the last", "[user][init][boot]") {
  for (const u32 cores : {1u, 2u, 4u}) {
    CAPTURE(cores);
    const Session session =
        run("for i in 1 2 3 4 5; do kill -9 $(pidof dev); cat /dev/sysname; done\n"
            "cat /proc/supervisor/log; grep '^dev ' /proc/supervisor | tr -s ' ' | cut -d' ' -f3-5\nexit 4\n",
            cores);
    CAPTURE(session.output);
    CHECK(session.status == 4);
    CHECK(session.sound);
    CHECK(session.output.starts_with("orrery\norrery\norrery\norrery\norrery\n"));
    CHECK(session.output.ends_with("\nrunning 5 1600\n"));
    const std::vector<u64> faults = times_of(session.output, "dev fault note kill");
    const std::vector<u64> starts = times_of(session.output, "dev start");
    REQUIRE(faults.size() == 5);
    REQUIRE(starts.size() == 6);
    u64 delay = 100;
    for (u32 i = 0; i < 5; ++i, delay *= 2) {
      CAPTURE(i);
      CHECK(starts[i + 1] - faults[i] >= delay);
      CHECK(starts[i + 1] - faults[i] <= delay + 1);  // the log cuts to milliseconds
      CHECK(session.output.find("dev backoff " + std::to_string(delay) + "\n") != std::string::npos);
    }
  }
}

TEST_CASE("after a minute of running the delay starts anew", "[user][init][files.A59]") {
  const Session session =
      run("kill -9 $(pidof dev)\nsleep 59\ngrep '^dev ' /proc/supervisor | tr -s ' ' | cut -d' ' -f4,5\n"
          "sleep 3\ngrep '^dev ' /proc/supervisor | tr -s ' ' | cut -d' ' -f4,5\n");
  CHECK(session.output == "1 100\n0 0\n");
}

TEST_CASE("pipes work again after their server was killed, and who reads one of the old is told", "[user][init]") {
  for (const u32 cores : {1u, 4u}) {
    const Session session =
        run("echo a | cat\nkill -9 $(pidof pipe)\necho b | cat\n{ sleep 1; echo lost; } | cat &\nsleep 0.5\n"
            "kill -9 $(pidof pipe)\nwait\necho c | cat\necho alive\n",
            cores);
    CAPTURE(session.output);
    CHECK(session.outcome == sim::Outcome::Ended);
    CHECK(session.output.starts_with("a\nb\n"));
    CHECK(session.output.ends_with("c\nalive\n"));
    CHECK(session.output.find("lost") == std::string::npos);
  }
}

TEST_CASE("who sleeps wakes in time though the timer server was killed", "[user][init]") {
  for (const u32 cores : {1u, 2u}) {
    const Session session =
        run("sleep 2 &\nsleep 1\nkill -9 $(pidof timer)\nwait $!\ncat /dev/time | cut -d' ' -f2\n"
            "grep '^timer ' /proc/supervisor | tr -s ' ' | cut -d' ' -f3-5\n",
            cores);
    CHECK(session.output == "2\nrunning 1 100\n");
  }
}

TEST_CASE("a stopped service answers at once, and serves again when it is started", "[user][init][files.A62]") {
  const Session session =
      run("echo 'stop dev' > /proc/supervisor/ctl; cat /dev/sysname; echo x > /dev/null\n"
          "grep '^dev ' /proc/supervisor | tr -s ' ' | cut -d' ' -f2,3\n"
          "echo 'start dev' > /proc/supervisor/ctl; cat /dev/sysname; echo x > /dev/null; echo $?\n");
  CHECK(session.output == "cat: /dev/sysname: server stopped\nfsh: /dev/null: server stopped\n- stopped\norrery\n0\n");
}

TEST_CASE("a restart by command is no fault: it counts nothing and waits for nothing", "[user][init]") {
  const Session session =
      run("service restart dev; cat /dev/sysname; grep '^dev ' /proc/supervisor | tr -s ' ' | cut -d' ' -f3-5\n"
          "service reset dev; echo $?\n");
  CHECK(session.output == "orrery\nrunning 0 0\n0\n");
}

TEST_CASE("the table has its columns, and a service that is not there is not found",
          "[user][init][files.A56][files.A63]") {
  const Session session =
      run("cat /proc/supervisor; echo 'stop nope' > /proc/supervisor/ctl; echo 'frob dev' > /proc/supervisor/ctl\n"
          "head -n 2 /proc/supervisor/dev; cat /proc/supervisor/none\n");
  CHECK(session.output ==
        "NAME           PID  STATE     RESTARTS  BACKOFF  DEPS\n"
        "console          6  running          0        0  -\n"
        "dev              5  running          0        0  -\n"
        "pipe             4  running          0        0  -\n"
        "timer            3  running          0        0  -\n"
        "tmp              7  running          0        0  -\n"
        "echo: write error: not found: nope\n"
        "echo: write error: unknown control message: frob\n"
        "name dev\nstate running\n"
        "cat: /proc/supervisor/none: not found\n");
}

TEST_CASE("the shell goes on after its console's server was killed", "[user][init]") {
  // The server has read some of the script ahead, which goes with it: what is lost are lines that do nothing.
  std::string script = "echo before\nkill -9 $(pidof console)\n";
  for (u32 i = 0; i < 20'000; ++i) script += ":\n";
  script += "echo after; grep '^console ' /proc/supervisor | tr -s ' ' | cut -d' ' -f3-5\nexit 5\n";
  for (const u32 cores : {1u, 4u}) {
    const Session session = run(script, cores);
    CHECK(session.status == 5);
    CHECK(session.output == "before\nafter\nrunning 1 100\n");
  }
}

TEST_CASE("a console server that is killed with all of the input leaves the shell its end", "[user][init]") {
  const Session session = run("echo before\nkill -9 $(pidof console)\necho lost\nexit 5\n");
  CHECK(session.outcome == sim::Outcome::Ended);
  CHECK(session.status == 0);
  CHECK(session.output == "before\n");
}

TEST_CASE("a service that restarts with what it needs is stopped and started with it", "[user][init]") {
  const std::string image = with_file(plain_image(), "boot/service/dev",
                                      "program dev\nargs --world 0 --entropy 1 --power 2\nsrv dev\nmount /dev\n"
                                      "device world entropy power\nneeds pipe\nrestart-on-dep yes\n");
  const Session session =
      run("kill -9 $(pidof pipe)\nsleep 1\ncat /dev/sysname\ntail -n 1 /proc/supervisor\n"
          "grep -E ' (pipe|dev) ' /proc/supervisor/log | cut -d' ' -f2-\n",
          2, image);
  CAPTURE(session.output);
  CHECK(session.output.starts_with("orrery\ndev"));
  CHECK(session.output.find("running          1        0  pipe\n") != std::string::npos);
  CHECK(session.output.ends_with(
      "pipe start\ndev start\npipe ready\ndev ready\npipe fault note kill\npipe backoff 100\ndev stop\n"
      "dev waiting\npipe start\npipe ready\ndev start\ndev ready\n"));
}

TEST_CASE("more faults than restart-max leave a service failed until it is reset and started", "[user][init]") {
  const std::string image = with_file(plain_image(), "boot/service/dev",
                                      "program dev\nargs --world 0 --entropy 1 --power 2\nsrv dev\nmount /dev\n"
                                      "device world entropy power\nrestart-max 2\nbackoff 10ms\n");
  const Session session =
      run("for i in 1 2 3; do kill -9 $(pidof dev); cat /dev/sysname; done\n"
          "grep '^dev ' /proc/supervisor | tr -s ' ' | cut -d' ' -f2-5\n"
          "service reset dev; service start dev; cat /dev/sysname\n"
          "grep '^dev ' /proc/supervisor | tr -s ' ' | cut -d' ' -f3-5; grep -c 'dev failed' /dev/kmesg\n",
          2, image);
  CHECK(session.output ==
        "orrery\norrery\ncat: /dev/sysname: server stopped\n- failed 2 20\n"
        "orrery\nrunning 0 0\n1\n");
}

TEST_CASE("a server that hangs is found by its probe and started anew; one that answers is left alone",
          "[user][init][files.A60]") {
  const std::string image = with_file(plain_image(), "boot/service/dev",
                                      "program dev\nargs --world 0 --entropy 1 --power 2\nsrv dev\nmount /dev\n"
                                      "device world entropy power\nprobe sysname\n");
  const std::string row = "grep '^dev ' /proc/supervisor | tr -s ' ' | cut -d' ' -f3-5\n";
  const Session good = run("sleep 30; " + row, 2, image);
  CHECK(good.output == "running 0 0\n");
  const Session session = run("echo hang > /proc/$(pidof dev)/ctl; sleep 13; " + row +
                                  "grep ' dev ' /proc/supervisor/log | tail -n 4 | cut -d' ' -f2-\n",
                              2, image);
  CHECK(session.output == "running 1 100\ndev fault probe\ndev backoff 100\ndev start\ndev ready\n");
}

TEST_CASE("a probe by command finds a hung server that has none planned", "[user][init]") {
  const Session session =
      run("echo hang > /proc/$(pidof dev)/ctl; sleep 20; service probe pipe; service probe timer; service probe dev\n"
          "sleep 3; tail -n 5 /proc/supervisor | tr -s ' ' | cut -d' ' -f1,3-5\n");
  CHECK(session.output ==
        "console running 0 0\ndev running 1 100\npipe running 0 0\ntimer running 0 0\ntmp running 0 0\n");
}

TEST_CASE("a server that does not say in time that it serves is at fault", "[user][init]") {
  const std::string image =
      with_file(plain_image(), "boot/service/dev", "program hang\nsrv dev\nstart-timeout 2s\nbackoff 30s\n");
  const Session session =
      run("sleep 1; grep '^dev ' /proc/supervisor | tr -s ' ' | cut -d' ' -f3-5; sleep 3\n"
          "grep '^dev ' /proc/supervisor | tr -s ' ' | cut -d' ' -f3-5; cat /proc/supervisor/log\n",
          2, image);
  CAPTURE(session.output);
  CHECK(session.output.starts_with("starting 0 0\nbackoff 1 30000\n"));
  const std::vector<u64> start = times_of(session.output, "dev start");
  const std::vector<u64> fault = times_of(session.output, "dev fault start timeout");
  REQUIRE(start.size() == 1);
  REQUIRE(fault.size() == 1);
  CHECK(fault[0] - start[0] >= 2'000);
  CHECK(fault[0] - start[0] <= 2'002);
}

TEST_CASE("who waits for a service longer than a minute is told that it is stopped; later it serves again",
          "[user][init]") {
  const std::string image =
      with_file(plain_image(), "boot/service/pipe", "program pipe\nsrv pipe\nbackoff 150s\nbackoff-max 200s\n");
  const Session session =
      run("kill -9 $(pidof pipe)\necho a | cat; grep '^pipe ' /proc/supervisor | tr -s ' ' | cut -d' ' -f3\n"
          "cut -d' ' -f2 /dev/time; echo b | cat; cut -d' ' -f2 /dev/time; sleep 100; echo c | cat\n",
          2, image);
  CAPTURE(session.output);
  CHECK(session.output.find("server stopped\n") != std::string::npos);
  CHECK(session.output.find("\n60\n") != std::string::npos);
  CHECK(session.output.ends_with("60\nc\n"));
}

TEST_CASE("init keeps its alarms however often the timer server is killed", "[user][init]") {
  // A probe each 20 ms has init set alarms all the time.
  std::string image = with_file(plain_image(), "boot/service/dev",
                                "program dev\nargs --world 0 --entropy 1 --power 2\nsrv dev\nmount /dev\n"
                                "device world entropy power\nprobe sysname\nprobe-interval 20ms\n");
  image =
      with_file(image, "boot/service/timer",
                "program timer\nsrv timer\nclients each\ndevice timer0\npriority 220\nbackoff 1ms\nbackoff-max 2ms\n");
  for (const u32 cores : {1u, 2u, 4u}) {
    CAPTURE(cores);
    const Session session =
        run("sleep 3; for i in $(seq 40); do kill -9 $(pidof timer); sleep 0.0$i; done; kill -9 $(pidof dev); sleep 1\n"
            "grep -E '^(dev|timer) ' /proc/supervisor | tr -s ' ' | cut -d' ' -f1,3,4; cat /dev/sysname\n",
            cores, image);
    CHECK(session.output == "dev running 1\ntimer running 40\norrery\n");
  }
}

TEST_CASE("reload takes new manifests and changed ones, and refuses bad ones by name and line",
          "[user][init][files.A65]") {
  const Session session = run(
      "c=/proc/supervisor/ctl; d=/etc/service\n"
      "printf 'program /bin/ramfs\\nneeds b\\n' > $d/a; printf 'program /bin/ramfs\\nneeds a\\n' > $d/b\n"
      "echo reload > $c; rm $d/b; echo reload > $c; printf 'program x\\nfrob 1\\n' > $d/a; echo reload > $c; rm $d/a\n"
      "printf 'program ramfs\\nsrv extra\\nmount /mnt\\nneeds pipe\\n' > $d/extra; echo reload > $c; echo $?\n"
      "echo kept > /mnt/f; cat /mnt/f; grep '^extra ' /proc/supervisor | tr -s ' ' | cut -d' ' -f3-\n"
      "echo reload > $c; kill -9 $(grep '^extra ' /proc/supervisor | tr -s ' ' | cut -d' ' -f2); ls /mnt | wc -l\n"
      "grep '^extra ' /proc/supervisor | tr -s ' ' | cut -d' ' -f3-\n"
      "printf 'program ramfs\\nsrv extra\\nmount /mnt\\nbackoff 7s\\n' > $d/extra; echo reload > $c\n"
      "grep -c 'extra reload' /proc/supervisor/log; tail -n 1 /proc/supervisor/extra; echo 'reload x' > $c\n"
      "echo x > /proc/supervisor/load; grep -c dependency /dev/kmesg\n");
  CHECK(session.sound);
  CHECK(session.output ==
        "echo: write error: bad argument: dependency cycle: a -> b -> a\n"
        "echo: write error: bad argument: a: needs b: not found\n"
        "echo: write error: bad argument: a:2: unknown key: frob\n"
        "0\nkept\nrunning 0 0 pipe\n0\nrunning 1 100 pipe\n1\nbackoff 7s\n"
        "echo: write error: bad argument: x\necho: write error: operation not permitted\n1\n");
}

TEST_CASE("a server started for a mount ends with its last mount, once nothing of it is open", "[user][init]") {
  const Session session =
      run("n() { pidof ramfs | wc -w; }; n; mount ramfs /mnt; n; mkdir /mnt/d /tmp/x; bind /mnt/d /tmp/x; echo in > "
          "/mnt/f\n"
          "unmount /mnt; sleep 1; n; touch /tmp/x/still; exec 5< /tmp/x/still; unmount /tmp/x; sleep 1; n\n"
          "cat <&5; exec 5<&-; sleep 1; n\n"
          "mount ramfs /mnt; mount ramfs /mnt; sleep 1; n; unmount /mnt; sleep 1; n\n"
          "ns -n fsh -c 'mount ramfs /mnt; echo a > /mnt/f; cat /mnt/f'; sleep 1; n\n");
  CHECK(session.output == "1\n2\n2\n2\n1\n2\n1\na\n1\n");
}

TEST_CASE("what a server started for a mount was made of comes back with it", "[user][root]") {
  // More mounts in a row than a page has endpoints; the first round grows what the manager itself keeps.
  const Session session =
      run("free() { cat /proc/meminfo | head -n 2 | tail -n 1 | sed 's/free_pages //'; }\n"
          "churn() { for i in $(seq 100); do mount ramfs /mnt || echo $i; echo $i > /mnt/f; unmount /mnt; done; sleep "
          "1; }\n"
          "churn; free; churn; free\n"
          "mount ramfs /mnt; echo x > /mnt/f; exec 5< /mnt/f; unmount /mnt\n"
          "kill -9 $(pidof ramfs | tr ' ' '\\n' | sort -n | tail -n 1); sleep 1; echo goes on; cat <&5\n");
  CAPTURE(session.output);
  const std::string_view output = session.output;
  const std::size_t line = output.find('\n') + 1;
  CHECK(output.substr(0, line) == output.substr(line, line));
  CHECK(output.substr(2 * line) == "goes on\nfsh: cat: access revoked\n");
}

TEST_CASE("who waits for an answer of a server that is killed is told, wherever its request was", "[user][init]") {
  // Parked at the server, received by it, queued at its endpoint.
  const Session session =
      run("mount ramfs /mnt; echo x > /mnt/f\n"
          "p=$(pidof ramfs | tr ' ' '\\n' | sort -n | tail -n 1)\n"
          "echo hang > /proc/$p/ctl; cat /mnt/f & cat /mnt/f & sleep 1; kill -9 $p; wait; cat /mnt/f\n"
          "pidof stopped | wc -w; unmount /mnt; sleep 1; pidof stopped | wc -w\n"
          "{ sleep 5; } | cat & sleep 1; kill -9 $(pidof pipe); wait; echo over\n");
  CAPTURE(session.output);
  CHECK(session.outcome == sim::Outcome::Ended);
  CHECK(
      session.output.starts_with("cat: /mnt/f: server stopped\ncat: /mnt/f: server stopped\n"
                                 "cat: /mnt/f: server stopped\n1\n0\n"));
  CHECK(session.output.ends_with("over\n"));
}
