// sim/host/scenario/case.cpp — reading a scenario into a case. Running it: run.cpp.
#include "sim/host/scenario/case.h"

#include <algorithm>

#include "replay/ids.h"
#include "sim/host/filter.h"
#include "sim/host/scenario/images.h"
#include "sim/host/scenario/runner.h"
#include "sim/host/text.h"

namespace sim::host::scenario {
namespace {

constexpr std::string_view kManifest = "boot/manifest";

/// The node's image: its files, its services, and a service for each client.
std::string image_of(const Plan& plan, u32 node, const std::string& image) {
  std::map<std::string, std::string> files;
  for (const auto& [path, text] : plan.nodes[node].files) files[path] = text;
  std::string started;
  for (const auto& [name, manifest] : plan.nodes[node].services) {
    files["boot/service/" + name] = manifest;
    started += " " + name;
  }
  for (u32 i = 0; i < plan.clients.size(); ++i) {
    if (plan.clients[i].node != node) continue;
    const std::string name = "client" + std::to_string(i);
    files["boot/service/" + name] = "program puppet\nargs --client " + std::to_string(i) +
                                    " --world 0\ndevice world\npriority 100\nrestart on-failure\nbackoff 10ms\n"
                                    "start-timeout 3650d\n";
    started += " " + name;
  }
  if (!started.empty()) {
    const std::string manifest = file_of(image, std::string(kManifest));
    const u64 login = manifest.find("login ");
    const u64 at = login == std::string::npos ? manifest.size() : login;
    files[std::string(kManifest)] = manifest.substr(0, at) + "start" + started + "\n" + manifest.substr(at);
  }
  return with_files(image, files);
}

}  // namespace

ScenarioCase::ScenarioCase(const std::string& path, std::span<const machine::NativeEntry> entries,
                           const std::string& image)
    : path_(path), entries_(entries), image_(image) {
  if (const std::string wrong = open_sources(path, sources_); !wrong.empty()) {
    mistakes_ = {wrong};
    return;
  }
  read();
}

ScenarioCase::ScenarioCase(Sources sources, const std::string& path, std::span<const machine::NativeEntry> entries,
                           const std::string& image)
    : path_(path), entries_(entries), image_(image), sources_(std::move(sources)) {
  read();
}

ScenarioCase::ScenarioCase(ScenarioCase&& other) noexcept = default;
ScenarioCase::~ScenarioCase() = default;

void ScenarioCase::read() {
  const Program program(sources_, 1);
  for (const Mistake& mistake : program.mistakes) mistakes_.push_back(text_of(mistake));
  if (!mistakes_.empty()) return;
  const Plan& plan = program.plan;
  name_ = plan.name;
  plan_text_ = text_of(plan);
  has_goldens_ = !plan.goldens.empty();
  shares_boot_ = plan.shared_boot;
  excuse_ = plan.excuse;
  for (u32 i = 0; i < plan.nodes.size(); ++i) images_.push_back(image_of(plan, i, image_));
  std::string whole = "orrery-scenario 1\n" + plan_text_;
  const auto add = [&whole](const std::string& what, const std::string& bytes) {
    whole +=
        what + " " + std::to_string(bytes.size()) + " " + replay::hex(replay::sha256_of(base::bytes_of(bytes))) + "\n";
  };
  for (const Sources::File& file : sources_.files) {
    // A golden file, which a recording brings along, judges the run and is no part of it.
    const bool judges = std::any_of(plan.goldens.begin(), plan.goldens.end(),
                                    [&file](const GoldenPlan& golden) { return golden.file == file.name; });
    if (!judges) add("source " + file.name, file.text);
  }
  for (const std::string& one : images_) add("image", one);
  plan_id_ = replay::sha256_of(base::bytes_of(whole));
}

/// What s:expect_excuse says.
void ScenarioCase::expect(RunReport& report) const {
  const bool is_judged = report.verdict == Verdict::Held || report.verdict == Verdict::Excused;
  if (excuse_.empty() || !is_judged) return;
  const std::string what = report.finding ? report.finding->details : "the run held";
  if (report.verdict == Verdict::Excused && what.find(excuse_) != std::string::npos) return;
  report.verdict = Verdict::Failed;
  report.finding = Finding{};
  report.finding->property = "expect_excuse";
  report.finding->kind = "expect";
  report.finding->details = "no excuse with \"" + excuse_ + "\": " + what;
  report.finding->signature = "expect_excuse | expect";
  report.finding->moment = report.events;
  report.finding->time_ns = report.virtual_ns;
}

std::string ScenarioCase::reproduction(const RunSetup& setup) const {
  std::string line = "run " + quote(path_) + " --seed " + std::to_string(setup.seed);
  if (setup.until != ~u64{0}) line += " --until " + std::to_string(setup.until) + "ns";
  line += schedule_flags(setup);
  if (!setup.checks.empty()) line += " --checks " + quote(setup.checks);
  if (!setup.record.empty()) line += " --record " + quote(setup.record);
  return line;
}

}  // namespace sim::host::scenario
