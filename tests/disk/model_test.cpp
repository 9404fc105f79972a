// What a disk keeps, against a naive twin that knows for each unit every value that is legal after a power cut.
#include <catch2/catch.hpp>

#include <deque>
#include <map>
#include <set>

#include "base/bytes.h"
#include "sim/model/disk.h"
#include "tests/disk/bench.h"

using disk_bench::Bench;
using port::BlockOp;
using port::BlockStatus;
using sim::DiskCache;
using sim::DiskCutTwist;
using sim::DiskModel;
using sim::DiskRequest;

namespace {

/// A unit's content: one stamp for each 512 bytes.
using Content = std::vector<u32>;

Content content_of(base::Bytes bytes) {
  Content stamps;
  for (u64 at = 0; at < bytes.size(); at += 512) {
    const u32 stamp = base::load_le32(&bytes[at]);
    for (u64 i = 0; i < 512; i += 4) {
      if (base::load_le32(&bytes[at + i]) != stamp) FAIL("a torn sector");
    }
    stamps.push_back(stamp);
  }
  return stamps;
}

struct Accepted {
  u64 unit;
  Content content;
};
struct Flight {
  BlockOp op;
  u32 flags;
  u64 sector;
  u32 sectors;
  u64 accepted_before;  // numbers of completed writes, as the contract counts them
  std::vector<Accepted> writes;
};

/// The twin: what is durable, what was completed since, in order, and what is in flight.
struct Twin {
  DiskModel::Shape shape;
  std::vector<Content> medium;
  std::deque<std::pair<u64, Accepted>> cache;
  std::map<u64, std::pair<u32, Flight>> flights;  // by submission; the model's place
  u64 accepted = 0;

  explicit Twin(const DiskModel::Shape& made) : shape(made) {
    medium.assign(made.bytes / made.atomic_bytes, Content(made.atomic_bytes / 512, 0));
  }
  u64 capacity() const { return shape.cache == DiskCache::None ? 0 : shape.cache_bytes / shape.atomic_bytes; }
  Content now(u64 unit) const {
    Content found = medium[unit];
    for (const auto& [order, value] : cache) found = value.unit == unit ? value.content : found;
    return found;
  }
  void accept(const std::vector<Accepted>& writes) {
    for (const Accepted& write : writes) cache.emplace_back(++accepted, write);
    while (cache.size() > capacity()) {
      medium[cache.front().second.unit] = cache.front().second.content;
      cache.pop_front();
    }
  }
  void flush(u64 mark) {
    while (!cache.empty() && cache.front().first <= mark) {
      medium[cache.front().second.unit] = cache.front().second.content;
      cache.pop_front();
    }
  }
  void harden(const std::vector<Accepted>& writes) {
    if (shape.cache == DiskCache::Ordered) return flush(accepted);
    for (const Accepted& write : writes) {
      medium[write.unit] = now(write.unit);
      std::erase_if(cache, [&](const auto& entry) { return entry.second.unit == write.unit; });
    }
  }
  bool overlaps(BlockOp op, u64 first, u64 end) const {
    for (const auto& [order, flight] : flights) {
      if (flight.second.op == BlockOp::Flush || (op == BlockOp::Read && flight.second.op == BlockOp::Read)) continue;
      const u64 per = shape.atomic_bytes / 512;
      const u64 other_first = flight.second.sector / per;
      const u64 other_end = (flight.second.sector + flight.second.sectors + per - 1) / per;
      if (first < other_end && other_first < end) return true;
    }
    return false;
  }
  std::set<Content> legal(u64 unit) const {
    std::set<Content> values{medium[unit]};
    for (const auto& [order, value] : cache) {
      if (value.unit == unit) values.insert(value.content);
    }
    for (const auto& [order, flight] : flights) {
      for (const Accepted& write : flight.second.writes) {
        if (write.unit == unit) values.insert(write.content);
      }
    }
    return values;
  }
  /// Whether these contents are what some prefix leaves.
  bool is_prefix(const std::vector<Content>& found) const {
    std::vector<Content> state = medium;
    if (state == found) return true;
    const auto apply = [&](const Accepted& write) {
      state[write.unit] = write.content;
      return state == found;
    };
    for (const auto& [order, value] : cache) {
      if (apply(value)) return true;
    }
    for (const auto& [order, flight] : flights) {
      for (const Accepted& write : flight.second.writes) {
        if (apply(write)) return true;
      }
    }
    return false;
  }
};

/// Real and twin, driven together.
struct Pair {
  Bench bench;
  Twin twin;
  base::Prng cuts{7, "test.cuts"};
  u64 cut_count = 0;
  u32 stamp = 0;
  u64 submitted = 0;

