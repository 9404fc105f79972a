// tests/kernel/lab_script.cpp — what threads of the lab do, and what they were told.
#include <ostream>

#include "tests/kernel/lab.h"

namespace lab {
namespace {

const char* const kLabelNames[] = {"ok",          "InvalidArgument", "InvalidCapability", "IllegalOperation",
                                   "RangeError",  "AlignmentError",  "FailedLookup",      "TruncatedMessage",
                                   "DeleteFirst", "RevokeFirst",     "NotEnoughMemory",   "ReplyLost",
                                   "nothing",     "signal"};

std::string listed(const Words& words) {
  std::string text = "(";
  for (std::size_t i = 0; i < words.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(words[i]);
  return text + ")";
}

bool gives_message(i32 number) {
  switch (static_cast<Syscall>(number)) {
    case Syscall::ReplyRecv:
    case Syscall::NBSendRecv:
    case Syscall::NBSendWait:
    case Syscall::Recv:
    case Syscall::NBRecv:
    case Syscall::Wait:
    case Syscall::NBWait:
    case Syscall::Poll: return true;
    default: return false;
  }
}

Action system_call_of(Syscall number, Cptr cap, Message body = {}, Cptr reply = 0, Cptr dest = 0) {
  Action action;
  action.frame.call = static_cast<i32>(number);
  action.frame.cap = cap;
  action.frame.reply = reply;
  action.frame.dest = dest;
  action.message = std::move(body);
  return action;
}

}  // namespace

// ── Actions ──────────────────────────────────────────────────────────────────────────────────────────────────
Message message(u64 label, Words words, std::vector<Cptr> caps) {
  return {label, std::move(words), std::move(caps), false, 0};
}
Action send(Cptr cap, Message body) { return system_call_of(Syscall::Send, cap, std::move(body)); }
Action nb_send(Cptr cap, Message body) { return system_call_of(Syscall::NBSend, cap, std::move(body)); }
Action call(Cptr cap, Message body) { return system_call_of(Syscall::Call, cap, std::move(body)); }
Action recv(Cptr cap, Cptr reply) { return system_call_of(Syscall::Recv, cap, {}, reply); }
Action nb_recv(Cptr cap, Cptr reply) { return system_call_of(Syscall::NBRecv, cap, {}, reply); }
Action reply_recv(Cptr cap, Cptr reply, Message body) {
  return system_call_of(Syscall::ReplyRecv, cap, std::move(body), reply);
}
Action nb_send_recv(Cptr dest, Message body, Cptr cap, Cptr reply) {
  return system_call_of(Syscall::NBSendRecv, cap, std::move(body), reply, dest);
}
Action nb_send_wait(Cptr dest, Message body, Cptr cap) {
  return system_call_of(Syscall::NBSendWait, cap, std::move(body), 0, dest);
}
Action wait(Cptr cap) { return system_call_of(Syscall::Wait, cap); }
Action nb_wait(Cptr cap) { return system_call_of(Syscall::NBWait, cap); }
Action signal(Cptr cap) { return system_call_of(Syscall::Signal, cap); }
Action poll(Cptr cap) { return system_call_of(Syscall::Poll, cap); }
Action yield() { return system_call_of(Syscall::Yield, 0); }
Action system_call(i32 number, Message body, Cptr cap) {
  return system_call_of(static_cast<Syscall>(number), cap, std::move(body));
}
Action invoke(Cptr cap, Invoke label, Words words, std::vector<Cptr> caps) {
  return call(cap, message(static_cast<u64>(label), std::move(words), std::move(caps)));
}
Action compute(u64 ns) {
  Action action;
  action.kind = Action::Kind::Compute;
  action.ns = ns;
  return action;
}
Action spin() {
  Action action;
  action.kind = Action::Kind::Spin;
  return action;
}
Action fault(FaultType type, Words words) {
  Action action;
  action.kind = Action::Kind::Fault;
  action.fault.type = static_cast<u16>(type);
  for (std::size_t i = 0; i < words.size() && i < 4; ++i) action.fault.words[i] = words[i];
  return action;
}

// ── Outcomes ─────────────────────────────────────────────────────────────────────────────────────────────────
std::string Outcome::text() const {
  if (!done) return "pending";
  std::string text;
  if (!received && !kernel) return is_reply ? std::to_string(label) + listed(words) : "done";
  if (kernel && !received) {
    text = label < 14 ? kLabelNames[label] : "label " + std::to_string(label);
    return words.empty() ? text : text + listed(words);
  }
  if (kernel && label == static_cast<u64>(ResultLabel::Signal)) return "signal " + std::to_string(badge);
  if (kernel && label == static_cast<u64>(ResultLabel::Nothing)) return "nothing";
  text = (kernel ? "fault " : "") + std::to_string(label) + listed(words);
  if (badge != 0) text += " badge " + std::to_string(badge);
  return text;
}
std::ostream& operator<<(std::ostream& out, const Outcome& outcome) { return out << outcome.text(); }

// ── Threads ──────────────────────────────────────────────────────────────────────────────────────────────────
Tcb& Thread::object() const { return lab_->kernel_->at(ref); }
SchedContext& Thread::sc_object() const {
  REQUIRE(bool(object().sc));
  return lab_->kernel_->at(object().sc);
}
ThreadState Thread::state() const { return object().state; }
bool Thread::parked() const { return !gone && parking_ && object().frame.pending != 0; }
bool Thread::finished() const {
  if (script_.empty()) return true;
  return script_.size() == 1 && issued_ && !parking_ && !gone && object().frame.pending == 0;
}
IpcBuffer* Thread::buffer() const {
  const Tcb& thread = object();
  const Cap& cap = thread.slots[kTcbBuffer].cap;
  if (cap.type != CapType::Frame || thread.buffer_vaddr == 0) return nullptr;
  const u64 inside = thread.buffer_vaddr & ((u64{1} << cap.bits) - 1);
  return reinterpret_cast<IpcBuffer*>(lab_->ram_ + cap.object + inside);
}
void Thread::receive_into(Cptr cnode, u64 index, u64 depth) {
  IpcBuffer* there = buffer();
  REQUIRE(there != nullptr);
  there->receive_root = cnode;
  there->receive_index = index;
  there->receive_depth = depth;
}

void Thread::capture() {
  const UserFrame& frame = object().frame;
  Outcome told;
  told.done = true;
  told.call = frame.call;
  told.received = gives_message(frame.call);
  told.is_reply = frame.call == static_cast<i32>(Syscall::Call);
  if (told.received || told.is_reply) {
    const MessageInfo info{frame.info};
    told.kernel = info.from_kernel();
    told.label = info.label();
    told.length = info.length();
    told.badge = frame.cap;
    for (u32 i = 0; i < kMessageRegisters; ++i) told.mr[i] = frame.mr[i];
    told.extra_caps = info.extra_caps();
    told.in_buffer = info.in_buffer();
    const IpcBuffer* there = buffer();
    for (u32 i = 0; i < info.length(); ++i) {
      if (there != nullptr && (info.in_buffer() || i >= kMessageRegisters)) {
        told.words.push_back(there->msg[i]);
      } else if (i < kMessageRegisters) {
        told.words.push_back(frame.mr[i]);
      }
    }
    if (there != nullptr) {
      told.unwrapped = there->caps_unwrapped;
      for (u32 i = 0; i < 3; ++i) told.badges[i] = there->caps_or_badges[i];
    }
  }
  last_ = told;
}

Outcome Thread::outcome() {
  if (issued_ && !parking_) {
    if (gone || object().frame.pending != 0) return {};
    capture();
  }
  return last_;
}
Thread& Thread::later(Action action) {
  if (parked()) lab_->to_unpark_.push_back(this);
  script_.push_back(std::move(action));
  last_ = {};
  return *this;
}
Thread& Thread::later(std::initializer_list<Action> actions) {
  for (const Action& action : actions) later(action);
  return *this;
}
Outcome Thread::does(Action action) {
  later(std::move(action));
  lab_->settle();
  return finished() ? outcome() : Outcome{};
}

}  // namespace lab
