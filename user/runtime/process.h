// user/runtime/process.h — what every native program is written against: files, names, processes, notes, time, memory.
// Paths are bytes, absolute or relative to the current directory; descriptors are small numbers; errors are those of
// fs/error.h. A call blocks only in system calls; a posted note makes it return Interrupted.
#pragma once
#include "base/allocator.h"
#include "base/string.h"
#include "base/vector.h"
#include "fs/error.h"
#include "schema/file.capnp.h"

namespace user {

using fs::Error;
using fs::ErrorCode;
using fs::Result;
using Pid = u32;
using Fd = u32;

constexpr Fd kStdin = 0;
constexpr Fd kStdout = 1;
constexpr Fd kStderr = 2;
constexpr u32 kFdsMax = 256;

class Process;

/// One native program: what `#!orrery NAME` names. `main` returns the exit code.
struct Program {
  std::string_view name;
  i32 (*main)(Process& process);
  u64 stack_bytes = 256 << 10;
};

/// A file's facts, its name kept by value.
struct FileStat {
  u64 id = 0;
  u64 size = 0;
  u64 allocated = 0;
  i64 modified_ns = 0;  // wall clock, since 1970
  i64 accessed_ns = 0;
  i64 changed_ns = 0;
  i64 created_ns = 0;
  u64 special = 0;
  u32 version = 0;
  u32 uid = 0;
  u32 gid = 0;
  u32 links = 0;
  u32 device = 0;
  u16 mode = 0;  // permission bits, set-uid, set-gid, sticky
  u16 flags = 0;
  schema::file::Kind kind = schema::file::Kind::File;
};

struct DirectoryEntry {
  base::String name;
  FileStat stat;
};

enum class Whence : u8 { Start, Current, End };
enum class FollowLinks : u8 { Yes, No };

// rfork and spawn flags, as Plan 9's rfork.
constexpr u32 kRfFdg = 2;         // copy the descriptors (else shared)
constexpr u32 kRfCFdg = 4;        // no descriptors
constexpr u32 kRfNameg = 8;       // copy the namespace (else shared)
constexpr u32 kRfNoWait = 32;     // no wait record; the parent is init
constexpr u32 kRfEnvg = 64;       // copy the environment
constexpr u32 kRfCEnvg = 128;     // empty environment
constexpr u32 kRfCNameg = 256;    // empty namespace
constexpr u32 kRfNoteg = 512;     // new process group
constexpr u32 kRfNoMount = 1024;  // no mount, bind or unmount here or below, for ever
constexpr u32 kRfSession = 2048;  // new session, no console

struct FdMapping {
  Fd child;
  Fd parent;
};
struct EnvSetting {
  std::string_view name;
  std::string_view value;
  bool remove = false;
};

struct SpawnOptions {
  std::string_view path;                    // the program file; scripts and #! lines are followed here
  std::span<const std::string_view> args;   // args[0] is the name
  std::span<const FdMapping> descriptors;   // only these are passed
  std::span<const EnvSetting> environment;  // on top of the caller's
  u32 flags = 0;                            // kRf*
  Pid group = 0;                            // join this process group; 0 with kRfNoteg: lead a new one
  bool foreground = false;                  // make its group the console's foreground group, before it runs
  std::string_view realm;                   // path of a child realm, empty: the caller's
};

struct WaitStatus {
  Pid pid = 0;
  u32 code = 0;          // 0–255; 128 + n when ended by note n
  bool stopped = false;  // (with report_stopped) stopped, not ended; code = 128 + note
  u32 note = 0;          // the note that ended or stopped it; 0 none
  char cause[64] = {};   // "page fault at 0x0"; empty for a plain exit
  u64 user_ns = 0;
  u64 system_ns = 0;
  u64 real_ns = 0;
};
struct WaitOptions {
  Pid pid = 0;           // 0: any child
  Pid group = 0;         // or any child of this group
  bool no_hang = false;  // none has ended: a WaitStatus with pid 0
  bool report_stopped = false;
};

enum class NoteAction : u8 { Default, Ignore, Handle };

struct Identity {
  u32 uid = 0;
  u32 gid = 0;
};

/// This process. One per program instance, given to `main`.
class Process {
 public:
  // ── Itself ─────────────────────────────────────────────────────────────────────────────────────────────────
  std::span<const std::string_view> args() const;
  std::string_view name() const;  // last component of args[0]
  Pid pid() const;
  Pid parent_pid();
  Identity identity();
  /// General-purpose memory of this process, charged to its realm. Running out is a fault; `try_allocate` is not.
  base::Allocator& heap();
  [[noreturn]] void exit(u32 code);

