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

}  // namespace

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
  const u64 offset = block_acquire(vm, sizeof(Timer), PageUse::Table);
  if (offset == 0) return 0;
  root.timers_made += 1;
  *vm.at<Timer>(offset) = {deadline_ns, root.timers_made, pid, message, fragments, root.timer_count, 0, 0};
  vm.words(root.timers)[root.timer_count] = offset;
  root.timer_count += 1;
  timer_sift(vm, root.timer_count - 1);
  return offset;
}

void timer_remove(Vm& vm, u64 offset) {
  Root& root = *vm.root;
  const u64 index = vm.at<Timer>(offset)->heap_index;
  root.timer_count -= 1;
  if (index != root.timer_count) {
    timer_swap(vm, index, root.timer_count);
    timer_sift(vm, index);
  }
  block_release(vm, offset, sizeof(Timer), PageUse::Table);
}

}  // namespace lonala
