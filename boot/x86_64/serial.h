// boot/x86_64/serial.h — the first serial port of a PC, beyond what boot/arch.h asks for.
#pragma once

namespace boot::x86_64 {

/// Receive interrupts on or off.
void serial_interrupts(bool on);

}  // namespace boot::x86_64
