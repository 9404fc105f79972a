#include "vm/lonala/verify.h"

#include <algorithm>
#include <cstring>

#include "vm/lonala/calls.h"
#include "vm/lonala/natives/natives.h"

#include "base/enforce.h"

namespace lonala {
namespace {

/// What is known of a register: that it holds a term, and of what shape.
enum class Shape : u8 { None, Term, Tuple, Vector, Pair, Self };
struct Fact {
  Shape shape = Shape::None;
  u8 unused = 0;
  u16 size = 0;  // at least that many elements
};

/// What is known at a place, whichever way led there.
struct State {
  Fact registers[256];
  bool reached = false;
};

Fact meet(Fact a, Fact b) {
  if (a.shape == Shape::None || b.shape == Shape::None) return {};
  if (a.shape != b.shape) return {Shape::Term, 0, 0};
  return {a.shape, 0, std::min(a.size, b.size)};
}

bool holds(const std::span<const u64> sorted, u64 value) {
  return std::binary_search(sorted.begin(), sorted.end(), value);
}

class Verifier {
 public:
  Verifier(Vm& vm, const FunctionHeader& function, const CodeNames& names)
      : function_(function), names_(names), states_(vm), state_at_(vm), starts_(vm) {}

  Verdict run() {
    if (!header()) return verdict_;
    const u32 words = function_.code_words;
    for (u32 i = 0; i <= words; ++i) {
      state_at_.push(0);
      starts_.push(0);
    }
    if (state_at_.failed() || starts_.failed()) return at(0, kNoMemory);
    now_.reached = true;
    for (u32 r = 1; r <= u32{function_.parameters} + function_.variadic; ++r) now_.registers[r].shape = Shape::Term;
    if (function_.self != 0) now_.registers[function_.self].shape = Shape::Self;
    entry_ = now_;
    if (!guards()) return verdict_;
    for (u32 i = 0; i < words; i += length_) {
      word_ = i;
      if ((code(i) & 0xFF) >= static_cast<u32>(Op::Count)) return at(i, "no such instruction");
      length_ = instruction_words(code(i));
      if (length_ > words - i) return at(i, "an instruction reaches beyond the code");
      starts_[i] = 1;
      if (state_at_[i] != 0) join(i);
      if (!enter_guard_targets(i)) return verdict_;
      if (!now_.reached) continue;
      if (!instruction(static_cast<Op>(code(i) & 0xFF))) return verdict_;
      if (states_.failed()) return at(i, kNoMemory);
    }
    if (now_.reached) return at(words, "the code does not end");
    for (u32 i = 0; i <= words; ++i) {
      if (state_at_[i] != 0 && starts_[i] == 0) return at(i, "a jump into an instruction");
    }
    for (u32 i = 0; i < function_.guard_count; ++i) {
      const GuardRange& guard = ranges()[i];
      if (starts_[guard.from] == 0 || starts_[guard.target] == 0)
        return at(guard.from, "a guard inside an instruction");
    }
    return verdict_;
  }

 private:
  Verdict at(u32 word, const char* why) { return verdict_ = {word, why}; }
  bool bad(const char* why) {
    verdict_ = {word_, why};
    return false;
  }
  u32 code(u32 i) const { return function_.code()[i]; }
  u32 a() const { return code(word_) >> 8 & 0xFF; }
  u32 b() const { return code(word_) >> 16 & 0xFF; }
  u32 c() const { return code(word_) >> 24; }
  u64 constant(u32 i) const { return u64{code(i + 1)} << 32 | code(i); }
  const GuardRange* ranges() const {
    return reinterpret_cast<const GuardRange*>(function_.code() + function_.code_words);
  }
  u32 registers_max() const { return 255u - function_.frame; }

  bool header() {
    const u32 parameters = u32{function_.parameters} + function_.variadic;
    if (function_.code_words == 0 || function_.frame > 254 || function_.frame < 255 - kRegistersMax)
      return bad("a header with an impossible size");
    if (function_.variadic > 1 || parameters > registers_max() || parameters > kParametersMax)
      return bad("more parameters than registers");
    if (function_.match != (function_.variadic != 0 ? kMatchNever : function_.parameters))
      return bad("a count of arguments that is not that of the parameters");
    if (function_.self != 0 && function_.self != parameters + 1) return bad("the function itself lies elsewhere");
    if (function_.self > registers_max()) return bad("more parameters than registers");
    if (function_.captures != 0 && function_.self == 0) return bad("captures that cannot be reached");
    if (function_.cost != function_cost(function_.code_words)) return bad("a wrong cost");
    return true;
  }

