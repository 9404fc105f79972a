// user/root/processes.cpp — the life of a process: spawn, release, stop, the end, and who is told about it.
#include "user/root/manager.h"

#include "base/check.h"
#include "base/emit.h"
#include "base/format.h"
#include "base/planted.h"

#include "base/enforce.h"

namespace user::root {
namespace {

constexpr u32 kNoteChild = 17;
constexpr u32 kNoteHangup = 1;
constexpr u16 kExitByFault = 1;  // flags of vm.process-exit

std::string_view last_name(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

}  // namespace

ProcessRecord* Manager::find_badge(u64 badge) {
  const u32 index = static_cast<u32>(badge >> 32);
  if (index >= table_.size() || table_[index] == nullptr) return nullptr;
  return table_[index]->pid == static_cast<u32>(badge) ? table_[index] : nullptr;
}

Result<ProcessRecord*> Manager::spawn(ProcessRecord* parent, const SpawnRequest& request) {
  constexpr u32 kNamespaceFlags = kRfNameg | kRfCNameg;
  constexpr u32 kEnvironmentFlags = kRfEnvg | kRfCEnvg;
  if ((request.flags & kNamespaceFlags) == kNamespaceFlags) return fs::fail(ErrorCode::BadArgument);
  if ((request.flags & kEnvironmentFlags) == kEnvironmentFlags) return fs::fail(ErrorCode::BadArgument);
  const Program* const program = find_program(last_name(request.program));
  if (program == nullptr) return fs::fail(ErrorCode::NotExecutable);
  if (request.arguments.size() + request.environment.size() > kStartBytesMax) {
    return fs::fail(ErrorCode::BadArgument, "arguments and environment longer than 128K");
  }
  if (memory_short_) return fs::fail(ErrorCode::OutOfMemory);
  Realm* realm = parent == nullptr ? root_realm_ : parent->realm;
  if (!request.realm.empty()) realm = find_realm(*realm, request.realm);
  if (realm == nullptr) return fs::fail(ErrorCode::NotFound, request.realm);
  for (const Realm* at = realm; at != nullptr; at = at->parent) {
    if (at->stopped || at->ending) return fs::fail(ErrorCode::InUse, "the realm is stopped");
  }
  if (request.group != 0 && (request.flags & kRfNoteg) == 0) {
    const Group* const group = find_group(request.group);
    if (group == nullptr || parent == nullptr || group->session_id != parent->session_id) {
      return fs::fail(ErrorCode::NoSuchProcess);
    }
  }
  TRY(charge(*realm, &Realm::processes, 1));
  const Result<void> threads = charge(*realm, &Realm::threads, 1);
  if (!threads.ok()) {
    refund(*realm, &Realm::processes, 1);
    return threads.take_failure();
  }

  const u32 pid = next_pid_++;
  u32 index = static_cast<u32>(table_.size());
  if (free_indices_.empty()) {
    table_.push_back(nullptr);
  } else {
    index = free_indices_.take_back();
  }
  ProcessRecord& record =
      *new (memory_.allocate(sizeof(ProcessRecord), alignof(ProcessRecord))) ProcessRecord(memory_, pid, index);
  record.realm = realm;
  const u8 ceiling = parent == nullptr ? kPriorityServerMax : parent->priority;
  record.priority = request.priority == 0 ? ceiling : std::min(request.priority, ceiling);
  const std::string_view first = request.arguments.substr(0, request.arguments.find('\0'));
  record.name.assign(first.empty() ? request.program : last_name(first));
  const Entry entry{NativeEntryNumber::Program, static_cast<u64>(program - programs().data()), program->stack_bytes};
  const Result<void> made = make_objects(record, entry);
  if (!made.ok()) {
    refund(*realm, &Realm::processes, 1);
    refund(*realm, &Realm::threads, 1);
    free_indices_.push_back(index);
    record.~ProcessRecord();
    memory_.release(&record, sizeof record);
    return made.take_failure();
  }
  // ── point of no return ──
  table_[index] = &record;
  by_pid_.insert(record);
  WATERMARK("root.processes", by_pid_.size());
  realm->members.push_back(record);
  record.arguments.assign(request.arguments);
  record.start.assign(request.files);
  record.cwd.assign(request.cwd.empty() ? std::string_view("/") : request.cwd);
  record.umask = request.umask;
  record.start_ns = uptime_ns();
  record.no_wait_record = parent == nullptr || (request.flags & kRfNoWait) != 0;
  record.parent = record.no_wait_record ? init_ : parent;
  if (record.parent != nullptr) record.parent->children.push_back(record);
  if (parent != nullptr) {
    record.uid = parent->uid;
    record.gid = parent->gid;
    record.no_mount = parent->no_mount || (request.flags & kRfNoMount) != 0;
    record.ignored_notes = parent->ignored_notes;
  }

  Namespace* names = parent == nullptr ? nullptr : parent->names;
  if (names == nullptr || (request.flags & kRfCNameg) != 0) {
    names = &new_namespace();
  } else if ((request.flags & kRfNameg) != 0) {
    names = &copy_namespace(*names);
  }
  join_namespace(record, *names);
  record.environment = parent == nullptr || (request.flags & kRfCEnvg) != 0 ? &new_environment()
                                                                            : &copy_environment(*parent->environment);
  record.environment->references += 1;
  apply_settings(*record.environment, request.environment);

  const bool new_session = parent == nullptr || (request.flags & kRfSession) != 0;
  const bool new_group = new_session || (request.flags & kRfNoteg) != 0;
  const u32 session = new_session ? pid : parent->session_id;
  join_group(record, new_group ? pid : request.group != 0 ? request.group : parent->group_id, session);

  base::tell_event(base::EventKind::VmProcessStart,
                   {pid, record.parent == nullptr ? 0 : record.parent->pid, base::short_name(record.name)});
  if (request.served != 0) MUST_OK(copy(slot_in(record, kSlotServed), own(request.served), kernel::kRightsAll));
  if (!request.hold) release(record);
  return &record;
}

void Manager::release(ProcessRecord& record) {
  if (record.state != ProcessState::Held || record.resumed) return;
  record.state = ProcessState::Running;
  record.resumed = true;
  MUST_OK(sys::invoke(record.objects.slots + kObjectTcb, sys::Invoke::TcbResume, {}).ok());
}

void Manager::join_group(ProcessRecord& record, u32 id, u32 session) {
  leave_group(record);
  Group* group = groups_.find(id);
  if (group == nullptr) {
    group = new (memory_.allocate(sizeof(Group), alignof(Group))) Group();
    group->id = id;
    group->session_id = session;
    groups_.insert(*group);
  }
  group->members.push_back(record);
  record.group = group;
  record.group_id = id;
  record.session_id = session;
}

void Manager::leave_group(ProcessRecord& record) {
  Group* const group = record.group;
  if (group == nullptr) return;
  group->members.remove(record);
  record.group = nullptr;
  if (!group->members.empty()) return;
  groups_.remove(*group);
  group->~Group();
  memory_.release(group, sizeof *group);
}

// ── Stop and go ──────────────────────────────────────────────────────────────────────────────────────────────
// A stopped process has no scheduling context: it keeps what it waits for, so that nothing a server answers is lost. But a
// server that waits for requests would work on with the contexts of its clients: its thread is suspended, and receives
// again when it goes on.

/// Whether it had to be suspended.
static bool hold_thread(u32 tcb, u32 context) {
  const auto state = static_cast<kernel::ThreadState>(inspect_thread(tcb).state);
  const bool suspended = state == kernel::ThreadState::BlockedOnReceive ||
                         !sys::invoke(context, sys::Invoke::SchedContextUnbindObject, {}, {tcb}).ok();
  if (suspended) MUST_OK(sys::invoke(tcb, sys::Invoke::TcbSuspend, {}).ok());
  return suspended;
}

void Manager::hold(ProcessRecord& record) {
  record.suspended = hold_thread(record.objects.slots + kObjectTcb, record.objects.slots + kObjectContext);
  for (ThreadObjects& thread : record.objects.threads) thread.suspended = hold_thread(thread.tcb, thread.context);
}

void Manager::let_go(ProcessRecord& record) {
  const ProcessObjects& objects = record.objects;
  let_go(record, objects.slots + kObjectTcb, objects.slots + kObjectContext, leaf_of(record), record.suspended);
  record.suspended = false;
  for (ThreadObjects& thread : record.objects.threads) {
    let_go(record, thread.tcb, thread.context, leaf_of(record, thread), thread.suspended);
    thread.suspended = false;
  }
}

void Manager::let_go(const ProcessRecord& record, u32 tcb, u32 context, const BudgetNode& leaf, bool suspended) {
  if (suspended) {
    MUST_OK(sys::invoke(tcb, sys::Invoke::TcbResume, {}).ok());
    return;
  }
  const auto bind = [&] { return sys::invoke(context, sys::Invoke::SchedContextBind, {}, {tcb}).ok(); };
  // The kernel refuses a thread that waits for something while the budget of the realm is used up. Below the root realm,
  // which always has some, it may be bound; then the context goes back under the realm's limit.
  if (bind()) return;
  MUST_OK(configure_child_budget(root_realm_->node_effort, context, leaf));
  MUST_OK(bind());
  MUST_OK(configure_child_budget(record.realm->node_effort, context, leaf));
}

void Manager::hang(ProcessRecord& record) {
  if (record.state != ProcessState::Running || record.hangs) return;
  hold(record);
  record.hangs = true;
}

void Manager::stop(ProcessRecord& record, u32 note) {
  if (record.state != ProcessState::Running) return;
  if (!record.hangs) hold(record);
  record.hangs = false;
  record.state = ProcessState::Stopped;
  record.stop_note = note;
  record.stop_unreported = true;
  flush_request(record);  // what is typed from now on is not for a stopped reader
  ProcessRecord* const parent = record.parent;
  if (parent == nullptr) return;
  answer_wait(*parent, record);
  post_number(*parent, kNoteChild);
}

void Manager::resume(ProcessRecord& record) {
  const bool hung = record.state == ProcessState::Running && record.hangs;
  if (record.state != ProcessState::Stopped && !hung) return;
  let_go(record);
  record.hangs = false;
  record.state = ProcessState::Running;
  record.stop_unreported = false;
}

BudgetNode Manager::leaf_of(const ProcessRecord& record) {
  return {.budget = kSlicePeriodNs,
          .period = kSlicePeriodNs,
          .badge = record.pid,
          .flags = record.wired_core < 0 ? 0 : kernel::kSchedPinned,
          .home = record.wired_core < 0 ? record.home_core : static_cast<u32>(record.wired_core)};
}

BudgetNode Manager::leaf_of(const ProcessRecord& record, const ThreadObjects& thread) {
  BudgetNode leaf = leaf_of(record);
  if (record.wired_core < 0) leaf.home = thread.home_core;
  return leaf;
}

Result<void> Manager::set_priority(ProcessRecord& record, u64 priority) {
  const u8 ceiling = record.parent == nullptr ? kPriorityServerMax : std::max(record.parent->priority, record.priority);
  if (priority == 0 || priority > ceiling) return fs::fail(ErrorCode::BadArgument, "priority");
  const u32 tcb = record.objects.slots + kObjectTcb;
  if (!sys::invoke(tcb, sys::Invoke::TcbSetPriority, {priority}, {kernel::kRootTcb}).ok()) {
    return fs::fail(ErrorCode::NoSuchProcess);
  }
  for (const ThreadObjects& thread : record.objects.threads) {
    MUST_OK(sys::invoke(thread.tcb, sys::Invoke::TcbSetPriority, {priority}, {kernel::kRootTcb}).ok());
  }
  record.priority = static_cast<u8>(priority);
  return {};
}

Result<void> Manager::wire(ProcessRecord& record, i32 core) {
  if (record.state == ProcessState::Ending || record.state == ProcessState::Zombie) {
    return fs::fail(ErrorCode::NoSuchProcess);
  }
  record.wired_core = core;
  if (core >= 0) record.home_core = static_cast<u32>(core);
  MUST_OK(configure_child_budget(record.realm->node_effort, record.objects.slots + kObjectContext, leaf_of(record)));
  for (const ThreadObjects& thread : record.objects.threads) {
    MUST_OK(configure_child_budget(record.realm->node_effort, thread.context, leaf_of(record, thread)));
  }
  return {};
}

// ── The end ──────────────────────────────────────────────────────────────────────────────────────────────────

/// An open is counted at its server, by holders that it cannot tell apart: closed once too often, it is closed for a
/// process that still has it. A File whose server has the thread's request to close it is not left to be closed.
void Manager::end_thread(const ProcessRecord& record, u32 tcb, u32 buffer) {
  const SuspendedThread thread = suspend_thread(tcb);
  const kernel::IpcBuffer& shared = buffer_at(buffer);
  const u64 slot = shared.reserved[kSharedClosing];
  if (slot < kSlotDescriptors || slot >= kSlotDescriptorsEnd) return;
  const bool is_asking = shared.user_data == slot;  // else it has its answer and removes the capability
  if (is_asking && !thread.has_delivered()) return;
  remove(slot_in(record, static_cast<u32>(slot)));
}

void Manager::terminate(ProcessRecord& record, u32 code, u32 note, std::string_view cause, bool files_closed) {
  if (record.state == ProcessState::Ending || record.state == ProcessState::Zombie) return;
  record.end.code = code;
  record.end.note = note;
  base::tell_event(base::EventKind::VmProcessExit, {record.pid, code, base::short_name(record.name)},
                   cause.empty() ? 0 : kExitByFault);
  const u64 cause_bytes = std::min<u64>(cause.size(), sizeof record.end.cause - 1);
  if (cause_bytes > 0) __builtin_memcpy(record.end.cause, cause.data(), cause_bytes);
  record.end.real_ns = uptime_ns() - record.start_ns;
  record.end.user_ns = consumed(record);
  const bool never_ran = !record.resumed;
  record.state = ProcessState::Ending;
  for (const ThreadObjects& thread : record.objects.threads) {
    end_thread(record, thread.tcb, thread.buffer);
  }
  // The callers go, the Reply objects are free again.
  while (!record.waits.empty()) free_replies_.push_back(record.waits.take_back().reply);
  if (!files_closed) end_thread(record, record.objects.slots + kObjectTcb, record.objects.buffer);
  const u32 pending = files_closed || never_ran ? 0 : static_cast<u32>(buffer_of(record).user_data);
  if (pending != 0) {
    MARK("process.ended-in-call");
    enqueue({.kind = schema::process::JobKind::Flush,
             .pid = record.pid,
             .index = record.index,
             .slot = static_cast<u16>(pending),
             .tag = record.pid});
  }
  if (!files_closed) {
    for (const ThreadObjects& thread : record.objects.threads) {
      flush_request(record, static_cast<u32>(buffer_at(thread.buffer).user_data));
    }
  }
  if (cause_bytes != 0) {
    enqueue({.kind = schema::process::JobKind::Print,
             .pid = record.pid,
             .index = record.index,
             .slot = static_cast<u16>(slot_of_descriptor(kStderr)),
             .tag = record.pid});
  } else {
    publish_end(record);
  }
  if (!files_closed) {
    enqueue(
        {.kind = schema::process::JobKind::Close, .pid = record.pid, .index = record.index, .slot = kSlotDescriptors});
  } else {
    reclaim(record);
  }
}

void Manager::publish_end(ProcessRecord& record) {
  record.state = ProcessState::Zombie;
  if (record.self_badge != 0 || record.env_badge != 0 || record.realm != root_realm_) trees_->process_gone(record.pid);
  record.self_badge = record.env_badge = 0;
  leave_namespace(record);
  drop_environment(record);
  withdraw_all(record);
  while (ProcessRecord* child = record.children.pop_front()) {
    child->parent = init_ == &record ? nullptr : init_;
    child->no_wait_record = true;
    if (child->parent != nullptr) child->parent->children.push_back(*child);
  }
  while (ProcessRecord* child = record.zombies.pop_front()) {
    child->parent = nullptr;
    reap(*child);
  }
  if (record.keeps_time) {
    // The alarms it kept are gone: who sleeps asks its successor.
    for (ProcessRecord& at : by_pid_) {
      if (at.state == ProcessState::Running || at.state == ProcessState::Stopped) wake(at);
    }
  }
  if (record.session_id == record.pid) {
    u32 next_pid = 0;  // the tree changes while members end
    while (ProcessRecord* at = by_pid_.lower_bound(next_pid)) {
      next_pid = at->pid + 1;
      if (at->session_id == record.pid && at != &record) post_number(*at, kNoteHangup);
    }
  }
  ProcessRecord* const parent = record.parent;
  if (parent == nullptr || record.no_wait_record) {
    if (parent != nullptr) parent->children.remove(record);
    record.parent = nullptr;
    reap(record);
    return;
  }
  parent->children.remove(record);
  parent->zombies.push_back(record);
  trees_->child_ended(parent->pid);
  // First the answer, which may forget the record; then the note, which would end the wait.
  const bool is_told = !PLANTED("root.wait-unanswered") || parent->zombies.front() == &record;
  if (is_told) answer_wait(*parent, record);
  post_number(*parent, kNoteChild);
}

void Manager::reclaim(ProcessRecord& record) {
  if (record.reclaimed) return;
  const u64 threads = 1 + record.objects.threads.size();
  destroy_objects(record);
  record.reclaimed = true;
  refund(*record.realm, &Realm::processes, 1);
  refund(*record.realm, &Realm::threads, threads);
  Realm* const realm = record.realm;
  realm->members.remove(record);
  record.realm = nullptr;  // it may be gone before the record is
  end_realm(*realm);
  if (record.reaped) forget(record);
}

void Manager::reap(ProcessRecord& record) {
  record.reaped = true;
  leave_group(record);  // until it is waited for it keeps its group: others of its pipeline may be about to join
  by_pid_.remove(record);
  if (record.reclaimed) forget(record);
}

void Manager::forget(ProcessRecord& record) {
  table_[record.index] = nullptr;
  free_indices_.push_back(record.index);
  record.~ProcessRecord();
  memory_.release(&record, sizeof record);
}

void Manager::fault(ProcessRecord& record, kernel::MessageInfo info) {
  if (Worker* const worker = worker_of(record)) return worker_faulted(*worker);
  struct Cause {
    u32 code;
    std::string_view text;
  };
  char text[64];
  Cause cause{139, "memory fault"};
  const u64* const words = sys::frame().mr;
  switch (static_cast<kernel::FaultType>(info.label())) {
    case kernel::FaultType::UserException: {
      const u64 number = words[2] - kernel::kCrashNumberBase;
      switch (static_cast<kernel::CrashKind>(number)) {
        case kernel::CrashKind::NullAccess: cause.text = base::format(text, "page fault at 0x{:x}", words[3]); break;
        case kernel::CrashKind::Segment: cause.text = "page fault"; break;
        case kernel::CrashKind::Bus: cause = {135, "bus error"}; break;
        case kernel::CrashKind::Arithmetic: cause = {136, "arithmetic"}; break;
        case kernel::CrashKind::IllegalInstruction: cause = {132, "illegal instruction"}; break;
        case kernel::CrashKind::StackOverflow: cause.text = "stack overflow"; break;
        case kernel::CrashKind::Assertion: cause = {134, "abort"}; break;
        case kernel::CrashKind::ArenaSpent: cause.text = "memory quota exceeded"; break;
        case kernel::CrashKind::Watchdog: cause = {137, "watchdog"}; break;
        case kernel::CrashKind::Killed: cause = {137, "killed"}; break;
      }
      break;
    }
    case kernel::FaultType::Vm: cause.text = base::format(text, "page fault at 0x{:x}", words[1]); break;
    case kernel::FaultType::Cap: cause.text = base::format(text, "capability fault at 0x{:x}", words[1]); break;
    case kernel::FaultType::UnknownSyscall: cause = {159, "unknown system call"}; break;
    case kernel::FaultType::Timeout: cause = {152, "time limit"}; break;
    case kernel::FaultType::None: break;
  }
  terminate(record, cause.code, cause.code - 128, cause.text, false);
}

// ── wait ─────────────────────────────────────────────────────────────────────────────────────────────────────

bool Manager::matches(const ProcessRecord& child, const WaitRequest& wait) const {
  if (wait.pid != 0) return child.pid == wait.pid;
  return wait.group == 0 || child.group_id == wait.group;
}

/// What `wait` is told of a child, and keeps.
const Waited& Manager::note_wait(ProcessRecord& record, const WaitRequest& wait, const ProcessRecord& child) {
  Waited told{.set = wait.set, .number = wait.number, .pid = child.pid};
  if (child.state == ProcessState::Zombie) {
    told.code = child.end.code;
    told.note = child.end.note;
    told.user_ns = child.end.user_ns;
    told.real_ns = child.end.real_ns;
    __builtin_memcpy(told.cause, child.end.cause, sizeof told.cause);
  } else {
    told.code = 128 + child.stop_note;
    told.note = child.stop_note;
    told.stopped = true;
  }
  for (Waited& last : record.waited) {
    if (last.set != wait.set) continue;
    last = told;
    return last;
  }
  if (record.waited.size() == kStagedSetsMax) record.waited.erase(0);
  return record.waited.push_back(told);
}

static schema::process::Process::Wait::Reply wait_reply(const Waited& told) {
  schema::process::Process::Wait::Reply reply{.pid = told.pid, .code = told.code, .stopped = told.stopped};
  reply.note = static_cast<u8>(told.note);
  reply.cause = told.cause;
  reply.user_ns = told.user_ns;
  reply.real_ns = told.real_ns;
  return reply;
}

/// Pids come round again; with its start a process has one key for ever.
static u64 wait_key(const ProcessRecord& child) { return child.start_ns << 16 ^ child.pid; }

void Manager::answer_wait(ProcessRecord& parent, ProcessRecord& child) {
  const bool ended = child.state == ProcessState::Zombie;
  u64 first = 0;
  while (first < parent.waits.size() &&
         !(matches(child, parent.waits[first]) && (ended || parent.waits[first].stopped))) {
    first += 1;
  }
  if (first == parent.waits.size()) return;
  const WaitRequest wait = parent.waits[first];
  parent.waits.erase(first);
  complete(wait.reply, success(wait_reply(note_wait(parent, wait, child))));
  if (!ended) {
    child.stop_unreported = false;
    return;
  }
  AT_MOST_ONCE("process.waited", wait_key(child));
  parent.zombies.remove(child);
  child.parent = nullptr;
  reap(child);
}

Result<Answer> Manager::wait(ProcessRecord& record, const schema::process::Process::Wait::Request& request) {
  for (const Waited& last : record.waited) {
    if (request.number != 0 && last.set == request.set && last.number == request.number)
      return success(wait_reply(last));
  }
  WaitRequest wait{.pid = request.pid,
                   .group = request.group,
                   .stopped = request.stopped,
                   .set = request.set,
                   .number = request.number};
  for (ProcessRecord& child : record.zombies) {
    if (!matches(child, wait)) continue;
    AT_MOST_ONCE("process.waited", wait_key(child));
    const Answer answer = success(wait_reply(note_wait(record, wait, child)));
    record.zombies.remove(child);
    child.parent = nullptr;
    reap(child);
    return answer;
  }
  bool any = false;
  for (ProcessRecord& child : record.children) {
    if (child.no_wait_record || !matches(child, wait)) continue;
    any = true;
    if (request.stopped && child.state == ProcessState::Stopped && child.stop_unreported) {
      child.stop_unreported = false;
      return success(wait_reply(note_wait(record, wait, child)));
    }
  }
  if (!any) return fs::fail(ErrorCode::NoChildProcess);
  if (request.no_hang) return success(schema::process::Process::Wait::Reply{});
  wait.reply = current_reply_;
  record.waits.push_back(wait);
  return Answer::deferred();
}

}  // namespace user::root
