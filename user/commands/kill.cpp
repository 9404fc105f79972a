// user/commands/kill.cpp — kill, and the small ones: true, false, pwd.
#include "user/commands/shared.h"

#include "base/enforce.h"

namespace user {

i32 kill_command(Tool& tool) {
  std::span<const std::string_view> words = tool.args().subspan(1);
  std::string_view note = "terminate";
  if (!words.empty() && words[0] == "--help") {
    tool.out().format("{}\n", tool.usage());
    return tool.finish();
  }
  if (!words.empty() && words[0] == "-l") {
    constexpr u32 kNotesMax = 31;
    for (u32 number = 1; number <= kNotesMax; ++number) {
      if (!note_name(number).empty()) tool.out().format("{} {}\n", number, note_name(number));
    }
    return tool.finish();
  }
  if (!words.empty() && words[0] == "-s") {
    if (words.size() < 2) return tool.bad_use("missing value: -s");
    note = words[1];
    words = words.subspan(2);
  } else if (!words.empty() && words[0].size() > 1 && words[0][0] == '-' && words[0] != "--") {
    note = words[0].substr(1);
    words = words.subspan(1);
  }
  if (!words.empty() && words[0] == "--") words = words.subspan(1);
  if (note_number(note) == 0) return tool.bad_use("unknown note: {}", note);
  if (words.empty()) return tool.bad_use("missing operand");
  for (const std::string_view word : words) {
    const bool group = word.size() > 1 && word[0] == '-';
    const auto target = base::parse_u64(group ? word.substr(1) : word);
    if (!target.ok() || *target > 0xFFFF'FFFF) {
      tool.complain("bad number: {}", word);
      continue;
    }
    const Pid pid = static_cast<Pid>(*target);
    const auto posted = group ? tool.process().post_group(pid, note) : tool.process().post(pid, note);
    if (!posted.ok()) tool.error(word, posted.error());
  }
  return tool.finish();
}

i32 true_command(Tool&) { return 0; }
i32 false_command(Tool&) { return 1; }

i32 pwd_command(Tool& tool) {
  Options options(tool, "LP");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    if (option == Options::kBad) return options.bad_status();
  }
  tool.out().format("{}\n", tool.process().cwd());
  return tool.finish();
}

}  // namespace user
