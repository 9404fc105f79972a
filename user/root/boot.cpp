// user/root/boot.cpp — from the kernel's root task to a root manager: memory, a capability space large enough for the
// node, and a heap.
#include "kernel-model/machine.h"
#include "user/root/boot.h"
#include "user/root/manager.h"

#include "base/enforce.h"

namespace user::root {
namespace {

constexpr u32 kFrameBits = 21;
constexpr u64 kFrameBytes = u64{1} << kFrameBits;
constexpr u64 kBootstrapBytes = 48 << 10;  // tables of the two pools until there is a heap: ≤ 512 blocks of 24 B, twice

bool split_untyped(void*, u32 slot, u32 half_bits, u32 first_half_slot) {
  return retype(slot, kernel::ObjectType::Untyped, half_bits, own(first_half_slot), 2);
}
void join_untyped(void*, u32 first_half_slot) {
  remove(own(first_half_slot));
  remove(own(first_half_slot + 1));
}

u32 log2_ceiling(u64 value) { return 64 - static_cast<u32>(__builtin_clzll(value - 1)); }

/// Sixteen slots for every 64 KiB of RAM: what a process is made of fits into that, and arena pages are 8 KiB each.
u32 radix_for(u64 ram_bytes) { return std::max(kernel::kRootCNodeRadix, log2_ceiling(ram_bytes) - 12); }

/// Replaces the boot's CNode by a larger one. Every capability keeps its number.
void enlarge_capability_space(const kernel::BootInfo& boot, SlotPool& slots, UntypedPool& untyped) {
  const u32 radix = radix_for(boot.ram_bytes);
  const BlockId block = untyped.take(radix + kernel::kSlotBits, slots);
  ASSERT(block != kNoBlock);
  const u32 raw = slots.take();
  const u32 guarded = slots.take();
  const u32 old = slots.take();
  const u64 guard_data = 64 - radix;
  MUST_OK(retype(untyped.slot_of(block), kernel::ObjectType::CNode, radix, own(raw)));
  MUST_OK(mint(own(guarded), own(raw), kernel::kRightsAll, guard_data));
  const auto in_new = [guarded](u32 slot) { return Window{guarded, slot, 64}; };
  MUST_OK(copy(in_new(kernel::kRootTcb), own(kernel::kRootTcb), kernel::kRightsAll));
  MUST_OK(copy(in_new(kernel::kRootVSpace), own(kernel::kRootVSpace), kernel::kRightsAll));
  MUST_OK(copy(in_new(kernel::kRootCNode), own(guarded), kernel::kRightsAll));
  MUST_OK(copy(in_new(old), own(kernel::kRootCNode), kernel::kRightsAll));
  // The next call may be interrupted after the last place is replaced: then it is repeated through the new CNode, and must
  // find what it names there too.
  MUST_OK(copy(in_new(guarded), own(guarded), kernel::kRightsAll));
  MUST_OK(sys::invoke(kernel::kRootTcb, sys::Invoke::TcbSetSpace, {0}, {0, guarded, kernel::kRootVSpace}).ok());
  for (u32 slot = kernel::kRootIrqControl; slot < slots.first_unused(); ++slot) {
    if (slot == raw || slot == guarded || slot == old) continue;
    move(own(slot), Window{old, slot, 64});  // empty ones are refused, and stay empty
  }
  slots.extend(1u << radix);
}

/// The manager's own heap: arena frames of 2 MiB, mapped ahead of need, because the heap may have to grow while the
/// pools that frames come from are being changed.
struct HeapFrames {
  u64 mapped_bytes = 0;
  u64 given_bytes = 0;

  static u64 grow(void* context, u64 bytes_min) {
    HeapFrames& frames = *static_cast<HeapFrames*>(context);
    const u64 rest = frames.mapped_bytes - frames.given_bytes;
    if (rest < bytes_min) return 0;
    frames.given_bytes += rest;
    return rest;
  }
};

bool map_heap_frame(HeapFrames& frames, SlotPool& slots, UntypedPool& untyped) {
  if (frames.mapped_bytes + kFrameBytes > machine::kArenaBytesMax) return false;
  const BlockId block = untyped.take(kFrameBits, slots);
  if (block == kNoBlock) return false;
  const u32 slot = slots.take();
  if (slot == 0 || !retype(untyped.slot_of(block), kernel::ObjectType::Frame, kFrameBits, own(slot))) {
    if (slot != 0) slots.give(slot);
    untyped.give(block);
    return false;
  }
  const FrameMapping mapping{.frame = slot,
                             .vspace = kernel::kRootVSpace,
                             .address = machine::kArenaAddress + frames.mapped_bytes,
                             .attributes = kernel::kMapArena};
  if (map_frame(mapping) != kernel::ResultLabel::None) return false;
  frames.mapped_bytes += kFrameBytes;
  return true;
}

struct Root {
  HeapFrames frames;
  kernel::BootInfo boot{};
};

}  // namespace

bool Reserve::keep_ahead(base::Heap& heap, SlotPool& slots, UntypedPool& untyped) {
  HeapFrames& frames = *static_cast<HeapFrames*>(frames_);
  for (;;) {
    const u64 room = frames.mapped_bytes - heap.bytes_used();
    if (room >= std::max(kHeapRoomMin, heap.bytes_used())) return true;
    if (!map_heap_frame(frames, slots, untyped)) return room >= kHeapRoomMin / 2;
  }
}

void root_main(const u64 (&)[8]) {
  Root root;
  const void* info = machine::pointer(kernel::kBootInfoAddress, sizeof(kernel::BootInfo), false);
  ASSERT(info != nullptr);
  __builtin_memcpy(&root.boot, info, sizeof root.boot);
  const kernel::BootInfo& boot = root.boot;
  ASSERT(boot.magic == kernel::kBootInfoMagic);

  alignas(16) u8 bootstrap_bytes[kBootstrapBytes];
  base::Arena bootstrap({bootstrap_bytes, sizeof bootstrap_bytes});
  SlotPool slots(bootstrap, boot.empty.first, boot.empty.end);
  UntypedPool untyped(bootstrap, {.split = split_untyped, .join = join_untyped});
  u32 ram_slot = boot.ram_untypeds.first;
  for (u32 i = 0; i < boot.untyped_count; ++i) {
    if (boot.untypeds[i].device != 0) continue;
    if (boot.untypeds[i].bits >= UntypedPool::kBlockBitsMin) untyped.add(ram_slot, boot.untypeds[i].bits);
    ram_slot += 1;
  }
  enlarge_capability_space(boot, slots, untyped);

  // One table for the gigabyte the arena may have: its frames are entries of level 1.
  const BlockId table_block = untyped.take(kernel::kTableBits, slots);
  const u32 table = slots.take();
  MUST_OK(retype(untyped.slot_of(table_block), kernel::ObjectType::PageTable, kernel::kTableBits, own(table)));
  MUST_OK(map_table(table, kernel::kRootVSpace, machine::kArenaAddress));
  MUST_OK(map_heap_frame(root.frames, slots, untyped));
  root.frames.given_bytes = root.frames.mapped_bytes;
  base::Heap heap(machine::arena_base(), root.frames.mapped_bytes, HeapFrames::grow, &root.frames);

  Manager* manager = new (heap.allocate(sizeof(Manager), alignof(Manager)))
      Manager(heap, slots.clone_into(heap), untyped.clone_into(heap), boot, Reserve(&root.frames));
  manager->start(boot);
  manager->serve();
}

}  // namespace user::root
