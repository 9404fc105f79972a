// tests/user/manifest_test.cpp — service manifests: what is read, and what is refused with its line.
#include <catch2/catch.hpp>

#include "user/init/manifest.h"

using user::Manifest;
using user::parse_manifest;

TEST_CASE("a manifest gives program, arguments, place, devices and delays", "[user][init][exchange]") {
  const auto parsed = parse_manifest(
      "# the file server\nprogram fxfs\nargs --blocks 4096\n\nsrv fxfs\nmount /data -bc\ndevice blk0\nneeds partfs "
      "dev\n"
      "restart on-failure\nrestart-max 5\nbackoff 200ms\nbackoff-max 3s\nsettle 10s\npriority 180\nrestart-on-dep "
      "yes\n");
  REQUIRE(parsed.ok());
  const Manifest& manifest = parsed.value();
  CHECK(manifest.program == "fxfs");
  REQUIRE(manifest.arg_count == 2);
  CHECK(manifest.args[1] == "4096");
  CHECK(manifest.service == "fxfs");
  CHECK(manifest.mount.path == "/data");
  CHECK(manifest.mount.flags == (2 | 8));
  REQUIRE(manifest.device_count == 1);
  CHECK(manifest.devices[0] == "blk0");
  REQUIRE(manifest.need_count == 2);
  CHECK(manifest.needs[1] == "dev");
  CHECK(manifest.restart == user::Restart::OnFailure);
  CHECK(manifest.restart_max == 5);
  CHECK(manifest.backoff_ns == 200'000'000);
  CHECK(manifest.backoff_max_ns == 3'000'000'000);
  CHECK(manifest.settle_ns == 10'000'000'000);
  CHECK(manifest.priority == 180);
  CHECK(manifest.restart_on_need);
}

TEST_CASE("what a manifest does not say has its default", "[user][init]") {
  const auto parsed = parse_manifest("program x");
  REQUIRE(parsed.ok());
  CHECK(parsed.value().restart == user::Restart::Always);
  CHECK(parsed.value().restart_max == 0);
  CHECK_FALSE(parsed.value().restart_on_need);
  CHECK(parsed.value().backoff_ns == 100'000'000);
  CHECK(parsed.value().backoff_max_ns == 30'000'000'000);
  CHECK(parsed.value().settle_ns == 60'000'000'000);
}

TEST_CASE("a wrong line of a manifest is refused by its number", "[user][init][exchange]") {
  const struct {
    std::string_view text;
    std::string_view reason;
  } cases[] = {
      {"program x\ncolour red\n", "2: unknown key: colour"},
      {"program x\n\nrestart sometimes\n", "3: bad value of: restart"},
      {"program x\nmount data\n", "2: bad value of: mount"},
      {"program x\nmount /data -z\n", "2: bad value of: mount"},
      {"program x\nbackoff soon\n", "2: bad value of: backoff"},
      {"program x\npriority 256\n", "2: bad value of: priority"},
      {"program\n", "1: bad value of: program"},
      {"srv x\n", "1: missing key: program"},
  };
  for (const auto& one : cases) {
    CAPTURE(one.text);
    const auto parsed = parse_manifest(one.text);
    REQUIRE(!parsed.ok());
    CHECK(parsed.error().code == fs::ErrorCode::BadArgument);
    CHECK(parsed.error().detail() == one.reason);
  }
}

TEST_CASE("a manifest holds as many words as there is room for, and one more is refused", "[user][init][sweep]") {
  for (u32 count = 1; count <= Manifest::kNeedsMax + 1; ++count) {
    std::string text = "program x\nneeds";
    for (u32 i = 0; i < count; ++i) text += " n" + std::to_string(i);
    CHECK(parse_manifest(text).ok() == (count <= Manifest::kNeedsMax));
  }
}
