// base/events.h — the one event of a run: 64 bytes, little-endian, no padding, no pointers. The emitter fills the
// record (words 2–5) and names kind and flags; the world adds time, node, sequence and cause.
#pragma once
#include <type_traits>

#include "base/types.h"

namespace base {

enum class Lane : u8 {
  World = 0,
  Sched,
  Ipc,
  Cap,
  Mem,
  Trap,
  Budget,
  Irq,
  Disk,
  Net,
  Fs,
  Vm,
  Host,
  Inject,
  Check,
  Draw,
};
constexpr u32 kLaneCount = 16;

enum class EventKind : u16 {
  None = 0,
#define EVENT(identifier, number, lane, name, operands) identifier = number,
#include "base/events.def"
};

// The formatter would join a macro's last line with the #include below it.
// clang-format off

/// The lane of a kind; fixed by the table.
constexpr Lane lane_of(EventKind kind) {
  switch (kind) {
#define EVENT(identifier, number, lane, name, operands) \
  case EventKind::identifier:                           \
    return Lane::lane;
#include "base/events.def"
    case EventKind::None: break;
  }
  return Lane::World;
}

/// The name of a kind as filters write it; "?" for a number no kind has.
constexpr std::string_view name_of(EventKind kind) {
  switch (kind) {
#define EVENT(identifier, number, lane, name, operands) \
  case EventKind::identifier:                           \
    return name;
#include "base/events.def"
    case EventKind::None: break;
  }
  return "?";
}
// clang-format on

/// lane_of as a table, for the path of every event.
struct LaneTable {
  static constexpr u32 kKindsMax = 256;
  Lane lanes[kKindsMax] = {};
  constexpr LaneTable() {
    for (u32 kind = 0; kind < kKindsMax; ++kind) lanes[kind] = lane_of(static_cast<EventKind>(kind));
  }
  constexpr Lane of(EventKind kind) const { return lanes[static_cast<u16>(kind) % kKindsMax]; }
};
inline constexpr LaneTable kLanes;

/// What an emitter says; the payload of an event.
struct EventRecord {
  EventKind kind = EventKind::None;
  u8 core = 0;
  u8 reserved = 0;
  u16 flags = 0;
  u16 reserved1 = 0;
  u32 thread = 0;  // thread_id, 0 none
  u32 object = 0;
  u64 a = 0;
  u64 b = 0;
  u64 c = 0;
};
static_assert(sizeof(EventRecord) == 40 && std::has_unique_object_representations_v<EventRecord>);

struct Event {
  u64 time_ns = 0;
  u16 kind = 0;
  u8 lane = 0;
  u8 core = 0;
  u16 node = 0;
  u16 flags = 0;
  u32 thread = 0;
  u32 object = 0;
  u64 a = 0;
  u64 b = 0;
  u64 c = 0;
  u64 sequence = 0;
  u64 cause = 0;
};
static_assert(sizeof(Event) == 64 && std::has_unique_object_representations_v<Event>);

}  // namespace base
