// kernel-model/ipc_reply.cpp — Reply objects and the call stack of a scheduling context: sc.reply is the last Reply
// pushed, `prev` leads towards the first call, `next` towards the last; at the head `next` is the SC, marked by bit 0.
#include "kernel-model/ipc_parts.h"
#include "kernel-model/sched.h"
#include "kernel-model/sched_parts.h"

#include "base/enforce.h"

namespace kernel::ipc {
namespace {

Ref<SchedContext> sc_of_head(const Reply& reply) { return {reply.next & ~kHeadMark}; }

}  // namespace

void unlink_reply(Kernel& kernel, Ref<Reply> ref) {
  Reply& reply = kernel.at(ref);
  ASSERT(reply.tcb && kernel.at(reply.tcb).reply == ref);  // Q7
  kernel.at(reply.tcb).reply = {};
  reply.tcb = {};
}

void leave_stack(Kernel& kernel, Ref<Reply> ref, Stack how) {
  Reply& reply = kernel.at(ref);
  const Ref<Reply> below = reply.prev;
  if ((reply.next & kHeadMark) != 0) {
    const Ref<SchedContext> sc_ref = sc_of_head(reply);
    SchedContext& sc = kernel.at(sc_ref);
    ASSERT(sc.reply == ref);  // Q9
    const bool gives_back = how == Stack::GiveBack;
    sc.reply = gives_back ? below : Ref<Reply>{};
    if (below) kernel.at(below).next = gives_back ? sc_ref.offset | kHeadMark : 0;
    reply.next = 0;
    reply.prev = {};
    const Ref<Tcb> caller = reply.tcb;
    if (gives_back && !kernel.at(caller).sc) sched::donate(kernel, sc_ref, caller);
    return;
  }
  if (reply.next != 0) kernel.at(Ref<Reply>{reply.next}).prev = {};
  if (below) kernel.at(below).next = 0;
  reply.next = 0;
  reply.prev = {};
}

void lose_reply(Kernel& kernel, Ref<Tcb> caller, Ref<Reply> reply) {
  Tcb& tcb = kernel.at(caller);
  kernel.emit(base::EventKind::IpcReplyLost, reply.offset, 0, 0, 0, 0, tcb.thread_id);
  if (has_fault(tcb)) {
    sched::unschedule(kernel, caller);
    tcb.state = ThreadState::Inactive;
    return;
  }
  MARK_IN(kernel, "ipc.reply-lost");
  complete(kernel, caller, ResultLabel::ReplyLost);
  sched::wake(kernel, caller);
}

void end_reply(Kernel& kernel, Ref<Reply> ref) {
  const Ref<Tcb> thread = kernel.at(ref).tcb;
  ASSERT(thread);
  if (kernel.at(thread).state != ThreadState::BlockedOnReply) {
    cancel(kernel, thread);
    return;
  }
  leave_stack(kernel, ref, Stack::GiveBack);
  unlink_reply(kernel, ref);
  lose_reply(kernel, thread, ref);
}

void finalise_reply(Kernel& kernel, Ref<Reply> ref) {
  const Ref<Tcb> thread = kernel.at(ref).tcb;
  if (!thread) return;
  if (kernel.at(thread).state == ThreadState::BlockedOnReply) {
    end_reply(kernel, ref);
  } else {
    restart_waiter(kernel, thread);
  }
}

void send_reply(Kernel& kernel, Ref<Tcb> sender, Ref<Reply> ref, bool may_grant) {
  const Ref<Tcb> caller_ref = kernel.at(ref).tcb;
  if (!caller_ref || kernel.at(caller_ref).state != ThreadState::BlockedOnReply) return;
  Tcb& caller = kernel.at(caller_ref);
  kernel.charge(kernel.costs().slow_send);
  if (!has_fault(caller) && kernel.entry().is_struck(Weakness::Reply, caller_ref)) return end_reply(kernel, ref);
  leave_stack(kernel, ref, Stack::GiveBack);
  unlink_reply(kernel, ref);
  const bool was_timeout = caller.fault.type == static_cast<u16>(FaultType::Timeout);
  if (has_fault(caller)) {
    const bool goes_on = answer_fault(kernel, sender, caller_ref);
    caller.state = goes_on ? ThreadState::Restart : ThreadState::Inactive;
    if (!goes_on) return;
  } else {
    transfer(kernel, sender, caller_ref, {.object = ref.offset, .may_grant = may_grant});
    caller.state = ThreadState::Running;
  }
  if (caller.sc && !was_timeout && has_timeout_handler(kernel, caller)) {
    const sched::Exhausted exhausted = sched::first_exhausted(kernel, caller.sc);
    if (exhausted.node && kernel.at(caller.sc).refill_max != 0) {
      send_timeout(kernel, caller_ref, exhausted.level);
      return;
    }
  }
  sched::wake(kernel, caller_ref);
}

}  // namespace kernel::ipc
