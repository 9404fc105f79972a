// tests/sessions/image_test.cpp — nodes booted from damaged images: bits flipped anywhere, cut off anywhere. The node
// works, or says what is wrong and halts with a status that is not zero; it never hangs and nothing crashes.
#include <catch2/catch.hpp>

#include <string>

#include "base/prng.h"
#include "session.h"
#include "user/image.h"

namespace {

using session::Ended;

const std::string& good_image() {
  static const std::string image(base::text_of(user::boot_image()));
  return image;
}

void check_fails_or_works(const std::string& image) {
  const Ended ended = session::run_script("echo it works\n", 1, image);
  CAPTURE(ended.output, ended.status);
  CHECK(ended.outcome == sim::Outcome::Ended);
  CHECK_FALSE(ended.tainted);
  if (ended.output.find("it works\n") == std::string::npos) {
    CHECK(ended.status != 0);
    CHECK(ended.output != "");
  }
}

}  // namespace

TEST_CASE("a node with a flipped bit in its boot image works, or says what is wrong and halts",
          "[user][session][hostile][property]") {
  for (u64 seed = 0; seed < 150; ++seed) {
    CAPTURE(seed);
    base::Prng prng{seed, "test.image-bits"};
    std::string image = good_image();
    const u64 at = prng.below(image.size());
    const u32 bit = static_cast<u32>(prng.below(8));
    CAPTURE(at, bit);
    image[at] = static_cast<char>(static_cast<u8>(image[at]) ^ 1u << bit);
    check_fails_or_works(image);
  }
}

TEST_CASE("a boot file that does not do its work is named on the console before the node halts",
          "[user][session][hostile]") {
  struct Damage {
    std::string_view from;
    std::string_view to;
    std::string_view said;
  };
  for (const Damage& damage :
       {Damage{"start timer", "stort timer", "init: 2: bad argument: stort\n"},
        Damage{"login 0", "login 7", ": not supported: 7\n"},
        Damage{"boot/manifest", "boot/monifest", "ramfs: boot image: data corrupted: archive, byte "}}) {
    CAPTURE(damage.from);
    std::string image = good_image();
    const std::size_t at = image.find(damage.from);
    REQUIRE(at != std::string::npos);
    image.replace(at, damage.to.size(), damage.to);
    const Ended ended = session::run_script("echo it works\n", 1, image);
    CAPTURE(ended.output);
    CHECK(ended.outcome == sim::Outcome::Ended);
    CHECK(ended.status == 1);
    CHECK(ended.output.find(damage.said) != std::string::npos);
    CHECK(ended.output.ends_with("init: no shell on console 0\n"));
  }
}

TEST_CASE("a node whose boot image is cut off says so and halts", "[user][session][hostile]") {
  for (u64 eighths = 0; eighths < 8; ++eighths) {
    for (const u64 off : {0u, 1u, 511u}) {
      const u64 size = good_image().size() / 4096 * eighths * 512 + off;
      CAPTURE(size);
      check_fails_or_works(good_image().substr(0, size));
    }
  }
}
