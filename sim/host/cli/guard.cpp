// sim/host/cli/guard.cpp — the wrapped calls. Each has its twin in the list of sim/host/CMakeLists.txt; a test compares
// the two.
#include "sim/host/cli/guard.h"

#include <dirent.h>
#include <execinfo.h>
#include <locale.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <thread>

#include "sim/host/machine.h"
#include "sim/model/node.h"
#include "sim/model/world.h"

namespace sim::host::cli {
namespace {

constexpr i64 kNsPerSecond = 1'000'000'000;

Guard settings;

void forbidden(const char* call) {
  if (!running.stepping) return;
  const u64 sequence = running.node == nullptr ? 0 : running.node->world().trace().count();
  if (settings.observe) {
    if (settings.breach.call == nullptr) settings.breach = {call, sequence};
    return;
  }
  running.stepping = false;  // what is printed may itself ask the clock
  run_last_will();
  std::fprintf(stderr, "orrery: %s was called inside a step of the world, after event #%llu\n", call,
               static_cast<unsigned long long>(sequence));
  void* frames[64];
  backtrace_symbols_fd(frames, backtrace(frames, 64), STDERR_FILENO);
  _exit(kOwnFailure);
}

}  // namespace

Guard& guard() { return settings; }

const std::vector<std::string>& guarded_calls() {
  static const std::vector<std::string> names = {
#define GUARDED(symbol) #symbol,
#include "sim/host/cli/guarded_calls.def"
  };
  return names;
}

namespace {

/// What a host clock that says `true_ns` tells under the variant.
i64 told(i64 true_ns) {
  static const i64 began = true_ns;
  constexpr i64 kFastEpoch = i64{4'102'444'800} * kNsPerSecond;     // 2100-01-01
  constexpr i64 kBackwardsEpoch = i64{315'532'800} * kNsPerSecond;  // 1980-01-01
  switch (settings.clock) {
    case HostClock::True: return true_ns;
    case HostClock::Frozen: return 0;
    case HostClock::Fast: return kFastEpoch + (true_ns - began) * 1000;
    case HostClock::Backwards: return kBackwardsEpoch - (true_ns - began);
  }
  return true_ns;
}

}  // namespace
}  // namespace sim::host::cli

using sim::host::cli::forbidden;
using sim::host::cli::guard;
using sim::host::cli::HostClock;
using sim::host::cli::told;

extern "C" {

// ── Clocks ───────────────────────────────────────────────────────────────────────────────────────────────────
int __real_clock_gettime(clockid_t clock, timespec* out);
int __wrap_clock_gettime(clockid_t clock, timespec* out) {
  forbidden("clock_gettime");
  const int result = __real_clock_gettime(clock, out);
  if (result != 0 || guard().clock == HostClock::True) return result;
  const i64 ns = told(static_cast<i64>(out->tv_sec) * 1'000'000'000 + out->tv_nsec);
  out->tv_sec = ns / 1'000'000'000;
  out->tv_nsec = ns % 1'000'000'000;
  return 0;
}
int __wrap_gettimeofday(timeval* out, void*) {
  forbidden("gettimeofday");
  timespec now = {};
  const int result = __wrap_clock_gettime(CLOCK_REALTIME, &now);
  out->tv_sec = now.tv_sec;
  out->tv_usec = now.tv_nsec / 1000;
  return result;
}
time_t __wrap_time(time_t* out) {
  forbidden("time");
  timespec now = {};
  __wrap_clock_gettime(CLOCK_REALTIME, &now);
  if (out != nullptr) *out = now.tv_sec;
  return now.tv_sec;
}
clock_t __real_clock();
clock_t __wrap_clock() {
  forbidden("clock");
  return __real_clock();
}
// std::chrono::system_clock::now() and steady_clock::now(), which libstdc++ lets the kernel answer itself. A time_point is
// its count of nanoseconds, returned in the register of a number.
static_assert(sizeof(std::chrono::system_clock::time_point) == sizeof(i64));
static_assert(std::is_same_v<std::chrono::system_clock::duration, std::chrono::nanoseconds>);
i64 __wrap__ZNSt6chrono3_V212system_clock3nowEv() {
  forbidden("std::chrono::system_clock::now");
  timespec now = {};
  __wrap_clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<i64>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}
i64 __wrap__ZNSt6chrono3_V212steady_clock3nowEv() {
  forbidden("std::chrono::steady_clock::now");
  timespec now = {};
  __wrap_clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<i64>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

// ── Entropy ──────────────────────────────────────────────────────────────────────────────────────────────────
ssize_t __real_getrandom(void* out, size_t bytes, unsigned flags);
ssize_t __wrap_getrandom(void* out, size_t bytes, unsigned flags) {
  forbidden("getrandom");
  if (guard().clock == HostClock::True) return __real_getrandom(out, bytes, flags);
  std::memset(out, 0, bytes);
  return static_cast<ssize_t>(bytes);
}
int __wrap_getentropy(void* out, size_t bytes) {
  forbidden("getentropy");
  return __wrap_getrandom(out, bytes, 0) == static_cast<ssize_t>(bytes) ? 0 : -1;
}
int __real_rand();
int __wrap_rand() {
  forbidden("rand");
  return __real_rand();
}
long __real_random();
long __wrap_random() {
  forbidden("random");
  return __real_random();
}

// ── Who and where the process is ─────────────────────────────────────────────────────────────────────────────
char* __real_getenv(const char* name);
char* __wrap_getenv(const char* name) {
  forbidden("getenv");
  return __real_getenv(name);
}
char* __real_setlocale(int category, const char* name);
char* __wrap_setlocale(int category, const char* name) {
  forbidden("setlocale");
  return __real_setlocale(category, name);
}
lconv* __real_localeconv();
lconv* __wrap_localeconv() {
  forbidden("localeconv");
  return __real_localeconv();
}
tm* __real_localtime_r(const time_t* time, tm* out);
tm* __wrap_localtime_r(const time_t* time, tm* out) {
  forbidden("localtime_r");
  return __real_localtime_r(time, out);
}
pid_t __real_getpid();
pid_t __wrap_getpid() {
  forbidden("getpid");
  return __real_getpid();
}
int __real_uname(utsname* out);
int __wrap_uname(utsname* out) {
  forbidden("uname");
  return __real_uname(out);
}

// ── Directories ──────────────────────────────────────────────────────────────────────────────────────────────
char* __real_getcwd(char* out, size_t bytes);
char* __wrap_getcwd(char* out, size_t bytes) {
  forbidden("getcwd");
  return __real_getcwd(out, bytes);
}
DIR* __real_opendir(const char* path);
DIR* __wrap_opendir(const char* path) {
  forbidden("opendir");
  return __real_opendir(path);
}
dirent* __real_readdir(DIR* folder);
dirent* __wrap_readdir(DIR* folder) {
  forbidden("readdir");
  return __real_readdir(folder);
}

// ── Threads ──────────────────────────────────────────────────────────────────────────────────────────────────
int __real_pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*main)(void*), void* argument);
int __wrap_pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*main)(void*), void* argument) {
  forbidden("pthread_create");
  return __real_pthread_create(thread, attributes, main, argument);
}

}  // extern "C"
