// Drives the framework and the file system in memory together, as a client sees them.
#include <set>

#include "tests/fs/world.h"

using namespace fs;
using namespace fs::test;
using namespace schema::file;
using fs::test::D;

TEST_CASE("what was written is read back, and reading past the end is no error", "[fs][server][ram]") {
  World world;
  world.put("a", "hello");
  const u64 file = world.must_open("a", kOpenRead);
  REQUIRE(world.read(file) == "hello");
  REQUIRE(world.read(file) == "");
  REQUIRE(world.read(file, 3, 1) == "ell");
  REQUIRE(world.read(file, 10, 1'000'000) == "");
  REQUIRE(world.read(file, 10, u64{1} << 63) == "");
}

TEST_CASE("one position serves reads and writes, explicit offsets leave it alone, append moves it to the end",
          "[fs][server][ram]") {
  World world;
  const u64 file = world.must_open("a", kOpenRead | kOpenWrite | kOpenCreate);
  REQUIRE(world.write(file, "abcdef").value().position == 6);
  REQUIRE(world.client.call<F::Seek>(file, {.offset = -4, .whence = Whence::End}).value().position == 2);
  REQUIRE(world.read(file, 2) == "cd");
  REQUIRE(world.write(file, "X", 0).ok());
  REQUIRE(world.read(file) == "ef");
  const u64 appender = world.must_open("a", kOpenAppend);
  REQUIRE(world.write(appender, "GH", 0).value().position == 8);
  REQUIRE(world.read(file, 100, 0) == "XbcdefGH");
  REQUIRE(world.client.call<F::Seek>(file, {.offset = -9, .whence = Whence::End}).error == ErrorCode::BadArgument);
}

TEST_CASE("truncation keeps the first bytes and growth reads as zero bytes", "[fs][server][ram]") {
  World world;
  const u64 file = world.must_open("t", kOpenRead | kOpenWrite | kOpenCreate);
  REQUIRE(world.write(file, "1234567890").ok());
  REQUIRE(world.client.call<F::Truncate>(file, {.size = 4}).ok());
  REQUIRE(world.client.call<F::Truncate>(file, {.size = 6}).ok());
  REQUIRE(world.read(file, 100, 0) == std::string("1234\0\0", 6));
  const u64 reader = world.must_open("t", kOpenRead);
  REQUIRE(world.client.call<F::Truncate>(reader, {.size = 0}).error == ErrorCode::BadFileDescriptor);
}

TEST_CASE("opening follows the flags: create, exclusive, truncate, directory", "[fs][server][open]") {
  World world;
  REQUIRE(world.open_error(world.root, "none", kOpenRead) == ErrorCode::NotFound);
  world.put("f", "x");
  world.mkdir("d");
  REQUIRE(world.open_error(world.root, "f", kOpenWrite | kOpenCreate | kOpenExclusive) == ErrorCode::AlreadyExists);
  REQUIRE(world.open_error(world.root, "d", kOpenCreate | kOpenExclusive | kOpenDirectory) == ErrorCode::AlreadyExists);
  REQUIRE(world.open_error(world.root, "f", kOpenRead | kOpenDirectory) == ErrorCode::NotADirectory);
  REQUIRE(world.open_error(world.root, "d", kOpenWrite) == ErrorCode::IsADirectory);
  REQUIRE(world.open_error(world.root, "f/x", kOpenRead) == ErrorCode::NotADirectory);
  REQUIRE(world.open_error(world.root, "none/x", kOpenWrite | kOpenCreate) == ErrorCode::NotFound);
  REQUIRE(world.open_error(world.root, "f", 0x8000) == ErrorCode::BadArgument);
  for (const std::string_view bad : {".", "..", "d//b", "d/", "d/.", "../x"}) {
    CAPTURE(bad);
    REQUIRE(world.open_error(world.root, bad, kOpenRead) == ErrorCode::BadFileName);
  }
  REQUIRE(world.open_error(world.root, std::string(256, 'n'), kOpenWrite | kOpenCreate) == ErrorCode::NameTooLong);
  const u64 write_only = world.must_open("f", kOpenWrite);
  REQUIRE(world.client.call<F::Read>(write_only, {.count = 1}).error == ErrorCode::BadFileDescriptor);
  const u64 directory = world.must_open("d", kOpenRead);
  REQUIRE(world.client.call<F::Read>(directory, {.count = 1}).error == ErrorCode::IsADirectory);
}

