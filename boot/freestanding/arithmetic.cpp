// boot/freestanding/arithmetic.cpp — what GCC calls where a machine has no instruction for it (GCC internals manual,
// "Routines for integer arithmetic"): counting bits and swapping bytes on riscv64 without Zbb, and division of 128 bits
// everywhere. Here and not from libgcc, because Debian has no libgcc for riscv64's soft-float ABI.
#include <cstdint>

#include "base/enforce.h"

namespace {

using u8 = std::uint8_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;
using u128 = unsigned __int128;
using i128 = __int128;

constexpr u64 kOnes = 0x0101'0101'0101'0101;

int count_ones(u64 value) {
  value -= (value >> 1) & 0x55 * kOnes;
  value = (value & 0x33 * kOnes) + ((value >> 2) & 0x33 * kOnes);
  value = (value + (value >> 4)) & 0x0F * kOnes;
  return static_cast<int>(value * kOnes >> 56);
}

/// Long division, a bit at a time from the first that matters; the divisor is not zero.
u128 divide(u128 dividend, u128 divisor, u128& remainder) {
  u128 quotient = 0;
  u128 rest = 0;
  u32 bits = 128;
  while (bits > 0 && (dividend >> (bits - 1)) == 0) bits -= 1;
  for (; bits > 0; --bits) {
    const bool carry = (rest >> 127) != 0;
    rest = rest << 1 | (dividend >> (bits - 1) & 1);
    quotient <<= 1;
    if (carry || rest >= divisor) {
      rest -= divisor;
      quotient |= 1;
    }
  }
  remainder = rest;
  return quotient;
}

u128 magnitude(i128 value) { return value < 0 ? -static_cast<u128>(value) : static_cast<u128>(value); }

}  // namespace

extern "C" {

int __popcountdi2(u64 value) { return count_ones(value); }
int __ctzdi2(u64 value) { return count_ones(~value & (value - 1)); }
int __clzdi2(u64 value) {
  for (u32 shift = 1; shift < 64; shift *= 2) value |= value >> shift;
  return count_ones(~value);
}
u32 __bswapsi2(u32 value) { return value << 24 | (value & 0xFF00) << 8 | (value >> 8 & 0xFF00) | value >> 24; }
u64 __bswapdi2(u64 value) {
  return u64{__bswapsi2(static_cast<u32>(value))} << 32 | __bswapsi2(static_cast<u32>(value >> 32));
}

u128 __udivti3(u128 dividend, u128 divisor) {
  u128 remainder;
  return divide(dividend, divisor, remainder);
}
u128 __umodti3(u128 dividend, u128 divisor) {
  u128 remainder;
  divide(dividend, divisor, remainder);
  return remainder;
}
u128 __udivmodti4(u128 dividend, u128 divisor, u128* remainder) {
  u128 rest;
  const u128 quotient = divide(dividend, divisor, rest);
  if (remainder != nullptr) *remainder = rest;
  return quotient;
}
i128 __divti3(i128 dividend, i128 divisor) {
  u128 remainder;
  const u128 quotient = divide(magnitude(dividend), magnitude(divisor), remainder);
  return static_cast<i128>((dividend < 0) != (divisor < 0) ? -quotient : quotient);
}
i128 __modti3(i128 dividend, i128 divisor) {
  u128 remainder;
  divide(magnitude(dividend), magnitude(divisor), remainder);
  return static_cast<i128>(dividend < 0 ? -remainder : remainder);
}

}  // extern "C"
