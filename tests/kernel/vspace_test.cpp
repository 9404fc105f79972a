// Frames and address spaces.
#include "tests/kernel/lab.h"

#include <cstring>

using namespace lab;
using vspace::Access;

namespace {

constexpr u64 kAt = 0x12'3460'0000;  // 2 MiB aligned

/// "RWX" as translation allows at the address, "-" where it does not.
std::string access_at(Lab& lab, Cptr space, u64 vaddr) {
  const auto can = [&](Access access) {
    return vspace::translate(lab.kernel(), lab.object<VSpace>(space), vaddr, access).ok();
  };
  return std::string(can(Access::Read) ? "R" : "-") + (can(Access::Write) ? "W" : "-") +
         (can(Access::Fetch) ? "X" : "-");
}
u64 offset_at(Lab& lab, Cptr space, u64 vaddr) {
  const auto found = vspace::translate(lab.kernel(), lab.object<VSpace>(space), vaddr, Access::Read);
  return found.ok() ? found.value().offset : kNever;
}
void tables_for(Lab& lab, Cptr space, u64 vaddr, u32 count = 2) {
  for (u32 i = 0; i < count; ++i) REQUIRE(lab.map_table(lab.page_table(), space, vaddr) == "ok");
}

}  // namespace

TEST_CASE("Map, access, Unmap, fault, at each frame size and level.", "[kernel][vspace][kernel.VS01]") {
  struct Case {
    u32 bits, tables;
    u64 ram;
  };
  for (const Case& test : {Case{12, 2, 16}, Case{13, 2, 16}, Case{21, 1, 16}, Case{30, 0, 3 << 10}}) {
    CAPTURE(test.bits);
    Options options;
    options.ram_bytes = test.ram << 20;
    options.check_every = test.bits == 30 ? 0 : 1;
    Lab lab(options);
    const Cptr space = lab.vspace();
    Cptr memory = lab.general_untyped;
    if (test.bits == 30) {
      for (u32 i = lab.boot_info().ram_untypeds.first; i < lab.boot_info().ram_untypeds.end; ++i) {
        if (lab.cap(i).bits == 30 && i != lab.general_untyped) memory = i;
      }
    }
    const Cptr frame = lab.make(ObjectType::Frame, test.bits, memory);
    const u64 at = test.bits == 30 ? u64{5} << 30 : kAt;
    tables_for(lab, space, at, test.tables);
    CHECK(access_at(lab, space, at) == "---");
    REQUIRE(lab.map(frame, space, at) == "ok");
    const u64 bytes = u64{1} << test.bits;
    for (const u64 offset : {u64{0}, u64{8}, bytes / 2, bytes - 1}) {
      CHECK(offset_at(lab, space, at + offset) == lab.cap(frame).object + offset);
      CHECK(access_at(lab, space, at + offset) == "RW-");
    }
    CHECK(access_at(lab, space, at + bytes) == "---");
    CHECK(access_at(lab, space, at - 1) == "---");
    CHECK(lab.invoke(frame, Invoke::FrameGetAddress) == "ok(" + std::to_string(lab.cap(frame).object) + ")");
    REQUIRE(lab.invoke(frame, Invoke::FrameUnmap) == "ok");
    for (const u64 offset : {u64{0}, bytes / 2, bytes - 1}) {
      const auto missed = vspace::translate(lab.kernel(), lab.object<VSpace>(space), at + offset, Access::Write);
      REQUIRE(!missed.ok());
      CHECK(missed.error().type == static_cast<u16>(FaultType::Vm));
      CHECK(missed.error().words[1] == at + offset);
    }
    CHECK(lab.invoke(frame, Invoke::FrameUnmap) == "ok");
    if (test.bits == 30) lab.check("mapping");
  }
}

