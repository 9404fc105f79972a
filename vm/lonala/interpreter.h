// vm/lonala/interpreter.h — running compiled code.
#pragma once
#include "vm/lonala/code.h"
#include "vm/lonala/heap.h"

namespace lonala {

enum class Stop : u8 {
  Done,     // the bottom frame returned; its value is in `pending`
  Slice,    // out of reductions: runnable
  Waiting,  // inside a `receive`
  Ended,    // an error or exit; the reason is in `pending`
};

/// Runs the process from where it stands until something stops it. `vm.process` is the process.
Stop interpret(Vm& vm);
/// Prepares a process to call a function of no arguments in a fresh bottom frame.
void process_start(Vm& vm, Process& process, Term function);
/// Calls a function from C++ and returns its value or kRaised. Objects of the process do not move meanwhile; a `receive` that would
/// have to wait raises `:badarg`, and so does nesting beyond kNestedMax.
Term call_function(Vm& vm, Term function, const Term* args, u32 count);
constexpr u32 kNestedMax = 40;

/// Makes the stubs that vars and bottom frames point at.
bool interpreter_create(Vm& vm);

}  // namespace lonala
