// replay/recorder.cpp — appending frames.
#include "replay/recorder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace replay {
namespace {

constexpr u64 kSyncMs = 1000;

u64 monotonic_ms() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<u64>(now.tv_sec) * 1000 + static_cast<u64>(now.tv_nsec) / 1'000'000;
}

u64& ordinal_of(std::vector<std::pair<std::string, u64>>& ordinals, const std::string& source) {
  for (auto& [name, count] : ordinals) {
    if (name == source) return count;
  }
  return ordinals.emplace_back(source, 0).second;
}

}  // namespace

std::string source_of(const sim::InputRecord& record) {
  using enum sim::InputRecord::Kind;
  const std::string node = ":" + std::to_string(record.node);
  switch (record.kind) {
    case ConsoleBytes: return "console" + node;
    case ConsoleHangup: return "hangup" + node;
    case ConsoleSize: return "size" + node;
    case WatchdogFault: return "watchdog" + node;
  }
  UNREACHABLE("every kind of input has a source");
}

Input input_of(const sim::InputRecord& record, u64 ordinal) {
  using enum sim::InputRecord::Kind;
  Input input{.time = record.time, .source = source_of(record), .ordinal = ordinal, .secret = record.secret};
  switch (record.kind) {
    case ConsoleBytes: input.data.assign(record.bytes.begin(), record.bytes.end()); break;
    case ConsoleHangup: break;
    case ConsoleSize:
      input.data.resize(4);
      base::store_le16(input.data.data(), static_cast<u16>(record.value >> 16));
      base::store_le16(&input.data[2], static_cast<u16>(record.value));
      break;
    case WatchdogFault:
      input.data.resize(16);
      base::store_le64(input.data.data(), record.value);
      base::store_le64(&input.data[8], record.heartbeat);
      break;
  }
  return input;
}

std::vector<u32> lanes_of(sim::World& world) {
  std::vector<u32> lanes;
  for (u32 node = 0; node <= world.nodes().size(); ++node) {
    for (u32 lane = 0; lane < base::kLaneCount; ++lane) {
      lanes.push_back(static_cast<u32>(world.trace().leaf(node, static_cast<base::Lane>(lane)).high));
    }
  }
  return lanes;
}

base::Digest state_of(sim::World& world) {
  base::D128 digest;
  for (sim::Node& node : world.nodes()) {
    digest.fold(node.is_up() ? 1 : 0);
    if (node.is_up()) digest.fold(node.kernel().deep_digest());
  }
  world.disks().fold(digest);
  digest.fold(world.queue().size());
  digest.fold(world.draws());
  return digest.out();
}

Recorder::~Recorder() {
  if (file_ >= 0) close(file_);
}

std::string Recorder::open(const Options& options, const sim::host::MachineOptions& machine) {
  const int flags = O_WRONLY | O_CREAT | O_CLOEXEC | (options.exclusive ? O_EXCL : O_TRUNC);
  file_ = ::open(options.path.c_str(), flags, 0600);
  if (file_ < 0) return options.path + ": " + std::strerror(errno);
  fchmod(file_, 0600);  // what is typed may be secret, also where an old file was more open
  path_ = options.path;
  digests_ = options.digests;
  const Buffer head = chain_.head();
  write_whole(head);
  const Buffer plan = plan_of(machine);
  append(Header{.model = model_id(),
                .build = build_id(),
                .plan = sha256_of(plan),
                .seed = options.scenario ? options.seed : machine.seed,
                .created = options.created,
                .sources = options.sources,
                .redacted = options.redacted});
  append(PlanFrame{plan});
  if (options.scenario) {
    append(*options.scenario);
    for (const Attachment& file : options.files) append(file);
    if (!options.overrides.empty()) append(Overrides{options.overrides});
    return failure_.empty() ? std::string() : path_ + ": " + failure_;
  }
  if (machine.schedule.says_anything()) append(Overrides{sim::host::text_of(machine.schedule)});
  if (!options.image_name.empty()) attach_image(options.image_name, machine.image);
  for (u32 i = 0; i < machine.shapes.size(); ++i) {
    const sim::host::NodeShape& shape = machine.shapes[i];
    if (shape.image.empty() || shape.image == machine.image) continue;
    attach_image(shape.name.empty() ? std::to_string(i + 1) : shape.name, shape.image);
  }
  if (std::string wrong = attach_disks(machine.disks, options.embed_disks); !wrong.empty()) return wrong;
  if (!failure_.empty()) return path_ + ": " + failure_;
  return {};
}

