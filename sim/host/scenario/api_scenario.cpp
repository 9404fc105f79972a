// sim/host/scenario/api_scenario.cpp — what a file declares: the world, its nodes and links, clients, what happens when, and
// which faults may strike.
#include <algorithm>

#include "base/parse.h"
#include "kernel-model/objects.h"
#include "sim/host/nearest.h"
#include "sim/host/scenario/program.h"
#include "sim/model/config.h"
#include "sim/model/disk.h"
#include "sim/model/link.h"

namespace sim::host::scenario {
namespace {

constexpr u8 kDeclare = static_cast<u8>(Phase::Declare);
constexpr u8 kAlways =
    kDeclare | static_cast<u8>(Phase::Act) | static_cast<u8>(Phase::Look) | static_cast<u8>(Phase::Client);
constexpr i64 kDayNs = 86'400'000'000'000;
constexpr u64 kNameBytesMax = 31;  // of nodes, links and clients: they become names of threads and files
constexpr u64 kClientsMax = 256;

constexpr const char* kNoStorage = "comes with storage: not in this version";
constexpr const char* kDiskCaches[] = {"none", "ordered", "volatile"};
constexpr u64 kDiskGrain = 4096;  // sizes are multiples of it
constexpr const char* kNoNetwork = "comes with the network: not in this version";

std::string quoted(const std::string& text) { return "\"" + text + "\""; }

/// A name that is new among `names`, or a mistake and false.
template <class Items>
bool take_name(lua_State* state, int index, const char* what, const Items& items, std::string& out) {
  Program& program = Program::of(state);
  if (lua_type(state, index) != LUA_TSTRING) {
    program.mistake(state, std::string(what) + ": a name is needed first, not a " + luaL_typename(state, index));
    return false;
  }
  out = lua_tostring(state, index);
  const bool plain = !out.empty() && out.size() <= kNameBytesMax && std::all_of(out.begin(), out.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  });
  if (!plain) {
    program.mistake(state,
                    std::string(what) + " " + quoted(out) + ": a name is 1 to 31 letters, digits, '-', '_' and '.'");
    return false;
  }
  for (const auto& item : items) {
    if (item.name != out) continue;
    program.mistake(state, std::string(what) + " " + quoted(out) + ": declared already at " + text_of(item.where));
    return false;
  }
  return true;
}

int unknown_object(lua_State* state) {
  Program::of(state).push_object(state, ObjectType::Unknown, 0);
  return 1;
}

// ── World ────────────────────────────────────────────────────────────────────────────────────────────────────

/// "2026-01-01T00:00:00Z" as ns since 1970; false when it is no such time.
bool parse_wall(const std::string& text, u64& out) {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, used = 0;
  if (std::sscanf(text.c_str(), "%4d-%2d-%2dT%2d:%2d:%2dZ%n", &year, &month, &day, &hour, &minute, &second, &used) != 6)
    return false;
  if (used != static_cast<int>(text.size()) || year < 1970 || year > 2200 || month < 1 || month > 12 || day < 1 ||
      day > 31)
    return false;
  if (hour > 23 || minute > 59 || second > 59) return false;
  // Days since 1970 of the proleptic Gregorian calendar, years from March.
  const i64 y = month <= 2 ? year - 1 : year;
  const i64 era = y / 400;
  const i64 of_era = y - era * 400;
  const i64 of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const i64 days = era * 146'097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719'468;
  out = static_cast<u64>(days * 86'400 + hour * 3600 + minute * 60 + second) * 1'000'000'000;
  return true;
}

int declare_scenario(lua_State* state) {
  Program& program = Program::of(state);
  Plan& plan = program.plan;
  if (!plan.name.empty()) {
    program.mistake(state, "scenario " + quoted(plan.name) + " is declared already at " + text_of(plan.where));
    program.push_object(state, ObjectType::Scenario, 0);
    return 1;
  }
  std::string name;
  if (!take_name(state, 1, "scenario", std::vector<NodePlan>{}, name)) name = "unnamed";
  plan.name = name;
  plan.where = program.where(state);
  Fields fields(state, 2, "scenario " + quoted(name));
  fields.text("about", plan.about);
  fields.duration("lasts", plan.lasts_ns);
  fields.duration("warmup", plan.warmup_ns);
  fields.duration("liveness", plan.liveness_ns);
  fields.count("steps_max", 1, i64{1} << 40, plan.steps_max);
  fields.refuse("portable", "portable plans come later: not in this version");
  fields.flag("shared_boot", plan.shared_boot);
  std::string wall;
  fields.text("wall_start", wall);
  if (!wall.empty() && !parse_wall(wall, plan.wall_start_ns)) {
    fields.mistake("wall_start", "'" + wall + "' is not a time, for example \"2026-01-01T00:00:00Z\"");
  }
  fields.finish();
  if (plan.lasts_ns == 0) program.mistake(state, "scenario " + quoted(name) + ": lasts: above 0 is needed");
  program.push_object(state, ObjectType::Scenario, 0);
  return 1;
}

int declare_costs(lua_State* state) {
  Program& program = Program::of(state);
  kernel::CostTable table;
  struct Cost {
    const char* name;
    u64* value;
  };
  const Cost costs[] = {{"syscall", &table.syscall},
                        {"thread_switch", &table.thread_switch},
                        {"sc_switch", &table.sc_switch},
                        {"signal", &table.signal},
                        {"schedule", &table.schedule},
                        {"irq_entry", &table.irq_entry},
                        {"slow_send", &table.slow_send},
                        {"slow_receive", &table.slow_receive},
                        {"cap_transfer", &table.cap_transfer},
                        {"unit_delete", &table.unit_delete},
                        {"unit_zero", &table.unit_zero},
                        {"ipi_latency", &table.ipi_latency},
                        {"steal", &table.steal},
                        {"native_work_unit", &table.native_work_unit}};
  Fields fields(state, 2, "costs");
  for (const Cost& cost : costs) {
    if (!fields.has(cost.name)) continue;
    u64 value = *cost.value;
    fields.count(cost.name, 0, 1'000'000'000, value);
    program.plan.costs.emplace_back(cost.name, static_cast<i64>(value));
  }
  fields.finish();
  return 0;
}

int declare_quantum(lua_State* state) {
  Quantity value;
  const std::string wrong = parse_quantity(state, 2, Unit::Duration, 1000, 1'000'000'000, value);
  if (!wrong.empty() || !value.is_fixed()) {
    Program::of(state).mistake(state, "quantum: " + (wrong.empty() ? "one time is needed" : wrong));
    return 0;
  }
  Program::of(state).plan.quantum_ns = static_cast<u64>(value.values[0]);
  return 0;
}

// ── Topology ─────────────────────────────────────────────────────────────────────────────────────────────────

constexpr const char* kImageServices[] = {"console", "dev", "pipe", "timer", "tmp"};
constexpr const char* kNetworkServices[] = {"netd", "export9p", "dns", "dhcp"};

void check_services(Fields& fields) {
  std::vector<std::string> services;
  fields.texts("services", services);
  const std::vector<std::string> known(std::begin(kImageServices), std::end(kImageServices));
  for (const std::string& service : services) {
    if (std::find(known.begin(), known.end(), service) != known.end()) continue;
    if (service == "fxfs") {
      fields.mistake("services", std::string("'fxfs' ") + kNoStorage);
    } else if (std::find(std::begin(kNetworkServices), std::end(kNetworkServices), service) !=
               std::end(kNetworkServices)) {
      fields.mistake("services", "'" + service + "' " + kNoNetwork);
    } else {
      fields.mistake("services", "there is no service '" + service + "'" + did_you_mean(service, known) +
                                     " Every node has console dev pipe timer tmp; others: n:supervise(name, {…})");
    }
  }
}

/// The node that is declared next has these disks, and nobody else.
void take_disks(lua_State* state, NodePlan& node) {
  Program& program = Program::of(state);
  Plan& plan = program.plan;
  const std::string subject = "node " + quoted(node.name) + ": disks: ";
  if (node.disks.size() > kNodeDisksMax) program.mistake(state, subject + "a node has at most 4 disks");
  for (const u32 index : node.disks) {
    DiskPlan& disk = plan.disks[index];
    const bool is_twice = disk.node == plan.nodes.size();
    if (disk.node != ~u32{0}) {
      program.mistake(state, subject + quoted(disk.name) +
                                 (is_twice ? " stands there twice" : " is in node " + plan.nodes[disk.node].name));
    } else {
      disk.node = static_cast<u32>(plan.nodes.size());
    }
  }
}

int declare_node(lua_State* state) {
  Program& program = Program::of(state);
  Plan& plan = program.plan;
  NodePlan node;
  if (!take_name(state, 2, "node", plan.nodes, node.name)) return unknown_object(state);
  node.where = program.where(state);
  Fields fields(state, 3, "node " + quoted(node.name));
  fields.quantity("cores", Unit::Count, 1, kCoresMax, node.cores);
  fields.quantity("memory", Unit::Size, static_cast<i64>(kernel::kRamBytesMin), static_cast<i64>(kernel::kRamBytesMax),
                  node.memory);
  for (i64& bytes : node.memory.values) bytes -= bytes % static_cast<i64>(kernel::kRamBytesMultiple);
  fields.quantity("boots_at", Unit::Duration, 0, kDayNs, node.boots_at);
  fields.texts("tags", node.tags);
  fields.objects("disks", ObjectType::Disk, node.disks);
  fields.refuse(
      "image",
      "another image for a node comes later: not in this version; n:file(path, text) adds to the one there is");
  check_services(fields);
  if (fields.push("clock")) {
    Fields clock(state, lua_gettop(state), "node " + quoted(node.name) + ": clock");
    clock.quantity("skew", Unit::Duration, -kDayNs, kDayNs, node.skew);
    clock.quantity("drift", Unit::Number, -1'000'000, 1'000'000, node.drift);
    clock.finish();
    lua_settop(state, 3);
  }
  fields.finish();
  if (plan.nodes.size() >= kNodesMax) {
    program.mistake(state, "node " + quoted(node.name) + ": a world has at most 64 nodes");
    return unknown_object(state);
  }
  take_disks(state, node);
  plan.nodes.push_back(std::move(node));
  program.push_object(state, ObjectType::Node, static_cast<u32>(plan.nodes.size() - 1));
  return 1;
}

/// What a disk holds at the start, as far as there is something.
void take_image(lua_State* state, Fields& fields, DiskPlan& disk) {
  Sources& sources = Program::of(state).sources();
  fields.text("from", disk.from);
  if (disk.from.empty()) return;
  if (const std::string wrong = add_source(sources, disk.from, kDiskImageBytesMax); !wrong.empty()) {
    disk.from.clear();
    return fields.mistake("from", wrong);
  }
  const u64 bytes = sources.find(disk.from)->text.size();
  const i64 whole = static_cast<i64>((bytes + kDiskGrain - 1) / kDiskGrain * kDiskGrain);
  if (!fields.has("size")) disk.size = Quantity::fixed(Unit::Size, std::max(whole, static_cast<i64>(kDiskGrain)));
  for (const i64 size : disk.size.values) {
    if (size >= whole) continue;
    return fields.mistake("size", text_of(size, Unit::Size) + " is less than " + disk.from + " has");
  }
}

int declare_disk(lua_State* state) {
  Program& program = Program::of(state);
  Plan& plan = program.plan;
  DiskPlan disk;
  if (!take_name(state, 2, "disk", plan.disks, disk.name)) return unknown_object(state);
  disk.where = program.where(state);
  Fields fields(state, 3, "disk " + quoted(disk.name));
  fields.quantity("size", Unit::Size, static_cast<i64>(kDiskGrain), static_cast<i64>(kDiskBytesMax), disk.size);
  for (const i64 bytes : disk.size.values) {
    if (bytes % static_cast<i64>(kDiskGrain) == 0 || disk.size.kind == Quantity::Kind::Range) continue;
    fields.mistake("size", text_of(bytes, Unit::Size) + " is no multiple of 4KiB");
    break;
  }
  take_image(state, fields, disk);
  fields.quantity("latency", Unit::Duration, 0, static_cast<i64>(kDiskLatencyNsMax), disk.latency);
  fields.quantity("bandwidth", Unit::Rate, 8000, static_cast<i64>(kDiskBytesPerSecondMax) * 8, disk.bandwidth);
  fields.quantity("queue", Unit::Count, 1, kDiskDepthMax, disk.queue);
  fields.quantity("channels", Unit::Count, 1, kDiskChannelsMax, disk.channels);
  fields.quantity("cache_size", Unit::Size, 0, kDiskCacheBytesMax, disk.cache_size);
  fields.text("cache", disk.cache);
  const std::vector<std::string> caches(std::begin(kDiskCaches), std::end(kDiskCaches));
  if (std::find(caches.begin(), caches.end(), disk.cache) == caches.end()) {
    const std::string meant = did_you_mean(disk.cache, caches);
    fields.mistake("cache", "'" + disk.cache + "' is no kind of cache" +
                                (meant.empty() ? "; there are none, ordered and volatile" : meant));
  }
  for (const auto& [name, value] : {std::pair{"sector", &disk.sector}, std::pair{"atomic", &disk.atomic}}) {
    fields.count(name, 512, 4096, *value);
    if (*value != 512 && *value != 4096) fields.mistake(name, "512 or 4096 bytes are needed");
  }
  if (disk.atomic < disk.sector) fields.mistake("atomic", "what is written whole is at least a sector");
  for (const char* later : {"format", "files", "copies"}) {
    fields.refuse(later,
                  "a file system comes with fxfs: not in this version; from = \"FILE\" gives the disk its bytes");
  }
  fields.finish();
  if (plan.disks.size() >= kDisksMax) {
    program.mistake(state, "disk " + quoted(disk.name) + ": a world has at most 64 disks");
    return unknown_object(state);
  }
  plan.disks.push_back(std::move(disk));
  program.push_object(state, ObjectType::Disk, static_cast<u32>(plan.disks.size() - 1));
  return 1;
}

int declare_mount(lua_State* state) {
  Program::of(state).mistake(state, std::string("mount: a tree of another node ") + kNoNetwork);
  return 0;
}

int declare_link(lua_State* state) {
  Program& program = Program::of(state);
  Plan& plan = program.plan;
  LinkPlan link;
  if (!take_name(state, 2, "link", plan.links, link.name)) return unknown_object(state);
  link.where = program.where(state);
  Fields fields(state, 3, "link " + quoted(link.name));
  fields.objects("joins", ObjectType::Node, link.joins);
  fields.quantity("latency", Unit::Duration, 0, 60'000'000'000, link.latency);
  fields.quantity("jitter", Unit::Duration, 0, 60'000'000'000, link.jitter);
  fields.quantity("bandwidth", Unit::Rate, 1000, 1'000'000'000'000, link.bandwidth);
  fields.quantity("queue", Unit::Size, 1514, i64{1} << 30, link.queue);
  fields.quantity("mtu", Unit::Count, kMtuMin, kMtuMax, link.mtu);
  fields.refuse("loss", "loss is a fault: s:faults { allow = { \"net.loss\" } }");
  fields.finish();
  std::vector<u32> sorted = link.joins;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) {
    program.mistake(state, "link " + quoted(link.name) + ": joins: a node stands there twice");
  } else if (link.joins.size() < 2) {
    program.mistake(state, "link " + quoted(link.name) + ": joins: at least two nodes are needed");
  }
  if (plan.links.size() >= 64) {
    program.mistake(state, "link " + quoted(link.name) + ": a world has at most 64 links");
    return unknown_object(state);
  }
  plan.links.push_back(std::move(link));
  program.push_object(state, ObjectType::Link, static_cast<u32>(plan.links.size() - 1));
  return 1;
}

int declare_rack(lua_State* state) {
  Program& program = Program::of(state);
  RackPlan rack;
  if (!take_name(state, 2, "rack", program.plan.racks, rack.name)) return unknown_object(state);
  rack.where = program.where(state);
  // The list is given bare: read it as a field of a table.
  lua_newtable(state);
  lua_pushvalue(state, 3);
  lua_setfield(state, -2, "nodes");
  Fields fields(state, lua_gettop(state), "rack " + quoted(rack.name));
  fields.objects("nodes", ObjectType::Node, rack.nodes);
  program.plan.racks.push_back(std::move(rack));
  program.push_object(state, ObjectType::Rack, static_cast<u32>(program.plan.racks.size() - 1));
  return 1;
}

int node_file(lua_State* state) {
  Program& program = Program::of(state);
  NodePlan& node = program.plan.nodes[Program::object_at(state, 1)->index];
  const std::string subject = "node " + quoted(node.name) + ": file";
  if (lua_type(state, 2) != LUA_TSTRING || lua_type(state, 3) != LUA_TSTRING) {
    program.mistake(state, subject + ": a path and a text are needed");
    return 0;
  }
  const std::string path = lua_tostring(state, 2);
  const bool plain = path.starts_with("/") && path.size() > 1 && path.size() <= 100 && !path.ends_with("/") &&
                     path.find("//") == std::string::npos && path.find("..") == std::string::npos;
  if (!plain) {
    program.mistake(state, subject + " '" + path + "': an absolute path of at most 100 bytes without '..' is needed");
    return 0;
  }
  if (path.starts_with("/boot/") || path.starts_with("/dev/") || path.starts_with("/proc/") ||
      path.starts_with("/tmp/")) {
    program.mistake(state,
                    subject + " '" + path + "': what is in the image there is not seen; /etc, /home and /usr are");
    return 0;
  }
  size_t bytes = 0;
  const char* data = lua_tolstring(state, 3, &bytes);
  node.files.emplace_back(path.substr(1), std::string(data, bytes));
  return 0;
}

/// A manifest from the fields that n:supervise and n:spawn share.
std::string manifest_of(lua_State* state, Fields& fields) {
  Program& program = Program::of(state);
  std::string program_name;
  std::vector<std::string> arguments;
  fields.text("program", program_name);
  fields.texts("args", arguments);
  if (program_name.empty()) program.mistake(state, "program is needed: the name of a file in /bin");
  std::string text = "program " + program_name + "\n";
  if (!arguments.empty()) {
    text += "args";
    for (const std::string& argument : arguments) text += " " + argument;
    text += "\n";
  }
  u64 priority = 100;
  fields.count("priority", 1, 200, priority);
  return text + "priority " + std::to_string(priority) + "\n";
}

int node_supervise(lua_State* state) {
  Program& program = Program::of(state);
  NodePlan& node = program.plan.nodes[Program::object_at(state, 1)->index];
  std::vector<NodePlan> none;
  std::string name;
  if (!take_name(state, 2, "supervise", none, name)) return 0;
  for (const char* known : kImageServices) {
    if (name == known) program.mistake(state, "supervise " + quoted(name) + ": every node has this service");
  }
  Fields fields(state, 3, "supervise " + quoted(name));
  std::string text = manifest_of(state, fields);
  if (fields.has("mount") && !fields.has("srv")) fields.mistake("mount", "srv is needed too: the name that is mounted");
  for (const char* key : {"srv", "mount", "restart", "probe"}) {
    std::string value;
    fields.text(key, value);
    if (!value.empty()) text += std::string(key) + " " + value + "\n";
  }
  for (const char* key : {"backoff", "backoff_max", "settle", "start_timeout"}) {
    u64 value = 0;
    fields.duration(key, value);
    std::string manifest_key = key;
    std::replace(manifest_key.begin(), manifest_key.end(), '_', '-');
    if (value != 0) text += manifest_key + " " + std::to_string(value) + "ns\n";
  }
  fields.finish();
  node.services.emplace_back(name, text);
  return 0;
}

int node_spawn(lua_State* state) {
  Program& program = Program::of(state);
  NodePlan& node = program.plan.nodes[Program::object_at(state, 1)->index];
  Fields fields(state, 2, "node " + quoted(node.name) + ": spawn");
  const std::string text = manifest_of(state, fields) + "restart never\nstart-timeout 3650d\n";
  for (const char* later : {"grant", "budget", "memory"})
    fields.refuse(later, "comes later: not in this version; me:run(\"quota …\") limits a command");
  fields.finish();
  node.services.emplace_back("spawn" + std::to_string(node.services.size()), text);
  return 0;
}

int node_console(lua_State* state) {
  Program& program = Program::of(state);
  const Object& self = *Program::object_at(state, 1);
  NodePlan& node = program.plan.nodes[self.index];
  if (program.phase == Phase::Declare) {
    Fields fields(state, 2, "node " + quoted(node.name) + ": console");
    u64 columns = node.columns;
    u64 rows = node.rows;
    fields.count("columns", 1, 1000, columns);
    fields.count("rows", 1, 1000, rows);
    fields.finish();
    node.columns = static_cast<u16>(columns);
    node.rows = static_cast<u16>(rows);
    node.has_console = true;
  } else if (!node.has_console) {
    return luaL_error(state, "node %s has no console: n:console() in the file declares one", node.name.c_str());
  }
  program.push_object(state, ObjectType::Console, self.index);
  return 1;
}

// ── Clients and time ─────────────────────────────────────────────────────────────────────────────────────────

int declare_client(lua_State* state) {
  Program& program = Program::of(state);
  Plan& plan = program.plan;
  std::string name;
  if (!take_name(state, 2, "client", plan.clients, name)) return unknown_object(state);
  const std::string subject = "client " + quoted(name);
  const Object* node = Program::object_at(state, 3);
  if (node == nullptr || node->type != ObjectType::Node) {
    if (node == nullptr || node->type != ObjectType::Unknown)
      program.mistake(state, subject + ": the node on which it runs is needed second");
    return unknown_object(state);
  }
  if (!is_function(state, 4, subject.c_str())) return unknown_object(state);
  u64 count = 1;
  Fields fields(state, 5, subject);
  fields.count("count", 1, kClientsMax, count);
  fields.refuse("grant", "grants come later: not in this version");
  fields.finish();
  if (plan.clients.size() + count > kClientsMax) {
    program.mistake(state, subject + ": a world has at most 256 clients");
    return unknown_object(state);
  }
  const Where where = program.where(state);
  const int function = program.keep(state, 4);
  for (u64 i = 1; i <= count; ++i) {
    plan.clients.push_back({count == 1 ? name : name + "-" + std::to_string(i), where, node->index, function});
  }
  program.push_object(state, ObjectType::Client, static_cast<u32>(plan.clients.size() - count));
  return 1;
}

int add_trigger(lua_State* state, TriggerPlan::Kind kind, const char* what) {
  Program& program = Program::of(state);
  TriggerPlan trigger{.kind = kind, .where = program.where(state)};
  if (kind == TriggerPlan::Kind::When) {
    if (lua_type(state, 2) != LUA_TSTRING) {
      program.mistake(state,
                      std::string(what) + ": a pattern of events is needed first, for example \"fs.open node=a\"");
      return 0;
    }
    trigger.pattern = lua_tostring(state, 2);
  } else {
    const i64 least = kind == TriggerPlan::Kind::Every ? 1000 : 0;
    if (const std::string wrong = parse_quantity(state, 2, Unit::Duration, least, 100 * kDayNs, trigger.time);
        !wrong.empty()) {
      program.mistake(state, std::string(what) + ": " + wrong);
      return 0;
    }
  }
  if (!is_function(state, 3, what)) return 0;
  trigger.function = program.keep(state, 3);
  Fields fields(state, 4, what);
  if (kind != TriggerPlan::Kind::At) fields.count("times", 1, i64{1} << 40, trigger.times);
  fields.finish();
  program.plan.triggers.push_back(std::move(trigger));
  return 0;
}

int declare_at(lua_State* state) { return add_trigger(state, TriggerPlan::Kind::At, "at"); }
int declare_every(lua_State* state) { return add_trigger(state, TriggerPlan::Kind::Every, "every"); }
int declare_when(lua_State* state) { return add_trigger(state, TriggerPlan::Kind::When, "when"); }

int declare_ready(lua_State* state) {
  Program& program = Program::of(state);
  if (!is_function(state, 2, "ready")) return 0;
  if (program.plan.ready != kNoFunction) program.mistake(state, "ready: declared already");
  program.plan.ready = program.keep(state, 2);
  return 0;
}

int declare_finally(lua_State* state) {
  Program& program = Program::of(state);
  if (is_function(state, 2, "finally")) program.plan.finals.emplace_back(program.keep(state, 2), program.where(state));
  return 0;
}

int node_name(lua_State* state) {
  lua_pushstring(state, Program::of(state).plan.nodes[Program::object_at(state, 1)->index].name.c_str());
  return 1;
}

constexpr Call kCalls[] = {
    {ObjectType::Global, "scenario", "name, {about, lasts, warmup, liveness, shared_boot, steps_max, wall_start}",
     "begins a scenario: `lasts` (10s) with faults, `warmup` (1s) before and at most `liveness` (30s) after", kDeclare,
     declare_scenario},
    {ObjectType::Global, "use", "\"file.lua\"", "runs another file of this folder and returns what it returns",
     kDeclare, use_file},
    {ObjectType::Scenario, "costs", "{syscall=…, …}", "what the kernel's work costs, in ns", kDeclare, declare_costs},
    {ObjectType::Scenario, "quantum", "time", "how long a thread runs before others of its level", kDeclare,
     declare_quantum},
    {ObjectType::Scenario, "node", "name, {cores, memory, disks, services, clock={skew, drift}, boots_at, tags}",
     "a node; numbers may be range(…) or one_of {…}", kDeclare, declare_node},
    {ObjectType::Scenario, "disk",
     "name, {size, from, latency, bandwidth, cache, cache_size, sector, atomic, queue, channels}",
     "a disk for one node, which sees it as /dev/disk/NAME; `from` is a file of its first bytes", kDeclare,
     declare_disk},
    {ObjectType::Scenario, "link", "name, {joins, latency, jitter, bandwidth, queue, mtu}",
     "a network link; nodes see it as /dev/link/NAME", kDeclare, declare_link},
    {ObjectType::Scenario, "rack", "name, {nodes}", "nodes that fail together", kDeclare, declare_rack},
    {ObjectType::Scenario, "client", "name, node, function(me) … end, {count}",
     "a process on a node that does what the function asks", kDeclare, declare_client},
    {ObjectType::Scenario, "at", "time, function(w) … end", "does something once, that long after the warm-up",
     kDeclare, declare_at},
    {ObjectType::Scenario, "every", "time, function(w) … end, {times}",
     "does something again and again while the safety phase lasts", kDeclare, declare_every},
    {ObjectType::Scenario, "when", "pattern, function(w, event) … end, {times}", "does something when an event matches",
     kDeclare, declare_when},
    {ObjectType::Scenario, "ready", "function(w) … end", "the warm-up ends when this is true; asked every 10 ms",
     kDeclare, declare_ready},
    {ObjectType::Scenario, "finally", "function(w) … end", "judges at the end of the run", kDeclare, declare_finally},
    {ObjectType::Node, "name", ".", "the node's name", kAlways, node_name},
    {ObjectType::Node, "mount", "path, address", "refused: trees of other nodes come with the network", kDeclare,
     declare_mount},
    {ObjectType::Node, "file", "path, text", "adds a file to the node's boot image", kDeclare, node_file},
    {ObjectType::Node, "supervise",
     "name, {program, args, srv, mount, restart, backoff, backoff_max, settle, start_timeout, probe, priority}",
     "a service that the node's supervisor keeps running", kDeclare, node_supervise},
    {ObjectType::Node, "spawn", "{program, args, priority}", "a program that is started once at every boot", kDeclare,
     node_spawn},
    {ObjectType::Node, "console", "{columns, rows}", "the node's console, a terminal", kAlways, node_console},
};

}  // namespace

std::span<const Call> scenario_calls() { return kCalls; }

}  // namespace sim::host::scenario
