// sim/host/filter.cpp — answering; filter_parse.cpp reads.
#include "sim/host/filter.h"

#include "base/glob.h"
#include "sim/model/world.h"

namespace sim::host {
namespace {

constexpr std::string_view kLaneNames[] = {"world", "sched", "ipc", "cap", "mem",  "trap",   "budget", "irq",
                                           "disk",  "net",   "fs",  "vm",  "host", "inject", "check",  "draw"};
static_assert(std::size(kLaneNames) == base::kLaneCount);

}  // namespace

std::string_view name_of(base::Lane lane) { return kLaneNames[static_cast<u32>(lane) % base::kLaneCount]; }

std::string_view thread_name(World& world, u32 node, u32 thread_id) {
  const u32 slot = thread_id & kernel::kThreadSlotMask;
  if (thread_id == 0 || node == 0 || node > world.nodes().size()) return {};
  Node& place = world.nodes()[node - 1];
  if (!place.is_up() || slot >= place.fibers().size()) return {};
  const ThreadInfo info = world.thread_info(place, kernel::Ref<kernel::Tcb>{slot << kernel::kTcbBits});
  return info.thread_id == thread_id ? info.name : std::string_view{};
}

Filter::Filter() { parts_.emplace_back(); }

void Filter::watch(const base::Event& event) {
  // What `after` names has to be over first, so this comes behind the answer, and outer watches before those in them.
  for (u64 i = watches_.size(); i-- > 0;) {
    Watch& watch = watches_[i];
    const Answer known = parts_[watch.what].kinds[event.kind % kKinds];
    const bool seen = known == Answer::Ask ? ask(watch.what, event) : known == Answer::Yes;
    if (seen) watch.last_ns = event.time_ns;
  }
}

bool Filter::compare_name(const Part& part, std::string_view name) const {
  switch (part.relation) {
    case Relation::Equal: return base::glob_matches(part.name, name);
    case Relation::Unequal: return !base::glob_matches(part.name, name);
    case Relation::Contains: return name.find(part.name) != std::string_view::npos;
    case Relation::Less:
    case Relation::AtMost:
    case Relation::Greater:
    case Relation::AtLeast: break;
  }
  UNREACHABLE("names are not ordered: the parser refuses");
}

bool Filter::ask(u32 index, const base::Event& event) const {
  const Part& part = parts_[index];
  const u32 kind = event.kind % kKinds;
  if (part.kinds[kind] != Answer::Ask) return part.kinds[kind] == Answer::Yes;
  u64 value = 0;
  switch (part.form) {
    case Form::And: return ask(part.left, event) && ask(part.right, event);
    case Form::Or: return ask(part.left, event) || ask(part.right, event);
    case Form::Not: return !ask(part.left, event);
    case Form::After: {
      const u64 last = watches_[part.right].last_ns;
      const bool recent = last != kNeverSeen && event.time_ns >= last && event.time_ns - last <= part.number;
      return recent && ask(part.left, event);
    }
    case Form::Thread: return compare_name(part, names_.thread ? names_.thread(event.node, event.thread) : "");
    case Form::Node:
      if (part.by_name) {
        const bool named = event.node != 0 && event.node <= names_.nodes.size();
        return compare_name(part, named ? std::string_view(names_.nodes[event.node - 1]) : "");
      }
      value = event.node;
      break;
    case Form::Word:
      switch (part.places[kind]) {
        case Place::Time: value = event.time_ns; break;
        case Place::Sequence: value = event.sequence; break;
        case Place::Cause: value = event.cause; break;
        case Place::Core: value = event.core; break;
        case Place::Flags: value = event.flags; break;
        case Place::ThreadId: value = event.thread; break;
        case Place::Object: value = event.object; break;
        case Place::A: value = event.a; break;
        case Place::B: value = event.b; break;
        case Place::C: value = event.c; break;
        case Place::None: UNREACHABLE("a kind without the operand is known to fail");
      }
      break;
    case Form::Kinds:
    case Form::Lane:
    case Form::Kind: UNREACHABLE("known by the kind");
  }
  switch (part.relation) {
    case Relation::Equal: return value == part.number;
    case Relation::Unequal: return value != part.number;
    case Relation::Less: return value < part.number;
    case Relation::AtMost: return value <= part.number;
    case Relation::Greater: return value > part.number;
    case Relation::AtLeast: return value >= part.number;
    case Relation::Contains: return (value & part.number) == part.number;
  }
  UNREACHABLE("all relations are listed");
}

}  // namespace sim::host
