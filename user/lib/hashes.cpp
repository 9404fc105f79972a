// user/lib/hashes.cpp — see the header. The round constants are those of the standards.
#include "user/lib/hashes.h"

#include <bit>

#include "base/enforce.h"

namespace user {
namespace {

constexpr u32 kMd5[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391};

}  // namespace

void Md5Rounds::fold(const u8* block) {  // RFC 1321 §3.4
  constexpr u8 kShifts[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
  u32 w[16];
  for (u32 i = 0; i < 16; ++i) w[i] = base::load_le32(block + 4 * i);
  u32 a = state_[0];
  u32 b = state_[1];
  u32 c = state_[2];
  u32 d = state_[3];
  for (u32 i = 0; i < 64; ++i) {
    u32 mixed = 0;
    u32 word = i;
    switch (i / 16) {
      case 0: mixed = (b & c) | (~b & d); break;
      case 1:
        mixed = (d & b) | (~d & c);
        word = 5 * i + 1;
        break;
      case 2:
        mixed = b ^ c ^ d;
        word = 3 * i + 5;
        break;
      default:
        mixed = c ^ (b | ~d);
        word = 7 * i;
        break;
    }
    const u32 turned = std::rotl(a + mixed + kMd5[i] + w[word % 16], kShifts[i / 16][i % 4]);
    a = d;
    d = c;
    c = b;
    b += turned;
  }
  state_[0] += a;
  state_[1] += b;
  state_[2] += c;
  state_[3] += d;
}

void Md5Rounds::store(u8* digest) const {
  for (u32 i = 0; i < 4; ++i) base::store_le32(digest + 4 * i, state_[i]);
}

Crc32::Crc32() {
  for (u32 i = 0; i < 256; ++i) {
    u32 value = i;
    for (u32 bit = 0; bit < 8; ++bit) value = (value & 1) != 0 ? value >> 1 ^ 0xEDB8'8320 : value >> 1;
    table_[i] = value;
  }
}

}  // namespace user
