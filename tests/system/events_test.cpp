// What the system's own programs tell as events, seen through the command.
#include <catch2/catch.hpp>

#include <sstream>
#include <vector>

#include "tests/sim/cli_lab.h"

using namespace cli_lab;

namespace {

/// Lines of events of a run of `script` that the filter lets through.
std::vector<std::string> events_of(const std::string& script, const std::string& filter) {
  const std::string path = script_file(script);
  const Finished finished = shell(kOrrery + " run " + path + " --trace '" + filter + "' 2>&1 >/dev/null");
  std::remove(path.c_str());
  std::vector<std::string> lines;
  std::istringstream text(finished.out);
  for (std::string line; std::getline(text, line);) {
    if (line.starts_with("#")) lines.push_back(line);
  }
  return lines;
}

u64 count(const std::vector<std::string>& lines, const std::string& part) {
  u64 found = 0;
  for (const std::string& line : lines) found += contains(line, part) ? 1 : 0;
  return found;
}

}  // namespace

TEST_CASE("file servers tell what is written and read, with offset and count", "[system][fs][events]") {
  const auto lines = events_of(
      "printf 'abcdefg' > /tmp/f\n"       // 7 bytes at 0
      "printf 'hij' >> /tmp/f\n"          // 3 bytes at 7, at the end
      "cat /tmp/f /tmp/f > /dev/null\n",  // 10 bytes, and the end, twice
      "fs.read or fs.write");
  CHECK(count(lines, "fs.write ") >= 2);
  CHECK(count(lines, " b=0 c=7 ") == 1);
  CHECK(count(lines, " b=7 c=3 ") == 1);
  CHECK(count(lines, " b=0 c=a ") == 2);
  CHECK(count(lines, " b=a c=0 ") == 2);
}
