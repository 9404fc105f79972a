#include "vm/lonala/number/magnitude.h"

#include <bit>
#include <cstring>

#include "base/assert.h"

#include "base/enforce.h"

namespace lonala::number {
namespace {

using u128 = unsigned __int128;

/// to[0 …] += from, carrying on; the sum fits.
void add_into(u64* to, Limbs from) {
  u64 carry = 0;
  u64 i = 0;
  for (; i < from.size(); ++i) {
    const u128 sum = static_cast<u128>(to[i]) + from[i] + carry;
    to[i] = static_cast<u64>(sum);
    carry = static_cast<u64>(sum >> 64);
  }
  for (; carry != 0; ++i) {
    to[i] += 1;
    carry = to[i] == 0;
  }
}

void subtract_from(u64* to, Limbs from) {
  u64 borrow = 0;
  u64 i = 0;
  for (; i < from.size(); ++i) {
    const u128 difference = static_cast<u128>(to[i]) - from[i] - borrow;
    to[i] = static_cast<u64>(difference);
    borrow = static_cast<u64>(difference >> 64) & 1;
  }
  for (; borrow != 0; ++i) {
    borrow = to[i] == 0;
    to[i] -= 1;
  }
}

/// to[0 … n] += from × factor, where to[n] is 0 before.
void add_row(u64* to, const u64* from, u64 n, u64 factor) {
  u64 carry = 0;
  for (u64 i = 0; i < n; ++i) {
    const u128 sum = static_cast<u128>(factor) * from[i] + to[i] + carry;
    to[i] = static_cast<u64>(sum);
    carry = static_cast<u64>(sum >> 64);
  }
  to[n] = carry;
}

/// One limb of a quotient: takes the product with the divisor `v` off the n + 1 limbs at `top`.
u64 divide_row(u64* top, const u64* v, u64 n) {
  const u128 numerator = static_cast<u128>(top[n]) << 64 | top[n - 1];
  u128 guess;
  u128 rest;
  if (top[n] >= v[n - 1]) {
    guess = ~u64{0};
    rest = numerator - guess * v[n - 1];
  } else {
    guess = numerator / v[n - 1];
    rest = numerator % v[n - 1];
  }
  while ((rest >> 64) == 0 && guess * v[n - 2] > (rest << 64 | top[n - 2])) {  // at most twice
    guess -= 1;
    rest += v[n - 1];
  }
  u64 borrow = 0;
  u64 carry = 0;
  for (u64 i = 0; i < n; ++i) {
    const u128 product = guess * v[i] + carry;
    carry = static_cast<u64>(product >> 64);
    const u128 difference = static_cast<u128>(top[i]) - static_cast<u64>(product) - borrow;
    top[i] = static_cast<u64>(difference);
    borrow = static_cast<u64>(difference >> 64) & 1;
  }
  const u128 difference = static_cast<u128>(top[n]) - carry - borrow;
  top[n] = static_cast<u64>(difference);
  if ((static_cast<u64>(difference >> 64) & 1) != 0) {
    guess -= 1;
    u64 again = 0;
    for (u64 i = 0; i < n; ++i) {
      const u128 sum = static_cast<u128>(top[i]) + v[i] + again;
      top[i] = static_cast<u64>(sum);
      again = static_cast<u64>(sum >> 64);
    }
    top[n] += again;
  }
  return static_cast<u64>(guess);
}

/// Both numbers shifted so that the divisor's highest bit is set: a.size() + 1 limbs at u, b.size() at v.
void normalise(u64* u, u64* v, Limbs a, Limbs b) {
  const u32 shift = static_cast<u32>(std::countl_zero(b.back()));
  u[a.size()] = 0;
  for (u64 i = a.size(); i > 0; --i) {
    const u64 lower = i >= 2 && shift != 0 ? a[i - 2] >> (64 - shift) : 0;
    if (i == a.size() && shift != 0) u[i] = a[i - 1] >> (64 - shift);
    u[i - 1] = a[i - 1] << shift | lower;
  }
  for (u64 i = b.size(); i > 0; --i) {
    v[i - 1] = b[i - 1] << shift | (i >= 2 && shift != 0 ? b[i - 2] >> (64 - shift) : 0);
  }
}

/// What is left of the first number when all limbs of the quotient are known.
void take_remainder(u64* rest, const u64* u, Limbs b) {
  const u32 shift = static_cast<u32>(std::countl_zero(b.back()));
  for (u64 i = 0; i < b.size(); ++i) rest[i] = u[i] >> shift | (shift != 0 ? u[i + 1] << (64 - shift) : 0);
}

u64* limbs_at(u8* base, u64 at) { return reinterpret_cast<u64*>(base + at); }

}  // namespace

u64 trimmed(const u64* limbs, u64 count) {
  while (count > 0 && limbs[count - 1] == 0) count -= 1;
  return count;
}

int compare(Limbs a, Limbs b) {
  if (a.size() != b.size()) return a.size() < b.size() ? -1 : 1;
  for (u64 i = a.size(); i > 0; --i) {
    if (a[i - 1] != b[i - 1]) return a[i - 1] < b[i - 1] ? -1 : 1;
  }
  return 0;
}

void add(u64* out, Limbs a, Limbs b) {
  if (a.size() < b.size()) return add(out, b, a);
  u64 carry = 0;
  for (u64 i = 0; i < a.size(); ++i) {
    const u128 sum = static_cast<u128>(a[i]) + (i < b.size() ? b[i] : 0) + carry;
    out[i] = static_cast<u64>(sum);
    carry = static_cast<u64>(sum >> 64);
  }
  out[a.size()] = carry;
}

void subtract(u64* out, Limbs a, Limbs b) {
  u64 borrow = 0;
  for (u64 i = 0; i < a.size(); ++i) {
    const u128 difference = static_cast<u128>(a[i]) - (i < b.size() ? b[i] : 0) - borrow;
    out[i] = static_cast<u64>(difference);
    borrow = static_cast<u64>(difference >> 64) & 1;
  }
  ASSERT(borrow == 0);
}

void multiply_school(u64* out, Limbs a, Limbs b) {
  memset(out, 0, (a.size() + b.size()) * 8);
  for (u64 i = 0; i < a.size(); ++i) {
    u64 carry = 0;
    const u64 x = a[i];
    for (u64 j = 0; j < b.size(); ++j) {
      const u128 sum = static_cast<u128>(x) * b[j] + out[i + j] + carry;
      out[i + j] = static_cast<u64>(sum);
      carry = static_cast<u64>(sum >> 64);
    }
    out[i + b.size()] = carry;
  }
}

u64 multiply_scratch(u64 a, u64 b) {
  const u64 n = a < b ? a : b;
  // Karatsuba: 4(h + 1) limbs a level with h = n/2, then n/4 …: below 8n + 8 log n; and 2n for a partial product.
  return n < kKaratsubaLimbsMin ? 0 : 10 * n + 1024;
}

void Product::begin(u8* base, u64 to, Place x, Place y, u64 scratch_at) {
  out = to;
  a = x.count < y.count ? y : x;
  b = x.count < y.count ? x : y;
  scratch = scratch_at;
  next = part_made = depth = 0;
  memset(limbs_at(base, out), 0, (a.count + b.count) * 8);
}

u64 Product::step(u8* base) {
  const u64 n = b.count;
  if (depth != 0) return part(base);
  if (part_made != 0) {
    add_into(limbs_at(base, out) + next, {limbs_at(base, scratch), trimmed(limbs_at(base, scratch), 2 * n)});
    next += n;
    part_made = 0;
    return n;
  }
  if (n >= kKaratsubaLimbsMin && next + n <= a.count) {
    frames[0] = {scratch, a.at + next * 8, b.at, n, scratch + 16 * n, 0};
    depth = 1;
    part_made = 1;
    return 1;
  }
  u64 products = 0;
  for (; next < a.count && products < kStepProducts; ++next, products += n) {
    add_row(limbs_at(base, out) + next, limbs_at(base, b.at), n, limbs_at(base, a.at)[next]);
  }
  return products;
}

/// A step of a product of equal sizes. Karatsuba and Ofman, 1962: three products of half the size.
u64 Product::part(u8* base) {
  Frame& frame = frames[depth - 1];
  const u64 n = frame.count;
  const u64 low = n / 2;
  const u64 high = n - low;
  const u64 sum_a = frame.scratch;
  const u64 sum_b = sum_a + 8 * (high + 1);
  const u64 middle = sum_b + 8 * (high + 1);
  const auto limbs = [base](u64 at) { return limbs_at(base, at); };
  const auto call = [&](u64 to, u64 x, u64 y, u64 count, u64 scratch_at) {
    ASSERT(depth < kDepthMax);
    frames[depth] = {to, x, y, count, scratch_at, 0};
    depth += 1;
    frame.stage += 1;
  };
  switch (frame.stage) {
    case 0:
      if (n < kKaratsubaLimbsMin) {
        multiply_school(limbs(frame.out), {limbs(frame.a), n}, {limbs(frame.b), n});
        depth -= 1;
        return n * n;
      }
      call(frame.out, frame.a, frame.b, low, frame.scratch);
      return 1;
    case 1: call(frame.out + 16 * low, frame.a + 8 * low, frame.b + 8 * low, high, frame.scratch); return 1;
    case 2:  // (a0 + a1)(b0 + b1) - a0·b0 - a1·b1
      add(limbs(sum_a), {limbs(frame.a + 8 * low), high}, {limbs(frame.a), low});
      add(limbs(sum_b), {limbs(frame.b + 8 * low), high}, {limbs(frame.b), low});
      call(middle, sum_a, sum_b, high + 1, middle + 16 * (high + 1));
      return n;
    default:
      subtract_from(limbs(middle), {limbs(frame.out), 2 * low});
      subtract_from(limbs(middle), {limbs(frame.out + 16 * low), 2 * high});
      add_into(limbs(frame.out + 8 * low), {limbs(middle), trimmed(limbs(middle), 2 * (high + 1))});
      depth -= 1;
      return 2 * n;
  }
}

u64 divide_small(u64* limbs, u64 count, u64 divisor) {
  u64 rest = 0;
  for (u64 i = count; i > 0; --i) {
    const u128 value = static_cast<u128>(rest) << 64 | limbs[i - 1];
    limbs[i - 1] = static_cast<u64>(value / divisor);
    rest = static_cast<u64>(value % divisor);
  }
  return rest;
}

u64 multiply_small(u64* limbs, u64 count, u64 factor, u64 addend) {
  u64 carry = addend;
  for (u64 i = 0; i < count; ++i) {
    const u128 product = static_cast<u128>(limbs[i]) * factor + carry;
    limbs[i] = static_cast<u64>(product);
    carry = static_cast<u64>(product >> 64);
  }
  return carry;
}

/// Knuth, The Art of Computer Programming, vol. 2, 4.3.1, algorithm D, with limbs of 64 bits.
void divide(u64* quotient, u64* remainder, Limbs a, Limbs b, u64* work) {
  ASSERT(!b.empty() && b.back() != 0 && a.size() >= b.size());
  if (b.size() == 1) {
    memcpy(work, a.data(), a.size() * 8);
    remainder[0] = divide_small(work, a.size(), b[0]);
    if (quotient != nullptr) memcpy(quotient, work, a.size() * 8);
    return;
  }
  u64* v = work + a.size() + 1;
  normalise(work, v, a, b);
  for (u64 rows = a.size() - b.size() + 1; rows > 0; --rows) {
    const u64 digit = divide_row(work + rows - 1, v, b.size());
    if (quotient != nullptr) quotient[rows - 1] = digit;
  }
  take_remainder(remainder, work, b);
}

void Quotient::begin(u8* base) {
  ASSERT(b.count >= 2 && a.count >= b.count);
  u64* u = limbs_at(base, work);
  normalise(u, u + a.count + 1, {limbs_at(base, a.at), a.count}, {limbs_at(base, b.at), b.count});
  rows = a.count - b.count + 1;
}

u64 Quotient::step(u8* base) {
  const u64 n = b.count;
  u64* u = limbs_at(base, work);
  if (rows == 0) return 0;
  u64 products = 0;
  for (; rows > 0 && products < kStepProducts; --rows, products += n) {
    limbs_at(base, quotient)[rows - 1] = divide_row(u + rows - 1, u + a.count + 1, n);
  }
  if (rows == 0) take_remainder(limbs_at(base, remainder), u, {limbs_at(base, b.at), n});
  return products;
}

void shift_left(u64* out, Limbs a, u64 bits) {
  const u64 limbs = bits / 64;
  const u32 rest = bits % 64;
  out[a.size() + limbs] = 0;
  for (u64 i = a.size(); i > 0; --i) {
    if (rest != 0) out[i + limbs] |= a[i - 1] >> (64 - rest);
    out[i - 1 + limbs] = a[i - 1] << rest;
  }
  memset(out, 0, limbs * 8);
}

void shift_right(u64* out, Limbs a, u64 bits) {
  const u64 limbs = bits / 64;
  const u32 rest = bits % 64;
  for (u64 i = 0; i < a.size(); ++i) {
    const u64 low = i + limbs < a.size() ? a[i + limbs] : 0;
    const u64 high = i + limbs + 1 < a.size() ? a[i + limbs + 1] : 0;
    out[i] = rest == 0 ? low : low >> rest | high << (64 - rest);
  }
}

u64 bit_length(Limbs a) { return a.empty() ? 0 : a.size() * 64 - static_cast<u64>(std::countl_zero(a.back())); }

}  // namespace lonala::number
