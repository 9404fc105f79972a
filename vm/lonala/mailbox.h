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
