#include "user/servers/serve.h"

#include "kernel-model/ports.h"
#include "schema/process.capnp.h"
#include "user/runtime/call.h"
#include "user/runtime/layout.h"
#include "user/runtime/shared.h"

#include "base/enforce.h"

namespace user {

using Manager = schema::process::Process;
using schema::process::ObjectKind;

i64 ServerClock::wall_ns() {
  if (known_) return now_;
  known_ = true;
  if (device_ == 0) {
    now_ = process_.wall_ns();
  } else if (port::call(device_, port::Timer::Now, 0).ok()) {
    now_ = static_cast<i64>(sys::frame().mr[1]);
  }
  return now_;
}

namespace {

/// Passes a loop's events on, and lets the clock move between two of them.
class ClockEvents final : public fs::LoopEvents {
 public:
  ClockEvents(fs::LoopEvents& events, ServerClock& clock) : events_(events), clock_(clock) {}
  void serving(fs::Server& server) override { events_.serving(server); }
  void started() override {
    clock_.forget();
    events_.started();
  }
  void signalled(u64 bits) override {
    unused_ = unused_ || (bits & kSignalUnused) != 0;
    events_.signalled(bits);
  }
  // A private server is mounted nowhere any more; what is open it still serves.
  bool ends(const fs::Server& server) override { return (unused_ && server.open_count() == 0) || events_.ends(server); }
  fs::Outcome foreign(const fs::Request& request, base::MutableBytes out) override {
    return events_.foreign(request, out);
  }
  fs::Result<fs::Identity> identify(u64 slot) override { return events_.identify(slot); }

 private:
  fs::LoopEvents& events_;
  ServerClock& clock_;
  bool unused_ = false;
};

bool is_filled(u32 slot) {
  // A copy of what lies there succeeds exactly when something does.
  const sys::Answer copied =
      sys::invoke(kSlotCNode, sys::Invoke::CNodeCopy, {kSlotScratch, kSlotDepth, slot, kSlotDepth, kernel::kRightsAll},
                  {kSlotCNode});
  if (!copied.ok()) return false;
  sys::invoke(kSlotCNode, sys::Invoke::CNodeDelete, {kSlotScratch, kSlotDepth});
  return true;
}

fs::Result<void> make(ObjectKind kind, u32 slot, u32 count) {
  TRY(call<Manager::Make>(kSlotRoot, {.kind = kind, .slot = static_cast<u16>(slot), .count = static_cast<u16>(count)}));
  return {};
}

/// Posts the service: the endpoint itself goes to the root manager, which mints a capability from it for each user.
fs::Result<void> post(std::string_view name) {
  TRY(call<Manager::Publish>(kSlotRoot, {.name = name, .service = schema::CapIndex::of(0)}, {kSlotServed}));
  return {};
}

fs::Result<void> prepare(const ServeOptions& options) {
  if (!is_filled(kSlotServed)) TRY(make(ObjectKind::Endpoint, kSlotServed, 1));
  TRY(make(ObjectKind::Reply, kSlotReplies, kSlotRepliesEnd - kSlotReplies));
  if (!options.post.empty()) TRY(post(options.post));
  return {};
}

}  // namespace

i32 serve(Process& process, fs::FileSystem& files, fs::LoopEvents& events, ServerClock& clock,
          const ServeOptions& options) {
  const fs::Result<void> prepared = prepare(options);
  if (!prepared.ok()) {
    report(process, options.post, prepared.error());
    return 1;
  }
  ClockEvents with_clock(events, clock);
  fs::Loop loop(process.heap(),
                {.endpoint = kSlotServed,
                 .cnode = kSlotCNode,
                 .receive = kSlotReceive,
                 .mint = kSlotScratch,
                 .replies = kSlotReplies,
                 .reply_count = kSlotRepliesEnd - kSlotReplies,
                 .sessions = kSlotSessions,
                 .session_count = kSlotSessionsEnd - kSlotSessions,
                 .signals = kSlotSignals,
                 .signal_count = kSlotSignalsEnd - kSlotSignals},
                with_clock);
  fs::ServerOptions server_options = options.server;
  server_options.parked_max = loop.parked_max();
  server_options.sessions_max = kSlotSessionsEnd - kSlotSessions;
  server_options.polls_max = kSlotSignalsEnd - kSlotSignals;
  // Every start is another generation: no capability of an earlier instance may meet an open of this one.
  server_options.generation = process.pid();
  fs::Server server(files, loop, process.heap(), server_options);
  // Session 0 is the system's, whoever starts the server how often: what init mounted stays good after a restart.
  const fs::Result<void> system = server.restore_session(0, {}, "", 0);
  ASSERT(system.ok());
  static_cast<void>(call<Manager::Ready>(kSlotRoot, {}));  // nobody may be interested
  loop.run(server);
  return 0;
}

std::string_view option(Process& process, std::string_view name) {
  const std::span<const std::string_view> args = process.args();
  for (u64 i = 1; i + 1 < args.size(); ++i) {
    if (args[i] == name) return args[i + 1];
  }
  return {};
}

}  // namespace user
