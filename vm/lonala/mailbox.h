// vm/lonala/mailbox.h — messages, and `receive` step by step.
#pragma once
#include "vm/lonala/heap.h"

namespace lonala {

enum class Sent : u8 { Done, NoMemory, Refused };
/// Who is told, by [:taken ref], that a message was taken; while it monitors by that ref.
struct Acknowledge {
  Term ref = 0;
  Term from = 0;
};
/// Copies a message into the mailbox of a process and wakes it.
Sent message_send(Vm& vm, Process& to, Term term, Bytebufs bytebufs = Bytebufs::Copied, Acknowledge acknowledge = {});
/// Takes a message out of the mailbox; `before` is the one before it, 0 for none.
void mailbox_unlink(Vm& vm, Process& process, u64 offset, u64 before);
/// Frees a message that is in no mailbox any more.
void message_free(Vm& vm, u64 offset);

// Receive, for the interpreter.
/// Begins one: the deadline is counted from here. kRaised for a wrong timeout.
Term receive_start(Vm& vm, Process& process, Term timeout);
/// All its clauses want this ref: what came before the ref was made need not be looked at. Or it has none: then nothing need.
void receive_mark(const Vm& vm, Process& process, Term ref, bool none);
/// The process has made that ref: what waits in its mailbox now cannot contain it.
bool ref_made(Vm& vm, Process& process, Term ref);
/// The next message to look at; kNone: none, wait; kUnbound: the deadline is over.
Term receive_next(Vm& vm, Process& process);
void receive_skip(Vm& vm, Process& process);
void receive_take(Vm& vm, Process& process);
/// Gives a `receive` up that cannot wait.
void process_stop_waiting(Vm& vm, Process& process);

}  // namespace lonala
