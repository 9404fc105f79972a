// The event queue against a naive twin: a sorted list.
#include <catch2/catch.hpp>

#include <algorithm>
#include <vector>

#include "base/prng.h"
#include "sim/model/event_queue.h"

using namespace sim;

namespace {

struct Storage {
  explicit Storage(u32 capacity) : heap(capacity), slots(capacity) {}
  std::vector<EventQueue::HeapNode> heap;
  std::vector<EventQueue::Slot> slots;
};

bool earlier(const QueueEntry& left, const QueueEntry& right) {
  return left.time != right.time ? left.time < right.time : left.order < right.order;
}

}  // namespace

TEST_CASE("the queue gives entries in order of time, class, source and counter", "[sim][queue][model]") {
  for (u64 seed = 0; seed < 100; ++seed) {
    CAPTURE(seed);
    base::Prng prng{seed, "test.queue"};
    Storage storage(64);
    EventQueue queue(storage.heap, storage.slots);
    std::vector<std::pair<EntryHandle, QueueEntry>> model;
    u64 counter = 0;
    for (u32 round = 0; round < 400; ++round) {
      const u64 choice = prng.below(10);
      if (choice < 5 && queue.size() < queue.capacity()) {
        counter += 1;
        QueueEntry entry;
        entry.time = prng.below(20);
        const u64 entry_class = prng.below(6);
        const u64 source = prng.below(4);
        entry.order = order_of(static_cast<EntryClass>(entry_class), static_cast<u32>(source), counter);
        entry.argument = counter;
        const EntryHandle handle = queue.push(entry);
        model.push_back({handle, entry});
      } else if (choice < 8 && !model.empty()) {
        const auto first = std::min_element(model.begin(), model.end(), [](const auto& left, const auto& right) {
          return earlier(left.second, right.second);
        });
        REQUIRE(queue.head_time() == first->second.time);
        REQUIRE(queue.pop().argument == first->second.argument);
        model.erase(first);
      } else if (!model.empty()) {
        const u64 victim = prng.below(model.size());
        queue.remove(model[victim].first);
        model.erase(model.begin() + static_cast<std::ptrdiff_t>(victim));
      }
      REQUIRE(queue.size() == model.size());
      REQUIRE(queue.check_invariants());
    }
  }
}

TEST_CASE("an added source reorders no tie of the others", "[sim][queue][property][simulation.T15]") {
  for (u64 seed = 0; seed < 100; ++seed) {
    CAPTURE(seed);
    // The same entries of sources 0…3, with and without the entries of source 9 mixed in: the order of the former among
    // each other stays, although all times are equal.
    std::vector<u64> orders[2];
    for (u32 with_source : {0u, 1u}) {
      base::Prng prng{seed, "test.ties"};
      Storage storage(128);
      EventQueue queue(storage.heap, storage.slots);
      u64 counters[10] = {};
      for (u32 i = 0; i < 32; ++i) {
        const u64 source = prng.below(4);
        const u64 entry_class = prng.below(6);
        if (with_source != 0) {
          queue.push(
              {.time = 5, .order = order_of(static_cast<EntryClass>(entry_class), 9, ++counters[9]), .argument = 999});
        }
        queue.push(
            {.time = 5,
             .order = order_of(static_cast<EntryClass>(entry_class), static_cast<u32>(source), ++counters[source]),
             .argument = i});
      }
      while (!queue.empty()) {
        const QueueEntry entry = queue.pop();
        if (entry.argument != 999) orders[with_source].push_back(entry.argument);
      }
    }
    REQUIRE(orders[0] == orders[1]);
  }
}

TEST_CASE("entries equal to the head are found by source, first of each, in their order", "[sim][queue][model]") {
  for (u64 seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    base::Prng prng{seed, "test.queue-heads"};
    Storage storage(64);
    EventQueue queue(storage.heap, storage.slots);
    std::vector<QueueEntry> model;
    for (u64 counter = 0; counter < 40; ++counter) {
      QueueEntry entry;
      entry.time = prng.below(3);
      const u64 entry_class = prng.below(3);
      const u64 source = prng.below(6);
      entry.order = order_of(static_cast<EntryClass>(entry_class), static_cast<u32>(source), counter);
      queue.push(entry);
      model.push_back(entry);
    }
    std::sort(model.begin(), model.end(), earlier);
    std::vector<u64> wanted;
    for (const QueueEntry& entry : model) {
      const QueueEntry& head = model.front();
      if (entry.time != head.time || entry.order >> 60 != head.order >> 60) break;
      const bool later = !wanted.empty() && wanted.back() >> kCounterBits == entry.order >> kCounterBits;
      if (!later) wanted.push_back(entry.order);
    }
    for (const std::size_t room : {std::size_t{16}, std::size_t{2}}) {
      std::vector<EntryHandle> found(room);
      found.resize(queue.equal_heads(found));
      std::vector<u64> orders;
      for (const EntryHandle handle : found) orders.push_back(queue.entry(handle).order);
      CHECK(orders == std::vector<u64>(wanted.begin(),
                                       wanted.begin() + static_cast<std::ptrdiff_t>(std::min(room, wanted.size()))));
    }
  }
}
