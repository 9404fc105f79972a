#include "vm/lonala/errors.h"

#include "vm/lonala/collections/map.h"
#include "vm/lonala/natives/natives.h"

#include "base/enforce.h"

namespace lonala {

Term make_info(Vm& vm, std::initializer_list<InfoEntry> info) {
  Term map = kEmptyMap;
  for (const InfoEntry& entry : info) {
    const Term value = entry.value == kRaised || entry.value == kNone ? kNil : entry.value;
    map = map_put(vm, map, keyword(vm, entry.key), value);
  }
  return map;
}

Term raise(Vm& vm, Atom kind, Term info) {
  vm.process->pending = make_tuple(vm, {keyword(vm, Atom::Error), keyword(vm, kind), info});
  return kRaised;
}

Term raise(Vm& vm, Atom kind, std::initializer_list<InfoEntry> info) { return raise(vm, kind, make_info(vm, info)); }

Term raise_args(Vm& vm, Atom kind, Args args) {
  Term list = kEmptyList;
  for (u32 i = args.count; i > 0; --i) list = make_pair(vm, args[i - 1], list);
  return raise(vm, kind, {{Atom::Fn, immediate(Immediate::Native, vm.native)}, {Atom::Args, tuple_of_list(vm, list)}});
}

Term raise_type(Vm& vm, Args args, Atom expected) {
  Term list = kEmptyList;
  for (u32 i = args.count; i > 0; --i) list = make_pair(vm, args[i - 1], list);
  return raise(vm, Atom::TypeError,
               {{Atom::Fn, immediate(Immediate::Native, vm.native)},
                {Atom::Args, tuple_of_list(vm, list)},
                {Atom::Expected, keyword(vm, expected)}});
}

Term raise_oom(Vm& vm, u64 words) {
  // The process has used what it may: its error must not need more than the reserve.
  vm.process->flags &= static_cast<u8>(~kOutOfMemory);
  const Term requested = small(static_cast<i64>(words > (u64{1} << 50) ? u64{1} << 50 : words) * 8);
  const Atom scope = (vm.process->marks & kOverLimit) != 0 ? Atom::Process : Atom::Realm;
  return raise(vm, Atom::Oom, {{Atom::Scope, keyword(vm, scope)}, {Atom::Requested, requested}});
}

Term raise_syntax(Vm& vm, Term form, std::string_view why) {
  return raise(vm, Atom::SyntaxError, {{Atom::Form, form}, {Atom::Why, make_string(vm, why)}});
}

}  // namespace lonala
