// user/commands/shared_mains.cpp — the programs in /bin of the commands that the shell also has built in.
#include "user/commands/shared.h"

#include "base/enforce.h"

namespace user {

i32 echo_main(Process& process) {
  Tool tool(process, kEchoUsage);
  return echo_command(tool);
}

i32 printf_main(Process& process) {
  Tool tool(process, kPrintfUsage);
  return printf_command(tool);
}

i32 test_main(Process& process) {
  Tool tool(process, kTestUsage);
  return test_command(tool);
}

i32 bracket_main(Process& process) { return test_main(process); }

i32 kill_main(Process& process) {
  Tool tool(process, kKillUsage);
  return kill_command(tool);
}

i32 true_main(Process& process) {
  Tool tool(process, kTrueUsage);
  return true_command(tool);
}

i32 false_main(Process& process) {
  Tool tool(process, kFalseUsage);
  return false_command(tool);
}

i32 pwd_main(Process& process) {
  Tool tool(process, kPwdUsage);
  return pwd_command(tool);
}

}  // namespace user
