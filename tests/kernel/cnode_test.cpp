// CNode operations: copying, minting, moving and looking up capabilities.
#include "tests/kernel/lab.h"

using namespace lab;

namespace {

struct Operation {
  const char* name;
  Invoke label;
  Words words;  // valid ones
  std::vector<Cptr> caps;
};

/// Every CNode operation on a small CNode, with arguments that would succeed: slot 1 full, slots 2 and 3 empty.
std::vector<Operation> operations(Cptr cnode) {
  return {
      {"Revoke", Invoke::CNodeRevoke, {1, 4}, {}},
      {"Delete", Invoke::CNodeDelete, {1, 4}, {}},
      {"CancelBadgedSends", Invoke::CNodeCancelBadgedSends, {1, 4}, {}},
      {"Copy", Invoke::CNodeCopy, {2, 4, 1, 4, kRightsAll}, {cnode}},
      {"Mint", Invoke::CNodeMint, {2, 4, 1, 4, kRightsAll, 5}, {cnode}},
      {"Move", Invoke::CNodeMove, {2, 4, 1, 4}, {cnode}},
      {"Mutate", Invoke::CNodeMutate, {2, 4, 1, 4, 0}, {cnode}},
      {"Rotate", Invoke::CNodeRotate, {2, 4, 0, 3, 4, 0, 1, 4}, {cnode, cnode}},
  };
}

}  // namespace

TEST_CASE("Copy puts an equal capability into an empty slot; both act on the same object.",
          "[kernel][cnode][kernel.CN01]") {
  Lab lab;
  const Cptr ntfn = lab.notification();
  const Cptr twin = lab.slot();
  REQUIRE(lab.copy(twin, ntfn) == "ok");
  CHECK(lab.cap(twin) == lab.cap(ntfn));
  CHECK(lab.object<Notification>(ntfn).header.cap_count == 2);
  lab.root_does(signal(twin));
  CHECK(lab.root_does(poll(ntfn)) == "signal 0");
}

TEST_CASE("a copy of each type of capability is equal to its source and its child", "[kernel][cnode][tree]") {
  Lab lab;
  const std::vector<Cptr> sources = {lab.endpoint(),   lab.notification(),
                                     lab.reply(),      lab.cnode(3),
                                     lab.tcb(),        lab.sched_context(),
                                     lab.frame(),      lab.page_table(),
                                     lab.vspace(),     lab.untyped(8),
                                     kRootAsidPool,    kRootSchedControl,
                                     kRootAsidControl, lab.irq_handler(3, lab.notification())};
  for (const Cptr source : sources) {
    CAPTURE(source, static_cast<int>(lab.cap(source).type));
    const Cap before = lab.cap(source);
    const Cptr twin = lab.slot();
    REQUIRE(lab.copy(twin, source) == "ok");
    CHECK(lab.is_child(twin, source));
    CHECK(lab.cap(twin).type == before.type);
    CHECK(lab.cap(twin).object == before.object);
    CHECK(lab.cap(twin).rights == before.rights);
    CHECK(lab.cap(twin).bits == before.bits);
    if (before.type != CapType::Untyped && before.type != CapType::Frame) CHECK(lab.cap(twin).data == before.data);
  }
}

TEST_CASE("Copy into an occupied slot, also onto itself, is DeleteFirst and changes nothing.",
          "[kernel][cnode][kernel.CN02]") {
  Lab lab;
  const Cptr first = lab.endpoint();
  const Cptr second = lab.notification();
  const auto before = lab.caps();
  CHECK(lab.copy(second, first) == "DeleteFirst");
  CHECK(lab.copy(first, first) == "DeleteFirst");
  CHECK(lab.mint(second, first, 5) == "DeleteFirst");
  CHECK(lab.move(second, first) == "DeleteFirst");
  CHECK(lab.move(first, first) == "DeleteFirst");
  CHECK(lab.mutate(second, first, 0) == "DeleteFirst");
  CHECK(lab.caps() == before);
}

