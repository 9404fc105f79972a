// sim/host/cli/lint.h — `orrery lint`: rules of determinism a reader of tokens can check. It knows no types: what it
// finds may be innocent, and then a comment `det-ok: reason` on the line, or alone on the line before, says why.
#pragma once
#include <string>
#include <vector>

#include "base/types.h"

namespace sim::host::cli::lint {

enum class TokenKind : u8 { Identifier, Number, String, Punctuation };

struct Token {
  TokenKind kind = TokenKind::Punctuation;
  std::string text;  // of a string: without quotes
  u32 line = 0;
};

/// A source file as the rules see it.
struct Source {
  std::string path;   // from the root
  std::string layer;  // "base", "sim/model" …
  std::vector<Token> tokens;
  std::vector<std::pair<u32, std::string>> includes;  // line, "layer/file.h"
  std::vector<u32> silenced;                          // lines
  std::vector<u32> total;                             // lines whose comment says "total": a sort's key is one
  u32 silences = 0;                                   // comments with det-ok
};

struct Finding {
  std::string path;
  u32 line = 0;
  std::string rule;  // "DL4"
  std::string what;
};

struct Rule {
  std::string name;
  std::string about;
};
const std::vector<Rule>& rules();

struct Report {
  std::vector<Finding> findings;  // by path and line
  u32 files = 0;
  u32 silences = 0;
  std::string error;  // empty, or why nothing could be read
};

/// Reads every source of the core below `root` and applies the rules named, all of them when none is.
Report run(const std::string& root, const std::vector<std::string>& only);

Source read_source(const std::string& path, const std::string& layer, const std::string& text);

/// What holds over all files: the catalogue of names (base/names.def) and where they are used.
struct Whole {
  std::vector<Source> sources;
  std::vector<std::string> streams;  // variables declared as Prng anywhere
};
void check_source(const Source& source, const Whole& whole, std::vector<Finding>& findings);
void check_names(const Whole& whole, std::vector<Finding>& findings);

}  // namespace sim::host::cli::lint
