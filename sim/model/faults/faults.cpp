// sim/model/faults/faults.cpp — opportunities, their streams, what the ledger says of them. What the world does with them
// is in hooks.cpp.
#include "sim/model/faults/faults.h"

#include <algorithm>

#include "base/format.h"
#include "base/glob.h"
#include "base/points.h"
#include "sim/model/world.h"

#include "base/enforce.h"

namespace sim {

using base::EventKind;

namespace {

constexpr u32 kSourceFaults = u32{1} << 19;  // of EntryClass::Plan; one entry a stream at a time
constexpr u64 kMinuteNs = 60'000'000'000;
constexpr u32 kTableBits = 12;
static_assert(u32{1} << kTableBits == kFaultTableSize);

bool kills(FaultClass fault) {
  return fault == FaultClass::ProcessKill || fault == FaultClass::ProcessTrap ||
         fault == FaultClass::ProcessDropReply || fault == FaultClass::ProcessCrashLoop;
}
/// Classes that strike what is brought back, and nothing else unless it is named.
bool is_of_processes(FaultClass fault) {
  return kills(fault) || fault == FaultClass::ProcessHang || fault == FaultClass::ProcessPause;
}

bool applies(const FaultRule& rule) {
  if (rule.at_most == 0) return false;
  return info_of(rule.fault).coin == Coin::Minute ? rule.per_minute > 0 : rule.ratio.numerator > 0;
}

std::string_view name_of_thread(const kernel::Tcb& tcb) {
  u64 length = 0;
  while (length < sizeof tcb.name && tcb.name[length] != 0) ++length;
  return {tcb.name, length};
}

constexpr std::string_view kDeviceNames[] = {"console", "timer", "world", "entropy", "power"};
static_assert(std::size(kDeviceNames) == kDeviceCount);

/// `node_name` is empty where the plan gives none.
void write_target(base::Writer& out, const FaultTarget& target, std::string_view node_name) {
  if (node_name.empty()) {
    base::format_to(out, "{}", target.node);
  } else {
    out.text(node_name);
  }
  switch (target.kind) {
    case TargetKind::Core: return base::format_to(out, "/core{}", target.index);
    case TargetKind::Timer:
      if (target.index == kDeviceTimer) return base::format_to(out, "/irq{}", u32{kLineTimer});
      return base::format_to(out, "/core{}", target.index);
    case TargetKind::Line: return base::format_to(out, "/irq{}", target.index);
    case TargetKind::Console: return out.text("/console");
    case TargetKind::Device: return base::format_to(out, "/{}", kDeviceNames[target.index]);
    case TargetKind::Node: return;
    case TargetKind::Point:
    case TargetKind::Link:
    case TargetKind::Path:
    case TargetKind::Disk:
    case TargetKind::Thread: break;
  }
  out.character('/');
  // As it stands in one word of a line: what is neither letter nor digit becomes `_`, but for `.` and `-`.
  for (const char c : name_of_thread(*target.thread)) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
    out.character(plain ? c : '_');
  }
}

/// Names class and target in the table; never 0.
u64 id_of(FaultClass fault, const FaultTarget& target) {
  const bool is_whole = target.kind == TargetKind::Point || target.kind == TargetKind::Link ||
                        target.kind == TargetKind::Path || target.kind == TargetKind::Disk;
  if (is_whole) return (static_cast<u64>(fault) + 1) << 48 | target.index;  // whichever node comes to it
  if (target.kind != TargetKind::Thread) {
    return (static_cast<u64>(fault) + 1) << 48 | u64{static_cast<u8>(target.kind)} << 40 | u64{target.node} << 24 |
           target.index;
  }
  base::D128 hash;
  hash.fold(static_cast<u64>(fault) << 32 | target.node);
  u64 words[4];
  static_assert(sizeof words == sizeof target.thread->name);
  __builtin_memcpy(words, target.thread->name, sizeof words);
  for (const u64 word : words) hash.fold(word);
  return hash.out().high | u64{1} << 63;
}

bool is_before(const FaultOverride& entry, u64 target, u64 opportunity) {
  return entry.target != target ? entry.target < target : entry.opportunity < opportunity;
}

u64 scaled(u64 value, u64 bound) { return static_cast<u64>((static_cast<unsigned __int128>(value) * bound) >> 64); }

}  // namespace

