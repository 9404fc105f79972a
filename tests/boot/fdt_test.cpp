// tests/boot/fdt_test.cpp — device trees as firmware hands them over, and broken ones.
#include "boot/shared/fdt.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/prng.h"

namespace {

using Blob = std::vector<u8>;
using boot::FdtDevice;
using boot::FdtError;

/// Writes a device tree as chapter 5 of the specification has it.
class Tree {
 public:
  Tree& node(const std::string& name) {
    word(1);
    text(structure_, name);
    return *this;
  }
  Tree& end() {
    word(2);
    return *this;
  }
  Tree& property(const std::string& name, const Blob& value) {
    word(3);
    word(static_cast<u32>(value.size()));
    word(static_cast<u32>(strings_.size()));
    for (const u8 byte : value) structure_.push_back(byte);
    align(structure_);
    for (const char character : name) strings_.push_back(static_cast<u8>(character));
    strings_.push_back(0);
    return *this;
  }
  Tree& cells(const std::string& name, const std::vector<u32>& values) {
    Blob bytes;
    for (const u32 value : values) append(bytes, value);
    return property(name, bytes);
  }
  Tree& texts(const std::string& name, const std::vector<std::string>& values) {
    Blob bytes;
    for (const std::string& value : values) {
      for (const char character : value) bytes.push_back(static_cast<u8>(character));
      bytes.push_back(0);
    }
    return property(name, bytes);
  }
  Tree& reserve(u64 base, u64 bytes) {
    for (const u64 value : {base, bytes}) {
      append(reservations_, static_cast<u32>(value >> 32));
      append(reservations_, static_cast<u32>(value));
    }
    return *this;
  }

  Blob blob() {
    word(9);
    reserve(0, 0);
    const u32 header = 40;
    const u32 structure = header + static_cast<u32>(reservations_.size());
    const u32 strings = structure + static_cast<u32>(structure_.size());
    const u32 total = strings + static_cast<u32>(strings_.size());
    Blob out;
    for (const u32 value : {0xD00DFEEDu, total, structure, strings, header, 17u, 16u, 0u,
                            static_cast<u32>(strings_.size()), static_cast<u32>(structure_.size())}) {
      append(out, value);
    }
    for (const Blob* part : {&reservations_, &structure_, &strings_}) out.insert(out.end(), part->begin(), part->end());
    return out;
  }

 private:
  static void append(Blob& out, u32 value) {
    for (u32 shift = 32; shift > 0; shift -= 8) out.push_back(static_cast<u8>(value >> (shift - 8)));
  }
  static void align(Blob& out) {
    while (out.size() % 4 != 0) out.push_back(0);
  }
  static void text(Blob& out, const std::string& value) {
    for (const char character : value) out.push_back(static_cast<u8>(character));
    out.push_back(0);
    align(out);
  }
  void word(u32 value) { append(structure_, value); }

