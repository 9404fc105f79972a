// user/runtime/files.h — the file half of the runtime: descriptors over File capabilities, and everything a program does
// with files by path. Process (process.h) forwards to it.
// Invariants  F1 slot kSlotDescriptors + n holds a File exactly when descriptor n is in use, and is one of its holders.
//             F2 user_data of the IPC buffer names the slot of a request under way on a File, else 0.
#pragma once
#include "user/runtime/namespace_client.h"
#include "user/runtime/shared.h"
#include "user/runtime/state.h"

namespace user {

/// What is known of an open without asking its server.
struct Descriptor {
  bool in_use = false;
  bool close_on_exec = false;
  bool is_console = false;
  bool signals = false;  // its server signals when it can be read
  u32 reopened = 0;      // how often it was opened again
  bool lost = false;     // changes were lost in a restart: the next sync or close says so, once
  schema::file::Kind kind = schema::file::Kind::File;
  u16 flags = 0;
  u32 member = 0;  // of the namespace, whose Directory can open it again; 0: none
  u64 id = 0;
  u64 token = 0;
  u64 change = 0;    // number of the last change this process was told
  u64 position = 0;  // where the server's position was last seen
};

/// What the protocol says of a file, in the words of the runtime's own interface.
FileStat file_stat(const schema::file::Stat& stat);

class FileTable final : public FileHalf {
 public:
  explicit FileTable(ProcessState& state);

  Names& names() { return names_; }

  // ── Descriptors (files.cpp) ──────────────────────────────────────────────────────────────────────────────
  Result<Fd> open(std::string_view path, u16 flags, u16 mode, Fd lowest = 0);
  Result<void> close(Fd fd);
  Result<u64> read(Fd fd, u64 offset, base::MutableBytes out);
  Result<void> write(Fd fd, u64 offset, base::Bytes data);
  Result<u64> seek(Fd fd, i64 offset, schema::file::Whence whence);
  Result<void> truncate(Fd fd, u64 size);
  Result<void> sync(Fd fd);
  /// Which of fs::kReady* hold now.
  Result<u8> ready(Fd fd, u8 want);
  /// What `ready` says; if that is nothing, kSignalReady comes once the file can be read.
  Result<u8> signal_when_readable(Fd fd);
  /// kSignalReady has come: whose file it was is not told, so all are asked about anew.
  void signal_came();
  Result<FileStat> stat_fd(Fd fd);
  Result<Process::Pipe> pipe();
  Result<Fd> dup(Fd fd, Fd lowest);
  Result<void> dup_to(Fd fd, Fd target);
  bool is_open(Fd fd) const { return fd < kFdsMax && descriptors_[fd].in_use; }
  bool is_console(Fd fd) const { return fd < kFdsMax && descriptors_[fd].in_use && descriptors_[fd].is_console; }
  Result<void> set_close_on_exec(Fd fd, bool on);

  // ── Names (files_names.cpp) ──────────────────────────────────────────────────────────────────────────────
  /// Absolute and normal. Errors: those of fs::normalise.
  Result<base::String> absolute(std::string_view path);
  Result<FileStat> stat(std::string_view path, FollowLinks follow);
  Result<void> change(std::string_view path, const schema::file::Change& change, FollowLinks follow);
  Result<base::Vector<DirectoryEntry>> list(std::string_view path);
  Result<void> remove(std::string_view path, bool directory);
  Result<void> make_directory(std::string_view path, u16 mode);
  Result<void> rename(std::string_view from, std::string_view to);
  Result<void> link(std::string_view from, std::string_view to);
  Result<void> symlink(std::string_view target, std::string_view path);
  Result<base::String> read_link(std::string_view path);
  Result<void> change_directory(std::string_view path);
  Result<base::String> read_file(std::string_view path, u64 bytes_max);
  Result<void> write_file(std::string_view path, std::string_view text);

  // ── Mounting (mounts.cpp) ────────────────────────────────────────────────────────────────────────────────
  Result<void> mount(std::string_view service, std::string_view old, u8 flags, std::string_view tree);
  Result<void> bind(std::string_view new_name, std::string_view old, u8 flags);
  Result<void> unmount(std::string_view new_name, std::string_view old);

  // ── Further threads (files_threads.cpp): each has a table of its own, and works with the first thread's open files ──
  /// Takes the open file `fd` of the process for one request, at the same number. It is `give_back`, or closed here.
  Result<void> borrow(Fd fd);
  void give_back(Fd fd);
  /// Closes what was borrowed, for the process.
  Result<void> close_borrowed(Fd fd);
  /// Makes what was opened here an open file of the process: its number there. Errors: TooManyOpenFiles, it is closed then.
  Result<Fd> hand_over(Fd fd);
  /// What a thread waits for at the server of one of the process's files is answered with Interrupted.
  void flush(Fd fd);

  // ── FileHalf ─────────────────────────────────────────────────────────────────────────────────────────────
  Result<void> pass(std::span<const FdMapping> descriptors, base::String& text,
                    base::Vector<schema::process::Copy>& copies) override;
  void take_back(std::span<const schema::process::Copy> copies) override;
  void close_all() override;
  /// Takes the descriptors that `pass` of the parent described. Error ProtocolError: it is no such text.
  Result<void> restore(std::string_view inherited);

 private:
  /// A request on an open File, by the slot it lies in; what may be repeated is repeated after a restart.
  enum class Repeat : u8 { Always, Never, AtKnownPlace };
  template <class Method>
  Result<typename Method::Reply> ask(Fd fd, const typename Method::Request& request, Repeat repeat);
  template <class Method>
  Result<typename Method::Reply> ask_slot(u32 slot, const typename Method::Request& request) {
    sys::buffer().user_data = slot;  // F2
    const Result<typename Method::Reply> reply = call<Method>(slot, request);
    sys::buffer().user_data = 0;
    return reply;
  }
  Result<void> reopen(Fd fd);
  bool server_is_there(Fd fd);
  Result<void> close_slot(u32 slot);
  Result<Descriptor*> in_use(Fd fd);
  Fd end_of_table() const;
  Result<Fd> lowest_free(Fd lowest) const;
  Result<Fd> duplicate(Fd fd, Fd target);
  Result<Descriptor> open_to_slot(base::String& path, u16 flags, u16 mode, u32 slot);
  /// Whether a path names a descriptor of this process (`/fd/N`): its number, kFdsMax for the directory itself.
  Result<bool> is_descriptor_path(std::string_view path, Fd* fd);
  Result<void> list_descriptors(base::Vector<DirectoryEntry>& out);
  struct Listed;
  Result<void> list_member(u32 slot, std::string_view rest, u32 order, base::Vector<Listed>& out);
  Result<u32> attach(std::string_view service, std::string_view tree, u32 slot);
  template <class Method>
  Result<void> ask_two(std::string_view from, std::string_view to);
  Result<u32> start_private_server(std::string_view name);
  Result<void> add_member(std::string_view path, u8 flags, MemberKind kind, std::string_view source,
                          std::string_view tree, u32 slot);
  Result<void> begin_union(std::string_view old, u8 flags);
  Result<void> walk(std::string_view path, u8 rights, u32 slot);
  /// The descriptors of the process: this table, or the first thread's.
  FileTable& process_table();
  u32 tag() const { return state_.pid; }

  ProcessState& state_;
  base::Allocator& memory_;
  Names names_;
  Descriptor descriptors_[kFdsMax];
};

/// Puts the file half into the state of a process that starts, with what its parent left for it.
void start_files(ProcessState& state);
inline FileTable& files_of(ProcessState& state) { return static_cast<FileTable&>(*state.files); }

}  // namespace user
