// user/fsh/shell.cpp — the shell's state: variables, functions, traps, messages, and the loop over lines.
#include "user/fsh/shell.h"

#include "user/fsh/builtins.h"

#include "base/enforce.h"

namespace user::fsh {
namespace {

bool is_line_continued(std::string_view text) {
  u64 backslashes = 0;
  if (text.ends_with("\n")) text.remove_suffix(1);
  while (backslashes < text.size() && text[text.size() - 1 - backslashes] == '\\') backslashes += 1;
  return backslashes % 2 == 1;
}

std::string_view find_alias(const void* context, std::string_view name) {
  const auto& aliases = *static_cast<const base::SortedMap<base::String, base::String>*>(context);
  const base::String* value = aliases.find(name);
  return value == nullptr ? std::string_view() : value->view();
}

/// Lines of a text that is all there.
class TextLines final : public LineSource {
 public:
  explicit TextLines(std::string_view text) : rest_(text) {}
  Got next_line(base::String& line, bool) override {
    if (rest_.empty()) return Got::End;
    const u64 end = rest_.find('\n');
    const u64 size = end == std::string_view::npos ? rest_.size() : end + 1;
    line.append(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return Got::Line;
  }

 private:
  std::string_view rest_;
};

}  // namespace

Shell::Shell(Process& process)
    : name(process.heap(), "fsh"),
      history(process.heap()),
      process_(process),
      variables_(process.heap()),
      positional_(process.heap()),
      aliases_(process.heap()),
      functions_(process.heap()),
      traps_(process.heap()),
      locals_(process.heap()),
      jobs_(*this, process.heap()),
      source_(process.heap()),
      main_shell_(process.pid()),
      home_buffer_(process.heap()) {
  for (u32 number = 0; number < kShellFdsMax; ++number) {
    fds_.actual[number] = process_.is_open(number) ? static_cast<i32>(number) : FdMap::kClosed;
  }
  import_environment();
}

Shell::~Shell() = default;

// ── Variables ──────────────────────────────────────────────────────────────────────────────────────────────────

void Shell::import_environment() {
  const auto names = process_.env_names();
  if (!names.ok()) return;
  for (const base::String& each : *names) {
    auto value = process_.env(each);
    if (!value.ok() || !is_name(each)) continue;
    variables_.put(each.clone(), Variable{std::move(*value), true, true, false});
  }
}

std::string_view Shell::variable(std::string_view which) const {
  const Variable* found = variables_.find(which);
  if (found == nullptr || !found->set) return {};
  // An empty value is set all the same: its view must not be null.
  return found->value.empty() ? std::string_view("") : found->value.view();
}

ShellResult<void> Shell::assign(std::string_view which, std::string_view value) {
  Variable* found = variables_.find(which);
  if (found != nullptr && found->read_only) return ShellError::format(1, "{}: is read only", which);
  base::String copy(heap(), value);
  if (found == nullptr) {
    found = &variables_.put(base::String(heap(), which), Variable{std::move(copy), true});
  } else {
    found->value = std::move(copy);
    found->set = true;
  }
  if (found->exported) export_to_environment(which, *found);
  return {};
}

void Shell::export_to_environment(std::string_view which, const Variable& variable) {
  const auto written = process_.set_env(which, variable.value);
  if (!written.ok()) complain("{}: {}", which, fs::text_of(written.error().code));
}

ShellResult<void> Shell::unset(std::string_view which) {
  const Variable* found = variables_.find(which);
  if (found == nullptr) return {};
  if (found->read_only) return ShellError::format(1, "{}: is read only", which);
  if (found->exported) (void)process_.unset_env(which).ok();
  variables_.erase(which);
  return {};
}

ShellResult<void> Shell::export_variable(std::string_view which) {
  Variable* found = variables_.find(which);
  if (found == nullptr) found = &variables_.put(base::String(heap(), which), Variable{base::String(heap())});
  found->exported = true;
  if (found->set) export_to_environment(which, *found);
  return {};
}

void Shell::set_read_only(std::string_view which) {
  Variable* found = variables_.find(which);
  if (found == nullptr) found = &variables_.put(base::String(heap(), which), Variable{base::String(heap())});
  found->read_only = true;
}

ShellResult<void> Shell::make_local(std::string_view which) {
  Variable* found = variables_.find(which);
  if (found != nullptr && found->read_only) return ShellError::format(1, "{}: is read only", which);
  const bool existed = found != nullptr;
  Variable saved{base::String(heap())};
  if (existed) saved = Variable{found->value.clone(), found->set, found->exported, found->read_only};
  locals_.push_back({base::String(heap(), which), std::move(saved)});
  if (!existed) variables_.put(base::String(heap(), which), Variable{base::String(heap())});
  return {};
}

void Shell::set_positional(std::span<const std::string_view> values) {
  base::Vector<base::String> fresh(heap());
  for (const std::string_view value : values) fresh.push_back(base::String(heap(), value));
  positional_ = std::move(fresh);
}

bool Shell::special(char which, base::String& out) const {
  switch (which) {
    case '?': out.append_format("{}", status_); return true;
    case '$': out.append_format("{}", main_shell_); return true;
    case '0': out.append(name.view()); return true;
    case '!':
      if (last_background_ == 0) return false;
      out.append_format("{}", last_background_);
      return true;
    case '-': {
      const struct {
        bool on;
        char letter;
      } letters[] = {{options.errexit, 'e'}, {options.noglob, 'f'}, {options.interactive, 'i'},
                     {options.monitor, 'm'}, {options.noexec, 'n'}, {options.nounset, 'u'},
                     {options.verbose, 'v'}, {options.xtrace, 'x'}, {options.noclobber, 'C'}};
      for (const auto& letter : letters) {
        if (letter.on) out.push(letter.letter);
      }
      return true;
    }
    default: return false;
  }
}

base::Vector<base::String> Shell::names_in(std::string_view directory) {
  base::Vector<base::String> names(heap());
  auto entries = process_.list(directory.empty() ? std::string_view(".") : directory);
  if (!entries.ok()) return names;
  for (DirectoryEntry& entry : *entries) names.push_back(std::move(entry.name));
  return names;
}

bool Shell::exists(std::string_view path) { return process_.stat(path, FollowLinks::No).ok(); }

std::string_view Shell::home_of(std::string_view user) {
  const auto passwd = process_.read_file("/etc/passwd");
  if (!passwd.ok()) return {};
  std::string_view rest = passwd->view();
  while (!rest.empty()) {
    const u64 end = std::min<u64>(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    std::string_view fields[7] = {};  // name:x:uid:gid:gecos:home:shell
    for (std::string_view& field : fields) {
      const u64 colon = std::min<u64>(line.find(':'), line.size());
      field = line.substr(0, colon);
      line.remove_prefix(std::min(colon + 1, line.size()));
    }
    if (fields[0] != user || fields[5].empty()) continue;
    home_buffer_.assign(fields[5]);
    return home_buffer_.view();
  }
  return {};
}

// ── Functions and traps ────────────────────────────────────────────────────────────────────────────────────────

Shell::Function* Shell::find_function(std::string_view which) {
  Function** found = functions_.find(which);
  return found == nullptr ? nullptr : *found;
}

void Shell::define_function(std::string_view which, const Node& node) {
  // The definition outlives the line it stood on: it is parsed again into memory of its own.
  base::String text(heap());
  unparse(node, text);
  undefine_function(which);
  Pool* pool = new (heap().allocate(sizeof(Pool), alignof(Pool))) Pool(heap());
  Function* function =
      new (heap().allocate(sizeof(Function), alignof(Function))) Function{std::move(text), pool, nullptr, 0, false};
  const auto parsed = parse_line(*pool, function->text, 0, node.at.line);
  ASSERT(parsed.ok() && parsed->list != nullptr && parsed->list->parts[0]->kind == NodeKind::Function);
  function->body = parsed->list->parts[0]->parts[0];
  functions_.put(base::String(heap(), which), function);
}

void Shell::undefine_function(std::string_view which) {
  Function* function = find_function(which);
  if (function == nullptr) return;
  functions_.erase(which);
  if (function->running > 0) {
    function->replaced = true;
    return;
  }
  function->pool->~Pool();
  heap().release(function->pool, sizeof(Pool));
  function->~Function();
  heap().release(function, sizeof(Function));
}

void Shell::on_note(Process&, u32 number, void* context) {
  static_cast<Shell*>(context)->pending_notes_ |= u64{1} << number;
}

ShellResult<void> Shell::set_trap(u32 note, std::string_view text) {
  if (note != 0) {
    const NoteAction action = text.empty() ? NoteAction::Ignore : NoteAction::Handle;
    const auto done = process_.on_note(note, action, &Shell::on_note, this);
    if (!done.ok()) return ShellError::format(1, "trap: {}: {}", note_name(note), fs::text_of(done.error().code));
  }
  traps_.put(note, base::String(heap(), text));
  return {};
}

void Shell::reset_trap(u32 note) {
  if (!traps_.erase(note) || note == 0) return;
  (void)process_.on_note(note, NoteAction::Default).ok();
}

void Shell::run_pending_traps() {
  while (pending_notes_ != 0) {
    const u32 note = static_cast<u32>(__builtin_ctzll(pending_notes_));
    pending_notes_ &= pending_notes_ - 1;
    const base::String* text = traps_.find(note);
    if (text == nullptr || text->empty() || call_depth >= kCallDepthMax) continue;
    const base::String copy = text->clone();
    const i32 before = status_;
    call_depth += 1;
    run_text(copy, "trap");
    call_depth -= 1;
    if (!exiting_) status_ = before;
  }
}

i32 Shell::leave() {
  run_pending_traps();
  if (base::String* text = traps_.find(u32{0}); text != nullptr && !in_exit_trap_) {
    in_exit_trap_ = true;
    exiting_ = false;
    const base::String copy = text->clone();
    const i32 before = status_;
    run_text(copy, "trap");
    if (!exiting_) status_ = before;
  }
  for (const Job& job : jobs_.all()) {
    if (options.interactive && !job.ended() && job.group != 0) (void)process_.post_group(job.group, "hangup").ok();
  }
  return status_;
}

// ── Messages ───────────────────────────────────────────────────────────────────────────────────────────────────

Fd Shell::actual_fd(u32 number) const {
  if (number >= kShellFdsMax || fds_.actual[number] == FdMap::kClosed) return kFdsMax;
  return static_cast<Fd>(fds_.actual[number]);
}

void Shell::print_error(std::string_view text) { (void)process_.write(actual_fd(kStderr), base::bytes_of(text)).ok(); }

void Shell::begin_message(base::String& line) {
  line.append("fsh: ");
  if (script_file_) line.append_format("{}:{}: ", source_, line_);
}

void Shell::report_syntax(const SyntaxError& error, std::string_view source) {
  const base::String text = text_of(heap(), error);
  base::String line(heap());
  line.append_format("fsh: {}:{}:{}: syntax error: {}\n", source, error.at.line, error.at.column, text);
  print_error(line);
}

// ── Lines ──────────────────────────────────────────────────────────────────────────────────────────────────────

i32 Shell::run_text(std::string_view text, std::string_view source) {
  TextLines lines(text);
  return run_lines(lines, source);
}

i32 Shell::run_lines(LineSource& lines, std::string_view source) {
  base::String saved_source = std::move(source_);
  const bool saved_script = script_file_;
  source_ = base::String(heap(), source);
  script_file_ = source != "-c" && source != "-" && source != "trap";
  base::String text(heap());  // of the command being read, one or more lines
  u32 line_number = 1;
  bool ended = false;
  while (!exiting_ && !flow.any() && !ended) {
    const LineSource::Got got = lines.next_line(text, text.empty());
    if (got == LineSource::Got::Interrupted) {
      text.clear();
      status_ = 130;
      continue;
    }
    ended = got == LineSource::Got::End;
    if (ended && text.empty()) break;
    if (!ended && is_line_continued(text)) continue;
    const bool last = ended;
    // Ctrl-D within a command ends the command; the person at the keyboard is still there.
    if (options.interactive && source == "-") ended = false;
    Pool pool(heap());
    const AliasPort aliases{aliases_.empty() ? nullptr : &find_alias, &aliases_};
    const auto parsed = parse_line(pool, text, 0, line_number, aliases);
    process_.work(text.size() / 16 + 1);
    if (!parsed.ok()) {
      if (parsed.error().incomplete && !last) continue;
      report_syntax(parsed.error(), source);
      status_ = kStatusSyntax;
      if (!options.interactive || source != "-") {
        if (call_depth == 0) exiting_ = true;
        break;
      }
      text.clear();
      continue;
    }
    if (options.verbose) print_error(text);
    line_number = parsed->next_line;
    if (parsed->list != nullptr && !options.noexec) run(*parsed->list);
    if (flow.interrupted && call_depth == 0) {
      flow = {};
      status_ = 130;
    }
    text.clear();
  }
  source_ = std::move(saved_source);
  script_file_ = saved_script;
  return status_;
}

}  // namespace user::fsh
