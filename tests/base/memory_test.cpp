// The arena and the heap against a model: blocks never overlap, keep their contents and are counted by what was asked.
#include <catch2/catch.hpp>

#include <cstring>
#include <map>
#include <vector>

#include "base/arena.h"
#include "base/heap.h"
#include "base/prng.h"

using namespace base;

namespace {

struct alignas(4096) Page {
  u8 bytes[4096];
};

/// A region that starts small and grows on demand up to a limit, as a realm's memory does.
struct GrowingRegion {
  std::vector<Page> pages{64};
  u64 bytes = 0;
  u64 limit = 64 * 4096;
  u32 calls = 0;
  static u64 grow(void* context, u64 bytes_min) {
    auto& self = *static_cast<GrowingRegion*>(context);
    const u64 wanted = align_up(bytes_min, 4096);
    self.calls += 1;
    if (wanted > self.limit - self.bytes) return 0;
    self.bytes += wanted;
    return wanted;
  }
  u8* data() { return pages[0].bytes; }
};

}  // namespace

TEST_CASE("an arena hands out aligned, separate blocks until it is full", "[base][arena]") {
  alignas(64) u8 memory[256];
  Arena arena{MutableBytes(memory)};
  void* first = arena.allocate(3, 1);
  void* second = arena.allocate(8, 8);
  CHECK(first == memory);
  CHECK(second == memory + 8);
  CHECK(arena.bytes_used() == 16);
  CHECK(arena.allocate(1, 64) == memory + 64);
  CHECK(arena.try_allocate(192, 1) == nullptr);
  CHECK(arena.try_allocate(~u64{0}, 1) == nullptr);
  CHECK(arena.bytes_used() == 65);
  CHECK(arena.allocate(191, 1) != nullptr);
  CHECK(arena.try_allocate(1, 1) == nullptr);
  CHECK(arena.try_allocate(0, 1) != nullptr);
}

TEST_CASE("an arena is rewound to a mark, and takes its last block back at once", "[base][arena]") {
  alignas(16) u8 memory[128];
  Arena arena{MutableBytes(memory)};
  arena.allocate(16, 16);
  const Arena::Mark mark = arena.mark();
  void* block = arena.allocate(32, 16);
  arena.release(block, 32);
  CHECK(arena.bytes_used() == 16);
  arena.allocate(100, 1);
  arena.rewind(mark);
  CHECK(arena.allocate(32, 16) == block);
  arena.reset();
  CHECK(arena.bytes_used() == 0);
  const std::span<u64> zeroed = arena.make_span<u64>(4);
  for (const u64 word : zeroed) CHECK(word == 0);
  CHECK(arena.make<u32>(7u) == 7);
}

TEST_CASE("heap blocks are disjoint, keep their bytes and coalesce back to one", "[base][heap][property]") {
  for (u64 seed = 0; seed < 60; ++seed) {
    CAPTURE(seed);
    Prng prng{seed, "test.heap"};
    GrowingRegion memory;
    Heap heap{memory.data(), 0, GrowingRegion::grow, &memory};
    struct Live {
      u64 bytes;
      u8 fill;
    };
    std::map<u8*, Live> live;
    u64 asked = 0;
    for (u32 step = 0; step < 600; ++step) {
      if (prng.below(100) < 60 || live.empty()) {
        const u64 magnitude = prng.below(13);
        const u64 bytes = prng.below((u64{1} << magnitude) + 1);
        const u64 align = u64{1} << (prng.below(8) == 0 ? prng.below(11) : prng.below(5));
        u8* block = static_cast<u8*>(heap.try_allocate(bytes, align));
        if (block == nullptr) continue;
        REQUIRE(is_aligned(reinterpret_cast<std::uintptr_t>(block), align));
        REQUIRE(block >= memory.data());
        REQUIRE(block + bytes <= memory.data() + memory.bytes);
        const auto after = live.lower_bound(block);
        if (after != live.end()) REQUIRE(block + bytes <= after->first);
        if (after != live.begin()) REQUIRE(std::prev(after)->first + std::prev(after)->second.bytes <= block);
        const u8 fill = static_cast<u8>(prng.next());
        std::memset(block, fill, bytes);
        REQUIRE(live.emplace(block, Live{bytes, fill}).second);
        asked += bytes;
      } else {
        auto victim = std::next(live.begin(), static_cast<long>(prng.below(live.size())));
        for (u64 i = 0; i < victim->second.bytes; ++i) REQUIRE(victim->first[i] == victim->second.fill);
        heap.release(victim->first, victim->second.bytes);
        asked -= victim->second.bytes;
        live.erase(victim);
      }
      REQUIRE(heap.bytes_used() == asked);
      REQUIRE(heap.block_count() == live.size());
      if (step % 16 == 0) heap.check_invariants();
    }
    for (const auto& [block, info] : live) heap.release(block, info.bytes);
    heap.check_invariants();
    REQUIRE(heap.bytes_used() == 0);
    REQUIRE(heap.try_allocate(heap.region_bytes() - 16) != nullptr);  // one block again, header aside
  }
}

TEST_CASE("the same calls give the same offsets in another region", "[base][heap][determinism]") {
  GrowingRegion memories[2];
  std::vector<u64> offsets[2];
  for (u32 run = 0; run < 2; ++run) {
    Prng prng{7, "test.heap-offsets"};
    Heap heap{memories[run].data(), 0, GrowingRegion::grow, &memories[run]};
    std::vector<std::pair<u8*, u64>> live;
    for (u32 step = 0; step < 2000; ++step) {
      const u64 bytes = prng.below(700);
      u8* block = static_cast<u8*>(heap.try_allocate(bytes, 16));
      offsets[run].push_back(block == nullptr ? ~u64{0} : static_cast<u64>(block - memories[run].data()));
      if (block != nullptr) live.emplace_back(block, bytes);
      if (prng.below(2) == 0 && !live.empty()) {
        const u64 index = prng.below(live.size());
        heap.release(live[index].first, live[index].second);
        live.erase(live.begin() + static_cast<long>(index));
      }
    }
  }
  CHECK(offsets[0] == offsets[1]);
}

TEST_CASE("an exhausted heap says so and stays usable", "[base][heap]") {
  GrowingRegion memory;
  memory.limit = 8192;
  Heap heap{memory.data(), 0, GrowingRegion::grow, &memory};
  CHECK(heap.try_allocate(100'000) == nullptr);
  CHECK(heap.try_allocate(~u64{0}) == nullptr);
  std::vector<void*> blocks;
  while (void* block = heap.try_allocate(240)) blocks.push_back(block);
  CHECK(blocks.size() == 32);  // 8192 / (240 + 16)
  CHECK(heap.bytes_used() == 32 * 240);
  heap.release(blocks[5], 240);
  heap.release(blocks[6], 240);
  CHECK(heap.try_allocate(496) == blocks[5]);  // 2 × 256 − 16: both places, joined
  heap.check_invariants();
}
