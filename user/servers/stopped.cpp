// user/servers/stopped.cpp — the stand-in for a service that is stopped: every request is answered `server stopped`.
#include "fs/error.h"
#include "kernel-model/sys.h"
#include "user/runtime/layout.h"
#include "user/runtime/process.h"
#include "user/runtime/shared.h"

#include "base/enforce.h"

namespace user {

i32 stopped_main(Process&) {
  const auto answer = kernel::MessageInfo::make(static_cast<u64>(fs::ErrorCode::ServerStopped), 0);
  sys::Received received = sys::recv(kSlotServed, kSlotReply);
  for (;;) {
    const bool unused = received.info.from_kernel() && (received.badge & kSignalUnused) != 0;
    if (unused) return 0;  // it stands in for a private server, which is mounted nowhere any more
    received = received.info.from_kernel() ? sys::recv(kSlotServed, kSlotReply)
                                           : sys::reply_recv(kSlotServed, kSlotReply, answer);
  }
}

}  // namespace user
