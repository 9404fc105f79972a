#include "vm/lonala/compile/decision.h"

#include <algorithm>

#include "vm/lonala/collections/vector.h"
#include "vm/lonala/equality.h"

#include "base/enforce.h"

namespace lonala::compile {
namespace {

constexpr u32 kNodesMin = 64;
constexpr u32 kNodesPerClause = 8;
constexpr u32 kDepthMax = 200;
constexpr u64 kChainMax = 4;  // so many constants are compared one after the other
constexpr u64 kSwitchMax = 1000;

/// Constants that the switch instruction compares as words.
bool is_switchable(Term constant) {
  if (is_small(constant)) return true;
  return tag_of(constant) == Tag::Immediate && !is_immediate(constant, Immediate::Fixed) &&
         !is_immediate(constant, Immediate::F32);
}

/// Symbols in a pattern: at least as many as it binds names.
u32 symbols_in(Vm& vm, Term pattern) {
  Scratch<Term> work(vm);
  work.push(pattern);
  u32 count = 0;
  while (!work.empty()) {
    const Term term = work.back();
    work.pop();
    count += is_symbol(vm, term);
    each_part(vm, term, [&](Term part) { work.push(part); });
  }
  return count;
}

}  // namespace

Decision::Decision(Compiler& compiler, Function& f, u32 subject, bool receiving)
    : compiler_(compiler),
      vm_(compiler.vm_),
      f_(f),
      receiving_(receiving),
      subject_(subject),
      parts_(vm_),
      cells_(vm_),
      rows_(vm_),
      clauses_(vm_),
      loaded_(vm_),
      shared_names_(vm_) {
  parts_.push({0, Op::Halt, 0});
}

bool Decision::add(Term pattern, Term guard, Term body) {
  const u64 first = cells_.size();
  if (!put(0, Kind::Pattern, pattern)) return false;
  rows_.push({static_cast<u32>(clauses_.size()), first, cells_.size() - first});
  return clauses_.push({guard, body, 0, {}, 0, 0});
}

bool Decision::put_name(u32 part, Term name) {
  if (name == symbol(vm_, Atom::Underscore)) return true;
  if (name_record(vm_, name).space_bytes != 0) return compiler_.fail(name, "a qualified name cannot be bound");
  return cells_.push({part, Kind::Bound, name});
}

/// Enters what a clause wants of a part; names and what stands around patterns are resolved.
bool Decision::put(u32 part, Kind kind, Term form) {
  for (;;) {
    if (kind == Kind::ListRest) {
      if (!is_pair(form)) return cells_.push({part, Kind::Pattern, kEmptyList});
      const Term first = head(vm_, form);
      if (!is_symbol(vm_, first) || plain_symbol(vm_, first) != symbol(vm_, Atom::Ampersand)) break;
      if (list_length(vm_, form) != 2) return compiler_.fail(form, "one pattern follows & at the end");
      form = head(vm_, tail(vm_, form));
      kind = Kind::Pattern;
    }
    if (is_symbol(vm_, form)) return put_name(part, plain_symbol(vm_, form));
    const bool as =
        is_pair(form) && is_symbol(vm_, head(vm_, form)) && plain_symbol(vm_, head(vm_, form)) == symbol(vm_, Atom::As);
    if (!as) break;
    const Term name = list_length(vm_, form) == 3 ? head(vm_, tail(vm_, form)) : kNil;
    if (!is_symbol(vm_, name)) return compiler_.fail(form, "(as x p) takes a name and a pattern");
    if (!put_name(part, plain_symbol(vm_, name))) return false;
    form = head(vm_, tail(vm_, tail(vm_, form)));
  }
  return cells_.push({part, kind, form});
}

Decision::Test Decision::test_of(const Cell& cell) const {
  const Term form = cell.form;
  if (cell.kind == Kind::ListRest) return {Shape::Pair, 0, kNil};
  if (is_tuple(form) || is_vector(vm_, form)) {
    const bool tuple = is_tuple(form);
    const u64 count = tuple ? tuple_count(vm_, form) : vector_count(vm_, form);
    for (u64 i = 0; i < count; ++i) {
      const Term part = tuple ? tuple_at(vm_, form, i) : vector_at(vm_, form, i);
      if (!is_symbol(vm_, part) || plain_symbol(vm_, part) != symbol(vm_, Atom::Ampersand)) continue;
      if (i + 2 != count || i > kPatternElementsMax) return {Shape::Opaque, 0, kNil};  // refused there
      return {tuple ? Shape::TupleMin : Shape::VectorMin, i, kNil};
    }
    if (count > kPatternElementsMax) return {Shape::Opaque, 0, kNil};
    return {tuple ? Shape::Tuple : Shape::Vector, count, kNil};
  }
  if (is_pair(form)) {
    const Term first = head(vm_, form);
    const Term name = is_symbol(vm_, first) ? plain_symbol(vm_, first) : kNone;
    if (name == symbol(vm_, Atom::Quote) && list_length(vm_, form) == 2) {
      const Term quoted = head(vm_, tail(vm_, form));
      if (is_pair(quoted) || is_tuple(quoted) || is_vector(vm_, quoted)) return {Shape::Opaque, 0, kNil};
      return {Shape::Constant, 0, is_symbol(vm_, quoted) ? plain_symbol(vm_, quoted) : quoted};
    }
    for (const Atom special :
         {Atom::Ampersand, Atom::Quote, Atom::Equals, Atom::Pid, Atom::BytesStar, Atom::BitsStar}) {
      if (name == symbol(vm_, special)) return {Shape::Opaque, 0, kNil};
    }
    return {Shape::Pair, 0, kNil};
  }
  if (is_map(vm_, form) || is_set(vm_, form)) return {Shape::Opaque, 0, kNil};
  return {Shape::Constant, 0, form};
}

u32 Decision::part_of(u32 parent, Op fetch, u32 index) {
  for (u64 i = 1; i < parts_.size(); ++i) {
    const Part& part = parts_[i];
    if (part.parent == parent && part.fetch == fetch && part.index == index) return static_cast<u32>(i);
  }
  parts_.push({parent, fetch, index});
  return static_cast<u32>(parts_.size() - 1);
}

/// What a cell wants of the parts of its part, once that is known to have the shape.
bool Decision::expand(const Cell& cell, const Test& test) {
  const Term form = cell.form;
  switch (test.shape) {
    case Shape::Tuple:
    case Shape::TupleMin:
    case Shape::Vector:
    case Shape::VectorMin: {
      const bool tuple = is_tuple(form);
      const auto element = [&](u64 i) { return tuple ? tuple_at(vm_, form, i) : vector_at(vm_, form, i); };
      for (u32 i = 0; i < test.size; ++i) {
        if (!put(part_of(cell.part, tuple ? Op::TupleGet : Op::VectorGet, i), Kind::Pattern, element(i))) return false;
      }
      if (test.shape == Shape::Tuple || test.shape == Shape::Vector) return true;
      const u32 rest = part_of(cell.part, tuple ? Op::TupleRest : Op::VectorRest, static_cast<u32>(test.size));
      return put(rest, Kind::Pattern, element(test.size + 1));
    }
    case Shape::Pair:
      return put(part_of(cell.part, Op::Head, 0), Kind::Pattern, head(vm_, form)) &&
             put(part_of(cell.part, Op::Tail2, 0), Kind::ListRest, tail(vm_, form));
    case Shape::Constant:
    case Shape::Opaque: return true;
  }
  UNREACHABLE("the shapes");
}

/// The register of a part, fetched if this path has not needed it yet.
bool Decision::reg_of(u32 part, u32& reg_out) {
  if (part == 0) {
    reg_out = subject_;
    return true;
  }
  for (u64 i = loaded_.size(); i > 0; --i) {
    if (loaded_[i - 1].part != part) continue;
    reg_out = loaded_[i - 1].reg;
    return true;
  }
  const Part fetched = parts_[part];
  u32 parent = 0;
  if (!reg_of(fetched.parent, parent) || !compiler_.reserve(f_, reg_out)) return false;
  compiler_.emit(f_, encode(fetched.fetch, reg(reg_out), reg(parent), fetched.index));
  return loaded_.push({part, reg_out});
}

bool Decision::same(Term a, Term b) { return a == b || equal(vm_, a, b); }

/// What becomes of a clause's test when `test` of the same part has held.
Decision::Fate Decision::when_held(const Test& test, const Test& of_row) {
  if (of_row.shape == Shape::Opaque) return Fate::Keep;
  const bool minimum = test.shape == Shape::TupleMin || test.shape == Shape::VectorMin;
  const Shape exact = test.shape == Shape::TupleMin    ? Shape::Tuple
                      : test.shape == Shape::VectorMin ? Shape::Vector
                                                       : test.shape;
  const bool row_minimum = of_row.shape == Shape::TupleMin || of_row.shape == Shape::VectorMin;
  const Shape row_exact = of_row.shape == Shape::TupleMin    ? Shape::Tuple
                          : of_row.shape == Shape::VectorMin ? Shape::Vector
                                                             : of_row.shape;
  if (exact != row_exact) return Fate::Drop;
  if (exact == Shape::Constant) return same(test.constant, of_row.constant) ? Fate::Expand : Fate::Drop;
  if (exact == Shape::Pair) return Fate::Expand;
  if (row_minimum) return of_row.size <= test.size ? Fate::Expand : minimum ? Fate::Keep : Fate::Drop;
  if (minimum) return of_row.size >= test.size ? Fate::Keep : Fate::Drop;
  return of_row.size == test.size ? Fate::Expand : Fate::Drop;
}

Decision::Fate Decision::when_failed(const Test& test, const Test& of_row) {
  const bool minimum = test.shape == Shape::TupleMin || test.shape == Shape::VectorMin;
  if (minimum) {
    const Shape exact = test.shape == Shape::TupleMin ? Shape::Tuple : Shape::Vector;
    const bool covered = (of_row.shape == exact || of_row.shape == test.shape) && of_row.size >= test.size;
    return covered ? Fate::Drop : Fate::Keep;
  }
  if (test.shape != of_row.shape) return Fate::Keep;
  if (test.shape == Shape::Constant) return same(test.constant, of_row.constant) ? Fate::Drop : Fate::Keep;
  return test.size == of_row.size ? Fate::Drop : Fate::Keep;
}

/// Pushes the rows that may match when the test held, or failed.
bool Decision::split(u64 first, u64 count, u32 part, const Test& test, bool held) {
  for (u64 i = 0; i < count; ++i) {
    const Row row = rows_[first + i];
    const u64 cells = cells_.size();
    bool dropped = false;
    for (u64 j = 0; j < row.count && !dropped; ++j) {
      const Cell cell = cells_[row.first + j];
      Fate fate = Fate::Keep;
      Test of_row{};
      if (cell.part == part && cell.kind != Kind::Bound) {
        of_row = test_of(cell);
        fate = held ? when_held(test, of_row) : when_failed(test, of_row);
      }
      if (fate == Fate::Keep && !cells_.push(cell)) return false;
      if (fate == Fate::Expand && !expand(cell, of_row)) return false;
      dropped = fate == Fate::Drop;
    }
    if (dropped) {
      cells_.shrink(cells);
    } else if (!rows_.push({row.clause, cells, cells_.size() - cells})) {
      return false;
    }
  }
  return true;
}

bool Decision::generate(u64 first, u64 count, u32 depth) {
  while (count > 0) {
    const Row row = rows_[first];
    nodes_ += 1;
    const bool one_by_one = nodes_ > nodes_max_ || depth > kDepthMax;
    for (u64 i = 0; i < row.count && !one_by_one; ++i) {
      const Cell cell = cells_[row.first + i];
      if (cell.kind == Kind::Bound) continue;
      const Test test = test_of(cell);
      if (test.shape != Shape::Opaque) return branch(first, count, depth, cell.part, test);
    }
    Label fail_label;
    if (!leaf(row, fail_label)) return false;
    if (!fail_label.used()) return true;
    if (!counting_) compiler_.place(f_, fail_label);
    first += 1;
    count -= 1;
  }
  if (!counting_) compiler_.jump(f_, encode(Op::Jump, 0), *none_);
  return true;
}

bool Decision::collect_constants(u64 first, u64 count, u32 part, Scratch<Term>& constants) {
  for (u64 i = 0; i < count; ++i) {
    const Row row = rows_[first + i];
    for (u64 j = 0; j < row.count; ++j) {
      const Cell cell = cells_[row.first + j];
      if (cell.part != part || cell.kind == Kind::Bound) continue;
      const Test test = test_of(cell);
      if (test.shape != Shape::Constant || !is_switchable(test.constant)) continue;
      bool known = false;
      for (u64 k = 0; k < constants.size(); ++k) known = known || constants[k] == test.constant;
      if (!known && constants.size() < kSwitchMax && !constants.push(test.constant)) return false;
    }
  }
  return true;
}

/// The instruction that jumps when a test fails. That of a pair also fetches what the rows from `first` on want of it.
bool Decision::emit_test(u32 part, const Test& test, u32 subject, u64 first, Label& fail_label) {
  switch (test.shape) {
    case Shape::Constant: return compiler_.constant_pattern(f_, test.constant, subject, fail_label);
    case Shape::Pair: {
      const u32 head_part = part_of(part, Op::Head, 0);
      bool wanted = false;
      for (u64 i = first; i < rows_.size(); ++i) {
        for (u64 j = 0; j < rows_[i].count; ++j) wanted = wanted || cells_[rows_[i].first + j].part == head_part;
      }
      if (!wanted) {
        compiler_.jump(f_, encode(Op::JumpNotPair, reg(subject)), fail_label);
        return true;
      }
      u32 both = 0;
      if (!compiler_.reserve_many(f_, 2, both)) return false;
      compiler_.jump(f_, encode(Op::Uncons, reg(subject), reg(both), reg(both + 1)), fail_label);
      return loaded_.push({head_part, both}) && loaded_.push({part_of(part, Op::Tail2, 0), both + 1});
    }
    case Shape::Tuple:
    case Shape::TupleMin:
    case Shape::Vector:
    case Shape::VectorMin: {
      const Op op = test.shape == Shape::Tuple      ? Op::JumpNotTuple
                    : test.shape == Shape::TupleMin ? Op::JumpNotTupleMin
                    : test.shape == Shape::Vector   ? Op::JumpNotVector
                                                    : Op::JumpNotVectorMin;
      compiler_.jump(f_, encode(op, reg(subject)) | static_cast<u32>(test.size) << 16, fail_label);
      return true;
    }
    case Shape::Opaque: break;
  }
  UNREACHABLE("an opaque pattern is no test");
}

bool Decision::branch(u64 first, u64 count, u32 depth, u32 part, const Test& test) {
  if (test.shape == Shape::Constant && is_switchable(test.constant)) {
    Scratch<Term> constants(vm_);
    if (!collect_constants(first, count, part, constants)) return false;
    if (constants.size() > kChainMax) return switch_on(first, count, depth, part, constants);
  }
  const u64 rows = rows_.size();
  const u64 cells = cells_.size();
  const u64 loaded = loaded_.size();
  Label own;
  u32 subject = 0;
  if (!counting_ && !reg_of(part, subject)) return false;
  const u64 fetched = loaded_.size();  // parts that both ways know
  if (!split(first, count, part, test, false)) return false;
  const u64 others = rows_.size() - rows;
  const u64 held_first = rows_.size();
  if (!split(first, count, part, test, true)) return false;
  const Unset unset = f_.unset;
  {
    Scope scope(f_);
    if (!counting_ && !emit_test(part, test, subject, held_first, others == 0 ? *none_ : own)) return false;
    if (!generate(held_first, rows_.size() - held_first, depth + 1)) return false;
    loaded_.shrink(fetched);
  }
  f_.unset = unset;
  if (others != 0) {
    if (!counting_) compiler_.place(f_, own);
    if (!generate(rows, others, depth + 1)) return false;
  }
  f_.unset = unset;
  loaded_.shrink(loaded);
  rows_.shrink(rows);
  cells_.shrink(cells);
  return true;
}

bool Decision::switch_on(u64 first, u64 count, u32 depth, u32 part, const Scratch<Term>& found) {
  Scratch<Term> constants(vm_);
  for (u64 i = 0; i < found.size(); ++i) constants.push(found[i]);
  if (constants.failed()) return false;
  std::sort(constants.data(), constants.data() + constants.size());  // total: distinct words
  const u64 rows = rows_.size();
  const u64 cells = cells_.size();
  const u64 loaded = loaded_.size();
  u32 subject = 0;
  if (!counting_ && !reg_of(part, subject)) return false;
  const u64 fetched = loaded_.size();
  Scratch<Label> labels(vm_);
  for (u64 i = 0; i < constants.size(); ++i) labels.push({});
  if (labels.failed()) return false;
  if (!counting_) {
    compiler_.emit(f_, encode(Op::Switch, reg(subject)) | static_cast<u32>(constants.size()) << 16);
    for (u64 i = 0; i < constants.size(); ++i) {
      compiler_.emit(f_, static_cast<u32>(constants[i]));
      compiler_.emit(f_, static_cast<u32>(constants[i] >> 32));
      compiler_.jump_operand(f_, labels[i]);
    }
  }
  const Unset unset = f_.unset;
  // None of them, then each.
  for (u64 i = 0; i <= constants.size(); ++i) {
    const u64 way_first = rows_.size();
    const u64 way_cells = cells_.size();
    if (i == 0) {
      u64 left_first = first;
      u64 left_count = count;
      for (u64 k = 0; k < constants.size(); ++k) {  // what remains when all have failed
        const u64 next = rows_.size();
        if (!split(left_first, left_count, part, {Shape::Constant, 0, constants[k]}, false)) return false;
        left_first = next;
        left_count = rows_.size() - next;
      }
      Scope scope(f_);
      if (!generate(left_first, left_count, depth + 1)) return false;
    } else {
      if (!counting_) compiler_.place(f_, labels[i - 1]);
      if (!split(first, count, part, {Shape::Constant, 0, constants[i - 1]}, true)) return false;
      Scope scope(f_);
      if (!generate(way_first, rows_.size() - way_first, depth + 1)) return false;
    }
    loaded_.shrink(fetched);
    rows_.shrink(way_first);
    cells_.shrink(way_cells);
    f_.unset = unset;
  }
  loaded_.shrink(loaded);
  rows_.shrink(rows);
  cells_.shrink(cells);
  return true;
}

/// What is left of a clause that is the first one: pins, maps and the like, its guard, its body.
bool Decision::leaf(const Row& row, Label& fail_label) {
  Clause& clause = clauses_[row.clause];
  if (counting_) {
    clause.leaves += 1;
    bool may_fail = clause.guard != kNone;
    for (u64 i = 0; i < row.count; ++i) {
      const Cell cell = cells_[row.first + i];
      may_fail = may_fail || cell.kind != Kind::Bound;
      for (u64 j = 0; j < i; ++j) {
        const Cell before = cells_[row.first + j];
        may_fail = may_fail || (before.kind == Kind::Bound && cell.kind == Kind::Bound && before.form == cell.form);
      }
    }
    if (may_fail) fail_label.last = 1;  // never placed in this pass
    return true;
  }
  const u64 first_local = f_.locals.size();
  const u64 loaded = loaded_.size();
  const Unset unset = f_.unset;
  {
    Scope scope(f_);
    for (u64 i = 0; i < row.count; ++i) {
      const Cell cell = cells_[row.first + i];
      if (cell.kind != Kind::Bound) continue;
      u32 r = 0;
      if (!reg_of(cell.part, r) || !compiler_.bind(f_, cell.form, r, fail_label, first_local)) return false;
    }
    for (u64 i = 0; i < row.count; ++i) {
      const Cell cell = cells_[row.first + i];
      if (cell.kind == Kind::Bound) continue;
      u32 r = 0;
      if (!reg_of(cell.part, r)) return false;
      const bool ok = cell.kind == Kind::ListRest
                          ? compiler_.list_rest_pattern(f_, cell.form, r, fail_label, first_local, true)
                          : compiler_.pattern(f_, cell.form, r, fail_label, first_local);
      if (!ok) return false;
    }
    if (clause.guard != kNone && !compiler_.guard(f_, clause.guard, fail_label)) return false;
    if (!(clauses_[row.clause].leaves > 1 ? share(clauses_[row.clause], first_local) : body(clauses_[row.clause]))) {
      return false;
    }
  }
  loaded_.shrink(loaded);
  f_.unset = unset;
  return true;
}

/// The names of a shared body move to the registers it expects them in.
bool Decision::share(Clause& clause, u64 first_local) {
  const u64 count = f_.locals.size() - first_local;
  if (!clause.shared.used()) {
    clause.names_first = shared_names_.size();
    clause.names_count = count;
    for (u64 i = 0; i < count; ++i) shared_names_.push(f_.locals[first_local + i].name);
    if (shared_names_.failed()) return false;
  }
  ASSERT(count == clause.names_count);
  for (u64 i = 0; i < count; ++i) {
    for (u64 j = first_local; j < f_.locals.size(); ++j) {
      if (f_.locals[j].name != shared_names_[clause.names_first + i]) continue;
      compiler_.emit(f_, encode(Op::Move, reg(shared_base_ + static_cast<u32>(i)), reg(f_.locals[j].reg)));
    }
  }
  compiler_.jump(f_, encode(Op::Jump, 0), clause.shared);
  return true;
}

bool Decision::body(Clause& clause) {
  if (receiving_) compiler_.emit(f_, encode(Op::ReceiveTake, 0));
  if (!compiler_.expression(f_, clause.body, to_, where_)) return false;
  if (where_ == Place::Value) compiler_.jump(f_, encode(Op::Jump, 0), *end_);
  return true;
}

bool Decision::emit(u32 to, Place where, Label& end, Label& none) {
  to_ = to;
  where_ = where;
  end_ = &end;
  none_ = &none;
  const u64 count = rows_.size();
  nodes_max_ = kNodesMin + kNodesPerClause * static_cast<u32>(count);
  counting_ = true;
  if (!generate(0, count, 0)) return false;
  counting_ = false;
  nodes_ = 0;
  u32 names_max = 0;
  bool shares = false;
  for (u64 i = 0; i < count; ++i) {
    if (clauses_[i].leaves < 2) continue;
    shares = true;
    u32 names = 0;
    for (u64 j = 0; j < rows_[i].count; ++j) {
      const Cell cell = cells_[rows_[i].first + j];
      names += cell.kind == Kind::Bound ? 1 : symbols_in(vm_, cell.form);
    }
    names_max = std::max(names_max, names);
  }
  Scope scope(f_);
  if (shares && !compiler_.reserve_many(f_, names_max, shared_base_)) return false;
  for (u32 i = 0; shares && i < names_max; ++i) f_.unset.add(shared_base_ + i);
  const Unset unset = f_.unset;
  if (!generate(0, count, 0)) return false;
  for (u64 i = 0; i < count; ++i) {
    if (!clauses_[i].shared.used()) continue;
    f_.unset = unset;
    Scope body_scope(f_);
    const u32 names = static_cast<u32>(clauses_[i].names_count);
    for (u32 j = names; j < names_max; ++j) f_.unset.remove(shared_base_ + j);
    f_.next = shared_base_ + names;
    for (u32 j = 0; j < names; ++j) {
      f_.unset.remove(shared_base_ + j);
      f_.locals.push({shared_names_[clauses_[i].names_first + j], shared_base_ + j});
    }
    compiler_.place(f_, clauses_[i].shared);
    if (!body(clauses_[i])) return false;
  }
  f_.unset = unset;
  return !parts_.failed() && !cells_.failed() && !rows_.failed() && !clauses_.failed() && !loaded_.failed();
}

}  // namespace lonala::compile
