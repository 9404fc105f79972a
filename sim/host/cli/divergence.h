// sim/host/cli/divergence.h — naming the first different event of two runs, and what probably caused it.
#pragma once
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/events.h"

namespace sim::host::cli {

/// What one variant's ring held when the roots parted.
struct Evidence {
  std::string name;
  std::string shown;
  u64 oldest = 0;  // sequence of the first event
  std::vector<base::Event> events;
  std::vector<base::Digest> leaves;  // (node, lane), as of the last epoch closed
  std::string breach;                // a forbidden call that was made; empty: none
};

struct ExplainOptions {
  u32 context = 1;     // events shown before and after
  bool alone = false;  // no other variant differs from the reference
};

/// The report: last common event, first difference, which operand, lanes, likely cause.
std::string explain(const std::string& title, const Evidence& left, const Evidence& right,
                    const ExplainOptions& options);

}  // namespace sim::host::cli
