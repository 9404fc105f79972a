// fs/file_system.h — what the author of a file server writes: a tree of nodes and what can be done to them. Handlers
// return answers; they never reply, park, walk paths, decode messages or check permissions: the framework (fs/server.h)
// does all that once. A handler that cannot answer yet returns WouldBlock and calls `Server::wake` when it may.
#pragma once
#include "fs/records.h"
#include "fs/types.h"

namespace fs {

/// One open as the author sees it. `cookie` is the author's own word, for instance a snapshot or an end of a pipe.
struct OpenFile {
  NodeId node = 0;
  u64 number = 0;  // of this open, never used twice in a generation
  u64 cookie = 0;
  u16 flags = 0;  // schema::file::kOpen*
  Kind kind = Kind::File;
  Caller caller;

  bool can_read() const { return (flags & schema::file::kOpenRead) != 0; }
  bool can_write() const { return (flags & schema::file::kOpenWrite) != 0; }
};

struct ReadRequest {
  u64 offset_bytes = 0;     // for streams without meaning
  base::MutableBytes room;  // what may be filled; `data` of the reply may lie here or in the server's own memory
  u32 tag = 0;              // of the thread that asks, as it says itself
};
struct ReadReply {
  base::Bytes data{};  // ≤ room.size(); empty is end of file
};

struct WriteRequest {
  u64 offset_bytes = 0;
  base::Bytes data;
  bool append = false;  // then the offset is ignored: the data goes behind the end, in one piece
};
struct WriteReply {
  u32 count = 0;
  u64 end_offset = 0;  // where the written data ends
  u64 change = 0;      // number of this change, 0: the server keeps none
};

struct NewNode {
  Kind kind = Kind::File;
  u16 mode = 0;
  u32 uid = 0;
  u32 gid = 0;
  u64 special = 0;
  std::string_view target{};  // of a link
};

constexpr u8 kRenameNoReplace = 1;
constexpr u8 kRenameExchange = 2;
constexpr u8 kRenameWhiteout = 4;

constexpr u8 kReadyRead = 1;
constexpr u8 kReadyWrite = 2;
constexpr u8 kReadyHungUp = 4;

/// Names and nodes come checked: `directory` is a directory the caller may search (and write, where the call changes
/// it), `name` is a legal name, an offset plus a count does not wrap.
class FileSystem {
 public:
  /// The node a session begins at. Error NotFound: there is no such tree.
  virtual Result<NodeId> root(std::string_view tree, const Caller& caller) = 0;
  /// The facts of a node. Error NotFound: it is gone.
  virtual Result<Attributes> stat(NodeId node, const Caller& caller) = 0;
  virtual Result<NodeId> lookup(NodeId directory, std::string_view name, const Caller& caller) = 0;
  /// Records of a directory from `cookie` on, as many as fit.
  virtual Result<void> list(OpenFile& open, u64 cookie, RecordWriter& out);

  /// A new open, all permissions checked; it may set the cookie, and put another node in place of one that clones. The
  /// node exists until the matching `close`.
  virtual Result<void> open(OpenFile& open);
  virtual void close(OpenFile& open);
  virtual Result<ReadReply> read(OpenFile& open, const ReadRequest& request);
  virtual Result<WriteReply> write(OpenFile& open, const WriteRequest& request);
  virtual Result<void> truncate(NodeId node, u64 size);
  virtual Result<void> punch(OpenFile& open, u64 offset, u64 bytes);
  virtual Result<void> sync(OpenFile& open);
  /// The next data (or hole) at or behind `offset`. Error BadArgument: there is none.
  virtual Result<u64> seek(OpenFile& open, u64 offset, bool hole);
  /// Which of kReady* hold now.
  virtual u8 ready(OpenFile& open);

  virtual Result<NodeId> create(NodeId directory, std::string_view name, const NewNode& node, const Caller& caller);
  virtual Result<void> remove(NodeId directory, std::string_view name, bool is_directory, const Caller& caller);
  struct Place {
    NodeId directory = 0;
    std::string_view name{};
  };
  virtual Result<void> rename(const Place& from, const Place& to, u8 flags, const Caller& caller);
  virtual Result<void> link(NodeId node, const Place& to, const Caller& caller);
  /// The target of a link node; the text lives until the next call.
  virtual Result<std::string_view> read_link(NodeId node, const Caller& caller);
  virtual Result<void> change(NodeId node, const Change& change, const Caller& caller);
  virtual Result<Space> space();
  /// True: nothing can be created, removed or changed by name here.
  virtual bool is_read_only() const { return false; }

 protected:
  ~FileSystem() = default;
};

}  // namespace fs
