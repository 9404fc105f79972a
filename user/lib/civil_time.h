// user/lib/civil_time.h — moments as year, month, day and time of day.
// Tested by   tests/user/dates_test.cpp (model: the host's strftime)
#pragma once
#include <string_view>

#include "base/types.h"

namespace user {

/// A moment in UTC, proleptic Gregorian. Algorithm: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", 2021,
/// civil_from_days.
struct CivilTime {
  i64 year = 1970;
  u32 month = 1;  // 1–12
  u32 day = 1;
  u32 hour = 0;
  u32 minute = 0;
  u32 second = 0;
  u32 weekday = 4;  // 0 = Sunday
};
CivilTime civil_time(i64 wall_ns);
/// Seconds since 1970 of a civil time.
i64 seconds_of(const CivilTime& time);
std::string_view month_name(u32 month);
std::string_view weekday_name(u32 weekday);

}  // namespace user
