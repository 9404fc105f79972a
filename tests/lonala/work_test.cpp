// Natives that stop in the middle of their work: how soon, what runs meanwhile, and that nobody can tell from their results.
#include <catch2/catch.hpp>

#include <string>

#include "tests/lonala/test_machine.h"
#include "vm/lonala/process.h"
#include "vm/lonala/scheduler.h"
#include "vm/lonala/usage.h"
#include "vm/lonala/work.h"

namespace {

using lonala_tests::Machine;

constexpr u64 kMemory = u64{256} << 20;
constexpr u64 kCopied = u64{128} << 20;

struct Long {
  const char* name;
  const char* given;  // definitions
  const char* work;   // an expression, and a short text of its value
  const char* value;
  u64 stops;           // of its native at least
  u64 made_words = 0;  // of the largest object it makes
};

const Long kLongs[] = {
    {"a sort of 10^6 elements", "(def big (map (fn [i] (mod (* i 7919) 1000003)) (range 1000000)))",
     "(let [s (sort big)] [(count s) (first s) (nth s 999999)])", "[1000000 0 1000002]", 500},
    {"a sort of a vector", "(def big (vec (reverse (range 50000))))",
     "(let [s (sort big)] [(vector? s) (nth s 49999)])", "[true 49999]", 10},
    {"a sort of a tuple of long lists",
     "(def long (range 5000)) (def big (apply tuple (map (fn [i] (append (vec long) i)) (range 40))))",
     "(nth (nth (sort big) 39) 5000)", "39", 3},
    {"a product of two numbers of 10^5 digits",
     "(def a (- (bit-shl 1 332193) 12345)) (def b (+ (bit-shl 3 332190) 99))",
     "(let [p (* a b)] [(mod p 1000000007) (= (quot p a) b)])", "[435954872 true]", 100},
    {"a quotient of long numbers", "(def a (- (bit-shl 1 400000) 1)) (def b (+ (bit-shl 1 200000) 1))",
     "[(= (quot a b) (- (bit-shl 1 200000) 1)) (rem a b)]", "[true 0]", 100},
    {"equality of two large lists",
     "(def a (range 300000)) (def b (append (vec (range 299999)) 0)) (def c (range 300000))",
     "[(= a c) (= (vec a) b) (not= a c)]", "[true false false]", 20},
    {"equality of two large maps",
     "(defn build [n m] (if (= n 0) m (build (- n 1) (put m n [n (str n)])))) (def a (build 40000 %{})) "
     "(def b (put (dissoc (build 40000 %{:x 1}) :x) 7 [7 (str 7)])) (def c (put b 9 :other))",
     "[(= a b) (= a c)]", "[true false]", 5},
    {"the order of two long vectors", "(def a (vec (range 300000))) (def b (append a 1))", "(compare a b)", "-1", 10},
    {"printing a number of 20000 digits", "(def a (- (bit-shl 1 66438) 1))",
     "(let [s (str \"a\" a)] [(count s) (subs s 0 7) (subs s 19995)])", "[20001 \"a677410\" \"242943\"]", 50},
    {"printing and joining much",
     "(defn build [n m] (if (= n 0) m (build (- n 1) (put m n [n (str n) {n} '(n)])))) (def a (build 20000 %{})) "
     "(def long (join \"\" (repeat 20000 \"t\\u{e9}xt\")))",
     "[(= a (read-string (print-string a))) (count (join \", \" (range 60000))) (count (str 1 long 2)) "
     "(= long (read-string (print-string long)))]",
     "[true 408888 80002 true]", 20, 120000},
    {"reading a long text",
     "(def text (print-string (map (fn [i] [i (str i) {:k i}]) (range 5000)))) (def many (str text text))",
     "[(count (read-string text)) (map count (read-all many)) (nth (read-string text) 4999)]",
     "[5000 (5000 5000) [4999 \"4999\" {:k 4999}]]", 40, 10000},
    {"collections from others",
     "(def big (range 60000)) (def v (vec big)) (def m (map-of* big)) (def bytes (map (fn [i] (mod i 256)) big))",
     "[(= (reverse (reverse v)) v) (= (rest v) (rest big)) (count (keys m)) (reduce + 0 (vals m)) (count (set-of* "
     "big)) "
     "(nth big 59999) (binary-ref (binary bytes) 300) (= (tuple-of* big) (tuple-of* v)) (count (list-of* m)) (= "
     "(concat v big [1]) (concat big v (list 1)))]",
     "[true true 30000 900000000 60000 59999 44 true 30000 true]", 40, 60000},
    {"equality of two long texts", "(def a (join \"\" (repeat 200000 \"text\"))) (def b (str a \"x\"))",
     "[(= a (subs b 0 800000)) (compare a b)]", "[true -1]", 5},
};

lonala::Process* spawn(Machine& machine, const Long& what) {
  std::string early;
  const std::string definitions = std::string(what.given) + "(def me (self))";
  const lonala::Evaluation given = machine.run(definitions, early);
  CAPTURE(early, given.ok ? "" : machine.error(given.value));
  REQUIRE((given.ok && early.empty()));
  const std::string body = "(let [v " + std::string(what.work) + "] (send me [v (:reductions (process-info))]))";
  const lonala::Evaluation made = machine.run("(def worker (spawn (fn [] " + body + "))) worker", early);
  REQUIRE(made.ok);
  return lonala::process_of(machine.vm, made.value);
}

bool at_work(const lonala::Process& process) { return (process.marks & lonala::kAtWork) != 0; }

std::string answer(Machine& machine) {
  std::string early;
  return machine.text(machine.run("(receive v v)", early).value);
}

}  // namespace

