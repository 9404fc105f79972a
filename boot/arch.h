// boot/arch.h — what one bare machine gives to the shared part of boot/, and what the shared part gives back. A machine is
// boot/<machine>/: entry, traps, context switch (the two functions of kernel-model/machine.h), timer, serial port, memory
// map, power-off, page tables and interrupt controller. Everything else is boot/shared and is the same on all machines.
//
// The order of a boot:
//   1. The machine's entry point sets up a stack, clears what must be zero, finds its RAM and calls boot_main.
//   2. boot_main makes the page pool and calls arch::mmu_start; from here on page_take works and traps are taken.
//   3. boot_main reads the plan and runs a world; it never returns.
//
// Rules for a machine:
//   A1 One hart runs. Interrupts are masked in all of boot/ and the core, except inside arch::wait and between
//      arch::interrupts_enable and interrupts_disable while a world runs.
//   A2 A trap runs on a stack of its own, because the interrupted one may be what overflowed, or not be mapped yet:
//      the shared part maps stacks on their first use, from inside on_trap, and the access is then repeated.
//   A3 RAM is mapped where it lies (virtual = physical), except its first page should it lie at 0: addresses below 4096
//      are never mapped. The machine maps its own devices wherever it likes below kWindowsBase.
//   A4 Integer registers only; nothing saves others.
//   A5 A Device trap leaves its line masked; the driver's acknowledgement comes back as line_enable.
#pragma once
#include <string_view>

#include "base/types.h"

namespace boot {

struct Range {
  u64 base = 0;
  u64 bytes = 0;
};

constexpr u64 kPageBytes = 4096;
/// Virtual addresses from here up to kWindowsEnd belong to the shared part: stacks and arenas are mapped there by single
/// pages. 47-bit addresses: the lower half of x86_64 and of Sv48, a part of TTBR0 with 48 bits.
constexpr u64 kWindowsBase = u64{1} << 40;
constexpr u64 kWindowsEnd = u64{1} << 46;

constexpr u32 kRangesMax = 16;

/// A virtio device over memory-mapped registers (virtio 1.x, §4.2) with something behind it: its DeviceID is not 0.
constexpr u32 kHardwareMax = 8;
struct VirtioWindow {
  u64 registers = 0;  // mapped by mmu_start
  u32 bytes = 0;      // ≤ 4096
  u32 line = 0;       // of its interrupt, as arch::line_enable names it
};

/// What the machine found when it started.
struct MachineInfo {
  std::string_view name;  // as in `orrery boot NAME`
  /// RAM that belongs to nobody: image, firmware and device tree are cut out already. Whole pages, ascending, disjoint.
  Range ram[kRangesMax];
  u32 ram_count = 0;
  /// Where a plan lies if there is one (QEMU's loader device puts it there); the shared part cuts it out of `ram`.
  u64 plan_address = 0;
  /// From the firmware (device tree /chosen/rng-seed); 0 none. Only live mode uses it.
  u64 boot_entropy = 0;
  VirtioWindow virtio[kHardwareMax];
  u32 virtio_count = 0;
};

/// Adds RAM to `info`, its first page cut out should it be page 0; ranges come in ascending order. Part pages are dropped.
void ram_add(MachineInfo& info, u64 base, u64 bytes);
/// Takes every page that [base, base + bytes) touches out of `info.ram`.
void ram_cut(MachineInfo& info, u64 base, u64 bytes);

// ── What the shared part gives the machine ───────────────────────────────────────────────────────────────────
/// Everything after the machine's entry; called once, on the boot stack (at least 64 KiB), interrupts masked.
[[noreturn]] void boot_main(const MachineInfo& info);

/// One zeroed page of RAM, by its address; 0: none left. For page tables.
u64 page_take();
void page_return(u64 page);

enum class Cause : u8 {
  Memory,       // page fault, reading, writing or executing; `address` is exact
  WildAddress,  // an access no page fault describes: not canonical, general protection; `address` is not known
  IllegalInstruction,
  Arithmetic,  // the processor's own; only x86_64 has one for integers
  Bus,         // misaligned, or an external abort
  Timer,       // the time of arch::timer_set is reached; the machine has silenced it already
  Serial,      // input may be there; silenced by reading it all
  Device,      // interrupt of a VirtioWindow, its line in `number`; the machine has masked the line
  Other,       // anything else: ends the machine
};

struct Trap {
  Cause cause = Cause::Other;
  u64 address = 0;
  u64 pc = 0;
  u64 sp = 0;
  u64 number = 0;  // the machine's own, for reports
  // The answer. With `land` set the interrupted execution does not go on: the machine returns from the trap to land(
  // arguments[0], arguments[1]) with the stack pointer at land_stack (16-byte aligned, as before a call).
  void (*land)(u64, u64) = nullptr;
  u64 land_stack = 0;
  u64 land_arguments[2] = {};
};
/// Called by the machine's trap entry, on the trap stack, interrupts masked.
void on_trap(Trap& trap);

// ── What the machine gives the shared part ───────────────────────────────────────────────────────────────────
namespace arch {

/// Sends one byte, waiting for room. Works from the first instruction of C++ on, with or without mmu_start.
void serial_write(u8 byte);
/// One byte of input, if there is one; never waits.
bool serial_read(u8& byte);

/// Final page tables (made of page_take) and trap vectors. Maps all of `info.ram`, image and devices.
void mmu_start(const MachineInfo& info);
/// Maps one page of [kWindowsBase, kWindowsEnd), readable, writable, not executable; it is not mapped yet. False: no
/// memory for a table.
bool map_page(u64 vaddr, u64 page);
/// Takes the first mapping of [vaddr, end) away, flushes it, moves `vaddr` behind it and returns its page; 0: there is none
/// left. What was never mapped costs little: whole tables that are missing are stepped over.
u64 unmap_next(u64& vaddr, u64 end);

/// Time since some moment before boot_main, ns; never decreases. May calibrate itself when first called.
u64 monotonic_ns();
/// One Timer trap when monotonic_ns reaches `at_ns`, soon if it has; replaces an earlier one. kTimerNever: none.
constexpr u64 kTimerNever = ~u64{0};
void timer_set(u64 at_ns);
/// From now on Timer and Serial traps are taken where they happen.
void interrupts_enable();
void interrupts_disable();
/// Lets one line of a VirtioWindow through, or masks it. All are masked until then. Interrupts may be enabled.
void line_enable(u32 line, bool on);
/// Called with interrupts disabled: sleeps until an interrupt, takes it (on_trap is called), returns with interrupts
/// disabled. An interrupt that came before the call and was not taken yet ends the sleep at once.
void wait();

/// 64 bits of hardware entropy; false: this machine has none. For live mode's seed only.
bool entropy(u64& word);

/// Ends the machine. `status` is an exit code of the `orrery` command; where the machine can tell it to QEMU it does.
[[noreturn]] void power_off(u32 status);

}  // namespace arch
}  // namespace boot
