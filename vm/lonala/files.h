// vm/lonala/files.h — the files that programs reach through `lona.os`: what whoever runs the machine offers of its own.
#pragma once
#include <span>
#include <string_view>

#include "base/bytes.h"

namespace lonala {

constexpr i64 kFileFailed = -1;

struct FileFacts {
  u64 size = 0;
  u32 mode = 0;  // permission bits
  bool directory = false;
  i64 modified_ns = 0;  // since 1970
};

/// Every call answers with a number that is not negative, or kFileFailed; `problem` then says why.
class Files {
 public:
  enum How : u32 { kRead = 1, kWrite = 2, kCreate = 4, kTruncate = 8, kAppend = 16 };
  enum class From : u8 { Start, Current, End };
  /// The number of the open file.
  virtual i64 open(std::string_view path, u32 how) = 0;
  /// How many bytes came, 0 at the end.
  virtual i64 read(u64 file, base::MutableBytes out) = 0;
  virtual i64 write(u64 file, base::Bytes data) = 0;
  /// The new position.
  virtual i64 seek(u64 file, i64 offset, From from) = 0;
  virtual i64 close(u64 file) = 0;
  virtual i64 stat(std::string_view path, FileFacts& out) = 0;
  /// Calls visit for each name, sorted; a directory's ends in '/'.
  virtual i64 list(std::string_view path, void (*visit)(void* context, std::string_view name), void* context) = 0;
  virtual i64 make_directory(std::string_view path) = 0;
  virtual i64 remove(std::string_view path) = 0;
  /// Puts the tree at `from` at the name `to` as well.
  virtual i64 bind(std::string_view from, std::string_view to) = 0;
  /// Mounts a service.
  virtual i64 mount(std::string_view service, std::string_view at) = 0;
  /// Runs a command to its end: its status.
  virtual i64 execute(std::span<const std::string_view> words) = 0;
  virtual std::string_view problem() const = 0;

 protected:
  ~Files() = default;
};

}  // namespace lonala
