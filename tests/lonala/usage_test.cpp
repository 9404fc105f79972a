// The memory of a machine: every byte has one owner, and what processes had comes back.
#include <catch2/catch.hpp>

#include "tests/lonala/test_machine.h"
#include "vm/lonala/heap_check.h"
#include "vm/lonala/process.h"
#include "vm/lonala/usage.h"

namespace {

using lonala_tests::Machine;

std::string value_of(Machine& machine, const std::string& source) {
  std::string early;
  const lonala::Evaluation result = machine.run(source, early);
  return early.empty() && result.ok ? machine.text(result.value) : "!! " + early;
}

constexpr const char* kWork = R"(
(def words (map str (range 200)))
(def put-later (fn [b] (send-after (self) 5000 [b words])))
(def worker (fn [] (receive [:put b] (do (put-later b) (receive :stop b)))))
(def part (string->binary (join "" words)))
(def ps (map (fn [i] (spawn worker)) (range 50)))
(map (fn [p] (do (monitor p) (send p [:put (binary-concat part #bytes[1])]) (send p [:extra words]))) ps)
(register 'first (first ps))
(map (fn [i] (def words (map str (range i)))) (range 60))
(sleep 10))";

}  // namespace

TEST_CASE("the accounts of a machine add up while processes, messages, timers and binaries come and go",
          "[vm][lonala][usage]") {
  for (const bool stress : {false, true}) {
    Machine machine({.gc_stress = stress}, u64{64} << 20);
    REQUIRE(lonala::usage_problem(machine.vm) == "");
    const lonala::Usage start = lonala::usage_of(machine.vm);
    REQUIRE(value_of(machine, kWork) == ":ok");
    CHECK(lonala::usage_problem(machine.vm) == "");
    const lonala::Usage busy = lonala::usage_of(machine.vm);
    CHECK(busy.total() == start.total());
    CHECK(busy.messages > start.messages + 50 * sizeof(lonala::Message));
    CHECK(busy.binaries > start.binaries + 50 * 400);
    CHECK(busy.values > start.values);
    REQUIRE(value_of(machine,
                     "(do (map (fn [p] (exit p :kill)) ps) (sleep 6000) (map (fn [_] (receive [:DOWN _ _ r] r)) ps) "
                     "(def ps nil) (def part nil) (def worker nil) (garbage-collect :full))") == ":ok");
    CHECK(lonala::usage_problem(machine.vm) == "");
    const lonala::Usage after = lonala::usage_of(machine.vm);
    CHECK(after.messages == start.messages);
    CHECK(after.processes < busy.processes);
    CHECK(after.total() == start.total());
  }
}

TEST_CASE("what process-info calls memory are all the accounts of that process", "[vm][lonala][usage]") {
  Machine machine({}, u64{64} << 20);
  REQUIRE(value_of(machine, "(def p (spawn (fn [] (receive :never nil)))) (sleep 1)") == ":ok");
  const std::string before = value_of(machine, "(:memory (process-info p))");
  CHECK(before == "512");
  REQUIRE(value_of(machine, "(do (send p :a) (send p [:b (range 100)]) (register 'named p) (monitor p) :done)") ==
          ":done");
  // Two messages of 48 bytes, a fragment for 3 + 100 × 2 words, a name and a monitor.
  const std::string after = value_of(machine, "(:memory (process-info p))");
  CHECK(after == std::to_string(512 + 2 * 48 + 2048 + 16 + 48));
}

TEST_CASE("a block that nobody owns is found", "[vm][lonala][usage]") {
  Machine machine({}, u64{64} << 20);
  REQUIRE(lonala::block_acquire(machine.vm, 100, lonala::PageUse::Table) != 0);
  CHECK(lonala::usage_problem(machine.vm) == "tables: some belong to nobody");
  REQUIRE(lonala::block_acquire(machine.vm, 10'000, lonala::PageUse::Heap) != 0);
  CHECK(lonala::usage_problem(machine.vm) == "heaps: some belong to no process");
}

TEST_CASE("a reference to where an object was before a collection is found", "[vm][lonala][usage]") {
  Machine machine({}, u64{64} << 20);
  lonala::Vm& vm = machine.vm;
  REQUIRE(value_of(machine, "(def p (spawn (fn [] (let [x (range 9)] (receive :never x))))) (sleep 1)") == ":ok");
  std::string early;
  lonala::Process& process = *lonala::process_of(vm, machine.run("p", early).value);
  REQUIRE(lonala::collect_waiting(vm, process));
  REQUIRE(lonala::heap_problem(vm, process) == "");
  const lonala::Term pair = lonala::refer(process.hp, lonala::Tag::Pair);  // behind the last object
  vm.object(pair)[0] = vm.object(pair)[1] = lonala::kNil;
  process.pending = pair;
  CHECK(lonala::heap_problem(vm, process) == "process: a word leads to no value");
  process.hp += 16;
  CHECK(lonala::heap_problem(vm, process) == "");
  vm.object(pair)[1] = 0xEBEBEBEBEBEBEBEB;  // what a collection leaves behind
  CHECK(lonala::heap_problem(vm, process) == "block: an object leads to no value");
  vm.object(pair)[1] = lonala::refer(process.heap_low, lonala::Tag::Forward);
  CHECK(lonala::heap_problem(vm, process) == "block: an object leads to no value");
}
