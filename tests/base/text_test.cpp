// UTF-8, terminal width and glob patterns.
#include <catch2/catch.hpp>

#include <string>
#include <vector>

#include "base/glob.h"
#include "base/prng.h"
#include "base/utf8.h"

using namespace base;

TEST_CASE("every scalar value survives encoding and decoding", "[base][utf8][exhaustive]") {
  u64 wrong = 0;
  for (u32 code_point = 0; code_point <= kCodePointMax; ++code_point) {
    char bytes[4];
    const u32 length = encode_utf8(code_point, bytes);
    const DecodedCharacter back = decode_utf8({bytes, length});
    const bool surrogate = code_point >= 0xD800 && code_point <= 0xDFFF;
    const u32 expected = surrogate ? kReplacementCharacter : code_point;
    if (!back.valid || back.code_point != expected || back.length != length) wrong += 1;
  }
  CHECK(wrong == 0);
  char bytes[4];
  CHECK(std::string(bytes, encode_utf8(0x110000, bytes)) == "\xEF\xBF\xBD");
}

TEST_CASE("malformed sequences are replaced by maximal subparts", "[base][utf8]") {
  // The Unicode Standard 14.0, table 3-8: 61 F1 80 80 E1 80 C2 62 80 63 80 BF 64.
  const std::string text = "\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64";
  std::vector<u32> code_points;
  for (u64 at = 0; at < text.size();) {
    const DecodedCharacter character = decode_utf8(text, at);
    code_points.push_back(character.code_point);
    at += character.length;
  }
  CHECK(code_points == std::vector<u32>{0x61, 0xFFFD, 0xFFFD, 0xFFFD, 0x62, 0xFFFD, 0x63, 0xFFFD, 0xFFFD, 0x64});
  CHECK_FALSE(is_valid_utf8("\xC0\x80"));          // overlong
  CHECK_FALSE(is_valid_utf8("\xED\xA0\x80"));      // surrogate
  CHECK_FALSE(is_valid_utf8("\xF4\x90\x80\x80"));  // above U+10FFFF
  CHECK_FALSE(is_valid_utf8("\xE2\x82"));          // cut
  CHECK(is_valid_utf8("grüße, 世界 😀"));
  CHECK(is_valid_utf8(""));
}

TEST_CASE("width follows the tables", "[base][utf8]") {
  CHECK(display_width(U'a') == 1);
  CHECK(display_width(0x1B) == 0);
  CHECK(display_width(0x7F) == 0);
  CHECK(display_width(0xAD) == 1);
  CHECK(display_width(0x300) == 0);
  CHECK(display_width(0x200B) == 0);
  CHECK(display_width(0x20AC) == 1);
  CHECK(display_width(0x4E16) == 2);
  CHECK(display_width(0xFF21) == 2);
  CHECK(display_width(0x1F600) == 2);
  CHECK(display_width(0xE0100) == 0);
  CHECK(display_width(0x10FFFF) == 1);
  CHECK(display_width("grüße") == 5);
  CHECK(display_width("e\xCC\x81 世界") == 6);
  CHECK(display_width("\xFF!") == 2);
}

TEST_CASE("the cursor stops at the same places forwards and backwards", "[base][utf8][property]") {
  const std::string line = "ae\xCC\x81\xCC\x82世 \xF0\x9F\x98\x80z";
  std::vector<u64> forwards;
  for (u64 at = 0; at < line.size(); at = next_cursor_stop(line, at)) forwards.push_back(at);
  CHECK(forwards == std::vector<u64>{0, 1, 6, 9, 10, 14});
  std::vector<u64> backwards;
  for (u64 at = line.size(); at > 0; at = previous_cursor_stop(line, at)) {
    backwards.insert(backwards.begin(), previous_cursor_stop(line, at));
  }
  CHECK(backwards == forwards);
  for (u64 seed = 0; seed < 500; ++seed) {  // any bytes: it always moves and stays inside
    Prng prng{seed, "test.cursor"};
    std::string text(prng.below(12) + 1, '\0');
    for (char& byte : text) byte = static_cast<char>(prng.next());
    for (u64 at = 0; at < text.size(); ++at) {
      const u64 next = next_cursor_stop(text, at);
      REQUIRE((next > at && next <= text.size()));
      REQUIRE(previous_cursor_stop(text, at + 1) <= at);
    }
  }
}

