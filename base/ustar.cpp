// base/ustar.cpp — see ustar.h.
#include "base/ustar.h"

#include <algorithm>

#include "base/bytes.h"

#include "base/enforce.h"

namespace base {
namespace {

using Code = UstarError::Code;
constexpr u64 kBlockBytes = 512;

/// A field of the header block: POSIX.1-2017, pax, table "ustar Header Block".
struct Field {
  u64 offset;
  u64 length;
};
constexpr Field kName{0, 100};
constexpr Field kMode{100, 8};
constexpr Field kUserId{108, 8};
constexpr Field kGroupId{116, 8};
constexpr Field kSize{124, 12};
constexpr Field kModified{136, 12};
constexpr Field kChecksum{148, 8};
constexpr Field kType{156, 1};
constexpr Field kLinkName{157, 100};
constexpr Field kMagic{257, 6};
constexpr Field kVersion{263, 2};
constexpr Field kPrefix{345, 155};
static_assert(kPrefix.length + 1 + kName.length <= UstarEntry::kNameMax);

std::string_view raw(Bytes block, Field field) { return text_of(block.subspan(field.offset, field.length)); }

/// Up to the first NUL, or the whole field: a name that fills it has no terminator.
std::string_view text(Bytes block, Field field) {
  const std::string_view whole = raw(block, field);
  return whole.substr(0, std::min<u64>(whole.find('\0'), whole.size()));
}

/// Octal digits after optional spaces, ended by a space, a NUL or the field.
std::optional<u64> octal(Bytes block, Field field) {
  const std::string_view whole = raw(block, field);
  u64 at = 0;
  while (at < whole.size() && whole[at] == ' ') at += 1;
  const u64 start = at;
  u64 value = 0;
  for (; at < whole.size() && whole[at] >= '0' && whole[at] <= '7'; ++at) {
    value = value * 8 + static_cast<u64>(whole[at] - '0');  // ≤ 12 digits, 36 bits
  }
  if (at == start) return std::nullopt;
  for (; at < whole.size(); ++at) {
    if (whole[at] != ' ' && whole[at] != '\0') return std::nullopt;
  }
  return value;
}

Result<u64, UstarError> number(Bytes block, u64 block_offset, Field field) {
  const std::optional<u64> value = octal(block, field);
  if (!value) return UstarError{Code::BadNumber, block_offset + field.offset};
  return *value;
}

/// The sum of all bytes, those of the checksum field taken as spaces.
u64 checksum_of(Bytes block) {
  u64 sum = 0;
  for (u64 i = 0; i < kBlockBytes; ++i) {
    const bool in_field = i >= kChecksum.offset && i < kChecksum.offset + kChecksum.length;
    sum += in_field ? u8{' '} : block[i];
  }
  return sum;
}

bool is_zero(Bytes block) {
  return std::all_of(block.begin(), block.end(), [](u8 byte) { return byte == 0; });
}

std::optional<UstarType> type_of(char flag) {
  switch (flag) {
    case '\0':
    case '0':
    case '7': return UstarType::Regular;  // 7: contiguous, read as regular
    case '1': return UstarType::HardLink;
    case '2': return UstarType::SymbolicLink;
    case '3': return UstarType::CharacterDevice;
    case '4': return UstarType::BlockDevice;
    case '5': return UstarType::Directory;
    case '6': return UstarType::Fifo;
    default: return std::nullopt;
  }
}

void join_name(UstarEntry& entry, std::string_view prefix, std::string_view name) {
  const auto append = [&entry](std::string_view part) {
    ASSERT(part.size() <= UstarEntry::kNameMax - entry.name_length);
    std::copy(part.begin(), part.end(), entry.name_bytes + entry.name_length);
    entry.name_length += static_cast<u32>(part.size());
  };
  append(prefix);
  if (!prefix.empty()) append("/");
  append(name);
}

Result<UstarEntry, UstarError> parse_header(Bytes block, u64 block_offset) {
  const auto error_at = [block_offset](Code code, Field field) {
    return UstarError{code, block_offset + field.offset};
  };
  if (raw(block, kMagic) != std::string_view("ustar\0", 6)) return error_at(Code::BadMagic, kMagic);
  if (raw(block, kVersion) != "00") return error_at(Code::BadMagic, kVersion);
  const u64 checksum = TRY(number(block, block_offset, kChecksum));
  if (checksum != checksum_of(block)) return error_at(Code::BadChecksum, kChecksum);
  const std::optional<UstarType> type = type_of(raw(block, kType)[0]);
  if (!type) return error_at(Code::UnsupportedType, kType);
  if (text(block, kName).empty()) return error_at(Code::EmptyName, kName);

  UstarEntry entry;
  entry.type = *type;
  entry.header_offset = block_offset;
  entry.mode = static_cast<u32>(TRY(number(block, block_offset, kMode))) & 07777u;
  entry.user_id = static_cast<u32>(TRY(number(block, block_offset, kUserId)));
  entry.group_id = static_cast<u32>(TRY(number(block, block_offset, kGroupId)));
  entry.modified_s = TRY(number(block, block_offset, kModified));
  entry.link_name = text(block, kLinkName);
  join_name(entry, text(block, kPrefix), text(block, kName));
  return entry;
}

}  // namespace

Result<std::optional<UstarEntry>, UstarError> UstarReader::next() {
  if (finished_) return std::optional<UstarEntry>{};
  if (archive_.size() - offset_ < kBlockBytes) return UstarError{Code::Truncated, offset_};
  const Bytes block = archive_.subspan(offset_, kBlockBytes);
  if (is_zero(block)) {
    const Bytes rest = archive_.subspan(offset_ + kBlockBytes);
    if (rest.size() < kBlockBytes) return UstarError{Code::Truncated, offset_ + kBlockBytes};
    if (!is_zero(rest.first(kBlockBytes))) return UstarError{Code::Trailing, offset_ + kBlockBytes};
    finished_ = true;
    return std::optional<UstarEntry>{};
  }
  UstarEntry entry = TRY(parse_header(block, offset_));
  const u64 size = TRY(number(block, offset_, kSize));
  const u64 data_start = offset_ + kBlockBytes;
  if (size != 0) {
    if (entry.type != UstarType::Regular) return UstarError{Code::BadNumber, offset_ + kSize.offset};
    if (align_up(size, kBlockBytes) > archive_.size() - data_start) return UstarError{Code::Truncated, data_start};
    entry.data = archive_.subspan(data_start, size);
  }
  offset_ = data_start + align_up(size, kBlockBytes);
  ASSERT(offset_ <= archive_.size());
  return std::optional<UstarEntry>{entry};
}

std::string_view describe(Code code) {
  switch (code) {
    case Code::Truncated: return "the archive ends too early";
    case Code::BadMagic: return "this is not a ustar header";
    case Code::BadChecksum: return "the header checksum does not match";
    case Code::BadNumber: return "a number in the header is not valid";
    case Code::UnsupportedType: return "the member has a type that is not supported";
    case Code::EmptyName: return "the member has no name";
    case Code::Trailing: return "data follows a single zero block";
  }
  UNREACHABLE("a ustar error has one of seven codes");
}

}  // namespace base
