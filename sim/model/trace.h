// sim/model/trace.h — the trace of a run and its digest. Events go into a ring of the last 65 536 and are folded into one
// chain per (node, lane) and into the order chain as they are written; every 4096 of them close an epoch: the chains are
// folded into the root.
#pragma once
#include "base/event_log.h"

namespace sim {

constexpr u32 kEpochEvents = 4096;
constexpr u32 kRingEvents = 65536;
static_assert(kRingEvents % kEpochEvents == 0);

class Trace {
 public:
  using Leaf = base::D128;

  /// `ring` has kRingEvents events; `leaves` (nodes + 1) × kLaneCount chains, the world's own first.
  Trace(std::span<base::Event> ring, std::span<Leaf> leaves);

  /// Before the first event.
  void observe(void* context, void (*event)(void*, const base::Event&), void (*epoch)(void*, u64, base::Digest));

  /// Whether events are folded; off only where the digest's own cost is measured.
  void set_folding(bool on) { log_.folding = on; }

  base::EventLog& log() { return log_; }
  /// The chains of a node, by lane.
  Leaf* leaves_of(u32 node) { return &leaves_[node * base::kLaneCount]; }
  /// Appends an event; its sequence is set. Returns that.
  u64 push(const base::Event& event);

  /// A draw of the seed: folds into its node's draw lane without an event.
  void fold_draw(u32 node, u64 stream, u64 index, u64 value);

  /// Events so far; the sequence of the last one.
  u64 count() const { return log_.count; }
  /// The event with this sequence; it must be among the last kRingEvents.
  const base::Event& at(u64 sequence) const;
  u64 oldest() const { return count() > kRingEvents ? count() - kRingEvents + 1 : 1; }

  /// Closes the last, partial epoch. Afterwards `root` is the run's trace digest and nothing may be pushed.
  base::Digest finish();
  /// The chain up to the last closed epoch.
  base::Digest root() const { return root_; }
  u64 epochs() const { return epochs_; }
  /// Digest of one chain so far.
  base::Digest leaf(u32 node, base::Lane lane) const;

 private:
  static void turn(base::EventLog& log);
  void make_room();
  void close_epoch();

  base::EventLog log_;  // first: `turn` finds its trace by it
  std::span<base::Event> ring_;
  std::span<Leaf> leaves_;
  base::Digest root_;
  u64 epoch_start_ = 0;  // events before the open epoch
  u64 epochs_ = 0;
  bool finished_ = false;
  void* context_ = nullptr;
  void (*on_event_)(void*, const base::Event&) = nullptr;
  void (*on_epoch_)(void*, u64, base::Digest) = nullptr;
};

}  // namespace sim
