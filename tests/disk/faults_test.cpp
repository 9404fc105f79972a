// What each fault of disks does, and nothing else.
#include <set>

#include "tests/disk/lab.h"

using namespace disk_lab;
using base::EventKind;
using port::BlockOp;
using port::BlockStatus;
using sim::FaultClass;
using sim::Outcome;
using sim::World;

namespace {

// Writes one unit, looks at it and its neighbours twice, writes it again and looks once more.
void look(const Driver& driver) {
  for (const u64 unit : {4, 3, 5}) Driver::tell(driver.read(unit));
  guest::print("| ");
}
void single_root(const u64 (&)[8]) {
  const Driver driver;
  Driver::tell(static_cast<u64>(driver.write(4, 50)));
  guest::print("| ");
  look(driver);
  look(driver);
  Driver::tell(static_cast<u64>(driver.write(4, 60)));
  guest::print("| ");
  look(driver);
  guest::halt(0);
}

void read_root(const u64 (&)[8]) {
  const Driver driver;
  for (u64 i = 0; i < 3; ++i) Driver::tell(driver.read(4));
  guest::halt(0);
}

void flush_root(const u64 (&)[8]) {
  const Driver driver;
  Driver::tell(static_cast<u64>(driver.write(4, 50)));
  Driver::tell(static_cast<u64>(driver.flush()));
  Driver::tell(driver.read(4));
  Driver::tell(static_cast<u64>(driver.flush()));
  guest::halt(0);
}

// As in world_test.cpp: unit 0 is flushed, 1 to 8 are not, 9 is in flight; the next boot tells what is there, twice.
void crash_root(const u64 (&)[8]) {
  const Driver driver;
  if (driver.read(0) == 0) {
    driver.write(0, 7);
    driver.flush();
    for (u64 unit = 1; unit < 9; ++unit) driver.write(unit, 7);
    driver.fill(0, 7);
    ASSERT(driver.submit(BlockOp::Write, 0, 9, 72, 8, driver.address[0]) == kernel::ResultLabel::None);
    guest::print("ready ");
    sys::wait(driver.notification);
    for (;;) machine::charge(kMillisecond);
  }
  for (u64 round = 0; round < 2; ++round) {
    for (u64 unit = 0; unit < 10; ++unit) Driver::tell(driver.read(unit));
    guest::print("| ");
  }
  guest::halt(0);
}

// A write that times out, one after it, and what is there long after; `resets` between the two.
void late(bool resets) {
  const Driver driver;
  const u64 from = guest::now();
  Driver::tell(static_cast<u64>(driver.write(4, 50)));
  Driver::tell((guest::now() - from) / kMillisecond);
  if (resets) port::call(kBlock, port::Block::Reset);
  Driver::tell(driver.read(4));
  Driver::tell(static_cast<u64>(driver.write(4, 60)));
  Driver::tell(driver.read(4));
  machine::charge(30 * kMillisecond);
  Driver::tell(driver.read(4));
  guest::halt(0);
}
void late_root(const u64 (&)[8]) { late(false); }
void late_reset_root(const u64 (&)[8]) { late(true); }

// Again and again: a unit that was written before, one that never was, and one that never is; tells what changes.
constexpr u64 kRounds = 200;
void watch_root(const u64 (&)[8]) {
  const Driver driver;
  u64 last = ~u64{0};
  for (u64 i = 0; i < kRounds; ++i) {
    const u64 old = static_cast<u64>(driver.write(0, 1));
    const u64 fresh = static_cast<u64>(driver.write(1 + i, 1));
    const u64 never = driver.read(1000);
    if (old == static_cast<u64>(BlockStatus::Gone)) machine::charge(kMillisecond);  // refusals take no time
    const u64 word = old << 32 | fresh << 16 | never;
    if (word == last) continue;
    last = word;
    Driver::tell(old);
    Driver::tell(fresh);
    Driver::tell(never);
    guest::print("| ");
  }
  guest::halt(0);
}

// The first boot writes a unit twice, each time for good; the next one tells what is there.
void keep_root(const u64 (&)[8]) {
  const Driver driver;
  const u32 found = driver.read(4);
  if (found != 0) {
    Driver::tell(found);
    guest::halt(0);
  }
  for (const u8 value : {50, 51}) {
    driver.write(4, value);
    driver.flush();
  }
  guest::print("new ");
  sys::wait(driver.notification);
}

// A unit in the first half of the disk and one in the second, 8 units on; tells when what it finds is another.
void halves_root(const u64 (&)[8]) {
  const Driver driver;
  u64 last = ~u64{0};
  for (u64 i = 0; i < kRounds; ++i) {
    const u8 value = static_cast<u8>(1 + i % 90);
    driver.write(1, 100);
    const u64 status = static_cast<u64>(driver.write(9, value));
    const u64 is_there = driver.read(9) == value ? 1 : 0;
    const u64 is_kept = driver.read(1) == 100 ? 1 : 0;
    const u64 word = status << 2 | is_there << 1 | is_kept;
    if (word == last) continue;
    last = word;
    Driver::tell(status);
    Driver::tell(is_there);
    Driver::tell(is_kept);
    guest::print("| ");
  }
  guest::halt(0);
}

constexpr machine::NativeEntry kKeep[] = {{"root", keep_root}};
constexpr machine::NativeEntry kHalves[] = {{"root", halves_root}};
constexpr machine::NativeEntry kSingle[] = {{"root", single_root}};
constexpr machine::NativeEntry kRead[] = {{"root", read_root}};
constexpr machine::NativeEntry kFlush[] = {{"root", flush_root}};
constexpr machine::NativeEntry kCrash[] = {{"root", crash_root}};
constexpr machine::NativeEntry kLate[] = {{"root", late_root}};
constexpr machine::NativeEntry kLateReset[] = {{"root", late_reset_root}};
constexpr machine::NativeEntry kWatch[] = {{"root", watch_root}};

/// One class that strikes at its first opportunity, or as often as it is allowed, with these knobs.
struct Rule {
  sim::FaultRule rule;
  sim::FaultPlan plan;
  Rule(FaultClass fault, std::initializer_list<u64> knobs, u32 at_most = 1) : rule(rule_of(fault, 0)) {
    rule.ratio = {1, 1};
    rule.per_minute = sim::kPerMinuteMax;  // about each 10 ms
    rule.at_most = at_most;
    u32 i = 0;
    for (const u64 value : knobs) {
      rule.low[i] = rule.high[i] = value;
      i += 1;
    }
    plan.rules = {&rule, 1};
  }
};

std::string output_of(std::span<const machine::NativeEntry> entries, const Rule& rule, u64 seed = 1) {
  Lab lab(entries, {.seed = seed, .faults = rule.plan});
  lab.run();
  REQUIRE(lab.outcome == Outcome::Ended);
  for (const std::string& fired : lab.faults) REQUIRE(fired == std::string(name_of(rule.rule.fault)) + " d0");
  REQUIRE(!lab.faults.empty());
  return lab.output.at(1);
}

constexpr const char* kPlain = "0 | 50 0 0 | 50 0 0 | 0 | 60 0 0 | ";

/// How many bits of what a unit reads as differ from the truth.
u32 wrong_bits(const Lab& lab, u64 unit) {
  const sim::DiskModel& model = lab.world->disks().at(0).model;
  std::vector<u8> found(model.unit_bytes());
  REQUIRE(model.look(unit, found) == BlockStatus::Ok);
  u32 bits = 0;
  for (u64 i = 0; i < found.size(); ++i) {
    bits += static_cast<u32>(std::popcount(static_cast<u8>(found[i] ^ model.truth(unit)[i])));
  }
  return bits;
}

/// The world of `crash_root`, whose power is cut and comes back.
std::string crashed(const Rule& rule, u64 seed, u64* undecided_lost = nullptr) {
  const auto act = [](World& world, u64 id) { REQUIRE((id == 0 ? world.power_cut(1) : world.boot(1)).ok()); };
  Lab lab(kCrash, {.seed = seed,
                   .faults = rule.plan,
                   .times = {3 * kMillisecond, 5 * kMillisecond},
                   .act = act,
                   .until = 50 * kMillisecond});
  lab.run();
  if (undecided_lost != nullptr) *undecided_lost = lab.of(EventKind::DiskPower).at(1)->b;
  return lab.output.at(1);
}

std::vector<u32> values_of(const std::string& output) {
  std::vector<u32> values;
  u64 at = output.find("ready ") + 6;
  while (at < output.size() && output[at] != '|') {
    const u64 end = output.find(' ', at);
    values.push_back(static_cast<u32>(std::stoul(output.substr(at, end - at))));
    at = end + 1;
  }
  return values;
}

}  // namespace

