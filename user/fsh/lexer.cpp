// user/fsh/lexer.cpp — POSIX.1-2017 Shell Command Language §2.2 (quoting) and §2.3 (token recognition).
#include "user/fsh/lexer.h"

#include <algorithm>

#include "base/string.h"

#include "base/enforce.h"

namespace user::fsh {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t'; }
bool is_operator_start(char c) { return std::string_view("|&;<>()").find(c) != std::string_view::npos && c != '\0'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

base::Result<void, SyntaxError> skip_single_quotes(Cursor& cursor) {
  const Position from = cursor.at();
  cursor.step();
  while (!cursor.done() && cursor.peek() != '\'') cursor.step();
  if (cursor.done()) return syntax_error(SyntaxError::Kind::Unclosed, cursor.at(), "'", from, {}, true);
  cursor.step();
  return {};
}

base::Result<void, SyntaxError> skip_dollar_quotes(Cursor& cursor) {
  const Position from = cursor.at();
  cursor.step(2);
  while (!cursor.done() && cursor.peek() != '\'') cursor.step(cursor.peek() == '\\' ? 2 : 1);
  if (cursor.done()) return syntax_error(SyntaxError::Kind::Unclosed, cursor.at(), "'", from, {}, true);
  cursor.step();
  return {};
}

base::Result<void, SyntaxError> skip_double_quotes(Pool& pool, Cursor& cursor, u32 depth) {
  const Position from = cursor.at();
  cursor.step();
  while (!cursor.done() && cursor.peek() != '"') {
    if (cursor.peek() == '\\') {
      cursor.step(2);
      continue;
    }
    const bool skipped = TRY(skip_construct(pool, cursor, depth, true));
    if (!skipped) cursor.step();
  }
  if (cursor.done()) return syntax_error(SyntaxError::Kind::Unclosed, cursor.at(), "\"", from, {}, true);
  cursor.step();
  return {};
}

base::Result<void, SyntaxError> skip_backquotes(Cursor& cursor) {
  const Position from = cursor.at();
  cursor.step();
  while (!cursor.done() && cursor.peek() != '`') cursor.step(cursor.peek() == '\\' ? 2 : 1);
  if (cursor.done()) return syntax_error(SyntaxError::Kind::Unclosed, cursor.at(), "`", from, {}, true);
  cursor.step();
  return {};
}

/// `${…}` up to its brace; the words inside nest.
base::Result<void, SyntaxError> skip_braces(Pool& pool, Cursor& cursor, u32 depth, bool in_double_quotes) {
  const Position from = cursor.at();
  cursor.step(2);
  while (!cursor.done() && cursor.peek() != '}') {
    if (cursor.peek() == '\\') {
      cursor.step(2);
      continue;
    }
    const bool skipped = TRY(skip_construct(pool, cursor, depth, in_double_quotes));
    if (!skipped) cursor.step();
  }
  if (cursor.done()) return syntax_error(SyntaxError::Kind::Unclosed, cursor.at(), "}", from, {}, true);
  cursor.step();
  return {};
}

/// `$((…))` when the parentheses inside balance and two close it; false, not moved, when it is a `$(` of a subshell.
base::Result<bool, SyntaxError> skip_arithmetic(Pool& pool, Cursor& cursor, u32 depth) {
  Cursor ahead = cursor;
  ahead.step(3);
  u32 open = 0;
  while (!ahead.done()) {
    if (ahead.peek() == '(') {
      open += 1;
      ahead.step();
    } else if (ahead.peek() == ')' && open > 0) {
      open -= 1;
      ahead.step();
    } else if (ahead.peek() == ')') {
      if (ahead.peek(1) != ')') return false;
      ahead.step(2);
      cursor = ahead;
      return true;
    } else {
      const bool skipped = TRY(skip_construct(pool, ahead, depth, true));
      if (!skipped) ahead.step();
    }
  }
  return syntax_error(SyntaxError::Kind::Unclosed, ahead.at(), "))", cursor.at(), {}, true);
}

bool ends_in_lone_backslash(std::string_view word) {
  u64 count = 0;
  while (count < word.size() && word[word.size() - 1 - count] == '\\') count += 1;
  return count % 2 == 1;
}

void skip_blanks(Cursor& cursor) {
  while (!cursor.done()) {
    if (is_blank(cursor.peek())) {
      cursor.step();
    } else if (cursor.next_is("\\\n")) {
      cursor.step(2);
    } else if (cursor.peek() == '#') {
      while (!cursor.done() && cursor.peek() != '\n') cursor.step();
    } else {
      return;
    }
  }
}

}  // namespace

SyntaxError syntax_error(SyntaxError::Kind kind, Position at, std::string_view what, Position from,
                         std::string_view opener, bool incomplete) {
  SyntaxError error;
  error.kind = kind;
  error.incomplete = incomplete;
  error.at = at;
  error.from = from;
  error.what_size = static_cast<u8>(std::min(what.size(), sizeof error.what));
  error.opener_size = static_cast<u8>(std::min(opener.size(), sizeof error.opener));
  std::copy_n(what.data(), error.what_size, error.what);
  std::copy_n(opener.data(), error.opener_size, error.opener);
  return error;
}

base::Result<bool, SyntaxError> skip_construct(Pool& pool, Cursor& cursor, u32 depth, bool in_double_quotes) {
  if (depth >= kNestingMax) return syntax_error(SyntaxError::Kind::NestingTooDeep, cursor.at(), "");
  switch (cursor.peek()) {
    case '\'':
      if (in_double_quotes) return false;
      TRY(skip_single_quotes(cursor));
      return true;
    case '"': TRY(skip_double_quotes(pool, cursor, depth + 1)); return true;
    case '`': TRY(skip_backquotes(cursor)); return true;
    case '$':
      if (cursor.next_is("$'") && !in_double_quotes) {
        TRY(skip_dollar_quotes(cursor));
        return true;
      }
      if (cursor.next_is("${")) {
        TRY(skip_braces(pool, cursor, depth + 1, in_double_quotes));
        return true;
      }
      if (cursor.next_is("$((")) {
        const bool arithmetic = TRY(skip_arithmetic(pool, cursor, depth + 1));
        if (arithmetic) return true;
      }
      if (cursor.next_is("$(")) {
        cursor.step(2);
        TRY(skip_substitution(pool, cursor, depth + 1));
        return true;
      }
      return false;
    default: return false;
  }
}

base::Result<void, SyntaxError> skip_word(Pool& pool, Cursor& cursor, u32 depth) {
  while (!cursor.done()) {
    const char c = cursor.peek();
    if (is_blank(c) || c == '\n' || is_operator_start(c)) return {};
    if (c == '\\') {
      cursor.step(2);
      continue;
    }
    const bool skipped = TRY(skip_construct(pool, cursor, depth, false));
    if (!skipped) cursor.step();
  }
  return {};
}

base::Result<Token, SyntaxError> next_token(Pool& pool, Cursor& cursor, u32 depth) {
  skip_blanks(cursor);
  Token token{.kind = TokenKind::End, .text = {}, .at = cursor.at()};
  if (cursor.done()) return token;
  if (cursor.peek() == '\n') {
    token.kind = TokenKind::Newline;
    token.text = "\n";
    cursor.step();
    return token;
  }
  u64 digits = 0;  // an io number touches its < or >
  while (is_digit(cursor.peek(digits))) digits += 1;
  if (digits > 0 && digits <= 4 && (cursor.peek(digits) == '<' || cursor.peek(digits) == '>')) {
    token.io_number = 0;
    for (; digits > 0; --digits) {
      token.io_number = token.io_number * 10 + (cursor.peek() - '0');
      cursor.step();
    }
  }
  if (is_operator_start(cursor.peek())) {
    static constexpr std::string_view kOperators[] = {"<<-", "&&", "||", ";;", ";&", "<<", ">>", "<&", ">&",
                                                      "<>",  ">|", "|",  "&",  ";",  "<",  ">",  "(",  ")"};
    for (const std::string_view op : kOperators) {
      if (!cursor.next_is(op)) continue;
      token.kind = TokenKind::Operator;
      token.text = op;
      cursor.step(op.size());
      return token;
    }
  }
  const u64 start = cursor.offset();
  TRY(skip_word(pool, cursor, depth));
  token.kind = TokenKind::Word;
  token.text = cursor.since(start);
  if (ends_in_lone_backslash(token.text)) {  // at the end of the source: it stands for itself
    base::String literal(pool, token.text);
    literal.push('\\');
    token.text = pool.keep(literal.view());
  }
  return token;
}

}  // namespace user::fsh
