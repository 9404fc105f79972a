// sim/model/link.h — links between nodes: what a node sends waits for its turn on the wire, travels, and waits at each end
// it is for until it is taken. A link joins its nodes as a switch with full-duplex lines does: each end has a line out of its
// own, and each pair of ends a delay of its own.
//
//   send ─→ queue of the end (queue_bytes) ─→ wire (bits/s) ─→ latency + jitter of the pair ─→ received (kReceivedMax)
//
// Invariants  W6 frames of one end reach another in the order in which they were sent, whatever the jitter.
//             N1 a frame's references are its flights and the ends where it waits; without any it is free.
// Bounds      kFlightsMax frames on their way on a link, counted once for each end; kReceivedMax that wait at an end.
#pragma once
#include "base/format.h"
#include "base/prng.h"
#include "sim/model/event_queue.h"
#include "sim/model/config.h"

namespace sim {

class World;

constexpr u32 kFlightsMax = 4096;
constexpr u32 kReceivedMax = 64;
constexpr u32 kFrameHeaderMin = 14;  // two addresses of 6 bytes and a type
constexpr u32 kMtuMin = 68;          // RFC 791 §3.2
constexpr u32 kMtuMax = 8000;        // with its header it fits into a message
constexpr u64 kLatencyNsMax = 3'600'000'000'000;
constexpr u64 kBitsPerSecondMax = 1'000'000'000'000;
constexpr u32 kQueueBytesMax = u32{64} << 20;

/// Operand `c` of net.drop.
enum class Drop : u8 { LinkDown = 1, Partition = 2, NoReceiver = 3, NodeDown = 4, Overrun = 5, Fault = 6 };

/// The address of a node's end of a link: locally administered, then the link's number (from 0) and the node's.
constexpr u64 link_address(u32 link, u32 node) { return u64{0x02} << 40 | u64{link} << 8 | node; }
constexpr u64 kBroadcastAddress = 0xFFFF'FFFF'FFFF;

struct Frame {
  u32 bytes = 0;
  u32 references = 0;
  u32 sender = 0;  // node number
  u32 next_free = 0;
};

struct LinkEnd {
  u32 link = 0;
  u32 node = 0;        // index
  u32 port = 0;        // which of its node's
  u64 busy_until = 0;  // its line out is taken until then
  u64 counter = 0;     // of entries made by this end
  u32 head = 0;
  u32 count = 0;
  u32 received[kReceivedMax] = {};  // frames that wait, a ring
};

/// From one end to another.
struct LinkPath {
  base::Prng jitter;
  u64 last_arrival = 0;
  u64 key = 0;         // of its stream: the digest of its name
  u64 held_until = 0;  // faults: nothing arrives before
  u32 lost_next = 0;   // faults: frames of a burst that are still to be lost
};

struct Link {
  std::string_view name;
  u64 joins = 0;
  LinkSettings settings;   // as the plan and its actions say
  LinkSettings effective;  // what faults make of them
  u32 first_end = 0;
  u32 end_count = 0;
  u32 first_path = 0;  // path of ends (i, j): first_path + i × end_count + j
  u32 flights = 0;
};

class Links {
 public:
  struct Memory {
    std::span<Link> links;
    std::span<LinkEnd> ends;
    std::span<LinkPath> paths;
    std::span<Frame> frames;
    std::span<u8> bytes;
  };
  /// How much of each a world of these links needs, and of the queue.
  struct Need {
    u32 ends = 0;
    u32 paths = 0;
    u32 frames = 0;
    u32 frame_bytes = 0;  // room for the longest
    u32 entries = 0;
    explicit Need(std::span<const LinkConfig> links);
  };
  /// What is wrong with the links of a configuration; `node` of the error is the link's number from 0.
  static base::Result<void, ConfigError> check(const WorldConfig& config);

  Links(World& world, const WorldConfig& config, const Memory& memory);

