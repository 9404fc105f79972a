// The files of links, in worlds of whole nodes with the programs of user/.
#include <catch2/catch.hpp>

#include <map>

#include "sim/host/contain.h"
#include "sim/host/machine_host.h"
#include "user/image.h"
#include "user/native.h"

namespace {

using sim::host::LinkShape;
using sim::host::NodeShape;

/// What each node printed. Each gets its script at its console.
std::map<u32, std::string> run(const std::vector<std::string>& scripts, const std::vector<LinkShape>& links,
                               u64 seed = 1) {
  sim::host::MachineOptions options{.seed = seed,
                                    .image = std::string(base::text_of(user::boot_image())),
                                    .entries = user::native_entries(),
                                    .links = links};
  constexpr const char* kNames[] = {"a", "b", "c"};
  for (u32 i = 0; i < scripts.size(); ++i) {
    options.shapes.push_back({.name = kNames[i], .console = sim::ConsoleKind::Script, .script = scripts[i]});
  }
  std::map<u32, std::string> output;
  sim::host::Machine machine(options);
  machine.on_output = [&](u32 node, base::Bytes bytes) { output[node] += base::text_of(bytes); };
  REQUIRE(machine.start() == "");
  sim::host::contain(machine.world(), {});
  machine.world().run(60'000'000'000);
  sim::host::release_containment();
  return output;
}

}  // namespace

TEST_CASE("what is written to a link's data is read at all its other ends", "[user][link]") {
  const std::string read = "head -n 2 /dev/link/lan/data\n";
  auto output = run({"sleep 1; echo hello > /dev/link/lan/data; echo world > /dev/link/lan/data\n", read, read},
                    {{"lan", {1, 2, 3}, {}}});
  CHECK(output[1] == "");
  CHECK(output[2] == "hello\nworld\n");
  CHECK(output[3] == "hello\nworld\n");
}

TEST_CASE("a frame to one node is not read by another, and the link's facts are told", "[user][link]") {
  auto output =
      run({"sleep 1; echo for b > /dev/link/lan/2; echo for c > /dev/link/lan/3; cat /dev/link/lan/info\n",
           "head -n 1 /dev/link/lan/data\n", "head -n 1 /dev/link/lan/data; sleep 1; cat /dev/link/lan/info\n"},
          {{"lan", {1, 2, 3}, {.bits_per_second = 10'000'000, .mtu = 576}}});
  CHECK(output[1] ==
        "NAME=lan ADDRESS=020000000001 NODE=1 MTU=576 STATE=up RATE=10000000\nRECEIVED=0 SENT=2 DROPPED=0\n");
  CHECK(output[2] == "for b\n");
  CHECK(output[3] ==
        "for c\nNAME=lan ADDRESS=020000000003 NODE=3 MTU=576 STATE=up RATE=10000000\nRECEIVED=1 SENT=0 DROPPED=0\n");
}

TEST_CASE("each of a node's links has its directory, and a node without any has none", "[user][link]") {
  auto output = run({"ls /dev/link; head -c 600 /dev/zero > /dev/link/near/data\n", "ls /dev/link\n", "ls /dev/link\n"},
                    {{"near", {1, 2}, {.mtu = 500}}, {"far", {1, 2}, {}}});
  CHECK(output[1].starts_with("far\nnear\n"));
  CHECK(output[1].find("too large") != std::string::npos);
  CHECK(output[2] == "far\nnear\n");
  CHECK(output[3] == "");
}
