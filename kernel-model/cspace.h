// kernel-model/cspace.h — capability spaces: address resolution, the derivation tree, CNode operations, and the
// preemptible deletion of everything. A delete unit is the smallest step; all invariants hold between units.
#pragma once
#include "kernel-model/kernel.h"

namespace kernel::cspace {

/// In Slot::next: there is no next sibling, the offset is that of the parent.
constexpr u32 kLastMark = 1;

/// Where a cptr leads: the slot and how many bits were not consumed.
struct Found {
  Ref<Slot> slot;
  u32 bits_left = 0;
};
/// A failed resolution: the words that follow `was_source` in FailedLookup (§ lookup failures).
struct LookupError {
  LookupFailure failure = LookupFailure::None;
  u64 words[3] = {};
};
/// The words of a lookup failure after its number: 0, 1, 2 or 3.
u32 word_count_of(LookupFailure failure);
Error failed_lookup(bool was_source, const LookupError& failure);

/// The slot of a cptr in a thread's cspace when its root CNode consumes all 64 bits and the guard matches, which costs
/// nothing; null otherwise.
inline Ref<Slot> direct_slot(const Tcb& thread, u64 cptr) {
  const Cap& root = thread.slots[kTcbCSpace].cap;
  const u32 radix = root.bits;
  if (root.type != CapType::CNode || root.flags + radix != 64 || cptr >> radix != root.data) return {};
  return {root.object + (static_cast<u32>(cptr & ((u64{1} << radix) - 1)) << kSlotBits)};
}

/// Resolves `bits` bits of `cptr` from the CNode cap `root`, level by level; charges each level beyond the first.
base::Result<Found, LookupError> resolve(Kernel& kernel, const Cap& root, u64 cptr, u32 bits);
/// 64 bits from the thread's own cspace; bits left over are accepted, as system calls do.
base::Result<Ref<Slot>, LookupError> lookup(Kernel& kernel, const Tcb& thread, u64 cptr);
/// A slot by explicit depth, as CNode operations name it; all bits must be consumed. `was_source` goes into errors.
Result<Ref<Slot>> lookup_exact(Kernel& kernel, const Cap& root, u64 index, u64 depth, bool was_source);

/// Whether a cap counts as Null for its user: Null, or its object is dying.
bool is_usable(const Kernel& kernel, const Cap& cap);

// ── The derivation tree: all O(1) ────────────────────────────────────────────────────────────────────────────
/// Puts `cap` into the Null slot `to` as the first child of `parent`; raises the object's cap count.
void insert_child(Kernel& kernel, Ref<Slot> parent, Ref<Slot> to, const Cap& cap);
/// Moves content and tree place from `from` to the Null slot `to`.
void move_slot(Kernel& kernel, Ref<Slot> from, Ref<Slot> to);
/// Exchanges content and tree places of two slots, neighbours included.
void swap_slots(Kernel& kernel, Ref<Slot> first, Ref<Slot> second);
/// Takes a non-Null slot out of the tree, splicing its children into its place, and makes it Null. No finalisation.
void unlink_slot(Kernel& kernel, Ref<Slot> slot);
Ref<Slot> parent_of(const Kernel& kernel, Ref<Slot> slot);
Ref<Slot> next_sibling(const Kernel& kernel, Ref<Slot> slot);
/// The canonical order: preorder from the anchor. Null after the last.
Ref<Slot> next_in_preorder(const Kernel& kernel, Ref<Slot> slot);

/// What Copy and IPC transfer give of `source` under a rights mask; IllegalOperation or RevokeFirst where refused.
Result<Cap> derive(Kernel& kernel, Ref<Slot> source, u8 rights_mask);
/// derive for a place that must be a CNode, with a guard as Mint reads it (0: keeps the source's). IllegalOperation.
Result<Cap> derive_node(Kernel& kernel, Ref<Slot> source, u64 guard_data);
/// derive + insert_child + the Untyped watermark hand-over. `to` must be Null. Emits `kind`.
Result<void> copy_cap(Kernel& kernel, Ref<Slot> source, Ref<Slot> to, u8 rights_mask, base::EventKind kind);

// ── Deletion, in units ───────────────────────────────────────────────────────────────────────────────────────
/// True when the preemptible operation under way must stop after this unit: the horizon is reached or the grant is
/// nearly used up. (Asked after every unit, never before the first.)
bool must_stop(Kernel& kernel);
/// One delete unit on a slot; true when the slot is Null afterwards.
bool delete_unit(Kernel& kernel, Ref<Slot> slot);
/// Whole operations as far as they get; `Preempted` means calling again continues.
Step delete_slot(Kernel& kernel, Ref<Slot> slot);
Step revoke(Kernel& kernel, Ref<Slot> slot);
/// The object's cap count, wherever its type keeps it (header, slot 0 of a CNode, the IRQ table); null for uncounted.
u32* cap_count_of(Kernel& kernel, const Cap& cap);

}  // namespace kernel::cspace
