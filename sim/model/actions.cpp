// sim/model/actions.cpp — what a plan does to a world: power, clocks, consoles, stolen time, killed threads. Each action
// checks all that can be wrong with it before it changes anything, and is on the record as an event.
#include "base/format.h"
#include "sim/model/world.h"

#include "base/enforce.h"

namespace sim {

using base::EventKind;
using kernel::Ref;
using kernel::Tcb;
using Code = ActionError::Code;

ActionResult<Node*> World::node_for_action(u32 number) {
  if (in_puppet_) return ActionError{Code::InPuppet, number};
  if (number < 1 || number > nodes_.size()) return ActionError{Code::NoSuchNode, number, number, nodes_.size()};
  return &nodes_[number - 1];
}

ActionResult<Node*> World::running_node(u32 number) {
  Node* const node = TRY(node_for_action(number));
  if (!node->is_up()) return ActionError{Code::NodeIsDown, number};
  return node;
}

void World::emit_command(const Node& node, PlanCommand command, u32 thread, u64 b, u64 c) {
  emit(node.number(), now_,
       {.kind = EventKind::HostCommand, .thread = thread, .a = static_cast<u64>(command), .b = b, .c = c});
}

// ── Consoles ─────────────────────────────────────────────────────────────────────────────────────────────────

ActionResult<u64> World::console_type(u32 number, base::Bytes bytes) {
  Node* const node = TRY(running_node(number));
  const Console& console = node->devices().console();
  if (console.kind == ConsoleKind::Absent || console.kind == ConsoleKind::Script) {
    return ActionError{Code::NoConsole, number};
  }
  if (console.ended || console.closing) return ActionError{Code::ConsoleEnded, number};
  const u64 room = console.kind == ConsoleKind::Typed ? console.staged.room() : console.fifo.room();
  const base::Bytes taken = bytes.first(bytes.size() < room ? bytes.size() : room);
  emit_command(*node, PlanCommand::Type, 0, taken.size(), base::digest_of(taken).high);
  node->devices().type(taken, now_);
  return taken.size();
}

ActionResult<> World::console_end(u32 number) {
  Node* const node = TRY(running_node(number));
  const Console& console = node->devices().console();
  if (console.kind == ConsoleKind::Absent || console.kind == ConsoleKind::Script) {
    return ActionError{Code::NoConsole, number};
  }
  if (console.ended || console.closing) return ActionError{Code::ConsoleEnded, number};
  emit_command(*node, PlanCommand::EndInput, 0, 0, 0);
  node->devices().end_input(now_);
  return {};
}

u64 World::puppet(const PuppetCall& call, base::MutableBytes order) {
  u64 count = kPuppetEnd;
  if (config_.script.puppet != nullptr) {
    in_puppet_ = true;
    count = config_.script.puppet(config_.script.context, *this, call, order);
    in_puppet_ = false;
  }
  ASSERT(count == kPuppetEnd || count <= order.size());
  base::D128 digest;
  digest.fold(call.client);
  digest.fold_bytes(call.result);
  digest.fold_bytes(order.first(count == kPuppetEnd ? 0 : count));
  emit_command(nodes_[call.node - 1], PlanCommand::Puppet, call.thread_id, digest.out().high, count);
  return count;
}

// ── Power and time ───────────────────────────────────────────────────────────────────────────────────────────

ActionResult<> World::power_cut(u32 number) {
  Node* const node = TRY(running_node(number));
  node_stopped(*node, now_, 0, Stopped::PowerCut);
  return {};
}

ActionResult<> World::boot(u32 number) {
  Node* const node = TRY(node_for_action(number));
  if (node->is_up()) return ActionError{Code::NodeIsUp, number};
  const auto booted = power_up(*node, now_);
  ASSERT(booted.ok());  // `start` has looked
  return {};
}

// Moves a core to a later time, and with it what the kernel granted there, so that the time in between is nobody's.
void World::hold(Node& node, Core& core, u64 ns) {
  const u64 from = core.time > now_ ? core.time : now_;
  if (core.phase == CorePhase::Idle) {
    core.time = from + ns;  // W5: what wakes it is entered then
    return;
  }
  const u64 later = from + ns - core.time;
  node.kernel().core(core.number).grant_start += later;
  core.run_end = core.run_end > kNever - later ? kNever : core.run_end + later;
  set_core_time(core, core.time + later);
}

ActionResult<> World::pause(u32 number, u64 ns) {
  Node* const node = TRY(running_node(number));
  if (ns > kPauseNsMax) return ActionError{Code::OutOfRange, number, ns, kPauseNsMax};
  emit_command(*node, PlanCommand::Pause, 0, ns, 0);
  for (Core& core : node->cores()) hold(*node, core, ns);
  return {};
}

ActionResult<> World::steal(u32 number, u32 core, u64 ns) {
  Node* const node = TRY(running_node(number));
  if (core >= node->cores().size()) return ActionError{Code::NoSuchCore, number, core, node->cores().size()};
  if (ns > kPauseNsMax) return ActionError{Code::OutOfRange, number, ns, kPauseNsMax};
  emit_command(*node, PlanCommand::Pause, 0, ns, u64{core} + 1);
  hold(*node, node->cores()[core], ns);
  return {};
}

ActionResult<> World::step_wall(u32 number, i64 ns) {
  Node* const node = TRY(node_for_action(number));
  node->devices().step_wall(ns);
  emit(0, now_,
       {.kind = EventKind::WorldClockSet,
        .a = number,
        .b = static_cast<u64>(ns),
        .c = node->devices().clock().wall_at(now_)});
  return {};
}

ActionResult<> World::set_rate(u32 number, i32 ppm) {
  Node* const node = TRY(node_for_action(number));
  if (ppm < -kRatePpmMax || ppm > kRatePpmMax) {
    return ActionError{Code::OutOfRange, number, static_cast<u64>(static_cast<i64>(ppm)), kRatePpmMax};
  }
  node->devices().set_rate(ppm, now_);
  emit(0, now_,
       {.kind = EventKind::WorldClockRate,
        .a = number,
        .b = static_cast<u64>(static_cast<i64>(ppm)),
        .c = node->devices().clock().wall_at(now_)});
  return {};
}

// ── Links ────────────────────────────────────────────────────────────────────────────────────────────────────

ActionResult<> World::set_link(u32 link, const LinkSettings& settings) {
  if (in_puppet_) return ActionError{Code::InPuppet};
  if (link >= links_.count()) return ActionError{Code::NoSuchLink, 0, link, links_.count()};
  if (settings.mtu > links_.mtu_max()) return ActionError{Code::OutOfRange, 0, settings.mtu, links_.mtu_max()};
  if (!links_.is_allowed(settings)) return ActionError{Code::BadLink, 0, link};
  links_.set(link, settings);
  if (faults_ != nullptr) distort_link(link);
  tell_link(link);
  return {};
}

void World::tell_link(u32 link) {
  const LinkSettings& settings = links_.at(link).effective;
  emit(0, now_,
       {.kind = EventKind::NetLinkState,
        .object = link + 1,
        .a = settings.is_up ? 1u : 0u,
        .b = settings.latency_ns,
        .c = settings.bits_per_second});
}

void World::tell_blocked() {
  u64 pairs = 0;
  base::D128 digest;
  for (u32 from = 0; from < nodes_.size(); ++from) {
    for (u32 to = 0; to < nodes_.size(); ++to) {
      if (!links_.is_blocked(from, to)) continue;
      pairs += 1;
      digest.fold(u64{from} << 32 | to);
    }
  }
  emit(0, now_,
       {.kind = EventKind::HostCommand, .a = static_cast<u64>(PlanCommand::Block), .b = pairs, .c = digest.out().high});
}

ActionResult<> World::partition(std::span<const u8> groups) {
  if (in_puppet_) return ActionError{Code::InPuppet};
  if (groups.size() != nodes_.size()) return ActionError{Code::NoSuchNode, 0, groups.size(), nodes_.size()};
  for (u32 from = 0; from < nodes_.size(); ++from) {
    for (u32 to = 0; to < nodes_.size(); ++to) links_.block(from, to, groups[from] != groups[to]);
  }
  tell_blocked();
  return {};
}

ActionResult<> World::block(u32 from, u32 to, bool blocked) {
  TRY(node_for_action(from));
  TRY(node_for_action(to));
  links_.block(from - 1, to - 1, blocked);
  tell_blocked();
  return {};
}

ActionResult<> World::heal() {
  if (in_puppet_) return ActionError{Code::InPuppet};
  for (u32 from = 0; from < nodes_.size(); ++from) {
    for (u32 to = 0; to < nodes_.size(); ++to) links_.block(from, to, false);
  }
  tell_blocked();
  return {};
}

// ── Disks ────────────────────────────────────────────────────────────────────────────────────────────────────

ActionResult<> World::disk_for_action(u32 disk) {
  if (in_puppet_) return ActionError{Code::InPuppet};
  if (disk >= disks_.count()) return ActionError{Code::NoSuchDisk, 0, disk, disks_.count()};
  return {};
}

ActionResult<> World::unplug(u32 disk) {
  TRY(disk_for_action(disk));
  if (!disks_.at(disk).is_plugged) return ActionError{Code::DiskIsOut, 0, disk};
  disks_.unplug(disk, now_);
  return {};
}

ActionResult<> World::plug(u32 disk) {
  TRY(disk_for_action(disk));
  if (disks_.at(disk).is_plugged) return ActionError{Code::DiskIsIn, 0, disk};
  disks_.plug(disk, now_);
  return {};
}

ActionResult<> World::set_disk(u32 disk, const DiskSettings& settings) {
  TRY(disk_for_action(disk));
  if (!disks_.is_allowed(disk, settings)) return ActionError{Code::BadDisk, 0, disk};
  disks_.set(disk, settings);
  if (faults_ != nullptr) distort_disk(disk);
  emit(0, now_,
       {.kind = EventKind::HostCommand,
        .object = disk + 1,
        .a = static_cast<u64>(PlanCommand::SetDisk),
        .b = settings.latency_ns,
        .c = settings.bytes_per_second});
  return {};
}

// ── Threads ──────────────────────────────────────────────────────────────────────────────────────────────────

ActionResult<> World::kill(u32 number, u32 thread_id) {
  Node* const node = TRY(running_node(number));
  const u32 slot = thread_id & kernel::kThreadSlotMask;
  if (thread_id == 0 || slot >= node->fibers().size() || node->fibers()[slot].thread_id != thread_id) {
    return ActionError{Code::NoSuchThread, number, thread_id};
  }
  Fiber& fiber = node->fibers()[slot];
  const Ref<Tcb> tcb{slot << kernel::kTcbBits};
  drop_fiber(fiber);
  fiber.state = FiberState::Crashed;
  fiber.crash_kind = kernel::CrashKind::Killed;
  fiber.crash_code = 0;
  fiber.charge_left = 0;
  node->kernel().at(tcb).frame.pending = 0;
  for (Core& core : node->cores()) {
    const bool runs = core.phase == CorePhase::Run || core.phase == CorePhase::Trap;
    if (runs && core.current == tcb && core.current_id == thread_id) core.phase = CorePhase::Fault;
  }
  emit_command(*node, PlanCommand::Kill, thread_id, 0, 0);
  return {};
}

u32 World::find_thread(u32 number, std::string_view name) {
  Node& node = nodes_[number - 1];
  u64 lowest = kNever;
  u32 found = 0;
  for (u32 slot = 0; slot < node.fibers().size(); ++slot) {
    if (node.fibers()[slot].thread_id == 0) continue;
    const ThreadInfo info = thread_info(node, Ref<Tcb>{slot << kernel::kTcbBits});
    if (info.name == name) return info.thread_id;
    if (!info.name.starts_with(name) || info.name.size() < name.size() + 2 || info.name[name.size()] != '.') continue;
    u64 ordinal = 0;
    bool is_number = true;
    for (const char digit : info.name.substr(name.size() + 1)) {
      is_number = is_number && digit >= '0' && digit <= '9';
      ordinal = ordinal * 10 + static_cast<u64>(digit - '0');
    }
    if (!is_number || ordinal >= lowest) continue;
    lowest = ordinal;
    found = info.thread_id;
  }
  return found;
}

std::string_view describe(const ActionError& error, std::span<char> out) {
  switch (error.code) {
    case Code::NoSuchNode:
      return base::format(out, "there is no node {}; allowed is 1 to {}", error.value, error.allowed);
    case Code::NoSuchCore:
      return base::format(out, "node {} has no core {}; allowed is 0 to {}", error.node, error.value,
                          error.allowed - 1);
    case Code::NoSuchLink: return base::format(out, "there is no link {}; there are {}", error.value, error.allowed);
    case Code::NoSuchDisk: return base::format(out, "there is no disk {}; there are {}", error.value, error.allowed);
    case Code::BadDisk:
      return base::format(out, "disk {}: a setting is out of range, or its cache another", error.value);
    case Code::DiskIsIn: return base::format(out, "disk {} is plugged in", error.value);
    case Code::DiskIsOut: return base::format(out, "disk {} is not plugged in", error.value);
    case Code::BadLink: return base::format(out, "link {}: a setting is out of range", error.value);
    case Code::NoSuchThread: return base::format(out, "node {} has no thread {:x}", error.node, error.value);
    case Code::NodeIsUp: return base::format(out, "node {} is up", error.node);
    case Code::NodeIsDown: return base::format(out, "node {} is down", error.node);
    case Code::NoConsole: return base::format(out, "node {} has no console that can be typed on", error.node);
    case Code::ConsoleEnded: return base::format(out, "the console of node {} has ended", error.node);
    case Code::InThePast: return base::format(out, "{} ns is in the past: it is {} ns", error.value, error.allowed);
    case Code::OutOfRange: return base::format(out, "{} is out of range; the most is {}", error.value, error.allowed);
    case Code::PlanFull: return base::format(out, "the plan has {} calls ahead already", error.allowed);
    case Code::NoFaults: return "the world was made without faults";
    case Code::NoSuchTarget: return "the class strikes no such target";
    case Code::InPuppet: return "a program waits for its next order: nothing can be done before it has it";
  }
  return "unknown error of an action";
}

}  // namespace sim
