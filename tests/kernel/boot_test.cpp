// Boot: what a node's memory holds before its first entry, and which configurations are refused.
#include <algorithm>
#include <cstring>

#include "tests/kernel/lab.h"

using namespace lab;

namespace {

const VSpace& root_space(Lab& lab) { return lab.object<VSpace>(kRootVSpace); }

/// What the root task reads at an address of its own, or −1.
int read_byte(Lab& lab, u64 vaddr) {
  const auto at = vspace::translate(lab.kernel(), root_space(lab), vaddr, vspace::Access::Read);
  return at.ok() ? lab.kernel().ram()[at->offset] : -1;
}

std::vector<u8> patterned(u64 bytes) {
  std::vector<u8> image(bytes);
  for (u64 i = 0; i < bytes; ++i) image[i] = static_cast<u8>(1 + i % 251);
  return image;
}

struct Silent final : MachinePort {
  void mmu_write(u32, u32, u32) override {}
  void arena_changed(Ref<VSpace>, u64, u64, bool) override {}
  void thread_reset(Ref<Tcb>) override {}
  void thread_gone(Ref<Tcb>) override {}
  void vspace_gone(Ref<VSpace>) override {}
  void irq_armed(u32, bool) override {}
};

base::Result<void, BootError> boots(u64 ram_bytes, const BootConfig& config) {
  std::vector<u8> ram(ram_bytes);
  Silent machine;
  Kernel kernel{{ram.data(), ram.size()}, CostTable{}, {}, machine};
  return kernel.boot(config);
}

}  // namespace

TEST_CASE("the root task reads boot information, image and buffer at their addresses", "[kernel][boot]") {
  for (const u64 bytes : {u64{0}, u64{1}, u64{8192}, u64{100'000}, u64{300'000}, (u64{2} << 20) + 5, u64{5} << 20}) {
    CAPTURE(bytes);
    Options options;
    options.image = patterned(bytes);
    Lab lab{options};
    const BootInfo& info = lab.boot_info();
    CHECK(info.magic == kBootInfoMagic);
    CHECK(info.image_bytes == bytes);
    CHECK(info.node_id == 7);
    CHECK(read_byte(lab, kBootInfoAddress) == (kBootInfoMagic & 0xFF));
    CHECK(read_byte(lab, kRootBufferAddress + 8191) == 0);
    CHECK(lab.root().object().buffer_vaddr == kRootBufferAddress);
    // contiguous in memory and in the address space; read and execute only
    u32 expected = 0;
    u64 covered = 0;
    for (u32 slot = info.image_frames.first; slot < info.image_frames.end; ++slot) {
      const Cap& frame = lab.cap(slot);
      REQUIRE(frame.type == CapType::Frame);
      if (expected != 0) CHECK(frame.object == expected);
      expected = frame.object + (1u << frame.bits);
      covered += u64{1} << frame.bits;
    }
    CHECK(covered >= bytes);
    CHECK(info.image_frames.end - info.image_frames.first <= 2 + 16);
    for (u64 at = 0; at < bytes; at += 4093) REQUIRE(read_byte(lab, kBootImageAddress + at) == 1 + int(at % 251));
    if (bytes > 0) {
      CHECK(read_byte(lab, kBootImageAddress + bytes - 1) == 1 + int((bytes - 1) % 251));
      CHECK(!vspace::translate(lab.kernel(), root_space(lab), kBootImageAddress, vspace::Access::Write).ok());
      CHECK(vspace::translate(lab.kernel(), root_space(lab), kBootImageAddress, vspace::Access::Fetch).ok());
    }
    CHECK(!vspace::translate(lab.kernel(), root_space(lab), kBootImageAddress + covered, vspace::Access::Read).ok());
    CHECK(!vspace::translate(lab.kernel(), root_space(lab), 0, vspace::Access::Read).ok());
  }
}

