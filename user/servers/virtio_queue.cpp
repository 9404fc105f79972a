// user/servers/virtio_queue.cpp — see virtio_queue.h.
#include "user/servers/virtio_queue.h"

#include "base/bytes.h"
#include "kernel-model/ports.h"
#include "schema/process.capnp.h"
#include "user/runtime/call.h"
#include "user/runtime/layout.h"
#include "user/runtime/shared.h"

#include "base/enforce.h"

namespace user {
namespace {

static_assert(VirtioDevice::kInterrupt == kSignalFree);

// Registers, §4.2.2.
constexpr u32 kMagic = 0x000;
constexpr u32 kVersion = 0x004;
constexpr u32 kDeviceId = 0x008;
constexpr u32 kDeviceFeatures = 0x010;
constexpr u32 kDeviceFeaturesSelect = 0x014;
constexpr u32 kDriverFeatures = 0x020;
constexpr u32 kDriverFeaturesSelect = 0x024;
constexpr u32 kQueueSelect = 0x030;
constexpr u32 kQueueSizeMax = 0x034;
constexpr u32 kQueueSize = 0x038;
constexpr u32 kQueueReady = 0x044;
constexpr u32 kQueueNotify = 0x050;
constexpr u32 kInterruptStatus = 0x060;
constexpr u32 kInterruptDone = 0x064;
constexpr u32 kStatus = 0x070;
constexpr u32 kQueueDescriptors = 0x080;  // 64 bits in two registers, as the next two
constexpr u32 kQueueDriver = 0x090;
constexpr u32 kQueueDevice = 0x0A0;
constexpr u32 kConfigGeneration = 0x0FC;
constexpr u32 kConfig = 0x100;

constexpr u32 kMagicValue = 0x7472'6976;  // "virt"
constexpr u32 kVersionModern = 2;
constexpr u32 kFeatureVersion1 = 1;  // bit 32: bit 0 of the second word

constexpr u32 kStatusAcknowledge = 1;
constexpr u32 kStatusDriver = 2;
constexpr u32 kStatusDriverOk = 4;
constexpr u32 kStatusFeaturesOk = 8;

// The queue in the shared Frame, §2.6: descriptors of 16 bytes, the ring of the driver, the ring of the device.
constexpr u32 kQueueEntries = 4;
constexpr u32 kDescriptors = 0;
constexpr u32 kAvailable = 64;  // flags, index (u16), entries (u16)
constexpr u32 kUsed = 128;      // flags, index (u16), entries of 8 bytes
constexpr u16 kDescriptorNext = 1;
constexpr u16 kDescriptorDeviceWrites = 2;
static_assert(kQueueEntries >= VirtioDevice::kPartsMax && kDescriptors + 16 * kQueueEntries <= kAvailable);
static_assert(kAvailable + 4 + 2 * kQueueEntries <= kUsed &&
              kUsed + 4 + 8 * kQueueEntries <= VirtioDevice::kSharedOffset);

constexpr u32 kFrameSlot = kSlotPrivate;
constexpr u32 kFrameBits = 13;
static_assert(1u << kFrameBits == VirtioDevice::kFrameBytes);
constexpr u32 kInterruptsMax = 1000;  // for one request: more that bring nothing are a broken device

}  // namespace

u32 VirtioDevice::read(u32 offset) const {
  sys::frame().mr[0] = offset;
  sys::frame().mr[1] = sizeof(u32);
  const bool ok = port::call(window_, port::Registers::Read, 2).ok();
  return ok ? static_cast<u32>(sys::frame().mr[0]) : 0;
}

void VirtioDevice::write(u32 offset, u32 value) const {
  sys::frame().mr[0] = offset;
  sys::frame().mr[1] = sizeof(u32);
  sys::frame().mr[2] = value;
  port::call(window_, port::Registers::Write, 3);
}

void VirtioDevice::write_address(u32 offset, u32 shared_offset) const {
  const u64 address = physical_ + shared_offset;
  write(offset, static_cast<u32>(address));
  write(offset + 4, static_cast<u32>(address >> 32));
}

u8* VirtioDevice::shared(u32 offset) const {
  ASSERT(offset < kFrameBytes);
  void* const at = machine::pointer(memory_ + offset, kFrameBytes - offset, true);
  ASSERT(at != nullptr);
  return static_cast<u8*>(at);
}

u64 VirtioDevice::config64(u32 offset) const {
  constexpr u32 kTriesMax = 100;
  for (u32 i = 0; i < kTriesMax; ++i) {
    const u32 generation = read(kConfigGeneration);
    const u64 low = read(kConfig + offset);
    const u64 value = low | u64{read(kConfig + offset + 4)} << 32;
    if (read(kConfigGeneration) == generation) return value;
  }
  return 0;
}

Result<void> VirtioDevice::start(u32 grant, u32 wanted) {
  grant_ = grant;
  window_ = device_address(grant);
  if (read(kMagic) != kMagicValue || read(kVersion) != kVersionModern) return fs::fail(fs::ErrorCode::NoSuchDevice);
  kind_ = static_cast<VirtioKind>(read(kDeviceId));
  write(kStatus, 0);  // reset
  write(kStatus, kStatusAcknowledge | kStatusDriver);
  write(kDeviceFeaturesSelect, 1);
  if ((read(kDeviceFeatures) & kFeatureVersion1) == 0) return fs::fail(fs::ErrorCode::NotSupported);
  write(kDeviceFeaturesSelect, 0);
  features_ = read(kDeviceFeatures) & wanted;
  write(kDriverFeaturesSelect, 0);
  write(kDriverFeatures, features_);
  write(kDriverFeaturesSelect, 1);
  write(kDriverFeatures, kFeatureVersion1);
  write(kStatus, kStatusAcknowledge | kStatusDriver | kStatusFeaturesOk);
  if ((read(kStatus) & kStatusFeaturesOk) == 0) return fs::fail(fs::ErrorCode::NotSupported);
  TRY(start_queue());
  TRY(start_interrupt());
  write(kStatus, kStatusAcknowledge | kStatusDriver | kStatusFeaturesOk | kStatusDriverOk);
  return {};
}

Result<void> VirtioDevice::start_queue() {
  const auto made = call<schema::process::Process::Frame>(
      kSlotRoot, {.slot = static_cast<u16>(kFrameSlot), .bits = static_cast<u8>(kFrameBits)});
  if (!made.ok()) return fs::fail(fs::ErrorCode::OutOfMemory);
  memory_ = made->address;
  if (!sys::invoke(kFrameSlot, sys::Invoke::FrameGetAddress, {}).ok()) return fs::fail(fs::ErrorCode::OutOfMemory);
  const u64 offset = sys::frame().mr[0];
  if (!port::call(window_, port::Registers::Memory, 0).ok()) return fs::fail(fs::ErrorCode::NoSuchDevice);
  physical_ = sys::frame().mr[0] + offset;
  __builtin_memset(shared(0), 0, kFrameBytes);
  write(kQueueSelect, 0);
  if (read(kQueueSizeMax) < kQueueEntries) return fs::fail(fs::ErrorCode::NotSupported);
  write(kQueueSize, kQueueEntries);
  write_address(kQueueDescriptors, kDescriptors);
  write_address(kQueueDriver, kAvailable);
  write_address(kQueueDevice, kUsed);
  write(kQueueReady, 1);
  return {};
}

Result<void> VirtioDevice::start_interrupt() {
  // The line signals with a bit of its own.
  const sys::Answer minted = sys::invoke(
      kSlotCNode, sys::Invoke::CNodeMint,
      {kSlotScratch, kSlotDepth, kSlotNotification, kSlotDepth, kernel::kRightWrite, kInterrupt}, {kSlotCNode});
  if (!minted.ok()) return fs::fail(fs::ErrorCode::NotSupported);
  const sys::Answer set = sys::invoke(kSlotGrants + grant_, sys::Invoke::IrqHandlerSetNotification, {}, {kSlotScratch});
  sys::invoke(kSlotCNode, sys::Invoke::CNodeDelete, {kSlotScratch, kSlotDepth});
  if (!set.ok()) return fs::fail(fs::ErrorCode::NotSupported);
  sys::invoke(kSlotGrants + grant_, sys::Invoke::IrqHandlerAck, {});
  return {};
}

Result<u32> VirtioDevice::request(std::span<const VirtioPart> parts) {
  ASSERT(!parts.empty() && parts.size() <= kPartsMax);
  u8* const queue = shared(0);
  for (u32 i = 0; i < parts.size(); ++i) {
    u8* const descriptor = queue + kDescriptors + 16 * i;
    const bool last = i + 1 == parts.size();
    ASSERT(parts[i].offset >= kSharedOffset && parts[i].offset + parts[i].bytes <= kFrameBytes);
    base::store_le64(descriptor, physical_ + parts[i].offset);
    base::store_le32(descriptor + 8, parts[i].bytes);
    base::store_le16(descriptor + 12, static_cast<u16>((last ? 0 : kDescriptorNext) |
                                                       (parts[i].device_writes ? kDescriptorDeviceWrites : 0)));
    base::store_le16(descriptor + 14, static_cast<u16>(last ? 0 : i + 1));
  }
  base::store_le16(queue + kAvailable + 4 + 2 * (submitted_ % kQueueEntries), 0);
  __atomic_thread_fence(__ATOMIC_SEQ_CST);  // the entry is whole before the index names it
  submitted_ += 1;
  base::store_le16(queue + kAvailable + 2, submitted_);
  write(kQueueNotify, 0);
  for (u32 round = 0; round < kInterruptsMax; ++round) {
    // Another signal may come between; notes are looked at when the request is answered.
    const sys::Received received = sys::wait(kSlotNotification);
    if ((received.badge & kInterrupt) == 0) continue;
    write(kInterruptDone, read(kInterruptStatus));
    sys::invoke(kSlotGrants + grant_, sys::Invoke::IrqHandlerAck, {});
    const volatile u8* const index = shared(kUsed + 2);
    if (static_cast<u16>(index[0] | index[1] << 8) != submitted_) continue;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return base::load_le32(shared(kUsed + 4 + 8 * ((submitted_ - 1u) % kQueueEntries) + 4));
  }
  return fs::fail(fs::ErrorCode::IoError);
}

}  // namespace user
