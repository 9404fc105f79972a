// Exploring schedules: what strategies promise, overrides and traces, and defects that only another schedule shows.
#include <catch2/catch.hpp>

#include "tests/sim/guest.h"
#include "tests/sim/lab.h"

using namespace guest;
using sim::ChoiceKind;
using sim::Outcome;
using sim::host::ForcedChoice;
using sim::host::Schedule;

namespace {

constexpr const char* kStrategies[] = {
    "fair", "fair:quantum=5us", "random", "sticky", "pct:depth=3", "perturb:ratio=1/10",
    "few",  "starve",           "walk",   "mix"};
constexpr u64 kShared = 0x20000;

u64* words() { return static_cast<u64*>(machine::pointer(kShared, 4096, true)); }

void name_thread(u64 tcb, std::string_view name) {
  u64 packed[4] = {};
  __builtin_memcpy(packed, name.data(), name.size());
  ASSERT(sys::invoke(tcb, Invoke::TcbSetName, {packed[0], packed[1], packed[2], packed[3]}).ok());
}

// ── Three clients of one server, which also share a word ─────────────────────────────────────────────────────

void server(const u64 (&arguments)[8]) {
  sys::recv(arguments[0], arguments[1]);
  for (;;) {
    machine::charge(300);
    sys::frame().mr[0] += 1;
    sys::reply_recv(arguments[0], arguments[1], MessageInfo::make(0, 1));
  }
}
void client(const u64 (&arguments)[8]) {
  for (u64 i = 0; i < 40; ++i) {
    words()[0] = words()[0] * 31 + arguments[3];
    machine::charge(100 + 50 * arguments[3]);
    sys::frame().mr[0] = i;
    sys::call(arguments[0], MessageInfo::make(0, 1));
    if (i % 8 == 0) sys::signal(arguments[1]);
  }
  sys::send(arguments[2], MessageInfo::make(0, 0));
  for (;;) sys::wait(arguments[1]);
}
/// `with_stranger`: beside a thread that has nothing to do with the others.
void run_clients(bool with_stranger) {
  Root root;
  if (with_stranger) name_thread(root.spawn(3, {root.make(ObjectType::Notification)}, 90), "stranger");
  root.map(root.make(ObjectType::Frame, 12), kShared);
  const u64 endpoint = root.make(ObjectType::Endpoint);
  const u64 done = root.make(ObjectType::Endpoint);
  const u64 reply = root.make(ObjectType::Reply);
  const u64 own_reply = root.make(ObjectType::Reply);
  const u64 cores = boot_info().core_count;
  name_thread(root.spawn(1, {endpoint, reply}, 101), "server");
  for (u64 i = 0; i < 3; ++i) {
    name_thread(root.spawn(2, {endpoint, root.make(ObjectType::Notification), done, i}, 100, 0, i % cores), "client");
  }
  for (u32 i = 0; i < 3; ++i) sys::recv(done, own_reply);
  print_number(words()[0]);
  halt(0);
}

void clients_root(const u64 (&)[8]) { run_clients(false); }
void clients_and_stranger_root(const u64 (&)[8]) { run_clients(true); }
void sleeper(const u64 (&arguments)[8]) {
  for (;;) sys::wait(arguments[0]);
}

const machine::NativeEntry kClients[] = {
    {"root", clients_root}, {"server", server}, {"client", client}, {"sleeper", sleeper}};

// ── A writer above its reader ────────────────────────────────────────────────────────────────────────────────

void early_reader(const u64 (&arguments)[8]) {
  if (words()[0] != 1) halt(6);
  sys::send(arguments[0], MessageInfo::make(0, 0));
}
void high_writer(const u64 (&arguments)[8]) {
  machine::charge(5000);
  words()[0] = 1;
  sys::send(arguments[0], MessageInfo::make(0, 0));
}
void ranks_root(const u64 (&)[8]) {
  Root root;
  root.map(root.make(ObjectType::Frame, 12), kShared);
  const u64 done = root.make(ObjectType::Endpoint);
  root.spawn(1, {done}, 100);
  root.spawn(2, {done}, 101);
  const u64 reply = root.make(ObjectType::Reply);
  for (u32 i = 0; i < 2; ++i) sys::recv(done, reply);
  halt(0);
}

const machine::NativeEntry kRanks[] = {{"root", ranks_root}, {"reader", early_reader}, {"writer", high_writer}};

// ── One thread that never waits ──────────────────────────────────────────────────────────────────────────────

void busy_root(const u64 (&)[8]) {
  for (;;) {
    machine::charge(20'000);
    sys::yield();
  }
}

const machine::NativeEntry kBusy[] = {{"root", busy_root}};

lab::Result explore(std::span<const machine::NativeEntry> entries, u64 seed, u32 cores, Schedule schedule,
                    bool check = false) {
  return lab::run(
      entries,
      {.seed = seed, .cores = cores, .until = 20'000'000'000, .check = check, .schedule = std::move(schedule)});
}

Schedule replay_of(const std::vector<ForcedChoice>& choices) {
  Schedule schedule;
  schedule.on = true;
  schedule.forced = choices;
  return schedule;
}

}  // namespace

TEST_CASE("exploring with `fair` is the run without exploring", "[sim][explore]") {
  for (const u32 cores : {1u, 3u}) {
    const lab::Result plain = lab::run(kClients, {.seed = 5, .cores = cores});
    const lab::Result fair = explore(kClients, 5, cores, lab::schedule_of("fair"));
    CHECK(plain.outcome == Outcome::Ended);
    CHECK(fair.root == plain.root);
    CHECK(fair.choices.empty());
  }
}

TEST_CASE("one seed and strategy give one root, another strategy another order", "[sim][explore][determinism]") {
  std::vector<base::Digest> roots;
  for (const char* strategy : kStrategies) {
    CAPTURE(strategy);
    const lab::Result first = explore(kClients, 7, 2, lab::schedule_of(strategy));
    const lab::Result second = explore(kClients, 7, 2, lab::schedule_of(strategy));
    CHECK(first.outcome == Outcome::Ended);
    CHECK(first.root == second.root);
    CHECK(first.choices.size() == second.choices.size());
    roots.push_back(first.root);
  }
  // fair, random, pct, perturb and starve at least go ways of their own; a strategy may happen to answer 0 throughout.
  CHECK(roots[0] != roots[2]);
  CHECK(roots[0] != roots[4]);
  CHECK(roots[2] != roots[4]);
  CHECK(roots[0] != roots[5]);
}

TEST_CASE("legal mode never runs a lower priority past a ready higher one, and the kernel's invariants hold",
          "[sim][explore][property][simulation.T28]") {
  for (u64 seed = 0; seed < 4; ++seed) {
    for (const char* strategy : kStrategies) {
      for (const u32 cores : {1u, 2u}) {
        CAPTURE(seed, strategy, cores);
        const lab::Result result = explore(kClients, seed, cores, lab::schedule_of(strategy), true);
        CHECK(result.outcome == Outcome::Ended);
        CHECK(result.broken == "");
      }
    }
  }
}

TEST_CASE("what is right only thanks to priorities fails in blind mode and in no other", "[sim][explore][blind]") {
  u64 failures = 0;
  for (u64 seed = 0; seed < 8; ++seed) {
    for (const char* strategy : kStrategies) {
      CAPTURE(seed, strategy);
      Schedule schedule = lab::schedule_of(strategy);
      CHECK(explore(kRanks, seed, 1, schedule, true).status == 0);
      schedule.blind = true;
      const lab::Result blind = explore(kRanks, seed, 1, schedule, true);
      CHECK(blind.outcome == Outcome::Ended);
      CHECK(blind.broken == "");
      if (blind.status == 0) continue;
      failures += 1;
      CHECK(blind.status == 6);
      // As text it is all a run needs to come out so again.
      Schedule written = replay_of(blind.choices);
      written.blind = true;
      Schedule read;
      REQUIRE(parse_schedule(text_of(written), read) == "");
      CHECK(read.blind);
      CHECK(explore(kRanks, seed, 1, read).root == blind.root);
    }
  }
  CHECK(failures > 10);
}

TEST_CASE("starving leaves a run its time from the beginning on", "[sim][explore][property]") {
  constexpr u64 kUntilNs = 400'000'000;
  u64 stolen_from_all = 0;
  for (u64 seed = 0; seed < 40; ++seed) {
    CAPTURE(seed);
    const lab::Result result =
        lab::run(kBusy, {.seed = seed, .until = kUntilNs, .schedule = lab::schedule_of("starve")});
    u64 stolen = 0;
    for (const ForcedChoice& choice : result.choices) stolen += choice.kind == ChoiceKind::Delay ? choice.answer : 0;
    CHECK(stolen <= kUntilNs * 2 / 5);  // a fifth, and a window that is under way
    stolen_from_all += stolen;
  }
  CHECK(stolen_from_all > 0);
}

TEST_CASE("a trace replays to the same root", "[sim][explore][simulation.T29]") {
  for (u64 seed = 0; seed < 5; ++seed) {
    for (const char* strategy : kStrategies) {
      for (const u32 cores : {1u, 3u}) {
        CAPTURE(seed, strategy, cores);
        const lab::Result made = explore(kClients, seed, cores, lab::schedule_of(strategy));
        // Through its text, as a file keeps it.
        Schedule again;
        REQUIRE(sim::host::parse_schedule(sim::host::text_of(replay_of(made.choices)), again) == "");
        const lab::Result replayed = explore(kClients, seed, cores, again);
        CHECK(replayed.root == made.root);
        CHECK(replayed.forced_used == made.choices.size());
      }
    }
  }
}

TEST_CASE("a trace survives an unrelated new thread", "[sim][explore][simulation.T30]") {
  const lab::Result made = explore(kClients, 11, 1, lab::schedule_of("random:cut=1/5,delay=1/20"));
  std::vector<ForcedChoice> of_clients;
  for (const ForcedChoice& choice : made.choices) {
    if (choice.actor.find("client") != std::string::npos) of_clients.push_back(choice);
  }
  REQUIRE(of_clients.size() > 5);
  const machine::NativeEntry with_stranger[] = {
      {"root", clients_and_stranger_root}, {"server", server}, {"client", client}, {"sleeper", sleeper}};
  const lab::Result other = explore(with_stranger, 11, 1, replay_of(of_clients));
  CHECK(other.outcome == Outcome::Ended);
  CHECK(other.forced_used == of_clients.size());
}

TEST_CASE("overrides that never come up are counted", "[sim][explore][simulation.T31]") {
  const std::vector<ForcedChoice> choices = {{ChoiceKind::Cut, "1/client.1", 3, 50},
                                             {ChoiceKind::Cut, "1/client.1", 1'000'000, 50},
                                             {ChoiceKind::Delay, "1/nobody.1", 0, 1000},
                                             {ChoiceKind::Pick, "1/core0", 0, 4'000'000'000}};  // never that many
  const lab::Result result = explore(kClients, 3, 1, replay_of(choices));
  CHECK(result.outcome == Outcome::Ended);
  CHECK(result.forced_used == 1);
}

TEST_CASE("one choice set otherwise moves no draw of the strategy at another point", "[sim][explore]") {
  // A cut that ends after the thread has trapped changes nothing but its own draw.
  const lab::Result plain = explore(kClients, 3, 1, lab::schedule_of("random:cut=1/3"));
  Schedule schedule = lab::schedule_of("random:cut=1/3");
  REQUIRE(plain.choices.size() > 20);
  const ForcedChoice& last = plain.choices.back();
  schedule.forced = {{last.kind, last.actor, last.ordinal, 0}};
  const lab::Result changed = explore(kClients, 3, 1, schedule);
  REQUIRE(changed.choices.size() >= plain.choices.size());
  for (std::size_t i = 0; i + 1 < plain.choices.size(); ++i) {
    CHECK(changed.choices[i].ordinal == plain.choices[i].ordinal);
    CHECK(changed.choices[i].answer == plain.choices[i].answer);
  }
  CHECK(changed.forced_used == 1);
}

TEST_CASE("`then` goes on with another strategy after the last entry", "[sim][explore][simulation.T32]") {
  const lab::Result made = explore(kClients, 9, 1, lab::schedule_of("random"));
  REQUIRE(made.choices.size() > 30);
  Schedule schedule = replay_of({made.choices.begin(), made.choices.begin() + 20});
  schedule.then = lab::schedule_of("random:cut=1/3").first;
  const lab::Result result = explore(kClients, 9, 1, schedule);
  CHECK(result.outcome == Outcome::Ended);
  REQUIRE(result.choices.size() > 25);
  for (std::size_t i = 0; i < 20; ++i) {
    CHECK(result.choices[i].actor == made.choices[i].actor);
    CHECK(result.choices[i].answer == made.choices[i].answer);
  }
  CHECK(result.root != made.root);
  const lab::Result without = explore(kClients, 9, 1, replay_of({made.choices.begin(), made.choices.begin() + 20}));
  CHECK(without.choices.size() == 20);
}

TEST_CASE("strategies and overrides are read with every mistake named", "[sim][explore][text]") {
  sim::StrategyConfig config;
  const auto wrong = [&](const char* text) { return sim::host::parse_strategy(text, config); };
  CHECK(wrong("pct:depth=2,steps=500") == "");
  CHECK(config.depth == 2);
  CHECK(sim::host::text_of(config) == "pct:depth=2,steps=500");
  CHECK(wrong("mix:pct=0,walk=9") == "");
  CHECK(sim::host::text_of(config) == "mix:pct=0,walk=9");
  CHECK(wrong("rendom").starts_with("there is no strategy 'rendom'; there are fair, random"));
  CHECK(wrong("").starts_with("there is no strategy ''"));
  CHECK(wrong("pct:deep=2") == "pct has no knob 'deep'; it has depth, steps");
  CHECK(wrong("walk:x=1") == "walk has no knob 'x'");
  CHECK(wrong("pct:depth=0") == "depth=0: allowed is 1 to 16");
  CHECK(wrong("pct:depth=17") == "depth=17: allowed is 1 to 16");
  CHECK(wrong("pct:depth") == "'depth': a knob is written name=value");
  CHECK(wrong("pct:").ends_with("a knob is written name=value"));
  CHECK(wrong("random:cut=2/1").starts_with("cut=2/1: allowed is a ratio"));
  CHECK(wrong("random:cut=1/0").starts_with("cut=1/0: allowed is a ratio"));
  CHECK(wrong("fair:quantum=1ns").starts_with("quantum=1ns: allowed is a time from 1000ns"));
  CHECK(wrong("mix:dfs=1") == "mix has no strategy 'dfs'");
  CHECK(wrong("mix:pct=101") == "pct=101: allowed is 0 to 100");
  CHECK(wrong("mix:pct=0,random=0,perturb=0,sticky=0,starve=0,walk=0") == "mix: one weight must be more than 0");

  const auto file = [](const std::string& text) {
    Schedule schedule;
    return sim::host::parse_schedule(text, schedule);
  };
  CHECK(file("orrery-overrides 1\n# all\n\ncut 1/a.1 @2 5us # why\nthen pct:depth=2\n") == "");
  CHECK(file("") == "it is empty");
  CHECK(file("orrery-overrides 2\n").starts_with("line 1: it does not begin with"));
  CHECK(file("orrery-overrides 1 x=1\n").starts_with("line 1: 'x=1': plan, seed and sched"));
  CHECK(file("orrery-overrides 1\nfail net.loss @1 spare\n").starts_with("line 2: there is no choice 'fail'"));
  CHECK(file("orrery-overrides 1\ncut 1/a.1 2 5us\n") == "line 2: '2': an ordinal is written @118");
  CHECK(file("orrery-overrides 1\ncut 1/a.1 @2\n") == "line 2: cut is followed by an actor, @ordinal and an answer");
  CHECK(file("orrery-overrides 1\ncut 1/a.1 @2 1h\n").starts_with("line 2: '1h': allowed is a time up to"));
  CHECK(file("orrery-overrides 1\nthen fair\nthen fair\n") == "line 3: `then` is there twice");
  Schedule twice;
  REQUIRE(sim::host::parse_schedule("orrery-overrides 1\npick 1/core0 @1 1\npick 1/core0 @1 2\n", twice) == "");
  CHECK(sim::host::find_doubled(twice).starts_with("set twice: pick 1/core0 @1"));
}
