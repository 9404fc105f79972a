#include "fs/pipe.h"

#include "base/check.h"
#include "base/parse.h"
#include "base/planted.h"
#include "base/points.h"

#include "base/enforce.h"

namespace fs {

PipeFs::PipeFs(base::Allocator& memory, Clock& clock, const PipeOptions& options)
    : memory_(memory), clock_(clock), options_(options) {}

PipeFs::~PipeFs() {
  while (Pipe* pipe = pipes_.first()) delete_pipe(*pipe);
}

Result<NodeId> PipeFs::root(std::string_view tree, const Caller&) {
  if (!tree.empty()) return fail(ErrorCode::NotFound, tree);
  return kRootId;
}

Result<PipeFs::Pipe*> PipeFs::pipe_of(NodeId id) const {
  Pipe* pipe = pipes_.find(id);
  if (pipe == nullptr) return fail(ErrorCode::NotFound);
  return pipe;
}

Result<Attributes> PipeFs::stat(NodeId node, const Caller&) {
  if (node == kRootId) return Attributes{.id = kRootId, .links = 2, .kind = Kind::Directory, .mode = 0555};
  if (node == kNewId) return Attributes{.id = kNewId, .kind = Kind::Fifo, .mode = 0666};
  const Pipe* pipe = TRY(pipe_of(node));
  return Attributes{.id = node,
                    .size = pipe->ring.size(),
                    .modified_ns = pipe->created_ns,
                    .accessed_ns = pipe->created_ns,
                    .changed_ns = pipe->created_ns,
                    .created_ns = pipe->created_ns,
                    .uid = pipe->uid,
                    .kind = Kind::Fifo,
                    .mode = 0600};
}

Result<NodeId> PipeFs::lookup(NodeId, std::string_view name, const Caller&) {
  if (name == "new") return kNewId;
  const auto number = base::parse_u64(name);
  if (!number.ok()) return fail(ErrorCode::NotFound);
  return TRY(pipe_of(*number))->id;
}

/// Pipes are not listed: their numbers are what opens them.
Result<void> PipeFs::list(OpenFile& open, u64 cookie, RecordWriter& out) {
  if (cookie != 0) return {};
  const Attributes facts = TRY(stat(kNewId, open.caller));
  const bool added = out.add("new", facts, 1);
  MAYBE(added);  // the caller's room may be too small
  return {};
}

Result<PipeFs::Pipe*> PipeFs::make_pipe(const Caller& caller) {
  if (pipes_.size() >= options_.pipes_max) return fail(ErrorCode::TooManyOpenFiles, "too many pipes");
  base::Vector<u8> storage(memory_);
  if (!storage.try_reserve(kPipeBytes)) return fail(ErrorCode::OutOfMemory);
  storage.resize(kPipeBytes);
  void* place = memory_.try_allocate(sizeof(Pipe), alignof(Pipe));
  if (place == nullptr) return fail(ErrorCode::OutOfMemory);
  Pipe* pipe = new (place) Pipe(std::move(storage));
  do {
    made_ += 1;
    u8 counter[8];
    base::store_le64(counter, made_);
    pipe->id = siphash(options_.key, counter) >> 1;  // decimal numbers of 63 bits
  } while (pipe->id <= kNewId || !pipes_.insert(*pipe));
  pipe->uid = caller.identity.uid;
  pipe->created_ns = clock_.wall_ns();
  return pipe;
}

Result<void> PipeFs::open(OpenFile& open) {
  if (open.node == kRootId) return {};
  Pipe* pipe = open.node == kNewId ? TRY(make_pipe(open.caller)) : TRY(pipe_of(open.node));
  open.node = pipe->id;
  if (open.can_read()) {
    pipe->readers += 1;
    pipe->had_reader = true;
  }
  if (open.can_write()) {
    pipe->writers += 1;
    pipe->had_writer = true;
  }
  // An open with neither right is an end too, of no use to anybody.
  wake(*pipe);
  return {};
}

void PipeFs::close(OpenFile& open) {
  if (open.node == kRootId) return;
  Pipe* pipe = MUST(pipe_of(open.node));
  if (open.can_read()) pipe->readers -= 1;
  if (open.can_write()) pipe->writers -= 1;
  if (open.can_write() && pipe->writers == 0 && pipe->readers != 0 && pipe->ring.empty())
    MARK("pipe.closed-when-empty");
  if (open.can_read() && pipe->readers == 0 && pipe->writers != 0) MARK("pipe.closed-under-writer");
  const bool is_end = open.can_write() && pipe->writers == 0 && pipe->ring.empty();
  if (!PLANTED("pipe.close-race") || !is_end) wake(*pipe);
  if (pipe->readers != 0 || pipe->writers != 0) return;
  delete_pipe(*pipe);  // P1
}

void PipeFs::delete_pipe(Pipe& pipe) {
  pipes_.remove(pipe);
  pipe.~Pipe();
  memory_.release(&pipe, sizeof(Pipe));
}

void PipeFs::check_bytes(const Pipe& pipe) {
  ALWAYS("pipe.bytes", pipe.written_bytes == pipe.read_bytes + pipe.ring.size(), pipe.written_bytes);
}

void PipeFs::wake(const Pipe& pipe) {
  ASSERT(server_ != nullptr);
  server_->wake(pipe.id);
}

Result<ReadReply> PipeFs::read(OpenFile& open, const ReadRequest& request) {
  Pipe* pipe = TRY(pipe_of(open.node));
  if (pipe->ring.empty() && !request.room.empty()) {
    if (pipe->writers == 0 && pipe->had_writer) return ReadReply{};  // end of file
    return fail(ErrorCode::WouldBlock);
  }
  const bool in_parts = request.room.size() > 1 && NUDGE("pipe.read-part");
  const u64 count = pipe->ring.pop(in_parts ? request.room.first(1) : request.room);
  pipe->read_bytes += count;
  check_bytes(*pipe);
  if (count != 0) wake(*pipe);
  return ReadReply{.data = request.room.first(count)};
}

Result<WriteReply> PipeFs::write(OpenFile& open, const WriteRequest& request) {
  Pipe* pipe = TRY(pipe_of(open.node));
  if (pipe->readers == 0 && pipe->had_reader) return fail(ErrorCode::BrokenPipe);
  const u64 needed =
      PLANTED("pipe.write-overcounted") ? 1 : std::min<u64>(request.data.size(), kPipeAtomicBytes);  // P2
  if (pipe->readers == 0 || pipe->ring.free() < needed) return fail(ErrorCode::WouldBlock);
  const u64 count = pipe->ring.push(request.data);
  pipe->written_bytes += count;
  check_bytes(*pipe);
  if (count != 0) wake(*pipe);
  if (PLANTED("pipe.write-overcounted")) return WriteReply{.count = static_cast<u32>(request.data.size())};
  return WriteReply{.count = static_cast<u32>(count)};
}

u8 PipeFs::ready(OpenFile& open) {
  const Pipe* pipe = pipes_.find(open.node);
  if (pipe == nullptr) return kReadyRead;
  u8 ready = 0;
  if (open.can_read()) {
    if (!pipe->ring.empty()) ready |= kReadyRead;
    if (pipe->writers == 0 && pipe->had_writer) ready |= kReadyRead | kReadyHungUp;
  }
  if (open.can_write()) {
    if (pipe->ring.free() >= kPipeAtomicBytes) ready |= kReadyWrite;
    if (pipe->readers == 0 && pipe->had_reader) ready |= kReadyWrite | kReadyHungUp;
  }
  return ready;
}

}  // namespace fs
