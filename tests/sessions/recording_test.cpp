// Recordings of the real system at a terminal: what is typed while it is not shown, and how large they get.
#include <catch2/catch.hpp>

#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>

#include "replay/edit.h"
#include "sim/host/contain.h"
#include "sim/host/machine.h"
#include "user/image.h"
#include "user/native.h"

using namespace replay;

namespace {

const std::string& built_in_image() {
  static const std::string image(base::text_of(user::boot_image()));
  return image;
}

std::string temporary(const std::string& name) {
  return "/tmp/orrery-session-test-" + std::to_string(getpid()) + "-" + name;
}

std::string bytes_of_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Types each line at a terminal, a second after the one before, and records the session.
std::string type_and_record(const std::string& name, const std::vector<std::string>& lines) {
  const std::string path = temporary(name);
  sim::host::Machine machine({.seed = 3,
                              .cores = 2,
                              .image = built_in_image(),
                              .console = sim::ConsoleKind::Terminal,
                              .columns = 80,
                              .rows = 25,
                              .entries = user::native_entries()});
  Recorder recorder;
  REQUIRE(recorder.open({.path = path}, machine.options()) == "");
  recorder.attach(machine);
  REQUIRE(machine.start() == "");
  sim::World& world = machine.world();
  sim::host::contain(world, {.report_assertions = false});
  u64 until = 0;
  sim::Outcome outcome = sim::Outcome::Running;
  for (const std::string& line : lines) {
    until += 1'000'000'000;
    outcome = machine.run(until);
    world.console_input(1, base::bytes_of(line + "\r"), world.input_time(until));
  }
  outcome = machine.run(until + 2'000'000'000);
  sim::host::release_containment();
  recorder.finish(result_text(outcome, world), world.finish());
  return path;
}

Replayed replayed(const std::string& path, std::string* output = nullptr) {
  const Recording recording = load(path);
  REQUIRE(!recording.problem);
  PlanRead plan = machine_of(recording, built_in_image(), user::native_entries());
  REQUIRE(plan.error == "");
  sim::host::Machine machine(std::move(plan.options));
  machine.on_output = [output](u32, base::Bytes bytes) {
    if (output != nullptr) *output += base::text_of(bytes);
  };
  Player player(recording, machine, {});
  REQUIRE(machine.start() == "");
  sim::host::contain(machine.world(), {.report_assertions = false});
  const Replayed result = player.play();
  sim::host::release_containment();
  return result;
}

}  // namespace

namespace {

/// Every event of a script's run, while memory that nobody has written is full of `fill`.
std::vector<base::Event> events_of(const std::string& script, u8 fill) {
  sim::host::poison() = {true, fill};
  std::vector<base::Event> events;
  sim::host::Machine machine({.seed = 7,
                              .cores = 3,
                              .image = built_in_image(),
                              .console = sim::ConsoleKind::Script,
                              .script = script,
                              .entries = user::native_entries()});
  machine.on_event = [&events](const base::Event& event) { events.push_back(event); };
  REQUIRE(machine.start() == "");
  sim::host::contain(machine.world(), {.report_assertions = false});
  CHECK(machine.run(sim::kNever) == sim::Outcome::Ended);
  sim::host::release_containment();
  machine.world().finish();
  sim::host::poison() = {};
  return events;
}

}  // namespace

TEST_CASE("no event has a byte that nobody set", "[sessions][determinism][simulation.T6]") {
  static_assert(std::has_unique_object_representations_v<base::Event>);
  for (const char* name : {"shell", "lonala"}) {
    CAPTURE(name);
    const std::string script = bytes_of_file(ORRERY_SOURCE_DIR "/tests/determinism/" + std::string(name) + ".fsh");
    REQUIRE(!script.empty());
    const std::vector<base::Event> one = events_of(script, 0xA5);
    const std::vector<base::Event> other = events_of(script, 0x5A);
    REQUIRE(one.size() == other.size());
    REQUIRE(one.size() > 10'000);
    // All 64 bytes, also those that no digest covers.
    const bool equal = std::memcmp(one.data(), other.data(), one.size() * sizeof(base::Event)) == 0;
    CHECK(equal);
  }
}

TEST_CASE("what is typed unseen is secret, and redacted appears nowhere",
          "[replay][privacy][simulation.T78][simulation.T79]") {
  const std::string path = type_and_record("secret", {"echo open", "read -s word", "hunter2", "echo ${#word}", "halt"});
  const Recording recording = load(path);
  std::vector<std::string> secrets;
  for (const Input* input : recording.all<Input>()) {
    if (input->secret) secrets.emplace_back(input->data.begin(), input->data.end());
  }
  REQUIRE(secrets == std::vector<std::string>{"hunter2\r"});
  std::string output;
  const Replayed again = replayed(path, &output);
  CHECK(!again.divergence);
  CHECK(again.ended);
  CHECK(output.find("hunter2") == std::string::npos);

  const std::string out = temporary("redacted");
  const Rerun rerun = redact(recording, {}, built_in_image(), user::native_entries(), out);
  REQUIRE(rerun.error == "");
  CHECK(rerun.inputs_replaced == 1);
  CHECK(bytes_of_file(out).find("hunter2") == std::string::npos);
  output.clear();
  const Replayed redacted = replayed(out, &output);
  CHECK(!redacted.divergence);
  CHECK(redacted.ended);
  CHECK(output.find("\n7\r") != std::string::npos);  // as long as the secret was
  std::remove(path.c_str());
  std::remove(out.c_str());
}

TEST_CASE("keys that an editor shows itself are no secrets", "[replay][privacy]") {
  const std::string path = type_and_record("plain", {"echo one", "cat", "shown", "\x04"});
  const Recording recording = load(path);
  CHECK(recording.all<Input>().size() == 4);
  for (const Input* input : recording.all<Input>()) CHECK(!input->secret);
  std::remove(path.c_str());
}

TEST_CASE("recordings keep their sizes", "[replay][simulation.T76]") {
  // A pure run of 10⁸ events: header, plan, milestones, verdict, end; the script's own text comes on top.
  sim::host::MachineOptions options{.image = built_in_image(), .console = sim::ConsoleKind::Script};
  const Buffer plan = plan_of(options);
  std::vector<Content> contents = {Header{.model = model_id(), .build = build_id(), .plan = sha256_of(plan)},
                                   PlanFrame{plan}};
  constexpr u64 kEvents = 100'000'000;
  base::Prng roots{1, "test.roots"};
  for (u64 at = kMilestoneEvents; at < kEvents; at = base::align_up(next_milestone(at), sim::kEpochEvents)) {
    const u64 high = roots.next();
    const u64 low = roots.next();
    contents.push_back(Milestone{at, at * 300, {high, low}, {}});
  }
  CHECK(contents.size() < 40);
  contents.push_back(Verdict{.result = "halted with status 0", .moment = kEvents});
  contents.push_back(End{kEvents, {1, 2}, {3, 4}, sim::kNever});
  CHECK(file_of(contents).size() <= 4096);
  // Ten minutes of a fast typist, a frame a key: ten a second.
  std::vector<Content> typed = {contents[0], contents[1]};
  for (u64 key = 0; key < 6000; ++key) {
    typed.push_back(Input{(key + 1) * 100'000'000, "console:1", key + 1, {static_cast<u8>('a' + key % 26)}});
  }
  CHECK(file_of(typed).size() <= u64{1} << 20);
}
