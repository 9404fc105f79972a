// sim/host/assertion.cpp — what a failed assertion does in the `orrery` process. A file of its own, so that a test binary
// can bring its own.
#include "base/assert.h"
#include "sim/host/machine.h"

void base::assertion_failed(const char* expression, const char* file, int line) {
  sim::host::assertion_failed(expression, file, line);
}
