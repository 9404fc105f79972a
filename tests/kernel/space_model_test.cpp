// Address spaces against a naive twin: random maps, unmaps, deletions, and VSpaces that take over the ASID of a dead
// one. After each operation every address of every space translates as the twin says.
#include <array>

#include "tests/kernel/lab.h"

using namespace lab;

namespace {

constexpr u32 kSpaces = 2;
constexpr u32 kTables = 5;
constexpr u32 kFrames = 2;
constexpr u32 kCapsPerFrame = 3;
constexpr u32 kCaps = kFrames * kCapsPerFrame;
constexpr u32 kRegions = 2;  // of 2 MiB
constexpr u32 kPages = 2;    // used in each

struct Address {
  u32 region = 0;
  u32 page = 0;
  u64 vaddr() const { return (u64{region} << 21) + (u64{page} << 12); }
  friend bool operator==(const Address&, const Address&) = default;
};

/// The twin: instances of VSpaces are never the same again, tables hold what is in them, caps remember one place.
class Twin {
 public:
  struct Leaf {
    int frame = -1;
    u64 rights = 0;
  };
  struct Table {
    int instance = -1;
    int level = -1;  // −1: never mapped or unmapped
    u32 region = 0;
    std::array<int, kRegions> tables{-1, -1};  // level 1
    std::array<Leaf, kPages> leaves;           // level 0
  };
  struct FrameCap {
    bool exists = false;
    u64 rights = 0;
    int instance = -1;
    Address address;
  };

  std::array<int, kSpaces> space;  // instance, −1: none
  std::vector<int> root;           // by instance: its level 1 table
  std::array<Table, kTables> tables;
  std::array<FrameCap, kCaps> caps;

  Twin() { space.fill(-1); }
  bool alive(int instance) const {
    return instance >= 0 && std::find(space.begin(), space.end(), instance) != space.end();
  }
  bool mapped_table(u32 t) const {
    const Table& table = tables[t];
    if (table.level < 0 || !alive(table.instance)) return false;
    const int top = root[static_cast<u32>(table.instance)];
    if (table.level == 1) return top == static_cast<int>(t);
    return top >= 0 && tables[static_cast<u32>(top)].tables[table.region] == static_cast<int>(t);
  }
  Leaf* leaf(int instance, Address address) {
    if (!alive(instance) || root[static_cast<u32>(instance)] < 0) return nullptr;
    const int low = tables[static_cast<u32>(root[static_cast<u32>(instance)])].tables[address.region];
    return low < 0 ? nullptr : &tables[static_cast<u32>(low)].leaves[address.page];
  }
  bool mapped_cap(u32 c) {
    const Leaf* at = leaf(caps[c].instance, caps[c].address);
    return at != nullptr && at->frame == static_cast<int>(c / kCapsPerFrame);
  }
  void new_space(u32 s) {
    space[s] = static_cast<int>(root.size());
    root.push_back(-1);
  }
  std::string map_table(u32 t, u32 s, u32 region) {
    if (mapped_table(t)) return "InvalidCapability(0)";
    if (space[s] < 0) return "InvalidCapability(1)";
    const int instance = space[s];
    int& top = root[static_cast<u32>(instance)];
    if (top >= 0 && tables[static_cast<u32>(top)].tables[region] >= 0) return "DeleteFirst";
    Table fresh;
    fresh.instance = instance;
    fresh.region = region;
    fresh.level = top < 0 ? 1 : 0;
    tables[t] = fresh;
    (top < 0 ? top : tables[static_cast<u32>(top)].tables[region]) = static_cast<int>(t);
    return "ok";
  }
  void unmap_table(u32 t) {
    if (mapped_table(t)) {
      Table& table = tables[t];
      int& top = root[static_cast<u32>(table.instance)];
      (table.level == 1 ? top : tables[static_cast<u32>(top)].tables[table.region]) = -1;
    }
    tables[t] = Table{};
  }
  std::string map_frame(u32 c, u32 s, Address address, u64 rights) {
    FrameCap& cap = caps[c];
    if (!cap.exists) return "InvalidCapability(0)";
    if (space[s] < 0) return "InvalidCapability(1)";
    const u64 effective = cap.rights & rights;
    if ((effective & kRightRead) == 0) return "InvalidArgument(1)";
    const int top = root[static_cast<u32>(space[s])];
    if (top < 0) return "FailedLookup(0, 2, 30)";
    Leaf* at = leaf(space[s], address);
    if (at == nullptr) return "FailedLookup(0, 2, 21)";
    if (mapped_cap(c)) {
      if (cap.instance != space[s]) return "InvalidCapability(1)";
      if (!(cap.address == address)) return "InvalidArgument(0)";
    } else if (at->frame >= 0) {
      return "DeleteFirst";
    }
    *at = {static_cast<int>(c / kCapsPerFrame), effective};
    cap.instance = space[s];
    cap.address = address;
    return "ok";
  }
  void unmap_frame(u32 c) {
    if (mapped_cap(c)) *leaf(caps[c].instance, caps[c].address) = Leaf{};
    caps[c].instance = -1;
  }
};

class Pair {
 public:
  explicit Pair(u64 seed) : prng_{seed, "test.space-model"} {
    lab_.keep_events = false;
    lab_.keep_stretches = false;
    for (u32 s = 0; s < kSpaces; ++s) memory_[s] = lab_.untyped(13);
    for (u32 s = 0; s < kSpaces; ++s) space_[s] = lab_.slot();
    for (u32 t = 0; t < kTables; ++t) table_[t] = lab_.page_table();
    for (u32 f = 0; f < kFrames; ++f) frame_[f] = lab_.frame(12);
    for (u32 c = 0; c < kCaps; ++c) cap_[c] = lab_.slot();
  }

