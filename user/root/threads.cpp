// user/root/threads.cpp — threads of a process beside its first: each has a CNode, a budget, a notification and an IPC buffer of its
// own, and shares the address space. They stop, go on and end with the process.
#include "user/root/manager.h"

#include "base/enforce.h"

namespace user::root {

using kernel::ObjectType;

namespace {

constexpr u32 kThreadsMax = 128;
// CNode 16 KiB, TCB 2, SchedContext, Notification and Reply 0.4.
constexpr u32 kBlockBits = 15;
constexpr u64 kThreadStackBytes = 128 << 10;
constexpr u64 kBufferBytes = u64{1} << kernel::kIpcBufferBits;
constexpr u64 kThreadBytes = (u64{1} << kBlockBits) + kBufferBytes + kThreadStackBytes;

}  // namespace

u64 Manager::consumed(ProcessRecord& record) {
  record.consumed_ns += take_consumed(record.objects.slots + kObjectContext);
  for (const ThreadObjects& thread : record.objects.threads) record.consumed_ns += take_consumed(thread.context);
  return record.consumed_ns;
}

Result<void> Manager::make_thread(ProcessRecord& record, u64 argument) {
  Realm& realm = *record.realm;
  if (record.objects.threads.size() == kThreadsMax) return fs::fail(ErrorCode::TooManyProcesses);
  if (memory_short_) return fs::fail(ErrorCode::OutOfMemory);
  TRY(charge(realm, &Realm::threads, 1));
  const Result<void> paid = charge(realm, &Realm::memory, kThreadBytes);
  if (!paid.ok()) {
    refund(realm, &Realm::threads, 1);
    return paid.take_failure();
  }
  ThreadObjects thread{.block = untyped_.take(kBlockBits, slots_)};
  u32* const slots[] = {&thread.node, &thread.tcb, &thread.context, &thread.notification};
  bool complete = thread.block != kNoBlock;
  for (u32* slot : slots) {
    *slot = complete ? slots_.take() : 0;
    complete = complete && *slot != 0;
  }
  thread.buffer = complete ? take_buffer() : kernel::kNoIrq;
  // The block has room for all of it; a kernel that is short of something of its own may refuse all the same.
  const u32 memory = thread.block == kNoBlock ? 0 : untyped_.slot_of(thread.block);
  const bool has_buffer = thread.buffer != kernel::kNoIrq;
  const bool made = has_buffer && retype(memory, ObjectType::CNode, kCNodeRadix, own(thread.node)) &&
                    retype(memory, ObjectType::Tcb, kernel::kTcbBits, own(thread.tcb)) &&
                    retype(memory, ObjectType::SchedContext, kernel::kSchedContextMinBits, own(thread.context)) &&
                    retype(memory, ObjectType::Notification, 6, own(thread.notification)) &&
                    retype(memory, ObjectType::Reply, 6, {thread.node, kSlotReply});
  if (!made) {
    if (has_buffer) {
      revoke(own(memory));
      free_buffers_.push_back(thread.buffer);
    }
    for (const u32* slot : slots) {
      if (*slot != 0) slots_.give(*slot);
    }
    if (thread.block != kNoBlock) untyped_.give(thread.block);
    refund(realm, &Realm::memory, kThreadBytes);
    refund(realm, &Realm::threads, 1);
    return fs::fail(ErrorCode::OutOfMemory);
  }
  record.objects.charged_bytes += kThreadBytes;
  // ── nothing below can fail ──
  const auto in_node = [&](u32 slot) { return Window{thread.node, slot, kCNodeRadix}; };
  const u32 first = record.objects.slots;
  MUST_OK(copy(in_node(kSlotRoot), own(first + kObjectIdentity), kernel::kRightsAll));
  MUST_OK(mint(in_node(kSlotCNode), own(thread.node), kernel::kRightsAll, kCNodeGuardData));
  MUST_OK(copy(in_node(kSlotNotification), own(thread.notification), kernel::kRightsAll));
  MUST_OK(copy(in_node(kSlotFirst), own(first + kObjectCNode), kernel::kRightsAll));
  MUST_OK(mint(in_node(kSlotTell), own(first + kObjectNotification), kernel::kRightWrite, kSignalThread));
  buffer_at(thread.buffer) = kernel::IpcBuffer{};
  const u64 address = kBuffersAddress + thread.buffer * kBufferBytes;
  MUST_OK(sys::invoke(thread.tcb, sys::Invoke::TcbConfigure, {kCNodeGuardData, address},
                      {thread.node, first + kObjectVSpace, buffer_frames_[thread.buffer / kBuffersPerFrame]})
              .ok());
  thread.home_core = next_core_++ % core_count_;
  MUST_OK(configure_child_budget(realm.node_effort, thread.context, leaf_of(record, thread)));
  MUST_OK(sys::invoke(thread.tcb, sys::Invoke::TcbSetSchedParams, {0, record.priority},
                      {kernel::kRootTcb, thread.context, first + kObjectIdentity})
              .ok());
  MUST_OK(sys::invoke(thread.tcb, sys::Invoke::TcbBindNotification, {}, {thread.notification}).ok());
  start_thread_at(record, thread.tcb, {NativeEntryNumber::Thread, argument, kThreadStackBytes});
  record.objects.threads.push_back(thread);
  MUST_OK(sys::invoke(thread.tcb, sys::Invoke::TcbResume, {}).ok());
  return {};
}

/// What they took is refunded with the process's.
void Manager::destroy_threads(ProcessRecord& record) {
  for (const ThreadObjects& thread : record.objects.threads) {
    revoke(own(untyped_.slot_of(thread.block)));
    untyped_.give(thread.block);
    for (const u32 slot : {thread.node, thread.tcb, thread.context, thread.notification}) slots_.give(slot);
    free_buffers_.push_back(thread.buffer);
  }
  record.objects.threads.clear();
}

}  // namespace user::root