  bool guards() {
    for (u32 i = 0; i < function_.guard_count; ++i) {
      const GuardRange& guard = ranges()[i];
      if (guard.from >= guard.to || guard.to > guard.target || guard.target >= function_.code_words)
        return bad("a guard that leads nowhere");
      if (guard.live > registers_max()) return bad("a guard with too many registers");
    }
    return true;
  }

  /// A guard's target is reached with the registers that were live where it began.
  bool enter_guard_targets(u32 i) {
    for (u32 g = 0; g < function_.guard_count; ++g) {
      const GuardRange& guard = ranges()[g];
      if (guard.from != i || !now_.reached) continue;
      State state;
      for (u32 r = 1; r <= guard.live; ++r) {
        if (now_.registers[r].shape == Shape::None) return bad("a guard with a register that holds nothing");
        state.registers[r] = now_.registers[r];
      }
      state.reached = true;
      if (!note(guard.target, state)) return false;
    }
    return true;
  }

  // ── States ────────────────────────────────────────────────────────────────────────────────────────────────
  bool note(u32 target, const State& state) {
    if (state_at_[target] == 0) {
      if (!states_.push(state)) return bad(kNoMemory);
      state_at_[target] = static_cast<u32>(states_.size());
      return true;
    }
    State& known = states_[state_at_[target] - 1];
    for (u32 r = 0; r < 256; ++r) known.registers[r] = meet(known.registers[r], state.registers[r]);
    return true;
  }
  void join(u32 i) {
    const State& known = states_[state_at_[i] - 1];
    if (!now_.reached) {
      now_ = known;
      return;
    }
    for (u32 r = 0; r < 256; ++r) now_.registers[r] = meet(now_.registers[r], known.registers[r]);
  }
  /// Whether everything that is known at an earlier place holds here.
  bool implies(const State& earlier) const {
    for (u32 r = 0; r < 256; ++r) {
      const Fact was = earlier.registers[r];
      const Fact is = now_.registers[r];
      if (was.shape == Shape::None || (was.shape == Shape::Term && is.shape != Shape::None)) continue;
      if (was.shape != is.shape || was.size > is.size) return false;
    }
    return true;
  }
  bool jump(u32 operand) {
    const u64 target = u64{operand} + code(operand);
    if (target <= word_ || target >= function_.code_words) return bad("a jump that does not lead forward");
    return note(static_cast<u32>(target), now_);
  }

  // ── Registers, as operands write them: 255 - number ───────────────────────────────────────────────────────
  bool reads(u32 operand) {
    const u32 r = 255 - operand;
    if (r == 0 || r > registers_max()) return bad("a register beyond the frame");
    return now_.registers[r].shape != Shape::None || bad("a register that holds nothing yet");
  }
  bool reads_many(u32 operand, u32 count) {
    for (u32 i = 0; i < count; ++i) {
      if (operand < i || !reads(operand - i)) return bad("a register that holds nothing yet");
    }
    return true;
  }
  bool writes(u32 operand) {
    const u32 r = 255 - operand;
    if (r == 0 || r > registers_max()) return bad("a register beyond the frame");
    for (u32 g = 0; g < function_.guard_count; ++g) {
      const GuardRange& guard = ranges()[g];
      if (word_ >= guard.from && word_ < guard.to && r <= guard.live)
        return bad("a guard changes what its clause needs");
    }
    now_.registers[r] = {Shape::Term, 0, 0};
    return true;
  }
  Fact& fact(u32 operand) { return now_.registers[255 - operand]; }
  bool has_shape(u32 operand, Shape shape, u32 size) {
    if (!reads(operand)) return false;
    return (fact(operand).shape == shape && fact(operand).size >= size) || bad("a part of what may not have it");
  }
  void narrow(u32 operand, Shape shape, u32 size) {
    if (fact(operand).shape == Shape::Self) return;
    if (fact(operand).shape == shape) size = std::max<u32>(size, fact(operand).size);
    fact(operand) = {shape, 0, static_cast<u16>(std::min<u32>(size, 0xFFFF))};
  }

