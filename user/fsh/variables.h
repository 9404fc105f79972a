// user/fsh/variables.h — what words expand to: the shell's parameters behind a port, so that expansion and arithmetic can
// be driven without processes.
#pragma once
#include "base/result.h"
#include "base/string.h"
#include "base/vector.h"

namespace user::fsh {

/// A failed expansion: what is printed behind `fsh: `, and the status it leaves.
struct ShellError {
  u8 status = 1;
  u8 size = 0;
  char bytes[126] = {};
  ShellError() = default;
  ShellError(u8 status_, std::string_view text) : status(status_) { append(text); }
  template <class... A>
  static ShellError format(u8 status, std::string_view pattern, const A&... arguments) {
    ShellError error;
    error.status = status;
    base::Writer writer{std::span<char>(error.bytes)};
    base::format_to(writer, pattern, arguments...);
    error.size = static_cast<u8>(writer.size());
    return error;
  }
  std::string_view text() const { return {bytes, size}; }

 private:
  void append(std::string_view text) {
    size = static_cast<u8>(text.size() < sizeof bytes ? text.size() : sizeof bytes);
    for (u8 i = 0; i < size; ++i) bytes[i] = text[i];
  }
};
template <class T>
using ShellResult = base::Result<T, ShellError>;

/// What the expander asks of the shell.
class Parameters {
 public:
  /// The value of a variable, or null data when it is not set.
  virtual std::string_view variable(std::string_view name) const = 0;
  /// Sets a variable; fails when it is read only.
  virtual ShellResult<void> assign(std::string_view name, std::string_view value) = 0;
  /// `?`, `-`, `$`, `!`, `0`: appended to `out`; false when there is none (`$!` before a background command).
  virtual bool special(char name, base::String& out) const = 0;
  virtual std::span<const base::String> positional() const = 0;
  /// The output of a program text, trailing newlines still there. `<file` alone reads the file.
  virtual ShellResult<base::String> substitute(std::string_view program) = 0;
  /// The names in a directory, sorted; empty when it cannot be read. "" is the current one.
  virtual base::Vector<base::String> names_in(std::string_view directory) = 0;
  virtual bool exists(std::string_view path) = 0;
  /// The home directory of a user; null data for none.
  virtual std::string_view home_of(std::string_view user) = 0;
  virtual bool option_nounset() const = 0;
  virtual bool option_noglob() const = 0;

 protected:
  ~Parameters() = default;
};

/// `$((…))` after its own expansions: signed 64 bit, wrapping. Names stand for variables, unset ones for 0.
/// Errors: `division by zero`, `bad number: 08`, `bad expression: …` (status 2).
ShellResult<i64> evaluate(Parameters& parameters, std::string_view expression);

}  // namespace user::fsh
