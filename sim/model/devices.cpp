// sim/model/devices.cpp — console, timer, world device, entropy and power, as port calls see them.
#include "sim/model/devices.h"

#include "base/format.h"
#include "kernel-model/ipc.h"
#include "sim/model/leaks.h"
#include "sim/model/world.h"

#include "base/enforce.h"

namespace sim {

using base::EventKind;
using kernel::IpcBuffer;
using kernel::MessageInfo;
using kernel::ResultLabel;
using kernel::UserFrame;

namespace {

constexpr u32 kSourceTimerDevice = 32;  // of the node's 64 sources; below it are the lines

base::Prng entropy_of(u64 seed, const Node& node) { return {seed, "node.entropy", node.number()}; }

u8* message_bytes(IpcBuffer* buffer) { return reinterpret_cast<u8*>(buffer->msg); }

}  // namespace

Devices::Devices(World& world, Node& node, const NodeConfig& config, u64 seed)
    : world_(world),
      node_(node),
      whole_script_(config.script),
      hardware_(config.hardware),
      entropy_(entropy_of(seed, node)),
      clock_(world.config().wall_start_ns, config.clock) {
  console_.kind = config.console;
  console_.columns = config.columns;
  console_.rows = config.rows;
}

void Devices::rekey(u64 seed) { entropy_ = entropy_of(seed, node_); }

void Devices::reset() {
  for (LineState& line : lines_) line = {};
  console_.fifo.clear();
  console_.pasting = false;
  console_.end_reported = false;
  console_.hidden = false;
  console_.script = {};
  if (console_.kind == ConsoleKind::Script) {
    console_.script = whole_script_;
    console_.ended = whole_script_.empty();
  }
  if (console_.kind == ConsoleKind::Typed) console_.ended = false;
  if (console_.kind == ConsoleKind::Absent) console_.ended = true;
  lines_[kLineConsole].level = console_.kind != ConsoleKind::Absent && console_.ended;
  if (!console_.script.empty()) queue_refill(world_.now());
}

void Devices::power_off() {
  for (LineState& line : lines_) line.queued = false;
  timer_entry_ = kNoEntry;
  armed_ns_ = kNever;
  console_.refill_queued = false;
  if (console_.kind != ConsoleKind::Typed) return;
  console_.closing = false;
  console_.staged.clear();
}

// ── Lines ────────────────────────────────────────────────────────────────────────────────────────────────────

void Devices::raise_if_due(u32 line, u64 now) {
  LineState& state = lines_[line];
  const bool storms = now < state.storm_until;
  if (!state.armed || state.queued || !(state.level || state.latched || storms)) return;
  state.queued = true;
  counter_ += 1;
  world_.raise(node_, line, state.level || state.latched ? now : now + state.storm_every, counter_);
}

void Devices::line_armed(u32 line, bool armed, u64 now) {
  if (line >= kLinesEnd) return;
  lines_[line].armed = armed;
  const u32 index = line - kLineHardware;
  if (line >= kLineHardware && index < hardware_.devices.size()) {
    hardware_.line_armed(hardware_.devices[index].line, armed);
  }
  raise_if_due(line, now);
}

bool Devices::take_line(u32 line) {
  LineState& state = lines_[line];
  state.queued = false;
  if (!state.armed) return false;
  state.armed = false;  // the kernel masks a line it delivers
  state.latched = false;
  return true;
}

// ── Input ────────────────────────────────────────────────────────────────────────────────────────────────────

u64 Devices::stage_input(base::Bytes bytes) {
  if (!is_live()) return 0;
  const u64 count = bytes.size() < console_.staged.room() ? bytes.size() : console_.staged.room();
  for (u64 i = 0; i < count; ++i) console_.staged.push(bytes[i]);
  return count;
}

void Devices::update_console_line(u64 now) {
  lines_[kLineConsole].level = console_.fifo.size() > 0 || (console_.ended && !console_.end_reported);
  raise_if_due(kLineConsole, now);
}

void Devices::deliver_input(u64 bytes, u64 now) {
  base::D128 digest;
  u64 taken = 0;
  for (; taken < bytes && console_.fifo.room() > 0; ++taken) {
    const u8 byte = console_.staged.pop();
    console_.fifo.push(byte);
    digest.fold(byte);
  }
  for (u64 i = taken; i < bytes; ++i) console_.staged.pop();  // an overrun: what a UART would lose too
  world_.emit(node_.number(), now,
              {.kind = EventKind::HostConsoleIn, .a = taken, .b = digest.out().high, .c = bytes - taken});
  update_console_line(now);
}

void Devices::deliver_hangup(u64 now) {
  console_.ended = true;
  world_.emit(node_.number(), now, {.kind = EventKind::HostConsoleIn});
  update_console_line(now);
}

void Devices::deliver_size(u16 columns, u16 rows, u64 now) {
  console_.columns = columns;
  console_.rows = rows;
  world_.emit(node_.number(), now,
              {.kind = EventKind::WorldInput, .object = kLineConsole, .a = u64{columns} << 16 | rows});
  lines_[kLineConsole].latched = true;
  raise_if_due(kLineConsole, now);
}

void Devices::deliver_off(const QueueEntry& entry) {
  switch (entry.action) {
    case Action::ConsoleInput:
      for (u64 i = 0; i < entry.argument; ++i) console_.staged.pop();
      return;
    case Action::ConsoleHangup: console_.ended = true; return;
    case Action::ConsoleSize:
      console_.columns = static_cast<u16>(entry.argument >> 16);
      console_.rows = static_cast<u16>(entry.argument);
      return;
    default: return;
  }
}

u64 Devices::type(base::Bytes bytes, u64 now) {
  const bool is_typed = console_.kind == ConsoleKind::Typed;
  const u64 room = is_typed ? console_.staged.room() : console_.fifo.room();
  const base::Bytes taken = bytes.first(bytes.size() < room ? bytes.size() : room);
  if (is_typed) {
    for (const u8 byte : taken) console_.staged.push(byte);
    queue_refill(now);
  } else {
    for (const u8 byte : taken) console_.fifo.push(byte);
    world_.emit(node_.number(), now,
                {.kind = EventKind::HostConsoleIn, .a = taken.size(), .b = base::digest_of(taken).high});
    update_console_line(now);
  }
  return taken.size();
}

void Devices::end_input(u64 now) {
  if (console_.kind != ConsoleKind::Typed) return deliver_hangup(now);
  console_.closing = true;
  queue_refill(now);
}

void Devices::queue_refill(u64 now) {
  if (console_.refill_queued) return;
  console_.refill_queued = true;
  counter_ += 1;
  world_.push({.time = now,
               .order = order_of(EntryClass::Input, node_.index() * 64 + kLineConsole, counter_),
               .node = static_cast<u16>(node_.index()),
               .action = Action::ConsoleRefill});
}

void Devices::hardware_interrupt(u32 index, u64 now) {
  ASSERT(index < hardware_.devices.size());
  lines_[kLineHardware + index].latched = true;
  raise_if_due(kLineHardware + index, now);
}

void Devices::deliver_refill(u64 now) {
  console_.refill_queued = false;
  if (console_.kind == ConsoleKind::Typed) {
    base::D128 digest;
    u64 count = 0;
    for (; console_.fifo.room() > 0 && console_.staged.size() > 0; ++count) {
      const u8 byte = console_.staged.pop();
      console_.fifo.push(byte);
      digest.fold(byte);
    }
    console_.ended = console_.closing && console_.staged.size() == 0;
    world_.emit(node_.number(), now, {.kind = EventKind::HostConsoleIn, .a = count, .b = digest.out().high});
    return update_console_line(now);
  }
  const u64 room = console_.fifo.room();
  const base::Bytes chunk = console_.script.first(console_.script.size() < room ? console_.script.size() : room);
  for (const u8 byte : chunk) console_.fifo.push(byte);
  console_.script = console_.script.subspan(chunk.size());
  console_.ended = console_.script.empty();
  world_.emit(node_.number(), now,
              {.kind = EventKind::HostConsoleIn, .a = chunk.size(), .b = base::digest_of(chunk).high});
  update_console_line(now);
}

void Devices::deliver_timer(u64 now) {
  timer_entry_ = kNoEntry;
  if (world_.has_faults()) [[unlikely]] {
    if (const u64 again = world_.fault_expiry(node_, kDeviceTimer, now); again != 0) {
      timer_entry_ = push_timer(again);
      return;
    }
  }
  armed_ns_ = kNever;
  lines_[kLineTimer].latched = true;
  raise_if_due(kLineTimer, now);
}

EntryHandle Devices::push_timer(u64 time) {
  counter_ += 1;
  return world_.push({.time = time,
                      .order = order_of(EntryClass::Timer, node_.index() * 64 + kSourceTimerDevice, counter_),
                      .node = static_cast<u16>(node_.index()),
                      .action = Action::DeviceTimer});
}

// ── Faults ───────────────────────────────────────────────────────────────────────────────────────────────────

bool Devices::can_be_struck(FaultClass fault) const {
  switch (fault) {
    case FaultClass::ConsoleBurst:
    case FaultClass::ConsoleGarbage:
    case FaultClass::ConsoleInterrupt: return console_.kind == ConsoleKind::Terminal;
    default: return console_.kind != ConsoleKind::Absent;
  }
}

void Devices::spurious(u32 line, u64 now) {
  lines_[line].latched = true;
  raise_if_due(line, now);
}

void Devices::storm(u32 line, u64 now, u64 every, u64 length) {
  lines_[line].storm_until = now + length;
  lines_[line].storm_every = every;
  raise_if_due(line, now);
}

bool Devices::end_storms(u64 now) {
  bool any = false;
  for (LineState& line : lines_) {
    any = any || line.storm_until > now;
    line.storm_until = 0;
  }
  return any;
}

void Devices::paste(const Paste& paste, u64 now) {
  if (console_.ended || console_.pasting) return;
  console_.paste = paste;
  console_.pasting = true;
  go_on_pasting(now);
  update_console_line(now);
}

void Devices::go_on_pasting(u64 now) {
  Paste& paste = console_.paste;
  base::D128 digest;
  u64 count = 0;
  const auto push = [&](u8 byte) {
    console_.fifo.push(byte);
    digest.fold(byte);
    count += 1;
  };
  while (console_.fifo.room() > 0 && paste.left > 0) {
    u8 byte = paste.byte;
    if (paste.noise != nullptr) {
      // No byte of a key that signals, ends the input or a line: nul, bell, 0x1d to 0x1f, or a byte of no ASCII.
      constexpr u8 kControls[] = {0x00, 0x07, 0x1D, 0x1E, 0x1F};
      const u64 word = paste.noise->at(paste.opportunity, 16 + paste.left);
      byte = (word & 1) != 0 ? static_cast<u8>(0x80 | word >> 8) : kControls[(word >> 8) % std::size(kControls)];
    }
    push(byte);
    paste.left -= 1;
  }
  if (console_.fifo.room() > 0) {
    push(paste.last);
    console_.pasting = false;
  }
  world_.emit(node_.number(), now, {.kind = EventKind::HostConsoleIn, .a = count, .b = digest.out().high});
}

// ── Port calls ───────────────────────────────────────────────────────────────────────────────────────────────

void Devices::answer(UserFrame& frame, ResultLabel label, u32 words) {
  frame.cap = 0;
  frame.info = MessageInfo::make(static_cast<u64>(label), words, 0, MessageInfo::kKernel).word();
}

PortEffect Devices::port_call(u32 device, kernel::Ref<kernel::Tcb> thread, UserFrame& frame, u64 now) {
  kernel::Kernel& kernel = node_.kernel();
  IpcBuffer* buffer = kernel::ipc::buffer_of(kernel, kernel.at(thread), true);
  const u64 operation = MessageInfo{frame.info}.label();
  if (device >= kDiskDevices) {
    block_call(device - kDiskDevices, static_cast<port::Block>(operation), frame, buffer, now, thread);
    return PortEffect::None;
  }
  if (device >= kNetworkDevices) {
    network_call(device - kNetworkDevices, static_cast<port::Network>(operation), frame, buffer, now, thread);
    return PortEffect::None;
  }
  if (device >= kDeviceCount) {
    registers_call(hardware_.devices[device - kDeviceCount], static_cast<port::Registers>(operation), frame);
    return PortEffect::None;
  }
  switch (kDeviceTable[device].kind) {
    case kernel::DeviceKind::Console:
      console_call(static_cast<port::Console>(operation), frame, buffer, now, thread);
      return PortEffect::None;
    case kernel::DeviceKind::Timer:
      timer_call(static_cast<port::Timer>(operation), frame, now);
      return PortEffect::None;
    case kernel::DeviceKind::World:
      world_call(static_cast<port::World>(operation), frame, buffer, now, thread);
      return PortEffect::None;
    case kernel::DeviceKind::Entropy:
      entropy_call(static_cast<port::Entropy>(operation), frame, buffer);
      return PortEffect::None;
    case kernel::DeviceKind::Power: return power_call(static_cast<port::Power>(operation), frame, now);
    case kernel::DeviceKind::Registers:
    case kernel::DeviceKind::Block:
    case kernel::DeviceKind::Network: break;
  }
  UNREACHABLE("kDeviceTable lists no such device");
}

void Devices::console_call(port::Console operation, UserFrame& frame, IpcBuffer* buffer, u64 now,
                           kernel::Ref<kernel::Tcb> thread) {
  switch (operation) {
    case port::Console::Write: {
      const u64 count = frame.mr[0];
      if (buffer == nullptr || count > port::kBytesMax) return answer(frame, ResultLabel::RangeError, 0);
      const base::Bytes bytes{message_bytes(buffer), count};
      u64 extra = 0;
#ifdef ORRERY_LEAK
      extra = leaks::console_operand(buffer, console_.staged.unset_byte());
#endif
      world_.emit(node_.number(), now,
                  {.kind = EventKind::HostConsoleOut,
                   .thread = node_.kernel().at(thread).thread_id,
                   .a = count,
                   .b = base::digest_of(bytes).high,
                   .c = extra});
      const Sinks& sinks = world_.config().sinks;
      if (sinks.console_output != nullptr && count > 0) sinks.console_output(sinks.context, node_.number(), bytes);
      return answer(frame, ResultLabel::None, 0);
    }
    case port::Console::Read: return read_console(frame, buffer, now);
    case port::Console::Size:
      frame.mr[0] = console_.columns;
      frame.mr[1] = console_.rows;
      return answer(frame, ResultLabel::None, 2);
    case port::Console::Kind:
      frame.mr[0] = static_cast<u64>(console_.kind == ConsoleKind::Typed ? ConsoleKind::Script : console_.kind);
      return answer(frame, ResultLabel::None, 1);
    case port::Console::Hide: console_.hidden = frame.mr[0] != 0; return answer(frame, ResultLabel::None, 0);
  }
  answer(frame, ResultLabel::IllegalOperation, 0);
}

void Devices::registers_call(const HardwareDevice& device, port::Registers operation, UserFrame& frame) {
  const u64 offset = frame.mr[0];
  const u64 width = frame.mr[1];
  if (operation == port::Registers::Memory) {
    frame.mr[0] = reinterpret_cast<u64>(node_.kernel().ram());  // det-ok: real devices, live machines only
    return answer(frame, ResultLabel::None, 1);
  }
  const bool known = operation == port::Registers::Read || operation == port::Registers::Write;
  if (!known) return answer(frame, ResultLabel::IllegalOperation, 0);
  const bool width_ok = width == 1 || width == 2 || width == 4 || width == 8;
  if (!width_ok || offset % width != 0 || offset >= device.bytes || width > device.bytes - offset) {
    return answer(frame, ResultLabel::RangeError, 0);
  }
  volatile u8* const at = device.registers + offset;
  if (operation == port::Registers::Read) {
    switch (width) {
      case 1: frame.mr[0] = *at; break;
      case 2: frame.mr[0] = *reinterpret_cast<volatile u16*>(at); break;
      case 4: frame.mr[0] = *reinterpret_cast<volatile u32*>(at); break;
      default: frame.mr[0] = *reinterpret_cast<volatile u64*>(at); break;
    }
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return answer(frame, ResultLabel::None, 1);
  }
  // What the driver wrote to memory for the device comes before the register that tells it to look.
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  switch (width) {
    case 1: *at = static_cast<u8>(frame.mr[2]); break;
    case 2: *reinterpret_cast<volatile u16*>(at) = static_cast<u16>(frame.mr[2]); break;
    case 4: *reinterpret_cast<volatile u32*>(at) = static_cast<u32>(frame.mr[2]); break;
    default: *reinterpret_cast<volatile u64*>(at) = frame.mr[2]; break;
  }
  answer(frame, ResultLabel::None, 0);
}

void Devices::frames_wait(u32 port, bool any, u64 now) {
  lines_[kLineNetwork + port].level = any;
  raise_if_due(kLineNetwork + port, now);
}

void Devices::network_call(u32 port, port::Network operation, UserFrame& frame, IpcBuffer* buffer, u64 now,
                           kernel::Ref<kernel::Tcb> thread) {
  static_assert(kFrameHeaderMin == port::kNetworkHeaderBytes);
  if (buffer == nullptr) return answer(frame, ResultLabel::IllegalOperation, 0);
  Links& links = world_.links();
  const u32 index = node_.index();
  const LinkEnd& end = links.end_of(index, port);
  const Link& link = links.at(end.link);
  switch (operation) {
    case port::Network::Send: {
      const u64 count = frame.mr[0];
      if (count < kFrameHeaderMin || count > kFrameHeaderMin + link.effective.mtu || count > port::kBytesMax) {
        return answer(frame, ResultLabel::RangeError, 0);
      }
      links.send(index, port, node_.kernel().at(thread).thread_id, {message_bytes(buffer), count}, now);
      return answer(frame, ResultLabel::None, 0);
    }
    case port::Network::Receive: {
      const base::Bytes bytes = links.received(index, port);
      frame.mr[0] = bytes.size();
      frame.mr[1] = 0;
      if (!bytes.empty()) {
        __builtin_memcpy(message_bytes(buffer), bytes.data(), bytes.size());
        links.release_received(index, port);
        frame.mr[1] = end.count;
        frames_wait(port, end.count > 0, now);
      }
      return answer(frame, ResultLabel::None, 2);
    }
    case port::Network::Info:
      frame.mr[0] = links.address_of(end);
      frame.mr[1] = link.effective.mtu | (link.effective.is_up ? u64{1} << 32 : 0);
      frame.mr[2] = link.effective.bits_per_second;
      frame.mr[3] = link.name.size();
      __builtin_memcpy(message_bytes(buffer), link.name.data(), link.name.size());
      return answer(frame, ResultLabel::None, 4);
  }
  answer(frame, ResultLabel::IllegalOperation, 0);
}

void Devices::completions_wait(u32 port, bool any, u64 now) {
  lines_[kLineDisk + port].level = any;
  raise_if_due(kLineDisk + port, now);
}

void Devices::disk_changed(u32 port, u64 now) {
  if (!node_.is_up()) return;
  lines_[kLineDisk + port].latched = true;
  raise_if_due(kLineDisk + port, now);
}

void Devices::block_call(u32 port, port::Block operation, UserFrame& frame, IpcBuffer* buffer, u64 now,
                         kernel::Ref<kernel::Tcb> thread) {
  Disks& disks = world_.disks();
  const u32 disk = disks.disk_of(node_.index(), port);
  switch (operation) {
    case port::Block::Submit: {
      constexpr u64 kFlags = port::kBlockFua | port::kBlockPreflush | port::kBlockBarrier;
      const u64 op = frame.mr[0] & 0xFF;
      const u64 flags = frame.mr[0] >> 8 & 0xFF'FFFF;
      const u64 sectors = frame.mr[2];
      const bool known = op <= static_cast<u64>(port::BlockOp::WriteZeroes) && (flags & ~kFlags) == 0;
      if (!known || sectors > port::kTransferBytesMax) return answer(frame, ResultLabel::RangeError, 0);
      const Disks::Refusal refusal = disks.submit(disk, node_.kernel().at(thread).thread_id,
                                                  {.op = static_cast<port::BlockOp>(op),
                                                   .flags = static_cast<u8>(flags),
                                                   .tag = static_cast<u32>(frame.mr[0] >> 32),
                                                   .sectors = static_cast<u32>(sectors),
                                                   .sector = frame.mr[1],
                                                   .address = frame.mr[3]},
                                                  now);
      switch (refusal) {
        case Disks::Refusal::None: return answer(frame, ResultLabel::None, 0);
        case Disks::Refusal::Range: return answer(frame, ResultLabel::RangeError, 0);
        case Disks::Refusal::Full: return answer(frame, ResultLabel::NotEnoughMemory, 0);
      }
      UNREACHABLE("a request is taken or refused");
    }
    case port::Block::Complete: {
      const std::optional<DiskRequest> done = disks.take(disk);
      if (!done) return answer(frame, ResultLabel::None, 0);
      const bool is_ok = done->status == port::BlockStatus::Ok;
      const u32 left = disks.at(disk).done_count;
      frame.mr[0] = done->tag | static_cast<u64>(done->status) << 32;
      frame.mr[1] = is_ok ? done->sectors : 0;
      frame.mr[2] = left;
      completions_wait(port, left > 0, now);
      return answer(frame, ResultLabel::None, 3);
    }
    case port::Block::Info:
      if (buffer == nullptr) break;
      return disk_info(disks.at(disk), frame, buffer);
    case port::Block::Reset: disks.reset(disk, now); return answer(frame, ResultLabel::None, 0);
  }
  answer(frame, ResultLabel::IllegalOperation, 0);
}

void Devices::disk_info(const Disk& disk, UserFrame& frame, IpcBuffer* buffer) {
  const u64 flags = (disk.is_read_only ? port::kBlockReadOnly : 0) | (disk.is_plugged ? port::kBlockPresent : 0);
  frame.mr[0] = disk.model.sectors();
  frame.mr[1] = disk.sector_bytes | u64{disk.atomic_bytes} << 32;
  frame.mr[2] = static_cast<u64>(disk.settings.cache) | flags << 8 | u64{disk.effective.queue_depth} << 32;
  frame.mr[3] = disk.name.size();
  __builtin_memcpy(message_bytes(buffer), disk.name.data(), disk.name.size());
  buffer->msg[(disk.name.size() + 7) / 8] = disk.media_epoch;
  answer(frame, ResultLabel::None, 4);
}

void Devices::read_console(UserFrame& frame, IpcBuffer* buffer, u64 now) {
  if (buffer == nullptr) return answer(frame, ResultLabel::IllegalOperation, 0);
  const u64 wanted = frame.mr[0] < port::kBytesMax ? frame.mr[0] : port::kBytesMax;
  u64 count = 0;
  for (; count < wanted && console_.fifo.size() > 0; ++count) message_bytes(buffer)[count] = console_.fifo.pop();
  const bool at_end = console_.ended && console_.fifo.size() == 0;
  frame.mr[0] = count;
  frame.mr[1] = at_end ? 1 : 0;
  if (at_end) console_.end_reported = true;
  const bool is_typed = console_.kind == ConsoleKind::Typed;
  if (!console_.script.empty() || (is_typed && console_.staged.size() > 0)) queue_refill(now);
  if (console_.pasting && console_.fifo.size() == 0) [[unlikely]]
    go_on_pasting(now);
  update_console_line(now);
  answer(frame, ResultLabel::None, 2);
}

void Devices::timer_call(port::Timer operation, UserFrame& frame, u64 now) {
  switch (operation) {
    case port::Timer::Now:
      frame.mr[0] = clock_.monotonic_at(now);
      frame.mr[1] = clock_.wall_at(now);
      return answer(frame, ResultLabel::None, 2);
    case port::Timer::Arm:
#ifdef ORRERY_LEAK
      frame.mr[0] = leaks::timer_time(frame.mr[0]);
#endif
      armed_ns_ = frame.mr[0];
      queue_timer(now);
      return answer(frame, ResultLabel::None, 0);
    case port::Timer::Cancel:
      if (timer_entry_ != kNoEntry) world_.cancel(timer_entry_);
      timer_entry_ = kNoEntry;
      armed_ns_ = kNever;
      lines_[kLineTimer].latched = false;
      return answer(frame, ResultLabel::None, 0);
    case port::Timer::SetWall: clock_.set_wall(now, frame.mr[0]); return answer(frame, ResultLabel::None, 0);
  }
  answer(frame, ResultLabel::IllegalOperation, 0);
}

void Devices::queue_timer(u64 now) {
  if (timer_entry_ != kNoEntry) world_.cancel(timer_entry_);
  timer_entry_ = kNoEntry;
  u64 due = clock_.world_time_of(armed_ns_);
  if (due == kNever) return;  // until the clock's rate changes
  if (due < now) due = now;
  if (world_.has_faults()) [[unlikely]]
    due = world_.fault_timer(node_, kDeviceTimer, due);
  timer_entry_ = push_timer(due);
}

void Devices::set_rate(i32 ppm, u64 now) {
  clock_.set_rate(now, ppm);
  if (armed_ns_ != kNever) queue_timer(now);
}

void Devices::world_call(port::World operation, UserFrame& frame, IpcBuffer* buffer, u64 now,
                         kernel::Ref<kernel::Tcb> thread) {
  switch (operation) {
    case port::World::Emit: {
      const EventKind kind = static_cast<EventKind>(static_cast<u16>(frame.mr[0]));
      const base::Lane lane = base::lane_of(kind);
      const bool allowed = lane == base::Lane::Fs || lane == base::Lane::Vm || lane == base::Lane::Check;
      if (!allowed || base::name_of(kind) == "?") return answer(frame, ResultLabel::InvalidArgument, 0);
      world_.emit(node_.number(), now,
                  {.kind = kind,
                   .flags = static_cast<u16>(frame.mr[0] >> 16),
                   .thread = node_.kernel().at(thread).thread_id,
                   .a = frame.mr[1],
                   .b = frame.mr[2],
                   .c = frame.mr[3]});
      return answer(frame, ResultLabel::None, 0);
    }
    case port::World::Text: {
      if (buffer == nullptr) return answer(frame, ResultLabel::IllegalOperation, 0);
      base::Writer text{base::MutableBytes{message_bytes(buffer), port::kBytesMax}};
      const base::Digest config = world_.config_digest();
      base::format_to(text, "seed {}\nbuild orrery 0.1\nconfig {:016x}{:016x}\nnode {}\nentropy deterministic\n",
                      world_.seed(), config.high, config.low, node_.number());
      frame.mr[0] = text.size();
      return answer(frame, ResultLabel::None, 1);
    }
    case port::World::Stats: return stats(frame, buffer);
    case port::World::Puppet: return puppet(frame, buffer, thread);
    case port::World::Report: {
      const u32 property = static_cast<u32>(frame.mr[0]);
      const u32 says = static_cast<u32>(frame.mr[0] >> 32);
      const bool taken = says <= static_cast<u32>(base::CheckSays::Level) &&
                         world_.report_check({.node = node_.number(),
                                              .thread = node_.kernel().at(thread).thread_id,
                                              .property = property,
                                              .says = static_cast<base::CheckSays>(says),
                                              .value = frame.mr[1],
                                              .time = now});
      return answer(frame, taken ? ResultLabel::None : ResultLabel::InvalidArgument, 0);
    }
    case port::World::Declare: {
      if (buffer == nullptr) return answer(frame, ResultLabel::IllegalOperation, 0);
      if (frame.mr[0] >= static_cast<u64>(base::CheckForm::Mark) || frame.mr[1] > base::kPropertyNameMax)
        return answer(frame, ResultLabel::InvalidArgument, 0);
      const u32 number = world_.declare_check({.node = node_.number(),
                                               .thread = node_.kernel().at(thread).thread_id,
                                               .form = static_cast<base::CheckForm>(frame.mr[0]),
                                               .name = base::text_of({message_bytes(buffer), frame.mr[1]}),
                                               .time = now});
      if (number == World::kNoProperty) return answer(frame, ResultLabel::InvalidArgument, 0);
      frame.mr[0] = number;
      return answer(frame, ResultLabel::None, 1);
    }
  }
  answer(frame, ResultLabel::IllegalOperation, 0);
}

void Devices::stats(UserFrame& frame, IpcBuffer* buffer) {
  if (buffer == nullptr || frame.mr[0] >= node_.cores().size()) return answer(frame, ResultLabel::RangeError, 0);
  const u32 core = static_cast<u32>(frame.mr[0]);
  const kernel::CoreState& state = node_.kernel().core(core);
  const u64 words[7] = {state.switches, state.interrupts,           state.syscalls, state.idle_ns, state.ipis,
                        state.steals,   node_.cores()[core].busy_ns};
  for (u32 i = 0; i < 7; ++i) buffer->msg[i] = words[i];
  for (u32 i = 0; i < kernel::kMessageRegisters; ++i) frame.mr[i] = words[i];
  answer(frame, ResultLabel::None, 7);
}

void Devices::puppet(UserFrame& frame, IpcBuffer* buffer, kernel::Ref<kernel::Tcb> thread) {
  const u64 bytes = frame.mr[1];
  if (buffer == nullptr || bytes > port::kBytesMax) return answer(frame, ResultLabel::RangeError, 0);
  const base::MutableBytes order{message_bytes(buffer), port::kBytesMax};
  u8 result[port::kBytesMax];  // for the order goes where it lies
  __builtin_memcpy(result, order.data(), bytes);
  const u64 count = world_.puppet({.node = node_.number(),
                                   .thread_id = node_.kernel().at(thread).thread_id,
                                   .client = frame.mr[0],
                                   .result = {result, bytes}},
                                  order);
  frame.mr[0] = count == kPuppetEnd ? 0 : count;
  frame.mr[1] = count == kPuppetEnd ? 1 : 0;
  answer(frame, ResultLabel::None, 2);
}

void Devices::entropy_call(port::Entropy operation, UserFrame& frame, IpcBuffer* buffer) {
  if (operation != port::Entropy::Read || buffer == nullptr) return answer(frame, ResultLabel::IllegalOperation, 0);
  const u64 count = frame.mr[0] < port::kBytesMax ? frame.mr[0] : port::kBytesMax;
  u64 value = 0;
  for (u64 i = 0; i < count; ++i) {
    if (i % 8 == 0) {
      const u64 index = entropy_.index();
      value = entropy_.next();
      world_.trace().fold_draw(node_.number(), kStreamEntropy, index, value);
#ifdef ORRERY_LEAK
      value = leaks::entropy_word(value);
#endif
    }
    message_bytes(buffer)[i] = static_cast<u8>(value >> i % 8 * 8);
  }
  frame.mr[0] = count;
  answer(frame, ResultLabel::None, 1);
}

PortEffect Devices::power_call(port::Power operation, UserFrame& frame, u64 now) {
  const u32 status = static_cast<u32>(frame.mr[0] & 0xFF);
  switch (operation) {
    case port::Power::Halt:
    case port::Power::Panic: world_.node_stopped(node_, now, status, World::Stopped::Halt); return PortEffect::Stopped;
    case port::Power::Reboot:
      world_.node_stopped(node_, now, status, World::Stopped::Reboot);
      return PortEffect::Stopped;
  }
  answer(frame, ResultLabel::IllegalOperation, 0);
  return PortEffect::None;
}

}  // namespace sim
