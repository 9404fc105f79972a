// vm/lonala/printer.h — values as text that reads back. Nesting costs memory, never the host's stack.
#pragma once
#include "vm/lonala/heap.h"

namespace lonala {

/// What is cut off, with `…` in its place: elements of a collection beyond `length`, collections nested `depth` deep.
struct PrintLimits {
  u64 length = ~u64{0};
  u64 depth = ~u64{0};
};

/// Appends the readable text of a term, on one line.
void print(Vm& vm, Text& out, Term term, PrintLimits limits = {});
/// As `str` joins: strings and characters raw, nil empty; what is inside collections stays readable.
void display(Vm& vm, Text& out, Term term);
/// The printed text as a string of the running process.
Term print_string(Vm& vm, Term term);

}  // namespace lonala
