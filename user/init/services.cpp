// user/init/services.cpp — see services.h.
#include "user/init/services.h"

#include <algorithm>

#include "base/check.h"
#include "base/emit.h"
#include "base/format.h"
#include "base/planted.h"
#include "fs/text_tree.h"
#include "kernel-model/ports.h"
#include "user/runtime/call.h"
#include "user/runtime/shared.h"
#include "user/runtime/spawn.h"

#include "base/enforce.h"

namespace user {

using Manager = schema::process::Process;

namespace {

constexpr u64 kNsPerMs = 1'000'000;
constexpr u8 kStandInPriority = 200;

}  // namespace

void log_line(std::string_view text) { static_cast<void>(call<Manager::Log>(kSlotRoot, {.text = text})); }

std::string_view text_of(ServiceState state) {
  switch (state) {
    case ServiceState::Stopped: return "stopped";
    case ServiceState::Waiting: return "waiting";
    case ServiceState::Starting: return "starting";
    case ServiceState::Running: return "running";
    case ServiceState::Backoff: return "backoff";
    case ServiceState::Stopping: return "stopping";
    case ServiceState::Failed: return "failed";
  }
  return {};
}

u64 Services::uptime_ns() {
  return port::call(device_address(kInitTimerGrant), port::Timer::Now, 0).ok() ? sys::frame().mr[0] : 0;
}

ServiceRecord* Services::find_published(std::string_view service) {
  for (ServiceRecord& record : records_) {
    if (!service.empty() && record.manifest.service == service) return &record;
  }
  return nullptr;
}

ServiceRecord* Services::find(std::string_view name) {
  for (ServiceRecord& record : records_) {
    if (record.name == name) return &record;
  }
  return nullptr;
}

void Services::note(const ServiceRecord& record, std::string_view event, std::string_view detail) {
  if (log_.size() == kLogLinesMax) log_.erase(0);
  base::String& line = log_.emplace_back(process_.heap());
  line.append_format("{} {} {}{}{}\n", uptime_ns() / kNsPerMs, record.name.view(), event, detail.empty() ? "" : " ",
                     detail);
}

// ── Starting ─────────────────────────────────────────────────────────────────────────────────────────────────

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
    if (find(record.manifest.needs[i]) == nullptr) return fs::fail(ErrorCode::NotFound, record.manifest.needs[i]);
  }
  TRY(add(std::move(record)));
  ServiceRecord& kept = records_.back();
  if (needs_are_up(kept)) {
    TRY(run(kept));
  } else {
    kept.state = ServiceState::Waiting;
    note(kept, "waiting");
  }
  TRY(publish(kept));
  return mount_unattached(kept, kept.manifest.mount);
}

/// Keeps the record and makes its endpoint.
Result<void> Services::add(ServiceRecord&& record) {
  if (records_.size() == kServicesMax) return fs::fail(ErrorCode::NoSpaceLeft);
  record.endpoint = kSlotPrivate + static_cast<u32>(records_.size());
  record.down_ns = uptime_ns();
  TRY(call<Manager::Make>(
      kSlotRoot,
      {.kind = schema::process::ObjectKind::Endpoint, .slot = static_cast<u16>(record.endpoint), .count = 1}));
  // The text moves with the record: its bytes stay where the manifest's views point.
  records_.push_back(std::move(record));
  return {};
}

Result<void> Services::publish(const ServiceRecord& record) {
  const Manifest& manifest = record.manifest;
  if (manifest.service.empty()) return {};
  TRY(call<Manager::Publish>(
      kSlotRoot, {.name = manifest.service, .service = schema::CapIndex::of(0), .per_client = manifest.per_client},
      {record.endpoint}));
  return {};
}

Result<bool> Services::start_if_present(std::string_view folder, std::string_view name) {
  const u64 count = records_.size();
  const Result<void> started = start(folder, name);
  if (started.ok()) return true;
  if (started.error().code != fs::ErrorCode::NoSuchDevice) return started.error();
  ASSERT(records_.size() == count + 1);
  sys::invoke(kSlotCNode, sys::Invoke::CNodeDelete, {records_[count].endpoint, kSlotDepth});
  records_.pop_back();
  return false;
}

