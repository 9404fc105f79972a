// tests/assertion.cpp — a failed assertion prints where and aborts the test binary.
#include <cstdio>
#include <cstdlib>

#include "base/assert.h"

void base::assertion_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "assertion failed: %s (%s:%d)\n", expression, file, line);
  std::abort();
}
