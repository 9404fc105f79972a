// kernel-model/check_memory.cpp — the invariants of memory, derivation tree, address spaces and interrupt lines
// (M, T, V, I). O(objects + slots); M4 is checked for the first kUntouchedWindow bytes above each watermark.
// The scratch memory holds one 32-bit mark per 64 bytes of RAM: what the bytes belong to, and how many caps were seen.
#include <algorithm>

#include "kernel-model/cspace.h"
#include "kernel-model/untyped.h"
#include "kernel-model/vspace.h"

#include "base/enforce.h"

namespace kernel {

namespace {

constexpr u32 kGranuleBits = 6;
constexpr u64 kUntouchedWindow = 16 << 10;
constexpr u32 kEntriesPerTable = 512;

// Marks: the low byte says what the 64 bytes are, the upper three count caps seen (at an object's first granule).
constexpr u32 kMarkFree = 0;
constexpr u32 kMarkInside = 1;       // of an object without slots
constexpr u32 kMarkInsideSlots = 2;  // of a CNode, a TCB or the kernel region
constexpr u32 kMarkKindMask = 0xFF;
constexpr u32 kMarkCountUnit = 0x100;

template <class T, std::size_t N>
bool all_zero(const T (&values)[N]) {
  T seen = 0;
  for (const T value : values) seen = static_cast<T>(seen | value);
  return seen == 0;
}

class MemoryChecker {
 public:
  MemoryChecker(const Kernel& kernel, base::MutableBytes scratch)
      : kernel_(kernel), marks_(reinterpret_cast<u32*>(scratch.data())), mark_count_(scratch.size() / sizeof(u32)) {}

  Violation run() {
    clear_marks();
    if (!visit_region()) return violation_;
    if (!visit_tree()) return violation_;
    if (!visit_slots_of_containers()) return violation_;
    if (!check_counts_and_places()) return violation_;
    if (!check_reap_lists()) return violation_;
    if (!check_spaces()) return violation_;
    return violation_;
  }

 private:
  bool fail(const char* name, u32 object, u64 detail = 0) {
    violation_ = {name, object, detail};
    return false;
  }
  const Slot& slot(u32 offset) const { return kernel_.at(Ref<Slot>{offset}); }
  u32& mark(u64 offset) { return marks_[offset >> kGranuleBits]; }

  static bool is_object(const Cap& cap) {
    switch (cap.type) {
      case CapType::Tcb:
      case CapType::Endpoint:
      case CapType::Notification:
      case CapType::CNode:
      case CapType::SchedContext:
      case CapType::Reply:
      case CapType::Frame:
      case CapType::PageTable:
      case CapType::VSpace:
      case CapType::AsidPool: return true;
      case CapType::Null:
      case CapType::Untyped:
      case CapType::IrqHandler:
      case CapType::SchedControl:
      case CapType::IrqControl:
      case CapType::AsidControl:
      case CapType::Zombie:
      case CapType::Anchor: return false;
    }
    UNREACHABLE("a capability of unknown type");
  }
  static bool is_device(const Cap& cap) {
    return (cap.type == CapType::Untyped || cap.type == CapType::Frame) && (cap.flags & 1) != 0;
  }
  static ObjectType object_type(const Cap& cap) { return static_cast<ObjectType>(static_cast<u8>(cap.type) - 1); }

  /// log2 of the bytes an object or Untyped cap covers.
  u32 bits_of(const Cap& cap) const {
    if (cap.type == CapType::Untyped || cap.type == CapType::Frame) return cap.bits;
    if (cap.type == CapType::CNode) return cap.bits + kSlotBits;
    if (cap.type == CapType::SchedContext) {
      const u32 bits = kernel_.at(Ref<ObjectHeader>{cap.object}).size_bits;
      return std::clamp(bits, kSchedContextMinBits, kSchedContextMaxBits);  // any other fails M1
    }
    return untyped::object_bits(object_type(cap), 0);
  }
  /// A different number for each kind and size of object.
  u32 kind_of(const Cap& cap) const {
    if (cap.type == CapType::CNode) return 32u + cap.bits;
    if (cap.type == CapType::Frame) return 64u + cap.bits;
    if (cap.type == CapType::SchedContext) return 128u + bits_of(cap);
    return 2u + static_cast<u32>(cap.type);
  }

