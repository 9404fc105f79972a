// vm/lonala/compile/decision.h — clauses to one decision tree (J. Jacobs, "How to compile pattern matching", 2021): the leftmost test
// of the first clause that may still match splits the clauses into those that may match when it holds and when it does not.
// What is no test of type, size or constant (pins, maps, sets, bits) and guards are tried when their clause is the first one left.
// Bounds      kNodesMin + 8 tests a clause: beyond that many the remaining clauses are tried one after the other.
// Invariants  D1 of the clauses that match, the first in the text is taken.  D2 no path tests a type, size or constant of a part twice.
#pragma once
#include "vm/lonala/compile/parts.h"

namespace lonala::compile {

class Decision {
 public:
  /// The clauses are tried against the term in register `subject`. A `receive` takes its message before the body.
  Decision(Compiler& compiler, Function& f, u32 subject, bool receiving);
  bool add(Term pattern, Term guard, Term body);
  /// Emits tree and bodies. Bodies jump to `end`, or return; a value that no clause matches leads to `none`.
  bool emit(u32 to, Place where, Label& end, Label& none);

 private:
  /// A part of the value: fetched from another one by an instruction. Part 0 is the value.
  struct Part {
    u32 parent;
    Op fetch;
    u32 index;
  };
  enum class Kind : u8 { Bound, Pattern, ListRest };
  /// What a clause still wants of a part: a name, a pattern, or the rest of a list pattern.
  struct Cell {
    u32 part;
    Kind kind;
    Term form;
  };
  struct Row {
    u32 clause;
    u64 first;
    u64 count;
  };
  struct Clause {
    Term guard;
    Term body;
    u32 leaves;  // paths that reach the body
    Label shared;
    u64 names_first;  // of a shared body, in shared_names_
    u64 names_count;
  };
  struct Loaded {
    u32 part;
    u32 reg;
  };
  enum class Shape : u8 { Opaque, Tuple, TupleMin, Vector, VectorMin, Pair, Constant };
  struct Test {
    Shape shape;
    u64 size;
    Term constant;
  };
  enum class Fate : u8 { Keep, Drop, Expand };

  bool put(u32 part, Kind kind, Term form);
  bool put_name(u32 part, Term name);
  Test test_of(const Cell& cell) const;
  bool expand(const Cell& cell, const Test& test);
  u32 part_of(u32 parent, Op fetch, u32 index);
  bool reg_of(u32 part, u32& reg);
  Fate when_held(const Test& test, const Test& of_row);
  Fate when_failed(const Test& test, const Test& of_row);
  bool split(u64 first, u64 count, u32 part, const Test& test, bool held);
  bool generate(u64 first, u64 count, u32 depth);
  bool emit_test(u32 part, const Test& test, u32 subject, u64 first, Label& fail_label);
  bool branch(u64 first, u64 count, u32 depth, u32 part, const Test& test);
  bool switch_on(u64 first, u64 count, u32 depth, u32 part, const Scratch<Term>& constants);
  bool collect_constants(u64 first, u64 count, u32 part, Scratch<Term>& constants);
  bool leaf(const Row& row, Label& fail_label);
  bool share(Clause& clause, u64 first_local);
  bool body(Clause& clause);
  bool same(Term a, Term b);

  Compiler& compiler_;
  Vm& vm_;
  Function& f_;
  bool receiving_;
  bool counting_ = false;  // the first pass: which bodies are reached on several paths
  u32 nodes_ = 0;
  u32 nodes_max_ = 0;
  u32 to_ = 0;
  Place where_ = Place::Value;
  Label* end_ = nullptr;
  Label* none_ = nullptr;
  u32 shared_base_ = 0;  // registers of the names of shared bodies
  u32 subject_;
  Scratch<Part> parts_;
  Scratch<Cell> cells_;
  Scratch<Row> rows_;
  Scratch<Clause> clauses_;
  Scratch<Loaded> loaded_;
  Scratch<Term> shared_names_;
};

}  // namespace lonala::compile
