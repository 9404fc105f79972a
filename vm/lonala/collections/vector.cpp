#include "vm/lonala/collections/vector.h"

#include <algorithm>

#include "vm/lonala/collections/rope.h"
#include "vm/lonala/errors.h"

#include "base/enforce.h"

namespace lonala {
namespace {

constexpr u64 kWidth = 32;

Term make_node(Vm& vm, Type type, const Term* elements, u64 count, Term meta) {
  u64* object = heap_take(vm, 1 + count + (meta != kNil));
  object[0] = header(type, count + (meta != kNil), meta != kNil ? kHasMeta : 0);
  std::copy(elements, elements + count, object + 1);
  if (meta != kNil) object[1 + count] = meta;
  return refer(vm.offset(object), Tag::Boxed);
}

struct Trie {
  u64 count;
  u32 shift;  // of the root: 5 × its height above the leaves
  Term root;  // a node of leaves; kNil while everything fits the tail
  Term tail;
  Term meta;
  u64 tail_start() const { return (count - 1) / kWidth * kWidth; }
};

Trie open(const Vm& vm, Term vector) {
  const u64* words = vm.object(vector);
  return {static_cast<u64>(small_value(words[1])), static_cast<u32>(small_value(words[2])), words[3], words[4],
          vector_meta(vm, vector)};
}

Term close(Vm& vm, const Trie& trie) {
  const Term words[4] = {small(static_cast<i64>(trie.count)), small(trie.shift), trie.root, trie.tail};
  return make_node(vm, Type::Trie, words, 4, trie.meta);
}

/// A path of single children down to `leaf`.
Term make_path(Vm& vm, u32 shift, Term leaf) {
  for (u32 level = 0; level < shift; level += 5) {
    const Term child[1] = {leaf};
    leaf = make_node(vm, Type::VectorNode, child, 1, kNil);
  }
  return leaf;
}

Term push_leaf(Vm& vm, Term node, u32 shift, u64 index, Term leaf) {
  const u64* words = vm.object(node);
  const u64 count = words_of_header(words[0]);
  Term children[kWidth];
  std::copy(words + 1, words + 1 + count, children);
  const u64 at = index >> shift & (kWidth - 1);
  if (shift == 5) {
    children[at] = leaf;
  } else if (at < count) {
    children[at] = push_leaf(vm, children[at], shift - 5, index, leaf);
  } else {
    children[at] = make_path(vm, shift - 5, leaf);
  }
  return make_node(vm, Type::VectorNode, children, std::max(count, at + 1), kNil);
}

Term replace(Vm& vm, Term node, u32 shift, u64 index, Term value) {
  const u64* words = vm.object(node);
  const u64 count = words_of_header(words[0]);
  Term children[kWidth];
  std::copy(words + 1, words + 1 + count, children);
  const u64 at = index >> shift & (kWidth - 1);
  children[at] = shift == 0 ? value : replace(vm, children[at], shift - 5, index, value);
  return make_node(vm, Type::VectorNode, children, count, kNil);
}

}  // namespace

Term vector_meta(const Vm& vm, Term vector) {
  const u64* words = vm.object(vector);
  return (flags_of_header(words[0]) & kHasMeta) != 0 ? words[words_of_header(words[0])] : kNil;
}

u64 vector_count(const Vm& vm, Term vector) {
  const u64* words = vm.object(vector);
  if (type_of_header(words[0]) != Type::Vector) return static_cast<u64>(small_value(words[1]));
  return words_of_header(words[0]) - (flags_of_header(words[0]) & kHasMeta);
}

Term vector_at(const Vm& vm, Term vector, u64 index) {
  const u64* words = vm.object(vector);
  if (type_of_header(words[0]) == Type::Vector) return words[1 + index];
  if (type_of_header(words[0]) != Type::Trie) {
    const Term leaf = rope_leaf(vm, vector, index);
    return vector_at(vm, leaf, index);
  }
  const Trie trie = open(vm, vector);
  if (index >= trie.tail_start()) return vm.object(trie.tail)[1 + index % kWidth];
  Term node = trie.root;
  for (u32 shift = trie.shift; shift > 0; shift -= 5) node = vm.object(node)[1 + (index >> shift & (kWidth - 1))];
  return vm.object(node)[1 + index % kWidth];
}

Term vector_with_meta(Vm& vm, Term vector, Term meta) {
  const u64* words = vm.object(vector);
  if (type_of_header(words[0]) == Type::Vector) {
    return make_node(vm, Type::Vector, words + 1, vector_count(vm, vector), meta);
  }
  if (type_of_header(words[0]) != Type::Trie) return rope_with_meta(vm, vector, meta);
  Trie trie = open(vm, vector);
  trie.meta = meta;
  return close(vm, trie);
}

Term vector_append(Vm& vm, Term vector, Term value) {
  const u64 count = vector_count(vm, vector);
  const u64* words = vm.object(vector);
  Term elements[kWidth];
  if (type_of_header(words[0]) == Type::Vector) {
    std::copy(words + 1, words + 1 + count, elements);
    if (count < kWidth) {
      elements[count] = value;
      return make_node(vm, Type::Vector, elements, count + 1, vector_meta(vm, vector));
    }
    const Term leaf = make_node(vm, Type::VectorNode, elements, kWidth, kNil);
    const Term root[1] = {leaf};
    const Term tail[1] = {value};
    return close(vm, {count + 1, 5, make_node(vm, Type::VectorNode, root, 1, kNil),
                      make_node(vm, Type::VectorNode, tail, 1, kNil), vector_meta(vm, vector)});
  }
  if (type_of_header(words[0]) != Type::Trie) return rope_append(vm, vector, value);
  Trie trie = open(vm, vector);
  const u64 in_tail = count - trie.tail_start();
  if (in_tail < kWidth) {
    std::copy(vm.object(trie.tail) + 1, vm.object(trie.tail) + 1 + in_tail, elements);
    elements[in_tail] = value;
    trie.tail = make_node(vm, Type::VectorNode, elements, in_tail + 1, kNil);
  } else {
    const u64 index = count - kWidth;
    if (index >> trie.shift >= kWidth) {  // the root is full
      const Term children[2] = {trie.root, make_path(vm, trie.shift, trie.tail)};
      trie.root = make_node(vm, Type::VectorNode, children, 2, kNil);
      trie.shift += 5;
    } else {
      trie.root = push_leaf(vm, trie.root, trie.shift, index, trie.tail);
    }
    elements[0] = value;
    trie.tail = make_node(vm, Type::VectorNode, elements, 1, kNil);
  }
  trie.count += 1;
  return close(vm, trie);
}

Term vector_put(Vm& vm, Term vector, u64 index, Term value) {
  const u64 count = vector_count(vm, vector);
  if (index == count) return vector_append(vm, vector, value);
  const u64* words = vm.object(vector);
  if (type_of_header(words[0]) == Type::Vector) {
    Term elements[kWidth];
    std::copy(words + 1, words + 1 + count, elements);
    elements[index] = value;
    return make_node(vm, Type::Vector, elements, count, vector_meta(vm, vector));
  }
  if (type_of_header(words[0]) != Type::Trie) return rope_put(vm, vector, index, value);
  Trie trie = open(vm, vector);
  if (index >= trie.tail_start()) {
    Term elements[kWidth];
    const u64 in_tail = count - trie.tail_start();
    std::copy(vm.object(trie.tail) + 1, vm.object(trie.tail) + 1 + in_tail, elements);
    elements[index % kWidth] = value;
    trie.tail = make_node(vm, Type::VectorNode, elements, in_tail, kNil);
  } else {
    trie.root = replace(vm, trie.root, trie.shift, index, value);
  }
  return close(vm, trie);
}

Term vector_leaf(Vm& vm, const Term* elements) { return make_node(vm, Type::VectorNode, elements, kWidth, kNil); }

Term make_vector(Vm& vm, Scratch<Term>& leaves, const Term* tail, u64 tail_count, Term meta) {
  if (leaves.empty()) return make_node(vm, Type::Vector, tail, tail_count, meta);
  const u64 count = leaves.size() * kWidth + tail_count;
  // The levels above the leaves, each a row of nodes.
  u32 shift = 0;
  do {
    u64 out = 0;
    for (u64 i = 0; i < leaves.size(); i += kWidth) {
      leaves[out] = make_node(vm, Type::VectorNode, leaves.data() + i, std::min(kWidth, leaves.size() - i), kNil);
      out += 1;
    }
    leaves.shrink(out);
    shift += 5;
  } while (leaves.size() > 1);
  if (leaves.failed() || heap_failed(vm)) return raise_oom(vm, count);
  return close(vm, {count, shift, leaves[0], make_node(vm, Type::VectorNode, tail, tail_count, kNil), meta});
}

Term make_vector(Vm& vm, const Term* elements, u64 count, Term meta) {
  Scratch<Term> leaves(vm);
  u64 done = 0;
  for (; count - done > kWidth; done += kWidth) leaves.push(vector_leaf(vm, elements + done));
  return make_vector(vm, leaves, elements + done, count - done, meta);
}

}  // namespace lonala
