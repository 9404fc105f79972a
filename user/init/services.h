// user/init/services.h — the servers that init keeps running: it owns their endpoints, which outlive them, and starts a
// server that ended again on the same endpoint, later each time it happens.
// Bounds      kServicesMax services, kLogLinesMax lines of the log.
// Invariants  V1 a service in Starting, Running or Stopping has a server, in any other state it has none.  V2 in Stopped
//             and Failed a stand-in answers on its endpoint, and in Backoff and Waiting once kWaitMaxNs have passed, so that
//             nobody waits there for ever.  V3 a running service that says
//             `restart-on-dep` has only running services it needs, once `settle_all` has returned.
// Tested by   tests/root/supervisor_test.cpp
#pragma once
#include "user/init/manifest.h"
#include "user/runtime/layout.h"
#include "user/runtime/process.h"

namespace user {

enum class ServiceState : u8 { Stopped, Waiting, Starting, Running, Backoff, Stopping, Failed };
std::string_view text_of(ServiceState state);

/// What happens to a service in Stopping once its server has ended.
enum class AfterStop : u8 { Stay, Start, Wait };

struct ServiceRecord {
  explicit ServiceRecord(base::Allocator& memory) : name(memory), text(memory) {}
  base::String name;
  base::String text;  // of the manifest, which refers to it
  Manifest manifest;
  ServiceState state = ServiceState::Stopped;
  AfterStop after = AfterStop::Stay;
  u32 endpoint = 0;  // slot
  Pid pid = 0;
  Pid stand_in = 0;  // V2
  Pid probe = 0;     // the process that asks whether the server answers
  bool probe_failed = false;
  bool start_failed = false;  // it took too long to say that it serves
  u64 probe_at_ns = ~u64{0};  // without a probe: when to begin one; with one: when to give up
  u32 generation = 0;         // starts so far
  u32 restarts = 0;
  u64 backoff_ns = 0;   // of the last restart; 0: none since it settled
  u64 started_ns = 0;   // in Running: when it said that it serves
  u64 down_ns = 0;      // when it ran last, or was loaded
  u64 start_at_ns = 0;  // in Backoff: when it is started again
};

class Services {
 public:
  static constexpr u32 kServicesMax = 24;
  static constexpr u32 kLogLinesMax = 1000;
  static constexpr u64 kNever = ~u64{0};
  static constexpr u64 kWaitMaxNs = 60'000'000'000;  // that a client waits for a service that is to come back

  explicit Services(Process& process)
      : process_(process), records_(process.heap()), log_(process.heap()), staged_(process.heap()) {}

  /// Reads the manifest FOLDER/NAME, makes the endpoint, starts the server, or has it wait for what it needs, publishes and
  /// mounts it. The folder is the boot image's: init waits for no server it started itself.
  Result<void> start(std::string_view folder, std::string_view name);
  /// The same for a driver: false, and nothing is left of it, when this node does not have its device.
  Result<bool> start_if_present(std::string_view folder, std::string_view name);
  /// The same for all of a folder.
  Result<void> start_all(std::string_view folder);
  /// Reads the manifests of all folders anew, by a process of its own that hands them in by `stage`: init waits for no file
  /// server. WouldBlock until it has; then what came of it. Errors: BadArgument with what is wrong with the first bad one.
  Result<void> reload();
  /// A manifest for the reload under way: the line `NAME`, then its text; `=NAME`: only of a service there is already.
  Result<void> stage(std::string_view data);
  /// A process ended: a fault if it was one of the servers. True if it was the end of a reload.
  bool ended(const WaitStatus& status);
  /// Does what is due by now; gives when to come again, kNever when nothing is planned.
  u64 settle_all();
  /// One line for the supervisor: `restart|stop|start|reset|probe NAME`. Errors: UnknownControl, NotFound, BadArgument.
  Result<void> control(std::string_view line);

  /// Mounts what the service serves or will serve, whether it runs or not.
  Result<void> mount_unattached(const ServiceRecord& record, const MountPlace& place);

  std::span<ServiceRecord> records() { return records_.span(); }
  ServiceRecord* find(std::string_view name);
  /// By its name in /srv; null: there is none.
  ServiceRecord* find_published(std::string_view service);
  /// The table of all services, those that others need first.
  void append_table(base::String& out);
  /// `KEY VALUE` lines of one service, its manifest behind them.
  void append_facts(const ServiceRecord& record, base::String& out);
  void append_log(base::String& out);

  /// Of the node, from the timer device: the timer server may be the one that is down.
  static u64 uptime_ns();

 private:
  struct Staged {
    base::String name;
    base::String text;
    Manifest manifest;
    bool refused = false;
  };
  Result<void> add(ServiceRecord&& record);
  Result<void> publish(const ServiceRecord& record);
  bool is_of_boot_image(std::string_view path);
  Result<void> apply_staged();
  Staged* find_staged(std::string_view name);
  const Manifest* manifest_of(std::string_view name);
  bool path_back(std::string_view from, std::string_view to, base::Vector<std::string_view>& path,
                 base::Vector<std::string_view>& seen);
  Result<void> check_needs(Staged& staged);
  Result<void> take(Staged& staged);
  void server_ended(const WaitStatus& status);
  bool give_up_waiting(ServiceRecord& record, u64 now);
  bool is_ready(const ServiceRecord& record);
  void stand_in_for(ServiceRecord& record);
  Result<void> run(ServiceRecord& record);
  void fault(ServiceRecord& record, std::string_view reason);
  void begin_stop(ServiceRecord& record, AfterStop after);
  void halt(ServiceRecord& record, ServiceState state);
  void start_now(ServiceRecord& record);
  void drop_stand_in(ServiceRecord& record);
  void begin_probe(ServiceRecord& record, u64 now);
  void end_probe(ServiceRecord& record);
  void probe_fails(ServiceRecord& record);
  bool needs_are_running(const ServiceRecord& record);
  bool needs_are_up(const ServiceRecord& record);
  void stop_dependents();
  bool advance(ServiceRecord& record, u64 now);
  u32 depth_of(const ServiceRecord& record);
  void note(const ServiceRecord& record, std::string_view event, std::string_view detail = {});

  Process& process_;
  u64 number_of(const ServiceRecord& record) const { return static_cast<u64>(&record - records_.data()); }
  base::Vector<ServiceRecord> records_;
  base::Vector<base::String> log_;
  base::Vector<Staged> staged_;
  Pid loader_ = 0;  // of the reload under way
  bool loaded_ = false;
  Result<void> load_result_{};
};

/// One line of the kernel log.
void log_line(std::string_view text);

/// Init's own slots, behind the endpoints of the services.
constexpr u32 kSlotMountRoot = kSlotPrivateEnd - 1;
constexpr u32 kSlotAlarm = kSlotPrivateEnd - 2;
static_assert(kSlotPrivate + Services::kServicesMax <= kSlotAlarm);

/// The grants init has from the root manager (user/root/manager.cpp).
constexpr u32 kInitPowerGrant = 0;
constexpr u32 kInitTimerGrant = 1;
constexpr u32 kInitConsoleGrant = 2;

}  // namespace user
