// sim/host/campaign/refuse.h — campaigns that would say nothing, or never end, are refused before their first run.
#pragma once
#include <string>

#include "sim/host/case.h"

namespace sim::host::campaign {

/// What of a build decides whether its runs say anything.
struct BuildTraits {
  bool has_assertions = true;
  bool is_optimised = true;
};
BuildTraits traits_of_this_build();

constexpr u64 kRunsUnoptimised = 1000;  // more of a build at -O0 only with --slow

/// Empty, or why `runs` runs of such a build are refused.
std::string refusal(const BuildTraits& build, u64 runs, bool may_be_slow);

/// Empty, or why a campaign is: its case declares what must always be true, and a run under the model's own schedule
/// reached none of it. The system's own properties do not count.
std::string refusal(const RunReport& fair_pilot);

}  // namespace sim::host::campaign
