// sim/host/nearest.h — "did you mean": the known word closest to one that is not known.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace sim::host {

/// The closest candidate by edit distance; empty when none is near.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);
/// "; did you mean 'net.send'?", or nothing.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace sim::host
