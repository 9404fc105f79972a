// user/root/manager.h — the root manager: the first user program of a node. It owns all Untyped memory and makes realms,
// processes and namespaces out of it; processes hold no more authority than it hands them. One thread, one endpoint. It
// never calls a server: what may block on one is done by its workers.
// Invariants  P1 a process has its kernel objects until it is reclaimed, all made from its own blocks.  P2 what a
//             process uses is charged to its realm and to all realms above.  P3 a thread waits for at most one deferred
//             reply, whose Reply object nobody else uses.
#pragma once
#include "base/heap.h"
#include "base/result.h"
#include "fs/error.h"
#include "fs/gate.h"
#include "user/root/boot.h"
#include "user/root/records.h"
#include "user/root/trees.h"
#include "user/runtime/probe.h"

namespace user::root {

using fs::ErrorCode;
using fs::Result;
using schema::process::MemberKind;

// ── Badges of the manager's endpoint with kind 0 (fs/badge.h): bits 0–31 pid, 32–55 place in the table ────────
constexpr u64 badge_of(u32 pid, u32 index) { return u64{index} << 32 | pid; }

// ── Addresses in the manager's own space ─────────────────────────────────────────────────────────────────────
constexpr u64 kBuffersAddress = u64{1} << 37;  // the frames with all IPC buffers, 2 MiB each
constexpr u32 kBuffersPerFrame = 256;
constexpr u64 kOwnDevicesAddress = 0xC000'0000;  // window of the timer
constexpr u64 kOwnWorldAddress = kOwnDevicesAddress + 0x1000;

enum class NativeEntryNumber : u32 { Root = 0, Program = 1, Worker = 2, Thread = 3 };
constexpr u64 kStackBytes = 256 << 10;

constexpr u8 kPriorityWorker = 240;
constexpr u8 kPriorityServerMax = 223;
constexpr u8 kPriorityProgram = 100;
constexpr u64 kSlicePeriodNs = 5'000'000;  // of every leaf: round robin, as the root task's own
constexpr u64 kBudgetPeriodNs = 10'000'000;

struct Device {
  kernel::DeviceKind kind = kernel::DeviceKind::Console;
  u32 number = 0;  // among its kind
  u32 irq = kernel::kNoIrq;
  u32 frame = 0;    // slot of its window's first page
  u32 handler = 0;  // slot of the IRQ handler, 0: it has no line
};

struct Service {
  base::String name;
  u32 slot = 0;
  u32 pid = 0;  // who published it; 0: the manager
  u32 generation = 1;
  bool per_client = false;   // every client gets a copy badged with its pid
  BlockId block = kNoBlock;  // of a server started for a mount: what its endpoint is made of
  u8 instance = 0;           // of our own trees: which one
  /// Started for a mount: it ends when it is mounted nowhere any more.
  bool is_private() const { return block != kNoBlock; }
};

/// Something a worker does with the files of a process, because it may block.
struct Job {
  schema::process::JobKind kind = schema::process::JobKind::Flush;
  u32 pid = 0;
  u32 index = 0;  // the record's place; it may be another's by the time a worker is free
  u16 slot = 0;
  u32 tag = 0;
  u64 due = 0;
};
struct Worker {
  ProcessRecord* record = nullptr;
  u32 reply = 0;  // it waits for a job; 0: it has one
  Job job;
};
constexpr u32 kWorkersMax = 16;

/// How a request of a process ended. Deferred: its Reply object is kept. Gone: nobody waits for an answer any more.
enum class Ending : u8 { Answered, Deferred, Gone };
struct Answer {
  Ending ending = Ending::Answered;
  kernel::MessageInfo info;
  static Answer deferred() { return {Ending::Deferred, {}}; }
  static Answer gone() { return {Ending::Gone, {}}; }
};

struct SpawnRequest {
  std::string_view program{};
  std::string_view arguments{};    // each ended by 0
  std::string_view environment{};  // NAME=VALUE to set, NAME to remove, each ended by 0
  std::string_view files{};
  std::string_view cwd{};
  std::string_view realm{};
  u32 flags = 0;
  u32 group = 0;
  u16 umask = 022;
  u8 priority = 0;
  bool hold = false;
  u32 served = 0;  // slot of an endpoint, 0: none
};

constexpr u32 kSmallObjectBits = 6;  // of an Endpoint, a Notification, a Reply

class Manager {
 public:
  /// Everything the root task starts with has been moved to `slots` and `untyped` already; see boot.cpp.
  Manager(base::Heap& memory, SlotPool slots, UntypedPool untyped, const kernel::BootInfo& boot, Reserve reserve);

