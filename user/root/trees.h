// user/root/trees.h — the file trees that the root manager serves itself, on its own endpoint: /proc, /realm and /env.
#pragma once
#include "fs/server.h"
#include "fs/text_tree.h"
#include "user/root/records.h"

namespace user::root {

class Manager;

constexpr u8 kInstanceProc = 1;
constexpr u8 kInstanceRealm = 2;
constexpr u8 kInstanceEnv = 3;
constexpr u8 kInstanceNowhere = 4;

/// The framework's kernel calls, made by the manager.
class ManagerGate final : public fs::Gate {
 public:
  ManagerGate(Manager& manager, base::Allocator& memory) : manager_(manager), sessions_(memory) {}
  fs::Result<void> open_session(u32 session) override;
  void close_session(u32 session) override;
  fs::Result<u64> mint(u32 session, u64 badge) override;
  fs::Result<fs::Identity> identify(const fs::Request& request) override;
  fs::Result<u32> keep_signal() override;
  void signal(u32 kept) override;
  void drop_signal(u32 kept) override;
  void complete(u32 reply, u64 label, base::Bytes message) override;
  void work(u64 units) override;

 private:
  Manager& manager_;
  base::Vector<u32> sessions_;  // slot of each session's copy of the endpoint
};

/// /proc: a directory for each process, and meminfo. `self` is a tree of its own: the directory of the process that asks.
/// A session with an owner shows what that process may know of.
class ProcTree final : public fs::FileSystem {
 public:
  ProcTree(Manager& manager, base::Allocator& memory) : manager_(manager), memory_(memory), snapshots_(memory) {}

  fs::Result<fs::NodeId> root(std::string_view tree, const fs::Caller& caller) override;
  fs::Result<fs::Attributes> stat(fs::NodeId node, const fs::Caller& caller) override;
  fs::Result<fs::NodeId> lookup(fs::NodeId directory, std::string_view name, const fs::Caller& caller) override;
  fs::Result<void> list(fs::OpenFile& open, u64 cookie, fs::RecordWriter& out) override;
  void close(fs::OpenFile& open) override;
  fs::Result<fs::ReadReply> read(fs::OpenFile& open, const fs::ReadRequest& request) override;
  fs::Result<fs::WriteReply> write(fs::OpenFile& open, const fs::WriteRequest& request) override;

  static fs::NodeId wait_node(u32 pid);

 private:
  ProcessRecord* find(u32 pid, const fs::Caller& caller);
  fs::Result<void> text(fs::NodeId node, base::String& out);
  fs::Result<void> status(ProcessRecord& record, base::String& out);
  fs::Result<void> control(ProcessRecord& record, std::string_view line, const fs::Caller& caller);
  fs::Result<void> ended_child(ProcessRecord& record, base::String& out);
  void load(base::String& out);
  void descriptors(const ProcessRecord& record, base::String& out);
  void capabilities(const ProcessRecord& record, base::String& out);
  void maps(const ProcessRecord& record, base::String& out);
  void registers(const ProcessRecord& record, base::String& out);

  Manager& manager_;
  base::Allocator& memory_;
  fs::Snapshots snapshots_;
};

/// /realm: the files of the root realm, and of all below it in `child/NAME`; in a session with an owner, of its realm.
class RealmTree final : public fs::FileSystem {
 public:
  RealmTree(Manager& manager, base::Allocator& memory) : manager_(manager), memory_(memory), snapshots_(memory) {}

  fs::Result<fs::NodeId> root(std::string_view tree, const fs::Caller& caller) override;
  fs::Result<fs::Attributes> stat(fs::NodeId node, const fs::Caller& caller) override;
  fs::Result<fs::NodeId> lookup(fs::NodeId directory, std::string_view name, const fs::Caller& caller) override;
  fs::Result<void> list(fs::OpenFile& open, u64 cookie, fs::RecordWriter& out) override;
  void close(fs::OpenFile& open) override;
  fs::Result<fs::NodeId> create(fs::NodeId directory, std::string_view name, const fs::NewNode& node,
                                const fs::Caller& caller) override;
  fs::Result<void> remove(fs::NodeId directory, std::string_view name, bool is_directory,
                          const fs::Caller& caller) override;
  fs::Result<fs::ReadReply> read(fs::OpenFile& open, const fs::ReadRequest& request) override;
  fs::Result<fs::WriteReply> write(fs::OpenFile& open, const fs::WriteRequest& request) override;

