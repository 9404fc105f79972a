// vm/lonala/interpreter_steps.h — what the handlers of instructions are made of: macros that use the variables and labels of `interpret`,
// where everything is that stays in registers. Nobody else includes this.
#pragma once

// ── Operands ─────────────────────────────────────────────────────────────────────────────────────────────────
#define A() (*pc >> 8 & 0xFF)
#define B() (*pc >> 16 & 0xFF)
#define C() (*pc >> 24)
#define IMMEDIATE16() (static_cast<i64>(static_cast<i32>(*pc) >> 16))

// ── From one instruction to the next ─────────────────────────────────────────────────────────────────────────
// The empty statement keeps in registers what every instruction needs.
#define NEXT()                                       \
  do {                                               \
    asm volatile("" : "+r"(pc), "+r"(bp), "+r"(hp)); \
    goto* table[*pc & 0xFF];                         \
  } while (false)
#define SAVE()                                                                \
  do {                                                                        \
    process.hp = static_cast<u64>(hp - base);                                 \
    process.limit = static_cast<u64>(sl - base);                              \
    process.frame = static_cast<u64>(reinterpret_cast<u8*>(bp + 255) - base); \
    process.fuel = fuel;                                                      \
  } while (false)
// In a frame whose code has not begun: registers 1 … `count` hold its arguments.
#define SAVE_CALL()                                                                   \
  do {                                                                                \
    SAVE();                                                                           \
    process.limit = static_cast<u64>(reinterpret_cast<u8*>(&bp[255 - count]) - base); \
  } while (false)
#define RELOAD()                        \
  do {                                  \
    hp = base + process.hp;             \
    sl = base + process.limit;          \
    bp = vm.words(process.frame) - 255; \
    fuel = process.fuel;                \
  } while (false)
// Whether a native parks the process, or natives have taken more than is left of the slice.
#define PARKED() ((process.marks & kParked) != 0)
#define OWES() (__builtin_expect(fuel < 0, 0) && (fuel + process.fuel_held < 0 || PARKED()))
// Whether a native has stopped in the middle of its work.
#define AT_WORK() __builtin_expect((process.marks & kAtWork) != 0, 0)
#define JUMP_BY(place) pc += (place) + static_cast<i32>(pc[place])
// Ends of instructions: a branch of `words` words whose jump is its last one, and a value for register A.
#define BRANCH(holds, words) \
  do {                       \
    if (holds) {             \
      pc += (words);         \
      NEXT();                \
    }                        \
    JUMP_BY((words)-1);      \
    NEXT();                  \
  } while (false)
#define RESULT(term)  \
  do {                \
    bp[A()] = (term); \
    pc += 1;          \
    NEXT();           \
  } while (false)

// ── Whole handlers ───────────────────────────────────────────────────────────────────────────────────────────
#define COMPARE(label, goes_on, holds, right, small_pair, native)        \
  L_##label : {                                                          \
    const Term x = bp[A()];                                              \
    const Term y = (right);                                              \
    if (__builtin_expect(small_pair, 1)) {                               \
      BRANCH((static_cast<i64>(x) holds static_cast<i64>(y))goes_on, 2); \
    }                                                                    \
    bool ok = true;                                                      \
    SAVE();                                                              \
    const int order = ordered(vm, x, y, native, ok);                     \
    RELOAD();                                                            \
    if (!ok) goto raised;                                                \
    BRANCH((order != 2 && order holds 0) goes_on, 2);                    \
  }
// In pairs: the one that jumps if it does not hold, the one that jumps if it does.
#define COMPARE_REGISTERS(name, holds, native)                                          \
  COMPARE(JumpNot##name, == true, holds, bp[B()], ((x | y) & 7) == 0, NativeId::native) \
  COMPARE(Jump##name, == false, holds, bp[B()], ((x | y) & 7) == 0, NativeId::native)
#define COMPARE_SMALL(name, holds, native)                                                     \
  COMPARE(JumpNot##name, == true, holds, small(IMMEDIATE16()), (x & 7) == 0, NativeId::native) \
  COMPARE(Jump##name, == false, holds, small(IMMEDIATE16()), (x & 7) == 0, NativeId::native)
#define EQUAL(label, goes_on, right)                                          \
  L_##label : {                                                               \
    const Term x = bp[A()];                                                   \
    const Term y = (right);                                                   \
    if (__builtin_expect(((x | y) & 7) == 0, 1)) BRANCH((x == y) goes_on, 2); \
    SAVE();                                                                   \
    value = equal_in_code(vm, x, y);                                          \
    RELOAD();                                                                 \
    if (__builtin_expect(value == kRaised, 0)) goto raised;                   \
    BRANCH((value == kTrue) goes_on, 2);                                      \
  }
#define EMPTY(label, goes_on)                                                        \
  L_##label : {                                                                      \
    const Term x = bp[A()];                                                          \
    if (__builtin_expect(is_pair(x), 1)) BRANCH(false goes_on, 2);                   \
    if (x == kEmptyList) BRANCH(true goes_on, 2);                                    \
    SAVE();                                                                          \
    value = call_native(vm, static_cast<u32>(NativeId::IsEmpty), Args{&bp[A()], 1}); \
    RELOAD();                                                                        \
    if (value == kRaised) goto raised;                                               \
    BRANCH((value == kTrue) goes_on, 2);                                             \
  }
// Small integers are shifted alike, so words add and subtract as they are; a product needs one factor shifted back.
#define ARITHMETIC(label, overflows, right, small_pair, left, operation)                       \
  L_##label : {                                                                                \
    const Term x = bp[B()];                                                                    \
    const Term y = (right);                                                                    \
    i64 result = 0;                                                                            \
    if (__builtin_expect((small_pair) && !overflows(left, static_cast<i64>(y), &result), 1)) { \
      RESULT(static_cast<u64>(result));                                                        \
    }                                                                                          \
    SAVE();                                                                                    \
    value = arithmetic(vm, number::Operation::operation, NativeId::operation, x, y);           \
    goto arithmetic_done;                                                                      \
  }
#define ARITHMETIC_REGISTERS(label, overflows, left, operation) \
  ARITHMETIC(label, overflows, bp[C()], ((x | y) & 7) == 0, left, operation)
#define ARITHMETIC_SMALL(label, overflows, operation) \
  ARITHMETIC(label, overflows, small(static_cast<i8>(C())), (x & 7) == 0, static_cast<i64>(x), operation)
#define OF_PAIR(label, word)                                                       \
  L_##label : {                                                                    \
    const Term list = bp[B()];                                                     \
    if (__builtin_expect(is_pair(list), 1)) RESULT(vm.object(list)[word]);         \
    SAVE();                                                                        \
    value = call_native(vm, static_cast<u32>(NativeId::label), Args{&bp[B()], 1}); \
    goto arithmetic_done;                                                          \
  }

// ── The same once operators were redefined ───────────────────────────────────────────────────────────────────
#define GUARDED_VALUE(label, native, ...)            \
  G_##label : SAVE();                                \
  value = call_redefined(vm, native, {__VA_ARGS__}); \
  goto arithmetic_done;
#define GUARDED_JUMP(label, place, native, ...)      \
  G_##label : SAVE();                                \
  value = call_redefined(vm, native, {__VA_ARGS__}); \
  goto place;
#define GUARDED_JUMPS(name, native, ...)                                  \
  GUARDED_JUMP(JumpNot##name, guarded_not, NativeId::native, __VA_ARGS__) \
  GUARDED_JUMP(Jump##name, guarded_jump, NativeId::native, __VA_ARGS__)