  explicit Pair(const DiskModel::Shape& shape) : bench(shape), twin(shape) {}
  DiskModel& model() { return *bench.model; }

  void submit(BlockOp op, u32 flags, u64 sector, u32 sectors) {
    std::vector<u8> data;
    std::vector<u32> stamps;
    for (u32 i = 0; op == BlockOp::Write && i < sectors; ++i) {
      stamps.push_back(++stamp);
      for (u32 at = 0; at < 512; at += 4) {
        u8 word[4];
        base::store_le32(word, stamp);
        data.insert(data.end(), word, word + 4);
      }
    }
    if (!model().has_room(data.size())) return;
    const u32 place = model().begin(
        {.op = op, .flags = static_cast<u8>(flags), .tag = 1, .sectors = sectors, .sector = sector}, data);
    const u64 per = twin.shape.atomic_bytes / 512;
    const u64 first = sector / per;
    const u64 end = (sector + sectors + per - 1) / per;
    BlockStatus expected = BlockStatus::Ok;
    if (op != BlockOp::Flush) {
      if (sectors == 0 || sector + sectors > twin.shape.bytes / 512) {
        expected = BlockStatus::OutOfRange;
      } else if (twin.overlaps(op, first, end)) {
        expected = BlockStatus::Overlap;
      }
    }
    REQUIRE(model().request(place).status == expected);
    if (expected != BlockStatus::Ok) {
      model().complete(place, {}, {});
      REQUIRE(model().request(place).status == expected);
      return model().release(place);
    }
    Flight flight{op, flags, sector, sectors, twin.accepted, {}};
    for (u64 unit = first; op != BlockOp::Flush && op != BlockOp::Read && unit < end; ++unit) {
      Content content = twin.now(unit);
      for (u64 i = 0; i < per; ++i) {
        const u64 at = unit * per + i;
        if (at >= sector && at < sector + sectors) content[i] = op == BlockOp::Write ? stamps[at - sector] : 0;
      }
      flight.writes.push_back({unit, content});
    }
    twin.flights[++submitted] = {place, flight};
  }

  void complete(u64 key) {
    const auto [place, flight] = twin.flights.at(key);
    twin.flights.erase(key);
    std::vector<u8> out(flight.op == BlockOp::Read ? flight.sectors * 512u : 0);
    model().complete(place, out, {});
    REQUIRE(model().request(place).status == BlockStatus::Ok);
    model().release(place);
    const bool writes = !flight.writes.empty();
    if (flight.op == BlockOp::Flush || (writes && (flight.flags & port::kBlockPreflush) != 0)) {
      twin.flush(flight.accepted_before);
    }
    twin.accept(flight.writes);
    if (writes && (flight.flags & port::kBlockFua) != 0) twin.harden(flight.writes);
    const u64 per = twin.shape.atomic_bytes / 512;
    for (u64 i = 0; i < out.size() / 512; ++i) {
      const u64 sector = flight.sector + i;
      REQUIRE(content_of(base::Bytes(out).subspan(i * 512, 512))[0] == twin.now(sector / per)[sector % per]);
    }
  }

  void abandon(u64 key, u32 landed) {
    auto [place, flight] = twin.flights.at(key);
    twin.flights.erase(key);
    model().abandon(place, BlockStatus::Aborted, landed);
    model().release(place);
    if (flight.writes.size() > landed) flight.writes.resize(landed);
    twin.accept(flight.writes);
  }

