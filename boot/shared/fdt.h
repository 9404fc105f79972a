// boot/shared/fdt.h — reading a flattened device tree: memory, what of it is taken, the boot arguments and the devices a
// machine asks for. Source: Devicetree Specification v0.4, chapter 5 (the blob), 2.3 and 3 (the properties).
// The blob comes from firmware or QEMU, but a broken one gets an error, not a crash: every offset is checked.
// Bounds      kDepthMax nested nodes, kRangesMax ranges of each kind.
// Tested by   tests/boot/fdt_test.cpp.
#pragma once
#include <string_view>

#include "base/result.h"
#include "boot/arch.h"

namespace boot {

constexpr u32 kFdtInterruptCells = 12;

/// A device to look for. Two entries with one name receive the first two devices of it.
struct FdtDevice {
  std::string_view compatible;  // one name of the node's list
  bool found = false;
  Range windows[2];                         // first (address, size) pairs of "reg"; base 0: there is none
  u32 interrupts[kFdtInterruptCells] = {};  // first cells of "interrupts", as the interrupt controller counts them
};

struct FdtMachine {
  Range blob;
  Range memory[kRangesMax];
  u32 memory_count = 0;
  Range reserved[kRangesMax];
  u32 reserved_count = 0;
  Range initrd;
  std::string_view arguments;
  u64 seed = 0;              // first 8 bytes of /chosen/rng-seed
  u32 timebase_hz = 0;       // /cpus/timebase-frequency (RISC-V)
  std::string_view conduit;  // /psci/method (Arm): "hvc" or "smc"
};

struct FdtError {
  enum class Code : u8 { Magic, Version, Size, Token, Depth, Property, TooMany } code = Code::Magic;
  u64 offset = 0;  // in the blob
};

/// The size the header claims, in bytes; 0: no device tree is here. Reads the first 8 bytes.
u64 fdt_bytes(const u8* blob);

/// Reads the whole tree. Texts of the result point into `blob`.
base::Result<FdtMachine, FdtError> read_fdt(base::Bytes blob, std::span<FdtDevice> devices);

}  // namespace boot