Faults::Faults(const FaultPlan& plan, const Memory& memory, World& world)
    : plan_(plan), memory_(memory), world_(world), ledger_(plan) {
  ASSERT(memory.streams.size() == kFaultStreamsMax && memory.table.size() == kFaultTableSize);
  ASSERT(plan.rules.size() <= kFaultRulesMax);
  for (const FaultRule& rule : plan_.rules) {
    if (applies(rule)) on_ |= set_of(rule.fault);
  }
  u32 at = 0;
  for (u32 fault = 0; fault < kFaultClasses; ++fault) {
    overrides_of_[fault] = at;
    for (; at < plan_.overrides.size() && static_cast<u32>(plan_.overrides[at].fault) == fault; ++at)
      on_ |= set_of(static_cast<FaultClass>(fault));
  }
  overrides_of_[kFaultClasses] = at;
  ASSERT(at == plan_.overrides.size());  // sorted by class
}

// ── Streams ──────────────────────────────────────────────────────────────────────────────────────────────────

Faults::Stream* Faults::find(FaultClass fault, const FaultTarget& target) {
  const u64 id = id_of(fault, target);
  u32 place = static_cast<u32>(id * 0x9E3779B97F4A7C15u >> (64 - kTableBits));
  for (; memory_.table[place] != 0; place = (place + 1) % kFaultTableSize) {  // half of the table is free
    Stream& stream = memory_.streams[memory_.table[place] - 1u];
    if (stream.id == id) return &stream;
  }
  if (stream_count_ == kFaultStreamsMax) return nullptr;
  Stream& stream = memory_.streams[stream_count_];
  stream_count_ += 1;
  memory_.table[place] = static_cast<u16>(stream_count_);
  stream.id = id;
  stream.fault = fault;
  stream.target = target;
  base::Writer text{std::span<char>(stream.text, kFaultTextMax - 1)};
  switch (target.kind) {
    case TargetKind::Point: text.text(base::kPoints[target.index].name); break;
    case TargetKind::Link: text.text(world_.links().at(target.index).name); break;
    case TargetKind::Disk: text.text(world_.disks().at(target.index).name); break;
    case TargetKind::Path: world_.links().write_path(text, target.index); break;
    default: write_target(text, target, world_.nodes()[target.node - 1].name()); break;
  }
  stream.key = actor_key(text.view());
  stream.prng = base::Prng(world_.seed(), name_of(fault), stream.key);
  stream.rule = rule_for(stream);
  stream.target.thread = nullptr;  // it lives shorter
  return &stream;
}

bool Faults::is_vital(const kernel::Tcb& thread) const {
  return std::find(plan_.vital.begin(), plan_.vital.end(), name_of_thread(thread)) != plan_.vital.end();
}

/// Asked while the stream is made: its target's thread is there.
u16 Faults::rule_for(const Stream& stream) const {
  bool is_struck_by_all = true;
  if (is_of_processes(stream.fault)) {
    is_struck_by_all = ledger_.is_supervised(name_of_thread(*stream.target.thread));
  } else if (stream.target.kind == TargetKind::Thread && info_of(stream.fault).owes != Owes::Mask) {
    is_struck_by_all = !is_vital(*stream.target.thread);
  }
  for (u32 i = 0; i < plan_.rules.size(); ++i) {
    const FaultRule& rule = plan_.rules[i];
    if (rule.fault != stream.fault || !applies(rule) || !(rule.any_process || is_struck_by_all)) continue;
    if (base::glob_matches(rule.target, stream.text)) return static_cast<u16>(i);
  }
  return kNoRule;
}

const FaultOverride* Faults::find_override(const Stream& stream, u64 opportunity) const {
  u32 first = overrides_of_[static_cast<u32>(stream.fault)];
  const u32 end = overrides_of_[static_cast<u32>(stream.fault) + 1];
  u32 last = end;
  while (first < last) {
    const u32 middle = first + (last - first) / 2;
    if (is_before(plan_.overrides[middle], stream.key, opportunity)) {
      first = middle + 1;
    } else {
      last = middle;
    }
  }
  if (first == end) return nullptr;
  const FaultOverride& entry = plan_.overrides[first];
  return entry.target == stream.key && entry.opportunity == opportunity ? &entry : nullptr;
}

