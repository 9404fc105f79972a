// kernel-model/ipc_queue.cpp — threads that wait on endpoints and notifications: their queues, what takes a thread out
// of whatever it waits on, and the ends of the objects they wait on.
#include "base/planted.h"
#include "kernel-model/ipc_parts.h"
#include "kernel-model/sched.h"

#include "base/enforce.h"

namespace kernel::ipc {
namespace {

void insert(Kernel& kernel, Ref<Tcb>& head, Ref<Tcb>& tail, Ref<Tcb> thread) {
  Tcb& tcb = kernel.at(thread);
  Ref<Tcb> before = tail;
  while (before && kernel.at(before).priority < tcb.priority) before = kernel.at(before).queue_prev;
  tcb.queue_prev = before;
  tcb.queue_next = before ? kernel.at(before).queue_next : head;
  if (before) {
    kernel.at(before).queue_next = thread;
  } else {
    head = thread;
  }
  if (tcb.queue_next) {
    kernel.at(tcb.queue_next).queue_prev = thread;
  } else {
    tail = thread;
  }
}

void remove(Kernel& kernel, Ref<Tcb>& head, Ref<Tcb>& tail, Ref<Tcb> thread) {
  Tcb& tcb = kernel.at(thread);
  if (tcb.queue_prev) {
    kernel.at(tcb.queue_prev).queue_next = tcb.queue_next;
  } else {
    ASSERT(head == thread);
    head = tcb.queue_next;
  }
  if (tcb.queue_next) {
    kernel.at(tcb.queue_next).queue_prev = tcb.queue_prev;
  } else {
    ASSERT(tail == thread);
    tail = tcb.queue_prev;
  }
  tcb.queue_next = {};
  tcb.queue_prev = {};
}

// Leaves whatever queue the state says, and the Reply object it holds as a receiver.
void leave_wait(Kernel& kernel, Ref<Tcb> thread) {
  Tcb& tcb = kernel.at(thread);
  if (tcb.state == ThreadState::BlockedOnReceive || tcb.state == ThreadState::BlockedOnSend) {
    leave_queue(kernel, Ref<Endpoint>{tcb.blocked_on}, thread);
    if (tcb.reply) unlink_reply(kernel, tcb.reply);
  } else if (tcb.state == ThreadState::BlockedOnNotification) {
    leave_queue(kernel, Ref<Notification>{tcb.blocked_on}, thread);
  } else if (tcb.state == ThreadState::BlockedOnReply) {
    const Ref<Reply> reply = tcb.reply;
    leave_stack(kernel, reply, Stack::Cut);
    unlink_reply(kernel, reply);
  }
}

bool is_blocked(const Tcb& tcb) { return tcb.state >= ThreadState::BlockedOnReceive; }

}  // namespace

void queue_on(Kernel& kernel, Ref<Endpoint> ref, Ref<Tcb> thread, EndpointState state) {
  Endpoint& endpoint = kernel.at(ref);
  ASSERT(endpoint.state == EndpointState::Idle || endpoint.state == state);  // Q2
  endpoint.state = state;
  kernel.at(thread).blocked_on = ref.offset;
  insert(kernel, endpoint.head, endpoint.tail, thread);
}

void queue_on(Kernel& kernel, Ref<Notification> ref, Ref<Tcb> thread) {
  Notification& notification = kernel.at(ref);
  ASSERT(notification.state != NotificationState::Active);
  notification.state = NotificationState::Waiting;
  kernel.at(thread).blocked_on = ref.offset;
  insert(kernel, notification.head, notification.tail, thread);
}

void leave_queue(Kernel& kernel, Ref<Endpoint> ref, Ref<Tcb> thread) {
  Endpoint& endpoint = kernel.at(ref);
  Tcb& tcb = kernel.at(thread);
  ASSERT(tcb.blocked_on == ref.offset);
  if (endpoint.cancel_cursor == thread) {
    endpoint.cancel_cursor = PLANTED("kernel.cancel-cursor") ? Ref<Tcb>{} : tcb.queue_next;
    if (!endpoint.cancel_cursor) endpoint.cancel_badge = 0;
  }
  remove(kernel, endpoint.head, endpoint.tail, thread);
  if (!endpoint.head) endpoint.state = EndpointState::Idle;
  tcb.blocked_on = 0;
  tcb.blocked_badge = 0;
  tcb.blocked_rights = 0;
  tcb.blocked_is_call = 0;
}

void leave_queue(Kernel& kernel, Ref<Notification> ref, Ref<Tcb> thread) {
  Notification& notification = kernel.at(ref);
  ASSERT(kernel.at(thread).blocked_on == ref.offset);
  remove(kernel, notification.head, notification.tail, thread);
  if (!notification.head) notification.state = NotificationState::Idle;
  kernel.at(thread).blocked_on = 0;
}

void block(Kernel& kernel, Ref<Tcb> thread, ThreadState state, u32 object, u64 badge, Trace trace) {
  Tcb& tcb = kernel.at(thread);
  if (trace == Trace::Emit) {
    kernel.emit(base::EventKind::SchedBlock, object, static_cast<u64>(state), badge, 0, 0, tcb.thread_id);
  }
  sched::unschedule(kernel, thread);
  tcb.state = state;
}

void requeue(Kernel& kernel, Ref<Tcb> thread) {
  Tcb& tcb = kernel.at(thread);
  if (tcb.state == ThreadState::BlockedOnNotification) {
    Notification& notification = kernel.at(Ref<Notification>{tcb.blocked_on});
    remove(kernel, notification.head, notification.tail, thread);
    insert(kernel, notification.head, notification.tail, thread);
    return;
  }
  if (tcb.state != ThreadState::BlockedOnReceive && tcb.state != ThreadState::BlockedOnSend) return;
  Endpoint& endpoint = kernel.at(Ref<Endpoint>{tcb.blocked_on});
  const bool cancelling = bool(endpoint.cancel_cursor);
  if (endpoint.cancel_cursor == thread) endpoint.cancel_cursor = tcb.queue_next;
  remove(kernel, endpoint.head, endpoint.tail, thread);
  insert(kernel, endpoint.head, endpoint.tail, thread);
  // A pass of CancelBadgedSends must still meet a sender that jumps ahead of it.
  if (!cancelling) return;
  if (!endpoint.cancel_cursor || tcb.priority > kernel.at(endpoint.cancel_cursor).priority)
    endpoint.cancel_cursor = thread;
}

void cancel(Kernel& kernel, Ref<Tcb> thread) {
  Tcb& tcb = kernel.at(thread);
  if (is_blocked(tcb)) {
    kernel.emit(base::EventKind::IpcAbort, 0, static_cast<u64>(static_cast<i64>(tcb.frame.call)), 0, 0, 0,
                tcb.thread_id);
    leave_wait(kernel, thread);
  }
  tcb.fault = {};
  tcb.state = ThreadState::Inactive;
}

void suspend(Kernel& kernel, Ref<Tcb> thread) {
  Tcb& tcb = kernel.at(thread);
  if (sched::is_runnable(tcb)) sched::unschedule(kernel, thread);
  if (tcb.yield_to) {
    kernel.at(tcb.yield_to).yield_from = {};
    tcb.yield_to = {};
  }
  if (tcb.sc) sched::complete_yield(kernel, tcb.sc);
  cancel(kernel, thread);
}

void resume(Kernel& kernel, Ref<Tcb> thread) {
  Tcb& tcb = kernel.at(thread);
  if (sched::is_runnable(tcb)) return;
  cancel(kernel, thread);
  tcb.state = ThreadState::Restart;
  sched::wake(kernel, thread);
}

void restart_waiter(Kernel& kernel, Ref<Tcb> thread) {
  const bool faulted = has_fault(kernel.at(thread));
  cancel(kernel, thread);
  if (faulted) return;
  kernel.at(thread).state = ThreadState::Restart;
  sched::wake(kernel, thread);
}

bool finalise_endpoint_unit(Kernel& kernel, Ref<Endpoint> ref) {
  Endpoint& endpoint = kernel.at(ref);
  endpoint.header.flags |= kObjectDying;
  if (endpoint.head) {
    restart_waiter(kernel, endpoint.head);
    kernel.charge(kernel.costs().unit_waiter);
  }
  return !endpoint.head;
}

bool finalise_notification_unit(Kernel& kernel, Ref<Notification> ref) {
  Notification& notification = kernel.at(ref);
  if ((notification.header.flags & kObjectDying) == 0) {
    if (notification.sc) sched::unbind_notification(kernel, notification.sc);
    if (notification.bound_tcb) unbind_notification(kernel, notification.bound_tcb);
    notification.header.flags |= kObjectDying;
  }
  if (notification.head) {
    restart_waiter(kernel, notification.head);
    kernel.charge(kernel.costs().unit_waiter);
  }
  return !notification.head;
}

void finalise_tcb(Kernel& kernel, Ref<Tcb> thread) {
  Tcb& tcb = kernel.at(thread);
  unbind_notification(kernel, thread);
  if (tcb.sc) {
    sched::unbind_tcb(kernel, tcb.sc);
  } else {
    sched::unschedule(kernel, thread);
  }
  suspend(kernel, thread);
  kernel.machine().thread_gone(thread);
}

Step cancel_badged_sends(Kernel& kernel, Ref<Endpoint> ref, u64 badge) {
  Endpoint& endpoint = kernel.at(ref);
  if (badge == 0) return Step::Done;
  // `phase` tells the caller's own pass (1) from one that somebody else left unfinished (0).
  const Ref<Tcb> caller = kernel.core(kernel.current_core()).current;
  UserFrame& frame = kernel.at(caller).frame;
  for (;;) {
    if (frame.phase == 0 && !endpoint.cancel_cursor) {
      if (endpoint.state != EndpointState::Send) return Step::Done;
      endpoint.cancel_cursor = endpoint.head;
      endpoint.cancel_badge = badge;
      frame.phase = 1;
    }
    if (frame.phase == 1 && (!endpoint.cancel_cursor || endpoint.cancel_badge != badge)) return Step::Done;
    const Ref<Tcb> sender = endpoint.cancel_cursor;
    Tcb& tcb = kernel.at(sender);
    if (tcb.blocked_badge == endpoint.cancel_badge) {
      restart_waiter(kernel, sender);
    } else {
      endpoint.cancel_cursor = tcb.queue_next;
      if (!endpoint.cancel_cursor) endpoint.cancel_badge = 0;
    }
    kernel.charge(kernel.costs().unit_waiter);
    kernel.entry().units += 1;
    if (frame.phase == 1 && !endpoint.cancel_cursor) return Step::Done;
    if (cspace::must_stop(kernel)) return Step::Preempted;
  }
}

}  // namespace kernel::ipc
