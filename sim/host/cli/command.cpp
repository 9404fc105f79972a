// sim/host/cli/command.cpp — the table of verbs, and what they share: flags, suggestions, texts.
#include "sim/host/cli/cli.h"

#include "base/ustar.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <openssl/sha.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>

#include "base/parse.h"
#include "replay/ids.h"

namespace sim::host::cli {
namespace {

const Verb* const kVerbs[] = {&kLiveVerb,     &kRunVerb,     &kReplayVerb,    &kVerifyVerb, &kCampaignVerb,
                              &kMinimiseVerb, &kDigestVerb,  &kRecordingVerb, &kFaultsVerb, &kPropertiesVerb,
                              &kScenarioVerb, &kBugsVerb,    &kLintVerb,      &kBootVerb,   &kLonalaVerb,
                              &kDoctorVerb,   &kVersionVerb, &kHelpVerb};

std::string range_text(const std::string& flag, const std::string& given, const std::string& range) {
  return flag + " " + given + ": allowed is " + range;
}

}  // namespace

std::span<const Verb> verbs() {
  static const std::vector<Verb> list = [] {
    std::vector<Verb> made;
    for (const Verb* verb : kVerbs) made.push_back(*verb);
    return made;
  }();
  return list;
}

const Verb* find_verb(std::string_view name) {
  for (const Verb* verb : kVerbs) {
    if (verb->name == name) return verb;
  }
  return nullptr;
}

int command(const Guest& guest, int argc, char** argv) {
  Context context{guest, {}, argc > 0 ? argv[0] : "orrery"};
  std::string name = argc > 1 ? argv[1] : "help";
  for (int i = 2; i < argc; ++i) context.arguments.push_back(argv[i]);
  if (name == "--help" || name == "-h") name = "help";
  if (name == "--version") name = "version";
  if (name == "variant") return variant_verb(context);
  const Verb* verb = find_verb(name);
  if (const int code = choose_planted_bug(); code >= 0) return code;
  if (verb == nullptr) {
    std::vector<std::string> names;
    for (const Verb* known : kVerbs) names.emplace_back(known->name);
    const std::string near = nearest(name, names);
    std::fprintf(stderr, "orrery: there is no verb '%s'%s%s%s; `orrery help` lists them\n", name.c_str(),
                 near.empty() ? "" : "; did you mean '", near.c_str(), near.empty() ? "" : "'?");
    return kUsage;
  }
  return verb->run(context);
}

// ── Flags ────────────────────────────────────────────────────────────────────────────────────────────────────

namespace {

/// `skew=TIME,drift=PPM`, either with a sign. Empty, or what is wrong.
std::string parse_clock(std::string_view text, ClockConfig& clock) {
  const std::string whole(text);
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(','));
    text.remove_prefix(std::min(word.size() + 1, text.size()));
    const auto equal = std::min(word.find('='), word.size());
    std::string_view value = word.substr(std::min(equal + 1, word.size()));
    const i64 sign = value.starts_with('-') ? -1 : 1;
    if (value.starts_with('-') || value.starts_with('+')) value.remove_prefix(1);
    if (word.substr(0, equal) == "skew") {
      const auto skew = base::parse_duration_ns(value);
      if (!skew.ok() || *skew > kPauseNsMax)
        return range_text("--clock", whole, "a skew of up to 24h, for example -50ms");
      clock.skew_ns = sign * static_cast<i64>(*skew);
    } else if (word.substr(0, equal) == "drift") {
      const auto drift = base::parse_u64(value);
      if (!drift.ok() || *drift > kRatePpmMax)
        return range_text("--clock", whole, "a drift of -1000000 to 1000000 ppm");
      clock.drift_ppm = static_cast<i32>(sign) * static_cast<i32>(*drift);
    } else {
      return "--clock " + whole + ": skew=TIME and drift=PPM can stand here, with a comma between them";
    }
  }
  return {};
}

}  // namespace

void MachineFlags::add_to(CLI::App& app) {
  app.add_option("--seed", seed);
  app.add_option("--cores", cores);
  app.add_option("--memory", memory);
  app.add_option("--clock", clock);
  app.add_option("--image", image);
  disks.add_to(app);
}

std::string MachineFlags::check() {
  seed_value = parse_seed(seed);
  const auto core_count = base::parse_u64(cores);
  if (!core_count.ok() || *core_count < 1 || *core_count > kCoresMax) {
    return range_text("--cores", cores, "1 to 128");
  }
  cores_value = static_cast<u32>(*core_count);
  const auto bytes = base::parse_size(memory);
  if (!bytes.ok() || *bytes < kernel::kRamBytesMin || *bytes > kernel::kRamBytesMax ||
      *bytes % kernel::kRamBytesMultiple != 0) {
    return range_text("--memory", memory, "16M to 3584M, a multiple of 2M");
  }
  memory_value = *bytes;
  clock_value = {};
  if (std::string wrong = parse_clock(clock, clock_value); !wrong.empty()) return wrong;
  return disks.check();
}

std::string MachineFlags::text() const {
  std::string line = " --seed " + quote(seed);
  if (cores_value != kCoresDefault) line += " --cores " + std::to_string(cores_value);
  if (memory_value != kMemoryDefault) line += " --memory " + memory;
  if (!clock.empty()) line += " --clock " + quote(clock);
  if (!image.empty()) line += " --image " + quote(image);
  return line + disks.text();
}

