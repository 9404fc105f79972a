// Untyped memory: what Retype creates, what it refuses, and how memory comes back.
#include "tests/kernel/lab.h"

#include <cstring>

using namespace lab;

namespace {

u32 size_bits_of(ObjectType type, u32 bits) {
  switch (type) {
    case ObjectType::Tcb: return kTcbBits;
    case ObjectType::Endpoint:
    case ObjectType::Notification:
    case ObjectType::Reply: return 6;
    case ObjectType::CNode: return 5 + bits;
    case ObjectType::PageTable:
    case ObjectType::VSpace: return kTableBits;
    default: return bits;
  }
}

}  // namespace

TEST_CASE("Every type at its smallest and largest size is created aligned, zeroed and with full rights.",
          "[kernel][untyped][kernel.UT01]") {
  Options options;
  options.ram_bytes = 0xC000'0000;
  options.check_every = 0;
  Lab lab(options);
  struct Case {
    ObjectType type;
    u32 bits;
    u8 rights;
  };
  const std::vector<Case> cases = {
      {ObjectType::Untyped, 6, 0},
      {ObjectType::Untyped, 29, 0},
      {ObjectType::Tcb, 0, 0},
      {ObjectType::Endpoint, 0, kRightsAll},
      {ObjectType::Notification, 0, kRightWrite | kRightRead},
      {ObjectType::CNode, 1, 0},
      {ObjectType::CNode, 24, 0},
      {ObjectType::SchedContext, 8, 0},
      {ObjectType::SchedContext, 14, 0},
      {ObjectType::Reply, 0, kRightGrant},
      {ObjectType::Frame, 12, kRightWrite | kRightRead},
      {ObjectType::Frame, 13, kRightWrite | kRightRead},
      {ObjectType::Frame, 21, kRightWrite | kRightRead},
      {ObjectType::Frame, 30, kRightWrite | kRightRead},
      {ObjectType::PageTable, 0, 0},
      {ObjectType::VSpace, 0, 0},
  };
  Cptr largest = 0;
  std::vector<Cptr> big;  // every Untyped of 1 GiB
  for (u32 i = lab.boot_info().ram_untypeds.first; i < lab.boot_info().ram_untypeds.end; ++i) {
    if (lab.cap(i).bits == 30) big.push_back(i);
    if (lab.cap(i).bits == 29) largest = i;
  }
  REQUIRE(big.size() == 2);
  REQUIRE(largest != 0);
  const Cptr whole = big[0] == lab.general_untyped ? big[1] : big[0];
  for (const Case& test : cases) {
    CAPTURE(static_cast<int>(test.type), test.bits);
    const Cptr at = lab.slot();
    REQUIRE(lab.retype(whole, test.type, test.bits, at) == "ok");
    const Cap cap = lab.cap(at);
    const u32 size_bits = size_bits_of(test.type, test.bits);
    CHECK(static_cast<int>(cap.type) == static_cast<int>(test.type) + 1);
    CHECK(cap.object % (u64{1} << size_bits) == 0);
    CHECK((cap.rights & test.rights) == test.rights);
    CHECK(cap.object >= lab.cap(whole).object);
    CHECK(lab.is_child(at, whole));
    const u64 looked_at = std::min<u64>(u64{1} << size_bits, 1 << 20);
    if (test.type == ObjectType::Untyped || test.type == ObjectType::Frame) CHECK(lab.all_zero(cap.object, looked_at));
    if (test.type == ObjectType::CNode) {
      CHECK(cap.bits == test.bits);
      CHECK(lab.slot_in(at, (u64{1} << test.bits) - 1).cap.is_null());
      CHECK(lab.all_zero(cap.object + 32, std::min<u64>(looked_at, u64{32} << test.bits) - 32));
    }
    if (test.type == ObjectType::Tcb) {
      CHECK(lab.object<Tcb>(at).state == ThreadState::Inactive);
      CHECK(lab.object<Tcb>(at).priority == 0);
      CHECK(lab.object<Tcb>(at).mcp == 0);
      CHECK(lab.object<Tcb>(at).engine == 0);
      CHECK(lab.object<Tcb>(at).thread_id != 0);
    }
    if (test.type == ObjectType::Endpoint || test.type == ObjectType::Notification || test.type == ObjectType::Reply) {
      CHECK(lab.object<ObjectHeader>(at).cap_count == 1);
      CHECK(lab.all_zero(cap.object + sizeof(ObjectHeader), 64 - sizeof(ObjectHeader)));
    }
    if (test.type == ObjectType::SchedContext) CHECK(lab.object<SchedContext>(at).refill_max == 0);
    REQUIRE(lab.remove(at) == "ok");
  }
  lab.check("creating and deleting everything");
}

