// user/lib/gzip_stream.h — the gzip format (RFC 1952) over descriptors: what gzip and tar share.
#pragma once
#include "user/lib/deflate.h"
#include "user/lib/hashes.h"
#include "user/lib/tool.h"

namespace user {

/// Bytes of a descriptor, one at a time, with those before them already read.
class FdSource final : public ByteSource {
 public:
  FdSource(Process& process, Fd fd) : process_(process), fd_(fd) {}
  i32 next() override {
    if (at_ == size_ && !refill()) return -1;
    return block_[at_++];
  }
  /// The bytes that come next, without taking them; fewer at the end.
  base::Bytes peek(u64 count) {
    while (size_ - at_ < count && refill()) {
    }
    return base::Bytes(block_ + at_, size_ - at_).first(std::min<u64>(count, size_ - at_));
  }
  bool failed() const { return error_.code != ErrorCode::None; }
  const Error& error() const { return error_; }

 private:
  bool refill();
  Process& process_;
  Fd fd_;
  u64 at_ = 0;
  u64 size_ = 0;
  Error error_;
  u8 block_[8192];
};

/// Whether gzip data comes next.
inline bool looks_packed(FdSource& in) {
  const base::Bytes head = in.peek(2);
  return head.size() == 2 && head[0] == 0x1F && head[1] == 0x8B;
}

/// Unpacks all members. Error DataCorrupted: not gzip, damaged, or its checksum or length are wrong.
Result<void> gunzip(Process& process, FdSource& in, ByteSink& out);

/// Packs into `out` what it is given. `name`: kept in the header, may be empty.
class GzipWriter final : public ByteSink {
 public:
  GzipWriter(Process& process, ByteSink& out, u32 level, std::string_view name);
  void put(base::Bytes data) override;
  void finish();

 private:
  Process& process_;
  ByteSink& out_;
  Deflater deflater_;
  Crc32 crc_;
  u64 bytes_ = 0;
};

/// To an Output.
class OutputSink final : public ByteSink {
 public:
  explicit OutputSink(Output& out) : out_(out) {}
  void put(base::Bytes bytes) override { out_.text(base::text_of(bytes)); }

 private:
  Output& out_;
};

}  // namespace user
