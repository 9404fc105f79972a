// user/commands/gzip.cpp — gzip, gunzip, zcat: packed files (RFC 1952).
#include "user/commands/operands.h"
#include "user/lib/gzip_stream.h"

#include "base/enforce.h"

namespace user {
namespace {

constexpr std::string_view kSuffix = ".gz";

struct Flags {
  bool unpack = false;
  bool to_output = false;
  bool keep = false;
  bool force = false;
  u32 level = 6;
};

Result<void> convert(Tool& tool, const Flags& flags, Fd in, Output& out, std::string_view name) {
  Process& process = tool.process();
  OutputSink sink(out);
  if (flags.unpack) {
    FdSource source(process, in);
    return gunzip(process, source, sink);
  }
  GzipWriter writer(process, sink, flags.level, name);
  u8 block[4096];
  for (;;) {
    const u64 count = TRY(process.read(in, block));
    if (count == 0) break;
    writer.put({block, count});
  }
  writer.finish();
  return {};
}

/// One file into the other of its name; the old one goes unless it is to be kept.
void convert_file(Tool& tool, const Flags& flags, std::string_view name) {
  Process& process = tool.process();
  const bool packed_name = name.ends_with(kSuffix) && name.size() > kSuffix.size();
  base::String target(tool.heap(), name);
  if (flags.unpack && !packed_name && !flags.to_output) return tool.complain("{}: the name does not end in .gz", name);
  if (!flags.unpack && packed_name && !flags.to_output) return tool.complain("{}: the name ends in .gz already", name);
  if (flags.unpack) {
    if (packed_name) target.truncate(name.size() - kSuffix.size());
  } else {
    target.append(kSuffix);
  }
  const auto facts = process.stat(name);
  if (!facts.ok()) return tool.error(name, facts.error());
  if (facts->kind == schema::file::Kind::Directory) return tool.error(name, ErrorCode::IsADirectory);
  const auto in = process.open(name, schema::file::kOpenRead);
  if (!in.ok()) return tool.error(name, in.error());
  const std::string_view last = name.substr(name.rfind('/') + 1);
  if (flags.to_output) {
    const auto done = convert(tool, flags, *in, tool.out(), last);
    if (!done.ok()) tool.error(name, done.error());
    (void)process.close(*in).ok();
    return;
  }
  const u16 how = flags.force ? schema::file::kOpenTruncate : schema::file::kOpenExclusive;
  const auto made =
      process.open(target, static_cast<u16>(schema::file::kOpenWrite | schema::file::kOpenCreate | how), 0600);
  if (!made.ok()) {
    tool.error(target, made.error());
    (void)process.close(*in).ok();
    return;
  }
  Output out(process, *made);
  Result<void> done = convert(tool, flags, *in, out, last);
  if (done.ok() && !out.flush()) done = out.error();
  const auto closed = process.close(*made);
  if (done.ok() && !closed.ok()) done = closed;
  (void)process.close(*in).ok();
  if (!done.ok()) {
    (void)process.remove(target).ok();
    return tool.error(name, done.error());
  }
  constexpr u16 kModeAndTime = 1 | 8;
  (void)process.change(target, {.mask = kModeAndTime, .mode = facts->mode, .modified = facts->modified_ns}).ok();
  if (flags.keep) return;
  const auto removed = process.remove(name);
  if (!removed.ok()) tool.error(name, removed.error());
}

i32 run(Process& process, std::string_view usage, Flags flags) {
  Tool tool(process, usage);
  Options options(tool, "cdkf123456789");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    switch (option) {
      case Options::kBad: return options.bad_status();
      case 'c': flags.to_output = true; break;
      case 'd': flags.unpack = true; break;
      case 'k': flags.keep = true; break;
      case 'f': flags.force = true; break;
      default: flags.level = static_cast<u32>(option - '0'); break;
    }
  }
  if (options.operands().empty()) {
    const auto done = convert(tool, flags, tool.streams().in, tool.out(), "");
    if (!done.ok()) tool.error("-", done.error());
    return tool.finish();
  }
  for (const std::string_view name : options.operands()) convert_file(tool, flags, name);
  return tool.finish();
}

}  // namespace

i32 gzip_main(Process& process) {
  return run(
      process,
      "usage: gzip [-cdkf1-9] [FILE…]\n  -c  to the output\n  -d  unpack\n  -k  keep the file\n  -f  over what is "
      "there\n  -1 fast … -9 small",
      {});
}

i32 gunzip_main(Process& process) { return run(process, "usage: gunzip [-ckf] [FILE…]", {.unpack = true}); }

i32 zcat_main(Process& process) { return run(process, "usage: zcat [FILE…]", {.unpack = true, .to_output = true}); }

}  // namespace user
