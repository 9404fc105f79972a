// bench/process_bench.cpp — a native thread and a native process from nothing to nothing, straight from system calls: the
// parent makes the objects, the child tells it that it is done, the parent takes all of it back with one revoke.
#include "bench/guest_run.h"
#include "bench/peers.h"
#include "user/runtime/layout.h"

using namespace guest;

namespace bench {

namespace {

void must(const sys::Answer& answer) { ASSERT(answer.ok()); }

// a0 is the slot of the endpoint to report to, in the child's own capability space.
void child(const u64 (&arguments)[8]) {
  sys::send(arguments[0], MessageInfo::make(0, 1));
  for (;;) sys::wait(0);
}

void start(u64 tcb, u64 context, u64 argument) {
  must(sys::invoke(kRootSchedControl, Invoke::SchedControlConfigure, {5'000'000, 5'000'000, 0, 0, 0, 0}, {context}));
  must(sys::invoke(tcb, Invoke::TcbSetEngine, {static_cast<u64>(EngineKind::Native)}));
  must(sys::invoke(tcb, Invoke::TcbSetSchedParams, {255, 100}, {kRootTcb, context, 0}));
  must(sys::invoke(tcb, Invoke::TcbWriteRegisters, {1, 11, 1, 0, 16 << 10, 0, 0, 0, 0, 0, 0, 0, argument}));
}

struct Family {
  Root root;
  u64 endpoint = root.make(ObjectType::Endpoint);
  u64 reply = root.make(ObjectType::Reply);
  u64 block;  // the Untyped a child's objects are made of
  u64 slots;  // where their capabilities go

  explicit Family(u64 block_bits) : block(root.make(ObjectType::Untyped, block_bits)), slots(root.next_slot) {
    root.next_slot += 16;
  }
  u64 make(ObjectType type, u64 bits, u64 index, u64 count = 1) {
    must(sys::invoke(block, Invoke::UntypedRetype, {static_cast<u64>(type), bits, 0, 0, slots + index, count},
                     {kRootCNode}));
    return slots + index;
  }
  void finish_child() {
    sys::recv(endpoint, reply);
    must(sys::invoke(kRootCNode, Invoke::CNodeRevoke, {block, 64}));
  }
};

void thread_root(const u64 (&)[8]) {
  Family family(12);
  const auto once = [&] {
    const u64 tcb = family.make(ObjectType::Tcb, 0, 0);
    const u64 context = family.make(ObjectType::SchedContext, kSchedContextMinBits, 1);
    must(sys::invoke(tcb, Invoke::TcbSetSpace, {0}, {0, kRootCNode, kRootVSpace}));
    start(tcb, context, family.endpoint);
    family.finish_child();
  };
  once();
  probe.start();
  for (u64 i = 0; i < probe.rounds; ++i) once();
  probe.stop();
  halt(0);
}

// The same objects as the root manager's for a process: capability space, address space with two arena frames, thread,
// budget, Reply, and the badged endpoint that is its identity.
void process_root(const u64 (&)[8]) {
  constexpr u64 kIdentity = 15;
  Family family(16);
  const auto once = [&] {
    const u64 node = family.make(ObjectType::CNode, user::kCNodeRadix, 0);
    const u64 vspace = family.make(ObjectType::VSpace, kTableBits, 1);
    const u64 tables = family.make(ObjectType::PageTable, kTableBits, 2, 2);
    const u64 frames = family.make(ObjectType::Frame, 13, 4, 2);
    const u64 tcb = family.make(ObjectType::Tcb, 0, 6);
    const u64 context = family.make(ObjectType::SchedContext, kSchedContextMinBits, 7);
    family.make(ObjectType::Reply, 0, 8);
    must(sys::invoke(kRootAsidPool, Invoke::AsidPoolAssign, {1}, {vspace}));
    for (u64 i = 0; i < 2; ++i) {
      must(sys::invoke(tables + i, Invoke::PageTableMap, {machine::kArenaAddress}, {vspace}));
    }
    for (u64 i = 0; i < 2; ++i) {
      must(sys::invoke(frames + i, Invoke::FrameMap,
                       {machine::kArenaAddress + i * 8192, kRightRead | kRightWrite, kMapArena}, {vspace}));
    }
    must(sys::invoke(kRootCNode, Invoke::CNodeMint, {family.slots + kIdentity, 64, family.endpoint, 64, kRightsAll, 7},
                     {kRootCNode}));
    must(sys::invoke(node, Invoke::CNodeCopy,
                     {user::kSlotRoot, user::kCNodeRadix, family.slots + kIdentity, 64, kRightsAll}, {kRootCNode}));
    must(sys::invoke(tcb, Invoke::TcbSetSpace, {user::kCNodeGuardData}, {0, node, vspace}));
    start(tcb, context, user::kSlotRoot);
    sys::recv(family.endpoint, family.reply);
    must(sys::invoke(kRootCNode, Invoke::CNodeDelete, {family.slots + kIdentity, 64}));
    must(sys::invoke(kRootCNode, Invoke::CNodeRevoke, {family.block, 64}));
  };
  once();
  probe.start();
  for (u64 i = 0; i < probe.rounds; ++i) once();
  probe.stop();
  halt(0);
}

constexpr machine::NativeEntry kThread[] = {{"root", thread_root}, {"child", child}};
constexpr machine::NativeEntry kProcess[] = {{"root", process_root}, {"child", child}};

}  // namespace

void process_group(Session& session) {
  if (!session.group("process")) return;
  const u64 spawns = session.scaled(50, 2);
  const auto spawn_us = [&] { return posix_spawn_ns(spawns) / 1e3; };
  const auto measure = [&](const char* name, std::span<const machine::NativeEntry> entries, u64 rounds, double bar) {
    session.measure({.name = name,
                     .unit = "µs",
                     .run =
                         [entries, rounds] {
                           run_world(entries, {.rounds = rounds});
                           return probe.ns_each() / 1e3;
                         },
                     .bar = bar},
                    {{"posix_spawn and wait of /bin/true", spawn_us}});
  };
  measure("thread: make, run, take back", kThread, session.scaled(10'000, 20), 5);
  measure("process: make, run, take back", kProcess, session.scaled(5000, 20), kNoBar);
}

}  // namespace bench
