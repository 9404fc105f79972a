// kernel-model/check_threads.cpp — the invariants of threads and queues (Q) and of time (S), over every object that a
// capability reaches; and the whole check.
#include "kernel-model/cspace.h"
#include "kernel-model/sched.h"
#include "kernel-model/sched_parts.h"

#include "base/enforce.h"

namespace kernel {
namespace {

// One mark a 64-byte block: in which kind of queue the object that begins there was met.
enum Mark : u32 { kUnseen = 0, kInRunQueue = 1, kInTree = 2, kInEndpoint = 3, kInNotification = 4, kIsCurrent = 5 };

class ThreadChecker {
 public:
  ThreadChecker(const Kernel& kernel, base::MutableBytes scratch)
      : kernel_(kernel), marks_(reinterpret_cast<u32*>(scratch.data())), mark_count_(kernel.ram_bytes() / 64) {
    ASSERT(scratch.size() >= mark_count_ * sizeof(u32));
  }

  Violation run() {
    __builtin_memset(marks_, 0, mark_count_ * sizeof(u32));
    // Cores and queues first: they mark every thread they hold, then each thread compares its state with its mark.
    if (check_cores() && for_each_cap([&](const Cap& cap) { return check_queue(cap); })) {
      for_each_cap([&](const Cap& cap) { return check_object(cap); });
    }
    return violation_;
  }

 private:
  bool fail(const char* name, u32 object, u64 detail = 0) {
    violation_ = {name, object, detail};
    return false;
  }
  u32& mark(u32 offset) { return marks_[offset / 64]; }
  bool set_mark(u32 offset, Mark value) {
    if (mark(offset) != kUnseen) return fail("Q1", offset, value);
    mark(offset) = value;
    return true;
  }

  template <class F>
  bool for_each_cap(F&& act) {
    const Ref<Slot> anchor = kernel_.ref_of(kernel_.header().anchor);
    for (Ref<Slot> at = cspace::next_in_preorder(kernel_, anchor); at; at = cspace::next_in_preorder(kernel_, at)) {
      if (!act(kernel_.at(at).cap)) return false;
    }
    return true;
  }

  bool check_cores() {
    u32 idle = 0;
    for (u32 i = 0; i < kernel_.core_count(); ++i) {
      const CoreState& core = kernel_.core(i);
      idle += core.idle;
      if (core.current) {
        const Tcb& tcb = kernel_.at(core.current);
        if (tcb.core != i || !sched::is_runnable(tcb) || tcb.queue_kind != sched::kQueueNone) {
          return fail("Q5", core.current.offset, i);
        }
        if (!set_mark(core.current.offset, kIsCurrent)) return false;
      }
      if (!check_run_queues(i) || !check_tree(i, core.release_root, 0)) return false;
    }
    return idle == kernel_.header().idle_count || fail("Q4", 0, idle);
  }

  bool check_run_queues(u32 index) {
    const CoreState& core = kernel_.core(index);
    u32 queued = 0;
    for (u32 priority = 0; priority <= kPriorityMax; ++priority) {
      const Level& level = core.levels[priority];
      const bool bit = (core.level_map[priority / 64] >> priority % 64 & 1) != 0;
      if (bit != bool(level.head) || bool(level.head) != bool(level.tail)) return fail("Q4", priority, index);
      Ref<Tcb> before;
      for (Ref<Tcb> at = level.head; at; at = kernel_.at(at).queue_next) {
        const Tcb& tcb = kernel_.at(at);
        if (!set_mark(at.offset, kInRunQueue)) return false;
        if (tcb.queue_prev != before || tcb.priority != priority || tcb.core != index)
          return fail("Q3", at.offset, index);
        if (!sched::is_runnable(tcb) || tcb.queue_kind != sched::kQueueRun) return fail("Q1", at.offset, index);
        if (!tcb.sc || !sched::is_configured(kernel_.at(tcb.sc)) || kernel_.at(tcb.sc).home != index) {
          return fail("Q1", at.offset, index);
        }
        before = at;
        ++queued;
      }
      if (level.tail != before) return fail("Q3", priority, index);
    }
    return queued == core.queued_count || fail("Q4", index, queued);
  }

