// kernel-model/sched_core.cpp — what a core does in an entry about time: the end of a grant, Yield, the release of
// waiting contexts, picking and granting; pokes and shootdowns between cores.
#include "base/planted.h"
#include "kernel-model/ipc.h"
#include "kernel-model/sched.h"
#include "kernel-model/sched_parts.h"

#include "base/enforce.h"

namespace kernel::sched {
namespace {

u32 length_of(const Kernel& kernel, const Level& level) {
  u32 count = 0;
  for (Ref<Tcb> at = level.head; at; at = kernel.at(at).queue_next) ++count;
  return count;
}

Ref<Tcb> nth_of(const Kernel& kernel, Ref<Tcb> at, u32 n) {
  for (; n > 0; --n) at = kernel.at(at).queue_next;
  return at;
}

// The n-th thread of a level as the choice port wants it; answer 0, and no port, is the head.
Ref<Tcb> pick_from(Kernel& kernel, const Level& level) {
  const ChoicePort& choices = kernel.entry().choices;
  if (choices.choose == nullptr || kernel.entry().decided || !kernel.at(level.head).queue_next) return level.head;
  const u32 count = length_of(kernel, level);
  const u32 answer = choices(Choice::Pick, count);
  ASSERT(answer < count);
  return nth_of(kernel, level.head, answer);
}

inline bool asks_again(const Kernel::EntryState& entry) {
  return entry.kind == EntryKind::Poke && entry.choices.choose != nullptr;
}

// After a poke the choice port is asked whether the running thread goes on or which of its equals runs instead: answer 0,
// and no port, lets it go on; it is counted as the first of them.
void decide_again(Kernel& kernel, CoreState& core) {
  const Ref<Tcb> current = core.current;
  const Level& level = core.levels[kernel.at(current).priority];
  if (!level.head) return;
  const u32 count = 1 + length_of(kernel, level);
  const u32 answer = kernel.entry().choices(Choice::Pick, count);
  ASSERT(answer < count);
  if (answer == 0) return;
  const Ref<Tcb> chosen = nth_of(kernel, level.head, answer - 1);
  kernel.emit(base::EventKind::SchedPreempt);
  core.current = {};
  enqueue(kernel, current, End::Tail);
  dequeue(kernel, chosen);
  enqueue(kernel, chosen, End::Head);
  kernel.entry().decided = true;
}

void to_release_tree(Kernel& kernel, Ref<Tcb> thread) {
  dequeue(kernel, thread);
  wait_for_budget(kernel, thread);
}

// Step 5 begins with the current thread: it may have lost its SC, got another one, or used up what it had.
void settle_current(Kernel& kernel, CoreState& core) {
  if (!core.current) return;
  const Ref<Tcb> current = core.current;
  Tcb& tcb = kernel.at(current);
  ASSERT(is_runnable(tcb));
  ASSERT(tcb.queue_kind == kQueueNone);
  if (!tcb.sc || !is_configured(kernel.at(tcb.sc))) {
    core.current = {};
    return;
  }
  if (core.grant_sc == tcb.sc) {
    if (grant_left_of(kernel, core) < kMinBudget) expire_current(kernel);
    return;
  }
  end_grant(kernel, core);
  if (eligible(kernel, tcb.sc)) return;
  core.current = {};
  wait_for_budget(kernel, current);
}

// The current thread gives way to an eligible one of a higher level. Returns how many were not eligible after all.
u32 preempt(Kernel& kernel, CoreState& core) {
  const Ref<Tcb> current = core.current;
  const i32 priority = kernel.at(current).priority;
  u32 misses = 0;
  for (i32 level = highest_level(core); level > priority && misses <= kReleaseBatch; level = highest_level(core)) {
    const Ref<Tcb> first = core.levels[level].head;
    if (eligible(kernel, kernel.at(first).sc)) {
      kernel.emit(base::EventKind::SchedPreempt);
      core.current = {};
      enqueue(kernel, current, End::Head);
      return misses;
    }
    to_release_tree(kernel, first);
    ++misses;
  }
  return misses;
}

// Picks the head of the highest level. False: too many were not eligible, the core is to be entered again.
bool pick(Kernel& kernel, CoreState& core, u32 misses) {
  while (misses <= kReleaseBatch) {
    const i32 level = highest_level(core);
    if (level < 0) {
      if (!steal(kernel)) return true;  // each round takes at least one thread from the others
      continue;
    }
    const Ref<Tcb> chosen = pick_from(kernel, core.levels[level]);
    const Ref<SchedContext> sc = kernel.at(chosen).sc;
    if (core.grant_sc == sc && grant_left_of(kernel, core) >= kMinBudget) {
      dequeue(kernel, chosen);
      core.current = chosen;
      return true;
    }
    end_grant(kernel, core);
    if (eligible(kernel, sc)) {
      dequeue(kernel, chosen);
      core.current = chosen;
      return true;
    }
    to_release_tree(kernel, chosen);
    ++misses;
  }
  return false;
}

void note_idle(Kernel& kernel, CoreState& core, bool idle) {
  if ((core.idle != 0) == idle) return;
  core.idle = idle ? 1 : 0;
  KernelHeader& header = kernel.header();
  if (idle) {
    header.idle_count += 1;
    core.idle_since = kernel.now();
  } else {
    ASSERT(header.idle_count > 0);
    header.idle_count -= 1;
    core.idle_ns += kernel.now() - core.idle_since;
  }
}

// The usual end: the current thread has the core's grant, enough of it, and nobody was woken or is more important.
inline bool goes_on(Kernel& kernel, const CoreState& core) {
  if (!core.current || kernel.entry().last_woken || asks_again(kernel.entry())) return false;
  const Tcb& tcb = kernel.at(core.current);
  return tcb.sc && core.grant_sc == tcb.sc && !tcb.yield_to && is_configured(kernel.at(tcb.sc)) &&
         grant_left_of(kernel, core) >= kMinBudget && highest_level(core) <= tcb.priority;
}

// Who runs next, with a grant. False: too many were not eligible, the core is to be entered again.
bool choose(Kernel& kernel, CoreState& core) {
  Kernel::EntryState& entry = kernel.entry();
  const CostTable& costs = kernel.costs();
  settle_current(kernel, core);
  // The partner of a thread that stops running goes first among its equals.
  const bool stopped = !core.current;
  const Ref<Tcb> partner = entry.last_woken;
  const bool to_head = stopped && partner && kernel.at(partner).queue_kind == kQueueRun;
  if (to_head) {
    dequeue(kernel, partner);
    enqueue(kernel, partner, PLANTED("kernel.partner-tail") ? End::Tail : End::Head);
  }
  if (partner) flush_wake(kernel, to_head);

  const u32 misses = core.current ? preempt(kernel, core) : 0;
  bool whole = misses <= kReleaseBatch;
  if (asks_again(entry) && core.current) [[unlikely]]
    decide_again(kernel, core);
  if (!core.current) {
    whole = pick(kernel, core, misses);
    kernel.charge(costs.schedule);
  }
  if (!core.current) return whole;
  const Tcb& next = kernel.at(core.current);
  if (core.grant_sc != next.sc) {
    end_grant(kernel, core);
    grant(kernel, core, next.sc);
    kernel.charge(costs.sc_switch + costs.chain_level * (kernel.at(next.sc).depth - 1u));
  }
  if (next.yield_to) complete_yield(kernel, next.yield_to);
  return whole;
}

inline void offer_queued(Kernel& kernel) {
  const KernelHeader& header = kernel.header();
  if (kernel.entry().queue_grew && header.stealing != 0 && header.idle_count > 0) offer_work(kernel);
}

void use_address_space(Kernel& kernel, const Tcb& tcb, u32 core) {
  const Cap& cap = tcb.slots[kTcbVSpace].cap;
  if (cap.type != CapType::VSpace) return;
  kernel.at(Ref<VSpace>{cap.object}).cores[core / 64] |= u64{1} << core % 64;
}

}  // namespace

void poke(Kernel& kernel, u32 core) {
  Kernel::EntryState& entry = kernel.entry();
  if (core == entry.core || entry.poke.test(core)) return;
  entry.poke.set(core);
  kernel.charge(kernel.costs().ipi_send);
  kernel.core(entry.core).ipis += 1;
  kernel.emit(base::EventKind::IrqIpi, 0, entry.core, core);
}

void shootdown(Kernel& kernel, Ref<VSpace> vspace) {
  VSpace& space = kernel.at(vspace);
  const u32 here = kernel.current_core();
  space.tlb_generation += 1;
  kernel.charge(kernel.costs().tlb_flush);
  u32 targets = 0;
  for (u32 i = 0; i < kernel.core_count(); ++i) {
    if (i == here || (space.cores[i / 64] >> i % 64 & 1) == 0) continue;
    poke(kernel, i);
    ++targets;
  }
  if (targets > 0) kernel.charge(kernel.costs().ipi_latency + targets * kernel.costs().ipi_target);
  const bool used_here = (space.cores[here / 64] >> here % 64 & 1) != 0;
  space.cores[0] = 0;
  space.cores[1] = 0;
  if (used_here) space.cores[here / 64] = u64{1} << here % 64;
  kernel.emit(base::EventKind::MemShootdown, vspace.offset, space.tlb_generation, targets);
}

void expire_current(Kernel& kernel) {
  CoreState& core = kernel.core(kernel.current_core());
  const Ref<Tcb> current = core.current;
  Tcb& tcb = kernel.at(current);
  const Ref<SchedContext> ref = tcb.sc;
  SchedContext& sc = kernel.at(ref);
  // Did the thread's own refills end, or only the share of a grant that an ancestor allowed?
  const u64 used = kernel.now() > core.grant_start ? kernel.now() - core.grant_start : 0;
  const u64 had = is_limited(sc) ? ready(sc, core.grant_start) : ~u64{0};
  bool own_out = had < used || had - used < kMinBudget;
  end_grant(kernel, core);
  if (is_round_robin(sc) && sc.slice_left < kMinBudget) {
    sc.slice_left = sc.budget;
    own_out = true;
  }
  const Exhausted exhausted = first_exhausted(kernel, ref);
  if (!exhausted.node) {
    if (!own_out) return;
    core.current = {};
    enqueue(kernel, current, End::Tail);
    return;
  }
  if (ipc::has_timeout_handler(kernel, tcb)) {
    ipc::send_timeout(kernel, current, exhausted.level);
    return;
  }
  core.current = {};
  wait_for_budget(kernel, current);
}

void yield(Kernel& kernel) {
  CoreState& core = kernel.core(kernel.current_core());
  const Ref<Tcb> current = core.current;
  Tcb& tcb = kernel.at(current);
  if (!tcb.sc || !is_configured(kernel.at(tcb.sc))) return;
  SchedContext& sc = kernel.at(tcb.sc);
  end_grant(kernel, core);
  u64 given_up = 0;
  if (is_limited(sc)) {
    given_up = ready(sc, kernel.now());
    charge_refills(sc, given_up, kernel.now());
  } else {
    given_up = sc.slice_left;
    sc.slice_left = sc.budget;
  }
  kernel.emit(base::EventKind::SchedYield, tcb.sc.offset, given_up);
  core.current = {};
  if (eligible(kernel, tcb.sc)) {
    enqueue(kernel, current, End::Tail);
  } else {
    wait_for_budget(kernel, current);
  }
}

bool yield_to(Kernel& kernel, Ref<SchedContext> sc) {
  complete_yield(kernel, sc);
  const u32 here = kernel.current_core();
  CoreState& core = kernel.core(here);
  const Ref<Tcb> caller = core.current;
  const Ref<Tcb> target = kernel.at(sc).tcb;
  const Tcb& tcb = kernel.at(target);
  if (tcb.queue_kind != kQueueRun || tcb.core != here || !eligible(kernel, sc)) return false;
  dequeue(kernel, target);
  if (tcb.priority < kernel.at(caller).priority) {
    enqueue(kernel, target, End::Head);
    return false;
  }
  core.current = {};
  enqueue(kernel, caller, End::Head);
  enqueue(kernel, target, End::Head);
  kernel.at(caller).yield_to = sc;
  kernel.at(sc).yield_from = caller;
  return true;
}

bool release_due(Kernel& kernel) {
  CoreState& core = kernel.core(kernel.current_core());
  for (u32 released = 0; core.release_root; ++released) {
    const Ref<SchedContext> first = tree_first(kernel, core.release_root);
    SchedContext& sc = kernel.at(first);
    if (sc.wait_until > kernel.now()) return false;
    if (released == kReleaseBatch) return true;
    const Ref<Tcb> thread = sc.tcb;
    tree_remove(kernel, core.release_root, first);
    kernel.at(thread).queue_kind = kQueueNone;
    kernel.charge(kernel.costs().release);
    if (eligible(kernel, first)) {
      kernel.emit(base::EventKind::BudgetRefill, first.offset, 0, 0, 0, 0, kernel.at(thread).thread_id);
      enqueue(kernel, thread, End::Tail);
    } else {
      wait_for_budget(kernel, thread);
    }
  }
  return false;
}

void finish_entry(Kernel& kernel, Exit& exit, bool more_due) {
  Kernel::EntryState& entry = kernel.entry();
  CoreState& core = kernel.core(entry.core);
  const bool whole = goes_on(kernel, core) || choose(kernel, core);
  const u64 timer = core.release_root ? kernel.at(tree_first(kernel, core.release_root)).wait_until : 0;
  exit.next = core.current;
  exit.timer = timer;
  if (!core.current) {
    end_grant(kernel, core);
    note_idle(kernel, core, whole);
    offer_queued(kernel);
    if (more_due || !whole) exit.timer = kernel.now() == 0 ? 1 : kernel.now();
    kernel.emit_of(0, base::EventKind::SchedCoreIdle, 0, exit.timer);
    return;
  }
  Tcb& next = kernel.at(core.current);
  if (core.current != entry.previous) {
    kernel.charge(kernel.costs().thread_switch);
    core.switches += 1;
    use_address_space(kernel, next, entry.core);
  }
  if (next.state == ThreadState::Restart && next.frame.pending == 0) next.state = ThreadState::Running;
  exit.restart = next.frame.pending != 0;
  note_idle(kernel, core, false);
  offer_queued(kernel);
  const u64 now = kernel.now();
  if (more_due || !whole) {
    exit.timer = now == 0 ? 1 : now;
    exit.run_for = 0;
  } else {
    exit.run_for = grant_left_of(kernel, core);
    if (timer != 0) {
      const u64 to_timer = timer > now ? timer - now : 0;
      if (to_timer < exit.run_for) exit.run_for = to_timer;
    }
  }
  const u32 previous = entry.previous ? kernel.at(entry.previous).thread_id : 0;
  kernel.emit_of(next.thread_id, base::EventKind::SchedRun, next.sc.offset, previous, exit.run_for, exit.timer);
}

}  // namespace kernel::sched
