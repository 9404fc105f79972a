// vm/lonala/verify.h — checks a function's code before it may run: in one pass, since jumps lead forward (but for the two that lead
// back to a place whose state is known). Code that passes cannot reach beyond its registers, read a register that holds no term, or
// look into a value that is no reference; whatever else it does, it raises errors like any other code.
// Invariants  V1 what the compiler emits passes.
#pragma once
#include <span>

#include "vm/lonala/code.h"
#include "vm/lonala/heap.h"

namespace lonala {

/// What code may name, sorted: variables, name records and functions by offset, constants as words.
struct KnownNames {
  std::span<const u64> variables;
  std::span<const u64> names;
  std::span<const Term> constants;  // objects in literals
};

struct Verdict {
  u32 word = 0;               // index of the code word at fault
  const char* why = nullptr;  // null: the function may run
  bool ok() const { return why == nullptr; }
};

/// Checks a function that is laid out in memory; its header too. `why` is also set when memory is exhausted.
Verdict verify_function(Vm& vm, const FunctionHeader& function, const KnownNames& known);
/// All variables and names of the machine; for code that was linked to it.
bool known_variables(Vm& vm, Scratch<u64>& variables, Scratch<u64>& names);
/// The objects that a function's code names as constants.
bool constants_of(const FunctionHeader& function, Scratch<Term>& constants);

}  // namespace lonala
