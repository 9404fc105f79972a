// tests/root/virtio_test.cpp — the driver process of virtio devices against a device made of memory: registers the test
// looks at between two slices of the run, a queue it serves, interrupts it raises.
#include <catch2/catch.hpp>

#include <cstring>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "sim/host/machine_host.h"
#include "user/image.h"
#include "user/native.h"

namespace {

constexpr u32 kDiskBytes = 20 * 512 + 0;
constexpr u64 kSliceNs = 50'000;
constexpr u32 kSlicesMax = 200'000;

std::vector<std::pair<u32, bool>> armed;
void on_armed(u32 line, bool on) { armed.push_back({line, on}); }

/// A device of kind 2 (disk) or 4 (entropy).
struct FakeDevice {
  alignas(8) u8 registers[512] = {};
  std::vector<u8> medium;
  u16 seen = 0;
  u32 flushes = 0;
  u8 status_of_next = 0;  // what the next request is answered with
  u8 next_random = 1;

  FakeDevice(u32 kind, u32 features, u32 bytes) : medium(bytes) {
    set(0x000, 0x7472'6976);
    set(0x004, 2);
    set(0x008, kind);
    set(0x010, features | 1);  // one word for both selections: bit 0 is also bit 32, version 1
    set(0x034, 8);
    set(0x100, bytes / 512);
    for (u32 i = 0; i < bytes; ++i) medium[i] = static_cast<u8>('a' + i / 512 % 26);
  }
  u32 get(u32 offset) const { return base::load_le32(registers + offset); }
  void set(u32 offset, u32 value) { base::store_le32(registers + offset, value); }
  u8* at(u32 offset) const { return reinterpret_cast<u8*>(base::load_le64(registers + offset)); }

  /// Answers at most one request; true: the line rises.
  bool step() {
    if (get(0x064) != 0) {  // the driver has seen the interrupt
      set(0x060, 0);
      set(0x064, 0);
    }
    if (get(0x044) != 1 || get(0x070) != 15) return false;
    if (base::load_le16(at(0x0A0) + 2) != seen) seen = 0;  // another driver has begun
    const u8* const available = at(0x090);
    if (base::load_le16(available + 2) == seen) return false;
    u8* const used = at(0x0A0);
    const u32 written = answer(base::load_le16(available + 4 + 2 * (seen % get(0x038))));
    base::store_le32(used + 4 + 8 * (seen % get(0x038)), 0);
    base::store_le32(used + 4 + 8 * (seen % get(0x038)) + 4, written);
    seen += 1;
    base::store_le16(used + 2, seen);
    set(0x060, 1);
    return true;
  }

  struct Part {
    u8* data;
    u32 bytes;
    bool writable;
  };
  u32 answer(u32 head) {
    std::vector<Part> parts;
    for (u32 index = head;;) {
      const u8* const descriptor = at(0x080) + 16 * index;
      const u16 flags = base::load_le16(descriptor + 12);
      parts.push_back(
          {reinterpret_cast<u8*>(base::load_le64(descriptor)), base::load_le32(descriptor + 8), (flags & 2) != 0});
      if ((flags & 1) == 0) break;
      index = base::load_le16(descriptor + 14);
    }
    if (get(0x008) == 4) {
      for (u32 i = 0; i < parts[0].bytes; ++i) parts[0].data[i] = next_random++;
      return parts[0].bytes;
    }
    const u8 status = status_of_next;
    status_of_next = 0;
    *parts.back().data = status;
    if (status != 0) return 1;
    const u32 type = base::load_le32(parts[0].data);
    const u64 at_byte = base::load_le64(parts[0].data + 8) * 512;
    if (type == 4) {
      flushes += 1;
      return 1;
    }
    CHECK(parts[1].writable == (type == 0));
    CHECK(at_byte + parts[1].bytes <= medium.size());
    if (type == 0) std::memcpy(parts[1].data, medium.data() + at_byte, parts[1].bytes);
    if (type == 1) std::memcpy(medium.data() + at_byte, parts[1].data, parts[1].bytes);
    return type == 0 ? parts[1].bytes + 1 : 1;
  }
};

/// What `script` prints on a node with these devices.
std::string run(std::vector<FakeDevice*> devices, const std::string& script) {
  std::vector<sim::HardwareDevice> windows;
  for (FakeDevice* device : devices) windows.push_back({device->registers, 512, static_cast<u32>(40 + windows.size())});
  std::string output;
  sim::host::Machine machine({.seed = 1,
                              .ram_bytes = u64{64} << 20,
                              .image = std::string(base::text_of(user::boot_image())),
                              .console = sim::ConsoleKind::Terminal,
                              .hardware = {windows, on_armed},
                              .entries = user::native_entries()});
  machine.on_output = [&](u32, base::Bytes bytes) { output += base::text_of(bytes); };
  REQUIRE(machine.start() == "");
  sim::World& world = machine.world();
  world.console_input(1, base::bytes_of(script), world.input_time(1'000'000'000));
  sim::Outcome outcome = sim::Outcome::Running;
  for (u64 slice = 1; slice < kSlicesMax && outcome != sim::Outcome::Ended; ++slice) {
    outcome = world.run(slice * kSliceNs);
    if (outcome == sim::Outcome::Ended) break;
    for (u32 i = 0; i < devices.size(); ++i) {
      if (devices[i]->step()) world.hardware_interrupt(1, i);
    }
  }
  CHECK(outcome == sim::Outcome::Ended);
  std::vector<u8> scratch((u64{64} << 20) / 16);
  CHECK(!kernel::check_invariants(world.nodes()[0].kernel(), scratch));
  return output;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

constexpr u32 kFlush = 1u << 9;
constexpr u32 kReadOnly = 1u << 5;

}  // namespace

TEST_CASE("a disk of the machine below is read and written at any offset by its driver", "[user][virtio]") {
  FakeDevice disk(2, kFlush, kDiskBytes);
  armed.clear();
  const std::string output = run({&disk},
                                 "cat /dev/blk0\r"
                                 "head -c 514 /dev/blk0.data | tail -c 4\r"
                                 "cksum < /dev/blk0.data\r"
                                 "echo -n changed > /dev/blk0.data\r"
                                 "head -c 9 /dev/blk0.data\r"
                                 "exit 0\r");
  CAPTURE(output);
  CHECK(contains(output, "TYPE=disk SIZE=10240 BLOCKS=20\r\nSTATE=ok"));
  CHECK(contains(output, "aabb"));
  CHECK(contains(output, " 10240\r\n"));
  CHECK(contains(output, "changedaa"));
  CHECK(std::memcmp(disk.medium.data(), "changedaaaa", 11) == 0);
  CHECK(disk.medium[511] == 'a');
  CHECK(disk.medium[512] == 'b');
  REQUIRE(!armed.empty());
  CHECK(armed.front() == std::pair<u32, bool>{40, true});
}

TEST_CASE("a disk that fails is an error of the read, and the driver goes on", "[user][virtio][hostile]") {
  FakeDevice disk(2, 0, kDiskBytes);
  disk.status_of_next = 1;
  const std::string output = run({&disk},
                                 "head -c 3 /dev/blk0.data; echo first $?\r"
                                 "head -c 3 /dev/blk0.data; echo second $?\r"
                                 "exit 0\r");
  CAPTURE(output);
  CHECK(contains(output, "first 1"));
  CHECK(contains(output, "aaasecond 0"));
}

TEST_CASE("a driver that is killed comes back and the disk with it", "[user][virtio][supervisor]") {
  FakeDevice disk(2, 0, kDiskBytes);
  const std::string output = run({&disk},
                                 "head -c 2 /dev/blk0.data; pkill virtio; sleep 1\r"
                                 "head -c 3 /dev/blk0.data; echo again $?\r"
                                 "exit 0\r");
  CAPTURE(output);
  CHECK(contains(output, "aaaagain 0"));
}

TEST_CASE("a disk that may not be written refuses it", "[user][virtio]") {
  FakeDevice disk(2, kReadOnly, kDiskBytes);
  const std::string output = run({&disk}, "echo x > /dev/blk0.data; echo wrote $?\rcat /dev/blk0\rexit 0\r");
  CAPTURE(output);
  CHECK_FALSE(contains(output, "wrote 0"));
  CHECK(contains(output, "STATE=read-only"));
  CHECK(disk.medium[0] == 'a');
}

TEST_CASE("two devices have a driver each, and one of a kind nobody drives is left alone", "[user][virtio]") {
  FakeDevice strange(16, 0, 512);
  FakeDevice entropy(4, 0, 512);
  const std::string output = run({&strange, &entropy}, "head -c 3 /dev/hwrng1 | cksum\rls /dev\rservice\rexit 0\r");
  CAPTURE(output);
  CHECK(contains(output, "hwrng1"));
  CHECK_FALSE(contains(output, "blk0"));
  CHECK(contains(output, "1602962764 3\r\n"));  // of the bytes 1 2 3
  CHECK(contains(output, "virtio0"));
}

TEST_CASE("a node without such devices has no service for them", "[user][virtio]") {
  const std::string output = run({}, "service\rls /dev\rexit 0\r");
  CAPTURE(output);
  CHECK_FALSE(contains(output, "virtio"));
  CHECK_FALSE(contains(output, "hwrng"));
}
