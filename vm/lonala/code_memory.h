// vm/lonala/code_memory.h — memory of code that programs make while the machine runs: functions and the constants of their forms. They lie in the
// literal area in pieces, never move, and are shared by all processes; a piece that nothing refers to any more is used again.
//
// What refers to a piece is found by looking at every word of the machine's memory: whatever could be a reference, a return address or a
// function's code counts as one. So nothing has to be announced, and a word that only looks like a reference costs no more than memory.
// A sweep looks at all memory in use between two slices; it comes when as much code was made since the last one as that one left.
// Invariants  C1 between two slices every reference to a piece lies in a word of the machine's memory, or in the code of a piece.
//             C2 pieces are in one list, by rising address; free ones are in the list of their size, too.
// Tested by   tests/lonala/machine.lt (million-redefinitions…), and every conformance file under collection at each function entry
#pragma once
#include "vm/lonala/machine.h"

namespace lonala {

enum class PieceKind : u32 { Free, Function, Constant };

/// Before each piece.
struct CodePiece {
  u64 next;   // in the list of all
  u32 bytes;  // without this header
  PieceKind kind;
};
static_assert(sizeof(CodePiece) == 16);

/// Memory for code or constants; 0 when it is exhausted. Until the library is loaded it is memory that stays for ever.
u64 code_acquire(Vm& vm, u64 bytes, PieceKind kind);
/// From now on code may go again.
void code_memory_begin(Vm& vm);
/// Whether a sweep is due, and the sweep; only between two slices, when no C++ code holds a term.
inline bool code_sweep_due(const Vm& vm) { return vm.root->code_due != 0; }
void code_sweep(Vm& vm);

}  // namespace lonala
