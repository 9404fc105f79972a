// tests/root/realms_test.cpp — realms on whole nodes: shares of the processor, limits and who may change them, what is
// seen from inside.
#include <catch2/catch.hpp>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "sim/host/machine_host.h"
#include "user/image.h"
#include "user/native.h"

namespace {

struct Session {
  u32 status = 0;
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
  REQUIRE(machine.world().run(kLimitNs) == sim::Outcome::Ended);
  session.status = machine.world().status();
  std::vector<u8> scratch(kRamBytes / 16);
  session.sound = !kernel::check_invariants(machine.world().nodes()[0].kernel(), scratch);
  return session;
}

/// Of a realm's own account, in hundredths of a per cent of one core, over five seconds.
const std::string kShares =
    "used() { grep ^cpu /realm/child/$1/usage | cut -d' ' -f2; }\n"
    "share() { sleep 1; u=$(used $1); sleep 5; echo $((($(used $1)-u)/500000)); }\n";

std::vector<int> numbers(const std::string& text) {
  std::vector<int> all;
  const char* at = text.c_str();
  for (char* end = nullptr;; at = end) {
    const long number = std::strtol(at, &end, 10);
    if (end == at) return all;
    all.push_back(static_cast<int>(number));
  }
}

}  // namespace

TEST_CASE("realms get the share of a core they were given, however many processes and cores there are",
          "[user][root][realm]") {
  const std::string script =
      "realm make a; realm make b\n"
      "realm limit a cpu 10%; realm limit b cpu 30%\n"
      "for i in $(seq 50); do realm run a spin & done\n"
      "realm run b spin &\n"
      "used() { grep ^cpu /realm/child/$1/usage | cut -d' ' -f2; }\n"
      "sleep 1; a=$(used a); b=$(used b); sleep 10\n"
      "echo $((($(used a)-a)/1000000)) $((($(used b)-b)/1000000))\n"
      "realm kill a; realm kill b; sleep 1; realm rm a && realm rm b && echo gone\n"
      "exit\n";
  for (const u32 cores : {1u, 4u}) {
    CAPTURE(cores);
    const Session session = run(script, cores);
    CHECK(session.sound);
    int share_a = 0;
    int share_b = 0;
    REQUIRE(std::sscanf(session.output.c_str(), "%d %d\ngone\n", &share_a, &share_b) == 2);
    // Within a point below, and never above; the account is read between two commits, a grant apart.
    CHECK((share_a >= 900 && share_a <= 1001));
    CHECK((share_b >= 2900 && share_b <= 3001));
    CHECK(session.output.ends_with("gone\n"));
  }
}

TEST_CASE("the limit of a realm that runs changes at once, up and down, also beyond one core", "[user][root][realm]") {
  const std::string script = kShares +
                             "realm make a; for i in 1 2 3 4 5; do realm run a spin & done\n"
                             "for l in 20% 250% 5% 1ms/20ms 300%; do realm limit a cpu $l; share a; done\n"
                             "realm limit a cpu 1ms/100s; sleep 1; realm limit a cpu -; u=$(used a); sleep 1\n"
                             "echo $(($(used a)-u > 3900000000)); exit 0\n";
  const Session session = run(script, 4);
  CHECK(session.sound);
  CAPTURE(session.output);
  const std::vector<int> shares = numbers(session.output);
  const std::vector<int> limits = {2000, 25'000, 500, 500, 30'000};
  REQUIRE(shares.size() == limits.size() + 1);
  for (std::size_t i = 0; i < limits.size(); ++i) {
    CAPTURE(limits[i]);
    CHECK(shares[i] <= limits[i] + 1);
    CHECK(shares[i] >= limits[i] - 100);
  }
  CHECK(shares.back() == 1);  // who waited for a hundred seconds ran in this one
}

TEST_CASE("a realm's limit is told when it cannot hold, and a realm in use is not removed", "[user][root][realm]") {
  const Session session =
      run("realm make q; realm make q; realm limit q cpu 300%; realm limit q frob 1; realm limit q memory 1M\n"
          "realm limit q memory 999G > /dev/null 2>&1 || echo refused; realm limit q channels 3\n"
          "realm run q hog 4M; echo $?\n"
          "mkdir /realm/child/q/child/r; cd /realm/child/q/child/r\n"
          "realm limit q cpu 12%; realm limit q files 9; realm limit q mounts 9; realm limit q processes 9\n"
          "for l in 'cpu 13%' 'cpu 7ms/50ms' 'cpu 12%' 'files 10' 'mounts 10' 'processes 10' 'processes 9'; do\n"
          "  echo set $l > ctl && echo $l\ndone; cd /; rmdir /realm/child/q/child/r\n"
          "realm run q sleep 9 & sleep 1; realm rm q; realm limit q cpu 10% && echo live\n"
          "realm kill q; sleep 1; realm rm q; realm ls; realm rm q; exit 3\n");
  CHECK(session.status == 3);
  CHECK(session.sound);
  CHECK(session.output ==
        "realm: q: already exists\nrealm: q: cpu 300%: quota exceeded: parent has 200%\nrealm: q: bad argument: frob\n"
        "refused\nrealm: q: not supported: channels\nhog: out of memory: quota 1M\n1\n"
        "echo: write error: quota exceeded: parent has 12%\necho: write error: quota exceeded: parent has 12%\n"
        "cpu 12%\necho: write error: quota exceeded: parent has 9\necho: write error: quota exceeded: parent has 9\n"
        "echo: write error: quota exceeded: parent has 9\nprocesses 9\n"
        "realm: q: in use\nlive\nrealm: q: not found\n");
}

