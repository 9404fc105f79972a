// Refusals of invocations in their order, and small effects of each, as the tables of calls state them.
#include "tests/kernel/lab.h"

using namespace lab;

TEST_CASE("SetMcp below one's own priority leaves the priority", "[kernel][invocation]") {
  Lab lab;
  Thread& thread = lab.thread({.priority = 100, .mcp = 200});
  REQUIRE(lab.invoke(thread.tcb, Invoke::TcbSetMcp, {5}, {kRootTcb}) == "ok");
  CHECK(thread.object().mcp == 5);
  CHECK(thread.object().priority == 100);
}

TEST_CASE("Unbind of a notification's scheduling context takes it from the notification", "[kernel][invocation]") {
  Lab lab;
  const Cptr sc = lab.configured_sc(ms(1), ms(1));
  const Cptr ntfn = lab.notification();
  REQUIRE(lab.bind(sc, ntfn) == "ok");
  REQUIRE(lab.unbind(sc) == "ok");
  CHECK(!lab.object<Notification>(ntfn).sc);
  CHECK(!lab.object<SchedContext>(sc).notification);
}

TEST_CASE("Bind refuses a blocked thread while the scheduling context is not eligible", "[kernel][invocation]") {
  Lab lab(free_options());
  Thread& user = lab.thread({.budget = ms(1), .period = ms(100)});
  user.later(spin());
  lab.run(ms(5));  // spent
  REQUIRE(lab.unbind(user.sc) == "ok");
  Thread& blocked = lab.thread({.priority = 120});
  REQUIRE(blocked.does(recv(lab.endpoint(), lab.reply())) == "pending");
  REQUIRE(lab.unbind(blocked.sc) == "ok");
  CHECK(lab.bind(user.sc, blocked.tcb) == "IllegalOperation");
  CHECK(lab.invoke(blocked.tcb, Invoke::TcbSetSchedParams, {1, 1}, {kRootTcb, user.sc, 0}) == "IllegalOperation");
  CHECK(lab.bind(blocked.sc, blocked.tcb) == "ok");
}

TEST_CASE("a thread cannot unbind its own scheduling context through SetSchedParams", "[kernel][invocation]") {
  Lab lab;
  Thread& thread = lab.thread();
  CHECK(thread.does(invoke(thread.tcb, Invoke::TcbSetSchedParams, {1, 1}, {kRootTcb, 0, 0})) == "IllegalOperation");
  CHECK(thread.has_sc());
}

TEST_CASE("ConfigureChild gives a free node, badge and flags", "[kernel][invocation]") {
  Lab lab;
  const Cptr parent = lab.configured_sc(ms(5), ms(10), 0, 0, kSchedInner);
  const Cptr child = lab.sched_context();
  REQUIRE(lab.configure_child(parent, child, ms(2), ms(10), 3, 77, kSchedSporadic | kSchedPinned) == "ok");
  const SchedContext& sc = lab.object<SchedContext>(child);
  CHECK(sc.badge == 77);
  CHECK(sc.config_flags == (kSchedSporadic | kSchedPinned));
  CHECK(sc.budget == ms(2));
  CHECK(sc.period == ms(10));
  CHECK(sc.refill_max == 5);
  CHECK(sc.parent == lab.ref<SchedContext>(parent));
  CHECK(lab.configure_child(parent, child, ms(11), ms(10)) == "RangeError(20000, 10000000)");
}

TEST_CASE("a refused Configure leaves the scheduling context as it was", "[kernel][invocation]") {
  Lab lab;
  const Cptr sc = lab.configured_sc(ms(1), ms(2), 2, 5);
  const std::string before = lab.refills(sc, 0, 1);
  CHECK(lab.configure_sc(sc, ms(3), ms(2)) != "ok");
  CHECK(lab.configure_sc(sc, ms(1), ms(2), 99) != "ok");
  CHECK(lab.configure_sc(sc, ms(1), ms(2), 0, 0, 0, 9) != "ok");
  CHECK(lab.refills(sc, 0, 1) == before);
  CHECK(lab.object<SchedContext>(sc).badge == 5);
}

TEST_CASE("IRQControl_Get reports errors of the target slot as the CNode operations do", "[kernel][invocation]") {
  Lab lab;
  const Cptr cnode = lab.cnode(3);
  const auto get = [&](u64 index, u64 depth, Cptr root) {
    return lab.invoke(kRootIrqControl, Invoke::IrqControlGet, {1, 0, index, depth}, {root});
  };
  CHECK(get(0, 0, cnode) == "RangeError(1, 64)");
  CHECK(get(0, 2, cnode) == "FailedLookup(0, 3, 2, 3)");
  CHECK(get(0, 4, cnode) == "FailedLookup(0, 3, 1, 0)");
  CHECK(get(0, 3, kRootReply) == "FailedLookup(0, 1)");
  REQUIRE(lab.copy(Place(cnode, 2, 3), kRootReply) == "ok");
  CHECK(get(2, 3, cnode) == "DeleteFirst");
  CHECK(get(1, 3, cnode) == "ok");
}

