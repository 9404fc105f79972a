// kernel-model/sched.h — time: scheduling contexts with refills, budget trees, run queues, the release tree, cores.
#pragma once
#include "kernel-model/kernel.h"

namespace kernel::sched {

// ── Threads and queues ───────────────────────────────────────────────────────────────────────────────────────
/// §wake: no usable SC: nothing more. Eligible: run queue of sc.home (poking that core where needed). Else: release
/// tree. The thread's state must already be Running or Restart.
void wake(Kernel& kernel, Ref<Tcb> thread);
/// The thread stops being runnable: leaves run queue or release tree; if current here, the entry reschedules; if
/// current on another core, that core is poked and drops it.
void unschedule(Kernel& kernel, Ref<Tcb> thread);
bool is_current(const Kernel& kernel, Ref<Tcb> thread);
/// Changes the priority and the thread's place: tail of the new level, a current thread keeps the head.
void set_priority(Kernel& kernel, Ref<Tcb> thread, u8 priority);

// ── Scheduling contexts ──────────────────────────────────────────────────────────────────────────────────────
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
/// Deletion of an SC in units (children are orphaned one a unit); true when it is gone.
bool finalise_unit(Kernel& kernel, Ref<SchedContext> sc);
/// Nanoseconds consumed since last asked; sets it to 0.
u64 take_consumed(Kernel& kernel, Ref<SchedContext> sc);
/// What is left of the running grant on this core at `now`, ns.
u64 grant_left(Kernel& kernel);

// ── Cores ────────────────────────────────────────────────────────────────────────────────────────────────────
/// Asks that `core` be entered with Poke; charges ipi_send once per core and entry. No effect for the current core.
void poke(Kernel& kernel, u32 core);
/// Bits of all cores except the current one that may hold translations of the VSpace: bump generation, flush, poke,
/// charge, shrink the mask.
void shootdown(Kernel& kernel, Ref<VSpace> vspace);

// ── Steps of an entry ────────────────────────────────────────────────────────────────────────────────────────
void yield(Kernel& kernel);
/// Due scheduling contexts become runnable, at most kReleaseBatch; true when more are due.
bool release_due(Kernel& kernel);
/// Picks and grants; fills the exit.
void finish_entry(Kernel& kernel, Exit& exit);

}  // namespace kernel::sched
