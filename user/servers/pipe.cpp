// user/servers/pipe.cpp — the pipe server of a node: fs/pipe.h behind an endpoint. `pipe [--post NAME]`.
#include "fs/pipe.h"

#include "user/servers/serve.h"

#include "base/enforce.h"

namespace user {

i32 pipe_main(Process& process) {
  ServerClock clock(process);
  // The key makes the numbers of pipes hard to guess: it differs from start to start.
  const fs::TokenKey key{process.uptime_ns(), process.pid()};
  fs::PipeFs files(process.heap(), clock, {.key = key});
  struct Events final : fs::LoopEvents {
    fs::PipeFs& files;
    explicit Events(fs::PipeFs& served) : files(served) {}
    void serving(fs::Server& server) override { files.serve_with(server); }
  } events(files);
  return serve(process, files, events, clock, {.post = option(process, "--post")});
}

}  // namespace user
