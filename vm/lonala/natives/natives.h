// vm/lonala/natives/natives.h — the functions of the machine that programs call. A wrong type is `:type-error`, a wrong value
// `:badarg`, a wrong count `:arity-mismatch`.
#pragma once
#include <string_view>

#include "vm/lonala/natives/native_list.h"
#include "vm/lonala/errors.h"
#include "vm/lonala/machine.h"

namespace lonala {

enum class NativeId : u32 {
#define NATIVE(identifier, space, name, fewest, most) identifier,
  LONALA_NATIVES(NATIVE)
#undef NATIVE
      End,
};

/// Checks the count and calls. The process's heap state has been saved; nothing moves meanwhile.
Term call_native(Vm& vm, u32 native, Args args);
std::string_view native_name(u32 native);
std::string_view native_space(u32 native);
/// The native of a namespace and name, or Count.
NativeId native_find(std::string_view space, std::string_view name);
/// Whether the compiler has instructions for it.
bool native_is_inline(NativeId native);

/// All arguments of (apply f a … c) as one tuple; kRaised if c is no collection.
Term spread_arguments(Vm& vm, Args args);
/// Elements of any collection as a list; kNone if it is none.
Term list_of_collection(Vm& vm, Term collection);
Term tuple_of_list(Vm& vm, Term list);

/// An index argument: false when it was no integer (raised); `out` is ~0 when it is out of any range.
bool index_argument(Vm& vm, Args args, u32 i, u64& out);
Term out_of_bounds(Vm& vm, Term index, u64 size);
/// `count` bytes of a binary from byte `from` on, without copying.
Term make_slice(Vm& vm, Term binary, u64 from, u64 count);

// Bit syntax: flags of a segment.
constexpr i64 kBitsLittle = 1;
constexpr i64 kBitsSigned = 2;
constexpr i64 kBitsBytes = 4;
constexpr u32 kBitsSmallMax = 56;  // a field of so many bits is a small integer, wherever it begins in its bytes
/// The integer of at most kBitsSmallMax bits at bit `at` of a binary; false if it does not fit there.
bool bits_small(base::Bytes bytes, u64 at, u32 bits, u32 flags, i64& out);
/// The flags of a segment tuple as a small integer; kRaised for an unknown modifier.
Term bits_flags(Vm& vm, Term segment);

#define NATIVE(identifier, space, name, fewest, most) Term native_##identifier(Vm& vm, Args args);
LONALA_NATIVES(NATIVE)
#undef NATIVE

}  // namespace lonala
