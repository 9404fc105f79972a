// vm/lonala/natives/natives.cpp — the table of natives.
#include "vm/lonala/natives/natives.h"

#include "vm/lonala/binaries.h"
#include "vm/lonala/collections/map.h"
#include "vm/lonala/collections/vector.h"
#include "vm/lonala/number/number.h"
#include "vm/lonala/work.h"

#include "base/enforce.h"

namespace lonala {
namespace {

struct Native {
  std::string_view space;
  std::string_view name;
  i32 fewest;
  i32 most;
  u32 cost;  // reductions, besides what it visits and makes
  Term (*run)(Vm& vm, Args args);
};

constexpr u32 cost_of(NativeId native) {
  switch (native) {
    case NativeId::Put:
    case NativeId::Dissoc:
    case NativeId::SetAdd:
    case NativeId::SetRemove:
    case NativeId::Append: return 3;
    case NativeId::Spawn:
    case NativeId::Send:
    case NativeId::SendAcknowledged:
    case NativeId::SendReply:
    case NativeId::SendAfter:
    case NativeId::CancelTimer:
    case NativeId::LinkTo:
    case NativeId::Unlink:
    case NativeId::MonitorOf:
    case NativeId::Demonitor:
    case NativeId::Register:
    case NativeId::Unregister:
    case NativeId::CreateNs:
    case NativeId::Intern:
    case NativeId::Refer:
    case NativeId::ReferOne:
    case NativeId::AliasNs:
    case NativeId::NsUnmap:
    case NativeId::Resolve:
    case NativeId::VarGet:
    case NativeId::SetVarMeta:
    case NativeId::TxDef:
    case NativeId::TxUndef: return 10;
    case NativeId::PropertyDeclare:
    case NativeId::PropertyReport: return 0;
    default: return 1;
  }
}

constexpr Native kNatives[] = {
#define NATIVE(identifier, space, name, fewest, most) \
  {space, name, fewest, most, cost_of(NativeId::identifier), native_##identifier},
    LONALA_NATIVES(NATIVE)
#undef NATIVE
};

}  // namespace

Term call_native(Vm& vm, u32 index, Args args) {
  const Native& native = kNatives[index];
  vm.native = index;
  const i32 count = static_cast<i32>(args.count);
  if (count < native.fewest || (native.most >= 0 && count > native.most))
    return raise_args(vm, Atom::ArityMismatch, args);
  Process& process = *vm.process;
  const MadeCount outer = vm.made;
  made_begin(vm, 0);
  vm.stops = process.nested == 0;
  const Term result = native.run(vm, args);
  vm.stops = false;
  ASSERT((process.marks & kAtWork) == 0 || result == kRaised);  // nobody went on with what a native in the middle gave
  process.fuel -= native.cost;
  made_end(vm);
  vm.made = outer;
  return result;
}

std::string_view native_name(u32 index) { return kNatives[index].name; }
std::string_view native_space(u32 index) { return kNatives[index].space; }

NativeId native_find(std::string_view space, std::string_view name) {
  u32 index = 0;
  for (const Native& native : kNatives) {
    if (native.name == name && native.space == space && !space.empty()) return static_cast<NativeId>(index);
    index += 1;
  }
  return NativeId::End;
}

bool native_is_inline(NativeId native) {
  switch (native) {
    case NativeId::Add:
    case NativeId::Subtract:
    case NativeId::Multiply:
    case NativeId::Less:
    case NativeId::LessEqual:
    case NativeId::Greater:
    case NativeId::GreaterEqual:
    case NativeId::Equal:
    case NativeId::Not:
    case NativeId::First:
    case NativeId::Rest:
    case NativeId::Prepend:
    case NativeId::IsEmpty:
    case NativeId::IsNil: return true;
    default: return false;
  }
}

Term tuple_of_list(Vm& vm, Term list) {
  const u64 count = list_length(vm, list);
  const Term tuple = make_object(vm, Type::Tuple, count);
  if (tuple == kRaised) return tuple;
  for (u64 i = 0; i < count; ++i, list = tail(vm, list)) vm.object(tuple)[1 + i] = head(vm, list);
  return tuple;
}

Term list_of_collection(Vm& vm, Term collection) {
  if (is_list(collection)) return collection;
  if (collection == kNil) return kEmptyList;
  Term list = kEmptyList;
  if (is_tuple(collection)) {
    for (u64 i = tuple_count(vm, collection); i > 0; --i) list = make_pair(vm, tuple_at(vm, collection, i - 1), list);
    return list;
  }
  if (is_vector(vm, collection)) {
    for (u64 i = vector_count(vm, collection); i > 0 && !heap_failed(vm); --i) {
      list = make_pair(vm, vector_at(vm, collection, i - 1), list);
    }
    return list;
  }
  if (is_map(vm, collection)) {
    map_each(vm, collection, [&](Term key, Term value) { list = make_pair(vm, make_tuple(vm, {key, value}), list); });
    return reverse_list(vm, list);
  }
  if (is_set(vm, collection)) {
    map_each(vm, collection, [&](Term key, Term) { list = make_pair(vm, key, list); });
    return reverse_list(vm, list);
  }
  if (is_string(vm, collection)) {
    const std::string_view text = string_text(vm, collection);
    for (u64 at = text.size(); at > 0 && !heap_failed(vm);) {
      u64 start = at - 1;
      while (start > 0 && (static_cast<u8>(text[start]) & 0xC0) == 0x80) start -= 1;
      u32 code = static_cast<u8>(text[start]);
      const u64 length = at - start;
      if (length == 2) code &= 0x1F;
      if (length == 3) code &= 0x0F;
      if (length == 4) code &= 0x07;
      for (u64 i = start + 1; i < at; ++i) code = code << 6 | (static_cast<u8>(text[i]) & 0x3F);
      list = make_pair(vm, character(code), list);
      at = start;
    }
    return list;
  }
  if (is_binary(vm, collection)) {
    const base::Bytes bytes = binary_bytes(vm, collection);
    for (u64 i = bytes.size(); i > 0 && !heap_failed(vm); --i) list = make_pair(vm, small(bytes[i - 1]), list);
    return list;
  }
  return kNone;
}

Term spread_arguments(Vm& vm, Args args) {
  const Term last = list_of_collection(vm, args[args.count - 1]);
  if (last == kNone) return raise_type(vm, args, Atom::List);
  const u64 count = args.count - 2 + list_length(vm, last);
  const Term tuple = make_object(vm, Type::Tuple, count);
  if (tuple == kRaised) return tuple;
  u64* out = vm.object(tuple) + 1;
  for (u32 i = 1; i + 1 < args.count; ++i) *out++ = args[i];
  for (Term list = last; is_pair(list); list = tail(vm, list)) *out++ = head(vm, list);
  return tuple;
}

bool index_argument(Vm& vm, Args args, u32 i, u64& out) {
  if (!number::is_integer_like(vm, args[i])) {
    raise_type(vm, args, Atom::Integer);
    return false;
  }
  const number::Integer value(vm, args[i]);
  out = value.negative || value.count > 1 ? ~u64{0} : value.low();
  return true;
}

Term out_of_bounds(Vm& vm, Term index, u64 size) {
  return raise(vm, Atom::OutOfBounds, {{Atom::Index, index}, {Atom::Size, small(static_cast<i64>(size))}});
}

Term make_slice(Vm& vm, Term binary, u64 from, u64 count) {
  Term parent = binary;
  if (is_boxed(vm, binary, Type::Slice)) {
    parent = vm.object(binary)[1];
    from += static_cast<u64>(small_value(vm.object(binary)[2]));
  }
  u64* object = heap_take(vm, 4);
  object[0] = header(Type::Slice, 3);
  object[1] = parent;
  object[2] = small(static_cast<i64>(from));
  object[3] = small(static_cast<i64>(count));
  return refer(vm.offset(object), Tag::Boxed);
}

/// `apply` is part of the interpreter; this is reached only when it is applied to itself with too few arguments.
Term native_Apply(Vm& vm, Args args) { return raise_args(vm, Atom::ArityMismatch, args); }

}  // namespace lonala
