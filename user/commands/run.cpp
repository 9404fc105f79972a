// user/commands/run.cpp — sleep, and the commands that run another: env, which, timeout, nohup, nice, time.
#include "user/lib/run.h"

#include "base/enforce.h"

namespace user {
namespace {

constexpr u64 kNsPerMs = 1'000'000;
constexpr i32 kTimedOutStatus = 124;

/// Seconds by default; "0.5", "2m".
bool parse_time(Tool& tool, std::string_view text, u64& ns) {
  const auto value = base::parse_duration_ns(text);
  if (value.ok()) ns = *value;
  if (!value.ok()) tool.bad_use("bad number: {}", text);
  return value.ok();
}

bool is_assignment(std::string_view word) {
  const u64 equals = word.find('=');
  return equals != std::string_view::npos && equals > 0;
}

}  // namespace

i32 sleep_main(Process& process) {
  Tool tool(process, "usage: sleep TIME…\n  TIME  seconds, or with a unit: ms s m h d");
  Options options(tool, "");
  if (options.next() != Options::kEnd) return options.bad_status();
  if (options.operands().empty()) return tool.bad_use("missing operand");
  u64 total_ns = 0;
  for (const std::string_view word : options.operands()) {
    u64 ns = 0;
    if (!parse_time(tool, word, ns)) return kUsageStatus;
    if (__builtin_add_overflow(total_ns, ns, &total_ns)) total_ns = ~u64{0} / 2;
  }
  const auto slept = process.sleep(total_ns);
  if (!slept.ok()) tool.complain("{}", fs::text_of(slept.error().code));
  return tool.finish();
}

i32 env_main(Process& process) {
  Tool tool(
      process,
      "usage: env [-i] [-u NAME]… [NAME=VALUE]… [COMMAND [ARGUMENT…]]\n  -i  start from nothing\n  -u  without NAME");
  base::Vector<EnvSetting> settings(process.heap());
  bool empty = false;
  Options options(tool, "iu:");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    if (option == Options::kBad) return options.bad_status();
    if (option == 'i') empty = true;
    if (option == 'u') settings.push_back({.name = options.value(), .value = {}, .remove = true});
  }
  std::span<const std::string_view> operands = options.operands();
  while (!operands.empty() && is_assignment(operands[0])) {
    const u64 equals = operands[0].find('=');
    settings.push_back({.name = operands[0].substr(0, equals), .value = operands[0].substr(equals + 1)});
    operands = operands.subspan(1);
  }
  if (!operands.empty()) {
    // Nothing to remove from nothing.
    base::Vector<EnvSetting> given(process.heap());
    for (const EnvSetting& setting : settings) {
      if (!(empty && setting.remove)) given.push_back(setting);
    }
    return run_command(tool, {.args = operands, .environment = given.span(), .flags = empty ? kRfCEnvg : 0});
  }
  // The environment is ours alone: it is changed, then shown.
  if (empty) {
    const auto names = process.env_names();
    for (u64 i = 0; names.ok() && i < names->size(); ++i) (void)process.unset_env((*names)[i]).ok();
  }
  for (const EnvSetting& setting : settings) {
    const auto done = setting.remove ? process.unset_env(setting.name) : process.set_env(setting.name, setting.value);
    if (!done.ok() && !setting.remove) tool.error(setting.name, done.error());
  }
  const auto names = process.env_names();
  if (!names.ok()) {
    tool.error("/env", names.error());
    return tool.finish();
  }
  for (const base::String& name : *names) {
    const auto value = process.env(name);
    if (value.ok()) tool.out().format("{}={}\n", name, *value);
  }
  return tool.finish();
}

i32 which_main(Process& process) {
  Tool tool(process, "usage: which NAME…");
  Options options(tool, "");
  if (options.next() != Options::kEnd) return options.bad_status();
  if (options.operands().empty()) return tool.bad_use("missing operand");
  for (const std::string_view name : options.operands()) {
    const auto path = find_command(process, name);
    if (path.ok()) {
      tool.out().format("{}\n", *path);
    } else {
      tool.error(name, path.error());
    }
  }
  return tool.finish();
}

