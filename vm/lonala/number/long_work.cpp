#include "vm/lonala/number/long_work.h"

#include "base/enforce.h"

namespace lonala {
namespace {

/// Room that no array grows in; false: no memory.
bool take_room(Vm& vm, Kept& kept, u64 bytes) {
  const u64 offset = block_acquire(vm, bytes, PageUse::Table);
  if (offset != 0) kept = {offset, 0, bytes};
  return offset != 0;
}

/// All steps, or those of the slice: false if it is over.
template <class Steps>
bool do_steps(Vm& vm, Steps& steps, u64& owed, bool stops) {
  for (u64 products = steps.step(vm.base); products != 0; products = steps.step(vm.base)) {
    owed += products;
    charge(vm, owed / kLimbProductsPerReduction);
    owed %= kLimbProductsPerReduction;
    if (stops && slice_over(vm)) return false;
  }
  return true;
}

u64 limbs_of(const Vm& vm, Term bignum) { return words_of_header(vm.object(bignum)[0]); }
number::Place place_of(const Vm& vm, Term bignum) { return {offset_of(bignum) + 8, limbs_of(vm, bignum)}; }

/// Whether both are bignums, the second of two limbs at least, and it takes more than a step to multiply or divide them.
bool takes_steps(const Vm& vm, Term a, Term b) {
  return is_boxed(vm, a, Type::Bignum) && is_boxed(vm, b, Type::Bignum) && limbs_of(vm, b) >= 2 &&
         limbs_of(vm, a) > number::kStepProducts / limbs_of(vm, b);
}

}  // namespace

Term ProductWork::run(Vm& vm, bool stops) {
  if (!do_steps(vm, product, owed, stops)) return kNone;
  return number::finish_integer(vm, object, limbs, negative != 0, marked != 0);
}

Term QuotientWork::run(Vm& vm, bool stops) {
  if (!do_steps(vm, division, owed, stops)) return kNone;
  return number::finish_division(vm, static_cast<number::Division>(wanted), number::Integer(vm, a),
                                 number::Integer(vm, b), quotient, rest);
}

namespace number {

Term multiply_long(Vm& vm, const Integer& a, const Integer& b, Steps steps) {
  ProductWork work{};
  work.limbs = a.count + b.count;
  work.negative = a.negative != b.negative;
  work.marked = a.marked || b.marked;
  work.object = make_object(vm, Type::Bignum, work.limbs);
  if (work.object == kRaised) return kRaised;
  const u64 need = multiply_scratch(a.count, b.count);
  if (need != 0 && !take_room(vm, work.kept[0], need * 8)) return raise_oom(vm, need);
  work.product.begin(vm.base, offset_of(work.object) + 8, {vm.offset(a.limbs), a.count}, {vm.offset(b.limbs), b.count},
                     work.kept[0].offset);
  return steps == Steps::AtOnce ? work_do_at_once(vm, work) : work_do(vm, work);
}

Term arithmetic_in_steps(Vm& vm, Operation operation, Term a, Term b, Args args) {
  if (operation != Operation::Multiply || !takes_steps(vm, a, b)) return arithmetic(vm, operation, a, b, args);
  return multiply_long(vm, Integer(vm, a), Integer(vm, b), Steps::OfSlices);
}

Term integer_divide_in_steps(Vm& vm, Division wanted, Term a, Term b, Args args) {
  if (!takes_steps(vm, a, b) || compare(Integer(vm, a).magnitude(), Integer(vm, b).magnitude()) < 0) {
    return integer_divide(vm, wanted, a, b, args);
  }
  const u64 a_count = Integer(vm, a).count;
  const u64 b_count = Integer(vm, b).count;
  QuotientWork work{};
  work.a = a;
  work.b = b;
  work.wanted = static_cast<u64>(wanted);
  work.quotient = make_object(vm, Type::Bignum, a_count - b_count + 1);
  work.rest = make_object(vm, Type::Bignum, b_count);
  const u64 limbs = a_count + b_count + 2;
  if (work.quotient == kRaised || work.rest == kRaised || !take_room(vm, work.kept[0], limbs * 8)) {
    return raise_oom(vm, limbs);
  }
  work.division = {.quotient = offset_of(work.quotient) + 8,
                   .remainder = offset_of(work.rest) + 8,
                   .a = place_of(vm, a),
                   .b = place_of(vm, b),
                   .work = work.kept[0].offset,
                   .rows = 0};
  work.division.begin(vm.base);
  return work_do(vm, work);
}

}  // namespace number
}  // namespace lonala
