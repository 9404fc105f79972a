// vm/lonala/compile/emit.cpp — words, labels, registers and names.
#include "vm/lonala/collections/map.h"
#include "vm/lonala/collections/vector.h"
#include "vm/lonala/compile/parts.h"

#include "base/enforce.h"

namespace lonala::compile {

void Compiler::emit_constant(Function& f, Term value) {
  if (tag_of(value) == Tag::Pair || tag_of(value) == Tag::Tuple || tag_of(value) == Tag::Boxed) {
    const Term copy = copy_to_literals(vm_, value);
    if (copy == kNone) {
      vm_.process->flags |= kOutOfMemory;
      value = kNil;
    } else {
      value = copy;
    }
  }
  emit(f, static_cast<u32>(value));
  emit(f, static_cast<u32>(value >> 32));
}

void Compiler::emit_native(Function& f, u32 native, u32 to, u32 first, u32 count) {
  emit(f, encode(Op::Native, reg(to), reg(first), count));
  emit(f, native);
}

void Compiler::jump_operand(Function& f, Label& label) {
  const u32 at = static_cast<u32>(f.code.size());
  emit(f, label.last);
  label.last = at;
}

void Compiler::jump(Function& f, u32 word, Label& label) {
  emit(f, word);
  jump_operand(f, label);
}

/// A jump to the place right behind it is none.
void Compiler::drop_last_jump(Function& f, Label& end) {
  if (!end.used() || end.last + 1 != f.code.size()) return;
  end.last = f.code[end.last];
  f.code.shrink(f.code.size() - 2);
}

void Compiler::place(Function& f, Label& label) {
  const u32 here = static_cast<u32>(f.code.size());
  for (u32 at = label.last; at != 0 && !f.code.failed();) {
    const u32 before = f.code[at];
    f.code[at] = here - at;
    at = before;
  }
  label.last = 0;
}

void Compiler::before_call(Function& f, u32 base) {
  for (u32 r = 1; r < base; ++r) {
    if (!f.unset.has(r)) continue;
    emit(f, encode(Op::LoadSpecial, reg(r)) | static_cast<u32>(payload_of(kNil)) << 16);
    f.unset.remove(r);
  }
}

bool Compiler::reserve(Function& f, u32& out) { return reserve_many(f, 1, out); }

bool Compiler::reserve_many(Function& f, u32 count, u32& first) {
  if (f.next + count > kRegistersMax) return fail(kNil, "a function needs more than 250 registers");
  first = f.next;
  f.next += count;
  if (f.next > f.most) f.most = f.next;
  return true;
}

bool Compiler::resolve_local(Function& f, Term name, u32& out, bool& captured, u32& index) {
  captured = false;
  for (u64 i = f.locals.size(); i > 0; --i) {
    if (f.locals[i - 1].name != name) continue;
    out = f.locals[i - 1].reg;
    return true;
  }
  if (f.self_name == name) {
    out = f.self;
    return true;
  }
  captured = true;
  for (u64 i = 0; i < f.captures.size(); ++i) {
    if (f.captures[i] == name) {
      index = static_cast<u32>(i);
      return true;
    }
  }
  if (f.outer == nullptr) return false;
  u32 outer_reg = 0;
  u32 outer_index = 0;
  bool outer_captured = false;
  if (!resolve_local(*f.outer, name, outer_reg, outer_captured, outer_index)) return false;
  index = static_cast<u32>(f.captures.size());
  f.captures.push(name);
  return true;
}

bool Compiler::is_special(Term symbol_term_) const {
  for (u32 i = static_cast<u32>(Atom::Def); i <= static_cast<u32>(Atom::BitsStar); ++i) {
    if (symbol_term_ == symbol(vm_, static_cast<Atom>(i))) return true;
  }
  return false;
}

bool Compiler::is_constant(Term form) const {
  // An explicit stack: literals may nest deeply.
  Scratch<Term> work(vm_);
  work.push(form);
  while (!work.empty()) {
    const Term term = work.back();
    work.pop();
    if (is_pair(term) || is_symbol(vm_, term)) return false;
    each_part(vm_, term, [&](Term part) { work.push(part); });
    if (work.failed()) return false;
  }
  return true;
}

}  // namespace lonala::compile
