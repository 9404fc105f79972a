// Formatting and parsing without a heap.
#include <catch2/catch.hpp>

#include <cstdio>
#include <string>

#include "base/format.h"
#include "base/prng.h"

using namespace base;

namespace {

template <class... A>
std::string made(std::string_view pattern, const A&... arguments) {
  char buffer[256];
  return std::string(base::format(buffer, pattern, arguments...));
}

template <class... A>
std::string libc(const char* pattern, A... arguments) {
  char buffer[256];
  std::snprintf(buffer, sizeof buffer, pattern, arguments...);
  return buffer;
}

bool is_valid_utf8_prefix_cut(std::string_view text, std::string_view whole) {
  return whole.starts_with(text) &&
         (text.size() == whole.size() || (static_cast<u8>(whole[text.size()]) & 0xC0) != 0x80);
}

}  // namespace

TEST_CASE("a pattern prints integers, booleans, characters and text", "[base][format]") {
  CHECK(made("plain") == "plain");
  CHECK(made("{} {} {}", 1, u64{18446744073709551615u}, i64{-9223372036854775807 - 1}) ==
        "1 18446744073709551615 -9223372036854775808");
  CHECK(made("{} {}", true, false) == "true false");
  CHECK(made("{}{}", 'a', "bc") == "abc");
  CHECK(made("{{{}}}", 7) == "{7}");
  CHECK(made("{:x} {:08x} {:4x}", 255, 0xBEEF, 1) == "ff 0000beef    1");
  CHECK(made("[{:5}] [{:<5}] [{:>5}]", 42, 42, 42) == "[   42] [42   ] [   42]");
  CHECK(made("[{:5}] [{:<5}] [{:>5}]", "ab", "ab", "ab") == "[ab   ] [ab   ] [   ab]");
  CHECK(made("[{:2}] [{:>6}] [{:3}]", "wide", true, 'c') == "[wide] [  true] [c  ]");
  CHECK(made("{:06} {:01}", -42, -5) == "-00042 -5");
  CHECK(made("{} {}", u8{200}, i8{-1}) == "200 -1");
}

TEST_CASE("numbers in every width agree with the C library", "[base][format][property]") {
  for (u64 seed = 0; seed < 2000; ++seed) {
    CAPTURE(seed);
    Prng prng{seed, "test.format"};
    const u64 shift = prng.below(64);
    const u64 value = prng.next() >> shift;
    const i64 negative = -static_cast<i64>(value >> 1);
    REQUIRE(made("{}|{:x}|{:016x}|{:>22}|{:<22}|{:020}", value, value, value, value, value, negative) ==
            libc("%llu|%llx|%016llx|%22llu|%-22llu|%020lld", (unsigned long long)value, (unsigned long long)value,
                 (unsigned long long)value, (unsigned long long)value, (unsigned long long)value, (long long)negative));
  }
}

TEST_CASE("a buffer that is too small is never overrun, and the cut shows", "[base][format][exhaustive]") {
  const std::string whole = made("name={:>6} n={:08x} ä€😀{}", "ab", 0xC0FFEE, 12345);
  for (std::size_t room = 0; room <= whole.size() + 2; ++room) {
    CAPTURE(room);
    char buffer[80];
    for (char& byte : buffer) byte = '#';
    const std::string_view text =
        base::format(std::span<char>(buffer, room), "name={:>6} n={:08x} ä€😀{}", "ab", 0xC0FFEE, 12345);
    REQUIRE(text.size() <= room);
    for (std::size_t at = room; at < sizeof buffer; ++at) REQUIRE(buffer[at] == '#');
    if (room >= whole.size()) {
      REQUIRE(text == whole);
    } else {
      REQUIRE(text.ends_with(std::string_view("...").substr(0, room)));
      REQUIRE(is_valid_utf8_prefix_cut(text.substr(0, text.size() - std::min<std::size_t>(3, room)), whole));
    }
  }
}

TEST_CASE("a writer keeps a prefix and drops everything after the first cut", "[base][format]") {
  char buffer[8];
  Writer writer{std::span<char>(buffer)};
  writer.text("abcdef");
  CHECK_FALSE(writer.truncated());
  writer.text("ghijk");
  CHECK(writer.truncated());
  writer.text("z");
  CHECK(writer.view() == "abcdefgh");
  writer.clear();
  writer.number(7);
  writer.signed_number(-12);
  writer.hex(0xAB, 4);
  CHECK(writer.view() == "7-1200ab");
  CHECK_FALSE(writer.truncated());
  writer.clear();
  writer.text("abcdefg");
  writer.text("€");
  CHECK(writer.view() == "abcdefg");
  CHECK(writer.truncated());
}

