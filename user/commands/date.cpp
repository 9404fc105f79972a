// user/commands/date.cpp — date and uptime: the two clocks.
#include "user/lib/dates.h"
#include "user/lib/process_table.h"

#include "base/enforce.h"

namespace user {
namespace {

constexpr i64 kNsPerSecond = 1'000'000'000;
constexpr std::string_view kTimeFile = "/dev/time";

}  // namespace

i32 date_main(Process& process) {
  Tool tool(
      process,
      "usage: date [-u] [-R | -I] [-d TIME] [+FORMAT] [-s TIME]\n  -u  in UTC\n  -R  as in mail\n  -I  YYYY-MM-DD\n"
      "  -d  that moment: @SECONDS or YYYY-MM-DD [HH:MM[:SS]]\n  -s  set the clock");
  TimeZone zone = zone_of(process);
  std::string_view format = "%a %b %e %H:%M:%S %Z %Y";
  std::string_view moment;
  std::string_view setting;
  Options options(tool, "uRId:s:");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    switch (option) {
      case Options::kBad: return options.bad_status();
      case 'u': zone = {}; break;
      case 'R': format = "%a, %d %b %Y %H:%M:%S %z"; break;
      case 'I': format = "%Y-%m-%d"; break;
      case 'd': moment = options.value(); break;
      default: setting = options.value(); break;
    }
  }
  for (const std::string_view operand : options.operands()) {
    if (!operand.starts_with("+")) return tool.bad_use("extra operand: {}", operand);
    format = operand.substr(1);
  }
  i64 seconds = 0;
  if (!setting.empty()) {
    if (!parse_moment(setting, zone, seconds)) return tool.bad_use("bad time: {}", setting);
    char line[32];
    const auto written = process.write_file(kTimeFile, base::format(line, "{}\n", seconds));
    if (!written.ok()) tool.error(kTimeFile, written.error());
    return tool.finish();
  }
  if (moment.empty()) {
    const i64 now_ns = process.wall_ns();
    seconds = now_ns / kNsPerSecond - (now_ns % kNsPerSecond < 0 ? 1 : 0);
  } else if (!parse_moment(moment, zone, seconds)) {
    return tool.bad_use("bad time: {}", moment);
  }
  base::String text(process.heap());
  append_date(text, format, seconds, zone);
  tool.out().format("{}\n", text);
  return tool.finish();
}

i32 uptime_main(Process& process) {
  Tool tool(process, "usage: uptime [-s]\n  -s  in seconds");
  bool in_seconds = false;
  Options options(tool, "s");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    if (option == Options::kBad) return options.bad_status();
    in_seconds = true;
  }
  const u64 seconds = process.uptime_ns() / kNsPerSecond;
  if (in_seconds) {
    tool.out().format("{}\n", seconds);
    return tool.finish();
  }
  base::String text(process.heap());
  append_uptime(text, seconds);
  tool.out().format("up {}\n", text);
  return tool.finish();
}

}  // namespace user
