// kernel-model/state.cpp — digests of a node's state. The same operations give the same digest on every machine: what
// is folded holds offsets and numbers only, and the order is that of the derivation tree.
#include <algorithm>

#include "kernel-model/cspace.h"
#include "kernel-model/kernel.h"

#include "base/enforce.h"

namespace kernel {

namespace {

static_assert(sizeof(Endpoint) == sizeof(Notification) && sizeof(Endpoint) == sizeof(Reply));
constexpr u32 kTablePageBytes = 4096;  // the first page of a table or VSpace; the second is the machine's own

base::Bytes bytes_at(const Kernel& kernel, u64 offset, u64 bytes) { return {kernel.ram() + offset, bytes}; }

/// The object a cap refers to, without what is visited elsewhere or is not state: Untyped and Frame contents, second
/// pages, the slots of a CNode, engine contexts of native threads.
base::Bytes object_bytes(const Kernel& kernel, const Cap& cap, Ref<Slot> slot) {
  u32 object = cap.object;
  switch (cap.type) {
    case CapType::Zombie:
      if (cap.bits != 0) return {};  // of a CNode
      object = slot.offset - static_cast<u32>(offsetof(Tcb, slots));
      [[fallthrough]];
    case CapType::Tcb: {
      const bool native = kernel.at(Ref<Tcb>{object}).engine == static_cast<u8>(EngineKind::Native);
      return bytes_at(kernel, object, native ? offsetof(Tcb, context) : sizeof(Tcb));
    }
    case CapType::Endpoint:
    case CapType::Notification:
    case CapType::Reply: return bytes_at(kernel, object, sizeof(Endpoint));
    case CapType::SchedContext: {
      const u32 bits = kernel.at(Ref<ObjectHeader>{object}).size_bits;
      return bytes_at(kernel, object, u64{1} << std::min(bits, kSchedContextMaxBits));  // also of a damaged header
    }
    case CapType::AsidPool: return bytes_at(kernel, object, sizeof(AsidPool));
    case CapType::PageTable:
    case CapType::VSpace: return bytes_at(kernel, object, kTablePageBytes);
    case CapType::Null:
    case CapType::Untyped:
    case CapType::CNode:
    case CapType::Frame:
    case CapType::IrqHandler:
    case CapType::SchedControl:
    case CapType::IrqControl:
    case CapType::AsidControl:
    case CapType::Anchor: return {};
  }
  UNREACHABLE("a capability of unknown type");
}

void fold_frame(const Kernel& kernel, base::D128& digest, u32 asid, u64 vaddr, u32 entry, u64 bytes) {
  if ((entry & kEntryArena) != 0) return;
  digest.fold(asid);
  digest.fold(vaddr);
  digest.fold(entry & ~kEntryPageMask);
  if ((entry & kEntryDevice) != 0 && (entry & kEntryPageMask) >= kDeviceWindowsStart) return;  // no RAM behind it
  digest.fold_bytes(bytes_at(kernel, entry & kEntryPageMask, bytes));
}

void fold_table(const Kernel& kernel, base::D128& digest, u32 asid, const u32* entries, u32 level, u64 start) {
  const u64 span = u64{1} << (12 + 9 * level);
  for (u32 i = 0; i < 512; ++i) {
    const u32 entry = entries[i];
    if ((entry & kEntryValid) == 0) continue;
    const u64 vaddr = start + i * span;
    if ((entry & kEntryTable) == 0) {
      fold_frame(kernel, digest, asid, vaddr, entry, span);
    } else if (level > 0) {  // at most three levels deep
      fold_table(kernel, digest, asid, kernel.at(Ref<PageTable>{entry & kEntryPageMask}).entries, level - 1, vaddr);
    }
  }
}

}  // namespace

base::Digest Kernel::state_digest() const {
  base::D128 digest;
  digest.fold(kKernelFormatVersion);
  digest.fold_bytes(bytes_at(*this, kKernelRegionOffset, header().region_end - kKernelRegionOffset));
  const u64 rounds_max = ram_bytes_ >> kSlotBits;
  u64 rounds = 0;
  for (Ref<Slot> ref = ref_of(header().anchor); ref; ref = cspace::next_in_preorder(*this, ref)) {
    ASSERT(rounds++ < rounds_max);
    const Slot& slot = at(ref);
    digest.fold(ref.offset);
    digest.fold_bytes(bytes_at(*this, ref.offset, sizeof(Slot)));
    // The children's objects are folded here, where the parent is at hand: a walk from child to parent is not O(1).
    Ref<Slot> child{slot.first_child};
    while (child) {
      const Cap& cap = at(child).cap;
      const bool repeated = cap.type == slot.cap.type && cap.object == slot.cap.object;
      if (!repeated) digest.fold_bytes(object_bytes(*this, cap, child));
      child = cspace::next_sibling(*this, child);
    }
  }
  return digest.out();
}

base::Digest Kernel::deep_digest() const {
  base::D128 digest;
  digest.fold(state_digest());
  for (const Ref<AsidPool> ref : asid_table().pools) {
    if (!ref) continue;
    const AsidPool& pool = at(ref);
    for (u32 i = 0; i < 256; ++i) {
      if (!pool.entries[i].vspace) continue;
      const VSpace& space = at(pool.entries[i].vspace);
      if (space.kind == 0) fold_table(*this, digest, pool.base + i, space.entries, 2, 0);
    }
  }
  return digest.out();
}

}  // namespace kernel
