// sim/host/scenario/images.cpp — see images.h. Format: POSIX.1-2017, XCU, pax, "ustar Interchange Format".
#include "sim/host/scenario/images.h"

#include <cstdio>
#include <cstring>
#include <set>

#include "base/ustar.h"

namespace sim::host::scenario {
namespace {

constexpr u64 kBlock = 512;

std::string plain(std::string_view name) {
  while (name.starts_with("/") || name.starts_with("./")) name.remove_prefix(name[0] == '/' ? 1 : 2);
  while (name.ends_with("/")) name.remove_suffix(1);
  return std::string(name);
}

void octal(char* field, u64 width, u64 value) {
  std::snprintf(field, width, "%0*llo", static_cast<int>(width - 1), static_cast<unsigned long long>(value));
}

/// A header and the data in whole blocks. `directory`: no data.
void append_entry(std::string& out, const std::string& path, const std::string& text, bool directory) {
  char header[kBlock] = {};
  std::snprintf(header, 100, "%s", path.c_str());
  octal(header + 100, 8, directory ? 0755 : 0644);
  octal(header + 108, 8, 0);
  octal(header + 116, 8, 0);
  octal(header + 124, 12, text.size());
  octal(header + 136, 12, 0);
  std::memset(header + 148, ' ', 8);
  header[156] = directory ? '5' : '0';
  std::memcpy(header + 257,
              "ustar\0"
              "00",
              8);
  u64 sum = 0;
  for (const char byte : header) sum += static_cast<u8>(byte);
  std::snprintf(header + 148, 8, "%06llo", static_cast<unsigned long long>(sum));
  out.append(header, kBlock);
  out += text;
  out.append((kBlock - text.size() % kBlock) % kBlock, '\0');
}

}  // namespace

std::string with_files(const std::string& image, const std::map<std::string, std::string>& files) {
  if (files.empty()) return image;
  std::string out;
  std::set<std::string> directories;
  base::UstarReader reader(base::bytes_of(image));
  for (;;) {  // ends with the archive; the image was read once before
    const auto entry = reader.next();
    if (!entry.ok() || !entry->has_value()) break;
    const std::string path = plain((*entry)->name());
    if ((*entry)->type == base::UstarType::Directory) directories.insert(path);
    if (files.contains(path)) continue;
    const u64 bytes = kBlock + ((*entry)->data.size() + kBlock - 1) / kBlock * kBlock;
    out.append(image, (*entry)->header_offset, bytes);
  }
  for (const auto& [path, text] : files) {
    for (u64 slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
      const std::string directory = path.substr(0, slash);
      if (directories.insert(directory).second) append_entry(out, directory, {}, true);
    }
    append_entry(out, path, text, false);
  }
  out.append(2 * kBlock, '\0');
  return out;
}

std::string file_of(const std::string& image, const std::string& path) {
  base::UstarReader reader(base::bytes_of(image));
  for (;;) {
    const auto entry = reader.next();
    if (!entry.ok() || !entry->has_value()) return {};
    if (plain((*entry)->name()) == path) return std::string(base::text_of((*entry)->data));
  }
}

}  // namespace sim::host::scenario
