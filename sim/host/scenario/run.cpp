// sim/host/scenario/run.cpp — a run from its seed to its report.
#include <algorithm>

#include "base/glob.h"
#include "sim/host/contain.h"
#include "sim/host/excuse.h"
#include "sim/host/scenario/case.h"
#include "sim/host/scenario/runner.h"
#include "sim/host/text.h"
#include "sim/host/waits.h"

namespace sim::host::scenario {
namespace {

constexpr u64 kPieceNs = 100'000'000;  // virtual ns between two looks at the limits

RunReport refused_report(const std::string& why) {
  RunReport report;
  report.verdict = Verdict::Broken;
  report.finding = Finding{.property = "the run cannot be made", .kind = "setup", .details = why};
  return report;
}

/// Whether a callback of the file could inject a fault: one of the functions that do stands in it.
bool may_inject(const Sources& sources) {
  for (const Sources::File& file : sources.files) {
    for (const char* name : {"inject", "hang", "trap", "slow"}) {
      if (file.text.find(name) != std::string::npos) return true;
    }
  }
  return false;
}

void set_cost(kernel::CostTable& costs, const std::string& name, u64 value) {
  struct Cost {
    const char* name;
    u64* value;
  };
  const Cost known[] = {{"syscall", &costs.syscall},
                        {"thread_switch", &costs.thread_switch},
                        {"sc_switch", &costs.sc_switch},
                        {"signal", &costs.signal},
                        {"schedule", &costs.schedule},
                        {"irq_entry", &costs.irq_entry},
                        {"slow_send", &costs.slow_send},
                        {"slow_receive", &costs.slow_receive},
                        {"cap_transfer", &costs.cap_transfer},
                        {"unit_delete", &costs.unit_delete},
                        {"unit_zero", &costs.unit_zero},
                        {"ipi_latency", &costs.ipi_latency},
                        {"steal", &costs.steal},
                        {"native_work_unit", &costs.native_work_unit}};
  for (const Cost& cost : known) {
    if (name == cost.name) *cost.value = value;
  }
}

base::Prng client_stream(u64 seed, const std::string& name) { return {seed, "scenario.client", stream_instance(name)}; }

}  // namespace

Runner::Runner(const RunInput& input, const RunSetup& setup, std::optional<u64> boot_seed)
    : input_(input), asked_(setup), setup_(setup), is_shared_(boot_seed.has_value()) {
  if (boot_seed) setup_.seed = *boot_seed;
  program_ = std::make_unique<Program>(input.sources, setup_.seed, input.observer.called);
  program_->stage = this;
  program_->box().on_print = [this](std::string_view line) { note(line); };
}

void Runner::add_drawn(const std::string& name, const std::string& value) {
  drawn_ += (drawn_.empty() ? "" : " ") + name + "=" + value;
}

/// A quantity under the seed; what was a choice is told in the report.
u64 Runner::draw(const std::string& key, const Quantity& quantity) {
  const i64 value = quantity.draw(setup_.seed, key);
  if (!quantity.is_fixed()) {
    std::string name = key;
    std::replace(name.begin(), name.end(), ' ', '.');
    add_drawn(name, text_of(value, quantity.unit));
  }
  return static_cast<u64>(value);
}

DiskShape Runner::draw_disk(const DiskPlan& disk) {
  const std::string key = "disk " + disk.name;
  DiskShape shape;
  shape.name = disk.name;
  shape.node = disk.node + 1;
  const u64 bytes = draw(key + " size", disk.size);
  shape.bytes = bytes - bytes % 4096;
  shape.sector_bytes = static_cast<u32>(disk.sector);
  shape.atomic_bytes = static_cast<u32>(disk.atomic);
  shape.settings.latency_ns = draw(key + " latency", disk.latency);
  shape.settings.bytes_per_second = draw(key + " bandwidth", disk.bandwidth) / 8;
  shape.settings.queue_depth = static_cast<u32>(draw(key + " queue", disk.queue));
  shape.settings.channels = static_cast<u32>(draw(key + " channels", disk.channels));
  shape.settings.cache_bytes = static_cast<u32>(draw(key + " cache_size", disk.cache_size));
  shape.settings.cache = disk.cache == "none"      ? DiskCache::None
                         : disk.cache == "ordered" ? DiskCache::Ordered
                                                   : DiskCache::Volatile;
  if (!disk.from.empty()) {
    shape.image = disk.from;
    shape.content = std::make_shared<const std::string>(input_.sources.find(disk.from)->text);
  }
  return shape;
}

MachineOptions Runner::draw() {
  const Plan& plan = program_->plan;
  MachineOptions options;
  options.seed = setup_.seed;
  options.entries = input_.entries;
  options.image = input_.image;
  if (plan.wall_start_ns != 0) options.wall_start_ns = plan.wall_start_ns;
  for (const auto& [name, value] : plan.costs) set_cost(options.costs, name, static_cast<u64>(value));
  for (u32 i = 0; i < plan.nodes.size(); ++i) {
    const NodePlan& node = plan.nodes[i];
    const std::string key = "node " + node.name;
    NodeShape shape;
    shape.name = node.name;
    shape.cores = static_cast<u32>(draw(key + " cores", node.cores));
    const u64 memory = draw(key + " memory", node.memory);
    shape.ram_bytes = memory - memory % kernel::kRamBytesMultiple;
    if (input_.images[i] != input_.image) shape.image = input_.images[i];
    shape.console = node.has_console ? ConsoleKind::Terminal : ConsoleKind::Typed;
    shape.columns = node.has_console ? node.columns : 0;
    shape.rows = node.has_console ? node.rows : 0;
    shape.clock.skew_ns = static_cast<i64>(draw(key + " skew", node.skew));
    shape.clock.drift_ppm = static_cast<i32>(draw(key + " drift", node.drift));
    shape.boot_at_ns = draw(key + " boots_at", node.boots_at);
    options.shapes.push_back(std::move(shape));
  }
  for (const LinkPlan& link : plan.links) {
    const std::string key = "link " + link.name;
    LinkShape shape;
    shape.name = link.name;
    for (const u32 node : link.joins) shape.joins.push_back(node + 1);
    shape.settings.latency_ns = draw(key + " latency", link.latency);
    shape.settings.jitter_ns = draw(key + " jitter", link.jitter);
    shape.settings.bits_per_second = draw(key + " bandwidth", link.bandwidth);
    shape.settings.queue_bytes = static_cast<u32>(draw(key + " queue", link.queue));
    shape.settings.mtu = static_cast<u32>(draw(key + " mtu", link.mtu));
    options.links.push_back(std::move(shape));
  }
  for (const DiskPlan& disk : plan.disks) options.disks.push_back(draw_disk(disk));
  return options;
}

/// The classes that may strike under this seed: each allowed one by the coin of the swarm, one seed in 16 without any, one
/// in 16 with a single one. They strike while the safety phase lasts.
std::string Runner::add_faults(Schedule& schedule) {
  schedule.faults.injects = may_inject(input_.sources);
  const FaultsPlan& faults = program_->plan.faults;
  if (!faults.declared) return {};
  base::Prng swarm(setup_.seed, "scenario.swarm");
  const u64 kind = swarm.below(16);
  std::vector<std::string> classes;
  std::vector<std::string> rules;
  for (const std::string& allowed : faults.allow) {
    const std::string pattern = allowed.substr(0, allowed.find_first_of(" :"));
    const std::string knobs = allowed.substr(pattern.size());
    for (u32 i = 0; i < kFaultClasses; ++i) {
      const std::string name(sim::name_of(static_cast<FaultClass>(i)));
      if (!base::glob_matches(pattern, name)) continue;
      const bool forbidden = std::any_of(faults.forbid.begin(), faults.forbid.end(), [&](const std::string& not_this) {
        return base::glob_matches(not_this, name);
      });
      const bool doubled = std::find(classes.begin(), classes.end(), name) != classes.end() && knobs.empty();
      if (forbidden || doubled) continue;
      classes.push_back(name);
      rules.push_back(knobs);
    }
  }
  const u64 only = classes.empty() ? 0 : swarm.below(classes.size());
  std::string on;
  for (u64 i = 0; i < classes.size(); ++i) {
    const bool coin = swarm.chance({1, 2});
    const u64 intensity = static_cast<u64>(faults.intensity.draw(setup_.seed, "faults " + classes[i]));
    const bool strikes = !faults.swarm || (kind == 0 ? false : kind == 1 ? i == only : coin);
    if (!strikes || intensity == 0) continue;
    std::string rule = classes[i] + rules[i];
    if (rule.find("intensity=") == std::string::npos && rule.find("ratio=") == std::string::npos &&
        rule.find("per-minute=") == std::string::npos) {
      rule += " intensity=" + std::to_string(intensity);
    }
    rule += " from=" + std::to_string(safety_ns_) + "ns to=" + std::to_string(safety_end_ns_) + "ns";
    if (const std::string wrong = parse_rule(rule, schedule.faults); !wrong.empty()) return "faults: " + wrong;
    on += (on.empty() ? "" : ",") + classes[i];
  }
  add_drawn("faults", on.empty() ? "none" : on);
  schedule.faults.budget.nodes_down = static_cast<u32>(faults.nodes_down);
  schedule.faults.budget.copies_lost = static_cast<u32>(faults.copies_lost);
  schedule.faults.budget.clock_error_ns = faults.clock_error_ns;
  return {};
}

// ── Judging ──────────────────────────────────────────────────────────────────────────────────────────────────

FilterNames Runner::filter_names() {
  FilterNames names;
  for (const NodePlan& node : program_->plan.nodes) names.nodes.push_back(node.name);
  names.thread = [this](u32 node, u32 id) { return name_of_thread(node, id); };
  return names;
}

Filter Runner::filter_of(const std::string& text, const Where& where) {
  Filter filter;
  if (const std::string wrong = parse_filter(text, filter_names(), filter); !wrong.empty() && refused_.empty()) {
    refused_ = text_of(where) + ": " + wrong;
  }
  return filter;
}

void Runner::add_property(const PropertyPlan& property) {
  const int function = property.function;
  const judge::Holds asked = [this, function](std::string& details) { return look(function, details).value_or(true); };
  // Without a pattern a function is asked every 10 ms, at the first event after.
  struct Clock {
    u64 next = 0;
  };
  const auto clock = std::make_shared<Clock>();
  const auto due = [this, clock] {
    const u64 now = now_ns();
    if (now < clock->next || phase_name_ == "warmup") return false;
    clock->next = now + kLookNs;
    return true;
  };
  const std::string on = property.pattern.empty() ? "all" : property.pattern;
  const u64 within = static_cast<u64>(property.within.draw(setup_.seed, "within " + property.name));
  if (property.form == "always") {
    const judge::Holds holds = [asked, due](std::string& details) { return !due() || asked(details); };
    judge_.always(property.name, property.pattern.empty() ? holds : asked, filter_of(on, property.where));
  } else if (property.form == "never") {
    judge_.never(property.name, filter_of(on, property.where));
  } else if (property.form == "sometimes") {
    const judge::Holds holds = [asked, due](std::string& details) { return due() && asked(details); };
    judge_.sometimes(property.name, filter_of(on, property.where), property.pattern.empty() ? holds : judge::Holds{});
  } else if (property.form == "at-most-once") {
    const int key = property.key;
    judge_.at_most_once(property.name, filter_of(on, property.where), [this, key](const base::Event& event) {
      lua_State* state = program_->box().state();
      const Phase before = program_->phase;
      program_->phase = Phase::Look;
      program_->push(state, key);
      push_event(state, event);
      std::string text;
      if (const std::string error = program_->box().call(1, 1); !error.empty()) {
        script_failed(error);
      } else {
        program_->box().push_text(state, -1);
        text = lua_tostring(state, -1);
        lua_pop(state, 2);
      }
      program_->phase = before;
      return text;
    });
  } else if (property.form == "eventually") {
    eventual_.push_back(&property.name);
    const std::string name = property.name;
    judge_.eventually(
        property.name,
        [this, asked, name](std::string& details) {
          const bool holds = asked(details);
          if (holds) held_.insert(name);
          return holds;
        },
        within);
  } else if (property.form == "leads-to") {
    judge_.leads_to(property.name, filter_of(on, property.where), filter_of(property.second, property.where), within);
  } else if (property.form == "hot") {
    judge_.monitor(property.name, filter_of(on, property.where), filter_of(property.second, property.where), within);
  } else if (property.form == "watermark") {
    judge_.watermark(property.name, filter_of("all", property.where),
                     [this, due, function](const base::Event&) { return due() ? measure(function) : std::nullopt; });
  }
}

void Runner::declare_properties() {
  const Plan& plan = program_->plan;
  for (const PropertyPlan& property : plan.properties) add_property(property);
  const std::string cadence = setup_.checks.empty() ? plan.cadence : setup_.checks;
  if (!plan.invariants.empty() || !cadence.empty()) {
    const std::string wrong = judge_.invariants().set(plan.invariants, cadence.empty() ? "every 10ms" : cadence);
    if (!wrong.empty() && refused_.empty()) refused_ = "invariants: " + wrong;
  }
  for (u32 i = 0; i < plan.triggers.size(); ++i) {
    const TriggerPlan& trigger = plan.triggers[i];
    if (trigger.kind != TriggerPlan::Kind::When) continue;
    whens_.push_back({i, filter_of(trigger.pattern, trigger.where), trigger.times});
  }
  for (const HistoryPlan& history : plan.histories)
    histories_.push_back(std::make_unique<judge::History>(history.name));
}

/// Golden files that this run is held against.
void Runner::begin_goldens() {
  const Plan& plan = program_->plan;
  std::vector<std::string> nodes;
  for (const NodePlan& node : plan.nodes) nodes.push_back(node.name);
  const bool is_plain = asked_.sched.empty() && asked_.overrides.empty() && asked_.until == ~u64{0};
  for (const GoldenPlan& golden : plan.goldens) {
    if (golden.has_seed && (golden.seed != asked_.seed || !is_plain)) continue;
    goldens_.emplace_back(golden, nodes);
    if (!golden.events.empty()) goldens_.back().filter = filter_of(golden.events, golden.where);
  }
}

/// The text of a golden file: of the recording the run is made from, or on disk. False: there is none.
bool Runner::read_golden(const std::string& file, std::string& text) const {
  if (!input_.sources.is_whole) return read_file(input_.sources.folder + "/" + file, text);
  const Sources::File* const kept = input_.sources.find(file);
  if (kept != nullptr) text = kept->text;
  return kept != nullptr;
}

void Runner::judge_goldens() {
  for (const Golden& golden : goldens_) {
    if (is_over()) return;
    const std::string& file = golden.plan().file;
    const std::string said = golden.text();
    if (input_.blesses) {
      const bool written = write_file(input_.sources.folder + "/" + file, said);
      note("golden " + file + (written ? ": written" : ": cannot be written"));
      continue;
    }
    std::string expected;
    if (!read_golden(file, expected)) {
      judge_.report("golden", file, "the file is not there; `orrery run SCENARIO --bless` writes it");
    } else if (const std::string difference = first_difference(expected, said); !difference.empty()) {
      judge_.report("golden", file, difference);
    }
  }
}

/// The program's clients and the world's ears.
void Runner::attach() {
  const Plan& plan = program_->plan;
  for (const ClientPlan& client : plan.clients) {
    clients_.emplace_back(client_stream(setup_.seed, client.name));
  }
  consoles_.resize(plan.nodes.size());
  Machine& machine = *machine_;
  machine.on_action = [this](World&, u64 id) { act(id); };
  machine.on_puppet = [this](World&, const PuppetCall& call, base::MutableBytes room) { return ask(call, room); };
  const bool listens = setup_.keep_console || std::any_of(plan.nodes.begin(), plan.nodes.end(),
                                                          [](const NodePlan& node) { return node.has_console; });
  begin_goldens();
  const bool has_golden_text =
      std::any_of(goldens_.begin(), goldens_.end(), [](const Golden& golden) { return golden.plan().events.empty(); });
  if (listens || has_golden_text) machine.on_output = [this](u32 node, base::Bytes bytes) { take_output(node, bytes); };
  if (!whens_.empty() || !goldens_.empty() || !histories_.empty())
    machine.on_event = [this](const base::Event& event) { see(event); };
  machine.on_fault = [this](const InjectRecord& record) {
    note_excuse(*machine_, record, excuses_);
    const std::string name(sim::name_of(record.fault));
    FaultTally& tally = tallies_[{name, std::string(record.target)}];
    tally.fault_class = name;
    tally.target = std::string(record.target);
    if (record.outcome == InjectRecord::Outcome::Fired) tally.fired += 1;
    if (record.outcome == InjectRecord::Outcome::Lessened) tally.lessened += 1;
    if (record.outcome == InjectRecord::Outcome::Withheld) tally.withheld += 1;
    if (record.outcome == InjectRecord::Outcome::Withheld || !setup_.keep_lists) return;
    fired_.push_back(
        {name, tally.target, record.opportunity, record.time, text_of_values(record.fault, record.values)});
  };
  if (!is_shared_) listen_to_choices();
  judge_.attach(machine);
  if (setup_.keep_features) watch_.attach(machine, true);
  if (input_.observer.starting) input_.observer.starting(machine);
}

void Runner::listen_to_choices() {
  for (const ForcedChoice& choice : machine_->options().schedule.forced) unused_.insert(sim::host::text_of(choice));
  if (!setup_.keep_lists && unused_.empty()) return;
  machine_->on_choice = [this](const ChoiceRecord& record) {
    const ForcedChoice choice{record.kind, std::string(record.actor), record.ordinal, record.answer};
    if (record.forced != ~u32{0}) unused_.erase(sim::host::text_of(choice));
    if (setup_.keep_lists && record.answer != 0 && choices_.size() < kForcedMax) choices_.push_back(choice);
  };
}

// ── Phases ───────────────────────────────────────────────────────────────────────────────────────────────────

/// Runs until this time; false when the run is over before.
bool Runner::go(u64 until) {
  until = std::min(until, setup_.until);
  World& world = machine_->world();
  for (;;) {
    const u64 next = world.next_time();
    const u64 from = next == kNever ? world.now() : next;
    const u64 stop = from < until && until - from > kPieceNs ? from + kPieceNs : until;
    outcome_ = machine_->run(stop);
    recorder_.sync();
    if (is_over()) return false;
    if (outcome_ == Outcome::Stalled) return false;
    if (world.trace().count() >= std::min(program_->plan.steps_max, setup_.events_max)) {
      limit_ = true;
      return false;
    }
    if (outcome_ != Outcome::Running || stop == until) break;
  }
  limit_ = until == setup_.until && setup_.until != ~u64{0};
  return !limit_;
}

void Runner::begin_triggers() {
  const Plan& plan = program_->plan;
  for (u32 i = 0; i < plan.triggers.size(); ++i) {
    const TriggerPlan& trigger = plan.triggers[i];
    if (trigger.kind == TriggerPlan::Kind::When) continue;
    const u64 time = safety_ns_ + draw("trigger " + std::to_string(i), trigger.time);
    if (trigger.kind == TriggerPlan::Kind::At || time < safety_end_ns_) {
      schedule(time, {.trigger = i, .wait = trigger.times});
    }
  }
}

/// Every client has asked at least once, and what the file says is true.
void Runner::look_ready() {
  const Plan& plan = program_->plan;
  for (u32 i = 0; i < clients_.size(); ++i) {
    if (!clients_[i].started && is_up(plan.clients[i].node)) return;
  }
  std::string details;
  is_ready_ = plan.ready == kNoFunction || look(plan.ready, details).value_or(false);
}

bool Runner::all_eventual_held() const {
  const Plan& plan = program_->plan;
  for (const PropertyPlan& property : plan.properties) {
    if (property.form == "leads-to" || property.form == "hot") return false;
  }
  return std::all_of(eventual_.begin(), eventual_.end(),
                     [this](const std::string* name) { return held_.contains(*name); });
}

void Runner::judge_end() {
  phase_name_ = "end";
  lua_State* state = program_->box().state();
  for (const auto& [function, where] : program_->plan.finals) {
    if (is_over()) return;
    program_->phase = Phase::Look;
    program_->push(state, function);
    program_->push_object(state, ObjectType::World, 0);
    const std::string error = program_->box().call(1, 0);
    if (!error.empty()) judge_.report("assert", "finally " + text_of(where), error);
  }
}

/// The schedule of the run as it was asked for, with what the scenario adds to it. Empty, or what is wrong.
std::string Runner::read_whole(Schedule& whole) {
  if (std::string wrong = read_schedule(asked_, whole); !wrong.empty()) return wrong;
  if (const u64 quantum = program_->plan.quantum_ns; quantum != 0 && !whole.on) {
    whole.on = true;
    whole.first.quantum_ns = quantum;
  }
  return add_faults(whole);
}

void Runner::begin() {
  const auto refuse = [this](const std::string& why) { refusal_ = refused_report(why); };
  if (!program_->mistakes.empty()) return refuse(text_of(program_->mistakes[0]));
  const Plan& plan = program_->plan;
  safety_ns_ = plan.warmup_ns;
  safety_end_ns_ = safety_ns_ + plan.lasts_ns;
  if (is_shared_) add_drawn("shape", std::to_string(setup_.seed));
  MachineOptions options = draw();
  options.is_shared = is_shared_;
  if (!is_shared_) {
    if (const std::string wrong = read_whole(options.schedule); !wrong.empty()) return refuse(wrong);
  }
  options.schedule.blind = is_blind(asked_);
  machine_ = std::make_unique<Machine>(std::move(options));
  declare_properties();
  if (!refused_.empty()) return refuse(refused_);
  attach();
  if (const std::string error = start_recording(); !error.empty()) return refuse(error);
  if (const std::string error = machine_->start(); !error.empty()) return refuse(error);
  World& world = machine_->world();
  contain(world, {.report_assertions = false});
  world.set_phase(sim::Phase::Warmup);
  if (!is_shared_) begin_triggers();
  // A plan that has something ahead keeps a world of sleepers from ending early.
  for (const u64 time : {safety_ns_, safety_end_ns_, safety_end_ns_ + plan.liveness_ns}) schedule(time, {});
  for (u64 time = kLookNs; goes_on_ && !is_ready_ && time <= safety_ns_; time += kLookNs) {
    goes_on_ = go(time);
    if (goes_on_) look_ready();
  }
  if (goes_on_) goes_on_ = go(safety_ns_);
  if (goes_on_ && !is_ready_) {
    judge_.report("expect", "ready",
                  "not ready after the warm-up of " + text_of(static_cast<i64>(safety_ns_), Unit::Duration));
    goes_on_ = false;
  }
}

/// From what many runs share to one of them. Empty, or what is wrong with its schedule.
std::string Runner::rekey() {
  setup_ = asked_;
  Schedule whole;
  if (std::string wrong = read_whole(whole); !wrong.empty()) return wrong;
  program_->box().rekey(setup_.seed);
  for (u32 i = 0; i < clients_.size(); ++i) {
    clients_[i].random = client_stream(setup_.seed, program_->plan.clients[i].name);
  }
  machine_->rekey(setup_.seed, whole);
  listen_to_choices();
  begin_triggers();
  return {};
}

RunReport Runner::go_on_as(const RunSetup& setup) {
  asked_ = setup;
  if (machine_ && machine_->started()) {
    release_containment();  // timers do not survive a fork
    contain(machine_->world(), {.report_assertions = false});
  }
  return go_on();
}

RunReport Runner::go_on() {
  if (refusal_) return *refusal_;
  const Plan& plan = program_->plan;
  World& world = machine_->world();
  bool goes_on = goes_on_;
  if (goes_on && is_shared_) {
    if (const std::string wrong = rekey(); !wrong.empty()) return refused_report(wrong);
  }
  if (goes_on) {
    phase_name_ = "safety";
    world.set_phase(sim::Phase::Safety);
    judge_.phase(world);
    goes_on = go(safety_end_ns_);
  }
  if (goes_on) {
    phase_name_ = "liveness";
    world.set_phase(sim::Phase::Healing);
    world.set_phase(sim::Phase::Liveness);
    for (auto& history : histories_) history->heal();
    judge_.begin_liveness(world.now());
    const u64 end = safety_end_ns_ + plan.liveness_ns;
    for (u64 time = safety_end_ns_ + kLookNs; goes_on && !all_eventual_held() && time <= end; time += kLookNs) {
      goes_on = go(time);
    }
  }
  const u64 reached = world.now();
  if (goes_on) {
    judge_end();
    judge_goldens();
  }
  phase_name_ = "end";
  judge_.finish(world, reached);
  release_containment();
  return report_of();
}

/// Empty, or why the file that was asked for cannot be made.
std::string Runner::start_recording() {
  if (asked_.record.empty()) return {};
  Schedule asked;  // without what the scenario adds itself
  if (std::string wrong = read_schedule(asked_, asked); !wrong.empty()) return wrong;
  replay::Recorder::Options options{.path = asked_.record, .digests = input_.digests};
  options.seed = asked_.seed;
  replay::Scenario& scenario = options.scenario.emplace();
  scenario.name = program_->plan.name;
  scenario.checks = setup_.checks;
  scenario.limit_ns = setup_.until;
  scenario.events_max = setup_.events_max;
  scenario.plan = input_.plan_id;
  std::vector<Sources::File> files = input_.sources.files;
  for (const GoldenPlan& golden : program_->plan.goldens) {
    Sources::File file{.name = golden.file, .text = {}};
    if (!input_.sources.is_whole && read_golden(file.name, file.text)) files.push_back(std::move(file));
  }
  for (const Sources::File& file : files) {
    const base::Bytes bytes = base::bytes_of(file.text);
    options.sources.push_back(file.name);
    options.files.push_back({.name = file.name,
                             .sha256 = replay::sha256_of(bytes),
                             .bytes = {bytes.begin(), bytes.end()},
                             .kind = replay::Attachment::Kind::Source});
  }
  if (asked.says_anything()) options.overrides = sim::host::text_of(asked);
  if (std::string error = recorder_.open(options, machine_->options()); !error.empty()) return error;
  recorder_.attach(*machine_);
  return {};
}

void Runner::end_recording(const RunReport& report) {
  if (!recorder_.is_open()) return;
  recorder_.finish(verdict_of(report), report.root);
  if (recorder_.failure().empty()) return;
  note("the recording " + recorder_.path() + " is not complete: " + recorder_.failure());
}

RunReport Runner::report_of() {
  World& world = machine_->world();
  RunReport report;
  report.finding = judge_.finding();
  if (report.finding) {
    report.verdict = report.finding->is_liveness ? Verdict::LivenessFailed : Verdict::Failed;
  } else if (outcome_ == Outcome::Stalled) {
    report.verdict = Verdict::Stalled;
    report.finding = Finding{.property = "stalled", .kind = "stalled"};
    report.finding->details = wait_cycle(world);
    report.finding->moment = world.trace().count();
    report.finding->time_ns = world.now();
  } else if (limit_) {
    report.verdict = Verdict::Limit;
  }
  const bool blind = is_blind(asked_);
  if (blind && report.finding) label_blind(*report.finding);
  report.hits = judge_.hits();
  for (const auto& [key, tally] : tallies_) report.faults.push_back(tally);
  report.fired = fired_;
  report.excuses = excuses_;
  report.choices = choices_;
  report.unused.assign(unused_.begin(), unused_.end());
  if (setup_.keep_features) report.features = watch_.features();
  report.console = console_;
  report.drawn =
      drawn_ + (blind ? " blind" : "") + text_of_drawn(machine_->options().schedule.faults, world.armed_points());
  report.events = world.trace().count();
  report.virtual_ns = world.now();
  report.status = world.status();
  report.tainted = world.tainted();
  if (machine_->options().schedule.on) {
    StrategyConfig config = machine_->options().schedule.first;
    config.strategy = Explorer::in_force(config, setup_.seed);
    report.strategy = sim::host::text_of(config);
  }
  if (input_.observer.finishing) input_.observer.finishing();
  report.root = world.finish();
  end_recording(report);
  if (input_.observer.finished) input_.observer.finished(*machine_, report);
  return report;
}

replay::Verdict verdict_of(const RunReport& report) {
  replay::Verdict verdict{
      .result = std::string(name_of(report.verdict)), .property = {}, .moment = report.events, .signature = {}};
  if (!report.finding) return verdict;
  verdict.property = report.finding->property;
  verdict.moment = report.finding->moment;
  verdict.signature = report.finding->signature;
  return verdict;
}

/// Which of the shapes a run has, with a shared boot: the seed that it boots under.
std::optional<u64> ScenarioCase::boot_seed(const RunSetup& setup) const {
  if (!shares_boot_) return {};
  return base::Prng(setup.seed, "scenario.shape").below(kShapes);
}

/// What else has to be there from the beginning takes part. A run that is recorded or held against golden files
/// files begins by itself.
std::string ScenarioCase::boot_key(const RunSetup& setup) const {
  const std::optional<u64> shape = boot_seed(setup);
  if (!shape || has_goldens_ || !setup.record.empty()) return {};
  return std::to_string(*shape) + (setup.keep_console ? " console" : "") + (setup.keep_features ? " features" : "") +
         (is_blind(setup) ? " blind" : "") + " " + std::to_string(setup.until) + " " +
         std::to_string(setup.events_max) + " " + setup.checks;
}

void ScenarioCase::boot(const RunSetup& setup) {
  booted_key_ = boot_key(setup);
  booted_ = std::make_unique<Runner>(
      RunInput{sources_, entries_, image_, images_, observer, plan_id_, digests, blesses}, setup, boot_seed(setup));
  booted_->begin();
}

RunReport ScenarioCase::run(const RunSetup& setup) {
  if (!mistakes_.empty()) return refused_report(mistakes_[0]);
  if (booted_ && booted_key_ == boot_key(setup)) {
    spent_ = std::move(booted_);
    RunReport report = spent_->go_on_as(setup);
    notes_ = spent_->notes();
    return report;
  }
  Runner runner({sources_, entries_, image_, images_, observer, plan_id_, digests, blesses}, setup, boot_seed(setup));
  RunReport report = runner.run();
  notes_ = runner.notes();
  return report;
}

}  // namespace sim::host::scenario
