// user/runtime/namespace_client.h — the client's half of names: a copy of the process's mount table, which entry and which
// member of a union a path leads to, symbolic links, and requests to Directories by path.
// Bounds      kLinksMax links per path; kSlotDirectories… slots for Directory capabilities, least recently used out first.
#pragma once
#include "base/string.h"
#include "base/vector.h"
#include "fs/path.h"
#include "user/runtime/call.h"
#include "user/runtime/layout.h"
#include "user/runtime/mount_table.h"

namespace user {

class Names {
 public:
  explicit Names(base::Allocator& memory);

  /// The mount table as of now.
  Result<std::span<const Mount>> mounts();
  /// Slot of a member's Directory. It stays there until 32 others were asked for.
  Result<u32> directory_of(u32 member);
  /// Slot of the root Directory of a published service, attached with an empty tree.
  Result<u32> directory_of_service(std::string_view name);

  /// What a request by path is to find, beside what it names.
  enum class Want : u8 { Existing, Create };
  struct Target {
    u32 slot = 0;  // of the member's Directory
    u32 member = 0;
    MemberKind kind = MemberKind::Mounted;
    std::string_view rest{};  // into the path given
    std::string_view entry{};
  };
  /// Chooses the member that decides about `path`, which is absolute and normal.
  Result<Target> choose(std::string_view path, Want want);

  /// Asks for `path` (absolute and normal): `make(rest)` gives the request to the Directory that decides, links on the
  /// way are followed, and what may be repeated is repeated after a restart of the server. `receive_slot` takes the
  /// capability of the answer, 0: there is none. The answer's views are good until the next system call. `path` becomes
  /// what was asked for in the end.
  template <class Method, class Make>
  Result<typename Method::Reply> ask(base::String& path, Want want, u32 receive_slot, const Make& make) {
    u32 restarts = 0;
    for (u32 links = 0;;) {
      const Target target = TRY(choose(path.view(), want));
      last_member_ = target.member;
      if (target.kind == MemberKind::Descriptors) return fs::fail(ErrorCode::NotSupported);
      if (receive_slot != 0) sys::set_receive_slot(kSlotCNode, receive_slot, kSlotDepth);
      const auto request = make(target.rest);
      const Result<typename Method::Reply> reply = call<Method>(target.slot, request);
      if (reply.ok()) return reply;
      if (reply.error() == ErrorCode::Link) {
        if (++links > fs::kLinksPerPathMax) return fs::fail(ErrorCode::TooManyLinks);
        TRY(go_on_at_link(target, path));
        continue;
      }
      if (!(reply.error() == ErrorCode::ServerRestarted) || !may_repeat(request) || ++restarts > kRepeatsMax)
        return reply;
      TRY(refresh(target.member));
    }
  }
  /// The member that answered the last `ask`.
  u32 last_member() const { return last_member_; }

  /// Walks to the directory that holds the last name of `path`, by the member that decides about the whole path; its
  /// capability comes to `receive_slot`. Error InUse: the path is a mount point.
  Result<void> walk_to_parent(base::String& path, Want want, u32 receive_slot);

  void forget_directories();
  static void remove_slot(u32 slot);

 private:
  static constexpr u32 kRepeatsMax = 3;
  static constexpr u32 kServiceMember = 0x8000'0000;  // the manager's numbers stay below
  struct Cached {
    u32 member = 0;  // 0: the slot is empty
    u64 last_use = 0;
  };

  template <class Request>
  static bool may_repeat(const Request& request) {
    if constexpr (std::is_same_v<Request, schema::file::Directory::Open::Request>) {
      constexpr u16 kMakesDirectory = schema::file::kOpenCreate | schema::file::kOpenDirectory;
      return (request.flags & schema::file::kOpenExclusive) == 0 &&
             (request.flags & kMakesDirectory) != kMakesDirectory;
    } else {
      return std::is_same_v<Request, schema::file::Directory::Walk::Request> ||
             std::is_same_v<Request, schema::file::Directory::Stat::Request> ||
             std::is_same_v<Request, schema::file::Directory::Wstat::Request> ||
             std::is_same_v<Request, schema::file::Directory::Readlink::Request> ||
             std::is_same_v<Request, schema::file::Directory::Space::Request>;
    }
  }
  Result<void> fetch();
  Result<void> go_on_at_link(const Target& target, base::String& path);
  Result<void> refresh(u32 member);
  Result<u32> slot_for(u32 member, bool* is_new);

  base::Allocator& memory_;
  base::Vector<Mount> mounts_;
  u64 version_ = ~u64{0};
  Cached cached_[kSlotDirectoriesEnd - kSlotDirectories];
  base::Vector<base::String> services_;
  u64 uses_ = 0;
  u32 last_member_ = 0;
  u32 refreshing_ = 0;
};

}  // namespace user
