// boot/shared/pages.h — the RAM of the machine: single pages for tables, stacks and arenas, and a few large pieces that
// are taken once, for a node and its world.
#pragma once
#include "boot/arch.h"

namespace boot {

/// Takes over all of `info.ram`. Once.
void pages_start(const MachineInfo& info);
/// `bytes` of zeroed RAM in one piece, aligned to 2 MiB, for good; null: no range has that much left.
u8* region_take(u64 bytes);
/// What is left for pages, in bytes.
u64 pages_free_bytes();

}  // namespace boot
