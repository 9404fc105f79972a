// user/root/realm_tree.cpp — /realm: what a realm may use and uses, and its children. The tree begins at the realm of who looks.
// Node ids    realm id << 8 | place: 0 the realm's directory, 1… its files, kChildren the directory of its children.
#include "base/format.h"
#include "user/root/manager.h"
#include "user/root/trees.h"

#include "base/enforce.h"

namespace user::root {
namespace {

using fs::Attributes;
using fs::Caller;
using fs::Kind;
using fs::NodeId;

enum class RealmFile : u8 { Ctl, Name, Path, Procs, Quota, Status, Usage };
struct Entry {
  std::string_view name;
  RealmFile file;
  Kind kind;
  u16 mode;
};
constexpr Entry kFiles[] = {
    {"ctl", RealmFile::Ctl, Kind::Control, 0600},  {"name", RealmFile::Name, Kind::File, 0444},
    {"path", RealmFile::Path, Kind::File, 0444},   {"procs", RealmFile::Procs, Kind::File, 0444},
    {"quota", RealmFile::Quota, Kind::File, 0444}, {"status", RealmFile::Status, Kind::File, 0444},
    {"usage", RealmFile::Usage, Kind::File, 0444},
};
constexpr u32 kFileCount = std::size(kFiles);
constexpr u32 kChildren = 0x80;

constexpr u32 realm_id_of(NodeId node) { return static_cast<u32>(node >> 8); }
constexpr u32 place_of(NodeId node) { return static_cast<u32>(node & 0xFF); }
constexpr NodeId node_of(const Realm& realm, u32 place) { return u64{realm.id} << 8 | place; }

/// Realms are as deep as budgets may nest, kernel::kBudgetDepthMax: that bounds the recursion.
Realm* find_by_id(Realm& realm, u32 id) {
  if (realm.id == id) return &realm;
  for (Realm& child : realm.children) {
    if (Realm* const found = find_by_id(child, id)) return found;
  }
  return nullptr;
}

void append_limit(base::String& out, u64 limit) {
  if (limit == kNoLimit) {
    out.push('-');
  } else {
    out.append_format("{}", limit);
  }
}

void append_usage(base::String& out, std::string_view name, const Resource& resource) {
  out.append_format("{} {} {} ", name, resource.used, resource.peak);
  append_limit(out, resource.limit);
  out.append_format(" {}\n", resource.refusals);
}

}  // namespace

fs::Result<Realm*> RealmTree::realm_of(NodeId node) {
  Realm* const realm = find_by_id(manager_.root_realm(), realm_id_of(node));
  if (realm == nullptr) return fs::fail(ErrorCode::NotFound);
  return realm;
}

Realm& RealmTree::realm_of_caller(const Caller& caller) {
  const ProcessRecord* const viewer = caller.owner == 0 ? nullptr : manager_.find(static_cast<u32>(caller.owner));
  return viewer == nullptr || viewer->realm == nullptr ? manager_.root_realm() : *viewer->realm;
}

fs::Result<NodeId> RealmTree::root(std::string_view tree, const Caller& caller) {
  if (!tree.empty()) return fs::fail(ErrorCode::NotFound, tree);
  return node_of(realm_of_caller(caller), 0);
}

fs::Result<Attributes> RealmTree::stat(NodeId node, const Caller&) {
  TRY(realm_of(node));
  const u32 place = place_of(node);
  const bool is_directory = place == 0 || place == kChildren;
  if (!is_directory && place > kFileCount) return fs::fail(ErrorCode::NotFound);
  Attributes attributes{.id = node};
  attributes.kind = is_directory ? Kind::Directory : kFiles[place - 1].kind;
  attributes.mode = place == 0 ? u16{0555} : place == kChildren ? u16{0755} : kFiles[place - 1].mode;
  return attributes;
}

fs::Result<NodeId> RealmTree::lookup(NodeId directory, std::string_view name, const Caller&) {
  Realm& realm = *TRY(realm_of(directory));
  if (place_of(directory) == kChildren) {
    for (const Realm& child : realm.children) {
      if (child.name == name) return node_of(child, 0);
    }
    return fs::fail(ErrorCode::NotFound);
  }
  if (name == "child") return node_of(realm, kChildren);
  for (u32 i = 0; i < kFileCount; ++i) {
    if (kFiles[i].name == name) return node_of(realm, i + 1);
  }
  return fs::fail(ErrorCode::NotFound);
}

fs::Result<void> RealmTree::list(fs::OpenFile& open, u64 cookie, fs::RecordWriter& out) {
  Realm& realm = *TRY(realm_of(open.node));
  if (place_of(open.node) == kChildren) {
    // Children stand in the order of their ids, which only grow: a cookie is the id listed last.
    for (const Realm& child : realm.children) {
      if (child.id <= cookie) continue;
      const Attributes attributes = TRY(stat(node_of(child, 0), open.caller));
      if (!out.add(child.name.view(), attributes, child.id)) return {};
    }
    return {};
  }
  for (u64 i = cookie; i < kFileCount; ++i) {
    const Attributes attributes = TRY(stat(node_of(realm, static_cast<u32>(i + 1)), open.caller));
    if (!out.add(kFiles[i].name, attributes, i + 1)) return {};
  }
  if (cookie > kFileCount) return {};
  const Attributes attributes = TRY(stat(node_of(realm, kChildren), open.caller));
  out.add("child", attributes, kFileCount + 1);
  return {};
}

void RealmTree::close(fs::OpenFile& open) { snapshots_.forget(open); }

fs::Result<NodeId> RealmTree::create(NodeId directory, std::string_view name, const fs::NewNode& node, const Caller&) {
  Realm& parent = *TRY(realm_of(directory));
  if (place_of(directory) != kChildren || node.kind != Kind::Directory)
    return fs::fail(ErrorCode::OperationNotPermitted);
  const Realm* const made = TRY(manager_.make_realm(parent, name));
  return node_of(*made, 0);
}

fs::Result<void> RealmTree::remove(NodeId directory, std::string_view name, bool is_directory, const Caller&) {
  Realm& parent = *TRY(realm_of(directory));
  if (place_of(directory) != kChildren || !is_directory) return fs::fail(ErrorCode::OperationNotPermitted);
  for (Realm& child : parent.children) {
    if (child.name == name) return manager_.remove_realm(child);
  }
  return fs::fail(ErrorCode::NotFound);
}

fs::Result<void> RealmTree::text(Realm& realm, u32 place, base::String& out) {
  switch (kFiles[place - 1].file) {
    case RealmFile::Ctl: break;
    case RealmFile::Name:
      out.append(realm.parent == nullptr ? std::string_view("/") : realm.name.view()).push('\n');
      break;
    case RealmFile::Path:
      manager_.append_realm_path(realm, out);
      out.push('\n');
      break;
    case RealmFile::Procs:
      for (const ProcessRecord& member : realm.members) out.append_format("{}\n", member.pid);
      break;
    case RealmFile::Quota:
      out.append("memory ");
      append_limit(out, realm.memory.limit);
      if (realm.cpu_budget_ns == 0) {
        out.append("\ncpu -\nprocesses ");
      } else {
        out.append_format("\ncpu {} {}\nprocesses ", realm.cpu_budget_ns, realm.cpu_period_ns);
      }
      append_limit(out, realm.processes.limit);
      out.append("\nthreads ");
      append_limit(out, realm.threads.limit);
      out.append("\nfiles ");
      append_limit(out, realm.files_max);
      out.append("\nchannels -\nmounts ");
      append_limit(out, realm.mounts_max);
      out.push('\n');
      break;
    case RealmFile::Status: {
      const bool empty = realm.processes.used == 0;
      out.append(realm.ending ? "ending\n" : empty ? "empty\n" : realm.stopped ? "stopped\n" : "running\n");
      out.append_format("processes {}\n", realm.processes.used);
      break;
    }
    case RealmFile::Usage:
      realm.consumed_ns += take_consumed(realm.node_max);
      append_usage(out, "memory", realm.memory);
      append_usage(out, "processes", realm.processes);
      append_usage(out, "threads", realm.threads);
      out.append_format("cpu {} {} ", realm.consumed_ns, realm.consumed_ns);
      append_limit(out, realm.cpu_budget_ns == 0 ? kNoLimit : realm.cpu_budget_ns);
      out.append(" 0\n");
      break;
  }
  return {};
}

fs::Result<fs::ReadReply> RealmTree::read(fs::OpenFile& open, const fs::ReadRequest& request) {
  return snapshots_.read(memory_, open, request, [&](base::String& out) -> fs::Result<void> {
    Realm& realm = *TRY(realm_of(open.node));
    return text(realm, place_of(open.node), out);
  });
}

fs::Result<fs::WriteReply> RealmTree::write(fs::OpenFile& open, const fs::WriteRequest& request) {
  const u32 place = place_of(open.node);
  if (place == 0 || place == kChildren || kFiles[place - 1].file != RealmFile::Ctl)
    return fs::fail(ErrorCode::NotSupported);
  const fs::Result<void> done = fs::for_each_command(request.data, [&](std::string_view line) -> fs::Result<void> {
    Realm& realm = *TRY(realm_of(open.node));  // looked up for each: one may destroy it
    const bool inside = &realm == &realm_of_caller(open.caller);
    return manager_.control_realm(realm, line, inside ? Manager::Asker::Inside : Manager::Asker::Above);
  });
  if (!done.ok()) return done.take_failure();
  return fs::WriteReply{.count = static_cast<u32>(request.data.size())};
}

}  // namespace user::root
