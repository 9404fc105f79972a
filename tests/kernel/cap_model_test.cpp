// The capability space against its naive twin: random sequences of all operations, cut after a random number of units
// and continued, compared after each; failing sequences are shrunk. And all short sequences over three slots.
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <sstream>

#include "tests/kernel/cap_model.h"
#include "tests/kernel/lab.h"
#include "tests/rounds.h"

using namespace lab;
using cap_model::kWorld;
using cap_model::Model;
using cap_model::ModelCap;
using cap_model::Named;
using cap_model::Where;

namespace {

constexpr u32 kWorldSlots = 40;
constexpr u32 kWorldBits = 13;  // of memory to play with
constexpr u32 kOperationsPerRun = 160;

/// One operation as numbers, each read modulo what there is: any sequence means something, also a cut one.
struct Operation {
  enum Kind : u32 { Retype, Copy, Mint, Move, Mutate, Rotate, Delete, Revoke, Transfer, KindCount };
  u32 kind = 0;
  u32 arguments[6] = {};
  u32 cut = 0;  // 0: whole; else the horizon lies this many ns after each entry
};
std::ostream& operator<<(std::ostream& out, const Operation& operation) {
  static const char* const kNames[] = {"Retype", "Copy",   "Mint",   "Move",    "Mutate",
                                       "Rotate", "Delete", "Revoke", "Transfer"};
  out << kNames[operation.kind] << "{";
  for (const u32 argument : operation.arguments) out << argument << " ";
  return out << "cut " << operation.cut << "}";
}
using Sequence = std::vector<Operation>;

Sequence random_sequence(u64 seed) {
  base::Prng prng{seed, "test.cap-model"};
  // Deletions are rarer than what makes something to delete.
  static constexpr u32 kKinds[] = {
      Operation::Retype, Operation::Retype, Operation::Retype, Operation::Copy,   Operation::Copy,    Operation::Copy,
      Operation::Mint,   Operation::Mint,   Operation::Move,   Operation::Move,   Operation::Mutate,  Operation::Rotate,
      Operation::Rotate, Operation::Delete, Operation::Delete, Operation::Revoke, Operation::Transfer};
  Sequence sequence(kOperationsPerRun);
  for (Operation& operation : sequence) {
    operation.kind = kKinds[prng.below(std::size(kKinds))];
    for (u32& argument : operation.arguments) argument = static_cast<u32>(prng.below(4000));
    if (prng.below(2) == 0) operation.cut = static_cast<u32>(1 + prng.below(200));
  }
  return sequence;
}

/// The real thing and its twin side by side.
class Pair {
 public:
  Pair() : model_(kWorldSlots) {
    lab_.keep_events = false;
    lab_.keep_stretches = false;
    endpoint_ = lab_.endpoint();
    outer_ = lab_.untyped(kWorldBits);
    first_ = lab_.slots(kWorldSlots);
    empty_ = lab_.slot();
    receiver_ = &lab_.thread({.parks = false});
    const bool made = lab_.retype(outer_, ObjectType::Untyped, kWorldBits, first_) == "ok";
    REQUIRE(made);
    model_.plant({kWorld, 0}, CapType::Untyped, lab_.cap(first_).object, kWorldBits);
  }

