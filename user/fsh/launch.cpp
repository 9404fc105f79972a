// user/fsh/launch.cpp — starting programs and subshells, and waiting for what stands in front.
#include "user/fsh/shell.h"

#include "base/enforce.h"

namespace user::fsh {

using schema::file::kOpenRead;

base::String Shell::find_in_path(std::string_view command) {
  base::String path(heap());
  if (command.find('/') != std::string_view::npos) {
    path.append(command);
    return path;
  }
  std::string_view list = variable("PATH");
  if (list.data() == nullptr) list = "/bin:/usr/bin";
  for (;;) {
    const u64 end = std::min<u64>(list.find(':'), list.size());
    path.assign(end == 0 ? std::string_view(".") : list.substr(0, end));
    path.append("/").append(command);
    const auto stat = process_.stat(path);
    if (stat.ok() && stat->kind != schema::file::Kind::Directory) return path;
    if (end == list.size()) break;
    list.remove_prefix(end + 1);
  }
  path.clear();
  return path;
}

base::Vector<FdMapping> Shell::child_descriptors() {
  base::Vector<FdMapping> mappings(heap());
  for (u32 number = 0; number < kShellFdsMax; ++number) {
    if (fds_.actual[number] != FdMap::kClosed) mappings.push_back({number, static_cast<Fd>(fds_.actual[number])});
  }
  return mappings;
}

Pid Shell::launch(const Launch& launch, i32& status) {
  const std::string_view command = launch.words[0];
  const base::String path = find_in_path(command);
  if (path.empty() || command.empty()) {
    complain("{}: {}", command, fs::text_of(ErrorCode::NotFound));
    status = kStatusNotFound;
    return 0;
  }
  const base::Vector<FdMapping> descriptors = child_descriptors();
  SpawnOptions options_{.path = path.view(),
                        .args = launch.words,
                        .descriptors = descriptors.span(),
                        .environment = launch.environment,
                        .flags = launch.own_group && launch.group == 0 ? kRfNoteg : 0,
                        .group = launch.group,
                        .foreground = launch.foreground && options.interactive};
  auto spawned = process_.spawn(options_);
  if (!spawned.ok() && spawned.error().code == ErrorCode::NotExecutable) {
    // A text without `#!` is a program for a new shell (POSIX §2.9.1.4).
    base::Vector<std::string_view> words(heap());
    words.push_back("fsh");
    words.push_back(path.view());
    for (const std::string_view word : launch.words.subspan(1)) words.push_back(word);
    const auto head = process_.open(path, kOpenRead);
    u8 first[4] = {};
    bool text = false;
    if (head.ok()) {
      const auto count = process_.read(*head, first);
      text = count.ok() && first[0] != 0x7F && !(first[0] == '#' && first[1] == '!');
      for (u64 i = 0; count.ok() && i < *count; ++i) text = text && first[i] != 0;
      (void)process_.close(*head).ok();
    }
    if (text) {
      options_.path = "/bin/fsh";
      options_.args = words.span();
      spawned = process_.spawn(options_);
    }
  }
  if (spawned.ok()) return *spawned;
  const Error error = spawned.error();
  if (error.detail_size == 0) {
    complain("{}: {}", command, fs::text_of(error.code));
  } else {
    complain("{}: {}: {}", command, fs::text_of(error.code), error.detail());
  }
  status = error.code == ErrorCode::NotFound ? kStatusNotFound : kStatusNotRunnable;
  return 0;
}

Pid Shell::launch_subshell(const Node& node, const Launch& launch, i32& status) {
  base::String program(heap());
  unparse(node, program);
  return launch_subshell_text(program, launch, status);
}

/// A file with this text, open for reading, that no name leads to.
Result<Fd> Shell::unnamed_file(std::string_view text) {
  constexpr u16 kWrite = schema::file::kOpenWrite | schema::file::kOpenCreate | schema::file::kOpenTruncate;
  base::String path(heap());
  path.append_format("/tmp/.fsh-{}", process_.pid());
  const Fd output = TRY(process_.open(path, kWrite, 0600));
  const auto written = process_.write(output, base::bytes_of(text));
  (void)process_.close(output).ok();
  auto input = written.ok() ? process_.open(path, kOpenRead) : Result<Fd>(written.error());
  (void)process_.remove(path).ok();
  return input;
}

Pid Shell::launch_subshell_text(std::string_view program, const Launch& launch, i32& status) {
  base::String state(heap());
  write_state(state);
  std::string_view words[] = {"fsh", "--subshell", state.view(), program};
  base::Vector<FdMapping> descriptors = child_descriptors();
  // What is too long for arguments goes through a file without a name.
  Result<Fd> file = fs::fail(ErrorCode::NotFound);
  char number[16];
  if (state.size() + program.size() > kSubshellArgumentsMax) {
    state.push('\n');
    const u64 state_bytes = state.size();
    state.append(program);
    file = unnamed_file(state);
    if (!file.ok()) {
      complain("subshell: {}", fs::text_of(file.error().code));
      status = kStatusNotRunnable;
      return 0;
    }
    words[1] = "--subshell-file";
    words[2] = base::format(std::span<char>(number), "{}", state_bytes);
    words[3] = "";
    descriptors.push_back({kSubshellFd, *file});
  }
  const SpawnOptions options_{.path = "/bin/fsh",
                              .args = words,
                              .descriptors = descriptors.span(),
                              .environment = launch.environment,
                              .flags = launch.own_group && launch.group == 0 ? kRfNoteg : 0,
                              .group = launch.group,
                              .foreground = launch.foreground && options.interactive};
  const auto spawned = process_.spawn(options_);
  if (file.ok()) (void)process_.close(*file).ok();
  if (spawned.ok()) return *spawned;
  complain("subshell: {}", fs::text_of(spawned.error().code));
  status = kStatusNotRunnable;
  return 0;
}

/// Everything a copy of this shell needs that the environment does not carry.
void Shell::write_state(base::String& out) {
  out.append("set --");
  for (const base::String& value : positional_) {
    out.push(' ');
    quote_word(value, out);
  }
  out.push('\n');
  base::String letters(heap());
  (void)special('-', letters);
  for (const char letter : letters) {
    if (letter != 'i' && letter != 'm') out.append_format("set -{}\n", letter);
  }
  if (options.pipefail) out.append("set -o pipefail\n");
  for (const auto& [key, variable] : variables_) {
    if (variable.set && !variable.exported) {
      out.append(key.view()).append("=");
      quote_word(variable.value, out);
      out.push('\n');
    }
    if (variable.read_only) out.append_format("readonly {}\n", key);
  }
  for (const auto& [key, function] : functions_) out.append(function->text.view()).push('\n');
  for (const auto& [key, value] : aliases_) {
    out.append("alias ");
    quote_word(key, out);
    out.push('=');
    quote_word(value, out);
    out.push('\n');
  }
  for (const auto& [note, text] : traps_) {
    if (text.empty() && note != 0) out.append_format("trap '' {}\n", note_name(note));  // ignored notes stay ignored
  }
  base::String zero(heap());
  quote_word(name, zero);
  out.append_format("__state {} {} {} {}\n", main_shell_, last_background_, status_, zero);
}

i32 Shell::wait_foreground(u32 number) {
  for (;;) {
    Job* job = jobs_.find(number);
    ASSERT(job != nullptr);
    if (job->ended() || job->stopped()) break;
    Pid next = 0;
    for (const JobProcess& process : job->processes) {
      if (!process.ended && !process.stopped) next = process.pid;
    }
    const auto waited = process_.wait({.pid = next, .report_stopped = options.monitor});
    if (waited.ok()) {
      jobs_.note_change(*waited);
      jobs_user_ns_ += waited->user_ns;
      jobs_system_ns_ += waited->system_ns;
      children_user_ns_ += waited->user_ns;
      children_system_ns_ += waited->system_ns;
      continue;
    }
    if (waited.error().code == ErrorCode::Interrupted) continue;  // the trap runs when the command has ended
    jobs_.note_change({.pid = next, .code = 127});                // no such child: it cannot be waited for again
  }
  Job* job = jobs_.find(number);
  if (options.interactive && options.monitor) (void)process_.set_foreground(process_.group()).ok();
  // A program that was killed or stopped may have left the console as it liked it.
  const bool by_note = !job->processes.empty() && job->processes.back().note != 0;
  if (by_note && options.interactive && process_.is_console(kStdin)) {
    (void)process_.write_file("/dev/consctl", "rawoff\necho on\n").ok();
  }
  if (!job->ended()) {
    jobs_.make_current(number);
    const i32 status = 128 + static_cast<i32>(job->processes.back().note);
    job->background = true;
    job->told = true;
    base::String line(heap());
    jobs_.print(*job, line);
    print_error(line);
    return status;
  }
  i32 status = job->processes.empty() ? 0 : job->processes.back().status;
  u32 note = job->processes.empty() ? 0 : job->processes.back().note;
  if (options.pipefail) {
    status = 0;
    for (const JobProcess& process : job->processes) {
      if (process.status != 0) status = process.status;
    }
  }
  constexpr u32 kInterrupt = 2;
  constexpr u32 kPipe = 13;
  if (options.interactive) {
    // The keys went to the command in front; the loop or list it stood in is meant as well. Of a pipeline that was still
    // being started they hit only those stages that were there.
    for (const JobProcess& process : job->processes) {
      if (process.note != kInterrupt) continue;
      flow.interrupted = true;
      status = 128 + static_cast<i32>(kInterrupt);
    }
  }
  if (note != 0 && options.interactive) {
    if (note != kInterrupt && note != kPipe) {
      base::String line(heap());
      line.append_format("{}\n", note_name(note));
      print_error(line);
    }
  }
  jobs_.remove(number);
  return status;
}

ShellResult<base::String> Shell::substitute(std::string_view program) {
  base::String output(heap());
  std::string_view trimmed = program;
  while (!trimmed.empty() && (trimmed.front() == ' ' || trimmed.front() == '\t' || trimmed.front() == '\n'))
    trimmed.remove_prefix(1);
  if (trimmed.starts_with("<") && !trimmed.starts_with("<<") &&
      trimmed.find_first_of(";|&>(\n", 1) == std::string_view::npos) {
    std::string_view raw = trimmed.substr(1);
    while (!raw.empty() && raw.front() == ' ') raw.remove_prefix(1);
    const base::String path = TRY(expand_text(*this, heap(), raw));
    auto text = process_.read_file(path);
    if (!text.ok()) return ShellError::format(1, "{}: {}", path, fs::text_of(text.error().code));
    status_ = 0;
    return std::move(*text);
  }
  const auto pipe = process_.pipe();
  if (!pipe.ok()) return ShellError::format(1, "pipe: {}", fs::text_of(pipe.error().code));
  Pool pool(heap());
  const auto parsed = parse_line(pool, program, 0, line_);
  const bool plain = parsed.ok() && parsed->list != nullptr && parsed->next >= program.size() &&
                     parsed->list->parts.size() == 1 && parsed->list->joints[0] == Joint::Sequence;
  const FdMap outside = fds_;
  fds_.actual[1] = static_cast<i32>(pipe->write_end);
  i32 status = 0;
  const Pid pid = plain ? launch_stage(*parsed->list->parts[0], {}, status) : launch_subshell_text(program, {}, status);
  fds_ = outside;
  (void)process_.close(pipe->write_end).ok();
  u8 bytes[4096];
  while (pid != 0) {
    const auto count = process_.read(pipe->read_end, bytes);
    if (!count.ok() && count.error().code == ErrorCode::Interrupted) continue;
    if (!count.ok() || *count == 0) break;
    output.append(base::text_of({bytes, *count}));
  }
  (void)process_.close(pipe->read_end).ok();
  if (pid != 0) {
    const u32 job = jobs_.add(0, "", false);
    jobs_.add_process(job, pid);
    status = wait_foreground(job);
  }
  status_ = status;
  return output;
}

}  // namespace user::fsh
