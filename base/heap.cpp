// base/heap.cpp — see heap.h.
#include "base/heap.h"

#include <algorithm>
#include <bit>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/points.h"

#include "base/enforce.h"

namespace base {

static_assert(alignof(std::max_align_t) <= Heap::kAlign);

Heap::Heap(void* region, u64 bytes, Grow grow, void* context)
    : region_(static_cast<u8*>(region)), grow_(grow), context_(context) {
  ASSERT(is_aligned(reinterpret_cast<std::uintptr_t>(region), kAlign));
  ASSERT(is_aligned(bytes, kAlign) && bytes <= kBytesMax);
  if (bytes < kBlockBytesMin) {
    ASSERT(bytes == 0);
    return;
  }
  region_bytes_ = bytes;
  last_ = reinterpret_cast<Block*>(region_);
  last_->previous_bytes = 0;
  last_->size_and_free = bytes;
  insert_free(*last_);
}

Heap::Class Heap::class_of(u64 bytes) {
  if (bytes < (u64{1} << kLinearBits)) return {0, static_cast<u32>(bytes / kAlign)};
  const u32 log2 = static_cast<u32>(std::bit_width(bytes)) - 1;
  return {log2 - kLinearBits + 1, static_cast<u32>(bytes >> (log2 - kSecondLevelBits)) - kSecondLevelCount};
}

Heap::Block* Heap::next_of(const Block& block) const {
  if (&block == last_) return nullptr;
  // det-ok: an address from an address, no value
  return reinterpret_cast<Block*>(reinterpret_cast<std::uintptr_t>(&block) + block.size());
}

void Heap::set_size(Block& block, u64 bytes, bool free) {
  ASSERT(bytes >= kBlockBytesMin && is_aligned(bytes, kAlign));
  block.size_and_free = bytes | (free ? 1 : 0);
  if (Block* next = next_of(block)) next->previous_bytes = bytes;
}

void Heap::insert_free(Block& block) {
  set_size(block, block.size(), true);
  const Class c = class_of(block.size());
  Block*& head = lists_[c.first][c.second];
  block.list_previous = nullptr;
  block.list_next = head;
  if (head != nullptr) head->list_previous = &block;
  head = &block;
  first_level_ |= u64{1} << c.first;
  second_level_[c.first] = static_cast<u8>(second_level_[c.first] | 1u << c.second);
}

void Heap::remove_free(Block& block) {
  ASSERT(block.free());
  const Class c = class_of(block.size());
  if (block.list_previous != nullptr) {
    block.list_previous->list_next = block.list_next;
  } else {
    ASSERT(lists_[c.first][c.second] == &block);  // R3
    lists_[c.first][c.second] = block.list_next;
  }
  if (block.list_next != nullptr) block.list_next->list_previous = block.list_previous;
  if (lists_[c.first][c.second] == nullptr) {
    second_level_[c.first] = static_cast<u8>(second_level_[c.first] & ~(1u << c.second));
    if (second_level_[c.first] == 0) first_level_ &= ~(u64{1} << c.first);
  }
  set_size(block, block.size(), false);
}

/// A free block of at least `bytes` from the first class whose every block is large enough; null if there is none.
Heap::Block* Heap::find_free(u64 bytes) {
  u64 rounded = bytes;
  if (bytes >= (u64{1} << kLinearBits)) {
    const u32 log2 = static_cast<u32>(std::bit_width(bytes)) - 1;
    rounded += (u64{1} << (log2 - kSecondLevelBits)) - 1;
  }
  Class c = class_of(rounded);
  u32 in_row = second_level_[c.first] & (~0u << c.second);
  if (in_row == 0) {
    const u64 rows = c.first + 1 < 64 ? first_level_ & (~u64{0} << (c.first + 1)) : 0;
    if (rows == 0) return find_in_own_class(bytes);
    c.first = static_cast<u32>(std::countr_zero(rows));
    in_row = second_level_[c.first];
  }
  c.second = static_cast<u32>(std::countr_zero(in_row));
  ASSERT(lists_[c.first][c.second]->size() >= bytes);
  return lists_[c.first][c.second];
}

/// The class of `bytes` itself may hold a large enough block; worth a first-fit walk before memory counts as exhausted.
Heap::Block* Heap::find_in_own_class(u64 bytes) const {
  const Class c = class_of(bytes);
  for (Block* block = lists_[c.first][c.second]; block != nullptr; block = block->list_next) {
    if (block->size() >= bytes) return block;
  }
  return nullptr;
}

bool Heap::grow_for(u64 bytes) {
  if (grow_ == nullptr || bytes > kBytesMax - std::min(kBytesMax, region_bytes_)) return false;
  const u64 gained = grow_(context_, bytes);
  if (gained == 0) return false;
  ASSERT(gained >= bytes && is_aligned(gained, kAlign) && gained <= kBytesMax - region_bytes_);
  region_bytes_ += gained;
  if (last_ != nullptr && last_->free()) {
    remove_free(*last_);
    last_->size_and_free += gained;
  } else {
    const u64 previous_bytes = last_ == nullptr ? 0 : last_->size();
    last_ = reinterpret_cast<Block*>(region_ + region_bytes_ - gained);
    last_->previous_bytes = previous_bytes;
    last_->size_and_free = gained;
  }
  insert_free(*last_);
  return true;
}

/// Cuts `block`, which is not free, down to `bytes`; the rest becomes a free block if it is large enough for one.
void Heap::split_tail(Block& block, u64 bytes) {
  const u64 rest = block.size() - bytes;
  if (rest < kBlockBytesMin) return;
  Block* next = next_of(block);
  // det-ok: an address from an address, no value
  Block* tail = reinterpret_cast<Block*>(reinterpret_cast<std::uintptr_t>(&block) + bytes);
  tail->size_and_free = rest;
  if (next == nullptr) last_ = tail;
  set_size(block, bytes, false);
  if (next != nullptr && next->free()) {
    remove_free(*next);
    if (next == last_) last_ = tail;
    tail->size_and_free = rest + next->size();
  }
  insert_free(*tail);
}

void* Heap::try_allocate(u64 bytes, u64 align) {
  ASSERT(align != 0 && (align & (align - 1)) == 0);
  ASSERT(align <= kAlign || is_aligned(reinterpret_cast<std::uintptr_t>(region_), align));  // R4
  if (bytes > kBytesMax / 2 || align > kBytesMax / 4) return nullptr;
  const u64 wanted = std::max(kBlockBytesMin, align_up(bytes, kAlign) + kHeaderBytes);
  // A stricter alignment is reached by cutting a block off the front, so room is left for one.
  const u64 searched = align <= kAlign ? wanted : wanted + align + kBlockBytesMin;
  Block* block = find_free(searched);
  if (block == nullptr) {
    if (!grow_for(searched)) return nullptr;
    block = find_free(searched);
    ASSERT(block != nullptr);
  }
  remove_free(*block);
  if (align > kAlign) {
    const u64 offset = static_cast<u64>(reinterpret_cast<u8*>(block) - region_);
    u64 start = align_up(offset + kHeaderBytes, align) - kHeaderBytes;
    if (start != offset && start - offset < kBlockBytesMin) start += align;
    if (start != offset) {
      split_tail(*block, start - offset);
      Block* front = block;
      block = next_of(*front);
      remove_free(*block);
      insert_free(*front);
    }
  }
  ASSERT(block->size() >= wanted);
  split_tail(*block, wanted);
  bytes_used_ += bytes;
  block_count_ += 1;
  u8* const payload = reinterpret_cast<u8*>(block) + kHeaderBytes;
  if (NUDGE("heap.dirty")) __builtin_memset(payload, 0xA5, bytes);
  return payload;
}

void* Heap::allocate(u64 bytes, u64 align) {
  void* block = try_allocate(bytes, align);
  ASSERT(block != nullptr);
  return block;
}

void Heap::release(void* payload, u64 bytes) {
  u8* start = static_cast<u8*>(payload) - kHeaderBytes;
  ASSERT(start >= region_ && start < region_ + region_bytes_);
  Block* block = reinterpret_cast<Block*>(start);
  ASSERT(!block->free());
  const u64 wanted = std::max(kBlockBytesMin, align_up(bytes, kAlign) + kHeaderBytes);
  ASSERT(block->size() >= wanted &&
         block->size() - wanted < kBlockBytesMin);  // released with the size it was asked with
  bytes_used_ -= bytes;
  block_count_ -= 1;
  if (Block* next = next_of(*block); next != nullptr && next->free()) {
    remove_free(*next);
    if (next == last_) last_ = block;
    block->size_and_free += next->size();
  }
  if (block->previous_bytes != 0) {
    Block* previous = reinterpret_cast<Block*>(start - block->previous_bytes);
    if (previous->free()) {
      remove_free(*previous);
      if (block == last_) last_ = previous;
      previous->size_and_free += block->size();
      block = previous;
    }
  }
  insert_free(*block);
}

void Heap::check_invariants() const {
  u64 offset = 0;
  u64 previous_bytes = 0;
  u64 free_blocks = 0;
  u64 used_blocks = 0;
  bool previous_free = false;
  while (offset < region_bytes_) {
    const Block* block = reinterpret_cast<const Block*>(region_ + offset);
    ASSERT(block->size() >= kBlockBytesMin && block->size() <= region_bytes_ - offset);  // R1
    ASSERT(block->previous_bytes == previous_bytes);
    if (block->free()) ASSERT(!previous_free);  // R2
    free_blocks += block->free() ? 1 : 0;
    used_blocks += block->free() ? 0 : 1;
    previous_free = block->free();
    previous_bytes = block->size();
    offset += block->size();
    if (offset == region_bytes_) ASSERT(block == last_);
  }
  ASSERT(used_blocks == block_count_);
  u64 listed = 0;
  for (u32 first = 0; first < kFirstLevelCount; ++first) {
    for (u32 second = 0; second < kSecondLevelCount; ++second) {
      const bool marked = (second_level_[first] >> second & 1) != 0;
      ASSERT(marked == (lists_[first][second] != nullptr));
      for (const Block* block = lists_[first][second]; block != nullptr; block = block->list_next) {
        ASSERT(block->free());  // R3
        const Class c = class_of(block->size());
        ASSERT(c.first == first && c.second == second);
        listed += 1;
      }
    }
    ASSERT(((first_level_ >> first & 1) != 0) == (second_level_[first] != 0));
  }
  ASSERT(listed == free_blocks);
}

}  // namespace base
