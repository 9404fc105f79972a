// sim/host/campaign/refuse.cpp — see refuse.h.
#include "sim/host/campaign/refuse.h"

#include <algorithm>

#include "base/assert.h"
#include "base/check.h"
#include "sim/host/campaign/results.h"

namespace sim::host::campaign {
namespace {

bool is_of_the_system(const std::string& property) {
  return std::any_of(std::begin(base::kProperties), std::end(base::kProperties),
                     [&](const base::Property& known) { return known.name == property; });
}

}  // namespace

BuildTraits traits_of_this_build() {
  BuildTraits build;
  build.has_assertions = false;
  ASSERT((build.has_assertions = true));  // what is compiled out is not evaluated
#ifndef __OPTIMIZE__
  build.is_optimised = false;
#endif
  return build;
}

std::string refusal(const BuildTraits& build, u64 runs, bool may_be_slow) {
  if (!build.has_assertions) return "this build has no assertions: what they guard would be broken unseen";
  if (!build.is_optimised && runs > kRunsUnoptimised && !may_be_slow) {
    return std::to_string(runs) + " runs of a build without optimisation, which takes many times as long; more than " +
           std::to_string(kRunsUnoptimised) + " only with --slow";
  }
  return {};
}

std::string refusal(const RunReport& fair_pilot) {
  if (is_failure(fair_pilot.verdict)) return {};  // it ended early, and the campaign will say why
  std::string names;
  for (const Hit& hit : fair_pilot.hits) {
    if (hit.form != "always" || is_of_the_system(hit.name)) continue;
    if (hit.count > 0) return {};
    names += (names.empty() ? "" : ", ") + hit.name;
  }
  if (names.empty()) return {};
  return "none of its `always` is reached in a run under the usual schedule: " + names +
         ". What is never looked at cannot fail: see its pattern, and what has to happen before it";
}

}  // namespace sim::host::campaign
