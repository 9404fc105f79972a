// vm/lonala/mailbox.h — messages, and `receive` step by step.
#pragma once
#include "vm/lonala/heap.h"

namespace lonala {

/// Copies a message into the mailbox of a process and wakes it; false when memory is exhausted.
bool message_send(Vm& vm, Process& to, Term term);
/// Frees a message that is in no mailbox any more.
void message_free(Vm& vm, u64 offset);

// Receive, for the interpreter.
/// Begins one: the deadline is counted from here. kRaised for a wrong timeout.
Term receive_start(Vm& vm, Process& process, Term timeout);
/// The next message to look at; kNone: none, wait; kUnbound: the deadline is over.
Term receive_next(Vm& vm, Process& process);
void receive_skip(Vm& vm, Process& process);
void receive_take(Vm& vm, Process& process);
/// Gives a `receive` up that cannot wait.
void process_stop_waiting(Vm& vm, Process& process);

}  // namespace lonala
