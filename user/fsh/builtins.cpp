// user/fsh/builtins.cpp — the table, and the built-ins that steer the shell and its variables.
#include "user/fsh/builtins.h"

#include <algorithm>

#include "user/commands/shared.h"
#include "user/fsh/builtins_more.h"

#include "base/enforce.h"

namespace user::fsh {
namespace {

std::span<const std::string_view> operands(Tool& tool) { return tool.args().subspan(1); }

/// A count operand: 1 when missing; told and 0 when bad.
u32 count_operand(Tool& tool, u32 least) {
  if (operands(tool).empty()) return 1;
  const auto value = base::parse_u64(operands(tool)[0]);
  if (value.ok() && *value >= least && *value <= 0xFFFF) return static_cast<u32>(*value);
  tool.complain("bad number: {}", operands(tool)[0]);
  return 0;
}

i32 colon(Shell&, Tool&) { return 0; }

i32 break_loop(Shell& shell, Tool& tool) {
  const u32 levels = count_operand(tool, 1);
  if (levels == 0) return tool.status();
  shell.flow.break_levels = std::min(levels, shell.loop_depth);
  return 0;
}

i32 continue_loop(Shell& shell, Tool& tool) {
  const u32 levels = count_operand(tool, 1);
  if (levels == 0) return tool.status();
  shell.flow.continue_levels = std::min(levels, shell.loop_depth);
  return 0;
}

/// The status operand of exit and return, modulo 256; the present status when there is none.
bool status_operand(Shell& shell, Tool& tool, i32& status) {
  status = shell.status();
  if (operands(tool).empty()) return true;
  const auto value = base::parse_i64(operands(tool)[0]);
  if (!value.ok()) {
    tool.bad_use("bad number: {}", operands(tool)[0]);
    return false;
  }
  status = static_cast<i32>(static_cast<u64>(*value) & 0xFF);
  return true;
}

i32 return_from(Shell& shell, Tool& tool) {
  i32 status = 0;
  if (!status_operand(shell, tool, status)) return kStatusSyntax;
  if (shell.call_depth == 0) {
    tool.complain("not in a function");
    return 1;
  }
  shell.set_status(status);
  shell.flow.returning = true;
  return status;
}

i32 exit_shell(Shell& shell, Tool& tool) {
  i32 status = 0;
  const bool good = status_operand(shell, tool, status);
  if (shell.options.interactive && shell.jobs().any_stopped() && !shell.warned_about_jobs) {
    shell.warned_about_jobs = true;
    shell.print_error("There are stopped jobs.\n");
    return 1;
  }
  shell.request_exit(good ? status : kStatusSyntax);
  return status;
}

i32 eval(Shell& shell, Tool& tool) {
  base::String text(shell.heap());
  for (const std::string_view word : operands(tool)) {
    if (!text.empty()) text.push(' ');
    text.append(word);
  }
  if (shell.call_depth >= kCallDepthMax) {
    tool.complain("nesting too deep");
    return kStatusSyntax;
  }
  shell.set_status(0);
  shell.call_depth += 1;
  const i32 status = shell.run_text(text, "-c");
  shell.call_depth -= 1;
  return status;
}

i32 dot(Shell& shell, Tool& tool) {
  if (operands(tool).empty()) return tool.bad_use("missing operand");
  const base::String path = shell.find_in_path(operands(tool)[0]);
  auto text = shell.process().read_file(path.empty() ? operands(tool)[0] : path.view());
  if (!text.ok()) {
    tool.error(operands(tool)[0], text.error());
    return 1;
  }
  if (shell.call_depth >= kCallDepthMax) {
    tool.complain("nesting too deep");
    return kStatusSyntax;
  }
  shell.set_status(0);
  shell.call_depth += 1;
  i32 status = shell.run_text(*text, operands(tool)[0]);
  shell.call_depth -= 1;
  if (shell.flow.returning && shell.function_depth == 0) shell.flow.returning = false;
  return status;
}

i32 exec(Shell& shell, Tool& tool) {
  if (operands(tool).empty()) return 0;  // its redirections stay; the caller keeps them
  i32 status = 0;
  const Pid pid = shell.launch({.words = operands(tool), .environment = {}}, status);
  if (pid != 0) {
    // A native program cannot become another one: the shell stands aside until it has ended, and ends as it did.
    const u32 job = shell.jobs().add(0, operands(tool)[0], false);
    shell.jobs().add_process(job, pid);
    status = shell.wait_foreground(job);
  }
  shell.traps().erase(u32{0});
  if (pid != 0 || !shell.options.interactive) shell.request_exit(status);
  return status;
}

void print_assignment(Shell& shell, Tool& tool, std::string_view prefix, std::string_view name,
                      std::string_view value) {
  base::String line(shell.heap(), prefix);
  line.append(name).append("='");
  for (const char c : value) {
    if (c == '\'') {
      line.append("'\\''");
    } else {
      line.push(c);
    }
  }
  line.append("'\n");
  tool.out().text(line);
}

/// `export` and `readonly`: names, with or without a value; `-p` or nothing lists.
template <class Mark>
i32 mark_variables(Shell& shell, Tool& tool, std::string_view list_prefix, bool Variable::*flag, Mark mark) {
  std::span<const std::string_view> words = operands(tool);
  if (words.empty() || words[0] == "-p") {
    for (const auto& [name, variable] : shell.variables()) {
      if (variable.*flag) print_assignment(shell, tool, list_prefix, name, variable.value);
    }
    return tool.finish();
  }
  for (const std::string_view word : words) {
    const u64 equals = word.find('=');
    const std::string_view name = word.substr(0, equals);
    if (!is_name(name)) {
      tool.complain("{}: bad name", name);
      continue;
    }
    if (equals != std::string_view::npos) {
      const auto assigned = shell.assign(name, word.substr(equals + 1));
      if (!assigned.ok()) {
        shell.complain("{}", assigned.error().text());
        tool.set_status(1);
        continue;
      }
    }
    mark(name);
  }
  return tool.status();
}

i32 export_names(Shell& shell, Tool& tool) {
  return mark_variables(shell, tool, "export ", &Variable::exported,
                        [&](std::string_view name) { (void)shell.export_variable(name).ok(); });
}

i32 readonly_names(Shell& shell, Tool& tool) {
  return mark_variables(shell, tool, "readonly ", &Variable::read_only,
                        [&](std::string_view name) { shell.set_read_only(name); });
}

i32 local_names(Shell& shell, Tool& tool) {
  if (shell.function_depth == 0) {
    tool.complain("not in a function");
    return 1;
  }
  for (const std::string_view word : operands(tool)) {
    const u64 equals = word.find('=');
    const std::string_view name = word.substr(0, equals);
    if (!is_name(name)) {
      tool.complain("{}: bad name", name);
      continue;
    }
    const auto made = shell.make_local(name);
    const auto assigned = made.ok() && equals != std::string_view::npos ? shell.assign(name, word.substr(equals + 1))
                                                                        : ShellResult<void>();
    if (!made.ok() || !assigned.ok()) {
      shell.complain("{}: is read only", name);
      tool.set_status(1);
    }
  }
  return tool.status();
}

i32 unset_names(Shell& shell, Tool& tool) {
  bool functions = false;
  Options options(tool, "fv");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    if (option == Options::kBad) return options.bad_status();
    functions = option == 'f';
  }
  for (const std::string_view name : options.operands()) {
    if (functions) {
      shell.undefine_function(name);
      continue;
    }
    const auto done = shell.unset(name);
    if (!done.ok()) {
      shell.complain("{}", done.error().text());
      tool.set_status(1);
    }
  }
  return tool.status();
}

bool* option_of(ShellOptions& options, char letter) {
  switch (letter) {
    case 'e': return &options.errexit;
    case 'f': return &options.noglob;
    case 'n': return &options.noexec;
    case 'u': return &options.nounset;
    case 'v': return &options.verbose;
    case 'x': return &options.xtrace;
    case 'C': return &options.noclobber;
    case 'm': return &options.monitor;
    default: return nullptr;
  }
}

struct OptionName {
  std::string_view name;
  bool ShellOptions::*flag;
};
constexpr OptionName kOptionNames[] = {
    {"errexit", &ShellOptions::errexit},   {"monitor", &ShellOptions::monitor}, {"noclobber", &ShellOptions::noclobber},
    {"noexec", &ShellOptions::noexec},     {"noglob", &ShellOptions::noglob},   {"nounset", &ShellOptions::nounset},
    {"pipefail", &ShellOptions::pipefail}, {"verbose", &ShellOptions::verbose}, {"xtrace", &ShellOptions::xtrace},
};

i32 set_options(Shell& shell, Tool& tool) {
  std::span<const std::string_view> words = operands(tool);
  if (words.empty()) {
    for (const auto& [name, variable] : shell.variables()) {
      if (variable.set) print_assignment(shell, tool, "", name, variable.value);
    }
    return tool.finish();
  }
  bool positional = false;
  while (!words.empty() && !positional) {
    const std::string_view word = words[0];
    if (word == "--") {
      positional = true;
      words = words.subspan(1);
      break;
    }
    if (word.size() < 2 || (word[0] != '-' && word[0] != '+')) break;
    const bool on = word[0] == '-';
    words = words.subspan(1);
    for (const char letter : word.substr(1)) {
      if (letter == 'o') {
        if (words.empty()) {
          for (const OptionName& each : kOptionNames) {
            tool.out().format("{:<10} {}\n", each.name, shell.options.*each.flag ? "on" : "off");
          }
          return tool.finish();
        }
        const auto* found = std::find_if(std::begin(kOptionNames), std::end(kOptionNames),
                                         [&](const OptionName& each) { return each.name == words[0]; });
        if (found == std::end(kOptionNames)) return tool.bad_use("unknown option: -o {}", words[0]);
        shell.options.*(found->flag) = on;
        words = words.subspan(1);
        continue;
      }
      bool* flag = option_of(shell.options, letter);
      if (flag == nullptr) return tool.bad_use("unknown option: {}{}", word[0], letter);
      *flag = on;
    }
  }
  if (positional || !words.empty()) {
    shell.set_positional(words);
    shell.arguments_done = 0;
  }
  return 0;
}

i32 shift(Shell& shell, Tool& tool) {
  u32 count = 1;
  if (!operands(tool).empty()) {
    const auto value = base::parse_u64(operands(tool)[0]);
    if (!value.ok()) return tool.bad_use("bad number: {}", operands(tool)[0]);
    count = static_cast<u32>(std::min<u64>(*value, 0xFFFF'FFFF));
  }
  const auto positional = shell.positional();
  if (count > positional.size()) {
    tool.complain("only {} arguments", positional.size());
    return 1;
  }
  base::Vector<std::string_view> rest(shell.heap());
  for (const base::String& value : positional.subspan(count)) rest.push_back(value.view());
  shell.set_positional(rest.span());
  return 0;
}

i32 trap(Shell& shell, Tool& tool) {
  std::span<const std::string_view> words = operands(tool);
  if (!words.empty() && words[0] == "--") words = words.subspan(1);
  if (words.empty()) {
    for (const auto& [note, text] : shell.traps()) {
      base::String line(shell.heap(), "trap -- ");
      fsh::quote_word(text, line);
      line.append_format(" {}\n", note == 0 ? std::string_view("EXIT") : note_name(note));
      tool.out().text(line);
    }
    return tool.finish();
  }
  const bool reset_all =
      words.size() == 1 || (!words[0].empty() && words[0].find_first_not_of("0123456789") == std::string_view::npos);
  const bool reset = reset_all || words[0] == "-";
  const std::string_view text = words[0];
  if (!reset_all) words = words.subspan(1);
  for (const std::string_view word : words) {
    const bool exit = word == "EXIT" || word == "0" || word == "exit";
    const u32 note = exit ? 0 : note_number(word);
    if (note == 0 && !exit) {
      tool.complain("unknown note: {}", word);
      continue;
    }
    if (reset) {
      shell.reset_trap(note);
      continue;
    }
    const auto done = shell.set_trap(note, text);
    if (!done.ok()) {
      shell.complain("{}", done.error().text());
      tool.set_status(1);
    }
  }
  return tool.status();
}

i32 restore_state(Shell& shell, Tool& tool) {
  const auto words = operands(tool);
  if (words.size() != 4) return tool.bad_use("missing operand");
  u64 numbers[3];
  for (u32 i = 0; i < 3; ++i) {
    const auto value = base::parse_u64(words[i]);
    if (!value.ok()) return tool.bad_use("bad number: {}", words[i]);
    numbers[i] = *value;
  }
  shell.set_depth_of_subshell(static_cast<Pid>(numbers[0]), static_cast<Pid>(numbers[1]));
  shell.name.assign(words[3]);
  return static_cast<i32>(numbers[2]);
}

template <i32 (*command)(Tool&)>
i32 plain(Shell&, Tool& tool) {
  return command(tool);
}

constexpr Builtin kBuiltins[] = {
    {".", dot, "usage: . FILE", true},
    {":", colon, "usage: : [WORD…]", true},
    {"[", plain<test_command>, kTestUsage, false, true},
    {"__state", restore_state, "usage: __state SHELL BACKGROUND STATUS NAME"},
    {"alias", alias_names, "usage: alias [NAME[=VALUE]…]"},
    {"bg", resume_background, "usage: bg [%JOB…]"},
    {"break", break_loop, "usage: break [N]", true},
    {"cd", change_directory, "usage: cd [DIR | -]"},
    {"command", command_builtin, "usage: command [-v] NAME [ARGUMENT…]"},
    {"continue", continue_loop, "usage: continue [N]", true},
    {"echo", plain<echo_command>, kEchoUsage, false, true},
    {"eval", eval, "usage: eval [WORD…]", true},
    {"exec", exec, "usage: exec [COMMAND [ARGUMENT…]]", true},
    {"exit", exit_shell, "usage: exit [STATUS]", true},
    {"export", export_names, "usage: export [-p] [NAME[=VALUE]…]", true},
    {"false", plain<false_command>, kFalseUsage, false, true},
    {"fg", resume_foreground, "usage: fg [%JOB]"},
    {"getopts", getopts, "usage: getopts LETTERS NAME [ARGUMENT…]"},
    {"hash", hash, "usage: hash [-r]"},
    {"help", help, "usage: help [NAME]"},
    {"history", history, "usage: history [-c] [N]"},
    {"jobs", list_jobs, "usage: jobs [-lp] [%JOB…]"},
    {"kill", kill_builtin, kKillUsage},
    {"local", local_names, "usage: local NAME[=VALUE]…"},
    {"printf", plain<printf_command>, kPrintfUsage, false, true},
    {"pwd", plain<pwd_command>, kPwdUsage, false, true},
    {"read", read_builtin, "usage: read [-rs] [-p TEXT] [-n N] [-t TIME] NAME…"},
    {"readonly", readonly_names, "usage: readonly [-p] [NAME[=VALUE]…]", true},
    {"return", return_from, "usage: return [STATUS]", true},
    {"rfork", rfork_builtin, "usage: rfork nNeEsfFm"},
    {"set", set_options, "usage: set [-efnuvxCm] [-o NAME] [--] [WORD…]", true},
    {"shift", shift, "usage: shift [N]", true},
    {"source", dot, "usage: source FILE"},
    {"test", plain<test_command>, kTestUsage, false, true},
    {"times", times, "usage: times", true},
    {"trap", trap, "usage: trap [TEXT | -] NOTE…", true},
    {"true", plain<true_command>, kTrueUsage, false, true},
    {"type", type_of, "usage: type NAME…"},
    {"ulimit", ulimit, "usage: ulimit [-anuv]"},
    {"umask", umask_builtin, "usage: umask [MODE]"},
    {"unalias", unalias_names, "usage: unalias [-a] NAME…"},
    {"unset", unset_names, "usage: unset [-fv] NAME…", true},
    {"wait", wait_builtin, "usage: wait [PID | %JOB…]"},
};

}  // namespace

std::span<const Builtin> builtins() { return kBuiltins; }

const Builtin* find_builtin(std::string_view name) {
  const auto* found =
      std::lower_bound(std::begin(kBuiltins), std::end(kBuiltins), name,
                       [](const Builtin& builtin, std::string_view wanted) { return builtin.name < wanted; });
  return found != std::end(kBuiltins) && found->name == name ? found : nullptr;
}

i32 run_builtin(Shell& shell, const Builtin& builtin, std::span<const base::String> words) {
  base::Vector<std::string_view> views(shell.heap());
  for (const base::String& word : words) views.push_back(word.view());
  Tool tool(shell.process(), views.span(), builtin.usage, shell.streams());
  return builtin.run(shell, tool);
}

}  // namespace user::fsh
