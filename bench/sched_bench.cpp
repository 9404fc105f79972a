// bench/sched_bench.cpp — giving the processor to the next thread of the same priority, with few and with many ready.
#include "bench/guest_run.h"
#include "bench/many_threads.h"
#include "bench/peers.h"

using namespace guest;

namespace bench {

namespace {

// Warm-up: every thread has run once before the clock starts, so that stacks and first dispatches are not counted.
u64 warm_rounds = 0;

void yielder(const u64 (&arguments)[8]) {
  for (;;) {
    sys::yield();
    probe.counter += 1;
    if (probe.counter == warm_rounds) probe.start();
    if (probe.counter == warm_rounds + probe.rounds) {
      probe.stop();
      sys::signal(arguments[0]);
    }
  }
}
u64 thread_count = 0;
void yield_root(const u64 (&)[8]) {
  Root objects;
  const u64 done = objects.make(ObjectType::Notification);
  ManyThreads threads(objects, thread_count);
  for (u64 i = 0; i < thread_count; ++i) threads.spawn(1, done, 100);
  sys::wait(done);
  halt(0);
}
constexpr machine::NativeEntry kYield[] = {{"root", yield_root}, {"yielder", yielder}};

double yield_ns(u64 threads, u64 rounds) {
  thread_count = threads;
  warm_rounds = 2 * threads + 1;
  run_world(kYield, {.rounds = rounds, .ram_bytes = u64{128} << 20});
  return probe.ns_each();
}

}  // namespace

void sched_group(Session& session) {
  if (!session.group("sched")) return;
  const u64 rounds = session.scaled(400'000, 2000);
  const u64 many = session.scaled(10'000, 500);
  session.measure(
      {.name = "yield between 2 threads", .unit = "ns", .run = [&] { return yield_ns(2, rounds); }, .bar = 40},
      {{"one fcontext jump", [&] { return fcontext_pair_ns(rounds) / 2; }}});
  session.measure({.name = "yield among " + std::to_string(many) + " ready threads",
                   .unit = "ns",
                   .run = [&] { return yield_ns(many, rounds); }},
                  {{"yield among 10", [&] { return yield_ns(10, rounds); }}});
}

}  // namespace bench
