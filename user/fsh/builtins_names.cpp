// user/fsh/builtins_names.cpp — alias, cd, command, type, help, history, rfork, ulimit, umask.
#include "user/fsh/builtins.h"
#include "user/fsh/builtins_more.h"

#include "base/enforce.h"

namespace user::fsh {

i32 alias_names(Shell& shell, Tool& tool) {
  const auto words = tool.args().subspan(1);
  const auto print = [&](std::string_view name, std::string_view value) {
    base::String line(shell.heap(), "alias ");
    line.append(name).append("=");
    quote_word(value, line);
    line.push('\n');
    tool.out().text(line);
  };
  if (words.empty()) {
    for (const auto& [name, value] : shell.aliases()) print(name, value);
  }
  for (const std::string_view word : words) {
    const u64 equals = word.find('=');
    if (equals != std::string_view::npos && equals > 0) {
      shell.aliases().put(base::String(shell.heap(), word.substr(0, equals)),
                          base::String(shell.heap(), word.substr(equals + 1)));
      continue;
    }
    const base::String* value = shell.aliases().find(word);
    if (value == nullptr) {
      tool.complain("{}: {}", word, fs::text_of(ErrorCode::NotFound));
    } else {
      print(word, *value);
    }
  }
  return tool.finish();
}

i32 unalias_names(Shell& shell, Tool& tool) {
  Options options(tool, "a");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    if (option == Options::kBad) return options.bad_status();
    shell.aliases().clear();
  }
  for (const std::string_view word : options.operands()) {
    if (!shell.aliases().erase(word)) tool.complain("{}: {}", word, fs::text_of(ErrorCode::NotFound));
  }
  return tool.status();
}

i32 change_directory(Shell& shell, Tool& tool) {
  const auto words = tool.args().subspan(1);
  if (words.size() > 1) return tool.bad_use("extra operand: {}", words[1]);
  Process& process = shell.process();
  std::string_view wanted = words.empty() ? shell.variable("HOME") : words[0];
  if (wanted.data() == nullptr) {
    tool.complain("HOME: not set");
    return 1;
  }
  base::String target(shell.heap(), wanted);
  bool print = false;
  if (wanted == "-") {
    const std::string_view old = shell.variable("OLDPWD");
    if (old.data() == nullptr) {
      tool.complain("OLDPWD: not set");
      return 1;
    }
    target.assign(old);
    print = true;
  }
  const std::string_view search = shell.variable("CDPATH");
  const bool plain = !wanted.starts_with("/") && !wanted.starts_with("./") && !wanted.starts_with("../") &&
                     wanted != "." && wanted != "..";
  if (search.data() != nullptr && plain && wanted != "-") {
    std::string_view rest = search;
    for (;;) {
      const u64 end = std::min<u64>(rest.find(':'), rest.size());
      base::String candidate(shell.heap(), rest.substr(0, end));
      if (!candidate.empty()) candidate.push('/');
      candidate.append(wanted);
      const auto stat = process.stat(candidate);
      if (stat.ok() && stat->kind == schema::file::Kind::Directory) {
        print = end != 0;
        target = std::move(candidate);
        break;
      }
      if (end == rest.size()) break;
      rest.remove_prefix(end + 1);
    }
  }
  base::String before(shell.heap(), process.cwd());
  const auto changed = process.change_directory(target);
  if (!changed.ok()) {
    tool.error(wanted, changed.error());
    return 1;
  }
  (void)shell.assign("OLDPWD", before).ok();
  (void)shell.assign("PWD", process.cwd()).ok();
  if (print) tool.out().format("{}\n", process.cwd());
  return tool.finish();
}

namespace {

/// What a name means to the shell; false when nothing.
bool describe(Shell& shell, std::string_view name, bool brief, base::String& out) {
  if (const base::String* alias = shell.aliases().find(name)) {
    if (brief) {
      out.append_format("alias {}='{}'\n", name, *alias);
    } else {
      out.append_format("{} is an alias for {}\n", name, *alias);
    }
  } else if (is_reserved(name)) {
    out.append_format(brief ? "{}\n" : "{} is a reserved word\n", name);
  } else if (shell.find_function(name) != nullptr) {
    out.append_format(brief ? "{}\n" : "{} is a function\n", name);
  } else if (find_builtin(name) != nullptr) {
    out.append_format(brief ? "{}\n" : "{} is a built-in\n", name);
  } else {
    const base::String path = shell.find_in_path(name);
    if (path.empty() || !shell.exists(path)) return false;
    if (brief) {
      out.append_format("{}\n", path);
    } else {
      out.append_format("{} is {}\n", name, path);
    }
  }
  return true;
}

}  // namespace

i32 type_of(Shell& shell, Tool& tool) {
  for (const std::string_view name : tool.args().subspan(1)) {
    base::String line(shell.heap());
    if (describe(shell, name, false, line)) {
      tool.out().text(line);
    } else {
      tool.complain("{}: {}", name, fs::text_of(ErrorCode::NotFound));
    }
  }
  return tool.finish();
}

i32 command_builtin(Shell& shell, Tool& tool) {
  auto words = tool.args().subspan(1);
  if (!words.empty() && (words[0] == "-v" || words[0] == "-V")) {
    const bool brief = words[0] == "-v";
    for (const std::string_view name : words.subspan(1)) {
      base::String line(shell.heap());
      if (!describe(shell, name, brief, line)) {
        tool.set_status(1);
        continue;
      }
      tool.out().text(line);
    }
    return tool.finish();
  }
  if (words.empty()) return 0;
  base::Vector<base::String> copies(shell.heap());
  for (const std::string_view word : words) copies.push_back(base::String(shell.heap(), word));
  if (const Builtin* builtin = find_builtin(words[0])) return run_builtin(shell, *builtin, copies.span());
  i32 status = 0;
  const Pid pid = shell.launch(
      {.words = words, .environment = {}, .own_group = shell.options.monitor, .foreground = shell.options.monitor},
      status);
  if (pid == 0) return status;
  const u32 job = shell.jobs().add(shell.options.monitor ? pid : 0, words[0], false);
  shell.jobs().add_process(job, pid);
  return shell.wait_foreground(job);
}

