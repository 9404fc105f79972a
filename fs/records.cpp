#include "fs/records.h"

#include "base/bytes.h"
#include "fs/path.h"

#include "base/enforce.h"

namespace fs {

bool RecordWriter::add(std::string_view name, const Attributes& attributes, u64 cookie) {
  ASSERT(!name.empty() && name.size() <= kNameBytesMax);
  const u32 bytes = static_cast<u32>(base::align_up(kRecordHeaderBytes + name.size(), 8));
  if (bytes > out_.size() - size_) return false;
  u8* at = out_.data() + size_;
  __builtin_memset(at, 0, bytes);
  base::store_le16(at, static_cast<u16>(bytes));
  at[2] = static_cast<u8>(attributes.kind);
  at[3] = static_cast<u8>(name.size());
  base::store_le16(at + 4, attributes.mode);
  base::store_le16(at + 6, attributes.flags);
  base::store_le64(at + 8, attributes.id);
  base::store_le64(at + 16, attributes.size);
  base::store_le64(at + 24, static_cast<u64>(attributes.modified_ns));
  base::store_le32(at + 32, attributes.uid);
  base::store_le32(at + 36, attributes.gid);
  base::store_le32(at + 40, attributes.links);
  base::store_le32(at + 44, attributes.version);
  base::store_le64(at + 48, cookie);
  __builtin_memcpy(at + kRecordHeaderBytes, name.data(), name.size());
  size_ += bytes;
  last_cookie_ = cookie;
  return true;
}

Result<Record> RecordReader::next() {
  ASSERT(!in_.empty());
  if (in_.size() < kRecordHeaderBytes) return fail(ErrorCode::ProtocolError);
  const u8* at = in_.data();
  const u32 bytes = base::load_le16(at);
  const u32 name_bytes = at[3];
  if (bytes % 8 != 0 || bytes > in_.size() || bytes < kRecordHeaderBytes + name_bytes) {
    return fail(ErrorCode::ProtocolError);
  }
  Record record{.name = base::text_of(in_.subspan(kRecordHeaderBytes, name_bytes))};
  if (!check_name(record.name).ok()) return fail(ErrorCode::ProtocolError);
  record.attributes.kind = static_cast<Kind>(at[2]);
  record.attributes.mode = base::load_le16(at + 4);
  record.attributes.flags = base::load_le16(at + 6);
  record.attributes.id = base::load_le64(at + 8);
  record.attributes.size = base::load_le64(at + 16);
  record.attributes.modified_ns = static_cast<i64>(base::load_le64(at + 24));
  record.attributes.uid = base::load_le32(at + 32);
  record.attributes.gid = base::load_le32(at + 36);
  record.attributes.links = base::load_le32(at + 40);
  record.attributes.version = base::load_le32(at + 44);
  record.cookie = base::load_le64(at + 48);
  in_ = in_.subspan(bytes);
  return record;
}

}  // namespace fs
