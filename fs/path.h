// fs/path.h — names and paths as bytes: what is a legal name, lexical normalisation, and walking a path name by name.
// `..` is lexical: it removes the name before it and never looks at a file.
// Tested by   tests/fs/path_test.cpp (model: a vector of names)
#pragma once
#include "base/string.h"
#include "fs/types.h"

namespace fs {

/// One name inside a message: 1–255 bytes, no NUL and no '/', not "." or "..". Errors: BadFileName, NameTooLong.
Result<void> check_name(std::string_view name);

/// Joins `path` to `directory` (absolute and normal already) unless it is absolute, and normalises it: `//` and `.` go,
/// `..` removes the name before it, `/..` is `/`. The result starts with '/' and ends without one unless it is "/".
/// Errors: BadFileName (empty path, NUL), NameTooLong (a name > 255 or the result > 4095 bytes).
Result<void> normalise(std::string_view directory, std::string_view path, base::String& out);

/// Whether the text of a path demands a directory: it ends in '/', "/." or "/..", or is "." or "..".
bool demands_directory(std::string_view path);

/// Whether `path` equals `prefix` or lies below it; both normal.
bool is_within(std::string_view path, std::string_view prefix);

/// The part of `path` below `prefix` without a leading '/'; is_within holds.
std::string_view below(std::string_view path, std::string_view prefix);

std::string_view last_name(std::string_view path);    // "" for "/"
std::string_view parent_path(std::string_view path);  // "/" for a name in the root; "" for a relative single name

/// The names of a relative path, one after the other.
class NameCursor {
 public:
  explicit NameCursor(std::string_view path) : rest_(path) {}
  bool done() const { return rest_.empty(); }
  /// The next name; what lies behind it stays for later. Empty names are returned as such, `check_name` refuses them.
  std::string_view next();
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

}  // namespace fs
