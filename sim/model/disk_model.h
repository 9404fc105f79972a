// sim/model/disk_model.h — what a disk keeps: its medium, what it has accepted and may still lose, the requests that are
// under way, and damage beside the truth. Time, the queue and the driver are disk.h's.
//
//   begin ─→ in flight ─→ complete ─→ cache: the values of each unit, oldest first ─→ flush, or no room ─→ medium
//
// A unit is what is written whole or not at all (Shape::atomic_bytes).
//
// Invariants  M1 a read gives each unit's newest accepted value, else that of the medium; damage comes on top of it.
//             M2 a value leaves the cache only into the medium, or because a newer one of its unit went there, or is lost.
//             M3 a cut leaves each unit with its value on the medium or any one of its values in the cache or in flight; an
//                ordered cache with those of a prefix of what was accepted and, behind it, what was in flight.
//             M4 of two requests in flight that share a unit none writes.
// Bounds      kDiskDepthMax requests; kFlyingBytesMax of data in flight; the cache as its settings say; kDamagesMax units
//             that are damaged, kHistoryMax values that a medium had before.
// Tested by   tests/disk/model_test.cpp (model: for each unit the set of values that are legal after a cut).
#pragma once
#include <optional>

#include "base/prng.h"
#include "kernel-model/ports.h"
#include "sim/model/config.h"

namespace sim {

constexpr u32 kDiskDepthMax = 64;
constexpr u64 kFlyingBytesMax = u64{4} << 20;
constexpr u32 kDamagesMax = 512;
constexpr u32 kHistoryMax = 256;

/// One value of one unit; its bytes lie beside it.
struct DiskValue {
  u64 unit = 0;
  u64 order = 0;           // of acceptance, from 1; 0: in flight
  u32 next_in_bucket = 0;  // the newest of a unit comes first
  u32 next = 0;            // by age; of its request while it is in flight; free
  u32 previous = 0;        // by age
  u32 together = 0;        // units of its write
  bool discards = false;
};

struct DiskRequest {
  enum class State : u8 {
    Free,
    Flying,
    Late,  // answered, and its values may still land
    Done,  // its completion waits
  } state = State::Free;
  port::BlockOp op = port::BlockOp::Read;
  u8 flags = 0;
  port::BlockStatus status = port::BlockStatus::Ok;
  u32 tag = 0;
  u32 sectors = 0;
  u64 sector = 0;
  u64 address = 0;  // of its data in the node's memory
  u64 mark = 0;     // what was accepted before it was submitted
  u64 order = 0;    // of submission
  u32 first_value = ~u32{0};
  u32 value_count = 0;
  u64 starts = 0;  // ns
  u64 ends = 0;
  u64 event = 0;        // sequence of disk.submit
  u32 entry = ~u32{0};  // in the queue
  u64 late_ns = 0;      // faults: after its answer it takes effect so much later
  bool times_out = false;
  bool waits = false;  // its completion was not taken yet
};

/// What is wrong with a unit, until it is written again.
enum class DamageKind : u8 {
  Unreadable,
  Rot,     // some bits are others
  Noise,   // all of them are
  Shadow,  // it has other bytes, which are kept
};
struct DiskDamage {
  u64 unit = 0;
  u64 salt = 0;  // with unit and content it says which bits
  u32 bits = 0;
  DamageKind kind = DamageKind::Unreadable;
  bool is_stuck = false;  // not even a write mends it
};

/// What becomes of writes beyond the end that a disk really has.
enum class DiskBeyond : u8 { Wraps, Vanishes, Fails };

/// What faults make of one request; as it stands, nothing.
struct DiskTwist {
  port::BlockStatus fails = port::BlockStatus::Ok;  // a write leaves each of its units old or new
  u64 salt = 0;
  bool is_lost = false;      // a write that is stored nowhere
  i64 distance = 0;          // units: it lands, or is read, so far off
  u32 flips = 0;             // bits, on the way
  u32 age = 0;               // a read of one unit gives its value before so many others
  bool lies = false;         // a flush, and the durability of a write
  bool flush_fails = false;  // also one before a write
  u64 real_units = 0;        // beyond them there is nothing; 0: it has what it says
  DiskBeyond beyond = DiskBeyond::Wraps;
  bool drops_unflushed = false;  // and loses what it should have made durable
};

/// What faults make of a power cut.
struct DiskCutTwist {
  enum class Rule : u8 {
    Fair,         // all that is legal is as likely
    NewestFirst,  // what was accepted last stays
    SmallFirst,   // what was written a unit at a time stays
    AllButOne,    // one unit is as the medium had it
  } rule = Rule::Fair;
  u32 piece_bytes = 0;  // what is written whole: 0 a unit
  u32 shorn = 0;        // about so many units are damaged
  u64 salt = 0;
};

class DiskModel {
 public:
  struct Shape {
    u64 bytes = 0;
    u32 sector_bytes = 512;
    u32 atomic_bytes = 4096;
    DiskCache cache = DiskCache::Volatile;
    u32 cache_bytes = 0;
    bool is_blank = true;  // nothing was ever written
    bool has_damage = false;
  };
  struct Memory {
    base::MutableBytes medium;
    std::span<DiskValue> values;
    std::span<u32> table;
    base::MutableBytes bytes;  // of the values
    std::span<u64> touched;    // bit: the unit is no longer what it was at the start
    std::span<DiskDamage> damages;
    base::MutableBytes shadows;
    std::span<u64> history;  // units
    base::MutableBytes past;
  };
  /// How much of each there must be.
  struct Need {
    u32 values = 0;
    u32 table = 0;
    u64 touched = 0;
    u32 damages = 0;
    u32 history = 0;
    explicit Need(const Shape& shape);
  };

