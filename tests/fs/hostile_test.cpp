// Messages that no honest client sends: the server answers each exactly once and goes on.
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

TEST_CASE("whatever bytes come, every request is answered once and the server goes on", "[fs][server][hostile][fuzz]") {
  for (u64 seed = 0; seed < 40; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    World world;
    world.put("f", "content");
    world.mkdir("d");
    std::vector<u64> badges = {world.root,
                               world.must_open("f", kOpenRead | kOpenWrite),
                               world.must_open("d", kOpenRead),
                               0,
                               service_badge(0, 5, 5),
                               ~u64{0}};
    std::vector<u8> out(schema::kMessageBytesMax);
    for (u32 step = 0; step < 2000; ++step) {
      std::vector<u8> body(8 * random(40));
      if (random(2) == 0 && body.size() >= 32) {
        // A real message, damaged.
        const D::Open::Request request{.path = "f", .flags = static_cast<u16>(random(4096)), .mode = 0644};
        const u32 bytes = MUST(schema::encode(request, base::MutableBytes(out)));
        body.assign(out.begin(), out.begin() + bytes);
        body[random(body.size())] = static_cast<u8>(random(256));
      } else {
        for (u8& byte : body) byte = random(3) == 0 ? static_cast<u8>(random(256)) : 0;
      }
      const u64 interface_ids[] = {D::kInterfaceId, F::kInterfaceId, Service::kInterfaceId, 77};
      Request request{.badge = badges[random(badges.size())], .body = body};
      if (random(4) == 0) request.badge ^= u64{1} << random(64);
      if (!world.server.owns(request.badge)) continue;
      request.label = random(25) | (interface_ids[random(4)] & 0xffff'ffffu) << 16;
      request.cap_count = static_cast<u32>(random(4));
      request.unwrapped = static_cast<u32>(random(8));
      for (u64& badge : request.cap_badges) badge = badges[random(badges.size())] ^ random(3);
      request.received_cap = random(2) == 0;
      request.reply = 1'000'000 + step;
      const Outcome outcome = world.server.handle(request, out);
      if (!outcome.parked) {
        REQUIRE(outcome.bytes % 8 == 0);
        REQUIRE(outcome.bytes <= out.size());
        REQUIRE(outcome.label <= 53);
        REQUIRE(world.gate.completed.count(request.reply) == 0);
      }
      world.server.check_invariants();
    }
    world.files.check_invariants();
    // It still serves.
    const u64 root = world.client.attach({.uid = 0, .gid = 9});
    REQUIRE(world.client.call<D::Stat>(root, {}).ok());
  }
}

TEST_CASE("methods that do not exist, of the wrong interface, or without a message are protocol errors",
          "[fs][server][hostile]") {
  World world;
  const u64 file = world.must_open("f", kOpenRead | kOpenWrite | kOpenCreate);
  REQUIRE(world.client.call<F::Read>(world.root, {.count = 1}).error == ErrorCode::ProtocolError);
  REQUIRE(world.client.call<D::Stat>(file, {}).error == ErrorCode::ProtocolError);
  REQUIRE(world.client.call<Service::Attach>(file, {}).error == ErrorCode::ProtocolError);
  REQUIRE(world.client.call<D::Stat>(0, {}).error == ErrorCode::ProtocolError);
  std::vector<u8> out(schema::kMessageBytesMax);
  const Request unknown{.badge = file, .label = 99 | (F::kInterfaceId & 0xffff'ffffu) << 16};
  REQUIRE(world.server.handle(unknown, out).label == static_cast<u64>(ErrorCode::ProtocolError));
  const Request empty{.badge = file, .label = schema::label_of<F::Read>()};
  REQUIRE(world.server.handle(empty, out).label == static_cast<u64>(ErrorCode::ProtocolError));
  const F::Write::Request lying{.count = 3, .data = base::bytes_of("four")};
  REQUIRE(world.client.call<F::Write>(file, lying).error == ErrorCode::ProtocolError);
  const std::string big(4097, 'x');
  const F::Write::Request large{.count = 4097, .data = base::bytes_of(big)};
  REQUIRE(world.client.call<F::Write>(file, large).error == ErrorCode::ProtocolError);
}

TEST_CASE("a capability that names an open of another generation, or none, opens nothing", "[fs][server][hostile]") {
  World world({}, {.generation = 5});
  const u64 file = world.must_open("f", kOpenRead | kOpenWrite | kOpenCreate);
  Badge badge = Badge::of(file);
  badge.generation = 4;
  REQUIRE(world.client.call<F::Stat>(badge.word(), {}).error == ErrorCode::ServerRestarted);
  badge = Badge::of(file);
  badge.number += 1;
  REQUIRE(world.client.call<F::Stat>(badge.word(), {}).error == ErrorCode::AccessRevoked);
  badge = Badge::of(world.root);
  badge.number = 40;
  REQUIRE(world.client.call<D::Stat>(badge.word(), {}).error == ErrorCode::AccessRevoked);
}

TEST_CASE("who attaches by a badge acts for the user in it", "[fs][server][permission]") {
  World world({.root_mode = 01777});
  const auto root = world.client.call<Service::Attach>(service_badge(0, 1000, 100), {});
  REQUIRE(root.ok());
  const auto file =
      world.client.call<D::Open>(root.cap, {.path = "f", .flags = kOpenWrite | kOpenCreate, .mode = 0600});
  const auto stat = world.client.call<F::Stat>(file.cap, {}).value().stat;
  REQUIRE(stat.uid == 1000);
  REQUIRE(stat.gid == 100);
  REQUIRE(world.client.call<Service::Attach>(service_badge(0, 1000, 100), {}).cap == root.cap);
  REQUIRE(world.client.call<Service::Attach>(0, {.tree = "none"}).error == ErrorCode::NotFound);
}
