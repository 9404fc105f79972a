// user/commands/shared_mains.cpp — the programs in /bin of the commands that the shell also has built in.
#include "user/commands/shared.h"

#include "base/enforce.h"

namespace user {
namespace {

i32 run(Process& process, std::string_view usage, i32 (*command)(Tool&)) {
  Tool tool(process, usage);
  return command(tool);
}

}  // namespace

i32 echo_main(Process& process) { return run(process, kEchoUsage, echo_command); }
i32 printf_main(Process& process) { return run(process, kPrintfUsage, printf_command); }
i32 test_main(Process& process) { return run(process, kTestUsage, test_command); }
i32 bracket_main(Process& process) { return test_main(process); }
i32 kill_main(Process& process) { return run(process, kKillUsage, kill_command); }
i32 true_main(Process& process) { return run(process, kTrueUsage, true_command); }
i32 false_main(Process& process) { return run(process, kFalseUsage, false_command); }
i32 pwd_main(Process& process) { return run(process, kPwdUsage, pwd_command); }

}  // namespace user