  /// Devices, workers, the boot file server and init.
  void start(const kernel::BootInfo& boot);
  [[noreturn]] void serve();

  // ── kernel objects (spaces.cpp) ──────────────────────────────────────────────────────────────────────────
  struct Entry {
    NativeEntryNumber number = NativeEntryNumber::Program;
    u64 argument = 0;
    u64 stack_bytes = kStackBytes;
  };
  Result<void> make_objects(ProcessRecord& record, const Entry& entry);
  void destroy_objects(ProcessRecord& record);
  /// Another thread of the process, which runs. Errors: TooManyProcesses (kThreadsMax, or the realm's limit), OutOfMemory.
  Result<void> make_thread(ProcessRecord& record, u64 argument);
  /// More arena behind the last page; gives how much. Errors: OutOfMemory.
  Result<u64> grow_arena(ProcessRecord& record, u64 bytes);
  Result<void> make_by_request(ProcessRecord& record, schema::process::ObjectKind kind, u32 slot, u32 count);
  /// A new frame in the process's `slot`, mapped; or the one that lies there already.
  Result<u64> make_frame(ProcessRecord& record, u32 slot, u32 bits);
  Result<u64> map_slot(ProcessRecord& record, u32 slot, bool write);
  void unmap_slot(ProcessRecord& record, u32 slot);
  /// Maps a frame capability of the manager's for a process, making tables as needed; the copy's slot is the process's.
  Result<void> map_for(ProcessRecord& record, u32 frame, u64 address, u8 rights, u64 attributes);
  kernel::IpcBuffer& buffer_of(const ProcessRecord& record) { return buffer_at(record.objects.buffer); }
  kernel::IpcBuffer& buffer_at(u32 number);
  Window slot_in(const ProcessRecord& record, u32 slot) const {
    return {record.objects.slots + kObjectCNode, slot, kCNodeRadix};
  }

  // ── processes (processes.cpp) ────────────────────────────────────────────────────────────────────────────
  Result<ProcessRecord*> spawn(ProcessRecord* parent, const SpawnRequest& request);
  /// Before a process is made for them: NoSuchDevice names the first that this node does not have.
  Result<void> check_devices(std::span<const std::string_view> names) const;
  static bool is_grant_without_device(std::string_view name);
  Result<void> grant_devices(ProcessRecord& record, std::span<const std::string_view> names);
  /// The world device's window, through which a program's properties are told; nothing where the node has none.
  Result<void> grant_probe(ProcessRecord& record);
  void release(ProcessRecord& record);
  /// The process's threads stop now; its status is told once what has to be printed is.
  void terminate(ProcessRecord& record, u32 code, u32 note, std::string_view cause, bool files_closed);
  void end_thread(const ProcessRecord& record, u32 tcb, u32 buffer);
  Result<Answer> wait(ProcessRecord& record, const schema::process::Process::Wait::Request& request);
  void stop(ProcessRecord& record, u32 note);
  /// Stops its thread without a word to anybody, as if it had got stuck; `resume` and its end undo it.
  void hang(ProcessRecord& record);
  void resume(ProcessRecord& record);
  void fault(ProcessRecord& record, kernel::MessageInfo info);
  /// Of the processor, by all threads of the process so far, in ns.
  u64 consumed(ProcessRecord& record);
  Result<void> set_priority(ProcessRecord& record, u64 priority);
  /// Ties the process to a core; −1: it may run on any.
  Result<void> wire(ProcessRecord& record, i32 core);
  /// Nobody will ask for its status any more.
  void reap(ProcessRecord& record);
  ProcessRecord* find(u32 pid) { return by_pid_.find(pid); }
  ProcessRecord* find_badge(u64 badge);
  Group* find_group(u32 id) { return groups_.find(id); }
  void join_group(ProcessRecord& record, u32 group, u32 session);
  void leave_group(ProcessRecord& record);