TEST_CASE("Copy from an empty slot is FailedLookup with was_source 1 and the source depth.",
          "[kernel][cnode][kernel.CN03]") {
  Lab lab;
  const Cptr to = lab.slot();
  const Cptr empty = lab.slot();
  const Cptr small = lab.cnode(4);
  const auto before = lab.caps();
  CHECK(lab.copy(to, empty) == "FailedLookup(1, 2, 64)");
  CHECK(lab.copy(to, Place(small, 3, 4)) == "FailedLookup(1, 2, 4)");
  CHECK(lab.mint(to, empty, 1) == "FailedLookup(1, 2, 64)");
  CHECK(lab.move(to, Place(small, 0, 4)) == "FailedLookup(1, 2, 4)");
  CHECK(lab.mutate(to, empty, 1) == "FailedLookup(1, 2, 64)");
  CHECK(lab.caps() == before);
}

TEST_CASE("Copy with a mask never adds rights, for all 256 pairs of source rights and masks.",
          "[kernel][cnode][exhaustive][kernel.CN04]") {
  Lab lab;
  const Cptr endpoint = lab.endpoint();
  const Cptr source = lab.slot();
  const Cptr twin = lab.slot();
  for (u8 rights = 0; rights < 16; ++rights) {
    REQUIRE(lab.copy(source, endpoint, rights) == "ok");
    REQUIRE(lab.cap(source).rights == rights);
    for (u8 mask = 0; mask < 16; ++mask) {
      CAPTURE(int(rights), int(mask));
      REQUIRE(lab.copy(twin, source, mask) == "ok");
      CHECK(lab.cap(twin).rights == (rights & mask));
      REQUIRE(lab.remove(twin) == "ok");
      REQUIRE(lab.mint(twin, source, 9, mask) == "ok");
      CHECK(lab.cap(twin).rights == (rights & mask));
      REQUIRE(lab.remove(twin) == "ok");
    }
    REQUIRE(lab.remove(source) == "ok");
  }
}

TEST_CASE("a mask narrows frames and reply objects too, and leaves other types whole", "[kernel][cnode][rights]") {
  Lab lab;
  const Cptr frame = lab.frame();
  const Cptr reply = lab.reply();
  for (u8 mask = 0; mask < 16; ++mask) {
    CAPTURE(int(mask));
    const Cptr narrow = lab.copied(frame, mask);
    CHECK(lab.cap(narrow).rights == (lab.cap(frame).rights & mask));
    const Cptr mute = lab.copied(reply, mask);
    CHECK(lab.cap(mute).rights == (lab.cap(reply).rights & mask));
  }
  const Cptr table = lab.page_table();
  CHECK(lab.cap(lab.copied(table, 0)) == lab.cap(table));
}

