// user/commands/sed.cpp — running a sed script over the lines of files (POSIX.1-2017 XCU sed).
#include "user/commands/sed.h"

#include "base/enforce.h"

namespace user {
namespace {

constexpr u32 kGroups = 10;
constexpr u64 kListColumns = 70;  // of `l`: with the backslash that ends a folded line

/// The lines of all operands as one stream; one is read ahead, to know which is the last.
class SedInput {
 public:
  SedInput(Tool& tool, std::span<const std::string_view> names)
      : tool_(tool), names_(names), ahead_(tool.heap()), input_(tool.process(), kStdin) {}
  ~SedInput() { close(); }
  SedInput(const SedInput&) = delete;
  SedInput& operator=(const SedInput&) = delete;

  /// The next line; false at the end of the last file.
  bool next(base::String& line, bool& delimited) {
    if (!fetch()) return false;
    line.assign(ahead_);
    delimited = ahead_delimited_;
    have_ahead_ = false;
    return true;
  }
  bool at_end() { return !fetch(); }

 private:
  bool fetch() {
    while (!have_ahead_) {
      if (!open_ && !open_next()) return false;
      const auto got = input_.next(ahead_);
      if (!got.ok()) tool_.error(name_, got.error());
      have_ahead_ = got.ok() && *got;
      ahead_delimited_ = input_.ended_with_delimiter();
      if (!have_ahead_) close();
    }
    return true;
  }
  bool open_next() {
    for (;;) {
      const u64 count = names_.empty() ? 1 : names_.size();
      if (at_ == count) return false;
      name_ = names_.empty() ? std::string_view("-") : names_[at_];
      at_ += 1;
      fd_ = tool_.streams().in;
      if (name_ != "-") {
        const auto opened = tool_.process().open(name_, schema::file::kOpenRead);
        if (!opened.ok()) {
          tool_.error(name_, opened.error());
          continue;
        }
        fd_ = *opened;
      }
      input_.start(fd_);
      open_ = true;
      return true;
    }
  }
  void close() {
    if (open_ && name_ != "-") (void)tool_.process().close(fd_).ok();
    open_ = false;
  }

  Tool& tool_;
  std::span<const std::string_view> names_;
  std::string_view name_;
  u64 at_ = 0;
  Fd fd_ = 0;
  bool open_ = false;
  bool have_ahead_ = false;
  bool ahead_delimited_ = true;
  base::String ahead_;
  Input input_;
};

class Sed {
 public:
  Sed(Tool& tool, SedScript& script, bool quiet)
      : tool_(tool),
        script_(script),
        quiet_(quiet),
        space_(tool.heap()),
        hold_(tool.heap()),
        made_(tool.heap()),
        later_(tool.heap()),
        files_(tool.heap()) {}

  /// Opens what `w` writes to. False: told.
  bool open_outputs();
  void close_outputs();
  /// One run over `input`; false when a `q` has ended everything.
  bool run(SedInput& input, Output& out);

 private:
  enum class Next : u8 { Cycle, Again, InputEnded, Quit, QuitSilently };
  struct Later {
    bool is_file;
    const base::String* text;
  };

  Next run_commands(SedInput& input);
  bool selects(SedCommand& command, SedInput& input);
  bool matches(const SedAddress& address, SedInput& input);
  bool matches_regex(u32 index);
  Regex* regex_of(u32 index);
  bool substitute(const SedCommand& command);
  void append_replacement(std::string_view replacement, std::span<const RegexSpan> groups);
  /// Everything that is printed. A last line without a newline gets one when something follows it.
  void emit(std::string_view text) {
    if (newline_owed_) out_->character('\n');
    newline_owed_ = false;
    out_->text(text);
  }
  void print_space(std::string_view text) {
    emit(text);
    if (delimited_) out_->character('\n');
    newline_owed_ = !delimited_;
  }
  void print_to(i32 output, std::string_view text);
  void list();
  void flush_later();
  bool read_line(SedInput& input);

