// sim/host/scenario/plan.cpp — a plan as text.
#include "sim/host/scenario/plan.h"

namespace sim::host::scenario {
namespace {

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

std::string names_of(const std::vector<u32>& indices, const Plan& plan) {
  std::string text;
  for (const u32 index : indices) text += (text.empty() ? "" : " ") + plan.nodes[index].name;
  return text;
}

void add_nodes(const Plan& plan, std::string& out) {
  for (const NodePlan& node : plan.nodes) {
    out += "node " + node.name + ": cores " + node.cores.text() + ", memory " + node.memory.text() + ", clock skew " +
           node.skew.text() + " drift " + node.drift.text() + "ppm";
    if (!node.boots_at.is_fixed() || node.boots_at.values[0] != 0) out += ", boots at " + node.boots_at.text();
    if (node.has_console) out += ", console " + std::to_string(node.columns) + "x" + std::to_string(node.rows);
    for (const std::string& tag : node.tags) out += ", tag " + tag;
    out += "\n";
    for (const auto& [path, text] : node.files) out += "  file " + path + " " + quoted(text) + "\n";
    for (const auto& [name, text] : node.services) out += "  service " + name + " " + quoted(text) + "\n";
  }
  for (const LinkPlan& link : plan.links) {
    out += "link " + link.name + ": joins " + names_of(link.joins, plan) + ", latency " + link.latency.text() +
           ", jitter " + link.jitter.text() + ", bandwidth " + link.bandwidth.text() + ", queue " + link.queue.text() +
           ", mtu " + link.mtu.text() + "\n";
  }
  for (const DiskPlan& disk : plan.disks) {
    out += "disk " + disk.name + ": in " + plan.nodes[disk.node].name + ", size " + disk.size.text() + ", sectors of " +
           std::to_string(disk.sector) + ", written whole " + std::to_string(disk.atomic) + ", latency " +
           disk.latency.text() + ", bandwidth " + disk.bandwidth.text() + ", queue " + disk.queue.text() +
           ", channels " + disk.channels.text() + ", cache " + disk.cache;
    if (disk.cache != "none") out += " of " + disk.cache_size.text();
    out += (disk.from.empty() ? ", blank" : ", from " + disk.from) + "\n";
  }
  for (const RackPlan& rack : plan.racks) out += "rack " + rack.name + ": " + names_of(rack.nodes, plan) + "\n";
}

void add_triggers(const Plan& plan, std::string& out) {
  for (const TriggerPlan& trigger : plan.triggers) {
    switch (trigger.kind) {
      case TriggerPlan::Kind::At: out += "at " + trigger.time.text(); break;
      case TriggerPlan::Kind::Every: out += "every " + trigger.time.text(); break;
      case TriggerPlan::Kind::When: out += "when " + quoted(trigger.pattern); break;
    }
    if (trigger.times != ~u64{0}) out += " " + std::to_string(trigger.times) + " times";
    out += ": " + text_of(trigger.where) + "\n";
  }
}

void add_judges(const Plan& plan, std::string& out) {
  for (const HistoryPlan& history : plan.histories) {
    out += "history " + history.name + ": model " + history.model + (history.per_key ? ", per key" : "") +
           (history.buffered ? ", buffered in " + plan.nodes[history.node].name : "") + "\n";
  }
  for (const PropertyPlan& property : plan.properties) {
    out += property.form + " " + quoted(property.name);
    if (!property.pattern.empty()) out += " on " + quoted(property.pattern);
    if (!property.second.empty()) out += " then " + quoted(property.second);
    if (property.form == "eventually" || property.form == "leads-to" || property.form == "hot") {
      out += " within " + property.within.text();
    }
    out += ": " + text_of(property.where) + "\n";
  }
  if (!plan.excuse.empty()) out += "expects the excuse " + quoted(plan.excuse) + "\n";
  for (const GoldenPlan& golden : plan.goldens) {
    out += "golden " + quoted(golden.file);
    if (!golden.events.empty()) out += " of events " + quoted(golden.events);
    if (golden.has_seed) out += " under seed " + std::to_string(golden.seed);
    out += "\n";
  }
  for (const auto& [function, where] : plan.finals) out += "finally: " + text_of(where) + "\n";
  if (plan.faults.declared) {
    out += "faults: intensity " + plan.faults.intensity.text() + (plan.faults.swarm ? ", swarm" : "") +
           ", budget nodes_down " + std::to_string(plan.faults.nodes_down) + " copies_lost " +
           std::to_string(plan.faults.copies_lost) + " clock_error " +
           text_of(static_cast<i64>(plan.faults.clock_error_ns), Unit::Duration) + "\n";
    for (const std::string& rule : plan.faults.allow) out += "  allow " + rule + "\n";
    for (const std::string& rule : plan.faults.forbid) out += "  forbid " + rule + "\n";
  }
  if (!plan.invariants.empty() || !plan.cadence.empty()) {
    out += "invariants";
    for (const std::string& name : plan.invariants) out += " " + name;
    out += " cadence " + (plan.cadence.empty() ? "default" : plan.cadence) + "\n";
  }
}

}  // namespace

std::string text_of(const Where& where) { return where.file + ":" + std::to_string(where.line); }

std::string text_of(const Plan& plan) {
  std::string out = "scenario " + plan.name + ": " + quoted(plan.about) + "\n";
  out += "lasts " + text_of(static_cast<i64>(plan.lasts_ns), Unit::Duration) + ", warm-up " +
         text_of(static_cast<i64>(plan.warmup_ns), Unit::Duration) + ", liveness at most " +
         text_of(static_cast<i64>(plan.liveness_ns), Unit::Duration) + ", at most " + std::to_string(plan.steps_max) +
         " events\n";
  if (plan.quantum_ns != 0) out += "quantum " + text_of(static_cast<i64>(plan.quantum_ns), Unit::Duration) + "\n";
  if (plan.wall_start_ns != 0) out += "wall clocks start at " + std::to_string(plan.wall_start_ns) + "ns\n";
  if (plan.shared_boot) out += "shared boot: 8 shapes\n";
  for (const auto& [name, value] : plan.costs) out += "cost " + name + " " + std::to_string(value) + "\n";
  add_nodes(plan, out);
  for (const ClientPlan& client : plan.clients) {
    out += "client " + client.name + ": on " + plan.nodes[client.node].name + ", " + text_of(client.where) + "\n";
  }
  add_triggers(plan, out);
  add_judges(plan, out);
  return out;
}

}  // namespace sim::host::scenario
