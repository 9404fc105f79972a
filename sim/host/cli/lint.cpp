// sim/host/cli/lint.cpp — `orrery lint`: which files, DL10 over all of them, the report.
#include "sim/host/cli/lint.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <set>

#include "sim/host/cli/cli.h"

namespace sim::host::cli {
namespace lint {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLayers[] = {"base", "kernel-model", "schema", "fs", "net", "vm", "user", "sim/model"};
constexpr const char* kCatalogue = "base/names.def";

bool is_source(const fs::path& path) {
  const std::string extension = path.extension().string();
  return extension == ".h" || extension == ".cpp" || extension == ".def";
}

/// Variables that are random streams, by their declarations.
void collect_streams(Whole& whole) {
  std::set<std::string> names;
  for (const Source& source : whole.sources) {
    for (std::size_t at = 0; at + 1 < source.tokens.size(); ++at) {
      if (source.tokens[at].text != "Prng" || source.tokens[at].kind != TokenKind::Identifier) continue;
      std::size_t next = at + 1;
      while (next < source.tokens.size() && (source.tokens[next].text == "&" || source.tokens[next].text == "*"))
        ++next;
      if (next < source.tokens.size() && source.tokens[next].kind == TokenKind::Identifier) {
        names.insert(source.tokens[next].text);
      }
    }
  }
  whole.streams.assign(names.begin(), names.end());
}

/// One use of a name of the catalogue.
struct Use {
  std::string kind;  // "stream", "property", "nudge", "mark"
  std::string name;
  const Source* source = nullptr;
  u32 line = 0;
};

std::vector<Use> uses_in(const Source& source) {
  static const std::map<std::string, std::string> kMacros = {
      {"ALWAYS", "property"},     {"NEVER", "property"}, {"SOMETIMES", "property"}, {"AT_MOST_ONCE", "property"},
      {"EVENTUALLY", "property"}, {"HOT", "property"},   {"COLD", "property"},      {"WATERMARK", "property"},
      {"MARK", "mark"},           {"NUDGE", "nudge"},    {"TUNABLE", "nudge"}};
  std::vector<Use> uses;
  const auto& tokens = source.tokens;
  for (std::size_t at = 2; at < tokens.size(); ++at) {
    if (tokens[at].kind != TokenKind::String) continue;
    const std::string& before = tokens[at - 1].text;
    const std::string& earlier = tokens[at - 2].text;
    const auto macro = kMacros.find(earlier);
    if (before == "(" && macro != kMacros.end()) {
      uses.push_back({macro->second, tokens[at].text, &source, tokens[at].line});
    } else if (before == "," && at >= 4 && tokens[at - 3].text == "(" && tokens[at - 4].text.ends_with("_IN")) {
      // MARK_IN(kernel, "…"): the kernel tells of itself.
      const std::string& name = tokens[at - 4].text;
      const auto told = kMacros.find(name.substr(0, name.size() - 3));
      if (told != kMacros.end()) uses.push_back({told->second, tokens[at].text, &source, tokens[at].line});
    } else if (before == "," && (earlier == "seed" || earlier == "seed_")) {
      uses.push_back({"stream", tokens[at].text, &source, tokens[at].line});
    }
  }
  return uses;
}

/// Lines of the catalogue: STREAM("net.loss", "…").
std::vector<Use> catalogue_of(const Whole& whole) {
  static const std::map<std::string, std::string> kKinds = {{"STREAM", "stream"},
                                                            {"PROPERTY", "property"},
                                                            {"NUDGE_NAME", "nudge"},
                                                            {"TUNABLE_NAME", "nudge"},
                                                            {"MARK_NAME", "mark"}};
  std::vector<Use> entries;
  for (const Source& source : whole.sources) {
    if (source.path != kCatalogue) continue;
    for (std::size_t at = 2; at < source.tokens.size(); ++at) {
      const auto kind = kKinds.find(source.tokens[at - 2].text);
      if (source.tokens[at].kind != TokenKind::String || kind == kKinds.end()) continue;
      entries.push_back({kind->second, source.tokens[at].text, &source, source.tokens[at].line});
    }
  }
  return entries;
}

bool is_silenced(const Use& use) {
  const auto& silenced = use.source->silenced;
  return std::find(silenced.begin(), silenced.end(), use.line) != silenced.end();
}

}  // namespace

void check_names(const Whole& whole, std::vector<Finding>& findings) {
  const std::vector<Use> catalogue = catalogue_of(whole);
  std::map<std::pair<std::string, std::string>, u32> counts;
  for (const Use& entry : catalogue) {
    if (++counts[{entry.kind, entry.name}] == 2) {
      findings.push_back({entry.source->path, entry.line, "DL10", entry.kind + " " + entry.name + " is listed twice"});
    }
  }
  std::map<std::pair<std::string, std::string>, u32> used;
  for (const Source& source : whole.sources) {
    if (source.path == kCatalogue) continue;
    for (const Use& use : uses_in(source)) {
      if (is_silenced(use)) continue;
      const u32 times = ++used[{use.kind, use.name}];
      if (!counts.contains({use.kind, use.name})) {
        findings.push_back(
            {source.path, use.line, "DL10", use.kind + " " + use.name + " is missing from " + std::string(kCatalogue)});
      } else if (times == 2 && use.kind != "property") {
        findings.push_back({source.path, use.line, "DL10", use.kind + " " + use.name + " is used twice"});
      }
    }
  }
  for (const Use& entry : catalogue) {
    if (used.contains({entry.kind, entry.name})) continue;
    findings.push_back({entry.source->path, entry.line, "DL10", entry.kind + " " + entry.name + " is used nowhere"});
  }
}

const std::vector<Rule>& rules() {
  static const std::vector<Rule> list = {
      {"DL1", "forbidden identifier"},
      {"DL2", "range-for over an unordered container or one keyed by pointers"},
      {"DL3", "pointer compared, hashed, sorted by or made a number"},
      {"DL4", "two uses of a stream in one expression"},
      {"DL5", "sort without a total key"},
      {"DL6", "loop without named bound, charge or trap"},
      {"DL7", "mutable static or global"},
      {"DL8", "folded, sent or stored bytes of a type without the padding assert"},
      {"DL9", "include upward"},
      {"DL10", "stream, property, nudge or mark missing from base/names.def, or used twice"}};
  return list;
}

Report run(const std::string& root, const std::vector<std::string>& only) {
  Report report;
  Whole whole;
  for (const char* layer : kLayers) {
    std::error_code error;
    std::vector<fs::path> paths;
    for (fs::recursive_directory_iterator at(fs::path(root) / layer, error), end; !error && at != end;
         at.increment(error)) {
      if (at->path().filename() == "third_party") at.disable_recursion_pending();
      if (at->is_regular_file() && is_source(at->path())) paths.push_back(at->path());
    }
    std::sort(paths.begin(), paths.end());
    for (const fs::path& path : paths) {
      std::string text;
      if (!read_file(path.string(), text)) {
        report.error = path.string() + ": cannot be read";
        return report;
      }
      whole.sources.push_back(read_source(fs::relative(path, root).generic_string(), layer, text));
    }
  }
  if (whole.sources.empty()) report.error = root + ": there are no sources of the core";
  collect_streams(whole);
  for (const Source& source : whole.sources) {
    report.files += 1;
    report.silences += source.silences;
    check_source(source, whole, report.findings);
  }
  check_names(whole, report.findings);
  if (!only.empty()) {
    std::erase_if(report.findings, [&only](const Finding& finding) {
      return std::find(only.begin(), only.end(), finding.rule) == only.end();
    });
  }
  std::stable_sort(report.findings.begin(), report.findings.end(), [](const Finding& left, const Finding& right) {
    return left.path != right.path ? left.path < right.path : left.line < right.line;
  });
  return report;
}

}  // namespace lint