  Tool& tool_;
  SedScript& script_;
  bool quiet_;
  Output* out_ = nullptr;
  base::String space_;
  base::String hold_;
  base::String made_;  // the result of a substitution
  bool delimited_ = true;
  bool newline_owed_ = false;
  u64 line_ = 0;
  u32 last_regex_ = SedScript::kLastRegex;
  bool substituted_ = false;
  bool told_complex_ = false;
  base::Vector<Later> later_;  // of a and r: printed when the cycle ends
  base::Vector<i32> files_;    // of script_.outputs; −1: the standard output, −2: the error stream
};

bool Sed::open_outputs() {
  for (const base::String& name : script_.outputs) {
    if (name == "/dev/stdout" || name == "/dev/stderr") {
      files_.push_back(name == "/dev/stdout" ? -1 : -2);
      continue;
    }
    constexpr u16 kFlags = schema::file::kOpenWrite | schema::file::kOpenCreate | schema::file::kOpenTruncate;
    const auto opened = tool_.process().open(name, kFlags);
    if (!opened.ok()) {
      tool_.error(name, opened.error());
      return false;
    }
    files_.push_back(static_cast<i32>(*opened));
  }
  return true;
}

void Sed::close_outputs() {
  for (u64 i = 0; i < files_.size(); ++i) {
    if (files_[i] < 0) continue;
    const auto closed = tool_.process().close(static_cast<Fd>(files_[i]));
    if (!closed.ok()) tool_.error(script_.outputs[i], closed.error());
  }
}

void Sed::print_to(i32 output, std::string_view text) {
  const i32 file = files_[static_cast<u32>(output)];
  if (file == -1) return print_space(text);
  base::String line(tool_.heap(), text);
  line.push('\n');
  const auto written =
      tool_.process().write(file == -2 ? tool_.streams().err : static_cast<Fd>(file), base::bytes_of(line.view()));
  if (!written.ok()) tool_.error(script_.outputs[static_cast<u32>(output)], written.error());
}

Regex* Sed::regex_of(u32 index) {
  if (index == SedScript::kLastRegex) index = last_regex_;
  if (index == SedScript::kLastRegex) return nullptr;  // none was used before: an empty pattern matches nothing
  last_regex_ = index;
  return &script_.regexes[index];
}

bool Sed::matches_regex(u32 index) {
  Regex* regex = regex_of(index);
  if (regex == nullptr) return false;
  const Regex::Found found = regex->search(space_, 0, {});
  tool_.process().work(regex->take_work());
  if (found == Regex::Found::TooComplex && !told_complex_) {
    tool_.complain("pattern too complex");
    told_complex_ = true;
  }
  return found == Regex::Found::Yes;
}

bool Sed::matches(const SedAddress& address, SedInput& input) {
  switch (address.kind) {
    case SedAddress::Kind::None: return true;
    case SedAddress::Kind::Line: return line_ == address.line;
    case SedAddress::Kind::Last: return input.at_end();
    case SedAddress::Kind::Pattern: return matches_regex(address.regex);
    case SedAddress::Kind::Step:
      return address.step == 0 ? line_ == address.line
                               : line_ >= address.line && (line_ - address.line) % address.step == 0;
    case SedAddress::Kind::Plus: return false;
  }
  return false;
}

/// Whether the command acts on this line; moves its range along.
bool Sed::selects(SedCommand& command, SedInput& input) {
  if (command.to.kind == SedAddress::Kind::None) return matches(command.from, input) != command.negated;
  bool inside = command.active;
  if (!command.active) {
    inside = matches(command.from, input);
    command.active = inside;
    command.range_end = command.to.line;
    if (command.to.kind == SedAddress::Kind::Plus) command.range_end = line_ + command.to.line;
    const bool by_line = command.to.kind == SedAddress::Kind::Line || command.to.kind == SedAddress::Kind::Plus;
    // A range that would end before it began is one line.
    if (inside && by_line && command.range_end <= line_) command.active = false;
    if (inside && command.to.kind == SedAddress::Kind::Last && input.at_end()) command.active = false;
  } else if (command.to.kind == SedAddress::Kind::Pattern) {
    command.active = !matches_regex(command.to.regex);
  } else if (command.to.kind == SedAddress::Kind::Last) {
    command.active = !input.at_end();
  } else {
    command.active = line_ < command.range_end;
    inside = line_ <= command.range_end;
  }
  return inside != command.negated;
}

void Sed::append_replacement(std::string_view replacement, std::span<const RegexSpan> groups) {
  for (u64 i = 0; i < replacement.size(); ++i) {
    const char c = replacement[i];
    if (c == '&') {
      made_.append(groups[0].of(space_));
      continue;
    }
    if (c != '\\' || i + 1 == replacement.size()) {
      made_.push(c);
      continue;
    }
    i += 1;
    const char next = replacement[i];
    if (next >= '0' && next <= '9') {
      made_.append(groups[static_cast<u32>(next - '0')].of(space_));
    } else {
      made_.push(next == 'n' ? '\n' : next == 't' ? '\t' : next);
    }
  }
}

bool Sed::substitute(const SedCommand& command) {
  Regex* regex = regex_of(command.regex);
  if (regex == nullptr) return false;
  made_.clear();
  u64 from = 0;    // where the search goes on
  u64 copied = 0;  // up to here the line is in `made_`
  u32 count = 0;
  bool any = false;
  while (from <= space_.size()) {
    RegexSpan groups[kGroups];
    const Regex::Found found = regex->search(space_, from, groups);
    tool_.process().work(regex->take_work());
    if (found == Regex::Found::TooComplex && !told_complex_) {
      tool_.complain("pattern too complex");
      told_complex_ = true;
    }
    if (found != Regex::Found::Yes) break;
    count += 1;
    // An empty match just behind the one before is none.
    const bool empty = groups[0].start == groups[0].end;
    const bool counts = !(empty && any && groups[0].start == copied);
    if (!counts) count -= 1;
    if (counts && count >= std::max(command.number, 1u)) {
      made_.append(space_.view().substr(copied, groups[0].start - copied));
      append_replacement(command.text, groups);
      copied = groups[0].end;
      any = true;
      if (!command.global) break;
    }
    from = empty ? groups[0].end + 1 : groups[0].end;
  }
  if (!any) return false;
  made_.append(space_.view().substr(copied));
  std::swap(space_, made_);
  substituted_ = true;
  for (u32 i = 0; i < command.print_count; ++i) print_space(space_);
  if (command.output >= 0) print_to(command.output, space_);
  return true;
}

/// `l`: what cannot be seen is written out, long lines are folded, `$` marks the end.
void Sed::list() {
  base::String line(tool_.heap());
  u64 column = 0;
  for (const char c : space_) {
    char text[8];
    std::string_view piece{&c, 1};
    switch (c) {
      case '\\': piece = "\\\\"; break;
      case '\a': piece = "\\a"; break;
      case '\b': piece = "\\b"; break;
      case '\f': piece = "\\f"; break;
      case '\n': piece = "\\n"; break;
      case '\r': piece = "\\r"; break;
      case '\t': piece = "\\t"; break;
      case '\v': piece = "\\v"; break;
      default:
        if (static_cast<u8>(c) < ' ' || static_cast<u8>(c) >= 0x7F) {
          piece = base::format(std::span<char>(text), "\\{}{}{}", static_cast<u8>(c) >> 6, static_cast<u8>(c) >> 3 & 7,
                               static_cast<u8>(c) & 7);
        }
    }
    if (column + piece.size() > kListColumns - 1) {
      line.append("\\\n");
      column = 0;
    }
    line.append(piece);
    column += piece.size();
  }
  line.append("$\n");
  emit(line);
}

void Sed::flush_later() {
  for (const Later& one : later_) {
    if (!one.is_file) {
      emit(*one.text);
      continue;
    }
    const auto text = tool_.process().read_file(*one.text);
    if (text.ok() && !text->empty()) emit(*text);  // a file that cannot be read is an empty one (POSIX)
  }
  later_.clear();
}

bool Sed::read_line(SedInput& input) {
  if (!input.next(space_, delimited_)) return false;
  line_ += 1;
  substituted_ = false;
  return true;
}

Sed::Next Sed::run_commands(SedInput& input) {
  for (u32 at = 0; at < script_.commands.size();) {
    SedCommand& command = script_.commands[at];
    tool_.process().work(2);
    at += 1;
    if (!selects(command, input)) {
      if (command.name == '{') at = command.target;
      continue;
    }
    switch (command.name) {
      case '{':
      case ':': break;
      case '=':
        emit("");
        out_->format("{}\n", line_);
        break;
      case 'a': later_.push_back({false, &command.text}); break;
      case 'b': at = command.target; break;
      case 'c':
        if (command.to.kind == SedAddress::Kind::None || !command.active || command.negated) emit(command.text);
        return Next::Cycle;
      case 'd': return Next::Cycle;
      case 'D': {
        const u64 end = space_.view().find('\n');
        if (end == std::string_view::npos) return Next::Cycle;
        space_.assign(base::String(tool_.heap(), space_.view().substr(end + 1)));
        return Next::Again;
      }
      case 'g': space_.assign(hold_); break;
      case 'G': space_.append("\n").append(hold_.view()); break;
      case 'h': hold_.assign(space_); break;
      case 'H': hold_.append("\n").append(space_.view()); break;
      case 'i': emit(command.text); break;
      case 'l': list(); break;
      case 'n':
        if (input.at_end()) return Next::InputEnded;
        if (!quiet_) print_space(space_);
        flush_later();
        read_line(input);
        break;
      case 'N': {
        if (input.at_end()) return Next::InputEnded;
        flush_later();
        base::String before = std::move(space_);
        space_ = base::String(tool_.heap());
        const bool substituted = substituted_;
        read_line(input);
        substituted_ = substituted;
        before.append("\n").append(space_.view());
        space_ = std::move(before);
        break;
      }
      case 'p': print_space(space_); break;
      case 'P':
        emit(space_.view().substr(0, space_.view().find('\n')));
        out_->character('\n');
        break;
      case 'q': tool_.set_status(static_cast<i32>(command.number)); return Next::Quit;
      case 'Q': tool_.set_status(static_cast<i32>(command.number)); return Next::QuitSilently;
      case 'r': later_.push_back({true, &command.text}); break;
      case 's': substitute(command); break;
      case 't':
        if (substituted_) at = command.target;
        substituted_ = false;
        break;
      case 'w': print_to(command.output, space_); break;
      case 'x': std::swap(space_, hold_); break;
      case 'y':
        for (u64 i = 0; i < space_.size(); ++i) space_.data()[i] = command.text[static_cast<u8>(space_[i])];
        break;
      default: UNREACHABLE("the parser knows every command");
    }
  }
  if (!quiet_) print_space(space_);
  return Next::Cycle;
}

bool Sed::run(SedInput& input, Output& out) {
  out_ = &out;
  line_ = 0;
  newline_owed_ = false;
  bool again = false;
  while (again || read_line(input)) {
    const Next next = run_commands(input);
    if ((next == Next::Quit || next == Next::InputEnded) && !quiet_) print_space(space_);
    flush_later();
    if (next == Next::Quit || next == Next::QuitSilently) return false;
    again = next == Next::Again;
    if (out.failed()) return false;
  }
  return true;
}

/// -i: the result is written beside the file and takes its place.
bool edit_in_place(Tool& tool, Sed& sed, std::string_view name) {
  Process& process = tool.process();
  const auto facts = process.stat(name);
  if (!facts.ok() || facts->kind == schema::file::Kind::Directory) {
    tool.error(name, facts.ok() ? Error(ErrorCode::IsADirectory) : facts.error());
    return true;
  }
  base::String beside(tool.heap(), name);
  beside.append_format(".sed-{}", process.pid());
  const auto opened =
      process.open(beside, schema::file::kOpenWrite | schema::file::kOpenCreate | schema::file::kOpenExclusive, 0600);
  if (!opened.ok()) {
    tool.error(name, opened.error());
    return true;
  }
  Output out(process, *opened);
  const std::string_view names[] = {name};
  SedInput input(tool, names);
  const bool more = sed.run(input, out);
  const bool flushed = out.flush();
  const auto closed = process.close(*opened);
  Result<void> moved = flushed ? closed : Result<void>(out.error());
  if (moved.ok()) {
    moved = process.change(beside, {.mask = 7, .mode = facts->mode, .uid = facts->uid, .gid = facts->gid});
  }
  if (moved.ok()) moved = process.rename(beside, name);
  if (!moved.ok()) {
    (void)process.remove(beside).ok();
    tool.error(name, moved.error());
  }
  return more;
}

}  // namespace

i32 sed_main(Process& process) {
  Tool tool(process,
            "usage: sed [-nEi] [-e SCRIPT | -f FILE]… [SCRIPT] [FILE…]\n  -n  print only what the script prints\n"
            "  -E  extended patterns\n  -i  change the files themselves\n  -e  a script\n  -f  a script in a file");
  bool quiet = false;
  bool extended = false;
  bool in_place = false;
  struct Part {
    bool file;
    std::string_view text;
  };
  base::Vector<Part> parts(process.heap());
  Options options(tool, "nErie:f:s");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    switch (option) {
      case Options::kBad: return options.bad_status();
      case 'n': quiet = true; break;
      case 'i': in_place = true; break;
      case 'e': parts.push_back({false, options.value()}); break;
      case 'f': parts.push_back({true, options.value()}); break;
      case 's': break;
      default: extended = true; break;
    }
  }
  auto operands = options.operands();
  if (parts.empty()) {
    if (operands.empty()) return tool.bad_use("missing operand");
    parts.push_back({false, operands[0]});
    operands = operands.subspan(1);
  }
  SedScript script(tool, extended);
  for (const Part& part : parts) {
    if (!part.file) {
      script.add("-e", part.text);
      continue;
    }
    const auto text = process.read_file(part.text);
    if (!text.ok()) {
      tool.error(part.text, text.error());
      return tool.finish();
    }
    script.add(part.text, *text);
  }
  if (!script.parse()) return tool.finish();
  Sed sed(tool, script, quiet || script.starts_quiet());
  if (!sed.open_outputs()) return tool.finish();
  if (in_place) {
    for (const std::string_view name : operands) {
      if (!edit_in_place(tool, sed, name)) break;
    }
  } else {
    SedInput input(tool, operands);
    sed.run(input, tool.out());
  }
  sed.close_outputs();
  return tool.finish();
}

}  // namespace user
