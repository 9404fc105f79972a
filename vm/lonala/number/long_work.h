// vm/lonala/number/long_work.h — products and quotients of long integers in steps (work.h).
#pragma once
#include "vm/lonala/number/number.h"
#include "vm/lonala/work.h"

namespace lonala {

/// The product of two bignums.
struct ProductWork {
  static constexpr WorkKind kKind = WorkKind::ProductWork;
  static constexpr u32 kKeptCount = 1;
  Kept kept[kKeptCount];  // scratch
  Term object;            // gets the product
  u64 limbs;              // it has room for
  u64 owed;               // limb products that are no whole reduction yet
  u64 negative;
  u64 marked;
  number::Product product;

  Term run(Vm& vm, bool stops);
};

/// The quotient, remainder or modulus of two bignums, the first not shorter than the second.
struct QuotientWork {
  static constexpr WorkKind kKind = WorkKind::QuotientWork;
  static constexpr u32 kKeptCount = 1;
  Kept kept[kKeptCount];  // both numbers, shifted
  Term a;
  Term b;
  Term quotient;
  Term rest;
  u64 owed;
  u64 wanted;  // number::Division
  number::Quotient division;

  Term run(Vm& vm, bool stops);
};

namespace number {

/// A bignum whose `count` limbs have been written, or the small integer it is.
Term finish_integer(Vm& vm, Term object, u64 count, bool negative, bool marked);
enum class Steps : u8 { AtOnce, OfSlices };
/// The product of two integers in the heap.
Term multiply_long(Vm& vm, const Integer& a, const Integer& b, Steps steps);
/// Truncating division to the one that is wanted; `quotient` and `rest` are bignums whose limbs have been written.
Term finish_division(Vm& vm, Division wanted, const Integer& a, const Integer& b, Term quotient, Term rest);
}  // namespace number
}  // namespace lonala
