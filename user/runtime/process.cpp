// user/runtime/process.cpp — the process half of the runtime: itself, its children, notes and time. Files and names are
// in files.cpp.
#include "user/runtime/process.h"

#include "fs/path.h"
#include "kernel-model/machine.h"
#include "schema/timer.capnp.h"
#include "user/runtime/call.h"
#include "user/runtime/state.h"

#include "base/enforce.h"

namespace user {

using Manager = schema::process::Process;
using Timer = schema::timer::Timer;

namespace {

constexpr u64 kWorkUnitNs = 10;

}  // namespace

// ── Itself ───────────────────────────────────────────────────────────────────────────────────────────────────

std::span<const std::string_view> Process::args() const { return state_.args.span(); }

std::string_view Process::name() const {
  return state_.args.empty() ? std::string_view{} : fs::last_name(state_.args[0]);
}

Pid Process::pid() const { return state_.pid; }

Pid Process::parent_pid() {
  const auto facts = call_again<Manager::Facts>(kSlotRoot, {});
  return facts.ok() ? facts.value().parent : 0;
}

Identity Process::identity() { return state_.identity; }

base::Allocator& Process::heap() { return state_.heap; }

void Process::exit(u32 code) {
  if (state_.files != nullptr) state_.files->close_all();
  // An answer says that the request never got there: none is made.
  static_cast<void>(call_again<Manager::Exit>(kSlotRoot, {.code = code & 255, .closed = true}));
  UNREACHABLE("the manager does not answer an exit");
}

void Process::work(u64 units) {
  machine::charge(units * kWorkUnitNs);
  // A loop that makes no system call meets its notes here.
  if (state_.shared->reserved[kSharedPending] != 0) static_cast<void>(run_pending_notes(state_));
}

// ── Notes ────────────────────────────────────────────────────────────────────────────────────────────────────

bool run_pending_notes(ProcessState& state) {
  if (state.first != nullptr) return state.cancelled;  // notes are the first thread's
  kernel::IpcBuffer& buffer = *state.shared;
  if (buffer.reserved[kSharedPending] == 0 || state.in_handler) return false;
  bool ran = false;
  state.in_handler = true;
  for (u32 rounds = 0; rounds < kNotesMax && buffer.reserved[kSharedPending] != 0; ++rounds) {
    const u32 number = static_cast<u32>(__builtin_ctzll(buffer.reserved[kSharedPending]));
    buffer.reserved[kSharedPending] &= ~(u64{1} << number);
    const NoteHandler handler = state.handlers[number];
    if (handler.run == nullptr) continue;
    handler.run(state.process, number, handler.context);
    ran = true;
  }
  state.in_handler = false;
  return ran;
}

Result<void> Process::on_note(u32 number, NoteAction action, void (*handler)(Process&, u32, void*), void* context) {
  if (number == 0 || number >= kNotesMax) return fs::fail(ErrorCode::BadArgument);
  if (action == NoteAction::Handle && handler == nullptr) return fs::fail(ErrorCode::BadArgument);
  state_.handlers[number] = {handler, context};
  TRY(call_again<Manager::SetNote>(kSlotRoot, {.number = static_cast<u8>(number), .action = static_cast<u8>(action)}));
  return {};
}

Result<void> Process::post(Pid pid, std::string_view note) {
  TRY(call<Manager::Post>(kSlotRoot, {.target = pid, .note = note}));
  run_pending_notes(state_);  // it may have been ours
  return {};
}

Result<void> Process::post_group(Pid group, std::string_view note) {
  TRY(call<Manager::Post>(kSlotRoot, {.target = group, .group = true, .note = note}));
  run_pending_notes(state_);
  return {};
}

// ── Children ─────────────────────────────────────────────────────────────────────────────────────────────────

Result<WaitStatus> Process::wait(const WaitOptions& options) {
  run_pending_notes(state_);
  const auto reply = call_again<Manager::Wait>(kSlotRoot, {.pid = options.pid,
                                                           .group = options.group,
                                                           .no_hang = options.no_hang,
                                                           .stopped = options.report_stopped,
                                                           .set = state_.number,
                                                           .number = ++state_.waits});
  if (!reply.ok()) {
    if (reply.error() == ErrorCode::Interrupted) run_pending_notes(state_);
    return reply.take_failure();
  }
  const Manager::Wait::Reply& end = reply.value();
  WaitStatus status{.pid = end.pid,
                    .code = end.code,
                    .stopped = end.stopped,
                    .note = end.note,
                    .user_ns = end.user_ns,
                    .system_ns = end.system_ns,
                    .real_ns = end.real_ns};
  const u64 bytes = std::min<u64>(end.cause.size(), sizeof status.cause - 1);
  if (bytes > 0) __builtin_memcpy(status.cause, end.cause.data(), bytes);
  return status;
}

Result<void> Process::rfork(u32 flags) {
  TRY(call<Manager::Rfork>(kSlotRoot, {.flags = flags}));
  return {};
}

Pid Process::group() {
  const auto facts = call_again<Manager::Facts>(kSlotRoot, {});
  return facts.ok() ? facts.value().group : 0;
}

Result<void> Process::set_group(Pid pid, Pid group_id) {
  TRY(call<Manager::SetGroup>(kSlotRoot, {.pid = pid, .group = group_id}));
  return {};
}

bool Process::has_console() {
  const auto facts = call_again<Manager::Facts>(kSlotRoot, {});
  return facts.ok() && facts.value().console >= 0;
}

// ── Environment ──────────────────────────────────────────────────────────────────────────────────────────────

Result<base::String> Process::env(std::string_view name) {
  base::String value(state_.heap);
  for (u32 total = 1; value.size() < total;) {
    const auto reply = call_again<Manager::GetEnv>(kSlotRoot, {.name = name, .offset = static_cast<u32>(value.size())});
    if (!reply.ok()) return reply.take_failure();
    total = reply.value().total;
    u8 part[4096];
    const u64 bytes = std::min<u64>(reply.value().value.size(), sizeof part);
    if (bytes > 0) __builtin_memcpy(part, reply.value().value.data(), bytes);
    if (bytes == 0) break;
    value.append(base::text_of({part, bytes}));
  }
  return value;
}

Result<void> Process::set_env(std::string_view name, std::string_view value) {
  constexpr u64 kPartBytes = 4096;
  u64 offset = 0;
  do {
    const std::string_view part = value.substr(offset, kPartBytes);
    TRY(call<Manager::SetEnv>(kSlotRoot,
                              {.name = name, .offset = static_cast<u32>(offset), .value = base::bytes_of(part)}));
    offset += part.size();
  } while (offset < value.size());
  return {};
}

Result<void> Process::unset_env(std::string_view name) {
  TRY(call<Manager::SetEnv>(kSlotRoot, {.name = name, .remove = true}));
  return {};
}

Result<base::Vector<base::String>> Process::env_names() {
  base::Vector<base::String> names(state_.heap);
  for (u32 total = 1; names.size() < total;) {
    const auto reply = call_again<Manager::EnvNames>(kSlotRoot, {.from = static_cast<u32>(names.size())});
    if (!reply.ok()) return reply.take_failure();
    total = reply.value().total;
    if (reply.value().names.empty()) break;
    u8 message[8064];  // the list is a view of the buffer, which allocating may use
    const base::Bytes body = message_body(kernel::MessageInfo{sys::frame().info});
    if (body.size() > 0) __builtin_memcpy(message, body.data(), body.size());
    const auto copied = schema::decode<Manager::EnvNames::Reply>(base::Bytes(message, body.size()));
    if (!copied.ok()) return fs::fail(ErrorCode::ProtocolError);
    for (const std::string_view name : copied.value().names) names.emplace_back(state_.heap, name);
  }
  return names;
}

// ── Time ─────────────────────────────────────────────────────────────────────────────────────────────────────

namespace {

Result<void> find_timer(ProcessState& state) {
  if (state.has_timer) return {};
  sys::set_receive_slot(kSlotCNode, kSlotTimer, kSlotDepth);
  TRY(call_again<Manager::Service>(kSlotRoot, {.name = "timer"}));
  state.has_timer = true;
  return {};
}

/// A request to the timer server; what it took along to its end is asked of its successor.
template <class Method>
Result<typename Method::Reply> ask_timer(const typename Method::Request& request,
                                         std::initializer_list<u64> caps = {}) {
  constexpr u32 kRepeatsMax = 3;
  for (u32 attempt = 0;; ++attempt) {
    const auto reply = call<Method>(kSlotTimer, request, caps);
    if (reply.ok() || !(reply.error() == ErrorCode::ServerRestarted) || attempt == kRepeatsMax) return reply;
  }
}

}  // namespace

u64 Process::uptime_ns() {
  if (!find_timer(state_).ok()) return 0;
  const auto now = ask_timer<Timer::Now>({});
  return now.ok() ? now.value().uptime : 0;
}

i64 Process::wall_ns() {
  if (!find_timer(state_).ok()) return 0;
  const auto now = ask_timer<Timer::Now>({});
  return now.ok() ? now.value().wall : 0;
}

Result<void> Process::sleep(u64 ns) {
  if (run_pending_notes(state_)) return fs::fail(ErrorCode::Interrupted);
  TRY(find_timer(state_));
  const auto now = ask_timer<Timer::Now>({});
  if (!now.ok()) return now.take_failure();
  const u64 uptime_ns = now.value().uptime;
  TRY(wait_for_signal(state_, 0, ns < ~u64{0} - uptime_ns ? uptime_ns + ns : ~u64{0}));
  return {};
}

Result<void> mint_signal(u64 badge) {
  const sys::Answer minted =
      sys::invoke(kSlotCNode, sys::Invoke::CNodeMint,
                  {kSlotScratch, kSlotDepth, kSlotNotification, kSlotDepth, kernel::kRightWrite, badge}, {kSlotCNode});
  if (!minted.ok()) return fs::fail(ErrorCode::IoError);
  return {};
}

void unmint_signal() { sys::invoke(kSlotCNode, sys::Invoke::CNodeDelete, {kSlotScratch, kSlotDepth}); }

Result<u64> wait_for_signal(ProcessState& state, u64 wanted, u64 until_ns) {
  if ((state.kept_signals & kSignalThread) != 0) {
    state.kept_signals &= ~kSignalThread;
    return fs::fail(ErrorCode::Interrupted);
  }
  if ((state.kept_signals & wanted) != 0) {
    const u64 kept = state.kept_signals & wanted;
    state.kept_signals &= ~kept;
    return kept;
  }
  const bool timed = until_ns != ~u64{0};
  if (timed) {
    TRY(find_timer(state));
    // The notification goes with a badge of its own, so that a note is told apart from the alarm.
    TRY(mint_signal(kSignalTimer));
    wanted |= kSignalTimer;
  }
  Result<u64> result = u64{0};
  while (result.ok() && *result == 0) {
    if (timed) {
      // A signal that is nothing we know: the timer server was restarted, and the alarm is set again.
      const auto armed = ask_timer<Timer::Arm>({.uptime = until_ns, .signal = schema::CapIndex::of(0)}, {kSlotScratch});
      if (!armed.ok()) {
        result = armed.error();
        break;
      }
    }
    sys::buffer().user_data = kSlotNotification;  // what it waits for, for /proc
    const u64 badge = sys::wait(kSlotNotification).badge;
    sys::buffer().user_data = 0;
    result = badge & wanted;
    state.kept_signals |= badge & ~wanted & kSignalReady;
    const bool is_told = (badge & kSignalThread) != 0;
    if (*result != 0 && is_told) state.kept_signals |= kSignalThread;
    if (*result == 0 && (run_pending_notes(state) || is_told)) result = Error(ErrorCode::Interrupted);
  }
  if (timed) {
    if (!result.ok() || (*result & kSignalTimer) == 0) {
      static_cast<void>(ask_timer<Timer::Cancel>({}));
      // The alarm may have come meanwhile: the next sleep must not end with it.
      state.kept_signals |= sys::poll(kSlotNotification).badge & (kSignalReady | kSignalThread);
    }
    unmint_signal();
  }
  return result;
}

}  // namespace user
