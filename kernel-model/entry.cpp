// kernel-model/entry.cpp — one entry, in the order that the rest of the kernel relies on: the grant, the trap, what is
// due, the next thread.
#include "kernel-model/fast_path.h"
#include "kernel-model/ipc.h"
#include "kernel-model/irq.h"
#include "kernel-model/kernel.h"
#include "kernel-model/sched.h"

#include "base/enforce.h"

namespace kernel {
namespace {

void inject(Kernel& kernel, const EntryFaults& faults) {
  if (faults.suspend) ipc::suspend(kernel, faults.suspend);
  if (faults.resume) ipc::resume(kernel, faults.resume);
  if (faults.cut) sched::cut_budget(kernel, faults.cut, faults.cut_budget);
}

bool is_trap(EntryKind kind) { return kind == EntryKind::Syscall || kind == EntryKind::Fault; }

}  // namespace

Exit Kernel::enter(const Entry& entry) {
  ASSERT(entry.core < core_count());
  CoreState& state = core(entry.core);
  Exit exit;
  if (entry.kind == EntryKind::Syscall && fast_path_ && take_fast_path(*this, state, entry, exit)) return exit;
  entry_.core = entry.core;
  entry_.kind = entry.kind;
  entry_.now = entry.now;
  entry_.horizon = entry.horizon;
  entry_.cost = 0;
  entry_.poke = {};
  entry_.last_woken = {};
  entry_.queue_grew = false;
  entry_.decided = false;
  entry_.previous = state.current;
  entry_.choices = entry.choices;
  entry_.faults = entry.faults;
  if (is_trap(entry.kind)) {
    state.syscalls += 1;
    charge(costs_.syscall);
  } else if (entry.kind != EntryKind::Boot) {
    state.interrupts += 1;
    charge(costs_.irq_entry);
  }

  // A trap of a thread that is no longer current is not executed: its call stays pending.
  bool trapped = is_trap(entry.kind) && state.current;
  if (state.current && sched::grant_left(*this) < kMinBudget) {
    if (trapped) {
      at(state.current).state = ThreadState::Restart;
      trapped = false;
    }
    sched::expire_current(*this);
  }
  if (entry.faults != nullptr) [[unlikely]] {
    inject(*this, *entry.faults);
    if (trapped && !(state.current && sched::is_runnable(at(state.current)))) trapped = false;
  }
  if (trapped) {
    if (entry.kind == EntryKind::Syscall) {
      ipc::handle_syscall(*this);
    } else {
      ipc::send_fault(*this, state.current, entry.fault);
    }
  } else if (entry.kind == EntryKind::Irq) {
    irq::deliver(*this, entry.irq);
  }

  const bool more_due = state.release_root && sched::release_due(*this);
  sched::finish_entry(*this, exit, more_due);
  exit.cost = entry_.cost;
  exit.poke = entry_.poke;
  state.local_time = now();
  return exit;
}

}  // namespace kernel
