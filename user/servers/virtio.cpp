// user/servers/virtio.cpp — driver of one virtio device of a bare machine: a disk or a source of entropy, as files beside
// those of /dev. `virtio --number N [--post NAME]`: grant 0 is the device; N numbers its files.
//
//   blkN        what the disk is:  TYPE=disk SIZE=bytes BLOCKS=512-byte blocks, STATE=
//   blkN.data   its bytes, readable and writable at any offset
//   hwrngN      random bytes of the machine
//
// Bounds      one request at a time, of at most kSectorsMax sectors; a caller waits while the device works.
#include "base/bytes.h"
#include "base/parse.h"
#include "fs/text_tree.h"
#include "user/servers/serve.h"
#include "user/servers/virtio_queue.h"

#include "base/enforce.h"

namespace user {
namespace {

using fs::Caller;
using fs::Kind;
using fs::NodeId;

constexpr u32 kSectorBytes = 512;
constexpr u32 kFeatureReadOnly = 5;
constexpr u32 kFeatureFlush = 9;
constexpr u32 kWanted = 1u << kFeatureReadOnly | 1u << kFeatureFlush;

// A block request, §5.2.6: type, reserved (u32), sector (u64); data; status.
constexpr u32 kTypeRead = 0;
constexpr u32 kTypeWrite = 1;
constexpr u32 kTypeFlush = 4;
constexpr u8 kStatusOk = 0;
constexpr u8 kStatusUnsupported = 2;
constexpr u8 kStatusNone = 0xFF;  // what stands there until the device has answered
constexpr u32 kHeader = VirtioDevice::kSharedOffset;
constexpr u32 kHeaderBytes = 16;
constexpr u32 kStatusByte = kHeader + kHeaderBytes;
constexpr u32 kData = 1024;
constexpr u32 kSectorsMax = (VirtioDevice::kFrameBytes - kData) / kSectorBytes;
// A message's data that begins anywhere in a sector.
static_assert(kSectorsMax >= fs::kInlineBytesMax / kSectorBytes + 1);

class VirtioFs final : public fs::TextTree {
 public:
  VirtioFs(Process& process, VirtioDevice& device, VirtioKind kind, std::string_view number);

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
    u32 skip = 0;  // of the first sector
  };
  static Span span_of(u64 offset, u64 bytes);
  fs::Result<void> transfer(u32 type, u64 sector, u32 count);
  fs::Result<fs::ReadReply> read_disk(const fs::ReadRequest& request);
  fs::Result<fs::ReadReply> read_entropy(const fs::ReadRequest& request);

