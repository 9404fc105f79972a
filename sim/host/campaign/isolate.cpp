// sim/host/campaign/isolate.cpp — see isolate.h.
#include "sim/host/campaign/isolate.h"

#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "sim/host/campaign/report_bytes.h"
#include "sim/host/campaign/wire.h"
#include "sim/host/excuse.h"
#include "sim/host/judge/judge.h"
#include "sim/host/machine.h"
#include "sim/host/watch.h"

namespace sim::host::campaign {
namespace {

constexpr int kTickMs = 100;  // between two looks at a run's memory and time
constexpr u64 kLastWordsMax = 16 << 10;
constexpr u64 kBootedMax = 32;  // processes that wait

u64 resident_bytes(pid_t process) {
  const std::string path = "/proc/" + std::to_string(process) + "/statm";
  std::FILE* file = std::fopen(path.c_str(), "r");
  if (file == nullptr) return 0;
  unsigned long long all = 0;
  unsigned long long resident = 0;
  const int count = std::fscanf(file, "%llu %llu", &all, &resident);
  std::fclose(file);
  return count == 2 ? resident * static_cast<u64>(sysconf(_SC_PAGESIZE)) : 0;
}

/// The text between `before` and `after`, in the first line that has both.
std::string between(const std::string& text, std::string_view before, std::string_view after) {
  const auto start = text.find(before);
  if (start == std::string::npos) return {};
  const auto from = start + before.size();
  const auto end = text.find(after, from);
  return end == std::string::npos ? std::string() : text.substr(from, end - from);
}

u64 number_after(const std::string& text, std::string_view before) {
  const auto at = text.find(before);
  return at == std::string::npos ? 0 : std::strtoull(text.c_str() + at + before.size(), nullptr, 10);
}

[[noreturn]] void run_child(Case& which, const RunSetup& setup, int to, int words) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  dup2(words, STDERR_FILENO);
  large_pages() = true;
  RunReport report = which.run(setup);
  look_for_excuse(which, setup, report);
  const std::string bytes = bytes_of(report);
  _exit(write_all(to, bytes) ? kHeld : kOwnFailure);
}

RunReport over_limit(const std::string& what) {
  RunReport report;
  report.verdict = Verdict::Limit;
  report.finding = Finding{.property = what, .kind = "limit", .details = "the run was ended: " + what};
  return report;
}

}  // namespace

RunReport report_of_death(int wait_status, const std::string& last_words) {
  RunReport report;
  Finding finding;
  finding.details = last_words.substr(0, last_words.find('\n'));
  finding.moment = number_after(last_words, "last event #");
  report.events = finding.moment;
  // "last event #991 at 5 ns"
  const auto event = last_words.find("last event #");
  if (event != std::string::npos) finding.time_ns = number_after(last_words.substr(event), " at ");
  report.virtual_ns = finding.time_ns;
  const int code = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : -1;
  if (code == kWatchdog) {
    report.verdict = Verdict::Silent;
    finding.property = "a thread neither charges nor traps";
    finding.kind = "silent";
    finding.role = role_of(between(last_words, "watchdog: thread ", " ("));
  } else {
    report.verdict = Verdict::Broken;
    finding.kind = "assert";
    // "orrery: assertion failed: EXPRESSION (FILE:LINE)": the line is a number, and no part of what it is called.
    finding.property = between(last_words, "assertion failed: ", "\n");
    if (const auto place = finding.property.rfind(" ("); place != std::string::npos) finding.property.resize(place);
    if (finding.property.empty()) {
      finding.kind = "crash";
      finding.property =
          WIFSIGNALED(wait_status) ? strsignal(WTERMSIG(wait_status)) : between(last_words, "internal error: ", " at ");
    }
    if (finding.property.empty()) finding.property = "ended with code " + std::to_string(code);
  }
  report.finding = std::move(finding);
  return report;
}

Isolation::Isolation() : words_(memfd_create("last words", MFD_CLOEXEC)) {}

Isolation::~Isolation() {
  end_all();
  if (words_ >= 0) close(words_);
}

void Isolation::end_all() {
  for (auto& [key, booted] : booted_) {
    if (booted.process <= 0) continue;
    kill(booted.process, SIGKILL);
    while (waitpid(booted.process, nullptr, 0) < 0 && errno == EINTR) continue;
    close(booted.socket);
  }
  booted_.clear();
}

/// The process that waits: makes the beginning, then one run for each setup that it reads.
void Isolation::serve(int socket, Case& which, const RunSetup& setup, const HostLimits& limits) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (const auto& [key, other] : booted_) {
    if (other.socket >= 0) close(other.socket);
  }
  booted_.clear();
  dup2(words_, STDERR_FILENO);
  large_pages() = true;
  which.boot(setup);
  std::string received;
  std::string message;
  for (;;) {
    while (!take_message(received, message)) {
      if (!read_some(socket, received)) _exit(kHeld);
    }
    const std::optional<RunSetup> wanted = setup_of(message);
    if (!wanted) _exit(kOwnFailure);
    const Isolated run = run_alone(which, *wanted, limits);
    std::string answer(reinterpret_cast<const char*>(&run.wall_us), sizeof run.wall_us);
    answer += bytes_of(run.report);
    if (!send_message(socket, answer)) _exit(kHeld);
  }
}