TEST_CASE("Successive Retypes advance the watermark with alignment, objects disjoint.",
          "[kernel][untyped][property][kernel.UT02]") {
  for (u64 seed = 0; seed < 10; ++seed) {
    CAPTURE(seed);
    Lab lab;
    base::Prng prng{seed, "test.retype"};
    const Cptr memory = lab.untyped(18);
    const u64 base = lab.cap(memory).object;
    u64 watermark = 0;
    const std::pair<ObjectType, u32> kinds[] = {
        {ObjectType::Endpoint, 0},     {ObjectType::Tcb, 0},     {ObjectType::CNode, 3},    {ObjectType::Frame, 12},
        {ObjectType::SchedContext, 9}, {ObjectType::Untyped, 7}, {ObjectType::PageTable, 0}};
    for (u32 i = 0; i < 20; ++i) {
      const auto [type, bits] = kinds[prng.below(7)];
      const u32 count = static_cast<u32>(1 + prng.below(3));
      const u64 size = u64{1} << size_bits_of(type, bits);
      const u64 start = (watermark + size - 1) / size * size;
      const Cptr first = lab.slots(count);
      const Outcome outcome = lab.retype(memory, type, bits, first, count);
      if (((u64{1} << 18) - watermark) / size < count) {
        CHECK(outcome == "NotEnoughMemory(" + std::to_string((u64{1} << 18) - watermark) + ")");
        continue;
      }
      if (start + count * size > u64{1} << 18) continue;  // the alignment gap decides
      REQUIRE(outcome == "ok");
      for (u32 k = 0; k < count; ++k) CHECK(lab.cap(first + k).object == base + start + k * size);
      watermark = start + count * size;
      CHECK(lab.cap(memory).data == watermark);
    }
  }
}

TEST_CASE("NotEnoughMemory reports the exact bytes left; exactly that much can then be created.",
          "[kernel][untyped][kernel.UT03]") {
  Lab lab;
  const Cptr memory = lab.untyped(12);
  REQUIRE(lab.retype(memory, ObjectType::Endpoint, 0, lab.slot()) == "ok");
  const Cptr window = lab.slots(64);
  CHECK(lab.retype(memory, ObjectType::Endpoint, 0, window, 64) == "NotEnoughMemory(4032)");
  CHECK(lab.is_null(window));
  CHECK(lab.retype(memory, ObjectType::Frame, 12, window) == "NotEnoughMemory(4032)");
  CHECK(lab.retype(memory, ObjectType::Endpoint, 0, window, 63) == "ok");
  CHECK(lab.retype(memory, ObjectType::Untyped, 6, window + 63) == "NotEnoughMemory(0)");
}

