// sim/host/campaign/pool.cpp — see pool.h.
#include "sim/host/campaign/pool.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "sim/host/campaign/report_bytes.h"
#include "sim/host/campaign/wire.h"
#include "sim/host/machine.h"

namespace sim::host::campaign {
namespace {

constexpr u64 kJobsPerWorker = 2;

}  // namespace

Pool::Pool(std::vector<Case*> cases, u32 workers, const HostLimits& limits)
    : cases_(std::move(cases)), limits_(limits), workers_(workers) {
  for (Worker& worker : workers_) start(worker);
}

Pool::~Pool() {
  for (Worker& worker : workers_) {
    if (worker.process <= 0) continue;
    kill(worker.process, SIGKILL);
    while (waitpid(worker.process, nullptr, 0) < 0 && errno == EINTR) continue;
    close(worker.socket);
  }
}

void Pool::start(Worker& worker) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    std::fprintf(stderr, "orrery: no socket for a worker: %s\n", std::strerror(errno));
    _exit(kOwnFailure);
  }
  std::fflush(nullptr);  // what is buffered is written once, not by each fork again
  const pid_t parent = getpid();
  const pid_t process = fork();
  if (process < 0) {
    std::fprintf(stderr, "orrery: no process for a worker: %s\n", std::strerror(errno));
    _exit(kOwnFailure);
  }
  if (process == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(kOwnFailure);
    close(ends[0]);
    for (const Worker& other : workers_) {
      if (other.socket >= 0) close(other.socket);
    }
    work(ends[1]);
  }
  close(ends[1]);
  worker.process = process;
  worker.socket = ends[0];
  worker.received.clear();
}

void Pool::work(int socket) {
  // Ctrl-C reaches the whole group; what has been started is the first process's to end.
  signal(SIGINT, SIG_IGN);
  signal(SIGTERM, SIG_DFL);
  Isolation isolation;
  std::string received;
  std::string message;
  for (;;) {
    while (!take_message(received, message)) {
      if (!read_some(socket, received)) _exit(kHeld);
    }
    u32 which = 0;
    if (message.size() < sizeof which) _exit(kOwnFailure);
    std::memcpy(&which, message.data(), sizeof which);
    const std::optional<RunSetup> setup = setup_of(std::string_view(message).substr(sizeof which));
    if (!setup || which >= cases_.size()) _exit(kOwnFailure);
    const Isolated run = isolation.run(*cases_[which], *setup, limits_);
    std::string answer(reinterpret_cast<const char*>(&run.wall_us), sizeof run.wall_us);
    answer += bytes_of(run.report);
    if (!send_message(socket, answer)) _exit(kHeld);
  }
}

bool Pool::send(const Worker& worker, const Job& job) {
  std::string message(reinterpret_cast<const char*>(&job.which), sizeof job.which);
  message += bytes_of(job.setup);
  return send_message(worker.socket, message);
}

bool Pool::has_room() const {
  return std::any_of(workers_.begin(), workers_.end(),
                     [](const Worker& worker) { return worker.jobs.size() < kJobsPerWorker; });
}

void Pool::give(Job job) {
  Worker& idlest = *std::min_element(workers_.begin(), workers_.end(), [](const Worker& left, const Worker& right) {
    return left.jobs.size() < right.jobs.size();
  });
  send(idlest, job);  // a worker that is gone is noticed by `wait`
  idlest.jobs.push_back(std::move(job));
}

u64 Pool::pending() const {
  u64 count = 0;
  for (const Worker& worker : workers_) count += worker.jobs.size();
  return count;
}

/// The next answer among what a worker has sent.
std::optional<Done> Pool::answer_of(Worker& worker) {
  std::string message;
  if (worker.jobs.empty() || !take_message(worker.received, message)) return {};
  Done done{std::move(worker.jobs.front()), {}, 0};
  worker.jobs.pop_front();
  std::memcpy(&done.wall_us, message.data(), sizeof done.wall_us);
  std::optional<RunReport> report = report_of(std::string_view(message).substr(sizeof done.wall_us));
  done.report = report ? std::move(*report) : report_of_death(0, "internal error: no report at \n");
  return done;
}

/// A worker that died itself (the host was out of memory, or somebody killed it): its run is told as a crash, the others
/// go to a new worker.
Done Pool::bury(Worker& worker) {
  int status = 0;
  kill(worker.process, SIGKILL);
  while (waitpid(worker.process, &status, 0) < 0 && errno == EINTR) continue;
  close(worker.socket);
  worker.socket = -1;
  Done done{std::move(worker.jobs.front()), report_of_death(status, ""), 0};
  worker.jobs.pop_front();
  start(worker);
  for (const Job& job : worker.jobs) send(worker, job);
  return done;
}

std::optional<Done> Pool::wait(int timeout_ms) {
  for (Worker& worker : workers_) {
    if (std::optional<Done> done = answer_of(worker)) return done;
  }
  std::vector<pollfd> ready;
  for (const Worker& worker : workers_) ready.push_back({worker.socket, POLLIN, 0});
  if (poll(ready.data(), ready.size(), timeout_ms) <= 0) return {};
  for (u64 i = 0; i < ready.size(); ++i) {
    if (ready[i].revents == 0) continue;
    Worker& worker = workers_[i];
    if (!read_some(worker.socket, worker.received)) {
      if (!worker.jobs.empty()) return bury(worker);
      kill(worker.process, SIGKILL);
      while (waitpid(worker.process, nullptr, 0) < 0 && errno == EINTR) continue;
      close(worker.socket);
      worker.socket = -1;
      start(worker);
      continue;
    }
    if (std::optional<Done> done = answer_of(worker)) return done;
  }
  return {};
}

}  // namespace sim::host::campaign