  /// The power goes: what is found must be legal, and is what counts from now on.
  u64 cut(const DiskCutTwist& twist) {
    const auto result = model().cut(cuts, cut_count++, twist);
    model().forget_requests();
    std::vector<Content> found;
    u64 lost = 0;
    for (u64 unit = 0; unit < model().units(); ++unit) {
      CAPTURE(unit);
      found.push_back(content_of(model().on_medium(unit)));
      REQUIRE(twin.legal(unit).contains(found.back()));
      lost += found.back() == twin.now(unit) ? 0 : 1;
    }
    if (twin.shape.cache == DiskCache::Ordered) REQUIRE(twin.is_prefix(found));
    if (twin.flights.empty() && twin.shape.cache != DiskCache::Ordered) REQUIRE(result.lost >= lost);
    REQUIRE(model().cached() == 0);
    twin.medium = found;
    twin.cache.clear();
    twin.flights.clear();
    return lost;
  }

  void check() {
    REQUIRE(model().check_invariants());
    REQUIRE(model().cached() == twin.cache.size());
    REQUIRE(model().flying() == twin.flights.size());
    for (u64 unit = 0; unit < model().units(); ++unit) {
      std::set<Content> values{twin.medium[unit]};
      model().each_value(unit, [&](base::Bytes bytes, bool) { values.insert(content_of(bytes)); });
      const bool is_equal = content_of(model().on_medium(unit)) == twin.medium[unit] &&
                            content_of(model().truth(unit)) == twin.now(unit) && values == twin.legal(unit);
      if (!is_equal) FAIL("unit " << unit << " is not as its twin");
    }
  }
};

DiskModel::Shape shape_of(DiskCache cache, u32 atomic, u32 cache_units, u64 units = 24) {
  return {.bytes = units * atomic,
          .sector_bytes = 512,
          .atomic_bytes = atomic,
          .cache = cache,
          .cache_bytes = cache_units * atomic};
}

u64 key_at(const Twin& twin, u64 index) { return std::next(twin.flights.begin(), static_cast<i64>(index))->first; }

}  // namespace

TEST_CASE("a disk keeps what its twin keeps, and a cut leaves nothing that is not legal", "[disk][model][property]") {
  constexpr DiskCache kCaches[] = {DiskCache::Volatile, DiskCache::Ordered, DiskCache::None};
  u64 lost = 0;
  for (u64 seed = 0; seed < 60; ++seed) {
    CAPTURE(seed);
    base::Prng prng{seed, "test.disk"};
    const u32 atomic = prng.below(2) == 0 ? 512 : 4096;
    const u32 cache_units = static_cast<u32>(prng.below(3) == 0 ? 3 : 40);
    Pair pair(shape_of(kCaches[seed % 3], atomic, cache_units));
    const u64 per = atomic / 512;
    for (u32 step = 0; step < 150; ++step) {
      CAPTURE(step);
      const u64 what = prng.below(100);
      const u64 sectors = pair.model().sectors();
      if (what < 55) {
        const u64 kind = prng.below(10);
        const BlockOp op = kind < 6   ? BlockOp::Write
                           : kind < 8 ? BlockOp::Read
                           : kind < 9 ? BlockOp::WriteZeroes
                                      : BlockOp::Discard;
        const u32 flags = static_cast<u32>(prng.below(5) == 0 ? prng.below(4) : 0);
        const u64 sector = prng.below(sectors + 1);
        const u32 count = static_cast<u32>(prng.below(3 * per + 1));
        pair.submit(op, flags, sector, count);
      } else if (what < 62) {
        pair.submit(BlockOp::Flush, 0, 0, 0);
      } else if (what < 97) {
        if (pair.twin.flights.empty()) continue;
        const u64 key = key_at(pair.twin, prng.below(pair.twin.flights.size()));
        if (prng.below(20) == 0) {
          pair.abandon(key, static_cast<u32>(prng.below(4)));
        } else {
          pair.complete(key);
        }
      } else {
        lost += pair.cut({});
      }
      pair.check();
    }
  }
  CHECK(lost > 50);
}

