// vm/lonala/natives/modules.cpp — compiled modules as binaries: made, checked, linked.
#include "vm/lonala/module.h"

#include "vm/lonala/binaries.h"
#include "vm/lonala/natives/natives.h"
#include "vm/lonala/verify.h"

#include "base/enforce.h"

namespace lonala {
namespace {

/// `:invalid-module` with the byte at fault, why, and the file if it is known.
Term refused(Vm& vm, const ModuleFault& fault, Term path) {
  if (fault.why == kNoMemory) return raise_oom(vm, 8);
  const Term offset = small(static_cast<i64>(fault.offset));
  const Term why = make_string(vm, fault.why);
  if (path == kNil) return raise(vm, Atom::InvalidModule, {{Atom::Offset, offset}, {Atom::Why, why}});
  return raise(vm, Atom::InvalidModule, {{Atom::Offset, offset}, {Atom::Why, why}, {Atom::Path, path}});
}

}  // namespace

/// (module-write* source units): a binary; units are functions without parameters.
Term native_ModuleWrite(Vm& vm, Args args) {
  if (!is_binary(vm, args[0])) return raise_type(vm, args, Atom::Binary);
  if (!is_list(args[1])) return raise_type(vm, args, Atom::List);
  return module_write(vm, binary_bytes(vm, args[0]), args[1]);
}

/// (module-units* bytes source path): the places of the units of a module that fits its source (nil: any), which is checked;
/// :stale if it does not fit; nil if source is nil and it is no module.
Term native_ModuleUnits(Vm& vm, Args args) {
  if (!is_binary(vm, args[0]) || (args[1] != kNil && !is_binary(vm, args[1])))
    return raise_type(vm, args, Atom::Binary);
  const base::Bytes bytes = binary_bytes(vm, args[0]);
  base::Bytes source;
  if (args[1] != kNil) source = binary_bytes(vm, args[1]);
  if (args[1] == kNil && !module_begins(bytes)) return kNil;
  Scratch<u32> units(vm);
  ModuleFault fault;
  switch (module_check(vm, bytes, args[1] == kNil ? nullptr : &source, units, fault)) {
    case ModuleUse::Fits: break;
    case ModuleUse::OtherVersion:
      if (args[1] != kNil) return keyword(vm, Atom::Stale);
      return refused(vm, {16, "it was made by another version of the machine: compile its source again"}, args[2]);
    case ModuleUse::OtherSource: return keyword(vm, Atom::Stale);
    case ModuleUse::Refused: return refused(vm, fault, args[2]);
  }
  Term list = kEmptyList;
  for (u64 i = units.size(); i > 0; --i) list = make_pair(vm, small(units[i - 1]), list);
  return list;
}

/// (module-link* bytes place): the function of a unit.
Term native_ModuleLink(Vm& vm, Args args) {
  if (!is_binary(vm, args[0])) return raise_type(vm, args, Atom::Binary);
  if (!is_small(args[1]) || small_value(args[1]) < 0) return raise_type(vm, args, Atom::Integer);
  ModuleFault fault;
  const Term function = module_link(vm, binary_bytes(vm, args[0]), static_cast<u64>(small_value(args[1])), fault);
  return fault.ok() ? function : refused(vm, fault, kNil);
}

}  // namespace lonala
