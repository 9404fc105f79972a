#include "fs/locks.h"

#include <catch2/catch.hpp>

#include <map>

#include "tests/fs/harness.h"

using namespace fs;
using fs::test::TestAllocator;

TEST_CASE("locks agree with a model of one byte at a time", "[fs][locks][property]") {
  constexpr u32 kBytes = 24;
  constexpr u32 kOwners = 3;
  for (u64 seed = 0; seed < 300; ++seed) {
    CAPTURE(seed);
    TestAllocator memory;
    LockTable table(memory, 200);
    LockKind held[kOwners][kBytes] = {};
    u64 state = seed * 0x9E3779B97F4A7C15u + 7;
    const auto random = [&](u64 bound) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      return (state >> 33) % bound;
    };
    for (u32 step = 0; step < 60; ++step) {
      LockRange range{.node = 1, .owner = static_cast<u32>(random(kOwners)), .first = random(kBytes)};
      range.last = range.first + random(kBytes - range.first);
      range.kind = static_cast<LockKind>(random(3));
      bool conflict = false;
      for (u32 owner = 0; owner < kOwners; ++owner) {
        for (u64 byte = range.first; byte <= range.last && owner != range.owner; ++byte) {
          if (held[owner][byte] == LockKind::None || range.kind == LockKind::None) continue;
          conflict = conflict || held[owner][byte] == LockKind::Exclusive || range.kind == LockKind::Exclusive;
        }
      }
      const Result<void> result = table.set(range);
      REQUIRE(result.ok() == !conflict);
      if (result.ok()) {
        for (u64 byte = range.first; byte <= range.last; ++byte) held[range.owner][byte] = range.kind;
      }
      for (u64 byte = 0; byte < kBytes; ++byte) {
        LockRange probe{.node = 1, .owner = 99, .first = byte, .last = byte, .kind = LockKind::Shared};
        bool shared_conflict = false;
        bool any = false;
        for (const auto& of_owner : held) {
          shared_conflict = shared_conflict || of_owner[byte] == LockKind::Exclusive;
          any = any || of_owner[byte] != LockKind::None;
        }
        REQUIRE(table.conflicts(probe) == shared_conflict);
        probe.kind = LockKind::Exclusive;
        REQUIRE(table.conflicts(probe) == any);
        probe.node = 2;
        REQUIRE(!table.conflicts(probe));
      }
    }
  }
}

TEST_CASE("a lock that would need more room than there is is refused whole", "[fs][locks]") {
  TestAllocator memory;
  LockTable table(memory, 4);
  const auto set = [&](u64 first, u64 last, LockKind kind) {
    return table.set({.node = 1, .owner = 1, .open = 5, .first = first, .last = last, .kind = kind}).ok();
  };
  REQUIRE(set(0, 9, LockKind::Exclusive));
  REQUIRE(set(4, 5, LockKind::Shared));
  REQUIRE(table.count() == 3);
  REQUIRE(!set(7, 7, LockKind::Shared));
  REQUIRE(table.count() == 3);
  REQUIRE(table.release_open(5));
  REQUIRE(!table.release_open(5));
  REQUIRE(table.count() == 0);
}
