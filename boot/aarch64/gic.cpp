// boot/aarch64/gic.cpp — the interrupt controller: a GICv2 with a memory-mapped interface to the processor, or a GICv3, whose
// interface is system registers and which keeps the processor's own interrupts in a redistributor.
// Sources: Arm GIC Architecture Specification v2 (IHI 0048) chapter 4, v3 (IHI 0069) chapters 8 and 12.
#include "boot/aarch64/machine.h"

#include "base/enforce.h"

namespace boot::aarch64 {
namespace {

// Of the distributor, and of a redistributor's second frame for the first 32 interrupts.
constexpr u64 kControl = 0x000;
constexpr u64 kGroup = 0x080;
constexpr u64 kSetEnable = 0x100;
constexpr u64 kClearEnable = 0x180;
constexpr u64 kPriority = 0x400;
constexpr u64 kTargets = 0x800;  // v2: one byte an interrupt
constexpr u64 kRoutes = 0x6000;  // v3: one affinity an interrupt
constexpr u32 kEnableV2 = 1;
constexpr u32 kEnableV3 = (1 << 1) | (1 << 4);  // group 1, affinity routing
// Of the v2 interface.
constexpr u64 kPriorityMask = 0x04;
constexpr u64 kAcknowledge = 0x0C;
constexpr u64 kEnd = 0x10;
// Of a redistributor.
constexpr u64 kWaker = 0x014;
constexpr u32 kProcessorSleep = 1 << 1;
constexpr u32 kChildrenAsleep = 1 << 2;
constexpr u64 kOwnFrame = 0x1'0000;
constexpr u32 kWakeRounds = 1'000'000;

constexpr u32 kFirstShared = 32;  // interrupts below are the processor's own
constexpr u8 kHighest = 0;
constexpr u8 kLowestLet = 0xFF;
constexpr u8 kFirstProcessor = 1;
constexpr u32 kNumberMask = 0x3FF;
constexpr u32 kSpecialNumbers = 1020;  // 1020 … 1023: nothing waits

bool is_v3() { return hardware.redistributor.base != 0; }

/// Where the registers of an interrupt are.
u64 frame_of(u32 number) {
  return is_v3() && number < kFirstShared ? hardware.redistributor.base + kOwnFrame : hardware.distributor.base;
}

void open_v2() {
  store32(hardware.distributor.base + kControl, kEnableV2);
  store32(hardware.cpu_interface.base + kPriorityMask, kLowestLet);
  store32(hardware.cpu_interface.base + kControl, kEnableV2);
}

void open_v3() {
  store32(hardware.distributor.base + kControl, kEnableV3);
  const u64 waker = hardware.redistributor.base + kWaker;  // the first one is the first processor's
  store32(waker, load32(waker) & ~kProcessorSleep);
  for (u32 round = 0; round < kWakeRounds && (load32(waker) & kChildrenAsleep) != 0; ++round) continue;
  BOOT_REGISTER_WRITE(s3_0_c12_c12_5, BOOT_REGISTER_READ(s3_0_c12_c12_5) | 1);  // ICC_SRE_EL1: system registers
  asm volatile("isb");
  BOOT_REGISTER_WRITE(s3_0_c4_c6_0, kLowestLet);  // ICC_PMR_EL1
  BOOT_REGISTER_WRITE(s3_0_c12_c12_7, 1);         // ICC_IGRPEN1_EL1
  asm volatile("isb");
}

}  // namespace

void gic_open() {
  store32(hardware.distributor.base + kControl, 0);
  if (is_v3()) {
    open_v3();
  } else {
    open_v2();
  }
}

void gic_enable(u32 number, bool on) {
  const u64 frame = frame_of(number);
  const u64 word = number / 32 * 4;
  const u32 bit = u32{1} << (number % 32);
  store8(frame + kPriority + number, kHighest);
  if (is_v3()) {
    store32(frame + kGroup + word, ~u32{0});  // all in group 1, as the non-secure world has them anyway
    constexpr u64 kAffinity = 0xFF'00FF'FFFF;
    if (number >= kFirstShared) store64(frame + kRoutes + 8 * number, BOOT_REGISTER_READ(mpidr_el1) & kAffinity);
  } else {
    store8(frame + kTargets + number, kFirstProcessor);  // of the processor's own interrupts it is read-only
  }
  store32(frame + (on ? kSetEnable : kClearEnable) + word, bit);  // zeros change nothing
}

bool gic_take(u32& number) {
  u64 word;
  if (is_v3()) {
    word = BOOT_REGISTER_READ(s3_0_c12_c12_0);  // ICC_IAR1_EL1
    asm volatile("dsb sy");
  } else {
    word = load32(hardware.cpu_interface.base + kAcknowledge);
  }
  number = static_cast<u32>(word) & kNumberMask;
  return number < kSpecialNumbers;
}

void gic_end(u32 number) {
  if (is_v3()) {
    BOOT_REGISTER_WRITE(s3_0_c12_c12_1, number);  // ICC_EOIR1_EL1
    asm volatile("isb");
  } else {
    store32(hardware.cpu_interface.base + kEnd, number);
  }
}

}  // namespace boot::aarch64
