// vm/lonala/code.h — compiled functions: a header, then 32-bit instructions: operation | A << 8 | B << 16 | C << 24. A register r is
// written as 255 - r: the stack grows down, so register r lies at (frame base)[255 - r] with no arithmetic at run time.
// Jumps go forward, but for the one that looks at the next message of a `receive`.
// Bounds      kRegistersMax registers a function; larger constructs are split by the compiler or refused by name.
#pragma once
#include "vm/lonala/instructions.h"
#include "vm/lonala/machine.h"

namespace lonala {

enum class Op : u8 {
#define INSTRUCTION(name, operands, words) name,
  LONALA_INSTRUCTIONS(INSTRUCTION, INSTRUCTION)
#undef INSTRUCTION
      Count,
};

constexpr u32 kRegistersMax = 250;
constexpr u32 kSwitchEntryWords = 3;  // constant, jump
constexpr u8 kMatchNever = 0xFF;      // no call has so many arguments

struct FunctionHeader {
  u8 match;  // how many arguments a direct call must have; kMatchNever takes the general way
  u8 frame;  // 255 - number of registers
  u16 cost;  // reductions at entry: 1 + words / 32
  u32 code_words;
  u8 parameters;  // before the rest parameter
  u8 variadic;
  u8 captures;
  u8 self;          // register that gets the function itself, or 0
  u32 line;         // of the top-level form it is part of
  Term name;        // symbol
  Term source;      // parameter names, for arglists: tuple of symbols, or nil
  u32 guard_count;  // GuardRange after the code
  u32 file;         // name record of the file it comes from, >> 3; 0 for none
  const u32* code() const { return reinterpret_cast<const u32*>(this + 1); }
  u32* code() { return reinterpret_cast<u32*>(this + 1); }
};
static_assert(sizeof(FunctionHeader) == 40);

/// An error inside [from, to) continues at `target`: guards. Indices of code words; `to` is where a call returns at most.
struct GuardRange {
  u32 from;
  u32 to;
  u32 target;
  u32 live;  // registers 1 … live hold terms there
};

/// Reductions at the entry of a function of so many words.
constexpr u16 function_cost(u64 words) { return static_cast<u16>(1 + (words < 32 * 65000 ? words / 32 : 65000)); }
/// Bytes of a function: header, code, guards.
constexpr u64 function_bytes(const FunctionHeader& function) {
  return sizeof(FunctionHeader) + u64{function.code_words} * 4 + u64{function.guard_count} * sizeof(GuardRange);
}

constexpr u32 encode(Op op, u32 a, u32 b = 0, u32 c = 0) { return static_cast<u32>(op) | a << 8 | b << 16 | c << 24; }
constexpr u32 reg(u32 number) { return 255 - number; }

/// Return link in register 0: where the caller goes on, and how many words its frame lies above.
constexpr Term make_link(u64 code, u64 words) { return immediate(Immediate::Link, code >> 2 << 20 | words); }
constexpr u64 link_code(Term link) { return payload_of(link) >> 20 << 2; }
constexpr u64 link_words(Term link) { return payload_of(link) & 0xFFFFF; }

/// Words of an instruction, its first one included, which is given.
u32 instruction_words(u32 first);
/// Name, operands and further words, as instructions.h has them.
struct InstructionShape {
  const char* name;
  const char* operands;
  const char* words;
};
const InstructionShape& instruction_shape(Op op);

/// The function whose code holds an offset, or 0.
u64 function_at(const Vm& vm, u64 code);
/// Enters a finished function into the index; false when memory is exhausted.
bool function_register(Vm& vm, u64 function);

}  // namespace lonala
