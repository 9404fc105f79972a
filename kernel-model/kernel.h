// kernel-model/kernel.h — the capability kernel as a state machine: `Exit Kernel::enter(const Entry&)`. It has no
// globals, reads no clock and allocates nothing; all of its state lies in the node's memory.
#pragma once
#include "base/bytes.h"
#include "base/check.h"
#include "base/digest.h"
#include "base/event_log.h"
#include "base/result.h"
#include "kernel-model/costs.h"
#include "kernel-model/objects.h"

namespace kernel {

/// The cores that must be entered with Poke.
struct CoreMask {
  u64 words[2] = {};
  void set(u32 core) { words[core / 64] |= u64{1} << core % 64; }
  void clear(u32 core) { words[core / 64] &= ~(u64{1} << core % 64); }
  bool test(u32 core) const { return (words[core / 64] >> core % 64 & 1) != 0; }
  bool any() const { return (words[0] | words[1]) != 0; }
  u32 count() const { return static_cast<u32>(__builtin_popcountll(words[0]) + __builtin_popcountll(words[1])); }
};

enum class EntryKind : u8 { Boot, Syscall, Fault, Expiry, Irq, Poke };

/// The kernel's two choice points: which of n ready threads of a level runs, which of n victims is stolen from.
/// Answer 0 is the kernel's own rule.
enum class Choice : u8 { Pick, Pull };
struct ChoicePort {
  u32 (*choose)(void* context, Choice kind, u32 count) = nullptr;
  void* context = nullptr;
  u32 operator()(Choice kind, u32 count) const {
    return choose == nullptr || count < 2 ? 0 : choose(context, kind, count);
  }
};

/// Where a fault may strike inside the kernel: at a thread's own call, which is then refused or answered as it may be.
enum class Weakness : u8 {
  Retype,  // an Untyped says that it has no memory left
  Wait,    // a notification answers though nothing was signalled
  Reply,   // the Reply of a caller is gone when it is to be used
  Use,     // an endpoint's capability is gone when it is to be used
};
/// What faults do in an entry: answer where one may strike, and act beside its own matter. Refs that are 0 are not meant.
struct EntryFaults {
  bool (*strikes)(void* context, Weakness weakness, Ref<Tcb> thread) = nullptr;
  void* context = nullptr;
  Ref<Tcb> suspend;       // stops as by TCB_Suspend; the call it makes stays pending
  Ref<Tcb> resume;        // goes on as by TCB_Resume
  Ref<SchedContext> cut;  // its budget becomes cut_budget
  u64 cut_budget = 0;
};

struct Entry {
  u16 core = 0;
  EntryKind kind = EntryKind::Boot;
  u32 irq = 0;        // Irq: the line
  u64 now = 0;        // local time of that core, ns
  u64 horizon = 0;    // time of the next outside event for that core
  FaultRecord fault;  // Fault: type and words as the fault message carries them
  ChoicePort choices;
  const EntryFaults* faults = nullptr;  // for the time of the call; with one, the fast path has to be off
};

struct Exit {
  Ref<Tcb> next;    // 0 = idle
  u64 run_for = 0;  // longest time the engine may run it; 0 with a thread: enter again at once
  u64 timer = 0;    // next own timer time of this core; 0 = none
  u64 cost = 0;
  CoreMask poke;
  bool restart = false;  // `next` has a pending call: trap at once, without running user code
};

/// What the kernel asks of the machine below it. Everything else about a machine is behind kernel-model/machine.h.
class MachinePort {
 public:
  /// A page-table entry changed; bare machines mirror it into the hardware table at `table` + 4096.
  virtual void mmu_write(u32 table, u32 index, u32 entry) = 0;
  /// An arena frame of a Native address space was mapped (`mapped`), or all arena memory in the range is gone (a table
  /// that is unmapped names its whole span).
  virtual void arena_changed(Ref<VSpace> vspace, u64 vaddr, u64 bytes, bool mapped) = 0;
  /// The thread got an engine, or new registers (its context was written): the engine starts it afresh.
  virtual void thread_reset(Ref<Tcb> thread) = 0;
  /// The thread is being destroyed; the engine drops whatever it keeps for it.
  virtual void thread_gone(Ref<Tcb> thread) = 0;
  /// A VSpace is being destroyed; the engine drops its arena.
  virtual void vspace_gone(Ref<VSpace> vspace) = 0;
  /// The line was armed or masked; level-triggered devices raise again on arm.
  virtual void irq_armed(u32 line, bool armed) = 0;
  /// A property of the kernel was evaluated: for whoever judges the run (base/check.h).
  virtual void checked(u32, base::CheckSays, u64) {}

