// boot/aarch64/start.cpp — from the firmware to boot_main, and the machine's end.
#include "boot/aarch64/machine.h"
#include "boot/shared/contain.h"
#include "boot/shared/fdt.h"
#include "boot/shared/status.h"
#include "boot/shared/virtio.h"

#include "base/enforce.h"

extern "C" {
extern u8 boot_image_start[];
extern u8 boot_image_end[];
u64 aarch64_semihosting(u64 operation, const void* argument);
}

namespace boot::aarch64 {

constinit Hardware hardware;

namespace {

constexpr u32 kVirtioFirst = 4;   // of the devices asked for
constexpr u32 kFirstShared = 32;  // interrupt numbers in the device tree count from the kind's first
constexpr u32 kFirstPrivate = 16;
constexpr u32 kVirtualTimer = 2;  // of the four interrupts of "arm,armv8-timer"
constexpr u32 kCellsPerInterrupt = 3;
constexpr u64 kPsciSystemOff = 0x8400'0008;                  // PSCI §5.1
constexpr u64 kSemihostingExitExtended = 0x20;               // Semihosting for AArch32 and AArch64 §5.5
constexpr u64 kApplicationExit = 0x20026;                    // ADP_Stopped_ApplicationExit
constexpr u64 kPlanAddress = 0x4000'0000 + (u64{64} << 20);  // where `orrery boot` has QEMU put a plan

void find_memory(const FdtMachine& machine, MachineInfo& info) {
  const u64 start = reinterpret_cast<std::uintptr_t>(boot_image_start);
  const u64 end = reinterpret_cast<std::uintptr_t>(boot_image_end);
  for (u32 i = 0; i < machine.memory_count; ++i) ram_add(info, machine.memory[i].base, machine.memory[i].bytes);
  for (u32 i = 0; i < machine.reserved_count; ++i) ram_cut(info, machine.reserved[i].base, machine.reserved[i].bytes);
  ram_cut(info, start, end - start);
  ram_cut(info, machine.blob.base, machine.blob.bytes);
}

/// The number of one interrupt in three cells: kind, number in its kind, flags (bindings/interrupt-controller/arm,gic).
u32 interrupt_number(const u32* cells) { return cells[1] + (cells[0] == 0 ? kFirstShared : kFirstPrivate); }

void find_hardware(const FdtMachine& machine, std::span<const FdtDevice> devices) {
  const FdtDevice& serial = devices[0];
  const FdtDevice& controller = devices[1];
  const FdtDevice& timer = devices[2];
  const FdtDevice& controller_v3 = devices[3];
  hardware.serial = serial.windows[0];
  if (serial.found) hardware.serial_interrupt = interrupt_number(serial.interrupts);
  hardware.distributor = controller_v3.found ? controller_v3.windows[0] : controller.windows[0];
  hardware.cpu_interface = controller.windows[1];
  hardware.redistributor = controller_v3.windows[1];
  if (timer.found) hardware.timer_interrupt = interrupt_number(timer.interrupts + kVirtualTimer * kCellsPerInterrupt);
  hardware.calls_by_hvc = machine.conduit == "hvc";
}

}  // namespace

bool is_semihosting_call(u64 pc) { return pc == reinterpret_cast<std::uintptr_t>(&aarch64_semihosting); }

extern "C" [[noreturn]] void aarch64_start(const u8* tree) {
  mmu_first();
  FdtDevice devices[kVirtioFirst + kVirtioWindowsMax] = {{.compatible = "arm,pl011"},
                                                         {.compatible = "arm,cortex-a15-gic"},
                                                         {.compatible = "arm,armv8-timer"},
                                                         {.compatible = "arm,gic-v3"}};
  for (u32 i = 0; i < kVirtioWindowsMax; ++i) devices[kVirtioFirst + i].compatible = "virtio,mmio";
  const u64 bytes = tree == nullptr ? 0 : fdt_bytes(tree);
  if (bytes == 0) fail(kStatusUnsupported, "orrery: the firmware gave no device tree\n");
  const auto machine = read_fdt({tree, bytes}, devices);
  if (!machine.ok()) fail(kStatusUnsupported, "orrery: the device tree cannot be read\n");
  find_hardware(*machine, devices);
  serial_open();
  if (hardware.distributor.base == 0 || hardware.timer_interrupt == 0) {
    fail(kStatusUnsupported, "orrery: this machine has no GICv2 or GICv3, or no timer\n");
  }
  interrupts_open();
  MachineInfo info;
  find_memory(*machine, info);
  info.name = "aarch64";
  info.plan_address = machine->initrd.bytes != 0 ? machine->initrd.base : kPlanAddress;
  info.boot_entropy = machine->seed;
  for (u32 i = kVirtioFirst; i < std::size(devices); ++i) {
    virtio_add(info, devices[i].windows[0], interrupt_number(devices[i].interrupts));
  }
  boot_main(info);
}

}  // namespace boot::aarch64

void boot::arch::power_off(u32 status) {
  using namespace boot::aarch64;
  const u64 exit[2] = {kApplicationExit, status};
  aarch64_semihosting(kSemihostingExitExtended, exit);  // comes back where no debugger listens
  register u64 x0 asm("x0") = kPsciSystemOff;
  if (hardware.calls_by_hvc) {
    asm volatile("hvc #0" : "+r"(x0) : : "memory");
  } else {
    asm volatile("smc #0" : "+r"(x0) : : "memory");
  }
  for (;;) asm volatile("wfi");
}
