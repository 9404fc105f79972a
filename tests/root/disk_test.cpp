// The files of disks, in worlds of whole nodes with the programs of user/: what a session does with them, and what is left of
// it when the driver dies, the disk goes or the power is cut.
#include <catch2/catch.hpp>

#include <string>
#include <vector>

#include "sim/host/contain.h"
#include "sim/host/machine_host.h"
#include "user/image.h"
#include "user/native.h"

namespace {

using sim::DiskCache;
using sim::host::DiskShape;
using sim::host::MachineOptions;

constexpr u64 kSecond = 1'000'000'000;
constexpr u64 kLimitNs = 120 * kSecond;

/// A node that reads this script at its console, and has these disks.
class Lab {
 public:
  Lab(const std::string& script, const std::vector<DiskShape>& disks, u64 seed = 1, const std::string& rules = {})
      : machine_({.seed = seed,
                  .image = std::string(base::text_of(user::boot_image())),
                  .console = sim::ConsoleKind::Script,
                  .script = script,
                  .entries = user::native_entries(),
                  .schedule = schedule_of(rules),
                  .disks = disks}) {
    machine_.on_output = [this](u32, base::Bytes bytes) { output += base::text_of(bytes); };
    REQUIRE(machine_.start() == "");
    sim::host::contain(world(), {});
  }
  ~Lab() { sim::host::release_containment(); }
  Lab(const Lab&) = delete;
  Lab& operator=(const Lab&) = delete;

  sim::World& world() { return machine_.world(); }
  /// Until the session has printed this.
  void run_to(const std::string& text) {
    for (u64 time = world().now(); output.find(text) == std::string::npos; time += kSecond / 1000) {
      CAPTURE(text, output);
      REQUIRE(time < kLimitNs);
      world().run(time);
    }
  }
  std::string end() {
    world().run(kLimitNs);
    return output;
  }
  void kill_driver() {
    const u32 thread = world().find_thread(1, "disk0");
    REQUIRE(thread != 0);
    REQUIRE(world().kill(1, thread).ok());
  }

  std::string output;

 private:
  static sim::host::Schedule schedule_of(const std::string& rules) {
    sim::host::Schedule schedule;
    REQUIRE(sim::host::parse_schedule("orrery-overrides 1\n" + rules, schedule) == "");
    schedule.on = false;
    return schedule;
  }

  sim::host::Machine machine_;
};

DiskShape disk(const std::string& name, u64 bytes = 64 << 10, u32 sector_bytes = 512) {
  DiskShape shape;
  shape.name = name;
  shape.bytes = bytes;
  shape.sector_bytes = sector_bytes;
  return shape;
}

std::string printed(const std::string& script, const std::vector<DiskShape>& disks) { return Lab(script, disks).end(); }

const std::string kData = "/dev/disk/root/data";

/// Writes `text` at `offset` of the disk.
std::string put(const std::string& text, u64 offset) {
  return "echo -n '" + text + "' | dd of=" + kData + " bs=1 seek=" + std::to_string(offset) +
         " conv=notrunc 2>/dev/null\n";
}

}  // namespace

TEST_CASE("each disk of a node has its directory, and a node without any has none", "[user][disk]") {
  CHECK(printed("ls /dev/disk; ls -l /dev/disk/root | cut -c 1-10\n", {disk("root"), disk("more")}) ==
        "more\nroot\ntotal 0\ncrw-------\nbrw-------\ncr--r--r--\n");
  CHECK(printed("ls /dev/disk\n", {}).find("more") == std::string::npos);
}

TEST_CASE("a disk is a file of its size, whose bytes are written and read at any offset", "[user][disk]") {
  for (const u32 sector : {512u, 4096u}) {
    CAPTURE(sector);
    std::string script = "wc -c < " + kData + "\n";
    std::string twin(64 << 10, '\0');
    u64 at = 0;
    const auto write = [&](const std::string& text, u64 offset) {
      script += put(text, offset);
      twin.replace(offset, text.size(), text);
    };
    for (u32 i = 0; i < 12; ++i) {
      write(std::string(1 + 97 * i, static_cast<char>('a' + i)), at);
      at = (at * 7 + 4093) % (twin.size() - 2000);
    }
    write("the end", twin.size() - 7);
    script += "cp " + kData + " /tmp/copy; cksum < /tmp/copy; tail -c 7 /tmp/copy; echo\n";
    script += "dd if=" + kData + " bs=1000 skip=3 count=2 2>/dev/null | cksum\n";
    DiskShape given = disk("given", twin.size(), sector);
    given.content = std::make_shared<const std::string>(twin);
    script += "cmp " + kData + " /dev/disk/given/data && echo equal\n";
    const std::string out = printed(script, {disk("root", twin.size(), sector), given});
    CHECK(out.starts_with("65536\n"));
    CHECK(out.find("\nthe end\n") != std::string::npos);
    CHECK(out.ends_with("\nequal\n"));
  }
}

