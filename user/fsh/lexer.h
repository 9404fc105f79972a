// user/fsh/lexer.h — tokens of the shell. Words keep their raw text; what a quote or a `$(` spans is found here, so that
// an operator inside it is text.
#pragma once
#include "user/fsh/syntax.h"

namespace user::fsh {

enum class TokenKind : u8 { Word, Operator, Newline, End };

struct Token {
  TokenKind kind = TokenKind::End;
  std::string_view text;  // a word's raw text, an operator's characters
  Position at;
  i32 io_number = -1;  // Operator: the digits that touched it
  bool is(std::string_view op) const { return kind == TokenKind::Operator && text == op; }
};

/// A place in a source that knows its line and column.
class Cursor {
 public:
  Cursor() = default;
  Cursor(std::string_view source, u64 offset, Position at) : source_(source), offset_(offset), at_(at) {}
  bool done() const { return offset_ >= source_.size(); }
  char peek(u64 ahead = 0) const { return offset_ + ahead < source_.size() ? source_[offset_ + ahead] : '\0'; }
  bool next_is(std::string_view text) const {
    return source_.substr(std::min(offset_, source_.size())).starts_with(text);
  }
  void step() {
    if (source_[offset_] == '\n') {
      at_.line += 1;
      at_.column = 1;
    } else {
      at_.column += 1;
    }
    offset_ += 1;
  }
  void step(u64 count) {
    for (; count > 0 && !done(); --count) step();
  }
  u64 offset() const { return offset_; }
  Position at() const { return at_; }
  std::string_view source() const { return source_; }
  std::string_view since(u64 start) const { return source_.substr(start, offset_ - start); }

 private:
  std::string_view source_;
  u64 offset_ = 0;
  Position at_;
};

SyntaxError syntax_error(SyntaxError::Kind kind, Position at, std::string_view what, Position from = {},
                         std::string_view opener = {}, bool incomplete = false);

/// Moves the cursor behind the word it stands on: quotes, `${…}`, `$(…)`, `$((…))` and backquotes are kept whole.
/// `depth` is the nesting of substitutions so far.
base::Result<void, SyntaxError> skip_word(Pool& pool, Cursor& cursor, u32 depth);
/// One quoted or dollar construct at the cursor; false where there is none and the cursor has not moved.
base::Result<bool, SyntaxError> skip_construct(Pool& pool, Cursor& cursor, u32 depth, bool in_double_quotes);

/// The next token; blanks, comments and joined lines are passed over.
base::Result<Token, SyntaxError> next_token(Pool& pool, Cursor& cursor, u32 depth);

/// Parses `list` up to an unmatched `)` and leaves the cursor behind it; for `$(`.
base::Result<void, SyntaxError> skip_substitution(Pool& pool, Cursor& cursor, u32 depth);

}  // namespace user::fsh
