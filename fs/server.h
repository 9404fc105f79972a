// fs/server.h — the framework of file servers: everything the protocol demands that is the same for all of them.
// Decoding and checking of messages, sessions, walking with permissions, open files with positions and holders, parking
// of requests that wait, flush, polls, tokens, and exactly one answer per request. A server author writes a FileSystem.
// Bounds      ServerOptions; a full table is an ordinary error to the caller.
// Invariants  S1 a parked request belongs to an open in use.  S2 an open has ≥ 1 holder.  S3 a badge's number is never
//             given out twice in a generation.  S4 every request is answered exactly once: by its Outcome or, when that
//             says parked, by one Gate::complete.
// Tested by   tests/fs/server_test.cpp, tests/fs/hostile_test.cpp
#pragma once
#include "base/list.h"
#include "base/string.h"
#include "base/vector.h"
#include "fs/badge.h"
#include "fs/file_system.h"
#include "fs/gate.h"
#include "fs/locks.h"
#include "fs/token.h"

namespace fs {

struct ServerOptions {
  u8 instance = 0;        // of several servers on one endpoint
  u32 generation = 1;     // counted by the supervisor
  u32 device = 0;         // what `stat` says; 0: the runtime tells services apart
  u32 opens_max = 2048;   // ≤ 4096
  u32 sessions_max = 64;  // ≤ the gate's
  u32 directories_max = 512;
  u32 parked_max = 60;  // below the number of Reply objects: the loop keeps one to receive with
  u32 polls_max = 32;
  u32 locks_max = 256;
  TokenKey key{};
};

class Server {
 public:
  Server(FileSystem& files, Gate& gate, base::Allocator& memory, const ServerOptions& options);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server();

  /// Whether a badge was made by this server. Badge 0, the unbadged endpoint, counts as its Service.
  bool owns(u64 badge) const;
  /// Serves one request. The reply message is built in `out` (kMessageBytesMax); `request.body` lies elsewhere.
  Outcome handle(const Request& request, base::MutableBytes out);

  /// What waits on this node may go on: its parked requests are tried again and its polls looked at, at the end of the
  /// request under way or by `pump`.
  void wake(NodeId node);
  /// For changes that come from outside any request (an interrupt): does what `wake` asked for.
  void pump();

  /// Makes a session for somebody already known, and the badge of its root Directory.
  Result<u64> make_session(const Identity& identity, std::string_view tree, u64 owner, u8 rights = kRightsDirectory);
  /// A session of an earlier instance, under its old number. Error InUse: the number is taken.
  Result<void> restore_session(u32 number, const Identity& identity, std::string_view tree, u64 owner);
  /// Ends every open and directory of the sessions of this owner.
  void end_sessions_of(u64 owner);
  /// Ends every open of a node (a device was unplugged): later use is `access revoked`.
  void revoke_opens_of(NodeId node);

  u32 open_count() const { return open_count_; }
  u32 parked_count() const { return static_cast<u32>(parked_.count()); }
  void check_invariants() const;

  static constexpr u8 kRightsDirectory =
      schema::file::kRightRead | schema::file::kRightWrite | schema::file::kRightWalk;

 private:
  static constexpr u32 kNone = ~u32{0};
  static constexpr u32 kSlotBits = 12;  // of an open's or handle's number; the serial lies above

  struct Session {
    bool in_use = false;
    u8 rights = kRightsDirectory;
    Caller caller;
    NodeId root = 0;
    base::String tree;
    explicit Session(base::Allocator& memory) : tree(memory) {}
  };
  /// A Directory capability in use: one got by attach, or by walk.
  struct Folder {
    u32 session = 0;
    u8 rights = 0;
    NodeId node = 0;
  };
  struct Handle {
    Folder folder;
    u64 serial = 0;    // 0: free
    u64 last_use = 0;  // the least recently used one makes room
  };
  struct Open {
    bool in_use = false;
    u32 session = 0;
    u32 holders = 0;
    u64 serial = 0;
    u64 position = 0;
    OpenFile file;
    NodeId folder = 0;  // with remove-on-close: where its name was
    base::String name;
    explicit Open(base::Allocator& memory) : name(memory) {}
  };
  struct Parked {
    enum class What : u8 { Read, Write, Lock };
    base::ListHook hook;
    What what = What::Read;
    u32 reply = 0;
    u32 open = 0;
    u32 tag = 0;
    u32 count = 0;
    u64 offset = 0;
    LockRange range;
    base::Vector<u8> data;
    explicit Parked(base::Allocator& memory) : data(memory) {}
  };
  struct Poll {
    u32 open = 0;
    u8 want = 0;
    u32 signal = 0;
  };
  /// Where a path led.
  struct Found {
    NodeId parent = 0;
    std::string_view name{};
    bool exists = false;
    Attributes node;
    Attributes parent_node;
  };
  enum class Follow : u8 { Last, NotLast };

  using DirectoryMethods = schema::file::Directory;
  using FileMethods = schema::file::File;

  // server.cpp: dispatch
  Outcome dispatch(const Request& request, base::MutableBytes out);
  Outcome dispatch_directory(const Folder& folder, const Request& request, base::MutableBytes out);
  Outcome dispatch_file(u32 open, const Request& request, base::MutableBytes out);
  template <class Method, class Target>
  Outcome run(Result<typename Method::Reply> (Server::*handler)(Target, const typename Method::Request&), Target target,
              const Request& request, base::MutableBytes out);
  Outcome failure(const Error& error, base::MutableBytes out);
  template <class Reply>
  Outcome success(const Reply& reply, base::MutableBytes out);
  Result<u32> open_of(const Badge& badge) const;
  Result<Folder> folder_of(const Badge& badge);
  Result<Folder> folder_of_cap(schema::CapIndex cap);

