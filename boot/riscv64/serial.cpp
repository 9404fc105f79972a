// boot/riscv64/serial.cpp — the serial port (ns16550a) and the interrupt controller (PLIC) that carries its interrupt.
// Before the device tree is read, and when it names no port, output goes through the firmware's console.
// Sources: National Semiconductor PC16550D data sheet, table II; RISC-V PLIC specification 1.0, chapter 2.
#include "boot/riscv64/machine.h"

#include "base/enforce.h"

namespace boot::riscv64 {
namespace {

constexpr u64 kData = 0;
constexpr u64 kInterruptEnable = 1;
constexpr u64 kFifoControl = 2;
constexpr u64 kLineControl = 3;
constexpr u64 kModemControl = 4;
constexpr u64 kLineStatus = 5;
constexpr u8 kReceiveInterrupt = 0x01;
constexpr u8 kFifosOnAndClear = 0x07;
constexpr u8 kEightBits = 0x03;
constexpr u8 kReadyAndInterrupts = 0x0B;  // DTR, RTS, OUT2
constexpr u8 kDataReady = 0x01;
constexpr u8 kTransmitterEmpty = 0x20;
constexpr u32 kWaitRounds = 1'000'000;  // a port that never gets ready must not hang a machine that is about to stop

constexpr u64 kSbiConsolePutchar = 1;  // SBI §5.2, legacy

// PLIC memory map. Context 2n + 1 is supervisor mode of hart n where each hart has machine and supervisor mode.
constexpr u64 kPriority = 0;
constexpr u64 kEnable = 0x2000;
constexpr u64 kEnableStride = 0x80;
constexpr u64 kThreshold = 0x20'0000;
constexpr u64 kClaim = 0x20'0004;
constexpr u64 kContextStride = 0x1000;

u64 context() { return 2 * u64{hardware.hart} + 1; }

}  // namespace

SbiAnswer sbi_call(u64 extension, u64 function, u64 argument0, u64 argument1) {
  register u64 a0 asm("a0") = argument0;
  register u64 a1 asm("a1") = argument1;
  register u64 a6 asm("a6") = function;
  register u64 a7 asm("a7") = extension;
  asm volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a6), "r"(a7) : "memory");
  return {a0, a1};
}

void serial_open() {
  const u64 port = hardware.serial.base;
  if (port == 0) return;
  store8(port + kInterruptEnable, 0);
  store8(port + kLineControl, kEightBits);  // the speed is the firmware's
  store8(port + kFifoControl, kFifosOnAndClear);
  store8(port + kModemControl, kReadyAndInterrupts);
  const u64 controller = hardware.interrupt_controller.base;
  if (controller == 0 || hardware.serial_interrupt == 0) return;
  store32(controller + kThreshold + kContextStride * context(), 0);
  arch::line_enable(hardware.serial_interrupt, true);
  store8(port + kInterruptEnable, kReceiveInterrupt);
}

void take_external(Trap& trap) {
  const u64 claim = hardware.interrupt_controller.base + kClaim + kContextStride * context();
  for (u32 source = load32(claim); source != 0; source = load32(claim)) {  // each source waits at most once
    trap.cause = source == hardware.serial_interrupt ? Cause::Serial : Cause::Device;
    trap.number = source;
    on_trap(trap);
    store32(claim, source);  // completed, while it is still enabled: QEMU ignores it otherwise
    if (trap.cause == Cause::Device) arch::line_enable(source, false);
  }
}

}  // namespace boot::riscv64

namespace boot::arch {

using namespace boot::riscv64;

void serial_write(u8 byte) {
  const u64 port = hardware.serial.base;
  if (port == 0) {
    sbi_call(kSbiConsolePutchar, 0, byte);
    return;
  }
  for (u32 round = 0; round < kWaitRounds; ++round) {
    if ((load8(port + kLineStatus) & kTransmitterEmpty) != 0) break;
  }
  store8(port + kData, byte);
}

bool serial_read(u8& byte) {
  const u64 port = hardware.serial.base;
  if (port == 0 || (load8(port + kLineStatus) & kDataReady) == 0) return false;
  byte = load8(port + kData);
  return true;
}

void line_enable(u32 line, bool on) {
  const u64 controller = hardware.interrupt_controller.base;
  const u64 word = controller + kEnable + kEnableStride * context() + 4 * (line / 32);
  const u32 bit = u32{1} << (line % 32);
  u64 before;  // an interrupt between the load and the store would change the same word
  asm volatile("csrrci %0, sstatus, 2" : "=r"(before) : : "memory");
  store32(controller + kPriority + 4 * line, 1);
  store32(word, on ? load32(word) | bit : load32(word) & ~bit);
  if ((before & kStatusInterrupts) != 0) interrupts_enable();
}

}  // namespace boot::arch
