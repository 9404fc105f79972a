// user/lib/tool.cpp — POSIX.1-2017 XBD §12.2 (Utility Syntax Guidelines).
#include "user/lib/tool.h"

#include "base/enforce.h"

namespace user {
namespace {

constexpr u64 kInputBytes = 4096;

}  // namespace

void Output::text(std::string_view text) {
  if (text.size() > sizeof buffer_ - size_) {
    flush();
    if (text.size() >= sizeof buffer_) return write(text);
  }
  if (text.size() > 0) __builtin_memcpy(buffer_ + size_, text.data(), text.size());
  size_ += static_cast<u32>(text.size());
}

void Output::write(std::string_view bytes) {
  if (failed_ || bytes.empty()) return;
  const auto written = process_.write(fd_, base::bytes_of(bytes));
  if (written.ok()) return;
  failed_ = true;
  error_ = written.error();
}

bool Output::flush() {
  const u32 size = size_;
  size_ = 0;
  write({buffer_, size});
  return !failed_;
}

Result<bool> Input::refill() {
  if (ended_) return false;
  if (start_ > 0) {
    buffer_.erase(0, start_);
    end_ -= start_;
    start_ = 0;
  }
  buffer_.resize(end_ + kInputBytes);
  const u64 count = TRY(process_.read(fd_, {reinterpret_cast<u8*>(buffer_.data()) + end_, kInputBytes}));
  end_ += count;
  ended_ = count == 0;
  return !ended_;
}

Result<bool> Input::next(base::String& line, char delimiter) {
  line.clear();
  u64 scanned = 0;
  for (;;) {
    const std::string_view ready{buffer_.data() + start_, end_ - start_};
    const u64 at = ready.find(delimiter, scanned);
    if (at != std::string_view::npos) {
      line.append(ready.substr(0, at));
      process_.work(at / 8 + 1);
      start_ += at + 1;
      delimited_ = true;
      return true;
    }
    scanned = ready.size();
    const bool more = TRY(refill());
    if (more) continue;
    delimited_ = false;
    const std::string_view rest{buffer_.data() + start_, end_ - start_};
    line.append(rest);
    start_ = end_;
    return !line.empty();
  }
}

Result<u64> Input::read(base::MutableBytes out) {
  if (start_ == end_) {
    const bool more = TRY(refill());
    if (!more) return u64{0};
  }
  const u64 count = std::min<u64>(out.size(), end_ - start_);
  __builtin_memcpy(out.data(), buffer_.data() + start_, count);
  start_ += count;
  return count;
}

std::string_view Tool::name() const {
  const std::string_view path = args_.empty() ? std::string_view("?") : args_[0];
  const u64 slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

void Tool::write_error(std::string_view text) {
  // What was printed before comes first, as it happened. Nothing can be done when the error stream is broken itself.
  out_.flush();
  if (!process_.write(streams_.err, base::bytes_of(text)).ok()) status_ = status_ == 0 ? 1 : status_;
}

void Tool::error(std::string_view subject, const Error& error) {
  if (error.detail_size == 0) return complain("{}: {}", subject, fs::text_of(error.code));
  complain("{}: {}: {}", subject, fs::text_of(error.code), error.detail());
}

i32 Tool::finish() {
  if (out_.flush()) return status_;
  const Error error = out_.error();
  if (error.code != ErrorCode::BrokenPipe) this->error("write error", error);
  return status_ == 0 ? 1 : status_;
}

char Options::next() {
  const std::span<const std::string_view> args = tool_.args();
  if (place_ == 0) {
    if (index_ >= args.size() || args[index_].size() < 2 || args[index_][0] != '-') return kEnd;
    if (args[index_] == "--") {
      index_ += 1;
      return kEnd;
    }
    if (args[index_] == "--help") {
      tool_.out().text(tool_.usage());
      tool_.out().character('\n');
      tool_.set_status(tool_.finish());
      help_ = tool_.status() == 0;
      return kBad;
    }
    place_ = 1;
  }
  const std::string_view word = args[index_];
  const char letter = word[place_];
  const u64 known = letter == ':' ? std::string_view::npos : spec_.find(letter);
  if (known == std::string_view::npos || word.starts_with("--")) {
    if (word.starts_with("--")) {
      tool_.bad_use("unknown option: {}", word);
    } else {
      tool_.bad_use("unknown option: -{}", letter);
    }
    return kBad;
  }
  place_ += 1;
  const bool takes_value = known + 1 < spec_.size() && spec_[known + 1] == ':';
  value_ = {};
  if (takes_value && place_ < word.size()) {
    value_ = word.substr(place_);
    place_ = word.size();
  } else if (takes_value) {
    if (index_ + 1 >= args.size()) {
      tool_.bad_use("missing value: -{}", letter);
      return kBad;
    }
    index_ += 1;
    value_ = args[index_];
    place_ = value_.size();
  }
  if (place_ >= args[index_].size()) {
    index_ += 1;
    place_ = 0;
  }
  return letter;
}

}  // namespace user
