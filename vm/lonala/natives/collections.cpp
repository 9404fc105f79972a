// vm/lonala/natives/collections.cpp — types and collections.
#include <algorithm>

#include "base/utf8.h"
#include "vm/lonala/binaries.h"
#include "vm/lonala/collections/map.h"
#include "vm/lonala/collections/rope.h"
#include "vm/lonala/collections/vector.h"
#include "vm/lonala/equality.h"
#include "vm/lonala/literal_text.h"
#include "vm/lonala/namespaces.h"
#include "vm/lonala/natives/elements.h"
#include "vm/lonala/natives/natives.h"
#include "vm/lonala/number/number.h"

#include "base/enforce.h"

namespace lonala {
namespace {

using number::Kind;

bool is_collection(const Vm& vm, Term term) {
  return term == kNil || is_list(term) || is_tuple(term) || is_vector(vm, term) || is_map(vm, term) ||
         is_set(vm, term) || is_string(vm, term) || is_binary(vm, term);
}

/// Of anything but a list.
u64 count_of(Vm& vm, Term term) {
  if (is_tuple(term)) return tuple_count(vm, term);
  if (is_vector(vm, term)) return vector_count(vm, term);
  if (is_map(vm, term) || is_set(vm, term)) return map_count(vm, term);
  if (is_string(vm, term)) return string_count(vm, term);
  if (is_binary(vm, term)) return binary_bytes(vm, term).size();
  return 0;
}

Term tuple_with(Vm& vm, Term tuple, u64 index, Term value) {
  const u64* words = vm.object(tuple);
  const u64 size = words_of_header(words[0]);
  if (size + 1 > kSmallWordsMax && !heap_room(vm, size + 1)) return raise_oom(vm, size);
  u64* object = heap_take(vm, size + 1);
  std::copy(words, words + 1 + size, object);
  object[1 + index] = value;
  return refer(vm.offset(object), Tag::Tuple);
}

/// Elements as a flat array.
bool gather(Vm& vm, Term collection, Scratch<Term>& out) {
  if (is_tuple(collection)) {
    for (u64 i = 0; i < tuple_count(vm, collection); ++i) out.push(tuple_at(vm, collection, i));
  } else if (is_vector(vm, collection)) {
    vector_each(vm, collection, [&](Term element) { out.push(element); });
  } else {
    Term list = list_of_collection(vm, collection);
    if (list == kNone) return false;
    for (; is_pair(list); list = tail(vm, list)) out.push(head(vm, list));
  }
  if (out.failed() || heap_failed(vm)) {
    raise_oom(vm, out.size());
    return false;
  }
  return true;
}

}  // namespace

Term native_TypeOf(Vm& vm, Args args) {
  const Term x = args[0];
  const auto is = [&](Atom atom) { return keyword(vm, atom); };
  if (x == kNil) return is(Atom::Nil);
  if (x == kTrue || x == kFalse) return is(Atom::Boolean);
  switch (number::kind_of(vm, x)) {
    case Kind::Integer: return is(Atom::Integer);
    case Kind::Fixed:
      return is(static_cast<Atom>(static_cast<u32>(Atom::U8) + static_cast<u32>(number::Integer(vm, x).width)));
    case Kind::Ratio: return is(Atom::Ratio);
    case Kind::F32: return is(Atom::F32);
    case Kind::F64: return is(Atom::Float);
    case Kind::None: break;
  }
  if (is_char(x)) return is(Atom::Char);
  if (is_string(vm, x)) return is(Atom::String);
  if (is_symbol(vm, x)) return is(Atom::Symbol);
  if (is_keyword(x)) return is(Atom::Keyword);
  if (is_list(x)) return is(Atom::List);
  if (is_tuple(x)) return is(Atom::Tuple);
  if (is_vector(vm, x)) return is(Atom::Vector);
  if (is_map(vm, x)) return is(Atom::Map);
  if (is_set(vm, x)) return is(Atom::Set);
  if (is_binary(vm, x)) return is(Atom::Binary);
  if (tag_of(x) == Tag::Pid) return is(Atom::Pid);
  if (is_immediate(x, Immediate::Ref)) return is(Atom::Ref);
  if (is_immediate(x, Immediate::Timer)) return is(Atom::Timer);
  if (is_var(x)) return is(Atom::Var);
  if (is_namespace(x)) return is(Atom::Namespace);
  if (is_boxed(vm, x, Type::Paddr)) return is(Atom::Paddr);
  if (is_boxed(vm, x, Type::Vaddr)) return is(Atom::Vaddr);
  if (is_boxed(vm, x, Type::Bytebuf)) return is(Atom::Bytebuf);
  if (is_boxed(vm, x, Type::RealmId)) return is(Atom::RealmId);
  return is(Atom::Fn);
}

#define PREDICATE(name, condition)        \
  Term native_##name(Vm& vm, Args args) { \
    const Term x = args[0];               \
    static_cast<void>(vm);                \
    return boolean(condition);            \
  }
