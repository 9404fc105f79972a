// tests/sim/faults_cases.cpp — see faults_lab.h: what the catalogue promises of each class.
#include <algorithm>
#include <set>

#include "tests/sim/faults_lab.h"

using base::EventKind;
using namespace guest;
using sim::Outcome;

namespace faulty {
namespace {

const Case kCases[] = {
    {"cpu.steal", kWorker, "fault cpu.steal 1/core0 @50 fire time=123us",
     [](const auto& plain, const auto& struck) { return later_by(plain, struck, 123'000); }},
    {"cpu.throttle", kWorker, "arm cpu.throttle per-minute=1500 at-most=1 factor=3 length=30ms",
     // Of 30 ms only 10 are worked; what the kernel does at the end of each grant takes no longer.
     [](const auto& plain, const auto& struck) { return later_by(plain, struck, 20 * kMs - 1000, 1000); }},
    {"cpu.offline", kWorker, "arm cpu.offline per-minute=1500 at-most=1 length=30ms",
     [](const auto& plain, const auto& struck) { return later_by(plain, struck, 30 * kMs); }},
    {"cpu.ipi-late", kWaker, "arm cpu.ipi-late target=1/core1 ratio=1/1 from=10ms at-most=1 time=70us",
     [](const auto& plain, const auto& struck) { return later_by(plain, struck, 70'000); }},
    {"timer.late", kTimerGuest, "fault timer.late 1/irq2 @0 fire time=7ms",
     [](const auto& plain, const auto& struck) { return later_by(plain, struck, 7 * kMs); }},
    {"timer.merge", kTimerGuest, "fault timer.merge 1/irq2 @0 fire grid=10ms",
     [](const auto&, const auto& struck) {
       for (const base::Event& event : struck.trace) {
         if (event.kind == static_cast<u16>(EventKind::IrqRaise))
           return differs("the expiry", event.time_ns / 1000, 10'000);
       }
       return std::string("no interrupt");
     }},
    {"timer.lost-irq", kTimerGuest, "fault timer.lost-irq 1/irq2 @0 fire time=5ms",
     [](const auto& plain, const auto& struck) { return later_by(plain, struck, 5 * kMs); }},
    {"irq.lost", kTimerGuest, "fault irq.lost 1/irq2 @0 fire time=4ms",
     [](const auto& plain, const auto& struck) { return later_by(plain, struck, 4 * kMs); }},
    {"irq.double", kTimerGuest, "fault irq.double 1/irq2 @0 fire",
     [](const auto& plain, const auto& struck) { return differs("interrupts", raises(struck), raises(plain) + 1); }},
    {"irq.spurious", kTimerGuest, "arm irq.spurious target=1/irq2 per-minute=1500 at-most=1",
     [](const auto& plain, const auto& struck) { return differs("interrupts", raises(struck), raises(plain) + 1); }},
    {"irq.storm", kTimerGuest, "arm irq.storm target=1/irq2 per-minute=1500 at-most=1 every=1ms length=10ms",
     [](const auto& plain, const auto& struck) {
       const u64 more = raises(struck) - raises(plain);
       return more >= 9 && more <= 11 ? std::string() : differs("interrupts", more, 10);
     }},
    {"device.busy", kWorker, "fault device.busy 1/timer @1 fire time=9us",
     [](const auto& plain, const auto& struck) { return later_by(plain, struck, 9'000); }},
    {"console.burst", kConsoleGuest, "arm console.burst per-minute=1500 at-most=1 bytes=5000",
     [](const auto&, const auto& struck) {
       std::string all;
       for (u32 i = 0; i < 5000; ++i) all += "78";
       return output_is(struck, all + "15 0 0");
     }},
    {"console.garbage", kConsoleGuest, "arm console.garbage per-minute=1500 at-most=1 bytes=8",
     [](const auto&, const auto& struck) {
       for (const char* byte : {"03", "04", "0a", "0d", "11", "13", "1a", "1c"}) {
         for (u32 at = 0; at < 16; at += 2) {
           if (struck.output.substr(at, 2) == byte) return "a key that does something: " + struck.output;
         }
       }
       return struck.output.size() == 22 && struck.output.substr(16) == "15 0 0" ? "" : "printed " + struck.output;
     }},
    {"console.interrupt", kConsoleGuest, "arm console.interrupt per-minute=1500 at-most=1",
     [](const auto&, const auto& struck) { return output_is(struck, "03 0 0"); }},
    {"console.hangup", kConsoleGuest, "arm console.hangup per-minute=1500 at-most=1",
     [](const auto&, const auto& struck) { return output_is(struck, "end 0 0"); }},
    {"console.resize", kConsoleGuest, "arm console.resize per-minute=1500 at-most=1 columns=132 rows=43",
     [](const auto&, const auto& struck) { return output_is(struck, " 132 43"); }},
    // The victim's first entry receives, each further one answers and receives; the call it dies of is not made.
    {"process.kill", kSupervised, "fault process.kill 1/victim @3 fire",
     [](const auto&, const auto& struck) { return output_is(struck, "265:3 7"); }},
    {"process.trap", kSupervised, "fault process.trap 1/victim @3 fire kind=1",
     [](const auto&, const auto& struck) { return output_is(struck, "262:3 7"); }},
    {"process.drop-reply", kSupervised, "fault process.drop-reply 1/victim @2 fire",
     [](const auto&, const auto& struck) { return output_is(struck, "265:3 7"); }},
    {"process.crash-loop", kSupervised, "fault process.crash-loop 1/victim @0 fire count=2 deaths=2",
     // The first dies as it begins, two more in the second request of theirs.
     [](const auto&, const auto& struck) { return output_is(struck, "265:0 265:2 265:2 6"); }},
    {"process.hang", kSupervised, "fault process.hang 1/victim @3 fire",
     [](const auto&, const auto& struck) { return holds(struck.outcome == Outcome::Stalled, "somebody went on"); }},
    {"process.pause", kSupervised, "fault process.pause 1/victim @3 fire length=30ms",
     [](const auto& plain, const auto& struck) {
       const u64 late = struck.now - plain.now;
       return late > 29 * kMs && late < 31 * kMs ? output_is(struck, "10") : differs("the delay", late, 30 * kMs);
     }},
    {"mem.refuse", kMaker, "arm mem.refuse target=1/root ratio=1/1 from=10ms at-most=1",
     [](const auto& plain, const auto& struck) {
       return plain.output == "0 0 " ? output_is(struck, "10 0 ") : "printed " + plain.output;
     }},
    {"ipc.spurious-wake", kTimerGuest, "arm ipc.spurious-wake ratio=1/1 at-most=1",
     [](const auto& plain, const auto& struck) {
       return differs("wakes", number_in(struck.output, 1), number_in(plain.output, 1) + 1);
     }},
    {"ipc.preempt-long", kRevoker, "arm ipc.preempt-long ratio=1/1 from=10ms at-most=1",
     [](const auto& plain, const auto& struck) {
       const u64 cuts = count(struck, EventKind::IpcAbort) - count(plain, EventKind::IpcAbort);
       return cuts >= 19 && cuts <= 21 ? output_is(struck, "done") : differs("cuts", cuts, 20);
     }},
    {"ipc.reply-gone", kSupervised, "fault ipc.reply-gone 1/asker @2 fire",
     [](const auto&, const auto& struck) {
       return count(struck, EventKind::IpcReplyLost) == 1 ? output_is(struck, "10") : "nobody was told";
     }},
    {"ipc.revoke-midway", kSupervised, "fault ipc.revoke-midway 1/asker @2 fire",
     [](const auto&, const auto& struck) { return output_is(struck, "9"); }},
    {"budget.cut", kWorker, "arm budget.cut per-minute=1500 at-most=1 percent=50",
     [](const auto& plain, const auto& struck) {
       const bool is_set = count(struck, EventKind::BudgetConfigure) == count(plain, EventKind::BudgetConfigure) + 1;
       // From somewhere between 20 and 60 ms on it has half of the time.
       const u64 late = number_in(struck.output) - number_in(plain.output);
       return is_set && late > 30 * kMs && late < 90 * kMs ? std::string() : differs("the delay", late, 60 * kMs);
     }},
    {"budget.refill-late", kLimited, "arm budget.refill-late ratio=1/1 from=1ms at-most=1 time=3ms",
     [](const auto& plain, const auto& struck) { return later_by(plain, struck, 3 * kMs, kMs); }},
    {"code.nudge", kPoints, "fault code.nudge timer.look-early @1 fire",
     [](const auto&, const auto& struck) { return output_is(struck, "-x- 4096 4096"); }},
    {"code.tunable", kPoints, "fault code.tunable file.read-bytes @0 fire choice=1",
     [](const auto&, const auto& struck) { return output_is(struck, "--- 512 512"); }},
    {"net.loss", kNetworkGuest, "fault net.loss lan:1→2 @5 fire burst=2",
     [](const auto& plain, const auto& struck) {
       auto wanted = deliveries(plain);
       wanted.erase(wanted.begin() + 5, wanted.begin() + 7);
       return holds(deliveries(struck) == wanted && drops(struck, sim::Drop::Fault) == 2, "not these two");
     }},
    {"net.duplicate", kNetworkGuest, "fault net.duplicate lan:1→2 @5 fire count=3",
     [](const auto& plain, const auto& struck) {
       const u64 digest = deliveries(plain)[5].digest;
       const auto all = deliveries(struck);
       const auto same =
           std::count_if(all.begin(), all.end(), [&](const Delivery& one) { return one.digest == digest; });
       return holds(all.size() == 102 && same == 3, "not three of it");
     }},
    {"net.delay", kNetworkGuest, "fault net.delay lan:1→2 @5 fire time=2500us",
     [](const auto& plain, const auto& struck) {
       auto wanted = deliveries(plain);
       wanted[5].time += 2'500'000;
       for (u32 i = 6; i < wanted.size(); ++i) wanted[i].time = std::max(wanted[i].time, wanted[i - 1].time);
       return holds(deliveries(struck) == wanted, "not as late as it should be");
     }},
    {"net.reorder", kNetworkGuest, "fault net.reorder lan:1→2 @5 fire time=2500us",
     [](const auto& plain, const auto& struck) {
       auto wanted = deliveries(plain);
       wanted[5].time += 2'500'000;
       std::stable_sort(wanted.begin(), wanted.end(), [](const auto& a, const auto& b) { return a.time < b.time; });
       return holds(deliveries(struck) == wanted && wanted[5].digest != deliveries(plain)[5].digest, "not overtaken");
     }},
    {"net.corrupt", kNetworkGuest, "fault net.corrupt lan:1→2 @5 fire bits=1",
     [](const auto& plain, const auto& struck) {
       auto wanted = deliveries(plain);
       const auto all = deliveries(struck);
       if (all.size() != 100 || all[5].digest == wanted[5].digest) return std::string("it is whole");
       wanted[5].digest = all[5].digest;
       return holds(all == wanted, "another one differs");
     }},
    {"net.cut-frame", kNetworkGuest, "fault net.cut-frame lan:1→2 @5 fire length=50",
     [](const auto& plain, const auto& struck) {
       auto wanted = deliveries(plain);
       wanted[5].bytes = 50;
       wanted[5].digest = deliveries(struck)[5].digest;
       return holds(deliveries(struck) == wanted, "not cut");
     }},
    {"net.old-frame", kNetworkGuest, "fault net.old-frame lan:1→2 @5 fire age=31ms",
     [](const auto& plain, const auto& struck) {
       auto wanted = deliveries(plain);
       wanted.push_back(wanted[5]);
       wanted.back().time += 31 * kMs;
       std::stable_sort(wanted.begin(), wanted.end(), [](const auto& a, const auto& b) { return a.time < b.time; });
       return holds(deliveries(struck) == wanted, "it did not come again");
     }},
    {"net.clog", kNetworkGuest, "arm net.clog target=lan:1→2 per-minute=1500 at-most=1 length=20ms",
     [](const auto& plain, const auto& struck) {
       const u64 burst = at_once(struck);
       return deliveries(struck).size() == deliveries(plain).size() && burst >= 18 && burst <= 22
                  ? ""
                  : differs("the burst", burst, 20);
     }},
    {"net.swizzle", kNetworkGuest, "arm net.swizzle per-minute=1500 at-most=1 length=40ms",
     [](const auto& plain, const auto& struck) {
       return holds(deliveries(struck).size() == 100 && at_once(struck) > at_once(plain), "nothing was kept");
     }},
    {"net.partition", kNetworkGuest, "arm net.partition target=2 per-minute=1500 at-most=1 kind=0 length=20ms",
     [](const auto&, const auto& struck) {
       const u64 lost = drops(struck, sim::Drop::Partition);
       return lost >= 18 && lost <= 22 && deliveries(struck).size() == 100 - lost ? "" : differs("lost", lost, 20);
     }},
    {"net.rate", kNetworkGuest, "arm net.rate per-minute=1500 at-most=1 rate=500000 length=20ms",
     [](const auto& plain, const auto& struck) {
       return holds(count(struck, EventKind::NetLinkState) == 2 &&
                        deliveries(struck).back().time > deliveries(plain).back().time,
                    "it is as fast as it was");
     }},
    {"net.queue", kNetworkGuest, "arm net.queue per-minute=1500 at-most=1 bytes=0 length=20ms",
     [](const auto&, const auto& struck) {
       const u64 lost = count(struck, EventKind::NetQueueFull);
       return lost >= 9 && lost <= 11 ? "" : differs("lost", lost, 10);
     }},
    {"net.mtu", kNetworkGuest, "arm net.mtu per-minute=1500 at-most=1 mtu=100 length=20ms",
     [](const auto&, const auto& struck) {
       const u64 taken = count(struck, EventKind::NetSend);
       return taken >= 78 && taken <= 82 ? "" : differs("taken", taken, 80);
     }},
    {"net.flap", kNetworkGuest, "arm net.flap per-minute=1500 at-most=1 period=6ms count=2",
     [](const auto&, const auto& struck) {
       const u64 lost = drops(struck, sim::Drop::LinkDown);
       return count(struck, EventKind::NetLinkState) == 4 && lost >= 10 && lost <= 14 ? "" : differs("lost", lost, 12);
     }},
    {"node.crash", kWorker, "budget nodes-down=1\narm node.crash per-minute=1500 at-most=1 down=50ms",
     [](const auto& plain, const auto& struck) {
       const auto downs = times_of(struck, EventKind::WorldNodeDown);
       const auto ups = times_of(struck, EventKind::WorldNodeUp);
       if (downs.size() != 2 || ups.size() != 1) return std::string("not one crash and one return");
       if (ups[0] - downs[0] != 50 * kMs) return differs("the time down", ups[0] - downs[0], 50 * kMs);
       return differs("the life behind it", downs[1] - ups[0], plain.now);
     }},
    {"node.rack", kWorker, "budget nodes-down=2\narm node.rack target=2 per-minute=1500 at-most=1 count=2 down=50ms",
     [](const auto&, const auto& struck) {
       const auto downs = times_of(struck, EventKind::WorldNodeDown);
       return downs.size() == 5 && downs[0] == downs[1] ? std::string() : differs("nodes down", downs.size(), 5);
     }},
    {"node.reboot", kWorker, "budget nodes-down=1\narm node.reboot per-minute=1500 at-most=1",
     [](const auto&, const auto& struck) {
       const auto downs = times_of(struck, EventKind::WorldNodeDown);
       return downs.size() == 2 && times_of(struck, EventKind::WorldNodeUp)[0] == downs[0] ? std::string() : "no reset";
     }},
    {"node.pause", kWorker, "arm node.pause per-minute=1500 at-most=1 length=30ms",
     [](const auto& plain, const auto& struck) { return later_by(plain, struck, 30 * kMs); }},
    {"node.slow", kWorker, "arm node.slow per-minute=1500 at-most=1 factor=3 length=30ms",
     [](const auto& plain, const auto& struck) { return later_by(plain, struck, 20 * kMs - 1000, 1000); }},
    {"node.lost", kWorker, "budget nodes-down=1\narm node.lost target=2 per-minute=1500 at-most=1",
     [](const auto&, const auto& struck) {
       return times_of(struck, EventKind::WorldNodeDown).size() == 3 ? std::string() : "it was not lost, or came back";
     }},
    {"node.zombie", kWorker, "budget nodes-down=1\narm node.zombie per-minute=1500 at-most=1 length=20s",
     [](const auto& plain, const auto& struck) { return later_by(plain, struck, 20'000 * kMs); }},
    {"clock.skew", kClockGuest, "arm clock.skew per-minute=1500 at-most=1 time=70ms",
     [](const auto&, const auto& struck) {
       const auto steps = steps_of(struck);
       if (steps.size() != 1 || std::abs(steps[0]) != 70 * static_cast<i64>(kMs))
         return std::string("not one step of 70 ms");
       return wall_is_off(struck, steps[0]);
     }},
    {"clock.drift", kClockGuest, "arm clock.drift target=1 per-minute=1500 at-most=1 ppm=100000",
     [](const auto& plain, const auto& struck) {
       // A tenth faster or slower for what is left of the 200 ms, which is 140 to 180.
       const i64 more = static_cast<i64>(number_in(struck.output) - number_in(plain.output));
       return std::abs(more) > 13 * static_cast<i64>(kMs) && std::abs(more) < 19 * static_cast<i64>(kMs)
                  ? std::string()
                  : "monotonic time is off by " + std::to_string(more);
     }},
    {"clock.step", kClockGuest, "budget clock-error=1h\narm clock.step per-minute=1500 at-most=1 time=90s",
     [](const auto&, const auto& struck) {
       const auto steps = steps_of(struck);
       if (steps.size() != 1 || std::abs(steps[0]) != 90'000 * static_cast<i64>(kMs))
         return std::string("not one step");
       return wall_is_off(struck, steps[0]);
     }},
    {"clock.strobe", kClockGuest, "arm clock.strobe per-minute=1500 at-most=1 time=5ms period=1ms count=4",
     [](const auto&, const auto& struck) {
       const auto steps = steps_of(struck);
       if (steps.size() != 8) return differs("steps", steps.size(), 8);
       for (u32 i = 0; i < 8; i += 2) {
         if (std::abs(steps[i]) != 5 * static_cast<i64>(kMs) || steps[i] != -steps[i + 1])
           return std::string("not to and fro");
       }
       return wall_is_off(struck, 0);
     }},
    {"clock.freeze", kClockGuest, "arm clock.freeze per-minute=1500 at-most=1 length=30ms",
     [](const auto& plain, const auto& struck) {
       return differs("monotonic time", number_in(struck.output), number_in(plain.output) - 30 * kMs);
     }},
    {"clock.noise", kClockGuest, "arm clock.noise per-minute=1500 at-most=1 time=5us period=100us count=20",
     [](const auto&, const auto& struck) {
       const auto steps = steps_of(struck);
       if (steps.size() != 40) return differs("steps", steps.size(), 40);
       std::set<i64> sizes;
       for (const i64 step : steps) {
         if (step == 0 || std::abs(step) > 5000) return std::string("a step of ") + std::to_string(step);
         sizes.insert(step);
       }
       return sizes.size() > 10 ? wall_is_off(struck, 0) : "always the same";
     }},
};

}  // namespace

std::span<const Case> cases() { return kCases; }

}  // namespace faulty
