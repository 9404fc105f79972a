// fs/server_file.cpp — the methods of File: data, positions, waiting, locks, polls, holders.
#include <algorithm>

#include "base/check.h"
#include "base/emit.h"
#include "fs/permission.h"
#include "fs/server.h"

#include "base/enforce.h"

namespace fs {

using schema::file::kAtPosition;
using schema::file::kOpenAppend;
using schema::file::kOpenNonBlock;
using schema::file::Whence;
using F = schema::file::File;

namespace {

constexpr u64 kOffsetMax = u64{1} << 62;  // no file is larger; sums of an offset and a count never wrap

bool has_position(Kind kind) { return kind != Kind::Stream && kind != Kind::Fifo && kind != Kind::Socket; }

}  // namespace

/// On a pipe nobody overtakes: a request comes behind those of its kind that wait.
bool Server::must_queue(u32 slot, Parked::What what) const {
  const OpenFile& file = opens_[slot].file;
  if (file.kind != Kind::Fifo) return false;
  for (const Parked& parked : parked_) {
    if (parked.what == what && opens_[parked.open].file.node == file.node) return true;
  }
  return false;
}

// ── Data ─────────────────────────────────────────────────────────────────────────────────────────────────────

/// Answers a read or says WouldBlock. The data is in `room`, wherever the server kept it.
Result<F::Read::Reply> Server::read_now(Open& open, const ReadNow& what, base::MutableBytes room) {
  const auto [offset, count, tag] = what;
  const bool at_position = offset == kAtPosition;
  const u64 start = at_position ? open.position : offset;
  if (start > kOffsetMax) return F::Read::Reply{.position = start};  // past the end of anything
  const base::MutableBytes wanted = room.first(std::min<u64>(count, room.size()));
  const ReadReply reply = TRY(files_.read(open.file, {.offset_bytes = start, .room = wanted, .tag = tag}));
  ASSERT(reply.data.size() <= wanted.size());
  if (!reply.data.empty() && reply.data.data() != wanted.data()) {
    __builtin_memmove(wanted.data(), reply.data.data(), reply.data.size());
  }
  gate_.work(reply.data.size() / 32);
  const u64 end = start + reply.data.size();
  if (at_position) open.position = end;
  base::tell_event(base::EventKind::FsRead, {open.file.node, start, reply.data.size()});
  return F::Read::Reply{
      .count = static_cast<u32>(reply.data.size()), .position = end, .data = wanted.first(reply.data.size())};
}

Result<F::Write::Reply> Server::write_now(Open& open, u64 offset, base::Bytes data) {
  const bool at_position = offset == kAtPosition;
  const bool append = (open.file.flags & kOpenAppend) != 0;
  const u64 start = at_position ? open.position : offset;
  if (start > kOffsetMax) return fail(ErrorCode::FileTooLarge);
  const WriteReply reply = TRY(files_.write(open.file, {.offset_bytes = start, .data = data, .append = append}));
  ASSERT(reply.count <= data.size());
  gate_.work(reply.count / 32);
  const u64 end = append ? reply.end_offset : start + reply.count;
  if (at_position || append) open.position = end;
  base::tell_event(base::EventKind::FsWrite, {open.file.node, end - reply.count, reply.count});
  return F::Write::Reply{.count = reply.count, .position = end, .change = reply.change};
}

Result<F::Read::Reply> Server::read(u32 slot, const F::Read::Request& request) {
  Open& open = opens_[slot];
  if (request.window.present) return fail(ErrorCode::NotSupported);
  if (!open.file.can_read() && (open.file.flags & schema::file::kOpenExecute) == 0) {
    return fail(ErrorCode::BadFileDescriptor);
  }
  if (open.file.kind == Kind::Directory) return fail(ErrorCode::IsADirectory);
  const Result<F::Read::Reply> reply = must_queue(slot, Parked::What::Read)
                                           ? Result<F::Read::Reply>(ErrorCode::WouldBlock)
                                           : read_now(open, {request.offset, request.count, request.tag}, room_.span());
  if (reply.ok() || !(reply.error() == ErrorCode::WouldBlock)) return reply;
  if ((open.file.flags & kOpenNonBlock) != 0) return reply;
  Parked& parked = new_parked();
  parked.what = Parked::What::Read;
  parked.offset = request.offset;
  parked.count = request.count;
  TRY(park(parked, slot, request.tag));
  return F::Read::Reply{};
}

Result<F::Write::Reply> Server::write(u32 slot, const F::Write::Request& request) {
  Open& open = opens_[slot];
  if (request.window.present) return fail(ErrorCode::NotSupported);
  if (request.data.size() > kInlineBytesMax || request.count != request.data.size()) {
    return fail(ErrorCode::ProtocolError);
  }
  if (!open.file.can_write()) return fail(ErrorCode::BadFileDescriptor);
  const Result<F::Write::Reply> reply = must_queue(slot, Parked::What::Write)
                                            ? Result<F::Write::Reply>(ErrorCode::WouldBlock)
                                            : write_now(open, request.offset, request.data);
  if (reply.ok() || !(reply.error() == ErrorCode::WouldBlock)) return reply;
  if ((open.file.flags & kOpenNonBlock) != 0) return reply;
  Parked& parked = new_parked();
  parked.what = Parked::What::Write;
  parked.offset = request.offset;
  parked.data.append(request.data);
  TRY(park(parked, slot, request.tag));
  return F::Write::Reply{};
}

Result<F::List::Reply> Server::list(u32 slot, const F::List::Request& request) {
  Open& open = opens_[slot];
  if (request.window.present) return fail(ErrorCode::NotSupported);
  if (open.file.kind != Kind::Directory) return fail(ErrorCode::NotADirectory);
  if (!open.file.can_read()) return fail(ErrorCode::BadFileDescriptor);
  RecordWriter records(room_.span().first(std::min<u64>(request.count, room_.size())));
  TRY(files_.list(open.file, request.cookie, records));
  gate_.work(records.size() / 32);
  return F::List::Reply{.count = records.size(), .next = records.next_cookie(request.cookie), .data = records.bytes()};
}

Result<F::Seek::Reply> Server::seek(u32 slot, const F::Seek::Request& request) {
  Open& open = opens_[slot];
  if (!has_position(open.file.kind)) return fail(ErrorCode::NotSupported);
  u64 base = 0;
  switch (request.whence) {
    case Whence::Start: break;
    case Whence::Current: base = open.position; break;
    case Whence::End: base = TRY(files_.stat(open.file.node, open.file.caller)).size; break;
    case Whence::Data:
    case Whence::Hole:
      if (request.offset < 0) return fail(ErrorCode::BadArgument);
      open.position = TRY(files_.seek(open.file, static_cast<u64>(request.offset), request.whence == Whence::Hole));
      return F::Seek::Reply{.position = open.position};
    default: return fail(ErrorCode::ProtocolError);
  }
  // base ≤ 2⁶² and |offset| ≤ 2⁶³: the sum is right modulo 2⁶⁴, and a negative one is above the limit.
  const u64 position = base + static_cast<u64>(request.offset);
  if (position > kOffsetMax) return fail(ErrorCode::BadArgument);
  open.position = position;
  return F::Seek::Reply{.position = position};
}

Result<F::Truncate::Reply> Server::truncate(u32 slot, const F::Truncate::Request& request) {
  const Open& open = opens_[slot];
  if (!open.file.can_write()) return fail(ErrorCode::BadFileDescriptor);
  if (open.file.kind != Kind::File) return fail(ErrorCode::BadArgument);
  if (request.size > kOffsetMax) return fail(ErrorCode::FileTooLarge);
  TRY(files_.truncate(open.file.node, request.size));
  return F::Truncate::Reply{};
}

Result<F::Punch::Reply> Server::punch(u32 slot, const F::Punch::Request& request) {
  Open& open = opens_[slot];
  if (!open.file.can_write()) return fail(ErrorCode::BadFileDescriptor);
  if (open.file.kind != Kind::File) return fail(ErrorCode::BadArgument);
  if (request.offset > kOffsetMax || request.bytes > kOffsetMax) return fail(ErrorCode::BadArgument);
  TRY(files_.punch(open.file, request.offset, request.bytes));
  return F::Punch::Reply{};
}

Result<F::Sync::Reply> Server::sync(u32 slot, const F::Sync::Request&) {
  TRY(files_.sync(opens_[slot].file));
  return F::Sync::Reply{};
}

Result<F::Wstat::Reply> Server::wstat_open(u32 slot, const F::Wstat::Request& request) {
  const OpenFile& file = opens_[slot].file;
  const Attributes node = TRY(files_.stat(file.node, file.caller));
  if (files_.is_read_only()) return fail(ErrorCode::ReadOnly);
  TRY(check_change(file.caller.identity, node, request.change));
  TRY(files_.change(file.node, request.change, file.caller));
  return F::Wstat::Reply{};
}

// ── Waiting ──────────────────────────────────────────────────────────────────────────────────────────────────

Server::Parked& Server::new_parked() {
  return *new (memory_.allocate(sizeof(Parked), alignof(Parked))) Parked(memory_);
}

void Server::free_parked(Parked& parked) {
  if (parked.hook.is_linked()) parked.hook.unlink();
  parked.~Parked();
  memory_.release(&parked, sizeof(Parked));
}

/// Puts the request under way aside, behind those that wait already.
Result<void> Server::park(Parked& parked, u32 open, u32 tag) {
  if (parked_.count() >= options_.parked_max) {
    free_parked(parked);
    return fail(ErrorCode::OutOfMemory, "too many requests wait");
  }
  parked.reply = request_->reply;
  parked.open = open;
  parked.tag = tag;
  parked_.push_back(parked);
  WATERMARK("fs.parked", parked_.count());
  parked_now_ = true;
  return {};
}

/// True: it could be answered, and was.
bool Server::try_again(Parked& parked) {
  Open& open = opens_[parked.open];
  const auto answer = [&](const auto& reply) {
    if (!reply.ok() && reply.error() == ErrorCode::WouldBlock) return false;
    if (!reply.ok()) {
      finish_parked(parked, reply.error());
      return true;
    }
    const u32 bytes = MUST(schema::encode(*reply, parked_out_.span()));
    const u32 name = parked.reply;
    free_parked(parked);
    gate_.complete(name, 0, parked_out_.span().first(bytes));
    return true;
  };
  switch (parked.what) {
    case Parked::What::Read:
      return answer(read_now(open, {parked.offset, parked.count, parked.tag}, parked_room_.span()));
    case Parked::What::Write: return answer(write_now(open, parked.offset, parked.data.span()));
    case Parked::What::Lock: {
      const Result<void> set = locks_.set(parked.range);
      if (!set.ok()) return answer(Result<F::Lock::Reply>(set.error()));
      return answer(Result<F::Lock::Reply>(F::Lock::Reply{}));
    }
  }
  UNREACHABLE("every kind of parked request is handled");
}

void Server::finish_parked(Parked& parked, const Error& error) {
  const schema::file::Failure body{.error = static_cast<u16>(error.code), .detail = error.detail()};
  const u32 bytes = MUST(schema::encode(body, parked_out_.span()));
  const u32 name = parked.reply;
  free_parked(parked);
  gate_.complete(name, static_cast<u64>(error.code), parked_out_.span().first(bytes));
}

void Server::wake(NodeId node) {
  for (const NodeId woken : woken_) {
    if (woken == node) return;
  }
  woken_.push_back(node);
}

void Server::pump() {
  // Each round takes a node off the list; a node comes back only when a request on it was answered, and of these there
  // are at most parked_max.
  while (!woken_.empty()) {
    const NodeId node = woken_.front();
    woken_.erase(0);
    u8 stuck = 0;  // kinds of requests that keep their order, and whose first one still waits
    for (Parked* parked = parked_.front(); parked != nullptr;) {
      Parked* next = parked_.next(*parked);
      const OpenFile& file = opens_[parked->open].file;
      const u8 kind = static_cast<u8>(1u << static_cast<u8>(parked->what));
      if (file.node == node && (stuck & kind) == 0) {
        const bool in_order = file.kind == Kind::Fifo;
        if (!try_again(*parked) && in_order) stuck |= kind;
      }
      parked = next;
    }
    wake_polls(node);
  }
}

Result<F::Flush::Reply> Server::flush(u32 slot, const F::Flush::Request& request) {
  for (Parked* parked = parked_.front(); parked != nullptr;) {
    Parked* next = parked_.next(*parked);
    if (parked->tag == request.tag && opens_[parked->open].session == opens_[slot].session) {
      MARK("fs.flushed");
      finish_parked(*parked, ErrorCode::Interrupted);
    }
    parked = next;
  }
  return F::Flush::Reply{};
}

// ── Polls and locks ──────────────────────────────────────────────────────────────────────────────────────────

Result<F::Poll::Reply> Server::poll(u32 slot, const F::Poll::Request& request) {
  const u8 ready = files_.ready(opens_[slot].file);
  const u8 wanted = static_cast<u8>(request.want | kReadyHungUp);
  if ((ready & wanted) != 0 || !request.signal.present) return F::Poll::Reply{.ready = static_cast<u8>(ready & wanted)};
  if (!request_->received_cap || request.signal.index >= request_->cap_count) return fail(ErrorCode::ProtocolError);
  if (polls_.size() == options_.polls_max) return fail(ErrorCode::OutOfMemory, "too many polls");
  polls_.push_back(Poll{slot, wanted, TRY(gate_.keep_signal())});
  return F::Poll::Reply{};
}

void Server::wake_polls(NodeId node) {
  for (u64 i = 0; i < polls_.size();) {
    const Poll poll = polls_[i];
    OpenFile& file = opens_[poll.open].file;
    if (file.node != node || (files_.ready(file) & poll.want) == 0) {
      i += 1;
      continue;
    }
    polls_.erase(i);
    gate_.signal(poll.signal);
  }
}

Result<F::Lock::Reply> Server::lock(u32 slot, const F::Lock::Request& request) {
  if (request.kind > LockKind::Exclusive) return fail(ErrorCode::ProtocolError);
  if (request.bytes != 0 && request.start > ~u64{0} - (request.bytes - 1)) return fail(ErrorCode::BadArgument);
  const LockRange range{.node = opens_[slot].file.node,
                        .owner = request.owner,
                        .open = slot,
                        .first = request.start,
                        .last = request.bytes == 0 ? ~u64{0} : request.start + (request.bytes - 1),
                        .kind = request.kind};
  const Result<void> set = locks_.set(range);
  if (set.ok()) {
    if (request.kind != LockKind::Exclusive) wake(range.node);  // freed or weakened
    return F::Lock::Reply{};
  }
  if (!(set.error() == ErrorCode::WouldBlock) || !request.wait) return set.take_failure();
  Parked& parked = new_parked();
  parked.what = Parked::What::Lock;
  parked.range = range;
  TRY(park(parked, slot, request.tag));
  return F::Lock::Reply{};
}

// ── Holders ──────────────────────────────────────────────────────────────────────────────────────────────────

Result<F::Share::Reply> Server::share(u32 slot, const F::Share::Request&) {
  if (opens_[slot].holders == ~u32{0}) return fail(ErrorCode::TooManyOpenFiles);
  opens_[slot].holders += 1;
  return F::Share::Reply{};
}

Result<F::Close::Reply> Server::close(u32 slot, const F::Close::Request&) {
  ASSERT(opens_[slot].holders >= 1);  // S2
  if (opens_[slot].holders == 1) {
    end_open(slot);
  } else {
    opens_[slot].holders -= 1;
  }
  return F::Close::Reply{};
}

void Server::end_open(u32 slot) {
  for (Parked* parked = parked_.front(); parked != nullptr;) {
    Parked* next = parked_.next(*parked);
    if (parked->open == slot) finish_parked(*parked, ErrorCode::AccessRevoked);
    parked = next;
  }
  for (u64 i = 0; i < polls_.size();) {
    if (polls_[i].open != slot) {
      i += 1;
      continue;
    }
    gate_.drop_signal(polls_[i].signal);
    polls_.erase(i);
  }
  Open& open = opens_[slot];
  ASSERT(open.in_use);
  base::tell_event(base::EventKind::FsClose, {open.file.node});
  if (locks_.release_open(slot)) wake(open.file.node);
  if (open.folder != 0) {
    // Remove-on-close takes the name only if it is still this file's.
    const Result<NodeId> named = files_.lookup(open.folder, open.name, open.file.caller);
    if (named.ok() && *named == open.file.node) {
      const bool is_directory = open.file.kind == Kind::Directory;
      const Result<void> removed = files_.remove(open.folder, open.name, is_directory, open.file.caller);
      MAYBE(removed.ok());  // a directory that was filled meanwhile stays
    }
  }
  files_.close(open.file);
  open.in_use = false;
  open.holders = 0;
  open_count_ -= 1;
  free_opens_.push_back(slot);
}

}  // namespace fs
