// user/lib/civil_time.cpp — see civil_time.h.
#include "user/lib/civil_time.h"

#include "base/enforce.h"

namespace user {

CivilTime civil_time(i64 wall_ns) {
  constexpr i64 kSecond = 1'000'000'000;
  constexpr i64 kDaySeconds = 86'400;
  i64 seconds = wall_ns / kSecond;
  if (wall_ns % kSecond < 0) seconds -= 1;
  i64 days = seconds / kDaySeconds;
  i64 rest = seconds % kDaySeconds;
  if (rest < 0) {
    rest += kDaySeconds;
    days -= 1;
  }
  CivilTime time;
  time.hour = static_cast<u32>(rest / 3600);
  time.minute = static_cast<u32>(rest / 60 % 60);
  time.second = static_cast<u32>(rest % 60);
  time.weekday = static_cast<u32>(((days % 7) + 11) % 7);  // 1970-01-01 was a Thursday
  const i64 shifted = days + 719'468;                      // days since 0000-03-01
  const i64 era = (shifted >= 0 ? shifted : shifted - 146'096) / 146'097;
  const i64 day_of_era = shifted - era * 146'097;
  const i64 year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const i64 day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const i64 month = (5 * day_of_year + 2) / 153;
  time.day = static_cast<u32>(day_of_year - (153 * month + 2) / 5 + 1);
  time.month = static_cast<u32>(month < 10 ? month + 3 : month - 9);
  time.year = year_of_era + era * 400 + (time.month <= 2 ? 1 : 0);
  return time;
}

i64 seconds_of(const CivilTime& time) {
  const i64 year = time.year - (time.month <= 2 ? 1 : 0);
  const i64 era = (year >= 0 ? year : year - 399) / 400;
  const i64 year_of_era = year - era * 400;
  const i64 day_of_year = (153 * (time.month > 2 ? time.month - 3 : time.month + 9) + 2) / 5 + time.day - 1;
  const i64 day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  const i64 days = era * 146'097 + day_of_era - 719'468;
  return days * 86'400 + i64{time.hour} * 3600 + i64{time.minute} * 60 + time.second;
}

std::string_view month_name(u32 month) {
  static constexpr std::string_view kNames[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  return month >= 1 && month <= 12 ? kNames[month - 1] : "???";
}

std::string_view weekday_name(u32 weekday) {
  static constexpr std::string_view kNames[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  return weekday < 7 ? kNames[weekday] : "???";
}

}  // namespace user