  // Recursion as deep as the tree, which is balanced.
  bool check_tree(u32 core, Ref<SchedContext> at, u32 depth) {
    if (!at) return true;
    const SchedContext& sc = kernel_.at(at);
    if (depth > 64) return fail("S2", at.offset, depth);
    if (sc.in_tree == 0 || sc.home != core || !sc.tcb) return fail("S2", at.offset, core);
    const Tcb& tcb = kernel_.at(sc.tcb);
    if (!sched::is_runnable(tcb) || tcb.queue_kind != sched::kQueueRelease || tcb.core != core) {
      return fail("S2", at.offset, core);
    }
    if (!set_mark(sc.tcb.offset, kInTree)) return false;
    const u32 left = sc.tree_left ? kernel_.at(sc.tree_left).tree_level : 0;
    const u32 right = sc.tree_right ? kernel_.at(sc.tree_right).tree_level : 0;
    if (left + 1 != sc.tree_level || right > sc.tree_level || right + 1 < sc.tree_level)
      return fail("S2", at.offset, depth);
    if (sc.tree_left && !sched::released_before(kernel_.at(sc.tree_left), sc.tree_left, sc, at))
      return fail("S2", at.offset);
    if (sc.tree_right && !sched::released_before(sc, at, kernel_.at(sc.tree_right), sc.tree_right))
      return fail("S2", at.offset);
    return check_tree(core, sc.tree_left, depth + 1) && check_tree(core, sc.tree_right, depth + 1);
  }

  bool check_waiters(u32 object, Ref<Tcb> head, Ref<Tcb> tail, Mark kind, ThreadState state) {
    Ref<Tcb> before;
    for (Ref<Tcb> at = head; at; at = kernel_.at(at).queue_next) {
      const Tcb& tcb = kernel_.at(at);
      if (!set_mark(at.offset, kind)) return false;
      if (tcb.state != state || tcb.blocked_on != object) return fail("Q2", at.offset, object);
      if (tcb.queue_prev != before) return fail("Q3", at.offset, object);
      if (before && kernel_.at(before).priority < tcb.priority) return fail("Q3", at.offset, object);
      before = at;
    }
    return tail == before || fail("Q3", object);
  }

  bool check_queue(const Cap& cap) {
    if (cap.type == CapType::Endpoint) {
      if (mark(cap.object) != kUnseen) return true;
      mark(cap.object) = 1;
      const Endpoint& endpoint = kernel_.at(Ref<Endpoint>{cap.object});
      if ((endpoint.state == EndpointState::Idle) == bool(endpoint.head)) return fail("Q2", cap.object);
      const bool sends = endpoint.state == EndpointState::Send;
      if (endpoint.cancel_cursor) {
        const Tcb& cursor = kernel_.at(endpoint.cancel_cursor);
        if (!sends || cursor.state != ThreadState::BlockedOnSend || cursor.blocked_on != cap.object)
          return fail("Q2", cap.object);
      }
      return check_waiters(cap.object, endpoint.head, endpoint.tail, kInEndpoint,
                           sends ? ThreadState::BlockedOnSend : ThreadState::BlockedOnReceive);
    }
    if (cap.type == CapType::Notification) {
      if (mark(cap.object) != kUnseen) return true;
      mark(cap.object) = 1;
      const Notification& notification = kernel_.at(Ref<Notification>{cap.object});
      if ((notification.state == NotificationState::Waiting) != bool(notification.head)) return fail("Q6", cap.object);
      if (notification.state != NotificationState::Active && notification.word != 0) return fail("Q6", cap.object);
      if (notification.bound_tcb && notification.head &&
          (notification.head != notification.bound_tcb || notification.tail != notification.head)) {
        return fail("Q6", cap.object);
      }
      return check_waiters(cap.object, notification.head, notification.tail, kInNotification,
                           ThreadState::BlockedOnNotification);
    }
    return true;
  }