void Faults::note_entry(u32 node, const kernel::Tcb& tcb) { ledger_.note_entry(node, name_of_thread(tcb)); }

// ── Opportunities ────────────────────────────────────────────────────────────────────────────────────────────

std::optional<FaultHit> Faults::opportunity(FaultClass fault, const FaultTarget& target, u64 now) {
  Stream* const stream = find(fault, target);
  if (stream == nullptr) return {};
  const u64 opportunity = stream->next;
  stream->next += 1;
  bool drawn = false;
  const std::optional<Injection> injected = take_injection(*stream);
  if (injected) {
    drawn = true;
  } else if (stream->rule != kNoRule) {
    const FaultRule& rule = plan_.rules[stream->rule];
    drawn = now >= rule.from && now < rule.to && stream->fired < rule.at_most &&
            scaled(stream->prng.at(opportunity), rule.ratio.denominator) < rule.ratio.numerator;
  } else if (overrides_of_[static_cast<u32>(fault)] == overrides_of_[static_cast<u32>(fault) + 1]) {
    return {};
  }
  stream->target = target;
  const std::optional<FaultHit> hit = decide(*stream, opportunity, drawn, injected ? &*injected : nullptr, now);
  stream->target.thread = nullptr;
  return hit;
}

/// The oldest that waits for this stream.
std::optional<Injection> Faults::take_injection(const Stream& stream) {
  for (u32 i = 0; i < injection_count_; ++i) {
    if (injections_[i].fault != stream.fault || injections_[i].target != stream.key) continue;
    const Injection taken = injections_[i];
    injection_count_ -= 1;
    for (u32 k = i; k < injection_count_; ++k) injections_[k] = injections_[k + 1];
    return taken;
  }
  return {};
}

std::optional<FaultHit> Faults::decide(Stream& stream, u64 opportunity, bool drawn, const Injection* injected,
                                       u64 now) {
  if (phase_ != Phase::Safety) return {};
  const FaultOverride* const entry = find_override(stream, opportunity);
  if (!drawn && (entry == nullptr || !entry->fires)) return {};
  stream.fired += 1;
  InjectRecord record{.fault = stream.fault, .target = stream.text, .opportunity = opportunity, .time = now};
  if (entry != nullptr) record.forced = static_cast<u32>(entry - plan_.overrides.data());
  FaultHit hit{.stream = &stream.prng, .opportunity = opportunity};
  const FaultRule usual = rule_of(stream.fault, 0);
  const FaultRule& rule = stream.rule == kNoRule ? usual : plan_.rules[stream.rule];
  for (u32 i = 0; i < kFaultKnobs; ++i) {
    hit.values[i] = rule.low[i] + scaled(stream.prng.at(opportunity, 1 + i), rule.high[i] - rule.low[i] + 1);
    if (injected != nullptr && (injected->set >> i & 1) != 0) hit.values[i] = injected->values[i];
    if (entry != nullptr && (entry->set >> i & 1) != 0) hit.values[i] = entry->values[i];
    record.values[i] = hit.values[i];
  }
  hit.backward = (hit.word(0) & 1) != 0;
  if (entry != nullptr && !entry->fires) {
    // Nothing at all happened, but for a judge: a run that spares is the run in which it never was drawn.
    record.outcome = InjectRecord::Outcome::Withheld;
    record.is_spared = true;
    record.reason = "spared";
    if (world_.config().sinks.fault != nullptr) world_.config().sinks.fault(world_.config().sinks.context, record);
    return {};
  }
  const Ledger::Admission admission = admit(stream, hit, now);
  record.reason = admission.reason;
  record.excuse = admission.excuse;
  if (!admission.reason.empty()) {
    record.outcome = admission.withheld ? InjectRecord::Outcome::Withheld : InjectRecord::Outcome::Lessened;
  }
  for (u32 i = 0; i < kFaultKnobs; ++i) record.values[i] = hit.values[i];
  tell(stream, record);
  hit.event = world_.trace().count();
  if (record.outcome == InjectRecord::Outcome::Withheld) return {};
  if (kills(stream.fault)) {
    ledger_.killed(stream.target.node, name_of_thread(*stream.target.thread), now);
  }
  return hit;
}

