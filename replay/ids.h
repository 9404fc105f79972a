// replay/ids.h — what names a run's ingredients: SHA-256 of the model's sources, of the build, of plans and files.
#pragma once
#include <array>
#include <string>

#include "base/bytes.h"
#include "base/types.h"

namespace replay {

using Sha256 = std::array<u8, 32>;

/// sim::model_id: of every source that can change a trace, and the defects planted by this build.
Sha256 model_id();
/// Of the model, the compiler and its flags; only noted.
Sha256 build_id();

Sha256 sha256_of(base::Bytes bytes);
std::string hex(base::Bytes bytes);
inline std::string hex(const Sha256& digest) { return hex(base::Bytes{digest}); }

}  // namespace replay