TEST_CASE("Count 0 and 257 and a window past the end are RangeErrors with the right bounds.",
          "[kernel][untyped][kernel.UT04]") {
  Lab lab;
  const Cptr first = lab.slot();
  const auto before = lab.caps();
  const auto type = ObjectType::Endpoint;
  CHECK(lab.retype(lab.general_untyped, type, 0, first, 0) == "RangeError(1, 256)");
  CHECK(lab.retype(lab.general_untyped, type, 0, first, 257) == "RangeError(1, 256)");
  CHECK(lab.retype(lab.general_untyped, type, 0, first, u64{1} << 32 | 1) == "RangeError(1, 256)");
  CHECK(lab.retype(lab.general_untyped, type, 0, 4096) == "RangeError(0, 4095)");
  CHECK(lab.retype(lab.general_untyped, type, 0, kNever) == "RangeError(0, 4095)");
  CHECK(lab.retype(lab.general_untyped, type, 0, 4090, 7) == "RangeError(1, 6)");
  CHECK(lab.retype(lab.general_untyped, type, 0, 4095, 256) == "RangeError(1, 1)");
  CHECK(lab.caps() == before);
  CHECK(lab.retype(lab.general_untyped, type, 0, 4090, 6) == "ok");
  CHECK(lab.retype(lab.general_untyped, type, 0, first, 256) == "ok");
}

TEST_CASE("Retype refuses wrong types and sizes by argument", "[kernel][untyped]") {
  Lab lab;
  const Cptr to = lab.slot();
  const auto before = lab.caps();
  const auto refused = [&](u64 type, u64 bits) {
    return lab.retype(lab.general_untyped, static_cast<ObjectType>(type), bits, to);
  };
  for (const u64 type : {10, 11, 255}) CHECK(refused(type, 12) == "InvalidArgument(0)");
  CHECK(lab.invoke(lab.general_untyped, Invoke::UntypedRetype, {10, 6, 0, 0, to, 1}, {kRootCNode}) ==
        "InvalidArgument(0)");
  CHECK(lab.invoke(lab.general_untyped, Invoke::UntypedRetype, {kNever, 6, 0, 0, to, 1}, {kRootCNode}) ==
        "InvalidArgument(0)");
  CHECK(refused(0, 32) == "RangeError(0, 31)");
  CHECK(refused(0, 64) == "RangeError(0, 31)");
  CHECK(refused(4, 27) == "RangeError(0, 31)");
  CHECK(refused(4, kNever) == "RangeError(0, 31)");
  CHECK(refused(4, 0) == "InvalidArgument(1)");
  CHECK(refused(0, 5) == "InvalidArgument(1)");
  for (const u64 bits : {0, 7, 15}) CHECK(refused(5, bits) == "InvalidArgument(1)");
  for (const u64 bits : {0, 11, 14, 20, 22, 29, 31}) CHECK(refused(7, bits) == "InvalidArgument(1)");
  CHECK(lab.invoke(lab.general_untyped, Invoke::UntypedRetype, {2, 0, 0, 0, to, 1}, {kRootReply}) ==
        "FailedLookup(0, 2, 0)");
  CHECK(lab.invoke(lab.general_untyped, Invoke::UntypedRetype, {2, 0, kRootReply, 64, to, 1}, {kRootCNode}) ==
        "FailedLookup(0, 2, 64)");
  CHECK(lab.caps() == before);
}

TEST_CASE("Retype puts objects into a CNode found by index and depth", "[kernel][untyped]") {
  Lab lab;
  const Cptr inner = lab.cnode(4);
  REQUIRE(lab.invoke(lab.general_untyped, Invoke::UntypedRetype, {2, 0, inner, 64, 3, 5}, {kRootCNode}) == "ok");
  for (u64 i = 0; i < 16; ++i) CHECK(lab.slot_in(inner, i).cap.is_null() == (i < 3 || i >= 8));
}

TEST_CASE("One occupied slot in the window is DeleteFirst and nothing is created.",
          "[kernel][untyped][exhaustive][kernel.UT05]") {
  Lab lab;
  const Cptr memory = lab.untyped(14);
  const Cptr window = lab.slots(8);
  for (u32 occupied = 0; occupied < 8; ++occupied) {
    CAPTURE(occupied);
    REQUIRE(lab.copy(window + occupied, kRootReply) == "ok");
    const auto before = lab.caps();
    CHECK(lab.retype(memory, ObjectType::Tcb, 0, window, 8) == "DeleteFirst");
    CHECK(lab.caps() == before);
    CHECK(lab.all_zero(lab.cap(memory).object, 1 << 14));
    REQUIRE(lab.remove(window + occupied) == "ok");
  }
  CHECK(lab.retype(memory, ObjectType::Tcb, 0, window, 8) == "ok");
}

