// user/fsh/glob_path.h — pathname expansion: a pattern against the names of directories, component by component.
#pragma once
#include "user/fsh/variables.h"

namespace user::fsh {

constexpr u64 kGlobPathsMax = 65536;

/// The existing paths that match, sorted bytewise; empty when none does, or more than kGlobPathsMax would.
/// `pattern`: as base::glob_matches takes it, quoted characters escaped.
base::Vector<base::String> glob_paths(Parameters& parameters, base::Allocator& heap, std::string_view pattern);

/// Whether the text between `$((` and `))` is an expression: its parentheses balance.
bool is_arithmetic(std::string_view inside);

}  // namespace user::fsh
