// user/lib/regex.cpp — from a pattern to a program; see regex.h. The grammar is that of POSIX.1-2017 XBD §9.3 and §9.4; where
// it says "undefined" we take what GNU grep 3.8 does, or refuse.
#include "user/lib/regex.h"

#include "base/utf8.h"

#include "base/enforce.h"

namespace user {

constexpr u32 kFirstStrayByte = base::kCodePointMax + 1;  // code of a byte that is part of no character: this + byte

Regex::Character Regex::character_at(std::string_view text, u64 at) {
  const u8 byte = static_cast<u8>(text[at]);
  if (byte < 0x80) return {byte, 1};
  const base::DecodedCharacter decoded = base::decode_utf8(text, at);
  if (decoded.valid) return {decoded.code_point, decoded.length};
  return {kFirstStrayByte + byte, 1};
}

/// One compilation. Parses and emits at once: an operator moves the program behind its operand, which X1 allows.
class RegexCompiler {
 public:
  RegexCompiler(Regex& out, std::string_view pattern, const RegexOptions& options)
      : out_(out), pattern_(pattern), options_(options) {}

  /// Null when all went well.
  const char* run() {
    out_.ignore_case_ = options_.ignore_case;
    out_.back_references_ = names_a_group();
    if (options_.whole_text) emit({Op::TextStart});
    if (options_.whole_words) emit({Op::NotWordBefore});
    alternatives(0);
    if (options_.whole_words) emit({Op::NotWordBehind});
    if (options_.whole_text) emit({Op::TextEnd});
    emit({Op::Match});
    return error_;
  }
  u32 error_offset() const { return error_offset_; }

 private:
  using Op = Regex::Op;
  using Instruction = Regex::Instruction;
  using Set = Regex::Set;

  void fail(const char* text) {
    if (error_ != nullptr) return;
    error_ = text;
    error_offset_ = static_cast<u32>(at_);
  }
  u32 here() const { return static_cast<u32>(out_.program_.size()); }
  void emit(const Instruction& instruction) {
    if (here() >= Regex::kInstructionsMax) return fail("pattern too complex");
    out_.program_.push_back(instruction);
  }
  void insert(u32 place, const Instruction& instruction) {
    if (here() >= Regex::kInstructionsMax) return fail("pattern too complex");
    out_.program_.insert(place, instruction);
  }
  /// Whether the pattern begins with `text` here.
  bool ahead(std::string_view text) const { return pattern_.substr(at_).starts_with(text); }
  bool take(std::string_view text) {
    if (!ahead(text)) return false;
    at_ += text.size();
    return true;
  }
  std::string_view open() const { return options_.extended ? "(" : "\\("; }
  std::string_view close() const { return options_.extended ? ")" : "\\)"; }
  std::string_view bar() const { return options_.extended ? "|" : "\\|"; }
  bool names_a_group() const {
    for (u64 i = 0; i + 1 < pattern_.size(); ++i) {
      if (pattern_[i] != '\\') continue;
      if (pattern_[i + 1] >= '1' && pattern_[i + 1] <= '9') return true;
      i += 1;
    }
    return false;
  }

  void alternatives(u32 depth);
  void branch(u32 depth);
  bool atom(u32 depth, bool first);
  void escape(char letter);
  void bracket();
  bool bracket_item(Set& set, u32& code, bool& is_class);
  void add_class(Set& set, std::string_view name);
  void add_range(Set& set, u32 low, u32 high);
  void finish_set(Set& set);
  void set_of(std::string_view class_name, bool negated);
  void character(u32 code);
  void repeats(u32 start);
  bool repeat_count(u32& low, u32& high);
  bool number(u32& value);
  void repeat(u32 start, u32 low, u32 high);

