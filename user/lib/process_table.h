// user/lib/process_table.h — the processes one may see, read from /proc/N/status.
#pragma once
#include "user/lib/tool.h"

namespace user {

struct ProcessRow {
  base::String name;
  base::String state;
  base::String core;
  base::String realm;
  u64 pid = 0;
  u64 parent = 0;
  u64 uid = 0;
  u64 pages = 0;
  u64 priority = 0;
  u64 threads = 0;
  u64 cpu_us = 0;
};

/// One `/proc/N/status`: `KEY VALUE` lines, unknown keys passed over.
ProcessRow parse_status(base::Allocator& heap, std::string_view text);
/// All of them, by pid. One that ended meanwhile is left out.
Result<base::Vector<ProcessRow>> read_processes(Process& process);
/// Its arguments, as /proc/N/args shows them; its name when they cannot be read.
base::String arguments_of(Process& process, const ProcessRow& row);
/// "1d 2h 3m 4s", without the units in front that are zero.
void append_uptime(base::String& out, u64 seconds);
/// The value of `key` in text of `KEY VALUE` lines; empty if there is none.
std::string_view value_of(std::string_view text, std::string_view key);

}  // namespace user
