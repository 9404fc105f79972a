// replay/recording.h — a recording in memory: what its frames say, read from a file or made by a run.
#pragma once
#include <string>
#include <variant>
#include <vector>

#include "replay/frame.h"
#include "replay/ids.h"

namespace replay {

using Buffer = std::vector<u8>;

struct Header {
  Sha256 model = {};
  Sha256 build = {};
  Sha256 plan = {};
  u64 seed = 0;
  std::string created;
  std::vector<std::string> sources;
  std::vector<std::string> redacted;
};
struct PlanFrame {
  Buffer bytes;
};
/// A file the run needs, or one part of what a disk holds. `external`: only its hash is kept.
struct Attachment {
  std::string name;
  Sha256 sha256 = {};
  Buffer bytes;
  bool external = false;
  enum class Kind : u8 { Image, Source, Disk } kind = Kind::Image;  // Source: a file of the scenario
};
/// The run is one of a scenario: its files are attachments, the one that was named first.
struct Scenario {
  std::string name;
  Sha256 plan = {};        // what the files and the boot image make (ScenarioCase::plan_id)
  std::string checks;      // cadence of invariants; empty: the scenario's own
  u64 limit_ns = ~u64{0};  // of the run, virtual
  u64 events_max = ~u64{0};
};
/// `source` is "console:1", "hangup:1", "size:1" (u16 columns, u16 rows) or "watchdog:1" (u64 thread_id, u64 heartbeat);
/// the number is the node's.
struct Input {
  u64 time = 0;  // virtual ns
  std::string source;
  u64 ordinal = 0;  // of its source, from 1
  Buffer data;
  bool secret = false;
};
/// The digest of the run after `sequence` events; with `lanes`, one 32-bit fingerprint a (node, lane).
struct Milestone {
  u64 sequence = 0;
  u64 time = 0;
  base::Digest root;
  std::vector<u32> lanes;
};
struct Bookmark {
  u64 moment = 0;
  std::string name;
  std::string author;
};
struct Verdict {
  std::string result;
  std::string property;
  u64 moment = 0;
  std::string signature;
};
struct End {
  u64 sequence = 0;
  base::Digest root;
  base::Digest state;
  u64 until = 0;  // all before this virtual time was done
};
struct Overrides {
  std::string text;
};
/// Of a later minor version.
struct Unknown {};

using Content =
    std::variant<Header, PlanFrame, Attachment, Input, Overrides, Milestone, Bookmark, Verdict, End, Scenario, Unknown>;

/// The packed payload of a frame.
Buffer encode(const Content& content);
/// A frame's content; what is wrong with it as text in `error`.
std::optional<Content> decode(base::Bytes payload, std::string& error);

struct Frame {
  u64 offset = 0;
  Content content;
};

/// A file's frames up to the first bad one. The first is a Header, the second a Plan, or there are none.
struct Recording {
  std::vector<Frame> frames;
  std::optional<Problem> problem;
  u64 bytes = 0;       // of the file
  u64 good_bytes = 0;  // of its head and whole frames
  u16 minor = 0;

  /// Header and plan are there: it can be replayed as far as it goes.
  bool usable() const { return frames.size() >= 2; }
  const Header& header() const { return std::get<Header>(frames[0].content); }
  const PlanFrame& plan() const { return std::get<PlanFrame>(frames[1].content); }
  /// The end of the run; null for a recording that was cut.
  const End* end() const;
  /// What the run is one of; null for a console script or a session.
  const Scenario* scenario() const;
  template <class T>
  std::vector<const T*> all() const {
    std::vector<const T*> list;
    for (const Frame& frame : frames) {
      if (const T* content = std::get_if<T>(&frame.content)) list.push_back(content);
    }
    return list;
  }
};

Recording parse(base::Bytes file);
/// Reads a whole file; Problem::Unreadable when the host refuses it.
Recording load(const std::string& path);
/// A file of these contents.
Buffer file_of(const std::vector<Content>& contents);

}  // namespace replay
