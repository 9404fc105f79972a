// vm/lonala/natives/sort.h — sorting in steps (work.h).
#pragma once
#include "vm/lonala/equality.h"
#include "vm/lonala/natives/elements.h"

namespace lonala {

/// Merge sort, bottom up: stable, O(n log n). The order is `compare`.
struct SortWork {
  static constexpr WorkKind kKind = WorkKind::SortWork;
  static constexpr u32 kKeptCount = 3;
  enum class Phase : u64 { Gather, Merge, Make };
  Kept kept[kKeptCount];  // the elements; as many places; what is compared later, then the leaves of a vector
  Comparison comparison;
  u64 comparing;  // two elements
  Gathering gathering;
  Making making;
  Phase phase;
  u64 done;     // elements of the runs being written
  u64 width;    // of the runs that are merged
  u64 left;     // the next of the one run
  u64 right;    // and of the other
  u64 swapped;  // the first array is the one that is written

  Term run(Vm& vm, bool stops);

 private:
  bool merge(Vm& vm, bool stops);
};

}  // namespace lonala
