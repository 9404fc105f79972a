// boot/shared/channel.h — what the machine writes on its serial line: text for a person, or, when the plan asks for it, the
// frames of sim/model/plan.h, which no output of a guest can be confused with.
#pragma once
#include "base/digest.h"
#include "base/events.h"
#include "sim/model/plan.h"
#include "sim/model/world.h"

namespace boot {

class Channel {
 public:
  /// From now on everything goes out in frames.
  void begin_frames();

  /// What the guest wrote. `lines_end_in_feed`: a person's terminal wants carriage returns added.
  void console(base::Bytes bytes, bool lines_end_in_feed);
  /// What the machine says itself; whole lines.
  void text(std::string_view text);
  void root(u64 epoch, u64 events, base::Digest root);
  void event(const base::Event& event);
  void leaves(sim::World& world);
  void end(sim::World& world, sim::Outcome outcome, base::Digest root);
  /// The machine gives up with this exit status; what is wrong was said by `text`.
  void failed(u32 status);

 private:
  void frame(sim::FrameKind kind, base::Bytes payload);
  void words(sim::FrameKind kind, std::span<const u64> words);
  bool framed_ = false;
};

Channel& channel();

}  // namespace boot
