// Links between nodes: order, times, queues, what is lost and why.
#include <catch2/catch.hpp>

#include <map>

#include "base/bytes.h"
#include "tests/sim/guest.h"
#include "tests/sim/lab.h"

using namespace guest;
using base::EventKind;
using sim::ActionError;
using sim::Drop;
using sim::LinkSettings;
using sim::Outcome;
using sim::World;
using sim::host::LinkShape;
using sim::host::Machine;
using sim::host::MachineOptions;
using sim::host::NodeShape;

namespace {

constexpr u64 kMicrosecond = 1'000;
constexpr u64 kMillisecond = 1'000'000;
constexpr u64 kRam = u64{16} << 20;
constexpr u64 kNetwork = 0x15000;  // windows of ports, one page each

u64 window_of(u64 port) { return kNetwork + port * 0x1000; }

u64 map_ports(Root& root) {
  const BootInfo& info = boot_info();
  u64 ports = 0;
  for (u32 i = 0; i < info.device_count; ++i) {
    if (info.devices[i].kind != static_cast<u32>(DeviceKind::Network)) continue;
    root.map(root.retype_from(info.devices[i].slot, ObjectType::Frame, 12), window_of(ports));
    ports += 1;
  }
  return ports;
}

u64 bind_line(Root& root, DeviceKind kind, u64 notification) {
  const u64 handler = root.next_slot++;
  ASSERT(
      sys::invoke(kRootIrqControl, Invoke::IrqControlGet, {root.device(kind).irq, 0, handler, 64}, {kRootCNode}).ok());
  ASSERT(sys::invoke(handler, Invoke::IrqHandlerSetNotification, {}, {notification}).ok());
  ASSERT(sys::invoke(handler, Invoke::IrqHandlerAck, {}).ok());
  return handler;
}

void send_frame(u64 port, u64 to, u64 bytes, u64 mark) {
  u8* const frame = reinterpret_cast<u8*>(sys::buffer().msg);
  __builtin_memset(frame, 0, bytes);
  base::store_be16(frame, static_cast<u16>(to >> 32));
  base::store_be32(frame + 2, static_cast<u32>(to));
  if (bytes >= 24) base::store_le64(frame + 16, mark);
  sys::frame().mr[0] = bytes;
  port::call(window_of(port), port::Network::Send);
}

// Node 1 sends to all, in bursts of sizes that differ; the others print what comes: the sender's mark of each frame.
constexpr u64 kBursts = 12;
void sender(u64 ports, u64 to) {
  u64 mark = 0;
  for (u64 burst = 0; burst < kBursts; ++burst) {
    for (u64 i = 0; i <= burst % 4; ++i) {
      for (u64 port = 0; port < ports; ++port) send_frame(port, to, 60 + (mark * 397) % 1400, mark);
      mark += 1;
    }
    machine::charge(37 * kMicrosecond * (burst + 1));
  }
}
void receiver(Root& root, u64 frames) {
  const u64 notification = root.make(ObjectType::Notification);
  const u64 handler = bind_line(root, DeviceKind::Network, notification);
  while (frames > 0) {
    sys::wait(notification);
    for (;;) {
      port::call(window_of(0), port::Network::Receive);
      const u64 bytes = sys::frame().mr[0];
      if (bytes == 0) break;
      const u64 mark = base::load_le64(reinterpret_cast<const u8*>(sys::buffer().msg) + 16);
      print_number(mark);
      print(" ");
      frames -= 1;
    }
    ASSERT(sys::invoke(handler, Invoke::IrqHandlerAck, {}).ok());
  }
}
void talk_root(const u64 (&)[8]) {
  Root root;
  const u64 ports = map_ports(root);
  if (boot_info().node_id == 1) {
    machine::charge(kMillisecond);  // the others are ready by then
    sender(ports, sim::kBroadcastAddress);
    halt(0);
  }
  receiver(root, ~u64{0});
}

// Everybody sends to everybody, at paces of their own, and takes what comes.
void chatter_root(const u64 (&)[8]) {
  Root root;
  map_ports(root);
  const u64 self = boot_info().node_id;
  for (u64 round = 0; round < 40; ++round) {
    send_frame(0, round % 3 == 0 ? sim::kBroadcastAddress : sim::link_address(0, static_cast<u32>(1 + round % 3)),
               64 + round, round);
    machine::charge(self * 9'000 + round * 311);
    port::call(window_of(0), port::Network::Receive);
  }
  halt(0);
}

void limits_root(const u64 (&)[8]) {
  Root root;
  map_ports(root);
  if (boot_info().node_id != 1) return halt(0);
  port::call(window_of(0), port::Network::Info);
  const u64 address = sys::frame().mr[0];
  const u64 mtu = sys::frame().mr[1];
  const u64 rate = sys::frame().mr[2];
  const u64 length = sys::frame().mr[3];
  const std::string_view name{reinterpret_cast<const char*>(sys::buffer().msg), length};
  const auto label_of = [](u64 bytes) {
    sys::frame().mr[0] = bytes;
    return port::call(window_of(0), port::Network::Send).label;
  };
  const bool info_ok =
      address == sim::link_address(0, 1) && mtu == (u64{1} << 32 | 500) && rate == 8'000'000 && name == "lan";
  const bool sizes_ok = label_of(13) == ResultLabel::RangeError && label_of(515) == ResultLabel::RangeError &&
                        label_of(14) == ResultLabel::None && label_of(514) == ResultLabel::None;
  const bool other_ok = port::call(window_of(0), static_cast<port::Network>(9)).label == ResultLabel::IllegalOperation;
  halt(info_ok && sizes_ok && other_ok ? 0 : 1);
}

constexpr machine::NativeEntry kTalk[] = {{"root", talk_root}};
constexpr machine::NativeEntry kChatter[] = {{"root", chatter_root}};
constexpr machine::NativeEntry kLimits[] = {{"root", limits_root}};

struct Run {
  Outcome outcome = Outcome::Running;
  base::Digest root;
  std::map<u32, std::string> output;
  std::vector<base::Event> events;
  std::vector<const base::Event*> of(EventKind kind) const {
    std::vector<const base::Event*> found;
    for (const base::Event& event : events) {
      if (event.kind == static_cast<u16>(kind)) found.push_back(&event);
    }
    return found;
  }
  const base::Event& at(u64 sequence) const { return events[sequence - 1]; }
};

MachineOptions world_of(u32 nodes, std::vector<LinkShape> links, std::span<const machine::NativeEntry> entries,
                        u64 seed = 1) {
  MachineOptions options{.seed = seed, .entries = entries, .links = std::move(links)};
  constexpr const char* kNames[] = {"a", "b", "c", "d"};
  for (u32 i = 0; i < nodes; ++i) options.shapes.push_back({.name = kNames[i], .ram_bytes = kRam});
  return options;
}

Run run(const MachineOptions& options, const Machine::Action& act = {}, const std::vector<u64>& times = {},
        u64 until = 20 * kMillisecond) {
  Run result;
  Machine machine(options);
  machine.on_output = [&](u32 node, base::Bytes bytes) { result.output[node] += base::text_of(bytes); };
  machine.on_event = [&](const base::Event& event) { result.events.push_back(event); };
  machine.on_action = act;
  REQUIRE(machine.start() == "");
  for (u64 i = 0; i < times.size(); ++i) REQUIRE(machine.world().at(times[i], i).ok());
  result.outcome = machine.world().run(until);
  result.root = machine.world().finish();
  return result;
}

u64 wire_ns(u64 bytes, u64 bits_per_second) {
  return (bytes * 8 * 1'000'000'000 + bits_per_second - 1) / bits_per_second;
}

std::string numbers(u64 count) {
  std::string text;
  for (u64 i = 0; i < count; ++i) text += std::to_string(i) + " ";
  return text;
}

u64 dropped(const Run& run, Drop why) {
  u64 count = 0;
  for (const base::Event* event : run.of(EventKind::NetDrop)) count += event->c == static_cast<u64>(why) ? 1 : 0;
  return count;
}

constexpr u64 kFrames = 3 * (1 + 2 + 3 + 4);

}  // namespace

TEST_CASE("frames leave one after the other and arrive after the latency, to the nanosecond", "[sim][link]") {
  const LinkSettings settings{.latency_ns = 321'987, .bits_per_second = 54'321'987};
  const Run result = run(world_of(3, {{"lan", {1, 2, 3}, settings}}, kTalk));
  const auto sent = result.of(EventKind::NetSend);
  REQUIRE(sent.size() == kFrames);
  u64 free_at = 0;
  for (const base::Event* event : sent) {
    free_at = std::max(free_at, event->time_ns) + wire_ns(event->a, settings.bits_per_second);
    REQUIRE(event->c == free_at);
  }
  const auto delivered = result.of(EventKind::NetDeliver);
  REQUIRE(delivered.size() == 2 * kFrames);
  for (const base::Event* event : delivered) {
    const base::Event& cause = result.at(event->cause);
    REQUIRE(cause.kind == static_cast<u16>(EventKind::NetSend));
    REQUIRE(event->time_ns == cause.c + settings.latency_ns);
    REQUIRE(event->a == cause.a);
    REQUIRE(event->b == cause.b);
    REQUIRE(event->c == 1);
  }
  CHECK(result.output.at(2) == numbers(kFrames));
  CHECK(result.output.at(3) == numbers(kFrames));
}

TEST_CASE("an unfaulted link delivers in sending order whatever the jitter", "[sim][link][property][simulation.T16]") {
  bool differed = false;
  for (u64 seed = 0; seed < 40; ++seed) {
    CAPTURE(seed);
    const LinkSettings settings{.latency_ns = 50'000, .jitter_ns = 3 * kMillisecond};
    const Run result = run(world_of(3, {{"lan", {1, 2, 3}, settings}}, kTalk, seed));
    REQUIRE(result.output.at(2) == numbers(kFrames));  // W6
    REQUIRE(result.output.at(3) == numbers(kFrames));
    std::map<u16, u64> last;
    for (const base::Event* event : result.of(EventKind::NetDeliver)) {
      const u64 least = result.at(event->cause).c + settings.latency_ns;
      REQUIRE(event->time_ns >= least);
      REQUIRE(event->time_ns <= std::max(least + settings.jitter_ns, last[event->node]));
      differed = differed || event->time_ns != least;
      last[event->node] = event->time_ns;
    }
  }
  CHECK(differed);
}

TEST_CASE("worlds of chattering nodes repeat their root", "[sim][link][determinism][simulation.T1]") {
  for (u64 seed = 0; seed < 30; ++seed) {
    CAPTURE(seed);
    const LinkSettings settings{
        .latency_ns = seed * 10'000, .jitter_ns = seed % 3 * 100'000, .bits_per_second = u64{1'000'000} << seed % 12};
    const auto options = world_of(3, {{"lan", {1, 2, 3}, settings}}, kChatter, seed);
    const Run first = run(options);
    REQUIRE(first.outcome == Outcome::Ended);
    REQUIRE(run(options).root == first.root);
  }
}

TEST_CASE("a full queue drops the frame that does not fit, and no other", "[sim][link]") {
  const LinkSettings settings{.bits_per_second = 1'000'000, .queue_bytes = 3000};
  const Run result = run(world_of(2, {{"lan", {1, 2}, settings}}, kTalk), {}, {}, 400 * kMillisecond);
  u64 free_at = 0;
  u64 full = 0;
  for (const base::Event* event : result.of(EventKind::NetSend)) {
    const u64 waiting_ns = free_at > event->time_ns ? free_at - event->time_ns : 0;
    const u64 queued = waiting_ns * settings.bits_per_second / 8'000'000'000;
    const bool fits = waiting_ns == 0 || queued + event->a <= settings.queue_bytes;
    const base::Event& next = result.at(event->sequence + 1);
    REQUIRE((next.kind == static_cast<u16>(EventKind::NetQueueFull)) == !fits);
    if (!fits) {
      REQUIRE(next.c == queued);
      full += 1;
    } else {
      free_at = std::max(free_at, event->time_ns) + wire_ns(event->a, settings.bits_per_second);
    }
  }
  CHECK(full > 3);
  CHECK(result.of(EventKind::NetDeliver).size() == kFrames - full);
}

TEST_CASE("a port tells its link's name, address and limits, and keeps to them", "[sim][link]") {
  const Run result = run(world_of(2, {{"lan", {1, 2}, {.bits_per_second = 8'000'000, .mtu = 500}}}, kLimits));
  CHECK(result.outcome == Outcome::Ended);
  CHECK(result.events.back().a == 0);
  CHECK(result.of(EventKind::NetSend).size() == 2);
  CHECK(dropped(result, Drop::NoReceiver) == 2);  // address 0 is nobody's
}

TEST_CASE("what is lost on a link is told with the reason", "[sim][link]") {
  const std::vector<LinkShape> links = {{"lan", {1, 2, 3}, {}}};
  const std::vector<u64> middle = {1 * kMillisecond + 300'000, 2 * kMillisecond + 500'000};
  SECTION("a partition, and its end") {
    const auto act = [](World& world, u64 id) {
      constexpr u8 kGroups[] = {0, 0, 1};
      REQUIRE((id == 0 ? world.partition(kGroups) : world.heal()).ok());
    };
    const Run result = run(world_of(3, links, kTalk), act, middle);
    CHECK(result.output.at(2) == numbers(kFrames));
    CHECK(result.output.at(3).starts_with("0 1 2 "));
    CHECK(result.output.at(3).ends_with("29 "));
    CHECK(dropped(result, Drop::Partition) > 0);
    CHECK(result.of(EventKind::NetDeliver).size() + dropped(result, Drop::Partition) == 2 * kFrames);
  }
  SECTION("one direction") {
    const auto act = [](World& world, u64) { REQUIRE(world.block(1, 2, true).ok()); };
    const Run result = run(world_of(3, links, kTalk), act, {0});
    CHECK(dropped(result, Drop::Partition) == kFrames);
    CHECK(result.output.at(3) == numbers(kFrames));
  }
  SECTION("a link that goes down loses what is on its way, and comes up again") {
    const auto act = [](World& world, u64 id) {
      LinkSettings settings = world.links().at(0).settings;
      settings.is_up = id == 1;
      REQUIRE(world.set_link(0, settings).ok());
    };
    const Run result = run(world_of(3, links, kTalk), act, middle);
    CHECK(dropped(result, Drop::LinkDown) > 0);
    CHECK(result.of(EventKind::NetLinkState).size() == 2);
    CHECK(result.output.at(2).ends_with("29 "));
  }
  SECTION("a node that is down") {
    const auto act = [](World& world, u64) { REQUIRE(world.power_cut(2).ok()); };
    const Run result = run(world_of(3, links, kTalk), act, {middle[0]});
    CHECK(dropped(result, Drop::NodeDown) > 0);
    CHECK(result.output.at(3) == numbers(kFrames));
  }
  SECTION("a node that does not look") {
    const auto act = [](World& world, u64) { REQUIRE(world.pause(2, 30 * kMillisecond).ok()); };
    const LinkSettings fast{.latency_ns = 0};
    MachineOptions options =
        world_of(2, {{"lan", {1, 2}, fast}, {"lan2", {1, 2}, fast}, {"lan3", {1, 2}, fast}}, kTalk);
    const Run result = run(options, act, {0}, 40 * kMillisecond);
    CHECK(dropped(result, Drop::Overrun) == 0);  // 30 a port, and 64 fit
    CHECK(result.of(EventKind::NetDeliver).size() == 3 * kFrames);
  }
}

TEST_CASE("a frame for one address reaches that end alone", "[sim][link]") {
  const Run result = run(world_of(3, {{"lan", {1, 2, 3}, {}}}, kChatter));
  for (const base::Event* event : result.of(EventKind::NetSend)) {
    u64 ends = 0;
    for (const base::Event* other :
         result.events.empty() ? std::vector<const base::Event*>{} : result.of(EventKind::NetDeliver)) {
      ends += other->cause == event->sequence ? 1 : 0;
    }
    REQUIRE(ends <= 2);
  }
  CHECK(dropped(result, Drop::NoReceiver) > 0);  // to itself
}

TEST_CASE("another node, link and stream move no draw of a link that was there before", "[sim][link][simulation.T14]") {
  const LinkSettings settings{.jitter_ns = 900'000};
  const auto delays = [](const Run& run) {
    std::vector<u64> found;
    for (const base::Event* event : run.of(EventKind::NetDeliver)) {
      if (event->node == 2 && event->object == 1) found.push_back(event->time_ns - run.at(event->cause).c);
    }
    return found;
  };
  const Run plain = run(world_of(2, {{"lan", {1, 2}, settings}}, kTalk, 7));
  const Run more = run(world_of(4, {{"lan", {1, 2, 3, 4}, settings}, {"other", {2, 4}, settings}}, kTalk, 7));
  REQUIRE(delays(plain).size() == kFrames);
  CHECK(delays(plain) == delays(more));
}

TEST_CASE("links that cannot be are refused with what is wrong", "[sim][link]") {
  const auto error_of = [](std::vector<LinkShape> links) {
    Machine machine(world_of(3, std::move(links), kTalk));
    return machine.start();
  };
  CHECK(error_of({{"lan", {1}, {}}}) == "link 0 joins fewer than two nodes of the world");
  CHECK(error_of({{"lan", {1, 4}, {}}}) == "link lan joins node 4");
  CHECK(error_of({{"", {1, 2}, {}}}).starts_with("the name of link 0"));
  CHECK(error_of({{"lan", {1, 2}, {.bits_per_second = 0}}}).starts_with("link 0: allowed is"));
  CHECK(error_of({{"lan", {1, 2}, {.mtu = 8001}}}).starts_with("link 0: allowed is"));
  CHECK(error_of(std::vector<LinkShape>(9, {"lan", {1, 2}, {}})) == "at node 1 end 9 links; allowed is 8");
}

TEST_CASE("a link's settings are checked before they are changed", "[sim][link]") {
  const auto code_of = [](const sim::ActionResult<>& result) {
    REQUIRE_FALSE(result.ok());
    return result.error().code;
  };
  const auto act = [&](World& world, u64) {
    const LinkSettings before = world.links().at(0).settings;
    LinkSettings settings = before;
    CHECK(code_of(world.set_link(1, settings)) == ActionError::Code::NoSuchLink);
    settings.mtu = before.mtu + 1;
    CHECK(code_of(world.set_link(0, settings)) == ActionError::Code::OutOfRange);
    settings = before;
    settings.bits_per_second = 0;
    CHECK(code_of(world.set_link(0, settings)) == ActionError::Code::BadLink);
    CHECK(code_of(world.partition(std::vector<u8>(2))) == ActionError::Code::NoSuchNode);
    CHECK(code_of(world.block(1, 4, true)) == ActionError::Code::NoSuchNode);
    CHECK(world.links().at(0).settings == before);
  };
  run(world_of(3, {{"lan", {1, 2, 3}, {}}}, kTalk), act, {kMillisecond});
}
