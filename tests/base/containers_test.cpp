// Vector, String, SortedMap and the rings against their standard twins, over a heap that must be empty at the end.
#include <catch2/catch.hpp>

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/arena.h"
#include "base/map.h"
#include "base/prng.h"
#include "base/ring.h"
#include "base/string.h"
#include "base/vector.h"

using namespace base;

namespace {

/// Counts what is out, and can be told to have no more.
struct CountingAllocator final : Allocator {
  u64 bytes_out = 0;
  bool exhausted = false;
  void* allocate(u64 bytes, u64 align) override {
    bytes_out += bytes;
    return ::operator new (bytes, std::align_val_t{std::max<u64>(align, 16)});
  }
  void* try_allocate(u64 bytes, u64 align) override { return exhausted ? nullptr : allocate(bytes, align); }
  void release(void* block, u64 bytes) override {
    bytes_out -= bytes;
    ::operator delete (block, std::align_val_t{16});
  }
};

/// Owns memory, so that a lost or doubled element is seen by the allocator or by AddressSanitizer.
struct Owner {
  explicit Owner(u64 number = 0) : value(std::make_shared<u64>(number)) {}
  std::shared_ptr<u64> value;
  friend bool operator==(const Owner& a, const Owner& b) { return *a.value == *b.value; }
};

template <class T>
T element(u64 number) {
  return T(number);
}

template <class T>
void compare_vector_with_model(u64 seed) {
  Prng prng{seed, "test.vector"};
  CountingAllocator allocator;
  {
    Vector<T> vector(allocator);
    std::vector<T> model;
    for (u32 step = 0; step < 300; ++step) {
      const u64 number = prng.next() >> 1;
      const u64 index = model.empty() ? 0 : prng.below(model.size() + 1);
      switch (prng.below(10)) {
        case 0:
        case 1:
        case 2:
          vector.push_back(element<T>(number));
          model.push_back(element<T>(number));
          break;
        case 3:
          vector.insert(index, element<T>(number));
          model.insert(model.begin() + static_cast<long>(index), element<T>(number));
          break;
        case 4: {
          const u64 count = prng.below(model.size() - index + 1);
          vector.erase(index, count);
          model.erase(model.begin() + static_cast<long>(index), model.begin() + static_cast<long>(index + count));
          break;
        }
        case 5: {
          const u64 size = prng.below(40);
          vector.resize(size, element<T>(number));
          model.resize(size, element<T>(number));
          break;
        }
        case 6:
          if (model.empty()) break;
          vector.push_back(vector[index % model.size()]);  // an element of itself
          model.push_back(T(model[index % model.size()]));
          break;
        case 7: {
          const std::vector<T> more(prng.below(9), element<T>(number));
          vector.insert(index, std::span<const T>(more));
          model.insert(model.begin() + static_cast<long>(index), more.begin(), more.end());
          break;
        }
        case 8:
          if (model.empty()) break;
          REQUIRE(vector.take_back() == model.back());
          model.pop_back();
          break;
        case 9: {
          Vector<T> copy = vector.clone();
          REQUIRE(copy == vector);
          vector = std::move(copy);
          REQUIRE(copy.empty());
          break;
        }
      }
      REQUIRE(vector.size() == model.size());
      REQUIRE(std::equal(vector.begin(), vector.end(), model.begin(), model.end()));
    }
  }
  REQUIRE(allocator.bytes_out == 0);
}

}  // namespace

TEST_CASE("a vector does what std::vector does and returns its memory", "[base][vector][model]") {
  for (u64 seed = 0; seed < 60; ++seed) {
    CAPTURE(seed);
    compare_vector_with_model<u64>(seed);
    compare_vector_with_model<Owner>(seed);
  }
}

TEST_CASE("a vector reports exhaustion only where it is asked to", "[base][vector]") {
  CountingAllocator allocator;
  Vector<u32> vector(allocator);
  vector.push_back(1);
  allocator.exhausted = true;
  CHECK_FALSE(vector.try_reserve(1000));
  CHECK_FALSE(vector.try_reserve(~u64{0}));
  CHECK(vector.size() == 1);
  CHECK(vector[0] == 1);
  CHECK(vector.try_reserve(vector.capacity()));
  const std::span<const u32> view = vector;
  CHECK(view.size() == 1);
}

TEST_CASE("a string does what std::string does", "[base][string][model]") {
  for (u64 seed = 0; seed < 100; ++seed) {
    CAPTURE(seed);
    Prng prng{seed, "test.string"};
    CountingAllocator allocator;
    {
      String string(allocator);
      std::string model;
      for (u32 step = 0; step < 100; ++step) {
        const u64 index = prng.below(model.size() + 1);
        const std::string text(prng.below(7), static_cast<char>(prng.below(256)));
        switch (prng.below(6)) {
          case 0:
            string.append(text);
            model.append(text);
            break;
          case 1:
            string.push('x');
            model.push_back('x');
            break;
          case 2:
            string.insert(index, text);
            model.insert(index, text);
            break;
          case 3: {
            const u64 count = prng.below(model.size() - index + 1);
            string.erase(index, count);
            model.erase(index, count);
            break;
          }
          case 4:
            string.append_format("{}:{:04x}", text, index);
            {
              char buffer[64];
              model.append(base::format(buffer, "{}:{:04x}", text, index));
              break;
            }
          case 5:
            if (prng.below(8) == 0) {
              string.clear();
              model.clear();
            }
            break;
        }
        REQUIRE(string.view() == model);
        REQUIRE((string.compare(text) < 0) == (model.compare(text) < 0));
        REQUIRE((string == std::string_view(text)) == (model == text));
        REQUIRE((string < text) == (model < text));
      }
      String copy = string.clone();
      REQUIRE(copy == string);
      copy.push('!');
      REQUIRE(copy != string);
      REQUIRE(copy.starts_with(string.view()));
    }
    REQUIRE(allocator.bytes_out == 0);
  }
}

