// boot/shared/run_plan.cpp — the deterministic mode: the same world, sinks and digest as `orrery run` on the host.
#include "boot/shared/channel.h"
#include "boot/shared/contain.h"
#include "boot/shared/run.h"
#include "boot/shared/status.h"
#include "boot/shared/world.h"

#include "base/enforce.h"

namespace boot {
namespace {

/// What the sinks look at. The world tells events of its own creation before it can be reached.
struct Observer {
  const sim::Plan& plan;
  sim::World* world = nullptr;
  u64 events = 0;
  bool leaves_told = false;
};

void on_console(void*, u32, base::Bytes bytes) { channel().console(bytes, true); }

void on_event(void* context, const base::Event& event) {
  Observer& observer = *static_cast<Observer*>(context);
  observer.events = event.sequence;
  if (event.sequence < observer.plan.events_from || event.sequence > observer.plan.events_to) return;
  channel().event(event);
}

void on_epoch(void* context, u64 epoch, base::Digest root) {
  Observer& observer = *static_cast<Observer*>(context);
  if (observer.plan.epochs) {
    const u64 events = observer.world != nullptr ? observer.world->trace().count() : epoch * sim::kEpochEvents;
    channel().root(epoch, events, root);
  }
  const bool wants_events = observer.plan.events_from != 0;
  if (!wants_events || observer.leaves_told || observer.world == nullptr) return;
  if (observer.events < observer.plan.events_to) return;
  observer.leaves_told = true;
  channel().leaves(*observer.world);
}

u32 status_of(sim::Outcome outcome) { return outcome == sim::Outcome::Ended ? kStatusHeld : kStatusStalled; }

}  // namespace

void run_plan(const sim::Plan& plan) {
  if (plan.framed) channel().begin_frames();
  Observer observer{plan};
  sim::WorldConfig config;
  config.seed = plan.seed;
  config.costs = plan.costs;
  config.wall_start_ns = plan.wall_start_ns;
  config.root_stack_bytes = plan.root_stack_bytes;
  config.stealing = plan.stealing;
  config.schedule = plan.schedule;
  config.faults = plan.faults;
  config.sinks.context = &observer;
  config.sinks.console_output = on_console;
  config.sinks.epoch = on_epoch;
  if (plan.events_from != 0) config.sinks.event = on_event;
  sim::NodeConfig node;
  node.cores = plan.cores;
  node.console = sim::ConsoleKind::Script;
  node.script = plan.script;
  node.clock = plan.clock;
  sim::World& world = make_world(config, node, plan.ram_bytes, plan.disks);
  observer.world = &world;
  contain(world, {});
  const sim::Outcome outcome = world.run(sim::kNever);
  release_containment();
  const base::Digest root = world.finish();
  channel().end(world, outcome, root);
  arch::power_off(status_of(outcome));
}

}  // namespace boot
