// user/root/env_tree.cpp — /env: the environment of the process that asks, a file for each variable.
// Node ids    pid << 32 | serial; serial 0 is the directory. A variable keeps its number as long as its process lives,
//             also while it is unset, so that a listing in the order of numbers meets every name once.
#include "user/root/manager.h"
#include "user/root/trees.h"

#include "base/enforce.h"

namespace user::root {
namespace {

using fs::Attributes;
using fs::Caller;
using fs::Kind;
using fs::NodeId;

constexpr u32 pid_of(NodeId node) { return static_cast<u32>(node >> 32); }
constexpr NodeId root_of(u32 pid) { return u64{pid} << 32; }
constexpr bool is_root(NodeId node) { return static_cast<u32>(node) == 0; }

}  // namespace

fs::Result<Environment*> EnvTree::environment_of(NodeId node) {
  ProcessRecord* const record = manager_.find(pid_of(node));
  if (record == nullptr || record->environment == nullptr) return fs::fail(ErrorCode::NotFound);
  return record->environment;
}

fs::Result<base::String*> EnvTree::value_of(NodeId node) {
  Environment* const environment = TRY(environment_of(node));
  const base::String* const name = names_.find(node);
  base::String* const value = name == nullptr ? nullptr : environment->values.find(name->view());
  if (value == nullptr) return fs::fail(ErrorCode::NotFound);
  return value;
}

NodeId EnvTree::id_of(u32 pid, std::string_view name) {
  for (u64 i = names_.lower_bound(root_of(pid)); i < names_.size() && pid_of(names_.at_index(i).key) == pid; ++i) {
    if (names_.at_index(i).value == name) return names_.at_index(i).key;
  }
  const NodeId id = root_of(pid) | ++last_serial_;
  names_.insert(id, base::String(memory_, name));
  return id;
}

void EnvTree::forget(u32 pid) {
  const u64 first = names_.lower_bound(root_of(pid));
  while (first < names_.size() && pid_of(names_.at_index(first).key) == pid) names_.erase(names_.at_index(first).key);
}

fs::Result<NodeId> EnvTree::root(std::string_view tree, const Caller& caller) {
  if (!tree.empty() || caller.owner == 0) return fs::fail(ErrorCode::NotFound, tree);
  return root_of(static_cast<u32>(caller.owner));
}

fs::Result<Attributes> EnvTree::stat(NodeId node, const Caller& caller) {
  Attributes attributes{.id = node, .uid = caller.identity.uid, .gid = caller.identity.gid};
  if (is_root(node)) {
    TRY(environment_of(node));
    attributes.kind = Kind::Directory;
    attributes.mode = 0755;
    return attributes;
  }
  const base::String* const value = TRY(value_of(node));
  attributes.mode = 0644;
  attributes.size = value->size();
  return attributes;
}

fs::Result<NodeId> EnvTree::lookup(NodeId directory, std::string_view name, const Caller&) {
  const Environment* const environment = TRY(environment_of(directory));
  if (environment->values.find(name) == nullptr) return fs::fail(ErrorCode::NotFound);
  return id_of(pid_of(directory), name);
}

fs::Result<void> EnvTree::list(fs::OpenFile& open, u64 cookie, fs::RecordWriter& out) {
  const u32 pid = pid_of(open.node);
  const Environment* const environment = TRY(environment_of(open.node));
  for (const auto& entry : environment->values) static_cast<void>(id_of(pid, entry.key.view()));
  const NodeId from = root_of(pid) | (cookie + 1);
  for (u64 i = names_.lower_bound(from); i < names_.size() && pid_of(names_.at_index(i).key) == pid; ++i) {
    const auto& [id, name] = names_.at_index(i);
    const fs::Result<Attributes> attributes = stat(id, open.caller);
    if (!attributes.ok()) continue;  // unset by now
    if (!out.add(name.view(), *attributes, static_cast<u32>(id))) return {};
  }
  return {};
}

fs::Result<fs::ReadReply> EnvTree::read(fs::OpenFile& open, const fs::ReadRequest& request) {
  const std::string_view value = TRY(value_of(open.node))->view();
  if (request.offset_bytes >= value.size()) return fs::ReadReply{};
  return fs::ReadReply{.data = base::bytes_of(value.substr(request.offset_bytes, request.room.size()))};
}

/// The value becomes its first `keep` bytes (more: zero bytes are added) and then `data`, and what follows it stays.
fs::Result<void> EnvTree::put(NodeId node, u64 keep, base::Bytes data, bool cut) {
  Environment* const environment = TRY(environment_of(node));
  const base::String* const old = TRY(value_of(node));
  if (keep > kEnvironmentBytesMax || data.size() > kEnvironmentBytesMax) return fs::fail(ErrorCode::NoSpaceLeft);
  base::String value(memory_, old->view().substr(0, keep));
  while (value.size() < keep) value.push('\0');
  value.append(base::text_of(data));
  if (!cut && value.size() < old->size()) value.append(old->view().substr(value.size()));
  return manager_.set_env(*environment, names_.find(node)->view(), 0, base::bytes_of(value.view()), false);
}

fs::Result<fs::WriteReply> EnvTree::write(fs::OpenFile& open, const fs::WriteRequest& request) {
  const u64 at = request.append ? TRY(value_of(open.node))->size() : request.offset_bytes;
  TRY(put(open.node, at, request.data, false));
  return fs::WriteReply{.count = static_cast<u32>(request.data.size()), .end_offset = at + request.data.size()};
}

fs::Result<void> EnvTree::truncate(NodeId node, u64 size) { return put(node, size, {}, true); }

fs::Result<NodeId> EnvTree::create(NodeId directory, std::string_view name, const fs::NewNode& node, const Caller&) {
  if (node.kind != Kind::File) return fs::fail(ErrorCode::NotSupported);
  Environment* const environment = TRY(environment_of(directory));
  TRY(manager_.set_env(*environment, name, 0, {}, false));
  return id_of(pid_of(directory), name);
}

fs::Result<void> EnvTree::remove(NodeId directory, std::string_view name, bool is_directory, const Caller&) {
  if (is_directory) return fs::fail(ErrorCode::NotADirectory);
  Environment* const environment = TRY(environment_of(directory));
  return manager_.set_env(*environment, name, 0, {}, true);
}

}  // namespace user::root
