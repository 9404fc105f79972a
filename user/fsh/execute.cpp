// user/fsh/execute.cpp — nodes of a parsed line, one function a kind.
#include "base/glob.h"
#include "user/fsh/builtins.h"
#include "user/fsh/shell.h"

#include "base/enforce.h"

namespace user::fsh {
namespace {

constexpr u64 kNodeWorkUnits = 50;  // half a microsecond: what walking a node costs, roughly

}  // namespace

i32 Shell::run(const Node& node) {
  line_ = node.at.line;
  process_.work(kNodeWorkUnits);
  switch (node.kind) {
    case NodeKind::Simple: status_ = run_simple(node); break;
    case NodeKind::Pipeline: status_ = run_pipeline(node); break;
    case NodeKind::AndOr: status_ = run_and_or(node); break;
    case NodeKind::List: status_ = run_list(node); break;
    case NodeKind::Function:
      define_function(node.name, node);
      status_ = 0;
      break;
    default: {
      RedirectScope redirects(*this);
      if (!redirects.apply(node.redirects)) {
        status_ = 1;
        break;
      }
      switch (node.kind) {
        case NodeKind::Group: status_ = run(*node.parts[0]); break;
        case NodeKind::Subshell: status_ = run_subshell(node); break;
        case NodeKind::If: status_ = run_if(node); break;
        case NodeKind::While:
        case NodeKind::Until: status_ = run_loop(node); break;
        case NodeKind::For: status_ = run_for(node); break;
        case NodeKind::Case: status_ = run_case(node); break;
        default: UNREACHABLE("the other kinds were handled before");
      }
      if (node.kind == NodeKind::Subshell) check_errexit(status_);
    }
  }
  run_pending_traps();
  return status_;
}

void Shell::check_errexit(i32 status) {
  if (status != 0 && options.errexit && conditions_ == 0) request_exit(status);
}

i32 Shell::run_list(const Node& node) {
  i32 status = 0;
  for (u64 i = 0; i < node.parts.size(); ++i) {
    status = node.joints[i] == Joint::Background ? run_background(*node.parts[i]) : run(*node.parts[i]);
    status_ = status;
    if (exiting_ || flow.any()) return status_;
  }
  return status;
}

i32 Shell::run_and_or(const Node& node) {
  const u64 last = node.parts.size() - 1;
  i32 status = 0;
  for (u64 i = 0; i <= last; ++i) {
    if (i > 0 && (node.joints[i - 1] == Joint::And) != (status == 0)) continue;
    if (i < last) conditions_ += 1;
    status = run(*node.parts[i]);
    if (i < last) conditions_ -= 1;
    if (exiting_ || flow.any()) return status_;
  }
  return status;
}

i32 Shell::run_if(const Node& node) {
  const u64 pairs = node.parts.size() / 2;
  for (u64 i = 0; i < pairs; ++i) {
    conditions_ += 1;
    const i32 condition = run(*node.parts[2 * i]);
    conditions_ -= 1;
    if (exiting_ || flow.any()) return status_;
    if (condition == 0) return run(*node.parts[2 * i + 1]);
  }
  return node.parts.size() % 2 == 1 ? run(*node.parts.back()) : 0;
}

namespace {

/// After a loop's body: whether the loop goes on. `break 2` and `continue 2` pass through to the loop around.
bool loop_goes_on(Shell& shell) {
  if (shell.exiting() || shell.flow.returning || shell.flow.interrupted) return false;
  if (shell.flow.break_levels > 0) {
    shell.flow.break_levels -= 1;
    return false;
  }
  if (shell.flow.continue_levels > 0) {
    shell.flow.continue_levels -= 1;
    return shell.flow.continue_levels == 0;
  }
  return true;
}

}  // namespace

i32 Shell::run_loop(const Node& node) {
  i32 status = 0;
  loop_depth += 1;
  for (;;) {
    process_.work(1);
    conditions_ += 1;
    const i32 condition = run(*node.parts[0]);
    conditions_ -= 1;
    if (exiting_ || flow.returning || flow.interrupted) break;
    if (flow.any() && !loop_goes_on(*this)) break;
    if ((condition == 0) != (node.kind == NodeKind::While)) break;
    status = run(*node.parts[1]);
    if (!loop_goes_on(*this)) break;
  }
  loop_depth -= 1;
  return exiting_ || flow.returning || flow.interrupted ? status_ : status;
}

i32 Shell::run_for(const Node& node) {
  base::Vector<base::String> values(heap());
  if (node.has_in) {
    auto expanded = expand_words(*this, heap(), node.words);
    if (!expanded.ok()) {
      complain("{}", expanded.error().text());
      return expanded.error().status;
    }
    if (flow.interrupted) return status_;
    values = std::move(*expanded);
  } else {
    for (const base::String& value : positional_) values.push_back(value.clone());
  }
  i32 status = 0;
  loop_depth += 1;
  for (const base::String& value : values) {
    process_.work(1);
    const auto assigned = assign(node.name, value);
    if (!assigned.ok()) {
      complain("{}", assigned.error().text());
      status = 1;
      break;
    }
    status = run(*node.parts[0]);
    if (!loop_goes_on(*this)) break;
  }
  loop_depth -= 1;
  return exiting_ || flow.returning || flow.interrupted ? status_ : status;
}

i32 Shell::run_case(const Node& node) {
  const auto subject = expand_text(*this, heap(), node.words[0].text);
  if (!subject.ok()) {
    complain("{}", subject.error().text());
    return subject.error().status;
  }
  if (flow.interrupted) return status_;
  bool matched = false;
  i32 status = 0;
  for (const CaseItem& item : node.items) {
    for (u64 i = 0; i < item.patterns.size() && !matched; ++i) {
      const auto pattern = expand_pattern(*this, heap(), item.patterns[i].text);
      if (!pattern.ok()) {
        complain("{}", pattern.error().text());
        return pattern.error().status;
      }
      matched = base::glob_matches(*pattern, *subject);
    }
    if (!matched) continue;
    if (item.body != nullptr) status = run(*item.body);
    if (!item.fall_through || exiting_ || flow.any()) return status;
  }
  return status;
}

ShellResult<void> Shell::assign_all(std::span<const Assignment> assignments) {
  for (const Assignment& assignment : assignments) {
    const base::String value = TRY(expand_text(*this, heap(), assignment.value.text, TildeRule::Assignment));
    if (flow.interrupted) break;
    TRY(assign(assignment.name, value));
  }
  return {};
}

void Shell::trace_words(std::span<const base::String> words) {
  const std::string_view prefix = variable("PS4");
  base::String line(heap(), prefix.data() == nullptr ? std::string_view("+ ") : prefix);
  for (u64 i = 0; i < words.size(); ++i) {
    if (i != 0) line.push(' ');
    quote_word(words[i], line);
  }
  line.push('\n');
  print_error(line);
}

i32 Shell::run_simple(const Node& node) {
  status_ = node.words.empty() ? 0 : status_;  // an assignment's status is that of its last substitution
  auto words = expand_words(*this, heap(), node.words);
  if (!words.ok()) {
    complain("{}", words.error().text());
    // A failed expansion ends a script, as POSIX §2.8.1 asks; a person gets the prompt again.
    if (!options.interactive && words.error().status == kStatusSyntax && options.nounset) request_exit(kStatusSyntax);
    return words.error().status;
  }
  if (flow.interrupted) return status_;  // Ctrl-C came to a substitution
  const i32 status = run_words(node, *words);
  if (status != 0) check_errexit(status);
  return status;
}

i32 Shell::run_words(const Node& node, base::Vector<base::String>& words) {
  if (words.empty()) {
    RedirectScope redirects(*this);
    if (!redirects.apply(node.redirects)) return 1;
    const auto assigned = assign_all(node.assignments);
    if (assigned.ok()) return status_;
    complain("{}", assigned.error().text());
    if (!options.interactive) request_exit(assigned.error().status);
    return assigned.error().status;
  }
  if (options.xtrace) trace_words(words.span());
  const Builtin* builtin = find_builtin(words[0]);
  RedirectScope redirects(*this);
  if (!redirects.apply(node.redirects)) {
    if (builtin != nullptr && builtin->special && !options.interactive) request_exit(1);
    return 1;
  }
  if (builtin != nullptr && builtin->special) {
    const auto assigned = assign_all(node.assignments);  // these stay
    if (!assigned.ok()) {
      complain("{}", assigned.error().text());
      return assigned.error().status;
    }
    const i32 status = run_builtin(*this, *builtin, words.span());
    if (words[0] == "exec" && words.size() == 1) redirects.keep();
    return status;
  }
  Function* function = find_function(words[0]);
  if (function != nullptr || builtin != nullptr) {
    // The assignments hold for this call only.
    base::Vector<Variable> saved(heap());
    for (const Assignment& assignment : node.assignments) {
      Variable* variable = variables_.find(assignment.name);
      saved.push_back(variable == nullptr
                          ? Variable{base::String(heap())}
                          : Variable{variable->value.clone(), variable->set, variable->exported, variable->read_only});
    }
    const auto assigned = assign_all(node.assignments);
    i32 status = 1;
    if (assigned.ok()) {
      status =
          function != nullptr ? call_function(*function, words.span()) : run_builtin(*this, *builtin, words.span());
    } else {
      complain("{}", assigned.error().text());
    }
    for (u64 i = 0; i < saved.size(); ++i) {
      if (Variable* variable = variables_.find(node.assignments[i].name)) *variable = std::move(saved[i]);
    }
    return status;
  }
  base::Vector<base::String> values(heap());
  base::Vector<EnvSetting> environment(heap());
  for (const Assignment& assignment : node.assignments) {
    auto value = expand_text(*this, heap(), assignment.value.text, TildeRule::Assignment);
    if (!value.ok()) {
      complain("{}", value.error().text());
      return value.error().status;
    }
    values.push_back(std::move(*value));
  }
  for (u64 i = 0; i < values.size(); ++i) environment.push_back({node.assignments[i].name, values[i].view()});
  return run_external(words.span(), environment.span());
}

i32 Shell::run_external(std::span<const base::String> words, std::span<const EnvSetting> environment) {
  base::Vector<std::string_view> views(heap());
  for (const base::String& word : words) views.push_back(word.view());
  Launch launch{
      .words = views.span(), .environment = environment, .own_group = options.monitor, .foreground = options.monitor};
  i32 status = 0;
  const Pid pid = this->launch(launch, status);
  if (pid == 0) return status;
  base::String text(heap());
  for (u64 i = 0; i < words.size(); ++i) {
    if (i != 0) text.push(' ');
    text.append(words[i].view());
  }
  const u32 job = jobs_.add(options.monitor ? pid : 0, text, false);
  jobs_.add_process(job, pid);
  return wait_foreground(job);
}

i32 Shell::call_function(Function& function, std::span<const base::String> words) {
  if (call_depth >= kCallDepthMax) {
    complain("{}: nesting too deep", words[0]);
    return kStatusSyntax;
  }
  base::Vector<base::String> arguments(heap());
  for (const base::String& word : words.subspan(1)) arguments.push_back(word.clone());
  std::swap(positional_, arguments);
  const u64 locals_before = locals_.size();
  const u32 loops_before = loop_depth;
  loop_depth = 0;
  function_depth += 1;
  call_depth += 1;
  function.running += 1;
  i32 status = run(*function.body);
  function.running -= 1;
  call_depth -= 1;
  function_depth -= 1;
  loop_depth = loops_before;
  if (flow.returning || flow.interrupted) status = status_;
  flow = {.interrupted = flow.interrupted};
  while (locals_.size() > locals_before) {
    SavedLocal local = locals_.take_back();
    if (Variable* variable = variables_.find(local.name)) *variable = std::move(local.variable);
  }
  std::swap(positional_, arguments);
  if (function.replaced && function.running == 0) {
    function.pool->~Pool();
    heap().release(function.pool, sizeof(Pool));
    heap().release(&function, sizeof(Function));
  }
  return status;
}

i32 Shell::run_subshell(const Node& node) {
  i32 status = 0;
  const Launch launch{.words = {}, .environment = {}, .own_group = options.monitor, .foreground = options.monitor};
  const Pid pid = launch_subshell(*node.parts[0], launch, status);
  if (pid == 0) return status;
  base::String text(heap());
  unparse(node, text);
  const u32 job = jobs_.add(options.monitor ? pid : 0, text, false);
  jobs_.add_process(job, pid);
  return wait_foreground(job);
}

i32 Shell::run_pipeline(const Node& node) {
  const u64 start_ns = node.timed ? process_.uptime_ns() : 0;
  if (node.timed) jobs_user_ns_ = jobs_system_ns_ = 0;
  if (node.negate) conditions_ += 1;
  i32 status = node.parts.size() == 1 ? run(*node.parts[0]) : run_pipeline_stages(node);
  if (node.negate) conditions_ -= 1;
  if (node.timed) {
    const u64 elapsed_ms = (process_.uptime_ns() - start_ns) / 1'000'000;
    base::String lines(heap());
    lines.append_format("real {}.{:03}\n", elapsed_ms / 1000, elapsed_ms % 1000);
    lines.append_format("user {}.{:03}\n", jobs_user_ns_ / 1'000'000'000, jobs_user_ns_ / 1'000'000 % 1000);
    lines.append_format("sys {}.{:03}\n", jobs_system_ns_ / 1'000'000'000, jobs_system_ns_ / 1'000'000 % 1000);
    print_error(lines);
  }
  if (exiting_ || flow.any()) return status_;
  if (node.negate) return status == 0 ? 1 : 0;
  if (node.parts.size() > 1) check_errexit(status);
  return status;
}

i32 Shell::run_pipeline_stages(const Node& node) {
  base::String text(heap());
  unparse(node, text);
  const u32 job = jobs_.add(0, text, false);
  const FdMap outside = fds_;
  i32 status = 0;
  Pid group = 0;
  i32 input = FdMap::kClosed;  // the read end that the next stage gets
  for (u64 i = 0; i < node.parts.size(); ++i) {
    const bool last = i + 1 == node.parts.size();
    i32 output = FdMap::kClosed;
    i32 next_input = FdMap::kClosed;
    if (!last) {
      const auto pipe = process_.pipe();
      if (!pipe.ok()) {
        complain("pipe: {}", fs::text_of(pipe.error().code));
        status = 1;
        break;
      }
      output = static_cast<i32>(pipe->write_end);
      next_input = static_cast<i32>(pipe->read_end);
    }
    if (input != FdMap::kClosed) fds_.actual[0] = input;
    if (output != FdMap::kClosed) fds_.actual[1] = output;
    const Launch launch{
        .words = {}, .environment = {}, .group = group, .own_group = options.monitor, .foreground = options.monitor};
    const Pid pid = launch_stage(*node.parts[i], launch, status);
    fds_ = outside;
    if (input != FdMap::kClosed) (void)process_.close(static_cast<Fd>(input)).ok();
    if (output != FdMap::kClosed) (void)process_.close(static_cast<Fd>(output)).ok();
    input = next_input;
    if (pid == 0) {
      // A stage that could not start counts as one that failed; the others see its pipes closed.
      if (Job* entry = jobs_.find(job)) entry->processes.push_back({.pid = 0, .ended = true, .status = status});
      continue;
    }
    if (group == 0 && options.monitor) {
      group = pid;
      if (Job* entry = jobs_.find(job)) entry->group = pid;
    }
    jobs_.add_process(job, pid);
  }
  if (input != FdMap::kClosed) (void)process_.close(static_cast<Fd>(input)).ok();
  return wait_foreground(job);
}

/// A stage that is one plain program is started as such; everything else is a subshell's work.
Pid Shell::launch_stage(const Node& node, const Launch& launch, i32& status) {
  if (node.kind != NodeKind::Simple || node.words.empty() || !node.assignments.empty()) {
    return launch_subshell(node, launch, status);
  }
  for (const Word& word : node.words) {
    // `${x=…}` and `$((x=…))` change the shell: they belong to the subshell.
    if (word.text.find("${") != std::string_view::npos || word.text.find("$((") != std::string_view::npos) {
      return launch_subshell(node, launch, status);
    }
  }
  auto words = expand_words(*this, heap(), node.words);
  if (!words.ok()) {
    complain("{}", words.error().text());
    status = words.error().status;
    return 0;
  }
  if (flow.interrupted) {
    status = status_;
    return 0;
  }
  if (words->empty() || find_function((*words)[0]) != nullptr) return launch_subshell(node, launch, status);
  const Builtin* builtin = find_builtin((*words)[0]);
  if (builtin != nullptr && !builtin->also_program) return launch_subshell(node, launch, status);
  RedirectScope redirects(*this);
  if (!redirects.apply(node.redirects)) {
    status = 1;
    return 0;
  }
  if (options.xtrace) trace_words(words->span());
  u64 bytes = 0;
  for (const base::String& word : *words) bytes += word.size();
  if (builtin != nullptr && bytes > kSubshellArgumentsMax) {
    // A built-in takes any number of words; its program does not.
    base::String text(heap());
    for (const base::String& word : *words) {
      quote_word(word, text);
      text.push(' ');
    }
    return launch_subshell_text(text, launch, status);
  }
  base::Vector<std::string_view> views(heap());
  for (const base::String& word : *words) views.push_back(word.view());
  Launch program = launch;
  program.words = views.span();
  return this->launch(program, status);
}

i32 Shell::run_background(const Node& node) {
  jobs_.collect();  // a loop that starts many must not keep them all as zombies
  i32 status = 0;
  const Launch launch{.words = {}, .environment = {}, .own_group = options.monitor};
  base::String text(heap());
  unparse(node, text);
  FdMap outside = fds_;
  i32 null = FdMap::kClosed;
  if (!options.monitor) {
    const auto opened = process_.open("/dev/null", schema::file::kOpenRead);
    if (opened.ok()) {
      null = static_cast<i32>(*opened);
      fds_.actual[0] = null;
    }
  }
  const Pid pid = launch_stage(node, launch, status);
  fds_ = outside;
  if (null != FdMap::kClosed) (void)process_.close(static_cast<Fd>(null)).ok();
  if (pid == 0) return status;
  const u32 job = jobs_.add(options.monitor ? pid : 0, text, true);
  jobs_.add_process(job, pid);
  last_background_ = pid;
  if (options.interactive) {
    base::String line(heap());
    line.append_format("[{}] {}\n", job, pid);
    print_error(line);
  }
  return 0;
}

}  // namespace user::fsh
