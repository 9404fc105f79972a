// sim/host/cli/divergence.cpp — the report of `verify` and its table of likely causes.
#include "sim/host/cli/divergence.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "sim/host/cli/cli.h"

namespace sim::host::cli {
namespace {

struct Field {
  const char* name;
  u64 left;
  u64 right;
};

std::vector<Field> different_fields(const base::Event& l, const base::Event& r) {
  const Field all[] = {{"time", l.time_ns, r.time_ns},
                       {"kind", l.kind, r.kind},
                       {"core", l.core, r.core},
                       {"node", l.node, r.node},
                       {"flags", l.flags, r.flags},
                       {"thread", l.thread, r.thread},
                       {"object", l.object, r.object},
                       {"a", l.a, r.a},
                       {"b", l.b, r.b},
                       {"c", l.c, r.c},
                       {"cause", l.sequence - l.cause, r.sequence - r.cause}};
  std::vector<Field> different;
  for (const Field& field : all) {
    if (field.left != field.right) different.push_back(field);
  }
  return different;
}

std::string hex(u64 value) {
  char text[24];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
  return text;
}

/// Some byte is 0xA5 on one side where it is 0x5A on the other.
bool follows_fill(u64 left, u64 right) {
  for (u32 i = 0; i < 8; ++i) {
    const u8 l = static_cast<u8>(left >> i * 8);
    const u8 r = static_cast<u8>(right >> i * 8);
    if ((l == 0xA5 && r == 0x5A) || (l == 0x5A && r == 0xA5)) return true;
  }
  return false;
}

bool looks_like_mapping(u64 value) { return value >= 0x5000'0000'0000 && value < 0x8000'0000'0000; }

/// The same events in another order, within a short stretch after the difference.
bool is_reordering(const Evidence& left, u64 at_left, const Evidence& right, u64 at_right) {
  constexpr u64 kStretch = 64;
  const auto keys = [](const Evidence& evidence, u64 from) {
    std::vector<std::pair<u64, u64>> list;
    for (u64 i = from; i < evidence.events.size() && i < from + kStretch; ++i) {
      const base::Event& event = evidence.events[i];
      list.push_back({u64{event.kind} << 32 | event.thread, event.object});
    }
    std::sort(list.begin(), list.end());
    return list;
  };
  const auto l = keys(left, at_left);
  return !l.empty() && l == keys(right, at_right);
}

std::string likely_cause(const Evidence& left, u64 at_left, const Evidence& right, u64 at_right,
                         const std::vector<Field>& fields, bool alone) {
  const std::string& breach = right.breach.empty() ? left.breach : right.breach;
  if (!breach.empty()) return breach;
  for (const Field& field : fields) {
    if (follows_fill(field.left, field.right)) return "the operand follows the poison pattern: uninitialised bytes";
  }
  for (const Field& field : fields) {
    if (looks_like_mapping(field.left) || looks_like_mapping(field.right))
      return "the operand looks like a host address";
  }
  if (alone && right.name == "again") return "state left over from an earlier world in the same process";
  if (alone && right.name == "with") return "only the build differs: evaluation order, floats or undefined behaviour";
  if (fields.size() > 1 && is_reordering(left, at_left, right, at_right)) {
    return "the same events in another order: a container's order or a tie";
  }
  if (right.name == "alloc") return "the host allocator: a container in the order of addresses";
  if (right.name == "load") return "how fast the host is: a thread or a timeout";
  if (right.name == "restore") return "something a fork does not carry over";
  if (right.name.starts_with("clock")) return "the host's clock or entropy";
  if (right.name == "env") return "the environment: locale, time zone or working directory";
  return "a value that differs between two processes: a clock, entropy or an address";
}

std::string lane_report(const Evidence& left, const Evidence& right, u8 first_lane, u32 first_node) {
  std::string differing = std::to_string(first_node) + "/" + std::to_string(first_lane) + " (first)";
  u64 equal = 0;
  const u64 count = std::min(left.leaves.size(), right.leaves.size());
  for (u64 i = 0; i < count; ++i) {
    if (left.leaves[i] == right.leaves[i]) {
      equal += 1;
    } else if (i != u64{first_node} * base::kLaneCount + first_lane) {
      differing += ", " + std::to_string(i / base::kLaneCount) + "/" + std::to_string(i % base::kLaneCount);
    }
  }
  bool draws_equal = true;
  for (u64 i = static_cast<u64>(base::Lane::Draw); i < count; i += base::kLaneCount) {
    draws_equal = draws_equal && left.leaves[i] == right.leaves[i];
  }
  return "  lanes different     " + differing + ";   equal: " + std::to_string(equal) + " of " + std::to_string(count) +
         ";   draws " + (draws_equal ? "equal" : "differ") + "\n";
}

}  // namespace

std::string explain(const std::string& title, const Evidence& left, const Evidence& right,
                    const ExplainOptions& options) {
  std::string report = "DIVERGED  " + title + "   variant " + right.shown + " (against " + left.shown + ")\n";
  const u64 from = std::max(left.oldest, right.oldest);
  const u64 newest =
      std::min(left.oldest + left.events.size(), right.oldest + right.events.size());  // one past the common part
  for (u64 sequence = from; sequence < newest; ++sequence) {
    const u64 at_left = sequence - left.oldest;
    const u64 at_right = sequence - right.oldest;
    const base::Event& l = left.events[at_left];
    const base::Event& r = right.events[at_right];
    if (std::memcmp(&l, &r, sizeof l) == 0) continue;
    for (u64 before = std::min<u64>(options.context, at_left); before > 0; --before) {
      report += "  last common event   " + describe(left.events[at_left - before]) + "\n";
    }
    const std::vector<Field> fields = different_fields(l, r);
    const auto kind = static_cast<base::EventKind>(l.kind);
    std::string which;
    for (const Field& field : fields) which += (which.empty() ? "" : ", ") + std::string(field.name);
    report += "  first difference    " + describe(l) + "\n                      " +
              (fields.size() == 1 ? "only operand " + which + " differs" : "operands differ: " + which) + "  (" +
              std::string(base::name_of(kind)) + ")\n";
    for (const Field& field : fields) {
      report += "                        " + left.shown + ": " + field.name + "=" + hex(field.left) + "     " +
                right.shown + ": " + field.name + "=" + hex(field.right) + "\n";
    }
    report += lane_report(left, right, l.lane, l.node);
    report += "  likely cause        " + likely_cause(left, at_left, right, at_right, fields, options.alone);
    for (u64 after = 1; after < options.context && at_left + after < left.events.size(); ++after) {
      report += "\n  after               " + describe(left.events[at_left + after]);
    }
    return report;
  }
  if (left.events.size() + left.oldest != right.events.size() + right.oldest) {
    const Evidence& longer = left.events.size() + left.oldest > right.events.size() + right.oldest ? left : right;
    return report + "  one run has more events: first extra  " + describe(longer.events[newest - longer.oldest]);
  }
  return report + "  every event kept is equal: draws without events differ (an extra draw from a stream)";
}

}  // namespace sim::host::cli