 protected:
  ~MachinePort() = default;
};

struct DeviceConfig {
  DeviceKind kind;
  u32 irq;            // kNoIrq: none
  u32 window_offset;  // ≥ kDeviceWindowsStart, aligned to its size
  u32 window_bits;    // ≥ 12
};
struct BootConfig {
  u32 node_id = 0;
  u32 core_count = 1;  // 1…kCoresMax
  bool stealing = true;
  bool one_level = false;  // every thread has the root thread's priority, whatever it is given
  base::Bytes image;       // the boot image, copied into image frames; may be empty
  std::span<const DeviceConfig> devices;
  u64 root_stack_bytes = 256 << 10;
};

/// A guest's mistake or a refusal, as it is told to the guest: result label and its extra words.
struct Error {
  ResultLabel label = ResultLabel::None;
  u16 word_count = 0;
  u32 reserved = 0;
  u64 words[5] = {};
};
template <class T>
using Result = base::Result<T, Error>;

inline Error error(ResultLabel label) { return {label, 0, 0, {}}; }
inline Error error(ResultLabel label, u64 w0) { return {label, 1, 0, {w0}}; }
inline Error error(ResultLabel label, u64 w0, u64 w1) { return {label, 2, 0, {w0, w1}}; }
inline Error illegal_operation() { return error(ResultLabel::IllegalOperation); }
inline Error truncated_message() { return error(ResultLabel::TruncatedMessage); }
inline Error range_error(u64 min, u64 max) { return error(ResultLabel::RangeError, min, max); }
inline Error invalid_argument(u64 number) { return error(ResultLabel::InvalidArgument, number); }
inline Error invalid_capability(u64 number) { return error(ResultLabel::InvalidCapability, number); }

/// How a preemptible operation left off.
enum class Step : u8 { Done, Preempted };

/// Why a node cannot boot; a configuration mistake of the host, with the offending number.
struct BootError {
  enum class Code : u8 { RamSize, CoreCount, ImageTooLarge, DeviceWindow, TooManyDevices } code = Code::RamSize;
  u64 value = 0;
};

class Kernel {
 public:
  /// `ram`: the node's memory, 2 MiB multiple, 16 MiB … 0xE000'0000, all zero before `boot`; it may be moved by the
  /// owner between entries as long as a new Kernel is made over it.
  Kernel(base::MutableBytes ram, const CostTable& costs, base::EventSink events, MachinePort& machine);

  /// Whether `boot` would find the configuration sound; changes nothing.
  base::Result<void, BootError> check(const BootConfig& config) const;
  /// Lays out the kernel region, the root task and its capabilities. Once, on zeroed memory.
  base::Result<void, BootError> boot(const BootConfig& config);

  /// One entry: by a thread's system call or fault, an expiry, an interrupt or a poke. The world makes entries in
  /// non-decreasing time.
  Exit enter(const Entry& entry);

  /// D128 of all kernel state: format version; region; then in preorder each slot and, where the parent is not a cap
  /// to the same object, the object's bytes.
  base::Digest state_digest() const;
  /// The state digest, and the contents of every non-arena frame mapped in a Paged VSpace.
  base::Digest deep_digest() const;

  // ── For the kernel's own modules and for judges; not for engines ──────────────────────────────────────────
  template <class T>
  T& at(Ref<T> ref) {
    return *reinterpret_cast<T*>(ram_ + ref.offset);
  }
  template <class T>
  const T& at(Ref<T> ref) const {
    return *reinterpret_cast<const T*>(ram_ + ref.offset);
  }
  template <class T>
  Ref<T> ref_of(const T& object) const {
    return Ref<T>{static_cast<u32>(reinterpret_cast<const u8*>(&object) - ram_)};  // det-ok: an offset in node memory
  }
  u8* ram() { return ram_; }
  const u8* ram() const { return ram_; }
  u64 ram_bytes() const { return ram_bytes_; }
  KernelHeader& header() { return *reinterpret_cast<KernelHeader*>(ram_ + kKernelRegionOffset); }
  const KernelHeader& header() const { return *reinterpret_cast<const KernelHeader*>(ram_ + kKernelRegionOffset); }
  IrqLine& irq(u32 line) { return reinterpret_cast<IrqLine*>(ram_ + kIrqTableOffset)[line]; }
  const IrqLine& irq(u32 line) const { return reinterpret_cast<const IrqLine*>(ram_ + kIrqTableOffset)[line]; }
  AsidTable& asid_table() { return *reinterpret_cast<AsidTable*>(ram_ + kAsidTableOffset); }
  const AsidTable& asid_table() const { return *reinterpret_cast<const AsidTable*>(ram_ + kAsidTableOffset); }
  CoreState& core(u32 index) { return reinterpret_cast<CoreState*>(ram_ + kCoreStatesOffset)[index]; }
  const CoreState& core(u32 index) const { return reinterpret_cast<const CoreState*>(ram_ + kCoreStatesOffset)[index]; }
  u32 core_count() const { return header().core_count; }

