// kernel-model/vspace.cpp — address spaces: 39 bits, three levels of 512 entries; ASIDs with generations. Whether a
// frame cap or a table is mapped is never taken from its record alone: the walk decides, so stale records are harmless.
// Invariants  V1 pool entry and VSpace agree.  V2, V3 a reachable leaf is recorded by a cap with at least its rights.
//             V4 a table is mapped at most once.
#include "kernel-model/vspace.h"

#include "base/planted.h"
#include "kernel-model/cspace.h"
#include "kernel-model/invoke.h"
#include "kernel-model/sched.h"

#include "base/enforce.h"

namespace kernel::vspace {

namespace {

constexpr u32 kRootLevel = 2;
constexpr u32 kIndexMask = 511;
constexpr u32 kAsidsPerPool = 256;
constexpr u32 kHalfFrameBits = 13;
constexpr u8 kKindNative = 1;

/// log2 of what one entry covers: 12, 21, 30.
constexpr u32 span_bits(u32 level) { return 12 + 9 * level; }
constexpr u32 index_at(u64 vaddr, u32 level) { return static_cast<u32>(vaddr >> span_bits(level)) & kIndexMask; }
constexpr u32 level_of_frame(u32 bits) { return bits == 30 ? 2 : bits == 21 ? 1 : 0; }

// ── The record inside a Frame cap ────────────────────────────────────────────────────────────────────────────
struct Mapping {
  u16 asid = 0;
  u16 generation = 0;
  u64 vaddr = 0;
};
Mapping mapping_of(const Cap& frame) {
  return {static_cast<u16>(frame.data), static_cast<u16>(frame.data >> 16), frame.data >> 32 << 12};
}
u64 record_of(const Mapping& mapping) {
  return u64{mapping.asid} | u64{mapping.generation} << 16 | mapping.vaddr >> 12 << 32;
}

const AsidEntry* asid_entry(const Kernel& kernel, u32 asid) {
  if (asid == 0 || asid > kAsidMax) return nullptr;
  const Ref<AsidPool> pool = kernel.asid_table().pools[asid / kAsidsPerPool];
  return pool ? &kernel.at(pool).entries[asid % kAsidsPerPool] : nullptr;
}
/// The VSpace an (ASID, generation) pair still stands for, or null.
Ref<VSpace> find_space(const Kernel& kernel, u32 asid, u32 generation) {
  const AsidEntry* entry = asid_entry(kernel, asid);
  if (entry == nullptr || !entry->vspace) return {};
  if (entry->generation != generation && !PLANTED("kernel.generation-not-checked")) return {};
  return entry->vspace;
}

/// A table or a root: where its entries lie.
struct Node {
  u32 object = 0;
  u32* entries = nullptr;
};
Node root_of(Kernel& kernel, Ref<VSpace> space) { return {space.offset, kernel.at(space).entries}; }
Node table_at(Kernel& kernel, u32 entry) {
  const Ref<PageTable> table{entry & kEntryPageMask};
  return {table.offset, kernel.at(table).entries};
}
bool is_table(u32 entry) { return (entry & (kEntryValid | kEntryTable)) == (kEntryValid | kEntryTable); }
bool is_leaf(u32 entry) { return (entry & (kEntryValid | kEntryTable)) == kEntryValid; }

/// The node that holds the entry of `vaddr` at `level`, or as far down as the tables go.
struct Walk {
  Node node;
  u32 level = kRootLevel;
};
Walk walk_to(Kernel& kernel, Ref<VSpace> space, u64 vaddr, u32 level) {
  Walk walk{root_of(kernel, space), kRootLevel};
  while (walk.level > level) {
    const u32 entry = walk.node.entries[index_at(vaddr, walk.level)];
    if (!is_table(entry)) break;
    walk.node = table_at(kernel, entry);
    walk.level -= 1;
  }
  return walk;
}

void write_entry(Kernel& kernel, const Node& node, u32 index, u32 entry) {
  node.entries[index] = entry;
  kernel.machine().mmu_write(node.object, index, entry);
}
void clear_entries(Kernel& kernel, const Node& node) {
  for (u32 i = 0; i <= kIndexMask; ++i) {
    if (node.entries[i] != 0) write_entry(kernel, node, i, 0);
  }
}

// ── Frames ───────────────────────────────────────────────────────────────────────────────────────────────────

/// Where a frame cap is mapped now; `space` null when it is not.
struct FramePlace {
  Ref<VSpace> space;
  Node node;
  u32 index = 0;
  u32 entry = 0;
};
FramePlace place_of(Kernel& kernel, const Cap& frame) {
  const Mapping mapping = mapping_of(frame);
  const Ref<VSpace> space = find_space(kernel, mapping.asid, mapping.generation);
  if (!space) return {};
  const u32 level = level_of_frame(frame.bits);
  const Walk walk = walk_to(kernel, space, mapping.vaddr, level);
  if (walk.level != level) return {};
  const u32 index = index_at(mapping.vaddr, level);
  const u32 entry = walk.node.entries[index];
  const bool half = (entry & kEntryHalf) != 0;
  if (!is_leaf(entry) || (entry & kEntryPageMask) != frame.object || half != (frame.bits == kHalfFrameBits)) return {};
  return {space, walk.node, index, entry};
}

void write_leaf(Kernel& kernel, const Cap& frame, const Node& node, u32 index, u32 entry) {
  write_entry(kernel, node, index, entry);
  if (frame.bits != kHalfFrameBits) return;
  write_entry(kernel, node, index + 1, entry == 0 ? 0 : entry + 4096);  // the page number is in the upper bits
}

/// Clears the mapping of the cap in `ref`, if it still stands, and its record.
void unmap_frame(Kernel& kernel, Ref<Slot> ref) {
  Cap& frame = kernel.at(ref).cap;
  const Mapping mapping = mapping_of(frame);
  if (mapping.asid == 0) return;
  const FramePlace place = place_of(kernel, frame);
  frame.data = 0;
  if (!place.space) return;
  kernel.charge(kernel.costs().unmap);
  write_leaf(kernel, frame, place.node, place.index, 0);
  if ((place.entry & kEntryArena) != 0) {
    kernel.machine().arena_changed(place.space, mapping.vaddr, u64{1} << frame.bits, false);
  }
  kernel.emit(base::EventKind::MemUnmap, frame.object, mapping.asid, mapping.vaddr, frame.rights);
  sched::shootdown(kernel, place.space);
}

// ── Tables ───────────────────────────────────────────────────────────────────────────────────────────────────

struct TablePlace {
  Ref<VSpace> space;
  Node node;
  u32 index = 0;
};
/// Where a table is mapped now; `space` null when it is not (also when a table above it, or the VSpace, is gone).
TablePlace place_of(Kernel& kernel, Ref<PageTable> ref) {
  const PageTable& table = kernel.at(ref);
  const Ref<VSpace> space = find_space(kernel, table.asid, table.generation);
  if (!space) return {};
  const u32 level = table.level + 1u;  // of the entry that refers to it
  const Walk walk = walk_to(kernel, space, table.vaddr, level);
  if (walk.level != level) return {};
  const u32 index = index_at(table.vaddr, level);
  const u32 entry = walk.node.entries[index];
  if (!is_table(entry) || (entry & kEntryPageMask) != ref.offset) return {};
  return {space, walk.node, index};
}

void unmap_table(Kernel& kernel, Ref<PageTable> ref) {
  PageTable& table = kernel.at(ref);
  const TablePlace place = place_of(kernel, ref);
  const u16 asid = table.asid;
  const u64 vaddr = table.vaddr;
  const u32 level = table.level;
  table.level = 0;
  table.asid = 0;
  table.generation = 0;
  table.vaddr = 0;
  if (!place.space) return;
  kernel.charge(kernel.costs().unmap);
  write_entry(kernel, place.node, place.index, 0);
  clear_entries(kernel, {ref.offset, table.entries});
  if (kernel.at(place.space).kind == kKindNative) {
    kernel.machine().arena_changed(place.space, vaddr, u64{1} << span_bits(level + 1), false);
  }
  kernel.emit(base::EventKind::MemUnmap, ref.offset, asid, vaddr, 0);
  sched::shootdown(kernel, place.space);
}

/// The VSpace in an extra cap, or InvalidCapability(1).
Result<Ref<VSpace>> assigned_space(Kernel& kernel, const Invocation& call) {
  const Cap& cap = kernel.at(call.extra[0]).cap;
  if (!is_assigned(kernel, cap)) return invalid_capability(1);
  return Ref<VSpace>{cap.object};
}

/// Frame_Map(vaddr, rights, attributes; vspace).
Result<Step> frame_map(Kernel& kernel, const Invocation& call) {
  if (call.length < 3 || call.extra_count < 1) return truncated_message();
  const u64 vaddr = argument(kernel, call, 0);
  const u64 rights = argument(kernel, call, 1);
  const u64 attributes = argument(kernel, call, 2);
  const Ref<VSpace> space = TRY(assigned_space(kernel, call));
  TRY(map_frame(kernel, call.slot, space, vaddr, rights, attributes));
  return Step::Done;
}

/// PageTable_Map(vaddr; vspace).
Result<Step> page_table_map(Kernel& kernel, const Invocation& call) {
  if (call.length < 1 || call.extra_count < 1) return truncated_message();
  const u64 vaddr = argument(kernel, call, 0);
  if (place_of(kernel, Ref<PageTable>{call.cap.object}).space) return invalid_capability(0);
  const Ref<VSpace> space = TRY(assigned_space(kernel, call));
  TRY(map_table(kernel, call.slot, space, vaddr));
  return Step::Done;
}

/// The VSpace behind an ASID is no longer reachable by it.
void release_asid(Kernel& kernel, AsidEntry& entry) {
  const Ref<VSpace> space = entry.vspace;
  sched::shootdown(kernel, space);
  entry.vspace = {};
  entry.generation += 1;
  kernel.at(space).asid = 0;
}

}  // namespace

base::Result<Translation, FaultRecord> translate(const Kernel& kernel, const VSpace& space, u64 vaddr, Access access) {
  const u32* entries = space.entries;
  const u32 need = access == Access::Read ? kEntryRead : access == Access::Write ? kEntryWrite : kEntryExecute;
  if (vaddr < kUserAddressEnd && space.asid != 0) {
    for (u32 level = kRootLevel + 1; level-- > 0;) {
      const u32 entry = entries[index_at(vaddr, level)];
      if (is_table(entry)) {
        ASSERT(level > 0);
        entries = kernel.at(Ref<PageTable>{entry & kEntryPageMask}).entries;
        continue;
      }
      if ((entry & (kEntryValid | need)) != (kEntryValid | need)) break;
      const u64 span = u64{1} << span_bits(level);
      const u64 within = vaddr & (span - 1);
      return Translation{static_cast<u32>((entry & kEntryPageMask) + within), entry, span - within};
    }
  }
  FaultRecord fault{.type = static_cast<u16>(FaultType::Vm)};
  fault.words[1] = vaddr;
  fault.words[2] = access == Access::Fetch ? 1 : 0;
  fault.words[3] = static_cast<u64>(access);
  return fault;
}

bool is_assigned(const Kernel& kernel, const Cap& cap) {
  return cap.type == CapType::VSpace && kernel.at(Ref<VSpace>{cap.object}).asid != 0;
}

void unmap_frame_cap(Kernel& kernel, Ref<Slot> slot) { unmap_frame(kernel, slot); }

void finalise_page_table(Kernel& kernel, Ref<PageTable> table) { unmap_table(kernel, table); }

void finalise_vspace(Kernel& kernel, Ref<VSpace> space) {
  const u32 asid = kernel.at(space).asid;
  if (asid != 0) {
    AsidEntry& entry = kernel.at(kernel.asid_table().pools[asid / kAsidsPerPool]).entries[asid % kAsidsPerPool];
    ASSERT(entry.vspace == space);  // V1
    release_asid(kernel, entry);
  }
  kernel.machine().vspace_gone(space);
}

bool finalise_asid_pool_unit(Kernel& kernel, Ref<AsidPool> ref) {
  AsidPool& pool = kernel.at(ref);
  pool.header.flags |= kObjectDying;
  for (AsidEntry& entry : pool.entries) {
    if (!entry.vspace) continue;
    const Ref<VSpace> space = entry.vspace;
    release_asid(kernel, entry);
    kernel.machine().vspace_gone(space);
    kernel.charge(kernel.costs().unit_waiter);
    return false;
  }
  // A pool made later in this place starts where the generations of this one ended: old records stay stale.
  const u32 index = pool.base / kAsidsPerPool;
  u16 generation = kernel.asid_table().generations[index];
  for (const AsidEntry& entry : pool.entries) {
    if (static_cast<i16>(static_cast<u16>(entry.generation - generation)) > 0) generation = entry.generation;
  }
  kernel.asid_table().generations[index] = generation;
  kernel.asid_table().pools[index] = {};
  return true;
}

Result<void> map_frame(Kernel& kernel, Ref<Slot> slot, Ref<VSpace> space, u64 vaddr, u64 rights_word, u64 attributes) {
  Cap& frame = kernel.at(slot).cap;
  const u64 bytes = u64{1} << frame.bits;
  if (vaddr >= kUserAddressEnd || vaddr + bytes > kUserAddressEnd) return invalid_argument(0);
  if (!base::is_aligned(vaddr, bytes)) return error(ResultLabel::AlignmentError);
  const u8 rights = frame.rights & static_cast<u8>(rights_word & (kRightWrite | kRightRead));
  if ((rights & kRightRead) == 0) return invalid_argument(1);  // none left, or W without R
  const bool device = (frame.flags & 1) != 0;
  const bool native = kernel.at(space).kind == kKindNative;
  const bool arena = (attributes & kMapArena) != 0;
  if (arena && (!native || device)) return invalid_argument(2);

  const u32 level = level_of_frame(frame.bits);
  const Walk walk = walk_to(kernel, space, vaddr, level);
  const u32 index = index_at(vaddr, walk.level);
  const u32 old_entry = walk.node.entries[index];
  if (walk.level != level && !is_leaf(old_entry)) {
    return cspace::failed_lookup(false, cspace::LookupError{LookupFailure::MissingCapability, {span_bits(walk.level)}});
  }
  const FramePlace mapped = place_of(kernel, frame);
  if (mapped.space && mapped.space != space) return invalid_capability(1);
  if (mapped.space && mapping_of(frame).vaddr != vaddr) return invalid_argument(0);
  if (!mapped.space) {
    const bool second_taken = frame.bits == kHalfFrameBits && walk.node.entries[index + 1] != 0;
    if (walk.level != level || old_entry != 0 || second_taken) return error(ResultLabel::DeleteFirst);
  }
  // ── point of no return ──
  u32 entry = frame.object | kEntryValid | kEntryRead;
  if ((rights & kRightWrite) != 0) entry |= kEntryWrite;
  if ((attributes & kMapExecute) != 0) entry |= kEntryExecute;
  if (device || (attributes & kMapDevice) != 0) entry |= kEntryDevice;
  if (arena) entry |= kEntryArena;
  if (frame.bits == kHalfFrameBits) entry |= kEntryHalf;
  kernel.charge(kernel.costs().map);
  const u16 asid = kernel.at(space).asid;
  frame.data = record_of({asid, asid_entry(kernel, asid)->generation, vaddr});
  write_leaf(kernel, frame, walk.node, index, entry);
  const bool was_arena = mapped.space && (old_entry & kEntryArena) != 0;
  if (arena != was_arena) kernel.machine().arena_changed(space, vaddr, bytes, arena);
  kernel.emit(base::EventKind::MemMap, frame.object, asid, vaddr, rights);
  if (mapped.space && entry != old_entry) sched::shootdown(kernel, space);
  return {};
}

Result<void> map_table(Kernel& kernel, Ref<Slot> slot, Ref<VSpace> space, u64 vaddr) {
  const Ref<PageTable> ref{kernel.at(slot).cap.object};
  if (vaddr >= kUserAddressEnd) return invalid_argument(0);
  const Walk walk = walk_to(kernel, space, vaddr, 0);
  const u32 index = index_at(vaddr, walk.level);
  if (walk.level == 0 || walk.node.entries[index] != 0) return error(ResultLabel::DeleteFirst);
  // ── point of no return ──
  PageTable& table = kernel.at(ref);
  kernel.charge(kernel.costs().map);
  clear_entries(kernel, {ref.offset, table.entries});  // what is left from a VSpace or a table that is gone
  const u16 asid = kernel.at(space).asid;
  table.level = static_cast<u8>(walk.level - 1);
  table.asid = asid;
  table.generation = asid_entry(kernel, asid)->generation;
  table.vaddr = base::align_down(vaddr, u64{1} << span_bits(walk.level));
  write_entry(kernel, walk.node, index, ref.offset | kEntryValid | kEntryTable);
  kernel.emit(base::EventKind::MemMap, ref.offset, asid, table.vaddr, 0);
  return {};
}

void initialise_pool(Kernel& kernel, Ref<AsidPool> ref, u32 index) {
  AsidPool& pool = kernel.at(ref);
  pool.header.type = static_cast<u8>(ObjectType::AsidPool);
  pool.header.size_bits = kAsidPoolBits;
  pool.base = index * kAsidsPerPool;
  for (AsidEntry& entry : pool.entries) entry.generation = kernel.asid_table().generations[index];
  kernel.asid_table().pools[index] = ref;
}

bool assign_asid(Kernel& kernel, Ref<AsidPool> pool_ref, Ref<VSpace> space_ref, u8 kind) {
  AsidPool& pool = kernel.at(pool_ref);
  VSpace& space = kernel.at(space_ref);
  ASSERT(space.asid == 0);
  for (u32 i = pool.base == 0 ? 1 : 0; i < kAsidsPerPool; ++i) {  // ASID 0 means "not mapped"
    if (pool.entries[i].vspace) continue;
    clear_entries(kernel, {space_ref.offset, space.entries});  // what is left from a pool that is gone
    pool.entries[i].vspace = space_ref;
    space.asid = static_cast<u16>(pool.base + i);
    space.kind = kind;
    return true;
  }
  return false;
}

}  // namespace kernel::vspace

