// vm/lonala/work.h — natives that stop in the middle of their work when the slice of their process is over, and go on in a later one.
// The work is plain data that tells how far it has come. Between two slices it lies in a block of the process. Nothing of the process
// moves meanwhile, so it may hold terms and places of the heap; a signal that ends the process drops it.
// Bounds      kStepReductions: most that a step costs, after which the work looks whether the slice is over. Passes over the limbs of
//             one number are not divided, nor is what grows an array.
// Invariants  W1 a process with kAtWork has one piece of work, and its gc_off counts it.
//             W2 what a piece of work costs and gives does not depend on where it stopped.
#pragma once
#include <type_traits>

#include "vm/lonala/errors.h"
#include "vm/lonala/heap.h"

namespace lonala {

constexpr u64 kStepReductions = 200;

/// The kinds of work, each a struct of that name: plain data that begins with `Kept kept[kKeptCount]` and has
/// `Term run(Vm& vm, bool stops)`. That does steps until the work is done, and gives its value or kRaised; with `stops` it gives kNone
/// once the slice is over.
#define LONALA_WORKS(X) \
  X(EqualWork)          \
  X(CompareWork)        \
  X(SortWork) X(ProductWork) X(QuotientWork) X(PrintWork) X(ConvertWork) X(ConcatWork) X(WalkWork) X(ReadWork)
enum class WorkKind : u32 {
#define WORK(name) name,
  LONALA_WORKS(WORK)
#undef WORK
};

/// The block of work that has stopped; the work follows.
struct WorkBlock {
  WorkKind kind;
  u32 native;      // for error reports
  u64 bytes;       // of the block
  u64 kept_count;  // arrays
  u64 made;        // words it has made that are not charged yet
  u64 charges;     // > 0: what it makes is charged
};

/// Whether the slice is over, when asked in the middle of it.
inline bool slice_over(const Vm& vm) { return vm.process->fuel + vm.process->fuel_held < 0; }

/// Charges the words looked at, of which less than a reduction's worth stays; whether the work goes on.
inline bool goes_on(Vm& vm, u64& words, bool stops) {
  if (words < kWordsPerReduction) return true;
  charge(vm, words / kWordsPerReduction);
  words %= kWordsPerReduction;
  return !stops || !slice_over(vm);
}

/// Remembers work that has stopped. False: there is no memory to do so.
bool work_keep(Vm& vm, WorkKind kind, const void* work, u64 bytes, u64 kept_count);
void work_release(Vm& vm, Kept* kept, u64 count);

/// Does a piece of work from its beginning: its value, or kRaised; that with kAtWork if it has stopped.
template <class Work>
Term work_do(Vm& vm, Work& work) {
  static_assert(std::is_trivially_copyable_v<Work> && std::is_standard_layout_v<Work>);
  Term value = work.run(vm, vm.stops);
  if (value == kNone) {
    if (work_keep(vm, Work::kKind, &work, sizeof(Work), Work::kKeptCount)) return kRaised;
    value = work.run(vm, false);
  }
  work_release(vm, work.kept, Work::kKeptCount);
  return value;
}
/// The same for code that cannot wait.
template <class Work>
Term work_do_at_once(Vm& vm, Work& work) {
  const Term value = work.run(vm, false);
  work_release(vm, work.kept, Work::kKeptCount);
  return value;
}

/// While it lives natives do their work at once: for one that goes on with what another gave.
class AtOnce {
 public:
  explicit AtOnce(Vm& vm) : vm_(vm), stops_(vm.stops) { vm.stops = false; }
  AtOnce(const AtOnce&) = delete;
  AtOnce& operator=(const AtOnce&) = delete;
  ~AtOnce() { vm_.stops = stops_; }

 private:
  Vm& vm_;
  bool stops_;
};

/// Goes on with the work of the running process; as `work_do`.
Term work_go_on(Vm& vm);
/// The process ends, or its session's form: forgets what it was at.
void work_drop(Vm& vm, Process& process);
/// Bytes of the work of a process that has stopped.
u64 work_bytes(const Vm& vm, const Process& process);

/// Begins to count what a native makes; `left`: words of it that are not charged yet.
void made_begin(Vm& vm, u64 left);
/// Charges the words made since; none if code that the native called has replaced the block.
void charge_made(Vm& vm);
/// The same for work that makes something; whether it goes on.
inline bool goes_on_making(Vm& vm, bool stops) {
  charge_made(vm);
  return !stops || !slice_over(vm);
}
/// The native has ended, or stopped: then what is left counts later.
void made_end(Vm& vm);

}  // namespace lonala
