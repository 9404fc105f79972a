// The trace digest: every word counts, order counts, and sequence numbers do not leak from lane to lane.
#include <catch2/catch.hpp>

#include <vector>

#include "base/prng.h"
#include "sim/model/trace.h"

using namespace sim;
using base::Event;
using base::Lane;

namespace {

struct Recorder {
  explicit Recorder(u32 nodes = 1) : ring(kRingEvents), leaves((nodes + 1) * base::kLaneCount), trace(ring, leaves) {
    trace.observe(this, nullptr, [](void* self, u64 epoch, base::Digest root) {
      static_cast<Recorder*>(self)->roots.push_back({epoch, root});
    });
  }
  std::vector<Event> ring;
  std::vector<Trace::Leaf> leaves;
  std::vector<std::pair<u64, base::Digest>> roots;
  Trace trace;
};

Event random_event(base::Prng& prng) {
  Event event;
  event.time_ns = prng.next();
  event.kind = static_cast<u16>(prng.below(170));
  event.lane = static_cast<u8>(prng.below(16));
  event.core = static_cast<u8>(prng.next());
  event.node = static_cast<u16>(prng.below(2));
  event.flags = static_cast<u16>(prng.next());
  event.thread = static_cast<u32>(prng.next());
  event.object = static_cast<u32>(prng.next());
  event.a = prng.next();
  event.b = prng.next();
  event.c = prng.next();
  return event;
}

base::Digest digest_of(const std::vector<Event>& events) {
  Recorder recorder;
  for (const Event& event : events) recorder.trace.push(event);
  return recorder.trace.finish();
}

}  // namespace

TEST_CASE("an epoch closes every 4096 events and once at the end", "[sim][trace]") {
  Recorder recorder;
  for (u32 i = 0; i < 2 * kEpochEvents + 7; ++i) recorder.trace.push({.time_ns = i, .kind = 1, .lane = 1});
  CHECK(recorder.roots.size() == 2);
  const base::Digest root = recorder.trace.finish();
  REQUIRE(recorder.roots.size() == 3);
  CHECK(recorder.roots[2].first == 3);
  CHECK(recorder.roots[2].second == root);
  CHECK(recorder.trace.count() == 2 * kEpochEvents + 7);
}

TEST_CASE("the root depends on every bit of the words 0 to 5 and on the order of events", "[sim][trace][property]") {
  base::Prng prng{1, "test.trace"};
  std::vector<Event> events;
  for (u32 i = 0; i < 100; ++i) events.push_back(random_event(prng));
  const base::Digest root = digest_of(events);
  CHECK(digest_of(events) == root);
  for (u32 word = 0; word < 6; ++word) {
    for (u32 round = 0; round < 20; ++round) {
      CAPTURE(word, round);
      std::vector<Event> changed = events;
      const u64 which = prng.below(changed.size());
      u64 bit = prng.below(64);
      if (word == 1) bit = bit < 16 ? bit : 24 + bit % 8;  // kind and core; lane and node choose the leaf
      u8* bytes = reinterpret_cast<u8*>(&changed[which]);
      bytes[word * 8 + bit / 8] ^= static_cast<u8>(1u << bit % 8);
      CHECK(digest_of(changed) != root);
    }
  }
  for (u32 i = 0; i + 1 < events.size(); ++i) {
    std::vector<Event> swapped = events;
    std::swap(swapped[i], swapped[i + 1]);
    CHECK(digest_of(swapped) != root);
  }
}

TEST_CASE("one more event in a lane leaves the digests of the other lanes", "[sim][trace]") {
  Recorder plain;
  Recorder more;
  for (u32 i = 0; i < 50; ++i) {
    const Event ipc = {.time_ns = i, .kind = 10, .lane = static_cast<u8>(Lane::Ipc), .node = 1, .a = i};
    const Event sched = {.time_ns = i, .kind = 1, .lane = static_cast<u8>(Lane::Sched), .node = 1, .a = i};
    plain.trace.push(ipc);
    plain.trace.push(sched);
    more.trace.push(ipc);
    if (i == 20) more.trace.push({.time_ns = i, .kind = 10, .lane = static_cast<u8>(Lane::Ipc), .node = 1, .a = 99});
    more.trace.push(sched);
  }
  CHECK(plain.trace.finish() != more.trace.finish());
  CHECK(plain.trace.leaf(1, Lane::Ipc) != more.trace.leaf(1, Lane::Ipc));
  CHECK(plain.trace.leaf(1, Lane::Sched) == more.trace.leaf(1, Lane::Sched));
}

TEST_CASE("a draw folds into its lane without an event", "[sim][trace]") {
  Recorder with;
  Recorder without;
  with.trace.push({.kind = 1, .lane = 1, .node = 1});
  without.trace.push({.kind = 1, .lane = 1, .node = 1});
  with.trace.fold_draw(1, 2, 3, 4);
  CHECK(with.trace.count() == without.trace.count());
  CHECK(with.trace.finish() != without.trace.finish());
  CHECK(with.trace.leaf(1, Lane::Draw) != without.trace.leaf(1, Lane::Draw));
  CHECK(with.trace.leaf(1, Lane::Sched) == without.trace.leaf(1, Lane::Sched));
}

TEST_CASE("the ring keeps the last 65 536 events", "[sim][trace]") {
  Recorder recorder;
  for (u64 i = 1; i <= kRingEvents + 100; ++i) recorder.trace.push({.time_ns = i, .kind = 1, .lane = 1});
  CHECK(recorder.trace.oldest() == 101);
  for (const u64 sequence : {u64{101}, u64{5000}, u64{kRingEvents} + 100}) {
    CHECK(recorder.trace.at(sequence).sequence == sequence);
    CHECK(recorder.trace.at(sequence).time_ns == sequence);
  }
}
