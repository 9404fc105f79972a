// tests/boot/page_table_test.cpp — the walker of the bare machines' page tables, over pages of this process.
#include "boot/shared/page_table.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <map>
#include <vector>

#include "base/prng.h"

namespace {

std::vector<u64> pages;
u64 pages_left = 0;

}  // namespace

u64 boot::page_take() {
  if (pages_left == 0) return 0;
  pages_left -= 1;
  void* page = std::aligned_alloc(kPageBytes, kPageBytes);
  std::fill_n(static_cast<u8*>(page), kPageBytes, u8{0});
  pages.push_back(reinterpret_cast<u64>(page));
  return pages.back();
}

namespace {

/// Entries with their flags in the lowest bits: 1 valid, 2 a table above level 0.
struct PlainFormat {
  static u64 table(u64 page) { return page | 3; }
  static bool is_valid(u64 entry) { return (entry & 1) != 0; }
  static bool is_table(u64 entry) { return (entry & 2) != 0; }
  static u64 address(u64 entry) { return entry & ~(boot::kPageBytes - 1); }
};
using Table = boot::PageTable<PlainFormat>;

struct Fixture {
  explicit Fixture(u64 budget) {
    pages_left = budget;
    root = boot::page_take();
  }
  ~Fixture() {
    for (const u64 page : pages) std::free(reinterpret_cast<void*>(page));
    pages.clear();
  }
  u64 root = 0;
};

/// What the processor would find: the physical address of `vaddr`, or ~0.
u64 translate(u64 root, u64 vaddr) {
  u64 table = root;
  for (u32 level = boot::kTableLevels; level-- > 0;) {
    const u64 entry = reinterpret_cast<const u64*>(table)[(vaddr >> (12 + 9 * level)) % 512];
    if (!PlainFormat::is_valid(entry)) return ~u64{0};
    if (level == 0 || !PlainFormat::is_table(entry)) {
      return PlainFormat::address(entry) + vaddr % boot::bytes_of_level(level);
    }
    table = PlainFormat::address(entry);
  }
  return ~u64{0};
}

}  // namespace

TEST_CASE("pages mapped and taken away one by one are found as a plain map has them", "[boot][paging][property]") {
  for (u64 seed = 0; seed < 20; ++seed) {
    CAPTURE(seed);
    base::Prng prng{seed, "test.page-table"};
    const Fixture fixture(2000);
    Table table(fixture.root);
    std::map<u64, u64> model;
    for (u32 step = 0; step < 500; ++step) {
      const u64 vaddr =
          boot::kWindowsBase + prng.below(8) * boot::bytes_of_level(2) + prng.below(1024) * boot::kPageBytes;
      if (model.count(vaddr) != 0) {
        u64 at = vaddr;
        *table.next_page(at, vaddr + boot::kPageBytes) = 0;
        model.erase(vaddr);
      } else {
        u64* entry = table.entry_at(vaddr, 0);
        REQUIRE(entry != nullptr);
        REQUIRE_FALSE(PlainFormat::is_valid(*entry));
        const u64 physical = (u64{step} + 1) * boot::kPageBytes;
        *entry = physical | 1;
        model[vaddr] = physical;
      }
      const u64 other =
          boot::kWindowsBase + prng.below(8) * boot::bytes_of_level(2) + prng.below(1024) * boot::kPageBytes;
      for (const u64 at : {vaddr, other}) {
        const auto expected = model.find(at);
        REQUIRE(translate(fixture.root, at + 8) == (expected == model.end() ? ~u64{0} : expected->second + 8));
      }
    }
    u64 at = boot::kWindowsBase;
    for (const auto& [vaddr, physical] : model) {  // ascending: what `next_page` finds, and nothing more
      const u64* entry = table.next_page(at, boot::kWindowsEnd);
      REQUIRE(entry != nullptr);
      REQUIRE(at == vaddr);
      REQUIRE(PlainFormat::address(*entry) == physical);
      at += boot::kPageBytes;
    }
    REQUIRE(table.next_page(at, boot::kWindowsEnd) == nullptr);
  }
}

TEST_CASE("a search for mapped pages ends where it is told to", "[boot][paging]") {
  const Fixture fixture(100);
  Table table(fixture.root);
  const u64 page = boot::kWindowsBase + 5 * boot::kPageBytes;
  *table.entry_at(page, 0) = 0x1001;
  u64 at = boot::kWindowsBase;
  CHECK(table.next_page(at, page) == nullptr);
  at = boot::kWindowsBase;
  REQUIRE(table.next_page(at, page + boot::kPageBytes) != nullptr);
  CHECK(at == page);
}

TEST_CASE("a range is mapped where it lies, in the largest steps that fit, and no byte further", "[boot][paging]") {
  const Fixture fixture(100);
  const u64 begin = boot::bytes_of_level(2) - 3 * boot::kPageBytes;
  const u64 end = 3 * boot::bytes_of_level(2) + boot::bytes_of_level(1) + boot::kPageBytes;
  u32 steps[3] = {};
  Table(fixture.root).map_in_place({begin, end - begin}, [&steps](u64 physical, u32 level) {
    steps[level] += 1;
    return physical | 1;
  });
  CHECK(steps[2] == 2);
  CHECK(steps[1] == 1);
  CHECK(steps[0] == 4);
  for (const u64 at : {begin, begin + 5000, boot::bytes_of_level(2), end - boot::bytes_of_level(1), end - 1}) {
    CHECK(translate(fixture.root, at) == at);
  }
  CHECK(translate(fixture.root, begin - 1) == ~u64{0});
  CHECK(translate(fixture.root, end) == ~u64{0});
}

TEST_CASE("a table for which there is no page is told, whichever it is", "[boot][paging][sweep]") {
  for (u64 budget = 1; budget <= 4; ++budget) {
    CAPTURE(budget);
    const Fixture fixture(budget);
    CHECK((Table(fixture.root).entry_at(boot::kWindowsBase, 0) != nullptr) == (budget == 4));
  }
}
