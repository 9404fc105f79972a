// sim/model/disk.cpp — see disk.h.
#include "sim/model/disk.h"

#include <algorithm>

#include "sim/model/world.h"

#include "base/enforce.h"

namespace sim {

using base::EventKind;
using port::BlockOp;
using port::BlockStatus;
using State = DiskRequest::State;

namespace {

using u128 = unsigned __int128;

constexpr u32 kSourceDisks = u32{1} << 15;  // of EntryClass::Device
constexpr u32 kPageBytes = 4096;
constexpr u64 kRefusalNs = 1'000;  // a request that the controller refuses by itself
constexpr u64 kNanosecondsPerSecond = 1'000'000'000;
constexpr u64 kDmaAlignment = 8;
constexpr u16 kLateFlag = 1u << 15;  // of disk.complete: it was answered before

bool writes(BlockOp op) { return op == BlockOp::Write || op == BlockOp::Discard || op == BlockOp::WriteZeroes; }
bool moves_data(BlockOp op) { return op == BlockOp::Read || op == BlockOp::Write; }
bool is_size(u32 bytes) { return bytes == 512 || bytes == kPageBytes; }
bool in_range(const DiskSettings& settings) {
  return settings.latency_ns <= kDiskLatencyNsMax && settings.bytes_per_second >= 1 &&
         settings.bytes_per_second <= kDiskBytesPerSecondMax && settings.queue_depth >= 1 &&
         settings.queue_depth <= kDiskDepthMax && settings.channels >= 1 && settings.channels <= kDiskChannelsMax &&
         settings.cache <= DiskCache::Volatile && settings.cache_bytes <= kDiskCacheBytesMax;
}

/// How long so many bytes take, rounded up.
u64 transfer_ns(u64 bytes, u64 bytes_per_second) {
  return static_cast<u64>((u128{bytes} * kNanosecondsPerSecond + bytes_per_second - 1) / bytes_per_second);
}

base::Prng cuts_of(u64 seed, u64 key) { return {seed, "disk.cut", key}; }

}  // namespace

Disk::Disk(const DiskConfig& config, const DiskModel::Shape& shape, const DiskModel::Memory& memory, u32 port_of_node,
           u64 seed)
    : name(config.name),
      node(config.node),
      port(port_of_node),
      bytes(config.bytes),
      sector_bytes(config.sector_bytes),
      atomic_bytes(config.atomic_bytes),
      image(config.image),
      settings(config.settings),
      effective(config.settings),
      key(base::digest_of(base::bytes_of(config.name)).high),
      cuts(cuts_of(seed, key)),
      model(shape, memory) {}

DiskModel::Shape Disks::shape_of(const DiskConfig& disk, bool has_damage) {
  // What `check` refuses later has no size at all: memory is counted before.
  const bool size_ok = disk.bytes <= kDiskBytesMax && is_size(disk.atomic_bytes);
  return {.bytes = size_ok ? disk.bytes : 0,
          .sector_bytes = disk.sector_bytes,
          .atomic_bytes = size_ok ? disk.atomic_bytes : kPageBytes,
          .cache = disk.settings.cache,
          .cache_bytes = disk.settings.cache_bytes,
          .is_blank = disk.image == base::Digest{},
          .has_damage = has_damage};
}

base::Result<void, ConfigError> Disks::check(const WorldConfig& config) {
  using Code = ConfigError::Code;
  if (config.disks.size() > kDisksMax) return ConfigError{Code::DiskCount, 0, config.disks.size()};
  u32 held[kNodesMax] = {};
  for (u32 i = 0; i < config.disks.size(); ++i) {
    const DiskConfig& disk = config.disks[i];
    bool name_ok = !disk.name.empty() && disk.name.size() <= kNameBytesMax;
    for (const DiskConfig& other : config.disks.first(i)) name_ok = name_ok && other.name != disk.name;
    if (!name_ok) return ConfigError{Code::DiskName, i, disk.name.size()};
    if (disk.node < 1 || disk.node > config.nodes.size()) return ConfigError{Code::DiskNode, i, disk.node};
    if (!is_size(disk.sector_bytes) || !is_size(disk.atomic_bytes) || !in_range(disk.settings)) {
      return ConfigError{Code::DiskSettings, i, 0};
    }
    const bool size_ok = disk.bytes > 0 && disk.bytes % kPageBytes == 0 && disk.bytes <= kDiskBytesMax &&
                         disk.bytes / disk.atomic_bytes <= kDiskUnitsMax;
    if (!size_ok || disk.medium.size() != disk.bytes) return ConfigError{Code::DiskSize, i, disk.bytes};
    held[disk.node - 1] += 1;
    if (held[disk.node - 1] > kNodeDisksMax) return ConfigError{Code::NodeDisks, disk.node, held[disk.node - 1]};
  }
  return {};
}

Disks::Disks(World& world, const WorldConfig& config, const Memory& memory) : world_(world), disks_(memory.disks) {
  const bool has_damage = config.is_shared || can_strike(config.faults);
  u32 ports[kNodesMax] = {};
  for (u32 i = 0; i < config.disks.size(); ++i) {
    const DiskConfig& disk = config.disks[i];
    DiskModel::Memory model = memory.models[i];
    model.medium = disk.medium;
    new (&disks_[i]) Disk(disk, shape_of(disk, has_damage), model, ports[disk.node - 1]++, config.seed);
  }
}

void Disks::rekey(u64 seed) {
  for (Disk& disk : disks_) disk.cuts = cuts_of(seed, disk.key);
}

bool Disks::is_allowed(u32 disk, const DiskSettings& settings) const {
  const DiskSettings& made = at(disk).settings;
  return in_range(settings) && settings.cache == made.cache && settings.cache_bytes == made.cache_bytes;
}

Node& Disks::node_of(const Disk& disk) { return world_.nodes()[disk.node - 1]; }

u32 Disks::port_count(u32 node) const {
  u32 ports = 0;
  for (const Disk& disk : disks_) ports += disk.node == node + 1 ? 1 : 0;
  return ports;
}

u32 Disks::disk_of(u32 node, u32 port) const {
  for (const Disk& disk : disks_) {
    if (disk.node == node + 1 && disk.port == port) return index_of(disk);
  }
  UNREACHABLE("a port lies below the node's count");
}

// ── Requests ─────────────────────────────────────────────────────────────────────────────────────────────────

u64 Disks::bytes_of(const Disk& disk, const DiskRequest& request) const {
  return moves_data(request.op) ? u64{request.sectors} * disk.sector_bytes : 0;
}

Disks::Refusal Disks::submit(u32 index, u32 thread_id, DiskModel::Command command, u64 now) {
  Disk& disk = disks_[index];
  kernel::Kernel& kernel = node_of(disk).kernel();
  const u64 bytes = command.op == BlockOp::Flush ? 0 : u64{command.sectors} * disk.sector_bytes;
  if (bytes > port::kTransferBytesMax) return Refusal::Range;
  const bool has_data = moves_data(command.op);
  const u64 ram = kernel.ram_bytes();
  if (has_data && (command.address > ram || bytes > ram - command.address)) return Refusal::Range;
  const u32 in_flight = kDiskDepthMax - disk.model.free_requests();
  if (in_flight >= disk.effective.queue_depth || !disk.model.has_room(writes(command.op) ? bytes : 0)) {
    return Refusal::Full;
  }
  if (has_data && command.address % kDmaAlignment != 0) command.refused = BlockStatus::Misaligned;
  if (disk.is_read_only && writes(command.op)) command.refused = BlockStatus::ReadOnly;
  if (!disk.is_plugged) command.refused = BlockStatus::Gone;
  base::Bytes data;
  if (command.op == BlockOp::Write) data = {kernel.ram() + command.address, bytes};
  const u32 place = disk.model.begin(command, data);
  DiskRequest& request = disk.model.request(place);
  request.event = world_.emit(disk.node, now,
                              {.kind = EventKind::DiskSubmit,
                               .flags = static_cast<u16>(static_cast<u32>(command.op) | u32{command.flags} << 8),
                               .thread = thread_id,
                               .object = index + 1,
                               .a = command.tag,
                               .b = command.sector << 16 | command.sectors,
                               .c = data.empty() ? 0 : base::digest_of(data).high});
  schedule(disk, request, now);
  if (world_.has_faults()) [[unlikely]]
    struck_submit(disk, request, now);
  push(disk, place, request.ends, request.event);
  return Refusal::None;
}

/// When a request is served: by the channel that is free first, and in its turn where there is a barrier (D2).
void Disks::schedule(Disk& disk, DiskRequest& request, u64 now) {
  if (request.status != BlockStatus::Ok) {
    request.starts = now;
    request.ends = now + kRefusalNs;
    return;
  }
  const DiskSettings& settings = disk.effective;
  const bool flushes = request.op == BlockOp::Flush || (request.flags & port::kBlockPreflush) != 0;
  const u64 moved = bytes_of(disk, request) + (flushes ? u64{disk.model.cached()} * disk.atomic_bytes : 0);
  u64* channel = &disk.busy_until[0];
  u64 last = 0;
  for (u32 i = 0; i < kDiskChannelsMax; ++i) {
    if (i < settings.channels && disk.busy_until[i] < *channel) channel = &disk.busy_until[i];
    last = std::max(last, disk.busy_until[i]);
  }
  const bool is_barrier = (request.flags & port::kBlockBarrier) != 0;
  request.starts = std::max(now, is_barrier ? last : *channel);
  request.ends = request.starts + settings.latency_ns + transfer_ns(moved, settings.bytes_per_second);
  *channel = request.ends;
  for (u64& busy : disk.busy_until) busy = is_barrier ? request.ends : busy;
}

void Disks::push(Disk& disk, u32 place, u64 time, u64 cause) {
  disk.counter += 1;
  disk.model.request(place).entry =
      world_.push({.time = time,
                   .order = order_of(EntryClass::Device, kSourceDisks + index_of(disk), disk.counter),
                   .argument = u64{index_of(disk)} << 32 | place,
                   .cause = cause,
                   .node = static_cast<u16>(disk.node - 1),
                   .action = Action::Disk});
}

void Disks::cancel(DiskRequest& request) {
  if (request.entry != kNoEntry) world_.cancel(request.entry);
  request.entry = kNoEntry;
}

void Disks::deliver(const QueueEntry& entry) {
  Disk& disk = disks_[entry.argument >> 32];
  const u32 place = static_cast<u32>(entry.argument);
  DiskRequest& request = disk.model.request(place);
  request.entry = kNoEntry;
  if (request.state == State::Flying) {
    return request.times_out ? answer_early(disk, place, entry.time) : finish(disk, place, entry.time);
  }
  disk.model.land(place);
  world_.emit(disk.node, entry.time,
              {.kind = EventKind::DiskComplete,
               .flags = static_cast<u16>(static_cast<u32>(request.op) | kLateFlag),
               .object = index_of(disk) + 1,
               .a = request.tag,
               .b = request.sector << 16},
              request.event);
  if (!request.waits) disk.model.release(place);
}

/// A request is answered with Timeout, and what it writes lands later.
void Disks::answer_early(Disk& disk, u32 place, u64 now) {
  DiskRequest& request = disk.model.request(place);
  if (writes(request.op)) {
    disk.model.delay(place, BlockStatus::Timeout);
    push(disk, place, now + request.late_ns, request.event);
  } else {
    disk.model.complete(place, {}, {.fails = BlockStatus::Timeout});
  }
  tell_done(disk, request, 0, now);
  wait_for_driver(disk, place, now);
}

void Disks::finish(Disk& disk, u32 place, u64 now) {
  DiskRequest& request = disk.model.request(place);
  kernel::Kernel& kernel = node_of(disk).kernel();
  base::MutableBytes out;
  if (request.op == BlockOp::Read && request.status == BlockStatus::Ok) {
    out = {kernel.ram() + request.address, bytes_of(disk, request)};
  }
  DiskTwist twist;
  if (world_.has_faults()) [[unlikely]]
    twist = struck(disk, request, now);
  const u32 durable = disk.model.complete(place, out, twist);
  const bool is_ok = request.status == BlockStatus::Ok;
  const bool hardens = request.op == BlockOp::Flush ||
                       (writes(request.op) && (request.flags & (port::kBlockFua | port::kBlockPreflush)) != 0);
  if (is_ok) {
    disk.reads += request.op == BlockOp::Read ? 1 : 0;
    disk.writes += writes(request.op) ? 1 : 0;
    disk.flushes += request.op == BlockOp::Flush ? 1 : 0;
    disk.bytes_moved += bytes_of(disk, request);
  }
  if (hardens) tell_flush(disk, request, durable, now);
  if (request.op != BlockOp::Flush) tell_done(disk, request, is_ok ? base::digest_of(out).high : 0, now);
  wait_for_driver(disk, place, now);
}

void Disks::tell_done(const Disk& disk, const DiskRequest& request, u64 digest, u64 now) {
  world_.emit(disk.node, now,
              {.kind = EventKind::DiskComplete,
               .flags = static_cast<u16>(request.op),
               .object = index_of(disk) + 1,
               .a = request.tag,
               .b = request.sector << 16 | static_cast<u64>(request.status),
               .c = request.op == BlockOp::Read ? digest : 0},
              request.event);
}

void Disks::tell_flush(const Disk& disk, const DiskRequest& request, u64 durable, u64 now) {
  world_.emit(disk.node, now,
              {.kind = EventKind::DiskFlush,
               .flags = static_cast<u16>(request.op),
               .object = index_of(disk) + 1,
               .a = request.tag,
               .b = static_cast<u64>(request.status),
               .c = durable},
              request.event);
}

void Disks::wait_for_driver(Disk& disk, u32 place, u64 now) {
  disk.done[(disk.done_head + disk.done_count) % kDiskDepthMax] = static_cast<u8>(place);
  disk.done_count += 1;
  disk.model.request(place).waits = true;
  node_of(disk).devices().completions_wait(disk.port, true, now);
}

std::optional<DiskRequest> Disks::take(u32 index) {
  Disk& disk = disks_[index];
  if (disk.done_count == 0) return {};
  const u32 place = disk.done[disk.done_head];
  disk.done_head = (disk.done_head + 1) % kDiskDepthMax;
  disk.done_count -= 1;
  disk.model.request(place).waits = false;
  const DiskRequest request = disk.model.request(place);
  // What was answered early keeps its place until it has landed.
  if (request.state == State::Done) disk.model.release(place);
  return request;
}

// ── Resets and power ─────────────────────────────────────────────────────────────────────────────────────────

/// How many units of a write have been transferred.
u32 Disks::landed(const Disk& disk, const DiskRequest& request, u64 now) const {
  const u64 from = request.starts + disk.effective.latency_ns;
  if (request.op != BlockOp::Write || request.state != State::Flying || now <= from) return 0;
  const u128 bytes = u128{now - from} * disk.effective.bytes_per_second / kNanosecondsPerSecond;
  return static_cast<u32>(std::min<u128>(bytes / disk.atomic_bytes, request.value_count));
}

/// All requests in flight end, oldest first: answered with `status`, or by nobody (Ok).
void Disks::abandon_all(Disk& disk, BlockStatus status, u64 now) {
  for (u64 last = 0;;) {
    u32 next = kDiskDepthMax;
    for (u32 i = 0; i < kDiskDepthMax; ++i) {
      const DiskRequest& request = disk.model.request(i);
      const bool flies = request.state == State::Flying || request.state == State::Late;
      const bool is_next = next == kDiskDepthMax || request.order < disk.model.request(next).order;
      if (flies && request.order > last && is_next) next = i;
    }
    if (next == kDiskDepthMax) break;
    DiskRequest& request = disk.model.request(next);
    last = request.order;
    cancel(request);
    const bool was_late = request.state == State::Late;
    disk.model.abandon(next, status, landed(disk, request, now));
    if (was_late) {
      if (!request.waits) disk.model.release(next);
    } else {
      tell_done(disk, request, 0, now);
      wait_for_driver(disk, next, now);
    }
  }
  for (u64& busy : disk.busy_until) busy = now;
}

void Disks::reset(u32 index, u64 now) { abandon_all(disks_[index], BlockStatus::Aborted, now); }

void Disks::node_reset(u32 node, u64 now) {
  for (Disk& disk : disks_) {
    if (disk.node != node + 1) continue;
    abandon_all(disk, BlockStatus::Aborted, now);
    disk.model.forget_requests();
    disk.done_count = 0;
  }
}

void Disks::power_on(u32 node, u64 now) {
  for (Disk& disk : disks_) {
    if (disk.node != node + 1 || !disk.is_plugged || disk.has_power) continue;
    if (world_.has_faults() && disk.cut_count > 0) [[unlikely]]
      struck_boot(disk, now);
    disk.has_power = true;
    world_.emit(disk.node, now, {.kind = EventKind::DiskPower, .object = index_of(disk) + 1, .a = 1});
  }
}

/// The cache is gone, and with it the choice of what has reached the medium.
void Disks::lose_power(Disk& disk, u64 now) {
  disk.has_power = false;
  DiskCutTwist twist;
  if (world_.has_faults()) [[unlikely]]
    twist = struck_cut(disk, now);
  const DiskModel::Cut cut = disk.model.cut(disk.cuts, disk.cut_count, twist);
  world_.trace().fold_draw(disk.node, kStreamCut, disk.cut_count, cut.outcome.high);
  disk.cut_count += 1;
  world_.emit(disk.node, now,
              {.kind = EventKind::DiskPower,
               .object = index_of(disk) + 1,
               .b = u64{cut.undecided} << 32 | cut.lost,
               .c = cut.outcome.high});
}

void Disks::power_cut(u32 node, u64 now) {
  for (Disk& disk : disks_) {
    if (disk.node != node + 1) continue;
    for (u32 i = 0; i < kDiskDepthMax; ++i) cancel(disk.model.request(i));
    if (disk.has_power) lose_power(disk, now);
    disk.model.forget_requests();
    disk.done_count = 0;
    for (u64& busy : disk.busy_until) busy = now;
  }
}

void Disks::unplug(u32 index, u64 now) {
  Disk& disk = disks_[index];
  disk.is_plugged = false;
  if (disk.has_power) lose_power(disk, now);
  abandon_all(disk, BlockStatus::Gone, now);
  node_of(disk).devices().disk_changed(disk.port, now);
}

void Disks::plug(u32 index, u64 now) {
  Disk& disk = disks_[index];
  disk.is_plugged = true;
  disk.media_epoch += 1;
  const Node& node = node_of(disk);
  if (node.is_up() || node.has_halted()) power_on(disk.node - 1, now);
  node_of(disk).devices().disk_changed(disk.port, now);
}

void Disks::fold(base::D128& digest) const {
  for (const Disk& disk : disks_) {
    digest.fold(disk.media_epoch,
                (disk.is_plugged ? 1u : 0u) | (disk.is_read_only ? 2u : 0u) | (disk.has_power ? 4u : 0u),
                disk.cut_count, disk.done_count);
    disk.model.fold(digest);
  }
}

}  // namespace sim
