// sim/model/plan.cpp — see plan.h.
#include "sim/model/plan.h"

#include "base/bytes.h"
#include "base/format.h"

#include "base/enforce.h"

namespace sim {
namespace {

constexpr u64 kChecksumBytes = 16;
constexpr u64 kAtVersion = 8;
constexpr u64 kAtFlags = 12;
constexpr u64 kAtBytes = 16;
constexpr u64 kAtModel = 32;
constexpr u64 kAtSeed = 64;
constexpr u64 kAtRam = 72;
constexpr u64 kAtCores = 80;
constexpr u64 kAtWallStart = 88;
constexpr u64 kAtStealing = 96;
constexpr u64 kAtRootStack = 104;
constexpr u64 kAtCostBytes = 112;
constexpr u64 kAtScriptBytes = 116;
constexpr u64 kAtEventsFrom = 120;
constexpr u64 kAtEventsTo = 128;

constexpr u32 kFlagFramed = 1;
constexpr u32 kFlagEpochs = 2;
constexpr u32 kFlagsKnown = kFlagFramed | kFlagEpochs;

static_assert(std::has_unique_object_representations_v<kernel::CostTable>);

}  // namespace

u64 plan_bytes(const Plan& plan) { return kPlanHeaderBytes + sizeof plan.costs + plan.script.size() + kChecksumBytes; }

void encode_plan(const Plan& plan, base::MutableBytes out) {
  const u64 total = plan_bytes(plan);
  ASSERT(out.size() == total && total <= kPlanBytesMax);
  u8* at = out.data();
  __builtin_memset(at, 0, kPlanHeaderBytes);
  __builtin_memcpy(at, kPlanMagic.data(), kPlanMagic.size());
  base::store_le32(at + kAtVersion, kPlanVersion);
  base::store_le32(at + kAtFlags, (plan.framed ? kFlagFramed : 0) | (plan.epochs ? kFlagEpochs : 0));
  base::store_le64(at + kAtBytes, total);
  __builtin_memcpy(at + kAtModel, model_id().data(), kModelIdBytes);
  base::store_le64(at + kAtSeed, plan.seed);
  base::store_le64(at + kAtRam, plan.ram_bytes);
  base::store_le32(at + kAtCores, plan.cores);
  base::store_le64(at + kAtWallStart, plan.wall_start_ns);
  base::store_le64(at + kAtStealing, plan.stealing ? 1 : 0);
  base::store_le64(at + kAtRootStack, plan.root_stack_bytes);
  base::store_le32(at + kAtCostBytes, sizeof plan.costs);
  base::store_le32(at + kAtScriptBytes, static_cast<u32>(plan.script.size()));
  base::store_le64(at + kAtEventsFrom, plan.events_from);
  base::store_le64(at + kAtEventsTo, plan.events_to);
  u8* body = at + kPlanHeaderBytes;
  __builtin_memcpy(body, &plan.costs, sizeof plan.costs);
  if (!plan.script.empty()) __builtin_memcpy(body + sizeof plan.costs, plan.script.data(), plan.script.size());
  const base::Digest checksum = base::digest_of(out.first(total - kChecksumBytes));
  base::store_le64(at + total - 16, checksum.high);
  base::store_le64(at + total - 8, checksum.low);
}

base::Result<Plan, PlanError> decode_plan(base::Bytes bytes) {
  using Code = PlanError::Code;
  constexpr u64 kLeast = kPlanHeaderBytes + sizeof(kernel::CostTable) + kChecksumBytes;
  if (bytes.size() < kLeast) return PlanError{Code::Short, bytes.size(), kLeast};
  const u8* at = bytes.data();
  if (base::text_of(bytes.first(kPlanMagic.size())) != kPlanMagic) return PlanError{Code::Magic, base::load_le64(at)};
  const u32 version = base::load_le32(at + kAtVersion);
  if (version != kPlanVersion) return PlanError{Code::Version, version, kPlanVersion};
  const u64 total = base::load_le64(at + kAtBytes);
  if (total > kPlanBytesMax) return PlanError{Code::TooLarge, total, kPlanBytesMax};
  if (total < kLeast || total > bytes.size()) return PlanError{Code::Length, total, bytes.size()};
  const base::Digest checksum = base::digest_of(bytes.first(total - kChecksumBytes));
  if (checksum.high != base::load_le64(at + total - 16) || checksum.low != base::load_le64(at + total - 8)) {
    return PlanError{Code::Checksum, base::load_le64(at + total - 16), checksum.high};
  }
  // The bytes are what was written. What follows can fail only for a plan of another build.
  if (!std::equal(at + kAtModel, at + kAtModel + kModelIdBytes, model_id().data())) {
    return PlanError{Code::OtherModel, base::load_be64(at + kAtModel), base::load_be64(model_id().data())};
  }
  const u32 flags = base::load_le32(at + kAtFlags);
  if ((flags & ~kFlagsKnown) != 0) return PlanError{Code::Flags, flags, kFlagsKnown};
  const u32 cost_bytes = base::load_le32(at + kAtCostBytes);
  if (cost_bytes != sizeof(kernel::CostTable)) return PlanError{Code::Costs, cost_bytes, sizeof(kernel::CostTable)};
  const u32 script_bytes = base::load_le32(at + kAtScriptBytes);
  if (kLeast + script_bytes != total) return PlanError{Code::Length, kLeast + script_bytes, total};
  Plan plan;
  plan.seed = base::load_le64(at + kAtSeed);
  plan.ram_bytes = base::load_le64(at + kAtRam);
  plan.cores = base::load_le32(at + kAtCores);
  plan.wall_start_ns = base::load_le64(at + kAtWallStart);
  plan.root_stack_bytes = base::load_le64(at + kAtRootStack);
  plan.stealing = base::load_le64(at + kAtStealing) != 0;
  plan.framed = (flags & kFlagFramed) != 0;
  plan.epochs = (flags & kFlagEpochs) != 0;
  plan.events_from = base::load_le64(at + kAtEventsFrom);
  plan.events_to = base::load_le64(at + kAtEventsTo);
  __builtin_memcpy(&plan.costs, at + kPlanHeaderBytes, sizeof plan.costs);
  plan.script = bytes.subspan(kPlanHeaderBytes + sizeof plan.costs, script_bytes);
  if (plan.cores < 1 || plan.cores > kCoresMax) return PlanError{Code::Cores, plan.cores, kCoresMax};
  if (plan.ram_bytes < kernel::kRamBytesMin || plan.ram_bytes > kernel::kRamBytesMax ||
      plan.ram_bytes % kernel::kRamBytesMultiple != 0) {
    return PlanError{Code::Memory, plan.ram_bytes, kernel::kRamBytesMax};
  }
  return plan;
}

std::string_view describe(const PlanError& error, std::span<char> out) {
  using enum PlanError::Code;
  const u64 value = error.value;
  const u64 allowed = error.allowed;
  switch (error.code) {
    case Short: return base::format(out, "the plan has {} bytes; the smallest has {}", value, allowed);
    case Magic: return base::format(out, "this is no plan: it begins with {:016x}", __builtin_bswap64(value));
    case Version: return base::format(out, "the plan has version {}; this machine reads version {}", value, allowed);
    case TooLarge: return base::format(out, "the plan says it has {} bytes; the most is {}", value, allowed);
    case Length: return base::format(out, "the plan says it has {} bytes where there are {}", value, allowed);
    case Checksum:
      return base::format(out, "the plan is damaged: its checksum begins with {:016x}, its content gives {:016x}",
                          value, allowed);
    case OtherModel:
      return base::format(out, "the plan is for model {:016x}, this machine is model {:016x}", value, allowed);
    case Cores: return base::format(out, "the plan asks for {} cores; allowed is 1 to {}", value, allowed);
    case Memory:
      return base::format(out, "the plan asks for {} bytes of memory; allowed is a multiple of 2M up to {}", value,
                          allowed);
    case Costs: return base::format(out, "the plan's cost table has {} bytes; this machine's has {}", value, allowed);
    case Flags: return base::format(out, "the plan has unknown flags: {:x}", value);
  }
  return "unknown error in the plan";
}

}  // namespace sim
