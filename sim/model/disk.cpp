// sim/model/disk.cpp — see disk.h.
#include "sim/model/disk.h"

#include "sim/model/world.h"

#include "base/enforce.h"

namespace sim {

using base::EventKind;

namespace {

constexpr u32 kPageBytes = 4096;

bool is_size(u32 bytes) { return bytes == 512 || bytes == kPageBytes; }
bool in_range(const DiskSettings& settings) {
  return settings.latency_ns <= kDiskLatencyNsMax && settings.bytes_per_second >= 1 &&
         settings.bytes_per_second <= kDiskBytesPerSecondMax && settings.queue_depth >= 1 &&
         settings.queue_depth <= kDiskDepthMax && settings.channels >= 1 && settings.channels <= kDiskChannelsMax &&
         settings.cache <= DiskCache::Volatile && settings.cache_bytes <= kDiskCacheBytesMax;
}

}  // namespace

base::Result<void, ConfigError> Disks::check(const WorldConfig& config) {
  using Code = ConfigError::Code;
  if (config.disks.size() > kDisksMax) return ConfigError{Code::DiskCount, 0, config.disks.size()};
  u32 held[kNodesMax] = {};
  for (u32 i = 0; i < config.disks.size(); ++i) {
    const DiskConfig& disk = config.disks[i];
    bool name_ok = !disk.name.empty() && disk.name.size() <= kNameBytesMax;
    for (const DiskConfig& other : config.disks.first(i)) name_ok = name_ok && other.name != disk.name;
    if (!name_ok) return ConfigError{Code::DiskName, i, disk.name.size()};
    if (disk.node < 1 || disk.node > config.nodes.size()) return ConfigError{Code::DiskNode, i, disk.node};
    const bool size_ok = disk.bytes > 0 && disk.bytes % kPageBytes == 0 && disk.bytes <= kDiskBytesMax;
    if (!size_ok || disk.medium.size() != disk.bytes) return ConfigError{Code::DiskSize, i, disk.bytes};
    if (!is_size(disk.sector_bytes) || !is_size(disk.atomic_bytes) || !in_range(disk.settings)) {
      return ConfigError{Code::DiskSettings, i, 0};
    }
    held[disk.node - 1] += 1;
    if (held[disk.node - 1] > kNodeDisksMax) return ConfigError{Code::NodeDisks, disk.node, held[disk.node - 1]};
  }
  return {};
}

Disks::Disks(World& world, const WorldConfig& config, const Memory& memory) : world_(world), memory_(memory) {
  for (u32 i = 0; i < config.disks.size(); ++i) {
    const DiskConfig& from = config.disks[i];
    new (&memory_.disks[i]) Disk{.name = from.name,
                                 .node = from.node,
                                 .bytes = from.bytes,
                                 .sector_bytes = from.sector_bytes,
                                 .atomic_bytes = from.atomic_bytes,
                                 .image = from.image,
                                 .settings = from.settings,
                                 .effective = from.settings};
  }
}

bool Disks::is_allowed(u32 disk, const DiskSettings& settings) const {
  const DiskSettings& made = at(disk).settings;
  return in_range(settings) && settings.cache == made.cache && settings.cache_bytes == made.cache_bytes;
}

void Disks::tell_power(u32 index, u64 now) {
  const Disk& disk = memory_.disks[index];
  world_.emit(disk.node, now, {.kind = EventKind::DiskPower, .object = index + 1, .a = disk.is_plugged ? 1u : 0u});
}

void Disks::set(u32 disk, const DiskSettings& settings, u64 now) {
  memory_.disks[disk].settings = memory_.disks[disk].effective = settings;
  tell_power(disk, now);
}

void Disks::unplug(u32 disk, u64 now) {
  memory_.disks[disk].is_plugged = false;
  tell_power(disk, now);
}

void Disks::plug(u32 disk, u64 now) {
  memory_.disks[disk].is_plugged = true;
  memory_.disks[disk].media_epoch += 1;
  tell_power(disk, now);
}

}  // namespace sim
