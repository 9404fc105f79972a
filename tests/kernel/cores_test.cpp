// Several cores: moving, poking, stealing, ordering.
#include "tests/kernel/lab.h"

using namespace lab;

namespace {

Options on_cores(u32 cores, bool stealing = false) {
  Options options;
  options.cores = cores;
  options.stealing = stealing;
  return options;
}

u64 ran_on(const Lab& lab, const Thread& thread, u32 core, u64 from = 0) {
  u64 total = 0;
  for (const Stretch& stretch : lab.stretches) {
    if (stretch.thread == thread.ref && stretch.core == core && stretch.to > from) {
      total += stretch.to - std::max(from, stretch.from);
    }
  }
  return total;
}

/// A busy little world from a seed; its digest of everything that happened and is.
base::Digest random_world(u32 cores, u64 seed) {
  Options options = on_cores(cores, true);
  options.check_every = 11;
  Lab lab(options);
  base::Prng prng{seed, "test.world"};
  const Cptr endpoint = lab.endpoint();
  const Cptr ntfn = lab.notification();
  std::vector<Thread*> threads;
  for (u32 i = 0; i < 12; ++i) {
    threads.push_back(&lab.thread({.priority = static_cast<u8>(90 + prng.below(3)),
                                   .core = static_cast<u32>(prng.below(cores)),
                                   .budget = us(100 + prng.below(500)),
                                   .period = ms(1)}));
    const Cptr reply = lab.reply();
    for (u32 k = 0; k < 10; ++k) {
      switch (prng.below(6)) {
        case 0: threads[i]->later(call(endpoint, message(k))); break;
        case 1: threads[i]->later(reply_recv(endpoint, reply, message(k))); break;
        case 2: threads[i]->later(signal(ntfn)); break;
        case 3: threads[i]->later(nb_wait(ntfn)); break;
        default: threads[i]->later(compute(us(prng.below(300)))); break;
      }
    }
  }
  for (u32 round = 0; round < 10; ++round) {
    lab.run(us(prng.below(400)));
    Thread& one = *threads[prng.below(12)];
    if (prng.below(2) == 0) {
      lab.suspend(one);
    } else {
      lab.resume(one);
    }
  }
  base::D128 digest;
  for (const base::EventRecord& event : lab.events) {
    digest.fold_bytes({reinterpret_cast<const u8*>(&event), sizeof event});
  }
  digest.fold(lab.digest());
  digest.fold(lab.now());
  return digest.out();
}

}  // namespace

TEST_CASE("Suspend, move and resume across all cores.", "[kernel][cores][kernel.MP01]") {
  Lab lab(on_cores(4));
  Thread& thread = lab.thread();
  thread.later(spin());
  for (u32 round = 0; round < 3; ++round) {
    for (u32 core = 0; core < 4; ++core) {
      CAPTURE(round, core);
      REQUIRE(lab.suspend(thread) == "ok");
      REQUIRE(lab.configure_sc(thread.sc, ms(5), ms(5), 0, 0, 0, core) == "ok");
      REQUIRE(lab.resume(thread) == "ok");
      const u64 from = lab.now();
      lab.run(ms(1));
      CHECK(ran_on(lab, thread, core, from) > us(900));
      CHECK(thread.object().core == core);
      for (u32 other = 0; other < 4; ++other) {
        if (other != core) CHECK(ran_on(lab, thread, other, from + us(5)) == 0);
      }
    }
  }
}

TEST_CASE("a running thread is moved by configuring its scheduling context for another core", "[kernel][cores]") {
  Lab lab(on_cores(2));
  Thread& thread = lab.thread({.core = 1});
  thread.later(spin());
  lab.run(ms(1));
  REQUIRE(ran_on(lab, thread, 1) > 0);
  REQUIRE(lab.configure_sc(thread.sc, ms(5), ms(5), 0, 0, 0, 0) == "ok");
  lab.run(us(50));
  const u64 from = lab.now();
  lab.run(ms(1));
  CHECK(ran_on(lab, thread, 1, from) == 0);
  CHECK(ran_on(lab, thread, 0, from) > us(900));
}

