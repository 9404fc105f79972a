// vm/lonala/interpreter.cpp — the instruction loop: direct threading, registers in a window on the process's stack.
// The window of a call begins at the caller's register that gets the result, so that arguments are never copied.
#include "vm/lonala/interpreter.h"

#include <algorithm>

#include "vm/lonala/collections/map.h"
#include "vm/lonala/collections/vector.h"
#include "vm/lonala/equality.h"
#include "vm/lonala/errors.h"
#include "vm/lonala/namespaces.h"
#include "vm/lonala/natives/natives.h"
#include "vm/lonala/number/number.h"
#include "vm/lonala/process.h"

#include "base/enforce.h"

namespace lonala {
namespace {

constexpr u32 kParametersMax = 240;

/// The order of two numbers for a comparison instruction; kRaised has been reported when `ok` is false.
int ordered(Vm& vm, Term a, Term b, NativeId native, bool& ok) {
  if (number::is_number(vm, a) && number::is_number(vm, b)) return number::compare(vm, a, b);
  const Term window[2] = {b, a};
  vm.native = static_cast<u32>(native);
  raise_type(vm, Args{window + 1, 2}, Atom::Integer);
  ok = false;
  return 2;
}

Term arithmetic(Vm& vm, number::Operation operation, NativeId native, Term a, Term b) {
  const Term window[2] = {b, a};
  vm.native = static_cast<u32>(native);
  return number::arithmetic(vm, operation, a, b, Args{window + 1, 2});
}

/// An instruction whose native may have been redefined: calls the var's present value.
Term call_redefined(Vm& vm, NativeId native, std::initializer_list<Term> args) {
  const Term space = namespace_find(vm, symbol(vm, Atom::LonaCore));
  const Term var = var_find(vm, space, symbol_named(vm, native_name(static_cast<u32>(native))));
  return call_function(vm, var_value(vm, var), args.begin(), static_cast<u32>(args.size()));
}

/// Calls of collections and keywords: kNone if the head is none of them.
Term call_data(Vm& vm, Term callee, Args args) {
  const auto pick = [&](Term found, u32 fallback) {
    if (found != kNone) return found;
    return args.count > fallback ? args[fallback] : kNil;
  };
  const bool data =
      is_keyword(callee) || is_map(vm, callee) || is_set(vm, callee) || is_tuple(callee) || is_vector(vm, callee);
  if (!data) return kNone;
  if (args.count < 1 || args.count > 2) {
    Term list = kEmptyList;
    for (u32 i = args.count; i > 0; --i) list = make_pair(vm, args[i - 1], list);
    return raise(vm, Atom::ArityMismatch, {{Atom::Fn, callee}, {Atom::Args, tuple_of_list(vm, list)}});
  }
  const Term key = args[0];
  if (is_keyword(callee)) {
    if (key == kNil) return pick(kNone, 1);
    if (!is_map(vm, key)) {
      return raise(vm, Atom::TypeError,
                   {{Atom::Fn, callee}, {Atom::Args, make_tuple(vm, {key})}, {Atom::Expected, keyword(vm, Atom::Map)}});
    }
    return pick(map_get(vm, key, callee), 1);
  }
  if (is_map(vm, callee)) return pick(map_get(vm, callee, key), 1);
  if (is_set(vm, callee)) return pick(map_get(vm, callee, key) == kNone ? kNone : key, 1);
  if (!number::is_integer_like(vm, key)) {
    return raise(
        vm, Atom::TypeError,
        {{Atom::Fn, callee}, {Atom::Args, make_tuple(vm, {key})}, {Atom::Expected, keyword(vm, Atom::Integer)}});
  }
  const number::Integer index(vm, key);
  const u64 count = is_tuple(callee) ? tuple_count(vm, callee) : vector_count(vm, callee);
  if (index.negative || index.count > 1 || index.low() >= count) return pick(kNone, 1);
  return is_tuple(callee) ? tuple_at(vm, callee, index.low()) : vector_at(vm, callee, index.low());
}

Term arity_error(Vm& vm, Term callee, Args args) {
  Term list = kEmptyList;
  for (u32 i = args.count; i > 0; --i) list = make_pair(vm, args[i - 1], list);
  return raise(vm, Atom::ArityMismatch, {{Atom::Fn, callee}, {Atom::Args, tuple_of_list(vm, list)}});
}

/// Where an error at `code` in the running frame is handled: guards. Unwinds frames until one has a range around its place; false at
/// the bottom.
bool unwind_to_guard(Vm& vm, u64& frame, u64 code) {
  for (;;) {
    const u64 at = function_at(vm, code);
    if (at != 0) {
      const FunctionHeader& function = *vm.at<FunctionHeader>(at);
      const u64 start = at + sizeof(FunctionHeader);
      const u32 word = static_cast<u32>((code - start) / 4);
      const GuardRange* ranges = reinterpret_cast<const GuardRange*>(function.code() + function.code_words);
      for (u32 i = 0; i < function.guard_count; ++i) {
        if (word < ranges[i].from || word >= ranges[i].to) continue;
        vm.process->live = static_cast<u8>(ranges[i].live);
        vm.process->code = start + u64{ranges[i].target} * 4;
        vm.process->limit = frame - u64{255u - function.frame} * 8;
        return true;
      }
    }
    const Term link = *vm.words(frame);
    if (link_words(link) == 0) return false;
    code = link_code(link) - 4;  // inside the call
    frame += link_words(link) * 8;
  }
}

}  // namespace

bool interpreter_create(Vm& vm) {
  const u64 stub = literal_acquire(vm, sizeof(FunctionHeader) + 8);
  const u64 stop = literal_acquire(vm, 24);
  if (stub == 0 || stop == 0) return false;
  *vm.at<FunctionHeader>(stub) = {};
  vm.at<FunctionHeader>(stub)->match = kMatchNever;
  vm.at<FunctionHeader>(stub)->name = kNil;
  vm.root->stub_general = stub;
  u32* code = vm.at<u32>(stop);
  for (u32 i = 0; i < 6; ++i)
    code[i] = encode(Op::Halt, 0, 0, 255);  // a return looks for the frame size two words before
  vm.root->code_return = stop + 8;
  return true;
}

void process_start(Vm& vm, Process& process, Term function) {
  process.frame = process.heap_end - 8;
  *vm.words(process.frame) = make_link(vm.root->code_return, 0);
  process.limit = process.frame;
  *vm.words(process.frame - 8) = function;
  process.live = 1;
  process.code = 0;  // calls the function in register 1
  process.flags &= static_cast<u8>(~(kAtReceive | kExiting));
}

Term call_function(Vm& vm, Term function, const Term* args, u32 count) {
  Process& process = *vm.process;
  if (process.nested >= kNestedMax) {
    return raise(vm, Atom::Oom, {{Atom::Scope, keyword(vm, Atom::Process)}, {Atom::Requested, small(kNestedMax)}});
  }
  const u64 frame_depth = process.heap_end - process.frame;
  const u64 limit_depth = process.heap_end - process.limit;
  const u64 code = process.code;
  const i64 fuel = process.fuel;
  const i64 fuel_held = process.fuel_held;
  const u8 live = process.live;
  const u8 flags = process.flags;
  process.nested += 1;
  process.gc_off += 1;
  process.frame = process.limit;
  process.live = 0;
  const u64 need = (u64{count} + 8) * 8;
  if (process.frame - process.hp < need && !grow_in_place(vm, need)) {
    process.flags |= kOutOfMemory;
  } else {
    process.frame -= 8;
    *vm.words(process.frame) = make_link(vm.root->code_return, 0);
    u64* slot = vm.words(process.frame) - 1;
    *slot = function;
    for (u32 i = 0; i < count; ++i) slot[-1 - static_cast<i64>(i)] = args[i];
    process.live = static_cast<u8>(1 + count);
    process.limit = process.frame - u64{process.live} * 8;
    process.code = 0;
    process.flags &= static_cast<u8>(~kAtReceive);
  }
  Stop stop = Stop::Ended;
  if (count > kParametersMax) {
    raise_oom(vm, count);
  } else if (heap_failed(vm)) {
    raise_oom(vm, need);
  } else {
    do {  // compiling is not charged to the slice
      process.fuel = static_cast<i64>(kSliceReductions);
      process.fuel_held = 0;
      stop = interpret(vm);
    } while (stop == Stop::Slice);
  }
  process.fuel = fuel;
  process.fuel_held = fuel_held;
  Term result = process.pending;
  if (stop == Stop::Waiting) {
    process_stop_waiting(vm, process);
    raise(vm, Atom::Badarg,
          {{Atom::Why, make_string(vm, "a macro or a redefined operator cannot wait for a message")}});
  }
  if (stop != Stop::Done) result = kRaised;
  process.nested -= 1;
  process.gc_off -= 1;
  process.frame = process.heap_end - frame_depth;
  process.limit = process.heap_end - limit_depth;
  process.code = code;
  process.live = live;
  process.flags = static_cast<u8>((process.flags & ~kAtReceive) | (flags & kAtReceive));
  return result;
}

// Instructions that are the same whether or not operators were redefined.
#define G_Halt L_Halt
#define G_Move L_Move
#define G_LoadSmall L_LoadSmall
#define G_LoadSpecial L_LoadSpecial
#define G_LoadConstant L_LoadConstant
#define G_LoadVar L_LoadVar
#define G_Define L_Define
#define G_CallVar L_CallVar
#define G_Call L_Call
#define G_TailVar L_TailVar
#define G_Tail L_Tail
#define G_Return L_Return
#define G_MakeClosure L_MakeClosure
#define G_Capture L_Capture
#define G_MakeTuple L_MakeTuple
#define G_MakePair L_MakePair
#define G_Native L_Native
#define G_Jump L_Jump
#define G_JumpFalsy L_JumpFalsy
#define G_JumpTruthy L_JumpTruthy
#define G_JumpNotWord L_JumpNotWord
#define G_JumpNotEqualConstant L_JumpNotEqualConstant
#define G_JumpNotTuple L_JumpNotTuple
#define G_JumpNotTupleMin L_JumpNotTupleMin
#define G_TupleGet L_TupleGet
#define G_TupleRest L_TupleRest
#define G_JumpNotPair L_JumpNotPair
#define G_Head L_Head
#define G_Tail2 L_Tail2
#define G_JumpNotVector L_JumpNotVector
#define G_JumpNotVectorMin L_JumpNotVectorMin
#define G_VectorGet L_VectorGet
#define G_VectorRest L_VectorRest
#define G_MapTake L_MapTake
#define G_BadMatch L_BadMatch
#define G_ReceiveStart L_ReceiveStart
#define G_ReceiveNext L_ReceiveNext
#define G_ReceiveSkip L_ReceiveSkip
#define G_ReceiveTake L_ReceiveTake

Stop interpret(Vm& vm) {
  Process& process = *vm.process;
  static const void* const kFast[] = {
#define INSTRUCTION(name, operands, words) &&L_##name,
      LONALA_INSTRUCTIONS(INSTRUCTION)
#undef INSTRUCTION
  };
  // Once an operator with an instruction of its own is redefined, its instructions go the long way.
  static const void* const kGuarded[] = {
#define INSTRUCTION(name, operands, words) &&G_##name,
      LONALA_INSTRUCTIONS(INSTRUCTION)
#undef INSTRUCTION
  };
  const void* const* table = vm.root->inline_broken != 0 ? kGuarded : kFast;

  u8* const base = vm.base;
  u64* bp = vm.words(process.frame) - 255;  // register r at bp[255 - r]
  u8* hp = base + process.hp;
  u8* sl = base + process.limit;  // the lowest word of the frame; the heap ends below it
  i64 fuel = process.fuel;
  const u32* pc = nullptr;
  u32 w = 0;
  const FunctionHeader* callee = nullptr;
  Term value = kNil;
  u32 count = 0;

#define A() (w >> 8 & 0xFF)
#define B() (w >> 16 & 0xFF)
#define C() (w >> 24)
#define IMMEDIATE16() (static_cast<i64>(static_cast<i32>(w) >> 16))
#define NEXT()             \
  do {                     \
    w = *pc;               \
    goto* table[w & 0xFF]; \
  } while (false)
#define SAVE()                                                                \
  do {                                                                        \
    process.hp = static_cast<u64>(hp - base);                                 \
    process.limit = static_cast<u64>(sl - base);                              \
    process.frame = static_cast<u64>(reinterpret_cast<u8*>(bp + 255) - base); \
    process.fuel = fuel;                                                      \
  } while (false)
#define RELOAD()                        \
  do {                                  \
    hp = base + process.hp;             \
    sl = base + process.limit;          \
    bp = vm.words(process.frame) - 255; \
    fuel = process.fuel;                \
  } while (false)
#define JUMP_BY(place) pc += (place) + static_cast<i32>(pc[place])

  if ((process.flags & kAtReceive) != 0) {
    process.flags &= static_cast<u8>(~kAtReceive);
    pc = vm.at<u32>(process.code);
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

entry_slow : {
  const u32 live = u32{callee->parameters} + callee->variadic + (callee->self != 0);
  SAVE();
  process.live = static_cast<u8>(live);
  process.code = vm.offset(callee);
  process.limit = process.frame - u64{live} * 8;
  process.fuel += process.fuel_held;
  process.fuel_held = 0;
  const u64 window = (256 - u64{callee->frame}) * 8;
  const bool overflow = sl < hp;
  if ((process.flags & kOutOfMemory) != 0) {
    raise_oom(vm, 0);
    goto ended;
  }
  if (process.gc_off != 0) {
    if (overflow && !grow_in_place(vm, window)) {
      raise_oom(vm, window / 8);
      goto ended;
    }
  } else if (overflow || process.fragments != 0 || vm.root->gc_stress != 0 || (process.flags & kCollect) != 0) {
    process.flags &= static_cast<u8>(~kCollect);
    if (!collect(vm, window + 64)) {
      raise_oom(vm, window / 8);
      goto ended;
    }
  }
  if (process.fuel < 0 || (process.flags & kYield) != 0) {
    process.flags &= static_cast<u8>(~kYield);
    process.fuel += callee->cost;  // it is charged when it goes on
    return Stop::Slice;
  }
  RELOAD();
  if (vm.root->gc_stress != 0) {
    process.fuel_held = fuel;
    fuel = 0;
  }
  sl = reinterpret_cast<u8*>(&bp[callee->frame]);
  NEXT();
}

call_value:  // `value` is called with `count` arguments in registers 1 … of a frame whose link is set
  if (is_boxed(vm, value, Type::Function)) {
    const u64* object = vm.object(value);
    callee = vm.at<FunctionHeader>(static_cast<u64>(small_value(object[1])));
    if (callee->variadic != 0) {
      if (count < callee->parameters) goto wrong_count;
      const u64 extra = count - callee->parameters;
      // The rest takes a register that the caller may not have had.
      const u32 lowest = std::max(count, callee->parameters + 1u);
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
    SAVE();
    process.limit = static_cast<u64>(reinterpret_cast<u8*>(&bp[255 - count]) - base);
    value = call_native(vm, native, Args{&bp[254], count});
    RELOAD();
    if (value == kRaised) goto raised_in_call;
    table = vm.root->inline_broken != 0 ? kGuarded : kFast;
    goto return_value;
  }
  {
    SAVE();
    process.limit = static_cast<u64>(reinterpret_cast<u8*>(&bp[255 - count]) - base);
    const Term callee_value = value;
    if (is_var(value)) {
      value = var_value(vm, value);
      if (value != kUnbound) goto call_value;
    }
    value = call_data(vm, callee_value, Args{&bp[254], count});
    RELOAD();
    if (value == kNone) {
      raise(vm, Atom::NotCallable, {{Atom::Value, callee_value}});
      RELOAD();
      goto raised_in_call;
    }
    if (value == kRaised) goto raised_in_call;
    goto return_value;
  }

no_room : {  // rare: room for the self register, or for spread arguments, which are `count` registers from 1 on
  SAVE();
  process.live = static_cast<u8>(count);
  process.limit = process.frame - u64{count} * 8;
  process.pending = value;
  if (!(process.gc_off != 0 ? grow_in_place(vm, 4096) : collect(vm, 4096))) {
    raise_oom(vm, 512);
    goto ended;
  }
  value = process.pending;
  process.pending = kNil;
  RELOAD();
  goto call_value;
}

apply : {  // (apply f a … c) in registers 1 …: f moves to `value`, the arguments are spread
  if (count < 2) goto wrong_count;
  SAVE();
  process.limit = static_cast<u64>(reinterpret_cast<u8*>(&bp[255 - count]) - base);
  vm.native = static_cast<u32>(NativeId::Apply);
  const Term all = spread_arguments(vm, Args{&bp[254], count});
  RELOAD();
  if (all == kRaised) goto raised_in_call;
  const u64 total = tuple_count(vm, all);
  value = bp[254];
  if (is_immediate(value, Immediate::Native) && payload_of(value) != static_cast<u64>(NativeId::Apply)) {
    Scratch<Term> window(vm);  // natives read their arguments downwards
    for (u64 i = total; i > 0; --i) window.push(tuple_at(vm, all, i - 1));
    SAVE();
    process.limit = static_cast<u64>(reinterpret_cast<u8*>(&bp[255 - count]) - base);
    value = call_native(vm, static_cast<u32>(payload_of(value)),
                        Args{total == 0 ? nullptr : &window[total - 1], static_cast<u32>(total)});
    RELOAD();
    if (value == kRaised) goto raised_in_call;
    table = vm.root->inline_broken != 0 ? kGuarded : kFast;
    goto return_value;
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
    if (!(process.gc_off != 0 ? grow_in_place(vm, 4096) : collect(vm, 4096))) {
      raise_oom(vm, 512);
      goto ended;
    }
    RELOAD();
    value = bp[254];
    const Term moved_rest = bp[253];
    const Term moved_all = bp[252];
    for (u64 i = 0; i < fixed; ++i) bp[254 - i] = tuple_at(vm, moved_all, i);
    bp[254 - fixed] = moved_rest;
    if (callee->self != 0) bp[255 - callee->self] = value;
    goto enter;
  }
  if (reinterpret_cast<u8*>(&bp[254 - total]) - 64 < hp) {
    bp[254] = value;
    bp[253] = all;
    SAVE();
    process.live = 2;
    process.limit = process.frame - 16;
    if (!(process.gc_off != 0 ? grow_in_place(vm, 4096) : collect(vm, 4096))) {
      raise_oom(vm, 512);
      goto ended;
    }
    RELOAD();
    value = bp[254];
    const Term moved = bp[253];
    for (u64 i = 0; i < total; ++i) bp[254 - i] = tuple_at(vm, moved, i);
  } else {
    for (u64 i = 0; i < total; ++i) bp[254 - i] = tuple_at(vm, all, i);
  }
  count = static_cast<u32>(total);
  goto call_value;
}

wrong_count:
  SAVE();
  process.limit = static_cast<u64>(reinterpret_cast<u8*>(&bp[255 - count]) - base);
  arity_error(vm, value, Args{&bp[254], count});
  RELOAD();
  goto raised_in_call;

return_value : {
  const Term link = bp[255];
  bp[255] = value;
  bp += link_words(link);
  pc = reinterpret_cast<const u32*>(base + link_code(link));
  sl = reinterpret_cast<u8*>(&bp[pc[-2] >> 24]);
  if (__builtin_expect(sl < hp, 0)) {
    count = static_cast<u32>(link_words(link));
    goto frame_covered;
  }
  NEXT();
}

raised_in_call : {  // in a frame whose own code has not begun: the error is the caller's
  const Term link = bp[255];
  pc = reinterpret_cast<const u32*>(base + link_code(link)) - 1;
  if (link_words(link) == 0) {
    SAVE();
    goto ended;
  }
  bp += link_words(link);
}
raised : {
  SAVE();
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
  if (!(process.gc_off != 0 ? grow_in_place(vm, window + 64) : collect(vm, window + 64))) {
    raise_oom(vm, window / 8);
    goto ended;
  }
  RELOAD();
  sl = reinterpret_cast<u8*>(bp + 255) - (window - 8);
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
  bp[A()] = bp[B()];
  pc += 1;
  NEXT();
L_LoadSmall:
  bp[A()] = small(IMMEDIATE16());
  pc += 1;
  NEXT();
L_LoadSpecial:
  bp[A()] = immediate(Immediate::Special, w >> 16);
  pc += 1;
  NEXT();
L_LoadConstant:
  bp[A()] = u64{pc[2]} << 32 | pc[1];
  pc += 3;
  NEXT();
L_LoadVar : {
  const VarRecord* var = vm.at<VarRecord>(u64{pc[1]} << 3);
  Term loaded = var->value;
  if (__builtin_expect((var->flags & kVarProcessBound) != 0 || loaded == kUnbound, 0)) {
    SAVE();
    loaded = var_value(vm, var_term(u64{pc[1]} << 3));
    if (loaded == kUnbound) {
      raise(vm, Atom::Unbound, {{Atom::Var, var_term(u64{pc[1]} << 3)}});
      RELOAD();
      goto raised;
    }
    RELOAD();
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
    if (is_immediate(value, Immediate::Native) && payload_of(value) != static_cast<u64>(NativeId::Apply)) {
      SAVE();
      value = call_native(vm, static_cast<u32>(payload_of(value)), Args{&bp[first - 1], count});
      RELOAD();
      if (value == kRaised) goto raised;
      table = vm.root->inline_broken != 0 ? kGuarded : kFast;
      bp[A()] = value;
      pc += 2;
      NEXT();
    }
    if (value == kUnbound || (var->flags & kVarProcessBound) != 0) {
      SAVE();
      value = var_value(vm, var_term(u64{pc[1]} << 3));
      if (value == kUnbound) {
        raise(vm, Atom::Unbound, {{Atom::Var, var_term(u64{pc[1]} << 3)}});
        RELOAD();
        goto raised;
      }
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
  bp[first] = make_link(static_cast<u64>(reinterpret_cast<const u8*>(pc + 2) - base), 255 - first);
  bp -= 255 - first;
  goto call_value;
}
L_TailVar : {
  const VarRecord* var = vm.at<VarRecord>(u64{pc[1]} << 3);
  const u32 first = A();
  count = B();
  callee = reinterpret_cast<const FunctionHeader*>(base + var->entry);
  for (u32 i = 1; i <= count; ++i) bp[255 - i] = bp[first - i];
  if (__builtin_expect(callee->match != count, 0)) {
    value = var->value;
    if (value == kUnbound || (var->flags & kVarProcessBound) != 0) {
      SAVE();
      value = var_value(vm, var_term(u64{pc[1]} << 3));
      if (value == kUnbound) {
        raise(vm, Atom::Unbound, {{Atom::Var, var_term(u64{pc[1]} << 3)}});
        RELOAD();
        goto raised_in_call;
      }
    }
    goto call_value;
  }
  goto enter;
}
L_Tail : {
  const u32 first = A();
  count = B();
  value = bp[first];
  for (u32 i = 1; i <= count; ++i) bp[255 - i] = bp[first - i];
  goto call_value;
}
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
  bp[A()] = vm.object(bp[B()])[2 + C()];
  pc += 1;
  NEXT();
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
  bp[A()] = refer(static_cast<u64>(reinterpret_cast<u8*>(object) - base), Tag::Tuple);
  pc += 1;
  NEXT();
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
  bp[A()] = refer(static_cast<u64>(reinterpret_cast<u8*>(object) - base), Tag::Pair);
  pc += 1;
  NEXT();
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
  if (is_falsy(bp[A()])) {
    JUMP_BY(1);
  } else {
    pc += 2;
  }
  NEXT();
L_JumpTruthy:
  if (!is_falsy(bp[A()])) {
    JUMP_BY(1);
  } else {
    pc += 2;
  }
  NEXT();

#define COMPARE_REGISTERS(label, holds, native)            \
  L_##label : {                                            \
    const Term x = bp[A()];                                \
    const Term y = bp[B()];                                \
    if (__builtin_expect(((x | y) & 7) == 0, 1)) {         \
      if (static_cast<i64>(x) holds static_cast<i64>(y)) { \
        pc += 2;                                           \
      } else {                                             \
        JUMP_BY(1);                                        \
      }                                                    \
      NEXT();                                              \
    }                                                      \
    bool ok = true;                                        \
    SAVE();                                                \
    const int order = ordered(vm, x, y, native, ok);       \
    RELOAD();                                              \
    if (!ok) goto raised;                                  \
    if (order != 2 && order holds 0) {                     \
      pc += 2;                                             \
    } else {                                               \
      JUMP_BY(1);                                          \
    }                                                      \
    NEXT();                                                \
  }
#define COMPARE_SMALL(label, holds, native)                 \
  L_##label : {                                             \
    const Term x = bp[A()];                                 \
    const i64 y = IMMEDIATE16();                            \
    if (__builtin_expect((x & 7) == 0, 1)) {                \
      if (small_value(x) holds y) {                         \
        pc += 2;                                            \
      } else {                                              \
        JUMP_BY(1);                                         \
      }                                                     \
      NEXT();                                               \
    }                                                       \
    bool ok = true;                                         \
    SAVE();                                                 \
    const int order = ordered(vm, x, small(y), native, ok); \
    RELOAD();                                               \
    if (!ok) goto raised;                                   \
    if (order != 2 && order holds 0) {                      \
      pc += 2;                                              \
    } else {                                                \
      JUMP_BY(1);                                           \
    }                                                       \
    NEXT();                                                 \
  }
  COMPARE_REGISTERS(JumpNotLess, <, NativeId::Less)
  COMPARE_REGISTERS(JumpNotLessEqual, <=, NativeId::LessEqual)
  COMPARE_SMALL(JumpNotLessSmall, <, NativeId::Less)
  COMPARE_SMALL(JumpNotLessEqualSmall, <=, NativeId::LessEqual)
  COMPARE_SMALL(JumpNotGreaterSmall, >, NativeId::Greater)
  COMPARE_SMALL(JumpNotGreaterEqualSmall, >=, NativeId::GreaterEqual)
L_JumpNotEqual : {
  const Term x = bp[A()];
  const Term y = bp[B()];
  bool same =
      x == y && tag_of(x) != Tag::Boxed && !is_immediate(x, Immediate::F32) && tag_of(x) != Tag::Tuple && !is_pair(x);
  if (!same && !(is_small(x) && is_small(y))) {
    SAVE();
    same = equal(vm, x, y);
    RELOAD();
  }
  if (same) {
    pc += 2;
  } else {
    JUMP_BY(1);
  }
  NEXT();
}
L_JumpNotEqualSmall : {
  const Term x = bp[A()];
  bool same = x == small(IMMEDIATE16());
  if (!same && !is_small(x) && number::is_integer_like(vm, x)) {
    SAVE();
    same = equal(vm, x, small(IMMEDIATE16()));
    RELOAD();
  }
  if (same) {
    pc += 2;
  } else {
    JUMP_BY(1);
  }
  NEXT();
}
L_Add : {
  const Term x = bp[B()];
  const Term y = bp[C()];
  i64 sum = 0;
  if (__builtin_expect(((x | y) & 7) == 0 && !__builtin_add_overflow(static_cast<i64>(x), static_cast<i64>(y), &sum),
                       1)) {
    bp[A()] = static_cast<u64>(sum);
    pc += 1;
    NEXT();
  }
  SAVE();
  value = arithmetic(vm, number::Operation::Add, NativeId::Add, x, y);
  goto arithmetic_done;
}
L_Subtract : {
  const Term x = bp[B()];
  const Term y = bp[C()];
  i64 difference = 0;
  if (__builtin_expect(
          ((x | y) & 7) == 0 && !__builtin_sub_overflow(static_cast<i64>(x), static_cast<i64>(y), &difference), 1)) {
    bp[A()] = static_cast<u64>(difference);
    pc += 1;
    NEXT();
  }
  SAVE();
  value = arithmetic(vm, number::Operation::Subtract, NativeId::Subtract, x, y);
  goto arithmetic_done;
}
L_Multiply : {
  const Term x = bp[B()];
  const Term y = bp[C()];
  i64 product = 0;
  if (__builtin_expect(((x | y) & 7) == 0 && !__builtin_mul_overflow(small_value(x), static_cast<i64>(y), &product),
                       1)) {
    bp[A()] = static_cast<u64>(product);
    pc += 1;
    NEXT();
  }
  SAVE();
  value = arithmetic(vm, number::Operation::Multiply, NativeId::Multiply, x, y);
  goto arithmetic_done;
}
L_AddSmall : {
  const Term x = bp[B()];
  const i64 y = static_cast<i8>(C()) * i64{8};
  i64 sum = 0;
  if (__builtin_expect((x & 7) == 0 && !__builtin_add_overflow(static_cast<i64>(x), y, &sum), 1)) {
    bp[A()] = static_cast<u64>(sum);
    pc += 1;
    NEXT();
  }
  SAVE();
  value = arithmetic(vm, number::Operation::Add, NativeId::Add, x, static_cast<u64>(y));
  goto arithmetic_done;
}
L_SubtractSmall : {
  const Term x = bp[B()];
  const i64 y = static_cast<i8>(C()) * i64{8};
  i64 difference = 0;
  if (__builtin_expect((x & 7) == 0 && !__builtin_sub_overflow(static_cast<i64>(x), y, &difference), 1)) {
    bp[A()] = static_cast<u64>(difference);
    pc += 1;
    NEXT();
  }
  SAVE();
  value = arithmetic(vm, number::Operation::Subtract, NativeId::Subtract, x, static_cast<u64>(y));
  goto arithmetic_done;
}
arithmetic_done:
  RELOAD();
  if (value == kRaised) goto raised;
  bp[A()] = value;
  pc += 1;
  NEXT();

L_First : {
  const Term list = bp[B()];
  if (__builtin_expect(is_pair(list), 1)) {
    bp[A()] = vm.object(list)[0];
    pc += 1;
    NEXT();
  }
  SAVE();
  value = call_native(vm, static_cast<u32>(NativeId::First), Args{&bp[B()], 1});
  goto arithmetic_done;
}
L_Rest : {
  const Term list = bp[B()];
  if (__builtin_expect(is_pair(list), 1)) {
    bp[A()] = vm.object(list)[1];
    pc += 1;
    NEXT();
  }
  SAVE();
  value = call_native(vm, static_cast<u32>(NativeId::Rest), Args{&bp[B()], 1});
  goto arithmetic_done;
}

// ── The same once operators were redefined ─────────────────────────────────────────────────────────────────
#define GUARDED_VALUE(label, native, ...)            \
  G_##label : SAVE();                                \
  value = call_redefined(vm, native, {__VA_ARGS__}); \
  goto arithmetic_done;
  GUARDED_VALUE(Add, NativeId::Add, bp[B()], bp[C()])
  GUARDED_VALUE(Subtract, NativeId::Subtract, bp[B()], bp[C()])
  GUARDED_VALUE(Multiply, NativeId::Multiply, bp[B()], bp[C()])
  GUARDED_VALUE(AddSmall, NativeId::Add, bp[B()], small(static_cast<i8>(C())))
  GUARDED_VALUE(SubtractSmall, NativeId::Subtract, bp[B()], small(static_cast<i8>(C())))
  GUARDED_VALUE(First, NativeId::First, bp[B()])
  GUARDED_VALUE(Rest, NativeId::Rest, bp[B()])
#define GUARDED_JUMP(label, native, ...)             \
  G_##label : SAVE();                                \
  value = call_redefined(vm, native, {__VA_ARGS__}); \
  goto guarded_jump;
  GUARDED_JUMP(JumpNotLess, NativeId::Less, bp[A()], bp[B()])
  GUARDED_JUMP(JumpNotLessEqual, NativeId::LessEqual, bp[A()], bp[B()])
  GUARDED_JUMP(JumpNotEqual, NativeId::Equal, bp[A()], bp[B()])
  GUARDED_JUMP(JumpNotLessSmall, NativeId::Less, bp[A()], small(IMMEDIATE16()))
  GUARDED_JUMP(JumpNotLessEqualSmall, NativeId::LessEqual, bp[A()], small(IMMEDIATE16()))
  GUARDED_JUMP(JumpNotGreaterSmall, NativeId::Greater, bp[A()], small(IMMEDIATE16()))
  GUARDED_JUMP(JumpNotGreaterEqualSmall, NativeId::GreaterEqual, bp[A()], small(IMMEDIATE16()))
  GUARDED_JUMP(JumpNotEqualSmall, NativeId::Equal, bp[A()], small(IMMEDIATE16()))
guarded_jump:
  RELOAD();
  if (value == kRaised) goto raised;
  if (is_falsy(value)) {
    JUMP_BY(1);
  } else {
    pc += 2;
  }
  NEXT();

L_JumpNotWord:
  if (bp[A()] == (u64{pc[2]} << 32 | pc[1])) {
    pc += 4;
  } else {
    JUMP_BY(3);
  }
  NEXT();
L_JumpNotEqualConstant : {
  SAVE();
  const bool same = equal(vm, bp[A()], u64{pc[2]} << 32 | pc[1]);
  RELOAD();
  if (same) {
    pc += 4;
  } else {
    JUMP_BY(3);
  }
  NEXT();
}
L_JumpNotTuple:
  if (is_tuple(bp[A()]) && tuple_count(vm, bp[A()]) == w >> 16) {
    pc += 2;
  } else {
    JUMP_BY(1);
  }
  NEXT();
L_JumpNotTupleMin:
  if (is_tuple(bp[A()]) && tuple_count(vm, bp[A()]) >= w >> 16) {
    pc += 2;
  } else {
    JUMP_BY(1);
  }
  NEXT();
L_TupleGet:
  bp[A()] = vm.object(bp[B()])[1 + C()];
  pc += 1;
  NEXT();
L_TupleRest : {
  SAVE();
  const Term tuple = bp[B()];
  Term list = kEmptyList;
  for (u64 i = tuple_count(vm, tuple); i > C() && !heap_failed(vm); --i)
    list = make_pair(vm, tuple_at(vm, tuple, i - 1), list);
  RELOAD();
  bp[A()] = list;
  pc += 1;
  NEXT();
}
L_JumpNotPair:
  if (is_pair(bp[A()])) {
    pc += 2;
  } else {
    JUMP_BY(1);
  }
  NEXT();
L_Head:
  bp[A()] = vm.object(bp[B()])[0];
  pc += 1;
  NEXT();
L_Tail2:
  bp[A()] = vm.object(bp[B()])[1];
  pc += 1;
  NEXT();
L_JumpNotVector:
  if (is_vector(vm, bp[A()]) && vector_count(vm, bp[A()]) == w >> 16) {
    pc += 2;
  } else {
    JUMP_BY(1);
  }
  NEXT();
L_JumpNotVectorMin:
  if (is_vector(vm, bp[A()]) && vector_count(vm, bp[A()]) >= w >> 16) {
    pc += 2;
  } else {
    JUMP_BY(1);
  }
  NEXT();
L_VectorGet:
  bp[A()] = vector_at(vm, bp[B()], C());
  pc += 1;
  NEXT();
L_VectorRest : {
  SAVE();
  const Term vector = bp[B()];
  Term list = kEmptyList;
  for (u64 i = vector_count(vm, vector); i > C() && !heap_failed(vm); --i) {
    list = make_pair(vm, vector_at(vm, vector, i - 1), list);
  }
  RELOAD();
  bp[A()] = list;
  pc += 1;
  NEXT();
}
L_MapTake : {
  SAVE();
  const Term found = map_get(vm, bp[B()], bp[C()]);
  RELOAD();
  if (found != kNone) {
    bp[A()] = found;
    pc += 2;
  } else {
    JUMP_BY(1);
  }
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
L_ReceiveNext : {
  SAVE();
  const Term message = receive_next(vm, process);
  RELOAD();
  if (message == kNone) {  // wait: it comes back to this instruction
    process.code = vm.offset(pc);
    process.flags |= kAtReceive;
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
