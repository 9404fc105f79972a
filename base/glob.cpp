// base/glob.cpp — see glob.h.
#include "base/glob.h"

#include "base/assert.h"
#include "base/utf8.h"

#include "base/enforce.h"

namespace base {
namespace {

constexpr u64 kNone = ~u64{0};
constexpr u64 kClassNameMax = 6;  // "xdigit"

bool is_in_class(std::string_view name, u32 c) {
  const bool lower = c >= 'a' && c <= 'z';
  const bool upper = c >= 'A' && c <= 'Z';
  const bool digit = c >= '0' && c <= '9';
  const bool graph = c > 0x20 && c < 0x7F;
  if (name == "alpha") return lower || upper;
  if (name == "digit") return digit;
  if (name == "alnum") return lower || upper || digit;
  if (name == "lower") return lower;
  if (name == "upper") return upper;
  if (name == "space") return c == ' ' || (c >= '\t' && c <= '\r');
  if (name == "blank") return c == ' ' || c == '\t';
  if (name == "punct") return graph && !(lower || upper || digit);
  if (name == "graph") return graph;
  if (name == "print") return graph || c == ' ';
  if (name == "cntrl") return c < 0x20 || c == 0x7F;
  if (name == "xdigit") return digit || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  return false;
}

/// One element of a pattern, tried against one character.
struct Step {
  u64 length = 0;  // bytes of the pattern it takes; 0 for a bracket that is never closed
  bool matches = false;
};

/// An ordinary character of the pattern at `at`, a backslash before it taken off. A trailing backslash is itself.
DecodedCharacter ordinary_at(std::string_view pattern, u64 at) {
  if (pattern[at] != '\\' || at + 1 == pattern.size()) return decode_utf8(pattern, at);
  DecodedCharacter character = decode_utf8(pattern, at + 1);
  character.length += 1;
  return character;
}

/// Malformed bytes match only the same bytes, not each other: each is given a number outside Unicode.
u32 identity_of(std::string_view text, u64 at, const DecodedCharacter& character) {
  return character.valid ? character.code_point : kCodePointMax + 1 + static_cast<u8>(text[at]);
}

/// The length of `[:name:]` at `at`, 0 if there is none.
u64 class_length(std::string_view pattern, u64 at) {
  if (!pattern.substr(at).starts_with("[:")) return 0;
  const u64 close = pattern.substr(at + 2, kClassNameMax + 2).find(":]");
  return close == std::string_view::npos ? 0 : close + 4;
}

Step try_bracket(std::string_view pattern, u64 start, u32 wanted) {
  u64 at = start + 1;
  const bool inverted = at < pattern.size() && (pattern[at] == '!' || pattern[at] == '^');
  if (inverted) at += 1;
  bool found = false;
  for (bool first = true; at < pattern.size(); first = false) {
    if (pattern[at] == ']' && !first) return {at + 1 - start, found != inverted};
    if (const u64 length = class_length(pattern, at); length != 0) {
      found = found || is_in_class(pattern.substr(at + 2, length - 4), wanted);
      at += length;
      continue;
    }
    const DecodedCharacter low = ordinary_at(pattern, at);
    const u32 low_identity = identity_of(pattern, at + low.length - 1, low);
    at += low.length;
    u32 high_identity = low_identity;
    if (at + 1 < pattern.size() && pattern[at] == '-' && pattern[at + 1] != ']') {
      const DecodedCharacter high = ordinary_at(pattern, at + 1);
      high_identity = identity_of(pattern, at + high.length, high);
      at += 1 + high.length;
    }
    found = found || (wanted >= low_identity && wanted <= high_identity);
  }
  return {0, false};
}

}  // namespace

bool glob_matches(std::string_view pattern, std::string_view text) {
  u64 p = 0;
  u64 t = 0;
  u64 star = kNone;          // the last `*` seen; an earlier one never needs to take more
  u64 star_text = 0;         // where the text after what that `*` takes begins
  u64 literal_from = kNone;  // the first bracket that is never closed
  while (t < text.size() || p < pattern.size()) {
    bool advanced = false;
    if (p < pattern.size() && pattern[p] == '*') {
      star = p;
      star_text = t;
      p += 1;
      continue;
    }
    if (p < pattern.size() && t < text.size()) {
      const DecodedCharacter character = decode_utf8(text, t);
      const u32 wanted = identity_of(text, t, character);
      Step step;
      if (pattern[p] == '?') {
        step = {1, true};
      } else if (pattern[p] == '[' && p < literal_from) {
        step = try_bracket(pattern, p, wanted);
        if (step.length == 0) literal_from = p;
      }
      if (step.length == 0) {
        const DecodedCharacter ordinary = ordinary_at(pattern, p);
        step = {ordinary.length, identity_of(pattern, p + ordinary.length - 1, ordinary) == wanted};
      }
      if (step.matches) {
        p += step.length;
        t += character.length;
        advanced = true;
      }
    }
    if (advanced) continue;
    if (star == kNone || star_text >= text.size()) return false;
    star_text += decode_utf8(text, star_text).length;
    t = star_text;
    p = star + 1;
  }
  return true;
}

bool glob_matches_name(std::string_view pattern, std::string_view name) {
  if (name.starts_with('.') && !pattern.starts_with('.') && !pattern.starts_with("\\.")) return false;
  return glob_matches(pattern, name);
}

bool is_glob(std::string_view pattern) {
  for (u64 at = 0; at < pattern.size(); ++at) {
    const char c = pattern[at];
    if (c == '*' || c == '?' || c == '[') return true;
    if (c == '\\') at += 1;
  }
  return false;
}

}  // namespace base
