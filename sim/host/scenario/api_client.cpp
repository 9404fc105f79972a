// sim/host/scenario/api_client.cpp — what a client asks of its process. Each of these calls leaves the coroutine with an
// order and comes back with what became of it; the process is `puppet`, the calls it makes are real.
#include "fs/error.h"
#include "schema/file.capnp.h"
#include "schema/puppet.h"
#include "sim/host/scenario/program.h"

namespace sim::host::scenario {
namespace {

using schema::puppet::Order;
constexpr u8 kClient = static_cast<u8>(Phase::Client);
constexpr i64 kDayNs = 86'400'000'000'000;
constexpr u64 kRoom = 8064;  // of a device call

u32 client_of(lua_State* state) {
  const Object& self = *Program::object_at(state, 1);
  return self.type == ObjectType::File ? self.extra >> 16 : self.index;
}

/// An order in the making.
class Draft {
 public:
  explicit Draft(Order order) : writer_({room_, sizeof room_}) { writer_.number(static_cast<u64>(order)); }
  Draft& number(u64 value) {
    writer_.number(value);
    return *this;
  }
  Draft& text(std::string_view value) {
    writer_.text(value);
    return *this;
  }
  std::string bytes() const { return {reinterpret_cast<const char*>(room_), writer_.used()}; }