TEST_CASE("what does not fit on a disk, or is no command of it, is refused by name", "[user][disk]") {
  const std::string out =
      printed("head -c 65537 /dev/zero > " + kData + "\n" + "echo more >> " + kData + "\n" +
                  "echo discard 1 2 > /dev/disk/root/ctl && echo zero 0 128 > /dev/disk/root/ctl && echo flush > "
                  "/dev/disk/root/ctl && echo reset > /dev/disk/root/ctl && echo done\n" +
                  "echo discard 127 2 > /dev/disk/root/ctl\necho zero many > /dev/disk/root/ctl\necho spin > "
                  "/dev/disk/root/ctl\n",
              {disk("root")});
  CHECK(out.find("no space left") != std::string::npos);
  CHECK(out.find("done\n") != std::string::npos);
  CHECK(out.find("behind the end of the disk") != std::string::npos);
  CHECK(out.find("FIRST COUNT in sectors") != std::string::npos);
  CHECK(out.find("unknown control message: spin") != std::string::npos);
}

TEST_CASE("a disk tells its facts, and how much was asked of it", "[user][disk]") {
  DiskShape shape = disk("root", 1 << 20, 4096);
  shape.settings.cache = DiskCache::Ordered;
  shape.settings.queue_depth = 2;
  const std::string out = printed("head -c 4096 /dev/zero > " + kData + "; echo flush > /dev/disk/root/ctl\n" + "cat " +
                                      kData + " | wc -c; cat /dev/disk/root/info\n",
                                  {shape});
  CHECK(
      out.starts_with("1048576\nNAME=root SECTORS=256 SECTOR-BYTES=4096 ATOMIC-BYTES=4096 CACHE=ordered "
                      "QUEUE-DEPTH=2 EPOCH=1 STATE=ok\nREADS="));
  CHECK(out.ends_with(" WRITES=1 FLUSHES=1 RETRIES=0 RESETS=1 ERRORS=0\n"));
}

TEST_CASE("whoever reads a whole disk has several requests under way", "[user][disk]") {
  const auto time = [](u32 queue_depth) {
    DiskShape shape = disk("root", 1 << 20);
    shape.settings.latency_ns = 2'000'000;
    shape.settings.channels = 4;
    shape.settings.queue_depth = queue_depth;
    Lab lab("cat " + kData + " > /dev/null; echo read\n", {shape});
    lab.run_to("read\n");
    return lab.world().now();
  };
  CHECK(time(1) > time(4) + 100'000'000);
}

TEST_CASE("a driver that dies loses nothing, and what was open goes on", "[user][disk]") {
  Lab lab("{ for i in 1 2 3 4 5 6 7 8 9; do echo line $i; sleep 0.2; done; echo end; } > " + kData + "; head -n 10 " +
              kData + "\n",
          {disk("root")});
  for (u64 i = 1; i <= 3; ++i) {
    lab.world().run(i * kSecond / 2);  // its supervisor waits longer each time
    lab.kill_driver();
  }
  const std::string out = lab.end();
  CHECK(out == "line 1\nline 2\nline 3\nline 4\nline 5\nline 6\nline 7\nline 8\nline 9\nend\n");
}

TEST_CASE("a disk that goes ends what is open on it, and is opened anew when it is back", "[user][disk]") {
  Lab lab(put("kept", 0) + "echo flush > /dev/disk/root/ctl\nexec 3< " + kData + "; head -c 4 <&3; echo; echo one\n" +
              "sleep 1; head -c 4 <&3; head -c 4 " + kData + "; cut -d ' ' -f 8 /dev/disk/root/info; echo two\n" +
              "sleep 1; head -c 4 <&3; head -c 4 " + kData + "; echo; cut -d ' ' -f 7,8 /dev/disk/root/info\n",
          {disk("root")});
  lab.run_to("one\n");
  REQUIRE(lab.world().unplug(0).ok());
  lab.run_to("two\n");
  CHECK(lab.output.find("access revoked") != std::string::npos);
  CHECK(lab.output.find("no such device: root") != std::string::npos);
  CHECK(lab.output.find("STATE=unplugged") != std::string::npos);
  lab.output.clear();
  REQUIRE(lab.world().plug(0).ok());
  const std::string out = lab.end();
  CHECK(out.find("access revoked") != std::string::npos);
  CHECK(out.find("kept\nEPOCH=2 STATE=ok\n") != std::string::npos);
}

