// The command line of `lonala`: what each option means, and that every wrong one is told by name.
#include <catch2/catch.hpp>

#include <string>
#include <vector>

#include "user/lonala/command_line.h"
#include "vm/lonala/tracing.h"

namespace {

using user::lonala_program::CommandLine;

constexpr user::lonala_program::MemoryRange kRange{u64{16} << 20, u64{1} << 30, "1G"};

/// What is wrong with the words, or nothing; `line` is what they mean, and refers to them until the next call.
std::string parse(CommandLine& line, std::vector<std::string_view> words) {
  static std::vector<std::string_view> kept;
  kept = std::move(words);
  line = {};
  return std::string(line.parse(kept, kRange));
}

}  // namespace

TEST_CASE("the options of lonala mean what its help says", "[user][lonala][command]") {
  using enum CommandLine::What;
  CommandLine line;
  CHECK(parse(line, {}) == "");
  CHECK((line.what == Default && line.memory == u64{16} << 20 && line.welcome && !line.wait && line.operands.empty()));
  CHECK(parse(line, {"--wait", "--no-banner", "--gc-stress", "--memory", "64M", "--seed", "0x10", "--load-path",
                     "/a:/b", "file", "--wait"}) == "");
  CHECK((line.what == Default && line.wait && !line.welcome && line.gc_stress && line.memory == u64{64} << 20));
  CHECK((line.seed == 16 && line.load_path == "/a:/b" && line.operands.size() == 2 && line.operands[1] == "--wait"));
  CHECK(parse(line, {"--seed", "7", "-e", "(f)", "-e"}) == "");
  CHECK((line.what == Evaluate && line.operands.size() == 2 && line.seed == 7));
  CHECK(parse(line, {"-c", "a.lona", "-o", "a.lom"}) == "");
  CHECK((line.what == Compile && line.operands[0] == "a.lona" && line.out == "a.lom"));
  CHECK(parse(line, {"-c", "-o", "a.lom", "a.lona"}) == "");
  CHECK((line.what == Compile && line.operands[0] == "a.lona" && line.out == "a.lom"));
  CHECK(parse(line, {"--start-time", "2026-01-01T00:00:01Z"}) == "");
  CHECK((line.has_start_time && line.start_wall_ns == 1'767'225'601'000'000'000));
  CHECK(parse(line, {"--start-time", "@12"}) == "");
  CHECK(line.start_wall_ns == 12'000'000'000);
  CHECK(parse(line, {"--trace", "send,gc", "--trace", "exit"}) == "");
  CHECK(line.trace == (lonala::kTraceSend | lonala::kTraceGc | lonala::kTraceExit));
  CHECK(parse(line, {"--", "-e"}) == "");
  CHECK((line.what == Default && line.operands.size() == 1));
  CHECK(parse(line, {"-"}) == "");
  CHECK((line.what == Default && line.operands[0] == "-"));
  CHECK(parse(line, {"--wait", "--help", "--frob"}) == "");
  CHECK(line.what == Help);
}

TEST_CASE("every wrong option of lonala is told by name", "[user][lonala][command]") {
  const std::vector<std::pair<std::vector<std::string_view>, std::string>> wrong = {
      {{"--frob"}, "unknown option: --frob"},
      {{"-x", "file"}, "unknown option: -x"},
      {{"-e"}, "-e needs a form"},
      {{"-m"}, "-m needs a namespace"},
      {{"--check"}, "--check needs a file"},
      {{"-c"}, "-c needs a file"},
      {{"-c", "a"}, "-c needs -o and the file to write"},
      {{"-c", "a", "-o"}, "-o needs a file"},
      {{"-c", "a", "b", "-o", "c"}, "-c takes one file"},
      {{"-c", "a", "-o", "b", "-o", "c"}, "-c takes one -o"},
      {{"--memory"}, "--memory needs a size from 16M to 1G"},
      {{"--memory", "1M"}, "--memory needs a size from 16M to 1G"},
      {{"--memory", "2G"}, "--memory needs a size from 16M to 1G"},
      {{"--seed", "many"}, "--seed needs a number, not 'many'"},
      {{"--seed"}, "--seed needs a number, not ''"},
      {{"--load-path"}, "--load-path needs folders"},
      {{"--start-time", "2026-02-30"},
       "--start-time needs a moment as 2026-01-31T12:00:00 or @SECONDS, not '2026-02-30'"},
      {{"--trace", "send,frob"}, "--trace needs classes out of spawn, exit, send, gc, slice, all, not 'frob'"},
      {{"--trace"}, "--trace needs classes out of spawn, exit, send, gc, slice, all, not 'nothing'"},
      {{"--forms", "file"}, "--forms takes no file: file"}};
  for (const auto& [words, problem] : wrong) {
    CommandLine line;
    CHECK(parse(line, words) == problem);
  }
}