TEST_CASE("a link on the way is answered with its place and target", "[fs][server][walk]") {
  World world;
  world.mkdir("d");
  REQUIRE(world.client.call<D::Symlink>(world.root, {.path = "d/l", .target = "/etc/passwd"}).ok());
  const auto answer = world.client.call<D::Open>(world.root, {.path = "d/l/more", .flags = kOpenRead});
  REQUIRE(answer.error == ErrorCode::Link);
  REQUIRE(answer.consumed == 2);
  REQUIRE(answer.target == "/etc/passwd");
  REQUIRE(world.client.call<D::Readlink>(world.root, {.path = "d/l"}).value().target == "/etc/passwd");
  REQUIRE(world.client.call<D::Stat>(world.root, {.path = "d/l", .no_follow = true}).value().stat.kind == Kind::Link);
  REQUIRE(world.client.call<D::Stat>(world.root, {.path = "d/l"}).error == ErrorCode::Link);
  REQUIRE(world.open_error(world.root, "d/l", kOpenRead | kOpenNoFollow) == ErrorCode::TooManyLinks);
  REQUIRE(world.client.call<D::Remove>(world.root, {.path = "d/l"}).ok());
}

TEST_CASE("a removed file stays readable and writable until its last close", "[fs][server][ram]") {
  World world;
  world.put("o", "keep");
  const u64 file = world.must_open("o", kOpenRead | kOpenWrite);
  REQUIRE(world.client.call<F::Share>(file, {}).ok());
  REQUIRE(world.client.call<D::Remove>(world.root, {.path = "o"}).ok());
  REQUIRE(world.open_error(world.root, "o", kOpenRead) == ErrorCode::NotFound);
  world.close(file);
  REQUIRE(world.read(file) == "keep");
  REQUIRE(world.write(file, "!").ok());
  REQUIRE(world.client.call<F::Stat>(file, {}).value().stat.links == 0);
  const u64 nodes_before = world.files.space()->files_free;
  world.close(file);
  REQUIRE(world.files.space()->files_free == nodes_before + 1);
  REQUIRE(world.client.call<F::Read>(file, {.count = 1}).error == ErrorCode::AccessRevoked);
  world.files.check_invariants();
}

TEST_CASE("remove on close takes the name with the last holder, unless it means another file by then",
          "[fs][server][open]") {
  World world;
  world.close(world.must_open("tmp", kOpenWrite | kOpenCreate | kOpenRemoveOnClose));
  REQUIRE(world.open_error(world.root, "tmp", kOpenRead) == ErrorCode::NotFound);
  const u64 second = world.must_open("tmp", kOpenWrite | kOpenCreate | kOpenRemoveOnClose);
  REQUIRE(world.client.call<D::Remove>(world.root, {.path = "tmp"}).ok());
  world.put("tmp", "another");
  world.close(second);
  REQUIRE(world.open_error(world.root, "tmp", kOpenRead) == ErrorCode::None);
}

TEST_CASE("rename replaces atomically and refuses what makes no sense", "[fs][server][ram]") {
  World world;
  world.put("x", "1");
  world.put("y", "2");
  world.mkdir("d");
  world.mkdir("d/sub");
  world.mkdir("e");
  const auto rename = [&](std::string_view from, std::string_view to, u8 flags = 0) {
    const auto answer = world.client.call<D::Rename>(
        world.root, {.from = from, .into = schema::CapIndex::of(0), .to = to, .flags = flags}, {world.root});
    world.files.check_invariants();
    return answer.error;
  };
  REQUIRE(rename("x", "y", kRenameNoReplace) == ErrorCode::AlreadyExists);
  REQUIRE(rename("x", "y") == ErrorCode::None);
  REQUIRE(world.open_error(world.root, "x", kOpenRead) == ErrorCode::NotFound);
  REQUIRE(world.read(world.must_open("y", kOpenRead)) == "1");
  REQUIRE(rename("d", "d/sub/d") == ErrorCode::InsideItself);
  REQUIRE(rename("e", "d") == ErrorCode::DirectoryNotEmpty);
  REQUIRE(rename("e", "y") == ErrorCode::NotADirectory);
  REQUIRE(rename("y", "e") == ErrorCode::IsADirectory);
  REQUIRE(rename("d/sub", "e") == ErrorCode::None);
  REQUIRE(rename("none", "z") == ErrorCode::NotFound);
  REQUIRE(rename("y", "e/y") == ErrorCode::None);
  world.put("q", "q");
  REQUIRE(rename("q", "e/y", kRenameExchange) == ErrorCode::None);
  REQUIRE(world.read(world.must_open("q", kOpenRead)) == "1");
  REQUIRE(world.read(world.must_open("e/y", kOpenRead)) == "q");
}