TEST_CASE("Mint badges an unbadged endpoint or notification and refuses a badged one.",
          "[kernel][cnode][kernel.CN05]") {
  Lab lab;
  for (const Cptr plain : {lab.endpoint(), lab.notification()}) {
    const Cptr badged = lab.slot();
    const Cptr other = lab.slot();
    REQUIRE(lab.mint(badged, plain, 0xFFFF'FFFF'FFFF'FFFF) == "ok");
    CHECK(lab.cap(badged).data == 0xFFFF'FFFF'FFFF'FFFF);
    CHECK(lab.is_child(badged, plain));
    const auto before = lab.caps();
    CHECK(lab.mint(other, badged, 6) == "IllegalOperation");
    CHECK(lab.caps() == before);
    REQUIRE(lab.copy(other, badged) == "ok");
    CHECK(lab.cap(other).data == 0xFFFF'FFFF'FFFF'FFFF);
  }
}

TEST_CASE("Mint sets a guard and refuses guard size + radix above 64.", "[kernel][cnode][kernel.CN06]") {
  Lab lab;
  const Cptr cnode = lab.cnode(4);
  const Cptr guarded = lab.slot();
  REQUIRE(lab.mint(guarded, cnode, 0x5Au << 6 | 8) == "ok");
  CHECK(lab.cap(guarded).flags == 8);
  CHECK(lab.cap(guarded).data == 0x5A);
  CHECK(lab.cap(guarded).bits == 4);
  REQUIRE(lab.copy(Place(guarded, 0x5A3, 12), kRootReply) == "ok");
  CHECK(lab.slot_in(cnode, 3).cap.type == CapType::Reply);
  const Cptr widest = lab.slot();
  CHECK(lab.mint(widest, cnode, 60) == "ok");
  const auto before = lab.caps();
  CHECK(lab.mint(lab.slot(), cnode, 61) == "IllegalOperation");
  CHECK(lab.mint(lab.slot(), cnode, 63) == "IllegalOperation");
  CHECK(lab.caps() == before);
}

TEST_CASE("Move keeps badge, rights, children and tree position, and empties the source.",
          "[kernel][cnode][kernel.CN07]") {
  Lab lab;
  const Cptr endpoint = lab.endpoint();
  const Cptr older = lab.minted(endpoint, 1);
  const Cptr middle = lab.minted(endpoint, 7, kRightWrite | kRightGrant);
  const Cptr younger = lab.minted(endpoint, 2);
  const Cptr child = lab.copied(middle);
  const Cptr elsewhere = lab.slot();
  const Cap cap = lab.cap(middle);
  auto order = lab.children_of(lab.slot_ref(endpoint).offset);
  REQUIRE(lab.move(elsewhere, middle) == "ok");
  CHECK(lab.is_null(middle));
  CHECK(lab.cap(elsewhere) == cap);
  CHECK(lab.is_child(child, elsewhere));
  CHECK(lab.is_child(elsewhere, endpoint));
  for (u32& offset : order) {
    if (offset == lab.slot_ref(middle).offset) offset = lab.slot_ref(elsewhere).offset;
  }
  CHECK(lab.children_of(lab.slot_ref(endpoint).offset) == order);
  CHECK(order ==
        std::vector<u32>{lab.slot_ref(younger).offset, lab.slot_ref(elsewhere).offset, lab.slot_ref(older).offset});
}

TEST_CASE("Mutate changes a guard while moving and refuses an endpoint.", "[kernel][cnode][kernel.CN08]") {
  Lab lab;
  const Cptr cnode = lab.cnode(4);
  const Cptr child = lab.copied(cnode);
  const Cptr moved = lab.slot();
  REQUIRE(lab.mutate(moved, cnode, 3 << 6 | 2) == "ok");
  CHECK(lab.is_null(cnode));
  CHECK(lab.cap(moved).flags == 2);
  CHECK(lab.cap(moved).data == 3);
  CHECK(lab.is_child(child, moved));
  const Cptr to = lab.slot();
  const Cptr endpoint = lab.endpoint();
  const Cptr ntfn = lab.notification();
  const auto before = lab.caps();
  CHECK(lab.mutate(to, endpoint, 5) == "IllegalOperation");
  CHECK(lab.mutate(to, ntfn, 5) == "IllegalOperation");
  CHECK(lab.mutate(to, moved, 62) == "IllegalOperation");
  CHECK(lab.caps() == before);
}

TEST_CASE("Rotate moves two capabilities through three slots; with source = target it swaps them.",
          "[kernel][cnode][kernel.CN09]") {
  Lab lab;
  const Cptr source = lab.cnode(4);
  const Cptr pivot = lab.notification();
  const Cptr source_child = lab.copied(source);
  const Cptr pivot_child = lab.minted(pivot, 4);
  const Cptr target = lab.slot();
  const u32 cnode = lab.cap(source).object;
  const u32 ntfn = lab.cap(pivot).object;
  CHECK(lab.rotate(target, pivot, source, 0, 1 << 6 | 1) == "IllegalOperation");  // the pivot's data: a notification
  const Cptr other = lab.cnode(3);
  const Cptr other_child = lab.copied(other);
  const u32 other_object = lab.cap(other).object;
  REQUIRE(lab.rotate(target, other, source, 5 << 6 | 3, 1 << 6 | 1) == "ok");
  CHECK(lab.cap(target).object == other_object);
  CHECK(lab.cap(target).flags == 3);
  CHECK(lab.cap(target).data == 5);
  CHECK(lab.cap(other).object == cnode);
  CHECK(lab.cap(other).flags == 1);
  CHECK(lab.is_null(source));
  CHECK(lab.is_child(source_child, other));
  CHECK(lab.is_child(other_child, target));
  REQUIRE(lab.rotate(other, target, other) == "ok");  // swaps
  CHECK(lab.cap(target).object == cnode);
  CHECK(lab.cap(other).object == other_object);
  CHECK(lab.is_child(source_child, target));
  CHECK(lab.is_child(other_child, other));
  CHECK(lab.cap(pivot).object == ntfn);
  CHECK(lab.is_child(pivot_child, pivot));
}

TEST_CASE("Rotate exchanges a capability with its own child and with its sibling", "[kernel][cnode][tree]") {
  Lab lab;
  const Cptr parent = lab.cnode(4);
  const Cptr child = lab.slot();
  REQUIRE(lab.mint(child, parent, 2 << 6 | 2) == "ok");
  const Cptr sibling = lab.slot();
  REQUIRE(lab.mint(sibling, parent, 3 << 6 | 3) == "ok");
  REQUIRE(lab.rotate(parent, child, parent, 2 << 6 | 2, 0) == "ok");
  CHECK(lab.is_child(parent, child));
  CHECK(lab.is_child(sibling, child));
  REQUIRE(lab.rotate(parent, sibling, parent, 3 << 6 | 3, 2 << 6 | 2) == "ok");
  CHECK(lab.children_of(lab.slot_ref(child).offset).size() == 2);
  CHECK(lab.revoke(child) == "ok");
  CHECK(lab.is_null(parent));
  CHECK(lab.is_null(sibling));
  CHECK(!lab.is_null(child));
}

TEST_CASE("Rotate with pivot = source, pivot = target or an occupied target leaves all three slots as they were.",
          "[kernel][cnode][kernel.CN10]") {
  Lab lab;
  const Cptr source = lab.cnode(4);
  const Cptr pivot = lab.cnode(3);
  const Cptr full = lab.cnode(2);
  const Cptr empty = lab.slot();
  const auto before = lab.caps();
  CHECK(lab.rotate(empty, source, source) == "IllegalOperation");
  CHECK(lab.rotate(pivot, pivot, source) == "IllegalOperation");
  CHECK(lab.rotate(full, pivot, source) == "DeleteFirst");
  CHECK(lab.rotate(full, pivot, empty) == "DeleteFirst");
  CHECK(lab.rotate(lab.slot(), pivot, empty) == "FailedLookup(1, 2, 64)");
  CHECK(lab.rotate(lab.slot(), empty, source) == "FailedLookup(0, 2, 64)");
  CHECK(lab.caps() == before);
}

TEST_CASE("Depth 0 and 65 are RangeError(1, 64) in every operation.", "[kernel][cnode][kernel.CN11]") {
  Lab lab;
  const Cptr cnode = lab.cnode(4);
  REQUIRE(lab.copy(Place(cnode, 1, 4), lab.cnode(2)) == "ok");
  for (const u64 depth : {u64{0}, u64{65}, u64{1} << 32, kNever}) {
    for (Operation operation : operations(cnode)) {
      CAPTURE(operation.name, depth);
      const auto before = lab.caps();
      std::vector<std::size_t> depths = {1};
      if (operation.label == Invoke::CNodeRotate) {
        depths = {1, 4, 7};
      } else if (operation.words.size() >= 4) {
        depths = {1, 3};
      }
      for (const std::size_t at : depths) {
        CAPTURE(at);
        Words words = operation.words;
        words[at] = depth;
        CHECK(lab.invoke(cnode, operation.label, words, operation.caps) == "RangeError(1, 64)");
      }
      CHECK(lab.caps() == before);
    }
  }
  CHECK(lab.invoke(kRootIrqControl, Invoke::IrqControlGet, {1, 0, 20, 65}, {kRootCNode}) == "RangeError(1, 64)");
}

TEST_CASE("Each kind of lookup failure reports its exact words.", "[kernel][cnode][kernel.CN12]") {
  Lab lab;
  const Cptr endpoint = lab.endpoint();
  const Cptr cnode = lab.cnode(4);
  const Cptr to = lab.slot();
  SECTION("InvalidRoot") { CHECK(lab.copy(to, Place(endpoint, 0, 4)) == "FailedLookup(1, 1)"); }
  SECTION("MissingCapability with the depth") { CHECK(lab.copy(to, Place(cnode, 9, 4)) == "FailedLookup(1, 2, 4)"); }
  SECTION("DepthMismatch: too few bits for the level") {
    CHECK(lab.remove(Place(cnode, 1, 3)) == "FailedLookup(0, 3, 3, 4)");
    CHECK(lab.copy(to, Place(cnode, 1, 3)) == "FailedLookup(1, 3, 3, 4)");
  }
  SECTION("DepthMismatch: bits left over") { CHECK(lab.remove(Place(cnode, 0x11, 6)) == "FailedLookup(0, 3, 2, 0)"); }
  SECTION("GuardMismatch: another guard") {
    CHECK(lab.remove(Place(kRootCNode, u64{1} << 20 | endpoint, 64)) == "FailedLookup(0, 4, 64, 0, 52)");
    CHECK(lab.copy(to, Place(kRootCNode, u64{1} << 63 | endpoint, 64)) == "FailedLookup(1, 4, 64, 0, 52)");
  }
  SECTION("GuardMismatch: a guard longer than the address") {
    CHECK(lab.remove(Place(kRootCNode, endpoint, 12)) == "FailedLookup(0, 4, 12, 0, 52)");
  }
  SECTION("the second level reports the bits left there") {
    const Cptr inner = lab.slot();
    REQUIRE(lab.mint(inner, lab.cnode(3), 0b101 << 6 | 3) == "ok");
    REQUIRE(lab.move(Place(cnode, 2, 4), inner) == "ok");
    CHECK(lab.remove(Place(cnode, 0b0010'100'000, 10)) == "FailedLookup(0, 4, 6, 5, 3)");
    CHECK(lab.remove(Place(cnode, 0b0010'101'00, 9)) == "FailedLookup(0, 3, 5, 6)");
    CHECK(lab.remove(Place(cnode, 0b0010'101'000, 10)) == "ok");
  }
}

TEST_CASE(
    "Every split of guard and radix over one to four levels resolves as the model says (exhaustive for 8-bit spaces).",
    "[kernel][cnode][exhaustive][model][kernel.CN13]") {
  Options options;
  options.check_every = 29;
  Lab lab(options);
  lab.keep_events = false;
  struct Level {
    u32 guard_size, radix, guard, path;
    Cptr cnode;
  };
  base::Prng prng{1, "test.cspace"};
  u32 splits = 0;
  const Cptr memory = lab.untyped(16);
  const Cptr first = lab.slots(8);
  const std::function<void(std::vector<Level>&, u32)> go = [&](std::vector<Level>& levels, u32 left) {
    if (left == 0) {
      splits += 1;
      REQUIRE(lab.revoke(memory) == "ok");
      for (std::size_t i = 0; i < levels.size(); ++i) {
        Level& level = levels[i];
        level.guard = static_cast<u32>(prng.below(u64{1} << level.guard_size));
        level.path = static_cast<u32>(prng.below(u64{1} << level.radix));
        REQUIRE(lab.retype(memory, ObjectType::CNode, level.radix, first + i) == "ok");
      }
      for (std::size_t i = 0; i < levels.size(); ++i) {
        const Level& level = levels[i];
        const Place to = i == 0 ? Place(first + 7) : Place(first + i - 1, levels[i - 1].path, levels[i - 1].radix);
        REQUIRE(lab.mint(to, first + i, level.guard << 6 | level.guard_size) == "ok");
      }
      const Cap root = lab.cap(first + 7);
      for (u64 address = 0; address < 256; ++address) {
        for (u32 bits : {8u, 7u, 5u}) {
          u64 rest = address >> (8 - bits);
          u32 bits_left = bits;
          LookupFailure failure = LookupFailure::None;
          u64 words[3] = {};
          u32 slot = 0;
          for (std::size_t i = 0; i < levels.size(); ++i) {
            const Level& level = levels[i];
            const auto top = [&](u32 n) { return n == 0 ? 0 : rest >> (bits_left - n) & ((1u << n) - 1); };
            if (level.guard_size > bits_left || top(level.guard_size) != level.guard) {
              failure = LookupFailure::GuardMismatch;
              words[0] = bits_left, words[1] = level.guard, words[2] = level.guard_size;
              break;
            }
            if (level.guard_size + level.radix > bits_left) {
              failure = LookupFailure::DepthMismatch;
              words[0] = bits_left, words[1] = level.guard_size + level.radix;
              break;
            }
            const u32 index = static_cast<u32>(top(level.guard_size + level.radix) & ((1u << level.radix) - 1));
            bits_left -= level.guard_size + level.radix;
            slot = lab.cap(first + i).object + index * static_cast<u32>(sizeof(Slot));
            if (bits_left == 0 || i + 1 == levels.size() || index != level.path) break;
          }
          const auto found = cspace::resolve(lab.kernel(), root, rest, bits);
          CAPTURE(address, bits, levels.size());
          if (failure == LookupFailure::None) {
            REQUIRE(found.ok());
            REQUIRE(found.value().slot.offset == slot);
            REQUIRE(found.value().bits_left == bits_left);
          } else {
            REQUIRE(!found.ok());
            REQUIRE(found.error().failure == failure);
            REQUIRE(std::equal(words, words + 3, found.error().words));
          }
        }
      }
      return;
    }
    if (levels.size() == 4) return;
    for (u32 used = 1; used <= left; ++used) {
      for (u32 radix = 1; radix <= used; ++radix) {
        levels.push_back({used - radix, radix, 0, 0, 0});
        go(levels, left - used);
        levels.pop_back();
      }
    }
  };
  std::vector<Level> levels;
  go(levels, 8);
  CHECK(splits == 8 + 84 + 252 + 330);
}

TEST_CASE("Every message shorter than needed is TruncatedMessage and changes nothing.",
          "[kernel][cnode][kernel.CN14]") {
  Lab lab;
  const Cptr cnode = lab.cnode(4);
  REQUIRE(lab.move(Place(cnode, 1, 4), lab.cnode(2)) == "ok");
  REQUIRE(lab.move(Place(cnode, 3, 4), lab.cnode(3)) == "ok");
  for (const Operation& operation : operations(cnode)) {
    CAPTURE(operation.name);
    const auto before = lab.caps();
    for (std::size_t length = 0; length < operation.words.size(); ++length) {
      CAPTURE(length);
      const Words words(operation.words.begin(), operation.words.begin() + static_cast<long>(length));
      CHECK(lab.invoke(cnode, operation.label, words, operation.caps) == "TruncatedMessage");
    }
    for (std::size_t count = 0; count < operation.caps.size(); ++count) {
      const std::vector<Cptr> caps(operation.caps.begin(), operation.caps.begin() + static_cast<long>(count));
      CHECK(lab.invoke(cnode, operation.label, operation.words, caps) == "TruncatedMessage");
    }
    CHECK(lab.caps() == before);
  }
}

TEST_CASE("every other invocation with a word or a capability too few is TruncatedMessage",
          "[kernel][invoke][exhaustive]") {
  Lab lab;
  Thread& thread = lab.thread({.started = false});
  const Cptr handler = lab.irq_handler(9, lab.notification());
  const Cptr sc = lab.configured_sc(ms(1), ms(2));
  const Cptr frame = lab.frame();
  const Cptr table = lab.page_table();
  const Cptr untyped = lab.untyped(12);
  struct Case {
    Cptr cap;
    Invoke label;
    u32 words, caps;
  };
  const std::vector<Case> cases = {
      {lab.general_untyped, Invoke::UntypedRetype, 6, 1},
      {thread.tcb, Invoke::TcbReadRegisters, 2, 0},
      {thread.tcb, Invoke::TcbWriteRegisters, 2, 0},
      {thread.tcb, Invoke::TcbCopyRegisters, 1, 1},
      {thread.tcb, Invoke::TcbConfigure, 2, 3},
      {thread.tcb, Invoke::TcbSetPriority, 1, 1},
      {thread.tcb, Invoke::TcbSetMcp, 1, 1},
      {thread.tcb, Invoke::TcbSetSchedParams, 2, 3},
      {thread.tcb, Invoke::TcbSetTimeoutEndpoint, 0, 1},
      {thread.tcb, Invoke::TcbSetIpcBuffer, 1, 1},
      {thread.tcb, Invoke::TcbSetSpace, 1, 3},
      {thread.tcb, Invoke::TcbBindNotification, 0, 1},
      {thread.tcb, Invoke::TcbSetTls, 1, 0},
      {thread.tcb, Invoke::TcbSetEngine, 1, 0},
      {thread.tcb, Invoke::TcbSetName, 4, 0},
      {kRootIrqControl, Invoke::IrqControlGet, 4, 1},
      {handler, Invoke::IrqHandlerSetNotification, 0, 1},
      {kRootSchedControl, Invoke::SchedControlConfigure, 6, 1},
      {sc, Invoke::SchedContextBind, 0, 1},
      {sc, Invoke::SchedContextUnbindObject, 0, 1},
      {sc, Invoke::SchedContextConfigureChild, 6, 1},
      {frame, Invoke::FrameMap, 3, 1},
      {table, Invoke::PageTableMap, 1, 1},
      {kRootAsidControl, Invoke::AsidControlMakePool, 2, 2},
      {kRootAsidPool, Invoke::AsidPoolAssign, 1, 1},
  };
  const auto before = lab.caps();
  for (const Case& test : cases) {
    CAPTURE(static_cast<u64>(test.label));
    for (u32 words = 0; words < test.words; ++words) {
      CAPTURE(words);
      CHECK(lab.invoke(test.cap, test.label, Words(words, 1), std::vector<Cptr>(test.caps, untyped)) ==
            "TruncatedMessage");
    }
    for (u32 caps = 0; caps < test.caps; ++caps) {
      CAPTURE(caps);
      CHECK(lab.invoke(test.cap, test.label, Words(test.words, 1), std::vector<Cptr>(caps, untyped)) ==
            "TruncatedMessage");
    }
  }
  CHECK(lab.caps() == before);
}

TEST_CASE("an unknown label is IllegalOperation for every type of capability", "[kernel][invoke]") {
  Lab lab;
  Thread& thread = lab.thread({.started = false});
  const std::vector<Cptr> caps = {lab.general_untyped, thread.tcb,        thread.sc,
                                  lab.cnode(2),        lab.frame(),       lab.page_table(),
                                  lab.vspace(),        kRootAsidPool,     kRootAsidControl,
                                  kRootIrqControl,     kRootSchedControl, lab.irq_handler(2, lab.notification())};
  const auto before = lab.caps();
  for (const Cptr cap : caps) {
    for (const u64 label : {u64{0}, u64{0x0F}, u64{0x32}, u64{0x49}, u64{0x7E}, u64{0xFFFF}}) {
      CAPTURE(cap, label);
      CHECK(lab.root_does(call(cap, message(label, Words(8, 0), {kRootCNode, kRootCNode, kRootCNode}))) ==
            "IllegalOperation");
    }
  }
  CHECK(lab.caps() == before);
}

TEST_CASE("IRQControl cannot be copied, and a SchedControl is minted only within its range", "[kernel][cnode]") {
  Options options;
  options.cores = 8;
  Lab lab(options);
  const Cptr to = lab.slot();
  CHECK(lab.copy(to, kRootIrqControl) == "IllegalOperation");
  REQUIRE(lab.mint(to, kRootSchedControl, 2 | 4 << 16) == "ok");
  CHECK(lab.cap(to).data == (2 | 4 << 16));
  CHECK(lab.mint(lab.slot(), to, 1 | 2 << 16) == "IllegalOperation");
  CHECK(lab.mint(lab.slot(), to, 4 | 3 << 16) == "IllegalOperation");
  CHECK(lab.mint(lab.slot(), to, 3 | 0 << 16) == "IllegalOperation");
  CHECK(lab.mint(lab.slot(), to, 5 | 1 << 16) == "ok");
}