  // ── notes (notes.cpp) ────────────────────────────────────────────────────────────────────────────────────
  void post(ProcessRecord& record, std::string_view note);
  void post_number(ProcessRecord& record, u32 number);
  Result<void> post_group(u32 group, std::string_view note);
  /// Makes whatever the process waits for return Interrupted.
  void interrupt(ProcessRecord& record);
  void flush_request(ProcessRecord& record);
  /// That in flight on the File in `slot` of the process; nothing if no File is there.
  void flush_request(ProcessRecord& record, u32 slot);
  void wake(ProcessRecord& record);
  void signal(ProcessRecord& record, u64 badge);

  // ── names (names.cpp, environment.cpp) ───────────────────────────────────────────────────────────────────
  Namespace& new_namespace();
  Namespace& copy_namespace(const Namespace& names);
  void join_namespace(ProcessRecord& record, Namespace& names);
  void leave_namespace(ProcessRecord& record);
  struct MountRequest {
    std::string_view path;
    u8 flags;
    MemberKind kind;
    std::string_view source;
    std::string_view tree;
  };
  Result<u32> mount(ProcessRecord& record, const MountRequest& request);
  Result<void> unmount(ProcessRecord& record, std::string_view path, u32 member);
  /// The slot of a capability to send to the asker; `temporary` is set when it is to be deleted afterwards.
  Result<u32> directory(ProcessRecord& record, u32 member);
  Result<u32> own_directory(ProcessRecord& record, MemberKind kind);
  Result<u32> view_directory(ProcessRecord& record, u8 instance, u8 rights);
  Result<u32> minted_directory(u64 badge);
  void append_namespace_text(const ProcessRecord& record, base::String& out);
  Result<void> publish(ProcessRecord& record, std::string_view name, bool per_client);
  Result<void> withdraw(ProcessRecord& record, std::string_view name);
  Service* find_service(std::string_view name);

  Environment& new_environment();
  Environment& copy_environment(const Environment& environment);
  void drop_environment(ProcessRecord& record);
  Result<void> set_env(Environment& environment, std::string_view name, u32 offset, base::Bytes value, bool remove);
  void apply_settings(Environment& environment, std::string_view settings);

  // ── realms (realms.cpp) ──────────────────────────────────────────────────────────────────────────────────
  Result<Realm*> make_realm(Realm& parent, std::string_view name);
  Result<void> remove_realm(Realm& realm);
  /// Errors: OperationNotPermitted for a realm's limits by who is in it, and for what would end the root realm.
  enum class Asker : u8 { Inside, Above };
  Result<void> control_realm(Realm& realm, std::string_view line, Asker asker);
  /// Removes a destroyed realm once nothing is left in it, and then those above that waited for it.
  void end_realm(Realm& realm);
  void append_realm_path(const Realm& realm, base::String& out) const;
  /// By a path of names below `from`; null: there is none.
  Realm* find_realm(Realm& from, std::string_view path);
  Result<void> charge(Realm& realm, Resource Realm::*resource, u64 amount);
  void refund(Realm& realm, Resource Realm::*resource, u64 amount);
  /// The least of a realm's bound and those above it; kNoLimit if there is none.
  static u64 bound_of(const Realm& realm, u64 Realm::*which);
  /// Whether `inner` is `outer` or lies below it.
  static bool is_within(const Realm* inner, const Realm& outer);
  /// Whether a process may know of another: it is in its realm or in one below. The dead are seen with their parent.
  bool sees(const ProcessRecord& viewer, const ProcessRecord& target) const;

  // ── workers (workers.cpp) ────────────────────────────────────────────────────────────────────────────────
  void enqueue(const Job& job);
  Answer worker_asks(Worker& worker, bool again);
  void worker_faulted(Worker& worker);
  Worker* worker_of(const ProcessRecord& record);

  /// Whether the request under way is that thread's, which waits for our answer.
  bool asks_now(const ThreadFacts& thread) const;
  /// Average load over 1, 5 and 15 minutes, in 1/2048.
  struct Load {
    u64 average[3] = {};
  };
  Load load();

  // ── for the trees ────────────────────────────────────────────────────────────────────────────────────────
  Result<u32> take_slot();
  /// Deletes what is in the slot and gives it back.
  void drop_slot(u32 slot);
  Result<u32> copy_endpoint();
  /// Takes the capability that came with the request out of the receive slot; gives its new slot.
  Result<u32> keep_received();
  void complete_parked(u32 reply, u64 label, base::Bytes message);

