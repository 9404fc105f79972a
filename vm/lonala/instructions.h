// vm/lonala/instructions.h — X(name, operands of the first word, further words); O(…) alike, for those that stand for a native and go
// the long way once its variable was redefined.
// Operands: R register, N unsigned byte, I signed byte, W unsigned 16 bits (B and C), S signed 16 bits, - none.
// Further words: v variable (offset / 8), f function (offset / 8), c constant (two words), j jump (words from its own place), n native,
// s words back to the function's first, 0 a number or unused, t as many entries as the operand says: a constant and a jump, ascending by
// constant.
#pragma once

// clang-format off
#define LONALA_INSTRUCTIONS(X, O) \
  X(Halt, "---", "") \
  X(Move, "RR-", "") \
  X(LoadSmall, "RS", "") \
  X(LoadSpecial, "RW", "") \
  X(LoadConstant, "R--", "c") \
  X(LoadVar, "R--", "v") \
  X(Define, "R--", "v") \
  X(CallVar, "RNN", "v") \
  X(Call, "RNN", "0") \
  X(TailVar, "-N-", "v") \
  X(TailSelf, "-N-", "vs") \
  X(Tail, "RN-", "") \
  X(Return, "R--", "") \
  X(MakeClosure, "RRN", "f") \
  X(Capture, "RRN", "") \
  X(MakeTuple, "RRN", "") \
  X(MakePair, "RRR", "") \
  X(Native, "RRN", "n") \
  X(Jump, "---", "j") \
  X(JumpFalsy, "R--", "j") \
  X(JumpTruthy, "R--", "j") \
  O(JumpNotLess, "RR-", "j") \
  O(JumpNotLessEqual, "RR-", "j") \
  O(JumpNotEqual, "RR-", "j") \
  O(JumpNotLessSmall, "RS", "j") \
  O(JumpNotLessEqualSmall, "RS", "j") \
  O(JumpNotGreaterSmall, "RS", "j") \
  O(JumpNotGreaterEqualSmall, "RS", "j") \
  O(JumpNotEqualSmall, "RS", "j") \
  O(JumpLess, "RR-", "j") \
  O(JumpLessEqual, "RR-", "j") \
  O(JumpEqual, "RR-", "j") \
  O(JumpLessSmall, "RS", "j") \
  O(JumpLessEqualSmall, "RS", "j") \
  O(JumpGreaterSmall, "RS", "j") \
  O(JumpGreaterEqualSmall, "RS", "j") \
  O(JumpEqualSmall, "RS", "j") \
  O(JumpNot, "R--", "j") \
  O(JumpNotNot, "R--", "j") \
  O(JumpEmpty, "R--", "j") \
  O(JumpNotEmpty, "R--", "j") \
  O(JumpNil, "R--", "j") \
  O(JumpNotNil, "R--", "j") \
  O(Add, "RRR", "") \
  O(Subtract, "RRR", "") \
  O(Multiply, "RRR", "") \
  O(AddSmall, "RRI", "") \
  O(SubtractSmall, "RRI", "") \
  O(First, "RR-", "") \
  O(Rest, "RR-", "") \
  O(Prepend, "RRR", "") \
  X(JumpNotWord, "R--", "cj") \
  X(JumpNotEqualConstant, "R--", "cj") \
  X(JumpNotSmall, "RS", "j") \
  X(JumpNotSame, "RR-", "j") \
  X(Switch, "RW", "t") \
  X(JumpNotTuple, "RW", "j") \
  X(JumpNotTupleMin, "RW", "j") \
  X(TupleGet, "RRN", "") \
  X(TupleRest, "RRN", "") \
  X(JumpNotPair, "R--", "j") \
  X(Uncons, "RRR", "j") \
  X(Head, "RR-", "") \
  X(Tail2, "RR-", "") \
  X(JumpNotVector, "RW", "j") \
  X(JumpNotVectorMin, "RW", "j") \
  X(VectorGet, "RRN", "") \
  X(VectorRest, "RRN", "") \
  X(MapTake, "RRR", "j") \
  X(BitsStart, "RR-", "j") \
  X(BitsInteger, "RRN", "0j") \
  X(BitsRest, "RR-", "j") \
  X(BadMatch, "R--", "") \
  X(ReceiveStart, "R--", "") \
  X(ReceiveMark, "RN-", "") \
  X(ReceiveNext, "R-N", "j") \
  X(ReceiveSkip, "---", "j") \
  X(ReceiveTake, "---", "")
// clang-format on
