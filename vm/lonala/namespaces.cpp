#include "vm/lonala/namespaces.h"

#include "vm/lonala/code.h"
#include "vm/lonala/collections/map.h"
#include "vm/lonala/errors.h"
#include "vm/lonala/natives/natives.h"
#include "vm/lonala/reader.h"
#include "vm/lonala/transactions.h"
#include "vm/lonala/values.h"

#include "base/enforce.h"

namespace lonala {
namespace {

NameTable* table_of(const Vm& vm, u64& offset) { return vm.at<NameTable>(offset); }

u64 make_table(Vm& vm) {
  const u64 offset = literal_acquire(vm, sizeof(NameTable));
  if (offset != 0) *vm.at<NameTable>(offset) = {};
  return offset;
}

bool flag(Vm& vm, Term meta, Atom key) {
  if (meta == kNil) return false;
  const Term value = map_get(vm, meta, keyword(vm, key));
  return value != kNone && !is_falsy(value);
}

}  // namespace

Term namespace_find(const Vm& vm, Term name) { return table_get(vm, vm.root->namespaces, name); }

Term namespace_intern(Vm& vm, Term name) {
  const Term found = namespace_find(vm, name);
  if (found != kNone) return found;
  const u64 offset = literal_acquire(vm, sizeof(NamespaceRecord));
  if (offset == 0) return raise_oom(vm, 8);
  NamespaceRecord& record = *vm.at<NamespaceRecord>(offset);
  record = {name, kNil, make_table(vm), make_table(vm), make_table(vm), 0, 0};
  if (record.vars == 0 || record.refers == 0 || record.aliases == 0) return raise_oom(vm, 8);
  const Term space = immediate(Immediate::Namespace, offset >> 3);
  if (!table_put(vm, vm.root->namespaces, name, space)) return raise_oom(vm, 8);
  if (vm.root->last_namespace != 0) {
    vm.at<NamespaceRecord>(vm.root->last_namespace)->next = offset;
  } else {
    vm.root->first_namespace = offset;
  }
  vm.root->last_namespace = offset;
  const Term core = namespace_find(vm, symbol(vm, Atom::LonaCore));
  if (core != kNone && core != space && !refer_all(vm, space, core)) return raise_oom(vm, 8);
  return space;
}

Term current_namespace(Vm& vm) {
  Term value = kUnbound;
  if (vm.root->var_ns != 0) value = var_value(vm, vm.root->var_ns);
  return is_namespace(value) ? value : namespace_find(vm, symbol(vm, Atom::LonaCore));
}

Term var_find(Vm& vm, Term space, Term name) {
  NamespaceRecord& record = namespace_record(vm, space);
  const Term var = table_get(vm, *table_of(vm, record.vars), name);
  if (var == kNone) return stages_in(vm, space) ? staged_new(vm, space, name) : kNone;
  return (var_record(vm, var).flags & kVarStaged) != 0 && staged_of(vm, var).undefined ? kNone : var;
}

Term var_intern(Vm& vm, Term space, Term name) {
  const Term found = var_find(vm, space, name);
  if (found != kNone) return found;
  const u64 offset = literal_acquire(vm, sizeof(VarRecord));
  if (offset == 0) return raise_oom(vm, 8);
  *vm.at<VarRecord>(offset) = {vm.root->stub_general, kUnbound, name, space, kNil, 0, 0, 0, 0};
  const Term var = var_term(offset);
  if (stages_in(vm, space)) {  // others see it when the transaction commits
    const Term undefined = table_get(vm, *table_of(vm, namespace_record(vm, space).vars), name);
    if (undefined != kNone) return undefined;
    return stage_new(vm, space, name, var) ? var : raise_oom(vm, 8);
  }
  if (!table_put(vm, *table_of(vm, namespace_record(vm, space).vars), name, var)) return raise_oom(vm, 8);
  return var;
}

Term var_resolve(Vm& vm, Term space, Term symbol_) {
  const NameRecord& record = name_record(vm, symbol_);
  if (record.space_bytes == 0) {
    const Term own = var_find(vm, space, symbol_);
    if (own != kNone) return own;
    return table_get(vm, *table_of(vm, namespace_record(vm, space).refers), symbol_);
  }
  const u64 prefix = name_find(vm, {}, record.space());
  const u64 name = name_find(vm, {}, record.name());
  if (prefix == 0 || name == 0) return kNone;
  Term target = table_get(vm, *table_of(vm, namespace_record(vm, space).aliases), symbol_term(vm, prefix));
  if (target == kNone) target = namespace_find(vm, symbol_term(vm, prefix));
  return target == kNone ? kNone : var_find(vm, target, symbol_term(vm, name));
}

bool refer_one(Vm& vm, Term into, Term name, Term var) {
  return table_put(vm, *table_of(vm, namespace_record(vm, into).refers), name, var);
}

bool refer_all(Vm& vm, Term into, Term from) {
  bool ok = true;
  table_each(vm, *table_of(vm, namespace_record(vm, from).vars), [&](Term name, Term var) {
    if ((var_flags(vm, var) & kVarPrivate) == 0) ok = ok && refer_one(vm, into, name, var);
  });
  return ok;
}

Term var_value(Vm& vm, Term var) {
  const VarRecord& record = var_record(vm, var);
  if ((record.flags & kVarStaged) != 0) {
    const Staged staged = staged_of(vm, var);
    if (staged.found) return staged.value;
  }
  if ((record.flags & kVarProcessBound) != 0 && vm.process != nullptr && vm.process->bindings != kNil) {
    const Term bound = map_get(vm, vm.process->bindings, var);
    if (bound != kNone) return bound;
  }
  return record.value;
}

Term var_bound_value(Vm& vm, Term var) {
  const Term value = var_value(vm, var);
  return value == kUnbound ? raise(vm, Atom::Unbound, {{Atom::Var, var}}) : value;
}

void var_update_entry(Vm& vm, Term var) {
  VarRecord& record = var_record(vm, var);
  record.entry = vm.root->stub_general;
  if ((record.flags & kVarOwn) != 0 || !is_boxed(vm, record.value, Type::Function)) return;
  const u64 code = static_cast<u64>(small_value(vm.object(record.value)[1]));
  const FunctionHeader& function = *vm.at<FunctionHeader>(code);
  if (function.match != kMatchNever && function.self == 0) record.entry = code;
}

Term var_replace(Vm& vm, Term var, Term value) {
  VarRecord& record = var_record(vm, var);
  if ((record.flags & kVarInline) != 0 && value != record.value) {
    record.flags &= ~kVarInline;
    vm.root->inline_broken = 1;
  }
  const Term before = record.value;
  record.value = value;
  record.version += 1;
  var_update_entry(vm, var);
  return before;
}

void var_set(Vm& vm, Term var, Term value) {
  const Term before = var_replace(vm, var, value);
  if (before != value) value_retire(vm, before);
}

namespace {
u64 flags_of_meta(Vm& vm, Term meta) {
  u64 flags = 0;
  if (flag(vm, meta, Atom::Macro)) flags |= kVarMacro;
  if (flag(vm, meta, Atom::Private)) flags |= kVarPrivate;
  if (flag(vm, meta, Atom::Guard)) flags |= kVarGuard;
  if (flag(vm, meta, Atom::ProcessBound)) flags |= kVarProcessBound;
  return flags;
}
}  // namespace

Term var_meta(Vm& vm, Term var) {
  const VarRecord& record = var_record(vm, var);
  const Staged staged = (record.flags & kVarStaged) != 0 ? staged_of(vm, var) : Staged{};
  return staged.found ? staged.meta : record.meta;
}

u64 var_flags(Vm& vm, Term var) {
  const VarRecord& record = var_record(vm, var);
  const Staged staged = (record.flags & kVarStaged) != 0 ? staged_of(vm, var) : Staged{};
  if (!staged.found) return record.flags;
  return (record.flags & (kVarStaged | kVarProcessBound)) | flags_of_meta(vm, staged.meta);
}

void var_set_meta(Vm& vm, Term var, Term meta, Superseded superseded) {
  VarRecord& record = var_record(vm, var);
  const u64 kept = record.flags & (kVarInline | kVarProcessBound | kVarStaged);
  if (record.meta != meta && superseded == Superseded::Retired) value_retire(vm, record.meta);
  record.meta = meta;
  record.flags = kept | flags_of_meta(vm, meta);
  var_update_entry(vm, var);
  // A later public definition in lona.core is seen everywhere, as if it had been referred from the start.
  const Term core = namespace_find(vm, symbol(vm, Atom::LonaCore));
  if (record.space != core) return;
  for (u64 at = vm.root->first_namespace; at != 0; at = vm.at<NamespaceRecord>(at)->next) {
    const Term space = immediate(Immediate::Namespace, at >> 3);
    if (space == core || table_get(vm, *table_of(vm, namespace_record(vm, space).refers), record.name) != kNone)
      continue;
    if ((record.flags & kVarPrivate) == 0 && !refer_one(vm, space, record.name, var)) return;
  }
}

Term var_define(Vm& vm, Term var, Term value) {
  VarRecord& record = var_record(vm, var);
  Process& process = *vm.process;
  if ((record.flags & kVarProcessBound) != 0 && record.version > 0) {
    const Term bindings = map_put(vm, process.bindings == kNil ? kEmptyMap : process.bindings, var, value);
    if (bindings == kRaised) return kRaised;
    process.bindings = bindings;
    return var;
  }
  if (stages_in(vm, record.space)) return stage_value(vm, var, value);
  const Term copy = copy_to_value(vm, value);
  if (copy == kNone) return raise_oom(vm, 8);
  var_set(vm, var, copy);
  return var;
}

// ── Templates ────────────────────────────────────────────────────────────────────────────────────────────────

namespace {

struct Template {
  Vm& vm;
  Term renamed = kEmptyMap;  // name# → its fresh symbol in this template