int parse_flags(CLI::App& app, const Context& context, const Verb& verb) {
  for (const std::string& argument : context.arguments) {
    if (argument == "--") break;
    if (argument == "--help" || argument == "-h") {
      std::printf("orrery %s: %s\n%s", std::string(verb.name).c_str(), std::string(verb.purpose).c_str(),
                  std::string(verb.help).c_str());
      return kHeld;
    }
  }
  app.set_help_flag();
  app.allow_extras();
  std::vector<std::string> reversed(context.arguments.rbegin(), context.arguments.rend());
  try {
    app.parse(reversed);
  } catch (const CLI::ParseError& error) {
    return usage_error(verb, error.what());
  }
  for (const std::string& extra : app.remaining()) {
    if (extra.size() < 2 || extra[0] != '-') return usage_error(verb, "unexpected argument '" + extra + "'");
    std::vector<std::string> known = {"--help"};
    for (const CLI::Option* option : app.get_options()) {
      for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
    }
    const std::string flag = extra.substr(0, extra.find('='));
    const std::string near = nearest(flag, known);
    return usage_error(verb,
                       "there is no flag '" + flag + "'" + (near.empty() ? "" : "; did you mean '" + near + "'?"));
  }
  return -1;
}

int usage_error(const Verb& verb, const std::string& message) {
  const std::string name(verb.name);
  std::fprintf(stderr, "orrery %s: %s\n`orrery %s --help` lists the flags\n", name.c_str(), message.c_str(),
               name.c_str());
  return kUsage;
}

u64 parse_seed(const std::string& text) {
  const auto number = base::parse_u64(text, base::kRadixAuto);
  if (number.ok()) return *number;
  u8 hash[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const u8*>(text.data()), text.size(), hash);
  u64 seed = 0;
  for (u32 i = 0; i < 8; ++i) seed = seed << 8 | hash[i];
  return seed;
}

// ── Texts ────────────────────────────────────────────────────────────────────────────────────────────────────

int load_image(const std::string& path, std::string& image) {
  if (path.empty()) return -1;
  std::string bytes;
  if (!read_file(path, bytes)) {
    std::fprintf(stderr, "orrery: %s: cannot be read\n", path.c_str());
    return kUnreadable;
  }
  base::UstarReader reader(base::bytes_of(bytes));
  bool has_manifest = false;
  for (;;) {
    const auto entry = reader.next();
    if (!entry.ok()) {
      const std::string what(base::describe(entry.error().code));
      std::fprintf(stderr, "orrery: %s: not a boot image: at byte %llu, %s\n", path.c_str(),
                   static_cast<unsigned long long>(entry.error().offset), what.c_str());
      return kUnreadable;
    }
    if (!entry->has_value()) break;
    std::string_view name = (*entry)->name();
    while (name.starts_with("/") || name.starts_with("./")) name.remove_prefix(name[0] == '/' ? 1 : 2);
    has_manifest = has_manifest || name == "boot/manifest";
  }
  if (!has_manifest) {
    std::fprintf(stderr, "orrery: %s: not a boot image: it has no boot/manifest\n", path.c_str());
    return kUnreadable;
  }
  image = std::move(bytes);
  return -1;
}

bool read_script(const std::string& path, std::string& out) {
  if (path != "-") return read_file(path, out);
  std::cin >> std::noskipws;
  out.assign(std::istreambuf_iterator<char>(std::cin), {});
  return !std::cin.bad();
}

// ── version and help ─────────────────────────────────────────────────────────────────────────────────────────

const Verb kVersionVerb = {
    "version", "which build this is",
    "usage: orrery version [--json]\n"
    "  --json          one document, schema orrery.version/1\n"
    "The model id names what defines a trace: equal ids, equal digests. The build id adds compiler and flags.\n"
    "example: orrery version --json\n"
    "exit:    0\n",
    version_verb};

int version_verb(Context& context) {
  CLI::App app;
  bool json = false;
  app.add_flag("--json", json);
  if (const int code = parse_flags(app, context, kVersionVerb); code >= 0) return code;
  const std::string compiler = __VERSION__;
  const std::string version(kVersion);
  const std::string model = replay::hex(replay::model_id());
  const std::string build = replay::hex(replay::build_id());
  if (json) {
    std::printf("{\"build\":\"%s\",\"compiler\":%s,\"model\":\"%s\",\"schema\":\"orrery.version/1\",\"version\":%s}\n",
                build.c_str(), json_string(compiler).c_str(), model.c_str(), json_string(version).c_str());
  } else {
    std::printf("orrery %s\nmodel    %s\nbuild    %s\ncompiler %s\n", version.c_str(), model.c_str(), build.c_str(),
                compiler.c_str());
  }
  return kHeld;
}

const Verb kHelpVerb = {"help", "what the verbs are, or one verb in full",
                        "usage: orrery help [VERB]\n"
                        "example: orrery help run\n"
                        "exit:    0   2 there is no such verb\n",
                        help_verb};

int help_verb(Context& context) {
  CLI::App app;
  std::string name;
  app.add_option("verb", name);
  if (const int code = parse_flags(app, context, kHelpVerb); code >= 0) return code;
  if (!name.empty()) {
    const Verb* verb = find_verb(name);
    if (verb == nullptr) return usage_error(kHelpVerb, "there is no verb '" + name + "'");
    std::printf("orrery %s: %s\n%s", name.c_str(), std::string(verb->purpose).c_str(), std::string(verb->help).c_str());
    return kHeld;
  }
  std::printf(
      "orrery: a whole operating system on a clock of its own, repeatable from a seed\nusage: orrery VERB [...]\n");
  for (const Verb* verb : kVerbs) {
    std::printf("  %-9s %s\n", std::string(verb->name).c_str(), std::string(verb->purpose).c_str());
  }
  std::printf("`orrery VERB --help` tells the flags and exit codes of one\n");
  return kHeld;
}

}  // namespace sim::host::cli
