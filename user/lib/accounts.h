// user/lib/accounts.h — names of users and groups, modes and dates as commands show them.
#pragma once
#include "user/runtime/process.h"

namespace user {

/// /etc/passwd and /etc/group, read once. A malformed line is passed over.
class Accounts {
 public:
  explicit Accounts(Process& process) : process_(process), passwd_(process.heap()), group_(process.heap()) {}
  /// Empty when there is none.
  base::String user_name(u32 uid) { return name_of("/etc/passwd", passwd_, have_passwd_, uid); }
  base::String group_name(u32 gid) { return name_of("/etc/group", group_, have_group_, gid); }
  /// Errors: NotFound.
  Result<Identity> find_user(std::string_view name);
  /// The groups that list `name` as a member, in the order of the file.
  base::Vector<u32> groups_of(std::string_view name);

 private:
  std::string_view passwd() { return text_of_file("/etc/passwd", passwd_, have_passwd_); }
  std::string_view group() { return text_of_file("/etc/group", group_, have_group_); }
  std::string_view text_of_file(std::string_view path, base::String& text, bool& have);
  base::String name_of(std::string_view path, base::String& text, bool& have, u32 id);
  Process& process_;
  base::String passwd_;
  base::String group_;
  bool have_passwd_ = false;
  bool have_group_ = false;
};

/// "rwxr-xr-x", with s and t where they stand.
struct ModeText {
  char text[10];
  operator std::string_view() const { return {text, 9}; }
};
ModeText mode_text(u16 mode);

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
