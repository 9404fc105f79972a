// boot/aarch64/serial.cpp — the serial port: a PL011, set up by QEMU or the firmware. Until the device tree is read there
// is none; what is written before that goes nowhere.
// Source: PrimeCell UART (PL011) Technical Reference Manual, chapter 3.
#include "boot/aarch64/machine.h"

#include "base/enforce.h"

namespace boot::aarch64 {
namespace {

constexpr u64 kData = 0x00;
constexpr u64 kFlags = 0x18;
constexpr u64 kLineControl = 0x2C;
constexpr u64 kControl = 0x30;
constexpr u64 kInterruptMask = 0x38;
constexpr u64 kInterruptClear = 0x44;
constexpr u32 kReceiveEmpty = 1 << 4;
constexpr u32 kTransmitFull = 1 << 5;
constexpr u32 kEightBitsFifos = (3 << 5) | (1 << 4);
constexpr u32 kEnableBoth = (1 << 0) | (1 << 8) | (1 << 9);  // port, transmitter, receiver
constexpr u32 kReceiveInterrupts = (1 << 4) | (1 << 6);      // FIFO filled, or something waits in it for long
constexpr u32 kWaitRounds = 1'000'000;  // a port that never gets ready must not hang a machine that is about to stop

}  // namespace

void serial_open() {
  const u64 port = hardware.serial.base;
  if (port == 0) return;
  store32(port + kInterruptMask, 0);
  store32(port + kControl, 0);
  store32(port + kLineControl, kEightBitsFifos);
  store32(port + kInterruptClear, 0x7FF);
  store32(port + kControl, kEnableBoth);
  store32(port + kInterruptMask, kReceiveInterrupts);
}

}  // namespace boot::aarch64

namespace boot::arch {

using namespace boot::aarch64;

void serial_write(u8 byte) {
  const u64 port = hardware.serial.base;
  if (port == 0) return;
  for (u32 round = 0; round < kWaitRounds; ++round) {
    if ((load32(port + kFlags) & kTransmitFull) == 0) break;
  }
  store32(port + kData, byte);
}

bool serial_read(u8& byte) {
  const u64 port = hardware.serial.base;
  if (port == 0 || (load32(port + kFlags) & kReceiveEmpty) != 0) return false;
  byte = static_cast<u8>(load32(port + kData));
  return true;
}

}  // namespace boot::arch
