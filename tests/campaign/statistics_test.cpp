// The estimates of a campaign against urns whose contents are known.
#include <catch2/catch.hpp>

#include <cmath>
#include <vector>

#include "base/prng.h"
#include "sim/host/campaign/statistics.h"

using namespace sim::host::campaign;

namespace {

/// An urn: chances of kinds, the rest of 1 is "nothing".
using Urn = std::vector<double>;

struct Sample {
  std::vector<u64> counts;
  Seen seen;
  double missing = 0;  // chance of the kinds that did not come up
};

u64 draw(const Urn& urn, base::Prng& prng) {
  double at = static_cast<double>(prng.next() >> 11) / static_cast<double>(u64{1} << 53);
  for (u64 kind = 0; kind < urn.size(); ++kind) {
    if (at < urn[kind]) return kind;
    at -= urn[kind];
  }
  return urn.size();
}

Sample sample(const Urn& urn, u64 runs, base::Prng& prng) {
  Sample made;
  made.counts.resize(urn.size() + 1);
  for (u64 i = 0; i < runs; ++i) made.counts[draw(urn, prng)] += 1;
  made.seen.runs = runs;
  for (u64 kind = 0; kind < urn.size(); ++kind) {
    if (made.counts[kind] > 0) made.seen.add(made.counts[kind]);
    if (made.counts[kind] == 0) made.missing += urn[kind];
  }
  return made;
}

const std::vector<Urn> kUrns = {
    Urn(50, 0.002),                                      // rare and alike
    {0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 5e-4},  // each half of the one before
    [] {
      Urn urn(200, 0.0005);
      urn.push_back(0.3);
      return urn;
    }(),
};

}  // namespace

TEST_CASE("the chance of something new is what the urn says", "[campaign][statistics][simulation.T69]") {
  for (u64 which = 0; which < kUrns.size(); ++which) {
    CAPTURE(which);
    base::Prng prng(which, "test.urn", 0);
    double estimated = 0;
    double real = 0;
    for (u32 round = 0; round < 300; ++round) {
      const Sample made = sample(kUrns[which], 1200, prng);
      estimated += chance_of_new(made.seen);
      real += made.missing;
    }
    CHECK(estimated == Approx(real).epsilon(0.1));
  }
}

TEST_CASE("as many new kinds come as were expected, or more where kinds differ much",
          "[campaign][statistics][simulation.T69]") {
  for (u64 which = 0; which < kUrns.size(); ++which) {
    CAPTURE(which);
    const Urn& urn = kUrns[which];
    base::Prng prng(which, "test.urn", 1);
    double expected = 0;
    double came = 0;
    double unseen = 0;
    double really_unseen = 0;
    for (u32 round = 0; round < 200; ++round) {
      const Sample made = sample(urn, 1200, prng);
      expected += expected_new(made.seen, 1200);
      unseen += unseen_kinds(made.seen);
      const Sample more = sample(urn, 1200, prng);
      for (u64 kind = 0; kind < urn.size(); ++kind) {
        came += made.counts[kind] == 0 && more.counts[kind] > 0 ? 1 : 0;
        really_unseen += made.counts[kind] == 0 ? 1 : 0;
      }
    }
    CHECK(expected < came * 1.25);
    const bool is_alike = which != 1;
    if (is_alike) CHECK(expected > came * 0.75);
    CHECK(unseen < really_unseen * 1.3);  // Chao's is a lower bound but for chance
  }
}

TEST_CASE("no failure in n runs bounds the rate in nineteen cases of twenty",
          "[campaign][statistics][simulation.T69]") {
  constexpr u64 kRuns = 300;
  base::Prng prng(1, "test.urn", 2);
  const Urn urn = {failure_bound(kRuns)};  // fails as often as it may just be
  u32 wrong = 0;
  constexpr u32 kRounds = 2000;
  for (u32 round = 0; round < kRounds; ++round) wrong += sample(urn, kRuns, prng).seen.kinds == 0 ? 1 : 0;
  CHECK(wrong < kRounds * 7 / 100);
  CHECK(wrong > kRounds * 3 / 100);  // and the bound is no larger than it must be
  CHECK(failure_bound(0) == 1.0);
  CHECK(failure_bound(3) == 1.0);
}

TEST_CASE("kinds of which a run shows many are counted, not said as a chance", "[campaign][statistics]") {
  const Seen seen{.runs = 10, .kinds = 60, .once = 25, .twice = 5, .has_many_a_run = true};
  const std::vector<std::string> statements = statements_about(seen, 0, "behaviour");
  REQUIRE(statements.size() == 2);
  CHECK(statements[0].starts_with("The next seed shows about 2.5 new kinds of behaviour: 25 of 60 kinds were seen"));
}

TEST_CASE("figures are said in sentences that hold where there is little to say", "[campaign][statistics]") {
  CHECK(statements_about({}, 0, "failure").empty());
  const auto none = statements_about({.runs = 1000}, 0, "failure");
  REQUIRE(none.size() == 1);
  CHECK(none[0] ==
        "No failure in 1 000 uniform runs: fewer than 0.30 % of seeds fail, with 95 % confidence, if these seeds "
        "are like all others.");
  const auto seen = statements_about({.runs = 100, .kinds = 5, .once = 2, .twice = 1}, 9, "failure");
  REQUIRE(seen.size() == 3);
  CHECK(seen[1].find("about 2.00 %: 2 of 5 kinds") != std::string::npos);
  const auto settled = statements_about({.runs = 100, .kinds = 2}, 50, "failure");
  REQUIRE(settled.size() == 2);
  CHECK(settled[1].find("about 0.00 %") != std::string::npos);
}