TEST_CASE("After the last child is gone the next Retype starts at 0 in zeroed memory.",
          "[kernel][untyped][kernel.UT06]") {
  Lab lab;
  const Cptr memory = lab.untyped(16);
  const Cptr one = lab.make(ObjectType::Frame, 12, memory);
  const Cptr two = lab.make(ObjectType::Frame, 13, memory);
  const Cptr three = lab.make(ObjectType::Endpoint, 0, memory);
  const u64 base = lab.cap(memory).object;
  std::memset(lab.kernel().ram() + lab.cap(one).object, 0xAB, 4096);
  std::memset(lab.kernel().ram() + lab.cap(two).object, 0xCD, 8192);
  for (const Cptr child : {one, three, two}) {
    CHECK(lab.cap(memory).data == 3 * 8192 - 8192 + 64);
    REQUIRE(lab.remove(child) == "ok");
  }
  REQUIRE(lab.retype(memory, ObjectType::Frame, 12, one) == "ok");
  CHECK(lab.cap(one).object == base);
  CHECK(lab.cap(memory).data == 4096);
  CHECK(lab.all_zero(base, 1 << 16));
}

TEST_CASE("Resetting 64 MiB is interruptible; each stop leaves the watermark on a chunk and the rest zero.",
          "[kernel][untyped][kernel.UT07]") {
  Options options;
  options.ram_bytes = u64{256} << 20;
  options.check_every = 500;
  Lab lab(options);
  Cptr memory = 0;
  for (u32 i = lab.boot_info().ram_untypeds.first; i < lab.boot_info().ram_untypeds.end; ++i) {
    if (lab.cap(i).bits == 26) memory = i;
  }
  REQUIRE(memory != 0);
  const Cptr frames = lab.slots(32);
  REQUIRE(lab.retype(memory, ObjectType::Frame, 21, frames, 32) == "ok");
  const u64 base = lab.cap(memory).object;
  std::memset(lab.kernel().ram() + base, 0xEE, u64{64} << 20);
  REQUIRE(lab.revoke(memory) == "ok");
  REQUIRE(lab.cap(memory).data == u64{64} << 20);
  Thread& worker = lab.thread({.priority = 50, .budget = ms(500)});
  lab.settle();
  u64 stops = 0;
  u64 last = lab.cap(memory).data;
  lab.horizon = [](u32, u64 now) { return now + us(40); };
  lab.after_entry = [&] {
    const u64 watermark = lab.cap(memory).data;
    if (watermark == last || watermark == 64) return;  // 64: cleared, and the endpoint created
    stops += 1;
    REQUIRE(watermark % kResetChunkBytes == 0);
    REQUIRE(lab.all_zero(base + watermark, last - watermark));
    if (watermark != 0) REQUIRE(lab.kernel().ram()[base + watermark - 1] == 0xEE);
    last = watermark;
  };
  worker.later(invoke(memory, Invoke::UntypedRetype, {2, 0, 0, 0, lab.slot(), 1}, {kRootCNode}));
  lab.run(ms(8));
  CHECK(stops > 50);
  CHECK(!worker.finished());
  CHECK(lab.root_does(poll(lab.notification())) == "nothing");  // others are served meanwhile
  lab.run(ms(20));
  lab.after_entry = nullptr;
  CHECK(worker.outcome() == "ok");
  CHECK(lab.cap(memory).data == 64);
  CHECK(lab.all_zero(base + 64, (u64{64} << 20) - 64));
}

