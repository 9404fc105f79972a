// sim/host/cli/cli.h — the `orrery` command: verbs, the flags they share, and how they report. One file per verb.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "sim/host/cli/disk_flags.h"
#include "sim/host/filter.h"
#include "sim/host/machine_host.h"
#include "sim/host/nearest.h"
#include "sim/host/text.h"

namespace CLI {
class App;
}
namespace sim::host {
struct Finding;
}

namespace sim::host::cli {

/// What runs inside: native entries and the boot image. Given by the executable, since the core's layers forbid sim/host
/// to know which programs there are.
struct Guest {
  std::span<const machine::NativeEntry> entries;
  std::string image;
};

struct Context {
  const Guest& guest;
  std::vector<std::string> arguments;  // of the verb, without its name
  std::string program;                 // as it was called, for reproduction lines
};

struct Verb {
  std::string_view name;
  std::string_view purpose;
  std::string_view help;  // usage, flags with defaults, example, exit codes
  int (*run)(Context& context);
};
std::span<const Verb> verbs();
/// In a build with planted bugs: makes the one that the environment variable ORRERY_BUG names real. −1, or the exit code.
int choose_planted_bug();
const Verb* find_verb(std::string_view name);

/// The whole command; returns the exit code.
int command(const Guest& guest, int argc, char** argv);

int run_verb(Context& context);
int faults_verb(Context& context);
int live_verb(Context& context);
int verify_verb(Context& context);
int digest_verb(Context& context);
int boot_verb(Context& context);
int doctor_verb(Context& context);
int lonala_verb(Context& context);
int replay_verb(Context& context);
int recording_verb(Context& context);
int campaign_verb(Context& context);
int minimise_verb(Context& context);
int scenario_verb(Context& context);
int lint_verb(Context& context);
int properties_verb(Context& context);
int bugs_verb(Context& context);
int version_verb(Context& context);
int help_verb(Context& context);
/// Children of `verify`; not listed.
int variant_verb(Context& context);

extern const Verb kRunVerb, kLiveVerb, kReplayVerb, kVerifyVerb, kCampaignVerb, kMinimiseVerb, kDigestVerb,
    kRecordingVerb, kFaultsVerb, kPropertiesVerb, kScenarioVerb, kBugsVerb, kLintVerb, kBootVerb, kLonalaVerb,
    kDoctorVerb, kVersionVerb, kHelpVerb;

constexpr std::string_view kVersion = "0.1.0";
constexpr u32 kCoresDefault = 1;
constexpr u64 kMemoryDefault = u64{64} << 20;

// ── Flags ────────────────────────────────────────────────────────────────────────────────────────────────────
/// Shape of a default world, as several verbs take it; texts first, checked by `check`.
struct MachineFlags {
  std::string seed = "1";
  std::string cores = "1";
  std::string memory = "64M";
  std::string clock;  // skew=TIME,drift=PPM
  std::string image;
  u64 seed_value = 1;
  u32 cores_value = kCoresDefault;
  u64 memory_value = kMemoryDefault;
  ClockConfig clock_value;
  DiskFlags disks;

  void add_to(CLI::App& app);
  /// Empty, or what is wrong, with the allowed range.
  std::string check();
  /// As they are written in a reproduction line; defaults are left out, the seed is always there.
  std::string text() const;
};

/// Which faults may strike, as several verbs take it.
struct FaultFlags {
  std::vector<std::string> rules;
  std::string swarm;  // patterns, by commas; a `-` before what is forbidden

  void add_to(CLI::App& app);
  /// Adds the rules, and what `seed` draws of the swarm, to `faults`. Empty, or which flag is wrong and how.
  std::string read(u64 seed, FaultSetup& faults) const;
  /// As they are written in a reproduction line.
  std::string text() const;
};

/// Parses a verb's arguments. Returns −1 to go on, else the exit code: 0 after `--help`, 2 with the mistake on stderr and
/// the nearest flag suggested.
int parse_flags(CLI::App& app, const Context& context, const Verb& verb);
/// Prints `orrery VERB: message` on stderr and returns 2.
int usage_error(const Verb& verb, const std::string& message);

/// Decimal, 0x…, or any other text: the first 8 bytes of its SHA-256.
u64 parse_seed(const std::string& text);

/// Another boot image: a whole ustar archive with a /boot/manifest. −1, or the exit code after saying what is wrong with
/// it and at which byte; an empty path keeps the image that is built in.
int load_image(const std::string& path, std::string& image);
/// `-` is standard input.
bool read_script(const std::string& path, std::string& out);

// ── Running a script ─────────────────────────────────────────────────────────────────────────────────────────
struct ScriptRun {
  MachineFlags flags;
  std::string script;       // text
  std::string script_name;  // as the user gave it
  FaultFlags faults;
  u64 until = kNever;
};
/// Machine options of a script run.
MachineOptions options_of(const ScriptRun& run, const Guest& guest);
/// Reads flags, images and script into `run`; the exit code on failure, −1 to go on.
int prepare(ScriptRun& run, Guest& guest, const Verb& verb);
/// Exit code of a finished world: the guest's status, 10 stalled (threads listed on stderr), 11 limit.
int exit_code(Outcome outcome, World& world);
void list_blocked(World& world);
const char* state_name(kernel::ThreadState state);
/// Runs in pieces of 100 virtual ms and asks `go_on` between them. Running: `until` is reached, or it said no.
Outcome run_pieces(Machine& machine, u64 until, const std::function<bool()>& go_on);

/// What a judge found, on stderr; the exit code for it.
int print_finding(const Finding& finding);
/// Reads the text of `--FLAG` into `filter`, names from the running world; −1, or the exit code after a usage error.
int read_filter(const Verb& verb, std::string_view flag, const std::string& text, Machine& machine, Filter& filter);

}  // namespace sim::host::cli
