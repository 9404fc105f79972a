// fs/types.h — the words of the file protocol as the servers and the runtime use them: who asks, what a node is, and
// the bounds of one message.
#pragma once
#include "base/types.h"
#include "fs/error.h"
#include "schema/file.capnp.h"

namespace fs {

using schema::file::Kind;

/// Names a file within one tree; never used twice by one tree. 0 is no node.
using NodeId = u64;

constexpr u32 kInlineBytesMax = 4096;  // data in one message
constexpr u32 kPathBytesMax = 4095;    // of names in one message
constexpr u32 kNameBytesMax = 255;
constexpr u32 kLinksPerPathMax = 16;
constexpr u32 kGroupsMax = 16;

// Mode bits.
constexpr u16 kModeSetUid = 04000;
constexpr u16 kModeSetGid = 02000;
constexpr u16 kModeSticky = 01000;
constexpr u16 kModeMask = 07777;

/// The user a session acts for.
struct Identity {
  u32 uid = 0;
  u32 gid = 0;
  u32 quota = 0;
  u32 group_count = 0;
  u32 groups[kGroupsMax] = {};

  bool is_member(u32 group) const {
    if (group == gid) return true;
    for (u32 i = 0; i < group_count; ++i) {
      if (groups[i] == group) return true;
    }
    return false;
  }
  friend bool operator==(const Identity&, const Identity&) = default;
};

/// Who asks: the identity bound to the session, and the embedder's own word for it (the root manager: the process).
struct Caller {
  Identity identity;
  u64 owner = 0;
};

/// The facts of one node, as `stat` answers them. Times are wall nanoseconds since 1970.
struct Attributes {
  NodeId id = 0;
  u64 size = 0;
  u64 allocated = 0;
  u64 special = 0;
  i64 modified_ns = 0;
  i64 accessed_ns = 0;
  i64 changed_ns = 0;
  i64 created_ns = 0;
  u32 version = 0;  // grows with each change of content; 0: generated, never cache
  u32 uid = 0;
  u32 gid = 0;
  u32 links = 1;
  u32 device = 0;
  Kind kind = Kind::File;
  u16 mode = 0;
  u16 flags = 0;
  bool has_names = false;  // a file that also has names below it; who may read it may walk to them
};

/// What `wstat` changes: bits of `mask`.
using schema::file::Change;
constexpr u16 kChangeMode = 1;
constexpr u16 kChangeUid = 2;
constexpr u16 kChangeGid = 4;
constexpr u16 kChangeModified = 8;
constexpr u16 kChangeAccessed = 16;
constexpr u16 kChangeFlags = 32;
constexpr u16 kChangeTimesNow = 64;
constexpr u16 kChangeAll = 127;

/// Room of a file system, in blocks.
using schema::file::Space;

/// Wall time, ns since 1970, for the times of files. Implemented by whoever has a clock.
struct Clock {
  virtual i64 wall_ns() = 0;

 protected:
  ~Clock() = default;
};

}  // namespace fs