TEST_CASE(
    "Copying an Untyped with children is RevokeFirst; while a copy lives its source cannot retype; a copy of used "
    "memory hands out zeroes.",
    "[kernel][untyped][kernel.UT08]") {
  Lab lab;
  const Cptr memory = lab.untyped(14);
  const Cptr twin = lab.slot();
  const Cptr frame = lab.make(ObjectType::Frame, 12, memory);
  std::memset(lab.kernel().ram() + lab.cap(frame).object, 0x77, 4096);
  CHECK(lab.copy(twin, memory) == "RevokeFirst");
  REQUIRE(lab.remove(frame) == "ok");
  REQUIRE(lab.copy(twin, memory) == "ok");
  CHECK(lab.is_child(twin, memory));
  CHECK(lab.cap(memory).data == 1 << 14);
  CHECK(lab.cap(twin).data == 4096);
  CHECK(lab.retype(memory, ObjectType::Endpoint, 0, lab.slot()) == "NotEnoughMemory(0)");
  CHECK(lab.copy(lab.slot(), memory) == "RevokeFirst");
  const Cptr fresh = lab.make(ObjectType::Frame, 12, twin);
  CHECK(lab.all_zero(lab.cap(fresh).object, 4096));
  REQUIRE(lab.remove(fresh) == "ok");
  REQUIRE(lab.remove(twin) == "ok");
  const Cptr again = lab.make(ObjectType::Frame, 13, memory);
  CHECK(lab.cap(again).object == lab.cap(memory).object);
  CHECK(lab.all_zero(lab.cap(again).object, 8192));
}

