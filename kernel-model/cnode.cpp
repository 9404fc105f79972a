// kernel-model/cnode.cpp — derivation of capabilities and the CNode operations. Each operation checks everything that
// can fail in the documented order, then changes the tree; on error nothing changes.
#include "base/digest.h"
#include "base/planted.h"
#include "kernel-model/cspace.h"
#include "kernel-model/invoke.h"
#include "kernel-model/ipc.h"

#include "base/enforce.h"

namespace kernel::cspace {

namespace {

constexpr u32 kGuardSizeBits = 6;

/// The CNode cap with the guard that `data` names: bits 0–5 its size, 6–63 its value.
Result<Cap> with_guard(Cap cap, u64 data) {
  const u32 guard_size = static_cast<u32>(data & ((1u << kGuardSizeBits) - 1));
  if (guard_size + cap.bits > 64) return illegal_operation();
  cap.flags = static_cast<u8>(guard_size);
  cap.data = guard_size == 0 ? 0 : data >> kGuardSizeBits & ((u64{1} << guard_size) - 1);
  return cap;
}

/// What Mint makes of an already derived cap.
Result<Cap> mint(const Cap& cap, u64 data) {
  Cap minted = cap;
  switch (cap.type) {
    case CapType::Endpoint:
    case CapType::Notification:
      if (cap.data != 0) return illegal_operation();
      minted.data = data;
      return minted;
    case CapType::CNode: return with_guard(cap, data);
    case CapType::SchedControl: {
      const u64 first = data & 0xFFFF;
      const u64 count = data >> 16;
      const u64 own_first = cap.data & 0xFFFF;
      const u64 own_end = own_first + (cap.data >> 16);
      if (count == 0 || first < own_first || first >= own_end || count > own_end - first) return illegal_operation();
      minted.data = data;
      return minted;
    }
    case CapType::Null:
    case CapType::Untyped:
    case CapType::Tcb:
    case CapType::SchedContext:
    case CapType::Reply:
    case CapType::Frame:
    case CapType::PageTable:
    case CapType::VSpace:
    case CapType::AsidPool:
    case CapType::IrqHandler:
    case CapType::IrqControl:
    case CapType::AsidControl:
    case CapType::Zombie:
    case CapType::Anchor: return minted;
  }
  UNREACHABLE("a capability of unknown type");
}

/// What Mutate (and Rotate, for both of its caps) makes of a cap that moves.
Result<Cap> mutate(const Cap& cap, u64 data) {
  switch (cap.type) {
    case CapType::Endpoint:
    case CapType::Notification:
    case CapType::Zombie:
    case CapType::Anchor: return illegal_operation();
    case CapType::CNode: return with_guard(cap, data);
    case CapType::Null:
    case CapType::Untyped:
    case CapType::Tcb:
    case CapType::SchedContext:
    case CapType::Reply:
    case CapType::Frame:
    case CapType::PageTable:
    case CapType::VSpace:
    case CapType::AsidPool:
    case CapType::IrqHandler:
    case CapType::SchedControl:
    case CapType::IrqControl:
    case CapType::AsidControl: return cap;
  }
  UNREACHABLE("a capability of unknown type");
}

/// The operand of cap events: the rights in the low byte, a digest of the badge above.
u64 rights_and_badge(const Cap& cap) {
  if (cap.data == 0) return cap.rights;
  base::D128 digest;
  digest.fold(cap.data);
  return (digest.out().high & ~u64{0xFF}) | cap.rights;
}

void emit_cap_event(Kernel& kernel, base::EventKind kind, Ref<Slot> to, Ref<Slot> from) {
  const Cap& cap = kernel.at(to).cap;
  kernel.emit(kind, cap.object, to.offset, from.offset, rights_and_badge(cap));
}

/// Puts a derived cap into its place: tree, watermark hand-over, event.
void commit_copy(Kernel& kernel, Ref<Slot> source, Ref<Slot> to, const Cap& derived, base::EventKind kind) {
  kernel.charge(kernel.costs().insert_or_move);
  insert_child(kernel, source, to, derived);
  if (derived.type == CapType::Untyped) {
    // The copy owns what is left; its source can make nothing more while the copy lives.
    kernel.at(source).cap.data = u64{1} << derived.bits;
  }
  emit_cap_event(kernel, kind, to, source);
}

Error missing_source(u64 depth) { return failed_lookup(true, LookupError{LookupFailure::MissingCapability, {depth}}); }

/// Copy, Mint, Move and Mutate, whose first two words named `target` already.
Result<Step> transfer_operation(Kernel& kernel, Invocation& call, Ref<Slot> target) {
  const Invoke label = static_cast<Invoke>(call.label);
  if (call.length < 4 || call.extra_count < 1) return truncated_message();
  if (!kernel.at(target).cap.is_null()) return error(ResultLabel::DeleteFirst);
  const u64 index = argument(kernel, call, 2);
  const u64 depth = argument(kernel, call, 3);
  const Ref<Slot> source = TRY(lookup_exact(kernel, kernel.at(call.extra[0]).cap, index, depth, true));
  if (!is_usable(kernel, kernel.at(source).cap)) return missing_source(depth);
  const u32 words_min = label == Invoke::CNodeMove ? 4 : label == Invoke::CNodeMint ? 6 : 5;
  if (call.length < words_min) return truncated_message();

  if (label == Invoke::CNodeMove || label == Invoke::CNodeMutate) {
    Cap moved = kernel.at(source).cap;
    if (label == Invoke::CNodeMutate) moved = TRY(mutate(moved, argument(kernel, call, 4)));
    kernel.charge(kernel.costs().insert_or_move);
    move_slot(kernel, source, target);
    kernel.at(target).cap = moved;
    const auto kind = label == Invoke::CNodeMove ? base::EventKind::CapMove : base::EventKind::CapMutate;
    emit_cap_event(kernel, kind, target, source);
    return Step::Done;
  }
  const u8 mask = static_cast<u8>(argument(kernel, call, 4) & kRightsAll);
  Cap derived = TRY(derive(kernel, source, mask));
  if (PLANTED("cap.copy-widens") && derived.type == CapType::Endpoint) derived.rights = mask;
  if (label == Invoke::CNodeMint) derived = TRY(mint(derived, argument(kernel, call, 5)));
  ALWAYS_IN(kernel, "cap.copy-narrows", (derived.rights & ~kernel.at(source).cap.rights) == 0, derived.rights);
  const auto kind = label == Invoke::CNodeMint ? base::EventKind::CapMint : base::EventKind::CapCopy;
  commit_copy(kernel, source, target, derived, kind);
  return Step::Done;
}

/// Rotate(di, dd, pivot data, pi, pd, source data, si, sd; pivot root, source root): pivot → target, source → pivot.
Result<Step> rotate(Kernel& kernel, Invocation& call, Ref<Slot> target) {
  if (call.length < 8 || call.extra_count < 2) return truncated_message();
  const u64 pivot_data = argument(kernel, call, 2);
  const u64 pivot_index = argument(kernel, call, 3);
  const u64 pivot_depth = argument(kernel, call, 4);
  const u64 source_data = argument(kernel, call, 5);
  const u64 source_index = argument(kernel, call, 6);
  const u64 source_depth = argument(kernel, call, 7);
  const Cap& source_root = kernel.at(call.extra[1]).cap;
  const Cap& pivot_root = kernel.at(call.extra[0]).cap;
  const Ref<Slot> source = TRY(lookup_exact(kernel, source_root, source_index, source_depth, true));
  const Ref<Slot> pivot = TRY(lookup_exact(kernel, pivot_root, pivot_index, pivot_depth, true));
  if (pivot == source || pivot == target) return illegal_operation();
  if (target != source && !kernel.at(target).cap.is_null()) return error(ResultLabel::DeleteFirst);
  if (!is_usable(kernel, kernel.at(source).cap)) return missing_source(source_depth);
  if (!is_usable(kernel, kernel.at(pivot).cap)) {
    return failed_lookup(false, LookupError{LookupFailure::MissingCapability, {pivot_depth}});
  }
  const Cap new_source = TRY(mutate(kernel.at(source).cap, source_data));
  const Cap new_pivot = TRY(mutate(kernel.at(pivot).cap, pivot_data));
  // ── point of no return ──
  kernel.charge(2 * kernel.costs().insert_or_move);
  kernel.at(source).cap = new_source;
  kernel.at(pivot).cap = new_pivot;
  if (source == target) {
    swap_slots(kernel, source, pivot);
  } else {
    move_slot(kernel, pivot, target);
    move_slot(kernel, source, pivot);
  }
  emit_cap_event(kernel, base::EventKind::CapMove, target, pivot);
  emit_cap_event(kernel, base::EventKind::CapMove, pivot, source);
  return Step::Done;
}

}  // namespace

Result<Cap> derive(Kernel& kernel, Ref<Slot> source, u8 rights_mask) {
  const Slot& slot = kernel.at(source);
  Cap cap = slot.cap;
  switch (cap.type) {
    case CapType::Endpoint:
    case CapType::Notification:
    case CapType::Reply: cap.rights &= rights_mask; return cap;
    case CapType::Frame:
      cap.rights &= rights_mask;
      cap.data = 0;  // one cap, at most one mapping: the copy starts unmapped
      return cap;
    case CapType::Untyped:
      if (slot.first_child != 0) return error(ResultLabel::RevokeFirst);
      if (PLANTED("kernel.untyped-copy-watermark")) cap.data = 0;
      return cap;
    case CapType::IrqControl:
    case CapType::Zombie:
    case CapType::Anchor:
    case CapType::Null: return illegal_operation();
    case CapType::Tcb:
    case CapType::CNode:
    case CapType::SchedContext:
    case CapType::PageTable:
    case CapType::VSpace:
    case CapType::AsidPool:
    case CapType::IrqHandler:
    case CapType::SchedControl:
    case CapType::AsidControl: return cap;
  }
  UNREACHABLE("a capability of unknown type");
}

Result<Cap> derive_node(Kernel& kernel, Ref<Slot> source, u64 guard_data) {
  const Cap cap = TRY(derive(kernel, source, kRightsAll));
  if (cap.type != CapType::CNode) return illegal_operation();
  if (guard_data == 0) return cap;
  return with_guard(cap, guard_data);
}

Result<void> copy_cap(Kernel& kernel, Ref<Slot> source, Ref<Slot> to, u8 rights_mask, base::EventKind kind) {
  const Cap derived = TRY(derive(kernel, source, rights_mask));
  commit_copy(kernel, source, to, derived, kind);
  return {};
}

}  // namespace kernel::cspace