const Verb kLintVerb = {
    "lint", "find what could make the core depend on its host, by its tokens",
    "usage: orrery lint [ROOT] [--rules DL1,DL4,...]\n"
    "  ROOT            a source tree (default: the current directory)\n"
    "  --rules LIST    only these rules (default: all)\n"
    "  --json          one document, schema orrery.lint/1\n"
    "A comment `det-ok: reason` silences its line; `total: reason` beside a sort says why one key is enough.\n"
    "  DL1 forbidden identifier           DL6 loop without named bound, charge or trap\n"
    "  DL2 unordered container iterated   DL7 mutable static or global\n"
    "  DL3 pointer as a value             DL8 bytes of a type without the padding assert\n"
    "  DL4 two draws in one expression    DL9 include upward\n"
    "  DL5 sort without a total key       DL10 name missing from base/names.def, or used twice\n"
    "example: orrery lint --rules DL3,DL7\n"
    "exit:    0 nothing found   2 usage   8 unreadable sources   9 findings\n",
    lint_verb};

int lint_verb(Context& context) {
  CLI::App app;
  std::string root = ".";
  std::string list;
  bool json = false;
  app.add_option("root", root);
  app.add_option("--rules", list);
  app.add_flag("--json", json);
  if (const int code = parse_flags(app, context, kLintVerb); code >= 0) return code;
  std::vector<std::string> only;
  for (std::size_t at = 0; at < list.size();) {
    const std::size_t comma = std::min(list.find(',', at), list.size());
    only.push_back(list.substr(at, comma - at));
    at = comma + 1;
    const auto known = [&only](const lint::Rule& rule) { return rule.name == only.back(); };
    if (std::none_of(lint::rules().begin(), lint::rules().end(), known)) {
      return usage_error(kLintVerb, "there is no rule '" + only.back() + "'; they are DL1 to DL10");
    }
  }
  const lint::Report report = lint::run(root, only);
  if (!report.error.empty()) {
    std::fprintf(stderr, "orrery lint: %s\n", report.error.c_str());
    return kUnreadable;
  }
  std::string findings;
  for (const lint::Finding& finding : report.findings) {
    if (json) {
      findings += std::string(findings.empty() ? "" : ",") + "{\"line\":" + std::to_string(finding.line) +
                  ",\"path\":" + json_string(finding.path) + ",\"rule\":\"" + finding.rule +
                  "\",\"what\":" + json_string(finding.what) + "}";
    } else {
      std::printf("%s:%u: %s %s\n", finding.path.c_str(), finding.line, finding.rule.c_str(), finding.what.c_str());
    }
  }
  if (json) {
    std::printf("{\"files\":%u,\"findings\":[%s],\"schema\":\"orrery.lint/1\",\"silenced\":%u}\n", report.files,
                findings.c_str(), report.silences);
  } else {
    std::printf("lint: %u files, %zu findings, %u lines silenced\n", report.files, report.findings.size(),
                report.silences);
  }
  return report.findings.empty() ? kHeld : kBelowBar;
}

}  // namespace sim::host::cli
