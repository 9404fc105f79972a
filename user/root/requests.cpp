// user/root/requests.cpp — requests of processes: decoded from a private copy of the message, answered in the IPC buffer.
// A handler's answer may refer to the manager's memory; it is laid out after the last kernel call of the request.
#include "user/root/manager.h"

#include "fs/badge.h"
#include "user/runtime/call.h"
#include "user/runtime/notes.h"

#include "base/enforce.h"

namespace user::root {

using schema::process::Process;

namespace {

constexpr u32 kDataBytesMax = 4096;  // of one answer
constexpr u8 kRightsOfClients = kernel::kRightWrite | kernel::kRightGrant | kernel::kRightGrantReply;
constexpr u64 kNamesBytesMax = 4096;
constexpr u32 kSettableFlags =
    kRfFdg | kRfCFdg | kRfNameg | kRfNoWait | kRfEnvg | kRfCEnvg | kRfCNameg | kRfNoteg | kRfNoMount | kRfSession;

}  // namespace

Answer Manager::failure(const fs::Error& error) {
  const schema::file::Failure body{.error = static_cast<u16>(error.code), .detail = error.detail()};
  const auto encoded = schema::encode(body, message_room());
  ASSERT(encoded.ok());
  return {Ending::Answered,
          kernel::MessageInfo::make(static_cast<u64>(error.code), encoded.value() / schema::kWordBytes, 0,
                                    kernel::MessageInfo::kInBuffer)};
}

template <class Reply>
Answer Manager::success(const Reply& reply) {
  const auto encoded = schema::encode(reply, message_room());
  if (!encoded.ok()) return failure(ErrorCode::ProtocolError);
  return {Ending::Answered,
          kernel::MessageInfo::make(0, encoded.value() / schema::kWordBytes, 0, kernel::MessageInfo::kInBuffer)};
}
template Answer Manager::success(const Process::Wait::Reply&);
template Answer Manager::success(const schema::process::Worker::Next::Reply&);

template <class Method>
Answer Manager::run(ProcessRecord& record, base::Bytes body,
                    Result<typename Method::Reply> (Manager::*handler)(ProcessRecord&,
                                                                       const typename Method::Request&)) {
  const auto request = schema::decode<typename Method::Request>(body);
  if (!request.ok()) return failure(ErrorCode::ProtocolError);
  const auto reply = (this->*handler)(record, request.value());
  return reply.ok() ? success(reply.value()) : failure(reply.error());
}

Answer Manager::handle(const sys::Received& received) {
  const kernel::MessageInfo info = received.info;
  if (info.from_kernel()) {
    if (static_cast<kernel::ResultLabel>(info.label()) == kernel::ResultLabel::Signal) return Answer::gone();
    if (ProcessRecord* record = find_badge(received.badge)) fault(*record, info);
    return Answer::gone();
  }
  const base::Bytes message = message_body(info);
  request_.clear();
  request_.append(message);
  const kernel::IpcBuffer& buffer = sys::buffer();
  received_unwrapped_ = info.extra_caps() > 0 && (buffer.caps_unwrapped & 1) != 0;
  received_badge_ = received_unwrapped_ ? buffer.caps_or_badges[0] : 0;
  received_cap_ = info.extra_caps() > 0 && !received_unwrapped_;

  if (fs::Badge::of(received.badge).kind != fs::BadgeKind::Foreign) return handle_tree(received);
  ProcessRecord* const record = find_badge(received.badge);
  if (record == nullptr) return failure(ErrorCode::AccessRevoked);
  if (record->state == ProcessState::Ending || record->state == ProcessState::Zombie) return Answer::gone();
  if (schema::interface_of_label(info.label()) == static_cast<u32>(schema::process::Worker::kInterfaceId)) {
    Worker* const worker = worker_of(*record);
    const auto next = schema::decode<schema::process::Worker::Next::Request>(request_.span());
    if (worker == nullptr || !next.ok()) return failure(ErrorCode::PermissionDenied);
    return worker_asks(*worker, next.value().again);
  }
  if (schema::interface_of_label(info.label()) != static_cast<u32>(Process::kInterfaceId)) {
    return failure(ErrorCode::ProtocolError);
  }
  return dispatch(*record, schema::ordinal_of_label(info.label()), request_.span());
}

/// A request on one of our own files. The answer is built outside the IPC buffer: minting uses that.
Answer Manager::handle_tree(const sys::Received& received) {
  fs::Request request{.badge = received.badge,
                      .label = received.info.label(),
                      .body = request_.span(),
                      .cap_count = received.info.extra_caps(),
                      .unwrapped = received_unwrapped_ ? 1u : 0u,
                      .received_cap = received_cap_,
                      .reply = current_reply_};
  request.cap_badges[0] = received_badge_;
  const fs::Outcome outcome = trees_->handle(request, tree_answer_.span());
  if (outcome.parked) return Answer::deferred();
  if (outcome.cap_slot != 0) {
    send_slot_ = static_cast<u32>(outcome.cap_slot);
    send_temporary_ = true;
  }
  if (outcome.bytes > 0) __builtin_memcpy(sys::buffer().msg, tree_answer_.data(), outcome.bytes);
  return {Ending::Answered, kernel::MessageInfo::make(outcome.label, outcome.bytes / schema::kWordBytes, 0,
                                                      kernel::MessageInfo::kInBuffer)};
}

Answer Manager::dispatch(ProcessRecord& record, u16 ordinal, base::Bytes body) {
  switch (ordinal) {
    case Process::Start::kOrdinal: return run<Process::Start>(record, body, &Manager::on_start);
    case Process::Grow::kOrdinal: return run<Process::Grow>(record, body, &Manager::on_grow);
    case Process::Exit::kOrdinal: {
      const auto request = schema::decode<Process::Exit::Request>(body);
      if (!request.ok()) return failure(ErrorCode::ProtocolError);
      terminate(record, request.value().code & 255, 0, {}, request.value().closed);
      return Answer::gone();
    }
    case Process::Make::kOrdinal: return run<Process::Make>(record, body, &Manager::on_make);
    case Process::Frame::kOrdinal: return run<Process::Frame>(record, body, &Manager::on_frame);
    case Process::Map::kOrdinal: return run<Process::Map>(record, body, &Manager::on_map);
    case Process::Unmap::kOrdinal: return run<Process::Unmap>(record, body, &Manager::on_unmap);
    case Process::Mounts::kOrdinal: return run<Process::Mounts>(record, body, &Manager::on_mounts);
    case Process::Directory::kOrdinal: return run<Process::Directory>(record, body, &Manager::on_directory);
    case Process::Mount::kOrdinal: return run<Process::Mount>(record, body, &Manager::on_mount);
    case Process::Unmount::kOrdinal: return run<Process::Unmount>(record, body, &Manager::on_unmount);
    case Process::SetCwd::kOrdinal: return run<Process::SetCwd>(record, body, &Manager::on_set_cwd);
    case Process::Publish::kOrdinal: return run<Process::Publish>(record, body, &Manager::on_publish);
    case Process::Withdraw::kOrdinal: return run<Process::Withdraw>(record, body, &Manager::on_withdraw);
    case Process::Service::kOrdinal: return run<Process::Service>(record, body, &Manager::on_service);
    case Process::GetEnv::kOrdinal: return run<Process::GetEnv>(record, body, &Manager::on_get_env);
    case Process::SetEnv::kOrdinal: return run<Process::SetEnv>(record, body, &Manager::on_set_env);
    case Process::EnvNames::kOrdinal: return on_env_names(record, body);
    case Process::Stage::kOrdinal: return run<Process::Stage>(record, body, &Manager::on_stage);
    case Process::Spawn::kOrdinal: return run<Process::Spawn>(record, body, &Manager::on_spawn);
    case Process::Release::kOrdinal: return run<Process::Release>(record, body, &Manager::on_release);
    case Process::Wait::kOrdinal: {
      const auto request = schema::decode<Process::Wait::Request>(body);
      if (!request.ok()) return failure(ErrorCode::ProtocolError);
      const Result<Answer> answer = wait(record, request.value());
      return answer.ok() ? answer.value() : failure(answer.error());
    }
    case Process::Rfork::kOrdinal: return run<Process::Rfork>(record, body, &Manager::on_rfork);
    case Process::Post::kOrdinal: return run<Process::Post>(record, body, &Manager::on_post);
    case Process::SetNote::kOrdinal: return run<Process::SetNote>(record, body, &Manager::on_set_note);
    case Process::SetGroup::kOrdinal: return run<Process::SetGroup>(record, body, &Manager::on_set_group);
    case Process::Facts::kOrdinal: return run<Process::Facts>(record, body, &Manager::on_facts);
    case Process::SetConsole::kOrdinal: return run<Process::SetConsole>(record, body, &Manager::on_set_console);
    case Process::Log::kOrdinal: return run<Process::Log>(record, body, &Manager::on_log);
    case Process::Ready::kOrdinal: return run<Process::Ready>(record, body, &Manager::on_ready);
    case Process::Alarm::kOrdinal: return run<Process::Alarm>(record, body, &Manager::on_alarm);
    case Process::Thread::kOrdinal: return run<Process::Thread>(record, body, &Manager::on_thread);
    case Process::ReadLog::kOrdinal: return run<Process::ReadLog>(record, body, &Manager::on_read_log);
    default: return failure(ErrorCode::ProtocolError);
  }
}

// ── Itself ───────────────────────────────────────────────────────────────────────────────────────────────────

Result<Process::Start::Reply> Manager::on_start(ProcessRecord& record, const Process::Start::Request& request) {
  const u64 arguments = record.arguments.size();
  const u64 total = arguments + record.start.size();
  if (request.offset > total) return fs::fail(ErrorCode::BadArgument);
  const std::string_view part = request.offset < arguments ? record.arguments.view().substr(request.offset)
                                                           : record.start.view().substr(request.offset - arguments);
  return Process::Start::Reply{
      .pid = record.pid,
      .parent = record.parent == nullptr ? 0 : record.parent->pid,
      .uid = record.uid,
      .gid = record.gid,
      .umask = record.umask,
      .argument_bytes = static_cast<u32>(arguments),
      .total_bytes = static_cast<u32>(total),
      .cwd = request.offset == 0 ? record.cwd.view() : std::string_view{},
      .data = base::bytes_of(part.substr(0, request.offset == 0 ? kDataBytesMax - 512 : kDataBytesMax))};
}

Result<Process::Grow::Reply> Manager::on_grow(ProcessRecord& record, const Process::Grow::Request& request) {
  ProcessObjects& objects = record.objects;
  for (const ProcessObjects::Grown& before : objects.grown) {
    if (request.number != 0 && before.number == request.number) return Process::Grow::Reply{.bytes = before.bytes};
  }
  const u64 bytes = TRY(grow_arena(record, request.bytes));
  objects.grown[objects.grown_next++ % ProcessObjects::kGrownKept] = {request.number, bytes};
  return Process::Grow::Reply{.bytes = bytes};
}

Result<Process::Make::Reply> Manager::on_make(ProcessRecord& record, const Process::Make::Request& request) {
  TRY(make_by_request(record, request.kind, request.slot, request.count));
  return Process::Make::Reply{};
}

Result<Process::Frame::Reply> Manager::on_frame(ProcessRecord& record, const Process::Frame::Request& request) {
  const u64 address = TRY(make_frame(record, request.slot, request.bits));
  return Process::Frame::Reply{.address = address};
}

Result<Process::Map::Reply> Manager::on_map(ProcessRecord& record, const Process::Map::Request& request) {
  const u64 address = TRY(map_slot(record, request.slot, request.write));
  return Process::Map::Reply{.address = address};
}

Result<Process::Unmap::Reply> Manager::on_unmap(ProcessRecord& record, const Process::Unmap::Request& request) {
  if (request.slot < kSlotReceive || request.slot >= kCNodeSlots) return fs::fail(ErrorCode::BadArgument);
  unmap_slot(record, request.slot);
  return Process::Unmap::Reply{};
}

Result<Process::Thread::Reply> Manager::on_thread(ProcessRecord& record, const Process::Thread::Request& request) {
  TRY(make_thread(record, request.argument));
  return Process::Thread::Reply{};
}

// ── Names ────────────────────────────────────────────────────────────────────────────────────────────────────

Result<Process::Mounts::Reply> Manager::on_mounts(ProcessRecord& record, const Process::Mounts::Request& request) {
  mounts_.clear();
  u32 number = 0;
  u64 bytes = 0;
  bool full = false;
  for (const MountEntry& entry : record.names->entries) {
    for (const MemberUse& use : entry.members) {
      const Member& member = *use.member;
      number += 1;
      // struct, three pointers and the texts with their ends, rounded up
      const u64 cost = 64 + entry.path.size() + member.source.size() + member.tree.size();
      full = full || bytes + cost > kNamesBytesMax + 2 * 4096;
      if (number - 1 < request.from || full) continue;
      bytes += cost;
      full = bytes > kNamesBytesMax;
      mounts_.push_back({.member = member.id,
                         .flags = use.flags,
                         .kind = member.kind,
                         .path = entry.path.view(),
                         .source = member.source.view(),
                         .tree = member.tree.view()});
    }
  }
  return Process::Mounts::Reply{.version = record.names->version,
                                .total = number,
                                .mounts = std::span<const schema::process::Mount>(mounts_.span())};
}

Result<Process::Directory::Reply> Manager::on_directory(ProcessRecord& record,
                                                        const Process::Directory::Request& request) {
  send_slot_ = TRY(directory(record, request.member));
  return Process::Directory::Reply{.directory = schema::CapIndex::of(0)};
}

Result<Process::Mount::Reply> Manager::on_mount(ProcessRecord& record, const Process::Mount::Request& request) {
  const u32 member = TRY(mount(record, {.path = request.path,
                                        .flags = request.flags,
                                        .kind = request.kind,
                                        .source = request.source,
                                        .tree = request.tree}));
  return Process::Mount::Reply{.member = member};
}

Result<Process::Unmount::Reply> Manager::on_unmount(ProcessRecord& record, const Process::Unmount::Request& request) {
  TRY(unmount(record, request.path, request.member));
  return Process::Unmount::Reply{};
}

Result<Process::SetCwd::Reply> Manager::on_set_cwd(ProcessRecord& record, const Process::SetCwd::Request& request) {
  if (request.path.size() > fs::kPathBytesMax || !request.path.starts_with("/"))
    return fs::fail(ErrorCode::BadArgument);
  record.cwd.assign(request.path);
  record.umask = request.umask;
  return Process::SetCwd::Reply{};
}

Result<Process::Publish::Reply> Manager::on_publish(ProcessRecord& record, const Process::Publish::Request& request) {
  TRY(publish(record, request.name, request.per_client));
  return Process::Publish::Reply{};
}

Result<Process::Withdraw::Reply> Manager::on_withdraw(ProcessRecord& record,
                                                      const Process::Withdraw::Request& request) {
  TRY(withdraw(record, request.name));
  return Process::Withdraw::Reply{};
}

Result<Process::Service::Reply> Manager::on_service(ProcessRecord& record, const Process::Service::Request& request) {
  const Service* const service = find_service(request.name);
  if (service == nullptr) return fs::fail(ErrorCode::NotFound, request.name);
  // Of an unbadged endpoint: the badge says who attaches, so that no client can claim to be another.
  const u32 slot = slots_.take();
  if (slot == 0) return fs::fail(ErrorCode::OutOfMemory);
  // What our own trees show depends on the realm: whoever lives below gets its view when it looks (`directory`), and
  // attaching is only good to mount.
  const bool has_view = service->pid == 0 && service->instance != 0 && record.realm != root_realm_;
  const u8 instance = has_view ? kInstanceNowhere : service->instance;
  const u64 badge = service->per_client ? record.pid : fs::service_badge(instance, record.uid, record.gid);
  if (!mint(own(slot), own(service->slot), kRightsOfClients, badge)) {
    // Its server published it with a badge of its own choice: everybody gets the same.
    slots_.give(slot);
    send_slot_ = service->slot;
    return Process::Service::Reply{.service = schema::CapIndex::of(0)};
  }
  send_slot_ = slot;
  send_temporary_ = true;
  return Process::Service::Reply{.service = schema::CapIndex::of(0)};
}

// ── Environment ──────────────────────────────────────────────────────────────────────────────────────────────

Result<Process::GetEnv::Reply> Manager::on_get_env(ProcessRecord& record, const Process::GetEnv::Request& request) {
  const base::String* const value = record.environment->values.find(request.name);
  if (value == nullptr) return fs::fail(ErrorCode::NotFound, request.name);
  if (request.offset > value->size()) return fs::fail(ErrorCode::BadArgument);
  return Process::GetEnv::Reply{.total = static_cast<u32>(value->size()),
                                .value = base::bytes_of(value->view().substr(request.offset, kDataBytesMax))};
}

Result<Process::SetEnv::Reply> Manager::on_set_env(ProcessRecord& record, const Process::SetEnv::Request& request) {
  TRY(set_env(*record.environment, request.name, request.offset, request.value, request.remove));
  return Process::SetEnv::Reply{};
}

Answer Manager::on_env_names(ProcessRecord& record, base::Bytes body) {
  const auto request = schema::decode<Process::EnvNames::Request>(body);
  if (!request.ok()) return failure(ErrorCode::ProtocolError);
  base::Vector<std::string_view> names(memory_);
  u32 number = 0;
  u64 bytes = 0;
  for (const auto& entry : record.environment->values) {
    if (number++ < request.value().from || bytes > kNamesBytesMax) continue;
    bytes += 16 + entry.key.size();
    names.push_back(entry.key.view());
  }
  return success(Process::EnvNames::Reply{.total = number, .names = std::span<const std::string_view>(names.span())});
}

// ── Processes ────────────────────────────────────────────────────────────────────────────────────────────────

/// The process's set of that number, a new one if there is none.
StagedTexts& Manager::staged_texts(ProcessRecord& record, u32 set) {
  for (StagedTexts& texts : record.staged) {
    if (texts.set == set) return texts;
  }
  StagedTexts& made = record.staged.emplace_back(memory_);
  made.set = set;
  return made;
}

Result<Process::Stage::Reply> Manager::on_stage(ProcessRecord& record, const Process::Stage::Request& request) {
  if (request.data.size() > kDataBytesMax) return fs::fail(ErrorCode::BadArgument);
  u64 all = 0;
  for (const StagedTexts& other : record.staged) all += other.bytes();
  if (record.staged.size() > kStagedSetsMax) return fs::fail(ErrorCode::OutOfMemory, "too many spawns at once");
  StagedTexts& texts = staged_texts(record, request.set);
  base::String* text = &texts.files;
  if (request.part == schema::process::Part::Arguments) text = &texts.arguments;
  if (request.part == schema::process::Part::Environment) text = &texts.environment;
  if (request.restart) all -= text->size();
  if (request.restart) text->clear();
  if (text->size() + request.data.size() > kStartBytesMax) return fs::fail(ErrorCode::BadArgument, "longer than 128K");
  if (all + request.data.size() > kStagedBytesMax) return fs::fail(ErrorCode::OutOfMemory, "too many spawns at once");
  text->append(base::text_of(request.data));
  return Process::Stage::Reply{};
}

Result<Process::Spawn::Reply> Manager::on_spawn(ProcessRecord& record, const Process::Spawn::Request& request) {
  for (Spawned& last : record.spawned) {
    if (last.set != request.set || request.number == 0) continue;
    if (last.number == request.number) return Process::Spawn::Reply{.pid = last.pid};
    last = record.spawned.back();
    record.spawned.pop_back();
    break;
  }
  if ((request.flags & ~kSettableFlags) != 0) return fs::fail(ErrorCode::BadArgument);
  if (!request.devices.empty() && !record.may_grant) return fs::fail(ErrorCode::PermissionDenied);
  constexpr u32 kDevicesMax = kSlotGrantsEnd - kSlotGrants;
  if (request.devices.size() > kDevicesMax) return fs::fail(ErrorCode::BadArgument);
  std::string_view devices[kDevicesMax];
  for (u32 i = 0; i < request.devices.size(); ++i) devices[i] = request.devices[i];
  TRY(check_devices({devices, request.devices.size()}));
  for (const schema::process::Copy& pair : request.copies) {
    const bool from = pair.from >= kSlotDescriptors && pair.from < kSlotDescriptorsEnd;
    const bool to = pair.to >= kSlotDescriptors && pair.to < kSlotDescriptorsEnd;
    if (!from || !to) return fs::fail(ErrorCode::BadFileDescriptor);
  }
  // There is always a first argument: without one in the message, all texts have been staged.
  const bool staged = request.arguments.empty();
  StagedTexts texts(memory_);
  if (staged) {
    StagedTexts& kept = staged_texts(record, request.set);
    texts = std::move(kept);
    record.staged.erase(static_cast<u64>(&kept - record.staged.begin()));
  } else {
    texts.arguments.assign(base::text_of(request.arguments));
    texts.environment.assign(base::text_of(request.environment));
    texts.files.assign(base::text_of(request.files));
  }
  u32 served = 0;
  if (request.served.present && request.serve) return fs::fail(ErrorCode::BadArgument);
  if (request.served.present) served = TRY(keep_received());
  PrivateEndpoint endpoint;
  if (request.serve) {
    endpoint = TRY(make_private_endpoint());
    served = endpoint.slot;
  }
  const auto spawned = spawn(&record, {.program = request.program,
                                       .arguments = texts.arguments.view(),
                                       .environment = texts.environment.view(),
                                       .files = texts.files.view(),
                                       .cwd = request.cwd,
                                       .realm = request.realm,
                                       .flags = request.flags,
                                       .group = request.group,
                                       .umask = request.umask,
                                       .priority = request.priority,
                                       .hold = true,
                                       .served = served});
  if (request.serve && spawned.ok()) {
    char name[16];
    const Pid pid = (*spawned)->pid;
    services_.push_back({.name = base::String(memory_, base::format(name, "{}", pid)),
                         .slot = served,
                         .pid = pid,
                         .block = endpoint.block});
  } else if (request.serve) {
    drop_private_endpoint(endpoint);
  } else if (served != 0) {
    remove(own(served));  // takes nothing from the child: its copy moves up to the parent's
    slots_.give(served);
  }
  ProcessRecord& child = *TRY(spawned);
  Result<void> granted = grant_devices(child, {devices, request.devices.size()});
  if (granted.ok() && record.may_grant && served != 0) granted = grant_probe(child);  // a service of the image
  if (!granted.ok()) {
    child.no_wait_record = true;
    terminate(child, 0, 0, {}, true);
    return granted.take_failure();
  }
  for (const schema::process::Copy& pair : request.copies) {
    if (!copy(slot_in(child, pair.to), slot_in(record, pair.from), kernel::kRightsAll)) {
      child.no_wait_record = true;
      terminate(child, 0, 0, {}, false);
      return fs::fail(ErrorCode::BadFileDescriptor);
    }
  }
  if (!request.hold) release(child);
  if (record.spawned.size() < kStagedSetsMax) record.spawned.push_back({request.set, request.number, child.pid});
  return Process::Spawn::Reply{.pid = child.pid};
}

Result<Process::Release::Reply> Manager::on_release(ProcessRecord& record, const Process::Release::Request& request) {
  ProcessRecord* const child = find(request.pid);
  if (child == nullptr || child->parent != &record) return fs::fail(ErrorCode::NoChildProcess);
  release(*child);
  return Process::Release::Reply{};
}

Result<Process::Rfork::Reply> Manager::on_rfork(ProcessRecord& record, const Process::Rfork::Request& request) {
  const u32 flags = request.flags;
  const bool contradiction = (flags & (kRfFdg | kRfCFdg)) == (kRfFdg | kRfCFdg) ||
                             (flags & (kRfNameg | kRfCNameg)) == (kRfNameg | kRfCNameg) ||
                             (flags & (kRfEnvg | kRfCEnvg)) == (kRfEnvg | kRfCEnvg);
  if (contradiction || (flags & ~kSettableFlags) != 0) return fs::fail(ErrorCode::BadArgument);
  if ((flags & kRfNameg) != 0) join_namespace(record, copy_namespace(*record.names));
  if ((flags & kRfCNameg) != 0) join_namespace(record, new_namespace());
  if ((flags & (kRfEnvg | kRfCEnvg)) != 0) {
    Environment& environment = (flags & kRfEnvg) != 0 ? copy_environment(*record.environment) : new_environment();
    drop_environment(record);
    record.environment = &environment;
    environment.references += 1;
  }
  if ((flags & kRfNoMount) != 0) record.no_mount = true;
  if ((flags & kRfSession) != 0) {
    join_group(record, record.pid, record.pid);
  } else if ((flags & kRfNoteg) != 0) {
    join_group(record, record.pid, record.session_id);
  }
  return Process::Rfork::Reply{};
}

Result<Process::Post::Reply> Manager::on_post(ProcessRecord& record, const Process::Post::Request& request) {
  if (request.note.empty() || request.note.size() > kNoteBytesMax) return fs::fail(ErrorCode::BadArgument);
  if (request.group) {
    const Group* const group = find_group(request.target);
    if (group == nullptr) return fs::fail(ErrorCode::NoSuchProcess);
    for (const ProcessRecord& member : group->members) {
      if (!sees(record, member)) return fs::fail(ErrorCode::NoSuchProcess);
      if (record.uid != 0 && member.uid != record.uid) return fs::fail(ErrorCode::PermissionDenied);
    }
    TRY(post_group(request.target, request.note));
    return Process::Post::Reply{};
  }
  ProcessRecord* const target = find(request.target);
  if (target == nullptr || target->pid == 0 || !sees(record, *target)) return fs::fail(ErrorCode::NoSuchProcess);
  if (record.uid != 0 && target->uid != record.uid) return fs::fail(ErrorCode::PermissionDenied);
  if (target == init_ && note_number(request.note) == kNoteKill) return fs::fail(ErrorCode::OperationNotPermitted);
  post(*target, request.note);
  return Process::Post::Reply{};
}

Result<Process::SetNote::Reply> Manager::on_set_note(ProcessRecord& record, const Process::SetNote::Request& request) {
  if (request.number == 0 || request.number >= kNotesMax || request.action > 2) return fs::fail(ErrorCode::BadArgument);
  if (request.number == kNoteKill || request.number == kNoteStop) return fs::fail(ErrorCode::BadArgument);
  const u64 bit = u64{1} << request.number;
  record.ignored_notes &= ~bit;
  record.handled_notes &= ~bit;
  if (request.action == 1) record.ignored_notes |= bit;
  if (request.action == 2) record.handled_notes |= bit;
  return Process::SetNote::Reply{};
}

Result<Process::SetGroup::Reply> Manager::on_set_group(ProcessRecord& record,
                                                       const Process::SetGroup::Request& request) {
  ProcessRecord* const target = request.pid == 0 ? &record : find(request.pid);
  if (target == nullptr || (target != &record && target->parent != &record) || target->group == nullptr) {
    return fs::fail(ErrorCode::NoSuchProcess);
  }
  const u32 id = request.group == 0 ? target->pid : request.group;
  const Group* const group = find_group(id);
  if (target->session_id == target->pid) return fs::fail(ErrorCode::OperationNotPermitted);
  if (id != target->pid && (group == nullptr || group->session_id != target->session_id)) {
    return fs::fail(ErrorCode::OperationNotPermitted);
  }
  if (id != target->group_id) join_group(*target, id, target->session_id);
  return Process::SetGroup::Reply{};
}

Result<Process::Facts::Reply> Manager::on_facts(ProcessRecord& record, const Process::Facts::Request& request) {
  ProcessRecord* const target = request.pid == 0 ? &record : find(request.pid);
  if (target == nullptr || !sees(record, *target)) return fs::fail(ErrorCode::NoSuchProcess);
  const ProcessRecord* const leader = find(target->session_id);
  return Process::Facts::Reply{.pid = target->pid,
                               .parent = target->parent == nullptr ? 0 : target->parent->pid,
                               .group = target->group_id,
                               .session = target->session_id,
                               .uid = target->uid,
                               .gid = target->gid,
                               .console = leader == nullptr ? i8{-1} : leader->console,
                               .stopped = target->state == ProcessState::Stopped,
                               .ready = target->ready};
}

Result<Process::SetConsole::Reply> Manager::on_set_console(ProcessRecord& record,
                                                           const Process::SetConsole::Request& request) {
  if (record.session_id != record.pid) return fs::fail(ErrorCode::OperationNotPermitted);
  record.console = request.number;
  return Process::SetConsole::Reply{};
}

// ── Servers and their supervisor ─────────────────────────────────────────────────────────────────────────────

Result<Process::Ready::Reply> Manager::on_ready(ProcessRecord& record, const Process::Ready::Request&) {
  record.ready = true;
  if (record.parent != nullptr && record.parent == init_) wake(*init_);
  return Process::Ready::Reply{};
}

Result<Process::Alarm::Reply> Manager::on_alarm(ProcessRecord& record, const Process::Alarm::Request& request) {
  if (request.slot >= kCNodeSlots) return fs::fail(ErrorCode::BadArgument);
  enqueue({.kind = schema::process::JobKind::Arm,
           .pid = record.pid,
           .index = record.index,
           .slot = request.slot,
           .tag = record.pid,
           .due = request.due});
  return Process::Alarm::Reply{};
}

// ── Log ──────────────────────────────────────────────────────────────────────────────────────────────────────

Result<Process::Log::Reply> Manager::on_log(ProcessRecord&, const Process::Log::Request& request) {
  log(request.text);
  return Process::Log::Reply{};
}

Result<Process::ReadLog::Reply> Manager::on_read_log(ProcessRecord&, const Process::ReadLog::Request& request) {
  const u64 offset = std::max(request.offset, log_start_);
  const u64 from = std::min<u64>(offset - log_start_, log_.size());
  const u64 bytes = std::min<u64>(log_.size() - from, kDataBytesMax);
  return Process::ReadLog::Reply{.offset = log_start_ + from, .data = base::Bytes(log_.data() + from, bytes)};
}

}  // namespace user::root
