// The plan a bare machine carries, the frames it answers in, and `orrery boot` where there is no QEMU or a strange one.
#include <catch2/catch.hpp>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/prng.h"
#include "sim/host/cli/boot_machine.h"
#include "sim/host/portable.h"
#include "sim/model/plan.h"

using base::Prng;
using sim::Plan;
using sim::PlanError;
using namespace sim::host::cli;

namespace {

std::vector<u8> encode(const Plan& plan) {
  std::vector<u8> bytes(sim::plan_bytes(plan));
  sim::encode_plan(plan, bytes);
  return bytes;
}

Plan sample(std::string_view script) {
  Plan plan;
  plan.seed = 0x1234'5678'9ABC'DEF0;
  plan.ram_bytes = u64{64} << 20;
  plan.cores = 3;
  plan.framed = true;
  plan.events_from = 4097;
  plan.events_to = 8192;
  plan.costs.syscall = 48;
  plan.script = base::bytes_of(script);
  return plan;
}

/// The checksum made right again, so that only what was changed is wrong.
void seal(std::vector<u8>& bytes) {
  const base::Digest checksum = base::digest_of(base::Bytes(bytes).first(bytes.size() - 16));
  base::store_le64(bytes.data() + bytes.size() - 16, checksum.high);
  base::store_le64(bytes.data() + bytes.size() - 8, checksum.low);
}

PlanError::Code refusal(base::Bytes bytes) {
  const auto storage = std::make_unique<sim::PlanStorage>();
  const auto plan = sim::decode_plan(bytes, *storage);
  REQUIRE(!plan.ok());
  char text[256];
  REQUIRE(!sim::describe(plan.error(), text).empty());
  return plan.error().code;
}

std::string frame(char kind, std::string_view payload) {
  return std::string(1, kind) + static_cast<char>(payload.size() & 0xFF) + static_cast<char>(payload.size() >> 8) +
         std::string(payload);
}

std::string words(std::initializer_list<u64> values) {
  std::string bytes(values.size() * 8, '\0');
  u64 at = 0;
  for (const u64 value : values) {
    base::store_le64(reinterpret_cast<u8*>(bytes.data()) + at, value);
    at += 8;
  }
  return bytes;
}

struct Finished {
  int code = -1;
  std::string out;
};
Finished shell(const std::string& line) {
  Finished finished;
  std::FILE* pipe = popen(line.c_str(), "r");
  REQUIRE(pipe != nullptr);
  char buffer[4096];
  for (std::size_t count; (count = fread(buffer, 1, sizeof buffer, pipe)) > 0;) finished.out.append(buffer, count);
  const int status = pclose(pipe);
  finished.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return finished;
}

const std::string kOrrery = ORRERY_SMALL;

/// A folder with a script, and a program in QEMU's place that writes `output` and ends with `status`.
std::string stage(const std::string& output, int status) {
  const std::string folder = "/tmp/orrery-boot-test-" + std::to_string(getpid());
  mkdir(folder.c_str(), 0755);
  std::ofstream(folder + "/script") << "echo hello\nexit 0\n";
  std::ofstream(folder + "/output") << output;
  std::ofstream(folder + "/qemu-system-x86_64")
      << "#!/bin/sh\n/bin/cat " << folder << "/output\nexit " << status << "\n";
  chmod((folder + "/qemu-system-x86_64").c_str(), 0755);
  return folder;
}

Finished boot(const std::string& output, int status) {
  const std::string folder = stage(output, status);
  return shell("PATH=" + folder + " " + kOrrery + " boot x86_64 " + folder + "/script --kernel " + folder +
               "/output 2>&1");
}

}  // namespace