Result<void> Services::run(ServiceRecord& record) {
  ASSERT(record.pid == 0);  // V1
  drop_stand_in(record);
  const Manifest& manifest = record.manifest;
  std::string_view args[Manifest::kArgsMax + 1] = {record.name.view()};
  for (u32 i = 0; i < manifest.arg_count; ++i) args[i + 1] = manifest.args[i];
  record.pid = TRY(start_program(ProcessAccess::state(process_), {.program = manifest.program,
                                                                  .args = {args, manifest.arg_count + 1},
                                                                  .devices = {manifest.devices, manifest.device_count},
                                                                  .flags = kRfSession,
                                                                  .served = record.endpoint,
                                                                  .priority = manifest.priority}));
  record.state = ServiceState::Starting;
  record.started_ns = uptime_ns();
  record.generation += 1;
  if (record.generation > 1)
    base::tell_event(base::EventKind::FsRestart, {base::short_name(record.name), record.restarts, record.pid});
  record.probe_failed = false;
  record.start_failed = false;
  record.probe_at_ns = kNever;
  note(record, "start");
  return {};
}

/// Whether the server has said that it serves.
bool Services::is_ready(const ServiceRecord& record) {
  const auto facts = call_again<Manager::Facts>(kSlotRoot, {.pid = record.pid});
  return facts.ok() && facts->ready;
}

void Services::start_now(ServiceRecord& record) {
  const Result<void> started = run(record);
  if (!started.ok()) fault(record, fs::text_of(started.error().code));
}

// ── Ending ───────────────────────────────────────────────────────────────────────────────────────────────────

bool Services::ended(const WaitStatus& status) {
  if (loader_ != 0 && status.pid == loader_) {
    loader_ = 0;
    loaded_ = true;
    load_result_ = status.code == 0 ? apply_staged() : Result<void>(fs::fail(ErrorCode::IoError, "manifests"));
    staged_.clear();
    return true;
  }
  server_ended(status);
  return false;
}

void Services::server_ended(const WaitStatus& status) {
  for (ServiceRecord& record : records_) {
    if (record.stand_in == status.pid) {
      record.stand_in = 0;
      stand_in_for(record);  // V2: somebody killed it
      return;
    }
    if (record.probe == status.pid) {
      record.probe = 0;
      record.probe_at_ns = record.manifest.probe.empty() ? kNever : uptime_ns() + record.manifest.probe_interval_ns;
      if (status.code != 0) probe_fails(record);
      return;
    }
    if (record.pid != status.pid) continue;
    if (record.state == ServiceState::Running) record.down_ns = uptime_ns();
    record.pid = 0;
    end_probe(record);
    if (record.state == ServiceState::Stopping) {
      note(record, "stop");
      switch (record.after) {
        case AfterStop::Stay: return halt(record, ServiceState::Stopped);
        case AfterStop::Start: return start_now(record);
        case AfterStop::Wait: record.state = ServiceState::Waiting; return note(record, "waiting");
      }
    }
    const Manifest& manifest = record.manifest;
    const bool wanted =
        manifest.restart == Restart::Always || (manifest.restart == Restart::OnFailure && status.code != 0);
    if (!wanted) {
      note(record, "stop");
      return halt(record, ServiceState::Stopped);
    }
    char reason[96];
    if (record.probe_failed) return fault(record, "probe");
    if (record.start_failed) return fault(record, "start timeout");
    if (status.note != 0) return fault(record, base::format(reason, "note {}", note_name(status.note)));
    return fault(record, base::format(reason, "exit {}", status.code));
  }
}

/// The server is gone and was not asked to go: it comes back after its delay, or not at all.
void Services::fault(ServiceRecord& record, std::string_view reason) {
  const Manifest& manifest = record.manifest;
  const u64 now = uptime_ns();
  note(record, "fault", reason);
  const bool ran = record.state == ServiceState::Running;
  if (PLANTED("supervisor.backoff-reset") || (ran && now >= record.started_ns + manifest.settle_ns)) {
    record.restarts = 0;
    record.backoff_ns = 0;
  }
  char text[160];
  if (manifest.restart_max != 0 && record.restarts == manifest.restart_max) {
    note(record, "failed");
    MARK("supervisor.gave-up");
    log_line(base::format(text, "init: {} failed: {} restarts", record.name.view(), record.restarts));
    return halt(record, ServiceState::Failed);
  }
  record.restarts += 1;
  ALWAYS("supervisor.bounded", manifest.restart_max == 0 || record.restarts <= manifest.restart_max, record.restarts);
  const u64 last_ns = record.backoff_ns;
  record.backoff_ns =
      record.backoff_ns == 0 ? manifest.backoff_ns : std::min(record.backoff_ns * 2, manifest.backoff_max_ns);
  ALWAYS("supervisor.backoff-grows", record.backoff_ns > last_ns || record.backoff_ns == manifest.backoff_max_ns,
         record.backoff_ns);
  HOT("supervisor.down", number_of(record));
  record.start_at_ns = now + record.backoff_ns;
  record.state = ServiceState::Backoff;
  note(record, "backoff", base::format(text, "{}", record.backoff_ns / kNsPerMs));
  log_line(base::format(text, "init: {} ended: {}, again in {} ms", record.name.view(), reason,
                        record.backoff_ns / kNsPerMs));
}

