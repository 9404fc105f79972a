// boot/x86_64/halt.cpp — how this machine ends, and its source of entropy.
#include "boot/arch.h"
#include "boot/x86_64/port.h"

#include "base/enforce.h"

namespace boot {
namespace {

using namespace x86_64;

constexpr u16 kDebugExitPort = 0xF4;        // QEMU's `-device isa-debug-exit,iobase=0xf4,iosize=0x04`
constexpr u16 kQ35PowerPort = 0x604;        // ACPI PM1a control of q35 as its firmware places it
constexpr u16 kQ35PowerOff = 0x2000;        // sleep enable, type 0: S5
constexpr u64 kMicrovmSleep = 0xFEA0'0100;  // ACPI sleep control register of microvm's event device
constexpr u8 kMicrovmPowerOff = 0x34;       // sleep enable, type 5

}  // namespace

void arch::power_off(u32 status) {
  asm volatile("cli");
  port_out32(kDebugExitPort, status);  // QEMU ends with status 2 × code + 1; without the device nothing listens
  port_out16(kQ35PowerPort, kQ35PowerOff);
  *reinterpret_cast<volatile u8*>(kMicrovmSleep) = kMicrovmPowerOff;
  for (;;) asm volatile("hlt");
}

bool arch::entropy(u64& word) {
  constexpr u32 kRdrandBit = 1u << 30;  // CPUID leaf 1, ECX
  u32 eax = 1;
  u32 ebx;
  u32 ecx = 0;
  u32 edx;
  asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
  if ((ecx & kRdrandBit) == 0) return false;
  constexpr u32 kTriesMax = 10;  // Intel's guidance for RDRAND: ten tries, then it is broken
  for (u32 i = 0; i < kTriesMax; ++i) {
    u8 good;
    asm volatile("rdrand %0; setc %1" : "=r"(word), "=qm"(good) : : "cc");
    if (good != 0) return true;
  }
  return false;
}

}  // namespace boot
