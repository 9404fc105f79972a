// user/fsh/interactive.cpp — see the header. Prompt escapes as bash's, POSIX.1-2017 leaves PS1's to the shell.
#include "user/fsh/interactive.h"

#include <algorithm>

#include "user/fsh/builtins.h"

#include "base/enforce.h"

namespace user::fsh {
namespace {

std::string_view last_component(std::string_view path) {
  const u64 slash = path.rfind('/');
  return path.size() <= 1 || slash == std::string_view::npos ? path : path.substr(slash + 1);
}

void add_match(Completion& completion, base::Allocator& heap, std::string_view word) {
  completion.matches.push_back(base::String(heap, word));
}

/// A command of several lines as one that means the same: what ends a command becomes `;`, what does not a blank. One
/// with a newline inside quotes or a here-document or a comment has no such form: its first line stands for it.
base::String one_line(base::Allocator& heap, std::string_view text) {
  while (text.ends_with("\n")) text.remove_suffix(1);
  const std::string_view first = text.substr(0, text.find('\n'));
  base::String out(heap);
  if (first.size() == text.size() || text.find("<<") != std::string_view::npos ||
      text.find('#') != std::string_view::npos) {
    out.append(first);
    return out;
  }
  char quote = '\0';
  for (u64 at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '\\' && quote != '\'' && at + 1 < text.size()) {
      at += 1;
      if (text[at] == '\n') continue;  // a joined line
      out.push(c);
      out.push(text[at]);
      continue;
    }
    if (quote != '\0' && c == '\n') {
      out.assign(first);
      return out;
    }
    if (quote == c) {
      quote = '\0';
    } else if (quote == '\0' && (c == '\'' || c == '"' || c == '`')) {
      quote = c;
    }
    if (c != '\n') {
      out.push(c);
      continue;
    }
    while (out.ends_with(" ") || out.ends_with("\t")) out.truncate(out.size() - 1);
    const u64 blank = out.view().find_last_of(" \t;");
    const std::string_view word = blank == std::string_view::npos ? out.view() : out.view().substr(blank + 1);
    bool joins = word.empty() || std::string_view("{(|&;").find(out.view().back()) != std::string_view::npos;
    for (const std::string_view opener : {"do", "then", "else", "elif", "if", "while", "until", "in", "!"}) {
      joins = joins || word == opener;
    }
    out.append(joins ? std::string_view(" ") : std::string_view("; "));
  }
  Pool pool(heap);
  if (!parse_line(pool, out, 0, 1).ok()) out.assign(first);
  return out;
}

void sort_unique(base::Vector<base::String>& words) {
  // total: equal words are the same
  std::sort(words.begin(), words.end(),
            [](const base::String& a, const base::String& b) { return a.view() < b.view(); });
  const auto last =
      std::unique(words.begin(), words.end(), [](const base::String& a, const base::String& b) { return a == b; });
  words.truncate(static_cast<u64>(last - words.begin()));
}

}  // namespace

InteractiveLines::InteractiveLines(Shell& shell) : shell_(shell), editor_(shell.heap(), shell.history, *this) {}