void Services::begin_stop(ServiceRecord& record, AfterStop after) {
  ASSERT(record.pid != 0);  // V1
  record.state = ServiceState::Stopping;
  record.after = after;
  // It may have ended by itself just now: the wait that tells of it comes all the same.
  static_cast<void>(process_.post(record.pid, "kill"));
}

/// Leaves the service without a server: the stand-in answers for it.
void Services::halt(ServiceRecord& record, ServiceState state) {
  COLD("supervisor.down", number_of(record));
  record.state = state;
  if (PLANTED("supervisor.no-stand-in")) return;
  stand_in_for(record);
}

void Services::stand_in_for(ServiceRecord& record) {
  if (record.stand_in != 0) return;
  const std::string_view args[] = {"stopped"};
  const auto pid = start_program(ProcessAccess::state(process_), {.program = "stopped",
                                                                  .args = args,
                                                                  .flags = kRfSession,
                                                                  .served = record.endpoint,
                                                                  .priority = kStandInPriority});
  if (pid.ok()) record.stand_in = *pid;
}

void Services::drop_stand_in(ServiceRecord& record) {
  if (record.stand_in == 0) return;
  static_cast<void>(process_.post(record.stand_in, "kill"));
  record.stand_in = 0;
}

// ── Probes ───────────────────────────────────────────────────────────────────────────────────────────────────

/// A process of its own asks: a server that hangs holds up nobody else.
void Services::begin_probe(ServiceRecord& record, u64 now) {
  const std::string_view args[] = {"probe", record.manifest.service, record.manifest.probe};
  const auto pid = start_program(ProcessAccess::state(process_),
                                 {.program = "probe", .args = args, .flags = kRfSession, .priority = kStandInPriority});
  if (pid.ok()) record.probe = *pid;
  record.probe_at_ns = now + (pid.ok() ? record.manifest.probe_timeout_ns : record.manifest.probe_interval_ns);
}

void Services::end_probe(ServiceRecord& record) {
  if (record.probe != 0) static_cast<void>(process_.post(record.probe, "kill"));
  record.probe = 0;
  record.probe_at_ns = kNever;
}

/// A server that does not answer as it should is ended, which is its fault.
void Services::probe_fails(ServiceRecord& record) {
  if (record.state != ServiceState::Running) return;
  end_probe(record);
  record.probe_failed = true;
  static_cast<void>(process_.post(record.pid, "kill"));
}

// ── What is due ──────────────────────────────────────────────────────────────────────────────────────────────

bool Services::needs_are_running(const ServiceRecord& record) {
  for (u32 i = 0; i < record.manifest.need_count; ++i) {
    const ServiceRecord* const needed = find(record.manifest.needs[i]);
    if (needed == nullptr || needed->state != ServiceState::Running) return false;
  }
  return true;
}

bool Services::needs_are_up(const ServiceRecord& record) {
  for (u32 i = 0; i < record.manifest.need_count; ++i) {
    const ServiceRecord* const needed = find(record.manifest.needs[i]);
    const bool up =
        needed != nullptr && (needed->state == ServiceState::Running || needed->state == ServiceState::Starting);
    if (!up) return false;
  }
  return true;
}

/// Servers that restart with what they need are stopped while that does not run.
void Services::stop_dependents() {
  // One that is starting will serve what they need; it was their turn to stop when it went down.
  for (bool changed = true; changed;) {  // each round stops one more service: ≤ kServicesMax rounds
    changed = false;
    for (ServiceRecord& record : records_) {
      const bool runs = record.state == ServiceState::Running || record.state == ServiceState::Starting;
      if (!runs || !record.manifest.restart_on_need || needs_are_up(record)) continue;
      record.restarts += 1;
      begin_stop(record, AfterStop::Wait);
      changed = true;
    }
  }
}

