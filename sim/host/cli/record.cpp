// sim/host/cli/record.cpp — opening, closing and loading recordings for the verbs.
#include "sim/host/cli/record.h"

#include <CLI/App.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>

namespace sim::host::cli {
namespace {

namespace fs = std::filesystem;

constexpr auto kKept = std::chrono::hours(24 * 7);
constexpr const char* kSuffix = ".orrery";

std::string utc_text(const char* format) {
  const std::time_t now = std::time(nullptr);
  std::tm parts = {};
  gmtime_r(&now, &parts);
  char text[40];
  std::strftime(text, sizeof text, format, &parts);
  return text;
}

/// The folder of sessions, made when it is missing; empty when there is no place for one.
std::string sessions_folder(const std::string& state) {
  const char* xdg = std::getenv("XDG_STATE_HOME");
  const char* home = std::getenv("HOME");
  fs::path folder;
  if (!state.empty()) {
    folder = state;
  } else if (xdg != nullptr && xdg[0] == '/') {
    folder = fs::path(xdg) / "orrery";
  } else if (home != nullptr && home[0] == '/') {
    folder = fs::path(home) / ".local/state/orrery";
  } else {
    return {};
  }
  folder /= "sessions";
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return {};
  chmod(folder.c_str(), 0700);
  return folder.string();
}

/// Sessions older than a week go; one that cannot be removed is somebody else's.
void forget_old_sessions(const std::string& folder) {
  std::error_code error;
  const auto now = fs::file_time_type::clock::now();
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().extension() != kSuffix) continue;
    const auto written = entry.last_write_time(error);
    if (!error && now - written > kKept) fs::remove(entry.path(), error);
  }
}

}  // namespace

void RecordFlags::add_to(CLI::App& app) {
  app.add_option("--record", file);
  app.add_option("--digests", digests);
  app.add_flag("--embed", embed);
}

void RecordFlags::add_state_to(CLI::App& app) { app.add_option("--state", state); }

std::string RecordFlags::check() const {
  if (digests != "sparse" && digests != "dense") return "--digests " + digests + ": allowed is sparse or dense";
  return {};
}

int start_recording(replay::Recorder& recorder, Machine& machine, const RecordFlags& flags, const ScriptRun& run) {
  if (flags.file.empty() && !flags.always) return -1;
  replay::Recorder::Options options{
      .path = flags.file,
      .digests = flags.digests == "dense" ? replay::Digests::Dense : replay::Digests::Sparse,
      // Of an image that is written back nothing else is left of what the run began with.
      .embed_disks = flags.embed || run.flags.disks.writes_back(),
  };
  if (flags.always) options.created = utc_text("%Y-%m-%dT%H:%M:%SZ");
  if (!run.script_name.empty()) options.sources = {fs::path(run.script_name).filename().string()};
  if (!run.flags.image.empty()) options.image_name = fs::path(run.flags.image).filename().string();
  if (options.path.empty()) {
    const std::string folder = sessions_folder(flags.state);
    if (folder.empty()) {
      std::fprintf(stderr, "orrery: not recorded: there is no state folder (--state DIR names one)\n");
      return -1;
    }
    forget_old_sessions(folder);
    options.path = folder + "/" + utc_text("%Y%m%dT%H%M%SZ") + "-" + std::to_string(getpid()) + kSuffix;
    options.exclusive = true;
  }
  if (const std::string error = recorder.open(options, machine.options()); !error.empty()) {
    std::fprintf(stderr, "orrery: not recorded: %s\n", error.c_str());
    return flags.file.empty() ? -1 : kUnreadable;
  }
  recorder.attach(machine);
  return -1;
}

void finish_recording(replay::Recorder& recorder, Outcome outcome, World& world, base::Digest root) {
  if (!recorder.is_open()) return;
  recorder.finish(replay::result_text(outcome, world), root);
  if (recorder.failure().empty()) return;
  std::fprintf(stderr, "orrery: %s is not complete: %s\n", recorder.path().c_str(), recorder.failure().c_str());
}

bool is_recording(const std::string& path) {
  constexpr std::string_view kMagic = "ORRERY\r\n";
  char head[kMagic.size()] = {};
  std::FILE* file = path == "-" ? nullptr : std::fopen(path.c_str(), "rb");
  if (file == nullptr) return false;
  const std::size_t bytes = std::fread(head, 1, sizeof head, file);
  std::fclose(file);
  return std::string_view(head, bytes) == kMagic;
}

replay::DiskFiles files_for(const std::string& recording, std::vector<std::string> named) {
  const fs::path folder = fs::path(recording).parent_path();
  return {.named = std::move(named), .folders = {folder.empty() ? "." : folder.string(), "."}};
}

int load_recording(const Verb& verb, const std::string& path, replay::Recording& recording) {
  const std::string name(verb.name);
  recording = replay::load(path);
  if (!recording.usable()) {
    const std::string why = recording.problem ? replay::describe(*recording.problem) : "it holds no run";
    std::fprintf(stderr, "orrery %s: %s: %s\n", name.c_str(), path.c_str(), why.c_str());
    const bool version = recording.problem && recording.problem->code == replay::Problem::Code::Version;
    return version ? kUnsupported : kUnreadable;
  }
  if (recording.header().model != replay::model_id()) {
    std::fprintf(stderr, "orrery %s: %s: recorded by another model\n  recorded by %s\n  this is     %s\n", name.c_str(),
                 path.c_str(), replay::hex(recording.header().model).c_str(), replay::hex(replay::model_id()).c_str());
    return kUnsupported;
  }
  if (recording.problem) {
    std::fprintf(stderr, "orrery %s: %s: %s\n  using the %zu frames before it\n", name.c_str(), path.c_str(),
                 replay::describe(*recording.problem).c_str(), recording.frames.size());
  }
  return -1;
}

}  // namespace sim::host::cli