  /// Memory may hold anything, but for the medium.
  DiskModel(const Shape& shape, const Memory& memory);

  u64 units() const { return shape_.bytes / shape_.atomic_bytes; }
  u32 unit_bytes() const { return shape_.atomic_bytes; }
  /// As it says to its driver.
  u64 sectors() const { return (shape_.bytes - hidden_bytes_) / shape_.sector_bytes; }

  // ── Requests ─────────────────────────────────────────────────────────────────────────────────────────────
  struct Command {
    port::BlockOp op = port::BlockOp::Read;
    u8 flags = 0;
    u32 tag = 0;
    u32 sectors = 0;
    u64 sector = 0;
    u64 address = 0;
    port::BlockStatus refused = port::BlockStatus::Ok;  // it is already known to fail
  };
  /// Whether another request, with `bytes` to write, finds room.
  bool has_room(u64 bytes) const;
  /// A request begins: `data` is what a write brings. Its status says whether it will do anything; has_room.
  u32 begin(const Command& command, base::Bytes data);
  /// It does what it was for, and is Done. `out` is where a read goes. Returns how many units became durable.
  u32 complete(u32 request, base::MutableBytes out, const DiskTwist& twist);
  /// It ends as `status`; of a write the first `landed` units are written.
  void abandon(u32 request, port::BlockStatus status, u32 landed);
  /// It is answered with `status` now; what it writes lands later, by `land`, unless it is abandoned.
  void delay(u32 request, port::BlockStatus status);
  void land(u32 request);
  /// Its place is free; it is Done, or was delayed and abandoned or has landed.
  void release(u32 request);
  DiskRequest& request(u32 index) { return requests_[index]; }
  const DiskRequest& request(u32 index) const { return requests_[index]; }
  u32 flying() const { return flying_requests_; }
  u32 free_requests() const { return free_requests_; }

  // ── Power ────────────────────────────────────────────────────────────────────────────────────────────────
  struct Cut {
    u32 undecided = 0;  // units that had more than one legal value
    u32 lost = 0;       // units that are not as a completed write left them
    base::Digest outcome;
  };
  /// The power is gone: M3. What stays is a function of (stream, number, unit). What was in flight is to be abandoned.
  Cut cut(const base::Prng& stream, u64 number, const DiskCutTwist& twist);
  /// No request is left, nor anybody to tell.
  void forget_requests();

  // ── Faults (disk_damage.cpp) ─────────────────────────────────────────────────────────────────────────────
  /// Whether one more unit can be damaged.
  bool has_room_for_damage() const { return damage_count_ < memory_.damages.size(); }
  void damage(const DiskDamage& damage);
  const DiskDamage* damage_of(u64 unit) const;
  u32 damaged() const { return damage_count_; }
  /// Whether a unit has a value that `stale` could give.
  bool has_past(u64 unit) const;
  /// All damage is gone: the truth is read.
  void mend();
  /// Units that were never written read as noise, or as zero bytes again (0).
  void fill_blank(u64 salt) { blank_salt_ = salt; }
  /// Writes to units that were never written find no space.
  void set_full(bool full) { is_full_ = full; }
  /// The last so many units are not there.
  void hide(u64 units) { hidden_bytes_ = units * shape_.atomic_bytes; }
  /// The medium is as it was before its last `stores` units reached it, as far as is known. Without power.
  void roll_back(u32 stores);
  /// The medium is blank. Without power.
  void wipe();
  /// Whether `exchange` can be.
  bool is_like(const DiskModel& other) const;
  /// Each has the other's medium. Without power, both.
  void exchange(DiskModel& other);
  /// Whether a unit was ever written, or was there at the start.
  bool is_backed(u64 unit) const;

