// sim/model/event_queue.cpp — an indexed binary heap: entries stay in their slot, the heap holds key and slot number.
#include "sim/model/event_queue.h"

#include "base/enforce.h"

namespace sim {

EventQueue::EventQueue(std::span<HeapNode> heap, std::span<Slot> slots) : heap_(heap), slots_(slots) {
  ASSERT(heap.size() == slots.size());
  for (u32 i = 0; i < slots_.size(); ++i) slots_[i].heap_position = i + 1;
}

EntryHandle EventQueue::push(const QueueEntry& entry) {
  ASSERT(count_ < slots_.size());
  const u32 slot = free_;
  free_ = slots_[slot].heap_position;
  slots_[slot].entry = entry;
  count_ += 1;
  sift_up(count_ - 1, {entry.time, entry.order, slot, 0});
  note_head();
  return slot;
}

QueueEntry EventQueue::pop() {
  ASSERT(count_ > 0);
  const QueueEntry entry = slots_[heap_[0].slot].entry;
  remove_at(0);
  return entry;
}

void EventQueue::remove(EntryHandle handle) {
  ASSERT(handle < slots_.size());
  const u32 position = slots_[handle].heap_position;
  ASSERT(position < count_ && heap_[position].slot == handle);
  remove_at(position);
}

u32 EventQueue::equal_heads(std::span<EntryHandle> out) const {
  ASSERT(count_ > 0 && !out.empty());
  const auto class_of = [](u64 order) { return order >> (kSourceBits + kCounterBits); };
  const auto order_at = [this, &out](u32 place) { return slots_[out[place]].entry.order; };
  const u64 time = heap_[0].time;
  const u64 wanted = class_of(heap_[0].order);
  u32 found = 0;
  for (u32 i = 0; i < count_; ++i) {
    const u64 order = heap_[i].order;
    if (heap_[i].time != time || class_of(order) != wanted) continue;
    // Sorted insertion; of one source only the first stays, so its entries keep their order.
    u32 place = found;
    while (place > 0 && order < order_at(place - 1)) --place;
    if (place > 0 && order_at(place - 1) >> kCounterBits == order >> kCounterBits) continue;
    if (place < found && order_at(place) >> kCounterBits == order >> kCounterBits) {
      out[place] = heap_[i].slot;
      continue;
    }
    if (place == out.size()) continue;
    if (found < out.size()) found += 1;
    for (u32 at = found - 1; at > place; --at) out[at] = out[at - 1];
    out[place] = heap_[i].slot;
  }
  return found;
}

void EventQueue::remove_at(u32 position) {
  const u32 slot = heap_[position].slot;
  count_ -= 1;
  const HeapNode last = heap_[count_];
  if (position < count_) {
    if (position > 0 && before(last, heap_[(position - 1) / 2])) {
      sift_up(position, last);
    } else {
      sift_down(position, last);
    }
  }
  slots_[slot].heap_position = free_;
  free_ = slot;
  note_head();
}

void EventQueue::sift_up(u32 position, HeapNode node) {
  while (position > 0) {
    const u32 parent = (position - 1) / 2;
    if (!before(node, heap_[parent])) break;
    place(position, heap_[parent]);
    position = parent;
  }
  place(position, node);
}

void EventQueue::sift_down(u32 position, HeapNode node) {
  for (u32 child = 2 * position + 1; child < count_; child = 2 * position + 1) {
    if (child + 1 < count_ && before(heap_[child + 1], heap_[child])) child += 1;
    if (!before(heap_[child], node)) break;
    place(position, heap_[child]);
    position = child;
  }
  place(position, node);
}

bool EventQueue::check_invariants() const {
  for (u32 i = 0; i < count_; ++i) {
    if (slots_[heap_[i].slot].heap_position != i) return false;
    if (i > 0 && before(heap_[i], heap_[(i - 1) / 2])) return false;
  }
  return true;
}

}  // namespace sim
