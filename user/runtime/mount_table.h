// user/runtime/mount_table.h — the mount table as a client knows it: which entry decides about a path, and where a link
// leads. Pure functions of texts; the requests are made in namespace_client.h.
// Tested by   tests/user/mount_table_test.cpp
#pragma once
#include "base/string.h"
#include "fs/path.h"
#include "schema/process.capnp.h"
#include "user/runtime/process.h"

namespace user {

using schema::process::MemberKind;

constexpr u8 kMountReplace = 1;
constexpr u8 kMountBefore = 2;
constexpr u8 kMountAfter = 4;
constexpr u8 kMountCreate = 8;
constexpr u8 kMountReadOnly = 16;
constexpr u8 kMountNotDirectory = 32;

/// One member of one entry, as the root manager told it. Members of one path follow one another.
struct Mount {
  u32 member = 0;
  u8 flags = 0;
  MemberKind kind = MemberKind::Mounted;
  base::String path;
  base::String source;
  base::String tree;
  explicit Mount(base::Allocator& memory) : path(memory), source(memory), tree(memory) {}
};

/// The longest entry that is a prefix of a path: mounts [first, end), and what remains of the path.
struct Covered {
  u64 first = 0;
  u64 end = 0;
  std::string_view rest{};
};

/// Finds the entry that decides about `path` (absolute and normal). Error NotFound: not even "/" is mounted.
Result<Covered> find_covering(std::span<const Mount> mounts, std::string_view path);

/// The path to go on with when a server met a link: `rest` lies below `entry`, its first `consumed` names lead to the
/// link, `target` is what that says. Errors: those of fs::normalise; ProtocolError for more names than there are.
Result<void> follow_link(std::string_view entry, std::string_view rest, u32 consumed, std::string_view target,
                         base::String& out);

}  // namespace user
