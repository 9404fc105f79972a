// Defects that are planted in small programs and that the usual schedule never shows: which strategy finds them, in how
// many seeds. Each program takes a switch: with the defect mended, no strategy reports anything.
#include <catch2/catch.hpp>

#include "tests/sim/guest.h"
#include "tests/sim/lab.h"

using namespace guest;
using sim::Outcome;

namespace {

constexpr u64 kShared = 0x20000;
constexpr u64 kSound = 0;
constexpr u64 kNever = 8;  // words: the slot of a notification for which nobody waits but who is through

volatile u64* words() { return static_cast<u64*>(machine::pointer(kShared, 4096, true)); }

struct Scene {
  Root root;
  u64 done = root.make(ObjectType::Endpoint);
  u64 reply = root.make(ObjectType::Reply);
  Scene() {
    root.map(root.make(ObjectType::Frame, 12), kShared);
    words()[kNever] = root.make(ObjectType::Notification);
  }
  /// Waits until `count` threads have said that they are through, and halts with what they left in word 0.
  void finish(u32 count) {
    for (u32 i = 0; i < count; ++i) sys::recv(done, reply);
    halt(words()[0] == 0 ? 0 : 1);
  }
};
void say_done(u64 endpoint) {
  sys::send(endpoint, MessageInfo::make(0, 0));
  for (;;) sys::wait(words()[kNever]);
}

// ── A lost wake-up: the server looks for work, then says that it sleeps. Work that comes between wakes nobody. ──

void sleepy_server(const u64 (&arguments)[8]) {
  const bool defect = arguments[2] != kSound;
  for (u64 served = 0; served < 8;) {
    if (words()[1] > served) {
      machine::charge(200);
      served += 1;
      continue;
    }
    machine::charge(20);
    if (defect) {
      words()[2] = 1;  // sleeping: said after the look, and not looked again
      sys::wait(arguments[0]);
    } else {
      words()[2] = 1;
      if (words()[1] == served) sys::wait(arguments[0]);
    }
    words()[2] = 0;
  }
  say_done(arguments[1]);
}
void producer(const u64 (&arguments)[8]) {
  for (u64 i = 0; i < 8; ++i) {
    machine::charge(3'000);
    words()[1] = words()[1] + 1;
    if (words()[2] != 0) sys::signal(arguments[0]);
  }
  say_done(arguments[1]);
}
template <u64 kDefect>
void wakeup_root(const u64 (&)[8]) {
  Scene scene;
  const u64 bell = scene.root.make(ObjectType::Notification);
  scene.root.spawn(1, {bell, scene.done, kDefect});
  scene.root.spawn(2, {bell, scene.done});
  scene.finish(2);
}

// ── A lost update: two tellers add to one account, each reading it before it works and writing it after. ──

void teller(const u64 (&arguments)[8]) {
  const bool defect = arguments[1] != kSound;
  for (u64 i = 0; i < 5; ++i) {
    if (defect) {
      const u64 balance = words()[1];
      machine::charge(400);
      words()[1] = balance + 1;
    } else {
      machine::charge(400);
      words()[1] = words()[1] + 1;
    }
    machine::charge(1'000);
  }
  words()[2] = words()[2] + 5;
  if (words()[2] == 10) words()[0] = words()[1] == 10 ? 0 : 1;
  say_done(arguments[0]);
}
template <u64 kDefect>
void account_root(const u64 (&)[8]) {
  Scene scene;
  scene.root.spawn(1, {scene.done, kDefect});
  scene.root.spawn(1, {scene.done, kDefect});
  scene.finish(2);
}

// ── Order taken for granted: a user of a table does not wait for the thread that fills it, which starts first. ──

void filler(const u64 (&arguments)[8]) {
  machine::charge(2'000);
  words()[1] = 77;
  sys::signal(arguments[0]);
  say_done(arguments[1]);
}
void table_user(const u64 (&arguments)[8]) {
  if (arguments[2] == kSound) sys::wait(arguments[0]);
  machine::charge(50);
  if (words()[1] != 77) words()[0] = 1;
  say_done(arguments[1]);
}
template <u64 kDefect>
void table_root(const u64 (&)[8]) {
  Scene scene;
  const u64 filled = scene.root.make(ObjectType::Notification);
  scene.root.spawn(1, {filled, scene.done});
  scene.root.spawn(2, {filled, scene.done, kDefect});
  scene.finish(2);
}

struct Planted {
  const char* name;
  std::vector<machine::NativeEntry> defect;
  std::vector<machine::NativeEntry> sound;
  Outcome shows_as;
  std::vector<const char*> finders;  // strategies that show it within kSeedsMax seeds
};
constexpr u64 kSeedsMax = 200;
std::vector<Planted> planted() {
  return {{"lost wake-up",
           {{"root", wakeup_root<1>}, {"server", sleepy_server}, {"producer", producer}},
           {{"root", wakeup_root<kSound>}, {"server", sleepy_server}, {"producer", producer}},
           Outcome::Stalled,
           {"random:cut=1/5", "mix"}},
          {"lost update",
           {{"root", account_root<1>}, {"teller", teller}},
           {{"root", account_root<kSound>}, {"teller", teller}},
           Outcome::Ended,
           {"random:cut=1/5", "pct:depth=2", "mix"}},
          {"order taken for granted",
           {{"root", table_root<1>}, {"filler", filler}, {"user", table_user}},
           {{"root", table_root<kSound>}, {"filler", filler}, {"user", table_user}},
           Outcome::Ended,
           {"random:cut=1/5", "pct:depth=2", "mix"}}};
}

bool fails(const std::vector<machine::NativeEntry>& entries, u64 seed, const std::string& strategy) {
  const lab::Result result =
      lab::run(entries, {.seed = seed, .until = 1'000'000'000, .schedule = lab::schedule_of(strategy)});
  REQUIRE(result.outcome != Outcome::Running);
  return result.outcome == Outcome::Stalled || result.status != 0;
}

/// The first seed of [1, most] that shows the defect; 0: none does.
u64 first_seed(const std::vector<machine::NativeEntry>& entries, const std::string& strategy, u64 most) {
  for (u64 seed = 1; seed <= most; ++seed) {
    if (fails(entries, seed, strategy)) return seed;
  }
  return 0;
}

}  // namespace

TEST_CASE("random and pct find planted defects that fair never shows", "[sim][explore][planted]") {
  for (const Planted& bug : planted()) {
    CAPTURE(bug.name);
    CHECK(first_seed(bug.defect, "fair", 50) == 0);
    for (const char* strategy : bug.finders) {
      CAPTURE(strategy);
      const u64 found = first_seed(bug.defect, strategy, kSeedsMax);
      CHECK(found != 0);
      if (found == 0) continue;
      const lab::Result again =
          lab::run(bug.defect, {.seed = found, .until = 1'000'000'000, .schedule = lab::schedule_of(strategy)});
      CHECK(again.outcome == bug.shows_as);
      // What it chose shows the defect without the strategy.
      sim::host::Schedule trace;
      trace.on = true;
      trace.forced = again.choices;
      const lab::Result replayed = lab::run(bug.defect, {.seed = found, .until = 1'000'000'000, .schedule = trace});
      CHECK(replayed.root == again.root);
    }
  }
}

TEST_CASE("no strategy reports a program whose defect is mended", "[sim][explore][planted]") {
  for (const Planted& bug : planted()) {
    for (const char* strategy :
         {"random:cut=1/5", "sticky", "pct:depth=3", "perturb:ratio=1/5", "few", "starve", "walk"}) {
      CAPTURE(bug.name, strategy);
      CHECK(first_seed(bug.sound, strategy, 20) == 0);
    }
  }
}