TEST_CASE("Deleting a thread, or its scheduling context, while it runs on another core stops it there.",
          "[kernel][cores][kernel.MP02]") {
  for (const u32 how : {0u, 1u, 2u, 3u}) {
    CAPTURE(how);
    Lab lab(on_cores(2));
    Thread& thread = lab.thread({.core = 1});
    Thread& next = lab.thread({.priority = 50, .core = 1});
    thread.later(spin());
    next.later(spin());
    lab.run(ms(1));
    REQUIRE(lab.running_on(1) == &thread);
    const u64 from = lab.now();
    switch (how) {
      case 0: REQUIRE(lab.remove(thread.tcb) == "ok"); break;
      case 1: REQUIRE(lab.remove(thread.sc) == "ok"); break;
      case 2: REQUIRE(lab.suspend(thread) == "ok"); break;
      case 3: REQUIRE(lab.unbind(thread.sc) == "ok"); break;
    }
    lab.run(us(100));
    CHECK(ran_on(lab, thread, 1, from + us(5)) == 0);
    CHECK(ran_on(lab, next, 1, from) > us(90));
    CHECK(lab.running_on(1) == &next);
  }
}

TEST_CASE("A thread woken on another core runs after the poke latency, not before; kernel entries are ordered in time.",
          "[kernel][cores][kernel.MP03]") {
  Lab lab(on_cores(2));
  const Cptr ntfn = lab.notification();
  Thread& sleeper = lab.thread({.core = 1});
  Thread& sender = lab.thread();
  sleeper.later({wait(ntfn), compute(us(10))});
  lab.settle();
  u64 last = 0;
  u64 signalled = 0;
  lab.after_entry = [&] {
    const u64 latest = std::max(lab.kernel().core(0).local_time, lab.kernel().core(1).local_time);
    REQUIRE(latest >= last);
    last = latest;
    if (signalled == 0 && sleeper.state() == ThreadState::Running) signalled = lab.now();
  };
  lab.stretches.clear();
  sender.later({compute(us(20)), signal(ntfn), spin()});
  lab.run(ms(1));
  lab.after_entry = nullptr;
  REQUIRE(signalled != 0);
  u64 started = 0;
  for (const Stretch& stretch : lab.stretches) {
    if (stretch.thread == sleeper.ref) {
      started = stretch.from;
      break;
    }
  }
  const CostTable costs;
  CHECK(started >= signalled + costs.ipi_latency);
  CHECK(started <= signalled + costs.ipi_latency + us(1));
  CHECK(lab.count_of(base::EventKind::IrqIpi) >= 1);
}

TEST_CASE("An unmapped page faults on every core.", "[kernel][cores][kernel.MP04]") {
  Lab lab(on_cores(4));
  const Cptr space = lab.vspace();
  const u64 at = 0x40'0000;
  REQUIRE(lab.map_table(lab.page_table(), space, at) == "ok");
  REQUIRE(lab.map_table(lab.page_table(), space, at) == "ok");
  const Cptr frame = lab.frame();
  REQUIRE(lab.map(frame, space, at) == "ok");
  const Cptr handler_endpoint = lab.endpoint();
  std::vector<Thread*> threads;
  for (u32 core = 0; core < 4; ++core) {
    threads.push_back(
        &lab.thread({.core = core, .vspace = space, .fault_endpoint = lab.minted(handler_endpoint, core + 1)}));
    threads.back()->later(spin());
  }
  lab.run(ms(1));
  const VSpace& object = lab.object<VSpace>(space);
  CHECK(object.cores[0] == 0xF);
  const u64 generation = object.tlb_generation;
  const u64 before = lab.now();
  REQUIRE(lab.invoke(frame, Invoke::FrameUnmap) == "ok");
  CHECK(object.tlb_generation > generation);
  CHECK((object.cores[0] & ~u64{1}) == 0);
  const CostTable costs;
  CHECK(lab.now() - before >= costs.ipi_latency + 3 * costs.ipi_target);
  const auto shootdowns = lab.events_of(base::EventKind::MemShootdown);
  REQUIRE(shootdowns.size() == 1);
  CHECK(shootdowns[0].b == 3);
  const auto missed = vspace::translate(lab.kernel(), object, at, vspace::Access::Read);
  REQUIRE(!missed.ok());
  Thread& handler = lab.thread({.priority = 200});
  for (u32 core = 0; core < 4; ++core) {
    CAPTURE(core);
    threads[core]->forget();
    threads[core]->later(
        fault(FaultType::Vm, {1, missed.error().words[1], missed.error().words[2], missed.error().words[3]}));
  }
  lab.run(ms(20));
  for (u32 core = 0; core < 4; ++core) {
    handler.later(recv(handler_endpoint, lab.reply()));
    lab.run(us(20));
    CHECK(handler.outcome().label == static_cast<u64>(FaultType::Vm));
    CHECK(handler.outcome().words.at(1) == at);
  }
}

