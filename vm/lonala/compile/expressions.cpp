// vm/lonala/compile/expressions.cpp — values, names, calls, collections, conditions.
#include "vm/lonala/collections/map.h"
#include "vm/lonala/collections/vector.h"
#include "vm/lonala/compile/parts.h"
#include "vm/lonala/interpreter.h"
#include "vm/lonala/literal_text.h"
#include "vm/lonala/namespaces.h"
#include "vm/lonala/natives/natives.h"

#include "base/enforce.h"

namespace lonala::compile {
namespace {

/// Instructions that compare and branch: in each pair the one that jumps if it does not hold, then the one that jumps if it does.
struct Comparison {
  NativeId native;
  Op registers[2];
  bool swapped;      // operands in the other order
  Op with_small[2];  // right operand small
};
constexpr Comparison kComparisons[] = {
    {NativeId::Less, {Op::JumpNotLess, Op::JumpLess}, false, {Op::JumpNotLessSmall, Op::JumpLessSmall}},
    {NativeId::LessEqual,
     {Op::JumpNotLessEqual, Op::JumpLessEqual},
     false,
     {Op::JumpNotLessEqualSmall, Op::JumpLessEqualSmall}},
    {NativeId::Greater, {Op::JumpNotLess, Op::JumpLess}, true, {Op::JumpNotGreaterSmall, Op::JumpGreaterSmall}},
    {NativeId::GreaterEqual,
     {Op::JumpNotLessEqual, Op::JumpLessEqual},
     true,
     {Op::JumpNotGreaterEqualSmall, Op::JumpGreaterEqualSmall}},
    {NativeId::Equal, {Op::JumpNotEqual, Op::JumpEqual}, false, {Op::JumpNotEqualSmall, Op::JumpEqualSmall}},
};

/// Tests of one operand, likewise.
struct Test {
  NativeId native;
  Op jumps[2];
};
constexpr Test kTests[] = {
    {NativeId::Not, {Op::JumpNotNot, Op::JumpNot}},
    {NativeId::IsEmpty, {Op::JumpNotEmpty, Op::JumpEmpty}},
    {NativeId::IsNil, {Op::JumpNotNil, Op::JumpNil}},
};

bool fits_i16(Term term) { return is_small(term) && small_value(term) >= -32768 && small_value(term) <= 32767; }
bool fits_i8(Term term) { return is_small(term) && small_value(term) >= -128 && small_value(term) <= 127; }

}  // namespace

NativeId inline_native(const Vm& vm, Term var) {
  const VarRecord& record = var_record(vm, var);
  if ((record.flags & (kVarInline | kVarStaged)) != kVarInline) return NativeId::End;
  return static_cast<NativeId>(payload_of(record.value));
}

bool Compiler::finish(Function& f, u32 to, Place place) {
  if (place == Place::Tail) emit(f, encode(Op::Return, reg(to)));
  return true;
}

bool Compiler::constant(Function& f, Term value, u32 to) {
  if (fits_i16(value)) {
    emit(f, encode(Op::LoadSmall, reg(to)) | static_cast<u32>(small_value(value) & 0xFFFF) << 16);
  } else if (is_immediate(value, Immediate::Special)) {
    emit(f, encode(Op::LoadSpecial, reg(to)) | static_cast<u32>(payload_of(value)) << 16);
  } else {
    emit(f, encode(Op::LoadConstant, reg(to)));
    emit_constant(f, value);
  }
  return true;
}

bool Compiler::symbol_value(Function& f, Term form, u32 to) {
  const Term name = plain_symbol(vm_, form);
  u32 r = 0;
  u32 index = 0;
  bool captured = false;
  if (is_special(name)) return fail(form, "a special form is not a value");
  if (name_record(vm_, name).space_bytes == 0 && resolve_local(f, name, r, captured, index)) {
    if (captured) {
      emit(f, encode(Op::Capture, reg(to), reg(f.self), index));
    } else if (r != to) {
      emit(f, encode(Op::Move, reg(to), reg(r)));
    }
    return true;
  }
  const Term space = current_namespace(vm_);
  const Term var = var_resolve(vm_, space, name);
  if (var == kNone) {
    raise(vm_, Atom::Undefined, {{Atom::Symbol, name}, {Atom::Ns, namespace_record(vm_, space).name}});
    return false;
  }
  emit(f, encode(Op::LoadVar, reg(to)));
  emit(f, static_cast<u32>(payload_of(var)));
  return true;
}

bool Compiler::expression(Function& f, Term form, u32 to, Place place) {
  if (depth_ >= kFormDepthMax) return fail(kNil, "forms nest too deeply");
  if (heap_failed(vm_) || f.code.failed()) {
    raise_oom(vm_, f.code.size());
    return false;
  }
  depth_ += 1;
  bool ok;
  if (is_pair(form)) {
    ok = call(f, form, to, place);
  } else if (is_symbol(vm_, form)) {
    u32 r = 0;
    u32 index = 0;
    bool captured = false;
    const Term name = plain_symbol(vm_, form);
    if (place == Place::Tail && name_record(vm_, name).space_bytes == 0 && resolve_local(f, name, r, captured, index) &&
        !captured) {
      ok = finish(f, r, place);
    } else {
      ok = symbol_value(f, form, to) && finish(f, to, place);
    }
  } else if (tag_of(form) == Tag::Small || tag_of(form) == Tag::Immediate || is_constant(form)) {
    ok = constant(f, form, to) && finish(f, to, place);
  } else {
    ok = collection(f, form, to) && finish(f, to, place);
  }
  depth_ -= 1;
  return ok;
}

bool Compiler::operand(Function& f, Term form, u32& out) {
  if (is_symbol(vm_, form)) {
    u32 index = 0;
    bool captured = false;
    const Term name = plain_symbol(vm_, form);
    if (name_record(vm_, name).space_bytes == 0 && !is_special(name) && resolve_local(f, name, out, captured, index) &&
        !captured) {
      return true;
    }
  }
  if (!reserve(f, out)) return false;
  f.unset.add(out);
  if (!expression(f, form, out, Place::Value)) return false;
  f.unset.remove(out);
  return true;
}

bool Compiler::arguments_into(Function& f, Term arguments, u32 first, u32& count) {
  count = 0;
  for (; is_pair(arguments); arguments = tail(vm_, arguments)) {
    u32 r = 0;
    if (!reserve(f, r)) return false;
    ASSERT(r == first + count);
    f.unset.add(r);
    if (!expression(f, head(vm_, arguments), r, Place::Value)) return false;
    f.unset.remove(r);
    count += 1;
  }
  return true;
}

Term Compiler::expand(Function& f, Term form, bool& expanded) {
  expanded = false;
  const Term first = head(vm_, form);
  if (!is_symbol(vm_, first)) return form;
  const Term name = plain_symbol(vm_, first);
  if (is_special(name)) return form;
  u32 r = 0;
  u32 index = 0;
  bool captured = false;
  if (name_record(vm_, name).space_bytes == 0 && resolve_local(f, name, r, captured, index)) return form;
  const Term var = var_resolve(vm_, current_namespace(vm_), name);
  if (var == kNone || (var_flags(vm_, var) & kVarMacro) == 0) return form;
  expanded = true;
  Scratch<Term> arguments(vm_);
  for (Term rest = tail(vm_, form); is_pair(rest); rest = tail(vm_, rest)) arguments.push(head(vm_, rest));
  if (arguments.failed()) return raise_oom(vm_, arguments.size());
  return call_function(vm_, var_value(vm_, var), arguments.data(), static_cast<u32>(arguments.size()));
}

bool Compiler::call(Function& f, Term form, u32 to, Place place) {
  const Term first = head(vm_, form);
  if (is_symbol(vm_, first)) {
    const Term name = plain_symbol(vm_, first);
    const NameRecord& record = name_record(vm_, name);
    bool known = false;
    if (record.space_bytes == 0 && is_special(name)) {
      for (u32 i = static_cast<u32>(Atom::Def); i <= static_cast<u32>(Atom::BitsStar); ++i) {
        if (name == symbol(vm_, static_cast<Atom>(i))) return special(f, static_cast<Atom>(i), form, to, place, known);
      }
    }
    u32 r = 0;
    u32 index = 0;
    bool captured = false;
    const bool local = record.space_bytes == 0 && resolve_local(f, name, r, captured, index);
    if (!local) {
      bool expanded = false;
      const Term result = expand(f, form, expanded);
      if (result == kRaised) return false;
      if (expanded) return expression(f, result, to, place);
      const Term space = current_namespace(vm_);
      const Term var = var_resolve(vm_, space, name);
      if (var == kNone) {
        raise(vm_, Atom::Undefined, {{Atom::Symbol, name}, {Atom::Ns, namespace_record(vm_, space).name}});
        return false;
      }
      return call_var(f, var, tail(vm_, form), to, place);
    }
  }
  if (place == Place::Tail) return tail_call(f, first, kNone, tail(vm_, form));
  Scope scope(f);
  u32 base = to;
  if (to + 1 != f.next && !reserve(f, base)) return false;
  f.unset.add(base);
  u32 count = 0;
  if (!arguments_into(f, tail(vm_, form), base + 1, count)) return false;
  if (!expression(f, first, base, Place::Value)) return false;  // the head may call: until then `base` holds nothing
  f.unset.remove(base);
  before_call(f, base);
  emit(f, encode(Op::Call, reg(base), count));
  emit(f, 0);
  if (base != to) emit(f, encode(Op::Move, reg(to), reg(base)));
  return true;
}

bool Compiler::call_var(Function& f, Term var, Term arguments, u32 to, Place place) {
  const NativeId native = inline_native(vm_, var);
  if (native != NativeId::End) {
    bool done = false;
    if (!inline_call(f, static_cast<u32>(native), arguments, to, done)) return false;
    if (done) return finish(f, to, place);
  }
  if (place == Place::Tail) return tail_call(f, kNone, var, arguments);
  Scope scope(f);
  u32 base = to;
  if (to + 1 != f.next && !reserve(f, base)) return false;
  f.unset.add(base);
  u32 count = 0;
  if (!arguments_into(f, arguments, base + 1, count)) return false;
  f.unset.remove(base);
  before_call(f, base);
  emit(f, encode(Op::CallVar, reg(base), count));
  emit(f, static_cast<u32>(payload_of(var)));
  if (base != to) emit(f, encode(Op::Move, reg(to), reg(base)));
  return true;
}

/// Instructions for the natives that have one, in value position.
bool Compiler::inline_call(Function& f, u32 kind, Term arguments, u32 to, bool& done) {
  const NativeId native = static_cast<NativeId>(kind);
  const u64 count = list_length(vm_, arguments);
  Label otherwise;
  if (!branch_call(f, kind, arguments, false, otherwise, done)) return false;
  if (done) {
    Label end;
    constant(f, kTrue, to);
    jump(f, encode(Op::Jump, 0), end);
    place(f, otherwise);
    constant(f, kFalse, to);
    place(f, end);
    return true;
  }
  done = true;
  Scope scope(f);
  u32 a = 0;
  u32 b = 0;
  switch (native) {
    case NativeId::Add:
    case NativeId::Subtract:
    case NativeId::Multiply: {
      if (count != 2) break;
      const Term second = head(vm_, tail(vm_, arguments));
      if (!operand(f, head(vm_, arguments), a)) return false;
      if (native != NativeId::Multiply && fits_i8(second)) {
        const u32 byte = static_cast<u32>(small_value(second)) & 0xFF;
        emit(f, encode(native == NativeId::Add ? Op::AddSmall : Op::SubtractSmall, reg(to), reg(a), byte));
        return true;
      }
      if (!operand(f, second, b)) return false;
      const Op op = native == NativeId::Add ? Op::Add : native == NativeId::Subtract ? Op::Subtract : Op::Multiply;
      emit(f, encode(op, reg(to), reg(a), reg(b)));
      return true;
    }
    case NativeId::First:
    case NativeId::Rest:
      if (count != 1) break;
      if (!operand(f, head(vm_, arguments), a)) return false;
      emit(f, encode(native == NativeId::First ? Op::First : Op::Rest, reg(to), reg(a)));
      return true;
    case NativeId::Prepend:
      if (count != 2) break;
      if (!operand(f, head(vm_, arguments), a)) return false;
      if (!operand(f, head(vm_, tail(vm_, arguments)), b)) return false;
      emit(f, encode(Op::Prepend, reg(to), reg(a), reg(b)));
      return true;
    default: break;
  }
  done = false;
  return true;
}

/// The branch of a native that has one; `done` is false for any other.
bool Compiler::branch_call(Function& f, u32 kind, Term arguments, bool when, Label& label, bool& done) {
  const NativeId native = static_cast<NativeId>(kind);
  const u64 count = list_length(vm_, arguments);
  Scope scope(f);
  u32 a = 0;
  u32 b = 0;
  done = true;
  for (const Test& test : kTests) {
    if (test.native != native || count != 1) continue;
    if (!operand(f, head(vm_, arguments), a)) return false;
    jump(f, encode(test.jumps[when], reg(a)), label);
    return true;
  }
  for (const Comparison& comparison : kComparisons) {
    if (comparison.native != native || count != 2) continue;
    const Term second = head(vm_, tail(vm_, arguments));
    if (!operand(f, head(vm_, arguments), a)) return false;
    if (fits_i16(second)) {
      const u32 small_operand = static_cast<u32>(small_value(second) & 0xFFFF) << 16;
      jump(f, encode(comparison.with_small[when], reg(a)) | small_operand, label);
      return true;
    }
    if (!operand(f, second, b)) return false;
    if (comparison.swapped) std::swap(a, b);
    jump(f, encode(comparison.registers[when], reg(a), reg(b)), label);
    return true;
  }
  done = false;
  return true;
}

bool Compiler::jump_when(Function& f, Term form, bool when, Label& label) {
  while (is_pair(form)) {
    bool expanded = false;
    const Term result = expand(f, form, expanded);
    if (result == kRaised) return false;
    if (!expanded) break;
    form = result;
  }
  if (form == kTrue) {
    if (when) jump(f, encode(Op::Jump, 0), label);
    return true;
  }
  Scope scope(f);
  u32 a = 0;
  if (is_pair(form) && is_symbol(vm_, head(vm_, form))) {
    const Term name = plain_symbol(vm_, head(vm_, form));
    u32 index = 0;
    bool captured = false;
    const bool special_head = is_special(name);
    const bool local =
        name_record(vm_, name).space_bytes == 0 && !special_head && resolve_local(f, name, a, captured, index);
    const Term var = local || special_head ? kNone : var_resolve(vm_, current_namespace(vm_), name);
    const NativeId native = var == kNone ? NativeId::End : inline_native(vm_, var);
    bool done = false;
    if (!branch_call(f, static_cast<u32>(native), tail(vm_, form), when, label, done)) return false;
    if (done) return true;
  }
  if (!operand(f, form, a)) return false;
  jump(f, encode(when ? Op::JumpTruthy : Op::JumpFalsy, reg(a)), label);
  return true;
}

/// Tuple, vector, map and set literals: elements left to right, then the constructor. Long ones in pieces.
bool Compiler::collection(Function& f, Term form, u32 to) {
  constexpr u32 kPiece = 64;
  Scratch<Term> elements(vm_);
  NativeId maker = NativeId::MakeVector;
  NativeId joiner = NativeId::JoinVector;
  if (is_tuple(form)) {
    maker = NativeId::MakeTuple;
    joiner = NativeId::JoinTuple;
    for (u64 i = 0; i < tuple_count(vm_, form); ++i) elements.push(tuple_at(vm_, form, i));
  } else if (is_vector(vm_, form)) {
    vector_each(vm_, form, [&](Term element) { elements.push(element); });
  } else {
    const bool set = is_set(vm_, form);
    maker = set ? NativeId::MakeSet : NativeId::MakeMap;
    joiner = set ? NativeId::JoinSet : NativeId::JoinMap;
    map_each(vm_, form, [&](Term key, Term value) {
      elements.push(key);
      if (!set) elements.push(value);
    });
  }
  if (elements.failed()) {
    raise_oom(vm_, elements.size());
    return false;
  }
  Scope scope(f);
  u32 whole = 0;
  if (!reserve(f, whole)) return false;
  f.unset.add(whole);
  u64 at = 0;
  do {
    Scope piece(f);
    u32 count = 0;
    const u32 first = f.next;
    while (at < elements.size() && count < kPiece) {
      u32 r = 0;
      if (!reserve(f, r)) return false;
      f.unset.add(r);
      if (!expression(f, elements[at], r, Place::Value)) return false;
      f.unset.remove(r);
      at += 1;
      count += 1;
    }
    if (maker == NativeId::MakeTuple && at == elements.size() && at == count) {
      emit(f, encode(Op::MakeTuple, reg(whole), reg(first), count));
    } else if (at == count) {
      emit_native(f, static_cast<u32>(maker), whole, first, count);
    } else {
      // whole lies right before the piece
      emit_native(f, static_cast<u32>(joiner), whole, whole, count + 1);
    }
    f.unset.remove(whole);
  } while (at < elements.size());
  emit(f, encode(Op::Move, reg(to), reg(whole)));
  const Term meta = metadata_of(vm_, form);
  if (meta != kNil) {
    u32 pair = 0;
    if (!reserve_many(f, 2, pair)) return false;
    emit(f, encode(Op::Move, reg(pair), reg(to)));
    f.unset.add(pair + 1);
    if (!expression(f, meta, pair + 1, Place::Value)) return false;
    emit_native(f, static_cast<u32>(NativeId::WithMeta), to, pair, 2);
  }
  return true;
}

}  // namespace lonala::compile