  // ── Files ──────────────────────────────────────────────────────────────────────────────────────────────────
  Result<Fd> open(std::string_view path, u16 flags, u16 mode = 0666);  // schema::file::kOpen*; lowest free number
  Result<void> close(Fd fd);
  Result<u64> read(Fd fd, base::MutableBytes out);  // ≥ 1 byte, or 0 at end of file
  Result<void> write(Fd fd, base::Bytes data);      // all of it, or an error
  /// Whether a read would answer at once, now or within `timeout_ns`.
  Result<bool> wait_readable(Fd fd, u64 timeout_ns);
  Result<u64> read_at(Fd fd, u64 offset, base::MutableBytes out);
  Result<void> write_at(Fd fd, u64 offset, base::Bytes data);
  Result<u64> seek(Fd fd, i64 offset, Whence whence);
  Result<void> truncate(Fd fd, u64 size);
  Result<void> sync(Fd fd);
  Result<FileStat> stat(std::string_view path, FollowLinks follow = FollowLinks::Yes);
  Result<FileStat> stat_fd(Fd fd);
  Result<void> change(std::string_view path, const schema::file::Change& change, FollowLinks follow = FollowLinks::Yes);
  Result<base::Vector<DirectoryEntry>> list(std::string_view path);  // sorted bytewise, unions merged
  Result<void> remove(std::string_view path);
  Result<void> remove_directory(std::string_view path);
  Result<void> make_directory(std::string_view path, u16 mode = 0777);
  Result<void> rename(std::string_view from, std::string_view to);
  Result<void> link(std::string_view from, std::string_view to);
  Result<void> symlink(std::string_view target, std::string_view path);
  Result<base::String> read_link(std::string_view path);
  struct Pipe {
    Fd read_end;
    Fd write_end;
  };
  Result<Pipe> pipe();
  Result<Fd> dup(Fd fd, Fd lowest = 0);
  Result<void> dup_to(Fd fd, Fd target);
  bool is_console(Fd fd);
  bool is_open(Fd fd);
  Result<void> set_close_on_exec(Fd fd, bool on);
  /// The whole file; `bytes_max` bounds it (FileTooLarge).
  Result<base::String> read_file(std::string_view path, u64 bytes_max = 16 << 20);
  Result<void> write_file(std::string_view path, std::string_view text);  // one open, one write: ctl files too

  // ── Names ──────────────────────────────────────────────────────────────────────────────────────────────────
  std::string_view cwd() const;
  Result<void> change_directory(std::string_view path);
  /// Absolute and lexically normalised; does not look at files.
  base::String absolute(std::string_view path);
  Result<void> mount(std::string_view service, std::string_view old, u8 flags, std::string_view tree = {});
  Result<void> bind(std::string_view new_name, std::string_view old, u8 flags);
  Result<void> unmount(std::string_view new_name /* may be empty */, std::string_view old);
  Result<base::String> namespace_text(Pid pid = 0);  // 0: this process
  u16 umask() const;
  u16 set_umask(u16 mask);

  // ── Environment (/env) ─────────────────────────────────────────────────────────────────────────────────────
  Result<base::String> env(std::string_view name);
  Result<void> set_env(std::string_view name, std::string_view value);
  Result<void> unset_env(std::string_view name);
  Result<base::Vector<base::String>> env_names();  // sorted

  // ── Processes ──────────────────────────────────────────────────────────────────────────────────────────────
  Result<Pid> spawn(const SpawnOptions& options);
  Result<WaitStatus> wait(const WaitOptions& options);
  Result<void> rfork(u32 flags);
  Result<void> post(Pid pid, std::string_view note);  // a note's text or number
  Result<void> post_group(Pid group, std::string_view note);
  /// What happens on note `number` (POSIX signal numbers). Handlers run at the next system call's end.
  Result<void> on_note(u32 number, NoteAction action, void (*handler)(Process&, u32 number, void* context) = nullptr,
                       void* context = nullptr);
  Pid group();
  Result<void> set_group(Pid pid, Pid group);
  Result<void> set_foreground(Pid group);  // of this session's console
  bool has_console();

  // ── Time ───────────────────────────────────────────────────────────────────────────────────────────────────
  u64 uptime_ns();             // monotonic
  i64 wall_ns();               // since 1970
  Result<void> sleep(u64 ns);  // Interrupted when a note came first

  // ── Work ───────────────────────────────────────────────────────────────────────────────────────────────────
  /// Charges `units` of native work (10 virtual ns each); every loop over data does.
  void work(u64 units);

 private:
  friend class ProcessAccess;
  struct State;
  explicit Process(State& state) : state_(state) {}
  State& state_;
};

/// The name of a note number ("interrupt"), and back from a name, POSIX name ("INT", "SIGINT") or number; 0: none.
std::string_view note_name(u32 number);
u32 note_number(std::string_view text);

/// `name: path: reason: detail` on descriptor 2.
void report(Process& process, std::string_view subject, const Error& error);

}  // namespace user
