// sim/model/disk.h — the disks of a world: each is a device of one node, with a medium that survives its node's power.
#pragma once
#include "sim/model/config.h"

namespace sim {

class World;

constexpr u64 kDiskBytesMax = u64{256} << 30;
constexpr u32 kDiskDepthMax = 64;
constexpr u32 kDiskChannelsMax = 16;
constexpr u32 kDiskCacheBytesMax = u32{64} << 20;
constexpr u64 kDiskLatencyNsMax = 3'600'000'000'000;
constexpr u64 kDiskBytesPerSecondMax = 1'000'000'000'000;

struct Disk {
  std::string_view name;
  u32 node = 0;  // number
  u64 bytes = 0;
  u32 sector_bytes = 512;
  u32 atomic_bytes = 4096;
  base::Digest image;
  DiskSettings settings;   // as the plan and its actions say
  DiskSettings effective;  // what faults make of them
  bool is_plugged = true;
  bool is_read_only = false;
  u64 media_epoch = 1;
};

class Disks {
 public:
  struct Memory {
    std::span<Disk> disks;
  };
  /// What is wrong with the disks of a configuration.
  static base::Result<void, ConfigError> check(const WorldConfig& config);

  Disks(World& world, const WorldConfig& config, const Memory& memory);

  u32 count() const { return static_cast<u32>(memory_.disks.size()); }
  const Disk& at(u32 disk) const { return memory_.disks[disk]; }
  /// Whether a disk may have these settings from now on.
  bool is_allowed(u32 disk, const DiskSettings& settings) const;
  void set(u32 disk, const DiskSettings& settings, u64 now);
  void unplug(u32 disk, u64 now);
  void plug(u32 disk, u64 now);

 private:
  void tell_power(u32 disk, u64 now);

  World& world_;
  Memory memory_;
};

}  // namespace sim
