// user/commands/sed_script.cpp — reading a sed script. Commands are kept in one list; a block knows where it ends.
#include "user/commands/sed.h"

#include "base/enforce.h"

namespace user {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

void SedScript::add(std::string_view source, std::string_view text) {
  if (!text_.empty() && !text_.ends_with("\n")) text_.push('\n');
  sources_.push_back({base::String(tool_.heap(), source), text_.size()});
  text_.append(text);
}

template <class... A>
bool SedScript::fail(u64 at, std::string_view pattern, const A&... arguments) {
  u64 source = 0;
  while (source + 1 < sources_.size() && sources_[source + 1].start <= at) source += 1;
  u64 line = 1;
  u64 column = 1;
  for (u64 i = sources_[source].start; i < at && i < text_.size(); ++i) {
    column = text_[i] == '\n' ? 1 : column + 1;
    line += text_[i] == '\n' ? 1 : 0;
  }
  base::String message(tool_.heap());
  message.append_format(pattern, arguments...);
  tool_.complain("{}:{}:{}: {}", sources_[source].name, line, column, message);
  return false;
}

void SedScript::skip_blanks() {
  while (!done() && (peek() == ' ' || peek() == '\t')) at_ += 1;
}

bool SedScript::parse_number(u64& number) {
  const u64 start = at_;
  while (is_digit(peek())) at_ += 1;
  const auto value = base::parse_u64(text_.view().substr(start, at_ - start));
  if (!value.ok()) return fail(start, "bad number");
  number = *value;
  return true;
}

/// What stands up to the delimiter, which is passed over. `\` and the delimiter is the delimiter itself; `\` and a newline
/// likewise; everything else keeps its backslash, for who reads the part. False: it does not end.
bool SedScript::delimited(char delimiter, bool pattern, base::String& out) {
  for (; !done(); ++at_) {
    const char c = text_[at_];
    if (c == delimiter) {
      at_ += 1;
      return true;
    }
    if (c == '\n' && pattern) return false;
    if (c != '\\' || at_ + 1 >= text_.size()) {
      out.push(c);
      continue;
    }
    at_ += 1;
    const char next = text_[at_];
    // A delimiter that is special in a pattern is ordinary when it is quoted, and the other way round.
    if (next == delimiter && next != '&' && !is_digit(next)) {
      out.push(next);
      continue;
    }
    out.push('\\');
    out.push(next);
  }
  return false;
}

bool SedScript::compile(std::string_view pattern, bool ignore_case, u64 at, u32& index) {
  index = kLastRegex;
  if (pattern.empty()) return true;
  auto regex = Regex::compile(tool_.heap(), pattern, {.extended = extended_, .ignore_case = ignore_case});
  if (!regex.ok()) return fail(at, "{}", regex.error().text);
  index = static_cast<u32>(regexes.size());
  regexes.push_back(std::move(*regex));
  return true;
}

bool SedScript::parse_address(SedAddress& address, bool second) {
  const u64 start = at_;
  if (is_digit(peek())) {
    address.kind = SedAddress::Kind::Line;
    if (!parse_number(address.line)) return false;
    if (second || peek() != '~') return true;
    at_ += 1;
    address.kind = SedAddress::Kind::Step;
    return is_digit(peek()) ? parse_number(address.step) : fail(at_, "bad number");
  }
  if (second && peek() == '+') {
    at_ += 1;
    address.kind = SedAddress::Kind::Plus;
    return is_digit(peek()) ? parse_number(address.line) : fail(at_, "bad number");
  }
  if (peek() == '$') {
    at_ += 1;
    address.kind = SedAddress::Kind::Last;
    return true;
  }
  if (peek() != '/' && peek() != '\\') return true;
  if (peek() == '\\') at_ += 1;
  if (done() || peek() == '\n') return fail(start, "missing pattern");
  const char delimiter = text_[at_++];
  base::String pattern(tool_.heap());
  if (!delimited(delimiter, true, pattern)) return fail(start, "missing closing '{}'", std::string_view(&delimiter, 1));
  const bool ignore_case = peek() == 'I';
  if (ignore_case) at_ += 1;
  address.kind = SedAddress::Kind::Pattern;
  return compile(pattern, ignore_case, start, address.regex);
}

/// Behind a command only blanks, `;`, a newline, `}` or a comment may stand.
bool SedScript::ends_command() {
  skip_blanks();
  if (done() || peek() == ';' || peek() == '\n' || peek() == '}' || peek() == '#') return true;
  return fail(at_, "extra characters after command");
}

std::string_view SedScript::word_until(std::string_view ends) {
  skip_blanks();
  const u64 start = at_;
  while (!done() && ends.find(peek()) == std::string_view::npos) at_ += 1;
  std::string_view word = text_.view().substr(start, at_ - start);
  while (word.ends_with(" ")) word.remove_suffix(1);
  return word;
}

i32 SedScript::output_of(std::string_view name) {
  for (u64 i = 0; i < outputs.size(); ++i) {
    if (outputs[i] == name) return static_cast<i32>(i);
  }
  outputs.emplace_back(tool_.heap(), name);
  return static_cast<i32>(outputs.size() - 1);
}

bool SedScript::parse_substitute(SedCommand& command) {
  const u64 start = at_ - 1;
  if (done() || peek() == '\n' || peek() == '\\') return fail(start, "missing delimiter of 's'");
  const char delimiter = text_[at_++];
  base::String pattern(tool_.heap());
  if (!delimited(delimiter, true, pattern) || !delimited(delimiter, false, command.text)) {
    return fail(start, "missing closing '{}' of 's'", std::string_view(&delimiter, 1));
  }
  bool ignore_case = false;
  for (bool more = true; more && !done();) {
    const char flag = peek();
    switch (flag) {
      case 'g': command.global = true; break;
      case 'p': command.print_count += 1; break;
      case 'i':
      case 'I': ignore_case = true; break;
      case 'w': {
        at_ += 1;
        const std::string_view name = word_until("\n");
        if (name.empty()) return fail(at_, "missing file name");
        command.output = output_of(name);
        more = false;
        continue;
      }
      default:
        if (!is_digit(flag)) {
          more = false;
          continue;
        }
        u64 number = 0;
        const u64 at = at_;
        if (!parse_number(number)) return false;
        if (number == 0 || number > 0xFFFF'FFFF) return fail(at, "bad number");
        command.number = static_cast<u32>(number);
        continue;
    }
    at_ += 1;
  }
  if (!compile(pattern, ignore_case, start, command.regex)) return false;
  u32 highest = 0;
  for (u64 i = 0; i + 1 < command.text.size(); ++i) {
    if (command.text[i] != '\\') continue;
    i += 1;
    if (is_digit(command.text[i])) highest = std::max(highest, static_cast<u32>(command.text[i] - '0'));
  }
  if (command.regex != kLastRegex && highest > regexes[command.regex].group_count()) {
    return fail(start, "no group \\{} in the pattern", highest);
  }
  return command.output >= 0 || ends_command();
}

bool SedScript::parse_translate(SedCommand& command) {
  const u64 start = at_ - 1;
  if (done() || peek() == '\n' || peek() == '\\') return fail(start, "missing delimiter of 'y'");
  const char delimiter = text_[at_++];
  base::String parts[2] = {base::String(tool_.heap()), base::String(tool_.heap())};
  for (base::String& part : parts) {
    base::String raw(tool_.heap());
    if (!delimited(delimiter, false, raw)) {
      return fail(start, "missing closing '{}' of 'y'", std::string_view(&delimiter, 1));
    }
    for (u64 i = 0; i < raw.size(); ++i) {
      if (raw[i] == '\\' && i + 1 < raw.size() && (raw[i + 1] == 'n' || raw[i + 1] == '\\')) {
        i += 1;
        part.push(raw[i] == 'n' ? '\n' : '\\');
      } else {
        part.push(raw[i]);
      }
    }
  }
  if (parts[0].size() != parts[1].size()) return fail(start, "the two texts of 'y' differ in length");
  for (u32 c = 0; c < 256; ++c) command.text.push(static_cast<char>(c));
  for (u64 i = parts[0].size(); i-- > 0;) command.text.data()[static_cast<u8>(parts[0][i])] = parts[1][i];
  return ends_command();
}

/// The text of a, i and c: on the same line, or behind `\` and a newline; a backslash at a line's end continues it.
bool SedScript::parse_text(SedCommand& command) {
  skip_blanks();
  if (peek() == '\\') {
    at_ += 1;
    const u64 behind = at_;
    skip_blanks();
    if (peek() == '\n') {
      at_ += 1;
    } else {
      at_ = behind;  // `a\  text`: the blanks are kept
    }
  }
  if (done()) return fail(at_, "missing text");
  for (; !done() && peek() != '\n'; ++at_) {
    if (peek() == '\\' && at_ + 1 < text_.size()) at_ += 1;
    command.text.push(peek());
  }
  command.text.push('\n');
  return true;
}

bool SedScript::parse_command(SedCommand& command) {
  const u64 at = at_;
  command.name = text_[at_++];
  switch (command.name) {
    case 'a':
    case 'i':
    case 'c': return parse_text(command);
    case 's': return parse_substitute(command);
    case 'y': return parse_translate(command);
    case 'r':
    case 'w': {
      const std::string_view name = word_until("\n");
      if (name.empty()) return fail(at_, "missing file name");
      if (command.name == 'w') {
        command.output = output_of(name);
      } else {
        command.text.assign(name);
      }
      return true;
    }
    case ':':
      if (command.from.kind != SedAddress::Kind::None) return fail(at, "':' takes no address");
      command.text.assign(word_until("\n;"));
      return command.text.empty() ? fail(at_, "missing label") : true;
    case 'b':
    case 't': command.text.assign(word_until("\n;}")); return true;
    case 'q':
    case 'Q': {
      skip_blanks();
      u64 code = 0;
      if (is_digit(peek()) && !parse_number(code)) return false;
      command.number = static_cast<u32>(code & 0xFF);
      return ends_command();
    }
    case '=':
    case 'd':
    case 'D':
    case 'g':
    case 'G':
    case 'h':
    case 'H':
    case 'l':
    case 'n':
    case 'N':
    case 'p':
    case 'P':
    case 'x': return ends_command();
    default: return fail(at, "unknown command '{}'", std::string_view(&command.name, 1));
  }
}

bool SedScript::parse_commands() {
  u32 open[kDepthMax];
  u64 open_at[kDepthMax];
  u32 depth = 0;
  for (;;) {
    while (!done() && (peek() == ' ' || peek() == '\t' || peek() == ';' || peek() == '\n')) at_ += 1;
    if (done()) break;
    if (peek() == '#') {
      while (!done() && peek() != '\n') at_ += 1;
      continue;
    }
    SedCommand command(tool_.heap());
    if (!parse_address(command.from, false)) return false;
    skip_blanks();
    if (peek() == ',' && command.from.kind != SedAddress::Kind::None) {
      at_ += 1;
      skip_blanks();
      if (!parse_address(command.to, true)) return false;
      if (command.to.kind == SedAddress::Kind::None) return fail(at_, "missing address");
    }
    const bool to_pattern = command.to.kind == SedAddress::Kind::Pattern;
    if (command.from.kind == SedAddress::Kind::Line && command.from.line == 0 && !to_pattern) {
      return fail(at_, "there is no line 0");
    }
    command.active = command.from.kind == SedAddress::Kind::Line && command.from.line == 0;  // `0,/re/`
    skip_blanks();
    while (peek() == '!') {
      command.negated = true;
      at_ += 1;
      skip_blanks();
    }
    if (done() || peek() == '\n' || peek() == ';') return fail(at_, "missing command");
    if (peek() == '{') {
      if (depth == kDepthMax) return fail(at_, "nesting too deep");
      open_at[depth] = at_;
      open[depth++] = static_cast<u32>(commands.size());
      command.name = '{';
      at_ += 1;
      commands.push_back(std::move(command));
      continue;
    }
    if (peek() == '}') {
      if (depth == 0) return fail(at_, "unexpected '{}'", "}");
      if (command.from.kind != SedAddress::Kind::None) return fail(at_, "'{}' takes no address", "}");
      at_ += 1;
      commands[open[--depth]].target = static_cast<u32>(commands.size());
      if (!ends_command()) return false;
      continue;
    }
    if (!parse_command(command)) return false;
    commands.push_back(std::move(command));
  }
  return depth == 0 || fail(open_at[depth - 1], "missing '{}'", "}");
}

bool SedScript::resolve_labels() {
  for (SedCommand& jump : commands) {
    if (jump.name != 'b' && jump.name != 't') continue;
    jump.target = static_cast<u32>(commands.size());
    if (jump.text.empty()) continue;
    bool found = false;
    for (u32 i = 0; i < commands.size() && !found; ++i) {
      if (commands[i].name != ':' || commands[i].text != jump.text) continue;
      jump.target = i;
      found = true;
    }
    if (!found) {
      tool_.complain("no label '{}'", jump.text);
      return false;
    }
  }
  return true;
}

bool SedScript::parse() { return parse_commands() && resolve_labels(); }

}  // namespace user
