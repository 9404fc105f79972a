#include "vm/lonala/collections/map.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "vm/lonala/equality.h"
#include "vm/lonala/errors.h"

#include "base/enforce.h"

namespace lonala {
namespace {

constexpr u64 kFlatEntriesMax = 8;
constexpr u32 kLevelsMax = 13;  // 12 of 5 bits, the last of 4

bool is_set_root(const Vm& vm, Term map) {
  if (tag_of(map) == Tag::Immediate) return map == kEmptySet;
  const Type type = type_of_header(vm.object(map)[0]);
  return type == Type::Set || type == Type::HashSet;
}
bool is_hashed(const Vm& vm, Term map) {
  if (tag_of(map) == Tag::Immediate) return false;
  const Type type = type_of_header(vm.object(map)[0]);
  return type == Type::HashMap || type == Type::HashSet;
}

/// Which of a node's children the bit belongs to. Without an instruction for it std::popcount is a call.
u64 position_of(u64 bitmap, u64 bit) {
  u32 bits = static_cast<u32>(bitmap & (bit - 1));
  bits -= bits >> 1 & 0x55555555;
  bits = (bits & 0x33333333) + (bits >> 2 & 0x33333333);
  return ((bits + (bits >> 4)) & 0x0F0F0F0F) * 0x01010101 >> 24;
}

u32 index_at(u64 hash, u32 level) {
  const u32 shift = 59 - 5 * level;
  return level == 12 ? static_cast<u32>(hash & 15) : static_cast<u32>(hash >> shift & 31);
}

Term make_flat(Vm& vm, bool set, const Term* entries, u64 count, Term meta) {
  if (count == 0 && meta == kNil) return set ? kEmptySet : kEmptyMap;
  u64* object = heap_take(vm, 1 + 2 * count + (meta != kNil));
  object[0] = header(set ? Type::Set : Type::Map, 2 * count + (meta != kNil), meta != kNil ? kHasMeta : 0);
  std::copy(entries, entries + 2 * count, object + 1);
  if (meta != kNil) object[1 + 2 * count] = meta;
  return refer(vm.offset(object), Tag::Boxed);
}

Term make_root(Vm& vm, bool set, u64 count, Term node, Term meta) {
  u64* object = heap_take(vm, 3 + (meta != kNil));
  object[0] = header(set ? Type::HashSet : Type::HashMap, 2 + (meta != kNil), meta != kNil ? kHasMeta : 0);
  object[1] = small(static_cast<i64>(count));
  object[2] = node;
  if (meta != kNil) object[3] = meta;
  return refer(vm.offset(object), Tag::Boxed);
}

Term make_node(Vm& vm, u64 bitmap, const Term* children, u64 count) {
  u64* object = heap_take(vm, 2 + count);
  object[0] = header(Type::MapNode, 1 + count);
  object[1] = small(static_cast<i64>(bitmap));
  std::copy(children, children + count, object + 2);
  return refer(vm.offset(object), Tag::Boxed);
}

/// The node below `level` for two entries with different hashes or keys.
Term make_two(Vm& vm, u32 level, Term a, u64 a_hash, Term b, u64 b_hash) {
  if (level == kLevelsMax) {
    u64* object = heap_take(vm, 3);
    const bool first = compare(vm, head(vm, a), head(vm, b)) < 0;
    object[0] = header(Type::Collision, 2);
    object[1] = first ? a : b;
    object[2] = first ? b : a;
    return refer(vm.offset(object), Tag::Boxed);
  }
  const u32 i = index_at(a_hash, level);
  const u32 j = index_at(b_hash, level);
  if (i == j) {
    const Term child[1] = {make_two(vm, level + 1, a, a_hash, b, b_hash)};
    return make_node(vm, u64{1} << i, child, 1);
  }
  const Term children[2] = {i < j ? a : b, i < j ? b : a};
  return make_node(vm, u64{1} << i | u64{1} << j, children, 2);
}

/// Where the key is or would be among the sorted entries of a collision node (0-based).
u64 collision_index(Vm& vm, const u64* words, Term key, bool& found) {
  u64 low = 0;
  u64 high = words_of_header(words[0]);
  found = false;
  while (low < high) {
    const u64 middle = (low + high) / 2;
    const int order = compare(vm, key, head(vm, words[1 + middle]));
    if (order == 0) {
      found = true;
      return middle;
    }
    if (order < 0) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

Term node_put(Vm& vm, Term node, u32 level, Term entry, u64 key_hash, bool& added) {
  const u64* words = vm.object(node);
  const Term key = head(vm, entry);
  const u64 size = words_of_header(words[0]);
  if (type_of_header(words[0]) == Type::Collision) {
    bool found = false;
    const u64 at = collision_index(vm, words, key, found);
    added = !found;
    if (size + 2 > kSmallWordsMax && !heap_room(vm, size + 2)) return raise_oom(vm, size);
    u64* object = heap_take(vm, size + 1 + !found);
    object[0] = header(Type::Collision, size + !found);
    std::copy(words + 1, words + 1 + at, object + 1);
    object[1 + at] = entry;
    std::copy(words + 1 + at + found, words + 1 + size, object + 2 + at);
    return refer(vm.offset(object), Tag::Boxed);
  }
  const u64 bitmap = static_cast<u64>(small_value(words[1]));
  const u64 bit = u64{1} << index_at(key_hash, level);
  const u64 at = position_of(bitmap, bit);
  const u64 count = size - 1;
  if ((bitmap & bit) == 0) {
    u64* object = heap_take(vm, 3 + count);
    object[0] = header(Type::MapNode, 2 + count);
    object[1] = small(static_cast<i64>(bitmap | bit));
    std::copy(words + 2, words + 2 + at, object + 2);
    object[2 + at] = entry;
    std::copy(words + 2 + at, words + 2 + count, object + 3 + at);
    added = true;
    return refer(vm.offset(object), Tag::Boxed);
  }
  const Term there = words[2 + at];
  Term child = entry;
  added = false;
  if (!is_pair(there)) {
    child = node_put(vm, there, level + 1, entry, key_hash, added);
    if (child == kRaised) return kRaised;
  } else if (!same_key(vm, head(vm, there), key)) {
    child = make_two(vm, level + 1, there, hash(vm, head(vm, there)), entry, key_hash);
    added = true;
  }
  u64* object = heap_take(vm, 2 + count);
  std::copy(words, words + 2 + count, object);
  object[2 + at] = child;
  return refer(vm.offset(object), Tag::Boxed);
}

/// kNone when nothing is left below.
Term node_remove(Vm& vm, Term node, u32 level, Term key, u64 key_hash, bool& removed) {
  const u64* words = vm.object(node);
  const u64 size = words_of_header(words[0]);
  if (type_of_header(words[0]) == Type::Collision) {
    const u64 at = collision_index(vm, words, key, removed);
    if (!removed) return node;
    if (size == 2) return words[2 - at];
    if (size > kSmallWordsMax && !heap_room(vm, size)) return raise_oom(vm, size);
    u64* object = heap_take(vm, size);
    object[0] = header(Type::Collision, size - 1);
    std::copy(words + 1, words + 1 + at, object + 1);
    std::copy(words + 2 + at, words + 1 + size, object + 1 + at);
    return refer(vm.offset(object), Tag::Boxed);
  }
  const u64 bitmap = static_cast<u64>(small_value(words[1]));
  const u64 bit = u64{1} << index_at(key_hash, level);
  if ((bitmap & bit) == 0) return node;
  const u64 at = position_of(bitmap, bit);
  const u64 count = size - 1;
  Term children[32];
  std::copy(words + 2, words + 2 + count, children);
  const Term there = children[at];
  if (is_pair(there)) {
    if (!same_key(vm, head(vm, there), key)) return node;
    removed = true;
    if (count == 1) return kNone;
    std::copy(children + at + 1, children + count, children + at);
    if (count == 2 && is_pair(children[0]) && level > 0) return children[0];
    return make_node(vm, bitmap & ~bit, children, count - 1);
  }
  children[at] = node_remove(vm, there, level + 1, key, key_hash, removed);
  if (!removed) return node;
  if (children[at] == kRaised) return kRaised;
  if (count == 1 && is_pair(children[0]) && level > 0) return children[0];
  return make_node(vm, bitmap, children, count);
}

Term node_get(Vm& vm, Term node, Term key) {
  const u64 key_hash = hash(vm, key);
  for (u32 level = 0;; ++level) {  // ≤ kLevelsMax rounds
    const u64* words = vm.object(node);
    if (type_of_header(words[0]) == Type::Collision) {
      bool found = false;
      const u64 at = collision_index(vm, words, key, found);
      return found ? tail(vm, words[1 + at]) : kNone;
    }
    const u64 bitmap = static_cast<u64>(small_value(words[1]));
    const u64 bit = u64{1} << index_at(key_hash, level);
    if ((bitmap & bit) == 0) return kNone;
    const Term there = words[2 + position_of(bitmap, bit)];
    if (is_pair(there)) return same_key(vm, head(vm, there), key) ? tail(vm, there) : kNone;
    node = there;
  }
}

}  // namespace

Term map_meta(const Vm& vm, Term map) {
  if (tag_of(map) == Tag::Immediate) return kNil;
  const u64* words = vm.object(map);
  return (flags_of_header(words[0]) & kHasMeta) != 0 ? words[words_of_header(words[0])] : kNil;
}

Term map_with_meta(Vm& vm, Term map, Term meta) {
  const bool set = is_set_root(vm, map);
  if (is_hashed(vm, map)) return make_root(vm, set, map_count(vm, map), vm.object(map)[2], meta);
  const u64 count = map_count(vm, map);
  return make_flat(vm, set, count == 0 ? nullptr : vm.object(map) + 1, count, meta);
}

u64 map_count(const Vm& vm, Term map) {
  if (tag_of(map) == Tag::Immediate) return 0;
  const u64* words = vm.object(map);
  if (is_hashed(vm, map)) return static_cast<u64>(small_value(words[1]));
  return (words_of_header(words[0]) - (flags_of_header(words[0]) & kHasMeta)) / 2;
}

Term map_get(Vm& vm, Term map, Term key) {
  if (tag_of(map) == Tag::Immediate) return kNone;
  const u64* words = vm.object(map);
  if (is_hashed(vm, map)) return node_get(vm, words[2], key);
  const u64 count = words_of_header(words[0]) - (flags_of_header(words[0]) & kHasMeta);
  if (is_keyword(key) || is_small(key)) {  // such a key is one word; an equal number of another width is found below
    for (u64 i = 1; i + 1 <= count; i += 2) {
      if (words[i] == key) return words[i + 1];
    }
    if (is_keyword(key)) return kNone;
  }
  for (u64 i = 1; i + 1 <= count; i += 2) {
    if (same_key(vm, words[i], key)) return words[i + 1];
  }
  return kNone;
}

Term map_put(Vm& vm, Term map, Term key, Term value) {
  const bool set = is_set_root(vm, map);
  const Term meta = map_meta(vm, map);
  if (is_hashed(vm, map)) {
    bool added = false;
    const Term root = node_put(vm, vm.object(map)[2], 0, make_pair(vm, key, value), hash(vm, key), added);
    if (root == kRaised) return kRaised;
    return make_root(vm, set, map_count(vm, map) + added, root, meta);
  }
  const u64 count = map_count(vm, map);
  Term entries[2 * (kFlatEntriesMax + 1)];
  if (count > 0) std::copy(vm.object(map) + 1, vm.object(map) + 1 + 2 * count, entries);
  for (u64 i = 0; i < count; ++i) {
    if (!same_key(vm, entries[2 * i], key)) continue;
    entries[2 * i] = key;
    entries[2 * i + 1] = value;
    return make_flat(vm, set, entries, count, meta);
  }
  const u64 key_hash = hash(vm, key);
  u64 at = 0;
  while (at < count) {
    const u64 other = hash(vm, entries[2 * at]);
    if (other > key_hash || (other == key_hash && compare(vm, key, entries[2 * at]) < 0)) break;
    at += 1;
  }
  std::copy_backward(entries + 2 * at, entries + 2 * count, entries + 2 * count + 2);
  entries[2 * at] = key;
  entries[2 * at + 1] = value;
  if (count < kFlatEntriesMax) return make_flat(vm, set, entries, count + 1, meta);
  Term node = make_node(vm, 0, nullptr, 0);
  for (u64 i = 0; i <= count; ++i) {
    bool added = false;
    node = node_put(vm, node, 0, make_pair(vm, entries[2 * i], entries[2 * i + 1]), hash(vm, entries[2 * i]), added);
    if (node == kRaised) return kRaised;
  }
  return make_root(vm, set, count + 1, node, meta);
}

Term map_remove(Vm& vm, Term map, Term key) {
  if (tag_of(map) == Tag::Immediate) return map;
  const bool set = is_set_root(vm, map);
  const Term meta = map_meta(vm, map);
  const u64 count = map_count(vm, map);
  Term entries[2 * (kFlatEntriesMax + 1)];
  if (is_hashed(vm, map)) {
    bool removed = false;
    const Term root = node_remove(vm, vm.object(map)[2], 0, key, hash(vm, key), removed);
    if (root == kRaised || !removed) return removed ? root : map;
    if (count - 1 > kFlatEntriesMax) return make_root(vm, set, count - 1, root, meta);
    u64 at = 0;
    auto gather = [&](Term k, Term v) {
      entries[at] = k;
      entries[at + 1] = v;
      at += 2;
    };
    map_each_node(vm, root, gather);
    return make_flat(vm, set, entries, count - 1, meta);
  }
  std::copy(vm.object(map) + 1, vm.object(map) + 1 + 2 * count, entries);
  for (u64 i = 0; i < count; ++i) {
    if (!same_key(vm, entries[2 * i], key)) continue;
    std::copy(entries + 2 * i + 2, entries + 2 * count, entries + 2 * i);
    return make_flat(vm, set, entries, count - 1, meta);
  }
  return map;
}

}  // namespace lonala
