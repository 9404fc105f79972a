// vm/lonala/compile/match.cpp — match and receive: patterns to tests, guards, constructors of binaries.
#include <algorithm>

#include "vm/lonala/collections/map.h"
#include "vm/lonala/collections/vector.h"
#include "vm/lonala/compile/decision.h"
#include "vm/lonala/namespaces.h"
#include "vm/lonala/natives/natives.h"
#include "vm/lonala/number/number.h"

#include "base/enforce.h"

namespace lonala::compile {

bool Compiler::bind(Function& f, Term name, u32 subject, Label& fail_label, u64 first_local) {
  if (name == symbol(vm_, Atom::Underscore)) return true;
  if (name_record(vm_, name).space_bytes != 0) return fail(name, "a qualified name cannot be bound");
  for (u64 i = first_local; i < f.locals.size(); ++i) {
    if (f.locals[i].name != name) continue;
    jump(f, encode(Op::JumpNotSame, reg(subject), reg(f.locals[i].reg)),
         fail_label);  // the same name twice: equal parts
    return true;
  }
  f.locals.push({name, subject});
  return true;
}

bool Compiler::constant_pattern(Function& f, Term value, u32 subject, Label& fail_label) {
  if (is_small(value) && small_value(value) >= -32768 && small_value(value) <= 32767) {
    const u32 constant = static_cast<u32>(small_value(value) & 0xFFFF) << 16;
    jump(f, encode(Op::JumpNotSmall, reg(subject)) | constant, fail_label);
    return true;
  }
  const bool word = tag_of(value) == Tag::Immediate && !is_immediate(value, Immediate::Fixed) &&
                    !is_immediate(value, Immediate::F32) && !is_immediate(value, Immediate::Empty) &&
                    !is_immediate(value, Immediate::Symbol);
  emit(f, encode(word || value == kEmptyList ? Op::JumpNotWord : Op::JumpNotEqualConstant, reg(subject)));
  emit_constant(f, value);
  jump_operand(f, fail_label);
  return true;
}

bool Compiler::outer_operand(Function& f, Term form, u32& out, u64 first_local) {
  Scratch<Local> hidden(vm_);
  for (u64 i = first_local; i < f.locals.size(); ++i) hidden.push(f.locals[i]);
  f.locals.shrink(std::min(first_local, f.locals.size()));
  const bool ok = operand(f, form, out);
  for (u64 i = 0; i < hidden.size(); ++i) f.locals.push(hidden[i]);
  return ok && !hidden.failed();
}

bool Compiler::pattern(Function& f, Term form, u32 subject, Label& fail_label, u64 first_local) {
  if (depth_ >= kFormDepthMax) return fail(kNil, "patterns nest too deeply");
  depth_ += 1;
  bool ok;
  if (is_symbol(vm_, form)) {
    ok = bind(f, plain_symbol(vm_, form), subject, fail_label, first_local);
  } else if (is_tuple(form) || is_vector(vm_, form)) {
    ok = sequence_pattern(f, form, subject, fail_label, first_local);
  } else if (is_pair(form)) {
    ok = list_pattern(f, form, subject, fail_label, first_local);
  } else if (is_map(vm_, form)) {
    ok = map_pattern(f, form, subject, fail_label, first_local);
  } else if (is_set(vm_, form)) {
    ok = set_pattern(f, form, subject, fail_label, first_local);
  } else {
    ok = constant_pattern(f, form, subject, fail_label);
  }
  depth_ -= 1;
  return ok;
}

bool Compiler::sequence_pattern(Function& f, Term form, u32 subject, Label& fail_label, u64 first_local) {
  const bool tuple = is_tuple(form);
  const u64 count = tuple ? tuple_count(vm_, form) : vector_count(vm_, form);
  const auto element = [&](u64 i) { return tuple ? tuple_at(vm_, form, i) : vector_at(vm_, form, i); };
  u64 fixed = count;
  for (u64 i = 0; i < count; ++i) {
    const Term part = element(i);
    if (is_symbol(vm_, part) && plain_symbol(vm_, part) == symbol(vm_, Atom::Ampersand)) {
      if (i + 2 != count) return fail(form, "one pattern follows & at the end");
      fixed = i;
      break;
    }
  }
  const bool rest = fixed != count;
  if (fixed > kPatternElementsMax) return fail(form, "a sequence pattern has at most 250 elements");
  const Op check =
      tuple ? (rest ? Op::JumpNotTupleMin : Op::JumpNotTuple) : (rest ? Op::JumpNotVectorMin : Op::JumpNotVector);
  jump(f, encode(check, reg(subject)) | static_cast<u32>(fixed) << 16, fail_label);
  const auto fetch = [&](Op op, u64 index, Term part) {
    if (is_symbol(vm_, part) && plain_symbol(vm_, part) == symbol(vm_, Atom::Underscore)) return true;
    u32 r = 0;
    if (!reserve(f, r)) return false;
    emit(f, encode(op, reg(r), reg(subject), static_cast<u32>(index)));
    return pattern(f, part, r, fail_label, first_local);
  };
  for (u64 i = 0; i < fixed; ++i) {
    if (!fetch(tuple ? Op::TupleGet : Op::VectorGet, i, element(i))) return false;
  }
  return !rest || fetch(tuple ? Op::TupleRest : Op::VectorRest, fixed, element(fixed + 1));
}

bool Compiler::list_pattern(Function& f, Term form, u32 subject, Label& fail_label, u64 first_local) {
  const Term first = head(vm_, form);
  const Term head_name = is_symbol(vm_, first) ? plain_symbol(vm_, first) : kNone;
  const u64 count = list_length(vm_, form);
  const auto at = [&](u64 i) {
    Term list = form;
    for (; i > 0; --i) list = tail(vm_, list);
    return head(vm_, list);
  };
  if (head_name == symbol(vm_, Atom::Quote)) {
    if (count != 2) return fail(form, "quote takes one form");
    return constant_pattern(f, at(1), subject, fail_label);
  }
  if (head_name == symbol(vm_, Atom::Equals)) {
    if (count != 2) return fail(form, "(= e) takes one expression");
    u32 r = 0;
    if (!outer_operand(f, at(1), r, first_local)) return false;
    jump(f, encode(Op::JumpNotSame, reg(subject), reg(r)), fail_label);
    return true;
  }
  if (head_name == symbol(vm_, Atom::As)) {
    if (count != 3 || !is_symbol(vm_, at(1))) return fail(form, "(as x p) takes a name and a pattern");
    if (!bind(f, plain_symbol(vm_, at(1)), subject, fail_label, first_local)) return false;
    return pattern(f, at(2), subject, fail_label, first_local);
  }
  if (head_name == symbol(vm_, Atom::Pid)) {
    if (count != 3) return fail(form, "(pid r l) takes two patterns");
    u32 parts = 0;
    if (!reserve(f, parts)) return false;
    emit_native(f, static_cast<u32>(NativeId::PidParts), parts, subject, 1);
    return sequence_pattern(f, make_tuple(vm_, {at(1), at(2)}), parts, fail_label, first_local);
  }
  if (head_name == symbol(vm_, Atom::BytesStar)) return bytes_pattern(f, form, subject, fail_label, first_local);
  if (head_name == symbol(vm_, Atom::BitsStar)) return bits_pattern(f, form, subject, fail_label, first_local);
  return list_rest_pattern(f, form, subject, fail_label, first_local, false);
}

/// Elements of a list pattern from one on; `rest` may be empty. A subject that is the rest of a
/// list is known to be a list.
bool Compiler::list_rest_pattern(Function& f, Term rest, u32 subject, Label& fail_label, u64 first_local,
                                 bool is_rest) {
  for (;;) {
    if (!is_pair(rest)) {  // nothing may follow
      emit(f, encode(Op::JumpNotWord, reg(subject)));
      emit_constant(f, kEmptyList);
      jump_operand(f, fail_label);
      return true;
    }
    const Term part = head(vm_, rest);
    if (is_symbol(vm_, part) && plain_symbol(vm_, part) == symbol(vm_, Atom::Ampersand)) {
      if (list_length(vm_, rest) != 2) return fail(rest, "one pattern follows & at the end");
      if (!is_rest) {
        u32 whole = 0;
        if (!reserve(f, whole)) return false;
        emit_native(f, static_cast<u32>(NativeId::IsList), whole, subject, 1);
        jump(f, encode(Op::JumpFalsy, reg(whole)), fail_label);
      }
      return pattern(f, head(vm_, tail(vm_, rest)), subject, fail_label, first_local);
    }
    u32 next = 0;
    if (!reserve(f, next)) return false;
    if (is_symbol(vm_, part) && plain_symbol(vm_, part) == symbol(vm_, Atom::Underscore)) {
      jump(f, encode(Op::JumpNotPair, reg(subject)), fail_label);
      emit(f, encode(Op::Tail2, reg(next), reg(subject)));
    } else {
      u32 element = 0;
      if (!reserve(f, element)) return false;
      jump(f, encode(Op::Uncons, reg(subject), reg(element), reg(next)), fail_label);
      if (!pattern(f, part, element, fail_label, first_local)) return false;
    }
    subject = next;
    is_rest = true;
    rest = tail(vm_, rest);
  }
}

bool Compiler::map_pattern(Function& f, Term form, u32 subject, Label& fail_label, u64 first_local) {
  Scratch<Term> entries(vm_);
  map_each(vm_, form, [&](Term key, Term value) {
    entries.push(key);
    entries.push(value);
  });
  if (entries.empty()) {  // else fetching a value tells a map
    u32 is = 0;
    if (!reserve(f, is)) return false;
    emit_native(f, static_cast<u32>(NativeId::IsMap), is, subject, 1);
    jump(f, encode(Op::JumpFalsy, reg(is)), fail_label);
  }
  for (u64 i = 0; i < entries.size(); i += 2) {
    Term key = entries[i];
    u32 key_reg = 0;
    const bool pin = is_pair(key) && is_symbol(vm_, head(vm_, key)) &&
                     plain_symbol(vm_, head(vm_, key)) == symbol(vm_, Atom::Equals) && list_length(vm_, key) == 2;
    const bool quoted = is_pair(key) && is_symbol(vm_, head(vm_, key)) &&
                        plain_symbol(vm_, head(vm_, key)) == symbol(vm_, Atom::Quote) && list_length(vm_, key) == 2;
    if (pin) {
      if (!outer_operand(f, head(vm_, tail(vm_, key)), key_reg, first_local)) return false;
    } else {
      if (quoted) key = head(vm_, tail(vm_, key));
      if (!quoted && (is_symbol(vm_, key) || !is_constant(key))) {
        return fail(form, "a key in a map pattern is a constant or (= e)");
      }
      if (!reserve(f, key_reg)) return false;
      constant(f, key, key_reg);
    }
    u32 value = 0;
    if (!reserve(f, value)) return false;
    jump(f, encode(Op::MapTake, reg(value), reg(subject), reg(key_reg)), fail_label);
    if (!pattern(f, entries[i + 1], value, fail_label, first_local)) return false;
  }
  return true;
}

bool Compiler::set_pattern(Function& f, Term form, u32 subject, Label& fail_label, u64 first_local) {
  // Constants must be members; what is left is a tuple, in iteration order, against which the other patterns match.
  Scratch<Term> others(vm_);
  Term constants = kEmptySet;
  map_each(vm_, form, [&](Term element, Term) {
    const bool quoted =
        is_pair(element) && head(vm_, element) == symbol(vm_, Atom::Quote) && list_length(vm_, element) == 2;
    if (quoted) {
      constants = map_put(vm_, constants, head(vm_, tail(vm_, element)), kNil);
    } else if (!is_symbol(vm_, element) && is_constant(element)) {
      constants = map_put(vm_, constants, element, kNil);
    } else {
      others.push(element);
    }
  });
  u32 pair = 0;
  if (!reserve_many(f, 2, pair)) return false;
  emit(f, encode(Op::Move, reg(pair), reg(subject)));
  constant(f, constants, pair + 1);
  u32 rest = 0;
  if (!reserve(f, rest)) return false;
  emit_native(f, static_cast<u32>(NativeId::SetPatternRest), rest, pair, 2);
  const Term patterns = make_object(vm_, Type::Tuple, others.size());
  if (patterns == kRaised) return false;
  for (u64 i = 0; i < others.size(); ++i) vm_.object(patterns)[1 + i] = others[i];
  return sequence_pattern(f, patterns, rest, fail_label, first_local);
}

bool Compiler::bytes_pattern(Function& f, Term form, u32 subject, Label& fail_label, u64 first_local) {
  // (bytes* e … & rest): each element is an 8-bit segment, so this is a bits pattern.
  Term segments = kEmptyList;
  Term list = tail(vm_, form);
  for (; is_pair(list); list = tail(vm_, list)) {
    const Term part = head(vm_, list);
    if (is_symbol(vm_, part) && plain_symbol(vm_, part) == symbol(vm_, Atom::Ampersand)) break;
    segments = make_pair(vm_, make_tuple(vm_, {part, kNil, kEmptyList}), segments);
  }
  return bits_pattern(f, make_pair(vm_, symbol(vm_, Atom::BitsStar), reverse_list(vm_, segments, list)), subject,
                      fail_label, first_local);
}

bool Compiler::bits_pattern(Function& f, Term form, u32 subject, Label& fail_label, u64 first_local) {
  // Registers: binary, position in bits, and for fields that a native takes their size and flags.
  u32 block = 0;
  if (!reserve_many(f, 4, block)) return false;
  f.unset.add(block + 2);
  f.unset.add(block + 3);
  jump(f, encode(Op::BitsStart, reg(block), reg(subject)), fail_label);
  for (Term list = tail(vm_, form); is_pair(list); list = tail(vm_, list)) {
    const Term segment = head(vm_, list);
    if (is_symbol(vm_, segment) && plain_symbol(vm_, segment) == symbol(vm_, Atom::Ampersand)) {
      if (list_length(vm_, list) != 2) return fail(form, "one pattern follows & at the end");
      u32 rest = 0;
      if (!reserve(f, rest)) return false;
      jump(f, encode(Op::BitsRest, reg(rest), reg(block)), fail_label);
      return pattern(f, head(vm_, tail(vm_, list)), rest, fail_label, first_local);
    }
    if (!is_tuple(segment) || tuple_count(vm_, segment) != 3)
      return fail(form, "a segment is a value, a size and modifiers");
    const Term flags = bits_flags(vm_, segment);
    if (flags == kRaised) return false;
    if ((small_value(flags) & kBitsBytes) != 0 && tuple_at(vm_, segment, 1) == kNil && is_pair(tail(vm_, list))) {
      return fail(form, "/bytes without a size comes last");
    }
    const Term value = tuple_at(vm_, segment, 0);
    const Term size = tuple_at(vm_, segment, 1) == kNil ? small(8) : tuple_at(vm_, segment, 1);
    u32 field = 0;
    if (!reserve(f, field)) return false;
    if ((small_value(flags) & kBitsBytes) == 0 && is_small(size) && size <= small(kBitsSmallMax)) {
      emit(f, encode(Op::BitsInteger, reg(field), reg(block), static_cast<u32>(small_value(flags))));
      emit(f, static_cast<u32>(small_value(size)));
      jump_operand(f, fail_label);
      if (is_small(value)) {  // the field is a small integer too, so words can be compared
        emit(f, encode(Op::JumpNotWord, reg(field)));
        emit_constant(f, value);
        jump_operand(f, fail_label);
      } else if (!pattern(f, value, field, fail_label, first_local)) {
        return false;
      }
      continue;
    }
    f.unset.add(field);
    constant(f, flags, block + 3);
    f.unset.remove(block + 3);
    if (tuple_at(vm_, segment, 1) == kNil) {
      constant(f, kNil, block + 2);
    } else if (!expression(f, size, block + 2, Place::Value)) {
      return false;
    }
    f.unset.remove(block + 2);
    f.unset.remove(field);
    emit_native(f, static_cast<u32>(NativeId::BitsTake), field, block, 4);
    jump(f, encode(Op::JumpFalsy, reg(field)), fail_label);
    if (!pattern(f, value, field, fail_label, first_local)) return false;
    emit_native(f, static_cast<u32>(NativeId::BitsAdvance), block + 1, block, 4);
  }
  u32 is = 0;
  if (!reserve(f, is)) return false;
  emit_native(f, static_cast<u32>(NativeId::BitsAtEnd), is, block, 2);
  jump(f, encode(Op::JumpFalsy, reg(is)), fail_label);
  return true;
}

bool Compiler::bits_constructor(Function& f, Term form, u32 to) {
  // An accumulator tuple [binary bits…] would cost a copy a segment: all segments are collected, then built at once.
  Scope scope(f);
  Term segments = tail(vm_, form);
  u32 first = f.next;
  u32 count = 0;
  for (; is_pair(segments); segments = tail(vm_, segments)) {
    Term segment = head(vm_, segments);
    Term flags = small(kBitsBytes);
    Term value = kNil;
    Term size = kNil;
    if (is_symbol(vm_, segment) && plain_symbol(vm_, segment) == symbol(vm_, Atom::Ampersand)) {
      if (list_length(vm_, segments) != 2) return fail(form, "one binary follows & at the end");
      segments = tail(vm_, segments);
      value = head(vm_, segments);
    } else {
      if (!is_tuple(segment) || tuple_count(vm_, segment) != 3)
        return fail(form, "a segment is a value, a size and modifiers");
      flags = bits_flags(vm_, segment);
      if (flags == kRaised) return false;
      value = tuple_at(vm_, segment, 0);
      size = tuple_at(vm_, segment, 1);
    }
    u32 block = 0;
    if (!reserve_many(f, 3, block)) return false;
    for (u32 i = 0; i < 3; ++i) f.unset.add(block + i);
    if (!expression(f, value, block, Place::Value)) return false;
    f.unset.remove(block);
    if (!expression(f, size, block + 1, Place::Value)) return false;
    f.unset.remove(block + 1);
    constant(f, flags, block + 2);
    f.unset.remove(block + 2);
    count += 3;
  }
  emit_native(f, static_cast<u32>(NativeId::BitsBuild), to, first, count);
  return true;
}

bool Compiler::bytes_constructor(Function& f, Term form, u32 to) {
  Scope scope(f);
  const u32 first = f.next;
  u32 count = 0;
  Term tail_form = kNil;
  for (Term list = tail(vm_, form); is_pair(list); list = tail(vm_, list)) {
    Term part = head(vm_, list);
    if (is_symbol(vm_, part) && plain_symbol(vm_, part) == symbol(vm_, Atom::Ampersand)) {
      if (list_length(vm_, list) != 2) return fail(form, "one binary follows & at the end");
      tail_form = head(vm_, tail(vm_, list));
      break;
    }
    u32 r = 0;
    if (!reserve(f, r)) return false;
    f.unset.add(r);
    if (!expression(f, part, r, Place::Value)) return false;
    f.unset.remove(r);
    count += 1;
  }
  u32 r = 0;
  if (!reserve(f, r)) return false;
  f.unset.add(r);
  if (!expression(f, tail_form, r, Place::Value)) return false;
  f.unset.remove(r);
  emit_native(f, static_cast<u32>(NativeId::BytesBuild), to, first, count + 1);
  return true;
}

bool Compiler::guard_allowed(Function& f, Term form, u32 depth) {
  if (!is_pair(form)) return true;
  if (depth > kFormDepthMax || !is_symbol(vm_, head(vm_, form))) return fail(form, "not allowed in a guard");
  const Term name = plain_symbol(vm_, head(vm_, form));
  if (name == symbol(vm_, Atom::Quote)) return true;
  if (name == symbol(vm_, Atom::Do)) {
    for (Term list = tail(vm_, form); is_pair(list); list = tail(vm_, list)) {
      if (!guard_allowed(f, head(vm_, list), depth + 1)) return false;
    }
    return true;
  }
  if (name == symbol(vm_, Atom::Match)) return true;  // its parts are compiled as guards by `guard`
  if (is_special(name)) return fail(form, "not allowed in a guard");
  bool expanded = false;
  const Term result = expand(f, form, expanded);
  if (result == kRaised) return false;
  if (expanded) return guard_allowed(f, result, depth + 1);
  u32 r = 0;
  u32 index = 0;
  bool captured = false;
  const bool local = name_record(vm_, name).space_bytes == 0 && resolve_local(f, name, r, captured, index);
  const Term var = local ? kNone : var_resolve(vm_, current_namespace(vm_), name);
  if (var == kNone || (var_flags(vm_, var) & kVarGuard) == 0) return fail(form, "not allowed in a guard");
  for (Term list = tail(vm_, form); is_pair(list); list = tail(vm_, list)) {
    if (!guard_allowed(f, head(vm_, list), depth + 1)) return false;
  }
  return true;
}

bool Compiler::guard(Function& f, Term form, Label& fail_label) {
  if (!guard_allowed(f, form, 0)) return false;
  const u32 live = f.next - 1;
  before_call(f, f.next);
  const u32 from = static_cast<u32>(f.code.size());
  if (!test(f, form, fail_label)) return false;
  const u32 to = static_cast<u32>(f.code.size());
  Label body;
  jump(f, encode(Op::Jump, 0), body);
  f.guards.push({from, to, static_cast<u32>(f.code.size()), live});
  jump(f, encode(Op::Jump, 0), fail_label);
  place(f, body);
  return true;
}

bool Compiler::clauses(Function& f, Term list, u32 subject, u32 to, Place where, Label& end, Label& none,
                       bool receiving) {
  const Term after = keyword(vm_, Atom::After);
  Decision decision(*this, f, subject, receiving);
  while (is_pair(list) && !(receiving && head(vm_, list) == after)) {
    const Term form = head(vm_, list);
    list = tail(vm_, list);
    Term guard_form = kNone;
    if (is_pair(list) && is_symbol(vm_, head(vm_, list)) &&
        plain_symbol(vm_, head(vm_, list)) == symbol(vm_, Atom::When) && is_pair(tail(vm_, list))) {
      guard_form = head(vm_, tail(vm_, list));
      list = tail(vm_, tail(vm_, list));
    }
    if (!is_pair(list)) return fail(form, "a clause is a pattern and a body");
    if (!decision.add(form, guard_form, head(vm_, list))) return false;
    list = tail(vm_, list);
  }
  return decision.emit(to, where, end, none);
}

/// (match c false X nil X _ Y) with one form X, which is what `if` and its relatives expand to: a branch.
bool Compiler::two_way(Function& f, Term form, u32 to, Place where, bool& done) {
  done = false;
  if (list_length(vm_, form) != 8) return true;
  Term parts[8];
  for (u32 i = 0; i < 8; ++i, form = tail(vm_, form)) parts[i] = head(vm_, form);
  const bool shape = parts[2] == kFalse && parts[4] == kNil && parts[3] == parts[5] && is_symbol(vm_, parts[6]) &&
                     plain_symbol(vm_, parts[6]) == symbol(vm_, Atom::Underscore);
  if (!shape) return true;
  done = true;
  // The part that goes on with a call follows the test: there the machine need not read a jump to know what comes next.
  const bool inverted = where == Place::Tail && !is_pair(parts[7]) && is_pair(parts[3]);
  const Term near = inverted ? parts[3] : parts[7];
  const Term far = inverted ? parts[7] : parts[3];
  Label otherwise;
  Label end;
  if (!jump_when(f, parts[1], inverted, otherwise)) return false;
  const Unset unset = f.unset;
  if (!expression(f, near, to, where)) return false;
  if (!otherwise.used()) return true;
  if (where == Place::Value) jump(f, encode(Op::Jump, 0), end);
  f.unset = unset;
  place(f, otherwise);
  if (!expression(f, far, to, where)) return false;
  f.unset = unset;
  place(f, end);
  return true;
}

bool Compiler::match(Function& f, Term form, u32 to, Place where) {
  if (!is_pair(tail(vm_, form))) return fail(form, "match takes an expression");
  bool done = false;
  if (!two_way(f, form, to, where, done)) return false;
  if (done) return true;
  Scope scope(f);
  u32 subject = 0;
  if (!operand(f, head(vm_, tail(vm_, form)), subject)) return false;
  Label end;
  Label none;
  if (!clauses(f, tail(vm_, tail(vm_, form)), subject, to, where, end, none, false)) return false;
  if (none.used()) {
    place(f, none);
    emit(f, encode(Op::BadMatch, reg(subject)));
  } else {
    drop_last_jump(f, end);
  }
  place(f, end);
  return true;
}

/// The local that every clause of a `receive` pins at some place of a tuple, or kNone: if it is a ref, older messages cannot match.
Term Compiler::wanted_ref(Function& f, Term clause_list) {
  const auto pinned = [&](Term part) {  // (= name)
    const bool is_pin = is_pair(part) && is_symbol(vm_, head(vm_, part)) &&
                        plain_symbol(vm_, head(vm_, part)) == symbol(vm_, Atom::Equals) && is_pair(tail(vm_, part)) &&
                        tail(vm_, tail(vm_, part)) == kEmptyList && is_symbol(vm_, head(vm_, tail(vm_, part)));
    return is_pin ? plain_symbol(vm_, head(vm_, tail(vm_, part))) : kNone;
  };
  const auto pins = [&](Term pattern, Term name) {
    for (u64 i = 0; is_tuple(pattern) && i < tuple_count(vm_, pattern); ++i) {
      if (pinned(tuple_at(vm_, pattern, i)) == name) return true;
    }
    return false;
  };
  const auto all_pin = [&](Term name) {
    Term list = clause_list;
    while (is_pair(list) && head(vm_, list) != keyword(vm_, Atom::After)) {
      if (!pins(head(vm_, list), name)) return false;
      list = tail(vm_, list);
      const bool guarded = is_pair(list) && is_symbol(vm_, head(vm_, list)) &&
                           plain_symbol(vm_, head(vm_, list)) == symbol(vm_, Atom::When) && is_pair(tail(vm_, list));
      if (guarded) list = tail(vm_, tail(vm_, list));
      if (is_pair(list)) list = tail(vm_, list);
    }
    return true;
  };
  const Term first = is_pair(clause_list) ? head(vm_, clause_list) : kNone;
  for (u64 i = 0; is_tuple(first) && i < tuple_count(vm_, first); ++i) {
    const Term name = pinned(tuple_at(vm_, first, i));
    u32 reg = 0;
    u32 index = 0;
    bool captured = false;
    const bool local =
        name != kNone && name_record(vm_, name).space_bytes == 0 && resolve_local(f, name, reg, captured, index);
    if (local && all_pin(name)) return name;
  }
  return kNone;
}

bool Compiler::receive(Function& f, Term form, u32 to, Place where) {
  Scope scope(f);
  const Term after = keyword(vm_, Atom::After);
  Term list = tail(vm_, form);
  Term timeout = keyword(vm_, Atom::Infinity);
  Term timeout_body = kNil;
  for (Term rest = list; is_pair(rest); rest = tail(vm_, rest)) {
    if (head(vm_, rest) != after) continue;
    if (list_length(vm_, rest) != 3) return fail(form, ":after takes a time and a body, at the end");
    timeout = head(vm_, tail(vm_, rest));
    timeout_body = head(vm_, tail(vm_, tail(vm_, rest)));
    break;
  }
  u32 time = 0;
  u32 message = 0;
  if (!reserve(f, time)) return false;
  f.unset.add(time);
  if (!expression(f, timeout, time, Place::Value)) return false;
  f.unset.remove(time);
  const Term wanted = wanted_ref(f, list);
  u32 ref = 0;
  if (wanted != kNone && !operand(f, wanted, ref)) return false;
  if (!reserve(f, message)) return false;
  emit(f, encode(Op::ReceiveStart, reg(time)));
  const bool none_wanted = !is_pair(list) || head(vm_, list) == after;
  if (none_wanted || wanted != kNone) emit(f, encode(Op::ReceiveMark, reg(none_wanted ? time : ref), none_wanted));
  Label expired;
  // Registers below are terms while it waits.
  before_call(f, message);
  const u32 next_at = static_cast<u32>(f.code.size());
  jump(f, encode(Op::ReceiveNext, reg(message)), expired);
  Label end;
  Label none;
  if (!clauses(f, list, message, to, where, end, none, true)) return false;
  if (none.used()) {
    place(f, none);
    emit(f, encode(Op::ReceiveSkip, 0));
    emit(f, next_at - static_cast<u32>(f.code.size()));  // backwards
  }
  place(f, expired);
  f.unset.add(message);  // no message came
  if (!expression(f, timeout_body, to, where)) return false;
  place(f, end);
  return true;
}

}  // namespace lonala::compile
