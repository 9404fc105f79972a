// kernel-model/sched_invoke.cpp — invocations of SchedControl and SchedContext: all that can fail first, in the order
// of the specification, then the change.
#include "kernel-model/cspace.h"
#include "kernel-model/invoke.h"
#include "kernel-model/sched.h"
#include "kernel-model/sched_parts.h"

#include "base/enforce.h"

namespace kernel {
namespace {

constexpr u32 kConfigureWords = 6;

bool is_blocked(const Tcb& tcb) { return tcb.state >= ThreadState::BlockedOnReceive; }

Cap extra_cap(Kernel& kernel, const Invocation& invocation, u32 index) {
  const Cap cap = kernel.at(invocation.extra[index]).cap;
  return cspace::is_usable(kernel, cap) ? cap : Cap{};
}

// The checks that Configure and ConfigureChild share; `range` of the control or the parent.
struct CoreRange {
  u32 first = 0;
  u32 count = 1;
};
Result<sched::Configuration> decode(Kernel& kernel, const Invocation& invocation, Ref<SchedContext> ref,
                                    CoreRange range) {
  const SchedContext& sc = kernel.at(ref);
  const u64 budget = argument(kernel, invocation, 0);
  const u64 period = argument(kernel, invocation, 1);
  const u64 extra_refills = argument(kernel, invocation, 2);
  const u64 flags = argument(kernel, invocation, 4) & (kSchedSporadic | kSchedPinned | kSchedInner);
  const u64 home = argument(kernel, invocation, 5);
  const bool inner = (flags & kSchedInner) != 0;
  if (budget < kMinBudget || budget > kPeriodMax) return range_error(kMinBudget, kPeriodMax);
  if (period < kMinBudget || period > kPeriodMax) return range_error(kMinBudget, kPeriodMax);
  const u64 budget_max = inner ? period * range.count : period;
  if (budget > budget_max) return range_error(kMinBudget, budget_max);
  const u32 extra_max = sched::refill_room(sc.header.size_bits) - kRefillsMin;
  if (extra_refills > extra_max) return range_error(0, extra_max);
  if (home < range.first || home >= u64{range.first} + range.count) {
    return range_error(range.first, range.first + range.count - 1);
  }
  if (inner && (sc.tcb || sc.notification)) return illegal_operation();
  if (!inner && sc.first_child) return illegal_operation();
  const bool same_range = sc.first_core == range.first && sc.core_count == range.count;
  if (sc.first_child && !same_range) return illegal_operation();
  return sched::Configuration{.budget = budget,
                              .period = period,
                              .extra_refills = extra_refills,
                              .badge = argument(kernel, invocation, 3),
                              .flags = flags,
                              .home = static_cast<u8>(home),
                              .first_core = static_cast<u8>(range.first),
                              .core_count = static_cast<u8>(range.count)};
}

// Configures `ref` and wakes what waits below it. `phase` of the caller tells a call that goes on from a new one.
Step configure_and_wake(Kernel& kernel, Ref<Tcb> caller, Ref<SchedContext> ref,
                        const sched::Configuration& configuration) {
  UserFrame& frame = kernel.at(caller).frame;
  const bool goes_on = frame.phase == 1;
  if (!goes_on) sched::configure(kernel, ref, configuration);
  const Step step = sched::wake_below(kernel, ref, goes_on ? sched::Walk::GoesOn : sched::Walk::Begins);
  frame.phase = step == Step::Preempted ? 1 : 0;
  return step;
}

Result<Step> configure_child(Kernel& kernel, const Invocation& invocation, Ref<SchedContext> parent_ref) {
  if (invocation.length < kConfigureWords || invocation.extra_count < 1) return truncated_message();
  const Cap child_cap = extra_cap(kernel, invocation, 0);
  if (child_cap.type != CapType::SchedContext) return invalid_capability(1);
  const Ref<SchedContext> child{child_cap.object};
  const SchedContext& parent = kernel.at(parent_ref);
  if (!sched::is_configured(parent) || !sched::is_inner(parent)) return illegal_operation();
  if (sched::chain_contains(kernel, parent_ref, child)) return illegal_operation();
  // A subtree stays where it is: every node below would have to change its depth.
  if (kernel.at(child).first_child && kernel.at(child).parent != parent_ref) return illegal_operation();
  if (parent.depth >= kBudgetDepthMax) return range_error(0, kBudgetDepthMax);
  const u64 home = argument(kernel, invocation, 5);
  if (home < parent.first_core || home >= u64{parent.first_core} + parent.core_count) {
    return range_error(parent.first_core, u64{parent.first_core} + parent.core_count - 1);
  }
  sched::Configuration configuration = TRY(decode(kernel, invocation, child, {parent.first_core, parent.core_count}));
  configuration.parent = parent_ref;
  return configure_and_wake(kernel, invocation.caller, child, configuration);
}

Result<Step> bind(Kernel& kernel, const Invocation& invocation, Ref<SchedContext> ref) {
  if (invocation.extra_count < 1) return truncated_message();
  const Cap cap = extra_cap(kernel, invocation, 0);
  SchedContext& sc = kernel.at(ref);
  if (cap.type == CapType::Tcb) {
    const Ref<Tcb> thread{cap.object};
    const Tcb& tcb = kernel.at(thread);
    if (sc.tcb || tcb.sc || sched::is_inner(sc)) return illegal_operation();
    if (is_blocked(tcb) && !sched::eligible(kernel, ref)) return illegal_operation();
    sched::bind_tcb(kernel, ref, thread);
    return Step::Done;
  }
  if (cap.type == CapType::Notification) {
    Notification& notification = kernel.at(Ref<Notification>{cap.object});
    if (sc.notification || notification.sc || sched::is_inner(sc)) return illegal_operation();
    sc.notification = Ref<Notification>{cap.object};
    notification.sc = ref;
    return Step::Done;
  }
  return invalid_capability(1);
}

Result<Step> unbind(Kernel& kernel, const Invocation& invocation, Ref<SchedContext> ref) {
  if (kernel.at(ref).tcb == invocation.caller) return illegal_operation();
  sched::unbind_tcb(kernel, ref);
  sched::unbind_notification(kernel, ref);
  return Step::Done;
}

Result<Step> unbind_object(Kernel& kernel, const Invocation& invocation, Ref<SchedContext> ref) {
  if (invocation.extra_count < 1) return truncated_message();
  const Cap cap = extra_cap(kernel, invocation, 0);
  const SchedContext& sc = kernel.at(ref);
  if (cap.type == CapType::Tcb) {
    if (sc.tcb.offset != cap.object || sc.tcb == invocation.caller) return illegal_operation();
    sched::unbind_tcb(kernel, ref);
    return Step::Done;
  }
  if (cap.type == CapType::Notification) {
    if (sc.notification.offset != cap.object) return illegal_operation();
    sched::unbind_notification(kernel, ref);
    return Step::Done;
  }
  return invalid_capability(1);
}

Result<Step> yield_to(Kernel& kernel, const Invocation& invocation, Ref<SchedContext> ref) {
  const SchedContext& sc = kernel.at(ref);
  if (!sc.tcb || sc.tcb == invocation.caller) return illegal_operation();
  if (kernel.at(sc.tcb).priority > kernel.at(invocation.caller).mcp) return illegal_operation();
  if (!sched::yield_to(kernel, ref)) put_result(kernel, invocation, 0, sched::take_consumed(kernel, ref));
  return Step::Done;
}

}  // namespace

Result<Step> invoke_sched_control(Kernel& kernel, Invocation& invocation) {
  if (static_cast<Invoke>(invocation.label) != Invoke::SchedControlConfigure) return illegal_operation();
  if (invocation.length < kConfigureWords || invocation.extra_count < 1) return truncated_message();
  const Cap cap = extra_cap(kernel, invocation, 0);
  if (cap.type != CapType::SchedContext) return invalid_capability(1);
  const Ref<SchedContext> ref{cap.object};
  const u64 data = invocation.cap.data;
  const CoreRange range{static_cast<u32>(data & 0xFFFF), static_cast<u32>(data >> 16 & 0xFFFF)};
  const sched::Configuration configuration = TRY(decode(kernel, invocation, ref, range));
  // A subtree does not become a tree of its own: every node below it would have to change its depth.
  if (kernel.at(ref).parent && kernel.at(ref).first_child) return illegal_operation();
  return configure_and_wake(kernel, invocation.caller, ref, configuration);
}

Result<Step> invoke_sched_context(Kernel& kernel, Invocation& invocation) {
  const Ref<SchedContext> ref{invocation.cap.object};
  switch (static_cast<Invoke>(invocation.label)) {
    case Invoke::SchedContextBind: return bind(kernel, invocation, ref);
    case Invoke::SchedContextUnbind: return unbind(kernel, invocation, ref);
    case Invoke::SchedContextUnbindObject: return unbind_object(kernel, invocation, ref);
    case Invoke::SchedContextConsumed:
      put_result(kernel, invocation, 0, sched::take_consumed(kernel, ref));
      return Step::Done;
    case Invoke::SchedContextYieldTo: return yield_to(kernel, invocation, ref);
    case Invoke::SchedContextConfigureChild: return configure_child(kernel, invocation, ref);
    default: return illegal_operation();
  }
}

}  // namespace kernel
