// user/lonala/main.cpp — lonala [-e FORM… | FILE [ARG…]]: Lonala programs, and forms from standard input.
#include "base/parse.h"
#include "user/lonala/console_terminal.h"
#include "user/lonala/machine.h"
#include "user/runtime/notes.h"

#include "base/enforce.h"

namespace user {
namespace lonala_program {
namespace {

constexpr std::string_view kUsage =
    "usage: lonala [--memory SIZE] [--gc-stress] [--forms | -e FORM… | FILE [ARG…]]\n"
    "                 at a terminal: a prompt; else as --forms\n"
    "  -e FORM…       evaluate all forms, print the last value\n"
    "  FILE [ARG…]    load the file, then call its `main` with a list of the arguments\n"
    "  --forms        forms from standard input, one line each: `=> VALUE` or `!! :kind DETAIL`\n"
    "  --memory SIZE  memory of the machine, 16M to 1G (default 16M)\n"
    "  --gc-stress    a full collection at every function entry";
constexpr u64 kMemoryMax = (u64{1} << 30) - (u64{1} << 20);  // an arena less what else lies in it

struct Arguments {
  u64 memory = kMemoryDefault;
  bool gc_stress = false;
  bool forms = false;
  bool evaluates = false;
  std::span<const std::string_view> operands{};
};

/// False: told, and the status of the tool is set.
bool parse(Tool& tool, Arguments& out) {
  const auto args = tool.args();
  for (u64 i = 1; i < args.size(); ++i) {
    const std::string_view argument = args[i];
    if (argument == "--help") {
      tool.out().text(tool.usage());
      tool.out().character('\n');
      return false;
    }
    if (argument == "-e") {
      out.evaluates = true;
      out.operands = args.subspan(i + 1);
      if (out.operands.empty()) return tool.bad_use("-e needs a form"), false;
      return true;
    }
    if (argument == "--forms") {
      out.forms = true;
    } else if (argument == "--gc-stress") {
      out.gc_stress = true;
    } else if (argument == "--memory") {
      i += 1;
      const auto bytes = base::parse_size(i < args.size() ? args[i] : std::string_view());
      if (!bytes.ok() || *bytes < lonala::kGrantBytesMin || *bytes > kMemoryMax) {
        return tool.bad_use("--memory needs a size from 16M to 1023M"), false;
      }
      out.memory = *bytes;
    } else if (argument == "--") {
      out.operands = args.subspan(i + 1);
      return true;
    } else if (argument.size() > 1 && argument[0] == '-') {
      return tool.bad_use("unknown option: {}", argument), false;
    } else {
      out.operands = args.subspan(i);
      return true;
    }
  }
  return true;
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

void run_prompt(Process& process, lonala::Vm& vm, SystemPorts& ports) {
  const auto interrupt = [](Process&, u32, void* context) { static_cast<SystemPorts*>(context)->interrupt(); };
  // That a note cannot be handled would be the end of the process itself.
  static_cast<void>(process.on_note(kNoteInterrupt, NoteAction::Handle, interrupt, &ports));
  ConsoleTerminal terminal(process);
  Repl repl(process.heap(), vm, ports, terminal);
  repl.run();
}

i32 run(Tool& tool, const Arguments& arguments) {
  Process& process = tool.process();
  base::String text(process.heap());
  const bool loads = !arguments.evaluates && !arguments.forms && !arguments.operands.empty();
  if (loads) {
    auto file = process.read_file(arguments.operands[0]);
    if (!file.ok()) {
      tool.error(arguments.operands[0], file.error());
      return 1;
    }
    text = std::move(file).take();
  }
  SystemPorts ports(process);
  lonala::Vm vm = make_machine(process, ports, arguments.memory, {.gc_stress = arguments.gc_stress});
  if (vm.root == nullptr) return 1;
  i32 status = 0;
  if (arguments.evaluates) {
    for (const std::string_view form : arguments.operands) text.append(form).push('\n');
    status = lonala::session_last_value(vm, text) ? 0 : 1;
  } else if (loads) {
    status = static_cast<i32>(lonala::session_program(vm, arguments.operands[0], text, arguments.operands.subspan(1)));
  } else if (!arguments.forms && process.is_console(kStdin) && console_state(process).columns > 0) {
    run_prompt(process, vm, ports);
  } else {
    status = run_input(tool, vm, ports);
  }
  return ports.flush() || status != 0 ? status : 1;
}

}  // namespace
}  // namespace lonala_program

i32 lonala_main(Process& process) {
  Tool tool(process, lonala_program::kUsage);
  lonala_program::Arguments arguments;
  if (!lonala_program::parse(tool, arguments)) return tool.finish();
  return lonala_program::run(tool, arguments);
}

}  // namespace user
