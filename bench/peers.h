// bench/peers.h — what the figures are compared with: the same deed done by the host, or its cheapest possible form.
#pragma once
#include <string>
#include <vector>

#include "base/types.h"

namespace bench {

/// Two jumps of Boost.Context's fcontext: there and back. ns a pair. What any exchange between two fibers costs at least.
double fcontext_pair_ns(u64 rounds);
/// Two swapcontext calls, which save the signal mask. ns a pair.
double swapcontext_pair_ns(u64 rounds);
/// A word handed to another process and back by futexes in shared memory. ns a round trip.
double futex_round_trip_ns(u64 rounds);
/// A byte through one pipe to another process and back through a second. ns a round trip.
double pipe_round_trip_ns(u64 rounds);
/// posix_spawn and waitpid of /bin/true. ns each.
double posix_spawn_ns(u64 rounds);

/// Runs a program with `input` as its standard input, its output thrown away. Processor time of it and
/// of what it waited for, ns; -1 when it cannot be started or does not exit with 0.
double run_command_used_ns(const std::vector<std::string>& words, const std::string& input);

/// A command of this build: it lies beside the benchmark.
std::string command_path(const std::string& name);

/// A file of the host that goes with its owner.
class HostFile {
 public:
  HostFile(const std::string& suffix, const std::string& text);
  ~HostFile();
  HostFile(const HostFile&) = delete;
  HostFile& operator=(const HostFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// Runs `measure` in a child process and returns its figure, so that memory it leaves behind disturbs no other.
double in_child(double (*measure)(u64 argument), u64 argument);
/// Resident memory of this process, in MiB.
double resident_mib();

}  // namespace bench
