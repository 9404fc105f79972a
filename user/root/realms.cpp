// user/root/realms.cpp — realms: quotas that bind a process and everything below it. Memory and processes are counted
// here, along the path to the root; the processor is divided by the kernel's budget tree.
#include "user/root/manager.h"

#include "base/format.h"
#include "base/parse.h"
#include "user/runtime/notes.h"

#include "base/enforce.h"

namespace user::root {
namespace {

constexpr u32 kRealmBlockBits = 12;
constexpr u32 kRealmDepthMax = kernel::kBudgetDepthMax - 3;  // below the deepest: its own two nodes and a leaf
constexpr u32 kNodeBits = 10;  // room for 55 refills: a shared node under a small budget has many
constexpr u64 kNodeExtraRefills = (1024 - 144) / 16 - kernel::kRefillsMin;
constexpr u64 kNsPerPercent = 100'000;  // of the 10 ms a budget is divided over, on one core
constexpr u64 kPercentMax = kernel::kPeriodMax / kNsPerPercent;

fs::Error quota_error(ErrorCode code, std::string_view before, u64 limit) {
  char text[fs::kDetailBytesMax];
  const u64 mega = u64{1} << 20;
  if (limit >= mega && limit % mega == 0) return {code, base::format(text, "{} {}M", before, limit / mega)};
  return {code, base::format(text, "{} {}", before, limit)};
}

/// What a limit of the processor says: `20%` of a core, `20ms/100ms`, `20ms` of the usual period.
struct Share {
  u64 budget_ns = 0;
  u64 period_ns = kBudgetPeriodNs;
};
Result<Share> share_of(std::string_view value) {
  if (value.ends_with("%")) {
    const auto percent = base::parse_u64(value.substr(0, value.size() - 1));
    if (!percent.ok() || percent.value() > kPercentMax) return fs::fail(ErrorCode::BadArgument, value);
    return Share{.budget_ns = percent.value() * kNsPerPercent};
  }
  const std::size_t slash = value.find('/');
  const auto budget = base::parse_duration_ns(value.substr(0, slash));
  if (!budget.ok()) return fs::fail(ErrorCode::BadArgument, value);
  Share share{.budget_ns = budget.value()};
  if (slash != std::string_view::npos) {
    const auto period = base::parse_duration_ns(value.substr(slash + 1));
    if (!period.ok()) return fs::fail(ErrorCode::BadArgument, value);
    share.period_ns = period.value();
  }
  return share;
}

std::string_view take_word(std::string_view& line) {
  while (!line.empty() && line.front() == ' ') line.remove_prefix(1);
  const std::size_t end = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(end);
  return word;
}

}  // namespace

Result<void> Manager::charge(Realm& realm, Resource Realm::*which, u64 amount) {
  for (Realm* at = &realm; at != nullptr; at = at->parent) {
    Resource& resource = at->*which;
    if (resource.limit == kNoLimit || amount <= resource.limit - std::min(resource.limit, resource.used)) continue;
    resource.refusals += 1;
    if (which == &Realm::processes || which == &Realm::threads) return fs::fail(ErrorCode::TooManyProcesses);
    return quota_error(ErrorCode::OutOfMemory, "quota", resource.limit);
  }
  for (Realm* at = &realm; at != nullptr; at = at->parent) {
    Resource& resource = at->*which;
    resource.used += amount;
    resource.peak = std::max(resource.peak, resource.used);
  }
  return {};
}

void Manager::refund(Realm& realm, Resource Realm::*which, u64 amount) {
  for (Realm* at = &realm; at != nullptr; at = at->parent) {
    ASSERT((at->*which).used >= amount);
    (at->*which).used -= amount;
  }
}

Result<void> Manager::set_cpu(Realm& realm, u64 budget_ns, u64 period_ns) {
  // No limit: as much as the cores give.
  const u64 period = budget_ns == 0 ? kBudgetPeriodNs : period_ns;
  const u64 budget = budget_ns == 0 ? period * core_count_ : budget_ns;
  const BudgetNode max{.budget = budget,
                       .period = period,
                       .extra_refills = kNodeExtraRefills,
                       .badge = realm.id,
                       .flags = kernel::kSchedInner};
  // In use as well: what was left of the old budget counts, who waits for it looks again.
  const bool done = realm.parent == nullptr ? configure_root_budget(kernel::kRootSchedControl, realm.node_max, max)
                                            : configure_child_budget(realm.parent->node_max, realm.node_max, max);
  if (!done || !configure_child_budget(realm.node_max, realm.node_effort, max)) return fs::fail(ErrorCode::BadArgument);
  realm.cpu_budget_ns = budget_ns;
  realm.cpu_period_ns = period;
  return {};
}

Result<Realm*> Manager::make_realm(Realm& parent, std::string_view name) {
  if (name.empty() || name.size() > 63) return fs::fail(ErrorCode::BadFileName, name);
  for (const Realm& child : parent.children) {
    if (child.name == name) return fs::fail(ErrorCode::AlreadyExists);
  }
  if (parent.ending) return fs::fail(ErrorCode::InUse);
  u32 depth = 0;
  for (const Realm* at = &parent; at != nullptr; at = at->parent) depth += 1;
  if (depth >= kRealmDepthMax) return fs::fail(ErrorCode::BadArgument, "too many realms in each other");
  return new_realm(&parent, name);
}

Result<Realm*> Manager::new_realm(Realm* parent, std::string_view name) {
  const BlockId block = untyped_.take(kRealmBlockBits, slots_);
  const u32 nodes = block == kNoBlock ? 0 : slots_.take_pair();
  if (nodes == 0) {
    if (block != kNoBlock) untyped_.give(block);
    return fs::fail(ErrorCode::OutOfMemory);
  }
  MUST_OK(retype(untyped_.slot_of(block), kernel::ObjectType::SchedContext, kNodeBits, own(nodes), 2));
  Realm& realm = *new (memory_.allocate(sizeof(Realm), alignof(Realm))) Realm(memory_);
  realm.id = next_realm_++;
  realm.name.assign(name);
  realm.parent = parent;
  realm.block = block;
  realm.node_max = nodes;
  realm.node_effort = nodes + 1;
  if (parent != nullptr) parent->children.push_back(realm);
  MUST(set_cpu(realm, 0, kBudgetPeriodNs));
  return &realm;
}

Result<void> Manager::remove_realm(Realm& realm) {
  ASSERT(realm.parent != nullptr);
  if (!realm.members.empty() || !realm.children.empty()) return fs::fail(ErrorCode::InUse);
  realm.parent->children.remove(realm);
  revoke(own(untyped_.slot_of(realm.block)));
  untyped_.give(realm.block);
  slots_.give_pair(realm.node_max);
  realm.~Realm();
  memory_.release(&realm, sizeof realm);
  return {};
}

void Manager::end_realm(Realm& realm) {
  Realm* at = &realm;
  while (at != nullptr && at->ending && at->members.empty() && at->children.empty()) {
    Realm* const parent = at->parent;
    MUST(remove_realm(*at));
    at = parent;
  }
}

void Manager::append_realm_path(const Realm& realm, base::String& out) const {
  if (realm.parent == nullptr) {
    out.push('/');
    return;
  }
  if (realm.parent->parent != nullptr) append_realm_path(*realm.parent, out);
  out.append("/").append(realm.name.view());
}

Realm* Manager::find_realm(Realm& from, std::string_view path) {
  Realm* at = &from;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/'), path.size());
    const std::string_view name = path.substr(0, end);
    path.remove_prefix(std::min(end + 1, path.size()));
    if (name.empty()) continue;
    Realm* found = nullptr;
    for (Realm& child : at->children) {
      if (child.name == name) found = &child;
    }
    if (found == nullptr) return nullptr;
    at = found;
  }
  return at;
}