void Isolation::boot(Booted& booted, Case& which, const RunSetup& setup, const HostLimits& limits) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return;
  booted.process = fork();
  if (booted.process == 0) {
    close(ends[0]);
    serve(ends[1], which, setup, limits);
  }
  close(ends[1]);
  booted.socket = ends[0];
  if (booted.process < 0) close(booted.socket);
}

/// Nothing when the process that waits is no more: it died of its beginning, or does not come to an end with it.
std::optional<Isolated> Isolation::run_booted(Booted& booted, const RunSetup& setup, const HostLimits& limits) {
  if (booted.process <= 0) return {};
  const u64 latest = now_us() + 2 * limits.wall_ms * 1000;  // the beginning, and the run, which is ended by then
  std::string message;
  bool lives = send_message(booted.socket, bytes_of(setup));
  while (lives && !take_message(booted.received, message)) {
    pollfd ready{booted.socket, POLLIN, 0};
    if (poll(&ready, 1, kTickMs) > 0) {
      lives = read_some(booted.socket, booted.received);
    } else {
      lives = now_us() < latest;
    }
  }
  Isolated result;
  if (lives && message.size() > sizeof result.wall_us) {
    std::memcpy(&result.wall_us, message.data(), sizeof result.wall_us);
    if (std::optional<RunReport> report = report_of(std::string_view(message).substr(sizeof result.wall_us))) {
      result.report = std::move(*report);
      return result;
    }
  }
  kill(booted.process, SIGKILL);
  while (waitpid(booted.process, nullptr, 0) < 0 && errno == EINTR) continue;
  close(booted.socket);
  booted = {};
  return {};
}

Isolated Isolation::run(Case& which, const RunSetup& setup, const HostLimits& limits) {
  Isolated result = run_once(which, setup, limits);
  if (std::optional<RunSetup> dense = judge::exact_setup(setup, result.report)) {
    dense->keep_lists = false;
    dense->keep_features = false;
    const Isolated exact = run_alone(which, *dense, limits);
    judge::take_exact(exact.report, result.report);
    result.wall_us += exact.wall_us;
  }
  if (result.report.finding && is_blind(setup)) label_blind(*result.report.finding);  // also of a run that died
  return result;
}

Isolated Isolation::run_once(Case& which, const RunSetup& setup, const HostLimits& limits) {
  const std::string key = which.boot_key(setup);
  if (key.empty()) return run_alone(which, setup, limits);
  if (booted_.size() == kBootedMax && !booted_.contains({&which, key})) end_all();
  const auto [at, is_new] = booted_.try_emplace({&which, key});
  if (is_new) boot(at->second, which, setup, limits);
  std::optional<Isolated> result = run_booted(at->second, setup, limits);
  return result ? std::move(*result) : run_alone(which, setup, limits);
}

Isolated Isolation::run_alone(Case& which, const RunSetup& setup, const HostLimits& limits) {
  Isolated result;
  const u64 start = now_us();
  int ends[2];
  if (ftruncate(words_, 0) != 0 || lseek(words_, 0, SEEK_SET) != 0 || pipe(ends) != 0) {
    result.report = report_of_death(0, std::string("internal error: no pipe: ") + std::strerror(errno) + " at \n");
    return result;
  }
  const pid_t process = fork();
  if (process == 0) {
    close(ends[0]);
    run_child(which, setup, ends[1], words_);
  }
  close(ends[1]);
  std::string bytes;
  std::string exceeded;
  while (process > 0) {
    pollfd ready{ends[0], POLLIN, 0};
    const int count = poll(&ready, 1, kTickMs);
    if (count > 0) {
      if (!read_some(ends[0], bytes)) break;
      continue;
    }
    if (now_us() - start > limits.wall_ms * 1000) {
      exceeded = "more than " + std::to_string(limits.wall_ms) + " ms of the host's time";
    } else if (limits.memory_bytes != 0 && resident_bytes(process) > limits.memory_bytes) {
      exceeded = "more than " + std::to_string(limits.memory_bytes) + " bytes of memory";
    }
    if (!exceeded.empty()) {
      kill(process, SIGKILL);
      break;
    }
  }
  close(ends[0]);
  int status = 0;
  if (process > 0) {
    while (waitpid(process, &status, 0) < 0 && errno == EINTR) continue;
  }
  result.wall_us = now_us() - start;
  if (!exceeded.empty()) {
    result.report = over_limit(exceeded);
    return result;
  }
  if (std::optional<RunReport> report = report_of(bytes)) {
    result.report = std::move(*report);
    return result;
  }
  std::string words(kLastWordsMax, '\0');
  const ssize_t size = pread(words_, words.data(), words.size(), 0);
  words.resize(size > 0 ? static_cast<u64>(size) : 0);
  result.report = report_of_death(status, process < 0 ? "internal error: no process at \n" : words);
  return result;
}

}  // namespace sim::host::campaign
