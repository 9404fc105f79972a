// user/lib/run.cpp — see run.h.
#include "user/lib/run.h"

#include "base/enforce.h"

namespace user {
namespace {

constexpr std::string_view kDefaultPath = "/bin:/usr/bin";

Result<void> check_runnable(Process& process, std::string_view path) {
  const FileStat stat = TRY(process.stat(path));
  if (stat.kind == schema::file::Kind::Directory) return fs::fail(ErrorCode::IsADirectory);
  if ((stat.mode & 0111) == 0) return fs::fail(ErrorCode::PermissionDenied);
  return {};
}

}  // namespace

Result<base::String> find_command(Process& process, std::string_view name) {
  if (name.find('/') != std::string_view::npos) {
    TRY(check_runnable(process, name));
    return base::String(process.heap(), name);
  }
  const auto variable = process.env("PATH");
  std::string_view rest = variable.ok() ? variable->view() : kDefaultPath;
  Error last = ErrorCode::NotFound;
  while (!rest.empty() && !name.empty()) {
    const u64 end = std::min<u64>(rest.find(':'), rest.size());
    base::String path(process.heap(), end == 0 ? std::string_view(".") : rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    path.append("/").append(name);
    const auto runnable = check_runnable(process, path);
    if (runnable.ok()) return path;
    if (runnable.error().code != ErrorCode::NotFound) last = runnable.error();
  }
  return last;
}

Result<Pid> start_command(Tool& tool, const RunRequest& request) {
  ASSERT(!request.args.empty());
  Process& process = tool.process();
  tool.out().flush();
  const auto fail = [&](const Error& error) {
    tool.error(request.args[0], error);
    tool.set_status(error.code == ErrorCode::NotFound ? kNotFoundStatus : kNotRunnableStatus);
    return fs::fail(error.code);
  };
  const auto path = find_command(process, request.args[0]);
  if (!path.ok()) return fail(path.error());
  // What we were started without, the child is too.
  FdMapping descriptors[3];
  u32 count = 0;
  for (const Fd fd : {kStdin, kStdout, kStderr}) {
    const auto stat = process.stat_fd(fd);
    if (stat.ok() || stat.error().code != ErrorCode::BadFileDescriptor) descriptors[count++] = {fd, fd};
  }
  const auto pid = process.spawn({.path = *path,
                                  .args = request.args,
                                  .descriptors = {descriptors, count},
                                  .environment = request.environment,
                                  .flags = request.flags,
                                  .realm = request.realm});
  if (!pid.ok()) return fail(pid.error());
  return *pid;
}

Result<WaitStatus> wait_for(Process& process, Pid pid) {
  for (;;) {
    auto ended = process.wait({.pid = pid});
    if (ended.ok() || ended.error().code != ErrorCode::Interrupted) return ended;
  }
}

i32 run_command(Tool& tool, const RunRequest& request, WaitStatus* end) {
  const auto pid = start_command(tool, request);
  if (!pid.ok()) return tool.status();
  const auto ended = wait_for(tool.process(), *pid);
  if (!ended.ok()) {
    tool.error(request.args[0], ended.error());
    return kNotRunnableStatus;
  }
  if (end != nullptr) *end = *ended;
  return static_cast<i32>(ended->code);
}

}  // namespace user
