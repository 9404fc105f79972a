#include "vm/lonala/timers.h"

#include <cstring>
#include <utility>

#include "vm/lonala/memory.h"

#include "base/enforce.h"

namespace lonala {
namespace {

bool earlier(const Timer& a, const Timer& b) {
  return a.deadline_ns != b.deadline_ns ? a.deadline_ns < b.deadline_ns : a.number < b.number;
}

void timer_swap(Vm& vm, u64 i, u64 j) {
  u64* heap = vm.words(vm.root->timers);
  std::swap(heap[i], heap[j]);
  timer_at(vm, i).heap_index = i;
  timer_at(vm, j).heap_index = j;
}

void timer_sift(Vm& vm, u64 i) {
  while (i > 0 && earlier(timer_at(vm, i), timer_at(vm, (i - 1) / 2))) {
    timer_swap(vm, i, (i - 1) / 2);
    i = (i - 1) / 2;
  }
  for (;;) {
    u64 least = i;
    for (u64 child = 2 * i + 1; child <= 2 * i + 2 && child < vm.root->timer_count; ++child) {
      if (earlier(timer_at(vm, child), timer_at(vm, least))) least = child;
    }
    if (least == i) return;
    timer_swap(vm, i, least);
    i = least;
  }
}

// ── By number ────────────────────────────────────────────────────────────────────────────────────────────────
// Numbers are given in order, so a number's place is the number itself, and neighbours lie side by side.

/// The place of a number, or the free one where it would lie.
u64 index_place(const Vm& vm, u64 number) {
  const u64 mask = vm.root->timer_index_capacity - 1;
  const u64* index = vm.words(vm.root->timer_index);
  u64 at = number & mask;
  while (index[at] != 0 && vm.at<Timer>(index[at])->number != number) at = (at + 1) & mask;
  return at;
}

bool index_reserve(Vm& vm) {
  Root& root = *vm.root;
  if (root.timer_index_count * 2 < root.timer_index_capacity) return true;
  const u64 old = root.timer_index;
  const u64 old_capacity = root.timer_index_capacity;
  const u64 capacity = old_capacity == 0 ? 64 : old_capacity * 2;
  const u64 index = block_acquire(vm, capacity * 8, PageUse::Table);
  if (index == 0) return false;
  memset(vm.words(index), 0, capacity * 8);
  root.timer_index = index;
  root.timer_index_capacity = capacity;
  for (u64 i = 0; i < old_capacity; ++i) {
    const u64 timer = vm.words(old)[i];
    if (timer != 0) vm.words(index)[index_place(vm, vm.at<Timer>(timer)->number)] = timer;
  }
  if (old != 0) block_release(vm, old, old_capacity * 8, PageUse::Table);
  return true;
}

/// Those behind that would lie here move up, so that no search ends too early.
void index_remove(Vm& vm, u64 number) {
  const u64 mask = vm.root->timer_index_capacity - 1;
  u64* index = vm.words(vm.root->timer_index);
  u64 hole = index_place(vm, number);
  ASSERT(index[hole] != 0);
  index[hole] = 0;
  vm.root->timer_index_count -= 1;
  for (u64 at = (hole + 1) & mask; index[at] != 0; at = (at + 1) & mask) {
    const u64 home = vm.at<Timer>(index[at])->number & mask;
    if (((at - home) & mask) < ((at - hole) & mask)) continue;
    index[hole] = index[at];
    index[at] = 0;
    hole = at;
  }
}

}  // namespace

u64 timer_find(const Vm& vm, u64 number) {
  if (vm.root->timer_index == 0) return 0;
  return vm.words(vm.root->timer_index)[index_place(vm, number)];
}

Timer& timer_at(const Vm& vm, u64 index) { return *vm.at<Timer>(vm.words(vm.root->timers)[index]); }

u64 next_timer_ns(const Vm& vm) { return vm.root->timer_count == 0 ? ~u64{0} : timer_at(vm, 0).deadline_ns; }

u64 timer_add(Vm& vm, u64 deadline_ns, Term pid, Term message, u64 fragments) {
  Root& root = *vm.root;
  if (root.timer_count == root.timer_capacity) {
    const u64 capacity = root.timer_capacity == 0 ? 64 : root.timer_capacity * 2;
    const u64 heap = block_acquire(vm, capacity * 8, PageUse::Table);
    if (heap == 0) return 0;
    if (root.timers != 0) {
      memcpy(vm.words(heap), vm.words(root.timers), root.timer_count * 8);
      block_release(vm, root.timers, root.timer_capacity * 8, PageUse::Table);
    }
    root.timers = heap;
    root.timer_capacity = capacity;
  }
  if (message != kNone && !index_reserve(vm)) return 0;
  const u64 offset = block_acquire(vm, sizeof(Timer), PageUse::Table);
  if (offset == 0) return 0;
  root.timers_made += 1;
  *vm.at<Timer>(offset) = {deadline_ns, root.timers_made, pid, message, fragments, root.timer_count, 0, 0};
  vm.words(root.timers)[root.timer_count] = offset;
  root.timer_count += 1;
  timer_sift(vm, root.timer_count - 1);
  if (message != kNone) {
    vm.words(root.timer_index)[index_place(vm, root.timers_made)] = offset;
    root.timer_index_count += 1;
  }
  return offset;
}

void timer_remove(Vm& vm, u64 offset) {
  Root& root = *vm.root;
  if (vm.at<Timer>(offset)->message != kNone) index_remove(vm, vm.at<Timer>(offset)->number);
  const u64 index = vm.at<Timer>(offset)->heap_index;
  root.timer_count -= 1;
  if (index != root.timer_count) {
    timer_swap(vm, index, root.timer_count);
    timer_sift(vm, index);
  }
  block_release(vm, offset, sizeof(Timer), PageUse::Table);
}

}  // namespace lonala
