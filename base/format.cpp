// base/format.cpp — see format.h.
#include "base/format.h"

#include <algorithm>

#include "base/enforce.h"

namespace base {
namespace {

constexpr u32 kDigitsMax = 20;  // 2⁶⁴ − 1 has 20 decimal digits

struct Digits {
  char text[kDigitsMax];
  u32 count = 0;
  std::string_view view() const { return {text + kDigitsMax - count, count}; }
};

Digits digits_of(u64 value, u32 radix) {
  Digits digits;
  do {
    digits.count += 1;
    digits.text[kDigitsMax - digits.count] = "0123456789abcdef"[value % radix];
    value /= radix;
  } while (value != 0);
  return digits;
}

struct Spec {
  bool has_align = false;
  Align align = Align::Left;
  bool zero_fill = false;
  bool hexadecimal = false;
  u64 width = 0;
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// `body` is what stands between the braces: empty, or a colon and the format.
Spec parse_spec(std::string_view body) {
  Spec spec;
  if (body.empty()) return spec;
  ASSERT(body[0] == ':');
  u64 at = 1;
  if (at < body.size() && (body[at] == '<' || body[at] == '>')) {
    spec.has_align = true;
    spec.align = body[at] == '<' ? Align::Left : Align::Right;
    at += 1;
  }
  if (at < body.size() && body[at] == '0') {
    spec.zero_fill = true;
    at += 1;
  }
  for (; at < body.size() && is_digit(body[at]); ++at) spec.width = spec.width * 10 + static_cast<u64>(body[at] - '0');
  ASSERT(spec.width <= 4096);
  if (at < body.size() && (body[at] == 'x' || body[at] == 'd')) {
    spec.hexadecimal = body[at] == 'x';
    at += 1;
  }
  ASSERT(at == body.size());
  return spec;
}

void write_number(Writer& writer, const Spec& spec, bool negative, u64 magnitude) {
  const Digits digits = digits_of(magnitude, spec.hexadecimal ? 16 : 10);
  if (spec.zero_fill) {
    if (negative) writer.character('-');
    const u64 sign_width = negative ? 1 : 0;
    writer.padded(digits.view(), spec.width - std::min(spec.width, sign_width), Align::Right, '0');
    return;
  }
  char text[kDigitsMax + 1];
  Writer plain{std::span<char>(text)};
  if (negative) plain.character('-');
  plain.text(digits.view());
  writer.padded(plain.view(), spec.width, spec.has_align ? spec.align : Align::Right);
}

void write_argument(Writer& writer, const Spec& spec, const FormatArgument& argument) {
  using Kind = FormatArgument::Kind;
  const Align text_align = spec.has_align ? spec.align : Align::Left;
  switch (argument.kind) {
    case Kind::Unsigned: return write_number(writer, spec, false, argument.number);
    case Kind::Signed: {
      const bool negative = static_cast<i64>(argument.number) < 0;
      return write_number(writer, spec, negative, negative ? 0 - argument.number : argument.number);
    }
    case Kind::Boolean: return writer.padded(argument.number != 0 ? "true" : "false", spec.width, text_align);
    case Kind::Character: {
      const char character = static_cast<char>(argument.number);
      return writer.padded({&character, 1}, spec.width, text_align);
    }
    case Kind::Text: return writer.padded(argument.text, spec.width, text_align);
  }
  UNREACHABLE("a format argument has one of five kinds");
}

}  // namespace

void Writer::text(std::string_view text) {
  if (truncated_ || text.empty()) return;
  u64 count = std::min<u64>(text.size(), out_.size() - size_);
  if (count < text.size()) {
    truncated_ = true;
    // Not inside a UTF-8 sequence: continuation bytes are 10xxxxxx (RFC 3629 §3).
    for (u32 step = 0; step < 3 && count > 0 && (static_cast<u8>(text[count]) & 0xC0) == 0x80; ++step) count -= 1;
  }
  if (count != 0) __builtin_memcpy(out_.data() + size_, text.data(), count);
  size_ += count;
  ASSERT(size_ <= out_.size());
}

void Writer::number(u64 value) { text(digits_of(value, 10).view()); }

void Writer::signed_number(i64 value) {
  if (value < 0) character('-');
  number(value < 0 ? 0 - static_cast<u64>(value) : static_cast<u64>(value));
}

void Writer::hex(u64 value, u32 digits) {
  ASSERT(digits <= 16);
  padded(digits_of(value, 16).view(), digits, Align::Right, '0');
}

void Writer::padded(std::string_view content, u64 width, Align align, char fill) {
  const u64 gap = width - std::min<u64>(width, content.size());
  if (align == Align::Left) text(content);
  for (u64 i = 0; i < gap && !truncated_; ++i) character(fill);
  if (align == Align::Right) text(content);
}

void Writer::mark_truncation() {
  if (!truncated_) return;
  const u64 room = out_.size();
  u64 start = room < 3 ? 0 : std::min<u64>(size_, room - 3);
  for (u32 step = 0; step < 3 && start > 0 && (static_cast<u8>(out_[start]) & 0xC0) == 0x80 && start < size_; ++step)
    start -= 1;
  size_ = start;
  for (u32 i = 0; i < 3 && size_ < room; ++i) out_[size_++] = '.';
}

void format_to(Writer& writer, std::string_view pattern, std::span<const FormatArgument> arguments) {
  u64 next_argument = 0;
  u64 literal_start = 0;
  u64 at = 0;
  while (at < pattern.size()) {
    const char c = pattern[at];
    if (c != '{' && c != '}') {
      at += 1;
      continue;
    }
    writer.text(pattern.substr(literal_start, at - literal_start));
    if (at + 1 < pattern.size() && pattern[at + 1] == c) {
      writer.character(c);
      at += 2;
    } else {
      ASSERT(c == '{');
      const u64 close = pattern.find('}', at);
      ASSERT(close != std::string_view::npos);
      ASSERT(next_argument < arguments.size());
      write_argument(writer, parse_spec(pattern.substr(at + 1, close - at - 1)), arguments[next_argument]);
      next_argument += 1;
      at = close + 1;
    }
    literal_start = at;
  }
  writer.text(pattern.substr(literal_start));
  ASSERT(next_argument == arguments.size());
}

}  // namespace base
