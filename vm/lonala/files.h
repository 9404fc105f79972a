// vm/lonala/files.h — the files that programs reach through `lona.os`: what whoever runs the machine offers of its own. Calls
// may be made at once, or begun: then they hold up the process that makes them and not the machine.
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

/// A call as data, for whoever makes it later.
struct FileCall {
  enum class What : u8 {
    Open,
    Read,
    Write,
    Seek,
    Close,
    Stat,
    List,
    MakeDirectory,
    Remove,
    Bind,
    Mount,
    Execute,
  };
  What what = What::Open;
  u8 from = 0;     // of a seek: Files::From
  u64 file = 0;    // that is open
  i64 number = 0;  // how to open, bytes to read, offset to go to
  std::string_view path{};
  std::string_view second{};  // where to bind or mount
  base::Bytes data{};
  std::span<const std::string_view> words{};
};

/// What became of a call that was begun. The views are good until the next question.
struct FileAnswer {
  FileCall::What what = FileCall::What::Open;
  i64 result = kFileFailed;
  FileFacts facts{};
  base::Bytes data{};  // that was read; names, each ended by 0
  std::string_view problem{};
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

  // ── Calls that do not hold the machine up ──────────────────────────────────────────────────────────────────
  /// Whether calls are begun, and not made at once.
  virtual bool begins() const { return false; }
  /// Begins a call for a process, which has no other under way. What `call` refers to is copied. False: `problem` says why.
  virtual bool begin(u64 /*caller*/, const FileCall& /*call*/) { return false; }
  /// A call that has ended: whose it was, 0 if there is none.
  virtual u64 ended(FileAnswer& /*answer*/) { return 0; }
  /// The process does not wait for its call any more, which `ended` never gives.
  virtual void cancel(u64 /*caller*/) {}

 protected:
  ~Files() = default;
};

}  // namespace lonala
