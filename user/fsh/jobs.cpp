// user/fsh/jobs.cpp — POSIX.1-2017 job control (§2.11, `jobs`), in the words of this system's notes.
#include "user/fsh/jobs.h"

#include "user/fsh/shell.h"

#include "base/enforce.h"

namespace user::fsh {

u32 Jobs::add(Pid group, std::string_view text, bool background) {
  u32 number = 1;
  u64 at = 0;  // the list is sorted by number: the first gap
  while (at < jobs_.size() && jobs_[at].number == number) {
    number += 1;
    at += 1;
  }
  shell_.process().work(at / 8 + 1);
  jobs_.insert(at, Job{number, group, base::String(heap_, text), base::Vector<JobProcess>(heap_), background, false});
  if (background) current_ = number;
  return number;
}

void Jobs::add_process(u32 number, Pid pid) {
  Job* job = find(number);
  ASSERT(job != nullptr);
  job->processes.push_back({.pid = pid});
}

Job* Jobs::find(u32 number) {
  for (Job& job : jobs_) {
    if (job.number == number) return &job;
  }
  return nullptr;
}

Job* Jobs::find_by_pid(Pid pid) {
  for (Job& job : jobs_) {
    for (const JobProcess& process : job.processes) {
      if (process.pid == pid && pid != 0) return &job;
    }
  }
  return nullptr;
}

void Jobs::remove(u32 number) {
  for (u64 i = 0; i < jobs_.size(); ++i) {
    if (jobs_[i].number != number) continue;
    jobs_.erase(i);
    break;
  }
  if (current_ == number) current_ = previous();
}

void Jobs::make_current(u32 number) { current_ = number; }

/// The job `%-` names: the newest stopped one, else the newest, beside the current one.
u32 Jobs::previous() const {
  u32 newest = 0;
  u32 stopped = 0;
  for (const Job& job : jobs_) {
    if (job.number == current_ || !job.background) continue;
    newest = job.number;
    if (job.stopped()) stopped = job.number;
  }
  return stopped != 0 ? stopped : newest;
}

u32 Jobs::resolve(std::string_view text) {
  if (!text.starts_with("%")) return 0;
  text.remove_prefix(1);
  if (text.empty() || text == "%" || text == "+") return current_;
  if (text == "-") return previous();
  const auto number = base::parse_u64(text);
  if (number.ok()) return find(static_cast<u32>(*number)) != nullptr ? static_cast<u32>(*number) : 0;
  for (const Job& job : jobs_) {
    if (job.text.starts_with(text)) return job.number;
  }
  return 0;
}

bool Jobs::any_stopped() const {
  for (const Job& job : jobs_) {
    if (job.stopped()) return true;
  }
  return false;
}

void Jobs::note_change(const WaitStatus& change) {
  Job* job = find_by_pid(change.pid);
  if (job == nullptr) return;
  for (JobProcess& process : job->processes) {
    if (process.pid != change.pid) continue;
    process.stopped = change.stopped;
    process.ended = !change.stopped;
    process.status = static_cast<i32>(change.code);
    process.note = change.note;
  }
  job->told = false;
  if (job->stopped()) current_ = job->number;
}

void Jobs::collect() {
  for (u64 rounds = 0; rounds < kFdsMax * 16; ++rounds) {
    const auto waited = shell_.process().wait({.no_hang = true, .report_stopped = shell_.options.monitor});
    if (!waited.ok() || waited->pid == 0) return;
    note_change(*waited);
  }
}

void Jobs::tell_changes() {
  collect();
  base::String lines(heap_);
  for (u64 i = 0; i < jobs_.size();) {
    Job& job = jobs_[i];
    const bool changed = job.ended() || job.stopped();
    if (changed && !job.told && job.background) print(job, lines);
    job.told = job.told || changed;
    if (job.ended()) {
      remove(job.number);
    } else {
      i += 1;
    }
  }
  if (!lines.empty()) shell_.print_error(lines);
}

void Jobs::print(const Job& job, base::String& out) const {
  base::String state(heap_);
  const JobProcess last = job.processes.empty() ? JobProcess{.ended = true} : job.processes.back();
  if (!job.ended()) {
    state.append(job.stopped() ? "Stopped" : "Running");
  } else if (last.note != 0) {
    state.append_format("Note {}", note_name(last.note));
  } else if (last.status != 0) {
    state.append_format("Exit {}", last.status);
  } else {
    state.append("Done");
  }
  const char mark = job.number == current_ ? '+' : job.number == previous() ? '-' : ' ';
  out.append_format("[{}]{} {:<12} {}\n", job.number, mark, state, job.text);
}

}  // namespace user::fsh
