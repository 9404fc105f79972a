// sim/host/scenario/runner_links.cpp — links between nodes, as callbacks see and change them.
#include "sim/host/scenario/runner.h"

namespace sim::host::scenario {

bool Runner::link_is_up(u32) { return false; }
std::string Runner::set_link(u32, bool) { return "links come with the network devices"; }
std::string Runner::set_latency(u32, u64) { return "links come with the network devices"; }
std::string Runner::partition(const std::vector<std::vector<u32>>&) { return "links come with the network devices"; }
std::string Runner::heal() { return "links come with the network devices"; }

}  // namespace sim::host::scenario
