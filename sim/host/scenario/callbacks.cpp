// sim/host/scenario/callbacks.cpp — where a run enters Lua: actions of the plan, clients, judges.
#include "sim/host/scenario/runner.h"

namespace sim::host::scenario {
namespace {

/// The phase of a program for the time of one entry.
class Entered {
 public:
  Entered(Program& program, Phase phase) : program_(program), before_(program.phase) { program.phase = phase; }
  ~Entered() { program_.phase = before_; }

 private:
  Program& program_;
  Phase before_;
};

/// Whether a node or one of its disks loses what it has not made durable.
bool cuts_power(const base::Event& event) {
  constexpr u64 kPowerCut = 2;
  const auto kind = static_cast<base::EventKind>(event.kind);
  return (kind == base::EventKind::WorldNodeDown && event.c == kPowerCut) ||
         (kind == base::EventKind::DiskPower && event.a == 0);
}

}  // namespace

void Runner::script_failed(const std::string& text) {
  if (is_stopped_) return;
  judge_.report("script", "script", text);
  is_stopped_ = true;
}

// ── Actions ──────────────────────────────────────────────────────────────────────────────────────────────────

u64 Runner::schedule(u64 time, Pending pending) {
  const u64 id = next_id_++;
  const auto queued = machine_->world().at(time, id);
  if (!queued.ok()) {
    char room[128];
    script_failed("an action cannot be scheduled: " + std::string(describe(queued.error(), room)));
    return 0;
  }
  pending_.emplace(id, std::move(pending));
  return id;
}

void Runner::act(u64 id) {
  const auto found = pending_.find(id);
  if (found == pending_.end() || is_over()) return;
  const Pending pending = std::move(found->second);
  pending_.erase(found);
  if (pending.trigger != ~u32{0}) {
    const TriggerPlan& trigger = program_->plan.triggers[pending.trigger];
    if (trigger.kind == TriggerPlan::Kind::Every) {
      const u64 again = machine_->world().now() + static_cast<u64>(trigger.time.draw(program_->box().random()));
      if (pending.wait > 1 && again < safety_end_ns_) {
        schedule(again, {.trigger = pending.trigger, .wait = pending.wait - 1});
      }
    }
    return start_callback(pending.trigger, pending.event);
  }
  const auto wait = waits_.find(pending.wait);
  if (wait == waits_.end()) return;  // it was over before
  const int thread = wait->second.thread;
  expected_.clear();
  if (wait->second.node != ~u32{0}) find_expected(wait->second);
  waits_.erase(wait);
  resume_callback(thread, 0);
}

void Runner::start_callback(u32 trigger, const std::optional<base::Event>& event) {
  lua_State* state = program_->box().state();
  lua_State* thread = lua_newthread(state);
  const int kept = luaL_ref(state, LUA_REGISTRYINDEX);
  program_->push(thread, program_->plan.triggers[trigger].function);
  program_->push_object(thread, ObjectType::World, 0);
  if (event) push_event(thread, *event);
  resume_callback(kept, event ? 2 : 1);
}

void Runner::resume_callback(int kept, int arguments) {
  lua_State* state = program_->box().state();
  lua_rawgeti(state, LUA_REGISTRYINDEX, kept);
  lua_State* thread = lua_tothread(state, -1);
  lua_pop(state, 1);
  Entered entered(*program_, Phase::Act);
  waiting_id_ = 0;
  int results = 0;
  std::string error;
  const Sandbox::Turn turn = program_->box().resume(thread, arguments, &results, error);
  if (turn == Sandbox::Turn::Yielded && waiting_id_ != 0) {
    lua_pop(thread, results);
    waits_.at(waiting_id_).thread = kept;
    return;
  }
  if (turn == Sandbox::Turn::Failed) script_failed(error);
  luaL_unref(state, LUA_REGISTRYINDEX, kept);
}

void Runner::expect(u32 node, const std::string& text, u64 within_ns) {
  const u64 deadline = machine_->world().now() + within_ns;
  const u64 wait = next_id_;
  waits_.emplace(wait, Wait{.node = node, .text = text, .deadline = deadline});
  Wait& made = waits_.at(wait);
  expected_.clear();
  const bool there = node != ~u32{0} && find_expected(made);
  made.thread = kNoFunction;
  waiting_id_ = schedule(there ? machine_->world().now() : deadline, {.wait = wait});
  if (waiting_id_ == 0) {
    waits_.erase(wait);
    return;
  }
  waiting_id_ = wait;
}

/// What came since the last `expect` up to the end of the text, in `expected_`.
bool Runner::find_expected(Wait& wait) {
  Console& console = consoles_[wait.node];
  const u64 from = console.read_to > console.dropped ? console.read_to - console.dropped : 0;
  const u64 at = console.text.find(wait.text, from);
  if (at == std::string::npos) return false;
  expected_ = console.text.substr(from, at + wait.text.size() - from);
  return true;
}

void Runner::take_output(u32 node, base::Bytes bytes) {
  if (setup_.keep_console) console_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (Golden& golden : goldens_) {
    if (golden.plan().events.empty()) golden.add_output(node - 1, base::text_of(bytes));
  }
  Console& console = consoles_[node - 1];
  if (!program_->plan.nodes[node - 1].has_console) return;
  console.text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (console.text.size() > kConsoleKept) {
    const u64 excess = console.text.size() - kConsoleKept;
    console.dropped += excess;
    console.text.erase(0, excess);
  }
  for (auto& [id, wait] : waits_) {
    if (wait.node != node - 1 || wait.thread == kNoFunction || wait.deadline == 0) continue;
    if (!find_expected(wait)) continue;
    wait.deadline = 0;  // woken once
    schedule(machine_->world().now(), {.wait = id});
  }
}

// ── Events ───────────────────────────────────────────────────────────────────────────────────────────────────

void Runner::see(const base::Event& event) {
  for (Golden& golden : goldens_) {
    if (!golden.plan().events.empty() && golden.filter.matches(event)) golden.add_event(event);
  }
  if (!machine_->started()) return;  // while the world is made
  if (cuts_power(event)) {
    for (u64 i = 0; i < histories_.size(); ++i) {
      if (program_->plan.histories[i].node + 1 == event.node) histories_[i]->crash();
    }
  }
  for (When& when : whens_) {
    if (!when.filter.matches(event) || when.left == 0 || is_over()) continue;
    if (phase_name_ != "safety" && phase_name_ != "warmup") continue;
    when.left -= 1;
    schedule(std::max(event.time_ns, now_ns()), {.trigger = when.trigger, .event = event});
  }
}

void Runner::push_event(lua_State* state, const base::Event& event) {
  lua_createtable(state, 0, 10);
  const std::string kind(base::name_of(static_cast<base::EventKind>(event.kind)));
  lua_pushstring(state, kind.c_str());
  lua_setfield(state, -2, "kind");
  const std::string thread(name_of_thread(event.node, event.thread));
  lua_pushstring(state, thread.c_str());
  lua_setfield(state, -2, "thread");
  if (event.node != 0) {
    program_->push_object(state, ObjectType::Node, event.node - 1u);
    lua_setfield(state, -2, "node");
  }
  struct Number {
    const char* name;
    u64 value;
  };
  for (const Number& number :
       {Number{"time", event.time_ns}, Number{"seq", event.sequence}, Number{"object", event.object},
        Number{"a", event.a}, Number{"b", event.b}, Number{"c", event.c}}) {
    lua_pushinteger(state, static_cast<lua_Integer>(number.value));
    lua_setfield(state, -2, number.name);
  }
  const auto names = operand_names(static_cast<base::EventKind>(event.kind));
  const u64 words[] = {event.a, event.b, event.c};
  for (u32 i = 0; i < names.size(); ++i) {
    if (names[i].empty()) continue;
    if (names[i] == "name") {
      std::string text;
      for (u64 word = words[i]; word != 0; word >>= 8) text += static_cast<char>(word & 0xFF);
      lua_pushlstring(state, text.data(), text.size());
    } else {
      lua_pushinteger(state, static_cast<lua_Integer>(words[i]));
    }
    lua_setfield(state, -2, names[i].c_str());
  }
}

// ── Clients ──────────────────────────────────────────────────────────────────────────────────────────────────

bool Runner::start_client(u32 index) {
  Client& client = clients_[index];
  lua_State* state = program_->box().state();
  if (client.thread != kNoFunction) luaL_unref(state, LUA_REGISTRYINDEX, client.thread);
  lua_State* thread = lua_newthread(state);
  client.thread = luaL_ref(state, LUA_REGISTRYINDEX);
  client.started = true;
  program_->push(thread, program_->plan.clients[index].function);
  program_->push_object(thread, ObjectType::Client, index);
  return true;
}

/// A client's process has a result and wants its next order. One without a result has just started: so does its function.
u64 Runner::ask(const PuppetCall& call, base::MutableBytes room) {
  if (call.client >= clients_.size() || is_over() || phase_name_ == "end") return kPuppetEnd;
  const u32 index = static_cast<u32>(call.client);
  Client& client = clients_[index];
  const bool fresh = call.result.empty() || client.thread == kNoFunction;
  if (fresh) start_client(index);
  client.result.assign(reinterpret_cast<const char*>(call.result.data()), call.result.size());
  client.order.clear();
  lua_State* state = program_->box().state();
  lua_rawgeti(state, LUA_REGISTRYINDEX, client.thread);
  lua_State* thread = lua_tothread(state, -1);
  lua_pop(state, 1);
  Entered entered(*program_, Phase::Client);
  int results = 0;
  std::string error;
  const Sandbox::Turn turn = program_->box().resume(thread, fresh ? 1 : 0, &results, error);
  if (turn == Sandbox::Turn::Yielded && !client.order.empty() && client.order.size() <= room.size()) {
    lua_pop(thread, results);
    std::copy(client.order.begin(), client.order.end(), room.begin());
    return client.order.size();
  }
  if (turn == Sandbox::Turn::Failed) script_failed(error);
  if (turn == Sandbox::Turn::Yielded)
    script_failed("client " + program_->plan.clients[index].name + ": an order is too long");
  luaL_unref(state, LUA_REGISTRYINDEX, client.thread);
  client.thread = kNoFunction;
  return kPuppetEnd;
}

// ── Judges ───────────────────────────────────────────────────────────────────────────────────────────────────

/// What a judging function answers; nothing when it failed.
std::optional<bool> Runner::look(int function, std::string& details) {
  if (is_stopped_ || !machine_->started()) return std::nullopt;  // the first events come while the world is made
  lua_State* state = program_->box().state();
  Entered entered(*program_, Phase::Look);
  program_->push(state, function);
  program_->push_object(state, ObjectType::World, 0);
  if (const std::string error = program_->box().call(1, 2); !error.empty()) {
    script_failed(error);
    return std::nullopt;
  }
  const bool holds = lua_toboolean(state, -2) != 0;
  if (!holds && !lua_isnil(state, -1)) {
    program_->box().push_text(state, -1);
    details = lua_tostring(state, -1);
    lua_pop(state, 1);
  }
  lua_pop(state, 2);
  return holds;
}

std::optional<i64> Runner::measure(int function) {
  if (is_stopped_ || !machine_->started()) return std::nullopt;  // the first events come while the world is made
  lua_State* state = program_->box().state();
  Entered entered(*program_, Phase::Look);
  program_->push(state, function);
  program_->push_object(state, ObjectType::World, 0);
  if (const std::string error = program_->box().call(1, 1); !error.empty()) {
    script_failed(error);
    return std::nullopt;
  }
  int exact = 0;
  const lua_Integer value = lua_tointegerx(state, -1, &exact);
  lua_pop(state, 1);
  if (exact == 0) return std::nullopt;
  return value;
}

}  // namespace sim::host::scenario
