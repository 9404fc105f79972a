// user/lib/dates.cpp — see dates.h.
#include "user/lib/dates.h"

#include "base/parse.h"

#include "base/enforce.h"

namespace user {
namespace {

constexpr i64 kNsPerSecond = 1'000'000'000;
constexpr i64 kSecondsMax = i64{1} << 33;  // far beyond what wall ns can hold: 2242

constexpr std::string_view kLongDays[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
constexpr std::string_view kLongMonths[] = {"January", "February", "March",     "April",   "May",      "June",
                                            "July",    "August",   "September", "October", "November", "December"};

u32 day_of_year(const CivilTime& time) {
  CivilTime first = time;
  first.month = first.day = 1;
  return static_cast<u32>((seconds_of(time) - seconds_of(first)) / 86'400 + 1);
}

void append_offset(base::String& out, i32 east_seconds) {
  const u32 minutes = static_cast<u32>(east_seconds < 0 ? -east_seconds : east_seconds) / 60;
  out.append_format("{}{:02}{:02}", east_seconds < 0 ? '-' : '+', minutes / 60, minutes % 60);
}

/// Exactly `digits` of them.
bool take_number(std::string_view& text, u64 digits, u32& value) {
  if (text.size() < digits) return false;
  const auto number = base::parse_u64(text.substr(0, digits));
  text.remove_prefix(digits);
  if (number.ok()) value = static_cast<u32>(*number);
  return number.ok();
}
bool take(std::string_view& text, char c) {
  if (text.empty() || text[0] != c) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

TimeZone parse_zone(std::string_view text) {
  TimeZone zone;
  u64 letters = 0;
  while (letters < text.size() && ((text[letters] | 32) >= 'a' && (text[letters] | 32) <= 'z')) letters += 1;
  if (letters == 0 || letters > sizeof zone.name) return {};
  const std::string_view name = text.substr(0, letters);
  text.remove_prefix(letters);
  const bool east = text.starts_with("-");
  if (text.starts_with("-") || text.starts_with("+")) text.remove_prefix(1);
  const u64 colon = std::min<u64>(text.find(':'), text.size());
  const auto hours = base::parse_u64(text.substr(0, colon));
  const auto minutes = colon < text.size() ? base::parse_u64(text.substr(colon + 1)) : base::parse_u64("0");
  constexpr u64 kHoursMax = 24;  // POSIX
  if (!text.empty() && (!hours.ok() || !minutes.ok() || *hours > kHoursMax || *minutes > 59)) return {};
  const i32 seconds = text.empty() ? 0 : static_cast<i32>(*hours * 3600 + *minutes * 60);
  zone.name_size = static_cast<u32>(letters);
  for (u64 i = 0; i < letters; ++i) zone.name[i] = name[i];
  zone.east_seconds = east ? seconds : -seconds;
  return zone;
}

void append_date(base::String& out, std::string_view format, i64 seconds, const TimeZone& zone) {
  const CivilTime time = civil_time((seconds + zone.east_seconds) * kNsPerSecond);
  const u32 hour12 = time.hour % 12 == 0 ? 12 : time.hour % 12;
  for (u64 at = 0; at < format.size(); ++at) {
    if (format[at] != '%' || at + 1 == format.size()) {
      out.push(format[at]);
      continue;
    }
    at += 1;
    switch (format[at]) {
      case 'a': out.append(weekday_name(time.weekday)); break;
      case 'A': out.append(kLongDays[time.weekday]); break;
      case 'b':
      case 'h': out.append(month_name(time.month)); break;
      case 'B': out.append(kLongMonths[time.month - 1]); break;
      case 'c': append_date(out, "%a %b %e %H:%M:%S %Y", seconds, zone); break;
      case 'C': out.append_format("{:02}", time.year / 100); break;
      case 'd': out.append_format("{:02}", time.day); break;
      case 'D':
      case 'x': append_date(out, "%m/%d/%y", seconds, zone); break;
      case 'e': out.append_format("{:>2}", time.day); break;
      case 'F': append_date(out, "%Y-%m-%d", seconds, zone); break;
      case 'H': out.append_format("{:02}", time.hour); break;
      case 'I': out.append_format("{:02}", hour12); break;
      case 'j': out.append_format("{:03}", day_of_year(time)); break;
      case 'm': out.append_format("{:02}", time.month); break;
      case 'M': out.append_format("{:02}", time.minute); break;
      case 'n': out.push('\n'); break;
      case 'p': out.append(time.hour < 12 ? "AM" : "PM"); break;
      case 'r': append_date(out, "%I:%M:%S %p", seconds, zone); break;
      case 'R': append_date(out, "%H:%M", seconds, zone); break;
      case 's': out.append_format("{}", seconds); break;
      case 'S': out.append_format("{:02}", time.second); break;
      case 't': out.push('\t'); break;
      case 'T':
      case 'X': append_date(out, "%H:%M:%S", seconds, zone); break;
      case 'u': out.append_format("{}", time.weekday == 0 ? 7 : time.weekday); break;
      case 'w': out.append_format("{}", time.weekday); break;
      case 'y': out.append_format("{:02}", time.year % 100); break;
      case 'Y': out.append_format("{}", time.year); break;
      case 'z': append_offset(out, zone.east_seconds); break;
      case 'Z': out.append(zone.text()); break;
      case '%': out.push('%'); break;
      default:
        out.push('%');
        out.push(format[at]);
        break;
    }
  }
}

bool parse_moment(std::string_view text, const TimeZone& zone, i64& seconds) {
  const auto number = base::parse_i64(text.starts_with("@") ? text.substr(1) : text);
  if (number.ok()) {
    seconds = *number;
    return seconds <= kSecondsMax && seconds >= -kSecondsMax;
  }
  CivilTime time;
  u32 year = 0;
  if (!take_number(text, 4, year) || !take(text, '-') || !take_number(text, 2, time.month) || !take(text, '-') ||
      !take_number(text, 2, time.day)) {
    return false;
  }
  time.year = year;
  if (!text.empty()) {
    if (!take(text, ' ') && !take(text, 'T')) return false;
    if (!take_number(text, 2, time.hour) || !take(text, ':') || !take_number(text, 2, time.minute)) return false;
    if (!text.empty() && (!take(text, ':') || !take_number(text, 2, time.second) || !text.empty())) return false;
  }
  if (time.hour > 23 || time.minute > 59 || time.second > 59 || time.month < 1 || time.month > 12 || time.day < 1) {
    return false;
  }
  const i64 local = seconds_of(time);
  const CivilTime back = civil_time(local * kNsPerSecond);
  if (back.month != time.month || back.day != time.day) return false;
  seconds = local - zone.east_seconds;
  return seconds <= kSecondsMax;
}

}  // namespace user
