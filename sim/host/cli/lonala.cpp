// sim/host/cli/lonala.cpp — `orrery lonala`: the LISP machine on its own, in a region of this process, on virtual time.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <iostream>
#include <memory>

#include "base/heap.h"
#include "sim/host/cli/cli.h"
#include "sim/host/cli/lonala_terminal.h"
#include "user/lonala/command_line.h"
#include "vm/lonala/binaries.h"
#include "vm/lonala/session.h"

namespace sim::host::cli {
namespace {

using user::lonala_program::CommandLine;
using user::lonala_program::kOptionsHelp;

// Reserved; pages are touched as they are used.
constexpr user::lonala_program::MemoryRange kMemory{u64{4} << 30, lonala::kGrantBytesMax, "32G"};

/// Writes the module of a source file.
int compile(lonala::Vm& vm, const CommandLine& options) {
  const lonala::Term module = lonala::session_compile(vm, options.operands[0]);
  if (module == lonala::kNone) return 1;
  const base::Bytes bytes = lonala::binary_bytes(vm, module);
  std::ofstream file(std::string(options.out), std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  file.close();
  if (file) return 0;
  std::fprintf(stderr, "orrery lonala: %s: cannot be written\n", std::string(options.out).c_str());
  return 1;
}

/// Someone sits at the terminal: the machine's clock goes with the host's.
void prompt(lonala::Vm& vm, LonalaPorts& ports, bool welcome) {
  constexpr u64 kHeapBytes = 4 << 20;  // the text being typed, its history and its completions
  const auto region = std::make_unique<std::max_align_t[]>(kHeapBytes / sizeof(std::max_align_t));
  base::Heap heap(region.get(), kHeapBytes);
  HostTerminal terminal(ports);
  ports.live();
  using user::lonala_program::Repl;
  Repl(heap, vm, ports, terminal).run(welcome ? Repl::Welcome::Shown : Repl::Welcome::Hidden);
}

int run(lonala::Vm& vm, LonalaPorts& ports, const CommandLine& options) {
  using enum CommandLine::What;
  const std::span<const std::string_view> operands = options.operands;
  if (!options.load_path.empty() && !lonala::session_load_path(vm, options.load_path)) return 1;
  switch (options.what) {
    case Evaluate: {
      std::string text;
      for (const std::string_view form : operands) text.append(form).append("\n");
      return lonala::session_last_value(vm, text) ? 0 : 1;
    }
    case Module: return static_cast<int>(lonala::session_module(vm, operands[0], operands.subspan(1)));
    case Check: {
      int status = 0;
      for (const std::string_view file : operands) status = lonala::session_check(vm, file) ? status : 1;
      return status;
    }
    case Compile: return compile(vm, options);
    case Default:
      if (!operands.empty()) {
        return static_cast<int>(lonala::session_program(vm, operands[0], operands.subspan(1)));
      }
      if (isatty(STDIN_FILENO) != 0 && isatty(STDOUT_FILENO) != 0) {
        prompt(vm, ports, options.welcome);
        return 0;
      }
      [[fallthrough]];
    case Forms:
    case Help: {
      const std::string text{std::istreambuf_iterator<char>(std::cin), {}};
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
    "  -e --check -m -c --forms --wait --load-path --memory --seed --start-time --trace --gc-stress --no-banner:\n"
    "                    `orrery lonala --help` tells of each\n"
    "example: orrery lonala -e '(+ 1 2)'\n"
    "exit:    0   what `main` returns   1 a form failed   2 usage   5 no memory   8 unreadable file\n",
    lonala_verb};

int lonala_verb(Context& context) {
  const std::vector<std::string_view> words(context.arguments.begin(), context.arguments.end());
  CommandLine options;
  const std::string_view wrong = options.parse(words, kMemory);
  if (!wrong.empty()) return usage_error(kLonalaVerb, std::string(wrong));
  if (options.what == CommandLine::What::Help) {
    std::printf(
        "orrery lonala: %s\n%s%s  --memory SIZE     memory of the machine, 16M to 32G (default 4G, taken as it is "
        "used)\n",
        std::string(kLonalaVerb.purpose).c_str(), std::string(kLonalaVerb.help).c_str(),
        std::string(kOptionsHelp).c_str());
    return kHeld;
  }
  const bool program = options.what == CommandLine::What::Default && !options.operands.empty();
  if (program && !std::ifstream(std::string(options.operands[0]))) {
    std::fprintf(stderr, "orrery lonala: %s: cannot be read\n", std::string(options.operands[0]).c_str());
    return 8;
  }
  void* grant =
      mmap(nullptr, options.memory, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (grant == MAP_FAILED) {
    std::fprintf(stderr, "orrery lonala: %llu bytes cannot be reserved\n",
                 static_cast<unsigned long long>(options.memory));
    return 5;
  }
  madvise(grant, options.memory, MADV_HUGEPAGE);
  LonalaPorts ports;
  lonala::Vm vm =
      lonala::machine_create(static_cast<u8*>(grant), options.memory, ports,
                             {.gc_stress = options.gc_stress, .seed = options.seed, .trace = options.trace});
  if (vm.root == nullptr) return 5;
  if (options.has_start_time) ports.start_wall(options.start_wall_ns);
  const int status = run(vm, ports, options);
  if (options.wait) lonala::session_wait(vm);
  std::fflush(stdout);
  munmap(grant, options.memory);
  return status;
}

}  // namespace sim::host::cli
