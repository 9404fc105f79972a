// vm/lonala/compile/parts.h — the compiler's own vocabulary, shared by its files.
#pragma once
#include "vm/lonala/code.h"
#include "vm/lonala/collections/map.h"
#include "vm/lonala/collections/vector.h"
#include "vm/lonala/compile/compiler.h"
#include "vm/lonala/errors.h"
#include "vm/lonala/heap.h"
#include "vm/lonala/natives/natives.h"

namespace lonala::compile {

/// Jumps waiting for their target: each one's word holds the place of the one before.
struct Label {
  u32 last = 0;
  bool used() const { return last != 0; }
};

struct Local {
  Term name;
  u32 reg;
};

/// Registers that are reserved but hold no term yet; before a call they get nil, so that every word below is a term.
struct Unset {
  u64 words[4] = {};
  void add(u32 reg) { words[reg / 64] |= u64{1} << reg % 64; }
  void remove(u32 reg) { words[reg / 64] &= ~(u64{1} << reg % 64); }
  bool has(u32 reg) const { return (words[reg / 64] >> reg % 64 & 1) != 0; }
};

/// A function under construction.
struct Function {
  Function(Vm& vm, Function* outer_function) : outer(outer_function), code(vm), locals(vm), captures(vm), guards(vm) {}
  Function* outer;
  Scratch<u32> code;
  Scratch<Local> locals;
  Scratch<Term> captures;  // names, in order
  Scratch<GuardRange> guards;
  Unset unset;
  u32 next = 1;  // first free register
  u32 most = 1;
  u32 self = 0;
  Term self_name = kNone;
  u32 parameters = 0;
  Term var = kNone;  // that it is the definition of
};

/// What a tail call does with an argument. Those of one instruction may write the parameter in place; the rest of the call is a
/// parallel move.
struct Argument {
  enum class Kind : u8 { Moved, Constant, Instruction, Complex };
  Term form;
  Kind kind;
  u32 from;      // Moved: the register that holds the value
  Unset reads;   // registers, for Moved and Instruction
  bool pending;  // still to be moved
};

/// The native a var started with and still holds, for those that have instructions; else NativeId::End.
NativeId inline_native(const Vm& vm, Term var);

enum class Place : u8 { Value, Tail };
constexpr u32 kPatternElementsMax = 250;

/// Visits the terms directly inside a form.
template <class Visit>
void each_part(const Vm& vm, Term form, Visit visit) {
  if (is_pair(form)) {
    visit(head(vm, form));
    visit(tail(vm, form));
  } else if (is_tuple(form)) {
    for (u64 i = 0; i < tuple_count(vm, form); ++i) visit(tuple_at(vm, form, i));
  } else if (is_vector(vm, form)) {
    vector_each(vm, form, visit);
  } else if (is_map(vm, form) || is_set(vm, form)) {
    map_each(vm, form, [&](Term key, Term value) {
      visit(key);
      visit(value);
    });
  }
}

class Compiler {
 public:
  explicit Compiler(Vm& vm, const Unit& unit = {}) : vm_(vm), unit_(unit) {}
  Term unit(Term form);
  Term expand_once(Term form);

