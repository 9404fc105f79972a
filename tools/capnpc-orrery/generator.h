// tools/capnpc-orrery/generator.h — one schema file → header and source for schema/codec.h.
#pragma once
#include <string>

#include "model.h"

namespace capnpc_orrery {

struct Output {
  std::string header;
  std::string source;
};

/// The two files for `file_id`. Throws SchemaError for what the codec does not support.
Output generate(Model& model, uint64_t file_id);

}  // namespace capnpc_orrery
