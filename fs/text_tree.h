// fs/text_tree.h — a tree of generated files: text that is made when it is read, control files that take command lines,
// links. A server author derives from it and says what the text of a node is and what a command does.
// Rules       T1 a read at offset 0 takes a new snapshot, later offsets continue it.  T4 a control file takes one or more
//             lines per write; the first bad one ends the write with its error, earlier ones stand; '#' starts a comment.
// Bounds      kControlBytesMax per write; one snapshot per open.
// Tested by   tests/fs/text_tree_test.cpp
#pragma once
#include "base/map.h"
#include "base/string.h"
#include "base/vector.h"
#include "fs/file_system.h"

namespace fs {

constexpr u32 kControlBytesMax = 4096;

/// Calls `run(line)` for each command line of a write: without the newline, blanks around it, and comments. Errors:
/// BadArgument (too long), and the first one of `run`.
template <class Run>
Result<void> for_each_command(base::Bytes data, const Run& run) {
  if (data.size() > kControlBytesMax) return fail(ErrorCode::BadArgument);
  std::string_view rest = base::text_of(data);
  while (!rest.empty()) {
    const auto end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
    while (!line.empty() && (line.front() == ' ' || line.front() == '\t')) line.remove_prefix(1);
    while (!line.empty() && (line.back() == ' ' || line.back() == '\t')) line.remove_suffix(1);
    if (line.empty() || line.front() == '#') continue;
    TRY(run(line));
  }
  return {};
}

/// Takes the first word off a line; blanks separate.
std::string_view take_word(std::string_view& line);

/// The texts that reads continue, by open.
class Snapshots {
 public:
  explicit Snapshots(base::Allocator& memory) : texts_(memory) {}
  /// The part of the open's snapshot that a read asks for; `make(text)` fills a new one at offset 0.
  template <class Make>
  Result<ReadReply> read(base::Allocator& memory, const OpenFile& open, const ReadRequest& request, const Make& make) {
    if (request.offset_bytes == 0 || !texts_.contains(open.number)) {
      base::String text(memory);
      TRY(make(text));
      texts_.put(open.number, std::move(text));
    }
    const std::string_view text = texts_.find(open.number)->view();
    if (request.offset_bytes >= text.size()) return ReadReply{};
    return ReadReply{.data = base::bytes_of(text.substr(request.offset_bytes, request.room.size()))};
  }
  void forget(const OpenFile& open) { texts_.erase(open.number); }

 private:
  base::SortedMap<u64, base::String> texts_;
};

class TextTree : public FileSystem {
 public:
  TextTree(base::Allocator& memory, u16 root_mode);

  Result<NodeId> root(std::string_view tree, const Caller& caller) override;
  Result<Attributes> stat(NodeId node, const Caller& caller) override;
  Result<NodeId> lookup(NodeId directory, std::string_view name, const Caller& caller) override;
  Result<void> list(OpenFile& open, u64 cookie, RecordWriter& out) override;
  void close(OpenFile& open) override;
  Result<ReadReply> read(OpenFile& open, const ReadRequest& request) override;
  Result<WriteReply> write(OpenFile& open, const WriteRequest& request) override;
  Result<std::string_view> read_link(NodeId node, const Caller& caller) override;

 protected:
  static constexpr NodeId kRootId = 1;

  /// Adds a node below a directory; `name` and `target` live as long as the tree. The name is new there.
  NodeId add(NodeId directory, std::string_view name, Kind kind, u16 mode, std::string_view target = {});
  /// The whole text of a node, as of now.
  virtual Result<void> text(NodeId node, const Caller& caller, base::String& out) = 0;
  /// One command line written to a node. Errors: UnknownControl with the line's first word, BadArgument…
  virtual Result<void> command(NodeId node, const Caller& caller, std::string_view line) = 0;

  ~TextTree() = default;

  base::Allocator& memory_;

 private:
  struct Node {
    NodeId directory = 0;
    std::string_view name;
    std::string_view target;
    Kind kind = Kind::Control;
    u16 mode = 0;
  };
  Result<const Node*> node_of(NodeId id) const;

  base::Vector<Node> nodes_;  // id − 1 is the place
  Snapshots snapshots_;
};

}  // namespace fs
