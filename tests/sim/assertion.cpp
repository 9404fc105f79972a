// tests/sim/assertion.cpp — over the Linux machine: a failed assertion of a native program ends its thread, any other
// aborts the test binary.
#include <cstdio>
#include <cstdlib>

#include "base/assert.h"
#include "sim/host/machine.h"
#include "sim/model/native.h"

void base::assertion_failed(const char* expression, const char* file, int line) {
  if (sim::in_native_program()) sim::host::assertion_failed(expression, file, line);
  std::fprintf(stderr, "assertion failed: %s (%s:%d)\n", expression, file, line);
  std::abort();
}