  // ── What code names ───────────────────────────────────────────────────────────────────────────────────────
  bool named(const char* why) { return why == nullptr || bad(why); }
  bool variable(u32 i) { return named(names_.variable(code(i))); }

  // ── Instructions ──────────────────────────────────────────────────────────────────────────────────────────
  /// A call in the frame of which register A is the first one; what lies above is gone afterwards.
  bool call(u32 count) {
    const u32 first = 255 - a();
    if (c() != function_.frame) return bad("a call with a wrong frame");
    if (first == 0 || first + count > registers_max()) return bad("a register beyond the frame");
    for (u32 r = 1; r < first; ++r) {
      if (now_.registers[r].shape == Shape::None) return bad("a call above a register that holds nothing");
    }
    if (count != 0 && !reads_many(a() - 1, count)) return false;
    for (u32 g = 0; g < function_.guard_count; ++g) {
      const GuardRange& guard = ranges()[g];
      if (word_ >= guard.from && word_ < guard.to && first <= guard.live) return bad("a call over what a guard needs");
    }
    for (u32 r = first + 1; r < 256; ++r) now_.registers[r] = {};
    return writes(a());
  }
  bool tail(u32 count) {
    for (u32 r = 1; r <= count; ++r) {
      if (r > registers_max() || now_.registers[r].shape == Shape::None) return bad("an argument that is nothing");
    }
    return end();
  }
  bool end() {
    now_ = {};
    return true;
  }

  /// Operands by their shape, for instructions that need nothing else: sources, then a jump, then register A if it is a result.
  bool plain(Op op, bool result) {
    const InstructionShape& shape = instruction_shape(op);
    if (!result && shape.operands[0] == 'R' && !reads(a())) return false;
    if (shape.operands[1] == 'R' && !reads(b())) return false;
    if (shape.operands[2] == 'R' && !reads(c())) return false;
    u32 operand = word_ + 1;
    for (const char* extra = shape.words; *extra != 0; ++extra) {
      if (*extra == 'c') {
        if (!named(names_.constant(constant(operand)))) return false;
        operand += 2;
        continue;
      }
      if (*extra == 'v' && !variable(operand)) return false;
      if (*extra == 'j' && !jump(operand)) return false;
      operand += 1;
    }
    return !result || writes(a());
  }