  static constexpr u32 kNoLimit = ~u32{0};
  Regex& out_;
  std::string_view pattern_;
  RegexOptions options_;
  u64 at_ = 0;
  const char* error_ = nullptr;
  u32 error_offset_ = 0;
};

void RegexCompiler::alternatives(u32 depth) {
  if (depth > Regex::kDepthMax) return fail("pattern too complex");
  base::Vector<u32> jumps(out_.program_.allocator());
  u32 start = here();
  branch(depth);
  while (error_ == nullptr && take(bar())) {
    insert(start, {Op::Split, 1, static_cast<i32>(here() - start + 2)});
    jumps.push_back(here());
    emit({Op::Jump});
    start = here();
    branch(depth);
  }
  if (error_ != nullptr) return;
  for (const u32 jump : jumps) out_.program_[jump].x = static_cast<i32>(here() - jump);
}

void RegexCompiler::branch(u32 depth) {
  bool first = true;
  while (error_ == nullptr && at_ < pattern_.size() && !ahead(bar()) && !(depth > 0 && ahead(close()))) {
    if (depth == 0 && ahead(close())) return fail(options_.extended ? "unmatched )" : "unmatched \\)");
    const u32 start = here();
    const bool repeatable = atom(depth, first);
    if (error_ != nullptr) return;
    first = false;
    if (repeatable) repeats(start);
  }
}

/// One atom or anchor; true when it may be repeated. `first`: nothing stands before it in its branch.
bool RegexCompiler::atom(u32 depth, bool first) {
  if (take(open())) {
    out_.group_count_ += 1;
    const i32 group = static_cast<i32>(out_.group_count_);
    emit({Op::Save, 2 * group});
    alternatives(depth + 1);
    if (error_ == nullptr && !take(close())) fail(options_.extended ? "unmatched (" : "unmatched \\(");
    emit({Op::Save, 2 * group + 1});
    return true;
  }
  const char c = pattern_[at_];
  if (c == '^' && (options_.extended || first)) {
    at_ += 1;
    emit({Op::TextStart});
    return false;
  }
  if (c == '$') {
    at_ += 1;
    if (options_.extended || at_ == pattern_.size() || ahead(bar()) || (depth > 0 && ahead(close()))) {
      emit({Op::TextEnd});
      return false;
    }
    character('$');
    return true;
  }
  if (options_.extended && (c == '*' || c == '+' || c == '?')) {
    fail("nothing to repeat");
    return false;
  }
  if (c == '[') {
    at_ += 1;
    bracket();
    return true;
  }
  if (c == '.') {
    at_ += 1;
    emit({Op::Any});
    return true;
  }
  if (c == '\\') {
    at_ += 1;
    if (at_ == pattern_.size()) {
      fail("trailing backslash");
      return false;
    }
    const char letter = pattern_[at_];
    if (!options_.extended && letter == '{') {
      fail("nothing to repeat");
      return false;
    }
    escape(letter);
    return std::string_view("bB<>").find(letter) == std::string_view::npos;
  }
  // A `*` that comes here is the first of its branch, and a character like any other (§9.3.3).
  const Regex::Character read = Regex::character_at(pattern_, at_);
  at_ += read.length;
  character(read.code);
  return true;
}

void RegexCompiler::escape(char letter) {
  switch (letter) {
    case 'w': at_ += 1; return set_of("word", false);
    case 'W': at_ += 1; return set_of("word", true);
    case 's': at_ += 1; return set_of("space", false);
    case 'S': at_ += 1; return set_of("space", true);
    case 'b': at_ += 1; return emit({Op::WordEdge});
    case 'B': at_ += 1; return emit({Op::NotWordEdge});
    case '<': at_ += 1; return emit({Op::WordStart});
    case '>': at_ += 1; return emit({Op::WordEnd});
    case 'n': at_ += 1; return character('\n');
    case 't': at_ += 1; return character('\t');
    default: break;
  }
  if (letter >= '1' && letter <= '9') {
    const u32 group = static_cast<u32>(letter - '0');
    if (group > out_.group_count_) return fail("back-reference to no group");
    at_ += 1;
    return emit({Op::BackReference, static_cast<i32>(group)});
  }
  const Regex::Character read = Regex::character_at(pattern_, at_);
  at_ += read.length;
  character(read.code);
}

void RegexCompiler::character(u32 code) {
  if (options_.ignore_case && code >= 'A' && code <= 'Z') code += 32;
  emit({Op::Character, static_cast<i32>(code)});
}

void RegexCompiler::set_of(std::string_view class_name, bool negated) {
  Set set;
  set.negated = negated;
  set.range_first = static_cast<u32>(out_.ranges_.size());
  add_class(set, class_name);
  finish_set(set);
}

void RegexCompiler::add_range(Set& set, u32 low, u32 high) {
  for (u32 code = low; code <= high && code < 128; ++code) {
    set.ascii[code / 64] |= u64{1} << code % 64;
    const u32 lower = code | 32;
    if (options_.ignore_case && lower >= 'a' && lower <= 'z') {
      set.ascii[1] |= u64{1} << (lower - 64) | u64{1} << (lower - 32 - 64);
    }
  }
  if (high < 128) return;
  out_.ranges_.push_back({std::max<u32>(low, 128), high});
  set.range_count += 1;
}

void RegexCompiler::add_class(Set& set, std::string_view name) {
  struct Class {
    std::string_view name;
    std::string_view ranges;  // pairs
  };
  static constexpr Class kClasses[] = {
      {"alnum", "azAZ09"},   {"alpha", "azAZ"},   {"blank", "  \t\t"}, {"cntrl", {"\0\x1F\x7F\x7F", 4}},
      {"digit", "09"},       {"graph", "!~"},     {"lower", "az"},     {"print", " ~"},
      {"punct", "!/:@[`{~"}, {"space", "  \t\r"}, {"upper", "AZ"},     {"word", "azAZ09__"},
      {"xdigit", "09afAF"}};
  for (const Class& each : kClasses) {
    if (each.name != name) continue;
    for (u64 i = 0; i < each.ranges.size(); i += 2) {
      add_range(set, static_cast<u8>(each.ranges[i]), static_cast<u8>(each.ranges[i + 1]));
    }
    return;
  }
  fail("unknown character class");
}

void RegexCompiler::finish_set(Set& set) {
  if (set.negated) {
    set.ascii[0] = ~set.ascii[0];
    set.ascii[1] = ~set.ascii[1];
  }
  emit({Op::Set, static_cast<i32>(out_.sets_.size())});
  out_.sets_.push_back(set);
}

/// One item of a bracket expression: a character in `code`, or a class that is added already. False after an error.
bool RegexCompiler::bracket_item(Set& set, u32& code, bool& is_class) {
  is_class = false;
  for (const char kind : std::string_view(":.=")) {
    const char opening[] = {'[', kind};
    if (!ahead({opening, 2})) continue;
    const char closing[] = {kind, ']'};
    const u64 end = pattern_.find(std::string_view(closing, 2), at_ + 2);
    if (end == std::string_view::npos) {
      fail("unmatched [");
      return false;
    }
    const std::string_view name = pattern_.substr(at_ + 2, end - at_ - 2);
    is_class = kind == ':';
    if (is_class) {
      add_class(set, name == "word" ? std::string_view("?") : name);  // ours alone, not a class of POSIX
    } else {
      const Regex::Character read = name.empty() ? Regex::Character{0, 1} : Regex::character_at(name, 0);
      if (name.size() != read.length) fail("unknown collating element");
      code = read.code;
    }
    at_ = end + 2;
    return error_ == nullptr;
  }
  const Regex::Character read = Regex::character_at(pattern_, at_);
  at_ += read.length;
  code = read.code;
  return true;
}

/// Behind the opening bracket.
void RegexCompiler::bracket() {
  Set set;
  set.range_first = static_cast<u32>(out_.ranges_.size());
  set.negated = take("^");
  for (bool first = true;; first = false) {
    if (at_ >= pattern_.size()) return fail("unmatched [");
    if (!first && take("]")) break;
    u32 low = 0;
    bool is_class = false;
    if (!bracket_item(set, low, is_class)) return;
    if (!is_class && ahead("-") && at_ + 1 < pattern_.size() && pattern_[at_ + 1] != ']') {
      at_ += 1;
      u32 high = 0;
      if (!bracket_item(set, high, is_class)) return;
      if (is_class || high < low) return fail("bad range");
      add_range(set, low, high);
    } else if (!is_class) {
      add_range(set, low, low);
    }
  }
  finish_set(set);
}

bool RegexCompiler::number(u32& value) {
  const u64 start = at_;
  value = 0;
  while (at_ < pattern_.size() && pattern_[at_] >= '0' && pattern_[at_] <= '9') {
    value = std::min<u32>(value * 10 + static_cast<u32>(pattern_[at_] - '0'), Regex::kRepeatMax + 1);
    at_ += 1;
  }
  return at_ > start;
}

/// A repetition operator, if one stands here.
bool RegexCompiler::repeat_count(u32& low, u32& high) {
  low = 0;
  high = kNoLimit;
  if (take("*")) return true;
  if (take(options_.extended ? "+" : "\\+")) {
    low = 1;
    return true;
  }
  if (take(options_.extended ? "?" : "\\?")) {
    high = 1;
    return true;
  }
  if (!take(options_.extended ? "{" : "\\{")) return false;
  const bool has_low = number(low);
  high = low;
  if (take(",")) {
    const bool has_high = number(high);
    if (!has_high) high = kNoLimit;
  } else if (!has_low) {
    fail("bad interval");
  }
  if (!take(options_.extended ? "}" : "\\}")) fail("bad interval");
  if (low > Regex::kRepeatMax || (high != kNoLimit && high > Regex::kRepeatMax) || high < low) fail("bad interval");
  return true;
}

void RegexCompiler::repeats(u32 start) {
  u32 low = 0;
  u32 high = 0;
  while (error_ == nullptr && repeat_count(low, high)) {
    if (error_ == nullptr) repeat(start, low, high);
  }
}

/// Makes of the program behind `start` one that runs `low` to `high` times: copies for what must be, nested options for
/// what may be, a loop when there is no upper bound.
void RegexCompiler::repeat(u32 start, u32 low, u32 high) {
  const u32 size = here() - start;
  const u64 copies = u64{low} + (high == kNoLimit ? 1 : high - low);
  if (size * copies > Regex::kInstructionsMax) return fail("pattern too complex");
  base::Vector<Instruction> body(out_.program_.allocator());
  body.append(out_.program_.span().subspan(start));
  out_.program_.truncate(start);
  const auto copy = [&] {
    for (const Instruction& each : body) emit(each);
  };
  for (u32 i = 0; i < low; ++i) copy();
  const i32 length = static_cast<i32>(size);
  if (high != kNoLimit) {
    // x? x? x? each skipping all that follow, so that the copies are tried in order.
    const u32 options = high - low;
    for (u32 i = 0; i < options; ++i) {
      emit({Op::Split, 1, (length + 1) * static_cast<i32>(options - i)});
      copy();
    }
    return;
  }
  const i32 guards = out_.back_references_ ? 2 : 0;
  emit({Op::Split, 1, length + guards + 2});
  if (guards != 0) emit({Op::LoopEnter, static_cast<i32>(out_.register_count_)});
  copy();
  if (guards != 0) emit({Op::LoopCheck, static_cast<i32>(out_.register_count_++)});
  emit({Op::Jump, -length - guards - 1});
}

base::Result<Regex, RegexError> Regex::compile(base::Allocator& heap, std::string_view pattern,
                                               const RegexOptions& options) {
  Regex regex(heap);
  RegexCompiler compiler(regex, pattern, options);
  if (const char* const error = compiler.run(); error != nullptr) return RegexError{error, compiler.error_offset()};
  regex.find_first_bytes();
  return regex;
}

}  // namespace user