  /// Does the operation to both; empty when both agree.
  std::string apply(const Operation& operation) {
    const u32* a = operation.arguments;
    const bool ends = operation.kind == Operation::Delete || operation.kind == Operation::Revoke;
    const Named to = name(a[0], ends ? Want::Full : Want::Empty);
    const Named from = name(a[1], Want::Full);
    const u32 rights = a[2] % 16;
    static constexpr u64 kData[] = {0, 1, 2 | 1 << 6, 5, 63, 64};
    const u64 data = kData[a[3] % std::size(kData)];
    const u64 other_data = kData[a[4] % std::size(kData)];
    u64 cut = operation.cut;
    // A Revoke that destroys the very path it was named by cannot be repeated.
    if (operation.kind == Operation::Revoke && to.through >= 0 && model_.at(to.where) >= 0 &&
        model_.is_descendant(model_.at({kWorld, static_cast<u32>(to.through)}), model_.at(to.where))) {
      cut = 0;
    }
    lab_.horizon = [cut](u32, u64 now) { return cut == 0 ? kNever : now + cut; };
    std::string told;
    std::string expected;
    switch (operation.kind) {
      case Operation::Retype: {
        std::vector<int> untypeds;
        for (u32 i = 0; i < kWorldSlots; ++i) {
          const int id = model_.at({kWorld, i});
          if (id >= 0 && model_.cap(id).type == CapType::Untyped) untypeds.push_back(id);
        }
        if (untypeds.empty()) return {};
        const int untyped = untypeds[a[1] % untypeds.size()];
        static constexpr ObjectType kTypes[] = {ObjectType::Endpoint, ObjectType::Notification, ObjectType::Reply,
                                                ObjectType::CNode,    ObjectType::CNode,        ObjectType::CNode,
                                                ObjectType::Untyped,  ObjectType::Untyped,      ObjectType::Tcb};
        const ObjectType type = kTypes[a[2] % std::size(kTypes)];
        u32 size_bits = 0;
        if (type == ObjectType::CNode) size_bits = 1 + a[3] % 2;
        if (type == ObjectType::Untyped) size_bits = 7 + a[3] % 5;
        u32 count = 1 + a[4] % 3;
        if (to.through < 0 && count > kWorldSlots - to.where.index)
          count = 1;  // the root CNode goes on behind the world
        const Cptr root = cnode_of(to);
        const u64 offset = to.through < 0 ? first_ + to.where.index : to.where.index;
        told = text(lab_.invoke(first_ + model_.cap(untyped).where.index, Invoke::UntypedRetype,
                                {static_cast<u64>(type), size_bits, 0, 0, offset, count}, {root}));
        expected = model_.retype(untyped, type, size_bits, to.where, count);
        break;
      }
      case Operation::Copy:
        told = text(lab_.copy(place(to), place(from), rights));
        expected = model_.put(Model::Kind::Copy, to.where, from.where, from.depth, rights, 0);
        break;
      case Operation::Mint:
        told = text(lab_.mint(place(to), place(from), data, rights));
        expected = model_.put(Model::Kind::Mint, to.where, from.where, from.depth, rights, data);
        break;
      case Operation::Move:
        told = text(lab_.move(place(to), place(from)));
        expected = model_.put(Model::Kind::Move, to.where, from.where, from.depth, 0, 0);
        break;
      case Operation::Mutate:
        told = text(lab_.mutate(place(to), place(from), data));
        expected = model_.put(Model::Kind::Mutate, to.where, from.where, from.depth, 0, data);
        break;
      case Operation::Rotate: {
        const Named pivot = name(a[5], Want::Full);
        told = text(lab_.rotate(place(to), place(pivot), place(from), data, other_data));
        expected = model_.rotate(to.where, pivot.where, pivot.depth, from.where, from.depth, data, other_data);
        break;
      }
      case Operation::Delete:
        told = text(lab_.remove(place(to)));
        expected = model_.remove(to.where);
        break;
      case Operation::Revoke:
        told = text(lab_.revoke(place(to)));
        expected = model_.revoke(to.where);
        break;
      case Operation::Transfer: {
        if (from.through >= 0) return {};  // a sender names what it sends in its own CSpace
        receiver_->receive_into(cnode_of(to), to.index, to.depth);
        receiver_->later(recv(endpoint_));
        lab_.settle();
        told = text(lab_.root_does(send(endpoint_, message(0, {}, {first_ + from.where.index}))));
        lab_.settle();
        expected = told;
        model_.transfer(to.where, from.where);
        break;
      }
      default: return "no such operation";
    }
    std::ostringstream out;
    if (told != expected) out << "told \"" << told << "\", expected \"" << expected << "\"; ";
    out << difference();
    return out.str();
  }

  /// At the end: Revoke of what all of it was made from leaves nothing.
  std::string end() {
    lab_.horizon = [](u32, u64 now) { return now; };  // one unit an entry
    const std::string told = text(lab_.revoke(outer_));
    if (told != "ok") return "last Revoke: " + told;
    for (u32 i = 0; i < kWorldSlots; ++i) {
      if (!lab_.is_null(first_ + i)) return "the last Revoke left something in slot " + std::to_string(i);
    }
    if (lab_.zombies() != 0) return "the last Revoke left a Zombie";
    return {};
  }

