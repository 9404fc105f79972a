// kernel-model/sched_context.cpp — scheduling contexts as objects: configuration, what they are bound to, the tree of
// budgets, YieldTo, and their end.
#include "kernel-model/cspace.h"
#include "kernel-model/ipc.h"
#include "kernel-model/sched.h"
#include "kernel-model/sched_parts.h"

#include "base/enforce.h"

namespace kernel::sched {
namespace {

// The node after `at`, and after everything below it unless `enters`, in the walk through the tree of `top`.
enum class Below : u8 { Enter, Skip };
Ref<SchedContext> next_in_walk(const Kernel& kernel, Ref<SchedContext> top, Ref<SchedContext> at, Below below) {
  if (below == Below::Enter && kernel.at(at).first_child) return kernel.at(at).first_child;
  while (at != top) {  // at most kBudgetDepthMax levels
    if (kernel.at(at).sibling_next) return kernel.at(at).sibling_next;
    at = kernel.at(at).parent;
  }
  return {};
}

// A walk above that has come to `ref` or into its tree goes on behind it.
void step_out_of(Kernel& kernel, Ref<SchedContext> ref) {
  for (Ref<SchedContext> above = kernel.at(ref).parent; above; above = kernel.at(above).parent) {
    const Ref<SchedContext> at = kernel.at(above).waking;
    if (at && chain_contains(kernel, at, ref)) {
      kernel.at(above).waking = next_in_walk(kernel, above, ref, Below::Skip);
    }
  }
}

void look_again(Kernel& kernel, Ref<SchedContext> ref) {
  SchedContext& sc = kernel.at(ref);
  if (sc.in_tree == 0) return;
  const bool can_run = eligible(kernel, ref);
  if (!can_run && wait_time(kernel, ref) >= sc.wait_until) return;
  const Ref<Tcb> thread = sc.tcb;
  Tcb& tcb = kernel.at(thread);
  CoreState& core = kernel.core(tcb.core);
  unschedule(kernel, thread);
  kernel.charge(kernel.costs().release);
  if (!can_run) {
    wait_for_budget(kernel, thread);
    return;
  }
  kernel.emit(base::EventKind::BudgetRefill, ref.offset, 0, 0, 0, 0, tcb.thread_id);
  enqueue(kernel, thread, End::Tail);
  if (!core.current || kernel.at(core.current).priority < tcb.priority) poke(kernel, tcb.core);
}

void leave_parent(Kernel& kernel, Ref<SchedContext> ref) {
  SchedContext& sc = kernel.at(ref);
  if (!sc.parent) return;
  step_out_of(kernel, ref);
  if (sc.sibling_prev) {
    kernel.at(sc.sibling_prev).sibling_next = sc.sibling_next;
  } else {
    kernel.at(sc.parent).first_child = sc.sibling_next;
  }
  if (sc.sibling_next) kernel.at(sc.sibling_next).sibling_prev = sc.sibling_prev;
  sc.sibling_next = {};
  sc.sibling_prev = {};
  sc.parent = {};
}

void join_parent(Kernel& kernel, Ref<SchedContext> ref, Ref<SchedContext> parent_ref) {
  SchedContext& sc = kernel.at(ref);
  SchedContext& parent = kernel.at(parent_ref);
  sc.parent = parent_ref;
  sc.sibling_next = parent.first_child;
  if (parent.first_child) kernel.at(parent.first_child).sibling_prev = ref;
  parent.first_child = ref;
}

// §5.2: what was ready stays ready, as far as the new budget goes; the rest comes a period later.
void refill_anew(SchedContext& sc, u64 now, u64 ready_now) {
  sc.refill_head = 0;
  sc.refill_count = 0;
  if (!is_limited(sc)) return;
  const u64 first = ready_now < sc.budget ? ready_now : sc.budget;
  if (is_shared(sc)) {
    refill_shared(sc, now, first);
    return;
  }
  if (first > 0) refill_at(sc, sc.refill_count++) = {now, first};
  if (first < sc.budget) refill_at(sc, sc.refill_count++) = {now + sc.period, sc.budget - first};
}

// One node of a dying subtree loses parent and configuration; its thread stops.
void orphan(Kernel& kernel, Ref<SchedContext> ref) {
  SchedContext& sc = kernel.at(ref);
  commit(kernel, ref);
  if (sc.tcb) unschedule(kernel, sc.tcb);
  CoreState& home = kernel.core(sc.home);
  if (home.grant_sc == ref) end_grant(kernel, home);
  leave_parent(kernel, ref);
  ASSERT(sc.reserved == 0);
  sc.refill_max = 0;
  sc.refill_count = 0;
  sc.refill_head = 0;
  sc.owed = 0;
  sc.waking = {};
  sc.depth = 0;
}

}  // namespace

void configure(Kernel& kernel, Ref<SchedContext> ref, const Configuration& configuration) {
  SchedContext& sc = kernel.at(ref);
  commit(kernel, ref);
  ASSERT(sc.reserved == 0);
  const bool configured = sc.refill_max != 0;
  const bool in_use = configured && (sc.tcb || sc.notification || sc.first_child || sc.reply);
  const u64 now = kernel.now();
  u64 ready_now = configuration.budget;
  if (in_use && is_limited(sc)) {
    ready_now = ready(sc, now);
  } else if (in_use && is_round_robin(sc)) {
    ready_now = sc.slice_left;
  }
  const Ref<Tcb> thread = sc.tcb;
  if (thread) {
    const Tcb& tcb = kernel.at(thread);
    const bool stays = is_current(kernel, thread) && configuration.home == tcb.core;
    if (!stays) unschedule(kernel, thread);
  }
  if (sc.home != configuration.home) {
    CoreState& home = kernel.core(sc.home);
    if (home.grant_sc == ref) end_grant(kernel, home);
    if (thread) kernel.emit(base::EventKind::SchedMigrate, ref.offset, sc.home, configuration.home);
  }
  if (sc.parent != configuration.parent) {
    leave_parent(kernel, ref);
    if (configuration.parent) join_parent(kernel, ref, configuration.parent);
  }
  sc.depth = static_cast<u8>(configuration.parent ? kernel.at(configuration.parent).depth + 1 : 1);
  sc.budget = configuration.budget;
  sc.period = configuration.period;
  sc.badge = configuration.badge;
  sc.config_flags = static_cast<u8>(configuration.flags);
  sc.home = configuration.home;
  sc.first_core = configuration.first_core;
  sc.core_count = configuration.core_count;
  sc.slice_left = is_round_robin(sc) ? sc.budget : 0;
  sc.refill_max = static_cast<u16>(kRefillsMin + configuration.extra_refills);
  if (!in_use || !is_shared(sc)) sc.owed = 0;
  refill_anew(sc, now, ready_now);
  kernel.emit(base::EventKind::BudgetConfigure, ref.offset, sc.budget, sc.period, sc.parent.offset);
  if (!thread) return;
  Tcb& tcb = kernel.at(thread);
  tcb.core = sc.home;
  if (is_runnable(tcb)) wake(kernel, thread);
}

void cut_budget(Kernel& kernel, Ref<SchedContext> ref, u64 budget_ns) {
  const SchedContext& sc = kernel.at(ref);
  if (!is_configured(sc) || is_inner(sc) || budget_ns < kMinBudget || budget_ns >= sc.budget) return;
  configure(kernel, ref,
            {.budget = budget_ns,
             .period = sc.period,
             .extra_refills = sc.refill_max - u64{kRefillsMin},
             .badge = sc.badge,
             .flags = sc.config_flags,
             .home = sc.home,
             .first_core = sc.first_core,
             .core_count = sc.core_count,
             .parent = sc.parent});
}

Step wake_below(Kernel& kernel, Ref<SchedContext> node, Walk walk) {
  SchedContext& top = kernel.at(node);
  if (walk == Walk::Begins) top.waking = top.first_child;
  while (top.waking) {  // a node each round
    look_again(kernel, top.waking);
    top.waking = next_in_walk(kernel, node, top.waking, Below::Enter);
    kernel.charge(kernel.costs().unit_waiter);
    kernel.entry().units += 1;
    if (top.waking && cspace::must_stop(kernel)) return Step::Preempted;
  }
  return Step::Done;
}

void donate(Kernel& kernel, Ref<SchedContext> ref, Ref<Tcb> to) {
  SchedContext& sc = kernel.at(ref);
  Tcb& taker = kernel.at(to);
  ASSERT(!taker.sc);
  const Ref<Tcb> from = sc.tcb;
  if (from) {
    Tcb& holder = kernel.at(from);
    // The current thread of this core stays until its call is done; it may get another SC in the meantime.
    if (holder.queue_kind != kQueueNone || holder.core != kernel.current_core()) unschedule(kernel, from);
    holder.sc = {};
  }
  sc.tcb = to;
  taker.sc = ref;
  if (taker.core != sc.home) {
    CoreState& last = kernel.core(taker.core);
    if (last.current == to) last.current = {};
    kernel.emit(base::EventKind::SchedMigrate, ref.offset, taker.core, sc.home, 0, 0, taker.thread_id);
    taker.core = sc.home;
  }
  kernel.emit(base::EventKind::BudgetDonate, ref.offset, from.offset, to.offset);
}

void bind_tcb(Kernel& kernel, Ref<SchedContext> ref, Ref<Tcb> thread) {
  SchedContext& sc = kernel.at(ref);
  Tcb& tcb = kernel.at(thread);
  ASSERT(!sc.tcb && !tcb.sc);
  sc.tcb = thread;
  tcb.sc = ref;
  if (is_configured(sc)) tcb.core = sc.home;
  if (is_runnable(tcb)) wake(kernel, thread);
}

void unbind_tcb(Kernel& kernel, Ref<SchedContext> ref) {
  SchedContext& sc = kernel.at(ref);
  if (!sc.tcb) return;
  commit(kernel, ref);
  complete_yield(kernel, ref);
  const Ref<Tcb> thread = sc.tcb;
  unschedule(kernel, thread);
  CoreState& home = kernel.core(sc.home);
  if (home.grant_sc == ref) end_grant(kernel, home);
  kernel.at(thread).sc = {};
  sc.tcb = {};
}

void unbind_notification(Kernel& kernel, Ref<SchedContext> ref) {
  SchedContext& sc = kernel.at(ref);
  if (!sc.notification) return;
  kernel.at(sc.notification).sc = {};
  sc.notification = {};
}

void complete_yield(Kernel& kernel, Ref<SchedContext> ref) {
  SchedContext& sc = kernel.at(ref);
  const Ref<Tcb> yielder = sc.yield_from;
  if (!yielder) return;
  Tcb& tcb = kernel.at(yielder);
  sc.yield_from = {};
  tcb.yield_to = {};
  const u64 consumed = take_consumed(kernel, ref);
  if (static_cast<Syscall>(tcb.frame.call) == Syscall::Call) {
    const u64 words[] = {consumed};
    ipc::complete(kernel, yielder, ResultLabel::None, words);
  } else {
    tcb.frame.pending = 0;
  }
}

bool finalise_unit(Kernel& kernel, Ref<SchedContext> ref) {
  SchedContext& sc = kernel.at(ref);
  if ((sc.header.flags & kObjectDying) == 0) {
    commit(kernel, ref);
    unbind_tcb(kernel, ref);
    unbind_notification(kernel, ref);
    if (sc.reply) {
      kernel.at(sc.reply).next = 0;
      sc.reply = {};
    }
    complete_yield(kernel, ref);
    leave_parent(kernel, ref);
    sc.waking = {};
    sc.header.flags |= kObjectDying;
  } else if (sc.first_child) {
    // Deepest first: so depth and "configured below configured" hold after every unit.
    Ref<SchedContext> node = sc.first_child;
    while (kernel.at(node).first_child) node = kernel.at(node).first_child;
    orphan(kernel, node);
  }
  if (sc.first_child) {
    kernel.charge(kernel.costs().unit_waiter);
    return false;
  }
  commit(kernel, ref);
  ASSERT(sc.reserved == 0);
  sc.refill_max = 0;
  sc.refill_count = 0;
  return true;
}

}  // namespace kernel::sched
