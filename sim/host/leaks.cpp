// sim/host/leaks.cpp — the twelve planted leaks. One is active in a process: the one the build names with
// -DORRERY_LEAK=name, or with the name `any` the one in the environment variable ORRERY_LEAK.
#include "sim/model/leaks.h"

#include <dirent.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <map>
#include <string>

#include "base/digest.h"
#include "sim/host/leaks.h"

namespace sim::leaks {
namespace {

const std::string& active() {
  static const std::string name = [] {
    const std::string built = ORRERY_LEAK;
    const char* chosen = std::getenv("ORRERY_LEAK");
    return built != "any" ? built : std::string(chosen == nullptr ? "" : chosen);
  }();
  return name;
}
[[maybe_unused]] const std::string& read_at_start = active();

/// A thing that waits, large enough that its blocks come fresh from the heap.
struct Waiter {
  u64 id = 0;
  u8 rest[1000] = {};
};

u64 order_by_pointer() {
  std::map<const Waiter*, u64> waiters;
  for (u64 id = 0; id < 8; ++id) {
    auto* waiter = new Waiter;
    waiter->id = id;
    waiters[waiter] = id;
  }
  u64 order = 0;
  for (const auto& [waiter, id] : waiters) {
    order = order * 8 + id;
    delete waiter;
  }
  return order;
}

u64 order_by_salt() {
  const u64 salt = reinterpret_cast<u64>(&active);  // where the program happens to be loaded
  std::map<u64, u64> buckets;
  for (u64 name = 1; name <= 8; ++name) buckets[(name * 0x9E37'79B9'7F4A'7C15u ^ salt) * 0xC2B2'AE3D'27D4'EB4Fu] = name;
  u64 order = 0;
  for (const auto& [bucket, name] : buckets) order = order * 8 + name - 1;
  return order;
}

/// A completion in a thread of its own; an interrupted wait is taken for a late one.
void* complete(void* late) {
  const int nothing = epoll_create1(EPOLL_CLOEXEC);
  epoll_event event = {};
  if (epoll_wait(nothing, &event, 1, 20) < 0 && errno == EINTR) *static_cast<u64*>(late) = 1;
  close(nothing);
  return nullptr;
}
u64 completion_of_thread() {
  u64 late = 0;
  pthread_t thread = {};
  if (pthread_create(&thread, nullptr, complete, &late) != 0) return 2;
  pthread_join(thread, nullptr);
  return late;
}

u64 number_in_locale() {
  const char* language = std::getenv("LC_ALL");
  const bool turkish = language != nullptr && std::string(language).starts_with("tr");
  return base::digest_of(base::bytes_of(turkish ? "1.234.567" : "1,234,567")).high;
}

u64 first_of_directory() {
  u64 first = 0;
  DIR* folder = opendir(".");
  if (folder == nullptr) return first;
  while (const dirent* entry = readdir(folder)) {
    if (entry->d_name[0] == '.') continue;
    first = base::digest_of(base::bytes_of(entry->d_name)).high;
    break;
  }
  closedir(folder);
  return first;
}

u64 leftover() {
  static u64 writes = 0;  // survives a world
  writes += 1;
  return writes;
}

}  // namespace

u64 console_operand(const void* buffer, u8 unset) {
  const std::string& name = active();
  if (name == "padding") return u64{unset} << 8;
  if (name == "address-in-message") return reinterpret_cast<u64>(buffer);
  if (name == "pointer-map") return order_by_pointer();
  if (name == "salted-hash") return order_by_salt();
  if (name == "host-thread") return completion_of_thread();
  if (name == "environment") return number_in_locale();
  if (name == "directory-order") return first_of_directory();
  if (name == "float-mode") return sum_of_round_trips();
  if (name == "two-draws") return two_draws();
  if (name == "leftover") return leftover();
  return 0;
}

u64 timer_time(u64 time) {
  if (active() != "wall-clock") return time;
  timespec now = {};
  clock_gettime(CLOCK_REALTIME, &now);
  return time + (static_cast<u64>(now.tv_sec) >> 28) * 1000;  // a wheel as coarse as the host's years
}

u64 entropy_word(u64 word) {
  if (active() != "entropy") return word;
  u64 drawn = 0;
  return getrandom(&drawn, sizeof drawn, 0) == sizeof drawn ? drawn : word;
}

}  // namespace sim::leaks
