// sim/host/cli/verify_bare.cpp — the `bare` variant of `verify`: each seed on the host and on every bare machine.
#include <chrono>
#include <cstdio>

#include "sim/host/cli/boot_compare.h"

namespace sim::host::cli {

int verify_bare(ScriptRun& run, const Guest& guest, const BareOptions& options) {
  struct Ready {
    const BootMachine* machine;
    std::string image;
  };
  std::vector<Ready> machines;
  int worst = kHeld;
  for (const BootMachine& machine : boot_machines()) {
    const std::string image = boot_image_path(machine);
    const std::string missing = missing_for(machine, image);
    if (missing.empty()) {
      machines.push_back({&machine, image});
    } else {
      std::fprintf(stderr, "%s\n", missing.c_str());
      worst = kUnsupported;
    }
  }
  if (machines.empty()) return kUnsupported;
  for (u64 seed = options.first_seed; seed <= options.last_seed; ++seed) {
    run.flags.seed_value = seed;
    if (options.first_seed != options.last_seed) run.flags.seed = std::to_string(seed);
    const MachineOptions options_of_run = options_of(run, guest);
    const HostRun host = run_on_host(options_of_run);
    if (!host.error.empty()) {
      std::fprintf(stderr, "orrery verify: %s\n", host.error.c_str());
      return kUsage;
    }
    std::string line;
    for (const Ready& ready : machines) {
      CompareOptions compare;
      compare.context = options.context;
      const auto started = std::chrono::steady_clock::now();
      const Comparison result =
          run_on_machine(*ready.machine, ready.image,
                         {run.script_name + " seed " + run.flags.seed, options_of_run, host.plan}, &host, compare);
      const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
      if (!result.compared || result.code == kNotDeterministic) {
        std::printf("%s\n", result.report.c_str());
        return result.code == kHeld ? kOwnFailure : result.code;
      }
      char text[64];
      std::snprintf(text, sizeof text, "   %s %.2f s", std::string(ready.machine->name).c_str(), took.count());
      line += text;
    }
    if (options.json) {
      std::printf(
          "{\"digest\":\"%s\",\"events\":%llu,\"exit\":0,\"machines\":%zu,\"schema\":\"orrery.verify/"
          "1\",\"seed\":%s}\n",
          text_of(host.root).c_str(), static_cast<unsigned long long>(host.events), machines.size(),
          json_string(run.flags.seed).c_str());
    } else {
      std::printf("equal     %s seed %s   %llu events   root %s%s\n", run.script_name.c_str(), run.flags.seed.c_str(),
                  static_cast<unsigned long long>(host.events), text_of(host.root).c_str(), line.c_str());
    }
    std::fflush(stdout);
  }
  return worst;
}

}  // namespace sim::host::cli
