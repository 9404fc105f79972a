// sim/model/trace.cpp — folding epochs into the digest tree.
#include "sim/model/trace.h"

#include "base/enforce.h"

namespace sim {

Trace::Trace(std::span<base::Event> ring, std::span<Leaf> leaves) : ring_(ring), leaves_(leaves) {
  ASSERT(ring.size() == kRingEvents);
  ASSERT(leaves.size() % base::kLaneCount == 0);
  log_.next = ring_.data();
  log_.turn = turn;
  make_room();
}

void Trace::observe(void* context, void (*event)(void*, const base::Event&), void (*epoch)(void*, u64, base::Digest)) {
  ASSERT(count() == 0);
  context_ = context;
  on_event_ = event;
  on_epoch_ = epoch;
  make_room();
}

/// The log turns after each event that is observed, else at the end of an epoch.
void Trace::make_room() {
  if (log_.next == ring_.data() + kRingEvents) log_.next = ring_.data();
  log_.limit = log_.next + (on_event_ != nullptr ? 1 : kEpochEvents);
}

void Trace::turn(base::EventLog& log) {
  Trace& trace = *reinterpret_cast<Trace*>(reinterpret_cast<u8*>(&log) - offsetof(Trace, log_));
  if (trace.on_event_ != nullptr) trace.on_event_(trace.context_, log.next[-1]);
  if (log.count % kEpochEvents == 0) trace.close_epoch();
  trace.make_room();
}

void Trace::fold_draw(u32 node, u64 stream, u64 index, u64 value) {
  // No event lies in this lane, so folding at once keeps the same order as the events' batches.
  Leaf& leaf = leaves_[node * base::kLaneCount + static_cast<u32>(base::Lane::Draw)];
  leaf.fold(stream);
  leaf.fold(index);
  leaf.fold(value);
}

const base::Event& Trace::at(u64 sequence) const {
  ASSERT(sequence >= oldest() && sequence <= count());
  return ring_[(sequence - 1) % kRingEvents];
}

void Trace::fold_pending() {
  Leaf order = order_;  // a local copy: the compiler keeps it in registers
  for (; folded_ < count(); ++folded_) {
    const base::Event& event = ring_[folded_ % kRingEvents];
    const u64 word1 = base::word1_of(event);
    const u64 word2 = u64{event.thread} | u64{event.object} << 32;
    Leaf& leaf = leaves_[event.node * base::kLaneCount + event.lane];
    Leaf chain = leaf;
    chain.fold(event.time_ns);
    chain.fold(word1);
    chain.fold(word2);
    chain.fold(event.a);
    chain.fold(event.b);
    chain.fold(event.c);
    leaf = chain;
    order.fold(word1);
    order.fold(event.sequence - event.cause);
  }
  order_ = order;
}

void Trace::close_epoch() {
  if (!folding_) return;
  const u64 folded_before = folded_;
  fold_pending();
  base::D128 world;
  for (u64 node = 0; node < leaves_.size() / base::kLaneCount; ++node) {
    base::D128 digest;
    for (u32 lane = 0; lane < base::kLaneCount; ++lane) digest.fold(leaves_[node * base::kLaneCount + lane].out());
    world.fold(digest.out());
  }
  base::D128 root;
  root.fold(root_);
  root.fold(world.out());
  root.fold(order_.out());
  root.fold(count() - folded_before);
  root_ = root.out();
  epochs_ += 1;
  if (on_epoch_ != nullptr) on_epoch_(context_, epochs_, root_);
}

base::Digest Trace::finish() {
  ASSERT(!finished_);
  finished_ = true;
  if (count() % kEpochEvents != 0) close_epoch();
  return root_;
}

base::Digest Trace::leaf(u32 node, base::Lane lane) const {
  return leaves_[node * base::kLaneCount + static_cast<u32>(lane)].out();
}

}  // namespace sim
