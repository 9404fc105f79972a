#include "fs/file_system.h"

#include "base/enforce.h"

namespace fs {

Result<void> FileSystem::list(OpenFile&, u64, RecordWriter&) { return fail(ErrorCode::NotADirectory); }
Result<void> FileSystem::open(OpenFile&) { return {}; }
void FileSystem::close(OpenFile&) {}
Result<ReadReply> FileSystem::read(OpenFile&, const ReadRequest&) { return fail(ErrorCode::NotSupported); }
Result<WriteReply> FileSystem::write(OpenFile&, const WriteRequest&) { return fail(ErrorCode::NotSupported); }
Result<void> FileSystem::truncate(NodeId, u64) { return fail(ErrorCode::NotSupported); }
Result<void> FileSystem::punch(OpenFile&, u64, u64) { return fail(ErrorCode::NotSupported); }
Result<void> FileSystem::sync(OpenFile&) { return {}; }
Result<u64> FileSystem::seek(OpenFile& open, u64 offset, bool hole) {
  const Attributes node = TRY(stat(open.node, open.caller));
  if (offset >= node.size) return fail(ErrorCode::BadArgument);
  return hole ? node.size : offset;
}
u8 FileSystem::ready(OpenFile&) { return kReadyRead | kReadyWrite; }
Result<NodeId> FileSystem::create(NodeId, std::string_view, const NewNode&, const Caller&) {
  return fail(ErrorCode::NotSupported);
}
Result<void> FileSystem::remove(NodeId, std::string_view, bool, const Caller&) { return fail(ErrorCode::NotSupported); }
Result<void> FileSystem::rename(const Place&, const Place&, u8, const Caller&) { return fail(ErrorCode::NotSupported); }
Result<void> FileSystem::link(NodeId, const Place&, const Caller&) { return fail(ErrorCode::NotSupported); }
Result<std::string_view> FileSystem::read_link(NodeId, const Caller&) { return fail(ErrorCode::BadArgument); }
Result<void> FileSystem::change(NodeId, const Change&, const Caller&) { return fail(ErrorCode::OperationNotPermitted); }
Result<Space> FileSystem::space() { return Space{}; }

}  // namespace fs
