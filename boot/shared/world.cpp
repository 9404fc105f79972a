// boot/shared/world.cpp — see world.h.
#include "boot/shared/world.h"

#include "base/format.h"
#include "boot/shared/contain.h"
#include "boot/shared/pages.h"
#include "boot/shared/status.h"
#include "user/image.h"
#include "user/native.h"

#include "base/enforce.h"

namespace boot {
namespace {

u64 mebibytes(u64 bytes) { return (bytes + (u64{1} << 20) - 1) >> 20; }

/// The disk with a place for what is on it; all of it zero behind what the plan gives.
void lay_out(const sim::PlanDisk& from, u8* medium, sim::DiskConfig& disk) {
  if (!from.content.empty()) {
    __builtin_memcpy(medium, from.content.data(), from.content.size());
    disk.image = base::digest_of(from.content);
  }
  disk.medium = {medium, disk.bytes};
}

}  // namespace

sim::World& make_world(sim::WorldConfig config, sim::NodeConfig node, u64 ram_bytes,
                       std::span<const sim::PlanDisk> disks) {
  char text[256];
  sim::DiskConfig stored[sim::kNodeDisksMax];
  u64 disk_bytes = 0;
  ASSERT(disks.size() <= sim::kNodeDisksMax);
  for (u64 i = 0; i < disks.size(); ++i) {
    stored[i] = disks[i].config;
    disk_bytes += stored[i].bytes;
  }
  config.disks = {stored, disks.size()};
  // Its size is all that counting needs; the memory itself comes when it is known to suffice.
  node.ram = {static_cast<u8*>(nullptr), ram_bytes};
  node.image = user::boot_image();
  config.entries = user::native_entries();
  config.nodes = {&node, 1};
  const u64 work_bytes = sim::World::memory_bytes(config);
  const u64 needed = 2 * ram_bytes + disk_bytes + work_bytes + kMemorySpareBytes;
  const u64 present = pages_free_bytes();
  u8* ram = present < needed ? nullptr : region_take(ram_bytes);
  u8* work = ram == nullptr ? nullptr : region_take(work_bytes);
  for (u64 i = 0; work != nullptr && i < disks.size(); ++i) {
    u8* medium = region_take(stored[i].bytes);
    if (medium == nullptr) {
      work = nullptr;
    } else {
      lay_out(disks[i], medium, stored[i]);
    }
  }
  if (work == nullptr && present >= needed) {
    fail(kStatusUnsupported,
         base::format(
             text, "orrery: a node of {} MiB and {} MiB of disks find no room in the pieces of this machine's memory\n",
             mebibytes(ram_bytes), mebibytes(disk_bytes)));
  }
  if (work == nullptr) {
    fail(kStatusUnsupported,
         base::format(
             text,
             "orrery: a node of {} MiB with {} MiB of disks needs a machine with {} MiB of free memory; this one "
             "has {} MiB\n",
             mebibytes(ram_bytes), mebibytes(disk_bytes), mebibytes(needed), present >> 20));
  }
  node.ram = {ram, ram_bytes};
  const auto world = sim::World::create(config, {work, work_bytes});
  if (!world.ok()) {
    fail(kStatusUnsupported, base::format(text, "orrery: no world can be made: error {}, value {}\n",
                                          static_cast<u32>(world.error().code), world.error().value));
  }
  return *world.value();
}

}  // namespace boot
