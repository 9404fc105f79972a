// boot/shared/channel.cpp — see channel.h.
#include "boot/shared/channel.h"

#include "base/bytes.h"
#include "base/format.h"
#include "boot/arch.h"

#include "base/enforce.h"

namespace boot {
namespace {

constinit Channel the_channel;

void plain(std::string_view text, bool add_returns) {
  for (const char character : text) {
    if (character == '\n' && add_returns) arch::serial_write('\r');
    arch::serial_write(static_cast<u8>(character));
  }
}

}  // namespace

Channel& channel() { return the_channel; }

void Channel::begin_frames() {
  framed_ = true;
  plain(sim::kFramesBegin, false);
}

void Channel::frame(sim::FrameKind kind, base::Bytes payload) {
  while (true) {
    const u64 count = payload.size() < sim::kFramePayloadMax ? payload.size() : sim::kFramePayloadMax;
    arch::serial_write(static_cast<u8>(kind));
    arch::serial_write(static_cast<u8>(count));
    arch::serial_write(static_cast<u8>(count >> 8));
    for (u64 i = 0; i < count; ++i) arch::serial_write(payload[i]);
    payload = payload.subspan(count);
    if (payload.empty()) return;
  }
}

void Channel::words(sim::FrameKind kind, std::span<const u64> words) {
  frame(kind, {reinterpret_cast<const u8*>(words.data()), words.size_bytes()});
}

void Channel::console(base::Bytes bytes, bool lines_end_in_feed) {
  if (framed_) return frame(sim::FrameKind::Console, bytes);
  plain(base::text_of(bytes), lines_end_in_feed);
}

void Channel::text(std::string_view text) {
  if (framed_) return frame(sim::FrameKind::Text, base::bytes_of(text));
  plain(text, true);
}

void Channel::root(u64 epoch, u64 events, base::Digest root) {
  if (framed_) {
    const u64 payload[] = {epoch, events, root.high, root.low};
    return words(sim::FrameKind::Root, payload);
  }
  char line[128];
  plain(base::format(line, "root {} {} {:016x}{:016x}\n", epoch, events, root.high, root.low), true);
}

void Channel::event(const base::Event& event) {
  if (framed_) return frame(sim::FrameKind::Event, {reinterpret_cast<const u8*>(&event), sizeof event});
  char line[256];
  plain(base::format(line, "event #{} {} ns {}/{} {} thread={:x} object={:x} a={:x} b={:x} c={:x}\n", event.sequence,
                     event.time_ns, event.node, event.core, base::name_of(static_cast<base::EventKind>(event.kind)),
                     event.thread, event.object, event.a, event.b, event.c),
        true);
}

void Channel::leaves(sim::World& world) {
  if (!framed_) return;
  u64 payload[2 * 2 * base::kLaneCount];  // the world's own and one node's
  ASSERT(world.nodes().size() == 1);
  u64 at = 0;
  for (u32 node = 0; node <= 1; ++node) {
    for (u32 lane = 0; lane < base::kLaneCount; ++lane) {
      const base::Digest leaf = world.trace().leaf(node, static_cast<base::Lane>(lane));
      payload[at++] = leaf.high;
      payload[at++] = leaf.low;
    }
  }
  words(sim::FrameKind::Leaves, payload);
}

void Channel::end(sim::World& world, sim::Outcome outcome, base::Digest root) {
  const u64 payload[] = {static_cast<u64>(outcome),
                         world.status(),
                         world.trace().count(),
                         world.now(),
                         world.tainted() ? 1u : 0u,
                         root.high,
                         root.low};
  if (framed_) return words(sim::FrameKind::End, payload);
  char line[256];
  plain(base::format(line, "orrery: guest status {}, {} events, {} ns{}\ndigest {:016x}{:016x}\n", world.status(),
                     world.trace().count(), world.now(), world.tainted() ? ", tainted" : "", root.high, root.low),
        true);
}

void Channel::failed(u32 status) {
  const u64 payload[] = {status};
  if (framed_) words(sim::FrameKind::Failed, payload);
}

}  // namespace boot
