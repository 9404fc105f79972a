// kernel-model/sched_queue.cpp — run queues: 256 FIFO levels a core with a bit map, and what puts threads into them.
#include "kernel-model/sched.h"
#include "kernel-model/sched_parts.h"

#include "base/enforce.h"

namespace kernel::sched {

void enqueue(Kernel& kernel, Ref<Tcb> thread, End end) {
  Tcb& tcb = kernel.at(thread);
  ASSERT(tcb.queue_kind == kQueueNone);
  ASSERT(is_runnable(tcb));
  CoreState& core = kernel.core(tcb.core);
  Level& level = core.levels[tcb.priority];
  if (!level.head) {
    level.head = thread;
    level.tail = thread;
    core.level_map[tcb.priority / 64] |= u64{1} << tcb.priority % 64;
  } else if (end == End::Head) {
    tcb.queue_next = level.head;
    kernel.at(level.head).queue_prev = thread;
    level.head = thread;
  } else {
    tcb.queue_prev = level.tail;
    kernel.at(level.tail).queue_next = thread;
    level.tail = thread;
  }
  tcb.queue_kind = kQueueRun;
  core.queued_count += 1;
  kernel.entry().queue_grew = true;
}

void dequeue(Kernel& kernel, Ref<Tcb> thread) {
  Tcb& tcb = kernel.at(thread);
  ASSERT(tcb.queue_kind == kQueueRun);
  CoreState& core = kernel.core(tcb.core);
  Level& level = core.levels[tcb.priority];
  if (tcb.queue_prev) {
    kernel.at(tcb.queue_prev).queue_next = tcb.queue_next;
  } else {
    level.head = tcb.queue_next;
  }
  if (tcb.queue_next) {
    kernel.at(tcb.queue_next).queue_prev = tcb.queue_prev;
  } else {
    level.tail = tcb.queue_prev;
  }
  if (!level.head) core.level_map[tcb.priority / 64] &= ~(u64{1} << tcb.priority % 64);
  tcb.queue_next = {};
  tcb.queue_prev = {};
  tcb.queue_kind = kQueueNone;
  ASSERT(core.queued_count > 0);
  core.queued_count -= 1;
}

bool is_current(const Kernel& kernel, Ref<Tcb> thread) { return kernel.core(kernel.at(thread).core).current == thread; }

void flush_wake(Kernel& kernel, bool head) {
  const Ref<Tcb> woken = kernel.entry().last_woken;
  if (!woken) return;
  kernel.entry().last_woken = {};
  const Tcb& tcb = kernel.at(woken);
  kernel.emit(base::EventKind::SchedWake, woken.offset, static_cast<u64>(tcb.state), tcb.priority, head ? 1 : 0, 0,
              tcb.thread_id);
}

void wake(Kernel& kernel, Ref<Tcb> thread) {
  Tcb& tcb = kernel.at(thread);
  ASSERT(is_runnable(tcb));
  if (!tcb.sc) return;
  SchedContext& sc = kernel.at(tcb.sc);
  if (!is_configured(sc)) return;
  CoreState& core = kernel.core(tcb.core);
  if (core.current == thread) return;
  ASSERT(tcb.queue_kind == kQueueNone);
  flush_wake(kernel, false);
  kernel.entry().last_woken = thread;
  if (!eligible(kernel, tcb.sc)) {
    wait_for_budget(kernel, thread);
    return;
  }
  // An SC that changes hands while it runs is not woken.
  if (is_sporadic(sc) && is_limited(sc) && core.grant_sc != tcb.sc) advance(sc, kernel.now());
  enqueue(kernel, thread, End::Tail);
  if (tcb.core != kernel.current_core()) {
    if (!core.current || kernel.at(core.current).priority < tcb.priority) poke(kernel, tcb.core);
  }
}

void wait_for_budget(Kernel& kernel, Ref<Tcb> thread) {
  Tcb& tcb = kernel.at(thread);
  ASSERT(tcb.queue_kind == kQueueNone);
  SchedContext& sc = kernel.at(tcb.sc);
  const Exhausted exhausted = first_exhausted(kernel, tcb.sc);
  sc.wait_until = wait_time(kernel, tcb.sc);
  CoreState& core = kernel.core(tcb.core);
  tree_insert(kernel, core.release_root, tcb.sc);
  tcb.queue_kind = kQueueRelease;
  if (exhausted.level > 0) MARK_IN(kernel, "budget.inherited-out");
  kernel.emit(base::EventKind::BudgetOut, exhausted.node.offset, exhausted.level, sc.wait_until, 0, 0, tcb.thread_id);
  if (tcb.core != kernel.current_core() && tree_first(kernel, core.release_root) == tcb.sc) poke(kernel, tcb.core);
}

void unschedule(Kernel& kernel, Ref<Tcb> thread) {
  Tcb& tcb = kernel.at(thread);
  CoreState& core = kernel.core(tcb.core);
  if (tcb.queue_kind == kQueueRun) {
    dequeue(kernel, thread);
  } else if (tcb.queue_kind == kQueueRelease) {
    tree_remove(kernel, core.release_root, tcb.sc);
    tcb.queue_kind = kQueueNone;
  } else if (core.current == thread) {
    core.current = {};
    if (tcb.core != kernel.current_core()) {
      end_grant(kernel, core);
      poke(kernel, tcb.core);
    }
  }
}

void set_priority(Kernel& kernel, Ref<Tcb> thread, u8 priority) {
  if (kernel.header().one_level != 0) priority = kernel.header().one_level;
  Tcb& tcb = kernel.at(thread);
  const u8 old = tcb.priority;
  kernel.emit(base::EventKind::SchedPriority, 0, old, priority, 0, 0, tcb.thread_id);
  if (tcb.queue_kind == kQueueRun) {
    dequeue(kernel, thread);
    tcb.priority = priority;
    enqueue(kernel, thread, End::Tail);
    const CoreState& core = kernel.core(tcb.core);
    if (!core.current || kernel.at(core.current).priority < priority) poke(kernel, tcb.core);
    return;
  }
  tcb.priority = priority;
  // Lowering a thread that runs on another core may let a queued one run there.
  if (is_current(kernel, thread) && highest_level(kernel.core(tcb.core)) > priority) poke(kernel, tcb.core);
}

}  // namespace kernel::sched
