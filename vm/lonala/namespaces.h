// vm/lonala/namespaces.h — namespaces, vars, and how symbols resolve.
#pragma once
#include "vm/lonala/heap.h"

namespace lonala {

/// The namespace of that name, made if need be; kRaised when memory is exhausted.
Term namespace_intern(Vm& vm, Term name);
/// The namespace of a symbol, or kNone.
Term namespace_find(const Vm& vm, Term name);
/// *ns* of the running process.
Term current_namespace(Vm& vm);
/// The own var of a namespace, made if need be.
Term var_intern(Vm& vm, Term space, Term name);
/// The own var, or kNone.
Term var_find(Vm& vm, Term space, Term name);
/// The var that a symbol means in a namespace, or kNone: own, then referred; by alias or full name if qualified.
Term var_resolve(Vm& vm, Term space, Term symbol);
/// Refers every public var of `from` into `into`.
bool refer_all(Vm& vm, Term into, Term from);
bool refer_one(Vm& vm, Term into, Term name, Term var);
/// The value for the running process; kUnbound if it has none.
Term var_value(Vm& vm, Term var);
/// The same; kRaised (`:unbound`) if it has none.
Term var_bound_value(Vm& vm, Term var);
/// Metadata map or nil, as the running process sees it.
Term var_meta(Vm& vm, Term var);
/// The flags, as the running process sees them.
u64 var_flags(Vm& vm, Term var);
/// Sets the value (already copied) and what follows from it; the one before is the answer, or is retired.
Term var_replace(Vm& vm, Term var, Term value);
void var_set(Vm& vm, Term var, Term value);
/// Sets metadata (already copied) and the flags in it; what it supersedes is retired unless somebody keeps it.
enum class Superseded : u8 { Retired, Kept };
void var_set_meta(Vm& vm, Term var, Term meta, Superseded superseded = Superseded::Retired);
/// Where calls of the variable lead, after its value or flags changed.
void var_update_entry(Vm& vm, Term var);
/// `def` at run time: copies, sets, honours process-bound vars. kRaised or the var.
Term var_define(Vm& vm, Term var, Term value);

}  // namespace lonala
