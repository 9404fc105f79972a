// fs/server_directory.cpp — the methods of Directory: paths, permissions, opening, creating, removing.
#include "base/check.h"
#include "base/emit.h"
#include "fs/path.h"
#include "fs/permission.h"
#include "fs/server.h"

#include "base/enforce.h"

namespace fs {

using namespace schema::file;  // NOLINT: kOpen*, kRight*
using D = schema::file::Directory;

namespace {

constexpr u16 kOpenAll = kOpenRead | kOpenWrite | kOpenExecute | kOpenAppend | kOpenTruncate | kOpenCreate |
                         kOpenExclusive | kOpenDirectory | kOpenRemoveOnClose | kOpenNoFollow | kOpenNonBlock;
/// What an open remembers of its flags: the rest has acted once it exists.
constexpr u16 kOpenLasting = kOpenRead | kOpenWrite | kOpenExecute | kOpenAppend | kOpenNonBlock;

schema::file::Stat stat_of(const Attributes& node, u32 device) {
  return {.id = node.id,
          .version = node.version,
          .kind = node.kind,
          .mode = node.mode,
          .uid = node.uid,
          .gid = node.gid,
          .links = node.links,
          .device = node.device != 0 ? node.device : device,
          .size = node.size,
          .allocated = node.allocated,
          .modified = node.modified_ns,
          .accessed = node.accessed_ns,
          .changed = node.changed_ns,
          .created = node.created_ns,
          .flags = node.flags,
          .special = node.special};
}

}  // namespace

/// Follows `path` from the folder. The last name may be missing; everything before it must be there, and searchable.
/// Error Link: a link was met; `link_consumed_` names and `link_target_` say where, for the client to go on.
Result<Server::Found> Server::find(const Folder& folder, std::string_view path, Follow follow) {
  const Caller& caller = caller_of(folder.session);
  if (path.size() > kPathBytesMax) return fail(ErrorCode::NameTooLong);
  Found found;
  found.node = TRY(files_.stat(folder.node, caller));
  found.exists = true;
  NameCursor names(path);
  u32 consumed = 0;
  bool ends_in_slash = false;
  while (!names.done()) {
    const std::string_view name = names.next();
    TRY(check_name(name));
    if (names.done() && path.back() == '/') ends_in_slash = true;
    if (!found.exists) return fail(ErrorCode::NotFound);
    if (found.node.kind != Kind::Directory && !found.node.has_names) return fail(ErrorCode::NotADirectory);
    if ((folder.rights & kRightWalk) == 0) return fail(ErrorCode::PermissionDenied);
    const u32 wanted = found.node.has_names ? kAccessRead : kAccessExecute;
    if (!may_access(caller.identity, found.node, wanted)) return fail(ErrorCode::PermissionDenied);
    consumed += 1;
    gate_.work(5);
    found.parent = found.node.id;
    found.parent_node = found.node;
    found.name = name;
    const Result<NodeId> next = files_.lookup(found.parent, name, caller);
    if (!next.ok()) {
      if (!(next.error() == ErrorCode::NotFound)) return next.take_failure();
      found.exists = false;
      continue;
    }
    found.node = TRY(files_.stat(*next, caller));
    if (found.node.kind == Kind::Link && (!names.done() || follow == Follow::Last)) {
      const std::string_view target = TRY(files_.read_link(*next, caller));
      link_consumed_ = static_cast<u16>(consumed);
      link_target_.assign(target);
      return fail(ErrorCode::Link);
    }
  }
  if (ends_in_slash) return fail(ErrorCode::BadFileName);  // an empty name at the end
  return found;
}

Result<void> Server::check_writable(const Folder& folder) const {
  if ((folder.rights & kRightWrite) == 0 || files_.is_read_only()) return fail(ErrorCode::ReadOnly);
  return {};
}

/// Whether the name that was found may be made, removed or replaced by this session.
Result<void> Server::check_name_change(const Folder& folder, const Found& found) const {
  if (found.name.empty()) return fail(ErrorCode::InUse);  // the directory itself: it is somebody's mount point
  TRY(check_writable(folder));
  if (!may_access(caller_of(folder.session).identity, found.parent_node, kAccessWrite | kAccessExecute)) {
    return fail(ErrorCode::PermissionDenied);
  }
  return {};
}

Result<D::Walk::Reply> Server::walk(const Folder& folder, const D::Walk::Request& request) {
  const Found found = TRY(find(folder, request.path, Follow::Last));
  if (!found.exists) return fail(ErrorCode::NotFound);
  const Folder target{folder.session, static_cast<u8>(folder.rights & request.rights), found.node.id};
  const u64 number = TRY(handle_of(target));
  const Badge badge{BadgeKind::Directory, options_.instance, options_.generation, number};
  answer_cap_ = TRY(gate_.mint(folder.session, badge.word()));
  return D::Walk::Reply{.directory = schema::CapIndex::of(0), .id = found.node.id};
}

// ── Open ─────────────────────────────────────────────────────────────────────────────────────────────────────

Result<D::Open::Reply> Server::open(const Folder& folder, const D::Open::Request& request) {
  const u16 flags = request.flags;
  if ((flags & ~kOpenAll) != 0 || (request.mode & ~kModeMask) != 0) return fail(ErrorCode::BadArgument);
  const Identity& identity = caller_of(folder.session).identity;
  const bool wants_write = (flags & (kOpenWrite | kOpenAppend | kOpenTruncate)) != 0;
  const Follow follow = (flags & kOpenNoFollow) != 0 || (flags & kOpenExclusive) != 0 ? Follow::NotLast : Follow::Last;
  Found found = TRY(find(folder, request.path, follow));
  if (found.exists) {
    if ((flags & kOpenCreate) != 0 && (flags & kOpenExclusive) != 0) return fail(ErrorCode::AlreadyExists);
    if (found.node.kind == Kind::Link) return fail(ErrorCode::TooManyLinks);  // asked not to follow it
    if ((flags & kOpenDirectory) != 0 && found.node.kind != Kind::Directory) return fail(ErrorCode::NotADirectory);
    if (found.node.kind == Kind::Directory && wants_write) return fail(ErrorCode::IsADirectory);
    u8 access = 0;
    if ((flags & kOpenRead) != 0) access |= kAccessRead;
    if (wants_write) access |= kAccessWrite;
    if (!may_access(identity, found.node, access)) return fail(ErrorCode::PermissionDenied);
    if ((flags & kOpenRead) != 0 && (folder.rights & kRightRead) == 0) return fail(ErrorCode::PermissionDenied);
    // A read-only file system has no say about what is not a file of its own: devices, control files, pipes.
    if (wants_write && (folder.rights & kRightWrite) == 0) return fail(ErrorCode::ReadOnly);
    if (wants_write && found.node.kind == Kind::File && files_.is_read_only()) return fail(ErrorCode::ReadOnly);
    if ((flags & kOpenExecute) != 0 &&
        (found.node.kind != Kind::File || !may_access(identity, found.node, kAccessExecute))) {
      return fail(ErrorCode::PermissionDenied);
    }
  } else {
    if ((flags & kOpenCreate) == 0) return fail(ErrorCode::NotFound);
    TRY(check_name_change(folder, found));
  }
  if ((flags & kOpenRemoveOnClose) != 0) TRY(check_name_change(folder, found));
  if (open_count_ == options_.opens_max) return fail(ErrorCode::TooManyOpenFiles);
  if (!found.exists) {
    const Kind kind = (flags & kOpenDirectory) != 0 ? Kind::Directory : Kind::File;
    const NodeId id = TRY(create_in(folder, found, kind, request.mode, 0, {}));
    found.node = TRY(files_.stat(id, caller_of(folder.session)));
  } else if ((flags & kOpenTruncate) != 0 && found.node.kind == Kind::File) {
    TRY(files_.truncate(found.node.id, 0));
    found.node = TRY(files_.stat(found.node.id, caller_of(folder.session)));
  }
  const u32 slot = TRY(make_open(folder, found.node, static_cast<u16>(flags & kOpenLasting)));
  if ((flags & kOpenRemoveOnClose) != 0) {
    opens_[slot].folder = found.parent;
    opens_[slot].name.assign(found.name);
  }
  const Result<u64> cap = mint_open(slot);
  if (!cap.ok()) {
    end_open(slot);
    return cap.take_failure();
  }
  answer_cap_ = *cap;
  const OpenFile& file = opens_[slot].file;  // of a file that clones, the node made for this open
  base::tell_event(base::EventKind::FsOpen, {file.node, flags});
  return D::Open::Reply{.file = schema::CapIndex::of(0),
                        .id = file.node,
                        .version = found.node.version,
                        .kind = file.kind,
                        .io_unit = kInlineBytesMax,
                        .token = token_of(options_.key, folder.session, file.node, file.flags)};
}

/// A fresh open with one holder.
Result<u32> Server::make_open(const Folder& folder, const Attributes& node, u16 flags) {
  if (open_count_ == options_.opens_max) return fail(ErrorCode::TooManyOpenFiles);
  OpenFile file{
      .node = node.id, .number = next_serial_, .flags = flags, .kind = node.kind, .caller = caller_of(folder.session)};
  if ((flags & kOpenAppend) != 0) file.flags |= kOpenWrite;
  TRY(files_.open(file));
  u32 slot = static_cast<u32>(opens_.size());
  if (free_opens_.empty()) {
    opens_.emplace_back(memory_);
  } else {
    slot = free_opens_.take_back();
  }
  Open& open = opens_[slot];
  ASSERT(!open.in_use);
  open.in_use = true;
  open.session = folder.session;
  open.holders = 1;
  open.serial = next_serial_++;
  open.position = 0;
  open.file = file;
  open.folder = 0;
  open.name.clear();
  open_count_ += 1;
  WATERMARK("fs.opens", open_count_);
  return slot;
}

Result<u64> Server::mint_open(u32 slot) {
  const Open& open = opens_[slot];
  const Badge badge{BadgeKind::File, options_.instance, options_.generation, open.serial << kSlotBits | slot};
  return gate_.mint(open.session, badge.word());
}

Result<D::Reopen::Reply> Server::reopen(const Folder& folder, const D::Reopen::Request& request) {
  if ((request.flags & ~kOpenAll) != 0) return fail(ErrorCode::BadArgument);
  const u16 flags = request.flags & kOpenLasting;
  const u16 kept = (flags & kOpenAppend) != 0 ? flags | kOpenWrite : flags;
  if (request.token != token_of(options_.key, folder.session, request.id, kept))
    return fail(ErrorCode::PermissionDenied);
  const Result<Attributes> node = files_.stat(request.id, caller_of(folder.session));
  if (!node.ok()) return fail(ErrorCode::ServerRestarted);
  const u32 slot = TRY(make_open(folder, *node, flags));
  const Result<u64> cap = mint_open(slot);
  if (!cap.ok()) {
    end_open(slot);
    return cap.take_failure();
  }
  answer_cap_ = *cap;
  base::tell_event(base::EventKind::FsReopen, {request.id, request.flags});
  return D::Reopen::Reply{.file = schema::CapIndex::of(0), .kind = node->kind, .io_unit = kInlineBytesMax};
}

// ── Creating and removing names ──────────────────────────────────────────────────────────────────────────────

/// Owner is the identity; the group is its primary one, or the directory's if that has set-gid.
Result<NodeId> Server::create_in(const Folder& folder, const Found& found, Kind kind, u16 mode, u64 special,
                                 std::string_view target) {
  const Caller& caller = caller_of(folder.session);
  NewNode node{.kind = kind,
               .mode = mode,
               .uid = caller.identity.uid,
               .gid = caller.identity.gid,
               .special = special,
               .target = target};
  if ((found.parent_node.mode & kModeSetGid) != 0) {
    node.gid = found.parent_node.gid;
    if (kind == Kind::Directory) node.mode |= kModeSetGid;
  }
  const NodeId id = TRY(files_.create(found.parent, found.name, node, caller));
  base::tell_event(base::EventKind::FsCreate, {id, found.parent, base::short_name(found.name)});
  return id;
}

Result<D::Symlink::Reply> Server::symlink(const Folder& folder, const D::Symlink::Request& request) {
  if (request.target.empty()) return fail(ErrorCode::BadFileName);
  if (request.target.size() > kPathBytesMax) return fail(ErrorCode::NameTooLong);
  const Found found = TRY(find(folder, request.path, Follow::NotLast));
  if (found.exists) return fail(ErrorCode::AlreadyExists);
  TRY(check_name_change(folder, found));
  TRY(create_in(folder, found, Kind::Link, 0777, 0, request.target));
  return D::Symlink::Reply{};
}

Result<D::Make::Reply> Server::make(const Folder& folder, const D::Make::Request& request) {
  switch (request.kind) {
    case Kind::Fifo:
    case Kind::Socket:
    case Kind::BlockNode:
    case Kind::CharNode: break;
    default: return fail(ErrorCode::BadArgument);
  }
  if ((request.mode & ~kModeMask) != 0) return fail(ErrorCode::BadArgument);
  const Found found = TRY(find(folder, request.path, Follow::NotLast));
  if (found.exists) return fail(ErrorCode::AlreadyExists);
  TRY(check_name_change(folder, found));
  const bool is_device = request.kind == Kind::BlockNode || request.kind == Kind::CharNode;
  if (is_device && caller_of(folder.session).identity.uid != 0) return fail(ErrorCode::OperationNotPermitted);
  TRY(create_in(folder, found, request.kind, request.mode, request.special, {}));
  return D::Make::Reply{};
}

Result<D::Remove::Reply> Server::remove(const Folder& folder, const D::Remove::Request& request) {
  const Found found = TRY(find(folder, request.path, Follow::NotLast));
  if (!found.exists) return fail(ErrorCode::NotFound);
  TRY(check_name_change(folder, found));
  const Caller& caller = caller_of(folder.session);
  if (request.directory && found.node.kind != Kind::Directory) return fail(ErrorCode::NotADirectory);
  if (!request.directory && found.node.kind == Kind::Directory) return fail(ErrorCode::IsADirectory);
  if (!may_unlink(caller.identity, found.parent_node, found.node)) return fail(ErrorCode::OperationNotPermitted);
  TRY(files_.remove(found.parent, found.name, request.directory, caller));
  base::tell_event(base::EventKind::FsRemove, {found.node.id, found.parent, base::short_name(found.name)});
  return D::Remove::Reply{};
}

Result<D::Rename::Reply> Server::rename(const Folder& folder, const D::Rename::Request& request) {
  if (request.from.size() + request.to.size() > kPathBytesMax) return fail(ErrorCode::NameTooLong);
  if ((request.flags & ~(kRenameNoReplace | kRenameExchange | kRenameWhiteout)) != 0)
    return fail(ErrorCode::BadArgument);
  const Folder into = TRY(folder_of_cap(request.into));
  const Found from = TRY(find(folder, request.from, Follow::NotLast));
  if (!from.exists) return fail(ErrorCode::NotFound);
  TRY(check_name_change(folder, from));
  const Found to = TRY(find(into, request.to, Follow::NotLast));
  TRY(check_name_change(into, to));
  const Caller& caller = caller_of(folder.session);
  if (!may_unlink(caller.identity, from.parent_node, from.node)) return fail(ErrorCode::OperationNotPermitted);
  if (to.exists) {
    if ((request.flags & kRenameNoReplace) != 0) return fail(ErrorCode::AlreadyExists);
    if (!may_unlink(caller.identity, to.parent_node, to.node)) return fail(ErrorCode::OperationNotPermitted);
  }
  TRY(files_.rename({from.parent, from.name}, {to.parent, to.name}, request.flags, caller));
  base::tell_event(base::EventKind::FsRename, {from.node.id, to.parent, base::short_name(to.name)});
  return D::Rename::Reply{};
}

Result<D::Link::Reply> Server::link(const Folder& folder, const D::Link::Request& request) {
  if (request.from.size() + request.to.size() > kPathBytesMax) return fail(ErrorCode::NameTooLong);
  const Folder into = TRY(folder_of_cap(request.into));
  const Found from = TRY(find(folder, request.from, Follow::NotLast));
  if (!from.exists) return fail(ErrorCode::NotFound);
  if (from.node.kind == Kind::Directory) return fail(ErrorCode::OperationNotPermitted);
  const Found to = TRY(find(into, request.to, Follow::NotLast));
  TRY(check_name_change(into, to));
  if (to.exists) return fail(ErrorCode::AlreadyExists);
  TRY(files_.link(from.node.id, {to.parent, to.name}, caller_of(folder.session)));
  return D::Link::Reply{};
}

// ── Facts ────────────────────────────────────────────────────────────────────────────────────────────────────

Result<D::Stat::Reply> Server::stat(const Folder& folder, const D::Stat::Request& request) {
  const Found found = TRY(find(folder, request.path, request.no_follow ? Follow::NotLast : Follow::Last));
  if (!found.exists) return fail(ErrorCode::NotFound);
  return D::Stat::Reply{.stat = stat_of(found.node, options_.device)};
}

Result<D::Wstat::Reply> Server::wstat(const Folder& folder, const D::Wstat::Request& request) {
  const Found found = TRY(find(folder, request.path, request.no_follow ? Follow::NotLast : Follow::Last));
  if (!found.exists) return fail(ErrorCode::NotFound);
  TRY(check_writable(folder));
  const Caller& caller = caller_of(folder.session);
  TRY(check_change(caller.identity, found.node, request.change));
  TRY(files_.change(found.node.id, request.change, caller));
  return D::Wstat::Reply{};
}

Result<D::Readlink::Reply> Server::readlink(const Folder& folder, const D::Readlink::Request& request) {
  const Found found = TRY(find(folder, request.path, Follow::NotLast));
  if (!found.exists) return fail(ErrorCode::NotFound);
  if (found.node.kind != Kind::Link) return fail(ErrorCode::BadArgument);
  const std::string_view target = TRY(files_.read_link(found.node.id, caller_of(folder.session)));
  link_target_.assign(target);
  return D::Readlink::Reply{.target = link_target_.view()};
}

Result<D::Space::Reply> Server::space(const Folder&, const D::Space::Request&) {
  return D::Space::Reply{.space = TRY(files_.space())};
}

Result<File::Stat::Reply> Server::stat_open(u32 slot, const File::Stat::Request&) {
  const Attributes node = TRY(files_.stat(opens_[slot].file.node, opens_[slot].file.caller));
  return File::Stat::Reply{.stat = stat_of(node, options_.device)};
}

}  // namespace fs
