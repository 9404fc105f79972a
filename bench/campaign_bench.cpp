// bench/campaign_bench.cpp — runs a second of a campaign: boot, a script, its checks, in a process of its own each, with one
// worker and with two. Other processes do the work, so the clock is the wall's.
#include <climits>
#include <cstdio>
#include <fstream>

#include <unistd.h>

#include "bench/bench.h"
#include "bench/peers.h"

namespace bench {
namespace {

std::string orrery_path() {
  char path[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof path);
  const std::string self(path, length < 0 ? 0 : static_cast<std::size_t>(length));
  return self.substr(0, self.rfind('/') + 1) + "orrery";
}

/// A script in a file that goes with the group.
class ScriptFile {
 public:
  explicit ScriptFile(const std::string& text) : path_("/tmp/orrery-bench-" + std::to_string(getpid()) + ".fsh") {
    std::ofstream(path_) << text;
  }
  ~ScriptFile() { std::remove(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

double runs_per_second(const std::string& script, u64 seeds, u32 jobs) {
  const double start = now_ns();
  const double used =
      run_command_used_ns({orrery_path(), "campaign", script, "--seeds", "2.." + std::to_string(seeds + 1), "--jobs",
                           std::to_string(jobs), "--sched", "fair", "-q"},
                          "");
  return used < 0 ? -1 : static_cast<double>(seeds) * 1e9 / (now_ns() - start);
}

}  // namespace

void campaign_group(Session& session) {
  if (!session.group("campaign")) return;
  const ScriptFile script("i=0\nwhile [ $i -lt 200 ]; do true; i=$((i+1)); done\n[ $i -eq 200 ] || exit 1\n");
  const u64 seeds = session.scaled(60, 2);
  if (runs_per_second(script.path(), 1, 1) < 0) {
    std::fprintf(stderr, "campaign: left out, %s campaign does not run\n", orrery_path().c_str());
    return;
  }
  session.measure({.name = "boot and 200 commands, two workers",
                   .unit = "runs/s",
                   .run = [&] { return runs_per_second(script.path(), seeds, 2); },
                   .better = Better::Higher,
                   .bar = 200},
                  {{"one worker", [&] { return runs_per_second(script.path(), seeds, 1); }, 1.8}});
}

}  // namespace bench