  void clear_marks() {
    // Only what lies below the end of the last object is ever marked.
    u64 end = kernel_.header().region_end;
    const u64 rounds_max = kernel_.ram_bytes() >> kSlotBits;
    u64 rounds = 0;
    for (Ref<Slot> ref = kernel_.ref_of(kernel_.header().anchor); ref && rounds < rounds_max; ++rounds) {
      const Cap& cap = kernel_.at(ref).cap;
      if (is_object(cap) && !is_device(cap)) {
        const u64 object_end = cap.object + (u64{1} << bits_of(cap));
        if (object_end > end) end = object_end;
      } else if (cap.type == CapType::Zombie) {
        const u64 object_end = ref.offset + (cap.bits != 0 ? u64{1} << (cap.bits + kSlotBits) : sizeof(Tcb));
        if (object_end > end) end = object_end;
      }
      ref = cspace::next_in_preorder(kernel_, ref);
    }
    if (end > kernel_.ram_bytes()) end = kernel_.ram_bytes();
    ASSERT(end >> kGranuleBits <= mark_count_);  // the caller's scratch is large enough
    __builtin_memset(marks_, 0, (end >> kGranuleBits) * sizeof(u32));
  }

  bool mark_range(u64 start, u64 bytes, u32 first_kind, u32 inside_kind) {
    for (u64 at = start; at < start + bytes; at += 64) {
      if (mark(at) != kMarkFree) return fail("M2", static_cast<u32>(start), at);
      mark(at) = at == start ? first_kind : inside_kind;
    }
    return true;
  }

  bool visit_region() {
    const u32 region_end = kernel_.header().region_end;
    if (!mark_range(kKernelRegionOffset, region_end - kKernelRegionOffset, kMarkInsideSlots, kMarkInsideSlots))
      return false;
    if (!kernel_.header().scratch.cap.is_null()) return fail("T1", kKernelRegionOffset);
    for (u32 line = 0; line < kIrqMax; ++line) {
      const IrqLine& irq = kernel_.irq(line);
      if ((irq.state == IrqState::Free) != (irq.cap_count == 0)) return fail("I1", line, irq.cap_count);
      if (!all_zero(irq.padding1)) return fail("M5", line);
      if (!count_slot(kernel_.ref_of(irq.notification))) return false;
    }
    if (!all_zero(kernel_.asid_table().padding)) return fail("M5", kAsidTableOffset);
    return true;
  }

  /// A slot of a container: Null ones have no links, others are counted.
  bool count_slot(Ref<Slot> ref) {
    const Slot& at = kernel_.at(ref);
    if (!at.cap.is_null()) {
      slots_in_containers_ += 1;
      return true;
    }
    if (at.next != 0 || at.prev != 0 || at.first_child != 0 || at.cap != Cap{}) return fail("T1", ref.offset);
    return true;
  }

  // ── The tree ───────────────────────────────────────────────────────────────────────────────────────────────

  bool visit_tree() {
    const u32 anchor = kernel_.ref_of(kernel_.header().anchor).offset;
    const Slot& root = slot(anchor);
    if (root.cap.type != CapType::Anchor || root.next != 0 || root.prev != 0) return fail("T2", anchor);
    const u64 rounds_max = kernel_.ram_bytes() >> kSlotBits;
    u64 rounds = 0;
    // Preorder; at each slot its whole list of children is checked, so every slot is checked once as a child.
    for (Ref<Slot> ref{anchor}; ref; ref = cspace::next_in_preorder(kernel_, ref)) {
      if (rounds++ >= rounds_max) return fail("T1", ref.offset);
      if (!visit_children(ref)) return false;
    }
    return true;
  }

  bool visit_children(Ref<Slot> parent) {
    const u32 first = kernel_.at(parent).first_child;
    if (first == 0) return true;
    const Cap& parent_cap = kernel_.at(parent).cap;
    u32 before = 0;
    u32 at = first;
    while (true) {
      const Slot& child = slot(at);
      slots_in_tree_ += 1;
      if (slots_in_tree_ > kernel_.ram_bytes() >> kSlotBits) return fail("T1", at);
      if (child.cap.is_null() || child.cap.type == CapType::Anchor) return fail("T1", at);
      if (before != 0 && child.prev != before) return fail("T2", at, child.prev);
      if (!check_relation(parent, parent_cap, at, child)) return false;
      if (!visit_cap(at, child.cap)) return false;
      if (child.next == 0) return fail("T2", at);
      if ((child.next & 1) != 0) {
        if ((child.next & ~1u) != parent.offset) return fail("T2", at, child.next);
        if (slot(first).prev != at) return fail("T2", first, slot(first).prev);
        return true;
      }
      before = at;
      at = child.next;
    }
  }