  bool check_object(const Cap& cap) {
    switch (cap.type) {
      case CapType::Tcb: return check_thread(Ref<Tcb>{cap.object});
      case CapType::SchedContext: return check_context(Ref<SchedContext>{cap.object});
      case CapType::Reply: return check_reply(Ref<Reply>{cap.object});
      case CapType::Notification: {
        const Notification& notification = kernel_.at(Ref<Notification>{cap.object});
        if (notification.sc && kernel_.at(notification.sc).notification.offset != cap.object)
          return fail("Q7", cap.object);
        if (notification.bound_tcb && kernel_.at(notification.bound_tcb).bound_notification.offset != cap.object) {
          return fail("Q7", cap.object);
        }
        return true;
      }
      default: return true;
    }
  }

  bool check_thread(Ref<Tcb> ref) {
    const Tcb& tcb = kernel_.at(ref);
    u32 wanted = kUnseen;
    switch (tcb.state) {
      case ThreadState::Inactive: break;
      case ThreadState::Running:
      case ThreadState::Restart:
        if (is_current(ref)) {
          wanted = kIsCurrent;
        } else if (tcb.sc && sched::is_configured(kernel_.at(tcb.sc))) {
          wanted = kernel_.at(tcb.sc).in_tree != 0 ? kInTree : kInRunQueue;
        }
        break;
      case ThreadState::BlockedOnReceive:
      case ThreadState::BlockedOnSend: wanted = kInEndpoint; break;
      case ThreadState::BlockedOnReply: break;
      case ThreadState::BlockedOnNotification: wanted = kInNotification; break;
    }
    if (mark(ref.offset) != wanted) return fail("Q1", ref.offset, wanted);
    const bool queued = wanted == kInRunQueue || wanted == kInTree;
    if (queued != (tcb.queue_kind != sched::kQueueNone)) return fail("Q1", ref.offset, tcb.queue_kind);
    if (wanted != kInRunQueue && wanted != kInEndpoint && wanted != kInNotification &&
        (tcb.queue_next || tcb.queue_prev)) {
      return fail("Q1", ref.offset);
    }
    if (tcb.sc && kernel_.at(tcb.sc).tcb != ref) return fail("Q7", ref.offset);
    if (tcb.bound_notification && kernel_.at(tcb.bound_notification).bound_tcb != ref) return fail("Q7", ref.offset);
    if (tcb.yield_to && kernel_.at(tcb.yield_to).yield_from != ref) return fail("Q7", ref.offset);
    if (tcb.reply && kernel_.at(tcb.reply).tcb != ref) return fail("Q7", ref.offset);
    if (tcb.state == ThreadState::BlockedOnReply && !tcb.reply) return fail("Q8", ref.offset);
    if (tcb.reply && tcb.state != ThreadState::BlockedOnReply && tcb.state != ThreadState::BlockedOnReceive) {
      return fail("Q7", ref.offset);
    }
    return true;
  }

  bool is_current(Ref<Tcb> ref) const { return sched::is_current(kernel_, ref); }

  bool check_reply(Ref<Reply> ref) {
    const Reply& reply = kernel_.at(ref);
    if (reply.tcb && kernel_.at(reply.tcb).reply != ref) return fail("Q7", ref.offset);
    if (!reply.prev && reply.next == 0) return true;
    if (!reply.tcb || kernel_.at(reply.tcb).state != ThreadState::BlockedOnReply) return fail("Q9", ref.offset);
    if (reply.prev && kernel_.at(reply.prev).next != ref.offset) return fail("Q9", ref.offset);
    if (reply.next == 0) return true;
    const bool ok = (reply.next & 1) != 0 ? kernel_.at(Ref<SchedContext>{reply.next & ~1u}).reply == ref
                                          : kernel_.at(Ref<Reply>{reply.next}).prev == ref;
    return ok || fail("Q9", ref.offset);
  }

  bool check_context(Ref<SchedContext> ref) {
    const SchedContext& sc = kernel_.at(ref);
    if (sc.tcb && kernel_.at(sc.tcb).sc != ref) return fail("Q7", ref.offset);
    if (sc.notification && kernel_.at(sc.notification).sc != ref) return fail("Q7", ref.offset);
    if (sc.yield_from && kernel_.at(sc.yield_from).yield_to != ref) return fail("Q7", ref.offset);
    if (sc.reply && kernel_.at(sc.reply).next != (ref.offset | 1u)) return fail("Q9", ref.offset);
    u32 steps = 0;
    for (Ref<Reply> at = sc.reply; at; at = kernel_.at(at).prev) {
      if (++steps > mark_count_) return fail("Q9", ref.offset, steps);
      const Ref<Tcb> caller = kernel_.at(at).tcb;
      if (!caller || kernel_.at(caller).state != ThreadState::BlockedOnReply) return fail("Q9", at.offset);
    }
    return check_tree_of_budgets(ref) && (sc.refill_max == 0 || check_budget(ref));
  }

