// user/lib/process_table.cpp — see process_table.h.
#include "user/lib/process_table.h"

#include <algorithm>

#include "base/enforce.h"

namespace user {
namespace {

std::string_view take_line(std::string_view& text) {
  const u64 end = std::min<u64>(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

u64 number_of(std::string_view text) {
  const auto number = base::parse_u64(text);
  return number.ok() ? *number : 0;
}

}  // namespace

std::string_view value_of(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    if (line.starts_with(key) && line.size() > key.size() && line[key.size()] == ' ')
      return line.substr(key.size() + 1);
  }
  return {};
}

ProcessRow parse_status(base::Allocator& heap, std::string_view text) {
  ProcessRow row{.name = base::String(heap, value_of(text, "name")),
                 .state = base::String(heap, value_of(text, "state")),
                 .core = base::String(heap, value_of(text, "core")),
                 .realm = base::String(heap, value_of(text, "realm"))};
  row.pid = number_of(value_of(text, "pid"));
  row.parent = number_of(value_of(text, "ppid"));
  row.uid = number_of(value_of(text, "uid"));
  row.pages = number_of(value_of(text, "pages"));
  row.priority = number_of(value_of(text, "priority"));
  row.threads = number_of(value_of(text, "threads"));
  row.cpu_us = number_of(value_of(text, "cpu_us"));
  return row;
}

Result<base::Vector<ProcessRow>> read_processes(Process& process) {
  const auto entries = TRY(process.list("/proc"));
  base::Vector<ProcessRow> rows(process.heap());
  for (const DirectoryEntry& entry : entries) {
    if (!base::parse_u64(entry.name).ok()) continue;
    base::String path(process.heap(), "/proc/");
    path.append(entry.name).append("/status");
    const auto text = process.read_file(path);
    if (text.ok()) rows.push_back(parse_status(process.heap(), *text));
  }
  // total: pids differ
  std::sort(rows.begin(), rows.end(), [](const ProcessRow& a, const ProcessRow& b) { return a.pid < b.pid; });
  process.work(rows.size() * 8 + 1);
  return rows;
}

base::String arguments_of(Process& process, const ProcessRow& row) {
  char path[48];
  auto text = process.read_file(base::format(path, "/proc/{}/args", row.pid));
  if (!text.ok() || text->empty()) return row.name.clone();
  while (text->ends_with("\n")) text->pop_back();
  return std::move(*text);
}

void append_uptime(base::String& out, u64 seconds) {
  const u64 units[] = {seconds / 86'400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60};
  bool any = false;
  for (u32 i = 0; i < 4; ++i) {
    if (!any && units[i] == 0 && i != 3) continue;
    if (any) out.push(' ');
    out.append_format("{}{}", units[i], "dhms"[i]);
    any = true;
  }
}

}  // namespace user
