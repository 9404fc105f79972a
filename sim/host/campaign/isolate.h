// sim/host/campaign/isolate.h — one run in a process of its own: whatever becomes of it (an assertion of the simulator, a
// crash, a silent loop, memory without end), what comes back is a report.
#pragma once
#include <sys/types.h>

#include <map>
#include <optional>

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

/// Makes runs in forks of this process, which should be small and without threads. A run that broke an invariant between
/// two looks is made once more, so that its finding is filed under the first bad event and not under what ran at the look.
/// Runs that begin alike (Case::boot_key) are forks of a process that made this beginning once and waits for them.
class Isolation {
 public:
  Isolation();
  ~Isolation();
  Isolation(const Isolation&) = delete;
  Isolation& operator=(const Isolation&) = delete;

  Isolated run(Case& which, const RunSetup& setup, const HostLimits& limits);

 private:
  struct Booted {
    pid_t process = -1;  // −1: its beginning came to an end, so each run makes it itself and tells
    int socket = -1;
    std::string received;
  };
  Isolated run_once(Case& which, const RunSetup& setup, const HostLimits& limits);
  Isolated run_alone(Case& which, const RunSetup& setup, const HostLimits& limits);
  std::optional<Isolated> run_booted(Booted& booted, const RunSetup& setup, const HostLimits& limits);
  void boot(Booted& booted, Case& which, const RunSetup& setup, const HostLimits& limits);
  [[noreturn]] void serve(int socket, Case& which, const RunSetup& setup, const HostLimits& limits);
  void end_all();

  std::map<std::pair<Case*, std::string>, Booted> booted_;
  int words_ = -1;  // what the run says on stderr: a file without a name
};

/// What became of a run whose process ended without a report: by its exit code or signal and by its last words.
RunReport report_of_death(int wait_status, const std::string& last_words);

}  // namespace sim::host::campaign
