// vm/lonala/verify.h — checks a function's code before it may run: in one pass, since jumps lead forward (but for the two that lead
// back to a place whose state is known). Code that passes cannot reach beyond its registers, read a register that holds no term, or
// look into a value that is no reference; whatever else it does, it raises errors like any other code.
// Invariants  V1 what the compiler emits passes.
#pragma once
#include <span>

#include "vm/lonala/code.h"
#include "vm/lonala/heap.h"

namespace lonala {

/// What code may name. Each answers with what is wrong, or null.
class CodeNames {
 public:
  /// The word behind an instruction that names a variable.
  virtual const char* variable(u32 word) const = 0;
  virtual const char* constant(u64 words) const = 0;
  /// The word that names the code of a closure with so many captures.
  virtual const char* closure(u32 word, u32 captures) const = 0;
  /// Whether a switch may have these two constants one after the other.
  virtual bool ascending(u64 before, u64 words) const = 0;

 protected:
  ~CodeNames() = default;
};

/// What linked code may name: known variables and names by offset, constants as words; each sorted.
class LinkedNames final : public CodeNames {
 public:
  LinkedNames(const Vm& vm, std::span<const u64> variables, std::span<const u64> names, std::span<const Term> constants)
      : vm_(vm), variables_(variables), names_(names), constants_(constants) {}
  const char* variable(u32 word) const override;
  const char* constant(u64 words) const override;
  const char* closure(u32 word, u32 captures) const override;
  bool ascending(u64 before, u64 words) const override { return before < words; }

 private:
  const char* namespace_known(Term term) const;
  const Vm& vm_;
  std::span<const u64> variables_;
  std::span<const u64> names_;
  std::span<const Term> constants_;  // objects in literals
};

/// The reason when there was no room to look; nothing is said of the code then.
inline constexpr char kNoMemory[] = "no memory to verify it";
struct Verdict {
  u32 word = 0;               // index of the code word at fault
  const char* why = nullptr;  // null: the function may run
  bool ok() const { return why == nullptr; }
};

/// Checks a function that is laid out in memory; its header too. `why` is kNoMemory when memory is exhausted.
Verdict verify_function(Vm& vm, const FunctionHeader& function, const CodeNames& names);
/// All variables and names of the machine; for code that was linked to it.
bool known_variables(Vm& vm, Scratch<u64>& variables, Scratch<u64>& names);
/// The objects that a function's code names as constants.
bool constants_of(const FunctionHeader& function, Scratch<Term>& constants);

}  // namespace lonala
