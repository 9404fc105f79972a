// vm/lonala/compile/compiler.h — forms to functions. One pass, registers handed out like a stack; macros run in the compiling
// process while it compiles. Forms may nest kFormDepthMax deep; deeper ones are a `:syntax-error`.
#pragma once
#include "vm/lonala/code.h"
#include "vm/lonala/heap.h"

namespace lonala {

constexpr u32 kFormDepthMax = 2000;

/// Where a top-level form comes from; what is defined remembers it. `text` may be empty: the library's lies in the machine.
struct Unit {
  std::string_view file;
  u64 line = 0;
  std::string_view text;
};

/// Compiles a top-level form to a function of no arguments. kRaised with the reason in `pending`.
Term compile_form(Vm& vm, Term form, const Unit& unit = {});
/// One step of macro expansion of the outermost form: the form itself if its head is no macro.
Term macroexpand_once(Vm& vm, Term form);

}  // namespace lonala
