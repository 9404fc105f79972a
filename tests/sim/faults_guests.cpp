// tests/sim/faults_guests.cpp — see faults_lab.h: programs that a fault is seen by.
#include "base/bytes.h"
#include "base/points.h"
#include "tests/sim/faults_lab.h"

using namespace guest;

namespace faulty {
namespace {

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

/// Asks for an object after 10 ms, and again; prints what it is told.
void maker_root(const u64 (&)[8]) {
  Root root;
  machine::charge(10 * kMs);
  for (u32 i = 0; i < 2; ++i) {
    const sys::Answer answer =
        sys::invoke(root.untyped, Invoke::UntypedRetype,
                    {static_cast<u64>(ObjectType::Endpoint), 0, 0, 0, root.next_slot + i, 1}, {kRootCNode});
    print_number(static_cast<u64>(answer.label));
    print(" ");
  }
  halt(0);
}

/// Revokes a capability with 20 copies.
void revoker_root(const u64 (&)[8]) {
  Root root;
  const u64 endpoint = root.make(ObjectType::Endpoint);
  for (u32 i = 0; i < 20; ++i) {
    ASSERT(sys::invoke(kRootCNode, Invoke::CNodeMint, {root.next_slot++, 64, endpoint, 64, kRightsAll, i + 1},
                       {kRootCNode})
               .ok());
  }
  machine::charge(10 * kMs);
  ASSERT(sys::invoke(kRootCNode, Invoke::CNodeRevoke, {endpoint, 64}).ok());
  print("done");
  halt(0);
}

/// Works for 6 ms with 2 ms of every 10; prints how long that takes.
void limited(const u64 (&arguments)[8]) {
  const u64 started = now();
  machine::charge(6 * kMs);
  words()[0] = now() - started;
  sys::signal(arguments[0]);
  for (;;) sys::wait(arguments[1]);
}
void limited_root(const u64 (&)[8]) {
  Root root;
  root.map(root.make(ObjectType::Frame, 12), kShared);
  const u64 done = root.make(ObjectType::Notification);
  const u64 tcb = root.spawn(1, {done, root.make(ObjectType::Notification)}, 100);
  const u64 sc = tcb + 1;  // as spawn makes them
  ASSERT(sys::invoke(kRootSchedControl, Invoke::SchedControlConfigure, {2 * kMs, 10 * kMs, 0, 0, 0, 0}, {sc}).ok());
  sys::wait(done);
  print_number(words()[0]);
  halt(0);
}

void points_root(const u64 (&)[8]) {
  Root root;
  for (u32 i = 0; i < 3; ++i) print(NUDGE("timer.look-early") ? "x" : "-");
  for (u32 i = 0; i < 2; ++i) {
    print(" ");
    print_number(TUNABLE("file.read-bytes", 4096u, 64u, 512u));
  }
  halt(0);
}

/// Node 1 sends 2 frames of 200 bytes each 2 ms for 100 ms; node 2 takes them.
void network_root(const u64 (&)[8]) {
  constexpr u64 kNetwork = 0x15000;
  Root root;
  root.map_device(DeviceKind::Network, kNetwork);
  if (boot_info().node_id == 1) {
    machine::charge(kMs);
    for (u64 i = 0; i < 100; ++i) {
      u8* const frame = reinterpret_cast<u8*>(sys::buffer().msg);
      __builtin_memset(frame, 0xFF, 6);
      __builtin_memset(frame + 6, 0, 194);
      base::store_le64(frame + 16, i);
      sys::frame().mr[0] = 200;
      port::call(kNetwork, port::Network::Send);
      if (i % 2 == 1) machine::charge(2 * kMs);
    }
    halt(0);
  }
  const u64 notification = root.make(ObjectType::Notification);
  const u64 handler = take_line(root, DeviceKind::Network, notification);
  for (;;) {
    sys::wait(notification);
    do {
      port::call(kNetwork, port::Network::Receive);
    } while (sys::frame().mr[0] != 0);
    sys::invoke(handler, Invoke::IrqHandlerAck, {});
  }
}

}  // namespace

const machine::NativeEntry kWorker[] = {{"root", worker_root}};
const machine::NativeEntry kWaker[] = {{"root", waker_root}, {"waker", waker}};
const machine::NativeEntry kTimerGuest[] = {{"root", timer_root}};
const machine::NativeEntry kConsoleGuest[] = {{"root", console_root}};
const machine::NativeEntry kMaker[] = {{"root", maker_root}};
const machine::NativeEntry kRevoker[] = {{"root", revoker_root}};
const machine::NativeEntry kLimited[] = {{"root", limited_root}, {"limited", limited}};
const machine::NativeEntry kPoints[] = {{"root", points_root}};
const machine::NativeEntry kNetworkGuest[] = {{"root", network_root}};
const machine::NativeEntry kClockGuest[] = {{"root", clock_root}};
const machine::NativeEntry kSupervised[] = {{"root", supervisor_root}, {"victim", victim}, {"asker", asker}};

lab::Result run(std::span<const machine::NativeEntry> entries, const std::string& lines, u64 seed) {
  lab::Options options{.seed = seed, .cores = entries.data() == kWaker ? 2u : 1u, .until = 60'000 * kMs};
  if (entries.data() == kConsoleGuest) options.console = sim::ConsoleKind::Terminal;
  options.keep_trace = true;
  if (entries.data() == kNetworkGuest) {
    options.nodes = 2;
    options.links = {{"lan", {1, 2}, {.latency_ns = 100'000, .bits_per_second = 2'000'000}}};
  }
  if (lines.find("node.rack") != std::string::npos || lines.find("node.lost") != std::string::npos) options.nodes = 3;
  if (!lines.empty()) options.schedule = lab::faults_of(lines);
  return lab::run(entries, options);
}

}  // namespace faulty
