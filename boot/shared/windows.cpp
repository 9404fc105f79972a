// boot/shared/windows.cpp — stacks and arenas of native programs, each in a window of virtual addresses, mapped by pages.
//
// Stacks: one region of addresses per size, cut into slots of one guard page, never mapped, and the stack above it. Pages
// come when they are first touched (on_trap) and go when the stack is released, all but the lowest, which keeps the place
// in the list of free slots. Arenas: slots of 1 GiB; pages come and go as the world says.
// Bounds      kArenasMax address spaces at once; stacks and pages end with the memory of the machine.
#include "boot/shared/windows.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "boot/arch.h"
#include "kernel-model/machine.h"

#include "base/enforce.h"

namespace boot {
namespace {

constexpr u64 kStackRegionBytes = u64{1} << 38;  // of addresses, for each size
constexpr u64 kSmallestStack = u64{16} << 10;
constexpr u32 kStackSizes = 10;  // 16 KiB … 8 MiB, as sim/model asks for
constexpr u64 kStacksBase = kWindowsBase;
constexpr u64 kStacksEnd = kStacksBase + kStackSizes * kStackRegionBytes;
constexpr u64 kArenasBase = u64{1} << 42;
constexpr u32 kArenasMax = 8192;
static_assert(kStacksEnd <= kArenasBase && kArenasBase + kArenasMax * machine::kArenaBytesMax <= kWindowsEnd);

constexpr u64 kChunkBytes = u64{2} << 20;
constexpr u32 kChunksInArena = machine::kArenaBytesMax / kChunkBytes;

struct StackSize {
  u64 used = 0;  // slots ever handed out
  u64 free = 0;  // address of the lowest page of the first free slot, which holds the next one; 0 none
};
struct Windows {
  StackSize stacks[kStackSizes];
  u32 arenas_used = 0;
  u32 free_arena_count = 0;
  u16 free_arenas[kArenasMax] = {};
  u64 chunks[kArenasMax][kChunksInArena / 64] = {};  // where an arena may have pages: 2 MiB a bit
};
constinit Windows windows;

u64 stack_bytes(u32 size) { return kSmallestStack << size; }
u64 slot_bytes(u32 size) { return stack_bytes(size) + kPageBytes; }
u64 region_base(u32 size) { return kStacksBase + size * kStackRegionBytes; }

u32 size_of(u64 bytes) {
  u32 size = 0;
  while (size < kStackSizes && stack_bytes(size) < bytes) ++size;
  return size;
}

void unmap(u64 from, u64 to) {
  for (u64 page = arch::unmap_next(from, to); page != 0; page = arch::unmap_next(from, to)) page_return(page);
}

u32 arena_of(u64 address) {
  ASSERT(address >= kArenasBase);
  const u64 slot = (address - kArenasBase) / machine::kArenaBytesMax;
  ASSERT(slot < windows.arenas_used);
  return static_cast<u32>(slot);
}
u64 arena_address(u32 slot) { return kArenasBase + slot * machine::kArenaBytesMax; }

/// Takes every page of [from, to), a part of one arena, away. What never had pages is not looked at: a page table that goes
/// reports its whole span, of which little was used.
void arena_clear(u64 from, u64 to) {
  const u32 slot = arena_of(from);
  const u64 first = arena_address(slot);
  for (u64 chunk = (from - first) / kChunkBytes; first + chunk * kChunkBytes < to; ++chunk) {
    u64& word = windows.chunks[slot][chunk / 64];
    const u64 bit = u64{1} << chunk % 64;
    if ((word & bit) == 0) continue;
    const u64 begin = first + chunk * kChunkBytes;
    const u64 end = begin + kChunkBytes;
    unmap(from > begin ? from : begin, to < end ? to : end);
    if (from <= begin && end <= to) word &= ~bit;
  }
}

}  // namespace

AddressUse address_use(u64 address) {
  if (address < kStacksBase || address >= kStacksEnd) return AddressUse::Other;
  const u32 size = static_cast<u32>((address - kStacksBase) / kStackRegionBytes);
  const u64 offset = address - region_base(size);
  if (offset >= windows.stacks[size].used * slot_bytes(size)) return AddressUse::Other;
  return offset % slot_bytes(size) < kPageBytes ? AddressUse::Guard : AddressUse::Stack;
}

bool stack_page_in(u64 address) {
  const u64 page = page_take();
  if (page == 0) return false;
  if (arch::map_page(base::align_down(address, kPageBytes), page)) return true;
  page_return(page);
  return false;
}

}  // namespace boot

namespace machine {

using namespace boot;

Stack stack_acquire(u64 bytes) {
  const u32 size = size_of(bytes);
  if (size == kStackSizes) return {};
  StackSize& stacks = windows.stacks[size];
  u64 base = stacks.free;
  if (base != 0) {
    stacks.free = *reinterpret_cast<const u64*>(base);
  } else {
    const u64 slot = region_base(size) + stacks.used * slot_bytes(size);
    if (slot + slot_bytes(size) > region_base(size) + kStackRegionBytes) return {};
    stacks.used += 1;
    base = slot + kPageBytes;
  }
  return {reinterpret_cast<u8*>(base), stack_bytes(size)};
}

void stack_release(Stack stack) {
  const u64 base = reinterpret_cast<u64>(stack.base);
  StackSize& stacks = windows.stacks[size_of(stack.bytes)];
  unmap(base + kPageBytes, base + stack.bytes);
  *reinterpret_cast<u64*>(base) = stacks.free;  // comes with a page if it has none yet
  stacks.free = base;
}

u8* arena_reserve(u64 bytes) {
  if (bytes > kArenaBytesMax) return nullptr;
  u32 slot = windows.arenas_used;
  if (windows.free_arena_count > 0) {
    windows.free_arena_count -= 1;
    slot = windows.free_arenas[windows.free_arena_count];
  } else {
    if (slot == kArenasMax) return nullptr;
    windows.arenas_used += 1;
  }
  return reinterpret_cast<u8*>(arena_address(slot));
}

bool arena_commit(u8* at, u64 bytes) {
  const u64 from = reinterpret_cast<u64>(at);
  const u32 slot = arena_of(from);
  for (u64 address = from; address < from + bytes; address += kPageBytes) {
    const u64 page = page_take();
    const bool mapped = page != 0 && arch::map_page(address, page);
    if (!mapped) {
      if (page != 0) page_return(page);
      unmap(from, address);
      return false;
    }
    const u64 chunk = (address - arena_address(slot)) / kChunkBytes;
    windows.chunks[slot][chunk / 64] |= u64{1} << chunk % 64;
  }
  return true;
}

void arena_decommit(u8* at, u64 bytes) {
  const u64 from = reinterpret_cast<u64>(at);
  arena_clear(from, from + bytes);
}

void arena_release(u8* base, u64) {
  const u64 from = reinterpret_cast<u64>(base);
  arena_clear(from, from + kArenaBytesMax);
  windows.free_arenas[windows.free_arena_count] = static_cast<u16>(arena_of(from));
  windows.free_arena_count += 1;
}

}  // namespace machine
