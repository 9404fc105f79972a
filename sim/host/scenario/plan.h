// sim/host/scenario/plan.h — what a scenario file declares. Numbers may still be ranges: a seed makes them one value each.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "sim/host/scenario/values.h"

namespace sim::host::scenario {

struct Where {
  std::string file;
  int line = 0;
};
std::string text_of(const Where& where);  // "notes.lua:12"

constexpr int kNoFunction = -2;  // LUA_NOREF

struct NodePlan {
  std::string name;
  Where where;
  Quantity cores = Quantity::fixed(Unit::Count, 1);
  Quantity memory = Quantity::fixed(Unit::Size, i64{64} << 20);
  Quantity skew = Quantity::fixed(Unit::Duration, 0);
  Quantity drift = Quantity::fixed(Unit::Number, 0);  // ppm
  Quantity boots_at = Quantity::fixed(Unit::Duration, 0);
  std::vector<std::string> tags;
  std::vector<u32> disks;                                     // indices
  std::vector<std::pair<std::string, std::string>> files;     // path, text: added to the boot image
  std::vector<std::pair<std::string, std::string>> services;  // name, manifest
  bool has_console = false;
  u16 columns = 80;
  u16 rows = 25;
};

struct LinkPlan {
  std::string name;
  Where where;
  std::vector<u32> joins;  // indices of nodes
  Quantity latency = Quantity::fixed(Unit::Duration, 200'000);
  Quantity jitter = Quantity::fixed(Unit::Duration, 0);
  Quantity bandwidth = Quantity::fixed(Unit::Rate, 1'000'000'000);
  Quantity queue = Quantity::fixed(Unit::Size, i64{256} << 10);
  Quantity mtu = Quantity::fixed(Unit::Count, 1500);
};

struct DiskPlan {
  std::string name;
  Where where;
  u32 node = ~u32{0};  // index of who has it
  Quantity size = Quantity::fixed(Unit::Size, i64{16} << 20);
  Quantity latency = Quantity::fixed(Unit::Duration, 80'000);
  Quantity bandwidth = Quantity::fixed(Unit::Rate, 4'000'000'000);
  Quantity queue = Quantity::fixed(Unit::Count, 32);
  Quantity channels = Quantity::fixed(Unit::Count, 1);
  Quantity cache_size = Quantity::fixed(Unit::Size, i64{1} << 20);
  std::string cache = "volatile";
  u64 sector = 512;
  u64 atomic = 4096;
  std::string from;  // a file beside the scenario, one of its sources; empty: a blank disk
};

struct RackPlan {
  std::string name;
  Where where;
  std::vector<u32> nodes;
};

struct ClientPlan {
  std::string name;
  Where where;
  u32 node = 0;
  int function = kNoFunction;
};

/// Something that happens by itself: at a time, again and again, or when an event matches.
struct TriggerPlan {
  enum class Kind : u8 { At, Every, When } kind = Kind::At;
  Where where;
  Quantity time = Quantity::fixed(Unit::Duration, 0);
  std::string pattern;
  u64 times = ~u64{0};
  int function = kNoFunction;
};

struct PropertyPlan {
  std::string form;  // always never sometimes at-most-once eventually leads-to hot watermark
  std::string name;
  Where where;
  int function = kNoFunction;
  int key = kNoFunction;  // at-most-once: of an event
  std::string pattern;    // or what reaches it; of `always` when it is asked
  std::string second;     // leads-to: what must follow; hot: what cools
  Quantity within = Quantity::fixed(Unit::Duration, 30'000'000'000);
};

constexpr const char* kOwnModel = "own";  // HistoryPlan::model of a model that the file gives

struct HistoryPlan {
  std::string name;
  Where where;
  std::string model;
  int initial = kNoFunction;  // of a model of the file's own: its `init`, a value or a function
  int apply = kNoFunction;
  std::vector<std::string> reads;  // its operations that change nothing
  bool per_key = true;
  bool buffered = false;  // what was answered is durable only by a sync
  u32 node = ~u32{0};     // keeps the data: its power cuts take back; ~0: no single node could be meant
};

/// A file that a run is held against: what consoles said, or the events of a pattern.
struct GoldenPlan {
  std::string file;  // beside the scenario
  Where where;
  std::string events;     // pattern; empty: consoles
  bool has_seed = false;  // only the plain run of this seed is held against it
  u64 seed = 0;
};

struct FaultsPlan {
  bool declared = false;
  Where where;
  std::vector<std::string> allow;   // classes and patterns of them, with knobs as `--fault` takes them
  std::vector<std::string> forbid;  // classes and patterns
  Quantity intensity = Quantity::fixed(Unit::Count, 2);
  bool swarm = true;  // each seed strikes with a part of the classes
  u64 nodes_down = 0;
  u64 copies_lost = 0;
  u64 clock_error_ns = 1'000'000'000;
};

struct Plan {
  std::string name;
  std::string about;
  Where where;
  u64 lasts_ns = 10'000'000'000;
  u64 warmup_ns = 1'000'000'000;
  u64 liveness_ns = 30'000'000'000;
  u64 quantum_ns = 0;  // 0: the model's own
  u64 steps_max = 20'000'000;
  u64 wall_start_ns = 0;  // 0: the default
  bool shared_boot = false;
  std::vector<std::pair<std::string, i64>> costs;
  std::vector<NodePlan> nodes;
  std::vector<LinkPlan> links;
  std::vector<DiskPlan> disks;
  std::vector<RackPlan> racks;
  std::vector<ClientPlan> clients;
  std::vector<TriggerPlan> triggers;
  std::vector<PropertyPlan> properties;
  std::vector<HistoryPlan> histories;
  std::vector<GoldenPlan> goldens;
  std::string excuse;  // runs must be excused, and the excuse hold this text; empty: nothing is expected
  FaultsPlan faults;
  std::vector<std::string> invariants;
  std::string cadence;
  int ready = kNoFunction;
  std::vector<std::pair<int, Where>> finals;
};

/// The plan as text, one declaration a line: what `orrery scenario plan` shows, and a part of the plan's id.
std::string text_of(const Plan& plan);

}  // namespace sim::host::scenario
