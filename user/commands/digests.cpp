// user/commands/digests.cpp — sha256sum, md5sum, crc32: digests of files, and -c to check a list of them.
#include "user/commands/operands.h"
#include "user/lib/hashes.h"

#include "base/enforce.h"

namespace user {
namespace {

constexpr u64 kBlockBytes = 4096;

/// The digest of everything that `fd` gives, in hexadecimal.
template <class Hash, u32 kBytes>
Result<base::String> digest_of(Process& process, Fd fd) {
  Hash hash;
  u8 block[kBlockBytes];
  for (;;) {
    const u64 count = TRY(process.read(fd, block));
    if (count == 0) break;
    hash.add({block, count});
    process.work(count / 4 + 1);
  }
  u8 digest[kBytes];
  hash.finish(digest);
  base::String text(process.heap());
  for (const u8 byte : digest) text.append_format("{:02x}", byte);
  return text;
}

/// One line of a list, `HEX  NAME`: opens the file and compares.
template <class Hash, u32 kBytes>
bool check_line(Tool& tool, std::string_view line) {
  const u64 blank = line.find(' ');
  if (blank != 2 * kBytes || line.size() < blank + 3) {
    tool.complain("bad line: {}", line);
    return false;
  }
  const std::string_view name = line.substr(blank + 2);  // two blanks, or a blank and `*`
  const auto opened = tool.process().open(name, schema::file::kOpenRead);
  const auto digest =
      opened.ok() ? digest_of<Hash, kBytes>(tool.process(), *opened) : Result<base::String>(opened.error());
  if (opened.ok()) (void)tool.process().close(*opened).ok();
  if (!digest.ok()) tool.error(name, digest.error());
  const bool good = digest.ok() && *digest == line.substr(0, blank);
  tool.out().format("{}: {}\n", name, good ? "OK" : "FAILED");
  return good;
}

template <class Hash, u32 kBytes>
i32 digest_main(Process& process, std::string_view usage) {
  Tool tool(process, usage);
  bool check = false;
  Options options(tool, "c");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    if (option == Options::kBad) return options.bad_status();
    check = true;
  }
  Operands files(tool, options.operands());
  while (files.next()) {
    if (!check) {
      const auto digest = digest_of<Hash, kBytes>(process, files.fd());
      if (digest.ok()) {
        tool.out().format("{}  {}\n", *digest, files.name());
      } else {
        tool.error(files.name(), digest.error());
      }
      continue;
    }
    Input input(process, files.fd());
    base::String line(process.heap());
    for (;;) {
      const auto got = input.next(line);
      if (!got.ok()) tool.error(files.name(), got.error());
      if (!got.ok() || !*got) break;
      if (!check_line<Hash, kBytes>(tool, line)) tool.set_status(1);
    }
  }
  return tool.finish();
}

}  // namespace

i32 sha256sum_main(Process& process) {
  return digest_main<Sha256, 32>(process, "usage: sha256sum [-c] [FILE…]\n  -c  check the lists in the files");
}

i32 md5sum_main(Process& process) {
  return digest_main<Md5, 16>(process, "usage: md5sum [-c] [FILE…]\n  -c  check the lists in the files");
}

i32 crc32_main(Process& process) {
  Tool tool(process, "usage: crc32 [FILE…]");
  Options options(tool, "");
  if (options.next() != Options::kEnd) return options.bad_status();
  Operands files(tool, options.operands());
  while (files.next()) {
    Crc32 crc;
    u8 block[kBlockBytes];
    Result<u64> count = u64{0};
    while ((count = process.read(files.fd(), block)).ok() && *count != 0) {
      crc.add({block, *count});
      process.work(*count / 4 + 1);
    }
    if (count.ok()) {
      tool.out().format("{:08x}  {}\n", crc.value(), files.name());
    } else {
      tool.error(files.name(), count.error());
    }
  }
  return tool.finish();
}

}  // namespace user
