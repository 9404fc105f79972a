// sim/host/scenario/source_check.cpp — see source_check.h.
#include "sim/host/scenario/source_check.h"

#include <algorithm>

#include "sim/host/nearest.h"
#include "sim/host/scenario/sandbox.h"

namespace sim::host::scenario {
namespace {

enum class TokenKind : u8 { Name, Keyword, Number, Text, Operator, End };
struct Token {
  TokenKind kind = TokenKind::End;
  std::string_view text;  // of a string: what is between its quotes, as written
  u32 line = 0;
};

constexpr std::string_view kKeywords[] = {"and",      "break",  "do",   "else", "elseif", "end",  "false", "for",
                                          "function", "goto",   "if",   "in",   "local",  "nil",  "not",   "or",
                                          "repeat",   "return", "then", "true", "until",  "while"};
constexpr std::string_view kOperators[] = {"...", "<<", ">>", "//", "==", "~=", "<=", ">=", "::", ".."};

bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {
    if (text_.starts_with("#")) skip_line();
  }

  Token next() {
    skip_blank();
    if (at_ >= text_.size()) return {TokenKind::End, {}, line_};
    const u32 line = line_;
    const u64 start = at_;
    const char c = text_[at_];
    if (is_name_start(c)) {
      while (at_ < text_.size() && (is_name_start(text_[at_]) || is_digit(text_[at_]))) at_ += 1;
      const std::string_view word = text_.substr(start, at_ - start);
      const bool keyword = std::find(std::begin(kKeywords), std::end(kKeywords), word) != std::end(kKeywords);
      return {keyword ? TokenKind::Keyword : TokenKind::Name, word, line};
    }
    if (is_digit(c) || (c == '.' && at_ + 1 < text_.size() && is_digit(text_[at_ + 1]))) return number(start);
    if (c == '"' || c == '\'') return quoted(c);
    if (c == '[' && long_level() >= 0) {
      const std::string_view inside = long_bracket();
      return {TokenKind::Text, inside, line};
    }
    for (const std::string_view word : kOperators) {
      if (!text_.substr(at_).starts_with(word)) continue;
      at_ += word.size();
      return {TokenKind::Operator, word, line};
    }
    at_ += 1;
    return {TokenKind::Operator, text_.substr(start, 1), line};
  }

 private:
  void skip_line() {
    while (at_ < text_.size() && text_[at_] != '\n') at_ += 1;
  }
  void skip_blank() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '\n') line_ += 1;
      if (c == '-' && text_.substr(at_).starts_with("--")) {
        at_ += 2;
        if (at_ < text_.size() && text_[at_] == '[' && long_level() >= 0) {
          long_bracket();
        } else {
          skip_line();
        }
        continue;
      }
      if (c != ' ' && c != '\t' && c != '\r' && c != '\n' && c != '\f' && c != '\v') return;
      at_ += 1;
    }
  }
  Token number(u64 start) {
    const bool hex = text_.substr(start).starts_with("0x") || text_.substr(start).starts_with("0X");
    while (at_ < text_.size()) {
      const char c = text_[at_];
      const bool exponent = hex ? c == 'p' || c == 'P' : c == 'e' || c == 'E';
      if (!is_digit(c) && c != '.' && !is_name_start(c)) break;
      at_ += 1;
      if (exponent && at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) at_ += 1;
    }
    return {TokenKind::Number, text_.substr(start, at_ - start), line_};
  }
  Token quoted(char quote) {
    const u32 line = line_;
    const u64 start = ++at_;
    while (at_ < text_.size() && text_[at_] != quote) {
      if (text_[at_] == '\\') at_ += 1;
      if (at_ < text_.size() && text_[at_] == '\n') line_ += 1;
      at_ += 1;
    }
    const std::string_view inside = text_.substr(start, std::min<u64>(at_, text_.size()) - start);
    at_ += 1;
    return {TokenKind::Text, inside, line};
  }
  /// Of the long bracket that opens here; −1: none does.
  int long_level() const {
    u64 at = at_ + 1;
    while (at < text_.size() && text_[at] == '=') at += 1;
    return at < text_.size() && text_[at] == '[' ? static_cast<int>(at - at_ - 1) : -1;
  }
  std::string_view long_bracket() {
    const u64 level = static_cast<u64>(long_level());
    const std::string close = "]" + std::string(level, '=') + "]";
    const u64 start = at_ + level + 2;
    const u64 end = std::min<u64>(text_.find(close, start), text_.size());
    line_ += static_cast<u32>(
        std::count(text_.begin() + static_cast<i64>(at_), text_.begin() + static_cast<i64>(end), '\n'));
    at_ = std::min<u64>(end + close.size(), text_.size());
    return text_.substr(start, end - start);
  }

  std::string_view text_;
  u64 at_ = 0;
  u32 line_ = 1;
};

