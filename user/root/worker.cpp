// user/root/worker.cpp — see worker.h. Everything it needs lies in its slots: the manager in kSlotRoot, the CNode of the
// process it works for in kSlotGrants.
#include "user/root/worker.h"

#include "schema/process.capnp.h"
#include "schema/timer.capnp.h"
#include "user/root/objects.h"
#include "user/runtime/call.h"
#include "user/runtime/layout.h"
#include "user/runtime/shared.h"

#include "base/enforce.h"

namespace user::root {
namespace {

using schema::file::File;
using schema::process::JobKind;

constexpr u32 kTextBytesMax = 256;

/// Takes a copy of the process's File for one request; false if there is none in that slot.
template <class Method>
bool ask(u32 slot, const typename Method::Request& request) {
  const Window scratch{kSlotCNode, kSlotScratch, 64};
  if (!copy(scratch, {kSlotGrants, slot, kCNodeRadix}, kernel::kRightsAll)) return false;
  // A file that cannot be reached needs nothing more; but once is too little to know.
  constexpr u32 kTriesMax = 4;
  for (u32 tries = 0; tries < kTriesMax; ++tries) {
    const auto reply = call<Method>(kSlotScratch, request);
    if (reply.ok() || !(reply.error() == fs::ErrorCode::AccessRevoked)) break;
  }
  remove(scratch);
  return true;
}

/// The process is signalled at `due_ns` by the timer server it has in that slot.
void arm(u32 slot, u64 due_ns) {
  const Window server{kSlotCNode, kSlotScratch, 64};
  const Window signal{kSlotCNode, kSlotReceive, 64};
  if (!copy(server, {kSlotGrants, slot, kCNodeRadix}, kernel::kRightsAll)) return;
  if (mint(signal, {kSlotGrants, kSlotNotification, kCNodeRadix}, kernel::kRightWrite, kSignalTimer)) {
    // A server that has ended leaves the request to its successor.
    static_cast<void>(call<schema::timer::Timer::Arm>(
        kSlotScratch, {.uptime = due_ns, .signal = schema::CapIndex::of(0)}, {kSlotReceive}));
    remove(signal);
  }
  remove(server);
}

}  // namespace

void worker_main(const u64 (&)[8]) {
  for (bool lost = false;;) {
    const auto reply = call<schema::process::Worker::Next>(kSlotRoot, {.again = lost});
    if (!reply.ok() && reply.error() == fs::ErrorCode::AccessRevoked) continue;  // nobody was asked
    lost = !reply.ok() && reply.error() == fs::ErrorCode::ServerRestarted;
    if (lost) continue;
    ASSERT(reply.ok());
    const schema::process::Worker::Next::Reply job = reply.value();
    switch (job.kind) {
      case JobKind::Flush: ask<File::Flush>(job.slot, {.tag = job.tag}); break;
      case JobKind::Print: {
        char text[kTextBytesMax];
        const u64 bytes = std::min<u64>(job.text.size(), sizeof text);
        if (bytes > 0) __builtin_memcpy(text, job.text.data(), bytes);
        ask<File::Write>(job.slot, {.offset = schema::file::kAtPosition,
                                    .count = static_cast<u32>(bytes),
                                    .tag = job.tag,
                                    .data = base::bytes_of({text, bytes})});
        break;
      }
      case JobKind::Close:
        for (u32 slot = job.slot; slot < kSlotDescriptorsEnd; ++slot) ask<File::Close>(slot, {});
        break;
      case JobKind::Arm: arm(job.slot, job.due); break;
    }
  }
}

}  // namespace user::root
