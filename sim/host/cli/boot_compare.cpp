// sim/host/cli/boot_compare.cpp — see boot_compare.h.
#include "sim/host/cli/boot_compare.h"

#include <algorithm>

#include "sim/host/cli/divergence.h"
#include "sim/host/contain.h"

namespace sim::host::cli {
namespace {

/// One epoch as it was found to differ: its number and its events.
struct Place {
  u64 epoch = 0;
  u64 from = 0;
  u64 to = 0;
};

Place place_of(u64 epoch) { return {epoch, (epoch - 1) * kEpochEvents + 1, epoch * kEpochEvents}; }

void keep(Evidence& evidence, const base::Event& event) {
  if (evidence.events.empty()) evidence.oldest = event.sequence;
  evidence.events.push_back(event);
}

Evidence host_evidence(const MachineOptions& options, const Place& place) {
  Evidence evidence{"base", "host", place.from, {}, {}};
  Machine machine(options);
  const auto take_leaves = [&] {
    Trace& trace = machine.world().trace();
    for (u32 node = 0; node <= machine.world().nodes().size(); ++node) {
      for (u32 lane = 0; lane < base::kLaneCount; ++lane) {
        evidence.leaves.push_back(trace.leaf(node, static_cast<base::Lane>(lane)));
      }
    }
  };
  machine.on_event = [&](const base::Event& event) {
    if (event.sequence >= place.from && event.sequence <= place.to) keep(evidence, event);
  };
  machine.on_epoch = [&](u64 epoch, base::Digest) {
    if (epoch == place.epoch && machine.started()) take_leaves();
  };
  if (!machine.start().empty()) return evidence;
  contain(machine.world(), {.report_assertions = false});
  machine.world().run(kNever);
  release_containment();
  machine.world().finish();
  return evidence;
}

Evidence machine_evidence(QemuStart start, const Place& place) {
  Evidence evidence{"bare", std::string(start.machine->name), place.from, {}, {}};
  start.plan = with_events(std::move(start.plan), place.from, place.to);
  FrameHandlers handlers;
  handlers.event = [&](const base::Event& event) { keep(evidence, event); };
  handlers.leaves = [&](std::vector<base::Digest> leaves) {
    evidence.leaves = std::move(leaves);
    return false;
  };
  FrameReader reader(handlers);
  run_qemu(start, [&](base::Bytes bytes) { return reader.take(bytes); });
  return evidence;
}

/// The first root of `host` that `root` is not, as an epoch; 0: it is the host's.
u64 differs(const HostRun& host, const BareRoot& root) {
  if (root.epoch == 0 || root.epoch > host.roots.size()) return std::max<u64>(host.roots.size(), 1);
  const BareRoot& own = host.roots[root.epoch - 1];
  return own.root == root.root && own.events == root.events ? 0 : root.epoch;
}

std::string what_qemu_did(const QemuStart& start, const QemuResult& result, const FrameReader& reader,
                          const std::string& text) {
  const std::string name(start.machine->name);
  switch (result.how) {
    case QemuEnd::NotStarted: return "orrery: " + start.program + " could not be started";
    case QemuEnd::Limit: return "orrery: " + name + " has not finished after " + std::to_string(start.limit_s) + " s";
    case QemuEnd::Interrupted: return "orrery: interrupted";
    case QemuEnd::Exited:
    case QemuEnd::Stopped: break;
  }
  if (reader.broken()) return "orrery: " + name + ": what came on the serial line is no frame";
  if (!text.empty()) return name + ": " + text.substr(0, text.find_last_not_of("\r\n") + 1);
  if (!reader.preamble().empty()) return name + ": " + reader.preamble();
  return "orrery: " + name + " ended without a result";
}

int code_of(const QemuResult& result, const FrameReader& reader) {
  switch (result.how) {
    case QemuEnd::NotStarted: return kUnsupported;
    case QemuEnd::Limit: return kLimit;
    case QemuEnd::Interrupted: return kInterrupted;
    case QemuEnd::Exited:
    case QemuEnd::Stopped: break;
  }
  if (reader.failed_status() > 0) return reader.failed_status();
  return result.machine_status > 0 ? result.machine_status : kOwnFailure;
}

}  // namespace

HostRun run_on_host(const MachineOptions& options) {
  HostRun host;
  Machine machine(options);
  machine.on_epoch = [&](u64 epoch, base::Digest root) {
    const u64 events = machine.started() ? machine.world().trace().count() : epoch * kEpochEvents;
    host.roots.push_back({epoch, events, root});
  };
  host.error = machine.start();
  if (!host.error.empty()) return host;
  World& world = machine.world();
  PortablePlan plan = portable_plan(machine.options(), world);
  host.plan = std::move(plan.bytes);
  host.error = std::move(plan.error);
  if (!host.error.empty()) return host;
  contain(world, {.report_assertions = false});
  host.outcome = world.run(kNever);
  release_containment();
  host.root = world.finish();
  host.status = world.status();
  host.events = world.trace().count();
  host.virtual_ns = world.now();
  host.tainted = world.tainted();
  return host;
}

PortablePlan plan_of(const MachineOptions& options) {
  Machine machine(options);
  if (std::string error = machine.start(); !error.empty()) return {{}, std::move(error)};
  return portable_plan(machine.options(), machine.world());
}

Comparison run_on_machine(const BootMachine& machine, const std::string& image, const Compared& what,
                          const HostRun* host, const CompareOptions& options) {
  QemuStart start;
  start.machine = &machine;
  start.program = find_program(machine.qemu);
  start.image = image;
  u64 disk_bytes = 0;
  for (const DiskShape& disk : what.options.disks) disk_bytes += disk.bytes;
  start.memory_mib = machine_memory_mib(what.options.ram_bytes, disk_bytes);
  start.plan = what.plan;
  start.limit_s = options.limit_s;

  Comparison result;
  u64 bad_epoch = 0;
  u64 roots_seen = 0;
  std::string text;
  FrameHandlers handlers;
  handlers.console = options.console;
  handlers.text = [&](std::string_view line) { text += line; };
  handlers.root = [&](const BareRoot& root) {
    roots_seen = root.epoch;
    if (host != nullptr) bad_epoch = differs(*host, root);
    return bad_epoch == 0;
  };
  FrameReader reader(handlers);
  std::string unframed;
  const QemuResult ended = run_qemu(start, [&](base::Bytes bytes) {
    if (!reader.begun()) unframed += base::text_of(bytes);
    return reader.take(bytes);
  });
  result.end = reader.end();
  if (host != nullptr && bad_epoch == 0 && reader.ended()) {
    result.compared = true;
    // A machine that stopped early has no root for what it did not run.
    const bool equal = roots_seen == host->roots.size() && reader.end().root == host->root;
    if (!equal) bad_epoch = std::min<u64>(roots_seen, host->roots.size()) + 1;
  }
  if (bad_epoch != 0) {
    const Place place = place_of(bad_epoch);
    const Evidence left = host_evidence(what.options, place);
    const Evidence right = machine_evidence(start, place);
    result.code = kNotDeterministic;
    result.report = explain(what.title, left, right, {options.context, true});
    return result;
  }
  if (!reader.ended()) {
    if (!reader.begun()) text = unframed;
    result.code = code_of(ended, reader);
    result.report = what_qemu_did(start, ended, reader, text);
    return result;
  }
  result.code = reader.end().outcome == Outcome::Ended ? kHeld : kStalled;
  if (result.code == kStalled) result.report = "orrery: stalled: every thread waits and nothing can wake one";
  return result;
}

std::string missing_for(const BootMachine& machine, const std::string& image) {
  const std::string name(machine.name);
  if (find_program(machine.qemu).empty()) {
    return "orrery: " + std::string(machine.qemu) + " is not installed; on Debian: apt-get install " +
           std::string(machine.package);
  }
  if (image.empty()) {
    const std::string preset = "bare-" + std::string(machine.image);
    return "orrery: there is no image for " + name + "; build it: cmake --preset " + preset +
           " && cmake --build build/" + preset;
  }
  return {};
}

}  // namespace sim::host::cli
