// tests/boot/virtio_test.cpp — which virtio windows of a machine become devices, and in which order.
#include "boot/shared/virtio.h"

#include <catch2/catch.hpp>

namespace {

constexpr u32 kMagic = 0x7472'6976;
constexpr u32 kWords = 128;  // 512 bytes, as QEMU spaces its windows

/// Windows one behind the other, in this process.
struct Windows {
  explicit Windows(std::initializer_list<u32> device_ids) {
    u32 window = 0;
    for (const u32 id : device_ids) {
      words[window][0] = kMagic;
      words[window][1] = 2;
      words[window][2] = id;
      window += 1;
    }
  }
  boot::Range at(u32 window) const { return {reinterpret_cast<u64>(words[window]), sizeof words[window]}; }
  u32 words[16][kWords] = {};
};

}  // namespace

TEST_CASE("windows with a device become devices, the highest address first, whatever order they come in",
          "[boot][virtio]") {
  const Windows windows({0, 2, 0, 4, 1});
  for (const bool ascending : {true, false}) {
    CAPTURE(ascending);
    boot::MachineInfo info;
    for (u32 i = 0; i < 5; ++i) {
      const u32 window = ascending ? i : 4 - i;
      boot::virtio_add(info, windows.at(window), 10 + window);
    }
    REQUIRE(info.virtio_count == 3);
    const u32 expected[] = {4, 3, 1};
    for (u32 i = 0; i < 3; ++i) {
      CHECK(info.virtio[i].registers == windows.at(expected[i]).base);
      CHECK(info.virtio[i].line == 10 + expected[i]);
      CHECK(info.virtio[i].bytes == sizeof windows.words[0]);
    }
  }
}

TEST_CASE("what is no virtio window, and what there is no room for, is left out", "[boot][virtio]") {
  boot::MachineInfo info;
  Windows windows({1, 1, 1, 1, 1, 1, 1, 1, 1, 1});
  windows.words[0][0] = 0;
  boot::virtio_add(info, windows.at(0), 0);
  boot::virtio_add(info, {}, 0);
  CHECK(info.virtio_count == 0);
  for (u32 i = 1; i < 10; ++i) boot::virtio_add(info, windows.at(i), i);
  CHECK(info.virtio_count == boot::kHardwareMax);
}
