// sim/host/cli/doctor.cpp — `orrery doctor`: what works on this machine, each line tried and not guessed.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

#include "sim/host/cli/boot_compare.h"
#include "sim/host/cli/cli.h"
#include "sim/host/cli/terminal.h"

namespace sim::host::cli {
namespace {

struct Check {
  std::string name;
  bool works = false;
  bool needed = true;  // without it nothing runs; else something is missing or slower
  std::string detail;
};

Check check_stacks() {
  std::vector<machine::Stack> stacks;
  for (u32 i = 0; i < 50'000; ++i) {
    const machine::Stack stack = machine::stack_acquire(64 << 10);
    if (stack.base == nullptr) break;
    stacks.push_back(stack);
  }
  const u64 count = stacks.size();
  for (const machine::Stack stack : stacks) machine::stack_release(stack);
  return {"stacks", count == 50'000, true, std::to_string(count) + " of 50000 stacks of 64 KiB"};
}

Check check_arenas() {
  u8* base = machine::arena_reserve(machine::kArenaBytesMax);
  const bool works = base != nullptr && machine::arena_commit(base, 1 << 20);
  if (works) base[0] = 1;
  if (base != nullptr) machine::arena_release(base, machine::kArenaBytesMax);
  return {"arenas", works, true, "1 GiB of addresses reserved, 1 MiB committed"};
}

Check check_personality() {
  const int persona = personality(0xFFFF'FFFF);
  const bool works = persona != -1 && personality(static_cast<unsigned long>(persona) | ADDR_NO_RANDOMIZE) != -1;
  if (persona != -1) personality(static_cast<unsigned long>(persona));
  return {"aslr-switch", works, false, "`verify` runs with and without address randomisation"};
}

Check check_fork() {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  int status = 0;
  const bool works = child > 0 && waitpid(child, &status, 0) == child && status == 0;
  return {"processes", works, true, "child processes for `verify`"};
}

Check check_terminal() {
  return {"terminal", stdin_is_terminal(), false, "standard input; without one `live` runs it as a script"};
}

/// Whether `boot` and `verify --bare` can start this machine here.
Check check_machine(const BootMachine& machine) {
  const std::string image = boot_image_path(machine);
  const std::string missing = missing_for(machine, image);
  const std::string name = "boot " + std::string(machine.name);
  return {name, missing.empty(), false, missing.empty() ? image : missing.substr(std::string("orrery: ").size())};
}

}  // namespace

const Verb kDoctorVerb = {"doctor", "what of Orrery works on this machine",
                          "usage: orrery doctor [--json]\n"
                          "  --json          one document, schema orrery.doctor/1\n"
                          "example: orrery doctor\n"
                          "exit:    0 all that is needed works   2 usage   12 something needed does not\n",
                          doctor_verb};

int doctor_verb(Context& context) {
  CLI::App app;
  bool json = false;
  app.add_flag("--json", json);
  if (const int code = parse_flags(app, context, kDoctorVerb); code >= 0) return code;
  std::vector<Check> checks = {check_stacks(), check_arenas(), check_fork(), check_personality(), check_terminal()};
  for (const BootMachine& machine : boot_machines()) checks.push_back(check_machine(machine));
  bool all = true;
  if (json) std::printf("{\"checks\":[");
  for (const Check& check : checks) {
    if (check.needed && !check.works) all = false;
    if (json) {
      std::printf("%s{\"detail\":%s,\"name\":%s,\"needed\":%s,\"works\":%s}", &check == checks.data() ? "" : ",",
                  json_string(check.detail).c_str(), json_string(check.name).c_str(), check.needed ? "true" : "false",
                  check.works ? "true" : "false");
    } else {
      std::printf("%-20s %-8s %s\n", check.name.c_str(),
                  check.works    ? "works"
                  : check.needed ? "FAILS"
                                 : "absent",
                  check.detail.c_str());
    }
  }
  if (json) std::printf("],\"ok\":%s,\"schema\":\"orrery.doctor/1\"}\n", all ? "true" : "false");
  return all ? kHeld : kUnsupported;
}

}  // namespace sim::host::cli
