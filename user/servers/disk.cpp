// user/servers/disk.cpp — driver of one disk, as files: its bytes, before there is a file system. `disk [--post NAME]`: grant 0 is
// the device. Below /dev/disk, by the disk's name:
//
//   NAME/data   its bytes, readable and writable at any offset. What a write has answered is read by everybody; `sync` answers
//               when all that was written and answered before, by whomever, survives a loss of power
//   NAME/ctl    flush: as sync · reset: ends what the disk is doing · discard FIRST COUNT, zero FIRST COUNT: sectors
//   NAME/info   NAME= SECTORS= SECTOR-BYTES= ATOMIC-BYTES= CACHE= QUEUE-DEPTH= EPOCH= STATE=
//               READS= WRITES= FLUSHES= RETRIES= RESETS= ERRORS=
//
// Rules       B1 nothing is kept here that was not read from the disk: who kills the driver loses nothing.  B2 sync answers Ok only
//             when a flush that was submitted after the completion of every earlier write succeeded.  B3 a flush that failed is
//             told to each open of that time, once, by whatever it asks next: the disk may have dropped what was written.  B4 a disk that goes ends what is open; after its return it is opened anew.
//             B5 what is read ahead is dropped by whatever may have changed it.
// Bounds      one request of a client at a time; kAheadBytes are read ahead.
#include "base/parse.h"
#include "base/planted.h"
#include "fs/text_tree.h"
#include "user/servers/disk_device.h"
#include "user/servers/serve.h"

#include "base/enforce.h"

namespace user {
namespace {

using fs::Attributes;
using fs::Caller;
using fs::Kind;
using fs::NodeId;
using port::BlockOp;
using port::BlockStatus;

// The room for data: what is read, and what may be read ahead of it, then what is written.
constexpr u32 kAheadFrames = DiskDevice::kFrames - 1;
constexpr u32 kAheadBytes = kAheadFrames * DiskDevice::kFrameBytes;
constexpr u32 kWriteRoom = kAheadBytes;
// A message's data that begins anywhere in a sector fits into one Frame.
static_assert(fs::kInlineBytesMax + 4096 <= DiskDevice::kFrameBytes);
constexpr u64 kChangeSectorsMax = (u64{1} << 20) / 512;  // of one discard

class DiskFs final : public fs::TextTree, public fs::LoopEvents {
 public:
  DiskFs(Process& process, DiskDevice& disk);

  void serving(fs::Server& server) override { server_ = &server; }
  void started() override;
  void signalled(u64 bits) override;

  fs::Result<Attributes> stat(NodeId node, const Caller& caller) override;
  fs::Result<void> open(fs::OpenFile& open) override;
  fs::Result<fs::ReadReply> read(fs::OpenFile& open, const fs::ReadRequest& request) override;
  fs::Result<fs::WriteReply> write(fs::OpenFile& open, const fs::WriteRequest& request) override;
  fs::Result<void> sync(fs::OpenFile& open) override;

 protected:
  fs::Result<void> text(NodeId node, const Caller& caller, base::String& out) override;
  fs::Result<void> command(NodeId node, const Caller& caller, std::string_view line) override;

 private:
  /// Sectors around [offset, offset + bytes), which lies inside the disk.
  struct Span {
    u64 first = 0;
    u32 count = 0;
    u32 skip = 0;  // bytes of the first sector before the offset
  };
  Span span_of(u64 offset, u64 bytes) const;
  bool holds(u64 offset, u64 bytes) const { return offset >= ahead_from_ && offset + bytes <= ahead_to_; }
  void drop_ahead() { ahead_from_ = ahead_to_ = 0; }
  fs::Result<void> fetch(u64 offset, u64 bytes);
  fs::Result<void> fetch_edges(const Span& span, u64 bytes);
  fs::Result<void> flush();
  fs::Result<void> tell_failed_flush(fs::OpenFile& open);
  fs::Result<void> change_sectors(BlockOp op, std::string_view line);