 private:
  static std::string text(const Outcome& outcome) { return outcome.text(); }

  /// How a slot of the world (`through` −1) or of the CNode whose cap lies in a world slot is named.
  Named named(int through, u32 index) const {
    Named named;
    named.where = {kWorld, index};
    named.index = first_ + index;
    if (through < 0) return named;
    const ModelCap& node = model_.cap(model_.at({kWorld, static_cast<u32>(through)}));
    named.where = {node.base, index};
    named.through = through;
    named.index = (node.guard << node.bits) | index;
    named.depth = node.guard_size + node.bits;
    return named;
  }
  /// A number read as a slot, three times out of four one that is full (or empty), as the operation is meant.
  enum class Want { Full, Empty };
  Named name(u32 number, Want want) const {
    std::vector<Named> all;
    std::vector<Named> wanted;
    const auto offer = [&](const Named& slot) {
      all.push_back(slot);
      if ((model_.at(slot.where) >= 0) == (want == Want::Full)) wanted.push_back(slot);
    };
    for (u32 i = 0; i < kWorldSlots; ++i) {
      offer(named(-1, i));
      const int id = model_.at({kWorld, i});
      if (id < 0 || model_.cap(id).type != CapType::CNode) continue;
      for (u32 j = 0; j < 1u << model_.cap(id).bits; ++j) offer(named(static_cast<int>(i), j));
    }
    const std::vector<Named>& from = number % 4 == 0 || wanted.empty() ? all : wanted;
    return from[number / 4 % from.size()];
  }
  Cptr cnode_of(const Named& named) const {
    return named.through < 0 ? Cptr{kRootCNode} : first_ + static_cast<u32>(named.through);
  }
  Place place(const Named& named) const { return Place(cnode_of(named), named.index, named.depth); }

  u32 slot_offset(Where where) {
    const u32 start = where.container == kWorld ? lab_.slot_ref(first_).offset : static_cast<u32>(where.container);
    return start + (where.index << kSlotBits);
  }
  u32 parent_offset(const ModelCap& cap) {
    return cap.parent < 0 ? lab_.slot_ref(outer_).offset : slot_offset(model_.cap(cap.parent).where);
  }

  std::string difference() {
    const Kernel& kernel = lab_.kernel();
    for (const u64 container : model_.containers()) {
      for (u32 i = 0; i < model_.slot_count(container); ++i) {
        const Where where{container, i};
        const Slot& real = kernel.at(Ref<Slot>{slot_offset(where)});
        const int id = model_.at(where);
        std::ostringstream at;
        at << "slot " << i << " of 0x" << std::hex << container << std::dec << ": ";
        if (id < 0) {
          if (!real.cap.is_null())
            return at.str() + "holds type " + std::to_string(int(real.cap.type)) + ", expected nothing";
          continue;
        }
        const ModelCap& cap = model_.cap(id);
        if (real.cap.type != cap.type) return at.str() + "another type " + std::to_string(int(real.cap.type));
        if (real.cap.object != cap.base) return at.str() + "another object";
        if (real.cap.rights != cap.rights) return at.str() + "rights " + std::to_string(int(real.cap.rights));
        const bool badged = cap.type == CapType::Endpoint || cap.type == CapType::Notification;
        if (badged && real.cap.data != cap.badge) return at.str() + "badge " + std::to_string(real.cap.data);
        if (cap.type == CapType::CNode && (real.cap.flags != cap.guard_size || real.cap.data != cap.guard)) {
          return at.str() + "guard";
        }
        if (cap.type == CapType::Untyped && real.cap.data != cap.watermark) {
          return at.str() + "watermark " + std::to_string(real.cap.data) + ", expected " +
                 std::to_string(cap.watermark);
        }
        const u32 parent = kernel::cspace::parent_of(kernel, Ref<Slot>{slot_offset(where)}).offset;
        if (parent != parent_offset(cap)) return at.str() + "another parent";
      }
    }
    if (lab_.zombies() != 0) return "a Zombie is left";
    return {};
  }

