// user/init/login.cpp — the session on a console. Init starts this program without a descriptor, for whoever opens a
// console may have to wait for its server, and becomes a shell once it has its console.
// Errors: without a console it ends before it has said that it is ready, and its reason is in the kernel's log.
#include "base/format.h"
#include "schema/process.capnp.h"
#include "user/fsh/main.h"
#include "user/init/services.h"
#include "user/runtime/call.h"

#include "base/enforce.h"

namespace user {
namespace {

constexpr std::string_view kConsole = "/dev/cons";
constexpr u32 kTriesMax = 8;  // of what a server that ended may have done or not: it is the same the second time

template <class Action>
Result<void> repeated(const Action& action) {
  Result<void> done = action();
  for (u32 tries = 1; tries < kTriesMax && !done.ok() && done.error() == ErrorCode::ServerRestarted; ++tries) {
    done = action();
  }
  return done;
}

Result<void> open_console(Process& process) {
  constexpr u16 kBoth = schema::file::kOpenRead | schema::file::kOpenWrite;
  const auto open = [&]() -> Result<void> {
    TRY(process.open(kConsole, kBoth));
    return {};
  };
  TRY(repeated(open));
  for (const Fd fd : {kStdout, kStderr}) {
    TRY(repeated([&] { return process.dup_to(kStdin, fd); }));
  }
  return repeated([&] { return process.set_foreground(process.pid()); });
}

}  // namespace

i32 login_main(Process& process) {
  const Result<void> opened = open_console(process);
  if (!opened.ok()) {
    char line[160];
    log_line(base::format(line, "login: {}: {}", kConsole, fs::text_of(opened.error().code)));
    return 1;
  }
  static_cast<void>(call<schema::process::Process::Ready>(kSlotRoot, {}));
  return fsh::main(process);
}

}  // namespace user
