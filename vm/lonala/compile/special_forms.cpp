// vm/lonala/compile/special_forms.cpp — def, fn*, do, quote, var, and whole units.
#include <cstring>

#include "vm/lonala/code_memory.h"
#include "vm/lonala/collections/map.h"
#include "vm/lonala/compile/parts.h"
#include "vm/lonala/literal_text.h"
#include "vm/lonala/namespaces.h"
#include "vm/lonala/natives/natives.h"

#include "base/enforce.h"

namespace lonala::compile {

bool Compiler::special(Function& f, Atom which, Term form, u32 to, Place place, bool& known) {
  known = true;
  const u64 count = list_length(vm_, form) - 1;
  switch (which) {
    case Atom::Def: return define(f, form, to) && finish(f, to, place);
    case Atom::FnStar: return function(f, form, to) && finish(f, to, place);
    case Atom::Match: return match(f, form, to, place);
    case Atom::Do: return sequence(f, tail(vm_, form), to, place);
    case Atom::Quote:
      if (count != 1) return fail(form, "quote takes one form");
      return constant(f, head(vm_, tail(vm_, form)), to) && finish(f, to, place);
    case Atom::Var: return var_form(f, form, to) && finish(f, to, place);
    case Atom::Receive: return receive(f, form, to, place);
    case Atom::BytesStar: return bytes_constructor(f, form, to) && finish(f, to, place);
    case Atom::BitsStar: return bits_constructor(f, form, to) && finish(f, to, place);
    default: UNREACHABLE("the special forms");
  }
}

bool Compiler::sequence(Function& f, Term forms, u32 to, Place place) {
  if (!is_pair(forms)) return constant(f, kNil, to) && finish(f, to, place);
  for (; is_pair(tail(vm_, forms)); forms = tail(vm_, forms)) {
    Scope scope(f);
    u32 unused = 0;
    if (!reserve(f, unused)) return false;
    f.unset.add(unused);
    if (!expression(f, head(vm_, forms), unused, Place::Value)) return false;
  }
  return expression(f, head(vm_, forms), to, place);
}

bool Compiler::var_form(Function& f, Term form, u32 to) {
  if (list_length(vm_, form) != 2) return fail(form, "var takes one symbol");
  const Term name = head(vm_, tail(vm_, form));
  if (!is_symbol(vm_, name)) return fail(form, "var takes one symbol");
  const Term space = current_namespace(vm_);
  const Term var = var_resolve(vm_, space, plain_symbol(vm_, name));
  if (var == kNone) {
    raise(vm_, Atom::Undefined,
          {{Atom::Symbol, plain_symbol(vm_, name)}, {Atom::Ns, namespace_record(vm_, space).name}});
    return false;
  }
  return constant(f, var, to);
}

bool Compiler::define(Function& f, Term form, u32 to) {
  const u64 count = list_length(vm_, form);
  if (count < 2 || count > 3) return fail(form, "def takes a name and at most one value");
  const Term name = head(vm_, tail(vm_, form));
  if (!is_symbol(vm_, name)) return fail(form, "def takes a symbol");
  const Term plain = plain_symbol(vm_, name);
  const Term space = current_namespace(vm_);
  const NameRecord& record = name_record(vm_, plain);
  Term own = plain;
  if (record.space_bytes != 0) {
    if (record.space() != name_record(vm_, namespace_record(vm_, space).name).name()) {
      return fail(form, "def into another namespace");
    }
    own = symbol_named(vm_, record.name());
  }
  if (is_special(own)) return fail(form, "a special form cannot be defined");
  // A process-bound variable that is referred gets a value for this process; anything else is defined here.
  const Term seen = own == kNone ? kNone : var_resolve(vm_, space, own);
  const bool bound = seen != kNone && (var_record(vm_, seen).flags & kVarProcessBound) != 0;
  const Term var = own == kNone ? kRaised : bound ? seen : var_intern(vm_, space, own);
  if (var == kRaised) return false;
  const Term meta = metadata_of(vm_, name);
  Scope scope(f);
  u32 pair = 0;
  if (!reserve_many(f, 3, pair)) return false;
  // The metadata takes effect with the value; that of natives now, since they get their value here.
  const bool native = meta != kNil && map_get(vm_, meta, keyword(vm_, Atom::Native)) == kTrue;
  if (native && count == 2) {
    const NativeId found = native_find(name_record(vm_, namespace_record(vm_, space).name).name(), record.name());
    if (found == NativeId::End) {
      raise(vm_, Atom::UnknownIntrinsic, {{Atom::Symbol, own}});
      return false;
    }
    var_set(vm_, var, immediate(Immediate::Native, static_cast<u64>(found)));
    if (native_is_inline(found)) {
      var_record(vm_, var).flags |= kVarInline;
      var_record(vm_, var).native_index = static_cast<u64>(found);
    }
  }
  constant(f, var, pair);
  if (meta != kNil || count == 3) {
    f.unset.add(pair + 1);
    if (!expression(f, meta == kNil ? kEmptyMap : meta, pair + 1, Place::Value)) return false;
    f.unset.remove(pair + 1);
    const Term from = origin();
    if (from == kRaised || !constant(f, from, pair + 2)) return false;
    Scope call(f);
    u32 unused = 0;
    if (!reserve(f, unused)) return false;
    emit_native(f, static_cast<u32>(NativeId::SetVarMeta), unused, pair, 3);
  }
  if (count == 3) {
    const Term value = head(vm_, tail(vm_, tail(vm_, form)));
    const Term hint = name_hint_;
    const std::string_view space_name = name_record(vm_, namespace_record(vm_, space).name).name();
    const u64 full = name_intern(vm_, space_name, name_record(vm_, own).name());
    name_hint_ = full == 0 ? kNone : symbol_term(vm_, full);
    var_hint_ = var;
    f.unset.add(pair + 1);
    const bool ok = expression(f, value, pair + 1, Place::Value);
    name_hint_ = hint;
    var_hint_ = kNone;
    if (!ok) return false;
    emit(f, encode(Op::Define, reg(pair + 1)));
    emit(f, static_cast<u32>(payload_of(var)));
  }
  emit(f, encode(Op::Move, reg(to), reg(pair)));
  return true;
}

bool Compiler::function(Function& f, Term form, u32 to) {
  Term rest = tail(vm_, form);
  Term self_name = kNone;
  const Term hint = name_hint_;
  const Term var = var_hint_;
  name_hint_ = kNone;
  var_hint_ = kNone;
  if (is_pair(rest) && is_symbol(vm_, head(vm_, rest))) {
    self_name = plain_symbol(vm_, head(vm_, rest));
    if (name_record(vm_, self_name).space_bytes != 0) return fail(form, "the name of a function is not qualified");
    rest = tail(vm_, rest);
  }
  if (!is_pair(rest) || !is_tuple(head(vm_, rest))) return fail(form, "fn* takes a tuple of parameters");
  const Term parameters = head(vm_, rest);
  Function g(vm_, &f);
  g.var = var;
  u32 fixed = 0;
  bool variadic = false;
  const u64 count = tuple_count(vm_, parameters);
  for (u64 i = 0; i < count; ++i) {
    const Term parameter = tuple_at(vm_, parameters, i);
    if (!is_symbol(vm_, parameter)) return fail(form, "parameters of fn* are symbols");
    Term name = plain_symbol(vm_, parameter);
    if (name == symbol(vm_, Atom::Ampersand)) {
      if (i + 2 != count || !is_symbol(vm_, tuple_at(vm_, parameters, i + 1))) {
        return fail(form, "one symbol follows & at the end");
      }
      variadic = true;
      i += 1;
      name = plain_symbol(vm_, tuple_at(vm_, parameters, i));
    } else {
      fixed += 1;
    }
    if (name_record(vm_, name).space_bytes != 0) return fail(form, "a parameter is not qualified");
    for (u64 j = 0; j < g.locals.size(); ++j) {
      if (g.locals[j].name == name && name != symbol(vm_, Atom::Underscore)) {
        return fail(form, "parameters are distinct");
      }
    }
    u32 r = 0;
    if (!reserve(g, r)) return false;
    g.locals.push({name, r});
  }
  g.parameters = fixed;
  bool closes = self_name != kNone;
  for (const Function* at = &f; at != nullptr; at = at->outer) {
    closes = closes || at->locals.size() > 0 || at->self_name != kNone;
  }
  if (closes) {
    if (!reserve(g, g.self)) return false;
    g.self_name = self_name;
  }
  u32 result = 0;
  if (!reserve(g, result)) return false;
  g.unset.add(result);
  if (!sequence(g, tail(vm_, rest), result, Place::Tail)) return false;
  Term name = hint;
  if (name == kNone) name = self_name;
  if (name == kNone) name = symbol(vm_, Atom::Fn);
  const Term made = finish_function(g, fixed, variadic, name, parameters);
  if (made == kRaised) return false;
  const u64 header = static_cast<u64>(small_value(vm_.object(made)[1]));
  if (g.captures.empty()) return constant(f, made, to);
  Scope scope(f);
  u32 first = 0;
  if (!reserve_many(f, static_cast<u32>(g.captures.size()), first)) return false;
  for (u64 i = 0; i < g.captures.size(); ++i) {
    if (!symbol_value(f, g.captures[i], first + static_cast<u32>(i))) return false;
  }
  emit(f, encode(Op::MakeClosure, reg(to), reg(first), static_cast<u32>(g.captures.size())));
  emit(f, static_cast<u32>(header >> 3));
  return true;
}

/// The function object, without captures, in literals.
Term Compiler::finish_function(Function& f, u32 parameters, bool variadic, Term name, Term parameter_names) {
  if (f.code.failed() || heap_failed(vm_)) return raise_oom(vm_, f.code.size());
  const u64 words = f.code.size();
  charge(vm_, words / kInstructionsPerReduction);
  const u64 guard_words = f.guards.size() * (sizeof(GuardRange) / 4);
  const u64 at = code_acquire(vm_, sizeof(FunctionHeader) + (words + guard_words) * 4, PieceKind::Function);
  const u64 object = code_acquire(vm_, 16, PieceKind::Constant);
  const Term names = parameter_names == kNil ? kNil : copy_to_literals(vm_, parameter_names);
  const Term name_copy = plain_symbol(vm_, name);
  if (at == 0 || object == 0 || names == kNone) return raise_oom(vm_, words);
  const u8 frame = static_cast<u8>(256 - f.most);
  for (u64 i = 0; i < words; i += instruction_words(f.code[i])) {
    const Op op = static_cast<Op>(f.code[i] & 0xFF);
    if (op == Op::Call || op == Op::CallVar || op == Op::ReceiveNext)
      f.code[i] = (f.code[i] & 0x00FFFFFF) | u32{frame} << 24;
  }
  FunctionHeader& header = *vm_.at<FunctionHeader>(at);
  header = {};
  header.match = variadic ? kMatchNever : static_cast<u8>(parameters);
  header.frame = frame;
  header.cost = function_cost(words);
  header.code_words = static_cast<u32>(words);
  header.parameters = static_cast<u8>(parameters);
  header.variadic = variadic;
  header.captures = static_cast<u8>(f.captures.size());
  header.self = static_cast<u8>(f.self);
  header.name = name_copy;
  header.line = static_cast<u32>(unit_.line);
  header.file = static_cast<u32>(file_ >> 3);
  header.source = names;
  header.guard_count = static_cast<u32>(f.guards.size());
  memcpy(header.code(), f.code.data(), words * 4);
  if (guard_words != 0) memcpy(header.code() + words, f.guards.data(), guard_words * 4);
  if (!function_register(vm_, at)) return raise_oom(vm_, words);
  u64* function_object = vm_.words(object);
  function_object[0] = lonala::header(Type::Function, 1);
  function_object[1] = small(static_cast<i64>(at));
  return refer(object, Tag::Boxed);
}

Term Compiler::origin() {
  if (unit_.file.empty()) return kNil;
  if (origin_ != kNone) return origin_;
  const Term file = make_string(vm_, unit_.file);
  const Term text = unit_.text.empty() ? kNil : make_string(vm_, unit_.text);
  origin_ = copy_to_literals(vm_, make_tuple(vm_, {file, small(static_cast<i64>(unit_.line)), text}));
  if (origin_ == kNone) return raise_oom(vm_, unit_.text.size() / 8);
  return origin_;
}

Term Compiler::unit(Term form) {
  if (!unit_.file.empty()) {
    file_ = name_intern(vm_, {}, unit_.file);
    if (file_ == 0) return raise_oom(vm_, unit_.file.size() / 8);
  }
  Function f(vm_, nullptr);
  u32 result = 0;
  if (!reserve(f, result)) return kRaised;
  f.unset.add(result);
  if (!expression(f, form, result, Place::Tail)) return kRaised;
  return finish_function(f, 0, false, symbol(vm_, Atom::Form), kNil);
}

Term Compiler::expand_once(Term form) {
  if (!is_pair(form)) return form;
  Function f(vm_, nullptr);
  bool expanded = false;
  return expand(f, form, expanded);
}

}  // namespace lonala::compile

namespace lonala {

Term macroexpand_once(Vm& vm, Term form) { return compile::Compiler(vm).expand_once(form); }

Term compile_form(Vm& vm, Term form, const Unit& unit) { return compile::Compiler(vm, unit).unit(form); }

}  // namespace lonala
