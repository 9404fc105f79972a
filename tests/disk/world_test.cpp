// Disks as devices of a world: times, order, interrupts, power, what a driver may ask.
#include <set>

#include "tests/disk/lab.h"

using namespace disk_lab;
using base::EventKind;
using kernel::ResultLabel;
using port::BlockOp;
using port::BlockStatus;
using sim::ActionError;
using sim::DiskCache;
using sim::DiskSettings;
using sim::Outcome;
using sim::World;

namespace {

u64 transfer_ns(u64 bytes, u64 rate) { return (bytes * 1'000'000'000 + rate - 1) / rate; }

// Writes, reads back by another page, and looks at what the disk says of itself.
void copy_root(const u64 (&)[8]) {
  Driver driver;
  bool ok = true;
  for (u32 i = 0; i < 4096; ++i) driver.page(0)[i] = static_cast<u8>(i * 7 + i / 256);
  ASSERT(driver.submit(BlockOp::Write, 0, 41, 24, 8, driver.address[0]) == ResultLabel::None);
  const Done wrote = driver.wait();
  ok = ok && wrote.tag == 41 && wrote.status == BlockStatus::Ok && wrote.sectors == 8;
  ASSERT(driver.submit(BlockOp::Read, 0, 42, 24, 8, driver.address[3]) == ResultLabel::None);
  const Done read = driver.wait();
  ok = ok && read.tag == 42 && __builtin_memcmp(driver.page(0), driver.page(3), 4096) == 0;
  // A sector in the middle of a unit leaves its neighbours.
  driver.fill(2, 9);
  ASSERT(driver.submit(BlockOp::Write, 0, 43, 26, 1, driver.address[2]) == ResultLabel::None);
  driver.wait();
  __builtin_memset(driver.page(0) + 1024, 9, 512);
  ASSERT(driver.submit(BlockOp::Read, 0, 44, 24, 8, driver.address[3]) == ResultLabel::None);
  driver.wait();
  ok = ok && __builtin_memcmp(driver.page(0), driver.page(3), 4096) == 0;
  ASSERT(driver.submit(BlockOp::WriteZeroes, 0, 45, 24, 8, 0) == ResultLabel::None);
  driver.wait();
  ok = ok && driver.read(3) == 0;
  port::call(kBlock, port::Block::Info);
  ok = ok && sys::frame().mr[0] == 2048 && sys::frame().mr[1] == (512 | u64{4096} << 32);
  ok = ok && sys::frame().mr[2] == (2 | port::kBlockPresent << 8 | u64{32} << 32) && sys::frame().mr[3] == 2;
  ok = ok && std::string_view(reinterpret_cast<const char*>(sys::buffer().msg), 2) == "d0" && sys::buffer().msg[1] == 1;
  guest::halt(ok ? 0 : 1);
}

// Six reads at once, of sizes that differ.
void burst_root(const u64 (&)[8]) {
  Driver driver;
  for (u64 i = 0; i < 6; ++i) {
    ASSERT(driver.submit(BlockOp::Read, 0, i, i * 8, i + 1, driver.address[i]) == ResultLabel::None);
  }
  for (u64 i = 0; i < 6; ++i) Driver::tell(driver.wait().tag);
  guest::halt(0);
}

// A small write that is a barrier between a long one and a short one.
void barrier_root(const u64 (&)[8]) {
  Driver driver;
  ASSERT(driver.submit(BlockOp::Read, 0, 1, 0, 8, driver.address[1]) == ResultLabel::None);
  ASSERT(driver.submit(BlockOp::Write, port::kBlockBarrier, 2, 64, 1, driver.address[2]) == ResultLabel::None);
  ASSERT(driver.submit(BlockOp::Write, 0, 3, 128, 1, driver.address[3]) == ResultLabel::None);
  for (u64 i = 0; i < 3; ++i) Driver::tell(driver.wait().tag);
  guest::halt(0);
}

void limits_root(const u64 (&)[8]) {
  Driver driver;
  const u64 page = driver.address[0];
  const auto label = [&](BlockOp op, u64 flags, u64 sector, u64 sectors, u64 at) {
    return static_cast<u64>(driver.submit(op, flags, 7, sector, sectors, at));
  };
  Driver::tell(label(static_cast<BlockOp>(5), 0, 0, 1, page));  // refused at once
  Driver::tell(label(BlockOp::Read, 8, 0, 1, page));
  Driver::tell(label(BlockOp::Read, 0, 0, 2049, page));
  Driver::tell(label(BlockOp::Read, 0, 0, ~u64{0}, page));
  Driver::tell(label(BlockOp::Read, 0, 0, 1, kRam));
  Driver::tell(label(BlockOp::Write, 0, 0, 1, ~u64{0} - 8));
  guest::print("| ");
  const auto status = [&](BlockOp op, u64 sector, u64 sectors, u64 at) {
    ASSERT(label(op, 0, sector, sectors, at) == 0);
    Driver::tell(static_cast<u64>(driver.wait().status));
  };
  status(BlockOp::Read, 2048, 1, page);  // answered
  status(BlockOp::Write, 2047, 2, page);
  status(BlockOp::Read, ~u64{0}, 1, page);
  status(BlockOp::Read, 0, 0, page);
  status(BlockOp::Read, 0, 1, page + 4);
  status(BlockOp::Read, 2047, 1, page);
  guest::print("| ");
  ASSERT(label(BlockOp::Write, 0, 0, 1, page) == 0);  // overlap is judged in units of 4096 bytes
  ASSERT(label(BlockOp::Read, 0, 7, 1, page) == 0);
  Driver::tell(static_cast<u64>(driver.wait().status));
  ASSERT(label(BlockOp::Read, 0, 8, 1, page) == 0);
  Driver::tell(static_cast<u64>(driver.wait().status));
  Driver::tell(static_cast<u64>(driver.wait().status));
  guest::print("| ");
  u64 taken = 0;
  while (label(BlockOp::Read, 0, 8 * taken, 1, page) == 0) taken += 1;
  Driver::tell(taken);
  machine::charge(50 * kMillisecond);
  Driver::tell(label(BlockOp::Read, 0, 0, 1, page));  // completions keep their places until they are taken
  driver.wait();
  Driver::tell(label(BlockOp::Read, 0, 0, 1, page));
  Driver::tell(static_cast<u64>(port::call(kBlock, static_cast<port::Block>(9)).label));
  guest::halt(0);
}

// The first boot writes: unit 0 is flushed, units 1 to 8 are not, and unit 9 is in flight. The next one tells what is there.
constexpr u64 kUnits = 10;
void crash_root(const u64 (&)[8]) {
  Driver driver;
  if (driver.read(0) == 0) {
    driver.write(0, 7);
    driver.flush();
    for (u64 unit = 1; unit < 9; ++unit) driver.write(unit, 7);
    driver.fill(0, 7);
    ASSERT(driver.submit(BlockOp::Write, 0, 9, 72, 8, driver.address[0]) == ResultLabel::None);
    guest::print("ready ");
    sys::wait(driver.notification);
    for (;;) machine::charge(kMillisecond);
  }
  for (u64 unit = 0; unit < kUnits; ++unit) Driver::tell(driver.read(unit));
  guest::halt(0);
}

// Writes without a flush and resets its node; the next boot tells what it reads.
void reboot_root(const u64 (&)[8]) {
  Driver driver;
  if (driver.read(0) == 0) {
    driver.write(0, 5);
    ASSERT(driver.submit(BlockOp::Write, 0, 9, 8, 8, driver.address[2]) == ResultLabel::None);
    sys::frame().mr[0] = 0;
    port::call(guest::kPower, port::Power::Reboot);
  }
  Driver::tell(driver.read(0));
  Driver::tell(driver.wait().tag);
}

// Writes on and on, telling each change of what it gets.
void gone_root(const u64 (&)[8]) {
  Driver driver;
  u32 last = 99;
  for (u64 i = 0; i < 400; ++i) {
    driver.fill(0, static_cast<u8>(i));
    ASSERT(driver.submit(BlockOp::Write, 0, 1, i % 8 * 8, 8, driver.address[0]) == ResultLabel::None);
    const u32 status = static_cast<u32>(driver.wait().status);
    if (status != last) Driver::tell(status);
    last = status;
  }
  port::call(kBlock, port::Block::Info);
  Driver::tell(sys::buffer().msg[1]);
  guest::halt(0);
}

// Three writes are under way when the driver resets the disk.
void reset_root(const u64 (&)[8]) {
  Driver driver;
  for (u64 unit = 0; unit < 3; ++unit) driver.write(unit, 1);
  driver.fill(0, 2);
  for (u64 unit = 0; unit < 3; ++unit) {
    ASSERT(driver.submit(BlockOp::Write, 0, unit, unit * 8, 8, driver.address[0]) == ResultLabel::None);
  }
  port::call(kBlock, port::Block::Reset);
  for (u64 i = 0; i < 3; ++i) Driver::tell(static_cast<u64>(driver.wait().status));
  machine::charge(10 * kMillisecond);
  for (u64 unit = 0; unit < 3; ++unit) Driver::tell(driver.read(unit));
  guest::halt(0);
}

constexpr machine::NativeEntry kCopy[] = {{"root", copy_root}};
constexpr machine::NativeEntry kBurst[] = {{"root", burst_root}};
constexpr machine::NativeEntry kBarrier[] = {{"root", barrier_root}};
constexpr machine::NativeEntry kLimits[] = {{"root", limits_root}};
constexpr machine::NativeEntry kCrash[] = {{"root", crash_root}};
constexpr machine::NativeEntry kReboot[] = {{"root", reboot_root}};
constexpr machine::NativeEntry kGone[] = {{"root", gone_root}};
constexpr machine::NativeEntry kReset[] = {{"root", reset_root}};

}  // namespace

TEST_CASE("what a driver writes it reads back, and the disk says what it is", "[sim][disk]") {
  Lab lab(kCopy, {});
  lab.run();
  CHECK(lab.outcome == Outcome::Ended);
  CHECK(lab.world->status() == 0);
  CHECK(lab.of(EventKind::DiskPower).size() == 1);
  CHECK(lab.of(EventKind::DiskSubmit).size() == lab.of(EventKind::DiskComplete).size());
}

TEST_CASE("a request takes latency and transfer on its channel, to the nanosecond", "[sim][disk]") {
  for (const u32 channels : {1u, 2u, 3u}) {
    CAPTURE(channels);
    const DiskSettings settings{.latency_ns = 71'003, .bytes_per_second = 37'123'457, .channels = channels};
    Lab lab(kBurst, {.disks = {{.name = "d0", .settings = settings}}});
    lab.run();
    const auto submitted = lab.of(EventKind::DiskSubmit);
    REQUIRE(submitted.size() == 6);
    std::vector<u64> free_at(channels, 0);
    std::map<u64, u64> expected;
    for (const base::Event* event : submitted) {
      u64& channel = *std::min_element(free_at.begin(), free_at.end());
      channel = std::max(channel, event->time_ns) + settings.latency_ns +
                transfer_ns((event->b & 0xFFFF) * 512, settings.bytes_per_second);
      expected[event->a] = channel;
    }
    for (const base::Event* event : lab.of(EventKind::DiskComplete)) {
      REQUIRE(event->time_ns == expected.at(event->a));
      REQUIRE(lab.at(event->cause).a == event->a);
    }
    CHECK(lab.output.at(1).size() == 12);
  }
}

TEST_CASE("a barrier starts behind what was submitted before it, and before what comes after", "[sim][disk]") {
  const DiskSettings settings{.latency_ns = 1000, .bytes_per_second = 1'000'000, .channels = 4};
  Lab lab(kBarrier, {.disks = {{.name = "d0", .settings = settings}}});
  lab.run();
  const auto done = lab.of(EventKind::DiskComplete);
  REQUIRE(done.size() == 3);
  CHECK(lab.output.at(1) == "1 2 3 ");
  const u64 small = settings.latency_ns + transfer_ns(512, settings.bytes_per_second);
  CHECK(done[1]->time_ns == done[0]->time_ns + small);
  CHECK(done[2]->time_ns == done[1]->time_ns + small);
  CHECK(lab.of(EventKind::DiskFlush).empty());  // order, not durability
  CHECK(lab.world->disks().at(0).model.cached() == 2);
}

TEST_CASE("a malformed request is refused, a wrong one is answered, a full queue waits", "[sim][disk]") {
  Lab lab(kLimits, {.disks = {{.name = "d0", .settings = {.queue_depth = 5}}}});
  lab.run();
  CHECK(lab.output.at(1) == "4 4 4 4 4 4 | 6 6 6 6 7 0 | 8 0 0 | 5 10 0 3 ");
  CHECK(lab.outcome == Outcome::Ended);
}

TEST_CASE("a power cut keeps what was flushed, and of the rest what the seed draws", "[sim][disk][property]") {
  std::set<std::string> found;
  u64 lost = 0;
  for (u64 seed = 0; seed < 40; ++seed) {
    CAPTURE(seed);
    const auto act = [](World& world, u64 id) { REQUIRE((id == 0 ? world.power_cut(1) : world.boot(1)).ok()); };
    Lab lab(kCrash, {.seed = seed, .times = {3 * kMillisecond, 5 * kMillisecond}, .act = act});
    lab.run();
    REQUIRE(lab.outcome == Outcome::Ended);
    const std::string& output = lab.output.at(1);
    REQUIRE(output.starts_with("ready 7 "));  // flushed
    found.insert(output);
    std::vector<u64> values;
    for (const char c : output.substr(6)) {
      if (c != ' ') values.push_back(static_cast<u64>(c - '0'));
    }
    REQUIRE(values.size() == kUnits);
    u64 old = 0;
    for (u64 unit = 1; unit < 10; ++unit) {
      REQUIRE((values[unit] == 0 || values[unit] == 7));
      old += values[unit] == 0 ? 1 : 0;
    }
    const auto power = lab.of(EventKind::DiskPower);
    REQUIRE(power.size() == 3);
    CHECK(power[1]->a == 0);
    CHECK(power[1]->b == (u64{9} << 32 | old));
    lost += old;
  }
  CHECK(found.size() > 30);
  CHECK(lost > 100);
}

TEST_CASE("without a cache a power cut takes nothing that was completed", "[sim][disk]") {
  const auto act = [](World& world, u64 id) { REQUIRE((id == 0 ? world.power_cut(1) : world.boot(1)).ok()); };
  Lab lab(kCrash, {.disks = {{.name = "d0", .settings = {.cache = DiskCache::None}}},
                   .times = {3 * kMillisecond, 5 * kMillisecond},
                   .act = act});
  lab.run();
  CHECK(lab.output.at(1) == "ready 7 7 7 7 7 7 7 7 7 7 ");
}

TEST_CASE("a reset of the node loses nothing of the disk's cache, and answers nothing from before", "[sim][disk]") {
  Lab lab(kReboot, {});
  lab.run();
  CHECK(lab.output.at(1) == "5 ");
  CHECK(lab.outcome == Outcome::Stalled);  // it waits for a completion that is not its own
  CHECK(lab.of(EventKind::DiskPower).size() == 1);
}

TEST_CASE("a disk that is unplugged answers Gone, and comes back as another epoch", "[sim][disk]") {
  const auto act = [](World& world, u64 id) { REQUIRE((id == 0 ? world.unplug(0) : world.plug(0)).ok()); };
  Lab lab(kGone, {.times = {2 * kMillisecond + 321, 2 * kMillisecond + 90'321}, .act = act});
  lab.run();
  CHECK(lab.output.at(1) == "0 10 0 2 ");
  CHECK(lab.outcome == Outcome::Ended);
  REQUIRE(lab.of(EventKind::DiskPower).size() == 3);
  CHECK(lab.world->disks().at(0).media_epoch == 2);
}

TEST_CASE("after a reset of the disk nothing submitted before touches the medium", "[sim][disk]") {
  Lab lab(kReset, {});
  lab.run();
  CHECK(lab.output.at(1) == "11 11 11 1 1 1 ");
}

TEST_CASE("a plan sets a disk, and what is wrong with an action is told", "[sim][disk]") {
  const auto act = [](World& world, u64) {
    DiskSettings settings = world.disks().at(0).settings;
    settings.latency_ns = 5 * kMillisecond;
    REQUIRE(world.set_disk(0, settings).ok());
    CHECK(world.set_disk(1, settings).error().code == ActionError::Code::NoSuchDisk);
    CHECK(world.plug(0).error().code == ActionError::Code::DiskIsIn);
    settings.cache = DiskCache::None;
    CHECK(world.set_disk(0, settings).error().code == ActionError::Code::BadDisk);
    settings = world.disks().at(0).settings;
    settings.channels = 0;
    CHECK(world.set_disk(0, settings).error().code == ActionError::Code::BadDisk);
    REQUIRE(world.unplug(0).ok());
    CHECK(world.unplug(0).error().code == ActionError::Code::DiskIsOut);
    REQUIRE(world.plug(0).ok());
  };
  Lab lab(kGone, {.times = {2 * kMillisecond}, .act = act, .until = 20 * kMillisecond});
  lab.run();
  const auto done = lab.of(EventKind::DiskComplete);
  const auto submitted = lab.of(EventKind::DiskSubmit);
  REQUIRE(done.size() > 10);
  CHECK(done.back()->time_ns - submitted[done.size() - 1]->time_ns > 5 * kMillisecond);
}

TEST_CASE("worlds with disks repeat their root and their state", "[sim][disk][determinism][simulation.T1]") {
  std::set<u64> roots;
  for (u64 seed = 0; seed < 10; ++seed) {
    CAPTURE(seed);
    const auto run = [&] {
      const auto act = [](World& world, u64 id) { REQUIRE((id == 0 ? world.power_cut(1) : world.boot(1)).ok()); };
      Lab lab(kCrash, {.seed = seed, .times = {3 * kMillisecond, 5 * kMillisecond}, .act = act});
      lab.run();
      base::D128 state;
      lab.world->disks().fold(state);
      return std::pair(lab.root, state.out());
    };
    const auto first = run();
    REQUIRE(run() == first);
    roots.insert(first.first.high);
  }
  CHECK(roots.size() == 10);
}

TEST_CASE("a configuration with a disk that cannot be is refused, and says which", "[sim][disk]") {
  const auto code_of = [](const auto& change) {
    std::vector<u8> ram(kRam);
    std::vector<u8> medium(1 << 20);
    const sim::NodeConfig node{.ram = ram};
    sim::DiskConfig disk{.name = "d0", .node = 1, .bytes = medium.size(), .medium = medium};
    change(disk);
    sim::WorldConfig config;
    config.nodes = {&node, 1};
    config.disks = {&disk, 1};
    const u64 bytes = World::memory_bytes(config);
    u8* const memory = sim::host::map_memory(bytes);
    const auto made = World::create(config, {memory, bytes});
    REQUIRE(!made.ok());
    sim::host::unmap_memory(memory, bytes);
    return made.error().code;
  };
  using Code = sim::ConfigError::Code;
  CHECK(code_of([](auto& disk) { disk.name = ""; }) == Code::DiskName);
  CHECK(code_of([](auto& disk) { disk.node = 2; }) == Code::DiskNode);
  CHECK(code_of([](auto& disk) { disk.bytes -= 512; }) == Code::DiskSize);
  CHECK(code_of([](auto& disk) { disk.bytes = 2 << 20; }) == Code::DiskSize);
  CHECK(code_of([](auto& disk) { disk.sector_bytes = 1024; }) == Code::DiskSettings);
  CHECK(code_of([](auto& disk) { disk.atomic_bytes = 0; }) == Code::DiskSettings);
  CHECK(code_of([](auto& disk) { disk.settings.queue_depth = 65; }) == Code::DiskSettings);
}
