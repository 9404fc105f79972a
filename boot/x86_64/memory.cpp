// boot/x86_64/memory.cpp — stacks and arenas of the bare machine, from one pool of pages in the image's zeroed data.
// There is no paging yet: an arena's address space and its memory are the same pages, and a stack's guard page is a page
// with a pattern that is checked when the stack comes back.
// Bounds      kPoolBytes in all; a null result means it is used up.
#include <algorithm>

#include "base/bytes.h"
#include "base/heap.h"
#include "kernel-model/machine.h"

#include "base/enforce.h"

namespace {

constexpr u64 kPageBytes = 4096;
constexpr u64 kPoolBytes = u64{256} << 20;
constexpr u64 kGuardPattern = 0x6775'6172'6420'7067;  // "gp drau g" read as bytes

/// The machine below the core is the one place that owns memory for good: made on first use, never destroyed.
struct Pool {
  alignas(kPageBytes) u8 pages[kPoolBytes];
  alignas(base::Heap) u8 heap_storage[sizeof(base::Heap)];
  base::Heap* heap;
};
constinit Pool pool{};

base::Heap& heap() {
  if (pool.heap == nullptr) pool.heap = new (pool.heap_storage) base::Heap(pool.pages, kPoolBytes);
  return *pool.heap;
}

}  // namespace

machine::Stack machine::stack_acquire(u64 bytes) {
  const u64 usable = base::align_up(bytes, kPageBytes);
  u8* block = static_cast<u8*>(heap().try_allocate(kPageBytes + usable, kPageBytes));
  if (block == nullptr) return {};
  for (u64 at = 0; at < kPageBytes; at += sizeof(u64)) base::store_le64(block + at, kGuardPattern);
  return {block + kPageBytes, usable};
}

void machine::stack_release(Stack stack) {
  u8* block = stack.base - kPageBytes;
  for (u64 at = 0; at < kPageBytes; at += sizeof(u64)) ASSERT(base::load_le64(block + at) == kGuardPattern);
  heap().release(block, kPageBytes + stack.bytes);
}

u8* machine::arena_reserve(u64 bytes) {
  return static_cast<u8*>(heap().try_allocate(base::align_up(bytes, kPageBytes), kPageBytes));
}

bool machine::arena_commit(u8* at, u64 bytes) {
  std::fill(at, at + bytes, u8{0});
  return true;
}

void machine::arena_decommit(u8*, u64) {}

void machine::arena_release(u8* base, u64 bytes) { heap().release(base, base::align_up(bytes, kPageBytes)); }