TEST_CASE("a long native stops soon after its slice, and other processes run meanwhile",
          "[vm][lonala][work][scheduler]") {
  for (const Long& what : kLongs) {
    CAPTURE(what.name);
    Machine machine({}, kMemory);
    lonala::Process* process = spawn(machine, what);
    const lonala::Term pid = process->pid;
    std::string early;
    REQUIRE(
        machine.run("(def turns (spawn (fn [] ((fn loop [n] (do (lona.time/sleep 0) (loop (+ n 1)))) 0))))", early).ok);
    u64 stops = 0;
    i64 debt_most = 0;
    u64 others = 0;
    u64 last = 0;
    while (lonala::process_of(machine.vm, pid) == process) {
      lonala::run(machine.vm, 1);  // one slice of somebody
      if (lonala::process_of(machine.vm, pid) != process) break;
      others += process->reductions == last;
      last = process->reductions;
      if (!at_work(*process)) continue;
      stops += 1;
      debt_most = std::max(debt_most, -process->fuel);
    }
    CHECK(stops >= what.stops);
    CHECK(others >= what.stops / 2);
    // A row of a product has as many limb products as the shorter number has limbs; an object is charged as soon as it is made.
    const u64 debt_allowed = lonala::kStepReductions + 5191 / lonala::kLimbProductsPerReduction +
                             what.made_words / lonala::kWordsPerReduction;
    CHECK(debt_most <= static_cast<i64>(debt_allowed));
    CHECK(answer(machine).substr(1, std::string(what.value).size()) == what.value);
    CHECK(lonala::usage_problem(machine.vm) == "");
  }
}

TEST_CASE("where a native stops changes neither its result nor what it costs", "[vm][lonala][work][scheduler]") {
  for (const Long& what : kLongs) {
    CAPTURE(what.name);
    if (what.stops > 400) continue;  // a long run in steps of a reduction
    std::string wanted;
    for (u64 seed = 0; seed <= 4; ++seed) {
      CAPTURE(seed);
      Machine machine({.preempt_early = seed}, kMemory);
      spawn(machine, what);
      const std::string found = answer(machine);
      if (seed == 0) wanted = found;
      REQUIRE(found == wanted);
    }
  }
}

TEST_CASE("kill ends a native half-way, and its memory returns", "[vm][lonala][work][exit]") {
  for (const Long& what : kLongs) {
    CAPTURE(what.name);
    Machine machine({}, kMemory);
    const lonala::Process* process = spawn(machine, what);
    const lonala::Term pid = process->pid;
    u64 stops = 0;
    while (stops < 3) {
      lonala::run(machine.vm, 1);
      REQUIRE(lonala::process_of(machine.vm, pid) == process);
      stops += at_work(*process);
    }
    CHECK(lonala::usage_problem(machine.vm) == "");
    const u64 before = lonala::usage_of(machine.vm).processes;
    std::string early;
    CHECK(machine.text(machine.run("(exit worker :kill) (do (lona.time/sleep 0) (alive? worker))", early).value) ==
          "false");
    CHECK(lonala::process_of(machine.vm, pid) == nullptr);
    CHECK(lonala::usage_of(machine.vm).processes < before);
    CHECK(lonala::usage_problem(machine.vm) == "");
  }
}

TEST_CASE("a machine copied while natives are in the middle of their work goes on as the original does",
          "[vm][lonala][work][snapshot]") {
  for (const Long& what : kLongs) {
    CAPTURE(what.name);
    if (what.stops > 400) continue;
    Machine original({}, kCopied);
    const lonala::Process* process = spawn(original, what);
    while (!at_work(*process)) lonala::run(original.vm, 1);
    Machine copy(original);
    lonala::run(original.vm, ~u64{0});
    lonala::run(copy.vm, ~u64{0});
    REQUIRE(memcmp(original.grant, copy.grant, kCopied) == 0);
  }
}
