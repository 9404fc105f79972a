// user/commands/modes.cpp — chmod, chown, chgrp: who may do what with a file, and whose it is.
#include "user/lib/accounts.h"
#include "user/lib/tool.h"

#include "base/enforce.h"

namespace user {
namespace {

using schema::file::Change;

// Bits of Change::mask.
constexpr u16 kMaskMode = 1;
constexpr u16 kMaskUid = 2;
constexpr u16 kMaskGid = 4;
constexpr u32 kDepthMax = 128;

/// Changes a file, and with `recursive` all below it: `change_of(facts)` says how. Links are not followed on the way.
template <class ChangeOf>
void change_tree(Tool& tool, std::string_view path, bool recursive, u32 depth, const ChangeOf& change_of) {
  Process& process = tool.process();
  const FollowLinks follow = depth == 0 ? FollowLinks::Yes : FollowLinks::No;
  const auto facts = process.stat(path, follow);
  if (!facts.ok()) return tool.error(path, facts.error());
  if (depth > 0 && facts->kind == schema::file::Kind::Link) return;
  const auto changed = process.change(path, change_of(*facts), follow);
  if (!changed.ok()) tool.error(path, changed.error());
  if (!recursive || facts->kind != schema::file::Kind::Directory) return;
  if (depth == kDepthMax) return tool.error(path, ErrorCode::NameTooLong);
  const auto entries = process.list(path);
  if (!entries.ok()) return tool.error(path, entries.error());
  for (const DirectoryEntry& entry : *entries) {
    base::String inner(tool.heap(), path);
    if (!inner.ends_with("/")) inner.push('/');
    inner.append(entry.name.view());
    change_tree(tool, inner, recursive, depth + 1, change_of);
  }
}

/// A name of the tables, or a number.
bool find_id(const Result<u32>& named, std::string_view text, u32& id) {
  const auto number = base::parse_u64(text);
  if (!named.ok() && (!number.ok() || *number > ~u32{0})) return false;
  id = named.ok() ? *named : static_cast<u32>(*number);
  return true;
}

i32 change_owner(Process& process, std::string_view usage, bool only_group) {
  Tool tool(process, usage);
  bool recursive = false;
  Options options(tool, "R");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    if (option == Options::kBad) return options.bad_status();
    recursive = true;
  }
  const auto operands = options.operands();
  if (operands.size() < 2) return tool.bad_use("missing operand");
  const u64 colon = only_group ? 0 : std::min<u64>(operands[0].find(':'), operands[0].size());
  const std::string_view user = operands[0].substr(0, colon);
  const std::string_view group = only_group ? operands[0] : operands[0].substr(std::min(colon + 1, operands[0].size()));
  Accounts accounts(process);
  Change change;
  if (!user.empty()) {
    const auto named = accounts.find_user(user);
    if (!find_id(named.ok() ? Result<u32>(named->uid) : Result<u32>(named.error()), user, change.uid)) {
      tool.error(user, ErrorCode::NotFound);
      return tool.finish();
    }
    change.mask |= kMaskUid;
  }
  if (!group.empty()) {
    if (!find_id(accounts.find_group(group), group, change.gid)) {
      tool.error(group, ErrorCode::NotFound);
      return tool.finish();
    }
    change.mask |= kMaskGid;
  }
  for (const std::string_view name : operands.subspan(1)) {
    change_tree(tool, name, recursive, 0, [&](const FileStat&) { return change; });
  }
  return tool.finish();
}

}  // namespace

i32 chmod_main(Process& process) {
  Tool tool(process, "usage: chmod [-R] MODE FILE…\n  -R  with all below\n  MODE  octal, or clauses like u+x,go-w");
  // `chmod -w f` is a mode, not an option.
  std::span<const std::string_view> operands = tool.args().subspan(1);
  const bool recursive = !operands.empty() && operands[0] == "-R";
  if (recursive) operands = operands.subspan(1);
  if (!recursive && (operands.empty() || operands[0] == "--help" || operands[0] == "--")) {
    Options options(tool, "");
    if (options.next() != Options::kEnd) return options.bad_status();
    operands = options.operands();
  }
  if (operands.size() < 2) return tool.bad_use("missing operand");
  u16 mode = 0;
  if (!parse_mode(operands[0], 0, mode)) {
    tool.error(operands[0], ErrorCode::BadArgument);
    return tool.finish();
  }
  for (const std::string_view name : operands.subspan(1)) {
    change_tree(tool, name, recursive, 0, [&](const FileStat& facts) {
      u16 wanted = 0;
      const bool good = parse_mode(operands[0], facts.mode, wanted);
      ASSERT(good);  // it was good on another mode
      return Change{.mask = kMaskMode, .mode = wanted};
    });
  }
  return tool.finish();
}

i32 chown_main(Process& process) {
  return change_owner(process, "usage: chown [-R] USER[:GROUP] FILE…\n  -R  with all below", false);
}

i32 chgrp_main(Process& process) {
  return change_owner(process, "usage: chgrp [-R] GROUP FILE…\n  -R  with all below", true);
}

}  // namespace user
