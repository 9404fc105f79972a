// vm/lonala/interpreter.cpp — the instruction loop: direct threading, registers in a window on the process's stack.
// The window of a call begins at the caller's register that gets the result, so that arguments are never copied.
#include "vm/lonala/interpreter.h"

#include <algorithm>

#include "vm/lonala/binaries.h"
#include "vm/lonala/calls.h"
#include "vm/lonala/collections/map.h"
#include "vm/lonala/collections/vector.h"
#include "vm/lonala/equality.h"
#include "vm/lonala/interpreter_steps.h"
#include "vm/lonala/mailbox.h"
#include "vm/lonala/namespaces.h"
#include "vm/lonala/work.h"

#include "base/enforce.h"

namespace lonala {

Stop interpret(Vm& vm) {
  Process& process = *vm.process;
  static const void* const kFast[] = {
#define INSTRUCTION(name, operands, words) &&L_##name,
      LONALA_INSTRUCTIONS(INSTRUCTION, INSTRUCTION)};
  // Once an operator with an instruction of its own is redefined, its instructions go the long way.
  static const void* const kGuarded[] = {
#define OPERATOR(name, operands, words) &&G_##name,
      LONALA_INSTRUCTIONS(INSTRUCTION, OPERATOR)
#undef OPERATOR
#undef INSTRUCTION
  };
  const void* const* table = vm.root->inline_broken != 0 ? kGuarded : kFast;

  u8* const base = vm.base;
  u64* bp = vm.words(process.frame) - 255;  // register r at bp[255 - r]
  u8* hp = base + process.hp;
  u8* sl = base + process.limit;  // the lowest word of the frame; the heap ends below it
  i64 fuel = process.fuel;
  const u32* pc = nullptr;
  const FunctionHeader* callee = nullptr;
  Term value = kNil;
  u32 count = 0;

  if ((process.flags & kAtReceive) != 0) {
    process.flags &= static_cast<u8>(~kAtReceive);
    pc = vm.at<u32>(process.code);
    if (AT_WORK()) goto work_goes_on;
    NEXT();
  }
  if (process.code == 0) {  // a fresh call: function in register 1, arguments behind it
    count = process.live - 1u;
    value = bp[254];
    for (u32 i = 1; i <= count; ++i) bp[255 - i] = bp[254 - i];
    goto call_value;
  }
  callee = vm.at<FunctionHeader>(process.code);
  goto enter;

enter:  // the frame is set up; the arguments are in its registers
  sl = reinterpret_cast<u8*>(&bp[callee->frame]);
  pc = callee->code();
  fuel -= callee->cost;
  if (__builtin_expect(fuel < 0 || sl < hp, 0)) goto entry_slow;
  NEXT();

entry_slow:
  SAVE();
  switch (enter_slowly(vm, vm.offset(callee), sl < hp)) {
    case Entry::Ended: goto ended;
    case Entry::Slice: return Stop::Slice;
    case Entry::Go: break;
  }
  RELOAD();
  sl = reinterpret_cast<u8*>(&bp[callee->frame]);
  NEXT();

call_value:  // `value` is called with `count` arguments in registers 1 … of a frame whose link is set
  if (is_boxed(vm, value, Type::Function)) {
    const u64* object = vm.object(value);
    callee = vm.at<FunctionHeader>(static_cast<u64>(small_value(object[1])));
    if (callee->variadic != 0) {
      if (count < callee->parameters) goto wrong_count;
      const u64 extra = count - callee->parameters;
      // The rest takes a register that the caller may not have had, and so does the function itself: room for both comes first,
      // for what begins anew would wrap the rest once more.
      const u32 lowest = std::max({count, callee->parameters + 1u, u32{callee->self}});
      if (reinterpret_cast<u8*>(&bp[255 - lowest]) < hp) goto no_room;
      SAVE();
      process.limit = static_cast<u64>(reinterpret_cast<u8*>(&bp[255 - lowest]) - base);
      const Term rest = make_object(vm, Type::Tuple, extra);
      if (rest == kRaised) goto raised;
      for (u64 i = 0; i < extra; ++i) vm.object(rest)[1 + i] = bp[254 - callee->parameters - i];
      RELOAD();
      bp[254 - callee->parameters] = rest;
    } else if (count != callee->parameters) {
      goto wrong_count;
    }
    if (callee->self != 0) {
      if (reinterpret_cast<u8*>(&bp[255 - callee->self]) < hp) goto no_room;
      bp[255 - callee->self] = value;
    }
    goto enter;
  }
  if (is_immediate(value, Immediate::Native)) {
    const u32 native = static_cast<u32>(payload_of(value));
    if (native == static_cast<u32>(NativeId::Apply)) goto apply;
    SAVE_CALL();
    value = call_native(vm, native, Args{&bp[254], count});
    goto native_done;
  }
  {
    SAVE_CALL();
    const Term callee_value = value;
    if (is_var(value)) {
      constexpr u32 kVarsMax = 64;  // one behind the other: a variable that leads to itself calls nothing
      for (u32 i = 0; i < kVarsMax && is_var(value); ++i) value = var_value(vm, value);
      if (value != kUnbound && !is_var(value)) goto call_value;
    }
    value = call_data(vm, callee_value, Args{&bp[254], count});
    if (value == kNone) value = raise(vm, Atom::NotCallable, {{Atom::Value, callee_value}});
    goto native_done;
  }

no_room : {  // rare: room for the self register, or for spread arguments, which are `count` registers from 1 on
  SAVE();
  process.live = static_cast<u8>(count);
  process.limit = process.frame - u64{count} * 8;
  process.pending = value;
  if (!make_room(vm, kSpreadBytes)) goto ended;
  value = process.pending;
  process.pending = kNil;
  RELOAD();
  goto call_value;
}

apply : {  // (apply f a … c) in registers 1 …: f moves to `value`, the arguments are spread
  if (count < 2) goto wrong_count;
  SAVE_CALL();
  vm.native = static_cast<u32>(NativeId::Apply);
  const Term all = spread_arguments(vm, Args{&bp[254], count});
  RELOAD();
  if (all == kRaised) goto raised_in_call;
  const u64 total = tuple_count(vm, all);
  value = bp[254];
  if (is_immediate(value, Immediate::Native) && payload_of(value) != static_cast<u64>(NativeId::Apply)) {
    Scratch<Term> window(vm);  // natives read their arguments downwards
    for (u64 i = total; i > 0; --i) window.push(tuple_at(vm, all, i - 1));
    SAVE_CALL();
    value = call_native(vm, static_cast<u32>(payload_of(value)),
                        Args{total == 0 ? nullptr : &window[total - 1], static_cast<u32>(total)});
    goto native_done;
  }
  if (total > kParametersMax) {  // only a rest parameter can take so many: it gets its tuple directly
    if (!is_boxed(vm, value, Type::Function)) goto wrong_count;
    callee = vm.at<FunctionHeader>(static_cast<u64>(small_value(vm.object(value)[1])));
    if (callee->variadic == 0) goto wrong_count;
    SAVE();
    const u64 fixed = callee->parameters;
    const Term rest = make_object(vm, Type::Tuple, total - fixed);
    if (rest == kRaised) goto raised;
    for (u64 i = fixed; i < total; ++i) vm.object(rest)[1 + i - fixed] = tuple_at(vm, all, i);
    bp[254] = value;
    bp[253] = rest;
    bp[252] = all;
    process.live = 3;
    process.limit = process.frame - 24;
    if (!make_room(vm, kSpreadBytes)) goto ended;
    RELOAD();
    value = bp[254];
    const Term moved_rest = bp[253];
    const Term moved_all = bp[252];
    for (u64 i = 0; i < fixed; ++i) bp[254 - i] = tuple_at(vm, moved_all, i);
    bp[254 - fixed] = moved_rest;
    if (callee->self != 0) bp[255 - callee->self] = value;
    goto enter;
  }
  Term spread = all;
  if (reinterpret_cast<u8*>(&bp[254 - total]) - 64 < hp) {
    bp[254] = value;
    bp[253] = all;
    SAVE();
    process.live = 2;
    process.limit = process.frame - 16;
    if (!make_room(vm, kSpreadBytes)) goto ended;
    RELOAD();
    value = bp[254];
    spread = bp[253];
  }
  for (u64 i = 0; i < total; ++i) bp[254 - i] = tuple_at(vm, spread, i);
  count = static_cast<u32>(total);
  goto call_value;
}

wrong_count:
  SAVE_CALL();
  arity_error(vm, value, Args{&bp[254], count});
  RELOAD();
  goto raised_in_call;

native_done:
  RELOAD();
  if (value == kRaised) goto raised_in_call;
  table = vm.root->inline_broken != 0 ? kGuarded : kFast;
  {
    const Term link = bp[255];
    bp[255] = value;
    bp += link_words(link);
    pc = reinterpret_cast<const u32*>(base + link_code(link));
    sl = reinterpret_cast<u8*>(&bp[pc[-2] >> 24]);
    if (__builtin_expect(sl < hp, 0)) {
      count = static_cast<u32>(link_words(link));
      goto frame_covered;
    }
    if (OWES() && (link_words(link) != 0 || PARKED())) {
      count = static_cast<u32>(link_words(link));
      goto pay;
    }
    NEXT();
  }

pay:  // a native has used up the slice, or parks: the process goes on behind the call, where registers 1 … `count` hold terms
  SAVE();
  process.live = static_cast<u8>(count);
  process.code = vm.offset(pc);
  process.flags |= kAtReceive;
  process.marks |= kAtReturn;
  return Stop::Slice;

work_goes_on:  // of a native that had stopped in the middle: what it gives goes where it would have gone
  value = work_go_on(vm);
  if ((process.marks & kInCall) != 0) {
    process.marks &= static_cast<u16>(~kInCall);
    goto native_done;
  }
  switch (static_cast<Op>(*pc & 0xFF)) {
    case Op::Call:
    case Op::CallVar:
    case Op::Native: goto called_native;
    case Op::JumpNotEqual:
    case Op::JumpNotSame:
    case Op::JumpNotEqualSmall:
    case Op::JumpNotSmall: goto guarded_not;
    case Op::JumpEqual:
    case Op::JumpEqualSmall: goto guarded_jump;
    case Op::JumpNotEqualConstant: goto compared_constant;
    default: goto arithmetic_done;
  }

stop_at_work:  // a native has stopped in the middle
  SAVE();
  process.code = vm.offset(pc);
  process.flags |= kAtReceive;
  return Stop::Slice;

raised_in_call : {  // in a frame whose own code has not begun: the error is the caller's
  const Term link = bp[255];
  if (AT_WORK()) {
    process.marks |= kInCall;
    pc = vm.at<u32>(link_code(link)) - 1;
    goto stop_at_work;
  }
  pc = reinterpret_cast<const u32*>(base + link_code(link)) - 1;
  if (link_words(link) == 0) {
    SAVE();
    goto ended;
  }
  bp += link_words(link);
}
raised : {
  if (AT_WORK()) goto stop_at_work;
  SAVE();
  process.code = vm.offset(pc);  // where it happened, for who asks
  u64 frame = process.frame;
  if ((process.flags & kExiting) == 0 && unwind_to_guard(vm, frame, vm.offset(pc))) {
    process.pending = kNil;
    process.frame = frame;
    RELOAD();
    pc = vm.at<u32>(process.code);
    count = process.live;
    if (sl < hp) goto frame_covered;
    NEXT();
  }
  goto ended;
}

  // The heap has grown over registers of a frame that goes on: what was called needed fewer than its caller has. Registers 1 …
  // `count` hold terms.
frame_covered : {
  const u64 window = static_cast<u64>(reinterpret_cast<u8*>(bp + 255) - sl) + 8;
  SAVE();
  process.live = static_cast<u8>(count);
  process.limit = process.frame - u64{count} * 8;
  if (!make_room(vm, window + 64)) goto ended;
  RELOAD();
  sl = reinterpret_cast<u8*>(bp + 255) - (window - 8);
  if (__builtin_expect(PARKED(), 0)) goto pay;
  NEXT();
}

ended:
  return Stop::Ended;

L_Halt:
  value = bp[255];
  SAVE();
  process.pending = value;
  return Stop::Done;

L_Move:
  RESULT(bp[B()]);
L_LoadSmall:
  RESULT(small(IMMEDIATE16()));
L_LoadSpecial:
  RESULT(immediate(Immediate::Special, *pc >> 16));
L_LoadConstant:
  bp[A()] = u64{pc[2]} << 32 | pc[1];
  pc += 3;
  NEXT();
L_LoadVar : {
  const VarRecord* var = vm.at<VarRecord>(u64{pc[1]} << 3);
  Term loaded = var->value;
  if (__builtin_expect((var->flags & kVarOwn) != 0 || loaded == kUnbound, 0)) {
    SAVE();
    loaded = var_bound_value(vm, var_term(u64{pc[1]} << 3));
    RELOAD();
    if (loaded == kRaised) goto raised;
  }
  bp[A()] = loaded;
  pc += 2;
  NEXT();
}
L_Define : {
  SAVE();
  const Term done = var_define(vm, var_term(u64{pc[1]} << 3), bp[A()]);
  RELOAD();
  if (done == kRaised) goto raised;
  table = vm.root->inline_broken != 0 ? kGuarded : kFast;
  pc += 2;
  NEXT();
}
L_CallVar : {
  const VarRecord* var = vm.at<VarRecord>(u64{pc[1]} << 3);
  callee = reinterpret_cast<const FunctionHeader*>(base + var->entry);
  const u32 first = A();
  if (__builtin_expect(callee->match != B(), 0)) {
    count = B();
    value = var->value;
    if (is_immediate(value, Immediate::Native) && payload_of(value) != static_cast<u64>(NativeId::Apply) &&
        (var->flags & kVarOwn) == 0) {
      SAVE();
      value = call_native(vm, static_cast<u32>(payload_of(value)), Args{&bp[first - 1], count});
      goto called_native;
    }
    if (value == kUnbound || (var->flags & kVarOwn) != 0) {
      SAVE();
      value = var_bound_value(vm, var_term(u64{pc[1]} << 3));
      RELOAD();
      if (value == kRaised) goto raised;
    }
    bp[first] = make_link(static_cast<u64>(reinterpret_cast<const u8*>(pc + 2) - base), 255 - first);
    bp -= 255 - first;
    goto call_value;
  }
  bp[first] = make_link(static_cast<u64>(reinterpret_cast<const u8*>(pc + 2) - base), 255 - first);
  bp -= 255 - first;
  sl = reinterpret_cast<u8*>(&bp[callee->frame]);
  pc = callee->code();
  fuel -= callee->cost;
  if (__builtin_expect(fuel < 0 || sl < hp, 0)) goto entry_slow;
  NEXT();
}
L_Call : {
  const u32 first = A();
  count = B();
  value = bp[first];
  if (is_immediate(value, Immediate::Native) && payload_of(value) != static_cast<u64>(NativeId::Apply)) {
    i64 sum = 0;  // the native that is passed around most
    if (value == immediate(Immediate::Native, static_cast<u64>(NativeId::Add)) && count == 2 &&
        ((bp[first - 1] | bp[first - 2]) & 7) == 0 &&
        !__builtin_add_overflow(static_cast<i64>(bp[first - 1]), static_cast<i64>(bp[first - 2]), &sum)) {
      bp[first] = static_cast<u64>(sum);
      pc += 2;
      NEXT();
    }
    SAVE();
    value = call_native(vm, static_cast<u32>(payload_of(value)), Args{&bp[first - 1], count});
    goto called_native;
  }
  bp[first] = make_link(static_cast<u64>(reinterpret_cast<const u8*>(pc + 2) - base), 255 - first);
  bp -= 255 - first;
  goto call_value;
}
called_native:  // by an instruction of two words
  RELOAD();
  if (value == kRaised) goto raised;
  table = vm.root->inline_broken != 0 ? kGuarded : kFast;
  bp[A()] = value;
  if (OWES() && (*pc & 0xFF) != static_cast<u32>(Op::Native)) {  // that one is no place to stop
    count = 255 - A();
    pc += 2;
    goto pay;
  }
  pc += 2;
  NEXT();
// Tail calls: the compiler has put the arguments into registers 1 ….
L_TailSelf : {
  const u32* start = pc - pc[2];
  callee = reinterpret_cast<const FunctionHeader*>(start) - 1;
  if (__builtin_expect(vm.at<VarRecord>(u64{pc[1]} << 3)->entry == vm.offset(callee), 1)) {
    pc = start;
    fuel -= callee->cost;
    if (__builtin_expect(fuel < 0, 0)) goto entry_slow;
    NEXT();
  }
}
L_TailVar : {
  const VarRecord* var = vm.at<VarRecord>(u64{pc[1]} << 3);
  count = B();
  callee = reinterpret_cast<const FunctionHeader*>(base + var->entry);
  if (__builtin_expect(callee->match != count, 0)) {
    value = var->value;
    if (value == kUnbound || (var->flags & kVarOwn) != 0) {
      SAVE();
      value = var_bound_value(vm, var_term(u64{pc[1]} << 3));
      RELOAD();
      if (value == kRaised) goto raised_in_call;
    }
    goto call_value;
  }
  goto enter;
}
L_Tail:
  count = B();
  value = bp[A()];
  goto call_value;
L_Return : {
  const Term link = bp[255];
  bp[255] = bp[A()];
  bp += link_words(link);
  pc = reinterpret_cast<const u32*>(base + link_code(link));
  sl = reinterpret_cast<u8*>(&bp[pc[-2] >> 24]);
  if (__builtin_expect(sl < hp, 0)) {
    count = static_cast<u32>(link_words(link));
    goto frame_covered;
  }
  NEXT();
}
L_MakeClosure : {
  const u32 captures = C();
  SAVE();
  if (captures + 2 > kSmallWordsMax && !heap_room(vm, captures + 2)) {
    raise_oom(vm, captures);
    goto raised;
  }
  u64* object = heap_take(vm, captures + 2);
  RELOAD();
  object[0] = header(Type::Function, captures + 1);
  object[1] = small(static_cast<i64>(u64{pc[1]} << 3));
  for (u32 i = 0; i < captures; ++i) object[2 + i] = bp[B() - i];
  bp[A()] = refer(vm.offset(object), Tag::Boxed);
  pc += 2;
  NEXT();
}
L_Capture:
  RESULT(vm.object(bp[B()])[2 + C()]);
L_MakeTuple : {
  const u32 size = C();
  u64* object = reinterpret_cast<u64*>(hp);
  if (__builtin_expect(hp + (size + 1) * 8 > sl, 0)) {
    SAVE();
    if (size + 1 > kSmallWordsMax && !heap_room(vm, size + 1)) {
      raise_oom(vm, size);
      goto raised;
    }
    object = heap_take(vm, size + 1);
    RELOAD();
  } else {
    hp += (size + 1) * 8;
  }
  object[0] = header(Type::Tuple, size);
  for (u32 i = 0; i < size; ++i) object[1 + i] = bp[B() - i];
  RESULT(refer(static_cast<u64>(reinterpret_cast<u8*>(object) - base), Tag::Tuple));
}
L_MakePair : {
  u64* object = reinterpret_cast<u64*>(hp);
  if (__builtin_expect(hp + 16 > sl, 0)) {
    SAVE();
    object = heap_take(vm, 2);
    RELOAD();
  } else {
    hp += 16;
  }
  object[0] = bp[B()];
  object[1] = bp[C()];
  RESULT(refer(static_cast<u64>(reinterpret_cast<u8*>(object) - base), Tag::Pair));
}
L_Native : {
  SAVE();
  value = call_native(vm, pc[1], Args{&bp[B()], C()});
  RELOAD();
  if (value == kRaised) goto raised;
  bp[A()] = value;
  pc += 2;
  NEXT();
}
L_Jump:
  JUMP_BY(1);
  NEXT();
L_JumpFalsy:
  BRANCH(!is_falsy(bp[A()]), 2);
L_JumpTruthy:
  BRANCH(is_falsy(bp[A()]), 2);

  COMPARE_REGISTERS(Less, <, Less)
  COMPARE_REGISTERS(LessEqual, <=, LessEqual)
  COMPARE_SMALL(LessSmall, <, Less)
  COMPARE_SMALL(LessEqualSmall, <=, LessEqual)
  COMPARE_SMALL(GreaterSmall, >, Greater)
  COMPARE_SMALL(GreaterEqualSmall, >=, GreaterEqual)
  EQUAL(JumpNotEqual, == true, bp[B()])
  EQUAL(JumpEqual, == false, bp[B()])
  EQUAL(JumpNotSame, == true, bp[B()])
  EQUAL(JumpNotEqualSmall, == true, small(IMMEDIATE16()))
  EQUAL(JumpEqualSmall, == false, small(IMMEDIATE16()))
  EQUAL(JumpNotSmall, == true, small(IMMEDIATE16()))
  EMPTY(JumpNotEmpty, == true)
  EMPTY(JumpEmpty, == false)
L_JumpNotNot:
  BRANCH(is_falsy(bp[A()]), 2);
L_JumpNot:
  BRANCH(!is_falsy(bp[A()]), 2);
L_JumpNotNil:
  BRANCH(bp[A()] == kNil, 2);
L_JumpNil:
  BRANCH(bp[A()] != kNil, 2);

  ARITHMETIC_REGISTERS(Add, __builtin_add_overflow, static_cast<i64>(x), Add)
  ARITHMETIC_REGISTERS(Subtract, __builtin_sub_overflow, static_cast<i64>(x), Subtract)
  ARITHMETIC_REGISTERS(Multiply, __builtin_mul_overflow, small_value(x), Multiply)
  ARITHMETIC_SMALL(AddSmall, __builtin_add_overflow, Add)
  ARITHMETIC_SMALL(SubtractSmall, __builtin_sub_overflow, Subtract)
arithmetic_done:
  RELOAD();
  if (value == kRaised) goto raised;
  RESULT(value);

  OF_PAIR(First, 0)
  OF_PAIR(Rest, 1)

L_Prepend : {
  const Term list = bp[B()];
  u64* pair = reinterpret_cast<u64*>(hp);
  if (__builtin_expect(is_list(list) && hp + 16 <= sl, 1)) {
    hp += 16;
    pair[0] = bp[C()];
    pair[1] = list;
    RESULT(refer(static_cast<u64>(reinterpret_cast<u8*>(pair) - base), Tag::Pair));
  }
  const Term window[2] = {bp[C()], list};
  SAVE();
  value = call_native(vm, static_cast<u32>(NativeId::Prepend), Args{window + 1, 2});
  goto arithmetic_done;
}

  // ── The same once operators were redefined ─────────────────────────────────────────────────────────────────
  GUARDED_VALUE(Add, NativeId::Add, bp[B()], bp[C()])
  GUARDED_VALUE(Subtract, NativeId::Subtract, bp[B()], bp[C()])
  GUARDED_VALUE(Multiply, NativeId::Multiply, bp[B()], bp[C()])
  GUARDED_VALUE(AddSmall, NativeId::Add, bp[B()], small(static_cast<i8>(C())))
  GUARDED_VALUE(SubtractSmall, NativeId::Subtract, bp[B()], small(static_cast<i8>(C())))
  GUARDED_VALUE(First, NativeId::First, bp[B()])
  GUARDED_VALUE(Rest, NativeId::Rest, bp[B()])
  GUARDED_VALUE(Prepend, NativeId::Prepend, bp[B()], bp[C()])
  GUARDED_JUMPS(Less, Less, bp[A()], bp[B()])
  GUARDED_JUMPS(LessEqual, LessEqual, bp[A()], bp[B()])
  GUARDED_JUMPS(Equal, Equal, bp[A()], bp[B()])
  GUARDED_JUMPS(LessSmall, Less, bp[A()], small(IMMEDIATE16()))
  GUARDED_JUMPS(LessEqualSmall, LessEqual, bp[A()], small(IMMEDIATE16()))
  GUARDED_JUMPS(GreaterSmall, Greater, bp[A()], small(IMMEDIATE16()))
  GUARDED_JUMPS(GreaterEqualSmall, GreaterEqual, bp[A()], small(IMMEDIATE16()))
  GUARDED_JUMPS(EqualSmall, Equal, bp[A()], small(IMMEDIATE16()))
  GUARDED_JUMPS(Not, Not, bp[A()])
  GUARDED_JUMPS(Empty, IsEmpty, bp[A()])
  GUARDED_JUMPS(Nil, IsNil, bp[A()])
guarded_not:
  RELOAD();
  if (value == kRaised) goto raised;
  BRANCH(!is_falsy(value), 2);
guarded_jump:
  RELOAD();
  if (value == kRaised) goto raised;
  BRANCH(is_falsy(value), 2);

// ── Patterns ───────────────────────────────────────────────────────────────────────────────────────────────
L_JumpNotWord:
  BRANCH(bp[A()] == (u64{pc[2]} << 32 | pc[1]), 4);
L_JumpNotEqualConstant : {
  SAVE();
  value = equal_in_code(vm, bp[A()], u64{pc[2]} << 32 | pc[1]);
}
compared_constant:
  RELOAD();
  if (__builtin_expect(value == kRaised, 0)) goto raised;
  BRANCH(value == kTrue, 4);
L_Switch:
  pc = switch_target(pc, switch_key(vm, bp[A()]));
  NEXT();
L_JumpNotTuple:
  BRANCH(is_tuple(bp[A()]) && tuple_count(vm, bp[A()]) == *pc >> 16, 2);
L_JumpNotTupleMin:
  BRANCH(is_tuple(bp[A()]) && tuple_count(vm, bp[A()]) >= *pc >> 16, 2);
L_TupleGet:
  RESULT(vm.object(bp[B()])[1 + C()]);
L_VectorRest:
L_TupleRest : {
  SAVE();
  const Term list = rest_list(vm, bp[B()], C());
  RELOAD();
  RESULT(list);
}
L_JumpNotPair:
  BRANCH(is_pair(bp[A()]), 2);
L_Uncons : {
  const Term list = bp[A()];
  if (!is_pair(list)) {
    JUMP_BY(1);
    NEXT();
  }
  const u64* pair = vm.object(list);
  const Term first = pair[0];
  const Term rest = pair[1];
  bp[B()] = first;
  bp[C()] = rest;
  pc += 2;
  NEXT();
}
L_Head:
  RESULT(vm.object(bp[B()])[0]);
L_Tail2:
  RESULT(vm.object(bp[B()])[1]);
L_JumpNotVector:
  BRANCH(is_vector(vm, bp[A()]) && vector_count(vm, bp[A()]) == *pc >> 16, 2);
L_JumpNotVectorMin:
  BRANCH(is_vector(vm, bp[A()]) && vector_count(vm, bp[A()]) >= *pc >> 16, 2);
L_VectorGet:
  RESULT(vector_at(vm, bp[B()], C()));
L_MapTake : {
  SAVE();
  const Term found = is_map(vm, bp[B()]) ? map_get(vm, bp[B()], bp[C()]) : kNone;
  RELOAD();
  if (found != kNone) bp[A()] = found;
  BRANCH(found != kNone, 2);
}
L_BitsStart:
  if (!is_binary(vm, bp[B()])) {
    JUMP_BY(1);
    NEXT();
  }
  bp[A()] = bp[B()];
  bp[A() - 1] = small(0);
  pc += 2;
  NEXT();
L_BitsInteger : {
  i64 field = 0;
  const Term place = bp[B() - 1];  // verified code may have put anything there
  const u64 at = static_cast<u64>(small_value(place));
  if (!is_small(place) || !is_binary(vm, bp[B()]) || !bits_small(binary_bytes(vm, bp[B()]), at, pc[1], C(), field)) {
    JUMP_BY(2);
    NEXT();
  }
  bp[B() - 1] = small(static_cast<i64>(at + pc[1]));
  bp[A()] = small(field);
  pc += 3;
  NEXT();
}
L_BitsRest : {
  const Term place = bp[B() - 1];
  const u64 at = static_cast<u64>(small_value(place));
  const u64 size = is_small(place) && is_binary(vm, bp[B()]) ? binary_bytes(vm, bp[B()]).size() : 0;
  if (at % 8 != 0 || at / 8 > size || !is_binary(vm, bp[B()])) {
    JUMP_BY(1);
    NEXT();
  }
  SAVE();
  value = make_slice(vm, bp[B()], at / 8, size - at / 8);
  RELOAD();
  bp[A()] = value;
  pc += 2;
  NEXT();
}
L_BadMatch:
  SAVE();
  raise(vm, Atom::Badmatch, {{Atom::Value, bp[A()]}});
  RELOAD();
  goto raised;

L_ReceiveStart:
  SAVE();
  if (receive_start(vm, process, bp[A()]) == kRaised) {
    RELOAD();
    goto raised;
  }
  pc += 1;
  NEXT();
L_ReceiveMark:
  receive_mark(vm, process, bp[A()], B() != 0);
  pc += 1;
  NEXT();
L_ReceiveNext : {
  SAVE();
  const Term message = receive_next(vm, process);
  RELOAD();
  if (message == kNone) {  // wait: it comes back to this instruction
    process.code = vm.offset(pc);
    process.flags |= kAtReceive;
    process.marks &= static_cast<u16>(~kAtReturn);
    process.live = static_cast<u8>(254 - A());
    return Stop::Waiting;
  }
  if (message == kUnbound) {  // the deadline is over
    JUMP_BY(1);
  } else {
    bp[A()] = message;
    pc += 2;
  }
  NEXT();
}
L_ReceiveSkip:
  receive_skip(vm, process);
  fuel -= 1;
  JUMP_BY(1);
  NEXT();
L_ReceiveTake:
  SAVE();
  receive_take(vm, process);
  RELOAD();
  pc += 1;
  NEXT();
}

}  // namespace lonala
