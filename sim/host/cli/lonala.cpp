// sim/host/cli/lonala.cpp — `orrery lonala`: the LISP machine on its own, in a region of this process, on virtual time.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <iostream>
#include <memory>
#include <sstream>

#include "base/heap.h"
#include "base/parse.h"
#include "sim/host/cli/cli.h"
#include "sim/host/cli/lonala_terminal.h"
#include "vm/lonala/binaries.h"
#include "vm/lonala/session.h"

namespace sim::host::cli {
namespace {

constexpr u64 kMachineMemoryDefault = u64{4} << 30;  // reserved; pages are touched as they are used

struct Arguments {
  enum class What : u8 { Default, Forms, Evaluate, Module, Check, Compile } what = What::Default;
  bool gc_stress = false;
  u64 memory = kMachineMemoryDefault;
  std::string load_path;
  std::string out;  // of -c
  std::vector<std::string> operands;
};

/// -c FILE -o OUT, in any order, from the argument behind -c on: what is wrong, or nothing.
std::string parse_compile(const std::vector<std::string>& given, u64 i, Arguments& out) {
  for (; i < given.size(); ++i) {
    if (given[i] == "-o") {
      if (i + 1 == given.size()) return "-o needs a file";
      i += 1;
      out.out = given[i];
    } else {
      out.operands.push_back(given[i]);
    }
  }
  if (out.operands.size() != 1) return out.operands.empty() ? "-c needs a file" : "-c takes one file";
  return out.out.empty() ? "-c needs -o and the file to write" : "";
}

/// -1, or the exit code of a wrong command line.
int parse(const Context& context, Arguments& out) {
  const std::vector<std::string>& given = context.arguments;
  for (u64 i = 0; i < given.size(); ++i) {
    const std::string& argument = given[i];
    if (argument == "--help" || argument == "-h") {
      std::printf("orrery lonala: %s\n%s", std::string(kLonalaVerb.purpose).c_str(),
                  std::string(kLonalaVerb.help).c_str());
      return kHeld;
    }
    if (argument == "-e" || argument == "-m" || argument == "--check") {
      using enum Arguments::What;
      out.what = argument == "-e" ? Evaluate : argument == "-m" ? Module : Check;
      out.operands.assign(given.begin() + static_cast<std::ptrdiff_t>(i) + 1, given.end());
      if (!out.operands.empty()) return -1;
      return usage_error(kLonalaVerb, argument + " needs a " +
                                          (argument == "-e"   ? "form"
                                           : argument == "-m" ? "namespace"
                                                              : "file"));
    }
    if (argument == "-c") {
      out.what = Arguments::What::Compile;
      const std::string wrong = parse_compile(given, i + 1, out);
      return wrong.empty() ? -1 : usage_error(kLonalaVerb, wrong);
    }
    if (argument == "--forms") {
      out.what = Arguments::What::Forms;
    } else if (argument == "--load-path") {
      if (i + 1 == given.size()) return usage_error(kLonalaVerb, "--load-path needs folders");
      i += 1;
      out.load_path = given[i];
    } else if (argument == "--gc-stress") {
      out.gc_stress = true;
    } else if (argument == "--memory") {
      if (i + 1 == given.size()) return usage_error(kLonalaVerb, "--memory needs a size");
      i += 1;
      const auto bytes = base::parse_size(given[i]);
      if (!bytes.ok() || *bytes < lonala::kGrantBytesMin || *bytes > lonala::kGrantBytesMax) {
        return usage_error(kLonalaVerb, "--memory " + given[i] + ": allowed is 16M to 32G");
      }
      out.memory = *bytes;
    } else if (argument.size() > 1 && argument[0] == '-') {
      return usage_error(kLonalaVerb, "there is no flag '" + argument + "'");
    } else {
      out.operands.assign(given.begin() + static_cast<std::ptrdiff_t>(i), given.end());
      break;
    }
  }
  return -1;
}

/// Writes the module of a source file.
int compile(lonala::Vm& vm, const Arguments& arguments) {
  const lonala::Term module = lonala::session_compile(vm, arguments.operands[0]);
  if (module == lonala::kNone) return 1;
  const base::Bytes bytes = lonala::binary_bytes(vm, module);
  std::ofstream file(arguments.out, std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  file.close();
  if (file) return 0;
  std::fprintf(stderr, "orrery lonala: %s: cannot be written\n", arguments.out.c_str());
  return 1;
}

/// Someone sits at the terminal: the machine's clock goes with the host's.
void prompt(lonala::Vm& vm, LonalaPorts& ports) {
  constexpr u64 kHeapBytes = 4 << 20;  // the text being typed, its history and its completions
  const auto region = std::make_unique<std::max_align_t[]>(kHeapBytes / sizeof(std::max_align_t));
  base::Heap heap(region.get(), kHeapBytes);
  HostTerminal terminal(ports);
  ports.live();
  user::lonala_program::Repl(heap, vm, ports, terminal).run();
}

int run(lonala::Vm& vm, LonalaPorts& ports, const Arguments& arguments) {
  using enum Arguments::What;
  const std::vector<std::string_view> words(arguments.operands.begin(), arguments.operands.end());
  const std::span<const std::string_view> operands(words);
  if (!arguments.load_path.empty() && !lonala::session_load_path(vm, arguments.load_path)) return 1;
  switch (arguments.what) {
    case Evaluate: {
      std::string text;
      for (const std::string& form : arguments.operands) text += form + "\n";
      return lonala::session_last_value(vm, text) ? 0 : 1;
    }
    case Module: return static_cast<int>(lonala::session_module(vm, operands[0], operands.subspan(1)));
    case Check: {
      int status = 0;
      for (const std::string_view file : operands) status = lonala::session_check(vm, file) ? status : 1;
      return status;
    }
    case Compile: return compile(vm, arguments);
    case Default:
      if (!operands.empty()) {
        return static_cast<int>(lonala::session_program(vm, operands[0], operands.subspan(1)));
      }
      if (isatty(STDIN_FILENO) != 0 && isatty(STDOUT_FILENO) != 0) {
        prompt(vm, ports);
        return 0;
      }
      [[fallthrough]];
    case Forms: {
      std::ifstream file;
      if (!operands.empty()) file.open(arguments.operands[0], std::ios::binary);
      std::istream& input = operands.empty() ? std::cin : file;
      const std::string text{std::istreambuf_iterator<char>(input), {}};
      lonala::session_forms(vm, text);
      return 0;
    }
  }
  return 0;
}

}  // namespace

const Verb kLonalaVerb = {
    "lonala", "evaluate Lonala on the LISP machine",
    "usage: orrery lonala [FLAG...] [--forms | -e FORM... | -m NAMESPACE [ARG...] | --check FILE... |\n"
    "                      -c FILE -o OUT | FILE [ARG...]]\n"
    "                    at a terminal: a prompt; else as --forms\n"
    "  -e FORM...        evaluates all forms, prints the last value\n"
    "  FILE [ARG...]     loads the file, then calls its `main` with a list of the arguments\n"
    "  -m NAME [ARG...]  the same with a namespace of the load path\n"
    "  --check FILE...   reads, expands and compiles, runs nothing\n"
    "  -c FILE -o OUT    compiles a namespace; `require` uses OUT if it lies beside its source as NAME.lom\n"
    "  --forms           reads standard input: one line a form, `=> VALUE` or `!! :kind DETAIL`\n"
    "  --load-path D:... where namespaces are looked for (default /lib/lonala)\n"
    "  --memory SIZE     memory of the machine, 16M to 32G (default 4G, taken as it is used)\n"
    "  --gc-stress       a full collection at every function entry\n"
    "example: orrery lonala -e '(+ 1 2)'\n"
    "exit:    0   1 a form failed   2 usage   5 no memory   8 unreadable file\n",
    lonala_verb};

int lonala_verb(Context& context) {
  Arguments arguments;
  const int wrong = parse(context, arguments);
  if (wrong >= 0) return wrong;
  const bool reads = arguments.what == Arguments::What::Default || arguments.what == Arguments::What::Forms;
  if (reads && !arguments.operands.empty() && !std::ifstream(arguments.operands[0])) {
    std::fprintf(stderr, "orrery lonala: %s: cannot be read\n", arguments.operands[0].c_str());
    return 8;
  }
  void* grant =
      mmap(nullptr, arguments.memory, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (grant == MAP_FAILED) {
    std::fprintf(stderr, "orrery lonala: %llu bytes cannot be reserved\n",
                 static_cast<unsigned long long>(arguments.memory));
    return 5;
  }
  madvise(grant, arguments.memory, MADV_HUGEPAGE);
  LonalaPorts ports;
  lonala::Vm vm =
      lonala::machine_create(static_cast<u8*>(grant), arguments.memory, ports, {.gc_stress = arguments.gc_stress});
  if (vm.root == nullptr) return 5;
  const int status = run(vm, ports, arguments);
  std::fflush(stdout);
  munmap(grant, arguments.memory);
  return status;
}

}  // namespace sim::host::cli
