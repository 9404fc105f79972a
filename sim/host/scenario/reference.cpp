// sim/host/scenario/reference.cpp — what a scenario can call, as text.
#include "sim/host/scenario/case.h"

namespace sim::host::scenario {
namespace {

std::string usage_of(const Call& call) {
  const std::string handle = handle_of(call.type);
  if (call.type == ObjectType::Global) return std::string(call.name) + "(" + call.arguments + ")";
  if (call.arguments[0] == '.') return handle + "." + call.name;
  return handle + ":" + call.name + "(" + call.arguments + ")";
}

struct Value {
  const char* usage;
  const char* about;
};
constexpr Value kValues[] = {
    {"range(low, high)", "a number the seed chooses, both ends included"},
    {"one_of { a, b, … }", "one of the values, as the seed chooses"},
    {"ratio(n, d)", "n of d"},
};

}  // namespace

std::string reference(std::string_view name) {
  std::string out;
  for (const Value& value : kValues) {
    if (std::string_view(value.usage).find(name) == std::string_view::npos) continue;
    out += std::string(value.usage) + "\n    " + value.about + "\n";
  }
  for (const Call& call : all_calls()) {
    if (std::string_view(call.name).find(name) == std::string_view::npos) continue;
    out += usage_of(call) + "\n    " + call.about + "\n";
  }
  return out;
}

}  // namespace sim::host::scenario
