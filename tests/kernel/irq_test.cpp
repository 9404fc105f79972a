// Interrupt lines.
#include "tests/kernel/lab.h"

using namespace lab;

TEST_CASE("An interrupt signals with its badge and masks the line, Ack arms it; none is lost while masked.",
          "[kernel][irq][kernel.IR01]") {
  Lab lab;
  const Cptr ntfn = lab.notification();
  const Cptr handler = lab.irq_handler(5, lab.minted(ntfn, 0x20));
  Thread& driver = lab.thread();
  driver.later(wait(ntfn));
  lab.settle();
  REQUIRE(lab.kernel().irq(5).state == IrqState::Armed);
  lab.raise_irq(5);
  lab.settle();
  CHECK(driver.outcome() == "signal 32");
  CHECK(lab.kernel().irq(5).state == IrqState::Masked);
  // A level-triggered source stays pending in its device and raises again when the line is armed.
  const auto armed = [&] {
    return std::count(lab.lines_armed.begin(), lab.lines_armed.end(), std::pair<u32, bool>{5, true});
  };
  const auto before = armed();
  driver.later(wait(ntfn));
  lab.settle();
  CHECK(!driver.finished());
  REQUIRE(lab.invoke(handler, Invoke::IrqHandlerAck) == "ok");
  CHECK(armed() == before + 1);
  CHECK(lab.kernel().irq(5).state == IrqState::Armed);
  lab.raise_irq(5);
  lab.settle();
  CHECK(driver.outcome() == "signal 32");
  CHECK(lab.count_of(base::EventKind::IrqLost) == 0);
}

TEST_CASE("A handler exists once per line (RevokeFirst); deleting it frees the line.", "[kernel][irq][kernel.IR02]") {
  Lab lab;
  const Cptr ntfn = lab.notification();
  const auto get = [&](u64 line, u64 core, Cptr to) {
    return lab.invoke(kRootIrqControl, Invoke::IrqControlGet, {line, core, to, 64}, {kRootCNode});
  };
  const Cptr handler = lab.slot();
  CHECK(get(256, 0, handler) == "RangeError(0, 255)");
  CHECK(get(kNever, 0, handler) == "RangeError(0, 255)");
  CHECK(get(7, 1, handler) == "RangeError(0, 0)");
  REQUIRE(get(7, 0, handler) == "ok");
  CHECK(lab.kernel().irq(7).state == IrqState::Masked);
  CHECK(lab.is_child(handler, kRootIrqControl));
  CHECK(get(7, 0, lab.slot()) == "RevokeFirst");
  CHECK(get(8, 0, handler) == "DeleteFirst");
  const Cptr twin = lab.copied(handler);
  REQUIRE(lab.invoke(handler, Invoke::IrqHandlerSetNotification, {}, {ntfn}) == "ok");
  REQUIRE(lab.remove(handler) == "ok");
  CHECK(get(7, 0, lab.slot()) == "RevokeFirst");  // the copy lives
  CHECK(lab.object<Notification>(ntfn).header.cap_count == 2);
  REQUIRE(lab.remove(twin) == "ok");
  CHECK(lab.kernel().irq(7).state == IrqState::Free);
  CHECK(lab.object<Notification>(ntfn).header.cap_count == 1);
  CHECK(get(7, 0, handler) == "ok");
  REQUIRE(lab.revoke(kRootIrqControl) == "ok");
  CHECK(lab.is_null(handler));
  CHECK(lab.kernel().irq(7).state == IrqState::Free);
}

TEST_CASE("SetNotification needs Write, replaces; Clear silences.", "[kernel][irq][kernel.IR03]") {
  Lab lab;
  const Cptr first = lab.notification();
  const Cptr second = lab.notification();
  const Cptr handler = lab.irq_handler(3, first);
  const auto set = [&](Cptr cap) { return lab.invoke(handler, Invoke::IrqHandlerSetNotification, {}, {cap}); };
  CHECK(set(lab.copied(second, kRightRead)) == "InvalidCapability(1)");
  CHECK(set(lab.endpoint()) == "InvalidCapability(1)");
  CHECK(set(0) == "InvalidCapability(1)");
  REQUIRE(set(second) == "ok");
  lab.raise_irq(3);
  lab.settle();
  CHECK(lab.root_does(poll(first)) == "nothing");
  CHECK(lab.root_does(poll(second)) == "signal 0");
  REQUIRE(lab.invoke(handler, Invoke::IrqHandlerAck) == "ok");
  REQUIRE(lab.invoke(handler, Invoke::IrqHandlerClear) == "ok");
  lab.raise_irq(3);
  lab.settle();
  CHECK(lab.root_does(poll(second)) == "nothing");
  CHECK(lab.count_of(base::EventKind::IrqLost) == 1);
  CHECK(lab.kernel().irq(3).state == IrqState::Masked);
}

TEST_CASE("A passive driver runs on its notification's scheduling context, and stops when that is deleted.",
          "[kernel][irq][kernel.IR04]") {
  Lab lab;
  const Cptr ntfn = lab.notification();
  const Cptr sc = lab.configured_sc(ms(1), ms(1));
  REQUIRE(lab.bind(sc, ntfn) == "ok");
  const Cptr handler = lab.irq_handler(4, ntfn);
  const Cptr seen = lab.notification();
  Thread& driver = lab.thread();
  REQUIRE(driver.does(wait(ntfn)) == "pending");
  REQUIRE(lab.unbind(driver.sc) == "ok");
  driver.later({signal(seen), invoke(handler, Invoke::IrqHandlerAck), wait(ntfn), signal(seen), spin()});
  lab.raise_irq(4);
  lab.settle();
  CHECK(lab.root_does(poll(seen)) == "signal 0");
  CHECK(!driver.has_sc());
  lab.raise_irq(4);
  lab.run(us(100));
  CHECK(driver.object().sc == lab.ref<SchedContext>(sc));
  REQUIRE(lab.remove(sc) == "ok");
  const u64 before = lab.ran(driver);
  lab.run(ms(1));
  CHECK(lab.ran(driver) == before);
  CHECK(driver.state() == ThreadState::Running);
}

TEST_CASE("an interrupt on a Free or Masked line changes nothing but the record", "[kernel][irq]") {
  Lab lab;
  lab.raise_irq(77);
  lab.settle();
  CHECK(lab.count_of(base::EventKind::IrqLost) == 1);
  CHECK(lab.kernel().irq(77).state == IrqState::Free);
}

TEST_CASE("every line works, each with its own badge", "[kernel][irq][exhaustive]") {
  Options options;
  options.check_every = 8;
  Lab lab(options);
  const Cptr ntfn = lab.notification();
  for (u32 line = 0; line < 255; ++line) {  // 255 is the lab's own
    CAPTURE(line);
    const Cptr handler = lab.irq_handler(line, lab.minted(ntfn, line + 1));
    lab.raise_irq(line);
    lab.settle();
    CHECK(lab.root_does(poll(ntfn)) == "signal " + std::to_string(line + 1));
    REQUIRE(lab.remove(handler) == "ok");
  }
}
