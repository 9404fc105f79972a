// tests/fs/world.h — a file system in memory behind a server, and the few calls every test makes.
#pragma once
#include <catch2/catch.hpp>

#include "fs/ram.h"
#include "tests/fs/harness.h"

namespace fs::test {

using D = schema::file::Directory;
using F = schema::file::File;

struct World {
  TestAllocator memory;
  TestClock clock;
  TestGate gate;
  RamFs files;
  Server server;
  TestClient client;
  u64 root;
  explicit World(const RamOptions& options = {}, const ServerOptions& server_options = {})
      : files(memory, clock, options),
        server(files, gate, memory, server_options),
        client(server, gate),
        root(client.attach()) {}

  u64 must_open(std::string_view path, u16 flags, u16 mode = 0666) {
    const auto answer = client.call<D::Open>(root, {.path = path, .flags = flags, .mode = mode});
    INFO(path << ": " << text_of(answer.error));
    REQUIRE(answer.ok());
    return answer.cap;
  }
  void put(std::string_view path, std::string_view content) {
    using namespace schema::file;
    const u64 file = must_open(path, kOpenWrite | kOpenCreate | kOpenTruncate);
    REQUIRE(write(file, content).ok());
    close(file);
  }
  void close(u64 file) { REQUIRE(client.call<F::Close>(file, {}).ok()); }
  Answer<F::Write> write(u64 file, std::string_view content, u64 offset = schema::file::kAtPosition) {
    return client.call<F::Write>(
        file, {.offset = offset, .count = static_cast<u32>(content.size()), .data = base::bytes_of(content)});
  }
  std::string read(u64 file, u32 count = 4096, u64 offset = schema::file::kAtPosition) {
    const auto answer = client.call<F::Read>(file, {.offset = offset, .count = count});
    REQUIRE(answer.ok());
    return text(answer.value().data);
  }
  void mkdir(std::string_view path, u16 mode = 0755) {
    using namespace schema::file;
    close(must_open(path, kOpenCreate | kOpenExclusive | kOpenDirectory | kOpenRead, mode));
  }
  ErrorCode open_error(u64 from, std::string_view path, u16 flags) {
    return client.call<D::Open>(from, {.path = path, .flags = flags, .mode = 0666}).error;
  }
};

}  // namespace fs::test