/// Who has waited for a minute is told that there is nobody, and so is who comes later, until it runs again.
bool Services::give_up_waiting(ServiceRecord& record, u64 now) {
  if (record.stand_in != 0 || now < record.down_ns + kWaitMaxNs) return false;
  stand_in_for(record);
  return record.stand_in != 0;
}

/// One step of one service; false: there is none to do now.
bool Services::advance(ServiceRecord& record, u64 now) {
  switch (record.state) {
    case ServiceState::Backoff:
      if (record.start_at_ns > now) return give_up_waiting(record, now);
      if (needs_are_running(record)) {
        start_now(record);
      } else {
        record.state = ServiceState::Waiting;
        note(record, "waiting");
      }
      return true;
    case ServiceState::Waiting:
      if (!needs_are_running(record)) return give_up_waiting(record, now);
      start_now(record);
      return true;
    case ServiceState::Starting:
      if (is_ready(record)) {
        record.state = ServiceState::Running;
        COLD("supervisor.down", number_of(record));
        record.started_ns = now;
        // Not all at once: the first ones follow one another by a second.
        const u64 place = static_cast<u64>(&record - records_.data()) % 10;
        record.probe_at_ns = record.manifest.probe.empty() ? kNever : now + place * 1'000'000'000;
        note(record, "ready");
        return true;
      }
      if (record.start_failed || now < record.started_ns + record.manifest.start_timeout_ns) return false;
      record.start_failed = true;
      static_cast<void>(process_.post(record.pid, "kill"));
      return false;
    case ServiceState::Running:
      if (now >= record.probe_at_ns) {
        if (record.probe == 0) {
          begin_probe(record, now);
        } else {
          probe_fails(record);
        }
        return true;
      }
      if (record.restarts == 0 || now < record.started_ns + record.manifest.settle_ns) return false;
      record.restarts = 0;
      record.backoff_ns = 0;
      note(record, "settle");
      return true;
    case ServiceState::Stopped:
    case ServiceState::Stopping:
    case ServiceState::Failed: return false;
  }
  return false;
}

u64 Services::settle_all() {
  const u64 now = uptime_ns();
  for (bool changed = true; changed;) {  // from Backoff to Running, a probe, settled: ≤ 6 × kServicesMax rounds
    changed = false;
    stop_dependents();
    for (ServiceRecord& record : records_) changed = advance(record, now) || changed;
  }
  u64 next = kNever;
  for (const ServiceRecord& record : records_) {
    if (record.state == ServiceState::Backoff) next = std::min(next, record.start_at_ns);
    const bool to_come = record.state == ServiceState::Backoff || record.state == ServiceState::Waiting;
    if (to_come && record.stand_in == 0) next = std::min(next, record.down_ns + kWaitMaxNs);
    if (record.state == ServiceState::Starting && !record.start_failed) {
      next = std::min(next, record.started_ns + record.manifest.start_timeout_ns);
    }
    if (record.state == ServiceState::Running) next = std::min(next, record.probe_at_ns);
    if (record.state == ServiceState::Running && record.restarts != 0) {
      next = std::min(next, record.started_ns + record.manifest.settle_ns);
    }
  }
  return next;
}

// ── Commands ─────────────────────────────────────────────────────────────────────────────────────────────────

