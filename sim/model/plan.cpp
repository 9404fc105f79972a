// sim/model/plan.cpp — see plan.h.
#include "sim/model/plan.h"

#include "base/bytes.h"
#include "base/format.h"

#include "base/enforce.h"

namespace sim {
namespace {

constexpr u64 kChecksumBytes = 16;
constexpr u64 kAtVersion = 8;
constexpr u64 kAtFlags = 12;
constexpr u64 kAtBytes = 16;
constexpr u64 kAtModel = 32;
constexpr u64 kAtSeed = 64;
constexpr u64 kAtRam = 72;
constexpr u64 kAtCores = 80;
constexpr u64 kAtWallStart = 88;
constexpr u64 kAtStealing = 96;
constexpr u64 kAtRootStack = 104;
constexpr u64 kAtCostBytes = 112;
constexpr u64 kAtScriptBytes = 116;
constexpr u64 kAtEventsFrom = 120;
constexpr u64 kAtEventsTo = 128;
constexpr u64 kAtDiskBytes = 136;
constexpr u64 kAtSkew = 144;
constexpr u64 kAtDrift = 152;
constexpr u64 kAtScheduleBytes = 160;
constexpr u64 kAtFaultBytes = 164;
constexpr u64 kAtNoteBytes = 168;

constexpr u32 kFlagFramed = 1;
constexpr u32 kFlagEpochs = 2;
constexpr u32 kFlagBlind = 4;
constexpr u32 kFlagsKnown = kFlagFramed | kFlagEpochs | kFlagBlind;

static_assert(std::has_unique_object_representations_v<kernel::CostTable>);

/// Writes words and texts one after the other; without a place it only counts.
class SectionWriter {
 public:
  explicit SectionWriter(u8* at) : at_(at) {}
  template <class T>
  void operator()(const T& value) {
    if (at_ != nullptr) base::store_le64(at_ + used_, static_cast<u64>(value));
    used_ += 8;
  }
  void operator()(base::Ratio ratio) {
    (*this)(ratio.numerator);
    (*this)(ratio.denominator);
  }
  void operator()(std::string_view text) {
    (*this)(text.size());
    if (at_ != nullptr && !text.empty()) __builtin_memcpy(at_ + used_, text.data(), text.size());
    used_ += text.size();
  }
  u64 used() const { return used_; }

 private:
  u8* at_;
  u64 used_ = 0;
};

/// Reads them back. Behind the end, and where a number does not fit its place, it stays wrong and yields zeros.
class SectionReader {
 public:
  explicit SectionReader(base::Bytes bytes) : bytes_(bytes) {}
  template <class T>
  void operator()(T& value) {
    const u64 read = word();
    value = static_cast<T>(read);
    if (static_cast<u64>(value) != read) wrong_ = true;
  }
  void operator()(base::Ratio& ratio) {
    (*this)(ratio.numerator);
    (*this)(ratio.denominator);
    require(ratio.denominator != 0);
  }
  void operator()(std::string_view& text) {
    const u64 length = word();
    if (length > bytes_.size() - at_) wrong_ = true;
    if (wrong_) return;
    text = base::text_of(bytes_.subspan(at_, length));
    at_ += length;
  }
  void require(bool holds) { wrong_ = wrong_ || !holds; }
  /// A count of at most `max`; 0 when it is more.
  u32 count(u64 max) {
    const u64 count = word();
    require(count <= max);
    return wrong_ ? 0 : static_cast<u32>(count);
  }
  bool is_done() const { return !wrong_ && at_ == bytes_.size(); }
  u64 at() const { return at_; }