TEST_CASE("Call from each core to one passive server migrates it and brings it back.", "[kernel][cores][kernel.MP05]") {
  Lab lab(on_cores(4));
  const Cptr endpoint = lab.endpoint();
  const Cptr reply = lab.reply();
  Thread& server = lab.passive_server(endpoint, reply);
  for (u32 core = 0; core < 4; ++core) {
    CAPTURE(core);
    Thread& client = lab.thread({.core = core});
    lab.stretches.clear();
    server.later({compute(us(10)), reply_recv(endpoint, reply, message(core))});
    CHECK(client.does(call(endpoint)) == std::to_string(core) + "()");
    CHECK(ran_on(lab, server, core) == us(10));
    CHECK(server.object().core == core);
    CHECK(client.object().core == core);
    CHECK(!server.has_sc());
    CHECK(server.state() == ThreadState::BlockedOnReceive);
  }
}

TEST_CASE("clients of all cores calling one passive server at once are served one after the other", "[kernel][cores]") {
  Lab lab(on_cores(4));
  const Cptr endpoint = lab.endpoint();
  const Cptr reply = lab.reply();
  Thread& server = lab.passive_server(endpoint, reply);
  std::vector<Thread*> clients;
  for (u32 i = 0; i < 8; ++i) {
    clients.push_back(&lab.thread({.core = i % 4}));
    clients.back()->later({compute(us(3)), call(endpoint, message(i))});
    server.later({compute(us(10)), reply_recv(endpoint, reply, message(100))});
  }
  lab.settle();
  for (Thread* client : clients) CHECK(client->outcome() == "100()");
  CHECK(lab.ran(server) == us(80));
}

TEST_CASE("An idle core steals every second allowed thread, never a pinned or running one.",
          "[kernel][cores][kernel.MP06]") {
  Lab lab(on_cores(2, true));
  Thread& occupant = lab.thread({.priority = 100, .core = 1, .flags = kSchedPinned});
  occupant.later(spin());
  std::vector<Thread*> threads;
  for (u32 i = 0; i < 7; ++i) {
    threads.push_back(&lab.thread({.budget = ms(50), .flags = i == 2 ? kSchedPinned : 0, .started = false}));
    threads.back()->later(spin());
  }
  lab.run(ms(1));
  for (Thread* thread : threads) REQUIRE(lab.resume(*thread) == "ok");
  lab.run(us(20));  // the first one runs on core 0, core 1 is busy
  REQUIRE(lab.running_on(0) == threads[0]);
  REQUIRE(lab.suspend(occupant) == "ok");
  lab.run(us(200));
  // thread 0 goes on running on core 0; queued in pick order: 1, 2 (pinned), 3, 4, 5, 6
  std::vector<u32> homes;
  for (Thread* thread : threads) homes.push_back(thread->sc_object().home);
  CHECK(homes[0] == 0);
  CHECK(homes[2] == 0);
  CHECK(homes == std::vector<u32>{0, 1, 0, 0, 1, 0, 1});
  u32 moved = 0;
  for (const u32 home : homes) moved += home;
  CHECK(moved == 3);
  CHECK(lab.count_of(base::EventKind::SchedPull) == 1);
  CHECK(lab.events_of(base::EventKind::SchedPull)[0].c == 3);
  CHECK(ran_on(lab, *threads[2], 1) == 0);
}

