#include "vm/lonala/number/binary_float.h"

#include <algorithm>
#include <bit>

#include "base/assert.h"

#include "base/enforce.h"

namespace lonala::number {
namespace {

using u128 = unsigned __int128;

/// A binary interchange format.
struct Format {
  u32 mantissa_bits;  // without the hidden one
  u32 exponent_bits;
  constexpr i32 bias() const { return (1 << (exponent_bits - 1)) - 1; }
  constexpr i32 exponent_max() const { return (1 << exponent_bits) - 1; }
  constexpr u64 sign() const { return u64{1} << (mantissa_bits + exponent_bits); }
  constexpr u64 infinity() const { return static_cast<u64>(exponent_max()) << mantissa_bits; }
  constexpr u64 nan() const { return infinity() | u64{1} << (mantissa_bits - 1); }
};
constexpr Format k64{52, 11};
constexpr Format k32{23, 8};

Opened open(Format f, u64 bits) {
  const bool negative = (bits & f.sign()) != 0;
  const u64 fraction = bits & ((u64{1} << f.mantissa_bits) - 1);
  const i32 field = static_cast<i32>(bits >> f.mantissa_bits) & f.exponent_max();
  const i32 least = 1 - f.bias() - static_cast<i32>(f.mantissa_bits);
  if (field == 0) return {negative, fraction, least};
  return {negative, fraction | u64{1} << f.mantissa_bits, least + field - 1};
}

/// Rounds mantissa × 2^exponent (mantissa of 128 bits, not zero unless exact zero) to nearest even.
u64 round(Format f, bool negative, u128 mantissa, i64 exponent, bool sticky) {
  const u64 sign = negative ? f.sign() : 0;
  if (mantissa == 0) return sign;
  const u64 high = static_cast<u64>(mantissa >> 64);
  const i32 width = high != 0 ? 128 - std::countl_zero(high) : 64 - std::countl_zero(static_cast<u64>(mantissa));
  const i64 least = 1 - f.bias() - static_cast<i64>(f.mantissa_bits);
  // The exponent of the last bit kept: so that mantissa_bits + 1 stay, but never below that of the subnormals.
  i64 last = exponent + width - static_cast<i64>(f.mantissa_bits) - 1;
  if (last < least) last = least;
  const i64 shift = last - exponent;
  u64 kept;
  if (shift <= 0) {
    ASSERT(!sticky);  // callers with a sticky bit give more bits than are kept
    if (-shift >= 64) return sign | f.infinity();
    kept = static_cast<u64>(mantissa) << -shift;
  } else if (shift > 128) {
    kept = 0;
  } else {
    const u128 below = shift == 128 ? mantissa : mantissa & ((u128{1} << shift) - 1);
    const u128 half = u128{1} << (shift - 1);
    kept = shift == 128 ? 0 : static_cast<u64>(mantissa >> shift);
    if (below > half || (below == half && (sticky || (kept & 1) != 0))) kept += 1;
  }
  i64 field = last - least + 1;
  if (kept >= u64{2} << f.mantissa_bits) {
    kept >>= 1;
    field += 1;
  }
  if (kept < u64{1} << f.mantissa_bits) return sign | kept;  // subnormal or zero: field is 1 here
  if (field >= f.exponent_max()) return sign | f.infinity();
  return sign | static_cast<u64>(field) << f.mantissa_bits | (kept & ((u64{1} << f.mantissa_bits) - 1));
}

bool is_nan(Format f, u64 bits) { return (bits & ~f.sign()) > f.infinity(); }
bool is_infinite(Format f, u64 bits) { return (bits & ~f.sign()) == f.infinity(); }
bool is_zero(Format f, u64 bits) { return (bits & ~f.sign()) == 0; }

u64 sum(Format f, u64 a, u64 b) {
  if (is_nan(f, a) || is_nan(f, b)) return f.nan();
  if (is_infinite(f, a)) return is_infinite(f, b) && a != b ? f.nan() : a;
  if (is_infinite(f, b)) return b;
  if (is_zero(f, a) && is_zero(f, b)) return a & b;  // -0 only when both are
  Opened x = open(f, a);
  Opened y = open(f, b);
  if (x.exponent < y.exponent) std::swap(x, y);
  if (x.mantissa == 0) return round(f, y.negative, y.mantissa, y.exponent, false);
  if (y.mantissa == 0) return round(f, x.negative, x.mantissa, x.exponent, false);
  // x is widened by 64 bits; y moves down to its scale, what falls off is sticky.
  const u128 wide = static_cast<u128>(x.mantissa) << 64;
  const i32 exponent = x.exponent - 64;
  const i32 down = exponent - y.exponent;  // ≥ -64
  u128 other;
  bool sticky = false;
  if (down <= 0) {
    other = static_cast<u128>(y.mantissa) << -down;
  } else if (down >= 64) {
    other = 0;
    sticky = true;
  } else {
    other = y.mantissa >> down;
    sticky = (y.mantissa & ((u64{1} << down) - 1)) != 0;
  }
  if (x.negative == y.negative) return round(f, x.negative, wide + other, exponent, sticky);
  if (wide == other && !sticky) return 0;
  if (wide >= other) {
    // wide - (other + part of a unit): one unit less, and the rest of it sticky
    return round(f, x.negative, wide - other - (sticky ? 1 : 0), exponent, sticky);
  }
  return round(f, y.negative, other - wide, exponent, sticky);
}

u64 product(Format f, u64 a, u64 b) {
  const u64 sign = (a ^ b) & f.sign();
  if (is_nan(f, a) || is_nan(f, b)) return f.nan();
  if (is_infinite(f, a) || is_infinite(f, b)) return is_zero(f, a) || is_zero(f, b) ? f.nan() : sign | f.infinity();
  const Opened x = open(f, a);
  const Opened y = open(f, b);
  return round(f, sign != 0, static_cast<u128>(x.mantissa) * y.mantissa, i64{x.exponent} + y.exponent, false);
}

u64 quotient(Format f, u64 a, u64 b) {
  const u64 sign = (a ^ b) & f.sign();
  if (is_nan(f, a) || is_nan(f, b)) return f.nan();
  if (is_infinite(f, a)) return is_infinite(f, b) ? f.nan() : sign | f.infinity();
  if (is_infinite(f, b)) return sign;
  if (is_zero(f, b)) return is_zero(f, a) ? f.nan() : sign | f.infinity();
  if (is_zero(f, a)) return sign;
  Opened x = open(f, a);
  const Opened y = open(f, b);
  const i32 up = std::countl_zero(x.mantissa);
  const u128 numerator = static_cast<u128>(x.mantissa << up) << 64;  // so that ≥ 64 bits of quotient come out
  const u128 whole = numerator / y.mantissa;
  return round(f, sign != 0, whole, i64{x.exponent} - up - 64 - y.exponent, numerator % y.mantissa != 0);
}

u64 from_limbs(Format f, bool negative, Limbs limbs, i64 exponent, bool sticky) {
  const u64 count = trimmed(limbs.data(), limbs.size());
  if (count == 0) return negative ? f.sign() : 0;
  u128 top = limbs[count - 1];
  i64 at = static_cast<i64>(count) - 1;
  if (count >= 2) {  // the highest 128 bits from the top limb's first one
    const u32 shift = static_cast<u32>(std::countl_zero(limbs[count - 1]));
    top = top << 64 | limbs[count - 2];
    at -= 1;
    if (count >= 3 && shift != 0) {
      top = top << shift | limbs[count - 3] >> (64 - shift);
      sticky = sticky || (limbs[count - 3] << shift) != 0;
      exponent -= shift;
      at += 0;
      for (u64 i = 0; i + 3 < count; ++i) sticky = sticky || limbs[i] != 0;
    } else {
      for (u64 i = 0; i + 2 < count; ++i) sticky = sticky || limbs[i] != 0;
    }
  }
  exponent += at * 64;
  if (sticky && (top >> 120) == 0) {  // few bits: make room below for the sticky one
    const u64 high = static_cast<u64>(top >> 64);
    const i32 up = high != 0 ? std::countl_zero(high) : 64 + std::countl_zero(static_cast<u64>(top));
    top <<= up;
    exponent -= up;
  }
  return round(f, negative, top, exponent, sticky);
}

}  // namespace

u64 f64_add(u64 a, u64 b) { return sum(k64, a, b); }
u64 f64_subtract(u64 a, u64 b) { return f64_is_nan(b) ? kNaN64 : sum(k64, a, b ^ k64.sign()); }
u64 f64_multiply(u64 a, u64 b) { return product(k64, a, b); }
u64 f64_divide(u64 a, u64 b) { return quotient(k64, a, b); }
u32 f32_add(u32 a, u32 b) { return static_cast<u32>(sum(k32, a, b)); }
u32 f32_subtract(u32 a, u32 b) {
  return is_nan(k32, b) ? kNaN32 : static_cast<u32>(sum(k32, a, b ^ static_cast<u32>(k32.sign())));
}
u32 f32_multiply(u32 a, u32 b) { return static_cast<u32>(product(k32, a, b)); }
u32 f32_divide(u32 a, u32 b) { return static_cast<u32>(quotient(k32, a, b)); }

u64 f64_square_root(u64 a) {
  if (f64_is_nan(a)) return kNaN64;
  if (f64_is_zero(a)) return a;
  if ((a & k64.sign()) != 0) return kNaN64;
  if (f64_is_infinite(a)) return a;
  const Opened x = open(k64, a);
  i32 up = std::countl_zero(x.mantissa);
  i32 exponent = x.exponent - up - 62;
  u128 value = static_cast<u128>(x.mantissa << up) << 62;
  if ((exponent & 1) != 0) {
    value <<= 1;
    exponent -= 1;
  }
  u128 root = 0;  // bit by bit: ⌊√value⌋
  for (i32 bit = 63; bit >= 0; --bit) {
    const u128 next = root | u128{1} << bit;
    if (next * next <= value) root = next;
  }
  return round(k64, false, root, exponent / 2, root * root != value);
}

u64 f64_remainder(u64 a, u64 b) {
  if (f64_is_nan(a) || f64_is_nan(b) || f64_is_infinite(a) || f64_is_zero(b)) return kNaN64;
  if (f64_is_infinite(b)) return a;
  const Opened x = open(k64, a);
  const Opened y = open(k64, b);
  u64 rest = x.mantissa;
  i32 exponent = x.exponent;
  u64 divisor = y.mantissa;
  if (exponent < y.exponent) {  // the divisor in units of the dividend, unless it is larger anyway
    const i32 up = y.exponent - exponent;
    if (up >= 64 || divisor > (~u64{0} >> up)) return a;
    divisor <<= up;
    rest %= divisor;
  } else {
    rest %= divisor;
    for (; exponent > y.exponent; --exponent) rest = static_cast<u64>((static_cast<u128>(rest) << 1) % divisor);
  }
  return round(k64, x.negative, rest, exponent, false);
}

u64 f64_truncate(u64 a) {
  if (f64_is_nan(a)) return kNaN64;
  const i32 field = static_cast<i32>(a >> 52) & 0x7FF;
  if (field >= 1023 + 52) return a;
  if (field < 1023) return a & k64.sign();
  return a & ~((u64{1} << (52 - (field - 1023))) - 1);
}

u64 f64_of_f32(u32 bits) {
  if (is_nan(k32, bits)) return kNaN64;
  const bool negative = (bits & k32.sign()) != 0;
  if (is_infinite(k32, bits)) return (negative ? k64.sign() : 0) | kInfinity64;
  const Opened x = open(k32, bits);
  return round(k64, negative, x.mantissa, x.exponent, false);
}

u32 f32_of_f64(u64 bits) {
  if (f64_is_nan(bits)) return kNaN32;
  const bool negative = (bits & k64.sign()) != 0;
  if (f64_is_infinite(bits)) return static_cast<u32>((negative ? k32.sign() : 0) | kInfinity32);
  const Opened x = open(k64, bits);
  return static_cast<u32>(round(k32, negative, x.mantissa, x.exponent, false));
}

int f64_compare(u64 a, u64 b) {
  if (f64_is_nan(a) || f64_is_nan(b)) return 2;
  if (f64_is_zero(a) && f64_is_zero(b)) return 0;
  const auto key = [](u64 bits) { return (bits & k64.sign()) != 0 ? ~bits : bits | k64.sign(); };
  return key(a) == key(b) ? 0 : key(a) < key(b) ? -1 : 1;
}

Opened f64_open(u64 bits) { return open(k64, bits); }
Opened f32_open(u32 bits) { return open(k32, bits); }
u64 f64_round(bool negative, Limbs magnitude, i64 exponent, bool sticky) {
  return from_limbs(k64, negative, magnitude, exponent, sticky);
}
u32 f32_round(bool negative, Limbs magnitude, i64 exponent, bool sticky) {
  return static_cast<u32>(from_limbs(k32, negative, magnitude, exponent, sticky));
}

}  // namespace lonala::number
