// vm/lonala/natives/properties.cpp — what orrery.check tells the ports. Free of charge: a run is the same with and without a listener.
#include "vm/lonala/natives/natives.h"
#include "vm/lonala/printer.h"

#include "base/enforce.h"

namespace lonala {
namespace {

/// The name of a property: `:fs/ack-durable` is fs.ack-durable.
void add_property(Text& out, const NameRecord& record) {
  out.add(record.space());
  if (record.space_bytes != 0) out.add('.');
  out.add(record.name());
}

bool keyword_arguments(Vm& vm, Args args) {
  if (is_keyword(args[0]) && is_keyword(args[1])) return true;
  raise_type(vm, args, Atom::Keyword);
  return false;
}

}  // namespace

Term native_PropertyDeclare(Vm& vm, Args args) {
  if (!keyword_arguments(vm, args)) return kRaised;
  Text name(vm);
  add_property(name, name_record(vm, args[1]));
  if (vm.ports != nullptr) vm.ports->property_declared(name_record(vm, args[0]).name(), name.view());
  return kNil;
}

/// (property-report* kind property holds detail)
Term native_PropertyReport(Vm& vm, Args args) {
  if (!keyword_arguments(vm, args)) return kRaised;
  if (vm.ports == nullptr) return kNil;
  Text name(vm);
  add_property(name, name_record(vm, args[1]));
  Text detail(vm);
  print(vm, detail, args[3]);
  vm.ports->property_reported(name_record(vm, args[0]).name(), name.view(), args[2] == kTrue, detail.view());
  return kNil;
}

}  // namespace lonala
