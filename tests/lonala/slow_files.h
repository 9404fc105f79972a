// tests/lonala/slow_files.h — files whose calls take time, beside those in memory.
#pragma once
#include "tests/lonala/memory_files.h"

namespace lonala_tests {

/// Calls are begun. A read of `now` answers at once, of `slow` after a millisecond, of `never` not at all, each with "hello"; all
/// other files lie in memory. The size of `cancelled` is how many calls were given up.
class SlowFiles final : public MemoryFiles {
 public:
  i64 open(std::string_view path, u32 how) override {
    if (path == "now") return kFirstSlow;
    if (path == "slow") return kFirstSlow + 1;
    if (path == "never") return kFirstSlow + 2;
    return MemoryFiles::open(path, how);
  }
  i64 read(u64 file, base::MutableBytes out) override {
    if (file < u64{kFirstSlow}) return MemoryFiles::read(file, out);
    bool& is_read = is_read_[file - u64{kFirstSlow}];
    is_read = !is_read;
    return is_read ? static_cast<i64>(kHello.copy(reinterpret_cast<char*>(out.data()), out.size())) : 0;
  }
  i64 stat(std::string_view path, lonala::FileFacts& out) override {
    out.size = path == "cancelled" ? cancelled_ : 5;
    return 0;
  }

  bool begins() const override { return true; }
  bool begin(u64 caller, const lonala::FileCall& call) override {
    using What = lonala::FileCall::What;
    Call made{.caller = caller, .due_ns = now_ns, .answer = {}, .data = {}};
    made.answer.what = call.what;
    i64& result = made.answer.result;
    switch (call.what) {
      case What::Open: result = begin_open(call); break;
      case What::Read: result = begin_read(call, made); break;
      case What::Write: result = write(call.file, call.data); break;
      case What::Close: result = 0; break;
      case What::Stat: result = stat(call.path, made.answer.facts); break;
      case What::Remove: result = remove(call.path); break;
      case What::List:
        result = 0;
        made.data.assign("a\0b/\0", 5);
        break;
      case What::Seek:
      case What::MakeDirectory:
      case What::Bind:
      case What::Mount:
      case What::Execute: break;
    }
    calls_.push_back(std::move(made));
    return true;
  }
  u64 ended(lonala::FileAnswer& answer) override {
    for (u64 i = 0; i < calls_.size(); ++i) {
      if (calls_[i].due_ns > now_ns) continue;
      last_ = std::move(calls_[i]);
      calls_.erase(calls_.begin() + static_cast<i64>(i));
      answer = last_.answer;
      answer.data = base::bytes_of(last_.data);
      answer.problem = problem();
      return last_.caller;
    }
    return 0;
  }
  void cancel(u64 caller) override {
    cancelled_ += std::erase_if(calls_, [&](const Call& call) { return call.caller == caller; });
  }
  /// When the next call ends.
  u64 next_ns() const {
    u64 next = ~u64{0};
    for (const Call& call : calls_) next = std::min(next, call.due_ns);
    return next;
  }
  u64 now_ns = 0;

 private:
  static constexpr i64 kFirstSlow = 1000;
  static constexpr std::string_view kHello = "hello";
  struct Call {
    u64 caller = 0;
    u64 due_ns = 0;
    lonala::FileAnswer answer;
    std::string data;
  };

  i64 begin_open(const lonala::FileCall& call) {
    const i64 file = open(call.path, static_cast<u32>(call.number));
    if (file >= kFirstSlow) is_read_[file - kFirstSlow] = false;
    return file;
  }
  i64 begin_read(const lonala::FileCall& call, Call& made) {
    constexpr u64 kDelaysNs[] = {0, 1'000'000, ~u64{0}};
    const u64 delay = call.file < u64{kFirstSlow} ? 0 : kDelaysNs[call.file - u64{kFirstSlow}];
    made.due_ns = delay == ~u64{0} ? delay : now_ns + delay;
    std::vector<u8> room(static_cast<u64>(call.number));
    const i64 count = read(call.file, room);
    if (count > 0) made.data.assign(room.begin(), room.begin() + count);
    return count;
  }

  std::vector<Call> calls_;
  Call last_;
  bool is_read_[3] = {};  // the whole of it, so that the next read finds its end
  u64 cancelled_ = 0;
};

}  // namespace lonala_tests
