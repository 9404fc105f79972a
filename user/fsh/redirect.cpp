// user/fsh/redirect.cpp — redirections change the map from the script's numbers to the process's descriptors.
#include <algorithm>

#include "user/fsh/shell.h"
#include "base/points.h"

#include "base/enforce.h"

namespace user::fsh {

using schema::file::kOpenAppend;
using schema::file::kOpenCreate;
using schema::file::kOpenExclusive;
using schema::file::kOpenRead;
using schema::file::kOpenTruncate;
using schema::file::kOpenWrite;

Shell::RedirectScope::RedirectScope(Shell& shell) : shell_(shell), before_(shell.fds_) {}

Shell::RedirectScope::~RedirectScope() {
  if (kept_) {
    shell_.close_unreferenced(before_);
    return;
  }
  const FdMap changed = shell_.fds_;
  shell_.fds_ = before_;
  shell_.close_unreferenced(changed);
}

/// Closes what this shell opened and `gone` named, but the present map no longer does.
void Shell::close_unreferenced(const FdMap& gone) {
  for (u32 number = 0; number < kShellFdsMax; ++number) {
    const i32 actual = gone.actual[number];
    if (actual < 0 || (owned_fds_[actual / 64] >> actual % 64 & 1) == 0) continue;
    bool used = false;
    for (const i32 other : fds_.actual) used = used || other == actual;
    if (used) continue;
    owned_fds_[actual / 64] &= ~(u64{1} << actual % 64);
    (void)process_.close(static_cast<Fd>(actual)).ok();
  }
}

bool Shell::RedirectScope::apply(std::span<const Redirect> redirects) {
  for (const Redirect& redirect : redirects) {
    if (!apply_one(redirect)) return false;
  }
  return true;
}

void Shell::RedirectScope::put(u32 number, i32 actual) {
  shell_.owned_fds_[actual / 64] |= u64{1} << actual % 64;
  shell_.fds_.actual[number] = actual;
}

bool Shell::RedirectScope::apply_one(const Redirect& redirect) {
  const bool reads = redirect.kind == RedirectKind::Read || redirect.kind == RedirectKind::ReadWrite ||
                     redirect.kind == RedirectKind::DupRead || redirect.kind == RedirectKind::Here;
  const u32 number = redirect.fd >= 0 ? static_cast<u32>(redirect.fd) : reads ? 0 : 1;
  if (number >= kShellFdsMax) {
    shell_.complain("{}: {}", number, fs::text_of(ErrorCode::BadFileDescriptor));
    return false;
  }
  switch (redirect.kind) {
    case RedirectKind::Here: return open_here(redirect, number);
    case RedirectKind::DupRead:
    case RedirectKind::DupWrite: return duplicate(redirect, number);
    default: return open_file(redirect, number);
  }
}

namespace {

/// The number of the descriptor that a path names, `/fd/N` or one of its other names; false: it names none.
bool names_descriptor(std::string_view path, u32* number) {
  constexpr std::string_view kFolders[] = {"/fd/", "/dev/fd/"};
  constexpr std::string_view kStandard[] = {"/dev/stdin", "/dev/stdout", "/dev/stderr"};
  for (u32 i = 0; i < std::size(kStandard); ++i) {
    *number = i;
    if (path == kStandard[i]) return true;
  }
  for (const std::string_view folder : kFolders) {
    if (!path.starts_with(folder)) continue;
    const auto value = base::parse_u64(path.substr(folder.size()));
    *number = value.ok() ? static_cast<u32>(std::min<u64>(*value, kShellFdsMax)) : 0;
    return value.ok();
  }
  return false;
}

}  // namespace

bool Shell::RedirectScope::open_file(const Redirect& redirect, u32 number) {
  const auto target = expand_target(shell_, shell_.heap(), redirect.target.text);
  if (!target.ok()) {
    shell_.complain("{}", target.error().text());
    return false;
  }
  // Descriptors are numbered by this shell's map, not by the process's table.
  u32 named = 0;
  if (names_descriptor(shell_.process().absolute(*target), &named)) {
    if (named >= kShellFdsMax || shell_.fds_.actual[named] == FdMap::kClosed) {
      shell_.complain("{}: {}", *target, fs::text_of(ErrorCode::NotFound));
      return false;
    }
    shell_.fds_.actual[number] = shell_.fds_.actual[named];
    return true;
  }
  u16 flags = 0;
  switch (redirect.kind) {
    case RedirectKind::Read: flags = kOpenRead; break;
    case RedirectKind::ReadWrite: flags = kOpenRead | kOpenWrite | kOpenCreate; break;
    case RedirectKind::Append: flags = kOpenWrite | kOpenCreate | kOpenAppend; break;
    default: flags = kOpenWrite | kOpenCreate | kOpenTruncate; break;
  }
  if (redirect.kind == RedirectKind::Write && shell_.options.noclobber) {
    const auto stat = shell_.process().stat(*target);
    if (stat.ok() && stat->kind == schema::file::Kind::File) {
      shell_.complain("{}: {}", *target, fs::text_of(ErrorCode::AlreadyExists));
      return false;
    }
    if (!stat.ok()) flags |= kOpenExclusive;
  }
  const auto opened = shell_.process().open(*target, flags, 0666);
  if (!opened.ok()) {
    const Error error = opened.error();
    if (error.detail_size == 0) {
      shell_.complain("{}: {}", *target, fs::text_of(error.code));
    } else {
      shell_.complain("{}: {}: {}", *target, fs::text_of(error.code), error.detail());
    }
    return false;
  }
  put(number, static_cast<i32>(*opened));
  return true;
}

bool Shell::RedirectScope::duplicate(const Redirect& redirect, u32 number) {
  const auto target = expand_target(shell_, shell_.heap(), redirect.target.text);
  if (!target.ok()) {
    shell_.complain("{}", target.error().text());
    return false;
  }
  if (*target == "-") {
    shell_.fds_.actual[number] = FdMap::kClosed;
    return true;
  }
  const auto source = base::parse_u64(*target);
  if (!source.ok() || *source >= kShellFdsMax || shell_.fds_.actual[*source] == FdMap::kClosed) {
    shell_.complain("{}: {}", *target, fs::text_of(ErrorCode::BadFileDescriptor));
    return false;
  }
  shell_.fds_.actual[number] = shell_.fds_.actual[*source];
  return true;
}

/// A here-document is a file without a name: written, opened again for reading and removed.
bool Shell::RedirectScope::open_here(const Redirect& redirect, u32 number) {
  Process& process = shell_.process();
  base::String body(shell_.heap(), redirect.here->body);
  if (!redirect.here->literal) {
    auto expanded = expand_here(shell_, shell_.heap(), redirect.here->body);
    if (!expanded.ok()) {
      shell_.complain("{}", expanded.error().text());
      return false;
    }
    body = std::move(*expanded);
  }
  // Up to a pipe's capacity no file is needed.
  constexpr u64 kPipeBytes = 65536;
  if (body.size() <= kPipeBytes && !NUDGE("fsh.here-in-file")) {
    const auto pipe = process.pipe();
    if (!pipe.ok()) {
      shell_.complain("pipe: {}", fs::text_of(pipe.error().code));
      return false;
    }
    const auto written = process.write(pipe->write_end, base::bytes_of(body));
    (void)process.close(pipe->write_end).ok();
    put(number, static_cast<i32>(pipe->read_end));
    if (!written.ok()) shell_.complain("here-document: {}", fs::text_of(written.error().code));
    return written.ok();
  }
  const auto input = shell_.unnamed_file(body);
  if (!input.ok()) {
    shell_.complain("here-document: {}", fs::text_of(input.error().code));
    return false;
  }
  put(number, static_cast<i32>(*input));
  return true;
}

}  // namespace user::fsh
