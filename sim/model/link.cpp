// sim/model/link.cpp — see link.h.
#include "sim/model/link.h"

#include "base/bytes.h"
#include "base/format.h"
#include "sim/model/world.h"

#include "base/enforce.h"

namespace sim {

using base::EventKind;

namespace {

using u128 = unsigned __int128;

constexpr u32 kSourceLinks = u32{1} << 16;  // the ends, each its own
constexpr u64 kNanosecondsPerSecond = 1'000'000'000;
static_assert(kLinksMax * kNodesMax <= u32{1} << 16);

u32 nodes_joined(u64 joins) { return static_cast<u32>(__builtin_popcountll(joins)); }

/// How long so many bytes take, rounded up.
u64 wire_ns(u64 bytes, u64 bits_per_second) {
  return static_cast<u64>((static_cast<u128>(bytes * 8) * kNanosecondsPerSecond + bits_per_second - 1) /
                          bits_per_second);
}
/// How many bytes a line still has to send that is taken for so long.
u64 wire_bytes(u64 ns, u64 bits_per_second) {
  return static_cast<u64>(static_cast<u128>(ns) * bits_per_second / (8 * kNanosecondsPerSecond));
}

base::Prng jitter_of(u64 seed, u64 key) { return {seed, "net.jitter", key}; }

u64 load_address(const u8* at) { return u64{base::load_be16(at)} << 32 | base::load_be32(at + 2); }
bool is_group(u64 address) { return (address >> 40 & 1) != 0; }

bool in_range(const LinkSettings& settings) {
  return settings.latency_ns <= kLatencyNsMax && settings.jitter_ns <= kLatencyNsMax && settings.bits_per_second >= 1 &&
         settings.bits_per_second <= kBitsPerSecondMax && settings.queue_bytes <= kQueueBytesMax &&
         settings.mtu >= kMtuMin && settings.mtu <= kMtuMax;
}

}  // namespace

Links::Need::Need(std::span<const LinkConfig> links) {
  for (const LinkConfig& link : links) {
    const u32 joined = nodes_joined(link.joins);
    ends += joined;
    paths += joined * joined;
    frames += kFlightsMax + joined * kReceivedMax;
    entries += kFlightsMax;
    if (link.settings.mtu + kFrameHeaderMin > frame_bytes) frame_bytes = link.settings.mtu + kFrameHeaderMin;
  }
}

base::Result<void, ConfigError> Links::check(const WorldConfig& config) {
  using Code = ConfigError::Code;
  if (config.links.size() > kLinksMax) return ConfigError{Code::LinkCount, 0, config.links.size()};
  u32 ports[kNodesMax] = {};
  for (u32 i = 0; i < config.links.size(); ++i) {
    const LinkConfig& link = config.links[i];
    const bool name_ok = !link.name.empty() && link.name.size() <= kNameBytesMax;
    if (!name_ok) return ConfigError{Code::LinkName, i, link.name.size()};
    const u64 nodes = config.nodes.size() == kNodesMax ? ~u64{0} : (u64{1} << config.nodes.size()) - 1;
    if ((link.joins & ~nodes) != 0 || nodes_joined(link.joins) < 2) return ConfigError{Code::LinkNodes, i, link.joins};
    if (!in_range(link.settings)) return ConfigError{Code::LinkSettings, i, 0};
    for (u32 node = 0; node < config.nodes.size(); ++node) {
      ports[node] += link.joins >> node & 1;
      if (ports[node] > kNodeLinksMax) return ConfigError{Code::NodeLinks, node + 1, ports[node]};
    }
  }
  return {};
}

Links::Links(World& world, const WorldConfig& config, const Memory& memory)
    : world_(world), memory_(memory), need_(config.links) {
  u32 ports[kNodesMax] = {};
  u32 end_at = 0;
  u32 path_at = 0;
  const auto node_text = [&config](u32 node, std::span<char> out) {
    const std::string_view name = config.nodes[node].name;
    return name.empty() ? base::format(out, "{}", node + 1) : name;
  };
  for (u32 i = 0; i < config.links.size(); ++i) {
    const LinkConfig& from = config.links[i];
    Link& link = *new (&memory_.links[i]) Link{.name = from.name,
                                               .joins = from.joins,
                                               .settings = from.settings,
                                               .effective = from.settings,
                                               .first_end = end_at,
                                               .end_count = nodes_joined(from.joins),
                                               .first_path = path_at};
    for (u64 left = from.joins; left != 0; left &= left - 1) {
      const u32 node = static_cast<u32>(__builtin_ctzll(left));
      new (&memory_.ends[end_at++]) LinkEnd{.link = i, .node = node, .port = ports[node]++};
    }
    for (u32 a = 0; a < link.end_count; ++a) {
      for (u32 b = 0; b < link.end_count; ++b) {
        // The stream of a pair goes by names, so that other links and nodes move none of its values.
        char numbers[2][4];
        char text[3 * kNameBytesMax + 8];
        base::Writer name{text};
        base::format_to(name, "{}:{}→{}", link.name, node_text(memory_.ends[link.first_end + a].node, numbers[0]),
                        node_text(memory_.ends[link.first_end + b].node, numbers[1]));
        const u64 key = base::digest_of(base::bytes_of(name.view())).high;
        new (&memory_.paths[path_at++]) LinkPath{.jitter = jitter_of(config.seed, key), .key = key};
      }
    }
  }
  for (u32 i = 0; i < memory_.frames.size(); ++i) new (&memory_.frames[i]) Frame{.next_free = i + 1};
}

void Links::rekey(u64 seed) {
  for (LinkPath& path : memory_.paths) path.jitter = jitter_of(seed, path.key);
}

bool Links::is_allowed(const LinkSettings& settings) const { return in_range(settings) && settings.mtu <= mtu_max(); }

// ── Ports ────────────────────────────────────────────────────────────────────────────────────────────────────

u32 Links::port_count(u32 node) const {
  u32 ports = 0;
  for (const Link& link : memory_.links) ports += link.joins >> node & 1;
  return ports;
}

u32 Links::end_index(u32 node, u32 port) const {
  u32 left = port;
  for (const Link& link : memory_.links) {
    if ((link.joins >> node & 1) == 0) continue;
    if (left == 0) return link.first_end + nodes_joined(link.joins & ((u64{1} << node) - 1));
    left -= 1;
  }
  UNREACHABLE("a port lies below the node's count");
}

base::MutableBytes Links::bytes_of(u32 frame) const {
  return memory_.bytes.subspan(u64{frame} * need_.frame_bytes, memory_.frames[frame].bytes);
}

u32 Links::take_frame(base::Bytes bytes, u32 sender) {
  ASSERT(free_frame_ < memory_.frames.size() && bytes.size() <= need_.frame_bytes);  // N1: as many as all can hold
  const u32 taken = free_frame_;
  Frame& frame = memory_.frames[taken];
  free_frame_ = frame.next_free;
  frame.bytes = static_cast<u32>(bytes.size());
  frame.references = 1;
  frame.sender = sender;
  __builtin_memcpy(bytes_of(taken).data(), bytes.data(), bytes.size());
  return taken;
}

void Links::release(u32 index) {
  Frame& frame = memory_.frames[index];
  ASSERT(frame.references > 0);
  frame.references -= 1;
  if (frame.references > 0) return;
  frame.next_free = free_frame_;
  free_frame_ = index;
}

void Links::drop(const LinkEnd& end, base::Bytes frame, Drop why, u64 time, u64 cause) {
  world_.emit(end.node + 1, time,
              {.kind = EventKind::NetDrop,
               .object = end.link + 1,
               .a = frame.size(),
               .b = base::digest_of(frame).high,
               .c = static_cast<u64>(why)},
              cause);
}

void Links::send(u32 node, u32 port, u32 thread_id, base::Bytes bytes, u64 now) {
  const u32 from_index = end_index(node, port);
  LinkEnd& from = memory_.ends[from_index];
  Link& link = link_of(from);
  const LinkSettings& settings = link.effective;
  ASSERT(bytes.size() >= kFrameHeaderMin && bytes.size() <= settings.mtu + kFrameHeaderMin);
  const u64 digest = base::digest_of(bytes).high;
  const u64 starts = from.busy_until > now ? from.busy_until : now;
  const u64 queued = wire_bytes(starts - now, settings.bits_per_second);
  const u64 departure = starts + wire_ns(bytes.size(), settings.bits_per_second);
  const u64 sent = world_.emit(node + 1, now,
                               {.kind = EventKind::NetSend,
                                .thread = thread_id,
                                .object = from.link + 1,
                                .a = bytes.size(),
                                .b = digest,
                                .c = departure});
  if (!settings.is_up) return drop(from, bytes, Drop::LinkDown, now, sent);
  const bool waits = starts > now;
  if ((waits && queued + bytes.size() > settings.queue_bytes) || link.flights + link.end_count > kFlightsMax) {
    world_.emit(node + 1, now,
                {.kind = EventKind::NetQueueFull, .object = from.link + 1, .a = bytes.size(), .b = digest, .c = queued},
                sent);
    return;
  }
  from.busy_until = departure;
  const u64 address = load_address(bytes.data());
  const u32 frame = take_frame(bytes, node + 1);
  u32 receivers = 0;
  for (u32 i = 0; i < link.end_count; ++i) {
    LinkEnd& to = memory_.ends[link.first_end + i];
    if (to.node == node || !(is_group(address) || address == address_of(to))) continue;
    receivers += 1;
    if (is_blocked(node, to.node)) {
      drop(to, bytes, Drop::Partition, now, sent);
    } else {
      fly({frame, from_index, departure, sent}, link.first_end + i);
    }
  }
  if (receivers == 0) drop(from, bytes, Drop::NoReceiver, now, sent);
  release(frame);  // the flights hold it now
}

void Links::fly(const Flight& flight, u32 to) {
  LinkEnd& from = memory_.ends[flight.from];
  Link& link = link_of(from);
  const u32 pair = (flight.from - link.first_end) * link.end_count + to - link.first_end;
  const u32 path_index = link.first_path + pair;
  LinkPath& path = memory_.paths[path_index];
  u64 arrival = flight.departure + link.effective.latency_ns;
  if (link.effective.jitter_ns > 0) {
    const u64 index = path.jitter.index();
    const u64 late = path.jitter.below(link.effective.jitter_ns + 1);
    world_.trace().fold_draw(from.node + 1, kStreamJitter, index, late);
    arrival += late;
  }
  if (world_.has_faults()) [[unlikely]]
    return struck(flight, to, path_index, {arrival});
  launch(flight, to, path_index, {arrival});
}

void Links::launch(const Flight& flight, u32 to, u32 path_index, Arrival arrival) {
  LinkEnd& from = memory_.ends[flight.from];
  Link& link = link_of(from);
  LinkPath& path = memory_.paths[path_index];
  if (arrival.in_order) {
    if (arrival.time < path.last_arrival) arrival.time = path.last_arrival;  // W6
    path.last_arrival = arrival.time;
  }
  memory_.frames[flight.frame].references += 1;
  link.flights += 1;
  from.counter += 1;
  world_.push({.time = arrival.time,
               .order = order_of(EntryClass::Frame, kSourceLinks + flight.from, from.counter),
               .argument = u64{to} << 32 | flight.frame,
               .cause = flight.cause,
               .node = static_cast<u16>(memory_.ends[to].node),
               .action = Action::Frame});
}

void Links::deliver(const QueueEntry& entry) {
  LinkEnd& to = memory_.ends[entry.argument >> 32];
  const u32 frame = static_cast<u32>(entry.argument);
  Link& link = link_of(to);
  Node& node = world_.nodes()[to.node];
  const u32 sender = memory_.frames[frame].sender;
  const base::Bytes bytes = bytes_of(frame);
  link.flights -= 1;
  const auto lose = [&](Drop why) {
    drop(to, bytes, why, entry.time, entry.cause);
    release(frame);
  };
  if (!link.effective.is_up) return lose(Drop::LinkDown);
  if (is_blocked(sender - 1, to.node)) return lose(Drop::Partition);
  if (!node.is_up()) return lose(Drop::NodeDown);
  if (to.count == kReceivedMax) return lose(Drop::Overrun);
  world_.emit(to.node + 1, entry.time,
              {.kind = EventKind::NetDeliver,
               .object = to.link + 1,
               .a = bytes.size(),
               .b = base::digest_of(bytes).high,
               .c = sender},
              entry.cause);
  to.received[(to.head + to.count) % kReceivedMax] = frame;
  to.count += 1;
  node.devices().frames_wait(to.port, true, entry.time);
}

base::Bytes Links::received(u32 node, u32 port) const {
  const LinkEnd& end = end_of(node, port);
  return end.count == 0 ? base::Bytes{} : bytes_of(end.received[end.head]);
}

void Links::release_received(u32 node, u32 port) {
  LinkEnd& end = memory_.ends[end_index(node, port)];
  ASSERT(end.count > 0);
  release(end.received[end.head]);
  end.head = (end.head + 1) % kReceivedMax;
  end.count -= 1;
}

void Links::power_off(u32 node) {
  for (u32 port = 0; port < port_count(node); ++port) {
    while (end_of(node, port).count > 0) release_received(node, port);
  }
}

void Links::block(u32 from, u32 to, bool blocked) {
  const u64 bit = u64{1} << to;
  blocked_[from] = blocked ? blocked_[from] | bit : blocked_[from] & ~bit;
}

}  // namespace sim
