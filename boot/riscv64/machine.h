// boot/riscv64/machine.h — what the files of this machine share: registers, and the devices the device tree named.
// Sources: RISC-V privileged architecture 1.12; RISC-V SBI specification 1.0; QEMU hw/riscv/virt.c.
#pragma once
#include "boot/arch.h"

namespace boot::riscv64 {

/// Devices of the `virt` machine, each where the device tree says it is; base 0: there is none.
struct Hardware {
  u32 hart = 0;
  u32 timebase_hz = 10'000'000;  // of QEMU; the device tree says what is so
  Range serial;                  // ns16550a
  u32 serial_interrupt = 0;      // its source number at the interrupt controller
  Range interrupt_controller;    // PLIC
  Range finisher;                // sifive,test1: ends QEMU with a status
};
extern Hardware hardware;

inline u8 load8(u64 address) { return *reinterpret_cast<volatile u8*>(address); }
inline void store8(u64 address, u8 value) { *reinterpret_cast<volatile u8*>(address) = value; }
inline u32 load32(u64 address) { return *reinterpret_cast<volatile u32*>(address); }
inline void store32(u64 address, u32 value) { *reinterpret_cast<volatile u32*>(address) = value; }

#define BOOT_CSR_READ(name)                            \
  ({                                                   \
    u64 csr_value;                                     \
    asm volatile("csrr %0, " #name : "=r"(csr_value)); \
    csr_value;                                         \
  })
#define BOOT_CSR_WRITE(name, value) asm volatile("csrw " #name ", %0" : : "r"(value) : "memory")
#define BOOT_CSR_SET(name, bits) asm volatile("csrs " #name ", %0" : : "r"(bits) : "memory")
#define BOOT_CSR_CLEAR(name, bits) asm volatile("csrc " #name ", %0" : : "r"(bits) : "memory")

constexpr u64 kStatusInterrupts = u64{1} << 1;  // sstatus.SIE
constexpr u64 kTimerEnable = u64{1} << 5;       // sie.STIE
constexpr u64 kExternalEnable = u64{1} << 9;    // sie.SEIE

struct SbiAnswer {
  u64 error = 0;
  u64 value = 0;
};
/// SBI §3: a call of the firmware.
SbiAnswer sbi_call(u64 extension, u64 function, u64 argument0, u64 argument1 = 0);

/// Sets the serial port up and routes its interrupt; the interrupt controller's other sources stay silent.
void serial_open();
/// The interrupt controller asks for service: every source that waits is taken, on_trap is called for each.
void take_external(Trap& trap);

}  // namespace boot::riscv64