  bool instruction(Op op) {
    switch (op) {
      case Op::Halt: return bad("an instruction of the machine itself");
      case Op::Move: {
        if (!reads(b())) return false;
        const Fact moved = fact(b());
        if (!writes(a())) return false;
        if (moved.shape != Shape::Self) fact(a()) = moved;
        return true;
      }
      case Op::LoadSpecial:
        return (code(word_) >> 16 <= payload_of(kTrue) || bad("a constant that is no value")) && writes(a());
      case Op::LoadSmall:
      case Op::LoadConstant:
      case Op::LoadVar:
      case Op::Add:
      case Op::Subtract:
      case Op::Multiply:
      case Op::AddSmall:
      case Op::SubtractSmall:
      case Op::First:
      case Op::Rest:
      case Op::Prepend:
      case Op::MakePair: return plain(op, true);
      case Op::Define: return plain(op, false);
      case Op::CallVar: return variable(word_ + 1) && call(b());
      case Op::Call: return reads(a()) && call(b());
      case Op::TailVar: return variable(word_ + 1) && tail(b());
      case Op::TailSelf:
        if (!variable(word_ + 1)) return false;
        if (code(word_ + 2) != word_ || b() != function_.parameters) return bad("a tail call that is none");
        return (implies(entry_) || bad("an argument that is nothing")) && tail(b());
      case Op::Tail: return reads(a()) && tail(b());
      case Op::Return: return reads(a()) && end();
      case Op::BadMatch: return reads(a()) && end();
      case Op::MakeClosure: return named(names_.closure(code(word_ + 1), c())) && reads_many(b(), c()) && writes(a());
      case Op::Capture:
        if (!has_shape(b(), Shape::Self, 0)) return false;
        return (c() < function_.captures || bad("an unknown capture")) && writes(a());
      case Op::MakeTuple: return reads_many(b(), c()) && writes(a());
      case Op::Native:
        if (code(word_ + 1) >= static_cast<u32>(NativeId::End)) return bad("an unknown native");
        return reads_many(b(), c()) && writes(a());
      case Op::Jump: return jump(word_ + 1) && end();
      case Op::Switch: {
        if (!reads(a())) return false;
        Term before = 0;
        for (u32 i = 0; i < code(word_) >> 16; ++i) {
          const u32 entry = word_ + 1 + i * kSwitchEntryWords;
          if (!named(names_.constant(constant(entry)))) return false;
          if (i > 0 && !names_.ascending(before, constant(entry))) return bad("a switch that is not sorted");
          before = constant(entry);
          if (!jump(entry + 2)) return false;
        }
        return true;
      }
      case Op::JumpNotTuple:
      case Op::JumpNotTupleMin:
        if (!plain(op, false)) return false;
        narrow(a(), Shape::Tuple, code(word_) >> 16);
        return true;
      case Op::JumpNotVector:
      case Op::JumpNotVectorMin:
        if (!plain(op, false)) return false;
        narrow(a(), Shape::Vector, code(word_) >> 16);
        return true;
      case Op::JumpNotPair:
        if (!plain(op, false)) return false;
        narrow(a(), Shape::Pair, 0);
        return true;
      case Op::Uncons:
        if (!reads(a()) || !jump(word_ + 1)) return false;
        narrow(a(), Shape::Pair, 0);
        return writes(b()) && writes(c());
      case Op::TupleGet: return has_shape(b(), Shape::Tuple, c() + 1) && writes(a());
      case Op::TupleRest: return has_shape(b(), Shape::Tuple, 0) && writes(a());
      case Op::VectorGet: return has_shape(b(), Shape::Vector, c() + 1) && writes(a());
      case Op::VectorRest: return has_shape(b(), Shape::Vector, 0) && writes(a());
      case Op::Head:
      case Op::Tail2: return has_shape(b(), Shape::Pair, 0) && writes(a());
      // A binary in one register, the place in it in the next; the instructions check what these hold.
      case Op::BitsStart: return reads(b()) && jump(word_ + 1) && writes(a()) && writes(a() - 1);
      case Op::BitsInteger:
        if (code(word_ + 1) > kBitsSmallMax) return bad("a field that is too wide");
        return reads(b()) && reads(b() - 1) && jump(word_ + 2) && writes(b() - 1) && writes(a());
      case Op::BitsRest: return reads(b()) && reads(b() - 1) && jump(word_ + 1) && writes(a());
      case Op::MapTake: return reads(b()) && reads(c()) && jump(word_ + 1) && writes(a());
      case Op::ReceiveNext: {
        const u32 first = 255 - a();
        if (c() != function_.frame) return bad("a call with a wrong frame");
        for (u32 r = 1; r < first && r < 256; ++r) {
          if (now_.registers[r].shape == Shape::None) return bad("a wait above a register that holds nothing");
        }
        for (u32 r = first; r < 256; ++r) now_.registers[r] = {};  // it may have been moved while it waited
        waits_at_ = word_;
        waiting_ = now_;
        return jump(word_ + 1) && writes(a());
      }
      case Op::ReceiveSkip: {
        const u64 target = u64{word_} + 1 + static_cast<u64>(static_cast<i64>(static_cast<i32>(code(word_ + 1))));
        if (waits_at_ == kNowhere || target != waits_at_) return bad("a jump back to no message");
        return (implies(waiting_) || bad("a register that holds nothing yet")) && end();
      }
      case Op::ReceiveStart: return plain(op, false);
      case Op::ReceiveTake: return true;
      case Op::Count: break;
      default: return plain(op, false);  // branches that read registers
    }
    return bad("no such instruction");
  }