TEST_CASE("a directory of another server is refused as such", "[fs][server][hostile]") {
  World world;
  world.put("x", "1");
  const D::Rename::Request request{.from = "x", .into = schema::CapIndex::of(0), .to = "y"};
  REQUIRE(world.client.call<D::Rename>(world.root, request, {}, true).error == ErrorCode::DifferentServers);
  REQUIRE(world.client.call<D::Rename>(world.root, request).error == ErrorCode::ProtocolError);
}

TEST_CASE("hard links count, and the data lives with the last name", "[fs][server][ram]") {
  World world;
  world.put("a", "data");
  const D::Link::Request request{.from = "a", .into = schema::CapIndex::of(0), .to = "b"};
  REQUIRE(world.client.call<D::Link>(world.root, request, {world.root}).ok());
  REQUIRE(world.client.call<D::Stat>(world.root, {.path = "b"}).value().stat.links == 2);
  REQUIRE(world.client.call<D::Remove>(world.root, {.path = "a"}).ok());
  REQUIRE(world.read(world.must_open("b", kOpenRead)) == "data");
  world.mkdir("d");
  const D::Link::Request directory{.from = "d", .into = schema::CapIndex::of(0), .to = "e"};
  REQUIRE(world.client.call<D::Link>(world.root, directory, {world.root}).error == ErrorCode::OperationNotPermitted);
}

TEST_CASE("permissions are those of the identity bound to the session", "[fs][server][permission]") {
  World world({.root_mode = 01777});
  const u64 ann = world.client.attach({.uid = 1000, .gid = 100});
  const u64 bob = world.client.attach({.uid = 1001, .gid = 100});
  const auto mine = world.client.call<D::Open>(ann, {.path = "f", .flags = kOpenWrite | kOpenCreate, .mode = 0600});
  REQUIRE(mine.ok());
  const auto stat = world.client.call<F::Stat>(mine.cap, {}).value().stat;
  REQUIRE(stat.uid == 1000);
  REQUIRE(stat.gid == 100);
  REQUIRE(world.open_error(bob, "f", kOpenRead) == ErrorCode::PermissionDenied);
  REQUIRE(world.open_error(world.root, "f", kOpenRead | kOpenWrite) == ErrorCode::None);
  REQUIRE(world.open_error(ann, "f", kOpenExecute) == ErrorCode::PermissionDenied);
  REQUIRE(world.open_error(world.root, "f", kOpenExecute) == ErrorCode::PermissionDenied);
  REQUIRE(world.client.call<D::Remove>(bob, {.path = "f"}).error == ErrorCode::OperationNotPermitted);  // sticky
  const Change open_up{.mask = kChangeMode, .mode = 0644};
  REQUIRE(world.client.call<D::Wstat>(bob, {.path = "f", .change = open_up}).error == ErrorCode::OperationNotPermitted);
  REQUIRE(world.client.call<D::Wstat>(ann, {.path = "f", .change = open_up}).ok());
  const auto reader = world.client.call<D::Open>(bob, {.path = "f", .flags = kOpenRead});
  REQUIRE(reader.ok());
  const Change close_down{.mask = kChangeMode, .mode = 0};
  REQUIRE(world.client.call<D::Wstat>(ann, {.path = "f", .change = close_down}).ok());
  REQUIRE(world.client.call<F::Read>(reader.cap, {.count = 1}).ok());  // an open stays good after a chmod
  const Change give_away{.mask = kChangeUid, .uid = 1001};
  REQUIRE(world.client.call<D::Wstat>(ann, {.path = "f", .change = give_away}).error ==
          ErrorCode::OperationNotPermitted);
}

TEST_CASE("a directory with set-gid hands its group down", "[fs][server][permission]") {
  World world;
  world.mkdir("d", 02777);
  REQUIRE(world.client.call<D::Wstat>(world.root, {.path = "d", .change = {.mask = kChangeGid, .gid = 7}}).ok());
  const u64 ann = world.client.attach({.uid = 1000, .gid = 100});
  const auto file = world.client.call<D::Open>(ann, {.path = "d/f", .flags = kOpenCreate | kOpenWrite, .mode = 0644});
  REQUIRE(world.client.call<F::Stat>(file.cap, {}).value().stat.gid == 7);
  const auto made = world.client.call<D::Open>(
      ann, {.path = "d/e", .flags = kOpenCreate | kOpenDirectory | kOpenExclusive, .mode = 0755});
  const auto stat = world.client.call<F::Stat>(made.cap, {}).value().stat;
  REQUIRE(stat.gid == 7);
  REQUIRE(stat.mode == 02755);
}

