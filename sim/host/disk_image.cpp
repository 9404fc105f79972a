// sim/host/disk_image.cpp — see disk_image.h.
#include "sim/host/disk_image.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "base/bytes.h"

namespace sim::host {
namespace {

constexpr u64 kReadBytes = u64{1} << 20;
constexpr u64 kBlockBytes = 4096;
constexpr u32 kOpenTries = 8;  // each fails only when somebody wrote the image back in that very moment

struct Mapping {
  const u8* memory;
  u64 bytes;
  const DiskImage* image;
};
std::vector<Mapping>& mappings() {
  static std::vector<Mapping> all;
  return all;
}

std::string why(const std::string& path) { return path + ": " + std::strerror(errno); }

bool write_whole(int file, base::Bytes bytes, u64 offset) {
  while (!bytes.empty()) {
    const ssize_t count = pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    bytes = bytes.subspan(static_cast<u64>(count));
    offset += static_cast<u64>(count);
  }
  return true;
}

bool is_empty(base::Bytes block) {
  return std::all_of(block.begin(), block.end(), [](u8 byte) { return byte == 0; });
}

/// Writes `content` with holes where whole blocks are zero.
bool write_sparse(int file, base::Bytes content) {
  if (ftruncate(file, static_cast<off_t>(content.size())) != 0) return false;
  u64 from = 0;  // of the stretch that is to be written
  u64 at = 0;
  while (at < content.size()) {
    const u64 count = std::min(kBlockBytes, content.size() - at);
    if (is_empty(content.subspan(at, count))) {
      if (!write_whole(file, content.subspan(from, at - from), from)) return false;
      from = at + count;
    }
    at += count;
  }
  return write_whole(file, content.subspan(from), from);
}

/// A rename is durable when its folder is.
bool sync_folder(const std::string& path) {
  const auto slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  const int opened = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (opened < 0) return false;
  const bool synced = fsync(opened) == 0;
  close(opened);
  return synced;
}

}  // namespace

std::shared_ptr<const DiskImage> DiskImage::open(const std::string& path, Use use, std::string& error) {
  const std::shared_ptr<DiskImage> image(new DiskImage);
  image->path_ = path;
  image->use_ = use;
  const auto refuse = [&error](const std::string& what) {
    error = what;
    return nullptr;
  };
  struct stat status = {};
  for (u32 tries = 0;; ++tries) {
    if (image->file_ >= 0) close(image->file_);
    image->file_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (image->file_ < 0) return refuse(why(path));
    if (fstat(image->file_, &status) != 0) return refuse(why(path));
    if (!S_ISREG(status.st_mode)) return refuse(path + ": not a regular file");
    if (flock(image->file_, (use == Use::Read ? LOCK_SH : LOCK_EX) | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) return refuse(why(path));
      return refuse(path + (use == Use::Read ? ": in use: another process will write it back"
                                             : ": in use by another process, and to be written back it must be alone"));
    }
    // The lock is on the file, not on its name: whoever wrote it back may have given the name to another one by now.
    struct stat named = {};
    if (stat(path.c_str(), &named) != 0) return refuse(why(path));
    if (named.st_dev == status.st_dev && named.st_ino == status.st_ino) break;
    if (tries == kOpenTries) return refuse(path + ": replaced again and again by others");
  }
  if (fstat(image->file_, &status) != 0) return refuse(why(path));
  image->bytes_ = static_cast<u64>(status.st_size);
  image->device_ = status.st_dev;
  image->inode_ = status.st_ino;
  image->changed_s_ = status.st_mtim.tv_sec;
  image->changed_ns_ = status.st_mtim.tv_nsec;
  if (image->bytes_ == 0) return image;
  base::D128 digest;
  std::vector<u8> piece(std::min(kReadBytes, image->bytes_));
  for (u64 at = 0; at < image->bytes_; at += piece.size()) {
    piece.resize(std::min<u64>(piece.size(), image->bytes_ - at));
    if (!image->read(at, piece)) return refuse(why(path));
    piece.resize(base::align_up(piece.size(), u64{8}));  // the last word is zero-filled, as D128::fold_bytes does it
    for (u64 word = 0; word < piece.size(); word += 8) digest.fold(base::load_le64(&piece[word]));
  }
  digest.fold(image->bytes_);
  image->digest_ = digest.out();
  return image;
}

DiskImage::~DiskImage() {
  if (file_ >= 0) close(file_);
}

bool DiskImage::read(u64 offset, base::MutableBytes out) const {
  while (!out.empty()) {
    const ssize_t count = pread(file_, out.data(), out.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count == 0) errno = EIO;  // it became shorter
    if (count <= 0) return false;
    out = out.subspan(static_cast<u64>(count));
    offset += static_cast<u64>(count);
  }
  return true;
}

bool DiskImage::map_over(u8* memory) const {
  if (bytes_ == 0) return true;
  return mmap(memory, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, file_, 0) == memory;
}

std::string DiskImage::changed() const {
  struct stat status = {};
  if (fstat(file_, &status) != 0) return why(path_);
  if (static_cast<u64>(status.st_size) != bytes_) return path_ + ": its size changed while the run went on";
  if (status.st_mtim.tv_sec == changed_s_ && status.st_mtim.tv_nsec == changed_ns_) return {};
  return path_ + ": somebody wrote to it while the run went on";
}

std::string DiskImage::write_back(base::Bytes content) const {
  struct stat named = {};
  if (stat(path_.c_str(), &named) != 0) return why(path_);
  if (named.st_dev != device_ || named.st_ino != inode_) return path_ + ": another file has its name now";
  // A link stays one: the file it names is replaced.
  char* const resolved = realpath(path_.c_str(), nullptr);
  if (resolved == nullptr) return why(path_);
  const std::string target = resolved;
  std::free(resolved);
  std::string fresh = target + ".new-XXXXXX";
  const int file = mkostemp(fresh.data(), O_CLOEXEC);
  if (file < 0) return why(fresh);
  bool done = write_sparse(file, content) && fchmod(file, named.st_mode & 07777) == 0 && fsync(file) == 0;
  done = close(file) == 0 && done;
  done = done && rename(fresh.c_str(), target.c_str()) == 0;
  if (!done) {
    std::string failure = why(fresh);
    unlink(fresh.c_str());
    return failure;
  }
  if (!sync_folder(target)) return why(target);
  return {};
}

const char* image_mapped_at(const void* address) {
  const u8* at = static_cast<const u8*>(address);
  for (const Mapping& mapping : mappings()) {
    if (at >= mapping.memory && at < mapping.memory + mapping.bytes) return mapping.image->path().c_str();
  }
  return nullptr;
}

void remember_mapping(const u8* memory, u64 bytes, const DiskImage& image) {
  mappings().push_back({memory, bytes, &image});
}

void forget_mapping(const u8* memory) {
  std::erase_if(mappings(), [memory](const Mapping& mapping) { return mapping.memory == memory; });
}

}  // namespace sim::host