TEST_CASE("faults of one write: what is lost, lands elsewhere or is flipped stays so until it is written again",
          "[sim][disk][faults]") {
  Lab plain(kSingle, {});
  plain.run();
  REQUIRE(plain.output.at(1) == kPlain);
  CHECK(output_of(kSingle, {FaultClass::DiskLostWrite, {}}) == "0 | 0 0 0 | 0 0 0 | 0 | 60 0 0 | ");
  std::set<std::string> sides;
  for (u64 seed = 0; seed < 10; ++seed) {
    sides.insert(output_of(kSingle, {FaultClass::DiskMisdirectedWrite, {0}}, seed));
  }
  CHECK(sides == std::set<std::string>{"0 | 0 50 0 | 0 50 0 | 0 | 60 50 0 | ", "0 | 0 0 50 | 0 0 50 | 0 | 60 0 50 | "});
  CHECK(output_of(kSingle, {FaultClass::DiskTransferFlip, {1}}) == "0 | 999 0 0 | 999 0 0 | 0 | 60 0 0 | ");
  const Rule flip(FaultClass::DiskTransferFlip, {3});
  Lab lab(kSingle, {.faults = flip.plan});
  lab.run();
  const auto done = lab.of(EventKind::DiskComplete);
  REQUIRE(done.size() == 11);
  CHECK(done[1]->c == done[4]->c);  // a retry sees the same
}