TEST_CASE("a walk with fewer rights gives a directory that can never regain them", "[fs][server][walk]") {
  World world;
  world.mkdir("d");
  world.put("d/f", "x");
  const auto walked = world.client.call<D::Walk>(world.root, {.path = "d", .rights = kRightRead | kRightWalk});
  REQUIRE(walked.ok());
  REQUIRE(world.open_error(walked.cap, "f", kOpenRead) == ErrorCode::None);
  REQUIRE(world.open_error(walked.cap, "f", kOpenWrite) == ErrorCode::ReadOnly);
  REQUIRE(world.open_error(walked.cap, "new", kOpenWrite | kOpenCreate) == ErrorCode::ReadOnly);
  REQUIRE(world.client.call<D::Remove>(walked.cap, {.path = "f"}).error == ErrorCode::ReadOnly);
  const auto again = world.client.call<D::Walk>(walked.cap, {.path = "", .rights = 7});
  REQUIRE(world.open_error(again.cap, "f", kOpenWrite) == ErrorCode::ReadOnly);
  const auto blind = world.client.call<D::Walk>(world.root, {.path = "d", .rights = kRightRead});
  REQUIRE(world.open_error(blind.cap, "f", kOpenRead) == ErrorCode::PermissionDenied);
}

TEST_CASE("a directory handle that had to make room asks the client to walk again", "[fs][server][walk]") {
  World world({}, {.directories_max = 2});
  for (const char* name : {"a", "b", "c"}) world.mkdir(name);
  const auto a = world.client.call<D::Walk>(world.root, {.path = "a", .rights = 7});
  const auto b = world.client.call<D::Walk>(world.root, {.path = "b", .rights = 7});
  REQUIRE(world.client.call<D::Stat>(a.cap, {}).ok());
  REQUIRE(world.client.call<D::Walk>(world.root, {.path = "c", .rights = 7}).ok());
  REQUIRE(world.client.call<D::Stat>(a.cap, {}).ok());
  REQUIRE(world.client.call<D::Stat>(b.cap, {}).error == ErrorCode::ServerRestarted);
  REQUIRE(world.client.call<D::Walk>(world.root, {.path = "a", .rights = 7}).cap == a.cap);
}

TEST_CASE("an entry present throughout a listing is returned exactly once, whatever else changes",
          "[fs][server][list][property]") {
  for (u64 seed = 0; seed < 60; ++seed) {
    CAPTURE(seed);
    World world;
    u64 state = seed * 2654435761u + 1;
    const auto random = [&](u64 bound) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      return (state >> 33) % bound;
    };
    std::set<std::string> steady;
    for (u32 i = 0; i < 40; ++i) {
      const std::string name = (i % 2 == 0 ? "keep" : "go") + std::to_string(i);
      world.put(name, "");
      if (i % 2 == 0) steady.insert(name);
    }
    const u64 directory = world.must_open("", kOpenRead);
    std::multiset<std::string> seen;
    u64 cookie = 0;
    for (u32 round = 0; round < 500; ++round) {
      const auto answer =
          world.client.call<F::List>(directory, {.cookie = cookie, .count = static_cast<u32>(80 + random(300))});
      REQUIRE(answer.ok());
      const auto reply = answer.value();
      if (reply.count == 0) break;
      RecordReader reader(reply.data);
      while (!reader.done()) seen.insert(std::string(MUST(reader.next()).name));
      REQUIRE(reply.next > cookie);
      cookie = reply.next;
      const std::string other = "go" + std::to_string(random(60));
      if (random(2) == 0 || seen.size() > 150) {
        world.client.call<D::Remove>(world.root, {.path = other});
      } else {
        world.put(other, "");
      }
    }
    for (const std::string& name : steady) {
      CAPTURE(name);
      REQUIRE(seen.count(name) == 1);
    }
    world.files.check_invariants();
  }
}

