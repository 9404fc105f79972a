#include "user/lonala/system_files.h"

#include "user/lib/run.h"

#include "base/enforce.h"

namespace user::lonala_program {

i64 SystemFiles::open(std::string_view path, u32 how) {
  u16 flags = 0;
  if ((how & kRead) != 0) flags |= schema::file::kOpenRead;
  if ((how & (kWrite | kAppend)) != 0) flags |= schema::file::kOpenWrite;
  if ((how & kCreate) != 0) flags |= schema::file::kOpenCreate;
  if ((how & kTruncate) != 0) flags |= schema::file::kOpenTruncate;
  if ((how & kAppend) != 0) flags |= schema::file::kOpenAppend;
  const auto fd = process_.open(path, flags);
  return fd.ok() ? static_cast<i64>(*fd) : failed(fd.error());
}

i64 SystemFiles::read(u64 file, base::MutableBytes out) {
  const auto count = process_.read(static_cast<Fd>(file), out);
  return count.ok() ? static_cast<i64>(*count) : failed(count.error());
}

i64 SystemFiles::write(u64 file, base::Bytes data) {
  const auto written = process_.write(static_cast<Fd>(file), data);
  return written.ok() ? static_cast<i64>(data.size()) : failed(written.error());
}

i64 SystemFiles::seek(u64 file, i64 offset, From from) {
  const auto place = process_.seek(static_cast<Fd>(file), offset, static_cast<Whence>(from));
  return place.ok() ? static_cast<i64>(*place) : failed(place.error());
}

i64 SystemFiles::close(u64 file) { return done(process_.close(static_cast<Fd>(file))); }

i64 SystemFiles::stat(std::string_view path, lonala::FileFacts& out) {
  const auto stat = process_.stat(path);
  if (!stat.ok()) return failed(stat.error());
  out = {.size = stat->size,
         .mode = stat->mode,
         .directory = stat->kind == schema::file::Kind::Directory,
         .modified_ns = stat->modified_ns};
  return 0;
}

i64 SystemFiles::list(std::string_view path, void (*visit)(void*, std::string_view), void* context) {
  auto entries = process_.list(path);
  if (!entries.ok()) return failed(entries.error());
  for (DirectoryEntry& entry : *entries) {
    if (entry.stat.kind == schema::file::Kind::Directory) entry.name.push('/');
    visit(context, entry.name);
  }
  return 0;
}

i64 SystemFiles::make_directory(std::string_view path) { return done(process_.make_directory(path)); }

i64 SystemFiles::remove(std::string_view path) {
  const auto removed = process_.remove(path);
  if (removed.ok() || !(removed.error() == ErrorCode::IsADirectory)) return done(removed);
  return done(process_.remove_directory(path));
}

i64 SystemFiles::bind(std::string_view from, std::string_view to) { return done(process_.bind(from, to, 1)); }

i64 SystemFiles::mount(std::string_view service, std::string_view at) { return done(process_.mount(service, at, 1)); }

i64 SystemFiles::execute(std::span<const std::string_view> words) {
  const auto path = find_command(process_, words[0]);
  if (!path.ok()) return failed(path.error());
  constexpr FdMapping kStandard[] = {{kStdin, kStdin}, {kStdout, kStdout}, {kStderr, kStderr}};
  const auto pid = process_.spawn({.path = *path, .args = words, .descriptors = kStandard});
  if (!pid.ok()) return failed(pid.error());
  const auto ended = wait_for(process_, *pid);
  return ended.ok() ? static_cast<i64>(ended->code) : failed(ended.error());
}

}  // namespace user::lonala_program
