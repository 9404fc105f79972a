// user/fsh/expand.cpp — one walk over a word's raw text builds its fields; every byte remembers whether it was quoted, so
// that splitting and globbing can tell what the user wrote from what a value brought.
#include "user/fsh/expand.h"

#include <algorithm>

#include "base/glob.h"
#include "base/utf8.h"
#include "user/fsh/glob_path.h"
#include "user/fsh/lexer.h"

#include "base/enforce.h"

namespace user::fsh {
namespace {

constexpr u32 kDepthMax = kNestingMax;
constexpr u8 kStatusBad = 2;

/// One field under construction. `mask[i]` is 'q' where text[i] was quoted.
struct Field {
  base::String text;
  base::String mask;
  explicit Field(base::Allocator& heap) : text(heap), mask(heap) {}
  void add(char c, bool quoted) {
    text.push(c);
    mask.push(quoted ? 'q' : ' ');
  }
  /// Quoted bytes that mean something to a pattern are escaped.
  base::String pattern() const {
    base::String out(text.allocator());
    for (u64 i = 0; i < text.size(); ++i) {
      const bool special = std::string_view("*?[]\\!-^").find(text[i]) != std::string_view::npos;
      if (special && (mask[i] == 'q' || text[i] == '\\')) out.push('\\');
      out.push(text[i]);
    }
    return out;
  }
};

enum class Splitting : u8 { On, Off };

class Expander {
 public:
  Expander(Parameters& parameters, base::Allocator& heap, Splitting splitting)
      : parameters_(parameters), heap_(heap), splitting_(splitting), fields_(heap), pool_(heap) {
    const std::string_view ifs = parameters.variable("IFS");
    ifs_ = ifs.data() == nullptr ? std::string_view(" \t\n") : ifs;
  }

  ShellResult<void> word(std::string_view raw, TildeRule tilde);
  ShellResult<void> here(std::string_view body) {
    begin_field();
    return text(body, {.quoted = true, .here = true});
  }
  base::Vector<Field>& fields() { return fields_; }

 private:
  struct Context {
    bool quoted = false;       // inside double quotes, or a here-document
    bool here = false;         // double quotes are ordinary
    bool tilde_colon = false;  // a tilde counts behind an unquoted colon too
    bool from_value = false;   // the word of an unquoted ${x-word}: what is unquoted in it is split as a value is
  };

  // ── Building fields ──
  Field& field() {
    begin_field();
    return fields_.back();
  }
  void begin_field() {
    if (open_) return;
    fields_.emplace_back(heap_);
    open_ = true;
  }
  void end_field() { open_ = false; }
  void add(char c, bool quoted) { field().add(c, quoted); }
  void add_value(std::string_view value, bool quoted);

  // ── Walking ──
  ShellResult<void> text(std::string_view raw, Context context);
  ShellResult<u64> quotes(std::string_view raw, u64 at, Context context);
  ShellResult<u64> dollar(std::string_view raw, u64 at, Context context);
  ShellResult<void> braces(std::string_view inside, Context context);
  ShellResult<void> command(std::string_view program, Context context);
  u64 ansi_quotes(std::string_view raw, u64 at);
  u64 tilde(std::string_view raw, u64 at, Context context);

  // ── Parameters ──
  struct Value {
    bool set = false;
    base::String text;
  };
  Value value_of(std::string_view name);
  void add_all_positional(bool star, bool quoted);
  ShellResult<base::String> sub_text(std::string_view raw, Context context, bool as_pattern);
  ShellResult<void> operate(std::string_view name, std::string_view op, std::string_view word, Context context);
  ShellResult<u64> construct_length(std::string_view raw, u64 at, bool quoted);

