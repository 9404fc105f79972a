// sim/host/cli/image.cpp — joins the archive made at build time with the files of the programs.
#include "sim/host/cli/image.h"

#include <cstdio>
#include <cstring>

#include "base/types.h"
#include "sim/model/config.h"
#include "user/program.h"

extern "C" const char orrery_image_start[];
extern "C" const char orrery_image_end[];

namespace sim::host::cli {
namespace {

constexpr u64 kBlockBytes = 512;

/// A POSIX ustar header (IEEE 1003.1-2017, pax, "ustar Interchange Format").
struct Header {
  char name[100];
  char mode[8];
  char uid[8];
  char gid[8];
  char size[12];
  char mtime[12];
  char checksum[8];
  char type;
  char link[100];
  char magic[6];
  char version[2];
  char user[32];
  char group[32];
  char major[8];
  char minor[8];
  char prefix[155];
  char padding[12];
};
static_assert(sizeof(Header) == kBlockBytes);

void append(std::string& archive, const std::string& name, u32 mode, char type, std::string_view data) {
  Header header = {};
  std::snprintf(header.name, sizeof header.name, "%s", name.c_str());
  std::snprintf(header.mode, sizeof header.mode, "%07o", mode);
  std::snprintf(header.uid, sizeof header.uid, "%07o", 0u);
  std::snprintf(header.gid, sizeof header.gid, "%07o", 0u);
  std::snprintf(header.size, sizeof header.size, "%011llo", static_cast<unsigned long long>(data.size()));
  std::snprintf(header.mtime, sizeof header.mtime, "%011llo",
                static_cast<unsigned long long>(kWallStartNs / 1'000'000'000));
  header.type = type;
  std::memcpy(header.magic, "ustar", 6);
  std::memcpy(header.version, "00", 2);
  std::memset(header.checksum, ' ', sizeof header.checksum);
  u32 sum = 0;
  for (u64 i = 0; i < sizeof header; ++i) sum += reinterpret_cast<const u8*>(&header)[i];
  std::snprintf(header.checksum, sizeof header.checksum, "%06o", sum);
  archive.append(reinterpret_cast<const char*>(&header), sizeof header);
  archive.append(data);
  archive.append((kBlockBytes - data.size() % kBlockBytes) % kBlockBytes, '\0');
}

}  // namespace

std::string boot_image() {
  std::string archive(orrery_image_start, orrery_image_end);
  // Without the zero blocks at its end, so that more members can follow.
  while (archive.size() >= kBlockBytes &&
         archive.find_first_not_of('\0', archive.size() - kBlockBytes) == std::string::npos) {
    archive.resize(archive.size() - kBlockBytes);
  }
  append(archive, "bin/", 0755, '5', {});
  for (const user::Program& program : user::programs()) {
    const std::string name(program.name);
    append(archive, "bin/" + name, 0755, '0', "#!orrery " + name + "\n");
  }
  archive.append(2 * kBlockBytes, '\0');
  return archive;
}

}  // namespace sim::host::cli
