// base/assert.h — assertions that are always on, release too. In the kernel and the simulator a failed one stops
// the run; in a native program it becomes a fault of that thread. Who decides is the machine underneath, which
// defines `base::assertion_failed`.
#pragma once

namespace base {
/// Defined by the machine (sim/host, boot/, or a test's main). Never returns. `expression` and `file` are literals.
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);
}  // namespace base

/// States a fact. One fact each; an implication is `if (a) ASSERT(b);`.
#define ASSERT(condition)                                                   \
  (__builtin_expect(static_cast<bool>(condition), 1) ? static_cast<void>(0) \
                                                     : ::base::assertion_failed(#condition, __FILE_NAME__, __LINE__))
/// Either is fine here; says so to the reader.
#define MAYBE(condition) static_cast<void>(sizeof(static_cast<bool>(condition)))
/// Ends a path that cannot be taken, with the reason.
#define UNREACHABLE(why) ::base::assertion_failed("unreachable: " why, __FILE_NAME__, __LINE__)
