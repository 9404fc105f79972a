// tests/judge/judge_test.cpp — properties, monitors and deadlines over made-up events; the core's properties and the
// invariants over worlds of test programs.
#include "sim/host/judge/judge.h"

#include <catch2/catch.hpp>

#include "tests/sim/guest.h"
#include "tests/sim/lab.h"

namespace {

using namespace sim::host::judge;
using base::EventKind;
using sim::host::Filter;

constexpr u64 kMs = 1'000'000;
constexpr u64 kSecond = 1'000 * kMs;

Filter filter(std::string_view text) {
  Filter made;
  const std::string wrong = sim::host::parse_filter(text, {}, made);
  REQUIRE(wrong.empty());
  return made;
}

/// Feeds events, one a millisecond.
struct Feed {
  Judge judge;
  u64 sequence = 0;
  void event(EventKind kind, u64 time_ns, u64 a = 0, u32 thread = 0, u64 b = 0) {
    base::Event made;
    made.time_ns = time_ns;
    made.kind = static_cast<u16>(kind);
    made.lane = static_cast<u8>(base::lane_of(kind));
    made.node = 1;
    made.thread = thread;
    made.a = a;
    made.b = b;
    made.sequence = ++sequence;
    judge.event(made);
  }
  void tick(u64 time_ns) { event(EventKind::SchedCoreIdle, time_ns); }
};

const sim::host::Hit& hit(const std::vector<sim::host::Hit>& hits, const std::string& name) {
  for (const sim::host::Hit& one : hits) {
    if (one.name == name) return one;
  }
  FAIL("no property " << name);
  return hits[0];
}

std::string key_of(const base::Event& event) { return std::to_string(event.a); }

u32 number_of(std::string_view name) {
  for (u32 i = 0; i < base::kPropertyCount; ++i) {
    if (base::kProperties[i].name == name) return i;
  }
  FAIL("no property " << name);
  return 0;
}

// ── A world that reports, and one whose memory is spoiled ────────────────────────────────────────────────────

u64 report(u64 property, base::CheckSays says, u64 value) {
  sys::frame().mr[0] = property | static_cast<u64>(says) << 32;
  sys::frame().mr[1] = value;
  return static_cast<u64>(port::call(guest::kWorld, port::World::Report).label);
}

/// The number of a property that a program declares; kNone if it is refused.
constexpr u64 kNone = ~u64{0};
u64 declare(std::string_view name, base::CheckForm form) {
  std::copy(name.begin(), name.end(), reinterpret_cast<char*>(sys::buffer().msg));
  sys::frame().mr[0] = static_cast<u64>(form);
  sys::frame().mr[1] = name.size();
  return port::call(guest::kWorld, port::World::Declare).ok() ? sys::frame().mr[0] : kNone;
}

void declaring_root(const u64 (&)[8]) {
  guest::Root root;
  const u64 refused = static_cast<u64>(kernel::ResultLabel::InvalidArgument);
  const u64 first = base::kPropertyCount;
  ASSERT(report(first, base::CheckSays::Hit, 0) == refused);  // nothing is declared yet
  ASSERT(declare("shop.open", base::CheckForm::Sometimes) == first);
  ASSERT(declare("shop.balance", base::CheckForm::Always) == first + 1);
  ASSERT(declare("shop.open", base::CheckForm::Sometimes) == first);
  ASSERT(declare("shop.open", base::CheckForm::Always) == kNone);
  ASSERT(declare("fs.flushed", base::CheckForm::Sometimes) == kNone);  // the core's, of another form
  ASSERT(declare("fs.opens", base::CheckForm::Watermark) == number_of("fs.opens"));
  ASSERT(declare("two words", base::CheckForm::Always) == kNone);
  ASSERT(declare("", base::CheckForm::Always) == kNone);
  ASSERT(declare(std::string(base::kPropertyNameMax + 1, 'x'), base::CheckForm::Always) == kNone);
  ASSERT(declare("shop.mark", base::CheckForm::Mark) == kNone);
  ASSERT(report(first, base::CheckSays::Failed, 0) == refused);
  ASSERT(report(first, base::CheckSays::Hit, 0) == 0);
  ASSERT(report(first + 1, base::CheckSays::Failed, 17) == 0);
  char name[] = "shop.000";
  u64 last = first + 1;
  for (u32 i = 0; last != kNone; ++i) {
    ASSERT(i <= base::kDeclaredPropertiesMax);
    for (u32 digit = 0, rest = i; digit < 3; ++digit, rest /= 10) name[7 - digit] = static_cast<char>('0' + rest % 10);
    last = declare(name, base::CheckForm::Never);
  }
  guest::halt(0);
}

void reporting_root(const u64 (&)[8]) {
  guest::Root root;
  const u64 refused = static_cast<u64>(kernel::ResultLabel::InvalidArgument);
  ASSERT(report(number_of("fs.opens"), base::CheckSays::Level, 3) == 0);
  ASSERT(report(number_of("fs.opens"), base::CheckSays::Level, 9) == 0);
  ASSERT(report(number_of("fs.opens"), base::CheckSays::Failed, 9) == refused);  // a watermark cannot fail
  ASSERT(report(base::kPropertyCount, base::CheckSays::Hit, 0) == refused);
  ASSERT(report(number_of("fs.opens"), static_cast<base::CheckSays>(77), 0) == refused);
  for (u64 i = 0; i < 3; ++i) ASSERT(report(number_of("fs.flushed"), base::CheckSays::Hit, 0) == 0);
  ASSERT(report(number_of("process.waited"), base::CheckSays::Key, 5) == 0);
  ASSERT(report(number_of("process.waited"), base::CheckSays::Key, 6) == 0);
  ASSERT(report(number_of("pipe.bytes"), base::CheckSays::Hit, 0) == 0);
  ASSERT(report(number_of("pipe.bytes"), base::CheckSays::Failed, 41) == 0);
  // Device memory of another kind is no authority to report.
  sys::frame().mr[0] = number_of("fs.flushed");
  ASSERT(port::call(guest::kEntropy, port::World::Report).label == kernel::ResultLabel::IllegalOperation);
  guest::halt(0);
}

void busy_root(const u64 (&)[8]) {
  guest::Root root;
  for (u64 i = 0; i < 2000; ++i) {
    machine::charge(20'000);
    const u64 slot = root.next_slot;
    root.make(kernel::ObjectType::Endpoint);
    sys::invoke(kernel::kRootCNode, kernel::Invoke::CNodeDelete, {slot, 64});
    root.next_slot = slot;
  }
  guest::halt(0);
}

constexpr u64 kSpoiledAt = 3000;

/// Runs busy_root; at the first kernel exit after event kSpoiledAt somebody spoils a count in the kernel's memory.
class SpoiledCase final : public sim::host::Case {
 public:
  std::string name() const override { return "spoiled"; }
  std::string plan_id() const override { return std::string(64, '0'); }
  std::string reproduction(const sim::host::RunSetup&) const override { return "run spoiled"; }
  sim::host::RunReport run(const sim::host::RunSetup& setup) override {
    runs += 1;
    const machine::NativeEntry entries[] = {{"root", busy_root}};
    sim::host::Machine machine({.seed = setup.seed, .ram_bytes = u64{16} << 20, .entries = entries});
    Judge judge;
    REQUIRE(judge.invariants().set({}, setup.checks).empty());
    bool spoiled = false;
    machine.on_entered = [&](u32 node) {
      if (!machine.started() || spoiled || machine.world().trace().count() < kSpoiledAt) return;
      spoiled = true;
      spoiled_after = machine.world().trace().count();
      kernel::Kernel& kernel = machine.world().nodes()[node - 1].kernel();
      kernel.at(kernel.core(0).current).header.cap_count += 1;
    };
    judge.attach(machine);
    REQUIRE(machine.start().empty());
    machine.run(sim::kNever);
    judge.finish(machine.world(), machine.world().now());
    sim::host::RunReport report;
    report.finding = judge.finding();
    report.root = machine.world().finish();
    checks = judge.invariants().checks();
    return report;
  }
  u32 runs = 0;
  u64 spoiled_after = 0;
  u64 checks = 0;
};

}  // namespace

TEST_CASE("a monitor that stays hot fails at its time, one that cools passes", "[judge][simulation.T52]") {
  for (const bool cools : {true, false}) {
    Feed feed;
    feed.judge.monitor("dirty", filter("fs.write"), filter("fs.close"), 5 * kSecond, key_of);
    feed.event(EventKind::FsWrite, kSecond, 7);
    feed.event(EventKind::FsWrite, kSecond, 8);
    feed.tick(20 * kSecond);  // before liveness it may be hot for ever
    CHECK_FALSE(feed.judge.finding());
    feed.judge.begin_liveness(20 * kSecond);
    feed.event(EventKind::FsClose, 21 * kSecond, 7);
    feed.tick(24 * kSecond);
    if (cools) feed.event(EventKind::FsClose, 24 * kSecond + 1, 8);
    feed.tick(25 * kSecond);
    CHECK_FALSE(feed.judge.finding());
    feed.tick(25 * kSecond + 1);
    feed.judge.finish(60 * kSecond);
    REQUIRE(feed.judge.finding().has_value() == !cools);
    if (cools) continue;
    CHECK(feed.judge.finding()->kind == "hot");
    CHECK(feed.judge.finding()->property == "dirty");
    CHECK(feed.judge.finding()->time_ns == 25 * kSecond);
    CHECK(feed.judge.finding()->is_liveness);
    CHECK(feed.judge.finding()->details.find("8") != std::string::npos);
    CHECK(feed.judge.finding()->signature == "dirty hot");
  }
}

TEST_CASE("what must come eventually is found at the end of its time, and only then", "[judge]") {
  for (const bool comes : {true, false}) {
    Feed feed;
    bool clean = false;
    feed.judge.eventually(
        "clean", [&](std::string&) { return clean; }, 2 * kSecond);
    feed.tick(kSecond);
    feed.judge.begin_liveness(10 * kSecond);
    for (u64 ms = 0; ms < 1900; ms += 10) feed.tick(10 * kSecond + ms * kMs);
    clean = comes;
    feed.tick(10 * kSecond + 1950 * kMs);
    clean = false;  // once is enough
    feed.tick(13 * kSecond);
    CHECK(feed.judge.finding().has_value() == !comes);
    if (!comes) CHECK(feed.judge.finding()->time_ns == 12 * kSecond);
    CHECK(hit(feed.judge.hits(), "clean").count == (comes ? 1 : 0));
  }
  Feed without;  // no liveness of its own: at the end
  without.judge.eventually("never", [](std::string& details) {
    details = "because";
    return false;
  });
  without.tick(1);
  without.judge.finish(5);
  REQUIRE(without.judge.finding());
  CHECK(without.judge.finding()->details == "because");
}

TEST_CASE("each cause is followed by its effect in time", "[judge]") {
  Feed feed;
  feed.judge.leads_to("answered", filter("fs.open"), filter("fs.close"), 10 * kMs, key_of);
  feed.event(EventKind::FsOpen, kMs, 1);
  feed.event(EventKind::FsOpen, 2 * kMs, 2);
  feed.event(EventKind::FsClose, 11 * kMs, 1);
  feed.tick(12 * kMs);
  CHECK_FALSE(feed.judge.finding());
  feed.judge.finish(11 * kMs);  // a run that ends before the time is over says nothing
  CHECK_FALSE(feed.judge.finding());
  feed.tick(12 * kMs + 1);
  REQUIRE(feed.judge.finding());
  CHECK(feed.judge.finding()->kind == "leads-to");
  CHECK(feed.judge.finding()->time_ns == 12 * kMs);
}

TEST_CASE("safety properties name the first event that broke one, with role and signature", "[judge]") {
  Feed feed;
  feed.judge.set_names([](u32, u32 thread) -> std::string_view { return thread == 5 ? "fxfs.2" : "fsh"; });
  u64 opens = 0;
  feed.judge.always(
      "few",
      [&](std::string& details) {
        details = std::to_string(++opens);
        return opens < 3;
      },
      filter("fs.open"));
  feed.judge.never("no-unmount", filter("fs.unmount"));
  feed.judge.at_most_once("once", filter("fs.close"), key_of);
  feed.judge.sometimes("reads", filter("fs.read"));
  feed.judge.sometimes("unseen", filter("fs.restart"));
  feed.judge.watermark("offset", filter("fs.read"),
                       [](const base::Event& event) { return std::optional<i64>(static_cast<i64>(event.b)); });
  feed.event(EventKind::FsClose, 1, 1, 5);
  feed.event(EventKind::FsClose, 2, 2, 5);
  feed.event(EventKind::FsRead, 3, 0, 5, 40);
  feed.event(EventKind::FsRead, 4, 0, 5, 12);
  feed.event(EventKind::FsOpen, 5, 0, 5);
  feed.event(EventKind::FsOpen, 6, 0, 6);
  CHECK_FALSE(feed.judge.finding());
  feed.event(EventKind::CheckNote, 7, 0, 5);  // what is noted is nothing a thread does
  feed.event(EventKind::FsClose, 8, 2, 5);
  feed.event(EventKind::FsOpen, 9, 0, 5);
  REQUIRE(feed.judge.finding());
  const sim::host::Finding found = *feed.judge.finding();
  CHECK(found.property == "once");
  CHECK(found.kind == "at-most-once");
  CHECK(found.role == "fxfs");
  CHECK(found.moment == 8);
  CHECK(found.details == "2 is here again, first at #2");
  CHECK(found.signature == "once at-most-once | fxfs | fs.read fs.open fs.close");
  const auto hits = feed.judge.hits();
  CHECK(hit(hits, "reads").count == 2);
  CHECK(hit(hits, "unseen").count == 0);
  CHECK(hit(hits, "offset").low == 12);
  CHECK(hit(hits, "offset").high == 40);
  CHECK(hit(hits, "few").count == 3);
  CHECK(hit(hits, "cdt.revoke-cut").count == 0);  // the core's are listed though nothing reached them
  CHECK(hit(hits, "cdt.revoke-cut").form == "mark");
}

TEST_CASE("programs declare properties of their own, and the judge knows them by name", "[judge][sim]") {
  const machine::NativeEntry entries[] = {{"root", declaring_root}};
  sim::host::Machine machine({.seed = 1, .ram_bytes = u64{16} << 20, .entries = entries});
  Judge judge;
  judge.attach(machine);
  REQUIRE(machine.start().empty());
  CHECK(machine.run(sim::kNever) == sim::Outcome::Ended);
  CHECK(machine.world().status() == 0);
  const auto hits = judge.hits();
  CHECK(hit(hits, "shop.open").count == 1);
  CHECK(hit(hits, "shop.open").form == "sometimes");
  CHECK(hit(hits, "shop.005").count == 0);
  CHECK(hit(hits, "shop.005").form == "never");
  REQUIRE(judge.finding());
  CHECK(judge.finding()->kind == "always");
  CHECK(judge.finding()->property == "shop.balance");
  CHECK(judge.finding()->details == "value 17");
}

TEST_CASE("programs report through the world device; only failures and first hits are events", "[judge][sim]") {
  const machine::NativeEntry entries[] = {{"root", reporting_root}};
  sim::host::Machine machine({.seed = 1, .ram_bytes = u64{16} << 20, .entries = entries});
  Judge judge;
  std::vector<base::Event> checks;
  machine.on_event = [&](const base::Event& event) {
    if (event.lane == static_cast<u8>(base::Lane::Check)) checks.push_back(event);
  };
  judge.attach(machine);
  REQUIRE(machine.start().empty());
  CHECK(machine.run(sim::kNever) == sim::Outcome::Ended);
  CHECK(machine.world().status() == 0);
  std::vector<std::pair<std::string, std::string>> seen;
  for (const base::Event& event : checks) {
    seen.emplace_back(base::name_of(static_cast<EventKind>(event.kind)), base::kProperties[event.a].name);
  }
  const std::vector<std::pair<std::string, std::string>> expected = {{"check.hit", "fs.opens"},
                                                                     {"check.hit", "fs.flushed"},
                                                                     {"check.hit", "process.waited"},
                                                                     {"check.hit", "pipe.bytes"},
                                                                     {"check.failed", "pipe.bytes"}};
  CHECK(seen == expected);
  const auto hits = judge.hits();
  CHECK(hit(hits, "fs.opens").high == 9);
  CHECK(hit(hits, "fs.opens").low == 3);
  CHECK(hit(hits, "fs.flushed").count == 3);
  CHECK(hit(hits, "process.waited").count == 2);
  REQUIRE(judge.finding());
  CHECK(judge.finding()->kind == "always");
  CHECK(judge.finding()->property == "pipe.bytes");
  CHECK(judge.finding()->details == "value 41");
  CHECK(judge.finding()->moment == checks.back().sequence);
}

TEST_CASE("judging changes no root", "[judge][sim]") {
  base::Digest roots[3];
  for (u32 variant = 0; variant < 3; ++variant) {
    const machine::NativeEntry entries[] = {{"root", busy_root}};
    sim::host::Machine machine({.seed = 1, .ram_bytes = u64{16} << 20, .entries = entries});
    Judge judge;
    if (variant == 2) REQUIRE(judge.invariants().set({}, "kernel-exit").empty());
    if (variant > 0) judge.attach(machine);
    REQUIRE(machine.start().empty());
    machine.run(sim::kNever);
    judge.finish(machine.world(), machine.world().now());
    CHECK_FALSE(judge.finding());
    if (variant == 2) CHECK(judge.invariants().checks() > 500);
    roots[variant] = machine.world().finish();
  }
  CHECK(roots[0] == roots[1]);
  CHECK(roots[0] == roots[2]);
}

TEST_CASE("from a sparse cadence the first bad event is found", "[judge][sim][simulation.T48]") {
  for (const char* cadence : {"every 10ms", "every 1000", "event sched.run", "end"}) {
    CAPTURE(cadence);
    SpoiledCase spoiled;
    sim::host::RunSetup setup;
    setup.checks = cadence;
    const sim::host::RunReport sparse = spoiled.run(setup);
    const u64 sparse_checks = spoiled.checks;
    REQUIRE(sparse.finding);
    CHECK(sparse.finding->held_at != 0);
    const sim::host::RunReport exact = run_exactly(spoiled, setup);
    REQUIRE(exact.finding);
    CHECK(exact.finding->kind == "invariant");
    CHECK(exact.finding->property == "kernel.refs");
    CHECK(exact.finding->held_at == 0);
    CHECK(exact.finding->moment == spoiled.spoiled_after);
    CHECK(exact.finding->moment <= sparse.finding->moment);
    CHECK(exact.root == sparse.root);
    CHECK(spoiled.runs == 3);
    if (std::string(cadence) != "event sched.run") CHECK(sparse_checks < 20);
  }
}

TEST_CASE("a cadence that is none is refused with those there are", "[judge]") {
  Cadence cadence;
  CHECK(parse_cadence("every 10ms", cadence).empty());
  CHECK(cadence.every == 10 * kMs);
  CHECK(parse_cadence("kernel-exit from #4711", cadence).empty());
  CHECK(cadence.from == 4711);
  CHECK(parse_cadence("sometimes", cadence).starts_with("there is no cadence 'sometimes'; there are off, kernel-exit"));
  CHECK(parse_cadence("every now", cadence) == "'now' is no number of events (1000) and no time (10ms)");
  CHECK(parse_cadence("every 0", cadence).starts_with("'0' is no number"));
  CHECK(parse_cadence("event ipc.trasnfer", cadence).starts_with("column 1: no kind of event"));
  CHECK(parse_cadence("end from #x", cadence).find("`from #`") != std::string::npos);
  Invariants invariants;
  CHECK(invariants.set({"kernel.ctd"}, "end") == "there is no invariant 'kernel.ctd'; did you mean 'kernel.cdt'?");
}
