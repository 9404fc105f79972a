// user/commands/echo_printf.cpp — echo and printf (POSIX.1-2017 XCU), printf with `%q` for text the shell reads back.
#include "base/utf8.h"
#include "user/commands/shared.h"
#include "user/fsh/expand.h"

#include "base/enforce.h"

namespace user {
namespace {

bool is_octal(char c) { return c >= '0' && c <= '7'; }
u32 hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<u32>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<u32>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<u32>(c - 'A' + 10);
  return 16;
}

/// One escape at text[at], the byte behind the backslash. Returns how many bytes it took, 0 for `\c`.
u64 escape(std::string_view text, u64 at, bool octal_zero, base::String& out) {
  static constexpr std::string_view kFrom = "abfnrtv\\";
  static constexpr std::string_view kTo = "\a\b\f\n\r\t\v\\";
  const char c = text[at];
  if (c == 'c') return 0;
  if (c == 'e') {
    out.push('\x1B');
    return 1;
  }
  if (const u64 known = kFrom.find(c); known != std::string_view::npos) {
    out.push(kTo[known]);
    return 1;
  }
  if (c == 'x' && at + 1 < text.size() && hex_digit(text[at + 1]) < 16) {
    u32 value = hex_digit(text[at + 1]);
    u64 used = 2;
    if (at + 2 < text.size() && hex_digit(text[at + 2]) < 16) {
      value = value * 16 + hex_digit(text[at + 2]);
      used = 3;
    }
    out.push(static_cast<char>(value));
    return used;
  }
  if (is_octal(c)) {
    u64 used = octal_zero && c == '0' ? 1 : 0;  // %b and echo -e write \0NNN
    u32 value = 0;
    const u64 digits_max = used + 3;
    while (used < digits_max && at + used < text.size() && is_octal(text[at + used])) {
      value = value * 8 + static_cast<u32>(text[at + used] - '0');
      used += 1;
    }
    out.push(static_cast<char>(value));
    return used;
  }
  out.push('\\');
  out.push(c);
  return 1;
}

/// One conversion of a printf format: flags, width and precision as written.
struct Conversion {
  bool left = false;
  bool plus = false;
  bool blank = false;
  bool alternate = false;
  bool zero = false;
  u64 width = 0;
  bool has_precision = false;
  u64 precision = 0;
};

constexpr u64 kWidthMax = 4096;

class Formatter {
 public:
  Formatter(Tool& tool, std::string_view format, std::span<const std::string_view> arguments)
      : tool_(tool), format_(format), arguments_(arguments) {}

  i32 run() {
    do {
      const u64 before = next_;
      if (!pass()) break;
      if (next_ == before) break;  // the format takes no arguments: once is enough
    } while (next_ < arguments_.size());
    return tool_.status();
  }

 private:
  std::string_view take() {
    if (next_ >= arguments_.size()) return {};
    const std::string_view argument = arguments_[next_];
    next_ += 1;
    return argument;
  }
  bool pass();
  bool convert(u64& at);
  u64 number(u64& at);
  i64 signed_argument();
  void print_number(const Conversion& conversion, char kind);
  void print_padded(const Conversion& conversion, std::string_view text);

