// user/init/init.cpp — process 1. It mounts the boot image, does what /boot/manifest says line by line, keeps the servers
// it started running, and ends the node with the status of the shell on console 0.
#include "base/format.h"
#include "kernel-model/ports.h"
#include "schema/file.capnp.h"
#include "user/init/services.h"
#include "user/runtime/call.h"
#include "user/runtime/spawn.h"
#include "user/runtime/state.h"

#include "base/enforce.h"

namespace user {
namespace {

using Manager = schema::process::Process;

constexpr u64 kManifestBytesMax = 64 << 10;
constexpr u8 kShellPriority = 100;  // programs run below every server
constexpr std::string_view kBootServices = "/boot/service";

class Init {
 public:
  explicit Init(Process& process) : process_(process), services_(process) {}

  Result<void> mount_boot();
  void run_manifest();
  [[noreturn]] void keep();

 private:
  Result<void> step(std::string_view line);
  Result<void> login(std::string_view number);
  [[noreturn]] void halt(u32 status);

  Process& process_;
  Services services_;
  Pid shell_ = 0;
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
  const Manager::Mount::Request request{.path = "/", .flags = 8, .source = "boot",
                                        .directory = schema::CapIndex::of(0)};
  TRY(call<Manager::Mount>(kSlotRoot, request, {kSlotReceive}));
  sys::invoke(kSlotCNode, sys::Invoke::CNodeDelete, {kSlotScratch, kSlotDepth});
  sys::invoke(kSlotCNode, sys::Invoke::CNodeDelete, {kSlotReceive, kSlotDepth});
  return {};
}

void Init::run_manifest() {
  const auto text = process_.read_file("/boot/manifest", kManifestBytesMax);
  if (!text.ok()) {
    log_line("init: /boot/manifest: not found");
    return;
  }
  std::string_view rest = text.value().view();
  for (u32 number = 1; !rest.empty(); ++number) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.empty() || line.starts_with("#")) continue;
    const Result<void> done = step(line);
    if (done.ok()) continue;
    char message[320];
    log_line(base::format(message, "init: {}: {}{}{}", number, fs::text_of(done.error().code),
                          done.error().detail().empty() ? "" : ": ", done.error().detail()));
  }
}

Result<void> Init::step(std::string_view line) {
  const std::string_view verb = take_word(line);
  if (verb == "start") {
    for (std::string_view name = take_word(line); !name.empty(); name = take_word(line)) {
      TRY(services_.start(kBootServices, name));
    }
    return {};
  }
  if (verb == "mount") {
    const std::string_view service = take_word(line);
    return process_.mount(service, take_word(line), 0);
  }
  if (verb == "run") {
    const std::string_view path = take_word(line);
    const std::string_view args[] = {path};
    const Pid pid = TRY(process_.spawn({.path = path, .args = args}));
    TRY(process_.wait({.pid = pid}));
    return {};
  }
  if (verb == "login") return login(take_word(line));
  return fs::fail(ErrorCode::BadArgument, verb);
}

Result<void> Init::login(std::string_view number) {
  if (number != "0") return fs::fail(ErrorCode::NotSupported, number);
  constexpr u16 kBoth = schema::file::kOpenRead | schema::file::kOpenWrite;
  const Fd console = TRY(process_.open("/dev/cons", kBoth));
  const FdMapping descriptors[] = {{kStdin, console}, {kStdout, console}, {kStderr, console}};
  const std::string_view args[] = {"fsh"};
  const EnvSetting environment[] = {{"HOME", "/root"}, {"PATH", "/bin"}, {"SHELL", "/bin/fsh"}, {"TERM", "linux"},
                                    {"USER", "root"}};
  const auto shell = start_program(ProcessAccess::state(process_),
                                   {.program = "fsh", .args = args, .descriptors = descriptors,
                                    .environment = environment, .flags = kRfSession, .priority = kShellPriority,
                                    .hold = true});
  static_cast<void>(process_.close(console));
  shell_ = TRY(shell);
  TRY(process_.set_foreground(shell_));
  return release_program(shell_);
}

void Init::halt(u32 status) {
  sys::frame().mr[0] = status;
  port::call(device_address(0), port::Power::Halt, 1);
  UNREACHABLE("a halted node runs on");
}

void Init::keep() {
  if (shell_ == 0) {
    log_line("init: no shell on console 0");
    halt(1);
  }
  for (;;) {
    const u64 due = services_.restart_due();
    const auto status = process_.wait({.no_hang = due != ~u64{0}});
    if (!status.ok()) {
      if (status.error().code == ErrorCode::Interrupted) continue;  // by the note that tells of a child
      halt(1);
    }
    if (status.value().pid == 0) {
      const u64 now = process_.uptime_ns();
      // A child that ends meanwhile posts `child`, which ends the sleep.
      if (due > now) static_cast<void>(process_.sleep(due - now));
      continue;
    }
    if (status.value().pid == shell_) halt(status.value().code);
    services_.ended(status.value());
  }
}

}  // namespace

i32 init_main(Process& process) {
  Init init(process);
  const Result<void> handled = process.on_note(kNoteChild, NoteAction::Handle, [](Process&, u32, void*) {});
  const Result<void> mounted = init.mount_boot();
  if (!handled.ok() || !mounted.ok()) log_line("init: no boot image");
  init.run_manifest();
  init.keep();
}

}  // namespace user
