// vm/lonala/process.h — processes: life, messages, links, monitors, timers, the scheduler.
#pragma once
#include "vm/lonala/heap.h"

namespace lonala {

/// A new process that will call `function` (copied into its heap); kRaised when memory is exhausted.
Term process_spawn(Vm& vm, Term function, u8 priority);
/// The living process of a pid, or null.
Process* process_of(const Vm& vm, Term pid);
bool processes_create(Vm& vm);

// Receive, for the interpreter.
Term receive_start(Vm& vm, Process& process, Term timeout);
/// The next message to look at; kNone: none, wait; kUnbound: the deadline is over.
Term receive_next(Vm& vm, Process& process);
void receive_skip(Vm& vm, Process& process);
void receive_take(Vm& vm, Process& process);
/// Gives a `receive` up that cannot wait.
void process_stop_waiting(Vm& vm, Process& process);

/// Copies a message into the mailbox of a process and wakes it.
bool message_send(Vm& vm, Process& to, Term term);
/// Ends a process: names, monitors, links, memory.
void process_end(Vm& vm, Process& process, Term reason);
/// One line to the log about an abnormal end.
void crash_report(Vm& vm, Process& process);
void process_wake(Vm& vm, Process& process);
void enqueue(Vm& vm, Process& process);
/// Empties the run queues: the session is started by its forms.
void run_queue_clear(Vm& vm);

/// Why `run` came back.
enum class Pause : u8 { SessionDone, Idle, Budget };
/// Runs processes until the session's form is done, nothing is runnable, or `reductions` are used up.
Pause run(Vm& vm, u64 reductions);
/// The deadline of the earliest timer, or ~0.
u64 next_timer_ns(const Vm& vm);
/// Moves the clock forward and fires what is due.
void advance_clock(Vm& vm, u64 now_ns);

}  // namespace lonala
