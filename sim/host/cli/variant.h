// sim/host/cli/variant.h — what `verify` and its children say to each other. A child writes one Root an epoch and may be
// kWindow of them ahead; the parent answers each with a byte: go on, or hand over what the ring still holds. Anything that
// speaks this on these three descriptors can be a variant.
#pragma once
#include "base/digest.h"
#include "base/events.h"
#include "sim/model/trace.h"

namespace sim::host::cli {

constexpr u32 kWindow = 8;
static_assert((kWindow + 2) * kEpochEvents < kRingEvents, "the ring must still hold the place of a difference");

/// One line of a child's progress. `end` marks the last: the run is over.
struct Root {
  u64 epoch = 0;
  u64 events = 0;
  base::Digest root;
  u64 end = 0;
  u64 exit_code = 0;          // of the last
  u64 breach_sequence = 0;    // of the first forbidden call, with its name
  char breach_call[48] = {};  // empty: none
};

enum class Answer : u8 { GoOn = 'g', HandOver = 'h', Quit = 'q' };

/// What follows HandOver: this, then the events from `oldest` on, then the leaves.
struct Dump {
  u64 oldest = 0;
  u64 newest = 0;
  u64 leaf_count = 0;
};

constexpr int kRecordingFd = 197;  // child reads: what is to be run, as a recording
constexpr int kRootsFd = 198;      // child writes
constexpr int kAnswersFd = 199;    // child reads

}  // namespace sim::host::cli
