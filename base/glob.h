// base/glob.h — shell pattern matching of one name (POSIX.1-2017, XCU §2.13): `*`, `?`, `[a-z]`, `[!a]` or `[^a]`,
// `[[:alpha:]]`, and a backslash that makes the next character ordinary. Characters are UTF-8 code points; character
// classes are ASCII. A slash is an ordinary character: paths are matched name by name.
// Bounds      time O(|pattern| × |text|), no recursion, no memory.
// Tested by   tests/base/text_test.cpp (model: recursive matcher)
#pragma once
#include <string_view>

#include "base/types.h"

namespace base {

/// True if `pattern` matches the whole of `text`. A `[` that is never closed stands for itself, as do all after it.
bool glob_matches(std::string_view pattern, std::string_view text);

/// The same for a file name: a leading dot is matched only by a dot written in the pattern (§2.13.3).
bool glob_matches_name(std::string_view pattern, std::string_view name);

/// True if the pattern holds an unquoted `*`, `?` or `[`; if not, it is a plain name.
bool is_glob(std::string_view pattern);

}  // namespace base