  Term failure(Term form) const { return raise_syntax(vm, form, "a template nests too deeply"); }

  Term call(Term function, std::initializer_list<Term> args) { return make_pair(vm, function, make_list(vm, args)); }
  Term core(std::string_view name) {
    const u64 record = name_intern(vm, "lona.core", name);
    return record == 0 ? kNil : symbol_term(vm, record);
  }
  bool headed(Term form, Atom atom) const {
    return is_pair(form) && head(vm, form) == symbol(vm, atom) && list_length(vm, form) == 2;
  }

  Term quoted_symbol(Term form) {
    const Term name = plain_symbol(vm, form);
    const NameRecord& record = name_record(vm, name);
    Term result = name;
    if (record.space_bytes == 0 && record.name().size() > 1 && record.name().ends_with('#')) {
      result = map_get(vm, renamed, name);
      if (result == kNone) {
        result = gensym(vm, record.name().substr(0, record.name().size() - 1));
        renamed = map_put(vm, renamed, name, result);
      }
    } else {
      result = qualify_symbol(vm, name);
    }
    return make_list(vm, {symbol(vm, Atom::Quote), result});
  }

  /// (concat* piece …) for a sequence: a list of the piece for each element.
  Term pieces(Term list, u32 depth, u32 level) {
    Term out = kEmptyList;
    for (; is_pair(list); list = tail(vm, list)) {
      const Term element = head(vm, list);
      Term piece;
      if (headed(element, Atom::UnquoteSplicing) && level == 1) {
        piece = head(vm, tail(vm, element));
      } else {
        const Term value = expand(element, depth + 1, level);
        if (value == kRaised) return kRaised;
        piece = make_list(vm, {core("list"), value});
      }
      out = make_pair(vm, piece, out);
    }
    return make_pair(vm, core("concat*"), reverse_list(vm, out));
  }

