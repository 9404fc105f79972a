// sim/model/event_queue.h — what is going to happen: a heap of entries ordered by (time, class, source, the source's
// own counter). The order is total, and an entry added at one source reorders no tie of others.
#pragma once
#include "base/assert.h"
#include "base/types.h"

namespace sim {

/// Classes of entries at one moment, first to last. Cores come after all of them.
enum class EntryClass : u8 { Plan = 0, Input = 1, Device = 2, Frame = 3, Timer = 4, Interrupt = 5 };

enum class Action : u8 {
  ConsoleInput,
  ConsoleHangup,
  ConsoleSize,
  ConsoleRefill,
  DeviceTimer,
  CoreTimer,
  Poke,
  Irq,
  FaultStrike,
  FaultUndo,
  Frame,     // argument: the end of a link << 32 | the frame
  Disk,      // argument: the disk << 32 | the place of its request
  PlanCall,  // argument: the plan's id of it
  NodeBoot,
};

struct QueueEntry {
  u64 time = 0;
  u64 order = 0;  // class 4 bits | source 20 bits | counter 40 bits
  u64 argument = 0;
  u64 cause = 0;  // sequence of the event that made it; 0 none
  u16 node = 0;   // index, from 0
  u16 core = 0;
  Action action = Action::Poke;
};

constexpr u32 kSourceBits = 20;
constexpr u32 kCounterBits = 40;
constexpr u64 order_of(EntryClass entry_class, u32 source, u64 counter) {
  return u64{static_cast<u8>(entry_class)} << (kSourceBits + kCounterBits) | u64{source} << kCounterBits | counter;
}

/// Names an entry in the queue while it is there.
using EntryHandle = u32;
constexpr EntryHandle kNoEntry = ~u32{0};

class EventQueue {
 public:
  struct HeapNode {
    u64 time;
    u64 order;
    u32 slot;
    u32 padding;
  };
  struct Slot {
    QueueEntry entry;
    u32 heap_position;  // while free: the next free slot
    u32 padding;
  };

  /// `heap` and `slots` have equal size, the capacity.
  EventQueue(std::span<HeapNode> heap, std::span<Slot> slots);

  bool empty() const { return count_ == 0; }
  u32 size() const { return count_; }
  u32 capacity() const { return static_cast<u32>(slots_.size()); }
  /// Time of the head; kNever (all ones) when empty.
  u64 head_time() const { return head_time_; }
  const QueueEntry& head() const { return slots_[heap_[0].slot].entry; }

  /// Adds an entry; O(log n). The capacity is a sum over all sources, so the queue is never full.
  EntryHandle push(const QueueEntry& entry);
  QueueEntry pop();
  void remove(EntryHandle handle);
  /// Removes every entry of which `unwanted(entry)` is true; O(capacity).
  template <class Predicate>
  void remove_if(const Predicate& unwanted) {
    for (u32 slot = 0; slot < slots_.size(); ++slot) {
      const u32 position = slots_[slot].heap_position;
      if (position < count_ && heap_[position].slot == slot && unwanted(slots_[slot].entry)) remove_at(position);
    }
  }
  /// The entries that are equal to the head in time and class, the first of each source, in their order; how many there
  /// are, at most out.size(). O(n), for runs that explore.
  u32 equal_heads(std::span<EntryHandle> out) const;
  const QueueEntry& entry(EntryHandle handle) const { return slots_[handle].entry; }
  /// Every order and position of the heap holds.
  bool check_invariants() const;

 private:
  static bool before(const HeapNode& left, const HeapNode& right) {
    return left.time != right.time ? left.time < right.time : left.order < right.order;
  }
  void place(u32 position, const HeapNode& node) {
    heap_[position] = node;
    slots_[node.slot].heap_position = position;
  }
  void sift_up(u32 position, HeapNode node);
  void sift_down(u32 position, HeapNode node);
  void remove_at(u32 position);
  void note_head() { head_time_ = count_ == 0 ? ~u64{0} : heap_[0].time; }

  std::span<HeapNode> heap_;
  std::span<Slot> slots_;
  u64 head_time_ = ~u64{0};
  u32 count_ = 0;
  u32 free_ = 0;
};

}  // namespace sim
