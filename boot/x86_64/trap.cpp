// boot/x86_64/trap.cpp — vectors, the two 8259 interrupt controllers, and what each vector means to the shared part.
// Sources: Intel SDM vol. 3, chapters 6 and 7; Intel 8259A data sheet.
#include "base/bytes.h"
#include "boot/arch.h"
#include "boot/x86_64/machine.h"
#include "boot/x86_64/port.h"
#include "boot/x86_64/serial.h"

#include "base/enforce.h"

extern "C" const u8 boot_vectors[];
extern "C" u64 boot_gdt[];

namespace boot {
namespace {

using namespace x86_64;

/// As trap.S and the processor push it, lowest address first.
struct Frame {
  u64 r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
  u64 vector, error;
  u64 rip, cs, rflags, rsp, ss;
};

struct Gate {
  u16 offset_low;
  u16 selector;
  u8 stack;  // of the task state's interrupt stacks
  u8 type;
  u16 offset_middle;
  u32 offset_high;
  u32 zero;
};
struct [[gnu::packed]] TaskState {
  u32 reserved0;
  u64 stacks[3];
  u64 reserved1;
  u64 interrupt_stacks[7];
  u64 reserved2;
  u16 reserved3;
  u16 io_map;
};
struct [[gnu::packed]] TablePointer {
  u16 limit;
  u64 base;
};

constexpr u64 kTrapStackBytes = 64 << 10;
constexpr u16 kCodeSelector = 0x08;
constexpr u16 kTaskSelector = 0x18;
constexpr u8 kInterruptGate = 0x8E;
constexpr u32 kVectors = 256;
constexpr u64 kStubBytes = 16;
constexpr u32 kIrqs = 16;
constexpr u64 kVectorSpurious = 255;  // of the local APIC; wants no end of interrupt

struct Traps {
  alignas(16) u8 stack[kTrapStackBytes];
  alignas(16) u8 double_fault_stack[kTrapStackBytes];
  alignas(16) Gate gates[kVectors];
  alignas(16) TaskState task;
  u16 masked;  // bit n: line n of the two 8259
};
constinit Traps traps{};

constexpr u16 kMain = 0x20;    // the 8259 of lines 0–7
constexpr u16 kSecond = 0xA0;  // of lines 8–15, at line 2 of the main one
constexpr u8 kEndOfInterrupt = 0x20;
constexpr u32 kLineSecond = 2;

void controllers_start() {
  constexpr u8 kBegin = 0x11;  // with four words, cascaded, edge-triggered
  port_out8(kMain, kBegin);
  port_out8(kSecond, kBegin);
  port_out8(kMain + 1, kVectorOfIrq0);
  port_out8(kSecond + 1, kVectorOfIrq0 + 8);
  port_out8(kMain + 1, 1 << 2);
  port_out8(kSecond + 1, 2);
  port_out8(kMain + 1, 1);  // 8086 mode
  port_out8(kSecond + 1, 1);
  traps.masked = 0xFFFF;
  arch::line_enable(kLineSecond, true);
}

/// The local APIC lets the 8259's interrupts through ("virtual wire", Intel SDM vol. 3, §10.5.1); not every firmware has
/// set it up.
void local_apic_start() {
  constexpr u64 kBase = 0xFEE0'0000;
  constexpr u32 kSpuriousEnabled = 0x1FF;  // software enable, vector 255
  constexpr u32 kExternal = 0x700;         // delivery mode of LINT0: ExtINT
  *reinterpret_cast<volatile u32*>(kBase + 0xF0) = kSpuriousEnabled;
  *reinterpret_cast<volatile u32*>(kBase + 0x350) = kExternal;
}

Cause cause_of(u64 vector) {
  switch (vector) {
    case 0:
    case 16:
    case 19: return Cause::Arithmetic;
    case 6:
    case 7: return Cause::IllegalInstruction;
    case 12:
    case 13: return Cause::WildAddress;
    case 14: return Cause::Memory;
    case 17: return Cause::Bus;
    default: return Cause::Other;
  }
}

}  // namespace

void x86_64::traps_start() {
  for (u32 i = 0; i < kVectors; ++i) {
    const u64 stub = reinterpret_cast<u64>(boot_vectors) + i * kStubBytes;
    traps.gates[i] = {.offset_low = static_cast<u16>(stub),
                      .selector = kCodeSelector,
                      .stack = static_cast<u8>(i == 8 ? 2 : 1),
                      .type = kInterruptGate,
                      .offset_middle = static_cast<u16>(stub >> 16),
                      .offset_high = static_cast<u32>(stub >> 32),
                      .zero = 0};
  }
  traps.task.interrupt_stacks[0] = reinterpret_cast<u64>(traps.stack + kTrapStackBytes);
  traps.task.interrupt_stacks[1] = reinterpret_cast<u64>(traps.double_fault_stack + kTrapStackBytes);
  traps.task.io_map = sizeof(TaskState);
  const u64 base = reinterpret_cast<u64>(&traps.task);
  constexpr u64 kTaskType = u64{0x89} << 40;
  boot_gdt[3] = (sizeof(TaskState) - 1) | (base & 0xFF'FFFF) << 16 | kTaskType | (base >> 24 & 0xFF) << 56;
  boot_gdt[4] = base >> 32;
  const TablePointer vectors{sizeof traps.gates - 1, reinterpret_cast<u64>(traps.gates)};
  asm volatile("lidt %0" : : "m"(vectors));
  asm volatile("ltr %0" : : "r"(kTaskSelector));
  controllers_start();
  local_apic_start();
}

void arch::line_enable(u32 line, bool on) {
  const u16 bit = static_cast<u16>(1u << line);
  u64 flags;
  asm volatile("pushfq; popq %0; cli" : "=r"(flags) : : "memory");  // a trap changes the mask too
  traps.masked = static_cast<u16>(on ? traps.masked & ~bit : traps.masked | bit);
  port_out8(kMain + 1, static_cast<u8>(traps.masked));
  port_out8(kSecond + 1, static_cast<u8>(traps.masked >> 8));
  asm volatile("pushq %0; popfq" : : "r"(flags) : "memory", "cc");
}

extern "C" void boot_trap(Frame& frame) {
  Trap trap;
  trap.pc = frame.rip;
  trap.sp = frame.rsp;
  trap.number = frame.vector;
  if (frame.vector >= kVectorOfIrq0 && frame.vector < kVectorOfIrq0 + kIrqs) {
    const u64 line = frame.vector - kVectorOfIrq0;
    if (line >= 8) port_out8(kSecond, kEndOfInterrupt);
    port_out8(kMain, kEndOfInterrupt);
    if (line == kIrqTimer && !timer_interrupt()) return;
    if ((traps.masked >> line & 1) != 0) return;  // spurious
    trap.cause = line == kIrqTimer ? Cause::Timer : line == kIrqSerial ? Cause::Serial : Cause::Device;
    if (trap.cause == Cause::Device) {
      trap.number = line;
      arch::line_enable(static_cast<u32>(line), false);
    }
  } else if (frame.vector == kVectorSpurious) {
    return;
  } else {
    trap.cause = cause_of(frame.vector);
    if (trap.cause == Cause::Memory) asm volatile("mov %%cr2, %0" : "=r"(trap.address));
  }
  on_trap(trap);
  if (trap.land == nullptr) return;
  frame.rip = reinterpret_cast<u64>(trap.land);
  frame.rsp = trap.land_stack - sizeof(u64);  // as after a call
  frame.rdi = trap.land_arguments[0];
  frame.rsi = trap.land_arguments[1];
  frame.rbp = 0;
}

void arch::interrupts_enable() {
  line_enable(kIrqTimer, true);
  line_enable(kIrqSerial, true);
  serial_interrupts(true);
  asm volatile("sti" : : : "memory");
}

void arch::interrupts_disable() { asm volatile("cli" : : : "memory"); }

void arch::wait() { asm volatile("sti; hlt; cli" : : : "memory"); }

}  // namespace boot
