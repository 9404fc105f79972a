// fs/ram.h — a file system in memory: /tmp, the boot image's root, private mounts. Everything the protocol knows but
// extended attributes; holes are not stored.
// Bounds      RamOptions: bytes of data and nodes; memory that the allocator refuses is `no space left` too.
// Invariants  R1 a node is in the id tree exactly once.  R2 links = entries that name it (directories: 2 + subdirectories
//             while linked).  R3 a node without links lives exactly as long as an open holds it.  R4 pages_used counts the
//             pages of all nodes.  R5 an entry's cookie is unique in its directory and never used again.
// Tested by   tests/fs/ram_test.cpp (model: maps of paths), tests/fs/ustar_fill_test.cpp
#pragma once
#include "base/string.h"
#include "base/tree.h"
#include "base/ustar.h"
#include "fs/file_system.h"

namespace fs {

struct RamOptions {
  u64 bytes_max = 64 << 20;
  u64 nodes_max = 65536;
  u16 root_mode = 0755;
  u32 root_uid = 0;
  u32 root_gid = 0;
  bool read_only = false;
  std::string_view label = "ramfs";  // lives as long as the file system
};

class RamFs final : public FileSystem {
 public:
  RamFs(base::Allocator& memory, Clock& clock, const RamOptions& options);
  RamFs(const RamFs&) = delete;
  RamFs& operator=(const RamFs&) = delete;
  ~RamFs();

  /// Adds the members of a ustar archive below the root; directories that are missing are made. File data is copied.
  /// Errors: DataCorrupted (detail says where), and those of creating files.
  Result<void> fill(base::Bytes archive);

  Result<NodeId> root(std::string_view tree, const Caller& caller) override;
  Result<Attributes> stat(NodeId node, const Caller& caller) override;
  Result<NodeId> lookup(NodeId directory, std::string_view name, const Caller& caller) override;
  Result<void> list(OpenFile& open, u64 cookie, RecordWriter& out) override;
  Result<void> open(OpenFile& open) override;
  void close(OpenFile& open) override;
  Result<ReadReply> read(OpenFile& open, const ReadRequest& request) override;
  Result<WriteReply> write(OpenFile& open, const WriteRequest& request) override;
  Result<void> truncate(NodeId node, u64 size) override;
  Result<void> punch(OpenFile& open, u64 offset, u64 bytes) override;
  Result<u64> seek(OpenFile& open, u64 offset, bool hole) override;
  Result<NodeId> create(NodeId directory, std::string_view name, const NewNode& node, const Caller& caller) override;
  Result<void> remove(NodeId directory, std::string_view name, bool is_directory, const Caller& caller) override;
  Result<void> rename(const Place& from, const Place& to, u8 flags, const Caller& caller) override;
  Result<void> link(NodeId node, const Place& to, const Caller& caller) override;
  Result<std::string_view> read_link(NodeId node, const Caller& caller) override;
  Result<void> change(NodeId node, const Change& change, const Caller& caller) override;
  Result<Space> space() override;
  bool is_read_only() const override { return read_only_; }

  /// R1 to R5; O(nodes + entries + pages).
  void check_invariants() const;

 private:
  static constexpr u32 kPageBytes = 4096;
  static constexpr NodeId kRootId = 1;
  static constexpr u32 kLinksMax = 65000;

  struct Node;
  struct Page {
    base::TreeHook hook;
    u64 index = 0;
    u8 data[kPageBytes];
  };
  struct PageOrder {
    bool operator()(const Page& a, const Page& b) const { return a.index < b.index; }
    bool operator()(const Page& a, u64 b) const { return a.index < b; }
    bool operator()(u64 a, const Page& b) const { return a < b.index; }
  };
  struct Entry {
    base::TreeHook by_name;
    base::TreeHook by_cookie;
    Node* node = nullptr;
    u64 cookie = 0;
    base::String name;
    Entry(base::Allocator& memory, std::string_view text) : name(memory, text) {}
  };
  struct NameOrder {
    static std::string_view key(const Entry& entry) { return entry.name.view(); }
    static std::string_view key(std::string_view name) { return name; }
    bool operator()(const auto& a, const auto& b) const { return key(a) < key(b); }
  };
  struct CookieOrder {
    static u64 key(const Entry& entry) { return entry.cookie; }
    static u64 key(u64 cookie) { return cookie; }
    bool operator()(const auto& a, const auto& b) const { return key(a) < key(b); }
  };
  struct Node {
    base::TreeHook by_id;
    Attributes facts;
    u32 opens = 0;
    Node* parent = nullptr;  // of a directory that has a name
    base::Tree<Entry, &Entry::by_name, NameOrder> names;
    base::Tree<Entry, &Entry::by_cookie, CookieOrder> order;
    u64 next_cookie = 1;
    base::Tree<Page, &Page::hook, PageOrder> pages;
    base::String target;
    explicit Node(base::Allocator& memory) : target(memory) {}
  };
  struct IdOrder {
    static NodeId key(const Node& node) { return node.facts.id; }
    static NodeId key(NodeId id) { return id; }
    bool operator()(const auto& a, const auto& b) const { return key(a) < key(b); }
  };

  Result<Node*> node_of(NodeId id) const;
  Result<Node*> new_node(const NewNode& request);
  Result<Entry*> new_entry(std::string_view name);
  void insert_entry(Node& directory, Entry& entry, Node& node);
  void remove_entry(Node& directory, Entry& entry);
  void delete_entry(Entry& entry);
  void delete_if_unused(Node& node);
  void delete_node(Node& node);
  Result<Page*> page_for_write(Node& node, u64 index);
  void delete_pages_from(Node& node, u64 first, u64 end);
  void set_size(Node& node, u64 size);
  void zero_range(Node& node, u64 from, u64 to);
  void touch_content(Node& node);
  static bool is_inside(const Node& directory, const Node& ancestor);
  Result<void> check_replace(const Node& moved, const Entry* target) const;
  Result<Node*> directory_for(std::string_view path);
  Result<void> fill_member(const base::UstarEntry& member);

  base::Allocator& memory_;
  Clock& clock_;
  u64 pages_max_;
  u64 nodes_max_;
  bool read_only_;
  std::string_view label_;
  base::Tree<Node, &Node::by_id, IdOrder> nodes_;
  NodeId next_id_ = kRootId;
  u64 pages_used_ = 0;
};

}  // namespace fs
