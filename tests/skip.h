// tests/skip.h — a test that cannot be made here says so, with its reason; tools/count_tests.py lists all of a run.
#pragma once
#include <catch2/catch.hpp>

#include <cstdio>
#include <string>

/// Notes why the running test, or a part of it, is left out. It counts as passed: what is missing is the host's.
inline void skip(const std::string& reason) {
  std::printf("SKIPPED: %s: %s\n", Catch::getResultCapture().getCurrentTestName().c_str(), reason.c_str());
  std::fflush(stdout);
}
