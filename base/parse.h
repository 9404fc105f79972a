// base/parse.h — reading numbers, sizes and durations from text. The whole text must be consumed; an error says at
// which byte.
// Tested by   tests/base/format_test.cpp
#pragma once
#include <string_view>

#include "base/result.h"
#include "base/types.h"

namespace base {

struct ParseError {
  enum class Code : u8 { Empty, BadDigit, Overflow, BadUnit };
  Code code = Code::Empty;
  u32 offset = 0;  // byte of the text at which it went wrong
  friend bool operator==(const ParseError&, const ParseError&) = default;
};

constexpr u32 kRadixAuto = 0;  // "0x…" is hexadecimal, anything else decimal

/// Unsigned number in `radix` (2…16 or kRadixAuto); with 16 a leading "0x" is allowed. No sign, no spaces.
Result<u64, ParseError> parse_u64(std::string_view text, u32 radix = 10);
/// The same with an optional '-' or '+' in front.
Result<i64, ParseError> parse_i64(std::string_view text, u32 radix = 10);
/// Bytes: a decimal number and optionally K, M, G or T (powers of 1024, either case), then optionally "B" or "iB".
Result<u64, ParseError> parse_size(std::string_view text);
/// Nanoseconds: a decimal number, optionally with a fraction, then ns, us, ms, s, m, h or d; without a unit seconds.
/// What is below a nanosecond is dropped.
Result<u64, ParseError> parse_duration_ns(std::string_view text);

/// A few words for a message, for example "not a digit".
std::string_view describe(ParseError::Code code);

}  // namespace base