TEST_CASE("a write that was misdirected damages two places, and the truth stays beside them", "[sim][disk][faults]") {
  const Rule rule(FaultClass::DiskMisdirectedWrite, {0}, 2);
  Lab lab(kSingle, {.faults = rule.plan});
  lab.run();
  const sim::DiskModel& model = lab.world->disks().at(0).model;
  CHECK(model.damaged() >= 2);
  CHECK(model.truth(4)[0] == 60);
  CHECK(model.truth(3)[0] == 0);
  CHECK(model.truth(5)[0] == 0);
}

TEST_CASE("faults of a read: once, or until the unit is written again", "[sim][disk][faults]") {
  CHECK(output_of(kSingle, {FaultClass::DiskMisdirectedRead, {0}}) == "0 | 0 0 0 | 50 0 0 | 0 | 60 0 0 | ");
  CHECK(output_of(kSingle, {FaultClass::DiskStaleRead, {1}}) == "0 | 0 0 0 | 50 0 0 | 0 | 60 0 0 | ");
  CHECK(output_of(kSingle, {FaultClass::DiskLatent, {100}}) == "0 | 258 0 0 | 258 0 0 | 0 | 60 0 0 | ");
  CHECK(output_of(kSingle, {FaultClass::DiskLatent, {0}}) == "0 | 258 0 0 | 258 0 0 | 2 | 258 0 0 | ");
  CHECK(output_of(kSingle, {FaultClass::DiskBitRot, {3}}) == "0 | 999 0 0 | 999 0 0 | 0 | 60 0 0 | ");
  CHECK(output_of(kRead, {FaultClass::DiskTransferFlip, {2}}) == "999 0 0 ");
  const Rule rot(FaultClass::DiskBitRot, {1});
  Lab lab(kRead, {.faults = rot.plan});
  lab.run();
  CHECK(lab.output.at(1) == "999 999 999 ");
  CHECK(wrong_bits(lab, 4) == 1);
  const auto done = lab.of(EventKind::DiskComplete);
  CHECK(done[0]->c == done[2]->c);
}

