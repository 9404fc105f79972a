// boot/x86_64/machine.h — what the files of this machine share: port and control-register instructions, interrupt lines.
#pragma once
#include "base/types.h"

namespace boot::x86_64 {

inline void port_out8(u16 port, u8 value) { asm volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }
inline void port_out16(u16 port, u16 value) { asm volatile("outw %0, %1" : : "a"(value), "Nd"(port)); }
inline void port_out32(u16 port, u32 value) { asm volatile("outl %0, %1" : : "a"(value), "Nd"(port)); }
inline u8 port_in8(u16 port) {
  u8 value;
  asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}

constexpr u32 kVectorOfIrq0 = 32;
constexpr u32 kIrqTimer = 0;
constexpr u32 kIrqSerial = 4;

/// Receive interrupts on or off.
void serial_interrupts(bool on);
/// The timer's interrupt came. True: the time that was set is reached; false: it was one step on the way there.
bool timer_interrupt();
/// Vectors, task state, interrupt controller with every line masked.
void traps_start();
/// Opens or masks both lines this machine uses.
void lines_open(bool open);

}  // namespace boot::x86_64
