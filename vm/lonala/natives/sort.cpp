#include "vm/lonala/natives/sort.h"

#include <algorithm>

#include "vm/lonala/natives/natives.h"

#include "base/enforce.h"

namespace lonala {
/// Until all is one run. False: the slice is over.
bool SortWork::merge(Vm& vm, bool stops) {
  Scratch<Term> first(vm, kept[0]);
  Scratch<Term> second(vm, kept[1]);
  const u64 count = first.size();
  for (; width < count; width *= 2, swapped ^= 1, done = left = 0) {
    const Term* from = swapped != 0 ? second.data() : first.data();
    Term* to = swapped != 0 ? first.data() : second.data();
    while (done < count) {
      const u64 start = done & ~(2 * width - 1);
      const u64 middle = std::min(start + width, count);
      const u64 end = std::min(start + 2 * width, count);
      if (done == start && comparing == 0) {
        left = start;
        right = middle;
      }
      bool take_left = left < middle;
      if (take_left && right < end && comparing == 0 && is_small(from[left]) && is_small(from[right])) {
        comparison.words += 1;
        take_left = small_value(from[left]) <= small_value(from[right]);
      } else if (take_left && right < end) {
        if (comparing == 0) comparison.begin(from[left], from[right]);
        comparing = 1;
        const Term order = comparison.run(vm, kept[2], stops);
        if (order == kNone) return false;
        comparing = 0;
        take_left = small_value(order) <= 0;
      }
      comparison.words += 2;
      to[done] = take_left ? from[left++] : from[right++];
      done += 1;
      if (!goes_on(vm, comparison.words, stops)) return false;
    }
  }
  return true;
}

Term SortWork::run(Vm& vm, bool stops) {
  if (phase == Phase::Gather) {
    if (!gathering.run(vm, kept[0], kept[2], stops)) return kNone;
    const u64 count = kept[0].count;
    if (heap_failed(vm) || (count > 1 && !Scratch<Term>(vm, kept[1]).make_room(count))) return raise_oom(vm, count);
    phase = Phase::Merge;
  }
  if (phase == Phase::Merge) {
    if (!merge(vm, stops)) return kNone;
    phase = Phase::Make;
  }
  return making.run(vm, swapped != 0 ? kept[1] : kept[0], kept[2], stops);
}

Term native_Sort(Vm& vm, Args args) {
  using enum Making::Kind;
  const Term x = args[0];
  if (x == kNil) return kEmptyList;
  if (!is_list(x) && !is_tuple(x) && !is_vector(vm, x)) return raise_type(vm, args, Atom::List);
  SortWork work{};
  work.gathering.begin(x);
  work.making.begin(is_list(x) ? List : is_tuple(x) ? Tuple : Vector);
  work.width = 1;
  return work_do(vm, work);
}

}  // namespace lonala
