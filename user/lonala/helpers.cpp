#include "user/lonala/helpers.h"

#include "user/runtime/thread.h"

#include "base/enforce.h"

namespace user::lonala_program {

using What = lonala::FileCall::What;

Helpers& Helpers::make(Process& process) {
  return *new (process.heap().allocate(sizeof(Helpers), alignof(Helpers))) Helpers(process);
}

Result<void> Helpers::begin(u64 caller, const lonala::FileCall& call) {
  Job* job = new_job(caller, call);
  if (job == nullptr) return fs::fail(ErrorCode::OutOfMemory);
  waiting_.push_back(*job);
  const Result<void> called = call_helper();
  if (called.ok() || helper_count_ > 0) return {};  // else it waits for one of those there are
  waiting_.remove(*job);
  free_job(*job);
  return called;
}

Result<void> Helpers::call_helper() {
  if (idle_count_ > 0) {
    idle_count_ -= 1;
    wake_thread();
    return {};
  }
  if (helper_count_ == kHelpersMax) return {};
  Helper* helper = static_cast<Helper*>(process_.heap().try_allocate(sizeof(Helper), alignof(Helper)));
  if (helper == nullptr) return fs::fail(ErrorCode::OutOfMemory);
  new (helper) Helper;
  helper->pool = this;
  const Result<void> started = start_thread(process_, help, helper);
  if (!started.ok()) {
    helper->~Helper();
    process_.heap().release(helper, sizeof(Helper));
    return started;
  }
  helpers_.push_back(*helper);
  helper_count_ += 1;
  return {};
}

u64 Helpers::ended(lonala::FileAnswer& answer) {
  if (told_ != nullptr) free_job(*told_);
  told_ = ended_.pop_front();
  if (told_ == nullptr) return 0;
  answer = told_->answer;
  return told_->caller;
}

void Helpers::cancel(u64 caller) {
  for (Jobs* jobs : {&waiting_, &ended_}) {
    for (Job& job : *jobs) {
      if (job.caller != caller) continue;
      jobs->remove(job);
      return free_job(job);
    }
  }
  for (Helper& helper : helpers_) {
    if (helper.job == nullptr || helper.job->caller != caller) continue;
    helper.job->cancelled = true;
    return cancel_thread(process_, *helper.thread);
  }
}

Helpers::Job* Helpers::new_job(u64 caller, const lonala::FileCall& call) {
  base::Allocator& heap = process_.heap();
  void* place = heap.try_allocate(sizeof(Job), alignof(Job));
  if (place == nullptr) return nullptr;
  Job* job = new (place) Job(heap);
  job->caller = caller;
  job->call = call;
  job->answer.what = call.what;
  job->text.append(call.path).append(call.second);
  for (const std::string_view word : call.words) job->text.append(word);
  job->data.append(call.data);
  std::string_view rest = job->text.view();
  const auto take = [&rest](std::string_view like) {
    const std::string_view own = rest.substr(0, like.size());
    rest.remove_prefix(like.size());
    return own;
  };
  job->call.path = take(call.path);
  job->call.second = take(call.second);
  for (const std::string_view word : call.words) job->words.push_back(take(word));
  job->call.words = job->words.span();
  job->call.data = job->data.span();
  return job;
}

void Helpers::free_job(Job& job) {
  job.~Job();
  process_.heap().release(&job, sizeof(Job));
}

bool SystemFiles::begin(u64 caller, const lonala::FileCall& call) {
  return done(helpers_->begin(caller, call)) != lonala::kFileFailed;
}
u64 SystemFiles::ended(lonala::FileAnswer& answer) { return helpers_->ended(answer); }
void SystemFiles::cancel(u64 caller) { helpers_->cancel(caller); }

// ── In a helper ──────────────────────────────────────────────────────────────────────────────────────────────

void Helpers::help(Process& thread, void* context) {
  Helper& helper = *static_cast<Helper*>(context);
  Helpers& pool = *helper.pool;
  SystemFiles files(thread);
  helper.thread = &thread;
  for (;;) {
    Job* job = pool.waiting_.pop_front();
    if (job == nullptr) {
      pool.idle_count_ += 1;
      wait_for_work();
      continue;
    }
    helper.job = job;
    if (!pool.waiting_.empty()) wake_thread();  // two that were woken at once may have been told once
    perform(thread, files, *job);
    helper.job = nullptr;
    go_on(thread);
    if (job->cancelled) {
      if (job->call.what == What::Open && job->answer.result != lonala::kFileFailed) {
        const Fd fd = static_cast<Fd>(job->answer.result);
        if (borrow_file(thread, fd).ok()) static_cast<void>(close_borrowed_file(thread, fd));  // nobody knows it
      }
      pool.free_job(*job);
      continue;
    }
    pool.ended_.push_back(*job);
    tell_first();
  }
}

void Helpers::perform(Process& thread, SystemFiles& files, Job& job) {
  const lonala::FileCall& call = job.call;
  lonala::FileAnswer& answer = job.answer;
  switch (call.what) {
    case What::Open: {
      answer.result = files.open(call.path, static_cast<u32>(call.number));
      if (answer.result == lonala::kFileFailed) break;
      const Result<Fd> fd = hand_over_file(thread, static_cast<Fd>(answer.result));
      answer.result = fd.ok() ? static_cast<i64>(*fd) : files.failed(fd.error());
      break;
    }
    case What::Read:
    case What::Write:
    case What::Seek:
    case What::Close: perform_open_file(thread, files, job); break;
    case What::Stat: answer.result = files.stat(call.path, answer.facts); break;
    case What::List: {
      const auto add = [](void* context, std::string_view name) {
        base::Vector<u8>& names = *static_cast<base::Vector<u8>*>(context);
        names.append(base::bytes_of(name));
        names.push_back(0);
      };
      answer.result = files.list(call.path, add, &job.data);
      answer.data = job.data.span();
      break;
    }
    case What::MakeDirectory: answer.result = files.make_directory(call.path); break;
    case What::Remove: answer.result = files.remove(call.path); break;
    case What::Bind: answer.result = files.bind(call.path, call.second); break;
    case What::Mount: answer.result = files.mount(call.path, call.second); break;
    case What::Execute: {
      bool lent[3];
      for (Fd fd = kStdin; fd <= kStderr; ++fd) lent[fd] = borrow_file(thread, fd).ok();
      answer.result = files.execute(call.words);
      for (Fd fd = kStdin; fd <= kStderr; ++fd) {
        if (lent[fd]) give_back_file(thread, fd);
      }
      break;
    }
  }
  if (answer.result != lonala::kFileFailed) return;
  job.problem.assign(files.problem());
  answer.problem = job.problem.view();
}

void Helpers::perform_open_file(Process& thread, SystemFiles& files, Job& job) {
  const lonala::FileCall& call = job.call;
  lonala::FileAnswer& answer = job.answer;
  const Result<void> borrowed = borrow_file(thread, static_cast<Fd>(call.file));
  if (!borrowed.ok()) {
    answer.result = files.failed(borrowed.error());
    return;
  }
  const Fd fd = static_cast<Fd>(call.file);
  switch (call.what) {
    case What::Read: {
      if (!job.data.try_reserve(static_cast<u64>(call.number))) {
        answer.result = files.failed(ErrorCode::OutOfMemory);
        break;
      }
      job.data.resize(static_cast<u64>(call.number));
      answer.result = files.read(fd, {job.data.data(), job.data.size()});
      if (answer.result != lonala::kFileFailed) {
        answer.data = base::Bytes(job.data.data(), static_cast<u64>(answer.result));
      }
      break;
    }
    case What::Write: answer.result = files.write(fd, call.data); break;
    case What::Seek: answer.result = files.seek(fd, call.number, static_cast<lonala::Files::From>(call.from)); break;
    default: answer.result = files.done(close_borrowed_file(thread, fd)); return;
  }
  give_back_file(thread, fd);
}

}  // namespace user::lonala_program
