// base/ring.h — queues of fixed capacity: of bytes over a given span, and of N values in place.
// Tested by   tests/base/containers_test.cpp (model: std::deque)
#pragma once
#include <algorithm>
#include <array>
#include <utility>

#include "base/assert.h"
#include "base/types.h"

namespace base {

/// A byte queue over memory it does not own.
class ByteRing {
 public:
  explicit ByteRing(MutableBytes storage) : storage_(storage) {}

  u64 capacity() const { return storage_.size(); }
  u64 size() const { return size_; }
  u64 free() const { return storage_.size() - size_; }
  bool empty() const { return size_ == 0; }

  /// Appends as much as fits and returns how many bytes that was.
  u64 push(Bytes bytes) {
    const u64 count = std::min<u64>(bytes.size(), free());
    const u64 start = wrap(first_ + size_);
    const u64 before_wrap = std::min<u64>(count, storage_.size() - start);
    copy(storage_.data() + start, bytes.data(), before_wrap);
    copy(storage_.data(), bytes.data() + before_wrap, count - before_wrap);
    size_ += count;
    return count;
  }
  bool push(u8 byte) { return push(Bytes(&byte, 1)) == 1; }
  /// Takes up to `out.size()` bytes and returns how many.
  u64 pop(MutableBytes out) {
    const u64 count = peek(0, out);
    discard(count);
    return count;
  }
  /// Copies bytes from `offset` on without taking them; returns how many.
  u64 peek(u64 offset, MutableBytes out) const {
    if (offset >= size_) return 0;
    const u64 count = std::min<u64>(out.size(), size_ - offset);
    const u64 start = wrap(first_ + offset);
    const u64 before_wrap = std::min<u64>(count, storage_.size() - start);
    copy(out.data(), storage_.data() + start, before_wrap);
    copy(out.data() + before_wrap, storage_.data(), count - before_wrap);
    return count;
  }
  /// The longest run of queued bytes that lies in one piece, from the oldest on.
  Bytes front_span() const { return {storage_.data() + first_, std::min<u64>(size_, storage_.size() - first_)}; }
  /// The longest run of free bytes that can be filled in place; then `commit` what was filled.
  MutableBytes free_span() {
    const u64 start = wrap(first_ + size_);
    return {storage_.data() + start, std::min<u64>(free(), storage_.size() - start)};
  }
  void commit(u64 count) {
    ASSERT(count <= free());
    size_ += count;
  }
  void discard(u64 count) {
    ASSERT(count <= size_);
    first_ = wrap(first_ + count);
    size_ -= count;
  }
  /// The byte `index` places behind the oldest.
  u8 operator[](u64 index) const {
    ASSERT(index < size_);
    return storage_[wrap(first_ + index)];
  }
  void clear() { first_ = size_ = 0; }

 private:
  u64 wrap(u64 at) const { return at >= storage_.size() ? at - storage_.size() : at; }
  static void copy(u8* to, const u8* from, u64 count) {
    if (count != 0) __builtin_memcpy(to, from, count);
  }
  MutableBytes storage_;
  u64 first_ = 0;
  u64 size_ = 0;
};

/// A queue of at most N values.
template <class T, u64 N>
class Ring {
  static_assert(N > 0);

 public:
  static constexpr u64 capacity() { return N; }
  u64 size() const { return size_; }
  u64 free() const { return N - size_; }
  bool empty() const { return size_ == 0; }
  bool full() const { return size_ == N; }

  /// False, and nothing changed, when full.
  [[nodiscard]] bool push(T value) {
    if (full()) return false;
    values_[(first_ + size_) % N] = std::move(value);
    size_ += 1;
    return true;
  }
  /// Appends; when full, the oldest value is dropped.
  void push_over(T value) {
    if (full()) drop();
    values_[(first_ + size_) % N] = std::move(value);
    size_ += 1;
  }
  T pop() {
    T value = std::move(front());
    drop();
    return value;
  }
  T& front() { return (*this)[0]; }
  const T& front() const { return (*this)[0]; }
  T& back() { return (*this)[size_ - 1]; }
  const T& back() const { return (*this)[size_ - 1]; }
  /// The value `index` places behind the oldest.
  T& operator[](u64 index) {
    ASSERT(index < size_);
    return values_[(first_ + index) % N];
  }
  const T& operator[](u64 index) const {
    ASSERT(index < size_);
    return values_[(first_ + index) % N];
  }
  void clear() {
    while (!empty()) drop();
  }

 private:
  void drop() {
    ASSERT(size_ > 0);
    values_[first_] = T{};  // what it owned is released now, not when the place is used again
    first_ = (first_ + 1) % N;
    size_ -= 1;
  }
  std::array<T, N> values_{};
  u64 first_ = 0;
  u64 size_ = 0;
};

}  // namespace base