void InteractiveLines::load_history() {
  const std::string_view home = shell_.variable("HOME");
  if (home.data() == nullptr) return;
  base::String path(shell_.heap(), home);
  path.append("/.fsh_history");
  const auto text = shell_.process().read_file(path, 1 << 20);
  if (!text.ok()) return;
  std::string_view rest = text->view();
  while (!rest.empty()) {
    const u64 end = std::min<u64>(rest.find('\n'), rest.size());
    if (end > 0) shell_.history.push_back(base::String(shell_.heap(), rest.substr(0, end)));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  if (shell_.history.size() > kHistoryMax) shell_.history.erase(0, shell_.history.size() - kHistoryMax);
}

/// Each command is appended to the file as it is entered, so that a killed shell loses none.
void InteractiveLines::remember(std::string_view line) {
  if (line.empty() || line[0] == ' ') return;
  if (!shell_.history.empty() && shell_.history.back() == line) return;
  if (shell_.history.size() == kHistoryMax) shell_.history.erase(0);
  shell_.history.push_back(base::String(shell_.heap(), line));
  const std::string_view home = shell_.variable("HOME");
  if (home.data() == nullptr) return;
  base::String path(shell_.heap(), home);
  path.append("/.fsh_history");
  const auto file = shell_.process().open(
      path, schema::file::kOpenWrite | schema::file::kOpenAppend | schema::file::kOpenCreate, 0600);
  if (!file.ok()) return;
  base::String entry(shell_.heap(), line);
  entry.push('\n');
  (void)shell_.process().write(*file, base::bytes_of(entry.view())).ok();
  (void)shell_.process().close(*file).ok();
}

base::String InteractiveLines::prompt(bool first) {
  base::Allocator& heap = shell_.heap();
  Process& process = shell_.process();
  base::String out(heap);
  const bool root = process.identity().uid == 0;
  std::string_view pattern = shell_.variable(first ? "PS1" : "PS2");
  if (pattern.data() == nullptr) pattern = first ? "\\u@\\h\\$ " : "> ";
  for (u64 at = 0; at < pattern.size(); ++at) {
    if (pattern[at] != '\\' || at + 1 == pattern.size()) {
      out.push(pattern[at]);
      continue;
    }
    at += 1;
    switch (pattern[at]) {
      case 'u': {
        const std::string_view user = shell_.variable("USER");
        out.append(user.data() == nullptr ? std::string_view(root ? "root" : "?") : user);
        break;
      }
      case 'h': {
        const auto name = process.read_file("/dev/sysname", 256);
        std::string_view text = name.ok() ? name->view() : std::string_view("orrery");
        while (text.ends_with("\n")) text.remove_suffix(1);
        out.append(text);
        break;
      }
      case 'w': {
        const std::string_view home = shell_.variable("HOME");
        std::string_view cwd = process.cwd();
        if (home.data() != nullptr && home != "/" && cwd.starts_with(home) &&
            (cwd.size() == home.size() || cwd[home.size()] == '/')) {
          out.push('~');
          cwd.remove_prefix(home.size());
        }
        out.append(cwd);
        break;
      }
      case 'W': out.append(last_component(process.cwd())); break;
      case '$': out.push(root ? '#' : '$'); break;
      case 'j': out.append_format("{}", shell_.jobs().all().size()); break;
      case 't': {
        const u64 seconds = static_cast<u64>(process.wall_ns()) / 1'000'000'000 % 86'400;
        out.append_format("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
        break;
      }
      case '?': out.append_format("{}", shell_.status()); break;
      case 'e': out.push('\x1B'); break;
      case 'n': out.push('\n'); break;
      default: out.push(pattern[at]); break;
    }
  }
  return out;
}

LineSource::Got InteractiveLines::next_line(base::String& line, bool first) {
  if (first) shell_.jobs().tell_changes();
  const ConsoleState console = console_state(shell_.process());
  begin_editing(shell_.process());
  base::String out(shell_.heap());
  editor_.begin(prompt(first), console.columns == 0 ? kColumnsDefault : console.columns, out);
  Editor::Outcome outcome = Editor::Outcome::More;
  bool gone = false;
  u32 restarts = 0;
  while (outcome == Editor::Outcome::More && !gone) {
    if (pending_start_ == pending_end_) {
      const auto written = shell_.process().write(shell_.actual_fd(kStderr), base::bytes_of(out.view()));
      gone = !written.ok() && !(written.error() == ErrorCode::ServerRestarted);
      out.clear();
      const auto count = shell_.process().read(shell_.actual_fd(kStdin), pending_);
      if (!count.ok() && count.error().code == ErrorCode::Interrupted) {
        shell_.run_pending_traps();
        continue;
      }
      if (!count.ok() && count.error().code == ErrorCode::ServerRestarted && ++restarts <= kServerRestartsMax) {
        begin_editing(shell_.process());  // a new console server knows nothing of it
        continue;
      }
      gone = gone || !count.ok() || *count == 0;
      pending_start_ = 0;
      pending_end_ = gone ? 0 : *count;
      if (gone) break;
    }
    outcome = editor_.byte(pending_[pending_start_], out);
    pending_start_ += 1;
  }
  (void)shell_.process().write(shell_.actual_fd(kStderr), base::bytes_of(out.view())).ok();
  end_editing(shell_.process(), console);
  if (gone) return Got::End;
  switch (outcome) {
    case Editor::Outcome::Interrupted: return Got::Interrupted;
    case Editor::Outcome::End:
      if (shell_.jobs().any_stopped() && !warned_) {
        warned_ = true;
        shell_.print_error("There are stopped jobs.\n");
        return Got::Interrupted;
      }
      return Got::End;
    case Editor::Outcome::Line: break;
    case Editor::Outcome::More: UNREACHABLE("the loop ends with an outcome");
  }
  warned_ = false;
  line.append(editor_.text());
  line.push('\n');
  Pool pool(shell_.heap());
  const auto parsed = parse_line(pool, line, 0, 1);
  const bool goes_on = line.ends_with("\\\n") || (!parsed.ok() && parsed.error().incomplete);
  if (!goes_on) remember(one_line(shell_.heap(), line));
  return Got::Line;
}

Completion InteractiveLines::complete(std::string_view before) {
  Completion completion(shell_.heap());
  u64 start = before.size();
  while (start > 0 && std::string_view(" \t;|&<>()").find(before[start - 1]) == std::string_view::npos) start -= 1;
  completion.start = start;
  const std::string_view word = before.substr(start);
  std::string_view lead = before.substr(0, start);
  while (!lead.empty() && (lead.back() == ' ' || lead.back() == '\t')) lead.remove_suffix(1);
  const bool command = lead.empty() || std::string_view(";|&(").find(lead.back()) != std::string_view::npos;
  if (word.starts_with("$")) {
    for (const auto& [name, variable] : shell_.variables()) {
      if (!name.starts_with(word.substr(1))) continue;
      base::String match(shell_.heap(), "$");
      match.append(name.view());
      completion.matches.push_back(std::move(match));
    }
  } else if (command && word.find('/') == std::string_view::npos) {
    complete_commands(word, completion);
  } else {
    const u64 blank = lead.find_last_of(" \t;|&");
    const std::string_view verb = blank == std::string_view::npos ? lead : lead.substr(blank + 1);
    complete_paths(word, verb == "cd", completion);
  }
  sort_unique(completion.matches);
  return completion;
}

void InteractiveLines::complete_commands(std::string_view word, Completion& completion) {
  for (const Builtin& builtin : builtins()) {
    if (builtin.name.starts_with(word) && !builtin.name.starts_with("__"))
      add_match(completion, shell_.heap(), builtin.name);
  }
  for (const auto& [name, function] : shell_.functions()) {
    if (name.starts_with(word)) add_match(completion, shell_.heap(), name);
  }
  for (const auto& [name, value] : shell_.aliases()) {
    if (name.starts_with(word)) add_match(completion, shell_.heap(), name);
  }
  std::string_view path = shell_.variable("PATH");
  if (path.data() == nullptr) path = "/bin:/usr/bin";
  while (!path.empty()) {
    const u64 end = std::min<u64>(path.find(':'), path.size());
    for (const base::String& name : shell_.names_in(path.substr(0, end))) {
      if (name.starts_with(word)) add_match(completion, shell_.heap(), name);
    }
    path.remove_prefix(std::min(end + 1, path.size()));
  }
}

void InteractiveLines::complete_paths(std::string_view word, bool directories_only, Completion& completion) {
  const u64 slash = word.rfind('/');
  const std::string_view directory = slash == std::string_view::npos ? std::string_view() : word.substr(0, slash + 1);
  const std::string_view prefix = word.substr(directory.size());
  base::String opened(shell_.heap());
  if (directory.starts_with("~/")) {
    opened.append(shell_.variable("HOME")).append(directory.substr(1));
  } else {
    opened.append(directory.empty() ? std::string_view(".") : directory);
  }
  auto entries = shell_.process().list(opened);
  if (!entries.ok()) return;
  for (const DirectoryEntry& entry : *entries) {
    if (!entry.name.starts_with(prefix) || (prefix.empty() && entry.name.starts_with("."))) continue;
    const bool is_directory = entry.stat.kind == schema::file::Kind::Directory;
    if (directories_only && !is_directory) continue;
    base::String match(shell_.heap(), directory);
    match.append(entry.name.view());
    if (is_directory) match.push('/');
    completion.matches.push_back(std::move(match));
  }
}

}  // namespace user::fsh
