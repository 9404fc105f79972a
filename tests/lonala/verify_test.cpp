// The verifier: it accepts what the compiler emits, and what it accepts runs without harm, whatever it does.
#include <catch2/catch.hpp>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/prng.h"
#include "tests/lonala/test_machine.h"
#include "vm/lonala/code_memory.h"
#include "vm/lonala/namespaces.h"
#include "vm/lonala/verify.h"

namespace {

using lonala::FunctionHeader;
using lonala_tests::Machine;

struct Known {
  explicit Known(lonala::Vm& machine) : vm(machine), variables(machine), names(machine) {
    lonala::known_variables(vm, variables, names);
  }
  lonala::LinkedNames with(lonala::Scratch<lonala::Term>& constants) {
    return {
        vm, {variables.data(), variables.size()}, {names.data(), names.size()}, {constants.data(), constants.size()}};
  }
  lonala::Vm& vm;
  lonala::Scratch<u64> variables;
  lonala::Scratch<u64> names;
};

const FunctionHeader& function_number(const lonala::Vm& vm, u64 i) {
  return *vm.at<FunctionHeader>(vm.words(vm.root->functions)[i]);
}

const char* const kForms = R"(
(defn clauses ([] 0) ([1 x] x) ([{a & b} (c & d)] [a b c d]) ([[:k x] y] when (> x y) [x y]) ([a & more] more))
(defn by-name [k] (match k :a 1 :b 2 :c 3 :d 4 :e 5 :f 6 7 8 'x 9 _ 0))
(defn waits [] (receive [:a x] when (> x 1) x [:b r] (list r) :after 10 :none))
(defn closes [x] (let [y (+ x 1)] (fn [z] (fn [] [x y z]))))
(defn counts [n acc] (if (= n 0) acc (counts (- n 1) (prepend acc n))))
(defn bits [b] (match b #bits[a:4 b:12/signed rest:2/bytes & more] [a b rest more] _ nil))
(defn maps [m] (match m %{:a x :b [y z]} [x y z] #{1 2} :set _ nil))
)";

}  // namespace

TEST_CASE("the verifier accepts all that the compiler emits", "[vm][lonala][verifier]") {
  Machine machine({}, lonala_tests::kMemoryDefault);
  std::string early;
  machine.run(kForms, early);
  REQUIRE(early == "");
  Known known(machine.vm);
  const u64 count = machine.vm.root->function_count;
  REQUIRE(count > 500);
  for (u64 i = 0; i < count; ++i) {
    const FunctionHeader& function = function_number(machine.vm, i);
    lonala::Scratch<lonala::Term> constants(machine.vm);
    REQUIRE(lonala::constants_of(function, constants));
    const lonala::Verdict verdict = lonala::verify_function(machine.vm, function, known.with(constants));
    CAPTURE(machine.text(function.name), verdict.word, std::string(verdict.why == nullptr ? "" : verdict.why));
    REQUIRE(verdict.ok());
  }
}

TEST_CASE("code that the verifier accepts does no harm", "[vm][lonala][verifier][fuzz]") {
  u32 accepted = 0;
  u32 refused = 0;
  for (u64 seed = 0; seed < 30; ++seed) {
    Machine machine({}, u64{64} << 20);
    std::string early;
    machine.run(kForms, early);
    lonala::Vm& vm = machine.vm;
    const u64 count = vm.root->function_count;
    base::Prng prng{seed, "test.lonala-verifier"};
    Known known(vm);
    for (u32 round = 0; round < 60; ++round) {
      CAPTURE(seed, round);
      // The forms at the end of the table are the ones above; others are the library's.
      const u64 index = prng.below(3) == 0 ? prng.below(count) : count - 1 - prng.below(40);
      const FunctionHeader& original = function_number(vm, index);
      if (original.captures != 0) continue;
      lonala::Scratch<lonala::Term> constants(vm);
      REQUIRE(lonala::constants_of(original, constants));
      const u64 bytes = lonala::function_bytes(original);
      const u64 at = lonala::code_acquire(vm, bytes, lonala::PieceKind::Function);
      const u64 object = lonala::code_acquire(vm, 16, lonala::PieceKind::Constant);
      REQUIRE((at != 0 && object != 0));
      memcpy(vm.words(at), &original, bytes);
      FunctionHeader& mutant = *vm.at<FunctionHeader>(at);
      for (u64 changes = 1 + prng.below(2); changes > 0; --changes) {
        u32& word = mutant.code()[prng.below(mutant.code_words)];
        switch (prng.below(4)) {
          case 0: word ^= 1u << prng.below(32); break;
          case 1: word = mutant.code()[prng.below(mutant.code_words)]; break;
          case 2: word = (word & ~0xFFu) | static_cast<u32>(prng.below(static_cast<u64>(lonala::Op::Count))); break;
          default: word += static_cast<u32>(prng.below(5)) - 2; break;
        }
      }
      if (!lonala::verify_function(vm, mutant, known.with(constants)).ok()) {
        refused += 1;
        continue;
      }
      accepted += 1;
      REQUIRE(lonala::function_register(vm, at));
      vm.words(object)[0] = lonala::header(lonala::Type::Function, 1);
      vm.words(object)[1] = lonala::small(static_cast<i64>(at));
      lonala::session_reset(vm);
      const lonala::Term space = lonala::current_namespace(vm);
      const lonala::Term var = lonala::var_intern(vm, space, lonala::symbol_named(vm, "mutant"));
      lonala::var_define(vm, var, lonala::refer(object, lonala::Tag::Boxed));
      static const std::vector<std::string> kArguments = {"",      "1",          ":a",
                                                          "[1 2]", "[:k 5] 2",   "#bytes[1 2 3 4 5 6]",
                                                          "{1 2}", "{1} '(2)",   "%{:a 1 :b [2 3]}",
                                                          "10 ()", "'(1 2) nil", "\"s\" 1.0 x"};
      machine.run("(def x 1)", early);
      for (u32 call = 0; call < 4; ++call) {
        machine.ports.turns_left = 4;
        early.clear();
        machine.run("(let [mutant (var-get (var mutant))] (mutant " + kArguments[prng.below(kArguments.size())] + "))",
                    early);
      }
    }
  }
  CHECK(accepted > 100);
  CHECK(refused > 200);
}
