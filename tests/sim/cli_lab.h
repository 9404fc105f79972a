// tests/sim/cli_lab.h — the `orrery` command with the small guest, run by a shell as a user would.
#pragma once
#include <catch2/catch.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "base/types.h"

namespace cli_lab {

struct Finished {
  int code = -1;
  std::string out;
};

/// Runs a shell command line; `out` is its standard output (and error, where the line says so).
inline Finished shell(const std::string& line) {
  Finished finished;
  std::FILE* pipe = popen(line.c_str(), "r");
  REQUIRE(pipe != nullptr);
  char buffer[4096];
  for (std::size_t count = fread(buffer, 1, sizeof buffer, pipe); count > 0;
       count = fread(buffer, 1, sizeof buffer, pipe)) {
    finished.out.append(buffer, count);
  }
  const int status = pclose(pipe);
  finished.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return finished;
}

inline const std::string kOrrery = ORRERY_SMALL;

inline std::string temporary(const std::string& name) {
  return "/tmp/orrery-cli-test-" + std::to_string(getpid()) + (name.empty() ? "" : "-") + name;
}

inline std::string script_file(const std::string& text) {
  const std::string path = temporary("");
  std::ofstream(path) << text;
  return path;
}

inline std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace cli_lab
