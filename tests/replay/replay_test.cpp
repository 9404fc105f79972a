// Recorded runs and their replays.
#include <catch2/catch.hpp>

#include <sys/stat.h>

#include "tests/replay/session.h"

using namespace replay;
using session::play;
using session::record;

namespace {

/// The recording with one input's first byte changed, as somebody with an editor of frames would.
Recording with_changed_input(const Recording& recording, u64 which) {
  std::vector<Content> contents;
  u64 seen = 0;
  for (const Frame& frame : recording.frames) {
    contents.push_back(frame.content);
    Input* input = std::get_if<Input>(&contents.back());
    if (input == nullptr || !input->source.starts_with("console:")) continue;
    if (seen == which) input->data[0] = static_cast<u8>(input->data[0] ^ 1);
    seen += 1;
  }
  return parse(file_of(contents));
}

Recording with_inputs(const Recording& recording, const std::vector<Input>& inputs) {
  std::vector<Content> contents = {recording.frames[0].content, recording.frames[1].content};
  for (const Input& input : inputs) contents.push_back(input);
  return parse(file_of(contents));
}

}  // namespace

TEST_CASE("a typed session replays to the same digest, output and state", "[replay][simulation.T20]") {
  for (u64 seed = 1; seed <= 6; ++seed) {
    CAPTURE(seed);
    const auto recorded = record("typed", {.keys = "hello, wide world x",
                                           .seed = seed,
                                           .cores = static_cast<u32>(1 + seed % 3),
                                           .pace_ns = 400'000 * seed + 1,
                                           .resize = seed % 2 == 0});
    REQUIRE(recorded.outcome == sim::Outcome::Ended);
    const Recording recording = load(recorded.path);
    REQUIRE(!recording.problem);
    const auto again = play(recording);
    CHECK(again.error == "");
    CHECK(!again.result.divergence);
    CHECK(again.result.ended);
    CHECK(again.result.root == recorded.root);
    CHECK(again.output == recorded.output);
  }
}

TEST_CASE("a thread that a watchdog ended is ended at the same place in the replay", "[replay][watchdog]") {
  const auto recorded = record("silent", {.keys = "al bl cl x"});
  REQUIRE(recorded.outcome == sim::Outcome::Ended);
  const Recording recording = load(recorded.path);
  u64 faults = 0;
  for (const Input* input : recording.all<Input>()) faults += input->source == "watchdog:1" ? 1 : 0;
  CHECK(faults == 3);
  const auto again = play(recording);
  CHECK(again.error == "");
  CHECK(!again.result.divergence);
  CHECK(again.result.root == recorded.root);
  CHECK(again.output == recorded.output);
}

TEST_CASE("a hang-up and a session left early replay to their end", "[replay]") {
  for (const bool hang_up : {true, false}) {
    CAPTURE(hang_up);
    const auto recorded = record("left", {.keys = "abcw", .hang_up = hang_up, .stop_early = !hang_up});
    const auto again = play(load(recorded.path));
    CHECK(again.error == "");
    CHECK(!again.result.divergence);
    CHECK(again.result.ended);
    CHECK(again.result.root == recorded.root);
  }
}

TEST_CASE("a recording cut anywhere replays as far as it goes", "[replay][simulation.T74]") {
  const auto recorded = record("cut", {.keys = "some words and x", .digests = Digests::Dense});
  const Recording whole = parse(base::bytes_of(recorded.file));
  for (u64 kept = 2; kept < whole.frames.size(); ++kept) {
    CAPTURE(kept);
    const u64 length = whole.frames[kept].offset + 5;  // and a torn frame after them
    const Recording recording = parse(base::bytes_of(recorded.file).first(length));
    REQUIRE(recording.frames.size() == kept);
    REQUIRE(recording.problem);
    const auto again = play(recording);
    CHECK(again.error == "");
    CHECK(!again.result.divergence);
    CHECK(!again.result.ended);
    CHECK(recorded.output.starts_with(again.output));
  }
}

