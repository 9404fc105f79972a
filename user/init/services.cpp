// user/init/services.cpp — see services.h.
#include "user/init/services.h"

#include "base/format.h"
#include "user/runtime/call.h"
#include "user/runtime/spawn.h"

#include "base/enforce.h"

namespace user {

using Manager = schema::process::Process;

void log_line(std::string_view text) { static_cast<void>(call<Manager::Log>(kSlotRoot, {.text = text})); }

ServiceRecord* Services::find(std::string_view name) {
  for (ServiceRecord& record : records_) {
    if (record.name == name) return &record;
  }
  return nullptr;
}

Result<void> Services::start(std::string_view folder, std::string_view name) {
  if (find(name) != nullptr) return fs::fail(ErrorCode::AlreadyExists, name);
  if (records_.size() == kServicesMax) return fs::fail(ErrorCode::NoSpaceLeft);
  ServiceRecord record(process_.heap());
  record.name.assign(name);
  base::String path(process_.heap(), folder);
  path.append("/").append(name);
  record.text = TRY(process_.read_file(path.view()));
  record.manifest = TRY(parse_manifest(record.text.view()));
  for (u32 i = 0; i < record.manifest.need_count; ++i) {
    const ServiceRecord* const needed = find(record.manifest.needs[i]);
    if (needed == nullptr || needed->state != ServiceState::Running) {
      return fs::fail(ErrorCode::NotFound, record.manifest.needs[i]);
    }
  }
  record.endpoint = kSlotPrivate + static_cast<u32>(records_.size());
  TRY(call<Manager::Make>(kSlotRoot, {.kind = schema::process::ObjectKind::Endpoint,
                                      .slot = static_cast<u16>(record.endpoint), .count = 1}));
  const Manifest manifest = record.manifest;
  const u32 endpoint = record.endpoint;
  // The text moves with the record: its bytes stay where the manifest's views point.
  ServiceRecord& kept = records_.push_back(std::move(record));
  TRY(run(kept));
  if (!manifest.service.empty()) {
    TRY(call<Manager::Publish>(kSlotRoot, {.name = manifest.service, .service = schema::CapIndex::of(0),
                                           .per_client = manifest.per_client}, {endpoint}));
  }
  if (!manifest.mount.path.empty()) TRY(process_.mount(manifest.service, manifest.mount.path, manifest.mount.flags));
  return {};
}

Result<void> Services::run(ServiceRecord& record) {
  const Manifest& manifest = record.manifest;
  std::string_view args[Manifest::kArgsMax + 1] = {record.name.view()};
  for (u32 i = 0; i < manifest.arg_count; ++i) args[i + 1] = manifest.args[i];
  record.pid = TRY(start_program(ProcessAccess::state(process_),
                                 {.program = manifest.program,
                                  .args = {args, manifest.arg_count + 1},
                                  .devices = {manifest.devices, manifest.device_count},
                                  .flags = kRfSession,
                                  .served = record.endpoint,
                                  .priority = manifest.priority}));
  record.state = ServiceState::Running;
  record.started_ns = process_.uptime_ns();
  return {};
}

bool Services::ended(const WaitStatus& status) {
  for (ServiceRecord& record : records_) {
    if (record.state != ServiceState::Running || record.pid != status.pid) continue;
    const Manifest& manifest = record.manifest;
    const u64 now = process_.uptime_ns();
    const bool wanted = manifest.restart == Restart::Always ||
                        (manifest.restart == Restart::OnFailure && status.code != 0);
    if (!wanted) {
      record.state = ServiceState::Stopped;
      return true;
    }
    if (now - record.started_ns >= manifest.settle_ns) {
      record.restarts = 0;
      record.backoff_ns = 0;
    }
    char line[160];
    if (manifest.restart_max != 0 && record.restarts == manifest.restart_max) {
      record.state = ServiceState::Failed;
      log_line(base::format(line, "init: {} failed: {} restarts", record.name.view(), record.restarts));
      return true;
    }
    record.restarts += 1;
    record.backoff_ns = record.backoff_ns == 0 ? manifest.backoff_ns
                                               : std::min(record.backoff_ns * 2, manifest.backoff_max_ns);
    record.start_at_ns = now + record.backoff_ns;
    record.state = ServiceState::Backoff;
    log_line(base::format(line, "init: {} ended with {}, again in {} ms", record.name.view(), status.code,
                          record.backoff_ns / 1'000'000));
    return true;
  }
  return false;
}

u64 Services::restart_due() {
  u64 next = ~u64{0};
  for (ServiceRecord& record : records_) {
    if (record.state != ServiceState::Backoff) continue;
    if (record.start_at_ns > process_.uptime_ns()) {
      next = std::min(next, record.start_at_ns);
      continue;
    }
    const Result<void> started = run(record);
    if (started.ok()) continue;
    record.start_at_ns += record.manifest.backoff_max_ns;
    next = std::min(next, record.start_at_ns);
  }
  return next;
}

}  // namespace user
