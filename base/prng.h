// base/prng.h — named, splittable random streams. A stream is (seed, purpose, instance); value i is word 0 of
// Threefry-2x64-20 under the stream's key and counter (i, 0), so nothing is stored but the next index and a new
// stream moves no value of any other. Source: Salmon, Moraes, Dror, Shaw, "Parallel Random Numbers: As Easy as
// 1, 2, 3", SC 2011.
#pragma once
#include "base/digest.h"
#include "base/types.h"

namespace base {

struct U128Words {
  u64 word0 = 0;
  u64 word1 = 0;
  friend bool operator==(const U128Words&, const U128Words&) = default;
};

/// Threefry-2x64 with 20 rounds: five times four with a key injection behind each. Rotations: Salmon et al., table 3.
inline U128Words threefry2x64(U128Words key, U128Words counter) {
  const u64 k0 = key.word0;
  const u64 k1 = key.word1;
  const u64 k2 = 0x1BD11BDAA9FC1A22u ^ k0 ^ k1;  // Skein's C240
  u64 x0 = counter.word0 + k0;
  u64 x1 = counter.word1 + k1;
  const auto round = [&](int rotation) {
    x0 += x1;
    x1 = std::rotl(x1, rotation) ^ x0;
  };
  const auto even = [&] { round(16), round(42), round(12), round(31); };
  const auto odd = [&] { round(16), round(32), round(24), round(21); };
  const auto inject = [&](u64 first, u64 second) {
    x0 += first;
    x1 += second;
  };
  even();
  inject(k1, k2 + 1);
  odd();
  inject(k2, k0 + 2);
  even();
  inject(k0, k1 + 3);
  odd();
  inject(k1, k2 + 4);
  even();
  inject(k2, k0 + 5);
  return {x0, x1};
}

class Prng {
 public:
  Prng(u64 seed, std::string_view purpose, u64 instance = 0) : key_(key_of(seed, purpose, instance)) {}

  /// Value `index` of the stream, without moving it: what an opportunity number reads.
  u64 at(u64 index, u64 argument = 0) const { return threefry2x64(key_, {index, argument}).word0; }
  u64 next() {
    const u64 value = at(index_);
    index_ += 1;
    return value;
  }
  /// Uniform below `bound` (≥ 1): high word of value × bound, no rejection; bias ≤ 2⁻³² for bound ≤ 2³².
  u64 below(u64 bound) { return static_cast<u64>((static_cast<unsigned __int128>(next()) * bound) >> 64); }
  bool chance(Ratio ratio) { return below(ratio.denominator) < ratio.numerator; }
  u64 index() const { return index_; }

 private:
  static U128Words key_of(u64 seed, std::string_view purpose, u64 instance) {
    D128 digest;
    digest.fold(seed);
    digest.fold_bytes(bytes_of(purpose));
    digest.fold(instance);
    const Digest key = digest.out();
    return {key.high, key.low};
  }
  U128Words key_;
  u64 index_ = 0;
};

}  // namespace base
