// vm/lonala/natives/elements.h — going through a collection and making one of many elements, in steps (work.h).
#pragma once
#include "vm/lonala/work.h"

namespace lonala {

/// Collections of at most so many elements are gone through at once.
constexpr u64 kElementsAtOnce = 1024;
static_assert(2 * kElementsAtOnce / kWordsPerReduction <= kStepReductions);

/// What of a map is gathered.
enum class Parts : u64 { Entries, Keys, Values };

/// The elements of any collection, into an array.
struct Gathering {
  Term collection;
  Term rest;  // of a list
  u64 at;     // elements or bytes that are done
  Parts parts;

  void begin(Term from, Parts of = Parts::Entries);
  /// `elements`: terms; `path`: places in a map. False: the slice is over.
  bool run(Vm& vm, Kept& elements, Kept& path, bool stops);
};

/// A collection of the elements of an array.
struct Making {
  enum class Kind : u64 { List, Rest, Tuple, Vector, Map, Set, Binary };
  Kind kind;  // Rest: a list of all but the first
  u64 reversed;
  Term source;  // for errors
  Term made;    // so far
  u64 done;     // elements

  void begin(Kind wanted, u64 turned = 0) {
    kind = wanted;
    reversed = turned;
    source = made = kEmptyList;
    done = 0;
  }
  /// kNone: the slice is over. `leaves`: of a vector.
  Term run(Vm& vm, Kept& elements, Kept& leaves, bool stops);

 private:
  Term vector(Vm& vm, Scratch<Term>& elements, Kept& leaves, bool stops);
  bool add(Vm& vm, Term element, const Scratch<Term>& elements);
};

/// One collection from another.
struct ConvertWork {
  static constexpr WorkKind kKind = WorkKind::ConvertWork;
  static constexpr u32 kKeptCount = 2;
  Kept kept[kKeptCount];  // the elements; the path to them, then the leaves of a vector
  Gathering gathering;
  Making making;
  u64 gathered;

  Term run(Vm& vm, bool stops);
};

/// Lists and long collections joined to one list.
struct ConcatWork {
  static constexpr WorkKind kKind = WorkKind::ConcatWork;
  static constexpr u32 kKeptCount = 3;
  enum class Phase : u64 { Next, Gather, Prepend };
  Kept kept[kKeptCount];  // those still to come, the last one next; the elements of the present one; the path to them
  Gathering gathering;
  Phase phase;
  Term joined;

  Term run(Vm& vm, bool stops);
};

/// The count of a list, or its element `left` if there is one.
struct WalkWork {
  static constexpr WorkKind kKind = WorkKind::WalkWork;
  static constexpr u32 kKeptCount = 1;
  Kept kept[kKeptCount];  // nothing
  Term rest;
  u64 count;
  u64 left;
  Term missing;  // kNone: the count is wanted
  u64 words;

  Term run(Vm& vm, bool stops);
};

/// Whether a collection has so many elements that it is gone through in steps.
bool is_long(const Vm& vm, Term collection);
Term convert_in_steps(Vm& vm, Term collection, Making::Kind kind, u64 reversed = 0, Parts parts = Parts::Entries);
/// Joins collections; kRaised (`:type-error`) if one is none.
Term concat_in_steps(Vm& vm, Args args);
Term count_list_in_steps(Vm& vm, Term list);
Term nth_of_list_in_steps(Vm& vm, Term list, u64 index, Term missing);

}  // namespace lonala
