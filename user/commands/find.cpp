// user/commands/find.cpp — find (POSIX.1-2017 XCU), with -maxdepth, -mindepth, -empty, -delete, -print0, -mmin.
#include "base/glob.h"
#include "user/lib/accounts.h"
#include "user/lib/run.h"

#include "base/enforce.h"

namespace user {
namespace {

using schema::file::Kind;

constexpr std::string_view kUsage =
    "usage: find [PATH…] [EXPRESSION]\n  -name, -path GLOB   by name, by path\n  -type f|d|l|p|s|b|c\n"
    "  -size [+-]N[ckM]    of 512, 1, 1024, 1048576 bytes\n  -mtime, -mmin [+-]N  changed N days, minutes ago\n"
    "  -newer FILE  -perm [-]MODE  -user NAME  -group NAME  -empty\n  -maxdepth N  -mindepth N  -xdev  -prune\n"
    "  -print  -print0  -delete  -exec COMMAND… \\;  -exec COMMAND… {} +\n  ! -a -o ( )";
constexpr u32 kDepthMax = 128;               // of directories
constexpr u32 kNestingMax = 64;              // of parentheses and !
constexpr u64 kArgumentBytesMax = 64 << 10;  // of one command of -exec … +
constexpr i64 kSecondsPerDay = 86'400;

enum class Test : u8 {
  And,
  Or,
  Not,
  True,
  Name,
  Path,
  Type,
  Size,
  Age,
  Newer,
  Perm,
  User,
  Group,
  Empty,
  Prune,
  Print,
  Print0,
  Delete,
  Exec,
  ExecMany,
};

struct Node {
  Test test = Test::True;
  i32 left = -1;  // And, Or, Not
  i32 right = -1;
  std::string_view text{};
  i8 compare = 0;  // −1: less, 1: more, 0: as much
  bool all_bits = false;
  u64 number = 0;
  u64 unit = 1;  // bytes of -size, seconds of -mtime and -mmin
  i64 moment_ns = 0;
  std::span<const std::string_view> command{};
  base::Vector<base::String> waiting;  // ExecMany: paths for the next command
  explicit Node(base::Allocator& heap) : waiting(heap) {}
};

struct File {
  const base::String& path;
  std::string_view name;
  FileStat facts;
  bool prune = false;
};

class Find {
 public:
  Find(Tool& tool, std::span<const std::string_view> words)
      : tool_(tool), process_(tool.process()), words_(words), nodes_(tool.heap()) {}

  /// The expression. False: told.
  bool parse();
  void walk(std::string_view path);
  void finish();

 private:
  i32 add(Test test);
  std::string_view next_word() { return at_ < words_.size() ? words_[at_] : std::string_view(); }
  i32 parse_or(u32 depth);
  i32 parse_and(u32 depth);
  i32 parse_primary(u32 depth);
  bool parse_count(Node& node, std::string_view text, bool is_size);
  i32 bad(std::string_view what, std::string_view word) {
    tool_.bad_use("{}: {}", what, word);
    failed_ = true;
    return -1;
  }
  void visit(base::String& path, u32 depth, u32 device);
  bool holds(i32 index, File& file);
  bool holds_size(const Node& node, u64 value) const {
    return node.compare < 0 ? value < node.number : node.compare > 0 ? value > node.number : value == node.number;
  }
  bool is_empty(const File& file);
  bool remove(const File& file);
  bool run_one(const Node& node, const File& file);
  void run_many(Node& node);

