// Checks of tests/sessions/*.txt: each in a world of its own, typed as a script, its output compared line by line.
// One a line: `ID INPUT ⇒ OUTPUT`, where ` ⏎ ` separates lines on both sides.
#include <catch2/catch.hpp>

#include <fstream>
#include <string>

#include "sim/host/machine_host.h"
#include "user/image.h"
#include "user/native.h"

namespace {

constexpr u64 kLimitNs = 600'000'000'000;

std::string lines_of(std::string text) {
  const std::string mark = " ⏎ ";
  std::string out;
  for (std::size_t at = text.find(mark); at != std::string::npos; at = text.find(mark)) {
    out.append(text, 0, at).push_back('\n');
    text.erase(0, at + mark.size());
  }
  out.append(text).push_back('\n');
  return out;
}

std::string output_of(const std::string& script) {
  std::string output;
  sim::host::Machine machine({.seed = 1,
                              .cores = 4,
                              .ram_bytes = u64{64} << 20,
                              .image = std::string(base::text_of(user::boot_image())),
                              .console = sim::ConsoleKind::Script,
                              .script = script,
                              .entries = user::native_entries()});
  machine.on_output = [&](u32, base::Bytes bytes) { output += base::text_of(bytes); };
  REQUIRE(machine.start() == "");
  CHECK(machine.world().run(kLimitNs) == sim::Outcome::Ended);
  return output;
}

}  // namespace

TEST_CASE("each check of the commands prints exactly what it says", "[user][commands][session]") {
  std::ifstream file(ORRERY_SESSIONS "/commands.txt");
  REQUIRE(file.good());
  u32 count = 0;
  for (std::string line; std::getline(file, line); ++count) {
    const std::string arrow = " ⇒ ";
    const std::size_t blank = line.find(' ');
    const std::size_t split = line.find(arrow);
    REQUIRE(split != std::string::npos);
    const std::string input = line.substr(blank + 1, split - blank - 1);
    CAPTURE(line.substr(0, blank), input);
    CHECK(output_of(lines_of(input)) == lines_of(line.substr(split + arrow.size())));
  }
  CHECK(count > 0);
}
