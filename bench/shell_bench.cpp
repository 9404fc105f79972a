// bench/shell_bench.cpp — the whole system as a user meets it: one process of the `orrery` command from start to exit,
// against the host's own shell with the same script.
#include <cstdio>

#include "bench/bench.h"
#include "bench/peers.h"

namespace bench {

namespace {

/// The `orrery` beside this executable.
double guest_ms(const std::string& script) {
  return run_command_used_ns({command_path("orrery"), "run", "-"}, script) / 1e6;
}
double host_ms(const std::string& script) { return run_command_used_ns({"/bin/sh"}, script) / 1e6; }

std::string repeated(const std::string& line, u64 count) {
  std::string script;
  for (u64 i = 0; i < count; ++i) script += line;
  return script;
}

}  // namespace

void shell_group(Session& session) {
  if (!session.group("shell")) return;
  if (guest_ms("") < 0) {
    std::fprintf(stderr, "shell: left out, %s does not run an empty script\n", command_path("orrery").c_str());
    return;
  }
  session.measure({.name = "boot, empty script, halt", .unit = "ms", .run = [] { return guest_ms(""); }, .bar = 10},
                  {{"/bin/sh, empty script", [] { return host_ms(""); }}});
  // A line costs the difference between many lines and none.
  const auto line_us = [](double (*run)(const std::string&), const std::string& line, u64 count) {
    return (run(repeated(line, count)) - run("")) * 1e3 / static_cast<double>(count);
  };
  const u64 lines = session.scaled(500, 2);
  const std::string spawn = "/bin/true\n";
  session.measure(
      {.name = "a line that runs /bin/true", .unit = "µs", .run = [&] { return line_us(guest_ms, spawn, lines); }},
      {{"the same in /bin/sh", [&] { return line_us(host_ms, spawn, lines); }}});
  const u64 numbers = session.scaled(300'000, 100);
  const std::string pipe = "seq " + std::to_string(numbers) + " | wc -l\n";
  session.measure({.name = "seq " + std::to_string(numbers) + " | wc -l",
                   .unit = "ms",
                   .run = [&] { return line_us(guest_ms, pipe, 1) / 1e3; }},
                  {{"the same in /bin/sh", [&] { return line_us(host_ms, pipe, 1) / 1e3; }}});
}

}  // namespace bench
