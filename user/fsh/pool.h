// user/fsh/pool.h — memory of one parse: taken in chunks from a heap, given back all at once. Destructors do not run, so
// only plain data lives here.
#pragma once
#include <span>
#include <type_traits>

#include "base/allocator.h"
#include "base/bytes.h"
#include "base/vector.h"

namespace user::fsh {

class Pool final : public base::Allocator {
 public:
  explicit Pool(base::Allocator& heap) : heap_(heap) {}
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool() {
    while (chunks_ != nullptr) {
      Chunk* next = chunks_->next;
      heap_.release(chunks_, chunks_->bytes);
      chunks_ = next;
    }
  }

  void* allocate(u64 bytes, u64 align) override {
    used_ = base::align_up(used_, align);
    if (chunks_ == nullptr || used_ + bytes > chunks_->bytes) add_chunk(bytes + align);
    used_ = base::align_up(used_, align);
    u8* block = reinterpret_cast<u8*>(chunks_) + used_;
    used_ += bytes;
    return block;
  }
  void* try_allocate(u64 bytes, u64 align) override { return allocate(bytes, align); }
  void release(void*, u64) override {}

  template <class T>
  T* make() {
    static_assert(std::is_trivially_destructible_v<T>);
    return new (allocate(sizeof(T), alignof(T))) T();
  }
  template <class T>
  std::span<const T> keep(const base::Vector<T>& values) {
    static_assert(std::is_trivially_copyable_v<T>);
    T* copy = static_cast<T*>(allocate(values.size() * sizeof(T), alignof(T)));
    if (!values.empty()) __builtin_memcpy(static_cast<void*>(copy), values.data(), values.size() * sizeof(T));
    return {copy, values.size()};
  }
  std::string_view keep(std::string_view text) {
    char* copy = static_cast<char*>(allocate(text.size(), 1));
    if (!text.empty()) __builtin_memcpy(copy, text.data(), text.size());
    return {copy, text.size()};
  }

 private:
  struct Chunk {
    Chunk* next;
    u64 bytes;
  };
  static constexpr u64 kChunkBytes = 4096;

  void add_chunk(u64 bytes_min) {
    const u64 bytes = std::max(kChunkBytes, bytes_min + sizeof(Chunk));
    Chunk* chunk = static_cast<Chunk*>(heap_.allocate(bytes, alignof(Chunk)));
    *chunk = {chunks_, bytes};
    chunks_ = chunk;
    used_ = sizeof(Chunk);
  }

  base::Allocator& heap_;
  Chunk* chunks_ = nullptr;
  u64 used_ = 0;  // of the newest chunk
};

}  // namespace user::fsh
