// sim/model/faults/faults.h — answers the fault hooks of a run. The world asks at fixed places; without a plan that can
// strike it does not ask.
//
// Invariants  F1 whether opportunity n of (class, target) fires, and with what arguments, is a function of (seed, class,
//                target, n) and the plan: values (n, 0) and (n, 1…) of the stream (class, target). Sparing one moves no
//                other.
//             F2 each opportunity that fires is one event `inject.fired` (or `lessened`), each that the ledger keeps from
//                firing one `inject.withheld`; all others leave nothing.
//             F3 nothing fires that the ledger does not admit, forced or not.
// Bounds      kFaultStreamsMax pairs of class and target; opportunities of further ones never fire.
#pragma once
#include "base/prng.h"
#include "sim/model/config.h"
#include "sim/model/faults/ledger.h"

namespace sim {

class Node;
class World;

constexpr u32 kFaultStreamsMax = 2048;
constexpr u32 kFaultTableSize = 2 * kFaultStreamsMax;
constexpr u32 kFaultTimedMax = 512;  // streams of classes by the minute: one entry in the queue each
constexpr u32 kFaultTextMax = 48;
constexpr u64 kInjectedStrike = u64{1} << 32;  // in the argument of a queued strike
constexpr u32 kInjectionsMax = 64;             // that wait for an opportunity
constexpr u32 kDeviceTimer = ~u32{0} >> 8;     // as the number of a timer: the node's device, not a core's own

/// Who is struck.
struct FaultTarget {
  TargetKind kind = TargetKind::Node;
  u32 node = 0;  // number
  u32 index =
      0;  // of the core or line; of a device its place in kDeviceTable, of a point in base::kPoints; of a link or path
          // as Links counts them, of a disk as Disks does
  const kernel::Tcb* thread = nullptr;  // TargetKind::Thread
};

/// A fault that happens.
struct FaultHit {
  u64 values[kFaultKnobs] = {};
  u64 event = 0;          // its sequence: the cause of what follows
  bool backward = false;  // of a clock
  const base::Prng* stream = nullptr;
  u64 opportunity = 0;
  /// Further draws of this opportunity.
  u64 word(u32 index) const { return stream->at(opportunity, 1 + kFaultKnobs + index); }
};

/// A fault that a plan wants now, or at the target's next opportunity.
struct Injection {
  FaultClass fault = FaultClass::CpuSteal;
  u64 target = 0;  // actor_key of its text
  u8 set = 0;      // bit k: knob k is values[k], not drawn
  u64 values[kFaultKnobs] = {};
};

/// process.crash-loop on one target, as far as it has come.
struct CrashLoop {
  u64 event = 0;
  u32 messages_each = 0;
  u32 deaths_left = 0;
  u32 thread_id = 0;  // of the successor that counts
  u32 messages = 0;
};

/// A clock that jumps to and fro.
struct Wobble {
  i64 moved = 0;  // ns, by this stream
  u64 most = 0;
  u64 period = 0;
  u64 left = 0;  // jumps
  u64 opportunity = 0;
};

class Faults {
 public:
  struct Stream {
    base::Prng prng{0, ""};
    u64 id = 0;          // class and target as numbers; 0: free
    u64 key = 0;         // of the target's text
    u64 next = 0;        // opportunity
    u64 busy_until = 0;  // what it did lasts
    u64 undos = 0;       // entries that ended something
    CrashLoop loop;
    Wobble wobble;
    u32 kept = 0;     // of a tunable: its value for the run
    u64 setting = 0;  // of a link: what becomes of it; of a partition: the nodes of one side
    u32 fired = 0;    // that were to fire
    FaultClass fault = FaultClass::CpuSteal;
    u16 rule = 0;
    FaultTarget target;
    char text[kFaultTextMax] = {};
  };
  struct Memory {
    std::span<Stream> streams;  // kFaultStreamsMax
    std::span<u16> table;       // kFaultTableSize
  };
  Faults(const FaultPlan& plan, const Memory& memory, World& world);

  /// Whether any rule or override is about the class.
  bool on(FaultClass fault) const { return has(on_, fault); }

  /// The next opportunity of the class at the target: what happens, or nothing.
  std::optional<FaultHit> opportunity(FaultClass fault, const FaultTarget& target, u64 now);

  /// From now on. In Safety faults strike; the nodes of `core` (bit i: number i + 1) are healed by the world.
  void set_phase(Phase phase) { phase_ = phase; }
  Phase phase() const { return phase_; }
  /// What a class that lasts keeps on this node ends.
  void forget(u32 node);

  /// Whether the kernel has to be asked, and then goes by its general path.
  bool strikes_kernel() const;
  /// Where the world says what faults do in the entry that is being made.
  kernel::EntryFaults& entry_faults() { return entry_faults_; }
  /// Points that are armed in this run (base/points.h).
  u64 armed_points() const { return armed_points_; }
  /// What base::PointPort says of one, of which a program has come to at `now`.
  u32 point(u32 point, u32 choices, const Node& node, const kernel::Tcb& thread, u64 now);

  /// Tells of the rules and queues the first strikes of classes by the minute.
  void begin();
  /// A strike by the minute is due. Queues the next one, unless it was injected.
  std::optional<FaultHit> strike(u32 stream, bool is_injected, u64 now);
  /// Keeps a fault for its target's next opportunity, or queues its strike for now. False: there is no such target of a class
  /// by the minute, or too many wait already.
  bool inject(const Injection& injection, u64 now);
  Stream& stream(u32 index) { return memory_.streams[index]; }
  std::span<Stream> streams() { return memory_.streams.first(stream_count_); }
  /// The stream of a class and target, made when it is not there; null when there is no room.
  Stream* find(FaultClass fault, const FaultTarget& target);
  /// Strikes that wait in the queue: alone they keep no world running.
  u32 queued() const { return queued_; }
  /// Queues an end of what the stream does, at `time`, on `node` (number).
  void queue_undo(Stream& stream, u32 node, u64 time);
  Ledger& ledger() { return ledger_; }
  void node_started(u32 node) { ledger_.node_started(node); }
  void note_entry(u32 node, const kernel::Tcb& tcb);

 private:
  static constexpr u16 kNoRule = 0xFFFF;
  u16 rule_for(const Stream& stream) const;
  bool is_vital(const kernel::Tcb& thread) const;
  const FaultOverride* find_override(const Stream& stream, u64 opportunity) const;
  std::optional<FaultHit> decide(Stream& stream, u64 opportunity, bool drawn, const Injection* injected, u64 now);
  std::optional<Injection> take_injection(const Stream& stream);
  template <class Visit>
  void each_timed_target(FaultClass fault, Visit visit);
  void push_strike(u32 index, u64 argument, u64 order, u64 time);
  void tell(const Stream& stream, const InjectRecord& record);
  void queue_strike(u32 index, u64 now);
  Ledger::Admission admit(const Stream& stream, FaultHit& hit, u64 now) const;

  FaultPlan plan_;
  Memory memory_;
  World& world_;
  Ledger ledger_;
  void arm_points();

  kernel::EntryFaults entry_faults_;
  Injection injections_[kInjectionsMax];
  u32 injection_count_ = 0;
  Phase phase_ = Phase::Safety;
  u64 armed_points_ = 0;
  FaultSet on_ = 0;
  u32 stream_count_ = 0;
  u32 timed_count_ = 0;
  u32 queued_ = 0;
  u32 overrides_of_[kFaultClasses + 1] = {};  // where those of a class begin
};

}  // namespace sim
