// user/commands/sed.h — a sed script as it is read (sed_script.cpp) and run (sed.cpp). POSIX.1-2017 XCU sed, with what
// users of GNU sed expect of addresses (`first~step`, `,+N`), of the flags of `s` and of `\n`, `\t` in replacements.
#pragma once
#include "user/lib/regex.h"
#include "user/lib/tool.h"

namespace user {

struct SedAddress {
  enum class Kind : u8 { None, Line, Last, Pattern, Step, Plus };
  Kind kind = Kind::None;
  u64 line = 0;  // Line, Plus; the first one of Step
  u64 step = 0;
  u32 regex = 0;  // SedScript::kLastRegex: whichever was used last
};

struct SedCommand {
  char name = 0;
  bool negated = false;
  bool global = false;  // s///g
  u8 print_count = 0;   // s///p
  bool active = false;  // within its range, while it runs
  u32 number = 0;       // s///N, the exit status of q and Q
  u32 regex = 0;        // s
  u32 target = 0;       // `{`: behind its `}`; b and t: the place of the label, or the end
  i32 output = -1;      // w, s///w: place in SedScript::outputs
  u64 range_end = 0;    // of an active range that ends at a line
  SedAddress from;
  SedAddress to;
  base::String text;  // of a, i, c; name of r; label; replacement of s; the 256 bytes y maps to
  explicit SedCommand(base::Allocator& heap) : text(heap) {}
};

class SedScript {
 public:
  static constexpr u32 kLastRegex = ~u32{0};
  static constexpr u32 kDepthMax = 64;  // of blocks

  SedScript(Tool& tool, bool extended)
      : commands(tool.heap()),
        regexes(tool.heap()),
        outputs(tool.heap()),
        tool_(tool),
        extended_(extended),
        text_(tool.heap()),
        sources_(tool.heap()) {}

  /// A part of the script; `source` names it in messages.
  void add(std::string_view source, std::string_view text);
  /// Reads what was added. False, and told as `sed: SOURCE:LINE:COLUMN: …`, when it is no script.
  bool parse();
  bool any() const { return !sources_.empty(); }
  /// `#n` as the first line: as -n.
  bool starts_quiet() const { return text_.starts_with("#n\n") || text_ == "#n"; }

  base::Vector<SedCommand> commands;
  base::Vector<Regex> regexes;
  base::Vector<base::String> outputs;  // names of the files that w writes

 private:
  struct Source {
    base::String name;
    u64 start;
  };
  template <class... A>
  bool fail(u64 at, std::string_view pattern, const A&... arguments);
  bool done() const { return at_ >= text_.size(); }
  char peek() const { return done() ? '\0' : text_[at_]; }
  void skip_blanks();
  bool parse_commands();
  bool parse_address(SedAddress& address, bool second);
  bool parse_command(SedCommand& command);
  bool parse_substitute(SedCommand& command);
  bool parse_translate(SedCommand& command);
  bool parse_text(SedCommand& command);
  bool parse_number(u64& number);
  bool delimited(char delimiter, bool pattern, base::String& out);
  bool compile(std::string_view pattern, bool ignore_case, u64 at, u32& index);
  bool ends_command();
  std::string_view word_until(std::string_view ends);
  i32 output_of(std::string_view name);
  bool resolve_labels();

  Tool& tool_;
  bool extended_;
  base::String text_;
  base::Vector<Source> sources_;
  u64 at_ = 0;
};

}  // namespace user
