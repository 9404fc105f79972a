// user/root/workers.cpp — threads that may block on a server for the manager: they flush, print and close with the
// capabilities of one process at a time. A hung server holds up one worker; another is made while there is work.
#include "user/root/manager.h"

#include "base/format.h"

#include "base/enforce.h"

namespace user::root {

using schema::process::JobKind;

void Manager::enqueue(const Job& job) {
  jobs_.push_back(job);
  for (Worker& worker : workers_) {
    if (worker.reply == 0) continue;
    const u32 reply = worker.reply;
    worker.reply = 0;
    if (!take_job(worker)) {
      worker.reply = reply;
      return;  // what has to come first is under way; whoever ends it goes on
    }
    complete(reply, tell_job(worker));
    return;
  }
  make_worker();  // if there can be none, the job waits for one of the workers there are
}

/// One is there from the start, when nothing can refuse it: what ended processes leave can always be seen to.
bool Manager::make_worker() {
  if (workers_.size() == kWorkersMax) return false;
  const u32 index = static_cast<u32>(table_.size());
  ProcessRecord& record =
      *new (memory_.allocate(sizeof(ProcessRecord), alignof(ProcessRecord))) ProcessRecord(memory_, 0, index);
  record.realm = root_realm_;
  record.priority = kPriorityWorker;
  record.name.assign("worker");
  if (!make_objects(record, {.number = NativeEntryNumber::Worker}).ok()) {
    record.~ProcessRecord();
    memory_.release(&record, sizeof record);
    return false;
  }
  table_.push_back(&record);
  Worker worker;
  worker.record = &record;
  workers_.push_back(worker);
  release(record);
  return true;
}

Worker* Manager::worker_of(const ProcessRecord& record) {
  for (Worker& worker : workers_) {
    if (worker.record == &record) return &worker;
  }
  return nullptr;
}

ProcessRecord* Manager::record_of(const Job& job) {
  if (job.pid == 0 || table_[job.index] == nullptr) return nullptr;
  ProcessRecord& record = *table_[job.index];
  return record.pid == job.pid && !record.reclaimed ? &record : nullptr;
}

/// The first job of a process none of whose jobs is under way: what a process left is printed before it is closed.
bool Manager::take_job(Worker& worker) {
  for (u64 i = 0; i < jobs_.size(); ++i) {
    const Job job = jobs_[i];
    bool is_first = true;
    for (u64 before = 0; before < i && is_first; ++before) is_first = jobs_[before].pid != job.pid;
    for (const Worker& other : workers_) is_first = is_first && other.job.pid != job.pid;
    if (!is_first) continue;
    jobs_.erase(i);
    const ProcessRecord* const record = record_of(job);
    if (record == nullptr) {
      i -= 1;
      continue;
    }
    worker.job = job;
    const Window grant = slot_in(*worker.record, kSlotGrants);
    MUST_OK(copy(grant, own(record->objects.slots + kObjectCNode), kernel::kRightsAll));
    return true;
  }
  return false;
}

Answer Manager::tell_job(const Worker& worker) {
  char line[160];
  std::string_view text;
  if (worker.job.kind == JobKind::Print) {
    const ProcessRecord& record = *record_of(worker.job);
    text = base::format(line, "[process {} {} faulted: {}]\n", record.pid, record.name.view(),
                        std::string_view(record.end.cause));
    log(text.substr(0, text.size() - 1));
  }
  return success(schema::process::Worker::Next::Reply{
      .kind = worker.job.kind, .slot = worker.job.slot, .tag = worker.job.tag, .text = text, .due = worker.job.due});
}

void Manager::finish_job(Worker& worker) {
  const Job done = worker.job;
  worker.job = {};
  if (done.pid == 0) return;
  remove(slot_in(*worker.record, kSlotGrants));
  ProcessRecord* const record = record_of(done);
  if (record == nullptr) return;
  if (done.kind == JobKind::Print) publish_end(*record);
  if (done.kind == JobKind::Close) reclaim(*record);
}

Answer Manager::worker_asks(Worker& worker, bool again) {
  if (again && worker.job.pid != 0 && record_of(worker.job) != nullptr) return tell_job(worker);
  finish_job(worker);
  if (take_job(worker)) return tell_job(worker);
  worker.reply = current_reply_;
  return Answer::deferred();
}

void Manager::worker_faulted(Worker& worker) {
  log("root: a worker faulted");
  ProcessRecord* const record = worker.record;
  finish_job(worker);
  destroy_objects(*record);
  table_[record->index] = nullptr;
  free_indices_.push_back(record->index);
  workers_.erase(static_cast<u64>(&worker - workers_.begin()));
  record->~ProcessRecord();
  memory_.release(record, sizeof *record);
  // Somebody has to do what is left; the memory of the one that is gone has just been given back.
  constexpr u32 kTriesMax = 1000;
  for (u32 tries = 0; workers_.empty() && !make_worker(); ++tries) ASSERT(tries < kTriesMax);
}

}  // namespace user::root
