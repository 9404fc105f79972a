// base/format.h — text without a heap: a writer into a caller's buffer, and patterns in the style of std::format
// for integers, bool, char and text. Nothing is ever written past the buffer, and a cut text shows that it was cut.
// It brings base/parse.h along, the way back from text to numbers, sizes and durations.
// Tested by   tests/base/format_test.cpp
#pragma once
#include <concepts>
#include <span>
#include <string_view>
#include <type_traits>

#include "base/assert.h"
#include "base/parse.h"
#include "base/types.h"

namespace base {

enum class Align : u8 { Left, Right };

/// Appends text to a fixed buffer. Once something did not fit, `truncated()` stays true and later writes are dropped,
/// so that `view()` is always a prefix of the whole text; it is never cut inside a UTF-8 sequence.
class Writer {
 public:
  explicit Writer(std::span<char> out) : out_(out) {}
  explicit Writer(MutableBytes out) : out_(reinterpret_cast<char*>(out.data()), out.size()) {}

  void text(std::string_view text);
  void character(char character) { text({&character, 1}); }
  /// Decimal.
  void number(u64 value);
  void signed_number(i64 value);
  /// Lower-case hexadecimal without a prefix, at least `digits` digits (≤ 16).
  void hex(u64 value, u32 digits = 0);
  /// `fill` on one side until `content` is `width` bytes wide; wider content is written whole.
  void padded(std::string_view content, u64 width, Align align = Align::Left, char fill = ' ');

  bool truncated() const { return truncated_; }
  std::string_view view() const { return {out_.data(), size_}; }
  u64 size() const { return size_; }
  void clear() {
    size_ = 0;
    truncated_ = false;
  }
  /// Makes a cut visible: the last three bytes of a truncated text become dots (fewer if the buffer is smaller).
  void mark_truncation();

 private:
  std::span<char> out_;
  u64 size_ = 0;
  bool truncated_ = false;
};

/// One argument of a pattern, with its type reduced to what a pattern can print.
struct FormatArgument {
  enum class Kind : u8 { Unsigned, Signed, Boolean, Character, Text };
  Kind kind = Kind::Unsigned;
  u64 number = 0;  // two's complement for Signed
  std::string_view text{};
};

template <class T>
FormatArgument format_argument(const T& value) {
  using Kind = FormatArgument::Kind;
  if constexpr (std::same_as<T, bool>) {
    return {Kind::Boolean, value ? 1u : 0u};
  } else if constexpr (std::same_as<T, char>) {
    return {Kind::Character, static_cast<u8>(value)};
  } else if constexpr (std::is_integral_v<T> && std::is_signed_v<T>) {
    return {Kind::Signed, static_cast<u64>(static_cast<i64>(value))};
  } else if constexpr (std::is_integral_v<T>) {
    return {Kind::Unsigned, static_cast<u64>(value)};
  } else {
    static_assert(std::is_convertible_v<const T&, std::string_view>, "integers, bool, char and text can be formatted");
    return {Kind::Text, 0, std::string_view(value)};
  }
}

/// Appends `pattern` with its arguments. `{}` or `{:[<|>][0][width][x|d]}`; `{{` and `}}` are braces. Numbers go right
/// in their width and text goes left unless `<` or `>` says otherwise; `0` fills with zeros after the sign. A pattern
/// that is malformed or does not match its arguments is our mistake: patterns never come from input.
void format_to(Writer& writer, std::string_view pattern, std::span<const FormatArgument> arguments);

template <class... A>
void format_to(Writer& writer, std::string_view pattern, const A&... arguments) {
  if constexpr (sizeof...(A) == 0) {
    format_to(writer, pattern, std::span<const FormatArgument>{});
  } else {
    const FormatArgument list[] = {format_argument(arguments)...};
    format_to(writer, pattern, std::span<const FormatArgument>(list));
  }
}

/// Formats into `out` and returns the text in it. What does not fit is cut and ends in "...".
template <class... A>
std::string_view format(std::span<char> out, std::string_view pattern, const A&... arguments) {
  Writer writer(out);
  format_to(writer, pattern, arguments...);
  writer.mark_truncation();
  return writer.view();
}

}  // namespace base
