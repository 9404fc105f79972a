// tests/user/test_heap.h — the host's heap as an Allocator, for tests of logic that takes one.
#pragma once
#include <cstdlib>

#include "base/allocator.h"

struct TestHeap final : base::Allocator {
  u64 bytes_used = 0;
  void* allocate(u64 bytes, u64 align) override { return try_allocate(bytes, align); }
  void* try_allocate(u64 bytes, u64 align) override {
    bytes_used += bytes;
    if (align < 16) align = 16;
    return std::aligned_alloc(align, (bytes + align) & ~(align - 1));
  }
  void release(void* block, u64 bytes) override {
    bytes_used -= bytes;
    std::free(block);
  }
};
