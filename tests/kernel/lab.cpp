// tests/kernel/lab.cpp — the world around the kernel under test: cores with local times, outside events, threads that
// follow their scripts.
#include "tests/kernel/lab.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <ostream>
#include <sstream>

namespace lab {
namespace {

constexpr u32 kRootLine = 255;          // wakes the root task
constexpr u64 kPatience = ms(200);      // `settle` ends when nothing new happened for so long
constexpr u64 kBufferAddresses = 0x4000'0000;

const char* const kLabelNames[] = {"ok", "InvalidArgument", "InvalidCapability", "IllegalOperation", "RangeError",
                                   "AlignmentError", "FailedLookup", "TruncatedMessage", "DeleteFirst",
                                   "RevokeFirst", "NotEnoughMemory", "ReplyLost", "nothing", "signal"};

std::string listed(const Words& words) {
  std::string text = "(";
  for (std::size_t i = 0; i < words.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(words[i]);
  return text + ")";
}

bool gives_message(i32 number) {
  switch (static_cast<Syscall>(number)) {
    case Syscall::ReplyRecv: case Syscall::NBSendRecv: case Syscall::NBSendWait: case Syscall::Recv:
    case Syscall::NBRecv: case Syscall::Wait: case Syscall::NBWait: case Syscall::Poll: return true;
    default: return false;
  }
}

Action system_call_of(Syscall number, Cptr cap, Message body = {}, Cptr reply = 0, Cptr dest = 0) {
  Action action;
  action.frame.call = static_cast<i32>(number);
  action.frame.cap = cap;
  action.frame.reply = reply;
  action.frame.dest = dest;
  action.message = std::move(body);
  return action;
}

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

// ── Actions ──────────────────────────────────────────────────────────────────────────────────────────────────
Message message(u64 label, Words words, std::vector<Cptr> caps) {
  return {label, std::move(words), std::move(caps), false, 0};
}
Action send(Cptr cap, Message body) { return system_call_of(Syscall::Send, cap, std::move(body)); }
Action nb_send(Cptr cap, Message body) { return system_call_of(Syscall::NBSend, cap, std::move(body)); }
Action call(Cptr cap, Message body) { return system_call_of(Syscall::Call, cap, std::move(body)); }
Action recv(Cptr cap, Cptr reply) { return system_call_of(Syscall::Recv, cap, {}, reply); }
Action nb_recv(Cptr cap, Cptr reply) { return system_call_of(Syscall::NBRecv, cap, {}, reply); }
Action reply_recv(Cptr cap, Cptr reply, Message body) {
  return system_call_of(Syscall::ReplyRecv, cap, std::move(body), reply);
}
Action nb_send_recv(Cptr dest, Message body, Cptr cap, Cptr reply) {
  return system_call_of(Syscall::NBSendRecv, cap, std::move(body), reply, dest);
}
Action nb_send_wait(Cptr dest, Message body, Cptr cap) {
  return system_call_of(Syscall::NBSendWait, cap, std::move(body), 0, dest);
}
Action wait(Cptr cap) { return system_call_of(Syscall::Wait, cap); }
Action nb_wait(Cptr cap) { return system_call_of(Syscall::NBWait, cap); }
Action signal(Cptr cap) { return system_call_of(Syscall::Signal, cap); }
Action poll(Cptr cap) { return system_call_of(Syscall::Poll, cap); }
Action yield() { return system_call_of(Syscall::Yield, 0); }
Action system_call(i32 number, Message body, Cptr cap) {
  return system_call_of(static_cast<Syscall>(number), cap, std::move(body));
}
Action invoke(Cptr cap, Invoke label, Words words, std::vector<Cptr> caps) {
  return call(cap, message(static_cast<u64>(label), std::move(words), std::move(caps)));
}
Action compute(u64 ns) {
  Action action;
  action.kind = Action::Kind::Compute;
  action.ns = ns;
  return action;
}
Action spin() {
  Action action;
  action.kind = Action::Kind::Spin;
  return action;
}
Action fault(FaultType type, Words words) {
  Action action;
  action.kind = Action::Kind::Fault;
  action.fault.type = static_cast<u16>(type);
  for (std::size_t i = 0; i < words.size() && i < 4; ++i) action.fault.words[i] = words[i];
  return action;
}

// ── Outcomes ─────────────────────────────────────────────────────────────────────────────────────────────────
std::string Outcome::text() const {
  if (!done) return "pending";
  std::string text;
  if (!received && !kernel) return is_reply ? std::to_string(label) + listed(words) : "done";
  if (kernel && !received) {
    text = label < 14 ? kLabelNames[label] : "label " + std::to_string(label);
    return words.empty() ? text : text + listed(words);
  }
  if (kernel && label == static_cast<u64>(ResultLabel::Signal)) return "signal " + std::to_string(badge);
  if (kernel && label == static_cast<u64>(ResultLabel::Nothing)) return "nothing";
  text = (kernel ? "fault " : "") + std::to_string(label) + listed(words);
  if (badge != 0) text += " badge " + std::to_string(badge);
  return text;
}
std::ostream& operator<<(std::ostream& out, const Outcome& outcome) { return out << outcome.text(); }

// ── Threads ──────────────────────────────────────────────────────────────────────────────────────────────────
Tcb& Thread::object() const { return lab_->kernel_->at(ref); }
SchedContext& Thread::sc_object() const {
  REQUIRE(bool(object().sc));
  return lab_->kernel_->at(object().sc);
}
ThreadState Thread::state() const { return object().state; }
bool Thread::parked() const { return !gone && parking_ && object().frame.pending != 0; }
bool Thread::finished() const {
  if (script_.empty()) return true;
  return script_.size() == 1 && issued_ && !parking_ && !gone && object().frame.pending == 0;
}
IpcBuffer* Thread::buffer() const {
  const Tcb& thread = object();
  const Cap& cap = thread.slots[kTcbBuffer].cap;
  if (cap.type != CapType::Frame || thread.buffer_vaddr == 0) return nullptr;
  const u64 inside = thread.buffer_vaddr & ((u64{1} << cap.bits) - 1);
  return reinterpret_cast<IpcBuffer*>(lab_->ram_ + cap.object + inside);
}
void Thread::receive_into(Cptr cnode, u64 index, u64 depth) {
  IpcBuffer* there = buffer();
  REQUIRE(there != nullptr);
  there->receive_root = cnode;
  there->receive_index = index;
  there->receive_depth = depth;
}

void Thread::capture() {
  const UserFrame& frame = object().frame;
  Outcome told;
  told.done = true;
  told.call = frame.call;
  told.received = gives_message(frame.call);
  told.is_reply = frame.call == static_cast<i32>(Syscall::Call);
  if (told.received || told.is_reply) {
    const MessageInfo info{frame.info};
    told.kernel = info.from_kernel();
    told.label = info.label();
    told.length = info.length();
    told.badge = frame.cap;
    for (u32 i = 0; i < kMessageRegisters; ++i) told.mr[i] = frame.mr[i];
    told.extra_caps = info.extra_caps();
    told.in_buffer = info.in_buffer();
    const IpcBuffer* there = buffer();
    for (u32 i = 0; i < info.length(); ++i) {
      if (there != nullptr && (info.in_buffer() || i >= kMessageRegisters)) {
        told.words.push_back(there->msg[i]);
      } else if (i < kMessageRegisters) {
        told.words.push_back(frame.mr[i]);
      }
    }
    if (there != nullptr) {
      told.unwrapped = there->caps_unwrapped;
      for (u32 i = 0; i < 3; ++i) told.badges[i] = there->caps_or_badges[i];
    }
  }
  last_ = told;
}

Outcome Thread::outcome() {
  if (issued_ && !parking_) {
    if (gone || object().frame.pending != 0) return {};
    capture();
  }
  return last_;
}
Thread& Thread::later(Action action) {
  if (parked()) lab_->to_unpark_.push_back(this);
  script_.push_back(std::move(action));
  last_ = {};
  return *this;
}
Thread& Thread::later(std::initializer_list<Action> actions) {
  for (const Action& action : actions) later(action);
  return *this;
}
Outcome Thread::does(Action action) {
  later(std::move(action));
  lab_->settle();
  return finished() ? outcome() : Outcome{};
}

// ── Building ─────────────────────────────────────────────────────────────────────────────────────────────────
void Lab::map_memory() {
  void* memory = ::mmap(nullptr, options_.ram_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  REQUIRE(memory != MAP_FAILED);
  ram_ = static_cast<u8*>(memory);
  scratch_.resize(options_.ram_bytes / 16);
  const base::EventSink sink{[](void* context, const base::EventRecord& record) {
                               Lab& self = *static_cast<Lab*>(context);
                               if (self.keep_events) self.events.push_back(record);
                             },
                             this};
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
    : horizon(other.horizon), events(other.events), stretches(other.stretches), check_every(other.check_every),
      general_untyped(other.general_untyped), root_holds_(other.root_holds_), options_(other.options_),
      threads_(other.threads_), cores_(other.cores_), outside_(other.outside_), sequence_(other.sequence_),
      now_(other.now_), next_slot_(other.next_slot_), root_irq_(other.root_irq_), root_cnode_(other.root_cnode_) {
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

// ── The world ────────────────────────────────────────────────────────────────────────────────────────────────
Thread* Lab::thread_of(Ref<Tcb> ref) {
  if (!ref) return nullptr;
  const auto found = by_ref_.find(ref.offset);
  if (found != by_ref_.end()) return found->second;
  threads_.emplace_back();  // made by the test without telling: it spins
  Thread& thread = threads_.back();
  thread.lab_ = this;
  thread.ref = ref;
  thread.name = "t" + std::to_string(threads_.size() - 1);
  thread.parks_ = false;
  by_ref_[ref.offset] = &thread;
  return &thread;
}
void Lab::thread_gone(Ref<Tcb> ref) {
  threads_gone.push_back(ref.offset);
  const auto found = by_ref_.find(ref.offset);
  if (found == by_ref_.end()) return;
  found->second->gone = true;
  by_ref_.erase(found);
}

void Lab::check(const std::string& after) {
  const Violation broken = check_invariants(*kernel_, {scratch_.data(), scratch_.size()});
  if (broken) {
    std::ostringstream text;
    text << "invariant " << broken.name << " is broken at object 0x" << std::hex << broken.object << " (detail 0x"
         << broken.detail << ") after " << after;
    FAIL(text.str());
  }
}

void Lab::enter(const Entry& entry, const std::string& what) {
  Core& core = cores_[entry.core];
  const Exit exit = kernel_->enter(entry);
  entries += 1;
  core.time = entry.now + exit.cost;
  now_ = std::max(now_, core.time);
  const u64 horizon_then = std::max(entry.horizon, entry.now);
  if (core.time > horizon_then) longest_overrun = std::max(longest_overrun, core.time - horizon_then);
  core.thread = thread_of(exit.next);
  core.run_end = exit.run_for > kNever - core.time ? kNever : core.time + exit.run_for;
  core.timer = exit.timer;
  core.again = exit.run_for == 0 && core.thread != nullptr;
  core.restart = exit.restart;
  for (u32 target = 0; target < options_.cores; ++target) {
    if (!exit.poke.test(target)) continue;
    REQUIRE(target != entry.core);
    outside_.push_back({core.time + options_.costs.ipi_latency, sequence_++, target, EntryKind::Poke, 0});
  }
  if (Thread* thread = core.thread; thread != nullptr) {
    INFO("after " << what << " thread " << thread->name << " runs on core " << entry.core);
    const bool pending = thread->object().frame.pending != 0;
    REQUIRE(pending == exit.restart);
    for (u32 other = 0; other < options_.cores; ++other) {
      if (other != entry.core) REQUIRE((cores_[other].thread != thread || thread->object().core == entry.core));
    }
    if (!pending && thread->parking_) {
      thread->parking_ = thread->issued_ = false;
    } else if (!pending && thread->issued_) {
      thread->capture();
      thread->script_.pop_front();
      thread->issued_ = false;
    }
  }
  if (check_every != 0 && entries % check_every == 0) check(what);
  if (after_entry) after_entry();
}

void Lab::pass_user_time(u32 index, u64 until) {
  Core& core = cores_[index];
  if (until <= core.time) return;
  if (core.thread != nullptr) {
    Thread& thread = *core.thread;
    const u64 ns = until - core.time;
    thread.ran_ns += ns;
    if (!stretches.empty() && stretches.back().thread == thread.ref && stretches.back().core == index &&
        stretches.back().to == core.time) {
      stretches.back().to = until;
    } else if (keep_stretches) {
      stretches.push_back({thread.ref, index, core.time, until});
    }
    if (!thread.gone && !core.restart && !thread.issued_ && !thread.script_.empty() &&
        thread.script_.front().kind == Action::Kind::Compute) {
      Action& action = thread.script_.front();
      REQUIRE(ns <= action.ns);
      action.ns -= ns;
    }
  }
  core.time = until;
}

Lab::Next Lab::next_entry() {
  Next best;
  const auto offer = [&best](const Next& next) {
    if (next.time < best.time || (next.time == best.time && next.outside >= 0 && best.outside < 0)) best = next;
  };
  for (std::size_t i = 0; i < outside_.size(); ++i) {
    const Outside& event = outside_[i];
    const Next next{std::max(event.time, cores_[event.core].time), event.core, static_cast<int>(i), event.kind};
    if (best.outside < 0 || next.time < best.time ||
        (next.time == best.time && event.sequence < outside_[static_cast<std::size_t>(best.outside)].sequence)) {
      if (next.time <= best.time) best = next;
    }
  }
  for (u32 index = 0; index < options_.cores; ++index) {
    const Core& core = cores_[index];
    Next next{kNever, index, -1, EntryKind::Expiry};
    if (core.thread == nullptr) {
      if (core.timer != 0) next.time = std::max(core.timer, core.time);
    } else if (Thread& thread = *core.thread; core.again || core.time >= core.run_end) {
      next.time = core.time;
    } else if (thread.gone) {
      next.time = core.run_end;
    } else if (core.restart) {
      next = {core.time, index, -1, EntryKind::Syscall};
    } else if (thread.script_.empty()) {
      const bool holds = index == 0 && root_holds_ && &thread == &threads_.front();
      if (holds) {
        next.time = kNever;
      } else if (thread.park != 0 && thread.parks_) {
        next = {core.time, index, -1, EntryKind::Syscall};
      } else {
        next.time = core.run_end;
      }
    } else {
      const Action& action = thread.script_.front();
      switch (action.kind) {
        case Action::Kind::Call: next = {core.time, index, -1, EntryKind::Syscall}; break;
        case Action::Kind::Fault: next = {core.time, index, -1, EntryKind::Fault}; break;
        case Action::Kind::Spin: next.time = core.run_end; break;
        case Action::Kind::Compute:
          next.time = core.run_end;
          if (action.ns <= core.run_end - core.time) next = {core.time + action.ns, index, -1, EntryKind::Boot};
          break;
      }
    }
    offer(next);
  }
  return best;
}

void Lab::issue(Thread& thread) {
  UserFrame& frame = thread.object().frame;
  if (thread.script_.empty()) {
    frame = wait(thread.park).frame;
    frame.pending = 1;
    thread.parking_ = thread.issued_ = true;
    return;
  }
  const Action& action = thread.script_.front();
  const Message& body = action.message;
  frame = action.frame;
  IpcBuffer* buffer = thread.buffer();
  const u32 length = static_cast<u32>(body.words.size());
  frame.info = MessageInfo::make(body.label, length, static_cast<u32>(body.caps.size()),
                                 body.in_buffer ? MessageInfo::kInBuffer : 0).word() | body.raw_info;
  for (u32 i = 0; i < length; ++i) {
    if (i < kMessageRegisters && !body.in_buffer) frame.mr[i] = body.words[i];
    if (buffer != nullptr && (i >= kMessageRegisters || body.in_buffer) && i < kMessageWordsMax) {
      buffer->msg[i] = body.words[i];
    }
  }
  for (std::size_t i = 0; i < body.caps.size() && i < 3 && buffer != nullptr; ++i) {
    buffer->caps_or_badges[i] = body.caps[i];
  }
  frame.pending = 1;
  thread.issued_ = true;
  thread.parking_ = false;
  thread.last_ = {};
}

void Lab::perform(const Next& next) {
  Core& core = cores_[next.core];
  pass_user_time(next.core, next.time);
  now_ = std::max(now_, core.time);
  Entry entry;
  entry.core = static_cast<u16>(next.core);
  entry.kind = next.kind;
  entry.now = core.time;
  std::string what;
  if (next.outside >= 0) {
    const Outside event = outside_[static_cast<std::size_t>(next.outside)];
    outside_.erase(outside_.begin() + next.outside);
    entry.irq = event.irq;
    what = event.kind == EntryKind::Irq ? "an interrupt" : "a poke";
    progress_ = true;
  } else if (next.kind == EntryKind::Boot) {  // the end of a computation is no entry
    core.thread->script_.pop_front();
    progress_ = true;
    return;
  } else if (next.kind == EntryKind::Expiry) {
    what = "an expiry";
  } else {
    Thread& thread = *core.thread;
    progress_ = true;
    if (next.kind == EntryKind::Fault) {
      entry.fault = thread.script_.front().fault;
      thread.script_.pop_front();
      what = "a fault of " + thread.name;
    } else {
      if (!core.restart) issue(thread);
      what = "call " + std::to_string(thread.object().frame.call) + " label " +
             std::to_string(MessageInfo{thread.object().frame.info}.label()) + " of " + thread.name +
             (core.restart ? " (repeated)" : "");
    }
  }
  entry.horizon = kNever;
  for (const Outside& event : outside_) {
    if (event.core == next.core) entry.horizon = std::min(entry.horizon, event.time);
  }
  if (horizon) entry.horizon = horizon(next.core, entry.now);
  enter(entry, what);
}

void Lab::raise_irq_at(u32 line, u64 time) {
  outside_.push_back({time, sequence_++, kernel_->irq(line).core, EntryKind::Irq, line});
}

void Lab::wake_root() {
  if (root_holds_) return;
  Thread& root = threads_.front();
  raise_irq_at(kRootLine, now_);
  u64 rounds = 0;
  while (!(cores_[0].thread == &root && !root.parking_)) {
    const Next next = next_entry();
    REQUIRE(next.time != kNever);
    REQUIRE(++rounds < 1'000'000);
    perform(next);
  }
  root_holds_ = true;
  const auto saved = horizon;  // the lab's own calls are not what a test wants to interrupt
  horizon = nullptr;
  REQUIRE(root_does(lab::invoke(root_irq_, Invoke::IrqHandlerAck)) == "ok");
  horizon = saved;
}
void Lab::unpark_all() {
  while (!to_unpark_.empty()) {
    Thread& thread = *to_unpark_.front();
    to_unpark_.erase(to_unpark_.begin());
    if (!thread.parked()) continue;
    const auto waiting = std::count(to_unpark_.begin(), to_unpark_.end(), &thread);
    if (waiting > 0) continue;
    wake_root();
    root_does(signal(thread.park));
  }
  root_holds_ = false;
}

void Lab::settle() {
  unpark_all();
  u64 patience_end = now_ + kPatience;
  for (;;) {
    const Next next = next_entry();
    if (next.time == kNever || next.time > patience_end) break;
    progress_ = false;
    perform(next);
    if (progress_) patience_end = now_ + kPatience;
  }
}

void Lab::run_until(u64 time) {
  unpark_all();
  for (;;) {
    const Next next = next_entry();
    if (next.time > time) break;
    perform(next);
  }
  for (u32 index = 0; index < options_.cores; ++index) {
    if (cores_[index].thread != nullptr) pass_user_time(index, time);
  }
  now_ = std::max(now_, time);
}

Outcome settled(Lab& lab, Outcome outcome) {
  lab.settle();
  return outcome;
}

// ── Looking ──────────────────────────────────────────────────────────────────────────────────────────────────
const BootInfo& Lab::boot_info() const {
  const Slot* slots = reinterpret_cast<const Slot*>(ram_ + root_cnode_);
  return *reinterpret_cast<const BootInfo*>(ram_ + slots[kRootBootInfo].cap.object);
}
Slot& Lab::slot_of(Cptr at) { return reinterpret_cast<Slot*>(ram_ + root_cnode_)[at]; }
Slot& Lab::slot_in(Cptr cnode, u64 index) { return reinterpret_cast<Slot*>(ram_ + cap(cnode).object)[index]; }
u32 Lab::parent_of(Cptr at) {
  const Slot* slot = &slot_of(at);
  REQUIRE(!slot->cap.is_null());
  while ((slot->next & 1) == 0) {
    REQUIRE(slot->next != 0);
    slot = reinterpret_cast<const Slot*>(ram_ + slot->next);
  }
  return slot->next & ~1u;
}
std::vector<u32> Lab::children_of(u32 offset) const {
  std::vector<u32> found;
  for (u32 at = reinterpret_cast<const Slot*>(ram_ + offset)->first_child; at != 0;) {
    found.push_back(at);
    const u32 next = reinterpret_cast<const Slot*>(ram_ + at)->next;
    at = (next & 1) != 0 ? 0 : next;
  }
  return found;
}
bool Lab::SeenSlot::operator==(const SeenSlot& other) const {
  return offset == other.offset && std::memcmp(&slot, &other.slot, sizeof slot) == 0;
}
std::vector<Lab::SeenSlot> Lab::caps() const {
  std::vector<SeenSlot> seen;
  const u32 anchor = kKernelRegionOffset + static_cast<u32>(offsetof(KernelHeader, anchor));
  for (u32 at = anchor; at != 0;) {
    const Slot* slot = reinterpret_cast<const Slot*>(ram_ + at);
    seen.push_back({at, *slot});
    if (slot->first_child != 0) {
      at = slot->first_child;
      continue;
    }
    while (at != anchor && (slot->next & 1) != 0) {
      at = slot->next & ~1u;
      slot = reinterpret_cast<const Slot*>(ram_ + at);
    }
    at = at == anchor ? 0 : slot->next;
  }
  return seen;
}
std::string Lab::refills(Cptr at, u64 start, u64 unit) {
  const SchedContext& sc = object<SchedContext>(at);
  std::string text;
  for (u32 i = 0; i < sc.refill_count; ++i) {
    const Refill& refill = sc.refills[(sc.refill_head + i) % sc.refill_max];
    const u64 time = refill.time < start ? 0 : (refill.time - start) / unit;
    text += (i == 0 ? "(" : " (") + std::to_string(time) + "," + std::to_string(refill.amount / unit) + ")";
  }
  return text;
}
u32 Lab::zombies() const {
  u32 count = 0;
  for (const SeenSlot& seen : caps()) count += seen.slot.cap.type == CapType::Zombie ? 1 : 0;
  return count;
}
u64 Lab::bytes_left(Cptr untyped) {
  const Cap& memory = cap(untyped);
  return (u64{1} << memory.bits) - (slot_of(untyped).first_child == 0 ? 0 : memory.data);
}
bool Lab::all_zero(u64 offset, u64 bytes) const {
  return bytes == 0 || (ram_[offset] == 0 && std::memcmp(ram_ + offset, ram_ + offset + 1, bytes - 1) == 0);
}
Thread* Lab::running_on(u32 core) { return cores_[core].thread; }
std::vector<base::EventRecord> Lab::events_of(base::EventKind kind) const {
  std::vector<base::EventRecord> found;
  for (const base::EventRecord& event : events) {
    if (event.kind == kind) found.push_back(event);
  }
  return found;
}
u64 Lab::ran(const Thread& thread, u64 from, u64 to) const {
  u64 total = 0;
  for (const Stretch& stretch : stretches) {
    if (!(stretch.thread == thread.ref)) continue;
    const u64 first = std::max(from, stretch.from);
    const u64 last = std::min(to, stretch.to);
    if (first < last) total += last - first;
  }
  return total;
}
u64 Lab::most_in_window(const std::vector<const Thread*>& threads, u64 window) const {
  const auto chosen = [&threads](Ref<Tcb> ref) {
    return std::any_of(threads.begin(), threads.end(), [ref](const Thread* thread) { return thread->ref == ref; });
  };
  std::vector<Stretch> mine;
  for (const Stretch& stretch : stretches) {
    if (chosen(stretch.thread)) mine.push_back(stretch);
  }
  std::sort(mine.begin(), mine.end(), [](const Stretch& a, const Stretch& b) { return a.from < b.from; });
  u64 most = 0;
  for (std::size_t i = 0; i < mine.size(); ++i) {  // a fullest window begins where a stretch begins, or ends where one ends
    for (const bool begins : {true, false}) {
      if (!begins && mine[i].to < window) continue;
      const u64 from = begins ? mine[i].from : mine[i].to - window;
      u64 total = 0;
      for (const Stretch& stretch : mine) {
        const u64 first = std::max(from, stretch.from);
        const u64 last = std::min(from + window, stretch.to);
        if (first < last) total += last - first;
      }
      most = std::max(most, total);
    }
  }
  return most;
}

}  // namespace lab
