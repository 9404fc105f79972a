// user/lonala/command_line.h — the command line of `lonala`, the same inside the system and as `orrery lonala`.
// Tested by   tests/user/lonala_command_line_test.cpp
#pragma once
#include <span>
#include <string_view>

#include "base/types.h"

namespace user::lonala_program {

/// How much memory a machine may be given where it runs.
struct MemoryRange {
  u64 usual;
  u64 max;
  std::string_view max_text;  // as the user would write it
};

struct CommandLine {
  enum class What : u8 { Default, Help, Forms, Evaluate, Module, Check, Compile } what = What::Default;
  bool gc_stress = false;
  bool wait = false;    // at the end: until no process can run any more
  bool welcome = true;  // at the prompt
  u64 memory = 0;       // bytes
  u64 seed = 0;         // of lona.random
  u32 trace = 0;        // bits of lonala::TraceClass
  bool has_start_time = false;
  i64 start_wall_ns = 0;  // since 1970, when the machine begins
  std::string_view load_path{};
  std::string_view out{};  // of -c
  /// Forms, files, or a file or namespace and its arguments.
  std::span<const std::string_view> operands{};

  /// Reads the words behind the command's name. Empty, or what is wrong with them; valid as long as these options.
  std::string_view parse(std::span<const std::string_view> words, const MemoryRange& range);

 private:
  std::string_view parse_option(std::span<const std::string_view> words, u64& at, const MemoryRange& range);
  std::string_view parse_compile(std::span<const std::string_view> words);
  template <class... Values>
  std::string_view wrong(std::string_view pattern, const Values&... values);
  char problem_[160];
};

/// What both help texts say of the options.
extern const std::string_view kOptionsHelp;

}  // namespace user::lonala_program
