// vm/lonala/scheduler.h — who runs next, and for how long: 256 priorities, FIFO each, slices of kSliceReductions.
#pragma once
#include "vm/lonala/machine.h"

namespace lonala {

/// Puts a process at the back of its priority.
void enqueue(Vm& vm, Process& process);
/// Takes a runnable process out of its queue.
void queue_remove(Vm& vm, Process& process);
/// Empties the run queues: the session is started by its forms.
void run_queue_clear(Vm& vm);
/// Makes a waiting process runnable.
void process_wake(Vm& vm, Process& process);

/// The native that the running process is in has begun a call outside the machine: once the native returns, the process stops
/// behind it until the call's value is there.
void process_park(Vm& vm);
/// A parked process goes on, if its call has not ended without its value.
void process_unpark(Vm& vm, Process& process);
/// Gives the processes whose calls have ended what came of them (natives/files.cpp).
void calls_deliver(Vm& vm);

/// Why `run` came back.
enum class Pause : u8 { SessionDone, Idle, Budget };
/// Runs processes until the session's form is done, nothing is runnable, or `reductions` are used up.
Pause run(Vm& vm, u64 reductions);
/// Moves the clock forward and fires what is due.
void advance_clock(Vm& vm, u64 now_ns);

}  // namespace lonala
