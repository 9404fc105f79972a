// vm/lonala/heap_check.h — whether what a process refers to is really there. A machine under `gc_stress` asks after each collection; it
// costs as much as a full one.
#pragma once
#include "vm/lonala/machine.h"

namespace lonala {

/// What is wrong with a process that has just been collected, or nothing: every reference in its stack, its heap and what else it
/// holds must lead to its block, its old generation, a variable's value or literals; so none leads to where objects were before.
std::string_view heap_problem(const Vm& vm, const Process& process);

}  // namespace lonala
