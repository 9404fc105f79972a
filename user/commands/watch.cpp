// user/commands/watch.cpp — watch: a command's output, again and again.
#include "user/lib/run.h"

#include "base/enforce.h"

namespace user {
namespace {

/// All that `fsh -c TEXT` prints.
Result<base::String> output_of(Tool& tool, std::string_view text) {
  Process& process = tool.process();
  const Process::Pipe pipe = TRY(process.pipe());
  const std::string_view args[] = {"fsh", "-c", text};
  const FdMapping descriptors[] = {{kStdin, kStdin}, {kStdout, pipe.write_end}, {kStderr, pipe.write_end}};
  const auto pid = process.spawn({.path = "/bin/fsh", .args = args, .descriptors = descriptors});
  (void)process.close(pipe.write_end).ok();
  base::String output(tool.heap());
  Result<u64> count = pid.ok() ? Result<u64>(u64{1}) : Result<u64>(pid.error());
  u8 bytes[4096];
  while (count.ok() && *count != 0) {
    count = process.read(pipe.read_end, bytes);
    if (count.ok()) output.append(base::text_of({bytes, *count}));
  }
  (void)process.close(pipe.read_end).ok();
  if (pid.ok()) (void)wait_for(process, *pid).ok();
  if (!count.ok()) return count.take_failure();
  return output;
}

}  // namespace

i32 watch_main(Process& process) {
  Tool tool(process,
            "usage: watch [-n TIME] [-c N] [-g] COMMAND [ARGUMENT…]\n  -n  between two runs (2s)\n"
            "  -c  end after N runs\n  -g  end when the output changes");
  u64 interval_ns = 2'000'000'000;
  std::string_view interval = "2";
  u64 rounds = 0;
  bool until_change = false;
  Options options(tool, "n:c:g");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    switch (option) {
      case Options::kBad: return options.bad_status();
      case 'g': until_change = true; break;
      case 'n': {
        const auto value = base::parse_duration_ns(options.value());
        if (!value.ok() || *value == 0) return tool.bad_use("bad number: {}", options.value());
        interval_ns = *value;
        interval = options.value();
        break;
      }
      default: {
        const auto value = base::parse_u64(options.value());
        if (!value.ok() || *value == 0) return tool.bad_use("bad number: {}", options.value());
        rounds = *value;
      }
    }
  }
  if (options.operands().empty()) return tool.bad_use("missing operand");
  base::String command(process.heap());
  for (const std::string_view word : options.operands()) {
    if (!command.empty()) command.push(' ');
    command.append(word);
  }
  const bool console = process.is_console(kStdout);
  base::String before(process.heap());
  for (u64 round = 1;; ++round) {
    auto output = output_of(tool, command);
    if (!output.ok()) {
      tool.error(command, output.error());
      break;
    }
    if (console) tool.out().text("\x1B[H\x1B[2J");
    tool.out().format("Every {}{}: {}\n\n", interval, interval.ends_with("s") ? "" : "s", command);
    tool.out().text(*output);
    tool.out().flush();
    if (tool.out().failed() || round == rounds) break;
    if (until_change && round > 1 && *output != before) break;
    before = std::move(*output);
    if (!process.sleep(interval_ns).ok()) break;
  }
  return tool.finish();
}

}  // namespace user
