// tests/user/root_memory_test.cpp — the root manager's blocks of memory, against a naive count, without a kernel.
#include <catch2/catch.hpp>

#include <cstdlib>
#include <set>
#include <vector>

#include "base/prng.h"
#include "tests/user/test_heap.h"
#include "user/root/memory.h"

namespace {

using user::root::BlockId;
using user::root::kNoBlock;
using user::root::SlotPool;
using user::root::UntypedPool;

/// The kernel's part of it: which slots hold a half.
struct Twin {
  std::set<u32> filled;
  static bool split(void* context, u32, u32, u32 first) {
    Twin& twin = *static_cast<Twin*>(context);
    REQUIRE(twin.filled.insert(first).second);
    REQUIRE(twin.filled.insert(first + 1).second);
    return true;
  }
  static void join(void* context, u32 first) {
    Twin& twin = *static_cast<Twin*>(context);
    REQUIRE(twin.filled.erase(first) == 1);
    REQUIRE(twin.filled.erase(first + 1) == 1);
  }
};

}  // namespace

TEST_CASE("whatever was taken and given back, all memory can be taken as one block again", "[user][root][property]") {
  for (u64 seed = 0; seed < 40; ++seed) {
    CAPTURE(seed);
    base::Prng prng{seed, "test.untyped-pool"};
    TestHeap heap;
    Twin twin;
    SlotPool slots(heap, 100, 4096);
    UntypedPool pool(heap, {.split = Twin::split, .join = Twin::join, .context = &twin});
    pool.add(16, 24);
    pool.add(17, 20);
    REQUIRE(pool.bytes_total() == (u64{1} << 24) + (u64{1} << 20));
    std::vector<BlockId> taken;
    u64 taken_bytes = 0;
    for (u32 step = 0; step < 400; ++step) {
      const u64 choice = prng.below(3);
      const u64 number = prng.below(1000);
      if (choice != 0) {
        const u32 bits = 12 + static_cast<u32>(number % 8);
        const BlockId block = pool.take(bits, slots);
        if (block == kNoBlock) continue;
        REQUIRE(pool.bytes_of(block) == u64{1} << bits);
        taken.push_back(block);
        taken_bytes += pool.bytes_of(block);
      } else if (!taken.empty()) {
        const std::size_t at = number % taken.size();
        taken_bytes -= pool.bytes_of(taken[at]);
        pool.give(taken[at]);
        taken.erase(taken.begin() + static_cast<std::ptrdiff_t>(at));
      }
      REQUIRE(pool.bytes_free() == pool.bytes_total() - taken_bytes);
      pool.check_invariants();
    }
    for (const BlockId block : taken) pool.give(block);
    const BlockId whole = pool.take(24, slots);
    REQUIRE(whole != kNoBlock);
    REQUIRE(pool.slot_of(whole) == 16);
    REQUIRE(pool.take(20, slots) != kNoBlock);
    REQUIRE(pool.take(12, slots) == kNoBlock);
    REQUIRE(twin.filled.empty());
  }
}

TEST_CASE("blocks are disjoint: two that are taken never lie in each other", "[user][root][exhaustive]") {
  TestHeap heap;
  Twin twin;
  SlotPool slots(heap, 100, 4096);
  UntypedPool pool(heap, {.split = Twin::split, .join = Twin::join, .context = &twin});
  pool.add(16, 16);
  std::set<u32> seen;
  for (u32 i = 0; i < 16; ++i) {
    const BlockId block = pool.take(12, slots);
    REQUIRE(block != kNoBlock);
    REQUIRE(seen.insert(pool.slot_of(block)).second);
  }
  REQUIRE(pool.take(12, slots) == kNoBlock);
  REQUIRE(pool.bytes_free() == 0);
}

TEST_CASE("a pool that runs out of slots refuses and stays whole", "[user][root][sweep]") {
  for (u32 room = 0; room < 12; ++room) {
    CAPTURE(room);
    TestHeap heap;
    Twin twin;
    SlotPool slots(heap, 100, 100 + room);
    UntypedPool pool(heap, {.split = Twin::split, .join = Twin::join, .context = &twin});
    pool.add(16, 17);
    const BlockId block = pool.take(12, slots);  // five splits, two slots each
    REQUIRE((block != kNoBlock) == (room >= 10));
    pool.check_invariants();
  }
}
