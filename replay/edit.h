// replay/edit.h — what can be done to a recording besides replaying it. Whatever changes the run executes it again, so
// that the result is valid in itself; the rest copies frames.
#pragma once
#include "replay/player.h"

namespace replay {

/// The good prefix of a file whose end is damaged, with the frames' own bytes. Empty when not even its head is whole.
Buffer good_prefix(base::Bytes file);

/// Keeps hashes of attached files only, or puts bytes with a wanted hash back. `changed` counts files.
struct Reattached {
  Buffer file;
  u32 changed = 0;
  std::string error;
};
Reattached detach(const Recording& recording);
Reattached attach(const Recording& recording, const std::string& name, base::Bytes bytes);

/// A run of a changed recording, recorded anew.
struct Rerun {
  Replayed replayed;
  u64 inputs_replaced = 0;
  std::string error;
};
struct RedactOptions {
  std::vector<std::string> names;  // sources or source@ordinal, besides what is marked secret
};
/// Replaces secret and named console input by as many fillers (line ends stay), runs the result and writes it to `out`.
Rerun redact(const Recording& recording, const RedactOptions& options, const std::string& built_in_image,
             std::span<const machine::NativeEntry> entries, const std::string& out, const DiskFiles& files = {});
/// The run up to `until` (virtual ns), as a recording of its own.
Rerun cut(const Recording& recording, u64 until, const std::string& built_in_image,
          std::span<const machine::NativeEntry> entries, const std::string& out, const DiskFiles& files = {});

/// "halted with status 3", "stalled", "waiting for input", "stopped".
std::string result_text(sim::Outcome outcome, sim::World& world);

}  // namespace replay
