// bench/many_threads.h — more threads than the root task's CNode has slots: their capabilities move to a large one.
#pragma once
#include "tests/sim/guest.h"

namespace bench {

/// Makes up to `capacity` native threads without IPC buffers, all in the root task's address and capability space.
class ManyThreads {
 public:
  ManyThreads(guest::Root& root, u64 capacity) : root_(root), tcb_(root.next_slot++), context_(root.next_slot++) {
    u64 radix = 1;
    while (u64{1} << radix < 2 * capacity) ++radix;
    store_ = root.make(kernel::ObjectType::CNode, radix);
    radix_ = radix;
  }

  void spawn(u64 entry, u64 argument, u64 priority, u64 stack_bytes = 16 << 10) {
    using kernel::Invoke;
    make(kernel::ObjectType::Tcb, 0, tcb_);
    make(kernel::ObjectType::SchedContext, 8, context_);
    must(sys::invoke(kernel::kRootSchedControl, Invoke::SchedControlConfigure, {5'000'000, 5'000'000, 0, 0, 0, 0},
                     {context_}));
    must(sys::invoke(tcb_, Invoke::TcbSetSpace, {0}, {0, kernel::kRootCNode, kernel::kRootVSpace}));
    must(sys::invoke(tcb_, Invoke::TcbSetEngine, {static_cast<u64>(kernel::EngineKind::Native)}));
    must(sys::invoke(tcb_, Invoke::TcbSetSchedParams, {255, priority}, {kernel::kRootTcb, context_, 0}));
    must(sys::invoke(tcb_, Invoke::TcbWriteRegisters, {1, 11, entry, 0, stack_bytes, 0, 0, 0, 0, 0, 0, 0, argument}));
    store(tcb_);
    store(context_);
  }

 private:
  static void must(const sys::Answer& answer) { ASSERT(answer.ok()); }
  void make(kernel::ObjectType type, u64 size_bits, u64 slot) {
    must(sys::invoke(root_.untyped, sys::Invoke::UntypedRetype, {static_cast<u64>(type), size_bits, 0, 0, slot, 1},
                     {kernel::kRootCNode}));
  }
  void store(u64 slot) {
    must(sys::invoke(store_, sys::Invoke::CNodeMove, {stored_, radix_, slot, 64}, {kernel::kRootCNode}));
    stored_ += 1;
  }

  guest::Root& root_;
  u64 tcb_;
  u64 context_;
  u64 store_ = 0;
  u64 radix_ = 0;
  u64 stored_ = 0;
};

}  // namespace bench