TEST_CASE("a plan comes back as it was written, whatever its script", "[sim][plan][property]") {
  for (u64 seed = 0; seed < 50; ++seed) {
    CAPTURE(seed);
    Prng prng{seed, "test.plan"};
    std::string script(prng.below(2000), '\0');
    for (char& character : script) character = static_cast<char>(prng.below(256));
    Plan plan = sample(script);
    plan.seed = prng.next();
    plan.cores = 1 + static_cast<u32>(prng.below(128));
    plan.epochs = prng.below(2) == 1;
    plan.stealing = prng.below(2) == 1;
    std::vector<u8> bytes = encode(plan);
    bytes.resize(bytes.size() + prng.below(100), 0xEE);  // memory goes on behind it
    const auto storage = std::make_unique<sim::PlanStorage>();
    const auto back = sim::decode_plan(bytes, *storage);
    REQUIRE(back.ok());
    CHECK(back->seed == plan.seed);
    CHECK(back->cores == plan.cores);
    CHECK(back->ram_bytes == plan.ram_bytes);
    CHECK(back->epochs == plan.epochs);
    CHECK(back->stealing == plan.stealing);
    CHECK(back->framed);
    CHECK(back->events_from == 4097);
    CHECK(back->events_to == 8192);
    CHECK(std::memcmp(&back->costs, &plan.costs, sizeof plan.costs) == 0);
    CHECK(base::text_of(back->script) == script);
  }
}

TEST_CASE("no damaged byte and no cut of a plan passes unseen", "[sim][plan][hostile][exhaustive]") {
  const std::vector<u8> good = encode(sample("echo hello\n"));
  for (u64 at = 0; at < good.size(); ++at) {
    CAPTURE(at);
    std::vector<u8> bad = good;
    bad[at] ^= static_cast<u8>(1u << at % 8);
    refusal(bad);
    refusal(base::Bytes(good).first(at));
  }
}

