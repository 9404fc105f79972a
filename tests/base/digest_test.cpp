// Known answers of the digest and of the random streams: the same on every machine and compiler.
#include <catch2/catch.hpp>

#include "base/digest.h"
#include "base/prng.h"

using namespace base;

TEST_CASE("D128 gives its known answers", "[base][digest][simulation.T5]") {
  D128 digest;
  CHECK(digest.out() == Digest{0x67627b8e7361b90d, 0x1e959b3ec79b1c7a});
  for (u64 word = 0; word < 8; ++word) digest.fold(word);
  CHECK(digest.out() == Digest{0x0f440bd4c93dd7f8, 0x3436df3d2664152b});
}

TEST_CASE("D128 of bytes depends on every byte and on the length", "[base][digest][property]") {
  for (u64 seed = 0; seed < 50; ++seed) {
    CAPTURE(seed);
    Prng prng{seed, "test.digest"};
    u8 bytes[40];
    for (u8& byte : bytes) byte = static_cast<u8>(prng.next());
    const std::size_t length = prng.below(40) + 1;
    const Digest before = digest_of({bytes, length});
    CHECK(digest_of({bytes, length - 1}) != before);
    bytes[prng.below(length)] ^= static_cast<u8>(1u << prng.below(8));
    CHECK(digest_of({bytes, length}) != before);
  }
}

TEST_CASE("Threefry-2x64-20 gives the published answer for zero key and counter", "[base][prng][simulation.T5]") {
  CHECK(threefry2x64({0, 0}, {0, 0}) == U128Words{0xc2b6e3a8c2c69865, 0x6f81ed42f350084d});
}

TEST_CASE("a stream depends on seed, purpose and instance, and on nothing else", "[base][prng]") {
  Prng first{1, "net.loss", 3};
  Prng again{1, "net.loss", 3};
  CHECK(first.next() == again.next());
  CHECK(first.at(5) == again.at(5));
  CHECK(Prng{2, "net.loss", 3}.at(0) != first.at(0));
  CHECK(Prng{1, "net.delay", 3}.at(0) != first.at(0));
  CHECK(Prng{1, "net.loss", 4}.at(0) != first.at(0));
  for (int i = 0; i < 1000; ++i) REQUIRE(first.below(7) < 7);
}
