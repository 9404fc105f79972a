#include "fs/permission.h"

#include "base/enforce.h"

namespace fs {

bool may_access(const Identity& identity, const Attributes& node, u8 access) {
  if (identity.uid == 0) {
    if ((access & kAccessExecute) == 0 || node.kind == Kind::Directory) return true;
    return (node.mode & 0111) != 0;
  }
  u32 shift = 0;
  if (identity.uid == node.uid) {
    shift = 6;
  } else if (identity.is_member(node.gid)) {
    shift = 3;
  }
  return ((node.mode >> shift) & access) == access;
}

bool may_unlink(const Identity& identity, const Attributes& directory, const Attributes& node) {
  if ((directory.mode & kModeSticky) == 0 || identity.uid == 0) return true;
  return identity.uid == node.uid || identity.uid == directory.uid;
}

Result<void> check_change(const Identity& identity, const Attributes& node, const Change& change) {
  if ((change.mask & ~kChangeAll) != 0) return fail(ErrorCode::BadArgument);
  if ((change.mask & kChangeMode) != 0 && (change.mode & ~kModeMask) != 0) return fail(ErrorCode::BadArgument);
  if (identity.uid == 0) return {};
  if ((change.mask & kChangeUid) != 0 && change.uid != node.uid) return fail(ErrorCode::OperationNotPermitted);
  if (identity.uid != node.uid) return fail(ErrorCode::OperationNotPermitted);
  if ((change.mask & kChangeGid) != 0 && change.gid != node.gid && !identity.is_member(change.gid)) {
    return fail(ErrorCode::OperationNotPermitted);
  }
  return {};
}

}  // namespace fs
