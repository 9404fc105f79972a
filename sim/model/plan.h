// sim/model/plan.h — a portable plan as bytes: everything that defines the run of one node with a scripted console, its
// clock, its disks, its schedule and its faults, for a machine that has neither files nor arguments; and the frames in
// which such a machine answers on its serial line.
//
// A plan is a header of kPlanHeaderBytes, then the cost table, the script, the schedule, the faults, the disks, a note, and
// a checksum, all little-endian:
//
//     0  magic "ORRYPLAN"                     72  memory, bytes           136  bytes of the disks (u64)
//     8  version (u32), flags (u32)           80  cores (u32), 0 (u32)    144  skew of the clock, ns (i64)
//    16  bytes of the whole plan (u64)        88  start of the wall       152  drift of the clock, ppm (i32), 0 (u32)
//    24  0 (u64)                              96  stealing (u64)          160  bytes of the schedule (u32), of the faults (u32)
//    32  model id (32 bytes)                 104  stack of the root task  168  bytes of the note (u32), 0 (u32)
//    64  seed                                112  bytes of the cost table (u32), of the script (u32)
//                                            120  first event wanted (0: none), last event wanted
//   176  cost table, script, schedule, faults, disks, note, D128 of all bytes before it (16 bytes: first word, second word)
//
// Schedule, faults and disks are lists of u64, texts in them (what a disk holds at the start, too) a length and bytes; each
// is empty where the run has none. The note
// is for whoever reads the plan back: schedule and faults as an overrides file has them. The machine does not look at it.
#pragma once
#include "base/digest.h"
#include "sim/model/config.h"
#include "sim/model/faults/ledger.h"

namespace sim {

constexpr u32 kPlanVersion = 3;
constexpr u64 kPlanHeaderBytes = 176;
constexpr u64 kPlanBytesMax = u64{1} << 20;
constexpr std::string_view kPlanMagic = "ORRYPLAN";
constexpr u32 kPlanOverridesMax = 4096;
constexpr u32 kPlanPilotMax = 1024;

/// Names the sources that can change a trace: SHA-256 of the sorted (path, content) list of the core, made by
/// tools/model_id.py. Two builds with one model id must give one run the same digest.
constexpr u64 kModelIdBytes = 32;
base::Bytes model_id();

/// A disk of the node, without memory and digest: whoever runs the plan has them, the digest from `content`.
struct PlanDisk {
  DiskConfig config;
  base::Bytes content;  // its first bytes at the start; the rest is zero
};

struct Plan {
  u64 seed = 0;
  u64 ram_bytes = 0;
  u32 cores = 1;
  u64 wall_start_ns = kWallStartNs;
  u64 root_stack_bytes = u64{256} << 10;
  bool stealing = true;
  bool framed = false;  // answer in frames; else as text for a person
  bool epochs = false;  // tell the root of each epoch
  u64 events_from = 0;  // events to tell in full, by sequence; 0: none
  u64 events_to = 0;
  kernel::CostTable costs;
  base::Bytes script;
  ClockConfig clock;
  ScheduleConfig schedule;
  FaultPlan faults;
  std::span<const PlanDisk> disks;
  std::string_view note;
};

constexpr u32 kVitalMax = 16;

/// Where the lists of a plan that is read lie.
struct PlanStorage {
  Override overrides[kPlanOverridesMax];
  PilotCount pilot[kPlanPilotMax];
  FaultRule rules[kFaultRulesMax];
  FaultOverride fault_overrides[kPlanOverridesMax];
  FaultService services[kServicesMax];
  std::string_view vital[kVitalMax];
  PlanDisk disks[kNodeDisksMax];
};

struct PlanError {
  enum class Code : u8 {
    Short,
    Magic,
    Version,
    TooLarge,
    Length,
    Checksum,
    OtherModel,
    Cores,
    Memory,
    Costs,
    Flags,
    Clock,
    Schedule,  // `value`: the place in the section at which it is wrong
    Faults,    // the same
    Disks,     // the same
  };
  Code code = Code::Short;
  u64 value = 0;    // what the plan says
  u64 allowed = 0;  // what would do
};
/// What is wrong, for a person.
std::string_view describe(const PlanError& error, std::span<char> out);

/// Bytes that `plan` takes.
u64 plan_bytes(const Plan& plan);
/// Whether a machine can read it: it and its lists are not too long.
base::Result<void, PlanError> check_plan(const Plan& plan);
/// Writes `plan`, which has been checked, for the machine with this model; `out` has plan_bytes(plan).
void encode_plan(const Plan& plan, base::MutableBytes out);
/// Asks for other events in a plan that was encoded.
void set_plan_events(base::MutableBytes plan, u64 from, u64 to);
/// Reads a plan; `bytes` may go on behind it. Script and texts stay where they are.
base::Result<Plan, PlanError> decode_plan(base::Bytes bytes, PlanStorage& storage);

// ── What a machine answers when the plan says `framed` ───────────────────────────────────────────────────────
/// Everything before this text is other people's (firmware); everything after it is frames: kind (u8), length (u16),
/// payload.
constexpr std::string_view kFramesBegin = "%%orrery-frames-1%%\n";
constexpr u64 kFrameHeaderBytes = 3;
constexpr u64 kFramePayloadMax = 4096;

enum class FrameKind : u8 {
  Console = 'C',  // what the guest wrote
  Text = 'T',     // what the machine itself has to say
  Root = 'R',     // epoch, events so far, root (4 words)
  Event = 'E',    // one event, its 64 bytes
  Leaves = 'L',   // digests of all (node, lane), 2 words each, when the last event wanted was told
  End = 'X',      // outcome, guest status, events, virtual ns, tainted, root (7 words)
  Failed = 'F'    // the machine gives up: exit status (1 word)
};

}  // namespace sim
