#include "user/lonala/repl.h"

#include <algorithm>

#include "user/lonala/layout.h"
#include "vm/lonala/collections/map.h"
#include "vm/lonala/hints.h"
#include "vm/lonala/namespaces.h"
#include "vm/lonala/printer.h"

#include "base/enforce.h"

namespace user::lonala_program {
namespace {

constexpr std::string_view kWelcome =
    "Lonala. (doc f) (source f) (apropos \"text\") help; Ctrl-C stops, Ctrl-D leaves.\n";

/// A piece of history is a line: line feeds and backslashes are written as \n and \\.
base::String encoded(base::Allocator& heap, std::string_view text) {
  base::String out(heap);
  for (const char c : text) {
    if (c == '\\') out.append("\\\\");
    if (c == '\n') out.append("\\n");
    if (c != '\\' && c != '\n') out.push(c);
  }
  out.push('\n');
  return out;
}

base::String decoded(base::Allocator& heap, std::string_view line) {
  base::String out(heap);
  for (u64 at = 0; at < line.size(); ++at) {
    if (line[at] != '\\' || at + 1 == line.size()) {
      out.push(line[at]);
      continue;
    }
    at += 1;
    out.push(line[at] == 'n' ? '\n' : line[at]);
  }
  return out;
}

/// The names the machine offers, with the arguments that each takes.
class Collector final : public lonala::NameVisitor {
 public:
  Collector(base::Allocator& heap, lonala::Vm& vm, Completion& completion)
      : heap_(heap), vm_(vm), completion_(completion) {}
  void name(std::string_view text, lonala::Term var) override {
    completion_.matches.push_back(base::String(heap_, text));
    completion_.notes.push_back(base::String(heap_));
    if (var == lonala::kNone) return;
    const lonala::Term meta = lonala::var_record(vm_, var).meta;
    if (meta == lonala::kNil) return;
    const lonala::Term lists = lonala::map_get(vm_, meta, lonala::keyword(vm_, lonala::Atom::Arglists));
    if (lists == lonala::kNone || lists == lonala::kNil) return;
    lonala::Text out(vm_);
    lonala::print(vm_, out, lists);
    completion_.notes.back().assign(out.view());
  }