  const CostTable& costs() const { return costs_; }
  MachinePort& machine() { return machine_; }
  void charge(u64 ns) { entry_.cost += ns; }
  u64 now() const { return entry_.now + entry_.cost; }
  u32 current_core() const { return entry_.core; }

  /// What ALWAYS_IN, MARK_IN and their like call.
  void tell_check(u32 property, base::CheckSays says, u64 value = 0) { machine_.checked(property, says, value); }

  /// For tests and faults: off, every call takes the general path, with the same result.
  void set_fast_path(bool on) { fast_path_ = on; }

  /// Whether anybody reads the events: what only they need is not computed otherwise.
  bool has_listener() const { return events_.emit != nullptr; }
  const base::EventSink& events() const { return events_; }
  /// Where events are written in place; null in `boot`, and when the sink has none.
  base::EventLog* log() { return log_; }
  /// Emits one event of this core. `thread` 0: the core's current thread, if it has one.
  [[gnu::always_inline]] void emit(base::EventKind kind, u32 object = 0, u64 a = 0, u64 b = 0, u64 c = 0, u16 flags = 0,
                                   u32 thread = 0) {
    if (thread == 0 && core(entry_.core).current) thread = at(core(entry_.core).current).thread_id;
    emit_of(thread, kind, object, a, b, c, flags);
  }
  /// The same of a thread that is known; 0: of none.
  [[gnu::always_inline]] void emit_of(u32 thread, base::EventKind kind, u32 object = 0, u64 a = 0, u64 b = 0, u64 c = 0,
                                      u16 flags = 0) {
    if (log_ == nullptr) [[unlikely]]
      return emit_record({.kind = kind,
                          .core = static_cast<u8>(entry_.core),
                          .flags = flags,
                          .thread = thread,
                          .object = object,
                          .a = a,
                          .b = b,
                          .c = c});
    u64 cause = log_->cause;
    if (kind == base::EventKind::SchedRun && events_.woken_by[thread & kThreadSlotMask] != 0) {
      cause = events_.woken_by[thread & kThreadSlotMask];
    }
    const u64 sequence =
        log_->append({.time_ns = now(),
                      .word1 = base::place_word(events_.node, entry_.core) + base::kind_word(kind, flags),
                      .word2 = base::subject_word(thread, object),
                      .a = a,
                      .b = b,
                      .c = c,
                      .cause = cause},
                     events_.leaves[static_cast<u32>(base::kLanes.of(kind))]);
    if (kind == base::EventKind::SchedWake) events_.woken_by[thread & kThreadSlotMask] = sequence;
  }

  /// The transient part of one entry: nothing here outlives `enter`.
  struct EntryState {
    u16 core = 0;
    EntryKind kind = EntryKind::Boot;
    u64 now = 0;
    u64 horizon = 0;
    u64 cost = 0;
    u64 units = 0;  // units of the preemptible operation done in this entry
    CoreMask poke;
    Ref<Tcb> last_woken;      // the thread this entry woke last (the IPC partner)
    bool decided = false;     // the choice port said who runs next: the head of its level
    bool queue_grew = false;  // a thread was queued: idle cores may want it
    Ref<Tcb> previous;        // the thread that was current when the entry began
    ChoicePort choices;
    const EntryFaults* faults = nullptr;
    bool is_struck(Weakness weakness, Ref<Tcb> thread) const {
      return faults != nullptr && faults->strikes != nullptr && faults->strikes(faults->context, weakness, thread);
    }
    u32 result_words = 0;  // of the invocation under way
  };
  EntryState& entry() { return entry_; }

 private:
  void emit_record(const base::EventRecord& record);

  u8* ram_;
  u64 ram_bytes_;
  CostTable costs_;
  base::EventSink events_;
  base::EventLog* log_ = nullptr;  // from the end of `boot` on: what happens there has no time of an entry
  MachinePort& machine_;
  EntryState entry_;
  bool fast_path_ = true;
};

/// The first broken invariant, by its name (M1 … I1), with the object it was seen at; `name` is empty when all hold.
struct Violation {
  const char* name = "";
  u32 object = 0;
  u64 detail = 0;
  explicit operator bool() const { return name[0] != 0; }
};
/// Checks every invariant of memory, tree, threads, time and space; O(objects + slots), for tests and `orrery verify`.
/// `scratch`: work memory the checker may overwrite, at least ram_bytes / 16 (a 4-byte mark per 64 bytes).
Violation check_invariants(const Kernel& kernel, base::MutableBytes scratch);
/// Its halves: memory, tree, address spaces, interrupt lines (M, T, V, I); threads and time (Q, S).
Violation check_memory(const Kernel& kernel, base::MutableBytes scratch);
Violation check_threads(const Kernel& kernel, base::MutableBytes scratch);

}  // namespace kernel
