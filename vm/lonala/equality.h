// vm/lonala/equality.h — `=`, `compare` and `hash` over all values. Invariants  Q1 keys that are equal have equal hashes.
// Q2 `compare` is a total order and is 0 exactly for equal keys (but exact and float numbers differ).
#pragma once
#include "vm/lonala/machine.h"

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

}  // namespace lonala