 private:
  base::Allocator& heap_;
  lonala::Vm& vm_;
  Completion& completion_;
};

/// Sorts the matches, each with its note, and drops what comes twice.
void tidy(base::Allocator& heap, Completion& completion) {
  base::Vector<u64> order(heap);
  for (u64 i = 0; i < completion.matches.size(); ++i) order.push_back(i);
  std::sort(order.begin(), order.end(), [&](u64 a, u64 b) {
    const int names = completion.matches[a].view().compare(completion.matches[b].view());
    return names != 0 ? names < 0 : a < b;
  });
  Completion sorted(heap);
  sorted.start = completion.start;
  sorted.tail = completion.tail;
  for (const u64 i : order) {
    if (!sorted.matches.empty() && sorted.matches.back() == completion.matches[i]) continue;
    sorted.matches.push_back(std::move(completion.matches[i]));
    if (i < completion.notes.size()) sorted.notes.push_back(std::move(completion.notes[i]));
  }
  const bool silent = std::all_of(sorted.notes.begin(), sorted.notes.end(), [](const auto& n) { return n.empty(); });
  if (silent) sorted.notes.clear();
  completion = std::move(sorted);
}

}  // namespace

Repl::Repl(base::Allocator& heap, lonala::Vm& vm, PromptPorts& ports, Terminal& terminal)
    : heap_(heap),
      vm_(vm),
      ports_(ports),
      terminal_(terminal),
      history_(heap),
      editor_(heap, history_, *this),
      background_(heap) {}

void Repl::run(Welcome welcome) {
  load_history();
  if (welcome == Welcome::Shown) terminal_.write(kWelcome);
  for (;;) {
    const Editor::Outcome outcome = edit();
    if (outcome == Editor::Outcome::End) return;
    if (outcome == Editor::Outcome::Interrupted) continue;
    base::String text(heap_, editor_.text());
    if (text.view().find_first_not_of(" \t\n") == std::string_view::npos) continue;
    remember(text);
    static_cast<void>(ports_.interrupted());  // of an earlier form, perhaps
    line_ += lonala::session_input(vm_, text, line_);
  }
}

Editor::Outcome Repl::edit() {
  base::String out(heap_);
  base::String prompt(heap_);
  lonala::session_reset(vm_);
  lonala::Text space(vm_);
  lonala::print(vm_, space, lonala::namespace_record(vm_, lonala::current_namespace(vm_)).name);
  prompt.append(space.view()).append("=> ");
  if (vm_.root->column_zero == 0) out.append("\r\n");
  vm_.root->column_zero = 1;
  static_cast<void>(ports_.flush());  // who cannot read the answer types no more
  terminal_.edit(true);
  ports_.hold(&background_);
  editor_.begin(prompt, std::max(terminal_.columns(), 2u), out);
  Editor::Outcome outcome = Editor::Outcome::More;
  while (outcome == Editor::Outcome::More) {
    if (pending_start_ == pending_end_ && !wait_for_keys(out)) {
      outcome = Editor::Outcome::End;
      break;
    }
    outcome = editor_.byte(pending_[pending_start_], out);
    pending_start_ += 1;
  }
  terminal_.write(out);
  ports_.hold(nullptr);
  terminal_.edit(false);
  return outcome;
}

bool Repl::wait_for_keys(base::String& out) {
  for (;;) {
    u64 next_ns = 0;
    const bool busy = lonala::session_idle(vm_, next_ns);
    if (!background_.empty()) {
      editor_.hide(out);
      for (const char c : background_.view()) {
        if (c == '\n') out.push('\r');
        out.push(c);
      }
      if (!background_.ends_with("\n")) out.append("\r\n");
      vm_.root->column_zero = 1;
      background_.clear();
      editor_.show(out);
    }
    if (!out.empty()) terminal_.write(out);
    out.clear();
    pending_start_ = pending_end_ = 0;
    switch (terminal_.read(pending_, busy ? 0 : next_ns, pending_end_)) {
      case Terminal::Got::Bytes: return true;
      case Terminal::Got::Closed: return false;
      case Terminal::Got::Nothing: break;
    }
  }
}

// ── The text being typed ─────────────────────────────────────────────────────────────────────────────────────

bool Repl::is_complete(std::string_view text) { return !lonala::session_incomplete(vm_, text); }

u64 Repl::indentation(std::string_view before_cursor) { return Layout(heap_, before_cursor).indentation(); }

u64 Repl::partner(std::string_view text, u64 cursor) {
  if (cursor == 0 || std::string_view(")]}").find(text[cursor - 1]) == std::string_view::npos) return kNoPartner;
  return Layout(heap_, text.substr(0, cursor)).opener_of(cursor - 1);
}

Completion Repl::complete(std::string_view before_cursor) {
  Completion completion(heap_);
  const u64 string = Layout(heap_, before_cursor).open_string();
  if (string != kNowhere) {
    complete_path(before_cursor.substr(string + 1), completion);
    completion.start += string + 1;
    completion.tail = {};
  } else {
    completion.start = word_start(before_cursor);
    const std::string_view word = before_cursor.substr(completion.start);
    if (word.empty()) return completion;
    lonala::session_reset(vm_);
    Collector collector(heap_, vm_, completion);
    lonala::names_beginning_with(vm_, word, collector);
  }
  tidy(heap_, completion);
  return completion;
}

void Repl::complete_path(std::string_view typed, Completion& completion) {
  const u64 slash = typed.rfind('/');
  const std::string_view directory = slash == std::string_view::npos ? std::string_view() : typed.substr(0, slash + 1);
  const std::string_view prefix = typed.substr(directory.size());
  base::Vector<base::String> names(heap_);
  terminal_.list(directory.empty() ? std::string_view(".") : directory, names);
  for (const base::String& name : names) {
    if (!name.starts_with(prefix) || (prefix.empty() && name.starts_with("."))) continue;
    base::String match(heap_, directory);
    match.append(name.view());
    completion.matches.push_back(std::move(match));
  }
}

// ── History ──────────────────────────────────────────────────────────────────────────────────────────────────

void Repl::load_history() {
  const base::String text = terminal_.history(heap_);
  std::string_view rest = text.view();
  while (!rest.empty()) {
    const u64 end = std::min<u64>(rest.find('\n'), rest.size());
    if (end > 0) history_.push_back(decoded(heap_, rest.substr(0, end)));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  if (history_.size() > kHistoryMax) history_.erase(0, history_.size() - kHistoryMax);
}

void Repl::remember(std::string_view text) {
  if (!history_.empty() && history_.back() == text) return;
  if (history_.size() == kHistoryMax) history_.erase(0);
  history_.push_back(base::String(heap_, text));
  terminal_.remember(encoded(heap_, text));
}

}  // namespace user::lonala_program