TEST_CASE("unsigned numbers are read in their radix, whole, and without overflow", "[base][parse]") {
  CHECK(parse_u64("0").value() == 0);
  CHECK(parse_u64("18446744073709551615").value() == ~u64{0});
  CHECK(parse_u64("ff", 16).value() == 255);
  CHECK(parse_u64("0xFF", 16).value() == 255);
  CHECK(parse_u64("0x1f", kRadixAuto).value() == 31);
  CHECK(parse_u64("017", kRadixAuto).value() == 17);
  CHECK(parse_u64("755", 8).value() == 0755);
  using Code = ParseError::Code;
  CHECK(parse_u64("").error() == ParseError{Code::Empty, 0});
  CHECK(parse_u64("18446744073709551616").error().code == Code::Overflow);
  CHECK(parse_u64("12a").error() == ParseError{Code::BadDigit, 2});
  CHECK(parse_u64("-1").error() == ParseError{Code::BadDigit, 0});
  CHECK(parse_u64(" 1").error() == ParseError{Code::BadDigit, 0});
  CHECK(parse_u64("0x", kRadixAuto).error() == ParseError{Code::Empty, 2});
  CHECK(parse_u64("0x10").error() == ParseError{Code::BadDigit, 1});
  CHECK(parse_u64("8", 8).error() == ParseError{Code::BadDigit, 0});
}

TEST_CASE("signed numbers reach both ends of their range", "[base][parse]") {
  CHECK(parse_i64("-9223372036854775808").value() == std::numeric_limits<i64>::min());
  CHECK(parse_i64("+9223372036854775807").value() == std::numeric_limits<i64>::max());
  CHECK(parse_i64("-0x10", kRadixAuto).value() == -16);
  CHECK(parse_i64("9223372036854775808").error().code == ParseError::Code::Overflow);
  CHECK(parse_i64("-9223372036854775809").error().code == ParseError::Code::Overflow);
  CHECK(parse_i64("-").error() == ParseError{ParseError::Code::Empty, 1});
  CHECK(parse_i64("--1").error() == ParseError{ParseError::Code::BadDigit, 1});
}

TEST_CASE("what is printed is read back", "[base][parse][property]") {
  for (u64 seed = 0; seed < 500; ++seed) {
    CAPTURE(seed);
    Prng prng{seed, "test.parse"};
    const u64 shift = prng.below(64);
    const u64 value = prng.next() >> shift;
    REQUIRE(parse_u64(made("{}", value)).value() == value);
    REQUIRE(parse_u64(made("0x{:x}", value), kRadixAuto).value() == value);
    REQUIRE(parse_i64(made("{}", static_cast<i64>(value))).value() == static_cast<i64>(value));
  }
}

TEST_CASE("sizes take binary suffixes and are checked for overflow", "[base][parse]") {
  CHECK(parse_size("4096").value() == 4096);
  CHECK(parse_size("4K").value() == 4096);
  CHECK(parse_size("64M").value() == u64{64} << 20);
  CHECK(parse_size("1g").value() == u64{1} << 30);
  CHECK(parse_size("2TiB").value() == u64{2} << 40);
  CHECK(parse_size("7B").value() == 7);
  CHECK(parse_size("16777215T").value() == u64{16777215} << 40);
  CHECK(parse_size("16777216T").error().code == ParseError::Code::Overflow);
  CHECK(parse_size("1X").error() == ParseError{ParseError::Code::BadUnit, 1});
  CHECK(parse_size("1iB").error() == ParseError{ParseError::Code::BadUnit, 1});
  CHECK(parse_size("1KK").error() == ParseError{ParseError::Code::BadUnit, 2});
  CHECK(parse_size("K").error() == ParseError{ParseError::Code::BadDigit, 0});
  CHECK(parse_size("").error().code == ParseError::Code::Empty);
}

TEST_CASE("durations take units and fractions; a plain number is seconds", "[base][parse]") {
  CHECK(parse_duration_ns("2").value() == 2'000'000'000);
  CHECK(parse_duration_ns("100ms").value() == 100'000'000);
  CHECK(parse_duration_ns("1.5s").value() == 1'500'000'000);
  CHECK(parse_duration_ns("0.25").value() == 250'000'000);
  CHECK(parse_duration_ns("7ns").value() == 7);
  CHECK(parse_duration_ns("3us").value() == 3'000);
  CHECK(parse_duration_ns("1m").value() == 60'000'000'000);
  CHECK(parse_duration_ns("1h").value() == 3'600'000'000'000);
  CHECK(parse_duration_ns("1d").value() == 86'400'000'000'000);
  CHECK(parse_duration_ns("0.0000000019").value() == 1);
  CHECK(parse_duration_ns("0.9999999999999999999999d").value() == 86'399'999'999'999);
  CHECK(parse_duration_ns("213503d").value() == u64{213503} * 86'400'000'000'000);
  CHECK(parse_duration_ns("213504d").error().code == ParseError::Code::Overflow);
  CHECK(parse_duration_ns("1.s").error() == ParseError{ParseError::Code::BadDigit, 2});
  CHECK(parse_duration_ns("1.5 s").error() == ParseError{ParseError::Code::BadUnit, 3});
  CHECK(parse_duration_ns("5parsec").error() == ParseError{ParseError::Code::BadUnit, 1});
  CHECK(parse_duration_ns("-1s").error() == ParseError{ParseError::Code::BadDigit, 0});
  CHECK(parse_duration_ns("").error().code == ParseError::Code::Empty);
}