TEST_CASE("MakePool clears the memory it takes and gives its ASIDs a base", "[kernel][invocation]") {
  Lab lab;
  const Cptr memory = lab.untyped(12);
  const Cptr pool = lab.slot();
  REQUIRE(lab.invoke(kRootAsidControl, Invoke::AsidControlMakePool, {pool, 64}, {memory, kRootCNode}) == "ok");
  CHECK(lab.cap(pool).type == CapType::AsidPool);
  CHECK(lab.is_child(pool, memory));
  CHECK(lab.object<AsidPool>(pool).base % 256 == 0);
  CHECK(lab.object<AsidPool>(pool).base != 0);
  const Cptr space = lab.make(ObjectType::VSpace);
  REQUIRE(lab.invoke(pool, Invoke::AsidPoolAssign, {1}, {space}) == "ok");
  CHECK(lab.object<VSpace>(space).asid == lab.object<AsidPool>(pool).base);
  CHECK(lab.object<VSpace>(space).kind == 1);
}

TEST_CASE("deleting an ASIDPool ends every mapping of its VSpaces", "[kernel][invocation]") {
  Lab lab;
  const Cptr memory = lab.untyped(12);
  const Cptr pool = lab.slot();
  REQUIRE(lab.invoke(kRootAsidControl, Invoke::AsidControlMakePool, {pool, 64}, {memory, kRootCNode}) == "ok");
  const Cptr frame = lab.frame();
  const Cptr space = lab.make(ObjectType::VSpace);
  REQUIRE(lab.invoke(pool, Invoke::AsidPoolAssign, {0}, {space}) == "ok");
  for (u32 i = 0; i < 2; ++i) REQUIRE(lab.map_table(lab.page_table(), space, 0x1000) == "ok");
  REQUIRE(lab.map(frame, space, 0x1000) == "ok");
  REQUIRE(lab.revoke(memory) == "ok");
  CHECK(lab.object<VSpace>(space).asid == 0);
  CHECK(lab.map(lab.frame(), space, 0x2000) == "InvalidCapability(1)");
  CHECK(lab.invoke(frame, Invoke::FrameUnmap) == "ok");
}

