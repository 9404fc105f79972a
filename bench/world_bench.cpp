// bench/world_bench.cpp — worlds in which little happens: how much virtual time a second of a processor gets through.
#include "bench/guest_run.h"

using namespace guest;

namespace bench {

namespace {

constexpr u64 kTickNs = 10'000'000;

// A node that is idle but for a clock tick of 100 Hz, as one with a timer server and a sleeping daemon has.
void ticker_root(const u64 (&)[8]) {
  Root root;
  const u64 notification = root.make(ObjectType::Notification);
  const u64 handler = root.next_slot++;
  ASSERT(sys::invoke(kRootIrqControl, Invoke::IrqControlGet, {root.device(DeviceKind::Timer).irq, 0, handler, 64},
                     {kRootCNode})
             .ok());
  ASSERT(sys::invoke(handler, Invoke::IrqHandlerSetNotification, {}, {notification}).ok());
  probe.start();
  u64 next = now() + kTickNs;
  for (;;) {
    ASSERT(sys::invoke(handler, Invoke::IrqHandlerAck, {}).ok());
    sys::frame().mr[0] = next;
    port::call(kTimer, port::Timer::Arm);
    sys::wait(notification);
    next += kTickNs;
  }
}
constexpr machine::NativeEntry kTickers[] = {{"root", ticker_root}};

}  // namespace

void world_group(Session& session) {
  if (!session.group("world")) return;
  const u64 virtual_ns = session.scaled(20'000'000'000, 100'000'000);
  session.measure({.name = "5 nodes with a 100 Hz tick: virtual ÷ processor time",
                   .unit = "×",
                   .run =
                       [&] {
                         run_world(kTickers, {.nodes = 5, .until = virtual_ns}, [](sim::World&) { probe.stop(); });
                         return static_cast<double>(virtual_ns) / (probe.end_ns - probe.start_ns);
                       },
                   .better = Better::Higher,
                   .bar = 2000});
}

}  // namespace bench
