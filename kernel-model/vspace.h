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
/// Walks the tables. A miss is the VM fault as its message carries it: words ip (0, the engine fills it in), address,
/// is_fetch, access. Translations may be cached while `space.tlb_generation` stays the same.
base::Result<Translation, FaultRecord> translate(const Kernel& kernel, const VSpace& space, u64 vaddr, Access access);

/// A VSpace cap that can be used: alive, with a valid ASID.
bool is_assigned(const Kernel& kernel, const Cap& cap);

// Deletion of caps; called by the delete unit.
void unmap_frame_cap(Kernel& kernel, Ref<Slot> slot);
void finalise_page_table(Kernel& kernel, Ref<PageTable> table);
void finalise_vspace(Kernel& kernel, Ref<VSpace> space);
/// One VSpace per unit loses its ASID; true when the pool is gone.
bool finalise_asid_pool_unit(Kernel& kernel, Ref<AsidPool> pool);

/// Frame_Map of the cap in `slot`, with its checks; the VSpace has a valid ASID. `rights` and `attributes` as in the call.
Result<void> map_frame(Kernel& kernel, Ref<Slot> slot, Ref<VSpace> space, u64 vaddr, u64 rights, u64 attributes);
/// PageTable_Map of the unmapped table in `slot`, with its checks: at the first missing level of the path.
Result<void> map_table(Kernel& kernel, Ref<Slot> slot, Ref<VSpace> space, u64 vaddr);
/// Makes zeroed memory the pool of 256 ASIDs in place `index` of the table.
void initialise_pool(Kernel& kernel, Ref<AsidPool> pool, u32 index);
/// Gives a VSpace without one the lowest free ASID of the pool; false when the pool is full. kind: 0 Paged, 1 Native.
bool assign_asid(Kernel& kernel, Ref<AsidPool> pool, Ref<VSpace> space, u8 kind);

}  // namespace kernel::vspace
