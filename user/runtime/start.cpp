// user/runtime/start.cpp — see start.h.
#include "user/runtime/start.h"

#include "user/program.h"
#include "user/runtime/call.h"
#include "user/runtime/files.h"
#include "user/runtime/state.h"

#include "base/enforce.h"

namespace user {
namespace {

using Manager = schema::process::Process;

constexpr u64 kFirstArenaBytes = 16 << 10;  // what a process is made with; user/root/spaces.cpp

/// More memory behind the heap's end, from the root manager. 0: the realm's quota is spent.
u64 grow_heap(void* context, u64 bytes_min) {
  ProcessState& state = *static_cast<ProcessState*>(context);
  // It may come in the middle of laying out a message, so the buffer is put back as it was.
  kernel::IpcBuffer& buffer = sys::buffer();
  constexpr u64 kEnvelopeBytes = 9 * sizeof(u64);
  constexpr u64 kMessageBytes = 24 * sizeof(u64);  // of the longest answer: an error with its detail
  u64 envelope[kEnvelopeBytes / sizeof(u64)];
  u64 message[kMessageBytes / sizeof(u64)];
  __builtin_memcpy(envelope, &buffer, sizeof envelope);
  __builtin_memcpy(message, buffer.msg, sizeof message);
  state.grows += 1;
  const Manager::Grow::Request request{.bytes = bytes_min, .number = state.grows};
  const auto reply = call_again<Manager::Grow>(kSlotRoot, request);
  const u64 grown = reply.ok() ? reply->bytes : 0;
  __builtin_memcpy(static_cast<void*>(&buffer), envelope, sizeof envelope);
  __builtin_memcpy(buffer.msg, message, sizeof message);
  return grown;
}

void fetch_start(ProcessState& state) {
  u32 total = 1;
  u32 argument_bytes = 0;
  for (u32 offset = 0; offset < total;) {
    const auto reply = call_again<Manager::Start>(kSlotRoot, {.offset = offset});
    ASSERT(reply.ok());
    const Manager::Start::Reply& start = reply.value();
    if (offset == 0) {
      state.pid = start.pid;
      state.parent = start.parent;
      state.identity = {start.uid, start.gid};
      state.umask = start.umask;
      total = start.total_bytes;
      argument_bytes = start.argument_bytes;
    }
    const u64 part = start.data.size();
    // Growing the heap uses the IPC buffer: the pieces are copied out before anything is allocated.
    u8 data[4096];
    char cwd[4096];
    const u64 cwd_bytes = offset == 0 ? std::min<u64>(start.cwd.size(), sizeof cwd) : 0;
    ASSERT(part <= sizeof data && (part > 0 || total == 0));
    // An empty view may point nowhere, which memcpy does not allow even for no bytes.
    if (part > 0) __builtin_memcpy(data, start.data.data(), part);
    if (cwd_bytes > 0) __builtin_memcpy(cwd, start.cwd.data(), cwd_bytes);
    if (offset == 0) state.cwd.assign({cwd, cwd_bytes});
    const u64 of_arguments = offset < argument_bytes ? std::min<u64>(part, argument_bytes - offset) : 0;
    state.argument_text.append(base::text_of({data, of_arguments}));
    state.inherited.append(base::text_of({data + of_arguments, part - of_arguments}));
    offset += static_cast<u32>(part);
    if (total == 0) break;
  }
  std::string_view rest = state.argument_text.view();
  while (!rest.empty()) {
    const std::size_t end = rest.find('\0');
    ASSERT(end != std::string_view::npos);
    state.args.push_back(rest.substr(0, end));
    rest.remove_prefix(end + 1);
  }
}

}  // namespace

Process::State::State(void* region, u64 bytes)
    : heap(region, bytes, grow_heap, this), argument_text(heap), args(heap), cwd(heap), inherited(heap) {}

void program_main(const u64 (&arguments)[8]) {
  ASSERT(arguments[0] < programs().size());
  const Program& program = programs()[arguments[0]];
  // The state lies in front of the heap it describes.
  constexpr u64 kStateBytes = base::align_up(sizeof(ProcessState), base::Heap::kAlign);
  static_assert(kStateBytes < kFirstArenaBytes / 2);
  u8* const arena = machine::arena_base();
  ProcessState& state = *new (arena) ProcessState(arena + kStateBytes, kFirstArenaBytes - kStateBytes);
  machine::self().runtime = &state;
  state.shared = state.buffer = machine::self().buffer;
  start_probe(state.probe);
  fetch_start(state);
  start_files(state);
  const i32 code = program.main(state.process);
  state.process.exit(static_cast<u32>(code));
}

}  // namespace user