  bool check_relation(Ref<Slot> parent_ref, const Cap& parent, u32 at, const Slot& child_slot) {
    const Cap& child = child_slot.cap;
    if (parent.type == CapType::Anchor) return true;  // a root capability, or one whose ancestors are gone
    if (parent.type == CapType::IrqControl) {
      return child.type == CapType::IrqHandler || fail("T3", at, parent_ref.offset);
    }
    if (parent.type == child.type && parent.object == child.object &&
        (child.type != CapType::Untyped || parent.bits == child.bits)) {
      if (child.type == CapType::SchedControl) return true;
      if ((child.rights & ~parent.rights) != 0) return fail("T4", at, parent_ref.offset);
      const bool badged = child.type == CapType::Endpoint || child.type == CapType::Notification;
      if (badged && parent.data != 0 && child.data != parent.data) return fail("T4", at, parent_ref.offset);
      if (child.type != CapType::Untyped) return true;
    }
    if (parent.type != CapType::Untyped) return fail("T3", at, parent_ref.offset);
    u64 start = child.object;
    u64 bytes = 0;
    if (child.type == CapType::Zombie) {
      start = child.bits != 0 ? at : at - offsetof(Tcb, slots);
      bytes = child.bits != 0 ? u64{1} << (child.bits + kSlotBits) : sizeof(Tcb);
    } else {
      if (!is_object(child) && child.type != CapType::Untyped) return fail("T3", at, parent_ref.offset);
      bytes = u64{1} << bits_of(child);
    }
    if (start < parent.object || start + bytes > parent.object + (u64{1} << parent.bits)) {
      return fail("T3", at, parent_ref.offset);
    }
    if (start + bytes > parent.object + parent.data) return fail("M3", at, parent_ref.offset);
    return true;
  }

  // ── Objects ────────────────────────────────────────────────────────────────────────────────────────────────

  bool visit_cap(u32 at, const Cap& cap) {
    if (cap.type == CapType::Untyped) return check_untyped(at, cap);
    if (cap.type == CapType::IrqHandler) {
      irq_caps_seen_[cap.object] += 1;
      return true;
    }
    if (cap.type == CapType::Zombie) return visit_zombie(at, cap);
    if (!is_object(cap)) return true;
    const u64 bytes = u64{1} << bits_of(cap);
    if (!base::is_aligned(cap.object, bytes)) return fail("M1", cap.object, bytes);
    if (is_device(cap)) return true;
    if (cap.object < kernel_.header().region_end || cap.object + bytes > kernel_.ram_bytes())
      return fail("M1", cap.object);
    const u32 kind = kind_of(cap);
    u32& first = mark(cap.object);
    if (first == kMarkFree) {
      const bool has_slots = cap.type == CapType::CNode || cap.type == CapType::Tcb;
      if (!mark_range(cap.object, bytes, kind, has_slots ? kMarkInsideSlots : kMarkInside)) return false;
      if (!check_object(cap)) return false;
    } else if ((first & kMarkKindMask) != kind) {
      return fail("M2", cap.object, first);
    }
    first += kMarkCountUnit;
    return true;
  }

  /// The container of a Zombie is still an object, without caps.
  bool visit_zombie(u32 at, const Cap& cap) {
    const u32 object = cap.bits != 0 ? at : at - static_cast<u32>(offsetof(Tcb, slots));
    const u64 bytes = cap.bits != 0 ? u64{1} << (cap.bits + kSlotBits) : sizeof(Tcb);
    const u32 slot_count = cap.bits != 0 ? u32{1} << cap.bits : u32{kTcbSlotCount};
    if (!base::is_aligned(object, bytes) || object + bytes > kernel_.ram_bytes()) return fail("T6", at);
    if (mark(object) != kMarkFree) return fail("T7", object);  // some cap refers to it
    if (cap.object >= slot_count) return fail("T6", at, cap.object);
    for (u32 i = cap.object + 1; i < slot_count; ++i) {
      if (!slot(at + (i << kSlotBits)).cap.is_null()) return fail("T6", at, i);
    }
    zombies_ += 1;
    return mark_range(object, bytes, 2u + static_cast<u32>(CapType::Zombie), kMarkInsideSlots);
  }

