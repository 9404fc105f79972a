// kernel-model/ipc_fast.cpp — Call and ReplyRecv between a caller and a passive server on one core, with capability spaces
// of one CNode: what a system does most. All conditions are looked at first and nothing changes until they hold; then
// follow the very transitions, costs and events of the general code, which gets there in many small steps.
// Tested by   tests/kernel/fast_path_test.cpp: the same random calls with and without this file
#include "kernel-model/ipc_parts.h"
#include "kernel-model/sched.h"
#include "kernel-model/sched_parts.h"

#include "base/enforce.h"

namespace kernel::ipc {
namespace {

inline bool is_dying(const ObjectHeader& header) { return (header.flags & kObjectDying) != 0; }

// Up to four words without capabilities go from frame to frame; anything else takes the general way.
inline void hand_message(Kernel& kernel, Ref<Tcb> sender_ref, const Tcb& sender, Ref<Tcb> receiver_ref, Tcb& receiver,
                         u32 object, u64 badge) {
  const MessageInfo info{sender.frame.info};
  const u32 length = info.length();
  if (length > kMessageRegisters || info.in_buffer()) {
    transfer(kernel, sender_ref, receiver_ref, {.object = object, .badge = badge, .path = Path::Fast});
    return;
  }
  base::D128 digest;
  for (u32 i = 0; i < length; ++i) {
    const u64 word = sender.frame.mr[i];
    digest.fold(word);
    receiver.frame.mr[i] = word;
  }
  digest.fold(u64{length} * 8);
  receiver.frame.cap = badge;
  receiver.frame.info = MessageInfo::make(info.label(), length).word();
  finish_call(receiver);
  kernel.emit_of(receiver.thread_id, base::EventKind::IpcTransfer, object, sender.thread_id, badge,
                 kernel.has_listener() ? digest.out().high : 0, static_cast<u16>(length | 1u << 12));
}

// The SC goes from its holder, which runs on this core and is about to stop, to a passive thread of the same core.
inline void hand_over(Kernel& kernel, Tcb& holder, Ref<Tcb> to, Tcb& taker, u32 emitter) {
  const Ref<SchedContext> sc_ref = holder.sc;
  SchedContext& sc = kernel.at(sc_ref);
  const Ref<Tcb> from = sc.tcb;
  ASSERT(sc.home == taker.core);
  holder.sc = {};
  sc.tcb = to;
  taker.sc = sc_ref;
  kernel.emit_of(emitter, base::EventKind::BudgetDonate, sc_ref.offset, from.offset, to.offset);
}

// The partner, which is in no queue, goes on at once.
inline void give_core(Kernel& kernel, CoreState& core, Ref<Tcb> partner_ref, Tcb& partner) {
  partner.state = ThreadState::Running;
  core.current = partner_ref;
  kernel.entry().queue_grew = true;  // as on the general path, which queues it
}

// Whether the thread may have the core at once: passive, of this core, and nobody queued is more important.
inline bool may_follow(const CoreState& core, const Tcb& current, const Tcb& next) {
  return !next.sc && next.core == current.core && sched::highest_level(core) <= next.priority;
}

inline bool call(Kernel& kernel, CoreState& core, Ref<Tcb> self) {
  Tcb& tcb = kernel.at(self);
  const MessageInfo info{tcb.frame.info};
  if (info.extra_caps() != 0 || !tcb.sc || core.grant_sc != tcb.sc || has_fault(tcb)) return false;
  const u64 cptr = tcb.frame.cap;
  const Ref<Slot> slot = cspace::direct_slot(tcb, cptr);
  if (!slot) return false;
  const Cap& cap = kernel.at(slot).cap;
  if (cap.type != CapType::Endpoint || (cap.rights & kRightWrite) == 0 || (cap.rights & kAnyGrant) == 0) return false;
  const Ref<Endpoint> endpoint_ref{cap.object};
  Endpoint& endpoint = kernel.at(endpoint_ref);
  if (endpoint.state != EndpointState::Recv || is_dying(endpoint.header)) return false;
  const Ref<Tcb> server_ref = endpoint.head;
  Tcb& server = kernel.at(server_ref);
  if (!server.reply || !may_follow(core, tcb, server)) return false;
  const Ref<Reply> reply_ref = server.reply;
  Reply& reply = kernel.at(reply_ref);

  // ── point of no return ──
  kernel.emit_of(tcb.thread_id, base::EventKind::IpcCall, endpoint_ref.offset, cptr, info.word(), cap.data);
  kernel.charge(kernel.costs().fast_call);
  leave_queue(kernel, endpoint_ref, server_ref);
  hand_message(kernel, self, tcb, server_ref, server, endpoint_ref.offset, cap.data);
  ASSERT(reply.tcb == server_ref);  // Q7
  server.reply = {};
  reply.tcb = self;
  tcb.reply = reply_ref;
  tcb.state = ThreadState::BlockedOnReply;
  push_call(kernel, reply_ref, tcb.sc);
  hand_over(kernel, tcb, server_ref, server, 0);
  give_core(kernel, core, server_ref, server);
  return true;
}

inline bool reply_recv(Kernel& kernel, CoreState& core, Ref<Tcb> self) {
  Tcb& tcb = kernel.at(self);
  UserFrame& frame = tcb.frame;
  if (frame.phase != 0 || MessageInfo{frame.info}.extra_caps() != 0 || !tcb.sc || core.grant_sc != tcb.sc) return false;
  const Ref<Slot> reply_slot = cspace::direct_slot(tcb, frame.reply);
  if (!reply_slot || kernel.at(reply_slot).cap.type != CapType::Reply) return false;
  const Ref<Reply> reply_ref{kernel.at(reply_slot).cap.object};
  Reply& reply = kernel.at(reply_ref);
  if (reply.next != (tcb.sc.offset | kHeadMark) || !reply.tcb) return false;
  const Ref<Tcb> caller_ref = reply.tcb;
  Tcb& caller = kernel.at(caller_ref);
  if (has_fault(caller) || !may_follow(core, tcb, caller)) return false;
  const Ref<Slot> slot = cspace::direct_slot(tcb, frame.cap);
  if (!slot) return false;
  const Cap& cap = kernel.at(slot).cap;
  if (cap.type != CapType::Endpoint || (cap.rights & kRightRead) == 0) return false;
  const Ref<Endpoint> endpoint_ref{cap.object};
  const Endpoint& endpoint = kernel.at(endpoint_ref);
  if (is_dying(endpoint.header) || endpoint.state == EndpointState::Send) return false;
  if (tcb.bound_notification) {
    const Notification& bound = kernel.at(tcb.bound_notification);
    if (bound.state == NotificationState::Active || (bound.sc && bound.sc == tcb.sc)) return false;
  }

  // ── point of no return ──
  kernel.charge(kernel.costs().fast_reply);
  kernel.emit_of(tcb.thread_id, base::EventKind::IpcReply, reply_ref.offset, frame.reply, frame.info);
  kernel.emit_of(tcb.thread_id, base::EventKind::IpcRecv, endpoint_ref.offset, frame.cap, 0, cap.data);
  pop_call(kernel, reply_ref, tcb.sc);
  hand_over(kernel, tcb, caller_ref, caller, tcb.thread_id);
  ASSERT(caller.reply == reply_ref);  // Q7
  caller.reply = {};
  hand_message(kernel, self, tcb, caller_ref, caller, reply_ref.offset, 0);
  frame.phase = 1;
  tcb.state = ThreadState::BlockedOnReceive;
  reply.tcb = self;
  tcb.reply = reply_ref;
  queue_on(kernel, endpoint_ref, self, EndpointState::Recv);
  give_core(kernel, core, caller_ref, caller);
  return true;
}

}  // namespace

bool take_fast_path(Kernel& kernel, CoreState& core, Ref<Tcb> self) {
  switch (kernel.at(self).frame.call) {
    case static_cast<i32>(Syscall::Call): return call(kernel, core, self);
    case static_cast<i32>(Syscall::ReplyRecv): return reply_recv(kernel, core, self);
    default: return false;
  }
}

}  // namespace kernel::ipc
