// fs/gate.h — what the framework needs of the kernel, as an interface: the loop (fs/loop.h) implements it with system
// calls, the root manager with its own, tests with none.
#pragma once
#include "fs/types.h"

namespace fs {

/// One message as it was received. `body` is a private copy: the IPC buffer is used by every kernel call in between.
struct Request {
  u64 badge = 0;
  u64 label = 0;
  base::Bytes body;
  u32 cap_count = 0;          // capabilities that came with it
  u32 unwrapped = 0;          // bit i: capability i was one to this endpoint and came as a badge
  u64 cap_badges[3] = {};     // of those
  bool received_cap = false;  // one capability lies in the receive slot
  u32 reply = 0;              // names the Reply object the caller waits on
};

/// How a request ended for now. Parked: `reply` belongs to the server until it completes it through the gate.
struct Outcome {
  bool parked = false;
  u64 label = 0;     // 0 or an error number
  u32 bytes = 0;     // of the reply message, a multiple of 8
  u64 cap_slot = 0;  // 0: none goes with it
};

class Gate {
 public:
  /// Makes the session's own copy of the endpoint, from which its capabilities are minted.
  virtual Result<void> open_session(u32 session) = 0;
  /// Ends every capability of the session at once.
  virtual void close_session(u32 session) = 0;
  /// A capability with this badge, to go with the next reply; gives its slot. It is gone after that reply.
  virtual Result<u64> mint(u32 session, u64 badge) = 0;
  /// Who the capability that came with this request stands for. Error PermissionDenied: it is no identity.
  virtual Result<Identity> identify(const Request& request) = 0;
  /// Keeps the Notification in the receive slot; gives a number for it.
  virtual Result<u32> keep_signal() = 0;
  /// Signals (or not) a kept Notification and forgets it.
  virtual void signal(u32 kept) = 0;
  virtual void drop_signal(u32 kept) = 0;
  /// Completes a parked request.
  virtual void complete(u32 reply, u64 label, base::Bytes message) = 0;
  /// Charges work: `units` of 10 virtual ns.
  virtual void work(u64 units) = 0;

 protected:
  ~Gate() = default;
};

}  // namespace fs
