// fs/permission.h — the permission table of the file protocol, in one place for all servers. Checks are made when a
// file is opened, walked, created, removed, renamed or changed, never later.
// Tested by   tests/fs/records_test.cpp
#pragma once
#include "fs/types.h"

namespace fs {

constexpr u8 kAccessExecute = 1;
constexpr u8 kAccessWrite = 2;
constexpr u8 kAccessRead = 4;

/// Whether `identity` has every bit of `access` on the node. Only one class counts: owner, else group, else other. uid 0
/// passes read and write and goes through directories; executing a file needs some x bit even for uid 0.
bool may_access(const Identity& identity, const Attributes& node, u8 access);

/// Whether a name may leave a sticky directory: owner of the file or of the directory, or uid 0. True if not sticky.
bool may_unlink(const Identity& identity, const Attributes& directory, const Attributes& node);

/// The rules of wstat. Errors: OperationNotPermitted, BadArgument for bits that do not exist.
Result<void> check_change(const Identity& identity, const Attributes& node, const Change& change);

}  // namespace fs
