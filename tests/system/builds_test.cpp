// One root whatever the host does: other builds, bare machines, perturbed hosts. What takes longer than a test may is hidden
// by the tag [.wide]: `system_tests '[.wide]'`; tools/determinism_check.sh and tools/machines_check.py are wider still.
#include <catch2/catch.hpp>

#include <filesystem>

#include "tests/sim/cli_lab.h"
#include "tests/skip.h"

using namespace cli_lab;

namespace {

const std::string kSource = std::string(ORRERY_SOURCE_DIR) + "/";
const std::string kBuild = std::string(ORRERY_BUILD_DIR) + "/";
const std::string kScripts = kSource + "tests/determinism/";

std::string first_line(const std::string& text, const std::string& start) {
  const auto at = text.find(start);
  return at == std::string::npos ? std::string() : text.substr(at, text.find('\n', at) - at);
}

std::string model_of(const std::string& binary) { return first_line(shell(binary + " version 2>&1").out, "model "); }

/// What a run prints, its digest included, and how it ended.
std::string told(const std::string& binary, const std::string& subject, u64 seed) {
  const Finished finished =
      shell(binary + " run " + subject + " --seed " + std::to_string(seed) + " --digest 2>/dev/null");
  return finished.out + "status " + std::to_string(finished.code);
}

struct Sibling {
  std::string name;
  std::string binary;
};

/// The builds of this tree with the same model: another optimisation, compiler or sanitizer.
std::vector<Sibling> siblings() {
  std::vector<Sibling> found;
  const std::string own = model_of(kOrrery);
  for (const std::string name : {"host", "debug", "asan", "clang"}) {
    const std::string folder = kSource + "build/" + name;
    const std::string binary = folder + "/orrery";
    std::error_code error;
    if (std::filesystem::equivalent(folder, ORRERY_BUILD_DIR, error)) continue;
    if (!std::filesystem::exists(binary)) {
      skip("there is no build " + name + "; build it: cmake --preset " + name + " && cmake --build " + folder);
    } else if (model_of(binary) != own) {
      skip("the build " + name + " is of other sources; build it again");
    } else {
      found.push_back({name, binary});
    }
  }
  return found;
}

void compare_builds(u64 seeds) {
  const std::vector<std::string> subjects = {kScripts + "files.fsh", kScripts + "processes.fsh"};
  for (const Sibling& other : siblings()) {
    CAPTURE(other.name);
    for (u64 seed = 1; seed <= seeds; ++seed) {
      CAPTURE(seed);
      const std::string& subject = subjects[seed % subjects.size()];
      const std::string own = told(kOrrery, subject, seed);
      REQUIRE(contains(own, "\ndigest "));
      REQUIRE(told(other.binary, subject, seed) == own);
    }
  }
}

void verify_silently(const std::string& subject, const std::string& flags, u64 seeds) {
  CAPTURE(subject, flags);
  const Finished finished =
      shell(kOrrery + " verify " + subject + flags + " --full --seeds 1.." + std::to_string(seeds) + " 2>&1");
  CAPTURE(finished.out);
  REQUIRE(finished.code == 0);
  u64 equal = 0;
  for (auto at = finished.out.find("equal "); at != std::string::npos; at = finished.out.find("\nequal ", at + 1))
    ++equal;
  CHECK(equal == seeds);
}

/// The image of a bare machine; empty, and noted, when it cannot be run here.
std::string image_of(const std::string& machine, const std::string& file) {
  for (const std::string& path : {kBuild + file, kSource + "build/bare-" + machine + "/" + file}) {
    if (!std::filesystem::exists(path)) continue;
    if (shell("command -v qemu-system-" + machine).code == 0) return path;
    skip("qemu-system-" + machine + " is not installed; on Debian: apt-get install qemu-system-misc qemu-system-x86");
    return {};
  }
  skip("there is no image for " + machine + "; build it: cmake --preset bare-" + machine +
       " && cmake --build build/bare-" + machine);
  return {};
}

void compare_machines(const std::vector<std::string>& runs) {
  const std::pair<std::string, std::string> machines[] = {
      {"x86_64", "orrery-x86_64.elf"}, {"riscv64", "orrery-riscv64.elf"}, {"aarch64", "orrery-aarch64.bin"}};
  for (const auto& [machine, file] : machines) {
    CAPTURE(machine);
    const std::string image = image_of(machine, file);
    if (image.empty()) continue;
    for (const std::string& run : runs) {
      CAPTURE(run);
      const Finished host = shell(kOrrery + " run " + run + " --digest 2>/dev/null");
      // `boot` holds the root of each epoch against the host's own and stops at the first that differs.
      const Finished bare = shell(kOrrery + " boot " + machine + " " + run + " --digest --kernel " + image + " 2>&1");
      CAPTURE(bare.out);
      if (bare.code == 8 && contains(bare.out, "model")) {
        skip("the image of " + machine + " is of other sources; build it again");
        break;
      }
      REQUIRE(bare.code == 0);
      const std::string digest = first_line(host.out, "digest ");
      REQUIRE(digest.size() == std::string("digest ").size() + 32);
      CHECK(contains(bare.out, digest));
    }
  }
}

}  // namespace

TEST_CASE("builds of one model have one root, whatever compiled them", "[system][determinism][simulation.T4]") {
  compare_builds(6);
}

TEST_CASE("builds of one model have one root for fifty seeds", "[.wide][system][determinism]") { compare_builds(50); }

TEST_CASE("no perturbation of the host shows in a run", "[system][determinism][simulation.T7]") {
  verify_silently(kScripts + "files.fsh", "", 1);
  verify_silently(kSource + "scenarios/pipes.lua", "", 1);
}

TEST_CASE("no perturbation of the host shows in two hundred seeds", "[.wide][system][determinism]") {
  verify_silently(kScripts + "files.fsh", "", 100);
  verify_silently(kScripts + "processes.fsh", " --cores 3", 80);
  verify_silently(kSource + "scenarios/pipes.lua", "", 20);
}

TEST_CASE("a portable plan has one root on the host and on bare machines, epoch for epoch",
          "[system][determinism][bare][simulation.T3]") {
  compare_machines({kScripts + "files.fsh --seed 3",
                    kScripts + "processes.fsh --seed 4 --cores 2 --clock drift=300 --sched pct:depth=2"});
}

TEST_CASE("every script has one root on the host and on bare machines", "[.wide][system][determinism][bare]") {
  std::vector<std::string> runs;
  for (const std::string name : {"files", "lonala", "lonala_calls", "processes", "shell"}) {
    for (const std::string seed : {"1", "2", "3"}) runs.push_back(kScripts + name + ".fsh --seed " + seed);
  }
  compare_machines(runs);
}

TEST_CASE("a machine that differs from the host is told with its first event", "[system][determinism][bare]") {
  const std::string image = image_of("x86_64", "orrery-x86_64.elf");
  if (image.empty()) return;
  const Finished finished =
      shell(ORRERY_LEAKY " boot x86_64 " + kScripts + "processes.fsh --kernel " + image + " 2>&1");
  CAPTURE(finished.out);
  CHECK(finished.code == 4);
  CHECK(contains(finished.out, "first difference    #"));
}
