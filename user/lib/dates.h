// user/lib/dates.h — moments as people write them: date's formats, time zones of TZ, and reading them back.
#pragma once
#include "base/string.h"
#include "user/lib/civil_time.h"

namespace user {

class Process;

/// A zone of TZ: `NAME±H[:MM]`, where what is added to the local time gives UTC (POSIX.1-2017 XBD §8.3).
struct TimeZone {
  char name[8] = {'U', 'T', 'C'};
  u32 name_size = 3;
  i32 east_seconds = 0;
  std::string_view text() const { return {name, name_size}; }
};
/// UTC for what is none.
TimeZone parse_zone(std::string_view text);
/// The zone of the environment's TZ.
TimeZone zone_of(Process& process);

/// Appends `format` with the conversions of POSIX date (and %s %F %R %T %z) replaced; an unknown one stays as it is.
void append_date(base::String& out, std::string_view format, i64 seconds, const TimeZone& zone);

/// `@SECONDS`, digits alone (the same), or `YYYY-MM-DD[( |T)HH:MM[:SS]]` in `zone`. False for anything else, also for a
/// 30th of February.
bool parse_moment(std::string_view text, const TimeZone& zone, i64& seconds);

}  // namespace user
