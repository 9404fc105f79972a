// vm/lonala/collections/map.h — maps and sets: up to 8 entries flat, then a hash trie of 5 bits a level from the top, so that
// entries lie in ascending order of hash, then of `compare`. A set is a map whose values are nil.
// Bounds      13 levels; entries with one hash are sorted by `compare` in one node.
#pragma once
#include "vm/lonala/heap.h"

namespace lonala {

/// The value of a key, or kNone.
Term map_get(Vm& vm, Term map, Term key);
/// The map with the entry; for sets the value is kNil. kRaised when memory is exhausted.
Term map_put(Vm& vm, Term map, Term key, Term value);
Term map_remove(Vm& vm, Term map, Term key);
u64 map_count(const Vm& vm, Term map);
Term map_meta(const Vm& vm, Term map);
Term map_with_meta(Vm& vm, Term map, Term meta);

/// Calls `visit(key, value)` in iteration order.
template <class Visit>
void map_each_node(const Vm& vm, Term node, Visit& visit) {
  const u64* words = vm.object(node);
  const u64 count = words_of_header(words[0]);
  for (u64 i = type_of_header(words[0]) == Type::MapNode ? 2 : 1; i <= count; ++i) {
    if (is_pair(words[i])) {
      visit(head(vm, words[i]), tail(vm, words[i]));
    } else {
      map_each_node(vm, words[i], visit);
    }
  }
}
template <class Visit>
void map_each(const Vm& vm, Term map, Visit visit) {
  if (tag_of(map) == Tag::Immediate) return;
  const u64* words = vm.object(map);
  const Type type = type_of_header(words[0]);
  if (type == Type::HashMap || type == Type::HashSet) return map_each_node(vm, words[2], visit);
  const u64 count = words_of_header(words[0]) - (flags_of_header(words[0]) & kHasMeta);
  for (u64 i = 1; i + 1 <= count; i += 2) visit(words[i], words[i + 1]);
}

}  // namespace lonala
