// base/heap.h — a general-purpose allocator over a region that can grow at its end: two-level segregated fit, so that
// allocation, release and coalescing take constant time. Forgetting the heap releases everything in it.
// Source      Masmano, Ripoll, Crespo, Real, "TLSF: a New Dynamic Memory Allocator for Real-Time Systems", ECRTS 2004.
// Bounds      overhead per block: 16 bytes of header and at most 47 of padding and of a rest too small to be a block.
// Invariants  R1 blocks tile the region.  R2 no two neighbouring blocks are free.  R3 a block is in the list of its class
//             exactly when it is free.  R4 placement depends on sizes and order of calls, never on addresses.
// Tested by   tests/base/memory_test.cpp (model: map of live blocks)
#pragma once
#include "base/allocator.h"
#include "base/types.h"

namespace base {

class Heap final : public Allocator {
 public:
  /// Extends the region in place by at least `bytes_min` bytes and returns by how many (a multiple of 16), 0 if it cannot.
  using Grow = u64 (*)(void* context, u64 bytes_min);
  static constexpr u64 kAlign = 16;

  /// `region` is aligned to kAlign, `bytes` is a multiple of it (0 is allowed with a `grow`), and both outlive the heap.
  Heap(void* region, u64 bytes, Grow grow = nullptr, void* context = nullptr);
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;

  /// Exhaustion is a failed assertion, which is a fault of the native process that ran out.
  void* allocate(u64 bytes, u64 align = kAlign) override;
  /// `align` beyond kAlign is at most the alignment of the region itself.
  void* try_allocate(u64 bytes, u64 align = kAlign) override;
  void release(void* block, u64 bytes) override;

  /// Bytes asked for and not yet released: what a program uses, free of the allocator's own overhead.
  u64 bytes_used() const { return bytes_used_; }
  u64 region_bytes() const { return region_bytes_; }
  u64 block_count() const { return block_count_; }
  /// Walks every block and list; R1 to R3. O(blocks).
  void check_invariants() const;

 private:
  struct Block {
    u64 size_and_free;   // of the whole block, header included; bit 0: free
    u64 previous_bytes;  // size of the block before it, 0 for the first
    Block* list_next;    // these two only in a free block: they lie in the payload
    Block* list_previous;
    u64 size() const { return size_and_free & ~u64{1}; }
    bool free() const { return (size_and_free & 1) != 0; }
  };
  static constexpr u64 kHeaderBytes = 16;
  static constexpr u64 kBlockBytesMin = sizeof(Block);
  static constexpr u32 kSecondLevelBits = 3;
  static constexpr u32 kSecondLevelCount = 1u << kSecondLevelBits;
  static constexpr u32 kLinearBits = 7;  // below 2⁷ bytes the classes are 16 bytes apart
  static constexpr u32 kSizeBitsMax = 40;
  static constexpr u32 kFirstLevelCount = kSizeBitsMax - kLinearBits + 1;
  static constexpr u64 kBytesMax = u64{1} << (kSizeBitsMax - 1);

  struct Class {
    u32 first = 0;
    u32 second = 0;
  };
  static Class class_of(u64 bytes);
  Block* find_free(u64 bytes);
  Block* find_in_own_class(u64 bytes) const;
  bool grow_for(u64 bytes);
  void insert_free(Block& block);
  void remove_free(Block& block);
  void split_tail(Block& block, u64 bytes);
  Block* next_of(const Block& block) const;
  void set_size(Block& block, u64 bytes, bool free);

  u8* region_;
  u64 region_bytes_ = 0;
  Grow grow_;
  void* context_;
  Block* last_ = nullptr;
  u64 bytes_used_ = 0;
  u64 block_count_ = 0;
  u64 first_level_ = 0;                     // bit f: some list of first-level class f is not empty
  u8 second_level_[kFirstLevelCount] = {};  // bit s: list (f, s) is not empty
  Block* lists_[kFirstLevelCount][kSecondLevelCount] = {};
};

}  // namespace base