namespace kernel {

Result<Step> invoke_cnode(Kernel& kernel, Invocation& call) {
  const u64 first = static_cast<u64>(Invoke::CNodeRevoke);
  const u64 last = static_cast<u64>(Invoke::CNodeInspect);
  if (call.label < first || call.label > last) return illegal_operation();
  if (call.length < 2) return truncated_message();
  const u64 index = argument(kernel, call, 0);
  const u64 depth = argument(kernel, call, 1);
  const Ref<Slot> target = TRY(cspace::lookup_exact(kernel, call.cap, index, depth, false));
  switch (static_cast<Invoke>(call.label)) {
    case Invoke::CNodeRevoke: return cspace::revoke(kernel, target);
    case Invoke::CNodeDelete: return cspace::delete_slot(kernel, target);
    case Invoke::CNodeCancelBadgedSends: {
      const Cap cap = kernel.at(target).cap;
      if (!cspace::is_usable(kernel, cap) || cap.type != CapType::Endpoint || cap.rights != kRightsAll) {
        return illegal_operation();
      }
      if (cap.data == 0) return Step::Done;
      return ipc::cancel_badged_sends(kernel, Ref<Endpoint>{cap.object}, cap.data);
    }
    case Invoke::CNodeCopy:
    case Invoke::CNodeMint:
    case Invoke::CNodeMove:
    case Invoke::CNodeMutate: return cspace::transfer_operation(kernel, call, target);
    case Invoke::CNodeRotate: return cspace::rotate(kernel, call, target);
    case Invoke::CNodeInspect: {  // an extension: what is in a slot; all 0 for an empty one
      const Cap& there = kernel.at(target).cap;
      const Cap cap = cspace::is_usable(kernel, there) ? there : Cap{};
      put_result(kernel, call, 0, static_cast<u64>(cap.type));
      put_result(kernel, call, 1, cap.rights);
      put_result(kernel, call, 2, cap.data);
      put_result(kernel, call, 3, cap.object);
      return Step::Done;
    }
    default:  // ruled out by the range above
      UNREACHABLE("a CNode label out of range");
  }
}

}  // namespace kernel
