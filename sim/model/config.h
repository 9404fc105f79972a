// sim/model/config.h — what defines a world: nodes, links, costs, seed, image and script, with the host's sinks beside it.
// The sinks are judges: they see a run and can never change one.
#pragma once
#include "base/check.h"
#include "base/digest.h"
#include "base/events.h"
#include "kernel-model/costs.h"
#include "kernel-model/kernel.h"
#include "kernel-model/machine.h"
#include "sim/model/explore/choice.h"
#include "sim/model/faults/plan.h"

namespace sim {

constexpr u32 kNodesMax = 64;
constexpr u32 kCoresMax = kernel::kCoresMax;
constexpr u32 kNameBytesMax = 63;
constexpr u32 kLinksMax = 64;
constexpr u32 kNodeLinksMax = 8;  // links that end at one node
constexpr u32 kDisksMax = 64;
constexpr u32 kNodeDisksMax = 4;
constexpr u32 kPlanEntriesMax = 4096;    // calls of a plan that lie ahead
constexpr u64 kSliceNs = 10'000;         // how far a core may run past the next core's time
constexpr u64 kInputTickNs = 1'000'000;  // host input enters at multiples of this; runs are always cut there
constexpr u64 kNever = ~u64{0};
constexpr u64 kWallStartNs = 1'767'225'600'000'000'000;  // 2026-01-01T00:00:00Z

constexpr i32 kRatePpmMax = 1'000'000;           // of a clock: it stands still, or runs twice as fast
constexpr u64 kPauseNsMax = 86'400'000'000'000;  // a day
constexpr u64 kPuppetEnd = kNever;

enum class ConsoleKind : u8 {
  Absent = 0,
  Terminal = 1,
  Script = 2,
  Typed = 3,  // to the guest a script, but its text comes from the plan while the run goes on
};

/// A device of the machine below, lent to a node: its registers become a window, its interrupt a line. Only a live world on
/// a bare machine has any; what they do is no function of the run key.
constexpr u32 kHardwareMax = 8;
struct HardwareDevice {
  volatile u8* registers = nullptr;
  u32 bytes = 0;  // ≤ 4096
  u32 line = 0;   // the machine's own number of its interrupt
};
struct Hardware {
  std::span<const HardwareDevice> devices;  // ≤ kHardwareMax; outlives the world
  /// The device's interrupt is wanted (again) or not; `line` is the machine's number.
  void (*line_armed)(u32 line, bool armed) = nullptr;
};

/// How a node's clock starts. Its wall is the world's plus `skew_ns`.
struct ClockConfig {
  i64 skew_ns = 0;
  i32 drift_ppm = 0;  // it runs fast by so many millionths; within ±kRatePpmMax
  friend bool operator==(const ClockConfig&, const ClockConfig&) = default;
};

/// What frames meet on a link, in each direction.
struct LinkSettings {
  u64 latency_ns = 200'000;
  u64 jitter_ns = 0;  // each frame takes up to so much longer; none overtakes another
  u64 bits_per_second = 1'000'000'000;
  u32 queue_bytes = 256 << 10;  // that wait for their turn; more are dropped
  u32 mtu = 1500;               // most bytes behind a frame's header
  bool is_up = true;
  friend bool operator==(const LinkSettings&, const LinkSettings&) = default;
};
struct LinkConfig {
  std::string_view name;  // outlives the world
  u64 joins = 0;          // bit i: node number i + 1
  LinkSettings settings;
};

/// What a disk does with a write that it has completed.
enum class DiskCache : u8 {
  None = 0,     // it is durable
  Ordered = 1,  // a power cut keeps a prefix of what was completed
  Volatile =
      2,  // a power cut leaves each unit as it was, or with any value that was completed since it was last flushed
};

struct DiskSettings {
  u64 latency_ns = 80'000;
  u64 bytes_per_second = 500'000'000;  // of each channel
  u32 queue_depth = 32;                // requests in flight; more are refused
  u32 channels = 1;                    // requests that are served at a time
  DiskCache cache = DiskCache::Volatile;
  u32 cache_bytes = 1 << 20;  // what is beyond it goes to the medium, oldest first
  friend bool operator==(const DiskSettings&, const DiskSettings&) = default;
};
struct DiskConfig {
  std::string_view name;      // outlives the world
  u32 node = 0;               // number of the node that has it, from 1
  u64 bytes = 0;              // a multiple of 4096
  u32 sector_bytes = 512;     // what requests count in: 512 or 4096
  u32 atomic_bytes = 4096;    // what is written whole or not at all: 512 or 4096
  base::MutableBytes medium;  // `bytes` long: its content at the start; the world owns it from `create` to its end
  base::Digest image;         // of that content; zero: all bytes are zero, and none was ever written
  DiskSettings settings;
};

struct NodeConfig {
  u32 cores = 1;
  base::MutableBytes ram;  // zeroed, a multiple of 2 MiB; the world owns it from `create` to its end
  base::Bytes image;       // boot image
  ConsoleKind console = ConsoleKind::Absent;
  base::Bytes script;  // ConsoleKind::Script: the whole input; outlives the world
  u16 columns = 0;     // 0: not a terminal
  u16 rows = 0;
  Hardware hardware;
  std::string_view name;  // outlives the world; empty: its number
  ClockConfig clock;
  u64 boot_at_ns = 0;  // kNever: off, until the plan boots it
};

/// Something that entered a world from outside, as it is recorded: queueing the same at the same times repeats the run.
struct InputRecord {
  enum class Kind : u8 {
    ConsoleBytes,
    ConsoleHangup,
    ConsoleSize,    // `value` = columns << 16 | rows
    WatchdogFault,  // of a thread that neither charged nor trapped: `value` = thread_id, `heartbeat` the last it made
  } kind = Kind::ConsoleBytes;
  u32 node = 0;  // number, from 1
  u64 time = 0;  // virtual ns at which it takes effect
  base::Bytes bytes;
  u64 value = 0;
  u64 heartbeat = 0;
  bool secret = false;  // the guest did not show what was typed
};

/// A property that was evaluated, or declared by a program.
struct CheckRecord {
  u32 node = 0;
  u32 thread = 0;         // thread_id
  u32 property = 0;       // in base::kProperties; behind them those that programs declared
  bool declares = false;  // for the first time in this world: `says` says nothing
  base::CheckForm form = base::CheckForm::Mark;
  std::string_view name;  // valid for the call
  base::CheckSays says = base::CheckSays::Hit;
  u64 value = 0;
  u64 time = 0;
};

/// Where a world tells what happened. Any function may be null.
struct Sinks {
  void* context = nullptr;
  void (*console_output)(void* context, u32 node, base::Bytes bytes) = nullptr;
  /// After each 4096 events and at the end: the chain of digests up to here.
  void (*epoch)(void* context, u64 epoch, base::Digest root) = nullptr;
  void (*event)(void* context, const base::Event& event) = nullptr;
  /// Each thing that was taken from outside, before it takes effect.
  void (*input)(void* context, const InputRecord& record) = nullptr;
  /// Each choice that a strategy or an override answered; only with `schedule.on`.
  void (*choice)(void* context, const ChoiceRecord& record) = nullptr;
  /// Each time a thread gets a core, by its actor_key; only with `schedule.on`.
  void (*step)(void* context, u64 actor) = nullptr;
  /// Each evaluation of a property that reached the world, behind its event if it has one.
  void (*checked)(void* context, const CheckRecord& record) = nullptr;
  /// After each kernel entry of a node, when its kernel is in a state that invariants speak of.
  void (*entered)(void* context, u32 node) = nullptr;
  /// Each fault that fired, was lessened or withheld, or was spared by an override.
  void (*fault)(void* context, const InjectRecord& record) = nullptr;
};

class World;

/// A program of a node gives the result of its last order and asks for the next.
struct PuppetCall {
  u32 node = 0;  // number, from 1
  u32 thread_id = 0;
  u64 client = 0;  // which of the plan's programs it is, as the plan told it
  base::Bytes result;
};

/// The plan's own code: what a compiled scenario does at times, and what its programs are told. It is part of what defines
/// the run, so it must be deterministic, and it acts on the world only through the actions of world.h. Either may be null.
struct Script {
  void* context = nullptr;
  /// A time given to World::at has come: world.now().
  void (*action)(void* context, World& world, u64 id) = nullptr;
  /// Writes the next order to `order` and returns its bytes, or kPuppetEnd.
  u64 (*puppet)(void* context, World& world, const PuppetCall& call, base::MutableBytes order) = nullptr;
};

struct WorldConfig {
  u64 seed = 0;
  std::span<const NodeConfig> nodes;              // 1…kNodesMax; copied
  std::span<const machine::NativeEntry> entries;  // a thread's pc is an index here; outlives the world
  kernel::CostTable costs;
  u64 wall_start_ns = kWallStartNs;
  u64 root_stack_bytes = u64{256} << 10;
  bool stealing = true;
  std::span<const LinkConfig> links;  // ≤ kLinksMax; copied
  std::span<const DiskConfig> disks;  // ≤ kDisksMax; copied
  Script script;
  ScheduleConfig schedule;  // how choices are answered; not part of the configuration's digest
  FaultPlan faults;         // nor is this: the rules are told by events
  /// World::rekey will be called: there is room for a schedule and for faults, and neither is given before, but for `blind`.
  bool is_shared = false;
  Sinks sinks;
};

/// Why a world cannot be made; `value` is the offending number.
struct ConfigError {
  enum class Code : u8 {
    NodeCount,
    CoreCount,
    RamSize,
    Memory,
    ImageTooLarge,
    Boot,
    ClockRate,
    NodeName,  // longer than kNameBytesMax; `value`: its bytes
    LinkName,  // the same, or empty; `node` is the link's number from 0
    LinkCount,
    LinkNodes,     // `node` is the link's number from 0: it joins fewer than two nodes, or one that is not there
    LinkSettings,  // `node` is the link's number from 0
    NodeLinks,     // more than kNodeLinksMax end at the node
    DiskCount,
    DiskName,      // longer than kNameBytesMax, empty, or another disk's; `node` is the disk's number from 0, as below
    DiskNode,      // there is no such node
    DiskSize,      // no multiple of 4096 up to kDiskBytesMax, or not as long as its medium
    DiskSettings,  // sector, unit or a setting is out of its range
    NodeDisks,     // more than kNodeDisksMax belong to the node
  } code = Code::NodeCount;
  u32 node = 0;
  u64 value = 0;
};

}  // namespace sim
