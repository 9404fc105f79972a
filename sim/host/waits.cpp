// sim/host/waits.cpp — see waits.h.
#include "sim/host/waits.h"

#include <algorithm>
#include <map>

namespace sim::host {
namespace {

constexpr u32 kThreadsMax = 4096;

using Subject = std::pair<u32, u32>;  // node and object, or node and thread

/// What the events still kept say of objects and callers.
struct Past {
  std::map<Subject, u32> takers;     // of a caller: who got its last message
  std::map<Subject, u32> receivers;  // of an endpoint: who received there last
  std::map<Subject, u32> signallers;

  explicit Past(Trace& trace) {
    for (u64 sequence = trace.oldest(); sequence <= trace.count(); ++sequence) {
      const base::Event& event = trace.at(sequence);
      const Subject object{event.node, event.object};
      switch (static_cast<base::EventKind>(event.kind)) {
        case base::EventKind::IpcTransfer:
          takers[{event.node, static_cast<u32>(event.a)}] = event.thread;
          receivers[object] = event.thread;
          break;
        case base::EventKind::IpcRecv: receivers[object] = event.thread; break;
        case base::EventKind::IpcSignal: signallers[object] = event.thread; break;
        default: break;
      }
    }
  }
};

u32 found(const std::map<Subject, u32>& table, u32 node, u32 subject, u32 self) {
  const auto at = table.find({node, subject});
  return at == table.end() || at->second == self ? 0 : at->second;
}

std::string name_of(const ThreadInfo& thread) {
  return thread.name.empty() ? "thread " + std::to_string(thread.thread_id) : std::string(thread.name);
}

}  // namespace

std::vector<Wait> waits_of(World& world) {
  std::vector<ThreadInfo> threads(kThreadsMax);
  threads.resize(world.blocked_threads(threads));
  const Past past(world.trace());
  std::vector<Wait> waits;
  for (const ThreadInfo& thread : threads) {
    Wait& wait = waits.emplace_back(Wait{.thread = thread, .on = 0, .how = {}});
    switch (thread.state) {
      case kernel::ThreadState::BlockedOnReply:
        wait.on = found(past.takers, thread.node, thread.thread_id, thread.thread_id);
        wait.how = "for the reply of";
        break;
      case kernel::ThreadState::BlockedOnSend:
        wait.on = found(past.receivers, thread.node, thread.blocked_on, thread.thread_id);
        wait.how = "to send to";
        break;
      case kernel::ThreadState::BlockedOnNotification:
        wait.on = found(past.signallers, thread.node, thread.blocked_on, thread.thread_id);
        wait.how = "for a signal of";
        break;
      default: break;
    }
  }
  return waits;
}

std::string wait_cycle(World& world) {
  const std::vector<Wait> waits = waits_of(world);
  const auto next_of = [&waits](const Wait& wait) {
    return std::find_if(waits.begin(), waits.end(), [&wait](const Wait& other) {
      return wait.on != 0 && other.thread.node == wait.thread.node && other.thread.thread_id == wait.on;
    });
  };
  for (const Wait& first : waits) {
    std::string text;
    auto at = next_of(first);
    const Wait* before = &first;
    // Each step goes to another thread, so a walk longer than there are threads is in a circle that `first` is not part of.
    for (u64 steps = 0; at != waits.end() && steps < waits.size(); ++steps) {
      text += (text.empty() ? "" : ", ") + name_of(before->thread) + " waits " + std::string(before->how) + " " +
              name_of(at->thread);
      if (&*at == &first) return text;
      before = &*at;
      at = next_of(*at);
    }
  }
  return {};
}

}  // namespace sim::host