TEST_CASE("a transient error leaves a write's units old or new, and the next try succeeds", "[sim][disk][faults]") {
  std::set<std::string> found;
  for (u64 seed = 0; seed < 12; ++seed) found.insert(output_of(kSingle, {FaultClass::DiskTransient, {}}, seed));
  CHECK(found == std::set<std::string>{"1 | 0 0 0 | 0 0 0 | 0 | 60 0 0 | ", "1 | 50 0 0 | 50 0 0 | 0 | 60 0 0 | "});
}

TEST_CASE("a flush that fails says so, and keeps or drops the cache", "[sim][disk][faults]") {
  CHECK(output_of(kFlush, {FaultClass::DiskFailedFlush, {0}}) == "0 1 50 0 ");
  CHECK(output_of(kFlush, {FaultClass::DiskFailedFlush, {1}}) == "0 1 0 0 ");
}

TEST_CASE("a flush that lies answers well and makes nothing durable", "[sim][disk][faults]") {
  CHECK(output_of(kFlush, {FaultClass::DiskLyingFlush, {}, sim::kAlways}) == "0 0 50 0 ");
  const Rule rule(FaultClass::DiskLyingFlush, {}, sim::kAlways);
  Lab lab(kFlush, {.faults = rule.plan});
  lab.run();
  for (const base::Event* event : lab.of(EventKind::DiskFlush)) CHECK((event->b == 0 && event->c == 0));
  u64 lost = 0;
  for (u64 seed = 0; seed < 20; ++seed) lost += crashed(rule, seed).starts_with("ready ready") ? 1 : 0;
  CHECK(lost > 3);  // unit 0, which was flushed
  CHECK(lost < 17);
}

TEST_CASE("faults of a power cut: torn and shorn units, and the worst of what is legal", "[sim][disk][faults]") {
  u64 torn = 0;
  u64 damaged = 0;
  std::set<u32> prefix;
  for (u64 seed = 0; seed < 20; ++seed) {
    CAPTURE(seed);
    for (const u32 value : values_of(crashed({FaultClass::DiskTornWrite, {512}}, seed))) torn += value == 999 ? 1 : 0;
    const auto whole = values_of(crashed({FaultClass::DiskTornWrite, {4096}}, seed));
    CHECK(std::count(whole.begin(), whole.end(), 999u) == 0);

    const std::string shorn = crashed({FaultClass::DiskShornUnit, {3}}, seed);
    const u64 half = (shorn.size() - 6) / 2;
    CHECK(shorn.substr(6, half) == shorn.substr(6 + half));  // it stays
    const std::vector<u32> values = values_of(shorn);
    CHECK(values[0] == 7);
    for (const u32 value : values) damaged += value == 999 || value == 258 ? 1 : 0;

    u64 power = 0;
    const auto but_one = values_of(crashed({FaultClass::DiskReorder, {2}}, seed, &power));
    CHECK(std::count(but_one.begin(), but_one.end(), 0u) == 1);
    const auto small = values_of(crashed({FaultClass::DiskReorder, {1}}, seed));
    CHECK(std::count(small.begin(), small.end(), 7u) == 10);
    const auto newest = values_of(crashed({FaultClass::DiskReorder, {0}}, seed));
    const auto first_new = std::find(newest.begin() + 1, newest.end(), 7u);
    CHECK(std::count(first_new, newest.end(), 0u) == 0);
    prefix.insert(static_cast<u32>(first_new - newest.begin()));
  }
  CHECK(torn > 50);
  CHECK(damaged > 30);
  CHECK(damaged < 100);
  CHECK(prefix.size() > 4);
}

