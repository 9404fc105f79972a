#include "fs/pipe.h"

#include <catch2/catch.hpp>

#include <deque>

#include "tests/fs/harness.h"

using namespace fs;
using namespace fs::test;
using namespace schema::file;
using D = schema::file::Directory;
using F = schema::file::File;

namespace {

struct Pipes {
  TestAllocator memory;
  TestClock clock;
  TestGate gate;
  PipeFs files;
  Server server;
  TestClient client;
  u64 root;
  explicit Pipes(const PipeOptions& options = {})
      : files(memory, clock, options), server(files, gate, memory, {}), client(server, gate), root(0) {
    files.serve_with(server);
    root = client.attach();
  }
  struct Ends {
    u64 reader;
    u64 writer;
  };
  Ends make(u16 extra = 0) {
    const auto reader = client.call<D::Open>(root, {.path = "new", .flags = static_cast<u16>(kOpenRead | extra)});
    REQUIRE(reader.ok());
    const std::string name = std::to_string(reader.value().id);
    const auto writer = client.call<D::Open>(root, {.path = name, .flags = static_cast<u16>(kOpenWrite | extra)});
    REQUIRE(writer.ok());
    return {reader.cap, writer.cap};
  }
  Answer<F::Read> read(u64 end, u32 count = 4096, u32 tag = 1) {
    return client.call<F::Read>(end, {.offset = kAtPosition, .count = count, .tag = tag});
  }
  Answer<F::Write> write(u64 end, std::string_view data, u32 tag = 2) {
    return client.call<F::Write>(
        end, {.offset = kAtPosition, .count = static_cast<u32>(data.size()), .tag = tag, .data = base::bytes_of(data)});
  }
  void close(u64 end) { REQUIRE(client.call<F::Close>(end, {}).ok()); }
};

}  // namespace

TEST_CASE("a reader of an empty pipe waits for a writer, and reads the end when the last one is gone", "[fs][pipe]") {
  Pipes pipes;
  const auto [reader, writer] = pipes.make();
  const auto waiting = pipes.read(reader);
  REQUIRE(waiting.parked);
  REQUIRE(pipes.write(writer, "abc").ok());
  const auto done = pipes.client.completed(waiting);
  REQUIRE(done.ok());
  REQUIRE(text(done.value().data) == "abc");
  const auto at_end = pipes.read(reader);
  REQUIRE(at_end.parked);
  REQUIRE(pipes.client.call<F::Share>(writer, {}).ok());
  pipes.close(writer);
  REQUIRE(pipes.client.completed(at_end).parked);  // another holder is left
  pipes.close(writer);
  REQUIRE(pipes.client.completed(at_end).ok());
  REQUIRE(pipes.client.completed(at_end).value().data.empty());
  pipes.close(reader);
  REQUIRE(pipes.files.pipe_count() == 0);
}

TEST_CASE("a writer of a full pipe waits, in order, and fails when the last reader is gone", "[fs][pipe]") {
  Pipes pipes;
  const auto [reader, writer] = pipes.make();
  const std::string block(4096, 'x');
  for (u32 i = 0; i < kPipeBytes / 4096; ++i) REQUIRE(pipes.write(writer, block).ok());
  const auto first = pipes.write(writer, "first");
  const auto second = pipes.write(writer, "second");
  REQUIRE(first.parked);
  REQUIRE(second.parked);
  REQUIRE(pipes.read(reader, 5).ok());
  REQUIRE(pipes.client.completed(first).ok());
  REQUIRE(pipes.client.completed(second).parked);
  pipes.close(reader);
  REQUIRE(pipes.client.completed(second).error == ErrorCode::BrokenPipe);
  REQUIRE(pipes.write(writer, "x").error == ErrorCode::BrokenPipe);
}

TEST_CASE("flush answers a waiting request at once, and an unknown tag is no error", "[fs][pipe][flush]") {
  Pipes pipes;
  const auto [reader, writer] = pipes.make();
  const auto waiting = pipes.read(reader, 10, 77);
  REQUIRE(pipes.client.call<F::Flush>(reader, {.tag = 78}).ok());
  REQUIRE(pipes.client.completed(waiting).parked);
  REQUIRE(pipes.client.call<F::Flush>(reader, {.tag = 77}).ok());
  REQUIRE(pipes.client.completed(waiting).error == ErrorCode::Interrupted);
  REQUIRE(pipes.client.call<F::Flush>(reader, {.tag = 77}).ok());
  REQUIRE(pipes.write(writer, "still here").ok());
  REQUIRE(text(pipes.read(reader).value().data) == "still here");
}