i32 hash(Shell&, Tool& tool) {
  // Nothing is remembered: a look-up asks a server in this machine, and a stale table would be wrong.
  Options options(tool, "r");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    if (option == Options::kBad) return options.bad_status();
  }
  return 0;
}

i32 help(Shell&, Tool& tool) {
  const auto words = tool.args().subspan(1);
  for (const std::string_view word : words) {
    const Builtin* builtin = find_builtin(word);
    if (builtin == nullptr) {
      tool.complain("{}: {} (a program tells with `{} --help`)", word, fs::text_of(ErrorCode::NotFound), word);
      continue;
    }
    tool.out().format("{}\n", builtin->usage);
  }
  if (!words.empty()) return tool.finish();
  tool.out().text("fsh, the shell of Orrery. Programs are in /bin; each explains itself with --help.\nBuilt-in:\n");
  u64 column = 0;
  for (const Builtin& builtin : builtins()) {
    if (builtin.name.starts_with("__")) continue;
    if (column + builtin.name.size() + 1 > 76) {
      tool.out().character('\n');
      column = 0;
    }
    tool.out().format("{}{}", column == 0 ? "  " : " ", builtin.name);
    column += builtin.name.size() + 1;
  }
  tool.out().text("\nTry: ls /bin · ps · cat /proc/self/status · crash null · realm ls · spin &\n");
  return tool.finish();
}

i32 history(Shell& shell, Tool& tool) {
  const auto words = tool.args().subspan(1);
  if (!words.empty() && words[0] == "-c") {
    shell.history.clear();
    return 0;
  }
  u64 count = shell.history.size();
  if (!words.empty()) {
    const auto value = base::parse_u64(words[0]);
    if (!value.ok()) return tool.bad_use("bad number: {}", words[0]);
    count = std::min(count, *value);
  }
  for (u64 i = shell.history.size() - count; i < shell.history.size(); ++i) {
    tool.out().format("{:>5}  {}\n", i + 1, shell.history[i]);
  }
  return tool.finish();
}

i32 rfork_builtin(Shell& shell, Tool& tool) {
  u32 flags = 0;
  for (const std::string_view word : tool.args().subspan(1)) {
    for (const char letter : word) {
      switch (letter) {
        case 'n': flags |= kRfNameg; break;
        case 'N': flags |= kRfCNameg; break;
        case 'e': flags |= kRfEnvg; break;
        case 'E': flags |= kRfCEnvg; break;
        case 's': flags |= kRfNoteg; break;
        case 'f': flags |= kRfFdg; break;
        case 'F': flags |= kRfCFdg; break;
        case 'm': flags |= kRfNoMount; break;
        default: return tool.bad_use("unknown letter: {}", letter);
      }
    }
  }
  const auto done = shell.process().rfork(flags);
  if (!done.ok()) {
    tool.error("rfork", done.error());
    return 1;
  }
  return 0;
}

i32 ulimit(Shell& shell, Tool& tool) {
  bool all = tool.args().size() < 2;
  char one = '\0';
  Options options(tool, "anuv");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    if (option == Options::kBad) return options.bad_status();
    all = all || option == 'a';
    one = option;
  }
  if (!options.operands().empty())
    return tool.bad_use("limits are set by the realm: extra operand: {}", options.operands()[0]);
  const auto quota = shell.process().read_file("/realm/quota");
  const auto limit = [&](std::string_view key) -> std::string_view {
    if (!quota.ok()) return "unlimited";
    std::string_view rest = quota->view();
    while (!rest.empty()) {
      const u64 end = std::min<u64>(rest.find('\n'), rest.size());
      const std::string_view line = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      if (!line.starts_with(key) || line.size() <= key.size() || line[key.size()] != ' ') continue;
      const std::string_view value = line.substr(key.size() + 1);
      return value == "-" ? std::string_view("unlimited") : value.substr(0, value.find(' '));
    }
    return "unlimited";
  };
  const auto print = [&](char letter, std::string_view what, std::string_view value) {
    if (all) tool.out().format("{:<24} (-{}) ", what, letter);
    if (all || one == letter) tool.out().format("{}\n", value);
  };
  print('n', "files", limit("files"));
  print('u', "processes", limit("processes"));
  const auto memory = base::parse_u64(limit("memory"));
  char text[24];
  print('v', "memory KiB",
        memory.ok() ? base::format(std::span<char>(text), "{}", *memory / 1024) : std::string_view("unlimited"));
  return tool.finish();
}

i32 umask_builtin(Shell& shell, Tool& tool) {
  const auto words = tool.args().subspan(1);
  if (words.empty()) {
    const u16 mask = shell.process().umask();
    tool.out().format("0{}{}{}\n", mask >> 6 & 7, mask >> 3 & 7, mask & 7);
    return tool.finish();
  }
  const auto value = base::parse_u64(words[0], 8);
  if (!value.ok() || *value > 0777) return tool.bad_use("bad number: {}", words[0]);
  shell.process().set_umask(static_cast<u16>(*value));
  return 0;
}

}  // namespace user::fsh