/// Recursive descent over the grammar. The text compiled, so nothing is checked but what it says about names.
class Reader {
 public:
  explicit Reader(std::string_view text) : lexer_(text) {
    token_ = lexer_.next();
    after_ = lexer_.next();
  }
  SourceNames read() {
    scopes_.emplace_back();
    block();
    return std::move(names_);
  }

 private:
  void advance() {
    token_ = after_;
    after_ = lexer_.next();
  }
  bool is(std::string_view text) const {
    return (token_.kind == TokenKind::Operator || token_.kind == TokenKind::Keyword) && token_.text == text;
  }
  bool take(std::string_view text) {
    if (!is(text)) return false;
    advance();
    return true;
  }
  std::string_view name() {
    const std::string_view word = token_.text;
    advance();
    return word;
  }
  bool at_block_end() const {
    return token_.kind == TokenKind::End || is("end") || is("else") || is("elseif") || is("until");
  }
  void declare(std::string_view word) { scopes_.back().emplace_back(word); }
  bool is_local(std::string_view word) const {
    for (const auto& scope : scopes_) {
      if (std::find(scope.begin(), scope.end(), word) != scope.end()) return true;
    }
    return false;
  }
  void hidden_name(std::string_view word, u32 line) {
    if (word != "__gc" && word != "__mode") return;
    names_.issues.push_back({line, "'" + std::string(word) +
                                       "' does not exist in scenarios: when memory is collected is no part of a run"});
  }

  void block() {
    scopes_.emplace_back();
    while (!at_block_end()) statement();
    scopes_.pop_back();
  }
  void statement() {
    if (take(";") || take("break")) return;
    if (take("::")) {
      name();
      take("::");
    } else if (take("goto")) {
      name();
    } else if (take("do")) {
      block();
      take("end");
    } else if (take("while")) {
      expression();
      take("do");
      block();
      take("end");
    } else if (take("repeat")) {
      scopes_.emplace_back();  // the condition sees the block's locals
      while (!at_block_end()) statement();
      take("until");
      expression();
      scopes_.pop_back();
    } else if (take("if")) {
      do {
        expression();
        take("then");
        block();
      } while (take("elseif"));
      if (take("else")) block();
      take("end");
    } else if (take("for")) {
      loop();
    } else if (take("function")) {
      const u32 line = token_.line;
      const std::string_view word = name();
      const bool plain = is("(");
      if (!is_local(word)) {
        if (plain) {
          names_.assigned.emplace(word);
        } else {
          names_.reads.push_back({std::string(word), {}, line});
        }
      }
      bool method = false;
      while (is(".") || is(":")) {
        method = is(":");
        advance();
        name();
      }
      body(method);
    } else if (take("local")) {
      local();
    } else if (take("return")) {
      if (!at_block_end() && !is(";")) expressions();
      take(";");
    } else {
      assignment_or_call();
    }
  }
  void loop() {
    std::vector<std::string_view> words = {name()};
    while (take(",")) words.push_back(name());
    if (!take("=")) take("in");
    expressions();
    take("do");
    scopes_.emplace_back();
    for (const std::string_view word : words) declare(word);
    block();
    scopes_.pop_back();
    take("end");
  }
  void local() {
    if (take("function")) {
      declare(name());
      body(false);
      return;
    }
    std::vector<std::string_view> words;
    do {
      words.push_back(name());
      if (take("<")) {
        name();
        take(">");
      }
    } while (take(","));
    if (take("=")) expressions();
    for (const std::string_view word : words) declare(word);
  }
  void assignment_or_call() {
    // A plain name before `=` or `,` is written, not read.
    std::vector<SourceNames::Use> targets;
    do {
      const bool bare = token_.kind == TokenKind::Name && after_.kind == TokenKind::Operator &&
                        (after_.text == "=" || after_.text == ",");
      if (bare) {
        if (!is_local(token_.text)) targets.push_back({std::string(token_.text), {}, token_.line});
        advance();
      } else {
        suffixed();
      }
    } while (take(","));
    for (const SourceNames::Use& target : targets) names_.assigned.insert(target.name);
    if (take("=")) expressions();
  }
  void expressions() {
    do expression();
    while (take(","));
  }
  void expression() {
    while (is("not") || is("#") || is("-") || is("~")) advance();
    simple();
    if (token_.kind != TokenKind::Operator && !is("and") && !is("or")) return;
    static constexpr std::string_view kBinary[] = {"+",  "-",  "*",  "/", "//", "%", "^",  "..", "<",   "<=", ">",
                                                   ">=", "==", "~=", "&", "|",  "~", "<<", ">>", "and", "or"};
    if (std::find(std::begin(kBinary), std::end(kBinary), token_.text) == std::end(kBinary)) return;
    if (token_.text == "^") {
      names_.issues.push_back(
          {token_.line, "'^' does not exist in scenarios: its last digit is the C library's choice; multiply"});
    }
    advance();
    expression();
  }
  void simple() {
    if (token_.kind == TokenKind::Number || token_.kind == TokenKind::Text) {
      if (token_.kind == TokenKind::Text) hidden_name(token_.text, token_.line);
      advance();
    } else if (is("nil") || is("true") || is("false") || is("...")) {
      advance();
    } else if (is("{")) {
      table();
    } else if (take("function")) {
      body(false);
    } else {
      suffixed();
    }
  }
  void suffixed() {
    if (take("(")) {
      expression();
      take(")");
    } else if (token_.kind == TokenKind::Name) {
      const Token word = token_;
      advance();
      if (!is_local(word.text)) {
        const bool field = is(".") && after_.kind == TokenKind::Name;
        names_.reads.push_back({std::string(word.text), field ? std::string(after_.text) : std::string{}, word.line});
      }
    } else {
      advance();  // cannot be: the text compiled
    }
    for (;;) {  // each round takes a token
      if (take(".")) {
        hidden_name(token_.text, token_.line);
        name();
      } else if (take("[")) {
        expression();
        take("]");
      } else if (take(":")) {
        name();
      } else if (take("(")) {
        if (!is(")")) expressions();
        take(")");
      } else if (is("{")) {
        table();
      } else if (token_.kind == TokenKind::Text) {
        hidden_name(token_.text, token_.line);
        advance();
      } else {
        return;
      }
    }
  }
  void table() {
    take("{");
    while (!is("}") && token_.kind != TokenKind::End) {
      if (take("[")) {
        expression();
        take("]");
        take("=");
      } else if (token_.kind == TokenKind::Name && after_.kind == TokenKind::Operator && after_.text == "=") {
        hidden_name(token_.text, token_.line);
        advance();
        advance();
      }
      expression();
      if (!take(",") && !take(";")) break;
    }
    take("}");
  }
  void body(bool method) {
    scopes_.emplace_back();
    if (method) declare("self");
    take("(");
    while (!is(")") && token_.kind != TokenKind::End) {
      if (token_.kind == TokenKind::Name) declare(token_.text);
      advance();
    }
    take(")");
    block();
    take("end");
    scopes_.pop_back();
  }

