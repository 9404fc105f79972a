// kernel-model/vspace.h — the address-space model: 39 bits, three levels of 512; the same on all machines.
#pragma once
#include "kernel-model/kernel.h"

namespace kernel::vspace {

enum class Access : u8 { Read = 1, Write = 2, Fetch = 4 };
/// Where an access lands: node-memory offset (RAM or device window), entry bits, bytes left to the end of the page.
struct Translation {
  u32 offset = 0;
  u32 entry = 0;
  u64 bytes_left = 0;
};
/// Walks the tables; a miss is the VM fault's words (address, is_fetch, access).
base::Result<Translation, FaultRecord> translate(const Kernel& kernel, const VSpace& space, u64 vaddr, Access access);

/// A VSpace cap that can be used: alive, with a valid ASID.
bool is_assigned(const Kernel& kernel, const Cap& cap);

// Deletion of caps; called by the delete unit.
void unmap_frame_cap(Kernel& kernel, Ref<Slot> slot);
void finalise_page_table(Kernel& kernel, Ref<PageTable> table);
void finalise_vspace(Kernel& kernel, Ref<VSpace> space);
/// One VSpace per unit loses its ASID; true when the pool is gone.
bool finalise_asid_pool_unit(Kernel& kernel, Ref<AsidPool> pool);

}  // namespace kernel::vspace
