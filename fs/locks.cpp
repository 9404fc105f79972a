#include "fs/locks.h"

#include "base/enforce.h"

namespace fs {
namespace {

bool overlaps(const LockRange& a, const LockRange& b) {
  return a.node == b.node && a.first <= b.last && b.first <= a.last;
}

}  // namespace

bool LockTable::conflicts(const LockRange& range) const {
  if (range.kind == LockKind::None) return false;
  for (const LockRange& held : locks_) {
    if (held.owner == range.owner || !overlaps(held, range)) continue;
    if (held.kind == LockKind::Exclusive || range.kind == LockKind::Exclusive) return true;
  }
  return false;
}

Result<void> LockTable::set(const LockRange& range) {
  ASSERT(range.first <= range.last);
  if (conflicts(range)) return fail(ErrorCode::WouldBlock);
  // The new range cuts what its owner held in it: one old range may become two.
  if (locks_.size() + 2 > locks_max_) return fail(ErrorCode::OutOfMemory);
  for (u64 i = 0; i < locks_.size();) {
    const LockRange held = locks_[i];
    if (held.owner != range.owner || !overlaps(held, range)) {
      i += 1;
      continue;
    }
    locks_.erase(i);
    if (held.last > range.last) {
      LockRange right = held;
      right.first = range.last + 1;
      locks_.insert(i, std::span<const LockRange>(&right, 1));
    }
    if (held.first < range.first) {
      LockRange left = held;
      left.last = range.first - 1;
      locks_.insert(i, std::span<const LockRange>(&left, 1));
    }  // the pieces put back do not overlap: the loop passes them
  }
  if (range.kind != LockKind::None) locks_.push_back(range);
  return {};
}

bool LockTable::release_open(u32 open) {
  bool released = false;
  for (u64 i = 0; i < locks_.size();) {
    if (locks_[i].open == open) {
      locks_.erase(i);
      released = true;
    } else {
      i += 1;
    }
  }
  return released;
}

}  // namespace fs