  bool check_untyped(u32 at, const Cap& cap) {
    const u64 bytes = u64{1} << cap.bits;
    if (cap.bits < kMinUntypedBits || cap.bits > kMaxUntypedBits) return fail("M1", at, cap.bits);
    if (!base::is_aligned(cap.object, bytes)) return fail("M1", at, cap.object);
    if (cap.data > bytes) return fail("M3", at, cap.data);
    if (is_device(cap)) return true;
    const u64 untouched = bytes - cap.data;
    const u64 window = untouched < kUntouchedWindow ? untouched : kUntouchedWindow;
    const u8* from = kernel_.ram() + cap.object + cap.data;
    u64 seen = 0;
    for (u64 i = 0; i < window; i += 8) seen |= base::load_le64(from + i);  // watermarks are multiples of 64
    return seen == 0 || fail("M4", at, cap.data);
  }

  bool check_object(const Cap& cap) {
    if (cap.type == CapType::CNode || cap.type == CapType::Frame) return true;
    const ObjectHeader& header = kernel_.at(Ref<ObjectHeader>{cap.object});
    if (header.type != static_cast<u8>(object_type(cap)) || header.size_bits != bits_of(cap)) {
      return fail("M1", cap.object, header.type);
    }
    if ((header.flags & ~kObjectDying) != 0) return fail("M5", cap.object);
    return check_padding(cap) || fail("M5", cap.object);
  }

  bool check_padding(const Cap& cap) const {
    switch (cap.type) {
      case CapType::Tcb: {
        const Tcb& tcb = kernel_.at(Ref<Tcb>{cap.object});
        return tcb.padding0 == 0 && all_zero(tcb.padding1) && all_zero(tcb.padding2) && all_zero(tcb.padding3) &&
               all_zero(tcb.frame.padding) && tcb.fault.reserved == 0 && tcb.fault.reserved1 == 0;
      }
      case CapType::Endpoint: {
        const Endpoint& endpoint = kernel_.at(Ref<Endpoint>{cap.object});
        return all_zero(endpoint.padding0) && all_zero(endpoint.padding1);
      }
      case CapType::Notification: {
        const Notification& notification = kernel_.at(Ref<Notification>{cap.object});
        return all_zero(notification.padding0) && notification.padding1 == 0 && all_zero(notification.padding2);
      }
      case CapType::Reply: {
        const Reply& reply = kernel_.at(Ref<Reply>{cap.object});
        return reply.padding0 == 0 && all_zero(reply.padding1);
      }
      case CapType::SchedContext: {
        const SchedContext& sc = kernel_.at(Ref<SchedContext>{cap.object});
        return all_zero(sc.padding0) && sc.padding1 == 0;
      }
      case CapType::PageTable: {
        const PageTable& table = kernel_.at(Ref<PageTable>{cap.object});
        return table.padding0 == 0 && table.padding1 == 0 && all_zero(table.padding2);
      }
      case CapType::VSpace: {
        const VSpace& space = kernel_.at(Ref<VSpace>{cap.object});
        return space.padding0 == 0 && space.padding1 == 0 && all_zero(space.padding2);
      }
      case CapType::AsidPool: {
        const AsidPool& pool = kernel_.at(Ref<AsidPool>{cap.object});
        return pool.padding0 == 0 && all_zero(pool.padding1);
      }
      case CapType::Null:
      case CapType::Untyped:
      case CapType::CNode:
      case CapType::Frame:
      case CapType::IrqHandler:
      case CapType::SchedControl:
      case CapType::IrqControl:
      case CapType::AsidControl:
      case CapType::Zombie:
      case CapType::Anchor: return true;
    }
    UNREACHABLE("a capability of unknown type");
  }

  // ── Slots, counts ──────────────────────────────────────────────────────────────────────────────────────────

  template <class F>
  bool for_each_slot(F&& visit) {
    for (Ref<Slot> ref = kernel_.ref_of(kernel_.header().anchor); ref; ref = cspace::next_in_preorder(kernel_, ref)) {
      if (!visit(ref, kernel_.at(ref).cap)) return false;
    }
    return true;
  }