Result<void> Services::control(std::string_view line) {
  const std::string_view verb = fs::take_word(line);
  if (verb == "reload") return line.empty() ? reload() : fs::fail(ErrorCode::BadArgument, line);
  const bool known = verb == "restart" || verb == "stop" || verb == "start" || verb == "reset" || verb == "probe";
  if (!known) return fs::fail(ErrorCode::UnknownControl, verb);
  const std::string_view name = fs::take_word(line);
  if (name.empty() || !line.empty()) return fs::fail(ErrorCode::BadArgument, line);
  ServiceRecord* const record = find(name);
  if (record == nullptr) return fs::fail(ErrorCode::NotFound, name);
  if (verb == "probe") {
    if (record->manifest.service.empty()) return fs::fail(ErrorCode::NotSupported, name);
    if (record->state == ServiceState::Running && record->probe == 0) record->probe_at_ns = uptime_ns();
    return {};
  }
  if (verb == "reset") {
    record->restarts = 0;
    record->backoff_ns = 0;
    if (record->state == ServiceState::Failed) record->state = ServiceState::Stopped;
    return {};
  }
  const AfterStop after = verb == "stop" ? AfterStop::Stay : AfterStop::Start;
  switch (record->state) {
    case ServiceState::Starting:
    case ServiceState::Running:
      if (verb != "start") begin_stop(*record, after);
      return {};
    case ServiceState::Stopping: record->after = after; return {};
    case ServiceState::Stopped:
    case ServiceState::Waiting:
    case ServiceState::Backoff:
    case ServiceState::Failed: break;
  }
  if (verb == "stop") {
    if (record->state == ServiceState::Waiting || record->state == ServiceState::Backoff) note(*record, "stop");
    halt(*record, ServiceState::Stopped);
    return {};
  }
  record->state = ServiceState::Waiting;  // left at once when all it needs runs
  return {};
}

// ── Text ─────────────────────────────────────────────────────────────────────────────────────────────────────

/// How long the longest way down the needs is; 0: it needs nothing.
u32 Services::depth_of(const ServiceRecord& record) {
  // There are no cycles: after as many rounds as there are services nothing changes any more.
  u32 depths[kServicesMax] = {};
  for (bool changed = true; changed;) {
    changed = false;
    for (u32 i = 0; i < records_.size(); ++i) {
      for (u32 n = 0; n < records_[i].manifest.need_count; ++n) {
        const ServiceRecord* const needed = find(records_[i].manifest.needs[n]);
        if (needed == nullptr) continue;
        const u32 below = depths[needed - records_.data()] + 1;
        if (below <= depths[i]) continue;
        depths[i] = below;
        changed = true;
      }
    }
  }
  return depths[&record - records_.data()];
}

void Services::append_table(base::String& out) {
  struct Row {
    u32 depth;
    const ServiceRecord* record;
  };
  Row rows[kServicesMax];
  u32 count = 0;
  for (const ServiceRecord& record : records_) rows[count++] = {depth_of(record), &record};
  // total: names differ
  std::sort(rows, rows + count, [](const Row& a, const Row& b) {
    if (a.depth != b.depth) return a.depth < b.depth;
    return a.record->name.view() < b.record->name.view();
  });
  const auto row = [&](std::string_view name, std::string_view pid, std::string_view state, std::string_view restarts,
                       std::string_view backoff) {
    char text[400];
    base::Writer line(text);
    line.padded(name, 12);
    line.character(' ');
    line.padded(pid, 5, base::Align::Right);
    line.text("  ");
    line.padded(state, 9);
    line.character(' ');
    line.padded(restarts, 8, base::Align::Right);
    line.character(' ');
    line.padded(backoff, 8, base::Align::Right);
    line.text("  ");
    out.append(line.view());
  };
  row("NAME", "PID", "STATE", "RESTARTS", "BACKOFF");
  out.append("DEPS\n");
  for (const Row& at : std::span(rows, count)) {
    const ServiceRecord& record = *at.record;
    char pid[16];
    char restarts[16];
    char backoff[24];
    row(record.name.view(), record.pid == 0 ? std::string_view("-") : base::format(pid, "{}", record.pid),
        text_of(record.state), base::format(restarts, "{}", record.restarts),
        base::format(backoff, "{}", record.backoff_ns / kNsPerMs));
    for (u32 i = 0; i < record.manifest.need_count; ++i) out.append(i == 0 ? "" : ",").append(record.manifest.needs[i]);
    out.append(record.manifest.need_count == 0 ? "-\n" : "\n");
  }
}

void Services::append_facts(const ServiceRecord& record, base::String& out) {
  out.append_format("name {}\nstate {}\n", record.name.view(), text_of(record.state));
  if (record.pid == 0) {
    out.append("pid -\n");
  } else {
    out.append_format("pid {}\n", record.pid);
  }
  out.append_format("generation {}\nrestarts {}\nbackoff_ms {}\n", record.generation, record.restarts,
                    record.backoff_ns / kNsPerMs);
  out.append(record.text.view());
  if (!record.text.empty() && record.text.view().back() != '\n') out.push('\n');
}

void Services::append_log(base::String& out) {
  for (const base::String& line : log_) out.append(line.view());
}

}  // namespace user
