// tests/catch_main.cpp — Catch2's main, compiled once for all test binaries.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>

#ifdef ORRERY_PLANTED
#include <cstdlib>

#include "base/planted.h"

namespace {
// In a build with planted bugs the environment chooses one for the tests too: tools/mutants.sh.
const bool chosen = [] {
  const char* const name = std::getenv("ORRERY_BUG");
  base::planted_bug = name == nullptr ? 0 : base::planted_named(name);
  return true;
}();
}  // namespace
#endif
