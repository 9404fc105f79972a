// user/commands/ps.cpp — ps, pidof, pgrep and pkill.
#include "user/lib/accounts.h"
#include "user/lib/process_table.h"
#include "user/lib/regex.h"

#include "base/enforce.h"

namespace user {
namespace {

constexpr u32 kDepthMax = 64;  // of the tree shown; what lies deeper is shown at this depth

class Lister {
 public:
  Lister(Tool& tool, std::span<const ProcessRow> rows) : tool_(tool), rows_(rows), accounts_(tool.process()) {}

  bool full = false;
  std::string_view user;
  std::string_view realm;

  void title() {
    tool_.out().text("  PID  PPID USER     STATE     PAGES CORE      TIME ");
    tool_.out().text(full ? "REALM      PRI THREADS ARGS\n" : "NAME\n");
  }
  void flat() {
    for (const ProcessRow& row : rows_) print(row, 0);
  }
  /// The children of `parent`, each followed by its own.
  void tree(u64 parent, u32 depth) {
    for (const ProcessRow& row : rows_) {
      const bool below = depth == 0 ? is_top(row) : row.parent == parent;
      if (!below || row.pid == parent) continue;
      print(row, depth);
      if (depth < kDepthMax) tree(row.pid, depth + 1);
    }
  }

 private:
  bool is_top(const ProcessRow& row) const {
    for (const ProcessRow& other : rows_) {
      if (other.pid == row.parent && other.pid != row.pid) return false;
    }
    return true;
  }
  void print(const ProcessRow& row, u32 depth) {
    base::String owner = accounts_.user_name(static_cast<u32>(row.uid));
    if (owner.empty()) owner.append_format("{}", row.uid);
    if (!user.empty() && owner.view() != user) return;
    if (!realm.empty() && row.realm.view() != realm) return;
    char time[40];
    const std::string_view shown = base::format(time, "{}.{:03}", row.cpu_us / 1'000'000, row.cpu_us / 1000 % 1000);
    Output& out = tool_.out();
    out.format("{:>5} {:>5} {:8} {:8} {:>6} {:>4} {:>9} ", row.pid, row.parent, owner, row.state, row.pages, row.core,
               shown);
    if (full) out.format("{:10} {:>3} {:>7} ", row.realm, row.priority, row.threads);
    for (u32 i = 0; i < depth; ++i) out.text("  ");
    if (full) {
      out.text(arguments_of(tool_.process(), row));
    } else {
      out.text(row.name);
    }
    out.character('\n');
  }

  Tool& tool_;
  std::span<const ProcessRow> rows_;
  Accounts accounts_;
};

}  // namespace

i32 ps_main(Process& process) {
  Tool tool(process,
            "usage: ps [-ft] [-u USER] [-r REALM]\n  -f  realm, priority, threads and arguments too\n  -t  as a tree\n"
            "  -u  those of USER\n  -r  those in REALM");
  bool full = false;
  bool tree = false;
  std::string_view user;
  std::string_view realm;
  Options options(tool, "ftu:r:");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    switch (option) {
      case Options::kBad: return options.bad_status();
      case 'f': full = true; break;
      case 't': tree = true; break;
      case 'u': user = options.value(); break;
      default: realm = options.value(); break;
    }
  }
  if (!options.operands().empty()) return tool.bad_use("extra operand: {}", options.operands()[0]);
  const auto rows = read_processes(process);
  if (!rows.ok()) {
    tool.error("/proc", rows.error());
    return tool.finish();
  }
  Lister lister(tool, rows->span());
  lister.full = full;
  lister.user = user;
  lister.realm = realm;
  lister.title();
  if (tree) {
    lister.tree(0, 0);
  } else {
    lister.flat();
  }
  return tool.finish();
}

i32 pidof_main(Process& process) {
  Tool tool(process, "usage: pidof NAME…");
  Options options(tool, "");
  if (options.next() != Options::kEnd) return options.bad_status();
  if (options.operands().empty()) return tool.bad_use("missing operand");
  const auto rows = read_processes(process);
  if (!rows.ok()) {
    tool.error("/proc", rows.error());
    return tool.finish();
  }
  bool any = false;
  for (const ProcessRow& row : *rows) {
    for (const std::string_view name : options.operands()) {
      if (row.name.view() != name) continue;
      tool.out().format("{}{}", any ? " " : "", row.pid);
      any = true;
      break;
    }
  }
  if (any) tool.out().character('\n');
  tool.set_status(any ? 0 : 1);
  return tool.finish();
}

namespace {

/// pgrep and pkill: `note` empty to list.
i32 match_processes(Tool& tool, std::string_view pattern, bool whole_arguments, bool long_lines,
                    std::string_view note) {
  Process& process = tool.process();
  auto regex = Regex::compile(process.heap(), pattern, {.extended = true});
  if (!regex.ok()) return tool.bad_use("{}: {}", pattern, regex.error().text);
  const auto rows = read_processes(process);
  if (!rows.ok()) {
    tool.error("/proc", rows.error());
    return tool.finish();
  }
  bool any = false;
  for (const ProcessRow& row : *rows) {
    if (row.pid == process.pid()) continue;
    const base::String text = whole_arguments ? arguments_of(process, row) : row.name.clone();
    const bool matches = regex->matches(text);
    process.work(regex->take_work());
    if (!matches) continue;
    any = true;
    if (note.empty()) {
      tool.out().format("{}", row.pid);
      if (long_lines) tool.out().format(" {}", text);
      tool.out().character('\n');
      continue;
    }
    const auto posted = process.post(static_cast<Pid>(row.pid), note);
    char pid[24];
    if (!posted.ok()) tool.error(base::format(pid, "{}", row.pid), posted.error());
  }
  if (!any && tool.status() == 0) tool.set_status(1);
  return tool.finish();
}

}  // namespace

i32 pgrep_main(Process& process) {
  Tool tool(process, "usage: pgrep [-fl] PATTERN\n  -f  match the arguments too\n  -l  show what matched");
  bool whole = false;
  bool long_lines = false;
  Options options(tool, "fl");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    if (option == Options::kBad) return options.bad_status();
    whole = whole || option == 'f';
    long_lines = long_lines || option == 'l';
  }
  if (options.operands().empty()) return tool.bad_use("missing operand");
  if (options.operands().size() > 1) return tool.bad_use("extra operand: {}", options.operands()[1]);
  return match_processes(tool, options.operands()[0], whole, long_lines, {});
}

i32 pkill_main(Process& process) {
  Tool tool(
      process,
      "usage: pkill [-f] [-s NOTE] PATTERN\n  -f  match the arguments too\n  -s  the note to post (default terminate)");
  bool whole = false;
  std::string_view note = "terminate";
  Options options(tool, "fs:");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    if (option == Options::kBad) return options.bad_status();
    if (option == 'f') whole = true;
    if (option == 's') note = options.value();
  }
  if (note_number(note) == 0) return tool.bad_use("unknown note: {}", note);
  if (options.operands().empty()) return tool.bad_use("missing operand");
  if (options.operands().size() > 1) return tool.bad_use("extra operand: {}", options.operands()[1]);
  return match_processes(tool, options.operands()[0], whole, false, note);
}

}  // namespace user
