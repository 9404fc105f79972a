// vm/lonala/calls.cpp — calls from C++, and the ways the instruction loop takes seldom: numbers that are not small, operators that
// were redefined, calls of collections, errors.
#include "vm/lonala/calls.h"

#include "vm/lonala/collections/map.h"
#include "vm/lonala/collections/vector.h"
#include "vm/lonala/equality.h"
#include "vm/lonala/interpreter.h"
#include "vm/lonala/mailbox.h"
#include "vm/lonala/namespaces.h"

#include "base/enforce.h"

namespace lonala {

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
  vm.stops = vm.process->nested == 0;
  const Term value = number::arithmetic_in_steps(vm, operation, a, b, Args{window + 1, 2});
  vm.stops = false;
  return value;
}

Term equal_in_code(Vm& vm, Term a, Term b) {
  vm.native = static_cast<u32>(NativeId::Equal);
  vm.stops = vm.process->nested == 0;
  const Term same = equal_in_steps(vm, a, b);
  vm.stops = false;
  return same;
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

Term switch_key_slow(const Vm& vm, Term value) {
  if (is_boxed(vm, value, Type::Symbol)) return plain_symbol(vm, value);
  if (!number::is_integer_like(vm, value)) return kNone;
  const number::Integer integer(vm, value);
  const i64 plain = static_cast<i64>(integer.low());
  return integer.fits_i64() && fits_small(plain) ? small(plain) : kNone;
}

Term rest_list(Vm& vm, Term sequence, u64 from) {
  Term list = kEmptyList;
  const bool tuple = is_tuple(sequence);
  for (u64 i = tuple ? tuple_count(vm, sequence) : vector_count(vm, sequence); i > from && !heap_failed(vm); --i) {
    list = make_pair(vm, tuple ? tuple_at(vm, sequence, i - 1) : vector_at(vm, sequence, i - 1), list);
  }
  return list;
}

bool make_room(Vm& vm, u64 bytes) {
  if (vm.process->gc_off != 0 ? grow_in_place(vm, bytes) : collect(vm, bytes)) return true;
  raise_oom(vm, bytes / 8);
  return false;
}

Entry enter_slowly(Vm& vm, u64 function, bool overflow) {
  Process& process = *vm.process;
  const FunctionHeader& callee = *vm.at<FunctionHeader>(function);
  process.live = static_cast<u8>(callee.parameters + callee.variadic + (callee.self != 0));
  process.code = function;
  process.limit = process.frame - u64{process.live} * 8;
  process.fuel += process.fuel_held;
  process.fuel_held = 0;
  const u64 window = (256 - u64{callee.frame}) * 8;
  if ((process.flags & kOutOfMemory) != 0) {
    raise_oom(vm, 0);
    return Entry::Ended;
  }
  if (process.gc_off != 0) {
    if (overflow && !make_room(vm, window)) return Entry::Ended;
  } else if (overflow || process.fragments != 0 || vm.root->gc_stress != 0 || (process.flags & kCollect) != 0) {
    if (!make_room(vm, window + 64)) return Entry::Ended;
  }
  if (process.fuel < 0 || (process.flags & kYield) != 0) {
    process.flags &= static_cast<u8>(~kYield);
    process.fuel += callee.cost;  // it is charged when it goes on
    return Entry::Slice;
  }
  if (vm.root->gc_stress != 0) {  // so that the next entry comes here too
    process.fuel_held = process.fuel;
    process.fuel = 0;
  }
  return Entry::Go;
}

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

}  // namespace lonala
