// user/commands/tar.cpp — tar: archives in the ustar format (POSIX.1-2017 pax), also packed by gzip.
#include "base/bytes.h"
#include "base/ustar.h"
#include "user/lib/accounts.h"
#include "user/lib/dates.h"
#include "user/lib/gzip_stream.h"

#include "base/enforce.h"

namespace user {
namespace {

using schema::file::Kind;

constexpr u64 kBlockBytes = 512;
constexpr u64 kArchiveBytesMax = 32 << 20;  // of one that is read: it is held in memory
constexpr u32 kDepthMax = 128;

struct Flags {
  char action = '\0';
  bool verbose = false;
  bool packed = false;
  bool keep = false;         // k: what is there is not written over
  bool permissions = false;  // p: the modes as they are in the archive, whatever the umask
  std::string_view file = "-";
};

// ── Writing ──────────────────────────────────────────────────────────────────────────────────────────────────

class Writer {
 public:
  Writer(Tool& tool, ByteSink& out, bool verbose)
      : tool_(tool), out_(out), accounts_(tool.process()), verbose_(verbose) {}
  void add(const base::String& path, u32 depth);
  void finish() {
    const u8 end[2 * kBlockBytes] = {};
    out_.put(end);
  }

 private:
  bool header(std::string_view name, const FileStat& facts, char type, std::string_view link);
  void content(const base::String& path, u64 size);