 private:
  u64 word() {
    if (bytes_.size() - at_ < 8) wrong_ = true;
    if (wrong_) return 0;
    at_ += 8;
    return base::load_le64(bytes_.data() + at_ - 8);
  }
  base::Bytes bytes_;
  u64 at_ = 0;
  bool wrong_ = false;
};

// What each thing consists of, for both directions: `visit` gets every field in its order.

template <class Strategy, class Visit>
void strategy_fields(Strategy& strategy, Visit& visit) {
  visit(strategy.strategy);
  visit(strategy.quantum_ns);
  visit(strategy.cut);
  visit(strategy.delay);
  visit(strategy.stay);
  visit(strategy.depth);
  visit(strategy.ratio);
  visit(strategy.delays);
  visit(strategy.windows);
  visit(strategy.irq_latency_ns_max);
  visit(strategy.steps);
  for (auto& weight : strategy.weights) visit(weight);
}
template <class Entry, class Visit>
void override_fields(Entry& entry, Visit& visit) {
  visit(entry.kind);
  visit(entry.actor);
  visit(entry.ordinal);
  visit(entry.answer);
}
template <class Rule, class Visit>
void rule_fields(Rule& rule, Visit& visit) {
  visit(rule.fault);
  visit(rule.target);
  visit(rule.any_process);
  visit(rule.ratio);
  visit(rule.per_minute);
  visit(rule.from);
  visit(rule.to);
  visit(rule.at_most);
  for (auto& low : rule.low) visit(low);
  for (auto& high : rule.high) visit(high);
}
template <class Entry, class Visit>
void fault_override_fields(Entry& entry, Visit& visit) {
  visit(entry.fault);
  visit(entry.target);
  visit(entry.opportunity);
  visit(entry.fires);
  visit(entry.set);
  for (auto& value : entry.values) visit(value);
}
template <class Service, class Visit>
void service_fields(Service& service, Visit& visit) {
  visit(service.name);
  visit(service.only_copy);
  visit(service.is_probed);
}
template <class Budget, class Visit>
void budget_fields(Budget& budget, Visit& visit) {
  visit(budget.nodes_down);
  visit(budget.copies_lost);
  visit(budget.clock_error_ns);
}
template <class Disk, class Visit>
void disk_fields(Disk& disk, Visit& visit) {
  visit(disk.name);
  visit(disk.bytes);
  visit(disk.sector_bytes);
  visit(disk.atomic_bytes);
  visit(disk.settings.latency_ns);
  visit(disk.settings.bytes_per_second);
  visit(disk.settings.queue_depth);
  visit(disk.settings.channels);
  visit(disk.settings.cache);
  visit(disk.settings.cache_bytes);
}

bool has_faults(const FaultPlan& faults) { return !faults.rules.empty() || !faults.overrides.empty(); }

void write_schedule(const ScheduleConfig& schedule, SectionWriter& out) {
  if (!schedule.on) return;
  strategy_fields(schedule.first, out);
  strategy_fields(schedule.then, out);
  out(schedule.then_after);
  out(schedule.overrides.size());
  for (const Override& entry : schedule.overrides) override_fields(entry, out);
  out(schedule.pilot.size());
  for (const PilotCount& count : schedule.pilot) {
    out(count.actor);
    out(count.steps);
  }
}

void write_faults(const FaultPlan& faults, SectionWriter& out) {
  if (!has_faults(faults)) return;
  budget_fields(faults.budget, out);
  out(faults.last_started);
  out(faults.rules.size());
  for (const FaultRule& rule : faults.rules) rule_fields(rule, out);
  out(faults.overrides.size());
  for (const FaultOverride& entry : faults.overrides) fault_override_fields(entry, out);
  out(faults.services.size());
  for (const FaultService& service : faults.services) service_fields(service, out);
  out(faults.vital.size());
  for (const std::string_view name : faults.vital) out(name);
}

void write_disks(std::span<const PlanDisk> disks, SectionWriter& out) {
  if (disks.empty()) return;
  out(disks.size());
  for (const PlanDisk& disk : disks) {
    disk_fields(disk.config, out);
    out(base::text_of(disk.content));
  }
}

u64 schedule_bytes(const Plan& plan) {
  SectionWriter counted(nullptr);
  write_schedule(plan.schedule, counted);
  return counted.used();
}
u64 fault_bytes(const Plan& plan) {
  SectionWriter counted(nullptr);
  write_faults(plan.faults, counted);
  return counted.used();
}
u64 disk_bytes(const Plan& plan) {
  SectionWriter counted(nullptr);
  write_disks(plan.disks, counted);
  return counted.used();
}

bool is_sound(const StrategyConfig& strategy) {
  return static_cast<u8>(strategy.strategy) < kStrategies && strategy.depth <= kDepthMax &&
         strategy.delays <= kDelaysMax && strategy.windows <= kWindowBitsMax;
}

base::Result<void, PlanError> read_schedule(base::Bytes bytes, PlanStorage& storage, ScheduleConfig& schedule) {
  if (bytes.empty()) return {};
  SectionReader in(bytes);
  schedule.on = true;
  strategy_fields(schedule.first, in);
  strategy_fields(schedule.then, in);
  in.require(is_sound(schedule.first) && is_sound(schedule.then));
  in(schedule.then_after);
  const u32 overrides = in.count(kPlanOverridesMax);
  for (u32 i = 0; i < overrides; ++i) {
    override_fields(storage.overrides[i], in);
    in.require(static_cast<u8>(storage.overrides[i].kind) < kChoiceKinds);
  }
  const u32 actors = in.count(kPlanPilotMax);
  for (u32 i = 0; i < actors; ++i) {
    in(storage.pilot[i].actor);
    in(storage.pilot[i].steps);
  }
  if (!in.is_done()) return PlanError{PlanError::Code::Schedule, in.at()};
  schedule.overrides = {storage.overrides, overrides};
  schedule.pilot = {storage.pilot, actors};
  return {};
}

base::Result<void, PlanError> read_faults(base::Bytes bytes, PlanStorage& storage, FaultPlan& faults) {
  if (bytes.empty()) return {};
  SectionReader in(bytes);
  budget_fields(faults.budget, in);
  in(faults.last_started);
  const u32 rules = in.count(kFaultRulesMax);
  for (u32 i = 0; i < rules; ++i) {
    rule_fields(storage.rules[i], in);
    in.require(static_cast<u32>(storage.rules[i].fault) < kFaultClasses);
  }
  const u32 overrides = in.count(kPlanOverridesMax);
  for (u32 i = 0; i < overrides; ++i) {
    fault_override_fields(storage.fault_overrides[i], in);
    in.require(static_cast<u32>(storage.fault_overrides[i].fault) < kFaultClasses);
  }
  const u32 services = in.count(kServicesMax);
  for (u32 i = 0; i < services; ++i) service_fields(storage.services[i], in);
  const u32 vital = in.count(kVitalMax);
  for (u32 i = 0; i < vital; ++i) in(storage.vital[i]);
  if (!in.is_done()) return PlanError{PlanError::Code::Faults, in.at()};
  faults.rules = {storage.rules, rules};
  faults.overrides = {storage.fault_overrides, overrides};
  faults.services = {storage.services, services};
  faults.vital = {storage.vital, vital};
  return {};
}

/// Sizes only: what settings a disk may have is for the world to say.
base::Result<void, PlanError> read_disks(base::Bytes bytes, PlanStorage& storage, Plan& plan) {
  if (bytes.empty()) return {};
  SectionReader in(bytes);
  const u32 disks = in.count(kNodeDisksMax);
  for (u32 i = 0; i < disks; ++i) {
    PlanDisk& disk = storage.disks[i];
    disk_fields(disk.config, in);
    std::string_view content;
    in(content);
    disk.config.node = 1;
    disk.content = base::bytes_of(content);
    in.require(disk.config.settings.cache <= DiskCache::Volatile && content.size() <= disk.config.bytes);
  }
  if (!in.is_done()) return PlanError{PlanError::Code::Disks, in.at()};
  plan.disks = {storage.disks, disks};
  return {};
}

void seal(base::MutableBytes plan) {
  const base::Digest checksum = base::digest_of(plan.first(plan.size() - kChecksumBytes));
  base::store_le64(plan.data() + plan.size() - 16, checksum.high);
  base::store_le64(plan.data() + plan.size() - 8, checksum.low);
}

}  // namespace

u64 plan_bytes(const Plan& plan) {
  return kPlanHeaderBytes + sizeof plan.costs + plan.script.size() + schedule_bytes(plan) + fault_bytes(plan) +
         disk_bytes(plan) + plan.note.size() + kChecksumBytes;
}

base::Result<void, PlanError> check_plan(const Plan& plan) {
  using Code = PlanError::Code;
  const u64 overrides = plan.schedule.overrides.size();
  const u64 pilot = plan.schedule.pilot.size();
  if (overrides > kPlanOverridesMax) return PlanError{Code::Schedule, overrides, kPlanOverridesMax};
  if (pilot > kPlanPilotMax) return PlanError{Code::Schedule, pilot, kPlanPilotMax};
  if (plan.faults.rules.size() > kFaultRulesMax) {
    return PlanError{Code::Faults, plan.faults.rules.size(), kFaultRulesMax};
  }
  if (plan.faults.overrides.size() > kPlanOverridesMax) {
    return PlanError{Code::Faults, plan.faults.overrides.size(), kPlanOverridesMax};
  }
  if (plan.faults.services.size() > kServicesMax) {
    return PlanError{Code::Faults, plan.faults.services.size(), kServicesMax};
  }
  if (plan.faults.vital.size() > kVitalMax) return PlanError{Code::Faults, plan.faults.vital.size(), kVitalMax};
  if (plan.disks.size() > kNodeDisksMax) return PlanError{Code::Disks, plan.disks.size(), kNodeDisksMax};
  const u64 bytes = plan_bytes(plan);
  if (bytes > kPlanBytesMax) return PlanError{Code::TooLarge, bytes, kPlanBytesMax};
  return {};
}

void encode_plan(const Plan& plan, base::MutableBytes out) {
  const u64 total = plan_bytes(plan);
  ASSERT(out.size() == total && check_plan(plan).ok());
  u8* at = out.data();
  __builtin_memset(at, 0, kPlanHeaderBytes);
  __builtin_memcpy(at, kPlanMagic.data(), kPlanMagic.size());
  base::store_le32(at + kAtVersion, kPlanVersion);
  base::store_le32(at + kAtFlags, (plan.framed ? kFlagFramed : 0) | (plan.epochs ? kFlagEpochs : 0) |
                                      (plan.schedule.blind ? kFlagBlind : 0));
  base::store_le64(at + kAtBytes, total);
  __builtin_memcpy(at + kAtModel, model_id().data(), kModelIdBytes);
  base::store_le64(at + kAtSeed, plan.seed);
  base::store_le64(at + kAtRam, plan.ram_bytes);
  base::store_le32(at + kAtCores, plan.cores);
  base::store_le64(at + kAtWallStart, plan.wall_start_ns);
  base::store_le64(at + kAtStealing, plan.stealing ? 1 : 0);
  base::store_le64(at + kAtRootStack, plan.root_stack_bytes);
  base::store_le32(at + kAtCostBytes, sizeof plan.costs);
  base::store_le32(at + kAtScriptBytes, static_cast<u32>(plan.script.size()));
  base::store_le64(at + kAtEventsFrom, plan.events_from);
  base::store_le64(at + kAtEventsTo, plan.events_to);
  base::store_le64(at + kAtDiskBytes, disk_bytes(plan));
  base::store_le64(at + kAtSkew, static_cast<u64>(plan.clock.skew_ns));
  base::store_le32(at + kAtDrift, static_cast<u32>(plan.clock.drift_ppm));
  base::store_le32(at + kAtScheduleBytes, static_cast<u32>(schedule_bytes(plan)));
  base::store_le32(at + kAtFaultBytes, static_cast<u32>(fault_bytes(plan)));
  base::store_le32(at + kAtNoteBytes, static_cast<u32>(plan.note.size()));
  u8* body = at + kPlanHeaderBytes;
  const auto append = [&body](const void* bytes, u64 count) {
    if (count > 0) __builtin_memcpy(body, bytes, count);
    body += count;
  };
  append(&plan.costs, sizeof plan.costs);
  append(plan.script.data(), plan.script.size());
  SectionWriter schedule(body);
  write_schedule(plan.schedule, schedule);
  body += schedule.used();
  SectionWriter faults(body);
  write_faults(plan.faults, faults);
  body += faults.used();
  SectionWriter disks(body);
  write_disks(plan.disks, disks);
  body += disks.used();
  append(plan.note.data(), plan.note.size());
  ASSERT(body == at + total - kChecksumBytes);
  seal(out);
}

void set_plan_events(base::MutableBytes plan, u64 from, u64 to) {
  base::store_le64(plan.data() + kAtEventsFrom, from);
  base::store_le64(plan.data() + kAtEventsTo, to);
  seal(plan);
}

base::Result<Plan, PlanError> decode_plan(base::Bytes bytes, PlanStorage& storage) {
  using Code = PlanError::Code;
  constexpr u64 kLeast = kPlanHeaderBytes + sizeof(kernel::CostTable) + kChecksumBytes;
  if (bytes.size() < kLeast) return PlanError{Code::Short, bytes.size(), kLeast};
  const u8* at = bytes.data();
  if (base::text_of(bytes.first(kPlanMagic.size())) != kPlanMagic) return PlanError{Code::Magic, base::load_le64(at)};
  const u32 version = base::load_le32(at + kAtVersion);
  if (version != kPlanVersion) return PlanError{Code::Version, version, kPlanVersion};
  const u64 total = base::load_le64(at + kAtBytes);
  if (total > kPlanBytesMax) return PlanError{Code::TooLarge, total, kPlanBytesMax};
  if (total < kLeast || total > bytes.size()) return PlanError{Code::Length, total, bytes.size()};
  const base::Digest checksum = base::digest_of(bytes.first(total - kChecksumBytes));
  if (checksum.high != base::load_le64(at + total - 16) || checksum.low != base::load_le64(at + total - 8)) {
    return PlanError{Code::Checksum, base::load_le64(at + total - 16), checksum.high};
  }
  // The bytes are what was written. What follows can fail only for a plan of another build.
  if (!std::equal(at + kAtModel, at + kAtModel + kModelIdBytes, model_id().data())) {
    return PlanError{Code::OtherModel, base::load_be64(at + kAtModel), base::load_be64(model_id().data())};
  }
  const u32 flags = base::load_le32(at + kAtFlags);
  if ((flags & ~kFlagsKnown) != 0) return PlanError{Code::Flags, flags, kFlagsKnown};
  const u32 cost_bytes = base::load_le32(at + kAtCostBytes);
  if (cost_bytes != sizeof(kernel::CostTable)) return PlanError{Code::Costs, cost_bytes, sizeof(kernel::CostTable)};
  const u64 script_bytes = base::load_le32(at + kAtScriptBytes);
  const u64 schedule_bytes = base::load_le32(at + kAtScheduleBytes);
  const u64 fault_bytes = base::load_le32(at + kAtFaultBytes);
  const u64 note_bytes = base::load_le32(at + kAtNoteBytes);
  const u64 disk_bytes = base::load_le64(at + kAtDiskBytes);
  if (disk_bytes > total) return PlanError{Code::Length, disk_bytes, total};  // so that the sum cannot wrap
  const u64 parts = kLeast + script_bytes + schedule_bytes + fault_bytes + disk_bytes + note_bytes;
  if (parts != total) return PlanError{Code::Length, parts, total};
  Plan plan;
  plan.seed = base::load_le64(at + kAtSeed);
  plan.ram_bytes = base::load_le64(at + kAtRam);
  plan.cores = base::load_le32(at + kAtCores);
  plan.wall_start_ns = base::load_le64(at + kAtWallStart);
  plan.root_stack_bytes = base::load_le64(at + kAtRootStack);
  plan.stealing = base::load_le64(at + kAtStealing) != 0;
  plan.framed = (flags & kFlagFramed) != 0;
  plan.epochs = (flags & kFlagEpochs) != 0;
  plan.events_from = base::load_le64(at + kAtEventsFrom);
  plan.events_to = base::load_le64(at + kAtEventsTo);
  __builtin_memcpy(&plan.costs, at + kPlanHeaderBytes, sizeof plan.costs);
  base::Bytes rest = bytes.subspan(kPlanHeaderBytes + sizeof plan.costs);
  const auto take = [&rest](u64 count) {
    const base::Bytes taken = rest.first(count);
    rest = rest.subspan(count);
    return taken;
  };
  plan.script = take(script_bytes);
  const base::Bytes schedule = take(schedule_bytes);
  const base::Bytes faults = take(fault_bytes);
  const base::Bytes disks = take(disk_bytes);
  plan.note = base::text_of(take(note_bytes));
  plan.clock.skew_ns = static_cast<i64>(base::load_le64(at + kAtSkew));
  plan.clock.drift_ppm = static_cast<i32>(base::load_le32(at + kAtDrift));
  if (plan.cores < 1 || plan.cores > kCoresMax) return PlanError{Code::Cores, plan.cores, kCoresMax};
  if (plan.ram_bytes < kernel::kRamBytesMin || plan.ram_bytes > kernel::kRamBytesMax ||
      plan.ram_bytes % kernel::kRamBytesMultiple != 0) {
    return PlanError{Code::Memory, plan.ram_bytes, kernel::kRamBytesMax};
  }
  if (plan.clock.drift_ppm < -kRatePpmMax || plan.clock.drift_ppm > kRatePpmMax) {
    return PlanError{Code::Clock, static_cast<u64>(static_cast<i64>(plan.clock.drift_ppm)), kRatePpmMax};
  }
  TRY(read_schedule(schedule, storage, plan.schedule));
  plan.schedule.blind = (flags & kFlagBlind) != 0;
  TRY(read_faults(faults, storage, plan.faults));
  TRY(read_disks(disks, storage, plan));
  return plan;
}

std::string_view describe(const PlanError& error, std::span<char> out) {
  using enum PlanError::Code;
  const u64 value = error.value;
  const u64 allowed = error.allowed;
  switch (error.code) {
    case Short: return base::format(out, "the plan has {} bytes; the smallest has {}", value, allowed);
    case Magic: return base::format(out, "this is no plan: it begins with {:016x}", __builtin_bswap64(value));
    case Version: return base::format(out, "the plan has version {}; this machine reads version {}", value, allowed);
    case TooLarge: return base::format(out, "the plan says it has {} bytes; the most is {}", value, allowed);
    case Length: return base::format(out, "the plan says it has {} bytes where there are {}", value, allowed);
    case Checksum:
      return base::format(out, "the plan is damaged: its checksum begins with {:016x}, its content gives {:016x}",
                          value, allowed);
    case OtherModel:
      return base::format(out, "the plan is for model {:016x}, this machine is model {:016x}", value, allowed);
    case Cores: return base::format(out, "the plan asks for {} cores; allowed is 1 to {}", value, allowed);
    case Memory:
      return base::format(out, "the plan asks for {} bytes of memory; allowed is a multiple of 2M up to {}", value,
                          allowed);
    case Costs: return base::format(out, "the plan's cost table has {} bytes; this machine's has {}", value, allowed);
    case Flags: return base::format(out, "the plan has unknown flags: {:x}", value);
    case Clock: return base::format(out, "the plan's clock drifts by {} ppm; allowed is up to {}", value, allowed);
    case Schedule:
      return allowed != 0 ? base::format(out, "a list of the schedule has {} entries; a plan holds {}", value, allowed)
                          : base::format(out, "the plan's schedule is wrong at byte {} of it", value);
    case Faults:
      return allowed != 0 ? base::format(out, "a list of faults has {} entries; a plan holds {}", value, allowed)
                          : base::format(out, "the plan's faults are wrong at byte {} of them", value);
    case Disks:
      return allowed != 0 ? base::format(out, "the plan has {} disks; its node holds {}", value, allowed)
                          : base::format(out, "the plan's disks are wrong at byte {} of them", value);
  }
  return "unknown error in the plan";
}

}  // namespace sim
