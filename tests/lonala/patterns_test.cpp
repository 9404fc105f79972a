// Decision trees against clauses tried one after the other, over random patterns and values.
#include <catch2/catch.hpp>

#include <string>

#include "base/prng.h"
#include "tests/lonala/test_machine.h"

namespace {

using lonala_tests::Machine;

/// Random patterns over few values, so that clauses overlap.
class Generator {
 public:
  explicit Generator(base::Prng& prng) : prng_(prng) {}

  std::string pattern(u32 depth) {
    switch (pick(depth == 0 ? 9 : 16)) {
      case 0: return "_";
      case 1:
      case 2: return name();
      case 3: return std::to_string(pick(7));
      case 4: return atom();
      case 5: return "\"s\"";
      case 6: return pick(2) == 0 ? "()" : "'t";
      case 7: return "(= outer)";
      case 8: return pick(2) == 0 ? "1u8" : "1.0";
      case 9:
      case 10: return sequence("[", "]", depth);
      case 11: return sequence("{", "}", depth);
      case 12:
      case 13: return sequence("(", ")", depth);
      case 14: return "(as " + name() + " " + pattern(depth - 1) + ")";
      default: return "%{" + atom() + " " + pattern(depth - 1) + "}";
    }
  }

  std::string value(u32 depth) {
    switch (pick(depth == 0 ? 6 : 11)) {
      case 0: return std::to_string(pick(7));
      case 1: return atom();
      case 2: return pick(2) == 0 ? "\"s\"" : "()";
      case 3: return pick(2) == 0 ? "1u8" : "1.0";
      case 4: return "nil";
      case 5: return "t";
      case 6:
      case 7: return values("[", "]", depth);
      case 8: return values("{", "}", depth);
      case 9: return values("(", ")", depth);
      default: return "%{" + atom() + " " + value(depth - 1) + "}";
    }
  }

  /// `pattern guard? body`; the body tells the clause and what the names mean there.
  std::string clause(u32 number) {
    const std::string form = pattern(3);
    const std::string guard = pick(4) == 0 ? " when (= x y)" : "";
    return form + guard + " [" + std::to_string(number) + " x y z]";
  }

  u64 pick(u64 below) { return prng_.below(below); }

 private:
  std::string name() { return std::string(1, static_cast<char>('x' + pick(3))); }
  std::string atom() { return ":" + std::string(1, static_cast<char>('a' + pick(7))); }
  std::string sequence(const std::string& open, const std::string& close, u32 depth) {
    std::string text = open;
    const u64 count = pick(4);
    for (u64 i = 0; i < count; ++i) text += pattern(depth - 1) + " ";
    if (pick(3) == 0) text += "& " + (pick(3) == 0 ? pattern(0) : name());
    return text + close;
  }
  std::string values(const std::string& open, const std::string& close, u32 depth) {
    std::string text = open;
    const u64 count = pick(4);
    for (u64 i = 0; i < count; ++i) text += value(depth - 1) + " ";
    return text + close;
  }
  base::Prng& prng_;
};

}  // namespace

TEST_CASE("a decision tree takes the clause that trying them in order takes", "[vm][lonala][patterns][differential]") {
  Machine machine({}, lonala_tests::kMemoryDefault);
  std::string early;
  machine.run("(def x 100) (def y 200) (def z 300) (def outer 3)", early);
  u32 matched = 0;
  for (u64 seed = 0; seed < 400; ++seed) {
    base::Prng prng{seed, "test.lonala-patterns"};
    Generator generator(prng);
    const u32 count = 1 + static_cast<u32>(generator.pick(12));
    std::string tree = "(def tree (fn* [v] (match v";
    std::string chain = "(def chain (fn* [v]";
    for (u32 i = 0; i < count; ++i) {
      const std::string clause = generator.clause(i);
      tree += "\n  " + clause;
      chain += " (match v " + clause + " _";
    }
    tree += "\n  _ :none)))";
    chain += " :none" + std::string(count, ')') + "))";
    CAPTURE(seed, tree);
    lonala::Evaluation defined = machine.run(tree + chain, early);
    if (!defined.ok) {  // a pattern that neither accepts
      const std::string wrong = machine.error(defined.value);
      REQUIRE(wrong.substr(0, 13) == ":syntax-error");
      REQUIRE_FALSE(machine.run(tree, early).ok);
      continue;
    }
    for (u32 i = 0; i < 12; ++i) {
      const std::string value = generator.value(3);
      CAPTURE(value);
      const lonala::Evaluation by_tree = machine.run("(tree '" + value + ")", early);
      const std::string found = by_tree.ok ? machine.text(by_tree.value) : machine.error(by_tree.value);
      const lonala::Evaluation by_chain = machine.run("(chain '" + value + ")", early);
      REQUIRE(found == (by_chain.ok ? machine.text(by_chain.value) : machine.error(by_chain.value)));
      matched += found != ":none";
    }
  }
  CHECK(matched > 1000);
}
