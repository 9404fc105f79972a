// What the freestanding archives of the core refer to. The link of boot/ refuses what nobody defines; this test also refuses
// what somebody defines by mistake, and says which archive asks.
#include <catch2/catch.hpp>

#include <fstream>
#include <set>
#include <sstream>

#include "tests/sim/cli_lab.h"
#include "tests/skip.h"

using namespace cli_lab;

namespace {

std::set<std::string> symbols(const std::string& flags, const std::string& files) {
  const Finished finished = shell("nm -P " + flags + " " + files + " 2>/dev/null");
  REQUIRE(finished.code == 0);
  std::set<std::string> names;
  std::istringstream lines(finished.out);
  for (std::string line; std::getline(lines, line);) {
    const auto end = line.find(' ');
    if (end != std::string::npos && !line.empty() && line.back() != ':') names.insert(line.substr(0, end));
  }
  return names;
}

std::vector<std::string> lines_of(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty()) lines.push_back(line);
  }
  return lines;
}

/// Undefined in `files`, defined neither there nor among `allowed`.
std::set<std::string> foreign(const std::string& files, const std::set<std::string>& defined) {
  std::set<std::string> rest;
  for (const std::string& name : symbols("--undefined-only", files)) {
    if (!defined.contains(name)) rest.insert(name);
  }
  return rest;
}

/// What inline code of the compiler and of the standard library refers to (docs/building.md, B5), and what a platform gives
/// the core below kernel-model/machine.h: neither is a service of an operating system.
bool is_given(const std::string& name) {
  static const std::set<std::string> kMemory = {"memcpy", "memmove", "memset", "memcmp",
                                                "memchr", "strlen",  "abort",  "__cxa_pure_virtual"};
  static const std::set<std::string> kArithmetic = {"__popcountdi2", "__clzdi2",     "__ctzdi2",  "__bswapdi2",
                                                    "__bswapsi2",    "__udivti3",    "__umodti3", "__divti3",
                                                    "__modti3",      "__udivmodti4", "__multi3"};
  return kMemory.contains(name) || kArithmetic.contains(name) || name.starts_with("_ZSt") ||  // std::__throw_…
         name.starts_with("_ZdlPv") ||                                                        // operator delete
         name.starts_with("_ZN7machine") || name.starts_with("_ZN4base16assertion_failed");
}

}  // namespace

TEST_CASE("the core's archives refer to no symbol of an operating system", "[system][bare][simulation.T10]") {
  const std::vector<std::string> archives = lines_of(ORRERY_CORE_ARCHIVES);
  if (archives.empty()) {
    skip("this build makes no freestanding archives: sanitizers do not reach them");
    return;
  }
  std::string files;
  for (const std::string& archive : archives) files += archive + " ";
  REQUIRE(archives.size() > 5);
  const std::set<std::string> defined = symbols("--defined-only", files);
  REQUIRE(defined.size() > 1000);
  std::set<std::string> wrong;
  for (const std::string& name : foreign(files, defined)) {
    if (!is_given(name)) wrong.insert(name);
  }
  CHECK(wrong == std::set<std::string>{});

  // Each of these asks for one thing that it must not have.
  for (const auto& [object, name] : {std::pair<std::string, std::string>{ORRERY_ASKS_MALLOC, "malloc"},
                                     {ORRERY_ASKS_GETENV, "getenv"},
                                     {ORRERY_ASKS_WRITE, "write"}}) {
    CAPTURE(object);
    const std::set<std::string> asked = foreign(object, defined);
    CHECK(asked.contains(name));
    CHECK(!is_given(name));
    CHECK(!defined.contains(name));
  }
}
