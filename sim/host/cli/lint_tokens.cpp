// sim/host/cli/lint_tokens.cpp — C++ text to tokens, comments and includes.
#include <algorithm>
#include <cctype>

#include "sim/host/cli/lint.h"

namespace sim::host::cli::lint {
namespace {

bool is_name(char character) { return std::isalnum(static_cast<unsigned char>(character)) != 0 || character == '_'; }

class Reader {
 public:
  Reader(const std::string& text, Source& source) : text_(text), source_(source) {}

  void read() {
    while (at_ < text_.size()) {
      const char character = text_[at_];
      if (character == '\n') {
        line_ += 1;
        at_ += 1;
        line_has_code_ = false;
      } else if (std::isspace(static_cast<unsigned char>(character)) != 0) {
        at_ += 1;
      } else if (text_.compare(at_, 2, "//") == 0) {
        const std::size_t end = std::min(text_.find('\n', at_), text_.size());
        comment(text_.substr(at_, end - at_));
        at_ = end;
      } else if (text_.compare(at_, 2, "/*") == 0) {
        const std::size_t end = std::min(text_.find("*/", at_ + 2), text_.size() - 2) + 2;
        comment(text_.substr(at_, end - at_));
        for (; at_ < end; ++at_) line_ += text_[at_] == '\n' ? 1 : 0;
      } else if (character == '#' && !line_has_code_) {
        directive();
      } else {
        line_has_code_ = true;
        token();
      }
    }
  }

 private:
  void comment(const std::string& text) {
    const u32 covered = line_has_code_ ? line_ : line_ + 1;
    if (text.find("total:") != std::string::npos) source_.total.push_back(covered);
    if (text.find("det-ok: ") == std::string::npos) return;
    source_.silences += 1;
    source_.silenced.push_back(covered);
  }
  /// Includes are kept; the rest of a directive's line is read as tokens, for macros hide code.
  void directive() {
    const std::size_t end = std::min(text_.find('\n', at_), text_.size());
    const std::string line = text_.substr(at_, end - at_);
    const std::size_t quote = line.find('"');
    if (line.find("include") != std::string::npos && quote != std::string::npos) {
      const std::size_t close = line.find('"', quote + 1);
      if (close != std::string::npos) source_.includes.emplace_back(line_, line.substr(quote + 1, close - quote - 1));
      at_ = end;
      return;
    }
    if (line.find("include") != std::string::npos || line.find("pragma") != std::string::npos) {
      at_ = end;
      return;
    }
    at_ += 1;
    line_has_code_ = true;
  }
  void token() {
    const std::size_t begin = at_;
    const char character = text_[at_];
    if (character == '"' || character == '\'') return string(character);
    if (std::isdigit(static_cast<unsigned char>(character)) != 0) {
      while (at_ < text_.size() && (is_name(text_[at_]) || text_[at_] == '.' || text_[at_] == '\'')) at_ += 1;
      return push(TokenKind::Number, text_.substr(begin, at_ - begin));
    }
    if (is_name(character)) {
      while (at_ < text_.size() && is_name(text_[at_])) at_ += 1;
      const std::string word = text_.substr(begin, at_ - begin);
      if (word == "R" && at_ < text_.size() && text_[at_] == '"') return raw_string();
      return push(TokenKind::Identifier, word);
    }
    static const char* const kPairs[] = {"::", "->", "<=", ">=", "==", "!=", "&&", "||", "++", "--", "+=", "-="};
    for (const char* pair : kPairs) {
      if (text_.compare(at_, 2, pair) != 0) continue;
      at_ += 2;
      return push(TokenKind::Punctuation, pair);
    }
    at_ += 1;
    push(TokenKind::Punctuation, std::string(1, character));
  }
  void string(char quote) {
    std::string content;
    for (at_ += 1; at_ < text_.size() && text_[at_] != quote && text_[at_] != '\n'; ++at_) {
      if (text_[at_] == '\\') at_ += 1;
      if (at_ < text_.size()) content += text_[at_];
    }
    at_ += 1;
    push(quote == '"' ? TokenKind::String : TokenKind::Number, content);
  }
  void raw_string() {
    const std::size_t open = text_.find('(', at_);
    const std::string close = ")" + text_.substr(at_ + 1, open - at_ - 1) + "\"";
    const std::size_t end = std::min(text_.find(close, open), text_.size() - close.size());
    push(TokenKind::String, text_.substr(open + 1, end - open - 1));
    for (; at_ < end + close.size(); ++at_) line_ += text_[at_] == '\n' ? 1 : 0;
  }
  void push(TokenKind kind, std::string text) { source_.tokens.push_back({kind, std::move(text), line_}); }

  const std::string& text_;
  Source& source_;
  std::size_t at_ = 0;
  u32 line_ = 1;
  bool line_has_code_ = false;
};

}  // namespace

Source read_source(const std::string& path, const std::string& layer, const std::string& text) {
  Source source;
  source.path = path;
  source.layer = layer;
  Reader(text, source).read();
  return source;
}

}  // namespace sim::host::cli::lint
