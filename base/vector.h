// base/vector.h — a growing array whose allocator is named by its owner. Move-only: a copy is written `clone()`.
// Tested by   tests/base/containers_test.cpp (model: std::vector)
#pragma once
#include <algorithm>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

#include "base/allocator.h"
#include "base/assert.h"
#include "base/types.h"

namespace base {

template <class T>
class Vector {
 public:
  using value_type = T;
  using iterator = T*;
  using const_iterator = const T*;

  /// Empty; nothing is allocated yet. `allocator` outlives the vector.
  explicit Vector(Allocator& allocator) : allocator_(&allocator) {}
  Vector(Vector&& other) noexcept
      : allocator_(other.allocator_),
        data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  Vector& operator=(Vector&& other) noexcept {
    if (this != &other) {
      free_all();
      allocator_ = other.allocator_;
      data_ = std::exchange(other.data_, nullptr);
      size_ = std::exchange(other.size_, 0);
      capacity_ = std::exchange(other.capacity_, 0);
    }
    return *this;
  }
  Vector(const Vector&) = delete;
  Vector& operator=(const Vector&) = delete;
  ~Vector() { free_all(); }

  Vector clone() const { return clone_into(*allocator_); }
  Vector clone_into(Allocator& allocator) const {
    Vector copy(allocator);
    copy.append(span());
    return copy;
  }

  u64 size() const { return size_; }
  u64 capacity() const { return capacity_; }
  bool empty() const { return size_ == 0; }
  Allocator& allocator() const { return *allocator_; }

  T* data() { return data_; }
  const T* data() const { return data_; }
  T* begin() { return data_; }
  T* end() { return data_ + size_; }
  const T* begin() const { return data_; }
  const T* end() const { return data_ + size_; }
  std::span<T> span() { return {data_, size_}; }
  std::span<const T> span() const { return {data_, size_}; }

  T& operator[](u64 index) {
    ASSERT(index < size_);
    return data_[index];
  }
  const T& operator[](u64 index) const {
    ASSERT(index < size_);
    return data_[index];
  }
  T& front() { return (*this)[0]; }
  const T& front() const { return (*this)[0]; }
  T& back() { return (*this)[size_ - 1]; }
  const T& back() const { return (*this)[size_ - 1]; }

  template <class... A>
  T& emplace_back(A&&... arguments) {
    if (size_ < capacity_) return *new (data_ + size_++) T(std::forward<A>(arguments)...);
    T value(std::forward<A>(arguments)...);  // before growing: an argument may lie in this vector
    grow_to(size_ + 1);
    return *new (data_ + size_++) T(std::move(value));
  }
  T& push_back(T value) { return emplace_back(std::move(value)); }
  void pop_back() {
    ASSERT(size_ > 0);
    size_ -= 1;
    data_[size_].~T();
  }
  /// Removes and returns the last element.
  T take_back() {
    T value = std::move(back());
    pop_back();
    return value;
  }

  /// Appends copies; `values` does not lie in this vector.
  void append(std::span<const T> values) {
    ASSERT(values.empty() || !contains(values.data()));
    reserve_more(values.size());
    for (const T& value : values) new (data_ + size_++) T(value);
  }
  /// Inserts before `index` ≤ size().
  T& insert(u64 index, T value) {
    ASSERT(index <= size_);
    emplace_back(std::move(value));
    std::rotate(begin() + index, end() - 1, end());
    return data_[index];
  }
  /// Inserts copies before `index`; `values` does not lie in this vector.
  void insert(u64 index, std::span<const T> values) {
    ASSERT(index <= size_);
    const u64 old_size = size_;
    append(values);
    std::rotate(begin() + index, begin() + old_size, end());
  }
  /// Removes `count` elements from `index` on; the order of the others stays.
  void erase(u64 index, u64 count = 1) {
    ASSERT(index <= size_ && count <= size_ - index);
    if (count == 0) return;
    std::move(begin() + index + count, end(), begin() + index);
    truncate(size_ - count);
  }
  /// Removes the elements from `size` on.
  void truncate(u64 size) {
    ASSERT(size <= size_);
    while (size_ > size) pop_back();
  }
  /// New elements are value-initialised.
  void resize(u64 size) {
    if (size <= size_) return truncate(size);
    reserve(size);
    while (size_ < size) new (data_ + size_++) T();
  }
  void resize(u64 size, const T& value) {
    if (size <= size_) return truncate(size);
    const T copy = value;  // it may lie in this vector
    reserve(size);
    while (size_ < size) new (data_ + size_++) T(copy);
  }
  /// Room for `capacity` elements in all, exactly.
  void reserve(u64 capacity) {
    if (capacity > capacity_) set_capacity(capacity);
  }
  /// The same as an ordinary question: false, and nothing changed, when memory is exhausted.
  bool try_reserve(u64 capacity) {
    if (capacity <= capacity_) return true;
    if (capacity > kElementsMax) return false;
    T* room = static_cast<T*>(allocator_->try_allocate(capacity * sizeof(T), alignof(T)));
    if (room == nullptr) return false;
    move_to(room, capacity);
    return true;
  }
  void clear() { truncate(0); }

  friend bool operator==(const Vector& a, const Vector& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
  }

 private:
  static constexpr u64 kElementsMax = (u64{1} << 40) / sizeof(T);
  static constexpr u64 kFirstCapacity = sizeof(T) >= 64 ? 4 : sizeof(T) >= 8 ? 8 : 32;

  bool contains(const T* at) const {
    const auto address = reinterpret_cast<std::uintptr_t>(at);   // det-ok: whether it lies inside
    const auto start = reinterpret_cast<std::uintptr_t>(data_);  // det-ok: whether it lies inside
    return data_ != nullptr && address >= start && address < start + size_ * sizeof(T);
  }
  void reserve_more(u64 count) {
    ASSERT(count <= kElementsMax - size_);
    if (size_ + count > capacity_) grow_to(size_ + count);
  }
  void grow_to(u64 capacity_min) { set_capacity(std::max({capacity_min, capacity_ * 2, kFirstCapacity})); }
  void set_capacity(u64 capacity) {
    ASSERT(capacity <= kElementsMax);
    move_to(static_cast<T*>(allocator_->allocate(capacity * sizeof(T), alignof(T))), capacity);
  }
  void move_to(T* room, u64 capacity) {
    if constexpr (std::is_trivially_copyable_v<T>) {
      if (size_ != 0) __builtin_memcpy(static_cast<void*>(room), data_, size_ * sizeof(T));
    } else {
      for (u64 i = 0; i < size_; ++i) {
        new (room + i) T(std::move(data_[i]));
        data_[i].~T();
      }
    }
    if (data_ != nullptr) allocator_->release(data_, capacity_ * sizeof(T));
    data_ = room;
    capacity_ = capacity;
  }
  void free_all() {
    truncate(0);
    if (data_ != nullptr) allocator_->release(data_, capacity_ * sizeof(T));
    data_ = nullptr;
    capacity_ = 0;
  }

  Allocator* allocator_;
  T* data_ = nullptr;
  u64 size_ = 0;
  u64 capacity_ = 0;
};

}  // namespace base
