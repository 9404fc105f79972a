// user/root/spaces.cpp — the kernel objects of a process: made, grown, and all given back by one revoke per block.
#include "base/planted.h"
#include "user/root/manager.h"

#include "base/enforce.h"

namespace user::root {

using kernel::ObjectType;

namespace {

// One block holds what every process needs: CNode 16 KiB, VSpace 8, two tables 16, two arena frames 16, TCB 2,
// SchedContext, Notification and Reply 0.4 = 58.4 KiB; the rest takes objects made by request.
constexpr u32 kBlockBits = 16;
constexpr u32 kFrameBits = 13;  // arena pages: two 4 KiB entries each, half as many capabilities
constexpr u64 kFrameBytes = u64{1} << kFrameBits;
constexpr u64 kFirstArenaBytes = 2 * kFrameBytes;
constexpr u32 kLargeFrameBits = 21;
constexpr u64 kLargeFrameBytes = u64{1} << kLargeFrameBits;
constexpr u64 kBufferBytes = u64{1} << kernel::kIpcBufferBits;
constexpr u32 kContextBits = kernel::kSchedContextMinBits;
constexpr u64 kArenaGrowthMax = 1 << 20;  // an arena doubles until its steps are this large
constexpr u32 kRegistersUpToA1 = 12;      // pc, x1 … x11

constexpr u8 kRightsWithoutRead = kernel::kRightWrite | kernel::kRightGrant | kernel::kRightGrantReply;

}  // namespace

u32 Manager::take_object_slots() {
  if (!free_object_slots_.empty()) return free_object_slots_.take_back();
  return slots_.take_run(kObjectSlotCount);
}

/// A kernel object that is never given back, from a block of its own; 0: there is no memory for it.
u32 Manager::make_own(ObjectType type, u32 bits) {
  const BlockId block = untyped_.take(bits, slots_);
  if (block == kNoBlock) return 0;
  const u32 slot = slots_.take();
  if (slot != 0 && retype(untyped_.slot_of(block), type, bits, own(slot))) return slot;
  if (slot != 0) slots_.give(slot);
  untyped_.give(block);
  return 0;
}

u32 Manager::take_buffer() {
  if (!free_buffers_.empty()) return free_buffers_.take_back();
  if (buffers_made_ == buffer_frames_.size() * kBuffersPerFrame) {
    const u32 frame = spare_buffer_frame_ != 0 ? spare_buffer_frame_ : make_own(ObjectType::Frame, kLargeFrameBits);
    spare_buffer_frame_ = 0;
    if (frame == 0) return kernel::kNoIrq;
    const u64 address = kBuffersAddress + buffer_frames_.size() * kLargeFrameBytes;
    const FrameMapping mapping{.frame = frame, .vspace = kernel::kRootVSpace, .address = address};
    if (map_frame(mapping) != kernel::ResultLabel::None) {
      const u32 table = make_own(ObjectType::PageTable, kernel::kTableBits);
      if (table == 0) {
        spare_buffer_frame_ = frame;
        return kernel::kNoIrq;
      }
      MUST_OK(map_table(table, kernel::kRootVSpace, address));
      MUST_OK(map_frame(mapping) == kernel::ResultLabel::None);
    }
    buffer_frames_.push_back(frame);
  }
  return buffers_made_++;
}

kernel::IpcBuffer& Manager::buffer_at(u32 number) {
  const u64 address = kBuffersAddress + number * kBufferBytes;
  void* buffer = machine::pointer(address, kBufferBytes, true);
  ASSERT(buffer != nullptr);
  return *static_cast<kernel::IpcBuffer*>(buffer);
}

Result<u32> Manager::assign_asid(u32 vspace) {
  constexpr u32 kEntries = 256;
  for (u32 i = static_cast<u32>(asid_pools_.size()); i-- > 0;) {
    AsidPool& pool = asid_pools_[i];
    if (pool.used == kEntries) continue;
    MUST_OK(sys::invoke(pool.slot, sys::Invoke::AsidPoolAssign, {1}, {vspace}).ok());
    pool.used += 1;
    return i;
  }
  const BlockId block = untyped_.take(kernel::kAsidPoolBits, slots_);
  if (block == kNoBlock) return fs::fail(ErrorCode::OutOfMemory);
  const u32 slot = slots_.take();
  const bool made = slot != 0 && sys::invoke(kernel::kRootAsidControl, sys::Invoke::AsidControlMakePool, {slot, 64},
                                             {untyped_.slot_of(block), kernel::kRootCNode})
                                     .ok();
  if (!made) {
    if (slot != 0) slots_.give(slot);
    untyped_.give(block);
    return fs::fail(ErrorCode::TooManyProcesses);
  }
  asid_pools_.push_back({slot, 1});
  MUST_OK(sys::invoke(slot, sys::Invoke::AsidPoolAssign, {1}, {vspace}).ok());
  return static_cast<u32>(asid_pools_.size() - 1);
}

Result<void> Manager::make_objects(ProcessRecord& record, const Entry& entry) {
  ProcessObjects& objects = record.objects;
  // The stack of a native thread lies with its engine, outside the node's memory; the realm pays for it all the same.
  const u64 cost = (u64{1} << kBlockBits) + kBufferBytes + entry.stack_bytes;
  TRY(charge(*record.realm, &Realm::memory, cost));
  const BlockId block = untyped_.take(kBlockBits, slots_);
  const u32 slots = block == kNoBlock ? 0 : take_object_slots();
  const u32 buffer = slots == 0 ? kernel::kNoIrq : take_buffer();
  if (buffer == kernel::kNoIrq) {
    if (slots != 0) free_object_slots_.push_back(slots);
    if (block != kNoBlock) untyped_.give(block);
    refund(*record.realm, &Realm::memory, cost);
    return fs::fail(ErrorCode::OutOfMemory);
  }
  objects.block = block;
  objects.slots = slots;
  objects.buffer = buffer;
  objects.charged_bytes = cost;

  const u32 memory = untyped_.slot_of(block);
  const u32 node = slots + kObjectCNode;
  const u32 vspace = slots + kObjectVSpace;
  const u32 tcb = slots + kObjectTcb;
  const u32 context = slots + kObjectContext;
  // The block has room for all of it; a kernel that is short of something of its own may refuse all the same.
  const bool made = retype(memory, ObjectType::CNode, kCNodeRadix, own(node)) &&
                    retype(memory, ObjectType::VSpace, kernel::kTableBits, own(vspace)) &&
                    retype(memory, ObjectType::PageTable, kernel::kTableBits, own(slots + kObjectTable1), 2) &&
                    retype(memory, ObjectType::Frame, kFrameBits, own(slots + kObjectFrame0), 2) &&
                    retype(memory, ObjectType::Tcb, kernel::kTcbBits, own(tcb)) &&
                    retype(memory, ObjectType::SchedContext, kContextBits, own(context)) &&
                    retype(memory, ObjectType::Notification, 6, own(slots + kObjectNotification)) &&
                    retype(memory, ObjectType::Reply, 6, {node, kSlotReply});
  if (!made) {
    destroy_objects(record);
    return fs::fail(ErrorCode::OutOfMemory);
  }
  const Result<u32> pool = assign_asid(vspace);
  if (!pool.ok()) {
    destroy_objects(record);
    return pool.take_failure();
  }
  objects.asid_pool = pool.value() + 1;
  // ── nothing below can fail ──
  MUST_OK(map_table(slots + kObjectTable1, vspace, machine::kArenaAddress));
  MUST_OK(map_table(slots + kObjectTable0, vspace, machine::kArenaAddress));
  for (u32 i = 0; i < 2; ++i) {
    const FrameMapping mapping{.frame = slots + kObjectFrame0 + i,
                               .vspace = vspace,
                               .address = machine::kArenaAddress + i * kFrameBytes,
                               .attributes = kernel::kMapArena};
    MUST_OK(map_frame(mapping) == kernel::ResultLabel::None);
  }
  objects.arena_bytes = kFirstArenaBytes;

  MUST_OK(mint(own(slots + kObjectIdentity), own(endpoint_), kRightsWithoutRead, badge_of(record.pid, record.index)));
  MUST_OK(copy(slot_in(record, kSlotRoot), own(slots + kObjectIdentity), kernel::kRightsAll));
  MUST_OK(mint(slot_in(record, kSlotCNode), own(node), kernel::kRightsAll, kCNodeGuardData));
  MUST_OK(copy(slot_in(record, kSlotNotification), own(slots + kObjectNotification), kernel::kRightsAll));

  kernel::IpcBuffer& shared = buffer_of(record);
  shared = kernel::IpcBuffer{};
  const u64 files_max = bound_of(*record.realm, &Realm::files_max);
  if (files_max != kNoLimit) shared.reserved[kSharedFilesMax] = files_max;
  const u64 buffer_address = kBuffersAddress + buffer * kBufferBytes;
  MUST_OK(sys::invoke(tcb, sys::Invoke::TcbConfigure, {kCNodeGuardData, buffer_address},
                      {node, vspace, buffer_frames_[buffer / kBuffersPerFrame]})
              .ok());
  record.home_core = next_core_++ % core_count_;
  MUST_OK(configure_child_budget(record.realm->node_effort, context, leaf_of(record)));
  MUST_OK(sys::invoke(tcb, sys::Invoke::TcbSetSchedParams, {0, record.priority},
                      {kernel::kRootTcb, context, slots + kObjectIdentity})
              .ok());
  MUST_OK(sys::invoke(tcb, sys::Invoke::TcbBindNotification, {}, {slots + kObjectNotification}).ok());
  start_thread_at(record, tcb, entry);
  return {};
}

void Manager::start_thread_at(const ProcessRecord& record, u32 tcb, const Entry& entry) {
  MUST_OK(sys::invoke(tcb, sys::Invoke::TcbSetEngine, {static_cast<u64>(kernel::EngineKind::Native)}).ok());
  u64 name[4] = {};
  __builtin_memcpy(name, record.name.data(), std::min<u64>(record.name.size(), sizeof name - 1));
  MUST_OK(sys::invoke(tcb, sys::Invoke::TcbSetName, {name[0], name[1], name[2], name[3]}).ok());
  MUST_OK(sys::invoke(tcb, sys::Invoke::TcbWriteRegisters,
                      {0, kRegistersUpToA1, static_cast<u64>(entry.number), 0, entry.stack_bytes, 0, 0, 0, 0, 0, 0, 0,
                       entry.argument, record.pid})
              .ok());
}

void Manager::destroy_objects(ProcessRecord& record) {
  ProcessObjects& objects = record.objects;
  if (objects.block == kNoBlock) return;
  destroy_threads(record);
  for (const BlockId block : objects.more) {
    revoke(own(untyped_.slot_of(block)));
    untyped_.give(block);
  }
  for (const u32 slot : objects.more_slots) slots_.give(slot);
  for (const u32 slot : objects.copies) {
    remove(own(slot));
    slots_.give(slot);
  }
  if (objects.asid_pool != 0) {
    remove(own(objects.slots + kObjectIdentity));
    asid_pools_[objects.asid_pool - 1].used -= 1;
  }
  revoke(own(untyped_.slot_of(objects.block)));
  untyped_.give(objects.block);
  free_object_slots_.push_back(objects.slots);
  free_buffers_.push_back(objects.buffer);
  if (!PLANTED("root.memory-kept")) refund(*record.realm, &Realm::memory, objects.charged_bytes);
  objects = ProcessObjects(memory_);
}

Result<u32> Manager::take_block(ProcessRecord& record, u32 bits) {
  TRY(charge(*record.realm, &Realm::memory, u64{1} << bits));
  const BlockId block = untyped_.take(bits, slots_);
  if (block == kNoBlock) {
    refund(*record.realm, &Realm::memory, u64{1} << bits);
    return fs::fail(ErrorCode::OutOfMemory);
  }
  record.objects.charged_bytes += u64{1} << bits;
  record.objects.more.push_back(block);
  return untyped_.slot_of(block);
}

/// A block by its slot, of which nothing could be made.
void Manager::give_back_block(ProcessRecord& record, u32 memory) {
  base::Vector<BlockId>& blocks = record.objects.more;
  u64 place = blocks.size();
  do place -= 1;  // it is there: `take_block` gave it
  while (untyped_.slot_of(blocks[place]) != memory);
  const BlockId block = blocks[place];
  blocks.erase(place);
  const u64 bytes = untyped_.bytes_of(block);
  revoke(own(memory));
  untyped_.give(block);
  record.objects.charged_bytes -= bytes;
  refund(*record.realm, &Realm::memory, bytes);
}

Result<void> Manager::make_tables(ProcessRecord& record, u64 address) {
  const u32 memory = TRY(take_block(record, kernel::kTableBits));
  const u32 table = slots_.take();
  if (table == 0 || !retype(memory, ObjectType::PageTable, kernel::kTableBits, own(table))) {
    if (table != 0) slots_.give(table);
    give_back_block(record, memory);
    return fs::fail(ErrorCode::OutOfMemory);
  }
  record.objects.more_slots.push_back(table);
  MUST_OK(map_table(table, record.objects.slots + kObjectVSpace, address));
  return {};
}

Result<void> Manager::map_for(ProcessRecord& record, u32 frame, u64 address, u8 rights, u64 attributes) {
  const FrameMapping mapping{.frame = frame,
                             .vspace = record.objects.slots + kObjectVSpace,
                             .address = address,
                             .rights = rights,
                             .attributes = attributes};
  for (u32 levels = 0; levels < 3; ++levels) {  // at most two tables are missing
    const kernel::ResultLabel label = map_frame(mapping);
    if (label == kernel::ResultLabel::None) return {};
    if (label != kernel::ResultLabel::FailedLookup) return fs::fail(ErrorCode::BadAddress);
    TRY(make_tables(record, address));
  }
  return fs::fail(ErrorCode::BadAddress);
}

Result<u64> Manager::grow_arena(ProcessRecord& record, u64 bytes) {
  ProcessObjects& objects = record.objects;
  if (bytes > machine::kArenaBytesMax - objects.arena_bytes) return fs::fail(ErrorCode::OutOfMemory);
  // Doubling keeps the number of steps small; under a tight quota what was asked for must do.
  const u64 wanted = base::align_up(bytes, kFrameBytes);
  u64 goal = std::max(wanted, std::min(objects.arena_bytes, kArenaGrowthMax));
  const Realm& realm = *record.realm;
  if (realm.memory.limit != kNoLimit && realm.memory.used + goal + kFrameBytes > realm.memory.limit) goal = wanted;
  u64 grown = objects.untold_bytes;
  objects.untold_bytes = 0;
  while (grown < goal) {
    const Result<u64> page = add_arena_page(record, goal - grown);
    if (page.ok()) {
      grown += *page;
      continue;
    }
    if (grown >= wanted) break;
    objects.untold_bytes = grown;
    return page.take_failure();
  }
  return grown;
}

/// One page, of the memory that was taken for some, at most `wanted` bytes at a time; gives its size. Whatever is refused
/// on the way, what there is so far is used by the next call.
Result<u64> Manager::add_arena_page(ProcessRecord& record, u64 wanted) {
  ProcessObjects& objects = record.objects;
  const u64 at = machine::kArenaAddress + objects.arena_bytes;
  if (objects.spare_count == 0) {
    const u64 to_boundary = kLargeFrameBytes - at % kLargeFrameBytes;
    const bool large = to_boundary == kLargeFrameBytes && wanted >= kLargeFrameBytes;
    const u32 bits = large
                         ? kLargeFrameBits
                         : std::max(kFrameBits, 63u - static_cast<u32>(__builtin_clzll(std::min(wanted, to_boundary))));
    objects.spare_memory = TRY(take_block(record, bits));
    objects.spare_bits = large ? kLargeFrameBits : kFrameBits;
    objects.spare_count = 1u << (bits - objects.spare_bits);
  }
  if (objects.spare_frame == 0) {
    const u32 slot = TRY(take_slot());
    if (!retype(objects.spare_memory, ObjectType::Frame, objects.spare_bits, own(slot))) {
      slots_.give(slot);
      return fs::fail(ErrorCode::OutOfMemory);
    }
    objects.more_slots.push_back(slot);
    objects.spare_frame = slot;
  }
  TRY(map_for(record, objects.spare_frame, at, kernel::kRightRead | kernel::kRightWrite, kernel::kMapArena));
  objects.spare_frame = 0;
  objects.spare_count -= 1;
  const u64 bytes = u64{1} << objects.spare_bits;
  objects.arena_bytes += bytes;
  return bytes;
}

bool Manager::is_empty(const ProcessRecord& record, u32 slot, u32 count) {
  for (u32 i = 0; i < count; ++i) {
    if (inspect_slot(slot_in(record, slot + i)).type != 0) return false;
  }
  return true;
}

Result<void> Manager::make_by_request(ProcessRecord& record, schema::process::ObjectKind kind, u32 slot, u32 count) {
  constexpr u32 kRadixMin = UntypedPool::kBlockBitsMin - kernel::kSlotBits;
  constexpr u32 kRadixMax = 16;
  if (kind == schema::process::ObjectKind::Cnode) {
    if (slot < kSlotReceive || slot >= kCNodeSlots || count < kRadixMin || count > kRadixMax) {
      return fs::fail(ErrorCode::BadArgument);
    }
    const u32 memory = TRY(take_block(record, count + kernel::kSlotBits));
    if (retype(memory, ObjectType::CNode, count, slot_in(record, slot))) return {};
    give_back_block(record, memory);
    return fs::fail(is_empty(record, slot, 1) ? ErrorCode::OutOfMemory : ErrorCode::InUse);
  }
  if (slot < kSlotReceive || slot >= kCNodeSlots || count == 0 || count > kCNodeSlots - slot) {
    return fs::fail(ErrorCode::BadArgument);
  }
  const ObjectType type = kind == schema::process::ObjectKind::Endpoint       ? ObjectType::Endpoint
                          : kind == schema::process::ObjectKind::Notification ? ObjectType::Notification
                                                                              : ObjectType::Reply;
  const Window into = slot_in(record, slot);
  ProcessObjects& objects = record.objects;
  if (retype(untyped_.slot_of(objects.block), type, 6, into, count)) return {};
  if (!objects.more.empty() && retype(untyped_.slot_of(objects.more.back()), type, 6, into, count)) return {};
  const u32 memory = TRY(take_block(record, std::max<u32>(UntypedPool::kBlockBitsMin, 6 + 9)));
  if (retype(memory, type, 6, into, count)) return {};
  give_back_block(record, memory);
  return fs::fail(is_empty(record, slot, count) ? ErrorCode::OutOfMemory : ErrorCode::InUse);
}

Result<u64> Manager::make_frame(ProcessRecord& record, u32 slot, u32 bits) {
  if (bits != 12 && bits != 13 && bits != 21) return fs::fail(ErrorCode::BadArgument);
  if (slot < kSlotReceive || slot >= kCNodeSlots) return fs::fail(ErrorCode::BadArgument);
  const u32 memory = TRY(take_block(record, bits));
  if (!retype(memory, ObjectType::Frame, bits, slot_in(record, slot))) {
    give_back_block(record, memory);
    return fs::fail(is_empty(record, slot, 1) ? ErrorCode::OutOfMemory : ErrorCode::InUse);
  }
  const Result<u64> mapped = map_slot(record, slot, true);
  if (!mapped.ok()) give_back_block(record, memory);
  return mapped;
}

Result<u64> Manager::map_slot(ProcessRecord& record, u32 slot, bool write) {
  const u32 mapped = slots_.take();
  if (mapped == 0) return fs::fail(ErrorCode::OutOfMemory);
  if (!copy(own(mapped), slot_in(record, slot), kernel::kRightsAll)) {
    slots_.give(mapped);
    return fs::fail(ErrorCode::BadArgument);
  }
  record.objects.copies.push_back(mapped);
  const u64 address = base::align_up(record.objects.frames_end, kLargeFrameBytes);
  const u8 rights = write ? kernel::kRightRead | kernel::kRightWrite : kernel::kRightRead;
  const Result<void> done = map_for(record, mapped, address, rights, 0);
  if (!done.ok()) {
    record.objects.copies.pop_back();
    drop_slot(mapped);
    return done.take_failure();
  }
  record.objects.frames_end = address + kLargeFrameBytes;
  return address;
}

void Manager::unmap_slot(ProcessRecord& record, u32 slot) {
  const Window window = slot_in(record, slot);
  revoke(window);  // the mapped copies are its children
  remove(window);
}

}  // namespace user::root
