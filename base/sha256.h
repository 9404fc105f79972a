// base/sha256.h — SHA-256 (FIPS 180-4), and the block machinery that digests of its family share.
// Tested by   tests/user/hashes_test.cpp (the vectors of the standard; any cut gives the same)
#pragma once
#include "base/bytes.h"
#include "base/types.h"

namespace base {

/// The 64-byte block machinery of SHA-256 and MD5: `Algorithm` folds whole blocks and says how it ends.
template <class Algorithm>
class BlockHash {
 public:
  static constexpr u32 kBlockBytes = 64;

  void add(Bytes data) {
    length_ += data.size();
    while (!data.empty()) {
      const u64 count = data.size() < kBlockBytes - held_ ? data.size() : kBlockBytes - held_;
      __builtin_memcpy(block_ + held_, data.data(), count);
      held_ += static_cast<u32>(count);
      data = data.subspan(count);
      if (held_ < kBlockBytes) continue;
      algorithm_.fold(block_);
      held_ = 0;
    }
  }
  /// Writes the digest; nothing is added afterwards.
  void finish(u8 (&digest)[Algorithm::kDigestBytes]) {
    const u64 bits = length_ * 8;
    u8 padding[kBlockBytes + 8] = {0x80};
    const u32 used = static_cast<u32>(length_ % kBlockBytes);
    const u32 count = (used < 56 ? 56 : 120) - used;  // up to the length, which ends the last block
    Algorithm::store_length(padding + count, bits);
    add({padding, count + u32{8}});
    algorithm_.store(digest);
  }

 private:
  Algorithm algorithm_;
  u8 block_[kBlockBytes];
  u32 held_ = 0;
  u64 length_ = 0;
};

class Sha256Rounds {
 public:
  static constexpr u32 kDigestBytes = 32;
  void fold(const u8* block);
  void store(u8* digest) const;
  static void store_length(u8* out, u64 bits) { store_be64(out, bits); }

 private:
  u32 state_[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
};

using Sha256 = BlockHash<Sha256Rounds>;

}  // namespace base
