// user/lonala/properties.h — what Lonala programs claim about themselves (orrery.check), told to the world device. A process without
// the authority to report tells nothing; what its programs compute is the same.
#pragma once
#include "base/string.h"
#include "base/vector.h"
#include "user/runtime/probe.h"

namespace user::lonala_program {

class Properties {
 public:
  explicit Properties(base::Allocator& heap) : known_(heap) {}
  /// `kind` as orrery.check has it: always, sometimes, eventually, never, at-most-once, hot, watermark.
  void declare(std::string_view kind, std::string_view name);
  /// `kind` may be `cold` too. `detail` is a printed value: an integer is told as it is, another one by its hash.
  void report(std::string_view kind, std::string_view name, bool holds, std::string_view detail);

 private:
  struct Known {
    base::String name;
    u32 number;
    bool told = false;  // that it holds: once is enough
  };
  Known* find(std::string_view name);
  base::Vector<Known> known_;
};

}  // namespace user::lonala_program
