// vm/lonala/natives/code.cpp — namespaces, vars, reading, compiling, and what shows code.
#include "vm/lonala/code.h"

#include "vm/lonala/binaries.h"
#include "vm/lonala/collections/map.h"
#include "vm/lonala/collections/vector.h"
#include "vm/lonala/compile/compiler.h"
#include "vm/lonala/literal_text.h"
#include "vm/lonala/mailbox.h"
#include "vm/lonala/equality.h"
#include "vm/lonala/namespaces.h"
#include "vm/lonala/transactions.h"
#include "vm/lonala/values.h"
#include "vm/lonala/work.h"
#include "vm/lonala/natives/natives.h"
#include "vm/lonala/printer.h"
#include "vm/lonala/reader.h"

#include "base/enforce.h"

namespace lonala {
namespace {

bool plain_name(Vm& vm, Args args, u32 i, Term& out) {
  if (is_symbol(vm, args[i]) && name_record(vm, plain_symbol(vm, args[i])).space_bytes == 0) {
    out = plain_symbol(vm, args[i]);
    return true;
  }
  raise_type(vm, args, Atom::Symbol);
  return false;
}

/// A namespace, or the symbol of one that exists.
bool namespace_argument(Vm& vm, Args args, u32 i, Term& out) {
  if (is_namespace(args[i])) {
    out = args[i];
    return true;
  }
  if (!is_symbol(vm, args[i])) {
    raise_type(vm, args, Atom::Namespace);
    return false;
  }
  out = namespace_find(vm, plain_symbol(vm, args[i]));
  if (out != kNone) return true;
  raise_args(vm, Atom::Badarg, args);
  return false;
}

/// The function header behind a function, var or nothing.
const FunctionHeader* header_of(Vm& vm, Term x) {
  if (is_var(x)) x = var_value(vm, x);
  if (!is_boxed(vm, x, Type::Function)) return nullptr;
  return vm.at<FunctionHeader>(static_cast<u64>(small_value(vm.object(x)[1])));
}

}  // namespace

Term native_CreateNs(Vm& vm, Args args) {
  Term name = kNil;
  return plain_name(vm, args, 0, name) ? namespace_intern(vm, name) : kRaised;
}
Term native_FindNs(Vm& vm, Args args) {
  Term name = kNil;
  if (!plain_name(vm, args, 0, name)) return kRaised;
  const Term found = namespace_find(vm, name);
  return found == kNone ? kNil : found;
}
Term native_NsName(Vm& vm, Args args) {
  if (!is_namespace(args[0])) return raise_type(vm, args, Atom::Namespace);
  return namespace_record(vm, args[0]).name;
}
Term native_NsMap(Vm& vm, Args args) {
  Term space = kNil;
  if (!namespace_argument(vm, args, 0, space)) return kRaised;
  Term map = kEmptyMap;
  const NamespaceRecord& record = namespace_record(vm, space);
  for (const u64 table : {record.refers, record.vars}) {
    table_each(vm, *vm.at<NameTable>(table), [&](Term name, Term var) { map = map_put(vm, map, name, var); });
  }
  return map;
}
Term native_NsList(Vm& vm, Args) {
  Term list = kEmptyList;
  for (u64 at = vm.root->first_namespace; at != 0; at = vm.at<NamespaceRecord>(at)->next) {
    const Term space = immediate(Immediate::Namespace, at >> 3);
    const bool forgotten = namespace_find(vm, vm.at<NamespaceRecord>(at)->name) != space;
    if (!forgotten) list = make_pair(vm, space, list);
  }
  const Term window[1] = {list};
  Term names = kEmptyMap;
  for (Term rest = window[0]; is_pair(rest); rest = tail(vm, rest)) {
    names = map_put(vm, names, namespace_record(vm, head(vm, rest)).name, head(vm, rest));
  }
  const AtOnce at_once(vm);
  const Term keys[1] = {names};
  Term sorted_window[1] = {native_Keys(vm, Args{keys, 1})};
  Term sorted = native_Sort(vm, Args{sorted_window, 1});
  Term out = kEmptyList;
  for (; is_pair(sorted); sorted = tail(vm, sorted)) out = make_pair(vm, map_get(vm, names, head(vm, sorted)), out);
  return reverse_list(vm, out);
}
Term native_EnterNs(Vm& vm, Args args) {
  Term name = kNil;
  if (!plain_name(vm, args, 0, name)) return kRaised;
  const Term space = namespace_intern(vm, name);
  if (space == kRaised) return kRaised;
  const Term bindings = vm.process->bindings == kNil ? kEmptyMap : vm.process->bindings;
  const Term bound = map_put(vm, bindings, vm.root->var_ns, space);
  if (bound == kRaised) return kRaised;
  vm.process->bindings = bound;
  return space;
}
Term native_Intern(Vm& vm, Args args) {
  Term space = kNil;
  Term name = kNil;
  if (!namespace_argument(vm, args, 0, space) || !plain_name(vm, args, 1, name)) return kRaised;
  const Term var = var_intern(vm, space, name);
  if (var == kRaised) return var;
  const Term meta = metadata_of(vm, args[1]);
  if (meta != kNil) {
    const Term copy = copy_to_value(vm, meta);
    if (copy == kNone) return raise_oom(vm, 8);
    var_set_meta(vm, var, copy);
  }
  return args.count == 3 ? var_define(vm, var, args[2]) : var;
}
Term native_Refer(Vm& vm, Args args) {
  Term space = kNil;
  if (!namespace_argument(vm, args, 0, space)) return kRaised;
  return refer_all(vm, current_namespace(vm), space) ? kNil : raise_oom(vm, 8);
}
Term native_ReferOne(Vm& vm, Args args) {
  Term space = kNil;
  Term name = kNil;
  if (!namespace_argument(vm, args, 0, space) || !plain_name(vm, args, 1, name)) return kRaised;
  const Term var = var_find(vm, space, name);
  if (var == kNone) {
    return raise(vm, Atom::Undefined, {{Atom::Symbol, name}, {Atom::Ns, namespace_record(vm, space).name}});
  }
  return refer_one(vm, current_namespace(vm), name, var) ? kNil : raise_oom(vm, 8);
}
Term native_AliasNs(Vm& vm, Args args) {
  Term name = kNil;
  Term space = kNil;
  if (!plain_name(vm, args, 0, name) || !namespace_argument(vm, args, 1, space)) return kRaised;
  NameTable& table = *vm.at<NameTable>(namespace_record(vm, current_namespace(vm)).aliases);
  return table_put(vm, table, name, space) ? kNil : raise_oom(vm, 8);
}
Term native_NsUnmap(Vm& vm, Args args) {
  Term space = kNil;
  Term name = kNil;
  if (!namespace_argument(vm, args, 0, space) || !plain_name(vm, args, 1, name)) return kRaised;
  NameTable& table = *vm.at<NameTable>(namespace_record(vm, space).vars);
  if (table_get(vm, table, name) == kNone) return kNil;
  return table_put(vm, table, name, kNone) ? kNil : raise_oom(vm, 8);
}
Term native_Resolve(Vm& vm, Args args) {
  if (!is_symbol(vm, args[0])) return raise_type(vm, args, Atom::Symbol);
  const Term var = var_resolve(vm, current_namespace(vm), plain_symbol(vm, args[0]));
  return var == kNone ? kNil : var;
}
Term native_VarGet(Vm& vm, Args args) {
  if (!is_var(args[0])) return raise_type(vm, args, Atom::Var);
  return var_bound_value(vm, args[0]);
}
Term native_VarVersion(Vm& vm, Args args) {
  if (!is_var(args[0])) return raise_type(vm, args, Atom::Var);
  return small(static_cast<i64>(var_record(vm, args[0]).version));
}
Term native_SetVarMeta(Vm& vm, Args args) {
  const Term var = args[0];
  if (!is_var(var)) return raise_type(vm, args, Atom::Var);
  if (!is_map(vm, args[1])) return raise_type(vm, args, Atom::Map);
  if (args[2] != kNil && (!is_tuple(args[2]) || tuple_count(vm, args[2]) != 3))
    return raise_type(vm, args, Atom::Tuple);
  const VarRecord& record = var_record(vm, var);
  if ((record.flags & kVarProcessBound) != 0 && map_count(vm, args[1]) == 0) return var;
  Term meta = map_put(vm, args[1], keyword(vm, Atom::Name), record.name);
  if (meta != kRaised) meta = map_put(vm, meta, keyword(vm, Atom::Ns), namespace_record(vm, record.space).name);
  if (args[2] != kNil) {  // [file line text]
    if (meta != kRaised) meta = map_put(vm, meta, keyword(vm, Atom::File), tuple_at(vm, args[2], 0));
    if (meta != kRaised) meta = map_put(vm, meta, keyword(vm, Atom::Line), tuple_at(vm, args[2], 1));
    const Term text = tuple_at(vm, args[2], 2);
    if (meta != kRaised && text != kNil) meta = map_put(vm, meta, keyword(vm, Atom::Source), text);
  }
  if (meta == kRaised) return meta;
  if (equal(vm, meta, var_meta(vm, var))) return var;
  if (stages_in(vm, record.space)) return stage_meta(vm, var, meta);
  const Term copy = copy_to_value(vm, meta);
  if (copy == kNone) return raise_oom(vm, 8);
  var_set_meta(vm, var, copy);
  return var;
}

Term native_ReadString(Vm& vm, Args args) {
  if (!is_string(vm, args[0])) return raise_type(vm, args, Atom::String);
  ReadWork work{};
  work.text = args[0];
  work.forms = kNone;
  return work_do(vm, work);
}
Term native_ReadAll(Vm& vm, Args args) {
  if (!is_string(vm, args[0])) return raise_type(vm, args, Atom::String);
  ReadWork work{};
  work.text = args[0];
  work.forms = kEmptyList;
  return work_do(vm, work);
}
Term native_ReadFile(Vm& vm, Args args) {
  if (!is_string(vm, args[0])) return raise_type(vm, args, Atom::String);
  const std::string_view path = string_text(vm, args[0]);
  const i64 size = vm.ports == nullptr ? -1 : vm.ports->file_size(path);
  if (size < 0) return raise(vm, Atom::FileNotFound, {{Atom::Path, args[0]}});
  const Term binary = make_binary_space(vm, static_cast<u64>(size));
  if (binary == kRaised) return binary;
  if (!vm.ports->read_file(path, {binary_space(vm, binary), static_cast<u64>(size)})) {
    return raise(vm, Atom::FileError, {{Atom::Path, args[0]}});
  }
  return binary;
}
Term native_MacroexpandOnce(Vm& vm, Args args) { return macroexpand_once(vm, args[0]); }
Term native_Gensym(Vm& vm, Args args) {
  if (args.count == 0) return gensym(vm, "G");
  if (is_string(vm, args[0])) return gensym(vm, string_text(vm, args[0]));
  if (!is_symbol(vm, args[0])) return raise_type(vm, args, Atom::Symbol);
  return gensym(vm, name_record(vm, plain_symbol(vm, args[0])).name());
}
Term native_Raise(Vm& vm, Args args) {
  vm.process->pending = make_tuple(vm, {keyword(vm, Atom::Error), args[0], args[1]});
  return kRaised;
}
/// (garbage-collect) or (garbage-collect :full)
Term native_GarbageCollect(Vm& vm, Args args) {
  if (args.count == 1 && args[0] != keyword(vm, Atom::Full)) return raise_args(vm, Atom::Badarg, args);
  Process& process = *vm.process;
  hold_fuel(process);  // at the next function entry
  process.flags |= kCollect;
  if (args.count == 1) process.flags |= kCollectFull;
  return keyword(vm, Atom::Ok);
}

Term native_Disassemble(Vm& vm, Args args) {
  const FunctionHeader* function = header_of(vm, args[0]);
  if (function == nullptr) return raise_type(vm, args, Atom::Fn);
  Text out(vm);
  for (u32 i = 0; i < function->code_words;) {
    const u32 word = function->code()[i];
    const InstructionShape& shape = instruction_shape(static_cast<Op>(word & 0xFF));
    out.add_number(i);
    out.add(' ');
    out.add(std::string_view(shape.name));
    u32 field = 8;
    for (const char* operand = shape.operands; *operand != 0; ++operand) {
      const u32 byte = word >> field & 0xFF;
      if (*operand == 'R') {
        out.add(" r");
        out.add_number(255 - byte);
      } else if (*operand == 'N') {
        out.add(' ');
        out.add_number(byte);
      } else if (*operand == 'I' || *operand == 'S' || *operand == 'W') {
        out.add(' ');
        const i64 value = *operand == 'I'   ? static_cast<i8>(byte)
                          : *operand == 'S' ? static_cast<i64>(static_cast<i32>(word) >> 16)
                                            : static_cast<i64>(word >> 16);
        print(vm, out, small(value));
      }
      field += 8;
    }
    u32 at = i + 1;
    for (const char* extra = shape.words; *extra == 't'; ++extra) {
      for (u32 entry = 0; entry < word >> 16; ++entry, at += kSwitchEntryWords) {
        out.add(' ');
        print(vm, out, u64{function->code()[at + 1]} << 32 | function->code()[at]);
        out.add("-> ");
        out.add_number(at + 2 + function->code()[at + 2]);
      }
    }
    for (const char* extra = shape.words; *extra != 0 && *extra != 't'; ++extra) {
      const u32 value = function->code()[at];
      out.add(' ');
      if (*extra == 'v') print(vm, out, var_term(u64{value} << 3));
      if (*extra == 'c') print(vm, out, u64{function->code()[at + 1]} << 32 | value);
      if (*extra == 'j') {
        out.add("-> ");
        out.add_number(at + value);
      }
      if (*extra == 'n') out.add(native_name(value));
      at += *extra == 'c' ? 2 : 1;
    }
    out.add('\n');
    i = at;
  }
  return make_string(vm, out.view());
}
Term native_ClosedOvers(Vm& vm, Args args) {
  if (header_of(vm, args[0]) == nullptr) return raise_type(vm, args, Atom::Fn);
  Term list = kEmptyList;
  const u64* object = vm.object(is_var(args[0]) ? var_value(vm, args[0]) : args[0]);
  for (u64 i = words_of_header(object[0]) - (flags_of_header(object[0]) & kHasMeta); i >= 2; --i) {
    list = make_pair(vm, object[i], list);
  }
  return list;
}
Term native_ArglistsOf(Vm& vm, Args args) {
  const FunctionHeader* function = header_of(vm, args[0]);
  return function == nullptr ? kNil : function->source;
}
Term native_Write(Vm& vm, Args args) {
  if (!is_string(vm, args[1])) return raise_type(vm, args, Atom::String);
  const std::string_view text = string_text(vm, args[1]);
  const u32 stream = args[0] == small(2) ? 2 : 1;
  charge(vm, text.size() / kBytesPerReduction);
  if (!text.empty() && stream == 1) vm.root->column_zero = text.back() == '\n';
  if (vm.ports != nullptr) vm.ports->write(stream, base::bytes_of(text));
  return kNil;
}
Term native_MakeRef(Vm& vm, Args) {
  vm.root->refs_made += 1;
  const Term ref = immediate(Immediate::Ref, vm.root->refs_made);
  return ref_made(vm, *vm.process, ref) ? ref : raise_oom(vm, 16);
}

}  // namespace lonala
