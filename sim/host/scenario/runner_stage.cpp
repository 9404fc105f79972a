// sim/host/scenario/runner_stage.cpp — what the functions of a scenario see of the world and do to it.
#include <algorithm>

#include "schema/puppet.h"
#include "sim/host/scenario/lua_model.h"
#include "sim/host/scenario/runner.h"
#include "sim/host/text.h"

namespace sim::host::scenario {
namespace {

template <class T>
std::string refusal(const ActionResult<T>& done, const Plan& plan, u32 node) {
  if (done.ok()) return {};
  char room[128];
  const std::string_view text = describe(done.error(), room);
  return "node " + plan.nodes[node].name + ": " + std::string(text);
}

}  // namespace

// ── Looking ──────────────────────────────────────────────────────────────────────────────────────────────────

u64 Runner::count(std::string_view property) {
  for (const Hit& hit : judge_.hits()) {
    if (hit.name == property) return hit.count;
  }
  return 0;
}

bool Runner::is_up(u32 node) { return machine_->world().nodes()[node].is_up(); }

std::vector<std::string> Runner::threads(u32 node) {
  std::vector<std::string> names;
  World& world = machine_->world();
  Node& which = world.nodes()[node];
  if (!which.is_up()) return names;
  std::vector<ThreadInfo> threads(1024);
  threads.resize(world.blocked_threads(threads));
  for (const ThreadInfo& thread : threads) {
    if (thread.node == node + 1) names.emplace_back(thread.name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

i64 Runner::clock_error_ns(u32 node) {
  World& world = machine_->world();
  return world.clock(node + 1).error_at(world.now());
}

/// Each thread of this name that was seen at a look is one start.
u64 Runner::starts(u32 node, const std::string& name) {
  const auto known = seen_threads_.try_emplace({node, name}).first;
  if (const u32 id = is_up(node) ? machine_->world().find_thread(node + 1, name) : 0; id != 0) {
    std::vector<u32>& ids = known->second;
    if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
  }
  return known->second.size();
}

std::vector<std::string> Runner::services(u32 node) {
  std::vector<std::string> names;
  if (!is_up(node)) return names;
  const ServiceNames known = services_of({input_.images[node]});
  for (const std::string& name : known.names) {
    if (machine_->world().find_thread(node + 1, name) != 0) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

std::string Runner::last_event(const std::string& text, std::optional<base::Event>& out) {
  Filter filter;
  if (const std::string wrong = parse_filter(text, filter_names(), filter); !wrong.empty()) return wrong;
  const Trace& trace = machine_->world().trace();
  for (u64 sequence = trace.oldest(); sequence <= trace.count(); ++sequence) {
    if (filter.matches(trace.at(sequence))) out = trace.at(sequence);
  }
  return {};
}

// ── Acting ───────────────────────────────────────────────────────────────────────────────────────────────────

std::string Runner::crash(u32 node) { return refusal(machine_->world().power_cut(node + 1), program_->plan, node); }
std::string Runner::boot(u32 node) { return refusal(machine_->world().boot(node + 1), program_->plan, node); }
std::string Runner::pause(u32 node, u64 ns) {
  return refusal(machine_->world().pause(node + 1, ns), program_->plan, node);
}
std::string Runner::steal(u32 node, u32 core, u64 ns) {
  return refusal(machine_->world().steal(node + 1, core, ns), program_->plan, node);
}

/// A program that is not there is no mistake: it may have ended by itself.
std::string Runner::kill(u32 node, const std::string& name) {
  World& world = machine_->world();
  const u32 id = is_up(node) ? world.find_thread(node + 1, name) : 0;
  if (id == 0) return {};
  return refusal(world.kill(node + 1, id), program_->plan, node);
}

std::string Runner::step_clock(u32 node, i64 ns) {
  return refusal(machine_->world().step_wall(node + 1, ns), program_->plan, node);
}
std::string Runner::drift(u32 node, i64 ppm) {
  return refusal(machine_->world().set_rate(node + 1, static_cast<i32>(ppm)), program_->plan, node);
}

/// Faults strike in the safety phase only; a world that is told of another has none until it is told again.
std::string Runner::quiet(bool on) {
  if (phase_name_ != "safety")
    return "quiet: faults strike in the safety phase only, and this is " + std::string(phase_name_);
  machine_->world().set_phase(on ? sim::Phase::Warmup : sim::Phase::Safety);
  return {};
}

std::string Runner::inject(const std::string& fault, const std::string& target,
                           const std::vector<std::pair<std::string, std::string>>& knobs) {
  if (phase_name_ != "safety")
    return "inject: faults strike in the safety phase only, and this is " + std::string(phase_name_);
  std::string line = fault + " " + target + " @0 fire";
  for (const auto& [name, value] : knobs) line += " " + name + "=" + value;
  FaultSetup setup;
  if (const std::string wrong = parse_forced(line, setup); !wrong.empty()) return "inject: " + wrong;
  const FaultOverride& entry = setup.forced[0].entry;
  Injection injection{.fault = entry.fault, .target = actor_key(target), .set = entry.set};
  std::copy(std::begin(entry.values), std::end(entry.values), std::begin(injection.values));
  const ActionResult<> done = machine_->world().inject(injection);
  if (done.ok()) return {};
  char room[128];
  return "inject: " + fault + " " + target + ": " + std::string(describe(done.error(), room));
}

std::string Runner::type(u32 node, std::string_view text) {
  const auto taken = machine_->world().console_type(node + 1, base::bytes_of(text));
  if (taken.ok() && *taken < text.size()) {
    return "node " + program_->plan.nodes[node].name + ": the console took " + std::to_string(*taken) + " of " +
           std::to_string(text.size()) + " bytes; type less at once";
  }
  return refusal(taken, program_->plan, node);
}
std::string Runner::end_input(u32 node) {
  return refusal(machine_->world().console_end(node + 1), program_->plan, node);
}

void Runner::note(std::string_view text) {
  if (notes_.size() >= kNotesMax) return;
  notes_.push_back(seconds(now_ns()) + " " + std::string(text));
}

void Runner::order(u32 client, std::string bytes) {
  using schema::puppet::Order;
  constexpr Order kChanges[] = {Order::Open, Order::Write, Order::WriteFile, Order::Remove, Order::Rename, Order::Run};
  const auto order = static_cast<Order>(schema::puppet::Reader(base::bytes_of(bytes)).number());
  if (std::find(std::begin(kChanges), std::end(kChanges), order) != std::end(kChanges)) clients_[client].synced = false;
  clients_[client].order = std::move(bytes);
}

// ── Histories ────────────────────────────────────────────────────────────────────────────────────────────────

u64 Runner::begin_operation(u32 history, u32 client, const std::string& name, const std::string& key,
                            const std::vector<std::string>& arguments) {
  judge::Request request;
  request.client = program_->plan.clients[client].name;
  request.name = name;
  request.key = key;
  request.arguments = arguments;
  request.durable = !program_->plan.histories[history].buffered;
  clients_[client].synced = false;
  return histories_[history]->begin(std::move(request), {events(), now_ns()});
}

void Runner::end_operation(u32 history, u32 client, u64 operation, std::string_view ending, const std::string* result) {
  const judge::Ending how = ending == "ok"     ? judge::Ending::Ok
                            : ending == "fail" ? judge::Ending::Fail
                                               : judge::Ending::Unknown;
  const std::optional<std::string> value = result != nullptr ? std::optional(*result) : std::nullopt;
  const bool is_sync = histories_[history]->operations()[operation].request.name == "sync";
  if (is_sync || clients_[client].synced) histories_[history]->make_durable(operation);
  histories_[history]->end(operation, how, value, {events(), now_ns()});
}

u64 Runner::count_operations(u32 history, std::string_view client, std::string_view ending, bool in_liveness) {
  const judge::Ending how = ending == "ok"     ? judge::Ending::Ok
                            : ending == "fail" ? judge::Ending::Fail
                                               : judge::Ending::Unknown;
  return histories_[history]->count(client, how, in_liveness);
}

void Runner::check_history(u32 history, const HistoryCheck& check) {
  const HistoryPlan& plan = program_->plan.histories[history];
  const bool buffered = plan.buffered || check.buffered;
  if (buffered && plan.node == ~u32{0})
    return script_failed("history " + plan.name + ": buffered: " + Program::kWhoKeeps);
  const bool is_own = plan.model == kOwnModel;
  const auto own = is_own ? std::make_unique<LuaModel>(*program_, plan) : nullptr;
  const std::unique_ptr<judge::Model> named = is_own ? nullptr : judge::model_named(plan.model);
  const judge::Model& model = is_own ? static_cast<const judge::Model&>(*own) : *named;
  judge::CheckOptions options{.linearizable = check.linearizable,
                              .buffered = buffered,
                              .durable = check.durable,
                              .read_your_writes = check.read_your_writes,
                              .monotonic_reads = check.monotonic_reads};
  if (is_own) options.states_max = kLuaStatesMax;
  const judge::Checked checked = judge::check(*histories_[history], model, options);
  if (is_own && !own->error().empty())
    return script_failed("history " + plan.name + ": its model failed: " + own->error());
  if (!checked.refused.empty()) return script_failed("history " + plan.name + ": " + checked.refused);
  if (checked.keys_unknown > 0)
    note("history " + plan.name + ": " + std::to_string(checked.keys_unknown) + " keys unknown: too many states");
  for (const judge::Violation& violation : checked.violations) {
    judge_.report("history", plan.name + "." + violation.judge, violation.text);
  }
}

}  // namespace sim::host::scenario
