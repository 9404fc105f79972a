// Faults: each class has the effect that the catalogue states and leaves one event; what is off is not there; one
// opportunity set otherwise moves no other.
#include <catch2/catch.hpp>

#include <algorithm>
#include <fstream>
#include <set>

#include "tests/sim/cli_lab.h"
#include "tests/sim/guest.h"
#include "tests/sim/lab.h"

using namespace guest;
using base::EventKind;
using sim::Outcome;

namespace {

constexpr u64 kMs = 1'000'000;
constexpr u64 kShared = 0x20000;

u64* words() { return static_cast<u64*>(machine::pointer(kShared, 4096, true)); }

void name_thread(u64 tcb, std::string_view name) {
  u64 packed[4] = {};
  __builtin_memcpy(packed, name.data(), name.size());
  ASSERT(sys::invoke(tcb, Invoke::TcbSetName, {packed[0], packed[1], packed[2], packed[3]}).ok());
}

u64 take_line(Root& root, DeviceKind kind, u64 notification) {
  const u64 handler = root.next_slot++;
  ASSERT(
      sys::invoke(kRootIrqControl, Invoke::IrqControlGet, {root.device(kind).irq, 0, handler, 64}, {kRootCNode}).ok());
  ASSERT(sys::invoke(handler, Invoke::IrqHandlerSetNotification, {}, {notification}).ok());
  ASSERT(sys::invoke(handler, Invoke::IrqHandlerAck, {}).ok());
  return handler;
}

// ── Guests ───────────────────────────────────────────────────────────────────────────────────────────────────

/// Works for 100 ms with a kernel entry each, says how long it took.
void worker_root(const u64 (&)[8]) {
  Root root;
  const u64 notification = root.make(ObjectType::Notification);
  const u64 started = now();
  for (u32 i = 0; i < 100; ++i) {
    machine::charge(kMs);
    sys::signal(notification);
  }
  print_number(now() - started);
  halt(0);
}

/// Signals a thread on the other core, which notes when it woke.
void waker(const u64 (&arguments)[8]) {
  sys::wait(arguments[0]);
  words()[0] = now();
  sys::signal(arguments[1]);
  for (;;) sys::wait(arguments[0]);
}
void waker_root(const u64 (&)[8]) {
  Root root;
  root.map(root.make(ObjectType::Frame, 12), kShared);
  const u64 there = root.make(ObjectType::Notification);
  const u64 back = root.make(ObjectType::Notification);
  root.spawn(1, {there, back}, 100, 0, 1);
  machine::charge(10 * kMs);
  const u64 started = now();
  sys::signal(there);
  machine::charge(kMs);  // an idle core would take the thread over
  sys::wait(back);
  print_number(words()[0] - started);
  halt(0);
}

/// Sleeps 3 ms on the device timer, stays for 200 ms and prints how long the sleep was, and how often the line came.
void timer_root(const u64 (&)[8]) {
  Root root;
  const u64 notification = root.make(ObjectType::Notification);
  const u64 handler = take_line(root, DeviceKind::Timer, notification);
  const auto sleep_until = [&](u64 time) {
    u64 wakes = 0;
    sys::frame().mr[0] = time;
    port::call(kTimer, port::Timer::Arm);
    while (now() < time) {
      sys::wait(notification);
      wakes += 1;
      sys::invoke(handler, Invoke::IrqHandlerAck, {});
    }
    return wakes;
  };
  machine::charge(kMs);
  const u64 started = now();
  u64 wakes = sleep_until(started + 3 * kMs);
  const u64 slept = now() - started;
  wakes += sleep_until(started + 200 * kMs);
  print_number(slept);
  print(" ");
  print_number(wakes);
  halt(0);
}

/// Reads the console for 100 ms; prints what came as hexadecimal, `end` when it ended, and the size.
void console_root(const u64 (&)[8]) {
  Root root;
  const u64 notification = root.make(ObjectType::Notification);
  const u64 console_line = take_line(root, DeviceKind::Console, notification);
  const u64 timer_line = take_line(root, DeviceKind::Timer, notification);
  sys::frame().mr[0] = 100 * kMs;
  port::call(kTimer, port::Timer::Arm);
  bool ended = false;
  while (now() < 100 * kMs) {
    sys::wait(notification);
    for (;;) {
      sys::frame().mr[0] = 100;
      port::call(kConsole, port::Console::Read);
      const u64 count = sys::frame().mr[0];
      ended = ended || sys::frame().mr[1] != 0;
      if (count == 0) break;
      char text[200];
      for (u64 i = 0; i < count; ++i) {
        const u8 byte = reinterpret_cast<const u8*>(sys::buffer().msg)[i];
        text[2 * i] = "0123456789abcdef"[byte >> 4];
        text[2 * i + 1] = "0123456789abcdef"[byte & 15];
      }
      print({text, 2 * count});
    }
    if (!ended) sys::invoke(console_line, Invoke::IrqHandlerAck, {});
    sys::invoke(timer_line, Invoke::IrqHandlerAck, {});
  }
  if (ended) print("end");
  port::call(kConsole, port::Console::Size);
  const u64 columns = sys::frame().mr[0];
  const u64 rows = sys::frame().mr[1];
  print(" ");
  print_number(columns);
  print(" ");
  print_number(rows);
  halt(0);
}

/// Looks at its clock for 200 ms of work; prints what monotonic time went by, and by how much the wall is off, which wraps.
void clock_root(const u64 (&)[8]) {
  Root root;
  const u64 started = now();
  machine::charge(200 * kMs);
  const u64 ended = now();
  const u64 wall = sys::frame().mr[1];
  print_number(ended - started);
  print(" ");
  print_number(wall - ended - sim::kWallStartNs);
  halt(0);
}

/// A server that dies is started again; the root prints the fault numbers and how many requests each instance answered.
void victim(const u64 (&arguments)[8]) {
  sys::recv(arguments[0], arguments[1]);
  for (;;) {
    machine::charge(300);
    words()[0] += 1;
    sys::frame().mr[0] += 1;
    sys::reply_recv(arguments[0], arguments[1], MessageInfo::make(0, 1));
  }
}
void asker(const u64 (&arguments)[8]) {
  for (u64 i = 0; i < 10; ++i) {
    sys::frame().mr[0] = i;
    sys::call(arguments[0], MessageInfo::make(0, 1));
    machine::charge(1000);
  }
  sys::frame().mr[2] = 0;
  sys::buffer().msg[2] = 0;
  sys::send(arguments[1], MessageInfo::make(77, 3));
  for (;;) sys::wait(arguments[2]);
}
void supervisor_root(const u64 (&)[8]) {
  Root root;
  root.map(root.make(ObjectType::Frame, 12), kShared);
  const u64 endpoint = root.make(ObjectType::Endpoint);
  const u64 faults = root.make(ObjectType::Endpoint);
  const u64 own_reply = root.make(ObjectType::Reply);
  const auto start = [&] {
    const u64 reply = root.make(ObjectType::Reply);
    const u64 tcb = root.spawn(1, {endpoint, reply}, 101, faults);
    name_thread(tcb, "victim");
    return std::pair(tcb, reply);
  };
  auto server = start();
  name_thread(root.spawn(2, {endpoint, faults, root.make(ObjectType::Notification)}, 100), "asker");
  for (;;) {
    const sys::Received received = sys::recv(faults, own_reply);
    if (received.info.label() == 77) break;
    print_number(sys::frame().mr[2]);
    print(":");
    print_number(words()[0]);
    print(" ");
    words()[0] = 0;
    // As a manager does: the thread goes, and with its Reply whoever waits for an answer.
    ASSERT(sys::invoke(kRootCNode, Invoke::CNodeDelete, {server.first, 64}).ok());
    ASSERT(sys::invoke(kRootCNode, Invoke::CNodeDelete, {server.second, 64}).ok());
    server = start();
  }
  print_number(words()[0]);
  halt(0);
}

const machine::NativeEntry kWorker[] = {{"root", worker_root}};
const machine::NativeEntry kWaker[] = {{"root", waker_root}, {"waker", waker}};
const machine::NativeEntry kTimerGuest[] = {{"root", timer_root}};
const machine::NativeEntry kConsoleGuest[] = {{"root", console_root}};
const machine::NativeEntry kClockGuest[] = {{"root", clock_root}};
const machine::NativeEntry kSupervised[] = {{"root", supervisor_root}, {"victim", victim}, {"asker", asker}};

lab::Result run(std::span<const machine::NativeEntry> entries, const std::string& lines, u64 seed = 1) {
  lab::Options options{.seed = seed, .cores = entries.data() == kWaker ? 2u : 1u, .until = 60'000 * kMs};
  if (entries.data() == kConsoleGuest) options.console = sim::ConsoleKind::Terminal;
  options.keep_trace = true;
  if (lines.find("node.rack") != std::string::npos || lines.find("node.lost") != std::string::npos) options.nodes = 3;
  if (!lines.empty()) options.schedule = lab::faults_of(lines);
  return lab::run(entries, options);
}

u64 count(const lab::Result& result, EventKind kind) {
  return static_cast<u64>(std::count_if(result.trace.begin(), result.trace.end(), [kind](const base::Event& event) {
    return event.kind == static_cast<u16>(kind);
  }));
}
u64 number_in(const std::string& text, u32 index = 0) {
  std::size_t at = 0;
  for (u32 i = 0; i < index; ++i) at = text.find(' ', at) + 1;
  return std::strtoull(text.c_str() + at, nullptr, 10);
}

struct Case {
  const char* fault;
  std::span<const machine::NativeEntry> guest;
  const char* lines;
  /// What is wrong, given the run without and the run with the fault; empty when all is as the catalogue says.
  std::string (*check)(const lab::Result& plain, const lab::Result& struck);
};

std::string differs(const char* what, u64 found, u64 wanted) {
  return found == wanted ? "" : std::string(what) + " is " + std::to_string(found) + ", not " + std::to_string(wanted);
}
std::string later_by(const lab::Result& plain, const lab::Result& struck, u64 ns, u64 slack = 0) {
  const u64 late = number_in(struck.output) - number_in(plain.output);
  return late >= ns && late <= ns + slack ? "" : differs("the delay", late, ns);
}
u64 raises(const lab::Result& result) { return count(result, EventKind::IrqRaise); }
std::string output_is(const lab::Result& struck, const std::string& wanted) {
  return struck.output == wanted ? "" : "printed " + struck.output;
}

/// Times at which nodes went down and up, in ms after the first boot.
std::vector<u64> times_of(const lab::Result& result, EventKind kind) {
  std::vector<u64> times;
  for (const base::Event& event : result.trace) {
    if (event.kind == static_cast<u16>(kind) && event.time_ns != 0) times.push_back(event.time_ns);
  }
  return times;
}
/// How far the wall was stepped at each of the steps.
std::vector<i64> steps_of(const lab::Result& result) {
  std::vector<i64> steps;
  for (const base::Event& event : result.trace) {
    if (event.kind == static_cast<u16>(EventKind::WorldClockSet)) steps.push_back(static_cast<i64>(event.b));
  }
  return steps;
}
std::string wall_is_off(const lab::Result& struck, i64 ns) {
  return differs("the error of the wall", number_in(struck.output, 1), static_cast<u64>(ns));
}

const Case kCases[] = {
    {"cpu.steal", kWorker, "fault cpu.steal 1/core0 @50 fire time=123us",
     [](const auto& plain, const auto& struck) { return later_by(plain, struck, 123'000); }},
    {"cpu.throttle", kWorker, "arm cpu.throttle per-minute=1500 at-most=1 factor=3 length=30ms",
     // Of 30 ms only 10 are worked; what the kernel does at the end of each grant takes no longer.
     [](const auto& plain, const auto& struck) { return later_by(plain, struck, 20 * kMs - 1000, 1000); }},
    {"cpu.offline", kWorker, "arm cpu.offline per-minute=1500 at-most=1 length=30ms",
     [](const auto& plain, const auto& struck) { return later_by(plain, struck, 30 * kMs); }},
    {"cpu.ipi-late", kWaker, "arm cpu.ipi-late target=1/core1 ratio=1/1 from=10ms at-most=1 time=70us",
     [](const auto& plain, const auto& struck) { return later_by(plain, struck, 70'000); }},
    {"timer.late", kTimerGuest, "fault timer.late 1/irq2 @0 fire time=7ms",
     [](const auto& plain, const auto& struck) { return later_by(plain, struck, 7 * kMs); }},
    {"timer.merge", kTimerGuest, "fault timer.merge 1/irq2 @0 fire grid=10ms",
     [](const auto&, const auto& struck) {
       for (const base::Event& event : struck.trace) {
         if (event.kind == static_cast<u16>(EventKind::IrqRaise))
           return differs("the expiry", event.time_ns / 1000, 10'000);
       }
       return std::string("no interrupt");
     }},
    {"timer.lost-irq", kTimerGuest, "fault timer.lost-irq 1/irq2 @0 fire time=5ms",
     [](const auto& plain, const auto& struck) { return later_by(plain, struck, 5 * kMs); }},
    {"irq.lost", kTimerGuest, "fault irq.lost 1/irq2 @0 fire time=4ms",
     [](const auto& plain, const auto& struck) { return later_by(plain, struck, 4 * kMs); }},
    {"irq.double", kTimerGuest, "fault irq.double 1/irq2 @0 fire",
     [](const auto& plain, const auto& struck) { return differs("interrupts", raises(struck), raises(plain) + 1); }},
    {"irq.spurious", kTimerGuest, "arm irq.spurious target=1/irq2 per-minute=1500 at-most=1",
     [](const auto& plain, const auto& struck) { return differs("interrupts", raises(struck), raises(plain) + 1); }},
    {"irq.storm", kTimerGuest, "arm irq.storm target=1/irq2 per-minute=1500 at-most=1 every=1ms length=10ms",
     [](const auto& plain, const auto& struck) {
       const u64 more = raises(struck) - raises(plain);
       return more >= 9 && more <= 11 ? std::string() : differs("interrupts", more, 10);
     }},
    {"device.busy", kWorker, "fault device.busy 1/timer @1 fire time=9us",
     [](const auto& plain, const auto& struck) { return later_by(plain, struck, 9'000); }},
    {"console.burst", kConsoleGuest, "arm console.burst per-minute=1500 at-most=1 bytes=5000",
     [](const auto&, const auto& struck) {
       std::string all;
       for (u32 i = 0; i < 5000; ++i) all += "78";
       return output_is(struck, all + "15 0 0");
     }},
    {"console.garbage", kConsoleGuest, "arm console.garbage per-minute=1500 at-most=1 bytes=8",
     [](const auto&, const auto& struck) {
       for (const char* byte : {"03", "04", "0a", "0d", "11", "13", "1a", "1c"}) {
         for (u32 at = 0; at < 16; at += 2) {
           if (struck.output.substr(at, 2) == byte) return "a key that does something: " + struck.output;
         }
       }
       return struck.output.size() == 22 && struck.output.substr(16) == "15 0 0" ? "" : "printed " + struck.output;
     }},
    {"console.interrupt", kConsoleGuest, "arm console.interrupt per-minute=1500 at-most=1",
     [](const auto&, const auto& struck) { return output_is(struck, "03 0 0"); }},
    {"console.hangup", kConsoleGuest, "arm console.hangup per-minute=1500 at-most=1",
     [](const auto&, const auto& struck) { return output_is(struck, "end 0 0"); }},
    {"console.resize", kConsoleGuest, "arm console.resize per-minute=1500 at-most=1 columns=132 rows=43",
     [](const auto&, const auto& struck) { return output_is(struck, " 132 43"); }},
    // The victim's first entry receives, each further one answers and receives; the call it dies of is not made.
    {"process.kill", kSupervised, "fault process.kill 1/victim @3 fire",
     [](const auto&, const auto& struck) { return output_is(struck, "265:3 7"); }},
    {"process.trap", kSupervised, "fault process.trap 1/victim @3 fire kind=1",
     [](const auto&, const auto& struck) { return output_is(struck, "262:3 7"); }},
    {"process.drop-reply", kSupervised, "fault process.drop-reply 1/victim @2 fire",
     [](const auto&, const auto& struck) { return output_is(struck, "265:3 7"); }},
    {"process.crash-loop", kSupervised, "fault process.crash-loop 1/victim @0 fire count=2 deaths=2",
     // The first dies as it begins, two more in the second request of theirs.
     [](const auto&, const auto& struck) { return output_is(struck, "265:0 265:2 265:2 6"); }},
    {"node.crash", kWorker, "budget nodes-down=1\narm node.crash per-minute=1500 at-most=1 down=50ms",
     [](const auto& plain, const auto& struck) {
       const auto downs = times_of(struck, EventKind::WorldNodeDown);
       const auto ups = times_of(struck, EventKind::WorldNodeUp);
       if (downs.size() != 2 || ups.size() != 1) return std::string("not one crash and one return");
       if (ups[0] - downs[0] != 50 * kMs) return differs("the time down", ups[0] - downs[0], 50 * kMs);
       return differs("the life behind it", downs[1] - ups[0], plain.now);
     }},
    {"node.rack", kWorker, "budget nodes-down=2\narm node.rack target=2 per-minute=1500 at-most=1 count=2 down=50ms",
     [](const auto&, const auto& struck) {
       const auto downs = times_of(struck, EventKind::WorldNodeDown);
       return downs.size() == 5 && downs[0] == downs[1] ? std::string() : differs("nodes down", downs.size(), 5);
     }},
    {"node.reboot", kWorker, "budget nodes-down=1\narm node.reboot per-minute=1500 at-most=1",
     [](const auto&, const auto& struck) {
       const auto downs = times_of(struck, EventKind::WorldNodeDown);
       return downs.size() == 2 && times_of(struck, EventKind::WorldNodeUp)[0] == downs[0] ? std::string() : "no reset";
     }},
    {"node.pause", kWorker, "arm node.pause per-minute=1500 at-most=1 length=30ms",
     [](const auto& plain, const auto& struck) { return later_by(plain, struck, 30 * kMs); }},
    {"node.slow", kWorker, "arm node.slow per-minute=1500 at-most=1 factor=3 length=30ms",
     [](const auto& plain, const auto& struck) { return later_by(plain, struck, 20 * kMs - 1000, 1000); }},
    {"node.lost", kWorker, "budget nodes-down=1\narm node.lost target=2 per-minute=1500 at-most=1",
     [](const auto&, const auto& struck) {
       return times_of(struck, EventKind::WorldNodeDown).size() == 3 ? std::string() : "it was not lost, or came back";
     }},
    {"node.zombie", kWorker, "budget nodes-down=1\narm node.zombie per-minute=1500 at-most=1 length=20s",
     [](const auto& plain, const auto& struck) { return later_by(plain, struck, 20'000 * kMs); }},
    {"clock.skew", kClockGuest, "arm clock.skew per-minute=1500 at-most=1 time=70ms",
     [](const auto&, const auto& struck) {
       const auto steps = steps_of(struck);
       if (steps.size() != 1 || std::abs(steps[0]) != 70 * static_cast<i64>(kMs))
         return std::string("not one step of 70 ms");
       return wall_is_off(struck, steps[0]);
     }},
    {"clock.drift", kClockGuest, "arm clock.drift target=1 per-minute=1500 at-most=1 ppm=100000",
     [](const auto& plain, const auto& struck) {
       // A tenth faster or slower for what is left of the 200 ms, which is 140 to 180.
       const i64 more = static_cast<i64>(number_in(struck.output) - number_in(plain.output));
       return std::abs(more) > 13 * static_cast<i64>(kMs) && std::abs(more) < 19 * static_cast<i64>(kMs)
                  ? std::string()
                  : "monotonic time is off by " + std::to_string(more);
     }},
    {"clock.step", kClockGuest, "budget clock-error=1h\narm clock.step per-minute=1500 at-most=1 time=90s",
     [](const auto&, const auto& struck) {
       const auto steps = steps_of(struck);
       if (steps.size() != 1 || std::abs(steps[0]) != 90'000 * static_cast<i64>(kMs))
         return std::string("not one step");
       return wall_is_off(struck, steps[0]);
     }},
    {"clock.strobe", kClockGuest, "arm clock.strobe per-minute=1500 at-most=1 time=5ms period=1ms count=4",
     [](const auto&, const auto& struck) {
       const auto steps = steps_of(struck);
       if (steps.size() != 8) return differs("steps", steps.size(), 8);
       for (u32 i = 0; i < 8; i += 2) {
         if (std::abs(steps[i]) != 5 * static_cast<i64>(kMs) || steps[i] != -steps[i + 1])
           return std::string("not to and fro");
       }
       return wall_is_off(struck, 0);
     }},
    {"clock.freeze", kClockGuest, "arm clock.freeze per-minute=1500 at-most=1 length=30ms",
     [](const auto& plain, const auto& struck) {
       return differs("monotonic time", number_in(struck.output), number_in(plain.output) - 30 * kMs);
     }},
    {"clock.noise", kClockGuest, "arm clock.noise per-minute=1500 at-most=1 time=5us period=100us count=20",
     [](const auto&, const auto& struck) {
       const auto steps = steps_of(struck);
       if (steps.size() != 40) return differs("steps", steps.size(), 40);
       std::set<i64> sizes;
       for (const i64 step : steps) {
         if (step == 0 || std::abs(step) > 5000) return std::string("a step of ") + std::to_string(step);
         sizes.insert(step);
       }
       return sizes.size() > 10 ? wall_is_off(struck, 0) : "always the same";
     }},
};

}  // namespace

TEST_CASE("every class has its exact effect and leaves one event", "[sim][faults][simulation.T34]") {
  std::set<std::string> seen;
  for (const Case& one : kCases) {
    CAPTURE(one.fault, one.lines);
    seen.insert(one.fault);
    const lab::Result plain = run(one.guest, "");
    const lab::Result struck = run(one.guest, one.lines);
    REQUIRE(plain.outcome == Outcome::Ended);
    CHECK(struck.outcome == Outcome::Ended);
    CHECK(count(struck, EventKind::InjectFired) == 1);
    CHECK(struck.faults.size() == 1);
    CHECK(one.check(plain, struck) == "");
  }
  for (u32 i = 0; i < sim::kFaultClasses; ++i) {
    const std::string name(name_of(static_cast<sim::FaultClass>(i)));
    CAPTURE(name);
    CHECK(seen.contains(name));
  }
}

TEST_CASE("the page lists the catalogue as it is", "[sim][faults][docs]") {
  std::ifstream page(ORRERY_SOURCE_DIR "/docs/faults.md");
  REQUIRE(page.good());
  std::set<std::string> rows;
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with("| `") && line.find(".") < line.find("` |")) rows.insert(line);
  }
  for (u32 i = 0; i < sim::kFaultClasses; ++i) {
    const sim::FaultInfo& info = info_of(static_cast<sim::FaultClass>(i));
    const std::string row = "| `" + std::string(info.name) + "` | " + std::string(name_of(info.owes)) + " | " +
                            std::string(name_of(info.target)) + " | " +
                            (info.coin == sim::Coin::Minute ? "minute" : "opportunity") + " | " +
                            std::string(info.about) + " |";
    CAPTURE(row);
    CHECK(rows.contains(row));
  }
  CHECK(rows.size() == sim::kFaultClasses);
}

TEST_CASE("all classes off is no fault plan", "[sim][faults][simulation.T35]") {
  for (const auto guest :
       {std::span<const machine::NativeEntry>(kSupervised), std::span<const machine::NativeEntry>(kTimerGuest)}) {
    const lab::Result plain = run(guest, "");
    CHECK(run(guest, "arm * intensity=0").root == plain.root);
    CHECK(run(guest, "arm * intensity=4 at-most=0").root == plain.root);
    CHECK(run(guest, "arm * intensity=4").root != plain.root);
  }
  // A plan that lets nothing happen differs by what it says at the start only.
  const lab::Result idle = run(kWorker, "arm cpu.steal target=9/* intensity=4");
  CHECK(idle.faults.empty());
  CHECK(idle.output == run(kWorker, "").output);
}

TEST_CASE("sparing one opportunity leaves all others as they were", "[sim][faults][simulation.T36]") {
  // A core that stands for a while meets the same opportunities, later.
  const std::string rule = "arm cpu.steal ratio=1/5 time=1us..900us\n";
  const lab::Result all = run(kWorker, rule);
  REQUIRE(all.faults.size() > 10);
  for (const std::size_t spared : {std::size_t{0}, all.faults.size() / 2, all.faults.size() - 1}) {
    std::vector<std::string> wanted = all.faults;
    const std::string point = wanted[spared].substr(0, wanted[spared].find(" fired"));
    CAPTURE(point);
    wanted[spared].replace(wanted[spared].find("fired"), 5, "spared");
    CHECK(run(kWorker, rule + "fault " + point + " spare\n").faults == wanted);
    // Set otherwise, it alone has other arguments.
    const lab::Result changed = run(kWorker, rule + "fault " + point + " fire time=77us\n");
    wanted[spared] = point + " fired: time=77000ns";
    CHECK(changed.faults == wanted);
    CHECK(changed.forced_used == 1);
  }
  // Another class beside it moves nothing either.
  std::vector<std::string> steals;
  for (const std::string& line : run(kWorker, rule + "arm device.busy intensity=4\n").faults) {
    if (line.starts_with("cpu.steal")) steals.push_back(line);
  }
  CHECK(steals == all.faults);
}

TEST_CASE("one seed and plan give one root, and the kernel's invariants hold under all faults of the machine",
          "[sim][faults][property]") {
  const auto all = [](std::span<const machine::NativeEntry> guest, u64 seed) {
    lab::Options options{.seed = seed, .cores = 2, .until = 60'000 * kMs, .check = true};
    options.console = sim::ConsoleKind::Terminal;
    options.schedule = lab::faults_of(
        "arm cpu.* intensity=4\narm timer.* intensity=4\narm irq.* intensity=4\narm device.* intensity=4\n"
        "arm process.* target=1/victim ratio=1/8\n");
    return lab::run(guest, options);
  };
  for (u64 seed = 0; seed < 6; ++seed) {
    for (const auto guest :
         {std::span<const machine::NativeEntry>(kSupervised), std::span<const machine::NativeEntry>(kTimerGuest),
          std::span<const machine::NativeEntry>(kWorker)}) {
      CAPTURE(seed, guest[0].name);
      const lab::Result first = all(guest, seed);
      CHECK(first.broken == "");
      CHECK(first.outcome == Outcome::Ended);
      CHECK(all(guest, seed).root == first.root);
    }
  }
}

TEST_CASE("windows and at-most bound what strikes", "[sim][faults]") {
  const lab::Result some = run(kWorker, "arm cpu.steal ratio=1/1 time=1us from=20ms to=30ms");
  CHECK(some.faults.size() >= 9);
  CHECK(some.faults.size() <= 12);
  CHECK(run(kWorker, "arm cpu.steal ratio=1/1 at-most=3 time=1us").faults.size() == 3);
  // Of two rules for a target the first counts.
  CHECK(run(kWorker, "arm cpu.steal target=1/core0 ratio=1/1 at-most=2\narm cpu.steal ratio=1/1").faults.size() == 2);
}

TEST_CASE("faults are read with every mistake named, and written as they are read", "[sim][faults][text]") {
  const auto rule = [](const char* text) {
    sim::host::FaultSetup setup;
    return sim::host::parse_rule(text, setup);
  };
  CHECK(rule("") == "a fault class is needed, as in cpu.steal or net.*");
  CHECK(rule("cpu.stel").starts_with("there is no fault class 'cpu.stel'; there are cpu.steal, cpu.throttle"));
  CHECK(rule("disc.x") == "there is no fault class 'disc.x'; `orrery faults` lists them");
  CHECK(rule("cpu.steal intensity=5") == "intensity=5: allowed is 0 to 4");
  CHECK(rule("cpu.steal intensity") == "'intensity': a knob is written name=value");
  CHECK(rule("cpu.steal ratio=3/2").starts_with("ratio=3/2: allowed is a ratio A/B"));
  CHECK(rule("cpu.steal ratio=3").starts_with("ratio=3: allowed is a ratio A/B"));
  CHECK(rule("cpu.steal per-minute=3") ==
        "cpu.steal has no knob 'per-minute'; it has target, intensity, ratio, from, to, at-most, time");
  CHECK(rule("cpu.offline ratio=1/2") ==
        "cpu.offline has no knob 'ratio'; it has target, intensity, per-minute, from, to, at-most, length");
  CHECK(rule("cpu.offline per-minute=6001") == "per-minute=6001: allowed is 0 to 6000");
  CHECK(rule("cpu.steal time=5us..2us").ends_with("allowed is 1000ns to 10000000ns, or a range of them"));
  CHECK(rule("cpu.steal time=1h").ends_with("allowed is 1000ns to 10000000ns, or a range of them"));
  CHECK(rule("cpu.steal from=x") == "from=x: allowed is a virtual time, as in 10s");
  CHECK(rule("cpu.steal from=2s to=1s") == "from is later than to");
  CHECK(rule("cpu.steal target=").starts_with("target=: allowed is a pattern"));
  const auto line = [](const char* text) {
    sim::host::Schedule schedule;
    return sim::host::parse_schedule(std::string("orrery-overrides 1\n") + text, schedule);
  };
  CHECK(line("fault cpu.steal 1/core0 @3") ==
        "line 2: fault is followed by a class, a target, @ordinal, and spare or fire");
  CHECK(line("fault cpu.steal 1/core0 3 spare") == "line 2: '3': an ordinal is written @118");
  CHECK(line("fault cpu.steal 1/core0 @3 kill") == "line 2: 'kill': allowed is spare or fire");
  CHECK(line("fault cpu.steal 1/core0 @3 fire size=3") == "line 2: cpu.steal has no knob 'size'; it has time");
  CHECK(line("fault irq.double 1/irq1 @3 fire size=3") == "line 2: irq.double has no knob 'size'");
  CHECK(line("budget disks=3") == "line 2: 'disks=3': nodes-down, copies-lost and clock-error can stand here");

  const std::string text =
      "budget copies-lost=2\narm cpu.steal target=1/core* ratio=1/7 from=1000ns at-most=9 time=5000ns..6000ns\n"
      "arm cpu.offline per-minute=30\nfault cpu.steal 1/core0 @3 fire time=5000ns\nfault irq.lost 1/irq1 @0 spare\n";
  sim::host::Schedule schedule;
  REQUIRE(sim::host::parse_schedule("orrery-overrides 1\n" + text, schedule) == "");
  CHECK(sim::host::text_of(schedule.faults) == text);
  sim::host::FaultSetup both;
  REQUIRE(sim::host::parse_rule("cpu.steal:intensity=4,time=5us target=*/core1", both) == "");
  CHECK(sim::host::text_of(both) == "arm cpu.steal target=*/core1 ratio=1/10 time=5000ns\n");
  REQUIRE(sim::host::parse_forced("cpu.steal 1/core0 @3 spare", both) == "");
  REQUIRE(sim::host::parse_forced("cpu.steal 1/core0 @3 fire", both) == "");
  CHECK(sim::host::find_doubled(both).starts_with("set twice: fault cpu.steal 1/core0 @3"));
}

TEST_CASE("a recording and a file of choices carry the faults of their run", "[sim][faults][cli]") {
  using namespace cli_lab;
  const std::string script = script_file("one\ntwo\n");
  const std::string recording = temporary("faults.orrery");
  const std::string choices = temporary("faults.txt");
  const std::string run = kOrrery + " run " + script + " --seed 5 --digest";
  const Finished made =
      shell(run + " --fault 'cpu.steal ratio=1/2' --fault 'irq.* intensity=4' --override 'fault cpu.steal " +
            "1/core0 @1 fire time=9us' --record " + recording + " --choices " + choices + " 2>&1");
  CHECK(made.code == 0);
  CHECK(contains(made.out, "fault cpu.steal 1/core0: "));
  const std::string root = made.out.substr(made.out.find("digest "));
  const Finished again = shell(run + " --overrides " + choices + " 2>/dev/null");
  CHECK(again.out.substr(again.out.find("digest ")) == root);
  CHECK(!contains(shell(run + " 2>/dev/null").out, root));
  const Finished replayed = shell(kOrrery + " replay " + recording + " 2>&1");
  CHECK(replayed.code == 0);
  CHECK(shell(run + " --fault 'cpu.steel' 2>&1").code == 2);
  for (const std::string& file : {script, recording, choices}) std::remove(file.c_str());
}
