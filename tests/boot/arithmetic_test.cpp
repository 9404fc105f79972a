// tests/boot/arithmetic_test.cpp — what the bare machines have instead of libgcc, held against the plain definition.
#include <catch2/catch.hpp>

#include "base/prng.h"
#include "base/types.h"

using u128 = unsigned __int128;
using i128 = __int128;

// boot/freestanding/arithmetic.cpp, linked into this test.
extern "C" {
int __popcountdi2(u64 value);
int __ctzdi2(u64 value);
int __clzdi2(u64 value);
u64 __bswapdi2(u64 value);
u128 __udivti3(u128 dividend, u128 divisor);
u128 __umodti3(u128 dividend, u128 divisor);
u128 __udivmodti4(u128 dividend, u128 divisor, u128* remainder);
i128 __divti3(i128 dividend, i128 divisor);
i128 __modti3(i128 dividend, i128 divisor);
}

namespace {

/// A value of any number of significant bits: small ones, and those at the ends, as often as large ones.
u128 any_width(base::Prng& values) {
  const u128 whole = u128{values.next()} << 64 | values.next();
  return whole >> values.below(128);
}

}  // namespace

TEST_CASE("Quotient and remainder of 128 bits give the dividend back, the remainder below the divisor.",
          "[boot][arithmetic][property]") {
  base::Prng values(7, "arithmetic.division");
  for (u32 round = 0; round < 20'000; ++round) {
    const u128 dividend = any_width(values);
    const u128 divisor = any_width(values) | 1;
    u128 remainder = 0;
    const u128 quotient = __udivmodti4(dividend, divisor, &remainder);
    REQUIRE(remainder < divisor);
    REQUIRE(quotient * divisor + remainder == dividend);
    REQUIRE(__udivti3(dividend, divisor) == quotient);
    REQUIRE(__umodti3(dividend, divisor) == remainder);
    REQUIRE(__udivmodti4(dividend, divisor, nullptr) == quotient);
    const i128 negative = -static_cast<i128>(dividend >> 1);
    const i128 by = static_cast<i128>(divisor >> 1 | 1);
    const i128 rest = __modti3(negative, by);
    REQUIRE(__divti3(negative, by) * by + rest == negative);
    REQUIRE((rest <= 0 && -rest < by));
    REQUIRE(__divti3(negative, -by) == -__divti3(negative, by));
  }
}

TEST_CASE("Bits are counted and bytes swapped as their definition says.", "[boot][arithmetic][property]") {
  base::Prng values(7, "arithmetic.bits");
  for (u32 round = 0; round < 5'000; ++round) {
    const u64 value = values.next() >> values.below(64);
    if (value == 0) continue;
    int ones = 0;
    int first = -1;
    int last = 0;
    u64 swapped = 0;
    for (int bit = 0; bit < 64; ++bit) {
      if ((value >> bit & 1) == 0) continue;
      ones += 1;
      first = first < 0 ? bit : first;
      last = bit;
    }
    for (int byte = 0; byte < 8; ++byte) swapped = swapped << 8 | (value >> 8 * byte & 0xFF);
    REQUIRE(__popcountdi2(value) == ones);
    REQUIRE(__ctzdi2(value) == first);
    REQUIRE(__clzdi2(value) == 63 - last);
    REQUIRE(__bswapdi2(value) == swapped);
  }
}