  Parameters& parameters_;
  base::Allocator& heap_;
  Splitting splitting_;
  std::string_view ifs_;
  base::Vector<Field> fields_;
  Pool pool_;
  bool open_ = false;
  u32 depth_ = 0;
};

bool is_special_name(char c) { return std::string_view("?-$!#0@*").find(c) != std::string_view::npos; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// A value not in quotes: IFS blanks separate fields, other IFS characters end one each.
void Expander::add_value(std::string_view value, bool quoted) {
  if (quoted || splitting_ == Splitting::Off) {
    if (quoted) begin_field();
    for (const char c : value) add(c, quoted);
    return;
  }
  const auto is_blank = [this](char c) {
    return (c == ' ' || c == '\t' || c == '\n') && ifs_.find(c) != std::string_view::npos;
  };
  const auto is_other = [this, &is_blank](char c) { return ifs_.find(c) != std::string_view::npos && !is_blank(c); };
  u64 i = 0;
  while (i < value.size()) {
    if (!is_blank(value[i]) && !is_other(value[i])) {
      add(value[i], false);
      i += 1;
      continue;
    }
    const bool had_field = open_;
    while (i < value.size() && is_blank(value[i])) i += 1;
    if (i < value.size() && is_other(value[i])) {
      if (!had_field) begin_field();  // an empty field between two separators
      i += 1;
      while (i < value.size() && is_blank(value[i])) i += 1;
    }
    end_field();
  }
}

/// How many bytes the quote or dollar construct at `at` takes, at least its brackets. The parser has accepted those of
/// words; the body of a here-document is looked at here for the first time.
ShellResult<u64> Expander::construct_length(std::string_view raw, u64 at, bool quoted) {
  Cursor cursor(raw, at, {});
  const auto skipped = skip_construct(pool_, cursor, depth_, quoted);
  if (skipped.ok() && *skipped) return cursor.offset() - at;
  return ShellError::format(kStatusBad, "bad substitution: {}", raw.substr(at, 40));
}

ShellResult<void> Expander::word(std::string_view raw, TildeRule rule) {
  return text(raw, {.tilde_colon = rule == TildeRule::Assignment});
}

ShellResult<void> Expander::text(std::string_view raw, Context context) {
  depth_ += 1;
  if (depth_ > kDepthMax) return ShellError(kStatusBad, "nesting too deep");
  u64 at = 0;
  if (!context.quoted) at = tilde(raw, 0, context);
  while (at < raw.size()) {
    const char c = raw[at];
    if (c == '\\') {
      const char next = at + 1 < raw.size() ? raw[at + 1] : '\0';
      const bool escapes = !context.quoted || std::string_view("$`\\\n").find(next) != std::string_view::npos ||
                           (next == '"' && !context.here);
      if (at + 1 >= raw.size() || !escapes || next == '\0') {
        add('\\', true);
        at += 1;
      } else {
        if (next != '\n') add(next, true);
        at += 2;
      }
    } else if (c == '$' || c == '`') {
      at = TRY(dollar(raw, at, context));
    } else if ((c == '\'' && !context.quoted) || (c == '"' && !context.here)) {
      at = TRY(quotes(raw, at, context));
    } else if (context.from_value) {
      add_value(raw.substr(at, 1), context.quoted);
      at += 1;
    } else {
      add(c, context.quoted);
      at += 1;
      if (c == ':' && context.tilde_colon && !context.quoted) at = tilde(raw, at, context);
    }
  }
  depth_ -= 1;
  return {};
}

ShellResult<u64> Expander::quotes(std::string_view raw, u64 at, Context context) {
  const u64 length = TRY(construct_length(raw, at, context.quoted));
  const std::string_view inside = raw.substr(at + 1, length - 2);
  if (raw[at] == '\'') {
    begin_field();
    for (const char c : inside) add(c, true);
  } else {
    if (inside != "$@") begin_field();  // "$@" of no parameters is no field at all
    TRY(text(inside, {.quoted = true}));
  }
  return at + length;
}

u64 Expander::tilde(std::string_view raw, u64 at, Context context) {
  if (at >= raw.size() || raw[at] != '~') return at;
  u64 end = at + 1;
  while (end < raw.size() && raw[end] != '/' && !(context.tilde_colon && raw[end] == ':')) {
    if (std::string_view("\\'\"$`").find(raw[end]) != std::string_view::npos) return at;  // quoted: no tilde-prefix
    end += 1;
  }
  const std::string_view user = raw.substr(at + 1, end - at - 1);
  const std::string_view home = user.empty() ? parameters_.variable("HOME") : parameters_.home_of(user);
  if (home.data() == nullptr) return at;
  begin_field();
  for (const char c : home) add(c, true);
  return end;
}

/// `$'…'`: escapes of POSIX Issue 8 and \u.
u64 Expander::ansi_quotes(std::string_view raw, u64 at) {
  begin_field();
  u64 i = at + 2;
  const auto number = [&](u32 radix, u32 digits_max) {
    u32 value = 0;
    for (u32 n = 0; n < digits_max && i < raw.size(); ++n, ++i) {
      const char c = raw[i];
      const u32 digit = is_digit(c)            ? static_cast<u32>(c - '0')
                        : c >= 'a' && c <= 'f' ? static_cast<u32>(c - 'a' + 10)
                        : c >= 'A' && c <= 'F' ? static_cast<u32>(c - 'A' + 10)
                                               : 16;
      if (digit >= radix) break;
      value = value * radix + digit;
    }
    return value;
  };
  while (i < raw.size() && raw[i] != '\'') {
    if (raw[i] != '\\' || i + 1 >= raw.size()) {
      add(raw[i], true);
      i += 1;
      continue;
    }
    const char escape = raw[i + 1];
    static constexpr std::string_view kFrom = "abefnrtv\\'\"";
    static constexpr std::string_view kTo = "\a\b\x1B\f\n\r\t\v\\'\"";
    i += 2;
    if (const u64 known = kFrom.find(escape); known != std::string_view::npos) {
      add(kTo[known], true);
    } else if (escape == 'x') {
      add(static_cast<char>(number(16, 2)), true);
    } else if (escape == 'u') {
      char encoded[4];
      const u32 size = base::encode_utf8(number(16, 4), encoded);
      for (u32 n = 0; n < size; ++n) add(encoded[n], true);
    } else if (escape >= '0' && escape <= '7') {
      i -= 1;
      add(static_cast<char>(number(8, 3)), true);
    } else {
      add('\\', true);
      add(escape, true);
    }
  }
  return i + 1;
}

ShellResult<u64> Expander::dollar(std::string_view raw, u64 at, Context context) {
  if (raw[at] == '`') {
    const u64 length = TRY(construct_length(raw, at, context.quoted));
    base::String program(heap_);
    const std::string_view inside = raw.substr(at + 1, length - 2);
    for (u64 i = 0; i < inside.size(); ++i) {
      const char next = i + 1 < inside.size() ? inside[i + 1] : '\0';
      const bool escaped =
          inside[i] == '\\' && (next == '$' || next == '`' || next == '\\' || (next == '"' && context.quoted));
      if (escaped) i += 1;
      program.push(inside[i]);
    }
    TRY(command(program, context));
    return at + length;
  }
  const char next = at + 1 < raw.size() ? raw[at + 1] : '\0';
  if (next == '\'' && !context.quoted) return ansi_quotes(raw, at);
  if (next == '(') {
    const u64 length = TRY(construct_length(raw, at, context.quoted));
    const std::string_view all = raw.substr(at, length);
    // `$((` is arithmetic when what is inside it balances, as the lexer decided; a subshell otherwise.
    if (all.starts_with("$((") && all.ends_with("))") && is_arithmetic(all.substr(3, all.size() - 5))) {
      const base::String expression =
          TRY(sub_text(all.substr(3, all.size() - 5), {.quoted = true, .here = true}, false));
      const i64 value = TRY(evaluate(parameters_, expression));
      char digits[24];
      add_value(base::format(std::span<char>(digits), "{}", value), context.quoted);
    } else {
      TRY(command(all.substr(2, all.size() - 3), context));
    }
    return at + length;
  }
  if (next == '{') {
    const u64 length = TRY(construct_length(raw, at, context.quoted));
    TRY(braces(raw.substr(at + 2, length - 3), context));
    return at + length;
  }
  u64 end = at + 1;
  if (is_special_name(next) || is_digit(next)) {
    end = at + 2;
  } else {
    while (end < raw.size() && is_name(raw.substr(at + 1, end - at))) end += 1;
  }
  if (end == at + 1) {
    add('$', context.quoted);
    return end;
  }
  TRY(operate(raw.substr(at + 1, end - at - 1), {}, {}, context));
  return end;
}

ShellResult<void> Expander::command(std::string_view program, Context context) {
  base::String output = TRY(parameters_.substitute(program));
  while (!output.empty() && output.back() == '\n') output.pop_back();
  base::String clean(heap_);
  for (const char c : output) {
    if (c != '\0') clean.push(c);
  }
  add_value(clean, context.quoted);
  return {};
}

Expander::Value Expander::value_of(std::string_view name) {
  Value value{false, base::String(heap_)};
  const std::span<const base::String> positional = parameters_.positional();
  if (name == "#") {
    value.set = true;
    value.text.append_format("{}", positional.size());
  } else if (name.size() == 1 && is_special_name(name[0])) {
    value.set = parameters_.special(name[0], value.text);
  } else if (is_digit(name[0])) {
    const auto index = base::parse_u64(name);
    if (index.ok() && *index >= 1 && *index <= positional.size()) {
      value.set = true;
      value.text.append(positional[*index - 1].view());
    }
  } else {
    const std::string_view text = parameters_.variable(name);
    value.set = text.data() != nullptr;
    value.text.append(text);
  }
  return value;
}

void Expander::add_all_positional(bool star, bool quoted) {
  const std::span<const base::String> positional = parameters_.positional();
  if (quoted && star) {
    begin_field();
    for (u64 i = 0; i < positional.size(); ++i) {
      if (i != 0 && !ifs_.empty()) add(ifs_[0], true);
      for (const char c : positional[i].view()) add(c, true);
    }
    return;
  }
  for (u64 i = 0; i < positional.size(); ++i) {
    if (i != 0) {
      if (splitting_ == Splitting::On) {
        end_field();
      } else {
        add(' ', quoted);
      }
    }
    if (quoted) begin_field();
    add_value(positional[i].view(), quoted);
  }
}

/// The text of a word inside an expansion: `${x:-word}`, arithmetic, patterns.
ShellResult<base::String> Expander::sub_text(std::string_view raw, Context context, bool as_pattern) {
  Expander inner(parameters_, heap_, Splitting::Off);
  inner.depth_ = depth_;
  inner.begin_field();
  TRY(inner.text(raw, context));
  if (as_pattern) return inner.fields_[0].pattern();
  return std::move(inner.fields_[0].text);
}

ShellResult<void> Expander::braces(std::string_view inside, Context context) {
  if (inside.size() > 1 && inside[0] == '#') {
    const std::string_view name = inside.substr(1);
    if (is_name(name) || (name.size() == 1 && (is_special_name(name[0]) || is_digit(name[0])))) {
      char digits[24];
      u64 length = 0;
      if (name == "@" || name == "*") {
        length = parameters_.positional().size();
      } else {
        const Value value = value_of(name);
        if (!value.set && parameters_.option_nounset()) return ShellError::format(kStatusBad, "{}: not set", name);
        for (u64 at = 0; at < value.text.size(); at += base::decode_utf8(value.text, at).length) length += 1;
      }
      add_value(base::format(std::span<char>(digits), "{}", length), context.quoted);
      return {};
    }
  }
  u64 end = 0;
  if (!inside.empty() && is_digit(inside[0])) {
    while (end < inside.size() && is_digit(inside[end])) end += 1;
  } else if (!inside.empty() && is_special_name(inside[0])) {
    end = 1;
  } else {
    while (end < inside.size() && is_name(inside.substr(0, end + 1))) end += 1;
  }
  static constexpr std::string_view kOperators[] = {":-", ":=", ":?", ":+", "##", "%%", "-", "=", "?", "+", "#", "%"};
  const std::string_view rest = inside.substr(end);
  if (end > 0 && rest.empty()) return operate(inside, {}, {}, context);
  for (const std::string_view op : kOperators) {
    if (end > 0 && rest.starts_with(op)) return operate(inside.substr(0, end), op, rest.substr(op.size()), context);
  }
  return ShellError::format(kStatusBad, "bad substitution: ${{{}}}", inside);
}

/// Removes the shortest or longest prefix or suffix that matches.
std::string_view without_match(std::string_view text, std::string_view pattern, std::string_view op) {
  const bool longest = op.size() == 2;
  const u64 size = text.size();
  for (u64 step = 0; step <= size; ++step) {
    const u64 length = longest ? size - step : step;
    if (op[0] == '#' && base::glob_matches(pattern, text.substr(0, length))) return text.substr(length);
    if (op[0] == '%' && base::glob_matches(pattern, text.substr(size - length))) return text.substr(0, size - length);
  }
  return text;
}

ShellResult<void> Expander::operate(std::string_view name, std::string_view op, std::string_view word,
                                    Context context) {
  const bool all = name == "@" || name == "*";
  Value value = all ? Value{!parameters_.positional().empty(), base::String(heap_)} : value_of(name);
  const bool colon = op.starts_with(":");
  const char action = op.empty() ? '\0' : op.back();
  const bool empty = all ? !value.set : value.text.empty();
  const bool missing = !value.set || (colon && empty);
  switch (action) {
    case '-':
      if (missing) return text(word, {.quoted = context.quoted, .here = context.here, .from_value = true});
      break;
    case '+':
      if (missing) return {};
      return text(word, {.quoted = context.quoted, .here = context.here, .from_value = true});
    case '=':
      if (missing) {
        if (!is_name(name)) return ShellError::format(kStatusBad, "{}: cannot be assigned", name);
        value.text = TRY(sub_text(word, {.quoted = context.quoted, .here = context.here}, false));
        TRY(parameters_.assign(name, value.text));
      }
      break;
    case '?':
      if (missing) {
        const base::String message = TRY(sub_text(word, {.quoted = context.quoted, .here = context.here}, false));
        return ShellError::format(kStatusBad, "{}: {}", name,
                                  message.empty() ? std::string_view("not set") : message.view());
      }
      break;
    case '#':
    case '%': {
      if (all) return ShellError::format(kStatusBad, "bad substitution: ${{{}{}{}}}", name, op, word);
      if (!value.set && parameters_.option_nounset()) return ShellError::format(kStatusBad, "{}: not set", name);
      const base::String pattern = TRY(sub_text(word, {}, true));
      add_value(without_match(value.text, pattern, op), context.quoted);
      return {};
    }
    default:
      if (!value.set && !all && parameters_.option_nounset())
        return ShellError::format(kStatusBad, "{}: not set", name);
      break;
  }
  if (all) {
    add_all_positional(name == "*", context.quoted);
  } else {
    add_value(value.text, context.quoted);
  }
  return {};
}

}  // namespace

bool is_arithmetic(std::string_view inside) {
  i64 open = 0;
  for (u64 i = 0; i < inside.size(); ++i) {
    if (inside[i] == '(') open += 1;
    if (inside[i] == ')') open -= 1;
    if (open < 0) return false;
  }
  return open == 0;
}

ShellResult<base::Vector<base::String>> expand_words(Parameters& parameters, base::Allocator& heap,
                                                     std::span<const Word> words) {
  base::Vector<base::String> out(heap);
  for (const Word& word : words) {
    Expander expander(parameters, heap, Splitting::On);
    TRY(expander.word(word.text, TildeRule::WordStart));
    for (Field& field : expander.fields()) {
      const base::String pattern = field.pattern();
      if (!parameters.option_noglob() && base::is_glob(pattern)) {
        base::Vector<base::String> paths = glob_paths(parameters, heap, pattern);
        for (base::String& path : paths) out.push_back(std::move(path));
        if (!paths.empty()) continue;
      }
      out.push_back(std::move(field.text));
    }
  }
  return out;
}

ShellResult<base::String> expand_text(Parameters& parameters, base::Allocator& heap, std::string_view raw,
                                      TildeRule tilde) {
  Expander expander(parameters, heap, Splitting::Off);
  TRY(expander.word(raw, tilde));
  if (expander.fields().empty()) return base::String(heap);
  return std::move(expander.fields()[0].text);
}

ShellResult<base::String> expand_target(Parameters& parameters, base::Allocator& heap, std::string_view raw) {
  Expander expander(parameters, heap, Splitting::Off);
  TRY(expander.word(raw, TildeRule::WordStart));
  if (expander.fields().empty()) return base::String(heap);
  Field& field = expander.fields()[0];
  const base::String pattern = field.pattern();
  if (!parameters.option_noglob() && base::is_glob(pattern)) {
    base::Vector<base::String> paths = glob_paths(parameters, heap, pattern);
    if (paths.size() > 1) return ShellError::format(1, "{}: ambiguous redirect", field.text);
    if (paths.size() == 1) return std::move(paths[0]);
  }
  return std::move(field.text);
}

ShellResult<base::String> expand_pattern(Parameters& parameters, base::Allocator& heap, std::string_view raw) {
  Expander expander(parameters, heap, Splitting::Off);
  TRY(expander.word(raw, TildeRule::WordStart));
  if (expander.fields().empty()) return base::String(heap);
  return expander.fields()[0].pattern();
}

ShellResult<base::String> expand_here(Parameters& parameters, base::Allocator& heap, std::string_view body) {
  Expander expander(parameters, heap, Splitting::Off);
  TRY(expander.here(body));
  return std::move(expander.fields()[0].text);
}

void quote_word(std::string_view text, base::String& out) {
  const bool plain = !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) ||
           std::string_view("_-./:,+@%").find(c) != std::string_view::npos;
  });
  if (plain) {
    out.append(text);
    return;
  }
  out.push('\'');
  for (const char c : text) {
    if (c == '\'') {
      out.append("'\\''");
    } else {
      out.push(c);
    }
  }
  out.push('\'');
}

}  // namespace user::fsh
