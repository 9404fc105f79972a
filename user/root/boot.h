// user/root/boot.h — the root task's entry, and the reserve of memory its heap grows into.
#pragma once
#include "base/arena.h"
#include "base/heap.h"
#include "user/root/memory.h"

namespace user::root {

/// Native entry 0. Never returns.
void root_main(const u64 (&arguments)[8]);

/// Pages mapped ahead for the manager's heap: vectors double, so as much again as is used, and at least this.
constexpr u64 kHeapRoomMin = 512 << 10;
class Reserve {
 public:
  explicit Reserve(void* frames) : frames_(frames) {}
  /// Between two requests: maps more pages if need be. False when the node's memory is spent and room is short.
  bool keep_ahead(base::Heap& heap, SlotPool& slots, UntypedPool& untyped);

 private:
  void* frames_;
};

}  // namespace user::root
