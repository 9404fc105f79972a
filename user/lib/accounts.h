// user/lib/accounts.h — names of users and groups, and modes as commands show them.
#pragma once
#include "user/lib/civil_time.h"
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
  Result<u32> find_group(std::string_view name);
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

/// An octal mode, or symbolic clauses (`u+x,go-w`) on top of `before`; false when it is neither.
bool parse_mode(std::string_view text, u16 before, u16& mode);

}  // namespace user
