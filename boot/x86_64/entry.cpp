// boot/x86_64/entry.cpp — the first C++ of this machine: what the loader says about memory. Source: Xen,
// public/arch-x86/hvm/start_info.h.
#include "base/assert.h"
#include "boot/arch.h"
#include "boot/shared/virtio.h"

#include "base/enforce.h"

extern "C" const u8 image_begin[];
extern "C" const u8 image_end[];

namespace boot {
namespace {

struct StartInfo {
  u32 magic;
  u32 version;
  u32 flags;
  u32 module_count;
  u64 modules;
  u64 command_line;
  u64 rsdp;
  u64 memory_map;  // version 1 on
  u32 memory_map_count;
  u32 reserved;
};
struct MemoryMapEntry {
  u64 base;
  u64 bytes;
  u32 type;  // as e820: 1 is RAM
  u32 reserved;
};
constexpr u32 kStartMagic = 0x336E'C578;  // "xEn3"
constexpr u32 kTypeRam = 1;
constexpr u64 kLowMemoryEnd = u64{1} << 20;  // firmware and the loader's tables
/// microvm without ACPI: eight windows of 512 bytes, their lines from 5 on (QEMU, hw/i386/microvm.c).
constexpr u64 kVirtioBase = 0xFEB0'0000;
constexpr u64 kVirtioBytes = 512;
constexpr u32 kVirtioWindows = 8;
constexpr u32 kVirtioFirstLine = 5;

constexpr u64 kPlanAddress = u64{64} << 20;

void find_virtio(MachineInfo& info) {
  for (u32 i = 0; i < kVirtioWindows; ++i) {
    virtio_add(info, {kVirtioBase + i * kVirtioBytes, kVirtioBytes}, kVirtioFirstLine + i);
  }
}

}  // namespace

extern "C" [[noreturn]] void boot_start(const StartInfo* start) {
  ASSERT(start->magic == kStartMagic && start->version >= 1);
  MachineInfo info;
  info.name = "x86_64";
  info.plan_address = kPlanAddress;
  const auto* map = reinterpret_cast<const MemoryMapEntry*>(start->memory_map);
  for (u32 i = 0; i < start->memory_map_count; ++i) {
    if (map[i].type == kTypeRam) ram_add(info, map[i].base, map[i].bytes);
  }
  ram_cut(info, 0, kLowMemoryEnd);
  ram_cut(info, reinterpret_cast<u64>(image_begin), static_cast<u64>(image_end - image_begin));
  find_virtio(info);
  boot_main(info);
}

}  // namespace boot
