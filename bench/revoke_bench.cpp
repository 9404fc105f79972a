// bench/revoke_bench.cpp — one revoke of a capability with many copies. Its cost for each copy should not depend on how
// many there are; what grows is the caches' part, since a slot of 32 bytes is touched once.
#include "bench/guest_run.h"

using namespace guest;

namespace bench {

namespace {

u64 copy_count = 0;

void revoke_root(const u64 (&)[8]) {
  Root root;
  const u64 endpoint = root.make(ObjectType::Endpoint);
  u64 radix = 1;
  while (u64{1} << radix < copy_count) ++radix;
  const u64 store = root.make(ObjectType::CNode, radix);
  double total_ns = 0;
  for (u64 round = 0; round < probe.rounds; ++round) {
    for (u64 i = 0; i < copy_count; ++i) {
      ASSERT(sys::invoke(store, Invoke::CNodeCopy, {i, radix, endpoint, 64, kRightsAll}, {kRootCNode}).ok());
    }
    const double start = now_ns();
    ASSERT(sys::invoke(kRootCNode, Invoke::CNodeRevoke, {endpoint, 64}).ok());
    total_ns += now_ns() - start;
  }
  probe.end_ns = total_ns;
  halt(0);
}
constexpr machine::NativeEntry kRevoke[] = {{"root", revoke_root}};

double revoke_ns_each(u64 copies, u64 rounds) {
  copy_count = copies;
  run_world(kRevoke, {.rounds = rounds, .ram_bytes = u64{32} << 20});
  return probe.end_ns / static_cast<double>(rounds * copies);
}

}  // namespace

void revoke_group(Session& session) {
  if (!session.group("revoke")) return;
  constexpr u64 kReference = 1000;
  constexpr double kLinear = 3;  // ns a copy against those of the reference; a quadratic revoke would give 100
  const u64 work = session.scaled(100'000, 1000);
  for (u64 copies = 10; copies <= work; copies *= 10) {
    session.measure({.name = "revoke of " + std::to_string(copies) + " copies, each",
                     .unit = "ns",
                     .run = [&] { return revoke_ns_each(copies, work / copies); }},
                    {{"each of 1000 copies", [&] { return revoke_ns_each(kReference, work / kReference); },
                      copies < kReference ? kNoBar : kLinear}});
  }
}

}  // namespace bench
