// base/map.h — a map as a sorted array: iteration in key order, look-up by binary search, insertion in O(n). For tables
// of up to some thousands of entries; a larger index is an intrusive base/tree.h.
// Tested by   tests/base/containers_test.cpp (model: std::map)
#pragma once
#include <utility>

#include "base/vector.h"

namespace base {

/// `a < b`, also between different types (a String and a string_view).
struct Less {
  template <class A, class B>
  constexpr bool operator()(const A& a, const B& b) const {
    return a < b;
  }
};

template <class K, class V, class Compare = Less>
class SortedMap {
 public:
  struct Entry {
    K key;
    V value;
  };

  explicit SortedMap(Allocator& allocator, Compare compare = {}) : entries_(allocator), compare_(compare) {}
  SortedMap(SortedMap&&) noexcept = default;
  SortedMap& operator=(SortedMap&&) noexcept = default;

  u64 size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }
  /// In key order. A key is not to be changed through it.
  Entry* begin() { return entries_.begin(); }
  Entry* end() { return entries_.end(); }
  const Entry* begin() const { return entries_.begin(); }
  const Entry* end() const { return entries_.end(); }
  /// The entry at a place in key order.
  Entry& at_index(u64 index) { return entries_[index]; }
  const Entry& at_index(u64 index) const { return entries_[index]; }

  /// The place of the first entry whose key is not less than `key`; size() if all are less.
  template <class Q>
  u64 lower_bound(const Q& key) const {
    u64 low = 0;
    u64 high = entries_.size();
    while (low < high) {
      const u64 middle = low + (high - low) / 2;
      if (compare_(entries_[middle].key, key)) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }
  /// Null if there is no such key. The pointer is good until the next change of the map.
  template <class Q>
  V* find(const Q& key) {
    const u64 index = lower_bound(key);
    return is_at(index, key) ? &entries_[index].value : nullptr;
  }
  template <class Q>
  const V* find(const Q& key) const {
    const u64 index = lower_bound(key);
    return is_at(index, key) ? &entries_[index].value : nullptr;
  }
  template <class Q>
  bool contains(const Q& key) const {
    return find(key) != nullptr;
  }

  /// Adds an entry; false, and nothing changed, if the key is there already.
  bool insert(K key, V value) {
    const u64 index = lower_bound(key);
    if (is_at(index, key)) return false;
    entries_.insert(index, Entry{std::move(key), std::move(value)});
    return true;
  }
  /// Adds an entry or replaces its value.
  V& put(K key, V value) {
    const u64 index = lower_bound(key);
    if (is_at(index, key)) return entries_[index].value = std::move(value);
    return entries_.insert(index, Entry{std::move(key), std::move(value)}).value;
  }
  /// False if there is no such key.
  template <class Q>
  bool erase(const Q& key) {
    const u64 index = lower_bound(key);
    if (!is_at(index, key)) return false;
    entries_.erase(index);
    return true;
  }
  void erase_index(u64 index) { entries_.erase(index); }
  void clear() { entries_.clear(); }

 private:
  template <class Q>
  bool is_at(u64 index, const Q& key) const {
    return index < entries_.size() && !compare_(key, entries_[index].key);
  }
  Vector<Entry> entries_;
  Compare compare_;
};

}  // namespace base
