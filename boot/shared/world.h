// boot/shared/world.h — a world of one node in this machine's memory.
#pragma once
#include "sim/model/plan.h"
#include "sim/model/world.h"

namespace boot {

/// What a machine needs beyond a node and its world: an arena page is paid for by a frame of the node, so arenas are never
/// more than the node's memory; stacks and page tables come to less than kMemorySpareBytes.
constexpr u64 kMemorySpareBytes = u64{32} << 20;

/// Takes memory for `config` (whose one node has no RAM yet, but `ram_bytes` of it wanted), for the node's disks with what
/// is on them, and boots it. A machine with too little memory, and a world that cannot be made, end the machine with the
/// reason.
sim::World& make_world(sim::WorldConfig config, sim::NodeConfig node, u64 ram_bytes,
                       std::span<const sim::PlanDisk> disks = {});

}  // namespace boot
