// tests/kernel/fuzz_test.cpp — every call with random words and capabilities: whatever a guest does, the kernel answers,
// no assertion fails and every invariant holds. The laboratory makes the objects; from then on entries come from the
// seed alone.
#include "tests/kernel/lab.h"
#include "tests/rounds.h"

#include <algorithm>

using namespace lab;

namespace {

constexpr Invoke kLabels[] = {Invoke::UntypedRetype,
                              Invoke::TcbReadRegisters,
                              Invoke::TcbWriteRegisters,
                              Invoke::TcbCopyRegisters,
                              Invoke::TcbConfigure,
                              Invoke::TcbSetPriority,
                              Invoke::TcbSetMcp,
                              Invoke::TcbSetSchedParams,
                              Invoke::TcbSetTimeoutEndpoint,
                              Invoke::TcbSetIpcBuffer,
                              Invoke::TcbSetSpace,
                              Invoke::TcbSuspend,
                              Invoke::TcbResume,
                              Invoke::TcbBindNotification,
                              Invoke::TcbUnbindNotification,
                              Invoke::TcbSetTls,
                              Invoke::TcbSetEngine,
                              Invoke::TcbSetName,
                              Invoke::TcbInspect,
                              Invoke::CNodeRevoke,
                              Invoke::CNodeDelete,
                              Invoke::CNodeCancelBadgedSends,
                              Invoke::CNodeCopy,
                              Invoke::CNodeMint,
                              Invoke::CNodeMove,
                              Invoke::CNodeMutate,
                              Invoke::CNodeRotate,
                              Invoke::CNodeInspect,
                              Invoke::IrqControlGet,
                              Invoke::IrqHandlerAck,
                              Invoke::IrqHandlerSetNotification,
                              Invoke::IrqHandlerClear,
                              Invoke::SchedControlConfigure,
                              Invoke::SchedContextBind,
                              Invoke::SchedContextUnbind,
                              Invoke::SchedContextUnbindObject,
                              Invoke::SchedContextConsumed,
                              Invoke::SchedContextYieldTo,
                              Invoke::SchedContextConfigureChild,
                              Invoke::FrameMap,
                              Invoke::FrameUnmap,
                              Invoke::FrameGetAddress,
                              Invoke::PageTableMap,
                              Invoke::PageTableUnmap,
                              Invoke::AsidControlMakePool,
                              Invoke::AsidPoolAssign};

CapType target_of(Invoke label) {
  const u64 number = static_cast<u64>(label);
  if (number < 0x20) return CapType::Untyped;
  if (number < 0x40) return CapType::Tcb;
  if (number < 0x60) return CapType::CNode;
  if (number < 0x68) return CapType::IrqControl;
  if (number < 0x70) return CapType::IrqHandler;
  if (number < 0x78) return CapType::SchedControl;
  if (number < 0x90) return CapType::SchedContext;
  if (number < 0x98) return CapType::Frame;
  if (number < 0xA8) return CapType::PageTable;
  if (number < 0xB0) return CapType::AsidControl;
  return CapType::AsidPool;
}

class Fuzz {
 public:
  Fuzz(u64 seed, u32 cores) : prng_(seed, "test.kernel-fuzz", cores), lab_(options(cores)) {
    lab_.keep_events = false;
    lab_.check_every = 0;
    make_objects(cores);
    scratch_.resize(lab_.kernel().ram_bytes() / 16);
    for (u32 i = 0; i < cores; ++i) now_ = std::max(now_, lab_.kernel().core(i).local_time);
  }

