// boot/aarch64/interrupts.cpp — the interrupt controller (GICv2), the virtual timer, and sleeping.
// Sources: Arm Generic Interrupt Controller Architecture Specification v2 (IHI 0048), chapter 4; Arm ARM D11.2.
#include "boot/aarch64/machine.h"

#include "base/enforce.h"

namespace boot::aarch64 {
namespace {

constexpr u64 kDistributorControl = 0x000;
constexpr u64 kSetEnable = 0x100;
constexpr u64 kClearEnable = 0x180;
constexpr u64 kPriority = 0x400;
constexpr u64 kTargets = 0x800;
constexpr u64 kInterfaceControl = 0x00;
constexpr u64 kPriorityMask = 0x04;
constexpr u64 kAcknowledge = 0x0C;
constexpr u64 kEnd = 0x10;
constexpr u32 kNumberMask = 0x3FF;
constexpr u32 kSpecialNumbers = 1020;  // 1020 … 1023: nothing waits
constexpr u8 kHighest = 0;
constexpr u8 kFirstProcessor = 1;

constexpr u64 kNsPerSecond = 1'000'000'000;
constexpr u64 kTimerEnable = 1;
constexpr u64 kTimerMasked = 2;

}  // namespace

void interrupts_open() {
  BOOT_REGISTER_WRITE(cntv_ctl_el0, 0);
  if (hardware.distributor.base == 0 || hardware.cpu_interface.base == 0) return;
  store32(hardware.distributor.base + kDistributorControl, 0);
  store32(hardware.distributor.base + kDistributorControl, 1);
  store32(hardware.cpu_interface.base + kPriorityMask, 0xFF);
  store32(hardware.cpu_interface.base + kInterfaceControl, 1);
  arch::line_enable(hardware.timer_interrupt, true);
  if (hardware.serial_interrupt != 0) arch::line_enable(hardware.serial_interrupt, true);
}

void take_interrupts(Trap& trap) {
  const u64 interface = hardware.cpu_interface.base;
  for (;;) {  // ends: each source waits at most once, and is silenced by taking it
    const u32 word = load32(interface + kAcknowledge);
    const u32 number = word & kNumberMask;
    if (number >= kSpecialNumbers) return;
    if (number == hardware.timer_interrupt) {
      BOOT_REGISTER_WRITE(cntv_ctl_el0, 0);
      asm volatile("isb");
      trap.cause = Cause::Timer;
      on_trap(trap);
    } else {
      trap.cause = number == hardware.serial_interrupt ? Cause::Serial : Cause::Device;
      trap.number = number;
      if (trap.cause == Cause::Device) arch::line_enable(number, false);
      on_trap(trap);
    }
    store32(interface + kEnd, word);
  }
}

}  // namespace boot::aarch64

namespace boot::arch {

using namespace boot::aarch64;

u64 monotonic_ns() {
  asm volatile("isb");  // the counter may be read ahead of what comes before it, D11.1.2
  const u64 ticks = BOOT_REGISTER_READ(cntvct_el0);
  const u64 hz = BOOT_REGISTER_READ(cntfrq_el0);  // below 2^32, so nothing overflows
  return ticks / hz * kNsPerSecond + ticks % hz * kNsPerSecond / hz;
}

void timer_set(u64 at_ns) {
  if (at_ns == kTimerNever) {
    BOOT_REGISTER_WRITE(cntv_ctl_el0, kTimerMasked);
    return;
  }
  const u64 hz = BOOT_REGISTER_READ(cntfrq_el0);
  BOOT_REGISTER_WRITE(cntv_cval_el0,
                      at_ns / kNsPerSecond * hz + (at_ns % kNsPerSecond * hz + kNsPerSecond - 1) / kNsPerSecond);
  BOOT_REGISTER_WRITE(cntv_ctl_el0, kTimerEnable);
  asm volatile("isb");
}

void line_enable(u32 line, bool on) {
  const u64 distributor = hardware.distributor.base;
  store8(distributor + kPriority + line, kHighest);
  store8(distributor + kTargets + line, kFirstProcessor);  // of the processor's own interrupts it is read-only
  store32(distributor + (on ? kSetEnable : kClearEnable) + line / 32 * 4,
          u32{1} << (line % 32));  // zeros change nothing
}

void interrupts_enable() { asm volatile("msr daifclr, #2" : : : "memory"); }
void interrupts_disable() { asm volatile("msr daifset, #2" : : : "memory"); }

void wait() {
  asm volatile("dsb sy; wfi" : : : "memory");  // goes on when an interrupt is pending, masked or not, D1.6.2
  asm volatile("msr daifclr, #2; isb; msr daifset, #2" : : : "memory");
}

bool entropy(u64& word) {
  const u64 features = BOOT_REGISTER_READ(id_aa64isar0_el1);
  if (features >> 60 == 0) return false;  // FEAT_RNG
  u64 failed = 0;
  asm volatile("mrs %0, s3_3_c2_c4_0; cset %1, eq" : "=r"(word), "=r"(failed) : : "cc");  // RNDR
  return failed == 0;
}

}  // namespace boot::arch
