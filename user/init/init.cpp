// user/init/init.cpp — process 1. It mounts the boot image, does what /boot/manifest says line by line, keeps the servers
// it started running, serves what is to know and to say about them, and ends the node with the status of the shell on
// console 0.
#include "base/format.h"
#include "fs/badge.h"
#include "fs/loop.h"
#include "kernel-model/ports.h"
#include "schema/file.capnp.h"
#include "user/init/services.h"
#include "user/init/supervisor_tree.h"
#include "user/runtime/call.h"
#include "user/runtime/shared.h"
#include "user/runtime/spawn.h"
#include "user/runtime/state.h"

#include "base/enforce.h"

namespace user {
namespace {

using Manager = schema::process::Process;

constexpr u64 kManifestBytesMax = 64 << 10;
constexpr u8 kShellPriority = 100;  // programs run below every server
constexpr std::string_view kBootServices = "/boot/service";
constexpr std::string_view kSupervisor = "supervisor";
constexpr std::string_view kTimer = "timer";
constexpr u32 kReplies = 8;  // init parks nothing: two would do
constexpr u32 kSessions = 16;
constexpr u64 kSignalAlarm = kSignalFree;  // of the timer device

class Init final : public fs::LoopEvents {
 public:
  explicit Init(Process& process)
      : process_(process),
        services_(process),
        tree_(services_, process.heap()),
        loop_(process.heap(),
              {.endpoint = kSlotServed,
               .cnode = kSlotCNode,
               .receive = kSlotReceive,
               .mint = kSlotScratch,
               .replies = kSlotReplies,
               .reply_count = kReplies,
               .sessions = kSlotSessions,
               .session_count = kSessions,
               .signals = kSlotSignals,
               .signal_count = kSlotSignalsEnd - kSlotSignals},
              *this),
        server_(tree_, loop_, process.heap(),
                {.sessions_max = kSessions, .parked_max = kReplies - 1, .polls_max = kSlotSignalsEnd - kSlotSignals}),
        manifest_(process.heap()) {}

  Result<void> mount_boot();
  Result<void> post_supervisor();
  void read_manifest();
  /// Does the manifest and serves for ever; what has ended or is due is seen to whenever a signal comes.
  [[noreturn]] void keep();

  void signalled(u64 bits) override;

 private:
  void go_on();
  void look_after();
  void note_shell();
  [[noreturn]] void give_up();
  void set_alarm(u64 due_ns);
  Result<void> mount_supervisor(std::string_view path);
  Result<void> step(std::string_view line);
  Result<void> login(std::string_view number);
  [[noreturn]] void halt(u32 status);
  void print_log();

