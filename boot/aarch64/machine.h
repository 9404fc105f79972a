// boot/aarch64/machine.h — what the files of this machine share: registers, and the devices the device tree named.
// Sources: Arm Architecture Reference Manual (DDI 0487); QEMU hw/arm/virt.c.
#pragma once
#include "boot/arch.h"

namespace boot::aarch64 {

/// Devices of the `virt` machine, each where the device tree says it is; base 0: there is none.
struct Hardware {
  Range serial;               // PL011
  u32 serial_interrupt = 0;   // its number at the interrupt controller
  Range distributor;          // GICv2 or GICv3
  Range cpu_interface;        // GICv2
  Range redistributor;        // GICv3
  u32 timer_interrupt = 0;    // of the virtual timer
  bool calls_by_hvc = false;  // the firmware's calls (PSCI): hvc, else smc
};
extern Hardware hardware;

inline void store8(u64 address, u8 value) { *reinterpret_cast<volatile u8*>(address) = value; }
inline u32 load32(u64 address) { return *reinterpret_cast<volatile u32*>(address); }
inline void store32(u64 address, u32 value) { *reinterpret_cast<volatile u32*>(address) = value; }
inline void store64(u64 address, u64 value) { *reinterpret_cast<volatile u64*>(address) = value; }

#define BOOT_REGISTER_READ(name)                           \
  ({                                                       \
    u64 register_value;                                    \
    asm volatile("mrs %0, " #name : "=r"(register_value)); \
    register_value;                                        \
  })
#define BOOT_REGISTER_WRITE(name, value) asm volatile("msr " #name ", %0" : : "r"(static_cast<u64>(value)) : "memory")

/// Coarse tables from the image's own data: memory becomes cacheable, so that code which was not compiled for memory
/// without caches may run. `arch::mmu_start` replaces them.
void mmu_first();
/// Sets the serial port up.
void serial_open();
/// The interrupt controller lets through what is enabled, highest priority all, to this processor.
void gic_open();
/// One interrupt is enabled or not. The processor's interrupts may be on.
void gic_enable(u32 number, bool on);
/// Takes the interrupt that waits; false: none does. One taken is ended by `gic_end`.
bool gic_take(u32& number);
void gic_end(u32 number);
/// Sets the interrupt controller up for the serial port and the timer.
void interrupts_open();
/// The interrupt controller asks for service: every source that waits is taken, on_trap is called for each.
void take_interrupts(Trap& trap);
/// Whether an undefined instruction at `pc` is power_off's call of a debugger that is not there.
bool is_semihosting_call(u64 pc);

}  // namespace boot::aarch64
