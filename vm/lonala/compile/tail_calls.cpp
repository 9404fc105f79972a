// vm/lonala/compile/tail_calls.cpp — arguments of a call in tail position become the registers 1 … of this very frame.
// Arguments are evaluated left to right, since each may fail or have effects; only plain values (locals, constants) are moved at
// the end, in an order that overwrites nothing that is still needed.
#include "vm/lonala/compile/parts.h"
#include "vm/lonala/namespaces.h"

#include "base/enforce.h"

namespace lonala::compile {
namespace {

constexpr u32 kInPlaceMax = 16;  // more arguments all take the long way: deciding is quadratic

}  // namespace

/// How an argument is evaluated.
Argument Compiler::argument_of(Function& f, Term form) {
  Argument out{form, Argument::Kind::Complex, 0, {}, false};
  u32 index = 0;
  bool captured = false;
  if (is_symbol(vm_, form)) {
    const Term name = plain_symbol(vm_, form);
    if (is_special(name)) return out;
    out.kind = Argument::Kind::Instruction;
    if (name_record(vm_, name).space_bytes != 0 || !resolve_local(f, name, out.from, captured, index)) return out;
    if (!captured) out.kind = Argument::Kind::Moved;
    out.reads.add(captured ? f.self : out.from);
    return out;
  }
  if (!is_pair(form)) {
    if (is_constant(form)) out.kind = Argument::Kind::Constant;
    return out;
  }
  if (!is_symbol(vm_, head(vm_, form))) return out;
  const Term name = plain_symbol(vm_, head(vm_, form));
  if (is_special(name)) return out;
  if (name_record(vm_, name).space_bytes == 0 && resolve_local(f, name, out.from, captured, index)) return out;
  const Term var = var_resolve(vm_, current_namespace(vm_), name);
  if (var == kNone) return out;
  const u64 count = list_length(vm_, tail(vm_, form));
  switch (inline_native(vm_, var)) {
    case NativeId::Add:
    case NativeId::Subtract:
    case NativeId::Multiply:
    case NativeId::Prepend:
      if (count != 2) return out;
      break;
    case NativeId::First:
    case NativeId::Rest:
      if (count != 1) return out;
      break;
    default: return out;
  }
  for (Term list = tail(vm_, form); is_pair(list); list = tail(vm_, list)) {
    const Term part = head(vm_, list);
    if (is_pair(part)) return out;
    const Argument inner = argument_of(f, part);
    if (inner.kind == Argument::Kind::Complex) return out;
    for (u32 i = 0; i < 4; ++i) out.reads.words[i] |= inner.reads.words[i];
  }
  out.kind = Argument::Kind::Instruction;
  return out;
}

/// Evaluates what needs instructions: in place where nothing that comes later reads the parameter, else into a register of its own.
bool Compiler::evaluate_arguments(Function& f, Scratch<Argument>& list, u32 target_count) {
  for (u32 i = 0; i < list.size(); ++i) {
    Argument& argument = list[i];
    argument.pending = true;
    if (argument.kind == Argument::Kind::Moved || argument.kind == Argument::Kind::Constant) continue;
    const u32 target = i + 1;
    bool in_place = argument.kind == Argument::Kind::Instruction && i < target_count && list.size() <= kInPlaceMax;
    for (u32 j = 0; j < list.size() && in_place; ++j) {
      if (j == i || (j < i && !list[j].pending)) continue;
      if (list[j].kind == Argument::Kind::Complex && j > i) in_place = false;
      if (list[j].reads.has(target)) in_place = false;
    }
    if (in_place) {
      if (!expression(f, argument.form, target, Place::Value)) return false;
      f.unset.remove(target);
      argument.pending = false;
      continue;
    }
    u32 own = 0;
    if (!reserve(f, own)) return false;
    f.unset.add(own);
    if (!expression(f, argument.form, own, Place::Value)) return false;
    f.unset.remove(own);
    argument.kind = Argument::Kind::Moved;
    argument.from = own;
    argument.reads = {};
    argument.reads.add(own);
  }
  return true;
}

/// The parallel move. Constants come last: they read nothing.
bool Compiler::move_arguments(Function& f, Scratch<Argument>& list, u32 target_count) {
  for (;;) {
    u32 stuck = target_count;
    bool moved = false;
    for (u32 i = 0; i < target_count; ++i) {
      if (!list[i].pending || list[i].kind != Argument::Kind::Moved) continue;
      const u32 target = i + 1;
      bool needed = false;
      for (u32 j = 0; j < target_count && list[i].from != target; ++j) {
        needed =
            needed || (j != i && list[j].pending && list[j].kind == Argument::Kind::Moved && list[j].from == target);
      }
      if (needed) {
        stuck = i;
        continue;
      }
      if (list[i].from != target) emit(f, encode(Op::Move, reg(target), reg(list[i].from)));
      list[i].pending = false;
      moved = true;
    }
    if (moved) continue;
    if (stuck == target_count) break;
    u32 aside = 0;  // a cycle
    if (!reserve(f, aside)) return false;
    emit(f, encode(Op::Move, reg(aside), reg(list[stuck].from)));
    list[stuck].from = aside;
  }
  for (u32 i = 0; i < target_count; ++i) {
    if (list[i].pending) constant(f, list[i].form, i + 1);
  }
  return true;
}

/// Calls the var, or if that is kNone what `callee` evaluates to, after the arguments.
bool Compiler::tail_call(Function& f, Term callee, Term var, Term arguments) {
  Scope scope(f);
  Scratch<Argument> list(vm_);
  for (; is_pair(arguments); arguments = tail(vm_, arguments)) list.push(argument_of(f, head(vm_, arguments)));
  const u32 count = static_cast<u32>(list.size());
  if (count >= kRegistersMax) return fail(kNil, "a function needs more than 250 registers");
  while (f.next <= count) {  // parameters of what is called, beyond what this function holds
    u32 beyond = 0;
    if (!reserve(f, beyond)) return false;
    f.unset.add(beyond);
  }
  if (var == kNone) list.push(argument_of(f, callee));
  if (list.failed()) {
    raise_oom(vm_, count);
    return false;
  }
  if (!evaluate_arguments(f, list, count)) return false;
  u32 function = 0;
  if (var == kNone) {
    Argument& last = list[count];
    function = last.from;
    if (last.kind == Argument::Kind::Constant || function <= count) {
      if (!reserve(f, function)) return false;
      if (last.kind == Argument::Kind::Constant) {
        constant(f, last.form, function);
      } else {
        emit(f, encode(Op::Move, reg(function), reg(last.from)));
      }
    }
  }
  if (!move_arguments(f, list, count)) return false;
  if (var == kNone) {
    emit(f, encode(Op::Tail, reg(function), count));
    return true;
  }
  if (var == f.var && count == f.parameters) {
    const u32 back = static_cast<u32>(f.code.size());
    emit(f, encode(Op::TailSelf, 0, count));
    emit(f, static_cast<u32>(payload_of(var)));
    emit(f, back);
    return true;
  }
  emit(f, encode(Op::TailVar, 0, count));
  emit(f, static_cast<u32>(payload_of(var)));
  return true;
}

}  // namespace lonala::compile
