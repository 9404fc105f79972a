// sim/host/scenario/program.h — a scenario file that has run: its declarations as a plan, its functions still in their Lua
// state. Each run of a scenario makes a program of its own from the same texts.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/host/scenario/plan.h"
#include "sim/host/scenario/sandbox.h"
#include "sim/host/scenario/stage.h"

namespace sim::host::scenario {

constexpr u64 kMistakesMax = 20;
constexpr u64 kSourceBytesMax = u64{1} << 20;
constexpr u64 kDiskImageBytesMax = u64{16} << 20;  // recordings of the scenario hold it

struct Mistake {
  Where where;
  std::string text;
};
/// `file:line: text`
std::string text_of(const Mistake& mistake);

/// The texts of a scenario: its file first, then what it uses. Read once.
struct Sources {
  struct File {
    std::string name;  // relative to the folder
    std::string text;
  };
  std::string folder;
  std::vector<File> files;
  bool is_whole = false;  // there are no others: they come from a recording
  const File* find(std::string_view name) const;
};
/// Empty, or what is wrong with the file.
std::string open_sources(const std::string& path, Sources& out);

/// What a function of the API may be called from; a bit each.
enum class Phase : u8 {
  Declare = 1,  // the file itself
  Act = 2,      // s:at, s:every, s:when: may change the world
  Look = 4,     // judges: may not
  Client = 8,   // a client's function
};

enum class ObjectType : u8 {
  Global,
  Scenario,
  Node,
  Link,
  Disk,
  Rack,
  Client,
  World,
  Console,
  Process,
  Service,
  File,
  History,
  Unknown
};
struct Object {
  ObjectType type = ObjectType::Unknown;
  u32 index = 0;
  u32 extra = 0;  // Process, Service: index into Program::names; File: descriptor
};

/// One function of the API; the reference and its test are made from these.
struct Call {
  ObjectType type = ObjectType::Global;
  const char* name = "";
  const char* arguments = "";  // as the reference shows them; "." for a field
  const char* about = "";
  u8 phases = 0;
  lua_CFunction function = nullptr;
};
std::span<const Call> scenario_calls();  // api_scenario.cpp
std::span<const Call> judge_calls();     // api_judges.cpp
std::span<const Call> world_calls();     // api_world.cpp
std::span<const Call> client_calls();    // api_client.cpp
std::vector<Call> all_calls();
/// What the reference calls objects of a type: "s", "n", "w", "me" …; empty for globals.
const char* handle_of(ObjectType type);

int use_file(lua_State* state);  // the API's `use`
/// Puts a file of the scenario's folder that is no Lua among its sources. Empty, or what is wrong.
std::string add_source(Sources& sources, const std::string& name, u64 bytes_max);

class Program {
 public:
  /// Of a buffered history without a node.
  static constexpr const char* kWhoKeeps =
      "which node keeps the data, whose power cuts may take it back? Only where one node has disks, or there is "
      "one at all, it need not be said: node = a";

  /// Runs the file; `sources` gets what it uses. Afterwards either `mistakes` says what is wrong or `plan` is whole.
  /// `called` is told of each function of the API that is called.
  Program(Sources& sources, u64 seed, std::function<void(const Call&)> called = {});
  static Program& of(lua_State* state) { return *static_cast<Program*>(Sandbox::of(state).owner); }

  Plan plan;
  std::vector<Mistake> mistakes;
  Phase phase = Phase::Declare;
  Stage* stage = nullptr;          // null while declaring
  std::vector<std::string> names;  // of processes and services that objects point to

  void tell_call(const Call& call) {
    if (called_) called_(call);
  }
  Sandbox& box() { return box_; }
  Sources& sources() { return sources_; }

  /// A function kept from argument `index`, for a later `push`.
  int keep(lua_State* state, int index);
  void push(lua_State* state, int function) { lua_rawgeti(state, LUA_REGISTRYINDEX, function); }
  /// The object as Lua sees it: equal objects are one.
  void push_object(lua_State* state, Object object);
  void push_object(lua_State* state, ObjectType type, u32 index, u32 extra = 0) {
    push_object(state, Object{type, index, extra});
  }
  static const Object* object_at(lua_State* state, int index);
  /// The object of this type at `index`, or an error that says what was expected.
  static const Object& expect(lua_State* state, int index, ObjectType type);

  /// Notes a mistake at the calling line and lets the file go on; the 21st ends it.
  void mistake(lua_State* state, const std::string& text);
  void mistake(const Where& where, const std::string& text);
  Where where(lua_State* state);
  u32 name_number(const std::string& name);

 private:
  friend int use_file(lua_State* state);
  void run_file();
  void check_texts();
  void check_patterns();
  void find_keepers();
  bool run_text(const Sources::File& file);
  void add_error(const std::string& text);

  Sources& sources_;
  std::function<void(const Call&)> called_;
  Sandbox box_;
};

/// Reads the fields of the table at `index` (or of nothing) once each; `finish` tells of those nobody asked for.
class Fields {
 public:
  Fields(lua_State* state, int index, std::string subject);
  bool has(const char* name);
  void quantity(const char* name, Unit unit, i64 least, i64 most, Quantity& out);
  void duration(const char* name, u64& out);
  void count(const char* name, i64 least, i64 most, u64& out);
  void text(const char* name, std::string& out);
  void flag(const char* name, bool& out);
  void texts(const char* name, std::vector<std::string>& out);
  void function(const char* name, int& out);
  /// Objects of one type, as their indices.
  void objects(const char* name, ObjectType type, std::vector<u32>& out);
  /// A field of something that this version does not have.
  void refuse(const char* name, const char* why);
  /// Leaves the value on the stack when it is there.
  bool push(const char* name);
  void mistake(const char* name, const std::string& text);
  void finish();

 private:
  lua_State* state_;
  Program& program_;
  int index_;
  bool is_table_;
  std::string subject_;
  std::vector<std::string> known_;
};

/// Bodies of clients and judges: argument `index` as a function, noted as a mistake when it is none.
bool is_function(lua_State* state, int index, const char* what);

}  // namespace sim::host::scenario
