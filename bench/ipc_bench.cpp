// bench/ipc_bench.cpp — messages and signals between two native threads of one world, and what they cost in events.
#include "bench/guest_run.h"
#include "bench/peers.h"

using namespace guest;

namespace bench {

namespace {

void server(const u64 (&arguments)[8]) {
  sys::recv(arguments[0], arguments[1]);
  for (;;) sys::reply_recv(arguments[0], arguments[1], MessageInfo::make(0, 1));
}
// A passive server has no scheduling context: it runs on its caller's, so that the kernel's fast path is taken.
enum class Server : u8 { Passive, Active };
Server server_kind = Server::Passive;
u32 word_count = 1;  // of the caller's message
void caller_root(const u64 (&)[8]) {
  Root objects;
  const u64 endpoint = objects.make(ObjectType::Endpoint);
  const u64 reply = objects.make(ObjectType::Reply);
  const u64 context = objects.spawn(1, {endpoint, reply}, 255) + 1;  // made right behind the TCB
  sys::call(endpoint, MessageInfo::make(0, 1));
  if (server_kind == Server::Passive) ASSERT(sys::invoke(context, Invoke::SchedContextUnbind, {}).ok());
  probe.start();
  for (u64 i = 0; i < probe.rounds; ++i) sys::call(endpoint, MessageInfo::make(0, word_count));
  probe.stop();
  halt(0);
}
constexpr machine::NativeEntry kCall[] = {{"root", caller_root}, {"server", server}};

void answerer(const u64 (&arguments)[8]) {
  for (;;) {
    sys::wait(arguments[0]);
    sys::signal(arguments[1]);
  }
}
void signal_root(const u64 (&)[8]) {
  Root objects;
  const u64 there = objects.make(ObjectType::Notification);
  const u64 back = objects.make(ObjectType::Notification);
  objects.spawn(1, {there, back}, 255);
  sys::signal(there);
  sys::wait(back);
  probe.start();
  for (u64 i = 0; i < probe.rounds; ++i) {
    sys::signal(there);
    sys::wait(back);
  }
  probe.stop();
  halt(0);
}
constexpr machine::NativeEntry kSignal[] = {{"root", signal_root}, {"answerer", answerer}};

}  // namespace

void ipc_group(Session& session) {
  if (!session.group("ipc")) return;
  const u64 rounds = session.scaled(200'000, 1000);
  const u64 host_rounds = session.scaled(5000, 50);
  const auto call_ns = [&](Server kind, bool digest, u32 words = 1) {
    server_kind = kind;
    word_count = words;
    run_world(kCall, {.rounds = rounds, .digest = digest});
    return probe.ns_each();
  };
  session.measure({.name = "call and reply, passive server",
                   .unit = "ns",
                   .run = [&] { return call_ns(Server::Passive, true); },
                   .bar = 100},
                  {{"two fcontext jumps", [&] { return fcontext_pair_ns(rounds); }, 12},
                   {"two swapcontext", [&] { return swapcontext_pair_ns(rounds); }},
                   {"the same without digest", [&] { return call_ns(Server::Passive, false); }, 1.10}});
  session.measure({.name = "call and reply, server with its own budget",
                   .unit = "ns",
                   .run = [&] { return call_ns(Server::Active, true); }},
                  {{"two fcontext jumps", [&] { return fcontext_pair_ns(rounds); }},
                   {"the same without digest", [&] { return call_ns(Server::Active, false); }}});
  session.measure({.name = "call of 1008 words and reply, passive server",
                   .unit = "ns",
                   .run = [&] { return call_ns(Server::Passive, true, kMessageWordsMax); }},
                  {{"with 4 words", [&] { return call_ns(Server::Passive, true, 4); }}});
  session.measure({.name = "signal, wait, and back",
                   .unit = "ns",
                   .run =
                       [&] {
                         run_world(kSignal, {.rounds = rounds});
                         return probe.ns_each();
                       }},
                  {{"futex, two processes", [&] { return futex_round_trip_ns(host_rounds); }},
                   {"pipe, two processes", [&] { return pipe_round_trip_ns(host_rounds); }}});
  const auto events_rate = [&](bool digest) {
    server_kind = Server::Passive;
    word_count = 1;
    run_world(kCall, {.rounds = rounds, .digest = digest});
    return static_cast<double>(probe.events) * 1e3 / (probe.end_ns - probe.start_ns);
  };
  session.measure({.name = "events, calls only",
                   .unit = "M/s",
                   .run = [&] { return events_rate(true); },
                   .better = Better::Higher,
                   .bar = 5},
                  {{"the same without digest", [&] { return events_rate(false); }, 1 / 1.10}});
}

}  // namespace bench