/// Asks the ledger, which may lower what the hit says.
Ledger::Admission Faults::admit(const Stream& stream, FaultHit& hit, u64 now) const {
  const FaultTarget& target = stream.target;
  if (kills(stream.fault)) {
    Ledger::Admission admission = ledger_.admit_kill(target.node, name_of_thread(*target.thread), now);
    const bool gives_up =
        stream.fault == FaultClass::ProcessCrashLoop && hit.values[kLoopDeathsKnob] >= kServiceKillsMax;
    if (gives_up && admission.excuse.empty()) admission.excuse = "it dies more often than its supervisor bears";
    return admission;
  }
  if (stream.fault == FaultClass::ProcessHang) return ledger_.admit_hang(name_of_thread(*target.thread));
  if (stream.busy_until > now) return {"it is still under way", true, {}};
  if (target.kind == TargetKind::Thread && info_of(stream.fault).owes != Owes::Mask) {
    if (is_vital(*target.thread)) return {{}, false, "its node is nothing without it, and it is named as a target"};
    return ledger_.admit_error(target.node, name_of_thread(*target.thread));
  }
  switch (stream.fault) {
    case FaultClass::NodeRack: return ledger_.admit_down(target.node, hit.values[kRackCountKnob], now);
    case FaultClass::NodeCrash:
    case FaultClass::NodeReboot:
    case FaultClass::NodeLost:
    case FaultClass::NodeZombie: {
      u64 one = 1;
      Ledger::Admission admission = ledger_.admit_down(target.node, one, now);
      if (stream.fault == FaultClass::NodeLost) admission.excuse = "it never returns, and a node may be down";
      return admission;
    }
    case FaultClass::DiskLyingFlush: return {{}, false, "a disk that lies about its flushes keeps no promise"};
    case FaultClass::DiskRollback: return {{}, false, "a disk that is set back has forgotten what it promised"};
    case FaultClass::DiskLost:
    case FaultClass::DiskCutImage: return {{}, false, "what was on the disk is gone, and nowhere else"};
    case FaultClass::ClockFreeze: hit.backward = true; [[fallthrough]];
    case FaultClass::ClockSkew:
    case FaultClass::ClockStep:
    case FaultClass::ClockStrobe:
    case FaultClass::ClockNoise: {
      const i64 amount = static_cast<i64>(hit.values[kClockKnob]);
      i64 step = hit.backward ? -amount : amount;
      const Ledger::Admission admission = ledger_.admit_step(world_.clock(target.node).error_at(now), step);
      hit.values[kClockKnob] = static_cast<u64>(step < 0 ? -step : step);
      return admission;
    }
    default: return {};
  }
}

void Faults::forget(u32 node) {
  for (Stream& stream : memory_.streams.first(stream_count_)) {
    if (stream.target.node != node) continue;
    stream.loop.deaths_left = 0;
    stream.wobble.left = 0;
    stream.busy_until = 0;
  }
}

// ── Points and the kernel ────────────────────────────────────────────────────────────────────────────────────

bool Faults::strikes_kernel() const {
  return on(FaultClass::BudgetCut) || on(FaultClass::ProcessHang) || on(FaultClass::ProcessPause) ||
         on(FaultClass::MemRefuse) || on(FaultClass::IpcSpuriousWake) || on(FaultClass::IpcReplyGone) ||
         on(FaultClass::IpcRevokeMidway);
}

