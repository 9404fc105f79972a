// vm/lonala/errors.h — raising runtime errors: the reason [:error kind info] goes to the running process, and kRaised to the
// caller, who passes it up.
#pragma once
#include <initializer_list>
#include <string_view>

#include "vm/lonala/machine.h"

namespace lonala {

/// Arguments of a native: registers of its caller, which lie downwards in memory.
struct Args {
  const Term* first = nullptr;
  u32 count = 0;
  Term operator[](u32 i) const { return first[-static_cast<i64>(i)]; }
};

Term raise(Vm& vm, Atom kind, Term info);
/// Raises with an info map of keyword atoms and values.
struct InfoEntry {
  Atom key;
  Term value;
};
Term raise(Vm& vm, Atom kind, std::initializer_list<InfoEntry> info);
/// `:type-error`, `:badarg` and the like of the native that runs, with its name and arguments.
Term raise_args(Vm& vm, Atom kind, Args args);
Term raise_type(Vm& vm, Args args, Atom expected);
Term raise_oom(Vm& vm, u64 words);
/// `:syntax-error` with the form and why.
Term raise_syntax(Vm& vm, Term form, std::string_view why);

/// A map of keyword keys.
Term make_info(Vm& vm, std::initializer_list<InfoEntry> info);

}  // namespace lonala
