// user/runtime/spawn.cpp — from a path to a process: the program file's first bytes say what runs it.
#include "user/runtime/spawn.h"

#include "base/format.h"
#include "user/runtime/call.h"

#include "base/enforce.h"

namespace user {
namespace {

using Manager = schema::process::Process;
using schema::process::Part;

constexpr u64 kInlineBytesMax = 4096;  // texts that go with the spawn message itself
constexpr u64 kStageBytes = 4096;
constexpr u32 kScriptLevelsMax = 4;
constexpr u32 kRepeatsMax = 16;  // of a spawn whose answer was lost
constexpr u64 kHeadBytes = 256;  // of a program file: enough for any `#!` line
constexpr std::string_view kNativeMark = "#!orrery ";

/// A thread's texts are its own set: others may be laying out theirs.
Result<void> stage(u32 set, Part part, std::string_view text) {
  u64 offset = 0;
  do {
    const std::string_view piece = text.substr(offset, kStageBytes);
    TRY(call<Manager::Stage>(kSlotRoot,
                             {.part = part, .restart = offset == 0, .data = base::bytes_of(piece), .set = set}));
    offset += piece.size();
  } while (offset < text.size());
  return {};
}

std::string_view take_word(std::string_view& line) {
  while (!line.empty() && (line.front() == ' ' || line.front() == '\t')) line.remove_prefix(1);
  const std::size_t end = std::min(line.find_first_of(" \t"), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(end);
  return word;
}

/// What a program file asks to be run by, followed through scripts.
struct Resolved {
  base::String program;
  base::Vector<base::String> args;
};

Result<base::String> first_line(Process& process, std::string_view path) {
  const auto opened = process.open(path, schema::file::kOpenRead | schema::file::kOpenExecute);
  if (!opened.ok()) {
    // A directory may be searched but not run; saying so is clearer than the denial.
    const auto facts = process.stat(path);
    const bool directory = facts.ok() && facts->kind == schema::file::Kind::Directory;
    if (directory) return fs::fail(ErrorCode::IsADirectory);
    return opened.take_failure();
  }
  u8 head[kHeadBytes];
  const auto count = process.read_at(*opened, 0, head);
  static_cast<void>(process.close(*opened));
  if (!count.ok()) return count.take_failure();
  const std::string_view text = base::text_of({head, count.value()});
  return base::String(process.heap(), text.substr(0, text.find('\n')));
}

Result<Resolved> resolve(Process& process, const SpawnOptions& options) {
  Resolved resolved{base::String(process.heap()), base::Vector<base::String>(process.heap())};
  for (const std::string_view arg : options.args) resolved.args.emplace_back(process.heap(), arg);
  if (resolved.args.empty()) resolved.args.emplace_back(process.heap(), options.path);
  base::String path(process.heap(), options.path);
  for (u32 level = 0; level < kScriptLevelsMax; ++level) {
    const base::String line = TRY(first_line(process, path.view()));
    std::string_view rest = line.view();
    if (rest.starts_with(kNativeMark)) {
      rest.remove_prefix(kNativeMark.size());
      resolved.program.assign(take_word(rest));
      return resolved;
    }
    if (!rest.starts_with("#!")) return fs::fail(ErrorCode::NotExecutable);
    rest.remove_prefix(2);
    const std::string_view interpreter = take_word(rest);
    const std::string_view argument = take_word(rest);
    if (interpreter.empty()) return fs::fail(ErrorCode::NotExecutable);
    resolved.args[0] = path.clone();  // the script's own name follows the interpreter
    if (!argument.empty()) resolved.args.insert(0, base::String(process.heap(), argument));
    resolved.args.insert(0, base::String(process.heap(), interpreter));
    path = base::String(process.heap(), interpreter);
  }
  return fs::fail(ErrorCode::TooManyLinks);
}

}  // namespace

Result<Pid> start_program(ProcessState& state, const StartRequest& request) {
  base::String arguments(state.heap);
  for (const std::string_view arg : request.args) arguments.append(arg).push('\0');
  base::String environment(state.heap);
  for (const EnvSetting& setting : request.environment) {
    environment.append(setting.name);
    if (!setting.remove) environment.append("=").append(setting.value);
    environment.push('\0');
  }
  base::String files(state.heap);
  base::Vector<schema::process::Copy> copies(state.heap);
  if (state.files != nullptr) TRY(state.files->pass(request.descriptors, files, copies));
  const auto give_up = [&](const auto& failed) {
    if (state.files != nullptr) state.files->take_back(copies.span());
    return failed.take_failure();
  };

  Manager::Spawn::Request message{.program = request.program,
                                  .flags = request.flags,
                                  .group = request.group,
                                  .priority = request.priority,
                                  .hold = request.hold,
                                  .realm = request.realm,
                                  .cwd = state.cwd.view(),
                                  .umask = state.umask};
  // Either all texts are in the message, or all are staged.
  const bool fits =
      arguments.size() + environment.size() + files.size() + state.cwd.size() + copies.size() * 8 < kInlineBytesMax;
  const struct {
    Part part;
    std::string_view text;
    base::Bytes* field;
  } texts[] = {{Part::Arguments, arguments.view(), &message.arguments},
               {Part::Environment, environment.view(), &message.environment},
               {Part::Files, files.view(), &message.files}};
  for (const auto& text : texts) {
    if (fits) {
      *text.field = base::bytes_of(text.text);
      continue;
    }
    const Result<void> staged = stage(state.number, text.part, text.text);
    if (!staged.ok()) return give_up(staged);
  }
  message.copies = std::span<const schema::process::Copy>(copies.span());
  message.devices = request.devices;
  message.set = state.number;
  message.served = {0, request.served != 0};
  message.number = ++state.spawns;
  for (u32 attempt = 0;; ++attempt) {
    const Result<Manager::Spawn::Reply> reply = request.served == 0
                                                    ? call<Manager::Spawn>(kSlotRoot, message)
                                                    : call<Manager::Spawn>(kSlotRoot, message, {request.served});
    if (reply.ok()) return reply->pid;
    // Whether the manager has done it is not known, but to itself.
    const bool is_lost = reply.error() == ErrorCode::ServerRestarted;
    if (!is_lost || attempt == kRepeatsMax) return give_up(reply);
  }
}

Result<void> release_program(Pid pid) {
  TRY(call<Manager::Release>(kSlotRoot, {.pid = pid}));
  return {};
}

Result<Pid> Process::spawn(const SpawnOptions& options) {
  const Resolved resolved = TRY(resolve(*this, options));
  base::Vector<std::string_view> args(heap());
  for (const base::String& arg : resolved.args) args.push_back(arg.view());
  const Pid pid = TRY(start_program(state_, {.program = resolved.program.view(),
                                             .args = args.span(),
                                             .descriptors = options.descriptors,
                                             .environment = options.environment,
                                             .realm = options.realm,
                                             .flags = options.flags,
                                             .group = options.group,
                                             .hold = options.foreground}));
  if (!options.foreground) return pid;
  const Pid leader = options.group != 0 ? options.group : pid;
  // A shell whose console has no foreground group yet, or none at all, still runs its commands.
  static_cast<void>(set_foreground(leader));
  TRY(release_program(pid));
  return pid;
}

Result<void> Process::set_foreground(Pid group_id) {
  char line[32];
  return write_file("/dev/consctl", base::format(line, "foreground {}\n", group_id));
}

}  // namespace user
