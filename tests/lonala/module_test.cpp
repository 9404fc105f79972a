// Compiled modules: the same bytes wherever they are made, and whatever becomes of the bytes, an answer and no fault of the machine.
#include <catch2/catch.hpp>

#include <string>

#include "base/prng.h"
#include "base/sha256.h"
#include "tests/lonala/test_machine.h"
#include "vm/lonala/binaries.h"
#include "vm/lonala/module.h"
#include "vm/lonala/module_format.h"

namespace {

using lonala_tests::Machine;

constexpr u64 kMemory = u64{64} << 20;

const char* const kSource = R"((ns m "a module of many kinds of code")
(def ^:process-bound level 3)
(def data '[1 -7 99999999999999999999 22/7 3.25 3.5f32 200u8 "text" #bytes[1 2] sym :key ns/sym (1 2 [3]) {4 5} %{:a 1 :b [2]} #{1 2} ^:tag {9}])
(defn clauses ([] 0) ([1 x] x) ([{a & b} (c & d)] [a b c d]) ([[:k x] y] when (> x y) [x y]) ([a & more] more))
(defn by-name [k] (match k :a 1 :b 2 :c 3 :d 4 :e 5 :f 6 7 8 'x 9 _ 0))
(defn waits [] (receive [:a x] when (> x 1) x [:b r] (list r) :after 1 :none))
(defn closes [x] (let [y (+ x 1)] (fn [z] (fn [] [x y z]))))
(defn counts [n acc] (if (= n 0) acc (counts (- n 1) (prepend acc n))))
(defn bits [b] (match b #bits[a:4 b:12/signed rest:2/bytes & more] [a b rest more] _ nil))
(defn maps [m] (match m %{:a x :b [y z]} [x y z] #{1 2} :set _ nil))
(defn run [] [(clauses) (clauses 1 2) (clauses {1 2} '(3)) (clauses [:k 5] 2) (by-name :c) (by-name 'x) (waits) (((closes 1) 2))
              (counts 5 ()) (bits #bytes[1 2 3 4 5]) (maps %{:a 1 :b [2 3]}) (maps #{1 2}) (join ", " (map str data))])
(orrery.check/sometimes :m/ran (= 1 1))
)";

std::string compiled(Machine& machine) {
  machine.ports.memory.contents["/m.lona"] = kSource;
  const lonala::Term module = lonala::session_compile(machine.vm, "/m.lona");
  REQUIRE(module != lonala::kNone);
  return std::string(base::text_of(lonala::binary_bytes(machine.vm, module)));
}

/// The digest over bytes that were changed: so that what is wrong with them must be found by looking.
void seal(std::string& module) {
  const base::Bytes bytes = base::bytes_of(module);
  base::Sha256 digest;
  digest.add(bytes.first(lonala::module::kDigestAt));
  digest.add(bytes.subspan(lonala::module::kUnitCountAt));
  u8 out[32];
  digest.finish(out);
  std::copy(out, out + 32, module.begin() + lonala::module::kDigestAt);
}

lonala::ModuleUse use_of(Machine& machine, const std::string& module, lonala::ModuleFault& fault) {
  lonala::session_reset(machine.vm);
  lonala::Scratch<u32> units(machine.vm);
  return lonala::module_check(machine.vm, base::bytes_of(module), nullptr, units, fault);
}

/// Loads and runs it; whatever it does, the machine goes on.
void try_out(Machine& machine, const std::string& module) {
  machine.ports.memory.contents["/m.lom"] = module;
  std::string early;
  for (const char* const form :
       {"(load-file \"/m.lom\")", "(m/run)", "(do (m/clauses 1 2 3) (m/by-name :z))", "(map m/maps [1 nil %{}])"}) {
    machine.ports.turns_left = 4;
    early.clear();
    machine.run(form, early);
  }
}

}  // namespace

TEST_CASE("a module has the same bytes whatever machine makes it", "[vm][lonala][modules]") {
  Machine small({}, u64{16} << 20);
  Machine large({}, u64{512} << 20);
  std::string early;
  large.run("(def unrelated '[names of-other things])", early);
  CHECK((compiled(small) == compiled(large)));
}

TEST_CASE("a module that lost its end or some bits is refused", "[vm][lonala][modules]") {
  Machine machine({}, kMemory);
  const std::string module = compiled(machine);
  base::Prng prng{1, "test.lonala-module"};
  for (u32 round = 0; round < 400; ++round) {
    lonala::ModuleFault fault;
    std::string changed = module;
    if (round % 2 == 0) {
      changed.resize(prng.below(module.size()));
    } else {
      char& byte = changed[prng.below(module.size())];
      byte = static_cast<char>(byte ^ 1 << prng.below(8));
    }
    CAPTURE(round, changed.size());
    const lonala::ModuleUse use = use_of(machine, changed, fault);
    REQUIRE((use == lonala::ModuleUse::Refused || use == lonala::ModuleUse::OtherVersion));
    if (use == lonala::ModuleUse::Refused) REQUIRE((fault.why != nullptr && fault.offset <= changed.size()));
  }
}

namespace {

struct Verdicts {
  u32 accepted = 0;
  u32 refused = 0;
};

/// Some bytes behind the header become others.
std::string damaged(const std::string& module, base::Prng& prng) {
  constexpr u64 kFrom = lonala::module::kUnitCountAt;
  std::string changed = module;
  for (u64 changes = 1 + prng.below(3); changes > 0; --changes) {
    char& byte = changed[kFrom + prng.below(changed.size() - kFrom)];
    switch (prng.below(4)) {
      case 0: byte = static_cast<char>(byte ^ 1 << prng.below(8)); break;
      case 1: byte = static_cast<char>(prng.below(256)); break;
      case 2: byte = changed[kFrom + prng.below(changed.size() - kFrom)]; break;
      default: byte = static_cast<char>(byte + static_cast<int>(prng.below(3)) - 1); break;
    }
  }
  if (prng.below(10) == 0) {
    changed.resize(lonala::module::kUnitsAt + prng.below(changed.size() - lonala::module::kUnitsAt));
    base::store_le64(reinterpret_cast<u8*>(changed.data()) + lonala::module::kSizeAt, changed.size());
  }
  seal(changed);
  return changed;
}

void fuzz(u64 seed, u32 rounds, Verdicts& verdicts) {
  Machine machine({}, kMemory);
  const std::string module = compiled(machine);
  base::Prng prng{seed, "test.lonala-module"};
  for (u32 round = 0; round < rounds; ++round) {
    CAPTURE(seed, round);
    const std::string changed = damaged(module, prng);
    lonala::ModuleFault fault;
    if (use_of(machine, changed, fault) == lonala::ModuleUse::Fits) {
      verdicts.accepted += 1;
      try_out(machine, changed);
      continue;
    }
    verdicts.refused += 1;
    REQUIRE((fault.why != nullptr && fault.offset <= changed.size()));
  }
}

}  // namespace

TEST_CASE("a module that was changed and sealed again is refused, or does no harm", "[vm][lonala][modules][fuzz]") {
  Verdicts verdicts;
  for (u64 seed = 0; seed < 12; ++seed) fuzz(seed, 60, verdicts);
  CHECK(verdicts.accepted > 100);
  CHECK(verdicts.refused > 200);
}

TEST_CASE("modules that were changed do no harm for long", "[.soak-modules]") {
  Verdicts verdicts;
  for (u64 seed = 100; seed < 600; ++seed) fuzz(seed, 100, verdicts);
  CHECK(verdicts.accepted > verdicts.refused / 20);
}
