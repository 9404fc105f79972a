// base/ustar.h — reads a ustar archive that lies in memory; boot images are such archives.
// Source      POSIX.1-2017, XCU, pax, "ustar Interchange Format".
// Bounds      names ≤ 256 bytes (prefix 155, slash, name 100), one block of 512 bytes per header.
// Tested by   tests/base/ustar_test.cpp
#pragma once
#include <optional>
#include <string_view>

#include "base/result.h"
#include "base/types.h"

namespace base {

struct UstarError {
  enum class Code : u8 {
    Truncated,  // a header, data, or the two zero blocks at the end are missing
    BadMagic,   // no "ustar\0" "00"
    BadChecksum,
    BadNumber,        // a field that is not octal, or data where the type has none
    UnsupportedType,  // pax and GNU extension records among them
    EmptyName,
    Trailing,  // a zero block that is not followed by another
  };
  Code code = Code::Truncated;
  u64 offset = 0;  // byte of the archive at which it is seen
  friend bool operator==(const UstarError&, const UstarError&) = default;
};

/// A sentence for a message, for example "the header checksum does not match".
std::string_view describe(UstarError::Code code);

enum class UstarType : u8 { Regular, HardLink, SymbolicLink, CharacterDevice, BlockDevice, Directory, Fifo };

/// One member. `data` and `link_name` point into the archive.
struct UstarEntry {
  static constexpr u64 kNameMax = 256;
  UstarType type = UstarType::Regular;
  u32 mode = 0;  // permission bits and set-id bits: 07777
  u32 user_id = 0;
  u32 group_id = 0;
  u64 modified_s = 0;  // since 1970-01-01 UTC
  u64 header_offset = 0;
  Bytes data{};
  std::string_view link_name{};
  char name_bytes[kNameMax] = {};
  u32 name_length = 0;
  /// As stored: it may be absolute, end in a slash or hold dot-dot; what may be extracted where is the caller's rule.
  std::string_view name() const { return {name_bytes, name_length}; }
};

class UstarReader {
 public:
  explicit UstarReader(Bytes archive) : archive_(archive) {}
  /// The next member; nothing after the last. An error repeats on the next call.
  Result<std::optional<UstarEntry>, UstarError> next();

 private:
  Bytes archive_;
  u64 offset_ = 0;
  bool finished_ = false;
};

}  // namespace base
