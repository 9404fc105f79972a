// A supervised bank whose workers are killed at random while code is replaced, memory is churned and refused. Short here; for longer:
// `lonala_tests "[.soak]"`, in portions of five seeds. Any failure replays from its seed.
#include <catch2/catch.hpp>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include "tests/lonala/test_machine.h"
#include "vm/lonala/usage.h"

namespace {

using lonala_tests::Machine;

constexpr u64 kUsedMost = u64{8} << 20;  // bytes of the bank, whatever died and was replaced

const char* const kBank = R"(
(def accounts 16)
(def start-balance 1000)
(def workers 8)
;; numbers from a seed: Knuth's MMIX constants
(defn next-random [r] (bit-and (+ (* r 6364136223846793005) 1442695040888963407) 0xFFFFFFFFFFFFFFFF))
(defn pick [r n] (mod (bit-shr r 33) n))

(defn apply-transfer [balances from to amount]
  (if (or (= from to) (< (nth balances from) amount)) balances
    (put (put balances from (- (nth balances from) amount)) to (+ (nth balances to) amount))))

;; The ledger alone changes balances. Transfers of a worker are numbered, also across its lives; the last one made is in `done`.
(defn ledger [balances done]
  (receive
    [:call from [:done n]] (do (reply from (nth done n)) (ledger balances done))
    [:call from [:transfer n k a b amount]]
      (if (= k (+ 1 (nth done n)))
        (do (reply from k) (ledger (apply-transfer balances a b amount) (put done n k)))
        (do (reply from :wrong) (ledger balances done)))
    [:call from :audit] (do (reply from [(reduce + 0 balances) done]) (ledger balances done))))

;; What was acknowledged to workers that lived long enough to say so, and how often memory was refused.
(defn tally [acknowledged refused]
  (receive
    [:acknowledged n k] (tally (put acknowledged n k) refused)
    :refused (tally acknowledged (+ refused 1))
    [:call from :counts] (do (reply from [acknowledged refused]) (tally acknowledged refused))))

(defn hoard [kept] (hoard (prepend kept (range 50))))
(defn greedy "Wants more than it may have, or than there is." [r]
  (if (= (pick r 2) 0) (hoard ()) (bytebuf-alloc (bit-shl 1 50))))
(defn refused? [r]
  (let [[_ ref] (spawn-monitor (fn [] (quiet*) (greedy r)) %{:max-heap-size 20000})]
    (receive [:DOWN (= ref) _ reason] (match reason [:error :oom _] true _ false))))

(defn work [bank counts n k r garbage]
  (let [r (next-random r)
        s (next-random r)]
    (match (call bank [:transfer n (+ k 1) (pick r accounts) (pick s accounts) (pick (next-random s) 50)] 1000)
      [:ok done] (when (= done (+ k 1)) (send counts [:acknowledged n done])))
    (when (and (= (pick s 100) 0) (refused? r)) (send counts :refused))
    (work bank counts n (+ k 1) r
      (if (> (count garbage) 200) () (prepend garbage (string->binary (join "," (range (pick r 99)))))))))
(defn worker [bank counts n seed]
  (quiet*)
  (match (call bank [:done n] 1000)
    [:ok k] (work bank counts n k (+ seed n (* 1000 k)) ())))

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
            (if (or (= from to) (< (nth balances from) (+ amount r (- r)))) balances
              (put (put balances from (- (nth balances from) amount)) to (+ (nth balances to) amount))))))))
    (chaos sup r)))

(def bank nil)
(def counts nil)
(def sup nil)
(def killer nil)
(defn begin [seed]
  (def bank (spawn (fn [] (ledger (vec (repeat accounts start-balance)) (vec (repeat workers 0))))))
  (def counts (spawn (fn [] (tally (vec (repeat workers 0)) 0))))
  (def sup (match (supervisor-start %{:max-restarts 1000000 :max-seconds 1
                    :children (map (fn [n] %{:id n :start (fn [] (worker bank counts n seed))}) (range workers))})
             [:ok p] p))
  (def killer (spawn (fn [] (chaos sup seed))))
  :begun)
(defn go-on "Works for so many ms: whether the money is all there and nothing acknowledged is lost." [ms]
  (lona.time/sleep ms)
  (let [[:ok [acknowledged _]] (call counts :counts)
        [:ok [total done]] (call bank :audit)]
    [(= total (* accounts start-balance)) (every (fn [n] (<= (nth acknowledged n) (nth done n))) (range workers))]))
(defn end "Stops everything: transfers, times memory was refused, restarts." []
  (exit killer :kill)
  (let [[:ok [_ refused]] (call counts :counts)
        [:ok [_ done]] (call bank :audit)
        restarts (reduce + 0 (map (fn [c] (:restarts c)) (supervisor-children sup)))]
    (exit sup :shutdown)
    (lona.time/sleep 1)
    (exit bank :kill)
    (exit counts :kill)
    [(reduce + 0 done) refused restarts]))
)";

/// Works `rounds` times so many virtual milliseconds from a seed, and looks after each whether all is as it must be.
void soak(u64 seed, u64 rounds, u64 milliseconds, bool gc_stress) {
  CAPTURE(seed);
  Machine machine({.gc_stress = gc_stress}, u64{32} << 20);
  REQUIRE(machine.vm.root != nullptr);
  const auto value = [&](const std::string& form) {
    std::string early;
    const lonala::Evaluation result = machine.run(form, early);
    REQUIRE(early == "");
    return result.ok ? machine.text(result.value) : machine.error(result.value);
  };
  value(kBank);
  REQUIRE(value("(begin " + std::to_string(seed) + ")") == ":begun");
  for (u64 round = 1; round <= rounds; ++round) {
    CAPTURE(round);
    REQUIRE(value("(go-on " + std::to_string(milliseconds) + ")") == "[true true]");
    REQUIRE(lonala::usage_problem(machine.vm) == "");
    REQUIRE(machine.vm.root->bytes_used < kUsedMost);
  }
  u64 transfers = 0;
  u64 refused = 0;
  u64 restarts = 0;
  const std::string counts = value("(end)");
  CAPTURE(counts);
  REQUIRE(std::sscanf(counts.c_str(), "[%lu %lu %lu]", &transfers, &refused, &restarts) == 3);
  CHECK(transfers > 0);
  if (gc_stress) return;
  CHECK(transfers > 20 * rounds * milliseconds);
  CHECK(refused > 0);
  CHECK(restarts > rounds * milliseconds / 10);
}

}  // namespace

TEST_CASE("killed at random under supervisors of each strategy, just those who should come back",
          "[vm][lonala][killed]") {
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

TEST_CASE("a bank whose workers are killed at random loses nothing", "[vm][lonala][killed]") {
  for (u64 seed = 1; seed <= 3; ++seed) soak(seed, 2, 20, false);
  soak(4, 1, 2, true);
}

TEST_CASE("a bank whose workers are killed at random loses nothing for long", "[.soak]") {
  for (u64 first = 1; first <= 100; first += 5) {
    DYNAMIC_SECTION("seeds from " << first) {
      for (u64 seed = first; seed < first + 5; ++seed) soak(seed, 2, 1000, false);
    }
  }
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
