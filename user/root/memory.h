// user/root/memory.h — all RAM of the node as Untyped capabilities: a buddy allocator whose blocks are capabilities, and
// the numbers of free slots to keep capabilities in.
// Bounds      blocks of kBlockBitsMin … 31 bits; slots of one CNode.
// Invariants  U1 a block is free, split into two halves, or taken; two halves lie in neighbouring slots.  U2 whoever gives
//             a block back has revoked it.  U3 halves are merged only when a larger block is wanted and there is none:
//             making them one again costs clearing the whole of it.
// Tested by   tests/user/root_memory_test.cpp
#pragma once
#include "base/vector.h"
#include "kernel-model/abi.h"
#include "user/root/objects.h"

namespace user::root {

/// Numbers of empty slots of the manager's CNode.
class SlotPool {
 public:
  SlotPool(base::Allocator& memory, u32 first, u32 end) : next_(first), end_(end), singles_(memory), pairs_(memory) {}

  /// 0: none left.
  u32 take();
  /// The first of two neighbouring slots; 0: none left.
  u32 take_pair();
  /// The first of `count` neighbouring slots, never given back one by one; 0: none left.
  u32 take_run(u32 count);
  void give(u32 slot) { singles_.push_back(slot); }
  void give_pair(u32 first) { pairs_.push_back(first); }
  /// More slots became available behind the last.
  void extend(u32 end) { end_ = end; }
  u32 first_unused() const { return next_; }
  SlotPool clone_into(base::Allocator& memory) const;

 private:
  u32 next_;
  u32 end_;
  base::Vector<u32> singles_;
  base::Vector<u32> pairs_;
};

using BlockId = u32;
constexpr BlockId kNoBlock = 0;

class UntypedPool {
 public:
  static constexpr u32 kBlockBitsMin = 12;

  /// How a block is made into two halves and, back again, how the halves are deleted; the kernel, or a test's twin.
  struct Splitter {
    bool (*split)(void* context, u32 slot, u32 half_bits, u32 first_half_slot) = nullptr;
    void (*join)(void* context, u32 first_half_slot) = nullptr;
    void* context = nullptr;
  };

  UntypedPool(base::Allocator& memory, Splitter splitter);

  /// An Untyped of the boot, `bits` large.
  void add(u32 slot, u32 bits);
  /// A block of 2^bits bytes, kNoBlock if there is none. Splits larger ones; joins smaller ones when it must.
  BlockId take(u32 bits, SlotPool& slots);
  /// U2.
  void give(BlockId block);
  u32 slot_of(BlockId block) const { return nodes_[block].slot; }
  u64 bytes_of(BlockId block) const { return u64{1} << nodes_[block].bits; }

  u64 bytes_total() const { return bytes_total_; }
  u64 bytes_free() const { return bytes_free_; }
  /// U1 and the free lists; O(blocks).
  void check_invariants() const;
  UntypedPool clone_into(base::Allocator& memory) const;

 private:
  enum class State : u8 { Unused, Free, Split, Taken };
  struct Node {
    u32 slot = 0;
    u8 bits = 0;
    State state = State::Unused;
    u16 reserved = 0;
    BlockId parent = kNoBlock;
    BlockId halves = kNoBlock;  // the first of the two, an even number
    BlockId next = kNoBlock;    // in its free list, or in the list of unused pairs
    BlockId previous = kNoBlock;
  };
  static BlockId buddy_of(BlockId block) { return block ^ 1; }

  BlockId new_pair();
  void link(BlockId block);
  void unlink(BlockId block);
  bool split(BlockId block, SlotPool& slots);
  bool join_for(u32 bits, SlotPool& slots);

  Splitter splitter_;
  base::Vector<Node> nodes_;  // halves at even and odd numbers; a block of the boot has no buddy
  BlockId free_[kernel::kMaxUntypedBits + 1] = {};
  BlockId unused_pairs_ = kNoBlock;
  bool nothing_to_join_ = true;  // since the last block came back
  u64 bytes_total_ = 0;
  u64 bytes_free_ = 0;
};

}  // namespace user::root
