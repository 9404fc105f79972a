// bench/peers.cpp — see peers.h.
#include "bench/peers.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <boost/context/detail/fcontext.hpp>

#include <atomic>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "bench/bench.h"
#include "kernel-model/machine.h"

extern char** environ;

namespace fcontext = boost::context::detail;

namespace bench {

namespace {

[[noreturn]] void give_up(const char* what) {
  std::perror(what);
  std::exit(5);
}

double in_ns(const timeval& time) {
  return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_usec) * 1e3;
}

void echo_context(fcontext::transfer_t transfer) {
  for (;;) transfer = fcontext::jump_fcontext(transfer.fctx, nullptr);
}

ucontext_t main_context;
ucontext_t other_context;
void echo_ucontext() {
  for (;;) swapcontext(&other_context, &main_context);
}

void futex_wait(std::atomic<u32>& word, u32 while_value) {
  while (word.load(std::memory_order_acquire) == while_value) {
    syscall(SYS_futex, &word, FUTEX_WAIT, while_value, nullptr, nullptr, 0);
  }
}
void futex_set(std::atomic<u32>& word, u32 value) {
  word.store(value, std::memory_order_release);
  syscall(SYS_futex, &word, FUTEX_WAKE, 1, nullptr, nullptr, 0);
}

}  // namespace

double fcontext_pair_ns(u64 rounds) {
  const machine::Stack stack = machine::stack_acquire(64 << 10);
  fcontext::fcontext_t other = fcontext::make_fcontext(stack.base + stack.bytes, stack.bytes, echo_context);
  const double start = used_ns();
  for (u64 i = 0; i < rounds; ++i) other = fcontext::jump_fcontext(other, nullptr).fctx;
  const double ns = (used_ns() - start) / static_cast<double>(rounds);
  machine::stack_release(stack);
  return ns;
}

double swapcontext_pair_ns(u64 rounds) {
  const machine::Stack stack = machine::stack_acquire(64 << 10);
  getcontext(&other_context);
  other_context.uc_stack.ss_sp = stack.base;
  other_context.uc_stack.ss_size = stack.bytes;
  other_context.uc_link = &main_context;
  makecontext(&other_context, echo_ucontext, 0);
  const double start = used_ns();
  for (u64 i = 0; i < rounds; ++i) swapcontext(&main_context, &other_context);
  const double ns = (used_ns() - start) / static_cast<double>(rounds);
  machine::stack_release(stack);
  return ns;
}

double futex_round_trip_ns(u64 rounds) {
  void* page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) give_up("mmap");
  auto& turn = *new (page) std::atomic<u32>(0);
  const pid_t child = fork();
  if (child < 0) give_up("fork");
  if (child == 0) {
    for (u64 i = 0; i < rounds; ++i) {
      futex_wait(turn, 0);
      futex_set(turn, 0);
    }
    _exit(0);
  }
  const double start = now_ns();
  for (u64 i = 0; i < rounds; ++i) {
    futex_set(turn, 1);
    futex_wait(turn, 1);
  }
  const double ns = (now_ns() - start) / static_cast<double>(rounds);
  waitpid(child, nullptr, 0);
  munmap(page, 4096);
  return ns;
}

double pipe_round_trip_ns(u64 rounds) {
  int there[2];
  int back[2];
  if (pipe(there) != 0 || pipe(back) != 0) give_up("pipe");
  const pid_t child = fork();
  if (child < 0) give_up("fork");
  char byte = 0;
  if (child == 0) {
    for (u64 i = 0; i < rounds; ++i) {
      if (read(there[0], &byte, 1) != 1 || write(back[1], &byte, 1) != 1) _exit(1);
    }
    _exit(0);
  }
  const double start = now_ns();
  for (u64 i = 0; i < rounds; ++i) {
    if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1) give_up("pipe");
  }
  const double ns = (now_ns() - start) / static_cast<double>(rounds);
  waitpid(child, nullptr, 0);
  for (const int end : {there[0], there[1], back[0], back[1]}) close(end);
  return ns;
}

double posix_spawn_ns(u64 rounds) {
  char path[] = "/bin/true";
  char* arguments[] = {path, nullptr};
  const double start = now_ns();
  for (u64 i = 0; i < rounds; ++i) {
    pid_t child = 0;
    if (posix_spawn(&child, path, nullptr, nullptr, arguments, environ) != 0) give_up(path);
    waitpid(child, nullptr, 0);
  }
  return (now_ns() - start) / static_cast<double>(rounds);
}

std::string command_path(const std::string& name) {
  char path[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof path);
  const std::string self(path, length < 0 ? 0 : static_cast<std::size_t>(length));
  return self.substr(0, self.rfind('/') + 1) + name;
}

HostFile::HostFile(const std::string& suffix, const std::string& text)
    : path_("/tmp/orrery-bench-" + std::to_string(getpid()) + suffix) {
  std::ofstream(path_) << text;
}

HostFile::~HostFile() { std::remove(path_.c_str()); }

double run_command_used_ns(const std::vector<std::string>& words, const std::string& input) {
  std::FILE* const script = std::tmpfile();
  if (script == nullptr || std::fwrite(input.data(), 1, input.size(), script) != input.size()) give_up("tmpfile");
  std::rewind(script);
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, fileno(script), 0);
  posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
  pid_t child = 0;
  int status = -1;
  rusage usage{};
  if (posix_spawn(&child, arguments[0], &files, nullptr, arguments.data(), environ) == 0)
    wait4(child, &status, 0, &usage);
  posix_spawn_file_actions_destroy(&files);
  std::fclose(script);
  return status == 0 ? in_ns(usage.ru_utime) + in_ns(usage.ru_stime) : -1;
}

double in_child(double (*measure)(u64), u64 argument) {
  int ends[2];
  if (pipe(ends) != 0) give_up("pipe");
  const pid_t child = fork();
  if (child < 0) give_up("fork");
  if (child == 0) {
    const double figure = measure(argument);
    _exit(write(ends[1], &figure, sizeof figure) == sizeof figure ? 0 : 1);
  }
  close(ends[1]);
  double figure = 0;
  const bool told = read(ends[0], &figure, sizeof figure) == sizeof figure;
  close(ends[0]);
  waitpid(child, nullptr, 0);
  if (!told) {
    std::fprintf(stderr, "a measurement in a child process failed\n");
    std::exit(5);
  }
  return figure;
}

double resident_mib() {
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr) give_up("/proc/self/statm");
  unsigned long total = 0;
  unsigned long resident = 0;
  const int read = std::fscanf(file, "%lu %lu", &total, &resident);
  std::fclose(file);
  if (read != 2) give_up("/proc/self/statm");
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1 << 20);
}

}  // namespace bench
