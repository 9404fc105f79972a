// user/fsh/builtins_jobs.cpp — jobs, fg, bg, wait, kill, times.
#include "user/commands/shared.h"
#include "user/fsh/builtins_more.h"

#include "base/enforce.h"

namespace user::fsh {
namespace {

/// The job an operand names, or the current one; told and null when there is none.
Job* job_operand(Shell& shell, Tool& tool, std::string_view word) {
  Job* job = shell.jobs().find(shell.jobs().resolve(word.empty() ? "%+" : word));
  if (job == nullptr) tool.complain("{}: no such job", word.empty() ? "current" : word);
  return job;
}

void mark_running(Job& job) {
  for (JobProcess& process : job.processes) process.stopped = false;
  job.told = false;
}

}  // namespace

i32 list_jobs(Shell& shell, Tool& tool) {
  bool only_pids = false;
  Options options(tool, "lp");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    if (option == Options::kBad) return options.bad_status();
    only_pids = only_pids || option == 'p';
  }
  shell.jobs().collect();
  base::String lines(shell.heap());
  base::Vector<u32> ended(shell.heap());
  for (Job& job : shell.jobs().all()) {
    if (!job.background) continue;
    bool wanted = options.operands().empty();
    for (const std::string_view word : options.operands()) wanted = wanted || shell.jobs().resolve(word) == job.number;
    if (!wanted) continue;
    if (only_pids) {
      lines.append_format("{}\n", job.processes.empty() ? 0 : job.processes[0].pid);
    } else {
      shell.jobs().print(job, lines);
    }
    job.told = job.ended() || job.stopped();
    if (job.ended()) ended.push_back(job.number);
  }
  for (const u32 number : ended) shell.jobs().remove(number);
  tool.out().text(lines);
  return tool.finish();
}

i32 resume_foreground(Shell& shell, Tool& tool) {
  Job* job = job_operand(shell, tool, tool.args().size() > 1 ? tool.args()[1] : std::string_view());
  if (job == nullptr) return 1;
  tool.out().format("{}\n", job->text);
  tool.out().flush();
  mark_running(*job);
  job->background = false;
  const u32 number = job->number;
  if (job->group != 0) {
    if (shell.process().is_console(kStdin)) (void)shell.process().set_foreground(job->group).ok();
    (void)shell.process().post_group(job->group, "continue").ok();
  }
  return shell.wait_foreground(number);
}

i32 resume_background(Shell& shell, Tool& tool) {
  Job* job = job_operand(shell, tool, tool.args().size() > 1 ? tool.args()[1] : std::string_view());
  if (job == nullptr) return 1;
  mark_running(*job);
  job->background = true;
  tool.out().format("[{}]+ {} &\n", job->number, job->text);
  if (job->group != 0) (void)shell.process().post_group(job->group, "continue").ok();
  return tool.finish();
}

namespace {

/// Waits for one job to end; its status. Interrupted: 128 + interrupt.
i32 wait_for_job(Shell& shell, u32 number) {
  for (;;) {
    Job* job = shell.jobs().find(number);
    if (job == nullptr) return kStatusNotFound;
    if (job->ended()) {
      const i32 status = job->processes.empty() ? 0 : job->processes.back().status;
      shell.jobs().remove(number);
      return status;
    }
    Pid next = 0;
    for (const JobProcess& process : job->processes) {
      if (!process.ended) next = process.pid;
    }
    const auto waited = shell.process().wait({.pid = next});
    if (waited.ok()) {
      shell.jobs().note_change(*waited);
      continue;
    }
    if (waited.error().code == ErrorCode::Interrupted) {
      constexpr i32 kInterruptedStatus = 130;
      return kInterruptedStatus;
    }
    shell.jobs().note_change({.pid = next, .code = kStatusNotFound});
  }
}

}  // namespace

i32 wait_builtin(Shell& shell, Tool& tool) {
  const auto words = tool.args().subspan(1);
  i32 status = 0;
  if (words.empty()) {
    base::Vector<u32> numbers(shell.heap());
    for (const Job& job : shell.jobs().all()) {
      if (!job.stopped()) numbers.push_back(job.number);
    }
    for (const u32 number : numbers) wait_for_job(shell, number);
    return 0;
  }
  for (const std::string_view word : words) {
    if (word.starts_with("%")) {
      Job* job = job_operand(shell, tool, word);
      status = job == nullptr ? kStatusNotFound : wait_for_job(shell, job->number);
      continue;
    }
    const auto pid = base::parse_u64(word);
    if (!pid.ok()) return tool.bad_use("bad number: {}", word);
    const Job* job = shell.jobs().find_by_pid(static_cast<Pid>(*pid));
    status = job == nullptr ? kStatusNotFound : wait_for_job(shell, job->number);
  }
  return status;
}

i32 kill_builtin(Shell& shell, Tool& tool) {
  // Jobs become their groups, or the pids of their processes where there is no job control; then it is the command.
  base::Vector<base::String> made(shell.heap());
  base::Vector<std::string_view> words(shell.heap());
  bool dashes = false;
  for (const std::string_view word : tool.args()) {
    if (!word.starts_with("%")) {
      made.push_back(base::String(shell.heap(), word));
      continue;
    }
    Job* job = job_operand(shell, tool, word);
    if (job == nullptr) return 1;
    if (job->group != 0 && !dashes) {
      made.push_back(base::String(shell.heap(), "--"));
      dashes = true;
    }
    if (job->group != 0) {
      made.push_back(base::String(shell.heap()));
      made.back().append_format("-{}", job->group);
      continue;
    }
    for (const JobProcess& process : job->processes) {
      made.push_back(base::String(shell.heap()));
      made.back().append_format("{}", process.pid);
    }
  }
  for (const base::String& word : made) words.push_back(word.view());
  Tool command(shell.process(), words.span(), tool.usage(), tool.streams());
  return kill_command(command);
}

i32 times(Shell& shell, Tool& tool) {
  const auto print = [&tool](u64 user_ns, u64 system_ns) {
    tool.out().format("{}m{}.{:03}s {}m{}.{:03}s\n", user_ns / 60'000'000'000, user_ns / 1'000'000'000 % 60,
                      user_ns / 1'000'000 % 1000, system_ns / 60'000'000'000, system_ns / 1'000'000'000 % 60,
                      system_ns / 1'000'000 % 1000);
  };
  u64 own_us = 0;
  const auto status = shell.process().read_file("/proc/self/status");
  if (status.ok()) {
    const u64 at = status->view().find("cpu_us ");
    if (at != std::string_view::npos) {
      const std::string_view rest = status->view().substr(at + 7);
      const auto value = base::parse_u64(rest.substr(0, rest.find('\n')));
      if (value.ok()) own_us = *value;
    }
  }
  print(own_us * 1000, 0);
  print(shell.children_user_ns(), shell.children_system_ns());
  return tool.finish();
}

}  // namespace user::fsh
