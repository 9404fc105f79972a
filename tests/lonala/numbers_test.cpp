// Numbers against GMP and against the host's correctly rounded conversions.
#include <catch2/catch.hpp>
#include <gmp.h>

#include <bit>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "base/prng.h"
#include "vm/lonala/number/binary_float.h"
#include "vm/lonala/number/magnitude.h"

namespace {

using lonala::number::Limbs;

std::vector<u64> random_limbs(base::Prng& prng, u64 count) {
  std::vector<u64> limbs(count);
  for (u64& limb : limbs) {
    const u64 kind = prng.below(4);
    limb = kind == 0 ? 0 : kind == 1 ? ~u64{0} : prng.next();
  }
  if (count > 0 && limbs.back() == 0) limbs.back() = 1;
  return limbs;
}

struct Big {
  explicit Big(const std::vector<u64>& limbs) {
    mpz_init(value);
    mpz_import(value, limbs.size(), -1, 8, 0, 0, limbs.data());
  }
  Big() { mpz_init(value); }
  Big(const Big&) = delete;
  ~Big() { mpz_clear(value); }
  std::vector<u64> limbs() const {
    std::vector<u64> out((mpz_sizeinbase(value, 2) + 63) / 64);
    size_t count = 0;
    mpz_export(out.data(), &count, -1, 8, 0, 0, value);
    out.resize(count);
    return out;
  }
  mpz_t value;
};

std::vector<u64> trimmed(std::vector<u64> limbs) {
  limbs.resize(lonala::number::trimmed(limbs.data(), limbs.size()));
  return limbs;
}

u64 bits_of(double value) { return value != value ? lonala::number::kNaN64 : std::bit_cast<u64>(value); }

u64 random_float(base::Prng& prng) {
  switch (prng.below(4)) {
    case 0: return prng.next();
    case 1: return (prng.next() & 0x800FFFFFFFFFFFFFu) | (1023 - 60 + prng.below(120)) << 52;
    case 2: return prng.next() & 0x800FFFFFFFFFFFFFu;  // subnormal
    default: {
      static const u64 kHard[] = {0,
                                  u64{1} << 63,
                                  1,
                                  0x7FF0000000000000u,
                                  0xFFF0000000000000u,
                                  0x7FF8000000000000u,
                                  0x3FF0000000000000u,
                                  0x7FEFFFFFFFFFFFFFu,
                                  0x0010000000000000u,
                                  0x000FFFFFFFFFFFFFu};
      return kHard[prng.below(std::size(kHard))];
    }
  }
}

/// All in one block, which moves between two steps.
std::vector<u64> product_in_steps(const std::vector<u64>& a, const std::vector<u64>& b) {
  std::vector<u64> block = a;
  block.insert(block.end(), b.begin(), b.end());
  const u64 out = block.size();
  block.resize(2 * out + lonala::number::multiply_scratch(a.size(), b.size()));
  const auto base = [&block] { return reinterpret_cast<u8*>(block.data()); };
  lonala::number::Product product{};
  product.begin(base(), 8 * out, {0, a.size()}, {8 * a.size(), b.size()}, 16 * out);
  while (product.step(base()) != 0) block = std::vector<u64>(block);
  return trimmed({block.begin() + static_cast<i64>(out), block.begin() + static_cast<i64>(2 * out)});
}

}  // namespace

TEST_CASE("magnitudes multiply and divide as GMP does", "[vm][lonala][numbers][differential]") {
  base::Prng prng{1, "test.magnitude"};
  for (u32 round = 0; round < 600; ++round) {
    CAPTURE(round);
    const u64 n = 1 + prng.below(round % 10 == 0 ? 300 : 12);
    const u64 m = 1 + prng.below(round % 10 == 0 ? 300 : 12);
    const std::vector<u64> a = random_limbs(prng, n);
    const std::vector<u64> b = random_limbs(prng, m);
    const Big x(a);
    const Big y(b);
    Big result;
    std::vector<u64> school(n + m);
    lonala::number::multiply_school(school.data(), a, b);
    mpz_mul(result.value, x.value, y.value);
    REQUIRE(trimmed(school) == result.limbs());
    REQUIRE(product_in_steps(a, b) == result.limbs());
    if (n < m) continue;
    std::vector<u64> quotient(n - m + 1);
    std::vector<u64> rest(m);
    std::vector<u64> work(n + m + 2);
    lonala::number::divide(quotient.data(), rest.data(), a, b, work.data());
    Big remainder;
    mpz_tdiv_qr(result.value, remainder.value, x.value, y.value);
    REQUIRE(trimmed(quotient) == result.limbs());
    REQUIRE(trimmed(rest) == remainder.limbs());
  }
}

TEST_CASE("binary64 arithmetic has the bits of IEEE 754 hardware", "[vm][lonala][numbers][differential]") {
  base::Prng prng{2, "test.binary64"};
  for (u32 round = 0; round < 200'000; ++round) {
    const u64 a = random_float(prng);
    const u64 b = random_float(prng);
    const double x = std::bit_cast<double>(a);
    const double y = std::bit_cast<double>(b);
    CAPTURE(a, b);
    REQUIRE(lonala::number::f64_add(a, b) == bits_of(x + y));
    REQUIRE(lonala::number::f64_subtract(a, b) == bits_of(x - y));
    REQUIRE(lonala::number::f64_multiply(a, b) == bits_of(x * y));
    REQUIRE(lonala::number::f64_divide(a, b) == bits_of(x / y));
    REQUIRE(lonala::number::f64_square_root(a) == bits_of(__builtin_sqrt(x)));
    const float narrow = static_cast<float>(x);
    const u32 narrow_bits = narrow != narrow ? lonala::number::kNaN32 : std::bit_cast<u32>(narrow);
    REQUIRE(lonala::number::f32_of_f64(a) == narrow_bits);
  }
}
