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

Result<u32> Accounts::find_group(std::string_view name) {
  for (std::string_view rest = group(); !rest.empty();) {
    std::string_view line = take_part(rest, '\n');
    if (take_part(line, ':') != name || name.empty()) continue;
    take_part(line, ':');
    const auto gid = base::parse_u64(take_part(line, ':'));
    if (gid.ok()) return static_cast<u32>(*gid);
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

bool parse_mode(std::string_view text, u16 before, u16& mode) {
  const auto octal = base::parse_u64(text, 8);
  if (octal.ok()) {
    mode = static_cast<u16>(*octal);
    return *octal <= 07777;
  }
  mode = before;
  while (!text.empty()) {
    u16 who = 0;
    while (!text.empty() && std::string_view("ugoa").find(text[0]) != std::string_view::npos) {
      who |= text[0] == 'u' ? 04700 : text[0] == 'g' ? 02070 : text[0] == 'o' ? 01007 : 07777;
      text.remove_prefix(1);
    }
    if (who == 0) who = 07777;
    if (text.empty() || std::string_view("+-=").find(text[0]) == std::string_view::npos) return false;
    const char action = text[0];
    text.remove_prefix(1);
    u16 bits = 0;
    while (!text.empty() && text[0] != ',') {
      switch (text[0]) {
        case 'r': bits |= 0444; break;
        case 'w': bits |= 0222; break;
        case 'x': bits |= 0111; break;
        case 's': bits |= 06000; break;
        case 't': bits |= 01000; break;
        default: return false;
      }
      text.remove_prefix(1);
    }
    bits &= who;
    if (action == '+') mode |= bits;
    if (action == '-') mode = static_cast<u16>(mode & ~bits);
    if (action == '=') mode = static_cast<u16>((mode & ~(who & 0777)) | bits);
    if (!text.empty()) text.remove_prefix(1);
  }
  return true;
}

}  // namespace user