  /// Every container's slots, once: so many non-Null ones as the tree has, all reached from the anchor (T1).
  bool visit_slots_of_containers() {
    const bool ok = for_each_slot([&](Ref<Slot> ref, const Cap& cap) {
      u32 first = 0;
      u32 count = 0;
      if (cap.type == CapType::Zombie) {
        first = ref.offset;
        count = cap.bits != 0 ? u32{1} << cap.bits : u32{kTcbSlotCount};
      } else if (cap.type == CapType::CNode || cap.type == CapType::Tcb) {
        u32& seen = mark(cap.object);
        if ((seen & kVisitedMark) != 0) return true;
        seen |= kVisitedMark;
        first = cap.type == CapType::CNode ? cap.object : cap.object + static_cast<u32>(offsetof(Tcb, slots));
        count = cap.type == CapType::CNode ? u32{1} << cap.bits : u32{kTcbSlotCount};
      }
      for (u32 i = 0; i < count; ++i) {
        if (!count_slot(Ref<Slot>{first + (i << kSlotBits)})) return false;
      }
      return true;
    });
    if (!ok) return false;
    return slots_in_containers_ == slots_in_tree_ || fail("T1", 0, slots_in_containers_);
  }

  bool check_counts_and_places() {
    const bool ok = for_each_slot([&](Ref<Slot> ref, const Cap& cap) {
      if (cap.type == CapType::Anchor) return true;
      // The first granule of a container carries its kind: a CNode's slot 0 and 1 lie in it.
      const u32 place = mark(ref.offset) & kMarkKindMask;
      const bool in_cnode_start = place > 32 && place <= 32 + 26;
      const bool in_zombie_start = place == 2u + static_cast<u32>(CapType::Zombie);
      if (place != kMarkInsideSlots && !in_cnode_start && !in_zombie_start) return fail("M6", ref.offset, place);
      if (!is_object(cap) || is_device(cap) || cap.type == CapType::Frame) return true;
      const u32 seen = (mark(cap.object) & ~kVisitedMark) / kMarkCountUnit;
      const u32 count =
          cap.type == CapType::CNode ? slot(cap.object).aux : kernel_.at(Ref<ObjectHeader>{cap.object}).cap_count;
      return seen == count || fail("T5", cap.object, count);
    });
    if (!ok) return false;
    for (u32 line = 0; line < kIrqMax; ++line) {
      if (irq_caps_seen_[line] != kernel_.irq(line).cap_count) return fail("T5", line, kernel_.irq(line).cap_count);
    }
    return true;
  }

  // ── Reap lists ─────────────────────────────────────────────────────────────────────────────────────────────

  bool check_reap_list(u32 tcb) {
    u32 prev = tcb | 1;
    u64 rounds = 0;
    for (u32 at = kernel_.at(Ref<Tcb>{tcb}).reap_head.offset; at != 0;) {
      const Cap& cap = slot(at).cap;
      if (cap.type != CapType::Zombie || cap.data >> 32 != prev) return fail("T6", at, tcb);
      if (++rounds > zombies_) return fail("T6", at, tcb);
      zombies_listed_ += 1;
      prev = at;
      at = static_cast<u32>(cap.data);
    }
    return true;
  }

  bool check_reap_lists() {
    const bool ok = for_each_slot([&](Ref<Slot> ref, const Cap& cap) {
      if (cap.type == CapType::Zombie && cap.bits == 0) {
        return check_reap_list(ref.offset - static_cast<u32>(offsetof(Tcb, slots)));
      }
      if (cap.type != CapType::Tcb || (mark(cap.object) & kListedMark) != 0) return true;
      mark(cap.object) |= kListedMark;
      return check_reap_list(cap.object);
    });
    return ok && (zombies_listed_ == zombies_ || fail("T6", 0, zombies_));
  }

  // ── Address spaces ─────────────────────────────────────────────────────────────────────────────────────────

  /// Mapped pages by frame are not kept anywhere; instead every reachable leaf must be recorded by some Frame cap (V2,
  /// V3), which is counted: each cap whose record stands claims its leaf, and no leaf may be left unclaimed.
  bool check_spaces() {
    for (u32 index = 0; index < kAsidPoolCount; ++index) {
      const Ref<AsidPool> ref = kernel_.asid_table().pools[index];
      if (!ref) continue;
      const AsidPool& pool = kernel_.at(ref);
      if (pool.base != index * 256) return fail("V1", ref.offset, pool.base);
      for (u32 i = 0; i < 256; ++i) {
        const AsidEntry& entry = pool.entries[i];
        if (!entry.vspace) continue;
        const VSpace& space = kernel_.at(entry.vspace);
        if (space.asid != pool.base + i || space.asid == 0) return fail("V1", entry.vspace.offset, space.asid);
        if (!visit_table(entry.vspace.offset, space.entries, 2, 0, space.asid, entry.generation)) return false;
      }
    }
    return check_space_caps();
  }

