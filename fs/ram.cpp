// fs/ram.cpp — nodes, entries and names of the file system in memory. Data: fs/ram_data.cpp.
#include "fs/ram.h"

#include "base/enforce.h"

namespace fs {

RamFs::RamFs(base::Allocator& memory, Clock& clock, const RamOptions& options)
    : memory_(memory),
      clock_(clock),
      pages_max_(options.bytes_max / kPageBytes),
      nodes_max_(options.nodes_max),
      read_only_(options.read_only),
      label_(options.label) {
  ASSERT(nodes_max_ >= 1);
  Node* root = MUST(
      new_node({.kind = Kind::Directory, .mode = options.root_mode, .uid = options.root_uid, .gid = options.root_gid}));
  ASSERT(root->facts.id == kRootId);
  root->facts.links = 2;
}

RamFs::~RamFs() {
  for (Node& node : nodes_) {
    node.names.clear();
    while (Entry* entry = node.order.pop_first()) delete_entry(*entry);
  }
  while (Node* node = nodes_.first()) {
    node->opens = 0;
    delete_node(*node);
  }
}

Result<NodeId> RamFs::root(std::string_view tree, const Caller&) {
  if (!tree.empty() && tree != "/") return fail(ErrorCode::NotFound, tree);
  return kRootId;
}

Result<RamFs::Node*> RamFs::node_of(NodeId id) const {
  Node* node = nodes_.find(id);
  if (node == nullptr) return fail(ErrorCode::NotFound);
  return node;
}

Result<Attributes> RamFs::stat(NodeId id, const Caller&) {
  const Node* node = TRY(node_of(id));
  return node->facts;
}

Result<NodeId> RamFs::lookup(NodeId directory, std::string_view name, const Caller&) {
  const Node* node = TRY(node_of(directory));
  const Entry* entry = node->names.find(name);
  if (entry == nullptr) return fail(ErrorCode::NotFound);
  return entry->node->facts.id;
}

Result<void> RamFs::list(OpenFile& open, u64 cookie, RecordWriter& out) {
  const Node* node = TRY(node_of(open.node));
  for (const Entry* entry = node->order.lower_bound(cookie + 1); entry != nullptr; entry = node->order.next(*entry)) {
    if (!out.add(entry->name.view(), entry->node->facts, entry->cookie)) break;
  }
  return {};
}

Result<void> RamFs::open(OpenFile& open) {
  Node* node = TRY(node_of(open.node));
  node->opens += 1;
  return {};
}

void RamFs::close(OpenFile& open) {
  Node* node = MUST(node_of(open.node));
  ASSERT(node->opens > 0);
  node->opens -= 1;
  delete_if_unused(*node);
}

// ── Nodes and entries ────────────────────────────────────────────────────────────────────────────────────────

Result<RamFs::Node*> RamFs::new_node(const NewNode& request) {
  if (nodes_.size() >= nodes_max_) return fail(ErrorCode::NoSpaceLeft);
  void* place = memory_.try_allocate(sizeof(Node), alignof(Node));
  if (place == nullptr) return fail(ErrorCode::NoSpaceLeft);
  Node* node = new (place) Node(memory_);
  const i64 now = clock_.wall_ns();
  node->facts = {.id = next_id_++,
                 .size = request.target.size(),
                 .special = request.special,
                 .modified_ns = now,
                 .accessed_ns = now,
                 .changed_ns = now,
                 .created_ns = now,
                 .version = 1,
                 .uid = request.uid,
                 .gid = request.gid,
                 .links = 0,
                 .kind = request.kind,
                 .mode = request.mode};
  node->target.assign(request.target);
  const bool inserted = nodes_.insert(*node);
  ASSERT(inserted);  // R1
  return node;
}

Result<RamFs::Entry*> RamFs::new_entry(std::string_view name) {
  void* place = memory_.try_allocate(sizeof(Entry), alignof(Entry));
  if (place == nullptr) return fail(ErrorCode::NoSpaceLeft);
  return new (place) Entry(memory_, name);
}

/// Gives `node` a name in `directory`. The name is free; links and parents are counted here.
void RamFs::insert_entry(Node& directory, Entry& entry, Node& node) {
  entry.node = &node;
  entry.cookie = directory.next_cookie++;
  const bool named = directory.names.insert(entry);
  const bool ordered = directory.order.insert(entry);
  ASSERT(named && ordered);  // R5
  if (node.facts.kind == Kind::Directory) {
    ASSERT(node.parent == nullptr);
    node.parent = &directory;
    node.facts.links = 2;
    for (const Entry& child : node.order) {
      if (child.node->facts.kind == Kind::Directory) node.facts.links += 1;
    }
    directory.facts.links += 1;
  } else {
    node.facts.links += 1;
  }
  touch_content(directory);
}

void RamFs::remove_entry(Node& directory, Entry& entry) {
  Node& node = *entry.node;
  directory.names.remove(entry);
  directory.order.remove(entry);
  delete_entry(entry);
  if (node.facts.kind == Kind::Directory) {
    ASSERT(node.parent == &directory && directory.facts.links > 2);
    node.parent = nullptr;
    node.facts.links = 0;
    directory.facts.links -= 1;
  } else {
    ASSERT(node.facts.links > 0);
    node.facts.links -= 1;
  }
  touch_content(directory);
}

void RamFs::delete_entry(Entry& entry) {
  entry.~Entry();
  memory_.release(&entry, sizeof(Entry));
}

void RamFs::delete_if_unused(Node& node) {
  if (node.facts.links == 0 && node.opens == 0) delete_node(node);  // R3
}

void RamFs::delete_node(Node& node) {
  ASSERT(node.names.empty() && node.opens == 0);
  delete_pages_from(node, 0, ~u64{0});
  nodes_.remove(node);
  node.~Node();
  memory_.release(&node, sizeof(Node));
}

void RamFs::touch_content(Node& node) {
  node.facts.version += 1;
  if (node.facts.version == 0) node.facts.version = 1;  // 0 would say "generated"
  node.facts.modified_ns = clock_.wall_ns();
  node.facts.changed_ns = node.facts.modified_ns;
}

bool RamFs::is_inside(const Node& directory, const Node& ancestor) {
  u64 rounds = 0;
  for (const Node* at = &directory; at != nullptr; at = at->parent) {
    if (at == &ancestor) return true;
    ASSERT(++rounds < (u64{1} << 32));
  }
  return false;
}

// ── Names ────────────────────────────────────────────────────────────────────────────────────────────────────

Result<NodeId> RamFs::create(NodeId directory_id, std::string_view name, const NewNode& request, const Caller&) {
  Node* directory = TRY(node_of(directory_id));
  if (directory->facts.links == 0) return fail(ErrorCode::NotFound);  // removed, but still open
  if (directory->names.find(name) != nullptr) return fail(ErrorCode::AlreadyExists);
  if (request.kind == Kind::Directory && directory->facts.links >= kLinksMax) return fail(ErrorCode::LinkLimit);
  Node* node = TRY(new_node(request));
  const Result<Entry*> entry = new_entry(name);
  if (!entry.ok()) {
    delete_node(*node);
    return entry.take_failure();
  }
  insert_entry(*directory, **entry, *node);
  return node->facts.id;
}

Result<void> RamFs::remove(NodeId directory_id, std::string_view name, bool is_directory, const Caller&) {
  Node* directory = TRY(node_of(directory_id));
  Entry* entry = directory->names.find(name);
  if (entry == nullptr) return fail(ErrorCode::NotFound);
  Node& node = *entry->node;
  if (is_directory != (node.facts.kind == Kind::Directory)) {
    return fail(is_directory ? ErrorCode::NotADirectory : ErrorCode::IsADirectory);
  }
  if (!node.names.empty()) return fail(ErrorCode::DirectoryNotEmpty);
  remove_entry(*directory, *entry);
  node.facts.changed_ns = clock_.wall_ns();
  delete_if_unused(node);
  return {};
}

/// Whether `moved` may take the place of what `target` names: file for file, directory for empty directory.
Result<void> RamFs::check_replace(const Node& moved, const Entry* target) const {
  if (target == nullptr) return {};
  const bool moves_directory = moved.facts.kind == Kind::Directory;
  const bool replaces_directory = target->node->facts.kind == Kind::Directory;
  if (moves_directory && !replaces_directory) return fail(ErrorCode::NotADirectory);
  if (!moves_directory && replaces_directory) return fail(ErrorCode::IsADirectory);
  if (!target->node->names.empty()) return fail(ErrorCode::DirectoryNotEmpty);
  return {};
}

Result<void> RamFs::rename(const Place& from, const Place& to, u8 flags, const Caller&) {
  if ((flags & kRenameWhiteout) != 0) return fail(ErrorCode::NotSupported);
  Node* from_directory = TRY(node_of(from.directory));
  Node* to_directory = TRY(node_of(to.directory));
  Entry* source = from_directory->names.find(from.name);
  if (source == nullptr || to_directory->facts.links == 0) return fail(ErrorCode::NotFound);
  Node& moved = *source->node;
  if (is_inside(*to_directory, moved)) return fail(ErrorCode::InsideItself);
  Entry* target = to_directory->names.find(to.name);
  if (target != nullptr && target->node == &moved) return {};  // two names of one file, or the same name
  if ((flags & kRenameExchange) != 0) {
    if (target == nullptr) return fail(ErrorCode::NotFound);
    Node& other = *target->node;
    if (is_inside(*from_directory, other)) return fail(ErrorCode::InsideItself);
    Entry* at_source = TRY(new_entry(from.name));
    const Result<Entry*> at_target = new_entry(to.name);
    if (!at_target.ok()) {
      delete_entry(*at_source);
      return at_target.take_failure();
    }
    // ── point of no return ──
    remove_entry(*from_directory, *source);
    remove_entry(*to_directory, *target);
    insert_entry(*from_directory, *at_source, other);
    insert_entry(*to_directory, **at_target, moved);
    return {};
  }
  TRY(check_replace(moved, target));
  Entry* entry = TRY(new_entry(to.name));
  // ── point of no return ──
  if (target != nullptr) {
    Node& replaced = *target->node;
    remove_entry(*to_directory, *target);
    delete_if_unused(replaced);
  }
  remove_entry(*from_directory, *source);
  insert_entry(*to_directory, *entry, moved);
  moved.facts.changed_ns = clock_.wall_ns();
  return {};
}

Result<void> RamFs::link(NodeId id, const Place& to, const Caller&) {
  Node* node = TRY(node_of(id));
  Node* directory = TRY(node_of(to.directory));
  if (directory->facts.links == 0) return fail(ErrorCode::NotFound);
  if (node->facts.kind == Kind::Directory) return fail(ErrorCode::OperationNotPermitted);
  if (directory->names.find(to.name) != nullptr) return fail(ErrorCode::AlreadyExists);
  if (node->facts.links >= kLinksMax) return fail(ErrorCode::LinkLimit);
  Entry* entry = TRY(new_entry(to.name));
  insert_entry(*directory, *entry, *node);
  node->facts.changed_ns = clock_.wall_ns();
  return {};
}

Result<std::string_view> RamFs::read_link(NodeId id, const Caller&) {
  const Node* node = TRY(node_of(id));
  if (node->facts.kind != Kind::Link) return fail(ErrorCode::BadArgument);
  return node->target.view();
}

Result<void> RamFs::change(NodeId id, const Change& change, const Caller&) {
  Node* node = TRY(node_of(id));
  Attributes& facts = node->facts;
  const i64 now = clock_.wall_ns();
  if ((change.mask & kChangeMode) != 0) facts.mode = change.mode & kModeMask;
  if ((change.mask & kChangeUid) != 0) facts.uid = change.uid;
  if ((change.mask & kChangeGid) != 0) facts.gid = change.gid;
  if ((change.mask & kChangeModified) != 0) facts.modified_ns = change.modified;
  if ((change.mask & kChangeAccessed) != 0) facts.accessed_ns = change.accessed;
  if ((change.mask & kChangeFlags) != 0) facts.flags = change.flags;
  if ((change.mask & kChangeTimesNow) != 0) facts.modified_ns = facts.accessed_ns = now;
  facts.changed_ns = now;
  return {};
}

Result<Space> RamFs::space() {
  return Space{.block_bytes = kPageBytes,
               .read_only = read_only_,
               .total = pages_max_,
               .free = pages_max_ - pages_used_,
               .files = nodes_max_,
               .files_free = nodes_max_ - nodes_.size(),
               .label = label_};
}

void RamFs::check_invariants() const {
  u64 pages = 0;
  for (const Node& node : nodes_) {
    node.names.check_invariants();
    node.order.check_invariants();
    node.pages.check_invariants();
    pages += node.pages.size();
    ASSERT(node.names.size() == node.order.size());
    ASSERT(node.facts.allocated == node.pages.size() * kPageBytes);
    if (node.facts.links == 0) ASSERT(node.opens > 0);  // R3
    u32 links = node.facts.kind == Kind::Directory && (node.parent != nullptr || node.facts.id == kRootId) ? 2 : 0;
    for (const Entry& entry : node.order) {
      ASSERT(entry.cookie < node.next_cookie);  // R5
      if (entry.node->facts.kind == Kind::Directory) {
        ASSERT(entry.node->parent == &node);
        links += 1;
      }
    }
    if (node.facts.kind == Kind::Directory) ASSERT(node.facts.links == links);  // R2
    for (const Page& page : node.pages) ASSERT(page.index * kPageBytes < node.facts.size);
  }
  ASSERT(pages == pages_used_);  // R4
  nodes_.check_invariants();
}

}  // namespace fs
