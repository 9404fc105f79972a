// fs/records.h — the packed records of a directory listing: 8-byte aligned, little endian, header of 56 bytes, name,
// zero padding. Servers build them, the runtime reads them.
// Layout      size u16, kind u8, name length u8, mode u16, flags u16, id u64, size u64, modified i64, uid u32, gid u32,
//             links u32, version u32, cookie u64, name.
// Tested by   tests/fs/records_test.cpp
#pragma once
#include "base/types.h"
#include "fs/types.h"

namespace fs {

constexpr u32 kRecordHeaderBytes = 56;
static_assert(2 + 1 + 1 + 2 + 2 + 8 + 8 + 8 + 4 + 4 + 4 + 4 + 8 == kRecordHeaderBytes);

struct Record {
  std::string_view name;
  Attributes
      attributes;  // those that a record carries: kind, mode, flags, id, size, modified, uid, gid, links, version
  u64 cookie = 0;  // continues after this record
};

class RecordWriter {
 public:
  explicit RecordWriter(base::MutableBytes out) : out_(out) {}

  /// Appends a record whose name is 1–255 bytes; false, and nothing changed, if it does not fit.
  bool add(std::string_view name, const Attributes& attributes, u64 cookie);
  u32 size() const { return size_; }
  /// The cookie of the last record added; `start` if there is none.
  u64 next_cookie(u64 start) const { return size_ == 0 ? start : last_cookie_; }
  base::Bytes bytes() const { return out_.first(size_); }

 private:
  base::MutableBytes out_;
  u32 size_ = 0;
  u64 last_cookie_ = 0;
};

/// Reads records that came from a server, which may be hostile. Stops at the first bad one.
class RecordReader {
 public:
  explicit RecordReader(base::Bytes in) : in_(in) {}
  bool done() const { return in_.empty(); }
  /// The next record; its name points into the bytes read. Errors: ProtocolError.
  Result<Record> next();

 private:
  base::Bytes in_;
};

}  // namespace fs
