// user/lib/run.h — commands that run a command: found as the shell finds it, told as the shell tells it.
#pragma once
#include "user/lib/tool.h"

namespace user {

constexpr i32 kNotFoundStatus = 127;
constexpr i32 kNotRunnableStatus = 126;

/// The file that command word `name` means: the word itself if it has a slash, else the first in PATH.
/// Errors: NotFound; PermissionDenied, IsADirectory for what is there and cannot be run.
Result<base::String> find_command(Process& process, std::string_view name);

struct RunRequest {
  std::span<const std::string_view> args;  // args[0] is the command word
  std::span<const EnvSetting> environment = {};
  u32 flags = 0;  // kRf*
  std::string_view realm = {};
};
/// Starts a child with this process's three standard descriptors. Nothing when that failed: it has been told then, and the
/// tool's status is 126 or 127.
Result<Pid> start_command(Tool& tool, const RunRequest& request);
/// The same, and waits for its end. The status to end with.
i32 run_command(Tool& tool, const RunRequest& request, WaitStatus* end = nullptr);
/// Waits for `pid`, however often a note interrupts.
Result<WaitStatus> wait_for(Process& process, Pid pid);

}  // namespace user