TEST_CASE("reopening needs the token of that open, and finds a removed file by its id", "[fs][server][restart]") {
  TestAllocator memory;
  TestClock clock;
  RamFs files(memory, clock, {});
  const TokenKey key{1, 2};
  TestGate gate_before;
  TestGate gate_after;
  Server before(files, gate_before, memory, {.generation = 1, .key = key});
  TestClient client(before, gate_before);
  const u64 root = client.attach();
  const auto open =
      client.call<D::Open>(root, {.path = "f", .flags = kOpenRead | kOpenWrite | kOpenCreate, .mode = 0600});
  REQUIRE(open.ok());
  REQUIRE(client.call<F::Write>(open.cap, {.offset = 0, .count = 4, .data = base::bytes_of("text")}).ok());
  REQUIRE(client.call<D::Remove>(root, {.path = "f"}).ok());

  Server after(files, gate_after, memory, {.generation = 2, .key = key});
  REQUIRE(after.restore_session(0, {}, "", 0).ok());
  TestClient again(after, gate_after);
  REQUIRE(again.call<F::Read>(open.cap, {.count = 4}).error == ErrorCode::ServerRestarted);
  const auto value = open.value();
  D::Reopen::Request request{.id = value.id, .flags = kOpenRead | kOpenWrite, .token = value.token};
  const auto reopened = again.call<D::Reopen>(root, request);
  REQUIRE(reopened.ok());
  REQUIRE(text(again.call<F::Read>(reopened.cap, {.offset = 0, .count = 9}).value().data) == "text");
  request.token += 1;
  REQUIRE(again.call<D::Reopen>(root, request).error == ErrorCode::PermissionDenied);
  request = {.id = value.id, .flags = kOpenRead | kOpenWrite | kOpenAppend, .token = value.token};
  REQUIRE(again.call<D::Reopen>(root, request).error == ErrorCode::PermissionDenied);
}

TEST_CASE("locks exclude other owners, a waiting one is answered when the range is free, close frees all",
          "[fs][server][locks]") {
  World world;
  const u64 file = world.must_open("f", kOpenRead | kOpenWrite | kOpenCreate);
  const u64 other = world.must_open("f", kOpenRead | kOpenWrite);
  const auto lock = [&](u64 open, LockKind kind, u64 start, u64 bytes, u32 owner, bool wait = false) {
    return world.client.call<F::Lock>(
        open, {.kind = kind, .start = start, .bytes = bytes, .wait = wait, .owner = owner, .tag = owner});
  };
  REQUIRE(lock(file, LockKind::Exclusive, 0, 10, 1).ok());
  REQUIRE(lock(other, LockKind::Shared, 9, 1, 2).error == ErrorCode::WouldBlock);
  REQUIRE(lock(other, LockKind::Shared, 10, 0, 2).ok());
  const auto waiting = lock(other, LockKind::Exclusive, 0, 5, 2, true);
  REQUIRE(waiting.parked);
  REQUIRE(lock(file, LockKind::None, 0, 4, 1).ok());
  REQUIRE(world.client.completed(waiting).parked);
  world.close(file);
  REQUIRE(world.client.completed(waiting).ok());
}

TEST_CASE("two servers on one endpoint tell their badges apart", "[fs][server]") {
  World first({}, {.instance = 0});
  World second({}, {.instance = 3});
  REQUIRE(first.server.owns(first.root));
  REQUIRE(!first.server.owns(second.root));
  REQUIRE(second.server.owns(second.root));
  REQUIRE(!second.server.owns(0));
  REQUIRE(!first.server.owns(42));  // the embedder's own
}

TEST_CASE("a table that is full is an ordinary error and nothing leaks", "[fs][server]") {
  World world({}, {.opens_max = 3});
  world.put("f", "");
  u64 opens[3];
  for (u64& open : opens) open = world.must_open("f", kOpenRead);
  REQUIRE(world.open_error(world.root, "f", kOpenRead) == ErrorCode::TooManyOpenFiles);
  REQUIRE(world.open_error(world.root, "g", kOpenWrite | kOpenCreate) == ErrorCode::TooManyOpenFiles);
  world.close(opens[1]);
  REQUIRE(world.open_error(world.root, "g", kOpenRead) == ErrorCode::NotFound);  // the failed create made nothing
  world.gate.refuse_mint = true;
  REQUIRE(world.open_error(world.root, "f", kOpenRead) == ErrorCode::TooManyOpenFiles);
  world.gate.refuse_mint = false;
  REQUIRE(world.server.open_count() == 2);
  const u64 again = world.must_open("f", kOpenRead);
  REQUIRE(again != opens[1]);  // numbers are never used twice
}