TEST_CASE("what timed out may land later over newer data, but not after a reset", "[sim][disk][faults]") {
  const Rule rule(FaultClass::DiskTimeout, {5 * kMillisecond, 10 * kMillisecond});
  CHECK(output_of(kLate, rule) == "3 5 0 0 60 50 ");
  CHECK(output_of(kLateReset, rule) == "3 5 0 0 60 60 ");
}

TEST_CASE("faults by the minute: a disk that is full, protected, gone or noise, and what heals it",
          "[sim][disk][faults]") {
  const auto watch = [](const Rule& rule, u64 heals_at = sim::kNever) {
    const auto act = [](World& world, u64) { world.set_phase(sim::Phase::Healing); };
    std::vector<u64> times;
    if (heals_at != sim::kNever) times.push_back(heals_at);
    Lab lab(kWatch, {.disks = {{.name = "d0", .bytes = 8 << 20}}, .faults = rule.plan, .times = times, .act = act});
    lab.run();
    CHECK(lab.outcome == Outcome::Ended);
    CHECK(lab.faults.size() == 1);
    return lab.output.at(1);
  };
  CHECK(watch({FaultClass::DiskFull, {10 * kMillisecond}}) == "0 0 0 | 0 4 0 | 0 0 0 | ");
  CHECK(watch({FaultClass::DiskWriteProtect, {}}) == "0 0 0 | 5 5 0 | ");
  CHECK(watch({FaultClass::DiskGarbage, {}}) == "0 0 0 | 0 0 999 | ");
  CHECK(watch({FaultClass::DiskWriteProtect, {}}, 20 * kMillisecond).ends_with("5 5 0 | 0 0 0 | "));
  CHECK(watch({FaultClass::DiskGarbage, {}}, 20 * kMillisecond).ends_with("0 0 999 | 0 0 0 | "));
  const std::string gone = watch({FaultClass::DiskUnplug, {3 * kMillisecond}});
  CHECK(gone.find("10 10 266 | ") != std::string::npos);
  CHECK(gone.ends_with("0 0 0 | "));
  CHECK(watch({FaultClass::DiskUnplug, {sim::kPauseNsMax}}, 30 * kMillisecond).ends_with("0 0 0 | "));
}

TEST_CASE("a slow disk takes its factor as long, for its time", "[sim][disk][faults]") {
  const Rule rule(FaultClass::DiskSlow, {10, 20 * kMillisecond});
  Lab lab(kWatch, {.disks = {{.name = "d0", .bytes = 8 << 20}}, .faults = rule.plan});
  lab.run();
  const auto fired = lab.of(EventKind::InjectFired);
  REQUIRE(fired.size() == 1);
  const u64 from = fired[0]->time_ns;
  constexpr u64 kUsual = 80'000 + 8'192;
  u64 slow = 0;
  for (const base::Event* event : lab.of(EventKind::DiskComplete)) {
    const u64 submitted = lab.at(event->cause).time_ns;
    const bool is_slow = submitted >= from && submitted < from + 20 * kMillisecond;
    REQUIRE(event->time_ns - submitted == (is_slow ? 10 * kUsual : kUsual));
    slow += is_slow ? 1 : 0;
  }
  CHECK(slow > 10);
}

TEST_CASE("healing gives back what was written, whatever became of it", "[sim][disk][faults][simulation.T37]") {
  const auto healed = [](FaultClass fault, std::initializer_list<u64> knobs) {
    const Rule rule(fault, knobs, sim::kAlways);
    const auto act = [](World& world, u64) { world.set_phase(sim::Phase::Healing); };
    Lab lab(kLate, {.faults = rule.plan, .times = {20 * kMillisecond}, .act = act});
    lab.run();
    return lab.output.at(1).substr(lab.output.at(1).size() - 3);
  };
  CHECK(healed(FaultClass::DiskLostWrite, {}) == "60 ");
  CHECK(healed(FaultClass::DiskBitRot, {5}) == "60 ");
  CHECK(healed(FaultClass::DiskMisdirectedWrite, {2}) == "60 ");
  CHECK(healed(FaultClass::DiskLatent, {0}) == "50 ");  // the second write was refused
}

