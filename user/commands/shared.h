// user/commands/shared.h — commands that are programs in /bin and built-ins of the shell alike.
#pragma once
#include "user/lib/tool.h"

namespace user {

i32 echo_command(Tool& tool);
i32 printf_command(Tool& tool);
/// `test` and `[`: 0 true, 1 false, 2 bad use.
i32 test_command(Tool& tool);
/// `kill` of pids; the shell resolves `%n` before.
i32 kill_command(Tool& tool);
i32 true_command(Tool& tool);
i32 false_command(Tool& tool);
i32 pwd_command(Tool& tool);

constexpr std::string_view kEchoUsage =
    "usage: echo [-ne] [TEXT…]\n  -n  no newline at the end\n  -e  backslash escapes";
constexpr std::string_view kPrintfUsage = "usage: printf FORMAT [ARGUMENT…]";
constexpr std::string_view kTestUsage = "usage: test EXPRESSION\n       [ EXPRESSION ]";
constexpr std::string_view kKillUsage =
    "usage: kill [-s NOTE | -NOTE | -N] PID|%JOB…\n       kill -l\n  -s NOTE  the note to post (default terminate)\n  "
    "-l       "
    "list numbers and names";
constexpr std::string_view kTrueUsage = "usage: true";
constexpr std::string_view kFalseUsage = "usage: false";
constexpr std::string_view kPwdUsage = "usage: pwd";

/// Appends `text` with backslash escapes replaced (as `printf`'s `%b`); false when `\c` said to stop.
bool append_escaped(std::string_view text, base::String& out);

}  // namespace user