namespace {

/// The definition, without regard to time: `*` takes nothing, or one character and then tries again.
bool model_matches(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return text.empty();
  if (pattern[0] == '*') {
    return model_matches(pattern.substr(1), text) || (!text.empty() && model_matches(pattern, text.substr(1)));
  }
  if (text.empty()) return false;
  if (pattern[0] == '?') return model_matches(pattern.substr(1), text.substr(1));
  if (pattern.starts_with("[ab]")) {
    return (text[0] == 'a' || text[0] == 'b') && model_matches(pattern.substr(4), text.substr(1));
  }
  if (pattern.starts_with("[!a]")) return text[0] != 'a' && model_matches(pattern.substr(4), text.substr(1));
  return pattern[0] == text[0] && model_matches(pattern.substr(1), text.substr(1));
}

}  // namespace

TEST_CASE("patterns match as the shell's do", "[base][glob]") {
  CHECK(glob_matches("*", ""));
  CHECK(glob_matches("*", "anything"));
  CHECK_FALSE(glob_matches("?", ""));
  CHECK(glob_matches("*.txt", "notes.txt"));
  CHECK_FALSE(glob_matches("*.txt", "notes.txt~"));
  CHECK(glob_matches("a*b*c", "a-b-b-c"));
  CHECK(glob_matches("[a-c]x", "bx"));
  CHECK_FALSE(glob_matches("[a-c]x", "dx"));
  CHECK(glob_matches("[!a-c]x", "dx"));
  CHECK(glob_matches("[^a-c]x", "dx"));
  CHECK(glob_matches("[]]", "]"));
  CHECK(glob_matches("[!]]", "a"));
  CHECK(glob_matches("[a-]", "-"));
  CHECK(glob_matches("[[:alpha:]_][[:digit:]]", "_7"));
  CHECK_FALSE(glob_matches("[[:alpha:]]", "7"));
  CHECK_FALSE(glob_matches("[[:nonsense:]]", "n"));
  CHECK(glob_matches("[[:upper:][:space:]]", " "));
  CHECK(glob_matches("\\*", "*"));
  CHECK_FALSE(glob_matches("\\*", "x"));
  CHECK(glob_matches("[\\]]", "]"));
  CHECK(glob_matches("a\\", "a\\"));
  CHECK(glob_matches("[abc", "[abc"));
  CHECK_FALSE(glob_matches("[abc", "a"));
  CHECK(glob_matches("?", "ä"));
  CHECK(glob_matches("[ä-ü]", "ö"));
  CHECK(glob_matches("?\xFF", "\xFE\xFF"));
  CHECK_FALSE(glob_matches("\xFE", "\xFF"));
  CHECK(glob_matches("[\xFE]", "\xFE"));
}

TEST_CASE("a leading dot is matched only by a dot", "[base][glob]") {
  CHECK_FALSE(glob_matches_name("*", ".profile"));
  CHECK_FALSE(glob_matches_name("?x", ".x"));
  CHECK_FALSE(glob_matches_name("[.]x", ".x"));
  CHECK(glob_matches_name(".*", ".profile"));
  CHECK(glob_matches_name("\\.p*", ".profile"));
  CHECK(glob_matches_name("*", "profile"));
  CHECK(is_glob("a*"));
  CHECK(is_glob("[x"));
  CHECK_FALSE(is_glob("a\\*"));
  CHECK_FALSE(is_glob("plain"));
}

TEST_CASE("random patterns agree with the definition", "[base][glob][model]") {
  const std::string_view elements[] = {"*", "?", "a", "b", "[ab]", "[!a]"};
  for (u64 seed = 0; seed < 20'000; ++seed) {
    Prng prng{seed, "test.glob"};
    std::string pattern;
    std::string text;
    for (u64 i = prng.below(7); i > 0; --i) pattern += elements[prng.below(6)];
    for (u64 i = prng.below(8); i > 0; --i) text += static_cast<char>('a' + prng.below(3));
    if (glob_matches(pattern, text) != model_matches(pattern, text)) {
      CAPTURE(seed, pattern, text);
      REQUIRE(glob_matches(pattern, text) == model_matches(pattern, text));
    }
  }
}

TEST_CASE("hostile patterns end in bounded time", "[base][glob]") {
  std::string stars;
  for (u32 i = 0; i < 200; ++i) stars += "*a";
  CHECK_FALSE(glob_matches(stars + "b", std::string(2000, 'a')));
  CHECK_FALSE(glob_matches("*" + std::string(2000, '['), std::string(2000, 'x')));
  CHECK_FALSE(glob_matches("*" + std::string(1000, '[') + "\\]", std::string(2000, '[')));
}
