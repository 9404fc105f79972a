// sim/host/campaign/statistics.cpp — see statistics.h.
#include "sim/host/campaign/statistics.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "sim/host/campaign/summary.h"

namespace sim::host::campaign {
namespace {

std::string percent(double share) {
  char text[32];
  std::snprintf(text, sizeof text, share > 0 && share < 0.001 ? "%.2g %%" : "%.2f %%", share * 100);
  return text;
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, value < 10 ? "%.1f" : "%.0f", value);
  return text;
}

}  // namespace

double chance_of_new(const Seen& seen) {
  return seen.runs == 0 ? 1.0 : static_cast<double>(seen.once) / static_cast<double>(seen.runs);
}

double unseen_kinds(const Seen& seen) {
  const double once = static_cast<double>(seen.once);
  if (seen.twice > 0) return once * once / (2.0 * static_cast<double>(seen.twice));
  return seen.once == 0 ? 0.0 : once * (once - 1.0) / 2.0;
}

double expected_new(const Seen& seen, u64 more) {
  const double unseen = unseen_kinds(seen);
  const double once = static_cast<double>(seen.once);
  if (unseen <= 0 || seen.runs == 0) return 0;
  const double share = once / (static_cast<double>(seen.runs) * unseen + once);
  return unseen * (1.0 - std::pow(1.0 - share, static_cast<double>(more)));
}

double failure_bound(u64 runs) { return runs <= 3 ? 1.0 : 3.0 / static_cast<double>(runs); }

std::vector<std::string> statements_about(const Seen& seen, u64 failures, const std::string& kind) {
  std::vector<std::string> statements;
  if (seen.runs == 0) return statements;
  const std::string runs = grouped(seen.runs) + " uniform runs";
  if (failures == 0 && seen.kinds == 0) {
    statements.push_back("No " + kind + " in " + runs + ": fewer than " + percent(failure_bound(seen.runs)) +
                         " of seeds fail, with 95 % confidence, if these seeds are like all others.");
    return statements;
  }
  if (failures > 0) {
    const double share = static_cast<double>(failures) / static_cast<double>(seen.runs);
    const double error = 1.96 * std::sqrt(share * (1.0 - share) / static_cast<double>(seen.runs));
    statements.push_back(percent(share) + " of seeds fail, give or take " + percent(error) + " (95 % confidence, " +
                         runs + ", normal approximation).");
  }
  const std::string next =
      seen.has_many_a_run
          ? "The next seed shows about " + number(chance_of_new(seen)) + " new kinds of " + kind
          : "The next seed shows a new kind of " + kind + " with a chance of about " + percent(chance_of_new(seen));
  statements.push_back(next + ": " + grouped(seen.once) + " of " + grouped(seen.kinds) +
                       " kinds were seen in one run only (Good–Turing; seeds are independent).");
  if (seen.once == 0) return statements;  // nothing to estimate from: all kinds came up again and again
  const u64 more = std::max<u64>(seen.runs, 1000);
  statements.push_back(grouped(more) + " more runs should show about " + number(expected_new(seen, more)) +
                       " new kinds of " + kind + "; some " + number(unseen_kinds(seen)) +
                       " or more were not seen yet (Chao; kinds do not depend on each other).");
  return statements;
}

}  // namespace sim::host::campaign
