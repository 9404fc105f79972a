// vm/lonala/values.h — what variables hold: copies in blocks of their own, that are freed when nothing refers to them any more.
// A value that a definition supersedes is retired. Processes may still refer to it: a full collection copies such parts into the
// process's heap; once every process has had one, the value is freed. So no reference count and no barrier is needed.
// Invariants  V1 a value refers to itself, to literals and to immediates only.  V2 messages copy values: only the heaps, stacks and
//             bindings of processes refer to them.  V3 a retired value of an epoch above Process::swept_epoch may be referred to.
#pragma once
#include "vm/lonala/heap.h"

namespace lonala {

/// Before the objects of a value.
struct ValueBlock {
  u64 next;   // in the list of retired values
  u64 epoch;  // when it was retired; 0 while a variable holds it
  u64 bytes;
  u64 shared;  // its references to shared binaries
};

/// A copy for a variable; what is immediate or literal is the same. kNone when memory is exhausted.
Term copy_to_value(Vm& vm, Term term);
/// The value is no variable's any more.
void value_retire(Vm& vm, Term value);
/// Whether an offset lies in a value that was retired.
bool value_is_retired(const Vm& vm, u64 offset);

/// Some steps of the collections that free retired values; while no process runs.
void sweep_step(Vm& vm);

}  // namespace lonala
