// sim/model/explore/explorer.cpp — points, actors, overrides. What the strategies answer is in strategies.cpp.
#include "sim/model/explore/explorer.h"

#include "base/format.h"

#include "base/enforce.h"

namespace sim {

using kernel::Choice;
using kernel::CoreState;
using kernel::Ref;
using kernel::Tcb;

namespace {

constexpr std::string_view kKindNames[kChoiceKinds] = {"tie", "pick", "pull", "cut", "delay", "irq", "order"};
constexpr std::string_view kStrategyNames[kStrategies] = {"fair", "random", "sticky", "pct", "perturb",
                                                          "few",  "starve", "walk",   "mix"};
constexpr std::string_view kStreams[kChoiceKinds] = {"sched.choice-tie",  "sched.choice-pick",  "sched.choice-pull",
                                                     "sched.choice-cut",  "sched.choice-delay", "sched.choice-irq",
                                                     "sched.choice-order"};
constexpr std::string_view kThenStreams[kChoiceKinds] = {"sched.then-tie",  "sched.then-pick",  "sched.then-pull",
                                                         "sched.then-cut",  "sched.then-delay", "sched.then-irq",
                                                         "sched.then-order"};
constexpr u32 kNoThen = ~u32{0};

u64 index_of(ChoiceKind kind) { return static_cast<u64>(kind); }

bool is_before(const Override& entry, ChoiceKind kind, u64 actor, u64 ordinal) {
  if (entry.kind != kind) return entry.kind < kind;
  if (entry.actor != actor) return entry.actor < actor;
  return entry.ordinal < ordinal;
}

/// A name as it stands in one word of a line: what is neither letter nor digit becomes `_`, but for `.` and `-`.
void copy_name(const Tcb& tcb, char (&out)[32]) {
  u32 at = 0;
  for (; at + 1 < sizeof out && tcb.name[at] != 0; ++at) {
    const char c = tcb.name[at];
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
    out[at] = plain ? c : '_';
  }
  if (at == 0) out[at++] = '_';
  for (; at < sizeof out; ++at) out[at] = 0;
}

struct ActorText {
  char bytes[kActorTextMax];
  std::string_view view;
};
std::string_view thread_text(ActorText& text, u32 node, const Explorer::Thread& thread) {
  return base::format(text.bytes, "{}/{}.{}", node, std::string_view(thread.name), thread.instance);
}
std::string_view core_text(ActorText& text, u32 node, u32 core) {
  return base::format(text.bytes, "{}/core{}", node, core);
}
std::string_view line_text(ActorText& text, u32 node, u32 line) {
  return base::format(text.bytes, "{}/irq{}", node, line);
}

}  // namespace

u64 actor_key(std::string_view text) { return base::digest_of(base::bytes_of(text)).high; }
std::string_view name_of(ChoiceKind kind) { return kKindNames[static_cast<u32>(kind)]; }
std::string_view name_of(Strategy strategy) { return kStrategyNames[static_cast<u32>(strategy)]; }

Explorer::Explorer(const ScheduleConfig& config, const Memory& memory, const View& view)
    : config_(config), memory_(memory), view_(view) {
  ASSERT(memory.names.size() == kNameCounters && memory.cores.size() == view.cores.size());
  begin(config.first, false);
}

// ── Answers ──────────────────────────────────────────────────────────────────────────────────────────────────

const Override* Explorer::find(const Point& point) const {
  u64 first = 0;
  u64 last = config_.overrides.size();
  while (first < last) {
    const u64 middle = first + (last - first) / 2;
    if (is_before(config_.overrides[middle], point.kind, point.key, point.ordinal)) {
      first = middle + 1;
    } else {
      last = middle;
    }
  }
  if (first == config_.overrides.size()) return nullptr;
  const Override& entry = config_.overrides[first];
  return entry.kind == point.kind && entry.actor == point.key && entry.ordinal == point.ordinal ? &entry : nullptr;
}

void Explorer::settle(const Point& point, u64 value, std::string_view actor, u32 forced) {
  if (value != 0) view_.trace->fold_draw(point.node, point.key ^ index_of(point.kind), point.ordinal, value);
  if (view_.sinks->choice != nullptr) {
    view_.sinks->choice(view_.sinks->context, {point.kind, actor, point.ordinal, value, forced});
  }
  if (forced != kNoThen && forced == config_.then_after) begin(config_.then, true);
}

template <class Propose, class Text>
u64 Explorer::answer(const Point& point, u64 bound, const Propose& propose, const Text& actor_text) {
  ActorText text;
  const Override* entry = config_.overrides.empty() ? nullptr : find(point);
  if (entry != nullptr && entry->answer < bound) {
    settle(point, entry->answer, actor_text(text), static_cast<u32>(entry - config_.overrides.data()));
    return entry->answer;
  }
  const u64 value = propose();
  ASSERT(value < bound);
  if (value != 0) settle(point, value, actor_text(text), kNoThen);
  return value;
}

u64 Explorer::draw(const Point& point, u64 argument) const {
  const std::string_view stream = (is_then_ ? kThenStreams : kStreams)[index_of(point.kind)];
  return base::Prng(view_.seed, stream, point.key).at(point.ordinal, argument);
}

u64 Explorer::below(const Point& point, u64 bound, u64 argument) const {
  return static_cast<u64>((static_cast<unsigned __int128>(draw(point, argument)) * bound) >> 64);
}

bool Explorer::chance(const Point& point, base::Ratio ratio, u64 argument) const {
  return below(point, ratio.denominator, argument) < ratio.numerator;
}

// ── Actors ───────────────────────────────────────────────────────────────────────────────────────────────────

Explorer::Thread& Explorer::bind(Node& node, Ref<Tcb> ref) {
  const Tcb& tcb = node.kernel().at(ref);
  Thread& thread = memory_.threads[static_cast<u64>(&node.fiber_of(ref) - view_.fibers)];
  if (thread.thread_id == tcb.thread_id) return thread;
  thread = Thread{};
  thread.thread_id = tcb.thread_id;
  copy_name(tcb, thread.name);
  // Names that share a counter share their numbers too; that is as good a name as any.
  base::D128 hash;
  hash.fold(node.number());
  hash.fold_bytes(base::bytes_of(std::string_view(thread.name)));
  u32& seen = memory_.names[hash.out().high % kNameCounters];
  seen += 1;
  thread.instance = seen;
  ActorText text;
  thread.key = actor_key(thread_text(text, node.number(), thread));
  return thread;
}

/// The threads a pick on `core` is among, in the kernel's order.
Explorer::Candidates Explorer::candidates(Node& node, Core& core) {
  Candidates among;
  kernel::Kernel& kernel = node.kernel();
  const CoreState& state = kernel.core(core.number);
  u32 level = 0;
  if (state.current) {
    among.with_current = true;
    among.threads[among.count++] = &bind(node, state.current);
    level = kernel.at(state.current).priority;
  } else {
    u32 word = 3;
    while (word > 0 && state.level_map[word] == 0) --word;
    if (state.level_map[word] == 0) return among;
    level = word * 64 + 63 - static_cast<u32>(__builtin_clzll(state.level_map[word]));
  }
  for (Ref<Tcb> at = state.levels[level].head; at && among.count < kCandidatesMax; at = kernel.at(at).queue_next) {
    among.threads[among.count++] = &bind(node, at);
  }
  return among;
}

// ── Points ───────────────────────────────────────────────────────────────────────────────────────────────────

kernel::ChoicePort Explorer::port(Node& node, Core& core) {
  node_ = &node;
  core_ = &core;
  return {choose, this};
}

u32 Explorer::choose(void* context, Choice kind, u32 count) {
  Explorer& self = *static_cast<Explorer*>(context);
  return kind == Choice::Pick ? self.pick(count) : self.pull(count);
}

u32 Explorer::pick(u32 count) {
  CorePoints& points = memory_.cores[core_->global];
  ActorText text;
  const std::string_view actor = core_text(text, node_->number(), core_->number);
  const Point point{ChoiceKind::Pick, node_->number(), actor_key(actor), points.picks++};
  among_ = candidates(*node_, *core_);
  ASSERT(among_.count == count || among_.count == kCandidatesMax);
  const u64 value = answer(
      point, count, [&] { return propose_pick(point, among_, count); }, [&](ActorText&) { return actor; });
  if (among_.with_current && value != 0) points.decided = true;
  return static_cast<u32>(value);
}

u32 Explorer::pull(u32 count) {
  ActorText text;
  const std::string_view actor = core_text(text, node_->number(), core_->number);
  const Point point{ChoiceKind::Pull, node_->number(), actor_key(actor), memory_.cores[core_->global].pulls++};
  const u64 value = answer(
      point, count, [&] { return propose_uniform(point, count); }, [&](ActorText&) { return actor; });
  return static_cast<u32>(value);
}

u64 Explorer::tie(u64 ordinal, u64 time, u32 count) {
  const Point point{ChoiceKind::Tie, 0, actor_key(kWorldActor), ordinal};
  const auto propose = [&]() -> u64 {
    if (now_.strategy != Strategy::Pct) return 0;  // the model's own rule is uniform already
    u64 best = 0;
    u64 best_rank = 0;
    u64 place = 0;
    for (const Core& core : view_.cores) {
      if (view_.busy_times[core.global] != time) continue;
      place += 1;
      Thread* thread = running_on(core);
      if (thread == nullptr || rank(*thread) <= best_rank) continue;
      best_rank = rank(*thread);
      best = place;
    }
    return best;
  };
  return answer(point, u64{count} + 1, propose, [](ActorText&) { return kWorldActor; });
}

QueueEntry Explorer::take(EventQueue& queue) {
  EntryHandle equal[kCandidatesMax];
  const u32 count = queue.equal_heads(equal);
  u64 value = 0;
  if (count > 1) {
    const Point point{ChoiceKind::Order, 0, actor_key(kWorldActor), orders_++};
    value = answer(
        point, count, [&] { return propose_uniform(point, count); }, [](ActorText&) { return kWorldActor; });
  }
  const QueueEntry entry = queue.entry(equal[value]);
  queue.remove(equal[value]);
  if (entry.action == Action::Poke && entry.argument != 0) memory_.cores[entry.argument - 1].cut = kNoEntry;
  return entry;
}

u64 Explorer::irq_latency(const Node& node, u32 line) {
  ActorText text;
  const std::string_view actor = line_text(text, node.number(), line);
  u64& ordinal = memory_.lines[node.index() * kLinesEnd + line];
  const Point point{ChoiceKind::Irq, node.number(), actor_key(actor), ordinal++};
  return answer(
      point, kIrqLatencyNsMax + 1, [&] { return propose_uniform(point, now_.irq_latency_ns_max + 1); },
      [&](ActorText&) { return actor; });
}

Explorer::Disturbance Explorer::dispatched(Node& node, Core& core) {
  // Threads get their numbers here and where a pick is asked for, whatever the strategy looks at: E1.
  Thread& thread = bind(node, core.current);
  CorePoints& points = memory_.cores[core.global];
  const bool decided = points.decided;
  points.decided = false;
  core_ = &core;
  among_ = candidates(node, core);
  if (core.phase != CorePhase::Run) return {};
  if (view_.sinks->step != nullptr) view_.sinks->step(view_.sinks->context, thread.key);
  begin_step(thread);
  const u64 ordinal = thread.ordinal++;
  const auto actor_text = [&](ActorText& text) { return thread_text(text, node.number(), thread); };
  const Point delay{ChoiceKind::Delay, node.number(), thread.key, ordinal};
  const Point cut{ChoiceKind::Cut, node.number(), thread.key, ordinal};
  const bool rivals = among_.count > 1;
  Disturbance found;
  found.delay = answer(
      delay, kDelayNsMax + 1, [&] { return propose_delay(delay, thread, rivals); }, actor_text);
  // The thread that was picked over another keeps the core until its next entry: else two could displace each other
  // for ever without getting anywhere.
  found.cut = answer(
      cut, kCutNsMax + 1, [&] { return decided ? 0 : propose_cut(cut, thread, rivals); }, actor_text);
  return found;
}

/// The thread that `core` runs, if it is still the one it was given.
Explorer::Thread* Explorer::running_on(const Core& core) {
  if (view_.busy_times[core.global] == kNever || !core.current) return nullptr;
  Node& node = view_.nodes[core.node];
  if (node.fiber_of(core.current).thread_id != core.current_id) return nullptr;  // deleted by another core meanwhile
  Thread& thread = memory_.threads[static_cast<u64>(&node.fiber_of(core.current) - view_.fibers)];
  return thread.thread_id == core.current_id ? &thread : nullptr;
}

}  // namespace sim
