// sim/model/disk_damage.cpp — damage of a disk lies over its contents and is looked at when they are read: what was written
// stays beside it, so that it can be mended, and a retry finds the same.
#include <utility>

#include "base/assert.h"
#include "sim/model/disk_model.h"

#include "base/enforce.h"

namespace sim {

using port::BlockStatus;

namespace {

void fill_noise(u64 salt, u64 unit, base::MutableBytes bytes) {
  for (u64 at = 0; at < bytes.size(); at += 8)
    base::store_le64(&bytes[at], base::threefry2x64({salt, unit}, {at}).word0);
}

/// Places and number of the bits follow from the damage and from what is written there.
void flip_bits(const DiskDamage& damage, base::MutableBytes bytes) {
  const u64 content = base::digest_of(bytes).high;
  for (u32 i = 0; i < damage.bits; ++i) {
    const u64 bit = base::threefry2x64({damage.salt, damage.unit}, {content, i}).word0 % (bytes.size() * 8);
    bytes[bit / 8] ^= static_cast<u8>(1u << bit % 8);
  }
}

}  // namespace

const DiskDamage* DiskModel::damage_of(u64 unit) const {
  for (u32 i = 0; i < damage_count_; ++i) {
    if (memory_.damages[i].unit == unit) return &memory_.damages[i];
  }
  return nullptr;
}

void DiskModel::damage(const DiskDamage& damage) {
  ASSERT(has_room_for_damage() && damage.unit < units());
  mend_unit(damage.unit);  // the later damage is what is there
  memory_.damages[damage_count_] = damage;
  damage_count_ += 1;
}

void DiskModel::mend() { damage_count_ = 0; }

void DiskModel::mend_unit(u64 unit) {
  const DiskDamage* const found = damage_count_ == 0 ? nullptr : damage_of(unit);
  if (found == nullptr) return;
  const u64 place = static_cast<u64>(found - memory_.damages.data());
  damage_count_ -= 1;
  memory_.damages[place] = memory_.damages[damage_count_];
  const u64 bytes = shape_.atomic_bytes;
  if (place != damage_count_) {
    __builtin_memcpy(&memory_.shadows[place * bytes], &memory_.shadows[damage_count_ * bytes], bytes);
  }
}

bool DiskModel::is_stuck(const DiskRequest& request) const {
  for (u32 i = request.first_value; damage_count_ > 0 && i != kNone; i = memory_.values[i].next) {
    const DiskDamage* const found = damage_of(memory_.values[i].unit);
    if (found != nullptr && found->is_stuck) return true;
  }
  return false;
}

BlockStatus DiskModel::look(u64 unit, base::MutableBytes out) const {
  const base::Bytes bytes = truth(unit);
  __builtin_memcpy(out.data(), bytes.data(), bytes.size());
  if (blank_salt_ != 0 && !is_backed(unit)) fill_noise(blank_salt_, unit, out);
  const DiskDamage* const found = damage_count_ == 0 ? nullptr : damage_of(unit);
  if (found == nullptr) return BlockStatus::Ok;
  switch (found->kind) {
    case DamageKind::Unreadable: return BlockStatus::MediaError;
    case DamageKind::Rot: flip_bits(*found, out); break;
    case DamageKind::Noise: fill_noise(found->salt, unit, out); break;
    case DamageKind::Shadow: {
      const u64 place = static_cast<u64>(found - memory_.damages.data());
      __builtin_memcpy(out.data(), &memory_.shadows[place * out.size()], out.size());
      break;
    }
  }
  return BlockStatus::Ok;
}

/// The unit reads as these bytes.
void DiskModel::shadow(u64 unit, base::Bytes bytes) {
  if (damage_of(unit) != nullptr) mend_unit(unit);
  if (!has_room_for_damage()) return;
  __builtin_memcpy(&memory_.shadows[u64{damage_count_} * bytes.size()], bytes.data(), bytes.size());
  damage({.unit = unit, .kind = DamageKind::Shadow});
}

/// The request's units keep the values they have, and what it writes lands elsewhere, or nowhere.
void DiskModel::misplace(DiskRequest& request, const DiskTwist& twist) {
  u8 bytes[4096];
  const base::MutableBytes old{bytes, shape_.atomic_bytes};
  for (u32 i = request.first_value; i != kNone; i = memory_.values[i].next) {
    if (look(memory_.values[i].unit, old) == BlockStatus::Ok) shadow(memory_.values[i].unit, old);
  }
  if (twist.is_lost) return;
  for (u32 i = request.first_value; i != kNone; i = memory_.values[i].next) {
    const u64 unit = memory_.values[i].unit + static_cast<u64>(twist.distance);
    if (unit < units()) shadow(unit, bytes_of(i));
  }
}

/// Units beyond the real end keep what they have, and what is written there lands before it, or nowhere.
void DiskModel::spill(DiskRequest& request, const DiskTwist& twist) {
  for (u32 i = request.first_value; i != kNone; i = memory_.values[i].next) {
    if (memory_.values[i].unit < twist.real_units) mend_unit(memory_.values[i].unit);
  }
  u8 bytes[4096];
  const base::MutableBytes old{bytes, shape_.atomic_bytes};
  for (u32 i = request.first_value; i != kNone; i = memory_.values[i].next) {
    const u64 unit = memory_.values[i].unit;
    if (unit < twist.real_units) continue;
    if (look(unit, old) == BlockStatus::Ok) shadow(unit, old);
    if (twist.beyond == DiskBeyond::Wraps) shadow(unit % twist.real_units, bytes_of(i));
  }
}

// ── Another medium ───────────────────────────────────────────────────────────────────────────────────────────

void DiskModel::roll_back(u32 stores) {
  ASSERT(cached_ == 0 && flying_units_ == 0);
  for (; stores > 0 && history_kept_ > 0; --stores) {
    history_end_ = (history_end_ + kHistoryMax - 1) % kHistoryMax;
    history_kept_ -= 1;
    const base::MutableBytes old = memory_.past.subspan(u64{history_end_} * shape_.atomic_bytes, shape_.atomic_bytes);
    __builtin_memcpy(medium_of(memory_.history[history_end_]).data(), old.data(), old.size());
  }
  replaced_ += 1;
}

void DiskModel::wipe() {
  ASSERT(cached_ == 0 && flying_units_ == 0);
  for (u64 unit = 0; unit < units(); ++unit) {
    // What a blank disk never touched is zero already, and needs no memory.
    if (is_backed(unit)) __builtin_memset(medium_of(unit).data(), 0, shape_.atomic_bytes);
  }
  for (u64& word : memory_.touched) word = 0;
  shape_.is_blank = true;
  damage_count_ = 0;
  history_kept_ = 0;
  replaced_ += 1;
}

bool DiskModel::is_like(const DiskModel& other) const {
  return shape_.bytes == other.shape_.bytes && shape_.sector_bytes == other.shape_.sector_bytes &&
         shape_.atomic_bytes == other.shape_.atomic_bytes;
}

void DiskModel::exchange(DiskModel& other) {
  ASSERT(cached_ == 0 && flying_units_ == 0 && other.cached_ == 0 && other.flying_units_ == 0);
  std::swap(memory_.medium, other.memory_.medium);
  std::swap(memory_.touched, other.memory_.touched);
  std::swap(memory_.damages, other.memory_.damages);
  std::swap(memory_.shadows, other.memory_.shadows);
  std::swap(memory_.history, other.memory_.history);
  std::swap(memory_.past, other.memory_.past);
  std::swap(shape_.is_blank, other.shape_.is_blank);
  std::swap(damage_count_, other.damage_count_);
  std::swap(history_end_, other.history_end_);
  std::swap(history_kept_, other.history_kept_);
  replaced_ += 1;
  other.replaced_ += 1;
}

// ── Values a unit had before ─────────────────────────────────────────────────────────────────────────────────

/// The medium is about to have another value there.
void DiskModel::remember(u64 unit) {
  if (memory_.history.empty()) return;
  memory_.history[history_end_] = unit;
  __builtin_memcpy(&memory_.past[u64{history_end_} * shape_.atomic_bytes], on_medium(unit).data(), shape_.atomic_bytes);
  history_end_ = (history_end_ + 1) % kHistoryMax;
  if (history_kept_ < kHistoryMax) history_kept_ += 1;
}

bool DiskModel::has_past(u64 unit) const {
  if (newest(unit) != kNone) return true;
  for (u32 i = 1; i <= history_kept_; ++i) {
    if (memory_.history[(history_end_ + kHistoryMax - i) % kHistoryMax] == unit) return true;
  }
  return false;
}

/// The value that the unit had `age` values ago, or the oldest that is known.
bool DiskModel::stale(u64 unit, u32 age, base::MutableBytes out) const {
  bool any = false;
  u32 left = age;
  const auto take = [&](base::Bytes bytes) {
    __builtin_memcpy(out.data(), bytes.data(), bytes.size());
    any = true;
    left -= 1;
    return left == 0;
  };
  bool is_newest = true;
  for (u32 i = newest(unit); i != kNone; i = memory_.values[i].next_in_bucket) {
    if (memory_.values[i].unit != unit || memory_.values[i].order == 0) continue;
    if (!is_newest && take(bytes_of(i))) return true;
    is_newest = false;
  }
  if (!is_newest && take(on_medium(unit))) return true;
  for (u32 i = 1; i <= history_kept_; ++i) {
    const u64 place = (history_end_ + kHistoryMax - i) % kHistoryMax;
    if (memory_.history[place] == unit && take(memory_.past.subspan(place * shape_.atomic_bytes, out.size())))
      return true;
  }
  return any;
}

/// The unit was being written when the power went: neither its old nor its new value is there.
void DiskModel::shear(u64 unit, u64 word, const DiskCutTwist& twist) {
  if (!has_room_for_damage()) return;
  damage({.unit = unit, .salt = twist.salt, .kind = (word & 1) != 0 ? DamageKind::Noise : DamageKind::Unreadable});
}

}  // namespace sim
