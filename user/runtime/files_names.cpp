// user/runtime/files_names.cpp — see files.h: what is done with files by path.
#include <algorithm>

#include "base/format.h"
#include "base/points.h"
#include "fs/records.h"
#include "user/runtime/files.h"

#include "base/enforce.h"

namespace user {

using schema::file::Directory;
using schema::file::File;
using schema::file::Kind;

namespace {

constexpr u32 kListRoundsMax = 1u << 20;  // of one directory: a server that never ends is cut off

FileStat file_stat(const fs::Attributes& facts) {
  return {.id = facts.id,
          .size = facts.size,
          .modified_ns = facts.modified_ns,
          .version = facts.version,
          .uid = facts.uid,
          .gid = facts.gid,
          .links = facts.links,
          .mode = facts.mode,
          .flags = facts.flags,
          .kind = facts.kind};
}

}  // namespace

Result<base::String> FileTable::absolute(std::string_view path) {
  base::String whole(memory_);
  TRY(fs::normalise(state_.cwd.view(), path, whole));
  return whole;
}

Result<bool> FileTable::is_descriptor_path(std::string_view path, Fd* fd) {
  const fs::Result<std::span<const Mount>> table = names_.mounts();
  if (!table.ok()) return table.take_failure();
  const Result<Covered> covered = find_covering(*table, path);
  if (!covered.ok() || (*table)[covered->first].kind != MemberKind::Descriptors) return false;
  if (covered->rest.empty()) {
    *fd = kFdsMax;
    return true;
  }
  const auto number = base::parse_u64(covered->rest);
  if (!number.ok() || *number >= kFdsMax || !process_table().descriptors_[*number].in_use) {
    return fs::fail(ErrorCode::NotFound);
  }
  *fd = static_cast<Fd>(*number);
  return true;
}

// ── Facts ────────────────────────────────────────────────────────────────────────────────────────────────────

Result<FileStat> FileTable::stat(std::string_view path, FollowLinks follow) {
  base::String whole = TRY(absolute(path));
  for (u32 round = 0;; ++round) {
    Fd fd = 0;
    if (TRY(is_descriptor_path(whole.view(), &fd))) {
      if (fd < kFdsMax) return stat_fd(fd);
      return FileStat{.links = 2, .mode = 0500, .kind = Kind::Directory};
    }
    const bool no_follow = follow == FollowLinks::No && !fs::demands_directory(path);
    const auto reply = names_.ask<Directory::Stat>(whole, Names::Want::Existing, 0, [&](std::string_view rest) {
      return Directory::Stat::Request{.path = rest, .no_follow = no_follow};
    });
    // A link led to /fd: `whole` says where to.
    if (!reply.ok() && reply.error() == ErrorCode::NotSupported && round == 0) continue;
    if (!reply.ok()) return reply.take_failure();
    const FileStat facts = file_stat(reply->stat);
    if (fs::demands_directory(path) && facts.kind != Kind::Directory) return fs::fail(ErrorCode::NotADirectory);
    return facts;
  }
}

Result<void> FileTable::change(std::string_view path, const schema::file::Change& change, FollowLinks follow) {
  base::String whole = TRY(absolute(path));
  TRY(names_.ask<Directory::Wstat>(whole, Names::Want::Existing, 0, [&](std::string_view rest) {
    return Directory::Wstat::Request{.path = rest, .no_follow = follow == FollowLinks::No, .change = change};
  }));
  return {};
}

Result<base::String> FileTable::read_link(std::string_view path) {
  base::String whole = TRY(absolute(path));
  const auto reply = names_.ask<Directory::Readlink>(whole, Names::Want::Existing, 0, [](std::string_view rest) {
    return Directory::Readlink::Request{.path = rest};
  });
  if (!reply.ok()) return reply.take_failure();
  return base::String(memory_, reply->target);
}

Result<void> FileTable::change_directory(std::string_view path) {
  base::String whole = TRY(absolute(path));
  const FileStat facts = TRY(stat(whole.view(), FollowLinks::Yes));
  if (facts.kind != Kind::Directory) return fs::fail(ErrorCode::NotADirectory);
  TRY(call<schema::process::Process::SetCwd>(kSlotRoot, {.path = whole.view(), .umask = state_.umask}));
  state_.cwd = std::move(whole);
  return {};
}

// ── Listing ──────────────────────────────────────────────────────────────────────────────────────────────────

struct FileTable::Listed {
  DirectoryEntry entry;
  u32 order;  // of its member in the union: the first wins
};

/// All entries of one directory, which `rest` names below the Directory in `slot`.
Result<void> FileTable::list_member(u32 slot, std::string_view rest, u32 order, base::Vector<Listed>& out) {
  sys::set_receive_slot(kSlotCNode, kSlotScratch, kSlotDepth);
  const auto opened = call<Directory::Open>(
      slot, {.path = rest, .flags = schema::file::kOpenRead | schema::file::kOpenDirectory, .tag = tag()});
  if (!opened.ok()) return opened.take_failure();
  Result<void> result;
  u64 cookie = 0;
  const u32 room = TUNABLE("file.list-bytes", fs::kInlineBytesMax, 1000, 2048);
  u8 records[fs::kInlineBytesMax];
  for (u32 round = 0; result.ok(); ++round) {
    const auto reply = ask_slot<File::List>(kSlotScratch, {.cookie = cookie, .count = room, .tag = tag()});
    if (!reply.ok()) {
      result = reply.error();
      break;
    }
    if (reply->data.empty()) break;
    if (reply->data.size() > sizeof records || round == kListRoundsMax) {
      result = Error{ErrorCode::ProtocolError};
      break;
    }
    // Allocating may use the IPC buffer, in which the records lie.
    const u64 bytes = reply->data.size();
    cookie = reply->next;
    if (bytes > 0) __builtin_memcpy(records, reply->data.data(), bytes);
    fs::RecordReader reader(base::Bytes(records, bytes));
    while (!reader.done()) {
      const fs::Result<fs::Record> record = reader.next();
      if (!record.ok()) {
        result = record.error();
        break;
      }
      out.push_back({{base::String(memory_, record->name), file_stat(record->attributes)}, order});
    }
    machine::charge(bytes);
  }
  static_cast<void>(ask_slot<File::Close>(kSlotScratch, {}));  // what was read is good whether or not it closes
  Names::remove_slot(kSlotScratch);
  return result;
}

Result<void> FileTable::list_descriptors(base::Vector<DirectoryEntry>& out) {
  const FileTable& table = process_table();
  for (Fd fd = 0; fd < kFdsMax; ++fd) {
    if (!table.descriptors_[fd].in_use) continue;
    char text[8];
    DirectoryEntry entry{base::String(memory_, base::format(text, "{}", fd)), {}};
    entry.stat.kind = table.descriptors_[fd].kind;
    entry.stat.mode = 0600;
    entry.stat.links = 1;
    entry.stat.id = table.descriptors_[fd].id;
    out.push_back(std::move(entry));
  }
  // total: names in a directory differ
  std::sort(out.begin(), out.end(), [](const DirectoryEntry& a, const DirectoryEntry& b) { return a.name < b.name; });
  return {};
}

Result<base::Vector<DirectoryEntry>> FileTable::list(std::string_view path) {
  base::String whole = TRY(absolute(path));
  base::Vector<DirectoryEntry> entries(memory_);
  Fd fd = 0;
  if (TRY(is_descriptor_path(whole.view(), &fd))) {
    if (fd < kFdsMax) return fs::fail(ErrorCode::NotADirectory);
    TRY(list_descriptors(entries));
    return entries;
  }
  // A walk follows the links on the way; what it leads to may be a union.
  TRY(names_.ask<Directory::Walk>(whole, Names::Want::Existing, kSlotReceive, [](std::string_view rest) {
    return Directory::Walk::Request{.path = rest, .rights = schema::file::kRightRead | schema::file::kRightWalk};
  }));
  const fs::Result<std::span<const Mount>> table = names_.mounts();
  const Result<Covered> covered = table.ok() ? find_covering(*table, whole.view()) : Result<Covered>(table.error());
  base::Vector<Listed> listed(memory_);
  Result<void> result;
  if (covered.ok() && covered->rest.empty() && covered->end - covered->first > 1) {
    Names::remove_slot(kSlotReceive);
    u32 answered = 0;
    base::Vector<u32> members(memory_);
    for (u64 i = covered->first; i < covered->end; ++i) members.push_back((*table)[i].member);
    for (u32 i = 0; i < members.size(); ++i) {
      const Result<u32> slot = names_.directory_of(members[i]);
      const Result<void> one = slot.ok() ? list_member(*slot, "", i, listed) : Result<void>(slot.error());
      if (one.ok()) {
        answered += 1;
      } else if (result.ok()) {
        result = one.error();
      }
    }
    if (answered != 0) result = Result<void>();  // a member that fails is passed over
  } else {
    result = list_member(kSlotReceive, "", 0, listed);
    Names::remove_slot(kSlotReceive);
  }
  if (!result.ok()) return result.take_failure();
  // total: the order of the members decides
  std::sort(listed.begin(), listed.end(), [](const Listed& a, const Listed& b) {
    const int names = a.entry.name.compare(b.entry.name.view());
    return names != 0 ? names < 0 : a.order < b.order;
  });
  entries.reserve(listed.size());
  for (Listed& one : listed) {
    if (!entries.empty() && entries.back().name == one.entry.name) continue;  // hidden by an earlier member
    entries.push_back(std::move(one.entry));
  }
  return entries;
}

// ── Making and removing names ────────────────────────────────────────────────────────────────────────────────

Result<void> FileTable::remove(std::string_view path, bool directory) {
  base::String whole = TRY(absolute(path));
  const fs::Result<std::span<const Mount>> table = names_.mounts();
  if (!table.ok()) return table.take_failure();
  for (const Mount& mount : *table) {
    if (mount.path == whole) return fs::fail(ErrorCode::InUse);
  }
  TRY(names_.ask<Directory::Remove>(whole, Names::Want::Existing, 0, [&](std::string_view rest) {
    return Directory::Remove::Request{.path = rest, .directory = directory};
  }));
  return {};
}

Result<void> FileTable::make_directory(std::string_view path, u16 mode) {
  base::String whole = TRY(absolute(path));
  constexpr u16 kFlags =
      schema::file::kOpenRead | schema::file::kOpenCreate | schema::file::kOpenExclusive | schema::file::kOpenDirectory;
  TRY(open_to_slot(whole, kFlags, mode, kSlotScratch));
  static_cast<void>(ask_slot<File::Close>(kSlotScratch, {}));  // the directory is made
  Names::remove_slot(kSlotScratch);
  return {};
}

/// A request with two names, each relative to its own directory: rename and link.
template <class Method>
Result<void> FileTable::ask_two(std::string_view from, std::string_view to) {
  base::String source = TRY(absolute(from));
  base::String target = TRY(absolute(to));
  TRY(names_.walk_to_parent(source, Names::Want::Existing, kSlotReceive));
  const Result<void> walked = names_.walk_to_parent(target, Names::Want::Create, kSlotScratch);
  Result<void> result;
  if (walked.ok()) {
    const auto done = call<Method>(
        kSlotReceive,
        {.from = fs::last_name(source.view()), .into = schema::CapIndex::of(0), .to = fs::last_name(target.view())},
        {kSlotScratch});
    if (!done.ok()) result = done.error();
    Names::remove_slot(kSlotScratch);
  } else {
    result = walked.error();
  }
  Names::remove_slot(kSlotReceive);
  return result;
}

Result<void> FileTable::rename(std::string_view from, std::string_view to) {
  return ask_two<Directory::Rename>(from, to);
}

Result<void> FileTable::link(std::string_view from, std::string_view to) { return ask_two<Directory::Link>(from, to); }

Result<void> FileTable::symlink(std::string_view target, std::string_view path) {
  base::String whole = TRY(absolute(path));
  // Path and target must fit into one message together; a longer pair would be walked first.
  TRY(names_.ask<Directory::Symlink>(whole, Names::Want::Create, 0, [&](std::string_view rest) {
    return Directory::Symlink::Request{.path = rest, .target = target};
  }));
  return {};
}

// ── Whole files ──────────────────────────────────────────────────────────────────────────────────────────────

Result<base::String> FileTable::read_file(std::string_view path, u64 bytes_max) {
  const Fd fd = TRY(open(path, schema::file::kOpenRead, 0));
  base::String text(memory_);
  Result<void> result;
  u8 part[fs::kInlineBytesMax];
  for (;;) {
    const Result<u64> count = read(fd, schema::file::kAtPosition, part);
    if (!count.ok()) {
      result = count.error();
      break;
    }
    if (*count == 0) break;
    if (text.size() + *count > bytes_max) {
      result = Error{ErrorCode::FileTooLarge};
      break;
    }
    text.append(base::text_of({part, *count}));
  }
  const Result<void> closed = close(fd);
  if (!result.ok()) return result.take_failure();
  if (!closed.ok()) return closed.take_failure();
  return text;
}

Result<void> FileTable::write_file(std::string_view path, std::string_view text) {
  constexpr u16 kFlags = schema::file::kOpenWrite | schema::file::kOpenCreate | schema::file::kOpenTruncate;
  const Fd fd = TRY(open(path, kFlags, 0666));
  const Result<void> written = write(fd, schema::file::kAtPosition, base::bytes_of(text));
  const Result<void> closed = close(fd);
  if (!written.ok()) return written;
  return closed;
}

}  // namespace user