  Process& process_;
  Services services_;
  SupervisorTree tree_;
  fs::Loop loop_;
  fs::Server server_;
  base::String manifest_;
  u64 manifest_at_ = 0;    // what is done of it
  u32 manifest_line_ = 0;  // how many lines that is
  bool manifest_done_ = false;
  Pid running_ = 0;  // the program that the manifest waits for
  Pid shell_ = 0;
  bool shell_ready_ = false;  // it has its console
  bool has_line_ = false;     // the timer's, which its server has to take back
  bool mounted_ = false;
};

std::string_view take_word(std::string_view& line) {
  while (!line.empty() && line.front() == ' ') line.remove_prefix(1);
  const std::size_t end = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(end);
  return word;
}

/// The first file server holds the boot image; its tree is `/` until another is.
Result<void> Init::mount_boot() {
  sys::set_receive_slot(kSlotCNode, kSlotScratch, kSlotDepth);
  TRY(call<Manager::Service>(kSlotRoot, {.name = "boot"}));
  sys::set_receive_slot(kSlotCNode, kSlotReceive, kSlotDepth);
  TRY(call<schema::file::Service::Attach>(kSlotScratch, {}));
  const Manager::Mount::Request request{
      .path = "/", .flags = 8, .source = "boot", .directory = schema::CapIndex::of(0)};
  TRY(call<Manager::Mount>(kSlotRoot, request, {kSlotReceive}));
  sys::invoke(kSlotCNode, sys::Invoke::CNodeDelete, {kSlotScratch, kSlotDepth});
  sys::invoke(kSlotCNode, sys::Invoke::CNodeDelete, {kSlotReceive, kSlotDepth});
  return {};
}

void Init::read_manifest() {
  auto text = process_.read_file("/boot/manifest", kManifestBytesMax);
  if (text.ok()) {
    manifest_ = std::move(*text);
  } else {
    log_line("init: /boot/manifest: not found");
  }
}

/// The lines that are left, up to one that waits for a program: meanwhile servers that end are seen to.
void Init::go_on() {
  if (manifest_done_) return;
  while (running_ == 0 && manifest_at_ < manifest_.size()) {
    const std::string_view rest = manifest_.view().substr(manifest_at_);
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    manifest_at_ += std::min(end + 1, rest.size());
    manifest_line_ += 1;
    if (line.empty() || line.starts_with("#")) continue;
    const Result<void> done = step(line);
    if (done.ok()) continue;
    char message[320];
    log_line(base::format(message, "init: {}: {}{}{}", manifest_line_, fs::text_of(done.error().code),
                          done.error().detail().empty() ? "" : ": ", done.error().detail()));
  }
  manifest_done_ = running_ == 0;
  if (manifest_done_ && shell_ == 0) give_up();
}

Result<void> Init::step(std::string_view line) {
  const std::string_view verb = take_word(line);
  if (verb == "start") {
    for (std::string_view name = take_word(line); !name.empty(); name = take_word(line)) {
      TRY(name.starts_with("@") ? services_.start_all(name.substr(1)) : services_.start(kBootServices, name));
    }
    return {};
  }
  if (verb == "drivers") {
    // Devices of a kind are numbered from 0 on: behind the first that is missing there are none.
    for (std::string_view name = take_word(line); !name.empty(); name = take_word(line)) {
      if (!TRY(services_.start_if_present(kBootServices, name))) break;
    }
    return {};
  }
  if (verb == "mount") {
    const std::string_view service = take_word(line);
    const std::string_view path = take_word(line);
    if (service == kSupervisor) return mount_supervisor(path);
    const ServiceRecord* const record = services_.find_published(service);
    return record == nullptr ? process_.mount(service, path, 0) : services_.mount_unattached(*record, {.path = path});
  }
  if (verb == "run") {
    const std::string_view path = take_word(line);
    const std::string_view args[] = {path};
    running_ = TRY(process_.spawn({.path = path, .args = args}));
    return {};
  }
  if (verb == "login") return login(take_word(line));
  return fs::fail(ErrorCode::BadArgument, verb);
}

Result<void> Init::login(std::string_view number) {
  if (number != "0") return fs::fail(ErrorCode::NotSupported, number);
  const std::string_view args[] = {"fsh"};
  const EnvSetting environment[] = {
      {"HOME", "/root"}, {"PATH", "/bin"}, {"SHELL", "/bin/fsh"}, {"TERM", "linux"}, {"USER", "root"}};
  shell_ = TRY(start_program(
      ProcessAccess::state(process_),
      {.program = "login", .args = args, .environment = environment, .flags = kRfSession, .priority = kShellPriority}));
  return {};
}

void Init::halt(u32 status) {
  sys::frame().mr[0] = status;
  port::call(device_address(kInitPowerGrant), port::Power::Halt, 1);
  UNREACHABLE("a halted node runs on");
}

// ── The supervisor ───────────────────────────────────────────────────────────────────────────────────────────

Result<void> Init::post_supervisor() {
  TRY(call<Manager::Make>(kSlotRoot, {.kind = schema::process::ObjectKind::Endpoint, .slot = kSlotServed, .count = 1}));
  TRY(call<Manager::Make>(kSlotRoot,
                          {.kind = schema::process::ObjectKind::Reply, .slot = kSlotReplies, .count = kReplies}));
  TRY(server_.restore_session(0, {}, "", 0));
  TRY(call<Manager::Publish>(kSlotRoot, {.name = kSupervisor, .service = schema::CapIndex::of(0)}, {kSlotServed}));
  return {};
}

/// Init cannot attach to itself: it makes the root of its tree and puts it behind what is at `path`.
Result<void> Init::mount_supervisor(std::string_view path) {
  constexpr u8 kAfter = 4;
  if (mounted_) return fs::fail(ErrorCode::AlreadyExists, kSupervisor);
  mounted_ = true;
  const u64 root = fs::Badge{fs::BadgeKind::Root, 0, 0, 0}.word();
  const u32 slot = static_cast<u32>(TRY(loop_.mint(0, root)));
  const Manager::Mount::Request request{
      .path = path, .flags = kAfter, .source = kSupervisor, .directory = schema::CapIndex::of(0)};
  const auto mounted = call<Manager::Mount>(kSlotRoot, request, {slot});
  // The loop would remove it before its first message only: the runtime needs the slot until then.
  sys::invoke(kSlotCNode, sys::Invoke::CNodeDelete, {slot, kSlotDepth});
  if (!mounted.ok()) return mounted.take_failure();
  return {};
}

/// The notification is signalled at `due_ns`. Who keeps alarms is the timer server, which is asked by somebody else: it may
/// end at any moment, and init is who starts it again. While it is down, the device is asked itself; the server takes it
/// back with the first alarm it is asked for, which is init's.
void Init::set_alarm(u64 due_ns) {
  if (due_ns == Services::kNever && !has_line_) return;  // an alarm set before only makes init look once more
  const ServiceRecord* const timer = services_.find(kTimer);
  if (timer != nullptr && timer->state == ServiceState::Running) {
    has_line_ = false;
    static_cast<void>(call<Manager::Alarm>(kSlotRoot, {.slot = static_cast<u16>(timer->endpoint), .due = due_ns}));
    return;
  }
  if (due_ns == Services::kNever) return;
  has_line_ = true;
  const sys::Answer minted = sys::invoke(
      kSlotCNode, sys::Invoke::CNodeMint,
      {kSlotAlarm, kSlotDepth, kSlotNotification, kSlotDepth, kernel::kRightWrite, kSignalAlarm}, {kSlotCNode});
  ASSERT(minted.ok());
  const u32 handler = kSlotGrants + kInitTimerGrant;
  sys::invoke(handler, sys::Invoke::IrqHandlerSetNotification, {}, {kSlotAlarm});
  sys::invoke(handler, sys::Invoke::IrqHandlerAck, {});
  sys::frame().mr[0] = due_ns;
  port::call(device_address(kInitTimerGrant), port::Timer::Arm, 1);
  sys::invoke(kSlotCNode, sys::Invoke::CNodeDelete, {kSlotAlarm, kSlotDepth});
}

/// Its end says nothing of whether it had begun.
void Init::note_shell() {
  if (shell_ == 0 || shell_ready_) return;
  const auto facts = call_again<Manager::Facts>(kSlotRoot, {.pid = shell_});
  shell_ready_ = facts.ok() && facts->ready;
}

void Init::look_after() {
  for (;;) {
    note_shell();
    const auto status = process_.wait({.no_hang = true});
    if (!status.ok() && status.error().code == ErrorCode::Interrupted) continue;  // by the note that tells of a child
    if (!status.ok() || status->pid == 0) break;
    if (status->pid == shell_ && !shell_ready_) give_up();
    if (status->pid == shell_) halt(status->code);
    if (status->pid == running_) {
      running_ = 0;
      go_on();
      continue;
    }
    if (services_.ended(*status)) server_.wake(SupervisorTree::kControl);  // who asked for the reload is answered
  }
  set_alarm(services_.settle_all());
  sys::set_receive_slot(kSlotCNode, kSlotReceive, kSlotDepth);
}

void Init::signalled(u64 bits) {
  if ((bits & kSignalAlarm) != 0) sys::invoke(kSlotGrants + kInitTimerGrant, sys::Invoke::IrqHandlerAck, {});
  look_after();
}

/// The kernel's log on the console device itself: the last word of a node on which nothing runs that could show it.
void Init::print_log() {
  base::Vector<u8> part(process_.heap());
  for (u64 offset = 0;;) {
    const auto reply = call<Manager::ReadLog>(kSlotRoot, {.offset = offset});
    if (!reply.ok() || reply->data.empty()) return;
    offset = reply->offset + reply->data.size();
    part.clear();
    part.append(reply->data);  // it lies where the device takes its bytes from
    for (u64 at = 0; at < part.size();) {
      const u64 count = std::min<u64>(part.size() - at, port::kBytesMax);
      __builtin_memcpy(sys::buffer().msg, part.data() + at, count);
      sys::frame().mr[0] = count;
      port::call(device_address(kInitConsoleGrant), port::Console::Write, 1);
      at += count;
    }
  }
}

void Init::give_up() {
  log_line("init: no shell on console 0");
  print_log();
  halt(1);
}

void Init::keep() {
  go_on();
  look_after();
  loop_.run(server_);
  UNREACHABLE("init's loop does not end");
}

}  // namespace

i32 init_main(Process& process) {
  Init init(process);
  const Result<void> handled = process.on_note(kNoteChild, NoteAction::Handle, [](Process&, u32, void*) {});
  const Result<void> mounted = init.mount_boot();
  const Result<void> posted = init.post_supervisor();
  if (!posted.ok()) log_line("init: the supervisor has no service");
  if (!handled.ok() || !mounted.ok()) log_line("init: no boot image");
  init.read_manifest();
  init.keep();
}

}  // namespace user
