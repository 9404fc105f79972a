// vm/lonala/timers.h — timers: a binary heap by (deadline, number), and a table by number of those that send a message.
#pragma once
#include "vm/lonala/machine.h"

namespace lonala {

/// Offset of a new timer, or 0 when memory is exhausted. Message kNone: the deadline of a `receive`. The timer owns the fragments.
u64 timer_add(Vm& vm, u64 deadline_ns, Term pid, Term message, u64 fragments);
/// Takes a timer out and frees its record, but not its fragments.
void timer_remove(Vm& vm, u64 offset);
/// The timer of that number that sends a message, or 0: it has fired or was taken out.
u64 timer_find(const Vm& vm, u64 number);
/// The timer at a place of the heap; the earliest is at 0.
Timer& timer_at(const Vm& vm, u64 index);
/// The deadline of the earliest timer, or ~0.
u64 next_timer_ns(const Vm& vm);

}  // namespace lonala
