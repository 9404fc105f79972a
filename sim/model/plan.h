// sim/model/plan.h — a portable plan as bytes: everything that defines the run of one node with a scripted console, for a
// machine that has neither files nor arguments; and the frames in which such a machine answers on its serial line.
//
// A plan is a header of kPlanHeaderBytes, the cost table, the script and a checksum, all little-endian:
//
//     0  magic "ORRYPLAN"                     64  seed                  112  bytes of the cost table (u32)
//     8  version (u32), flags (u32)           72  memory, bytes         116  bytes of the script (u32)
//    16  bytes of the whole plan (u64)        80  cores (u32), 0 (u32)  120  first event wanted (0: none)
//    24  0 (u64)                              88  start of the wall     128  last event wanted
//    32  model id (32 bytes)                 104  stack of the root task     136  0 (u64)
//                                             96  stealing (u64)
//   144  cost table, script, D128 of all bytes before it (16 bytes: first word, second word)
#pragma once
#include "base/digest.h"
#include "sim/model/config.h"

namespace sim {

constexpr u32 kPlanVersion = 1;
constexpr u64 kPlanHeaderBytes = 144;
constexpr u64 kPlanBytesMax = u64{1} << 20;
constexpr std::string_view kPlanMagic = "ORRYPLAN";

/// Names the sources that can change a trace: SHA-256 of the sorted (path, content) list of the core, made by
/// tools/model_id.py. Two builds with one model id must give one run the same digest.
constexpr u64 kModelIdBytes = 32;
base::Bytes model_id();

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
};

struct PlanError {
  enum class Code : u8 { Short, Magic, Version, TooLarge, Length, Checksum, OtherModel, Cores, Memory, Costs, Flags };
  Code code = Code::Short;
  u64 value = 0;    // what the plan says
  u64 allowed = 0;  // what would do
};
/// What is wrong, for a person.
std::string_view describe(const PlanError& error, std::span<char> out);

/// Bytes that `plan` takes.
u64 plan_bytes(const Plan& plan);
/// Writes `plan` for the machine with this model; `out` has plan_bytes(plan), at most kPlanBytesMax.
void encode_plan(const Plan& plan, base::MutableBytes out);
/// Reads a plan; `bytes` may go on behind it. The script stays where it is.
base::Result<Plan, PlanError> decode_plan(base::Bytes bytes);

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
