// user/commands/system.cpp — what the system says of itself: uname, hostname, nproc, free, dmesg, service.
#include "user/lib/process_table.h"

#include "base/enforce.h"

namespace user {
namespace {

/// The one line of a small file, without its end; empty and told when it cannot be read.
base::String line_of(Tool& tool, std::string_view path) {
  auto text = tool.process().read_file(path);
  if (!text.ok()) {
    tool.error(path, text.error());
    return base::String(tool.heap());
  }
  const u64 end = text->view().find('\n');
  if (end != std::string_view::npos) text->truncate(end);
  return std::move(*text);
}

}  // namespace

i32 uname_main(Process& process) {
  Tool tool(process, "usage: uname [-asnrm]\n  -a  all\n  -s  system\n  -n  node\n  -r  release\n  -m  machine");
  base::String wanted(process.heap());
  Options options(tool, "asnrm");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    if (option == Options::kBad) return options.bad_status();
    wanted.append(option == 'a' ? std::string_view("snrm") : std::string_view(&option, 1));
  }
  if (wanted.empty()) wanted.push('s');
  const base::String version = line_of(tool, "/dev/osversion");
  const u64 blank = std::min<u64>(version.view().find(' '), version.size());
  bool any = false;
  for (const char part : std::string_view("snrm")) {
    if (wanted.view().find(part) == std::string_view::npos) continue;
    if (any) tool.out().character(' ');
    any = true;
    if (part == 's') tool.out().text(version.view().substr(0, blank));
    if (part == 'n') tool.out().text(line_of(tool, "/dev/sysname"));
    if (part == 'r') tool.out().text(version.view().substr(std::min(blank + 1, version.size())));
    if (part == 'm') {
      const auto cpu = process.read_file("/dev/cpu");
      if (!cpu.ok()) tool.error("/dev/cpu", cpu.error());
      if (cpu.ok()) tool.out().text(value_of(cpu->view(), "arch"));
    }
  }
  tool.out().character('\n');
  return tool.finish();
}

i32 hostname_main(Process& process) {
  Tool tool(process, "usage: hostname [NAME]");
  Options options(tool, "");
  if (options.next() != Options::kEnd) return options.bad_status();
  const auto operands = options.operands();
  if (operands.size() > 1) return tool.bad_use("extra operand: {}", operands[1]);
  if (operands.empty()) {
    const base::String name = line_of(tool, "/dev/sysname");
    if (tool.status() == 0) tool.out().format("{}\n", name);
    return tool.finish();
  }
  const auto written = process.write_file("/dev/sysname", operands[0]);
  if (!written.ok()) tool.error("/dev/sysname", written.error());
  return tool.finish();
}

i32 nproc_main(Process& process) {
  Tool tool(process, "usage: nproc");
  Options options(tool, "");
  if (options.next() != Options::kEnd) return options.bad_status();
  const auto cpu = process.read_file("/dev/cpu");
  if (!cpu.ok()) tool.error("/dev/cpu", cpu.error());
  if (cpu.ok()) tool.out().format("{}\n", value_of(cpu->view(), "cores"));
  return tool.finish();
}

i32 free_main(Process& process) {
  Tool tool(process, "usage: free [-b | -k | -m | -g]\n  -b  bytes\n  -k  K (default)\n  -m  M\n  -g  G");
  u32 shift = 10;
  std::string_view unit = "K";
  Options options(tool, "bkmg");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    switch (option) {
      case Options::kBad: return options.bad_status();
      case 'b':
        shift = 0;
        unit = "";
        break;
      case 'k':
        shift = 10;
        unit = "K";
        break;
      case 'm':
        shift = 20;
        unit = "M";
        break;
      default:
        shift = 30;
        unit = "G";
        break;
    }
  }
  const auto info = process.read_file("/proc/meminfo");
  if (!info.ok()) {
    tool.error("/proc/meminfo", info.error());
    return tool.finish();
  }
  const auto bytes = [&](std::string_view key) {
    const auto value = base::parse_u64(value_of(info->view(), key));
    return value.ok() ? *value : 0;
  };
  const u64 total = bytes("total_bytes");
  const u64 left = std::min(bytes("free_bytes"), total);
  const auto cell = [&](char(&out)[32], u64 value) { return base::format(out, "{}{}", value >> shift, unit); };
  char cells[3][32];
  tool.out().format("{:5}{:>13}{:>11}{:>11}\n", "", "total", "used", "free");
  tool.out().format("{:5}{:>13}{:>11}{:>11}\n", "Mem:", cell(cells[0], total), cell(cells[1], total - left),
                    cell(cells[2], left));
  return tool.finish();
}

namespace {

/// What is in `now` and was not in `before`, both snapshots of a log that grows at its end and is cut at its start.
std::string_view news(std::string_view before, std::string_view now) {
  if (now.starts_with(before)) return now.substr(before.size());
  // Its last line is looked for; when even that is gone, all is new.
  if (before.ends_with("\n")) before.remove_suffix(1);
  const u64 last = before.rfind('\n');
  const std::string_view line = before.substr(last == std::string_view::npos ? 0 : last + 1);
  const u64 at = now.rfind(line);
  if (at == std::string_view::npos) return now;
  return now.substr(std::min(at + line.size() + 1, now.size()));
}

}  // namespace

i32 dmesg_main(Process& process) {
  constexpr std::string_view kLog = "/dev/kmesg";
  constexpr u64 kPollNs = 200'000'000;
  Tool tool(process, "usage: dmesg [-w]\n  -w  go on with what comes");
  bool follow = false;
  Options options(tool, "w");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    if (option == Options::kBad) return options.bad_status();
    follow = true;
  }
  base::String before(process.heap());
  for (;;) {
    auto now = process.read_file(kLog);
    if (!now.ok()) {
      tool.error(kLog, now.error());
      return tool.finish();
    }
    tool.out().text(news(before, *now));
    tool.out().flush();
    before = std::move(*now);
    if (!follow || tool.out().failed()) return tool.finish();
    const auto slept = process.sleep(kPollNs);
    if (!slept.ok() && slept.error().code != ErrorCode::Interrupted) {
      tool.complain("{}", fs::text_of(slept.error().code));
      return tool.finish();
    }
  }
}

i32 service_main(Process& process) {
  constexpr std::string_view kTable = "/proc/supervisor";
  constexpr std::string_view kControl = "/proc/supervisor/ctl";
  Tool tool(process,
            "usage: service [NAME]\n       service restart|stop|start|reset|probe NAME\n       service reload\n"
            "  without a verb: the table of services, or one of them");
  Options options(tool, "");
  if (options.next() != Options::kEnd) return options.bad_status();
  const auto operands = options.operands();
  if (operands.size() > 2) return tool.bad_use("extra operand: {}", operands[2]);
  if (operands.size() == 2 || (operands.size() == 1 && operands[0] == "reload")) {
    base::String line(process.heap(), operands[0]);
    if (operands.size() == 2) line.append(" ").append(operands[1]);
    line.push('\n');
    const auto written = process.write_file(kControl, line);
    if (!written.ok()) tool.error(kControl, written.error());
    return tool.finish();
  }
  base::String path(process.heap(), kTable);
  if (operands.size() == 1) path.append("/").append(operands[0]);
  const auto text = process.read_file(path);
  if (!text.ok()) tool.error(operands.empty() ? path.view() : operands[0], text.error());
  if (text.ok()) tool.out().text(*text);
  return tool.finish();
}

}  // namespace user
