// sim/host/cli/allocator.cpp — the command's operator new: malloc, or under `verify`'s alloc variant blocks of malloc
// handed out in shuffled order with gaps between them, so that no order of addresses repeats the order of requests.
#include <cstdlib>
#include <new>

#include "sim/host/shuffle.h"

namespace sim::host {
namespace {

constexpr std::size_t kShuffledBytesMax = 1024;
constexpr std::size_t kGrain = 16;
constexpr u32 kPooled = 8;

struct Pool {
  void* blocks[kPooled] = {};
  u32 count = 0;
};
Pool pools[kShuffledBytesMax / kGrain];

void* shuffled_block(std::size_t bytes) {
  Pool& pool = pools[(bytes - 1) / kGrain];
  const std::size_t whole = ((bytes - 1) / kGrain + 1) * kGrain;
  if (pool.count == 0) {
    for (; pool.count < kPooled; ++pool.count) {
      void* const gap = std::malloc(shuffle().below(512) + 1);
      pool.blocks[pool.count] = std::malloc(whole);
      std::free(gap);  // a hole of any size lies between two blocks
      if (pool.blocks[pool.count] == nullptr) break;
    }
    if (pool.count == 0) return nullptr;
  }
  const u64 which = shuffle().below(pool.count);
  void* const block = pool.blocks[which];
  pool.count -= 1;
  pool.blocks[which] = pool.blocks[pool.count];
  return block;
}

void* allocate(std::size_t bytes) {
  const bool shuffled = shuffle().on && bytes >= 1 && bytes <= kShuffledBytesMax;
  void* const block = shuffled ? shuffled_block(bytes) : std::malloc(bytes == 0 ? 1 : bytes);
  if (block == nullptr) throw std::bad_alloc();
  return block;
}

}  // namespace
}  // namespace sim::host

void* operator new(std::size_t bytes) { return sim::host::allocate(bytes); }
void* operator new[](std::size_t bytes) { return sim::host::allocate(bytes); }
void operator delete(void* block) noexcept { std::free(block); }
void operator delete[](void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }
void operator delete[](void* block, std::size_t) noexcept { std::free(block); }
