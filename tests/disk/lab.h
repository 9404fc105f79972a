// tests/disk/lab.h — a world of test programs with disks, made straight from its configuration.
#pragma once
#include <catch2/catch.hpp>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "sim/host/machine.h"
#include "sim/model/world.h"
#include "tests/sim/guest.h"

namespace disk_lab {

constexpr u64 kRam = u64{16} << 20;
constexpr u64 kMicrosecond = 1'000;
constexpr u64 kMillisecond = 1'000'000;

struct DiskShape {
  std::string name;
  u32 node = 1;
  u64 bytes = 1 << 20;
  u32 sector_bytes = 512;
  u32 atomic_bytes = 4096;
  sim::DiskSettings settings;
};

struct Options {
  u64 seed = 1;
  u32 nodes = 1;
  std::vector<DiskShape> disks = {{"d0"}};
  sim::FaultPlan faults;
  std::vector<u64> times;  // of actions, by number
  std::function<void(sim::World&, u64)> act;
  u64 until = 200 * kMillisecond;
};

/// A world that lives as long as this.
struct Lab {
  Options options;
  std::map<u32, std::string> output;
  std::vector<base::Event> events;
  std::vector<std::string> faults;
  std::vector<base::MutableBytes> memory;  // nodes, media, the world's own
  sim::World* world = nullptr;
  sim::Outcome outcome = sim::Outcome::Running;
  base::Digest root;

  Lab(std::span<const machine::NativeEntry> entries, Options made) : options(std::move(made)) {
    std::vector<sim::NodeConfig> nodes;
    for (u32 i = 0; i < options.nodes; ++i) nodes.push_back({.ram = map(kRam)});
    std::vector<sim::DiskConfig> disks;
    for (const DiskShape& disk : options.disks) {
      disks.push_back({.name = disk.name,
                       .node = disk.node,
                       .bytes = disk.bytes,
                       .sector_bytes = disk.sector_bytes,
                       .atomic_bytes = disk.atomic_bytes,
                       .medium = map(disk.bytes),
                       .settings = disk.settings});
    }
    sim::WorldConfig config{.seed = options.seed, .nodes = nodes, .entries = entries, .disks = disks};
    config.faults = options.faults;
    config.script = {.context = this, .action = [](void* self, sim::World& made_world, u64 id) {
                       static_cast<Lab*>(self)->options.act(made_world, id);
                     }};
    config.sinks.context = this;
    config.sinks.console_output = [](void* self, u32 node, base::Bytes bytes) {
      static_cast<Lab*>(self)->output[node] += base::text_of(bytes);
    };
    config.sinks.event = [](void* self, const base::Event& event) { static_cast<Lab*>(self)->events.push_back(event); };
    config.sinks.fault = [](void* self, const sim::InjectRecord& record) {
      static_cast<Lab*>(self)->faults.push_back(std::string(name_of(record.fault)) + " " + std::string(record.target));
    };
    const auto created = sim::World::create(config, map(sim::World::memory_bytes(config)));
    REQUIRE(created.ok());
    world = created.value();
    for (u64 i = 0; i < options.times.size(); ++i) REQUIRE(world->at(options.times[i], i).ok());
  }
  ~Lab() {
    if (world != nullptr) world->destroy();
    for (const base::MutableBytes bytes : memory) sim::host::unmap_memory(bytes.data(), bytes.size());
  }
  Lab(const Lab&) = delete;
  Lab& operator=(const Lab&) = delete;

