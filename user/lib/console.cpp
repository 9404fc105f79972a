#include "user/lib/console.h"

#include <algorithm>

#include "base/format.h"
#include "base/parse.h"

#include "base/enforce.h"

namespace user {

ConsoleState console_state(Process& process) {
  ConsoleState state;
  const auto text = process.read_file("/dev/consctl", 4096);
  if (!text.ok()) return state;
  const u64 at = text->view().find("size ");
  if (at == std::string_view::npos) return state;
  std::string_view rest = text->view().substr(at + 5);
  const u64 blank = std::min<u64>(rest.find(' '), rest.size());
  const auto columns = base::parse_u64(rest.substr(0, blank));
  rest.remove_prefix(std::min(blank + 1, rest.size()));
  const auto rows = base::parse_u64(rest.substr(0, rest.find_first_not_of("0123456789")));
  if (columns.ok() && rows.ok()) {
    state.columns = static_cast<u32>(*columns);
    state.rows = static_cast<u32>(*rows);
  }
  state.raw = text->view().find("raw on") != std::string_view::npos;
  state.echo = text->view().find("echo off") == std::string_view::npos;
  return state;
}

void begin_editing(Process& process) {
  // A console that is gone tells so at the next read.
  static_cast<void>(process.write_file("/dev/consctl", "rawon\necho off\n"));
}

void end_editing(Process& process, const ConsoleState& before) {
  char text[32];
  const std::string_view modes =
      base::format(text, "{}\necho {}\n", before.raw ? "rawon" : "rawoff", before.echo ? "on" : "off");
  static_cast<void>(process.write_file("/dev/consctl", modes));
}

}  // namespace user
