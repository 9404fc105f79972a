// kernel-model/sched_parts.h — what the sources of the scheduler share with one another and with the checker; not for
// other modules.
#pragma once
#include <bit>

#include "kernel-model/sched.h"

namespace kernel::sched {

// ── Run queues (sched_queue.cpp) ─────────────────────────────────────────────────────────────────────────────
constexpr u8 kQueueNone = 0;
constexpr u8 kQueueRun = 1;
constexpr u8 kQueueRelease = 2;

enum class End : u8 { Head, Tail };
/// Puts a thread that is in no queue into its level on its core.
void enqueue(Kernel& kernel, Ref<Tcb> thread, End end);
void dequeue(Kernel& kernel, Ref<Tcb> thread);
/// The highest level with a thread, or −1.
inline i32 highest_level(const CoreState& core) {
  for (i32 word = 3; word >= 0; --word) {
    const u64 bits = core.level_map[word];
    if (bits != 0) return word * 64 + 63 - std::countl_zero(bits);
  }
  return -1;
}
/// Emits the wake event that was held back until its place in the queue is known.
void flush_wake(Kernel& kernel, bool head);

// ── The release tree (sched_tree.cpp): an AA tree by (wait_until, last_dispatch, ref) ────────────────────────
void tree_insert(Kernel& kernel, Ref<SchedContext>& root, Ref<SchedContext> sc);
void tree_remove(Kernel& kernel, Ref<SchedContext>& root, Ref<SchedContext> sc);
Ref<SchedContext> tree_first(const Kernel& kernel, Ref<SchedContext> root);
/// Whether `a` is released before `b`.
bool released_before(const SchedContext& a, Ref<SchedContext> a_ref, const SchedContext& b, Ref<SchedContext> b_ref);

// ── Refills and grants (sched_budget.cpp) ────────────────────────────────────────────────────────────────────
inline bool is_configured(const SchedContext& sc) {
  return sc.refill_max != 0 && (sc.header.flags & kObjectDying) == 0;
}
inline bool is_inner(const SchedContext& sc) { return (sc.config_flags & kSchedInner) != 0; }
inline bool is_round_robin(const SchedContext& sc) { return !is_inner(sc) && sc.budget == sc.period; }
inline bool is_sporadic(const SchedContext& sc) { return !is_inner(sc) && (sc.config_flags & kSchedSporadic) != 0; }
inline bool is_shared(const SchedContext& sc) { return is_inner(sc) && sc.core_count > 1; }
/// Has refills and reservations: all but round robin leaves and inner nodes that promise all of their cores.
inline bool is_limited(const SchedContext& sc) {
  return is_inner(sc) ? sc.budget != sc.period * sc.core_count : sc.budget != sc.period;
}
inline Refill& refill_at(SchedContext& sc, u32 index) {
  u32 at = u32{sc.refill_head} + index;
  if (at >= sc.refill_max) at -= sc.refill_max;
  return sc.refills[at];
}
inline const Refill& refill_at(const SchedContext& sc, u32 index) {
  return refill_at(const_cast<SchedContext&>(sc), index);
}
/// What of the refills is there at `now`: those with time ≤ now; of a shared node also what has grown of the others.
u64 ready(const SchedContext& sc, u64 now);
/// All ready refills become one at time `now`.
void advance(SchedContext& sc, u64 now);
/// Takes `used` ns that began at `start` out of the refills; they come back a period later. Not for shared nodes.
void charge_refills(SchedContext& sc, u64 used, u64 start);
// ── Refills of shared nodes (sched_shared.cpp): they grow, and grants are taken out of them ──
u64 shared_ready(const SchedContext& sc, u64 now);
/// The longest grant, at most kSharedGrant, that a core may make at `now`: it never uses what is not there yet.
/// `head_start`: what the core would give back before, ns from now.
u64 shared_reach(const SchedContext& sc, u64 now, u64 head_start);
/// Takes a grant of at most shared_reach out of the refills.
void take_shared(SchedContext& sc, u64 now, u64 amount);
/// When shared_reach is expected to be kMinBudget; it is less at `now`.
u64 shared_wait_time(const SchedContext& sc, u64 now);
/// What became of a running grant: `granted` from `start`, of which `used` (or more than it). The unused rest goes back
/// into the refills unless the core keeps it.
struct SharedUse {
  u64 start = 0;
  u64 used = 0;
  u64 granted = 0;
  bool keeps_rest = false;
};
void charge_shared(SchedContext& sc, const SharedUse& use, u64 now);
/// Fills the empty list anew: `first` ns now, the rest of the budget a period later.
void refill_shared(SchedContext& sc, u64 now, u64 first);

/// The node of the chain that keeps `sc` from running, and its level (0: sc itself); null when it is eligible.
struct Exhausted {
  Ref<SchedContext> node;
  u32 level = 0;
};
Exhausted first_exhausted(Kernel& kernel, Ref<SchedContext> sc);
/// When the whole chain is expected to have kMinBudget; always later than now for a chain that is not eligible.
u64 wait_time(Kernel& kernel, Ref<SchedContext> sc);
/// Whether `node` is `sc` or one of its ancestors.
bool chain_contains(const Kernel& kernel, Ref<SchedContext> sc, Ref<SchedContext> node);
/// Makes the running grant of `core` for `sc`, whose chain is eligible; it begins at `now`.
void grant(Kernel& kernel, CoreState& core, Ref<SchedContext> sc);
/// Commits the running grant of a core and leaves it without one.
void end_grant(Kernel& kernel, CoreState& core);
/// What is left of a core's grant at `now`.
inline u64 grant_left_of(const Kernel& kernel, const CoreState& core) {
  const u64 end = core.grant_start + core.grant_amount;
  return core.grant_sc && end > kernel.now() ? end - kernel.now() : 0;
}

// ── Cores (sched_core.cpp) ───────────────────────────────────────────────────────────────────────────────────
/// The runnable thread waits for budget in the release tree of its core.
void wait_for_budget(Kernel& kernel, Ref<Tcb> thread);
/// An idle core takes work from others; true when it got some (sched_steal.cpp).
bool steal(Kernel& kernel);
/// Pokes idle cores that may take a thread that has to queue (sched_steal.cpp).
void offer_work(Kernel& kernel);

}  // namespace kernel::sched