 private:
  fs::Result<Realm*> realm_of(fs::NodeId node);
  Realm& realm_of_caller(const fs::Caller& caller);
  fs::Result<void> text(Realm& realm, u32 place, base::String& out);

  Manager& manager_;
  base::Allocator& memory_;
  fs::Snapshots snapshots_;
};

/// /env: the variables of the process whose session it is.
class EnvTree final : public fs::FileSystem {
 public:
  EnvTree(Manager& manager, base::Allocator& memory) : manager_(manager), memory_(memory), names_(memory) {}

  fs::Result<fs::NodeId> root(std::string_view tree, const fs::Caller& caller) override;
  fs::Result<fs::Attributes> stat(fs::NodeId node, const fs::Caller& caller) override;
  fs::Result<fs::NodeId> lookup(fs::NodeId directory, std::string_view name, const fs::Caller& caller) override;
  fs::Result<void> list(fs::OpenFile& open, u64 cookie, fs::RecordWriter& out) override;
  fs::Result<fs::ReadReply> read(fs::OpenFile& open, const fs::ReadRequest& request) override;
  fs::Result<fs::WriteReply> write(fs::OpenFile& open, const fs::WriteRequest& request) override;
  fs::Result<void> truncate(fs::NodeId node, u64 size) override;
  fs::Result<fs::NodeId> create(fs::NodeId directory, std::string_view name, const fs::NewNode& node,
                                const fs::Caller& caller) override;
  fs::Result<void> remove(fs::NodeId directory, std::string_view name, bool is_directory,
                          const fs::Caller& caller) override;
  /// The process has ended: its names are forgotten.
  void forget(u32 pid);

 private:
  fs::Result<Environment*> environment_of(fs::NodeId node);
  fs::Result<base::String*> value_of(fs::NodeId node);
  fs::NodeId id_of(u32 pid, std::string_view name);
  fs::Result<void> put(fs::NodeId node, u64 keep, base::Bytes data, bool cut);

  Manager& manager_;
  base::Allocator& memory_;
  base::SortedMap<fs::NodeId, base::String> names_;
  u32 last_serial_ = 0;
};

/// What processes in a child realm attach to instead: a directory to be mounted, which nobody looks into.
class Nowhere final : public fs::FileSystem {
 public:
  fs::Result<fs::NodeId> root(std::string_view tree, const fs::Caller& caller) override;
  fs::Result<fs::Attributes> stat(fs::NodeId node, const fs::Caller& caller) override;
  fs::Result<fs::NodeId> lookup(fs::NodeId directory, std::string_view name, const fs::Caller& caller) override;
};

/// Routes requests with the framework's badges to the trees.
class Trees {
 public:
  Trees(Manager& manager, base::Allocator& memory);
  fs::Outcome handle(const fs::Request& request, base::MutableBytes out);
  /// The badge of the /proc directory of one process.
  fs::Result<u64> self_root(const ProcessRecord& record);
  /// The badge of its /env.
  fs::Result<u64> env_root(const ProcessRecord& record);
  /// The badge of the root of a tree as one process may see it.
  fs::Result<u64> view_root(const ProcessRecord& record, u8 instance, u8 rights);
  void process_gone(u32 pid);
  /// Who waits for the end of a child of this process, in its file `wait`, looks again.
  void child_ended(u32 pid);

 private:
  bool in_proc_ = false;  // a request on /proc is under way
  ManagerGate proc_gate_;
  ProcTree proc_;
  fs::Server proc_server_;
  ManagerGate realm_gate_;
  RealmTree realm_;
  fs::Server realm_server_;
  ManagerGate env_gate_;
  EnvTree env_;
  fs::Server env_server_;
  ManagerGate nowhere_gate_;
  Nowhere nowhere_;
  fs::Server nowhere_server_;
};

}  // namespace user::root