TEST_CASE("Deleting a mapped frame capability unmaps it; deleting a copy does not disturb the other.",
          "[kernel][vspace][kernel.VS02]") {
  Lab lab;
  const Cptr space = lab.vspace();
  tables_for(lab, space, kAt);
  const Cptr frame = lab.frame();
  REQUIRE(lab.map(frame, space, kAt) == "ok");
  const Cptr unmapped_copy = lab.copied(frame);
  const Cptr mapped_copy = lab.copied(frame);
  REQUIRE(lab.map(mapped_copy, space, kAt + 0x1000) == "ok");
  REQUIRE(lab.remove(unmapped_copy) == "ok");
  CHECK(access_at(lab, space, kAt) == "RW-");
  REQUIRE(lab.remove(mapped_copy) == "ok");
  CHECK(access_at(lab, space, kAt) == "RW-");
  CHECK(access_at(lab, space, kAt + 0x1000) == "---");
  const Cptr other = lab.copied(frame);
  REQUIRE(lab.map(other, space, kAt + 0x2000) == "ok");
  REQUIRE(lab.remove(frame) == "ok");
  CHECK(access_at(lab, space, kAt) == "---");
  CHECK(access_at(lab, space, kAt + 0x2000) == "RW-");
}

TEST_CASE("Mapping over something, misaligned, outside, without table or twice elsewhere gives its own error.",
          "[kernel][vspace][kernel.VS03]") {
  Lab lab;
  const Cptr space = lab.vspace();
  const Cptr other = lab.vspace();
  const Cptr bare = lab.make(ObjectType::VSpace);
  const Cptr frame = lab.frame();
  const Cptr large = lab.frame(21);
  CHECK(lab.map(frame, bare, kAt) == "InvalidCapability(1)");
  CHECK(lab.map(frame, kRootCNode, kAt) == "InvalidCapability(1)");
  CHECK(lab.map(frame, space, kUserAddressEnd) == "InvalidArgument(0)");
  CHECK(lab.map(frame, space, kUserAddressEnd - 0x800) == "InvalidArgument(0)");
  CHECK(lab.map(frame, space, kNever - 0xFFF) == "InvalidArgument(0)");
  CHECK(lab.map(frame, space, kAt + 8) == "AlignmentError");
  CHECK(lab.map(large, space, kAt + 0x1000) == "AlignmentError");
  CHECK(lab.map(frame, space, kAt, kRightWrite) == "InvalidArgument(1)");
  CHECK(lab.map(frame, space, kAt, 0) == "InvalidArgument(1)");
  CHECK(lab.map(frame, space, kAt, 3, kMapArena) == "InvalidArgument(2)");
  CHECK(lab.map(frame, space, kAt) == "FailedLookup(0, 2, 30)");
  CHECK(lab.map(large, space, kAt) == "FailedLookup(0, 2, 30)");
  tables_for(lab, space, kAt, 1);
  CHECK(lab.map(frame, space, kAt) == "FailedLookup(0, 2, 21)");
  tables_for(lab, space, kAt, 1);
  CHECK(lab.map_table(lab.page_table(), space, kAt) == "DeleteFirst");
  CHECK(lab.map(large, space, kAt) == "DeleteFirst");
  REQUIRE(lab.map(frame, space, kAt) == "ok");
  CHECK(lab.map(lab.frame(), space, kAt) == "DeleteFirst");
  CHECK(lab.map(lab.frame(13), space, kAt) == "DeleteFirst");
  tables_for(lab, other, kAt);
  CHECK(lab.map(frame, other, kAt) == "InvalidCapability(1)");
  CHECK(lab.map(frame, space, kAt + 0x1000) == "InvalidArgument(0)");
  CHECK(lab.map(frame, space, kAt) == "ok");
}

TEST_CASE("page tables go where one is missing and nowhere else", "[kernel][vspace]") {
  Lab lab;
  const Cptr space = lab.vspace();
  const Cptr table = lab.page_table();
  CHECK(lab.map_table(table, kRootCNode, kAt) == "InvalidCapability(1)");
  CHECK(lab.map_table(table, lab.make(ObjectType::VSpace), kAt) == "InvalidCapability(1)");
  CHECK(lab.map_table(table, space, kUserAddressEnd) == "InvalidArgument(0)");
  CHECK(lab.invoke(table, Invoke::PageTableUnmap) == "ok");
  REQUIRE(lab.map_table(table, space, kAt + 0x123) == "ok");
  CHECK(lab.map_table(table, space, kAt) == "InvalidCapability(0)");
  CHECK(lab.object<PageTable>(table).level == 1);
  REQUIRE(lab.map(lab.frame(21), space, kAt) == "ok");
  CHECK(lab.map_table(lab.page_table(), space, kAt) == "DeleteFirst");
  REQUIRE(lab.invoke(table, Invoke::PageTableUnmap) == "ok");
  CHECK(lab.object<PageTable>(table).asid == 0);
  CHECK(access_at(lab, space, kAt) == "---");
  CHECK(lab.all_zero(lab.cap(table).object + 2048, 2048));
}

