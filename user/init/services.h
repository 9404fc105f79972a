// user/init/services.h — the servers that init keeps running: it owns their endpoints, which outlive them, and starts a
// server that ended again on the same endpoint, later each time it happens.
// Bounds      kServicesMax services.
#pragma once
#include "user/init/manifest.h"
#include "user/runtime/process.h"

namespace user {

enum class ServiceState : u8 { Stopped, Running, Backoff, Failed };

struct ServiceRecord {
  explicit ServiceRecord(base::Allocator& memory) : name(memory), text(memory) {}
  base::String name;
  base::String text;      // of the manifest, which refers to it
  Manifest manifest;
  ServiceState state = ServiceState::Stopped;
  u32 endpoint = 0;       // slot
  Pid pid = 0;
  u32 restarts = 0;
  u64 backoff_ns = 0;     // of the last restart; 0: none since it settled
  u64 started_ns = 0;
  u64 start_at_ns = 0;    // in Backoff: when it is started again
};

class Services {
 public:
  static constexpr u32 kServicesMax = 24;

  explicit Services(Process& process) : process_(process), records_(process.heap()) {}

  /// Reads the manifest FOLDER/NAME, makes the endpoint, starts the server, publishes and mounts it.
  Result<void> start(std::string_view folder, std::string_view name);
  /// A process ended; true if it was one of the servers.
  bool ended(const WaitStatus& status);
  /// Starts what is due; gives when the next one is, ~0 when none waits.
  u64 restart_due();

 private:
  Result<void> run(ServiceRecord& record);
  ServiceRecord* find(std::string_view name);

  Process& process_;
  base::Vector<ServiceRecord> records_;
};

/// One line of the kernel log.
void log_line(std::string_view text);

}  // namespace user
