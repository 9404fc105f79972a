// user/root/records.h — what the root manager remembers: realms, processes, groups, namespaces, environments.
// Tables are bounded by what a process or realm may have; records are found by pid in a tree.
#pragma once
#include "base/list.h"
#include "base/map.h"
#include "base/string.h"
#include "base/tree.h"
#include "schema/process.capnp.h"
#include "user/program.h"
#include "user/root/memory.h"
#include "user/runtime/layout.h"
#include "user/runtime/shared.h"

namespace user::root {

struct ProcessRecord;
struct Realm;

// ── Names ────────────────────────────────────────────────────────────────────────────────────────────────────
/// A directory capability in a namespace; shared by the copies of that namespace.
struct Member {
  explicit Member(base::Allocator& memory) : source(memory), tree(memory) {}
  u32 id = 0;
  u32 references = 0;
  u32 slot = 0;  // its capability; 0 for the kinds that mean "of the process that asks"
  schema::process::MemberKind kind = schema::process::MemberKind::Mounted;
  base::String source;
  base::String tree;
};

constexpr u8 kMountReplace = 1;
constexpr u8 kMountBefore = 2;
constexpr u8 kMountAfter = 4;
constexpr u8 kMountCreate = 8;
constexpr u8 kMountReadOnly = 16;
constexpr u8 kMountNotDirectory = 32;
constexpr u32 kMountEntriesMax = 256;
constexpr u32 kUnionMembersMax = 16;

struct MemberUse {
  Member* member = nullptr;
  u8 flags = 0;
};
struct MountEntry {
  base::String path;
  base::Vector<MemberUse> members;
};

struct Environment {
  explicit Environment(base::Allocator& memory) : values(memory) {}
  u32 references = 0;
  u64 bytes = 0;
  base::SortedMap<base::String, base::String> values;
};
constexpr u64 kEnvironmentBytesMax = 64 << 10;
constexpr u64 kStartBytesMax = 128 << 10;

/// A word as fsh reads it back.
void append_word(base::String& out, std::string_view word);

// ── Processes ────────────────────────────────────────────────────────────────────────────────────────────────
/// Held: made, not yet let run. Ending: no thread of it runs any more, its end is not yet told to the parent.
enum class ProcessState : u8 { Held, Running, Stopped, Ending, Zombie };

/// What a process is made of: slots from `ProcessObjects::slots` on.
enum ObjectSlot : u32 {
  kObjectCNode,
  kObjectVSpace,
  kObjectTable1,
  kObjectTable0,
  kObjectFrame0,
  kObjectFrame1,
  kObjectTcb,
  kObjectNotification,
  kObjectContext,
  kObjectIdentity,
  kObjectSlotCount,
};

/// A thread beside the first: slots of what it is made of. The VSpace is the process's.
struct ThreadObjects {
  BlockId block = kNoBlock;
  u32 node = 0;
  u32 tcb = 0;
  u32 context = 0;
  u32 notification = 0;
  u32 buffer = 0;
  u32 home_core = 0;
  bool suspended = false;  // as ProcessRecord::suspended
};

struct ProcessObjects {
  explicit ProcessObjects(base::Allocator& memory)
      : threads(memory), more(memory), more_slots(memory), copies(memory) {}
  BlockId block = kNoBlock;  // kNoBlock: it has none
  u32 slots = 0;
  u32 buffer = 0;  // number of its IPC buffer
  u32 asid_pool = 0;
  u64 arena_bytes = 0;
  u64 untold_bytes = 0;  // of the arena: mapped when the rest of what was asked for could not be
  // Memory that arena pages are still to be made of, where making them was refused halfway.
  u32 spare_memory = 0;
  u32 spare_bits = 0;
  u32 spare_count = 0;
  u32 spare_frame = 0;  // made, and not mapped yet
  // The last answers about the arena: whoever lost one asks again.
  static constexpr u32 kGrownKept = 4;
  struct Grown {
    u32 number = 0;
    u64 bytes = 0;
  };
  Grown grown[kGrownKept];
  u32 grown_next = 0;
  u64 frames_end = kFramesAddress;  // where the next frame asked for goes
  u64 charged_bytes = 0;
  base::Vector<ThreadObjects> threads;  // beside the first
  base::Vector<BlockId> more;           // arena growth, tables, objects made by request
  base::Vector<u32> more_slots;         // what was made of them
  base::Vector<u32> copies;             // of frames from elsewhere, mapped for it
};

/// Texts of a spawn to come, laid out piece by piece.
struct StagedTexts {
  explicit StagedTexts(base::Allocator& memory) : arguments(memory), environment(memory), files(memory) {}
  u32 set = 0;
  base::String arguments;
  base::String environment;
  base::String files;
  u64 bytes() const { return arguments.size() + environment.size() + files.size(); }
};
constexpr u64 kStagedBytesMax = 4 * kStartBytesMax;  // of one process
constexpr u64 kStagedSetsMax = 256;

/// The last spawn of each set of the process: who lost the answer asks again.
struct Spawned {
  u32 set = 0;
  u32 number = 0;
  u32 pid = 0;
};

struct EndStatus {
  u32 code = 0;
  u32 note = 0;
  char cause[64] = {};
  u64 user_ns = 0;
  u64 real_ns = 0;
};

/// What a `wait` was told, for who has lost the answer: the last one of each set of the process.
struct Waited {
  u32 set = 0;
  u32 number = 0;
  u32 pid = 0;
  u32 code = 0;
  u32 note = 0;
  bool stopped = false;
  char cause[64] = {};
  u64 user_ns = 0;
  u64 real_ns = 0;
};

/// What a deferred `wait` asked for; a process has one for each thread that waits.
struct WaitRequest {
  u32 reply = 0;  // slot of the Reply object kept for it
  u32 pid = 0;
  u32 group = 0;
  bool stopped = false;
  u32 set = 0;
  u32 number = 0;
};

struct Group;
struct Namespace;

struct ProcessRecord {
  ProcessRecord(base::Allocator& memory, u32 pid_, u32 index_)
      : pid(pid_),
        index(index_),
        objects(memory),
        name(memory),
        arguments(memory),
        start(memory),
        cwd(memory),
        staged(memory),
        spawned(memory),
        waited(memory),
        waits(memory) {}

