// fs/pipe.h — pipes: opening `new` makes one and is its first end; opening the number of that node is another end. An open
// for reading is a reader, one for writing a writer.
// Bounds      kPipeBytes in a pipe, pipes_max pipes.
// Invariants  P1 a pipe exists exactly as long as it has an end.  P2 a write of up to kPipeAtomicBytes is one piece.
// Tested by   tests/fs/pipe_test.cpp
#pragma once
#include "base/ring.h"
#include "base/tree.h"
#include "fs/server.h"

namespace fs {

constexpr u32 kPipeBytes = 64 << 10;
constexpr u32 kPipeAtomicBytes = 4096;

struct PipeOptions {
  u32 pipes_max = 1024;
  TokenKey key{};  // makes the numbers of pipes unguessable: who has one may open the other end
};

class PipeFs final : public FileSystem {
 public:
  PipeFs(base::Allocator& memory, Clock& clock, const PipeOptions& options);
  PipeFs(const PipeFs&) = delete;
  PipeFs& operator=(const PipeFs&) = delete;
  ~PipeFs();

  /// Who is told when something waiting may go on. Before the first request.
  void serve_with(Server& server) { server_ = &server; }

  Result<NodeId> root(std::string_view tree, const Caller& caller) override;
  Result<Attributes> stat(NodeId node, const Caller& caller) override;
  Result<NodeId> lookup(NodeId directory, std::string_view name, const Caller& caller) override;
  Result<void> list(OpenFile& open, u64 cookie, RecordWriter& out) override;
  Result<void> open(OpenFile& open) override;
  void close(OpenFile& open) override;
  Result<ReadReply> read(OpenFile& open, const ReadRequest& request) override;
  Result<WriteReply> write(OpenFile& open, const WriteRequest& request) override;
  u8 ready(OpenFile& open) override;

  u32 pipe_count() const { return static_cast<u32>(pipes_.size()); }

 private:
  static constexpr NodeId kRootId = 1;
  static constexpr NodeId kNewId = 2;

  struct Pipe {
    base::TreeHook by_id;
    NodeId id = 0;
    u32 uid = 0;
    u32 readers = 0;
    u32 writers = 0;
    bool had_reader = false;  // before the first one, a writer waits
    bool had_writer = false;
    i64 created_ns = 0;
    u64 written_bytes = 0;
    u64 read_bytes = 0;
    base::ByteRing ring;
    base::Vector<u8> storage;
    explicit Pipe(base::Vector<u8> bytes) : ring(bytes.span()), storage(std::move(bytes)) {}
  };
  struct IdOrder {
    static NodeId key(const Pipe& pipe) { return pipe.id; }
    static NodeId key(NodeId id) { return id; }
    bool operator()(const auto& a, const auto& b) const { return key(a) < key(b); }
  };
  Result<Pipe*> pipe_of(NodeId id) const;
  Result<Pipe*> make_pipe(const Caller& caller);
  void delete_pipe(Pipe& pipe);
  void wake(const Pipe& pipe);
  static void check_bytes(const Pipe& pipe);

  base::Allocator& memory_;
  Clock& clock_;
  PipeOptions options_;
  Server* server_ = nullptr;
  base::Tree<Pipe, &Pipe::by_id, IdOrder> pipes_;
  u64 made_ = 0;
};

}  // namespace fs
