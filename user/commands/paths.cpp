// user/commands/paths.cpp — basename, dirname, stat.
#include "user/lib/accounts.h"
#include "user/lib/dates.h"
#include "user/lib/tool.h"

#include "base/enforce.h"

namespace user {
namespace {

std::string_view without_slashes(std::string_view path) {
  while (path.size() > 1 && path.ends_with("/")) path.remove_suffix(1);
  return path;
}

constexpr std::string_view kKinds[] = {"file",   "directory", "link",   "stream",     "control",   "service",
                                       "device", "fifo",      "socket", "block node", "char node", "whiteout"};

std::string_view kind_name(schema::file::Kind kind) {
  const u64 number = static_cast<u64>(kind);
  return number < std::size(kKinds) ? kKinds[number] : "unknown";
}

char letter_of(schema::file::Kind kind) {
  static constexpr std::string_view kLetters = "-dlpcccpsbc-";  // in the order of schema::file::Kind
  const u64 number = static_cast<u64>(kind);
  return number < kLetters.size() ? kLetters[number] : '?';
}

}  // namespace

i32 basename_main(Process& process) {
  Tool tool(process, "usage: basename PATH [SUFFIX]");
  Options options(tool, "");
  if (options.next() != Options::kEnd) return options.bad_status();
  const auto operands = options.operands();
  if (operands.empty()) return tool.bad_use("missing operand");
  if (operands.size() > 2) return tool.bad_use("extra operand: {}", operands[2]);
  std::string_view name = without_slashes(operands[0]);
  if (name != "/") name = name.substr(name.rfind('/') + 1);  // npos + 1 = 0: no slash, all of it
  if (operands.size() == 2 && name.size() > operands[1].size() && name.ends_with(operands[1])) {
    name.remove_suffix(operands[1].size());
  }
  tool.out().format("{}\n", name);
  return tool.finish();
}

i32 dirname_main(Process& process) {
  Tool tool(process, "usage: dirname PATH");
  Options options(tool, "");
  if (options.next() != Options::kEnd) return options.bad_status();
  const auto operands = options.operands();
  if (operands.empty()) return tool.bad_use("missing operand");
  if (operands.size() > 1) return tool.bad_use("extra operand: {}", operands[1]);
  const std::string_view path = without_slashes(operands[0]);
  const u64 slash = path.rfind('/');
  if (slash == std::string_view::npos) {
    tool.out().text(".\n");
  } else {
    tool.out().format("{}\n", without_slashes(path.substr(0, slash + 1)));
  }
  return tool.finish();
}

i32 stat_main(Process& process) {
  constexpr i64 kNsPerSecond = 1'000'000'000;
  Tool tool(process, "usage: stat [-L] FILE…\n  -L  what a link leads to");
  FollowLinks follow = FollowLinks::No;
  Options options(tool, "L");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    if (option == Options::kBad) return options.bad_status();
    follow = FollowLinks::Yes;
  }
  if (options.operands().empty()) return tool.bad_use("missing operand");
  Accounts accounts(process);
  const TimeZone zone = zone_of(process);
  Output& out = tool.out();
  for (const std::string_view path : options.operands()) {
    const auto stat = process.stat(path, follow);
    if (!stat.ok()) {
      tool.error(path, stat.error());
      continue;
    }
    out.format("path {}\nkind {}\nsize {}\n", path, kind_name(stat->kind), stat->size);
    char octal[4];
    for (u32 i = 0; i < 4; ++i) octal[i] = static_cast<char>('0' + (stat->mode >> (9 - 3 * i) & 7));
    out.format("mode {} {}{}\n", std::string_view(octal, 4), letter_of(stat->kind),
               std::string_view(mode_text(stat->mode)));
    out.format("owner {} {}\ngroup {} {}\n", accounts.user_name(stat->uid), stat->uid, accounts.group_name(stat->gid),
               stat->gid);
    out.format("id {}.{} version {}\nlinks {}\n", stat->device, stat->id, stat->version, stat->links);
    const struct {
      std::string_view name;
      i64 ns;
    } times[] = {{"modified", stat->modified_ns},
                 {"accessed", stat->accessed_ns},
                 {"changed", stat->changed_ns},
                 {"created", stat->created_ns}};
    for (const auto& time : times) {
      base::String text(process.heap());
      append_date(text, "%Y-%m-%d %H:%M:%S", time.ns / kNsPerSecond, zone);
      out.format("{} {}\n", time.name, text);
    }
  }
  return tool.finish();
}

}  // namespace user
