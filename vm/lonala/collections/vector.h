// vm/lonala/collections/vector.h — vectors: up to 32 elements flat, then a radix-32 trie with a tail.
#pragma once
#include "vm/lonala/heap.h"

namespace lonala {

u64 vector_count(const Vm& vm, Term vector);
/// index < count
Term vector_at(const Vm& vm, Term vector, u64 index);
/// index ≤ count: the count appends.
Term vector_put(Vm& vm, Term vector, u64 index, Term value);
Term vector_append(Vm& vm, Term vector, Term value);
/// A vector of `count` terms.
Term make_vector(Vm& vm, const Term* elements, u64 count, Term meta = kNil);
/// The same in pieces: leaves of kLeafElements each, and the 1 to kLeafElements elements behind them, or none at all.
constexpr u64 kLeafElements = 32;
Term vector_leaf(Vm& vm, const Term* elements);
Term make_vector(Vm& vm, Scratch<Term>& leaves, const Term* tail, u64 tail_count, Term meta = kNil);
Term vector_meta(const Vm& vm, Term vector);
Term vector_with_meta(Vm& vm, Term vector, Term meta);

/// Calls `visit(element)` from first to last.
template <class Visit>
void vector_each(const Vm& vm, Term vector, Visit visit) {
  const u64 count = vector_count(vm, vector);
  for (u64 i = 0; i < count; ++i) visit(vector_at(vm, vector, i));
}

}  // namespace lonala