void Recorder::attach_image(const std::string& name, const std::string& image) {
  const base::Bytes bytes = base::bytes_of(image);
  const bool external = bytes.size() > kAttachmentBytesMax;
  append(Attachment{name, sha256_of(bytes), external ? Buffer{} : Buffer(bytes.begin(), bytes.end()), external});
}

/// What disks hold, once where two hold the same.
std::string Recorder::attach_disks(const std::vector<sim::host::DiskShape>& disks, bool embed) {
  std::vector<Sha256> kept;
  for (const sim::host::DiskShape& disk : disks) {
    const DiskAttachments made = attachments_of(disk, embed || disk.content != nullptr);
    if (!made.error.empty()) return made.error;
    if (made.parts.empty() || std::find(kept.begin(), kept.end(), made.parts[0].sha256) != kept.end()) continue;
    kept.push_back(made.parts[0].sha256);
    for (const Attachment& part : made.parts) append(part);
  }
  return {};
}

void Recorder::attach(sim::host::Machine& machine) {
  machine_ = &machine;
  machine.on_input = [this, before = machine.on_input](const sim::InputRecord& record) {
    take_input(record);
    if (before) before(record);
  };
  machine.on_epoch = [this, before = machine.on_epoch](u64 epoch, base::Digest root) {
    epoch_closed(root);
    if (before) before(epoch, root);
  };
}

void Recorder::write_whole(base::Bytes bytes) {
  if (!failure_.empty()) return;
  const off_t start = lseek(file_, 0, SEEK_CUR);
  u64 done = 0;
  while (done < bytes.size()) {
    const ssize_t count = write(file_, bytes.data() + done, bytes.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      failure_ = count < 0 ? std::strerror(errno) : "nothing more can be written";
      if (ftruncate(file_, start) != 0) failure_ += "; its last frame is cut";
      return;
    }
    done += static_cast<u64>(count);
  }
  bytes_ += bytes.size();
  dirty_ = true;
}

void Recorder::append(const Content& content) {
  if (file_ >= 0 && failure_.empty()) write_whole(chain_.frame(encode(content)));
}

void Recorder::take_input(const sim::InputRecord& record) {
  u64& ordinal = ordinal_of(ordinals_, source_of(record));
  ordinal += 1;
  inputs_ += 1;
  append(input_of(record, ordinal));
}

void Recorder::epoch_closed(base::Digest root) {
  if (machine_ == nullptr || !machine_->started()) return;
  sim::World& world = machine_->world();
  const u64 count = world.trace().count();
  if (count % sim::kEpochEvents != 0) return;  // the last, partial one: the end frame has it
  if (digests_ == Digests::Sparse) {
    if (count < milestone_at_) return;
    milestone_at_ = next_milestone(count);
  }
  append(Milestone{count, world.now(), root, digests_ == Digests::Dense ? lanes_of(world) : std::vector<u32>{}});
}

void Recorder::sync() {
  if (file_ < 0 || !dirty_) return;
  const u64 now = monotonic_ms();
  if (now - synced_ms_ < kSyncMs) return;
  fdatasync(file_);
  synced_ms_ = now;
  dirty_ = false;
}

void Recorder::finish(const std::string& result, base::Digest root) {
  finish(Verdict{.result = result, .property = {}, .moment = machine_->world().trace().count(), .signature = {}}, root);
}

void Recorder::finish(const Verdict& verdict, base::Digest root) {
  sim::World& world = machine_->world();
  append(verdict);
  append(End{world.trace().count(), root, state_of(world), machine_->ran_until()});
  if (file_ >= 0) fdatasync(file_);
  dirty_ = false;
}

}  // namespace replay
