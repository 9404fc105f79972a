#include "fs/path.h"

#include "base/enforce.h"

namespace fs {

Result<void> check_name(std::string_view name) {
  if (name.empty() || name == "." || name == "..") return fail(ErrorCode::BadFileName);
  if (name.size() > kNameBytesMax) return fail(ErrorCode::NameTooLong);
  for (const char byte : name) {
    if (byte == '\0' || byte == '/') return fail(ErrorCode::BadFileName);
  }
  return {};
}

namespace {

/// Appends the names of `path` to a normal path.
Result<void> append_names(std::string_view path, base::String& out) {
  NameCursor names(path);
  while (!names.done()) {
    const std::string_view name = names.next();
    if (name.empty() || name == ".") continue;
    if (name == "..") {
      out.truncate(parent_path(out.view()).size());
      if (out.view() == "/") out.clear();
      continue;
    }
    if (name.size() > kNameBytesMax) return fail(ErrorCode::NameTooLong);
    out.push('/');
    out.append(name);
  }
  return {};
}

}  // namespace

Result<void> normalise(std::string_view directory, std::string_view path, base::String& out) {
  if (path.empty() || path.find('\0') != std::string_view::npos) return fail(ErrorCode::BadFileName);
  out.clear();
  if (path.front() != '/') TRY(append_names(directory, out));
  TRY(append_names(path, out));
  if (out.empty()) out.push('/');
  if (out.size() > kPathBytesMax) return fail(ErrorCode::NameTooLong);
  return {};
}

bool demands_directory(std::string_view path) {
  const std::string_view last = path.substr(path.rfind('/') == std::string_view::npos ? 0 : path.rfind('/') + 1);
  return !path.empty() && (last.empty() || last == "." || last == "..");
}

bool is_within(std::string_view path, std::string_view prefix) {
  if (prefix == "/") return true;
  return path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/');
}

std::string_view below(std::string_view path, std::string_view prefix) {
  ASSERT(is_within(path, prefix));
  const std::string_view rest = path.substr(prefix == "/" ? 0 : prefix.size());
  return rest.empty() ? rest : rest.substr(1);
}

std::string_view last_name(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

std::string_view parent_path(std::string_view path) {
  const auto slash = path.rfind('/');
  if (slash == std::string_view::npos) return {};
  return path.substr(0, slash == 0 ? 1 : slash);
}

std::string_view NameCursor::next() {
  ASSERT(!rest_.empty());
  const auto slash = rest_.find('/');
  const std::string_view name = rest_.substr(0, slash);
  rest_ = slash == std::string_view::npos ? std::string_view{} : rest_.substr(slash + 1);
  return name;
}

}  // namespace fs
