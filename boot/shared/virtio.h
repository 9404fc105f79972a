// boot/shared/virtio.h — which of a machine's virtio windows have a device behind them. Source: virtio 1.2 §4.2.2.
#pragma once
#include "boot/arch.h"
#include "boot/shared/fdt.h"

namespace boot {

/// QEMU's `virt` has 8 windows on riscv64, 32 on aarch64, most of them empty.
constexpr u32 kVirtioWindowsMax = 32;

/// Adds a window to `info` if it is one, something is behind it, and there is room for it. Reads its registers, so it is to
/// be reachable. The highest address comes first, for QEMU's `virt` machines fill their windows from above: so a device's
/// number is its place on QEMU's command line.
inline void virtio_add(MachineInfo& info, Range registers, u32 line) {
  constexpr u32 kMagicWord = 0;
  constexpr u32 kDeviceWord = 2;
  constexpr u32 kMagic = 0x7472'6976;  // "virt"
  if (registers.base == 0 || info.virtio_count == kHardwareMax) return;
  const auto* words = reinterpret_cast<const volatile u32*>(registers.base);
  if (words[kMagicWord] != kMagic || words[kDeviceWord] == 0) return;
  const u64 bytes = registers.bytes < kPageBytes ? registers.bytes : kPageBytes;
  u32 at = info.virtio_count++;
  for (; at > 0 && info.virtio[at - 1].registers < registers.base; --at) info.virtio[at] = info.virtio[at - 1];
  info.virtio[at] = {registers.base, static_cast<u32>(bytes), line};
}

}  // namespace boot
