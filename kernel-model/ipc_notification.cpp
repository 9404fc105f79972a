// kernel-model/ipc_notification.cpp — notifications: a word that signals are OR-ed into, its waiters, the one thread it
// may be bound to, and the scheduling context it may lend.
#include "base/planted.h"
#include "kernel-model/ipc_parts.h"
#include "kernel-model/sched.h"

#include "base/enforce.h"

namespace kernel::ipc {
namespace {

// A passive thread takes the SC of the notification, unless another thread has it.
void lend_sc(Kernel& kernel, const Notification& notification, Ref<Tcb> thread) {
  if (kernel.at(thread).sc || !notification.sc || kernel.at(notification.sc).tcb) return;
  sched::donate(kernel, notification.sc, thread);
}

void wake_with(Kernel& kernel, const Notification& notification, Ref<Tcb> thread, u64 badge) {
  complete(kernel, thread, ResultLabel::Signal, {}, badge);
  lend_sc(kernel, notification, thread);
  sched::wake(kernel, thread);
}

}  // namespace

void signal(Kernel& kernel, Ref<Notification> ref, u64 badge) {
  Notification& notification = kernel.at(ref);
  kernel.charge(kernel.costs().signal);
  switch (notification.state) {
    case NotificationState::Active:
      notification.word = badge | (PLANTED("kernel.word-replaced") ? 0 : notification.word);
      return;
    case NotificationState::Waiting: {
      const Ref<Tcb> waiter = notification.head;
      leave_queue(kernel, ref, waiter);
      wake_with(kernel, notification, waiter, badge);
      return;
    }
    case NotificationState::Idle: {
      const Ref<Tcb> bound = notification.bound_tcb;
      if (bound && kernel.at(bound).state == ThreadState::BlockedOnReceive) {
        Tcb& tcb = kernel.at(bound);
        MARK_IN(kernel, "notification.bound-woken");
        leave_queue(kernel, Ref<Endpoint>{tcb.blocked_on}, bound);
        if (tcb.reply) unlink_reply(kernel, tcb.reply);
        wake_with(kernel, notification, bound, badge);
        return;
      }
      notification.state = NotificationState::Active;
      notification.word = badge;
      return;
    }
  }
}

void take_word(Kernel& kernel, Ref<Tcb> thread, Ref<Notification> ref) {
  Notification& notification = kernel.at(ref);
  ASSERT(notification.state == NotificationState::Active);
  const u64 word = notification.word;
  notification.state = NotificationState::Idle;
  notification.word = 0;
  deliver(kernel, thread, static_cast<u64>(ResultLabel::Signal), {}, word);
  lend_sc(kernel, notification, thread);
}

void return_sc(Kernel& kernel, Ref<Tcb> thread, Ref<Notification> ref) {
  const Ref<SchedContext> sc = kernel.at(thread).sc;
  if (!sc || kernel.at(ref).sc != sc) return;
  sched::unbind_tcb(kernel, sc);
}

void wait(Kernel& kernel, Ref<Tcb> thread, Ref<Notification> ref, bool blocking) {
  const Notification& notification = kernel.at(ref);
  kernel.charge(kernel.costs().signal);
  if (notification.state == NotificationState::Active) {
    take_word(kernel, thread, ref);
    return;
  }
  if (!blocking) {
    deliver(kernel, thread, static_cast<u64>(ResultLabel::Nothing), {}, 0);
    return;
  }
  if (kernel.entry().is_struck(Weakness::Wait, thread)) {
    deliver(kernel, thread, static_cast<u64>(ResultLabel::Signal), {}, 0);
    return;
  }
  kernel.emit(base::EventKind::SchedBlock, ref.offset, static_cast<u64>(ThreadState::BlockedOnNotification));
  return_sc(kernel, thread, ref);
  block(kernel, thread, ThreadState::BlockedOnNotification, ref.offset, 0, Trace::Quiet);
  queue_on(kernel, ref, thread);
}

Result<void> bind_notification(Kernel& kernel, Ref<Tcb> thread, const Cap& cap) {
  if (cap.type != CapType::Notification || !cspace::is_usable(kernel, cap)) return invalid_capability(1);
  Tcb& tcb = kernel.at(thread);
  const Ref<Notification> ref{cap.object};
  Notification& notification = kernel.at(ref);
  if (tcb.bound_notification || notification.bound_tcb || notification.head) return illegal_operation();
  if ((cap.rights & kRightRead) == 0) return illegal_operation();
  tcb.bound_notification = ref;
  notification.bound_tcb = thread;
  return {};
}

void unbind_notification(Kernel& kernel, Ref<Tcb> thread) {
  Tcb& tcb = kernel.at(thread);
  if (!tcb.bound_notification) return;
  kernel.at(tcb.bound_notification).bound_tcb = {};
  tcb.bound_notification = {};
}

}  // namespace kernel::ipc
