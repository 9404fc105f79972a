// base/list.h — an intrusive doubly linked list in insertion order. The element holds one hook per list it can join; the
// list owns nothing and allocates nothing.
// Invariants  a hook is in at most one list, and in none when it is destroyed.
// Tested by   tests/base/intrusive_test.cpp (model: std::list)
#pragma once
#include <bit>
#include <cstddef>

#include "base/assert.h"
#include "base/types.h"

namespace base {

/// The object whose member `Member` is at `member`. All our machines follow the Itanium C++ ABI, §2.3: a pointer to a
/// data member is its offset.
template <class T, class M>
T& object_of_member(M& member, M T::*pointer) {
  static_assert(sizeof pointer == sizeof(std::ptrdiff_t));
  const std::ptrdiff_t offset = std::bit_cast<std::ptrdiff_t>(pointer);
  return *reinterpret_cast<T*>(reinterpret_cast<u8*>(&member) - offset);
}

class ListHook {
 public:
  ListHook() = default;
  ListHook(const ListHook&) = delete;
  ListHook& operator=(const ListHook&) = delete;
  ~ListHook() { ASSERT(!is_linked()); }

  bool is_linked() const { return next_ != nullptr; }
  /// Takes the element out of whatever list it is in; O(1). It must be in one.
  void unlink() {
    ASSERT(is_linked());
    previous_->next_ = next_;
    next_->previous_ = previous_;
    next_ = previous_ = nullptr;
  }

 private:
  template <class T, ListHook T::*Hook>
  friend class List;
  ListHook* next_ = nullptr;
  ListHook* previous_ = nullptr;
};

template <class T, ListHook T::*Hook>
class List {
 public:
  List() { head_.next_ = head_.previous_ = &head_; }
  List(const List&) = delete;
  List& operator=(const List&) = delete;
  /// An element outliving its list would keep a hook into nothing, so the list is empty by now.
  ~List() {
    ASSERT(empty());
    head_.next_ = head_.previous_ = nullptr;
  }

  class Iterator {
   public:
    explicit Iterator(ListHook* at) : at_(at) {}
    T& operator*() const { return object_of(*at_); }
    T* operator->() const { return &object_of(*at_); }
    Iterator& operator++() {
      at_ = at_->next_;
      return *this;
    }
    friend bool operator==(const Iterator&, const Iterator&) = default;

   private:
    ListHook* at_;
  };

  bool empty() const { return head_.next_ == &head_; }
  /// O(n).
  u64 count() const {
    u64 result = 0;
    for (const ListHook* at = head_.next_; at != &head_; at = at->next_) result += 1;
    return result;
  }

  /// Null if empty.
  T* front() const { return empty() ? nullptr : &object_of(*head_.next_); }
  T* back() const { return empty() ? nullptr : &object_of(*head_.previous_); }
  /// Neighbours of an element of this list; null at the ends.
  T* next(const T& element) const {
    ListHook* at = (element.*Hook).next_;
    ASSERT(at != nullptr);
    return at == &head_ ? nullptr : &object_of(*at);
  }
  T* previous(const T& element) const {
    ListHook* at = (element.*Hook).previous_;
    ASSERT(at != nullptr);
    return at == &head_ ? nullptr : &object_of(*at);
  }

  void push_back(T& element) { link(element.*Hook, *head_.previous_, head_); }
  void push_front(T& element) { link(element.*Hook, head_, *head_.next_); }
  void insert_before(T& place, T& element) {
    ASSERT((place.*Hook).is_linked());
    link(element.*Hook, *(place.*Hook).previous_, place.*Hook);
  }
  /// `element` is in this list.
  void remove(T& element) { (element.*Hook).unlink(); }
  /// Null if empty.
  T* pop_front() {
    T* first = front();
    if (first != nullptr) remove(*first);
    return first;
  }
  T* pop_back() {
    T* last = back();
    if (last != nullptr) remove(*last);
    return last;
  }
  /// Unlinks every element; O(n).
  void clear() {
    while (pop_front() != nullptr) {
    }
  }

  /// In insertion order. The element under the iterator may not be removed; take `next()` first.
  Iterator begin() const { return Iterator(head_.next_); }
  Iterator end() const { return Iterator(const_cast<ListHook*>(&head_)); }

 private:
  static T& object_of(ListHook& hook) { return object_of_member(hook, Hook); }
  static void link(ListHook& hook, ListHook& previous, ListHook& next) {
    ASSERT(!hook.is_linked());
    hook.previous_ = &previous;
    hook.next_ = &next;
    previous.next_ = &hook;
    next.previous_ = &hook;
  }
  ListHook head_;
};

}  // namespace base
