// vm/lonala/printer.h — values as text that reads back. Nesting costs memory, never the host's stack.
#pragma once
#include "vm/lonala/work.h"

namespace lonala {

/// What is cut off, with `…` in its place: elements of a collection beyond `length`, collections nested `depth` deep.
struct PrintLimits {
  u64 length = ~u64{0};
  u64 depth = ~u64{0};
};

/// Appends the readable text of a term, on one line.
void print(Vm& vm, Text& out, Term term, PrintLimits limits = {});

// ── In steps (work.h): strings of the running process ────────────────────────────────────────────────────────

/// What is still to be written; printer.cpp says what the numbers mean.
struct PrintItem {
  u64 what;
  Term term;
  u64 index;
};

/// A text under construction, then the string of it.
struct PrintWork {
  static constexpr WorkKind kKind = WorkKind::PrintWork;
  static constexpr u32 kKeptCount = 4;
  Kept kept
      [kKeptCount];  // the text; items, innermost last; the limbs of a long integer, and its digits from the last one on
  u64 failed;        // there was no memory for it
  u64 depth;         // collections that are open
  u64 base;          // of the long integer
  u64 products;      // of limbs, that are no whole reduction yet
  u64 words;         // items, that are none
  Term separator;
  Term made;  // the string, once there is one
  u64 copied;
  u64 characters;

  Term run(Vm& vm, bool stops);
};

/// The readable text.
Term print_string(Vm& vm, Term term);
/// As `str` joins: strings and characters raw, nil empty; what is inside collections stays readable.
Term display_string(Vm& vm, Args args);
/// Those of a list with a string between them.
Term join_string(Vm& vm, Term separator, Term list);
/// A natural number in a base from 2 to 36, lower case; without a sign.
Term digits_string(Vm& vm, Term natural, u32 base);

}  // namespace lonala