TEST_CASE("the wrong end is a bad descriptor, and a pipe that may not block says so", "[fs][pipe]") {
  Pipes pipes;
  const auto [reader, writer] = pipes.make(kOpenNonBlock);
  REQUIRE(pipes.write(reader, "x").error == ErrorCode::BadFileDescriptor);
  REQUIRE(pipes.read(writer).error == ErrorCode::BadFileDescriptor);
  REQUIRE(pipes.read(reader).error == ErrorCode::WouldBlock);
  REQUIRE(pipes.client.call<F::Seek>(reader, {}).error == ErrorCode::NotSupported);
}

TEST_CASE("poll answers at once, or signals once when something can be done", "[fs][pipe][poll]") {
  Pipes pipes;
  const auto [reader, writer] = pipes.make();
  REQUIRE(pipes.client.call<F::Poll>(writer, {.want = kReadyWrite}).value().ready == kReadyWrite);
  const F::Poll::Request request{.want = kReadyRead, .signal = schema::CapIndex::of(0)};
  REQUIRE(pipes.client.call<F::Poll>(reader, request, {}, true).value().ready == 0);
  REQUIRE(pipes.gate.signals.at(1) == false);
  REQUIRE(pipes.write(writer, "x").ok());
  REQUIRE(pipes.gate.signals.at(1) == true);
  REQUIRE(pipes.client.call<F::Poll>(reader, request).value().ready == kReadyRead);
  REQUIRE(pipes.client.call<F::Poll>(reader, request, {}, false).error == ErrorCode::None);
  REQUIRE(pipes.read(reader).ok());
  REQUIRE(pipes.client.call<F::Poll>(reader, request, {}, true).value().ready == 0);
  pipes.close(writer);
  REQUIRE(pipes.gate.signals.at(2) == true);
  REQUIRE(pipes.client.call<F::Poll>(reader, request).value().ready == (kReadyRead | kReadyHungUp));
}

TEST_CASE("the number of a pipe is not to be guessed and not to be listed", "[fs][pipe]") {
  Pipes pipes({.key = {3, 4}});
  const auto first = pipes.client.call<D::Open>(pipes.root, {.path = "new", .flags = kOpenRead});
  const auto second = pipes.client.call<D::Open>(pipes.root, {.path = "new", .flags = kOpenRead});
  const u64 distance = second.value().id - first.value().id;
  REQUIRE(distance != 1);
  REQUIRE(first.value().id > 1'000'000);
  const auto directory = pipes.client.call<D::Open>(pipes.root, {.flags = kOpenRead});
  const auto listed = pipes.client.call<F::List>(directory.cap, {.count = 4096});  // the records lie in the answer
  RecordReader reader(listed.value().data);
  REQUIRE(MUST(reader.next()).name == "new");
  REQUIRE(reader.done());
}

TEST_CASE("bytes come out of a pipe as they went in, whatever the sizes and who waits", "[fs][pipe][property]") {
  for (u64 seed = 0; seed < 100; ++seed) {
    CAPTURE(seed);
    Pipes pipes;
    const auto [reader, writer] = pipes.make();
    u64 state = seed * 0x9E3779B97F4A7C15u + 1;
    const auto random = [&](u64 bound) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      return (state >> 33) % bound;
    };
    std::string sent;
    std::string received;
    u8 next = 0;
    std::deque<Answer<F::Read>> reads;
    std::deque<Answer<F::Write>> writes;
    bool revoked = false;
    const auto collect = [&] {
      while (!reads.empty()) {
        const auto done = pipes.client.completed(reads.front());
        if (done.parked) break;
        REQUIRE(done.ok());
        received += text(done.value().data);
        reads.pop_front();
      }
      while (!writes.empty()) {
        const auto done = pipes.client.completed(writes.front());
        if (done.parked) break;
        revoked = revoked || !done.ok();
        writes.pop_front();
      }
    };
    for (u32 step = 0; step < 200; ++step) {
      if (random(2) == 0 && writes.size() < 5) {
        std::string data(1 + random(4096), ' ');
        for (char& byte : data) byte = static_cast<char>(next++);
        sent += data;
        const auto answer = pipes.write(writer, data);
        if (answer.parked) writes.push_back(answer);
      } else if (reads.size() < 5) {
        const auto answer = pipes.read(reader, static_cast<u32>(1 + random(4096)));
        if (answer.parked) {
          reads.push_back(answer);
        } else {
          REQUIRE(reads.empty());
          received += text(answer.value().data);
        }
      }
      collect();
    }
    pipes.close(writer);
    collect();
    for (;;) {
      const auto answer = pipes.read(reader);
      REQUIRE(answer.ok());
      if (answer.value().data.empty()) break;
      received += text(answer.value().data);
    }
    // A write that waited when its end was closed is revoked: what came is a prefix of what was sent.
    const bool is_prefix = sent.substr(0, received.size()) == received;
    REQUIRE(is_prefix);
    if (!revoked) REQUIRE(received.size() == sent.size());
  }
}