i32 timeout_main(Process& process) {
  Tool tool(process, "usage: timeout [-s NOTE] TIME COMMAND [ARGUMENT…]\n  -s  the note to post (default terminate)");
  std::string_view note = "terminate";
  Options options(tool, "s:");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    if (option == Options::kBad) return options.bad_status();
    note = options.value();
  }
  if (note_number(note) == 0) return tool.bad_use("unknown note: {}", note);
  if (options.operands().size() < 2) return tool.bad_use("missing operand");
  u64 limit_ns = 0;
  if (!parse_time(tool, options.operands()[0], limit_ns)) return kUsageStatus;
  // The end of the child ends our sleep.
  (void)process.on_note(note_number("child"), NoteAction::Handle, [](Process&, u32, void*) {}).ok();
  const auto pid = start_command(tool, {.args = options.operands().subspan(1)});
  if (!pid.ok()) return tool.status();
  const u64 until_ns = process.uptime_ns() + limit_ns;
  bool expired = false;
  for (;;) {
    const auto ended = process.wait({.pid = *pid, .no_hang = true});
    if (!ended.ok() && ended.error().code != ErrorCode::Interrupted) {
      tool.error(options.operands()[1], ended.error());
      return tool.finish();
    }
    if (ended.ok() && ended->pid != 0) return expired ? kTimedOutStatus : static_cast<i32>(ended->code);
    const u64 now_ns = process.uptime_ns();
    if (now_ns < until_ns) {
      (void)process.sleep(until_ns - now_ns).ok();
      continue;
    }
    expired = true;
    const auto posted = process.post(*pid, note);
    if (!posted.ok() && posted.error().code != ErrorCode::NoSuchProcess)
      tool.error(options.operands()[1], posted.error());
    (void)wait_for(process, *pid).ok();
    return kTimedOutStatus;
  }
}

i32 nohup_main(Process& process) {
  Tool tool(process, "usage: nohup COMMAND [ARGUMENT…]");
  Options options(tool, "");
  if (options.next() != Options::kEnd) return options.bad_status();
  if (options.operands().empty()) return tool.bad_use("missing operand");
  (void)process.on_note(note_number("hangup"), NoteAction::Ignore).ok();
  if (process.is_console(kStdout)) {
    constexpr u16 kFlags = schema::file::kOpenWrite | schema::file::kOpenCreate | schema::file::kOpenAppend;
    const auto out = process.open("nohup.out", kFlags, 0600);
    if (!out.ok()) {
      tool.error("nohup.out", out.error());
      return kNotFoundStatus;
    }
    tool.complain("output goes to nohup.out");
    tool.set_status(0);
    if (process.is_console(kStderr)) (void)process.dup_to(*out, kStderr).ok();
    (void)process.dup_to(*out, kStdout).ok();
    (void)process.close(*out).ok();
  }
  return run_command(tool, {.args = options.operands()});
}

i32 nice_main(Process& process) {
  Tool tool(process, "usage: nice PRIORITY COMMAND [ARGUMENT…]\n  PRIORITY  0 to 255, at most one's own");
  Options options(tool, "");
  if (options.next() != Options::kEnd) return options.bad_status();
  if (options.operands().size() < 2) return tool.bad_use("missing operand");
  constexpr u64 kPriorityMax = 255;
  const auto priority = base::parse_u64(options.operands()[0]);
  if (!priority.ok() || *priority > kPriorityMax) return tool.bad_use("bad number: {}", options.operands()[0]);
  // A process's priority is its own to lower: ours, and with it what we start.
  char line[32];
  const auto set = process.write_file("/proc/self/ctl", base::format(line, "pri {}\n", *priority));
  if (!set.ok()) {
    tool.error("/proc/self/ctl", set.error());
    return tool.finish();
  }
  return run_command(tool, {.args = options.operands().subspan(1)});
}

i32 time_main(Process& process) {
  Tool tool(process, "usage: time COMMAND [ARGUMENT…]");
  Options options(tool, "");
  if (options.next() != Options::kEnd) return options.bad_status();
  if (options.operands().empty()) return tool.bad_use("missing operand");
  WaitStatus end;
  const i32 status = run_command(tool, {.args = options.operands()}, &end);
  if (end.pid == 0) return status;
  Output err(process, kStderr);
  const auto line = [&](std::string_view name, u64 ns) {
    err.format("{} {}.{:03}\n", name, ns / kNsPerMs / 1000, ns / kNsPerMs % 1000);
  };
  line("real", end.real_ns);
  line("user", end.user_ns);
  line("sys", end.system_ns);
  err.flush();
  return status;
}

}  // namespace user