  Tool& tool_;
  ByteSink& out_;
  Accounts accounts_;
  bool verbose_;
};

void put_octal(u8* field, u32 width, u64 value) {
  for (u32 i = width - 1; i-- > 0;) {
    field[i] = static_cast<u8>('0' + (value & 7));
    value >>= 3;
  }
}

void put_text(u8* field, u64 width, std::string_view text) {
  if (!text.empty()) __builtin_memcpy(field, text.data(), std::min<u64>(text.size(), width));
}

/// One header block; false, and told, when the name has no room in it.
bool Writer::header(std::string_view name, const FileStat& facts, char type, std::string_view link) {
  constexpr u64 kNameBytes = 100;
  constexpr u64 kPrefixBytes = 155;
  u8 block[kBlockBytes] = {};
  std::string_view prefix;
  if (name.size() > kNameBytes) {
    // The name is cut at a slash: what is before it goes into a field of its own.
    const u64 slash = name.find('/', name.size() - kNameBytes - 1);
    if (slash == std::string_view::npos || slash > kPrefixBytes) {
      tool_.error(name, ErrorCode::NameTooLong);
      return false;
    }
    prefix = name.substr(0, slash);
    name.remove_prefix(slash + 1);
  }
  if (link.size() > kNameBytes) {
    tool_.error(link, ErrorCode::NameTooLong);
    return false;
  }
  put_text(block, kNameBytes, name);
  put_octal(block + 100, 8, facts.mode);
  put_octal(block + 108, 8, facts.uid);
  put_octal(block + 116, 8, facts.gid);
  put_octal(block + 124, 12, type == '0' ? facts.size : 0);
  put_octal(block + 136, 12, static_cast<u64>(std::max<i64>(facts.modified_ns, 0)) / 1'000'000'000);
  block[156] = static_cast<u8>(type);
  put_text(block + 157, kNameBytes, link);
  put_text(block + 257, 8, std::string_view("ustar\00000", 8));
  put_text(block + 265, 31, accounts_.user_name(facts.uid));
  put_text(block + 297, 31, accounts_.group_name(facts.gid));
  put_text(block + 345, kPrefixBytes, prefix);
  u64 sum = 8 * ' ';  // the field itself counts as blanks
  for (const u8 byte : block) sum += byte;
  put_octal(block + 148, 7, sum);
  block[155] = ' ';
  out_.put(block);
  return true;
}

void Writer::content(const base::String& path, u64 size) {
  Process& process = tool_.process();
  const auto opened = process.open(path, schema::file::kOpenRead);
  if (!opened.ok()) tool_.error(path, opened.error());
  u64 left = size;
  u8 block[4096];
  bool good = opened.ok();
  while (left > 0) {
    u64 count = std::min<u64>(left, sizeof block);
    if (good) {
      const auto got = process.read(*opened, {block, count});
      if (!got.ok()) tool_.error(path, got.error());
      good = got.ok() && *got != 0;
      if (good) count = *got;
    }
    // A file that became shorter meanwhile is filled up: its length has been written.
    if (!good) __builtin_memset(block, 0, count);
    out_.put({block, count});
    left -= count;
  }
  if (opened.ok()) (void)process.close(*opened).ok();
  const u8 padding[kBlockBytes] = {};
  out_.put({padding, (kBlockBytes - size % kBlockBytes) % kBlockBytes});
}

void Writer::add(const base::String& path, u32 depth) {
  Process& process = tool_.process();
  if (depth > kDepthMax) return tool_.error(path, ErrorCode::NameTooLong);
  const auto facts = process.stat(path, FollowLinks::No);
  if (!facts.ok()) return tool_.error(path, facts.error());
  base::String name(tool_.heap(), path);
  while (name.starts_with("/")) name.erase(0);
  const bool directory = facts->kind == Kind::Directory;
  if (directory && !name.empty() && !name.ends_with("/")) name.push('/');
  if (verbose_) {
    Output err(process, kStderr);
    err.format("{}\n", name);
    err.flush();
  }
  if (facts->kind == Kind::Link) {
    const auto target = process.read_link(path);
    if (!target.ok()) return tool_.error(path, target.error());
    static_cast<void>(header(name, *facts, '2', *target));
    return;
  }
  if (facts->kind == Kind::File) {
    if (header(name, *facts, '0', "")) content(path, facts->size);
    return;
  }
  if (!directory) return tool_.complain("{}: {}", path, "is no file, directory or link: left out");
  if (!name.empty() && !header(name, *facts, '5', "")) return;
  const auto entries = process.list(path);
  if (!entries.ok()) return tool_.error(path, entries.error());
  for (const DirectoryEntry& entry : *entries) {
    base::String inner(tool_.heap(), path);
    if (!inner.ends_with("/")) inner.push('/');
    inner.append(entry.name.view());
    add(inner, depth + 1);
  }
}

// ── Reading ──────────────────────────────────────────────────────────────────────────────────────────────────

class StringSink final : public ByteSink {
 public:
  explicit StringSink(base::String& text) : text_(text) {}
  void put(base::Bytes bytes) override {
    full_ = full_ || text_.size() + bytes.size() > kArchiveBytesMax;
    if (!full_) text_.append(base::text_of(bytes));
  }
  bool full() const { return full_; }

 private:
  base::String& text_;
  bool full_ = false;
};

Result<base::String> load(Process& process, Fd fd) {
  base::String archive(process.heap());
  StringSink sink(archive);
  FdSource source(process, fd);
  if (looks_packed(source)) {
    TRY(gunzip(process, source, sink));
  } else {
    for (i32 byte = source.next(); byte >= 0 && !sink.full(); byte = source.next()) {
      const u8 one[1] = {static_cast<u8>(byte)};
      sink.put(one);
    }
    if (source.failed()) return source.error();
    process.work(archive.size() / 4 + 1);
  }
  if (sink.full()) return fs::fail(ErrorCode::FileTooLarge);
  return archive;
}

class Reader {
 public:
  Reader(Tool& tool, const Flags& flags, std::span<const std::string_view> wanted)
      : tool_(tool), process_(tool.process()), flags_(flags), wanted_(wanted), accounts_(process_) {}
  void run(std::string_view archive_name, std::string_view archive);

 private:
  bool wants(std::string_view name) const;
  void list(const base::UstarEntry& entry);
  void extract(const base::UstarEntry& entry);
  Result<void> make_parents(std::string_view path);

  Tool& tool_;
  Process& process_;
  const Flags& flags_;
  std::span<const std::string_view> wanted_;
  Accounts accounts_;
};

bool Reader::wants(std::string_view name) const {
  if (wanted_.empty()) return true;
  for (std::string_view each : wanted_) {
    while (each.size() > 1 && each.ends_with("/")) each.remove_suffix(1);
    if (name.starts_with(each) && (name.size() == each.size() || name[each.size()] == '/')) return true;
  }
  return false;
}

/// `-rw-r--r-- root/root 12 2026-02-22 14:30 name`
void Reader::list(const base::UstarEntry& entry) {
  if (!flags_.verbose) return tool_.out().format("{}\n", entry.name());
  const char kind = entry.type == base::UstarType::Directory      ? 'd'
                    : entry.type == base::UstarType::SymbolicLink ? 'l'
                    : entry.type == base::UstarType::HardLink     ? 'h'
                                                                  : '-';
  base::String line(tool_.heap());
  line.push(kind);
  line.append(mode_text(static_cast<u16>(entry.mode)));
  base::String user = accounts_.user_name(entry.user_id);
  base::String group = accounts_.group_name(entry.group_id);
  if (user.empty()) user.append_format("{}", entry.user_id);
  if (group.empty()) group.append_format("{}", entry.group_id);
  line.append_format(" {}/{} {} ", user, group, entry.data.size());
  append_date(line, "%Y-%m-%d %H:%M", static_cast<i64>(entry.modified_s), zone_of(process_));
  line.append_format(" {}", entry.name());
  if (kind == 'l') line.append_format(" -> {}", entry.link_name);
  if (kind == 'h') line.append_format(" link to {}", entry.link_name);
  line.push('\n');
  tool_.out().text(line);
}

Result<void> Reader::make_parents(std::string_view path) {
  for (u64 slash = path.find('/', 1); slash != std::string_view::npos; slash = path.find('/', slash + 1)) {
    const std::string_view parent = path.substr(0, slash);
    if (process_.stat(parent).ok()) continue;
    TRY(process_.make_directory(parent));
  }
  return {};
}

void Reader::extract(const base::UstarEntry& entry) {
  std::string_view name = entry.name();
  while (name.starts_with("/")) name.remove_prefix(1);
  for (std::string_view rest = name; !rest.empty();) {
    const u64 slash = std::min<u64>(rest.find('/'), rest.size());
    if (rest.substr(0, slash) == "..") return tool_.error(entry.name(), ErrorCode::BadFileName);
    rest.remove_prefix(std::min(slash + 1, rest.size()));
  }
  while (name.size() > 1 && name.ends_with("/")) name.remove_suffix(1);
  if (name.empty()) return;
  if (flags_.verbose) tool_.out().format("{}\n", entry.name());
  const auto parents = make_parents(name);
  if (!parents.ok()) return tool_.error(name, parents.error());
  const u16 mode = static_cast<u16>(entry.mode & 07777);
  if (entry.type == base::UstarType::Directory) {
    const auto made = process_.make_directory(name, mode);
    if (!made.ok() && !(made.error() == ErrorCode::AlreadyExists)) return tool_.error(name, made.error());
  } else {
    if (process_.stat(name, FollowLinks::No).ok()) {
      if (flags_.keep) return tool_.error(name, ErrorCode::AlreadyExists);
      const auto removed = process_.remove(name);  // a link that lies in the way is not followed
      if (!removed.ok()) return tool_.error(name, removed.error());
    }
    if (entry.type == base::UstarType::SymbolicLink) {
      const auto linked = process_.symlink(entry.link_name, name);
      if (!linked.ok()) tool_.error(name, linked.error());
      return;
    }
    if (entry.type == base::UstarType::HardLink) {
      const auto linked = process_.link(entry.link_name, name);
      if (!linked.ok()) tool_.error(name, linked.error());
      return;
    }
    if (entry.type != base::UstarType::Regular) return tool_.error(name, ErrorCode::NotSupported);
    const auto opened =
        process_.open(name, schema::file::kOpenWrite | schema::file::kOpenCreate | schema::file::kOpenExclusive, mode);
    if (!opened.ok()) return tool_.error(name, opened.error());
    const auto written = process_.write(*opened, entry.data);
    const auto closed = process_.close(*opened);
    if (!written.ok() || !closed.ok()) return tool_.error(name, written.ok() ? closed.error() : written.error());
  }
  constexpr u16 kMode = 1;
  constexpr u16 kModified = 8;
  const i64 modified_ns = static_cast<i64>(std::min<u64>(entry.modified_s, u64{1} << 33)) * 1'000'000'000;
  const auto changed = process_.change(
      name,
      {.mask = static_cast<u16>(kModified | (flags_.permissions ? kMode : 0)), .mode = mode, .modified = modified_ns});
  if (!changed.ok()) tool_.error(name, changed.error());
}

void Reader::run(std::string_view archive_name, std::string_view archive) {
  base::UstarReader reader(base::bytes_of(archive));
  for (;;) {
    const auto entry = reader.next();
    if (!entry.ok()) {
      return tool_.complain("{}: {}: at byte {}, {}", archive_name, fs::text_of(ErrorCode::DataCorrupted),
                            entry.error().offset, base::describe(entry.error().code));
    }
    if (!entry->has_value()) return;
    if (!wants((*entry)->name())) continue;
    if (flags_.action == 't') {
      list(**entry);
    } else {
      extract(**entry);
    }
  }
}

/// `tar czf F`, `tar -czf F`: letters in the first word; values follow in the words behind it.
bool take_flags(Tool& tool, Flags& flags, std::span<const std::string_view>& rest) {
  if (rest.empty()) {
    tool.bad_use("missing operand");
    return false;
  }
  std::string_view letters = rest[0];
  rest = rest.subspan(1);
  if (letters.starts_with("-")) letters.remove_prefix(1);
  for (const char letter : letters) {
    switch (letter) {
      case 'c':
      case 'x':
      case 't':
        if (flags.action != '\0') {
          tool.bad_use("only one of c, x, t");
          return false;
        }
        flags.action = letter;
        break;
      case 'v': flags.verbose = true; break;
      case 'z': flags.packed = true; break;
      case 'k': flags.keep = true; break;
      case 'p': flags.permissions = true; break;
      case 'f':
        if (rest.empty()) {
          tool.bad_use("missing value: -f");
          return false;
        }
        flags.file = rest[0];
        rest = rest.subspan(1);
        break;
      default: tool.bad_use("unknown option: -{}", std::string_view(&letter, 1)); return false;
    }
  }
  if (flags.action != '\0') return true;
  tool.bad_use("missing option: c, x or t");
  return false;
}

void create(Tool& tool, const Flags& flags, std::span<const std::string_view> names) {
  Process& process = tool.process();
  Result<Fd> file = tool.streams().out;
  if (flags.file != "-") {
    file = process.open(flags.file, schema::file::kOpenWrite | schema::file::kOpenCreate | schema::file::kOpenTruncate);
  }
  if (!file.ok()) return tool.error(flags.file, file.error());
  Output out(process, *file);
  OutputSink plain(out);
  constexpr u32 kLevel = 6;
  std::optional<GzipWriter> packed;
  if (flags.packed) packed.emplace(process, plain, kLevel, "");
  Writer writer(tool, flags.packed ? static_cast<ByteSink&>(*packed) : plain, flags.verbose);
  for (const std::string_view name : names) writer.add(base::String(tool.heap(), name), 0);
  writer.finish();
  if (flags.packed) packed->finish();
  if (!out.flush()) tool.error(flags.file, out.error());
  if (flags.file != "-") (void)process.close(*file).ok();
}

}  // namespace

i32 tar_main(Process& process) {
  Tool tool(
      process,
      "usage: tar {c|x|t}[vzkpf] [ARCHIVE] [NAME…]\n  c  make an archive\n  x  unpack one\n  t  list one\n  v  say "
      "what is done\n  z  packed by gzip (found by itself when read)\n  k  nothing is written over\n  p  modes as "
      "they are\n  f  the archive (default: standard input, output)");
  Flags flags;
  std::span<const std::string_view> rest = tool.args().subspan(1);
  if (rest.size() == 1 && rest[0] == "--help") {
    tool.out().format("{}\n", tool.usage());
    return tool.finish();
  }
  if (!take_flags(tool, flags, rest)) return kUsageStatus;
  if (flags.action == 'c') {
    if (rest.empty()) return tool.bad_use("missing operand");
    create(tool, flags, rest);
    return tool.finish();
  }
  const auto file =
      flags.file == "-" ? Result<Fd>(tool.streams().in) : process.open(flags.file, schema::file::kOpenRead);
  if (!file.ok()) {
    tool.error(flags.file, file.error());
    return tool.finish();
  }
  const auto archive = load(process, *file);
  if (flags.file != "-") (void)process.close(*file).ok();
  if (archive.ok()) {
    Reader(tool, flags, rest).run(flags.file, *archive);
  } else {
    tool.error(flags.file, archive.error());
  }
  return tool.finish();
}

}  // namespace user
