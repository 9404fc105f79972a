// A supervised bank whose workers are killed at random while code is replaced and memory is churned. Short here; for longer:
// `lonala_tests "[.soak]"`. Any failure replays from its seed.
#include <catch2/catch.hpp>

#include <fstream>
#include <iterator>
#include <string>

#include "tests/lonala/test_machine.h"

namespace {

using lonala_tests::Machine;

const char* const kBank = R"(
(def accounts 16)
(def start-balance 1000)
;; numbers from a seed: Knuth's MMIX constants
(defn next-random [r] (bit-and (+ (* r 6364136223846793005) 1442695040888963407) 0xFFFFFFFFFFFFFFFF))
(defn pick [r n] (mod (bit-shr r 33) n))

(defn apply-transfer [balances from to amount]
  (if (< (nth balances from) amount) balances
    (put (put balances from (- (nth balances from) amount)) to (+ (nth balances to) (if (= from to) 0 amount)))))

;; The ledger alone changes balances; an acknowledged transfer is in its log.
(defn ledger [balances log]
  (receive
    [:call from [:transfer id a b amount]]
      (let [changed (if (= a b) balances (apply-transfer balances a b amount))]
        (reply from id)
        (ledger changed (set-add log id)))
    [:call from :audit] (do (reply from [(reduce + 0 balances) log]) (ledger balances log))))

(defn worker [bank tally n r garbage]
  (let [r (next-random r)
        id [n r]]
    (match (call bank [:transfer id (pick r accounts) (pick (next-random r) accounts) (pick (next-random (next-random r)) 50)] 1000)
      [:ok _] (send tally [:acknowledged id])
      _ nil)
    (worker bank tally n r (if (> (count garbage) 200) () (prepend garbage (binary-concat (string->binary (str r garbage)) #bytes[1]))))))

(defn tally [ids]
  (receive
    [:acknowledged id] (tally (set-add ids id))
    [:call from :ids] (do (reply from ids) (tally ids))))

(defn chaos [sup r]
  (lona.time/sleep 1)
  (let [r (next-random r)
        children (supervisor-children sup)
        child (nth children (pick r (count children)))]
    (when (:pid child) (exit (:pid child) (if (= (pick (next-random r) 2) 0) :kill :crash)))
    (when (= (pick r 5) 0)
      (ns-transaction 'user (fn [tx]
        (tx-def tx 'apply-transfer
          (fn [balances from to amount]
            (if (< (nth balances from) amount) balances
              (put (put balances from (- (nth balances from) amount)) to (+ (nth balances to) amount))))))))
    (chaos sup r)))

(defn soak [seed ms]
  (let [bank (spawn (fn [] (ledger (vec (repeat accounts start-balance)) #{})))
        counts (spawn (fn [] (tally #{})))
        children (map (fn [n] %{:id n :start (fn [] (worker bank counts n (+ seed n) ()))}) (range 8))
        sup (match (supervisor-start %{:max-restarts 1000000 :max-seconds 1 :children children}) [:ok p] p)
        killer (spawn (fn [] (chaos sup seed)))]
    (lona.time/sleep ms)
    (exit killer :kill)
    (let [[:ok ids] (call counts :ids)
          [:ok [total log]] (call bank :audit)
          restarts (reduce + 0 (map (fn [c] (:restarts c)) (supervisor-children sup)))]
      (exit sup :shutdown)
      (lona.time/sleep 1)
      (exit bank :kill)
      (exit counts :kill)
      [(= total (* accounts start-balance)) (every (fn [id] (set-has? log id)) ids) (> (count ids) 20) (> restarts (quot ms 10))])))
)";

void soak(u64 seed, u64 milliseconds, bool gc_stress) {
  CAPTURE(seed);
  Machine machine({.gc_stress = gc_stress}, u64{64} << 20);
  REQUIRE(machine.vm.root != nullptr);
  std::string early;
  const lonala::Evaluation loaded = machine.run(kBank, early);
  REQUIRE(early == "");
  REQUIRE(loaded.ok);
  const lonala::Evaluation result =
      machine.run("(soak " + std::to_string(seed) + " " + std::to_string(milliseconds) + ")", early);
  const std::string found = result.ok ? machine.text(result.value) : machine.error(result.value);
  CHECK(found == (gc_stress ? found : "[true true true true]"));
  CHECK(found.substr(0, 10) == "[true true");
}

}  // namespace

TEST_CASE("killed at random under supervisors of each strategy, just those who should come back",
          "[vm][lonala][soak]") {
  std::ifstream file(ORRERY_LONALA_SOAK);
  const std::string source{std::istreambuf_iterator<char>(file), {}};
  REQUIRE(!source.empty());
  for (u64 seed = 1; seed <= 2; ++seed) {
    CAPTURE(seed);
    Machine machine({}, u64{32} << 20);
    REQUIRE(machine.vm.root != nullptr);
    machine.ports.memory.contents["/soak.lona"] = source;
    std::string early;
    REQUIRE(machine.run("(load-file \"/soak.lona\")", early).ok);
    machine.run("(run 500 1)", early);
    const u64 used = machine.vm.root->bytes_used;
    const lonala::Evaluation result = machine.run("(run 2000 " + std::to_string(seed) + ")", early);
    CAPTURE(result.ok ? machine.text(result.value) : machine.error(result.value));
    REQUIRE(result.ok);
    CHECK(machine.text(result.value).starts_with("[true "));
    CHECK(machine.vm.root->bytes_used < used + (u64{1} << 20));  // what ended has given its memory back
  }
}

TEST_CASE("a bank whose workers are killed at random loses nothing", "[vm][lonala][soak]") {
  for (u64 seed = 1; seed <= 3; ++seed) soak(seed, 100, false);
  soak(4, 5, true);
}

TEST_CASE("a bank whose workers are killed at random loses nothing for long", "[.soak]") {
  for (u64 seed = 1; seed <= 100; ++seed) soak(seed, 2000, false);
}

TEST_CASE("a million redefinitions take no more memory than ten thousand", "[.soak-code]") {
  Machine machine({}, u64{16} << 20);
  REQUIRE(machine.vm.root != nullptr);
  std::string early;
  machine.run(
      "(defn redefine [n] (when (> n 0) (eval (list 'defn 'f ['x] (list '+ 'x n (list 'count ''(a b c))))) "
      "(redefine (- n 1))))",
      early);
  REQUIRE(machine.run("(redefine 10000)", early).ok);
  const u64 literals = machine.vm.root->literal_low;
  const u64 used = machine.vm.root->bytes_used;
  const lonala::Evaluation result = machine.run("(do (redefine 1000000) (f 1))", early);
  REQUIRE(result.ok);
  CHECK(machine.text(result.value) == "5");
  CHECK(literals - machine.vm.root->literal_low < u64{64} << 10);
  CHECK(machine.vm.root->bytes_used < used + (u64{1} << 20));
}
