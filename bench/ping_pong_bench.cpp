// bench/ping_pong_bench.cpp — call and reply between two native threads through the kernel, digest on and off; and two
// bare fcontext jumps to compare with. Prints medians of 11 alternating runs.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

#include "sim/host/machine_host.h"
#include "tests/sim/guest.h"

using namespace guest;

namespace {

constexpr u32 kRounds = 200'000;

void server(const u64 (&arguments)[8]) {
  sys::recv(arguments[0], arguments[1]);
  for (;;) sys::reply_recv(arguments[0], arguments[1], MessageInfo::make(0, 1));
}
void root(const u64 (&)[8]) {
  Root objects;
  const u64 endpoint = objects.make(ObjectType::Endpoint);
  const u64 reply = objects.make(ObjectType::Reply);
  objects.spawn(1, {endpoint, reply}, 255);
  sys::call(endpoint, MessageInfo::make(0, 1));
  print("s");
  for (u32 i = 0; i < kRounds; ++i) sys::call(endpoint, MessageInfo::make(0, 1));
  print("e");
  halt(0);
}
constexpr machine::NativeEntry kEntries[] = {{"root", root}, {"server", server}};

double now_ns() { return static_cast<double>(std::chrono::steady_clock::now().time_since_epoch().count()); }

struct Sample {
  double ns = 0;
  u64 events = 0;
};

Sample run(bool digest) {
  sim::host::Machine machine({.seed = 1, .ram_bytes = u64{16} << 20, .entries = kEntries});
  Sample sample;
  machine.on_output = [&](u32, base::Bytes bytes) {
    const bool start = bytes[0] == 's';
    sample.ns = now_ns() - (start ? 0 : sample.ns);
    sample.events = machine.world().trace().count() - (start ? 0 : sample.events);
  };
  const std::string error = machine.start();
  if (!error.empty()) std::printf("%s\n", error.c_str());
  machine.world().trace().set_folding(digest);
  machine.world().run(sim::kNever);
  return sample;
}

machine::Context other;
double jump_pair_ns() {
  const machine::Stack stack = machine::stack_acquire(64 << 10);
  other = machine::context_make(stack, [](machine::Transfer transfer) {
    for (;;) transfer = machine::context_switch(transfer.from, nullptr);
  });
  const double start = now_ns();
  for (u32 i = 0; i < kRounds; ++i) other = machine::context_switch(other, nullptr).from;
  const double ns = (now_ns() - start) / kRounds;
  machine::stack_release(stack);
  return ns;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

void base::assertion_failed(const char* expression, const char* file, int line) {
  std::printf("assertion failed: %s (%s:%d)\n", expression, file, line);
  std::abort();
}

int main() {
  std::vector<double> on;
  std::vector<double> off;
  std::vector<double> jumps;
  u64 events = 0;
  for (u32 i = 0; i < 11; ++i) {
    const Sample with = run(true);
    events = with.events;
    on.push_back(with.ns / kRounds);
    off.push_back(run(false).ns / kRounds);
    jumps.push_back(jump_pair_ns());
  }
  const double pair = median(on);
  std::printf("call and reply            %8.1f ns\n", pair);
  std::printf("  without digest          %8.1f ns   ratio %.3f (bar 1.10)\n", median(off), pair / median(off));
  std::printf("two fcontext jumps        %8.1f ns   ratio %.1f (bar 12)\n", median(jumps), pair / median(jumps));
  std::printf("events                    %8.2f M/s  (%.1f a pair)\n",
              static_cast<double>(events) / (pair * kRounds) * 1e3, static_cast<double>(events) / kRounds);
  return 0;
}
