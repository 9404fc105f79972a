// user/lib/gzip_stream.cpp — see the header. Section numbers are those of RFC 1952.
#include "user/lib/gzip_stream.h"

#include "base/bytes.h"

#include "base/enforce.h"

namespace user {
namespace {

constexpr u8 kDeflate = 8;
constexpr u8 kUnix = 3;
// §2.3.1, flags of the header
constexpr u8 kHeaderCrc = 2;
constexpr u8 kExtra = 4;
constexpr u8 kName = 8;
constexpr u8 kComment = 16;

/// Passes on what is unpacked, and sums it up.
class Checked final : public ByteSink {
 public:
  Checked(Process& process, ByteSink& out) : process_(process), out_(out) {}
  void put(base::Bytes bytes) override {
    crc_.add(bytes);
    bytes_ += bytes.size();
    process_.work(bytes.size() + 1);
    out_.put(bytes);
  }
  u32 crc() const { return crc_.value(); }
  u64 bytes() const { return bytes_; }

 private:
  Process& process_;
  ByteSink& out_;
  Crc32 crc_;
  u64 bytes_ = 0;
};

bool skip_text(ByteSource& in) {
  i32 byte = 1;
  while (byte > 0) byte = in.next();
  return byte == 0;
}

bool skip_header(ByteSource& in) {
  u8 head[10];
  for (u8& each : head) {
    const i32 byte = in.next();
    if (byte < 0) return false;
    each = static_cast<u8>(byte);
  }
  if (head[0] != 0x1F || head[1] != 0x8B || head[2] != kDeflate) return false;
  const u8 flags = head[3];
  if ((flags & kExtra) != 0) {
    const i32 low = in.next();
    const i32 high = in.next();
    if (low < 0 || high < 0) return false;
    for (i32 left = low | high << 8; left > 0; --left) {
      if (in.next() < 0) return false;
    }
  }
  if ((flags & kName) != 0 && !skip_text(in)) return false;
  if ((flags & kComment) != 0 && !skip_text(in)) return false;
  return (flags & kHeaderCrc) == 0 || (in.next() >= 0 && in.next() >= 0);
}

}  // namespace

bool FdSource::refill() {
  if (at_ > 0) {
    __builtin_memmove(block_, block_ + at_, size_ - at_);
    size_ -= at_;
    at_ = 0;
  }
  if (size_ == sizeof block_) return false;
  const auto got = process_.read(fd_, {block_ + size_, sizeof block_ - size_});
  if (!got.ok()) error_ = got.error();
  if (!got.ok() || *got == 0) return false;
  size_ += *got;
  return true;
}

Result<void> gunzip(Process& process, FdSource& in, ByteSink& out) {
  const auto damaged = [&in] { return in.failed() ? Result<void>(in.error()) : fs::fail(ErrorCode::DataCorrupted); };
  do {
    Checked checked(process, out);
    if (!skip_header(in) || !inflate(process.heap(), in, checked)) return damaged();
    u8 tail[8];
    for (u8& each : tail) {
      const i32 byte = in.next();
      if (byte < 0) return damaged();
      each = static_cast<u8>(byte);
    }
    if (base::load_le32(tail) != checked.crc()) return damaged();
    if (base::load_le32(tail + 4) != static_cast<u32>(checked.bytes())) return damaged();
  } while (looks_packed(in));
  return {};
}

GzipWriter::GzipWriter(Process& process, ByteSink& out, u32 level, std::string_view name)
    : process_(process), out_(out), deflater_(process.heap(), out, level) {
  const u8 head[10] = {0x1F, 0x8B, kDeflate, name.empty() ? u8{0} : kName, 0, 0, 0, 0, 0, kUnix};
  out_.put(head);
  if (name.empty()) return;
  const u8 end[1] = {0};
  out_.put(base::bytes_of(name));
  out_.put(end);
}

void GzipWriter::put(base::Bytes data) {
  crc_.add(data);
  bytes_ += data.size();
  deflater_.add(data);
  process_.work(deflater_.take_work() + 1);
}

void GzipWriter::finish() {
  deflater_.finish();
  process_.work(deflater_.take_work() + 1);
  u8 tail[8];
  base::store_le32(tail, crc_.value());
  base::store_le32(tail + 4, static_cast<u32>(bytes_));
  out_.put(tail);
}

}  // namespace user
