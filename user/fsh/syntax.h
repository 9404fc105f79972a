// user/fsh/syntax.h — the shell's grammar as data. A program is parsed a line at a time (a line that opens a compound
// reads on to its end), nodes lie in the pool of the parse, words keep their raw source text: quoting and expansion are
// the expander's affair.
// Reference: POSIX.1-2017 Shell Command Language §2.10, with `time`, `;&` and no alias inside aliases of itself.
#pragma once
#include "base/allocator.h"
#include "base/result.h"
#include "base/string.h"
#include "base/types.h"
#include "user/fsh/pool.h"

namespace user::fsh {

constexpr u32 kNestingMax = 256;

/// A place in the source, both counted from 1; columns count bytes.
struct Position {
  u32 line = 1;
  u32 column = 1;
};

/// Raw text of a word, quotes and dollars included.
struct Word {
  std::string_view text;
  Position at;
};

enum class RedirectKind : u8 {
  Read,       // <
  Write,      // >
  Clobber,    // >|
  Append,     // >>
  ReadWrite,  // <>
  DupRead,    // <&
  DupWrite,   // >&
  Here,       // << and <<-: `here` holds the text, tabs stripped already
};
struct HereDocument {
  std::string_view delimiter;  // without quotes; no line of the body equals it
  std::string_view body;
  bool literal = false;  // the delimiter was quoted: no expansion
};
struct Redirect {
  RedirectKind kind = RedirectKind::Read;
  i32 fd = -1;  // -1: 0 for reading kinds, 1 for writing ones
  Word target;  // the delimiter as written, for Here
  const HereDocument* here = nullptr;
};

struct Assignment {
  std::string_view name;
  Word value;
};

enum class NodeKind : u8 { Simple, Pipeline, AndOr, List, Group, Subshell, If, While, Until, For, Case, Function };

struct Node;
struct CaseItem {
  std::span<const Word> patterns;
  const Node* body = nullptr;  // null: empty
  bool fall_through = false;   // `;&`
};

/// How a command of a List ends, or what joins a part of an AndOr to the one before it.
enum class Joint : u8 { Sequence, Background, And, Or };

struct Node {
  NodeKind kind = NodeKind::Simple;
  bool negate = false;  // Pipeline: an odd number of `!`
  bool timed = false;   // Pipeline: `time`
  bool has_in = false;  // For: `in` was written; without it "$@"
  Position at;
  std::span<const Assignment> assignments;  // Simple
  std::span<const Word> words;              // Simple, For; Case: the one word
  std::span<const Redirect> redirects;      // Simple and compounds
  std::span<const Node* const> parts;  // Pipeline, AndOr, List; Group, Subshell, Function: the body; If: condition,
                                       // then, condition, then … and last the else; While, Until: condition, body;
                                       // For: the body
  std::span<const Joint> joints;       // AndOr: parts − 1; List: one a part
  std::span<const CaseItem> items;     // Case
  std::string_view name;               // For, Function
};

struct SyntaxError {
  enum class Kind : u8 {
    Missing,         // missing 'fi' for 'if' at 1:1
    Unexpected,      // unexpected ')'
    Unclosed,        // missing closing '"' from 3:7
    NestingTooDeep,  // nesting too deep
    BadName,         // 'x-y' is not a name
    MissingWord,     // missing word after '>'
  };
  Kind kind = Kind::Unexpected;
  bool incomplete = false;  // more input could make it right: an interactive shell asks for the next line
  u8 what_size = 0;
  u8 opener_size = 0;
  Position at;           // where it was noticed
  Position from;         // the opener
  char what[32] = {};    // 'fi', ')', '"'
  char opener[16] = {};  // 'if'
};
/// The text after "syntax error: ".
base::String text_of(base::Allocator& heap, const SyntaxError& error);

/// The value of an alias, or null data for none.
struct AliasPort {
  std::string_view (*find)(const void* context, std::string_view name) = nullptr;
  const void* context = nullptr;
};

struct ParsedLine {
  const Node* list = nullptr;  // null: nothing but blanks and comments
  u64 next = 0;                // offset of the next line
  u32 next_line = 1;           // its number
};

/// Parses the complete commands of the line at `offset`, on to the end of whatever compound it opens. The nodes point
/// into `source` and `pool`; both outlive them.
base::Result<ParsedLine, SyntaxError> parse_line(Pool& pool, std::string_view source, u64 offset, u32 line,
                                                 AliasPort aliases = {});

/// The node as text that parses to the same node: what a subshell is given, what `jobs` and `type` show.
void unparse(const Node& node, base::String& out);

/// The offset behind the `)` that closes `$(` at `offset` (which names the byte after the `(`), nesting and quotes
/// minded; used by the expander to find the program of a substitution.
base::Result<u64, SyntaxError> substitution_end(Pool& pool, std::string_view source, u64 offset);

bool is_name(std::string_view text);
/// `if`, `{`, `!` and the others that mean something where a command may start.
bool is_reserved(std::string_view word);

}  // namespace user::fsh
