// boot/shared/fdt.cpp — see fdt.h. One pass: the properties of a node come before its children, so a node is complete when
// the next one begins or it ends.
#include "boot/shared/fdt.h"

#include "base/bytes.h"

#include "base/enforce.h"

namespace boot {
namespace {

constexpr u32 kMagic = 0xD00DFEED;
constexpr u32 kVersion = 17;  // of the format read here; §5.2
constexpr u64 kHeaderBytes = 40;
constexpr u64 kBytesMax = u64{1} << 20;
constexpr u32 kDepthMax = 16;

enum Token : u32 { kBeginNode = 1, kEndNode = 2, kProperty = 3, kNop = 4, kEnd = 9 };

struct Node {
  std::string_view name;
  u32 address_cells = 2;  // of its children; §2.3.5
  u32 size_cells = 1;
  base::Bytes compatible;
  base::Bytes reg;
  base::Bytes interrupts;
  bool usable = true;
  bool complete = false;
};

using Code = FdtError::Code;
using Step = base::Result<void, FdtError>;

/// The text up to the terminator, or all of it.
std::string_view text_of_property(base::Bytes value) {
  const std::string_view text = base::text_of(value);
  return text.substr(0, text.find('\0'));
}

/// One or two cells, as "linux,initrd-start" and 64-bit addresses come.
u64 number_of(base::Bytes value) {
  if (value.size() == 4) return base::load_be32(value.data());
  return value.size() >= 8 ? base::load_be64(value.data()) : 0;
}

/// Whether a list of terminated texts holds `name`.
bool lists(base::Bytes texts, std::string_view name) {
  while (!texts.empty()) {
    const std::string_view first = text_of_property(texts);
    if (first == name) return true;
    texts = texts.subspan(first.size() < texts.size() ? first.size() + 1 : texts.size());
  }
  return false;
}

class Reader {
 public:
  Reader(base::Bytes blob, std::span<FdtDevice> devices) : blob_(blob), devices_(devices) {}

  Step read();
  const FdtMachine& found() const { return found_; }

 private:
  Step header();
  Step reservations();
  Step structure();
  Step property();
  void take(std::string_view name, base::Bytes value);
  Step complete(Node& node, const Node& parent);
  Step add_ranges(const Node& node, const Node& parent, Range (&ranges)[kRangesMax], u32& count);
  static bool range_at(const Node& node, const Node& parent, u64 index, Range& range);

  bool has(u64 offset, u64 bytes) const { return offset <= blob_.size() && bytes <= blob_.size() - offset; }
  u32 cell(u64 offset) const { return base::load_be32(blob_.data() + offset); }
  FdtError error(Code code) const { return {code, at_}; }
  Node& top() { return nodes_[depth_ - 1]; }
  /// Whether the node on top is /`name`.
  bool is_at(std::string_view name) const { return depth_ == 2 && nodes_[1].name == name; }