 private:
  friend struct Scope;
  friend class Decision;
  // expressions.cpp
  bool expression(Function& f, Term form, u32 to, Place place);
  bool symbol_value(Function& f, Term form, u32 to);
  bool call(Function& f, Term form, u32 to, Place place);
  bool call_var(Function& f, Term var, Term arguments, u32 to, Place place);
  bool inline_call(Function& f, u32 kind, Term arguments, u32 to, bool& done);
  bool branch_call(Function& f, u32 kind, Term arguments, bool when, Label& label, bool& done);
  bool arguments_into(Function& f, Term arguments, u32 first, u32& count);
  bool constant(Function& f, Term value, u32 to);
  bool collection(Function& f, Term form, u32 to);
  bool finish(Function& f, u32 to, Place place);
  /// The register that holds the form's value: a local's own, or a new one.
  bool operand(Function& f, Term form, u32& reg);
  bool test(Function& f, Term form, Label& otherwise) { return jump_when(f, form, false, otherwise); }
  /// Jumps if the form's truth is `when`, else goes on.
  bool jump_when(Function& f, Term form, bool when, Label& label);
  // tail_calls.cpp
  bool tail_call(Function& f, Term callee, Term var, Term arguments);
  Argument argument_of(Function& f, Term form);
  bool evaluate_arguments(Function& f, Scratch<Argument>& list, u32 target_count);
  bool move_arguments(Function& f, Scratch<Argument>& list, u32 target_count);
  // special_forms.cpp
  bool special(Function& f, Atom head, Term form, u32 to, Place place, bool& known);
  bool sequence(Function& f, Term forms, u32 to, Place place);
  bool define(Function& f, Term form, u32 to);
  bool function(Function& f, Term form, u32 to);
  bool var_form(Function& f, Term form, u32 to);
  Term finish_function(Function& f, u32 parameters, bool variadic, Term name, Term parameter_names);
  // match.cpp
  bool match(Function& f, Term form, u32 to, Place place);
  bool clauses(Function& f, Term clause_list, u32 subject, u32 to, Place place, Label& end, Label& none,
               bool receiving);
  void drop_last_jump(Function& f, Label& end);
  bool two_way(Function& f, Term form, u32 to, Place place, bool& done);
  bool receive(Function& f, Term form, u32 to, Place place);
  Term wanted_ref(Function& f, Term clause_list);
  bool pattern(Function& f, Term pattern, u32 subject, Label& fail, u64 first_local);
  bool sequence_pattern(Function& f, Term pattern, u32 subject, Label& fail, u64 first_local);
  bool list_pattern(Function& f, Term pattern, u32 subject, Label& fail, u64 first_local);
  bool list_rest_pattern(Function& f, Term rest, u32 subject, Label& fail, u64 first_local, bool is_rest);
  bool map_pattern(Function& f, Term pattern, u32 subject, Label& fail, u64 first_local);
  bool set_pattern(Function& f, Term pattern, u32 subject, Label& fail, u64 first_local);
  bool bytes_pattern(Function& f, Term pattern, u32 subject, Label& fail, u64 first_local);
  bool bits_pattern(Function& f, Term pattern, u32 subject, Label& fail, u64 first_local);
  bool constant_pattern(Function& f, Term value, u32 subject, Label& fail);
  /// An expression of a pattern: the names that the pattern binds are not visible in it.
  bool outer_operand(Function& f, Term form, u32& reg, u64 first_local);
  bool bind(Function& f, Term name, u32 subject, Label& fail, u64 first_local);
  bool guard(Function& f, Term form, Label& fail);
  bool guard_allowed(Function& f, Term form, u32 depth);
  bool bits_constructor(Function& f, Term form, u32 to);
  bool bytes_constructor(Function& f, Term form, u32 to);

  // emit.cpp
  void emit(Function& f, u32 word) { f.code.push(word); }
  void emit_constant(Function& f, Term value);
  void emit_native(Function& f, u32 native, u32 to, u32 first, u32 count);
  void jump(Function& f, u32 word, Label& label);
  void jump_operand(Function& f, Label& label);
  void place(Function& f, Label& label);
  void before_call(Function& f, u32 base);
  bool reserve(Function& f, u32& reg);
  bool reserve_many(Function& f, u32 count, u32& first);
  bool resolve_local(Function& f, Term name, u32& reg, bool& captured, u32& index);
  bool fail(Term form, std::string_view why) {
    raise_syntax(vm_, form, why);
    return false;
  }
  Term expand(Function& f, Term form, bool& expanded);
  bool is_special(Term symbol) const;
  /// [file line text] of the unit, in literals; nil if it comes from nowhere.
  Term origin();
  bool is_constant(Term form) const;

  Vm& vm_;
  Unit unit_;
  Term origin_ = kNone;
  u64 file_ = 0;  // the name record of the unit's file
  u32 depth_ = 0;
  Term name_hint_ = kNone;  // the full name of the var that a function is being defined as
  Term var_hint_ = kNone;   // the var itself
};

/// Registers and names handed out since it was made are given back.
struct Scope {
  explicit Scope(Function& function) : f(function), next(function.next), locals(function.locals.size()) {}
  Scope(const Scope&) = delete;
  ~Scope() {
    for (u32 r = next; r < f.next; ++r) f.unset.remove(r);
    f.next = next;
    f.locals.shrink(locals);
  }
  Function& f;
  u32 next;
  u64 locals;
};

}  // namespace lonala::compile
