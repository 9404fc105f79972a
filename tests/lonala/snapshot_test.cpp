// A machine is its grant: a copy of the memory, at another address, goes on exactly as the original does.
#include <catch2/catch.hpp>

#include <cstring>
#include <string>

#include "tests/lonala/test_machine.h"
#include "vm/lonala/scheduler.h"

namespace {

using lonala_tests::Machine;

const char* const kWork = R"(
(defn work [n m] (if (= n 0) m (work (- n 1) (put m (mod (* n n) 97) [n (str n) (binary-concat (string->binary (str m)) #bytes[1])]))))
(defn relay [n] (receive [p x] (if (= n 0) nil (do (send p [(self) (+ x 1)]) (relay (- n 1))))))
(def a (spawn (fn [] (relay 3000))))
(def b (spawn (fn [] (relay 3000))))
(send a [b 0])
(def busy (map (fn [i] (spawn (fn [] (count (work (* i 40) %{}))))) (range 12)))
)";

}  // namespace

TEST_CASE("snapshot-mid-slice-resumes: a copied machine goes on as the original does",
          "[vm][lonala][machine][snapshot]") {
  constexpr u64 kMemory = u64{16} << 20;
  for (u64 budget = 1500; budget < 400'000; budget = budget * 3 + 7) {
    CAPTURE(budget);
    Machine original({}, kMemory);
    std::string early;
    REQUIRE(original.vm.root != nullptr);
    REQUIRE(original.run(kWork, early).ok);
    lonala::run(original.vm, budget);
    Machine copy(original);
    const lonala::Pause first = lonala::run(original.vm, ~u64{0});
    const lonala::Pause second = lonala::run(copy.vm, ~u64{0});
    REQUIRE(first == second);
    REQUIRE(original.vm.root->now_ns == copy.vm.root->now_ns);
    REQUIRE(memcmp(original.grant, copy.grant, kMemory) == 0);
  }
}
