// base/events.h — the one event of a run: 64 bytes, little-endian, no padding, no pointers. The emitter fills the
// record (words 2–5) and names kind and flags; the world adds time, node, sequence and cause.
#pragma once
#include <bit>
#include <cstddef>
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
static_assert(std::endian::native == std::endian::little);  // word 1 is stored and loaded whole

/// Word 1 of an event, without its kind: where it happened.
constexpr u64 place_word(u32 node, u32 core) { return u64{node} << 32 | u64{core} << 24; }
constexpr u64 kind_word(EventKind kind, u16 flags) {
  return u64{static_cast<u16>(kind)} | u64{static_cast<u8>(kLanes.of(kind))} << 16 | u64{flags} << 48;
}
inline void set_word1(Event& event, u64 word) {
  __builtin_memcpy(reinterpret_cast<u8*>(&event) + offsetof(Event, kind), &word, sizeof word);
}
inline u64 word1_of(const Event& event) {
  u64 word;
  __builtin_memcpy(&word, reinterpret_cast<const u8*>(&event) + offsetof(Event, kind), sizeof word);
  return word;
}

/// Events written in place, without a call or a copy: the emitter fills `next`, whole but for its sequence, and commits.
struct EventLog {
  Event* next = nullptr;
  Event* limit = nullptr;  // when `next` gets there, `turn` sees to what was written and makes room
  u64 count = 0;           // events so far: the sequence of the last one
  u64 cause = 0;           // of what is emitted now
  void (*turn)(EventLog& log) = nullptr;

  u64 commit() {
    count += 1;
    next->sequence = count;
    next += 1;
    if (next == limit) [[unlikely]]
      turn(*this);
    return count;
  }
};

/// Where an emitter puts its events: a function and its context, so that the core needs no virtual call table. A kernel
/// that has a `log` as well writes there what it does in an entry.
struct EventSink {
  void (*emit)(void* context, const EventRecord& record) = nullptr;
  void* context = nullptr;
  EventLog* log = nullptr;
  u64* woken_by = nullptr;  // with a log: sequence of the last wake of each thread, by the slot of its id
  u16 node = 0;
  void operator()(const EventRecord& record) const {
    if (emit != nullptr) emit(context, record);
  }
};

}  // namespace base
