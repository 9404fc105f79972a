#include "user/lib/accounts.h"

#include "base/parse.h"

#include "base/enforce.h"

namespace user {

std::string_view Accounts::text_of_file(std::string_view path, base::String& text, bool& have) {
  if (!have) {
    auto read = process_.read_file(path);
    if (read.ok()) text = std::move(*read);
    have = true;
  }
  return text.view();
}

namespace {

std::string_view take_part(std::string_view& text, char end_mark) {
  const u64 end = std::min<u64>(text.find(end_mark), text.size());
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return part;
}

}  // namespace

Result<Identity> Accounts::find_user(std::string_view name) {
  for (std::string_view rest = passwd(); !rest.empty();) {
    std::string_view line = take_part(rest, '\n');
    if (take_part(line, ':') != name || name.empty()) continue;
    take_part(line, ':');
    const auto uid = base::parse_u64(take_part(line, ':'));
    const auto gid = base::parse_u64(take_part(line, ':'));
    if (uid.ok() && gid.ok()) return Identity{static_cast<u32>(*uid), static_cast<u32>(*gid)};
  }
  return fs::fail(ErrorCode::NotFound);
}

base::Vector<u32> Accounts::groups_of(std::string_view name) {
  base::Vector<u32> groups(process_.heap());
  for (std::string_view rest = group(); !rest.empty() && !name.empty();) {
    std::string_view line = take_part(rest, '\n');
    take_part(line, ':');
    take_part(line, ':');
    const auto gid = base::parse_u64(take_part(line, ':'));
    while (gid.ok() && !line.empty()) {
      if (take_part(line, ',') == name) groups.push_back(static_cast<u32>(*gid));
    }
  }
  return groups;
}

base::String Accounts::name_of(std::string_view path, base::String& text, bool& have, u32 id) {
  std::string_view rest = text_of_file(path, text, have);
  while (!rest.empty()) {
    const u64 end = std::min<u64>(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const u64 first = line.find(':');
    const u64 second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    const std::string_view number = line.substr(second + 1, line.find(':', second + 1) - second - 1);
    const auto value = base::parse_u64(number);
    if (value.ok() && *value == id) return base::String(process_.heap(), line.substr(0, first));
  }
  return base::String(process_.heap());
}

ModeText mode_text(u16 mode) {
  ModeText out{};
  for (u32 i = 0; i < 9; ++i) out.text[i] = (mode >> (8 - i) & 1) != 0 ? "rwx"[i % 3] : '-';
  const auto special = [&](u32 at, u16 bit, char with_x, char without) {
    if ((mode & bit) != 0) out.text[at] = out.text[at] == 'x' ? with_x : without;
  };
  special(2, 04000, 's', 'S');
  special(5, 02000, 's', 'S');
  special(8, 01000, 't', 'T');
  return out;
}

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
