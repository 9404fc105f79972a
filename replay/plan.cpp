// replay/plan.cpp — plans as Cap'n Proto in canonical form.
#include "replay/plan.h"

#include <capnp/message.h>
#include <capnp/serialize.h>

#include "schema/recording.capnp.h"

namespace replay {
namespace {

constexpr u64 kCostCount = sizeof(kernel::CostTable) / sizeof(u64);
static_assert(sizeof(kernel::CostTable) % sizeof(u64) == 0);
constexpr u64 kRootStackBytes = sim::WorldConfig{}.root_stack_bytes;

std::string out_of_range(const char* what, u64 value) { return std::string(what) + " " + std::to_string(value); }

/// What is wrong with a node, or nothing.
std::string check(const wire::Plan::Node::Reader& node) {
  if (node.getCores() < 1 || node.getCores() > sim::kCoresMax) return out_of_range("plan: cores", node.getCores());
  const u64 ram = node.getMemoryBytes();
  if (ram < kernel::kRamBytesMin || ram > kernel::kRamBytesMax || ram % kernel::kRamBytesMultiple != 0) {
    return out_of_range("plan: memory bytes", ram);
  }
  if (node.getConsole() > static_cast<u8>(sim::ConsoleKind::Script)) {
    return out_of_range("plan: console kind", node.getConsole());
  }
  if (node.getImage().size() != 32) return "plan: the image's hash is not 32 bytes";
  return {};
}

}  // namespace

Buffer plan_of(const sim::host::MachineOptions& options) {
  capnp::MallocMessageBuilder message;
  auto plan = message.initRoot<wire::Plan>();
  plan.setWallStartNs(sim::kWallStartNs);
  plan.setRootStackBytes(kRootStackBytes);
  plan.setStealing(true);
  auto costs = plan.initCosts(kCostCount);
  u64 words[kCostCount];
  __builtin_memcpy(words, &options.costs, sizeof words);
  for (u32 i = 0; i < kCostCount; ++i) costs.set(i, words[i]);
  auto nodes = plan.initNodes(options.nodes);
  const Sha256 image = sha256_of(base::bytes_of(options.image));
  for (u32 i = 0; i < options.nodes; ++i) {
    auto node = nodes[i];
    node.setCores(options.cores);
    node.setMemoryBytes(options.ram_bytes);
    node.setConsole(static_cast<u8>(options.console));
    node.setColumns(options.columns);
    node.setRows(options.rows);
    node.setScript({reinterpret_cast<const u8*>(options.script.data()), options.script.size()});
    node.setImage({image.data(), image.size()});
  }
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
    if (plan.getWallStartNs() != sim::kWallStartNs || plan.getRootStackBytes() != kRootStackBytes ||
        !plan.getStealing()) {
      return refuse("plan: a setting this build does not offer");
    }
    for (const auto node : nodes) {
      if (std::string wrong = check(node); !wrong.empty()) return refuse(std::move(wrong));
    }
    const auto first = nodes[0];
    sim::host::MachineOptions& options = read.options;
    options.nodes = nodes.size();
    options.cores = first.getCores();
    options.ram_bytes = first.getMemoryBytes();
    options.console = static_cast<sim::ConsoleKind>(first.getConsole());
    options.columns = first.getColumns();
    options.rows = first.getRows();
    const auto script = first.getScript();
    options.script.assign(reinterpret_cast<const char*>(script.begin()), script.size());
    u64 table[kCostCount];
    for (u32 i = 0; i < kCostCount; ++i) table[i] = costs[i];
    __builtin_memcpy(&options.costs, table, sizeof table);
    std::copy(first.getImage().begin(), first.getImage().end(), read.image.begin());
    return read;
  } catch (const kj::Exception& exception) {
    return refuse(std::string("plan: ") + exception.getDescription().cStr());
  }
}

PlanRead machine_of(const Recording& recording, const std::string& built_in_image,
                    std::span<const machine::NativeEntry> entries) {
  PlanRead read = read_plan(recording.plan());
  if (!read.error.empty()) return read;
  read.options.seed = recording.header().seed;
  read.options.entries = entries;
  for (const Overrides* overrides : recording.all<Overrides>()) {
    const std::string wrong = sim::host::parse_schedule(overrides->text, read.options.schedule);
    if (!wrong.empty()) {
      read.error = "overrides: " + wrong;
      return read;
    }
  }
  if (sha256_of(base::bytes_of(built_in_image)) == read.image) {
    read.options.image = built_in_image;
    return read;
  }
  for (const Attachment* attachment : recording.all<Attachment>()) {
    if (attachment->sha256 != read.image || attachment->external) continue;
    if (sha256_of(attachment->bytes) != attachment->sha256) {
      read.error = "attachment " + attachment->name + ": its bytes do not have the hash it is kept under";
      return read;
    }
    read.options.image.assign(attachment->bytes.begin(), attachment->bytes.end());
    return read;
  }
  read.error = "the boot image " + hex(read.image) + " is neither built in nor attached";
  return read;
}

}  // namespace replay
