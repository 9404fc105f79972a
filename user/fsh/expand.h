// user/fsh/expand.h — POSIX.1-2017 §2.6: tilde, parameters, command substitution, arithmetic, field splitting, pathname
// expansion, quote removal, in that order, over the raw text of words.
// Tested by   tests/user/fsh_expand_test.cpp
#pragma once
#include "user/fsh/syntax.h"
#include "user/fsh/variables.h"

namespace user::fsh {

/// All fields of some words: split, globbed, quotes removed.
ShellResult<base::Vector<base::String>> expand_words(Parameters& parameters, base::Allocator& heap,
                                                     std::span<const Word> words);
/// One text: not split, not globbed (assignments; `tilde_after_colon` is theirs).
enum class TildeRule : u8 { WordStart, Assignment };
ShellResult<base::String> expand_text(Parameters& parameters, base::Allocator& heap, std::string_view raw,
                                      TildeRule tilde = TildeRule::WordStart);
/// A redirection's target: globbed, but it must name one file; `ambiguous redirect` otherwise.
ShellResult<base::String> expand_target(Parameters& parameters, base::Allocator& heap, std::string_view raw);
/// A pattern for base::glob_matches: what was quoted is escaped with backslashes.
ShellResult<base::String> expand_pattern(Parameters& parameters, base::Allocator& heap, std::string_view raw);
/// The body of a here-document whose delimiter was not quoted.
ShellResult<base::String> expand_here(Parameters& parameters, base::Allocator& heap, std::string_view body);

/// `text` so that the shell reads it back as one word: plain where it can be, else in single quotes.
void quote_word(std::string_view text, base::String& out);

}  // namespace user::fsh
