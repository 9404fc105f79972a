// user/runtime/files.cpp — see files.h: open files and descriptors.
#include "user/runtime/files.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/format.h"
#include "base/planted.h"
#include "base/points.h"
#include "user/runtime/shared.h"

#include "base/enforce.h"

namespace user {

using Manager = schema::process::Process;
using schema::file::Directory;
using schema::file::File;
using schema::file::kAtPosition;
using schema::file::Kind;

namespace {

constexpr u32 kRepeatsMax = 3;
constexpr u8 kReadable = 1;       // of File.poll
constexpr u32 kPassedBytes = 48;  // of one descriptor in the text a child gets

/// Whether what is at an offset stays there: then a request that names it may be made again, and a read gives all of it.
bool is_addressed(Kind kind) { return kind == Kind::File || kind == Kind::BlockNode; }

bool names_console(std::string_view path) {
  const std::string_view last = fs::last_name(path);
  return last == "cons" || last == "tty";
}

}  // namespace

FileStat file_stat(const schema::file::Stat& stat) {
  return {.id = stat.id,
          .size = stat.size,
          .allocated = stat.allocated,
          .modified_ns = stat.modified,
          .accessed_ns = stat.accessed,
          .changed_ns = stat.changed,
          .created_ns = stat.created,
          .special = stat.special,
          .version = stat.version,
          .uid = stat.uid,
          .gid = stat.gid,
          .links = stat.links,
          .device = stat.device,
          .mode = stat.mode,
          .flags = stat.flags,
          .kind = stat.kind};
}

FileTable::FileTable(ProcessState& state) : state_(state), memory_(state.heap), names_(state.heap) {}

void start_files(ProcessState& state) {
  FileTable* files = new (state.heap.allocate(sizeof(FileTable), alignof(FileTable))) FileTable(state);
  state.files = files;
  // What does not read as a table of descriptors is none: the parent may be a broken program.
  const Result<void> restored = files->restore(state.inherited.view());
  MAYBE(restored.ok());
}

// ── Requests ─────────────────────────────────────────────────────────────────────────────────────────────────

template <class Method>
Result<typename Method::Reply> FileTable::ask(Fd fd, const typename Method::Request& request, Repeat repeat) {
  for (u32 attempt = 0;; ++attempt) {
    const Result<typename Method::Reply> reply = ask_slot<Method>(slot_of_descriptor(fd), request);
    if (!reply.ok() && reply.error() == ErrorCode::Interrupted) {
      // Flushed for a note that has a handler, or because the process was stopped: then the request is made again.
      if (run_pending_notes(state_)) return reply;
      attempt -= 1;
      continue;
    }
    if (reply.ok() || !(reply.error() == ErrorCode::ServerRestarted) || attempt == kRepeatsMax) return reply;
    // The next instance answered, which knows nothing of the old open: the request has had no effect.
    const bool untouched = !kernel::MessageInfo{sys::frame().info}.from_kernel();
    if (PLANTED("supervisor.orphan-call") && !untouched) {
      for (;;) sys::wait(kSlotNotification);
    }
    const Descriptor& open = descriptors_[fd];
    const bool at_known_place =
        repeat == Repeat::AtKnownPlace && is_addressed(open.kind) && (open.flags & schema::file::kOpenAppend) == 0;
    if (!untouched && server_is_there(fd)) {
      // It has done what it was asked to, only its answer is lost: the open is as good as before, and its position, which
      // others may share, has moved.
      if constexpr (std::is_same_v<Method, File::Share>) return typename Method::Reply{};
      bool moves = false;
      if constexpr (std::is_same_v<Method, File::Read> || std::is_same_v<Method, File::Write>) {
        moves = request.offset == kAtPosition;
      } else if constexpr (std::is_same_v<Method, File::Seek>) {
        moves = request.whence == schema::file::Whence::Current;
      }
      if (!moves && (repeat == Repeat::Always || at_known_place)) continue;
      return reply;
    }
    TRY(reopen(fd));
    if (untouched) continue;
    if (PLANTED("client.retry-append")) continue;
    if (repeat != Repeat::Always && !at_known_place) return reply;
  }
}

/// Whether the server that has the file open still runs: its successor would know nothing of it.
bool FileTable::server_is_there(Fd fd) {
  for (u32 attempt = 0; attempt <= kRepeatsMax; ++attempt) {
    const bool answers = ask_slot<File::Stat>(slot_of_descriptor(fd), {}).ok();
    if (answers || !kernel::MessageInfo{sys::frame().info}.from_kernel()) return answers;
  }
  return false;
}

/// Opens the file again by its id after its server was restarted, and puts the position back.
Result<void> FileTable::reopen(Fd fd) {
  Descriptor& open = descriptors_[fd];
  if (open.member == 0) return fs::fail(ErrorCode::ServerRestarted);
  const u32 directory = TRY(names_.directory_of(open.member));
  sys::set_receive_slot(kSlotCNode, kSlotReceive, kSlotDepth);
  const auto reply = call<Directory::Reopen>(
      directory, {.id = open.id, .flags = open.flags, .token = open.token, .change = open.change});
  if (!reply.ok()) return fs::fail(ErrorCode::ServerRestarted);
  open.lost = open.lost || reply->lost;
  open.signals = false;
  open.reopened += 1;
  open.kind = reply->kind;
  const u32 slot = slot_of_descriptor(fd);
  Names::remove_slot(slot);
  sys::invoke(kSlotCNode, sys::Invoke::CNodeMove, {slot, kSlotDepth, kSlotReceive, kSlotDepth}, {kSlotCNode});
  if (is_addressed(open.kind) && open.position != 0) {
    TRY(ask_slot<File::Seek>(slot, {.offset = static_cast<i64>(open.position)}));
  }
  return {};
}

// ── The table ────────────────────────────────────────────────────────────────────────────────────────────────

Result<Descriptor*> FileTable::in_use(Fd fd) {
  if (fd >= kFdsMax || !descriptors_[fd].in_use) return fs::fail(ErrorCode::BadFileDescriptor);
  return &descriptors_[fd];
}

// The realm may allow fewer descriptors than there is room for; it is asked each time, for it may change its mind.
Fd FileTable::end_of_table() const {
  const u64 limit = state_.shared->reserved[kSharedFilesMax];
  return limit == 0 || limit > kFdsMax ? kFdsMax : static_cast<Fd>(limit);
}

Result<Fd> FileTable::lowest_free(Fd lowest) const {
  const Fd end = end_of_table();
  for (Fd fd = lowest; fd < end; ++fd) {
    if (!descriptors_[fd].in_use) return fd;
  }
  return fs::fail(ErrorCode::TooManyOpenFiles);
}

/// Opens `path` (absolute and normal) into an empty slot.
Result<Descriptor> FileTable::open_to_slot(base::String& path, u16 flags, u16 mode, u32 slot) {
  const auto want = (flags & schema::file::kOpenCreate) != 0 ? Names::Want::Create : Names::Want::Existing;
  const u16 masked = static_cast<u16>(mode & ~state_.umask);
  const auto reply = names_.ask<Directory::Open>(path, want, slot, [&](std::string_view rest) {
    return Directory::Open::Request{.path = rest, .flags = flags, .mode = masked, .tag = tag()};
  });
  if (!reply.ok()) {
    if (reply.error() == ErrorCode::Link) return fs::fail(ErrorCode::TooManyLinks);
    return reply.take_failure();
  }
  Descriptor open{
      .in_use = true, .kind = reply->kind, .member = names_.last_member(), .id = reply->id, .token = reply->token};
  open.flags = flags & (schema::file::kOpenRead | schema::file::kOpenWrite | schema::file::kOpenExecute |
                        schema::file::kOpenAppend | schema::file::kOpenNonBlock);
  open.is_console = open.kind != Kind::File && names_console(path.view());
  return open;
}

Result<Fd> FileTable::open(std::string_view path, u16 flags, u16 mode, Fd lowest) {
  base::String whole = TRY(absolute(path));
  if (fs::demands_directory(path) && (flags & schema::file::kOpenCreate) == 0) flags |= schema::file::kOpenDirectory;
  const Fd fd = TRY(lowest_free(lowest));
  Fd original = 0;
  if (TRY(is_descriptor_path(whole.view(), &original))) return dup(original, lowest);
  const Result<Descriptor> open = open_to_slot(whole, flags, mode, slot_of_descriptor(fd));
  if (!open.ok()) {
    // A link on the way may have led to /fd.
    if (open.error() == ErrorCode::NotSupported && TRY(is_descriptor_path(whole.view(), &original))) {
      return dup(original, lowest);
    }
    return open.take_failure();
  }
  descriptors_[fd] = *open;
  return fd;
}

/// A close that did not get to the server is made again: what stays open there is waited for by others.
Result<void> FileTable::close_slot(u32 slot) {
  for (u32 attempt = 0;; ++attempt) {
    const auto closed = ask_slot<File::Close>(slot, {});
    if (closed.ok()) return {};
    const bool never_got_there =
        closed.error() == ErrorCode::AccessRevoked && kernel::MessageInfo{sys::frame().info}.from_kernel();
    if (!never_got_there || attempt == kRepeatsMax) return closed.error();
  }
}

Result<void> FileTable::close(Fd fd) {
  const Descriptor open = *TRY(in_use(fd));
  const u32 slot = slot_of_descriptor(fd);
  // The manager knows the slots of the first thread only; one that closes its copy for the process says so itself.
  if (state_.first == nullptr) sys::buffer().reserved[kSharedClosing] = slot;
  const auto closed = close_slot(slot);
  Names::remove_slot(slot);
  if (state_.first == nullptr) sys::buffer().reserved[kSharedClosing] = 0;
  descriptors_[fd] = {};
  if (open.lost) return fs::fail(ErrorCode::ServerRestarted);
  // An open that its server ended before, or that a restart ended, is closed all the same.
  if (!closed.ok() && closed.error() == ErrorCode::Interrupted) return closed.take_failure();
  return {};
}

void FileTable::close_all() {
  for (Fd fd = 0; fd < kFdsMax; ++fd) {
    if (descriptors_[fd].in_use) static_cast<void>(close(fd));  // nobody is left to be told
  }
}

// ── Data ─────────────────────────────────────────────────────────────────────────────────────────────────────

/// One request gives kInlineBytesMax at most. A file gives all that was asked for and that it has; a device as much as it
/// has ready; from a stream the first piece is enough.
Result<u64> FileTable::read(Fd fd, u64 offset, base::MutableBytes out) {
  Descriptor* open = TRY(in_use(fd));
  const u32 piece = TUNABLE("file.read-bytes", fs::kInlineBytesMax, 64, 512);
  u64 done = 0;
  while (done < out.size()) {
    const u32 count = static_cast<u32>(std::min<u64>(out.size() - done, piece));
    const auto reply = ask<File::Read>(fd, {.offset = offset, .count = count, .tag = tag()}, Repeat::AtKnownPlace);
    if (!reply.ok() && done != 0) break;  // what was read is told first
    if (!reply.ok()) return reply.take_failure();
    if (reply->data.size() > count || reply->count != reply->data.size()) return fs::fail(ErrorCode::ProtocolError);
    const u64 bytes = reply->data.size();
    if (bytes != 0) __builtin_memcpy(out.data() + done, reply->data.data(), bytes);
    done += bytes;
    if (offset == kAtPosition) {
      open->position = reply->position;
    } else {
      offset += bytes;
    }
    if (bytes < count) break;
    if (is_addressed(open->kind)) continue;
    if (open->kind != Kind::Device || open->is_console) break;
    const Result<u8> more = ready(fd, kReadable);
    if (!more.ok() || *more == 0) break;
  }
  return done;
}

Result<void> FileTable::write(Fd fd, u64 offset, base::Bytes data) {
  Descriptor* open = TRY(in_use(fd));
  if (data.empty()) return {};
  // What goes into a pipe or to a device stays in one piece as far as it would.
  u32 piece = fs::kInlineBytesMax;
  if (is_addressed(open->kind) && (open->flags & schema::file::kOpenAppend) == 0)
    piece = TUNABLE("file.write-bytes", piece, 64, 512);
  while (!data.empty()) {
    const base::Bytes part = data.first(std::min<u64>(data.size(), piece));
    const auto reply =
        ask<File::Write>(fd, {.offset = offset, .count = static_cast<u32>(part.size()), .tag = tag(), .data = part},
                         Repeat::AtKnownPlace);
    if (!reply.ok()) {
      if (reply.error() == ErrorCode::BrokenPipe) {
        static_cast<void>(call<Manager::Post>(kSlotRoot, {.target = state_.pid, .note = "pipe"}));
        run_pending_notes(state_);
      }
      return reply.take_failure();
    }
    if (reply->count == 0 || reply->count > part.size()) return fs::fail(ErrorCode::NoSpaceLeft);
    if (offset == kAtPosition) {
      open->position = reply->position;
    } else {
      offset += reply->count;
    }
    if (reply->change != 0) open->change = reply->change;
    data = data.subspan(reply->count);
  }
  return {};
}

Result<u64> FileTable::seek(Fd fd, i64 offset, schema::file::Whence whence) {
  Descriptor* open = TRY(in_use(fd));
  const auto reply = ask<File::Seek>(fd, {.offset = offset, .whence = whence}, Repeat::Always);
  if (!reply.ok()) return reply.take_failure();
  open->position = reply->position;
  return reply->position;
}

Result<void> FileTable::truncate(Fd fd, u64 size) {
  TRY(in_use(fd));
  TRY(ask<File::Truncate>(fd, {.size = size}, Repeat::Always));
  return {};
}

Result<u8> FileTable::ready(Fd fd, u8 want) {
  TRY(in_use(fd));
  return TRY(ask<File::Poll>(fd, {.want = want}, Repeat::Always)).ready;
}

Result<u8> FileTable::signal_when_readable(Fd fd) {
  Descriptor* open = TRY(in_use(fd));
  if (open->signals) return u8{0};
  TRY(mint_signal(kSignalReady));
  const auto reply =
      call<File::Poll>(slot_of_descriptor(fd), {.want = kReadable, .signal = schema::CapIndex::of(0)}, {kSlotScratch});
  unmint_signal();
  if (!reply.ok()) return reply.take_failure();
  open->signals = reply->ready == 0;
  return reply->ready;
}

void FileTable::signal_came() {
  for (Descriptor& open : descriptors_) open.signals = false;
}

Result<void> FileTable::sync(Fd fd) {
  Descriptor* open = TRY(in_use(fd));
  const auto reply = ask<File::Sync>(fd, {}, Repeat::Never);
  if (!reply.ok()) return reply.take_failure();
  if (!open->lost) return {};
  open->lost = false;
  return fs::fail(ErrorCode::ServerRestarted);
}

Result<FileStat> FileTable::stat_fd(Fd fd) {
  const bool is_lent = &process_table() != this && !in_use(fd).ok();
  if (is_lent) TRY(borrow(fd));
  TRY(in_use(fd));
  const auto reply = ask<File::Stat>(fd, {}, Repeat::Always);
  if (is_lent) give_back(fd);
  if (!reply.ok()) return reply.take_failure();
  return file_stat(reply->stat);
}

// ── Copies ───────────────────────────────────────────────────────────────────────────────────────────────────

/// Makes `target`, which is free, a second holder of `fd`.
Result<Fd> FileTable::duplicate(Fd fd, Fd target) {
  // Of an open that was made again: the holder that was told of went with the server.
  TRY(ask<File::Share>(fd, {}, Repeat::Always));
  const sys::Answer copied = sys::invoke(
      kSlotCNode, sys::Invoke::CNodeCopy,
      {slot_of_descriptor(target), kSlotDepth, slot_of_descriptor(fd), kSlotDepth, kernel::kRightsAll}, {kSlotCNode});
  if (!copied.ok()) return fs::fail(ErrorCode::AccessRevoked);
  descriptors_[target] = descriptors_[fd];
  descriptors_[target].close_on_exec = false;
  descriptors_[target].signals = false;
  return target;
}

Result<Fd> FileTable::dup(Fd fd, Fd lowest) {
  // A path like /fd/1 means the process's descriptor, whichever thread asks.
  const bool is_lent = &process_table() != this && !in_use(fd).ok();
  if (is_lent) TRY(borrow(fd));
  TRY(in_use(fd));
  const Result<Fd> target = lowest_free(lowest);
  const Result<Fd> made = target.ok() ? duplicate(fd, *target) : target;
  if (is_lent) give_back(fd);
  return made;
}

Result<void> FileTable::dup_to(Fd fd, Fd target) {
  TRY(in_use(fd));
  if (target >= kFdsMax) return fs::fail(ErrorCode::BadFileDescriptor);
  if (target >= end_of_table() && !descriptors_[target].in_use) return fs::fail(ErrorCode::TooManyOpenFiles);
  if (fd == target) return {};
  if (descriptors_[target].in_use) {
    const Result<void> closed = close(target);
    MAYBE(closed.ok());  // what it was is not what the caller asked about
  }
  TRY(duplicate(fd, target));
  return {};
}

Result<void> FileTable::set_close_on_exec(Fd fd, bool on) {
  Descriptor* open = TRY(in_use(fd));
  open->close_on_exec = on;
  return {};
}

/// The pipe server makes a pipe when its file `new` is opened; the other end is opened by the number of that node.
Result<Process::Pipe> FileTable::pipe() {
  const Fd reader = TRY(lowest_free(0));
  const u32 directory = TRY(names_.directory_of_service("pipe"));
  sys::set_receive_slot(kSlotCNode, slot_of_descriptor(reader), kSlotDepth);
  const auto made = call<Directory::Open>(directory, {.path = "new", .flags = schema::file::kOpenRead, .tag = tag()});
  if (!made.ok()) return made.take_failure();
  descriptors_[reader] = {.in_use = true, .kind = made->kind, .flags = schema::file::kOpenRead, .id = made->id};
  char text[24];
  const std::string_view name = base::format(text, "{}", made->id);
  const Result<Fd> writer = lowest_free(0);
  if (writer.ok()) sys::set_receive_slot(kSlotCNode, slot_of_descriptor(*writer), kSlotDepth);
  const Result<Directory::Open::Reply> other =
      writer.ok() ? call<Directory::Open>(directory, {.path = name, .flags = schema::file::kOpenWrite, .tag = tag()})
                  : Result<Directory::Open::Reply>(writer.error());
  if (!other.ok()) {
    static_cast<void>(close(reader));  // the error that is told is the writer's
    return other.take_failure();
  }
  descriptors_[*writer] = {.in_use = true, .kind = other->kind, .flags = schema::file::kOpenWrite, .id = other->id};
  return Process::Pipe{reader, *writer};
}

// ── Passing on ───────────────────────────────────────────────────────────────────────────────────────────────

Result<void> FileTable::pass(std::span<const FdMapping> wanted, base::String& text,
                             base::Vector<schema::process::Copy>& copies) {
  const u64 first = copies.size();
  for (const FdMapping& mapping : wanted) {
    const Result<Descriptor*> open =
        mapping.child < kFdsMax ? in_use(mapping.parent) : Result<Descriptor*>(ErrorCode::BadFileDescriptor);
    const auto shared =
        open.ok() ? ask<File::Share>(mapping.parent, {}, Repeat::Always) : Result<File::Share::Reply>(open.error());
    // What merely goes along and leads nowhere any more stays behind.
    const bool goes_along = open.ok() && mapping.child > kStderr;
    if (goes_along && !shared.ok() && shared.error() == ErrorCode::AccessRevoked) continue;
    if (!shared.ok()) {
      take_back(copies.span().subspan(first));
      copies.truncate(first);
      return shared.take_failure();
    }
    copies.push_back({.from = static_cast<u16>(slot_of_descriptor(mapping.parent)),
                      .to = static_cast<u16>(slot_of_descriptor(mapping.child))});
    const Descriptor& from = **open;
    u8 record[kPassedBytes] = {};
    base::store_le16(record, static_cast<u16>(mapping.child));
    base::store_le16(record + 2, from.flags);
    record[4] = static_cast<u8>(from.kind);
    record[5] = static_cast<u8>((from.is_console ? 1 : 0) | (from.lost ? 2 : 0));
    base::store_le32(record + 8, from.member);
    base::store_le64(record + 16, from.id);
    base::store_le64(record + 24, from.token);
    base::store_le64(record + 32, from.change);
    base::store_le64(record + 40, from.position);
    text.append(base::text_of({record, sizeof record}));
  }
  return {};
}

void FileTable::take_back(std::span<const schema::process::Copy> copies) {
  for (const schema::process::Copy& copy : copies) {
    if (copy.from < kSlotDescriptors || copy.from >= kSlotDescriptorsEnd) continue;
    // Only the holder that was added goes: the capability stays the parent's.
    static_cast<void>(close_slot(copy.from));
  }
}

Result<void> FileTable::restore(std::string_view inherited) {
  if (inherited.size() % kPassedBytes != 0) return fs::fail(ErrorCode::ProtocolError);
  const base::Bytes bytes = base::bytes_of(inherited);
  for (u64 at = 0; at < bytes.size(); at += kPassedBytes) {
    const u8* record = bytes.data() + at;
    const Fd fd = base::load_le16(record);
    if (fd >= kFdsMax) return fs::fail(ErrorCode::ProtocolError);
    descriptors_[fd] = {.in_use = true,
                        .is_console = (record[5] & 1) != 0,
                        .lost = (record[5] & 2) != 0,
                        .kind = static_cast<Kind>(record[4]),
                        .flags = base::load_le16(record + 2),
                        .member = base::load_le32(record + 8),
                        .id = base::load_le64(record + 16),
                        .token = base::load_le64(record + 24),
                        .change = base::load_le64(record + 32),
                        .position = base::load_le64(record + 40)};
  }
  return {};
}

}  // namespace user