  /// One random operation on both; empty when they agree.
  std::string step() {
    const u32 s = below(kSpaces);
    const u32 t = below(kTables);
    const u32 c = below(kCaps);
    // Half of all mappings meet at one address: what is stale there matters.
    const Address address = below(2) == 0 ? Address{} : Address{below(kRegions), below(kPages)};
    std::string told = "ok";
    std::string expected = "ok";
    std::string what;
    // Mapping is common and ending rare, so that most operations meet something.
    const u32 dice = below(40);
    switch (dice < 1 ? 0 : dice < 7 ? 1 : dice < 15 ? 3 : dice < 16 ? 6 : dice < 19 ? 7 : dice < 21 ? 8 : 9) {
      case 0:
        what = "end of a space";
        told = lab_.revoke(memory_[s]).text();
        twin_.space[s] = -1;
        break;
      case 1:
        if (twin_.space[s] >= 0) return {};
        what = "a new space";
        told = lab_.retype(memory_[s], ObjectType::VSpace, 0, space_[s]).text();
        if (told == "ok") told = lab_.invoke(kRootAsidPool, Invoke::AsidPoolAssign, {0}, {space_[s]}).text();
        twin_.new_space(s);
        break;
      case 3:
        what = "map of a table";
        told = lab_.map_table(table_[t], space_[s], address.vaddr()).text();
        expected = twin_.map_table(t, s, address.region);
        break;
      case 6:
        what = "unmap of a table";
        told = lab_.invoke(table_[t], Invoke::PageTableUnmap).text();
        twin_.unmap_table(t);
        break;
      case 7:
        what = "unmap of a frame";
        told = lab_.invoke(cap_[c], Invoke::FrameUnmap).text();
        expected = twin_.caps[c].exists ? "ok" : "InvalidCapability(0)";
        twin_.unmap_frame(c);
        break;
      case 8:
        what = "end of a frame cap";
        told = lab_.remove(cap_[c]).text();
        twin_.unmap_frame(c);
        twin_.caps[c] = {};
        break;
      default: {
        if (!twin_.caps[c].exists) {
          const u64 rights = below(4) == 0 ? u64{kRightRead} : u64{kRightRead | kRightWrite};
          what = "copy of a frame cap";
          told = lab_.copy(cap_[c], frame_[c / kCapsPerFrame], rights).text();
          twin_.caps[c] = {.exists = true, .rights = rights};
          break;
        }
        const u64 rights = below(5) == 0 ? below(4) : u64{kRightRead | kRightWrite};
        what = "map of a frame";
        told = lab_.map(cap_[c], space_[s], address.vaddr(), rights).text();
        expected = twin_.map_frame(c, s, address, rights);
        break;
      }
    }
    if (told != expected) return what + ": told \"" + told + "\", expected \"" + expected + "\"";
    const std::string wrong = difference();
    return wrong.empty() ? wrong : what + ": " + wrong;
  }

 private:
  u32 below(u32 n) { return static_cast<u32>(prng_.below(n)); }

  std::string difference() {
    for (u32 s = 0; s < kSpaces; ++s) {
      if (twin_.space[s] < 0) continue;
      const VSpace& space = lab_.object<VSpace>(space_[s]);
      for (u32 i = 0; i < kRegions * kPages; ++i) {
        const Address address{i / kPages, i % kPages};
        const Twin::Leaf* leaf = twin_.leaf(twin_.space[s], address);
        const auto read = vspace::translate(lab_.kernel(), space, address.vaddr() + 8, vspace::Access::Read);
        const auto write = vspace::translate(lab_.kernel(), space, address.vaddr() + 8, vspace::Access::Write);
        const bool readable = leaf != nullptr && leaf->frame >= 0;
        const bool writable = readable && (leaf->rights & kRightWrite) != 0;
        const std::string where = "space " + std::to_string(s) + " address " + std::to_string(address.vaddr());
        if (read.ok() != readable) return where + (readable ? " is not mapped" : " is still mapped");
        if (write.ok() != writable) return where + " has other rights";
        if (readable && read->offset != lab_.cap(frame_[static_cast<u32>(leaf->frame)]).object + 8) {
          return where + " is another frame";
        }
      }
    }
    return {};
  }

  base::Prng prng_;
  Lab lab_;
  Twin twin_;
  std::array<Cptr, kSpaces> memory_;
  std::array<Cptr, kSpaces> space_;
  std::array<Cptr, kTables> table_;
  std::array<Cptr, kFrames> frame_;
  std::array<Cptr, kCaps> cap_;
};

}  // namespace

TEST_CASE("address spaces agree with their model over random maps, unmaps and reused ASIDs",
          "[kernel][vspace][model][property]") {
  for (u64 seed = 0; seed < 40; ++seed) {
    CAPTURE(seed);
    Pair pair(seed);
    for (u32 step = 0; step < 600; ++step) {
      CAPTURE(step);
      REQUIRE(pair.step() == "");
    }
  }
}
