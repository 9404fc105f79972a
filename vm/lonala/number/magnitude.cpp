#include "vm/lonala/number/magnitude.h"

#include <bit>
#include <cstring>

#include "base/assert.h"

#include "base/enforce.h"

namespace lonala::number {
namespace {

using u128 = unsigned __int128;

// Below this many limbs schoolbook multiplication wins (spec'd bound; GMP's own is in the same region).
constexpr u64 kKaratsubaLimbsMin = 32;

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

/// Equal sizes. Karatsuba and Ofman, 1962: three products of half the size.
void multiply_equal(u64* out, const u64* a, const u64* b, u64 n, u64* scratch) {
  if (n < kKaratsubaLimbsMin) return multiply_school(out, {a, n}, {b, n});
  const u64 low = n / 2;
  const u64 high = n - low;
  multiply_equal(out, a, b, low, scratch);
  multiply_equal(out + 2 * low, a + low, b + low, high, scratch);
  // (a0 + a1)(b0 + b1) - a0·b0 - a1·b1
  u64* sum_a = scratch;
  u64* sum_b = scratch + high + 1;
  u64* middle = scratch + 2 * (high + 1);
  add(sum_a, {a + low, high}, {a, low});
  add(sum_b, {b + low, high}, {b, low});
  multiply_equal(middle, sum_a, sum_b, high + 1, scratch + 4 * (high + 1));
  subtract_from(middle, {out, 2 * low});
  subtract_from(middle, {out + 2 * low, 2 * high});
  add_into(out + low, {middle, trimmed(middle, 2 * (high + 1))});
}

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

u64 multiply_scratch(u64 a, u64 b) {
  const u64 n = a < b ? a : b;
  // Karatsuba: 4(h + 1) limbs a level with h = n/2, then n/4 …: below 8n + 8 log n; and 2n for a partial product.
  return n < kKaratsubaLimbsMin ? 0 : 10 * n + 1024;
}

void multiply(u64* out, Limbs a, Limbs b, u64* scratch) {
  if (a.size() < b.size()) return multiply(out, b, a, scratch);
  const u64 n = b.size();
  if (n < kKaratsubaLimbsMin) return multiply_school(out, a, b);
  memset(out, 0, (a.size() + n) * 8);
  u64* part = scratch;
  u64 at = 0;
  for (; at + n <= a.size(); at += n) {
    multiply_equal(part, a.data() + at, b.data(), n, scratch + 2 * n);
    add_into(out + at, {part, trimmed(part, 2 * n)});
  }
  if (at < a.size()) {
    multiply_school(part, b, a.subspan(at));
    add_into(out + at, {part, trimmed(part, n + a.size() - at)});
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
  ASSERT(!b.empty() && b.back() != 0);
  const u64 n = b.size();
  if (n == 1) {
    memcpy(work, a.data(), a.size() * 8);
    remainder[0] = divide_small(work, a.size(), b[0]);
    if (quotient != nullptr) memcpy(quotient, work, a.size() * 8);
    return;
  }
  ASSERT(a.size() >= n);
  const u64 m = a.size() - n;
  const u32 shift = static_cast<u32>(std::countl_zero(b.back()));
  u64* u = work;                 // a.size() + 1
  u64* v = work + a.size() + 1;  // n
  u[a.size()] = 0;
  for (u64 i = a.size(); i > 0; --i) {
    const u64 lower = i >= 2 && shift != 0 ? a[i - 2] >> (64 - shift) : 0;
    if (i == a.size() && shift != 0) u[i] = a[i - 1] >> (64 - shift);
    u[i - 1] = a[i - 1] << shift | lower;
  }
  for (u64 i = n; i > 0; --i) v[i - 1] = b[i - 1] << shift | (i >= 2 && shift != 0 ? b[i - 2] >> (64 - shift) : 0);
  for (u64 j = m + 1; j > 0; --j) {
    u64* top = u + j - 1;
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
    if (quotient != nullptr) quotient[j - 1] = static_cast<u64>(guess);
  }
  for (u64 i = 0; i < n; ++i) {
    remainder[i] = u[i] >> shift | (shift != 0 ? u[i + 1] << (64 - shift) : 0);
  }
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
