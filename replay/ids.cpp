// replay/ids.cpp — the ids of this build.
#include "replay/ids.h"

#include "sim/model/plan.h"

namespace replay {

Sha256 model_id() {
  Sha256 id = {};
  const base::Bytes bytes = sim::model_id();
  static_assert(sim::kModelIdBytes == sizeof(Sha256));
  std::copy(bytes.begin(), bytes.end(), id.begin());
  return id;
}

Sha256 build_id() { return sha256_of(base::bytes_of(hex(model_id()) + " " ORRERY_BUILD)); }

}  // namespace replay
