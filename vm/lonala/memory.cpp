#include "vm/lonala/memory.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/enforce.h"

namespace lonala {
namespace {

// Sizes of slab objects. 256 is the control block and the first heap block of a process; the rest keeps waste below 1/3.
constexpr u32 kSlabBytes[kSlabClassesMax] = {16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 1024, 1536, 2048, 4096};
constexpr u64 kCarrierBytes = 64 << 10;
// Page state: the use in the low three bits, above it the class of a slab's pages; or the head of a free block and its order.
constexpr u8 kFreeBlock = 0x80;  // as page_is_free has it
constexpr u32 kClassShift = 3;
constexpr u8 kNoClass = 15;
static_assert(kSlabClassesMax < kNoClass && (kNoClass << kClassShift | 7) < kFreeBlock);

struct FreeBlock {
  u64 next;
  u64 previous;
};

u32 slab_class(u64 bytes) {
  u32 index = 0;
  while (kSlabBytes[index] < bytes) index += 1;
  return index;
}

u32 order_for(u64 bytes) {
  const u64 pages = (bytes + kPageBytes - 1) / kPageBytes;
  return static_cast<u32>(std::bit_width(pages - 1));
}

u8& page_state(Vm& vm, u64 page) { return vm.base[vm.root->page_states + page]; }

void push_free(Vm& vm, u64 page, u32 order) {
  const u64 offset = page * kPageBytes;
  const u64 first = vm.root->free_pages[order];
  FreeBlock* block = vm.at<FreeBlock>(offset);
  if (first != 0 && first < offset) {  // the lowest one known stays first
    block->next = vm.at<FreeBlock>(first)->next;
    block->previous = first;
    vm.at<FreeBlock>(first)->next = offset;
  } else {
    block->next = first;
    block->previous = 0;
    vm.root->free_pages[order] = offset;
  }
  if (block->next != 0) vm.at<FreeBlock>(block->next)->previous = offset;
  page_state(vm, page) = static_cast<u8>(kFreeBlock | order);
}

void unlink_free(Vm& vm, u64 page, u32 order) {
  FreeBlock* block = vm.at<FreeBlock>(page * kPageBytes);
  if (block->next != 0) vm.at<FreeBlock>(block->next)->previous = block->previous;
  if (block->previous != 0) {
    vm.at<FreeBlock>(block->previous)->next = block->next;
  } else {
    vm.root->free_pages[order] = block->next;
  }
  page_state(vm, page) = 0;
}

u64 pages_acquire(Vm& vm, u32 order, PageUse use, u8 slab) {
  Root& root = *vm.root;
  const bool all = root.reserve_open != 0 || (vm.process != nullptr && (vm.process->marks & kUsesReserve) != 0);
  if (!all && root.pages_free < root.pages_reserved + (u64{1} << order)) return 0;
  // The lowest of those that fit: memory that was used before is used again before any that nobody has touched, which costs
  // whoever lends it more.
  u32 found = kOrdersMax;
  u64 lowest = ~u64{0};
  for (u32 at = order; at < kOrdersMax; ++at) {
    if (root.free_pages[at] == 0 || root.free_pages[at] > lowest) continue;
    found = at;
    lowest = root.free_pages[at];
  }
  if (found == kOrdersMax) return 0;
  const u64 page = lowest / kPageBytes;
  unlink_free(vm, page, found);
  while (found > order) {
    found -= 1;
    push_free(vm, page + (u64{1} << found), found);
  }
  memset(&page_state(vm, page), static_cast<int>(use) | slab << kClassShift, u64{1} << order);
  root.pages_free -= u64{1} << order;
  return page * kPageBytes;
}

void pages_release(Vm& vm, u64 offset, u32 order) {
  u64 page = offset / kPageBytes;
  memset(&page_state(vm, page), 0, u64{1} << order);
  vm.root->pages_free += u64{1} << order;
  while (order + 1 < kOrdersMax) {
    const u64 buddy = page ^ (u64{1} << order);
    if (buddy + (u64{1} << order) > vm.root->page_count || page_state(vm, buddy) != (kFreeBlock | order)) break;
    unlink_free(vm, buddy, order);
    page &= ~(u64{1} << order);
    order += 1;
  }
  push_free(vm, page, order);
}

}  // namespace

Vm memory_create(u8* grant, u64 bytes) {
  ASSERT(bytes >= kGrantBytesMin && bytes <= kGrantBytesMax);
  bytes &= ~(kPageBytes - 1);
  Vm vm{.base = grant, .root = reinterpret_cast<Root*>(grant + kRootOffset)};
  Root& root = *vm.root;
  memset(static_cast<void*>(&root), 0, sizeof(Root));
  root.grant_bytes = bytes;
  root.literal_low = bytes;
  root.literal_floor = (bytes - bytes / 4) & ~(kPageBytes - 1);  // a quarter may become literals and code
  root.page_states = (kRootOffset + sizeof(Root) + kPageBytes - 1) & ~(kPageBytes - 1);
  root.page_count = root.literal_floor / kPageBytes;
  const u64 first = (root.page_states + root.page_count + kPageBytes - 1) / kPageBytes;
  memset(vm.base + root.page_states, 0, root.page_count);
  u64 page = first;
  while (page < root.page_count) {  // the largest aligned blocks that fit; ≤ 2 per order
    u32 order = static_cast<u32>(std::countr_zero(page));
    while (order >= kOrdersMax || page + (u64{1} << order) > root.page_count) order -= 1;
    push_free(vm, page, order);
    root.pages_free += u64{1} << order;
    page += u64{1} << order;
  }
  root.pages_reserved = std::max<u64>(bytes / 64, 64 << 10) / kPageBytes;
  return vm;
}

u64 block_capacity(u64 bytes) {
  if (bytes <= kSlabBytesMax) return kSlabBytes[slab_class(bytes)];
  return kPageBytes << order_for(bytes);
}

u64 block_acquire(Vm& vm, u64 bytes, PageUse use) {
  ASSERT(bytes > 0);
  if (bytes > kSlabBytesMax) {
    if (bytes > vm.root->grant_bytes) return 0;
    const u64 offset = pages_acquire(vm, order_for(bytes), use, kNoClass);
    if (offset != 0) vm.root->bytes_used += block_capacity(bytes);
    return offset;
  }
  const u32 index = slab_class(bytes);
  u64& list = vm.root->slabs[static_cast<u32>(use)][index];
  if (list == 0) {
    const u64 carrier = pages_acquire(vm, order_for(kCarrierBytes), use, static_cast<u8>(index));
    if (carrier == 0) return 0;
    const u64 count = kCarrierBytes / kSlabBytes[index];
    for (u64 i = count; i > 0; --i) {  // so that the lowest is taken first
      const u64 object = carrier + (i - 1) * kSlabBytes[index];
      *vm.words(object) = list;
      list = object;
    }
  }
  const u64 object = list;
  list = *vm.words(object);
  vm.root->bytes_used += kSlabBytes[index];
  return object;
}

void block_release(Vm& vm, u64 offset, u64 bytes, PageUse use) {
  ASSERT(offset != 0);
  vm.root->bytes_used -= block_capacity(bytes);
  if (bytes > kSlabBytesMax) return pages_release(vm, offset, order_for(bytes));
  u64& list = vm.root->slabs[static_cast<u32>(use)][slab_class(bytes)];
  *vm.words(offset) = list;
  list = offset;
}

void block_trim(Vm& vm, u64 offset, u64 bytes, u64 kept) {
  ASSERT(kept > kSlabBytesMax && kept <= bytes);
  for (u32 order = order_for(bytes); order > order_for(kept);) {
    order -= 1;  // the upper half; the lower one is in use, so nothing merges
    pages_release(vm, offset + (kPageBytes << order), order);
  }
  vm.root->bytes_used -= block_capacity(bytes) - block_capacity(kept);
}

u64 literal_acquire(Vm& vm, u64 bytes) {
  Root& root = *vm.root;
  bytes = (bytes + 7) & ~u64{7};
  if (bytes > root.literal_low - root.literal_floor) return 0;
  root.literal_low -= bytes;
  return root.literal_low;
}

Tally tally_pages(const Vm& vm) {
  const Root& root = *vm.root;
  Tally tally;
  const u8* states = vm.base + root.page_states;
  const u64 first = (root.page_states + root.page_count + kPageBytes - 1) / kPageBytes;
  for (u64 page = first; page < root.page_count;) {
    const u8 state = states[page];
    if ((state & kFreeBlock) != 0) {
      const u64 pages = u64{1} << (state & ~kFreeBlock);
      tally.free += pages * kPageBytes;
      page += pages;
      continue;
    }
    tally.used[state & 7] += kPageBytes;
    page += 1;
  }
  for (u32 use = 0; use < kSlabUses; ++use) {
    for (u32 index = 0; index < kSlabClassesMax; ++index) {
      // What a carrier's end has no object in is nobody's either.
      for (u64 at = root.slabs[use][index]; at != 0; at = *vm.words(at)) {
        tally.used[use] -= kSlabBytes[index];
        tally.kept += kSlabBytes[index];
      }
    }
  }
  for (u64 page = first; page < root.page_count;) {
    const u8 state = states[page];
    if ((state & kFreeBlock) != 0) {
      page += u64{1} << (state & ~kFreeBlock);
      continue;
    }
    const u8 slab = state >> kClassShift;
    if (slab != kNoClass && page * kPageBytes % kCarrierBytes == 0) {
      tally.used[state & 7] -= kCarrierBytes % kSlabBytes[slab];
      tally.kept += kCarrierBytes % kSlabBytes[slab];
    }
    page += 1;
  }
  tally.literals = root.grant_bytes - root.literal_low;
  tally.literals_free = root.literal_low - root.literal_floor;
  tally.fixed = first * kPageBytes;
  return tally;
}

void page_block_reuse(Vm& vm, u64 offset, u64 bytes, PageUse use) {
  ASSERT(bytes > kSlabBytesMax);
  memset(&page_state(vm, offset / kPageBytes), static_cast<int>(use) | kNoClass << kClassShift,
         block_capacity(bytes) / kPageBytes);
}

u64 slab_object(const Vm& vm, u64 offset) {
  const u8 slab = vm.base[vm.root->page_states + offset / kPageBytes] >> kClassShift;
  if (slab == kNoClass) return 0;
  const u64 carrier = offset & ~(kCarrierBytes - 1);  // a power of two of pages, aligned to its size
  return carrier + (offset - carrier) / kSlabBytes[slab] * kSlabBytes[slab];
}

}  // namespace lonala
