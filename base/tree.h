// base/tree.h — an intrusive AVL tree: an ordered index over objects that live elsewhere. Nothing is allocated; no call
// recurses; insert, find and remove are O(log n). Equal keys are refused: an order is total.
// Source      Adelson-Velsky, Landis, 1962; Knuth, TAOCP vol. 3, §6.2.3.
// Invariants  T1 in-order is the order of Compare.  T2 heights of two siblings differ by at most one.  T3 parent links
//             match child links.
// Tested by   tests/base/intrusive_test.cpp (model: std::set)
#pragma once
#include <algorithm>

#include "base/assert.h"
#include "base/list.h"
#include "base/map.h"
#include "base/types.h"

namespace base {

class TreeHook {
 public:
  TreeHook() = default;
  TreeHook(const TreeHook&) = delete;
  TreeHook& operator=(const TreeHook&) = delete;
  ~TreeHook() { ASSERT(!is_linked()); }
  bool is_linked() const { return height_ != 0; }

 private:
  template <class T, TreeHook T::*Hook, class Compare>
  friend class Tree;
  TreeHook* child_[2] = {nullptr, nullptr};  // smaller, larger
  TreeHook* parent_ = nullptr;
  u32 height_ = 0;  // 1 for a leaf, 0 when not in a tree
};

template <class T, TreeHook T::*Hook, class Compare = Less>
class Tree {
 public:
  explicit Tree(Compare compare = {}) : compare_(compare) {}
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;
  ~Tree() { ASSERT(root_ == nullptr); }

  class Iterator {
   public:
    explicit Iterator(TreeHook* at) : at_(at) {}
    T& operator*() const { return object_of(*at_); }
    T* operator->() const { return &object_of(*at_); }
    Iterator& operator++() {
      at_ = neighbour(at_, 1);
      return *this;
    }
    friend bool operator==(const Iterator&, const Iterator&) = default;

   private:
    TreeHook* at_;
  };

  bool empty() const { return root_ == nullptr; }
  u64 size() const { return size_; }
  Iterator begin() const { return Iterator(extreme(root_, 0)); }
  Iterator end() const { return Iterator(nullptr); }
  /// Null if empty.
  T* first() const { return object_or_null(extreme(root_, 0)); }
  T* last() const { return object_or_null(extreme(root_, 1)); }
  /// Neighbours in order of an element of this tree; null at the ends.
  T* next(const T& element) const { return object_or_null(neighbour(const_cast<TreeHook*>(&(element.*Hook)), 1)); }
  T* previous(const T& element) const { return object_or_null(neighbour(const_cast<TreeHook*>(&(element.*Hook)), 0)); }

  /// The first element that is not less than `key`; null if all are. Compare is called as (element, key).
  template <class Q>
  T* lower_bound(const Q& key) const {
    TreeHook* best = nullptr;
    for (TreeHook* at = root_; at != nullptr;) {
      const bool less = compare_(object_of(*at), key);
      if (!less) best = at;
      at = at->child_[less ? 1 : 0];
    }
    return object_or_null(best);
  }
  /// The element equal to `key`, or null. Compare is called both ways round.
  template <class Q>
  T* find(const Q& key) const {
    T* candidate = lower_bound(key);
    return candidate != nullptr && !compare_(key, *candidate) ? candidate : nullptr;
  }

  /// False, and nothing changed, if an equal element is in the tree. `element` is in no tree.
  bool insert(T& element) {
    TreeHook& hook = element.*Hook;
    ASSERT(!hook.is_linked());
    TreeHook* parent = nullptr;
    u32 side = 0;
    for (TreeHook* at = root_; at != nullptr; at = at->child_[side]) {
      parent = at;
      if (compare_(element, object_of(*at))) {
        side = 0;
      } else if (compare_(object_of(*at), element)) {
        side = 1;
      } else {
        return false;
      }
    }
    hook.parent_ = parent;
    hook.height_ = 1;
    (parent == nullptr ? root_ : parent->child_[side]) = &hook;
    size_ += 1;
    rebalance_from(parent);
    return true;
  }
  /// `element` is in this tree.
  void remove(T& element) {
    TreeHook& hook = element.*Hook;
    ASSERT(hook.is_linked() && size_ > 0);
    TreeHook* lowest_changed;
    if (hook.child_[0] != nullptr && hook.child_[1] != nullptr) {
      TreeHook* successor = extreme(hook.child_[1], 0);
      lowest_changed = successor->parent_ == &hook ? successor : successor->parent_;
      replace(*successor, successor->child_[1]);
      successor->child_[0] = hook.child_[0];
      successor->child_[1] = hook.child_[1];
      for (TreeHook* child : successor->child_) {
        if (child != nullptr) child->parent_ = successor;
      }
      successor->height_ = hook.height_;
      replace(hook, successor);
    } else {
      lowest_changed = hook.parent_;
      replace(hook, hook.child_[hook.child_[0] != nullptr ? 0 : 1]);
    }
    hook.child_[0] = hook.child_[1] = hook.parent_ = nullptr;
    hook.height_ = 0;
    size_ -= 1;
    rebalance_from(lowest_changed);
  }
  T* pop_first() {
    T* element = first();
    if (element != nullptr) remove(*element);
    return element;
  }
  void clear() {
    while (pop_first() != nullptr) {
    }
  }

