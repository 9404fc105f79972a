// boot/x86_64/serial.cpp — the first serial port of a PC: 115200 baud, 8 bits, no parity, FIFO on. Source: National
// Semiconductor PC16550D data sheet, table II.
#include "boot/arch.h"
#include "boot/x86_64/port.h"
#include "boot/x86_64/serial.h"

#include "base/enforce.h"

namespace boot {
namespace {

using namespace x86_64;

constexpr u16 kPort = 0x3F8;  // COM1
constexpr u16 kData = kPort + 0;
constexpr u16 kInterruptEnable = kPort + 1;
constexpr u16 kFifoControl = kPort + 2;
constexpr u16 kLineControl = kPort + 3;
constexpr u16 kModemControl = kPort + 4;
constexpr u16 kLineStatus = kPort + 5;
constexpr u8 kDivisorAccess = 0x80;
constexpr u8 kEightBits = 0x03;
constexpr u8 kDataReady = 0x01;
constexpr u8 kTransmitterEmpty = 0x20;
constexpr u8 kReceiveInterrupt = 0x01;
constexpr u32 kWaitRounds = 10'000'000;  // a port that is not there must not hang a machine that is about to stop

constinit bool is_open = false;

void open() {
  is_open = true;
  port_out8(kInterruptEnable, 0);
  port_out8(kLineControl, kDivisorAccess);
  port_out8(kData, 1);  // divisor 1: 115200 baud
  port_out8(kInterruptEnable, 0);
  port_out8(kLineControl, kEightBits);
  port_out8(kFifoControl, 0x07);   // enable, clear both
  port_out8(kModemControl, 0x0B);  // terminal ready, ready to send, OUT2: the interrupt reaches the controller
}

}  // namespace

void x86_64::serial_interrupts(bool on) {
  if (!is_open) open();
  port_out8(kInterruptEnable, on ? kReceiveInterrupt : 0);
}

void arch::serial_write(u8 byte) {
  if (!is_open) open();
  for (u32 round = 0; round < kWaitRounds; ++round) {
    if ((port_in8(kLineStatus) & kTransmitterEmpty) != 0) break;
  }
  port_out8(kData, byte);
}

bool arch::serial_read(u8& byte) {
  if (!is_open) open();
  if ((port_in8(kLineStatus) & kDataReady) == 0) return false;
  byte = port_in8(kData);
  return true;
}

}  // namespace boot
