// kernel-model/tcb.cpp — invocations of TCBs: registers, spaces, priorities, bindings. Replacing a TCB's own capability
// deletes the old one in units, so these operations are preemptible: UserFrame.phase counts the places already replaced.
#include "kernel-model/cspace.h"
#include "kernel-model/invoke.h"
#include "kernel-model/ipc.h"
#include "kernel-model/sched.h"
#include "kernel-model/vspace.h"

#include "base/enforce.h"

namespace kernel {

namespace {

constexpr u32 kIntegerWords = 32;  // pc, x1–x31
constexpr u32 kFloatWords = 33;    // f0–f31, fcsr
constexpr u64 kBufferAlignment = u64{1} << kIpcBufferBits;

/// One of a thread's own places and what is to be in it: a copy of `source`, or nothing when `source` is null.
struct Replacement {
  TcbSlot place = kTcbSelf;
  Ref<Slot> source;
  Cap source_cap;        // as it was checked; the source may change while the old cap is being deleted
  Cap cap;               // the derived copy
  u64 buffer_vaddr = 0;  // of the buffer's place: where the thread sees it
};
struct Replacements {
  u32 count = 0;
  Replacement list[kMessageCapsMax];
  void add(const Replacement& replacement) {
    ASSERT(count < kMessageCapsMax);
    list[count++] = replacement;
  }
};

/// The cap that came with the call, as far as it can be used: a dying object's counts as Null.
Cap extra_cap(const Kernel& kernel, const Invocation& call, u32 index) {
  ASSERT(index < call.extra_count);
  const Cap& cap = kernel.at(call.extra[index]).cap;
  return cspace::is_usable(kernel, cap) ? cap : Cap{};
}

Result<Replacement> plan_cspace(Kernel& kernel, const Invocation& call, u32 index, u64 guard_data) {
  const Ref<Slot> source = call.extra[index];
  const Cap cap = TRY(cspace::derive_node(kernel, source, guard_data));
  return Replacement{kTcbCSpace, source, kernel.at(source).cap, cap};
}

Result<Replacement> plan_vspace(Kernel& kernel, const Invocation& call, u32 index) {
  const Cap cap = extra_cap(kernel, call, index);
  if (!vspace::is_assigned(kernel, cap)) return illegal_operation();
  return Replacement{kTcbVSpace, call.extra[index], cap, cap};
}

Result<Replacement> plan_buffer(Kernel& kernel, const Invocation& call, u32 index, u64 vaddr) {
  if (vaddr == 0) return Replacement{.place = kTcbBuffer};
  const Cap cap = extra_cap(kernel, call, index);
  if (cap.type != CapType::Frame || (cap.flags & 1) != 0 || cap.bits < kIpcBufferBits) return illegal_operation();
  if (!base::is_aligned(vaddr, kBufferAlignment)) return error(ResultLabel::AlignmentError);
  const Cap copy = TRY(cspace::derive(kernel, call.extra[index], kRightsAll));
  return Replacement{kTcbBuffer, call.extra[index], kernel.at(call.extra[index]).cap, copy, vaddr};
}

/// A fault or timeout handler: Null, or an Endpoint with Write and Grant or GrantReply.
Result<Replacement> plan_handler(Kernel& kernel, const Invocation& call, u32 index, TcbSlot place, u64 number) {
  const Cap cap = extra_cap(kernel, call, index);
  if (cap.is_null()) return Replacement{.place = place};
  const bool can_reply = (cap.rights & (kRightGrant | kRightGrantReply)) != 0;
  if (cap.type != CapType::Endpoint || (cap.rights & kRightWrite) == 0 || !can_reply) return invalid_capability(number);
  return Replacement{place, call.extra[index], cap, cap};
}

/// Replaces the places one after the other: trash emptied, old cap into trash, new cap in place, trash emptied. The
/// thread sees old or new, nothing between. The caller's `phase` keeps how many places are done.
Step replace(Kernel& kernel, Invocation& call, const Replacements& replacements) {
  Tcb& thread = kernel.at(Ref<Tcb>{call.cap.object});
  u8& phase = kernel.at(call.caller).frame.phase;
  const Ref<Slot> trash = kernel.ref_of(thread.slots[kTcbTrash]);
  for (u32 done = phase; done <= replacements.count; ++done) {  // ≤ 4 rounds
    const u64 units_before = kernel.entry().units;
    if (cspace::delete_slot(kernel, trash) == Step::Preempted) return Step::Preempted;
    if (done == replacements.count) break;
    // What was deleted may have taken the thread with it: then the repeated call finds out.
    if (kernel.entry().units != units_before && kernel.at(call.slot).cap != call.cap) return Step::Preempted;
    const Replacement& next = replacements.list[done];
    // Or the source.
    if (next.source && kernel.at(next.source).cap != next.source_cap) return Step::Preempted;
    const Ref<Slot> place = kernel.ref_of(thread.slots[next.place]);
    kernel.charge(kernel.costs().insert_or_move);
    if (!kernel.at(place).cap.is_null()) cspace::move_slot(kernel, place, trash);
    if (next.source) {
      cspace::insert_child(kernel, next.source, place, next.cap);
      kernel.emit(base::EventKind::CapCopy, next.cap.object, place.offset, next.source.offset, next.cap.rights);
    }
    if (next.place == kTcbBuffer) thread.buffer_vaddr = next.buffer_vaddr;
    phase = static_cast<u8>(done + 1);
  }
  return Step::Done;
}

void drop_pending_call(Tcb& thread) {
  thread.frame.pending = 0;
  thread.frame.phase = 0;
}

// ── Registers ────────────────────────────────────────────────────────────────────────────────────────────────

Result<Step> read_registers(Kernel& kernel, Invocation& call, Ref<Tcb> target) {
  if (call.length < 2) return truncated_message();
  const u64 flags = argument(kernel, call, 0);
  const u64 count = argument(kernel, call, 1);
  if (target == call.caller) return illegal_operation();
  if (count < 1 || count > kRegisterCount) return range_error(1, kRegisterCount);
  if ((flags & 1) != 0) ipc::suspend(kernel, target);
  for (u32 i = 0; i < count; ++i) put_result(kernel, call, i, kernel.at(target).context[i]);
  return Step::Done;
}

Result<Step> write_registers(Kernel& kernel, Invocation& call, Ref<Tcb> target) {
  if (call.length < 2) return truncated_message();
  const u64 flags = argument(kernel, call, 0);
  const u64 count = argument(kernel, call, 1);
  if (target == call.caller) return illegal_operation();
  if (count < 1 || count > kRegisterCount) return range_error(1, kRegisterCount);
  if (call.length < 2 + count) return truncated_message();
  Tcb& thread = kernel.at(target);
  for (u32 i = 0; i < count; ++i) thread.context[i] = argument(kernel, call, 2 + i);
  drop_pending_call(thread);
  kernel.machine().thread_reset(target);
  if ((flags & 1) != 0) ipc::resume(kernel, target);
  return Step::Done;
}

Result<Step> copy_registers(Kernel& kernel, Invocation& call, Ref<Tcb> target) {
  if (call.length < 1 || call.extra_count < 1) return truncated_message();
  const u64 flags = argument(kernel, call, 0);
  const Cap source_cap = extra_cap(kernel, call, 0);
  if (source_cap.type != CapType::Tcb) return invalid_capability(1);
  const Ref<Tcb> source{source_cap.object};
  if ((flags & 1) != 0) ipc::suspend(kernel, source);
  const Tcb& from = kernel.at(source);
  Tcb& to = kernel.at(target);
  const bool integers = (flags & 4) != 0;
  const bool floats = (flags & 8) != 0;
  for (u32 i = 0; integers && i < kIntegerWords; ++i) to.context[i] = from.context[i];
  for (u32 i = kIntegerWords; floats && i < kIntegerWords + kFloatWords; ++i) to.context[i] = from.context[i];
  if (integers && target != call.caller) drop_pending_call(to);
  if (integers || floats) kernel.machine().thread_reset(target);
  if ((flags & 2) != 0) ipc::resume(kernel, target);
  return Step::Done;
}

// ── Spaces ───────────────────────────────────────────────────────────────────────────────────────────────────

/// Configure(guard data, buffer vaddr; cspace, vspace, frame).
Result<Step> configure(Kernel& kernel, Invocation& call) {
  if (call.length < 2 || call.extra_count < 3) return truncated_message();
  const u64 guard_data = argument(kernel, call, 0);
  const u64 vaddr = argument(kernel, call, 1);
  const Replacement node = TRY(plan_cspace(kernel, call, 0, guard_data));
  Replacements replacements;
  replacements.add(TRY(plan_vspace(kernel, call, 1)));
  replacements.add(TRY(plan_buffer(kernel, call, 2, vaddr)));
  replacements.add(node);  // last: a thread may configure itself, and repeats the call through its CSpace
  return replace(kernel, call, replacements);
}

/// SetIpcBuffer(vaddr; frame).
Result<Step> set_ipc_buffer(Kernel& kernel, Invocation& call) {
  if (call.length < 1 || call.extra_count < 1) return truncated_message();
  const u64 vaddr = argument(kernel, call, 0);
  Replacements replacements;
  replacements.add(TRY(plan_buffer(kernel, call, 0, vaddr)));
  return replace(kernel, call, replacements);
}

/// SetSpace(guard data; fault, cspace, vspace).
Result<Step> set_space(Kernel& kernel, Invocation& call) {
  if (call.length < 1 || call.extra_count < 3) return truncated_message();
  const u64 guard_data = argument(kernel, call, 0);
  Replacements replacements;
  replacements.add(TRY(plan_handler(kernel, call, 0, kTcbFaultEndpoint, 1)));
  const Replacement node = TRY(plan_cspace(kernel, call, 1, guard_data));
  replacements.add(TRY(plan_vspace(kernel, call, 2)));
  replacements.add(node);
  return replace(kernel, call, replacements);
}

/// SetTimeoutEndpoint(; endpoint or Null).
Result<Step> set_timeout_endpoint(Kernel& kernel, Invocation& call) {
  if (call.extra_count < 1) return truncated_message();
  Replacements replacements;
  replacements.add(TRY(plan_handler(kernel, call, 0, kTcbTimeoutEndpoint, 1)));
  return replace(kernel, call, replacements);
}

// ── Priorities and scheduling contexts ───────────────────────────────────────────────────────────────────────

/// The MCP of the authority in extra cap 0.
Result<u8> authority_mcp(Kernel& kernel, const Invocation& call) {
  const Cap cap = extra_cap(kernel, call, 0);
  if (cap.type != CapType::Tcb) return invalid_capability(1);
  return kernel.at(Ref<Tcb>{cap.object}).mcp;
}

void apply_priority(Kernel& kernel, Ref<Tcb> target, u8 priority) {
  sched::set_priority(kernel, target, priority);
  ipc::requeue(kernel, target);
}

Result<Step> set_priority(Kernel& kernel, Invocation& call, Ref<Tcb> target) {
  if (call.length < 1 || call.extra_count < 1) return truncated_message();
  const u64 priority = argument(kernel, call, 0);
  const u8 mcp = TRY(authority_mcp(kernel, call));
  if (priority > mcp) return range_error(0, mcp);
  apply_priority(kernel, target, static_cast<u8>(priority));
  return Step::Done;
}

Result<Step> set_mcp(Kernel& kernel, Invocation& call, Ref<Tcb> target) {
  if (call.length < 1 || call.extra_count < 1) return truncated_message();
  const u64 value = argument(kernel, call, 0);
  const u8 mcp = TRY(authority_mcp(kernel, call));
  if (value > mcp) return range_error(0, mcp);
  kernel.at(target).mcp = static_cast<u8>(value);
  return Step::Done;
}

bool is_blocked(const Tcb& thread) {
  switch (thread.state) {
    case ThreadState::BlockedOnReceive:
    case ThreadState::BlockedOnSend:
    case ThreadState::BlockedOnReply:
    case ThreadState::BlockedOnNotification: return true;
    case ThreadState::Inactive:
    case ThreadState::Running:
    case ThreadState::Restart: return false;
  }
  UNREACHABLE("a thread in an unknown state");
}

/// Whether `sc` (null: unbind) may become the target's; changes nothing.
Result<void> check_binding(Kernel& kernel, const Invocation& call, Ref<Tcb> target, Ref<SchedContext> sc) {
  const Tcb& thread = kernel.at(target);
  if (!sc) {
    if (target == call.caller) return illegal_operation();
    return {};
  }
  if (thread.sc == sc) return {};
  const SchedContext& context = kernel.at(sc);
  if (thread.sc || context.tcb) return illegal_operation();
  if ((context.config_flags & kSchedInner) != 0) return illegal_operation();
  if (is_blocked(thread) && !sched::eligible(kernel, sc)) return illegal_operation();
  return {};
}

/// SetSchedParams(mcp, priority; authority, sc, fault).
Result<Step> set_sched_params(Kernel& kernel, Invocation& call, Ref<Tcb> target) {
  if (call.length < 2 || call.extra_count < 3) return truncated_message();
  const u64 new_mcp = argument(kernel, call, 0);
  const u64 priority = argument(kernel, call, 1);
  const u8 mcp = TRY(authority_mcp(kernel, call));
  if (new_mcp > mcp || priority > mcp) return range_error(0, mcp);
  const Cap sc_cap = extra_cap(kernel, call, 1);
  if (!sc_cap.is_null() && sc_cap.type != CapType::SchedContext) return invalid_capability(2);
  const Ref<SchedContext> sc{sc_cap.object};
  TRY(check_binding(kernel, call, target, sc));
  Replacements replacements;
  replacements.add(TRY(plan_handler(kernel, call, 2, kTcbFaultEndpoint, 3)));
  if (replace(kernel, call, replacements) == Step::Preempted) return Step::Preempted;
  // Deleting the old handler cannot have bound anything: what was checked still holds unless the SC itself is gone.
  if (kernel.at(call.extra[1]).cap != sc_cap && !sc_cap.is_null()) return Step::Preempted;
  Tcb& thread = kernel.at(target);
  thread.mcp = static_cast<u8>(new_mcp);
  apply_priority(kernel, target, static_cast<u8>(priority));
  if (sc && thread.sc != sc) {
    sched::bind_tcb(kernel, sc, target);
  } else if (!sc && thread.sc) {
    sched::unbind_tcb(kernel, thread.sc);
  }
  return Step::Done;
}

// ── The rest ─────────────────────────────────────────────────────────────────────────────────────────────────

Result<Step> set_engine(Kernel& kernel, Invocation& call, Ref<Tcb> target) {
  if (call.length < 1) return truncated_message();
  const u64 kind = argument(kernel, call, 0);
  Tcb& thread = kernel.at(target);
  if (thread.state != ThreadState::Inactive) return illegal_operation();
  if (kind < static_cast<u64>(EngineKind::Native) || kind > static_cast<u64>(EngineKind::Lonala)) {
    return invalid_argument(0);
  }
  thread.engine = static_cast<u8>(kind);
  kernel.machine().thread_reset(target);
  return Step::Done;
}

Result<Step> set_name(Kernel& kernel, Invocation& call, Ref<Tcb> target) {
  if (call.length < 4) return truncated_message();
  Tcb& thread = kernel.at(target);
  for (u32 i = 0; i < sizeof thread.name / 8; ++i) {
    base::store_le64(reinterpret_cast<u8*>(thread.name) + 8 * i, argument(kernel, call, i));
  }
  return Step::Done;
}

/// An extension: state, place and core of a thread, and the object it waits at (the Reply, if for an answer).
Result<Step> inspect(Kernel& kernel, Invocation& call, Ref<Tcb> target) {
  const Tcb& thread = kernel.at(target);
  ThreadPlace place = ThreadPlace::Nowhere;
  if (sched::is_current(kernel, target)) {
    place = ThreadPlace::Current;
  } else if (thread.queue_kind != 0) {
    place = thread.queue_kind == 1 ? ThreadPlace::Queued : ThreadPlace::WaitsForBudget;
  }
  put_result(kernel, call, 0, static_cast<u64>(thread.state));
  put_result(kernel, call, 1, static_cast<u64>(place));
  put_result(kernel, call, 2, thread.core);
  put_result(kernel, call, 3, thread.state == ThreadState::BlockedOnReply ? thread.reply.offset : thread.blocked_on);
  return Step::Done;
}

/// Bit 0 of the first word, an extension, asks how far the thread had come: afterwards it is inactive, and before, what it
/// calls may go on to receive its request.
Result<Step> suspend(Kernel& kernel, Invocation& call, Ref<Tcb> target) {
  const Tcb& thread = kernel.at(target);
  const bool tells = call.length >= 1 && (argument(kernel, call, 0) & 1) != 0;
  if (tells) {
    if (target == call.caller) return illegal_operation();
    put_result(kernel, call, 0, static_cast<u64>(thread.state));
    put_result(kernel, call, 1, thread.frame.pending);
    put_result(kernel, call, 2, thread.fault.type);
  }
  ipc::suspend(kernel, target);
  return Step::Done;
}

Result<Step> dispatch(Kernel& kernel, Invocation& call) {
  const Ref<Tcb> target{call.cap.object};
  switch (static_cast<Invoke>(call.label)) {
    case Invoke::TcbReadRegisters: return read_registers(kernel, call, target);
    case Invoke::TcbWriteRegisters: return write_registers(kernel, call, target);
    case Invoke::TcbCopyRegisters: return copy_registers(kernel, call, target);
    case Invoke::TcbConfigure: return configure(kernel, call);
    case Invoke::TcbSetPriority: return set_priority(kernel, call, target);
    case Invoke::TcbSetMcp: return set_mcp(kernel, call, target);
    case Invoke::TcbSetSchedParams: return set_sched_params(kernel, call, target);
    case Invoke::TcbSetTimeoutEndpoint: return set_timeout_endpoint(kernel, call);
    case Invoke::TcbSetIpcBuffer: return set_ipc_buffer(kernel, call);
    case Invoke::TcbSetSpace: return set_space(kernel, call);
    case Invoke::TcbSuspend: return suspend(kernel, call, target);
    case Invoke::TcbResume: ipc::resume(kernel, target); return Step::Done;
    case Invoke::TcbBindNotification:
      if (call.extra_count < 1) return truncated_message();
      TRY(ipc::bind_notification(kernel, target, extra_cap(kernel, call, 0)));
      return Step::Done;
    case Invoke::TcbUnbindNotification:
      if (!kernel.at(target).bound_notification) return illegal_operation();
      ipc::unbind_notification(kernel, target);
      return Step::Done;
    case Invoke::TcbSetTls:
      if (call.length < 1) return truncated_message();
      kernel.at(target).tls_base = argument(kernel, call, 0);
      return Step::Done;
    case Invoke::TcbSetEngine: return set_engine(kernel, call, target);
    case Invoke::TcbSetName: return set_name(kernel, call, target);
    case Invoke::TcbInspect: return inspect(kernel, call, target);
    default:  // labels of other objects are no labels here
      return illegal_operation();
  }
}

}  // namespace

Result<Step> invoke_tcb(Kernel& kernel, Invocation& call) {
  auto result = dispatch(kernel, call);
  // A repeated call goes on where it stopped; one that ended begins anew.
  if (!result.ok() || *result == Step::Done) kernel.at(call.caller).frame.phase = 0;
  return result;
}

}  // namespace kernel