namespace kernel {

Result<Step> invoke_frame(Kernel& kernel, Invocation& call) {
  switch (static_cast<Invoke>(call.label)) {
    case Invoke::FrameMap: return vspace::frame_map(kernel, call);
    case Invoke::FrameUnmap: vspace::unmap_frame(kernel, call.slot); return Step::Done;
    case Invoke::FrameGetAddress: put_result(kernel, call, 0, call.cap.object); return Step::Done;
    default:  // labels of other objects are no labels here
      return illegal_operation();
  }
}

Result<Step> invoke_page_table(Kernel& kernel, Invocation& call) {
  switch (static_cast<Invoke>(call.label)) {
    case Invoke::PageTableMap: return vspace::page_table_map(kernel, call);
    case Invoke::PageTableUnmap: vspace::unmap_table(kernel, Ref<PageTable>{call.cap.object}); return Step::Done;
    default: return illegal_operation();
  }
}

/// MakePool(index, depth; untyped, root).
Result<Step> invoke_asid_control(Kernel& kernel, Invocation& call) {
  if (call.label != static_cast<u64>(Invoke::AsidControlMakePool)) return illegal_operation();
  if (call.length < 2 || call.extra_count < 2) return truncated_message();
  const u64 slot_index = argument(kernel, call, 0);
  const u64 depth = argument(kernel, call, 1);
  u32 pool_index = 0;
  while (pool_index < kAsidPoolCount && kernel.asid_table().pools[pool_index]) pool_index += 1;
  if (pool_index == kAsidPoolCount) return error(ResultLabel::DeleteFirst);
  const Ref<Slot> source = call.extra[0];
  const Cap untyped = kernel.at(source).cap;
  if (untyped.type != CapType::Untyped || untyped.bits != kAsidPoolBits || (untyped.flags & 1) != 0) {
    return invalid_capability(1);
  }
  if (kernel.at(source).first_child != 0) return error(ResultLabel::RevokeFirst);
  const Cap root = kernel.at(call.extra[1]).cap;
  const Ref<Slot> target = TRY(cspace::lookup_exact(kernel, root, slot_index, depth, false));
  if (!kernel.at(target).cap.is_null()) return error(ResultLabel::DeleteFirst);
  // ── point of no return ──
  kernel.charge(kernel.costs().unit_zero + kernel.costs().object_create + kernel.costs().insert_or_move);
  __builtin_memset(kernel.ram() + untyped.object, 0, sizeof(AsidPool));
  kernel.at(source).cap.data = sizeof(AsidPool);
  const Ref<AsidPool> pool{untyped.object};
  vspace::initialise_pool(kernel, pool, pool_index);
  cspace::insert_child(kernel, source, target, Cap{.type = CapType::AsidPool, .object = pool.offset});
  kernel.emit(base::EventKind::CapRetype, untyped.object, static_cast<u64>(ObjectType::AsidPool), 1, target.offset);
  kernel.emit(base::EventKind::MemUntypedMark, untyped.object, sizeof(AsidPool));
  return Step::Done;
}

/// Assign(kind; vspace).
Result<Step> invoke_asid_pool(Kernel& kernel, Invocation& call) {
  if (call.label != static_cast<u64>(Invoke::AsidPoolAssign)) return illegal_operation();
  if (call.length < 1 || call.extra_count < 1) return truncated_message();
  const u64 kind = argument(kernel, call, 0);
  if (kind > 1) return invalid_argument(0);
  const Cap cap = kernel.at(call.extra[0]).cap;
  if (cap.type != CapType::VSpace || vspace::is_assigned(kernel, cap)) return invalid_capability(1);
  const Ref<AsidPool> pool{call.cap.object};
  if (!vspace::assign_asid(kernel, pool, Ref<VSpace>{cap.object}, static_cast<u8>(kind))) {
    return error(ResultLabel::DeleteFirst);
  }
  return Step::Done;
}

}  // namespace kernel
