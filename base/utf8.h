// base/utf8.h — UTF-8 (RFC 3629) and the width of characters on a terminal: what the console and line editing need.
// Tested by   tests/base/text_test.cpp
#pragma once
#include <string_view>

#include "base/assert.h"
#include "base/types.h"

namespace base {

constexpr u32 kReplacementCharacter = 0xFFFD;
constexpr u32 kCodePointMax = 0x10FFFF;

struct DecodedCharacter {
  u32 code_point = kReplacementCharacter;
  u32 length = 1;  // bytes, 1 to 4
  bool valid = false;
};

/// The character that starts at byte `at` < text.size(). A malformed sequence gives U+FFFD and the length of its maximal
/// valid prefix, at least 1 (The Unicode Standard, §3.9, "U+FFFD Substitution of Maximal Subparts").
DecodedCharacter decode_utf8(std::string_view text, u64 at = 0);

/// Writes up to four bytes and returns how many. What is no Unicode scalar value becomes U+FFFD.
u32 encode_utf8(u32 code_point, char (&out)[4]);

bool is_valid_utf8(std::string_view text);

/// Columns on a terminal: 0 for controls, combining marks and format characters, 2 for East Asian wide and fullwidth
/// characters and emoji, else 1. Source: Unicode 14.0.0, UnicodeData.txt and EastAsianWidth.txt.
u32 display_width(u32 code_point);
/// The sum over a text; a malformed sequence counts as one column, as it is shown.
u64 display_width(std::string_view text);

/// Where the cursor goes from byte `at` ≤ size: over one character together with the marks that combine with it.
u64 next_cursor_stop(std::string_view text, u64 at);
u64 previous_cursor_stop(std::string_view text, u64 at);

}  // namespace base
