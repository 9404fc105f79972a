// The bare machines' memory functions against the C library's. The sources of boot/freestanding/memory.cpp are compiled
// here under other names.
#include <catch2/catch.hpp>

#include <cstring>
#include <vector>

#include "base/prng.h"

using base::Prng;

extern "C" {
void* boot_memcpy(void*, const void*, std::size_t);
void* boot_memmove(void*, const void*, std::size_t);
void* boot_memset(void*, int, std::size_t);
int boot_memcmp(const void*, const void*, std::size_t);
void* boot_memchr(const void*, int, std::size_t);
std::size_t boot_strlen(const char*);
}

namespace {
int sign(int value) { return (value > 0) - (value < 0); }
}  // namespace

TEST_CASE("the freestanding memory functions agree with the C library at every offset and length",
          "[boot][memory][model]") {
  for (u64 seed = 0; seed < 4000; ++seed) {
    CAPTURE(seed);
    Prng prng{seed, "test.memory"};
    u8 ours[96];
    u8 theirs[96];
    for (u32 i = 0; i < sizeof ours; ++i) ours[i] = theirs[i] = static_cast<u8>(prng.below(4));
    const u64 to = prng.below(40);
    const u64 from = prng.below(40);
    const u64 bytes = prng.below(56);
    const int value = static_cast<int>(prng.below(5)) - 1;
    REQUIRE(boot_memmove(ours + to, ours + from, bytes) == ours + to);
    std::memmove(theirs + to, theirs + from, bytes);
    REQUIRE(std::memcmp(ours, theirs, sizeof ours) == 0);
    u8 copy[96] = {};
    REQUIRE(boot_memcpy(copy + to, ours + from, bytes) == copy + to);
    REQUIRE(std::memcmp(copy + to, ours + from, bytes) == 0);
    REQUIRE(sign(boot_memcmp(ours + to, ours + from, bytes)) == sign(std::memcmp(ours + to, ours + from, bytes)));
    REQUIRE(boot_memchr(ours + from, value, bytes) == std::memchr(ours + from, value, bytes));
    REQUIRE(boot_memset(ours + to, value, bytes) == ours + to);
    std::memset(theirs + to, value, bytes);
    REQUIRE(std::memcmp(ours, theirs, sizeof ours) == 0);
    ours[95] = 0;
    const char* text = reinterpret_cast<const char*>(ours + from);
    REQUIRE(boot_strlen(text) == std::strlen(text));
  }
}
