// vm/lonala/equality.h — `=`, `compare` and `hash` over all values. Invariants  Q1 keys that are equal have equal hashes.
// Q2 `compare` is a total order and is 0 exactly for equal keys (but exact and float numbers differ).
#pragma once
#include "vm/lonala/work.h"

namespace lonala {

enum class NaN : u8 { EqualsNothing, EqualsItself };
bool equal(Vm& vm, Term a, Term b, NaN nan = NaN::EqualsNothing);
/// Equality of keys of maps and sets.
inline bool same_key(Vm& vm, Term a, Term b) {
  if (a == b) return true;
  const Tag left = tag_of(a);
  if (left == Tag::Small && tag_of(b) == Tag::Small) return false;
  return equal(vm, a, b, NaN::EqualsItself);
}
int compare(Vm& vm, Term a, Term b);
u64 hash(Vm& vm, Term term);

// ── In steps (work.h) ────────────────────────────────────────────────────────────────────────────────────────

/// Two terms still to be compared, from their part number `part` on; what the flags mean, equality.cpp says.
struct TwoTerms {
  Term a;
  Term b;
  u64 part;
  u64 flags;
};

/// `=` or `not=`.
struct EqualWork {
  static constexpr WorkKind kKind = WorkKind::EqualWork;
  static constexpr u32 kKeptCount = 1;
  Kept kept[kKeptCount];  // what is compared later
  TwoTerms now;
  u64 words;  // looked at that are no whole reduction yet
  Term same;  // the value when they are equal

  Term run(Vm& vm, bool stops);
};

/// The order of two terms: -1, 0 or 1. Two maps are compared at once.
struct Comparison {
  TwoTerms now;
  u64 words;

  void begin(Term a, Term b) {
    now = {a, b, 0, 0};
    words += 1;
  }
  /// `kept`: what is compared later.
  Term run(Vm& vm, Kept& kept, bool stops);
};
struct CompareWork {
  static constexpr WorkKind kKind = WorkKind::CompareWork;
  static constexpr u32 kKeptCount = 1;
  Kept kept[kKeptCount];
  Comparison comparison;

  Term run(Vm& vm, bool stops) { return comparison.run(vm, kept[0], stops); }
};

enum class Wanted : u8 { Equal, Different };
/// Whether two terms are equal, or are not: true or false.
Term equal_in_steps(Vm& vm, Term a, Term b, Wanted wanted = Wanted::Equal);
Term compare_in_steps(Vm& vm, Term a, Term b);

}  // namespace lonala
