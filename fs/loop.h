// fs/loop.h — the receive loop of a stand-alone server: messages from the served endpoint go to a fs::Server, answers
// back to their callers, each over its own Reply object.
// Invariants  L1 one Reply object is never parked: the loop receives with it.  L2 between two requests the receive slot
//             is empty.
#pragma once
#include "base/vector.h"
#include "fs/gate.h"
#include "fs/server.h"
#include "kernel-model/sys.h"

namespace fs {

/// The slots a server works with (user/runtime/layout.h), by address in its capability space.
struct LoopSlots {
  u32 endpoint = 0;  // unbadged, all rights
  u32 cnode = 0;
  u32 receive = 0;
  u32 mint = 0;  // for capabilities on their way out
  u32 replies = 0;
  u32 reply_count = 0;
  u32 sessions = 0;
  u32 session_count = 0;
  u32 signals = 0;
  u32 signal_count = 0;
};

/// What reaches the endpoint beside the file protocol.
struct LoopEvents {
  /// The loop begins; `server` is what waits and is woken.
  virtual void serving(Server& server);
  /// A message or a signal has come and is about to be handled.
  virtual void started();
  /// A signal of the bound notification: interrupts, timers.
  virtual void signalled(u64 bits);
  /// Asked after each request and signal: whether the loop is to end.
  virtual bool ends(const Server& server);
  /// A message whose badge the file server did not make.
  virtual Outcome foreign(const Request& request, base::MutableBytes out);
  /// Who an Identity capability in the receive slot stands for.
  virtual Result<Identity> identify(u64 slot);

 protected:
  ~LoopEvents() = default;
};

class Loop final : public Gate {
 public:
  Loop(base::Allocator& memory, const LoopSlots& slots, LoopEvents& events);

  /// Receives and answers until the events say that it ends.
  void run(Server& server);

  /// How many requests may be parked at once.
  u32 parked_max() const { return slots_.reply_count - 1; }

  Result<void> open_session(u32 session) override;
  void close_session(u32 session) override;
  Result<u64> mint(u32 session, u64 badge) override;
  Result<Identity> identify(const Request& request) override;
  Result<u32> keep_signal() override;
  void signal(u32 kept) override;
  void drop_signal(u32 kept) override;
  void complete(u32 reply, u64 label, base::Bytes message) override;
  void work(u64 units) override;

 private:
  Request take_request(const sys::Received& received);
  void drop_received();
  void remove(u32 slot);
  base::MutableBytes message_room();

  LoopSlots slots_;
  LoopEvents& events_;
  base::Vector<u32> free_replies_;
  base::Vector<u32> free_signals_;
  base::Vector<u8> body_;
  bool mint_used_ = false;
  bool received_cap_ = false;  // the receive slot is full
};

}  // namespace fs
