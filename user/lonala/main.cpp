// user/lonala/main.cpp — lonala [-e FORM… | FILE [ARG…]]: Lonala programs, and forms from standard input.
#include "user/lonala/console_terminal.h"
#include "user/lonala/machine.h"
#include "user/lonala/command_line.h"
#include "user/runtime/notes.h"
#include "vm/lonala/binaries.h"

#include "base/enforce.h"

namespace user {
namespace lonala_program {
namespace {

constexpr std::string_view kUsageHead =
    "usage: lonala [OPTION…] [--forms | -e FORM… | -m NAMESPACE [ARG…] | --check FILE… | -c FILE -o OUT | FILE "
    "[ARG…]]\n"
    "                    at a terminal: a prompt; else as --forms\n";
constexpr std::string_view kUsageTail = "  --memory SIZE     memory of the machine, 16M to 1023M (default 16M)";
constexpr u64 kMemoryMax = (u64{1} << 30) - (u64{1} << 20);  // an arena less what else lies in it
constexpr MemoryRange kMemory{kMemoryDefault, kMemoryMax, "1023M"};

/// Writes the module of a source file.
i32 compile(Tool& tool, lonala::Vm& vm, const CommandLine& options) {
  const lonala::Term module = lonala::session_compile(vm, options.operands[0]);
  if (module == lonala::kNone) return 1;
  const auto written = tool.process().write_file(options.out, base::text_of(lonala::binary_bytes(vm, module)));
  if (!written.ok()) tool.error(options.out, written.error());
  return written.ok() ? 0 : 1;
}

/// Forms as they come: each is evaluated once its line is there.
i32 run_input(Tool& tool, lonala::Vm& vm, SystemPorts& ports) {
  Process& process = tool.process();
  base::String text(process.heap());
  lonala::TextPlace place;
  u8 part[4096];
  for (;;) {
    ports.flush();
    const auto count = process.read(kStdin, part);
    if (!count.ok() && count.error() == ErrorCode::Interrupted) continue;
    if (!count.ok()) {
      tool.error("standard input", count.error());
      return 1;
    }
    text.append(base::text_of({part, *count}));
    place = lonala::session_forms(vm, text, *count == 0 ? lonala::Piece::Ended : lonala::Piece::GoesOn, place);
    if (*count == 0) return 0;
    text.erase(0, place.offset);
  }
}

void run_prompt(Process& process, lonala::Vm& vm, SystemPorts& ports, bool welcome) {
  const auto interrupt = [](Process&, u32, void* context) { static_cast<SystemPorts*>(context)->interrupt(); };
  // That a note cannot be handled would be the end of the process itself.
  static_cast<void>(process.on_note(kNoteInterrupt, NoteAction::Handle, interrupt, &ports));
  ConsoleTerminal terminal(process);
  Repl repl(process.heap(), vm, ports, terminal);
  repl.run(welcome ? Repl::Welcome::Shown : Repl::Welcome::Hidden);
}

i32 run(Tool& tool, const CommandLine& options) {
  using enum CommandLine::What;
  Process& process = tool.process();
  const auto operands = options.operands;
  const bool program = options.what == Default && !operands.empty();
  if (program) {  // said as of any file
    const auto file = process.stat(operands[0]);
    if (!file.ok()) {
      tool.error(operands[0], file.error());
      return 1;
    }
  }
  SystemPorts ports(process);
  lonala::Vm vm = make_machine(process, ports, options.memory,
                               {.gc_stress = options.gc_stress, .seed = options.seed, .trace = options.trace});
  if (vm.root == nullptr) return 1;
  if (options.has_start_time) ports.set_wall(options.start_wall_ns, vm.root->now_ns);
  i32 status = 0;
  if (!options.load_path.empty() && !lonala::session_load_path(vm, options.load_path)) return 1;
  if (program) {
    status = static_cast<i32>(lonala::session_program(vm, operands[0], operands.subspan(1)));
  } else if (options.what == Module) {
    status = static_cast<i32>(lonala::session_module(vm, operands[0], operands.subspan(1)));
  } else if (options.what == Check) {
    for (const std::string_view file : operands) {
      if (!lonala::session_check(vm, file)) status = 1;
    }
  } else if (options.what == Compile) {
    status = compile(tool, vm, options);
  } else if (options.what == Evaluate) {
    base::String text(process.heap());
    for (const std::string_view form : operands) text.append(form).push('\n');
    status = lonala::session_last_value(vm, text) ? 0 : 1;
  } else if (options.what == Default && process.is_console(kStdin) && console_state(process).columns > 0) {
    run_prompt(process, vm, ports, options.welcome);
  } else {
    status = run_input(tool, vm, ports);
  }
  if (options.wait) lonala::session_wait(vm);
  return ports.flush() || status != 0 ? status : 1;
}

}  // namespace
}  // namespace lonala_program

i32 lonala_main(Process& process) {
  using namespace lonala_program;
  base::String usage(process.heap());
  usage.append(kUsageHead).append(kOptionsHelp).append(kUsageTail);
  Tool tool(process, usage);
  CommandLine options;
  const std::string_view wrong = options.parse(tool.args().subspan(1), kMemory);
  if (!wrong.empty()) {
    tool.bad_use("{}", wrong);
    return tool.finish();
  }
  if (options.what == CommandLine::What::Help) {
    tool.out().text(tool.usage());
    tool.out().character('\n');
    return tool.finish();
  }
  return run(tool, options);
}

}  // namespace user
