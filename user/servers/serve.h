// user/servers/serve.h — what every stand-alone file server does around its FileSystem: objects to receive with, a place
// in /srv, the clock, the loop.
#pragma once
#include "fs/loop.h"
#include "user/runtime/process.h"

namespace user {

/// Wall time for file systems, asked for at most once per request: within one, time stands still. Of the timer server, or
/// of the timer device itself, whose window is at `device` then: who must not wait for the timer server was granted it.
class ServerClock final : public fs::Clock {
 public:
  explicit ServerClock(Process& process, u64 device = 0) : process_(process), device_(device) {}
  i64 wall_ns() override;
  void forget() { known_ = false; }

 private:
  Process& process_;
  u64 device_;
  i64 now_ = 0;
  bool known_ = false;
};

struct ServeOptions {
  std::string_view post{};  // name in /srv, empty: none
  fs::ServerOptions server{};
};

/// Serves `files` on kSlotServed (an endpoint is made if none was given). Returns the exit code: 1 when the objects cannot
/// be had, 0 when a private server is mounted nowhere any more and nothing of it is open.
i32 serve(Process& process, fs::FileSystem& files, fs::LoopEvents& events, ServerClock& clock,
          const ServeOptions& options);

/// The value behind `name` in the arguments ("--post NAME"); empty if it is not there.
std::string_view option(Process& process, std::string_view name);

}  // namespace user