TEST_CASE("a plan is refused with what is wrong with it", "[sim][plan][hostile]") {
  using Code = PlanError::Code;
  const std::vector<u8> good = encode(sample("true\n"));
  const auto changed = [&](u64 at, u64 value, u64 bytes) {
    std::vector<u8> bad = good;
    std::memcpy(bad.data() + at, &value, bytes);
    seal(bad);
    return refusal(bad);
  };
  CHECK(changed(0, 0x4242'4242, 4) == Code::Magic);
  CHECK(changed(8, sim::kPlanVersion + 1, 4) == Code::Version);
  CHECK(changed(12, 0x80, 4) == Code::Flags);
  CHECK(changed(16, sim::kPlanBytesMax + 1, 8) == Code::TooLarge);
  CHECK(changed(16, good.size() + 1, 8) == Code::Length);
  CHECK(changed(32, ~u64{0}, 8) == Code::OtherModel);
  CHECK(changed(72, u64{1} << 40, 8) == Code::Memory);
  CHECK(changed(72, (u64{64} << 20) + 4096, 8) == Code::Memory);
  CHECK(changed(80, 0, 4) == Code::Cores);
  CHECK(changed(80, 129, 4) == Code::Cores);
  CHECK(changed(112, 8, 4) == Code::Costs);
  CHECK(changed(116, 6, 4) == Code::Length);
  CHECK(changed(152, 1'000'001, 4) == Code::Clock);
  std::vector<u8> damaged = good;
  damaged.back() ^= 1;
  CHECK(refusal(damaged) == Code::Checksum);
}

namespace {

/// Everything a plan can hold, drawn.
struct Drawn {
  std::vector<sim::Override> overrides;
  std::vector<sim::PilotCount> pilot;
  std::vector<std::string> texts;
  std::vector<sim::FaultRule> rules;
  std::vector<sim::FaultOverride> fault_overrides;
  std::vector<sim::FaultService> services;
  std::vector<std::string_view> vital;
  std::vector<sim::PlanDisk> disks;
  Plan plan;

  explicit Drawn(Prng& prng) : plan(sample("true\n")) {
    plan.clock = {static_cast<i64>(prng.next()), static_cast<i32>(prng.below(2'000'001)) - 1'000'000};
    plan.schedule.on = true;
    plan.schedule.first.strategy = static_cast<sim::Strategy>(prng.below(sim::kStrategies));
    plan.schedule.first.quantum_ns = prng.next();
    plan.schedule.first.steps = prng.next();
    plan.schedule.then.cut = {static_cast<u32>(prng.below(7)), 9};
    plan.schedule.then_after = static_cast<u32>(prng.below(10));
    texts.reserve(40);
    for (u64 left = prng.below(20); left > 0; --left) {
      overrides.push_back(
          {static_cast<sim::ChoiceKind>(prng.below(sim::kChoiceKinds)), prng.next(), left, prng.next()});
      pilot.push_back({prng.next(), left});
      texts.emplace_back(prng.below(30), 'a');
      rules.push_back({.fault = static_cast<sim::FaultClass>(prng.below(sim::kFaultClasses)),
                       .target = texts.back(),
                       .any_process = left % 2 == 0,
                       .ratio = {1, 1 + static_cast<u32>(prng.below(100))},
                       .from = prng.next(),
                       .low = {prng.next(), 2, 3},
                       .high = {4, 5, prng.next()}});
      fault_overrides.push_back({.fault = static_cast<sim::FaultClass>(prng.below(sim::kFaultClasses)),
                                 .target = prng.next(),
                                 .opportunity = left,
                                 .fires = left % 3 == 0,
                                 .set = static_cast<u8>(left % 8),
                                 .values = {prng.next(), 7, 8}});
      services.push_back({texts.back(), left % 2 == 1, left % 3 == 1});
      if (vital.size() < sim::kVitalMax) vital.push_back(texts.back());
    }
    for (u64 left = prng.below(sim::kNodeDisksMax + 1); left > 0; --left) {
      sim::PlanDisk& disk = disks.emplace_back();
      disk.config.name = std::string_view("abcd").substr(left - 1, 1);
      disk.config.bytes = 4096 * (1 + prng.below(1000));
      disk.config.settings.latency_ns = prng.next();
      disk.config.settings.cache = static_cast<sim::DiskCache>(prng.below(3));
      if (left % 2 == 1) disk.content = base::bytes_of(std::string_view("what it holds"));
    }
    plan.disks = disks;
    plan.schedule.overrides = overrides;
    plan.schedule.pilot = pilot;
    plan.faults.rules = rules;
    plan.faults.overrides = fault_overrides;
    plan.faults.services = services;
    plan.faults.vital = vital;
    plan.faults.budget.clock_error_ns = prng.next();
    if (!texts.empty()) plan.faults.last_started = texts.front();
    plan.note = "orrery-overrides 1\n";
  }
};

}  // namespace

TEST_CASE("clock, schedule, faults and disks of a plan come back as they were written", "[sim][plan][property]") {
  for (u64 seed = 0; seed < 40; ++seed) {
    CAPTURE(seed);
    Prng prng{seed, "test.plan"};
    const Drawn drawn(prng);
    const std::vector<u8> bytes = encode(drawn.plan);
    const auto storage = std::make_unique<sim::PlanStorage>();
    const auto back = sim::decode_plan(bytes, *storage);
    REQUIRE(back.ok());
    CHECK(back->clock == drawn.plan.clock);
    CHECK(back->schedule.then_after == drawn.plan.schedule.then_after);
    REQUIRE(back->faults.rules.size() == drawn.rules.size());
    CHECK(back->faults.last_started == (drawn.rules.empty() ? "" : drawn.plan.faults.last_started));
    REQUIRE(back->faults.vital.size() == drawn.vital.size());
    CHECK(std::equal(drawn.vital.begin(), drawn.vital.end(), back->faults.vital.begin()));
    for (u64 i = 0; i < drawn.rules.size(); ++i) {
      CHECK(back->faults.services[i].is_probed == drawn.services[i].is_probed);
      CHECK(back->faults.rules[i].target == drawn.rules[i].target);
      CHECK(back->faults.rules[i].at_most == sim::kAlways);
      CHECK(back->faults.overrides[i].values[0] == drawn.fault_overrides[i].values[0]);
      CHECK(back->schedule.overrides[i].answer == drawn.overrides[i].answer);
    }
    REQUIRE(back->disks.size() == drawn.disks.size());
    for (u64 i = 0; i < drawn.disks.size(); ++i) {
      CHECK(back->disks[i].config.name == drawn.disks[i].config.name);
      CHECK(back->disks[i].config.settings == drawn.disks[i].config.settings);
      CHECK(base::text_of(back->disks[i].content) == base::text_of(drawn.disks[i].content));
    }
    CHECK(encode(*back) == bytes);  // and nothing was lost on the way
  }
}

TEST_CASE("a plan's lists are checked in themselves", "[sim][plan][hostile]") {
  for (u64 seed = 0; seed < 10; ++seed) {
    Prng prng{seed, "test.plan"};
    const std::vector<u8> good = encode(Drawn(prng).plan);
    const auto storage = std::make_unique<sim::PlanStorage>();
    for (u64 at = sim::kPlanHeaderBytes + sizeof(kernel::CostTable); at < good.size() - 16; ++at) {
      std::vector<u8> bad = good;
      bad[at] ^= 0xFF;
      seal(bad);
      const auto plan = sim::decode_plan(bad, *storage);  // another plan, or refused; never out of its bytes
      if (!plan.ok()) {
        const PlanError::Code code = plan.error().code;
        const bool known =
            code == PlanError::Code::Schedule || code == PlanError::Code::Faults || code == PlanError::Code::Disks;
        REQUIRE(known);
      }
    }
  }
}

TEST_CASE("a plan that is too long for a machine is refused before it is written", "[sim][plan]") {
  Plan plan = sample("true\n");
  const std::vector<sim::Override> many(sim::kPlanOverridesMax + 1);
  plan.schedule.on = true;
  plan.schedule.overrides = many;
  REQUIRE(!sim::check_plan(plan).ok());
  CHECK(sim::check_plan(plan).error().code == PlanError::Code::Schedule);
  plan = sample("true\n");
  const std::vector<sim::PlanDisk> disks(sim::kNodeDisksMax + 1);
  plan.disks = disks;
  REQUIRE(!sim::check_plan(plan).ok());
  CHECK(sim::check_plan(plan).error().code == PlanError::Code::Disks);
  const std::string script(sim::kPlanBytesMax, 'x');
  CHECK(sim::check_plan(sample(script)).error().code == PlanError::Code::TooLarge);
}

TEST_CASE("a saved plan says on the host what the flags said", "[sim][cli][boot]") {
  const std::string folder = stage("", 0);
  const std::string flags =
      " --seed 9 --cores 2 --clock skew=-3ms,drift=200 --sched random --blind --fault 'cpu.steal intensity=4'";
  REQUIRE(shell(kOrrery + " boot x86_64 " + folder + "/script" + flags + " --save-plan " + folder + "/plan").code == 0);
  std::ifstream file(folder + "/plan", std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  sim::host::MachineOptions options;
  REQUIRE(sim::host::read_portable(bytes, options) == "");
  CHECK(options.seed == 9);
  CHECK(options.cores == 2);
  CHECK(options.clock == sim::ClockConfig{-3'000'000, 200});
  CHECK(options.schedule.on);
  CHECK(options.schedule.blind);
  CHECK(options.schedule.first.strategy == sim::Strategy::Random);
  CHECK(options.schedule.faults.rules.size() == 1);
  const auto storage = std::make_unique<sim::PlanStorage>();
  const auto plan = sim::decode_plan(base::bytes_of(bytes), *storage);
  REQUIRE(plan.ok());
  CHECK(plan->schedule.blind);  // what a bare machine goes by
  CHECK(shell(kOrrery + " boot x86_64 " + folder + "/script --clock skew=2d --save-plan /dev/null 2>&1").code == 2);
}

TEST_CASE("frames are read however the line cuts them, and what came before them is kept",
          "[sim][plan][boot][property]") {
  const std::string stream = "firmware 1.0\n" + std::string(sim::kFramesBegin) + frame('C', "hel") +
                             frame('C', "lo\n") + frame('T', "note\n") + frame('R', words({1, 4096, 5, 6})) +
                             frame('X', words({2, 3, 4100, 77, 0, 8, 9}));
  for (u64 seed = 0; seed < 100; ++seed) {
    CAPTURE(seed);
    Prng prng{seed, "test.frames"};
    std::string console;
    std::string text;
    std::vector<BareRoot> roots;
    FrameHandlers handlers;
    handlers.console = [&](base::Bytes bytes) { console += base::text_of(bytes); };
    handlers.text = [&](std::string_view line) { text += line; };
    handlers.root = [&](const BareRoot& root) {
      roots.push_back(root);
      return true;
    };
    FrameReader reader(handlers);
    for (u64 at = 0; at < stream.size();) {
      const u64 count = std::min<u64>(1 + prng.below(9), stream.size() - at);
      REQUIRE(reader.take(base::bytes_of(std::string_view(stream).substr(at, count))));
      at += count;
    }
    CHECK(reader.preamble() == "firmware 1.0\n");
    CHECK(console == "hello\n");
    CHECK(text == "note\n");
    REQUIRE(roots.size() == 1);
    CHECK(roots[0].events == 4096);
    CHECK(roots[0].root == base::Digest{5, 6});
    REQUIRE(reader.ended());
    CHECK(reader.end().status == 3);
    CHECK(reader.end().events == 4100);
    CHECK(reader.end().root == base::Digest{8, 9});
    CHECK(!reader.broken());
  }
}

TEST_CASE("what is no frame stops the reading", "[sim][plan][boot][hostile]") {
  FrameHandlers handlers;
  FrameReader reader(handlers);
  CHECK(!reader.take(base::bytes_of(std::string(sim::kFramesBegin) + frame('?', "x"))));
  CHECK(reader.broken());
  FrameReader events(handlers);
  CHECK(!events.take(base::bytes_of(std::string(sim::kFramesBegin) + frame('E', "short"))));
  CHECK(events.broken());
}

TEST_CASE("boot without QEMU or without an image says what to install or build", "[sim][cli][boot]") {
  const std::string folder = stage("", 0);
  const Finished no_qemu =
      shell("PATH=/nowhere " + kOrrery + " boot riscv64 " + folder + "/script --kernel " + folder + "/output 2>&1");
  CHECK(no_qemu.code == 12);
  CHECK(no_qemu.out.find("apt-get install qemu-system-misc") != std::string::npos);
  const Finished no_image = shell("PATH=" + folder + " " + kOrrery + " boot x86_64 " + folder + "/script 2>&1");
  CHECK(no_image.code == 12);
  CHECK(no_image.out.find("cmake --preset bare-x86_64") != std::string::npos);
  CHECK(shell(kOrrery + " boot 2>&1").code == 2);
  const Finished unknown = shell(kOrrery + " boot vax 2>&1");
  CHECK(unknown.code == 2);
  CHECK(unknown.out.find("x86_64, x86_64-microvm, riscv64, aarch64") != std::string::npos);
}

TEST_CASE("boot tells how a machine that has no result ended", "[sim][cli][boot]") {
  const std::string begin(sim::kFramesBegin);
  const Finished memory = boot("BIOS\n" + begin + frame('T', "too little\n") + frame('F', words({12})), 25);
  CHECK(memory.code == 12);
  CHECK(memory.out.find("x86_64: too little") != std::string::npos);
  const Finished plan = boot("orrery: no plan\r\n", 17);  // before the frames: only QEMU's status tells
  CHECK(plan.code == 8);
  CHECK(plan.out.find("x86_64: orrery: no plan") != std::string::npos);
  CHECK(boot("", 0).code == 5);
  CHECK(boot(begin + frame('C', "hi\n") + "garbage", 1).code == 5);
}
