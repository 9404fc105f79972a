// vm/lonala/calls.h — what the instruction loop leaves to functions: everything but the short way.
#pragma once
#include <initializer_list>

#include "vm/lonala/code.h"
#include "vm/lonala/errors.h"
#include "vm/lonala/natives/natives.h"
#include "vm/lonala/number/number.h"

namespace lonala {

constexpr u32 kParametersMax = 240;

Term switch_key_slow(const Vm& vm, Term value);
/// The order of two terms for a comparison instruction: -1, 0, 1, or 2 for unordered. A term that is no number raises the error of
/// `native` and clears `ok`.
int ordered(Vm& vm, Term a, Term b, NativeId native, bool& ok);
/// The value of an arithmetic instruction whose operands or result are no small integers; kRaised for a wrong type.
Term arithmetic(Vm& vm, number::Operation operation, NativeId native, Term a, Term b);
/// `=` for an instruction: true, false, or kRaised if it has stopped (work.h).
Term equal_in_code(Vm& vm, Term a, Term b);
/// An instruction whose native may have been redefined: calls the var's present value.
Term call_redefined(Vm& vm, NativeId native, std::initializer_list<Term> args);
/// Calls of collections and keywords: kNone if the head is none of them.
Term call_data(Vm& vm, Term callee, Args args);
/// Raises `:arity-mismatch`.
Term arity_error(Vm& vm, Term callee, Args args);
/// Where an error at `code` in the running frame is handled: guards. Unwinds frames until one has a range around its place; false at
/// the bottom.
bool unwind_to_guard(Vm& vm, u64& frame, u64 code);
enum class Entry : u8 { Go, Slice, Ended };
/// The entry of a function when the slice seems over or, with `overflow`, its registers reach into the heap: collects if there is
/// reason to, and says whether the function runs now.
Entry enter_slowly(Vm& vm, u64 function, bool overflow);
/// Room for `bytes` above the registers that are live: by collecting, or by a larger block while C++ code holds terms. False: raised.
bool make_room(Vm& vm, u64 bytes);
constexpr u64 kSpreadBytes = 4096;  // more than any arguments that `apply` spreads into registers
static_assert(kSpreadBytes > 8 * (kParametersMax + 16));
/// The word by which a switch looks a value up: equal integers and symbols have equal ones.
inline Term switch_key(const Vm& vm, Term value) {
  if (is_small(value) || (tag_of(value) == Tag::Immediate && !is_immediate(value, Immediate::Fixed))) return value;
  return switch_key_slow(vm, value);
}
/// Where a switch leads a key: binary search among its entries; behind it if none has the key.
inline const u32* switch_target(const u32* pc, Term key) {
  u32 low = 0;
  u32 high = *pc >> 16;
  const auto entry = [&](u32 i) { return pc + 1 + kSwitchEntryWords * i; };
  const auto constant = [&](u32 i) { return u64{entry(i)[1]} << 32 | entry(i)[0]; };
  while (low < high) {
    const u32 middle = (low + high) / 2;
    if (constant(middle) < key) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low < *pc >> 16 && constant(low) == key) return entry(low) + 2 + static_cast<i32>(entry(low)[2]);
  return entry(*pc >> 16);
}
/// The elements of a tuple or vector from `from` on, as the list that a rest pattern binds.
Term rest_list(Vm& vm, Term sequence, u64 from);

}  // namespace lonala
