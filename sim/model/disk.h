// sim/model/disk.h — the disks of a world: each is a device of one node, whose medium survives that node's power. Here are
// time, the order of requests, completions and power; what is kept where is disk_model.h's.
//
//   Submit ─→ channel (latency + bytes / rate) ─→ completion waits ─→ Complete
//
// Invariants  D1 a request that was submitted is completed once, unless its node stops before.
//             D2 a barrier starts when all before it are done, and none behind it starts before it is done.
//             D3 after Reset nothing that was submitted before touches medium or memory any more.
// Bounds      queue_depth requests in flight or waiting to be taken; kTransferBytesMax a request.
#pragma once
#include "sim/model/disk_model.h"
#include "sim/model/event_queue.h"

namespace sim {

class World;
class Node;

constexpr u64 kDiskBytesMax = u64{256} << 30;
constexpr u64 kDiskUnitsMax = u64{64} << 20;
constexpr u32 kDiskChannelsMax = 16;
constexpr u32 kDiskCacheBytesMax = u32{64} << 20;
constexpr u64 kDiskLatencyNsMax = 3'600'000'000'000;
constexpr u64 kDiskBytesPerSecondMax = 1'000'000'000'000;

struct Disk {
  Disk(const DiskConfig& config, const DiskModel::Shape& shape, const DiskModel::Memory& memory, u32 port_of_node,
       u64 seed);

  std::string_view name;
  u32 node = 0;  // number
  u32 port = 0;  // which of its node's
  u64 bytes = 0;
  u32 sector_bytes = 512;
  u32 atomic_bytes = 4096;
  base::Digest image;
  DiskSettings settings;   // as the plan and its actions say
  DiskSettings effective;  // what faults make of them
  bool is_plugged = true;
  bool has_power = false;
  bool is_read_only = false;
  u64 media_epoch = 1;
  u64 real_units = 0;  // faults: it says that it has more
  DiskBeyond beyond = DiskBeyond::Wraps;
  u64 key = 0;  // of its streams: the digest of its name
  base::Prng cuts;
  u64 cut_count = 0;
  u64 counter = 0;                        // of entries in the queue
  u64 busy_until[kDiskChannelsMax] = {};  // of each channel
  u8 done[kDiskDepthMax] = {};            // requests whose completions wait, a ring
  u32 done_head = 0;
  u32 done_count = 0;
  u64 reads = 0;  // that were completed
  u64 writes = 0;
  u64 flushes = 0;
  u64 bytes_moved = 0;
  DiskModel model;
};

class Disks {
 public:
  struct Memory {
    std::span<Disk> disks;
    DiskModel::Memory models[kDisksMax];
  };
  static DiskModel::Shape shape_of(const DiskConfig& disk, bool has_damage);
  /// Entries in the queue that so many disks can have.
  static u32 entries(u64 disks) { return static_cast<u32>(disks) * kDiskDepthMax; }
  /// What is wrong with the disks of a configuration.
  static base::Result<void, ConfigError> check(const WorldConfig& config);

  Disks(World& world, const WorldConfig& config, const Memory& memory);

  u32 count() const { return static_cast<u32>(disks_.size()); }
  const Disk& at(u32 disk) const { return disks_[disk]; }
  /// Whether a disk may have these settings from now on.
  bool is_allowed(u32 disk, const DiskSettings& settings) const;
  /// All streams begin anew.
  void rekey(u64 seed);
  void set(u32 disk, const DiskSettings& settings) { disks_[disk].settings = disks_[disk].effective = settings; }
  /// The disk is gone as if its power were cut; what is in flight is answered with Gone.
  void unplug(u32 disk, u64 now);
  void plug(u32 disk, u64 now);

  // ── As a node's driver sees it ───────────────────────────────────────────────────────────────────────────
  u32 port_count(u32 node) const;
  /// The disk behind a port of a node (index).
  u32 disk_of(u32 node, u32 port) const;
  enum class Refusal : u8 { None, Range, Full };
  Refusal submit(u32 disk, u32 thread_id, DiskModel::Command command, u64 now);
  /// The oldest completion that waits; `address` and what else is no longer of use is undefined. Its place is free.
  std::optional<DiskRequest> take(u32 disk);
  void reset(u32 disk, u64 now);

  // ── As the world sees it ─────────────────────────────────────────────────────────────────────────────────
  void deliver(const QueueEntry& entry);
  /// A node (index) has power.
  void power_on(u32 node, u64 now);
  /// Its power is gone: what its disks had not made durable may be lost.
  void power_cut(u32 node, u64 now);
  /// It stopped and its disks have power: they forget what it asked for, and keep what they have.
  void node_reset(u32 node, u64 now);
  // ── Faults (faults/disks.cpp) ────────────────────────────────────────────────────────────────────────────
  struct Distortion {
    DiskSettings settings;
    bool is_full = false;
    bool is_read_only = false;
    u64 noise = 0;  // what was never written reads as noise of this
    u64 real_units = 0;
    DiskBeyond beyond = DiskBeyond::Wraps;
    u64 hidden_units = 0;
  };
  /// The disk behaves so until it is set or distorted again.
  void distort(u32 disk, const Distortion& distortion);
  /// All damage is gone.
  void mend(u32 disk) { disks_[disk].model.mend(); }
  /// Of everything that a state digest has of disks.
  void fold(base::D128& digest) const;

 private:
  Node& node_of(const Disk& disk);
  u32 index_of(const Disk& disk) const { return static_cast<u32>(&disk - disks_.data()); }
  u64 bytes_of(const Disk& disk, const DiskRequest& request) const;
  void schedule(Disk& disk, DiskRequest& request, u64 now);
  void push(Disk& disk, u32 request, u64 time, u64 cause);
  void cancel(DiskRequest& request);
  u32 landed(const Disk& disk, const DiskRequest& request, u64 now) const;
  void finish(Disk& disk, u32 request, u64 now);
  void tell_done(const Disk& disk, const DiskRequest& request, u64 digest, u64 now);
  void tell_flush(const Disk& disk, const DiskRequest& request, u64 durable, u64 now);
  void wait_for_driver(Disk& disk, u32 request, u64 now);
  void abandon_all(Disk& disk, port::BlockStatus status, u64 now);
  void lose_power(Disk& disk, u64 now);
  void answer_early(Disk& disk, u32 request, u64 now);
  void struck_submit(Disk& disk, DiskRequest& request, u64 now);
  DiskTwist struck(Disk& disk, const DiskRequest& request, u64 now);
  DiskCutTwist struck_cut(Disk& disk, u64 now);
  void struck_boot(Disk& disk, u64 now);

  World& world_;
  std::span<Disk> disks_;
};

}  // namespace sim
