// boot/x86_64/serial.cpp — see serial.h.
#include "boot/x86_64/serial.h"

#include "base/types.h"
#include "boot/x86_64/port.h"

#include "base/enforce.h"

namespace boot {
namespace {

constexpr u16 kPort = 0x3F8;  // COM1 of every PC
constexpr u16 kData = kPort + 0;
constexpr u16 kInterruptEnable = kPort + 1;
constexpr u16 kFifoControl = kPort + 2;
constexpr u16 kLineControl = kPort + 3;
constexpr u16 kModemControl = kPort + 4;
constexpr u16 kLineStatus = kPort + 5;
constexpr u8 kDivisorAccess = 0x80;
constexpr u8 kEightBits = 0x03;
constexpr u8 kTransmitterEmpty = 0x20;
constexpr u32 kWaitRounds = 100'000;  // a port that is not there must not hang a machine that is about to stop

void write_byte(u8 byte) {
  for (u32 round = 0; round < kWaitRounds; ++round) {
    if ((port_in8(kLineStatus) & kTransmitterEmpty) != 0) break;
  }
  port_out8(kData, byte);
}

}  // namespace

void serial_open() {
  port_out8(kInterruptEnable, 0);
  port_out8(kLineControl, kDivisorAccess);
  port_out8(kData, 1);  // divisor 1: 115200 baud
  port_out8(kInterruptEnable, 0);
  port_out8(kLineControl, kEightBits);
  port_out8(kFifoControl, 0x07);   // enable, clear both
  port_out8(kModemControl, 0x03);  // ready to send, terminal ready
}

void serial_write(std::string_view text) {
  for (const char character : text) {
    if (character == '\n') write_byte('\r');
    write_byte(static_cast<u8>(character));
  }
}

}  // namespace boot