 private:
  u8 room_[kRoom];
  schema::puppet::Writer writer_;
};

std::string_view text_argument(lua_State* state, int index) {
  size_t bytes = 0;
  const char* data = luaL_checklstring(state, index, &bytes);
  if (bytes > schema::puppet::kTextMax) luaL_argerror(state, index, "longer than 7168 bytes");
  return {data, bytes};
}

/// What came back: false when it failed, with nil and the error pushed (2 results).
bool succeeded(lua_State* state, schema::puppet::Reader& reader) {
  const auto code = static_cast<fs::ErrorCode>(reader.number());
  if (code == fs::ErrorCode::None) return true;
  const std::string detail(reader.text());
  const std::string text(fs::text_of(code));
  lua_pushnil(state);
  lua_createtable(state, 0, 3);
  lua_pushstring(state, text.c_str());
  lua_setfield(state, -2, "code");
  lua_pushstring(state, detail.c_str());
  lua_setfield(state, -2, "detail");
  // Such an answer does not say whether the request took effect.
  const bool unknown = code == fs::ErrorCode::ServerRestarted || code == fs::ErrorCode::Interrupted ||
                       code == fs::ErrorCode::TimedOut || code == fs::ErrorCode::IoError;
  lua_pushboolean(state, unknown ? 1 : 0);
  lua_setfield(state, -2, "unknown");
  return false;
}

schema::puppet::Reader reader_of(lua_State* state) {
  return schema::puppet::Reader(base::bytes_of(Program::of(state).stage->result(client_of(state))));
}

int give(lua_State* state, const Draft& draft, lua_KFunction back) {
  Program::of(state).stage->order(client_of(state), draft.bytes());
  return lua_yieldk(state, 0, 0, back);
}

// ── What comes back ──────────────────────────────────────────────────────────────────────────────────────────

int back_done(lua_State* state, int, lua_KContext) {
  auto reader = reader_of(state);
  if (!succeeded(state, reader)) return 2;
  lua_pushboolean(state, 1);
  return 1;
}

int back_synced(lua_State* state, int status, lua_KContext context) {
  const int results = back_done(state, status, context);
  if (results == 1) Program::of(state).stage->synced(client_of(state));
  return results;
}

int back_text(lua_State* state, int, lua_KContext) {
  auto reader = reader_of(state);
  if (!succeeded(state, reader)) return 2;
  const std::string_view text = reader.text();
  lua_pushlstring(state, text.data(), text.size());
  return 1;
}

// As file.capnp numbers them.
constexpr const char* kKinds[] = {"file",    "directory", "link", "pipe",   "control",
                                  "service", "device",    "pipe", "socket", "block device"};
const char* kind_text(u64 kind) { return kind < std::size(kKinds) ? kKinds[kind] : "other"; }

int back_list(lua_State* state, int, lua_KContext) {
  auto reader = reader_of(state);
  if (!succeeded(state, reader)) return 2;
  const u64 count = reader.number();
  lua_newtable(state);
  for (u64 i = 1; i <= count && !reader.bad(); ++i) {
    const std::string_view name = reader.text();
    lua_pushlstring(state, name.data(), name.size());
    lua_rawseti(state, -2, static_cast<lua_Integer>(i));
  }
  return 1;
}

int back_stat(lua_State* state, int, lua_KContext) {
  auto reader = reader_of(state);
  if (!succeeded(state, reader)) return 2;
  lua_createtable(state, 0, 4);
  lua_pushstring(state, kind_text(reader.number()));
  lua_setfield(state, -2, "kind");
  for (const char* field : {"size", "mode", "modified"}) {
    lua_pushinteger(state, static_cast<lua_Integer>(reader.number()));
    lua_setfield(state, -2, field);
  }
  return 1;
}

int back_run(lua_State* state, int, lua_KContext) {
  auto reader = reader_of(state);
  if (!succeeded(state, reader)) return 2;
  lua_createtable(state, 0, 2);
  lua_pushinteger(state, static_cast<lua_Integer>(reader.number()));
  lua_setfield(state, -2, "status");
  const std::string_view output = reader.text();
  lua_pushlstring(state, output.data(), output.size());
  lua_setfield(state, -2, "output");
  return 1;
}

int back_open(lua_State* state, int, lua_KContext) {
  auto reader = reader_of(state);
  if (!succeeded(state, reader)) return 2;
  const u32 client = client_of(state);
  const u64 descriptor = reader.number();
  Program::of(state).push_object(state, ObjectType::File, static_cast<u32>(descriptor), client << 16);
  return 1;
}

// ── Orders ───────────────────────────────────────────────────────────────────────────────────────────────────

int me_read(lua_State* state) { return give(state, Draft(Order::ReadFile).text(text_argument(state, 2)), back_text); }

int write_file(lua_State* state, u64 flags) {
  const std::string_view path = text_argument(state, 2);
  const std::string_view text = lua_isnoneornil(state, 3) ? std::string_view{} : text_argument(state, 3);
  if (lua_istable(state, 4)) {
    lua_getfield(state, 4, "sync");
    if (lua_toboolean(state, -1) != 0) flags |= schema::puppet::kSync;
    lua_pop(state, 1);
  }
  return give(state, Draft(Order::WriteFile).text(path).text(text).number(flags),
              (flags & schema::puppet::kSync) != 0 ? back_synced : back_done);
}
int me_write(lua_State* state) { return write_file(state, 0); }
int me_append(lua_State* state) { return write_file(state, schema::puppet::kAppend); }
int me_create(lua_State* state) { return write_file(state, schema::puppet::kExclusive); }

int me_remove(lua_State* state) { return give(state, Draft(Order::Remove).text(text_argument(state, 2)), back_done); }
int me_rename(lua_State* state) {
  return give(state, Draft(Order::Rename).text(text_argument(state, 2)).text(text_argument(state, 3)), back_done);
}
int me_list(lua_State* state) { return give(state, Draft(Order::List).text(text_argument(state, 2)), back_list); }
int me_stat(lua_State* state) { return give(state, Draft(Order::Stat).text(text_argument(state, 2)), back_stat); }
int me_mkdir(lua_State* state) {
  return give(state, Draft(Order::MakeDirectory).text(text_argument(state, 2)), back_done);
}
int me_run(lua_State* state) { return give(state, Draft(Order::Run).text(text_argument(state, 2)), back_run); }

int me_open(lua_State* state) {
  const std::string_view path = text_argument(state, 2);
  const std::string mode = luaL_optstring(state, 3, "r");
  u64 flags = 0;
  for (const char letter : mode) {
    switch (letter) {
      case 'r': flags |= schema::file::kOpenRead; break;
      case 'w': flags |= schema::file::kOpenWrite; break;
      case 'a': flags |= schema::file::kOpenWrite | schema::file::kOpenAppend; break;
      case 'c': flags |= schema::file::kOpenCreate; break;
      case 't': flags |= schema::file::kOpenTruncate; break;
      case 'x': flags |= schema::file::kOpenCreate | schema::file::kOpenExclusive; break;
      default:
        return luaL_argerror(state, 3, "letters are r read, w write, a append, c create, t truncate, x create anew");
    }
  }
  return give(state, Draft(Order::Open).text(path).number(flags), back_open);
}

int me_sleep(lua_State* state) {
  Quantity time;
  const std::string wrong = parse_quantity(state, 2, Unit::Duration, 0, 100 * kDayNs, time);
  if (!wrong.empty()) return luaL_argerror(state, 2, wrong.c_str());
  const i64 ns = time.draw(Program::of(state).stage->client_random(client_of(state)));
  return give(state, Draft(Order::Sleep).number(static_cast<u64>(ns)), back_done);
}

int refuse_network(lua_State* state) {
  return luaL_error(
      state, "connect: connections come with the network: not in this version; raw links are /dev/link/NAME/data");
}
int refuse_call(lua_State* state) {
  return luaL_error(
      state, "call: calling interfaces by name comes later: not in this version; files and me:run reach what there is");
}

int file_read(lua_State* state) {
  const lua_Integer most = luaL_optinteger(state, 2, schema::puppet::kTextMax);
  luaL_argcheck(state, most > 0 && most <= static_cast<lua_Integer>(schema::puppet::kTextMax), 2,
                "1 to 7168 is needed");
  return give(state, Draft(Order::Read).number(Program::object_at(state, 1)->index).number(static_cast<u64>(most)),
              back_text);
}
int file_write(lua_State* state) {
  return give(state, Draft(Order::Write).number(Program::object_at(state, 1)->index).text(text_argument(state, 2)),
              back_done);
}
int file_seek(lua_State* state) {
  const lua_Integer offset = luaL_checkinteger(state, 2);
  luaL_argcheck(state, offset >= 0, 2, "an offset from the start is needed");
  return give(state, Draft(Order::Seek).number(Program::object_at(state, 1)->index).number(static_cast<u64>(offset)),
              back_done);
}
int file_sync(lua_State* state) {
  return give(state, Draft(Order::Sync).number(Program::object_at(state, 1)->index), back_synced);
}
int file_close(lua_State* state) {
  return give(state, Draft(Order::Close).number(Program::object_at(state, 1)->index), back_done);
}

// ── What needs no order ──────────────────────────────────────────────────────────────────────────────────────

int me_running(lua_State* state) {
  lua_pushboolean(state, Program::of(state).stage->client_running(client_of(state)) ? 1 : 0);
  return 1;
}
int me_now(lua_State* state) {
  lua_pushinteger(state, static_cast<lua_Integer>(Program::of(state).stage->now_ns()));
  return 1;
}
int me_below(lua_State* state) {
  const lua_Integer bound = luaL_checkinteger(state, 2);
  luaL_argcheck(state, bound > 0, 2, "above 0 is needed");
  lua_pushinteger(state, static_cast<lua_Integer>(
                             Program::of(state).stage->client_random(client_of(state)).below(static_cast<u64>(bound))));
  return 1;
}
int me_chance(lua_State* state) {
  const lua_Integer numerator = luaL_checkinteger(state, 2);
  const lua_Integer denominator = luaL_checkinteger(state, 3);
  luaL_argcheck(state, denominator > 0, 3, "above 0 is needed");
  const u64 draw = Program::of(state).stage->client_random(client_of(state)).below(static_cast<u64>(denominator));
  lua_pushboolean(state, static_cast<lua_Integer>(draw) < numerator ? 1 : 0);
  return 1;
}
int me_pick(lua_State* state) {
  luaL_checktype(state, 2, LUA_TTABLE);
  const lua_Integer count = luaL_len(state, 2);
  luaL_argcheck(state, count > 0, 2, "the list is empty");
  const u64 draw = Program::of(state).stage->client_random(client_of(state)).below(static_cast<u64>(count));
  lua_geti(state, 2, static_cast<lua_Integer>(draw) + 1);
  return 1;
}
int me_unique(lua_State* state) {
  Program& program = Program::of(state);
  const u32 client = client_of(state);
  const std::string text = program.plan.clients[client].name + "/" + std::to_string(program.stage->next_unique(client));
  lua_pushlstring(state, text.data(), text.size());
  return 1;
}
int me_name(lua_State* state) {
  lua_pushstring(state, Program::of(state).plan.clients[client_of(state)].name.c_str());
  return 1;
}
int me_node(lua_State* state) {
  Program& program = Program::of(state);
  program.push_object(state, ObjectType::Node, program.plan.clients[client_of(state)].node);
  return 1;
}
int me_note(lua_State* state) {
  Sandbox::of(state).push_text(state, 2);
  Program::of(state).stage->note(lua_tostring(state, -1));
  return 0;
}

constexpr Call kCalls[] = {
    {ObjectType::Client, "running", "", "false when the run is over", kClient, me_running},
    {ObjectType::Client, "name", ".", "the client's name", kClient, me_name},
    {ObjectType::Client, "node", ".", "the node it runs on", kClient, me_node},
    {ObjectType::Client, "sleep", "time", "waits on the node's own clock", kClient, me_sleep},
    {ObjectType::Client, "now", "", "virtual time since the start, ns", kClient, me_now},
    {ObjectType::Client, "read", "path", "the whole file, at most 7168 bytes", kClient, me_read},
    {ObjectType::Client, "write", "path, text, {sync}", "makes the file hold the text", kClient, me_write},
    {ObjectType::Client, "append", "path, text, {sync}", "adds to the end", kClient, me_append},
    {ObjectType::Client, "create", "path, [text]", "fails when it is there", kClient, me_create},
    {ObjectType::Client, "remove", "path", "a file or an empty directory", kClient, me_remove},
    {ObjectType::Client, "rename", "from, to", "replaces what is there", kClient, me_rename},
    {ObjectType::Client, "list", "path", "names in a directory, sorted", kClient, me_list},
    {ObjectType::Client, "stat", "path", "{kind, size, mode, modified}", kClient, me_stat},
    {ObjectType::Client, "mkdir", "path", "makes a directory", kClient, me_mkdir},
    {ObjectType::Client, "open", "path, [mode]", "an open file; letters r w a c t x", kClient, me_open},
    {ObjectType::Client, "run", "command line", "does it in a shell: {status, output}, at most 7168 bytes of output",
     kClient, me_run},
    {ObjectType::Client, "connect", "address", "refused: comes with the network", kClient, refuse_network},
    {ObjectType::Client, "call", "service, method", "refused: comes later", kClient, refuse_call},
    {ObjectType::Client, "pick", "list", "one of them, by the client's stream", kClient, me_pick},
    {ObjectType::Client, "below", "n", "0 … n − 1, by the client's stream", kClient, me_below},
    {ObjectType::Client, "chance", "n, d", "true in n of d cases, by the client's stream", kClient, me_chance},
    {ObjectType::Client, "unique", "", "a text that no other call returns", kClient, me_unique},
    {ObjectType::Client, "note", "text", "a note beside the run", kClient, me_note},
    {ObjectType::File, "read", "[bytes]", "one read; \"\" at the end", kClient, file_read},
    {ObjectType::File, "write", "text", "all of it", kClient, file_write},
    {ObjectType::File, "seek", "offset", "from the start", kClient, file_seek},
    {ObjectType::File, "sync", "", "what was written to it survives a loss of power from now on", kClient, file_sync},
    {ObjectType::File, "close", "", "gives the descriptor back", kClient, file_close},
};

}  // namespace

std::span<const Call> client_calls() { return kCalls; }

}  // namespace sim::host::scenario
