// kernel-model/ipc_parts.h — what the sources of IPC share with one another; not for other modules.
#pragma once
#include "kernel-model/ipc.h"

namespace kernel::ipc {

constexpr u8 kAnyGrant = kRightGrant | kRightGrantReply;
constexpr u32 kHeadMark = 1;  // in Reply::next of the last call: the rest is the SchedContext

// ── Queues of waiters (ipc_queue.cpp): by priority, equals by arrival ────────────────────────────────────────
void queue_on(Kernel& kernel, Ref<Endpoint> endpoint, Ref<Tcb> thread, EndpointState state);
void queue_on(Kernel& kernel, Ref<Notification> notification, Ref<Tcb> thread);
void leave_queue(Kernel& kernel, Ref<Endpoint> endpoint, Ref<Tcb> thread);
void leave_queue(Kernel& kernel, Ref<Notification> notification, Ref<Tcb> thread);
/// The current thread, or one that faults, stops running in this state. Emits `block` unless `quiet` (fast path).
enum class Trace : u8 { Emit, Quiet };
void block(Kernel& kernel, Ref<Tcb> thread, ThreadState state, u32 object, u64 badge, Trace trace = Trace::Emit);
/// A waiter's call is to be repeated: Restart and wake. A thread that waits with a fault becomes Inactive.
void restart_waiter(Kernel& kernel, Ref<Tcb> thread);

// ── Messages (ipc_transfer.cpp) ──────────────────────────────────────────────────────────────────────────────
/// A message as its sender holds it: four words in `mr`, the rest in the buffer.
struct MessageView {
  const u64* mr = nullptr;
  const u64* msg = nullptr;  // null: no buffer
  u32 length = 0;            // words that can be read
  bool in_buffer = false;
  u64 word(u32 index) const { return in_buffer || index >= kMessageRegisters ? msg[index] : mr[index]; }
};
MessageView view_of(Kernel& kernel, Tcb& sender);

enum class Path : u8 { Slow, Fast };
struct TransferOptions {
  Ref<Endpoint> endpoint;  // caps to it are unwrapped; null for replies
  u32 object = 0;          // endpoint or Reply, for the event
  u64 badge = 0;
  bool may_grant = false;
  Path path = Path::Slow;
};
/// Copies the sender's message to the receiver, whose call completes.
void transfer(Kernel& kernel, Ref<Tcb> sender, Ref<Tcb> receiver, const TransferOptions& options);
/// The call completes with this kernel-made message.
void deliver(Kernel& kernel, Ref<Tcb> receiver, u64 label, std::span<const u64> words, u64 badge);
/// The call of the current thread is over, without results.
inline void finish_call(Tcb& tcb) {
  tcb.frame.pending = 0;
  tcb.frame.phase = 0;
}

/// The sender's extra caps, looked up before anything else. Failure: the cptr and why.
struct ExtraCaps {
  u32 count = 0;
  Ref<Slot> slots[kMessageCapsMax];
};
struct CapLookupFailure {
  u64 cptr = 0;
  cspace::LookupError why;
};
base::Result<ExtraCaps, CapLookupFailure> look_up_extra_caps(Kernel& kernel, Tcb& sender);

// ── Endpoints (ipc_endpoint.cpp) ─────────────────────────────────────────────────────────────────────────────
struct SendOptions {
  u64 badge = 0;
  u8 rights = 0;
  bool is_call = false;  // Call or fault
  bool blocking = false;
  bool may_donate = false;
};
/// The thread sends its message (its fault, if it has one).
void send(Kernel& kernel, Ref<Tcb> thread, Ref<Endpoint> endpoint, const SendOptions& options);
/// The thread receives; it is current. `reply` null: Wait.
void receive(Kernel& kernel, Ref<Tcb> thread, Ref<Endpoint> endpoint, Ref<Reply> reply, bool blocking);

// ── Reply objects (ipc_reply.cpp) ────────────────────────────────────────────────────────────────────────────
/// A message sent to a Reply cap; its caller gets the message or the answer to its fault.
void send_reply(Kernel& kernel, Ref<Tcb> sender, Ref<Reply> reply, bool may_grant);
/// Links a caller that waits, and lends it `sc` onto the receiver's thread when given.
inline void push_call(Kernel& kernel, Ref<Reply> ref, Ref<SchedContext> sc_ref) {
  Reply& reply = kernel.at(ref);
  SchedContext& sc = kernel.at(sc_ref);
  ASSERT(reply.next == 0 && !reply.prev);
  reply.prev = sc.reply;
  if (sc.reply) kernel.at(sc.reply).next = ref.offset;
  sc.reply = ref;
  reply.next = sc_ref.offset | kHeadMark;
}
/// Takes the last call, `reply`, off the stack of its SC.
inline void pop_call(Kernel& kernel, Ref<Reply> ref, Ref<SchedContext> sc_ref) {
  Reply& reply = kernel.at(ref);
  SchedContext& sc = kernel.at(sc_ref);
  ASSERT(sc.reply == ref && reply.next == (sc_ref.offset | kHeadMark));  // Q9
  sc.reply = reply.prev;
  if (reply.prev) kernel.at(reply.prev).next = sc_ref.offset | kHeadMark;
  reply.next = 0;
  reply.prev = {};
}
void unlink_reply(Kernel& kernel, Ref<Reply> reply);
/// Takes the reply out of its call stack. GiveBack: a head returns the SC to its caller; Cut: the SC stays.
enum class Stack : u8 { GiveBack, Cut };
void leave_stack(Kernel& kernel, Ref<Reply> reply, Stack how);
/// The end of a reply object whose thread still waits: a caller gets ReplyLost, a receiver is cancelled.
void end_reply(Kernel& kernel, Ref<Reply> reply);
/// The thread can get no reply: its call completes with ReplyLost, a faulted one is Inactive with its fault.
void lose_reply(Kernel& kernel, Ref<Tcb> caller, Ref<Reply> reply);

// ── Notifications (ipc_notification.cpp) ─────────────────────────────────────────────────────────────────────
void wait(Kernel& kernel, Ref<Tcb> thread, Ref<Notification> notification, bool blocking);
/// Takes the word of an Active notification for a thread that is current.
void take_word(Kernel& kernel, Ref<Tcb> thread, Ref<Notification> notification);
/// A thread that runs on the SC of this notification gives it back before it blocks.
void return_sc(Kernel& kernel, Ref<Tcb> thread, Ref<Notification> notification);

// ── Faults (fault.cpp) ───────────────────────────────────────────────────────────────────────────────────────
void cap_fault(Kernel& kernel, Ref<Tcb> thread, u64 cptr, bool in_receive, const cspace::LookupError& why);
/// The message of the thread's fault, to a receiver whose call completes.
void transfer_fault(Kernel& kernel, Ref<Tcb> faulted, Ref<Tcb> receiver, u32 object, u64 badge);
/// The replier's message answers the thread's fault; true when the thread goes on.
bool answer_fault(Kernel& kernel, Ref<Tcb> replier, Ref<Tcb> faulted);
inline bool has_fault(const Tcb& tcb) { return tcb.fault.type != 0; }

}  // namespace kernel::ipc
