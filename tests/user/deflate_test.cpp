// Packing and unpacking against one another, against a stream that zlib made, and against damage.
#include "user/lib/deflate.h"

#include <catch2/catch.hpp>

#include <string>

#include "base/prng.h"
#include "tests/user/test_heap.h"

namespace {

struct Source final : user::ByteSource {
  explicit Source(std::string text) : bytes(std::move(text)) {}
  i32 next() override { return at == bytes.size() ? -1 : static_cast<u8>(bytes[at++]); }
  std::string bytes;
  std::size_t at = 0;
};

struct Sink final : user::ByteSink {
  void put(base::Bytes more) override { bytes.append(reinterpret_cast<const char*>(more.data()), more.size()); }
  std::string bytes;
};

std::string packed(const std::string& text, u32 level, u64 piece) {
  TestHeap heap;
  Sink out;
  user::Deflater deflater(heap, out, level);
  for (u64 at = 0; at < text.size(); at += piece) {
    const std::string part = text.substr(at, piece);
    deflater.add({reinterpret_cast<const u8*>(part.data()), part.size()});
  }
  deflater.finish();
  return out.bytes;
}

bool unpack(const std::string& bytes, std::string& text) {
  TestHeap heap;
  Source in(bytes);
  Sink out;
  const bool good = user::inflate(heap, in, out);
  text = out.bytes;
  return good;
}

/// Text of some kind: noise, few letters, long runs, repeats near and far.
std::string sample(base::Prng& prng, u64 size) {
  std::string text;
  while (text.size() < size) {
    const u64 run = prng.below(300) + 1;
    switch (prng.below(4)) {
      case 0:
        for (u64 i = 0; i < run; ++i) text += static_cast<char>(prng.below(256));
        break;
      case 1: text.append(run, static_cast<char>(prng.below(256))); break;
      case 2:
        for (u64 i = 0; i < run; ++i) text += static_cast<char>('a' + prng.below(3));
        break;
      default:
        if (!text.empty()) text += text.substr(prng.below(text.size()), run);
        break;
    }
  }
  text.resize(size);
  return text;
}

}  // namespace

TEST_CASE("what was packed unpacks to the same", "[user][deflate][property]") {
  for (u64 seed = 0; seed < 60; ++seed) {
    CAPTURE(seed);
    base::Prng prng{seed, "test.deflate"};
    const std::string text = sample(prng, seed < 10 ? seed : prng.below(200'000));
    const std::string stream = packed(text, static_cast<u32>(seed % 9 + 1), prng.below(5000) + 1);
    std::string back;
    REQUIRE(unpack(stream, back));
    REQUIRE(back == text);
  }
}

TEST_CASE("text that repeats itself becomes short", "[user][deflate]") {
  std::string text;
  for (u32 i = 0; i < 10'000; ++i) text += "line " + std::to_string(i) + " of the file\n";
  CHECK(packed(text, 6, 4096).size() < text.size() / 4);
  CHECK(packed(std::string(1'000'000, 'x'), 6, 4096).size() < 3000);
}

TEST_CASE("a stream that zlib made unpacks", "[user][deflate]") {
  constexpr u8 kStream[] = {
      0x85, 0xd3, 0xcb, 0x09, 0xc3, 0x40, 0x10, 0x04, 0xd1, 0x54, 0x26, 0x00, 0x1d, 0x34, 0xdd, 0xfe, 0xc8, 0xe1, 0x58,
      0xb0, 0xc2, 0x87, 0xc5, 0x0b, 0xd6, 0x82, 0xd2, 0x77, 0x06, 0x53, 0xe7, 0xba, 0x3d, 0xba, 0xd7, 0xd8, 0xc7, 0x9c,
      0xbd, 0x9d, 0x31, 0x8e, 0xd8, 0x5b, 0xfb, 0xc5, 0xf8, 0xc6, 0xfc, 0xb4, 0xb8, 0xde, 0xbd, 0x2f, 0x91, 0x75, 0x56,
      0x9d, 0x5d, 0xe7, 0x5b, 0x9d, 0xef, 0x75, 0x7e, 0xd4, 0xf9, 0x59, 0xe7, 0xad, 0xce, 0x2f, 0x60, 0x59, 0xa1, 0x83,
      0x5b, 0x02, 0x5c, 0x82, 0x5c, 0x02, 0x5d, 0x82, 0x5d, 0x02, 0x5e, 0x82, 0x5e, 0x02, 0x5f, 0x82, 0x9f, 0xc0, 0x4f,
      0xb4, 0x3b, 0xf0, 0x13, 0xf8, 0x09, 0xfc, 0x04, 0x7e, 0x02, 0x3f, 0x81, 0x9f, 0xc0, 0x4f, 0xe0, 0x67, 0xf0, 0x33,
      0xf8, 0x99, 0x8e, 0x0b, 0x7e, 0x06, 0x3f, 0x83, 0x9f, 0xc1, 0xcf, 0xe0, 0x67, 0xf0, 0x73, 0xed, 0xf7, 0x07};
  std::string expected;
  for (u32 i = 0; i < 40; ++i) expected += (i == 0 ? "" : " ") + std::to_string(i) + " bottles of beer on the wall,";
  std::string text;
  REQUIRE(unpack({reinterpret_cast<const char*>(kStream), sizeof kStream}, text));
  CHECK(text == expected);
}

TEST_CASE("a damaged stream ends, with what was good before", "[user][deflate][hostile][property]") {
  const std::string good = packed(std::string(3000, 'a') + "some text, some more text, and some at the end", 6, 100);
  for (u64 size = 0; size < good.size(); ++size) {
    std::string text;
    CHECK_FALSE(unpack(good.substr(0, size), text));
  }
  for (u64 seed = 0; seed < 2000; ++seed) {
    CAPTURE(seed);
    base::Prng prng{seed, "test.deflate-damage"};
    std::string bad = good;
    const u64 at = prng.below(bad.size());
    bad[at] = static_cast<char>(bad[at] ^ static_cast<char>(1 << prng.below(8)));
    if (prng.below(2) == 0) {
      bad.clear();
      for (u64 i = prng.below(200); i > 0; --i) bad += static_cast<char>(prng.below(256));
    }
    std::string text;
    static_cast<void>(unpack(bad, text));
    CHECK(text.size() < (u64{1} << 24));
  }
}
