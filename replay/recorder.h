// replay/recorder.h — writes a run to a file while it happens: what defines it first, each input before it takes effect,
// digests now and then, and how it ended.
//
// Invariants  R1 a frame is in the kernel's hands (one write) before the input it tells of can have any effect: killing
//                the process loses no frame. `sync` bounds what a crash of the host loses to a second.
//             R2 nothing here changes the run, and nothing here reads a clock but `sync`, which is called between runs.
#pragma once
#include "replay/plan.h"

namespace replay {

constexpr u64 kMilestoneEvents = 65536;

enum class Digests : u8 { Sparse, Dense };  // dense: each epoch, with a fingerprint of each lane

class Recorder {
 public:
  struct Options {
    std::string path;
    std::string created;               // empty: nothing is told about the host's time
    std::vector<std::string> sources;  // what is run, as it was named
    std::vector<std::string> redacted;
    std::string image_name;  // not empty: the image is not the one built in, and is attached
    Digests digests = Digests::Sparse;
    bool embed_disks = false;  // what disks hold at the start is kept whatever its size
    bool exclusive = false;    // the file must not exist yet
    /// Of a scenario's run: its files, and the schedule it was asked for (empty: none). No images: they follow from the files.
    std::optional<Scenario> scenario;
    u64 seed = 0;  // of the run; its machine may have been booted under another
    std::vector<Attachment> files;
    std::string overrides;
  };
  Recorder() = default;
  ~Recorder();
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  /// Creates the file (mode 0600) and writes header and plan. Empty, or what went wrong.
  std::string open(const Options& options, const sim::host::MachineOptions& machine);
  /// Observes `machine` from its start on; its own observers are called too. To be called before Machine::start.
  void attach(sim::host::Machine& machine);
  /// Once a second at most: asks the host to put what is written on its disk.
  void sync();
  /// Verdict and end; the file is complete then. `root` is what World::finish returned.
  void finish(const std::string& result, base::Digest root);
  /// The same with what was found wrong.
  void finish(const Verdict& verdict, base::Digest root);

  bool is_open() const { return file_ >= 0; }
  const std::string& path() const { return path_; }
  /// Empty, or why writing stopped. The run goes on without being recorded.
  const std::string& failure() const { return failure_; }
  u64 bytes() const { return bytes_; }
  u64 inputs() const { return inputs_; }

 private:
  void attach_image(const std::string& name, const std::string& image);
  std::string attach_disks(const std::vector<sim::host::DiskShape>& disks, bool embed);
  void append(const Content& content);
  void write_whole(base::Bytes bytes);
  void take_input(const sim::InputRecord& record);
  void epoch_closed(base::Digest root);

  FrameChain chain_;
  std::string path_;
  std::string failure_;
  sim::host::Machine* machine_ = nullptr;
  Digests digests_ = Digests::Sparse;
  int file_ = -1;
  u64 bytes_ = 0;
  u64 inputs_ = 0;
  u64 milestone_at_ = kMilestoneEvents;
  u64 synced_ms_ = 0;
  bool dirty_ = false;
  std::vector<std::pair<std::string, u64>> ordinals_;
};

/// After how many events the milestone that follows one at `sequence` is due.
constexpr u64 next_milestone(u64 sequence) {
  return sequence + (sequence / 4 > kMilestoneEvents ? sequence / 4 : kMilestoneEvents);
}

/// One input as a frame tells it.
Input input_of(const sim::InputRecord& record, u64 ordinal);
std::string source_of(const sim::InputRecord& record);
/// Fingerprints of all chains, node by node, lane by lane.
std::vector<u32> lanes_of(sim::World& world);
/// Kernel objects and memory of each node, the queue's size, the draws: what must be equal where a run ended.
base::Digest state_of(sim::World& world);

}  // namespace replay