PREDICATE(IsNil, x == kNil)
PREDICATE(IsBoolean, x == kTrue || x == kFalse)
PREDICATE(IsTrue, x == kTrue)
PREDICATE(IsFalse, x == kFalse)
PREDICATE(IsInteger, number::is_integer_like(vm, x))
PREDICATE(IsNumber, number::is_number(vm, x))
PREDICATE(IsFloat, number::kind_of(vm, x) == Kind::F64 || number::kind_of(vm, x) == Kind::F32)
PREDICATE(IsRatio, number::kind_of(vm, x) == Kind::Ratio)
PREDICATE(IsChar, is_char(x))
PREDICATE(IsString, is_string(vm, x))
PREDICATE(IsSymbol, is_symbol(vm, x))
PREDICATE(IsKeyword, is_keyword(x))
PREDICATE(IsList, is_list(x))
PREDICATE(IsTuple, is_tuple(x))
PREDICATE(IsVector, is_vector(vm, x))
PREDICATE(IsMap, is_map(vm, x))
PREDICATE(IsSet, is_set(vm, x))
PREDICATE(IsBinary, is_binary(vm, x))
PREDICATE(IsBytebuf, is_boxed(vm, x, Type::Bytebuf))
PREDICATE(IsPid, tag_of(x) == Tag::Pid)
PREDICATE(IsRef, is_immediate(x, Immediate::Ref))
PREDICATE(IsFn, is_boxed(vm, x, Type::Function) || is_immediate(x, Immediate::Native))
PREDICATE(IsNamespace, is_namespace(x))
PREDICATE(IsVar, is_var(x))
PREDICATE(IsPaddr, is_boxed(vm, x, Type::Paddr))
PREDICATE(IsVaddr, is_boxed(vm, x, Type::Vaddr))

