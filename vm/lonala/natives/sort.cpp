#include "vm/lonala/natives/sort.h"

#include <algorithm>

#include "vm/lonala/collections/vector.h"
#include "vm/lonala/natives/natives.h"

#include "base/enforce.h"

namespace lonala {
namespace {

constexpr u64 kElementsPerStep = 256;

/// Charges `count` elements that were moved; whether the work goes on.
bool moved(Vm& vm, u64 count, bool stops) {
  charge(vm, count / kWordsPerReduction);
  return !stops || !slice_over(vm);
}

}  // namespace

/// The elements into the first array. False: the slice is over.
bool SortWork::gather(Vm& vm, bool stops) {
  Scratch<Term> elements(vm, kept[0]);
  const bool list = is_list(collection);
  const u64 count = list ? 0 : is_tuple(collection) ? tuple_count(vm, collection) : vector_count(vm, collection);
  while ((list ? is_pair(rest) : elements.size() < count) && !elements.failed()) {
    if (list) {
      elements.push(head(vm, rest));
      rest = tail(vm, rest);
    } else {
      const u64 i = elements.size();
      elements.push(is_tuple(collection) ? tuple_at(vm, collection, i) : vector_at(vm, collection, i));
    }
    if (elements.size() % kElementsPerStep == 0 && !moved(vm, kElementsPerStep, stops)) return false;
  }
  return true;
}

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

/// What was sorted, in a collection of the same kind. kNone: the slice is over.
Term SortWork::make(Vm& vm, bool stops) {
  Scratch<Term> first(vm, kept[0]);
  Scratch<Term> second(vm, kept[1]);
  const Term* sorted = swapped != 0 ? second.data() : first.data();
  const u64 count = first.size();
  if (is_tuple(collection)) {
    if (done == 0) rest = make_object(vm, Type::Tuple, count);
    while (rest != kRaised && done < count) {
      const u64 piece = std::min(kElementsPerStep, count - done);
      std::copy(sorted + done, sorted + done + piece, vm.object(rest) + 1 + done);
      done += piece;
      if (!moved(vm, piece, stops)) return kNone;
    }
    return rest;
  }
  if (is_vector(vm, collection)) {
    Scratch<Term> leaves(vm, kept[2]);
    while (count - done > kLeafElements && !leaves.failed()) {
      leaves.push(vector_leaf(vm, sorted + done));
      done += kLeafElements;
      if (done % kElementsPerStep == 0 && !goes_on_making(vm, stops)) return kNone;
    }
    return make_vector(vm, leaves, sorted + done, count - done);
  }
  while (done < count && !heap_failed(vm)) {
    rest = make_pair(vm, sorted[count - 1 - done], rest);
    done += 1;
    if (done % kElementsPerStep == 0 && !goes_on_making(vm, stops)) return kNone;
  }
  return rest;
}

Term SortWork::run(Vm& vm, bool stops) {
  if (phase == Phase::Gather) {
    if (!gather(vm, stops)) return kNone;
    const u64 count = kept[0].count;
    if (heap_failed(vm) || (count > 1 && !Scratch<Term>(vm, kept[1]).make_room(count))) return raise_oom(vm, count);
    phase = Phase::Merge;
  }
  if (phase == Phase::Merge) {
    if (!merge(vm, stops)) return kNone;
    phase = Phase::Make;
    done = 0;
    rest = kEmptyList;
  }
  return make(vm, stops);
}

Term native_Sort(Vm& vm, Args args) {
  const Term x = args[0];
  if (x == kNil) return kEmptyList;
  if (!is_list(x) && !is_tuple(x) && !is_vector(vm, x)) return raise_type(vm, args, Atom::List);
  SortWork work{};
  work.collection = work.rest = x;
  work.width = 1;
  return work_do(vm, work);
}

}  // namespace lonala
