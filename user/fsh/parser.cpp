// user/fsh/parser.cpp — recursive descent over POSIX.1-2017 §2.10.2's grammar. Depth is bounded by kNestingMax.
#include "base/format.h"
#include "base/vector.h"
#include "user/fsh/lexer.h"

#include "base/enforce.h"

namespace user::fsh {
namespace {

constexpr u32 kAliasDepthMax = 16;

template <class T>
using Parsed = base::Result<T, SyntaxError>;
using Kind = SyntaxError::Kind;

/// Words that end a list because only an opener before them makes sense of them.
bool closes_list(std::string_view word) {
  static constexpr std::string_view kClosers[] = {"}", "do", "done", "elif", "else", "esac", "fi", "then"};
  return std::find(std::begin(kClosers), std::end(kClosers), word) != std::end(kClosers);
}

struct Opener {
  std::string_view word;
  Position at;
};

class Parser {
 public:
  Parser(Pool& pool, Cursor cursor, AliasPort aliases, u32 depth)
      : pool_(pool), cursor_(cursor), aliases_(aliases), depth_(depth), pending_here_(pool) {}

  /// The commands of one line; null for an empty one.
  Parsed<const Node*> line();
  /// A list up to an unmatched `)`, which is consumed.
  Parsed<void> substitution();
  const Cursor& cursor() const { return cursor_; }

 private:
  struct Nesting {
    explicit Nesting(u32& depth) : depth_(depth) { depth_ += 1; }
    ~Nesting() { depth_ -= 1; }
    u32& depth_;
  };
  struct PendingHere {
    HereDocument* document;
    bool strip_tabs;
    Position at;
  };

  Parsed<void> advance();
  Parsed<void> skip_newlines();
  Parsed<void> read_here_documents();
  Parsed<void> read_here_document(const PendingHere& pending);
  Parsed<void> expect_word(std::string_view word, const Opener& opener);
  bool at_word(std::string_view word) const { return token_.kind == TokenKind::Word && token_.text == word; }
  bool at_list_end() const;
  SyntaxError missing(std::string_view word, const Opener& opener) const;
  SyntaxError unexpected() const;

  Parsed<const Node*> list(bool stop_at_newline);
  Parsed<const Node*> and_or();
  Parsed<const Node*> pipeline();
  Parsed<const Node*> command();
  Parsed<const Node*> simple();
  Parsed<const Node*> group();
  Parsed<const Node*> if_clause();
  Parsed<const Node*> loop();
  Parsed<const Node*> for_clause();
  Parsed<const Node*> case_clause();
  Parsed<const Node*> function(std::string_view name, Position at);
  Parsed<const Node*> body(const Opener& opener);
  Parsed<Redirect> redirect();
  bool at_redirect() const {
    return token_.kind == TokenKind::Operator && (token_.text[0] == '<' || token_.text[0] == '>');
  }
  void note_here_document(Redirect& redirect, bool strip_tabs);
  Parsed<void> redirects_into(base::Vector<Redirect>& redirects);
  Parsed<const Node*> with_redirects(Node& node);
  Parsed<bool> expand_alias();

  Node& make(NodeKind kind, Position at) {
    Node* node = pool_.make<Node>();
    node->kind = kind;
    node->at = at;
    return *node;
  }
  std::span<const Node* const> keep(const base::Vector<const Node*>& parts) { return pool_.keep(parts); }

