// kernel-model/cspace.cpp — address resolution and the derivation tree. Every tree operation is O(1): `prev` of a first
// child is the last child, `next` of a last child is the parent with bit 0 set, so "is first", "is last" and the parent
// of either end need no walk.
#include "kernel-model/cspace.h"

#include "base/planted.h"

#include "base/enforce.h"

namespace kernel::cspace {

namespace {

constexpr u32 kResolveBitsMax = 64;

u64 low_bits(u64 value, u32 count) { return count >= 64 ? value : value & ((u64{1} << count) - 1); }

bool is_last(const Slot& slot) { return (slot.next & kLastMark) != 0; }
bool is_first(const Kernel& kernel, const Slot& slot) { return is_last(kernel.at(Ref<Slot>{slot.prev})); }

/// The header of a counted object that has one; null for CNode, IRQHandler and all that is not counted.
const ObjectHeader* header_of(const Kernel& kernel, const Cap& cap) {
  switch (cap.type) {
    case CapType::Tcb:
    case CapType::Endpoint:
    case CapType::Notification:
    case CapType::SchedContext:
    case CapType::Reply:
    case CapType::PageTable:
    case CapType::VSpace:
    case CapType::AsidPool: return &kernel.at(Ref<ObjectHeader>{cap.object});
    case CapType::Null:
    case CapType::Untyped:
    case CapType::CNode:
    case CapType::Frame:
    case CapType::IrqHandler:
    case CapType::SchedControl:
    case CapType::IrqControl:
    case CapType::AsidControl:
    case CapType::Zombie:
    case CapType::Anchor: return nullptr;
  }
  UNREACHABLE("a capability of unknown type");
}

}  // namespace

u32 word_count_of(LookupFailure failure) {
  switch (failure) {
    case LookupFailure::None:
    case LookupFailure::InvalidRoot: return 0;
    case LookupFailure::MissingCapability: return 1;
    case LookupFailure::DepthMismatch: return 2;
    case LookupFailure::GuardMismatch: return 3;
  }
  UNREACHABLE("a lookup failure of unknown number");
}

Error failed_lookup(bool was_source, const LookupError& failure) {
  const u32 extra = word_count_of(failure.failure);
  Error result{ResultLabel::FailedLookup, static_cast<u16>(2 + extra), 0, {was_source ? u64{1} : u64{0}}};
  result.words[1] = static_cast<u64>(failure.failure);
  for (u32 i = 0; i < extra; ++i) result.words[2 + i] = failure.words[i];
  return result;
}

base::Result<Found, LookupError> resolve(Kernel& kernel, const Cap& root, u64 cptr, u32 bits) {
  ASSERT(bits >= 1 && bits <= kResolveBitsMax);
  if (root.type != CapType::CNode) return LookupError{LookupFailure::InvalidRoot, {}};
  const Cap* node = &root;
  for (u32 level = 0; level < kResolveBitsMax; ++level) {  // each level consumes at least its radix, ≥ 1 bit
    if (level > 0) kernel.charge(kernel.costs().lookup_level);
    const u32 guard_size = node->flags;
    const u32 radix = node->bits;
    ASSERT(radix >= 1 && guard_size + radix <= kResolveBitsMax);
    if (guard_size > bits || (guard_size > 0 && low_bits(cptr >> (bits - guard_size), guard_size) != node->data)) {
      return LookupError{LookupFailure::GuardMismatch, {bits, node->data, guard_size}};
    }
    if (guard_size + radix > bits) return LookupError{LookupFailure::DepthMismatch, {bits, guard_size + radix}};
    bits -= guard_size + radix;
    const u64 index = low_bits(cptr >> bits, radix);
    const Ref<Slot> slot{node->object + static_cast<u32>(index << kSlotBits)};
    node = &kernel.at(slot).cap;
    if (bits == 0 || node->type != CapType::CNode) return Found{slot, bits};
  }
  UNREACHABLE("64 levels consumed less than 64 bits");
}

base::Result<Ref<Slot>, LookupError> lookup(Kernel& kernel, const Tcb& thread, u64 cptr) {
  if (const Ref<Slot> direct = direct_slot(thread, cptr)) return direct;
  const Found found = TRY(resolve(kernel, thread.slots[kTcbCSpace].cap, cptr, 64));
  return found.slot;
}

Result<Ref<Slot>> lookup_exact(Kernel& kernel, const Cap& root, u64 index, u64 depth, bool was_source) {
  if (depth < 1 || depth > kResolveBitsMax) return range_error(1, kResolveBitsMax);
  const auto found = resolve(kernel, root, index, static_cast<u32>(depth));
  if (!found.ok()) return failed_lookup(was_source, found.error());
  if (found->bits_left != 0) {
    return failed_lookup(was_source, LookupError{LookupFailure::DepthMismatch, {found->bits_left, 0}});
  }
  return found->slot;
}

bool is_usable(const Kernel& kernel, const Cap& cap) {
  if (cap.is_null()) return false;
  const ObjectHeader* header = header_of(kernel, cap);
  return header == nullptr || (header->flags & kObjectDying) == 0;
}

u32* cap_count_of(Kernel& kernel, const Cap& cap) {
  if (cap.type == CapType::CNode) return &kernel.at(Ref<Slot>{cap.object}).aux;
  if (cap.type == CapType::IrqHandler) return &kernel.irq(cap.object).cap_count;
  const ObjectHeader* header = header_of(kernel, cap);
  return header == nullptr ? nullptr : &kernel.at(Ref<ObjectHeader>{cap.object}).cap_count;
}

// ── The derivation tree ──────────────────────────────────────────────────────────────────────────────────────

void insert_child(Kernel& kernel, Ref<Slot> parent_ref, Ref<Slot> to_ref, const Cap& cap) {
  Slot& parent = kernel.at(parent_ref);
  Slot& to = kernel.at(to_ref);
  ASSERT(to.cap.is_null());
  ASSERT(!parent.cap.is_null() && !cap.is_null());
  to.cap = cap;
  to.first_child = 0;
  if (parent.first_child == 0) {
    to.next = parent_ref.offset | kLastMark;
    to.prev = to_ref.offset;
  } else {
    Slot& old_first = kernel.at(Ref<Slot>{parent.first_child});
    to.next = parent.first_child;
    to.prev = old_first.prev;  // the last child
    old_first.prev = to_ref.offset;
  }
  parent.first_child = to_ref.offset;
  if (u32* count = cap_count_of(kernel, cap)) *count += 1;
}

void move_slot(Kernel& kernel, Ref<Slot> from_ref, Ref<Slot> to_ref) {
  Slot& from = kernel.at(from_ref);
  Slot& to = kernel.at(to_ref);
  ASSERT(to.cap.is_null() && !from.cap.is_null());
  const bool first = is_first(kernel, from);
  const bool last = is_last(from);
  to.cap = from.cap;
  to.next = from.next;
  to.prev = from.prev == from_ref.offset ? to_ref.offset : from.prev;  // an only child is its own `prev`
  to.first_child = from.first_child;
  if (!first) kernel.at(Ref<Slot>{from.prev}).next = to_ref.offset;
  if (last) {
    Slot& parent = kernel.at(Ref<Slot>{from.next & ~kLastMark});
    if (first) {
      parent.first_child = to_ref.offset;
    } else {
      kernel.at(Ref<Slot>{parent.first_child}).prev = to_ref.offset;
    }
  } else {
    kernel.at(Ref<Slot>{from.next}).prev = to_ref.offset;
    if (first) {
      const Slot& last_sibling = kernel.at(Ref<Slot>{from.prev});
      kernel.at(Ref<Slot>{last_sibling.next & ~kLastMark}).first_child = to_ref.offset;
    }
  }
  if (from.first_child != 0) {
    const u32 last_child = kernel.at(Ref<Slot>{from.first_child}).prev;
    kernel.at(Ref<Slot>{last_child}).next = to_ref.offset | kLastMark;
  }
  from.cap = Cap{};
  from.next = 0;
  from.prev = 0;
  from.first_child = 0;
}

void swap_slots(Kernel& kernel, Ref<Slot> first, Ref<Slot> second) {
  ASSERT(first != second);
  if (kernel.at(first).cap.is_null()) {
    if (!kernel.at(second).cap.is_null()) move_slot(kernel, second, first);
    return;
  }
  if (kernel.at(second).cap.is_null()) return move_slot(kernel, first, second);
  // Three moves through the region's scratch slot: neighbours, and one being the other's parent, need no case of their own.
  const Ref<Slot> scratch = kernel.ref_of(kernel.header().scratch);
  move_slot(kernel, first, scratch);
  move_slot(kernel, second, first);
  move_slot(kernel, scratch, second);
}

void unlink_slot(Kernel& kernel, Ref<Slot> slot_ref) {
  Slot& slot = kernel.at(slot_ref);
  ASSERT(!slot.cap.is_null());
  ASSERT(slot.next != 0);  // the anchor is never unlinked
  const bool first = is_first(kernel, slot);
  const bool last = is_last(slot);
  if (PLANTED("kernel.children-to-sibling") && !first && slot.first_child != 0) {
    while (slot.first_child != 0) {
      const Ref<Slot> child{slot.first_child};
      const Cap cap = kernel.at(child).cap;
      const Ref<Slot> to{slot.prev};
      Slot& moved = kernel.at(child);
      const u32 grandchildren = moved.first_child;
      slot.first_child = is_last(moved) ? 0 : moved.next;
      if (slot.first_child != 0) kernel.at(Ref<Slot>{slot.first_child}).prev = moved.prev;
      moved.cap = Cap{};
      insert_child(kernel, to, child, cap);
      if (u32* count = cap_count_of(kernel, cap)) *count -= 1;
      moved.first_child = grandchildren;
    }
  }
  // What takes its place: its children, or nothing.
  const u32 inner_first = slot.first_child;
  const u32 inner_last = inner_first == 0 ? 0 : kernel.at(Ref<Slot>{inner_first}).prev;
  if (inner_first == 0) {
    if (first && last) {
      kernel.at(Ref<Slot>{slot.next & ~kLastMark}).first_child = 0;
    } else if (first) {
      const Slot& last_sibling = kernel.at(Ref<Slot>{slot.prev});
      kernel.at(Ref<Slot>{last_sibling.next & ~kLastMark}).first_child = slot.next;
      kernel.at(Ref<Slot>{slot.next}).prev = slot.prev;
    } else {
      kernel.at(Ref<Slot>{slot.prev}).next = slot.next;
      const u32 follower = last ? kernel.at(Ref<Slot>{slot.next & ~kLastMark}).first_child : slot.next;
      kernel.at(Ref<Slot>{follower}).prev = slot.prev;
    }
  } else {
    if (first) {
      const Slot& last_sibling = kernel.at(Ref<Slot>{slot.prev});  // itself when it is the only child
      kernel.at(Ref<Slot>{last_sibling.next & ~kLastMark}).first_child = inner_first;
      if (!last) kernel.at(Ref<Slot>{inner_first}).prev = slot.prev;
    } else {
      kernel.at(Ref<Slot>{slot.prev}).next = inner_first;
      kernel.at(Ref<Slot>{inner_first}).prev = slot.prev;
    }
    kernel.at(Ref<Slot>{inner_last}).next = slot.next;
    if (!last) {
      kernel.at(Ref<Slot>{slot.next}).prev = inner_last;
    } else {
      const Slot& parent = kernel.at(Ref<Slot>{slot.next & ~kLastMark});
      kernel.at(Ref<Slot>{parent.first_child}).prev = inner_last;
    }
  }
  slot.cap = Cap{};
  slot.next = 0;
  slot.prev = 0;
  slot.first_child = 0;
}

Ref<Slot> parent_of(const Kernel& kernel, Ref<Slot> slot) {
  const Slot* at = &kernel.at(slot);
  if (at->next == 0) return {};  // the anchor
  if (is_first(kernel, *at)) at = &kernel.at(Ref<Slot>{at->prev});
  while (!is_last(*at)) at = &kernel.at(Ref<Slot>{at->next});
  return Ref<Slot>{at->next & ~kLastMark};
}

Ref<Slot> next_sibling(const Kernel& kernel, Ref<Slot> slot) {
  const Slot& at = kernel.at(slot);
  return is_last(at) ? Ref<Slot>{} : Ref<Slot>{at.next};
}

Ref<Slot> next_in_preorder(const Kernel& kernel, Ref<Slot> slot) {
  const Slot* at = &kernel.at(slot);
  if (at->first_child != 0) return Ref<Slot>{at->first_child};
  while (is_last(*at)) at = &kernel.at(Ref<Slot>{at->next & ~kLastMark});  // up, until there is a next sibling
  return Ref<Slot>{at->next};                                              // 0 at the anchor
}

}  // namespace kernel::cspace