  Lab lab_;
  Model model_;
  Cptr endpoint_ = 0;
  Cptr outer_ = 0;
  Cptr first_ = 0;
  Cptr empty_ = 0;
  Thread* receiver_ = nullptr;
};

/// Runs a sequence in a process of its own, so that a failed assertion is a result too. Empty: all agreed.
std::string outcome_of(const Sequence& sequence) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    close(ends[0]);
    dup2(ends[1], 2);  // what an assertion says
    std::string problem;
    try {
      Pair pair;
      for (std::size_t i = 0; i < sequence.size() && problem.empty(); ++i) {
        problem = pair.apply(sequence[i]);
        if (!problem.empty()) problem = "operation " + std::to_string(i) + ": " + problem;
      }
      if (problem.empty()) problem = pair.end();
    } catch (...) {
      problem = "an invariant is broken";
    }
    const bool written = write(2, problem.data(), problem.size()) == static_cast<ssize_t>(problem.size());
    _exit(problem.empty() && written ? 0 : 1);
  }
  close(ends[1]);
  std::string said;
  char buffer[512];
  for (ssize_t got; (got = read(ends[0], buffer, sizeof buffer)) > 0;)
    said.append(buffer, static_cast<std::size_t>(got));
  close(ends[0]);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return said.empty() ? "the run ended by a signal" : said;
}

bool fails(const Sequence& sequence) { return !outcome_of(sequence).empty(); }

/// Cut by halves, then single operations, then arguments towards 0: the shortest sequence that still fails.
Sequence shrunk(Sequence sequence) {
  for (std::size_t part = sequence.size() / 2; part >= 1; part /= 2) {
    for (std::size_t at = 0; at < sequence.size();) {
      Sequence shorter = sequence;
      const std::size_t end = std::min(at + part, shorter.size());
      shorter.erase(shorter.begin() + static_cast<std::ptrdiff_t>(at),
                    shorter.begin() + static_cast<std::ptrdiff_t>(end));
      if (fails(shorter)) {
        sequence = shorter;
      } else {
        at += part;
      }
    }
  }
  for (Operation& operation : sequence) {
    std::vector<u32*> numbers{&operation.cut};
    for (u32& argument : operation.arguments) numbers.push_back(&argument);
    for (u32* number : numbers) {
      const u32 before = *number;
      *number = 0;
      if (before != 0 && !fails(sequence)) *number = before;
    }
  }
  return sequence;
}

}  // namespace

TEST_CASE("the capability space agrees with its model over random sequences of operations",
          "[kernel][cdt][model][property]") {
  for (u64 seed = 0; seed < rounds(150); ++seed) {
    const Sequence sequence = random_sequence(seed);
    if (!fails(sequence)) continue;
    const Sequence shortest = shrunk(sequence);
    std::ostringstream report;
    for (const Operation& operation : shortest) report << "\n  " << operation;
    FAIL("seed " << seed << ": " << outcome_of(shortest) << report.str());
  }
}

