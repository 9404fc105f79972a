// The edit script against the table of longest common subsequences.
#include <catch2/catch.hpp>

#include <algorithm>
#include <vector>

#include "base/prng.h"
#include "tests/user/test_heap.h"
#include "user/lib/edit_script.h"

namespace {

u64 longest_common(const std::vector<u32>& a, const std::vector<u32>& b) {
  std::vector<std::vector<u64>> table(a.size() + 1, std::vector<u64>(b.size() + 1));
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      table[i][j] = a[i - 1] == b[j - 1] ? table[i - 1][j - 1] + 1 : std::max(table[i - 1][j], table[i][j - 1]);
    }
  }
  return table[a.size()][b.size()];
}

}  // namespace

TEST_CASE("an edit script leaves a longest common subsequence", "[user][diff][model]") {
  for (u64 seed = 0; seed < 3000; ++seed) {
    CAPTURE(seed);
    base::Prng prng{seed, "test.edit-script"};
    const u32 letters = static_cast<u32>(prng.below(6)) + 1;
    std::vector<u32> a(prng.below(24));
    std::vector<u32> b(prng.below(24));
    for (u32& each : a) each = static_cast<u32>(prng.below(letters));
    for (u32& each : b) each = static_cast<u32>(prng.below(letters));
    TestHeap heap;
    base::Vector<u8> dropped(heap);
    base::Vector<u8> added(heap);
    user::shortest_edit(heap, a, b, dropped, added);
    std::vector<u32> kept_of_a;
    std::vector<u32> kept_of_b;
    for (std::size_t i = 0; i < a.size(); ++i) {
      if (dropped[i] == 0) kept_of_a.push_back(a[i]);
    }
    for (std::size_t i = 0; i < b.size(); ++i) {
      if (added[i] == 0) kept_of_b.push_back(b[i]);
    }
    REQUIRE(kept_of_a == kept_of_b);
    REQUIRE(kept_of_a.size() == longest_common(a, b));
  }
}
