#include "fs/server.h"

#include "base/check.h"
#include "schema/codec.h"

#include "base/enforce.h"

namespace fs {

using schema::file::Directory;
using schema::file::File;
using schema::file::Service;

Server::Server(FileSystem& files, Gate& gate, base::Allocator& memory, const ServerOptions& options)
    : files_(files),
      gate_(gate),
      memory_(memory),
      options_(options),
      sessions_(memory),
      handles_(memory),
      opens_(memory),
      free_opens_(memory),
      polls_(memory),
      woken_(memory),
      locks_(memory, options.locks_max),
      link_target_(memory),
      room_(memory),
      parked_room_(memory),
      parked_out_(memory) {
  ASSERT(options.opens_max <= u32{1} << kSlotBits && options.directories_max <= u32{1} << kSlotBits);
  ASSERT(options.instance <= Badge::kInstanceMax);
  room_.resize(kInlineBytesMax);
  parked_room_.resize(kInlineBytesMax);
  parked_out_.resize(schema::kMessageBytesMax);
}

Server::~Server() {
  while (Parked* parked = parked_.front()) free_parked(*parked);
}

// ── Dispatch ─────────────────────────────────────────────────────────────────────────────────────────────────

bool Server::owns(u64 badge) const {
  const Badge parts = Badge::of(badge);
  if (badge == 0) return options_.instance == 0;
  return parts.kind != BadgeKind::Foreign && parts.kind <= BadgeKind::Window && parts.instance == options_.instance;
}

Outcome Server::handle(const Request& request, base::MutableBytes out) {
  ASSERT(owns(request.badge) && out.size() >= schema::kMessageBytesMax);
  request_ = &request;
  parked_now_ = false;
  answer_cap_ = 0;
  gate_.work(20 + request.body.size() / 64);  // decoding and look-ups; the copy of the message
  Outcome outcome = dispatch(request, out);
  request_ = nullptr;
  if (!outcome.parked) outcome.cap_slot = answer_cap_;
  return outcome;
}

Outcome Server::dispatch(const Request& request, base::MutableBytes out) {
  const Badge badge = Badge::of(request.badge);
  const u32 interface = schema::interface_of_label(request.label);
  const auto is = [&](u64 interface_id) { return interface == static_cast<u32>(interface_id); };
  switch (badge.kind) {
    case BadgeKind::Foreign:
    case BadgeKind::Service:
      if (!is(Service::kInterfaceId) || schema::ordinal_of_label(request.label) != Service::Attach::kOrdinal) break;
      return run<Service::Attach, u64>(&Server::attach, badge.number, request, out);
    case BadgeKind::Root:
    case BadgeKind::Directory: {
      if (!is(Directory::kInterfaceId)) break;
      const Result<Folder> folder = folder_of(badge);
      if (!folder.ok()) return failure(folder.error(), out);
      return dispatch_directory(*folder, request, out);
    }
    case BadgeKind::File: {
      if (!is(File::kInterfaceId)) break;
      const Result<u32> open = open_of(badge);
      if (!open.ok()) return failure(open.error(), out);
      return dispatch_file(*open, request, out);
    }
    case BadgeKind::Window: break;
  }
  return failure(ErrorCode::ProtocolError, out);
}

Outcome Server::dispatch_directory(const Folder& folder, const Request& request, base::MutableBytes out) {
  using D = Directory;
  switch (schema::ordinal_of_label(request.label)) {
    case D::Walk::kOrdinal: return run<D::Walk, const Folder&>(&Server::walk, folder, request, out);
    case D::Open::kOrdinal: return run<D::Open, const Folder&>(&Server::open, folder, request, out);
    case D::Stat::kOrdinal: return run<D::Stat, const Folder&>(&Server::stat, folder, request, out);
    case D::Wstat::kOrdinal: return run<D::Wstat, const Folder&>(&Server::wstat, folder, request, out);
    case D::Remove::kOrdinal: return run<D::Remove, const Folder&>(&Server::remove, folder, request, out);
    case D::Rename::kOrdinal: return run<D::Rename, const Folder&>(&Server::rename, folder, request, out);
    case D::Link::kOrdinal: return run<D::Link, const Folder&>(&Server::link, folder, request, out);
    case D::Symlink::kOrdinal: return run<D::Symlink, const Folder&>(&Server::symlink, folder, request, out);
    case D::Readlink::kOrdinal: return run<D::Readlink, const Folder&>(&Server::readlink, folder, request, out);
    case D::Make::kOrdinal: return run<D::Make, const Folder&>(&Server::make, folder, request, out);
    case D::Reopen::kOrdinal: return run<D::Reopen, const Folder&>(&Server::reopen, folder, request, out);
    case D::Space::kOrdinal: return run<D::Space, const Folder&>(&Server::space, folder, request, out);
  }
  return failure(ErrorCode::ProtocolError, out);
}

Outcome Server::dispatch_file(u32 open, const Request& request, base::MutableBytes out) {
  using F = File;
  switch (schema::ordinal_of_label(request.label)) {
    case F::Read::kOrdinal: return run<F::Read, u32>(&Server::read, open, request, out);
    case F::Write::kOrdinal: return run<F::Write, u32>(&Server::write, open, request, out);
    case F::List::kOrdinal: return run<F::List, u32>(&Server::list, open, request, out);
    case F::Seek::kOrdinal: return run<F::Seek, u32>(&Server::seek, open, request, out);
    case F::Truncate::kOrdinal: return run<F::Truncate, u32>(&Server::truncate, open, request, out);
    case F::Sync::kOrdinal: return run<F::Sync, u32>(&Server::sync, open, request, out);
    case F::Stat::kOrdinal: return run<F::Stat, u32>(&Server::stat_open, open, request, out);
    case F::Wstat::kOrdinal: return run<F::Wstat, u32>(&Server::wstat_open, open, request, out);
    case F::Lock::kOrdinal: return run<F::Lock, u32>(&Server::lock, open, request, out);
    case F::Poll::kOrdinal: return run<F::Poll, u32>(&Server::poll, open, request, out);
    case F::Flush::kOrdinal: return run<F::Flush, u32>(&Server::flush, open, request, out);
    case F::Share::kOrdinal: return run<F::Share, u32>(&Server::share, open, request, out);
    case F::Close::kOrdinal: return run<F::Close, u32>(&Server::close, open, request, out);
    case F::Punch::kOrdinal: return run<F::Punch, u32>(&Server::punch, open, request, out);
    case F::Map::kOrdinal:
    case F::Window::kOrdinal:
    case F::GetAttribute::kOrdinal:
    case F::SetAttribute::kOrdinal:
    case F::ListAttributes::kOrdinal: return failure(ErrorCode::NotSupported, out);
  }
  return failure(ErrorCode::ProtocolError, out);
}

/// Decodes the request of one method, runs its handler, does what that woke, and encodes the answer.
template <class Method, class Target>
Outcome Server::run(Result<typename Method::Reply> (Server::*handler)(Target, const typename Method::Request&),
                    Target target, const Request& request, base::MutableBytes out) {
  const auto decoded = schema::decode<typename Method::Request>(request.body);
  if (!decoded.ok()) return failure(ErrorCode::ProtocolError, out);
  const Result<typename Method::Reply> reply = (this->*handler)(target, *decoded);
  pump();
  if (parked_now_) return Outcome{.parked = true};
  return reply.ok() ? success(*reply, out) : failure(reply.error(), out);
}

template <class Reply>
Outcome Server::success(const Reply& reply, base::MutableBytes out) {
  const auto encoded = schema::encode(reply, out);
  ALWAYS("fs.answer-fits", encoded.ok());
  return Outcome{.bytes = MUST(encoded)};
}

Outcome Server::failure(const Error& error, base::MutableBytes out) {
  ASSERT(error.code != ErrorCode::None);
  schema::file::Failure body{.error = static_cast<u16>(error.code), .detail = error.detail()};
  if (error.code == ErrorCode::Link) {
    body.consumed = link_consumed_;
    body.target = link_target_.view();
  }
  return Outcome{.label = static_cast<u64>(error.code), .bytes = MUST(schema::encode(body, out))};
}

// ── Badges ───────────────────────────────────────────────────────────────────────────────────────────────────

Result<u32> Server::open_of(const Badge& badge) const {
  if (badge.generation != (options_.generation & Badge::kGenerationMax)) return fail(ErrorCode::ServerRestarted);
  const u32 slot = static_cast<u32>(badge.number & ((1u << kSlotBits) - 1));
  if (slot >= opens_.size() || !opens_[slot].in_use || opens_[slot].serial != badge.number >> kSlotBits) {
    return fail(ErrorCode::AccessRevoked);
  }
  return slot;
}

Result<Server::Folder> Server::folder_of(const Badge& badge) {
  if (badge.kind == BadgeKind::Root) {
    if (badge.number >= sessions_.size() || !sessions_[badge.number].in_use) return fail(ErrorCode::AccessRevoked);
    const Session& session = sessions_[badge.number];
    return Folder{static_cast<u32>(badge.number), session.rights, session.root};
  }
  ASSERT(badge.kind == BadgeKind::Directory);
  // A handle of an earlier generation, or one that had to make room: the runtime walks again.
  if (badge.generation != (options_.generation & Badge::kGenerationMax)) return fail(ErrorCode::ServerRestarted);
  const u32 slot = static_cast<u32>(badge.number & ((1u << kSlotBits) - 1));
  if (slot >= handles_.size() || handles_[slot].serial != badge.number >> kSlotBits) {
    return fail(ErrorCode::ServerRestarted);
  }
  handles_[slot].last_use = ++uses_;
  return handles_[slot].folder;
}

/// A Directory that came with the request: it must be one of ours, and so it came unwrapped.
Result<Server::Folder> Server::folder_of_cap(schema::CapIndex cap) {
  if (!cap.present || cap.index >= request_->cap_count) return fail(ErrorCode::ProtocolError);
  if ((request_->unwrapped >> cap.index & 1) == 0) return fail(ErrorCode::DifferentServers);
  const u64 word = request_->cap_badges[cap.index];
  const Badge badge = Badge::of(word);
  if (!owns(word)) return fail(ErrorCode::DifferentServers);
  if (badge.kind != BadgeKind::Root && badge.kind != BadgeKind::Directory) return fail(ErrorCode::ProtocolError);
  return folder_of(badge);
}

u64 Server::root_badge(u32 session) const { return Badge{BadgeKind::Root, options_.instance, 0, session}.word(); }

/// The number of a handle for this folder: the one it has already, a free one, or the least recently used.
Result<u64> Server::handle_of(const Folder& folder) {
  u32 place = kNone;
  for (u32 i = 0; i < handles_.size(); ++i) {
    const Handle& handle = handles_[i];
    if (handle.serial != 0 && handle.folder.session == folder.session && handle.folder.node == folder.node &&
        handle.folder.rights == folder.rights) {
      handles_[i].last_use = ++uses_;
      return handle.serial << kSlotBits | i;
    }
    if (place == kNone || handle.last_use < handles_[place].last_use) place = i;
  }
  if (handles_.size() < options_.directories_max) {
    place = static_cast<u32>(handles_.size());
    handles_.push_back(Handle{});
  }
  if (place == kNone) return fail(ErrorCode::TooManyOpenFiles);
  handles_[place] = Handle{folder, next_serial_++, ++uses_};
  return handles_[place].serial << kSlotBits | place;
}

// ── Sessions ─────────────────────────────────────────────────────────────────────────────────────────────────

Result<Service::Attach::Reply> Server::attach(u64 number, const Service::Attach::Request& request) {
  // Without an identity in the request, the one in the badge: uid 0 for the unbadged endpoint.
  Identity identity{.uid = static_cast<u32>(number & 0x3F'FFFF), .gid = static_cast<u32>(number >> 22)};
  if (request.identity.present) identity = TRY(gate_.identify(*request_));
  const u64 badge = TRY(make_session(identity, request.tree, 0));
  answer_cap_ = TRY(gate_.mint(static_cast<u32>(Badge::of(badge).number), badge));
  return Service::Attach::Reply{.root = schema::CapIndex::of(0)};
}

Result<u64> Server::make_session(const Identity& identity, std::string_view tree, u64 owner, u8 rights) {
  if (tree.size() > kPathBytesMax) return fail(ErrorCode::NameTooLong);
  const Caller caller{identity, owner};
  u32 place = kNone;
  for (u32 i = 0; i < sessions_.size(); ++i) {
    const Session& session = sessions_[i];
    if (!session.in_use) {
      if (place == kNone) place = i;
      continue;
    }
    // Who attaches twice to one tree is one session: its opens end together.
    if (session.caller.identity == identity && session.caller.owner == owner && session.rights == rights &&
        session.tree == tree) {
      return root_badge(i);
    }
  }
  if (place == kNone) {
    if (sessions_.size() == options_.sessions_max) return fail(ErrorCode::TooManyOpenFiles, "too many sessions");
    place = static_cast<u32>(sessions_.size());
  }
  const NodeId root = TRY(files_.root(tree, caller));
  TRY(gate_.open_session(place));
  if (place == sessions_.size()) sessions_.emplace_back(memory_);
  Session& session = sessions_[place];
  session.in_use = true;
  session.rights = rights;
  session.caller = caller;
  session.root = root;
  session.tree.assign(tree);
  return root_badge(place);
}

Result<void> Server::restore_session(u32 number, const Identity& identity, std::string_view tree, u64 owner) {
  if (number >= options_.sessions_max) return fail(ErrorCode::BadArgument);
  while (sessions_.size() <= number) sessions_.emplace_back(memory_);
  if (sessions_[number].in_use) return fail(ErrorCode::InUse);
  const Caller caller{identity, owner};
  const NodeId root = TRY(files_.root(tree, caller));
  TRY(gate_.open_session(number));
  Session& session = sessions_[number];
  session.in_use = true;
  session.caller = caller;
  session.root = root;
  session.tree.assign(tree);
  return {};
}

void Server::end_sessions_of(u64 owner) {
  for (u32 i = 0; i < sessions_.size(); ++i) {
    if (!sessions_[i].in_use || sessions_[i].caller.owner != owner) continue;
    for (u32 open = 0; open < opens_.size(); ++open) {
      if (opens_[open].in_use && opens_[open].session == i) end_open(open);
    }
    for (Handle& handle : handles_) {
      if (handle.serial != 0 && handle.folder.session == i) handle = Handle{};
    }
    gate_.close_session(i);
    sessions_[i].in_use = false;
  }
}

void Server::revoke_opens_of(NodeId node) {
  for (u32 open = 0; open < opens_.size(); ++open) {
    if (opens_[open].in_use && opens_[open].file.node == node) end_open(open);
  }
}

void Server::check_invariants() const {
  u32 in_use = 0;
  for (const Open& open : opens_) {
    if (!open.in_use) continue;
    in_use += 1;
    ASSERT(open.holders >= 1);           // S2
    ASSERT(open.serial < next_serial_);  // S3
    ASSERT(sessions_[open.session].in_use);
  }
  ASSERT(in_use == open_count_);
  for (const Parked& parked : parked_) ASSERT(opens_[parked.open].in_use);  // S1
  for (const Poll& poll : polls_) ASSERT(opens_[poll.open].in_use);
}

}  // namespace fs