TEST_CASE("a disk may be another, an older or a blank one when its power comes back", "[sim][disk][faults]") {
  const auto after = [](FaultClass fault, std::initializer_list<u64> knobs, u32 at_most = 1) {
    Rule rule(fault, knobs, at_most);
    rule.rule.target = "d0";
    const auto act = [](World& world, u64 id) { REQUIRE((id == 0 ? world.power_cut(1) : world.boot(1)).ok()); };
    Lab lab(
        kKeep,
        {.disks = {{"d0"}, {"d1"}}, .faults = rule.plan, .times = {3 * kMillisecond, 5 * kMillisecond}, .act = act});
    lab.run();
    CHECK(lab.faults.size() == at_most);
    const sim::DiskModel& other = lab.world->disks().at(1).model;
    return lab.output.at(1) + std::to_string(other.truth(4)[0]);
  };
  CHECK(after(FaultClass::DiskLost, {}, 0) == "new 51 0");
  CHECK(after(FaultClass::DiskLost, {}) == "new new 0");
  CHECK(after(FaultClass::DiskRollback, {1}) == "new 50 0");
  CHECK(after(FaultClass::DiskRollback, {2}) == "new new 0");
  CHECK(after(FaultClass::DiskSwap, {}) == "new new 51");
}

TEST_CASE("a disk that has less than it says wraps, forgets or refuses; one that is cut short says so",
          "[sim][disk][faults]") {
  const auto halves = [](const Rule& rule) {
    Lab lab(kHalves, {.disks = {{.name = "d0", .bytes = 16 * 4096}}, .faults = rule.plan});
    lab.run();
    CHECK(lab.outcome == Outcome::Ended);
    CHECK(lab.output.at(1).starts_with("0 1 1 | "));
    return lab.output.at(1).substr(lab.output.at(1).size() - 8);
  };
  CHECK(halves({FaultClass::DiskCapacityLie, {50, 0}}) == "0 1 0 | ");
  CHECK(halves({FaultClass::DiskCapacityLie, {50, 1}}) == "0 0 1 | ");
  CHECK(halves({FaultClass::DiskCapacityLie, {50, 2}}) == "1 0 1 | ");
  CHECK(halves({FaultClass::DiskCapacityLie, {90, 0}}) == "0 1 1 | ");
  const Rule cut(FaultClass::DiskCutImage, {40});
  Lab lab(kWatch, {.disks = {{.name = "d0", .bytes = 8 << 20}}, .faults = cut.plan});
  lab.run();
  CHECK(lab.output.at(1) == "0 0 0 | 0 0 262 | ");
  CHECK(lab.world->disks().at(0).model.sectors() == 2048 * 40 / 100 * 8);
}

TEST_CASE("each class of disks is struck by a test of its own here", "[sim][disk][faults]") {
  const std::set<std::string> tested = {"disk.torn-write",       "disk.shorn-unit",
                                        "disk.reorder",          "disk.failed-flush",
                                        "disk.lost-write",       "disk.misdirected-write",
                                        "disk.misdirected-read", "disk.stale-read",
                                        "disk.latent",           "disk.bit-rot",
                                        "disk.transient",        "disk.slow",
                                        "disk.timeout",          "disk.lying-flush",
                                        "disk.transfer-flip",    "disk.full",
                                        "disk.garbage",          "disk.write-protect",
                                        "disk.unplug",           "disk.capacity-lie",
                                        "disk.cut-image",        "disk.swap",
                                        "disk.rollback",         "disk.lost"};
  for (u32 i = 0; i < sim::kFaultClasses; ++i) {
    const std::string name(name_of(static_cast<FaultClass>(i)));
    CAPTURE(name);
    CHECK(name.starts_with("disk.") == tested.contains(name));
  }
}
