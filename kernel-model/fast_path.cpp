// kernel-model/fast_path.cpp — whole entries of the kinds that a system makes most: Call and ReplyRecv between a caller and
// a passive server of one core, and Yield between round-robin threads. All conditions are looked at first and nothing
// changes until they hold; then follow the very transitions, costs and events of the general code, which gets there in
// many small steps. What is not of the simple kind goes there.
// Tested by   tests/kernel/fast_path_test.cpp: the same random calls with and without this file
#include "kernel-model/fast_path.h"

#include "kernel-model/ipc_parts.h"
#include "kernel-model/sched_parts.h"

#include "base/enforce.h"

namespace kernel {
namespace {

using base::EventKind;
using namespace ipc;

constexpr u32 kEventsMax = 5;  // of one such entry

// The events of the entry, written in place and counted once. kFolds: somebody wants the digest.
template <bool kFolds>
class Writer {
 public:
  Writer(base::EventLog& log, const base::EventSink& sink, u32 core)
      : log_(log),
        at_(log.next),
        leaves_(sink.leaves),
        sequence_(log.count),
        place_(base::place_word(sink.node, core)),
        cause_(log.cause),
        order_(log.order) {}

  void cause(u64 cause) { cause_ = cause; }
  [[gnu::always_inline]] void write(u64 time, EventKind kind, u32 thread, u32 object, u64 a, u64 b, u64 c,
                                    u16 flags = 0) {
    const base::EventWords words = {.time_ns = time,
                                    .word1 = place_ + base::kind_word(kind, flags),
                                    .word2 = base::subject_word(thread, object),
                                    .a = a,
                                    .b = b,
                                    .c = c,
                                    .cause = cause_};
    sequence_ += 1;
    base::EventLog::put(*at_, words, sequence_);
    if constexpr (kFolds) {
      base::EventLog::fold(words, sequence_, leaves_[static_cast<u32>(base::kLanes.of(kind))], order_);
    }
    at_ += 1;
  }
  [[gnu::always_inline]] void close() {
    log_.next = at_;
    log_.count = sequence_;
    if constexpr (kFolds) log_.order = order_;
    if (at_ == log_.limit) [[unlikely]]
      log_.turn(log_);
  }

