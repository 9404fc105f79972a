// sim/model/faults/disks.cpp — what faults do to disks: to single requests, at a power cut, and for a while.
#include <algorithm>

#include "sim/model/disk.h"
#include "sim/model/world.h"

#include "base/enforce.h"

namespace sim {

using port::BlockOp;
using port::BlockStatus;

namespace {

constexpr u32 kPowerMax = 40;  // of two: units that something lands off
constexpr u64 kPercent = 100;

/// Asks each class that an opportunity is one for, whatever the others did.
struct Asker {
  Faults& faults;
  FaultTarget target;
  u64 now;
  std::optional<FaultHit> operator()(FaultClass fault) const {
    return faults.on(fault) ? faults.opportunity(fault, target, now) : std::nullopt;
  }
};

Asker asker_of(World& world, const Disk& disk, u32 index, u64 now) {
  return {world.faults(), {TargetKind::Disk, disk.node, index}, now};
}

i64 distance_of(const FaultHit& hit) {
  const i64 units = i64{1} << std::min<u64>(hit.values[0], kPowerMax);
  return hit.backward ? -units : units;
}

bool lasts(FaultClass fault) {
  return fault == FaultClass::DiskSlow || fault == FaultClass::DiskFull || fault == FaultClass::DiskUnplug ||
         fault == FaultClass::DiskWriteProtect || fault == FaultClass::DiskGarbage ||
         fault == FaultClass::DiskCapacityLie || fault == FaultClass::DiskCutImage;
}

}  // namespace

/// A request was submitted: whether its answer comes late, and what it does even later.
void Disks::struck_submit(Disk& disk, DiskRequest& request, u64 now) {
  if (request.status != BlockStatus::Ok) return;
  const auto hit = asker_of(world_, disk, index_of(disk), now)(FaultClass::DiskTimeout);
  if (!hit) return;
  request.times_out = true;
  request.ends = std::max(request.ends, now + hit->values[0]);
  request.late_ns = hit->values[1];
}

/// A request is about to be complete.
DiskTwist Disks::struck(Disk& disk, const DiskRequest& request, u64 now) {
  DiskTwist twist{.real_units = disk.real_units, .beyond = disk.beyond};
  if (request.status != BlockStatus::Ok) return twist;
  const Asker ask = asker_of(world_, disk, index_of(disk), now);
  DiskModel& model = disk.model;
  const bool is_write = request.op == BlockOp::Write || request.op == BlockOp::WriteZeroes;
  const bool is_read = request.op == BlockOp::Read;
  const bool flushes = request.op == BlockOp::Flush || (is_write && (request.flags & port::kBlockPreflush) != 0);
  const u64 first = request.sector * disk.sector_bytes / disk.atomic_bytes;
  const u64 last = request.op == BlockOp::Flush
                       ? first
                       : ((request.sector + request.sectors) * disk.sector_bytes - 1) / disk.atomic_bytes;
  const auto unit_of = [&](const FaultHit& hit, u32 word) { return first + hit.word(word) % (last - first + 1); };
  if (const auto hit = ask(FaultClass::DiskTransient)) {
    twist.fails = BlockStatus::IoError;
    twist.salt = hit->word(1);
  }
  if (flushes) {
    if (const auto hit = ask(FaultClass::DiskFailedFlush)) {
      twist.flush_fails = true;
      twist.drops_unflushed = hit->values[0] != 0;
    }
  }
  if (flushes || (is_write && (request.flags & port::kBlockFua) != 0)) {
    twist.lies = ask(FaultClass::DiskLyingFlush).has_value();
  }
  if (is_write) {
    twist.is_lost = ask(FaultClass::DiskLostWrite).has_value();
    if (const auto hit = ask(FaultClass::DiskMisdirectedWrite)) twist.distance = distance_of(*hit);
  }
  if (is_read) {
    if (const auto hit = ask(FaultClass::DiskMisdirectedRead)) twist.distance = distance_of(*hit);
    bool has_past = false;
    for (u64 unit = first; world_.faults().on(FaultClass::DiskStaleRead) && unit <= last; ++unit) {
      has_past = has_past || model.has_past(unit);
    }
    if (has_past) {
      if (const auto hit = ask(FaultClass::DiskStaleRead)) twist.age = static_cast<u32>(hit->values[0]);
    }
    if (const auto hit = ask(FaultClass::DiskLatent); hit && model.has_room_for_damage()) {
      const bool is_stuck = hit->word(2) % kPercent >= hit->values[0];
      model.damage({.unit = unit_of(*hit, 1), .kind = DamageKind::Unreadable, .is_stuck = is_stuck});
    }
    if (const auto hit = ask(FaultClass::DiskBitRot); hit && model.has_room_for_damage()) {
      model.damage({.unit = unit_of(*hit, 1),
                    .salt = hit->stream->at(0),
                    .bits = static_cast<u32>(hit->values[0]),
                    .kind = DamageKind::Rot});
    }
  }
  if (is_read || is_write) {
    if (const auto hit = ask(FaultClass::DiskTransferFlip)) {
      twist.flips = static_cast<u32>(hit->values[0]);
      twist.salt = hit->word(1);
    }
  }
  return twist;
}

/// Its power is about to go.
DiskCutTwist Disks::struck_cut(Disk& disk, u64 now) {
  DiskCutTwist twist;
  const Asker ask = asker_of(world_, disk, index_of(disk), now);
  if (const auto hit = ask(FaultClass::DiskTornWrite)) {
    twist.piece_bytes = hit->values[0] < disk.atomic_bytes ? 512 : disk.atomic_bytes;
  }
  if (const auto hit = ask(FaultClass::DiskShornUnit)) {
    twist.shorn = static_cast<u32>(hit->values[0]);
    twist.salt = hit->word(1);
  }
  if (const auto hit = ask(FaultClass::DiskReorder)) {
    twist.rule = static_cast<DiskCutTwist::Rule>(1 + hit->values[0]);
  }
  return twist;
}

/// Its power comes back: whether it is still the disk that it was.
void Disks::struck_boot(Disk& disk, u64 now) {
  const Asker ask = asker_of(world_, disk, index_of(disk), now);
  for (Disk& other : disks_) {
    if (&other == &disk || other.node != disk.node || !other.model.is_like(disk.model)) continue;
    if (ask(FaultClass::DiskSwap)) disk.model.exchange(other.model);
    break;
  }
  if (const auto hit = ask(FaultClass::DiskRollback)) disk.model.roll_back(static_cast<u32>(hit->values[0]));
  if (ask(FaultClass::DiskLost)) disk.model.wipe();
}

void Disks::distort(u32 index, const Distortion& distortion) {
  Disk& disk = disks_[index];
  disk.effective = distortion.settings;
  disk.is_read_only = distortion.is_read_only;
  disk.model.set_full(distortion.is_full);
  disk.model.fill_blank(distortion.noise);
  disk.real_units = distortion.real_units;
  disk.beyond = distortion.beyond;
  disk.model.hide(distortion.hidden_units);
}

// ── By the minute ────────────────────────────────────────────────────────────────────────────────────────────

/// A class by the minute strikes a disk.
void World::fault_disk(u32 index, const FaultHit& hit) {
  Faults::Stream& stream = faults_->stream(index);
  const u32 place = stream.target.index;
  stream.setting = hit.values[0];
  u64 length = kNever;  // until it is healed
  switch (stream.fault) {
    case FaultClass::DiskSlow: length = hit.values[1]; break;
    case FaultClass::DiskFull: length = hit.values[0]; break;
    case FaultClass::DiskUnplug:
      length = hit.values[0];
      if (!disks_.at(place).is_plugged) return;
      disks_.unplug(place, now_);
      break;
    case FaultClass::DiskGarbage: stream.setting = hit.word(1) | 1; break;
    case FaultClass::DiskCapacityLie: stream.kept = static_cast<u32>(hit.values[1]); break;
    case FaultClass::DiskCutImage:
    case FaultClass::DiskWriteProtect: break;
    default: UNREACHABLE("no class of disks");
  }
  stream.busy_until = length == kNever ? kNever : now_ + length;
  if (length != kNever) faults_->queue_undo(stream, stream.target.node, stream.busy_until);
  distort_disk(place);
}

void World::undo_disk(const Faults::Stream& stream) {
  if (stream.busy_until == 0) return;  // healed meanwhile
  const u32 place = stream.target.index;
  if (stream.fault == FaultClass::DiskUnplug && !disks_.at(place).is_plugged) disks_.plug(place, now_);
  distort_disk(place);
}

/// A disk is what it should be, but for the faults that last.
void World::distort_disk(u32 place) {
  Disks::Distortion made{.settings = disks_.at(place).settings};
  DiskSettings& settings = made.settings;
  const u64 units = disks_.at(place).model.units();
  for (const Faults::Stream& stream : faults_->streams()) {
    if (stream.target.kind != TargetKind::Disk || stream.target.index != place || stream.busy_until <= now_) continue;
    switch (stream.fault) {
      case FaultClass::DiskSlow:
        settings.latency_ns = std::min(settings.latency_ns * stream.setting, kDiskLatencyNsMax);
        settings.bytes_per_second = std::max<u64>(settings.bytes_per_second / stream.setting, 1);
        break;
      case FaultClass::DiskFull: made.is_full = true; break;
      case FaultClass::DiskWriteProtect: made.is_read_only = true; break;
      case FaultClass::DiskGarbage: made.noise = stream.setting; break;
      case FaultClass::DiskCapacityLie:
        made.real_units = std::max<u64>(units * stream.setting / kPercent, 1);
        made.beyond = static_cast<DiskBeyond>(stream.kept);
        break;
      case FaultClass::DiskCutImage:
        made.hidden_units = units - std::max<u64>(units * stream.setting / kPercent, 1);
        break;
      default: break;
    }
  }
  disks_.distort(place, made);
}

/// The disks of healed nodes are as they should be, and what was damaged on them is read again.
void World::heal_disks() {
  for (u32 place = 0; place < disks_.count(); ++place) {
    const Disk& disk = disks_.at(place);
    if (!is_healed(nodes_[disk.node - 1])) continue;
    const auto tell = [&](FaultClass fault) {
      emit(disk.node, now_, {.kind = base::EventKind::InjectHealed, .object = static_cast<u32>(fault), .a = disk.node});
    };
    for (Faults::Stream& stream : faults_->streams()) {
      const bool is_ours = stream.target.kind == TargetKind::Disk && stream.target.index == place;
      if (!is_ours || !lasts(stream.fault) || stream.busy_until <= now_) continue;
      tell(stream.fault);
      if (stream.fault == FaultClass::DiskUnplug && !disk.is_plugged) disks_.plug(place, now_);
      stream.busy_until = 0;
    }
    distort_disk(place);
    if (disk.model.damaged() > 0) tell(FaultClass::DiskBitRot);
    disks_.mend(place);
  }
}

}  // namespace sim