Term native_First(Vm& vm, Args args) {
  const Term x = args[0];
  if (is_pair(x)) return head(vm, x);
  if (!is_collection(vm, x)) return raise_type(vm, args, Atom::List);
  if (x == kNil || x == kEmptyList || count_of(vm, x) == 0) return kNil;
  if (is_tuple(x)) return tuple_at(vm, x, 0);
  if (is_vector(vm, x)) return vector_at(vm, x, 0);
  if (is_binary(vm, x)) return small(binary_bytes(vm, x)[0]);
  if (is_string(vm, x)) return character(base::decode_utf8(string_text(vm, x), 0).code_point);
  Term first = kNone;
  map_each(vm, x, [&](Term key, Term value) {
    if (first == kNone) first = is_set(vm, x) ? key : make_tuple(vm, {key, value});
  });
  return first;
}
Term native_Rest(Vm& vm, Args args) {
  const Term x = args[0];
  if (is_pair(x)) return tail(vm, x);
  if (!is_collection(vm, x)) return raise_type(vm, args, Atom::List);
  if (is_long(vm, x)) return convert_in_steps(vm, x, Making::Kind::Rest);
  const Term list = list_of_collection(vm, x);
  return is_pair(list) ? tail(vm, list) : kEmptyList;
}
Term native_Prepend(Vm& vm, Args args) {
  if (args[0] != kNil && !is_list(args[0])) return raise_type(vm, args, Atom::List);
  return make_pair(vm, args[1], args[0] == kNil ? kEmptyList : args[0]);
}
Term native_Append(Vm& vm, Args args) {
  if (is_vector(vm, args[0])) return vector_append(vm, args[0], args[1]);
  if (!is_tuple(args[0])) return raise_type(vm, args, Atom::Vector);
  const u64* words = vm.object(args[0]);
  const u64 size = words_of_header(words[0]);
  const u64 count = tuple_count(vm, args[0]);
  if (size + 2 > kSmallWordsMax && !heap_room(vm, size + 2)) return raise_oom(vm, size);
  u64* object = heap_take(vm, size + 2);
  object[0] = header(Type::Tuple, size + 1, flags_of_header(words[0]));
  std::copy(words + 1, words + 1 + count, object + 1);
  object[1 + count] = args[1];
  if (size > count) object[2 + count] = words[1 + count];
  return refer(vm.offset(object), Tag::Tuple);
}
Term native_Put(Vm& vm, Args args) {
  const Term x = args[0];
  if (x == kNil) return map_put(vm, kEmptyMap, args[1], args[2]);
  if (is_map(vm, x)) return map_put(vm, x, args[1], args[2]);
  const bool vector = is_vector(vm, x);
  if (!vector && !is_tuple(x)) return raise_type(vm, args, Atom::Map);
  u64 index = 0;
  if (!index_argument(vm, args, 1, index)) return kRaised;
  const u64 count = count_of(vm, x);
  if (index > count || (!vector && index == count)) return out_of_bounds(vm, args[1], count);
  return vector ? vector_put(vm, x, index, args[2]) : tuple_with(vm, x, index, args[2]);
}
Term native_Dissoc(Vm& vm, Args args) {
  if (args[0] == kNil) return kNil;
  if (!is_map(vm, args[0])) return raise_type(vm, args, Atom::Map);
  return map_remove(vm, args[0], args[1]);
}
Term native_SetAdd(Vm& vm, Args args) {
  if (!is_set(vm, args[0])) return raise_type(vm, args, Atom::Set);
  if (map_get(vm, args[0], args[1]) != kNone) return args[0];
  return map_put(vm, args[0], args[1], kNil);
}
Term native_SetRemove(Vm& vm, Args args) {
  if (!is_set(vm, args[0])) return raise_type(vm, args, Atom::Set);
  return map_remove(vm, args[0], args[1]);
}
Term native_SetHas(Vm& vm, Args args) {
  if (!is_set(vm, args[0])) return raise_type(vm, args, Atom::Set);
  return boolean(map_get(vm, args[0], args[1]) != kNone);
}
Term native_Count(Vm& vm, Args args) {
  if (is_list(args[0])) return count_list_in_steps(vm, args[0]);
  if (!is_collection(vm, args[0])) return raise_type(vm, args, Atom::List);
  return small(static_cast<i64>(count_of(vm, args[0])));
}
Term native_IsEmpty(Vm& vm, Args args) {
  if (!is_collection(vm, args[0])) return raise_type(vm, args, Atom::List);
  return boolean(is_list(args[0]) ? args[0] == kEmptyList : count_of(vm, args[0]) == 0);
}
Term native_Nth(Vm& vm, Args args) {
  const Term x = args[0];
  u64 index = 0;
  if (!index_argument(vm, args, 1, index)) return kRaised;
  const Term missing = args.count == 3 ? args[2] : kNil;
  if (is_list(x)) return nth_of_list_in_steps(vm, x, index, missing);
  if (is_tuple(x)) {
    const u64 count = tuple_count(vm, x);
    if (index < count) return tuple_at(vm, x, index);
    return count == 0 && args.count == 2 ? out_of_bounds(vm, args[1], 0) : missing;
  }
  if (is_vector(vm, x)) return index < vector_count(vm, x) ? vector_at(vm, x, index) : missing;
  if (is_binary(vm, x)) {
    const base::Bytes bytes = binary_bytes(vm, x);
    return index < bytes.size() ? small(bytes[index]) : missing;
  }
  if (is_string(vm, x)) {
    if (index >= string_count(vm, x)) return missing;
    if (string_is_ascii(vm, x)) return character(static_cast<u8>(string_text(vm, x)[index]));
    const std::string_view text = string_text(vm, x);
    u64 at = 0;
    for (; index > 0; --index) at += base::decode_utf8(text, at).length;
    charge(vm, at / kBytesPerReduction);
    return character(base::decode_utf8(text, at).code_point);
  }
  return raise_type(vm, args, Atom::List);
}
Term native_Get(Vm& vm, Args args) {
  const Term missing = args.count == 3 ? args[2] : kNil;
  if (args[0] == kNil) return missing;
  if (!is_map(vm, args[0])) return raise_type(vm, args, Atom::Map);
  const Term found = map_get(vm, args[0], args[1]);
  return found == kNone ? missing : found;
}
Term native_Keys(Vm& vm, Args args) {
  if (args[0] != kNil && !is_map(vm, args[0])) return raise_type(vm, args, Atom::Map);
  if (is_long(vm, args[0])) return convert_in_steps(vm, args[0], Making::Kind::List, 0, Parts::Keys);
  Term list = kEmptyList;
  if (args[0] != kNil) map_each(vm, args[0], [&](Term key, Term) { list = make_pair(vm, key, list); });
  return reverse_list(vm, list);
}
Term native_Vals(Vm& vm, Args args) {
  if (args[0] != kNil && !is_map(vm, args[0])) return raise_type(vm, args, Atom::Map);
  if (is_long(vm, args[0])) return convert_in_steps(vm, args[0], Making::Kind::List, 0, Parts::Values);
  Term list = kEmptyList;
  if (args[0] != kNil) map_each(vm, args[0], [&](Term, Term value) { list = make_pair(vm, value, list); });
  return reverse_list(vm, list);
}
Term native_Contains(Vm& vm, Args args) {
  if (args[0] == kNil) return kFalse;
  if (!is_map(vm, args[0])) return raise_type(vm, args, Atom::Map);
  return boolean(map_get(vm, args[0], args[1]) != kNone);
}
Term native_Slice(Vm& vm, Args args) {
  const Term x = args[0];
  const bool usable = is_tuple(x) || is_vector(vm, x) || is_binary(vm, x) || is_string(vm, x);
  if (!usable) return raise_type(vm, args, Atom::Vector);
  const u64 count = count_of(vm, x);
  u64 from = 0;
  u64 to = count;
  if (!index_argument(vm, args, 1, from) || (args.count == 3 && !index_argument(vm, args, 2, to))) return kRaised;
  if (from > count) return out_of_bounds(vm, args[1], count);
  if (to > count || to < from) return out_of_bounds(vm, args[args.count - 1], count);
  if (is_string(vm, x)) return native_Subs(vm, args);
  if (is_binary(vm, x)) return make_slice(vm, x, from, to - from);
  Term result = kRaised;
  if (is_vector(vm, x)) {
    result = rope_slice(vm, x, from, to);
  } else {
    result = make_object(vm, Type::Tuple, to - from);
    if (result != kRaised) std::copy(vm.object(x) + 1 + from, vm.object(x) + 1 + to, vm.object(result) + 1);
  }
  const Term meta = metadata_of(vm, x);
  return meta == kNil || result == kRaised ? result : with_metadata(vm, result, meta);
}
Term native_ConcatVec(Vm& vm, Args args) {
  if (!is_vector(vm, args[0]) || !is_vector(vm, args[1])) return raise_type(vm, args, Atom::Vector);
  const Term meta = vector_meta(vm, args[0]);
  const Term joined = rope_join(vm, args[0], args[1]);
  return vector_meta(vm, joined) == meta ? joined : vector_with_meta(vm, joined, meta);
}