  // ── small things ─────────────────────────────────────────────────────────────────────────────────────────
  u64 uptime_ns();
  void log(std::string_view text);
  base::Heap& memory() { return memory_; }
  Realm& root_realm() { return *root_realm_; }
  u32 core_count() const { return core_count_; }
  UntypedPool& untyped() { return untyped_; }
  base::Tree<ProcessRecord, &ProcessRecord::by_pid, ByPid>& processes() { return by_pid_; }

 private:
  struct AsidPool {
    u32 slot = 0;
    u32 used = 0;
  };

  // requests.cpp
  Answer handle(const sys::Received& received);
  Answer handle_tree(const sys::Received& received);
  Answer dispatch(ProcessRecord& record, u16 ordinal, base::Bytes body);
  template <class Method>
  Answer run(ProcessRecord& record, base::Bytes body,
             Result<typename Method::Reply> (Manager::*handler)(ProcessRecord&, const typename Method::Request&));
  template <class Reply>
  Answer success(const Reply& reply);
  Answer failure(const fs::Error& error);
  void complete(u32 reply, const Answer& answer);
#define REQUEST(Method, handler)                                                 \
  Result<schema::process::Process::Method::Reply> handler(ProcessRecord& record, \
                                                          const schema::process::Process::Method::Request& request)
  REQUEST(Start, on_start);
  REQUEST(Grow, on_grow);
  REQUEST(Make, on_make);
  REQUEST(Frame, on_frame);
  REQUEST(Map, on_map);
  REQUEST(Unmap, on_unmap);
  REQUEST(Mounts, on_mounts);
  REQUEST(Directory, on_directory);
  REQUEST(Mount, on_mount);
  REQUEST(Unmount, on_unmount);
  REQUEST(SetCwd, on_set_cwd);
  REQUEST(Publish, on_publish);
  REQUEST(Withdraw, on_withdraw);
  REQUEST(Service, on_service);
  REQUEST(GetEnv, on_get_env);
  REQUEST(SetEnv, on_set_env);
  REQUEST(Stage, on_stage);
  StagedTexts& staged_texts(ProcessRecord& record, u32 set);
  REQUEST(Spawn, on_spawn);
  REQUEST(Release, on_release);
  REQUEST(Rfork, on_rfork);
  REQUEST(Post, on_post);
  REQUEST(SetNote, on_set_note);
  REQUEST(SetGroup, on_set_group);
  REQUEST(Facts, on_facts);
  REQUEST(SetConsole, on_set_console);
  REQUEST(Log, on_log);
  REQUEST(ReadLog, on_read_log);
  REQUEST(Ready, on_ready);
  REQUEST(Alarm, on_alarm);
  REQUEST(Thread, on_thread);
#undef REQUEST
  Answer on_env_names(ProcessRecord& record, base::Bytes body);

  // spaces.cpp
  u32 make_own(kernel::ObjectType type, u32 bits);
  u32 take_buffer();
  Result<void> make_tables(ProcessRecord& record, u64 address);
  Result<u32> take_block(ProcessRecord& record, u32 bits);
  void give_back_block(ProcessRecord& record, u32 memory);
  Result<u64> add_arena_page(ProcessRecord& record, u64 wanted);
  bool is_empty(const ProcessRecord& record, u32 slot, u32 count);
  Result<u32> assign_asid(u32 vspace);
  u32 take_object_slots();
  void start_thread_at(const ProcessRecord& record, u32 tcb, const Entry& entry);
  void destroy_threads(ProcessRecord& record);

  // workers.cpp
  ProcessRecord* record_of(const Job& job);
  bool make_worker();
  bool take_job(Worker& worker);
  Answer tell_job(const Worker& worker);
  void finish_job(Worker& worker);

  // names.cpp
  u8 view_of(const ProcessRecord& record, const Member& member);
  void drop_member(Member& member);
  void tell_unused();
  void tell_unused(u64 endpoint);
  bool is_mounted(u64 endpoint);
  struct PrivateEndpoint {
    BlockId block = kNoBlock;
    u32 slot = 0;
  };
  Result<PrivateEndpoint> make_private_endpoint();
  void drop_private_endpoint(const PrivateEndpoint& endpoint);
  void withdraw_all(const ProcessRecord& record);
  void changed(Namespace& names);

