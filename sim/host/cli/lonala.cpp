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
#include "vm/lonala/session.h"

namespace sim::host::cli {
namespace {

constexpr u64 kMachineMemoryDefault = u64{4} << 30;  // reserved; pages are touched as they are used

struct Arguments {
  std::string expression;
  bool evaluates = false;
  bool forms = false;
  bool gc_stress = false;
  u64 memory = kMachineMemoryDefault;
  std::string file;
  std::vector<std::string> arguments;
};

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
    if (argument == "-e") {
      if (i + 1 == given.size()) return usage_error(kLonalaVerb, "-e needs a form");
      out.evaluates = true;
      while (i + 1 < given.size()) {
        i += 1;
        out.expression += given[i] + "\n";
      }
    } else if (argument == "--forms") {
      out.forms = true;
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
      out.file = argument;
      out.arguments.assign(given.begin() + static_cast<std::ptrdiff_t>(i) + 1, given.end());
      break;
    }
  }
  return -1;
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

}  // namespace

const Verb kLonalaVerb = {"lonala", "evaluate Lonala on the LISP machine",
                          "usage: orrery lonala [--forms] [--memory SIZE] [--gc-stress] [-e FORM... | FILE [ARG...]]\n"
                          "                  at a terminal: a prompt; else as --forms\n"
                          "  -e FORM...      evaluates all forms, prints the last value\n"
                          "  FILE [ARG...]   loads the file, then calls its `main` with a list of the arguments\n"
                          "  --forms         reads standard input: one line a form, `=> VALUE` or `!! :kind DETAIL`\n"
                          "  --memory SIZE   memory of the machine, 16M to 32G (default 4G, taken as it is used)\n"
                          "  --gc-stress     a full collection at every function entry\n"
                          "example: orrery lonala -e '(+ 1 2)'\n"
                          "exit:    0   1 a form failed   2 usage   5 no memory   8 unreadable file\n",
                          lonala_verb};

int lonala_verb(Context& context) {
  Arguments arguments;
  const int wrong = parse(context, arguments);
  if (wrong >= 0) return wrong;
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
  int status = 0;
  if (arguments.evaluates) {
    status = lonala::session_last_value(vm, arguments.expression) ? 0 : 1;
  } else if (!arguments.file.empty()) {
    std::ifstream file(arguments.file, std::ios::binary);
    if (!file) {
      std::fprintf(stderr, "orrery lonala: %s: cannot be read\n", arguments.file.c_str());
      return 8;
    }
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const std::vector<std::string_view> rest(arguments.arguments.begin(), arguments.arguments.end());
    if (arguments.forms) {
      lonala::session_forms(vm, text);
    } else {
      status = static_cast<int>(lonala::session_program(vm, arguments.file, text, rest));
    }
  } else if (!arguments.forms && isatty(STDIN_FILENO) != 0 && isatty(STDOUT_FILENO) != 0) {
    prompt(vm, ports);
  } else {
    const std::string text{std::istreambuf_iterator<char>(std::cin), {}};
    lonala::session_forms(vm, text);
  }
  std::fflush(stdout);
  munmap(grant, arguments.memory);
  return status;
}

}  // namespace sim::host::cli