  Pool& pool_;
  Cursor cursor_;
  AliasPort aliases_;
  u32 depth_;
  Token token_;
  base::Vector<PendingHere> pending_here_;
  // An alias's text is read before the rest of the source goes on.
  struct Outer {
    Cursor cursor;
    std::string_view alias;
  };
  Outer outer_[kAliasDepthMax] = {};
  u32 outer_count_ = 0;
};

Parsed<void> Parser::advance() {
  for (;;) {
    token_ = TRY(next_token(pool_, cursor_, depth_));
    if (token_.kind != TokenKind::End || outer_count_ == 0) break;
    outer_count_ -= 1;  // the alias is used up
    cursor_ = outer_[outer_count_].cursor;
  }
  if (token_.kind == TokenKind::Newline) return read_here_documents();
  return {};
}

Parsed<void> Parser::skip_newlines() {
  while (token_.kind == TokenKind::Newline) TRY(advance());
  return {};
}

Parsed<void> Parser::read_here_documents() {
  for (const PendingHere& pending : pending_here_) TRY(read_here_document(pending));
  pending_here_.clear();
  return {};
}

Parsed<void> Parser::read_here_document(const PendingHere& pending) {
  base::String body(pool_);
  for (;;) {
    if (cursor_.done())
      return syntax_error(Kind::Unclosed, cursor_.at(), pending.document->delimiter, pending.at, {}, true);
    const u64 start = cursor_.offset();
    while (!cursor_.done() && cursor_.peek() != '\n') cursor_.step();
    std::string_view text = cursor_.since(start);
    cursor_.step(1);
    if (pending.strip_tabs) text.remove_prefix(std::min(text.find_first_not_of('\t'), text.size()));
    if (text == pending.document->delimiter) break;
    body.append(text);
    body.push('\n');
  }
  pending.document->body = pool_.keep(body.view());
  return {};
}

SyntaxError Parser::missing(std::string_view word, const Opener& opener) const {
  return syntax_error(Kind::Missing, token_.at, word, opener.at, opener.word, token_.kind == TokenKind::End);
}

SyntaxError Parser::unexpected() const {
  if (token_.kind == TokenKind::End) return syntax_error(Kind::Unexpected, token_.at, "end of file", {}, {}, true);
  return syntax_error(Kind::Unexpected, token_.at, token_.kind == TokenKind::Newline ? "newline" : token_.text);
}

Parsed<void> Parser::expect_word(std::string_view word, const Opener& opener) {
  if (!at_word(word)) {
    if (token_.kind == TokenKind::End) return missing(word, opener);
    return at_list_end() ? missing(word, opener) : unexpected();
  }
  return advance();
}

bool Parser::at_list_end() const {
  switch (token_.kind) {
    case TokenKind::End: return true;
    case TokenKind::Operator: return token_.is(")") || token_.is(";;") || token_.is(";&");
    case TokenKind::Word: return closes_list(token_.text);
    case TokenKind::Newline: return false;
  }
  UNREACHABLE("every token kind was named");
}

Parsed<const Node*> Parser::line() {
  TRY(advance());
  if (token_.kind == TokenKind::Newline || token_.kind == TokenKind::End) return static_cast<const Node*>(nullptr);
  const Node* node = TRY(list(true));
  if (token_.kind != TokenKind::Newline && token_.kind != TokenKind::End) return unexpected();
  if (!pending_here_.empty()) {
    const PendingHere& pending = pending_here_.front();
    return syntax_error(Kind::Unclosed, token_.at, pending.document->delimiter, pending.at, {}, true);
  }
  return node;
}

Parsed<void> Parser::substitution() {
  const Position from = cursor_.at();
  TRY(advance());
  TRY(skip_newlines());
  if (!at_list_end()) TRY(list(false));
  if (!token_.is(")")) {
    if (token_.kind == TokenKind::End) return syntax_error(Kind::Unclosed, token_.at, ")", from, {}, true);
    return unexpected();
  }
  return {};
}

Parsed<const Node*> Parser::list(bool stop_at_newline) {
  Nesting nesting{depth_};
  if (depth_ > kNestingMax) return syntax_error(Kind::NestingTooDeep, token_.at, "");
  Node& node = make(NodeKind::List, token_.at);
  base::Vector<const Node*> parts(pool_);
  base::Vector<Joint> joints(pool_);
  for (;;) {
    parts.push_back(TRY(and_or()));
    Joint joint = Joint::Sequence;
    bool separated = token_.kind == TokenKind::Newline;
    if (token_.is(";") || token_.is("&")) {
      joint = token_.is("&") ? Joint::Background : Joint::Sequence;
      separated = true;
      TRY(advance());
    }
    joints.push_back(joint);
    if (stop_at_newline && token_.kind == TokenKind::Newline) break;
    TRY(skip_newlines());
    if (at_list_end() || !separated) break;
  }
  node.parts = keep(parts);
  node.joints = pool_.keep(joints);
  return &node;
}

Parsed<const Node*> Parser::and_or() {
  const Position at = token_.at;
  base::Vector<const Node*> parts(pool_);
  base::Vector<Joint> joints(pool_);
  parts.push_back(TRY(pipeline()));
  while (token_.is("&&") || token_.is("||")) {
    joints.push_back(token_.is("&&") ? Joint::And : Joint::Or);
    TRY(advance());
    TRY(skip_newlines());
    parts.push_back(TRY(pipeline()));
  }
  if (joints.empty()) return parts[0];
  Node& node = make(NodeKind::AndOr, at);
  node.parts = keep(parts);
  node.joints = pool_.keep(joints);
  return &node;
}

Parsed<const Node*> Parser::pipeline() {
  Node& node = make(NodeKind::Pipeline, token_.at);
  while (at_word("!")) {
    node.negate = !node.negate;
    TRY(advance());
  }
  if (at_word("time")) {
    node.timed = true;
    TRY(advance());
  }
  base::Vector<const Node*> parts(pool_);
  parts.push_back(TRY(command()));
  while (token_.is("|")) {
    TRY(advance());
    TRY(skip_newlines());
    parts.push_back(TRY(command()));
  }
  if (parts.size() == 1 && !node.negate && !node.timed) return parts[0];
  node.parts = keep(parts);
  return &node;
}

Parsed<const Node*> Parser::command() {
  Nesting nesting{depth_};
  if (depth_ > kNestingMax) return syntax_error(Kind::NestingTooDeep, token_.at, "");
  while (TRY(expand_alias())) continue;
  if (token_.is("(") || at_word("{")) return group();
  if (at_word("if")) return if_clause();
  if (at_word("while") || at_word("until")) return loop();
  if (at_word("for")) return for_clause();
  if (at_word("case")) return case_clause();
  if (token_.kind == TokenKind::Word && is_reserved(token_.text)) return unexpected();
  return simple();
}

Parsed<bool> Parser::expand_alias() {
  if (token_.kind != TokenKind::Word || aliases_.find == nullptr || is_reserved(token_.text)) return false;
  for (u32 i = 0; i < outer_count_; ++i) {
    if (outer_[i].alias == token_.text) return false;  // an alias is not expanded inside itself
  }
  const std::string_view value = aliases_.find(aliases_.context, token_.text);
  if (value.data() == nullptr || outer_count_ == kAliasDepthMax) return false;
  outer_[outer_count_] = {cursor_, token_.text};
  outer_count_ += 1;
  cursor_ = Cursor(pool_.keep(value), 0, token_.at);
  TRY(advance());
  return true;
}

Parsed<Redirect> Parser::redirect() {
  Redirect redirect;
  redirect.fd = token_.io_number;
  const std::string_view op = token_.text;
  if (op == "<") redirect.kind = RedirectKind::Read;
  if (op == ">") redirect.kind = RedirectKind::Write;
  if (op == ">|") redirect.kind = RedirectKind::Clobber;
  if (op == ">>") redirect.kind = RedirectKind::Append;
  if (op == "<>") redirect.kind = RedirectKind::ReadWrite;
  if (op == "<&") redirect.kind = RedirectKind::DupRead;
  if (op == ">&") redirect.kind = RedirectKind::DupWrite;
  if (op == "<<" || op == "<<-") redirect.kind = RedirectKind::Here;
  // The word is read without the newline's work: a here-document begins behind the line that names it.
  token_ = TRY(next_token(pool_, cursor_, depth_));
  if (token_.kind != TokenKind::Word) {
    return syntax_error(Kind::MissingWord, token_.at, op, {}, {}, token_.kind == TokenKind::End);
  }
  redirect.target = {token_.text, token_.at};
  if (redirect.kind == RedirectKind::Here) note_here_document(redirect, op == "<<-");
  return redirect;
}

/// A here-document's text stands behind the line that names it: it is noted here and read with the newline.
void Parser::note_here_document(Redirect& redirect, bool strip_tabs) {
  HereDocument* document = pool_.make<HereDocument>();
  base::String delimiter(pool_);
  const std::string_view raw = redirect.target.text;
  for (u64 i = 0; i < raw.size(); ++i) {
    const bool quote = raw[i] == '\\' || raw[i] == '\'' || raw[i] == '"';
    if (quote) document->literal = true;
    if (raw[i] == '\\' && i + 1 < raw.size()) {
      i += 1;
      delimiter.push(raw[i]);
    } else if (!quote) {
      delimiter.push(raw[i]);
    }
  }
  redirect.here = document;
  document->delimiter = pool_.keep(delimiter.view());
  pending_here_.push_back({document, strip_tabs, redirect.target.at});
}

/// Collects the redirections at the token; the token ends behind them.
Parsed<void> Parser::redirects_into(base::Vector<Redirect>& redirects) {
  while (at_redirect()) {
    redirects.push_back(TRY(redirect()));
    TRY(advance());
  }
  return {};
}

Parsed<const Node*> Parser::with_redirects(Node& node) {
  base::Vector<Redirect> redirects(pool_);
  TRY(redirects_into(redirects));
  node.redirects = pool_.keep(redirects);
  return &node;
}

Parsed<const Node*> Parser::simple() {
  Node& node = make(NodeKind::Simple, token_.at);
  base::Vector<Assignment> assignments(pool_);
  base::Vector<Word> words(pool_);
  base::Vector<Redirect> redirects(pool_);
  for (;;) {
    if (token_.kind == TokenKind::Word) {
      const Word word{token_.text, token_.at};
      const u64 equals = word.text.find('=');
      if (words.empty() && equals != std::string_view::npos && is_name(word.text.substr(0, equals))) {
        assignments.push_back({word.text.substr(0, equals), {word.text.substr(equals + 1), word.at}});
        TRY(advance());
        while (words.empty() && TRY(expand_alias())) continue;
        continue;
      }
      words.push_back(word);
      TRY(advance());
      if (words.size() == 1 && assignments.empty() && redirects.empty() && token_.is("(")) {
        return function(word.text, word.at);
      }
    } else if (at_redirect()) {
      TRY(redirects_into(redirects));
    } else {
      break;
    }
  }
  if (assignments.empty() && words.empty() && redirects.empty()) return unexpected();
  node.assignments = pool_.keep(assignments);
  node.words = pool_.keep(words);
  node.redirects = pool_.keep(redirects);
  return &node;
}

Parsed<const Node*> Parser::function(std::string_view name, Position at) {
  TRY(advance());
  if (!token_.is(")")) return unexpected();
  if (!is_name(name)) return syntax_error(Kind::BadName, at, name);
  TRY(advance());
  TRY(skip_newlines());
  const bool compound = token_.is("(") || at_word("{") || at_word("if") || at_word("while") || at_word("until") ||
                        at_word("for") || at_word("case");
  if (!compound) return unexpected();
  Node& node = make(NodeKind::Function, at);
  node.name = name;
  base::Vector<const Node*> parts(pool_);
  parts.push_back(TRY(command()));
  node.parts = keep(parts);
  return &node;
}

Parsed<const Node*> Parser::body(const Opener& opener) {
  TRY(skip_newlines());
  if (at_list_end()) {
    if (token_.kind == TokenKind::End) {
      const std::string_view closer = opener.word == "{"    ? "}"
                                      : opener.word == "("  ? ")"
                                      : opener.word == "if" ? "fi"
                                                            : "done";
      return missing(closer, opener);
    }
    return unexpected();
  }
  return list(false);
}

Parsed<const Node*> Parser::group() {
  const bool subshell = token_.is("(");
  const Opener opener{subshell ? "(" : "{", token_.at};
  Node& node = make(subshell ? NodeKind::Subshell : NodeKind::Group, token_.at);
  TRY(advance());
  base::Vector<const Node*> parts(pool_);
  parts.push_back(TRY(body(opener)));
  node.parts = keep(parts);
  if (subshell) {
    if (!token_.is(")")) return token_.kind == TokenKind::End || at_list_end() ? missing(")", opener) : unexpected();
    TRY(advance());
  } else {
    TRY(expect_word("}", opener));
  }
  return with_redirects(node);
}

Parsed<const Node*> Parser::if_clause() {
  const Opener opener{"if", token_.at};
  Node& node = make(NodeKind::If, token_.at);
  base::Vector<const Node*> parts(pool_);
  TRY(advance());
  for (;;) {
    parts.push_back(TRY(body(opener)));
    TRY(expect_word("then", opener));
    parts.push_back(TRY(body(opener)));
    if (!at_word("elif")) break;
    TRY(advance());
  }
  if (at_word("else")) {
    TRY(advance());
    parts.push_back(TRY(body(opener)));
  }
  TRY(expect_word("fi", opener));
  node.parts = keep(parts);
  return with_redirects(node);
}

Parsed<const Node*> Parser::loop() {
  const Opener opener{token_.text, token_.at};
  Node& node = make(at_word("while") ? NodeKind::While : NodeKind::Until, token_.at);
  base::Vector<const Node*> parts(pool_);
  TRY(advance());
  parts.push_back(TRY(body(opener)));
  TRY(expect_word("do", opener));
  parts.push_back(TRY(body(opener)));
  TRY(expect_word("done", opener));
  node.parts = keep(parts);
  return with_redirects(node);
}

Parsed<const Node*> Parser::for_clause() {
  const Opener opener{"for", token_.at};
  Node& node = make(NodeKind::For, token_.at);
  TRY(advance());
  if (token_.kind != TokenKind::Word) return unexpected();
  if (!is_name(token_.text)) return syntax_error(Kind::BadName, token_.at, token_.text);
  node.name = token_.text;
  TRY(advance());
  TRY(skip_newlines());
  base::Vector<Word> words(pool_);
  if (at_word("in")) {
    node.has_in = true;
    TRY(advance());
    while (token_.kind == TokenKind::Word) {
      words.push_back({token_.text, token_.at});
      TRY(advance());
    }
    if (token_.kind == TokenKind::End) return missing("do", opener);
    if (!token_.is(";") && token_.kind != TokenKind::Newline) return unexpected();
  }
  if (token_.is(";")) TRY(advance());
  TRY(skip_newlines());
  TRY(expect_word("do", opener));
  base::Vector<const Node*> parts(pool_);
  parts.push_back(TRY(body(opener)));
  TRY(expect_word("done", opener));
  node.words = pool_.keep(words);
  node.parts = keep(parts);
  return with_redirects(node);
}

Parsed<const Node*> Parser::case_clause() {
  const Opener opener{"case", token_.at};
  Node& node = make(NodeKind::Case, token_.at);
  TRY(advance());
  if (token_.kind != TokenKind::Word) return unexpected();
  base::Vector<Word> subject(pool_);
  subject.push_back({token_.text, token_.at});
  node.words = pool_.keep(subject);
  TRY(advance());
  TRY(skip_newlines());
  TRY(expect_word("in", opener));
  TRY(skip_newlines());
  base::Vector<CaseItem> items(pool_);
  while (!at_word("esac")) {
    if (token_.kind == TokenKind::End) return missing("esac", opener);
    CaseItem item;
    if (token_.is("(")) TRY(advance());
    base::Vector<Word> patterns(pool_);
    for (;;) {
      if (token_.kind != TokenKind::Word) return unexpected();
      patterns.push_back({token_.text, token_.at});
      TRY(advance());
      if (!token_.is("|")) break;
      TRY(advance());
    }
    if (!token_.is(")")) return unexpected();
    TRY(advance());
    TRY(skip_newlines());
    item.patterns = pool_.keep(patterns);
    if (!at_list_end()) item.body = TRY(list(false));
    const bool ended = token_.is(";;") || token_.is(";&");
    if (ended) {
      item.fall_through = token_.is(";&");
      TRY(advance());
      TRY(skip_newlines());
    }
    items.push_back(item);
    if (!ended && !at_word("esac")) {
      return token_.kind == TokenKind::End ? missing("esac", opener) : unexpected();
    }
  }
  TRY(advance());
  node.items = pool_.keep(items);
  return with_redirects(node);
}

}  // namespace

base::Result<ParsedLine, SyntaxError> parse_line(Pool& pool, std::string_view source, u64 offset, u32 line,
                                                 AliasPort aliases) {
  Parser parser(pool, Cursor(source, offset, {.line = line, .column = 1}), aliases, 0);
  const Node* list = TRY(parser.line());
  return ParsedLine{list, parser.cursor().offset(), parser.cursor().at().line};
}

base::Result<void, SyntaxError> skip_substitution(Pool& pool, Cursor& cursor, u32 depth) {
  Parser parser(pool, cursor, {}, depth);
  TRY(parser.substitution());
  cursor = parser.cursor();
  return {};
}

base::Result<u64, SyntaxError> substitution_end(Pool& pool, std::string_view source, u64 offset) {
  Cursor cursor(source, offset, {});
  TRY(skip_substitution(pool, cursor, 0));
  return cursor.offset();
}

bool is_reserved(std::string_view word) {
  static constexpr std::string_view kReserved[] = {"!",  "{",   "}",  "case", "do",   "done", "elif",  "else", "esac",
                                                   "fi", "for", "if", "in",   "then", "time", "until", "while"};
  return std::find(std::begin(kReserved), std::end(kReserved), word) != std::end(kReserved);
}

bool is_name(std::string_view text) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  if (text.empty() || !is_letter(text[0])) return false;
  return std::all_of(text.begin(), text.end(), [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
}

base::String text_of(base::Allocator& heap, const SyntaxError& error) {
  base::String text(heap);
  const std::string_view what{error.what, error.what_size};
  const std::string_view opener{error.opener, error.opener_size};
  switch (error.kind) {
    case Kind::Missing:
      text.append_format("missing '{}' for '{}' at {}:{}", what, opener, error.from.line, error.from.column);
      break;
    case Kind::Unexpected:
      if (what == "newline" || what == "end of file") {
        text.append_format("unexpected {}", what);
      } else {
        text.append_format("unexpected '{}'", what);
      }
      break;
    case Kind::Unclosed:
      text.append_format("missing closing '{}' from {}:{}", what, error.from.line, error.from.column);
      break;
    case Kind::NestingTooDeep: text.append("nesting too deep"); break;
    case Kind::BadName: text.append_format("'{}' is not a name", what); break;
    case Kind::MissingWord: text.append_format("missing word after '{}'", what); break;
  }
  return text;
}

}  // namespace user::fsh
