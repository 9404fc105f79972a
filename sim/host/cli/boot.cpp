// sim/host/cli/boot.cpp — `orrery boot`: the same world on a bare machine under QEMU, and whether it is the same.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <cstdio>
#include <fstream>

#include "sim/host/cli/boot_compare.h"
#include "sim/host/cli/sched_flags.h"

namespace sim::host::cli {
namespace {

struct BootFlags {
  std::string machine;
  std::string plan_file;
  std::string save_plan;
  std::string kernel;
  std::vector<std::string> disks;  // live: files; else as `orrery run` takes them
  SchedFlags sched;
  bool digest = false;
  u32 context = 1;
  u64 limit_s = 600;
};

std::string names_of_machines() {
  std::string names;
  for (const BootMachine& machine : boot_machines()) {
    names += (names.empty() ? "" : ", ") + std::string(machine.name);
  }
  return names;
}

/// Live: the machine at this terminal.
int boot_live(const BootMachine& machine, const std::string& image, const std::string& disk, u64 ram_bytes) {
  QemuStart start;
  start.machine = &machine;
  start.program = find_program(machine.qemu);
  start.image = image;
  start.memory_mib = machine_memory_mib(ram_bytes, 0);
  start.disk = disk;
  const QemuResult result = attach_qemu(start);
  switch (result.how) {
    case QemuEnd::NotStarted: return kUnsupported;
    case QemuEnd::Interrupted: return kInterrupted;
    case QemuEnd::Stopped: return kHeld;
    case QemuEnd::Limit: return kLimit;
    case QemuEnd::Exited: break;
  }
  return result.machine_status >= 0 ? result.machine_status : kOwnFailure;
}

/// Strategy, overrides and faults of the run; −1 to go on.
int read_schedule(const BootFlags& flags, const ScriptRun& run, MachineOptions& options) {
  SparedLines spared;
  const int code = flags.sched.read(kBootVerb, run.flags.seed_value, options.schedule, spared);
  if (code >= 0) return code;
  std::vector<std::string> unused;
  if (!spared.empty()) options.script = spared.apply(options.script, unused);
  for (const std::string& line : unused) std::fprintf(stderr, "unused: %s\n", line.c_str());
  return -1;
}

int save_plan(const BootFlags& flags, const MachineOptions& options) {
  const PortablePlan plan = plan_of(options);
  if (!plan.error.empty()) return usage_error(kBootVerb, plan.error);
  std::ofstream file(flags.save_plan, std::ios::binary);
  file << plan.bytes;
  file.close();
  if (!file.fail()) return kHeld;
  std::fprintf(stderr, "orrery: %s: cannot be written\n", flags.save_plan.c_str());
  return kUnreadable;
}

int finish(const BootFlags& flags, const Comparison& result, bool digest_of_host) {
  std::fflush(stdout);
  if (!result.report.empty()) std::fprintf(stderr, "%s\n", result.report.c_str());
  if (result.code == kHeld && digest_of_host) {
    std::fprintf(stderr, "orrery: guest status %llu, %llu events; the host's own run is equal\n",
                 static_cast<unsigned long long>(result.end.status),
                 static_cast<unsigned long long>(result.end.events));
  }
  if (result.end.tainted) {
    std::fprintf(stderr, "orrery: tainted: a program's undefined behaviour; no digest is promised\n");
  }
  if (flags.digest && (result.code == kHeld || result.code == kStalled)) {
    std::printf("digest %s\n", text_of(result.end.root).c_str());
  }
  std::fflush(stdout);
  return result.code;
}

}  // namespace

const Verb kBootVerb = {
    "boot", "the same machine without an operating system, under QEMU",
    "usage: orrery boot MACHINE [SCRIPT|-] [--seed N] [--cores N] [--memory SIZE] [--digest] [--plan FILE]\n"
    "       orrery boot MACHINE [--disk FILE]\n"
    "  MACHINE         x86_64, x86_64-microvm, riscv64 or aarch64\n"
    "  SCRIPT          a console script: run as `orrery run` does, and compared with the host's own run event for\n"
    "                  event. Without one the machine is live at this terminal; Ctrl-] q leaves\n"
    "  --seed N        decimal, 0x..., or any text, hashed (default 1)\n"
    "  --cores N       virtual cores, 1 to 128 (default 1)\n"
    "  --memory SIZE   memory of the node, 16M to 3584M (default 64M)\n"
    "  --clock SPEC    of the node, and --sched, --overrides, --override, --fault: as for `orrery run`\n"
    "  --digest        the trace digest as the last line: digest <32 hexadecimal digits>\n"
    "  --plan FILE     boot this plan instead of a script\n"
    "  --save-plan FILE  write the plan of SCRIPT to FILE and start nothing\n"
    "  --kernel FILE   another image of the machine (default: the one built beside this command)\n"
    "  --disk FILE     live: a raw disk image, /dev/blkN.data in the machine (not on x86_64: q35 has it on PCI);\n"
    "                  with a script: NAME=SIZE[,...] as for `orrery run`, an image of at most 512K\n"
    "  --context N     events shown before and after the first difference (default 1)\n"
    "  --limit SECONDS real time the machine may take (default 600)\n"
    "example: orrery boot riscv64 script.fsh --seed 42 --digest\n"
    "exit:    0 the guest halted   2 usage   4 the machine's run differs from the host's (first event named)\n"
    "         5 the machine failed   7 watchdog: silent loop   8 unreadable script or plan   10 stalled\n"
    "         11 limit reached   12 no QEMU, no image or too little memory   130 interrupted\n"
    "         live: the guest's status\n",
    boot_verb};

int boot_verb(Context& context) {
  CLI::App app;
  ScriptRun run;
  BootFlags flags;
  app.add_option("machine", flags.machine);
  app.add_option("script", run.script_name);
  app.add_option("--seed", run.flags.seed);
  app.add_option("--cores", run.flags.cores);
  app.add_option("--memory", run.flags.memory);
  app.add_option("--clock", run.flags.clock);
  flags.sched.add_to(app);
  app.add_option("--plan", flags.plan_file);
  app.add_option("--save-plan", flags.save_plan);
  app.add_option("--kernel", flags.kernel);
  app.add_option("--disk", flags.disks)->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_option("--context", flags.context);
  app.add_option("--limit", flags.limit_s);
  app.add_flag("--digest", flags.digest);
  if (const int code = parse_flags(app, context, kBootVerb); code >= 0) return code;
  if (flags.machine.empty()) return usage_error(kBootVerb, "a machine is needed: " + names_of_machines());
  const BootMachine* machine = find_boot_machine(flags.machine);
  if (machine == nullptr) {
    return usage_error(kBootVerb, "there is no machine '" + flags.machine + "'; known are " + names_of_machines());
  }
  if (!flags.plan_file.empty() && !run.script_name.empty()) {
    return usage_error(kBootVerb, "--plan and a script: only one of them");
  }
  const bool is_live = run.script_name.empty() && flags.plan_file.empty();
  if (!flags.disks.empty() && is_live && !machine->has_virtio) {
    return usage_error(kBootVerb, "--disk: " + flags.machine + " has no such device; x86_64-microvm has");
  }
  if (flags.disks.size() > 1 && is_live) return usage_error(kBootVerb, "--disk: a live machine has one");
  if (!flags.disks.empty() && !flags.plan_file.empty())
    return usage_error(kBootVerb, "--disk: the plan says its disks");
  if (!is_live) run.flags.disks.texts = flags.disks;
  if (!flags.save_plan.empty() && run.script_name.empty()) return usage_error(kBootVerb, "--save-plan needs a script");
  if (const std::string mistake = run.flags.check(); !mistake.empty()) return usage_error(kBootVerb, mistake);
  if (!flags.sched.choices.empty()) return usage_error(kBootVerb, "--choices: `orrery run` writes them");
  Guest guest = context.guest;
  MachineOptions options{.entries = guest.entries};
  std::string plan;
  bool readable = true;
  if (!run.script_name.empty()) {
    if (const int code = prepare(run, guest, kBootVerb); code >= 0) return code;
    options = options_of(run, guest);
    if (const int code = read_schedule(flags, run, options); code >= 0) return code;
  } else if (!flags.plan_file.empty()) {
    if (!read_file(flags.plan_file, plan)) {
      std::fprintf(stderr, "orrery: %s: cannot be read\n", flags.plan_file.c_str());
      return kUnreadable;
    }
    run.script_name = flags.plan_file;
    options.image = guest.image;
    readable = read_portable(plan, options).empty();  // else the machine will say what is wrong with it
  }
  if (!flags.save_plan.empty()) return save_plan(flags, options);
  const std::string image = flags.kernel.empty() ? boot_image_path(*machine) : flags.kernel;
  if (const std::string missing = missing_for(*machine, image); !missing.empty()) {
    std::fprintf(stderr, "%s\n", missing.c_str());
    return kUnsupported;
  }
  const std::string disk = flags.disks.empty() ? "" : flags.disks.front();
  if (is_live) return boot_live(*machine, image, disk, run.flags.memory_value);

  HostRun host;
  if (readable) {
    host = run_on_host(options);
    if (!host.error.empty()) return usage_error(kBootVerb, host.error);
    plan = host.plan;  // in frames, whatever the file asks for
  }
  CompareOptions compare;
  compare.context = flags.context;
  compare.limit_s = flags.limit_s;
  compare.console = [](base::Bytes bytes) {
    std::fwrite(bytes.data(), 1, bytes.size(), stdout);
    std::fflush(stdout);
  };
  const Comparison result =
      run_on_machine(*machine, image, {run.script_name + " seed " + std::to_string(options.seed), options, plan},
                     readable ? &host : nullptr, compare);
  return finish(flags, result, readable);
}

}  // namespace sim::host::cli