  // ── Looking ──────────────────────────────────────────────────────────────────────────────────────────────
  /// What a read of the unit gives now.
  port::BlockStatus look(u64 unit, base::MutableBytes out) const;
  /// What it would give without damage.
  base::Bytes truth(u64 unit) const;
  base::Bytes on_medium(u64 unit) const {
    return memory_.medium.subspan(unit * shape_.atomic_bytes, shape_.atomic_bytes);
  }
  u32 cached() const { return cached_; }
  /// The values that the unit may have after a cut beside the medium's, newest first; `is_flying`: not completed.
  template <class Visit>
  void each_value(u64 unit, Visit visit) const {
    for (u32 i = memory_.table[bucket_of(unit)]; i != kNone; i = memory_.values[i].next_in_bucket) {
      if (memory_.values[i].unit == unit) visit(bytes_of(i), memory_.values[i].order == 0);
    }
  }
  /// Content that is no longer what it was at the start, what is cached and in flight, and damage.
  void fold(base::D128& digest) const;
  bool check_invariants() const;

 private:
  static constexpr u32 kNone = ~u32{0};
  struct UnitRange {
    u64 first = 0;
    u64 end = 0;
  };
  u32 bucket_of(u64 unit) const;
  base::MutableBytes bytes_of(u32 value) const {
    return memory_.bytes.subspan(u64{value} * shape_.atomic_bytes, shape_.atomic_bytes);
  }
  base::MutableBytes medium_of(u64 unit) {
    return memory_.medium.subspan(unit * shape_.atomic_bytes, shape_.atomic_bytes);
  }
  UnitRange units_of(u64 sector, u32 sectors) const;
  port::BlockStatus refusal(const Command& command) const;
  void take_data(DiskRequest& request, base::Bytes data);
  u32 take_value(u64 unit);
  void free_value(u32 value);
  void unlink(u32 value);
  void append(u32 value);
  void remove(u32 value);
  u32 newest(u64 unit) const;
  void accept(u32 value);
  void accept_all(DiskRequest& request);
  void drop_values(DiskRequest& request);
  void store(u64 unit, base::Bytes bytes, bool discards);
  void destage(u32 value);
  u32 flush(u64 mark);
  void lose(u64 mark);
  u32 harden(const DiskRequest& request);
  port::BlockStatus read(const DiskRequest& request, base::MutableBytes out, const DiskTwist& twist) const;
  port::BlockStatus write(DiskRequest& request, const DiskTwist& twist);
  void mark_done(DiskRequest& request, port::BlockStatus status);
  Cut cut_ordered(const base::Prng& stream, u64 number, const DiskCutTwist& twist);
  Cut cut_units(const base::Prng& stream, u64 number, const DiskCutTwist& twist);
  // disk_damage.cpp
  void mend_unit(u64 unit);
  bool is_stuck(const DiskRequest& request) const;
  void shadow(u64 unit, base::Bytes bytes);
  void misplace(DiskRequest& request, const DiskTwist& twist);
  void spill(DiskRequest& request, const DiskTwist& twist);
  void remember(u64 unit);
  bool stale(u64 unit, u32 age, base::MutableBytes out) const;
  void shear(u64 unit, u64 word, const DiskCutTwist& twist);

  Shape shape_;
  Memory memory_;
  u32 cache_units_ = 0;
  u32 flying_units_max_ = 0;
  u32 free_value_ = 0;
  u32 oldest_ = kNone;  // of the cache, by age
  u32 youngest_ = kNone;
  u32 cached_ = 0;
  u32 flying_units_ = 0;
  u32 flying_requests_ = 0;
  u32 free_requests_ = kDiskDepthMax;
  u64 accepted_ = 0;
  u64 submitted_ = 0;
  u32 damage_count_ = 0;
  u32 history_end_ = 0;   // where the next goes
  u32 history_kept_ = 0;  // before it
  u32 replaced_ = 0;      // times that the medium became another
  u64 hidden_bytes_ = 0;
  u64 blank_salt_ = 0;
  bool is_full_ = false;
  DiskRequest requests_[kDiskDepthMax];
};

}  // namespace sim