  bool check_tree_of_budgets(Ref<SchedContext> ref) {
    const SchedContext& sc = kernel_.at(ref);
    const bool dying = (sc.header.flags & kObjectDying) != 0;
    if (sc.first_child && (!sched::is_inner(sc) || kernel_.at(sc.first_child).sibling_prev))
      return fail("S3", ref.offset);
    if (sc.tcb && sc.refill_max != 0 && sched::is_inner(sc)) return fail("S3", ref.offset);
    if (sc.sibling_next && kernel_.at(sc.sibling_next).sibling_prev != ref) return fail("S3", ref.offset);
    if (sc.sibling_next && kernel_.at(sc.sibling_next).parent != sc.parent) return fail("S3", ref.offset);
    if (sc.waking && (sc.waking == ref || !sched::chain_contains(kernel_, sc.waking, ref)))
      return fail("S3", ref.offset);
    if (!sc.parent) {
      if (sc.sibling_next || sc.sibling_prev) return fail("S3", ref.offset);
      return sc.refill_max == 0 || dying || sc.depth == 1 || fail("S3", ref.offset, sc.depth);
    }
    const SchedContext& parent = kernel_.at(sc.parent);
    if (!sched::is_inner(parent)) return fail("S3", ref.offset);
    if (sc.sibling_prev ? kernel_.at(sc.sibling_prev).sibling_next != ref : parent.first_child != ref)
      return fail("S3", ref.offset);
    if (sc.depth != parent.depth + 1 || sc.depth > kBudgetDepthMax) return fail("S3", ref.offset, sc.depth);
    if (sc.refill_max != 0 && parent.refill_max == 0) return fail("S5", ref.offset);
    return true;
  }

  bool check_budget(Ref<SchedContext> ref) {
    const SchedContext& sc = kernel_.at(ref);
    if (sc.home < sc.first_core || sc.home >= u32{sc.first_core} + sc.core_count)
      return fail("S6", ref.offset, sc.home);
    if (!sched::is_limited(sc)) {
      return (sc.refill_count == 0 && sc.reserved == 0) || fail("S1", ref.offset, sc.refill_count);
    }
    // What cores were granted from a shared node is out of its refills.
    const u64 out = sched::is_shared(sc) ? sc.reserved : 0;
    if ((sc.refill_count < 1 && out == 0) || sc.refill_count > sc.refill_max)
      return fail("S1", ref.offset, sc.refill_count);
    u64 sum = 0;
    u64 last = 0;
    for (u32 i = 0; i < sc.refill_count; ++i) {
      const Refill& refill = sched::refill_at(sc, i);
      if (refill.time < last || refill.amount == 0) return fail("S1", ref.offset, i);
      last = refill.time;
      sum += refill.amount;
    }
    if (sum + out != sc.budget) return fail("S1", ref.offset, sum);
    if (sc.owed != 0 && !sched::is_shared(sc)) return fail("S1", ref.offset, sc.owed);
    u64 granted = 0;
    for (u32 i = 0; i < kernel_.core_count(); ++i) {
      const CoreState& core = kernel_.core(i);
      if (core.grant_sc && sched::chain_contains(kernel_, core.grant_sc, ref)) granted += core.grant_amount;
    }
    return granted == sc.reserved || fail("S4", ref.offset, granted);
  }

  const Kernel& kernel_;
  u32* marks_;
  u64 mark_count_;
  Violation violation_;
};

}  // namespace

Violation check_threads(const Kernel& kernel, base::MutableBytes scratch) {
  return ThreadChecker{kernel, scratch}.run();
}

Violation check_invariants(const Kernel& kernel, base::MutableBytes scratch) {
  const Violation memory = check_memory(kernel, scratch);
  return memory ? memory : check_threads(kernel, scratch);
}

}  // namespace kernel