  u32 pid;
  u32 index;  // place in the table; part of the badge
  ProcessState state = ProcessState::Held;
  bool resumed = false;     // it has run
  bool may_grant = false;   // may hand out devices
  bool keeps_time = false;  // drives a timer: sleepers look again when it ends
  bool no_mount = false;
  bool no_wait_record = false;
  bool reclaimed = false;  // its objects are gone
  bool reaped = false;     // its parent has its status, or nobody wants it
  bool stop_unreported = false;
  bool suspended = false;  // held by suspending its thread, not by taking its scheduling context
  bool ready = false;      // it has said that it serves
  bool hangs = false;      // held without a word: for tests of what watches it
  u8 priority = 0;
  i8 console = -1;  // of the session it leads
  u16 umask = 022;
  u32 uid = 0;
  u32 gid = 0;
  u32 stop_note = 0;
  u64 ignored_notes = 0;
  u64 handled_notes = 0;
  u64 start_ns = 0;
  u64 consumed_ns = 0;  // of the processor, up to the last question
  u64 self_badge = 0;   // of its session with /proc, 0: none
  u64 env_badge = 0;    // of its session with /env, 0: none
  u32 home_core = 0;
  i32 wired_core = -1;  // −1: any

  ProcessRecord* parent = nullptr;
  Group* group = nullptr;
  u32 group_id = 0;  // stays when the group is left at the end
  u32 session_id = 0;
  Realm* realm = nullptr;
  Namespace* names = nullptr;
  Environment* environment = nullptr;

  ProcessObjects objects;
  base::String name;
  base::String arguments;  // each ended by 0
  base::String start;      // what the child's runtime has still to fetch behind the arguments
  base::String cwd;
  base::Vector<StagedTexts> staged;
  base::Vector<Spawned> spawned;
  base::Vector<Waited> waited;
  base::Vector<WaitRequest> waits;  // in the order they came
  EndStatus end;

  base::TreeHook by_pid;
  base::ListHook sibling;  // among the parent's children, or its zombies
  base::ListHook in_group;
  base::ListHook in_names;
  base::ListHook in_realm;
  base::List<ProcessRecord, &ProcessRecord::sibling> children;
  base::List<ProcessRecord, &ProcessRecord::sibling> zombies;
};

struct ByPid {
  bool operator()(const ProcessRecord& a, const ProcessRecord& b) const { return a.pid < b.pid; }
  bool operator()(const ProcessRecord& a, u32 pid) const { return a.pid < pid; }
  bool operator()(u32 pid, const ProcessRecord& b) const { return pid < b.pid; }
};

struct Group {
  u32 id = 0;
  u32 session_id = 0;
  base::TreeHook by_id;
  base::List<ProcessRecord, &ProcessRecord::in_group> members;
};
struct ById {
  template <class T>
  bool operator()(const T& a, const T& b) const {
    return a.id < b.id;
  }
  template <class T>
  bool operator()(const T& a, u32 id) const {
    return a.id < id;
  }
  template <class T>
  bool operator()(u32 id, const T& b) const {
    return id < b.id;
  }
};

struct Namespace {
  explicit Namespace(base::Allocator& memory) : entries(memory) {}
  u32 version = 1;
  base::Vector<MountEntry> entries;
  base::List<ProcessRecord, &ProcessRecord::in_names> users;
};

// ── Realms ───────────────────────────────────────────────────────────────────────────────────────────────────
constexpr u64 kNoLimit = ~u64{0};
/// One line of `usage`: how much of a resource is used, has been used at most, may be used, and how often it was refused.
struct Resource {
  u64 used = 0;
  u64 peak = 0;
  u64 limit = kNoLimit;
  u64 refusals = 0;
};

struct Realm {
  explicit Realm(base::Allocator& allocator) : name(allocator) {}
  u32 id = 0;
  base::String name;
  Realm* parent = nullptr;
  bool stopped = false;
  bool ending = false;  // destroyed: goes with its last process
  Resource memory;
  Resource processes;
  Resource threads;
  u64 files_max = kNoLimit;   // descriptors of each process
  u64 mounts_max = kNoLimit;  // members of the namespace of each process
  u64 cpu_budget_ns = 0;      // 0: only the parent's limit
  u64 cpu_period_ns = 10'000'000;
  u64 consumed_ns = 0;       // as far as it was asked for
  BlockId block = kNoBlock;  // of the two budget nodes
  u32 node_max = 0;          // M: the realm's bound; the children's and E's parent
  u32 node_effort = 0;       // E: parent of every thread's own scheduling context
  base::ListHook sibling;
  base::List<Realm, &Realm::sibling> children;
  base::List<ProcessRecord, &ProcessRecord::in_realm> members;
};

}  // namespace user::root
