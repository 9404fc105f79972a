// bench/scale_bench.cpp — what a hundred thousand threads that wait cost in memory.
#include "bench/guest_run.h"
#include "bench/many_threads.h"
#include "bench/peers.h"

using namespace guest;

namespace bench {

namespace {

void sleeper(const u64 (&arguments)[8]) {
  for (;;) sys::wait(arguments[0]);
}
u64 thread_count = 0;
void sleepers_root(const u64 (&)[8]) {
  Root root;
  const u64 never = root.make(ObjectType::Notification);
  ManyThreads threads(root, thread_count);
  for (u64 i = 0; i < thread_count; ++i) threads.spawn(1, never, 255);
  sys::yield();  // behind all of them: each has run and waits
  probe.start();
  probe.end_ns = resident_mib();
  halt(0);
}
constexpr machine::NativeEntry kSleepers[] = {{"root", sleepers_root}, {"sleeper", sleeper}};

double resident_with(u64 threads) {
  thread_count = threads;
  run_world(kSleepers, {.ram_bytes = u64{1} << 30});
  return probe.end_ns;
}

}  // namespace

void scale_group(Session& session) {
  if (!session.group("scale")) return;
  const u64 threads = session.scaled(100'000, 500);
  session.measure({.name = "resident memory, " + std::to_string(threads) + " idle threads",
                   .unit = "MiB",
                   .run = [&] { return in_child(resident_with, threads); },
                   .bar = 4096,
                   .rounds = 3},
                  {{"the same world with one", [] { return in_child(resident_with, 1); }}});
}

}  // namespace bench