TEST_CASE("Remapping in place changes rights; rights never exceed the capability's.",
          "[kernel][vspace][exhaustive][kernel.VS04]") {
  Lab lab;
  const Cptr space = lab.vspace();
  tables_for(lab, space, kAt);
  const Cptr frame = lab.frame();
  for (const u8 cap_rights : {u8{kRightRead}, u8{kRightRead | kRightWrite}}) {
    const Cptr cap = lab.copied(frame, cap_rights);
    for (const u64 rights : {2, 3, 2, 3}) {
      for (const u64 attributes : {0, 1}) {
        CAPTURE(int(cap_rights), rights, attributes);
        REQUIRE(lab.map(cap, space, kAt, rights, attributes) == "ok");
        const bool writes = (rights & cap_rights & kRightWrite) != 0;
        CHECK(access_at(lab, space, kAt) == std::string("R") + (writes ? "W" : "-") + (attributes == 1 ? "X" : "-"));
      }
    }
    REQUIRE(lab.remove(cap) == "ok");
  }
  const Cptr write_only = lab.copied(frame, kRightWrite);
  CHECK(lab.map(write_only, space, kAt, 3) == "InvalidArgument(1)");
  const Cptr nothing = lab.copied(frame, 0);
  CHECK(lab.map(nothing, space, kAt, 3) == "InvalidArgument(1)");
}

TEST_CASE("A frame shared by three spaces is one memory with three sets of rights.", "[kernel][vspace][kernel.VS05]") {
  Lab lab;
  const Cptr frame = lab.frame();
  const char* const expected[] = {"RW-", "R--", "R-X"};
  Cptr spaces[3];
  for (u32 i = 0; i < 3; ++i) {
    spaces[i] = lab.vspace();
    const u64 at = kAt + i * 0x5000;
    tables_for(lab, spaces[i], at);
    REQUIRE(lab.map(lab.copied(frame, i == 1 ? kRightRead : 3), spaces[i], at, i == 0 ? 3 : 2, i == 2 ? 1 : 0) == "ok");
  }
  for (u32 i = 0; i < 3; ++i) {
    CHECK(access_at(lab, spaces[i], kAt + i * 0x5000) == expected[i]);
    CHECK(offset_at(lab, spaces[i], kAt + i * 0x5000 + 16) == lab.cap(frame).object + 16);
  }
  REQUIRE(lab.revoke(frame) == "ok");
  for (u32 i = 0; i < 3; ++i) CHECK(access_at(lab, spaces[i], kAt + i * 0x5000) == "---");
}

TEST_CASE("Deleting a table or a VSpace ends its mappings; stale frame capabilities unmap nothing.",
          "[kernel][vspace][kernel.VS06]") {
  Lab lab;
  const Cptr space = lab.vspace();
  const Cptr upper = lab.page_table();
  const Cptr lower = lab.page_table();
  REQUIRE(lab.map_table(upper, space, kAt) == "ok");
  REQUIRE(lab.map_table(lower, space, kAt) == "ok");
  const Cptr stale = lab.frame();
  REQUIRE(lab.map(stale, space, kAt) == "ok");
  REQUIRE(lab.remove(lower) == "ok");
  CHECK(access_at(lab, space, kAt) == "---");
  tables_for(lab, space, kAt, 1);
  const Cptr fresh = lab.frame();
  REQUIRE(lab.map(fresh, space, kAt) == "ok");
  CHECK(lab.invoke(stale, Invoke::FrameUnmap) == "ok");
  CHECK(offset_at(lab, space, kAt) == lab.cap(fresh).object);
  REQUIRE(lab.remove(space) == "ok");
  CHECK(lab.invoke(fresh, Invoke::FrameUnmap) == "ok");
  const Cptr next = lab.vspace();
  CHECK(lab.map_table(upper, next, kAt) == "ok");  // its VSpace is gone: it counts as unmapped and is cleared
  CHECK(access_at(lab, next, kAt) == "---");
  CHECK(lab.spaces_gone.size() == 1);
}

