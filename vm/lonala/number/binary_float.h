// vm/lonala/number/binary_float.h — IEEE 754-2019 binary64 and binary32 on integers: add, subtract, multiply, divide, square root,
// remainder, conversions, all rounded to nearest even. No host floating point takes part, so the bits are the same on every
// machine and with every compiler. One NaN: every NaN result has the bits kNaN64 or kNaN32.
#pragma once
#include "vm/lonala/number/magnitude.h"

namespace lonala::number {

constexpr u64 kNaN64 = 0x7FF8000000000000u;
constexpr u64 kInfinity64 = 0x7FF0000000000000u;
constexpr u32 kNaN32 = 0x7FC00000u;
constexpr u32 kInfinity32 = 0x7F800000u;

constexpr bool f64_is_nan(u64 bits) { return (bits & ~(u64{1} << 63)) > kInfinity64; }
constexpr bool f64_is_infinite(u64 bits) { return (bits & ~(u64{1} << 63)) == kInfinity64; }
constexpr bool f64_is_zero(u64 bits) { return (bits << 1) == 0; }

u64 f64_add(u64 a, u64 b);
u64 f64_subtract(u64 a, u64 b);
u64 f64_multiply(u64 a, u64 b);
u64 f64_divide(u64 a, u64 b);
u64 f64_square_root(u64 a);
/// The exact remainder of truncating division, with the sign of a.
u64 f64_remainder(u64 a, u64 b);
u64 f64_truncate(u64 a);
u32 f32_add(u32 a, u32 b);
u32 f32_subtract(u32 a, u32 b);
u32 f32_multiply(u32 a, u32 b);
u32 f32_divide(u32 a, u32 b);
u64 f64_of_f32(u32 bits);
u32 f32_of_f64(u64 bits);
/// -1, 0, 1; 2 when unordered.
int f64_compare(u64 a, u64 b);

/// A finite value opened: (-1)^negative × mantissa × 2^exponent.
struct Opened {
  bool negative;
  u64 mantissa;
  i32 exponent;
};
Opened f64_open(u64 bits);
Opened f32_open(u32 bits);
/// magnitude × 2^exponent, plus something below its last bit if `sticky`, rounded to nearest even.
u64 f64_round(bool negative, Limbs magnitude, i64 exponent, bool sticky);
u32 f32_round(bool negative, Limbs magnitude, i64 exponent, bool sticky);

}  // namespace lonala::number