  void step() {
    Kernel& kernel = lab_.kernel();
    Entry entry;
    entry.core = static_cast<u16>(prng_.below(kernel.core_count()));
    const CoreState& core = kernel.core(entry.core);
    now_ = std::max(now_, core.local_time);
    now_ += prng_.below(4) == 0 ? prng_.below(ms(3)) : prng_.below(us(3));
    entry.now = now_;
    const u64 patience = prng_.below(4) == 0 ? prng_.below(2'000) : kNever - now_;
    entry.horizon = now_ + patience;
    const u64 kind = prng_.below(20);
    if (core.current && kind < 14) {
      entry.kind = EntryKind::Syscall;
      issue(kernel.at(core.current));
    } else if (core.current && kind == 14) {
      entry.kind = EntryKind::Fault;
      entry.fault = random_fault();
    } else if (kind == 15) {
      entry.kind = EntryKind::Irq;
      entry.irq = static_cast<u32>(prng_.below(kAlarmLine));
    } else {
      entry.kind = kind < 18 ? EntryKind::Expiry : EntryKind::Poke;
    }
    // Half of the entries come with a port that answers anything.
    entry.choices = {
        [](void* self, Choice, u32 count) { return static_cast<u32>(static_cast<Fuzz*>(self)->prng_.below(count)); },
        this};
    if (prng_.below(2) == 0) entry.choices = {};
    const Exit exit = kernel.enter(entry);
    const CoreState& after = kernel.core(entry.core);
    REQUIRE(exit.next == after.current);
    if (exit.next) REQUIRE(exit.restart == (kernel.at(exit.next).frame.pending != 0));
    REQUIRE_FALSE(exit.poke.test(entry.core));
    answered_ += exit.next ? 1 : 0;
  }

  void check(bool memory_too) {
    const base::MutableBytes scratch{scratch_.data(), scratch_.size()};
    const Kernel& kernel = lab_.kernel();
    const Violation broken = memory_too ? check_invariants(kernel, scratch) : check_threads(kernel, scratch);
    INFO("object " << broken.object << " detail " << broken.detail);
    REQUIRE(std::string(broken.name) == "");
  }
  u64 answered() const { return answered_; }

 private:
  static Options options(u32 cores) {
    Options options;
    options.cores = cores;
    options.stealing = cores > 1;
    return options;
  }

  // The threads live in a CNode of their own, the room. Of most objects they have copies there, so that the keeper (the
  // root task, whom they cannot reach) can give back what they destroyed; some are theirs alone.
  enum class Give : u8 { Copy, Move };
  Cptr keep(Cptr original, Give how = Give::Copy) {
    const Place place(room_, caps_.size() + 1, 64);
    if (how == Give::Copy) {
      REQUIRE(lab_.copy(place, original) == "ok");
    } else {
      REQUIRE(lab_.move(place, original) == "ok");
    }
    caps_.push_back(
        {caps_.size() + 1, how == Give::Copy ? original : 0, lab_.slot_in(room_node_, place.index).cap.type});
    return original;
  }

  void make_objects(u32 cores) {
    room_node_ = lab_.cnode(kRoomRadix);
    room_ = lab_.slot();
    REQUIRE(lab_.mint(room_, room_node_, 64 - kRoomRadix) == "ok");
    keep(room_);
    for (const u32 slot : {kRootVSpace, kRootAsidControl, kRootAsidPool, kRootSchedControl}) keep(slot);
    const Cptr endpoint = keep(lab_.endpoint());
    for (u32 i = 0; i < 2; ++i) keep(lab_.endpoint(), i == 0 ? Give::Copy : Give::Move);
    for (u32 i = 0; i < 2; ++i) keep(lab_.minted(endpoint, i + 5), Give::Move);
    const Cptr notification = keep(lab_.notification());
    keep(lab_.notification(), Give::Move);
    for (u32 i = 0; i < 4; ++i) keep(lab_.reply(), i % 2 == 0 ? Give::Copy : Give::Move);
    for (u32 i = 0; i < 2; ++i) keep(lab_.cnode(4), Give::Move);
    for (u32 i = 0; i < 2; ++i) keep(lab_.untyped(17), Give::Move);
    for (u32 i = 0; i < 2; ++i) keep(lab_.frame(13), Give::Move);
    keep(lab_.page_table(), Give::Move);
    keep(lab_.vspace(), Give::Move);
    const Cptr tree = keep(lab_.configured_sc(ms(4), ms(10), 2, 7, kSchedInner));
    for (u32 i = 0; i < 3; ++i) {
      const Cptr child = lab_.sched_context();
      REQUIRE(lab_.configure_child(tree, child, ms(2), ms(10), 3, i) == "ok");
      keep(child, i == 0 ? Give::Copy : Give::Move);
    }
    keep(lab_.sched_context());
    for (u32 i = 0; i < 6; ++i) {
      ThreadOptions options{.core = static_cast<u32>(prng_.below(cores)),
                            .budget = ms(1),
                            .period = ms(1 + prng_.below(4)),
                            .parks = false};
      options.priority = static_cast<u8>(90 + prng_.below(3));
      options.cspace = room_;
      if (prng_.below(2) == 0) options.fault_endpoint = endpoint;
      if (prng_.below(3) == 0) options.timeout_endpoint = endpoint;
      Thread& thread = lab_.thread(options);
      threads_.push_back({thread.tcb, thread.sc, options.priority, lab_.slot(), thread.object().buffer_vaddr});
      REQUIRE(lab_.copy(threads_.back().buffer, lab_.frame(13)) == "ok");
      keep(thread.tcb);
      keep(thread.sc);
    }
    keep(lab_.irq_handler(3, notification), Give::Move);
    park_ = lab_.notification();
    alarm_ = lab_.irq_handler(kAlarmLine, park_);
    keep(kRootIrqControl, Give::Move);
    root_ = lab_.root().ref;
  }

  // One call of the keeper, repeated while it is interrupted.
  void keeper_calls(Action action) {
    Kernel& kernel = lab_.kernel();
    Tcb& tcb = kernel.at(root_);
    tcb.frame = action.frame;
    IpcBuffer& buffer = *lab_.root().buffer();
    const Message& body = action.message;
    tcb.frame.info =
        MessageInfo::make(body.label, static_cast<u32>(body.words.size()), static_cast<u32>(body.caps.size())).word();
    for (std::size_t i = 0; i < body.words.size(); ++i) (i < 4 ? tcb.frame.mr[i] : buffer.msg[i]) = body.words[i];
    for (std::size_t i = 0; i < body.caps.size(); ++i) buffer.caps_or_badges[i] = body.caps[i];
    tcb.frame.pending = 1;
    const bool waits = action.frame.call == static_cast<i32>(Syscall::Wait);
    for (u32 round = 0; round < 50 && tcb.frame.pending != 0 && tcb.state != ThreadState::BlockedOnNotification;
         ++round) {
      const bool mine = kernel.core(0).current == root_;
      enter_core_0(mine ? EntryKind::Syscall : EntryKind::Expiry, 0, mine ? 0 : ms(1));
    }
    REQUIRE((tcb.frame.pending == 0 || waits));
  }
  void enter_core_0(EntryKind kind, u32 irq, u64 later) {
    Kernel& kernel = lab_.kernel();
    now_ = std::max(now_, kernel.core(0).local_time) + later;
    Entry entry;
    entry.kind = kind;
    entry.irq = irq;
    entry.now = now_;
    entry.horizon = kNever;
    kernel.enter(entry);
  }

 public:
  /// The keeper gives back what can be given back.
  void revive() {
    Kernel& kernel = lab_.kernel();
    if (kernel.core(0).current != root_) enter_core_0(EntryKind::Irq, kAlarmLine, 0);
    REQUIRE(kernel.core(0).current == root_);
    for (const Known& known : caps_) {
      if (known.original == 0 || !lab_.slot_in(room_node_, known.cptr).cap.is_null()) continue;
      keeper_calls(
          lab::invoke(room_, Invoke::CNodeCopy, {known.cptr, 64, known.original, 64, kRightsAll}, {kRootCNode}));
    }
    for (const Revivable& thread : threads_) {
      const u64 priority = thread.priority;
      keeper_calls(
          lab::invoke(thread.tcb, Invoke::TcbConfigure, {0, thread.vaddr}, {room_, kRootVSpace, thread.buffer}));
      keeper_calls(lab::invoke(thread.tcb, Invoke::TcbSetSchedParams, {255, priority}, {kRootTcb, thread.sc, 0}));
      keeper_calls(
          lab::invoke(kRootSchedControl, Invoke::SchedControlConfigure, {ms(1), ms(2), 0, 0, 0, 0}, {thread.sc}));
      if (prng_.below(2) == 0) keeper_calls(lab::invoke(thread.tcb, Invoke::TcbResume));
    }
    keeper_calls(lab::invoke(alarm_, Invoke::IrqHandlerAck));
    keeper_calls(lab::wait(park_));
    REQUIRE(kernel.at(root_).state == ThreadState::BlockedOnNotification);
  }

 private:
  static constexpr u32 kRoomRadix = 9;
  static constexpr u32 kAlarmLine = 9;
  struct Known {
    Cptr cptr;
    Cptr original;  // 0: theirs alone
    CapType type;
  };
  struct Revivable {
    Cptr tcb;
    Cptr sc;
    u64 priority;
    Cptr buffer;
    u64 vaddr;
  };

  Cptr any_cptr() {
    switch (prng_.below(12)) {
      case 0: return prng_.next();
      case 1: return prng_.below(512);
      default: return caps_[prng_.below(caps_.size())].cptr;
    }
  }
  // Mostly a cap of the type that a label is for.
  Cptr cptr_of(CapType type) {
    for (u32 tries = 0; tries < 64; ++tries) {
      const Known& known = caps_[prng_.below(caps_.size())];
      if (known.type == type) return known.cptr;
    }
    return any_cptr();
  }

  u64 any_word() {
    switch (prng_.below(12)) {
      case 0: return prng_.next();
      case 1: return u64{1} << prng_.below(64);
      case 2: return 64;
      case 3: return ms(1 + prng_.below(10));
      case 4: return kMinBudget;
      case 5: return prng_.below(256);
      case 6: return prng_.below(1'024) << 12;
      case 7:
      case 8: return any_cptr();
      case 9: return 100 + prng_.below(400);  // perhaps an empty slot
      default: return prng_.below(16);
    }
  }

  void issue(Tcb& tcb) {
    UserFrame& frame = tcb.frame;
    if (frame.pending != 0) return;  // a call to be repeated
    frame = {};
    frame.pending = 1;
    const u64 choice = prng_.below(32);
    frame.call = choice < 16 ? static_cast<i32>(Syscall::Call) : -1 - static_cast<i32>(prng_.below(13));
    if (choice == 31) frame.call = static_cast<i32>(prng_.below(40)) - 36;
    const Invoke label = kLabels[prng_.below(std::size(kLabels))];
    const bool invokes = prng_.below(8) < 5;
    frame.cap =
        invokes ? cptr_of(target_of(label)) : cptr_of(prng_.below(3) == 0 ? CapType::Notification : CapType::Endpoint);
    frame.reply = prng_.below(6) == 0 ? any_cptr() : cptr_of(CapType::Reply);
    frame.dest = any_cptr();
    const u64 flags = prng_.below(8) == 0 ? MessageInfo::kInBuffer : 0;
    const u64 named = prng_.below(10) == 0 ? prng_.below(0x120) : static_cast<u64>(label);
    frame.info = prng_.below(30) == 0 ? prng_.next()
                                      : MessageInfo::make(named, static_cast<u32>(prng_.below(11)),
                                                          static_cast<u32>(prng_.below(4)), flags)
                                            .word();
    for (u64& word : frame.mr) word = any_word();
    const Cap& cap = tcb.slots[kTcbBuffer].cap;
    if (cap.type != CapType::Frame || tcb.buffer_vaddr == 0) return;
    const u64 inside = tcb.buffer_vaddr & ((u64{1} << cap.bits) - 1);
    IpcBuffer& buffer = *reinterpret_cast<IpcBuffer*>(lab_.kernel().ram() + cap.object + inside);
    for (u32 i = 0; i < 12; ++i) buffer.msg[i] = any_word();
    for (u64& word : buffer.caps_or_badges) word = any_cptr();
    buffer.receive_root = 1;
    buffer.receive_index = prng_.below(4) == 0 ? any_word() : 100 + prng_.below(400);
    buffer.receive_depth = prng_.below(8) == 0 ? any_word() : 64;
  }

  FaultRecord random_fault() {
    constexpr FaultType kTypes[] = {FaultType::UserException, FaultType::Vm, FaultType::UnknownSyscall};
    FaultRecord fault;
    fault.type = static_cast<u16>(kTypes[prng_.below(3)]);
    for (u64& word : fault.words) word = any_word();
    return fault;
  }

  base::Prng prng_;
  Lab lab_;
  std::vector<u8> scratch_;
  std::vector<Known> caps_;
  std::vector<Revivable> threads_;
  Cptr room_ = 0;
  Cptr room_node_ = 0;
  Cptr park_ = 0;
  Cptr alarm_ = 0;
  Ref<Tcb> root_;
  u64 now_ = 0;
  u64 answered_ = 0;
};

}  // namespace

TEST_CASE("every call with random words and capabilities is answered, and every invariant holds after it",
          "[kernel][fuzz][kernel.ST04]") {
  u64 answered = 0;
  for (const u32 cores : {1u, 3u}) {
    for (u64 seed = 0; seed < rounds(150); ++seed) {
      CAPTURE(seed, cores);
      Fuzz fuzz(seed, cores);
      for (u32 step = 0; step < 600; ++step) {
        CAPTURE(step);
        if (step % 10 == 0) fuzz.revive();
        fuzz.step();
        fuzz.check(step % 20 == 0);
      }
      answered += fuzz.answered();
    }
  }
  CHECK(answered > rounds(50'000));
}
