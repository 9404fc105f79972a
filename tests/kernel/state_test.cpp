// The kernel's state: position-independent, digested, always consistent.
#include "tests/kernel/lab.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

using namespace lab;

namespace {

base::Digest digest_of_events(const Lab& lab) {
  base::D128 digest;
  for (const base::EventRecord& event : lab.events) {
    digest.fold_bytes({reinterpret_cast<const u8*>(&event), sizeof event});
  }
  return digest.out();
}

std::string hex(base::Digest digest) {
  char text[40];
  std::snprintf(text, sizeof text, "%016llx%016llx", static_cast<unsigned long long>(digest.high),
                static_cast<unsigned long long>(digest.low));
  return text;
}

/// A scenario that touches every part of the kernel: calls, faults, budgets, maps, interrupts, cores, revocation.
struct Scenario {
  Lab& lab;
  base::Prng prng;
  Cptr memory, endpoint, ntfn, space, frame, parent;
  std::vector<Thread*> threads;
  std::vector<Cptr> replies;

  Scenario(Lab& in, u64 seed, u32 cores) : lab(in), prng(seed, "test.scenario") {
    memory = lab.untyped(18);
    endpoint = lab.make(ObjectType::Endpoint, 0, memory);
    ntfn = lab.make(ObjectType::Notification, 0, memory);
    space = lab.vspace();
    frame = lab.frame();
    parent = lab.configured_sc(ms(3), ms(10), 3, 0, kSchedInner);
    for (u32 i = 0; i < 2; ++i) REQUIRE(lab.map_table(lab.page_table(), space, 0x60'0000) == "ok");
    REQUIRE(lab.map(frame, space, 0x60'0000, 3, kMapExecute) == "ok");
    std::memset(lab.kernel().ram() + lab.cap(frame).object, 0x5C, 100);
    for (u32 i = 0; i < 6; ++i) {
      const Cptr sc = lab.sched_context();
      const u64 home = prng.below(cores);
      REQUIRE(lab.configure_child(parent, sc, us(700), i % 2 == 0 ? us(700) : ms(4), 0, i, 0, home) == "ok");
      ThreadOptions options;
      options.priority = static_cast<u8>(90 + i % 3);
      options.sc = sc;
      options.vspace = space;
      options.fault_endpoint = i < 3 ? lab.minted(endpoint, 100 + i) : 0;
      threads.push_back(&lab.thread(options));
      replies.push_back(lab.reply());
    }
  }
  void steps(u32 count) {
    for (u32 step = 0; step < count; ++step) {
      const u64 who = prng.below(6);
      Thread& thread = *threads[who];
      const u64 label = prng.below(50);
      switch (prng.below(12)) {
        case 0: thread.later(call(endpoint, message(label, {1, 2, 3, 4, 5, label}))); break;
        case 1:
        case 2: thread.later(reply_recv(endpoint, replies[who], message(label))); break;
        case 3: thread.later(nb_send_recv(endpoint, message(label), endpoint, replies[who])); break;
        case 4: thread.later(signal(ntfn)); break;
        case 5: thread.later(nb_wait(ntfn)); break;
        case 6: thread.later(yield()); break;
        case 7:
          if (who < 3) thread.later(fault(FaultType::Vm, {label, 0x70'0000, 0, 1}));
          break;
        case 8: lab.suspend(thread); break;
        case 9: lab.resume(thread); break;
        case 10: lab.set_priority(thread, 80 + prng.below(30)); break;
        case 11: lab.copy(lab.slot(), endpoint, prng.below(16)); break;
      }
      thread.later(compute(us(prng.below(120))));
      lab.run(us(prng.below(150)));
    }
  }
};

}  // namespace

TEST_CASE("A copied node memory at another base continues with equal events and digests.",
          "[kernel][state][kernel.ST01]") {
  for (const u32 cores : {1u, 4u}) {
    CAPTURE(cores);
    Options options;
    options.cores = cores;
    options.stealing = cores > 1;
    Lab lab(options);
    Scenario scenario(lab, 3, cores);
    scenario.steps(40);
    const auto twin = lab.fork();
    REQUIRE(twin->kernel().ram() != lab.kernel().ram());
    CHECK(twin->digest() == lab.digest());
    const u32 next = static_cast<u32>(lab.slot());
    REQUIRE(twin->slot() == next);
    lab.run(ms(20));
    twin->run(ms(20));
    REQUIRE(lab.revoke(scenario.memory) == "ok");
    REQUIRE(twin->revoke(scenario.memory) == "ok");
    CHECK(twin->digest() == lab.digest());
    CHECK(twin->kernel().deep_digest() == lab.kernel().deep_digest());
    CHECK(twin->events.size() == lab.events.size());
    CHECK(digest_of_events(*twin) == digest_of_events(lab));
  }
}

TEST_CASE("state_digest differs after any single operation that changes a field.",
          "[kernel][state][property][kernel.ST02]") {
  Lab lab;
  Scenario scenario(lab, 4, 1);
  scenario.steps(30);
  const base::Digest before = lab.digest();
  u8* ram = lab.kernel().ram();
  const auto differs = [&](u8& byte, u8 flip) {
    byte ^= flip;
    const bool changed = lab.digest() != before;
    byte ^= flip;
    return changed;
  };
  base::Prng prng{4, "test.flip"};
  // every byte of one of each kind of object, of its slot, and of the kernel's own header
  const Thread& thread = *scenario.threads[1];
  const std::vector<std::pair<u32, u32>> ranges = {
      {kKernelRegionOffset, sizeof(KernelHeader)},
      {lab.slot_ref(scenario.endpoint).offset, sizeof(Slot)},
      {lab.cap(scenario.endpoint).object, sizeof(Endpoint)},
      {lab.cap(scenario.ntfn).object, sizeof(Notification)},
      {lab.cap(scenario.replies[0]).object, sizeof(Reply)},
      {lab.cap(scenario.parent).object, 256},
      {thread.ref.offset, 128},
      {thread.ref.offset + 512, 160},
      {lab.cap(scenario.space).object, 32},
      {lab.cap(kRootAsidPool).object + 2048, 64},
  };
  for (const auto& [offset, bytes] : ranges) {
    for (u32 i = 0; i < bytes; ++i) {
      // the links and the count that the digest itself walks by must stay walkable
      const bool is_link = offset == lab.slot_ref(scenario.endpoint).offset && i >= 16 && i < 28;
      const bool is_anchor_link = offset == kKernelRegionOffset && i >= offsetof(KernelHeader, anchor);
      const bool is_layout = offset == kKernelRegionOffset && i < 32;
      const bool is_type = offset == lab.slot_ref(scenario.endpoint).offset && (i == 0 || (i >= 4 && i < 8));
      if (is_link || is_anchor_link || is_layout || is_type) continue;
      CAPTURE(offset, i);
      REQUIRE(differs(ram[offset + i], static_cast<u8>(1 + prng.below(255))));
    }
  }
  CHECK(lab.digest() == before);
  // the contents of frames are not in it; deep_digest has them
  const base::Digest deep = lab.kernel().deep_digest();
  u8& content = ram[lab.cap(scenario.frame).object + 5];
  CHECK(!differs(content, 1));
  content ^= 1;
  CHECK(lab.kernel().deep_digest() != deep);
  content ^= 1;
  CHECK(lab.kernel().deep_digest() == deep);
}

TEST_CASE("every operation moves the digest", "[kernel][state]") {
  Lab lab;
  const Cptr endpoint = lab.endpoint();
  const Cptr to = lab.slot();
  std::vector<base::Digest> seen = {lab.digest()};
  const auto fresh = [&] {
    const base::Digest now = lab.digest();
    const bool is_new = std::find(seen.begin(), seen.end(), now) == seen.end();
    seen.push_back(now);
    return is_new;
  };
  lab.copy(to, endpoint);
  CHECK(fresh());
  lab.remove(to);
  CHECK(fresh());
  lab.mint(to, endpoint, 5);
  CHECK(fresh());
  lab.revoke(endpoint);
  CHECK(fresh());
  lab.retype(lab.general_untyped, ObjectType::Reply, 0, to);
  CHECK(fresh());
  lab.set_priority(lab.root(), 254);
  CHECK(fresh());
  lab.root_does(signal(lab.notification()));
  CHECK(fresh());
}

TEST_CASE("One scenario gives one digest: -O0/-O2, GCC/Clang, sanitizers, host and three QEMU machines.",
          "[kernel][state][golden][kernel.ST03]") {
  Options options;
  options.cores = 3;
  options.stealing = true;
  options.devices = {{DeviceKind::Console, 1, 0xE000'0000, 16}, {DeviceKind::Timer, 2, 0xE001'0000, 12}};
  options.image = std::vector<u8>(10'000, 0x2A);
  Lab lab(options);
  Scenario scenario(lab, 1, 3);
  scenario.steps(120);
  std::string text = "state " + hex(lab.digest()) + "\ndeep " + hex(lab.kernel().deep_digest()) + "\n";
  REQUIRE(lab.revoke(scenario.memory) == "ok");
  lab.run(ms(30));
  text += "end " + hex(lab.digest()) + "\nevents " + hex(digest_of_events(lab)) + " " +
          std::to_string(lab.events.size()) + "\nnow " + std::to_string(lab.now()) + "\n";
  const std::string path = std::string(ORRERY_GOLDEN_DIR) + "/kernel-scenario.txt";
  if (std::getenv("UPDATE_GOLDEN") != nullptr) std::ofstream(path) << text;
  std::ifstream file(path);
  const std::string golden((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  CHECK(text == golden);
}

TEST_CASE("All invariants hold after every step of every test.", "[kernel][state][property][kernel.ST04]") {
  // The lab checks them after every entry; here a long mixed scenario, checked without exception.
  for (u64 seed = 10; seed < 16; ++seed) {
    CAPTURE(seed);
    Options options;
    options.cores = seed % 2 == 0 ? 1 : 3;
    options.stealing = true;
    Lab lab(options);
    Scenario scenario(lab, seed, options.cores);
    scenario.steps(80);
    lab.horizon = [](u32, u64 now) { return now + 200; };
    REQUIRE(lab.revoke(scenario.memory) == "ok");
    lab.horizon = nullptr;
    CHECK(lab.zombies() == 0);
    CHECK(lab.entries > 300);
  }
}

TEST_CASE("the checker names the invariant that a planted fault breaks", "[kernel][state][check]") {
  Lab lab;
  Scenario scenario(lab, 20, 1);
  const Cptr waiting = lab.endpoint();
  Thread& one = lab.thread({.priority = 20});
  Thread& two = lab.thread({.priority = 10});
  REQUIRE(one.does(send(waiting)) == "pending");
  REQUIRE(two.does(send(waiting)) == "pending");
  std::vector<u8> scratch(lab.kernel().ram_bytes() / 16);
  const auto broken = [&] {
    return std::string(check_invariants(lab.kernel(), {scratch.data(), scratch.size()}).name);
  };
  REQUIRE(broken().empty());
  const auto with = [&](auto& field, auto value) {
    const auto kept = field;
    field = static_cast<std::remove_reference_t<decltype(field)>>(value);
    const std::string name = broken();
    field = kept;
    return name;
  };
  Tcb& first = one.object();
  Tcb& second = two.object();
  SchedContext& sc = one.sc_object();
  const auto is_one_of = [](const std::string& name, std::initializer_list<const char*> names) {
    return std::any_of(names.begin(), names.end(), [&](const char* each) { return name == each; });
  };
  CHECK(is_one_of(with(first.header.cap_count, 7), {"T5"}));
  CHECK(is_one_of(with(first.header.size_bits, 10), {"M1"}));
  CHECK(is_one_of(with(first.padding0, 1), {"M5"}));
  CHECK(is_one_of(with(first.state, ThreadState::Running), {"Q1", "Q2"}));
  CHECK(is_one_of(with(first.priority, 5), {"Q3"}));
  CHECK(is_one_of(with(lab.object<Endpoint>(waiting).state, EndpointState::Recv), {"Q2"}));
  CHECK(is_one_of(with(lab.object<Endpoint>(waiting).state, EndpointState::Idle), {"Q1", "Q2"}));
  CHECK(is_one_of(with(lab.kernel().core(0).level_map[1], 1), {"Q4"}));
  CHECK(is_one_of(with(lab.kernel().core(0).queued_count, 77), {"Q4"}));
  CHECK(is_one_of(with(second.sc, Ref<SchedContext>{}), {"Q7"}));
  CHECK(is_one_of(with(lab.object<SchedContext>(scenario.parent).refills[0].amount, 1), {"S1"}));
  CHECK(is_one_of(with(lab.object<SchedContext>(scenario.parent).reserved, 1), {"S4"}));
  CHECK(is_one_of(with(lab.object<SchedContext>(scenario.parent).depth, 3), {"S3"}));
  CHECK(is_one_of(with(sc.home, 9), {"S6"}));
  CHECK(is_one_of(with(lab.object<VSpace>(scenario.space).asid, 200), {"V1", "V2", "V4"}));
  CHECK(is_one_of(with(lab.kernel().irq(9).state, IrqState::Armed), {"I1"}));
  CHECK(is_one_of(with(lab.cap(waiting).object, lab.cap(waiting).object + 32), {"M1"}));
  CHECK(is_one_of(with(lab.slot_of(waiting).prev, 0), {"T2"}));
  const Cptr narrow = lab.copied(waiting, kRightWrite);
  CHECK(is_one_of(with(lab.cap(narrow).rights, kRightsAll), {""}));
  const Cptr wide = lab.copied(narrow, kRightWrite);
  CHECK(is_one_of(with(lab.cap(wide).rights, kRightsAll), {"T4"}));
  const Cap& free = lab.cap(lab.general_untyped);
  CHECK(is_one_of(with(lab.kernel().ram()[free.object + free.data + 100], 1), {"M4"}));
  CHECK(broken().empty());
}

TEST_CASE("boot gives the root task what the table says", "[kernel][state][boot]") {
  Options options;
  options.cores = 5;
  options.ram_bytes = u64{34} << 20;
  options.devices = {{DeviceKind::Console, 1, 0xE000'0000, 16}, {DeviceKind::Timer, 2, 0xE001'0000, 12}};
  options.image = std::vector<u8>(9'000, 0x11);
  Lab lab(options);
  const CapType expected[] = {CapType::Null,         CapType::Tcb,         CapType::CNode,    CapType::VSpace,
                              CapType::IrqControl,   CapType::AsidControl, CapType::AsidPool, CapType::SchedControl,
                              CapType::SchedContext, CapType::Frame,       CapType::Frame,    CapType::Reply,
                              CapType::Null,         CapType::Null,        CapType::Null,     CapType::Null};
  for (u32 i = 0; i < 16; ++i) {
    CAPTURE(i);
    CHECK(lab.cap(i).type == expected[i]);
  }
  const BootInfo& info = lab.boot_info();
  CHECK(info.magic == kBootInfoMagic);
  CHECK(info.core_count == 5);
  CHECK(info.node_id == 7);
  CHECK(info.ram_bytes == options.ram_bytes);
  CHECK(info.device_count == 2);
  CHECK(info.image_bytes == 9'000);
  CHECK(info.image_frames.first == kRootFirstFree);
  u64 image_bytes = 0;
  for (u32 i = info.image_frames.first; i < info.image_frames.end; ++i) {
    CHECK(lab.cap(i).type == CapType::Frame);
    image_bytes += u64{1} << lab.cap(i).bits;
  }
  CHECK(image_bytes >= 9'000);
  CHECK(lab.kernel().ram()[lab.cap(info.image_frames.first).object] == 0x11);
  CHECK(lab.cap(info.devices[1].slot).object == 0xE001'0000);
  u64 total = 0;
  u64 last_end = 0;
  for (u32 i = info.ram_untypeds.first; i < info.ram_untypeds.end; ++i) {
    const Cap& cap = lab.cap(i);
    CHECK(cap.type == CapType::Untyped);
    CHECK(cap.object % (u64{1} << cap.bits) == 0);
    CHECK(cap.object >= last_end);
    last_end = cap.object + (u64{1} << cap.bits);
    total += u64{1} << cap.bits;
  }
  CHECK(last_end == options.ram_bytes);
  CHECK(total > options.ram_bytes - (u64{1} << 20));
  CHECK(lab.root().object().mcp == 255);
  CHECK(lab.root().object().priority == 255);
  CHECK(lab.root().sc_object().budget == ms(5));
}

TEST_CASE("random words and capabilities to every call never reach an assertion", "[kernel][fuzz]") {
  for (u64 seed = 0; seed < 6; ++seed) {
    CAPTURE(seed);
    Options options;
    options.cores = 2;
    Lab lab(options);
    base::Prng prng{seed, "test.fuzz"};
    const Cptr inner = lab.cnode(4);
    for (u64 i = 0; i < 6; ++i) REQUIRE(lab.copy(Place(inner, i, 4), kRootReply) == "ok");
    std::vector<Cptr> caps = {0,
                              inner,
                              kRootVSpace,
                              kRootAsidPool,
                              kRootAsidControl,
                              kRootSchedControl,
                              lab.endpoint(),
                              lab.notification(),
                              lab.reply(),
                              lab.copied(inner),
                              lab.frame(),
                              lab.frame(13),
                              lab.page_table(),
                              lab.vspace(),
                              lab.untyped(14),
                              lab.sched_context(),
                              lab.configured_sc(ms(1), ms(2)),
                              lab.irq_handler(6, lab.notification()),
                              kRootIrqControl};
    std::vector<Thread*> threads;
    for (u32 i = 0; i < 3; ++i) {
      threads.push_back(&lab.thread({.core = i % 2}));
      caps.push_back(threads[i]->tcb);
      caps.push_back(threads[i]->sc);
    }
    const Cptr targets = lab.slots(20);
    const u64 labels[] = {0x10, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2A, 0x2B, 0x2C, 0x2D,
                          0x2E, 0x2F, 0x30, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x60, 0x68, 0x69, 0x6A,
                          0x70, 0x78, 0x79, 0x7A, 0x7B, 0x7C, 0x7D, 0x90, 0x91, 0x92, 0x98, 0x99, 0xA8, 0xB0};
    const auto word = [&]() -> u64 {
      switch (prng.below(8)) {
        case 0: return prng.next();
        case 1: return prng.below(70);
        case 2: return 64;
        case 3: return targets + prng.below(20);
        case 4: return caps[prng.below(caps.size())];
        case 5: return u64{1} << prng.below(64);
        case 6: return prng.below(5) * ms(1);
        default: return prng.below(14);
      }
    };
    for (u32 step = 0; step < 500; ++step) {
      const Cptr cap = caps[prng.below(caps.size())];
      Words words;
      const u64 count = prng.below(10);
      for (u64 i = 0; i < count; ++i) words.push_back(word());
      std::vector<Cptr> extra;
      const u64 extras = prng.below(4);
      for (u64 i = 0; i < extras; ++i) extra.push_back(prng.below(12) == 0 ? word() : caps[prng.below(caps.size())]);
      Thread& thread = *threads[prng.below(3)];
      const u64 label = labels[prng.below(std::size(labels))];
      if (prng.below(4) == 0) {
        const i32 number = -static_cast<i32>(1 + prng.below(14));
        Action action = system_call(number, message(label, words, extra), cap);
        action.frame.reply = caps[prng.below(caps.size())];
        action.frame.dest = caps[prng.below(caps.size())];
        thread.later(action);
      } else {
        thread.later(invoke(cap, static_cast<Invoke>(label), words, extra));
      }
      lab.run(us(5));
      if (!thread.gone && thread.state() != ThreadState::Running && prng.below(3) == 0) lab.resume(thread);
    }
    lab.check("the end");
  }
}
