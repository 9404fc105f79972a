// replay/plan.cpp — plans as Cap'n Proto in canonical form.
#include "replay/plan.h"

#include <capnp/message.h>
#include <capnp/serialize.h>

#include "schema/recording.capnp.h"

namespace replay {
namespace {

constexpr u64 kCostCount = sizeof(kernel::CostTable) / sizeof(u64);
static_assert(sizeof(kernel::CostTable) % sizeof(u64) == 0);
constexpr u64 kDiskUnit = 4096;
constexpr u64 kRootStackBytes = sim::WorldConfig{}.root_stack_bytes;

std::string out_of_range(const char* what, u64 value) { return std::string(what) + " " + std::to_string(value); }

/// What is wrong with a node, or nothing.
std::string check(const wire::Plan::Node::Reader& node) {
  if (node.getCores() < 1 || node.getCores() > sim::kCoresMax) return out_of_range("plan: cores", node.getCores());
  const u64 ram = node.getMemoryBytes();
  if (ram < kernel::kRamBytesMin || ram > kernel::kRamBytesMax || ram % kernel::kRamBytesMultiple != 0) {
    return out_of_range("plan: memory bytes", ram);
  }
  if (node.getConsole() > static_cast<u8>(sim::ConsoleKind::Typed)) {
    return out_of_range("plan: console kind", node.getConsole());
  }
  if (node.getDriftPpm() < -sim::kRatePpmMax || node.getDriftPpm() > sim::kRatePpmMax) {
    return "plan: clock drift " + std::to_string(node.getDriftPpm()) + " ppm";
  }
  if (node.getImage().size() != 32) return "plan: the image's hash is not 32 bytes";
  return {};
}

sim::host::NodeShape shape_of(const wire::Plan::Node::Reader& node) {
  const auto script = node.getScript();
  return {.name = node.getName().cStr(),
          .cores = node.getCores(),
          .ram_bytes = node.getMemoryBytes(),
          .console = static_cast<sim::ConsoleKind>(node.getConsole()),
          .script = std::string(reinterpret_cast<const char*>(script.begin()), script.size()),
          .columns = node.getColumns(),
          .rows = node.getRows(),
          .clock = {.skew_ns = node.getSkewNs(), .drift_ppm = node.getDriftPpm()},
          .boot_at_ns = node.getBootAtNs()};
}

bool is_plain(const sim::host::NodeShape& shape) {
  return shape.name.empty() && shape.clock == sim::ClockConfig{} && shape.boot_at_ns == 0;
}

bool are_equal(const sim::host::NodeShape& left, const sim::host::NodeShape& right) {
  return left.cores == right.cores && left.ram_bytes == right.ram_bytes && left.console == right.console &&
         left.script == right.script && left.columns == right.columns && left.rows == right.rows;
}

std::string link_of(const wire::Plan::Link::Reader& from, u32 nodes, sim::host::LinkShape& link) {
  link = {.name = from.getName().cStr(),
          .settings = {.latency_ns = from.getLatencyNs(),
                       .jitter_ns = from.getJitterNs(),
                       .bits_per_second = from.getBitsPerSecond(),
                       .queue_bytes = from.getQueueBytes(),
                       .mtu = from.getMtu(),
                       .is_up = !from.getIsDown()}};
  for (const u32 node : from.getJoins()) {
    if (node < 1 || node > nodes) return "plan: link " + link.name + " joins node " + std::to_string(node);
    link.joins.push_back(node);
  }
  return {};
}

std::string disk_of(const wire::Plan::Disk::Reader& from, u32 nodes, PlanRead& read) {
  sim::host::DiskShape& disk = read.options.disks.emplace_back();
  Sha256& image = read.disk_images.emplace_back();
  disk.name = from.getName().cStr();
  disk.node = from.getNode();
  disk.bytes = from.getBytes();
  disk.sector_bytes = from.getSectorBytes();
  disk.atomic_bytes = from.getAtomicBytes();
  disk.settings = {.latency_ns = from.getLatencyNs(),
                   .bytes_per_second = from.getBytesPerSecond(),
                   .queue_depth = from.getQueueDepth(),
                   .channels = from.getChannels(),
                   .cache = static_cast<sim::DiskCache>(from.getCache()),
                   .cache_bytes = from.getCacheBytes()};
  const std::string name = "plan: disk " + disk.name;
  if (disk.node < 1 || disk.node > nodes) return name + " is of node " + std::to_string(disk.node);
  if (disk.bytes == 0 || disk.bytes % kDiskUnit != 0 || disk.bytes > sim::kDiskBytesMax) {
    return name + " has " + std::to_string(disk.bytes) + " bytes";
  }
  if (from.getCache() > static_cast<u8>(sim::DiskCache::Volatile)) {
    return name + " has a cache of kind " + std::to_string(from.getCache());
  }
  if (from.getImageBytes() > disk.bytes) {
    return name + " has an image of " + std::to_string(from.getImageBytes()) + " bytes";
  }
  const auto hash = from.getImage();
  if (hash.size() == 0) return {};
  if (hash.size() != image.size()) return name + ": the image's hash is not 32 bytes";
  std::copy(hash.begin(), hash.end(), image.begin());
  return {};
}

void set_disks(wire::Plan::Builder plan, const std::vector<sim::host::DiskShape>& disks) {
  auto out = plan.initDisks(static_cast<u32>(disks.size()));
  for (u32 i = 0; i < disks.size(); ++i) {
    const sim::host::DiskShape& disk = disks[i];
    out[i].setName(disk.name);
    out[i].setNode(disk.node);
    out[i].setBytes(disk.bytes);
    out[i].setSectorBytes(disk.sector_bytes);
    out[i].setAtomicBytes(disk.atomic_bytes);
    out[i].setLatencyNs(disk.settings.latency_ns);
    out[i].setBytesPerSecond(disk.settings.bytes_per_second);
    out[i].setQueueDepth(disk.settings.queue_depth);
    out[i].setChannels(disk.settings.channels);
    out[i].setCache(static_cast<u8>(disk.settings.cache));
    out[i].setCacheBytes(disk.settings.cache_bytes);
    Sha256 image = {};
    // A file that cannot be read now cannot be attached either, which the recorder tells.
    if (disk.image_bytes() == 0 || !hash_of(disk, image)) continue;
    out[i].setImage({image.data(), image.size()});
    out[i].setImageBytes(disk.image_bytes());
  }
}

void set_links(wire::Plan::Builder plan, const std::vector<sim::host::LinkShape>& links) {
  auto out = plan.initLinks(static_cast<u32>(links.size()));
  for (u32 i = 0; i < links.size(); ++i) {
    const sim::host::LinkShape& link = links[i];
    out[i].setName(link.name);
    auto joins = out[i].initJoins(static_cast<u32>(link.joins.size()));
    for (u32 at = 0; at < link.joins.size(); ++at) joins.set(at, link.joins[at]);
    out[i].setLatencyNs(link.settings.latency_ns);
    out[i].setJitterNs(link.settings.jitter_ns);
    out[i].setBitsPerSecond(link.settings.bits_per_second);
    out[i].setQueueBytes(link.settings.queue_bytes);
    out[i].setMtu(link.settings.mtu);
    out[i].setIsDown(!link.settings.is_up);
  }
}

/// Nodes as options describe them: equal and plain ones by the fields for all.
void set_nodes(sim::host::MachineOptions& options, std::vector<sim::host::NodeShape> shapes, bool one_image) {
  const sim::host::NodeShape& first = shapes[0];
  options.nodes = static_cast<u32>(shapes.size());
  for (const sim::host::NodeShape& shape : shapes) one_image = one_image && is_plain(shape) && are_equal(shape, first);
  if (!one_image) {
    options.shapes = std::move(shapes);
    return;
  }
  options.cores = first.cores;
  options.ram_bytes = first.ram_bytes;
  options.console = first.console;
  options.columns = first.columns;
  options.rows = first.rows;
  options.script = first.script;
}

/// The bytes of an image by its hash, built in or attached; the error's text otherwise.
std::string find_image(const Recording& recording, const Sha256& wanted, const std::string& built_in,
                       std::string& image) {
  if (sha256_of(base::bytes_of(built_in)) == wanted) {
    image = built_in;
    return {};
  }
  for (const Attachment* attachment : recording.all<Attachment>()) {
    if (attachment->sha256 != wanted || attachment->external) continue;
    if (sha256_of(attachment->bytes) != attachment->sha256) {
      return "attachment " + attachment->name + ": its bytes do not have the hash it is kept under";
    }
    image.assign(attachment->bytes.begin(), attachment->bytes.end());
    return {};
  }
  return "the boot image " + hex(wanted) + " is neither built in nor attached";
}

}  // namespace

Buffer plan_of(const sim::host::MachineOptions& options) {
  capnp::MallocMessageBuilder message;
  auto plan = message.initRoot<wire::Plan>();
  plan.setWallStartNs(options.wall_start_ns);
  plan.setRootStackBytes(kRootStackBytes);
  plan.setStealing(true);
  auto costs = plan.initCosts(kCostCount);
  u64 words[kCostCount];
  __builtin_memcpy(words, &options.costs, sizeof words);
  for (u32 i = 0; i < kCostCount; ++i) costs.set(i, words[i]);
  auto nodes = plan.initNodes(options.node_count());
  const Sha256 common = sha256_of(base::bytes_of(options.image));
  for (u32 i = 0; i < nodes.size(); ++i) {
    auto node = nodes[i];
    const sim::host::NodeShape shape = options.shape(i);
    node.setCores(shape.cores);
    node.setMemoryBytes(shape.ram_bytes);
    node.setConsole(static_cast<u8>(shape.console));
    node.setColumns(shape.columns);
    node.setRows(shape.rows);
    node.setScript({reinterpret_cast<const u8*>(shape.script.data()), shape.script.size()});
    const Sha256 image = shape.image.empty() ? common : sha256_of(base::bytes_of(shape.image));
    node.setImage({image.data(), image.size()});
    if (!shape.name.empty()) node.setName(shape.name);
    node.setSkewNs(shape.clock.skew_ns);
    node.setDriftPpm(shape.clock.drift_ppm);
    node.setBootAtNs(shape.boot_at_ns);
  }
  if (!options.links.empty()) set_links(plan, options.links);
  if (!options.disks.empty()) set_disks(plan, options.disks);
  const auto words_out = capnp::canonicalize(plan.asReader());
  const auto bytes = words_out.asBytes();
  return {bytes.begin(), bytes.end()};
}

PlanRead read_plan(const PlanFrame& frame) {
  PlanRead read;
  const auto refuse = [&read](std::string what) {
    read.error = std::move(what);
    return read;
  };
  if (frame.bytes.size() % 8 != 0) return refuse("plan: not whole words");
  std::vector<capnp::word> words(frame.bytes.size() / 8);
  if (!words.empty()) __builtin_memcpy(words.data(), frame.bytes.data(), frame.bytes.size());
  try {
    const kj::ArrayPtr<const capnp::word> segments[] = {kj::arrayPtr(words.data(), words.size())};
    capnp::SegmentArrayMessageReader message(kj::arrayPtr(segments, 1));
    const auto plan = message.getRoot<wire::Plan>();
    const auto nodes = plan.getNodes();
    if (nodes.size() < 1 || nodes.size() > sim::kNodesMax) return refuse(out_of_range("plan: nodes", nodes.size()));
    const auto costs = plan.getCosts();
    if (costs.size() != kCostCount) return refuse(out_of_range("plan: costs", costs.size()));
    if (plan.getRootStackBytes() != kRootStackBytes || !plan.getStealing()) {
      return refuse("plan: a setting this build does not offer");
    }
    std::vector<sim::host::NodeShape> shapes;
    for (const auto node : nodes) {
      if (std::string wrong = check(node); !wrong.empty()) return refuse(std::move(wrong));
      shapes.push_back(shape_of(node));
      Sha256& image = read.images.emplace_back();
      std::copy(node.getImage().begin(), node.getImage().end(), image.begin());
    }
    sim::host::MachineOptions& options = read.options;
    const bool one_image = std::equal(read.images.begin() + 1, read.images.end(), read.images.begin());
    set_nodes(options, std::move(shapes), one_image);
    options.wall_start_ns = plan.getWallStartNs();
    if (plan.getLinks().size() > sim::kLinksMax) return refuse(out_of_range("plan: links", plan.getLinks().size()));
    for (const auto link : plan.getLinks()) {
      const std::string wrong = link_of(link, nodes.size(), options.links.emplace_back());
      if (!wrong.empty()) return refuse(wrong);
    }
    if (plan.getDisks().size() > sim::kDisksMax) return refuse(out_of_range("plan: disks", plan.getDisks().size()));
    for (const auto disk : plan.getDisks()) {
      if (std::string wrong = disk_of(disk, nodes.size(), read); !wrong.empty()) return refuse(std::move(wrong));
    }
    u64 table[kCostCount];
    for (u32 i = 0; i < kCostCount; ++i) table[i] = costs[i];
    __builtin_memcpy(&options.costs, table, sizeof table);
    return read;
  } catch (const kj::Exception& exception) {
    return refuse(std::string("plan: ") + exception.getDescription().cStr());
  }
}

PlanRead machine_of(const Recording& recording, const std::string& built_in_image,
                    std::span<const machine::NativeEntry> entries, const DiskFiles& files) {
  PlanRead read = read_plan(recording.plan());
  if (!read.error.empty()) return read;
  if (recording.scenario() != nullptr) {
    read.error = "it is of the scenario " + recording.scenario()->name + ": its files make the machine";
    return read;
  }
  read.options.seed = recording.header().seed;
  read.options.entries = entries;
  for (const Overrides* overrides : recording.all<Overrides>()) {
    const std::string wrong = sim::host::parse_schedule(overrides->text, read.options.schedule);
    if (!wrong.empty()) {
      read.error = "overrides: " + wrong;
      return read;
    }
  }
  read.error = find_image(recording, read.images[0], built_in_image, read.options.image);
  for (u32 i = 0; i < read.options.shapes.size() && read.error.empty(); ++i) {
    if (read.images[i] == read.images[0]) continue;  // the machine's
    read.error = find_image(recording, read.images[i], built_in_image, read.options.shapes[i].image);
  }
  if (read.error.empty()) read.error = find_images(recording, read.disk_images, files, read.options.disks);
  return read;
}

}  // namespace replay
