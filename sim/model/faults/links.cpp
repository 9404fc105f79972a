// sim/model/faults/links.cpp — what faults do to links and to the frames on them.
#include "sim/model/link.h"

#include <algorithm>

#include "base/format.h"
#include "sim/model/world.h"

#include "base/enforce.h"

namespace sim {

namespace {
constexpr u64 kBehindNs = 1000;  // a second copy comes so much later
}  // namespace

Links::PathEnds Links::ends_of(u32 path) const {
  for (const Link& link : memory_.links) {
    const u32 pair = path - link.first_path;
    if (path < link.first_path || pair >= link.end_count * link.end_count) continue;
    return {&link, &memory_.ends[link.first_end + pair / link.end_count],
            &memory_.ends[link.first_end + pair % link.end_count]};
  }
  UNREACHABLE("a path is below their count");
}

bool Links::is_loop(u32 path) const {
  const PathEnds ends = ends_of(path);
  return ends.from == ends.to;
}

void Links::write_path(base::Writer& out, u32 path) const {
  const PathEnds ends = ends_of(path);
  const auto node = [&](u32 index) {
    const std::string_view name = world_.nodes()[index].name();
    if (name.empty()) return base::format_to(out, "{}", index + 1);
    out.text(name);
  };
  base::format_to(out, "{}:", ends.link->name);
  node(ends.from->node);
  out.text("→");
  node(ends.to->node);
}

void Links::cut_off(u64 from, u64 to) {
  for (u32 node = 0; node < kNodesMax; ++node) {
    if ((from >> node & 1) != 0) cut_off_[node] |= to & ~(u64{1} << node);
  }
}

void Links::join_all() {
  for (u64& node : cut_off_) node = 0;
}

void Links::release_all() {
  for (LinkPath& path : memory_.paths) {
    path.held_until = 0;
    path.lost_next = 0;
  }
}

/// A frame is on its way: what becomes of it. Each class has an opportunity at each frame, whatever the others did.
void Links::struck(Flight flight, u32 to, u32 path_index, Arrival arrival) {
  Faults& faults = world_.faults();
  LinkPath& path = memory_.paths[path_index];
  const LinkEnd& from = memory_.ends[flight.from];
  const FaultTarget target{TargetKind::Path, from.node + 1, path_index};
  const auto ask = [&](FaultClass fault) {
    return faults.on(fault) ? faults.opportunity(fault, target, world_.now()) : std::nullopt;
  };
  const auto loss = ask(FaultClass::NetLoss);
  const auto corrupt = ask(FaultClass::NetCorrupt);
  const auto cut = ask(FaultClass::NetCutFrame);
  const auto delay = ask(FaultClass::NetDelay);
  const auto reorder = ask(FaultClass::NetReorder);
  const auto duplicate = ask(FaultClass::NetDuplicate);
  const auto old = ask(FaultClass::NetOldFrame);
  if (loss) path.lost_next = static_cast<u32>(loss->values[0]);
  if (path.lost_next > 0) {
    path.lost_next -= 1;
    return drop(memory_.ends[to], bytes_of(flight.frame), Drop::Fault, world_.now(), flight.cause);
  }
  // The frame is shared with other receivers: what is damaged is a copy.
  const bool is_damaged = corrupt || cut;
  if (is_damaged) {
    const u32 sender = memory_.frames[flight.frame].sender;
    const base::Bytes whole = bytes_of(flight.frame);
    u64 length = whole.size();
    if (cut && cut->values[0] < length) length = cut->values[0];
    flight.frame = take_frame(whole.first(length), sender);
    if (corrupt) {
      const base::MutableBytes bytes = bytes_of(flight.frame);
      for (u32 i = 0; i < corrupt->values[0]; ++i) {
        const u64 bit = corrupt->word(i) % (bytes.size() * 8);
        bytes[bit / 8] ^= static_cast<u8>(1u << bit % 8);
      }
    }
  }
  if (delay) arrival.time += delay->values[0];
  if (arrival.time < path.held_until) arrival.time = path.held_until;
  if (reorder) arrival = {arrival.time + reorder->values[0], false};
  launch(flight, to, path_index, arrival);
  const Link& link = memory_.links[from.link];
  const auto again = [&](u64 time) {
    if (link.flights < kFlightsMax) launch(flight, to, path_index, {time, false});
  };
  for (u64 i = 1; duplicate && i < duplicate->values[0]; ++i) again(arrival.time + i * kBehindNs);
  if (old) again(arrival.time + old->values[0]);
  if (is_damaged) release(flight.frame);  // the flights hold it now
}

// ── By the minute ────────────────────────────────────────────────────────────────────────────────────────────

/// A class by the minute strikes a link, a path, or parts nodes from others.
void World::fault_link(u32 index, const FaultHit& hit) {
  Faults::Stream& stream = faults_->stream(index);
  const u32 place = stream.target.index;
  u64 length = hit.values[1];
  u64 next = length;  // until something of it ends
  stream.setting = hit.values[0];
  switch (stream.fault) {
    case FaultClass::NetClog: return links_.hold(place, now_ + hit.values[0]);
    case FaultClass::NetSwizzle: {
      const Link& link = links_.at(place);
      for (u32 i = 0; i < link.end_count * link.end_count; ++i) {
        links_.hold(link.first_path + i, now_ + hit.word(i) % hit.values[0]);
      }
      return;
    }
    case FaultClass::NetPartition: {
      const u64 alone = u64{1} << (stream.target.node - 1);
      stream.setting = hit.values[0] == 1 ? hit.word(1) | alone : alone;
      stream.kept = hit.values[0] == 2 ? 1 : 0;
      break;
    }
    case FaultClass::NetFlap:
      next = hit.values[0];
      stream.wobble = {.period = next, .left = 2 * hit.values[1] - 1};
      length = next * 2 * hit.values[1];
      break;
    case FaultClass::NetRate:
    case FaultClass::NetQueue:
    case FaultClass::NetMtu: break;
    default: UNREACHABLE("no class of links");
  }
  stream.busy_until = now_ + length;
  faults_->queue_undo(stream, stream.target.node == 0 ? 1 : stream.target.node, now_ + next);
  settle_link(stream);
}

void World::undo_link(Faults::Stream& stream) {
  if (stream.busy_until == 0) return;  // healed meanwhile
  if (stream.fault == FaultClass::NetFlap) {
    stream.wobble.left -= 1;
    if (stream.wobble.left > 0) faults_->queue_undo(stream, 1, now_ + stream.wobble.period);
  }
  settle_link(stream);
}

/// What the stream does has begun or ended.
void World::settle_link(const Faults::Stream& stream) {
  if (stream.fault == FaultClass::NetPartition) return part_nodes();
  distort_link(stream.target.index);
  tell_link(stream.target.index);
}

/// Nodes are apart as the partitions that last say together.
void World::part_nodes() {
  links_.join_all();
  for (const Faults::Stream& stream : faults_->streams()) {
    if (stream.fault != FaultClass::NetPartition || stream.busy_until <= now_) continue;
    links_.cut_off(stream.setting, ~stream.setting);
    if (stream.kept == 0) links_.cut_off(~stream.setting, stream.setting);
  }
}

/// A link is what it should be, but for the faults that last.
void World::distort_link(u32 place) {
  LinkSettings settings = links_.at(place).settings;
  for (const Faults::Stream& stream : faults_->streams()) {
    if (stream.target.kind != TargetKind::Link || stream.target.index != place || stream.busy_until <= now_) continue;
    switch (stream.fault) {
      case FaultClass::NetRate:
        // No more waits than goes in a second: after its end a link is soon as fast as it was.
        settings.bits_per_second = std::min(settings.bits_per_second, stream.setting);
        settings.queue_bytes = static_cast<u32>(std::min<u64>(settings.queue_bytes, stream.setting / 8));
        break;
      case FaultClass::NetQueue:
        settings.queue_bytes = static_cast<u32>(std::min<u64>(settings.queue_bytes, stream.setting));
        break;
      case FaultClass::NetMtu: settings.mtu = static_cast<u32>(std::min<u64>(settings.mtu, stream.setting)); break;
      case FaultClass::NetFlap: settings.is_up = settings.is_up && stream.wobble.left % 2 == 0; break;
      default: break;  // what holds frames changes no settings
    }
  }
  links_.distort(place, settings);
}

/// All links are as they should be, and nobody is apart.
void World::heal_links() {
  links_.release_all();
  for (Faults::Stream& stream : faults_->streams()) {
    const bool lasts = stream.fault == FaultClass::NetPartition || stream.fault == FaultClass::NetRate ||
                       stream.fault == FaultClass::NetQueue || stream.fault == FaultClass::NetMtu ||
                       stream.fault == FaultClass::NetFlap;
    if (!lasts || stream.busy_until <= now_) continue;
    emit(0, now_, {.kind = base::EventKind::InjectHealed, .object = static_cast<u32>(stream.fault)});
    stream.busy_until = 0;
    settle_link(stream);
  }
}

}  // namespace sim