TEST_CASE("all sequences of up to four operations over three slots agree with the model", "[kernel][cdt][exhaustive]") {
  // Six operations: Retype of an endpoint, Copy, Mint with badge 1, Move, Delete, Revoke; all slots as arguments. The
  // state of the small world is put back by copying its memory, so that each sequence costs only its last operation.
  Options options = free_options();
  options.check_every = 251;
  Lab lab{options};
  lab.keep_events = false;
  lab.keep_stretches = false;
  const Cptr memory = lab.untyped(12);
  const Cptr first = lab.slots(3);
  const u32 base = lab.cap(memory).object;
  lab.root_does(poll(lab.notification()));

  struct Step {
    Operation::Kind kind;
    u32 to;
    u32 from;
  };
  std::vector<Step> alphabet;
  for (u32 to = 0; to < 3; ++to) {
    for (const auto kind : {Operation::Retype, Operation::Delete, Operation::Revoke})
      alphabet.push_back({kind, to, to});
    for (u32 from = 0; from < 3; ++from) {
      for (const auto kind : {Operation::Copy, Operation::Mint, Operation::Move}) alphabet.push_back({kind, to, from});
    }
  }
  struct Saved {
    std::vector<u8> bytes;
  };
  // What these operations can change: the region, the root thread, the slots involved, and the memory played with.
  const Kernel& kernel = lab.kernel();
  const u32 tcb = lab.root().ref.offset;
  const std::vector<std::pair<u32, u32>> ranges = {
      {kKernelRegionOffset, kernel.header().region_end - kKernelRegionOffset},
      {tcb, sizeof(Tcb)},
      {lab.object<Tcb>(kRootTcb).sc.offset, 256},
      {lab.slot_ref(memory).offset, 4 * sizeof(Slot)},
      {base, 1024},
  };
  REQUIRE(lab.slot_ref(first).offset == lab.slot_ref(memory).offset + sizeof(Slot));
  const auto save = [&] {
    Saved saved;
    for (const auto& [from, bytes] : ranges) {
      saved.bytes.insert(saved.bytes.end(), lab.kernel().ram() + from, lab.kernel().ram() + from + bytes);
    }
    return saved;
  };
  const auto restore = [&](const Saved& saved) {
    const u8* at = saved.bytes.data();
    for (const auto& [to, bytes] : ranges) {
      std::memcpy(lab.kernel().ram() + to, at, bytes);
      at += bytes;
    }
  };
  u64 sequences = 0;
  std::vector<Step> path;
  const auto explore = [&](auto& self, const Model& before) -> void {
    const Saved saved = save();
    for (const Step& step : alphabet) {
      Model model = before;
      const Where to{kWorld, 1 + step.to};
      const Where from{kWorld, 1 + step.from};
      std::string told;
      std::string expected;
      switch (step.kind) {
        case Operation::Retype:
          told = lab.retype(memory, ObjectType::Endpoint, 0, first + step.to).text();
          expected = model.retype(model.at({kWorld, 0}), ObjectType::Endpoint, 0, to, 1);
          break;
        case Operation::Copy:
          told = lab.copy(first + step.to, first + step.from, 7).text();
          expected = model.put(Model::Kind::Copy, to, from, 64, 7, 0);
          break;
        case Operation::Mint:
          told = lab.mint(first + step.to, first + step.from, 1).text();
          expected = model.put(Model::Kind::Mint, to, from, 64, 15, 1);
          break;
        case Operation::Move:
          told = lab.move(first + step.to, first + step.from).text();
          expected = model.put(Model::Kind::Move, to, from, 64, 0, 0);
          break;
        case Operation::Delete:
          told = lab.remove(first + step.to).text();
          expected = model.remove(to);
          break;
        default:
          told = lab.revoke(first + step.to).text();
          expected = model.revoke(to);
          break;
      }
      sequences += 1;
      path.push_back(step);
      bool equal = told == expected;
      for (u32 i = 0; i < 3; ++i) {
        const Slot& real = lab.slot_of(first + i);
        const int id = model.at({kWorld, 1 + i});
        if (id < 0) {
          equal = equal && real.cap.is_null();
          continue;
        }
        const ModelCap& cap = model.cap(id);
        const u32 parent = lab.slot_ref(memory).offset + (model.cap(cap.parent).where.index << kSlotBits);
        equal = equal && real.cap.type == cap.type && real.cap.object == cap.base && real.cap.rights == cap.rights &&
                real.cap.data == cap.badge && lab.parent_of(first + i) == parent &&
                lab.object<Endpoint>(first + i).header.cap_count == model.cap_count(cap);
      }
      equal = equal && lab.cap(memory).data == model.cap(model.at({kWorld, 0})).watermark;
      if (!equal) {
        std::ostringstream report;
        for (const Step& at : path) report << " {" << at.kind << " to " << at.to << " from " << at.from << "}";
        FAIL("told \"" << told << "\", expected \"" << expected << "\" after" << report.str());
      }
      if (path.size() < 4) self(self, model);
      path.pop_back();
      restore(saved);
    }
  };
  Model start(4);
  start.plant({kWorld, 0}, CapType::Untyped, base, 12);
  explore(explore, start);
  CHECK(sequences == 36 + 36 * 36 + 36 * 36 * 36 + 36ull * 36 * 36 * 36);
}
