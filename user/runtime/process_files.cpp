// user/runtime/process_files.cpp — the calls of Process that have to do with files and names. Notes that came meanwhile
// are handled where each call ends.
#include "fs/file_system.h"
#include "schema/process.capnp.h"
#include "user/runtime/call.h"
#include "user/runtime/files.h"

#include "base/enforce.h"

namespace user {
namespace {

/// Runs one call of the file half, then the handlers of the notes that came.
template <class Call>
auto with_notes(ProcessState& state, const Call& call_files) {
  auto result = call_files(files_of(state));
  run_pending_notes(state);
  return result;
}

}  // namespace

Result<Fd> Process::open(std::string_view path, u16 flags, u16 mode) {
  return with_notes(state_, [&](FileTable& files) { return files.open(path, flags, mode); });
}
Result<void> Process::close(Fd fd) {
  return with_notes(state_, [&](FileTable& files) { return files.close(fd); });
}
Result<u64> Process::read(Fd fd, base::MutableBytes out) {
  return with_notes(state_, [&](FileTable& files) { return files.read(fd, schema::file::kAtPosition, out); });
}
Result<void> Process::write(Fd fd, base::Bytes data) {
  return with_notes(state_, [&](FileTable& files) { return files.write(fd, schema::file::kAtPosition, data); });
}
Result<u64> Process::read_at(Fd fd, u64 offset, base::MutableBytes out) {
  if (offset == schema::file::kAtPosition) return fs::fail(ErrorCode::BadArgument);
  return with_notes(state_, [&](FileTable& files) { return files.read(fd, offset, out); });
}
Result<void> Process::write_at(Fd fd, u64 offset, base::Bytes data) {
  if (offset == schema::file::kAtPosition) return fs::fail(ErrorCode::BadArgument);
  return with_notes(state_, [&](FileTable& files) { return files.write(fd, offset, data); });
}
Result<u64> Process::seek(Fd fd, i64 offset, Whence whence) {
  const auto from = static_cast<schema::file::Whence>(whence);
  static_assert(static_cast<u16>(schema::file::Whence::Current) == static_cast<u16>(Whence::Current));
  static_assert(static_cast<u16>(schema::file::Whence::End) == static_cast<u16>(Whence::End));
  return with_notes(state_, [&](FileTable& files) { return files.seek(fd, offset, from); });
}
Result<void> Process::truncate(Fd fd, u64 size) {
  return with_notes(state_, [&](FileTable& files) { return files.truncate(fd, size); });
}
Result<void> Process::sync(Fd fd) {
  return with_notes(state_, [&](FileTable& files) { return files.sync(fd); });
}
Result<FileStat> Process::stat(std::string_view path, FollowLinks follow) {
  return with_notes(state_, [&](FileTable& files) { return files.stat(path, follow); });
}
Result<FileStat> Process::stat_fd(Fd fd) {
  return with_notes(state_, [&](FileTable& files) { return files.stat_fd(fd); });
}
Result<void> Process::change(std::string_view path, const schema::file::Change& change, FollowLinks follow) {
  return with_notes(state_, [&](FileTable& files) { return files.change(path, change, follow); });
}
Result<base::Vector<DirectoryEntry>> Process::list(std::string_view path) {
  return with_notes(state_, [&](FileTable& files) { return files.list(path); });
}
Result<void> Process::remove(std::string_view path) {
  return with_notes(state_, [&](FileTable& files) { return files.remove(path, false); });
}
Result<void> Process::remove_directory(std::string_view path) {
  return with_notes(state_, [&](FileTable& files) { return files.remove(path, true); });
}
Result<void> Process::make_directory(std::string_view path, u16 mode) {
  return with_notes(state_, [&](FileTable& files) { return files.make_directory(path, mode); });
}
Result<void> Process::rename(std::string_view from, std::string_view to) {
  return with_notes(state_, [&](FileTable& files) { return files.rename(from, to); });
}
Result<void> Process::link(std::string_view from, std::string_view to) {
  return with_notes(state_, [&](FileTable& files) { return files.link(from, to); });
}
Result<void> Process::symlink(std::string_view target, std::string_view path) {
  return with_notes(state_, [&](FileTable& files) { return files.symlink(target, path); });
}
Result<base::String> Process::read_link(std::string_view path) {
  return with_notes(state_, [&](FileTable& files) { return files.read_link(path); });
}
Result<Process::Pipe> Process::pipe() {
  return with_notes(state_, [&](FileTable& files) { return files.pipe(); });
}
Result<Fd> Process::dup(Fd fd, Fd lowest) {
  return with_notes(state_, [&](FileTable& files) { return files.dup(fd, lowest); });
}
Result<void> Process::dup_to(Fd fd, Fd target) {
  return with_notes(state_, [&](FileTable& files) { return files.dup_to(fd, target); });
}
Result<bool> Process::wait_readable(Fd fd, u64 timeout_ns) {
  const u64 until_ns = timeout_ns == ~u64{0} ? timeout_ns : uptime_ns() + std::min(timeout_ns, u64{1} << 62);
  for (;;) {
    // First without a signal: what is ready needs none, and a file whose server was restarted is opened again.
    u8 ready = TRY(with_notes(state_, [&](FileTable& files) { return files.ready(fd, fs::kReadyRead); }));
    if (ready == 0 && until_ns != ~u64{0} && uptime_ns() >= until_ns) return false;
    if (ready == 0) ready = TRY(files_of(state_).signal_when_readable(fd));
    if (ready != 0) return true;
    if ((TRY(wait_for_signal(state_, kSignalReady, until_ns)) & kSignalReady) != 0) files_of(state_).signal_came();
  }
}
bool Process::is_open(Fd fd) { return files_of(state_).is_open(fd); }
bool Process::is_console(Fd fd) { return files_of(state_).is_console(fd); }
Result<void> Process::set_close_on_exec(Fd fd, bool on) { return files_of(state_).set_close_on_exec(fd, on); }
Result<base::String> Process::read_file(std::string_view path, u64 bytes_max) {
  return with_notes(state_, [&](FileTable& files) { return files.read_file(path, bytes_max); });
}
Result<void> Process::write_file(std::string_view path, std::string_view text) {
  return with_notes(state_, [&](FileTable& files) { return files.write_file(path, text); });
}

// ── Names ────────────────────────────────────────────────────────────────────────────────────────────────────

std::string_view Process::cwd() const { return state_.cwd.view(); }
Result<void> Process::change_directory(std::string_view path) {
  return with_notes(state_, [&](FileTable& files) { return files.change_directory(path); });
}
base::String Process::absolute(std::string_view path) {
  Result<base::String> whole = files_of(state_).absolute(path);
  if (whole.ok()) return std::move(whole).take();
  return base::String(state_.heap, path);  // no legal path: whoever opens it is told why
}
Result<void> Process::mount(std::string_view service, std::string_view old, u8 flags, std::string_view tree) {
  return with_notes(state_, [&](FileTable& files) { return files.mount(service, old, flags, tree); });
}
Result<void> Process::bind(std::string_view new_name, std::string_view old, u8 flags) {
  return with_notes(state_, [&](FileTable& files) { return files.bind(new_name, old, flags); });
}
Result<void> Process::unmount(std::string_view new_name, std::string_view old) {
  return with_notes(state_, [&](FileTable& files) { return files.unmount(new_name, old); });
}
Result<base::String> Process::namespace_text(Pid target) {
  char path[32];
  return read_file(base::format(path, "/proc/{}/ns", target == 0 ? pid() : target));
}
u16 Process::umask() const { return state_.umask; }
u16 Process::set_umask(u16 mask) {
  const u16 old = state_.umask;
  state_.umask = mask & 0777;
  // The manager only keeps it for children; a manager that does not answer ends this process anyway.
  static_cast<void>(
      call<schema::process::Process::SetCwd>(kSlotRoot, {.path = state_.cwd.view(), .umask = state_.umask}));
  return old;
}

void report(Process& process, std::string_view subject, const Error& error) {
  base::String line(process.heap());
  line.append(process.name()).append(": ");
  if (!subject.empty()) line.append(subject).append(": ");
  line.append(fs::text_of(error.code));
  if (error.detail_size != 0) line.append(": ").append(error.detail());
  line.push('\n');
  if (process.write(kStderr, base::bytes_of(line.view())).ok()) return;
  // A server has no error stream: what it says goes to the kernel's log.
  line.truncate(line.size() - 1);
  static_cast<void>(call<schema::process::Process::Log>(kSlotRoot, {.text = line.view()}));
}

}  // namespace user
