// sim/host/planted.h — which planted bug (base/planted.h) is active in this process. The only host code that knows whether
// a build has them.
#pragma once
#include <string>

namespace sim::host {

/// Whether this build has planted bugs.
bool has_planted_bugs();
/// The name of the one that is active; empty: none.
std::string planted_bug();
/// Makes the bug of this name real; empty: none. False: there is no such bug, or none in this build.
bool choose_planted_bug(const std::string& name);

/// Which model runs here, for people and for files of results: its id, and the planted bug that is part of it.
std::string model_text();
/// The bug that such a text names; empty: none.
std::string bug_of(const std::string& model_text);

}  // namespace sim::host
