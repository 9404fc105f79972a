// user/lonala/layout.h — the shape of Lonala text that is being typed: which brackets are open, how far the next line is
// indented, which bracket belongs to which, what is a word and what lies in a string. Pure functions of text.
// Tested by   tests/user/lonala_layout_test.cpp
#pragma once
#include <string_view>

#include "base/types.h"
#include "base/vector.h"

namespace user::lonala_program {

constexpr u64 kNowhere = ~u64{0};

/// A bracket that is not closed yet.
struct OpenBracket {
  u64 place = 0;   // byte of the bracket
  u64 column = 0;  // of the bracket in its line, in code points
};

class Layout {
 public:
  Layout(base::Allocator& heap, std::string_view text);
  /// Where the string begins that the text ends in; kNowhere: it does not end in one.
  u64 open_string() const { return string_; }
  /// How many blanks a line begins with that comes next: below the arguments of a call, two blanks deep in a body.
  u64 indentation() const;
  /// The bracket that the one at `place` closes; kNowhere if that is none, or closes nothing.
  u64 opener_of(u64 place) const;

 private:
  struct Pair {
    u64 opener;
    u64 closer;
  };
  std::string_view text_;
  base::Vector<OpenBracket> open_;
  base::Vector<Pair> pairs_;
  u64 string_ = kNowhere;
  bool comment_ = false;  // the text ends in one
};

/// Where the word begins that a text ends with: what a symbol, keyword or number is made of.
u64 word_start(std::string_view text);

}  // namespace user::lonala_program
