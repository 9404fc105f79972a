// tests/kernel/lab_build.cpp — the lab's node, its objects and the root task's invocations.
#include <sys/mman.h>

#include <cstring>

#include "tests/kernel/lab.h"

namespace lab {
namespace {

constexpr u64 kBufferAddresses = 0x4000'0000;

}  // namespace

CostTable free_of_charge() {
  CostTable costs;
  static_assert(sizeof(CostTable) % sizeof(u64) == 0);
  u64 zero[sizeof(CostTable) / sizeof(u64)] = {};
  std::memcpy(static_cast<void*>(&costs), zero, sizeof costs);
  return costs;
}

Options free_options(u32 cores) {
  Options options;
  options.cores = cores;
  options.costs = free_of_charge();
  return options;
}

// ── Building ─────────────────────────────────────────────────────────────────────────────────────────────────
void Lab::map_memory() {
  void* memory =
      ::mmap(nullptr, options_.ram_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  REQUIRE(memory != MAP_FAILED);
  ram_ = static_cast<u8*>(memory);
  scratch_.resize(options_.ram_bytes / 16);
  woken_by_.assign(options_.ram_bytes >> kTcbBits, 0);
  log_.lab = this;
  log_.next = log_.places;
  log_.limit = log_.places + std::size(log_.places);
  log_.turn = [](base::EventLog& log) { static_cast<Log&>(log).lab->drain(); };
  const base::EventSink sink{[](void* context, const base::EventRecord& record) {
                               Lab& self = *static_cast<Lab*>(context);
                               if (self.keep_events) self.events.push_back(record);
                             },
                             this,
                             &log_,
                             leaves_,
                             woken_by_.data(),
                             7};
  MachinePort& machine = *this;
  kernel_ = std::make_unique<Kernel>(base::MutableBytes{ram_, options_.ram_bytes}, options_.costs, sink, machine);
}

Lab::Lab(Options options) : check_every(options.check_every), options_(std::move(options)) {
  map_memory();
  BootConfig config;
  config.node_id = 7;
  config.core_count = options_.cores;
  config.stealing = options_.stealing;
  config.image = {options_.image.data(), options_.image.size()};
  config.devices = options_.devices;
  const auto booted = kernel_->boot(config);
  REQUIRE(booted.ok());
  cores_.resize(options_.cores);
  check("boot");

  const Slot* slots = nullptr;  // the root CNode, found through the only thread there is
  for (u32 offset = 1u << kTcbBits; offset < options_.ram_bytes; offset += 1u << kTcbBits) {
    const Tcb& candidate = kernel_->at(Ref<Tcb>{offset});
    if (candidate.header.type == static_cast<u8>(ObjectType::Tcb) && candidate.header.size_bits == kTcbBits &&
        candidate.priority == 255 && candidate.slots[kTcbCSpace].cap.type == CapType::CNode &&
        candidate.thread_id != 0) {
      threads_.emplace_back();
      threads_.back().ref = Ref<Tcb>{offset};
      slots = reinterpret_cast<const Slot*>(ram_ + candidate.slots[kTcbCSpace].cap.object);
      break;
    }
  }
  REQUIRE(slots != nullptr);
  root_cnode_ = static_cast<u32>(reinterpret_cast<const u8*>(slots) - ram_);
  Thread& root = threads_.front();
  root.lab_ = this;
  root.tcb = kRootTcb;
  root.sc = kRootSchedContext;
  root.name = "root";
  by_ref_[root.ref.offset] = &root;
  next_slot_ = boot_info().empty.first;
  for (u32 i = boot_info().ram_untypeds.first; i < boot_info().ram_untypeds.end; ++i) {
    if (general_untyped == 0 || cap(i).bits >= cap(general_untyped).bits) general_untyped = i;
  }

  for (u32 index = 0; index < options_.cores; ++index) {
    Entry entry;
    entry.core = static_cast<u16>(index);
    entry.kind = EntryKind::Boot;
    entry.now = cores_[index].time;
    entry.horizon = kNever;
    enter(entry, "boot");
  }
  REQUIRE(running_on(0) == &root);
  root.park = notification();
  root_irq_ = irq_handler(kRootLine, root.park);
}

Lab::Lab(const Lab& other, int)
    : horizon(other.horizon),
      events(other.events),
      stretches(other.stretches),
      check_every(other.check_every),
      general_untyped(other.general_untyped),
      root_holds_(other.root_holds_),
      options_(other.options_),
      threads_(other.threads_),
      cores_(other.cores_),
      outside_(other.outside_),
      sequence_(other.sequence_),
      now_(other.now_),
      next_slot_(other.next_slot_),
      root_irq_(other.root_irq_),
      root_cnode_(other.root_cnode_) {
  map_memory();
  std::memcpy(ram_, other.ram_, options_.ram_bytes);
  std::map<const Thread*, Thread*> twin;
  for (std::size_t i = 0; i < threads_.size(); ++i) {
    threads_[i].lab_ = this;
    twin[&other.threads_[i]] = &threads_[i];
    if (!threads_[i].gone) by_ref_[threads_[i].ref.offset] = &threads_[i];
  }
  for (Core& core : cores_) core.thread = core.thread == nullptr ? nullptr : twin[core.thread];
  for (const Thread* thread : other.to_unpark_) to_unpark_.push_back(twin[thread]);
}
std::unique_ptr<Lab> Lab::fork() const { return std::unique_ptr<Lab>(new Lab(*this, 0)); }

Lab::~Lab() {
  kernel_.reset();
  ::munmap(ram_, options_.ram_bytes);
}

Cptr Lab::slots(u32 count) {
  const Cptr first = next_slot_;
  next_slot_ += count;
  return first;
}
Cptr Lab::make(ObjectType type, u32 size_bits, Cptr from) {
  const Cptr at = slot();
  INFO("retype of object type " << static_cast<u32>(type) << " bits " << size_bits);
  REQUIRE(retype(from == 0 ? general_untyped : from, type, size_bits, at) == "ok");
  return at;
}
Cptr Lab::configured_sc(u64 budget, u64 period, u64 extra, u64 badge, u64 flags, u32 home, u32 bits) {
  const Cptr sc = sched_context(bits);
  REQUIRE(configure_sc(sc, budget, period, extra, badge, flags, home) == "ok");
  return sc;
}
Cptr Lab::vspace(u64 kind) {
  const Cptr space = make(ObjectType::VSpace);
  REQUIRE(invoke(kRootAsidPool, Invoke::AsidPoolAssign, {kind}, {space}) == "ok");
  return space;
}
Cptr Lab::minted(Cptr source, u64 badge, u8 rights) {
  const Cptr at = slot();
  REQUIRE(mint(at, source, badge, rights) == "ok");
  return at;
}
Cptr Lab::copied(Cptr source, u8 rights) {
  const Cptr at = slot();
  REQUIRE(copy(at, source, rights) == "ok");
  return at;
}
Cptr Lab::irq_handler(u32 line, Cptr notification, u32 core) {
  const Cptr handler = slot();
  REQUIRE(invoke(kRootIrqControl, Invoke::IrqControlGet, {line, core, handler, 64}, {kRootCNode}) == "ok");
  REQUIRE(invoke(handler, Invoke::IrqHandlerSetNotification, {}, {notification}) == "ok");
  REQUIRE(invoke(handler, Invoke::IrqHandlerAck) == "ok");
  return handler;
}

Thread& Lab::adopt(Cptr tcb, bool parks) {
  threads_.emplace_back();
  Thread& thread = threads_.back();
  thread.lab_ = this;
  thread.tcb = tcb;
  thread.ref = ref<Tcb>(tcb);
  thread.name = "t" + std::to_string(threads_.size() - 1);
  thread.parks_ = parks;
  by_ref_[thread.ref.offset] = &thread;
  return thread;
}

Thread& Lab::thread(ThreadOptions options) {
  Thread& thread = adopt(tcb(), options.parks);
  if (options.parks) thread.park = notification();
  const Cptr buffer = options.buffer ? frame(kIpcBufferBits) : 0;
  const u64 vaddr = options.buffer ? kBufferAddresses + (threads_.size() << kIpcBufferBits) : 0;
  REQUIRE(invoke(thread.tcb, Invoke::TcbConfigure, {0, vaddr}, {options.cspace, options.vspace, buffer}) == "ok");
  if (options.sc != 0) {
    thread.sc = options.sc;
  } else if (options.scheduled) {
    thread.sc = configured_sc(options.budget, options.period == 0 ? options.budget : options.period,
                              options.extra_refills, options.badge, options.flags, options.core, options.sc_bits);
  }
  REQUIRE(invoke(thread.tcb, Invoke::TcbSetSchedParams, {options.mcp, options.priority},
                 {kRootTcb, thread.sc, options.fault_endpoint}) == "ok");
  REQUIRE(invoke(thread.tcb, Invoke::TcbSetEngine, {static_cast<u64>(EngineKind::Rv64)}) == "ok");
  if (options.timeout_endpoint != 0) {
    REQUIRE(invoke(thread.tcb, Invoke::TcbSetTimeoutEndpoint, {}, {options.timeout_endpoint}) == "ok");
  }
  if (options.started) REQUIRE(resume(thread) == "ok");
  return thread;
}

Thread& Lab::passive_server(Cptr endpoint, Cptr reply, ThreadOptions options) {
  Thread& server = thread(options);
  server.does(recv(endpoint, reply));
  REQUIRE(server.state() == ThreadState::BlockedOnReceive);
  REQUIRE(unbind(server.sc) == "ok");
  return server;
}

// ── Invocations ──────────────────────────────────────────────────────────────────────────────────────────────
Outcome Lab::root_does(Action action) {
  wake_root();
  Thread& root = threads_.front();
  root.later(std::move(action));
  while (!root.script_.empty()) {
    const Next next = next_entry();
    if (next.time == kNever) break;
    perform(next);
    if (root.gone || root.object().state == ThreadState::Inactive) break;
  }
  return root.outcome();
}
Outcome Lab::invoke(Cptr cap, Invoke label, Words words, std::vector<Cptr> caps) {
  return root_does(lab::invoke(cap, label, std::move(words), std::move(caps)));
}
Outcome Lab::retype(Cptr untyped, ObjectType type, u64 size_bits, Cptr first, u64 count) {
  return invoke(untyped, Invoke::UntypedRetype, {static_cast<u64>(type), size_bits, 0, 0, first, count}, {kRootCNode});
}
Outcome Lab::copy(Place to, Place from, u64 rights) {
  return invoke(to.cnode, Invoke::CNodeCopy, {to.index, to.depth, from.index, from.depth, rights}, {from.cnode});
}
Outcome Lab::mint(Place to, Place from, u64 data, u64 rights) {
  return invoke(to.cnode, Invoke::CNodeMint, {to.index, to.depth, from.index, from.depth, rights, data}, {from.cnode});
}
Outcome Lab::move(Place to, Place from) {
  return invoke(to.cnode, Invoke::CNodeMove, {to.index, to.depth, from.index, from.depth}, {from.cnode});
}
Outcome Lab::mutate(Place to, Place from, u64 data) {
  return invoke(to.cnode, Invoke::CNodeMutate, {to.index, to.depth, from.index, from.depth, data}, {from.cnode});
}
Outcome Lab::rotate(Place to, Place pivot, Place from, u64 pivot_data, u64 source_data) {
  return invoke(to.cnode, Invoke::CNodeRotate,
                {to.index, to.depth, pivot_data, pivot.index, pivot.depth, source_data, from.index, from.depth},
                {pivot.cnode, from.cnode});
}
Outcome Lab::revoke(Place at) { return invoke(at.cnode, Invoke::CNodeRevoke, {at.index, at.depth}); }
Outcome Lab::remove(Place at) { return invoke(at.cnode, Invoke::CNodeDelete, {at.index, at.depth}); }
Outcome Lab::cancel_badged_sends(Place at) {
  return invoke(at.cnode, Invoke::CNodeCancelBadgedSends, {at.index, at.depth});
}
Outcome Lab::set_priority(const Thread& thread, u64 priority, Cptr authority) {
  return invoke(thread.tcb, Invoke::TcbSetPriority, {priority}, {authority});
}
Outcome Lab::bind_notification(const Thread& thread, Cptr notification) {
  return invoke(thread.tcb, Invoke::TcbBindNotification, {}, {notification});
}
Outcome Lab::configure_sc(Cptr sc, u64 budget, u64 period, u64 extra, u64 badge, u64 flags, u64 home, Cptr control) {
  return invoke(control, Invoke::SchedControlConfigure, {budget, period, extra, badge, flags, home}, {sc});
}
Outcome Lab::configure_child(Cptr parent, Cptr child, u64 budget, u64 period, u64 extra, u64 badge, u64 flags,
                             u64 home) {
  return invoke(parent, Invoke::SchedContextConfigureChild, {budget, period, extra, badge, flags, home}, {child});
}
Outcome Lab::map(Cptr frame, Cptr vspace, u64 vaddr, u64 rights, u64 attributes) {
  return invoke(frame, Invoke::FrameMap, {vaddr, rights, attributes}, {vspace});
}
Outcome Lab::map_table(Cptr table, Cptr vspace, u64 vaddr) {
  return invoke(table, Invoke::PageTableMap, {vaddr}, {vspace});
}

}  // namespace lab