TEST_CASE("one changed input byte is reported in its milestone interval", "[replay][simulation.T80]") {
  const auto recorded = record("changed", {.keys = "w1 w2 w3 w4 w5 w6 x", .digests = Digests::Dense});
  const Recording recording = load(recorded.path);
  const auto milestones = recording.all<Milestone>();
  REQUIRE(milestones.size() >= 6);
  u64 inputs = 0;
  for (const Input* input : recording.all<Input>()) inputs += input->source == "console:1" ? 1 : 0;
  for (u64 which = 0; which < inputs; ++which) {
    CAPTURE(which);
    const u64 time = recording.all<Input>()[which]->time;
    const auto again = play(with_changed_input(recording, which));
    REQUIRE(again.result.divergence);
    const Divergence& divergence = *again.result.divergence;
    // The interval holds the delivery: the last milestone before it was equal, the first after it was not.
    u64 before = 0;
    u64 after = recording.end()->sequence;
    for (const Milestone* milestone : milestones) {
      if (milestone->time < time) before = milestone->sequence;
      if (milestone->time > time && milestone->sequence < after) after = milestone->sequence;
    }
    CHECK(divergence.after == before);
    CHECK(divergence.upto == after);
    CHECK(divergence.recorded != divergence.found);
    CHECK(describe(divergence).starts_with("diverged in #("));
  }
}

TEST_CASE("inputs that no machine can have had are refused by name", "[replay][hostile]") {
  const auto recorded = record("hostile", {.keys = "ab", .stop_early = true});
  const Recording recording = load(recorded.path);
  const auto error_of = [&](const std::vector<Input>& inputs) { return play(with_inputs(recording, inputs)).error; };
  CHECK(error_of({{1'000'000, "console:2", 1, {'a'}}}) == "input of no node: console:2");
  CHECK(error_of({{1'000'000, "console:", 1, {'a'}}}) == "input of no node: console:");
  CHECK(error_of({{1'000'000, "console:99999999999999999999", 1, {'a'}}}).starts_with("input of no node"));
  CHECK(error_of({{1'000'000, "mouse:1", 1, {'a'}}}) == "no such input: mouse:1 of 1 bytes");
  CHECK(error_of({{1'000'000, "size:1", 1, {'a'}}}) == "no such input: size:1 of 1 bytes");
  CHECK(error_of({{1'000'000, "watchdog:1", 1, {'a'}}}) == "no such input: watchdog:1 of 1 bytes");
  CHECK(error_of({{9'000'000, "console:1", 1, {'a'}}, {1'000'000, "console:1", 2, {'a'}}}).find("earlier") !=
        std::string::npos);
  // More at one moment than a world takes: a difference from any recording, not a crash.
  std::vector<Input> many(5000, Input{1'000'000, "hangup:1", 1, {}});
  CHECK(error_of(many) == "");
  std::vector<Input> flood(40, Input{1'000'000, "console:1", 1, Buffer(4096, 'a')});
  CHECK(play(with_inputs(recording, flood)).result.divergence);
  std::vector<Input> sizes(5000, Input{1'000'000, "size:1", 1, {1, 0, 1, 0}});
  CHECK(error_of(sizes) == "");
}

TEST_CASE("plans outside the machine's ranges are refused", "[replay][hostile]") {
  CHECK(read_plan(PlanFrame{{}}).error.starts_with("plan: "));
  CHECK(read_plan(PlanFrame{Buffer(7)}).error == "plan: not whole words");
  sim::host::MachineOptions options = session::machine_options({});
  options.cores = 4000;
  CHECK(read_plan(PlanFrame{plan_of(options)}).error == "plan: cores 4000");
  options = session::machine_options({});
  options.ram_bytes = 12345;
  CHECK(read_plan(PlanFrame{plan_of(options)}).error == "plan: memory bytes 12345");
  options = session::machine_options({});
  options.nodes = 65;
  CHECK(read_plan(PlanFrame{plan_of(options)}).error == "plan: nodes 65");
  options = session::machine_options({});
  options.disks = {{.name = "a", .node = 3, .bytes = 4096}};
  CHECK(read_plan(PlanFrame{plan_of(options)}).error == "plan: disk a is of node 3");
  options.disks = {{.name = "a", .bytes = 5000}};
  CHECK(read_plan(PlanFrame{plan_of(options)}).error == "plan: disk a has 5000 bytes");
  options.disks = {{.name = "a", .bytes = 4096, .content = std::make_shared<const std::string>(5000, 'x')}};
  CHECK(read_plan(PlanFrame{plan_of(options)}).error == "plan: disk a has an image of 5000 bytes");
  options.disks = std::vector<sim::host::DiskShape>(sim::kDisksMax + 1);
  CHECK(read_plan(PlanFrame{plan_of(options)}).error == "plan: disks 65");
  options.disks = {{.name = "a", .bytes = 8192, .content = std::make_shared<const std::string>("held")}};
  const Buffer sound = plan_of(options);
  CHECK(read_plan(PlanFrame{sound}).error == "");
  for (u64 at = 0; at < sound.size(); ++at) {  // any one byte: refused or read, never a crash
    Buffer bytes = sound;
    bytes[at] ^= 0xFF;
    read_plan(PlanFrame{bytes});
  }
}

