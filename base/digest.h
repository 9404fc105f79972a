// base/digest.h — D128, the one digest of traces and states: a bijection of a 128-bit state per word. It detects
// accidents and makes no security claim. The finaliser is MurmurHash3's (Appleby, 2011); the initial state is the
// first 128 fractional bits of pi.
#pragma once
#include <bit>

#include "base/bytes.h"
#include "base/types.h"

namespace base {

/// A finished digest. `high` is the first eight bytes in text and in `first_word`.
struct Digest {
  u64 high = 0;
  u64 low = 0;
  friend bool operator==(const Digest&, const Digest&) = default;
};

class D128 {
 public:
  /// Folds one word; two multiplications, about 2 ns.
  void fold(u64 word) {
    step(a_, b_, word);
    count_ += 1;
  }
  /// Folds several words, in order; the state stays in registers between them.
  template <class... Words>
  [[gnu::always_inline]] void fold(u64 first, u64 second, Words... more) {
    u64 a = a_;
    u64 b = b_;
    step(a, b, first);
    step(a, b, second);
    (step(a, b, more), ...);
    a_ = a;
    b_ = b;
    count_ += 2 + sizeof...(more);
  }
  void fold(Digest digest) {
    fold(digest.high);
    fold(digest.low);
  }
  /// Folds bytes as little-endian words, the last one zero-filled, then the length.
  void fold_bytes(Bytes bytes) {
    std::size_t at = 0;
    for (; at + 8 <= bytes.size(); at += 8) fold(load_le64(bytes.data() + at));
    if (at < bytes.size()) {
      u8 last[8] = {};
      __builtin_memcpy(last, bytes.data() + at, bytes.size() - at);
      fold(load_le64(last));
    }
    fold(static_cast<u64>(bytes.size()));
  }
  /// The digest so far; folding may go on afterwards.
  Digest out() const {
    u64 p = a_ ^ count_;
    u64 q = b_ + count_;
    p = mix(p + q);
    q = mix(q ^ p);
    p = mix(p + q);
    return {p, q};
  }

 private:
  [[gnu::always_inline]] static void step(u64& a, u64& b, u64 word) {
    a = std::rotl((a ^ word) * 0x9E3779B97F4A7C15u, 29);
    b = std::rotl((b + word) * 0xC2B2AE3D27D4EB4Fu, 31) ^ a;
    // Both chains advance together: left to itself the compiler computes all of `a` first and spills its values.
    asm("" : "+r"(a), "+r"(b));
  }
  static constexpr u64 mix(u64 x) {
    x ^= x >> 33;
    x *= 0xFF51AFD7ED558CCDu;
    x ^= x >> 33;
    x *= 0xC4CEB9FE1A85EC53u;
    x ^= x >> 33;
    return x;
  }
  u64 a_ = 0x243F6A8885A308D3u;
  u64 b_ = 0x13198A2E03707344u;
  u64 count_ = 0;
};

/// The digest of a byte string.
inline Digest digest_of(Bytes bytes) {
  D128 digest;
  digest.fold_bytes(bytes);
  return digest.out();
}

}  // namespace base
