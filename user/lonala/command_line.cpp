#include "user/lonala/command_line.h"

#include "base/format.h"
#include "user/lib/dates.h"
#include "vm/lonala/machine.h"
#include "vm/lonala/tracing.h"

#include "base/enforce.h"

namespace user::lonala_program {
namespace {

/// CommandLine that take everything behind them, and what they need at least.
struct Taker {
  std::string_view option;
  CommandLine::What what;
  std::string_view needs;
};
constexpr Taker kTakers[] = {{"-e", CommandLine::What::Evaluate, "form"},
                             {"-m", CommandLine::What::Module, "namespace"},
                             {"--check", CommandLine::What::Check, "file"}};

}  // namespace

const std::string_view kOptionsHelp =
    "  -e FORM...        evaluates all forms, prints the last value\n"
    "  FILE [ARG...]     loads the file, source or compiled, then calls its `main` with a list of the arguments\n"
    "  -m NAME [ARG...]  the same with a namespace of the load path\n"
    "  --check FILE...   reads, expands and compiles, runs nothing\n"
    "  -c FILE -o OUT    compiles a namespace; `require` uses OUT if it lies beside its source as NAME.lom\n"
    "  --forms           reads standard input: one line a form, `=> VALUE` or `!! :kind DETAIL`\n"
    "  --wait            at the end the machine goes on until no process can run any more\n"
    "  --load-path D:... where namespaces are looked for (default /lib/lonala)\n"
    "  --seed N          of lona.random (default 0)\n"
    "  --start-time T    of lona.time/system-time: 2026-01-31, 2026-01-31T12:00:00 or @SECONDS\n"
    "  --trace CLASS     tells on standard error: spawn, exit, send, gc, slice, all; several with commas\n"
    "  --gc-stress       a full collection at every function entry\n"
    "  --no-banner       no welcome at the prompt\n";

template <class... Values>
std::string_view CommandLine::wrong(std::string_view pattern, const Values&... values) {
  return base::format(problem_, pattern, values...);
}

std::string_view CommandLine::parse(std::span<const std::string_view> words, const MemoryRange& range) {
  memory = range.usual;
  for (u64 at = 0; at < words.size(); ++at) {
    const std::string_view word = words[at];
    if (word == "--help" || word == "-h") {
      what = What::Help;
      return {};
    }
    if (word == "-c") return parse_compile(words.subspan(at + 1));
    for (const Taker& taker : kTakers) {
      if (word != taker.option) continue;
      what = taker.what;
      operands = words.subspan(at + 1);
      return operands.empty() ? wrong("{} needs a {}", taker.option, taker.needs) : std::string_view{};
    }
    if (word == "--" || word.size() < 2 || word[0] != '-') {
      operands = words.subspan(word == "--" ? at + 1 : at);
      return what == What::Forms && !operands.empty() ? wrong("--forms takes no file: {}", operands[0])
                                                      : std::string_view{};
    }
    if (const std::string_view problem = parse_option(words, at, range); !problem.empty()) return problem;
  }
  return {};
}

std::string_view CommandLine::parse_option(std::span<const std::string_view> words, u64& at, const MemoryRange& range) {
  const std::string_view option = words[at];
  bool known = true;
  if (option == "--forms") {
    what = What::Forms;
  } else if (option == "--wait") {
    wait = true;
  } else if (option == "--gc-stress") {
    gc_stress = true;
  } else if (option == "--no-banner") {
    welcome = false;
  } else {
    known = false;
  }
  if (known) return {};
  const bool has_value = at + 1 < words.size();
  const std::string_view value = has_value ? words[at + 1] : std::string_view{};
  at += 1;
  if (option == "--load-path") {
    if (value.empty()) return "--load-path needs folders";
    load_path = value;
    return {};
  }
  if (option == "--memory") {
    const auto bytes = base::parse_size(value);
    if (bytes.ok() && *bytes >= lonala::kGrantBytesMin && *bytes <= range.max)
      return memory = *bytes, std::string_view{};
    return wrong("--memory needs a size from 16M to {}", range.max_text);
  }
  if (option == "--seed") {
    const auto number = base::parse_u64(value, base::kRadixAuto);
    if (number.ok()) return seed = *number, std::string_view{};
    return wrong("--seed needs a number, not '{}'", value);
  }
  if (option == "--start-time") {
    i64 seconds = 0;
    constexpr i64 kNsPerSecond = 1'000'000'000;
    const std::string_view moment = value.ends_with('Z') ? value.substr(0, value.size() - 1) : value;
    if (!parse_moment(moment, {}, seconds)) {
      return wrong("--start-time needs a moment as 2026-01-31T12:00:00 or @SECONDS, not '{}'", value);
    }
    has_start_time = true;
    start_wall_ns = seconds * kNsPerSecond;
    return {};
  }
  if (option == "--trace") {
    const std::string_view unknown = lonala::trace_classes(value, trace);
    if (unknown.empty() && has_value) return {};
    return wrong("--trace needs classes out of spawn, exit, send, gc, slice, all, not '{}'", unknown);
  }
  return wrong("unknown option: {}", option);
}

/// FILE -o OUT or -o OUT FILE.
std::string_view CommandLine::parse_compile(std::span<const std::string_view> words) {
  what = What::Compile;
  u64 files = 0;
  for (u64 at = 0; at < words.size(); ++at) {
    if (words[at] != "-o") {
      operands = words.subspan(at, 1);
      files += 1;
      continue;
    }
    at += 1;
    if (at == words.size()) return "-o needs a file";
    if (!out.empty()) return "-c takes one -o";
    out = words[at];
  }
  if (files == 0) return "-c needs a file";
  if (files > 1) return "-c takes one file";
  return out.empty() ? "-c needs -o and the file to write" : std::string_view{};
}

}  // namespace user::lonala_program