  Tool& tool_;
  Process& process_;
  std::span<const std::string_view> words_;
  u64 at_ = 0;
  base::Vector<Node> nodes_;
  i32 root_ = -1;
  bool acts_ = false;  // -print and its like: no implied one
  bool failed_ = false;
  bool depth_first_ = false;
  bool one_device_ = false;
  u64 depth_max_ = kDepthMax;
  u64 depth_min_ = 0;
};

i32 Find::add(Test test) {
  nodes_.emplace_back(tool_.heap());
  nodes_.back().test = test;
  return static_cast<i32>(nodes_.size() - 1);
}

bool Find::parse() {
  if (words_.empty()) {
    root_ = add(Test::True);
  } else {
    root_ = parse_or(0);
    if (!failed_ && at_ < words_.size()) bad("unexpected", next_word());
  }
  if (failed_) return false;
  if (acts_) return true;
  const i32 print = add(Test::Print);
  const i32 both = add(Test::And);
  nodes_[static_cast<u32>(both)].left = root_;
  nodes_[static_cast<u32>(both)].right = print;
  root_ = both;
  return true;
}

i32 Find::parse_or(u32 depth) {
  i32 left = parse_and(depth);
  while (!failed_ && (next_word() == "-o" || next_word() == "-or")) {
    at_ += 1;
    const i32 right = parse_and(depth);
    const i32 node = add(Test::Or);
    nodes_[static_cast<u32>(node)].left = left;
    nodes_[static_cast<u32>(node)].right = right;
    left = node;
  }
  return left;
}

i32 Find::parse_and(u32 depth) {
  i32 left = parse_primary(depth);
  for (;;) {
    const std::string_view word = next_word();
    if (failed_ || word.empty() || word == "-o" || word == "-or" || word == ")") return left;
    if (word == "-a" || word == "-and") at_ += 1;
    const i32 right = parse_primary(depth);
    const i32 node = add(Test::And);
    nodes_[static_cast<u32>(node)].left = left;
    nodes_[static_cast<u32>(node)].right = right;
    left = node;
  }
}

/// `[+-]N`, for -size with a unit; rounded up to whole units when compared.
bool Find::parse_count(Node& node, std::string_view text, bool is_size) {
  const std::string_view whole = text;
  if (text.starts_with("+") || text.starts_with("-")) {
    node.compare = text[0] == '+' ? 1 : -1;
    text.remove_prefix(1);
  }
  if (is_size && !text.empty()) {
    constexpr u64 kBlock = 512;
    node.unit = kBlock;
    switch (text.back()) {
      case 'c': node.unit = 1; break;
      case 'k': node.unit = 1 << 10; break;
      case 'M': node.unit = 1 << 20; break;
      case 'G': node.unit = 1 << 30; break;
      case 'b': break;
      default: text = {text.data(), text.size() + 1}; break;  // no unit: nothing is cut off below
    }
    text.remove_suffix(1);
  }
  const auto value = base::parse_u64(text);
  if (!value.ok()) {
    bad("bad number", whole);
    return false;
  }
  node.number = *value;
  return true;
}

i32 Find::parse_primary(u32 depth) {
  if (at_ == words_.size()) return bad("missing operand behind", words_[at_ - 1]);
  const std::string_view word = words_[at_++];
  if (depth == kNestingMax) return bad("nesting too deep", word);
  if (word == "!" || word == "-not") {
    const i32 inner = parse_primary(depth + 1);
    const i32 node = add(Test::Not);
    nodes_[static_cast<u32>(node)].left = inner;
    return node;
  }
  if (word == "(") {
    const i32 inner = parse_or(depth + 1);
    if (failed_) return -1;
    if (next_word() != ")") return bad("missing", ")");
    at_ += 1;
    return inner;
  }
  struct Simple {
    std::string_view name;
    Test test;
    bool acts;
  };
  static constexpr Simple kSimple[] = {{"-empty", Test::Empty, false},  {"-prune", Test::Prune, false},
                                       {"-print", Test::Print, true},   {"-print0", Test::Print0, true},
                                       {"-delete", Test::Delete, true}, {"-true", Test::True, false}};
  for (const Simple& simple : kSimple) {
    if (word != simple.name) continue;
    acts_ = acts_ || simple.acts;
    depth_first_ = depth_first_ || simple.test == Test::Delete;
    return add(simple.test);
  }
  if (word == "-xdev" || word == "-mount" || word == "-depth") {
    (word == "-depth" ? depth_first_ : one_device_) = true;
    return add(Test::True);
  }
  if (word == "-exec") {
    const u64 start = at_;
    while (at_ < words_.size() && words_[at_] != ";" && !(words_[at_] == "+" && at_ > start && words_[at_ - 1] == "{}"))
      at_ += 1;
    if (at_ == words_.size() || at_ == start) return bad("missing", at_ == start ? "command of -exec" : ";");
    const bool many = words_[at_] == "+";
    const i32 index = add(many ? Test::ExecMany : Test::Exec);
    nodes_[static_cast<u32>(index)].command = words_.subspan(start, at_ - start);
    at_ += 1;
    acts_ = true;
    return index;
  }
  struct Valued {
    std::string_view name;
    Test test;
  };
  static constexpr Valued kValued[] = {{"-name", Test::Name},   {"-path", Test::Path},     {"-type", Test::Type},
                                       {"-size", Test::Size},   {"-mtime", Test::Age},     {"-mmin", Test::Age},
                                       {"-newer", Test::Newer}, {"-perm", Test::Perm},     {"-user", Test::User},
                                       {"-group", Test::Group}, {"-maxdepth", Test::True}, {"-mindepth", Test::True}};
  const Valued* valued = nullptr;
  for (const Valued& each : kValued) {
    if (each.name == word) valued = &each;
  }
  if (valued == nullptr) return bad(word.starts_with("-") ? "unknown option" : "unexpected", word);
  if (at_ == words_.size()) return bad("missing value", word);
  const std::string_view value = words_[at_++];
  const i32 index = add(valued->test);
  Node& node = nodes_[static_cast<u32>(index)];
  node.text = value;
  switch (valued->test) {
    case Test::True: {
      const auto number = base::parse_u64(value);
      if (!number.ok()) return bad("bad number", value);
      (word == "-maxdepth" ? depth_max_ : depth_min_) = std::min<u64>(*number, kDepthMax);
      break;
    }
    case Test::Type:
      if (value.size() != 1 || std::string_view("fdlpsbc").find(value[0]) == std::string_view::npos)
        return bad("bad type", value);
      break;
    case Test::Size:
      if (!parse_count(node, value, true)) return -1;
      break;
    case Test::Age:
      if (!parse_count(node, value, false)) return -1;
      node.unit = word == "-mtime" ? kSecondsPerDay : 60;
      break;
    case Test::Newer: {
      const auto facts = process_.stat(value);
      if (!facts.ok()) {
        tool_.error(value, facts.error());
        failed_ = true;
        return -1;
      }
      node.moment_ns = facts->modified_ns;
      break;
    }
    case Test::Perm: {
      node.all_bits = value.starts_with("-");
      const auto mode = base::parse_u64(node.all_bits ? value.substr(1) : value, 8);
      if (!mode.ok() || *mode > 07777) return bad("bad mode", value);
      node.number = *mode;
      break;
    }
    case Test::User:
    case Test::Group: {
      Accounts accounts(process_);
      const auto number = base::parse_u64(value);
      const auto user = accounts.find_user(value);
      const auto group = accounts.find_group(value);
      const bool by_name = valued->test == Test::User ? user.ok() : group.ok();
      if (!by_name && !number.ok()) {
        tool_.error(value, Error(ErrorCode::NotFound));
        failed_ = true;
        return -1;
      }
      node.number = !by_name ? *number : valued->test == Test::User ? user->uid : *group;
      break;
    }
    default: break;
  }
  return index;
}

bool Find::is_empty(const File& file) {
  if (file.facts.kind == Kind::File) return file.facts.size == 0;
  if (file.facts.kind != Kind::Directory) return false;
  const auto entries = process_.list(file.path);
  return entries.ok() && entries->empty();
}

bool Find::remove(const File& file) {
  if (file.path == ".") return true;
  const auto removed =
      file.facts.kind == Kind::Directory ? process_.remove_directory(file.path) : process_.remove(file.path);
  if (!removed.ok()) tool_.error(file.path, removed.error());
  return removed.ok();
}

/// Each `{}` of the command is the path, also inside a word.
bool Find::run_one(const Node& node, const File& file) {
  base::Vector<base::String> made(tool_.heap());
  base::Vector<std::string_view> words(tool_.heap());
  for (std::string_view word : node.command) {
    base::String& text = made.emplace_back(tool_.heap());
    for (u64 at = word.find("{}"); at != std::string_view::npos; at = word.find("{}")) {
      text.append(word.substr(0, at)).append(file.path.view());
      word.remove_prefix(at + 2);
    }
    text.append(word);
  }
  for (const base::String& word : made) words.push_back(word.view());
  tool_.out().flush();
  const i32 before = tool_.status();
  const i32 status = run_command(tool_, {.args = words.span()});
  tool_.set_status(before != 0 || status < kNotRunnableStatus ? before : 1);  // one that cannot be run is told already
  return status == 0;
}

void Find::run_many(Node& node) {
  if (node.waiting.empty()) return;
  base::Vector<std::string_view> words(tool_.heap());
  for (const std::string_view word : node.command.first(node.command.size() - 1)) words.push_back(word);  // not its {}
  for (const base::String& path : node.waiting) words.push_back(path.view());
  tool_.out().flush();
  if (run_command(tool_, {.args = words.span()}) != 0) tool_.set_status(1);
  node.waiting.clear();
  node.number = 0;
}

bool Find::holds(i32 index, File& file) {
  Node& node = nodes_[static_cast<u32>(index)];
  process_.work(1);
  switch (node.test) {
    case Test::And: return holds(node.left, file) && holds(node.right, file);
    case Test::Or: return holds(node.left, file) || holds(node.right, file);
    case Test::Not: return !holds(node.left, file);
    case Test::True: return true;
    case Test::Name: return base::glob_matches(node.text, file.name);
    case Test::Path: return base::glob_matches(node.text, file.path);
    case Test::Type: {
      static constexpr std::string_view kLetters = "fdlpcccpsbc";  // in the order of schema::file::Kind
      const u64 kind = static_cast<u64>(file.facts.kind);
      return kind < kLetters.size() && kLetters[kind] == node.text[0];
    }
    case Test::Size: return holds_size(node, (file.facts.size + node.unit - 1) / node.unit);
    case Test::Age: {
      const i64 age_ns = std::max<i64>(process_.wall_ns() - file.facts.modified_ns, 0);
      return holds_size(node, static_cast<u64>(age_ns) / (node.unit * 1'000'000'000));
    }
    case Test::Newer: return file.facts.modified_ns > node.moment_ns;
    case Test::Perm:
      return node.all_bits ? (file.facts.mode & node.number) == node.number : file.facts.mode == node.number;
    case Test::User: return file.facts.uid == node.number;
    case Test::Group: return file.facts.gid == node.number;
    case Test::Empty: return is_empty(file);
    case Test::Prune: file.prune = true; return true;
    case Test::Print: tool_.out().format("{}\n", file.path); return true;
    case Test::Print0:
      tool_.out().text(file.path);
      tool_.out().character('\0');
      return true;
    case Test::Delete: return remove(file);
    case Test::Exec: return run_one(node, file);
    case Test::ExecMany:
      if (node.number + file.path.size() > kArgumentBytesMax) run_many(node);
      node.number += file.path.size() + 1;
      node.waiting.push_back(file.path.clone());
      return true;
  }
  return false;
}

void Find::visit(base::String& path, u32 depth, u32 device) {
  const auto facts = process_.stat(path, FollowLinks::No);
  if (!facts.ok()) return tool_.error(path, facts.error());
  std::string_view name = path.view();
  while (name.size() > 1 && name.ends_with("/")) name.remove_suffix(1);
  if (name != "/") name = name.substr(name.rfind('/') + 1);
  File file{.path = path, .name = name, .facts = *facts};
  if (depth == 0) device = facts->device;
  if (!depth_first_ && depth >= depth_min_) static_cast<void>(holds(root_, file));
  const bool enters = facts->kind == Kind::Directory && !file.prune && depth < depth_max_ &&
                      !(one_device_ && facts->device != device) && !tool_.out().failed();
  if (enters) {
    const auto entries = process_.list(path);
    if (!entries.ok()) tool_.error(path, entries.error());
    const u64 size = path.size();
    for (u64 i = 0; entries.ok() && i < entries->size(); ++i) {
      if (!path.ends_with("/")) path.push('/');
      path.append((*entries)[i].name.view());
      visit(path, depth + 1, device);
      path.truncate(size);
    }
  }
  if (depth_first_ && depth >= depth_min_) static_cast<void>(holds(root_, file));
}

void Find::walk(std::string_view path) {
  base::String whole(tool_.heap(), path);
  visit(whole, 0, 0);
}

void Find::finish() {
  for (Node& node : nodes_) {
    if (node.test == Test::ExecMany) run_many(node);
  }
}

}  // namespace

i32 find_main(Process& process) {
  Tool tool(process, kUsage);
  auto words = tool.args().subspan(1);
  if (words.size() == 1 && words[0] == "--help") {
    tool.out().format("{}\n", tool.usage());
    return tool.finish();
  }
  u64 paths = 0;
  while (paths < words.size() && !words[paths].starts_with("-") && words[paths] != "!" && words[paths] != "(")
    paths += 1;
  Find find(tool, words.subspan(paths));
  if (!find.parse()) return tool.finish();
  if (paths == 0) find.walk(".");
  for (const std::string_view path : words.first(paths)) find.walk(path);
  find.finish();
  return tool.finish();
}

}  // namespace user