  // server.cpp: sessions
  Result<schema::file::Service::Attach::Reply> attach(u64 badge, const schema::file::Service::Attach::Request& request);
  u64 root_badge(u32 session) const;
  Result<u64> handle_of(const Folder& folder);
  const Caller& caller_of(u32 session) const { return sessions_[session].caller; }

  // server_directory.cpp
  Result<Found> find(const Folder& folder, std::string_view path, Follow follow);
  Result<void> check_name_change(const Folder& folder, const Found& found) const;
  Result<void> check_writable(const Folder& folder) const;
  Result<DirectoryMethods::Walk::Reply> walk(const Folder&, const DirectoryMethods::Walk::Request&);
  Result<DirectoryMethods::Open::Reply> open(const Folder&, const DirectoryMethods::Open::Request&);
  Result<DirectoryMethods::Stat::Reply> stat(const Folder&, const DirectoryMethods::Stat::Request&);
  Result<DirectoryMethods::Wstat::Reply> wstat(const Folder&, const DirectoryMethods::Wstat::Request&);
  Result<DirectoryMethods::Remove::Reply> remove(const Folder&, const DirectoryMethods::Remove::Request&);
  Result<DirectoryMethods::Rename::Reply> rename(const Folder&, const DirectoryMethods::Rename::Request&);
  Result<DirectoryMethods::Link::Reply> link(const Folder&, const DirectoryMethods::Link::Request&);
  Result<DirectoryMethods::Symlink::Reply> symlink(const Folder&, const DirectoryMethods::Symlink::Request&);
  Result<DirectoryMethods::Readlink::Reply> readlink(const Folder&, const DirectoryMethods::Readlink::Request&);
  Result<DirectoryMethods::Make::Reply> make(const Folder&, const DirectoryMethods::Make::Request&);
  Result<DirectoryMethods::Reopen::Reply> reopen(const Folder&, const DirectoryMethods::Reopen::Request&);
  Result<DirectoryMethods::Space::Reply> space(const Folder&, const DirectoryMethods::Space::Request&);
  Result<NodeId> create_in(const Folder& folder, const Found& found, Kind kind, u16 mode, u64 special,
                           std::string_view target);
  Result<u32> make_open(const Folder& folder, const Attributes& node, u16 flags);
  Result<u64> mint_open(u32 open);

  // server_file.cpp
  Result<FileMethods::Read::Reply> read(u32 open, const FileMethods::Read::Request&);
  Result<FileMethods::Write::Reply> write(u32 open, const FileMethods::Write::Request&);
  Result<FileMethods::List::Reply> list(u32 open, const FileMethods::List::Request&);
  Result<FileMethods::Seek::Reply> seek(u32 open, const FileMethods::Seek::Request&);
  Result<FileMethods::Truncate::Reply> truncate(u32 open, const FileMethods::Truncate::Request&);
  Result<FileMethods::Sync::Reply> sync(u32 open, const FileMethods::Sync::Request&);
  Result<FileMethods::Stat::Reply> stat_open(u32 open, const FileMethods::Stat::Request&);
  Result<FileMethods::Wstat::Reply> wstat_open(u32 open, const FileMethods::Wstat::Request&);
  Result<FileMethods::Lock::Reply> lock(u32 open, const FileMethods::Lock::Request&);
  Result<FileMethods::Poll::Reply> poll(u32 open, const FileMethods::Poll::Request&);
  Result<FileMethods::Flush::Reply> flush(u32 open, const FileMethods::Flush::Request&);
  Result<FileMethods::Share::Reply> share(u32 open, const FileMethods::Share::Request&);
  Result<FileMethods::Close::Reply> close(u32 open, const FileMethods::Close::Request&);
  Result<FileMethods::Punch::Reply> punch(u32 open, const FileMethods::Punch::Request&);
  struct ReadNow {
    u64 offset;
    u32 count;
    u32 tag;
  };
  Result<FileMethods::Read::Reply> read_now(Open& open, const ReadNow& what, base::MutableBytes room);
  Result<FileMethods::Write::Reply> write_now(Open& open, u64 offset, base::Bytes data);
  Result<void> park(Parked& parked, u32 open, u32 tag);
  bool must_queue(u32 open, Parked::What what) const;
  Parked& new_parked();
  void free_parked(Parked& parked);
  bool try_again(Parked& parked);
  void finish_parked(Parked& parked, const Error& error);
  void end_open(u32 open);
  void wake_polls(NodeId node);

  FileSystem& files_;
  Gate& gate_;
  base::Allocator& memory_;
  ServerOptions options_;
  base::Vector<Session> sessions_;
  base::Vector<Handle> handles_;
  base::Vector<Open> opens_;
  base::Vector<u32> free_opens_;
  base::List<Parked, &Parked::hook> parked_;
  base::Vector<Poll> polls_;
  base::Vector<NodeId> woken_;
  LockTable locks_;
  u32 open_count_ = 0;
  u64 next_serial_ = 1;
  u64 uses_ = 0;

  // The request under way.
  const Request* request_ = nullptr;
  bool parked_now_ = false;
  u64 answer_cap_ = 0;
  u16 link_consumed_ = 0;
  base::String link_target_;
  base::Vector<u8> room_;         // data of the direct answer
  base::Vector<u8> parked_room_;  // data and message of answers to parked requests
  base::Vector<u8> parked_out_;
};

}  // namespace fs
