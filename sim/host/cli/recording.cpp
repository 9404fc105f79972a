// sim/host/cli/recording.cpp — `orrery recording`: looking at a recording, and making another one of it.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

#include "base/parse.h"
#include "sim/host/cli/record.h"
#include "sim/host/cli/scenario_run.h"

namespace sim::host::cli {

const Verb kRecordingVerb = {
    "recording", "look at a recording, or make another one of it",
    "usage: orrery recording info|check FILE [--inputs] [--show-secrets]\n"
    "       orrery recording repair IN OUT\n"
    "       orrery recording redact IN OUT [--input SOURCE[@N]]... [--file FILE]\n"
    "       orrery recording cut IN OUT --until TIME [--file FILE]\n"
    "       orrery recording detach IN OUT   or   attach IN OUT --file FILE\n"
    "  info            what was run, by which model, its inputs and how it ended\n"
    "  check           reads every frame; says where the first bad one is\n"
    "  repair          copies the frames before the first bad one\n"
    "  redact          replaces secret and named input by fillers, runs the result and records that\n"
    "  cut             the run up to a virtual time\n"
    "  detach, attach  keeps only the hash of what is attached (images, files of a scenario), or puts one back\n"
    "  --file FILE     of redact and cut: the image of a disk that the recording has only the hash of\n"
    "  --inputs        each input with its time\n"
    "  --show-secrets  also what was typed while the terminal did not show it\n"
    "  --input NAME    what to redact: console:1 is all that was typed at node 1, console:1@3 its third piece\n"
    "  --until TIME    virtual, for example 30s\n"
    "  --json          one document, schema orrery.recording/1 (info, check)\n"
    "example: orrery recording info session.orrery --inputs\n"
    "exit:    0   2 usage   5 Orrery's own failure   8 unreadable or damaged   12 another version or model\n",
    recording_verb};

namespace {

struct Request {
  std::string action;
  std::string in;
  std::string out;
  std::string file;
  std::string until;
  std::vector<std::string> names;
  bool inputs = false;
  bool show_secrets = false;
  bool json = false;
};

int refuse(const Request& request, const std::string& what, int code) {
  std::fprintf(stderr, "orrery recording %s: %s: %s\n", request.action.c_str(), request.in.c_str(), what.c_str());
  return code;
}

bool write_file(const std::string& path, base::Bytes bytes) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return false;
  fchmod(file, 0600);
  bool whole = true;
  for (u64 done = 0; whole && done < bytes.size();) {
    const ssize_t count = write(file, bytes.data() + done, bytes.size() - done);
    whole = count > 0;
    if (whole) done += static_cast<u64>(count);
  }
  whole = fsync(file) == 0 && whole;
  return close(file) == 0 && whole;
}

/// Input as text: printable bytes as they are, others as \xNN; secrets as stars.
std::string shown(const replay::Input& input, bool show_secrets) {
  if (input.secret && !show_secrets) return "(secret, " + std::to_string(input.data.size()) + " bytes)";
  if (!input.source.starts_with("console:")) return replay::hex(input.data);
  std::string text;
  for (const u8 byte : input.data) {
    if (byte >= 0x20 && byte < 0x7F && byte != '\\') {
      text += static_cast<char>(byte);
      continue;
    }
    char escape[8];
    std::snprintf(escape, sizeof escape, "\\x%02x", byte);
    text += escape;
  }
  return text;
}

void print_inputs(const replay::Recording& recording, bool show_secrets) {
  for (const replay::Input* input : recording.all<replay::Input>()) {
    std::printf("input     %s  %s@%llu  %s\n", seconds(input->time).c_str(), input->source.c_str(),
                static_cast<unsigned long long>(input->ordinal), shown(*input, show_secrets).c_str());
  }
}

std::string end_text(const replay::Recording& recording) {
  if (recording.end() == nullptr) return "none: the recording was cut";
  const auto verdicts = recording.all<replay::Verdict>();
  return (verdicts.empty() ? std::string("?") : verdicts.back()->result) + " after " +
         std::to_string(recording.end()->sequence) + " events, root " + text_of(recording.end()->root);
}

void print_json(const replay::Recording& recording, const std::string& problem) {
  const auto inputs = recording.all<replay::Input>();
  const auto milestones = recording.all<replay::Milestone>();
  const replay::Header& header = recording.header();
  std::printf(
      "{\"build\":\"%s\",\"bytes\":%llu,\"created\":%s,\"end\":%s,\"frames\":%zu,\"inputs\":%zu,\"milestones\":%zu,"
      "\"model\":\"%s\",\"plan\":\"%s\",\"problem\":%s,\"scenario\":%s,\"schema\":\"orrery.recording/1\","
      "\"seed\":%llu}\n",
      replay::hex(header.build).c_str(), static_cast<unsigned long long>(recording.bytes),
      json_string(header.created).c_str(), json_string(end_text(recording)).c_str(), recording.frames.size(),
      inputs.size(), milestones.size(), replay::hex(header.model).c_str(), replay::hex(header.plan).c_str(),
      json_string(problem).c_str(),
      json_string(recording.scenario() == nullptr ? "" : recording.scenario()->name).c_str(),
      static_cast<unsigned long long>(header.seed));
}

std::string describe(const DiskShape& disk, const replay::Sha256& image) {
  constexpr const char* kCaches[] = {"no cache", "an ordered cache", "a volatile cache"};
  return std::to_string(disk.bytes) + " bytes at node " + std::to_string(disk.node) + ", " +
         kCaches[static_cast<u8>(disk.settings.cache)] +
         (image == replay::Sha256{} ? ", blank" : ", image " + replay::hex(image));
}

std::string describe(const NodeShape& shape) {
  constexpr const char* kConsoles[] = {"no console", "a terminal", "a script", "a console its plan types on"};
  std::string text = std::to_string(shape.cores) + " cores, " + std::to_string(shape.ram_bytes) + " bytes of memory, " +
                     kConsoles[static_cast<u8>(shape.console)];
  if (shape.boot_at_ns == kNever) return text + ", off";
  return shape.boot_at_ns == 0 ? text : text + ", from " + seconds(shape.boot_at_ns);
}

void print_info(const replay::Recording& recording, const Request& request) {
  const replay::Header& header = recording.header();
  const bool same_model = header.model == replay::model_id();
  std::printf("model     %s%s\n", replay::hex(header.model).c_str(), same_model ? "" : "  (not this one)");
  std::printf("build     %s%s\n", replay::hex(header.build).c_str(),
              header.build == replay::build_id() ? "" : "  (not this one)");
  std::printf("seed      %llu\n", static_cast<unsigned long long>(header.seed));
  if (!header.created.empty()) std::printf("created   %s\n", header.created.c_str());
  if (const replay::Scenario* scenario = recording.scenario()) {
    std::printf("scenario  %s  plan %s\n", scenario->name.c_str(), replay::hex(scenario->plan).c_str());
  }
  for (const std::string& source : header.sources) std::printf("source    %s\n", source.c_str());
  const replay::PlanRead plan = replay::read_plan(recording.plan());
  if (plan.error.empty()) {
    const bool is_equal = plan.options.shapes.empty();
    if (is_equal) std::printf("world     %u node, %s\n", plan.options.nodes, describe(plan.options.shape(0)).c_str());
    for (u32 i = 0; i < plan.options.shapes.size(); ++i) {
      const NodeShape& shape = plan.options.shapes[i];
      const std::string name = shape.name.empty() ? std::to_string(i + 1) : shape.name;
      std::printf("node      %s, %s\n", name.c_str(), describe(shape).c_str());
    }
    for (const LinkShape& link : plan.options.links) {
      std::printf("link      %s, %zu nodes\n", link.name.c_str(), link.joins.size());
    }
    for (u32 i = 0; i < plan.options.disks.size(); ++i) {
      const DiskShape& disk = plan.options.disks[i];
      std::printf("disk      %s, %s\n", disk.name.c_str(), describe(disk, plan.disk_images[i]).c_str());
    }
  } else {
    std::printf("world     %s\n", plan.error.c_str());
  }
  for (const replay::Attachment* attachment : recording.all<replay::Attachment>()) {
    std::printf("attached  %s  %s%s\n", attachment->name.c_str(), replay::hex(attachment->sha256).c_str(),
                attachment->external ? "  (hash only)" : "");
  }
  for (const std::string& note : header.redacted) std::printf("redacted  %s\n", note.c_str());
  std::printf("frames    %zu in %llu bytes, %zu inputs, %zu milestones\n", recording.frames.size(),
              static_cast<unsigned long long>(recording.bytes), recording.all<replay::Input>().size(),
              recording.all<replay::Milestone>().size());
  std::printf("end       %s\n", end_text(recording).c_str());
  if (request.inputs) print_inputs(recording, request.show_secrets);
}

int look(const Request& request) {
  const replay::Recording recording = replay::load(request.in);
  const std::string problem = recording.problem ? replay::describe(*recording.problem) : "";
  if (!recording.usable()) {
    const bool version = recording.problem && recording.problem->code == replay::Problem::Code::Version;
    return refuse(request, problem.empty() ? "it holds no run" : problem, version ? kUnsupported : kUnreadable);
  }
  std::string wrong = problem;
  if (wrong.empty() && replay::sha256_of(recording.plan().bytes) != recording.header().plan) {
    wrong = "the plan does not have the hash in the header";
  }
  if (request.json) {
    print_json(recording, wrong);
  } else if (request.action == "info") {
    print_info(recording, request);
  } else {
    std::printf("%zu frames, %llu of %llu bytes are good\n", recording.frames.size(),
                static_cast<unsigned long long>(recording.good_bytes),
                static_cast<unsigned long long>(recording.bytes));
  }
  if (!wrong.empty()) return refuse(request, wrong, request.action == "check" ? kUnreadable : kHeld);
  return kHeld;
}

int repair(const Request& request) {
  std::string bytes;
  if (!read_file(request.in, bytes)) return refuse(request, "cannot be read", kUnreadable);
  const replay::Recording recording = replay::parse(base::bytes_of(bytes));
  if (!recording.usable()) return refuse(request, replay::describe(*recording.problem), kUnreadable);
  if (!write_file(request.out, replay::good_prefix(base::bytes_of(bytes)))) {
    return refuse(request, request.out + " cannot be written", kUnreadable);
  }
  std::printf("%zu frames kept, %llu bytes dropped%s%s\n", recording.frames.size(),
              static_cast<unsigned long long>(recording.bytes - recording.good_bytes), recording.problem ? ": " : "",
              recording.problem ? replay::describe(*recording.problem).c_str() : "");
  return kHeld;
}

int reattach(const Request& request) {
  replay::Recording recording;
  if (const int code = load_recording(kRecordingVerb, request.in, recording); code >= 0) return code;
  replay::Reattached result;
  if (request.action == "detach") {
    result = replay::detach(recording);
  } else {
    std::string bytes;
    if (!read_file(request.file, bytes)) return refuse(request, request.file + " cannot be read", kUnreadable);
    result = replay::attach(recording, request.file, base::bytes_of(bytes));
  }
  if (!result.error.empty()) return refuse(request, result.error, kUnreadable);
  if (!write_file(request.out, result.file)) return refuse(request, request.out + " cannot be written", kUnreadable);
  std::printf("%u attachments changed\n", result.changed);
  return kHeld;
}

/// The run of a scenario up to `until`, recorded; there is no input to redact in one.
int cut_scenario(const Request& request, const Guest& guest, const replay::Recording& recording, u64 until) {
  if (request.action == "redact")
    return refuse(request, "nothing to redact: a scenario's run takes no input", kUnreadable);
  scenario::Recorded recorded = scenario::case_of(recording, guest.entries, guest.image);
  if (!recorded.error.empty()) return refuse(request, recorded.error, kUnreadable);
  recorded.setup.until = std::min(recorded.setup.until, until);
  recorded.setup.record = request.out;
  const RunReport report = recorded.which->run(recorded.setup);
  if (report.finding && report.finding->kind == "setup") return refuse(request, report.finding->details, kUnreadable);
  std::printf("%s after %llu events\n", std::string(name_of(report.verdict)).c_str(),
              static_cast<unsigned long long>(report.events));
  return kHeld;
}

int rerun(const Request& request, const Guest& guest) {
  u64 until = kNever;
  if (request.action == "cut") {
    const auto limit = base::parse_duration_ns(request.until);
    if (!limit.ok()) return usage_error(kRecordingVerb, "cut needs --until TIME, for example 30s or 250ms");
    until = *limit;
  }
  replay::Recording recording;
  if (const int code = load_recording(kRecordingVerb, request.in, recording); code >= 0) return code;
  if (recording.scenario() != nullptr) return cut_scenario(request, guest, recording, until);
  std::vector<std::string> named;
  if (!request.file.empty()) named.push_back(request.file);
  const replay::DiskFiles files = files_for(request.in, std::move(named));
  const replay::Rerun done =
      request.action == "cut"
          ? replay::cut(recording, until, guest.image, guest.entries, request.out, files)
          : replay::redact(recording, {.names = request.names}, guest.image, guest.entries, request.out, files);
  if (!done.error.empty()) return refuse(request, done.error, kUnreadable);
  if (request.action == "redact") {
    std::printf("%llu inputs replaced\n", static_cast<unsigned long long>(done.inputs_replaced));
  }
  if (done.replayed.divergence) {
    std::printf("it differs from the original in #(%llu, %llu]\n",
                static_cast<unsigned long long>(done.replayed.divergence->after),
                static_cast<unsigned long long>(done.replayed.divergence->upto));
  }
  return kHeld;
}

}  // namespace

