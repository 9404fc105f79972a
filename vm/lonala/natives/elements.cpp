#include "vm/lonala/natives/elements.h"

#include <algorithm>

#include "base/utf8.h"
#include "vm/lonala/binaries.h"
#include "vm/lonala/collections/map.h"
#include "vm/lonala/collections/vector.h"
#include "vm/lonala/natives/natives.h"
#include "vm/lonala/number/number.h"

#include "base/enforce.h"

namespace lonala {
namespace {

constexpr u64 kElementsPerStep = 256;

constexpr u64 kEntriesPerStep = 16;  // of a map under construction
static_assert(kEntriesPerStep % kWordsPerReduction == 0);

/// Charges `count` elements that were moved, and what was made; whether the work goes on.
bool step_done(Vm& vm, bool stops, u64 count = kElementsPerStep) {
  charge(vm, count / kWordsPerReduction);
  return goes_on_making(vm, stops);
}

/// The next entry or child of a node.
struct MapPlace {
  Term node;
  u64 index;
};

}  // namespace

void Gathering::begin(Term from, Parts of) {
  collection = rest = from;
  at = 0;
  parts = of;
}

bool Gathering::run(Vm& vm, Kept& kept, Kept& kept_path, bool stops) {
  Scratch<Term> elements(vm, kept);
  Scratch<MapPlace> path(vm, kept_path);
  const auto next = [&](Term element) {
    elements.push(element);
    return elements.size() % kElementsPerStep != 0 || step_done(vm, stops);
  };
  if (is_list(collection)) {
    while (is_pair(rest) && !elements.failed()) {
      const Term element = head(vm, rest);
      rest = tail(vm, rest);
      if (!next(element)) return false;
    }
  } else if (is_tuple(collection) || is_vector(vm, collection)) {
    const bool tuple = is_tuple(collection);
    const u64 count = tuple ? tuple_count(vm, collection) : vector_count(vm, collection);
    while (at < count && !elements.failed()) {
      at += 1;
      if (!next(tuple ? tuple_at(vm, collection, at - 1) : vector_at(vm, collection, at - 1))) return false;
    }
  } else if (is_string(vm, collection)) {
    const std::string_view text = string_text(vm, collection);
    while (at < text.size() && !elements.failed()) {
      const base::DecodedCharacter c = base::decode_utf8(text, at);
      at += c.length;
      if (!next(character(c.code_point))) return false;
    }
  } else if (is_binary(vm, collection)) {
    const base::Bytes bytes = binary_bytes(vm, collection);
    while (at < bytes.size() && !elements.failed()) {
      at += 1;
      if (!next(small(bytes[at - 1]))) return false;
    }
  } else {
    const Type type = type_of_header(vm.object(collection)[0]);
    ASSERT(type == Type::HashMap || type == Type::HashSet);  // a flat one is never long
    const auto entry = [&](Term key, Term value) {
      if (type == Type::HashSet || parts == Parts::Keys) return key;
      return parts == Parts::Values ? value : make_tuple(vm, {key, value});
    };
    if (at == 0) path.push({vm.object(collection)[2], 0});
    at = 1;
    while (!path.empty() && !elements.failed() && !path.failed() && !heap_failed(vm)) {
      MapPlace& place = path.back();
      const u64* words = vm.object(place.node);
      const u64 index = place.index + (type_of_header(words[0]) == Type::MapNode ? 2 : 1);
      place.index += 1;
      if (index == words_of_header(words[0])) path.pop();
      const Term child = words[index];
      if (!is_pair(child)) {
        path.push({child, 0});
      } else if (!next(entry(head(vm, child), tail(vm, child)))) {
        return false;
      }
    }
  }
  if (elements.failed() || path.failed()) vm.process->flags |= kOutOfMemory;
  return true;
}

/// Adds an element to what is made one by one. False: it cannot be; the error is raised.
bool Making::add(Vm& vm, Term element, const Scratch<Term>& elements) {
  switch (kind) {
    case Kind::Map:
      if (done % 2 == 1) made = map_put(vm, made, elements[done - 1], element);
      return made != kRaised;
    case Kind::Set:
      if (map_get(vm, made, element) == kNone) made = map_put(vm, made, element, kNil);
      return made != kRaised;
    case Kind::Binary: {
      const Term window[1] = {source};
      const Args args{window, 1};
      if (!number::is_integer_like(vm, element)) return raise_type(vm, args, Atom::Integer) != kRaised;
      const number::Integer byte(vm, element);
      if (byte.negative || byte.count > 1 || byte.low() > 255) return raise_args(vm, Atom::Badarg, args) != kRaised;
      binary_space(vm, made)[done] = static_cast<u8>(byte.low());
      return true;
    }
    case Kind::List:
    case Kind::Rest:
    case Kind::Vector: made = make_pair(vm, element, made); return true;
    case Kind::Tuple: vm.object(made)[1 + done] = element; return true;
  }
  UNREACHABLE("a kind of collection");
}

Term Making::vector(Vm& vm, Scratch<Term>& elements, Kept& kept_leaves, bool stops) {
  Scratch<Term> leaves(vm, kept_leaves);
  const u64 count = elements.size();
  Term turned[kLeafElements];
  const auto leaf = [&](u64 size) -> const Term* {
    if (reversed == 0) return elements.data() + done;
    for (u64 i = 0; i < size; ++i) turned[i] = elements[count - 1 - done - i];
    return turned;
  };
  while (count - done > kLeafElements && !leaves.failed()) {
    leaves.push(vector_leaf(vm, leaf(kLeafElements)));
    done += kLeafElements;
    if (done % kElementsPerStep == 0 && !step_done(vm, stops)) return kNone;
  }
  return make_vector(vm, leaves, leaf(count - done), count - done);
}

Term Making::run(Vm& vm, Kept& kept, Kept& leaves, bool stops) {
  Scratch<Term> elements(vm, kept);
  const u64 count = elements.size();
  if (kind == Kind::Vector) return vector(vm, elements, leaves, stops);
  if (done == 0) {
    if (kind == Kind::Tuple) made = make_object(vm, Type::Tuple, count);
    if (kind == Kind::Binary) made = make_binary_space(vm, count);
    if (kind == Kind::Map) made = kEmptyMap;
    if (kind == Kind::Set) made = kEmptySet;
    if (made == kRaised) return kRaised;
  }
  const bool from_end = (kind == Kind::List || kind == Kind::Rest) == (reversed == 0);
  const u64 step = kind == Kind::Map || kind == Kind::Set ? kEntriesPerStep : kElementsPerStep;
  const u64 wanted = kind == Kind::Rest && count > 0 ? count - 1 : count;
  while (done < wanted && !heap_failed(vm)) {
    if (!add(vm, elements[from_end ? count - 1 - done : done], elements)) return kRaised;
    done += 1;
    if (done % step == 0 && !step_done(vm, stops, step)) return kNone;
  }
  return made;
}

Term ConvertWork::run(Vm& vm, bool stops) {
  if (gathered == 0) {
    if (!gathering.run(vm, kept[0], kept[1], stops)) return kNone;
    if (heap_failed(vm)) return raise_oom(vm, kept[0].count);
    const Term window[1] = {gathering.collection};
    const bool odd = making.kind == Making::Kind::Map && kept[0].count % 2 != 0;
    if (odd) return raise_args(vm, Atom::Badarg, Args{window, 1});
    gathered = 1;
    kept[1].count = 0;
  }
  return making.run(vm, kept[0], kept[1], stops);
}

Term ConcatWork::run(Vm& vm, bool stops) {
  for (;;) {
    if (phase == Phase::Next) {
      Scratch<Term> pieces(vm, kept[0]);
      if (pieces.empty()) return joined;
      gathering.begin(pieces.back());
      pieces.pop();
      phase = Phase::Gather;
    }
    if (phase == Phase::Gather) {
      if (!gathering.run(vm, kept[1], kept[2], stops)) return kNone;
      phase = Phase::Prepend;
    }
    Scratch<Term> elements(vm, kept[1]);
    if (heap_failed(vm)) return raise_oom(vm, elements.size());
    while (!elements.empty() && !heap_failed(vm)) {
      joined = make_pair(vm, elements.back(), joined);
      elements.pop();
      if (elements.size() % kElementsPerStep == 0 && !elements.empty() && !step_done(vm, stops)) return kNone;
    }
    phase = Phase::Next;
  }
}

Term WalkWork::run(Vm& vm, bool stops) {
  while (is_pair(rest) && left > 0) {
    rest = tail(vm, rest);
    left -= 1;
    count += 1;
    words += 1;
    if (!goes_on(vm, words, stops)) return kNone;
  }
  if (missing == kNone) return small(static_cast<i64>(count));
  return is_pair(rest) ? head(vm, rest) : missing;
}

bool is_long(const Vm& vm, Term collection) {
  if (is_list(collection)) {
    u64 count = 0;
    for (Term rest = collection; is_pair(rest) && count <= kElementsAtOnce; rest = tail(vm, rest)) count += 1;
    return count > kElementsAtOnce;
  }
  if (is_tuple(collection)) return tuple_count(vm, collection) > kElementsAtOnce;
  if (is_vector(vm, collection)) return vector_count(vm, collection) > kElementsAtOnce;
  if (is_map(vm, collection) || is_set(vm, collection)) return map_count(vm, collection) > kElementsAtOnce;
  if (is_string(vm, collection)) return string_count(vm, collection) > kElementsAtOnce;
  return is_binary(vm, collection) && binary_bytes(vm, collection).size() > kElementsAtOnce;
}

Term convert_in_steps(Vm& vm, Term collection, Making::Kind kind, u64 reversed, Parts parts) {
  ConvertWork work{};
  work.gathering.begin(collection, parts);
  work.making.begin(kind, reversed);
  work.making.source = collection;
  return work_do(vm, work);
}

Term concat_in_steps(Vm& vm, Args args) {
  ConcatWork work{};
  work.joined = kEmptyList;
  bool joins = true;
  {
    Scratch<Term> pieces(vm, work.kept[0]);
    for (u32 i = 0; i < args.count && joins; ++i) {
      const Term piece = is_long(vm, args[i]) ? args[i] : list_of_collection(vm, args[i]);
      joins = piece != kNone;
      if (i + 1 == args.count && is_list(piece)) {
        work.joined = piece;
      } else if (joins) {
        pieces.push(piece);
      }
    }
    if (pieces.failed()) vm.process->flags |= kOutOfMemory;
  }
  if (joins) return work_do(vm, work);
  work_release(vm, work.kept, ConcatWork::kKeptCount);
  return raise_type(vm, args, Atom::List);
}

Term count_list_in_steps(Vm& vm, Term list) {
  WalkWork work{{}, list, 0, ~u64{0}, kNone, 0};
  return work_do(vm, work);
}

Term nth_of_list_in_steps(Vm& vm, Term list, u64 index, Term missing) {
  WalkWork work{{}, list, 0, index, missing, 0};
  return work_do(vm, work);
}

}  // namespace lonala