  base::MutableBytes map(u64 bytes) {
    u8* const mapped = sim::host::map_memory(bytes);
    REQUIRE(mapped != nullptr);
    memory.push_back({mapped, bytes});
    return memory.back();
  }
  Lab& run() {
    outcome = world->run(options.until);
    root = world->finish();
    return *this;
  }
  std::vector<const base::Event*> of(base::EventKind kind) const {
    std::vector<const base::Event*> found;
    for (const base::Event& event : events) {
      if (event.kind == static_cast<u16>(kind)) found.push_back(&event);
    }
    return found;
  }
  const base::Event& at(u64 sequence) const { return events[sequence - 1]; }
};

// ── In the guest ─────────────────────────────────────────────────────────────────────────────────────────────

constexpr u64 kBlock = 0x18000;  // windows of disks, one page each
constexpr u64 kDma = 0x80000;    // pages that the device reaches
constexpr u64 kDmaPages = 8;

struct Done {
  u32 tag = 0;
  port::BlockStatus status = port::BlockStatus::Ok;
  u64 sectors = 0;
};

/// Drives the first disk of a node.
struct Driver {
  guest::Root root;
  u64 notification = root.make(kernel::ObjectType::Notification);
  u64 handler = 0;
  u64 address[kDmaPages] = {};

  Driver() {
    root.map_device(kernel::DeviceKind::Block, kBlock);
    handler = root.next_slot++;
    ASSERT(sys::invoke(kernel::kRootIrqControl, kernel::Invoke::IrqControlGet,
                       {root.device(kernel::DeviceKind::Block).irq, 0, handler, 64}, {kernel::kRootCNode})
               .ok());
    ASSERT(sys::invoke(handler, kernel::Invoke::IrqHandlerSetNotification, {}, {notification}).ok());
    ASSERT(sys::invoke(handler, kernel::Invoke::IrqHandlerAck, {}).ok());
    for (u64 i = 0; i < kDmaPages; ++i) {
      const u64 frame = root.make(kernel::ObjectType::Frame, 12);
      root.map(frame, kDma + i * 4096);
      ASSERT(sys::invoke(frame, kernel::Invoke::FrameGetAddress, {}).ok());
      address[i] = sys::frame().mr[0];
    }
  }
  u8* page(u64 i) const { return static_cast<u8*>(machine::pointer(kDma + i * 4096, 4096, true)); }
  void fill(u64 i, u8 value) const { __builtin_memset(page(i), value, 4096); }

  kernel::ResultLabel submit(port::BlockOp op, u64 flags, u64 tag, u64 sector, u64 sectors, u64 at) const {
    sys::frame().mr[0] = static_cast<u64>(op) | flags << 8 | tag << 32;
    sys::frame().mr[1] = sector;
    sys::frame().mr[2] = sectors;
    sys::frame().mr[3] = at;
    return port::call(kBlock, port::Block::Submit).label;
  }
  /// The next completion, however long it takes.
  Done wait() const {
    for (;;) {
      const sys::Answer answer = port::call(kBlock, port::Block::Complete);
      if (answer.info.length() != 0) {
        const u64 word = sys::frame().mr[0];
        return {static_cast<u32>(word), static_cast<port::BlockStatus>(word >> 32), sys::frame().mr[1]};
      }
      sys::wait(notification);
      ASSERT(sys::invoke(handler, kernel::Invoke::IrqHandlerAck, {}).ok());
    }
  }
  port::BlockStatus write(u64 unit, u8 value, u64 flags = 0) const {
    fill(0, value);
    ASSERT(submit(port::BlockOp::Write, flags, 1, unit * 8, 8, address[0]) == kernel::ResultLabel::None);
    return wait().status;
  }
  /// The value a unit is full of; 256 + status where it cannot be read, 999 where it is not full of one.
  u32 read(u64 unit) const {
    ASSERT(submit(port::BlockOp::Read, 0, 2, unit * 8, 8, address[1]) == kernel::ResultLabel::None);
    const Done done = wait();
    if (done.status != port::BlockStatus::Ok) return 256 + static_cast<u32>(done.status);
    const u8* const bytes = page(1);
    for (u32 i = 0; i < 4096; ++i) {
      if (bytes[i] != bytes[0]) return 999;
    }
    return bytes[0];
  }
  port::BlockStatus flush() const {
    ASSERT(submit(port::BlockOp::Flush, 0, 3, 0, 0, 0) == kernel::ResultLabel::None);
    return wait().status;
  }
  static void tell(u64 value) {
    guest::print_number(value);
    guest::print(" ");
  }
};

}  // namespace disk_lab