int recording_verb(Context& context) {
  CLI::App app;
  Request request;
  app.add_option("action", request.action);
  app.add_option("in", request.in);
  app.add_option("out", request.out);
  app.add_option("--file", request.file);
  app.add_option("--until", request.until);
  app.add_option("--input", request.names);
  app.add_flag("--inputs", request.inputs);
  app.add_flag("--show-secrets", request.show_secrets);
  app.add_flag("--json", request.json);
  if (const int code = parse_flags(app, context, kRecordingVerb); code >= 0) return code;
  const std::vector<std::string> actions = {"info", "check", "repair", "redact", "cut", "detach", "attach"};
  const bool looks = request.action == "info" || request.action == "check";
  if (std::find(actions.begin(), actions.end(), request.action) == actions.end()) {
    const std::string near = nearest(request.action, actions);
    return usage_error(
        kRecordingVerb,
        request.action.empty()
            ? std::string("an action is needed: info check repair redact cut detach attach")
            : "there is no action '" + request.action + "'" + (near.empty() ? "" : "; did you mean '" + near + "'?"));
  }
  if (request.in.empty()) return usage_error(kRecordingVerb, "a recording is needed");
  if (looks) return look(request);
  if (request.out.empty()) return usage_error(kRecordingVerb, "a file to write is needed");
  if (request.out == request.in) return usage_error(kRecordingVerb, "a recording is not changed in place");
  if (request.action == "repair") return repair(request);
  if (request.action == "detach" || request.action == "attach") return reattach(request);
  return rerun(request, context.guest);
}

}  // namespace sim::host::cli
