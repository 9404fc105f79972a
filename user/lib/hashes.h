// user/lib/hashes.h — digests of files as other systems compute them: SHA-256 (FIPS 180-4), MD5 (RFC 1321), CRC-32 (ISO
// 3309, as in gzip). For checking what came from elsewhere; the trace has a digest of its own (base/digest.h).
// Tested by   tests/user/hashes_test.cpp (the vectors of the standards; any cut gives the same)
#pragma once
#include "base/bytes.h"
#include "base/types.h"

namespace user {

/// The 64-byte block machinery that SHA-256 and MD5 share: `Algorithm` folds whole blocks and says how it ends.
template <class Algorithm>
class BlockHash {
 public:
  static constexpr u32 kBlockBytes = 64;

  void add(base::Bytes data) {
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
  static void store_length(u8* out, u64 bits) { base::store_be64(out, bits); }

 private:
  u32 state_[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
};

class Md5Rounds {
 public:
  static constexpr u32 kDigestBytes = 16;
  void fold(const u8* block);
  void store(u8* digest) const;
  static void store_length(u8* out, u64 bits) { base::store_le64(out, bits); }

 private:
  u32 state_[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
};

using Sha256 = BlockHash<Sha256Rounds>;
using Md5 = BlockHash<Md5Rounds>;

class Crc32 {
 public:
  Crc32();
  void add(base::Bytes data) {
    for (const u8 byte : data) state_ = state_ >> 8 ^ table_[(state_ ^ byte) & 0xFF];
  }
  u32 value() const { return ~state_; }

 private:
  u32 table_[256];
  u32 state_ = ~u32{0};
};

}  // namespace user