  Process& process_;
  DiskDevice& disk_;
  fs::Server* server_ = nullptr;
  DiskFacts facts_;
  u64 failed_flushes_ = 0;
  u64 ahead_from_ = 0;  // bytes of the disk that lie in the room from 0 on
  u64 ahead_to_ = 0;
  u64 next_offset_ = 0;  // where the last read ended
  NodeId info_ = 0;
  NodeId ctl_ = 0;
  NodeId data_ = 0;
};

DiskFs::DiskFs(Process& process, DiskDevice& disk)
    : TextTree(process.heap(), 0755), process_(process), disk_(disk), facts_(disk.facts()) {
  if (facts_.sector_bytes == 0) return;
  const NodeId directory = add(kRootId, disk.name(), Kind::Directory, 0755);
  data_ = add(directory, "data", Kind::BlockNode, 0600);
  ctl_ = add(directory, "ctl", Kind::Control, 0600);
  info_ = add(directory, "info", Kind::Control, 0444);
}

// ── The medium ───────────────────────────────────────────────────────────────────────────────────────────────

/// Before anything is served: whether the disk is still the one that was opened.
void DiskFs::started() {
  const DiskFacts now = disk_.facts_beside_message();
  const bool is_another = now.epoch != facts_.epoch || (facts_.is_present && !now.is_present);
  facts_ = now;
  if (!is_another) return;
  drop_ahead();                                             // B5
  if (server_ != nullptr) server_->revoke_opens_of(data_);  // B4
}

void DiskFs::signalled(u64 bits) {
  if ((bits & DiskDevice::kInterrupt) != 0) disk_.look();
}

DiskFs::Span DiskFs::span_of(u64 offset, u64 bytes) const {
  const u64 first = offset / facts_.sector_bytes;
  const u64 end = (offset + bytes + facts_.sector_bytes - 1) / facts_.sector_bytes;
  return {first, static_cast<u32>(end - first), static_cast<u32>(offset % facts_.sector_bytes)};
}

/// Reads [offset, offset + bytes) into the room from 0 on, and more behind it when the last read ended here: in a request for each
/// Frame, all at once.
fs::Result<void> DiskFs::fetch(u64 offset, u64 bytes) {
  const u32 in_frame = DiskDevice::kFrameBytes / facts_.sector_bytes;
  const Span span = span_of(offset, bytes);
  const u64 wanted = offset == next_offset_ ? u64{in_frame} * kAheadFrames : span.count;
  u64 left = std::min(wanted, facts_.sectors - span.first);
  drop_ahead();
  DiskRequest requests[kAheadFrames];
  u32 count = 0;
  for (; left > 0; ++count) {
    const u32 sectors = static_cast<u32>(std::min<u64>(left, in_frame));
    requests[count] = {.op = BlockOp::Read,
                       .sector = span.first + u64{count} * in_frame,
                       .sectors = sectors,
                       .room = count * DiskDevice::kFrameBytes};
    left -= sectors;
  }
  disk_.carry_out({requests, count});
  if (requests[0].status != BlockStatus::Ok) return disk_error(requests[0].status, requests[0].sector);
  ahead_from_ = ahead_to_ = span.first * facts_.sector_bytes;
  for (u32 i = 0; i < count && requests[i].status == BlockStatus::Ok; ++i) {
    ahead_to_ += u64{requests[i].sectors} * facts_.sector_bytes;
  }
  ASSERT(holds(offset, bytes));
  return {};
}

/// Reads the first and the last sector of what is to be written into their places, where it does not fill them.
fs::Result<void> DiskFs::fetch_edges(const Span& span, u64 bytes) {
  const u64 end = span.skip + bytes;
  DiskRequest requests[2];
  u32 count = 0;
  const auto add_sector = [&](u32 index) {
    requests[count++] = {.op = BlockOp::Read,
                         .sector = span.first + index,
                         .sectors = 1,
                         .room = kWriteRoom + index * facts_.sector_bytes};
  };
  if (span.skip != 0) add_sector(0);
  const bool is_last_cut = end % facts_.sector_bytes != 0;
  if (is_last_cut && (span.count > 1 || span.skip == 0)) add_sector(span.count - 1);
  if (count == 0) return {};
  if (PLANTED("disk.edges-unread")) {
    __builtin_memset(disk_.room(kWriteRoom), 0, u64{span.count} * facts_.sector_bytes);
    return {};
  }
  disk_.carry_out({requests, count});
  for (u32 i = 0; i < count; ++i) {
    if (requests[i].status != BlockStatus::Ok) return disk_error(requests[i].status, requests[i].sector);
  }
  return {};
}

/// B2: every write was answered when its completion had come, so all of them are covered.
fs::Result<void> DiskFs::flush() {
  if (PLANTED("disk.sync-unflushed")) return {};
  const BlockStatus status = disk_.carry_out(DiskRequest{.op = BlockOp::Flush});
  if (status == BlockStatus::Ok) return {};
  failed_flushes_ += 1;
  drop_ahead();  // B5
  return disk_error(status, 0);
}

/// B3
fs::Result<void> DiskFs::tell_failed_flush(fs::OpenFile& open) {
  if (open.cookie == failed_flushes_) return {};
  open.cookie = failed_flushes_;
  return fs::fail(ErrorCode::IoError, "an earlier flush failed");
}

// ── The files ────────────────────────────────────────────────────────────────────────────────────────────────

fs::Result<Attributes> DiskFs::stat(NodeId node, const Caller& caller) {
  Attributes attributes = TRY(TextTree::stat(node, caller));
  if (node == data_ && node != 0) attributes.size = attributes.allocated = facts_.bytes();
  return attributes;
}

fs::Result<void> DiskFs::open(fs::OpenFile& open) {
  if (open.node != data_) return {};
  if (!facts_.is_present) return fs::fail(ErrorCode::NoSuchDevice, disk_.name());
  if (open.can_write() && facts_.is_read_only) return fs::fail(ErrorCode::ReadOnly, disk_.name());
  open.cookie = failed_flushes_;
  return {};
}

fs::Result<fs::ReadReply> DiskFs::read(fs::OpenFile& open, const fs::ReadRequest& request) {
  if (open.node != data_) return TextTree::read(open, request);
  TRY(tell_failed_flush(open));
  if (request.offset_bytes >= facts_.bytes()) return fs::ReadReply{};
  const u64 room = std::min<u64>(request.room.size(), fs::kInlineBytesMax);
  const u64 bytes = std::min(room, facts_.bytes() - request.offset_bytes);
  if (bytes == 0) return fs::ReadReply{};
  if (!holds(request.offset_bytes, bytes)) TRY(fetch(request.offset_bytes, bytes));
  next_offset_ = request.offset_bytes + bytes;
  // Frames of the room lie apart.
  for (u64 done = 0; done < bytes;) {
    const u32 from = static_cast<u32>(request.offset_bytes - ahead_from_ + done);
    const u64 part = std::min<u64>(bytes - done, DiskDevice::kFrameBytes - from % DiskDevice::kFrameBytes);
    __builtin_memcpy(request.room.data() + done, disk_.room(from), part);
    done += part;
  }
  process_.work(bytes / 32 + 1);
  return fs::ReadReply{.data = request.room.first(bytes)};
}

fs::Result<fs::WriteReply> DiskFs::write(fs::OpenFile& open, const fs::WriteRequest& request) {
  if (open.node != data_) return TextTree::write(open, request);
  TRY(tell_failed_flush(open));
  const u64 size = facts_.bytes() - (PLANTED("disk.last-sector") ? facts_.sector_bytes : 0u);
  if (request.append || request.offset_bytes >= size) return fs::fail(ErrorCode::NoSpaceLeft, disk_.name());
  const u64 bytes = std::min({u64{request.data.size()}, u64{fs::kInlineBytesMax}, size - request.offset_bytes});
  if (bytes == 0) return fs::WriteReply{.count = 0, .end_offset = request.offset_bytes};
  const Span span = span_of(request.offset_bytes, bytes);
  TRY(fetch_edges(span, bytes));
  __builtin_memcpy(disk_.room(kWriteRoom + span.skip), request.data.data(), bytes);
  process_.work(bytes / 32 + 1);
  if (!PLANTED("disk.ahead-kept")) drop_ahead();  // B5
  const BlockStatus status = disk_.carry_out(
      DiskRequest{.op = BlockOp::Write, .sector = span.first, .sectors = span.count, .room = kWriteRoom});
  if (status != BlockStatus::Ok) return disk_error(status, span.first);
  return fs::WriteReply{.count = static_cast<u32>(bytes), .end_offset = request.offset_bytes + bytes};
}

fs::Result<void> DiskFs::sync(fs::OpenFile& open) {
  if (open.node != data_) return {};
  TRY(tell_failed_flush(open));
  const fs::Result<void> flushed = flush();
  open.cookie = failed_flushes_;
  return flushed;
}

fs::Result<void> DiskFs::text(NodeId node, const Caller&, base::String& out) {
  if (node != info_) return {};
  constexpr std::string_view kCaches[] = {"none", "ordered", "volatile"};
  const std::string_view state = !facts_.is_present ? "unplugged" : facts_.is_read_only ? "read-only" : "ok";
  const DiskCounts& counts = disk_.counts();
  out.append_format("NAME={} SECTORS={} SECTOR-BYTES={} ATOMIC-BYTES={} CACHE={} QUEUE-DEPTH={} EPOCH={} STATE={}\n",
                    disk_.name(), facts_.sectors, facts_.sector_bytes, facts_.atomic_bytes,
                    facts_.cache < std::size(kCaches) ? kCaches[facts_.cache] : "?", facts_.queue_depth, facts_.epoch,
                    state);
  out.append_format("READS={} WRITES={} FLUSHES={} RETRIES={} RESETS={} ERRORS={}\n", counts.reads, counts.writes,
                    counts.flushes, counts.retries, counts.resets, counts.errors);
  return {};
}

/// FIRST COUNT, in sectors, in pieces that the disk takes.
fs::Result<void> DiskFs::change_sectors(BlockOp op, std::string_view line) {
  const auto first = base::parse_u64(fs::take_word(line));
  const auto count = base::parse_u64(fs::take_word(line));
  if (!first.ok() || !count.ok() || !line.empty()) return fs::fail(ErrorCode::BadArgument, "FIRST COUNT in sectors");
  if (*first > facts_.sectors || *count > facts_.sectors - *first) {
    return fs::fail(ErrorCode::BadArgument, "behind the end of the disk");
  }
  drop_ahead();  // B5
  for (u64 done = 0; done < *count;) {
    const u64 part = std::min(*count - done, kChangeSectorsMax);
    const u64 sector = *first + done;
    const BlockStatus status =
        disk_.carry_out(DiskRequest{.op = op, .sector = sector, .sectors = static_cast<u32>(part)});
    if (status != BlockStatus::Ok) return disk_error(status, sector);
    done += part;
  }
  return {};
}

fs::Result<void> DiskFs::command(NodeId, const Caller&, std::string_view line) {
  const std::string_view verb = fs::take_word(line);
  if (verb == "discard") return change_sectors(BlockOp::Discard, line);
  if (verb == "zero") return change_sectors(BlockOp::WriteZeroes, line);
  if (verb != "flush" && verb != "reset") return fs::fail(ErrorCode::UnknownControl, verb);
  if (!line.empty()) return fs::fail(ErrorCode::BadArgument, line);
  if (verb == "flush") return flush();
  disk_.reset();
  drop_ahead();
  return {};
}

}  // namespace

i32 disk_main(Process& process) {
  ServerClock clock(process);
  DiskDevice disk(process);
  // A disk that cannot be driven has no files, but its server answers: who started it waits for the mount.
  const Result<void> usable = disk.start();
  if (!usable.ok()) report(process, "disk", usable.error());
  DiskFs files(process, disk);
  // What was opened before the disk went is not opened again by a driver that came after.
  const fs::TokenKey key{.low = disk.facts().epoch, .high = 0};
  return serve(process, files, files, clock, {.post = option(process, "--post"), .server = {.key = key}});
}

}  // namespace user
