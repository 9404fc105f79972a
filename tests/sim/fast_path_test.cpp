// tests/sim/fast_path_test.cpp — the kernel's fast path inside a world: an observer of events wants each of them at once,
// which leaves all work to the general path, so runs with and without one must come to the same digest.
#include <catch2/catch.hpp>

#include "tests/sim/guest.h"
#include "tests/sim/lab.h"

using namespace guest;

namespace {

constexpr u64 kRounds = 1500;
bool server_is_passive = false;
u32 yielder_count = 0;

void server(const u64 (&arguments)[8]) {
  sys::recv(arguments[0], arguments[1]);
  for (u64 i = 0;; ++i) {
    if (i % 7 == 0) machine::charge(300 + i % 5000);
    if (i % 11 == 0) sys::yield();
    sys::reply_recv(arguments[0], arguments[1], MessageInfo::make(i % 5, i % 3));
  }
}
void yielder(const u64 (&)[8]) {
  for (u64 i = 0;; ++i) {
    if (i % 4 == 0) machine::charge(i * 37 % 90'000);
    sys::yield();
  }
}
// Messages of 0 to 8 words, some in the buffer, and work that runs grants out, between yields.
void caller(const u64 (&)[8]) {
  Root objects;
  const u64 endpoint = objects.make(ObjectType::Endpoint);
  const u64 reply = objects.make(ObjectType::Reply);
  const u64 context = objects.spawn(1, {endpoint, reply}, 255) + 1;  // made right behind the TCB
  sys::call(endpoint, MessageInfo::make(0, 1));
  if (server_is_passive) ASSERT(sys::invoke(context, Invoke::SchedContextUnbind, {}).ok());
  for (u32 i = 0; i < yielder_count; ++i) objects.spawn(2, {}, 255);
  for (u64 i = 0; i < kRounds; ++i) {
    if (i % 5 == 0) machine::charge(i * 211 % 70'000);
    sys::call(endpoint, MessageInfo::make(i % 3, i % 9, 0, i % 13 == 0 ? MessageInfo::kInBuffer : 0));
    if (i % 3 == 0) sys::yield();
  }
  halt(0);
}
constexpr machine::NativeEntry kEntries[] = {{"root", caller}, {"server", server}, {"yielder", yielder}};

}  // namespace

TEST_CASE("a world comes to the same digest with and without the kernel's fast path", "[sim][kernel][fast-path]") {
  for (const u32 cores : {1u, 3u}) {
    for (const bool passive : {true, false}) {
      for (yielder_count = 0; yielder_count < 3; ++yielder_count) {
        server_is_passive = passive;
        INFO(cores << " cores, passive " << passive << ", yielders " << yielder_count);
        const lab::Result fast = lab::run(kEntries, {.cores = cores});
        const lab::Result observed = lab::run(kEntries, {.cores = cores, .keep_trace = true});
        REQUIRE(fast.outcome == sim::Outcome::Ended);
        CHECK(fast.events > 9 * kRounds);
        CHECK(fast.events == observed.events);
        CHECK(fast.root == observed.root);
      }
    }
  }
}