/// Each point has a coin of its own, thrown once; one that a rule or an override names needs none.
void Faults::arm_points() {
  constexpr u64 kCoin = 1000;  // argument of opportunity 0 that is no knob's and no word's
  for (u32 i = 0; i < base::kPointCount; ++i) {
    const bool is_nudge = base::kPoints[i].form == base::PointForm::Nudge;
    const FaultClass fault = is_nudge ? FaultClass::CodeNudge : FaultClass::CodeTunable;
    if (!on(fault)) continue;
    Stream* const stream = find(fault, {.kind = TargetKind::Point, .index = i});
    if (stream == nullptr) continue;
    if (stream->rule != kNoRule && !plan_.rules[stream->rule].any_process &&
        scaled(stream->prng.at(0, kCoin), 4) != 0) {
      stream->rule = kNoRule;
    }
    bool is_named = false;
    for (u32 at = overrides_of_[static_cast<u32>(fault)]; at < overrides_of_[static_cast<u32>(fault) + 1]; ++at) {
      is_named = is_named || plan_.overrides[at].target == stream->key;
    }
    if (stream->rule != kNoRule || is_named) armed_points_ |= u64{1} << i;
  }
}

u32 Faults::point(u32 point, u32 choices, const Node& node, const kernel::Tcb& thread, u64 now) {
  const FaultTarget target{TargetKind::Point, node.number(), point, &thread};
  if (base::kPoints[point].form == base::PointForm::Nudge) {
    return opportunity(FaultClass::CodeNudge, target, now).has_value() ? 1 : 0;
  }
  Stream* const stream = find(FaultClass::CodeTunable, target);
  if (stream == nullptr) return 0;
  if (stream->kept == 0) {
    if (phase_ != Phase::Safety) return 0;
    const auto hit = opportunity(FaultClass::CodeTunable, target, now);
    stream->kept = 1 + (hit ? 1 + static_cast<u32>(hit->values[0] % choices) : 0);
  }
  return stream->kept - 1;
}

void Faults::queue_undo(Stream& stream, u32 node, u64 time) {
  const u32 index = static_cast<u32>(&stream - memory_.streams.data());
  stream.undos += 1;
  world_.push({.time = time,
               .order = order_of(EntryClass::Plan, kSourceFaults + index, 2 * stream.undos + 1),
               .argument = index,
               .node = static_cast<u16>(node - 1),
               .action = Action::FaultUndo});
}

void Faults::tell(const Stream& stream, const InjectRecord& record) {
  using enum InjectRecord::Outcome;
  const FaultTarget& target = stream.target;
  const bool has_core =
      target.kind == TargetKind::Core || (target.kind == TargetKind::Timer && target.index != kDeviceTimer);
  world_.emit(target.node, record.time,
              {.kind = record.outcome == Fired      ? EventKind::InjectFired
                       : record.outcome == Lessened ? EventKind::InjectLessened
                                                    : EventKind::InjectWithheld,
               .core = static_cast<u8>(has_core ? target.index : 0),
               .thread = target.thread == nullptr ? 0 : target.thread->thread_id,
               .object = static_cast<u32>(record.fault),
               .a = stream.key,
               .b = record.opportunity,
               .c = record.values[0]});
  if (world_.config().sinks.fault != nullptr) world_.config().sinks.fault(world_.config().sinks.context, record);
}

// ── By the minute ────────────────────────────────────────────────────────────────────────────────────────────

/// Calls `visit` for each target that a class by the minute can have.
template <class Visit>
void Faults::each_timed_target(FaultClass fault, Visit visit) {
  const FaultInfo& info = info_of(fault);
  for (Node& node : world_.nodes()) {
    switch (info.target) {
      case TargetKind::Core:
        for (const Core& core : node.cores()) visit({TargetKind::Core, node.number(), core.number});
        break;
      case TargetKind::Line:
        visit({TargetKind::Line, node.number(), kLineConsole});
        visit({TargetKind::Line, node.number(), kLineTimer});
        break;
      case TargetKind::Console:
        if (node.devices().can_be_struck(fault)) visit({TargetKind::Console, node.number()});
        break;
      case TargetKind::Node: visit({TargetKind::Node, node.number()}); break;
      case TargetKind::Link:
      case TargetKind::Path: break;  // below: they are no node's
      case TargetKind::Disk:
        for (u32 port = 0; port < world_.disks().port_count(node.index()); ++port) {
          visit({TargetKind::Disk, node.number(), world_.disks().disk_of(node.index(), port)});
        }
        break;
      case TargetKind::Timer:
      case TargetKind::Device:
      case TargetKind::Point:
      case TargetKind::Thread: UNREACHABLE("no class strikes these by the minute");
    }
  }
  const u32 count = info.target == TargetKind::Link   ? world_.links().count()
                    : info.target == TargetKind::Path ? world_.links().path_count()
                                                      : 0;
  for (u32 place = 0; place < count; ++place) {
    if (info.target == TargetKind::Path && world_.links().is_loop(place)) continue;
    visit({.kind = info.target, .index = place});
  }
}

