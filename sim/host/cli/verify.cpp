// sim/host/cli/verify.cpp — `orrery verify`: the same run under different host conditions, in lock-step. At the first root
// that differs every child still holds the events around the place, so even a leak that shows only once is named.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>

#include "sim/host/cli/boot_compare.h"
#include "sim/host/cli/divergence.h"
#include "sim/host/cli/record.h"
#include "sim/host/cli/scenario_run.h"
#include "sim/host/cli/variant.h"
#include "sim/host/shuffle.h"

namespace sim::host::cli {
namespace {

struct VariantSpec {
  std::string name;  // as the child knows it
  std::string shown;
  bool fixed_addresses = false;
  bool other_environment = false;
  bool loaded = false;  // stopped and continued at random, beside a busy neighbour
  std::string binary;   // empty: this one
};

struct Child {
  VariantSpec spec;
  pid_t pid = -1;
  pid_t neighbour = -1;
  int roots = -1;
  int answers = -1;
  Root last;
};

bool read_all(int fd, void* data, u64 bytes) {
  char* at = static_cast<char*>(data);
  while (bytes > 0) {
    const ssize_t count = read(fd, at, bytes);
    if (count <= 0) return false;
    at += count;
    bytes -= static_cast<u64>(count);
  }
  return true;
}

void become_variant(const VariantSpec& spec, const std::vector<std::string>& more, int recording, int roots,
                    int answers) {
  setpgid(0, 0);  // a variant that forks is ended as a group
  dup2(recording, kRecordingFd);
  dup2(roots, kRootsFd);
  dup2(answers, kAnswersFd);
  const int persona = personality(0xFFFF'FFFF);
  if (spec.fixed_addresses) personality(static_cast<unsigned long>(persona) | ADDR_NO_RANDOMIZE);
  if (spec.other_environment) {
    setenv("LANG", "tr_TR.UTF-8", 1);
    setenv("LC_ALL", "tr_TR.UTF-8", 1);
    setenv("TZ", "<+1245>-12:45", 1);  // needs no time zone data
    setenv("ORRERY_VERIFY_PADDING", std::string(3000, 'x').c_str(), 1);
    unsetenv("HOME");
  }
  std::vector<std::string> words = {spec.binary.empty() ? "/proc/self/exe" : spec.binary, "variant", "--variant",
                                    spec.name};
  words.insert(words.end(), more.begin(), more.end());
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  if (spec.other_environment && chdir("/") != 0) _exit(kOwnFailure);
  execv(arguments[0], arguments.data());
  std::fprintf(stderr, "orrery: %s cannot be run\n", arguments[0]);
  _exit(kUnsupported);
}

/// Computes, and stops and continues `target` at random, until it is killed.
pid_t start_neighbour(pid_t target) {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  Shuffle dice{.state = static_cast<u64>(getpid()) * 0x9E37'79B9'7F4A'7C15u};
  for (;;) {
    for (u64 left = dice.below(3'000'000); left > 0; --left) asm volatile("" ::: "memory");
    if (kill(target, SIGSTOP) != 0) _exit(kHeld);
    usleep(static_cast<useconds_t>(1000 + dice.below(12'000)));
    kill(target, SIGCONT);
  }
}

bool start(Child& child, const std::vector<std::string>& more, int recording) {
  int roots[2];
  int answers[2];
  if (pipe2(roots, O_CLOEXEC) != 0 || pipe2(answers, O_CLOEXEC) != 0) return false;
  child.pid = fork();
  if (child.pid < 0) return false;
  if (child.pid == 0) become_variant(child.spec, more, recording, roots[1], answers[0]);
  setpgid(child.pid, child.pid);
  if (child.spec.loaded) child.neighbour = start_neighbour(child.pid);
  close(roots[1]);
  close(answers[0]);
  child.roots = roots[0];
  child.answers = answers[1];
  return true;
}

void answer(Child& child, Answer word) {
  const char byte = static_cast<char>(word);
  if (write(child.answers, &byte, 1) != 1) return;  // it has ended; the next read tells
}

void reap(std::vector<Child>& children) {
  for (Child& child : children) {
    close(child.roots);
    close(child.answers);
    if (child.neighbour > 0) {
      kill(child.neighbour, SIGKILL);
      waitpid(child.neighbour, nullptr, 0);
    }
    kill(-child.pid, SIGKILL);
    while (waitpid(-child.pid, nullptr, 0) > 0) {
    }
  }
}

/// "getenv was called inside a step, after event #812", or nothing.
std::string breach_text(const Root& root) {
  if (root.breach_call[0] == 0) return {};
  return std::string(root.breach_call) + " was called inside a step of the world, after event #" +
         std::to_string(root.breach_sequence);
}

std::optional<Evidence> evidence_of(Child& child) {
  answer(child, Answer::HandOver);
  Root skipped;
  // What the child had already written before it saw the answer comes first; the dump follows the window's last root.
  for (u32 i = 1; i < kWindow && child.last.end == 0; ++i) {
    if (!read_all(child.roots, &skipped, sizeof skipped)) return std::nullopt;
    if (skipped.end != 0) break;
  }
  Dump dump;
  if (!read_all(child.roots, &dump, sizeof dump)) return std::nullopt;
  Evidence evidence{child.spec.name, child.spec.shown, dump.oldest, {}, {}, breach_text(child.last)};
  evidence.events.resize(dump.newest - dump.oldest + 1);
  evidence.leaves.resize(dump.leaf_count);
  if (!read_all(child.roots, evidence.events.data(), evidence.events.size() * sizeof(base::Event))) return std::nullopt;
  if (!read_all(child.roots, evidence.leaves.data(), evidence.leaves.size() * sizeof(base::Digest)))
    return std::nullopt;
  return evidence;
}

struct Verdict {
  int code = kHeld;
  u64 events = 0;
  base::Digest root;
  std::string report;
};

/// All children in lock-step until all end or two roots differ. The first child is the reference.
Verdict compare(std::vector<Child>& children, const std::string& title, u32 context) {
  for (;;) {
    for (Child& child : children) {
      if (!read_all(child.roots, &child.last, sizeof child.last)) {
        return {kOwnFailure, 0, {}, "variant " + child.spec.shown + " ended without a verdict"};
      }
    }
    const Root& reference = children[0].last;
    for (u64 i = 1; i < children.size(); ++i) {
      const Root& other = children[i].last;
      if (other.root == reference.root && other.events == reference.events && other.end == reference.end) continue;
      // Of the two poisons one is compared with the other: what follows the fill then shows on both sides.
      const bool poisons = children[i].spec.name == "poison-a5" && children[i + 1].last.root != other.root;
      const auto left = evidence_of(children[poisons ? i : 0]);
      const auto right = evidence_of(children[poisons ? i + 1 : i]);
      u64 differing = 0;
      for (const Child& child : children) differing += child.last.root != reference.root ? 1 : 0;
      const bool alone = differing == 1;
      if (!left || !right)
        return {kNotDeterministic, 0, {}, "roots differ, and a variant ended before it could say where"};
      return {kNotDeterministic, 0, {}, explain(title, *left, *right, {context, alone})};
    }
    if (reference.end != 0) {
      for (const Child& child : children) {
        const std::string breach = breach_text(child.last);
        if (breach.empty()) continue;
        return {kNotDeterministic, reference.events, reference.root,
                "FORBIDDEN  " + title + "   variant " + child.spec.shown + "\n  " + breach};
      }
      return {kHeld, reference.events, reference.root, {}};
    }
    for (Child& child : children) answer(child, Answer::GoOn);
  }
}

/// What the children run: a recording, or what a script would make of one.
struct Subject {
  replay::Buffer file;
  std::string title;
};

/// Flags that tell the children, which run in other folders, where the files of disks are.
std::vector<std::string> disk_files(const std::vector<DiskShape>& disks) {
  std::vector<std::string> flags;
  for (const DiskShape& disk : disks) {
    if (!disk.file) continue;
    flags.emplace_back("--file");
    flags.push_back(std::filesystem::absolute(disk.file->path()).string());
  }
  return flags;
}

/// Empty `file` where the image of a disk cannot be read; `title` says which then.
Subject subject_of(const ScriptRun& run, const Guest& guest) {
  const MachineOptions options = options_of(run, guest);
  const replay::Buffer plan = replay::plan_of(options);
  const replay::Header header{.model = replay::model_id(),
                              .build = replay::build_id(),
                              .plan = replay::sha256_of(plan),
                              .seed = options.seed,
                              .sources = {run.script_name}};
  std::vector<replay::Content> contents = {header, replay::PlanFrame{plan}};
  for (const DiskShape& disk : options.disks) {
    replay::DiskAttachments made = replay::attachments_of(disk, false);
    if (!made.error.empty()) return {{}, made.error};
    for (replay::Attachment& part : made.parts) contents.emplace_back(std::move(part));
  }
  return {replay::file_of(contents), run.script_name + " seed " + run.flags.seed};
}

/// In the order in which a difference is best explained: the first that differs names the cause.
std::vector<VariantSpec> quick_variants() {
  return {{.name = "base", .shown = "base"},
          {.name = "fresh", .shown = "fresh", .fixed_addresses = true},
          {.name = "poison-a5", .shown = "poison 0xA5"},
          {.name = "poison-5a", .shown = "poison 0x5A"},
          {.name = "alloc", .shown = "alloc"},
          {.name = "env", .shown = "env", .other_environment = true},
          {.name = "again", .shown = "again"}};
}

void add_full_variants(std::vector<VariantSpec>& specs) {
  specs.push_back({.name = "clock-frozen", .shown = "clock frozen"});
  specs.push_back({.name = "clock-fast", .shown = "clock 1000x"});
  specs.push_back({.name = "clock-back", .shown = "clock backwards"});
  specs.push_back({.name = "load", .shown = "load", .loaded = true});
  specs.push_back({.name = "restore", .shown = "restore"});
}

/// A file without a name that holds `bytes`; −1 when the host has none.
int memory_file(const replay::Buffer& bytes) {
  const int file = memfd_create("recording", MFD_CLOEXEC);
  if (file < 0) return -1;
  if (write(file, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size())) return file;
  close(file);
  return -1;
}

}  // namespace

const Verb kVerifyVerb = {
    "verify", "run under different host conditions and compare every event",
    "usage: orrery verify SCENARIO.lua|SCRIPT|RECORDING|- [--seed N | --seeds A..B] [--quick | --full | --bare] "
    "[--with BINARY]...\n"
    "  --seed N        decimal, 0x..., or any text, hashed (default 1)\n"
    "  --seeds A..B    each seed from A to B\n"
    "  --cores --memory --image --disk   as for `orrery run`\n"
    "  --file FILE     the image of a disk that a recording has only the hash of\n"
    "  --quick         again, fresh, poison, alloc, env (default)\n"
    "  --full          also clock, load, restore; names what it leaves out\n"
    "  --bare          instead of these: the host and each bare machine under QEMU\n"
    "  --with BINARY   also compare with another build of the same model\n"
    "  --context N     events shown before and after the first difference (default 1)\n"
    "  --json          one line a seed, schema orrery.verify/1\n"
    "example: orrery verify script.fsh --seeds 1..20 --with build/clang/orrery\n"
    "exit:    0 equal   2 usage   4 different (first event named)   5 a variant failed   8 unreadable file\n"
    "         12 a variant cannot run here\n",
    verify_verb};

int verify_verb(Context& context) {
  CLI::App app;
  ScriptRun run;
  std::string seeds;
  std::vector<std::string> binaries;
  std::vector<std::string> files;
  bool quick = false;
  bool full = false;
  bool bare = false;
  bool json = false;
  u32 context_events = 1;
  run.flags.add_to(app);
  app.add_option("script", run.script_name);
  app.add_option("--seeds", seeds);
  app.add_option("--with", binaries);
  app.add_option("--file", files)->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_option("--context", context_events);
  app.add_flag("--quick", quick);
  app.add_flag("--full", full);
  app.add_flag("--bare", bare);
  app.add_flag("--json", json);
  if (const int code = parse_flags(app, context, kVerifyVerb); code >= 0) return code;
  if (run.script_name.empty()) return usage_error(kVerifyVerb, "a script is needed (- is standard input)");
  Guest guest = context.guest;
  Subject recorded;
  std::vector<DiskShape> disks;
  const bool of_scenario = is_scenario(run.script_name);
  if (of_scenario) {
    if (!run.flags.disks.texts.empty()) return usage_error(kVerifyVerb, "--disk is for scripts");
    if (bare) return usage_error(kVerifyVerb, "--bare: a scenario runs on the host");
    if (const int code = check_scenario(context, run.script_name); code >= 0) return code;
    run.flags.seed_value = parse_seed(run.flags.seed);
  } else if (is_recording(run.script_name)) {
    if (bare || !seeds.empty()) return usage_error(kVerifyVerb, "a recording has its seed and its machine");
    replay::Recording recording;
    if (const int code = load_recording(kVerifyVerb, run.script_name, recording); code >= 0) return code;
    std::string bytes;
    if (!read_file(run.script_name, bytes)) return kUnreadable;
    bytes.resize(recording.good_bytes);
    if (recording.scenario() == nullptr) {
      replay::PlanRead plan =
          replay::machine_of(recording, guest.image, guest.entries, files_for(run.script_name, files));
      if (!plan.error.empty()) {
        std::fprintf(stderr, "orrery verify: %s: %s\n", run.script_name.c_str(), plan.error.c_str());
        return kUnreadable;
      }
      disks = std::move(plan.options.disks);
    }
    recorded = {{bytes.begin(), bytes.end()}, run.script_name};
  } else if (const int code = prepare(run, guest, kVerifyVerb); code >= 0) {
    return code;
  } else {
    disks = run.flags.disks.disks;
  }
  u64 first = run.flags.seed_value;
  u64 last = first;
  if (!seeds.empty() && (std::sscanf(seeds.c_str(), "%lu..%lu", &first, &last) != 2 || first > last)) {
    return usage_error(kVerifyVerb, "--seeds " + seeds + ": expected A..B, A not above B");
  }
  if (bare) {
    if (!run.flags.image.empty()) return usage_error(kVerifyVerb, "--bare: a bare machine has its own boot image");
    std::signal(SIGPIPE, SIG_IGN);
    return verify_bare(run, guest, {first, last, context_events, json});
  }
  if (full) {
    std::fprintf(stderr, "orrery verify: not in it: other builds (--with BINARY), bare machines (--bare)\n");
  }
  if (!run.flags.image.empty() && run.flags.image[0] != '/') {
    run.flags.image = std::filesystem::current_path().string() + "/" + run.flags.image;
  }
  std::vector<VariantSpec> specs = quick_variants();
  if (full) add_full_variants(specs);
  for (const std::string& binary : binaries) {
    specs.push_back({.name = "with", .shown = "with " + binary, .binary = binary});
  }
  std::signal(SIGPIPE, SIG_IGN);
  prctl(PR_SET_CHILD_SUBREAPER, 1);  // the children of variants that fork come to us
  int worst = kHeld;
  for (u64 seed = first; seed <= last && worst == kHeld; ++seed) {
    if (!seeds.empty()) {
      run.flags.seed = std::to_string(seed);
      run.flags.seed_value = seed;
    }
    const bool is_script = recorded.file.empty() && !of_scenario;
    const Subject subject = of_scenario ? Subject{{}, run.script_name + " seed " + run.flags.seed}
                            : is_script ? subject_of(run, guest)
                                        : recorded;
    const std::string& title = subject.title;
    if (subject.file.empty() && !of_scenario) {
      std::fprintf(stderr, "orrery verify: %s\n", title.c_str());
      return kUnreadable;
    }
    const int file = memory_file(subject.file);
    if (file < 0) {
      std::fprintf(stderr, "orrery verify: no memory file for the recording\n");
      return kUnsupported;
    }
    std::vector<std::string> more;
    if (!run.flags.image.empty()) more = {"--image", run.flags.image};
    for (std::string& flag : disk_files(disks)) more.push_back(std::move(flag));
    if (of_scenario)
      more = {"--scenario", std::filesystem::absolute(run.script_name).string(), "--seed", run.flags.seed};
    std::vector<Child> children;
    for (const VariantSpec& spec : specs) {
      children.push_back({spec});
      if (!start(children.back(), more, file)) return kUnsupported;
    }
    close(file);
    const Verdict verdict = compare(children, title, context_events);
    reap(children);
    worst = verdict.code;
    if (json) {
      std::printf(
          "{\"digest\":\"%s\",\"events\":%llu,\"exit\":%d,\"report\":%s,\"schema\":\"orrery.verify/1\",\"seed\":%s}\n",
          text_of(verdict.root).c_str(), static_cast<unsigned long long>(verdict.events), verdict.code,
          json_string(verdict.report).c_str(), json_string(run.flags.seed).c_str());
    } else if (worst == kHeld) {
      std::printf("equal     %s   %zu variants   %llu events   root %s\n", title.c_str(), specs.size(),
                  static_cast<unsigned long long>(verdict.events), text_of(verdict.root).c_str());
    } else {
      std::printf("%s\n", verdict.report.c_str());
    }
    std::fflush(stdout);
  }
  return worst;
}

}  // namespace sim::host::cli
