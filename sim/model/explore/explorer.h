// sim/model/explore/explorer.h — answers the choice points of a run: an override if there is one, else the strategy.
// The world asks at fixed places of its step; without an explorer it does not ask.
//
// Invariants  E1 an answer is a function of (seed, strategy, kind, actor, ordinal) and the state of the run: draws are
//                read by ordinal from a stream per kind and actor, so an override moves no other answer.
//             E2 each answer that is not 0 is folded into the draw lane of its node and told to the sink, and nothing
//                else is: a run under `fair` with the answers told as overrides has the same digest.
//             E3 legal: no answer lets a thread run while one of a higher level is ready on its core.
// Bounds      kCandidatesMax threads or entries are looked at per answer; those behind wait for their turn.
#pragma once
#include "base/prng.h"
#include "sim/model/config.h"
#include "sim/model/event_queue.h"
#include "sim/model/node.h"
#include "sim/model/trace.h"

namespace sim {

constexpr u32 kCandidatesMax = 64;
constexpr u32 kNameCounters = 4096;

class Explorer {
 public:
  /// What is kept of a thread, by TCB slot: bound when it first gets a core, and again when the slot's thread is another.
  struct Thread {
    u64 key = 0;
    u64 ordinal = 0;  // how often it got a core
    u64 rank = 0;     // pct; 0: not drawn yet
    u32 thread_id = 0;
    u32 instance = 0;  // n-th thread of its name on its node, from 1
    char name[32] = {};
  };
  struct CorePoints {
    u64 picks = 0;
    u64 pulls = 0;
    EntryHandle cut = kNoEntry;  // its poke for nothing, while it is in the queue
    bool decided = false;        // the thread that gets the core now was picked over the one that had it
  };
  struct Memory {
    std::span<Thread> threads;
    std::span<CorePoints> cores;
    std::span<u64> lines;  // ordinals, kLinesEnd a node
    std::span<u32> names;  // threads seen of a name, by hash; kNameCounters
  };
  /// The world an explorer looks at; nothing in it is changed.
  struct View {
    std::span<Node> nodes;
    std::span<Core> cores;
    std::span<const u64> busy_times;
    const Fiber* fibers = nullptr;  // of all nodes, one after the other
    Trace* trace = nullptr;
    const Sinks* sinks = nullptr;
    u64 seed = 0;
  };
  /// The strategy itself, for mix the one the seed draws.
  static Strategy in_force(const StrategyConfig& config, u64 seed);

  Explorer(const ScheduleConfig& config, const Memory& memory, const View& view);

  /// The port of an entry on `core`; valid until the next call.
  kernel::ChoicePort port(Node& node, Core& core);
  /// For a tie of `count` cores at `time`: 0, or the place of one of them from 1.
  u64 tie(u64 ordinal, u64 time, u32 count);
  /// Takes what is delivered next out of the queue.
  QueueEntry take(EventQueue& queue);
  /// By how much an interrupt of the line that is raised now is late.
  u64 irq_latency(const Node& node, u32 line);

  /// What happens to the thread that just got `core`, if it runs user code next: its core is late by `delay`, and poked
  /// `cut` after it goes on; 0 no.
  struct Disturbance {
    u64 delay = 0;
    u64 cut = 0;
  };
  Disturbance dispatched(Node& node, Core& core);
  EntryHandle& cut_of(const Core& core) { return memory_.cores[core.global].cut; }
  /// How often a thread got a core so far.
  u64 steps() const { return steps_; }

 private:
  struct Point {
    ChoiceKind kind;
    u32 node;  // number; 0 the world
    u64 key;
    u64 ordinal;
  };
  struct Candidates {
    u32 count = 0;
    bool with_current = false;  // the first one runs now
    Thread* threads[kCandidatesMax];
  };
  static u32 choose(void* context, kernel::Choice kind, u32 count);
  u32 pick(u32 count);
  u32 pull(u32 count);

  /// The override of a point, or the strategy's answer, if it is below `bound`; told and folded unless it is 0.
  template <class Propose, class ActorText>
  u64 answer(const Point& point, u64 bound, const Propose& propose, const ActorText& actor_text);
  const Override* find(const Point& point) const;
  void settle(const Point& point, u64 value, std::string_view actor, u32 forced);
  void begin(const StrategyConfig& config, bool is_then);

  Thread* running_on(const Core& core);
  Thread& bind(Node& node, kernel::Ref<kernel::Tcb> tcb);
  Candidates candidates(Node& node, Core& core);
  u64 draw(const Point& point, u64 argument = 0) const;
  u64 below(const Point& point, u64 bound, u64 argument = 0) const;
  bool chance(const Point& point, base::Ratio ratio, u64 argument = 0) const;

  // ── The strategies (strategies.cpp) ──────────────────────────────────────────────────────────────────────
  u64 propose_pick(const Point& point, const Candidates& among, u32 count);
  u64 propose_cut(const Point& point, Thread& thread, bool has_rivals);
  u64 propose_delay(const Point& point, Thread& thread, bool has_rivals);
  u64 propose_uniform(const Point& point, u64 bound);
  void begin_step(Thread& thread);
  u64 pick_ranked(const Candidates& among);
  u64 pick_weighted(const Point& point, const Candidates& among);
  u64 pick_starved(const Candidates& among);
  u64 rank(Thread& thread);
  void go_below(Thread& thread);
  u64 weight(const Thread& thread) const;
  bool runs_below_another(Thread& thread);
  bool is_victim(const Thread& thread, u64 now);
  void find_window(u64 now);

  ScheduleConfig config_;
  Memory memory_;
  View view_;
  StrategyConfig now_;  // the strategy in force
  bool is_then_ = false;
  u64 steps_ = 0;
  u64 orders_ = 0;
  u64 demoted_ = 0;
  u32 place_count_ = 0;
  u64 places_[kDelaysMax] = {};  // pct: where priorities drop; few: where threads are delayed
  bool at_place_ = false;        // few: the step under way is one of them
  struct Window {
    u64 number = 0;
    u64 start = 0;
    u64 end = 0;
  } window_;
  Node* node_ = nullptr;  // of the entry under way
  Core* core_ = nullptr;
  Candidates among_;  // of the pick or dispatch under way
};

}  // namespace sim
