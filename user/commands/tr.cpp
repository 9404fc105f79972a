// user/commands/tr.cpp — tr (POSIX.1-2017 XCU), byte by byte.
#include "user/lib/tool.h"

#include "base/enforce.h"

namespace user {
namespace {

constexpr u64 kBlockBytes = 4096;
constexpr u64 kSetMax = 4096;  // [x*] fills up to what the other set needs

struct Class {
  std::string_view name;
  bool (*has)(u8 c);
};
bool is_lower(u8 c) { return c >= 'a' && c <= 'z'; }
bool is_upper(u8 c) { return c >= 'A' && c <= 'Z'; }
bool is_digit(u8 c) { return c >= '0' && c <= '9'; }
bool is_space(u8 c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
constexpr Class kClasses[] = {
    {"alnum", [](u8 c) { return is_lower(c) || is_upper(c) || is_digit(c); }},
    {"alpha", [](u8 c) { return is_lower(c) || is_upper(c); }},
    {"blank", [](u8 c) { return c == ' ' || c == '\t'; }},
    {"cntrl", [](u8 c) { return c < ' ' || c == 127; }},
    {"digit", is_digit},
    {"graph", [](u8 c) { return c > ' ' && c < 127; }},
    {"lower", is_lower},
    {"print", [](u8 c) { return c >= ' ' && c < 127; }},
    {"punct", [](u8 c) { return c > ' ' && c < 127 && !is_lower(c) && !is_upper(c) && !is_digit(c); }},
    {"space", is_space},
    {"upper", is_upper},
    {"xdigit", [](u8 c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }},
};

/// One character of a set, escapes replaced.
u8 take_character(std::string_view& text) {
  const char c = text[0];
  text.remove_prefix(1);
  if (c != '\\' || text.empty()) return static_cast<u8>(c);
  static constexpr std::string_view kFrom = "abfnrtv\\";
  static constexpr std::string_view kTo = "\a\b\f\n\r\t\v\\";
  if (const u64 known = kFrom.find(text[0]); known != std::string_view::npos) {
    text.remove_prefix(1);
    return static_cast<u8>(kTo[known]);
  }
  u32 value = 0;
  u32 digits = 0;
  while (digits < 3 && !text.empty() && text[0] >= '0' && text[0] <= '7' && value * 8 < 256) {
    value = value * 8 + static_cast<u32>(text[0] - '0');
    text.remove_prefix(1);
    digits += 1;
  }
  if (digits > 0) return static_cast<u8>(value);
  const char itself = text[0];
  text.remove_prefix(1);
  return static_cast<u8>(itself);
}

/// Writes a set out in full. `fill`: how many members an `[x*]` makes the whole have. False: told.
bool expand(Tool& tool, std::string_view text, u64 fill, base::Vector<u8>& out) {
  const std::string_view whole = text;
  while (!text.empty()) {
    if (text.starts_with("[:")) {
      const u64 end = text.find(":]", 2);
      const std::string_view name = end == std::string_view::npos ? std::string_view() : text.substr(2, end - 2);
      const Class* known = nullptr;
      for (const Class& each : kClasses) {
        if (each.name == name) known = &each;
      }
      if (known == nullptr) {
        tool.bad_use("unknown character class: {}", whole);
        return false;
      }
      for (u32 c = 0; c < 256; ++c) {
        if (known->has(static_cast<u8>(c))) out.push_back(static_cast<u8>(c));
      }
      text.remove_prefix(end + 2);
      continue;
    }
    const u64 star = text.size() >= 4 && text[0] == '[' ? text.find(']', 3) : std::string_view::npos;
    if (star != std::string_view::npos && text[2] == '*') {
      const std::string_view digits = text.substr(3, star - 3);
      const auto number = base::parse_u64(digits, digits.starts_with("0") ? 8 : 10);
      if (digits.empty() || number.ok()) {
        const u8 c = static_cast<u8>(text[1]);
        const u64 count =
            digits.empty() || *number == 0 ? fill - std::min(fill, out.size()) : std::min(*number, kSetMax);
        out.resize(out.size() + count, c);
        text.remove_prefix(star + 1);
        continue;
      }
    }
    const u8 low = take_character(text);
    if (text.size() < 2 || text[0] != '-') {
      out.push_back(low);
      continue;
    }
    text.remove_prefix(1);
    const u8 high = take_character(text);
    if (high < low) {
      tool.bad_use("bad range: {}", whole);
      return false;
    }
    for (u32 c = low; c <= high; ++c) out.push_back(static_cast<u8>(c));
  }
  return true;
}

struct ByteSet {
  bool has[256] = {};
  void add(const base::Vector<u8>& members, bool complement) {
    for (const u8 c : members) has[c] = true;
    for (bool& each : has) each = each != complement;
  }
};

}  // namespace

i32 tr_main(Process& process) {
  Tool tool(
      process,
      "usage: tr [-cds] SET1 [SET2]\n  -c  all that is not in SET1\n  -d  delete\n  -s  one of what repeats\n  SET  "
      "a-z [:class:] [x*N] \\n \\NNN");
  bool complement = false;
  bool remove = false;
  bool squeeze = false;
  Options options(tool, "cCdst");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    switch (option) {
      case Options::kBad: return options.bad_status();
      case 'd': remove = true; break;
      case 's': squeeze = true; break;
      case 't': break;
      default: complement = true; break;
    }
  }
  const auto operands = options.operands();
  const u64 wanted = remove == squeeze ? 2 : 1;
  if (operands.size() < wanted) return tool.bad_use("missing operand");
  if (operands.size() > 2 || (remove && !squeeze && operands.size() > 1)) {
    return tool.bad_use("extra operand: {}", operands.back());
  }
  base::Vector<u8> first(process.heap());
  base::Vector<u8> second(process.heap());
  if (!expand(tool, operands[0], 0, first)) return kUsageStatus;
  ByteSet from;
  from.add(first, complement);
  if (complement) {
    first.clear();
    for (u32 c = 0; c < 256; ++c) {
      if (from.has[c]) first.push_back(static_cast<u8>(c));
    }
  }
  if (operands.size() == 2 && !expand(tool, operands[1], first.size(), second)) return kUsageStatus;
  const bool translates = !remove && operands.size() == 2;
  if (translates && second.empty()) return tool.bad_use("empty set");
  u8 map[256];
  for (u32 c = 0; c < 256; ++c) map[c] = static_cast<u8>(c);
  for (u64 i = 0; translates && i < first.size(); ++i) map[first[i]] = second[std::min(i, second.size() - 1)];
  ByteSet squeezed;
  if (squeeze && operands.size() == 2) {
    squeezed.add(second, false);
  } else if (squeeze) {
    squeezed = from;
  }
  i32 last = -1;
  u8 block[kBlockBytes];
  for (;;) {
    const auto got = process.read(kStdin, block);
    if (!got.ok()) tool.error("-", got.error());
    if (!got.ok() || *got == 0) break;
    for (const u8 byte : std::span<const u8>(block, *got)) {
      if (remove && from.has[byte]) continue;
      const u8 out = map[byte];
      if (squeezed.has[out] && last == out) continue;
      last = out;
      tool.out().character(static_cast<char>(out));
    }
    process.work(*got / 4 + 1);
    if (tool.out().failed()) break;
  }
  return tool.finish();
}

}  // namespace user
