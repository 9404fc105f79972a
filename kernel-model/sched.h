// kernel-model/sched.h — time: scheduling contexts with refills, budget trees, run queues, the release tree, cores.
// A core has at most one current thread, which is in no queue, and at most one running grant. An operation that stops
// the current thread clears `CoreState::current`; the grant is committed when the entry ends, or before any operation
// on a node of its chain.
#pragma once
#include "kernel-model/kernel.h"

namespace kernel::sched {

// ── Threads and queues ───────────────────────────────────────────────────────────────────────────────────────
/// §wake: no usable SC: nothing more. Eligible: run queue of sc.home (poking that core where needed). Else: release
/// tree. The thread's state must already be Running or Restart. No effect on a thread that is current.
void wake(Kernel& kernel, Ref<Tcb> thread);
/// The thread stops being runnable: leaves run queue or release tree; if current here, the entry reschedules; if
/// current on another core, that core is poked and drops it.
void unschedule(Kernel& kernel, Ref<Tcb> thread);
bool is_current(const Kernel& kernel, Ref<Tcb> thread);
/// Changes the priority and the thread's place: tail of the new level, a current thread keeps the head. Where the node was
/// booted with one level for all, that is the level.
void set_priority(Kernel& kernel, Ref<Tcb> thread, u8 priority);

/// Whether the thread may be queued for a core at all: Running or Restart.
inline bool is_runnable(const Tcb& tcb) {
  return tcb.state == ThreadState::Running || tcb.state == ThreadState::Restart;
}

// ── Scheduling contexts ──────────────────────────────────────────────────────────────────────────────────────
/// What a scheduling context is configured to. Ranges were checked by the caller.
struct Configuration {
  u64 budget = 0;  // ns
  u64 period = 0;  // ns
  u64 extra_refills = 0;
  u64 badge = 0;
  u64 flags = 0;  // kSched…
  u8 home = 0;
  u8 first_core = 0;
  u8 core_count = 1;
  Ref<SchedContext> parent;
};
/// Configures, or reconfigures while in use: what is ready stays ready, up to the new budget.
void configure(Kernel& kernel, Ref<SchedContext> sc, const Configuration& configuration);
/// Lowers the budget of a context in use to `budget_ns`, at least what one refill may hold; all else stays.
void cut_budget(Kernel& kernel, Ref<SchedContext> sc, u64 budget_ns);
/// The threads below an inner node that wait for budget look at it anew, in units; to be called until it is Done:
/// the first time with Begins, after Preempted with GoesOn.
enum class Walk : u8 { Begins, GoesOn };
Step wake_below(Kernel& kernel, Ref<SchedContext> node, Walk walk);
/// Refills an object of `size_bits` has room for.
constexpr u32 refill_room(u32 size_bits) {
  return ((1u << size_bits) - static_cast<u32>(offsetof(SchedContext, refills))) / sizeof(Refill);
}

bool eligible(Kernel& kernel, Ref<SchedContext> sc);
/// Takes `sc` from its holder (who leaves its queue), binds it to `to`, whose core becomes sc.home. Needs to.sc = 0.
void donate(Kernel& kernel, Ref<SchedContext> sc, Ref<Tcb> to);
/// Binds an SC to a thread that has none; a runnable thread is woken.
void bind_tcb(Kernel& kernel, Ref<SchedContext> sc, Ref<Tcb> thread);
/// The thread loses its SC (commit first); it leaves its queue and becomes passive.
void unbind_tcb(Kernel& kernel, Ref<SchedContext> sc);
void unbind_notification(Kernel& kernel, Ref<SchedContext> sc);
/// Ends a YieldTo aimed at `sc`: the yielder gets the consumed time and runs when picked.
void complete_yield(Kernel& kernel, Ref<SchedContext> sc);
/// Charges the running grant of every node of the chain of `sc`, wherever it runs, before an operation on it.
void commit(Kernel& kernel, Ref<SchedContext> sc);
/// Deletion of an SC in units (a node of its subtree is orphaned each unit, deepest first); true when it is gone.
bool finalise_unit(Kernel& kernel, Ref<SchedContext> sc);
/// Nanoseconds consumed since last asked; sets it to 0.
u64 take_consumed(Kernel& kernel, Ref<SchedContext> sc);
/// What is left of the running grant on this core at `now`, ns.
inline u64 grant_left(Kernel& kernel) {
  const CoreState& core = kernel.core(kernel.current_core());
  const u64 end = core.grant_start + core.grant_amount;
  return core.grant_sc && end > kernel.now() ? end - kernel.now() : 0;
}

// ── Cores ────────────────────────────────────────────────────────────────────────────────────────────────────
/// Asks that `core` be entered with Poke; charges ipi_send once per core and entry. No effect for the current core.
void poke(Kernel& kernel, u32 core);
/// Bits of all cores except the current one that may hold translations of the VSpace: bump generation, flush, poke,
/// charge, shrink the mask.
void shootdown(Kernel& kernel, Ref<VSpace> vspace);

// ── Steps of an entry ────────────────────────────────────────────────────────────────────────────────────────
/// The current thread gives up its slice, or the ready refills of its own SC.
void yield(Kernel& kernel);
/// The current thread lets the target of `sc` run next; what the checks of YieldTo leave to do.
/// Returns true when the caller waits behind the target, false when the answer is to be given at once.
bool yield_to(Kernel& kernel, Ref<SchedContext> sc);
/// The current thread has used its grant up: it goes on, waits for budget, or faults.
void expire_current(Kernel& kernel);
/// Due scheduling contexts become runnable, at most kReleaseBatch; true when more are due.
bool release_due(Kernel& kernel);
/// Picks and grants; fills the exit. `more_due`: what release_due returned.
void finish_entry(Kernel& kernel, Exit& exit, bool more_due);

}  // namespace kernel::sched
