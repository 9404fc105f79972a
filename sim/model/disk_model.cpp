// sim/model/disk_model.cpp — see disk_model.h. Damage is in disk_damage.cpp.
#include "sim/model/disk_model.h"

#include <algorithm>

#include "base/assert.h"

#include "base/enforce.h"

namespace sim {

using port::BlockOp;
using port::BlockStatus;
using State = DiskRequest::State;

namespace {

constexpr u64 kNoUnit = ~u64{0};
constexpr u64 kWholeCut = ~u64{0};  // argument of a draw that is no unit's
constexpr u32 kPieceShift = 56;     // of a draw for a piece of a unit
constexpr u64 kSmallWriteBytes = 4096;

bool writes(BlockOp op) { return op == BlockOp::Write || op == BlockOp::Discard || op == BlockOp::WriteZeroes; }
u64 scaled(u64 word, u64 bound) { return static_cast<u64>((static_cast<unsigned __int128>(word) * bound) >> 64); }

u32 cache_units_of(const DiskModel::Shape& shape) {
  return shape.cache == DiskCache::None ? 0 : shape.cache_bytes / shape.atomic_bytes;
}
/// What is in flight may begin and end in the middle of a unit.
u32 flying_units_of(const DiskModel::Shape& shape) {
  return static_cast<u32>(kFlyingBytesMax / shape.atomic_bytes) + 2 * kDiskDepthMax;
}

}  // namespace

DiskModel::Need::Need(const Shape& shape)
    : values(cache_units_of(shape) + flying_units_of(shape)),
      table(std::bit_ceil(values)),
      touched((shape.bytes / shape.atomic_bytes + 63) / 64),
      damages(shape.has_damage ? kDamagesMax : 0),
      history(shape.has_damage ? kHistoryMax : 0) {}

DiskModel::DiskModel(const Shape& shape, const Memory& memory)
    : shape_(shape), memory_(memory), cache_units_(cache_units_of(shape)), flying_units_max_(flying_units_of(shape)) {
  ASSERT(memory_.medium.size() == shape_.bytes);
  for (u32 i = 0; i < memory_.values.size(); ++i) {
    new (&memory_.values[i]) DiskValue{.unit = kNoUnit, .next = i + 1};
  }
  for (u32& bucket : memory_.table) bucket = kNone;
  for (u64& word : memory_.touched) word = 0;
}

// ── Values ───────────────────────────────────────────────────────────────────────────────────────────────────

u32 DiskModel::bucket_of(u64 unit) const {
  const u32 bits = static_cast<u32>(std::countr_zero(memory_.table.size()));
  return static_cast<u32>(unit * 0x9E3779B97F4A7C15u >> (64 - bits));
}

u32 DiskModel::take_value(u64 unit) {
  ASSERT(free_value_ < memory_.values.size());  // as many as the cache and what is in flight can have
  const u32 taken = free_value_;
  DiskValue& value = memory_.values[taken];
  free_value_ = value.next;
  u32& bucket = memory_.table[bucket_of(unit)];
  value = {.unit = unit, .next_in_bucket = bucket, .next = kNone, .previous = kNone};
  bucket = taken;
  flying_units_ += 1;
  return taken;
}

void DiskModel::unlink(u32 index) {
  u32* at = &memory_.table[bucket_of(memory_.values[index].unit)];
  while (*at != index) at = &memory_.values[*at].next_in_bucket;  // as long as its bucket
  *at = memory_.values[index].next_in_bucket;
}

void DiskModel::free_value(u32 index) {
  unlink(index);
  memory_.values[index] = {.unit = kNoUnit, .next = free_value_};
  free_value_ = index;
}

void DiskModel::append(u32 index) {
  DiskValue& value = memory_.values[index];
  value.next = kNone;
  value.previous = youngest_;
  (youngest_ == kNone ? oldest_ : memory_.values[youngest_].next) = index;
  youngest_ = index;
  cached_ += 1;
}

/// A value leaves the cache.
void DiskModel::remove(u32 index) {
  const DiskValue value = memory_.values[index];
  (value.previous == kNone ? oldest_ : memory_.values[value.previous].next) = value.next;
  (value.next == kNone ? youngest_ : memory_.values[value.next].previous) = value.previous;
  cached_ -= 1;
  free_value(index);
}

/// The newest accepted value of a unit.
u32 DiskModel::newest(u64 unit) const {
  u32 index = memory_.table[bucket_of(unit)];
  while (index != kNone && (memory_.values[index].unit != unit || memory_.values[index].order == 0)) {
    index = memory_.values[index].next_in_bucket;
  }
  return index;
}

base::Bytes DiskModel::truth(u64 unit) const {
  const u32 value = newest(unit);
  return value == kNone ? on_medium(unit) : base::Bytes(bytes_of(value));
}

bool DiskModel::is_backed(u64 unit) const {
  return !shape_.is_blank || (memory_.touched[unit / 64] >> unit % 64 & 1) != 0 || newest(unit) != kNone;
}

void DiskModel::store(u64 unit, base::Bytes bytes, bool discards) {
  remember(unit);
  __builtin_memcpy(medium_of(unit).data(), bytes.data(), bytes.size());
  u64& word = memory_.touched[unit / 64];
  const u64 bit = u64{1} << unit % 64;
  word = discards && shape_.is_blank ? word & ~bit : word | bit;
}

/// M2: the value goes to the medium.
void DiskModel::destage(u32 index) {
  const DiskValue& value = memory_.values[index];
  store(value.unit, bytes_of(index), value.discards);
  remove(index);
}

/// A value in flight is the newest of its unit now.
void DiskModel::accept(u32 index) {
  DiskValue& value = memory_.values[index];
  unlink(index);  // one that lands late goes before what was accepted meanwhile
  u32& bucket = memory_.table[bucket_of(value.unit)];
  value.next_in_bucket = bucket;
  bucket = index;
  flying_units_ -= 1;
  accepted_ += 1;
  value.order = accepted_;
  append(index);
  while (cached_ > cache_units_) destage(oldest_);  // one round: it was full at most
}

void DiskModel::accept_all(DiskRequest& request) {
  for (u32 index = request.first_value; index != kNone;) {
    const u32 next = memory_.values[index].next;
    accept(index);
    index = next;
  }
  request.first_value = kNone;
  request.value_count = 0;
}

void DiskModel::drop_values(DiskRequest& request) {
  for (u32 index = request.first_value; index != kNone;) {
    const u32 next = memory_.values[index].next;
    flying_units_ -= 1;
    free_value(index);
    index = next;
  }
  request.first_value = kNone;
  request.value_count = 0;
}

u32 DiskModel::flush(u64 mark) {
  u32 durable = 0;
  while (oldest_ != kNone && memory_.values[oldest_].order <= mark) {
    const u32 last = newest(memory_.values[oldest_].unit);
    if (last != oldest_ && memory_.values[last].order <= mark) {
      remove(oldest_);  // a newer one of its unit comes in this round, too
      continue;
    }
    destage(oldest_);
    durable += 1;
  }
  return durable;
}

void DiskModel::lose(u64 mark) {
  while (oldest_ != kNone && memory_.values[oldest_].order <= mark) remove(oldest_);
}

/// What the request wrote is durable: its units alone, or all before it where the cache keeps its order.
u32 DiskModel::harden(const DiskRequest& request) {
  if (shape_.cache == DiskCache::Ordered) return flush(accepted_);
  u32 durable = 0;
  const UnitRange range = units_of(request.sector, request.sectors);
  for (u64 unit = range.first; unit < range.end; ++unit) {
    const u32 last = newest(unit);
    if (last == kNone) continue;
    store(unit, bytes_of(last), memory_.values[last].discards);
    for (u32 index = last; index != kNone; index = newest(unit)) remove(index);
    durable += 1;
  }
  return durable;
}

// ── Requests ─────────────────────────────────────────────────────────────────────────────────────────────────

DiskModel::UnitRange DiskModel::units_of(u64 sector, u32 count) const {
  const u64 first = sector * shape_.sector_bytes;
  const u64 end = first + u64{count} * shape_.sector_bytes;
  return {first / shape_.atomic_bytes, (end + shape_.atomic_bytes - 1) / shape_.atomic_bytes};
}

bool DiskModel::has_room(u64 bytes) const {
  return free_requests_ > 0 && flying_units_ + bytes / shape_.atomic_bytes + 2 <= flying_units_max_;
}

BlockStatus DiskModel::refusal(const Command& command) const {
  if (command.refused != BlockStatus::Ok || command.op == BlockOp::Flush) return command.refused;
  const bool in_range =
      command.sectors > 0 && command.sector < sectors() && command.sectors <= sectors() - command.sector;
  if (!in_range) return BlockStatus::OutOfRange;
  const UnitRange range = units_of(command.sector, command.sectors);
  for (const DiskRequest& other : requests_) {
    const bool counts = other.state == State::Flying && other.status == BlockStatus::Ok && other.op != BlockOp::Flush;
    if (!counts || !(writes(other.op) || writes(command.op))) continue;
    const UnitRange taken = units_of(other.sector, other.sectors);
    if (range.first < taken.end && taken.first < range.end) return BlockStatus::Overlap;  // M4
  }
  return BlockStatus::Ok;
}

u32 DiskModel::begin(const Command& command, base::Bytes data) {
  ASSERT(has_room(data.size()));
  u32 place = 0;
  while (requests_[place].state != State::Free) ++place;  // has_room: there is one
  DiskRequest& request = requests_[place];
  submitted_ += 1;
  request = {.state = State::Flying,
             .op = command.op,
             .flags = command.flags,
             .status = refusal(command),
             .tag = command.tag,
             .sectors = command.sectors,
             .sector = command.sector,
             .address = command.address,
             .mark = accepted_,
             .order = submitted_,
             .first_value = kNone};
  free_requests_ -= 1;
  flying_requests_ += 1;
  if (request.status == BlockStatus::Ok && writes(request.op)) take_data(request, data);
  return place;
}

/// Makes whole units of what a write brings: the rest of them is as it is now, for nobody else may write them meanwhile.
void DiskModel::take_data(DiskRequest& request, base::Bytes data) {
  const u64 start = request.sector * shape_.sector_bytes;
  const u64 end = start + u64{request.sectors} * shape_.sector_bytes;
  const UnitRange range = units_of(request.sector, request.sectors);
  u32 last = kNone;
  for (u64 unit = range.first; unit < range.end; ++unit) {
    const base::Bytes old = truth(unit);
    const u32 index = take_value(unit);
    DiskValue& value = memory_.values[index];
    value.together = static_cast<u32>(range.end - range.first);
    (last == kNone ? request.first_value : memory_.values[last].next) = index;
    last = index;
    const u64 unit_start = unit * shape_.atomic_bytes;
    const u64 from = std::max(start, unit_start);
    const u64 to = std::min(end, unit_start + shape_.atomic_bytes);
    const base::MutableBytes bytes = bytes_of(index);
    value.discards = request.op == BlockOp::Discard && to - from == shape_.atomic_bytes;
    if (to - from < shape_.atomic_bytes) __builtin_memcpy(bytes.data(), old.data(), bytes.size());
    u8* const at = bytes.data() + (from - unit_start);
    if (request.op == BlockOp::Write) {
      __builtin_memcpy(at, data.data() + (from - start), to - from);
    } else {
      __builtin_memset(at, 0, to - from);
    }
  }
  request.value_count = static_cast<u32>(range.end - range.first);
}

void DiskModel::mark_done(DiskRequest& request, BlockStatus status) {
  request.state = State::Done;
  request.status = status;
  flying_requests_ -= 1;
}

u32 DiskModel::complete(u32 index, base::MutableBytes out, const DiskTwist& twist) {
  DiskRequest& request = requests_[index];
  ASSERT(request.state == State::Flying);
  if (request.status != BlockStatus::Ok) {
    mark_done(request, request.status);
    return 0;
  }
  const bool flushes = request.op == BlockOp::Flush || (writes(request.op) && (request.flags & port::kBlockPreflush));
  if (flushes && twist.flush_fails) {
    if (twist.drops_unflushed) lose(request.mark);
    drop_values(request);
    mark_done(request, BlockStatus::IoError);
    return 0;
  }
  u32 durable = flushes && !twist.lies && twist.fails == BlockStatus::Ok ? flush(request.mark) : 0;
  BlockStatus status = twist.fails;
  if (writes(request.op)) {
    status = write(request, twist);
    const bool hardens = status == BlockStatus::Ok && (request.flags & port::kBlockFua) != 0 && !twist.lies;
    if (hardens) durable += harden(request);
  } else if (request.op == BlockOp::Read && status == BlockStatus::Ok) {
    status = read(request, out, twist);
  }
  mark_done(request, status);
  return durable;
}

BlockStatus DiskModel::write(DiskRequest& request, const DiskTwist& twist) {
  BlockStatus status = twist.fails;
  for (u32 index = request.first_value; is_full_ && index != kNone; index = memory_.values[index].next) {
    if (!is_backed(memory_.values[index].unit)) status = BlockStatus::NoSpace;
  }
  if (status == BlockStatus::NoSpace) {
    drop_values(request);
    return status;
  }
  if (is_stuck(request)) {
    drop_values(request);
    return BlockStatus::MediaError;
  }
  const UnitRange range = units_of(request.sector, request.sectors);
  if (status == BlockStatus::Ok && twist.real_units != 0 && range.end > twist.real_units) {
    if (twist.beyond == DiskBeyond::Fails) {
      drop_values(request);
      return BlockStatus::IoError;
    }
    spill(request, twist);
    accept_all(request);
    return BlockStatus::Ok;
  }
  if (twist.is_lost || twist.distance != 0) {
    misplace(request, twist);
    accept_all(request);
    return BlockStatus::Ok;
  }
  for (u32 index = request.first_value; index != kNone;) {
    const u32 next = memory_.values[index].next;
    const u64 unit = memory_.values[index].unit;
    // What fails has written some of its units.
    const bool lands = status == BlockStatus::Ok || (base::threefry2x64({twist.salt, unit}, {}).word0 & 1) != 0;
    if (lands) {
      mend_unit(unit);
      accept(index);
      if (twist.flips > 0 && has_room_for_damage()) {
        damage({.unit = unit, .salt = twist.salt, .bits = twist.flips, .kind = DamageKind::Rot});
      }
    } else {
      flying_units_ -= 1;
      free_value(index);
    }
    index = next;
  }
  request.first_value = kNone;
  request.value_count = 0;
  return status;
}

BlockStatus DiskModel::read(const DiskRequest& request, base::MutableBytes out, const DiskTwist& twist) const {
  const u64 start = request.sector * shape_.sector_bytes;
  ASSERT(out.size() == u64{request.sectors} * shape_.sector_bytes);
  const UnitRange range = units_of(request.sector, request.sectors);
  BlockStatus status = BlockStatus::Ok;
  u8 bytes[4096];
  const base::MutableBytes whole{bytes, shape_.atomic_bytes};
  for (u64 unit = range.first; unit < range.end; ++unit) {
    u64 from_unit = unit + static_cast<u64>(twist.distance);
    if (from_unit >= units()) from_unit = unit - static_cast<u64>(twist.distance);
    if (from_unit >= units()) from_unit = unit;
    const bool wraps = twist.real_units != 0 && twist.beyond == DiskBeyond::Wraps;
    if (wraps) from_unit %= twist.real_units;
    if (look(from_unit, whole) != BlockStatus::Ok) status = BlockStatus::MediaError;
    if (twist.age > 0) stale(unit, twist.age, whole);
    const u64 unit_start = unit * shape_.atomic_bytes;
    const u64 from = std::max(start, unit_start);
    const u64 to = std::min(start + out.size(), unit_start + shape_.atomic_bytes);
    __builtin_memcpy(out.data() + (from - start), bytes + (from - unit_start), to - from);
  }
  for (u32 i = 0; i < twist.flips; ++i) {
    const u64 bit = base::threefry2x64({twist.salt, i}, {}).word0 % (out.size() * 8);
    out[bit / 8] ^= static_cast<u8>(1u << bit % 8);
  }
  return status;
}

void DiskModel::abandon(u32 index, BlockStatus status, u32 landed) {
  DiskRequest& request = requests_[index];
  ASSERT(request.state == State::Flying || request.state == State::Late);
  for (; landed > 0 && request.first_value != kNone; --landed) {
    const u32 value = request.first_value;
    request.first_value = memory_.values[value].next;
    mend_unit(memory_.values[value].unit);
    accept(value);
  }
  drop_values(request);
  if (request.state == State::Flying) {
    mark_done(request, request.status == BlockStatus::Ok ? status : request.status);
  } else {
    request.state = State::Done;
  }
}

void DiskModel::delay(u32 index, BlockStatus status) {
  DiskRequest& request = requests_[index];
  ASSERT(request.state == State::Flying);
  mark_done(request, status);
  request.state = State::Late;
}

void DiskModel::land(u32 index) {
  DiskRequest& request = requests_[index];
  ASSERT(request.state == State::Late);
  for (u32 value = request.first_value; value != kNone; value = memory_.values[value].next) {
    mend_unit(memory_.values[value].unit);
  }
  accept_all(request);
  request.state = State::Done;
}

void DiskModel::release(u32 index) {
  DiskRequest& request = requests_[index];
  ASSERT(request.state == State::Done && request.first_value == kNone);
  request.state = State::Free;
  free_requests_ += 1;
}

// ── Power ────────────────────────────────────────────────────────────────────────────────────────────────────

DiskModel::Cut DiskModel::cut(const base::Prng& stream, u64 number, const DiskCutTwist& twist) {
  const Cut cut =
      shape_.cache == DiskCache::Ordered ? cut_ordered(stream, number, twist) : cut_units(stream, number, twist);
  for (DiskRequest& request : requests_) drop_values(request);
  lose(accepted_);
  return cut;
}

void DiskModel::forget_requests() {
  for (DiskRequest& request : requests_) {
    drop_values(request);
    request.state = State::Free;
  }
  flying_requests_ = 0;
  free_requests_ = kDiskDepthMax;
}

DiskModel::Cut DiskModel::cut_units(const base::Prng& stream, u64 number, const DiskCutTwist& twist) {
  using enum DiskCutTwist::Rule;
  Cut cut;
  // Of each unit with values in the cache or in flight the first in its bucket speaks.
  const auto each_unit = [&](auto visit) {
    for (u32 index = 0; index < memory_.values.size(); ++index) {
      const u64 unit = memory_.values[index].unit;
      if (unit == kNoUnit) continue;
      u32 first = memory_.table[bucket_of(unit)];
      while (memory_.values[first].unit != unit) first = memory_.values[first].next_in_bucket;
      if (first == index) visit(unit);
    }
  };
  u64 least = ~u64{0};
  u64 spared = kNoUnit;
  each_unit([&](u64 unit) {
    cut.undecided += 1;
    const u64 word = stream.at(number, unit);
    if (word <= least) spared = unit;
    least = std::min(least, word);
  });
  const u64 oldest = oldest_ == kNone ? accepted_ + 1 : memory_.values[oldest_].order;
  const u64 kept_from = oldest + scaled(stream.at(number, kWholeCut), accepted_ + 2 - oldest);
  base::D128 outcome;
  each_unit([&](u64 unit) {
    // Candidate 0 is the medium's, then from the newest to the oldest.
    u32 candidates[2] = {};
    u32 count = 0;
    u32 newest_small = 0;
    u32 newest_accepted = 0;
    for (u32 i = memory_.table[bucket_of(unit)]; i != kNone; i = memory_.values[i].next_in_bucket) {
      const DiskValue& value = memory_.values[i];
      if (value.unit != unit) continue;
      count += 1;
      if (count == 1) candidates[0] = i;
      if (newest_accepted == 0 && value.order != 0) newest_accepted = count;
      const bool is_small = u64{value.together} * shape_.atomic_bytes <= kSmallWriteBytes;
      if (newest_small == 0 && is_small) newest_small = count;
    }
    const DiskValue& first = memory_.values[candidates[0]];
    const auto value_at = [&](u64 candidate) {
      u32 i = memory_.table[bucket_of(unit)];
      for (u64 left = candidate;; i = memory_.values[i].next_in_bucket) {
        if (memory_.values[i].unit != unit) continue;
        left -= 1;
        if (left == 0) return i;
      }
    };
    const u64 word = stream.at(number, unit);
    u64 pick = 0;
    switch (twist.rule) {
      case Fair: pick = scaled(word, count + 1); break;
      case NewestFirst: pick = first.order == 0 || first.order >= kept_from ? 1 : 0; break;
      case SmallFirst: pick = newest_small; break;
      case AllButOne: pick = unit == spared ? 0 : 1; break;
    }
    bool is_lost = newest_accepted != 0 && (pick == 0 || pick > newest_accepted);
    const bool is_torn = twist.rule == Fair && twist.piece_bytes != 0 && twist.piece_bytes < shape_.atomic_bytes;
    outcome.fold(unit);
    if (!is_torn) {
      outcome.fold(pick);
      if (pick != 0) {
        const u32 value = value_at(pick);
        store(unit, bytes_of(value), memory_.values[value].discards);
      }
    } else {
      is_lost = false;
      u8 bytes[4096];
      __builtin_memcpy(bytes, on_medium(unit).data(), shape_.atomic_bytes);
      for (u32 at = 0; at < shape_.atomic_bytes; at += twist.piece_bytes) {
        const u64 of_piece = u64{at / twist.piece_bytes + 1} << kPieceShift;
        const u64 piece = scaled(stream.at(number, unit | of_piece), count + 1);
        outcome.fold(piece);
        is_lost = is_lost || (newest_accepted != 0 && (piece == 0 || piece > newest_accepted));
        if (piece != 0) __builtin_memcpy(bytes + at, bytes_of(value_at(piece)).data() + at, twist.piece_bytes);
      }
      store(unit, {bytes, shape_.atomic_bytes}, false);
    }
    cut.lost += is_lost ? 1 : 0;
    if (scaled(stream.at(number, unit | u64{1} << 63), cut.undecided) < twist.shorn) shear(unit, word, twist);
  });
  cut.outcome = outcome.out();
  return cut;
}

/// A prefix of what was accepted and, behind it, of what was in flight.
DiskModel::Cut DiskModel::cut_ordered(const base::Prng& stream, u64 number, const DiskCutTwist& twist) {
  Cut cut;
  cut.undecided = cached_ + flying_units_;
  const u32 accepted = cached_;
  u32 kept = static_cast<u32>(scaled(stream.at(number, kWholeCut), u64{cut.undecided} + 1));
  if (twist.rule == DiskCutTwist::Rule::AllButOne) kept = cut.undecided == 0 ? 0 : cut.undecided - 1;
  base::D128 outcome;
  outcome.fold(kept, cut.undecided);
  u32 place = 0;
  u32 torn_left = 0;  // units of the write in the middle of which the power went
  const auto settle = [&](u32 index) {
    const DiskValue& value = memory_.values[index];
    const u64 word = stream.at(number, value.unit);
    bool stays = place < kept;
    if (place == kept && twist.piece_bytes != 0) torn_left = value.together;
    if (!stays && torn_left > 0) {
      torn_left -= 1;
      stays = (word & 1) != 0;
      outcome.fold(value.unit, stays ? 1 : 0);
    }
    if (stays) store(value.unit, bytes_of(index), value.discards);
    if (!stays && place < accepted) cut.lost += 1;
    if (!stays && scaled(stream.at(number, value.unit | u64{1} << 63), cut.undecided) < twist.shorn) {
      shear(value.unit, word, twist);
    }
    place += 1;
  };
  for (u32 index = oldest_; index != kNone; index = memory_.values[index].next) settle(index);
  for (u64 last = 0;;) {  // requests by age, each once
    const DiskRequest* next = nullptr;
    for (const DiskRequest& request : requests_) {
      const bool flies = request.state == State::Flying || request.state == State::Late;
      if (flies && request.order > last && (next == nullptr || request.order < next->order)) next = &request;
    }
    if (next == nullptr) break;
    last = next->order;
    for (u32 index = next->first_value; index != kNone; index = memory_.values[index].next) settle(index);
  }
  cut.outcome = outcome.out();
  return cut;
}

// ── Looking ──────────────────────────────────────────────────────────────────────────────────────────────────

void DiskModel::fold(base::D128& digest) const {
  for (u64 word = 0; word < memory_.touched.size(); ++word) {
    for (u64 left = memory_.touched[word]; left != 0; left &= left - 1) {
      const u64 unit = word * 64 + static_cast<u64>(std::countr_zero(left));
      digest.fold(unit);
      digest.fold_bytes(on_medium(unit));
    }
  }
  for (u32 index = oldest_; index != kNone; index = memory_.values[index].next) {
    digest.fold(memory_.values[index].unit, memory_.values[index].order);
    digest.fold_bytes(bytes_of(index));
  }
  for (const DiskRequest& request : requests_) {
    if (request.state == State::Free) continue;
    digest.fold(static_cast<u64>(request.state) << 32 | static_cast<u64>(request.op) << 16 | request.flags, request.tag,
                request.sector, request.sectors, request.mark, static_cast<u64>(request.status));
    for (u32 index = request.first_value; index != kNone; index = memory_.values[index].next) {
      digest.fold_bytes(bytes_of(index));
    }
  }
  digest.fold(replaced_);
  for (const DiskDamage& damage : memory_.damages.first(damage_count_)) {
    digest.fold(damage.unit, damage.salt, static_cast<u64>(damage.kind));
  }
}

bool DiskModel::check_invariants() const {
  u32 accepted = 0;
  u64 last = 0;
  for (u32 index = oldest_; index != kNone; index = memory_.values[index].next) {
    if (memory_.values[index].order <= last || memory_.values[index].unit >= units()) return false;
    last = memory_.values[index].order;
    accepted += 1;
  }
  u32 in_flight = 0;
  for (u32 i = 0; i < kDiskDepthMax; ++i) {
    const DiskRequest& request = requests_[i];
    if (request.state == State::Free || request.state == State::Done) {
      if (request.first_value != kNone && request.value_count != 0) return false;
      continue;
    }
    for (u32 index = request.first_value; index != kNone; index = memory_.values[index].next) in_flight += 1;
  }
  u32 live = 0;
  for (const DiskValue& value : memory_.values) live += value.unit == kNoUnit ? 0 : 1;
  return accepted == cached_ && in_flight == flying_units_ && live == accepted + in_flight && cached_ <= cache_units_;
}

}  // namespace sim
