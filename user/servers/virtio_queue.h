// user/servers/virtio_queue.h — one virtio device over memory-mapped registers, driven from outside the kernel: its window
// and its interrupt are capabilities, its registers are port calls. One queue, one request at a time.
// Source: OASIS, Virtual I/O Device (VIRTIO) Version 1.1, §2.6 (split queues), §3.1 (start), §4.2 (MMIO).
// Bounds      a request has at most kPartsMax parts, all inside the one Frame shared with the device.
#pragma once
#include "fs/error.h"
#include "user/runtime/process.h"

namespace user {

enum class VirtioKind : u32 { None = 0, Block = 2, Entropy = 4 };

/// A piece of the shared Frame that a request hands to the device.
struct VirtioPart {
  u32 offset = 0;
  u32 bytes = 0;
  bool device_writes = false;
};

class VirtioDevice {
 public:
  static constexpr u32 kPartsMax = 3;
  static constexpr u32 kFrameBytes = 8192;   // one Frame of 2^13
  static constexpr u32 kSharedOffset = 512;  // the queue lies before it
  static constexpr u64 kInterrupt = u64{4};  // badge bit of the line: the first that is a program's own

  /// Starts the device of grant `grant`: reset, features, queue, interrupt. `wanted` are feature bits 0–31 the driver can
  /// use. Errors: NoSuchDevice (no virtio 1 device), NotSupported (it refuses what we need), OutOfMemory.
  Result<void> start(u32 grant, u32 wanted);

  VirtioKind kind() const { return kind_; }
  /// Of the wanted features, those the device has.
  bool has(u32 feature) const { return (features_ >> feature & 1) != 0; }
  /// 64 bits of the device's own configuration. It may change while it is read; then it is read again.
  u64 config64(u32 offset) const;

  /// The shared memory from `offset` on; good until the next system call.
  u8* shared(u32 offset) const;
  /// Hands `parts` to the device and sleeps until it has done them; returns how many bytes it wrote.
  Result<u32> request(std::span<const VirtioPart> parts);

 private:
  u32 read(u32 offset) const;
  void write(u32 offset, u32 value) const;
  void write_address(u32 offset, u32 shared_offset) const;
  Result<void> start_queue();
  Result<void> start_interrupt();

  u32 grant_ = 0;
  u64 window_ = 0;    // address of the registers' window
  u64 memory_ = 0;    // address of the shared Frame here
  u64 physical_ = 0;  // and for the device
  u32 features_ = 0;
  u16 submitted_ = 0;
  VirtioKind kind_ = VirtioKind::None;
};

}  // namespace user
