// kernel-model/ipc_syscall.cpp — the system calls: which capability a call names, its send phase, its receive phase.
// A call stays pending in the UserFrame until it completes; `phase` 1 means that its send phase is done.
#include "kernel-model/invoke.h"
#include "kernel-model/ipc_parts.h"
#include "kernel-model/sched.h"
#include "kernel-model/sched_parts.h"

#include "base/enforce.h"

namespace kernel::ipc {
namespace {

using base::EventKind;

enum class Accepts : u8 { Everything, MessagesOnly, ReplyOnly, NotificationOnly };
struct SendPhase {
  u64 cptr = 0;
  EventKind event = EventKind::IpcSend;
  Accepts accepts = Accepts::Everything;
  bool is_call = false;
  bool blocking = false;
  bool may_donate = false;
};
struct ReceivePhase {
  EventKind event = EventKind::IpcRecv;
  bool blocking = false;
  bool with_reply = false;
  bool notification_only = false;
};

const cspace::LookupError kNothingThere{LookupFailure::MissingCapability, {0, 0, 0}};

void tell_call(Kernel& kernel, Ref<Tcb> self, const SendPhase& phase, const Error& error) {
  if (!phase.is_call) return;
  complete(kernel, self, error.label, {error.words, error.word_count});
}

// An object that is neither Endpoint, Notification nor Reply does something itself.
void invoke_object(Kernel& kernel, Ref<Tcb> self, Ref<Slot> slot, const SendPhase& phase, const ExtraCaps& caps) {
  Tcb& tcb = kernel.at(self);
  const MessageInfo info{tcb.frame.info};
  const MessageView view = view_of(kernel, tcb);
  Invocation invocation{.caller = self,
                        .slot = slot,
                        .cap = kernel.at(slot).cap,
                        .label = info.label(),
                        .length = view.length,
                        .extra_count = caps.count,
                        .in_buffer = view.in_buffer};
  for (u32 i = 0; i < caps.count; ++i) invocation.extra[i] = caps.slots[i];
  const u32 object = invocation.cap.object;
  u64 registers[kMessageRegisters];
  for (u32 i = 0; i < kMessageRegisters; ++i) registers[i] = tcb.frame.mr[i];
  kernel.entry().result_words = 0;
  kernel.entry().units = 0;

  const Result<Step> result = invoke(kernel, invocation);
  if (result.ok() && result.value() == Step::Preempted) {
    kernel.emit(EventKind::IpcAbort, 0, static_cast<u64>(static_cast<i64>(tcb.frame.call)), kernel.entry().units);
    // The caller may have stopped itself half way; then the call is repeated when it is resumed.
    if (tcb.state == ThreadState::Running) tcb.state = ThreadState::Restart;
    return;
  }
  u64 label = 0;
  if (!result.ok()) {
    const Error error = result.error();
    label = static_cast<u64>(error.label);
    kernel.entry().result_words = 0;
    if (phase.is_call) {
      for (u32 i = 0; i < error.word_count; ++i) put_result(kernel, invocation, i, error.words[i]);
    }
  }
  const u32 words = kernel.entry().result_words;
  kernel.emit(EventKind::IpcInvoke, object, invocation.label, label, words > 0 ? tcb.frame.mr[0] : 0, 0, tcb.thread_id);
  if (tcb.yield_to) return;  // answered when the target has run
  if (!phase.is_call) {
    for (u32 i = 0; i < kMessageRegisters; ++i) tcb.frame.mr[i] = registers[i];
    finish_call(tcb);
    return;
  }
  const u64 in_buffer = view.in_buffer && words > 0 ? MessageInfo::kInBuffer : 0;
  tcb.frame.cap = 0;
  tcb.frame.info = MessageInfo::make(label, words, 0, MessageInfo::kKernel | in_buffer).word();
  finish_call(tcb);
}

// Returns false when the call does not go on to its receive phase or completion: the thread blocked, faulted, is to
// repeat the call, or was told its result.
bool send_phase(Kernel& kernel, Ref<Tcb> self, const SendPhase& phase) {
  Tcb& tcb = kernel.at(self);
  const u64 info = tcb.frame.info;
  const auto slot = cspace::lookup(kernel, tcb, phase.cptr);
  if (!slot.ok()) {
    kernel.emit(phase.event, 0, phase.cptr, info);
    if (!phase.blocking) return true;
    cap_fault(kernel, self, phase.cptr, false, slot.error());
    return false;
  }
  const Cap cap = kernel.at(slot.value()).cap;
  const bool is_gone = phase.is_call && cap.type == CapType::Endpoint && kernel.entry().is_struck(Weakness::Use, self);
  const bool usable = !cap.is_null() && !is_gone && cspace::is_usable(kernel, cap);
  kernel.emit(phase.event, usable ? cap.object : 0, phase.cptr, info,
              cap.type == CapType::Endpoint || cap.type == CapType::Notification ? cap.data : 0);
  ExtraCaps caps;
  if (MessageInfo{info}.extra_caps() != 0) {
    const auto found = look_up_extra_caps(kernel, tcb);
    if (!found.ok()) {
      if (!phase.blocking) return true;
      cap_fault(kernel, self, found.error().cptr, false, found.error().why);
      return false;
    }
    caps = found.value();
  }
  if (!usable) {
    tell_call(kernel, self, phase, invalid_capability(0));
    return !phase.is_call;
  }
  const bool may_write = (cap.rights & kRightWrite) != 0;
  switch (cap.type) {
    case CapType::Endpoint:
      if (phase.accepts == Accepts::ReplyOnly) return true;
      if (phase.accepts == Accepts::NotificationOnly || !may_write) {
        tell_call(kernel, self, phase, invalid_capability(0));
        return !phase.is_call;
      }
      send(kernel, self, Ref<Endpoint>{cap.object},
           {.badge = cap.data,
            .rights = cap.rights,
            .is_call = phase.is_call,
            .blocking = phase.blocking,
            .may_donate = phase.may_donate});
      return !phase.is_call && sched::is_runnable(tcb);
    case CapType::Notification:
      if (phase.accepts == Accepts::ReplyOnly) return true;
      if (!may_write) {
        tell_call(kernel, self, phase, invalid_capability(0));
        return !phase.is_call;
      }
      signal(kernel, Ref<Notification>{cap.object}, cap.data);
      tell_call(kernel, self, phase, error(ResultLabel::None));
      return !phase.is_call;
    case CapType::Reply:
      if (phase.accepts == Accepts::NotificationOnly) return true;
      send_reply(kernel, self, Ref<Reply>{cap.object}, (cap.rights & kRightGrant) != 0);
      tell_call(kernel, self, phase, error(ResultLabel::None));
      return !phase.is_call;
    default: break;
  }
  if (phase.accepts != Accepts::Everything) return true;
  invoke_object(kernel, self, slot.value(), phase, caps);
  return false;
}

void receive_phase(Kernel& kernel, Ref<Tcb> self, const ReceivePhase& phase) {
  Tcb& tcb = kernel.at(self);
  const u64 cptr = tcb.frame.cap;
  const auto slot = cspace::lookup(kernel, tcb, cptr);
  if (!slot.ok()) {
    kernel.emit(phase.event, 0, cptr);
    cap_fault(kernel, self, cptr, true, slot.error());
    return;
  }
  const Cap cap = kernel.at(slot.value()).cap;
  const bool usable = !cap.is_null() && cspace::is_usable(kernel, cap);
  kernel.emit(phase.event, usable ? cap.object : 0, cptr, 0, usable ? cap.data : 0);
  const bool may_read = (cap.rights & kRightRead) != 0;
  if (usable && may_read && cap.type == CapType::Notification) {
    const Ref<Tcb> bound = kernel.at(Ref<Notification>{cap.object}).bound_tcb;
    if (!bound || bound == self) {
      wait(kernel, self, Ref<Notification>{cap.object}, phase.blocking);
      return;
    }
  }
  if (!usable || !may_read || cap.type != CapType::Endpoint || phase.notification_only) {
    cap_fault(kernel, self, cptr, true, kNothingThere);
    return;
  }
  Ref<Reply> reply;
  if (phase.with_reply) {
    const u64 reply_cptr = tcb.frame.reply;
    const auto reply_slot = cspace::lookup(kernel, tcb, reply_cptr);
    if (!reply_slot.ok()) {
      cap_fault(kernel, self, reply_cptr, true, reply_slot.error());
      return;
    }
    const Cap reply_cap = kernel.at(reply_slot.value()).cap;
    if (reply_cap.type != CapType::Reply || !cspace::is_usable(kernel, reply_cap)) {
      cap_fault(kernel, self, reply_cptr, true, kNothingThere);
      return;
    }
    reply = Ref<Reply>{reply_cap.object};
  }
  receive(kernel, self, Ref<Endpoint>{cap.object}, reply, phase.blocking);
}

// ReplyRecv that hands the core back to the caller of the running SC: only its receive phase is left, and it blocks.
void two_phases(Kernel& kernel, Ref<Tcb> self, const SendPhase& first, const ReceivePhase& second) {
  Tcb& tcb = kernel.at(self);
  if (tcb.frame.phase == 0) {
    if (!send_phase(kernel, self, first)) return;
    tcb.frame.phase = 1;
  }
  receive_phase(kernel, self, second);
}

void one_send(Kernel& kernel, Ref<Tcb> self, const SendPhase& phase) {
  if (send_phase(kernel, self, phase)) finish_call(kernel.at(self));
}

// Replies and waits again in one go; the conditions are those under which the slow path would do just the same.
bool fast_reply_recv(Kernel& kernel, Ref<Tcb> self) {
  Tcb& tcb = kernel.at(self);
  UserFrame& frame = tcb.frame;
  if (frame.phase != 0 || MessageInfo{frame.info}.extra_caps() != 0 || !tcb.sc) return false;
  if (kernel.entry().faults != nullptr) return false;
  const CoreState& core = kernel.core(kernel.current_core());
  if (core.grant_sc != tcb.sc) return false;
  const u64 cost_before = kernel.entry().cost;
  const auto give_up = [&] {
    kernel.entry().cost = cost_before;
    return false;
  };
  const auto reply_slot = cspace::lookup(kernel, tcb, frame.reply);
  if (!reply_slot.ok()) return give_up();
  const Cap reply_cap = kernel.at(reply_slot.value()).cap;
  if (reply_cap.type != CapType::Reply) return give_up();
  const Ref<Reply> reply_ref{reply_cap.object};
  Reply& reply = kernel.at(reply_ref);
  if (reply.next != (tcb.sc.offset | 1u) || !reply.tcb) return give_up();
  Tcb& caller = kernel.at(reply.tcb);
  if (caller.sc || has_fault(caller) || caller.core != tcb.core) return give_up();
  if (sched::highest_level(core) > caller.priority) return give_up();
  const auto slot = cspace::lookup(kernel, tcb, frame.cap);
  if (!slot.ok()) return give_up();
  const Cap cap = kernel.at(slot.value()).cap;
  if (cap.type != CapType::Endpoint || (cap.rights & kRightRead) == 0) return give_up();
  const Ref<Endpoint> endpoint_ref{cap.object};
  const Endpoint& endpoint = kernel.at(endpoint_ref);
  if ((endpoint.header.flags & kObjectDying) != 0 || endpoint.state == EndpointState::Send) return give_up();
  if (tcb.bound_notification) {
    const Notification& bound = kernel.at(tcb.bound_notification);
    if (bound.state == NotificationState::Active || (bound.sc && bound.sc == tcb.sc)) return give_up();
  }

  const Ref<Tcb> caller_ref = reply.tcb;
  kernel.charge(kernel.costs().fast_reply);
  kernel.emit(EventKind::IpcReply, reply_ref.offset, frame.reply, frame.info);
  kernel.emit(EventKind::IpcRecv, endpoint_ref.offset, frame.cap, 0, cap.data);
  leave_stack(kernel, reply_ref, Stack::GiveBack);
  unlink_reply(kernel, reply_ref);
  transfer(kernel, self, caller_ref, {.object = reply_ref.offset, .path = Path::Fast});
  caller.state = ThreadState::Running;
  frame.phase = 1;
  block(kernel, self, ThreadState::BlockedOnReceive, endpoint_ref.offset, 0, Trace::Quiet);
  reply.tcb = self;
  tcb.reply = reply_ref;
  queue_on(kernel, endpoint_ref, self, EndpointState::Recv);
  kernel.core(kernel.current_core()).current = caller_ref;
  kernel.entry().queue_grew = true;  // as on the slow path, which queues it
  return true;
}

void dispatch(Kernel& kernel, Ref<Tcb> self) {
  UserFrame& frame = kernel.at(self).frame;
  switch (static_cast<Syscall>(frame.call)) {
    case Syscall::Call:
      one_send(kernel, self,
               {.cptr = frame.cap, .event = EventKind::IpcCall, .is_call = true, .blocking = true, .may_donate = true});
      return;
    case Syscall::Send: one_send(kernel, self, {.cptr = frame.cap, .blocking = true}); return;
    case Syscall::NBSend: one_send(kernel, self, {.cptr = frame.cap}); return;
    case Syscall::Signal:
      one_send(
          kernel, self,
          {.cptr = frame.cap, .event = EventKind::IpcSignal, .accepts = Accepts::NotificationOnly, .blocking = true});
      return;
    case Syscall::ReplyRecv:
      if (fast_reply_recv(kernel, self)) return;
      two_phases(kernel, self,
                 {.cptr = frame.reply, .event = EventKind::IpcReply, .accepts = Accepts::ReplyOnly, .may_donate = true},
                 {.blocking = true, .with_reply = true});
      return;
    case Syscall::NBSendRecv:
      two_phases(kernel, self, {.cptr = frame.dest, .accepts = Accepts::MessagesOnly, .may_donate = true},
                 {.blocking = true, .with_reply = true});
      return;
    case Syscall::NBSendWait:
      two_phases(kernel, self, {.cptr = frame.dest, .accepts = Accepts::MessagesOnly, .may_donate = true},
                 {.event = EventKind::IpcWait, .blocking = true});
      return;
    case Syscall::Recv: receive_phase(kernel, self, {.blocking = true, .with_reply = true}); return;
    case Syscall::NBRecv: receive_phase(kernel, self, {.with_reply = true}); return;
    case Syscall::Wait: receive_phase(kernel, self, {.event = EventKind::IpcWait, .blocking = true}); return;
    case Syscall::NBWait: receive_phase(kernel, self, {.event = EventKind::IpcPoll}); return;
    case Syscall::Poll: receive_phase(kernel, self, {.event = EventKind::IpcPoll, .notification_only = true}); return;
    case Syscall::Yield:
      finish_call(kernel.at(self));
      sched::yield(kernel);
      return;
    case Syscall::PutChar:
    case Syscall::CapIdentify:
    case Syscall::Halt:
    case Syscall::Port: break;
  }
  FaultRecord fault;
  fault.type = static_cast<u16>(FaultType::UnknownSyscall);
  fault.words[0] = static_cast<u64>(static_cast<i64>(frame.call));
  send_fault(kernel, self, fault);
}

}  // namespace

void handle_syscall(Kernel& kernel) {
  const Ref<Tcb> self = kernel.core(kernel.current_core()).current;
  Tcb& tcb = kernel.at(self);
  ASSERT(sched::is_runnable(tcb));
  tcb.state = ThreadState::Running;
  dispatch(kernel, self);
  // It may have received on another core's SC: then it goes on there.
  if (sched::is_runnable(tcb) && tcb.queue_kind == sched::kQueueNone) sched::wake(kernel, self);
}

}  // namespace kernel::ipc
