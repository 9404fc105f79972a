// boot/aarch64/interrupts.cpp — what interrupts, the virtual timer, and sleeping. Source: Arm ARM D11.2.
#include "boot/aarch64/machine.h"

#include "base/enforce.h"

namespace boot::aarch64 {
namespace {

constexpr u64 kNsPerSecond = 1'000'000'000;
constexpr u64 kTimerEnable = 1;
constexpr u64 kTimerMasked = 2;

}  // namespace

void interrupts_open() {
  BOOT_REGISTER_WRITE(cntv_ctl_el0, 0);
  gic_open();
  gic_enable(hardware.timer_interrupt, true);
  if (hardware.serial_interrupt != 0) gic_enable(hardware.serial_interrupt, true);
}

void take_interrupts(Trap& trap) {
  for (u32 number; gic_take(number); gic_end(number)) {  // each source waits at most once, and is silenced by taking it
    if (number == hardware.timer_interrupt) {
      BOOT_REGISTER_WRITE(cntv_ctl_el0, 0);
      asm volatile("isb");
      trap.cause = Cause::Timer;
      on_trap(trap);
    } else {
      trap.cause = number == hardware.serial_interrupt ? Cause::Serial : Cause::Device;
      trap.number = number;
      if (trap.cause == Cause::Device) gic_enable(number, false);
      on_trap(trap);
    }
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

void line_enable(u32 line, bool on) { gic_enable(line, on); }

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