  Lexer lexer_;
  Token token_;
  Token after_;
  std::vector<std::vector<std::string>> scopes_;
  SourceNames names_;
};

}  // namespace

SourceNames read_names(std::string_view text) { return Reader(text).read(); }

std::vector<SourceIssue> check_source(const SourceNames& names, const std::vector<std::string>& globals,
                                      const std::set<std::string>& others) {
  std::vector<SourceIssue> issues = names.issues;
  std::vector<std::string> known = globals;
  known.insert(known.end(), names.assigned.begin(), names.assigned.end());
  known.insert(known.end(), others.begin(), others.end());
  std::sort(known.begin(), known.end());
  for (const SourceNames::Use& use : names.reads) {
    const auto fields = library_names(use.name);
    if (!fields.empty() && !use.field.empty() && std::find(fields.begin(), fields.end(), use.field) == fields.end()) {
      const std::vector<std::string> there(fields.begin(), fields.end());
      issues.push_back({use.line, "'" + use.name + "." + use.field + "' does not exist in scenarios" +
                                      did_you_mean(use.field, there)});
      continue;
    }
    if (std::binary_search(known.begin(), known.end(), use.name)) continue;
    const auto absent = absent_names();
    const auto found =
        std::find_if(absent.begin(), absent.end(), [&](const AbsentName& name) { return name.name == use.name; });
    if (found != absent.end()) {
      issues.push_back({use.line, "'" + use.name + "' does not exist in scenarios; " + std::string(found->instead)});
    } else {
      issues.push_back({use.line, "there is no '" + use.name + "'" + did_you_mean(use.name, known)});
    }
  }
  std::stable_sort(issues.begin(), issues.end(),
                   [](const SourceIssue& left, const SourceIssue& right) { return left.line < right.line; });
  return issues;
}

}  // namespace sim::host::scenario
