#include <map>
#include <optional>

#include "tests/fs/world.h"

using namespace fs;
using namespace fs::test;
using namespace schema::file;
using fs::test::D;

namespace {

class Random {
 public:
  explicit Random(u64 seed) : state_(seed * 0x9E3779B97F4A7C15u + 1) {}
  u64 operator()(u64 bound) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return (state_ >> 33) % bound;
  }

 private:
  u64 state_;
};

}  // namespace

TEST_CASE("data agrees with a string: writes, truncation, holes, punching", "[fs][ram][property]") {
  for (u64 seed = 0; seed < 60; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    World world;
    const u64 file = world.must_open("f", kOpenRead | kOpenWrite | kOpenCreate);
    std::string model;
    for (u32 step = 0; step < 80; ++step) {
      CAPTURE(step);
      const u64 offset = random(30'000);
      switch (random(4)) {
        case 0:
        case 1: {
          const std::string data(random(4097), static_cast<char>('a' + step % 26));
          REQUIRE(world.write(file, data, offset).ok());
          if (data.empty()) break;
          if (model.size() < offset + data.size()) model.resize(offset + data.size());
          model.replace(offset, data.size(), data);
          break;
        }
        case 2:
          REQUIRE(world.client.call<F::Truncate>(file, {.size = offset}).ok());
          model.resize(offset);
          break;
        default: {
          const u64 bytes = random(10'000);
          REQUIRE(world.client.call<F::Punch>(file, {.offset = offset, .bytes = bytes}).ok());
          for (u64 i = offset; i < offset + bytes && i < model.size(); ++i) model[i] = '\0';
          break;
        }
      }
      world.files.check_invariants();
      REQUIRE(world.client.call<F::Stat>(file, {}).value().stat.size == model.size());
      std::string content;
      while (content.size() < model.size()) content += world.read(file, 4096, content.size());
      const bool same = content == model;
      REQUIRE(same);
    }
  }
}

TEST_CASE("data and holes are found where they are", "[fs][ram]") {
  World world;
  const u64 file = world.must_open("f", kOpenRead | kOpenWrite | kOpenCreate);
  REQUIRE(world.write(file, "x", 3 * 4096 + 5).ok());
  REQUIRE(world.client.call<F::Truncate>(file, {.size = 10 * 4096}).ok());
  const auto seek = [&](i64 offset, Whence whence) {
    const auto answer = world.client.call<F::Seek>(file, {.offset = offset, .whence = whence});
    return answer.ok() ? static_cast<i64>(answer.value().position) : -1;
  };
  REQUIRE(seek(0, Whence::Hole) == 0);
  REQUIRE(seek(0, Whence::Data) == 3 * 4096);
  REQUIRE(seek(3 * 4096 + 7, Whence::Data) == 3 * 4096 + 7);
  REQUIRE(seek(3 * 4096, Whence::Hole) == 4 * 4096);
  REQUIRE(seek(4 * 4096, Whence::Data) == -1);
  REQUIRE(seek(10 * 4096, Whence::Hole) == -1);
  REQUIRE(world.client.call<F::Stat>(file, {}).value().stat.allocated == 4096);
}

TEST_CASE("the tree agrees with a map of paths, whatever is made, moved and removed", "[fs][ram][property]") {
  const char* const names[] = {"a", "b", "c", "a/a", "a/b", "b/a", "b/b", "a/a/a", "b/b/b"};
  for (u64 seed = 0; seed < 80; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    World world;
    std::map<std::string, bool> model;  // path → is a directory
    const auto parent_is_directory = [&](const std::string& path) {
      const auto slash = path.rfind('/');
      if (slash == std::string::npos) return true;
      const auto parent = model.find(path.substr(0, slash));
      return parent != model.end() && parent->second;
    };
    const auto has_children = [&](const std::string& path) {
      const auto next = model.upper_bound(path + "/");
      return next != model.end() && next->first.starts_with(path + "/");
    };
    for (u32 step = 0; step < 120; ++step) {
      const std::string path = names[random(9)];
      const std::string other = names[random(9)];
      CAPTURE(step, path, other);
      const bool exists = model.count(path) != 0;
      switch (random(4)) {
        case 0: {
          const auto made = world.client.call<D::Open>(
              world.root,
              {.path = path, .flags = kOpenRead | kOpenCreate | kOpenExclusive | kOpenDirectory, .mode = 0755});
          REQUIRE(made.ok() == (!exists && parent_is_directory(path)));
          if (made.ok()) model[path] = true;
          if (made.ok()) world.close(made.cap);
          break;
        }
        case 1: {
          const auto made = world.client.call<D::Open>(
              world.root, {.path = path, .flags = kOpenWrite | kOpenCreate | kOpenExclusive, .mode = 0644});
          REQUIRE(made.ok() == (!exists && parent_is_directory(path)));
          if (made.ok()) model[path] = false;
          if (made.ok()) world.close(made.cap);
          break;
        }
        case 2: {
          const bool as_directory = random(2) == 0;
          const auto removed = world.client.call<D::Remove>(world.root, {.path = path, .directory = as_directory});
          const bool expected = exists && model[path] == as_directory && !has_children(path);
          if (!exists) model.erase(path);
          REQUIRE(removed.ok() == expected);
          if (expected) model.erase(path);
          break;
        }
        default: {
          const auto moved = world.client.call<D::Rename>(
              world.root, {.from = path, .into = schema::CapIndex::of(0), .to = other}, {world.root});
          bool expected = exists && parent_is_directory(other) && !(other + "/").starts_with(path + "/");
          const auto target = model.find(other);
          if (expected && target != model.end()) {
            expected = target->second == model[path] && !has_children(other);
          }
          if (path == other) expected = exists;  // nothing to do
          REQUIRE(moved.ok() == expected);
          if (!expected || path == other) break;
          std::map<std::string, bool> next;
          for (const auto& [name, directory] : model) {
            if (name == path || name.starts_with(path + "/")) {
              next[other + name.substr(path.size())] = directory;
            } else if (name != other) {
              next[name] = directory;
            }
          }
          model = next;
          break;
        }
      }
      world.files.check_invariants();
      for (const char* name : names) {
        const auto facts = world.client.call<D::Stat>(world.root, {.path = name});
        const auto expected = model.find(name);
        REQUIRE(facts.ok() == (expected != model.end()));
        if (facts.ok()) REQUIRE((facts.value().stat.kind == Kind::Directory) == expected->second);
      }
    }
  }
}

TEST_CASE("a full file system says so, keeps what it has, and has room again after a removal", "[fs][ram]") {
  World world({.bytes_max = 3 * 4096, .nodes_max = 4});
  world.put("a", std::string(4096, 'a'));
  world.put("b", std::string(4096, 'b'));
  const u64 file = world.must_open("c", kOpenRead | kOpenWrite | kOpenCreate);
  REQUIRE(world.open_error(world.root, "d", kOpenWrite | kOpenCreate) == ErrorCode::NoSpaceLeft);  // nodes
  const auto partly = world.write(file, std::string(4096, 'c'), 100);
  REQUIRE(partly.ok());
  REQUIRE(partly.value().count == 4096 - 100);  // what fitted
  REQUIRE(world.write(file, "more", 4096).error == ErrorCode::NoSpaceLeft);
  const u64 appender = world.must_open("c", kOpenAppend);
  REQUIRE(world.write(appender, "more").error == ErrorCode::NoSpaceLeft);
  REQUIRE(world.client.call<F::Stat>(file, {}).value().stat.size == 4096);
  REQUIRE(world.client.call<D::Space>(world.root, {}).value().space.free == 0);
  REQUIRE(world.client.call<D::Remove>(world.root, {.path = "a"}).ok());
  REQUIRE(world.write(file, "more", 4096).ok());
  world.files.check_invariants();
}

TEST_CASE("an allocation that fails changes nothing, whichever it is", "[fs][ram][sweep]") {
  for (u32 n = 0; n < 40; ++n) {
    CAPTURE(n);
    World world;
    world.mkdir("d");
    world.put("d/f", "old");
    const u64 file = world.must_open("d/f", kOpenRead | kOpenWrite);
    const u64 other = world.must_open("d/g", kOpenWrite | kOpenCreate);
    world.memory.budget_blocks = n;
    world.client.call<D::Symlink>(world.root, {.path = "l", .target = "t"});
    world.client.call<D::Rename>(world.root, {.from = "d/f", .into = schema::CapIndex::of(0), .to = "h"}, {world.root});
    world.write(other, "new");
    world.client.call<D::Open>(world.root, {.path = "d/k", .flags = kOpenWrite | kOpenCreate, .mode = 0600});
    world.memory.budget_blocks = ~u64{0};
    world.files.check_invariants();
    REQUIRE(world.read(file, 100, 0) == "old");
  }
}

TEST_CASE("versions and times move with the content, set-id bits go with a write", "[fs][ram]") {
  World world;
  const u64 file = world.must_open("f", kOpenRead | kOpenWrite | kOpenCreate, 0755);
  REQUIRE(world.client.call<F::Wstat>(file, {.change = {.mask = kChangeMode, .mode = 06755}}).ok());
  const auto before = world.client.call<F::Stat>(file, {}).value().stat;
  REQUIRE(before.mode == 06755);
  REQUIRE(world.write(file, "x").ok());
  const auto after = world.client.call<F::Stat>(file, {}).value().stat;
  REQUIRE(after.mode == 0755);
  REQUIRE(after.version > before.version);
  REQUIRE(after.modified > before.modified);
  REQUIRE(after.created == before.created);
  const u32 directory_version = world.client.call<D::Stat>(world.root, {}).value().stat.version;
  world.put("g", "");
  REQUIRE(world.client.call<D::Stat>(world.root, {}).value().stat.version > directory_version);
  REQUIRE(world.client.call<F::Wstat>(file, {.change = {.mask = kChangeModified, .modified = 5}}).ok());
  REQUIRE(world.client.call<F::Stat>(file, {}).value().stat.modified == 5);
}

TEST_CASE("a read-only file system refuses every change", "[fs][ram]") {
  World world({.read_only = true});
  REQUIRE(world.open_error(world.root, "f", kOpenWrite | kOpenCreate) == ErrorCode::ReadOnly);
  REQUIRE(world.client.call<D::Symlink>(world.root, {.path = "l", .target = "t"}).error == ErrorCode::ReadOnly);
  REQUIRE(world.client.call<D::Wstat>(world.root, {.change = {.mask = kChangeMode, .mode = 0}}).error ==
          ErrorCode::ReadOnly);
  REQUIRE(world.client.call<D::Space>(world.root, {}).value().space.read_only);
}
