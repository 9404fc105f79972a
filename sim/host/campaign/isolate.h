// sim/host/campaign/isolate.h — one run in a process of its own: whatever becomes of it (an assertion of the simulator, a
// crash, a silent loop, memory without end), what comes back is a report.
#pragma once
#include <sys/types.h>

#include "sim/host/case.h"

namespace sim::host::campaign {

/// What a run may take of the host. Reaching one ends it without a verdict: Limit.
struct HostLimits {
  u64 wall_ms = 120'000;
  u64 memory_bytes = 0;  // resident; 0: no limit
};

struct Isolated {
  RunReport report;
  u64 wall_us = 0;
};

/// Makes runs in forks of this process, which should be small and without threads.
class Isolation {
 public:
  Isolation();
  ~Isolation();
  Isolation(const Isolation&) = delete;
  Isolation& operator=(const Isolation&) = delete;

  Isolated run(Case& which, const RunSetup& setup, const HostLimits& limits);

 private:
  int words_ = -1;  // what the run says on stderr: a file without a name
};

/// What became of a run whose process ended without a report: by its exit code or signal and by its last words.
RunReport report_of_death(int wait_status, const std::string& last_words);

}  // namespace sim::host::campaign
