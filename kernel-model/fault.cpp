// kernel-model/fault.cpp — faults are messages to the endpoint in the thread's fault (or timeout) slot, sent like a
// blocking Call; the reply decides whether, and with which registers, the thread goes on.
// What a fault record keeps in its four words: Cap: cptr, packed lookup failure, guard · UnknownSyscall: number ·
// UserException: pc, sp, number, code · Timeout: badge, consumed, level · Vm: ip, address, is_fetch, access.
#include "kernel-model/ipc_parts.h"
#include "kernel-model/sched.h"

#include "base/enforce.h"

namespace kernel::ipc {
namespace {

constexpr u32 kPc = 0;
constexpr u32 kRa = 1;
constexpr u32 kSp = 2;
constexpr u32 kA0 = 10;
constexpr u32 kArgumentCount = 7;  // a0–a6
constexpr u32 kMessageWords = 11;  // the longest: UnknownSyscall

// word 1 of a Cap fault: in_receive · failure << 8 · first word << 16 · last word << 24; word 2: a guard.
u64 pack_lookup(bool in_receive, const cspace::LookupError& why) {
  const u64 last = why.failure == LookupFailure::GuardMismatch ? why.words[2] : why.words[1];
  return u64{in_receive} | static_cast<u64>(why.failure) << 8 | why.words[0] << 16 | last << 24;
}

struct FaultMessage {
  u32 length = 0;
  u64 words[kMessageWords] = {};
  void add(u64 word) { words[length++] = word; }
};

FaultMessage message_of(const Tcb& tcb) {
  const FaultRecord& fault = tcb.fault;
  FaultMessage message;
  switch (static_cast<FaultType>(fault.type)) {
    case FaultType::Cap: {
      const u64 packed = fault.words[1];
      const LookupFailure failure = static_cast<LookupFailure>(packed >> 8 & 0xFF);
      message.add(tcb.context[kPc]);
      message.add(fault.words[0]);
      message.add(packed & 1);
      message.add(static_cast<u64>(failure));
      const u32 count = cspace::word_count_of(failure);
      if (count >= 1) message.add(packed >> 16 & 0xFF);
      if (count == 2) message.add(packed >> 24 & 0xFF);
      if (count == 3) {
        message.add(fault.words[2]);
        message.add(packed >> 24 & 0xFF);
      }
      break;
    }
    case FaultType::UnknownSyscall:
      message.add(tcb.context[kPc]);
      message.add(tcb.context[kSp]);
      message.add(tcb.context[kRa]);
      for (u32 i = 0; i < kArgumentCount; ++i) message.add(tcb.context[kA0 + i]);
      message.add(fault.words[0]);
      break;
    case FaultType::UserException:
    case FaultType::Vm:
      for (const u64 word : fault.words) message.add(word);
      break;
    case FaultType::Timeout:
      for (u32 i = 0; i < 3; ++i) message.add(fault.words[i]);
      break;
    case FaultType::None: UNREACHABLE("a message of no fault");
  }
  return message;
}

const Cap& handler_of(const Tcb& tcb, FaultType type) {
  return tcb.slots[type == FaultType::Timeout ? kTcbTimeoutEndpoint : kTcbFaultEndpoint].cap;
}

bool is_handler(const Kernel& kernel, const Cap& cap) {
  return cap.type == CapType::Endpoint && cspace::is_usable(kernel, cap);
}

// Registers that the reply's words replace; how many were written.
u32 write_back(const MessageView& reply, Tcb& tcb) {
  u32 targets[kRegisterCount];
  u32 count = 0;
  switch (static_cast<FaultType>(tcb.fault.type)) {
    case FaultType::UnknownSyscall:
      for (const u32 index : {kPc, kSp, kRa}) targets[count++] = index;
      for (u32 i = 0; i < kArgumentCount; ++i) targets[count++] = kA0 + i;
      break;
    case FaultType::UserException:
      for (const u32 index : {kPc, kSp}) targets[count++] = index;
      break;
    case FaultType::Timeout:
      for (u32 i = 0; i < kRegisterCount; ++i) targets[count++] = i;
      break;
    case FaultType::Cap:
    case FaultType::Vm:
    case FaultType::None: break;
  }
  if (count > reply.length) count = reply.length;
  for (u32 i = 0; i < count; ++i) tcb.context[targets[i]] = reply.word(i);
  return count;
}

}  // namespace

bool has_timeout_handler(const Kernel& kernel, const Tcb& thread) {
  return is_handler(kernel, handler_of(thread, FaultType::Timeout));
}

bool send_fault(Kernel& kernel, Ref<Tcb> thread, const FaultRecord& fault) {
  Tcb& tcb = kernel.at(thread);
  const FaultType type = static_cast<FaultType>(fault.type);
  const Cap handler = handler_of(tcb, type);
  const bool handled = is_handler(kernel, handler);
  if (type == FaultType::Timeout) {
    if (!handled) return false;
    kernel.emit(base::EventKind::TrapTimeout, tcb.sc.offset, fault.words[2], fault.words[1], 0, 0, tcb.thread_id);
  } else {
    const u64 ip = type == FaultType::Cap || type == FaultType::UnknownSyscall ? tcb.context[kPc] : fault.words[0];
    const u64 address = type == FaultType::Vm ? fault.words[1] : type == FaultType::Cap ? fault.words[0] : 0;
    kernel.emit(base::EventKind::TrapFault, 0, fault.type, ip, address, 0, tcb.thread_id);
  }
  if (tcb.yield_to) sched::complete_yield(kernel, tcb.yield_to);
  tcb.fault = fault;
  if (!handled) {
    kernel.emit(base::EventKind::TrapUnhandled, 0, fault.type, 0, 0, 0, tcb.thread_id);
    sched::unschedule(kernel, thread);
    tcb.state = ThreadState::Inactive;
    return true;
  }
  send(kernel, thread, Ref<Endpoint>{handler.object},
       {.badge = handler.data,
        .rights = handler.rights,
        .is_call = true,
        .blocking = true,
        .may_donate = type != FaultType::Timeout});
  return true;
}

bool send_timeout(Kernel& kernel, Ref<Tcb> thread, u64 level) {
  Tcb& tcb = kernel.at(thread);
  if (!has_timeout_handler(kernel, tcb)) return false;
  FaultRecord fault;
  fault.type = static_cast<u16>(FaultType::Timeout);
  fault.words[0] = kernel.at(tcb.sc).badge;
  fault.words[1] = sched::take_consumed(kernel, tcb.sc);
  fault.words[2] = level;
  return send_fault(kernel, thread, fault);
}

void cap_fault(Kernel& kernel, Ref<Tcb> thread, u64 cptr, bool in_receive, const cspace::LookupError& why) {
  FaultRecord fault;
  fault.type = static_cast<u16>(FaultType::Cap);
  fault.words[0] = cptr;
  fault.words[1] = pack_lookup(in_receive, why);
  if (why.failure == LookupFailure::GuardMismatch) fault.words[2] = why.words[1];
  send_fault(kernel, thread, fault);
}

void transfer_fault(Kernel& kernel, Ref<Tcb> faulted, Ref<Tcb> receiver, u32 object, u64 badge) {
  const Tcb& tcb = kernel.at(faulted);
  const FaultMessage message = message_of(tcb);
  deliver(kernel, receiver, tcb.fault.type, {message.words, message.length}, badge);
  base::D128 digest;
  for (u32 i = 0; i < message.length; ++i) digest.fold(message.words[i]);
  digest.fold(u64{message.length} * 8);
  kernel.emit(base::EventKind::IpcTransfer, object, tcb.thread_id, badge, digest.out().high,
              static_cast<u16>(message.length), kernel.at(receiver).thread_id);
}

bool answer_fault(Kernel& kernel, Ref<Tcb> replier, Ref<Tcb> faulted) {
  Tcb& tcb = kernel.at(faulted);
  const FaultType type = static_cast<FaultType>(tcb.fault.type);
  const u64 label = MessageInfo{kernel.at(replier).frame.info}.label();
  const bool always = type == FaultType::Cap || type == FaultType::Vm;
  const bool goes_on = always || label == 0;
  kernel.emit(base::EventKind::TrapFaultReply, 0, tcb.fault.type, goes_on ? 1 : 0, 0, 0, tcb.thread_id);
  if (goes_on && !always) {
    const u32 written = write_back(view_of(kernel, kernel.at(replier)), tcb);
    // The unknown call was answered. New registers drop whatever else was pending.
    if (type == FaultType::UnknownSyscall || written > 0) finish_call(tcb);
    if (written > 0) kernel.machine().thread_reset(faulted);
  }
  tcb.fault = {};
  return goes_on;
}

}  // namespace kernel::ipc