TEST_CASE("no core steals a thread whose range leaves it out, or when stealing is off", "[kernel][cores]") {
  for (const bool stealing : {false, true}) {
    CAPTURE(stealing);
    Lab lab(on_cores(4, stealing));
    const Cptr part = lab.slot();
    REQUIRE(lab.mint(part, kRootSchedControl, 0 | 2 << 16) == "ok");
    std::vector<Thread*> threads;
    for (u32 i = 0; i < 6; ++i) {
      threads.push_back(&lab.thread({.started = false}));
      REQUIRE(lab.configure_sc(threads[i]->sc, ms(5), ms(5), 0, 0, 0, 0, part) == "ok");
      threads[i]->later(spin());
      REQUIRE(lab.resume(*threads[i]) == "ok");
    }
    lab.run(ms(30));
    u64 elsewhere = 0;
    for (Thread* thread : threads) {
      CHECK(ran_on(lab, *thread, 2) == 0);
      CHECK(ran_on(lab, *thread, 3) == 0);
      elsewhere += ran_on(lab, *thread, 1);
    }
    CHECK((elsewhere > 0) == stealing);
  }
}

TEST_CASE("With equal seed, 1, 2, 8 and 128 cores each repeat their digest.", "[kernel][cores][kernel.MP07]") {
  for (const u32 cores : {1u, 2u, 8u, 128u}) {
    CAPTURE(cores);
    const base::Digest first = random_world(cores, 5);
    CHECK(first == random_world(cores, 5));
    CHECK(first != random_world(cores, 6));
  }
}

TEST_CASE(
    "No thread runs on two cores; no stealable thread stays queued while a core of its range idles longer than one "
    "poke.",
    "[kernel][cores][property][kernel.MP08]") {
  for (u64 seed = 0; seed < 12; ++seed) {
    CAPTURE(seed);
    Options options = on_cores(4, true);
    options.check_every = 3;
    Lab lab(options);
    base::Prng prng{seed, "test.steal"};
    std::vector<Thread*> threads;
    for (u32 i = 0; i < 10; ++i) {
      threads.push_back(&lab.thread({.core = static_cast<u32>(prng.below(4)), .budget = us(200)}));
      for (u32 k = 0; k < 8; ++k) threads[i]->later({compute(us(prng.below(400))), yield()});
    }
    u64 since = kNever;  // both a stealable queued thread and an idle core
    u64 longest = 0;
    lab.after_entry = [&] {
      std::vector<u32> current;
      bool idle = false;
      for (u32 core = 0; core < 4; ++core) {
        const Ref<Tcb> tcb = lab.kernel().core(core).current;
        if (!tcb) {
          idle = true;
          continue;
        }
        REQUIRE(std::count(current.begin(), current.end(), tcb.offset) == 0);
        current.push_back(tcb.offset);
      }
      bool queued = false;
      for (Thread* thread : threads) {
        const bool runnable = thread->state() == ThreadState::Running || thread->state() == ThreadState::Restart;
        const bool is_current = std::count(current.begin(), current.end(), thread->ref.offset) != 0;
        queued = queued || (runnable && !is_current && thread->has_sc() && thread->sc_object().in_tree == 0);
      }
      if (!(idle && queued)) {
        since = kNever;
      } else if (since == kNever) {
        since = lab.now();
      } else {
        longest = std::max(longest, lab.now() - since);
      }
    };
    lab.run(ms(5));
    lab.after_entry = nullptr;
    CHECK(longest <= CostTable{}.ipi_latency + us(1));
  }
}