  /// T1 to T3; O(n).
  void check_invariants() const {
    u64 seen = 0;
    for (TreeHook* at = extreme(root_, 0); at != nullptr; at = neighbour(at, 1)) {
      const u32 left = height_of(at->child_[0]);
      const u32 right = height_of(at->child_[1]);
      ASSERT(at->height_ == std::max(left, right) + 1);
      ASSERT(left <= right + 1 && right <= left + 1);  // T2
      for (const TreeHook* child : at->child_) {
        if (child != nullptr) ASSERT(child->parent_ == at);  // T3
      }
      if (TreeHook* after = neighbour(at, 1)) ASSERT(compare_(object_of(*at), object_of(*after)));  // T1
      seen += 1;
    }
    ASSERT(seen == size_);
  }

 private:
  static T& object_of(TreeHook& hook) { return object_of_member(hook, Hook); }
  static T* object_or_null(TreeHook* hook) { return hook == nullptr ? nullptr : &object_of(*hook); }
  static u32 height_of(const TreeHook* hook) { return hook == nullptr ? 0 : hook->height_; }
  static TreeHook* extreme(TreeHook* at, u32 side) {
    while (at != nullptr && at->child_[side] != nullptr) at = at->child_[side];
    return at;
  }
  static TreeHook* neighbour(TreeHook* at, u32 side) {
    ASSERT(at->is_linked());
    if (at->child_[side] != nullptr) return extreme(at->child_[side], 1 - side);
    while (at->parent_ != nullptr && at == at->parent_->child_[side]) at = at->parent_;
    return at->parent_;
  }
  static void update_height(TreeHook& hook) {
    hook.height_ = std::max(height_of(hook.child_[0]), height_of(hook.child_[1])) + 1;
  }

  /// Puts `by` (may be null) where `hook` hangs.
  void replace(TreeHook& hook, TreeHook* by) {
    if (hook.parent_ == nullptr) {
      root_ = by;
    } else {
      hook.parent_->child_[hook.parent_->child_[0] == &hook ? 0 : 1] = by;
    }
    if (by != nullptr) by->parent_ = hook.parent_;
  }
  /// Turns `top` down to `side`; its child on the other side comes up and is returned.
  TreeHook* rotate(TreeHook& top, u32 side) {
    TreeHook* up = top.child_[1 - side];
    replace(top, up);
    top.child_[1 - side] = up->child_[side];
    if (up->child_[side] != nullptr) up->child_[side]->parent_ = &top;
    up->child_[side] = &top;
    top.parent_ = up;
    update_height(top);
    update_height(*up);
    return up;
  }
  void rebalance_from(TreeHook* at) {
    for (; at != nullptr; at = at->parent_) {
      const u32 heights[2] = {height_of(at->child_[0]), height_of(at->child_[1])};
      if (heights[0] <= heights[1] + 1 && heights[1] <= heights[0] + 1) {
        update_height(*at);
        continue;
      }
      const u32 high = heights[0] > heights[1] ? 0 : 1;
      TreeHook* child = at->child_[high];
      if (height_of(child->child_[1 - high]) > height_of(child->child_[high])) rotate(*child, high);
      at = rotate(*at, 1 - high);
    }
  }

  TreeHook* root_ = nullptr;
  u64 size_ = 0;
  [[no_unique_address]] Compare compare_;
};

}  // namespace base
