// replay/disks.cpp — see disks.h.
#include "replay/disks.h"

#include <openssl/evp.h>

#include <algorithm>
#include <filesystem>

namespace replay {
namespace {

namespace fs = std::filesystem;
using sim::host::DiskImage;
using sim::host::DiskShape;

constexpr u64 kReadBytes = u64{1} << 20;

/// Calls `take` with the bytes of a file, a piece at a time; false when it cannot be read.
template <class Take>
bool read_pieces(const DiskImage& file, u64 piece_bytes, const Take& take) {
  Buffer piece;
  for (u64 at = 0; at < file.bytes(); at += piece.size()) {
    piece.resize(std::min(piece_bytes, file.bytes() - at));
    if (!file.read(at, piece)) return false;
    take(piece);
  }
  return true;
}

bool hash_of_file(const DiskImage& file, Sha256& hash) {
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> state(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  EVP_DigestInit_ex(state.get(), EVP_sha256(), nullptr);
  if (!read_pieces(file, kReadBytes,
                   [&](const Buffer& piece) { EVP_DigestUpdate(state.get(), piece.data(), piece.size()); })) {
    return false;
  }
  return EVP_DigestFinal_ex(state.get(), hash.data(), nullptr) == 1;
}

/// What a recording calls the file: as it was named, but never with a path of this machine.
std::string shown_name(const DiskShape& disk) {
  if (disk.image.empty()) return disk.name;
  const fs::path path(disk.image);
  return path.is_absolute() ? path.filename().string() : disk.image;
}

/// The content that the recording holds under this hash, its parts put together; null when it holds none of them.
std::shared_ptr<const std::string> embedded(const Recording& recording, const Sha256& hash, std::string& wrong) {
  std::string content;
  bool is_there = false;
  for (const Attachment* attachment : recording.all<Attachment>()) {
    if (attachment->kind != Attachment::Kind::Disk || attachment->sha256 != hash || attachment->external) continue;
    content.append(attachment->bytes.begin(), attachment->bytes.end());
    is_there = true;
  }
  if (!is_there) return nullptr;
  if (sha256_of(base::bytes_of(content)) != hash) {
    wrong = "the content that the recording holds does not have the hash it is kept under, " + hex(hash);
    return nullptr;
  }
  return std::make_shared<const std::string>(std::move(content));
}

/// Opens `path` if it has the hash. `other` is told when there is such a file with another content.
std::shared_ptr<const DiskImage> open_if_same(const std::string& path, const Sha256& hash, std::string& other) {
  std::error_code error;
  if (!fs::exists(path, error)) return nullptr;
  std::string why;
  auto file = DiskImage::open(path, DiskImage::Use::Read, why);
  Sha256 found = {};
  if (file == nullptr) {
    other = why;
  } else if (!hash_of_file(*file, found)) {
    other = path + ": cannot be read to its end";
  } else if (found == hash) {
    return file;
  } else {
    other = path + " has another content: SHA-256 " + hex(found) + ", recorded was " + hex(hash);
  }
  return nullptr;
}

std::string name_in(const Recording& recording, const Sha256& hash) {
  for (const Attachment* attachment : recording.all<Attachment>()) {
    if (attachment->kind == Attachment::Kind::Disk && attachment->sha256 == hash) return attachment->name;
  }
  return {};
}

/// What is wrong, or nothing: `disk` has its image then.
std::string find_image(const Recording& recording, const Sha256& hash, const DiskFiles& files, DiskShape& disk) {
  std::string wrong;
  disk.image = name_in(recording, hash);
  disk.content = embedded(recording, hash, wrong);
  if (disk.content != nullptr || !wrong.empty()) return wrong;
  std::string other;
  std::vector<std::string> paths = files.named;
  for (const std::string& folder : files.folders) {
    if (!disk.image.empty()) paths.push_back((fs::path(folder) / disk.image).string());
  }
  for (const std::string& path : paths) {
    disk.file = open_if_same(path, hash, other);
    if (disk.file != nullptr) return {};
  }
  if (!other.empty()) return other;
  const std::string name = disk.image.empty() ? "its image" : disk.image;
  return name + " is not here; wanted is the file with SHA-256 " + hex(hash) + " (--file names it)";
}

}  // namespace

bool hash_of(const DiskShape& disk, Sha256& hash) {
  hash = {};
  if (disk.image_bytes() == 0) return true;
  if (!disk.content) return hash_of_file(*disk.file, hash);
  hash = sha256_of(base::bytes_of(*disk.content));
  return true;
}

DiskAttachments attachments_of(const DiskShape& disk, bool embed) {
  DiskAttachments made;
  const u64 bytes = disk.image_bytes();
  if (!disk.content && !disk.file && !disk.image.empty()) {
    made.error = "disk " + disk.name + ": " + disk.image + " is not opened yet";
  }
  if (bytes == 0) return made;
  const std::string file = disk.file ? disk.file->path() : disk.image;
  Attachment part{.name = shown_name(disk), .kind = Attachment::Kind::Disk};
  if (!hash_of(disk, part.sha256)) {
    made.error = "disk " + disk.name + ": " + file + " cannot be read";
    return made;
  }
  if (bytes > kDiskEmbeddedBytesMax || (!embed && bytes > kDiskKeptBytesMax)) {
    if (embed) made.error = "disk " + disk.name + ": " + file + " is too large to be embedded";
    part.external = true;
    made.parts.push_back(std::move(part));
    return made;
  }
  const auto take = [&](base::Bytes piece) {
    part.bytes.assign(piece.begin(), piece.end());
    made.parts.push_back(part);
  };
  if (disk.content) {
    base::Bytes left = base::bytes_of(*disk.content);
    while (!left.empty()) {
      const u64 count = std::min<u64>(kDiskPartBytes, left.size());
      take(left.first(count));
      left = left.subspan(count);
    }
  } else if (!read_pieces(*disk.file, kDiskPartBytes, take)) {
    made.error = "disk " + disk.name + ": " + file + " cannot be read";
  }
  return made;
}

std::string find_images(const Recording& recording, const std::vector<Sha256>& hashes, const DiskFiles& files,
                        std::vector<DiskShape>& disks) {
  for (u32 i = 0; i < disks.size(); ++i) {
    if (hashes[i] == Sha256{}) continue;
    const std::string wrong = find_image(recording, hashes[i], files, disks[i]);
    if (!wrong.empty()) return "disk " + disks[i].name + ": " + wrong;
  }
  return {};
}

}  // namespace replay
