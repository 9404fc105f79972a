// user/servers/disk_device.h — one disk of the machine, driven from outside the kernel: its window and its interrupt are
// capabilities, its requests port calls, its data lies in Frames of the driver that it reaches by their address in the node.
// Rules       D1 what failed for a moment is tried again, 3 times, after 1, 10 and 100 ms: an I/O error or a timeout that the disk
//             tells, and a medium error of a read. But a flush is not: the next one may succeed over what the failed one lost.
//             D2 a timeout, told or of 30 s without an answer, ends with a reset of the disk: after it nothing earlier moves.
//             D3 a driver that starts resets the disk: what an earlier one left under way must not land over newer data.
// Bounds      kRoomBytes of data at once; as many requests in flight as the disk takes, at most kRequestsMax.
// Tested by   tests/root/disk_test.cpp
#pragma once
#include <span>

#include "fs/error.h"
#include "kernel-model/ports.h"
#include "user/runtime/process.h"

namespace user {

/// What the disk says of itself, now.
struct DiskFacts {
  u64 sectors = 0;
  u64 epoch = 0;  // of the medium: another one has another
  u32 sector_bytes = 0;
  u32 atomic_bytes = 0;
  u32 queue_depth = 0;
  u8 cache = 0;  // none, ordered, volatile
  bool is_read_only = false;
  bool is_present = false;

  u64 bytes() const { return sectors * sector_bytes; }
};

struct DiskRequest {
  port::BlockOp op = port::BlockOp::Read;
  u64 sector = 0;
  u32 sectors = 0;
  u32 room = 0;  // offset of its data
  port::BlockStatus status = port::BlockStatus::Ok;
  bool is_done = false;
};

struct DiskCounts {
  u64 reads = 0;
  u64 writes = 0;
  u64 flushes = 0;
  u64 retries = 0;
  u64 resets = 0;
  u64 errors = 0;  // requests that failed for good
};

class DiskDevice {
 public:
  static constexpr u64 kInterrupt = u64{4};  // badge bit of the line
  static constexpr u32 kFrameBytes = 8192;   // Frames of 2^13
  static constexpr u32 kFrames = 5;
  static constexpr u32 kRoomBytes = kFrames * kFrameBytes;
  static constexpr u32 kRequestsMax = 8;

  explicit DiskDevice(Process& process) : process_(process) {}

  /// Starts the device of grant 0. Errors: NoSuchDevice, OutOfMemory, NotSupported (sectors of a size that is not ours).
  Result<void> start();
  std::string_view name() const { return {name_, name_bytes_}; }
  DiskFacts facts() const;
  /// The same while a message that has come lies where the disk answers: it stays as it is.
  DiskFacts facts_beside_message() const;
  const DiskCounts& counts() const { return counts_; }

  /// The data room from `offset` to the end of its Frame; good until the next system call.
  u8* room(u32 offset) const;
  /// Carries all of them out, in any order, and sleeps until each has its status. Their rooms lie within one Frame each and do not
  /// overlap, nor do the sectors of a write and another.
  void carry_out(std::span<DiskRequest> requests);
  /// One request without data, or with one piece of it.
  port::BlockStatus carry_out(const DiskRequest& request);
  /// Ends what is in flight.
  void reset();
  /// Takes what the disk has to say while nobody waits for it.
  void look();

 private:
  bool submit(const DiskRequest& request, u32 tag);
  bool attempt(std::span<DiskRequest> requests);
  u32 take_completions(std::span<DiskRequest> requests);
  bool wait_for_interrupt(u64 until_ns);
  Result<void> start_interrupt();

  Process& process_;
  DiskCounts counts_;
  u64 memory_[kFrames] = {};    // addresses of the Frames here
  u64 physical_[kFrames] = {};  // and for the disk
  u32 first_tag_ = 0;           // of the requests under way; the tag of each is its place behind it
  u32 next_tag_ = 1;
  u32 name_bytes_ = 0;
  char name_[64] = {};
};

/// What a program is told of a request that ended so. `sector`: where, for the detail.
fs::Error disk_error(port::BlockStatus status, u64 sector);

}  // namespace user
