// tests/sim/faults_lab.cpp — see faults_lab.h: what is read off a run.
#include "tests/sim/faults_lab.h"

#include <algorithm>

using base::EventKind;

namespace faulty {

u64 count(const lab::Result& result, EventKind kind) {
  return static_cast<u64>(std::count_if(result.trace.begin(), result.trace.end(), [kind](const base::Event& event) {
    return event.kind == static_cast<u16>(kind);
  }));
}

u64 number_in(const std::string& text, u32 index) {
  std::size_t at = 0;
  for (u32 i = 0; i < index; ++i) at = text.find(' ', at) + 1;
  return std::strtoull(text.c_str() + at, nullptr, 10);
}

std::string differs(const char* what, u64 found, u64 wanted) {
  return found == wanted ? "" : std::string(what) + " is " + std::to_string(found) + ", not " + std::to_string(wanted);
}

std::string later_by(const lab::Result& plain, const lab::Result& struck, u64 ns, u64 slack) {
  const u64 late = number_in(struck.output) - number_in(plain.output);
  return late >= ns && late <= ns + slack ? "" : differs("the delay", late, ns);
}

u64 raises(const lab::Result& result) { return count(result, EventKind::IrqRaise); }
std::string output_is(const lab::Result& struck, const std::string& wanted) {
  return struck.output == wanted ? "" : "printed " + struck.output;
}

std::vector<u64> times_of(const lab::Result& result, EventKind kind) {
  std::vector<u64> times;
  for (const base::Event& event : result.trace) {
    if (event.kind == static_cast<u16>(kind) && event.time_ns != 0) times.push_back(event.time_ns);
  }
  return times;
}

std::vector<i64> steps_of(const lab::Result& result) {
  std::vector<i64> steps;
  for (const base::Event& event : result.trace) {
    if (event.kind == static_cast<u16>(EventKind::WorldClockSet)) steps.push_back(static_cast<i64>(event.b));
  }
  return steps;
}

std::string wall_is_off(const lab::Result& struck, i64 ns) {
  return differs("the error of the wall", number_in(struck.output, 1), static_cast<u64>(ns));
}

std::vector<Delivery> deliveries(const lab::Result& result) {
  std::vector<Delivery> found;
  for (const base::Event& event : result.trace) {
    if (event.kind == static_cast<u16>(EventKind::NetDeliver)) found.push_back({event.time_ns, event.a, event.b});
  }
  return found;
}

u64 drops(const lab::Result& result, sim::Drop why) {
  return static_cast<u64>(std::count_if(result.trace.begin(), result.trace.end(), [why](const base::Event& event) {
    return event.kind == static_cast<u16>(EventKind::NetDrop) && event.c == static_cast<u64>(why);
  }));
}

u64 at_once(const lab::Result& result) {
  const auto all = deliveries(result);
  u64 most = 0;
  for (const Delivery& one : all) {
    most = std::max(most, static_cast<u64>(std::count_if(
                              all.begin(), all.end(), [&](const Delivery& other) { return other.time == one.time; })));
  }
  return most;
}

std::string holds(bool as_wanted, const char* what) { return as_wanted ? "" : what; }

}  // namespace faulty