Term native_ListOf(Vm& vm, Args args) {
  Term list = kEmptyList;
  for (u32 i = args.count; i > 0; --i) list = make_pair(vm, args[i - 1], list);
  return list;
}
Term native_ToList(Vm& vm, Args args) {
  if (!is_list(args[0]) && is_long(vm, args[0])) return convert_in_steps(vm, args[0], Making::Kind::List);
  const Term list = list_of_collection(vm, args[0]);
  return list == kNone ? raise_type(vm, args, Atom::List) : list;
}
Term native_ToTuple(Vm& vm, Args args) {
  if (is_long(vm, args[0])) return convert_in_steps(vm, args[0], Making::Kind::Tuple);
  const Term list = list_of_collection(vm, args[0]);
  return list == kNone ? raise_type(vm, args, Atom::List) : tuple_of_list(vm, list);
}
Term native_ToVector(Vm& vm, Args args) {
  if (!is_collection(vm, args[0])) return raise_type(vm, args, Atom::List);
  if (is_long(vm, args[0])) return convert_in_steps(vm, args[0], Making::Kind::Vector);
  Scratch<Term> elements(vm);
  if (!gather(vm, args[0], elements)) return kRaised;
  return make_vector(vm, elements.data(), elements.size());
}
Term native_Reverse(Vm& vm, Args args) {
  if (is_long(vm, args[0])) {
    using enum Making::Kind;
    return convert_in_steps(vm, args[0], is_tuple(args[0]) ? Tuple : is_vector(vm, args[0]) ? Vector : List, 1);
  }
  const Term list = list_of_collection(vm, args[0]);
  if (list == kNone) return raise_type(vm, args, Atom::List);
  const Term turned = reverse_list(vm, list);
  if (is_tuple(args[0])) return tuple_of_list(vm, turned);
  if (is_vector(vm, args[0])) {
    Scratch<Term> elements(vm);
    if (!gather(vm, turned, elements)) return kRaised;
    return make_vector(vm, elements.data(), elements.size());
  }
  return turned;
}
Term native_TemplateConcat(Vm& vm, Args args) {
  for (u32 i = 0; i < args.count; ++i) {
    if (is_long(vm, args[i])) return concat_in_steps(vm, args);
  }
  Term out = kEmptyList;
  for (u32 i = args.count; i > 0; --i) {
    Term piece = list_of_collection(vm, args[i - 1]);
    if (piece == kNone) return raise_type(vm, args, Atom::List);
    if (out == kEmptyList) {
      out = piece;
    } else {
      out = reverse_list(vm, reverse_list(vm, piece), out);
    }
  }
  return out;
}
Term native_TemplateMap(Vm& vm, Args args) {
  if (is_list(args[0]) && is_long(vm, args[0])) return convert_in_steps(vm, args[0], Making::Kind::Map);
  Term map = kEmptyMap;
  Term list = args[0];
  for (; is_pair(list) && is_pair(tail(vm, list)) && map != kRaised; list = tail(vm, tail(vm, list))) {
    map = map_put(vm, map, head(vm, list), head(vm, tail(vm, list)));
  }
  return is_pair(list) ? raise_args(vm, Atom::Badarg, args) : map;
}
Term native_TemplateSet(Vm& vm, Args args) {
  if (is_long(vm, args[0])) return convert_in_steps(vm, args[0], Making::Kind::Set);
  Term set = kEmptySet;
  for (Term list = list_of_collection(vm, args[0]); is_pair(list) && set != kRaised; list = tail(vm, list)) {
    if (map_get(vm, set, head(vm, list)) == kNone) set = map_put(vm, set, head(vm, list), kNil);
  }
  return set;
}

