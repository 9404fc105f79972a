// boot/riscv64/start.cpp — from the firmware to boot_main, and the machine's end.
#include "boot/riscv64/machine.h"
#include "boot/shared/contain.h"
#include "boot/shared/fdt.h"
#include "boot/shared/status.h"
#include "boot/shared/virtio.h"

#include "base/enforce.h"

extern "C" {
extern u8 boot_image_start[];
extern u8 boot_image_end[];
}

namespace boot::riscv64 {

constinit Hardware hardware;

namespace {

constexpr u32 kVirtioFirst = 3;               // of the devices asked for
constexpr u64 kFirmwareBytes = u64{2} << 20;  // OpenSBI lies in the 2 MiB below the image
constexpr u32 kFinisherFail = 0x3333;         // hw/misc/sifive_test.c
constexpr u64 kSbiReset = 0x5352'5354;        // "SRST", SBI §10
constexpr u64 kSbiLegacyShutdown = 8;
constexpr u64 kPlanAddress = 0x8000'0000 + (u64{64} << 20);  // where `orrery boot` has QEMU put a plan

void find_memory(const FdtMachine& machine, MachineInfo& info) {
  const u64 start = reinterpret_cast<std::uintptr_t>(boot_image_start) - kFirmwareBytes;
  const u64 end = reinterpret_cast<std::uintptr_t>(boot_image_end);
  for (u32 i = 0; i < machine.memory_count; ++i) ram_add(info, machine.memory[i].base, machine.memory[i].bytes);
  for (u32 i = 0; i < machine.reserved_count; ++i) ram_cut(info, machine.reserved[i].base, machine.reserved[i].bytes);
  ram_cut(info, start, end - start);
  ram_cut(info, machine.blob.base, machine.blob.bytes);
}

void find_hardware(const FdtMachine& machine, std::span<const FdtDevice> devices) {
  hardware.serial = devices[0].windows[0];
  hardware.serial_interrupt = devices[0].interrupts[0];
  hardware.interrupt_controller = devices[1].windows[0];
  hardware.finisher = devices[2].windows[0];
  if (machine.timebase_hz != 0) hardware.timebase_hz = machine.timebase_hz;
}

}  // namespace

extern "C" [[noreturn]] void riscv64_start(u64 hart, const u8* tree) {
  hardware.hart = static_cast<u32>(hart);
  FdtDevice devices[kVirtioFirst + kVirtioWindowsMax] = {
      {.compatible = "ns16550a"}, {.compatible = "riscv,plic0"}, {.compatible = "sifive,test0"}};
  for (u32 i = 0; i < kVirtioWindowsMax; ++i) devices[kVirtioFirst + i].compatible = "virtio,mmio";
  const u64 bytes = tree == nullptr ? 0 : fdt_bytes(tree);
  if (bytes == 0) fail(kStatusUnsupported, "orrery: the firmware gave no device tree\n");
  const auto machine = read_fdt({tree, bytes}, devices);
  if (!machine.ok()) fail(kStatusUnsupported, "orrery: the device tree cannot be read\n");
  find_hardware(*machine, devices);
  serial_open();
  MachineInfo info;
  find_memory(*machine, info);
  info.name = "riscv64";
  info.plan_address = machine->initrd.bytes != 0 ? machine->initrd.base : kPlanAddress;
  info.boot_entropy = machine->seed;
  for (u32 i = kVirtioFirst; i < std::size(devices); ++i) {
    virtio_add(info, devices[i].windows[0], devices[i].interrupts[0]);
  }
  boot_main(info);
}

}  // namespace boot::riscv64

void boot::arch::power_off(u32 status) {
  using namespace boot::riscv64;
  if (hardware.finisher.base != 0) store32(hardware.finisher.base, (status << 16) | kFinisherFail);
  sbi_call(kSbiReset, 0, 0);  // type shutdown
  sbi_call(kSbiLegacyShutdown, 0, 0);
  for (;;) asm volatile("wfi");
}
