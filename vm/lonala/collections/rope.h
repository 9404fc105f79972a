// vm/lonala/collections/rope.h — vectors that were put together or cut out: a balanced tree (AVL) whose leaves are flat vectors, tries, and
// views of parts of such. So joining and slicing cost O(log n), and an element is found in O(log n).
// Invariants  R1 the heights of the two sides of a rope differ by at most 1.  R2 a view shows more than 32 elements of a trie.
#pragma once
#include "vm/lonala/heap.h"

namespace lonala {

/// Words of a rope: count, height, left, right; of a view: count, first, trie. Metadata behind.
inline bool is_rope(const Vm& vm, Term vector) { return type_of_header(vm.object(vector)[0]) == Type::Rope; }
inline bool is_view(const Vm& vm, Term vector) { return type_of_header(vm.object(vector)[0]) == Type::View; }

/// The vectors one after the other; the metadata is dropped.
Term rope_join(Vm& vm, Term first, Term second);
/// The elements [from, to), which are in range; the metadata is dropped.
Term rope_slice(Vm& vm, Term vector, u64 from, u64 to);
/// Leads from a rope or view to the flat vector or trie that has the element; `index` becomes its place there.
Term rope_leaf(const Vm& vm, Term vector, u64& index);
Term rope_put(Vm& vm, Term vector, u64 index, Term value);
Term rope_append(Vm& vm, Term vector, Term value);
Term rope_with_meta(Vm& vm, Term vector, Term meta);

}  // namespace lonala
