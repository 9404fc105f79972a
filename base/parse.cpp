// base/parse.cpp — see parse.h.
#include "base/parse.h"

#include "base/enforce.h"

namespace base {
namespace {

using Code = ParseError::Code;

ParseError error_at(Code code, u64 offset) { return {code, static_cast<u32>(offset)}; }

/// 16 for what is no digit in any radix.
u32 digit_value(char c) {
  if (c >= '0' && c <= '9') return static_cast<u32>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<u32>(c - 'a') + 10;
  if (c >= 'A' && c <= 'F') return static_cast<u32>(c - 'A') + 10;
  return 16;
}

struct Prefix {
  u64 value = 0;
  u64 length = 0;
};

/// The longest run of digits from `start`.
Result<Prefix, ParseError> parse_digits(std::string_view text, u64 start, u32 radix) {
  Prefix prefix;
  for (u64 at = start; at < text.size(); ++at) {
    const u32 digit = digit_value(text[at]);
    if (digit >= radix) break;
    u64 scaled = 0;
    if (__builtin_mul_overflow(prefix.value, u64{radix}, &scaled)) return error_at(Code::Overflow, start);
    if (__builtin_add_overflow(scaled, u64{digit}, &prefix.value)) return error_at(Code::Overflow, start);
    prefix.length += 1;
  }
  if (prefix.length == 0) return error_at(start == text.size() ? Code::Empty : Code::BadDigit, start);
  return prefix;
}

Result<u64, ParseError> parse_whole(std::string_view text, u64 start, u32 radix) {
  ASSERT(radix == kRadixAuto || (radix >= 2 && radix <= 16));
  const bool has_prefix =
      text.size() >= start + 2 && text[start] == '0' && (text[start + 1] == 'x' || text[start + 1] == 'X');
  if (has_prefix && (radix == 16 || radix == kRadixAuto)) {
    start += 2;
    radix = 16;
  }
  const Prefix prefix = TRY(parse_digits(text, start, radix == kRadixAuto ? 10 : radix));
  if (start + prefix.length != text.size()) return error_at(Code::BadDigit, start + prefix.length);
  return prefix.value;
}

/// Nanoseconds in a unit; 0 if there is no such unit.
u64 duration_unit_ns(std::string_view unit) {
  if (unit == "ns") return 1;
  if (unit == "us") return 1'000;
  if (unit == "ms") return 1'000'000;
  if (unit.empty() || unit == "s") return 1'000'000'000;
  if (unit == "m") return 60'000'000'000;
  if (unit == "h") return 3'600'000'000'000;
  if (unit == "d") return 86'400'000'000'000;
  return 0;
}

/// log2 of a size suffix; ‑1 if it is none.
i32 size_suffix_shift(char c) {
  switch (c) {
    case 'k':
    case 'K': return 10;
    case 'm':
    case 'M': return 20;
    case 'g':
    case 'G': return 30;
    case 't':
    case 'T': return 40;
    default: return -1;
  }
}

}  // namespace

Result<u64, ParseError> parse_u64(std::string_view text, u32 radix) { return parse_whole(text, 0, radix); }

Result<i64, ParseError> parse_i64(std::string_view text, u32 radix) {
  const bool negative = !text.empty() && text[0] == '-';
  const bool has_sign = negative || (!text.empty() && text[0] == '+');
  const u64 start = has_sign ? 1 : 0;
  const u64 magnitude = TRY(parse_whole(text, start, radix));
  constexpr u64 kNegativeMax = u64{1} << 63;
  if (magnitude > (negative ? kNegativeMax : kNegativeMax - 1)) return error_at(Code::Overflow, start);
  return static_cast<i64>(negative ? 0 - magnitude : magnitude);
}

Result<u64, ParseError> parse_size(std::string_view text) {
  const Prefix prefix = TRY(parse_digits(text, 0, 10));
  u64 at = prefix.length;
  u32 shift = 0;
  if (at < text.size() && size_suffix_shift(text[at]) > 0) {
    shift = static_cast<u32>(size_suffix_shift(text[at]));
    at += 1;
  }
  const std::string_view tail = text.substr(at);
  if (!tail.empty() && tail != "B" && !(tail == "iB" && shift != 0)) return error_at(Code::BadUnit, at);
  const u64 bytes = prefix.value << shift;
  if ((bytes >> shift) != prefix.value) return error_at(Code::Overflow, 0);
  return bytes;
}

Result<u64, ParseError> parse_duration_ns(std::string_view text) {
  const Prefix whole = TRY(parse_digits(text, 0, 10));
  u64 at = whole.length;
  u64 fraction = 0;
  u64 fraction_scale = 1;
  if (at < text.size() && text[at] == '.') {
    const u64 start = at + 1;
    constexpr u64 kFractionDigits = 18;  // 10¹⁸ < 2⁶⁴; a further digit is below a nanosecond even of a day
    for (at = start; at < text.size() && digit_value(text[at]) < 10; ++at) {
      if (at - start >= kFractionDigits) continue;
      fraction = fraction * 10 + digit_value(text[at]);
      fraction_scale *= 10;
    }
    if (at == start) return error_at(Code::BadDigit, start);
  }
  const u64 unit_ns = duration_unit_ns(text.substr(at));
  if (unit_ns == 0) return error_at(Code::BadUnit, at);
  using Wide = unsigned __int128;
  const Wide total = Wide{whole.value} * unit_ns + Wide{fraction} * unit_ns / fraction_scale;
  if (total > ~u64{0}) return error_at(Code::Overflow, 0);
  return static_cast<u64>(total);
}

std::string_view describe(Code code) {
  switch (code) {
    case Code::Empty: return "no number";
    case Code::BadDigit: return "not a digit";
    case Code::Overflow: return "too large";
    case Code::BadUnit: return "unknown unit";
  }
  UNREACHABLE("a parse error has one of four codes");
}

}  // namespace base
