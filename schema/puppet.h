// schema/puppet.h — orders of a plan to a program that carries them out (`puppet`), and what came of them: a number, then
// fields. Numbers are 8 bytes, little-endian; texts are their length and their bytes.
//
//     order    number of Order, then its fields as listed
//     result   number of an fs::ErrorCode, 0 when it was done, then the listed fields, or the detail of the error
#pragma once
#include <string_view>

#include "base/types.h"

namespace schema::puppet {

enum class Order : u8 {
  Open = 1,            // path, flags of file.capnp → descriptor
  Read = 2,            // descriptor, most bytes → bytes; one read, nothing at the end
  Write = 3,           // descriptor, bytes
  Seek = 4,            // descriptor, offset from the start
  Close = 5,           // descriptor
  ReadFile = 6,        // path → bytes
  WriteFile = 7,       // path, bytes, flags: 1 append, 2 the file must not exist, 4 sync
  Remove = 8,          // path: a file or an empty directory
  Rename = 9,          // from, to
  List = 10,           // path → count, then name and kind of each
  Stat = 11,           // path → kind, size, mode, modified ns
  MakeDirectory = 12,  // path
  Sleep = 13,          // ns
  Run = 14,            // command line → status, output
  Sync = 15,           // descriptor
};
constexpr u64 kAppend = 1;
constexpr u64 kExclusive = 2;
constexpr u64 kSync = 4;
/// Longest text in an order or a result: a device call takes 8064 bytes.
constexpr u64 kTextMax = 7168;

class Writer {
 public:
  explicit Writer(base::MutableBytes room) : room_(room) {}
  void number(u64 value) {
    if (used_ + 8 > room_.size()) {
      full_ = true;
      return;
    }
    for (u32 i = 0; i < 8; ++i) room_[used_ + i] = static_cast<u8>(value >> (8 * i));
    used_ += 8;
  }
  void text(std::string_view value) {
    if (used_ + 8 + value.size() > room_.size()) {
      full_ = true;
      return;
    }
    number(value.size());
    for (u64 i = 0; i < value.size(); ++i) room_[used_ + i] = static_cast<u8>(value[i]);
    used_ += value.size();
  }
  u64 used() const { return used_; }
  bool full() const { return full_; }

 private:
  base::MutableBytes room_;
  u64 used_ = 0;
  bool full_ = false;
};

/// What is not there reads as 0 or nothing, and `bad` says so.
class Reader {
 public:
  explicit Reader(base::Bytes bytes) : bytes_(bytes) {}
  u64 number() {
    if (at_ + 8 > bytes_.size()) {
      bad_ = true;
      return 0;
    }
    u64 value = 0;
    for (u32 i = 0; i < 8; ++i) value |= static_cast<u64>(bytes_[at_ + i]) << (8 * i);
    at_ += 8;
    return value;
  }
  std::string_view text() {
    const u64 length = number();
    if (bad_ || length > bytes_.size() - at_) {
      bad_ = true;
      return {};
    }
    const std::string_view value(reinterpret_cast<const char*>(bytes_.data()) + at_, length);
    at_ += length;
    return value;
  }
  bool bad() const { return bad_; }

 private:
  base::Bytes bytes_;
  u64 at_ = 0;
  bool bad_ = false;
};

}  // namespace schema::puppet
