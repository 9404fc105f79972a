#include "fs/text_tree.h"

#include "base/enforce.h"

namespace fs {

std::string_view take_word(std::string_view& line) {
  while (!line.empty() && (line.front() == ' ' || line.front() == '\t')) line.remove_prefix(1);
  u64 end = 0;
  while (end < line.size() && line[end] != ' ' && line[end] != '\t') end += 1;
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(end);
  while (!line.empty() && (line.front() == ' ' || line.front() == '\t')) line.remove_prefix(1);
  return word;
}

TextTree::TextTree(base::Allocator& memory, u16 root_mode) : memory_(memory), nodes_(memory), snapshots_(memory) {
  nodes_.push_back({.kind = Kind::Directory, .mode = root_mode});
}

NodeId TextTree::add(NodeId directory, std::string_view name, Kind kind, u16 mode, std::string_view target) {
  ASSERT(directory >= 1 && directory <= nodes_.size() && nodes_[directory - 1].kind == Kind::Directory);
  ASSERT(!lookup(directory, name, Caller{}).ok());
  nodes_.push_back({.directory = directory, .name = name, .target = target, .kind = kind, .mode = mode});
  return nodes_.size();
}

Result<const TextTree::Node*> TextTree::node_of(NodeId id) const {
  if (id == 0 || id > nodes_.size()) return fail(ErrorCode::NotFound);
  return &nodes_[id - 1];
}

Result<NodeId> TextTree::root(std::string_view tree, const Caller&) {
  if (!tree.empty()) return fail(ErrorCode::NotFound, tree);
  return kRootId;
}

Result<Attributes> TextTree::stat(NodeId id, const Caller&) {
  const Node* node = TRY(node_of(id));
  return Attributes{.id = id,
                    .size = node->target.size(),
                    .links = node->kind == Kind::Directory ? 2u : 1u,
                    .kind = node->kind,
                    .mode = node->mode};
}

Result<NodeId> TextTree::lookup(NodeId directory, std::string_view name, const Caller&) {
  for (u64 i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].directory == directory && nodes_[i].name == name) return i + 1;
  }
  return fail(ErrorCode::NotFound);
}

/// Nodes are never removed: a node's id is its cookie.
Result<void> TextTree::list(OpenFile& open, u64 cookie, RecordWriter& out) {
  for (u64 i = cookie; i < nodes_.size(); ++i) {
    if (nodes_[i].directory != open.node) continue;
    const Attributes facts = MUST(stat(i + 1, open.caller));
    if (!out.add(nodes_[i].name, facts, i + 1)) break;
  }
  return {};
}

void TextTree::close(OpenFile& open) { snapshots_.forget(open); }

Result<ReadReply> TextTree::read(OpenFile& open, const ReadRequest& request) {
  return snapshots_.read(memory_, open, request, [&](base::String& out) { return text(open.node, open.caller, out); });
}

Result<WriteReply> TextTree::write(OpenFile& open, const WriteRequest& request) {
  TRY(for_each_command(request.data, [&](std::string_view line) { return command(open.node, open.caller, line); }));
  return WriteReply{.count = static_cast<u32>(request.data.size()),
                    .end_offset = request.offset_bytes + request.data.size()};
}

Result<std::string_view> TextTree::read_link(NodeId id, const Caller&) {
  const Node* node = TRY(node_of(id));
  if (node->kind != Kind::Link) return fail(ErrorCode::BadArgument);
  return node->target;
}

}  // namespace fs
