// vm/lonala/module.h — compiled modules: what the forms of a source file were compiled to, as bytes without addresses.
// Little-endian throughout:
//   0   magic: the line `#!/bin/lonala`, so that an executable module is a program, and two bytes that no source has
//   16  version of the machine: kModuleVersion; another one's modules are as good as none
//   24  bytes of the whole module
//   32  SHA-256 of the source
//   64  SHA-256 of all other bytes of the module
//   96  how many units
//   100 the units, one for each top-level form in their order: length in bytes, how many objects, the objects
// An object is a kind and what belongs to it (module_format.h); it refers to others of its unit by their index, and only to such
// that come before it. The last one is the function that a unit is.
// Invariants  V1 what is written is accepted by the same machine.  V2 what is accepted cannot forge a reference, read beyond itself, or
//             run code that the verifier of functions refuses.
// Bounds      2^32 bytes; a check takes O(size), and O(guards of a function) for each of its words that lies in one.
// Tested by   tests/lonala/module_test.cpp
#pragma once
#include "base/bytes.h"
#include "vm/lonala/heap.h"

namespace lonala {

/// Why a module is refused, and the byte at which it shows.
struct ModuleFault {
  u64 offset = 0;
  const char* why = nullptr;  // null: nothing is wrong
  bool ok() const { return why == nullptr; }
};

/// Whether the bytes claim to be a module.
bool module_begins(base::Bytes bytes);
/// The module of units, functions without parameters in a list, made from a source: a binary. kRaised: a constant that cannot be
/// part of a module (`:syntax-error`), or no memory.
Term module_write(Vm& vm, base::Bytes source, Term units);

/// What a module is good for.
enum class ModuleUse : u8 { Fits, OtherVersion, OtherSource, Refused };
/// Checks all of a module and verifies its code; the offsets of its units enter `units`. `source` null: whatever it was made from.
ModuleUse module_check(Vm& vm, base::Bytes module, const base::Bytes* source, Scratch<u32>& units, ModuleFault& fault);
/// Verifies the unit at an offset and links it to the variables and names of the machine: its function. kRaised, with `fault` set when
/// it is refused; else the reason is in `pending` (`:undefined`: a variable is missing).
Term module_link(Vm& vm, base::Bytes module, u64 offset, ModuleFault& fault);

}  // namespace lonala
