// sim/host/nearest.cpp — see nearest.h.
#include "sim/host/nearest.h"

#include <algorithm>

#include "base/types.h"

namespace sim::host {
namespace {

u32 edit_distance(std::string_view left, std::string_view right) {
  std::vector<u32> row(right.size() + 1);
  for (u32 i = 0; i < row.size(); ++i) row[i] = i;
  for (u32 i = 1; i <= left.size(); ++i) {
    u32 diagonal = row[0];
    row[0] = i;
    for (u32 j = 1; j <= right.size(); ++j) {
      const u32 replaced = diagonal + (left[i - 1] == right[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row.back();
}

}  // namespace

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  std::string best;
  u32 best_distance = static_cast<u32>(word.size() / 2) + 2;  // further away it is a guess, not a slip
  for (const std::string& candidate : candidates) {
    const u32 distance = edit_distance(word, candidate);
    if (distance >= best_distance) continue;
    best_distance = distance;
    best = candidate;
  }
  return best;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates) {
  const std::string near = nearest(word, candidates);
  return near.empty() ? std::string() : "; did you mean '" + near + "'?";
}

}  // namespace sim::host
