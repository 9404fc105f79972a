// user/lib/hashes.h — digests of files as other systems compute them: SHA-256 (FIPS 180-4), MD5 (RFC 1321), CRC-32 (ISO
// 3309, as in gzip). For checking what came from elsewhere; the trace has a digest of its own (base/digest.h).
// Tested by   tests/user/hashes_test.cpp (the vectors of the standards; any cut gives the same)
#pragma once
#include "base/bytes.h"
#include "base/sha256.h"
#include "base/types.h"

namespace user {

class Md5Rounds {
 public:
  static constexpr u32 kDigestBytes = 16;
  void fold(const u8* block);
  void store(u8* digest) const;
  static void store_length(u8* out, u64 bits) { base::store_le64(out, bits); }

 private:
  u32 state_[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
};

using Sha256 = base::Sha256;
using Md5 = base::BlockHash<Md5Rounds>;

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
