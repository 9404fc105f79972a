// user/lonala/main.cpp — lonala [-e FORM… | FILE [ARG…]]: Lonala programs, and forms from standard input.
#include "base/parse.h"
#include "user/lonala/console_terminal.h"
#include "user/lonala/machine.h"
#include "user/runtime/notes.h"
#include "vm/lonala/binaries.h"

#include "base/enforce.h"

namespace user {
namespace lonala_program {
namespace {

constexpr std::string_view kUsage =
    "usage: lonala [OPTION…] [--forms | -e FORM… | -m NAMESPACE [ARG…] | --check FILE… | -c FILE -o OUT | FILE "
    "[ARG…]]\n"
    "                    at a terminal: a prompt; else as --forms\n"
    "  -e FORM…          evaluate all forms, print the last value\n"
    "  FILE [ARG…]       load the file, then call its `main` with a list of the arguments\n"
    "  -m NAME [ARG…]    the same with a namespace of the load path\n"
    "  --check FILE…     read, expand and compile, run nothing\n"
    "  -c FILE -o OUT    compile a namespace; `require` uses OUT if it lies beside its source as NAME.lom\n"
    "  --forms           forms from standard input, one line each: `=> VALUE` or `!! :kind DETAIL`\n"
    "  --load-path D:…   where namespaces are looked for (default /lib/lonala)\n"
    "  --memory SIZE     memory of the machine, 16M to 1G (default 16M)\n"
    "  --gc-stress       a full collection at every function entry";
constexpr u64 kMemoryMax = (u64{1} << 30) - (u64{1} << 20);  // an arena less what else lies in it

struct Arguments {
  u64 memory = kMemoryDefault;
  bool gc_stress = false;
  enum class What : u8 { Default, Forms, Evaluate, Module, Check, Compile } what = What::Default;
  std::string_view load_path{};
  std::string_view out{};  // of -c
  std::span<const std::string_view> operands{};
};

/// FILE -o OUT or -o OUT FILE. False: told.
bool parse_compile(Tool& tool, std::span<const std::string_view> words, Arguments& out) {
  const bool first = !words.empty() && words[0] == "-o";
  const u64 given = words.size();
  if (given < 1 || (first && given == 2)) return tool.bad_use("-c needs a file"), false;
  if (first ? given == 1 : given == 2 && words[1] == "-o") return tool.bad_use("-o needs a file"), false;
  if (!first && given == 1) return tool.bad_use("-c needs -o and the file to write"), false;
  if (given != 3 || (!first && words[1] != "-o")) return tool.bad_use("-c takes one file and -o with another"), false;
  out.operands = words.subspan(first ? 2 : 0, 1);
  out.out = words[first ? 1 : 2];
  return true;
}

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
    if (argument == "-e" || argument == "-m" || argument == "--check") {
      using enum Arguments::What;
      out.what = argument == "-e" ? Evaluate : argument == "-m" ? Module : Check;
      out.operands = args.subspan(i + 1);
      if (!out.operands.empty()) return true;
      const std::string_view missing = argument == "-e" ? "form" : argument == "-m" ? "namespace" : "file";
      return tool.bad_use("{} needs a {}", argument, missing), false;
    }
    if (argument == "-c") {
      out.what = Arguments::What::Compile;
      return parse_compile(tool, args.subspan(i + 1), out);
    }
    if (argument == "--forms") {
      out.what = Arguments::What::Forms;
    } else if (argument == "--load-path") {
      i += 1;
      if (i == args.size()) return tool.bad_use("--load-path needs folders"), false;
      out.load_path = args[i];
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

/// Writes the module of a source file.
i32 compile(Tool& tool, lonala::Vm& vm, const Arguments& arguments) {
  const lonala::Term module = lonala::session_compile(vm, arguments.operands[0]);
  if (module == lonala::kNone) return 1;
  const auto written = tool.process().write_file(arguments.out, base::text_of(lonala::binary_bytes(vm, module)));
  if (!written.ok()) tool.error(arguments.out, written.error());
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

void run_prompt(Process& process, lonala::Vm& vm, SystemPorts& ports) {
  const auto interrupt = [](Process&, u32, void* context) { static_cast<SystemPorts*>(context)->interrupt(); };
  // That a note cannot be handled would be the end of the process itself.
  static_cast<void>(process.on_note(kNoteInterrupt, NoteAction::Handle, interrupt, &ports));
  ConsoleTerminal terminal(process);
  Repl repl(process.heap(), vm, ports, terminal);
  repl.run();
}

i32 run(Tool& tool, const Arguments& arguments) {
  using enum Arguments::What;
  Process& process = tool.process();
  const auto operands = arguments.operands;
  const bool program = arguments.what == Default && !operands.empty();
  if (program) {  // said as of any file
    const auto file = process.stat(operands[0]);
    if (!file.ok()) {
      tool.error(operands[0], file.error());
      return 1;
    }
  }
  SystemPorts ports(process);
  lonala::Vm vm = make_machine(process, ports, arguments.memory, {.gc_stress = arguments.gc_stress});
  if (vm.root == nullptr) return 1;
  i32 status = 0;
  if (!arguments.load_path.empty() && !lonala::session_load_path(vm, arguments.load_path)) return 1;
  if (program) {
    status = static_cast<i32>(lonala::session_program(vm, operands[0], operands.subspan(1)));
  } else if (arguments.what == Module) {
    status = static_cast<i32>(lonala::session_module(vm, operands[0], operands.subspan(1)));
  } else if (arguments.what == Check) {
    for (const std::string_view file : operands) {
      if (!lonala::session_check(vm, file)) status = 1;
    }
  } else if (arguments.what == Compile) {
    status = compile(tool, vm, arguments);
  } else if (arguments.what == Evaluate) {
    base::String text(process.heap());
    for (const std::string_view form : operands) text.append(form).push('\n');
    status = lonala::session_last_value(vm, text) ? 0 : 1;
  } else if (arguments.what == Default && process.is_console(kStdin) && console_state(process).columns > 0) {
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
