#include "vm/lonala/collections/rope.h"

#include <algorithm>

#include "vm/lonala/collections/vector.h"

#include "base/enforce.h"

namespace lonala {
namespace {

constexpr u64 kFlatMax = 32;

struct Rope {
  u64 count;
  u64 height;
  Term left;
  Term right;
};

Rope open(const Vm& vm, Term rope) {
  const u64* words = vm.object(rope);
  return {static_cast<u64>(small_value(words[1])), static_cast<u64>(small_value(words[2])), words[3], words[4]};
}

u64 height_of(const Vm& vm, Term vector) { return is_rope(vm, vector) ? open(vm, vector).height : 0; }

Term make(Vm& vm, Type type, std::initializer_list<Term> parts, Term meta) {
  u64* words = heap_take(vm, parts.size() + 1 + (meta != kNil));
  words[0] = header(type, parts.size() + (meta != kNil), meta != kNil ? kHasMeta : 0);
  std::copy(parts.begin(), parts.end(), words + 1);
  if (meta != kNil) words[1 + parts.size()] = meta;
  return refer(vm.offset(words), Tag::Boxed);
}

Term make_rope(Vm& vm, Term left, Term right, Term meta = kNil) {
  const u64 count = vector_count(vm, left) + vector_count(vm, right);
  const u64 height = 1 + std::max(height_of(vm, left), height_of(vm, right));
  return make(vm, Type::Rope, {small(static_cast<i64>(count)), small(static_cast<i64>(height)), left, right}, meta);
}

Term make_view(Vm& vm, Term trie, u64 from, u64 count, Term meta = kNil) {
  return make(vm, Type::View, {small(static_cast<i64>(count)), small(static_cast<i64>(from)), trie}, meta);
}
u64 view_first(const Vm& vm, Term view) { return static_cast<u64>(small_value(vm.object(view)[2])); }
Term view_trie(const Vm& vm, Term view) { return vm.object(view)[3]; }

/// Both sides as one node, when their heights differ by at most 2 and each is balanced.
Term balance(Vm& vm, Term left, Term right) {
  const u64 l = height_of(vm, left);
  const u64 r = height_of(vm, right);
  if (l > r + 1) {
    const Rope rope = open(vm, left);
    if (height_of(vm, rope.left) >= height_of(vm, rope.right)) {
      return make_rope(vm, rope.left, make_rope(vm, rope.right, right));
    }
    const Rope inner = open(vm, rope.right);
    return make_rope(vm, make_rope(vm, rope.left, inner.left), make_rope(vm, inner.right, right));
  }
  if (r > l + 1) {
    const Rope rope = open(vm, right);
    if (height_of(vm, rope.right) >= height_of(vm, rope.left)) {
      return make_rope(vm, make_rope(vm, left, rope.left), rope.right);
    }
    const Rope inner = open(vm, rope.left);
    return make_rope(vm, make_rope(vm, left, inner.left), make_rope(vm, inner.right, rope.right));
  }
  return make_rope(vm, left, right);
}

}  // namespace

Term rope_join(Vm& vm, Term first, Term second) {
  const u64 a = vector_count(vm, first);
  const u64 b = vector_count(vm, second);
  if (a == 0) return second;
  if (b == 0) return first;
  if (a + b <= kFlatMax) {
    Term elements[kFlatMax];
    for (u64 i = 0; i < a + b; ++i) elements[i] = i < a ? vector_at(vm, first, i) : vector_at(vm, second, i - a);
    return make_vector(vm, elements, a + b);
  }
  const u64 l = height_of(vm, first);
  const u64 r = height_of(vm, second);
  if (l > r + 1) {  // into the side of the higher one that faces the other: ≤ its height calls
    const Rope rope = open(vm, first);
    return balance(vm, rope.left, rope_join(vm, rope.right, second));
  }
  if (r > l + 1) {
    const Rope rope = open(vm, second);
    return balance(vm, rope_join(vm, first, rope.left), rope.right);
  }
  return make_rope(vm, first, second);
}

Term rope_slice(Vm& vm, Term vector, u64 from, u64 to) {
  if (to - from == vector_count(vm, vector))
    return vector_meta(vm, vector) == kNil ? vector : vector_with_meta(vm, vector, kNil);
  if (to - from <= kFlatMax) {
    Term elements[kFlatMax];
    for (u64 i = from; i < to; ++i) elements[i - from] = vector_at(vm, vector, i);
    return make_vector(vm, elements, to - from);
  }
  if (is_view(vm, vector)) return make_view(vm, view_trie(vm, vector), view_first(vm, vector) + from, to - from);
  if (!is_rope(vm, vector)) return make_view(vm, vector, from, to - from);
  const Rope rope = open(vm, vector);
  const u64 left = vector_count(vm, rope.left);
  if (to <= left) return rope_slice(vm, rope.left, from, to);
  if (from >= left) return rope_slice(vm, rope.right, from - left, to - left);
  const Term head = rope_slice(vm, rope.left, from, left);
  return rope_join(vm, head, rope_slice(vm, rope.right, 0, to - left));
}

Term rope_leaf(const Vm& vm, Term vector, u64& index) {
  for (;;) {  // ≤ height + 1 rounds
    if (is_rope(vm, vector)) {
      const Rope rope = open(vm, vector);
      const u64 left = vector_count(vm, rope.left);
      vector = index < left ? rope.left : rope.right;
      if (index >= left) index -= left;
    } else if (is_view(vm, vector)) {
      index += view_first(vm, vector);
      vector = view_trie(vm, vector);
    } else {
      return vector;
    }
  }
}

Term rope_put(Vm& vm, Term vector, u64 index, Term value) {
  const Term meta = vector_meta(vm, vector);
  if (is_view(vm, vector)) {
    const u64 first = view_first(vm, vector);
    const Term trie = vector_put(vm, view_trie(vm, vector), first + index, value);
    return make_view(vm, trie, first, vector_count(vm, vector), meta);
  }
  const Rope rope = open(vm, vector);
  const u64 left = vector_count(vm, rope.left);
  if (index < left) return make_rope(vm, vector_put(vm, rope.left, index, value), rope.right, meta);
  return make_rope(vm, rope.left, vector_put(vm, rope.right, index - left, value), meta);
}

Term rope_append(Vm& vm, Term vector, Term value) {
  const Term meta = vector_meta(vm, vector);
  if (is_view(vm, vector)) {
    const Term single[1] = {value};
    const Term plain = make_view(vm, view_trie(vm, vector), view_first(vm, vector), vector_count(vm, vector));
    return make_rope(vm, plain, make_vector(vm, single, 1), meta);
  }
  const Rope rope = open(vm, vector);
  const Term grown = balance(vm, rope.left, vector_append(vm, rope.right, value));
  return meta == kNil ? grown : rope_with_meta(vm, grown, meta);
}

Term rope_with_meta(Vm& vm, Term vector, Term meta) {
  if (is_view(vm, vector)) {
    return make_view(vm, view_trie(vm, vector), view_first(vm, vector), vector_count(vm, vector), meta);
  }
  const Rope rope = open(vm, vector);
  return make_rope(vm, rope.left, rope.right, meta);
}

}  // namespace lonala