  bool visit_table(u32 object, const u32* entries, u32 level, u64 start, u16 asid, u16 generation) {
    const u64 span = u64{1} << (12 + 9 * level);
    for (u32 i = 0; i < kEntriesPerTable; ++i) {
      const u32 entry = entries[i];
      if (entry == 0) continue;
      if ((entry & kEntryValid) == 0) return fail("V2", object, i);
      const u64 vaddr = start + i * span;
      if (vaddr >= kUserAddressEnd) return fail("V2", object, vaddr);
      if ((entry & kEntryTable) == 0) {
        leaves_ += 1;
        continue;
      }
      const u32 table_ref = entry & kEntryPageMask;
      if (level == 0 || (mark(table_ref) & kMarkKindMask) != 2u + static_cast<u32>(CapType::PageTable)) {
        return fail("V4", object, i);
      }
      const PageTable& table = kernel_.at(Ref<PageTable>{table_ref});
      if (table.asid != asid || table.generation != generation || table.level != level - 1 || table.vaddr != vaddr) {
        return fail("V4", table_ref, vaddr);
      }
      if (!visit_table(table_ref, table.entries, level - 1, vaddr, asid, generation)) return false;
    }
    return true;
  }

  /// The leaf entry at an address of a VSpace, or 0; whether it was claimed before is kept by `claim`.
  u32 leaf_at(const VSpace& space, u64 vaddr, u32 level) const {
    const u32* entries = space.entries;
    for (u32 at = 2; at > level; --at) {
      const u32 entry = entries[vaddr >> (12 + 9 * at) & 511];
      if ((entry & (kEntryValid | kEntryTable)) != (kEntryValid | kEntryTable)) return 0;
      entries = kernel_.at(Ref<PageTable>{entry & kEntryPageMask}).entries;
    }
    const u32 entry = entries[vaddr >> (12 + 9 * level) & 511];
    return (entry & kEntryTable) == 0 ? entry : 0;
  }

  bool check_space_caps() {
    u64 claimed = 0;
    const bool ok = for_each_slot([&](Ref<Slot>, const Cap& cap) {
      if (cap.type == CapType::VSpace) {
        const u32 asid = kernel_.at(Ref<VSpace>{cap.object}).asid;
        if (asid == 0) return true;
        const Ref<AsidPool> pool = kernel_.asid_table().pools[asid / 256];
        if (!pool || kernel_.at(pool).entries[asid % 256].vspace.offset != cap.object)
          return fail("V1", cap.object, asid);
        return true;
      }
      if (cap.type != CapType::Frame || cap.data == 0) return true;
      const u32 asid = static_cast<u16>(cap.data);
      const Ref<AsidPool> pool = kernel_.asid_table().pools[asid / 256];
      if (!pool) return true;
      const AsidEntry& owner = kernel_.at(pool).entries[asid % 256];
      if (!owner.vspace || owner.generation != static_cast<u16>(cap.data >> 16)) return true;
      const u64 vaddr = cap.data >> 32 << 12;
      const u32 level = cap.bits == 30 ? 2 : cap.bits == 21 ? 1 : 0;
      const u32 entry = leaf_at(kernel_.at(owner.vspace), vaddr, level);
      if (entry == 0 || (entry & kEntryPageMask) != cap.object) return true;  // a stale record
      const u32 rights =
          ((entry & kEntryRead) != 0 ? u32{kRightRead} : 0) | ((entry & kEntryWrite) != 0 ? u32{kRightWrite} : 0);
      // V3. A copy with fewer rights may hold a stale record of a place that another copy took since: it claims nothing.
      if ((rights & ~u32{cap.rights}) != 0) return true;
      claimed += cap.bits == 13 ? 2 : 1;
      return true;
    });
    if (!ok) return false;
    return claimed >= leaves_ || fail("V2", 0, leaves_ - claimed);
  }

  static constexpr u32 kVisitedMark = 0x8000'0000;
  static constexpr u32 kListedMark = 0x4000'0000;

  const Kernel& kernel_;
  u32* marks_;
  u64 mark_count_;
  Violation violation_;
  u64 slots_in_tree_ = 0;  // the anchor not counted
  u64 slots_in_containers_ = 0;
  u64 zombies_ = 0;
  u64 zombies_listed_ = 0;
  u64 leaves_ = 0;
  u32 irq_caps_seen_[kIrqMax] = {};
};

}  // namespace

Violation check_memory(const Kernel& kernel, base::MutableBytes scratch) {
  return MemoryChecker{kernel, scratch}.run();
}

}  // namespace kernel