TEST_CASE("Device Untyped makes only frames and Untypeds and is never cleared.", "[kernel][untyped][kernel.UT09]") {
  Options options;
  options.devices = {{DeviceKind::Console, 1, 0xE000'0000, 16}};
  Lab lab(options);
  const Cptr device = lab.boot_info().devices[0].slot;
  REQUIRE(lab.cap(device).type == CapType::Untyped);
  REQUIRE((lab.cap(device).flags & 1) == 1);
  CHECK(lab.cap(device).object == 0xE000'0000);
  const auto before = lab.caps();
  for (const auto type : {ObjectType::Tcb, ObjectType::Endpoint, ObjectType::Notification, ObjectType::Reply,
                          ObjectType::PageTable, ObjectType::VSpace}) {
    CAPTURE(static_cast<int>(type));
    CHECK(lab.retype(device, type, 0, lab.slot()) == "InvalidArgument(0)");
  }
  CHECK(lab.retype(device, ObjectType::CNode, 2, lab.slot()) == "InvalidArgument(0)");
  CHECK(lab.retype(device, ObjectType::SchedContext, 8, lab.slot()) == "InvalidArgument(0)");
  CHECK(lab.caps() == before);
  const Cptr half = lab.make(ObjectType::Untyped, 15, device);
  CHECK((lab.cap(half).flags & 1) == 1);
  const Cptr frame = lab.make(ObjectType::Frame, 12, half);
  CHECK((lab.cap(frame).flags & 1) == 1);
  CHECK(lab.cap(frame).object == 0xE000'0000);
  REQUIRE(lab.revoke(device) == "ok");
  const u64 zeroed = lab.count_of(base::EventKind::MemZero);
  REQUIRE(lab.retype(device, ObjectType::Frame, 12, lab.slot()) == "ok");  // at once: there is nothing to clear
  CHECK(lab.count_of(base::EventKind::MemZero) == zeroed);
}

TEST_CASE("Deleting an Untyped keeps its children; their memory counts against its parent until they are gone.",
          "[kernel][untyped][kernel.UT10]") {
  Lab lab;
  const Cptr outer = lab.untyped(14);
  const Cptr inner = lab.make(ObjectType::Untyped, 13, outer);
  const Cptr endpoint = lab.make(ObjectType::Endpoint, 0, inner);
  REQUIRE(lab.remove(inner) == "ok");
  CHECK(!lab.is_null(endpoint));
  CHECK(lab.is_child(endpoint, outer));
  CHECK(lab.retype(outer, ObjectType::Untyped, 14, lab.slot()) == "NotEnoughMemory(8192)");
  CHECK(lab.cap(outer).data == 8192);
  REQUIRE(lab.remove(endpoint) == "ok");
  const Cptr all = lab.make(ObjectType::Untyped, 14, outer);
  CHECK(lab.cap(all).object == lab.cap(outer).object);
}

TEST_CASE("A realm cannot create one byte more than it was granted, by any sequence of 10,000 operations.",
          "[kernel][untyped][property][kernel.UT11]") {
  Options options;
  options.check_every = 13;
  Lab lab(options);
  lab.keep_events = false;
  base::Prng prng{11, "test.realm"};
  const Cptr original = lab.untyped(15);
  const Cptr granted = lab.copied(original);
  const u64 base = lab.cap(original).object;
  const u64 end = base + (1 << 15);
  const Cptr slots = lab.slots(40);
  const std::pair<ObjectType, u32> kinds[] = {
      {ObjectType::Endpoint, 0}, {ObjectType::Reply, 0},        {ObjectType::CNode, 2},
      {ObjectType::Frame, 12},   {ObjectType::SchedContext, 8}, {ObjectType::Tcb, 0},
      {ObjectType::Untyped, 10}, {ObjectType::Untyped, 13},     {ObjectType::Untyped, 6}};
  u64 created = 0;
  u64 refused = 0;
  for (u32 step = 0; step < 10'000; ++step) {
    CAPTURE(step);
    const Cptr a = slots + prng.below(40);
    const Cptr b = slots + prng.below(40);
    switch (prng.below(8)) {
      case 0:
      case 1:
      case 2:
      case 3: {
        const auto [type, bits] = kinds[prng.below(9)];
        const bool inner = !lab.is_null(b) && lab.cap(b).type == CapType::Untyped && prng.below(2) == 0;
        const Outcome outcome = lab.retype(inner ? b : granted, type, bits, a, 1 + prng.below(3));
        created += outcome.ok() ? 1 : 0;
        refused += outcome.label == static_cast<u64>(ResultLabel::NotEnoughMemory) ? 1 : 0;
        break;
      }
      case 4:
        if (prng.below(3) == 0) lab.copy(a, b);
        break;
      case 5: lab.remove(a); break;
      case 6: lab.move(a, b); break;
      case 7:
        if (prng.below(4) == 0) lab.revoke(prng.below(8) == 0 ? granted : a);
        break;
    }
    std::map<u64, u64> live;  // objects by offset; the Untypeds themselves are only fields to build on
    for (const Lab::SeenSlot& seen : lab.caps()) {
      const Cap& cap = seen.slot.cap;
      if (cap.type == CapType::Untyped || cap.type == CapType::Zombie || cap.type >= CapType::IrqHandler) continue;
      if (cap.object < base || cap.object >= end) continue;
      const u32 bits = cap.type == CapType::CNode || cap.type == CapType::Frame
                           ? size_bits_of(static_cast<ObjectType>(static_cast<int>(cap.type) - 1), cap.bits)
                           : lab.kernel().at(Ref<ObjectHeader>{cap.object}).size_bits;
      live[cap.object] = u64{1} << bits;
    }
    u64 last_end = base;
    u64 total = 0;
    for (const auto& [offset, bytes] : live) {
      REQUIRE(offset >= last_end);
      last_end = offset + bytes;
      total += bytes;
    }
    REQUIRE(last_end <= end);
    REQUIRE(total <= 1 << 15);
  }
  CHECK(created > 500);
  CHECK(refused > 100);
  REQUIRE(lab.revoke(original) == "ok");
  CHECK(lab.make(ObjectType::Untyped, 15, original) != 0);
}

TEST_CASE("thread ids are never 0 and differ in generation when memory is used again", "[kernel][untyped]") {
  Lab lab;
  const Cptr memory = lab.untyped(11);
  std::vector<u32> ids;
  for (u32 i = 0; i < 20; ++i) {
    const Cptr tcb = lab.make(ObjectType::Tcb, 0, memory);
    const u32 id = lab.object<Tcb>(tcb).thread_id;
    CHECK(id != 0);
    CHECK((id & 0x1F'FFFF) == lab.cap(tcb).object >> kTcbBits);
    CHECK(std::count(ids.begin(), ids.end(), id) == 0);
    ids.push_back(id);
    REQUIRE(lab.remove(tcb) == "ok");
  }
}