TEST_CASE("what was flushed is there after a power cut, whatever else is", "[user][disk]") {
  u32 lost = 0;
  for (u64 seed = 1; seed <= 6; ++seed) {
    CAPTURE(seed);
    Lab lab("[ \"$(head -c 4 " + kData + ")\" = kept ] && { head -c 4 " + kData + "; dd if=" + kData +
                " bs=6 skip=10000 count=1 2>/dev/null; echo back; sleep 60; }\n" + put("kept", 0) +
                "echo flush > /dev/disk/root/ctl\n" + "echo maybe | dd of=" + kData +
                " bs=6 seek=10000 2>/dev/null; echo written; sleep 60\n",
            {disk("root")}, seed);
    lab.run_to("written\n");
    REQUIRE(lab.world().power_cut(1).ok());
    REQUIRE(lab.world().boot(1).ok());
    lab.run_to("back\n");
    const bool is_there = lab.output.find("keptmaybe\n") != std::string::npos;
    const bool is_not = lab.output.find(std::string("kept\0\0\0\0\0\0", 10)) != std::string::npos;
    CHECK(is_there != is_not);
    lost += is_not ? 1 : 0;
  }
  CHECK(lost > 0);  // a cache that keeps everything would test nothing
}

TEST_CASE("what fails for a moment or is late is done again, and told by nothing but its count",
          "[user][disk][faults]") {
  const std::string script = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo -n line $i | dd of=" + kData +
                             " bs=9 seek=$((i * 113)) conv=notrunc 2>/dev/null; done\n" + "cksum " + kData +
                             "; cut -d ' ' -f 4,5 /dev/disk/root/info | tail -n 1\n";
  const auto after_sum = [](const std::string& out) { return out.substr(out.find('\n') + 1); };
  const std::string plain = printed(script, {disk("root")});
  REQUIRE(after_sum(plain) == "RETRIES=0 RESETS=1\n");
  for (const char* rule : {"arm disk.transient ratio=1/8\n", "arm disk.timeout ratio=1/8 time=2ms late=3ms\n"}) {
    CAPTURE(rule);
    const bool is_timeout = std::string(rule).find("timeout") != std::string::npos;
    const std::string out = Lab(script, {disk("root")}, 3, rule).end();
    CHECK(out.substr(0, out.find('\n')) == plain.substr(0, plain.find('\n')));
    CHECK(after_sum(out).find("RETRIES=0") == std::string::npos);
    CHECK((after_sum(out).find("RESETS=1\n") == std::string::npos) == is_timeout);
  }
}

TEST_CASE("dd with conv=fsync waits for a flush, and fails with it", "[user][disk][faults]") {
  const std::string copies = "echo -n kept | dd conv=notrunc,fsync of=" + kData + " 2> /dev/null; echo $?\n";
  const std::string out = Lab(copies + copies + "grep -o 'FLUSHES=[0-9]*' /dev/disk/root/info\n", {disk("root")}, 1,
                              "arm disk.failed-flush ratio=1/1 at-most=1 dropped=0\n")
                              .end();
  CHECK(out == "1\n0\nFLUSHES=2\n");
}

TEST_CASE("a flush that failed is told to each open of that time, once", "[user][disk][faults]") {
  const std::string out =
      Lab(put("kept", 0) + "exec 3< " + kData + " 4< " + kData + "; head -c 2 <&3; head -c 2 <&4\n" +
              "echo flush > /dev/disk/root/ctl\nhead -c 2 <&3\nhead -c 2 <&4\n" +
              "head -c 2 <&3; head -c 2 <&4; echo\nexec 5< " + kData + "; head -c 4 <&5; echo\n" +
              "echo flush > /dev/disk/root/ctl && echo flushed\n",
          {disk("root")}, 1, "arm disk.failed-flush ratio=1/1 at-most=1 dropped=0\n")
          .end();
  CAPTURE(out);
  u32 told = 0;
  for (u64 at = 0; (at = out.find("an earlier flush failed", at)) != std::string::npos; ++at) told += 1;
  CHECK(told == 2);
  CHECK(out.starts_with("kekeecho: write error: I/O error"));
  CHECK(out.ends_with("\nptpt\nkept\nflushed\n"));
}