TEST_CASE("Frame_GetAddress tells the physical offset, of device frames too", "[kernel][invocation]") {
  Options options;
  options.devices = {{DeviceKind::Console, 1, 0xE000'0000, 16}};
  Lab lab(options);
  const Cptr frame = lab.frame(13);
  CHECK(lab.invoke(frame, Invoke::FrameGetAddress).words.at(0) == lab.cap(frame).object);
  const Cptr device = lab.make(ObjectType::Frame, 12, lab.boot_info().devices[0].slot);
  CHECK(lab.invoke(device, Invoke::FrameGetAddress).words.at(0) == 0xE000'0000);
}

TEST_CASE("CopyRegisters, BindNotification and SetPriority name the wrong capability", "[kernel][invocation]") {
  Lab lab;
  Thread& thread = lab.thread({.started = false});
  for (const Cptr wrong : {Cptr{0}, Cptr{kRootCNode}, lab.endpoint()}) {
    CAPTURE(wrong);
    CHECK(lab.invoke(thread.tcb, Invoke::TcbCopyRegisters, {12}, {wrong}) == "InvalidCapability(1)");
    CHECK(lab.set_priority(thread, 1, wrong) == "InvalidCapability(1)");
    CHECK(lab.invoke(thread.tcb, Invoke::TcbSetMcp, {1}, {wrong}) == "InvalidCapability(1)");
  }
}

TEST_CASE("a child of a badged capability has its parent's badge", "[kernel][invocation][tree]") {
  Lab lab;
  const Cptr endpoint = lab.endpoint();
  const Cptr badged = lab.minted(endpoint, 12);
  const Cptr copy = lab.copied(badged, kRightWrite);
  const Cptr deeper = lab.copied(copy);
  CHECK(lab.cap(copy).data == 12);
  CHECK(lab.cap(deeper).data == 12);
  CHECK(lab.cap(deeper).rights == kRightWrite);
  CHECK(lab.is_child(deeper, copy));
}

TEST_CASE("Untyped copies at any depth hand the watermark down", "[kernel][invocation][untyped]") {
  Lab lab;
  const Cptr one = lab.untyped(12);
  const Cptr two = lab.copied(one);
  const Cptr three = lab.copied(two);
  CHECK(lab.retype(one, ObjectType::Endpoint, 0, lab.slot()) == "NotEnoughMemory(0)");
  CHECK(lab.retype(two, ObjectType::Endpoint, 0, lab.slot()) == "NotEnoughMemory(0)");
  const Cptr endpoint = lab.make(ObjectType::Endpoint, 0, three);
  CHECK(lab.cap(endpoint).object == lab.cap(one).object);
  REQUIRE(lab.revoke(one) == "ok");
  CHECK(lab.is_null(two));
  CHECK(lab.is_null(three));
  CHECK(lab.is_null(endpoint));
  CHECK(lab.make(ObjectType::Untyped, 12, one) != 0);
}

TEST_CASE("deleting a copy of an Untyped leaves its objects to the source", "[kernel][invocation][untyped]") {
  Lab lab;
  const Cptr source = lab.untyped(12);
  const Cptr copy = lab.copied(source);
  const Cptr endpoint = lab.make(ObjectType::Endpoint, 0, copy);
  REQUIRE(lab.remove(copy) == "ok");
  CHECK(lab.is_child(endpoint, source));
  CHECK(lab.retype(source, ObjectType::Endpoint, 0, lab.slot()) == "NotEnoughMemory(0)");
  REQUIRE(lab.remove(endpoint) == "ok");
  CHECK(lab.make(ObjectType::Untyped, 12, source) != 0);
}

TEST_CASE("a Move into another CNode is found there by two levels", "[kernel][invocation][cnode]") {
  Lab lab;
  const Cptr outer = lab.cnode(2);
  const Cptr inner = lab.cnode(3);
  REQUIRE(lab.copy(Place(outer, 3, 2), inner) == "ok");
  const Cptr endpoint = lab.endpoint();
  REQUIRE(lab.move(Place(outer, 0b11'101, 5), endpoint) == "ok");
  CHECK(lab.is_null(endpoint));
  CHECK(lab.slot_in(inner, 5).cap.type == CapType::Endpoint);
  REQUIRE(lab.move(endpoint, Place(outer, 0b11'101, 5)) == "ok");
  CHECK(lab.slot_in(inner, 5).cap.is_null());
}

TEST_CASE("deleting a CNode deletes what only it held and keeps what others hold", "[kernel][invocation][revoke]") {
  Lab lab;
  const Cptr cnode = lab.cnode(3);
  const Cptr shared = lab.endpoint();
  const Cptr lone = lab.notification();
  const u32 lone_object = lab.cap(lone).object;
  REQUIRE(lab.copy(Place(cnode, 0, 3), shared) == "ok");
  REQUIRE(lab.move(Place(cnode, 7, 3), lone) == "ok");
  REQUIRE(lab.remove(cnode) == "ok");
  CHECK(lab.object<Endpoint>(shared).header.cap_count == 1);
  bool found = false;
  for (const Lab::SeenSlot& seen : lab.caps()) found = found || seen.slot.cap.object == lone_object;
  CHECK(!found);
  CHECK(lab.zombies() == 0);
}

TEST_CASE("a copy of a CNode capability keeps the CNode alive", "[kernel][invocation][revoke]") {
  Lab lab;
  const Cptr cnode = lab.cnode(3);
  const Cptr twin = lab.copied(cnode);
  REQUIRE(lab.copy(Place(cnode, 4, 3), kRootReply) == "ok");
  REQUIRE(lab.remove(cnode) == "ok");
  CHECK(lab.slot_in(twin, 4).cap.type == CapType::Reply);
  REQUIRE(lab.remove(twin) == "ok");
  CHECK(lab.children_of(lab.slot_ref(kRootReply).offset).empty());
}

TEST_CASE("deleting a thread empties its slots and gives its scheduling context free", "[kernel][invocation][revoke]") {
  Lab lab;
  const Cptr endpoint = lab.endpoint();
  Thread& thread = lab.thread({.fault_endpoint = endpoint});
  const u32 count = lab.object<Endpoint>(endpoint).header.cap_count;
  REQUIRE(lab.remove(thread.tcb) == "ok");
  CHECK(thread.gone);
  CHECK(lab.threads_gone == std::vector<u32>{thread.ref.offset});
  CHECK(lab.object<Endpoint>(endpoint).header.cap_count == count - 1);
  CHECK(!lab.object<SchedContext>(thread.sc).tcb);
}

TEST_CASE("TcbInspect tells state, place, core and what a thread waits at; it changes nothing",
          "[kernel][invocation]") {
  Options options = free_options(2);
  Lab lab(options);
  const Cptr endpoint = lab.endpoint();
  const Cptr notification = lab.notification();
  const auto facts = [&](const Thread& thread) { return lab.invoke(thread.tcb, Invoke::TcbInspect).words; };
  const auto is = [](ThreadState state, ThreadPlace place, u64 core, u64 object) {
    return Words{static_cast<u64>(state), static_cast<u64>(place), core, object};
  };
  const auto at = [&](Cptr cap) { return u64{lab.cap(cap).object}; };
  Thread& waits = lab.thread({.core = 1});
  waits.later(wait(notification));
  Thread& receives = lab.thread();
  const Cptr reply = lab.reply();
  receives.later(recv(endpoint, reply));
  lab.settle();
  CHECK(facts(waits) == is(ThreadState::BlockedOnNotification, ThreadPlace::Nowhere, 1, at(notification)));
  CHECK(facts(receives) == is(ThreadState::BlockedOnReceive, ThreadPlace::Nowhere, 0, at(endpoint)));
  Thread& calls = lab.thread();
  calls.later(call(endpoint));
  lab.settle();
  CHECK(facts(calls) == is(ThreadState::BlockedOnReply, ThreadPlace::Nowhere, 0, at(reply)));
  Thread& spins = lab.thread({.core = 1, .budget = ms(1), .period = ms(50), .started = false, .parks = false});
  spins.later(spin());
  CHECK(facts(spins) == is(ThreadState::Inactive, ThreadPlace::Nowhere, 1, 0));
  REQUIRE(lab.resume(spins) == "ok");
  lab.run(us(500));
  CHECK(facts(spins) == is(ThreadState::Running, ThreadPlace::Current, 1, 0));
  lab.run(ms(5));
  CHECK(facts(spins) == is(ThreadState::Running, ThreadPlace::WaitsForBudget, 1, 0));
  Thread& low = lab.thread({.priority = 90, .started = false, .parks = false});
  low.later(spin());
  REQUIRE(lab.resume(low) == "ok");  // the root task, on that core, is doing this
  CHECK(facts(low) == is(ThreadState::Restart, ThreadPlace::Queued, 0, 0));
}

TEST_CASE("TcbSuspend tells how far the system call had come that it ends", "[kernel][invocation]") {
  Lab lab(free_options(2));
  const Cptr endpoint = lab.endpoint();
  const auto suspend = [&](const Thread& thread) { return lab.invoke(thread.tcb, Invoke::TcbSuspend, {1}).words; };
  const auto was = [](ThreadState state, u64 in_call) { return Words{static_cast<u64>(state), in_call, 0}; };
  Thread& unheard = lab.thread({.core = 1});
  unheard.later(call(endpoint));
  lab.settle();
  CHECK(suspend(unheard) == was(ThreadState::BlockedOnSend, 1));
  CHECK(suspend(unheard) == was(ThreadState::Inactive, 1));  // it would call again
  Thread& server = lab.thread();
  server.later(recv(endpoint, lab.reply()));
  Thread& heard = lab.thread();
  heard.later(call(endpoint));
  lab.settle();
  CHECK(suspend(heard) == was(ThreadState::BlockedOnReply, 1));
  Thread& spins = lab.thread({.core = 1});
  spins.later(spin());
  lab.run(us(500));
  CHECK(suspend(spins) == was(ThreadState::Running, 0));
}

TEST_CASE("CNodeInspect tells what is in a slot, and nothing of an empty one", "[kernel][invocation]") {
  Lab lab;
  const Cptr endpoint = lab.endpoint();
  const Cptr badged = lab.minted(endpoint, 77, kRightWrite);
  const auto inspect = [&](u64 slot) { return lab.invoke(kRootCNode, Invoke::CNodeInspect, {slot, 64}); };
  const u64 object = lab.cap(endpoint).object;
  CHECK(inspect(badged).words == Words{static_cast<u64>(CapType::Endpoint), kRightWrite, 77, object});
  CHECK(inspect(endpoint).words == Words{static_cast<u64>(CapType::Endpoint), kRightsAll, 0, object});
  CHECK(inspect(lab.slot()).words == Words{0, 0, 0, 0});
  CHECK(inspect(u64{1} << 60).text().starts_with("FailedLookup"));
  CHECK(lab.invoke(kRootCNode, Invoke::CNodeInspect, {badged}) == "TruncatedMessage");
}
