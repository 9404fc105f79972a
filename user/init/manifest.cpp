// user/init/manifest.cpp — see manifest.h.
#include "user/init/manifest.h"

#include "base/format.h"

#include "base/enforce.h"

namespace user {
namespace {

std::string_view take_word(std::string_view& line) {
  while (!line.empty() && (line.front() == ' ' || line.front() == '\t')) line.remove_prefix(1);
  const std::size_t end = std::min(line.find_first_of(" \t"), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(end);
  return word;
}

fs::Error wrong(u32 line, std::string_view reason, std::string_view word) {
  char text[fs::kDetailBytesMax];
  return {fs::ErrorCode::BadArgument, base::format(text, "{}: {}: {}", line, reason, word)};
}

/// Words of the rest of a line into `out`; false when there are too many.
bool take_words(std::string_view rest, std::span<std::string_view> out, u32& count) {
  for (std::string_view word = take_word(rest); !word.empty(); word = take_word(rest)) {
    if (count == out.size()) return false;
    out[count++] = word;
  }
  return true;
}

bool take_duration(std::string_view rest, u64& out) {
  const auto value = base::parse_duration_ns(take_word(rest));
  if (!value.ok()) return false;
  out = value.value();
  return true;
}

bool take_number(std::string_view rest, u64 max, u64& out) {
  const auto value = base::parse_u64(take_word(rest));
  if (!value.ok() || value.value() > max) return false;
  out = value.value();
  return true;
}

bool take_restart(std::string_view rest, Restart& out) {
  const std::string_view word = take_word(rest);
  if (word == "always") {
    out = Restart::Always;
  } else if (word == "on-failure") {
    out = Restart::OnFailure;
  } else if (word == "never") {
    out = Restart::Never;
  } else {
    return false;
  }
  return true;
}

/// PATH [-abcr]
bool take_mount(std::string_view rest, MountPlace& out) {
  out.path = take_word(rest);
  if (!out.path.starts_with("/")) return false;
  for (const char c : take_word(rest)) {
    switch (c) {
      case '-': break;
      case 'b': out.flags |= 2; break;
      case 'a': out.flags |= 4; break;
      case 'c': out.flags |= 8; break;
      case 'r': out.flags |= 16; break;
      default: return false;
    }
  }
  return true;
}

}  // namespace

fs::Result<Manifest> parse_manifest(std::string_view text) {
  Manifest manifest;
  u32 number = 0;
  while (!text.empty()) {
    number += 1;
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::string_view key = take_word(line);
    if (key.empty() || key.starts_with("#")) continue;
    bool good = true;
    u64 value = 0;
    if (key == "program") {
      manifest.program = take_word(line);
      good = !manifest.program.empty();
    } else if (key == "args") {
      good = take_words(line, manifest.args, manifest.arg_count);
    } else if (key == "srv") {
      manifest.service = take_word(line);
      good = !manifest.service.empty();
    } else if (key == "mount") {
      good = take_mount(line, manifest.mount);
    } else if (key == "needs") {
      good = take_words(line, manifest.needs, manifest.need_count);
    } else if (key == "device") {
      good = take_words(line, manifest.devices, manifest.device_count);
    } else if (key == "restart") {
      good = take_restart(line, manifest.restart);
    } else if (key == "restart-max") {
      good = take_number(line, 1'000'000, value);
      manifest.restart_max = static_cast<u32>(value);
    } else if (key == "priority") {
      good = take_number(line, 255, value) && value > 0;
      manifest.priority = static_cast<u8>(value);
    } else if (key == "backoff") {
      good = take_duration(line, manifest.backoff_ns);
    } else if (key == "backoff-max") {
      good = take_duration(line, manifest.backoff_max_ns);
    } else if (key == "probe") {
      manifest.probe = take_word(line);
      good = !manifest.probe.empty();
      if (manifest.probe == "none") manifest.probe = {};
    } else if (key == "probe-interval") {
      good = take_duration(line, manifest.probe_interval_ns) && manifest.probe_interval_ns > 0;
    } else if (key == "probe-timeout") {
      good = take_duration(line, manifest.probe_timeout_ns) && manifest.probe_timeout_ns > 0;
    } else if (key == "start-timeout") {
      good = take_duration(line, manifest.start_timeout_ns) && manifest.start_timeout_ns > 0;
    } else if (key == "settle") {
      good = take_duration(line, manifest.settle_ns);
    } else if (key == "restart-on-dep") {
      const std::string_view word = take_word(line);
      manifest.restart_on_need = word == "yes";
      good = word == "yes" || word == "no";
    } else if (key == "clients") {
      manifest.per_client = take_word(line) == "each";
      good = manifest.per_client;
    } else {
      return wrong(number, "unknown key", key);
    }
    if (!good) return wrong(number, "bad value of", key);
  }
  if (manifest.program.empty()) return wrong(number, "missing key", "program");
  return manifest;
}

}  // namespace user
