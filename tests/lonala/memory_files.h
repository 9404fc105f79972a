// tests/lonala/memory_files.h — files for a machine under test: names and contents, nothing else.
#pragma once
#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "vm/lonala/files.h"

namespace lonala_tests {

class MemoryFiles : public lonala::Files {
 public:
  virtual ~MemoryFiles() = default;
  std::map<std::string, std::string, std::less<>> contents;

  i64 open(std::string_view path, u32 how) override {
    auto found = contents.find(path);
    if (found == contents.end()) {
      if ((how & kCreate) == 0) return lonala::kFileFailed;
      found = contents.emplace(std::string(path), std::string()).first;
    }
    if ((how & kTruncate) != 0) found->second.clear();
    open_.push_back({std::string(path), 0});
    return static_cast<i64>(open_.size()) - 1;
  }
  i64 read(u64 file, base::MutableBytes out) override {
    if (file >= open_.size()) return lonala::kFileFailed;
    const std::string part = contents[open_[file].path].substr(open_[file].at, out.size());
    part.copy(reinterpret_cast<char*>(out.data()), part.size());
    open_[file].at += part.size();
    return static_cast<i64>(part.size());
  }
  i64 write(u64 file, base::Bytes data) override {
    if (file >= open_.size()) return lonala::kFileFailed;
    std::string& text = contents[open_[file].path];
    text.resize(std::max<u64>(text.size(), open_[file].at + data.size()));
    std::copy(data.begin(), data.end(), text.begin() + static_cast<std::ptrdiff_t>(open_[file].at));
    open_[file].at += data.size();
    return static_cast<i64>(data.size());
  }
  i64 remove(std::string_view path) override {
    const auto found = contents.find(path);
    if (found == contents.end()) return lonala::kFileFailed;
    contents.erase(found);
    return 0;
  }
  i64 close(u64) override { return 0; }
  // Nothing that a test needs.
  i64 seek(u64, i64, From) override { return lonala::kFileFailed; }
  i64 stat(std::string_view, lonala::FileFacts&) override { return lonala::kFileFailed; }
  i64 list(std::string_view, void (*)(void*, std::string_view), void*) override { return lonala::kFileFailed; }
  i64 make_directory(std::string_view) override { return lonala::kFileFailed; }
  i64 bind(std::string_view, std::string_view) override { return lonala::kFileFailed; }
  i64 mount(std::string_view, std::string_view) override { return lonala::kFileFailed; }
  i64 execute(std::span<const std::string_view>) override { return lonala::kFileFailed; }
  std::string_view problem() const override { return "not found"; }

 private:
  struct Open {
    std::string path;
    u64 at;
  };
  std::vector<Open> open_;
};

}  // namespace lonala_tests
