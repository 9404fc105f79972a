// vm/lonala/transactions.h — changes of variables that take effect together. What a transaction stages is seen by its process only:
// such variables lead calls to the general way, where the process is asked for its staged value.
// Invariants  X1 VarRecord::staged counts the transactions that stage a variable; kVarStaged is set while it is not 0.
//             X2 a transaction ends with its process, or with the form of the session that began it.
#pragma once
#include "vm/lonala/heap.h"

namespace lonala {

/// The value and metadata that the running process has staged for a variable.
struct Staged {
  bool found = false;
  Term value = kUnbound;
  Term meta = kNil;
  bool undefined = false;  // it is to be removed from its namespace
};
Staged staged_of(Vm& vm, Term var);
/// Whether the running process stages definitions in a namespace.
bool stages_in(Vm& vm, Term space);
/// The variable that the running process has made in its transaction, or kNone.
Term staged_new(Vm& vm, Term space, Term name);
/// Enters a variable that only its transaction knows; false when memory is exhausted.
bool stage_new(Vm& vm, Term space, Term name, Term var);
/// Stages a value (copied here) or metadata (likewise); kRaised when memory is exhausted.
Term stage_value(Vm& vm, Term var, Term value);
Term stage_meta(Vm& vm, Term var, Term meta);
/// Drops what the process has staged.
void transaction_abandon(Vm& vm, Process& process);

/// Bytes of the blocks that say what the last commit of a namespace replaced.
u64 replaced_bytes(const Vm& vm, Term space);

}  // namespace lonala