  Term expand(Term form, u32 depth, u32 level) {
    if (depth > kTemplateDepthMax) return failure(kNil);
    if (is_symbol(vm, form)) return quoted_symbol(form);
    if (headed(form, Atom::Unquote) || headed(form, Atom::UnquoteSplicing)) {
      if (level == 1) return head(vm, tail(vm, form));
      const Term inner = expand(head(vm, tail(vm, form)), depth + 1, level - 1);
      if (inner == kRaised) return kRaised;
      const Term quoted = make_list(vm, {symbol(vm, Atom::Quote), head(vm, form)});
      return make_list(vm, {core("list"), quoted, inner});
    }
    if (is_pair(form)) return pieces(form, depth, level);
    if (is_tuple(form) || is_vector(vm, form) || is_set(vm, form)) {
      const Term list = list_of_collection(vm, form);
      const Term made = pieces(list, depth, level);
      if (made == kRaised) return kRaised;
      return call(core(is_tuple(form) ? "tuple-of*" : is_set(vm, form) ? "set-of*" : "vec"), {made});
    }
    if (is_map(vm, form)) {
      Term list = kEmptyList;
      map_each(vm, form, [&](Term key, Term value) { list = make_pair(vm, value, make_pair(vm, key, list)); });
      const Term made = pieces(reverse_list(vm, list), depth, level);
      if (made == kRaised) return kRaised;
      return call(core("map-of*"), {made});
    }
    return form;
  }
};

}  // namespace

Term qualify_symbol(Vm& vm, Term name) {
  const NameRecord& record = name_record(vm, name);
  if (record.space_bytes == 0) {
    for (u32 i = static_cast<u32>(Atom::Def); i <= static_cast<u32>(Atom::Underscore); ++i) {
      if (name == symbol(vm, static_cast<Atom>(i))) return name;
    }
    if (record.name().starts_with('%')) return name;
  }
  const Term space = current_namespace(vm);
  const Term var = var_resolve(vm, space, name);
  Term target = var == kNone ? kNone : var_record(vm, var).space;
  if (var == kNone && record.space_bytes != 0) {
    const u64 prefix = name_find(vm, {}, record.space());
    if (prefix != 0) {
      target = table_get(vm, *table_of(vm, namespace_record(vm, space).aliases), symbol_term(vm, prefix));
    }
  }
  if (target == kNone) return name;
  const u64 full = name_intern(vm, name_record(vm, namespace_record(vm, target).name).name(), record.name());
  return full == 0 ? name : symbol_term(vm, full);
}

Term expand_template(Vm& vm, Term form) { return Template{vm}.expand(form, 0, 1); }

Term gensym(Vm& vm, std::string_view prefix) {
  vm.root->gensyms_made += 1;
  Text name(vm);
  name.add(prefix);
  name.add("__");
  name.add_number(vm.root->gensyms_made);
  const Term made = symbol_named(vm, name.view());
  return made == kNone ? raise_oom(vm, 8) : made;
}

}  // namespace lonala
