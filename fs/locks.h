// fs/locks.h — advisory locks: per (owner, byte range) of a node. Ranges of one owner replace each other as in POSIX.
// Bounds      locks_max ranges in all; a call that would need more is refused whole.
// Tested by   tests/fs/locks_test.cpp (model: one byte at a time)
#pragma once
#include "base/vector.h"
#include "fs/types.h"

namespace fs {

using schema::file::LockKind;

struct LockRange {
  NodeId node = 0;
  u32 owner = 0;
  u32 open = 0;  // the open it was taken through; its end frees it
  u64 first = 0;
  u64 last = 0;  // inclusive
  LockKind kind = LockKind::None;
};

class LockTable {
 public:
  LockTable(base::Allocator& memory, u32 locks_max) : locks_(memory), locks_max_(locks_max) {}

  /// Whether another owner holds something that excludes `range`.
  bool conflicts(const LockRange& range) const;
  /// Sets the range for its owner; kind None frees it. Errors: WouldBlock (a conflict), OutOfMemory (table full).
  Result<void> set(const LockRange& range);
  /// Frees all that was taken through this open; true if there was something.
  bool release_open(u32 open);
  u32 count() const { return static_cast<u32>(locks_.size()); }

 private:
  base::Vector<LockRange> locks_;
  u32 locks_max_;
};

}  // namespace fs