 private:
  base::EventLog& log_;
  base::Event* at_;
  base::D128* leaves_;
  u64 sequence_;
  u64 place_;
  u64 cause_;
  base::D128 order_;
};

// What the entry under way is about.
template <bool kFolds>
struct Situation {
  Kernel& kernel;
  CoreState& core;
  Ref<Tcb> self;
  Tcb& tcb;
  Ref<SchedContext> sc_ref;
  SchedContext& sc;
  u64 now;        // when the call begins: after the cost of the entry
  u64 grant_end;  // of the core's grant, which is that of `sc`
  u64 timer;      // when the next context that waits for budget is due; 0 none
  Writer<kFolds> events;
};

[[gnu::always_inline]] inline bool is_dying(const ObjectHeader& header) { return (header.flags & kObjectDying) != 0; }

// Whether the thread may have the core at once: passive, of this core, and nobody queued is more important.
template <bool kFolds>
[[gnu::always_inline]] inline bool may_follow(const Situation<kFolds>& at, const Tcb& next) {
  if (next.sc || next.core != at.tcb.core || next.yield_to) return false;
  return at.core.queued_count == 0 || sched::highest_level(at.core) <= next.priority;
}

// Whether nothing but the call itself happens until `now`: no context is due, and the grant is long enough.
template <bool kFolds>
[[gnu::always_inline]] inline bool is_quiet(const Situation<kFolds>& at, u64 now) {
  return (at.timer == 0 || at.timer > now) && now + kMinBudget <= at.grant_end;
}

// ── Messages ─────────────────────────────────────────────────────────────────────────────────────────────────

// A message without capabilities and where it goes. Words beyond the registers lie in both buffers.
struct Parcel {
  MessageInfo info;
  u32 length = 0;
  bool in_buffer = false;
  const u64* from = nullptr;  // msg of the buffers, when any word lies there
  u64* to = nullptr;
  u64 cost = 0;
};

[[gnu::always_inline]] inline bool wrap(Kernel& kernel, const Tcb& sender, const Tcb& receiver, Parcel& parcel) {
  parcel.info = MessageInfo{sender.frame.info};
  parcel.length = parcel.info.length();
  parcel.in_buffer = parcel.info.in_buffer();
  if (parcel.info.extra_caps() != 0) return false;
  if (parcel.length <= kMessageRegisters && !parcel.in_buffer) return true;
  const IpcBuffer* from = buffer_of(kernel, sender, false);
  IpcBuffer* to = buffer_of(kernel, receiver, true);
  if (from == nullptr || to == nullptr) return false;
  parcel.from = from->msg;
  parcel.to = to->msg;
  if (parcel.length > kMessageRegisters) {
    parcel.cost = (parcel.length - kMessageRegisters) * kernel.costs().message_word;
  }
  return true;
}

// The receiver's call completes with the message. Returns the digest's first word.
[[gnu::always_inline]] inline u64 hand(const Parcel& parcel, const Tcb& sender, Tcb& receiver, u64 badge) {
  base::D128 digest;
  const u32 in_registers = parcel.length < kMessageRegisters ? parcel.length : kMessageRegisters;
  const u64* words = parcel.in_buffer ? parcel.from : sender.frame.mr;
  for (u32 i = 0; i < in_registers; ++i) {
    const u64 word = words[i];
    digest.fold(word);
    receiver.frame.mr[i] = word;
  }
  if (parcel.to != nullptr) [[unlikely]] {
    for (u32 i = kMessageRegisters; i < parcel.length; ++i) digest.fold(parcel.from[i]);
    const u32 first = parcel.in_buffer ? 0 : kMessageRegisters;
    __builtin_memmove(parcel.to + first, parcel.from + first, u64{parcel.length - first} * sizeof(u64));
  }
  digest.fold(u64{parcel.length} * 8);
  receiver.frame.cap = badge;
  receiver.frame.info =
      MessageInfo::make(parcel.info.label(), parcel.length, 0, parcel.in_buffer ? MessageInfo::kInBuffer : 0).word();
  finish_call(receiver);
  return digest.out().high;
}

[[gnu::always_inline]] inline u16 transfer_flags(const Parcel& parcel) {
  return static_cast<u16>(parcel.length | 1u << 12);
}

// ── The end of an entry ──────────────────────────────────────────────────────────────────────────────────────

// `next` runs from here on; the entry has come to `now`.
template <bool kFolds>
[[gnu::always_inline]] inline void run(Situation<kFolds>& at, Ref<Tcb> next_ref, Tcb& next, u64 now, u64 grant_end,
                                       Exit& exit) {
  Kernel& kernel = at.kernel;
  CoreState& core = at.core;
  core.current = next_ref;
  if (next_ref != at.self) {
    now += kernel.costs().thread_switch;
    core.switches += 1;
    const Cap& space = next.slots[kTcbVSpace].cap;
    if (space.type == CapType::VSpace) {
      kernel.at(Ref<VSpace>{space.object}).cores[next.core / 64] |= u64{1} << next.core % 64;
    }
  }
  ASSERT(core.idle == 0);
  u64 run_for = grant_end > now ? grant_end - now : 0;
  if (at.timer != 0) {
    const u64 to_timer = at.timer > now ? at.timer - now : 0;
    if (to_timer < run_for) run_for = to_timer;
  }
  const u64 woken = kernel.events().woken_by[next.thread_id & kThreadSlotMask];
  if (woken != 0) at.events.cause(woken);
  at.events.write(now, EventKind::SchedRun, next.thread_id, next.sc.offset, at.tcb.thread_id, run_for, at.timer);
  at.events.close();
  core.syscalls += 1;
  core.local_time = now;
  exit.next = next_ref;
  exit.run_for = run_for;
  exit.timer = at.timer;
  exit.cost = now - (at.now - kernel.costs().syscall);
  exit.restart = next.frame.pending != 0;
}

// The SC goes from its holder, which is about to stop, to a passive thread of the same core.
template <bool kFolds>
[[gnu::always_inline]] inline void hand_over(Situation<kFolds>& at, Ref<Tcb> to, Tcb& taker, u64 now, u32 emitter) {
  ASSERT(at.sc.home == taker.core && at.sc.tcb == at.self);
  at.tcb.sc = {};
  at.sc.tcb = to;
  taker.sc = at.sc_ref;
  at.events.write(now, EventKind::BudgetDonate, emitter, at.sc_ref.offset, at.self.offset, to.offset, 0);
}

// ── Call, ReplyRecv ──────────────────────────────────────────────────────────────────────────────────────────

template <bool kFolds>
[[gnu::always_inline]] inline bool call(Situation<kFolds>& at, Exit& exit) {
  Kernel& kernel = at.kernel;
  Tcb& tcb = at.tcb;
  const u64 cptr = tcb.frame.cap;
  const Ref<Slot> slot = cspace::direct_slot(tcb, cptr);
  if (!slot || has_fault(tcb)) return false;
  const Cap& cap = kernel.at(slot).cap;
  if (cap.type != CapType::Endpoint || (cap.rights & kRightWrite) == 0 || (cap.rights & kAnyGrant) == 0) return false;
  const Ref<Endpoint> endpoint_ref{cap.object};
  Endpoint& endpoint = kernel.at(endpoint_ref);
  if (endpoint.state != EndpointState::Recv || is_dying(endpoint.header) || endpoint.cancel_cursor) return false;
  const Ref<Tcb> server_ref = endpoint.head;
  Tcb& server = kernel.at(server_ref);
  if (!server.reply || !may_follow(at, server)) return false;
  Parcel parcel;
  if (!wrap(kernel, tcb, server, parcel)) return false;
  const u64 handed = at.now + kernel.costs().fast_call + parcel.cost;
  if (!is_quiet(at, handed)) return false;
  const Ref<Reply> reply_ref = server.reply;
  Reply& reply = kernel.at(reply_ref);
  const u64 badge = cap.data;

  // ── point of no return ──
  at.events.write(at.now, EventKind::IpcCall, tcb.thread_id, endpoint_ref.offset, cptr, parcel.info.word(), badge);
  ASSERT(server.blocked_on == endpoint_ref.offset);
  endpoint.head = server.queue_next;
  if (server.queue_next) {
    kernel.at(server.queue_next).queue_prev = {};
    server.queue_next = {};
  } else {
    endpoint.tail = {};
    endpoint.state = EndpointState::Idle;
  }
  server.blocked_on = 0;
  const u64 digest = hand(parcel, tcb, server, badge);
  at.events.write(handed, EventKind::IpcTransfer, server.thread_id, endpoint_ref.offset, tcb.thread_id, badge, digest,
                  transfer_flags(parcel));
  ASSERT(reply.tcb == server_ref);  // Q7
  server.reply = {};
  reply.tcb = at.self;
  tcb.reply = reply_ref;
  tcb.state = ThreadState::BlockedOnReply;
  push_call(kernel, reply_ref, at.sc_ref);
  hand_over(at, server_ref, server, handed, 0);
  server.state = ThreadState::Running;
  run(at, server_ref, server, handed, at.grant_end, exit);
  return true;
}

template <bool kFolds>
[[gnu::always_inline]] inline bool reply_recv(Situation<kFolds>& at, Exit& exit) {
  Kernel& kernel = at.kernel;
  Tcb& tcb = at.tcb;
  UserFrame& frame = tcb.frame;
  const Ref<Slot> reply_slot = cspace::direct_slot(tcb, frame.reply);
  if (!reply_slot || frame.phase != 0 || kernel.at(reply_slot).cap.type != CapType::Reply) return false;
  const Ref<Reply> reply_ref{kernel.at(reply_slot).cap.object};
  Reply& reply = kernel.at(reply_ref);
  if (reply.next != (at.sc_ref.offset | kHeadMark) || !reply.tcb) return false;
  const Ref<Tcb> caller_ref = reply.tcb;
  Tcb& caller = kernel.at(caller_ref);
  if (has_fault(caller) || !may_follow(at, caller)) return false;
  const Ref<Slot> slot = cspace::direct_slot(tcb, frame.cap);
  if (!slot) return false;
  const Cap& cap = kernel.at(slot).cap;
  if (cap.type != CapType::Endpoint || (cap.rights & kRightRead) == 0) return false;
  const Ref<Endpoint> endpoint_ref{cap.object};
  Endpoint& endpoint = kernel.at(endpoint_ref);
  if (is_dying(endpoint.header) || endpoint.state == EndpointState::Send) return false;
  if (tcb.bound_notification) {
    const Notification& bound = kernel.at(tcb.bound_notification);
    if (bound.state == NotificationState::Active || (bound.sc && bound.sc == at.sc_ref)) return false;
  }
  Parcel parcel;
  if (!wrap(kernel, tcb, caller, parcel)) return false;
  const u64 begun = at.now + kernel.costs().fast_reply;
  const u64 handed = begun + parcel.cost;
  if (!is_quiet(at, handed)) return false;

  // ── point of no return ──
  at.events.write(begun, EventKind::IpcReply, tcb.thread_id, reply_ref.offset, frame.reply, frame.info, 0);
  at.events.write(begun, EventKind::IpcRecv, tcb.thread_id, endpoint_ref.offset, frame.cap, 0, cap.data);
  pop_call(kernel, reply_ref, at.sc_ref);
  hand_over(at, caller_ref, caller, begun, tcb.thread_id);
  ASSERT(caller.reply == reply_ref);  // Q7
  caller.reply = {};
  const u64 digest = hand(parcel, tcb, caller, 0);
  at.events.write(handed, EventKind::IpcTransfer, caller.thread_id, reply_ref.offset, tcb.thread_id, 0, digest,
                  transfer_flags(parcel));
  frame.phase = 1;
  tcb.state = ThreadState::BlockedOnReceive;
  reply.tcb = at.self;
  tcb.reply = reply_ref;
  if (endpoint.head) {
    queue_on(kernel, endpoint_ref, at.self, EndpointState::Recv);
  } else {
    endpoint.state = EndpointState::Recv;
    endpoint.head = at.self;
    endpoint.tail = at.self;
    tcb.blocked_on = endpoint_ref.offset;
  }
  caller.state = ThreadState::Running;
  run(at, caller_ref, caller, handed, at.grant_end, exit);
  return true;
}

// ── Yield ────────────────────────────────────────────────────────────────────────────────────────────────────

// Round robin and below nobody: eligible at any time, and its grant is what is left of its slice.
[[gnu::always_inline]] inline bool is_plain(const SchedContext& sc) {
  return sched::is_configured(sc) && sched::is_round_robin(sc) && !sc.parent;
}

template <bool kFolds>
[[gnu::always_inline]] inline bool yield(Situation<kFolds>& at, Exit& exit) {
  Kernel& kernel = at.kernel;
  CoreState& core = at.core;
  Tcb& tcb = at.tcb;
  SchedContext& sc = at.sc;
  Level& level = core.levels[tcb.priority];
  const Ref<Tcb> next_ref = level.head;
  if (!next_ref || sched::highest_level(core) != tcb.priority || !is_plain(sc)) return false;
  Tcb& next = kernel.at(next_ref);
  SchedContext& next_sc = kernel.at(next.sc);
  if (next.yield_to || !is_plain(next_sc) || (at.timer != 0 && at.timer <= at.now)) return false;

  // ── point of no return ──
  // The grant ends.
  const u64 start = core.grant_start;
  const u64 used = at.now > start ? at.now - start : 0;
  sc.consumed += used;
  const u64 given_up = sc.slice_left > used ? sc.slice_left - used : 0;
  sc.slice_left = sc.budget;
  if (used > 0) at.events.write(at.now, EventKind::BudgetCharge, tcb.thread_id, at.sc_ref.offset, used, start, 1);
  at.events.write(at.now, EventKind::SchedYield, tcb.thread_id, at.sc_ref.offset, given_up, 0, 0);
  finish_call(tcb);
  tcb.state = ThreadState::Running;
  // The first of the level leaves, the yielder becomes the last.
  ASSERT(next.queue_kind == sched::kQueueRun && tcb.queue_kind == sched::kQueueNone);
  const Ref<Tcb> after = next.queue_next;
  next.queue_next = {};
  next.queue_kind = sched::kQueueNone;
  if (after) {
    kernel.at(after).queue_prev = {};
    level.head = after;
    tcb.queue_prev = level.tail;
    kernel.at(level.tail).queue_next = at.self;
  } else {
    level.head = at.self;
  }
  level.tail = at.self;
  tcb.queue_kind = sched::kQueueRun;
  // The next one's grant begins.
  const u64 granted = at.now + kernel.costs().schedule;
  if (next_sc.slice_left < kMinBudget) next_sc.slice_left = next_sc.budget;
  ASSERT(next_sc.slice_left >= kMinBudget && next_sc.slice_left <= kPeriodMax);
  core.grant_sc = next.sc;
  core.grant_start = granted;
  core.grant_amount = next_sc.slice_left;
  kernel.header().dispatch_counter += 1;
  next_sc.last_dispatch = kernel.header().dispatch_counter;
  if (next.state == ThreadState::Restart && next.frame.pending == 0) next.state = ThreadState::Running;
  run(at, next_ref, next, granted + kernel.costs().sc_switch, granted + core.grant_amount, exit);
  return true;
}

// Whether an idle core might take one of the threads that queue somewhere: then it is to be asked.
bool is_work_offered(const Kernel& kernel) {
  for (u32 i = 0; i < kernel.core_count(); ++i) {
    if (kernel.core(i).queued_count != 0) return true;
  }
  return false;
}

template <bool kFolds>
bool take(Kernel& kernel, CoreState& core, const Entry& entry, Exit& exit) {
  base::EventLog& log = *kernel.log();
  Tcb& tcb = kernel.at(core.current);
  if (!tcb.sc || core.grant_sc != tcb.sc) return false;
  Situation<kFolds> at{.kernel = kernel,
                       .core = core,
                       .self = core.current,
                       .tcb = tcb,
                       .sc_ref = tcb.sc,
                       .sc = kernel.at(tcb.sc),
                       .now = entry.now + kernel.costs().syscall,
                       .grant_end = core.grant_start + core.grant_amount,
                       .timer = 0,
                       .events = Writer<kFolds>{log, kernel.events(), entry.core}};
  if (!sched::is_configured(at.sc) || at.now + kMinBudget > at.grant_end) return false;
  if (core.release_root) at.timer = kernel.at(sched::tree_first(kernel, core.release_root)).wait_until;
  const KernelHeader& header = kernel.header();
  if (header.idle_count > 0 && header.stealing != 0 && is_work_offered(kernel)) return false;
  switch (tcb.frame.call) {
    case static_cast<i32>(Syscall::Call): return call(at, exit);
    case static_cast<i32>(Syscall::ReplyRecv): return reply_recv(at, exit);
    case static_cast<i32>(Syscall::Yield):
      return header.idle_count == 0 && entry.choices.choose == nullptr && yield(at, exit);
    default: return false;
  }
}

}  // namespace

bool take_fast_path(Kernel& kernel, CoreState& core, const Entry& entry, Exit& exit) {
  const base::EventLog* log = kernel.log();
  if (log == nullptr || log->limit - log->next < kEventsMax || !core.current) return false;
  return log->folding ? take<true>(kernel, core, entry, exit) : take<false>(kernel, core, entry, exit);
}

}  // namespace kernel