TEST_CASE("A freed ASID given to another VSpace is safe from old capabilities.", "[kernel][vspace][kernel.VS07]") {
  Lab lab;
  const Cptr old_space = lab.vspace();
  const u16 asid = lab.object<VSpace>(old_space).asid;
  tables_for(lab, old_space, kAt);
  const Cptr old_frame = lab.frame();
  REQUIRE(lab.map(old_frame, old_space, kAt) == "ok");
  const Cptr same_place = lab.copied(old_frame);
  REQUIRE(lab.remove(old_space) == "ok");
  const Cptr space = lab.vspace();
  REQUIRE(lab.object<VSpace>(space).asid == asid);
  tables_for(lab, space, kAt);
  REQUIRE(lab.map(same_place, space, kAt) == "ok");  // the very same frame at the very same place
  CHECK(lab.invoke(old_frame, Invoke::FrameUnmap) == "ok");
  CHECK(access_at(lab, space, kAt) == "RW-");
  REQUIRE(lab.remove(old_frame) == "ok");
  CHECK(access_at(lab, space, kAt) == "RW-");
}

TEST_CASE("Pools and ASIDs run out with DeleteFirst and come back after deletion.", "[kernel][vspace][kernel.VS08]") {
  Options options;
  options.ram_bytes = u64{32} << 20;
  options.check_every = 16;
  Lab lab(options);
  SECTION("ASIDs of a pool") {
    const Cptr spaces = lab.slots(256);
    REQUIRE(lab.retype(lab.general_untyped, ObjectType::VSpace, 0, spaces, 256) == "ok");
    const auto assign = [&](u64 i) { return lab.invoke(kRootAsidPool, Invoke::AsidPoolAssign, {0}, {spaces + i}); };
    u64 assigned = 0;
    while (assigned < 256 && assign(assigned).ok()) assigned += 1;
    CHECK(assigned == 254);  // 256 without ASID 0 and the root task's
    CHECK(assign(assigned) == "DeleteFirst");
    CHECK(assign(0) == "InvalidCapability(1)");  // has one
    REQUIRE(lab.remove(spaces + 100) == "ok");
    CHECK(assign(assigned) == "ok");
    CHECK(assign(assigned + 1) == "DeleteFirst");
    CHECK(lab.invoke(kRootAsidPool, Invoke::AsidPoolAssign, {2}, {spaces + 255}) == "InvalidArgument(0)");
    CHECK(lab.invoke(kRootAsidPool, Invoke::AsidPoolAssign, {0}, {kRootCNode}) == "InvalidCapability(1)");
  }
  SECTION("pools") {
    const auto make = [&](Cptr memory, Cptr to) {
      return lab.invoke(kRootAsidControl, Invoke::AsidControlMakePool, {to, 64}, {memory, kRootCNode});
    };
    std::vector<Cptr> pools;
    for (u32 i = 0; i < 127; ++i) {
      CAPTURE(i);
      pools.push_back(lab.slot());
      REQUIRE(make(lab.untyped(12), pools.back()) == "ok");
    }
    CHECK(make(lab.untyped(12), lab.slot()) == "DeleteFirst");
    REQUIRE(lab.remove(pools[50]) == "ok");
    CHECK(make(lab.untyped(13), lab.slot()) == "InvalidCapability(1)");
    CHECK(make(kRootCNode, lab.slot()) == "InvalidCapability(1)");
    const Cptr used = lab.untyped(12);
    lab.make(ObjectType::Endpoint, 0, used);
    CHECK(make(used, lab.slot()) == "RevokeFirst");
    const Cptr again = lab.slot();
    const Cptr fresh = lab.untyped(12);
    CHECK(make(fresh, pools[49]) == "DeleteFirst");
    CHECK(make(fresh, again) == "ok");
    CHECK(lab.cap(fresh).data == 4096);
    const Cptr space = lab.make(ObjectType::VSpace);
    REQUIRE(lab.invoke(again, Invoke::AsidPoolAssign, {0}, {space}) == "ok");
    CHECK(lab.object<VSpace>(space).asid >= 256);
    REQUIRE(lab.remove(again) == "ok");
    CHECK(lab.object<VSpace>(space).asid == 0);
  }
}