TEST_CASE("realms nest to a bound, and a destroyed one goes with its last process", "[user][root][realm]") {
  const Session session =
      run("d=/realm; for i in $(seq 20); do mkdir $d/child/r 2>/tmp/e || { cat /tmp/e; break; }; d=$d/child/r; done\n"
          "realm make q; realm run q sleep 100 & sleep 1; echo destroy > /realm/child/q/ctl; wait; ls /realm/child\n"
          "realm make s; echo stop > /realm/child/s/ctl; realm run s true; exit 4\n",
          1);
  CHECK(session.status == 4);
  CHECK(session.sound);
  CHECK(session.output.find("bad argument: too many realms in each other\nr\nrealm: true: in use") !=
        std::string::npos);
  CAPTURE(session.output);
}

TEST_CASE("from inside, a realm is the whole world: its files, its processes, and no way to its own limits",
          "[user][root][realm]") {
  const Session session =
      run("realm make q; realm limit q memory 16M; realm make other; realm run other sleep 100 & spin &\n"
          "cat > /tmp/in <<'E'\n"
          "cat /realm/path; ls /realm/child; ls /proc | grep -c '^[0-9]'\n"
          "echo 'set memory 32M' > /realm/ctl; echo 'set memory -' > /realm/ctl; echo destroy > /realm/ctl\n"
          "cat /proc/1/status; kill 1; echo kill > /proc/1/ctl; realm run other true; realm limit other cpu 1%\n"
          "realm make in; realm limit in memory 8M; realm limit in memory 32M; realm run in cat /realm/path; realm ls\n"
          "mkdir /tmp/m; mount realm /tmp/m; cat /tmp/m/path; mount proc /tmp/m; ls /tmp/m/1\n"
          "mount -r realm /tmp/m; echo kill > /tmp/m/ctl; realm rm in\n"
          "E\n"
          "realm run q fsh /tmp/in; cat /realm/path; ls /realm/child; ls /proc/1 | head -n 1\n"
          "echo 'set memory 8M' > /realm/ctl; echo kill > /realm/ctl; echo still; exit 0\n");
  CHECK(session.sound);
  CHECK(session.output ==
        "/q\n3\n"
        "echo: write error: operation not permitted\necho: write error: operation not permitted\n"
        "echo: write error: operation not permitted\n"
        "cat: /proc/1/status: not found\nkill: 1: no such process\nfsh: /tmp/in:3: /proc/1/ctl: not found\n"
        "realm: true: not found: other\nrealm: other: not found\n"
        "realm: in: memory 32M: quota exceeded: parent has 16M\n/q/in\nin\n"
        "/q\nls: /tmp/m/1: not found\nfsh: /tmp/in:6: /tmp/m/ctl: read-only file system\n"
        "/\nother\nq\nargs\n"
        "echo: write error: operation not permitted\necho: write error: operation not permitted\nstill\n");
}

TEST_CASE("a realm is stopped and goes on, those who wait and those out of budget too", "[user][root][realm]") {
  // With a budget that is used up when it starts again: the kernel refuses to bind a waiting thread then.
  const std::string states = "for p in $(cat /realm/child/q/procs); do grep ^state /proc/$p/status; done\n";
  const std::string spent = "grep cpu_us /proc/$(cat /realm/child/q/procs | head -n 1)/status";
  const Session session = run(
      "realm make q; realm run q spin & realm run q sleep 100 & realm run q sleep 100 & sleep 1\n"
      "realm limit q cpu 10ms/2s; sleep 1\n"
      "echo stop > /realm/child/q/ctl; head -n 1 /realm/child/q/status\n" +
      states + "u=$(" + spent + "); sleep 5; [ \"$u\" = \"$(" + spent +
      ")\" ] && echo still\n"
      "echo start > /realm/child/q/ctl; sleep 1; echo stop > /realm/child/q/ctl; echo start > /realm/child/q/ctl\n" +
      "head -n 1 /realm/child/q/status\n" + states + "sleep 3; [ \"$u\" = \"$(" + spent +
      ")\" ] || echo goes\n"
      "realm kill q; wait; sleep 1; realm rm q && echo gone; exit 0\n");
  CHECK(session.sound);
  CHECK(session.output ==
        "stopped\nstate stopped\nstate stopped\nstate stopped\nstill\n"
        "running\nstate ready\nstate blocked\nstate blocked\ngoes\ngone\n");
}

TEST_CASE("limits on processes, threads, descriptors and mounts end in their own errors", "[user][root][realm]") {
  const Session session = run(
      "realm make q; realm limit q processes 2; realm run q fsh -c 'sleep 1 & sleep 1 & echo end'\n"
      "sleep 2; realm limit q processes -; realm limit q threads 2; realm run q fsh -c 'sleep 1 & sleep 1 & echo end'\n"
      "sleep 2; realm limit q threads -; realm limit q files 4; realm run q cat /etc/hosts | head -n 1\n"
      "realm run q fsh -c 'cat < /etc/hosts'; realm limit q files 0\n"
      "realm run q fsh -c 'sleep 2; cat < /etc/hosts' | head -n 1 & sleep 1; realm limit q files -; wait\n"
      "realm limit q mounts 3; realm run q mount ramfs /mnt; realm limit q mounts -; realm run q mount ramfs /mnt\n"
      "sleep 2; grep -E '^(processes|threads)' /realm/child/q/usage | cut -d' ' -f1,4,5; exit 0\n");
  CHECK(session.sound);
  CHECK(session.output ==
        "fsh: sleep: too many processes\nend\nfsh: sleep: too many processes\nend\n"
        "127.0.0.1 localhost\nfsh: cat: too many open files\nrealm: q: bad argument: 0\n127.0.0.1 localhost\n"
        "mount: /mnt: quota exceeded: mounts\nprocesses - 1\nthreads - 1\n");
}