  VirtioDevice& device_;
  base::String text_name_;
  base::String data_name_;
  u64 size_bytes_ = 0;
  bool failing_ = false;  // the last request was answered with an error
  NodeId text_ = 0;
  NodeId data_ = 0;
};

VirtioFs::VirtioFs(Process& process, VirtioDevice& device, VirtioKind kind, std::string_view number)
    : TextTree(process.heap(), 0755), device_(device), text_name_(process.heap()), data_name_(process.heap()) {
  if (kind == VirtioKind::Block) {
    size_bytes_ = device.config64(0) * kSectorBytes;
    text_name_.append("blk").append(number);
    data_name_.append(text_name_.view()).append(".data");
    text_ = add(kRootId, text_name_.view(), Kind::Control, 0444);
    data_ = add(kRootId, data_name_.view(), Kind::Device, device.has(kFeatureReadOnly) ? 0400 : 0600);
  } else if (kind == VirtioKind::Entropy) {
    data_name_.append("hwrng").append(number);
    data_ = add(kRootId, data_name_.view(), Kind::Device, 0444);
  }
}

// ── The device ───────────────────────────────────────────────────────────────────────────────────────────────

VirtioFs::Span VirtioFs::span_of(u64 offset, u64 bytes) {
  const u64 first = offset / kSectorBytes;
  const u64 end = (offset + bytes + kSectorBytes - 1) / kSectorBytes;
  return {first, static_cast<u32>(end - first), static_cast<u32>(offset % kSectorBytes)};
}

/// Moves `count` sectors between the disk and the shared memory at kData; a flush moves none.
fs::Result<void> VirtioFs::transfer(u32 type, u64 sector, u32 count) {
  ASSERT(count <= kSectorsMax);
  u8* const header = device_.shared(kHeader);
  base::store_le32(header, type);
  base::store_le32(header + 4, 0);
  base::store_le64(header + 8, sector);
  header[kStatusByte - kHeader] = kStatusNone;
  const VirtioPart with_data[] = {
      {kHeader, kHeaderBytes, false}, {kData, count * kSectorBytes, type == kTypeRead}, {kStatusByte, 1, true}};
  const VirtioPart without[] = {with_data[0], with_data[2]};
  const fs::Result<u32> done = count > 0 ? device_.request(with_data) : device_.request(without);
  const u8 status = done.ok() ? *device_.shared(kStatusByte) : kStatusNone;
  failing_ = status != kStatusOk;
  if (status == kStatusUnsupported) return fs::fail(ErrorCode::NotSupported);
  if (status != kStatusOk) return fs::fail(ErrorCode::IoError);
  return {};
}

// ── Files ────────────────────────────────────────────────────────────────────────────────────────────────────

fs::Result<fs::ReadReply> VirtioFs::read_entropy(const fs::ReadRequest& request) {
  const u32 wanted = static_cast<u32>(std::min<u64>(request.room.size(), VirtioDevice::kFrameBytes - kData));
  if (wanted == 0) return fs::ReadReply{};
  const VirtioPart part[] = {{kData, wanted, true}};
  const u32 bytes = std::min(TRY(device_.request(part)), wanted);
  if (bytes == 0) return fs::fail(ErrorCode::IoError);
  __builtin_memcpy(request.room.data(), device_.shared(kData), bytes);
  return fs::ReadReply{.data = request.room.first(bytes)};
}

fs::Result<fs::ReadReply> VirtioFs::read_disk(const fs::ReadRequest& request) {
  if (request.offset_bytes >= size_bytes_) return fs::ReadReply{};
  const u64 room = std::min<u64>(request.room.size(), fs::kInlineBytesMax);
  const u64 bytes = std::min(room, size_bytes_ - request.offset_bytes);
  if (bytes == 0) return fs::ReadReply{};
  const Span span = span_of(request.offset_bytes, bytes);
  TRY(transfer(kTypeRead, span.first, span.count));
  __builtin_memcpy(request.room.data(), device_.shared(kData + span.skip), bytes);
  return fs::ReadReply{.data = request.room.first(bytes)};
}

fs::Result<fs::ReadReply> VirtioFs::read(fs::OpenFile& open, const fs::ReadRequest& request) {
  if (open.node != data_) return TextTree::read(open, request);
  return device_.kind() == VirtioKind::Block ? read_disk(request) : read_entropy(request);
}

fs::Result<fs::WriteReply> VirtioFs::write(fs::OpenFile& open, const fs::WriteRequest& request) {
  if (open.node != data_ || device_.kind() != VirtioKind::Block) return TextTree::write(open, request);
  if (device_.has(kFeatureReadOnly)) return fs::fail(ErrorCode::ReadOnly);
  if (request.offset_bytes >= size_bytes_) return fs::fail(ErrorCode::NoSpaceLeft);
  const u64 bytes = std::min({u64{request.data.size()}, u64{fs::kInlineBytesMax}, size_bytes_ - request.offset_bytes});
  if (bytes == 0) return fs::WriteReply{.count = 0, .end_offset = request.offset_bytes};
  // The request lies in the IPC buffer, which reading the sectors around it uses too.
  u8 copy[fs::kInlineBytesMax];
  __builtin_memcpy(copy, request.data.data(), bytes);
  const Span span = span_of(request.offset_bytes, bytes);
  const bool whole = span.skip == 0 && bytes == u64{span.count} * kSectorBytes;
  if (!whole) TRY(transfer(kTypeRead, span.first, span.count));
  __builtin_memcpy(device_.shared(kData + span.skip), copy, bytes);
  TRY(transfer(kTypeWrite, span.first, span.count));
  return fs::WriteReply{.count = static_cast<u32>(bytes), .end_offset = request.offset_bytes + bytes};
}

fs::Result<void> VirtioFs::sync(fs::OpenFile& open) {
  if (open.node != data_ || device_.kind() != VirtioKind::Block || !device_.has(kFeatureFlush)) return {};
  return transfer(kTypeFlush, 0, 0);
}

fs::Result<void> VirtioFs::text(NodeId, const Caller&, base::String& out) {
  out.append_format("TYPE=disk SIZE={} BLOCKS={}\nSTATE={}\n", size_bytes_, size_bytes_ / kSectorBytes,
                    failing_                        ? "failing"
                    : device_.has(kFeatureReadOnly) ? "read-only"
                                                    : "ok");
  return {};
}

fs::Result<void> VirtioFs::command(NodeId, const Caller&, std::string_view line) {
  return fs::fail(ErrorCode::UnknownControl, fs::take_word(line));
}

}  // namespace

i32 virtio_main(Process& process) {
  ServerClock clock(process);
  VirtioDevice device;
  // A device that cannot be driven has no files, but its server answers: who started it waits for the mount.
  const bool usable = device.start(0, kWanted).ok();
  const std::string_view number = option(process, "--number");
  VirtioFs files(process, device, usable ? device.kind() : VirtioKind::None, number.empty() ? "0" : number);
  struct Events final : fs::LoopEvents {
  } events;
  return serve(process, files, events, clock, {.post = option(process, "--post")});
}

}  // namespace user
