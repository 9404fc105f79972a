// user/lonala/system_files.h — the files of the process as those of the machine in it.
#pragma once
#include "user/runtime/process.h"
#include "vm/lonala/files.h"

namespace user::lonala_program {

class Helpers;

class SystemFiles final : public lonala::Files {
 public:
  /// With helpers, calls are begun.
  explicit SystemFiles(Process& process, Helpers* helpers = nullptr) : process_(process), helpers_(helpers) {}

  i64 open(std::string_view path, u32 how) override;
  i64 read(u64 file, base::MutableBytes out) override;
  i64 write(u64 file, base::Bytes data) override;
  i64 seek(u64 file, i64 offset, From from) override;
  i64 close(u64 file) override;
  i64 stat(std::string_view path, lonala::FileFacts& out) override;
  i64 list(std::string_view path, void (*visit)(void*, std::string_view), void* context) override;
  i64 make_directory(std::string_view path) override;
  i64 remove(std::string_view path) override;
  i64 bind(std::string_view from, std::string_view to) override;
  i64 mount(std::string_view service, std::string_view at) override;
  i64 execute(std::span<const std::string_view> words) override;
  std::string_view problem() const override { return fs::text_of(error_.code); }

  bool begins() const override { return helpers_ != nullptr; }
  bool begin(u64 caller, const lonala::FileCall& call) override;
  u64 ended(lonala::FileAnswer& answer) override;
  void cancel(u64 caller) override;

  i64 failed(const Error& error) {
    error_ = error;
    return lonala::kFileFailed;
  }
  template <class T>
  i64 done(const Result<T>& result) {
    return result.ok() ? 0 : failed(result.error());
  }

 private:
  Process& process_;
  Helpers* helpers_;
  Error error_;
};

}  // namespace user::lonala_program
