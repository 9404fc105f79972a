// kernel-model/ipc_endpoint.cpp — senders and receivers meet at an endpoint. One implementation serves both paths: the
// fast one, taken when a Call finds a passive server and nothing of higher priority, gives the core over directly and
// costs less; its results are the same.
#include "base/planted.h"
#include "kernel-model/ipc_parts.h"
#include "kernel-model/sched.h"
#include "kernel-model/sched_parts.h"

#include "base/enforce.h"

namespace kernel::ipc {
namespace {

void deliver_message(Kernel& kernel, Ref<Tcb> sender, Ref<Tcb> receiver, const TransferOptions& options) {
  if (has_fault(kernel.at(sender))) {
    transfer_fault(kernel, sender, receiver, options.object, options.badge);
  } else {
    transfer(kernel, sender, receiver, options);
  }
}

bool is_timeout(const Tcb& tcb) { return tcb.fault.type == static_cast<u16>(FaultType::Timeout); }

// A Call that may give the core over: a passive server of this core waits, and nobody queued is more important.
bool takes_fast_path(Kernel& kernel, const Tcb& caller, const Tcb& server, const SendOptions& options) {
  if (!options.is_call || !options.may_donate || (options.rights & kAnyGrant) == 0 || has_fault(caller)) return false;
  if (MessageInfo{caller.frame.info}.extra_caps() != 0) return false;
  if (server.sc || !server.reply || server.core != caller.core || !caller.sc) return false;
  const CoreState& core = kernel.core(caller.core);
  return caller.core == kernel.current_core() && core.grant_sc == caller.sc &&
         kernel.at(core.current).thread_id == caller.thread_id && sched::highest_level(core) <= server.priority;
}

}  // namespace

void send(Kernel& kernel, Ref<Tcb> thread, Ref<Endpoint> endpoint_ref, const SendOptions& options) {
  Endpoint& endpoint = kernel.at(endpoint_ref);
  Tcb& tcb = kernel.at(thread);
  if (endpoint.state != EndpointState::Recv) {
    kernel.charge(kernel.costs().slow_send);
    if (!options.blocking) {
      kernel.emit(base::EventKind::IpcNbRefused, endpoint_ref.offset);
      return;
    }
    MARK_IN(kernel, "ipc.queued");
    kernel.emit(base::EventKind::IpcQueued, endpoint_ref.offset, options.badge, 0, 0, 0, tcb.thread_id);
    block(kernel, thread, ThreadState::BlockedOnSend, endpoint_ref.offset, options.badge);
    tcb.blocked_badge = options.badge;
    tcb.blocked_rights = options.rights;
    tcb.blocked_is_call = options.is_call ? 1 : 0;
    queue_on(kernel, endpoint_ref, thread, EndpointState::Send);
    return;
  }

  const Ref<Tcb> server_ref = endpoint.head;
  Tcb& server = kernel.at(server_ref);
  const bool fast = takes_fast_path(kernel, tcb, server, options);
  kernel.charge(fast ? kernel.costs().fast_call : kernel.costs().slow_send);
  leave_queue(kernel, endpoint_ref, server_ref);
  deliver_message(kernel, thread, server_ref,
                  {.endpoint = endpoint_ref,
                   .object = endpoint_ref.offset,
                   .badge = options.badge,
                   .may_grant = (options.rights & kRightGrant) != 0,
                   .path = fast ? Path::Fast : Path::Slow});
  const Ref<Reply> reply = server.reply;
  if (reply) unlink_reply(kernel, reply);
  const bool donates = options.may_donate && !server.sc && tcb.sc;
  if (!options.is_call) {
    if (donates) sched::donate(kernel, tcb.sc, server_ref);
  } else if (reply && (options.rights & kAnyGrant) != 0) {
    block(kernel, thread, ThreadState::BlockedOnReply, reply.offset, options.badge, fast ? Trace::Quiet : Trace::Emit);
    tcb.reply = reply;
    kernel.at(reply).tcb = thread;
    if (donates) {
      push_call(kernel, reply, tcb.sc);
      sched::donate(kernel, tcb.sc, server_ref);
    }
  } else {
    lose_reply(kernel, thread, reply);
  }
  server.state = ThreadState::Running;
  if (fast) {
    kernel.core(kernel.current_core()).current = server_ref;
    kernel.entry().queue_grew = true;  // as on the slow path, which queues it
  } else {
    sched::wake(kernel, server_ref);
  }
}

void receive(Kernel& kernel, Ref<Tcb> thread, Ref<Endpoint> endpoint_ref, Ref<Reply> reply, bool blocking) {
  Endpoint& endpoint = kernel.at(endpoint_ref);
  Tcb& tcb = kernel.at(thread);
  if (reply && kernel.at(reply).tcb) end_reply(kernel, reply);
  if (tcb.bound_notification && kernel.at(tcb.bound_notification).state == NotificationState::Active) {
    MARK_IN(kernel, "notification.bound-polled");
    if (!PLANTED("notification.lost-wakeup") || endpoint.state == EndpointState::Send || !blocking) {
      take_word(kernel, thread, tcb.bound_notification);
      return;
    }
    kernel.at(tcb.bound_notification).state = NotificationState::Idle;
    kernel.at(tcb.bound_notification).word = 0;
  }
  if (endpoint.state != EndpointState::Send) {
    if (!blocking) {
      deliver(kernel, thread, static_cast<u64>(ResultLabel::Nothing), {}, 0);
      return;
    }
    if (tcb.bound_notification) return_sc(kernel, thread, tcb.bound_notification);
    block(kernel, thread, ThreadState::BlockedOnReceive, endpoint_ref.offset, 0);
    if (reply) {
      kernel.at(reply).tcb = thread;
      tcb.reply = reply;
    }
    queue_on(kernel, endpoint_ref, thread, EndpointState::Recv);
    return;
  }

  const Ref<Tcb> sender_ref = endpoint.head;
  Tcb& sender = kernel.at(sender_ref);
  const u64 badge = sender.blocked_badge;
  const u8 rights = sender.blocked_rights;
  const bool is_call = sender.blocked_is_call != 0;
  leave_queue(kernel, endpoint_ref, sender_ref);
  deliver_message(kernel, sender_ref, thread,
                  {.endpoint = endpoint_ref,
                   .object = endpoint_ref.offset,
                   .badge = badge,
                   .may_grant = (rights & kRightGrant) != 0});
  if (!is_call) {
    finish_call(sender);
    sender.state = ThreadState::Running;
    sched::wake(kernel, sender_ref);
    return;
  }
  if (!reply || (rights & kAnyGrant) == 0) {
    lose_reply(kernel, sender_ref, reply);
    return;
  }
  sender.state = ThreadState::BlockedOnReply;
  sender.reply = reply;
  kernel.at(reply).tcb = sender_ref;
  if (!tcb.sc && sender.sc && !is_timeout(sender)) {
    push_call(kernel, reply, sender.sc);
    sched::donate(kernel, sender.sc, thread);
  }
}

}  // namespace kernel::ipc
