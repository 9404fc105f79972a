// boot/riscv64/trap.cpp — what a trap was, the timer, and sleeping. Source: RISC-V privileged architecture §4.1.8 (scause).
#include "boot/riscv64/machine.h"

#include "base/enforce.h"

extern "C" u8 boot_trap_stack_top[];

namespace boot::riscv64 {
namespace {

/// As entry.S lays it out.
struct TrapFrame {
  u64 pc;
  u64 registers[31];  // x1 … x31
  u64 status;
  u64 cause;
  u64 value;
  u64 padding;
};
static_assert(sizeof(TrapFrame) == 288);
constexpr u32 kSp = 2 - 1;
constexpr u32 kA0 = 10 - 1;
constexpr u32 kA1 = 11 - 1;

constexpr u64 kInterrupt = u64{1} << 63;
constexpr u64 kTimerInterrupt = kInterrupt | 5;
constexpr u64 kExternalInterrupt = kInterrupt | 9;

constexpr u64 kSbiTimer = 0x5449'4D45;  // "TIME", SBI §6
constexpr u64 kNsPerSecond = 1'000'000'000;

Cause cause_of(u64 number) {
  switch (number) {
    case 2:                                    // illegal instruction
    case 3: return Cause::IllegalInstruction;  // ebreak: what the compiler makes of __builtin_trap
    case 0:
    case 4:
    case 6:  // misaligned
    case 1:
    case 5:
    case 7: return Cause::Bus;  // access faults
    case 12:
    case 13:
    case 15: return Cause::Memory;  // page faults
    default: return Cause::Other;
  }
}

void set_timer_ticks(u64 ticks) { sbi_call(kSbiTimer, 0, ticks); }

}  // namespace

extern "C" void riscv64_trap(TrapFrame* frame) {
  Trap trap{.address = frame->value, .pc = frame->pc, .sp = frame->registers[kSp], .number = frame->cause};
  if (frame->cause == kExternalInterrupt) {
    take_external(trap);
  } else {
    const bool inside_handler = reinterpret_cast<u8*>(frame) >= boot_trap_stack_top;  // then on the last stack
    trap.cause = inside_handler ? Cause::Other : cause_of(frame->cause);
    if (frame->cause == kTimerInterrupt) {
      BOOT_CSR_CLEAR(sie, kTimerEnable);
      trap.cause = Cause::Timer;
    }
    on_trap(trap);
  }
  if (trap.land == nullptr) return;
  frame->pc = reinterpret_cast<std::uintptr_t>(trap.land);
  frame->registers[kSp] = trap.land_stack;
  frame->registers[kA0] = trap.land_arguments[0];
  frame->registers[kA1] = trap.land_arguments[1];
}

}  // namespace boot::riscv64

namespace boot::arch {

using namespace boot::riscv64;

u64 monotonic_ns() {
  const u64 ticks = BOOT_CSR_READ(time);
  const u64 hz = hardware.timebase_hz;
  return ticks / hz * kNsPerSecond + ticks % hz * kNsPerSecond / hz;  // hz < 2^32, so nothing overflows
}

void timer_set(u64 at_ns) {
  if (at_ns == kTimerNever) {
    BOOT_CSR_CLEAR(sie, kTimerEnable);
    return;
  }
  const u64 hz = hardware.timebase_hz;
  set_timer_ticks(at_ns / kNsPerSecond * hz + (at_ns % kNsPerSecond * hz + kNsPerSecond - 1) / kNsPerSecond);
  BOOT_CSR_SET(sie, kTimerEnable);
}

void interrupts_enable() {
  BOOT_CSR_SET(sie, kExternalEnable);
  BOOT_CSR_SET(sstatus, kStatusInterrupts);
}

void interrupts_disable() { BOOT_CSR_CLEAR(sstatus, kStatusInterrupts); }

void wait() {
  BOOT_CSR_SET(sie, kExternalEnable);
  asm volatile("wfi" : : : "memory");  // §3.3.3: goes on when an interrupt is pending, masked by sstatus or not
  interrupts_enable();
  interrupts_disable();
}

bool entropy(u64&) { return false; }  // the Zkr extension is machine mode's

}  // namespace boot::arch