TEST_CASE("a world of different nodes is recorded whole: shapes, clocks, starts, images", "[replay]") {
  sim::host::MachineOptions options{.seed = 9, .entries = session::kTypist, .wall_start_ns = 1'000'000'000};
  const auto script = sim::ConsoleKind::Script;
  options.shapes = {{.name = "a", .cores = 2, .ram_bytes = u64{16} << 20, .console = script, .script = "ab x"},
                    {.ram_bytes = u64{32} << 20,
                     .image = "another image",
                     .console = script,
                     .script = "cd x",
                     .clock = {.skew_ns = -5, .drift_ppm = 300},
                     .boot_at_ns = 7'000'000}};
  options.links = {{"lan", {1, 2}, {.latency_ns = 5, .jitter_ns = 6, .queue_bytes = 7, .mtu = 800, .is_up = false}}};
  options.disks = {{.name = "root",
                    .node = 2,
                    .bytes = 8192,
                    .sector_bytes = 4096,
                    .settings = {.latency_ns = 7,
                                 .bytes_per_second = 8,
                                 .queue_depth = 9,
                                 .channels = 2,
                                 .cache = sim::DiskCache::Ordered,
                                 .cache_bytes = 4096},
                    .content = std::make_shared<const std::string>("held at the start")},
                   {.name = "blank", .node = 1, .bytes = u64{1} << 30, .atomic_bytes = 512}};
  const std::string path = session::temporary("shapes");
  sim::host::Machine machine(options);
  Recorder recorder;
  REQUIRE(recorder.open({.path = path, .sources = {"test"}}, machine.options()) == "");
  recorder.attach(machine);
  REQUIRE(machine.start() == "");
  REQUIRE(machine.run(sim::kNever) == sim::Outcome::Ended);
  const base::Digest root = machine.world().finish();
  recorder.finish("held", root);

  const Recording recording = load(path);
  const PlanRead read = machine_of(recording, "", session::kTypist);
  REQUIRE(read.error == "");
  REQUIRE(read.options.shapes.size() == 2);
  const sim::host::NodeShape& second = read.options.shapes[1];
  CHECK(read.options.shapes[0].name == "a");
  CHECK(read.options.shapes[0].cores == 2);
  CHECK(second.image == "another image");
  CHECK(second.script == "cd x");
  CHECK(second.clock == sim::ClockConfig{-5, 300});
  CHECK(second.boot_at_ns == 7'000'000);
  CHECK(read.options.wall_start_ns == 1'000'000'000);
  REQUIRE(read.options.links.size() == 1);
  CHECK(read.options.links[0].settings == options.links[0].settings);
  REQUIRE(read.options.disks.size() == 2);
  CHECK(read.options.disks[0].node == 2);
  CHECK(read.options.disks[0].sector_bytes == 4096);
  CHECK(read.options.disks[0].settings == options.disks[0].settings);
  REQUIRE(read.options.disks[0].content != nullptr);
  CHECK(*read.options.disks[0].content == "held at the start");
  CHECK(read.options.disks[1].atomic_bytes == 512);
  CHECK(read.options.disks[1].content == nullptr);
  CHECK(plan_of(read.options) == plan_of(options));
  const auto again = play(recording);
  CHECK(again.error == "");
  CHECK(again.result.ended);
  CHECK(again.result.root == root);
}

TEST_CASE("nodes that are equal and plain have one plan however they are described", "[replay]") {
  sim::host::MachineOptions flat{.cores = 2, .ram_bytes = u64{16} << 20, .nodes = 2, .script = "x"};
  sim::host::MachineOptions shaped;
  const sim::host::NodeShape shape{.cores = 2, .ram_bytes = u64{16} << 20, .script = "x"};
  shaped.shapes = {shape, shape};
  CHECK(plan_of(flat) == plan_of(shaped));
  CHECK(read_plan(PlanFrame{plan_of(shaped)}).options.shapes.empty());
}

TEST_CASE("an image that is not built in is attached, and asked for by hash when it is missing", "[replay]") {
  const auto recorded = record("image", {.keys = "x", .image = std::string(2000, 'i')});
  const Recording recording = load(recorded.path);
  CHECK(play(recording).result.root == recorded.root);
  const Recording bare = parse(detach(recording).file);
  CHECK(play(bare).error == "the boot image " + hex(sha256_of(base::bytes_of(std::string(2000, 'i')))) +
                                " is neither built in nor attached");
  CHECK(play(bare, std::string(2000, 'i')).result.root == recorded.root);
}

TEST_CASE("named input is replaced by fillers, and the result replays", "[replay][simulation.T79]") {
  const auto recorded = record("plain", {.keys = "ab s3\rcd x"});
  const Recording recording = load(recorded.path);
  const std::string out = session::temporary("redacted");
  const Rerun rerun = redact(recording, {.names = {"console:1@2"}}, "", session::kTypist, out);
  REQUIRE(rerun.error == "");
  CHECK(rerun.inputs_replaced == 1);
  REQUIRE(rerun.replayed.divergence);  // it says from where it differs
  const Recording redacted = load(out);
  CHECK(session::read_file(out).find("s3") == std::string::npos);
  CHECK(redacted.all<Input>()[1]->data == Buffer{'x', 'x', '\r'});
  REQUIRE(redacted.header().redacted.size() == 1);
  CHECK(redacted.header().redacted[0].starts_with("console:1@2 at "));
  const auto again = play(redacted);
  CHECK(again.error == "");
  CHECK(!again.result.divergence);
  CHECK(again.result.ended);
}

TEST_CASE("a cut run is a recording of its own that ends there", "[replay]") {
  const auto recorded = record("long", {.keys = "abc def ghi jkl x"});
  const Recording recording = load(recorded.path);
  const u64 until = recording.all<Input>()[2]->time + 1;
  const std::string out = session::temporary("short");
  const Rerun rerun = cut(recording, until, "", session::kTypist, out);
  REQUIRE(rerun.error == "");
  CHECK(!rerun.replayed.divergence);
  const Recording shorter = load(out);
  CHECK(shorter.all<Input>().size() == 3);
  CHECK(shorter.end()->until == until);
  const auto again = play(shorter);
  CHECK(!again.result.divergence);
  CHECK(again.result.ended);
}

TEST_CASE("a recording is readable by its owner only, also over an old file", "[replay][privacy]") {
  const std::string path = session::temporary("mode");
  session::write_file(path, {});
  chmod(path.c_str(), 0644);
  record("mode", {.keys = "x"});
  struct stat status = {};
  REQUIRE(stat(path.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
}

TEST_CASE("recording changes no digest", "[replay][simulation.T13]") {
  const auto sparse = record("sparse", {.keys = "abc x"});
  const auto dense = record("dense", {.keys = "abc x", .digests = Digests::Dense});
  CHECK(sparse.root == dense.root);
  sim::host::Machine machine(session::machine_options({}));
  machine.start();
  const Recording recording = load(sparse.path);
  for (const Input* input : recording.all<Input>()) machine.world().console_input(1, input->data, input->time);
  CHECK(machine.run(sim::kNever) == sim::Outcome::Ended);
  CHECK(machine.world().finish() == sparse.root);
}
