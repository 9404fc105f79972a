// base/arena.h — a bump allocator over a given region: blocks are taken in order and given back all at once, or back to
// a mark.
// Invariants  R1 used ≤ capacity.  R2 a block's place depends on sizes and order alone, never on the region's address.
// Tested by   tests/base/memory_test.cpp
#pragma once
#include <new>
#include <type_traits>

#include "base/allocator.h"
#include "base/assert.h"
#include "base/bytes.h"

namespace base {

class Arena final : public Allocator {
 public:
  struct Mark {
    u64 used = 0;
  };
  static constexpr u64 kRegionAlign = 16;

  /// `region` is aligned to kRegionAlign and outlives the arena.
  explicit Arena(MutableBytes region) : region_(region) { ASSERT(is_region_aligned(kRegionAlign)); }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  /// A full arena is a failed assertion: its size is a bound the owner has chosen.
  void* allocate(u64 bytes, u64 align) override {
    void* block = try_allocate(bytes, align);
    ASSERT(block != nullptr);
    return block;
  }
  /// `align` is at most the alignment of the region itself.
  void* try_allocate(u64 bytes, u64 align) override {
    ASSERT(align != 0 && (align & (align - 1)) == 0);
    ASSERT(align <= kRegionAlign || is_region_aligned(align));  // R2
    const u64 start = align_up(used_, align);
    if (start > region_.size() || bytes > region_.size() - start) return nullptr;
    used_ = start + bytes;
    return region_.data() + start;
  }
  /// The last block is taken back at once, any other with the next rewind or reset.
  void release(void* block, u64 bytes) override {
    const u8* start = static_cast<const u8*>(block);
    ASSERT(start >= region_.data() && bytes <= used_);
    if (start + bytes == region_.data() + used_) used_ -= bytes;
  }

  /// An object in the arena; its destructor is not run.
  template <class T, class... A>
  T& make(A&&... arguments) {
    return *new (allocate(sizeof(T), alignof(T))) T(static_cast<A&&>(arguments)...);
  }
  /// `count` zeroed elements of a plain type.
  template <class T>
  std::span<T> make_span(u64 count) {
    static_assert(std::is_trivially_destructible_v<T>);
    ASSERT(count <= region_.size() / sizeof(T));
    T* first = static_cast<T*>(allocate(count * sizeof(T), alignof(T)));
    for (u64 i = 0; i < count; ++i) new (first + i) T();
    return {first, count};
  }

  Mark mark() const { return {used_}; }
  /// Gives back everything allocated since `mark`.
  void rewind(Mark mark) {
    ASSERT(mark.used <= used_);
    used_ = mark.used;
  }
  void reset() { used_ = 0; }

  u64 bytes_used() const { return used_; }
  u64 bytes_free() const { return region_.size() - used_; }
  u64 capacity_bytes() const { return region_.size(); }

 private:
  bool is_region_aligned(u64 align) const {
    return is_aligned(reinterpret_cast<std::uintptr_t>(region_.data()), align);
  }

  MutableBytes region_;
  u64 used_ = 0;
};

}  // namespace base
