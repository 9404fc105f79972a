#include "user/lonala/layout.h"

#include <algorithm>

#include "base/utf8.h"

#include "base/enforce.h"

namespace user::lonala_program {
namespace {

/// Forms whose later lines are a body, two blanks deep, and not arguments.
constexpr std::string_view kBodies[] = {"case",    "comment",    "cond", "do",       "fn",       "fn*",
                                        "if",      "if-let",     "let",  "letfn",    "match",    "ns",
                                        "receive", "receive-nb", "when", "when-let", "when-not", "with-timeout"};

bool has_body(std::string_view head) {
  if (head.starts_with("def")) return true;
  return std::find(std::begin(kBodies), std::end(kBodies), head) != std::end(kBodies);
}

bool is_opener(char c) { return c == '(' || c == '[' || c == '{'; }
bool is_closer(char c) { return c == ')' || c == ']' || c == '}'; }
char closer_of(char opener) { return opener == '(' ? ')' : opener == '[' ? ']' : '}'; }
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ','; }
bool ends_word(char c) {
  return is_blank(c) || is_opener(c) || is_closer(c) || c == '"' || c == ';' || c == '^' || c == '~' || c == '`' ||
         c == '\\' || c == '\'';
}

}  // namespace

Layout::Layout(base::Allocator& heap, std::string_view text) : text_(text), open_(heap), pairs_(heap) {
  u64 column = 0;
  for (u64 at = 0; at < text.size();) {
    const char c = text[at];
    const u64 next = at + base::decode_utf8(text, at).length;
    if (c == '\n') {
      comment_ = false;
      column = 0;
      at = next;
      continue;
    }
    u64 end = next;
    if (comment_) {
    } else if (string_ != kNowhere) {
      if (c == '\\' && end < text.size()) end += base::decode_utf8(text, end).length;
      if (c == '"') string_ = kNowhere;
    } else if (c == '"') {
      string_ = at;
    } else if (c == ';') {
      comment_ = true;
    } else if (c == '\\' && end < text.size()) {  // a character, a bracket too
      end += base::decode_utf8(text, end).length;
    } else if (is_opener(c)) {
      open_.push_back({at, column});
    } else if (is_closer(c) && !open_.empty() && closer_of(text[open_.back().place]) == c) {
      pairs_.push_back({open_.take_back().place, at});
    }
    for (; at < end; at += base::decode_utf8(text, at).length) column += 1;
  }
}

u64 Layout::indentation() const {
  if (open_.empty() || string_ != kNowhere) return 0;
  const OpenBracket bracket = open_.back();
  const std::string_view inside = text_.substr(bracket.place + 1);
  u64 head_end = 0;
  while (head_end < inside.size() && !ends_word(inside[head_end])) head_end += 1;
  const std::string_view head = inside.substr(0, head_end);
  if (text_[bracket.place] != '(' || head.empty()) return bracket.column + 1;
  if (has_body(head)) return bracket.column + 2;
  // Below the first argument, if that stands in the line of the head.
  u64 argument = head_end;
  while (argument < inside.size() && (inside[argument] == ' ' || inside[argument] == '\t')) argument += 1;
  if (argument == inside.size() || inside[argument] == '\n' || inside[argument] == ';') return bracket.column + 1;
  u64 column = bracket.column + 1;
  for (u64 at = 0; at < argument; at += base::decode_utf8(inside, at).length) column += 1;
  return column;
}

u64 Layout::opener_of(u64 place) const {
  for (const Pair& pair : pairs_) {
    if (pair.closer == place) return pair.opener;
  }
  return kNowhere;
}

u64 word_start(std::string_view text) {
  u64 start = text.size();
  while (start > 0 && !ends_word(text[start - 1])) start -= 1;
  return start;
}

}  // namespace user::lonala_program
