#include "vm/lonala/scheduler.h"

#include <algorithm>
#include <bit>

#include "vm/lonala/atoms.h"
#include "vm/lonala/code.h"
#include "vm/lonala/code_memory.h"
#include "vm/lonala/interpreter.h"
#include "vm/lonala/mailbox.h"
#include "vm/lonala/process.h"
#include "vm/lonala/timers.h"
#include "vm/lonala/values.h"
#include "vm/lonala/tracing.h"
#include "vm/lonala/work.h"

#include "base/enforce.h"

namespace lonala {
namespace {

constexpr u32 kPassedOverMax = 64;  // slices in a row that may pass over a waiting lower priority

constexpr u64 kDrawnMax = 64;  // processes at the front of a queue among which the next one is drawn

/// A number below `bound`, drawn from a seed.
u64 draw(u64 seed, u64& drawn, u64 bound) {
  drawn += 1;
  return splitmix(splitmix(seed) + drawn) % bound;
}

Process* dequeue_at(Vm& vm, u32 priority) {
  Root& root = *vm.root;
  u64 at = root.ready[priority].first;
  if (root.order_seed != 0) {
    u64 waiting = 0;
    for (u64 i = at; i != 0 && waiting < kDrawnMax; i = vm.at<Process>(i)->queue_next) waiting += 1;
    for (u64 skip = draw(root.order_seed, root.order_drawn, waiting); skip > 0; --skip) {
      at = vm.at<Process>(at)->queue_next;
    }
  }
  queue_remove(vm, *vm.at<Process>(at));
  return vm.at<Process>(at);
}

/// Reductions of the slice that begins. An early end leaves enough for the entry at which the last slice ended.
u64 slice_reductions(Vm& vm, const Process& process) {
  Root& root = *vm.root;
  if (root.early_seed == 0) return kSliceReductions;
  constexpr u64 kMost[] = {1, 2, 3, 5, 20, 100, 500, kSliceReductions};
  const u64 most = kMost[draw(root.early_seed, root.early_drawn, std::size(kMost))];
  const u64 drawn = 1 + draw(root.early_seed, root.early_drawn, most);
  const bool at_entry = process.code != 0 && (process.flags & kAtReceive) == 0;
  return at_entry ? std::max<u64>(drawn, vm.at<FunctionHeader>(process.code)->cost) : drawn;
}

/// The highest priority below `limit` at which a process waits, or -1.
i32 highest_below(const Root& root, u32 limit) {
  for (u32 word = (limit + 63) / 64; word > 0; --word) {
    const u64 below = limit - (word - 1) * 64;  // bits of this word that count
    const u64 bits = root.ready_bits[word - 1] & (below >= 64 ? ~u64{0} : (u64{1} << below) - 1);
    if (bits != 0) return static_cast<i32>((word - 1) * 64 + 63 - static_cast<u32>(std::countl_zero(bits)));
  }
  return -1;
}

Process* dequeue(Vm& vm) {
  Root& root = *vm.root;
  const i32 best = highest_below(root, kPrioritiesMax);
  if (best < 0) return nullptr;
  const i32 lower = highest_below(root, static_cast<u32>(best));
  if (lower < 0) {
    root.slices_passing_over = 0;
    return dequeue_at(vm, static_cast<u32>(best));
  }
  root.slices_passing_over += 1;
  if (root.slices_passing_over <= kPassedOverMax) return dequeue_at(vm, static_cast<u32>(best));
  root.slices_passing_over = 0;
  return dequeue_at(vm, static_cast<u32>(lower));
}

}  // namespace

void enqueue(Vm& vm, Process& process) {
  Root& root = *vm.root;
  const u64 offset = vm.offset(&process);
  RunQueue& queue = root.ready[process.priority];
  process.status = Status::Runnable;
  process.queue_next = 0;
  if (queue.last != 0) {
    vm.at<Process>(queue.last)->queue_next = offset;
  } else {
    queue.first = offset;
  }
  queue.last = offset;
  root.ready_bits[process.priority / 64] |= u64{1} << process.priority % 64;
  root.ready_count += 1;
}

void run_queue_clear(Vm& vm) {
  while (dequeue(vm) != nullptr) {
  }
}

void process_wake(Vm& vm, Process& process) {
  if (process.status == Status::Waiting) enqueue(vm, process);
}

void process_park(Vm& vm) {
  Process& process = *vm.process;
  process.marks |= kParked;
  vm.root->parked += 1;
  // The interpreter looks closer when the fuel is below 0; what is left of the slice stays the same.
  process.fuel_held += process.fuel + 1;
  process.fuel = -1;
}

void process_unpark(Vm& vm, Process& process) {
  if ((process.marks & kParked) == 0) return;
  process.marks &= static_cast<u16>(~kParked);
  vm.root->parked -= 1;
  if (process.status == Status::Parked) enqueue(vm, process);
}

void queue_remove(Vm& vm, Process& process) {
  RunQueue& queue = vm.root->ready[process.priority];
  u64 before = 0;
  for (u64 at = queue.first; at != vm.offset(&process); at = vm.at<Process>(at)->queue_next) before = at;
  if (before == 0) {
    queue.first = process.queue_next;
  } else {
    vm.at<Process>(before)->queue_next = process.queue_next;
  }
  if (queue.last == vm.offset(&process)) queue.last = before;
  if (queue.first == 0) vm.root->ready_bits[process.priority / 64] &= ~(u64{1} << process.priority % 64);
  vm.root->ready_count -= 1;
}

void advance_clock(Vm& vm, u64 now_ns) {
  vm.root->now_ns = std::max(vm.root->now_ns, now_ns);
  while (vm.root->timer_count != 0 && timer_at(vm, 0).deadline_ns <= vm.root->now_ns) {
    const u64 offset = vm.words(vm.root->timers)[0];
    const Timer timer = *vm.at<Timer>(offset);
    timer_remove(vm, offset);
    Process* process = process_of(vm, timer.pid);
    if (timer.message == kNone) {
      if (process == nullptr || process->deadline != offset) continue;
      process->deadline = 0;
      process->flags |= kDeadlineOver;
      process_wake(vm, *process);
    } else {
      if (process != nullptr) message_send(vm, *process, timer.message);
      if (timer.fragments != 0) fragments_release(vm, timer.fragments);
    }
  }
}

Pause run(Vm& vm, u64 reductions) {
  Root& root = *vm.root;
  calls_deliver(vm);
  u64 used = 0;
  for (;;) {
    advance_clock(vm, root.now_ns);
    if (root.sweep_target != 0) sweep_step(vm);
    if (code_sweep_due(vm)) code_sweep(vm);
    if (used >= reductions) return Pause::Budget;
    Process* process = dequeue(vm);
    if (process == nullptr) return Pause::Idle;
    vm.process = process;
    process->status = Status::Running;
    // Work beyond the last slice, of a native or a collection, is paid for before it goes on.
    root.slice = slice_reductions(vm, *process);
    const i64 slice = static_cast<i64>(root.slice);
    process->fuel = slice + std::min<i64>(process->fuel, 0);
    process->fuel_held = 0;
    const bool pays_only = process->fuel < 0;
    root.slice_collections = 0;
    Stop stop = Stop::Ended;
    if (pays_only) {
      stop = Stop::Slice;
    } else if ((process->flags & kSignalled) == 0) {
      stop = interpret(vm);
    }
    if (!pays_only) process->flags &= static_cast<u8>(~kSignalled);
    const i64 left = process->fuel + process->fuel_held;
    const bool goes_on = stop == Stop::Slice || stop == Stop::Waiting;
    // A turn counts as one at least, but one that came to nothing was none of the process's work.
    const u64 worked = left >= slice ? 0 : static_cast<u64>(slice - (goes_on ? std::max<i64>(left, 0) : left));
    const u64 spent = std::max<u64>(worked, 1);
    process->fuel = std::min<i64>(left, 0);
    process->fuel_held = 0;
    used += spent;
    process->reductions += stop == Stop::Slice ? worked : spent;
    root.now_ns += spent * root.reduction_ns;
    trace(vm, kTraceSlice, process->pid, small(static_cast<i64>(spent)));
    const bool session = process->pid == root.session;
    switch (stop) {
      case Stop::Slice:
        if ((process->marks & kParked) != 0) {
          process->status = Status::Parked;
        } else {
          enqueue(vm, *process);
        }
        break;
      case Stop::Waiting: process->status = Status::Waiting; break;
      case Stop::Done:
        if (session) {
          process->status = Status::Suspended;
          return Pause::SessionDone;
        }
        process_end(vm, *process, keyword(vm, Atom::Normal));
        break;
      case Stop::Ended:
        process_stop_waiting(vm, *process);
        work_drop(vm, *process);
        if (session) {
          process->status = Status::Suspended;
          process->marks |= kFormFailed;
          return Pause::SessionDone;
        }
        crash_report(vm, *process);
        process_end(vm, *process, process->pending);
        break;
    }
    vm.process = nullptr;
  }
}

}  // namespace lonala
