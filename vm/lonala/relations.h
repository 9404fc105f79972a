// vm/lonala/relations.h — links, monitors and exit signals.
#pragma once
#include "vm/lonala/heap.h"

namespace lonala {

/// Appends to a process's relations; false when memory is exhausted.
bool relation_add(Vm& vm, Process& process, Relation::Kind kind, Term other, Term ref);
/// Offset of a process's relation of a kind with that key, or 0. O(1), like making and removing one.
u64 relation_find(const Vm& vm, const Process& process, Relation::Kind kind, Term key);
void relation_remove(Vm& vm, Process& process, u64 offset);
/// An exit signal with a reason arrives; `linked` when it came by a link, so that `:kill` is an ordinary reason. May end the process,
/// unless it is the running one: that gets kExiting.
void signal_exit(Vm& vm, Process& to, Term from, Term reason, bool linked);

}  // namespace lonala
