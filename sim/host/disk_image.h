// sim/host/disk_image.h — files of the host as what disks hold at the start: opened, locked, mapped, and written back.
//
// Invariants  D1 a run never writes to the file: its pages are mapped privately, and forks of the process share those
//                that nobody changed. What a run left is written to a new file, which takes the old one's name.
//             D2 readers of a file share a lock on it; who will write it back holds the only one.
//             D3 a file that others change while it is in use is told by `changed`: the run then proves nothing.
// Tested by   tests/sim/disk_host_test.cpp
#pragma once
#include <memory>
#include <string>

#include "base/digest.h"
#include "base/types.h"

namespace sim::host {

class DiskImage {
 public:
  enum class Use : u8 { Read, WriteBack };

  /// Opens and locks a regular file and reads it once, for its digest. Null, and a text that names the file, when it
  /// cannot be read or another process holds a lock that does not suffer this use.
  static std::shared_ptr<const DiskImage> open(const std::string& path, Use use, std::string& error);
  ~DiskImage();
  DiskImage(const DiskImage&) = delete;
  DiskImage& operator=(const DiskImage&) = delete;

  const std::string& path() const { return path_; }
  u64 bytes() const { return bytes_; }
  Use use() const { return use_; }
  /// Of its bytes; all zero for a file without any.
  base::Digest digest() const { return digest_; }
  /// Bytes from `offset` on, all of `out`; false when the host refuses them.
  bool read(u64 offset, base::MutableBytes out) const;
  /// Puts the content over the first pages at `memory`, private to this process. False when the host has no room.
  bool map_over(u8* memory) const;
  /// Empty, or what became of the file since it was opened.
  std::string changed() const;
  /// Makes the file hold `content`: a new file beside it, written without its empty blocks, synced and renamed over the
  /// old one. Empty, or why it could not be; the old file is whole then.
  std::string write_back(base::Bytes content) const;

 private:
  DiskImage() = default;

  std::string path_;
  int file_ = -1;
  Use use_ = Use::Read;
  u64 bytes_ = 0;
  u64 device_ = 0;
  u64 inode_ = 0;
  i64 changed_s_ = 0;
  i64 changed_ns_ = 0;
  base::Digest digest_;
};

/// The path of the image that is mapped at `address`; null: none is. Usable in a signal handler.
const char* image_mapped_at(const void* address);
/// Remembers a mapping until it is forgotten, before its memory goes.
void remember_mapping(const u8* memory, u64 bytes, const DiskImage& image);
void forget_mapping(const u8* memory);

}  // namespace sim::host