  Blob structure_;
  Blob strings_;
  Blob reservations_;
};

/// What QEMU's `virt` machines say, cut down to what is read of it.
Blob typical_tree() {
  Tree tree;
  tree.reserve(0x8000'0000, 0x4'0000);
  tree.node("").cells("#address-cells", {2}).cells("#size-cells", {2});
  tree.node("reserved-memory").cells("#address-cells", {2}).cells("#size-cells", {2});
  tree.node("firmware@0").cells("reg", {0, 0x8004'0000, 0, 0x4'0000}).end().end();
  tree.node("memory@80000000").texts("device_type", {"memory"}).cells("reg", {0, 0x8000'0000, 1, 0}).end();
  tree.node("chosen").texts("bootargs", {"live"}).cells("rng-seed", {0x01020304, 0x05060708, 9, 9});
  tree.cells("linux,initrd-start", {0x8800'0000}).cells("linux,initrd-end", {0, 0x8800'1000}).end();
  tree.node("cpus").cells("#address-cells", {1}).cells("#size-cells", {0}).cells("timebase-frequency", {10'000'000});
  tree.node("cpu@0").cells("reg", {0}).texts("compatible", {"riscv"}).end().end();
  tree.node("psci").texts("method", {"hvc"}).end();
  tree.node("timer").texts("compatible", {"arm,armv8-timer"});
  tree.cells("interrupts", {1, 13, 4, 1, 14, 4, 1, 11, 4, 1, 10, 4}).end();
  tree.node("memory@e000000").texts("device_type", {"memory"}).texts("status", {"disabled"});
  tree.cells("reg", {0, 0xE00'0000, 0, 0x100'0000}).end();
  tree.node("soc").cells("#address-cells", {2}).cells("#size-cells", {2});
  tree.node("serial@9040000").texts("compatible", {"ns16550a"}).texts("status", {"disabled"});
  tree.cells("reg", {0, 0x904'0000, 0, 0x1000}).end();
  tree.node("serial@10000000").texts("status", {"okay"});
  tree.cells("interrupts", {10}).cells("reg", {0, 0x1000'0000, 0, 0x100});
  tree.texts("compatible", {"vendor,serial", "ns16550a"}).end();
  tree.node("intc@8000000").texts("compatible", {"arm,cortex-a15-gic"});
  tree.cells("reg", {0, 0x800'0000, 0, 0x1'0000, 0, 0x801'0000, 0, 0x1'0000}).end();
  tree.node("virtio@1").texts("compatible", {"virtio,mmio"}).cells("reg", {0, 0x1000'1000, 0, 0x1000}).end();
  tree.node("virtio@2").texts("compatible", {"virtio,mmio"}).cells("reg", {0, 0x1000'2000, 0, 0x1000}).end();
  tree.end().end();
  return tree.blob();
}

FdtError error_of(const Blob& blob) {
  const auto result = boot::read_fdt(blob, {});
  REQUIRE_FALSE(result.ok());
  return result.error();
}

}  // namespace

TEST_CASE("a device tree tells memory, what of it is taken, the initrd and the arguments", "[boot][fdt]") {
  const Blob blob = typical_tree();
  REQUIRE(boot::fdt_bytes(blob.data()) == blob.size());
  const auto result = boot::read_fdt(blob, {});
  REQUIRE(result.ok());
  const boot::FdtMachine& machine = *result;
  REQUIRE(machine.memory_count == 1);
  CHECK(machine.memory[0].base == 0x8000'0000);
  CHECK(machine.memory[0].bytes == u64{1} << 32);
  REQUIRE(machine.reserved_count == 2);
  CHECK(machine.reserved[0].bytes == 0x4'0000);
  CHECK(machine.reserved[1].base == 0x8004'0000);
  CHECK(machine.initrd.base == 0x8800'0000);
  CHECK(machine.initrd.bytes == 0x1000);
  CHECK(machine.arguments == "live");
  CHECK(machine.seed == 0x0102'0304'0506'0708);
  CHECK(machine.timebase_hz == 10'000'000);
  CHECK(machine.conduit == "hvc");
}

TEST_CASE("devices are found by any of their names, with windows and interrupts, in the order of the tree",
          "[boot][fdt]") {
  FdtDevice devices[] = {{.compatible = "ns16550a"},    {.compatible = "arm,cortex-a15-gic"},
                         {.compatible = "virtio,mmio"}, {.compatible = "virtio,mmio"},
                         {.compatible = "virtio,mmio"}, {.compatible = "arm,armv8-timer"}};
  const Blob blob = typical_tree();
  REQUIRE(boot::read_fdt(blob, devices).ok());
  CHECK(devices[0].windows[0].base == 0x1000'0000);
  CHECK(devices[0].windows[0].bytes == 0x100);
  CHECK(devices[0].interrupts[0] == 10);
  CHECK(devices[1].windows[1].base == 0x801'0000);
  CHECK(devices[2].windows[0].base == 0x1000'1000);
  CHECK(devices[3].windows[0].base == 0x1000'2000);
  CHECK_FALSE(devices[4].found);
  CHECK(devices[5].found);  // it has interrupts and no window
  CHECK(devices[5].windows[0].base == 0);
  CHECK(devices[5].interrupts[7] == 11);
}

TEST_CASE("a broken device tree is refused with the reason", "[boot][fdt]") {
  const Blob whole = typical_tree();
  SECTION("another magic number") {
    Blob blob = whole;
    blob[0] = 0;
    CHECK(boot::fdt_bytes(blob.data()) == 0);
    CHECK(error_of(blob).code == FdtError::Code::Magic);
  }
  SECTION("a newer format that this one cannot be read as") {
    Blob blob = whole;
    blob[27] = 18;  // last compatible version
    CHECK(error_of(blob).code == FdtError::Code::Version);
  }
  SECTION("a header alone") { CHECK(error_of(Blob(whole.begin(), whole.begin() + 40)).code == FdtError::Code::Size); }
  SECTION("nodes inside nodes without end") {
    Tree tree;
    for (u32 i = 0; i < 40; ++i) tree.node("n");
    for (u32 i = 0; i < 40; ++i) tree.end();
    CHECK(error_of(tree.blob()).code == FdtError::Code::Depth);
  }
  SECTION("a node that is not ended") { CHECK(error_of(Tree().node("").blob()).code == FdtError::Code::Token); }
  SECTION("more memory ranges than there is room for") {
    Tree tree;
    tree.node("").cells("#address-cells", {1}).cells("#size-cells", {1}).node("memory");
    tree.cells("reg", std::vector<u32>(2 * (boot::kRangesMax + 1), 0x1000)).end().end();
    CHECK(error_of(tree.blob()).code == FdtError::Code::TooMany);
  }
}

TEST_CASE("no cut and no changed byte of a device tree makes the reader leave it", "[boot][fdt][property]") {
  const Blob whole = typical_tree();
  FdtDevice devices[] = {{.compatible = "ns16550a"}, {.compatible = "virtio,mmio"}};
  for (u64 length = 0; length < whole.size(); ++length) {
    const Blob cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));  // a sanitizer sees its end
    CHECK_FALSE(boot::read_fdt(cut, devices).ok());
  }
  for (u64 seed = 0; seed < 3000; ++seed) {
    CAPTURE(seed);
    base::Prng prng{seed, "test.fdt-damage"};
    Blob damaged = whole;
    for (u32 i = 0; i < 3; ++i) {
      const u64 at = prng.below(damaged.size());
      damaged[at] = static_cast<u8>(prng.below(256));
    }
    const auto result = boot::read_fdt(damaged, devices);
    if (!result.ok()) continue;
    const u8* begin = damaged.data();
    const auto* text = reinterpret_cast<const u8*>(result->arguments.data());
    if (!result->arguments.empty()) CHECK((text >= begin && text + result->arguments.size() <= begin + damaged.size()));
  }
}
