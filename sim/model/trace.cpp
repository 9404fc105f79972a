// sim/model/trace.cpp — epochs of the digest tree.
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
  Leaf& leaf = leaves_[node * base::kLaneCount + static_cast<u32>(base::Lane::Draw)];
  leaf.fold(stream);
  leaf.fold(index);
  leaf.fold(value);
}

const base::Event& Trace::at(u64 sequence) const {
  ASSERT(sequence >= oldest() && sequence <= count());
  return ring_[(sequence - 1) % kRingEvents];
}

u64 Trace::push(const base::Event& event) {
  return log_.append(
      {.time_ns = event.time_ns,
       .word1 = base::place_word(event.node, event.core) | event.kind | u64{event.lane} << 16 | u64{event.flags} << 48,
       .word2 = base::subject_word(event.thread, event.object),
       .a = event.a,
       .b = event.b,
       .c = event.c,
       .cause = event.cause},
      leaves_of(event.node)[event.lane]);
}

void Trace::close_epoch() {
  if (!log_.folding) return;
  base::D128 world;
  for (u64 node = 0; node < leaves_.size() / base::kLaneCount; ++node) {
    base::D128 digest;
    for (u32 lane = 0; lane < base::kLaneCount; ++lane) digest.fold(leaves_[node * base::kLaneCount + lane].out());
    world.fold(digest.out());
  }
  base::D128 root;
  root.fold(root_);
  root.fold(world.out());
  root.fold(log_.order.out());
  root.fold(count() - epoch_start_);
  epoch_start_ = count();
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