  // realms.cpp
  Result<Realm*> new_realm(Realm* parent, std::string_view name);
  Result<void> set_cpu(Realm& realm, u64 budget_ns, u64 period_ns);
  Result<void> set_limit(Realm& realm, std::string_view name, std::string_view value);
  Result<void> set_cpu_limit(Realm& realm, std::string_view value);
  Result<void> set_bound(Realm& realm, u64 Realm::*which, u64 limit);
  void tell_files_max(const Realm& realm);

  // manager.cpp
  void find_devices(const kernel::BootInfo& boot);
  const Device* find_device(std::string_view name) const;
  Result<void> map_own(u32 frame, u64 address);
  void complete_with_capability(const Answer& answer);
  Result<void> start_servers(const kernel::BootInfo& boot);

  // processes.cpp
  void hold(ProcessRecord& record);
  void let_go(ProcessRecord& record);
  void let_go(const ProcessRecord& record, u32 tcb, u32 context, const BudgetNode& leaf, bool suspended);
  static BudgetNode leaf_of(const ProcessRecord& record);
  static BudgetNode leaf_of(const ProcessRecord& record, const ThreadObjects& thread);
  void publish_end(ProcessRecord& record);
  void reclaim(ProcessRecord& record);
  void forget(ProcessRecord& record);
  bool matches(const ProcessRecord& child, const WaitRequest& wait) const;
  void answer_wait(ProcessRecord& parent, ProcessRecord& child);
  const Waited& note_wait(ProcessRecord& record, const WaitRequest& wait, const ProcessRecord& child);
  u32 take_reply();

  base::Heap& memory_;
  SlotPool slots_;
  UntypedPool untyped_;
  Reserve reserve_;
  bool memory_short_ = false;  // the heap's reserve could not be filled up
  u32 core_count_;
  u32 node_id_;
  u32 endpoint_ = 0;
  u32 current_reply_ = 0;
  u32 receive_slot_ = 0;
  bool received_cap_ = false;  // the receive slot is filled by the request under way
  u64 received_badge_ = 0;     // the capability was one to our own endpoint
  bool received_unwrapped_ = false;
  u32 send_slot_ = 0;  // goes with the answer under way
  bool send_temporary_ = false;
  u32 next_pid_ = 1;
  u32 next_member_ = 1;
  u32 next_core_ = 0;
  u32 next_realm_ = 1;
  u32 small_objects_ = 0;  // slot of an Untyped that endpoints and Reply objects are made from
  Load load_;
  u64 load_until_ns_ = 0;     // what load_ counts in
  u64 load_consumed_ns_ = 0;  // of the processors, up to then
  Probe probe_{.window = 0};
  u64 timer_address_ = 0;  // 0: the node has no timer device
  base::Vector<u8> request_;
  base::Vector<schema::process::Mount> mounts_;  // of the answer under way
  base::Vector<ProcessRecord*> table_;
  base::Vector<u32> free_indices_;
  base::Tree<ProcessRecord, &ProcessRecord::by_pid, ByPid> by_pid_;
  base::Tree<Group, &Group::by_id, ById> groups_;
  base::Vector<u32> free_replies_;
  base::Vector<u32> free_object_slots_;
  base::Vector<u32> buffer_frames_;
  base::Vector<u32> free_buffers_;
  u32 buffers_made_ = 0;
  u32 spare_buffer_frame_ = 0;  // made, and not mapped yet
  base::Vector<AsidPool> asid_pools_;
  base::Vector<Device> devices_;
  base::Vector<u32> image_frames_;
  u32 image_bytes_ = 0;
  base::Vector<Service> services_;
  base::Vector<u64> dropped_;  // endpoints of directories that have left a namespace
  base::Vector<Worker> workers_;
  base::Vector<Job> jobs_;
  base::Vector<u8> log_;
  u64 log_start_ = 0;  // offset of log_[0]
  Realm* root_realm_ = nullptr;
  ProcessRecord* init_ = nullptr;
  Trees* trees_ = nullptr;
  base::Vector<u8> tree_answer_;
};

}  // namespace user::root
