// sim/host/campaign/pool.h — worker processes that make runs. Each worker is a fork of this process from before anything
// large was opened, and forks again for each run, so nothing a run does reaches the next one.
//
// Invariants  P1 every job given is answered once, whatever becomes of its run or its worker.
//             P2 a worker ends when this process does: its socket is closed.
#pragma once
#include <sys/types.h>

#include <deque>
#include <optional>
#include <vector>

#include "sim/host/campaign/isolate.h"

namespace sim::host::campaign {

struct Job {
  u64 number = 0;  // the caller's
  u32 which = 0;   // index of its case
  RunSetup setup;
};

struct Done {
  Job job;
  RunReport report;
  u64 wall_us = 0;
};

class Pool {
 public:
  /// `cases` outlive the pool. Made before databases are opened.
  Pool(std::vector<Case*> cases, u32 workers, const HostLimits& limits);
  /// Ends the workers and what they run.
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  /// Whether a worker wants another job. Each has one that waits beside the one that runs, so that none is idle.
  bool has_room() const;
  void give(Job job);
  /// Jobs without an answer.
  u64 pending() const;
  /// Waits for an answer; nothing when `timeout_ms` passed or a signal came.
  std::optional<Done> wait(int timeout_ms);

 private:
  struct Worker {
    pid_t process = -1;
    int socket = -1;
    std::deque<Job> jobs;  // the first one runs
    std::string received;
  };
  void start(Worker& worker);
  [[noreturn]] void work(int socket);
  static bool send(const Worker& worker, const Job& job);
  std::optional<Done> answer_of(Worker& worker);
  Done bury(Worker& worker);

  std::vector<Case*> cases_;
  HostLimits limits_;
  std::vector<Worker> workers_;
};

}  // namespace sim::host::campaign
