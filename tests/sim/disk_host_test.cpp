// Disks as the host gives them to a world: images in files, `--disk`, recordings and portable plans of worlds with disks.
#include <catch2/catch.hpp>

#include <sys/mman.h>
#include <sys/stat.h>

#include <filesystem>

#include "replay/recording.h"
#include "sim/host/cli/disk_flags.h"
#include "sim/host/machine.h"
#include "sim/host/portable.h"
#include "tests/sim/cli_lab.h"

using namespace cli_lab;
using sim::DiskCache;
using sim::host::DiskImage;
using sim::host::DiskShape;
using sim::host::cli::DiskFlags;
namespace fs = std::filesystem;

namespace {

/// A folder of the test's own, gone at its end.
struct Folder {
  std::string path = temporary("disks");
  Folder() {
    fs::remove_all(path);
    fs::create_directories(path);
  }
  ~Folder() { fs::remove_all(path); }
  std::string file(const std::string& name, const std::string& content) const {
    std::ofstream(path + "/" + name, std::ios::binary) << content;
    return path + "/" + name;
  }
  /// The command, run in the folder.
  Finished orrery(const std::string& line) const { return shell("cd " + path + " && " + kOrrery + " " + line); }
};

/// Bytes that differ from place to place.
std::string pattern(u64 bytes) {
  std::string text(bytes, '\0');
  for (u64 i = 0; i < bytes; ++i) text[i] = static_cast<char>(i * 2'654'435'761u >> 13);
  return text;
}

std::string refusal(const std::string& path, DiskImage::Use use) {
  std::string error;
  CHECK(DiskImage::open(path, use, error) == nullptr);
  return error;
}

std::string mistake(const std::string& flag) {
  DiskShape disk;
  return sim::host::cli::parse_disk(flag, disk);
}

std::string digest_line(const Finished& run) {
  const auto at = run.out.rfind("digest ");
  REQUIRE(at != std::string::npos);
  return run.out.substr(at);
}

}  // namespace

TEST_CASE("an image has the digest of its bytes, whatever its length", "[sim][disk][image]") {
  const Folder folder;
  for (const u64 bytes : {u64{0}, u64{1}, u64{7}, u64{8}, u64{4096}, u64{1} << 20, (u64{1} << 20) + 3}) {
    CAPTURE(bytes);
    const std::string content = pattern(bytes);
    std::string error;
    const auto image = DiskImage::open(folder.file("image", content), DiskImage::Use::Read, error);
    REQUIRE(image != nullptr);
    CHECK(image->bytes() == bytes);
    CHECK(image->digest() == (bytes == 0 ? base::Digest{} : base::digest_of(base::bytes_of(content))));
    const DiskShape kept{.bytes = u64{2} << 20, .content = std::make_shared<const std::string>(content)};
    CHECK(kept.image_digest() == image->digest());
  }
}

TEST_CASE("what is written to a mapped image stays in this process", "[sim][disk][image]") {
  const Folder folder;
  const std::string content = pattern(5000);
  const std::string path = folder.file("image", content);
  std::string error;
  const auto image = DiskImage::open(path, DiskImage::Use::Read, error);
  REQUIRE(image != nullptr);
  u8* memory = sim::host::map_pages(16384);
  REQUIRE(memory != nullptr);
  REQUIRE(image->map_over(memory));
  CHECK(std::string(reinterpret_cast<char*>(memory), 5000) == content);
  for (u64 at = 5000; at < 16384; ++at) REQUIRE(memory[at] == 0);
  memory[0] = static_cast<u8>(memory[0] + 1);
  memory[6000] = 9;
  CHECK(read_file(path) == content);
  CHECK(image->changed().empty());
  sim::host::remember_mapping(memory, image->bytes(), *image);
  CHECK(std::string(sim::host::image_mapped_at(memory + 4999)) == path);
  CHECK(sim::host::image_mapped_at(memory + 5000) == nullptr);
  sim::host::forget_mapping(memory);
  CHECK(sim::host::image_mapped_at(memory) == nullptr);
  sim::host::unmap_memory(memory, 16384);
  std::ofstream(path, std::ios::binary | std::ios::app) << "more";
  CHECK(image->changed() == path + ": its size changed while the run went on");
}

TEST_CASE("readers share an image, and whoever writes it back has it alone", "[sim][disk][image]") {
  const Folder folder;
  const std::string path = folder.file("image", "content");
  std::string error;
  {
    const auto first = DiskImage::open(path, DiskImage::Use::Read, error);
    const auto second = DiskImage::open(path, DiskImage::Use::Read, error);
    CHECK(first != nullptr);
    CHECK(second != nullptr);
    CHECK(refusal(path, DiskImage::Use::WriteBack).find("must be alone") != std::string::npos);
  }
  const auto writer = DiskImage::open(path, DiskImage::Use::WriteBack, error);
  REQUIRE(writer != nullptr);
  CHECK(refusal(path, DiskImage::Use::Read).find("will write it back") != std::string::npos);
  CHECK(refusal(path, DiskImage::Use::WriteBack).find("in use") != std::string::npos);
  CHECK(refusal(folder.path + "/nothing", DiskImage::Use::Read) == folder.path + "/nothing: No such file or directory");
  CHECK(refusal(folder.path, DiskImage::Use::Read) == folder.path + ": not a regular file");
}

TEST_CASE("an image is written back as a new file under the old name", "[sim][disk][image]") {
  const Folder folder;
  const std::string path = folder.file("image", "old");
  REQUIRE(chmod(path.c_str(), 0640) == 0);
  const std::string link = folder.path + "/link";
  fs::create_symlink("image", link);
  std::string error;
  std::string content(u64{1} << 20, '\0');
  content.replace(8192, 5, "first");
  content.replace(content.size() - 4, 4, "last");
  {
    const auto image = DiskImage::open(link, DiskImage::Use::WriteBack, error);
    REQUIRE(image != nullptr);
    REQUIRE(image->write_back(base::bytes_of(content)) == "");
    CHECK(image->write_back(base::bytes_of(content)).find("another file has its name") != std::string::npos);
  }
  CHECK(fs::is_symlink(link));
  CHECK(read_file(path) == content);
  struct stat status = {};
  REQUIRE(stat(path.c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0640);
  CHECK(status.st_blocks * 512 < 200'000);  // what is empty takes no room
  u32 files = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator(folder.path)) files += 1;
  CHECK(files == 2);
  const auto image = DiskImage::open(path, DiskImage::Use::WriteBack, error);
  REQUIRE(image != nullptr);
  fs::remove(path);
  CHECK(image->write_back(base::bytes_of(content)) == path + ": No such file or directory");
}

TEST_CASE("--disk is read, written again the same, and refused with what is wrong", "[sim][disk][cli]") {
  DiskShape disk;
  REQUIRE(sim::host::cli::parse_disk(
              "data=16M,image=a.img,cache=ordered,latency=5us,bandwidth=1M,queue=4,channels=2,buffer=64K,sector=4096,"
              "unit=512,node=1",
              disk) == "");
  CHECK(disk.name == "data");
  CHECK(disk.bytes == u64{16} << 20);
  CHECK(disk.image == "a.img");
  CHECK(disk.settings == sim::DiskSettings{.latency_ns = 5000,
                                           .bytes_per_second = 1 << 20,
                                           .queue_depth = 4,
                                           .channels = 2,
                                           .cache = DiskCache::Ordered,
                                           .cache_bytes = 64 << 10});
  CHECK(disk.sector_bytes == 4096);
  CHECK(disk.atomic_bytes == 512);
  DiskShape again;
  REQUIRE(sim::host::cli::parse_disk(sim::host::cli::disk_text(disk), again) == "");
  CHECK(again.settings == disk.settings);
  CHECK(sim::host::cli::disk_text(again) == sim::host::cli::disk_text(disk));
  CHECK(sim::host::cli::disk_text(DiskShape{.name = "a", .bytes = 4096}) == "a=4K");

  CHECK(mistake("data") ==
        "--disk data: wanted is NAME=SIZE, for example data=16M, and behind it KEY=VALUE, with commas between them");
  CHECK(mistake("=16M") == "--disk =16M: a name has 1 to 31 letters, digits, - and _");
  CHECK(mistake("a/b=16M").find("a name has") != std::string::npos);
  for (const char* size : {"5000", "0", "", "512G", "much"}) {
    CHECK(mistake(std::string("a=") + size) ==
          std::string("--disk a=") + size + ": a disk has 4K to 256G, a multiple of 4096 bytes");
  }
  CHECK(mistake("a=4K,cahce=none") ==
        "--disk a=4K,cahce=none: there is no 'cahce', did you mean 'cache'?; known are image, cache, latency, "
        "bandwidth, queue, channels, buffer, sector, unit, node");
  CHECK(mistake("a=4K,cache=big").ends_with("cache=big: allowed is none, ordered or volatile"));
  CHECK(mistake("a=4K,latency=2h").ends_with("latency=2h: allowed is 0 to 3600s"));
  CHECK(mistake("a=4K,bandwidth=0").ends_with("bandwidth=0: allowed is 1 to 976562500K"));
  CHECK(mistake("a=4K,queue=65").ends_with("queue=65: allowed is 1 to 64"));
  CHECK(mistake("a=4K,channels=x").ends_with("channels=x: allowed is 1 to 16"));
  CHECK(mistake("a=4K,sector=1024").ends_with("sector=1024: allowed is 512 or 4096"));
  CHECK(mistake("a=4K,node=2").ends_with("node=2: allowed is 1 to 1"));
  CHECK(mistake("a=4K,image=").ends_with("image=: allowed is the name of a file"));

  CHECK(DiskFlags{.texts = {"a=4K", "a=8K"}}.check() == "--disk a=8K: there is a disk 'a' already");
  CHECK(DiskFlags{.texts = {"a=4K", "b=4K", "c=4K", "d=4K", "e=4K"}}.check() ==
        "--disk: a node has at most 4 disks, not 5");
  CHECK(DiskFlags{.texts = {"a=4K"}, .write_back = "exit"}.check() == "--write-back: no --disk has an image");
  CHECK(DiskFlags{.texts = {"a=4K,image=x"}, .write_back = "now"}.check() == "--write-back now: allowed is exit");
}

TEST_CASE("a run says which image of a disk it cannot have", "[sim][disk][cli]") {
  const Folder folder;
  folder.file("script", "echo a\nexit 0\n");
  folder.file("big", pattern(8192));
  const Finished missing = folder.orrery("run script --disk a=4K,image=none 2>&1");
  CHECK(missing.code == 8);
  CHECK(contains(missing.out, "disk a: none: No such file or directory"));
  const Finished large = folder.orrery("run script --disk a=4K,image=big 2>&1");
  CHECK(large.code == 2);
  CHECK(contains(large.out, "disk a: big has 8192 bytes, the disk only 4096"));
  CHECK(folder.orrery("run script --disk a=5000 2>&1").code == 2);
  CHECK(folder.orrery("verify script --disk a=4K,image=none 2>&1").code == 8);
  CHECK(folder.orrery("live --disk a=4K,image=none < script 2>&1").code == 8);
  folder.file("s.lua", "");
  CHECK(contains(folder.orrery("run s.lua --disk a=4K 2>&1").out, "--disk and --write-back are for scripts"));
}

TEST_CASE("a world's disks and what they hold are part of what defines its run", "[sim][disk][cli]") {
  const Folder folder;
  folder.file("script", "echo a\nexit 0\n");
  folder.file("load", "load\nexit 0\n");
  folder.file("one", pattern(4096));
  folder.file("other", "x" + pattern(4096).substr(1));
  const auto with = [&](const std::string& disks) {
    const std::string header = folder.orrery("run script --header " + disks + " 2>&1 >/dev/null").out;
    const auto at = header.find("config ");
    REQUIRE(at != std::string::npos);
    return header.substr(at, 39);
  };
  const std::string without = with("");
  const std::string blank = with("--disk a=8K");
  CHECK(blank != without);
  CHECK(with("--disk a=8K") == blank);
  CHECK(with("--disk b=8K") != blank);
  CHECK(with("--disk a=8K,cache=none") != blank);
  const std::string one = with("--disk a=8K,image=one");
  CHECK(one != blank);
  CHECK(with("--disk a=8K,image=other") != one);
  const auto run = [&](const std::string& image) {
    return folder.orrery("run load --digest --disk a=8K,image=" + image + " 2>&1");
  };
  const Finished loaded = run("one");
  CHECK(contains(loaded.out, "--disk a=8K,image=one"));  // of the line that repeats it
  CHECK(digest_line(run("one")) == digest_line(loaded));
  CHECK(digest_line(run("other")) != digest_line(loaded));
  CHECK(read_file(folder.path + "/one") == pattern(4096));
}

TEST_CASE("runs with disks are equal under every variant", "[sim][disk][cli][verify]") {
  const Folder folder;
  folder.file("script", "echo a\nwork\nsleep\nexit 0\n");
  folder.file("small", pattern(5000));
  folder.file("large", pattern(2 << 20));
  const Finished finished =
      folder.orrery("verify script --disk a=64K --disk b=64K,image=small --disk c=4M,image=large,cache=ordered");
  CHECK(finished.code == 0);
  CHECK(contains(finished.out, "equal     script seed 1   7 variants"));
}

TEST_CASE("campaigns and the minimiser run scripts with disks, and say so", "[sim][disk][cli]") {
  const Folder folder;
  folder.file("image", pattern(5000));
  folder.file("roll", "store abc\nload\nroll\n");  // ends with a status that the seed draws
  const std::string disk = " --disk a=64K,image=image";
  const Finished campaign = folder.orrery("campaign roll --seeds 1..6 --jobs 1" + disk + " 2>&1");
  CHECK(campaign.code == 1);
  CHECK(contains(campaign.out, disk));
  u64 seed = 1;
  while (seed < 20 && folder.orrery("run roll --seed " + std::to_string(seed) + disk + " 2>/dev/null").code == 0) {
    seed += 1;
  }
  REQUIRE(folder.orrery("run roll --seed " + std::to_string(seed) + disk + " --record r.orrery >/dev/null 2>&1").code ==
          1);
  const Finished minimal = folder.orrery("minimise r.orrery --runs 20 --jobs 1 --out m.orrery 2>/dev/null");
  CHECK(minimal.code == 0);
  CHECK(contains(minimal.out, "roll"));
  fs::remove(folder.path + "/image");
  CHECK(folder.orrery("replay m.orrery >/dev/null 2>&1").code == 0);
}

TEST_CASE("a recorded run with disks replays with what they held", "[sim][disk][cli][replay]") {
  const Folder folder;
  folder.file("script", "echo a\nwork\nexit 0\n");
  folder.file("small.img", pattern(5000));
  folder.file("large.img", pattern(2 << 20));
  const std::string disks = " --disk none=64K --disk s=64K,image=small.img --disk l=4M,cache=none,image=large.img";
  const Finished run = folder.orrery("run script" + disks + " --record r.orrery --digest 2>/dev/null");
  REQUIRE(run.code == 0);
  CHECK(folder.orrery("replay r.orrery --digest 2>/dev/null").out == run.out);

  const Finished info = folder.orrery("recording info r.orrery");
  CHECK(contains(info.out, "disk      none, 65536 bytes at node 1, a volatile cache, blank"));
  CHECK(contains(info.out, "disk      s, 65536 bytes at node 1, a volatile cache, image "));
  CHECK(contains(info.out, "disk      l, 4194304 bytes at node 1, no cache, image "));
  CHECK(contains(info.out, "attached  large.img  "));
  CHECK(contains(info.out, "(hash only)"));
  CHECK(folder.orrery("recording check r.orrery").code == 0);

  // The small image is in the recording; of the large one it has the hash.
  fs::remove(folder.path + "/small.img");
  fs::create_directory(folder.path + "/elsewhere");
  fs::rename(folder.path + "/large.img", folder.path + "/elsewhere/moved.img");
  const Finished missing = folder.orrery("replay r.orrery 2>&1");
  CHECK(missing.code == 8);
  CHECK(contains(missing.out, "disk l: large.img is not here; wanted is the file with SHA-256 "));
  CHECK(folder.orrery("replay r.orrery --file elsewhere/moved.img --digest 2>/dev/null").out == run.out);
  CHECK(folder.orrery("verify r.orrery --file elsewhere/moved.img").code == 0);
  CHECK(folder.orrery("verify r.orrery 2>&1").code == 8);
  folder.file("large.img", pattern((2 << 20) - 1));
  const Finished changed = folder.orrery("replay r.orrery 2>&1");
  CHECK(changed.code == 8);
  CHECK(contains(changed.out, "disk l: ./large.img has another content: SHA-256 "));

  // Put back, it is in the recording, in parts; taken out, it is a hash again.
  REQUIRE(folder.orrery("recording attach r.orrery whole.orrery --file elsewhere/moved.img").code == 0);
  CHECK(folder.orrery("replay whole.orrery --digest 2>/dev/null").out == run.out);
  const Finished cut = folder.orrery("recording cut whole.orrery cut.orrery --until 1ms 2>&1");
  CHECK(cut.code == 0);
  CHECK(folder.orrery("replay cut.orrery 2>&1").code == 0);
  REQUIRE(folder.orrery("recording detach whole.orrery bare.orrery").code == 0);
  CHECK(contains(folder.orrery("replay bare.orrery 2>&1").out, "disk s: small.img is not here"));
}

TEST_CASE("--embed keeps images of disks in the recording", "[sim][disk][cli][replay]") {
  const Folder folder;
  folder.file("script", "echo a\nexit 0\n");
  folder.file("large.img", pattern((9 << 20) + 5));  // two parts
  const std::string disks = " --disk a=16M,image=" + folder.path + "/large.img --disk b=16M,image=large.img";
  const Finished run = folder.orrery("run script" + disks + " --record r.orrery --embed --digest 2>/dev/null");
  REQUIRE(run.code == 0);
  fs::remove(folder.path + "/large.img");
  CHECK(folder.orrery("replay r.orrery --digest 2>/dev/null").out == run.out);
  CHECK(!contains(read_file(folder.path + "/r.orrery"), folder.path));  // no path of the host
  u64 attached = 0;
  const replay::Recording recording = replay::load(folder.path + "/r.orrery");
  for (const replay::Attachment* part : recording.all<replay::Attachment>()) attached += part->bytes.size();
  CHECK(attached == (9 << 20) + 5);  // once, though two disks hold it
}

TEST_CASE("a portable plan has the disks and small images in it, and large ones are refused by name",
          "[sim][disk][cli][boot]") {
  const Folder folder;
  folder.file("script", "echo a\nexit 0\n");
  folder.file("small.img", pattern(5000));
  folder.file("large.img", pattern(600 << 10));
  REQUIRE(
      folder.orrery("boot x86_64 script --disk a=64K,cache=none --disk b=8K,image=small.img --save-plan plan").code ==
      0);
  sim::host::MachineOptions options;
  REQUIRE(sim::host::read_portable(read_file(folder.path + "/plan"), options) == "");
  REQUIRE(options.disks.size() == 2);
  CHECK(options.disks[0].name == "a");
  CHECK(options.disks[0].bytes == 64 << 10);
  CHECK(options.disks[0].settings.cache == DiskCache::None);
  CHECK(options.disks[0].content == nullptr);
  REQUIRE(options.disks[1].content != nullptr);
  CHECK(*options.disks[1].content == pattern(5000));
  const Finished large = folder.orrery("boot x86_64 script --disk l=1M,image=large.img --save-plan plan 2>&1");
  CHECK(large.code == 2);
  CHECK(contains(large.out, "not portable: disk l holds an image of 614400 bytes, and a plan takes 524288"));
}

TEST_CASE("what a guest writes is in the image after --write-back=exit, and only then", "[sim][disk][cli]") {
  const Folder folder;
  const std::string before = "old" + std::string(8000, 'o');
  folder.file("image", before);
  folder.file("store", "load\nstore fresh\nexit 0\n");
  folder.file("load", "load\nexit 0\n");
  const std::string disk = " --disk a=64K,image=image";
  CHECK(contains(folder.orrery("run store" + disk + " 2>/dev/null").out, "oldooo"));
  CHECK(read_file(folder.path + "/image") == before);
  // The write was never flushed: the disk keeps its power, so it is kept.
  const Finished stored =
      folder.orrery("run store" + disk + " --write-back=exit --record r.orrery --digest 2>/dev/null");
  REQUIRE(stored.code == 0);
  const std::string after = read_file(folder.path + "/image");
  CHECK(after.size() == 64 << 10);
  CHECK(after.substr(0, 6) == std::string("fresh\0", 6));
  CHECK(after.substr(256, 256) == std::string(256, 'o'));
  CHECK(folder.orrery("run load" + disk + " 2>/dev/null").out == "fresh\n");
  // What the run began with is nowhere else any more, so the recording has it.
  CHECK(folder.orrery("replay r.orrery --digest 2>/dev/null").out == stored.out);
}

TEST_CASE("a file that others change while it is a disk ends the run as a failure of the host", "[sim][disk][cli]") {
  const Folder folder;
  folder.file("script", "load\nexit 0\n");
  // The run has opened its image when it opens the pipe that its script comes from; then `change` is made.
  const auto run = [&](const std::string& change, const std::string& flags = "") {
    folder.file("image", std::string(u64{2} << 20, 'x'));
    return shell("cd " + folder.path + " && rm -f pipe && mkfifo pipe && { " + kOrrery + " run pipe " + flags +
                 "--disk a=4M,image=image > out 2>&1 & } && pid=$! && exec 3> pipe && " + change +
                 " && cat script >&3 && exec 3>&- && wait $pid; code=$?; cat out; exit $code");
  };
  CHECK(run("true").code == 0);
  const Finished longer = run("printf x >> image");
  CHECK(longer.code == 11);
  CHECK(contains(longer.out, "orrery: limit: host failure: disk a: image: its size changed while the run went on"));
  const Finished moved = run("mv image other", "--write-back=exit ");
  CHECK(moved.code == 11);
  CHECK(contains(moved.out, "orrery: limit: host failure: disk a: image: No such file or directory"));
  const Finished gone = run(": > image");
  CHECK(gone.code == 11);
  CHECK(contains(gone.out, "orrery: limit: host failure: image cannot be read, or became shorter"));
}