  u32 count() const { return static_cast<u32>(memory_.links.size()); }
  const Link& at(u32 link) const { return memory_.links[link]; }
  /// Whether a link may have these settings; the longest frame was fixed when the world was made.
  bool is_allowed(const LinkSettings& settings) const;
  /// The streams of all paths begin anew.
  void rekey(u64 seed);
  void set(u32 link, const LinkSettings& settings) {
    memory_.links[link].settings = memory_.links[link].effective = settings;
  }
  u32 mtu_max() const { return need_.frame_bytes == 0 ? 0 : need_.frame_bytes - kFrameHeaderMin; }

  // ── As a node's ports see it ─────────────────────────────────────────────────────────────────────────────
  u32 port_count(u32 node) const;
  const LinkEnd& end_of(u32 node, u32 port) const { return memory_.ends[end_index(node, port)]; }
  u64 address_of(const LinkEnd& end) const { return link_address(end.link, end.node + 1); }
  /// A frame of [header, header + MTU] bytes leaves through a port; what becomes of it is told by events.
  void send(u32 node, u32 port, u32 thread_id, base::Bytes frame, u64 now);
  /// The first frame that waits at a port; empty when none does. It lies there until `release_received`.
  base::Bytes received(u32 node, u32 port) const;
  void release_received(u32 node, u32 port);

  // ── As the world sees it ─────────────────────────────────────────────────────────────────────────────────
  void deliver(const QueueEntry& entry);
  /// What waits at the ends of a node is lost.
  void power_off(u32 node);
  bool is_blocked(u32 from, u32 to) const { return ((blocked_[from] | cut_off_[from]) >> to & 1) != 0; }
  void block(u32 from, u32 to, bool blocked);

  // ── Faults (faults/links.cpp) ────────────────────────────────────────────────────────────────────────────
  u32 path_count() const { return static_cast<u32>(memory_.paths.size()); }
  /// Whether a path leads from an end to itself, and so carries nothing.
  bool is_loop(u32 path) const;
  /// `lan:a→b`.
  void write_path(base::Writer& out, u32 path) const;
  /// The link behaves so until it is set or distorted again.
  void distort(u32 link, const LinkSettings& effective) { memory_.links[link].effective = effective; }
  /// What would arrive on a path before `until` arrives then.
  void hold(u32 path, u64 until) { memory_.paths[path].held_until = until; }
  /// The nodes of `from` (bits, by index) do not reach those of `to`, beside what `block` says, until join_all.
  void cut_off(u64 from, u64 to);
  void join_all();
  /// Paths hold nothing any more.
  void release_all();

 private:
  u32 end_index(u32 node, u32 port) const;
  Link& link_of(const LinkEnd& end) { return memory_.links[end.link]; }
  u32 take_frame(base::Bytes bytes, u32 sender);
  void release(u32 frame);
  base::MutableBytes bytes_of(u32 frame) const;
  /// A frame that is on its way: what its receivers have in common. Ends are given as indices.
  struct Flight {
    u32 frame = 0;
    u32 from = 0;
    u64 departure = 0;
    u64 cause = 0;
  };
  void fly(const Flight& flight, u32 to);
  struct Arrival {
    u64 time = 0;
    bool in_order = true;  // behind what was sent before
  };
  void launch(const Flight& flight, u32 to, u32 path, Arrival arrival);
  void struck(Flight flight, u32 to, u32 path, Arrival arrival);
  struct PathEnds {
    const Link* link = nullptr;
    const LinkEnd* from = nullptr;
    const LinkEnd* to = nullptr;
  };
  PathEnds ends_of(u32 path) const;
  void drop(const LinkEnd& end, base::Bytes frame, Drop why, u64 time, u64 cause);

  World& world_;
  Memory memory_;
  Need need_;
  u32 free_frame_ = 0;
  u64 blocked_[kNodesMax] = {};  // of each sender, bit i: node index i does not hear it
  u64 cut_off_[kNodesMax] = {};  // the same, by faults
};

}  // namespace sim
