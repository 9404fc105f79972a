// user/lib/zone.cpp — the zone a process works in; see dates.h. Apart from the rest, which needs no process.
#include "user/lib/dates.h"
#include "user/runtime/process.h"

#include "base/enforce.h"

namespace user {

TimeZone zone_of(Process& process) {
  const auto text = process.env("TZ");
  return text.ok() ? parse_zone(text->view()) : TimeZone{};
}

}  // namespace user
