// base/event_log.h — where events are written and folded, without a call, a record or a copy. An event is folded while its
// words are in registers: the chains' latency hides behind the work of whoever emits, see docs/decisions/digest.md.
#pragma once
#include <bit>
#include <cstddef>

#include "base/digest.h"
#include "base/events.h"

namespace base {

static_assert(std::endian::native == std::endian::little);  // words 1 and 2 are stored whole

/// Word 1 of an event is the sum of these two.
constexpr u64 place_word(u32 node, u32 core) { return u64{node} << 32 | u64{core} << 24; }
constexpr u64 kind_word(EventKind kind, u16 flags) {
  return u64{static_cast<u16>(kind)} | u64{static_cast<u8>(kLanes.of(kind))} << 16 | u64{flags} << 48;
}
constexpr u64 subject_word(u32 thread, u32 object) { return u64{thread} | u64{object} << 32; }

/// An event but for its sequence, in words.
struct EventWords {
  u64 time_ns = 0;
  u64 word1 = 0;
  u64 word2 = 0;
  u64 a = 0;
  u64 b = 0;
  u64 c = 0;
  u64 cause = 0;
};

struct EventLog {
  Event* next = nullptr;
  Event* limit = nullptr;  // when `next` gets there, `turn` sees to what was written and makes room
  u64 count = 0;           // events so far: the sequence of the last one
  u64 cause = 0;           // of what a kernel emits now
  void (*turn)(EventLog& log) = nullptr;
  D128 order;           // the order chain: word 1 and sequence − cause of every event
  bool folding = true;  // off where nobody wants the digest

  /// Writes an event to `place`.
  [[gnu::always_inline]] static void put(Event& place, const EventWords& words, u64 sequence) {
    u8* at = reinterpret_cast<u8*>(&place);
    place.time_ns = words.time_ns;
    __builtin_memcpy(at + 8, &words.word1, 8);
    __builtin_memcpy(at + 16, &words.word2, 8);
    place.a = words.a;
    place.b = words.b;
    place.c = words.c;
    place.sequence = sequence;
    place.cause = words.cause;
  }
  /// Folds an event into the chain of its node and lane and into the order chain.
  [[gnu::always_inline]] static void fold(const EventWords& words, u64 sequence, D128& leaf, D128& order_chain) {
    leaf.fold(words.time_ns, words.word1, words.word2, words.a, words.b, words.c);
    order_chain.fold(words.word1, sequence - words.cause);
  }

  /// Appends one event; returns its sequence. `leaf`: the chain of its node and lane.
  [[gnu::noinline]] u64 append(const EventWords& words, D128& leaf) {
    count += 1;
    put(*next, words, count);
    if (folding) fold(words, count, leaf, order);
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
  D128* leaves = nullptr;   // with a log: the chains of the emitter's node, by lane
  u64* woken_by = nullptr;  // with a log: sequence of the last wake of each thread, by the slot of its id
  u16 node = 0;
  void operator()(const EventRecord& record) const {
    if (emit != nullptr) emit(context, record);
  }
};

}  // namespace base