// ── What the compiler emits for literals ─────────────────────────────────────────────────────────────────────

Term native_MakeTuple(Vm& vm, Args args) {
  const Term tuple = make_object(vm, Type::Tuple, args.count);
  if (tuple != kRaised) {
    for (u32 i = 0; i < args.count; ++i) vm.object(tuple)[1 + i] = args[i];
  }
  return tuple;
}
Term native_JoinTuple(Vm& vm, Args args) {
  if (!is_tuple(args[0])) return raise_type(vm, args, Atom::Tuple);
  const u64 before = tuple_count(vm, args[0]);
  const Term tuple = make_object(vm, Type::Tuple, before + args.count - 1);
  if (tuple == kRaised) return tuple;
  u64* out = vm.object(tuple) + 1;
  for (u64 i = 0; i < before; ++i) out[i] = tuple_at(vm, args[0], i);
  for (u32 i = 1; i < args.count; ++i) out[before + i - 1] = args[i];
  return tuple;
}
Term native_MakeVector(Vm& vm, Args args) {
  Scratch<Term> elements(vm);
  for (u32 i = 0; i < args.count; ++i) elements.push(args[i]);
  if (elements.failed()) return raise_oom(vm, args.count);
  return make_vector(vm, elements.data(), elements.size());
}
Term native_JoinVector(Vm& vm, Args args) {
  if (!is_vector(vm, args[0])) return raise_type(vm, args, Atom::Vector);
  Term vector = args[0];
  for (u32 i = 1; i < args.count; ++i) vector = vector_append(vm, vector, args[i]);
  return vector;
}
namespace {
Term put_all(Vm& vm, Term map, Args args, u32 from) {
  for (u32 i = from; i + 1 < args.count && map != kRaised; i += 2) map = map_put(vm, map, args[i], args[i + 1]);
  return map;
}
Term add_all(Vm& vm, Term set, Args args, u32 from) {
  for (u32 i = from; i < args.count && set != kRaised; ++i) {
    if (map_get(vm, set, args[i]) == kNone) set = map_put(vm, set, args[i], kNil);
  }
  return set;
}
}  // namespace
Term native_MakeMap(Vm& vm, Args args) { return put_all(vm, kEmptyMap, args, 0); }
Term native_JoinMap(Vm& vm, Args args) {
  return is_map(vm, args[0]) ? put_all(vm, args[0], args, 1) : raise_type(vm, args, Atom::Map);
}
Term native_MakeSet(Vm& vm, Args args) { return add_all(vm, kEmptySet, args, 0); }
Term native_JoinSet(Vm& vm, Args args) {
  return is_set(vm, args[0]) ? add_all(vm, args[0], args, 1) : raise_type(vm, args, Atom::Set);
}

/// The members of a set that are none of the constants of a pattern, as a tuple; nil if it lacks one, or is no set.
Term native_SetPatternRest(Vm& vm, Args args) {
  if (!is_set(vm, args[0]) || !is_set(vm, args[1])) return kNil;
  Term rest = args[0];
  bool all = true;
  map_each(vm, args[1], [&](Term constant, Term) {
    all = all && map_get(vm, rest, constant) != kNone;
    if (all) rest = map_remove(vm, rest, constant);
  });
  if (!all || rest == kRaised) return kNil;
  return tuple_of_list(vm, list_of_collection(vm, rest));
}

Term native_Meta(Vm& vm, Args args) { return is_var(args[0]) ? var_meta(vm, args[0]) : metadata_of(vm, args[0]); }
Term native_WithMeta(Vm& vm, Args args) {
  if (args[1] != kNil && !is_map(vm, args[1])) return raise_type(vm, args, Atom::Map);
  const Term made = with_metadata(vm, args[0], args[1]);
  return made == kNone ? raise_type(vm, args, Atom::Map) : made;
}

}  // namespace lonala