TEST_CASE("all memory but the root task's objects is Untyped, in the fewest blocks, ascending", "[kernel][boot]") {
  for (const u64 megabytes : {u64{16}, u64{18}, u64{62}, u64{256}}) {
    for (const u32 cores : {1u, 7u, 128u}) {
      CAPTURE(megabytes, cores);
      Options options;
      options.ram_bytes = megabytes << 20;
      options.cores = cores;
      options.image = patterned(70'000);
      Lab lab{options};
      const BootInfo& info = lab.boot_info();
      CHECK(info.core_count == cores);
      CHECK(info.ram_bytes == options.ram_bytes);
      u64 last = lab.kernel().header().region_end;
      u64 gaps = 0;
      for (u32 slot = info.ram_untypeds.first; slot < info.ram_untypeds.end; ++slot) {
        const Cap& cap = lab.cap(slot);
        REQUIRE(cap.type == CapType::Untyped);
        const BootUntyped& told = info.untypeds[slot - info.device_untypeds.first];
        CHECK((told.offset == cap.object && told.bits == cap.bits && told.device == 0));
        REQUIRE(cap.object >= last);
        gaps += cap.object - last;
        // Two equal neighbours that one aligned block could hold would be one too many.
        if (slot > info.ram_untypeds.first) {
          const Cap& before = lab.cap(slot - 1);
          const bool neighbours = before.object + (u64{1} << before.bits) == cap.object;
          const bool one_block = before.bits == cap.bits && before.object % (u64{2} << cap.bits) == 0;
          CHECK(!(neighbours && one_block));
        }
        last = cap.object + (u64{1} << cap.bits);
      }
      CHECK(last == options.ram_bytes);
      // What is no Untyped: 128 KiB CNode, 70'000 B of image in 8 KiB frames, and less than 64 KiB of the rest.
      CHECK(gaps < (128u << 10) + 9 * 8192 + (64u << 10));
      CHECK(info.empty.end == 4096);
      for (u32 slot = info.empty.first + 16; slot < info.empty.end; ++slot)
        REQUIRE(lab.is_null(slot));  // 16: the lab's own
    }
  }
}

TEST_CASE("each device has an Untyped of its window and its place in the boot information", "[kernel][boot]") {
  Options options;
  options.devices = {{DeviceKind::Console, 1, 0xE000'0000, 12}, {DeviceKind::Timer, kNoIrq, 0xE010'0000, 16}};
  Lab lab{options};
  const BootInfo& info = lab.boot_info();
  REQUIRE(info.device_count == 2);
  CHECK(info.device_untypeds.end - info.device_untypeds.first == 2);
  for (u32 i = 0; i < 2; ++i) {
    const BootDevice& device = info.devices[i];
    CHECK(device.slot == info.device_untypeds.first + i);
    const Cap& cap = lab.cap(device.slot);
    CHECK(cap.type == CapType::Untyped);
    CHECK((cap.flags & 1) == 1);
    CHECK(cap.object == device.window_offset);
    CHECK(1u << cap.bits == device.window_bytes);
    CHECK(info.untypeds[i].device == 1);
  }
  CHECK(info.devices[1].irq == kNoIrq);
}

TEST_CASE("a node that cannot be is refused with the number at fault", "[kernel][boot]") {
  using Code = BootError::Code;
  const auto code = [](u64 ram_bytes, const BootConfig& config) {
    const auto result = boots(ram_bytes, config);
    REQUIRE(!result.ok());
    return result.error().code;
  };
  constexpr u64 kEnough = u64{16} << 20;
  CHECK(boots(kEnough, {}).ok());
  CHECK(code(kEnough - (2 << 20), {}) == Code::RamSize);
  CHECK(code(kEnough + 4096, {}) == Code::RamSize);
  CHECK(code(kEnough, {.core_count = 0}) == Code::CoreCount);
  CHECK(code(kEnough, {.core_count = 129}) == Code::CoreCount);
  const std::vector<u8> image(15 << 20, 1);
  CHECK(code(kEnough, {.image = {image.data(), image.size()}}) == Code::ImageTooLarge);
  const std::vector<DeviceConfig> many(33, {DeviceKind::Console, 1, 0xE000'0000, 12});
  CHECK(code(kEnough, {.devices = many}) == Code::TooManyDevices);
  const DeviceConfig low[] = {{DeviceKind::Console, 1, 0xD000'0000, 12}};
  CHECK(code(kEnough, {.devices = low}) == Code::DeviceWindow);
  const DeviceConfig crooked[] = {{DeviceKind::Console, 1, 0xE000'1000, 13}};
  CHECK(code(kEnough, {.devices = crooked}) == Code::DeviceWindow);
  const DeviceConfig small[] = {{DeviceKind::Console, 1, 0xE000'0000, 11}};
  CHECK(code(kEnough, {.devices = small}) == Code::DeviceWindow);
  const DeviceConfig no_line[] = {{DeviceKind::Console, 256, 0xE000'0000, 12}};
  CHECK(code(kEnough, {.devices = no_line}) == Code::DeviceWindow);
  const DeviceConfig both[] = {{DeviceKind::Console, 1, 0xE000'0000, 16}, {DeviceKind::Timer, 2, 0xE000'8000, 12}};
  const auto overlap = boots(kEnough, {.devices = both});
  REQUIRE(!overlap.ok());
  CHECK(overlap.error().code == Code::DeviceWindow);
  CHECK(overlap.error().value == 1);
}
