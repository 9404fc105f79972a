// boot/x86_64/machine.h — interrupts of this machine: vectors, lines, and what its files ask of each other.
#pragma once
#include "boot/arch.h"

namespace boot::x86_64 {

constexpr u32 kVectorOfIrq0 = 32;
constexpr u32 kIrqTimer = 0;
constexpr u32 kIrqSerial = 4;

/// The timer's interrupt came. True: the time that was set is reached; false: it was one step on the way there.
bool timer_interrupt();
/// Vectors, task state, interrupt controller with every line masked.
void traps_start();

}  // namespace boot::x86_64