  Tool& tool_;
  std::string_view format_;
  std::span<const std::string_view> arguments_;
  u64 next_ = 0;
};

/// The format once; false to stop for good.
bool Formatter::pass() {
  base::String text(tool_.heap());
  for (u64 at = 0; at < format_.size();) {
    const char c = format_[at];
    if (c == '\\' && at + 1 < format_.size()) {
      text.clear();
      const u64 used = escape(format_, at + 1, false, text);
      tool_.out().text(text);
      if (used == 0) return false;
      at += 1 + used;
    } else if (c == '%' && at + 1 < format_.size() && format_[at + 1] == '%') {
      tool_.out().character('%');
      at += 2;
    } else if (c == '%') {
      at += 1;
      if (!convert(at)) return false;
    } else {
      tool_.out().character(c);
      at += 1;
    }
  }
  return true;
}

u64 Formatter::number(u64& at) {
  u64 value = 0;
  if (at < format_.size() && format_[at] == '*') {
    at += 1;
    const i64 given = signed_argument();
    return std::min<u64>(given < 0 ? 0 : static_cast<u64>(given), kWidthMax);
  }
  while (at < format_.size() && format_[at] >= '0' && format_[at] <= '9') {
    value = std::min<u64>(value * 10 + static_cast<u64>(format_[at] - '0'), kWidthMax);
    at += 1;
  }
  return value;
}

bool Formatter::convert(u64& at) {
  Conversion conversion;
  for (; at < format_.size(); ++at) {
    const char c = format_[at];
    if (c == '-')
      conversion.left = true;
    else if (c == '+')
      conversion.plus = true;
    else if (c == ' ')
      conversion.blank = true;
    else if (c == '#')
      conversion.alternate = true;
    else if (c == '0')
      conversion.zero = true;
    else
      break;
  }
  conversion.width = number(at);
  if (at < format_.size() && format_[at] == '.') {
    at += 1;
    conversion.has_precision = true;
    conversion.precision = number(at);
  }
  const char kind = at < format_.size() ? format_[at] : '\0';
  at += 1;
  switch (kind) {
    case 'd':
    case 'i':
    case 'o':
    case 'u':
    case 'x':
    case 'X': print_number(conversion, kind); return true;
    case 'c': print_padded(conversion, take().substr(0, 1)); return true;
    case 's': {
      std::string_view text = take();
      if (conversion.has_precision) text = text.substr(0, conversion.precision);
      print_padded(conversion, text);
      return true;
    }
    case 'b': {
      base::String text(tool_.heap());
      const bool goes_on = append_escaped(take(), text);
      print_padded(conversion, text);
      return goes_on;
    }
    case 'q': {
      base::String text(tool_.heap());
      fsh::quote_word(take(), text);
      print_padded(conversion, text);
      return true;
    }
    case '\0': tool_.complain("missing conversion: %"); return false;
    default: tool_.complain("unknown conversion: %{}", kind); return false;
  }
}

i64 Formatter::signed_argument() {
  if (next_ >= arguments_.size()) return 0;
  std::string_view text = take();
  if (text.size() >= 2 && (text[0] == '\'' || text[0] == '"')) return base::decode_utf8(text, 1).code_point;
  const std::string_view whole = text;
  while (!text.empty() && (text[0] == ' ' || text[0] == '\t')) text.remove_prefix(1);
  const bool negative = text.starts_with("-");
  if (negative || text.starts_with("+")) text.remove_prefix(1);
  const bool hex = text.starts_with("0x") || text.starts_with("0X");
  const bool octal = !hex && text.size() > 1 && text[0] == '0';
  const auto value = base::parse_u64(hex ? text.substr(2) : text, hex ? 16 : octal ? 8 : 10);
  if (!value.ok()) {
    tool_.complain("bad number: {}", whole);
    return 0;
  }
  return static_cast<i64>(negative ? 0 - *value : *value);
}

void Formatter::print_number(const Conversion& conversion, char kind) {
  const i64 value = signed_argument();
  const bool is_signed = kind == 'd' || kind == 'i';
  const u64 magnitude = is_signed && value < 0 ? 0 - static_cast<u64>(value) : static_cast<u64>(value);
  const u64 radix = kind == 'o' ? 8 : kind == 'x' || kind == 'X' ? 16 : 10;
  const std::string_view digits = kind == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
  char reversed[24];
  u64 count = 0;
  for (u64 rest = magnitude; rest != 0 || count == 0; rest /= radix) reversed[count++] = digits[rest % radix];
  base::String text(tool_.heap());
  if (is_signed && value < 0)
    text.push('-');
  else if (is_signed && conversion.plus)
    text.push('+');
  else if (is_signed && conversion.blank)
    text.push(' ');
  if (conversion.alternate && radix == 16 && magnitude != 0) text.append(kind == 'X' ? "0X" : "0x");
  if (conversion.alternate && radix == 8) text.push('0');
  u64 zeros = conversion.has_precision && conversion.precision > count ? conversion.precision - count : 0;
  if (conversion.zero && !conversion.left && !conversion.has_precision && conversion.width > text.size() + count) {
    zeros = conversion.width - text.size() - count;
  }
  text.append(zeros, '0');
  while (count > 0) text.push(reversed[--count]);
  print_padded(conversion, text);
}

void Formatter::print_padded(const Conversion& conversion, std::string_view text) {
  const u64 padding = conversion.width > text.size() ? conversion.width - text.size() : 0;
  if (!conversion.left) {
    for (u64 i = 0; i < padding; ++i) tool_.out().character(' ');
  }
  tool_.out().text(text);
  if (conversion.left) {
    for (u64 i = 0; i < padding; ++i) tool_.out().character(' ');
  }
}

}  // namespace

bool append_escaped(std::string_view text, base::String& out) {
  for (u64 at = 0; at < text.size();) {
    if (text[at] != '\\' || at + 1 == text.size()) {
      out.push(text[at]);
      at += 1;
      continue;
    }
    const u64 used = escape(text, at + 1, true, out);
    if (used == 0) return false;
    at += 1 + used;
  }
  return true;
}

i32 echo_command(Tool& tool) {
  std::span<const std::string_view> words = tool.args().subspan(1);
  bool newline = true;
  bool escapes = false;
  if (words.size() == 1 && words[0] == "--help") {
    tool.out().format("{}\n", tool.usage());
    return tool.finish();
  }
  // Only words made of n and e alone are options; everything else is text, `--` too.
  while (!words.empty() && words[0].size() > 1 && words[0][0] == '-' &&
         words[0].find_first_not_of("ne", 1) == std::string_view::npos) {
    newline = newline && words[0].find('n') == std::string_view::npos;
    escapes = escapes || words[0].find('e') != std::string_view::npos;
    words = words.subspan(1);
  }
  for (u64 i = 0; i < words.size(); ++i) {
    if (i != 0) tool.out().character(' ');
    if (!escapes) {
      tool.out().text(words[i]);
      continue;
    }
    base::String text(tool.heap());
    const bool goes_on = append_escaped(words[i], text);
    tool.out().text(text);
    if (!goes_on) return tool.finish();
  }
  if (newline) tool.out().character('\n');
  return tool.finish();
}

i32 printf_command(Tool& tool) {
  Options options(tool, "");
  if (options.next() != Options::kEnd) return options.bad_status();
  const auto operands = options.operands();
  if (operands.empty()) return tool.bad_use("missing operand");
  tool.set_status(Formatter(tool, operands[0], operands.subspan(1)).run());
  return tool.finish();
}

}  // namespace user
