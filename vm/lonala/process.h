// vm/lonala/process.h — the life of a process: made, found, ended.
#pragma once
#include "vm/lonala/heap.h"

namespace lonala {

struct SpawnOptions {
  u8 priority = kPriorityDefault;
  u64 min_heap_bytes = 256;
  u64 max_heap_bytes = 0;  // none
  u64 fullsweep_after = kFullsweepAfter;
};
/// A new process that will call `function` (copied into its heap); kRaised when memory is exhausted.
Term process_spawn(Vm& vm, Term function, const SpawnOptions& options = {});
/// The living process of a pid, or null.
Process* process_of(const Vm& vm, Term pid);
bool processes_create(Vm& vm);
/// Ends a process: names, monitors, links, memory.
void process_end(Vm& vm, Process& process, Term reason);
/// A process that is parked does not wait for its call any more: it goes on without its value.
void call_cancel(Vm& vm, Process& process);
/// Ends a process, not the running one, for which a message found no memory.
void process_end_oom(Vm& vm, Process& process);
/// One line to the log about an abnormal end.
void crash_report(Vm& vm, Process& process);

}  // namespace lonala
