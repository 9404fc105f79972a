// user/commands/identity.cpp — id, groups, whoami.
#include "user/lib/accounts.h"
#include "user/lib/tool.h"

#include "base/enforce.h"

namespace user {
namespace {

struct Who {
  base::String name;
  u32 uid;
  u32 gid;
};

/// The user of an operand, or the one who runs this. False: told.
bool find_who(Tool& tool, Accounts& accounts, std::span<const std::string_view> operands, Who& who) {
  if (operands.empty()) {
    const Identity identity = tool.process().identity();
    who.uid = identity.uid;
    who.gid = identity.gid;
    who.name = accounts.user_name(identity.uid);
    return true;
  }
  const auto user = accounts.find_user(operands[0]);
  if (!user.ok()) {
    tool.error(operands[0], user.error());
    return false;
  }
  who.uid = user->uid;
  who.gid = user->gid;
  who.name.append(operands[0]);
  return true;
}

void append_id(base::String& out, u32 id, const base::String& name) {
  out.append_format("{}", id);
  if (!name.empty()) out.append_format("({})", name);
}

}  // namespace

i32 id_main(Process& process) {
  Tool tool(process, "usage: id [-u | -g] [-n] [USER]\n  -u  only the user\n  -g  only the group\n  -n  its name");
  char only = '\0';
  bool by_name = false;
  Options options(tool, "ugn");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    if (option == Options::kBad) return options.bad_status();
    if (option == 'n') {
      by_name = true;
    } else {
      only = option;
    }
  }
  if (options.operands().size() > 1) return tool.bad_use("extra operand: {}", options.operands()[1]);
  Accounts accounts(process);
  Who who{base::String(process.heap()), 0, 0};
  if (!find_who(tool, accounts, options.operands(), who)) return tool.finish();
  if (only != '\0') {
    const u32 number = only == 'u' ? who.uid : who.gid;
    const base::String name = only == 'u' ? who.name.clone() : accounts.group_name(who.gid);
    if (by_name && !name.empty()) {
      tool.out().format("{}\n", name);
    } else {
      tool.out().format("{}\n", number);
    }
    return tool.finish();
  }
  base::String line(process.heap(), "uid=");
  append_id(line, who.uid, who.name);
  line.append(" gid=");
  append_id(line, who.gid, accounts.group_name(who.gid));
  const auto groups = accounts.groups_of(who.name);
  bool any = false;
  for (const u32 gid : groups) {
    if (gid == who.gid) continue;
    if (!any) {
      line.append(" groups=");
      append_id(line, who.gid, accounts.group_name(who.gid));
    }
    any = true;
    line.push(',');
    append_id(line, gid, accounts.group_name(gid));
  }
  tool.out().format("{}\n", line);
  return tool.finish();
}

i32 whoami_main(Process& process) {
  Tool tool(process, "usage: whoami");
  Options options(tool, "");
  if (options.next() != Options::kEnd) return options.bad_status();
  Accounts accounts(process);
  const base::String name = accounts.user_name(process.identity().uid);
  if (name.empty()) {
    tool.out().format("{}\n", process.identity().uid);
  } else {
    tool.out().format("{}\n", name);
  }
  return tool.finish();
}

i32 groups_main(Process& process) {
  Tool tool(process, "usage: groups [USER]");
  Options options(tool, "");
  if (options.next() != Options::kEnd) return options.bad_status();
  if (options.operands().size() > 1) return tool.bad_use("extra operand: {}", options.operands()[1]);
  Accounts accounts(process);
  Who who{base::String(process.heap()), 0, 0};
  if (!find_who(tool, accounts, options.operands(), who)) return tool.finish();
  const auto print = [&](u32 gid) {
    const base::String name = accounts.group_name(gid);
    if (name.empty()) {
      tool.out().format("{}", gid);
    } else {
      tool.out().text(name);
    }
  };
  print(who.gid);
  for (const u32 gid : accounts.groups_of(who.name)) {
    if (gid == who.gid) continue;
    tool.out().character(' ');
    print(gid);
  }
  tool.out().character('\n');
  return tool.finish();
}

}  // namespace user
