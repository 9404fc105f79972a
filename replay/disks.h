// replay/disks.h — what disks hold at the start of a recorded run: in the recording, or in files that it names.
//
// A disk's image is named by its SHA-256. A small one, or one that was asked for, is in the recording as attachments of
// kDiskPartBytes each; of any other the recording has the hash and the name of its file, and whoever replays it needs the file.
#pragma once
#include "replay/recording.h"
#include "sim/host/machine_host.h"

namespace replay {

/// Attachments larger than this are kept as a hash only; the image of a disk in parts.
constexpr u64 kAttachmentBytesMax = u64{12} << 20;
constexpr u64 kDiskPartBytes = u64{8} << 20;
/// Images of disks up to this size are kept in every recording.
constexpr u64 kDiskKeptBytesMax = u64{1} << 20;
/// Larger ones are kept in none: a recording is read whole.
constexpr u64 kDiskEmbeddedBytesMax = u64{512} << 20;

/// Where the files are that a recording names.
struct DiskFiles {
  std::vector<std::string> named;            // any of them, told by its content
  std::vector<std::string> folders = {"."};  // where the names in the recording are looked up
};

/// SHA-256 of what a disk holds at the start, all zero for a blank one. False when the host cannot read its file.
bool hash_of(const sim::host::DiskShape& disk, Sha256& hash);

/// The attachments for a disk, none for a blank one. `embed`: with its content whatever its size.
struct DiskAttachments {
  std::vector<Attachment> parts;
  std::string error;
};
DiskAttachments attachments_of(const sim::host::DiskShape& disk, bool embed);

/// Gives each disk its content or its opened file. `hashes` are the images' of each. Empty, or which disk cannot have it
/// and why: no such file is at hand, or one by its name has another content.
std::string find_images(const Recording& recording, const std::vector<Sha256>& hashes, const DiskFiles& files,
                        std::vector<sim::host::DiskShape>& disks);

}  // namespace replay