bool Manager::is_within(const Realm* inner, const Realm& outer) {
  for (; inner != nullptr; inner = inner->parent) {
    if (inner == &outer) return true;
  }
  return false;
}

bool Manager::sees(const ProcessRecord& viewer, const ProcessRecord& target) const {
  if (viewer.realm == nullptr) return false;
  const ProcessRecord* const known = target.realm == nullptr && target.parent != nullptr ? target.parent : &target;
  return viewer.realm == root_realm_ || is_within(known->realm, *viewer.realm);
}

// ── Limits ───────────────────────────────────────────────────────────────────────────────────────────────────

Result<void> Manager::set_cpu_limit(Realm& realm, std::string_view value) {
  if (value == "-") return set_cpu(realm, 0, kBudgetPeriodNs);
  const Share share = TRY(share_of(value));
  if (share.budget_ns < kernel::kMinBudget || share.period_ns < kernel::kMinBudget) {
    return fs::fail(ErrorCode::BadArgument, value);
  }
  // As fractions: a share of a period is compared with one of another. Products: at most 128 cores × (1 h)² in 128 bits.
  for (const Realm* above = realm.parent; above != nullptr; above = above->parent) {
    const bool is_root = above->parent == nullptr;
    if (above->cpu_budget_ns == 0 && !is_root) continue;
    const Share bound = above->cpu_budget_ns == 0 ? Share{kBudgetPeriodNs * core_count_, kBudgetPeriodNs}
                                                  : Share{above->cpu_budget_ns, above->cpu_period_ns};
    if (static_cast<unsigned __int128>(share.budget_ns) * bound.period_ns <=
        static_cast<unsigned __int128>(bound.budget_ns) * share.period_ns) {
      continue;
    }
    char text[fs::kDetailBytesMax];
    const u64 hundredths = static_cast<u64>(static_cast<unsigned __int128>(bound.budget_ns) * 10'000 / bound.period_ns);
    if (hundredths % 100 == 0) {
      return fs::Error{ErrorCode::QuotaExceeded, base::format(text, "parent has {}%", hundredths / 100)};
    }
    return fs::Error{ErrorCode::QuotaExceeded,
                     base::format(text, "parent has {}.{:02}%", hundredths / 100, hundredths % 100)};
  }
  if (share.budget_ns > kernel::kPeriodMax || share.period_ns > kernel::kPeriodMax) {
    return fs::fail(ErrorCode::BadArgument, value);
  }
  return set_cpu(realm, share.budget_ns, share.period_ns);
}

u64 Manager::bound_of(const Realm& realm, u64 Realm::*which) {
  u64 bound = kNoLimit;
  for (const Realm* at = &realm; at != nullptr; at = at->parent) bound = std::min(bound, at->*which);
  return bound;
}

/// Writes the bound of descriptors where the runtimes of all processes in the realm and below see it.
void Manager::tell_files_max(const Realm& realm) {
  const u64 bound = bound_of(realm, &Realm::files_max);
  for (const ProcessRecord& member : realm.members) {
    buffer_of(member).reserved[kSharedFilesMax] = bound == kNoLimit ? 0 : bound;
  }
  for (const Realm& child : realm.children) tell_files_max(child);
}

Result<void> Manager::set_bound(Realm& realm, u64 Realm::*which, u64 limit) {
  const u64 above = realm.parent == nullptr ? kNoLimit : bound_of(*realm.parent, which);
  if (limit != kNoLimit && limit > above) return quota_error(ErrorCode::QuotaExceeded, "parent has", above);
  realm.*which = limit;
  return {};
}

Result<void> Manager::set_limit(Realm& realm, std::string_view name, std::string_view value) {
  if (name == "cpu") return set_cpu_limit(realm, value);
  if (name == "channels") return fs::fail(ErrorCode::NotSupported, name);
  u64 limit = kNoLimit;
  if (value != "-") {
    const auto number = base::parse_size(value);
    if (!number.ok()) return fs::fail(ErrorCode::BadArgument, value);
    limit = number.value();
  }
  if (name == "files") {
    if (limit == 0) return fs::fail(ErrorCode::BadArgument, value);
    TRY(set_bound(realm, &Realm::files_max, limit));
    tell_files_max(realm);
    return {};
  }
  if (name == "mounts") return set_bound(realm, &Realm::mounts_max, limit);
  Resource Realm::*which = name == "memory"      ? &Realm::memory
                           : name == "processes" ? &Realm::processes
                           : name == "threads"   ? &Realm::threads
                                                 : nullptr;
  if (which == nullptr) return fs::fail(ErrorCode::BadArgument, name);
  for (const Realm* above = realm.parent; above != nullptr && limit != kNoLimit; above = above->parent) {
    u64 bound = (above->*which).limit;
    if (which == &Realm::memory && above->parent == nullptr) bound = std::min(bound, untyped_.bytes_total());
    if (limit > bound) return quota_error(ErrorCode::QuotaExceeded, "parent has", bound);
  }
  if (limit < (realm.*which).used) return fs::fail(ErrorCode::InUse);
  (realm.*which).limit = limit;
  return {};
}

// ── Control ──────────────────────────────────────────────────────────────────────────────────────────────────

Result<void> Manager::control_realm(Realm& realm, std::string_view line, Asker asker) {
  std::string_view rest = line;
  const std::string_view verb = take_word(rest);
  if (verb == "set") {
    // A limit is what the realms above grant; who is bound by it does not change it.
    if (asker == Asker::Inside) return fs::fail(ErrorCode::OperationNotPermitted);
    const std::string_view name = take_word(rest);
    const std::string_view value = take_word(rest);
    if (!take_word(rest).empty()) return fs::fail(ErrorCode::BadArgument, line);
    return set_limit(realm, name, value);
  }
  const bool destroys = verb == "destroy";
  const bool stops = verb == "stop";
  const bool starts = verb == "start";
  if (!stops && !starts && !destroys && verb != "kill") return fs::fail(ErrorCode::UnknownControl, verb);
  if (realm.parent == nullptr && !starts) return fs::fail(ErrorCode::OperationNotPermitted);
  if (destroys && asker == Asker::Inside) return fs::fail(ErrorCode::OperationNotPermitted);
  Realm* next_child = nullptr;
  for (Realm* child = realm.children.front(); child != nullptr; child = next_child) {
    next_child = realm.children.next(*child);
    MUST(control_realm(*child, verb, Asker::Above));
  }
  if (stops || starts) realm.stopped = stops;
  ProcessRecord* next = nullptr;
  for (ProcessRecord* at = realm.members.front(); at != nullptr; at = next) {
    next = realm.members.next(*at);
    if (stops) {
      stop(*at, kNoteStop);
    } else if (starts) {
      resume(*at);
    } else {
      terminate(*at, 128 + kNoteKill, kNoteKill, {}, false);
    }
  }
  if (destroys) {
    realm.ending = true;
    end_realm(realm);
  }
  return {};
}

}  // namespace user::root
