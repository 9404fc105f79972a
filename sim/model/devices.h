// sim/model/devices.h — the devices of one node: console, timer, world device, entropy, power, and its
// ends of links and disks as ports show them (link.h, disk.h). A driver talks to them by port calls (kernel-model/ports.h);
// what they have to say raises their line. One table gives windows and lines.
#pragma once
#include "base/prng.h"
#include "kernel-model/kernel.h"
#include "kernel-model/ports.h"
#include "sim/model/clock.h"
#include "sim/model/config.h"
#include "sim/model/event_queue.h"

namespace sim {

class World;
class Node;
struct Disk;

enum Line : u32 {
  kLineConsole = 1,
  kLineTimer = 2,
  kLineHardware = 3,
  kLineNetwork = kLineHardware + kHardwareMax,
  kLineDisk = kLineNetwork + kNodeLinksMax,
  kLinesEnd = kLineDisk + kNodeDisksMax
};

/// Where each device of a node lies; every node has the same.
constexpr kernel::DeviceConfig kDeviceTable[] = {
    {kernel::DeviceKind::Console, kLineConsole, 0xE000'0000, 12},
    {kernel::DeviceKind::Timer, kLineTimer, 0xE000'1000, 12},
    {kernel::DeviceKind::World, kernel::kNoIrq, 0xE000'2000, 12},
    {kernel::DeviceKind::Entropy, kernel::kNoIrq, 0xE000'3000, 12},
    {kernel::DeviceKind::Power, kernel::kNoIrq, 0xE000'4000, 12},
};

constexpr u32 kDeviceCount = static_cast<u32>(std::size(kDeviceTable));

/// Where the windows of lent hardware lie, behind those; device kDeviceCount + i is hardware i.
constexpr kernel::DeviceConfig hardware_window(u32 index) {
  return {kernel::DeviceKind::Registers, kLineHardware + index, 0xE001'0000 + index * 0x1000, 12};
}

/// Where the windows of a node's ends of links lie; device kNetworkDevices + i is port i.
constexpr u32 kNetworkDevices = kDeviceCount + kHardwareMax;
constexpr kernel::DeviceConfig network_window(u32 port) {
  return {kernel::DeviceKind::Network, kLineNetwork + port, 0xE002'0000 + port * 0x1000, 12};
}

/// Where the windows of a node's disks lie; device kDiskDevices + i is disk i of the node.
constexpr u32 kDiskDevices = kNetworkDevices + kNodeLinksMax;
constexpr kernel::DeviceConfig disk_window(u32 port) {
  return {kernel::DeviceKind::Block, kLineDisk + port, 0xE003'0000 + port * 0x1000, 12};
}

/// Names of streams in the draw lane.
constexpr u64 kStreamTie = 0;
constexpr u64 kStreamEntropy = 1;
constexpr u64 kStreamJitter = 2;
constexpr u64 kStreamCut = 3;

constexpr u32 kConsoleFifoBytes = 4096;     // as a UART with a driver's buffer
constexpr u32 kConsoleStagedBytes = 65536;  // typed but not yet delivered

/// A bounded queue of bytes.
template <u32 kBytes>
class ByteFifo {
 public:
  u32 size() const { return count_; }
  u32 room() const { return kBytes - count_; }
  void push(u8 byte) {
    ASSERT(count_ < kBytes);
    bytes_[(head_ + count_) % kBytes] = byte;
    count_ += 1;
  }
  u8 pop() {
    ASSERT(count_ > 0);
    const u8 byte = bytes_[head_];
    head_ = (head_ + 1) % kBytes;
    count_ -= 1;
    return byte;
  }
  void clear() { head_ = count_ = 0; }
#ifdef ORRERY_LEAK
  u8 unset_byte() const { return bytes_[kBytes - 1]; }
#endif

 private:
  u32 head_ = 0;
  u32 count_ = 0;
  u8 bytes_[kBytes];
};

/// Bytes that a fault types: `left` of them, and one that ends them. They wait for room as a terminal's paste does.
struct Paste {
  u64 left = 0;
  u8 byte = 0;     // each, where there is no noise
  u8 last = 0x15;  // Ctrl-U: erases the line
  const base::Prng* noise = nullptr;
  u64 opportunity = 0;  // of the noise
};

struct Console {
  ConsoleKind kind = ConsoleKind::Absent;
  bool ended = false;         // no more input will ever come
  bool closing = false;       // Typed: it ends behind what is staged
  bool end_reported = false;  // a Read has said so
  u16 columns = 0;
  u16 rows = 0;
  base::Bytes script;  // what is left of it
  bool refill_queued = false;
  bool hidden = false;  // what is typed now is not shown
  ByteFifo<kConsoleFifoBytes> fifo;
  Paste paste;
  bool pasting = false;
  ByteFifo<kConsoleStagedBytes>
      staged;  // host input on its way; queue entries say how much enters when. Typed: the text
};

/// One interrupt line as its device drives it. `level` holds while the device has something; `latched` is one edge.
struct LineState {
  bool armed = false;  // as the kernel told
  bool level = false;
  bool latched = false;
  bool queued = false;  // an interrupt is on its way to the core
  u64 storm_until = 0;  // faults: until then it holds anyway, each storm_every ns
  u64 storm_every = 0;
};

/// What a port call did to the node beyond its answer.
enum class PortEffect : u8 { None, Stopped };

/// The devices of a node. Calls are made by the world only, at the time of the entry.
class Devices {
 public:
  Devices(World& world, Node& node, const NodeConfig& config, u64 seed);
  /// The entropy device's stream begins anew.
  void rekey(u64 seed);

  /// Power-on: empty FIFOs, lines masked; a script starts again from its beginning.
  void reset();
  /// Power-off; this node's entries have been taken out of the queue.
  void power_off();

  /// Answers the pending port call in `frame` of `thread` at `now`; `device` is the window's index in kDeviceTable.
  PortEffect port_call(u32 device, kernel::Ref<kernel::Tcb> thread, kernel::UserFrame& frame, u64 now);

  void line_armed(u32 line, bool armed, u64 now);
  /// An interrupt of this line reached its core. False: the line was masked meanwhile; it comes again when armed.
  bool take_line(u32 line);

  // ── Queue entries of this node's devices ─────────────────────────────────────────────────────────────────
  void deliver_input(u64 bytes, u64 now);
  void deliver_hangup(u64 now);
  void deliver_size(u16 columns, u16 rows, u64 now);
  void deliver_refill(u64 now);
  void deliver_timer(u64 now);
  /// Whether frames wait at a port.
  void frames_wait(u32 port, bool any, u64 now);
  /// Whether completions wait at a disk of the node.
  void completions_wait(u32 port, bool any, u64 now);
  /// It has gone, or has come back: its driver is to look.
  void disk_changed(u32 port, u64 now);
  /// Input for a node that is off: its bytes are lost, the end of input and the terminal's size are found at power-on.
  void deliver_off(const QueueEntry& entry);

  // ── Faults ───────────────────────────────────────────────────────────────────────────────────────────────
  /// Whether the node has what a class by the minute strikes.
  bool can_be_struck(FaultClass fault) const;
  void spurious(u32 line, u64 now);
  void storm(u32 line, u64 now, u64 every, u64 length);
  /// No line storms any longer; whether one did.
  bool end_storms(u64 now);
  /// The interrupt that was just taken comes once more.
  void repeat(u32 line) { lines_[line].latched = true; }
  void paste(const Paste& paste, u64 now);

  /// Takes as much host input as there is room for; returns how much. It enters by a later `deliver_input`.
  u64 stage_input(base::Bytes bytes);
  // ── What a plan does ─────────────────────────────────────────────────────────────────────────────────────
  /// Takes what there is room for; returns how much.
  u64 type(base::Bytes bytes, u64 now);
  void end_input(u64 now);
  const NodeClock& clock() const { return clock_; }
  void step_wall(i64 ns) { clock_.step_wall(ns); }
  /// A timer that is armed goes off when the clock gets there now.
  void set_rate(i32 ppm, u64 now);

  /// Hardware device `index` has interrupted.
  void hardware_interrupt(u32 index, u64 now);
  bool input_is_hidden() const { return console_.hidden; }
  bool is_live() const { return console_.kind == ConsoleKind::Terminal && !console_.ended; }
  const Console& console() const { return console_; }

 private:
  void answer(kernel::UserFrame& frame, kernel::ResultLabel label, u32 words);
  void console_call(port::Console operation, kernel::UserFrame& frame, kernel::IpcBuffer* buffer, u64 now,
                    kernel::Ref<kernel::Tcb> thread);
  void timer_call(port::Timer operation, kernel::UserFrame& frame, u64 now);
  void world_call(port::World operation, kernel::UserFrame& frame, kernel::IpcBuffer* buffer, u64 now,
                  kernel::Ref<kernel::Tcb> thread);
  void entropy_call(port::Entropy operation, kernel::UserFrame& frame, kernel::IpcBuffer* buffer);
  PortEffect power_call(port::Power operation, kernel::UserFrame& frame, u64 now);
  void registers_call(const HardwareDevice& device, port::Registers operation, kernel::UserFrame& frame);
  void network_call(u32 port, port::Network operation, kernel::UserFrame& frame, kernel::IpcBuffer* buffer, u64 now,
                    kernel::Ref<kernel::Tcb> thread);
  void block_call(u32 port, port::Block operation, kernel::UserFrame& frame, kernel::IpcBuffer* buffer, u64 now,
                  kernel::Ref<kernel::Tcb> thread);
  void disk_info(const Disk& disk, kernel::UserFrame& frame, kernel::IpcBuffer* buffer);
  void read_console(kernel::UserFrame& frame, kernel::IpcBuffer* buffer, u64 now);
  void stats(kernel::UserFrame& frame, kernel::IpcBuffer* buffer);
  void puppet(kernel::UserFrame& frame, kernel::IpcBuffer* buffer, kernel::Ref<kernel::Tcb> thread);
  void queue_timer(u64 now);
  void update_console_line(u64 now);
  void go_on_pasting(u64 now);
  EntryHandle push_timer(u64 time);
  void queue_refill(u64 now);
  void raise_if_due(u32 line, u64 now);

  World& world_;
  Node& node_;
  base::Bytes whole_script_;
  Hardware hardware_;
  base::Prng entropy_;
  Console console_;
  LineState lines_[kLinesEnd];
  NodeClock clock_;
  u64 armed_ns_ = kNever;      // monotonic time at which the timer goes off; kNever: it is not armed
  u32 timer_entry_ = ~u32{0};  // in the queue, or kNoEntry
  u64 counter_ = 0;            // of entries made by this node's devices
};

}  // namespace sim
