// sim/host/machine_host.h — a world with the memory it needs, on Linux.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sim/host/disk_image.h"
#include "sim/host/machine.h"
#include "sim/host/schedule.h"
#include "sim/model/world.h"

namespace sim::host {

/// One node of a world whose nodes differ.
struct NodeShape {
  std::string name;  // empty: its number
  u32 cores = 1;
  u64 ram_bytes = u64{64} << 20;
  std::string image;  // boot image bytes; empty: the machine's
  ConsoleKind console = ConsoleKind::Absent;
  std::string script;
  u16 columns = 0;
  u16 rows = 0;
  ClockConfig clock;
  u64 boot_at_ns = 0;  // kNever: off, until an action boots it
};

struct LinkShape {
  std::string name;
  std::vector<u32> joins;  // node numbers, from 1
  LinkSettings settings;
};

/// A disk and what is on it at the start: nothing, `content`, or the bytes of a file of the host; the rest reads as zero.
struct DiskShape {
  std::string name;
  u32 node = 1;  // number of the node that has it
  u64 bytes = 0;
  u32 sector_bytes = 512;
  u32 atomic_bytes = 4096;
  DiskSettings settings;
  std::string image;                           // path of the file; with `content` only what it is called
  std::shared_ptr<const std::string> content;  // comes before a file
  std::shared_ptr<const DiskImage> file;       // `image`, opened; null: the machine opens it for reading

  /// Bytes that are given: 0 is a blank disk. A file that is not opened yet has none.
  u64 image_bytes() const { return content ? content->size() : file ? file->bytes() : 0; }
  /// Their digest; all zero for a blank disk.
  base::Digest image_digest() const;
};

struct MachineOptions {
  u64 seed = 0;
  u32 cores = 1;
  u64 ram_bytes = u64{64} << 20;
  u32 nodes = 1;
  std::string image;  // boot image bytes, the same for every node
  ConsoleKind console = ConsoleKind::Absent;
  std::string script;
  u16 columns = 0;
  u16 rows = 0;
  Hardware hardware;  // of the first node; on this machine only tests have any
  std::span<const machine::NativeEntry> entries;
  kernel::CostTable costs;
  Schedule schedule;
  ClockConfig clock;
  u64 wall_start_ns = kWallStartNs;
  std::vector<NodeShape> shapes;  // not empty: the nodes; `nodes` and what describes equal ones above is not used

  std::vector<LinkShape> links;
  std::vector<DiskShape> disks;
  /// `rekey` will be called: the schedule and its faults are given then, not here.
  bool is_shared = false;

  u32 node_count() const { return shapes.empty() ? nodes : static_cast<u32>(shapes.size()); }
  /// Node `index`, from 0.
  NodeShape shape(u32 index) const;
  const std::string& image_of(u32 index) const;
};

/// Owns a world and its memory. Not movable: the world's sinks point into it.
class Machine {
 public:
  using ConsoleOutput = std::function<void(u32 node, base::Bytes bytes)>;
  using EpochRoot = std::function<void(u64 epoch, base::Digest root)>;
  using EventSeen = std::function<void(const base::Event& event)>;
  using InputTaken = std::function<void(const InputRecord& record)>;

  using CheckSeen = std::function<void(const CheckRecord& record)>;
  using KernelLeft = std::function<void(u32 node)>;
  using ChoiceMade = std::function<void(const ChoiceRecord& record)>;
  using Action = std::function<void(World& world, u64 id)>;
  using Puppet = std::function<u64(World& world, const PuppetCall& call, base::MutableBytes order)>;
  using FaultStruck = std::function<void(const InjectRecord& record)>;

  explicit Machine(MachineOptions options) : options_(std::move(options)) {}
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  ConsoleOutput on_output;
  EpochRoot on_epoch;
  EventSeen on_event;
  InputTaken on_input;
  ChoiceMade on_choice;
  CheckSeen on_check;     // each property that was evaluated
  KernelLeft on_entered;  // after each kernel entry
  FaultStruck on_fault;
  /// The plan's own code (Script of config.h): unlike the observers above, part of what defines the run.
  Action on_action;
  Puppet on_puppet;

  /// Maps memory and boots. An error is a text for the user; empty means it worked. Where the strategy needs figures of
  /// a run (pct, few, walk), that run is made first, under `fair` and without observers.
  std::string start();
  /// World::rekey, of a machine that was booted for many runs. What the strategy needs of a run is made as in `start`.
  void rekey(u64 seed, const Schedule& schedule);
  World& world() { return *world_; }
  bool started() const { return world_ != nullptr; }
  /// World::run, remembering how far the run was allowed to go: a recording ends there.
  Outcome run(u64 until);
  u64 ran_until() const { return ran_until_; }
  const MachineOptions& options() const { return options_; }

  /// Makes the file of each disk that was opened to be written back hold what the disk holds now (DiskImage::write_back).
  /// Empty, or what went wrong with the first that could not be.
  std::string write_back();
  /// Empty, or which file of a disk was changed by others while it was in use.
  std::string changed_image() const;

  /// How many of the choices and faults set by the schedule came up so far.
  u64 forced_used() const { return forced_used_; }

 private:
  void set_observers(WorldConfig& config);
  void set_schedule(WorldConfig& config);
  void set_faults(WorldConfig& config);
  void make_pilot();
  std::string make_disks(std::vector<DiskConfig>& configs);
  void read_services();

  MachineOptions options_;
  std::vector<Override> overrides_;
  std::vector<PilotCount> pilot_;
  std::vector<FaultRule> fault_rules_;
  std::vector<FaultOverride> fault_overrides_;
  ServiceNames services_;
  bool has_services_ = false;
  std::function<void(u64 actor)> on_step_;
  u64 forced_used_ = 0;
  std::vector<NodeShape> shapes_;  // of the world's nodes: what it reads lies here
  std::vector<base::MutableBytes> ram_;
  std::vector<base::MutableBytes> media_;
  base::MutableBytes memory_;
  World* world_ = nullptr;
  u64 ran_until_ = 0;
};

std::string text_of(base::Digest digest);  // 32 hexadecimal digits

}  // namespace sim::host
