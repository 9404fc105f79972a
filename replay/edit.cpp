// replay/edit.cpp — repair, attach, detach, redact, cut.
#include "replay/edit.h"

#include "sim/host/contain.h"

namespace replay {
namespace {

constexpr u8 kFiller = 'x';

bool is_line_end(u8 byte) { return byte == '\r' || byte == '\n'; }

bool is_disk(const Attachment& attachment) { return attachment.kind == Attachment::Kind::Disk; }

std::string name_of(const Input& input) { return input.source + "@" + std::to_string(input.ordinal); }

bool is_named(const Input& input, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (name == input.source || name == name_of(input)) return true;
  }
  return false;
}

/// All contents in order; empty when a frame is of a later version, whose meaning copying could break.
std::vector<Content> contents_of(const Recording& recording) {
  std::vector<Content> contents;
  for (const Frame& frame : recording.frames) {
    if (std::holds_alternative<Unknown>(frame.content)) return {};
    contents.push_back(frame.content);
  }
  return contents;
}

/// Runs `recording` and records it to `out`.
Rerun run_again(const Recording& recording, u64 until, std::vector<std::string> redacted,
                const std::string& built_in_image, std::span<const machine::NativeEntry> entries,
                const std::string& out, const DiskFiles& files) {
  Rerun rerun;
  PlanRead plan = machine_of(recording, built_in_image, entries, files);
  if (!plan.error.empty()) return {.error = plan.error};
  Recorder::Options options{.path = out,
                            .created = recording.header().created,
                            .sources = recording.header().sources,
                            .redacted = std::move(redacted)};
  for (const Attachment* attachment : recording.all<Attachment>()) {
    if (attachment->kind == Attachment::Kind::Image && options.image_name.empty())
      options.image_name = attachment->name;
  }
  sim::host::Machine machine(std::move(plan.options));
  Recorder recorder;
  if (std::string error = recorder.open(options, machine.options()); !error.empty()) return {.error = error};
  recorder.attach(machine);
  Player player(recording, machine, {.until = until, .stop_at_divergence = false});
  if (std::string error = machine.start(); !error.empty()) return {.error = error};
  sim::host::contain(machine.world(), {.report_assertions = false});
  rerun.replayed = player.play();
  sim::host::release_containment();
  if (!rerun.replayed.error.empty()) return {.error = rerun.replayed.error};
  recorder.finish(result_text(rerun.replayed.outcome, machine.world()), rerun.replayed.root);
  rerun.error = recorder.failure();
  return rerun;
}

}  // namespace

std::string result_text(sim::Outcome outcome, sim::World& world) {
  switch (outcome) {
    case sim::Outcome::Ended: return "halted with status " + std::to_string(world.status());
    case sim::Outcome::Stalled: return "stalled";
    case sim::Outcome::Waiting: return "waiting for input";
    case sim::Outcome::Running: return "stopped";
  }
  UNREACHABLE("every outcome has a text");
}

Buffer good_prefix(base::Bytes file) {
  const u64 good = parse(file).good_bytes;
  return {file.begin(), file.begin() + static_cast<std::ptrdiff_t>(good)};
}

Reattached detach(const Recording& recording) {
  Reattached result;
  std::vector<Content> contents = contents_of(recording);
  if (contents.empty()) return {.error = "it has frames of a later version"};
  const Attachment* last = nullptr;
  std::vector<Content> kept;
  for (Content& content : contents) {
    Attachment* attachment = std::get_if<Attachment>(&content);
    if (attachment != nullptr && !attachment->external) {
      const bool is_part =
          last != nullptr && is_disk(*attachment) && is_disk(*last) && last->sha256 == attachment->sha256;
      if (is_part) continue;  // of what was detached just before
      attachment->external = true;
      attachment->bytes.clear();
      result.changed += 1;
    }
    kept.push_back(std::move(content));
    last = std::get_if<Attachment>(&kept.back());
  }
  result.file = file_of(kept);
  return result;
}

Reattached attach(const Recording& recording, const std::string& name, base::Bytes bytes) {
  Reattached result;
  std::vector<Content> contents = contents_of(recording);
  if (contents.empty()) return {.error = "it has frames of a later version"};
  const Sha256 hash = sha256_of(bytes);
  std::vector<Content> whole;
  for (Content& content : contents) {
    Attachment* attachment = std::get_if<Attachment>(&content);
    const bool is_missing = attachment != nullptr && (attachment->external || !is_disk(*attachment));
    const bool is_wanted = is_missing && attachment->sha256 == hash;
    const u64 most = is_wanted && is_disk(*attachment) ? kDiskEmbeddedBytesMax : kAttachmentBytesMax;
    if (is_wanted && bytes.size() > most) return {.error = "larger than " + std::to_string(most) + " bytes"};
    if (!is_wanted) {
      whole.push_back(std::move(content));
      continue;
    }
    attachment->external = false;
    result.changed += 1;
    base::Bytes left = bytes;
    do {
      const u64 count = is_disk(*attachment) ? std::min<u64>(kDiskPartBytes, left.size()) : left.size();
      attachment->bytes.assign(left.begin(), left.begin() + static_cast<std::ptrdiff_t>(count));
      whole.push_back(*attachment);
      left = left.subspan(count);
    } while (!left.empty());
  }
  if (result.changed == 0) return {.error = name + ": no attachment has its hash " + hex(hash)};
  result.file = file_of(whole);
  return result;
}

Rerun redact(const Recording& recording, const RedactOptions& options, const std::string& built_in_image,
             std::span<const machine::NativeEntry> entries, const std::string& out, const DiskFiles& files) {
  Recording changed = recording;
  std::vector<std::string> notes = recording.header().redacted;
  u64 replaced = 0;
  for (Frame& frame : changed.frames) {
    Input* input = std::get_if<Input>(&frame.content);
    if (input == nullptr || !input->source.starts_with("console:")) continue;
    if (!input->secret && !is_named(*input, options.names)) continue;
    for (u8& byte : input->data) byte = is_line_end(byte) ? byte : kFiller;
    input->secret = false;
    replaced += 1;
    notes.push_back(name_of(*input) + " at " + std::to_string(input->time) + " ns");
  }
  if (replaced == 0) return {.error = "nothing to redact: no input is secret or named"};
  Rerun rerun = run_again(changed, sim::kNever, std::move(notes), built_in_image, entries, out, files);
  rerun.inputs_replaced = replaced;
  return rerun;
}

Rerun cut(const Recording& recording, u64 until, const std::string& built_in_image,
          std::span<const machine::NativeEntry> entries, const std::string& out, const DiskFiles& files) {
  return run_again(recording, until, recording.header().redacted, built_in_image, entries, out, files);
}

}  // namespace replay