TEST_CASE("a long formatted text is appended whole", "[base][string]") {
  CountingAllocator allocator;
  String string(allocator, "<");
  const std::string text(10'000, 'y');
  string.append_format("{}>", text);
  CHECK(string.view() == "<" + text + ">");
}

TEST_CASE("a sorted map does what std::map does, with text keys looked up by view", "[base][map][model]") {
  for (u64 seed = 0; seed < 60; ++seed) {
    CAPTURE(seed);
    Prng prng{seed, "test.map"};
    CountingAllocator allocator;
    {
      SortedMap<String, u64> map(allocator);
      std::map<std::string, u64> model;
      for (u32 step = 0; step < 300; ++step) {
        char buffer[8];
        const std::string key(base::format(buffer, "k{}", prng.below(50)));
        const u64 value = prng.next();
        switch (prng.below(4)) {
          case 0: REQUIRE(map.insert(String(allocator, key), value) == model.emplace(key, value).second); break;
          case 1:
            map.put(String(allocator, key), value);
            model[key] = value;
            break;
          case 2: REQUIRE(map.erase(std::string_view(key)) == (model.erase(key) == 1)); break;
          case 3: {
            const u64* found = map.find(std::string_view(key));
            REQUIRE((found != nullptr) == model.contains(key));
            if (found != nullptr) REQUIRE(*found == model[key]);
            const u64 place = map.lower_bound(std::string_view(key));
            REQUIRE(place == static_cast<u64>(std::distance(model.begin(), model.lower_bound(key))));
            break;
          }
        }
        REQUIRE(map.size() == model.size());
        REQUIRE(std::equal(map.begin(), map.end(), model.begin(), model.end(),
                           [](const auto& a, const auto& b) { return a.key == b.first && a.value == b.second; }));
      }
    }
    REQUIRE(allocator.bytes_out == 0);
  }
}

TEST_CASE("a byte ring keeps order over any number of wraps", "[base][ring][model]") {
  for (u64 seed = 0; seed < 100; ++seed) {
    CAPTURE(seed);
    Prng prng{seed, "test.byte-ring"};
    u8 storage[17];
    const u64 capacity = prng.below(18);
    ByteRing ring{MutableBytes(storage, capacity)};
    std::deque<u8> model;
    for (u32 step = 0; step < 300; ++step) {
      u8 bytes[24];
      for (u8& byte : bytes) byte = static_cast<u8>(prng.next());
      const u64 count = prng.below(sizeof bytes + 1);
      switch (prng.below(4)) {
        case 0: {
          const u64 taken = ring.push(Bytes(bytes, count));
          REQUIRE(taken == std::min<u64>(count, capacity - model.size()));
          model.insert(model.end(), bytes, bytes + taken);
          break;
        }
        case 1: {
          u8 out[24];
          const u64 got = ring.pop(MutableBytes(out, count));
          REQUIRE(got == std::min<u64>(count, model.size()));
          REQUIRE(std::equal(out, out + got, model.begin()));
          model.erase(model.begin(), model.begin() + static_cast<long>(got));
          break;
        }
        case 2: {
          MutableBytes room = ring.free_span();
          REQUIRE((room.empty() == (ring.free() == 0)));
          const u64 filled = std::min<u64>(room.size(), count);
          std::copy(bytes, bytes + filled, room.begin());
          ring.commit(filled);
          model.insert(model.end(), bytes, bytes + filled);
          break;
        }
        case 3: {
          const Bytes front = ring.front_span();
          REQUIRE((front.empty() == model.empty()));
          REQUIRE(std::equal(front.begin(), front.end(), model.begin()));
          const u64 gone = std::min<u64>(front.size(), count / 2);
          ring.discard(gone);
          model.erase(model.begin(), model.begin() + static_cast<long>(gone));
          break;
        }
      }
      REQUIRE(ring.size() == model.size());
      REQUIRE(ring.free() == capacity - model.size());
      for (u64 i = 0; i < model.size(); ++i) REQUIRE(ring[i] == model[i]);
    }
  }
}

TEST_CASE("a ring of values is first in, first out, and releases what it drops", "[base][ring][model]") {
  for (u64 seed = 0; seed < 50; ++seed) {
    CAPTURE(seed);
    Prng prng{seed, "test.ring"};
    Ring<std::shared_ptr<u64>, 5> ring;
    std::deque<std::shared_ptr<u64>> model;
    for (u32 step = 0; step < 200; ++step) {
      const auto value = std::make_shared<u64>(prng.next());
      switch (prng.below(3)) {
        case 0: {
          const bool pushed = ring.push(value);
          REQUIRE(pushed == (model.size() < 5));
          if (pushed) model.push_back(value);
          break;
        }
        case 1:
          ring.push_over(value);
          if (model.size() == 5) model.pop_front();
          model.push_back(value);
          break;
        case 2:
          if (model.empty()) break;
          REQUIRE(ring.pop() == model.front());
          model.pop_front();
          break;
      }
      REQUIRE(ring.size() == model.size());
      for (u64 i = 0; i < model.size(); ++i) REQUIRE(ring[i] == model[i]);
      for (const auto& held : model) REQUIRE(held.use_count() <= 3);  // model, ring and perhaps `value`
    }
  }
}
