// Runs the conformance files tests/lonala/*.lt: forms with the result each must have. `--- NAME` begins a behaviour on a fresh machine.
// After a form: `=> TEXT` printed text, `== FORM` equal value, `~> PATTERN` matches, `!! :kind [PATTERN]` error, `<< "text"` output.
// After the name: `@memory n`, the MiB that the machine is granted; `@schedule`, what it shows depends on who runs when;
// `@preempt-early n` and `@steal-order n`, seeds of the machine's options of these names.
#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/lonala/test_machine.h"
#include "vm/lonala/usage.h"

namespace {

using lonala_tests::kMemoryDefault;
using lonala_tests::Machine;

struct Block {
  std::string file;
  std::string name;
  u64 memory = kMemoryDefault;
  bool schedule = false;
  u64 preempt_early = 0;
  u64 steal_order = 0;
  std::vector<std::pair<u32, std::string>> lines;
};

std::vector<Block> read_blocks() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(ORRERY_LONALA_TESTS)) {
    if (entry.path().extension() == ".lt") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::vector<Block> blocks;
  for (const auto& path : files) {
    std::ifstream in(path);
    std::string line;
    for (u32 number = 1; std::getline(in, line); ++number) {
      if (line.starts_with("--- ")) {
        blocks.push_back({path.filename().string(), line.substr(4), kMemoryDefault, false, 0, 0, {}});
      } else if (line.starts_with("@preempt-early ")) {
        blocks.back().preempt_early = std::stoull(line.substr(15));
      } else if (line.starts_with("@steal-order ")) {
        blocks.back().steal_order = std::stoull(line.substr(13));
      } else if (line == "@schedule") {
        blocks.back().schedule = true;
      } else if (line.starts_with("@memory ")) {
        blocks.back().memory = std::stoull(line.substr(8)) << 20;
      } else if (!blocks.empty() && blocks.back().file == path.filename().string()) {
        blocks.back().lines.emplace_back(number, line);
      }
    }
  }
  return blocks;
}

bool is_check(const std::string& line) {
  return line.starts_with("=> ") || line.starts_with("== ") || line.starts_with("~> ") || line.starts_with("!! ") ||
         line.starts_with("<< ");
}

/// Empty if the check holds, else what was found.
std::string check(Machine& machine, const std::string& line, const lonala::Evaluation& result) {
  const std::string wanted = line.substr(3);
  const std::string found = !result.ok                      ? "!! " + machine.error(result.value)
                            : result.value == lonala::kNone ? "no form"
                                                            : machine.text(result.value);
  if (line.starts_with("!! ")) {
    if (result.ok) return found;
    if (wanted.starts_with(":exit")) return found == "!! " + wanted ? "" : found;
    const u64 space = wanted.find(' ');
    if (found.substr(3, found.find(' ', 3) - 3) != wanted.substr(0, space)) return found;
    if (space == std::string::npos) return "";
    const std::string matched =
        machine.ask("match", lonala::tuple_at(machine.vm, result.value, 2), wanted.substr(space + 1) + " true _ false");
    return matched == "true" ? "" : found;
  }
  if (line.starts_with("<< "))
    return machine.text(lonala::make_string(machine.vm, machine.ports.output)) == wanted ? "" : machine.ports.output;
  if (!result.ok) return found;
  if (line.starts_with("=> ")) return found == wanted ? "" : found;
  const bool equals = line.starts_with("== ");
  const std::string held =
      machine.ask(equals ? "=" : "match", result.value, equals ? wanted : wanted + " true _ false");
  return held == "true" ? "" : found;
}

std::string run_block(const Block& block, lonala::MachineOptions options) {
  if (block.preempt_early != 0) options.preempt_early = block.preempt_early;
  if (block.steal_order != 0) options.steal_order = block.steal_order;
  Machine machine(options, block.memory);
  if (machine.vm.root == nullptr) return "the machine does not start: " + machine.ports.log;
  std::string pending;
  lonala::Evaluation result{true, lonala::kNone};
  std::string early;
  const auto place = [&](u32 number) { return block.file + ":" + std::to_string(number) + ": "; };
  for (const auto& [number, line] : block.lines) {
    if (!is_check(line)) {
      pending += line + "\n";
      continue;
    }
    if (pending.find_first_not_of(" \n") != std::string::npos) {
      result = machine.run(pending, early);
      if (!early.empty()) return place(number) + "set-up failed: " + early;
      pending.clear();
    }
    const std::string wrong = check(machine, line, result);
    if (!wrong.empty()) return place(number) + "wanted " + line + "\n  found " + wrong;
  }
  result = machine.run(pending, early);
  if (!result.ok && early.empty()) early = machine.error(result.value);
  if (early.empty()) early = lonala::usage_problem(machine.vm);
  return early.empty() ? "" : block.file + " " + block.name + ": set-up failed: " + early;
}

std::string run_all(lonala::MachineOptions options) {
  std::string failures;
  const bool own_schedule = options.preempt_early == 0 && options.steal_order == 0;
  for (const Block& block : read_blocks()) {
    if (block.schedule && !own_schedule) continue;
    const std::string wrong = run_block(block, options);
    if (!wrong.empty()) failures += "--- " + block.name + "\n" + wrong + "\n";
  }
  return failures;
}

}  // namespace

TEST_CASE("every conformance file holds", "[vm][lonala][conformance]") { CHECK(run_all({}) == ""); }

TEST_CASE("every conformance file holds when each function entry collects", "[vm][lonala][conformance][gc]") {
  CHECK(run_all({.gc_stress = true}) == "");
}

TEST_CASE("every conformance file holds when slices end early", "[vm][lonala][conformance][scheduler]") {
  for (u64 seed = 1; seed <= 2; ++seed) {
    CAPTURE(seed);
    CHECK(run_all({.preempt_early = seed}) == "");
  }
}

TEST_CASE("every conformance file holds whichever process that is ready runs next",
          "[vm][lonala][conformance][scheduler]") {
  for (u64 seed = 1; seed <= 2; ++seed) {
    CAPTURE(seed);
    CHECK(run_all({.steal_order = seed}) == "");
  }
}