  static constexpr u32 kNowhere = ~u32{0};
  const FunctionHeader& function_;
  const CodeNames& names_;
  Verdict verdict_;
  u32 word_ = 0;
  u32 length_ = 1;
  u32 waits_at_ = kNowhere;
  State now_;
  State entry_;
  State waiting_;
  Scratch<State> states_;
  Scratch<u32> state_at_;  // by word: 1 + index of the state that jumps to it bring
  Scratch<u8> starts_;
};

}  // namespace

Verdict verify_function(Vm& vm, const FunctionHeader& function, const CodeNames& names) {
  return Verifier(vm, function, names).run();
}

const char* LinkedNames::variable(u32 word) const {
  return holds(variables_, u64{word} << 3) ? nullptr : "an unknown variable";
}

const char* LinkedNames::constant(Term term) const {
  constexpr const char* kNoValue = "a constant that is no value";
  switch (tag_of(term)) {
    case Tag::Small: return nullptr;
    case Tag::Pair:
    case Tag::Tuple:
    case Tag::Boxed: return holds(constants_, term) ? nullptr : "an unknown constant";
    case Tag::Immediate: break;
    case Tag::Pid:
    case Tag::Forward:
    case Tag::Header: return kNoValue;
  }
  const u64 payload = payload_of(term);
  bool value = false;
  switch (static_cast<Immediate>(term >> 3 & 31)) {
    case Immediate::Special: value = payload <= payload_of(kTrue); break;
    case Immediate::Empty: value = payload <= static_cast<u64>(EmptyOf::Set); break;
    case Immediate::Char: value = payload < 0x110000; break;
    case Immediate::F32: value = payload <= 0xFFFFFFFF; break;
    case Immediate::Fixed: value = (payload >> 32) <= static_cast<u64>(Width::I64); break;
    case Immediate::Native: return payload < static_cast<u64>(NativeId::End) ? nullptr : "an unknown native";
    case Immediate::Symbol:
    case Immediate::Keyword: {
      const u64 record = (payload & 0xFFFFFFFFFF) << 3;
      const bool known = holds(names_, record) && (vm_.at<NameRecord>(record)->hash & 0xFFFF) == payload >> 40;
      return known ? nullptr : "an unknown name";
    }
    case Immediate::Var: return holds(variables_, payload << 3) ? nullptr : "an unknown variable";
    case Immediate::Namespace: return namespace_known(term);
    case Immediate::Link:
    case Immediate::Ref:
    case Immediate::Timer: break;
  }
  return value ? nullptr : kNoValue;
}

const char* LinkedNames::namespace_known(Term term) const {
  for (u64 space = vm_.root->first_namespace; space != 0; space = vm_.at<NamespaceRecord>(space)->next) {
    if (payload_of(term) << 3 == space) return nullptr;
  }
  return "an unknown namespace";
}

const char* LinkedNames::closure(u32 word, u32 captures) const {
  const u64 target = u64{word} << 3;
  if (target == 0 || function_at(vm_, target + sizeof(FunctionHeader)) != target) return "an unknown function";
  return vm_.at<FunctionHeader>(target)->captures == captures ? nullptr : "a wrong number of captures";
}

bool known_variables(Vm& vm, Scratch<u64>& variables, Scratch<u64>& names) {
  for (u64 space = vm.root->first_namespace; space != 0; space = vm.at<NamespaceRecord>(space)->next) {
    table_each(vm, *vm.at<NameTable>(vm.at<NamespaceRecord>(space)->vars),
               [&](Term, Term var) { variables.push(payload_of(var) << 3); });
  }
  const NameTable& table = vm.root->atoms_by_name;
  const u64* slots = vm.words(table.slots);
  for (u64 i = 0; i < table.capacity; ++i) {
    if (slots[i] != 0) names.push(slots[i]);
  }
  if (variables.failed() || names.failed()) return false;
  std::sort(variables.data(), variables.data() + variables.size());  // total: distinct offsets
  std::sort(names.data(), names.data() + names.size());              // total: distinct offsets
  return true;
}

bool constants_of(const FunctionHeader& function, Scratch<Term>& constants) {
  for (u32 i = 0; i < function.code_words; i += instruction_words(function.code()[i])) {
    const InstructionShape& shape = instruction_shape(static_cast<Op>(function.code()[i] & 0xFF));
    if (shape.words[0] == 'c') constants.push(u64{function.code()[i + 2]} << 32 | function.code()[i + 1]);
  }
  std::sort(constants.data(), constants.data() + constants.size());  // total: words
  return !constants.failed();
}

}  // namespace lonala
