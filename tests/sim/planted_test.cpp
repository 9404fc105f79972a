// Defects that are planted in small programs and that the usual schedule never shows: which strategy finds them, in how
// many seeds. Each program takes a switch: with the defect mended, no strategy reports anything.
#include <catch2/catch.hpp>

#include <cmath>

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

// ── An order of given depth: two threads pass marks in turns, and only one order of the marks is the defect. ──

constexpr u64 kRounds = 24;  // of each thread; a round is one step
/// `marks` of them, by A and B in turns; a thread's own two are `kApart` rounds from each other.
template <u64 kMarks, u64 kApart>
void marker(const u64 (&arguments)[8]) {
  const u64 first = arguments[1];  // 0: A passes marks 0 and 2; 1: B passes 1 and 3
  for (u64 round = 0; round < kRounds; ++round) {
    const bool is_first = round == 4;
    const bool is_second = round == 4 + kApart && first + 2 < kMarks;
    if (is_first || is_second) {
      const u64 mark = is_first ? first : first + 2;
      words()[1] = words()[1] == mark ? mark + 1 : 100;
    }
    machine::charge(200);
    sys::poll(arguments[2]);
  }
  words()[2] = words()[2] + 1;
  if (words()[2] == 2) words()[0] = words()[1] == kMarks ? 1 : 0;
  say_done(arguments[0]);
}
void marks_root(const u64 (&)[8]) {
  Scene scene;
  const u64 bell = scene.root.make(ObjectType::Notification);
  scene.root.spawn(1, {scene.done, 0, bell});
  scene.root.spawn(1, {scene.done, 1, bell});
  scene.finish(2);
}
/// Runs of the seeds 1 … `runs` that show the defect.
template <u64 kMarks, u64 kApart>
u64 hits(const std::string& strategy, u64 runs) {
  const machine::NativeEntry entries[] = {{"root", marks_root}, {"marker", marker<kMarks, kApart>}};
  u64 count = 0;
  for (u64 seed = 1; seed <= runs; ++seed) {
    const lab::Result result =
        lab::run(entries, {.seed = seed, .until = 1'000'000'000, .schedule = lab::schedule_of(strategy)});
    REQUIRE(result.outcome == Outcome::Ended);
    count += result.status;
  }
  return count;
}
/// Steps of a run, as pct's pilot counts them.
u64 steps_of_marks() {
  const machine::NativeEntry entries[] = {{"root", marks_root}, {"marker", marker<2, 1>}};
  sim::host::Machine machine(
      {.seed = 1, .ram_bytes = u64{16} << 20, .entries = entries, .schedule = lab::schedule_of("pct:depth=2")});
  REQUIRE(machine.start().empty());
  machine.world().run(1'000'000'000);
  return machine.options().schedule.first.steps;
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

TEST_CASE("pct shows a defect of depth d in 1 of n·k^(d−1) runs or more", "[sim][explore][property][simulation.T27]") {
  // Burckhardt et al. 2010, theorem 9: n threads, k steps, d − 1 points at which a rank drops. Fixed seeds: the counts below
  // are what this build gives, and the bounds leave three standard deviations of the binomial distribution.
  const double n = 3;  // both markers and root
  const u64 steps = steps_of_marks();
  const double k = static_cast<double>(steps);
  CAPTURE(k);
  const auto pct = [steps](u32 depth) {
    return "pct:depth=" + std::to_string(depth) + ",steps=" + std::to_string(steps);
  };
  const auto least = [](double runs, double chance) { return runs * chance - 3 * std::sqrt(runs * chance); };
  constexpr u64 kRuns = 400;
  // Depth 1: A before B, nothing else.
  CHECK(static_cast<double>(hits<2, 1>(pct(1), kRuns)) >= least(kRuns, 1 / n));
  // Depth 2: B runs between two marks of A, 16 of its steps apart, so that 16 places of the drop show it.
  CHECK(static_cast<double>(hits<3, 16>(pct(2), kRuns)) >= least(kRuns, 16 / (n * k)));
  CHECK(hits<3, 16>(pct(1), 50) == 0);
  // Depth 3: and B is cut between two of its own.
  CHECK(static_cast<double>(hits<4, 16>(pct(3), 4 * kRuns)) >= least(4 * kRuns, 16 * 16 / (n * k * k)));
  CHECK(hits<4, 16>(pct(2), 50) == 0);
  CHECK(hits<4, 16>("fair", 1) == 0);
}