void Faults::begin() {
  for (const FaultRule& rule : plan_.rules) {
    if (!applies(rule)) continue;
    const bool is_timed = info_of(rule.fault).coin == Coin::Minute;
    world_.emit(0, world_.now(),
                {.kind = EventKind::InjectArmed,
                 .object = static_cast<u32>(rule.fault),
                 .a = actor_key(rule.target),
                 .b = is_timed ? rule.per_minute : u64{rule.ratio.numerator} << 32 | rule.ratio.denominator,
                 .c = rule.from});
  }
  arm_points();
  for (u32 i = 0; i < kFaultClasses; ++i) {
    const FaultClass fault = static_cast<FaultClass>(i);
    const FaultInfo& info = info_of(fault);
    if (info.coin != Coin::Minute || !on(fault)) continue;
    const auto queue = [&](const FaultTarget& target) {
      Stream* const stream = find(fault, target);
      if (stream == nullptr || stream->rule == kNoRule || timed_count_ == kFaultTimedMax) return;
      timed_count_ += 1;
      const u64 from = plan_.rules[stream->rule].from;
      queue_strike(static_cast<u32>(stream - memory_.streams.data()), from > world_.now() ? from : world_.now());
    };
    each_timed_target(fault, queue);
  }
}

void Faults::queue_strike(u32 index, u64 now) {
  Stream& stream = memory_.streams[index];
  const FaultRule& rule = plan_.rules[stream.rule];
  // Uniform around the mean distance, so never two at once and never long without.
  const u64 mean = kMinuteNs / rule.per_minute;
  const u64 time = now + mean / 2 + scaled(stream.prng.at(stream.next), mean);
  if (stream.fired >= rule.at_most || time >= rule.to) return;
  push_strike(index, index, 2 * stream.next, time);
}

void Faults::push_strike(u32 index, u64 argument, u64 order, u64 time) {
  const u32 node = memory_.streams[index].target.node;
  queued_ += 1;
  world_.push({.time = time,
               .order = order_of(EntryClass::Plan, kSourceFaults + index, order),
               .argument = argument,
               .node = static_cast<u16>(node == 0 ? 0 : node - 1),
               .action = Action::FaultStrike});
}

bool Faults::inject(const Injection& injection, u64 now) {
  if (injection_count_ == kInjectionsMax) return false;
  const bool is_timed = info_of(injection.fault).coin == Coin::Minute;
  Stream* struck = nullptr;
  if (is_timed) {
    each_timed_target(injection.fault, [&](const FaultTarget& target) {
      Stream* const stream = find(injection.fault, target);
      if (stream != nullptr && stream->key == injection.target) struck = stream;
    });
    if (struck == nullptr) return false;
  }
  on_ |= set_of(injection.fault);
  injections_[injection_count_] = injection;
  injection_count_ += 1;
  if (is_timed) {
    const u32 index = static_cast<u32>(struck - memory_.streams.data());
    struck->undos += 1;
    push_strike(index, kInjectedStrike | index, 2 * struck->undos + 1, now);
  }
  return true;
}

std::optional<FaultHit> Faults::strike(u32 index, bool is_injected, u64 now) {
  queued_ -= 1;
  Stream& stream = memory_.streams[index];
  const u64 opportunity = stream.next;
  stream.next += 1;
  std::optional<FaultHit> hit;
  const bool is_there = stream.target.node == 0 || world_.nodes()[stream.target.node - 1].is_up();
  const std::optional<Injection> injected = is_injected ? take_injection(stream) : std::nullopt;
  if (is_there) hit = decide(stream, opportunity, true, injected ? &*injected : nullptr, now);
  if (!is_injected) queue_strike(index, now);
  return hit;
}

}  // namespace sim
