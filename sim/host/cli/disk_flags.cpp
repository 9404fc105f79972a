// sim/host/cli/disk_flags.cpp — see disk_flags.h.
#include "sim/host/cli/disk_flags.h"

#include <CLI/App.hpp>

#include <cstdio>

#include "base/parse.h"
#include "sim/host/nearest.h"
#include "sim/host/text.h"

namespace sim::host::cli {
namespace {

constexpr u64 kNameBytes = 31;  // as of nodes and links: it becomes the name of files
constexpr u64 kUnit = 4096;
constexpr std::string_view kCaches[] = {"none", "ordered", "volatile"};

std::string size_text(u64 bytes) {
  constexpr std::string_view kUnits = "GMK";
  u64 unit = u64{1} << 30;
  for (const char letter : kUnits) {
    if (bytes > 0 && bytes % unit == 0) return std::to_string(bytes / unit) + letter;
    unit >>= 10;
  }
  return std::to_string(bytes);
}

bool is_name(std::string_view name) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
  return !name.empty() && name.size() <= kNameBytes && name.find_first_not_of(kAllowed) == std::string_view::npos;
}

/// One `key=value`. Empty, or what may stand there.
class Field {
 public:
  Field(std::string_view key, std::string_view value) : key_(key), value_(value) {}