  base::Bytes blob_;
  std::span<FdtDevice> devices_;
  FdtMachine found_;
  u64 at_ = 0;
  u64 structure_end_ = 0;
  u64 strings_ = 0;
  u64 strings_end_ = 0;
  u64 reservations_ = 0;
  u32 depth_ = 0;
  Node nodes_[kDepthMax];
};

Step Reader::read() {
  TRY(header());
  TRY(reservations());
  return structure();
}

Step Reader::header() {
  if (!has(0, kHeaderBytes)) return error(Code::Size);
  if (cell(0) != kMagic) return error(Code::Magic);
  if (cell(20) < kVersion || cell(24) > kVersion) return error(Code::Version);  // ours lies in its range
  const u64 total = cell(4);
  if (total > blob_.size() || total < kHeaderBytes) return error(Code::Size);
  blob_ = blob_.first(total);
  at_ = cell(8);
  strings_ = cell(12);
  reservations_ = cell(16);
  strings_end_ = strings_ + cell(32);
  structure_end_ = at_ + cell(36);
  if (strings_end_ > total || structure_end_ > total) return error(Code::Size);
  found_.blob = {reinterpret_cast<std::uintptr_t>(blob_.data()), total};
  return {};
}

/// §5.3: pairs of (address, size), ended by zeros.
Step Reader::reservations() {
  for (u64 at = reservations_; has(at, 16); at += 16) {
    const Range range{base::load_be64(blob_.data() + at), base::load_be64(blob_.data() + at + 8)};
    if (range.base == 0 && range.bytes == 0) return {};
    if (found_.reserved_count == kRangesMax) return FdtError{Code::TooMany, at};
    found_.reserved[found_.reserved_count++] = range;
  }
  return FdtError{Code::Size, reservations_};
}

Step Reader::structure() {
  while (at_ + 4 <= structure_end_) {  // each round goes on by 4 bytes or more
    const u32 token = cell(at_);
    at_ += 4;
    if (token == kNop) continue;
    if (token == kEnd) return depth_ == 0 ? Step{} : Step{error(Code::Token)};
    if (token == kProperty) {
      if (depth_ == 0 || top().complete) return error(Code::Token);
      TRY(property());
      continue;
    }
    if (depth_ > 0 && !top().complete) {
      const Node root_parent;
      TRY(complete(top(), depth_ > 1 ? nodes_[depth_ - 2] : root_parent));
    }
    if (token == kEndNode) {
      if (depth_ == 0) return error(Code::Token);
      depth_ -= 1;
      continue;
    }
    if (token != kBeginNode) return error(Code::Token);
    if (depth_ == kDepthMax) return error(Code::Depth);
    const std::string_view name = text_of_property(blob_.subspan(at_, structure_end_ - at_));
    at_ = base::align_up(at_ + name.size() + 1, 4);
    nodes_[depth_++] = {.name = name};
  }
  return error(Code::Size);
}

Step Reader::property() {
  if (at_ + 8 > structure_end_) return error(Code::Property);
  const u64 bytes = cell(at_);
  const u64 name = strings_ + cell(at_ + 4);
  if (bytes > structure_end_ - at_ - 8 || name >= strings_end_) return error(Code::Property);
  take(text_of_property(blob_.subspan(name, strings_end_ - name)), blob_.subspan(at_ + 8, bytes));
  at_ = base::align_up(at_ + 8 + bytes, 4);
  return {};
}

void Reader::take(std::string_view name, base::Bytes value) {
  Node& node = top();
  if (name == "compatible") node.compatible = value;
  if (name == "reg") node.reg = value;
  if (name == "status")
    node.usable = text_of_property(value).starts_with("ok");  // "okay", or "ok" of old trees; §2.3.4
  if (name == "interrupts") node.interrupts = value;
  if (name == "#address-cells") node.address_cells = static_cast<u32>(number_of(value));
  if (name == "#size-cells") node.size_cells = static_cast<u32>(number_of(value));
  if (is_at("cpus") && name == "timebase-frequency") found_.timebase_hz = static_cast<u32>(number_of(value));
  if (is_at("psci") && name == "method") found_.conduit = text_of_property(value);
  if (!is_at("chosen")) return;
  if (name == "bootargs") found_.arguments = text_of_property(value);
  if (name == "linux,initrd-start") found_.initrd.base = number_of(value);
  if (name == "linux,initrd-end") found_.initrd.bytes = number_of(value);  // becomes a size when the node is complete
  if (name == "rng-seed") found_.seed = value.size() >= 8 ? number_of(value.first(8)) : 0;
}

bool Reader::range_at(const Node& node, const Node& parent, u64 index, Range& range) {
  if (parent.address_cells > 2 || parent.size_cells > 2) return false;  // no such bus has memory or a device of ours
  const u64 address_bytes = 4 * parent.address_cells;
  const u64 size_bytes = 4 * parent.size_cells;
  if (address_bytes == 0 || (index + 1) * (address_bytes + size_bytes) > node.reg.size()) return false;
  const base::Bytes pair = node.reg.subspan(index * (address_bytes + size_bytes));
  range = {number_of(pair.first(address_bytes)), number_of(pair.subspan(address_bytes, size_bytes))};
  return true;
}

Step Reader::add_ranges(const Node& node, const Node& parent, Range (&ranges)[kRangesMax], u32& count) {
  Range range;
  for (u64 i = 0; range_at(node, parent, i, range); ++i) {
    if (count == kRangesMax) return error(Code::TooMany);
    ranges[count++] = range;
  }
  return {};
}

Step Reader::complete(Node& node, const Node& parent) {
  node.complete = true;
  if (!node.usable) return {};  // another world's: secure memory, a secure serial port
  if (depth_ == 2 && (node.name == "memory" || node.name.starts_with("memory@"))) {
    TRY(add_ranges(node, parent, found_.memory, found_.memory_count));
  }
  if (depth_ == 3 && nodes_[1].name == "reserved-memory") {
    TRY(add_ranges(node, parent, found_.reserved, found_.reserved_count));
  }
  if (is_at("chosen")) {
    Range& initrd = found_.initrd;
    initrd.bytes = initrd.bytes > initrd.base ? initrd.bytes - initrd.base : 0;
  }
  for (FdtDevice& device : devices_) {
    if (device.found || !lists(node.compatible, device.compatible)) continue;
    device.found = true;
    for (u64 i = 0; i < 2; ++i) {
      if (!range_at(node, parent, i, device.windows[i])) break;
    }
    for (u64 i = 0; i < kFdtInterruptCells && 4 * (i + 1) <= node.interrupts.size(); ++i) {
      device.interrupts[i] = base::load_be32(node.interrupts.data() + 4 * i);
    }
    break;  // the next entry of that name is for the next device
  }
  return {};
}

}  // namespace

u64 fdt_bytes(const u8* blob) {
  if (base::load_be32(blob) != kMagic) return 0;
  const u64 bytes = base::load_be32(blob + 4);
  return bytes <= kBytesMax ? bytes : 0;
}

base::Result<FdtMachine, FdtError> read_fdt(base::Bytes blob, std::span<FdtDevice> devices) {
  Reader reader(blob, devices);
  TRY(reader.read());
  return reader.found();
}

}  // namespace boot
