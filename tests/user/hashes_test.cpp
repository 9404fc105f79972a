// Digests against the vectors of FIPS 180-4, RFC 1321 and ISO 3309, and against themselves in pieces.
#include <catch2/catch.hpp>

#include <cstdio>
#include <string>

#include "user/lib/hashes.h"

namespace {

base::Bytes bytes_of(const std::string& text) { return {reinterpret_cast<const u8*>(text.data()), text.size()}; }

template <class Hash, u32 kBytes>
std::string digest(const std::string& text, u64 piece = ~u64{0}) {
  Hash hash;
  for (u64 at = 0; at < text.size();) {
    const u64 count = std::min<u64>(piece, text.size() - at);
    hash.add(bytes_of(text).subspan(at, count));
    at += count;
  }
  u8 out[kBytes];
  hash.finish(out);
  std::string hex;
  for (const u8 byte : out) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", byte);
    hex += digits;
  }
  return hex;
}

}  // namespace

TEST_CASE("SHA-256 and MD5 give the digests of their standards", "[user][hash]") {
  const auto sha = digest<user::Sha256, 32>;
  const auto md5 = digest<user::Md5, 16>;
  CHECK(sha("", 1) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha("abc", 1) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 7) ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(sha(std::string(1'000'000, 'a'), 4096) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  CHECK(md5("", 1) == "d41d8cd98f00b204e9800998ecf8427e");
  CHECK(md5("message digest", 3) == "f96b697d7cb7938d525a2f31aaf161d0");
  CHECK(md5("12345678901234567890123456789012345678901234567890123456789012345678901234567890", 64) ==
        "57edf4a22be3c955ac49da2e2107b67a");
}

TEST_CASE("a digest does not depend on how the data was cut", "[user][hash][property]") {
  for (u64 size = 0; size < 200; ++size) {
    std::string text;
    for (u64 i = 0; i < size; ++i) text += static_cast<char>(i * 7 + size);
    CAPTURE(size);
    for (const u64 piece : {1u, 3u, 55u, 63u, 64u, 65u}) {
      CHECK(digest<user::Sha256, 32>(text, piece) == digest<user::Sha256, 32>(text));
      CHECK(digest<user::Md5, 16>(text, piece) == digest<user::Md5, 16>(text));
    }
  }
}

TEST_CASE("CRC-32 gives the check value of its standard", "[user][hash]") {
  user::Crc32 crc;
  crc.add(bytes_of("12345"));
  crc.add(bytes_of("6789"));
  CHECK(crc.value() == 0xCBF43926);
}