  template <class T>
  std::string number(u64 low, u64 high, T& out) const {
    return take(base::parse_u64(value_), low, high, std::to_string(low) + " to " + std::to_string(high), out);
  }
  template <class T>
  std::string size(u64 low, u64 high, T& out) const {
    return take(base::parse_size(value_), low, high, size_text(low) + " to " + size_text(high), out);
  }
  std::string duration(u64 high, u64& out) const {
    return take(base::parse_duration_ns(value_), 0, high, "0 to " + std::to_string(high / 1'000'000'000) + "s", out);
  }
  std::string sector(u32& out) const {
    if (value_ != "512" && value_ != "4096") return refused("512 or 4096");
    out = value_ == "512" ? 512 : 4096;
    return {};
  }
  std::string cache(DiskCache& out) const {
    for (u8 i = 0; i < std::size(kCaches); ++i) {
      if (value_ != kCaches[i]) continue;
      out = static_cast<DiskCache>(i);
      return {};
    }
    return refused("none, ordered or volatile");
  }
  std::string refused(const std::string& allowed) const {
    return std::string(key_) + "=" + std::string(value_) + ": allowed is " + allowed;
  }

 private:
  template <class Read, class T>
  std::string take(const Read& read, u64 low, u64 high, const std::string& range, T& out) const {
    if (!read.ok() || *read < low || *read > high) return refused(range);
    out = static_cast<T>(*read);
    return {};
  }
  std::string_view key_;
  std::string_view value_;
};

std::string read_field(std::string_view key, std::string_view value, DiskShape& disk) {
  const Field field(key, value);
  DiskSettings& settings = disk.settings;
  if (key == "image") {
    disk.image = value;
    return value.empty() ? field.refused("the name of a file") : std::string();
  }
  if (key == "cache") return field.cache(settings.cache);
  if (key == "latency") return field.duration(kDiskLatencyNsMax, settings.latency_ns);
  if (key == "bandwidth") return field.size(1, kDiskBytesPerSecondMax, settings.bytes_per_second);
  if (key == "queue") return field.number(1, kDiskDepthMax, settings.queue_depth);
  if (key == "channels") return field.number(1, kDiskChannelsMax, settings.channels);
  if (key == "buffer") return field.size(0, kDiskCacheBytesMax, settings.cache_bytes);
  if (key == "sector") return field.sector(disk.sector_bytes);
  if (key == "unit") return field.sector(disk.atomic_bytes);
  if (key == "node") return field.number(1, 1, disk.node);  // the world of a script has one
  const std::vector<std::string> known = {"image",    "cache",  "latency", "bandwidth", "queue",
                                          "channels", "buffer", "sector",  "unit",      "node"};
  const std::string near = nearest(std::string(key), known);
  std::string keys;
  for (const std::string& name : known) keys += (keys.empty() ? "" : ", ") + name;
  return "there is no '" + std::string(key) + "'" + (near.empty() ? "" : ", did you mean '" + near + "'?") +
         "; known are " + keys;
}

}  // namespace

std::string parse_disk(const std::string& text, DiskShape& disk) {
  const std::string flag = "--disk " + text + ": ";
  std::string_view rest = text;
  const auto word = [&rest] {
    const std::string_view taken = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(taken.size() + 1, rest.size()));
    return taken;
  };
  const std::string_view first = word();
  const auto equal = first.find('=');
  if (equal == std::string_view::npos) {
    return flag + "wanted is NAME=SIZE, for example data=16M, and behind it KEY=VALUE, with commas between them";
  }
  disk.name = first.substr(0, equal);
  if (!is_name(disk.name)) return flag + "a name has 1 to 31 letters, digits, - and _";
  const auto bytes = base::parse_size(first.substr(equal + 1));
  if (!bytes.ok() || *bytes < kUnit || *bytes > kDiskBytesMax || *bytes % kUnit != 0) {
    return flag + "a disk has 4K to 256G, a multiple of 4096 bytes";
  }
  disk.bytes = *bytes;
  while (!rest.empty()) {
    const std::string_view field = word();
    const auto at = std::min(field.find('='), field.size());
    const std::string_view value = field.substr(std::min(at + 1, field.size()));
    if (std::string wrong = read_field(field.substr(0, at), value, disk); !wrong.empty()) return flag + wrong;
  }
  return {};
}

std::string disk_text(const DiskShape& disk) {
  const DiskShape usual;
  const DiskSettings& settings = disk.settings;
  std::string text = disk.name + "=" + size_text(disk.bytes);
  const auto add = [&text](std::string_view key, const std::string& value, bool is_usual) {
    if (!is_usual) text += "," + std::string(key) + "=" + value;
  };
  add("image", disk.image, disk.image.empty());
  add("cache", std::string(kCaches[static_cast<u8>(settings.cache)]), settings.cache == usual.settings.cache);
  add("latency", std::to_string(settings.latency_ns) + "ns", settings.latency_ns == usual.settings.latency_ns);
  add("bandwidth", std::to_string(settings.bytes_per_second),
      settings.bytes_per_second == usual.settings.bytes_per_second);
  add("queue", std::to_string(settings.queue_depth), settings.queue_depth == usual.settings.queue_depth);
  add("channels", std::to_string(settings.channels), settings.channels == usual.settings.channels);
  add("buffer", size_text(settings.cache_bytes), settings.cache_bytes == usual.settings.cache_bytes);
  add("sector", std::to_string(disk.sector_bytes), disk.sector_bytes == usual.sector_bytes);
  add("unit", std::to_string(disk.atomic_bytes), disk.atomic_bytes == usual.atomic_bytes);
  return text;
}

void DiskFlags::add_to(CLI::App& app) {
  app.add_option("--disk", texts)->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

std::string DiskFlags::check() {
  disks.clear();
  for (const std::string& text : texts) {
    DiskShape disk;
    if (std::string wrong = parse_disk(text, disk); !wrong.empty()) return wrong;
    for (const DiskShape& other : disks) {
      if (other.name == disk.name) return "--disk " + text + ": there is a disk '" + disk.name + "' already";
    }
    disks.push_back(std::move(disk));
  }
  if (disks.size() > kNodeDisksMax) {
    return "--disk: a node has at most " + std::to_string(kNodeDisksMax) + " disks, not " +
           std::to_string(disks.size());
  }
  if (write_back.empty()) return {};
  if (write_back != "exit") return "--write-back " + write_back + ": allowed is exit";
  for (const DiskShape& disk : disks) {
    if (!disk.image.empty()) return {};
  }
  return "--write-back: no --disk has an image";
}

int DiskFlags::open() {
  for (DiskShape& disk : disks) {
    if (disk.image.empty()) continue;
    std::string wrong;
    disk.file = DiskImage::open(disk.image, writes_back() ? DiskImage::Use::WriteBack : DiskImage::Use::Read, wrong);
    int code = kUnreadable;
    if (disk.file != nullptr && disk.file->bytes() > disk.bytes) {
      wrong = disk.image + " has " + std::to_string(disk.file->bytes()) + " bytes, the disk only " +
              std::to_string(disk.bytes);
      code = kUsage;
    }
    if (wrong.empty()) continue;
    std::fprintf(stderr, "orrery: disk %s: %s\n", disk.name.c_str(), wrong.c_str());
    return code;
  }
  return -1;
}

std::string DiskFlags::text() const {
  std::string line;
  for (const std::string& text : texts) line += " --disk " + quote(text);
  return line;
}

int finish_disks(Machine& machine, bool writes_back) {
  std::string wrong = machine.changed_image();
  if (wrong.empty() && writes_back) wrong = machine.write_back();
  if (wrong.empty()) return -1;
  std::fprintf(stderr, "orrery: limit: host failure: %s\n", wrong.c_str());
  return kLimit;
}

}  // namespace sim::host::cli
