// boot/aarch64/trap.cpp — what a trap was. Source: Arm ARM D17.2.37 (ESR_EL1).
#include "boot/aarch64/machine.h"

#include "base/enforce.h"

namespace boot::aarch64 {
namespace {

/// As entry.S lays it out.
struct TrapFrame {
  u64 registers[31];  // x0 … x30
  u64 sp;
  u64 pc;
  u64 status;
  u64 syndrome;
  u64 address;
  u64 kind;
  u64 padding;
};
static_assert(sizeof(TrapFrame) == 304);

enum Kind : u64 { kException = 0, kInterrupt = 1 };

constexpr u64 kInstructionBytes = 4;

/// Fault status codes, ISS[5:0]: translation, access flag and permission faults are the page tables' doing.
Cause cause_of_abort(u64 syndrome) {
  const u64 status = syndrome & 0x3F;
  return status >= 0x04 && status <= 0x0F ? Cause::Memory : Cause::Bus;
}

Cause cause_of(u64 syndrome) {
  switch (syndrome >> 26) {                       // the exception class
    case 0x00:                                    // undefined
    case 0x07:                                    // floating point or vectors while they are off
    case 0x0E:                                    // illegal execution state
    case 0x3C: return Cause::IllegalInstruction;  // brk: what the compiler makes of __builtin_trap
    case 0x21:
    case 0x25: return cause_of_abort(syndrome);
    case 0x22:
    case 0x26: return Cause::Bus;  // pc or sp not aligned
    default: return Cause::Other;
  }
}

}  // namespace

extern "C" void aarch64_trap(TrapFrame* frame) {
  Trap trap{.address = frame->address, .pc = frame->pc, .sp = frame->sp, .number = frame->syndrome};
  if (frame->kind == kInterrupt) {
    take_interrupts(trap);
  } else {
    if (frame->kind == kException) trap.cause = cause_of(frame->syndrome);
    if (trap.cause == Cause::IllegalInstruction && is_semihosting_call(frame->pc)) {
      frame->pc += kInstructionBytes;
      return;
    }
    on_trap(trap);
  }
  if (trap.land == nullptr) return;
  frame->pc = reinterpret_cast<std::uintptr_t>(trap.land);
  frame->sp = trap.land_stack;
  frame->registers[0] = trap.land_arguments[0];
  frame->registers[1] = trap.land_arguments[1];
}

/// A trap inside the handler: `on_trap` ends the machine.
extern "C" void aarch64_trap_inside(u64 syndrome, u64 pc, u64 address) {
  Trap trap{.cause = Cause::Other, .address = address, .pc = pc, .number = syndrome};
  on_trap(trap);
}

}  // namespace boot::aarch64