TEST_CASE("a cut reaches every legal outcome of a small state, and no other", "[disk][model][exhaustive]") {
  // Unit 0 has three values beside the medium's, of which one is in flight; unit 1 has one; unit 2 none.
  const auto prepare = [](Pair& pair) {
    pair.submit(BlockOp::Write, 0, 0, 1);
    pair.complete(key_at(pair.twin, 0));
    pair.submit(BlockOp::Write, 0, 0, 2);
    pair.complete(key_at(pair.twin, 0));
    pair.submit(BlockOp::Write, 0, 0, 1);
  };
  const auto outcomes = [&](DiskCache cache, const DiskCutTwist& twist) {
    std::set<std::vector<Content>> found;
    for (u64 number = 0; number < 400; ++number) {
      Pair pair(shape_of(cache, 512, 16, 8));
      prepare(pair);
      pair.cut_count = number;
      pair.cut(twist);
      found.insert(pair.twin.medium);
    }
    return found;
  };
  CHECK(outcomes(DiskCache::Volatile, {}).size() == 4 * 2);
  CHECK(outcomes(DiskCache::Ordered, {}).size() == 5);
  CHECK(outcomes(DiskCache::None, {}).size() == 2);
  CHECK(outcomes(DiskCache::Volatile, {.rule = DiskCutTwist::Rule::NewestFirst}).size() <= 4);
}

TEST_CASE("a flush covers what was completed before it was submitted, and nothing else", "[disk][model]") {
  Pair pair(shape_of(DiskCache::Volatile, 512, 32, 8));
  pair.submit(BlockOp::Write, 0, 0, 1);
  pair.complete(1);
  pair.submit(BlockOp::Write, 0, 1, 1);  // still in flight when the flush comes
  pair.submit(BlockOp::Flush, 0, 0, 0);
  pair.complete(2);
  pair.complete(3);
  CHECK(content_of(pair.model().on_medium(0)) == Content{1});
  CHECK(content_of(pair.model().on_medium(1)) == Content{0});
  CHECK(pair.model().cached() == 1);
}

TEST_CASE("a write that is forced through covers itself, and leaves the others in the cache", "[disk][model]") {
  Pair pair(shape_of(DiskCache::Volatile, 512, 32, 8));
  pair.submit(BlockOp::Write, 0, 0, 1);
  pair.complete(1);
  pair.submit(BlockOp::Write, port::kBlockFua, 1, 1);
  pair.complete(2);
  CHECK(content_of(pair.model().on_medium(0)) == Content{0});
  CHECK(content_of(pair.model().on_medium(1)) == Content{2});
  SECTION("where the order is kept, what came before goes with it") {
    Pair ordered(shape_of(DiskCache::Ordered, 512, 32, 8));
    ordered.submit(BlockOp::Write, 0, 0, 1);
    ordered.complete(1);
    ordered.submit(BlockOp::Write, port::kBlockFua, 1, 1);
    ordered.complete(2);
    CHECK(content_of(ordered.model().on_medium(0)) == Content{1});
  }
}

TEST_CASE("a failed flush may lose what it should have kept, and the next good one does not bring it back",
          "[disk][model][faults]") {
  for (const bool drops : {false, true}) {
    CAPTURE(drops);
    Pair pair(shape_of(DiskCache::Volatile, 512, 32, 8));
    pair.submit(BlockOp::Write, 0, 0, 1);
    pair.complete(1);
    const u32 flush = pair.model().begin({.op = BlockOp::Flush}, {});
    pair.model().complete(flush, {}, {.flush_fails = true, .drops_unflushed = drops});
    CHECK(pair.model().request(flush).status == BlockStatus::IoError);
    pair.model().release(flush);
    CHECK(content_of(pair.model().truth(0)) == Content{drops ? 0u : 1u});
    const u32 again = pair.model().begin({.op = BlockOp::Flush}, {});
    pair.model().complete(again, {}, {});
    CHECK(pair.model().request(again).status == BlockStatus::Ok);
    CHECK(content_of(pair.model().on_medium(0)) == Content{drops ? 0u : 1u});
  }
}
