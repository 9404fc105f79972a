// user/fsh/main.cpp — fsh [-c TEXT [NAME ARG…]] [-i] [-l] [-efnuvxC] [FILE ARG…].
#include "user/fsh/builtins.h"
#include "user/fsh/interactive.h"
#include "user/fsh/main.h"

#include "base/enforce.h"

namespace user::fsh {
namespace {

constexpr u32 kNoteInterrupt = 2;
constexpr u32 kNoteQuit = 3;

constexpr std::string_view kUsage =
    "usage: fsh [-c TEXT [NAME [ARGUMENT…]]] [-i] [-l] [-efnuvxC] [-o NAME] [FILE [ARGUMENT…]]\n"
    "  -c TEXT  run TEXT\n"
    "  -i       interactive: prompt, line editing, job control\n"
    "  -l       login shell: reads /etc/profile and ~/.profile\n"
    "  -n       read commands, do not run them\n"
    "  others   as for the built-in `set`";

/// Lines of standard input when it is no console with a person at it. What follows a line is left for the commands.
class StreamLines final : public LineSource {
 public:
  StreamLines(Process& process, Fd fd) : process_(process), fd_(fd) {
    const auto stat = process.stat_fd(fd);
    whole_lines_ = process.is_console(fd);  // a console gives a line a read
    can_seek_ = stat.ok() && stat->kind == schema::file::Kind::File;
  }
  Got next_line(base::String& line, bool) override {
    u8 bytes[4096];
    const u64 step = whole_lines_ || can_seek_ ? sizeof bytes : 1;
    const u64 before = line.size();
    for (u32 restarts = 0;;) {
      const auto count = process_.read(fd_, {bytes, step});
      if (!count.ok() && count.error().code == ErrorCode::Interrupted) continue;
      // What the server had read ahead is lost; what comes now is not.
      if (!count.ok() && count.error().code == ErrorCode::ServerRestarted && ++restarts <= kServerRestartsMax) continue;
      if (!count.ok() || *count == 0) return line.size() > before ? Got::Line : Got::End;
      const std::string_view text = base::text_of({bytes, *count});
      const u64 end = text.find('\n');
      if (end == std::string_view::npos) {
        line.append(text);
        continue;
      }
      line.append(text.substr(0, end + 1));
      if (can_seek_ && end + 1 < text.size()) {
        (void)process_.seek(fd_, -static_cast<i64>(text.size() - end - 1), Whence::Current).ok();
      }
      return Got::Line;
    }
  }

 private:
  Process& process_;
  Fd fd_;
  bool whole_lines_ = false;
  bool can_seek_ = false;
};

/// Reads a start-up file if it is there.
void run_if_present(Shell& shell, std::string_view path) {
  const auto text = shell.process().read_file(path);
  if (!text.ok()) return;
  shell.call_depth += 1;
  shell.run_text(*text, path);
  shell.call_depth -= 1;
  shell.flow = {};
}

void run_from_home(Shell& shell, std::string_view file) {
  const std::string_view home = shell.variable("HOME");
  if (home.data() == nullptr) return;
  base::String path(shell.heap(), home);
  path.append("/").append(file);
  run_if_present(shell, path);
}

/// A shell with a person in front of it leads the foreground and does not end by the keys that end its commands.
void become_interactive(Shell& shell) {
  shell.options.interactive = true;
  Process& process = shell.process();
  for (const std::string_view note : {"interrupt", "quit", "suspend", "ttyin", "ttyout", "terminate"}) {
    // Handled, not ignored: what is ignored stays so in the commands it starts.
    const auto drop = [](Process&, u32 number, void* context) {
      if (number == kNoteInterrupt || number == kNoteQuit) static_cast<Shell*>(context)->flow.interrupted = true;
    };
    (void)process.on_note(note_number(note), NoteAction::Handle, drop, &shell).ok();
  }
  if (!process.is_console(kStdin)) return;
  (void)process.set_group(process.pid(), process.pid()).ok();
  shell.options.monitor = process.set_foreground(process.group()).ok();
}

i32 run_subshell(Shell& shell, std::string_view state, std::string_view program) {
  shell.run_text(state, "-c");
  shell.run_text(program, "-c");
  return shell.leave();
}

/// The same, both texts in the file at kSubshellFd: the state's length is told.
i32 run_subshell_file(Shell& shell, std::string_view state_bytes) {
  base::String text(shell.heap());
  u8 part[4096];
  Result<u64> count = u64{0};
  while ((count = shell.process().read(kSubshellFd, part)).ok() && *count != 0) {
    text.append(base::text_of({part, *count}));
  }
  (void)shell.process().close(kSubshellFd).ok();
  const auto split = base::parse_u64(state_bytes);
  if (!count.ok() || !split.ok() || *split > text.size()) return kStatusSyntax;
  return run_subshell(shell, text.view().substr(0, *split), text.view().substr(*split));
}

/// `fsh FILE`: the whole file is read first, so that what it does to itself while it runs does no harm.
i32 run_file(Shell& shell, std::string_view path) {
  auto text = shell.process().read_file(path, u64{64} << 20);
  if (!text.ok()) {
    const Error error = text.error();
    shell.complain("{}: {}", path, fs::text_of(error.code));
    return error.code == ErrorCode::NotFound ? kStatusNotFound : kStatusNotRunnable;
  }
  shell.run_text(*text, path);
  return shell.leave();
}

}  // namespace

i32 main(Process& process) {
  Shell shell(process);
  auto args = process.args();
  if (args.size() == 4 && args[1] == "--subshell") return run_subshell(shell, args[2], args[3]);
  if (args.size() == 4 && args[1] == "--subshell-file") return run_subshell_file(shell, args[2]);
  Tool tool(process, kUsage);
  Options options(tool, "c:ilefnuvxCmo:");
  std::string_view text;
  bool has_text = false;
  bool interactive = false;
  bool login = !args.empty() && args[0].starts_with("-");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    switch (option) {
      case Options::kBad: return options.bad_status();
      case 'c':
        text = options.value();
        has_text = true;
        break;
      case 'i': interactive = true; break;
      case 'l': login = true; break;
      default: {
        base::Vector<base::String> words(shell.heap());
        words.push_back(base::String(shell.heap(), "set"));
        words.push_back(base::String(shell.heap()));
        words.back().append_format("-{}", option);
        if (option == 'o') words.push_back(base::String(shell.heap(), options.value()));
        if (run_builtin(shell, *find_builtin("set"), words.span()) != 0) return kStatusSyntax;
      }
    }
  }
  const auto operands = options.operands();
  if (has_text) {
    if (!operands.empty()) shell.name.assign(operands[0]);
    shell.set_positional(operands.empty() ? operands : operands.subspan(1));
    shell.run_text(text, "-c");
    return shell.leave();
  }
  if (!operands.empty()) {
    shell.name.assign(operands[0]);
    shell.set_positional(operands.subspan(1));
    return run_file(shell, operands[0]);
  }
  interactive =
      interactive || (process.is_console(kStdin) && process.is_console(kStderr) && console_state(process).columns > 0);
  if (login) {
    run_if_present(shell, "/etc/profile");
    run_from_home(shell, ".profile");
  }
  if (!interactive) {
    StreamLines lines(process, kStdin);
    shell.run_lines(lines, "-");
    return shell.leave();
  }
  become_interactive(shell);
  run_from_home(shell, ".fshrc");
  InteractiveLines lines(shell);
  lines.load_history();
  shell.run_lines(lines, "-");
  return shell.leave();
}

}  // namespace user::fsh

namespace user {

i32 fsh_main(Process& process) { return fsh::main(process); }

}  // namespace user
