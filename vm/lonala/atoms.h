// vm/lonala/atoms.h — names: interned symbols and keywords, and tables keyed by them.
#pragma once
#include "vm/lonala/machine.h"

namespace lonala {

/// SipHash-1-3 with key 0 (Aumasson, Bernstein, "SipHash: a fast short-input PRF", 2012; reduced rounds).
u64 siphash13(base::Bytes bytes);
/// The finaliser of splitmix64 (Steele, Lea, Flood, 2014).
constexpr u64 splitmix(u64 x) {
  x ^= x >> 30;
  x *= 0xBF58476D1CE4E5B9u;
  x ^= x >> 27;
  x *= 0x94D049BB133111EBu;
  x ^= x >> 31;
  return x;
}

/// Makes the atom table and the atoms of atom_list.h. False when the grant is too small.
bool atoms_create(Vm& vm);
/// The record of a name, made if need be; 0 when memory is exhausted.
u64 name_intern(Vm& vm, std::string_view space, std::string_view name);
/// The record of a name that exists, else 0.
u64 name_find(const Vm& vm, std::string_view space, std::string_view name);

inline Term atom_term(const Vm& vm, Immediate kind, u64 record) {
  return immediate(kind, (vm.at<NameRecord>(record)->hash & 0xFFFF) << 40 | record >> 3);
}
inline Term symbol_term(const Vm& vm, u64 record) { return atom_term(vm, Immediate::Symbol, record); }
inline Term keyword_term(const Vm& vm, u64 record) {
  vm.at<NameRecord>(record)->keyword_used = 1;
  return atom_term(vm, Immediate::Keyword, record);
}
inline Term symbol(const Vm& vm, Atom atom) { return symbol_term(vm, vm.root->atoms[static_cast<u32>(atom)]); }
inline Term keyword(const Vm& vm, Atom atom) { return keyword_term(vm, vm.root->atoms[static_cast<u32>(atom)]); }
/// The symbol or keyword of a text without namespace; kNone when memory is exhausted.
Term symbol_named(Vm& vm, std::string_view name);

/// The value stored for an atom, or kNone.
Term table_get(const Vm& vm, const NameTable& table, Term key);
/// Stores a value; false when memory is exhausted. kNone removes.
bool table_put(Vm& vm, NameTable& table, Term key, Term value);
/// Calls `visit(key, value)` for each entry, in the order of the slots.
template <class Visit>
void table_each(const Vm& vm, const NameTable& table, Visit visit) {
  const u64* slots = vm.words(table.slots);
  for (u64 i = 0; i < table.capacity; ++i) {
    if (slots[2 * i] != 0 && slots[2 * i + 1] != kNone) visit(slots[2 * i], slots[2 * i + 1]);
  }
}

}  // namespace lonala