TEST_CASE("The same virtual address remapped to another frame is never read through an old translation.",
          "[kernel][vspace][kernel.VS09]") {
  Lab lab;
  const Cptr space = lab.vspace();
  tables_for(lab, space, kAt);
  const Cptr one = lab.frame();
  const Cptr two = lab.frame();
  std::memset(lab.kernel().ram() + lab.cap(one).object, 1, 4096);
  std::memset(lab.kernel().ram() + lab.cap(two).object, 2, 4096);
  // A translation kept as an engine keeps it: valid while the generation stands.
  u64 kept_generation = kNever;
  u64 kept_offset = 0;
  const auto read = [&] {
    const VSpace& object = lab.object<VSpace>(space);
    if (object.tlb_generation != kept_generation) {
      const auto found = vspace::translate(lab.kernel(), object, kAt, Access::Read);
      if (!found.ok()) return u8{0};
      kept_generation = object.tlb_generation;
      kept_offset = found.value().offset;
    }
    return lab.kernel().ram()[kept_offset];
  };
  for (u32 round = 0; round < 5; ++round) {
    REQUIRE(lab.map(one, space, kAt) == "ok");
    CHECK(read() == 1);
    REQUIRE(lab.invoke(one, Invoke::FrameUnmap) == "ok");
    CHECK(read() == 0);
    REQUIRE(lab.map(two, space, kAt) == "ok");
    CHECK(read() == 2);
    if (round % 2 == 0) {
      REQUIRE(lab.invoke(two, Invoke::FrameUnmap) == "ok");
    } else {
      const Cptr kept = lab.copied(two);
      REQUIRE(lab.remove(two) == "ok");
      REQUIRE(lab.move(two, kept) == "ok");
    }
  }
}

TEST_CASE("Threads in different address and capability spaces exchange messages.", "[kernel][vspace][kernel.VS10]") {
  Lab lab;
  const Cptr endpoint = lab.endpoint();
  std::vector<Thread*> threads;
  for (u32 i = 0; i < 2; ++i) {
    const Cptr cnode = lab.cnode(3);
    const Cptr guarded = lab.slot();
    REQUIRE(lab.mint(guarded, cnode, 61) == "ok");
    REQUIRE(lab.copy(Place(cnode, 1 + i, 3), endpoint) == "ok");
    REQUIRE(lab.copy(Place(cnode, 5, 3), lab.reply()) == "ok");
    threads.push_back(&lab.thread({.cspace = guarded, .vspace = lab.vspace(), .parks = false}));
  }
  Words words;
  for (u64 i = 0; i < 100; ++i) words.push_back(i * i);
  threads[0]->later({recv(1, 5), reply_recv(1, 5, message(8, {9}))});
  threads[1]->later(call(2, message(7, words)));
  lab.run(ms(1));
  CHECK(threads[1]->outcome() == "8(9)");
  CHECK(threads[0]->state() == ThreadState::BlockedOnReceive);
}

TEST_CASE("arena frames are for Native address spaces, and a Native one takes them", "[kernel][vspace]") {
  Lab lab;
  const Cptr space = lab.vspace(1);
  CHECK(lab.object<VSpace>(space).kind == 1);
  tables_for(lab, space, kAt);
  CHECK(lab.map(lab.frame(), space, kAt, 3, kMapArena) == "ok");
  CHECK(access_at(lab, space, kAt) == "RW-");
}

TEST_CASE("a device frame is mapped as device memory whatever is asked", "[kernel][vspace]") {
  Options options;
  options.devices = {{DeviceKind::Console, 1, 0xE000'0000, 16}};
  Lab lab(options);
  const Cptr space = lab.vspace();
  tables_for(lab, space, kAt);
  const Cptr frame = lab.make(ObjectType::Frame, 12, lab.boot_info().devices[0].slot);
  REQUIRE(lab.map(frame, space, kAt, 3, 0) == "ok");
  const auto found = vspace::translate(lab.kernel(), lab.object<VSpace>(space), kAt + 4, Access::Write);
  REQUIRE(found.ok());
  CHECK(found.value().offset == 0xE000'0004);
  CHECK((found.value().entry & kEntryDevice) != 0);
}
