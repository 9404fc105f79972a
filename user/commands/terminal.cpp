// user/commands/terminal.cpp — stty, tty, clear, reset: the console as its files show it.
#include "user/lib/tool.h"

#include "base/enforce.h"

namespace user {
namespace {

constexpr std::string_view kControl = "/dev/consctl";

/// The word behind `name` in the console's state line, `raw off echo on … size 80 25`.
std::string_view word_behind(std::string_view text, std::string_view name) {
  const u64 at = text.find(name);
  if (at == std::string_view::npos) return {};
  text.remove_prefix(at + name.size() + 1);
  return text.substr(0, text.find_first_of(" \n"));
}

}  // namespace

i32 stty_main(Process& process) {
  Tool tool(process,
            "usage: stty [-a] [raw | -raw | echo | -echo | size | sane]…\n  raw   keys as they come; -raw: lines\n"
            "  echo  show what is typed; -echo: do not\n  size  rows and columns\n  sane  lines, echo, signals");
  struct Setting {
    std::string_view word;
    std::string_view command;
  };
  static constexpr Setting kSettings[] = {{"raw", "rawon"},
                                          {"-raw", "rawoff"},
                                          {"echo", "echo on"},
                                          {"-echo", "echo off"},
                                          {"sane", "rawoff\necho on\nsignals on"}};
  const auto words = tool.args().subspan(1);
  if (words.size() == 1 && words[0] == "--help") {
    tool.out().format("{}\n", tool.usage());
    return tool.finish();
  }
  const auto state = process.read_file(kControl, 4096);
  if (!state.ok()) {
    tool.error(kControl, state.error());
    return tool.finish();
  }
  if (words.empty() || words[0] == "-a") tool.out().text(*state);
  for (const std::string_view word : words) {
    if (word == "-a") continue;
    if (word == "size") {
      const std::string_view columns = word_behind(*state, "size");
      const u64 behind = static_cast<u64>(columns.data() + columns.size() - state->data());
      const std::string_view rest = state->view().substr(std::min<u64>(behind + 1, state->size()));
      tool.out().format("{} {}\n", rest.substr(0, rest.find_first_of(" \n")), columns);
      continue;
    }
    const Setting* found = nullptr;
    for (const Setting& setting : kSettings) {
      if (setting.word == word) found = &setting;
    }
    if (found == nullptr) return tool.bad_use("unknown setting: {}", word);
    const auto set = process.write_file(kControl, found->command);
    if (!set.ok()) tool.error(kControl, set.error());
  }
  return tool.finish();
}

i32 tty_main(Process& process) {
  Tool tool(process, "usage: tty");
  Options options(tool, "s");
  if (options.next() == Options::kBad) return options.bad_status();
  const bool console = process.is_console(kStdin);
  tool.out().text(console ? "/dev/cons\n" : "not a tty\n");
  tool.set_status(console ? 0 : 1);
  return tool.finish();
}

i32 clear_main(Process& process) {
  Tool tool(process, "usage: clear");
  Options options(tool, "");
  if (options.next() == Options::kBad) return options.bad_status();
  tool.out().text("\x1B[H\x1B[2J");
  return tool.finish();
}

i32 reset_main(Process& process) {
  Tool tool(process, "usage: reset");
  Options options(tool, "");
  if (options.next() == Options::kBad) return options.bad_status();
  const auto set = process.write_file(kControl, "rawoff\necho on\nsignals on\n");
  if (!set.ok()) tool.error(kControl, set.error());
  tool.out().text("\x1B[m\x1B[?25h\x1B[H\x1B[2J");
  return tool.finish();
}

}  // namespace user
