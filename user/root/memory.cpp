// user/root/memory.cpp — see memory.h.
#include "user/root/memory.h"

#include "base/enforce.h"

namespace user::root {

u32 SlotPool::take() {
  if (!singles_.empty()) return singles_.take_back();
  return take_run(1);
}

u32 SlotPool::take_pair() {
  if (!pairs_.empty()) return pairs_.take_back();
  return take_run(2);
}

u32 SlotPool::take_run(u32 count) {
  if (end_ - next_ < count) return 0;
  const u32 first = next_;
  next_ += count;
  return first;
}

SlotPool SlotPool::clone_into(base::Allocator& memory) const {
  SlotPool copy(memory, next_, end_);
  copy.singles_ = singles_.clone_into(memory);
  copy.pairs_ = pairs_.clone_into(memory);
  return copy;
}

UntypedPool::UntypedPool(base::Allocator& memory, Splitter splitter) : splitter_(splitter), nodes_(memory) {
  nodes_.resize(2);  // pair 0 is kNoBlock
}

UntypedPool UntypedPool::clone_into(base::Allocator& memory) const {
  UntypedPool copy(memory, splitter_);
  copy.nodes_ = nodes_.clone_into(memory);
  for (u32 bits = 0; bits <= kernel::kMaxUntypedBits; ++bits) copy.free_[bits] = free_[bits];
  copy.unused_pairs_ = unused_pairs_;
  copy.nothing_to_join_ = nothing_to_join_;
  copy.bytes_total_ = bytes_total_;
  copy.bytes_free_ = bytes_free_;
  return copy;
}

void UntypedPool::add(u32 slot, u32 bits) {
  ASSERT(bits <= kernel::kMaxUntypedBits);
  const BlockId block = new_pair();
  nodes_[block].slot = slot;
  nodes_[block].bits = static_cast<u8>(bits);
  bytes_total_ += u64{1} << bits;
  bytes_free_ += u64{1} << bits;
  link(block);
}

BlockId UntypedPool::take(u32 bits, SlotPool& slots) {
  ASSERT(bits >= kBlockBitsMin && bits <= kernel::kMaxUntypedBits);
  u32 found = bits;
  while (found <= kernel::kMaxUntypedBits && free_[found] == kNoBlock) found += 1;
  if (found > kernel::kMaxUntypedBits) {
    if (!join_for(bits, slots)) return kNoBlock;
    found = bits;
    while (free_[found] == kNoBlock) found += 1;  // join_for left one
  }
  for (; found > bits; --found) {
    if (!split(free_[found], slots)) return kNoBlock;
  }
  const BlockId block = free_[bits];
  unlink(block);
  nodes_[block].state = State::Taken;
  bytes_free_ -= bytes_of(block);
  return block;
}

void UntypedPool::give(BlockId block) {
  ASSERT(nodes_[block].state == State::Taken);
  bytes_free_ += bytes_of(block);
  nothing_to_join_ = false;
  link(block);
}

BlockId UntypedPool::new_pair() {
  if (unused_pairs_ != kNoBlock) {
    const BlockId first = unused_pairs_;
    unused_pairs_ = nodes_[first].next;
    nodes_[first] = Node{};
    nodes_[first + 1] = Node{};
    return first;
  }
  const BlockId first = static_cast<BlockId>(nodes_.size());
  nodes_.resize(first + 2);
  return first;
}

void UntypedPool::link(BlockId block) {
  Node& node = nodes_[block];
  node.state = State::Free;
  node.previous = kNoBlock;
  node.next = free_[node.bits];
  if (node.next != kNoBlock) nodes_[node.next].previous = block;
  free_[node.bits] = block;
}

void UntypedPool::unlink(BlockId block) {
  Node& node = nodes_[block];
  ASSERT(node.state == State::Free);
  if (node.next != kNoBlock) nodes_[node.next].previous = node.previous;
  (node.previous == kNoBlock ? free_[node.bits] : nodes_[node.previous].next) = node.next;
  node.next = node.previous = kNoBlock;
}

bool UntypedPool::split(BlockId block, SlotPool& slots) {
  const u32 half_bits = nodes_[block].bits - 1u;
  const u32 first_slot = slots.take_pair();
  if (first_slot == 0) return false;
  if (!splitter_.split(splitter_.context, nodes_[block].slot, half_bits, first_slot)) {
    slots.give_pair(first_slot);
    return false;
  }
  unlink(block);
  const BlockId first = new_pair();
  nodes_[block].state = State::Split;
  nodes_[block].halves = first;
  for (u32 i = 2; i-- > 0;) {  // the lower half ends up first in the list
    Node& half = nodes_[first + i];
    half.slot = first_slot + i;
    half.bits = static_cast<u8>(half_bits);
    half.parent = block;
    link(first + i);
  }
  return true;
}

bool UntypedPool::join_for(u32 bits, SlotPool& slots) {
  if (nothing_to_join_) return false;
  for (u32 level = kBlockBitsMin; level < kernel::kMaxUntypedBits; ++level) {
    BlockId block = free_[level];
    while (block != kNoBlock) {
      const BlockId buddy = buddy_of(block);
      BlockId next = nodes_[block].next;
      if (nodes_[block].parent != kNoBlock && nodes_[buddy].state == State::Free) {
        if (next == buddy) next = nodes_[buddy].next;
        const BlockId first = block & ~BlockId{1};
        const BlockId parent = nodes_[block].parent;
        unlink(block);
        unlink(buddy);
        splitter_.join(splitter_.context, nodes_[first].slot);
        slots.give_pair(nodes_[first].slot);
        nodes_[first] = Node{};
        nodes_[first + 1] = Node{};
        nodes_[first].next = unused_pairs_;
        unused_pairs_ = first;
        nodes_[parent].halves = kNoBlock;
        link(parent);
      }
      block = next;
    }
    if (level + 1 >= bits && free_[level + 1] != kNoBlock) return true;
  }
  nothing_to_join_ = true;
  return false;
}

void UntypedPool::check_invariants() const {
  u64 free_bytes = 0;
  for (u32 bits = 0; bits <= kernel::kMaxUntypedBits; ++bits) {
    BlockId previous = kNoBlock;
    for (BlockId at = free_[bits]; at != kNoBlock; at = nodes_[at].next) {
      ASSERT(nodes_[at].state == State::Free && nodes_[at].bits == bits && nodes_[at].previous == previous);
      free_bytes += u64{1} << bits;
      previous = at;
    }
  }
  ASSERT(free_bytes == bytes_free_);
  for (BlockId block = 2; block < nodes_.size(); ++block) {
    const Node& node = nodes_[block];
    if (node.state != State::Split) continue;
    const Node& low = nodes_[node.halves];
    const Node& high = nodes_[node.halves + 1];
    ASSERT(low.parent == block && high.parent == block);
    ASSERT(low.bits + 1 == node.bits && high.bits + 1 == node.bits && low.slot + 1 == high.slot);  // U1
  }
}

}  // namespace user::root
