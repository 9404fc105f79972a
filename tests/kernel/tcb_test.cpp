// Operations on threads: registers, spaces, buffers, states.
#include "tests/kernel/lab.h"

using namespace lab;

namespace {

Words numbered(u64 first) {
  Words words;
  for (u64 i = 0; i < kRegisterCount; ++i) words.push_back(first + i);
  return words;
}
Words joined(Words head, const Words& tail) {
  head.insert(head.end(), tail.begin(), tail.end());
  return head;
}

}  // namespace

TEST_CASE("Write then Read gives every register back; counts outside 1…66 are refused.", "[kernel][tcb][kernel.TC01]") {
  Lab lab;
  Thread& thread = lab.thread({.started = false});
  const Words registers = numbered(0xFFFF'0000'0000'0000);
  REQUIRE(lab.invoke(thread.tcb, Invoke::TcbWriteRegisters, joined({0, kRegisterCount}, registers)) == "ok");
  for (u64 count = 1; count <= kRegisterCount; ++count) {
    CAPTURE(count);
    const Outcome read = lab.invoke(thread.tcb, Invoke::TcbReadRegisters, {0, count});
    REQUIRE(read.ok());
    CHECK(read.words == Words(registers.begin(), registers.begin() + static_cast<long>(count)));
  }
  for (const u64 count : {u64{0}, u64{67}, kNever}) {
    CAPTURE(count);
    CHECK(lab.invoke(thread.tcb, Invoke::TcbReadRegisters, {0, count}) == "RangeError(1, 66)");
    CHECK(lab.invoke(thread.tcb, Invoke::TcbWriteRegisters, joined({0, count}, registers)) == "RangeError(1, 66)");
  }
  REQUIRE(lab.invoke(thread.tcb, Invoke::TcbWriteRegisters, {0, 2, 5, 6}) == "ok");  // the others stay
  const Words now = lab.invoke(thread.tcb, Invoke::TcbReadRegisters, {0, kRegisterCount}).words;
  CHECK(now.at(0) == 5);
  CHECK(now.at(1) == 6);
  CHECK(now.at(2) == registers.at(2));
}

TEST_CASE("ReadRegisters suspends and WriteRegisters resumes when asked, and drops a pending call", "[kernel][tcb]") {
  Lab lab;
  const Cptr endpoint = lab.endpoint();
  Thread& thread = lab.thread();
  REQUIRE(thread.does(send(endpoint)) == "pending");
  CHECK(lab.invoke(thread.tcb, Invoke::TcbReadRegisters, {0, 1}).ok());
  CHECK(thread.state() == ThreadState::BlockedOnSend);
  CHECK(lab.invoke(thread.tcb, Invoke::TcbReadRegisters, {1, 1}).ok());
  CHECK(thread.state() == ThreadState::Inactive);
  const Cptr seen = lab.notification();
  thread.later(signal(seen));
  CHECK(lab.invoke(thread.tcb, Invoke::TcbWriteRegisters, {1, 1, 0x1000}) == "ok");
  lab.settle();
  CHECK(lab.object<Endpoint>(endpoint).state == EndpointState::Idle);  // the Send was dropped
  CHECK(lab.root_does(poll(seen)) == "signal 0");
}

TEST_CASE("Reading or writing one's own registers is IllegalOperation.", "[kernel][tcb][kernel.TC02]") {
  Lab lab;
  Thread& thread = lab.thread();
  CHECK(thread.does(invoke(thread.tcb, Invoke::TcbReadRegisters, {0, 1})) == "IllegalOperation");
  CHECK(thread.does(invoke(thread.tcb, Invoke::TcbWriteRegisters, {0, 1, 7})) == "IllegalOperation");
  CHECK(lab.invoke(kRootTcb, Invoke::TcbReadRegisters, {0, 1}) == "IllegalOperation");
}

TEST_CASE("CopyRegisters copies exactly the parts asked for.", "[kernel][tcb][exhaustive][kernel.TC03]") {
  for (const u64 parts : {0, 4, 8, 12}) {
    CAPTURE(parts);
    Lab lab;
    Thread& source = lab.thread({.started = false});
    Thread& target = lab.thread({.started = false});
    REQUIRE(lab.invoke(source.tcb, Invoke::TcbWriteRegisters, joined({0, kRegisterCount}, numbered(1'000))) == "ok");
    REQUIRE(lab.invoke(target.tcb, Invoke::TcbWriteRegisters, joined({0, kRegisterCount}, numbered(2'000))) == "ok");
    REQUIRE(lab.invoke(target.tcb, Invoke::TcbCopyRegisters, {parts}, {source.tcb}) == "ok");
    const Words now = lab.invoke(target.tcb, Invoke::TcbReadRegisters, {0, kRegisterCount}).words;
    for (u64 i = 0; i < 32; ++i) CHECK(now.at(i) == ((parts & 4) != 0 ? 1'000 : 2'000) + i);   // pc, x1–x31
    for (u64 i = 32; i < 65; ++i) CHECK(now.at(i) == ((parts & 8) != 0 ? 1'000 : 2'000) + i);  // f0–f31, fcsr
    CHECK(lab.invoke(target.tcb, Invoke::TcbCopyRegisters, {parts}, {kRootCNode}) == "InvalidCapability(1)");
  }
}

TEST_CASE("CopyRegisters suspends the source and resumes the target when asked", "[kernel][tcb]") {
  Lab lab;
  Thread& source = lab.thread();
  Thread& target = lab.thread({.started = false});
  lab.settle();
  REQUIRE(lab.invoke(target.tcb, Invoke::TcbCopyRegisters, {3}, {source.tcb}) == "ok");
  CHECK(source.state() == ThreadState::Inactive);
  CHECK(target.state() == ThreadState::Restart);
}

TEST_CASE("Configure and SetSpace without CSpace or with an unassigned VSpace fail and change nothing.",
          "[kernel][tcb][kernel.TC04]") {
  Lab lab;
  Thread& thread = lab.thread({.started = false});
  const Cptr bare = lab.make(ObjectType::VSpace);
  const Cptr buffer = lab.frame(13);
  const auto before = lab.caps();
  const std::pair<Cptr, Cptr> wrong[] = {
      {0, kRootVSpace}, {kRootReply, kRootVSpace}, {kRootCNode, 0}, {kRootCNode, bare}, {kRootCNode, kRootCNode}};
  for (const auto& [cspace, vspace] : wrong) {
    CAPTURE(cspace, vspace);
    CHECK(lab.invoke(thread.tcb, Invoke::TcbConfigure, {0, 0x8000}, {cspace, vspace, buffer}) == "IllegalOperation");
    CHECK(lab.invoke(thread.tcb, Invoke::TcbSetSpace, {0}, {0, cspace, vspace}) == "IllegalOperation");
  }
  CHECK(lab.caps() == before);
  CHECK(lab.invoke(thread.tcb, Invoke::TcbSetSpace, {60}, {0, kRootCNode, kRootVSpace}) == "IllegalOperation");
  const Cptr small = lab.cnode(4);
  CHECK(lab.invoke(thread.tcb, Invoke::TcbSetSpace, {3 << 6 | 5}, {0, small, kRootVSpace}) == "ok");
  CHECK(thread.object().slots[kTcbCSpace].cap.flags == 5);
  CHECK(thread.object().slots[kTcbCSpace].cap.data == 3);
}

TEST_CASE("An IPC buffer must be an aligned non-device frame of at least 8 KiB.", "[kernel][tcb][kernel.TC05]") {
  Options options;
  options.devices = {{DeviceKind::Console, 1, 0xE000'0000, 16}};
  Lab lab(options);
  Thread& thread = lab.thread({.buffer = false, .started = false});
  const Cptr device = lab.make(ObjectType::Frame, 13, lab.boot_info().devices[0].slot);
  const Cptr small = lab.frame(12);
  const Cptr good = lab.frame(13);
  const Cptr large = lab.frame(21);
  const auto set = [&](u64 vaddr, Cptr frame) {
    return lab.invoke(thread.tcb, Invoke::TcbSetIpcBuffer, {vaddr}, {frame});
  };
  const auto configure = [&](u64 vaddr, Cptr frame) {
    return lab.invoke(thread.tcb, Invoke::TcbConfigure, {0, vaddr}, {kRootCNode, kRootVSpace, frame});
  };
  for (const Cptr wrong : {device, small, Cptr{kRootCNode}, Cptr{0}}) {
    CAPTURE(wrong);
    CHECK(set(0x4000, wrong) == "IllegalOperation");
    CHECK(configure(0x4000, wrong) == "IllegalOperation");
  }
  for (const u64 vaddr : {0x1000, 0x4008, 0x7000}) {
    CHECK(set(vaddr, good) == "AlignmentError");
    CHECK(configure(vaddr, good) == "AlignmentError");
  }
  CHECK(thread.object().slots[kTcbBuffer].cap.is_null());
  CHECK(set(0x4000, good) == "ok");
  CHECK(thread.object().buffer_vaddr == 0x4000);
  CHECK(thread.object().slots[kTcbBuffer].cap.object == lab.cap(good).object);
  CHECK(set(0x20'0000 + 0x6000, large) == "ok");
  CHECK(set(0, 0) == "ok");
  CHECK(thread.object().slots[kTcbBuffer].cap.is_null());
}

TEST_CASE(
    "Replacing the last capability of a large CSpace is interruptible; the thread sees old or new, nothing between.",
    "[kernel][tcb][kernel.TC06]") {
  Lab lab;
  const Cptr old_space = lab.cnode(9);
  for (u64 i = 0; i < 300; ++i) REQUIRE(lab.copy(Place(old_space, i, 9), kRootReply) == "ok");
  const Cptr guarded = lab.slot();
  REQUIRE(lab.mint(guarded, old_space, 55) == "ok");
  Thread& thread = lab.thread({.cspace = guarded, .parks = false});
  const u32 old_object = lab.cap(old_space).object;
  REQUIRE(lab.remove(guarded) == "ok");
  REQUIRE(lab.remove(old_space) == "ok");  // the thread's own is the last
  Thread& worker = lab.thread({.priority = 90});
  const Cptr new_space = lab.cnode(6);
  const u32 new_object = lab.cap(new_space).object;
  u64 stops = 0;
  bool switched = false;
  lab.horizon = [](u32, u64 now) { return now + 300; };
  lab.after_entry = [&] {
    const Cap& seen = thread.object().slots[kTcbCSpace].cap;
    stops += 1;
    REQUIRE(seen.type == CapType::CNode);
    if (seen.object == new_object) switched = true;
    REQUIRE(seen.object == (switched ? new_object : old_object));
  };
  lab.suspend(thread);
  worker.later(invoke(thread.tcb, Invoke::TcbSetSpace, {58}, {0, new_space, kRootVSpace}));
  lab.settle();
  lab.after_entry = nullptr;
  CHECK(worker.outcome() == "ok");
  CHECK(switched);
  CHECK(stops > 20);
  CHECK(thread.object().slots[kTcbTrash].cap.is_null());
  CHECK(lab.zombies() == 0);
}

TEST_CASE("Suspend and Resume in every thread state lead to the state of §2.3.",
          "[kernel][tcb][exhaustive][kernel.TC07]") {
  for (const u32 state : {0u, 1u, 2u, 3u, 4u, 5u, 6u}) {
    for (const bool suspended : {true, false}) {
      CAPTURE(state, suspended);
      Lab lab;
      const Cptr endpoint = lab.endpoint();
      const Cptr reply = lab.reply();
      Thread& server = lab.thread();
      Thread& thread = lab.thread({.started = state != 0});
      switch (state) {
        case 0: break;
        case 1:
          thread.later(spin());
          lab.run(us(100));
          break;
        case 2: break;  // started and not yet run
        case 3: thread.does(recv(endpoint, reply)); break;
        case 4: thread.does(send(endpoint)); break;
        case 5:
          server.does(recv(endpoint, reply));
          thread.does(call(endpoint));
          break;
        case 6: thread.does(wait(lab.notification())); break;
      }
      REQUIRE(thread.state() == static_cast<ThreadState>(state));
      REQUIRE((suspended ? lab.suspend(thread) : lab.resume(thread)) == "ok");
      if (suspended) {
        CHECK(thread.state() == ThreadState::Inactive);
        CHECK(thread.has_sc());
        CHECK(!lab.object<Reply>(reply).tcb);
        REQUIRE(lab.resume(thread) == "ok");
        CHECK(thread.state() == ThreadState::Restart);
      } else {
        CHECK(thread.state() == (state == 1 ? ThreadState::Running : ThreadState::Restart));
      }
      if (state != 1) {
        lab.settle();  // a pending call is made again
        if (state == 3) CHECK(thread.state() == ThreadState::BlockedOnReceive);
        if (state == 4) CHECK(thread.state() == ThreadState::BlockedOnSend);
        if (state == 5) CHECK(thread.state() == ThreadState::BlockedOnSend);
        if (state == 6) CHECK(thread.state() == ThreadState::BlockedOnNotification);
      }
    }
  }
}

TEST_CASE("SetTls, SetName and SetEngine store what they are given; SetEngine only while Inactive", "[kernel][tcb]") {
  Lab lab;
  const Cptr tcb = lab.tcb();
  CHECK(lab.invoke(tcb, Invoke::TcbSetTls, {0x1234'5678'9ABC}) == "ok");
  CHECK(lab.object<Tcb>(tcb).tls_base == 0x1234'5678'9ABC);
  CHECK(lab.invoke(tcb, Invoke::TcbSetName, {0x65'6D61'6E61, 0, 0, 0x41}) == "ok");
  CHECK(std::string(lab.object<Tcb>(tcb).name) == "aname");
  CHECK(lab.object<Tcb>(tcb).name[24] == 'A');
  for (const u64 engine : {1, 2, 3}) {
    CHECK(lab.invoke(tcb, Invoke::TcbSetEngine, {engine}) == "ok");
    CHECK(lab.object<Tcb>(tcb).engine == engine);
  }
  for (const u64 engine : {u64{0}, u64{4}, u64{256}, kNever}) {
    CAPTURE(engine);
    CHECK(lab.invoke(tcb, Invoke::TcbSetEngine, {engine}) == "InvalidArgument(0)");
  }
  Thread& thread = lab.thread();
  CHECK(lab.invoke(thread.tcb, Invoke::TcbSetEngine, {1}) == "IllegalOperation");
}

TEST_CASE("a thread may suspend itself", "[kernel][tcb]") {
  Lab lab;
  Thread& thread = lab.thread();
  const Cptr seen = lab.notification();
  thread.later({invoke(thread.tcb, Invoke::TcbSuspend), signal(seen)});
  lab.settle();
  CHECK(thread.state() == ThreadState::Inactive);
  CHECK(lab.root_does(poll(seen)) == "nothing");
}

TEST_CASE("SetSchedParams refuses in the order of its arguments", "[kernel][tcb]") {
  Lab lab;
  Thread& thread = lab.thread({.started = false});
  Thread& weak = lab.thread({.mcp = 10});
  const Cptr endpoint = lab.endpoint();
  const Cptr free_sc = lab.configured_sc(ms(1), ms(1));
  const auto set = [&](u64 mcp, u64 priority, Cptr authority, Cptr sc, Cptr fault) {
    return lab.invoke(thread.tcb, Invoke::TcbSetSchedParams, {mcp, priority}, {authority, sc, fault});
  };
  CHECK(set(1, 1, kRootCNode, thread.sc, endpoint) == "InvalidCapability(1)");
  CHECK(set(11, 1, weak.tcb, thread.sc, endpoint) == "RangeError(0, 10)");
  CHECK(set(1, 11, weak.tcb, thread.sc, endpoint) == "RangeError(0, 10)");
  CHECK(set(1, 1, kRootTcb, endpoint, endpoint) == "InvalidCapability(2)");
  CHECK(set(1, 1, kRootTcb, thread.sc, kRootCNode) == "InvalidCapability(3)");
  CHECK(set(1, 1, kRootTcb, weak.sc, endpoint) == "IllegalOperation");
  CHECK(set(1, 1, kRootTcb, lab.configured_sc(ms(1), ms(1), 0, 0, kSchedInner), endpoint) == "IllegalOperation");
  CHECK(set(1, 1, kRootTcb, free_sc, endpoint) == "IllegalOperation");  // it has another
  CHECK(set(7, 6, kRootTcb, thread.sc, endpoint) == "ok");
  CHECK(thread.object().mcp == 7);
  CHECK(thread.object().priority == 6);
  CHECK(set(7, 6, kRootTcb, 0, 0) == "ok");
  CHECK(!thread.has_sc());
  CHECK(thread.object().slots[kTcbFaultEndpoint].cap.is_null());
}
