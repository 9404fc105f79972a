// tests/kernel/shrink.h — model tests run sequences of steps, each four raw numbers that are read against the state they
// meet, so that any part of a sequence is a sequence. A failing one is cut by halves, then single steps, then numbers
// towards 0; what is reported is the shortest and its one seed.
#pragma once
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "base/prng.h"

namespace lab {

struct RawStep {
  u64 raw[4] = {};
};
using RawSteps = std::vector<RawStep>;

inline RawSteps random_steps(base::Prng& prng, u32 count) {
  RawSteps steps(count);
  for (RawStep& step : steps) {
    for (u64& word : step.raw) word = prng.below(1u << 20);
  }
  return steps;
}

/// Runs a sequence; empty when all went well, else what did not, and where.
using RunSteps = std::function<std::string(const RawSteps&)>;

inline RawSteps shrink(RawSteps steps, const RunSteps& run) {
  u32 patience = 3'000;  // runs
  const auto fails = [&](const RawSteps& candidate) {
    return patience > 0 && patience-- > 0 && !run(candidate).empty();
  };
  for (std::size_t part = (steps.size() + 1) / 2; part > 0; part = part == 1 ? 0 : (part + 1) / 2) {
    for (std::size_t at = 0; at < steps.size();) {
      RawSteps shorter(steps.begin(), steps.begin() + static_cast<std::ptrdiff_t>(at));
      const std::size_t end = at + part < steps.size() ? at + part : steps.size();
      shorter.insert(shorter.end(), steps.begin() + static_cast<std::ptrdiff_t>(end), steps.end());
      if (fails(shorter)) {
        steps = shorter;
      } else {
        at += part;
      }
    }
  }
  for (RawStep& step : steps) {
    for (u64& word : step.raw) {
      for (const u64 smaller : {u64{0}, word % 64, word / 2}) {
        const u64 before = word;
        if (smaller >= before) continue;
        word = smaller;
        if (fails(steps)) break;
        word = before;
      }
    }
  }
  return steps;
}

/// The text of a failure: what it was, and the shortest sequence that shows it.
inline std::string report(const RawSteps& steps, const RunSteps& run) {
  const RawSteps shortest = shrink(steps, run);
  std::ostringstream text;
  text << run(shortest) << "\nafter " << shortest.size() << " steps:";
  for (const RawStep& step : shortest) {
    text << "\n  {" << step.raw[0] << ", " << step.raw[1] << ", " << step.raw[2] << ", " << step.raw[3] << "}";
  }
  return text.str();
}

}  // namespace lab
